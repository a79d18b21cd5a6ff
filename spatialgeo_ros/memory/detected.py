# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the object map is given per image, and what it says it did with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose

Array = npt.NDArray[np.float64]

#: What a detector looked for that names whatever it sees.
EVERYTHING = frozenset({"*"})


class MeasuredDepth(Protocol):
    """Depth of one image, read at single pixels; a :class:`PointMap` is one."""

    def depth_at(
        self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], /
    ) -> npt.NDArray[np.floating]:
        """Depth along the optical axis [N], metres, NaN without a reading."""

    def sigma_at(
        self, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64], /
    ) -> npt.NDArray[np.floating]:
        """One standard deviation of it [N], metres."""


@dataclass(frozen=True, eq=False)
class Detected:
    """One thing that a detector saw in one image, lifted to the world.

    Attributes:
        label: what the detector calls it.
        score: in [0, 1].
        points: [N, 3] its visible surface, metres, world frame.
        centre: [3] of the whole thing, its unseen half included, metres, world frame.
        covariance: [3, 3] of ``centre`` in this image alone, without the pose's error, m^2.
        size: [3] width along its own x, depth along its own y, height; metres.
        size_sigma: [3] standard deviations of ``size``, metres.
        yaw: of its own x axis, radians from the world's x.
        kind: what ids are made of ("chair"); "" for the label.
        cut: whether the border of the image cuts it.
        box: x0, y0, x1, y1 in pixels of the image.
        colours: share of its pixels by canonical colour.
        material: "" when unknown.
        dynamic: whether it goes about by itself (a person, a robot).
        flat: whether it lies flat on what is behind it, its outline being by colour or box alone.
    """

    label: str
    score: float
    points: Array
    centre: Array
    covariance: Array
    size: Array
    size_sigma: Array
    yaw: float
    kind: str = ""
    cut: bool = False
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    colours: Mapping[str, float] = field(default_factory=dict)
    material: str = ""
    dynamic: bool = False
    flat: bool = False


@dataclass(frozen=True)
class Unplaced:
    """A thing that a detector saw and that could not be lifted: nothing measured there.

    Attributes:
        label: what the detector calls it.
        box: x0, y0, x1, y1 in pixels.
    """

    label: str
    box: tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class MapFrame:
    """One image as the object map gets it.

    Attributes:
        stamp_ns: of the image.
        camera_name: which camera.
        world_frame: what ``pose`` refers to; gravity aligned (REP-103).
        pose: ``world_from_camera``.
        camera: calibration at the size of the image.
        depth: measured in this image, or None.
        pose_sigma: standard deviation of the camera's place in the world now, metres.
        detected: the things seen.
        unplaced: things seen that have no place; what is there is not missed.
        looked_for: labels or kinds that were looked for, :data:`EVERYTHING`, or None when no
            detector looked at this image: then nothing is missed in it.
    """

    stamp_ns: int
    camera_name: str
    world_frame: str
    pose: Pose
    camera: PinholeCamera
    depth: MeasuredDepth | None = None
    pose_sigma: float = 0.02
    detected: tuple[Detected, ...] = ()
    unplaced: tuple[Unplaced, ...] = ()
    looked_for: frozenset[str] | None = None


@dataclass(frozen=True)
class MapUpdate:
    """What became of a frame.

    Attributes:
        stamp_ns, camera_name: of the frame.
        used: whether the map took anything from it.
        reason: why it was not used, or what is inconsistent about it; "" when all is well.
        cleared: why everything was forgotten before the frame was used; "" when it was not.
        identified: id of each thing of the frame, "" for those that were not taken.
        added: new ids.
        seen: ids seen again.
        merged: (id that is no more, id that it was merged into).
        moved: ids that were seen to move and kept their id.
        gone: ids whose place is empty now.
        returned: ids that were gone and are back in their place.
        forgotten: ids taken out: never confirmed, moving things out of sight, or no room.
        shift: median distance of the things seen again from their places in the map, metres; NaN
            when fewer than three were.
    """

    stamp_ns: int
    camera_name: str
    used: bool = True
    reason: str = ""
    cleared: str = ""
    identified: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    merged: tuple[tuple[str, str], ...] = ()
    moved: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    shift: float = float("nan")
