# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The surroundings of one object, enlarged: what was taken for it and where it should be."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

import spatialgeo_ros.drawing.canvas as canvas
from spatialgeo_ros.drawing.overlay import draw_overlay
from spatialgeo_ros.geometry.regions import Box, Region

_ENLARGED = 3
_MARGIN = 0.6  # of the box's longer side
_LEAST_MARGIN = 24  # pixels
_LEAST_WIDTH = 120  # pixels, so that the text has room

Mask = npt.NDArray[np.bool_]


def draw_cutout(
    image: npt.NDArray[np.uint8],
    box: Box,
    text: str,
    note: str = "",
    *,
    mask: Mask | None = None,
    support: Mask | None = None,
    rejected: Mask | None = None,
    reference: tuple[float, float] | None = None,
) -> npt.NDArray[np.uint8]:
    """Cut an object out of an image and draw what is known about it; returns a new picture.

    Args:
        image: ``[H, W, 3]`` uint8 RGB.
        box: x0, y0, x1, y1 that was given for the object, pixels.
        text: written above.
        note: small print below it.
        mask: ``[H, W]``, the pixels taken for the object; None where nothing was found.
        support: ``[H, W]``, the surface it stands on; None where unknown.
        rejected: ``[H, W]``, measured in the box and neither of the two; None where unknown.
        reference: u, v where the object should be, pixels; the cutout holds it where it can.

    Returns:
        ``[h, w, 3]`` uint8 RGB: the cutout three times enlarged, the text above it.

    Raises:
        BadRegionError: the box is not finite or upside down.
    """
    left, top, right, bottom = _window(image.shape[0], image.shape[1], box, reference)
    size = (_ENLARGED * (right - left), _ENLARGED * (bottom - top))

    def enlarged(part: Mask | None) -> Mask | None:
        if part is None:
            return None
        cut = part[top:bottom, left:right].astype(np.uint8)
        return cv2.resize(cut, size, interpolation=cv2.INTER_NEAREST).astype(bool)

    def moved(u: float, v: float) -> tuple[float, float]:
        # Pixel centres are integers: the first pixel becomes three, whose middle is the second.
        middle = (_ENLARGED - 1) / 2
        return (u - left) * _ENLARGED + middle, (v - top) * _ENLARGED + middle

    region = Region.from_box(*moved(*box[:2]), *moved(*box[2:]))
    ground = cv2.resize(image[top:bottom, left:right], size, interpolation=cv2.INTER_CUBIC)
    shown = draw_overlay(
        ground.astype(np.uint8),
        regions=[region],
        masks=[enlarged(mask)],
        supports=[enlarged(support)],
        rejected=[enlarged(rejected)],
        answer=text,
        note=note,
    )
    if reference is not None:
        u, v = moved(*reference)
        v += shown.shape[0] - size[1]  # the strip of text is above
        for start, end in (((u - 9, v), (u + 9, v)), ((u, v - 9), (u, v + 9))):
            canvas.polyline(shown, [start, end], canvas.PAPER, 2, casing=canvas.INK)
    return shown


def _window(
    height: int, width: int, box: Box, reference: tuple[float, float] | None
) -> tuple[int, int, int, int]:
    """First column and row, and those behind the last, of the part that is shown."""
    x0, y0, x1, y1 = box
    margin = max(_LEAST_MARGIN, _MARGIN * max(x1 - x0, y1 - y0))
    us, vs = [x0 - margin, x1 + margin], [y0 - margin, y1 + margin]
    if reference is not None:
        us += [reference[0] - _LEAST_MARGIN, reference[0] + _LEAST_MARGIN]
        vs += [reference[1] - _LEAST_MARGIN, reference[1] + _LEAST_MARGIN]
    lacking = max(0.0, _LEAST_WIDTH - (max(us) - min(us))) / 2
    left = int(np.clip(min(us) - lacking, 0, width - 1))
    right = int(np.clip(max(us) + lacking + 1, left + 1, width))
    top = int(np.clip(min(vs), 0, height - 1))
    return left, top, right, int(np.clip(max(vs) + 1, top + 1, height))
