# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What waits to be shown: the newest wins, rates are kept, and what is lost is counted."""

from __future__ import annotations

from types import SimpleNamespace

from spatialgeo_ros.viewer.streams import EventStream, FramesStream, NewestStream


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def stamped(frame: str, number: int) -> SimpleNamespace:
    return SimpleNamespace(header=SimpleNamespace(frame_id=frame), number=number)


def test_only_the_newest_is_taken_and_only_once():
    stream = NewestStream("images")
    for number in range(5):
        stream.put(number)
    assert stream.take() == 4
    assert stream.take() is None
    assert (stream.received, stream.taken) == (5, 1)


def test_a_camera_that_is_faster_than_the_rate_is_thinned_out_evenly():
    clock = Clock()
    stream = NewestStream("images", 10.0, clock)
    taken = []
    for tick in range(300):  # 30 Hz for ten seconds
        clock.now = tick / 30
        stream.put(tick)
        message = stream.take()
        taken += [message] if message is not None else []
    assert 98 <= len(taken) <= 101
    assert {b - a for a, b in zip(taken, taken[1:], strict=False)} <= {2, 3, 4}
    assert stream.late == 0, "the rate was asked for"


def test_a_pause_is_not_made_up_for():
    clock = Clock()
    stream = NewestStream("images", 10.0, clock)
    stream.put(0)
    assert stream.take() == 0
    clock.now = 100.0
    stream.put(1)
    assert stream.take() == 1
    stream.put(2)
    assert stream.take() is None


def test_a_viewer_that_is_too_slow_is_counted():
    clock = Clock()
    stream = NewestStream("images", 10.0, clock)
    for tick in range(30):  # nobody takes anything for three seconds
        clock.now = tick / 10
        stream.put(tick)
    assert stream.late > 20
    assert stream.take() == 29
    assert "too late" in stream.summary()


def test_every_camera_has_its_turn():
    stream = FramesStream("clouds")
    for number in range(3):
        stream.put(stamped("front", number))
        stream.put(stamped("rear", number))
    taken = [stream.take(), stream.take()]
    assert {(one.header.frame_id, one.number) for one in taken} == {("front", 2), ("rear", 2)}
    assert stream.take() is None
    assert stream.received == 6
    assert stream.summary() == (
        "clouds in front: 1 of 3 shown, 2 too late; clouds in rear: 1 of 3 shown, 2 too late"
    )


def test_frames_without_end_are_bounded():
    stream = FramesStream("clouds")
    for number in range(1000):
        stream.put(stamped(f"frame {number}", number))
    taken = 0
    while stream.take() is not None:
        taken += 1
    assert taken == 300
    assert "700 of too many frames" in stream.summary()


def test_events_keep_their_order_and_the_oldest_go():
    stream = EventStream("answers", most=3)
    for number in range(5):
        stream.put(number)
    assert [stream.take() for _ in range(4)] == [2, 3, 4, None]
    assert stream.summary() == "answers: 3 of 5 shown, 2 too late"
