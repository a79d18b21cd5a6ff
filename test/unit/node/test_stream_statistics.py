# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
import random
import sys
import threading
import time

import pytest

from spatialgeo_ros.node.stream_statistics import (
    Counters,
    LatencyStatistics,
    RecentRises,
    StreamStatistics,
)


class FakeClock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def feed(keep, rate: float = 30.0, frames: int = 120, slowdown: float = 1.0) -> StreamStatistics:
    clock = FakeClock()
    stream = StreamStatistics(clock)
    for n in range(frames):
        clock.now = 100.0 + slowdown * n / rate
        if keep(n):
            stream.add(round((50.0 + n / rate) * 1e9))
    return stream


def test_complete_stream_is_not_reported():
    stream = feed(lambda n: True)
    assert stream.rate() == pytest.approx(30.0, rel=0.05)
    assert stream.stamp_rate() == pytest.approx(30.0, rel=0.01)
    assert not stream.loses_messages()


@pytest.mark.parametrize("lost", [0.5, 0.6, 0.75])
def test_random_loss_is_reported_with_the_publishers_rate(lost):
    chance = random.Random(3)
    stream = feed(lambda n: chance.random() > lost, frames=400)
    assert stream.stamp_rate() == pytest.approx(30.0, rel=0.05)
    assert stream.rate() == pytest.approx(30.0 * (1 - lost), rel=0.35)
    assert stream.loses_messages()


def test_bag_played_slowly_is_not_a_lossy_one():
    assert not feed(lambda n: True, slowdown=4.0).loses_messages()


def test_irregular_publisher_is_not_a_lossy_one():
    clock, chance = FakeClock(), random.Random(5)
    stream = StreamStatistics(clock)
    for _ in range(200):
        clock.now += chance.uniform(0.2, 0.9)  # a renderer that cannot keep up
        stream.add(round(clock.now * 1e9))
        assert not stream.loses_messages()


def test_jitter_of_a_regular_camera_does_not_hide_loss():
    clock, chance = FakeClock(), random.Random(7)
    stream = StreamStatistics(clock)
    for n in range(300):
        clock.now = 100.0 + n / 30.0
        if chance.random() > 0.6:
            stream.add(round((clock.now + chance.gauss(0.0, 0.0015)) * 1e9))
    assert stream.stamp_rate() == pytest.approx(30.0, rel=0.15)
    assert stream.loses_messages()


def test_few_messages_say_nothing():
    stream = feed(lambda n: n in (0, 1, 40, 80))
    assert stream.stamp_rate() is None
    assert not stream.loses_messages()


def test_zero_stamps_give_no_rate_of_stamps():
    clock = FakeClock()
    stream = StreamStatistics(clock)
    for _ in range(20):
        clock.now += 0.1
        stream.add(0)
    assert stream.stamp_rate() is None
    assert not stream.loses_messages()


def test_rate_falls_and_silence_grows_when_the_stream_stops():
    clock = FakeClock()
    stream = StreamStatistics(clock)
    clock.now += 7.0
    assert stream.silence() == pytest.approx(7.0)
    for n in range(11):
        stream.add(round(n * 1e8) + 1)
        clock.now += 0.1
    before = stream.rate()
    clock.now += 10.0
    assert before == pytest.approx(10.0, rel=0.1)
    assert stream.rate() < 1.2
    assert stream.silence() == pytest.approx(10.1)
    stream.restart()
    assert stream.rate() == 0.0
    assert stream.received == 11


def play(stream: StreamStatistics, clock: FakeClock, rate: float, frames: int) -> None:
    for _ in range(frames):
        clock.now += 1.0 / rate
        stream.add(round(clock.now * 1e9))


@pytest.mark.parametrize(("rate", "gap"), [(30.0, 5.0), (10.0, 1.5), (5.0, 60.0), (1.0, 20.0)])
def test_a_camera_that_stopped_and_came_back_loses_nothing(rate, gap):
    clock = FakeClock()
    stream = StreamStatistics(clock)
    play(stream, clock, rate, 100)
    for _ in range(round(gap)):  # nor does one that stops
        assert not stream.loses_messages()
        clock.now += 1.0
    for _ in range(100):
        play(stream, clock, rate, 1)
        assert not stream.loses_messages()
    assert stream.rate() == pytest.approx(rate, rel=0.05)
    clock.now += gap
    play(stream, clock, rate, 3)
    assert stream.rate() == pytest.approx(rate, rel=0.05)


def test_loss_after_a_pause_is_still_loss():
    clock, chance = FakeClock(), random.Random(11)
    stream = StreamStatistics(clock)
    play(stream, clock, 30.0, 30)
    clock.now += 5.0
    for _ in range(90):
        clock.now += 1.0 / 30.0
        if chance.random() > 0.5:
            stream.add(round(clock.now * 1e9))
    assert stream.loses_messages()


def test_stamps_that_stand_still_or_are_zero():
    clock = FakeClock()
    stream = StreamStatistics(clock)
    play(stream, clock, 10.0, 20)
    assert not stream.stands_still()
    for _ in range(10):
        stream.add(12_345)
    assert stream.stands_still()
    assert not stream.has_zero_stamps()
    for _ in range(10):
        stream.add(0)
    assert stream.has_zero_stamps()
    assert not stream.stands_still()


def test_restart_while_another_thread_reads():
    stream = StreamStatistics()
    stop, errors = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            try:
                stream.loses_messages(), stream.rate(), stream.stamp_rate(), stream.silence()
            except Exception as error:
                errors.append(repr(error))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    readers = [threading.Thread(target=read) for _ in range(2)]
    try:
        for reader in readers:
            reader.start()
        end, stamp = time.monotonic() + 2.0, 0
        while time.monotonic() < end:
            for _ in range(12):
                stamp += 33_000_000
                stream.add(stamp)
            stream.restart()
    finally:
        stop.set()
        for reader in readers:
            reader.join()
        sys.setswitchinterval(interval)
    assert not errors, set(errors)


def test_latencies_by_stage():
    latencies = LatencyStatistics()
    latencies.add({"geometry": 0.1, "decode": 0.01})
    latencies.add({"geometry": 0.3})
    assert latencies.snapshot()["geometry"].mean == pytest.approx(0.2)
    assert latencies.snapshot()["geometry"].maximum == pytest.approx(0.3)
    assert latencies.snapshot()["decode"].maximum == pytest.approx(0.01)


def test_counters_keep_the_last_reason():
    counters = Counters()
    assert counters.add("decode", "first") == 1
    assert counters.add("decode", "second") == 2
    assert counters.add("decode") == 3
    assert (counters.get("decode"), counters.reason("decode")) == (3, "second")
    assert (counters.get("other"), counters.reason("other")) == (0, "")


def test_a_rise_is_recent_for_some_seconds():
    clock = FakeClock()
    rises = RecentRises(5.0, clock)
    assert not rises.rose("a", 0)
    assert rises.rose("a", 1)
    for _ in range(4):  # a fault of every third second must not flicker in between
        clock.now += 1.0
        assert rises.rose("a", 1)
    clock.now += 1.5
    assert not rises.rose("a", 1)
    assert rises.rose("a", 2)
    assert rises.rose("b", 7), "counted before it was asked for the first time"


def test_the_share_of_a_count_over_some_seconds():
    clock = FakeClock()
    rises = RecentRises(5.0, clock)
    assert rises.share("a", 0, 0) is None
    for n in range(1, 11):  # every second one
        clock.now += 1.0
        share = rises.share("a", (n + 1) // 2, n)
    assert share == pytest.approx(0.5, abs=0.11)
    for n in range(1, 11):  # none any more
        clock.now += 1.0
        share = rises.share("a", 5, 10 + n)
    assert share == 0.0
    for _ in range(10):
        clock.now += 1.0
        share = rises.share("a", 5, 20)
    assert share is None, "nothing came"
