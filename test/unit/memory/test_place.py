# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fusing views of a box: covariance, sides, heading, and how far down it reaches."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from map_scene import Stage, looking, thing

from spatialgeo_ros.memory.place import Place, turned


@pytest.fixture
def frame():
    return Stage([thing("chair", 2.0, 0.0)]).frame(looking(0, 0, 0.0))


def seen(frame, **changes):
    return replace(frame.detected[0], **changes)


def test_many_views_from_one_side_do_not_make_it_surer_than_one_view_is_right(frame) -> None:
    sigma = 0.1
    covariance = sigma**2 * np.eye(3)
    place = Place.of(seen(frame, covariance=covariance), frame, 0)
    for k in range(50):
        place.fuse(seen(frame, covariance=covariance), frame, 0.0, 0, k)
    alone = np.sqrt(place.centre_covariance[0, 0])
    assert alone >= sigma
    for direction in range(1, 8):
        place.fuse(seen(frame, covariance=covariance), frame, 0.0, direction, 0)
    assert np.sqrt(place.centre_covariance[0, 0]) < 0.6 * alone


def test_covariance_does_not_shrink_below_the_pose_error(frame) -> None:
    place = Place.of(seen(frame), frame, 0)
    for direction in range(80):
        place.fuse(seen(frame), frame, 0.0, direction % 8, direction // 8)
    assert np.sqrt(np.linalg.eigvalsh(place.covariance)).min() >= frame.pose_sigma * 0.999


def test_views_that_scatter_more_than_they_say_widen_the_covariance(frame) -> None:
    calm, restless = (Place.of(seen(frame), frame, 0) for _ in range(2))
    for k in range(20):
        for place, off in ((calm, 0.0), (restless, 0.25)):
            centre = frame.detected[0].centre + [0.0, off * (-1) ** k, 0.0]
            place.fuse(seen(frame, centre=centre), frame, 0.0, k % 8, k // 8)
    assert restless.centre_covariance[1, 1] > 2 * calm.centre_covariance[1, 1]


def test_many_views_that_agree_overcome_a_few_wrong_first_ones(frame) -> None:
    """A table whose first boxes were lifted a metre off, with a standard deviation of 10 cm."""
    sure = 0.1**2 * np.eye(3)
    wrong = seen(frame, centre=frame.detected[0].centre + [1.0, 0.3, 0.0], covariance=sure)
    place = Place.of(wrong, frame, 0)
    for k in range(1, 4):
        place.fuse(wrong, frame, 0.0, k, 0)
    true = frame.detected[0].centre[:2]
    for k in range(18):
        place.fuse(seen(frame, covariance=sure), frame, 0.0, k % 3, k // 3)
    assert np.linalg.norm(place.top[:2] - true) < 0.15


def test_one_wrong_view_of_many_that_agree_hardly_moves_the_place(frame) -> None:
    sure = 0.1**2 * np.eye(3)
    place = Place.of(seen(frame, covariance=sure), frame, 0)
    for k in range(1, 16):
        place.fuse(seen(frame, covariance=sure), frame, 0.0, k % 8, k // 8)
    off = seen(frame, centre=frame.detected[0].centre + [1.0, 0.3, 0.0], covariance=sure)
    place.fuse(off, frame, 0.0, 0, 2)
    assert np.linalg.norm(place.top[:2] - frame.detected[0].centre[:2]) < 0.05


def test_good_views_overcome_many_that_took_width_for_depth(frame) -> None:
    """A sofa seen cut off from one end first: its sides follow, and their sigma says meanwhile."""
    true = np.array([1.56, 0.95])
    cut = seen(frame, size=np.array([0.9, 1.8, 0.8]), size_sigma=np.array([0.19, 0.27, 0.02]))
    place = Place.of(cut, frame, 0)
    for k in range(1, 12):
        place.fuse(cut, frame, 0.0, 0, k)
    good = seen(frame, size=np.array([*true, 0.8]), size_sigma=np.array([0.11, 0.16, 0.02]))
    for k in range(20):
        place.fuse(good, frame, 0.0, 1 + k // 8, k % 8)
        assert (np.abs(place.sides - true) < 4 * place.size_sigma[:2]).all(), (k, place.sides)
    np.testing.assert_allclose(place.sides, true, atol=0.12)


def test_one_bad_view_of_many_good_ones_hardly_moves_the_sides(frame) -> None:
    good = seen(frame, size=np.array([1.56, 0.95, 0.8]), size_sigma=np.array([0.1, 0.1, 0.02]))
    place = Place.of(good, frame, 0)
    for k in range(1, 16):
        place.fuse(good, frame, 0.0, k % 8, k // 8)
    before = place.size_sigma[0]
    part = seen(frame, size=np.array([0.9, 0.95, 0.8]), size_sigma=np.array([0.1, 0.1, 0.02]))
    place.fuse(part, frame, 0.0, 0, 2)
    assert place.sides[0] == pytest.approx(1.56, abs=0.06)
    assert place.size_sigma[0] > 1.2 * before


def test_the_bottom_is_voted_for_not_averaged(frame) -> None:
    """Some views see the back rest only, more see that it reaches the floor."""
    top = 0.9
    place = None
    for k, low in enumerate([0.5, 0.0, 0.02, 0.5, -0.01, 0.0, 0.01]):
        height = top - low
        view = seen(
            frame, centre=np.array([2.0, 0.0, low + height / 2]),
            size=np.array([0.48, 0.5, height]),
        )  # fmt: skip
        if place is None:
            place = Place.of(view, frame, k)
        else:
            place.fuse(view, frame, 0.0, k, 0)
    assert place.bottom == pytest.approx(0.0, abs=0.03)
    assert place.size[2] == pytest.approx(0.9, abs=0.05)
    assert place.bottom_sigma > 0.03


def test_sides_are_compared_in_the_nearest_quarter_turn() -> None:
    sides, rest = turned([1.2, 0.4], np.pi / 2 + 0.1, 0.0)
    np.testing.assert_allclose(sides, [0.4, 1.2])
    assert rest == pytest.approx(0.1)
    sides, rest = turned([1.2, 0.4], np.pi - 0.2, 0.0)
    np.testing.assert_allclose(sides, [1.2, 0.4])
    assert rest == pytest.approx(-0.2)


def test_a_cut_view_hardly_changes_where_the_top_is(frame) -> None:
    for cut in (False, True):
        place = Place.of(seen(frame), frame, 0)
        low = seen(
            frame, centre=np.array([2.0, 0.0, 0.3]), size=np.array([0.48, 0.5, 0.6]),
            size_sigma=np.array([0.05, 0.05, 0.4]), cut=cut,
            covariance=np.diag([0.01, 0.01, 0.01 + 0.04]) ** 1,
        )  # fmt: skip
        place.fuse(low, frame, 0.0, 1, 0)
        moved = 0.9 - place.top[2]
        assert (moved < 0.02) if cut else (moved > 0.005)


def test_the_box_moves_or_grows_to_hold_its_surface(frame) -> None:
    unsure = np.array([0.2, 0.6, 0.02])
    place = Place.of(seen(frame, size_sigma=unsure), frame, 0)
    rng = np.random.default_rng(0)
    low, high = np.array([1.76, -0.25, 0.0]), np.array([2.24, 0.25, 0.9])
    inside = rng.uniform(low, high, (300, 3)).astype(np.float32)
    centre, size = place.holding(inside, 0.02)
    np.testing.assert_allclose(centre, place.centre, atol=0.02)
    np.testing.assert_allclose(size, place.size, atol=0.02)
    shifted = inside + np.float32([0.0, 0.2, 0.0])
    centre, size = place.holding(shifted, 0.02)
    assert centre[1] > place.centre[1] + 0.1 and size[1] < place.size[1] + 0.1
    wide = inside * np.float32([1, 3, 1])
    centre, size = place.holding(wide, 0.02)
    assert size[1] > 1.2 and abs(centre[1] - place.centre[1]) < 0.1
    # What sticks out farther than the size may be wrong is of something else.
    sure = Place.of(seen(frame), frame, 0)
    assert sure.holding(wide, 0.02)[1][1] < 0.6
    assert place.holding(inside[:3], 0.02)[1] == pytest.approx(place.size)
