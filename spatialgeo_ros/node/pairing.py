# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pairs images with depth images by their stamps, and counts what found no partner. No ROS here."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

I = TypeVar("I")  # noqa: E741 - image
D = TypeVar("D")  # depth

_CAPACITY = 8
_SILENT_AFTER = 1.0  # s without any depth image before images stop waiting for one


@dataclass(frozen=True)
class Pair(Generic[I, D]):
    """An image with its depth, or without when none came in time."""

    image: I
    depth: D | None
    #: Where depth came, but none within the slop: how far off the closest stamp is, nanoseconds.
    nearest_ns: int | None = None


@dataclass(frozen=True)
class _Waiting(Generic[I]):
    stamp_ns: int
    item: I
    since: float


class StampPairing(Generic[I, D]):
    """Holds an image until the depth of its stamp arrives, but no longer than a stated time.

    Depth may be slower than colour: an image without a partner is dropped as soon as a later one
    has been paired, and used without depth only when the depth stream fails. While there is no
    depth stream at all, images pass at once.

    Not thread-safe: the caller holds its lock.
    """

    def __init__(self, slop_ns: int, wait: float, depth_expected: Callable[[], bool]) -> None:
        """Pair stamps that differ by at most ``slop_ns``; let an image wait ``wait`` seconds.

        ``depth_expected`` says whether anybody publishes depth; it is asked before the first depth
        image only.
        """
        self._slop_ns = slop_ns
        self._wait = wait
        self._depth_expected = depth_expected
        self.unmatched_images = 0
        self.unmatched_depths = 0
        self.clear()

    def clear(self) -> None:
        """Forget what waits (time jumped or the stream restarts), not the counts."""
        self._images: deque[_Waiting[I]] = deque()
        self._depths: deque[_Waiting[D]] = deque()
        self._last_depth: float | None = None
        self._depth_stamps: deque[int] = deque(maxlen=2 * _CAPACITY)

    def add_image(self, stamp_ns: int, image: I, now: float) -> Pair[I, D] | None:
        """Take an image in; return the pair it completes, if any."""
        best = self._closest(self._depths, stamp_ns)
        if best is not None:
            self._drop_depths_before(best)
            self._depths.popleft()
            return self._pair_up_to(stamp_ns, Pair(image, best.item))
        if self._depth_is_silent(now):
            self.unmatched_images += self._last_depth is not None
            return self._pair_up_to(stamp_ns, Pair(image, None, self._nearest(stamp_ns, now)))
        self._images.append(_Waiting(stamp_ns, image, now))
        if len(self._images) > _CAPACITY:
            # The oldest one stays: it is the first to be overdue. Without it a camera that fills
            # the queue within the wait would never get an image through when its depth fails.
            del self._images[1]
            self.unmatched_images += 1
        return None

    def add_depth(self, stamp_ns: int, depth: D, now: float) -> Pair[I, D] | None:
        """Take a depth image in; return the pair it completes, if any."""
        self._last_depth = now
        self._depth_stamps.append(stamp_ns)
        best = self._closest(self._images, stamp_ns)
        if best is not None:
            return self._pair_up_to(best.stamp_ns, Pair(best.item, depth))
        self._depths.append(_Waiting(stamp_ns, depth, now))
        if len(self._depths) > _CAPACITY:
            self._depths.popleft()
            self.unmatched_depths += 1
        return None

    def overdue(self, now: float) -> Pair[I, D] | None:
        """Return the newest image that has waited long enough, without depth, if there is one."""
        newest = None
        while self._images and now - self._images[0].since >= self._wait:
            newest = self._images.popleft()
            self.unmatched_images += 1
        if newest is None:
            return None
        return Pair(newest.item, None, self._nearest(newest.stamp_ns, now))

    def next_overdue(self) -> float | None:
        """Return the time at which :meth:`overdue` will have something, if nothing else comes."""
        return self._images[0].since + self._wait if self._images else None

    def _nearest(self, stamp_ns: int, now: float) -> int | None:
        """Return how far the closest depth stamp is off; None when no depth comes at all."""
        if self._last_depth is None or self._depth_is_silent(now):
            return None
        return min((abs(stamp - stamp_ns) for stamp in self._depth_stamps), default=None)

    def _closest(self, waiting: deque, stamp_ns: int):
        best = min(waiting, key=lambda entry: abs(entry.stamp_ns - stamp_ns), default=None)
        if best is None or abs(best.stamp_ns - stamp_ns) > self._slop_ns:
            return None
        return best

    def _pair_up_to(self, stamp_ns: int, pair: Pair[I, D]) -> Pair[I, D]:
        """Drop the images up to the one just paired: whoever reads wants the newest only."""
        while self._images and self._images[0].stamp_ns <= stamp_ns:
            self.unmatched_images += self._images.popleft().item is not pair.image
        return pair

    def _drop_depths_before(self, best: _Waiting[D]) -> None:
        while self._depths[0] is not best:
            self._depths.popleft()
            self.unmatched_depths += 1

    def _depth_is_silent(self, now: float) -> bool:
        if self._last_depth is None:
            return not self._depth_expected()
        return now - self._last_depth > max(_SILENT_AFTER, 2 * self._wait)
