# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Space as integers: points become packed voxel keys; a table counts who covers each key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from spatialgeo_ros.geometry.pose import Pose

Keys = npt.NDArray[np.int64]

_BITS = 21
_MASK = (1 << _BITS) - 1
# Beyond 2**53 a float64 no longer holds every integer, so a voxel index there would be noise.
_MAX_INDEX = float(1 << 53)
_BLOCK = 16384  # points worked on at once: they stay in the processor's cache


def voxel_keys(
    points: npt.ArrayLike,
    voxel_size: float,
    origin: npt.ArrayLike | float = 0.0,
    pose: Pose | None = None,
) -> Keys:
    """Return the sorted unique keys of the voxels that hold at least one point.

    A key packs ``floor((p - origin) / voxel_size)`` of x, y and z into 21 bits each. Indices wrap
    around, so keys are unique within any box of 2**21 voxels a side (209 km at 0.1 m), wherever it
    lies: map frames with large coordinates (UTM) need no special origin.

    Args:
        points: ``[..., 3]`` metres. Rows that are not finite are left out.
        voxel_size: Edge of a voxel in metres, > 0.
        origin: Scalar or ``[3]`` metres, a corner of the voxel lattice.
        pose: Of the frame that ``points`` are in, in the world; None where they are in it already.

    Raises:
        ValueError: ``points`` does not end in 3, or ``voxel_size`` is not positive and finite.
    """
    if not (np.isfinite(voxel_size) and voxel_size > 0):
        raise ValueError(f"voxel_size must be positive and finite, not {voxel_size}")
    array = np.asarray(points)
    if array.ndim == 0 or array.shape[-1] != 3:
        raise ValueError(f"points must be [..., 3], not {array.shape}")
    flat = array.reshape(-1, 3)
    corner = np.broadcast_to(np.asarray(origin, np.float64), 3)
    found = [np.empty(0, np.int64)]
    for start in range(0, len(flat), _BLOCK):
        found.append(_keys_in_order(flat[start : start + _BLOCK], voxel_size, corner, pose))
    return np.unique(np.concatenate(found))


def _keys_in_order(
    points: npt.NDArray[Any], voxel_size: float, corner: npt.NDArray[np.float64], pose: Pose | None
) -> Keys:
    """Keys of points [N, 3], without repetitions of the one before: neighbours share a voxel."""
    xyz = np.array(points.T, np.float64, order="C")
    usable = np.ones(len(points), bool)
    keys = np.zeros(len(points), np.int64)
    with np.errstate(invalid="ignore", over="ignore"):
        for axis in range(3):
            if pose is None:
                cells = xyz[axis] - corner[axis]
            else:
                # Not as a matrix product: threads of BLAS wait for each other longer than it takes.
                cells = xyz[0] * pose.rotation[axis, 0]
                cells += xyz[1] * pose.rotation[axis, 1]
                cells += xyz[2] * pose.rotation[axis, 2]
                cells += pose.translation[axis]
                cells -= corner[axis]
            cells /= voxel_size
            np.floor(cells, out=cells)
            usable &= np.abs(cells) < _MAX_INDEX
            keys <<= _BITS
            keys |= cells.astype(np.int64) & _MASK
    keys = keys[usable]
    return keys[np.flatnonzero(np.diff(keys, prepend=-1))]  # no key is negative


class CoverageTable:
    """For every voxel key: how many holders cover it, and who does when there is only one.

    An open-addressing hash table (linear probing, Fibonacci hashing) over numpy arrays: every
    operation is O(n) in the number of keys given, independent of what is stored. The single owner
    costs no list per voxel: the table keeps the *sum* of the holders' ids, which is the id itself
    when the count is one. Voxels that nobody covers any more are dropped at the next growth.
    """

    def __init__(self, capacity: int = 1 << 12) -> None:
        """Make an empty table with room for about ``capacity / 2`` keys before it grows."""
        self._covered = 0
        self._allocate(1 << max(4, int(capacity - 1).bit_length()))

    def __len__(self) -> int:
        """Return how many voxels at least one holder covers."""
        return self._covered

    @property
    def nbytes(self) -> int:
        """Memory the table occupies, in bytes."""
        return self._keys.nbytes + self._counts.nbytes + self._owners.nbytes

    def look_up(self, keys: Keys) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Return for each key its count and the sum of its holders' ids (0, 0 where uncovered)."""
        slots = self._find(keys)
        stored = self._keys[slots] == keys
        return (
            np.where(stored, self._counts[slots], np.int32(0)),
            np.where(stored, self._owners[slots], np.int64(0)),
        )

    def add(self, keys: Keys, holder: int) -> None:
        """Count ``holder`` (>= 0) in for each of the unique ``keys``."""
        if 2 * (self._used + keys.size) > self._keys.size:
            self._grow(keys.size)
        slots = self._claim(keys)
        self._covered += int(np.count_nonzero(self._counts[slots] == 0))
        self._counts[slots] += 1
        self._owners[slots] += holder

    def remove(self, keys: Keys, holder: int) -> None:
        """Count ``holder`` out for each of the unique ``keys``.

        Raises:
            KeyError: One of the keys is not covered; the table is unchanged.
        """
        slots = self._find(keys)
        if not np.array_equal(self._keys[slots], keys) or (self._counts[slots] == 0).any():
            raise KeyError("cannot remove voxels that are not covered")
        self._counts[slots] -= 1
        self._owners[slots] -= holder
        self._covered -= int(np.count_nonzero(self._counts[slots] == 0))

    def _allocate(self, size: int) -> None:
        self._shift = np.uint64(64 - (size.bit_length() - 1))
        self._used = 0
        self._keys = np.full(size, -1, np.int64)  # voxel keys use 63 bits: -1 marks a free slot
        self._counts = np.zeros(size, np.int32)
        self._owners = np.zeros(size, np.int64)

    def _grow(self, extra: int) -> None:
        live = self._counts > 0
        keys, counts, owners = self._keys[live], self._counts[live], self._owners[live]
        self._allocate(1 << max(4, int(4 * (keys.size + extra)).bit_length()))
        slots = self._claim(keys)
        self._counts[slots], self._owners[slots] = counts, owners

    def _home(self, keys: Keys) -> npt.NDArray[np.int64]:
        # Multiplying by 2**64 / golden ratio spreads the lattice's regular keys over the table.
        mixed = keys.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return (mixed >> self._shift).astype(np.int64)

    def _find(self, keys: Keys) -> npt.NDArray[np.int64]:
        """Return the slot of each key, or the free slot where its probing ends."""
        slots = self._home(keys)
        pending = np.arange(keys.size)
        while pending.size:
            held = self._keys[slots[pending]]
            pending = pending[(held != keys[pending]) & (held != -1)]
            slots[pending] = (slots[pending] + 1) & (self._keys.size - 1)
        return slots

    def _claim(self, keys: Keys) -> npt.NDArray[np.int64]:
        """Return the slot of each unique key, taking free slots for new ones."""
        slots = self._home(keys)
        pending = np.arange(keys.size)
        while pending.size:
            at = slots[pending]
            free = self._keys[at] == -1
            # Several keys may reach one free slot: the last write wins, the others probe on.
            self._keys[at[free]] = keys[pending[free]]
            self._used += np.unique(at[free]).size
            pending = pending[self._keys[at] != keys[pending]]
            slots[pending] = (slots[pending] + 1) & (self._keys.size - 1)
        return slots
