# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A walled room of boxes as the object map sees it: exact depth, and a detector that knows all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from geometry_scene import Block, render

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.detected import EVERYTHING, Detected, MapFrame

CAMERA = PinholeCamera(160, 120, 110.0, 110.0, 79.5, 59.5)
SECOND = 1_000_000_000
LEAST_PIXELS = 30  # that the detector needs
CHAIR = (0.48, 0.5, 0.9)


@dataclass(frozen=True)
class Thing:
    """A labelled block of the world."""

    label: str
    block: Block
    colour: str = ""
    dynamic: bool = False

    def at(self, x: float, y: float) -> Thing:
        return replace(self, block=replace(self.block, x=x, y=y))


def thing(label: str, x: float, y: float, size=CHAIR, colour: str = "", **more) -> Thing:
    return Thing(label, Block(x, y, size, **more), colour, label == "person")


def walls(half: float = 4.0, x: float = 0.0, y: float = 0.0) -> list[Block]:
    """Four walls around a square room."""
    long, thin, high = 2 * half, 0.1, 2.5
    return [
        Block(x + half, y, (thin, long, high)),
        Block(x - half, y, (thin, long, high)),
        Block(x, y + half, (long, thin, high)),
        Block(x, y - half, (long, thin, high)),
    ]


def looking(x: float, y: float, heading: float, pitch: float = 0.25, height: float = 1.2) -> Pose:
    """world_from_camera of a camera at x, y that heads along ``heading`` (radians)."""
    c, s = np.cos(heading), np.sin(heading)
    forward = np.array([c * np.cos(pitch), s * np.cos(pitch), -np.sin(pitch)])
    right = np.array([s, -c, 0.0])
    return Pose(np.stack([right, np.cross(forward, right), forward], axis=1), [x, y, height])


def towards(x: float, y: float, at: tuple[float, float], **more: float) -> Pose:
    return looking(x, y, float(np.arctan2(at[1] - y, at[0] - x)), **more)


@dataclass(frozen=True, eq=False)
class DepthImage:
    """What :class:`MeasuredDepth` asks for."""

    metres: np.ndarray

    def depth_at(self, rows, columns):
        return self.metres[rows, columns]

    def sigma_at(self, rows, columns):
        return np.full(np.shape(self.metres[rows, columns]), 0.005)


@dataclass
class Stage:
    """Makes frames of a room: one second apart, by the order of calls."""

    things: list[Thing]
    structure: list[Block] = field(default_factory=walls)
    camera_name: str = "front"
    world_frame: str = "map"
    pose_sigma: float = 0.02
    noise: float = 0.01
    stamp: int = SECOND
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def frame(
        self,
        pose: Pose,
        believed: Pose | None = None,
        *,
        detect: Sequence[str] | None = None,
        relabel: dict[str, str] | None = None,
        looked_for: Iterable[str] | None = EVERYTHING,
        step: float = 1.0,
    ) -> MapFrame:
        """Show what a camera at ``pose`` sees, which localisation believes to be at ``believed``.

        Args:
            pose: where it is.
            believed: default: the same.
            detect: labels that are detected; default: all.
            relabel: what the detector calls a label instead.
            looked_for: as of the frame.
            step: seconds to the next frame.
        """
        believed = believed or pose
        blocks = [one.block for one in self.things]
        depth, index = render(blocks + self.structure, pose, CAMERA, wall=100.0)
        depth = np.where(np.isfinite(depth), depth, np.nan)
        detected = [
            self._detected(one, number, index, depth, pose, believed, relabel or {})
            for number, one in enumerate(self.things)
            if (detect is None or one.label in detect) and (index == number).sum() >= LEAST_PIXELS
        ]
        stamp, self.stamp = self.stamp, self.stamp + int(step * SECOND)
        return MapFrame(
            stamp, self.camera_name, self.world_frame, believed, CAMERA, DepthImage(depth),
            self.pose_sigma, tuple(detected),
            looked_for=None if looked_for is None else frozenset(looked_for),
        )  # fmt: skip

    def _detected(
        self, one: Thing, number: int, index, depth, pose: Pose, believed: Pose, relabel
    ) -> Detected:
        rows, columns = np.nonzero(index == number)
        points = CAMERA.unproject(np.stack([columns, rows], axis=1), depth[rows, columns])
        centre = believed.apply(pose.inverse().apply(one.block.centre))
        turn = believed.rotation @ pose.rotation.T
        height, width = depth.shape
        label = relabel.get(one.label, one.label)
        return Detected(
            label, 0.9, believed.apply(points), centre + self.rng.normal(0, self.noise, 3),
            self.noise**2 * np.eye(3), np.array(one.block.size),
            np.full(3, max(self.noise, 0.005)),
            one.block.yaw + float(np.arctan2(turn[1, 0], turn[0, 0])), label,
            bool(columns.min() < 2 or columns.max() > width - 3),
            (columns.min(), rows.min(), columns.max(), rows.max()),
            {one.colour: 1.0} if one.colour else {}, dynamic=one.dynamic,
        )  # fmt: skip
