# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The detector kind ``owl``: OWL-ViT and OWLv2 of the transformers library.

One box per patch of the image, and a score of each for any number of phrases: the image is looked
at once, a phrase is read once, and putting them together costs next to nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spatialgeo_ros.errors import BadRequestError, quoted
from spatialgeo_ros.grounding.detections import ScoredBoxes, corners, in_agreement, mirrored
from spatialgeo_ros.grounding.gate_rules import KNOWN_PHRASES, GateRule, detections
from spatialgeo_ros.grounding.graphs import DetectorGraph, only_parts, with_parts
from spatialgeo_ros.grounding.network_detector import Check, NetworkDetector, as_numpy
from spatialgeo_ros.grounding.pixels import owl_rules, prepare
from spatialgeo_ros.grounding.pretrained import load_hub_tokenizer, load_pretrained, model_type
from spatialgeo_ros.models.grounding_profile import DetectorPart
from spatialgeo_ros.runtime.detection_parity import DetectionMetric, Detections

#: ``model_type`` -> class of transformers.
CLASSES = {"owlvit": "OwlViTForObjectDetection", "owlv2": "Owlv2ForObjectDetection"}
#: Phrases whose features are kept: some 2 kB each.
_KEPT_PHRASES = 512


def _base(model: Any) -> Any:
    """Both towers, without the heads of detection."""
    return getattr(model, model.config.model_type)


class OwlImageGraph(DetectorGraph):
    """Image tower and box head.

    Input ``pixel_values [B, 3, side, side]`` float32. Outputs ``image_features [B, patches, C]``,
    which the class head compares with phrases, and ``boxes [B, patches, 4]``: centre, width and
    height relative to the input.
    """

    input_names = ("pixel_values",)
    output_names = ("image_features", "boxes")

    def __init__(self, model: Any, side: int) -> None:
        super().__init__()
        towers = {model.config.model_type: only_parts(_base(model), "vision_model")}
        self.model, self.side = with_parts(model, class_head=None, **towers), side
        # The library bends the position table only when it is told to.
        self._interpolate = side != model.config.vision_config.image_size

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, Tensor]:
        """Run once; see the class for inputs and outputs."""
        dtype = next(_base(self.model).vision_model.parameters()).dtype
        grid = self.model.image_embedder(
            pixel_values.to(dtype), interpolate_pos_encoding=self._interpolate
        )[0]
        features = grid.flatten(1, 2)
        head = next(self.model.box_head.parameters()).dtype
        boxes = self.model.box_predictor(features.to(head), grid, self._interpolate)
        return features.float(), boxes.float()

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Random pixels."""
        device = next(self.parameters()).device
        return {"pixel_values": torch.rand((batch, 3, self.side, self.side), device=device)}


class OwlTextGraph(DetectorGraph):
    """Text tower.

    Inputs ``input_ids`` and ``attention_mask [B, tokens]`` int64, a phrase per row, padded. Output
    ``text_features [B, C]`` of length 1.
    """

    input_names = ("input_ids", "attention_mask")
    output_names = ("text_features",)

    def __init__(self, model: Any, tokens: int) -> None:
        super().__init__()
        self.config = model.config.text_config
        self.towers = only_parts(_base(model), "text_model", "text_projection")
        self.tokens = tokens

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor]:
        """Run once; see the class for inputs and outputs."""
        features = self.towers.get_text_features(input_ids, attention_mask).pooler_output
        return ((features / torch.linalg.norm(features, dim=-1, keepdim=True)).float(),)

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """A phrase of ones, which ends at its last token."""
        device = next(self.parameters()).device
        ids = torch.ones((batch, self.tokens), dtype=torch.long, device=device)
        ids[:, -1] = self.config.vocab_size - 1  # where the tower reads
        return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


class OwlDetector(NetworkDetector):
    """OWL-ViT or OWLv2 behind ``grounding.detector.Detector``.

    Text features are kept per phrase, image features per image.

    Args:
        part: of the profile.
        name: of the profile.
        model: ``OwlViTForObjectDetection`` or ``Owlv2ForObjectDetection``.
        tokenizer: of the checkpoint.
        folder: of the checkpoint, for what it says of its pixels.
        device: where the model is.
        dtype: of its towers.
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
        # bfloat16 tells 256 places along a side apart, and the heads cost next to nothing.
        for head in (model.class_head, model.box_head):
            head.float()
        model.box_bias = model.box_bias.float()
        config = model.config
        self._model, self._tokenizer = model, tokenizer
        self._rules = owl_rules(
            folder, part.image, config.vision_config.image_size, config.model_type == "owlv2"
        )
        self._tokens: int = config.text_config.max_position_embeddings
        self._template: str = part.settings.get("template", "{}")
        self._mirror: bool = part.settings.get("mirror", False)
        self._text_features: OrderedDict[str, Tensor] = OrderedDict()
        self._image_graph = OwlImageGraph(model, self._rules.rows)
        self._text_graph = OwlTextGraph(model, self._tokens)
        #: Phrases that the text tower has read.
        self.phrases_read = 0
        #: Images that the image tower has seen.
        self.images_seen = 0

    def graphs(self, image_size: tuple[int, int]) -> dict[str, DetectorGraph]:
        """The image tower; its input does not depend on the camera.

        The text tower stays in PyTorch: what it makes of a phrase is kept.
        """
        return {"image": self._image_graph}

    def gate_rule(self, name: str, graphs: Mapping[str, DetectorGraph]) -> GateRule:
        """Boxes and scores of known phrases in pictures."""
        words = self._read(KNOWN_PHRASES, lambda: None)

        def read(outputs: Mapping[str, Tensor]) -> Detections:
            logits = self._logits(outputs["image_features"].to(self._device), words)
            return detections(logits.sigmoid().T.cpu(), outputs["boxes"][0])

        return GateRule(metric=DetectionMetric(read))

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""
        side = self._rules.rows
        return {
            **super().describe(),
            "input": f"{side}x{side}",
            "template": self._template,
            "looks at an image": "twice, once mirrored" if self._mirror else "once",
            "phrases kept": len(self._text_features),
        }

    def close(self) -> None:
        """Free memory; a later call to :meth:`ground` fails."""
        super().close()
        self._text_features.clear()
        del self._model, self._image_graph, self._text_graph

    def _find(
        self,
        image: npt.NDArray[np.uint8],
        texts: Sequence[str],
        cache: MutableMapping[str, Any],
        check: Check,
    ) -> ScoredBoxes:
        words = self._read(texts, check)
        key = f"{self._key}.image"
        if key not in cache:
            width = image.shape[1]
            looks = [self._look(image, check)]
            if self._mirror:
                features, boxes = self._look(np.ascontiguousarray(image[:, ::-1]), check)
                looks.append((features, mirrored(boxes, width)))
            self.images_seen += 1
            cache[key] = looks
        check()
        found = [
            ScoredBoxes(as_numpy(self._logits(features, words).sigmoid()), boxes)
            for features, boxes in cache[key]
        ]
        return in_agreement(*found) if self._mirror else found[0]

    def _look(
        self, image: npt.NDArray[np.uint8], check: Check
    ) -> tuple[Tensor, npt.NDArray[np.float32]]:
        """Features [1, patches, C] of an image, and boxes [patches, 4] in its pixels."""
        prepared = prepare(image, self._rules)
        check()
        network = self._network("image", lambda: self._image_graph)
        seen = network({"pixel_values": prepared.pixel_values.to(self._device)})
        boxes = corners(as_numpy(seen["boxes"])[0], prepared.extent)
        return seen["image_features"].float(), boxes

    @torch.inference_mode()
    def _logits(self, features: Tensor, words: Tensor) -> Tensor:
        """Logits [patches, texts] of image features [1, patches, C] and phrases [texts, C]."""
        logits: Tensor = self._model.class_predictor(features, words[None])[0][0]
        return logits

    def _read(self, texts: Sequence[str], check: Check) -> Tensor:
        """Features [texts, C] of phrases, from the kept ones where they are."""
        new = [text for text in texts if text not in self._text_features]
        if new:
            encoded = [self._encode(text) for text in new]
            check()
            ids = torch.tensor([ids for ids, _ in encoded], device=self._device)
            mask = torch.tensor([mask for _, mask in encoded], device=self._device)
            read = self._text_graph.run({"input_ids": ids, "attention_mask": mask})
            self.phrases_read += len(new)
            self._text_features.update(zip(new, read["text_features"].float(), strict=True))
        for text in texts:
            self._text_features.move_to_end(text)
        words = torch.stack([self._text_features[text] for text in texts])
        while len(self._text_features) > _KEPT_PHRASES:
            self._text_features.popitem(last=False)
        return words

    def _encode(self, text: str) -> tuple[list[int], list[int]]:
        said = self._template.format(text)
        encoded = self._tokenizer(said, padding="max_length", max_length=self._tokens)
        ids: list[int] = encoded["input_ids"]
        if len(ids) > self._tokens:
            raise BadRequestError(
                f"the phrase {quoted(text)} has {len(ids) - self._tokens} tokens more than the "
                f"{self._tokens} that this detector takes (with the words around it, "
                f"'{self._template}'): name the thing by its noun and its colour"
            )
        mask: list[int] = encoded["attention_mask"]
        return ids, mask

    def _adopt(self, graph: DetectorGraph) -> None:
        """Do nothing: every input has the graph's size."""


def load_owl(
    part: DetectorPart, name: str, device: torch.device, dtype: torch.dtype
) -> OwlDetector:
    """Load a detector of this kind.

    Raises:
        ModelLoadError: names the file, tensor or setting that is wrong.
    """
    assert part.checkpoint is not None
    folder = part.checkpoint.folder()
    class_name = CLASSES[model_type(folder, CLASSES, part.kind)]
    model = load_pretrained(folder, class_name, device, dtype)
    tokenizer = load_hub_tokenizer(folder, model.config.text_config.vocab_size)
    return OwlDetector(part, name, model, tokenizer, folder, device, dtype)
