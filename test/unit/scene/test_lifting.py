# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is separated in the regions of an image is kept with it, and not separated twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from geometry_scene import CAMERA, CARTON, MUG, TABLE, WALL, box_of, camera_pose, render

from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.scene import lifting
from spatialgeo_ros.scene.lifting import pixels_in, segment, segment_all, segment_without
from spatialgeo_ros.scene.observer import require_pointmap


@pytest.fixture
def observation() -> Observation:
    depth, index = render([TABLE, MUG, CARTON, WALL], camera_pose())
    boxes = tuple(
        Region.from_box(*map(float, box_of(index, k)), name, 0.9)
        for k, name in enumerate(("table", "mug", "carton"))
    )
    image = np.full((*depth.shape, 3), 120, np.uint8)
    frame = Frame(
        "camera", 1, "optical", image, CAMERA, depth.astype(np.float32), camera_pose(), "odom",
        detections=boxes, detections_stamp_ns=1,
    )  # fmt: skip
    return Perception(None).observe(frame)


def test_what_the_map_separated_is_not_separated_again(
    observation: Observation, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointmap, boxes = require_pointmap(observation), observation.frame.detections
    found = list(segment_all(observation, pointmap, boxes))
    monkeypatch.setattr(lifting, "segment", lambda *_, **__: pytest.fail("separated again"))
    for (_, region, points), box in zip(found, boxes, strict=True):
        pixels = pixels_in(observation, pointmap, box)
        assert region is box and points is not None and pixels is not None
        assert pixels.flat == points.flat
        np.testing.assert_array_equal(pixels.mask, points.mask)
        assert pixels.part.size < 0.3 * points.mask.size  # a keyframe's worth of masks is much


def test_pixels_are_those_of_the_region_itself(observation: Observation) -> None:
    pointmap, mug = require_pointmap(observation), observation.frame.detections[1]
    first = pixels_in(observation, pointmap, mug)
    assert pixels_in(observation, pointmap, mug) is first
    assert pixels_in(observation, pointmap, replace(mug)) is not first  # another, if equal
    nothing = Region.from_box(900.0, 10.0, 950.0, 40.0, "mug")
    assert pixels_in(observation, pointmap, nothing) is None


def test_keyframes_do_not_keep_them() -> None:
    perception = Perception(None)
    depth, index = render([TABLE, MUG, WALL], camera_pose())
    mug = Region.from_box(*map(float, box_of(index, 1)), "mug", 0.9)
    image = np.full((*depth.shape, 3), 120, np.uint8)
    seen = perception.observe(
        Frame(
            "camera", 1, "optical", image, CAMERA, depth.astype(np.float32), camera_pose(), "odom",
            detections=(mug,), detections_stamp_ns=1,
        )
    )  # fmt: skip
    perception.update_map(seen)
    assert len(seen.things) == 1
    assert [one.payload.things for one in perception.scene.keyframes()] == [{}]


def test_what_was_left_out_stays_left_out(observation: Observation) -> None:
    """As where what another thing claims is left out first, and what has another colour then."""
    pointmap, carton = require_pointmap(observation), observation.frame.detections[2]
    points = segment(observation, pointmap, carton)
    left, right = (np.zeros_like(points.mask) for _ in range(2))
    x0, _, x1, _ = points.box
    left[:, : x0 + (x1 - x0) // 4], right[:, x1 - (x1 - x0) // 4 :] = True, True
    once = segment_without(observation, pointmap, carton, points, left)
    assert once is not None and not (once.mask & left).any()
    twice = segment_without(observation, pointmap, carton, once, right)
    assert twice is not None and not (twice.mask & (left | right)).any()
    assert twice.mask.any() and points.excluded is None
