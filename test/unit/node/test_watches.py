# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from spatialgeo_ros.errors import BadRequestError, BusyError, PhraseNotFoundError, WrongFrameError
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.pointmap import DepthSource
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.node.target_frames import Target
from spatialgeo_ros.node.watches import Watch, WatchBoard
from spatialgeo_ros.scene.sighting import SightedEstimate


class Perception:
    def locate(self, observation: Any, region: Region, *, recall: bool, carried: bool) -> Any:
        if region.label == "left" and not recall:
            raise PhraseNotFoundError("'left' is not in view")
        if region.label == "ghost":
            raise PhraseNotFoundError("'ghost' is not in view")
        return SimpleNamespace(region=region, points=SimpleNamespace(mask=None), frame=None)

    def measure(self, observation: Any, kinds: Any, a: Any, b: Any) -> list[SightedEstimate]:
        return [
            SightedEstimate(
                kind, "camera", "x", 1.0, 0.1, np.zeros(3), np.ones(3), DepthSource.SENSOR, True
            )
            for kind in kinds
        ]


def watch(name: str = "w", rate: float = 0.0, label: str = "chair", camera: str = "c") -> Watch:
    kinds = (Kind.CAMERA_TO_OBJECT,)
    return Watch(name, camera, kinds, Region.from_phrase(label), None, rate)


def observation(camera: str = "c", stamp_ns: int = 5_000_000_007) -> Any:
    frame = Frame(camera, stamp_ns, "optical", np.zeros((4, 4, 3), np.uint8))
    return SimpleNamespace(frame=frame, degraded=("no pose",))


def test_every_frame_of_the_watchs_own_camera_without_a_rate():
    board = WatchBoard()
    board.start(watch())
    for _ in range(3):
        (measurement,) = board.measure(Perception(), observation())
        (message,) = measurement.messages
        assert message.watch_id == "w"
        assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 7)
        assert message.header.frame_id == "optical"
        assert message.distance == 1.0
    assert board.measure(Perception(), observation("other")) == []


def test_rate_is_kept_on_average_though_frames_come_late():
    now = [0.0]
    board = WatchBoard(clock=lambda: now[0])
    board.start(watch(rate=10.0))
    count = 0
    for frame in range(300):  # ten seconds at 30 Hz
        now[0] = frame / 30.0 + 0.001
        count += len(board.measure(Perception(), observation()))
    assert count == pytest.approx(100, abs=2)


def test_slow_frames_do_not_make_up_for_lost_results():
    now = [0.0]
    board = WatchBoard(clock=lambda: now[0])
    board.start(watch(rate=10.0))
    for second in range(5):
        now[0] = float(second)
        assert len(board.measure(Perception(), observation())) == 1
        assert board.measure(Perception(), observation()) == []


def test_lost_object_gives_an_invalid_estimate_with_the_reason():
    board = WatchBoard()
    board.start(watch(label="ghost"))
    (measurement,) = board.measure(Perception(), observation())
    (message,) = measurement.messages
    assert not message.valid
    assert message.reason == "'ghost' is not in view"
    assert math.isnan(message.distance)
    assert math.isnan(message.from_point.x)
    assert (message.from_object, message.to_object) == ("camera", "ghost")
    assert measurement.estimates == ()


def test_start_replaces_and_stop_ends():
    board = WatchBoard()
    board.start(watch())
    board.start(watch(label="ghost"))
    assert len(board) == 1
    assert not board.measure(Perception(), observation())[0].messages[0].valid
    board.stop("w")
    assert len(board) == 0
    with pytest.raises(BadRequestError, match="'w'"):
        board.stop("w")


def test_names_are_new_and_numbers_bounded():
    board = WatchBoard()
    board.start(watch("watch_1"))
    assert board.new_id() == "watch_2"
    for n in range(31):
        board.start(watch(f"x{n}"))
    with pytest.raises(BusyError):
        board.start(watch("one too many"))
    board.start(watch("x0"))
    board.clear()
    assert len(board) == 0


def test_objects_out_of_view_are_recalled_only_where_the_watch_allows_it():
    board = WatchBoard()
    board.start(watch(label="left"))
    (message,) = board.measure(Perception(), observation())[0].messages
    assert (message.valid, list(message.degraded)) == (False, ["no pose"])
    board.start(replace(watch(label="left"), recall=True))
    assert board.measure(Perception(), observation())[0].messages[0].valid


def test_what_is_named_in_words_is_measured_in_the_image_that_has_boxes():
    board = WatchBoard()
    box = Region.from_box(0, 0, 2, 2, "box")
    board.start(watch("phrase"))
    board.start(Watch("box", "c", (Kind.CAMERA_TO_OBJECT,), box, None, 0.0))
    boxed = observation(stamp_ns=4_900_000_000)

    def stamps(newest: int) -> dict[str, int]:
        measured = board.measure(Perception(), observation(stamp_ns=newest), lambda: boxed)
        return {one.name: one.frame.stamp_ns for one in measured}

    assert stamps(5_000_000_000) == {"phrase": 4_900_000_000, "box": 5_000_000_000}
    # The detector has not answered since: the same measurement again would look like a new one.
    assert stamps(5_033_000_000) == {"box": 5_033_000_000}
    boxed = observation(stamp_ns=4_933_000_000)
    assert stamps(5_066_000_000) == {"phrase": 4_933_000_000, "box": 5_066_000_000}


def test_names_of_watches_are_bounded():
    with pytest.raises(BadRequestError, match="100"):
        watch("x" * 101)


@pytest.mark.parametrize("rate", [-1.0, math.nan, math.inf, 1e9])
def test_bad_rates(rate):
    with pytest.raises(BadRequestError):
        watch(rate=rate)


def test_points_come_in_the_frame_of_the_watch_and_are_drawn_in_the_cameras():
    asked: list[tuple[str, int]] = []

    def target_frame(wanted: str, frame: Frame) -> Target:
        asked.append((wanted, frame.stamp_ns))
        return Target(wanted, Pose(np.eye(3), np.array([0.0, 0.0, 5.0])))

    board = WatchBoard(target_frame=target_frame)
    board.start(replace(watch(), target_frame="base_link"))
    (measurement,) = board.measure(Perception(), observation())
    (message,) = measurement.messages
    assert asked == [("base_link", 5_000_000_007)]
    assert message.header.frame_id == "base_link"
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 7)
    assert (message.to_point.x, message.to_point.z) == (1.0, 6.0)
    (drawn,) = measurement.in_camera
    assert (drawn.header.frame_id, drawn.to_point.z) == ("optical", 1.0)


def test_a_frame_that_is_not_known_gives_invalid_estimates_with_cause_and_cure():
    def target_frame(wanted: str, frame: Frame) -> Target:
        raise WrongFrameError(f"frame '{wanted}' is not known")

    board = WatchBoard(target_frame=target_frame)
    board.start(replace(watch(), target_frame="gripper"))
    (measurement,) = board.measure(Perception(), observation())
    (message,) = measurement.messages
    assert not message.valid
    assert message.reason == "frame 'gripper' is not known"
    assert message.header.frame_id == "optical"
    with pytest.raises(BadRequestError, match="201 characters"):
        replace(watch(), target_frame="x" * 201)
