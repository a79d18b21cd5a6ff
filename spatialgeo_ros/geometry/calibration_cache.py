# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations that differ by less than matters share their rays."""

from __future__ import annotations

import numpy as np

from spatialgeo_ros.geometry.camera import PinholeCamera


def same_rays(a: PinholeCamera, b: PinholeCamera, tolerance_px: float = 0.1) -> bool:
    """Tell whether two calibrations differ by less than ``tolerance_px`` anywhere in the image.

    The pixels of a grid of 9 x 9 are sent through the rays of one and the lens of the other; the
    difference of two lens models is smooth, so it has its extremes near the border or the centre.
    A driver that refines its intrinsics with every frame (autofocus, image stabilisation) moves
    them by far less than a depth pixel, and rays need not be worked out again for it.
    """
    if (a.width, a.height) != (b.width, b.height):
        return False
    if a == b:
        return True
    columns = np.linspace(0, a.width - 1, 9)
    rows = np.linspace(0, a.height - 1, 9)
    pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    for one, other in ((a, b), (b, a)):
        rays = one.unproject(pixels, np.ones(len(pixels)))
        seen = np.isfinite(rays[:, 0])  # one lens may end just before a pixel, the other after it
        moved = np.abs(other.project(rays[seen]) - pixels[seen])
        if not seen.any() or not moved.max() < tolerance_px:  # NaN: the other has no such ray
            return False
    return True


class CalibrationCache:
    """The last calibrations of a camera, each standing for all that have the same rays.

    Rays are cached by calibration, so one that changes a little with every frame costs as much as
    a new camera. :meth:`representative` gives it back as one seen before when they agree to within
    the tolerance. Everything is compared with the first of its kind, never with the one before,
    so that a slow drift cannot go unnoticed. Use one cache per camera.

    Args:
        tolerance_px: largest difference anywhere in the image.
        most: how many calibrations are kept, the ones used last.
    """

    def __init__(self, tolerance_px: float = 0.1, most: int = 4) -> None:
        self._tolerance = tolerance_px
        self._most = most
        self._known: list[PinholeCamera] = []

    def representative(self, camera: PinholeCamera) -> PinholeCamera:
        """Return the calibration to use in place of ``camera``: an earlier one, or itself."""
        for index, known in enumerate(self._known):
            if same_rays(known, camera, self._tolerance):
                camera = self._known.pop(index)
                break
        self._known = [camera, *self._known][: self._most]
        return camera
