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
from spatialgeo_ros.memory.detected import Detected

#: Share of the image's width, and of the box, that a box ends before the border and may be cut by
#: it: two standard deviations of an edge.
_BORDER, _BOX = 0.01, 0.06
#: Of the sides that are seen or guessed, and of the height, at least: one standard deviation.
_SIDE, _HEIGHT = 0.6, 0.3
#: Of the longer side: how far the centre may be elsewhere.
_CENTRE = 0.3


def at_border(thing: Detected, camera: PinholeCamera) -> Detected:
    """Return a thing with standard deviations that allow for what the border may cut off.

    At the left and right those of the centre and of both sides, at the top and bottom that of the
    height, half of which the centre moves by. A thing without a box is left as it is.

    Args:
        thing: seen in an image.
        camera: of the image.
    """
    x0, y0, x1, y1 = thing.box
    if x1 <= x0 or y1 <= y0:
        return thing
    least = _BORDER * camera.width
    across, along = max(least, _BOX * (x1 - x0)), max(least, _BOX * (y1 - y0))
    beside = x0 < across or x1 > camera.width - 1 - across
    over = y0 < along or y1 > camera.height - 1 - along
    if not beside and not over:
        return thing
    size, sigma = np.asarray(thing.size, np.float64), np.array(thing.size_sigma, np.float64)
    covariance = np.array(thing.covariance, np.float64)
    if over:
        height = max(float(sigma[2]), _HEIGHT * float(size[2]))
        covariance[2, 2] += (height**2 - float(sigma[2]) ** 2) / 4
        sigma[2] = height
    if beside:
        sigma[:2] = np.maximum(sigma[:2], _SIDE * size[:2])
        covariance += (_CENTRE * float(size[:2].max())) ** 2 * np.eye(3)
    return replace(thing, size_sigma=sigma, covariance=covariance, cut=True)
