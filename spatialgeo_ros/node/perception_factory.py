# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Makes the perception that the parameters describe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.memory.observation import Mount
from spatialgeo_ros.node.parameters import Config
from spatialgeo_ros.node.pose_source import mount_pose

#: Told what is being built and which share of it is done; False in return stops the build.
Progress = Callable[[str, float], bool]
PerceptionFactory = Callable[[Config, Progress], Any]


def load_perception(config: Config, progress: Progress) -> Any:
    """Return the perception of the configured profile; imports torch, so only at configure.

    Args:
        config: parameters of the node.
        progress: see ``Progress``.
    """
    from spatialgeo_ros.perception import Perception

    return Perception.load(
        config.profile,
        device=config.device,
        quantisation=config.quantisation,
        precision=config.precision,
        threads=config.threads,
        engines={
            "backend": config.backend,
            "policy": config.backend_policy,
            "build": config.build_engines,
            "folder": Path(config.engine_folder).expanduser() if config.engine_folder else None,
            "image_size": config.engine_image_size[::-1],
            "progress": progress,
        },
        grounding=config.grounding,
        vocabulary_file=config.vocabulary_file,
        map_phrases=config.map_phrases,
        planner=config.planner,
        planner_timeout=config.planner_timeout,
        planner_key_variable=config.planner_key_variable,
        encode=config.encode,
        keyframes=config.keyframes,
        voxel_size=config.voxel_size,
        inputs={camera.name: camera.input_settings() for camera in config.cameras},
        memory_max_age=config.memory_max_age,
        drift=config.drift,
        lead_camera=config.cameras[0].name,
        mounts=mounts_of(config),
    )


def mounts_of(config: Config) -> dict[str, Mount]:
    """Return gravity and height of the cameras whose mount is given."""
    poses = {camera.name: mount_pose(camera.mount) for camera in config.cameras if camera.has_mount}
    return {
        name: Mount(gravity_in_camera(pose), float(pose.translation[2]))
        for name, pose in poses.items()
    }
