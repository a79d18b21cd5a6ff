# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What SpatialRGPT is shown: picture, depth picture and masks, each squeezed to a square.

The aspect ratio is not kept, so all three are squeezed alike.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional as F

from spatialgeo_ros.errors import BadRegionError

Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8]


def square_pixels(image: Pixels, side: int) -> Pixels:
    """Squeeze an image ``[H, W, 3]`` to ``[side, side, 3]`` by PIL's bicubic filter."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))


def depth_picture(inverse_depth: npt.NDArray[np.floating], height: int, width: int) -> Pixels:
    """Turn relative inverse depth into the picture that the tower is shown.

    Args:
        inverse_depth: ``[h, w]``, larger is nearer, any scale. What is not finite is filled with
            its nearest finite neighbour: a depth network has no holes, a sensor has.
        height: of the colour image.
        width: of the colour image.

    Returns:
        ``[height, width, 3]`` grey from 0, the farthest, to 255, the nearest. All 0 where depth is
        the same everywhere.

    Raises:
        ValueError: Nothing is finite.
    """
    values = filled(np.asarray(inverse_depth, np.float32))
    given = torch.from_numpy(values)[None, None]
    sized = F.interpolate(given, (height, width), mode="bilinear", align_corners=False)[
        0, 0
    ].numpy()
    low, high = float(sized.min()), float(sized.max())
    scaled = (sized - low) / (high - low) * 255.0 if high > low else np.zeros_like(sized)
    return np.repeat(scaled.astype(np.uint8)[..., None], 3, axis=2)


def filled(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Give every pixel ``[h, w]`` that is not finite the value of its nearest finite one.

    Raises:
        ValueError: Nothing is finite.
    """
    known = np.isfinite(values)
    if known.all():
        return values
    if not known.any():
        raise ValueError("the depth picture has no finite depth")
    _, labels = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    table = np.zeros(int(labels.max()) + 1, np.float32)
    table[labels[known]] = values[known]
    return table[labels]


def box_mask(box: Sequence[float], height: int, width: int) -> Mask:
    """Fill a box x0, y0, x1, y1, in pixels, as published: clipped, then cut to whole numbers."""
    x0, x1 = (int(min(max(value, 0), width)) for value in (box[0], box[2]))
    y0, y1 = (int(min(max(value, 0), height)) for value in (box[1], box[3]))
    mask = np.zeros((height, width), bool)
    mask[y0:y1, x0:x1] = True
    return mask


def square_mask(mask: Mask, side: int) -> tuple[Mask, bool]:
    """Squeeze a mask ``[H, W]`` to ``[side, side]`` by its nearest pixels, as in training.

    Returns:
        The mask, and whether it had to be grown: nearest pixels would have missed all of it, so
        every cell that it touches counts.

    Raises:
        BadRegionError: The mask is empty.
    """
    if not mask.any():
        raise BadRegionError("the region covers no pixel of the image")
    small = cv2.resize(mask.astype(np.uint8), (side, side), interpolation=cv2.INTER_NEAREST) > 0
    if small.any():
        return small, False
    rows, columns = np.nonzero(mask)
    small[rows * side // mask.shape[0], columns * side // mask.shape[1]] = True
    return small, True


def square_mask_benchmark(mask: Mask, side: int) -> Mask:
    """Squeeze a mask as the published benchmark does: PIL's bicubic filter on 0 and 1, rounded."""
    picture = Image.fromarray(mask.astype(np.uint8))
    return np.asarray(picture.resize((side, side), Image.Resampling.BICUBIC)) > 0
