# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which frames of a video Spatial-MLLM is trained on, and how far apart it is told they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.models.spatial_mllm.video_input import TEMPORAL_MERGE


@dataclass(frozen=True)
class TrainingFrames:
    """Frames of one video.

    Attributes:
        indices: of the frames, ascending; fewer than asked where the video is short.
        seconds_per_grid: time between two pairs of frames that the language model is told, seconds.
    """

    indices: tuple[int, ...]
    seconds_per_grid: float


def training_frames(
    frame_count: int,
    frames_per_second: float,
    *,
    least: int = 16,
    most: int = 16,
    interval: float = 2.0,
    nominal_rate: float | None = 4.0,
) -> TrainingFrames:
    """Choose frames evenly, first and last included.

    Args:
        frame_count: of the video.
        frames_per_second: of the video.
        least: frames that a short video gets, where it has as many.
        most: frames that a long one gets.
        interval: seconds between frames of a video that is neither.
        nominal_rate: frames per second that the language model is told; None for the true rate. The
            published training says 4 of every video, its evaluation 2.

    Raises:
        BadRequestError: the video is empty or has no rate.
    """
    if frame_count < 1 or not frames_per_second > 0:
        raise BadRequestError(
            f"a video of {frame_count} frames at {frames_per_second} per second has no frames"
        )
    duration = frame_count / frames_per_second
    wanted = min(max(round(duration / interval), least), most)
    chosen = np.unique(np.linspace(0, frame_count - 1, wanted, dtype=int))
    rate = nominal_rate if nominal_rate is not None else len(chosen) / duration
    return TrainingFrames(tuple(int(k) for k in chosen), TEMPORAL_MERGE / rate)
