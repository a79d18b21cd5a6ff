# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Streaming keyframe memory: the at most K frames that together show the most space."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.memory.voxels import CoverageTable, Keys


class Reason(enum.Enum):
    """Why a frame was kept or not; the values read well in diagnostics."""

    NEW_SPACE = "adds new space"
    SWAPPED = "adds more space than the frame it replaced"
    NEWEST_WITHOUT_POSE = "no pose: newest frame of its camera"
    REDUNDANT = "adds too little new space"
    NO_POINTS = "has no valid point"
    DUPLICATE = "was seen before"
    OUT_OF_ORDER = "is older than the newest frame and has no pose"


@dataclass(frozen=True, eq=False)
class Keyframe:
    """A kept frame: who saw it when, the voxels it covers, and what the caller hung on it.

    ``keys`` is None for a frame without a pose, which cannot be placed in the world.
    """

    camera: str
    stamp_ns: int
    keys: Keys | None
    payload: Any

    @property
    def placed(self) -> bool:
        """Whether the frame had a pose, so that its voxels are world voxels."""
        return self.keys is not None


@dataclass(frozen=True, eq=False)
class Decision:
    """What became of an offered frame.

    Attributes:
        kept: Whether the frame is in the memory now.
        gain: Voxels it would add (or added) to what the kept frames cover; 0 without a pose.
        evicted: The frame that left the memory on this offer, if any.
        reason: Why.
    """

    kept: bool
    gain: int
    evicted: Keyframe | None
    reason: Reason


class KeyframeMemory:
    """Keeps at most ``capacity`` frames that cover the most voxels; one pass, bounded memory.

    A frame that adds too few new voxels is never kept. While there is room, any other is; once
    full, it takes the place of the frame whose loss costs least, provided the union grows by at
    least ``swap_factor / capacity`` of itself. This is maximum k-coverage in a stream with
    preemption (Buchbinder, Feldman and Schwartz, "Online submodular maximization with preemption",
    SODA 2015; swap rules for coverage go back to Saha and Getoor, SDM 2009): with ``swap_factor``
    c > 0 the kept frames cover, at every moment, at least c / (c + 1)^2 of what the best K frames
    seen so far cover, less what the entry threshold turned away. That is 1/4 at c = 1, against
    1 - 1/e offline with all frames at hand
    (:func:`spatialgeo_ros.memory.sampling.greedy_max_coverage`). It is a worst case: on simulated
    walks through a room, K = 8 and 16, the default covers 0.96 to 1.00 of what offline greedy
    does, c = 1 only 0.80 to 0.91 with a third of the swaps.

    An offer costs O(number of its keys + K): a hash table counts the holders of each voxel and
    knows the only holder where there is one, so every frame's loss is at hand.

    **Without a pose** a frame is a space of its own that nothing can be compared with: the newest
    of each camera is kept, the one before it leaves, and a posed frame of that camera ends it. The
    decision's reason and :meth:`describe` say so, for diagnostics.

    Not thread-safe. After a backward time jump or a change of the world frame, call :meth:`reset`.
    """

    def __init__(
        self,
        capacity: int,
        voxel_size: float,
        *,
        min_new_fraction: float = 0.1,
        swap_factor: float = 0.1,
    ) -> None:
        """Make an empty memory.

        Args:
            capacity: Most frames to keep, K >= 1.
            voxel_size: Edge in metres of the voxels that offers are made of (reported only).
            min_new_fraction: The share of its own voxels that must be new for a frame to be kept,
                in [0, 1]. Depth noise moves points across voxel borders, so that a robot that
                stands still sees a few per cent of new voxels in every frame.
            swap_factor: c above, >= 0. At 0 any growth of the union swaps, without a guarantee.

        Raises:
            ValueError: An argument is out of range.
        """
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        if not voxel_size > 0:
            raise ValueError(f"voxel_size must be positive, not {voxel_size}")
        if not 0 <= min_new_fraction <= 1 or not swap_factor >= 0:
            raise ValueError(
                f"need min_new_fraction in [0, 1] and swap_factor >= 0, not {min_new_fraction} "
                f"and {swap_factor}"
            )
        self.capacity = capacity
        self.voxel_size = voxel_size
        self._min_new_fraction = min_new_fraction
        self._swap_factor = swap_factor
        self.reset()

    def reset(self) -> None:
        """Forget every frame and every count."""
        self._table = CoverageTable()
        self._placed: dict[int, Keyframe] = {}  # holder id in the table -> frame
        self._sole = np.zeros(self.capacity, np.int64)  # voxels that only this holder covers
        self._unplaced: dict[str, Keyframe] = {}  # camera -> its newest frame without a pose
        self._last_stamp: dict[str, int] = {}
        self._offered = self._accepted = 0

    @property
    def frames(self) -> tuple[Keyframe, ...]:
        """The kept frames, oldest stamp first."""
        kept = [*self._placed.values(), *self._unplaced.values()]
        return tuple(sorted(kept, key=lambda frame: (frame.stamp_ns, frame.camera)))

    @property
    def covered(self) -> int:
        """Number of voxels the kept frames cover."""
        return len(self._table)

    def describe(self) -> dict[str, Any]:
        """Return counts for diagnostics, among them the cameras that run without poses."""
        return {
            "frames": len(self._placed) + len(self._unplaced),
            "capacity": self.capacity,
            "voxel_size_m": self.voxel_size,
            "covered_voxels": self.covered,
            "offered": self._offered,
            "kept": self._accepted,
            "cameras_without_pose": sorted(self._unplaced),
        }

    def offer(self, stamp_ns: int, camera: str, keys: Keys | None, payload: Any = None) -> Decision:
        """Decide about a frame and return what was done.

        A stamp of 0 means that the driver did not set one; such frames count by arrival. Frames
        with a pose may come late, since coverage knows no order; a repeated stamp is refused.

        Args:
            stamp_ns: Time stamp of the image in nanoseconds.
            camera: Name of the camera.
            keys: Sorted unique voxel keys of the frame's points in the world frame
                (:func:`spatialgeo_ros.memory.voxels.voxel_keys`), or None without a pose.
            payload: Anything to keep with the frame; released when the frame leaves.
        """
        self._offered += 1
        last = self._last_stamp.get(camera)
        if stamp_ns and (
            stamp_ns == last
            or any(f.stamp_ns == stamp_ns and f.camera == camera for f in self._placed.values())
        ):
            return Decision(False, 0, None, Reason.DUPLICATE)
        late = bool(stamp_ns) and last is not None and stamp_ns < last
        if not late:
            self._last_stamp[camera] = stamp_ns
        frame = Keyframe(camera, stamp_ns, keys, payload)
        if keys is None:
            decision = self._offer_unplaced(frame, late)
        else:
            decision = self._offer_placed(frame, keys, late)
        self._accepted += decision.kept
        return decision

    def _offer_unplaced(self, frame: Keyframe, late: bool) -> Decision:
        if late:
            return Decision(False, 0, None, Reason.OUT_OF_ORDER)
        evicted = self._unplaced.pop(frame.camera, None)
        if evicted is None and self._full:
            evicted = self._make_room()
        self._unplaced[frame.camera] = frame
        return Decision(True, 0, evicted, Reason.NEWEST_WITHOUT_POSE)

    def _offer_placed(self, frame: Keyframe, keys: Keys, late: bool) -> Decision:
        # The camera has a pose again: its unplaced frame is older and cannot be compared.
        released = None if late else self._unplaced.pop(frame.camera, None)
        if keys.size == 0:
            return Decision(False, 0, released, Reason.NO_POINTS)
        counts, owners = self._table.look_up(keys)
        gain = int(np.count_nonzero(counts == 0))
        if gain == 0 or gain < self._min_new_fraction * keys.size:
            return Decision(False, gain, released, Reason.REDUNDANT)
        if not self._full:
            self._insert(frame, keys, counts, owners)
            return Decision(True, gain, released, Reason.NEW_SPACE)
        if not self._placed:
            released = self._pop_oldest_unplaced()
            self._insert(frame, keys, counts, owners)
            return Decision(True, gain, released, Reason.NEW_SPACE)
        # What the newcomer covers too is not lost with the frame that leaves.
        saved = np.bincount(owners[counts == 1], minlength=self.capacity)
        losses = self._sole - saved
        victim = self._cheapest(losses)
        growth = gain - int(losses[victim])
        if growth <= 0 or growth * self.capacity < self._swap_factor * self.covered:
            return Decision(False, gain, None, Reason.REDUNDANT)
        evicted = self._remove(victim)
        self._insert(frame, keys, *self._table.look_up(keys))
        return Decision(True, gain, evicted, Reason.SWAPPED)

    @property
    def _full(self) -> bool:
        return len(self._placed) + len(self._unplaced) >= self.capacity

    def _cheapest(self, losses: npt.NDArray[np.int64]) -> int:
        """Return the holder whose loss costs least, the oldest on ties."""
        return min(self._placed, key=lambda h: (losses[h], self._placed[h].stamp_ns))

    def _insert(
        self,
        frame: Keyframe,
        keys: Keys,
        counts: npt.NDArray[np.int32],
        owners: npt.NDArray[np.int64],
    ) -> None:
        holder = next(h for h in range(self.capacity) if h not in self._placed)
        self._sole -= np.bincount(owners[counts == 1], minlength=self.capacity)
        self._sole[holder] = np.count_nonzero(counts == 0)
        self._table.add(keys, holder)
        self._placed[holder] = frame

    def _remove(self, holder: int) -> Keyframe:
        frame = self._placed.pop(holder)
        assert frame.keys is not None
        self._table.remove(frame.keys, holder)
        counts, owners = self._table.look_up(frame.keys)
        self._sole[holder] = 0
        self._sole += np.bincount(owners[counts == 1], minlength=self.capacity)
        return frame

    def _make_room(self) -> Keyframe:
        if self._placed:
            return self._remove(self._cheapest(self._sole))
        return self._pop_oldest_unplaced()

    def _pop_oldest_unplaced(self) -> Keyframe:
        return self._unplaced.pop(min(self._unplaced, key=lambda c: self._unplaced[c].stamp_ns))
