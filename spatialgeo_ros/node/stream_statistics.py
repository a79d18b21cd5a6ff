# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rates, ages and latencies for the diagnostics, from arrival times and stamps. No ROS in here."""

from __future__ import annotations

import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_WINDOW = 64
_ENOUGH = 8  # intervals below which a rate says nothing about loss
_JITTER = 0.2  # of a period
_REGULAR = 0.75  # share of the intervals that must be whole periods for a rate to be known
_LOSS = 0.7  # received of published, below which messages count as lost
# A longer interval is a pause of the publisher, in seconds and in usual intervals. Even with three
# of four messages lost at 30 Hz, one interval in a thousand reaches a second.
_PAUSE, _PAUSE_INTERVALS = 1.0, 5.0

_Arrivals = Sequence[tuple[float, int]]  # time of arrival in s, stamp in ns; oldest first


class StreamStatistics:
    """Arrivals of one stream: how many, how fast, how old, and how fast its stamps advance.

    The publisher's own rate is estimated from the stamps of what did arrive: whatever is lost,
    some neighbours survive, so the short intervals between stamps show the true period. A received
    rate far below it means that messages are lost on the way, which best-effort QoS never reports.
    Only what arrived since the last pause counts: a camera that was switched off and on again has
    lost nothing.

    Safe to use from any thread: each method judges one copy of the arrivals.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty; ``clock`` gives seconds and never goes backwards."""
        self._clock = clock
        self._lock = threading.Lock()
        self._started = clock()
        self._arrivals: deque[tuple[float, int]] = deque(maxlen=_WINDOW)
        self.received = 0

    def add(self, stamp_ns: int) -> None:
        """Count a message with this header stamp (0: it has none)."""
        with self._lock:
            self.received += 1
            self._arrivals.append((self._clock(), stamp_ns))

    def restart(self) -> None:
        """Forget the arrivals (time jumped), not the count; the silence is counted from now."""
        with self._lock:
            self._arrivals.clear()
            self._started = self._clock()

    def silence(self) -> float:
        """Return the seconds since the last arrival, or since the start when there was none."""
        with self._lock:
            return self._clock() - (self._arrivals[-1][0] if self._arrivals else self._started)

    def rate(self) -> float:
        """Return the received messages per second, up to now; 0 with fewer than two."""
        now, arrivals = self._since_pause()
        if len(arrivals) < 2:
            return 0.0
        first, last = arrivals[0][0], arrivals[-1][0]
        # Up to now, not up to the last arrival: a stream that stops has a falling rate.
        span = max(last, now - (last - first) / (len(arrivals) - 1)) - first
        return (len(arrivals) - 1) / span if span > 0 else 0.0

    def stamp_rate(self) -> float | None:
        """Return the publisher's rate in Hz as its stamps show it, or None when they do not."""
        return _stamp_rate(self._since_pause()[1])

    def loses_messages(self) -> bool:
        """Whether clearly fewer messages arrived, up to the last one, than were stamped."""
        _, arrivals = self._since_pause()
        stamped = _stamp_rate(arrivals)
        if stamped is None:
            return False
        elapsed = arrivals[-1][0] - arrivals[0][0]
        # Stamps must advance about as fast as time: a bag that is played slowly is not a lossy one.
        advance = (arrivals[-1][1] - arrivals[0][1]) * 1e-9
        if elapsed <= 0 or not 0.7 < advance / elapsed < 1.5:
            return False
        return (len(arrivals) - 1) / elapsed < _LOSS * stamped

    def stands_still(self) -> bool:
        """Whether the last messages all have the same stamp, which is not zero."""
        with self._lock:
            stamps = [stamp for _, stamp in self._arrivals][-_ENOUGH:]
        return len(stamps) == _ENOUGH and stamps[0] != 0 and len(set(stamps)) == 1

    def has_zero_stamps(self) -> bool:
        """Whether the last message has no stamp."""
        with self._lock:
            return bool(self._arrivals) and self._arrivals[-1][1] == 0

    def _since_pause(self) -> tuple[float, _Arrivals]:
        """Return the time, and a copy of the arrivals since the publisher last paused."""
        with self._lock:
            now, arrivals = self._clock(), tuple(self._arrivals)
        gaps = [b[0] - a[0] for a, b in zip(arrivals, arrivals[1:], strict=False)]
        if not gaps:
            return now, arrivals
        pause = max(_PAUSE, _PAUSE_INTERVALS * statistics.median(gaps))
        start = max((n + 1 for n, gap in enumerate(gaps) if gap > pause), default=0)
        return now, arrivals[start:]


def _stamp_rate(arrivals: _Arrivals) -> float | None:
    stamps = sorted({stamp for _, stamp in arrivals if stamp > 0})
    intervals = sorted(b - a for a, b in zip(stamps, stamps[1:], strict=False))
    if len(intervals) < _ENOUGH:
        return None
    # Even when three of four messages are lost, a fourth of the intervals are still between
    # neighbours: the lowest fifth finds them, the median of all like them is the period.
    shortest = statistics.median(intervals[: max(1, len(intervals) // 5)])
    period = statistics.median(i for i in intervals if i < 1.5 * shortest)
    # Lost messages leave gaps of whole periods; other gaps come from an irregular publisher.
    multiples = [interval / period for interval in intervals]
    regular = sum(abs(m - round(m)) < _JITTER for m in multiples)
    return 1e9 / period if regular >= _REGULAR * len(intervals) else None


@dataclass(frozen=True)
class Latency:
    """Mean and maximum of the last durations of one stage, in seconds."""

    mean: float
    maximum: float


class LatencyStatistics:
    """The last durations of each named stage."""

    def __init__(self) -> None:
        """Start without stages."""
        self._lock = threading.Lock()
        self._stages: dict[str, deque[float]] = {}

    def add(self, timings: Mapping[str, float]) -> None:
        """Record durations in seconds by name of stage."""
        with self._lock:
            for name, seconds in timings.items():
                self._stages.setdefault(name, deque(maxlen=_WINDOW)).append(float(seconds))

    def snapshot(self) -> dict[str, Latency]:
        """Return mean and maximum of every stage."""
        with self._lock:
            return {
                name: Latency(statistics.fmean(values), max(values))
                for name, values in self._stages.items()
            }


class Counters:
    """Named counts and the last reason for each, safe to use from any thread."""

    def __init__(self) -> None:
        """Start with no counts."""
        self._lock = threading.Lock()
        self._counts: dict[str, int] = {}
        self._reasons: dict[str, str] = {}

    def add(self, name: str, reason: str = "", count: int = 1) -> int:
        """Count ``name`` and remember why; return the new count."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + count
            if reason:
                self._reasons[name] = reason
            return self._counts[name]

    def get(self, name: str) -> int:
        """Return the count of ``name``."""
        with self._lock:
            return self._counts.get(name, 0)

    def reason(self, name: str) -> str:
        """Return the last reason of ``name``, or an empty string."""
        with self._lock:
            return self._reasons.get(name, "")

    def snapshot(self) -> dict[str, int]:
        """Return all counts."""
        with self._lock:
            return dict(self._counts)


class RecentRises:
    """Which counts have grown within the last seconds: what a warning is about must be recent.

    Held for longer than the second between two diagnostics, so that a fault of every third second
    is one warning and not a flicker.
    """

    def __init__(self, held: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a rise as recent for ``held`` seconds of ``clock``."""
        self._held = held
        self._clock = clock
        self._counts: dict[str, tuple[int, float]] = {}
        self._histories: dict[str, deque[tuple[float, int, int]]] = {}

    def rose(self, key: str, count: int) -> bool:
        """Whether the count of ``key`` grew since an earlier call, not long ago."""
        now = self._clock()
        before, since = self._counts.get(key, (0, -self._held))
        if count > before:
            since = now
        self._counts[key] = (count, since)
        return now - since < self._held

    def share(self, key: str, count: int, total: int) -> float | None:
        """Return which share of ``total`` the count made up lately; None while nothing came."""
        now = self._clock()
        history = self._histories.setdefault(key, deque([(now, 0, 0)]))
        history.append((now, count, total))
        while len(history) > 1 and now - history[1][0] >= self._held:
            history.popleft()
        counted, came = count - history[0][1], total - history[0][2]
        return counted / came if came > 0 else None
