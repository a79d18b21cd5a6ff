# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a frame to its metric geometry: calibration, depth registration, gravity, point map.

Nothing here fails because a sensor is missing: what is absent or assumed is said in words, and the
caller decides whether a request can still be served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import (
    NoCameraInfoError,
    NoGeometryError,
    TooLittleSupportError,
)
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.depth_readings import DepthReadings
from spatialgeo_ros.geometry.depth_sensor import DepthSensor
from spatialgeo_ros.geometry.floor import (
    agree_on_floor,
    estimate_floor,
    is_known_floor,
    level_at,
)
from spatialgeo_ros.geometry.pointmap import (
    DepthSource,
    PointMap,
    pointmap_from_depth,
    pointmap_from_monocular,
)
from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.geometry.scale import align_depth
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Mount, Observation, View
from spatialgeo_ros.networks.interface import MonocularDepth, Networks
from spatialgeo_ros.scene.camera_inputs import CameraInputs, InputSettings
from spatialgeo_ros.scene.floor_scale import scale_by_floor

#: Camera heights that a robot can have, metres; a pose outside has another origin than the floor.
_HEIGHTS = (0.05, 3.0)


@dataclass(frozen=True, eq=False)
class Orientation:
    """What is known about up and down.

    Attributes:
        gravity: [3] in the camera frame, or None.
        height: of the camera above the floor in metres, or None.
        mount: the same for the geometry network, where nothing better is known the nominal mount.
        remarks: what is assumed.
        height_sigma: one standard deviation of the height, metres.
        dispute: where the floor in view is not that of pose or mount, what was taken; it belongs
            to every measurement.
    """

    gravity: npt.NDArray[np.float64] | None
    height: float | None
    mount: Mount | None
    remarks: tuple[str, ...] = ()
    height_sigma: float = 0.0
    dispute: str = ""


def orientation_of(frame: Frame, mounts: Mapping[str, Mount], nominal: Mount | None) -> Orientation:
    """Return gravity and camera height from the pose, else the camera's mount, else unknown.

    World frames have z up and their origin on the floor (REP-103, REP-105). The profile's nominal
    mount is only a hint to the geometry network, never used for measuring.
    """
    if frame.pose is not None:
        gravity = gravity_in_camera(frame.pose)
        height: float | None = float(frame.pose.translation[2])
        if height is not None and not _HEIGHTS[0] <= height <= _HEIGHTS[1]:
            height = None
        if height is None and frame.camera in mounts:
            height = mounts[frame.camera].height
        if height is not None:
            return Orientation(gravity, height, Mount(gravity, height))
        if nominal is not None:
            return Orientation(gravity, None, Mount(gravity, nominal.height))
        return Orientation(gravity, None, None)
    if frame.camera in mounts:
        mount = mounts[frame.camera]
        return Orientation(
            mount.gravity,
            mount.height,
            mount,
            (f"{_without_pose(frame)}: gravity and camera height are those of the mount",),
        )
    return Orientation(
        None,
        None,
        nominal,
        (f"{_without_pose(frame)}: gravity unknown, no keyframes beyond the newest",),
    )


def _without_pose(frame: Frame) -> str:
    reason = frame.problems.get("pose")
    return f"no pose ({reason})" if reason else "no pose"


def with_seen_floor(orientation: Orientation, pointmap: PointMap) -> Orientation:
    """Weigh the camera height of pose or mount against the floor that a measured map shows."""
    gravity, known = orientation.gravity, orientation.height
    if gravity is None:
        return orientation
    seen = estimate_floor(pointmap, gravity)
    if seen is not None and not _HEIGHTS[0] <= seen.height <= _HEIGHTS[1]:
        seen = None
    at_known = None
    if known is not None and seen is not None and not is_known_floor(seen, known):
        at_known = level_at(pointmap, gravity, known)
    agreed = agree_on_floor(seen, known, at_known=at_known)
    if agreed is None:
        return orientation
    return replace(
        orientation,
        height=agreed.height,
        height_sigma=agreed.sigma,
        dispute=agreed.remark,
        remarks=(*orientation.remarks, *((agreed.remark,) if agreed.remark else ())),
    )


def sensor_pointmap(
    depth: DepthReadings, camera: PinholeCamera, sensor: DepthSensor
) -> PointMap | None:
    """Lift sensor depth; None when it has not a single reading within the sensor's range."""
    pointmap = pointmap_from_depth(depth, camera, sensor.noise, sensor.nearest, sensor.farthest)
    return None if pointmap.blind else pointmap


def monocular_pointmap(prediction: MonocularDepth, camera: PinholeCamera) -> PointMap | None:
    """Lift a network's depth; None when it is nowhere valid."""
    pointmap = pointmap_from_monocular(
        prediction.depth, prediction.valid, camera, prediction.relative_sigma
    )
    return None if pointmap.blind else pointmap


def require_pointmap(observation: Observation) -> PointMap:
    """Return the point map of an observation.

    Raises:
        NoCameraInfoError: there is none because the calibration is missing.
        NoGeometryError: there is none because nothing gives depth.
    """
    if observation.pointmap is not None:
        return observation.pointmap
    if observation.camera is None:
        raise NoCameraInfoError("; ".join(observation.findings) or "no camera_info")
    missing = "; ".join(reason for reason in observation.degraded if "depth" in reason)
    raise NoGeometryError(
        f"{missing or 'no depth'}: publish registered depth, or load another profile, with a "
        "geometry network"
    )


class FrameObserver:
    """Makes observations out of frames: point map, gravity, and what is missing.

    Args:
        networks: predict depth where there is no sensor's, or None.
        mounts: by camera name, how a camera without a pose sits on the robot.
        settings: by camera name, what the user says about its inputs.
        usual: the same for cameras that have no entry.
    """

    def __init__(
        self,
        networks: Networks | None,
        mounts: Mapping[str, Mount],
        settings: Mapping[str, InputSettings],
        usual: InputSettings,
    ) -> None:
        self._networks = networks
        self._mounts = mounts
        self._settings, self._usual = settings, usual
        self._inputs: dict[str, CameraInputs] = {}

    def lift(self, frame: Frame, cache: dict[str, Any] | None = None) -> Observation:
        """Work out a frame; ``cache`` holds what networks computed for it before."""
        cache = {} if cache is None else cache
        nominal = None if self._networks is None else self._networks.nominal_mount
        orientation = orientation_of(frame, self._mounts, nominal)
        inputs = self._inputs_of(frame.camera)
        judged = inputs.judge(frame, orientation.gravity, orientation.height)
        camera = judged.camera
        remarks: tuple[str, ...] = judged.findings
        pointmap: PointMap | None = None
        if camera is not None:
            if judged.depth is not None:
                pointmap = sensor_pointmap(judged.depth, camera, inputs.settings.sensor)
                if pointmap is None:
                    remarks += ("the depth image has no reading",)
                else:
                    orientation = with_seen_floor(orientation, pointmap)
            if pointmap is None:
                view = View(frame.image, camera, orientation.mount, cache)
                pointmap, more = self._metric(view, camera, orientation)
                remarks += more
                assumed = orientation.gravity is None and orientation.mount is not None
                if pointmap is not None and assumed:
                    remarks += ("monocular depth assumes the profile's nominal camera mount",)
        return Observation(
            frame,
            pointmap,
            orientation.gravity,
            orientation.height,
            cache,
            degraded=remarks + orientation.remarks,
            findings=judged.findings,
            mount=orientation.mount,
            camera=camera,
            camera_height_sigma=orientation.height_sigma,
            floor_dispute=orientation.dispute,
        )

    def _inputs_of(self, camera: str) -> CameraInputs:
        if camera not in self._inputs:
            self._inputs[camera] = CameraInputs(self._settings.get(camera, self._usual))
        return self._inputs[camera]

    def encode(self, observation: Observation) -> None:
        """Run every tower now, and fill the holes of sensor depth."""
        if self._networks is None:
            return
        self._networks.encode(observation.view)
        if (aligned := self.aligned(observation)) is not None:
            observation.pointmap = aligned

    def aligned(self, observation: Observation) -> PointMap | None:
        """Return sensor depth with its holes filled by aligned monocular depth, or None."""
        sensor = observation.pointmap
        if sensor is None or sensor.source is not DepthSource.SENSOR:
            return None
        if self.unfamiliar(observation.view):
            return None
        prediction = self._predicted(observation.view)
        monocular = None if prediction is None else monocular_pointmap(prediction, sensor.camera)
        if monocular is None:
            return None
        try:
            alignment = align_depth(monocular.depth, sensor.depth, sensor.sigma)
        except TooLittleSupportError:
            return None
        return alignment.apply(monocular, sensor)

    def unfamiliar(self, view: View) -> str:
        """Say why the geometry network's depth means nothing, "" where it does or is not there."""
        if self._networks is None or not self._networks.has_geometry:
            return ""
        return self._networks.unfamiliar(view)

    def _predicted(self, view: View) -> MonocularDepth | None:
        if self._networks is None or not self._networks.has_geometry:
            return None
        if "monocular" not in view.cache:
            view.cache["monocular"] = self._networks.depth(view)
        prediction: MonocularDepth = view.cache["monocular"]
        return prediction

    def _metric(
        self, view: View, camera: PinholeCamera, orientation: Orientation
    ) -> tuple[PointMap | None, tuple[str, ...]]:
        """The network's point map in metres, or None, and what to say about it."""
        if unfamiliar := self.unfamiliar(view):
            return None, (f"no depth from the geometry network: {unfamiliar}",)
        prediction = self._predicted(view)
        pointmap = None if prediction is None else monocular_pointmap(prediction, camera)
        if prediction is None or pointmap is None:
            return None, ("no depth: neither a sensor's nor a geometry network's",)
        if prediction.metric:
            return pointmap, ()
        unscaled = "the geometry network's depth has no scale of its own"
        if orientation.gravity is None or orientation.height is None:
            return None, (
                f"no depth in metres: {unscaled}, and neither sensor depth nor the camera's height "
                "above the floor (pose or mount) gives one",
            )
        metric = scale_by_floor(pointmap, orientation.gravity, orientation.height)
        if metric is None:
            return None, (
                f"no depth in metres: {unscaled}, and the floor that would give one is not in view",
            )
        return metric, (
            f"{unscaled}: scaled to a floor {orientation.height:.2f} m below the camera",
        )
