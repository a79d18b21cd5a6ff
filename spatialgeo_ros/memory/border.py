# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the border of an image leaves open about a thing that it cuts, or may cut.

A strip of a table at the side of an image is completed to a whole one, and the completion is as
sure of itself as if both ends had been seen. Fused with views of the whole thing it is a guess. A
box that ends just inside the image may be that of a thing that goes on: edges of detectors' boxes
are some three per cent of the box off.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.regions import Box
from spatialgeo_ros.geometry.sizes import TYPICAL_SIZES, usual_size
from spatialgeo_ros.memory.detected import Detected

#: Share of the image's width that a box ends before the border and may be cut by it, and of the
#: box: two standard deviations of an edge, three where depth does not show that the thing ends.
_BORDER, _BOX, _FLAT_BOX = 0.01, 0.06, 0.09
#: Of the sides that are seen or guessed, and of the height, at least: one standard deviation.
_SIDE, _HEIGHT = 0.6, 0.3
#: Of what a thing lacks of its kind's usual height: one standard deviation.
_LACKING = 0.6
#: Of the longer side: how far the centre may be elsewhere.
_CENTRE = 0.3


def near_border(box: Box, shape: tuple[int, ...], flat: bool) -> tuple[bool, bool]:
    """Tell whether the left or right border of an image may cut what a box holds, and the others.

    Args:
        box: first and last column and row of it, as x0, y0, x1, y1, pixels.
        shape: height and width of the image, pixels.
        flat: the thing lies flat on what is behind it, so that its box alone says where it ends.
    """
    height, width = shape
    x0, y0, x1, y1 = box
    least = _BORDER * width
    share = _FLAT_BOX if flat else _BOX
    across, along = max(least, share * (x1 - x0)), max(least, share * (y1 - y0))
    beside = x0 < across or x1 > width - 1 - across
    return beside, y0 < along or y1 > height - 1 - along


def at_border(thing: Detected, camera: PinholeCamera) -> Detected:
    """Return a thing with standard deviations that allow for what the border may cut off.

    At the left and right those of the centre and of both sides, at the top and bottom that of the
    height, half of which the centre moves by; that also where a thing that is cut anywhere is lower
    than such things are. One without a box is left as it is.

    Args:
        thing: seen in an image.
        camera: of the image.
    """
    if thing.box[2] <= thing.box[0] or thing.box[3] <= thing.box[1]:
        return thing
    beside, over = near_border(thing.box, (camera.height, camera.width), thing.flat)
    if not beside and not over:
        return thing
    size, sigma = np.asarray(thing.size, np.float64), np.array(thing.size_sigma, np.float64)
    covariance = np.array(thing.covariance, np.float64)
    height = float(sigma[2])
    if over:
        height = max(height, _HEIGHT * float(size[2]))
    if (usual := usual_size(thing.label, TYPICAL_SIZES)) is not None:
        # What is beside the image may be what is high of it: a lamp's shade, a back rest.
        height = max(height, _LACKING * (usual[2] - float(size[2])))
    if height > sigma[2]:
        covariance[2, 2] += (height**2 - float(sigma[2]) ** 2) / 4
        sigma[2] = height
    if beside:
        sigma[:2] = np.maximum(sigma[:2], _SIDE * float(size[:2].max()))
        covariance += (_CENTRE * float(size[:2].max())) ** 2 * np.eye(3)
    return replace(thing, size_sigma=sigma, covariance=covariance, cut=True)
