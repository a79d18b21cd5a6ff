# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The unseen half of an object is estimated: from its kind's size, the floor and its outline."""

from dataclasses import replace

import numpy as np
import pytest
from geometry_scene import HEIGHT, Block, box_of, see

from spatialgeo_ros.geometry.completion import estimate_centre
from spatialgeo_ros.geometry.footprint import fit_footprint
from spatialgeo_ros.geometry.pointmap import DepthNoise
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object
from spatialgeo_ros.geometry.sizes import TYPICAL_SIZES, usual_size

KINECT = DepthNoise(0.0012, 0.0019)


def complete(blocks, label="", sizes=None, noise=KINECT, knows_floor=True):
    made, index, gravity, pose = see(blocks, noise)
    thing = segment_object(
        made,
        Region.from_box(*box_of(index, 0), label=label),
        gravity,
        HEIGHT if knows_floor else None,
    )
    done = estimate_centre(thing, sizes=sizes)
    return done, pose.apply(done.centre), thing, pose


def test_wardrobe_from_the_front_gets_its_depth_from_its_kind():
    # Higher than the camera and square to it: only the front face is seen. Width lies along y.
    block = Block(3.0, 0.0, (0.6, 1.2, 2.0))
    done, centre, thing, pose = complete([block], "the white wardrobe")
    np.testing.assert_allclose(centre, block.centre, atol=0.08)
    np.testing.assert_allclose(done.extents, (1.2, 2.0, 0.6), atol=0.12)
    surface = pose.apply(thing.surface.astype(float)).mean(axis=0)
    assert np.linalg.norm(surface - block.centre) > 0.25  # the visible half alone is off
    assert done.sigma > 0.03


def test_a_thing_small_for_its_kind_is_as_wide_as_it_is_seen():
    # Both ends are in view: it was made as wide as usual all the same, into what is seen free.
    block = Block(3.0, 0.0, (0.4, 0.75, 1.2))
    usual = usual_size("wardrobe", TYPICAL_SIZES)
    assert usual is not None and usual[1] < 0.75 < 0.7 * usual[0]
    done, centre, _, _ = complete([block], "wardrobe")
    assert done.extents[0] == pytest.approx(0.75, abs=0.05)
    assert abs(centre[1]) < 0.05
    assert 0.05 < done.extent_sigma[0] < 0.25  # a part of it may not have been found


def test_unknown_kind_still_gets_some_depth_and_is_less_certain():
    block = Block(3.0, 0.0, (0.6, 1.2, 2.0))
    named, _, _, _ = complete([block], "wardrobe")
    unnamed, centre, _, _ = complete([block], "thing", sizes={})
    assert 3.0 - 0.3 + 0.1 < centre[0] < 3.3
    assert unnamed.sigma > named.sigma


def test_corner_view_needs_no_prior():
    block = Block(2.8, 0.0, (1.0, 0.5, 0.7), yaw=0.7)
    done, centre, _, pose = complete([block], sizes={})
    np.testing.assert_allclose(centre, block.centre, atol=0.05)
    along = pose.rotation @ done.rotation[:, 0]  # width axis in the world
    expected = np.array([np.cos(0.7), np.sin(0.7), 0])
    assert abs(along @ expected) > np.cos(np.radians(5))
    assert abs(along[2]) < 1e-6
    assert np.linalg.det(done.rotation) == pytest.approx(1)


def test_hidden_bottom_reaches_the_floor():
    cabinet = Block(3.2, 0.0, (0.5, 1.0, 0.9))
    screen = Block(2.2, 0.0, (0.05, 2.0, 0.45))
    done, centre, thing, _ = complete([cabinet, screen], "cabinet")
    assert thing.cut[3]
    assert done.extents[1] == pytest.approx(0.9, abs=0.05)
    assert centre[2] == pytest.approx(0.45, abs=0.04)


def seen(blocks, label, noise=KINECT):
    made, index, gravity, pose = see(blocks, noise)
    region = Region.from_mask(index == 0, label=label)
    return segment_object(made, region, gravity, HEIGHT), pose


def test_things_reach_down_to_what_they_stand_on_and_not_to_the_floor():
    """The lower half of a thing on a table is hidden by another one."""
    crate = Block(2.0, 0.0, (0.2, 0.2, 0.3), bottom=0.5)
    blocks = [crate, Block(1.6, 0.0, (0.05, 0.4, 0.12), bottom=0.5)]
    thing, pose = seen(blocks, "thingummy")
    hidden = replace(thing, base=HEIGHT - 0.5, cut=(False, False, False, True))
    centre = pose.apply(estimate_centre(hidden, sizes={}).centre)
    assert centre[2] == pytest.approx(0.65, abs=0.03)
    # With nothing known to be below, nothing is assumed, but more is possible.
    alone = estimate_centre(replace(hidden, base=None), sizes={})
    assert pose.apply(alone.centre)[2] > centre[2] + 0.02
    uncut = estimate_centre(replace(hidden, base=None, cut=(False,) * 4), sizes={})
    assert alone.extent_sigma[1] > 1.5 * uncut.extent_sigma[1]


def test_floor_far_below_a_shelf_does_not_pull_a_thing_down():
    book = Block(2.2, 0.0, (0.05, 0.2, 0.25), bottom=0.6)
    thing, pose = seen([book], "book")
    for base in (None, HEIGHT):
        centre = pose.apply(estimate_centre(replace(thing, base=base)).centre)
        assert centre[2] == pytest.approx(book.centre[2], abs=0.02)


def test_a_back_rest_over_a_table_does_not_tell_where_the_seat_is():
    rest = Block(3.0, 0.0, (0.04, 0.45, 0.25), bottom=0.6)
    thing, pose = seen([rest], "chair")
    over = estimate_centre(replace(thing, cut=(False, False, False, True)))
    whole = estimate_centre(replace(thing, cut=(False,) * 4))
    assert pose.apply(over.centre)[0] == pytest.approx(3.0, abs=0.05)
    assert pose.apply(whole.centre)[0] > 3.1
    view = pose.rotation.T @ [1.0, 0.0, 0.0]
    assert view @ over.covariance @ view > 1.5 * (view @ whole.covariance @ view)


def test_a_small_flat_front_is_no_deep_thing():
    leaflet = Block(1.5, 0.0, (0.004, 0.15, 0.21), bottom=0.6)
    thing, pose = seen([leaflet], "leaflet")
    done = estimate_centre(thing)
    assert pose.apply(done.centre)[0] - 1.5 < 0.015
    assert done.extents[2] < 0.05


def test_what_lies_flat_has_nothing_behind_it():
    poster = Block(2.5, 0.0, (0.01, 0.6, 0.6), bottom=0.5)
    thing, _ = seen([poster], "thingummy")
    free, flat = (estimate_centre(replace(thing, flat=flat), sizes={}) for flat in (False, True))
    assert flat.extents[2] < 0.05 < 0.2 < free.extents[2]
    view = free.rotation[:, 2]
    assert view @ flat.covariance @ view < 0.5 * (view @ free.covariance @ view)


def test_a_round_thing_is_as_deep_as_wide():
    """The front half of an upright cylinder, seen from its own height."""
    thing, _ = seen([Block(1.5, 0.0, (0.1, 0.1, 0.12), bottom=0.84)], "vase")
    radius, away = 0.05, 1.5
    turn, height = np.meshgrid(np.linspace(-1.2, 1.2, 30), np.linspace(-0.06, 0.06, 12))
    points = np.stack([radius * np.sin(turn), height, away - radius * np.cos(turn)], axis=-1)
    front = points.reshape(-1, 3).astype(np.float32)
    sigma = np.full(len(front), 0.001, np.float32)
    half = replace(
        thing, surface=front, surface_sigma=sigma, gravity=np.array([0.0, 1.0, 0.0]),
        floor_height=None, base=None, cut=(False,) * 4,
    )  # fmt: skip
    done = estimate_centre(half, sizes={})
    assert done.centre[2] == pytest.approx(away, abs=0.012)
    assert done.extents[2] == pytest.approx(2 * radius, abs=0.02)


def test_the_region_tells_how_wide_a_thing_is_where_there_are_no_readings():
    crate = Block(2.0, 0.0, (0.3, 0.4, 0.3))
    thing, pose = seen([crate], "thingummy")
    across = thing.surface[:, 0]
    left = across < np.median(across)
    half = replace(
        thing, surface=thing.surface[left], surface_sigma=thing.surface_sigma[left],
        floor_height=None, base=None,
    )  # fmt: skip
    helped = replace(half, beyond=thing.surface[~left])
    truth, off = 0.0, pose.apply(estimate_centre(half, sizes={}).centre)[1]
    done = estimate_centre(helped, sizes={})
    assert abs(off - truth) > 0.08
    assert pose.apply(done.centre)[1] == pytest.approx(truth, abs=0.02)
    assert done.sigma > estimate_centre(thing, sizes={}).sigma


def test_a_few_points_behind_a_thing_do_not_move_its_centre():
    crate = Block(1.8, 0.0, (0.2, 0.25, 0.3))
    thing, pose = seen([crate], "thingummy")
    rng = np.random.default_rng(0)
    pick = thing.surface[rng.choice(len(thing.surface), len(thing.surface) // 20)]
    strays = pick * np.linspace(1.1, 1.5, len(pick), dtype=np.float32)[:, None]
    spoiled = replace(
        thing,
        surface=np.concatenate([thing.surface, strays]),
        surface_sigma=np.concatenate([thing.surface_sigma, np.full(len(pick), 0.005, np.float32)]),
    )
    good, bad = (estimate_centre(one, sizes={}) for one in (thing, spoiled))
    assert np.linalg.norm(good.centre - bad.centre) < 0.05
    assert bad.sigma > good.sigma


def test_what_hangs_stays_up():
    picture = Block(4.0, 0.0, (0.05, 0.6, 0.5), bottom=1.0)
    done, centre, _, _ = complete([picture], "picture", sizes={})
    assert centre[2] == pytest.approx(1.25, abs=0.05)
    assert done.extents[1] == pytest.approx(0.5, abs=0.06)


def test_side_beyond_the_image_border_is_extended_that_way():
    sofa = Block(2.4, 1.3, (0.9, 1.8, 0.8))
    _, centre, thing, _ = complete([sofa], "sofa")
    seen = see([sofa], KINECT)[3].apply(thing.surface.astype(float)).mean(axis=0)
    assert thing.truncated
    assert abs(centre[1] - 1.3) < 0.5 * abs(seen[1] - 1.3)


def test_kind_is_found_by_the_last_known_word():
    assert usual_size("the red office chair", TYPICAL_SIZES) == TYPICAL_SIZES["chair"]
    assert usual_size("table lamp", TYPICAL_SIZES) == TYPICAL_SIZES["lamp"]
    assert usual_size("two Chairs", TYPICAL_SIZES) == TYPICAL_SIZES["chair"]
    assert usual_size("mug", TYPICAL_SIZES) is None
    assert usual_size("chair", {}) is None


def test_explicit_kind_wins_over_the_label():
    block = Block(3.0, 0.0, (0.6, 1.2, 2.0))
    made, index, gravity, _ = see([block])
    thing = segment_object(made, Region.from_box(*box_of(index, 0), label="door"), gravity, HEIGHT)
    assert estimate_centre(thing, kind_prior="wardrobe").extents[2] > 0.5
    assert estimate_centre(thing).extents[2] < 0.2


def test_covariance_is_that_of_a_position():
    done, *_ = complete([Block(3.0, 0.0, (0.6, 1.2, 2.0))], "wardrobe")
    np.testing.assert_allclose(done.covariance, done.covariance.T, atol=1e-12)
    assert np.linalg.eigvalsh(done.covariance).min() > 0
    # The depth, which is not seen, is less certain than the width, which is.
    width, depth = (done.rotation[:, k] for k in (0, 2))
    assert depth @ done.covariance @ depth > width @ done.covariance @ width


@pytest.mark.parametrize("heading", [0, 17, 45, 80])
def test_footprint_of_an_l_shape(heading):
    turn = np.radians(heading)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    along = np.concatenate(
        [np.stack([np.linspace(0, 1.2, 60), np.zeros(60)], 1),
         np.stack([np.zeros(30), np.linspace(0, 0.6, 30)], 1)]
    )  # fmt: skip
    noisy = along @ axes + np.random.default_rng(0).normal(0, 0.005, (90, 2)) + [3, 1]
    found = fit_footprint(noisy)
    assert np.abs(found.axes @ axes.T).max(axis=1).min() > np.cos(np.radians(2))
    assert sorted(found.high - found.low) == pytest.approx([0.6, 1.2], abs=0.04)
    assert found.share_inside(noisy, 0.05) == 1.0
    assert found.share_inside(noisy + 5, 0.05) == 0.0
