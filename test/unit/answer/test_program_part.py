# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a question may call things, and which images should show what an answer rests on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spatialgeo_ros.answer.program_part import expected_in, labels_known
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL, Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.result import Result, ResultType

S = 10**9
CAMERA = PinholeCamera(64, 48, 60.0, 60.0, 31.5, 23.5)
AHEAD = Pose(BODY_FROM_OPTICAL.rotation, np.array([0.0, 0.0, 1.0]))
RESULT = Result(ResultType.NUMBER, "", (1.0,), (0.1,), "m", objects=("chair_1",))


def observation(**fields: object) -> Observation:
    frame = Frame("front", 10 * S, "optical", np.zeros((48, 64, 3), np.uint8), CAMERA, None,
                  AHEAD, "map", **fields)  # type: ignore[arg-type]  # fmt: skip
    return Perception(None).observe(frame)


def snapshot(x: float, y: float = 0.0, seen: int = 9) -> MapSnapshot:
    chair = MapObject(
        "chair_1", "red chair", np.array([x, y, 1.0]), np.eye(3) * 1e-4, np.full(3, 0.5),
        np.full(3, 0.02), 0.0, 0, seen * S,
    )  # fmt: skip
    return MapSnapshot((chair,), "map", 10 * S)


def test_what_was_seen_a_moment_ago_and_lies_ahead_is_expected() -> None:
    assert expected_in(RESULT, snapshot(2.0), observation())


@pytest.mark.parametrize(
    ("x", "y", "seen"), [(-2.0, 0.0, 9), (2.0, 5.0, 9), (2.0, 0.0, 3)], ids=["back", "side", "old"]
)
def test_what_is_elsewhere_or_long_gone_is_not(x: float, y: float, seen: int) -> None:
    assert not expected_in(RESULT, snapshot(x, y, seen), observation())


def test_a_detector_knows_better_and_without_a_pose_nothing_is_known() -> None:
    assert not expected_in(RESULT, snapshot(2.0), observation(detections_stamp_ns=10 * S))
    assert not expected_in(replace(RESULT, objects=()), snapshot(2.0), observation())
    unplaced = observation()
    unplaced = replace(unplaced, frame=replace(unplaced.frame, pose=None))
    assert not expected_in(RESULT, snapshot(2.0), unplaced)


def test_colours_of_labels_are_no_nouns() -> None:
    """Else "the red crate" would be any crate."""
    boxes = (Region.from_box(0, 0, 9, 9, "blue crate", 0.9), Region.from_box(0, 0, 9, 9, "tv", 0.9))
    seen = observation(detections=boxes, detections_stamp_ns=10 * S)
    assert labels_known(snapshot(2.0), seen, ()) == {"chair", "crate", "television"}
