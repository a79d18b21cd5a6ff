# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SAM 2: from boxes to masks.

Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024; here for single images, by
``Sam2Model`` of transformers. The image is encoded once per frame, all boxes are decoded together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spatialgeo_ros.errors import BadRegionError, InternalError
from spatialgeo_ros.grounding.detector import Box, InstanceMask
from spatialgeo_ros.grounding.gate_rules import KNOWN_BOXES, GateRule, features_of_pictures
from spatialgeo_ros.grounding.graphs import (
    DetectorGraph,
    in_groups,
    only_parts,
    with_parts,
)
from spatialgeo_ros.grounding.mask_logits import finite, masks_of_logits
from spatialgeo_ros.grounding.pretrained import load_pretrained, model_type
from spatialgeo_ros.grounding.square_input import SquareInput
from spatialgeo_ros.grounding.square_network import SquareNetwork, stop_where
from spatialgeo_ros.models.grounding_profile import SegmenterPart
from spatialgeo_ros.runtime.detection_parity import DetectionMetric, Detections

#: What the published checkpoints say; the mean and deviation of ImageNet.
USUAL_INPUT = SquareInput(1024, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
#: ``model_type`` -> class of transformers; checkpoints for video hold the image network, and more.
CLASSES = {"sam2": "Sam2Model", "sam2_video": "Sam2Model"}
#: Of an image, finest first.
FEATURES = ("fine", "middle", "coarse")
#: Boxes in one pass of a compiled or captured decoder.
BOXES_AT_ONCE = len(KNOWN_BOXES)


class ImageEncoder(DetectorGraph):
    """Pixels [1, 3, S, S] to the features that boxes are decoded from, finest first."""

    input_names = ("pixels",)
    output_names = FEATURES

    def __init__(self, model: Any) -> None:
        super().__init__()
        # Of the decoder it runs two projections of its features.
        decoder = only_parts(model.mask_decoder, "conv_s0", "conv_s1")
        self.model = with_parts(only_parts(model, "vision_encoder"), mask_decoder=decoder)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return [1, c, S/4, S/4], [1, c, S/8, S/8] and [1, c, S/16, S/16]."""
        return tuple(self.model.get_image_embeddings(pixels.to(self.dtype)))

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Random pixels."""
        side = self.model.config.prompt_encoder_config.image_size
        return {"pixels": torch.randn((batch, 3, side, side), device=self.device)}


class MaskDecoder(DetectorGraph):
    """Features and boxes [1, n, 4] in pixels of the input to logits and qualities.

    Args:
        model: of transformers.
        boxes: n, for :meth:`example_inputs`.
    """

    input_names = (*FEATURES, "boxes")
    output_names = ("logits", "quality")

    def __init__(self, model: Any, boxes: int = BOXES_AT_ONCE) -> None:
        super().__init__()
        decoder = model.mask_decoder
        self.boxes = boxes
        self.shapes = [
            (channels, *size)
            for channels, size in zip(
                (decoder.conv_s0.out_channels, decoder.conv_s1.out_channels, model.hidden_dim),
                model.backbone_feature_sizes,
                strict=True,
            )
        ]
        decoder = with_parts(decoder, conv_s0=None, conv_s1=None)  # the encoder's
        self.model = with_parts(model, vision_encoder=None, mask_decoder=decoder)

    def forward(
        self, fine: Tensor, middle: Tensor, coarse: Tensor, boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return mask logits [n, S/4, S/4] and the estimated overlap with the truth [n]."""
        maps = [one.to(self.dtype) for one in (fine, middle, coarse)]
        made = self.model(
            image_embeddings=maps, input_boxes=boxes.to(self.dtype), multimask_output=False
        )
        return made.pred_masks[0, :, 0], made.iou_scores[0, :, 0]

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Random features, and boxes of a third of the image."""
        side = float(self.model.config.prompt_encoder_config.image_size)
        corners = torch.rand((batch, self.boxes, 2), device=self.device) * side * 0.6
        features = {
            name: torch.randn((batch, *shape), device=self.device)
            for name, shape in zip(FEATURES, self.shapes, strict=True)
        }
        return {**features, "boxes": torch.cat([corners, corners + side / 3], dim=-1)}


class Sam2Segmenter(SquareNetwork):
    """Turns boxes into masks.

    Args:
        folder: of the checkpoint, in the library's layout.
        device: where it runs.
        dtype: of its weights.

    Raises:
        ModelLoadError: the checkpoint is of another kind, or lacks something; names it.
    """

    kind = "sam2"

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        model = load_pretrained(
            folder, CLASSES[model_type(folder, CLASSES, self.kind)], device, dtype
        )
        side = model.config.prompt_encoder_config.image_size
        encoder, decoder = ImageEncoder(model), MaskDecoder(model)
        super().__init__(folder, USUAL_INPUT, side, encoder, decoder, device, dtype)
        if self._captured.capturing:  # one shape for any number of boxes
            self.decode = in_groups(self.decode, BOXES_AT_ONCE)

    @torch.inference_mode()
    def segment(
        self,
        image: npt.NDArray[np.uint8],
        boxes: Sequence[Box],
        *,
        cache: MutableMapping[str, Any] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[InstanceMask]:
        """Segment the thing that each box holds; see :class:`.detector.Segmenter`.

        A mask may have no pixel, and may reach a little beyond its box.

        Raises:
            BadRegionError: a box is not finite or inside out.
            CancelledError: ``cancelled`` became true.
            InternalError: the network's numbers overflow, or the GPU's memory is full.
        """
        given = np.asarray(boxes, np.float32).reshape(-1, 4)
        if not np.isfinite(given).all() or (given[:, 2:] < given[:, :2]).any():
            raise BadRegionError("a box to segment must be finite with x0 <= x1 and y0 <= y1")
        if not len(given):
            return []
        try:
            return self._masks(image, given, cache, cancelled)
        except torch.OutOfMemoryError as error:
            raise InternalError(
                f"{self._device} has not enough free memory to segment with {self._folder}: choose "
                "a smaller segmenter, or none"
            ) from error

    def _masks(
        self,
        image: npt.NDArray[np.uint8],
        given: npt.NDArray[np.float32],
        cache: MutableMapping[str, Any] | None,
        cancelled: Callable[[], bool] | None,
    ) -> list[InstanceMask]:
        height, width = image.shape[:2]
        features = self._features(image, cache, cancelled)
        stop_where(cancelled)
        scale = np.array([self.input.side / width, self.input.side / height] * 2, np.float32)
        prompt = torch.from_numpy(given * scale)[None].to(self._device, self._dtype)
        logits, quality = self.decode(*features, prompt)
        if not (finite(logits) and finite(quality)):
            raise InternalError(
                f"{self.kind} made numbers that are not finite in {self._dtype}: run it in float32"
            )
        stop_where(cancelled)
        return masks_of_logits(logits, height, width, quality.float().tolist())

    def gate_rule(self, name: str, graphs: Mapping[str, DetectorGraph]) -> GateRule:
        """Features are compared value by value, masks by their overlap."""
        if name == "encoder":
            return GateRule()
        boxes = torch.tensor(KNOWN_BOXES)[None] * self.input.side

        def known(count: int) -> list[dict[str, Tensor]]:
            features = features_of_pictures(graphs["encoder"], count)
            return [{**one, "boxes": boxes} for one in features]

        def read(outputs: Mapping[str, Tensor]) -> Detections:
            quality = outputs["quality"][:, None].clamp_min(1e-3)  # what is 0 is not compared
            return Detections(quality, boxes.transpose(0, 1), outputs["logits"][:, None])

        return GateRule(known, DetectionMetric(read))

    def _decode_by(self, decode: Callable[..., tuple[Tensor, ...]]) -> None:
        self.decode = in_groups(decode, BOXES_AT_ONCE)


def load_sam2(
    part: SegmenterPart, name: str, device: torch.device, dtype: torch.dtype
) -> Sam2Segmenter:
    """Load a segmenter of this kind.

    Raises:
        ModelLoadError: names the file, tensor or setting that is wrong.
    """
    del name
    return Sam2Segmenter(part.checkpoint.folder(), device, dtype)
