# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Does the node hold for long? Two 1080p cameras, watches, requests, and a fault a minute.

The node as it is shipped, over real DDS, on this machine, which sensors and client share. Each
camera sends 1920x1080 bgr8, registered 16UC1 and camera_info at 30 Hz, the robot odometry at 50 Hz;
two 5 Hz watches stand and two requests a second are sent. A third of the way into each minute comes
a fault: a camera is killed and comes back, all stamps go back by 10 s, broken images, infos, depth
and boxes arrive among the good ones, clients are killed while they are served, the node is sent
through its lifecycle, parameters change. Judged are memory, ages, rates, latencies, the code of
every answer and every valid distance; the exit status is 1 when one of them is not as wanted.

``--saturation`` instead raises rate, size and number of cameras until the node falls behind.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import report, table
from bench.ingest import DISCOVERY_SECONDS, PROFILE, REPOSITORY, cpu_seconds
from bench.ingest_depth import CAMERAS, MOUNT_HEIGHT, PITCH, WIDTH
from spatialgeo_ros.node.compatibility import fast_dds_profile_variables

RATE, WATCH_RATE, REQUEST_RATE = 30.0, 5.0, 2.0  # Hz
#: What is wanted.
MOST_GROWTH, LEAST_WATCHED, LONGEST_REPLY, OLDEST = 0.02, 0.95, 0.5, 0.050
_SETTLED = 180.0  # s after which memory must not grow any more
_ROUND = 360.0  # s that memory is looked at for, one round of faults
_FAULT_AT, _FAULT_FOR, _RECOVERY = 1 / 3, 10.0, 5.0  # of a period, s, s
_SAMPLE = 2.0  # s between two looks at the memory
# Codes by name, so that this module is read without ROS.
OK, NO_FRAME, STALE, NO_INFO, BAD_IMAGE = 0, 5, 6, 7, 8
NOT_FOUND, NO_GEOMETRY, LITTLE_SUPPORT, BUSY = 4, 9, 10, 13
NOT_ACTIVE, UNKNOWN_CAMERA = 15, 16
#: The code of a request that must fail, by name.
MUST_FAIL = {"absent": NOT_FOUND, "unknown camera": UNKNOWN_CAMERA}


@dataclass(frozen=True)
class Fault:
    """What is done for some seconds.

    Attributes:
        name: for the table.
        codes: that requests which succeed otherwise may get meanwhile.
        silent: cameras whose watch has nothing to measure meanwhile.
    """

    name: str
    codes: frozenset[int] = frozenset()
    silent: tuple[str, ...] = ()


#: In turn. Memory of frames is cleared when stamps go back; a request between has no frame. A
#: process that is killed can hold up what others send through shared memory for a second (seen
#: once: "no depth on ... for 1.3 s").
FAULTS = (
    Fault("camera killed", frozenset({STALE, NO_FRAME, NOT_FOUND}), (CAMERAS[0],)),
    Fault("stamps back", frozenset({NO_FRAME, NOT_FOUND, STALE}), CAMERAS),
    Fault("garbage", frozenset({STALE, NO_INFO, BAD_IMAGE, NO_GEOMETRY, LITTLE_SUPPORT})),
    Fault("clients killed", frozenset({BUSY, NO_GEOMETRY})),
    Fault("reconfigured", frozenset({NOT_ACTIVE, NO_FRAME, STALE, NO_INFO, NO_GEOMETRY}), CAMERAS),
    Fault("parameters changed"),
)


@dataclass
class Period:
    """When a fault was, in monotonic seconds."""

    fault: Fault
    start: float
    end: float = math.inf

    def touches(self, moment: float) -> bool:
        """Whether its effect may be seen at a moment."""
        return self.start <= moment < self.end + _RECOVERY


@dataclass
class Seen:
    """What was measured in one run; seconds since its start where nothing else is said."""

    seconds: float
    memory: list[tuple[float, float]] = field(default_factory=list)  # s, MB of RssAnon
    watched: dict[str, float] = field(default_factory=dict)  # share of the wanted rate
    waits: tuple[float, float] = (math.nan, math.nan)  # s, median and 95th percentile
    ages: tuple[float, float] = (math.nan, math.nan)
    observed: float = 0.0  # frames per second
    replies: tuple[float, float] = (math.nan, math.nan)  # s
    codes: dict[str, int] = field(default_factory=dict)  # "name: code" -> how many
    unexpected: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    alive: bool = False
    tracebacks: int = 0
    cpu: float = 0.0  # of one core
    end_seconds: float = math.nan  # from SIGINT to the end of the process


class Machine:
    """The processes of a run, in a ROS domain of their own."""

    def __init__(self, folder: Path) -> None:
        """Prepare; what the node writes goes to ``folder``."""
        os.environ.update(dict.fromkeys(fast_dds_profile_variables(), str(PROFILE)))
        os.environ["ROS_DOMAIN_ID"] = str(20 + os.getpid() % 80)
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        self.log = folder / "node.log"
        self._processes: list[subprocess.Popen[Any]] = []

    def start(self, *command: str, output: Any = subprocess.DEVNULL) -> subprocess.Popen[Any]:
        """Start Python with ``command``."""
        path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, "PYTHONPATH": path}, cwd=REPOSITORY, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._processes.append(process)
        return process

    def role(self, *arguments: str, output: Any = subprocess.DEVNULL) -> subprocess.Popen[Any]:
        """Start one of ``bench.soak_parts``."""
        return self.start("-m", "bench.soak_parts", *arguments, output=output)

    def node(self, cameras: Sequence[str], **parameters: str) -> subprocess.Popen[Any]:
        """Start the node."""
        mount = f"[0.1, 0.0, {MOUNT_HEIGHT}, 0.0, {PITCH}, 0.0]"
        parameters = {
            "process_rate": "0.0", "pose_source": "odometry",
            "cameras": f"[{', '.join(cameras)}]",
            **{f"{name}.mount": mount for name in cameras}, **parameters,
        }  # fmt: skip
        settings = [part for item in parameters.items() for part in ("-p", ":=".join(item))]
        script = str(REPOSITORY / "scripts" / "spatialgeo_node")
        with self.log.open("wb") as output:
            return self.start(script, "--ros-args", *settings, output=output)

    def camera(self, name: str, rate: float, width: int) -> subprocess.Popen[Any]:
        """Start a camera."""
        return self.role("camera", "--camera", name, "--rate", str(rate), "--width", str(width))

    def close(self) -> None:
        """End what still runs."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()


class Troublemaker:
    """Does one fault after the other; :meth:`turn` is called again and again."""

    def __init__(self, machine: Machine, client: Any, sensors: dict[str, Any], every: float):
        """Begin the first fault a third of ``every`` seconds from now."""
        self._machine, self._client, self._sensors, self._every = machine, client, sensors, every
        self.periods: list[Period] = []
        self._next = time.monotonic() + _FAULT_AT * every
        self._steps: Iterator[None] | None = None
        self._wake = 0.0

    def turn(self) -> None:
        """Go on with the fault that is due, without waiting long."""
        now = time.monotonic()
        if self._steps is None and now >= self._next:
            fault = FAULTS[len(self.periods) % len(FAULTS)]
            self.periods.append(Period(fault, now))
            self._next += self._every
            self._steps = self._do(fault)
        elif self._steps is not None and now >= self._wake:
            if next(self._steps, "over") == "over":
                self.periods[-1].end = time.monotonic()
                self._steps = None

    def finish(self) -> None:
        """Bring a fault to its end."""
        while self._steps is not None:
            self.turn()
            time.sleep(0.05)

    def _rest(self, seconds: float) -> None:
        self._wake = time.monotonic() + seconds

    def _do(self, fault: Fault) -> Iterator[None]:
        length = min(_FAULT_FOR, self._every / 3)
        if fault.name == "camera killed":
            self._sensors[CAMERAS[0]].kill()
            self._rest(length)
            yield
            self._sensors[CAMERAS[0]] = self._machine.camera(CAMERAS[0], RATE, WIDTH)
            self._rest(3.0)  # until it has started
            yield
        elif fault.name == "stamps back":
            for number in (signal.SIGUSR1, signal.SIGUSR2):
                for process in self._sensors.values():
                    process.send_signal(number)
                self._rest(length)
                yield
        elif fault.name == "garbage":
            process = self._machine.role("garbage", "--camera", CAMERAS[0])
            self._rest(length + 1.0)
            yield
            process.terminate()
        elif fault.name == "clients killed":
            for _ in range(2):
                doomed = [self._machine.role("doomed", output=subprocess.PIPE) for _ in range(2)]
                for process in doomed:
                    process.stdout.readline()  # they have sent
                    process.kill()
                self._rest(1.0)
                yield
        elif fault.name == "reconfigured":
            done = self._client.change("deactivate", "cleanup", "configure", "activate")
            if done != [True] * 4:
                raise SystemExit(f"deactivate, cleanup, configure, activate: {done}")
            self._client.wait_until_measured(10.0)
            self._client.start_watches()
        else:
            for rate in (10.0, 200.0, 0.0):  # 200 Hz is refused
                taken = self._client.set(process_rate=rate, marker_lifetime=1.0 + rate / 10)
                if (rate <= 120.0) != all(taken):
                    raise SystemExit(f"process_rate {rate:g}: {taken}")
                self._rest(length / 3)
                yield


def anonymous_memory(pid: int) -> float:
    """Return the megabytes (10^6) that a process holds and no file backs."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    if found is None:
        raise SystemExit("this kernel does not tell RssAnon")
    return int(found.group(1)) * 1024e-6


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the median and the 95th percentile, NaN of nothing."""
    if not values:
        return math.nan, math.nan
    median, late = np.percentile(values, (50, 95))
    return float(median), float(late)


def watched_share(
    moments: Sequence[float], start: float, end: float, excluded: Callable[[float], bool]
) -> float:
    """Return the rate of results over the seconds that count, as a share of the wanted rate.

    Args:
        moments: of the results, monotonic seconds.
        start: of the run.
        end: of the run.
        excluded: whether a second that begins at a moment does not count.
    """
    seconds = [start + n for n in range(int(end - start)) if not excluded(start + n)]
    if not seconds:
        return math.nan
    counts = Counter(math.floor(moment - start) for moment in moments)
    return sum(counts[int(one - start)] for one in seconds) / (WATCH_RATE * len(seconds))


def unexpected_replies(replies: Sequence[Any], periods: Sequence[Period]) -> list[str]:
    """Return in words which replies had a code that nothing explains."""
    told = []
    for reply in replies:
        now = [
            p.fault
            for p in periods
            if p.touches(reply.sent) or p.touches(reply.sent + reply.seconds)
        ]
        may = {code for fault in now for code in fault.codes}
        must = MUST_FAIL.get(reply.name, OK)
        if reply.code != must and reply.code not in may:
            during = ", ".join(fault.name for fault in now) or "no fault"
            told.append(f"{reply.name}: {reply.code} ({during}): {reply.text[:200]}")
    return told


def run(minutes: float, every: float, profile: str, process_rate: float, folder: Path) -> Seen:
    """Run everything for so long, with a fault every ``every`` seconds."""
    from bench.soak_client import Client

    machine = Machine(folder)
    try:
        node = machine.node(CAMERAS, profile=profile, process_rate=str(process_rate))
        sensors = {name: machine.camera(name, RATE, WIDTH) for name in CAMERAS}
        sensors["odometry"] = machine.role("odometry")
        client = Client(CAMERAS, WIDTH, WATCH_RATE)
        client.wait_until_measured(2 * DISCOVERY_SECONDS)
        client.start_watches()
        for collected in (client.waits, client.ages, *client.watched.values()):
            collected.clear()
        client.wrong.clear()
        start, used = time.monotonic(), cpu_seconds(node.pid)
        seen = Seen(60 * minutes)
        troublemaker = Troublemaker(machine, client, sensors, every)
        look_at = [start]

        def meanwhile() -> None:
            now = time.monotonic()
            if node.poll() is not None:
                raise SystemExit(f"the node died with status {node.returncode}: {machine.log}")
            if now >= look_at[0]:
                look_at[0] = now + _SAMPLE
                seen.memory.append((now - start, anonymous_memory(node.pid)))
            troublemaker.turn()

        client.ask_for(60 * minutes, REQUEST_RATE, meanwhile)
        end = time.monotonic()
        troublemaker.finish()
        client.settle()
        seen.alive = node.poll() is None
        seen.cpu = (cpu_seconds(node.pid) - used) / (time.monotonic() - start)
        node.send_signal(signal.SIGINT)
        asked_to_end = time.monotonic()
        with contextlib.suppress(subprocess.TimeoutExpired):
            node.wait(20)
            seen.end_seconds = time.monotonic() - asked_to_end
        summarise(seen, client, troublemaker.periods, start, end)
        seen.tracebacks = machine.log.read_text(errors="replace").count("Traceback")
        client.close()
        return seen
    finally:
        machine.close()


def summarise(seen: Seen, client: Any, periods: Sequence[Period], start: float, end: float) -> None:
    """Fill in what the client has collected."""
    for name in client.cameras:
        silent = [period for period in periods if name in period.fault.silent]
        seen.watched[name] = watched_share(
            client.watched[name], start, end, lambda at, s=silent: any(p.touches(at) for p in s)
        )
    seen.waits = percentiles([seconds for _, seconds in client.waits])
    # By stamps that were moved back, ages are wrong.
    moved = [period for period in periods if period.fault.name == "stamps back"]
    seen.ages = percentiles(
        [seconds for at, seconds in client.ages if not any(p.touches(at) for p in moved)]
    )
    seen.observed = len(client.waits) / (end - start)
    seen.replies = percentiles([reply.seconds for reply in client.replies])
    counts = Counter(f"{reply.name}: {reply.code}" for reply in client.replies)
    seen.codes = dict(sorted(counts.items()))
    seen.unexpected = unexpected_replies(client.replies, periods)
    seen.wrong = client.wrong
    seen.faults = [period.fault.name for period in periods]


def growth(memory: Sequence[tuple[float, float]], seconds: float) -> float:
    """Return by which share memory grew since the third minute, of medians; NaN for a short run.

    The medians are over a round of faults, where the run is long enough for two: after each fault
    memory is another.
    """
    if seconds < _SETTLED + 120:
        return math.nan
    window = min(_ROUND, (seconds - _SETTLED) / 2)
    early = [mb for at, mb in memory if _SETTLED <= at < _SETTLED + window]
    late = [mb for at, mb in memory if at >= seconds - window]
    return float(np.median(late) / np.median(early) - 1)


def judged(seen: Seen) -> list[tuple[str, str, str, bool]]:
    """Return what was judged, what is wanted, what was seen and whether it is as wanted."""

    def times(pair: tuple[float, float]) -> str:
        return f"{1e3 * pair[0]:.0f} / {1e3 * pair[1]:.0f} ms"

    grew, replies = growth(seen.memory, seen.seconds), sum(seen.codes.values())
    megabytes = f"{seen.memory[0][1]:.0f} to {seen.memory[-1][1]:.0f} MB"
    rows = [
        ("node alive at the end, errors logged", "yes, 0",
         f"{'yes' if seen.alive else 'no'}, {seen.tracebacks}",
         seen.alive and not seen.tracebacks),
        ("memory (RssAnon) from minute 3 on", f"< +{MOST_GROWTH:.0%}",
         f"{megabytes}; too short to judge" if math.isnan(grew) else f"{grew:+.1%}; {megabytes}",
         math.isnan(grew) or grew < MOST_GROWTH),
        ("newest frame at the lane after its depth came, median / p95",
         f"<= {1e3 * OLDEST:.0f} ms", times(seen.waits), seen.waits[1] <= OLDEST),
        ("frame observed, by its stamp, median / p95", "-", times(seen.ages), True),
        *(
            (f"watch {name}, share of {WATCH_RATE:g} Hz", f">= {LEAST_WATCHED}", f"{share:.3f}",
             share >= LEAST_WATCHED)
            for name, share in seen.watched.items()
        ),
        ("reply to a request, median / p95", f"<= {1e3 * LONGEST_REPLY:.0f} ms",
         times(seen.replies), seen.replies[1] <= LONGEST_REPLY),
        ("replies without the right code", "0", f"{len(seen.unexpected)} of {replies}",
         not seen.unexpected and replies > 0),
        ("valid distances that are wrong", "0", str(len(seen.wrong)), not seen.wrong),
        ("end after SIGINT", "< 2 s", f"{seen.end_seconds:.1f} s", seen.end_seconds < 2.0),
    ]  # fmt: skip
    return rows


def saturate(
    sizes: Sequence[int], rates: Sequence[float], seconds: float, folder: Path
) -> list[list[str]]:
    """Raise the rate for each size and number of cameras; return the rows of the table."""
    from bench.soak_client import Client

    rows = []
    for width in sizes:
        for number in range(1, len(CAMERAS) + 1):
            cameras = CAMERAS[:number]
            machine = Machine(folder)
            try:
                node = machine.node(cameras, profile="none")
                machine.role("odometry")
                for rate in rates:
                    sending = [machine.camera(name, rate, width) for name in cameras]
                    client = Client(tuple(cameras), width, WATCH_RATE)
                    client.wait_until_measured(2 * DISCOVERY_SECONDS)
                    client.start_watches()
                    client.waits.clear()
                    client.ages.clear()
                    start, used = time.monotonic(), cpu_seconds(node.pid)
                    client.ask_for(seconds, REQUEST_RATE, lambda: None)
                    seen = Seen(seconds)
                    summarise(seen, client, (), start, time.monotonic())
                    cpu = (cpu_seconds(node.pid) - used) / (time.monotonic() - start)
                    client.close()
                    for process in sending:
                        process.kill()
                        process.wait()
                    rows.append(_saturation_row(f"{number} x {width}", rate, number, seen, cpu))
            finally:
                machine.close()
    return rows


def _saturation_row(what: str, rate: float, cameras: int, seen: Seen, cpu: float) -> list[str]:
    least = min(seen.watched.values())
    # A watch cannot have more results than there are frames.
    holds = least >= LEAST_WATCHED * min(1.0, rate / WATCH_RATE) and seen.waits[1] <= OLDEST
    return [
        what, f"{rate:g} Hz", f"{seen.observed:.1f} of {rate * cameras:g}", f"{least:.2f}",
        f"{1e3 * seen.waits[0]:.0f} / {1e3 * seen.waits[1]:.0f} ms",
        f"{1e3 * seen.ages[0]:.0f} / {1e3 * seen.ages[1]:.0f} ms",
        f"{1e3 * seen.replies[1]:.0f} ms", f"{cpu:.0%}", "yes" if holds else "**no**",
    ]  # fmt: skip


def main() -> int:
    """Run, print the table, and tell by the status whether all is as wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="every fault within 1.5 minutes")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--fault-every", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--profile", default="none")
    parser.add_argument("--process-rate", type=float, default=0.0, help="of the node, Hz; 0: all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was seen")
    parser.add_argument("--saturation", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="+", default=[640, 1280, 1920], metavar="WIDTH")
    parser.add_argument("--rates", type=float, nargs="+", default=[5.0, 10.0, 15.0, 20.0, 30.0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each saturation step")
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="of the node's log")
    arguments = parser.parse_args()
    if arguments.saturation:
        rows = saturate(arguments.sizes, arguments.rates, arguments.seconds, arguments.folder)
        notes = (
            f"Cameras with registered depth, odometry, {WATCH_RATE:g} Hz watches, "
            f"{REQUEST_RATE:g} requests a second, {arguments.seconds:g} s a row, all on this "
            "machine. Holds: each watch has 0.95 of its rate, and 95 % of the frames are at the "
            "lane 50 ms after their depth came."
        )
        header = ["cameras", "rate", "observed", "watch", "frame at the lane", "observed, by stamp",
                  "reply p95", "CPU", "holds"]  # fmt: skip
        report("Saturation", [notes], table(header, rows))
        return 0
    minutes, every = (1.5, 14.0) if arguments.quick else (arguments.minutes, arguments.fault_every)
    seen = run(minutes, every, arguments.profile, arguments.process_rate, arguments.folder)
    rows = judged(seen)
    if arguments.json:
        arguments.json.write_text(json.dumps(asdict(seen), indent=1))
    report(
        "Soak",
        [
            f"{minutes:g} minutes, profile `{arguments.profile}`, a fault every {every:g} s: "
            f"{', '.join(f'{n} x {what}' for what, n in Counter(seen.faults).items())}. The node "
            f"took {seen.cpu:.0%} of a core and observed {seen.observed:.1f} frames a second.",
        ],
        table(
            ["", "wanted", "seen", ""],
            [(*row[:3], "ok" if row[3] else "**no**") for row in rows],
        ),
        *("\n".join(f"* {line}" for line in lines[:20])
          for lines in (seen.unexpected, seen.wrong) if lines),
    )  # fmt: skip
    return 0 if all(row[3] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
