# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the soak counts and how it judges, on made-up runs."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from bench import soak
from bench.soak import FAULTS, Period, Seen


def fault(name: str) -> soak.Fault:
    return next(one for one in FAULTS if one.name == name)


def reply(name: str, code: int, sent: float = 5.0) -> Any:
    return SimpleNamespace(name=name, sent=sent, seconds=0.1, code=code, text="why")


def good() -> Seen:
    return Seen(
        600.0,
        memory=[(float(s), 500.0 + (50.0 if s < 180 else 0.0)) for s in range(0, 600, 10)],
        watched={"front": 0.99, "back": 0.98},
        waits=(0.01, 0.03),
        ages=(0.04, 0.08),
        replies=(0.05, 0.2),
        codes={"measure front: 0": 3},
        alive=True,
        end_seconds=0.4,
    )


def test_a_good_run_is_as_wanted():
    assert [row for row in soak.judged(good()) if not row[3]] == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"alive": False}, "node alive"),
        ({"tracebacks": 1}, "node alive"),
        ({"waits": (0.01, 0.06)}, "newest frame"),
        ({"waits": (math.nan, math.nan)}, "newest frame"),
        ({"watched": {"front": 0.9, "back": 1.0}}, "watch front"),
        ({"watched": {"front": math.nan}}, "watch front"),
        ({"replies": (0.1, 0.6)}, "reply"),
        ({"unexpected": ["ask: 1"]}, "replies without"),
        ({"codes": {}}, "replies without"),
        ({"wrong": ["5 m"]}, "valid distances"),
        ({"end_seconds": math.nan}, "end after"),
        ({"memory": [(float(s), 500.0 + s / 20) for s in range(600)]}, "memory"),
    ],
)
def test_each_fault_is_told(change, what):
    seen = good()
    for name, value in change.items():
        setattr(seen, name, value)
    wrong = [row[0] for row in soak.judged(seen) if not row[3]]
    assert len(wrong) == 1 and wrong[0].startswith(what)


def test_memory_counts_from_the_third_minute():
    memory = [(float(s), 100.0 if s < 180 else 200.0 + s / 100) for s in range(0, 900, 5)]
    assert soak.growth(memory, 900.0) == pytest.approx(3.6 / 203.6, abs=0.001)
    assert math.isnan(soak.growth(memory, 200.0))


def test_a_watch_is_not_counted_while_it_has_nothing_to_measure():
    moments = [n / 5 for n in range(50)] + [20 + n / 5 for n in range(50)]
    assert soak.watched_share(moments, 0.0, 30.0, lambda at: False) == pytest.approx(2 / 3)
    assert soak.watched_share(moments, 0.0, 30.0, lambda at: 10 <= at < 20) == pytest.approx(1)
    assert math.isnan(soak.watched_share(moments, 0.0, 30.0, lambda at: True))


def test_codes_are_right_only_while_something_explains_them():
    killed = Period(fault("camera killed"), 100.0, 110.0)
    right = [
        reply("measure front", soak.OK),
        reply("absent", soak.NOT_FOUND),
        reply("unknown camera", soak.UNKNOWN_CAMERA),
        reply("measure front", soak.STALE, sent=105.0),
        reply("measure front", soak.STALE, sent=113.0),
    ]
    assert soak.unexpected_replies(right, [killed]) == []
    wrong = [
        reply("absent", soak.OK),
        reply("measure front", soak.STALE, sent=90.0),
        reply("measure front", soak.STALE, sent=120.0),
        reply("measure front", 1, sent=105.0),
        reply("ask front", -1),
    ]
    assert len(soak.unexpected_replies(wrong, [killed])) == len(wrong)
