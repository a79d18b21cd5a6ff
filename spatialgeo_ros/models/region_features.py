# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a region token says about its object: sixteen numbers from the network's own point map."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.pose import level_frame

# Metres are divided by this, so that an indoor scene gives numbers of about unit size.
METRES_PER_UNIT = 2.5


def region_statistics(
    points: npt.NDArray[np.floating],
    mask: npt.NDArray[np.bool_],
    gravity: npt.ArrayLike | None = None,
) -> npt.NDArray[np.float32]:
    """Geometric summary of a region for the language model.

    Give it the monocular network's metric point map, never sensor depth: the language model is
    trained on the network's errors, and its number is meant to be independent of the measurement.

    Args:
        points: ``[H, W, 3]`` metres in the optical frame; not finite where invalid.
        mask: ``[H, W]`` bool, the region at the same size.
        gravity: Direction of falling ``[3]`` in the optical frame; without it the camera's own axes
            are used.

    Returns:
        ``[16]`` float32. In the level frame (x right, y down, z forward), in units of 2.5 m:
        median x, y, z; extents along x, y, z from the 5th to the 95th percentile; centre of those
        extents; 5th percentile and median of the distance to the camera. Then, in shares of the
        image: box x0, y0, x1, y1, and area. The first eleven are 0 when no point is valid.

    Raises:
        ValueError: The sizes differ or the mask is empty.
    """
    if points.shape[:2] != mask.shape:
        raise ValueError(f"points are {points.shape[:2]} but the mask is {mask.shape}")
    rows, columns = np.nonzero(mask)
    if rows.size == 0:
        raise ValueError("the region's mask is empty")
    height, width = mask.shape
    result = np.zeros(16, dtype=np.float32)
    result[11:] = (
        columns.min() / width,
        rows.min() / height,
        (columns.max() + 1) / width,
        (rows.max() + 1) / height,
        rows.size / mask.size,
    )
    inside = points[rows, columns].astype(np.float64)
    inside = inside[np.isfinite(inside).all(axis=1)]
    if len(inside) == 0:
        return result
    if gravity is not None:
        inside = inside @ level_frame(gravity).T
    low, median, high = np.percentile(inside, (5, 50, 95), axis=0)
    distance = np.linalg.norm(inside, axis=1)
    result[0:3] = median
    result[3:6] = high - low
    result[6:9] = (low + high) / 2
    result[9:11] = np.percentile(distance, (5, 50))
    result[:11] /= METRES_PER_UNIT
    return result
