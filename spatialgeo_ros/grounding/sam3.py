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
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import (
    BadRequestError,
    InternalError,
    quoted,
)
from spatialgeo_ros.grounding.detections import ScoredBoxes, choose_instances, merged
from spatialgeo_ros.grounding.detector import InstanceMask, PhraseResult
from spatialgeo_ros.grounding.detector_text import alternatives, plain_phrase
from spatialgeo_ros.grounding.export_patches import sam3_patches
from spatialgeo_ros.grounding.gate_rules import (
    KNOWN_PHRASES,
    GateRule,
    features_of_pictures,
    on_cpu,
)
from spatialgeo_ros.grounding.graphs import DetectorGraph, only_parts
from spatialgeo_ros.grounding.mask_logits import finite, masks_of_logits
from spatialgeo_ros.grounding.network_detector import as_numpy
from spatialgeo_ros.grounding.pretrained import load_hub_tokenizer, load_pretrained, model_type
from spatialgeo_ros.grounding.square_input import SquareInput
from spatialgeo_ros.grounding.square_network import SquareNetwork, stop_where
from spatialgeo_ros.models.grounding_profile import DetectorPart
from spatialgeo_ros.runtime.detection_parity import DetectionMetric, Detections

#: ``model_type`` -> class of transformers; a checkpoint for video holds the detector, and more.
CLASSES = {"sam3": "Sam3Model", "sam3_video": "Sam3Model", "sam3_lite_text": "Sam3LiteTextModel"}
#: What the published checkpoint says.
USUAL_INPUT = SquareInput(1008, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
#: Least score of an instance; of the library's post-processing.
THRESHOLD = 0.3
#: Tokens of a phrase, its two marks included; what the published text encoders read.
TOKENS = 32
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


class Sam3Detector(SquareNetwork):
    """Finds phrases, with masks and the probability that there is such a thing.

    Args:
        folder: of the checkpoint, in the library's layout.
        device: where it runs.
        dtype: of its weights.
        threshold: least score of an instance.
        nms: of two boxes of one phrase that overlap by more (IoU), the surer one is kept.
        synonyms: head noun -> others that are asked with it and count as the same thing.

    Raises:
        ModelLoadError: the checkpoint is of another kind, or lacks something; names it.

    Attributes:
        read: tokens to text features.
    """

    kind = "sam3"
    looks_elsewhere = False

    def __init__(
        self,
        folder: Path,
        device: torch.device,
        dtype: torch.dtype,
        threshold: float = THRESHOLD,
        nms: float = 1.0,
        synonyms: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        model = load_pretrained(
            folder, CLASSES[model_type(folder, CLASSES, self.kind)], device, dtype
        )
        self._tokenizer = load_hub_tokenizer(folder, model.config.text_config.vocab_size)
        encoder, decoder = VisionEncoder(model), PhraseDecoder(model)
        super().__init__(folder, USUAL_INPUT, _side(model), encoder, decoder, device, dtype)
        self.read: Callable[[Tensor, Tensor], Tensor] = TextEncoder(model)
        self.threshold, self.nms = threshold, nms
        self.synonyms = dict(synonyms or {})
        self._rows = _ROWS
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
            BadRequestError: a phrase has no word, or more than the network reads.
            CancelledError: ``cancelled`` became true.
            InternalError: the network's numbers overflow, or the GPU's memory is full.
        """
        if not phrases:
            return []
        asked = [alternatives(plain_phrase(phrase), self.synonyms) for phrase in phrases]
        texts = list(dict.fromkeys(text for group in asked for text in group))
        try:
            found = self._find(image, texts, cache, cancelled)
        except torch.OutOfMemoryError as error:
            raise InternalError(
                f"{self._device} has not enough free memory to look for phrases with "
                f"{self._folder}: choose a smaller grounding profile"
            ) from error
        return [
            merged(phrase, [found[text] for text in group], self.nms)
            for phrase, group in zip(phrases, asked, strict=True)
        ]

    def _find(
        self,
        image: npt.NDArray[np.uint8],
        texts: Sequence[str],
        cache: MutableMapping[str, Any] | None,
        cancelled: Callable[[], bool] | None,
    ) -> dict[str, PhraseResult]:
        read = [self._text(text) for text in texts]
        features = self._features(image, cache, cancelled)
        results: dict[str, PhraseResult] = {}
        for start in range(0, len(texts), self._rows):
            stop_where(cancelled)
            part = read[start : start + self._rows]
            rows = torch.cat([text for text, _ in part])
            words = torch.cat([words for _, words in part])
            made = self.decode(*features, rows, words)
            if not all(map(finite, made)):
                raise InternalError(
                    f"{self.kind} made numbers that are not finite in {self._dtype}: "
                    "run it in float32 or bfloat16"
                )
            for text, *row in zip(texts[start:], *made, strict=False):
                results[text] = self._result(text, image.shape[:2], *row)
        stop_where(cancelled)
        return results

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

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""
        own = {"network": self._name, "threshold": self.threshold, "nms": self.nms}
        return super().describe() | own

    def close(self) -> None:
        """Free memory; nothing can be asked afterwards."""
        super().close()
        del self.read
        self._phrases.clear()

    def _decode_by(self, decode: Callable[..., tuple[Tensor, ...]]) -> None:
        self.decode, self._rows = decode, 1

    def _text(self, phrase: str) -> tuple[Tensor, Tensor]:
        """Return features [1, 32, d] of a phrase and which tokens are words [1, 32]."""
        if phrase in self._phrases:
            self._phrases.move_to_end(phrase)
            return self._phrases[phrase]
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

    def _result(
        self,
        text: str,
        size: tuple[int, int],
        logits: Tensor,
        boxes: Tensor,
        masks: Tensor,
        presence: Tensor,
    ) -> PhraseResult:
        height, width = size
        present = float(presence.float().sigmoid())

        def mask(row: int) -> InstanceMask | None:
            (made,) = masks_of_logits(masks[row : row + 1], height, width)
            return made if made.pixels.any() else None

        found = ScoredBoxes(
            as_numpy(logits.float().sigmoid() * present)[:, None],
            as_numpy(boxes) * np.array((width, height, width, height), np.float32),
        )
        (result,) = choose_instances(
            found, [text], size, threshold=self.threshold, nms=self.nms, masks=mask
        )
        return replace(result, presence=present)


def _side(model: Any) -> int:
    """Rows and columns of the network's input."""
    side = model.config.vision_config.backbone_config.image_size
    return int(side if isinstance(side, int) else side[0])


def load_sam3(
    part: DetectorPart, name: str, device: torch.device, dtype: torch.dtype
) -> Sam3Detector:
    """Load a detector of this kind.

    Raises:
        ModelLoadError: names the file, tensor or setting that is wrong.
    """
    del name
    assert part.checkpoint is not None
    folder = part.checkpoint.folder()
    return Sam3Detector(folder, device, dtype, part.threshold, part.nms, part.synonyms)
