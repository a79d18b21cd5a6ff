# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decodes a raw frame on the worker thread: pixels, calibration, depth, pose and detections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sensor_msgs.msg import CompressedImage

from spatialgeo_ros.errors import BadImageError, NoCameraInfoError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.node.cameras import CameraInput, RawFrame
from spatialgeo_ros.node.conversions import (
    camera_for_image,
    compressed_depth_to_array,
    compressed_to_rgb,
    depth_to_array,
    detections_to_regions,
    image_to_rgb,
    stamp_to_ns,
)
from spatialgeo_ros.node.pose_source import PoseResult, PoseSource


class FrameAssembler:
    """Makes a :class:`Frame` of what the cameras received; whatever is missing is counted."""

    def __init__(
        self,
        cameras: Mapping[str, CameraInput],
        poses: PoseSource,
        detections_slop: float,
        log: Callable[[str], None],
    ) -> None:
        """Assemble frames of ``cameras`` with poses from ``poses``.

        Args:
            cameras: Inputs by name.
            poses: Where the camera was.
            detections_slop: Largest stamp difference to detections, in seconds.
            log: Takes a line when a calibration changes.
        """
        self._cameras = cameras
        self._poses = poses
        self._slop_ns = round(detections_slop * 1e9)
        self._log = log
        # Per camera: the CameraInfo message, the image size, and the model made of them.
        self._models: dict[str, tuple[Any, tuple[int, int], PinholeCamera | None]] = {}
        self.last_pose: dict[str, PoseResult] = {}

    def assemble(self, name: str, raw: RawFrame) -> Frame:
        """Decode one frame of the camera ``name``.

        Raises:
            BadImageError: The image itself cannot be decoded. Anything else that is unusable is
                counted with its reason and left out of the frame.
        """
        camera = self._cameras[name]
        header = raw.image.header
        stamp_ns = stamp_to_ns(header.stamp)
        decode = compressed_to_rgb if isinstance(raw.image, CompressedImage) else image_to_rgb
        image = decode(raw.image)
        pose = self._poses.lookup(camera.config, header.frame_id, stamp_ns)
        if pose.pose is None:
            camera.counters.add("without_pose", pose.reason)
        self.last_pose[name] = pose
        detections = camera.detections_at(stamp_ns, self._slop_ns)
        return Frame(
            camera=name,
            stamp_ns=stamp_ns,
            frame_id=header.frame_id,
            image=image,
            model=self._model(camera, image.shape[1], image.shape[0]),
            depth=self._depth(camera, raw),
            pose=pose.pose,
            world_frame=pose.world_frame,
            detections=() if detections is None else detections_to_regions(detections),
            sequence=raw.sequence,
        )

    def _model(self, camera: CameraInput, width: int, height: int) -> PinholeCamera | None:
        """Return the calibration of images of this size; it is only made anew when it changes."""
        name, info = camera.config.name, camera.info
        known_info, known_size, known = self._models.get(name, (None, (0, 0), None))
        if info is None:
            camera.counters.add("without_camera_info", f"nothing on {camera.info_topic}")
            return None
        if info is known_info and (width, height) == known_size:
            return known
        try:
            model = camera_for_image(info, width, height, camera.config.rectified)
        except NoCameraInfoError as error:
            camera.counters.add("without_camera_info", str(error))
            return None
        if known is not None and model != known:
            camera.counters.add("camera_info_changes")
            self._log(f"calibration of camera '{name}' changed")
        self._models[name] = (info, (width, height), model)
        return model

    def _depth(self, camera: CameraInput, raw: RawFrame) -> Any | None:
        if raw.depth is None:
            return None
        packed = isinstance(raw.depth, CompressedImage)
        try:
            return compressed_depth_to_array(raw.depth) if packed else depth_to_array(raw.depth)
        except BadImageError as error:
            camera.counters.add("depth_errors", str(error))
            return None
