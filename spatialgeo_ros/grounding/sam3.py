# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SAM 3: finds what a phrase names, with masks.

Carion et al., "SAM 3: Segment Anything with Concepts", 2025, by ``Sam3Model`` of transformers, or
``Sam3LiteTextModel`` with its smaller text encoder. The image is encoded once per frame and each
phrase once ever; a phrase is then a row of the detector's batch.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import (
    BadRequestError,
    CancelledError,
    InternalError,
    ModelLoadError,
    escaped,
    quoted,
)
from spatialgeo_ros.grounding.boxes import pixel_box
from spatialgeo_ros.grounding.detector import Instance, InstanceMask, PhraseResult
from spatialgeo_ros.grounding.export_patches import sam3_patches
from spatialgeo_ros.grounding.gate_rules import (
    KNOWN_PHRASES,
    GateRule,
    features_of_pictures,
    on_cpu,
)
from spatialgeo_ros.grounding.graphs import DetectorGraph, called_by_place, only_parts
from spatialgeo_ros.grounding.mask_logits import finite, masks_of_logits
from spatialgeo_ros.grounding.sam_checkpoint import load_sam
from spatialgeo_ros.grounding.square_input import SquareInput
from spatialgeo_ros.runtime.backend import Backend
from spatialgeo_ros.runtime.detection_parity import DetectionMetric, Detections

#: What the published checkpoint says.
USUAL_INPUT = SquareInput(1008, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
#: Least score of an instance; of the library's post-processing.
THRESHOLD = 0.3
#: Tokens of a phrase, its two marks included; what the published text encoders read.
TOKENS = 32
#: Most instances of one phrase, the surest: each has a mask of the image's size.
MOST_INSTANCES = 50
#: Of an image: three maps, finest first, and the positions of the last.
FEATURES = ("fine", "middle", "coarse", "position")
_ROWS = 4  # phrases at once: each has 150 MB of features of its own in the mask decoder
_PHRASES_KEPT = 512  # 32 KB each


class VisionEncoder(DetectorGraph):
    """Pixels [1, 3, S, S] to feature maps and their positions, all levels but the coarsest."""

    input_names = ("pixels",)
    output_names = FEATURES

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = only_parts(model, "vision_encoder")

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return three feature maps, finest first, then the position code of the last."""
        made = self.model.get_vision_features(pixel_values=pixels.to(self.dtype))
        # The last level is pooled from the one before, for tracking only.
        return (*made.fpn_hidden_states[:-1], made.fpn_position_encoding[-2])

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Random pixels."""
        side = _side(self.model)
        return {"pixels": torch.randn((batch, 3, side, side), device=self.device)}


class TextEncoder(nn.Module):
    """Tokens [n, 32] and which of them are words to features [n, 32, d]."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, words: Tensor) -> Tensor:
        """Return one row for each phrase."""
        made = self.model.get_text_features(input_ids=tokens, attention_mask=words)
        features: Tensor = made.pooler_output
        return features


class PhraseDecoder(DetectorGraph):
    """Features of image and phrases to instances; one phrase in :meth:`example_inputs`."""

    input_names = (*FEATURES, "text", "words")
    output_names = ("logits", "boxes", "masks", "presence")

    def __init__(self, model: Any) -> None:
        super().__init__()
        vision = model.config.vision_config
        cells = _side(model) // vision.backbone_config.patch_size
        sides = [round(cells * scale) for scale in vision.scale_factors[:-1]]
        self.shapes = [(vision.fpn_hidden_size, side, side) for side in (*sides, sides[-1])]
        self.width = model.config.detr_encoder_config.hidden_size
        self.model = only_parts(
            model, "detr_encoder", "detr_decoder", "dot_product_scoring", "mask_decoder"
        )

    def exporting(self) -> AbstractContextManager[None]:
        """Give the decoder the size of the feature map as numbers."""
        rows, columns = self.shapes[-1][1:]
        return sam3_patches((rows, columns))

    def forward(
        self,
        fine: Tensor,
        middle: Tensor,
        coarse: Tensor,
        position: Tensor,
        text: Tensor,
        words: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Decode n phrases.

        Returns:
            Logits [n, q], boxes [n, q, 4] x0, y0, x1, y1 in shares of the image, mask logits
            [n, q, h, w], and of each phrase the logit [n] that there is such a thing at all.
        """
        rows, dtype = len(text), self.dtype
        maps = [level.to(dtype).expand(rows, -1, -1, -1) for level in (fine, middle, coarse)]
        place = position.to(dtype).expand(rows, -1, -1, -1)
        # A level more than is read, as the encoder makes it.
        vision = SimpleNamespace(
            fpn_hidden_states=(*maps, maps[-1]),
            fpn_position_encoding=(place, place, place, place),
            hidden_states=None,
            attentions=None,
        )
        made = self.model(
            vision_embeds=vision,
            text_embeds=SimpleNamespace(pooler_output=text.to(dtype)),
            attention_mask=words,
        )
        return made.pred_logits, made.pred_boxes, made.pred_masks, made.presence_logits[:, 0]

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Random features, and a phrase of five tokens."""
        words = torch.zeros((batch, TOKENS), dtype=torch.int64, device=self.device)
        words[:, :5] = 1
        features = {
            name: torch.randn((batch, *shape), device=self.device)
            for name, shape in zip(FEATURES, self.shapes, strict=True)
        }
        text = torch.randn((batch, TOKENS, self.width), device=self.device)
        return {**features, "text": text, "words": words}


class Sam3Detector:
    """Finds phrases, with masks and the probability that there is such a thing.

    Args:
        folder: of the checkpoint, in the library's layout.
        device: where it runs.
        dtype: of its weights.
        threshold: least score of an instance.

    Raises:
        ModelLoadError: the checkpoint is of another kind, or lacks something; names it.

    Attributes:
        encode: pixels to image features.
        read: tokens to text features.
        decode: both to instances; each can be exchanged for a faster backend.
    """

    kind = "sam3"

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        dtype: torch.dtype,
        threshold: float = THRESHOLD,
    ) -> None:
        from transformers import AutoTokenizer, Sam3LiteTextModel, Sam3Model

        classes = {
            "sam3": Sam3Model,
            "sam3_video": Sam3Model,
            "sam3_lite_text": Sam3LiteTextModel,
        }
        model = load_sam(folder, classes, device, dtype)
        self.input = SquareInput.of_checkpoint(folder, USUAL_INPUT)
        side = _side(model)
        if side != self.input.side:
            raise ModelLoadError(
                f"{folder}: the network takes images of {side} pixels, its processor makes "
                f"{self.input.side}: the files do not belong together"
            )
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        except Exception as error:  # whatever can be wrong in the files of a tokenizer
            words = escaped(f"{type(error).__name__}: {error}", 300)
            raise ModelLoadError(f"{folder} has no tokenizer that can be read: {words}") from error
        encoder, decoder = VisionEncoder(model), PhraseDecoder(model)
        self.encode: Callable[[Tensor], tuple[Tensor, ...]] = encoder
        self.read: Callable[[Tensor, Tensor], Tensor] = TextEncoder(model)
        self.decode: Callable[..., tuple[Tensor, ...]] = decoder
        self._graphs: dict[str, DetectorGraph] = {"decoder": decoder, "encoder": encoder}
        self._backends: dict[str, Backend] = {}
        self.threshold = threshold
        self._rows = _ROWS
        self._device, self._dtype, self._folder = device, dtype, folder
        self._name = type(model).__name__
        self._phrases: OrderedDict[str, tuple[Tensor, Tensor]] = OrderedDict()

    @torch.inference_mode()
    def ground(
        self,
        image: npt.NDArray[np.uint8],
        phrases: Sequence[str],
        *,
        cache: MutableMapping[str, Any] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[PhraseResult]:
        """Look for phrases in one image; see :class:`.detector.Detector`.

        Raises:
            BadRequestError: a phrase is empty or longer than the network reads.
            CancelledError: ``cancelled`` became true.
            InternalError: the network's numbers overflow.
        """
        if not phrases:
            return []
        texts = [self._text(phrase) for phrase in phrases]
        features = self._features(image, cache, cancelled)
        results: list[PhraseResult] = []
        for start in range(0, len(phrases), self._rows):
            _stop(cancelled)
            part = texts[start : start + self._rows]
            rows = torch.cat([text for text, _ in part])
            words = torch.cat([words for _, words in part])
            made = self.decode(*features, rows, words)
            if not all(map(finite, made)):
                raise InternalError(
                    f"{self.kind} made numbers that are not finite in {self._dtype}: "
                    "run it in float32 or bfloat16"
                )
            for phrase, *row in zip(phrases[start:], *made, strict=False):
                results.append(self._result(phrase, image.shape[:2], *row))
        _stop(cancelled)
        return results

    def graphs(self, image_size: tuple[int, int]) -> dict[str, DetectorGraph]:
        """The networks as graphs but the text encoder, for one phrase.

        Their input does not depend on the camera.
        """
        del image_size
        return dict(self._graphs)

    def gate_rule(self, name: str, graphs: Mapping[str, DetectorGraph]) -> GateRule:
        """Features are compared value by value, what they lead to by boxes, scores and masks."""
        if name == "encoder":
            return GateRule()

        def known(count: int) -> list[dict[str, Tensor]]:
            made = []
            for number, features in enumerate(features_of_pictures(graphs["encoder"], count)):
                text, words = self._text(KNOWN_PHRASES[number % len(KNOWN_PHRASES)])
                made.append({**features, **on_cpu({"text": text, "words": words})})
            return made

        def read(outputs: Mapping[str, Tensor]) -> Detections:
            presence = outputs["presence"].sigmoid()[:, None]
            return Detections(
                outputs["logits"].sigmoid() * presence, outputs["boxes"], outputs["masks"]
            )

        return GateRule(known, DetectionMetric(read))

    def use(self, name: str, graph: DetectorGraph, backend: Backend) -> None:
        """Run a network of :meth:`graphs` on ``backend`` from now on."""
        self._backends[name] = backend
        if name == "encoder":
            self.encode = called_by_place(graph, backend)
        else:
            self.decode, self._rows = called_by_place(graph, backend), 1
        graph.to("meta")  # PyTorch's copy of the weights is not run again

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""
        return {
            "kind": self.kind,
            "weights": str(self._folder),
            "backends": {name: backend.name for name, backend in self._backends.items()},
            "network": self._name,
            "device": str(self._device),
            "precision": str(self._dtype).removeprefix("torch."),
            "input": f"{self.input.side}x{self.input.side}",
            "threshold": self.threshold,
        }

    def close(self) -> None:
        """Free memory; nothing can be looked for afterwards."""
        for backend in self._backends.values():
            backend.close()
        self._backends.clear()
        del self.encode, self.read, self.decode, self._graphs
        self._phrases.clear()

    def _text(self, phrase: str) -> tuple[Tensor, Tensor]:
        """Return features [1, 32, d] of a phrase and which tokens are words [1, 32]."""
        if phrase in self._phrases:
            self._phrases.move_to_end(phrase)
            return self._phrases[phrase]
        if not phrase.strip():
            raise BadRequestError("a phrase to look for is empty; name the object")
        made = self._tokenizer(phrase, padding="max_length", max_length=TOKENS, return_tensors="pt")
        tokens, words = (made[key].to(self._device) for key in ("input_ids", "attention_mask"))
        if tokens.shape[1] > TOKENS:
            raise BadRequestError(
                f"the phrase {quoted(phrase)} has {tokens.shape[1]} tokens, {self.kind} reads "
                f"{TOKENS}: say it in fewer words"
            )
        self._phrases[phrase] = self.read(tokens, words), words
        if len(self._phrases) > _PHRASES_KEPT:
            self._phrases.popitem(last=False)
        return self._phrases[phrase]

    def _features(
        self,
        image: npt.NDArray[np.uint8],
        cache: MutableMapping[str, Any] | None,
        cancelled: Callable[[], bool] | None,
    ) -> tuple[Tensor, ...]:
        key = f"{self.kind} features, {self._folder}"
        if cache is not None and key in cache:
            kept: tuple[Tensor, ...] = cache[key]
            return kept
        _stop(cancelled)
        features = self.encode(self.input.pixels(image).to(self._device, self._dtype))
        if cache is not None:
            cache[key] = features
        return features

    def _result(
        self,
        phrase: str,
        size: tuple[int, int],
        logits: Tensor,
        boxes: Tensor,
        masks: Tensor,
        presence: Tensor,
    ) -> PhraseResult:
        height, width = size
        present = float(presence.float().sigmoid())
        scores = logits.float().sigmoid() * present
        order = scores.argsort(descending=True, stable=True)[:MOST_INSTANCES]
        order = order[scores[order] > self.threshold]
        pixels = masks_of_logits(masks[order], height, width)
        shares = boxes[order].float().cpu().numpy().astype(np.float64)
        found = (
            _instance(box, score, mask, width, height)
            for box, score, mask in zip(shares, scores[order].tolist(), pixels, strict=True)
        )
        return PhraseResult(phrase, tuple(one for one in found if one is not None), present)


def _side(model: Any) -> int:
    """Rows and columns of the network's input."""
    side = model.config.vision_config.backbone_config.image_size
    return int(side if isinstance(side, int) else side[0])


def _instance(
    shares: npt.NDArray[np.float64], score: float, mask: InstanceMask, width: int, height: int
) -> Instance | None:
    """Return an instance in pixels, None for one without a pixel in the image."""
    box = pixel_box(shares * (width, height, width, height), width, height)
    if box is None:
        return None
    return Instance(box, score, mask if mask.pixels.any() else None)


def _stop(cancelled: Callable[[], bool] | None) -> None:
    if cancelled is not None and cancelled():
        raise CancelledError("looking for phrases was cancelled")
