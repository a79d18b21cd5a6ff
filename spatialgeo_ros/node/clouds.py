# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``sensor_msgs/PointCloud2`` as arrays, thinned out evenly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadImageError

_FLOAT32 = 7  # sensor_msgs/PointField.FLOAT32


def cloud_arrays(
    message: Any, most: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8] | None]:
    """Return points [N, 3] in metres in the cloud's frame, and colours [N, 3] where it has some.

    Points that are not finite are left out. Of an organised cloud every n-th row and column is
    taken, so that what is left looks even.

    Args:
        message: the cloud, with float32 fields x, y, z and, as PCL packs it, rgb.
        most: points that are looked at.

    Raises:
        BadImageError: a field is missing or of another type, or the data is too short.
    """
    fields = {field.name: field for field in message.fields}
    names = [*"xyz", *(["rgb"] if "rgb" in fields else [])]
    missing = [name for name in "xyz" if name not in fields]
    if missing:
        raise BadImageError(f"the point cloud has no field {', '.join(missing)}")
    if any(fields[name].datatype != _FLOAT32 for name in names):
        raise BadImageError("the point cloud's x, y, z and rgb must be of type FLOAT32")
    if message.is_bigendian:
        raise BadImageError("the point cloud is big-endian, which is not read")
    if any(fields[name].offset + 4 > message.point_step for name in names):
        raise BadImageError(f"the point cloud's fields do not fit into {message.point_step} bytes")
    layout = np.dtype(
        {
            "names": names,
            "formats": ["<f4"] * 3 + ["<u4"] * (len(names) - 3),
            "offsets": [fields[name].offset for name in names],
            "itemsize": message.point_step,
        }
    )
    height, width = int(message.height), int(message.width)
    data = np.frombuffer(message.data, np.uint8)
    if message.row_step < width * message.point_step or data.size < message.row_step * height:
        raise BadImageError(
            f"the point cloud of {width}x{height} points holds {data.size} bytes, which is too few"
        )
    if not height or not width:
        return np.empty((0, 3), np.float32), None
    grid = np.ndarray(
        (height, width), layout, data.data, strides=(message.row_step, message.point_step)
    )
    if height == 1:
        taken = grid[0, :: max(1, math.ceil(width / most))]
    else:
        step = max(1, math.ceil(math.sqrt(width * height / most)))
        taken = grid[::step, ::step].ravel()
    xyz = np.stack([taken[name] for name in "xyz"], axis=1)
    good = np.isfinite(xyz).all(axis=1)
    if "rgb" not in fields:
        return xyz[good], None
    packed = taken["rgb"][good]
    rgb = np.stack([packed >> 16, packed >> 8, packed], axis=1).astype(np.uint8)
    return xyz[good], rgb
