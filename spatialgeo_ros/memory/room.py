# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The room that a camera is in, from depth images: floor, ceiling, walls as a closed polygon.

What was not seen is not known: a ceiling that never came into view is None, and so is the polygon
where the walls leave more open than a door; :attr:`RoomLayout.why_unknown` says why.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.level_surfaces import LevelSurface, LevelSurfaces
from spatialgeo_ros.memory.room_judgement import Judgement, contains, judge
from spatialgeo_ros.memory.room_outline import find_outline, polygon_area
from spatialgeo_ros.memory.snapshot import MapSnapshot, RoomLayout
from spatialgeo_ros.memory.wall_grid import WallGrid
from spatialgeo_ros.memory.wall_lines import find_lines
from spatialgeo_ros.memory.wall_matching import Correction
from spatialgeo_ros.memory.wall_scan import scan_walls

Array = npt.NDArray[np.float64]

_SAME_FLOOR = 0.15  # m between the floor that points show and the one that the pose's height tells
_HELD = 0.2  # of the way counts as drift where walls seen before hold poses together
_NO_WALLS = "no walls were seen yet. Drive or turn until the camera saw them all around."
_NO_OUTLINE = (
    "the walls seen so far ({count} pieces, {length:.0f} m) close no room. Drive along the others, "
    "or turn until the camera saw them all around."
)


class RoomMap:
    """Collects what depth images show of the room. Not thread-safe: one thread owns it.

    Args:
        drift_share: how far poses drift, metres of one standard deviation per metre of the way.
    """

    def __init__(self, drift_share: float = 0.01) -> None:
        self._drift_share = drift_share
        self._levels = LevelSurfaces()
        self._walls = WallGrid()
        self._camera: Array | None = None
        self._correction = Correction(drift_share)
        self._last: dict[str, Array] = {}
        self._told: LevelSurface | None = None
        self._layout: RoomLayout | None = None
        self._judgement: Judgement | None = None
        self._changed = False
        self._frames = 0

    @property
    def bytes(self) -> int:
        """Memory that it takes; does not grow."""
        return self._levels.bytes + self._walls.bytes

    def reset(self) -> None:
        """Forget everything (time jump, another world frame)."""
        self._levels.reset()
        self._walls.reset()
        self._correction.reset()
        self._camera, self._told, self._layout, self._judgement = None, None, None, None
        self._last.clear()
        self._changed, self._frames = False, 0

    def update(
        self,
        pointmap: PointMap,
        pose: Pose,
        height: float | None = None,
        height_sigma: float = 0.0,
        camera: str = "",
    ) -> None:
        """Take in one image.

        Args:
            pointmap: metric geometry of the image.
            pose: of its camera in the world (z up).
            height: of the camera above the floor, metres, where it is known.
            height_sigma: its standard deviation, metres.
            camera: name, so that the way of each camera counts once.
        """
        if height is not None and height > 0:
            self._tell(float(pose.translation[2]) - height, height_sigma)
        floor = self.floor()
        ceiling = None if floor is None else self._levels.ceiling(floor.height)
        scan = scan_walls(
            pointmap,
            pose,
            None if floor is None else floor.height,
            None if ceiling is None else ceiling.height,
        )
        step = self._go(pose, camera)
        place = self._correction.apply(pose.translation[:2])
        if scan is None:
            self._walls.go(place, step)
            return
        held = self._correction.match(scan, self._walls)
        # Poses that walls hold together drift no more than those do.
        self._walls.go(self._correction.apply(pose.translation[:2]), _HELD * step if held else step)
        self._levels.update(scan.heights, scan.ground, float(pose.translation[2]))
        self._walls.add(self._correction.applied(scan))
        self._frames += 1

    def floor(self) -> LevelSurface | None:
        """Return the floor: as points show it, or else as the camera's height tells."""
        seen = self._levels.floor()
        if seen is None or self._told is None:
            return seen or self._told
        if abs(seen.height - self._told.height) <= max(_SAME_FLOOR, 2 * self._told.sigma):
            return seen
        return self._told

    def layout(self) -> RoomLayout | None:
        """Return what is known now; None before the floor is known. Worked out when it is asked."""
        if self._changed:
            self._layout = self._worked_out()
            self._changed = False
        return self._layout

    def placed(self, pose: Pose) -> Pose:
        """Return a camera's pose among the walls as they were first seen, free of later drift.

        What is put together from many images is put together there, and taken back by
        :meth:`as_now`.
        """
        return self._correction.pose(pose)

    def as_now(self, snapshot: MapSnapshot) -> MapSnapshot:
        """Take a map of placed images into the world as poses say now."""
        turn = self._correction.turn
        if not turn and not self._correction.apply(np.zeros(2)).any():
            return snapshot
        back = np.eye(3)
        c, s = math.cos(turn), math.sin(turn)
        back[:2, :2] = [[c, s], [-s, c]]
        objects = tuple(
            replace(
                one,
                centre=np.array([*self._correction.undo(one.centre[:2]), one.centre[2]]),
                covariance=back @ one.covariance @ back.T,
                yaw=math.remainder(one.yaw - turn, 2 * math.pi),
            )
            for one in snapshot.objects
        )
        return replace(snapshot, objects=objects)

    def describe(self) -> dict[str, Any]:
        """Return facts for diagnostics; the layout is that of the last time it was asked for."""
        layout, judgement = self._layout, self._judgement
        polygon = None if layout is None else layout.polygon
        return {
            "frames": self._frames,
            "floor_m": None if layout is None else round(layout.floor, 3),
            "ceiling_m": None if layout is None or layout.ceiling is None
            else round(layout.ceiling, 3),
            "corners": 0 if polygon is None else len(polygon),
            "area_m2": None if polygon is None else round(polygon_area(polygon), 2),
            "walls_seen": None if judgement is None else round(judgement.seen, 2),
            "widest_gap_m": None if judgement is None else round(judgement.widest_gap, 2),
            "why_unknown": "" if layout is None else layout.why_unknown,
            "bytes": self.bytes,
        }  # fmt: skip

    # Internals

    def _go(self, pose: Pose, camera: str) -> float:
        """Follow a camera and return the step of the robot's way, metres."""
        heading = math.atan2(pose.rotation[1, 2], pose.rotation[0, 2])
        now = np.array([pose.translation[0], pose.translation[1], heading])
        last = self._last.get(camera, now)
        self._last[camera] = now
        # Several cameras of one robot go the same way.
        step = float(np.hypot(*(now - last)[:2])) / len(self._last)
        turn = math.remainder(now[2] - last[2], 2 * math.pi) / len(self._last)
        self._correction.go(now[:2], step, turn)
        self._camera = now[:2]
        self._changed = True
        return step

    def _tell(self, height: float, sigma: float) -> None:
        """Average the floor that cameras' heights tell; many images agree slowly."""
        if self._told is None:
            self._told = LevelSurface(height, sigma)
            return
        told = self._told
        self._told = LevelSurface(told.height + 0.1 * (height - told.height), max(sigma, 0.01))

    def _worked_out(self) -> RoomLayout | None:
        floor = self.floor()
        self._judgement = None
        if floor is None or self._camera is None:
            return None
        ceiling = self._levels.ceiling(floor.height)
        layout = RoomLayout(
            floor.height,
            floor.sigma,
            None if ceiling is None else ceiling.height,
            0.0 if ceiling is None else ceiling.sigma,
            why_unknown=_NO_WALLS,
        )
        surfaces = self._walls.surfaces()
        lines = find_lines(surfaces, self._drift_share)
        if not lines:
            return layout
        length = sum(line.seen for line in lines)
        open_walls = replace(
            layout, why_unknown=_NO_OUTLINE.format(count=len(lines), length=length)
        )
        space, camera = self._walls.open_space(), self._correction.apply(self._camera)
        outline = find_outline(lines, surfaces, space, camera)
        if outline is None or not contains(outline.corners, camera[None])[0]:
            return open_walls
        self._judgement = judge(outline, surfaces, space)
        if self._judgement.why_unknown:
            return replace(layout, why_unknown=self._judgement.why_unknown)
        polygon = self._correction.undo(outline.corners)
        sigma = math.hypot(self._judgement.sigma, self._correction.sigma)
        return replace(layout, polygon=polygon, polygon_sigma=sigma, why_unknown="")
