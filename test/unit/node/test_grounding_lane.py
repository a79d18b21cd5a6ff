# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A detector on a thread of its own: nothing waits for it but who asked for it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from ros_support import wait_for
from scripted_detector import ScriptedDetector

from spatialgeo_ros.errors import CancelledError, NotActiveError
from spatialgeo_ros.grounding.grounder import Grounder
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.slot import NewestSlot
from spatialgeo_ros.node.grounding_lane import GroundingLane
from spatialgeo_ros.node.grounding_schedule import GroundingSchedule
from spatialgeo_ros.node.lane import LaneStatistics
from spatialgeo_ros.node.lanes import Lanes
from spatialgeo_ros.node.look import Look, Purpose
from spatialgeo_ros.node.request import Request
from spatialgeo_ros.perception import Perception


def image(stamp: int = 1, camera: str = "camera") -> Observation:
    frame = Frame(camera, stamp, "optical", np.full((48, 64, 3), 127, np.uint8))
    return Observation(frame, None, None, None)


@pytest.fixture
def bench() -> Iterator[SimpleNamespace]:
    detector = ScriptedDetector({"chair": [((5.0, 5.0, 20.0, 20.0), 0.7)]}, seconds=0.2)
    done: list[Look] = []
    lane = GroundingLane(
        Grounder(detector), done.append, LaneStatistics(lambda _: None), logging.getLogger("test")
    )
    lane.start()
    lane.resume()
    yield SimpleNamespace(lane=lane, detector=detector, done=done)
    lane.stop()


def look(observation: Observation, purpose: Purpose, *phrases: str) -> Look:
    return Look(observation, phrases or ("chair",), purpose)


def test_looks_at_one_image_share_a_pass_and_requests_come_first(bench):
    first, second = image(1), image(2)
    bench.lane.submit(look(image(0), Purpose.WATCH))
    wait_for(lambda: bench.detector.asked)
    bench.lane.submit(look(first, Purpose.MAP, "table", "chair"))
    bench.lane.submit(look(second, Purpose.REQUEST, "mug"))
    bench.lane.submit(look(second, Purpose.WATCH, "door", "mug"))
    wait_for(lambda: len(bench.done) == 4)
    assert bench.detector.asked == [("chair",), ("mug", "door"), ("table", "chair")]
    assert all(one.found for one in bench.done)


def test_the_map_gives_way_to_a_request_and_comes_back(bench):
    bench.detector.seconds = 0.5
    mapped, asked = look(image(1), Purpose.MAP), look(image(2), Purpose.REQUEST, "mug")
    bench.lane.submit(mapped)
    wait_for(lambda: bench.detector.asked)
    bench.lane.submit(asked)
    wait_for(lambda: len(bench.done) == 2)
    assert bench.done == [asked, mapped] and mapped.found
    assert bench.detector.asked == [("chair",), ("mug",), ("chair",)]


def test_of_a_camera_only_the_newest_image_waits_for_the_map(bench):
    bench.lane.submit(look(image(0), Purpose.REQUEST))
    wait_for(lambda: bench.detector.asked)
    old, other, new = (
        look(image(k, camera), Purpose.MAP) for k, camera in ((1, "a"), (2, "b"), (3, "a"))
    )
    for one in (old, other, new):
        bench.lane.submit(one)
    wait_for(lambda: new.done and other.done)
    assert old.done and not old.found and new.found and other.found


def test_a_look_that_nobody_wants_any_more_ends(bench):
    bench.detector.seconds = 30.0
    cancel = threading.Event()
    one = Look(image(), ("chair",), Purpose.REQUEST, cancel.is_set)
    bench.lane.submit(one)
    wait_for(lambda: bench.detector.asked)
    cancel.set()
    wait_for(lambda: one.done, 5.0)
    assert not one.found


def test_pausing_ends_what_runs_at_once(bench):
    bench.detector.seconds = 30.0
    running, waiting = look(image(1), Purpose.WATCH), look(image(2), Purpose.REQUEST)
    bench.lane.submit(running)
    wait_for(lambda: bench.detector.asked)
    bench.lane.submit(waiting)
    started = time.monotonic()
    bench.lane.pause()
    assert time.monotonic() - started < 5.0
    assert running.done and waiting.done and not running.found


# With the geometry lane


class Source:
    def __init__(self) -> None:
        self.slot: NewestSlot[Any] = NewestSlot()

    def take(self) -> Any:
        return self.slot.take()

    def ready_at(self) -> float | None:
        return None if self.slot.peek() is None else 0.0

    def boxed(self) -> Any:
        return None

    def boxes_patience(self) -> float:
        return 0.0

    def frame_at(self, stamp_ns: int) -> Any:
        return None


@pytest.fixture
def lanes() -> Iterator[SimpleNamespace]:
    """Running lanes of one camera on a facade whose detector takes a second."""
    detector = ScriptedDetector({"chair": [((5.0, 5.0, 40.0, 40.0), 0.7)]}, seconds=1.0)
    perception = Perception(None, grounder=Grounder(detector), map_nouns=("chair",))
    source, observed = Source(), []
    running = Lanes(
        perception,
        {"camera": source},
        lambda name, raw: raw.frame,
        lambda _, observation, boxed: observed.append(observation.frame.stamp_ns),
        lambda: 0.0,
        queue_size=2,
        logger=logging.getLogger("test"),
        grounder=perception.grounder,
    )
    running.start()
    running.resume()

    def put(stamp: int) -> None:
        source.slot.put(
            SimpleNamespace(
                frame=image(stamp).frame, received=time.monotonic(), arrived_ns=time.time_ns()
            )
        )
        running.notify()

    yield SimpleNamespace(lanes=running, put=put, observed=observed, detector=detector)
    running.stop()


def looks_for(words: str) -> Request:
    def work(perception: Any, observation: Any) -> Any:
        phrase = perception.locator.vocabulary.parse(words)
        found = perception.locator.candidates(observation, phrase)
        return observation.frame.stamp_ns, len(found)

    return Request("camera", work, deadline=time.monotonic() + 20.0, max_age=10.0)


def test_a_request_waits_for_its_image_while_frames_go_on(lanes):
    lanes.put(1)
    wait_for(lambda: lanes.observed)
    job = looks_for("the chair")
    lanes.lanes.submit(job)
    started, stamp = time.monotonic(), 2
    wait_for(lambda: lanes.detector.asked)
    while not job.future.done():
        lanes.put(stamp)
        stamp += 1
        time.sleep(0.02)
    assert 0.9 < time.monotonic() - started < 5.0
    assert job.future.result() == (1, 1), "the image that was asked about, not a newer one"
    assert len(lanes.observed) > 5, "frames went on meanwhile"
    assert lanes.detector.asked == [("chair",)]


def test_a_request_that_is_given_up_frees_the_detector(lanes):
    lanes.detector.seconds = 30.0
    lanes.put(1)
    job = looks_for("the chair")
    lanes.lanes.submit(job)
    wait_for(lambda: lanes.detector.asked)
    lanes.lanes.cancel(job)
    with pytest.raises(CancelledError):
        job.future.result(5.0)
    lanes.detector.seconds = 0.1
    assert (again := looks_for("the chair")) and lanes.lanes.submit(again) is None
    assert again.future.result(10.0)[1] == 1


def test_deactivating_ends_a_request_that_waits_for_the_detector(lanes):
    lanes.detector.seconds = 30.0
    lanes.put(1)
    job = looks_for("the chair")
    lanes.lanes.submit(job)
    wait_for(lambda: lanes.detector.asked)
    lanes.lanes.pause()
    with pytest.raises(NotActiveError):
        job.future.result(5.0)


def test_a_detector_that_fails_answers_with_the_cause(lanes):
    lanes.detector.seconds = 0.0
    lanes.detector.error = RuntimeError("CUDA out of memory")
    lanes.put(1)

    def work(perception: Any, observation: Any) -> Any:
        found = perception.locator.candidates(
            observation, perception.locator.vocabulary.parse("chair")
        )
        return found or str(perception.locator.not_found(observation, "chair"))

    job = Request("camera", work, deadline=time.monotonic() + 20.0, max_age=10.0)
    lanes.lanes.submit(job)
    assert "cannot be looked for: grounding 'scripted' failed" in job.future.result(10.0)


# The schedule


class Seen:
    """An image and how much new space it showed."""

    def __init__(self, stamp: int, gain: int = 0) -> None:
        self.observation = image(stamp)
        self.observation.keyframe = SimpleNamespace(gain=gain)


@pytest.fixture
def schedule() -> SimpleNamespace:
    made = SimpleNamespace(now=0.0, looks=[])
    made.detector = ScriptedDetector({})
    made.perception = Perception(
        None, grounder=Grounder(made.detector), map_nouns=("chair", "table")
    )
    made.perception.grounder.deferred = True
    made.perception.cannot_map = lambda observation: ""
    made.schedule = GroundingSchedule(lambda: 0.5, made.looks.append, lambda: made.now)
    return made


def test_the_map_gets_the_image_with_the_most_new_space_first(schedule):
    images = [Seen(1, 10).observation, Seen(2, 40).observation, Seen(3, 5).observation]
    for one in images:
        schedule.schedule.consider(one)
    assert schedule.schedule.show_for_map(schedule.perception, images[-1])
    assert [one.observation for one in schedule.looks] == [images[1]]
    assert schedule.looks[0].phrases == ("chair", "table")
    later = Seen(4).observation
    schedule.schedule.consider(later)
    assert schedule.schedule.show_for_map(schedule.perception, later)
    assert len(schedule.looks) == 1, "one at a time"
    schedule.looks[0].done = True
    newest = Seen(5).observation
    schedule.schedule.consider(newest)
    schedule.schedule.show_for_map(schedule.perception, newest)
    assert schedule.looks[1].observation is newest, "without new space it is the newest"


def test_what_is_watched_is_looked_for_at_once_and_then_at_its_rate(schedule):
    shown = schedule.schedule.show_for_watches
    for stamp in range(1, 42):
        schedule.now = 0.1 * stamp
        observation = image(stamp)
        shown(schedule.perception, observation, ("the red chair",))
        for one in schedule.looks:
            if not one.done:
                schedule.perception.grounder.look(one.observation, one.phrases)
                one.done = True
    assert [one.observation.frame.stamp_ns for one in schedule.looks] == [1, 21, 41]
    assert schedule.looks[0].phrases == ("red chair", "chair")


def test_nothing_is_looked_for_in_images_that_the_map_cannot_have(schedule):
    schedule.perception.cannot_map = lambda observation: "no pose"
    newest = Seen(1).observation
    assert not schedule.schedule.show_for_map(schedule.perception, newest)
    assert schedule.looks == []
