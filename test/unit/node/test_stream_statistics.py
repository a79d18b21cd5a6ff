# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
import random

import pytest

from spatialgeo_ros.node.stream_statistics import Counters, LatencyStatistics, StreamStatistics


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
