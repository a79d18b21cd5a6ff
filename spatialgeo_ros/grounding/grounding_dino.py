# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The kinds ``mm_grounding_dino`` (LLMDet too) and ``grounding_dino`` of the transformers library.

Phrases go through the network together with the image, as one prompt; each has its own tokens in
it, and its score is read there.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.grounding.detections import ScoredBoxes, corners
from spatialgeo_ros.grounding.detector_text import Prompt, PromptWriter, span_scores
from spatialgeo_ros.grounding.network_detector import (
    Check,
    DetectorGraph,
    NetworkDetector,
    as_numpy,
)
from spatialgeo_ros.grounding.pixels import PixelRules, PreparedImage, dino_rules, prepare
from spatialgeo_ros.grounding.pretrained import load_hub_tokenizer, load_pretrained, model_type
from spatialgeo_ros.models.grounding_profile import DetectorPart

#: Kind -> ``model_type`` -> class of transformers.
CLASSES = {
    "mm_grounding_dino": {"mm-grounding-dino": "MMGroundingDinoForObjectDetection"},
    "grounding_dino": {"grounding-dino": "GroundingDinoForObjectDetection"},
}


@dataclass(frozen=True, eq=False)
class BackboneFeatures:
    """What the image backbone gives, in place of pixels; the network asks pixels no more than this.

    Attributes:
        shape: of the pixels.
        device: of the pixels.
        maps: a feature map and its mask per level.
        positions: embeddings per level.
    """

    shape: torch.Size
    device: torch.device
    maps: tuple[tuple[Tensor, Tensor], ...]
    positions: tuple[Tensor, ...]


class _KnownFeatures(nn.Module):
    """The image backbone, or what it gave before."""

    def __init__(self, backbone: Any) -> None:
        super().__init__()
        self.backbone = backbone

    @property
    def position_embedding(self) -> Any:
        """The network embeds levels of its own with it."""
        return self.backbone.position_embedding

    def forward(self, pixel_values: Any, pixel_mask: Tensor) -> tuple[Any, list[Tensor]]:
        """Return maps and positions, in new lists: the network appends to them."""
        if isinstance(pixel_values, BackboneFeatures):
            return list(pixel_values.maps), list(pixel_values.positions)
        return self.backbone(pixel_values, pixel_mask)


class DinoGraph(DetectorGraph):
    """The whole network.

    Inputs ``pixel_values [B, 3, rows, columns]`` float32, ``pixel_mask [B, rows, columns]``,
    ``input_ids``, ``token_type_ids`` and ``attention_mask [B, tokens]`` int64. Outputs ``logits
    [B, queries, tokens]``, -inf in the padding, and ``boxes [B, queries, 4]``: centre, width and
    height relative to the image without padding.

    Args:
        model: of transformers; its backbone has to be a :class:`_KnownFeatures` for
            :meth:`detect` (see :func:`split_backbone`).
        rules: with a fixed input size, for :meth:`example_inputs`.
        tokens: of a prompt, padded.
    """

    input_names = ("pixel_values", "pixel_mask", "input_ids", "token_type_ids", "attention_mask")
    output_names = ("logits", "boxes")

    def __init__(self, model: Any, rules: PixelRules, tokens: int) -> None:
        super().__init__()
        self.model, self.rules, self.tokens = model, rules, tokens
        self.training = False

    def forward(
        self,
        pixel_values: Tensor,
        pixel_mask: Tensor,
        input_ids: Tensor,
        token_type_ids: Tensor,
        attention_mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Run once; see the class for inputs and outputs."""
        pixels = pixel_values.to(next(self.parameters()).dtype)
        return self._outputs(pixels, pixel_mask, input_ids, token_type_ids, attention_mask)

    @torch.inference_mode()
    def look(self, pixel_values: Tensor, pixel_mask: Tensor) -> BackboneFeatures:
        """Run the image backbone alone."""
        pixels = pixel_values.to(next(self.parameters()).dtype)
        maps, positions = self.model.model.backbone(pixels, pixel_mask)
        return BackboneFeatures(pixels.shape, pixels.device, tuple(maps), tuple(positions))

    @torch.inference_mode()
    def detect(
        self, features: BackboneFeatures, pixel_mask: Tensor, text: dict[str, Tensor]
    ) -> dict[str, Tensor]:
        """Run the rest on what :meth:`look` gave."""
        outputs = self._outputs(features, pixel_mask, **text)
        return dict(zip(self.output_names, outputs, strict=True))

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Random pixels without padding, and a prompt of one word."""
        device = next(self.parameters()).device
        rows, columns = self.rules.rows, self.rules.columns
        ids = torch.zeros((batch, self.tokens), dtype=torch.long, device=device)
        ids[:, :4] = torch.tensor([101, 1037, 1012, 102])  # [CLS] a . [SEP]
        return {
            "pixel_values": torch.rand((batch, 3, rows, columns), device=device),
            "pixel_mask": torch.ones((batch, rows, columns), dtype=torch.long, device=device),
            "input_ids": ids,
            "token_type_ids": torch.zeros_like(ids),
            "attention_mask": (ids != 0).long(),
        }

    def _outputs(
        self,
        pixels: Tensor | BackboneFeatures,
        pixel_mask: Tensor,
        input_ids: Tensor,
        token_type_ids: Tensor,
        attention_mask: Tensor,
    ) -> tuple[Tensor, Tensor]:
        found = self.model(
            pixel_values=pixels,
            pixel_mask=pixel_mask,
            input_ids=input_ids,
            token_type_ids=token_type_ids,
            attention_mask=attention_mask,
        )
        return found.logits[..., : input_ids.shape[1]].float(), found.pred_boxes.float()


def split_backbone(model: Any) -> None:
    """Let a model of this family take :class:`BackboneFeatures` in place of pixels, too."""
    if not isinstance(model.model.backbone, _KnownFeatures):
        model.model.backbone = _KnownFeatures(model.model.backbone)


class GroundingDinoDetector(NetworkDetector):
    """LLMDet, MM-Grounding-DINO or Grounding DINO behind ``grounding.detector.Detector``.

    The image backbone's features are kept per image, and what a prompt gave.

    Args:
        part: of the profile.
        name: of the profile.
        model: ``MMGroundingDinoForObjectDetection`` or ``GroundingDinoForObjectDetection``.
        tokenizer: of the checkpoint.
        folder: of the checkpoint, for what it says of its pixels.
        device: where the model is.
        dtype: of its weights.
    """

    def __init__(
        self,
        part: DetectorPart,
        name: str,
        model: Any,
        tokenizer: Any,
        folder: Path,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        super().__init__(part, name, device, dtype)
        split_backbone(model)
        self._rules = dino_rules(folder, part.image)
        self._longest: int = model.config.max_text_len
        self._fixed_tokens = min(part.settings.get("text_tokens", self._longest), self._longest)
        self._writer = PromptWriter(tokenizer, self._longest)
        self._tokenizer = tokenizer
        self._padded_to = 0
        self._graph = DinoGraph(model, self._rules, self._longest)
        #: Images that the backbone has seen.
        self.images_seen = 0
        #: Prompts that went through the network.
        self.prompts_read = 0

    def graphs(self, image_size: tuple[int, int]) -> dict[str, DetectorGraph]:
        """The whole network, for images of one size and prompts of ``text_tokens``."""
        rules = self._rules.fixed_for(*image_size)
        return {"detector": DinoGraph(self._graph.model, rules, self._fixed_tokens)}

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""
        rules = self._rules
        sides = (
            f"{rules.short_side} to {rules.long_side}"
            if rules.fit == "aspect"
            else f"{rules.columns}x{rules.rows}"
        )
        return {**super().describe(), "input": sides, "longest prompt": self._longest}

    def close(self) -> None:
        """Free memory; a later call to :meth:`ground` fails."""
        super().close()
        del self._graph

    def _find(
        self,
        image: npt.NDArray[np.uint8],
        texts: Sequence[str],
        cache: MutableMapping[str, Any],
        check: Check,
    ) -> ScoredBoxes:
        scores, boxes = [], []
        for prompt in self._writer.write(texts):
            key = f"{self._key}.{prompt.input_ids}"
            if key not in cache:
                cache[key] = self._run(image, prompt, cache, check)
            logits, places = cache[key]
            scores.append(span_scores(logits, prompt, len(texts)))
            boxes.append(places)
            check()
        return ScoredBoxes(np.concatenate(scores), np.concatenate(boxes))

    def _run(
        self,
        image: npt.NDArray[np.uint8],
        prompt: Prompt,
        cache: MutableMapping[str, Any],
        check: Check,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Logits [queries, tokens] of the prompt, and boxes as corners in the image."""
        prepared = self._prepared(image, cache, check)
        mask = prepared.pixel_mask.to(self._device)
        text = self._text(prompt)
        backend = self._backends.get("detector")
        if backend is not None:
            pixels = prepared.pixel_values.to(self._device)
            found = backend.run({"pixel_values": pixels, "pixel_mask": mask, **text})
        else:
            key = f"{self._key}.image"
            if key not in cache:
                cache[key] = self._graph.look(prepared.pixel_values.to(self._device), mask)
                self.images_seen += 1
            check()
            found = self._graph.detect(cache[key], mask, text)
        self.prompts_read += 1
        logits = as_numpy(found["logits"])[0, :, : len(prompt.input_ids)]
        return logits, corners(as_numpy(found["boxes"])[0], prepared.extent)

    def _prepared(
        self, image: npt.NDArray[np.uint8], cache: MutableMapping[str, Any], check: Check
    ) -> PreparedImage:
        key = f"{self._key}.pixels"
        if key not in cache:
            cache[key] = prepare(image, self._rules)
            check()
        prepared: PreparedImage = cache[key]
        return prepared

    def _text(self, prompt: Prompt) -> dict[str, Tensor]:
        count = max(len(prompt.input_ids), self._padded_to)
        ids = torch.full((1, count), self._writer.pad_id, dtype=torch.long)
        ids[0, : len(prompt.input_ids)] = torch.tensor(prompt.input_ids)
        mask = torch.zeros_like(ids)
        mask[0, : len(prompt.input_ids)] = 1
        text = {
            "input_ids": ids,
            "token_type_ids": torch.zeros_like(ids),
            "attention_mask": mask,
        }
        return {name: tensor.to(self._device) for name, tensor in text.items()}

    def _adopt(self, name: str, graph: DetectorGraph) -> None:
        """Make every input of the graph's shape, and let PyTorch's copy of the weights go."""
        assert isinstance(graph, DinoGraph)
        self._rules, self._padded_to = graph.rules, graph.tokens
        self._writer = PromptWriter(self._tokenizer, graph.tokens)
        self._graph.to("meta")


def load_grounding_dino(
    part: DetectorPart, name: str, device: torch.device, dtype: torch.dtype
) -> GroundingDinoDetector:
    """Load a detector of these kinds.

    Raises:
        ModelLoadError: names the file, tensor or setting that is wrong.
    """
    assert part.checkpoint is not None
    if dtype == torch.bfloat16:
        raise ModelLoadError(
            f"a detector of kind {part.kind} cannot compute in bfloat16, which tells 256 places "
            "along a side of the image apart: choose float16 or float32"
        )
    folder = part.checkpoint.folder()
    classes = CLASSES[part.kind]
    model = load_pretrained(folder, classes[model_type(folder, classes, part.kind)], device, dtype)
    tokenizer = load_hub_tokenizer(folder, model.config.text_config.vocab_size)
    return GroundingDinoDetector(part, name, model, tokenizer, folder, device, dtype)
