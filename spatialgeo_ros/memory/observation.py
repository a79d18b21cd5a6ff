# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One image with everything that was worked out about it, and how its camera sits on the robot."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.keyframes import Decision


@dataclass(frozen=True, eq=False)
class Mount:
    """How a camera sits on the robot, for frames without a pose.

    Attributes:
        gravity: [3] unit direction of falling in the camera optical frame.
        height: of the camera above the floor, metres.
    """

    gravity: npt.NDArray[np.float64]
    height: float

    @classmethod
    def from_pitch(cls, height: float, pitch: float) -> Mount:
        """Mount of a camera without roll that looks down by ``pitch`` radians."""
        return cls(np.array([0.0, math.cos(pitch), math.sin(pitch)]), float(height))


@dataclass(frozen=True, eq=False)
class View:
    """One image as the networks get it.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        camera: calibration at the size of the image, or None when unknown.
        mount: what is known of gravity and camera height, or None.
        cache: of this image alone: networks keep there what they would otherwise compute again
            (pixels on the device, tokens of the towers).
    """

    image: npt.NDArray[np.uint8]
    camera: PinholeCamera | None
    mount: Mount | None
    cache: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(eq=False)
class Observation:
    """One frame with everything that was worked out about it. Treat it as read-only.

    Attributes:
        frame: the frame itself.
        pointmap: metric geometry at the image's resolution, or None (``degraded`` says why).
        gravity: [3] unit direction of falling in the camera frame, or None when unknown.
        camera_height: of the camera above the floor in metres, or None when unknown.
        visual: features cached for this frame; opaque, filled when they are first needed.
        timings: seconds per stage.
        degraded: what is missing or assumed, in words.
        findings: of ``degraded``, what is wrong with the camera's inputs, with the cure.
        keyframe: what the keyframe memory did with the frame, None when there was nothing to offer.
        mount: gravity and height as given to the geometry network (may be nominal).
        camera: calibration at the size of the image, or None when unknown.
        camera_height_sigma: one standard deviation of ``camera_height``, metres.
        floor_dispute: where the floor in view is not that of pose or mount, what was taken; also
            in ``degraded``.
        things: pixels of what was separated in its boxes; see :func:`.scene.lifting.pixels_in`.
    """

    frame: Frame
    pointmap: PointMap | None
    gravity: npt.NDArray[np.float64] | None
    camera_height: float | None
    visual: dict[str, Any] = field(default_factory=dict, repr=False)
    timings: dict[str, float] = field(default_factory=dict)
    degraded: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    keyframe: Decision | None = None
    mount: Mount | None = None
    camera: PinholeCamera | None = None
    camera_height_sigma: float = 0.0
    floor_dispute: str = ""
    things: dict[int, Any] = field(default_factory=dict, repr=False)

    @property
    def view(self) -> View:
        """The image as the networks get it."""
        return View(self.frame.image, self.camera, self.mount, self.visual)
