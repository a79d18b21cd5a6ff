# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Offline space-aware frame sampling: of a recorded clip, the few frames that show most space.

The batch rule of Spatial-MLLM (Wu et al., 2025, arXiv 2505.23747, section 3.3), ties and early stop
included. The streaming counterpart for a robot is :mod:`spatialgeo_ros.memory.keyframes`.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import NoGeometryError

# The reference drops points below this confidence even where the percentile would keep them.
_CONFIDENCE_FLOOR = 0.1
# Up to this many cells, marking covered voxels in a flat array beats sorting the keys (64 MB).
_DIRECT_CELLS = 1 << 26


@dataclass(frozen=True, eq=False)
class SamplingResult:
    """Outcome of :func:`space_aware_sampling`.

    Attributes:
        threshold: Confidence below which points were ignored.
        bbox: ``[2, 3]`` float32, lower and upper corner of the kept points (metres).
        voxel_size: Edge of a voxel (metres).
        set_sizes: Number of voxels each frame covers.
        order: Frame indices in the order the greedy rule took them.
        selection: The same indices, ascending.
        cells: Of each frame the sorted ids of the voxels it covers.
        sides: Voxels along x, y and z of the bounding box.
    """

    threshold: float
    bbox: npt.NDArray[np.float32]
    voxel_size: float
    set_sizes: tuple[int, ...]
    order: tuple[int, ...]
    selection: tuple[int, ...]
    cells: tuple[npt.NDArray[np.int64], ...]
    sides: tuple[int, int, int]

    @property
    def gains(self) -> tuple[int, ...]:
        """Voxels that each pick added to those before it, in greedy order."""
        counts = [0] + [self.covered(self.order[: n + 1]).size for n in range(len(self.order))]
        return tuple(after - before for before, after in pairwise(counts))

    def covered(self, frames: Sequence[int] | None = None) -> npt.NDArray[np.int64]:
        """Sorted ids of the voxels that these frames cover together; all frames by default."""
        chosen = [self.cells[i] for i in (range(len(self.cells)) if frames is None else frames)]
        return np.unique(np.concatenate([np.empty(0, np.int64), *chosen]))

    def coverage(self, frames: Sequence[int]) -> float:
        """Share of all voxels that these frames cover."""
        return self.covered(frames).size / self.covered().size

    def centres(self, cells: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """Centres ``[N, 3]`` of voxels in the frame of the points (metres)."""
        index = np.stack(np.unravel_index(cells, self.sides), axis=-1)
        return self.bbox[0].astype(np.float64) + (index + 0.5) * self.voxel_size


def sampling_indices(frame_count: int, max_frames: int = 128) -> npt.NDArray[np.int64]:
    """Return which frames of a clip the geometry network sees: at most ``max_frames``, evenly.

    ``linspace(0, n - 1, N)`` truncated to integers, both ends included.

    Raises:
        ValueError: ``frame_count`` or ``max_frames`` is not positive.
    """
    if frame_count < 1 or max_frames < 1:
        raise ValueError(f"need positive counts, not {frame_count} frames and {max_frames} at most")
    return np.linspace(0, frame_count - 1, min(max_frames, frame_count)).astype(np.int64)


def space_aware_sampling(
    world_points: npt.ArrayLike,
    conf: npt.ArrayLike,
    k: int = 16,
    conf_percentile: float = 50.0,
    divisions: int = 20,
) -> SamplingResult:
    """Pick the ``k`` frames that together cover the most voxels.

    Points at or above the confidence percentile vote; the voxel edge is the smallest extent of
    their bounding box over ``divisions``; frames are taken greedily by the number of voxels they
    add, the lowest index on ties, stopping early once no frame adds any. A frame without a kept
    point covers nothing. Arithmetic is float32, as in the reference, so voxel borders fall alike.

    Args:
        world_points: ``[N, H, W, 3]`` points in one common frame (metres).
        conf: ``[N, H, W]`` confidence of each point (VGGT: >= 1).
        k: Most frames to pick.
        conf_percentile: Percentile of all confidences (linear interpolation) to keep from.
        divisions: Voxels along the smallest side of the bounding box.

    Raises:
        ValueError: Shapes do not match, or ``k`` or ``divisions`` is not positive.
        NoGeometryError: No point is kept, or the kept points span no volume.
    """
    points = np.asarray(world_points, np.float32)
    confidence = np.asarray(conf, np.float32)
    if points.ndim != 4 or points.shape[-1] != 3 or confidence.shape != points.shape[:-1]:
        raise ValueError(
            f"need world_points [N, H, W, 3] and conf [N, H, W], not {points.shape} and "
            f"{confidence.shape}"
        )
    if k < 1 or divisions < 1:
        raise ValueError(f"k and divisions must be positive, not {k} and {divisions}")
    usable = np.isfinite(points).all(axis=-1) & np.isfinite(confidence)
    if not usable.any():
        raise NoGeometryError("no finite point in the clip: check the geometry network's output")
    threshold = np.percentile(confidence[usable], conf_percentile)
    kept = usable & (confidence >= threshold) & (confidence > _CONFIDENCE_FLOOR)
    if not kept.any():
        raise NoGeometryError(
            f"no point has a confidence above {_CONFIDENCE_FLOOR}: check the geometry network"
        )
    lower, upper = points[kept].min(axis=0), points[kept].max(axis=0)
    voxel_size = (upper - lower).min() / np.float32(divisions)
    if not voxel_size > 0:
        raise NoGeometryError("the kept points lie in one plane, so they have no voxel size")
    sides = np.floor((upper - lower) / voxel_size).astype(np.int64) + 1
    keys = []
    for frame_points, frame_kept in zip(points, kept, strict=True):
        cells = np.floor((frame_points[frame_kept] - lower) / voxel_size)
        index = cells.astype(np.int64)
        keys.append(np.unique((index[:, 0] * sides[1] + index[:, 1]) * sides[2] + index[:, 2]))
    order = greedy_max_coverage(keys, k)
    return SamplingResult(
        threshold=float(threshold),
        bbox=np.stack([lower, upper]),
        voxel_size=float(voxel_size),
        set_sizes=tuple(int(frame_keys.size) for frame_keys in keys),
        order=tuple(order),
        selection=tuple(sorted(order)),
        cells=tuple(keys),
        sides=(int(sides[0]), int(sides[1]), int(sides[2])),
    )


def greedy_max_coverage(key_sets: Sequence[npt.ArrayLike], k: int) -> list[int]:
    """Return up to ``k`` indices of key sets in greedy order of new keys covered.

    Each step takes the set that adds the most keys, the lowest index on ties, and stops early when
    none adds any: at least 1 - 1/e of the best possible coverage (Nemhauser, Wolsey and Fisher,
    1978). Evaluation is lazy (Minoux, 1978): gains only shrink, so an old gain is an upper bound
    and most sets are never counted again. The picks are those of the plain rule, ties included,
    because the heap orders equal bounds by index.

    Args:
        key_sets: Integer keys per frame; order and repeats within a set do not matter.
        k: Most sets to pick.
    """
    sets = [np.asarray(keys, np.int64).ravel() for keys in key_sets]
    ids, cell_count = _dense_ids(sets)
    uncovered = np.ones(cell_count, bool)
    heap = [(-frame_ids.size, index) for index, frame_ids in enumerate(ids) if frame_ids.size]
    heapq.heapify(heap)
    order: list[int] = []
    while heap and len(order) < k:
        _, index = heap[0]
        remaining = ids[index][uncovered[ids[index]]]
        gain = remaining.size
        if gain == 0:
            heapq.heappop(heap)
            continue
        # Covered keys stay covered, so only the rest needs looking at the next time.
        ids[index] = remaining
        heapq.heapreplace(heap, (-gain, index))
        if heap[0] == (-gain, index):
            heapq.heappop(heap)
            uncovered[remaining] = False
            order.append(index)
    return order


def _dense_ids(sets: list[npt.NDArray[np.int64]]) -> tuple[list[npt.NDArray[np.int64]], int]:
    """Map the keys of all sets to ids in [0, n) without repeats within a set; return ids and n."""
    filled = [keys for keys in sets if keys.size]
    if not filled:
        return [keys for keys in sets], 0
    lowest = min(int(keys.min()) for keys in filled)
    span = max(int(keys.max()) for keys in filled) - lowest + 1
    if span <= _DIRECT_CELLS:
        return [_unique(keys) - lowest for keys in sets], span
    unique = [_unique(keys) for keys in sets]
    values, inverse = np.unique(np.concatenate(unique), return_inverse=True)
    bounds = np.cumsum([keys.size for keys in unique])[:-1]
    return list(np.split(inverse.reshape(-1), bounds)), values.size


def _unique(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return ``keys`` without repeats; sets that are already sorted and unique cost one pass."""
    if keys.size < 2 or (keys[1:] > keys[:-1]).all():
        return keys
    return np.unique(keys)
