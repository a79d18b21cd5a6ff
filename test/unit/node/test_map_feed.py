# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which images the object map gets: boxes with their image, own grounding at its own rate."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from spatialgeo_ros.memory.detected import MapUpdate
from spatialgeo_ros.node.map_feed import MapFeed


class Perception:
    def __init__(self) -> None:
        self.fed: list[tuple[str, int]] = []
        self.answer: dict[str, Any] = {}

    def update_map(self, observation: Any) -> MapUpdate:
        frame = observation.frame
        self.fed.append((frame.camera, frame.stamp_ns))
        return MapUpdate(frame.stamp_ns, frame.camera, **self.answer)


def image(stamp: int, camera: str = "front") -> Any:
    return SimpleNamespace(frame=SimpleNamespace(camera=camera, stamp_ns=stamp))


@pytest.fixture
def bench() -> SimpleNamespace:
    made = SimpleNamespace(now=0.0, rate=2.0, lines=[], perception=Perception())
    made.feed = MapFeed(lambda: made.rate, made.lines.append, lambda: made.now)

    def give(stamp: int, boxed: int | None = None, camera: str = "front") -> Any:
        with_boxes = None if boxed is None else image(boxed, camera)
        return made.feed.feed(made.perception, image(stamp, camera), lambda: with_boxes)

    made.give = give
    return made


def test_without_a_detector_each_camera_is_looked_at_at_its_own_rate(bench):
    for step in range(11):
        bench.now = step * 0.1
        bench.give(step)
        bench.give(step, camera="rear")
    assert bench.perception.fed == [
        (camera, stamp) for stamp in (0, 5, 10) for camera in ("front", "rear")
    ]
    bench.rate = 0.0
    bench.now = 100.0
    assert bench.give(200) is None


def test_boxes_go_in_with_their_image_once_and_newer_images_do_not_overtake_them(bench):
    bench.rate = 100.0
    for newest, boxed in ((10, 7), (11, 7), (12, 9), (13, 9)):
        bench.now += 1.0
        bench.give(newest, boxed)
    assert bench.perception.fed == [("front", 7), ("front", 9)]


def test_own_grounding_does_not_stand_in_for_a_detector_that_is_late(bench):
    given = (bench.perception, image(1), lambda: None)
    bench.now = 10.0
    assert bench.feed.feed(*given, lambda: True) is None
    assert bench.feed.feed(*given, lambda: False) is not None


def test_after_a_time_jump_the_same_stamps_count_again(bench):
    bench.give(10, 7)
    bench.feed.clear()
    bench.give(10, 7)
    assert bench.perception.fed == [("front", 7), ("front", 7)]


def test_images_without_a_stamp_are_all_given(bench):
    bench.give(0, 0)
    bench.give(0, 0)
    assert len(bench.perception.fed) == 2


def test_a_cleared_map_is_logged_and_what_is_refused_once_in_a_while(bench):
    bench.perception.answer = {"cleared": "the world frame is 'map', not 'odom'"}
    bench.give(1, 1)
    assert bench.lines == ["object map cleared: the world frame is 'map', not 'odom'"]
    bench.perception.answer = {"used": False, "reason": "the pose is wrong"}
    for stamp in (2, 3, 4):
        bench.give(stamp, stamp)
    assert bench.lines[1:] == ["object map, camera 'front': the pose is wrong"]
    bench.now = 31.0
    bench.give(5, 5)
    assert len(bench.lines) == 3


def test_a_missing_pose_is_left_to_diagnostics(bench):
    bench.perception.answer = {"used": False, "reason": "no object map: camera has no pose"}
    bench.give(1, 1)
    assert bench.lines == []


def test_where_a_detector_has_a_thread_of_its_own_the_map_waits_for_its_look(bench):
    shown: list[int] = []
    slow = True

    def show(perception: Any, newest: Any) -> bool:
        shown.append(newest.frame.stamp_ns)
        return slow

    feed = MapFeed(lambda: 2.0, bench.lines.append, lambda: bench.now, show)
    for stamp in (1, 2, 3, 4, 5, 6):
        bench.now = 0.1 * stamp
        assert feed.feed(bench.perception, image(stamp), lambda: None) is None
    assert shown == [1, 6] and bench.perception.fed == []
    assert feed.give(bench.perception, image(1)) is not None
    assert feed.give(bench.perception, image(1)) is None, "each image once"
    slow = False
    bench.now = 2.0
    feed.feed(bench.perception, image(9), lambda: None)
    assert bench.perception.fed == [("front", 1), ("front", 9)]
    bench.now = 4.0
    feed.feed(bench.perception, image(12), lambda: image(11))
    assert shown == [1, 6, 9] and bench.perception.fed[-1] == ("front", 11)
