# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The drive that surveys a room, its drifting odometry, and the detector with known faults."""

from __future__ import annotations

import math

import numpy as np
import pytest

from spatialgeo_ros.sim.detector import DetectorModel
from spatialgeo_ros.sim.odometry import OdometryModel, largest_error
from spatialgeo_ros.sim.path import BaseState
from spatialgeo_ros.sim.room import make_room
from spatialgeo_ros.sim.survey import survey


def way(states: list[BaseState]) -> float:
    return sum(math.hypot(b.x - a.x, b.y - a.y) for a, b in zip(states, states[1:], strict=False))


def test_a_survey_turns_once_and_drives_a_lap() -> None:
    room = make_room(870_100)
    stops = survey(room, 60)
    assert len(stops) == 60
    seconds = [stop.seconds for stop in stops]
    assert all(b > a for a, b in zip(seconds, seconds[1:], strict=False))
    turn = [stop.state for stop in stops[:30]]
    assert len({(state.x, state.y) for state in turn}) == 1
    yaws = np.unwrap([state.yaw for state in turn])
    assert yaws[-1] - yaws[0] == pytest.approx(2 * math.pi * 29 / 30)
    assert all(room.is_free(stop.state.x, stop.state.y, 0.24) for stop in stops)
    assert way([stop.state for stop in stops[30:]]) > 3.0
    with pytest.raises(ValueError, match="2 images"):
        survey(room, 1)


@pytest.mark.parametrize("drift", [0.0, 0.005, 0.02, 0.05])
def test_odometry_drifts_as_far_as_it_should(drift: float) -> None:
    states = [stop.state for stop in survey(make_room(870_101), 60)]
    for seed in range(5):
        believed = OdometryModel(drift).apply(states, np.random.default_rng(seed))
        assert believed[0] == states[0] and len(believed) == len(states)
        assert largest_error(states, believed) == pytest.approx(drift * way(states), rel=0.02)


def test_two_drives_drift_differently_and_the_same_one_alike() -> None:
    states = [stop.state for stop in survey(make_room(870_101), 40)]
    a, b, c = (OdometryModel().apply(states, np.random.default_rng(k)) for k in (1, 1, 2))
    assert a == b and a != c


def test_who_does_not_move_does_not_drift() -> None:
    states = [BaseState(1.0, 2.0, 0.1 * k) for k in range(5)]
    assert OdometryModel().apply(states, np.random.default_rng(0)) == states


def labelled(width: int = 200, height: int = 150) -> np.ndarray:
    image = np.full((height, width), -1, np.int16)
    image[40:100, 30:90] = 0
    image[20:60, 120:180] = 2
    image[140:142, 150:152] = 1  # four pixels
    return image


def test_a_perfect_detector_gives_the_boxes_of_the_visible_pixels() -> None:
    found = DetectorModel.perfect().detect(
        labelled(), ("chair", "mug", "sofa"), np.random.default_rng(0)
    )
    assert [(region.label, region.box) for region in found] == [
        ("chair", (30.0, 40.0, 89.0, 99.0)),
        ("sofa", (120.0, 20.0, 179.0, 59.0)),
    ]


def test_a_faulty_detector_is_as_faulty_as_it_says() -> None:
    model = DetectorModel(miss=0.2, jitter=0.05, confusion=0.1, false_alarms=0.3)
    rng = np.random.default_rng(1)
    image = labelled()
    runs = [model.detect(image, ("chair", "mug", "sofa"), rng, ("chair", "sofa", "door"))
            for _ in range(600)]  # fmt: skip
    sofas = [
        region for found in runs for region in found
        if region.box is not None and abs(region.box[0] - 120) < 20 and region.box[3] < 80
        and region.score > 0.45
    ]  # fmt: skip
    # 8 % of the image: found with probability 0.8 * 0.08 / 0.082.
    assert len(sofas) / 600 == pytest.approx(0.78, abs=0.06)
    renamed = np.mean([region.label != "sofa" for region in sofas])
    assert 0.01 < renamed < 0.12
    lefts = np.array([region.box[0] for region in sofas if region.label == "sofa"])
    assert lefts.std() == pytest.approx(0.05 * 59, rel=0.2)
    total = sum(len(found) for found in runs) / 600
    assert total == pytest.approx(2 * 0.78 + 0.3, abs=0.12)
    for region in (region for found in runs for region in found):
        x0, y0, x1, y1 = region.box
        assert 0 <= x0 <= x1 <= 199 and 0 <= y0 <= y1 <= 149
        assert 0 <= region.score <= 1


def test_an_empty_image_has_nothing_but_false_alarms() -> None:
    nothing = np.full((60, 80), -1, np.int16)
    assert DetectorModel.perfect().detect(nothing, (), np.random.default_rng(0)) == ()
    assert DetectorModel(false_alarms=5.0).detect(nothing, (), np.random.default_rng(0)) == ()
    found = DetectorModel(false_alarms=5.0).detect(
        nothing, (), np.random.default_rng(0), ("chair",)
    )
    assert found and all(region.score <= 0.6 for region in found)
