# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded transforms between named frames: where each was at any time of a recording. No TF here.

As in tf2 a frame has one parent, poses between two recorded ones are interpolated, and nothing is
extrapolated.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass, field

import numpy as np

from spatialgeo_ros.errors import quoted
from spatialgeo_ros.geometry.pose import Pose, interpolate

#: More frames between one and the root are a loop.
_MOST_LINKS = 100


@dataclass(eq=False)
class _Link:
    """A frame in its parent: at a time each, or once for all times.

    Poses are kept as numbers: an hour of several links at 100 Hz has millions of them.
    """

    parent: str
    gap_ns: int
    fixed: Pose | None = None
    stamps: array[int] = field(default_factory=lambda: array("q"))
    numbers: array[float] = field(default_factory=lambda: array("d"))
    sorted: bool = True

    def add(self, stamp_ns: int, pose: Pose) -> None:
        self.sorted = self.sorted and (not self.stamps or stamp_ns > self.stamps[-1])
        self.stamps.append(stamp_ns)
        self.numbers.extend((*pose.quaternion(), *pose.translation))

    def at(self, stamp_ns: int) -> Pose | None:
        if self.fixed is not None:
            return self.fixed
        self._sort()
        after = bisect_left(self.stamps, stamp_ns)
        if after < len(self.stamps) and self.stamps[after] == stamp_ns:
            return self._pose(after)
        if not 0 < after < len(self.stamps):
            return None
        start, end = self.stamps[after - 1], self.stamps[after]
        if self.gap_ns and end - start > self.gap_ns:
            return None
        share = (stamp_ns - start) / (end - start)
        return interpolate(self._pose(after - 1), self._pose(after), share)

    def _pose(self, index: int) -> Pose:
        values = self.numbers[7 * index : 7 * index + 7]
        return Pose.from_quaternion(values[:4], values[4:])

    def _sort(self) -> None:
        """Bring what was recorded late into its place; of equal stamps the last one counts."""
        if self.sorted:
            return
        stamps = np.array(self.stamps, np.int64)
        numbers = np.array(self.numbers, np.float64).reshape(-1, 7)
        order = np.argsort(stamps, kind="stable")
        stamps = stamps[order]
        last = np.append(stamps[1:] != stamps[:-1], True)
        self.stamps = array("q", stamps[last].tolist())
        self.numbers = array("d", numbers[order][last].ravel().tolist())
        self.sorted = True


class TransformTree:
    """Named frames, each in its parent; the parent that was named last counts."""

    def __init__(self) -> None:
        self._links: dict[str, _Link] = {}

    def add(self, parent: str, child: str, stamp_ns: int, pose: Pose, gap_ns: int = 0) -> None:
        """Note where a frame was at a time.

        Args:
            parent: name of the frame above; leading slashes do not count.
            child: name of the frame.
            stamp_ns: when.
            pose: parent_from_child.
            gap_ns: longest time between two poses that is bridged; 0 for any, as TF does.
        """
        parent, child = _plain(parent), _plain(child)
        link = self._links.get(child)
        if link is None or link.parent != parent or link.fixed is not None:
            link = self._links[child] = _Link(parent, gap_ns)
        link.add(stamp_ns, pose)

    def add_static(self, parent: str, child: str, pose: Pose) -> None:
        """Note where a frame is at all times; arguments as for :meth:`add`."""
        self._links[_plain(child)] = _Link(_plain(parent), 0, pose)

    def __contains__(self, frame: str) -> bool:
        frame = _plain(frame)
        return frame in self._links or any(one.parent == frame for one in self._links.values())

    def above(self, frame: str) -> list[str]:
        """Return a frame and those above it, up to the topmost."""
        return self._way_up(_plain(frame))

    def lookup(self, target: str, source: str, stamp_ns: int) -> tuple[Pose | None, str]:
        """Return target_from_source at a time.

        Returns:
            The pose and "", or None and why there is none.
        """
        target, source = _plain(target), _plain(source)
        down, up = self._way_up(target), self._way_up(source)
        common = next((frame for frame in up if frame in down), None)
        if common is None:
            return None, f"nothing that was recorded connects {quoted(source)} to {quoted(target)}"
        from_source, reason = self._climb(up[: up.index(common)], stamp_ns)
        if from_source is None:
            return None, reason
        from_target, reason = self._climb(down[: down.index(common)], stamp_ns)
        if from_target is None:
            return None, reason
        return from_target.inverse() @ from_source, ""

    def _way_up(self, frame: str) -> list[str]:
        way = [frame]
        while (link := self._links.get(way[-1])) is not None and len(way) < _MOST_LINKS:
            way.append(link.parent)
        return way

    def _climb(self, frames: list[str], stamp_ns: int) -> tuple[Pose | None, str]:
        """Chain frames, lowest first, up to the parent of the last."""
        pose = Pose.identity()
        for frame in frames:
            link = self._links[frame]
            step = link.at(stamp_ns)
            if step is None:
                first, last = (link.stamps[k] * 1e-9 for k in (0, -1))
                return None, (
                    f"where {quoted(frame)} is in {quoted(link.parent)} is not known at "
                    f"{stamp_ns * 1e-9:.3f} s (known from {first:.3f} s to {last:.3f} s)"
                )
            pose = step @ pose
        return pose, ""


def _plain(frame: str) -> str:
    return frame.lstrip("/")
