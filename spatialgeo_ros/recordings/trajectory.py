# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera trajectories with times, as TUM RGB-D and most SLAM systems write them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL, Pose, interpolate
from spatialgeo_ros.recordings.rgbd_folder import MOST_TRAJECTORY_BYTES
from spatialgeo_ros.runtime.input_files import read_input_text

_COLUMNS = 8
#: Longest time between two poses that is bridged, and between a pose and a frame, nanoseconds.
_LONGEST_GAP_NS = 500_000_000
_NEAR_NS = 50_000_000
#: Times beyond do not fit 64 bits together with their differences, nanoseconds.
_MOST_NS = 1 << 62


@dataclass(frozen=True, eq=False)
class StampedTrajectory:
    """Poses ``world_from_camera`` (optical frame) at ascending times.

    Attributes:
        stamps_ns: [N] int64, nanoseconds.
        poses: as many.
    """

    stamps_ns: npt.NDArray[np.int64]
    poses: tuple[Pose, ...]

    @classmethod
    def read_tum(cls, path: str | Path, world_axes: str = "rep103") -> StampedTrajectory:
        """Read lines ``time x y z qx qy qz qw`` (seconds, metres), split by spaces or commas.

        Lines that begin with ``#`` or a letter are taken for headings.

        Args:
            path: the file.
            world_axes: "rep103" when the world's z points up, "optical" when it has x right, y
                down and z forward (many SLAM systems: the first camera is the origin).

        Raises:
            BadRequestError: the file cannot be read or is not of that form; names the line.
        """
        if world_axes not in ("optical", "rep103"):
            raise BadRequestError(f"world_axes must be optical or rep103, not {world_axes!r}")
        lines = read_input_text(path, MOST_TRAJECTORY_BYTES, BadRequestError).splitlines()
        turn = BODY_FROM_OPTICAL if world_axes == "optical" else Pose.identity()
        rows = []
        for number, line in enumerate(lines, start=1):
            text = line.replace(",", " ").strip()
            if not text or text[0] == "#" or text[0].isalpha():
                continue
            try:
                seconds, *rest = text.split(maxsplit=_COLUMNS)
                values = [float(value) for value in rest]
                if len(values) != _COLUMNS - 1:
                    raise ValueError(f"{len(values) + 1} columns instead of {_COLUMNS}")
                pose = Pose.from_quaternion(values[3:], values[:3])
                rows.append((_nanoseconds(seconds), turn @ pose))
            except ValueError as error:
                raise BadRequestError(
                    f"{path}, line {number} is no pose 'time x y z qx qy qz qw': {error!s:.100}"
                ) from error
        if not rows:
            raise BadRequestError(f"{path} has no poses: expected lines 'time x y z qx qy qz qw'")
        rows.sort(key=lambda row: row[0])
        return cls(np.array([row[0] for row in rows], np.int64), tuple(row[1] for row in rows))

    def at(self, stamp_ns: int) -> Pose | None:
        """Return the pose at a time, between its neighbours; None where there are none nearby.

        Neighbours may be half a second apart; beyond the ends 0.05 s are allowed.
        """
        after = int(np.searchsorted(self.stamps_ns, stamp_ns))
        if after < len(self.poses) and self.stamps_ns[after] == stamp_ns:
            return self.poses[after]
        if 0 < after < len(self.poses):
            start, end = (int(self.stamps_ns[i]) for i in (after - 1, after))
            if end - start <= _LONGEST_GAP_NS:
                share = (stamp_ns - start) / (end - start)
                return interpolate(self.poses[after - 1], self.poses[after], share)
        near = min(max(after, 0), len(self.poses) - 1)
        for index in (near, near - 1):
            if index >= 0 and abs(int(self.stamps_ns[index]) - stamp_ns) <= _NEAR_NS:
                return self.poses[index]
        return None

    def span(self) -> str:
        """Return first and last time for messages."""
        return f"{self.stamps_ns[0] / 1e9:.3f} s to {self.stamps_ns[-1] / 1e9:.3f} s"


def _nanoseconds(text: str) -> int:
    """Seconds to nanoseconds without the rounding that float64 has for times of today."""
    whole, _, fraction = text.partition(".")
    if whole.isdigit() and (fraction.isdigit() or not fraction):
        stamp = int(whole) * 10**9 + int(fraction[:9].ljust(9, "0"))
    else:
        seconds = float(text)
        stamp = round(seconds * 1e9) if math.isfinite(seconds) else _MOST_NS
    if abs(stamp) >= _MOST_NS:
        raise ValueError(f"{text:.30} is no time in seconds")
    return stamp
