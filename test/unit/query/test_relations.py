# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What left, nearer, bigger and three o'clock mean, and when it is too close to call."""

from __future__ import annotations

import math

import pytest

from spatialgeo_ros.query.relations import (
    ObjectFacts,
    clock_hour,
    compare,
    direction,
    hour_difference,
)


def thing(x: float, y: float, z: float, size: tuple[float, float, float] | None = None):
    return ObjectFacts((x, y, z), size)


@pytest.mark.parametrize(
    ("x", "z", "hour"),
    [(0, 1, 12), (1, 0, 3), (0, -1, 6), (-1, 0, 9), (1, 1.8, 1), (-1, 1.8, 11), (-0.01, -1, 6)],
)
def test_the_clock_runs_clockwise_from_ahead(x: float, z: float, hour: int) -> None:
    assert clock_hour(x, z) == hour


def test_every_angle_has_the_nearest_hour() -> None:
    for degree in range(-180, 181):
        angle = math.radians(degree)
        hour = clock_hour(math.sin(angle), math.cos(angle))
        assert 1 <= hour <= 12
        assert abs(math.remainder(degree - 30 * hour, 360)) <= 15 + 1e-6


def test_direction_is_seen_from_the_second_object_along_the_cameras_heading() -> None:
    chair, table = thing(2, 0.4, 3), thing(0, 0.4, 3)
    assert direction(chair, table) == 3
    assert direction(table, chair) == 9
    assert direction(table, None) == 12
    assert direction(thing(0, 1.0, 3), table) is None  # one above the other


@pytest.mark.parametrize(
    ("family", "a", "b", "expected"),
    [
        ("left_right", thing(-1, 0, 3), thing(1, 0, 3), "left"),
        # further right in metres, but further left as the camera sees it
        ("left_right", thing(1.0, 0, 6), thing(0.9, 0, 2), "left"),
        ("left_right", thing(0.1, 0, 3), thing(0, 0, 3), None),
        ("above_below", thing(0, -0.2, 3), thing(0, 0.4, 3), "above"),
        ("above_below", thing(0, 0.4, 3), thing(0, 0.35, 3), None),
        ("front_behind", thing(0, 0, 2), thing(0, 0, 3), "front"),
        ("front_behind", thing(0, 0, 5.3), thing(0, 0, 5.0), None),
        ("closer", thing(3, 0, 3), thing(0, 0, 3.5), "further"),
        ("closer", thing(0, 0, 2), thing(0, 0, 3.5), "closer"),
        ("big_small", thing(0, 0, 1, (2, 1, 1)), thing(0, 0, 1, (1, 1, 1.2)), "bigger"),
        ("big_small", thing(0, 0, 1, (1, 1, 1.2)), thing(0, 0, 1, (1, 1, 1)), None),
        ("tall_short", thing(0, 0, 1, (1, 1, 0.8)), thing(0, 0, 1, (1, 1, 1.2)), "shorter"),
        ("wide_thin", thing(0, 0, 1, (0.5, 3, 3)), thing(0, 0, 1, (1, 1, 1)), "thinner"),
        ("wide_thin", thing(0, 0, 1, (1.05, 3, 3)), thing(0, 0, 1, (1, 1, 1)), None),
        ("tall_short", thing(0, 0, 1), thing(0, 0, 1, (1, 1, 1)), None),
    ],
)
def test_comparisons(family: str, a: ObjectFacts, b: ObjectFacts, expected: str | None) -> None:
    assert compare(family, a, b) == expected
    opposite = compare(family, b, a)
    assert (opposite is None) == (expected is None)
    assert expected is None or opposite != expected


def test_uncertain_differences_are_too_close_to_call() -> None:
    a, b = thing(0, 0, 2), thing(0, 0, 3)
    assert compare("front_behind", a, b, difference_sigma=0.4) == "front"
    assert compare("front_behind", a, b, difference_sigma=0.6) is None


def test_left_and_right_wrap_around_behind_the_camera() -> None:
    behind_left, behind_right = thing(-0.5, 0, -2), thing(0.5, 0, -2)
    assert compare("left_right", behind_left, behind_right) == "right"


def test_hours_differ_by_at_most_six() -> None:
    assert hour_difference(12, 1) == 1
    assert hour_difference(2, 10) == 4
    assert hour_difference(3, 9) == 6
