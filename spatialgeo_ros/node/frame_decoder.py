# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Decodes a raw frame on the geometry lane: pixels, calibration, depth, pose and detections."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sensor_msgs.msg import CompressedImage

from spatialgeo_ros.errors import BadImageError, NoCameraInfoError
from spatialgeo_ros.findings.finding import Finding
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.plausibility import calibrated_camera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.node.cameras import CameraInput
from spatialgeo_ros.node.conversions import (
    compressed_depth_to_array,
    compressed_to_rgb,
    corners_of,
    depth_to_array,
    detections_to_regions,
    image_to_rgb,
    stamp_to_ns,
)
from spatialgeo_ros.node.depth_transforms import DepthTransforms
from spatialgeo_ros.node.detection_findings import judge_extents
from spatialgeo_ros.node.frame_history import RawFrame
from spatialgeo_ros.node.pose_source import PoseResult, PoseSource
from spatialgeo_ros.scene.camera_inputs import DEPTH_IGNORED


@dataclass(frozen=True, eq=False)
class _Calibration:
    """What was made of a CameraInfo message for images of a size, or why nothing was."""

    message: Any
    size: tuple[int, int]
    model: PinholeCamera | None
    remarks: tuple[str, ...]
    problem: str


class FrameAssembler:
    """Makes a :class:`Frame` of what the cameras received; whatever is missing is counted."""

    def __init__(
        self,
        cameras: Mapping[str, CameraInput],
        poses: PoseSource,
        transforms: DepthTransforms,
        most_pixels: int,
        log: Callable[[str], None],
    ) -> None:
        """Assemble frames of ``cameras`` with poses from ``poses``.

        Args:
            cameras: Inputs by name.
            poses: Where the camera was.
            transforms: Where depth cameras sit beside colour cameras.
            most_pixels: Compressed images that claim more are refused before they are decoded.
            log: Takes a line when a calibration changes.
        """
        self._cameras = cameras
        self._poses = poses
        self._transforms = transforms
        self._most_pixels = most_pixels
        self._log = log
        self._models: dict[str, _Calibration] = {}
        self._depth_models: dict[str, _Calibration] = {}
        self.last_pose: dict[str, PoseResult] = {}
        self.optical_frames: dict[str, str] = {}

    def assemble(self, name: str, raw: RawFrame) -> Frame:
        """Decode one frame of the camera ``name``.

        Raises:
            BadImageError: The image itself cannot be decoded. Anything else that is unusable is
                counted with its reason and left out of the frame.
        """
        camera = self._cameras[name]
        header = raw.image.header
        stamp_ns = stamp_to_ns(header.stamp)
        if isinstance(raw.image, CompressedImage):
            image = compressed_to_rgb(raw.image, _size(camera.info), self._most_pixels)
        else:
            image = image_to_rgb(raw.image)
        pose = self._poses.lookup(camera.config, header.frame_id, stamp_ns)
        if pose.pose is None:
            camera.counters.add("without_pose", pose.reason)
        self.last_pose[name] = pose
        self.optical_frames[name] = header.frame_id
        problems = {}
        if pose.pose is None:
            problems["pose"] = pose.reason
        model, remarks, problems["calibration"] = self._model(
            camera, image.shape[1], image.shape[0]
        )
        depth, problems["depth"] = self._depth(camera, raw)
        depth_frame = "" if raw.depth is None else raw.depth.header.frame_id
        boxes: tuple[Region, ...] = ()
        drawn = 0
        if raw.detections is None:
            problems["detections"] = camera.detections_problem()
        else:
            drawn = stamp_to_ns(raw.detections.header.stamp)
            boxes = detections_to_regions(raw.detections, word=camera.labels.word)
            unusable = any(corners_of(box) is None for box in raw.detections.detections)
            for finding in judge_extents(camera.detections_topic, unusable):
                problems["detections"] = finding
            if unnamed := camera.labels.unnamed(raw.detections):
                problems["detections"] = camera.labels.problem(unnamed)
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
            model_judged=True,
            depth_frame_id=depth_frame,
            depth_model=None if depth is None else self._depth_model(camera),
            colour_from_depth=self._transforms.lookup(camera.config, header.frame_id, depth_frame),
            remarks=remarks,
            problems={what: text for what, text in problems.items() if text},
        )

    def _model(
        self, camera: CameraInput, width: int, height: int
    ) -> tuple[PinholeCamera | None, tuple[str, ...], str]:
        """Return the calibration of images of this size with remarks, or None and why not.

        It is only made anew when it changes.
        """
        name, info = camera.config.name, camera.info
        known = self._models.get(name)
        if info is None:
            problem = Finding(
                "camera-info-missing",
                f"no camera_info on '{camera.info_topic}': publish it beside the images",
            )
            camera.counters.add("without_camera_info", problem)
            return None, (), problem
        if known is None or known.message is not info or known.size != (width, height):
            model, remarks, problem = None, (), ""
            try:
                model, remarks = calibrated_camera(info, width, height, camera.config.rectified)
            except NoCameraInfoError as error:
                problem = Finding("calibration-refused", str(error))
            before = None if known is None else known.model
            if before is not None and model is not None and model != before:
                camera.counters.add("camera_info_changes")
                self._log(f"calibration of camera '{name}' changed")
            known = self._models[name] = _Calibration(
                info, (width, height), model, remarks, problem
            )
        if known.problem:
            camera.counters.add("without_camera_info", known.problem)
        return known.model, known.remarks, known.problem

    def _depth_model(self, camera: CameraInput) -> PinholeCamera | None:
        """Return the depth's own calibration, None where it has none or one that cannot be."""
        name, info = camera.config.name, camera.depth_info
        if info is None:
            return None
        known = self._depth_models.get(name)
        if known is None or known.message is not info:
            size = int(info.width), int(info.height)
            model, problem = None, ""
            try:
                model, _ = calibrated_camera(info, *size)
            except NoCameraInfoError as error:
                problem = Finding("calibration-refused", f"camera_info of the depth: {error}")
            known = self._depth_models[name] = _Calibration(info, size, model, (), problem)
        if known.problem:
            camera.counters.add("depth_errors", known.problem)
        return known.model

    def _depth(self, camera: CameraInput, raw: RawFrame) -> tuple[Any | None, str]:
        """Return the depth image, or None and why there is none although it should be there."""
        if raw.depth is None:
            if raw.depth_problem:
                camera.counters.add("without_depth", raw.depth_problem)
            return None, raw.depth_problem
        packed = isinstance(raw.depth, CompressedImage)
        try:
            depth = (
                compressed_depth_to_array(raw.depth, _size(camera.depth_info), self._most_pixels)
                if packed
                else depth_to_array(raw.depth)
            )
        except BadImageError as error:
            camera.counters.add("depth_errors", Finding("depth-unusable", str(error)))
            return None, Finding("depth-unusable", f"{DEPTH_IGNORED}{error}")
        return depth, ""


def _size(info: Any) -> tuple[int, int] | None:
    """Return width and height of a CameraInfo, None where there is none to go by."""
    if info is None or info.width < 1 or info.height < 1:
        return None
    return int(info.width), int(info.height)
