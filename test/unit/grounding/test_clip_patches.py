# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Phrases matched to detections, and coarse heat-maps refined to the pixels of an object."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from spatialgeo_ros.geometry.pointmap import pointmap_from_depth
from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.grounding.clip_patches import (
    blobs,
    match_detections,
    name_probabilities,
    refine,
)
from spatialgeo_ros.query.vocabulary import Vocabulary
from spatialgeo_ros.sim.path import RobotPath
from spatialgeo_ros.sim.renderer import RendererUnavailableError, RoomRenderer
from spatialgeo_ros.sim.rig import camera_pose, default_camera
from spatialgeo_ros.sim.room import make_room

VOCABULARY = Vocabulary(kinds=("chair", "sofa", "table"), colours=("red", "blue"))


def _two_chairs() -> np.ndarray:
    image = np.full((120, 160, 3), 150, np.uint8)
    image[20:60, 10:50] = (200, 30, 30)
    image[20:60, 100:150] = (30, 60, 190)
    return image


def _matches(words: str, *detections: Region) -> list[Region]:
    phrase = VOCABULARY.parse(words)
    return [region for region, _ in match_detections(phrase, detections, _two_chairs(), VOCABULARY)]


def test_colour_of_a_phrase_picks_among_detections_without_colours() -> None:
    red = Region.from_box(10, 20, 49, 59, "chair", 0.9)
    blue = Region.from_box(100, 20, 149, 59, "chair", 0.8)
    assert _matches("the red seat", red, blue) == [red]
    assert _matches("the blue seat", red, blue) == [blue]


def test_a_box_that_shows_a_little_of_the_next_things_colour_is_not_of_that_colour() -> None:
    red = Region.from_box(10, 20, 49, 59, "chair", 0.6)
    grazing = Region.from_box(45, 10, 84, 69, "chair", 0.95)  # a grey thing beside the red one
    assert _matches("the red chair", grazing, red) == [red]


def test_every_detection_that_fits_is_a_candidate_surest_first() -> None:
    weak = Region.from_box(10, 20, 49, 59, "chair", 0.6)
    strong = Region.from_box(100, 20, 149, 59, "chair", 0.8)
    table = Region.from_box(0, 0, 9, 9, "table", 0.99)
    assert _matches("chair", weak, strong, table) == [strong, weak]


def test_boxes_that_are_nearly_the_same_are_one_object() -> None:
    first = Region.from_box(10, 20, 49, 59, "chair", 0.9)
    again = Region.from_box(12, 20, 52, 58, "chair", 0.8)
    beside = Region.from_box(35, 20, 74, 59, "chair", 0.7)
    assert _matches("chair", again, first, beside) == [first, beside]


def test_no_detection_fits() -> None:
    chair = Region.from_box(10, 20, 49, 59, "chair", 0.9)
    assert _matches("the sofa", chair) == []
    assert _matches("the blue chair", chair) == []


def test_detections_outside_the_image_are_passed_over() -> None:
    assert _matches("red chair", Region.from_box(500, 500, 600, 600, "chair", 0.9)) == []


def test_probabilities_of_the_names_sum_to_one() -> None:
    logits = np.random.default_rng(0).normal(0, 30, (5, 3, 4))
    total = name_probabilities(logits).sum(axis=0)
    np.testing.assert_allclose(total, 1.0, rtol=1e-5)


def test_blobs_are_separate_and_sorted_by_mass() -> None:
    heat = np.zeros((9, 12), np.float32)
    heat[1:3, 1:3] = 0.9
    heat[5:9, 6:10] = 0.6
    heat[4, 5] = 0.2
    found = blobs(heat, 0.1)
    assert len(found) == 2
    assert found[0].peak == pytest.approx(0.6)
    assert found[0].cells.sum() == 16  # the weak cell beside it is below half of its peak
    assert found[1].peak == pytest.approx(0.9)
    assert blobs(heat, 0.95) == []
    assert blobs(np.full((9, 12), np.nan), 0.1) == []


def test_refine_gives_nothing_without_heat() -> None:
    cells = np.zeros((9, 12), bool)
    assert refine(np.zeros((9, 12)), cells, _two_chairs()) is None


def test_refine_follows_the_edges_of_the_object_not_of_the_patches() -> None:
    image = _two_chairs()
    truth = np.zeros((120, 160), bool)
    truth[20:60, 10:50] = True
    heat = cv2.resize(truth.astype(np.float32), (12, 9), interpolation=cv2.INTER_AREA)
    blob = blobs(heat, 0.3)[0]
    mask = refine(heat, blob.cells, image)
    assert mask is not None
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9
    np.testing.assert_allclose(Region.from_mask(mask).bounds(120, 160), (10, 20, 49, 59), atol=2)


@pytest.mark.slow
def test_noisy_patch_heat_finds_objects_of_simulated_rooms() -> None:
    """Ground-truth masks on the 12 x 9 patch grid, blurred and with noise, as heat-maps."""
    camera = default_camera()
    rng = np.random.default_rng(0)
    overlaps, offsets, coarse = [], [], []
    for seed in (900000, 900001, 900003, 900005):
        room = make_room(seed)
        try:
            renderer = RoomRenderer(room, 640, 480)
        except RendererUnavailableError as error:
            pytest.skip(str(error))
        path = RobotPath(room)
        for part in (0.1, 0.4, 0.75):
            state = path.at(path.period * part)
            pose = camera_pose(state.x, state.y, state.yaw)
            view = renderer.render(pose, camera)
            points = pointmap_from_depth(view.depth, camera).points
            for index, thing in enumerate(room.objects):
                truth = view.segmentation == index
                if truth.mean() < 0.01:
                    continue
                heat = cv2.resize(truth.astype(np.float32), (12, 9), interpolation=cv2.INTER_AREA)
                heat = cv2.GaussianBlur(heat, (3, 3), 0.7)
                heat = np.clip(heat / heat.max() + rng.normal(0, 0.1, heat.shape), 0, 1)
                found = blobs(heat, 0.4)
                assert found, thing.name
                mask = refine(
                    heat,
                    found[0].cells,
                    view.rgb,
                    points,
                    gravity_in_camera(pose),
                    float(pose.translation[2]),
                    VOCABULARY.parse(thing.name).colour,
                )
                assert mask is not None, thing.name
                overlaps.append((mask & truth).sum() / (mask | truth).sum())
                cells = cv2.resize(
                    found[0].cells.astype(np.uint8), (640, 480), interpolation=cv2.INTER_NEAREST
                )
                coarse.append(((cells > 0) & truth).sum() / ((cells > 0) | truth).sum())
                centre = [np.nanmedian(points[m], axis=0) for m in (mask, truth)]
                offsets.append(float(np.linalg.norm(centre[0] - centre[1])))
        renderer.close()
    assert len(overlaps) >= 12
    assert np.median(overlaps) > 0.85
    assert np.mean(overlaps) > np.mean(coarse) + 0.1
    assert np.median(offsets) < 0.08  # metres
