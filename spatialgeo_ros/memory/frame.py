# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One camera frame as everything above the ROS conversions sees it: pixels, calibration, pose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from spatialgeo_ros.geometry.camera import PinholeCamera
    from spatialgeo_ros.geometry.pose import Pose
    from spatialgeo_ros.geometry.regions import Region


@dataclass(frozen=True, eq=False)
class Frame:
    """An image with what was known about it at its own time stamp.

    Frames compare by identity: two frames with equal pixels are still two frames. The arrays may be
    views into a received message, so treat them as read-only.

    Attributes:
        camera: Name of the camera as the user configured it.
        stamp_ns: Time of exposure in nanoseconds (the header stamp of the image).
        frame_id: TF frame of the image, an optical frame (x right, y down, z forward).
        image: ``[H, W, 3]`` uint8, RGB.
        model: Calibration at the size of ``image``, or None when none has arrived.
        depth: ``[h, w]`` uint16 millimetres or float32 metres, or None. Zero, NaN and infinite
            pixels mean "no reading" (REP-117, REP-118).
        pose: ``world_from_camera``, or None when the pose at ``stamp_ns`` is unknown.
        world_frame: Name of the world frame that ``pose`` refers to ("" without a pose).
        detections: Regions a detector published for this image; ``stamp_ns`` of each is that of
            the image it was drawn on.
        detections_stamp_ns: Stamp of the detector's message; 0 when none came for this image.
        model_judged: Whether ``model`` has been judged already, with the region of interest and
            binning that only its message has.
        depth_frame_id: TF frame of the depth image; "" for that of the image.
        depth_model: The depth image's own calibration, or None when it has none.
        colour_from_depth: Pose of the depth camera in the image's optical frame, where known.
        remarks: What the input side assumed, in words.
        problems: What the input side found wrong, in words with the cure, by what is missing for
            it: "calibration", "depth", "pose", "detections".
        sequence: Number of the frame within its camera's stream, counted at reception.
    """

    camera: str
    stamp_ns: int
    frame_id: str
    image: npt.NDArray[np.uint8]
    model: PinholeCamera | None = None
    depth: npt.NDArray[np.uint16] | npt.NDArray[np.float32] | None = None
    pose: Pose | None = None
    world_frame: str = ""
    detections: tuple[Region, ...] = ()
    detections_stamp_ns: int = 0
    sequence: int = 0
    model_judged: bool = False
    depth_frame_id: str = ""
    depth_model: PinholeCamera | None = None
    colour_from_depth: Pose | None = None
    remarks: tuple[str, ...] = ()
    problems: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Reject arrays of the wrong shape or type.

        Raises:
            ValueError: ``image`` is not ``[H, W, 3]`` uint8, or ``depth`` is not a 2-D uint16 or
                float32 array.
        """
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8:
            raise ValueError(
                f"image must be [H, W, 3] uint8, not {self.image.shape} {self.image.dtype}"
            )
        if self.depth is not None and (
            self.depth.ndim != 2 or self.depth.dtype not in (np.uint16, np.float32)
        ):
            raise ValueError(
                "depth must be [h, w] uint16 (mm) or float32 (m), "
                f"not {self.depth.shape} {self.depth.dtype}"
            )

    @property
    def height(self) -> int:
        """Rows of the image."""
        return self.image.shape[0]

    @property
    def width(self) -> int:
        """Columns of the image."""
        return self.image.shape[1]


@dataclass(frozen=True)
class FrameReference:
    """Which image was used: camera name, optical frame, stamp in nanoseconds."""

    camera: str
    frame_id: str
    stamp_ns: int


def frame_reference(frame: Frame) -> FrameReference:
    """Return the reference to a frame's image."""
    return FrameReference(frame.camera, frame.frame_id, frame.stamp_ns)
