# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Geometry of a whole clip, and the frames of it that show the most space.

Offline space-aware sampling as in Spatial-MLLM (Wu et al. 2025, section 3.3), with VGGT's point
maps as there, or with metric depth and known camera poses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRequestError, NoCameraInfoError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.sampling import SamplingResult, sampling_indices, space_aware_sampling
from spatialgeo_ros.recordings.clips import ClipFrame
from spatialgeo_ros.recordings.trajectory import StampedTrajectory
from spatialgeo_ros.scene.observer import require_pointmap
from spatialgeo_ros.scene.scene import Scene

if TYPE_CHECKING:
    from spatialgeo_ros.models.vggt import Vggt

_THUMBNAIL_WIDTH = 240
#: Points per frame that are enough for coverage: as many as VGGT's maps of 4:3 images have.
_MOST_POINTS = 518 * 392
_CLIP_CAMERA = "clip"


@dataclass(frozen=True, eq=False)
class ClipGeometry:
    """What a clip's candidate frames show, in one world.

    Attributes:
        indices: number of each candidate in the clip, ascending.
        stamps_ns: their times.
        thumbnails: their pictures, [h, w, 3] uint8 RGB.
        world_points: [N, H, W, 3] float32, NaN where nothing is known.
        conf: [N, H, W] float32.
        positions: [N, 3] of the cameras, NaN where unknown.
        metric: the world is in metres with z up; else it is the first frame's optical frame (x
            right, y down, z forward) in a scale of the network's own.
    """

    indices: tuple[int, ...]
    stamps_ns: tuple[int, ...]
    thumbnails: tuple[npt.NDArray[np.uint8], ...]
    world_points: npt.NDArray[np.float32]
    conf: npt.NDArray[np.float32]
    positions: npt.NDArray[np.float64]
    metric: bool


@dataclass(frozen=True, eq=False)
class ClipSample:
    """Frames chosen of a clip, as positions among its candidates.

    Attributes:
        result: of the space-aware rule; its indices are candidates.
        uniform: the evenly spread baseline.
    """

    result: SamplingResult
    uniform: tuple[int, ...]


def choose_frames(geometry: ClipGeometry, k: int = 16) -> ClipSample:
    """Choose ``k`` frames by the space they show, and ``k`` evenly.

    Raises:
        NoGeometryError: the clip shows no space (see :func:`space_aware_sampling`).
    """
    result = space_aware_sampling(geometry.world_points, geometry.conf, k)
    return ClipSample(result, tuple(sampling_indices(len(geometry.indices), k).tolist()))


def vggt_geometry(frames: Iterable[ClipFrame], model: Vggt, *, lowered: bool) -> ClipGeometry:
    """Point maps of VGGT's point head for all frames at once.

    Args:
        frames: the candidates; they are taken to the network's size one by one.
        model: with its point head.
        lowered: images in bfloat16 and the aggregator under bfloat16 autocast, as the authors of
            the sampling rule run it.
    """
    import torch

    from spatialgeo_ros.models.vggt.frame_input import prepare_frame, stack_frames

    indices, stamps, thumbnails, tensors = [], [], [], []
    for frame in frames:
        indices.append(frame.index)
        stamps.append(frame.stamp_ns)
        thumbnails.append(_thumbnail(frame.image))
        tensors.append(prepare_frame(frame.image, turn_portrait=True))
    device = model.aggregator.camera_token.device
    images = stack_frames(tensors)[None].to(device, torch.bfloat16 if lowered else torch.float32)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=lowered)
    with torch.inference_mode(), autocast:
        out = model(images)
    return ClipGeometry(
        tuple(indices),
        tuple(stamps),
        tuple(thumbnails),
        out["world_points"][0].cpu().numpy(),
        out["world_points_conf"][0].cpu().numpy(),
        np.full((len(indices), 3), np.nan),
        metric=False,
    )


def metric_geometry(
    frames: Iterable[ClipFrame],
    scene: Scene,
    camera: Callable[[int, int], PinholeCamera] | None = None,
    trajectory: StampedTrajectory | None = None,
) -> ClipGeometry:
    """Metric points of every frame in the world of the camera's poses.

    Points come from the frames' own depth, or from the geometry network where there is none. All
    count alike: depth has no confidence that could be ranked across frames. A frame without a pose
    shows nothing.

    Args:
        frames: the candidates.
        scene: gives the point maps.
        camera: calibration for an image of this width and height, where the frames have none.
        trajectory: poses by time, where the frames have none.

    Raises:
        BadRequestError: no frame has a pose.
        NoCameraInfoError: a frame has no calibration.
        NoGeometryError: a frame has no depth, and the profile has no geometry network.
    """
    indices, stamps, thumbnails, maps, positions = [], [], [], [], []
    for frame in frames:
        pose = frame.pose if trajectory is None else trajectory.at(frame.stamp_ns)
        height, width = frame.image.shape[:2]
        model = camera(width, height) if camera is not None else frame.camera
        if model is None:
            raise NoCameraInfoError(
                f"frame {frame.index} has no calibration: give the camera's, or use VGGT, which "
                "needs none"
            )
        indices.append(frame.index)
        stamps.append(frame.stamp_ns)
        thumbnails.append(_thumbnail(frame.image))
        step = max(1, math.ceil(math.sqrt(height * width / _MOST_POINTS)))
        if pose is None:
            maps.append(np.full((-(-height // step), -(-width // step), 3), np.nan, np.float32))
            positions.append(np.full(3, np.nan))
            continue
        observed = scene.observe(
            Frame(_CLIP_CAMERA, frame.stamp_ns, _CLIP_CAMERA, frame.image, model, frame.depth,
                  pose, "world", sequence=frame.index)
        )  # fmt: skip
        points = require_pointmap(observed).points_every(step)
        maps.append(pose.apply(points).astype(np.float32))
        positions.append(pose.translation)
    if not any(np.isfinite(position).all() for position in positions):
        raise BadRequestError(_without_poses(stamps, trajectory))
    world_points = np.stack(maps)
    return ClipGeometry(
        tuple(indices),
        tuple(stamps),
        tuple(thumbnails),
        world_points,
        np.ones(world_points.shape[:-1], np.float32),
        np.stack(positions),
        metric=True,
    )


def _without_poses(stamps: list[int], trajectory: StampedTrajectory | None) -> str:
    if trajectory is None:
        return "the clip has no camera poses: give a trajectory, or use VGGT, which needs none"
    return (
        f"no frame has a pose: the trajectory covers {trajectory.span()}, the clip "
        f"{stamps[0] / 1e9:.3f} s to {stamps[-1] / 1e9:.3f} s (a video's time begins at 0)"
    )


def _thumbnail(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height = max(1, round(image.shape[0] * _THUMBNAIL_WIDTH / image.shape[1]))
    size = (_THUMBNAIL_WIDTH, height)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
