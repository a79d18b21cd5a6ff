# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The last raw frames of a camera, so that boxes that come late meet the image they belong to.

A detector answers tenths of a second after the camera. Its boxes are used with the frame that has
their stamp, and with no other; what finds no frame is counted with the reason. No ROS in here.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from spatialgeo_ros.findings.finding import Finding

_MOST_BYTES = 128 << 20  # of images and depth that one camera's history holds
_EARLY = 16  # detections that may wait for their image
_ALIVE = 2.0  # s without detections after which a detector counts as silent
_OF_NO_IMAGE = (
    "their stamps are those of no image that arrived: the detector must copy its image's header"
)
_WINDOW = 32  # lags and intervals that typical ones are taken from


@dataclass(frozen=True, eq=False)
class RawFrame:
    """The messages of one frame as they arrived.

    Attributes:
        stamp_ns: of the image.
        image, depth: messages; depth is None where there is none.
        sequence: number of the image in its stream.
        received: monotonic seconds at which the image arrived.
        arrived_ns: when the middleware had image and depth, by the system's clock.
        detections: message of the detector for this very image, or None.
        depth_problem: why there is no depth although there should be, in words.
    """

    stamp_ns: int
    image: Any
    depth: Any
    sequence: int
    received: float
    arrived_ns: int
    detections: Any = None
    depth_problem: str = ""

    @property
    def bytes(self) -> int:
        """Size of the pixels."""
        return len(self.image.data) + (0 if self.depth is None else len(self.depth.data))


class FrameHistory:
    """Frames of the last seconds, and the newest one that has boxes.

    Not thread-safe: the caller holds its lock.
    """

    def __init__(
        self, seconds: float, slop_ns: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Keep frames of the last ``seconds``, at most 128 MiB of them.

        Args:
            seconds: How long a frame is kept after its arrival; 0 keeps the newest alone.
            slop_ns: Stamps of boxes and image that differ by no more belong together.
            clock: Gives monotonic seconds.
        """
        self._seconds, self._slop_ns, self._clock = seconds, slop_ns, clock
        self.unmatched = 0
        self.problem = ""
        self.clear()

    def clear(self) -> None:
        """Forget frames and boxes (time jumped), not the counts."""
        self._frames: deque[RawFrame] = deque()
        self._bytes = 0
        self._dropped = False
        self._early: deque[tuple[int, Any, float]] = deque(maxlen=_EARLY)
        self._boxed: RawFrame | None = None
        self._last: float | None = None
        self._lags: deque[float] = deque(maxlen=_WINDOW)
        self._intervals: deque[float] = deque(maxlen=_WINDOW)

    def add_frame(self, frame: RawFrame) -> RawFrame:
        """Keep a frame; return it with the boxes of its stamp where they came first."""
        early = self._closest(self._early, frame.stamp_ns, lambda entry: entry[0])
        if early is not None:
            self._early.remove(early)
            frame = self._matched(frame, early[1], early[2])
        # What was early and is now behind was drawn on no image: stamped as it was published.
        while self._early and self._early[0][0] < frame.stamp_ns - self._slop_ns:
            self._early.popleft()
            self._reject("detections-stamps", _OF_NO_IMAGE)
        self._frames.append(frame)
        self._bytes += frame.bytes
        oldest = self._clock() - self._seconds
        while len(self._frames) > 1 and (
            self._frames[0].received < oldest or self._bytes > _MOST_BYTES
        ):
            self._bytes -= self._frames.popleft().bytes
            self._dropped = True
        return frame

    def add_detections(self, stamp_ns: int, message: Any) -> bool:
        """Give boxes to the frame of their stamp; tell whether they found it or still may."""
        now = self._clock()
        if self._last is not None:
            self._intervals.append(now - self._last)
        self._last = now
        if stamp_ns == 0:
            return self._reject(
                "detections-stamps",
                "their stamps are zero: the detector must copy its image's header",
            )
        frame = self._closest(self._frames, stamp_ns, lambda entry: entry.stamp_ns)
        if frame is not None:
            self._frames[self._frames.index(frame)] = self._matched(frame, message, now)
            return True
        if not self._frames or stamp_ns > self._frames[-1].stamp_ns:
            self._early.append((stamp_ns, message, now))
            return True
        newest, oldest = self._frames[-1], self._frames[0]
        behind = (newest.stamp_ns - stamp_ns) * 1e-9
        if stamp_ns < oldest.stamp_ns:
            if not self._dropped:  # of an image from before the first: nobody's fault
                return False
            kept = (newest.stamp_ns - oldest.stamp_ns) * 1e-9
            return self._reject(
                "detections-late",
                f"they come {behind:.2f} s behind the images, of which the last {kept:.2f} s are "
                "kept: raise frame_history, or make the detector faster",
            )
        return self._reject("detections-stamps", _OF_NO_IMAGE)

    def frame_at(self, stamp_ns: int) -> RawFrame | None:
        """Return the kept frame of exactly this stamp."""
        return next((one for one in self._frames if one.stamp_ns == stamp_ns), None)

    def boxed(self) -> RawFrame | None:
        """Return the newest frame that has boxes, None when the detector has gone silent."""
        return self._boxed if self.is_alive() else None

    def is_alive(self) -> bool:
        """Whether boxes have come lately."""
        if self._last is None:
            return False
        silence = max(_ALIVE, 4 * max(self._intervals, default=0.0))
        return self._clock() - self._last <= silence

    def is_fresh(self) -> bool:
        """Whether the newest frame with boxes is as new as the detector's pace allows."""
        if self._boxed is None or not self._lags:
            return False
        pace = 2 * statistics.median(self._intervals) if self._intervals else 0.5
        return self._clock() - self._boxed.received <= self.lag() + pace + 0.1

    def lag(self) -> float:
        """Return how long after their images boxes typically come, seconds; 0 when unknown."""
        return statistics.median(self._lags) if self._lags else 0.0

    def _matched(self, frame: RawFrame, message: Any, came: float) -> RawFrame:
        frame = replace(frame, detections=message)
        self._lags.append(max(0.0, came - frame.received))
        if self._boxed is None or frame.stamp_ns >= self._boxed.stamp_ns:
            self._boxed = frame
        self.problem = ""
        return frame

    def _reject(self, id: str, problem: str) -> bool:
        self.unmatched += 1
        self.problem = Finding(id, f"detections arrive, but {problem}")
        return False

    def _closest(self, entries: Any, stamp_ns: int, stamp_of: Callable[[Any], int]) -> Any:
        best = min(entries, key=lambda entry: abs(stamp_of(entry) - stamp_ns), default=None)
        if best is None or abs(stamp_of(best) - stamp_ns) > self._slop_ns:
            return None
        return best
