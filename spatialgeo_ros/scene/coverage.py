# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which voxels of the world a frame covers."""

from __future__ import annotations

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.voxels import Keys, voxel_keys

#: Metres at which neighbouring samples are one voxel apart, on a surface that faces the camera.
_REACH = 35.0
#: Pixels between neighbours at least: at 640x480 they are one voxel apart at 13 m.
_LEAST_STEP = 4


def coverage_step(camera: PinholeCamera, voxel_size: float) -> int:
    """Every how many pixels in both directions a point is enough to know the voxels of a frame.

    On a surface that faces the camera at depth z, samples are ``step * z / f`` metres apart, and
    farther by the cosine on one that is turned away. Within one voxel at 35 m means within a
    seventh of one at the 5 m of a room, so that there a surface may be turned away by 80 degrees,
    as the floor is, and still has a sample in each voxel that it passes. A grid twice as coarse
    misses an eighth of the voxels of simulated rooms (1920x1080), and keeps other frames.
    """
    return max(_LEAST_STEP, int(voxel_size * min(camera.fx, camera.fy) / _REACH))


def covered_voxels(pointmap: PointMap, pose: Pose, voxel_size: float) -> Keys:
    """Return the keys of the voxels that a point map shows.

    Args:
        pointmap: of the frame.
        pose: of its camera in the world.
        voxel_size: metres.
    """
    step = coverage_step(pointmap.camera, voxel_size)
    return voxel_keys(pointmap.points_every(step, step // 2), voxel_size, pose=pose)
