# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decodes a raw frame on the geometry lane: pixels, calibration, depth, pose and detections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sensor_msgs.msg import CompressedImage

from spatialgeo_ros.errors import BadImageError, NoCameraInfoError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.node.cameras import CameraInput
from spatialgeo_ros.node.conversions import (
    camera_for_image,
    compressed_depth_to_array,
    compressed_to_rgb,
    depth_to_array,
    detections_to_regions,
    image_to_rgb,
    stamp_to_ns,
)
from spatialgeo_ros.node.frame_history import RawFrame
from spatialgeo_ros.node.pose_source import PoseResult, PoseSource


class FrameAssembler:
    """Makes a :class:`Frame` of what the cameras received; whatever is missing is counted."""

    def __init__(
        self,
        cameras: Mapping[str, CameraInput],
        poses: PoseSource,
        log: Callable[[str], None],
    ) -> None:
        """Assemble frames of ``cameras`` with poses from ``poses``.

        Args:
            cameras: Inputs by name.
            poses: Where the camera was.
            log: Takes a line when a calibration changes.
        """
        self._cameras = cameras
        self._poses = poses
        self._log = log
        # Per camera: the CameraInfo message, the image size, the model made of them, or why none.
        self._models: dict[str, tuple[Any, tuple[int, int], PinholeCamera | None, str]] = {}
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
        problems = {}
        if pose.pose is None:
            problems["pose"] = pose.reason
        model, problems["calibration"] = self._model(camera, image.shape[1], image.shape[0])
        depth, problems["depth"] = self._depth(camera, raw)
        boxes: tuple[Region, ...] = ()
        drawn = 0
        if raw.detections is None:
            problems["detections"] = camera.detections_problem()
        else:
            drawn = stamp_to_ns(raw.detections.header.stamp)
            boxes = detections_to_regions(raw.detections)
        return Frame(
            camera=name,
            stamp_ns=stamp_ns,
            frame_id=header.frame_id,
            image=image,
            model=model,
            depth=depth,
            pose=pose.pose,
            world_frame=pose.world_frame,
            detections=boxes,
            detections_stamp_ns=drawn,
            sequence=raw.sequence,
            problems={what: text for what, text in problems.items() if text},
        )

    def _model(
        self, camera: CameraInput, width: int, height: int
    ) -> tuple[PinholeCamera | None, str]:
        """Return the calibration of images of this size, or None and why there is none.

        It is only made anew when it changes.
        """
        name, info = camera.config.name, camera.info
        known_info, known_size, known, problem = self._models.get(name, (None, (0, 0), None, ""))
        if info is None:
            problem = f"no camera_info on '{camera.info_topic}': publish it beside the images"
            camera.counters.add("without_camera_info", problem)
            return None, problem
        if info is known_info and (width, height) == known_size:
            if problem:
                camera.counters.add("without_camera_info", problem)
            return known, problem
        model: PinholeCamera | None = None
        problem = ""
        try:
            model = camera_for_image(info, width, height, camera.config.rectified)
        except NoCameraInfoError as error:
            problem = str(error)
            camera.counters.add("without_camera_info", problem)
        if known is not None and model is not None and model != known:
            camera.counters.add("camera_info_changes")
            self._log(f"calibration of camera '{name}' changed")
        self._models[name] = (info, (width, height), model, problem)
        return model, problem

    def _depth(self, camera: CameraInput, raw: RawFrame) -> tuple[Any | None, str]:
        """Return the depth image, or None and why there is none although it should be there."""
        if raw.depth is None:
            if raw.depth_problem:
                camera.counters.add("without_depth", raw.depth_problem)
            return None, raw.depth_problem
        packed = isinstance(raw.depth, CompressedImage)
        try:
            depth = compressed_depth_to_array(raw.depth) if packed else depth_to_array(raw.depth)
        except BadImageError as error:
            camera.counters.add("depth_errors", str(error))
            return None, f"depth ignored: {error}"
        return depth, ""
