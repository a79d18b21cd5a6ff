# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SAM 2: from boxes to masks.

Ravi et al., "SAM 2: Segment Anything in Images and Videos", 2024; here for single images, by
``Sam2Model`` of transformers. The image is encoded once per frame, all boxes are decoded together.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import BadRegionError, CancelledError, InternalError, ModelLoadError
from spatialgeo_ros.grounding.detector import Box, InstanceMask
from spatialgeo_ros.grounding.mask_logits import finite, masks_of_logits
from spatialgeo_ros.grounding.sam_checkpoint import load_sam
from spatialgeo_ros.grounding.square_input import SquareInput

#: What the published checkpoints say; the mean and deviation of ImageNet.
USUAL_INPUT = SquareInput(1024, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
#: Kinds of checkpoints that hold the image network; those for video hold more.
MODEL_TYPES = ("sam2", "sam2_video")


class ImageEncoder(nn.Module):
    """Pixels [1, 3, S, S] to the features that boxes are decoded from, finest first."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Return [1, c, S/4, S/4], [1, c, S/8, S/8] and [1, c, S/16, S/16]."""
        return tuple(self.model.get_image_embeddings(pixels))


class MaskDecoder(nn.Module):
    """Features and boxes [1, n, 4] in pixels of the input to logits and qualities."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, fine: Tensor, middle: Tensor, coarse: Tensor, boxes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return mask logits [n, S/4, S/4] and the estimated overlap with the truth [n]."""
        made = self.model(
            image_embeddings=[fine, middle, coarse], input_boxes=boxes, multimask_output=False
        )
        return made.pred_masks[0, :, 0], made.iou_scores[0, :, 0]


class Sam2Segmenter:
    """Turns boxes into masks.

    Args:
        folder: of the checkpoint, in the library's layout.
        device: where it runs.
        dtype: of its weights.

    Raises:
        ModelLoadError: the checkpoint is of another kind, or lacks something; names it.

    Attributes:
        encode: pixels [1, 3, S, S] to features.
        decode: features and boxes to masks; both can be exchanged for a faster backend.
    """

    kind = "sam2"

    def __init__(self, folder: Path, device: torch.device, dtype: torch.dtype) -> None:
        from transformers import Sam2Model

        model = load_sam(folder, {name: Sam2Model for name in MODEL_TYPES}, device, dtype)
        self.input = SquareInput.of_checkpoint(folder, USUAL_INPUT)
        side = model.config.prompt_encoder_config.image_size
        if self.input.side != side:
            raise ModelLoadError(
                f"{folder}: the network takes images of {side} pixels, its processor makes "
                f"{self.input.side}: the files do not belong together"
            )
        self.encode: Callable[[Tensor], tuple[Tensor, ...]] = ImageEncoder(model)
        self.decode: Callable[..., tuple[Tensor, Tensor]] = MaskDecoder(model)
        self._device, self._dtype, self._folder = device, dtype, folder

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
            InternalError: the network's numbers overflow.
        """
        height, width = image.shape[:2]
        given = np.asarray(boxes, np.float32).reshape(-1, 4)
        if not np.isfinite(given).all() or (given[:, 2:] < given[:, :2]).any():
            raise BadRegionError("a box to segment must be finite with x0 <= x1 and y0 <= y1")
        if not len(given):
            return []
        features = self._features(image, cache, cancelled)
        _stop(cancelled)
        scale = np.array([self.input.side / width, self.input.side / height] * 2, np.float32)
        prompt = torch.from_numpy(given * scale)[None].to(self._device, self._dtype)
        logits, quality = self.decode(*features, prompt)
        if not (finite(logits) and finite(quality)):
            raise InternalError(
                f"{self.kind} made numbers that are not finite in {self._dtype}: run it in float32"
            )
        _stop(cancelled)
        return masks_of_logits(logits, height, width, quality.float().tolist())

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""
        return {
            "kind": self.kind,
            "weights": str(self._folder),
            "device": str(self._device),
            "precision": str(self._dtype).removeprefix("torch."),
            "input": f"{self.input.side}x{self.input.side}",
        }

    def close(self) -> None:
        """Free memory; nothing can be segmented afterwards."""
        del self.encode, self.decode

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


def _stop(cancelled: Callable[[], bool] | None) -> None:
    if cancelled is not None and cancelled():
        raise CancelledError("segmenting was cancelled")
