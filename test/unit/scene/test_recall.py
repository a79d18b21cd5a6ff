# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Remembered, gone, doubted: what was not seen here and now never looks as if it were."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from spatialgeo_ros.errors import PhraseNotFoundError, StaleFrameError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.scene.sighting import HowSeen

W, H, F = 320, 240, 260.0
CAMERA = PinholeCamera(W, H, F, F, (W - 1) / 2, (H - 1) / 2)
FACING_X = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]], float)
WALL = 5.0
PERSON = (150, 75, 180, 200)  # px
S = 10**9


def pose(x: float = 0.0, y: float = 0.0, yaw: float = 0.0) -> Pose:
    c, s = math.cos(yaw), math.sin(yaw)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])
    return Pose(turn @ FACING_X, np.array([x, y, 0.9]))


def frame(
    seconds: float,
    things: dict[str, tuple[tuple[int, int, int, int], float]] | None = None,
    where: Pose | None = None,
    wall: float = WALL,
    detected: bool = True,
    camera: str = "front",
) -> Frame:
    """A wall, a floor 0.9 m below, and things as upright boards at a depth."""
    rows = np.arange(H) - (H - 1) / 2
    floor = np.where(rows > 1, 0.9 * F / np.maximum(rows, 1), 99.0)
    depth = np.repeat(np.minimum(wall, floor)[:, None], W, axis=1).astype(np.float32)
    boxes = []
    stamp = int(seconds * S)
    for label, ((x0, y0, x1, y1), z) in (things or {}).items():
        part = depth[y0 : y1 + 1, x0 : x1 + 1]
        np.minimum(part, z, out=part)
        if detected:
            boxes.append(replace(Region.from_box(x0, y0, x1, y1, label, 0.9), stamp_ns=stamp))
    image = np.full((H, W, 3), 127, np.uint8)
    return Frame(
        camera, stamp, f"{camera}_optical", image, CAMERA, depth, where or pose(), "odom",
        tuple(boxes), detections_stamp_ns=stamp if detected else 0,
    )  # fmt: skip


def with_person(**options: float) -> Perception:
    perception = Perception(None, **options)
    perception.observe(frame(1, {"person": (PERSON, 2.0)}))
    return perception


def test_a_thing_in_view_says_so() -> None:
    perception = Perception(None)
    seen = perception.observe(frame(1, {"person": (PERSON, 2.0)}))
    estimate = perception.measure(seen, [], "the person")[0]
    assert estimate.valid
    assert (estimate.how, estimate.age, estimate.seen_stamp_ns) == (HowSeen.IN_VIEW, 0.0, S)


def test_a_place_that_is_seen_empty_is_gone() -> None:
    perception = with_person()
    now = perception.observe(frame(3))
    with pytest.raises(PhraseNotFoundError, match=r"gone: its place, seen 2\.0 s earlier"):
        perception.locate(now, "the person")


def test_gone_is_seen_by_whichever_camera_looks_there() -> None:
    perception = with_person()
    perception.observe(frame(2.9, camera="rear"))
    away = perception.observe(frame(3, where=pose(yaw=math.pi)))
    with pytest.raises(PhraseNotFoundError, match="gone"):
        perception.locate(away, "the person")


def test_a_thing_that_is_still_there_but_not_detected_is_remembered() -> None:
    perception = with_person()
    now = perception.observe(frame(3, {"person": (PERSON, 2.0)}, detected=False))
    estimate = perception.measure(now, [], "the person")[0]
    assert (estimate.valid, estimate.how, estimate.age) == (True, HowSeen.REMEMBERED, 2.0)


def test_a_thing_behind_something_else_is_remembered() -> None:
    perception = with_person()
    hidden = perception.observe(frame(3, {"screen": ((120, 40, 220, 220), 1.0)}))
    assert perception.measure(hidden, [], "the person")[0].how is HowSeen.REMEMBERED


def test_things_out_of_view_are_forgotten_after_a_while() -> None:
    perception = with_person(memory_max_age=30.0)
    late = perception.observe(frame(20, where=pose(yaw=math.pi)))
    assert perception.locate(late, "the person").age == 19.0
    later = perception.observe(frame(40, where=pose(x=0.1, yaw=math.pi)))
    with pytest.raises(PhraseNotFoundError, match=r"39 s earlier.*memory_max_age"):
        perception.locate(later, "the person")


def test_recall_can_be_refused() -> None:
    perception = with_person()
    away = perception.observe(frame(3, where=pose(yaw=math.pi)))
    with pytest.raises(PhraseNotFoundError, match="not recalled"):
        perception.measure(away, [], "the person", recall=False)


@pytest.mark.parametrize("seconds", [2.0, 10.0, 50.0])
def test_sigma_grows_with_age_and_drift(seconds: float) -> None:
    perception = with_person(drift=0.01)
    away = perception.observe(frame(1 + seconds, where=pose(yaw=math.pi)))
    remembered = perception.measure(away, [Kind.CAMERA_TO_OBJECT], "the person")[0]
    assert remembered.sigma == pytest.approx(math.hypot(0.01 * seconds, 0.02), abs=0.02)


def test_sizes_do_not_drift_and_pairs_of_one_image_neither() -> None:
    things = {"person": (PERSON, 2.0), "lamp": ((220, 75, 250, 200), 2.2)}
    perception = Perception(None, drift=0.1)
    seen = perception.observe(frame(1, things))
    fresh = perception.measure(seen, [Kind.WIDTH, Kind.NEAREST_POINTS], "person", "lamp")
    away = perception.observe(frame(11, where=pose(yaw=math.pi)))
    old = perception.measure(away, [Kind.WIDTH, Kind.NEAREST_POINTS], "person", "lamp")
    for before, after in zip(fresh, old, strict=True):
        assert after.how is HowSeen.REMEMBERED
        assert after.sigma == pytest.approx(before.sigma)


def test_pairs_across_minutes_of_odometry_say_how_uncertain_they_are() -> None:
    perception = Perception(None)
    perception.observe(frame(1, {"chair": (PERSON, 2.0)}))
    table = {"table": ((40, 75, 80, 200), 3.0)}
    now = perception.observe(frame(51, table, where=pose(x=0.5, y=1.0, yaw=0.9)))
    estimate = perception.measure(now, [Kind.NEAREST_POINTS], "the chair", "the table")[0]
    assert estimate.how is HowSeen.REMEMBERED
    assert estimate.age == 50.0
    assert estimate.sigma > 0.2 or not estimate.valid


def test_boxes_of_another_image_widen_sigma_or_are_refused() -> None:
    perception = Perception(None)
    seen = frame(1, {"person": (PERSON, 2.0)})
    exact = perception.measure(perception.observe(seen), [], "person")[0]
    (box,) = seen.detections

    def drawn(ms: float) -> Frame:
        return replace(seen, detections=(replace(box, stamp_ns=S - round(ms * 1e6)),))

    late = perception.measure(perception.observe(drawn(20)), [], "person")[0]
    assert (late.valid, late.how) == (True, HowSeen.OTHER_STAMP)
    assert late.sigma == pytest.approx(math.hypot(exact.sigma, 2.0 * 0.5 * 0.02), abs=2e-3)
    refused = perception.measure(perception.observe(drawn(200)), [], "person")[0]
    assert not refused.valid
    assert "200 ms away" in refused.reason


def test_a_region_is_measured_in_its_own_image_while_that_is_kept() -> None:
    perception = Perception(None)
    perception.observe(frame(1, {"person": (PERSON, 2.0)}))
    moved = perception.observe(frame(2, {"person": ((20, 75, 50, 200), 3.0)}))
    region = replace(Region.from_box(*PERSON, "person"), stamp_ns=S)
    sighting = perception.locate(moved, region)
    assert (sighting.frame.stamp_ns, sighting.age) == (S, 1.0)
    assert np.median(sighting.points.points[:, 2]) == pytest.approx(2.0, abs=0.02)
    with pytest.raises(StaleFrameError, match="not kept any more"):
        perception.locate(moved, replace(region, stamp_ns=S // 2))


def test_an_image_looked_at_aside_is_no_keyframe_and_not_the_newest() -> None:
    perception = Perception(None)
    newest = perception.observe(frame(2))
    aside = perception.observe_aside(frame(1.9, {"person": (PERSON, 2.0)}))
    assert len(perception.keyframes()) == 1
    assert perception.measure(aside, [], "person")[0].valid
    assert perception.observation_at("front", newest.frame.stamp_ns) is not None
    again = perception.observe_aside(frame(1.9, {"person": (PERSON, 2.0)}))
    assert again.frame is aside.frame, "the same image is not worked out twice"


def test_an_answer_says_how_its_objects_were_seen() -> None:
    perception = with_person()
    away = perception.observe(frame(4, where=pose(yaw=math.pi)))
    answer = perception.ask("How far is the person?", away)
    assert (answer.how, answer.age, answer.seen_stamp_ns) == (HowSeen.REMEMBERED, 3.0, S)
    assert [one.how for one in answer.distances] == [HowSeen.REMEMBERED]
