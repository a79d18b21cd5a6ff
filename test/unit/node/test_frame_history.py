# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Boxes meet the image they belong to, or are counted with the reason."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from spatialgeo_ros.node.frame_history import FrameHistory, RawFrame

MS = 1_000_000
SLOP_MS = 5


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def history(clock: Clock) -> FrameHistory:
    return FrameHistory(1.0, SLOP_MS * MS, clock)


def frame(stamp_ms: float, clock: Clock, size: int = 10) -> RawFrame:
    image = SimpleNamespace(data=bytes(size))
    return RawFrame(round(stamp_ms * MS), image, None, 0, clock(), 0)


def stream(
    history: FrameHistory, clock: Clock, late: float, period: float = 1 / 30, count: int = 30
) -> list[float]:
    """Feed a 30 Hz camera and a detector that answers each image ``late`` seconds later.

    Returns:
        For each image the offset in ms between it and the boxes that the newest frame has.
    """
    offsets, waiting = [], []
    for number in range(count):
        clock.now = 100.0 + number * period
        stamp = 1000.0 + number * period * 1e3
        history.add_frame(frame(stamp, clock))
        waiting.append((clock.now + late, stamp))
        while waiting and waiting[0][0] <= clock.now + 1e-9:
            _, drawn = waiting.pop(0)
            history.add_detections(round(drawn * MS), drawn)
        boxed = history.boxed()
        if boxed is not None:
            offsets.append(boxed.detections - boxed.stamp_ns / MS)
    return offsets


@pytest.mark.parametrize("late", [0.0, 0.05, 0.15, 0.3, 0.8])
def test_boxes_are_used_with_their_own_image_however_late(history, clock, late) -> None:
    offsets = stream(history, clock, late)
    assert offsets and all(abs(offset) < 1e-3 for offset in offsets)
    assert history.lag() == pytest.approx(late, abs=0.04)
    assert (history.unmatched, history.problem) == (0, "")
    assert history.is_fresh()


def test_boxes_that_come_first_wait_for_their_image(history, clock) -> None:
    assert history.add_detections(50 * MS, "boxes")
    assert history.boxed() is None
    assert history.add_frame(frame(20, clock)).detections is None
    assert history.add_frame(frame(50, clock)).detections == "boxes"


def test_boxes_of_an_image_from_before_the_first_are_no_fault(history, clock) -> None:
    history.add_frame(frame(1000, clock))
    history.add_frame(frame(1033, clock))
    assert not history.add_detections(900 * MS, "boxes")
    assert (history.unmatched, history.problem) == (0, "")


def test_boxes_later_than_the_history_say_how_far_behind_they_are(history, clock) -> None:
    stream(history, clock, late=2.0, count=90)
    assert history.boxed() is None
    assert history.unmatched == 30
    assert "2.00 s behind" in history.problem
    assert "raise frame_history" in history.problem


def test_zero_and_foreign_stamps_are_named(history, clock) -> None:
    history.add_frame(frame(1000, clock))
    history.add_frame(frame(1033, clock))
    assert not history.add_detections(0, "boxes")
    assert "zero" in history.problem
    assert not history.add_detections(1015 * MS, "boxes")
    assert "those of no image" in history.problem
    assert history.add_detections(1033 * MS, "boxes")
    assert history.problem == "", "what works again is no problem any more"
    assert history.unmatched == 2


def test_stamps_may_differ_by_the_slop(history, clock) -> None:
    history.add_frame(frame(1000, clock))
    assert history.add_detections((1000 + SLOP_MS) * MS, "boxes")
    assert history.boxed().stamp_ns == 1000 * MS


def test_a_silent_detector_has_no_boxes(history, clock) -> None:
    stream(history, clock, late=0.1)
    assert history.is_alive()
    clock.now += 3.0
    assert history.boxed() is None
    assert not history.is_alive()


def test_a_frame_with_boxes_grows_stale_at_the_detectors_pace(history, clock) -> None:
    stream(history, clock, late=0.1)
    assert history.is_fresh()
    clock.now += 0.5
    assert history.is_alive() and not history.is_fresh()


def test_an_older_answer_does_not_replace_a_newer_one(history, clock) -> None:
    history.add_frame(frame(1000, clock))
    history.add_frame(frame(1033, clock))
    history.add_detections(1033 * MS, "newer")
    history.add_detections(1000 * MS, "older")
    assert history.boxed().detections == "newer"


def test_time_and_bytes_are_bounded(history, clock) -> None:
    for number in range(100):
        clock.now += 1 / 30
        history.add_frame(frame(number * 33, clock))
    assert len(history._frames) <= 31
    large = 20 << 20
    for number in range(100, 120):
        clock.now += 1 / 30
        history.add_frame(frame(number * 33, clock, large))
    assert sum(one.bytes for one in history._frames) <= 128 << 20
    assert history.frame_at(119 * 33 * MS) is not None
    assert history.frame_at(99 * 33 * MS) is None


def test_without_history_the_newest_frame_is_kept(clock) -> None:
    history = FrameHistory(0.0, 0, clock)
    for number in range(1, 4):
        clock.now += 0.033
        history.add_frame(frame(number, clock))
    assert [one.stamp_ns for one in history._frames] == [3 * MS]


def test_after_a_time_jump_nothing_of_before_is_used(history, clock) -> None:
    stream(history, clock, late=0.1)
    history.clear()
    assert history.boxed() is None and history.frame_at(1000 * MS) is None


def test_counts_stay_over_a_jump(history, clock) -> None:
    history.add_detections(0, "boxes")
    history.clear()
    assert history.unmatched == 1
