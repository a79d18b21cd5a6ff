# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from ros_support import wait_for

from spatialgeo_ros.errors import (
    BadImageError,
    BusyError,
    CancelledError,
    InternalError,
    NoFrameError,
    NotActiveError,
    RequestTimeoutError,
    StaleFrameError,
    UnknownCameraError,
)
from spatialgeo_ros.memory.slot import NewestSlot
from spatialgeo_ros.node.request import Request
from spatialgeo_ros.node.worker import Worker


class Source:
    def __init__(self) -> None:
        self.slot: NewestSlot[Any] = NewestSlot()

    def put(self, value: Any, age: float = 0.0) -> None:
        self.slot.put(SimpleNamespace(value=value, received=time.monotonic() - age))

    def take(self) -> Any:
        return self.slot.take()

    def ready_at(self) -> float | None:
        return None if self.slot.peek() is None else 0.0


class Perception:
    """Observes a frame by wrapping it; fails when the frame says so."""

    def __init__(self) -> None:
        self.resets = 0
        self.threads: set[str] = set()

    def observe(self, frame: Any) -> Any:
        self.threads.add(threading.current_thread().name)
        if frame == "defect":
            raise RuntimeError("defect")
        return SimpleNamespace(value=frame, timings={"geometry": 0.001})

    def reset(self) -> None:
        self.resets += 1

    def describe(self) -> dict[str, Any]:
        return {}


def assemble(name: str, raw: Any) -> Any:
    if raw.value == "bad":
        raise BadImageError("cannot be decoded")
    return raw.value


@pytest.fixture
def bench() -> Iterator[SimpleNamespace]:
    """A running worker with cameras "a" and "b", and what it has observed."""
    observed: list[Any] = []
    cameras = {"a": Source(), "b": Source()}
    perception = Perception()
    rate = {"hz": 0.0}
    worker = Worker(
        perception,
        cameras,
        assemble,
        lambda _, observation: observed.append(observation.value),
        lambda: rate["hz"],
        queue_size=1,
        logger=logging.getLogger("test"),
    )
    worker.start()
    worker.resume()

    def put(value: Any, camera: str = "a", age: float = 0.0) -> None:
        cameras[camera].put(value, age)
        worker.notify()

    yield SimpleNamespace(
        worker=worker, put=put, observed=observed, perception=perception, cameras=cameras, rate=rate
    )
    worker.stop()


def request(
    work: Callable[[Any, Any], Any] = lambda perception, observation: observation.value,
    camera: str = "a",
    timeout: float = 10.0,
    max_age: float = 10.0,
) -> Request:
    return Request(camera, work, deadline=time.monotonic() + timeout, max_age=max_age)


def submit(bench: SimpleNamespace, *args: Any, **kwargs: Any) -> Request:
    job = request(*args, **kwargs)
    bench.worker.submit(job)
    return job


def blocker(bench: SimpleNamespace) -> tuple[Request, threading.Event]:
    """Submit work that runs until released, and wait until it runs."""
    running, release = threading.Event(), threading.Event()

    def work(perception: Any, observation: Any) -> str:
        running.set()
        release.wait(10.0)
        return "done"

    bench.put("frame")
    job = submit(bench, work)
    assert running.wait(10.0)
    return job, release


def test_frames_are_observed_on_one_thread(bench):
    for value in ("one", "two"):
        bench.put(value)
        wait_for(lambda value=value: value in bench.observed)
    bench.put("three", camera="b")
    wait_for(lambda: "three" in bench.observed)
    assert bench.perception.threads == {"perception"}
    assert bench.worker.counters.get("a.processed") == 2


def test_request_uses_the_newest_frame(bench):
    bench.rate["hz"] = 0.01  # the second frame is not due for minutes
    bench.put("old")
    wait_for(lambda: bench.observed == ["old"])
    bench.put("new")
    assert submit(bench).future.result(10.0) == "new"


def test_only_the_newest_of_many_frames_is_processed(bench):
    job, release = blocker(bench)
    for n in range(50):
        bench.put(n)
    release.set()
    assert job.future.result(10.0) == "done"
    wait_for(lambda: 49 in bench.observed)
    assert bench.observed == ["frame", 49]
    assert bench.cameras["a"].slot.dropped == 49


def test_process_rate_limits_each_camera(bench):
    bench.rate["hz"] = 20.0
    stop = threading.Event()

    def feed() -> None:
        n = 0
        while not stop.wait(0.002):
            n += 1
            bench.put(n)

    feeding = threading.Thread(target=feed)
    feeding.start()
    started = time.monotonic()
    wait_for(lambda: len(bench.observed) >= 8)
    elapsed = time.monotonic() - started
    stop.set()
    feeding.join()
    assert elapsed > 6 / 20.0


def test_no_frame_stale_frame_unknown_camera(bench):
    with pytest.raises(NoFrameError, match="'a'"):
        submit(bench).future.result(10.0)
    bench.put("old", age=5.0)
    with pytest.raises(StaleFrameError, match="5.0 s ago"):
        submit(bench, max_age=1.0).future.result(10.0)
    assert submit(bench, max_age=60.0).future.result(10.0) == "old"
    with pytest.raises(UnknownCameraError, match="a, b"):
        submit(bench, camera="c")


def test_undecodable_frames_are_counted_and_told(bench):
    bench.put("bad")
    with pytest.raises(BadImageError, match="cannot be decoded"):
        submit(bench).future.result(10.0)
    assert bench.worker.counters.get("a.decode_errors") == 1
    assert bench.worker.counters.reason("a.decode_errors") == "cannot be decoded"
    bench.put("good")
    assert submit(bench).future.result(10.0) == "good"


def test_defects_do_not_end_the_thread_and_are_logged_once(bench, caplog):
    for expected in (1, 2, 3):
        bench.put("defect")
        wait_for(lambda expected=expected: bench.worker.counters.get("internal_errors") == expected)
    assert sum("RuntimeError: defect" in record.message for record in caplog.records) == 1
    bench.put("good")
    wait_for(lambda: "good" in bench.observed)


def test_a_defect_in_a_request_is_an_internal_error(bench):
    bench.put("frame")

    def work(perception: Any, observation: Any) -> None:
        raise ZeroDivisionError("oops")

    with pytest.raises(InternalError, match="ZeroDivisionError: oops"):
        submit(bench, work).future.result(10.0)


def test_full_queue_is_busy(bench):
    running, release = blocker(bench)
    waiting = submit(bench)
    with pytest.raises(BusyError, match="queue_size"):
        submit(bench)
    release.set()
    assert running.future.result(10.0) == "done"
    assert waiting.future.result(10.0) == "frame"
    assert bench.worker.counters.get("busy") == 1


def test_cancel_of_waiting_and_of_running_work(bench):
    bench.put("frame")
    running = threading.Event()

    def work(perception: Any, observation: Any) -> None:
        running.set()
        wait_for(job.is_cancelled)
        raise CancelledError("at a token")

    job = request(work)
    bench.worker.submit(job)
    assert running.wait(10.0)
    waiting = submit(bench)
    bench.worker.cancel(waiting)
    with pytest.raises(CancelledError):
        waiting.future.result(1.0)
    bench.worker.cancel(job)
    with pytest.raises(CancelledError, match="at a token"):
        job.future.result(10.0)


def test_nobody_waits_for_work_past_its_deadline(bench):
    job, release = blocker(bench)
    late = submit(bench, timeout=0.0)
    release.set()
    with pytest.raises(RequestTimeoutError):
        late.future.result(10.0)
    assert job.future.result(10.0) == "done"


def test_pause_ends_everything_and_resume_starts_again(bench):
    bench.put("frame")
    running = threading.Event()

    def work(perception: Any, observation: Any) -> None:
        running.set()
        wait_for(job.is_cancelled)
        raise CancelledError("at a token")

    job = request(work)
    bench.worker.submit(job)
    assert running.wait(10.0)
    waiting = submit(bench)
    bench.worker.pause()
    assert job.future.done(), "pause returns when nothing runs"
    for ended in (job, waiting):
        with pytest.raises(NotActiveError):
            ended.future.result(1.0)
    with pytest.raises(NotActiveError):
        submit(bench)
    before = list(bench.observed)
    bench.put("while paused")
    bench.worker.resume()
    assert submit(bench).future.result(10.0) == "while paused"
    assert before == ["frame"]


def test_reset_forgets_before_anything_else_happens(bench):
    bench.put("before")
    wait_for(lambda: bench.observed == ["before"])
    bench.worker.reset()
    with pytest.raises(NoFrameError):
        submit(bench).future.result(10.0)
    assert bench.perception.resets == 1


def test_stop_joins_and_can_be_called_while_paused(bench):
    bench.worker.pause()
    bench.worker.stop()
    assert not any(t.name == "perception" for t in threading.enumerate() if t.is_alive())
