# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the perception that the parameters describe."""

from __future__ import annotations

from typing import Any

from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.node.parameters import Config
from spatialgeo_ros.node.pose_source import mount_pose


def load_perception(config: Config) -> Any:
    """Return the perception of the configured profile; imports torch, so only at configure."""
    from spatialgeo_ros.perception import Mount, Perception

    poses = {camera.name: mount_pose(camera.mount) for camera in config.cameras if camera.has_mount}
    return Perception.load(
        config.profile,
        device=config.device,
        quantisation=config.quantisation,
        threads=config.threads,
        encode=config.encode,
        keyframes=config.keyframes,
        voxel_size=config.voxel_size,
        mounts={
            name: Mount(gravity_in_camera(pose), float(pose.translation[2]))
            for name, pose in poses.items()
        },
    )
