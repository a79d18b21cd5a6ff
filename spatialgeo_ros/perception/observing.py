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

import cv2
import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import (
    BadImageError,
    NoCameraInfoError,
    NoGeometryError,
    TooLittleSupportError,
)
from spatialgeo_ros.geometry.background import find_floor
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pointmap import (
    DepthNoise,
    DepthSource,
    PointMap,
    depth_to_metres,
    pointmap_from_depth,
    pointmap_from_monocular,
)
from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.geometry.scale import align_depth
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.perception.results import (
    MonocularDepth,
    Mount,
    Networks,
    Observation,
    View,
)
from spatialgeo_ros.perception.scaling import scale_by_floor

#: Two images show the same view when their aspect ratios differ by less than this share.
_ASPECT_TOLERANCE = 0.01
#: Camera heights that a robot can have, metres; a pose outside has another origin than the floor.
_HEIGHTS = (0.05, 3.0)
#: Difference between the floor seen and the floor expected that is worth a remark, metres.
_FLOOR_DISPUTE = 0.15


@dataclass(frozen=True, eq=False)
class Orientation:
    """What is known about up and down.

    Attributes:
        gravity: [3] in the camera frame, or None.
        height: of the camera above the floor in metres, or None.
        mount: the same for the geometry network, where nothing better is known the nominal mount.
        remarks: what is assumed.
    """

    gravity: npt.NDArray[np.float64] | None
    height: float | None
    mount: Mount | None
    remarks: tuple[str, ...] = ()


def same_view(width: int, height: int, other_width: int, other_height: int) -> bool:
    """Tell whether two image sizes have one aspect ratio, so that one is a resize of the other."""
    if min(width, height, other_width, other_height) < 1:
        return False
    return abs(width * other_height / (height * other_width) - 1.0) < _ASPECT_TOLERANCE


def camera_of(frame: Frame) -> tuple[PinholeCamera | None, tuple[str, ...]]:
    """Return the calibration at the size of the image, or None with the reason."""
    if frame.model is None:
        return None, (f"no camera_info from camera '{frame.camera}': nothing can be measured",)
    size = (frame.model.width, frame.model.height)
    if size == (frame.width, frame.height):
        return frame.model, ()
    if same_view(*size, frame.width, frame.height):
        return frame.model.resized(frame.width, frame.height), (
            f"camera_info is for {size[0]}x{size[1]}: scaled to the image's "
            f"{frame.width}x{frame.height}",
        )
    return None, (
        f"camera_info is for {size[0]}x{size[1]}, the image is {frame.width}x{frame.height} with "
        "another aspect ratio: nothing can be measured",
    )


def registered_depth(frame: Frame) -> tuple[npt.NDArray[np.float32] | None, tuple[str, ...]]:
    """Return sensor depth in metres at the size of the image, or None with the reason.

    A depth image of another size but the same view is resized without interpolation: a mean of
    near and far depth would be a surface that does not exist.
    """
    if frame.depth is None:
        return None, ()
    height, width = frame.depth.shape
    try:
        metres = depth_to_metres(frame.depth)
    except BadImageError as error:
        return None, (f"depth ignored: {error}",)
    if (height, width) == (frame.height, frame.width):
        return metres, ()
    if not same_view(width, height, frame.width, frame.height):
        return None, (
            f"depth ignored: it is {width}x{height}, not registered to the "
            f"{frame.width}x{frame.height} image",
        )
    scaled = cv2.resize(metres, (frame.width, frame.height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(scaled, np.float32), ()


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
            ("no pose: gravity and camera height are those of the mount",),
        )
    return Orientation(
        None, None, nominal, ("no pose: gravity unknown, no keyframes beyond the newest",)
    )


def with_seen_floor(orientation: Orientation, pointmap: PointMap) -> Orientation:
    """Correct the camera height by the floor that a measured point map shows.

    The lower of the two floors wins: a view of a table top alone looks like a floor that is too
    high, and a base frame above the ground makes the pose's floor too high.
    """
    if orientation.gravity is None:
        return orientation
    seen = find_floor(pointmap, orientation.gravity)
    if seen is None or not _HEIGHTS[0] <= seen <= _HEIGHTS[1]:
        return orientation
    known = orientation.height
    if known is None:
        return replace(orientation, height=seen)
    used = max(seen, known) if abs(seen - known) > 0.05 else known
    remarks = orientation.remarks
    if abs(seen - known) > _FLOOR_DISPUTE:
        remarks += (
            f"the lowest level in view is {seen:.2f} m below the camera, the pose or mount says "
            f"{known:.2f} m: the floor is taken at {used:.2f} m",
        )
    return replace(orientation, height=used, remarks=remarks)


def sensor_pointmap(
    metres: npt.NDArray[np.float32], camera: PinholeCamera, noise: DepthNoise
) -> PointMap | None:
    """Lift sensor depth; None when it has not a single reading."""
    pointmap = pointmap_from_depth(metres, camera, noise)
    return pointmap if pointmap.valid.any() else None


def monocular_pointmap(prediction: MonocularDepth, camera: PinholeCamera) -> PointMap | None:
    """Lift a network's depth; None when it is nowhere valid."""
    pointmap = pointmap_from_monocular(
        prediction.depth, prediction.valid, camera, prediction.relative_sigma
    )
    return pointmap if pointmap.valid.any() else None


def require_pointmap(observation: Observation) -> PointMap:
    """Return the point map of an observation.

    Raises:
        NoCameraInfoError: there is none because the calibration is missing.
        NoGeometryError: there is none because nothing gives depth.
    """
    if observation.pointmap is not None:
        return observation.pointmap
    camera, reasons = camera_of(observation.frame)
    if camera is None:
        raise NoCameraInfoError(f"{reasons[0]}; publish camera_info beside the image")
    missing = "; ".join(reason for reason in observation.degraded if "depth" in reason)
    raise NoGeometryError(
        f"{missing or 'no depth'}: publish registered depth, or load another profile, with a "
        "geometry network"
    )


class FrameLifter:
    """Makes observations out of frames: point map, gravity, and what is missing.

    Args:
        networks: predict depth where there is no sensor's, or None.
        mounts: by camera name, how a camera without a pose sits on the robot.
        noise: of the depth sensor.
    """

    def __init__(
        self, networks: Networks | None, mounts: Mapping[str, Mount], noise: DepthNoise
    ) -> None:
        self._networks = networks
        self._mounts = mounts
        self._noise = noise

    def lift(self, frame: Frame, cache: dict[str, Any] | None = None) -> Observation:
        """Work out a frame; ``cache`` holds what networks computed for it before."""
        cache = {} if cache is None else cache
        nominal = None if self._networks is None else self._networks.nominal_mount
        camera, remarks = camera_of(frame)
        metres, more = registered_depth(frame)
        orientation = orientation_of(frame, self._mounts, nominal)
        remarks += more
        pointmap: PointMap | None = None
        if camera is not None:
            if metres is not None:
                pointmap = sensor_pointmap(metres, camera, self._noise)
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
            mount=orientation.mount,
            camera=camera,
        )

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
