# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gc
import logging
import threading
import time
import weakref
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
    PhraseNotFoundError,
    RequestTimeoutError,
    SpatialGeoError,
    StaleFrameError,
    UnknownCameraError,
)
from spatialgeo_ros.memory.slot import NewestSlot
from spatialgeo_ros.node.lane_client import LaneClient
from spatialgeo_ros.node.lanes import Lanes
from spatialgeo_ros.node.request import Request, Spoken


class Source:
    def __init__(self) -> None:
        self.slot: NewestSlot[Any] = NewestSlot()
        self.with_boxes: Any = None
        self.patience = 0.0
        self.kept: dict[int, Any] = {}

    def put(self, value: Any, age: float = 0.0) -> None:
        self.slot.put(
            SimpleNamespace(value=value, received=time.monotonic() - age, arrived_ns=time.time_ns())
        )

    def take(self) -> Any:
        return self.slot.take()

    def ready_at(self) -> float | None:
        return None if self.slot.peek() is None else 0.0

    def boxed(self) -> Any:
        return self.with_boxes

    def boxes_patience(self) -> float:
        return self.patience

    def frame_at(self, stamp_ns: int) -> Any:
        return self.kept.get(stamp_ns)


class Perception:
    """Observes a frame by wrapping it; fails when the frame says so."""

    def __init__(self) -> None:
        self.resets = 0
        self.threads: set[str] = set()

    def observe(self, frame: Any) -> Any:
        self.threads.add(threading.current_thread().name)
        if frame == "defect":
            raise RuntimeError("defect")
        boxes = SimpleNamespace(detections_stamp_ns=0)
        return SimpleNamespace(value=frame, timings={"geometry": 0.001}, frame=boxes)

    def observe_aside(self, frame: Any) -> Any:
        return SimpleNamespace(value=f"{frame} aside", frame=None)

    def observation_at(self, camera: str, stamp_ns: int) -> Any:
        return None

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
    """Running lanes with cameras "a" and "b", and what it has observed."""
    observed: list[Any] = []
    cameras = {"a": Source(), "b": Source()}
    perception = Perception()
    rate = {"hz": 0.0}
    lanes = Lanes(
        perception,
        cameras,
        assemble,
        lambda _, observation, boxed: observed.append(observation.value),
        lambda: rate["hz"],
        queue_size=1,
        logger=logging.getLogger("test"),
    )
    lanes.start()
    lanes.resume()

    def put(value: Any, camera: str = "a", age: float = 0.0) -> None:
        cameras[camera].put(value, age)
        lanes.notify()

    yield SimpleNamespace(
        lanes=lanes,
        counters=lanes.statistics.counters,
        put=put,
        observed=observed,
        perception=perception,
        cameras=cameras,
        rate=rate,
    )
    lanes.stop()


def request(
    work: Callable[[Any, Any], Any] = lambda perception, observation: observation.value,
    camera: str = "a",
    timeout: float = 10.0,
    max_age: float = 10.0,
) -> Request:
    return Request(camera, work, deadline=time.monotonic() + timeout, max_age=max_age)


def submit(bench: SimpleNamespace, *args: Any, **kwargs: Any) -> Request:
    job = request(*args, **kwargs)
    bench.lanes.submit(job)
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
    assert bench.perception.threads == {"geometry"}
    assert bench.counters.get("a.processed") == 2


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
    assert bench.counters.get("a.decode_errors") == 1
    assert bench.counters.reason("a.decode_errors") == "cannot be decoded"
    bench.put("good")
    assert submit(bench).future.result(10.0) == "good"


def test_defects_do_not_end_the_thread_and_are_logged_once(bench, caplog):
    for expected in (1, 2, 3):
        bench.put("defect")
        wait_for(lambda expected=expected: bench.counters.get("internal_errors") == expected)
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
    assert bench.counters.get("busy") == 1


def running_and_waiting(bench: Any) -> tuple[Request, Request]:
    """A request that runs until it is cancelled, and one that waits behind it."""
    bench.put("frame")
    running = threading.Event()

    def work(perception: Any, observation: Any) -> None:
        running.set()
        wait_for(job.is_cancelled)
        raise CancelledError("at a token")

    job = request(work)
    bench.lanes.submit(job)
    assert running.wait(10.0)
    return job, submit(bench)


def test_cancel_of_waiting_and_of_running_work(bench):
    job, waiting = running_and_waiting(bench)
    bench.lanes.cancel(waiting)
    with pytest.raises(CancelledError):
        waiting.future.result(1.0)
    bench.lanes.cancel(job)
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
    job, waiting = running_and_waiting(bench)
    bench.lanes.pause()
    assert job.future.done(), "pause returns when nothing runs"
    for ended in (job, waiting):
        with pytest.raises(NotActiveError):
            ended.future.result(1.0)
    with pytest.raises(NotActiveError):
        submit(bench)
    before = list(bench.observed)
    bench.put("while paused")
    bench.lanes.resume()
    assert submit(bench).future.result(10.0) == "while paused"
    assert before == ["frame"]


def test_reset_forgets_before_anything_else_happens(bench):
    bench.put("before")
    wait_for(lambda: bench.observed == ["before"])
    bench.lanes.reset()
    with pytest.raises(NoFrameError):
        submit(bench).future.result(10.0)
    assert bench.perception.resets == 1


def test_stop_joins_and_can_be_called_while_paused(bench):
    bench.lanes.pause()
    bench.lanes.stop()
    alive = {thread.name for thread in threading.enumerate() if thread.is_alive()}
    assert not alive & {"geometry", "language"}


# Images that are not the newest


def boxes(bench: SimpleNamespace, value: Any = "boxed", age: float = 0.0) -> None:
    raw = SimpleNamespace(value=value, received=time.monotonic() - age, arrived_ns=time.time_ns())
    bench.cameras["a"].with_boxes = raw
    bench.lanes.notify()


def test_things_by_name_are_looked_for_in_the_image_that_has_boxes(bench):
    bench.put("newest")
    boxes(bench)
    job = request()
    job.by_name = True
    bench.lanes.submit(job)
    assert job.future.result(10.0) == "boxed aside"
    assert submit(bench).future.result(10.0) == "newest"


def test_boxes_of_an_image_that_is_too_old_are_not_used(bench):
    bench.put("newest")
    boxes(bench, age=5.0)
    job = request(max_age=1.0)
    job.by_name = True
    bench.lanes.submit(job)
    assert job.future.result(10.0) == "newest"


def test_a_request_waits_for_boxes_while_others_are_served(bench):
    bench.put("newest")
    bench.cameras["a"].patience = 60.0
    waiting = request()
    waiting.by_name = True
    bench.lanes.submit(waiting)
    assert submit(bench).future.result(10.0) == "newest"
    assert not waiting.future.done()
    bench.cameras["a"].patience = 0.0
    boxes(bench)
    assert waiting.future.result(10.0) == "boxed aside"


def test_a_request_does_not_wait_for_boxes_for_ever(bench):
    bench.put("newest")
    bench.cameras["a"].patience = 0.05
    job = request()
    job.by_name = True
    bench.lanes.submit(job)
    assert job.future.result(10.0) == "newest"


def test_a_region_is_measured_in_the_image_it_was_drawn_on_or_refused(bench):
    bench.put("newest")
    bench.cameras["a"].kept[7] = SimpleNamespace(
        value="kept", received=time.monotonic(), arrived_ns=time.time_ns()
    )
    for stamps, expected in (((7,), "kept aside"), ((), "newest")):
        job = request()
        job.stamps = stamps
        bench.lanes.submit(job)
        assert job.future.result(10.0) == expected
    job = request()
    job.stamps = (8,)
    bench.lanes.submit(job)
    with pytest.raises(StaleFrameError, match="0.000000008"):
        job.future.result(10.0)


# The language lane


def speaking(release: threading.Event, result: Any = "told", without: Any = None) -> Any:
    def speak() -> Any:
        release.wait(10.0)
        if isinstance(result, Exception):
            raise result
        return result

    return lambda perception, observation: Spoken(speak, without)


def test_the_geometry_lane_goes_on_while_the_language_model_speaks(bench):
    release = threading.Event()
    bench.put("frame")
    told = submit(bench, speaking(release))
    bench.put("next")
    assert submit(bench).future.result(10.0) == "next"
    wait_for(lambda: "next" in bench.observed)
    assert not told.future.done()
    release.set()
    assert told.future.result(10.0) == "told"


def test_a_full_language_lane_leaves_what_was_measured(bench):
    release = threading.Event()
    bench.put("frame")
    told = [submit(bench, speaking(release)) for _ in range(1)]
    wait_for(lambda: told[0].spoken is not None and bench.lanes.language.queue_length == 0)
    told.append(submit(bench, speaking(release)))
    wait_for(lambda: bench.lanes.language.queue_length == 1)
    third = submit(bench, speaking(release, without=lambda reason: f"measured; {reason}"))
    assert third.future.result(10.0).startswith("measured; language model not asked: 1 requests")
    with pytest.raises(BusyError):
        submit(bench, speaking(release)).future.result(10.0)
    release.set()
    assert [job.future.result(10.0) for job in told] == ["told", "told"]


def test_cancel_and_pause_reach_the_language_lane(bench):
    release = threading.Event()
    bench.put("frame")

    def speak() -> None:
        wait_for(job.is_cancelled)
        raise CancelledError("at a token")

    job = request(lambda perception, observation: Spoken(speak, None))
    bench.lanes.submit(job)
    wait_for(lambda: job.spoken is not None)
    waiting = submit(bench, speaking(release))
    wait_for(lambda: bench.lanes.language.queue_length == 1)
    bench.lanes.cancel(waiting)
    with pytest.raises(CancelledError, match="before it was served"):
        waiting.future.result(10.0)
    bench.lanes.pause()
    with pytest.raises(NotActiveError):
        job.future.result(10.0)


def test_a_defect_of_the_language_model_is_an_internal_error(bench):
    release = threading.Event()
    release.set()
    bench.put("frame")
    with pytest.raises(InternalError, match="ZeroDivisionError: oops"):
        submit(bench, speaking(release, ZeroDivisionError("oops"))).future.result(10.0)
    assert submit(bench, speaking(release)).future.result(10.0) == "told"


def test_tracebacks_that_are_remembered_are_bounded(bench, caplog):
    bench.put("frame")

    def work(number: int) -> Any:
        def fail(perception: Any, observation: Any) -> None:
            raise RuntimeError(f"defect {number}")

        return fail

    for number in range(200):
        with pytest.raises(InternalError):
            submit(bench, work(number)).future.result(10.0)
    assert len(bench.lanes.geometry._logged) <= 64


def test_a_request_to_no_camera_gets_the_newest_of_all_that_have_one(bench):
    job = submit(bench, lambda perception, seen: seen, camera="")
    with pytest.raises(NoFrameError, match="'a'"):
        job.future.result(10.0)
    bench.put("b1", "b")
    job = submit(bench, lambda perception, seen: [one.value for one in seen], camera="")
    assert job.future.result(10.0) == ["b1"]
    bench.put("a1")
    bench.put("b2", "b")
    job = submit(bench, lambda perception, seen: [one.value for one in seen], camera="")
    assert job.future.result(10.0) == ["a1", "b2"]


def test_a_request_that_needs_no_image_is_served_without_one(bench):
    job = request(lambda perception, seen: ("served", seen), camera="")
    job.needs_image = False
    bench.lanes.submit(job)
    assert job.future.result(10.0) == ("served", ())


class Picture:
    """What a request works on; weak references tell whether it is still held."""


@pytest.mark.parametrize("ending", ["result", "error", "defect", "late"])
def test_what_a_request_held_goes_with_it(bench, ending):
    """Without circles: megabytes that wait for the garbage collector would pile up."""
    client = LaneClient(
        SimpleNamespace(
            lanes=bench.lanes, loading=False, config=SimpleNamespace(request_timeout=0.2)
        ),
        logging.getLogger("test"),
    )
    pictures: list[weakref.ref[Any]] = []
    codes: list[int] = []

    def prepare() -> Request:
        picture = Picture()
        pictures.append(weakref.ref(picture))

        def work(perception: Any, observation: Any) -> Any:
            held = [picture, job]  # as a question holds its image, and looks whether it is given up
            if ending == "error":
                try:
                    raise KeyError(held)
                except KeyError:
                    raise PhraseNotFoundError("no mug") from None
            if ending == "defect":
                raise RuntimeError("defect")
            if ending == "late":
                time.sleep(0.4)
            return "answer"

        job = request(work, timeout=0.2 if ending == "late" else 10.0)
        return job

    def ask() -> None:
        try:
            client.wait(prepare())
        except SpatialGeoError as error:
            codes.append(error.code)

    bench.put("image")
    gc.disable()
    try:
        ask()
        wait_for(lambda: pictures[0]() is None, what="the picture's end")
    finally:
        gc.enable()
    expected = {
        "error": PhraseNotFoundError,
        "defect": InternalError,
        "late": RequestTimeoutError,
    }
    assert codes == ([expected[ending].code] if ending in expected else [])
