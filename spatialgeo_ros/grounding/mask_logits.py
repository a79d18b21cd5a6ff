# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a network's grid of mask logits to the pixels of an image."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from spatialgeo_ros.grounding.detector import InstanceMask

_AT_ONCE = 8  # masks: at 1920x1080 some 8 MB each


def masks_of_logits(
    logits: Tensor, height: int, width: int, scores: Sequence[float] | None = None
) -> list[InstanceMask]:
    """Enlarge logits to an image and keep what is positive.

    The logits are filtered, not the probabilities: these are nearly 0 or 1 on the grid, and their
    contour would be a staircase of half cells.

    Args:
        logits: [n, h, w] on a grid that covers the whole image.
        height: of the image.
        width: of the image.
        scores: [n] the network's own estimate of each mask's quality, None where it has none.

    Returns:
        A mask for each; one whose logits are all negative has no pixel.
    """
    rows, columns = logits.shape[-2:]
    # The image was stretched to a square: a cell is as large as its longer side.
    cell = max(height / rows, width / columns)
    masks = []
    for start in range(0, len(logits), _AT_ONCE):
        part = logits[start : start + _AT_ONCE].float()[:, None]
        large = functional.interpolate(part, (height, width), mode="bilinear", align_corners=False)
        for number, pixels in enumerate((large[:, 0] > 0).cpu().numpy(), start):
            score = float("nan") if scores is None else float(scores[number])
            masks.append(InstanceMask(pixels, cell, score))
    return masks


def finite(values: Tensor) -> bool:
    """Tell whether all values are numbers: half precision can overflow."""
    return bool(torch.isfinite(values).all())
