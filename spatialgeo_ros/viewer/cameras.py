# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One camera of the node as the viewer knows it: its newest picture, calibration and place."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import NoCameraInfoError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL, Pose
from spatialgeo_ros.node.camera_pose import PoseSource
from spatialgeo_ros.node.conversions import camera_for_image
from spatialgeo_ros.node.parameters import CameraConfig
from spatialgeo_ros.viewer.pictures import Picture

#: Seconds without any pose after which a camera is shown without one.
POSE_GRACE = 3.0


class ShownCamera:
    """A camera, and what of it is shown.

    Args:
        config: its parameters in the node.
        poses: where cameras are.
        say: takes what cannot be shown, and why; each text once.
        clock: monotonic seconds.

    Attributes:
        frame_id: of its images; "" until one came.
        picture: the newest one.
        calibration: of the newest image; None while it is unknown or cannot be used.
    """

    def __init__(
        self,
        config: CameraConfig,
        poses: PoseSource,
        say: Callable[[str], object],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name, self._config, self._poses = config.name, config, poses
        self._say, self._clock = say, clock
        self.frame_id = ""
        self.picture: Picture | None = None
        self.calibration: PinholeCamera | None = None
        self._calibrated: tuple[Any, tuple[int, int]] | None = None
        self._since: float | None = None
        self._placed = False

    def show(self, shown: Picture, frame_id: str, info: Any) -> None:
        """Take the newest picture.

        Args:
            shown: the picture.
            frame_id: of its message.
            info: the camera's ``sensor_msgs/CameraInfo``, None when none has come.
        """
        self.picture, self.frame_id = shown, frame_id
        if info is None or self._calibrated == (info, shown.size):
            return
        self._calibrated = (info, shown.size)
        try:
            self.calibration = camera_for_image(info, *shown.size, self._config.rectified)
        except NoCameraInfoError as error:
            self.calibration = None
            self._say(f"camera {self.name} is shown without its projection: {error}")

    def pose(self, stamp_ns: int) -> Pose | None:
        """Return world_from_camera at a stamp; None for now.

        A camera that has no pose for some seconds stands level at the world's origin from then on,
        which is said.
        """
        result = self._poses.lookup(self._config, self.frame_id, stamp_ns)
        if result.pose is not None:
            self._placed = True
            return result.pose
        if self._placed:
            return None
        now = self._clock()
        self._since = now if self._since is None else self._since
        if now - self._since < POSE_GRACE:
            return None
        self._say(
            f"camera {self.name} has no pose and is shown at the world's origin, level: "
            f"{result.reason}"
        )
        return BODY_FROM_OPTICAL

    def pixels(self, points: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
        """Return where points [N, 3] of the optical frame are in the picture, [N, 2].

        NaN for what the camera cannot see; None while its projection is unknown.
        """
        if self.calibration is None or self.picture is None:
            return None
        return self.picture.pixels(self.calibration.project(points))
