# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Distances agree with known geometry, carry honest sigmas and end points, or say why not."""

from dataclasses import replace

import numpy as np
import pytest
from geometry_scene import HEIGHT, TABLE, TOP, Block, box_of, see

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.geometry.distance import Kind, measure
from spatialgeo_ros.geometry.pointmap import (
    DepthNoise,
    DepthSource,
    PointMap,
    pointmap_from_monocular,
)
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object
from spatialgeo_ros.geometry.uncertainty import hole_doubt

KINECT = DepthNoise(0.0012, 0.0019)
LEFT = Block(2.6, 0.7, (0.5, 0.5, 0.6))
RIGHT = Block(3.2, -0.6, (0.6, 0.5, 0.8))


def both(noise=None, seed=0, blocks=(LEFT, RIGHT), labels=("box", "crate")):
    made, index, gravity, pose = see(list(blocks), noise, seed)
    things = [
        segment_object(made, Region.from_box(*box_of(index, k), label=label), gravity, HEIGHT)
        for k, label in enumerate(labels)
    ]
    return made, index, pose, things


def visible(made, index, block):
    return made.points[index == block].astype(np.float64)


def test_camera_to_object_is_the_nearest_visible_point():
    made, index, _, (a, _) = both()
    estimate = measure(Kind.CAMERA_TO_OBJECT, a)
    truth = np.linalg.norm(visible(made, index, 0), axis=1).min()
    assert estimate.valid and estimate.distance == pytest.approx(truth, rel=0.01)
    assert (estimate.from_label, estimate.to_label) == ("camera", "box")
    np.testing.assert_array_equal(estimate.point_from, np.zeros(3))
    assert np.linalg.norm(estimate.point_to) == pytest.approx(estimate.distance)
    assert estimate.source is DepthSource.SENSOR and estimate.reason == ""


def test_nearest_points_of_two_objects():
    made, index, _, (a, b) = both()
    pa, pb = visible(made, index, 0), visible(made, index, 1)
    truth = min(np.linalg.norm(pb - p, axis=1).min() for p in pa[::3])
    estimate = measure(Kind.NEAREST_POINTS, a, b)
    assert estimate.distance == pytest.approx(truth, rel=0.03)
    gap = np.linalg.norm(estimate.point_to - estimate.point_from)
    assert gap == pytest.approx(estimate.distance)
    # Each end lies on its object.
    assert np.linalg.norm(pa - estimate.point_from, axis=1).min() < 0.03
    assert np.linalg.norm(pb - estimate.point_to, axis=1).min() < 0.03
    back = measure(Kind.NEAREST_POINTS, b, a)
    assert back.distance == pytest.approx(estimate.distance, abs=0.02)


def test_centres_of_whole_blocks():
    _, _, pose, (a, b) = both()
    offset = RIGHT.centre - LEFT.centre
    centre = measure(Kind.CENTRE_TO_CENTRE, a, b)
    assert centre.distance == pytest.approx(np.linalg.norm(offset), rel=0.05)
    horizontal = measure(Kind.HORIZONTAL, a, b)
    assert horizontal.distance == pytest.approx(np.hypot(*offset[:2]), rel=0.05)
    vertical = measure(Kind.VERTICAL, a, b)
    assert vertical.distance == pytest.approx(abs(offset[2]), abs=0.02)
    # The end points of both lie level with and straight above each other in the world.
    ends = pose.apply(np.stack([horizontal.point_from, horizontal.point_to]))
    assert ends[0, 2] == pytest.approx(ends[1, 2], abs=1e-6)
    ends = pose.apply(np.stack([vertical.point_from, vertical.point_to]))
    np.testing.assert_allclose(ends[0, :2], ends[1, :2], atol=1e-6)


def test_extents_of_a_block_seen_from_a_corner():
    block = Block(2.6, 0.0, (1.0, 0.5, 0.7), yaw=0.6)
    made, index, gravity, _ = see([block])
    thing = segment_object(made, Region.from_box(*box_of(index, 0)), gravity, HEIGHT)
    for kind, truth in ((Kind.WIDTH, 1.0), (Kind.DEPTH_EXTENT, 0.5), (Kind.HEIGHT, 0.7)):
        estimate = measure(kind, thing)
        assert estimate.distance == pytest.approx(truth, abs=0.06), kind.name
        ends = np.linalg.norm(estimate.point_to - estimate.point_from)
        assert ends == pytest.approx(estimate.distance)


def test_noise_does_not_pull_the_nearest_points_together():
    """The least of many noisy distances is too small; that of a denoised surface is not."""
    clean = measure(Kind.NEAREST_POINTS, *both()[3])
    errors, sigmas = [], []
    for seed in range(12):
        estimate = measure(Kind.NEAREST_POINTS, *both(KINECT, seed)[3])
        errors.append(estimate.distance - clean.distance)
        sigmas.append(estimate.sigma)
    assert abs(np.mean(errors)) < 0.015
    assert np.mean(np.abs(errors) < 2 * np.array(sigmas)) > 0.9
    assert max(sigmas) < 0.08


def test_outliers_of_a_few_pixels_do_not_count():
    made, index, gravity, _ = see([LEFT, RIGHT])
    depth = made.depth.copy()
    rows, columns = np.nonzero(index == 1)
    pick = np.random.default_rng(0).choice(len(rows), 5, replace=False)
    depth[rows[pick], columns[pick]] = 0.8
    points = made.camera.rays() * depth[..., None]
    spoiled = PointMap.of_points(points, made.valid, made.sigma, made.camera, made.source)
    things = [
        segment_object(m, Region.from_mask(index == 1, label="crate"), gravity, HEIGHT)
        for m in (made, spoiled)
    ]
    good, bad = (measure(Kind.CAMERA_TO_OBJECT, thing) for thing in things)
    assert bad.distance == pytest.approx(good.distance, abs=0.02)


def test_a_few_cells_of_a_neighbour_do_not_make_two_things_touch():
    """Pixels of one small thing lie at the depth of another one behind it."""
    blocks = (Block(1.6, 0.25, (0.2, 0.2, 0.3)), Block(2.0, -0.25, (0.2, 0.2, 0.3)))
    _, _, _, (a, b) = both(blocks=blocks)
    clean = measure(Kind.NEAREST_POINTS, a, b)
    strays = b.surface[:: max(1, len(b.surface) // 20)][:20]
    spoiled = replace(
        a,
        surface=np.concatenate([a.surface, strays]),
        surface_sigma=np.concatenate([a.surface_sigma, np.full(len(strays), 0.002, np.float32)]),
    )
    estimate = measure(Kind.NEAREST_POINTS, spoiled, b)
    assert clean.distance > 0.3
    assert abs(estimate.distance - clean.distance) < 2 * estimate.sigma
    assert estimate.distance > 0.8 * clean.distance
    assert estimate.sigma > clean.sigma + 0.02


@pytest.mark.parametrize("yaw", [0.35, 0.45, 0.55])
def test_the_corner_of_a_thing_beside_a_smaller_one_is_no_stray(yaw):
    """A laptop's corner is ahead of the rest of it by more than the mug beside it is wide."""
    x, y = 1.5, -0.1
    keys = Block(x, y, (0.22, 0.32, 0.02), yaw=yaw, bottom=TOP)
    screen = Block(
        x + 0.12 * np.cos(yaw), y + 0.12 * np.sin(yaw), (0.015, 0.32, 0.22), yaw, TOP + 0.02
    )
    mug = Block(1.4, 0.4, (0.07, 0.07, 0.09), bottom=TOP)
    made, index, gravity, _ = see([TABLE, keys, screen, mug], KINECT, pitch=np.radians(14))
    laptop = np.isin(index, (1, 2))
    pa, pb = made.points[laptop], visible(made, index, 3)
    truth = min(np.linalg.norm(pa - p, axis=1).min() for p in pb)
    a, b = (segment_object(made, Region.from_mask(own), gravity) for own in (laptop, index == 3))
    estimate = measure(Kind.NEAREST_POINTS, a, b)
    assert abs(estimate.distance - truth) < 0.03


@pytest.mark.parametrize("height", [0.78, 0.65])
@pytest.mark.parametrize("y", [-0.35, 0.35])
def test_the_far_edge_of_a_grazing_top_is_found(height, y):
    """A board hardly below the camera: the rows of its far end are 7 cm and more apart."""
    top, post = Block(1.6, 0.0, (1.2, 1.2, height)), Block(2.55, y, (0.12, 0.12, 1.3))
    made, index, gravity, _ = see([top, post], KINECT, pitch=np.radians(5))
    pa, pb = visible(made, index, 0), visible(made, index, 1)
    truth = min(np.linalg.norm(pb - p, axis=1).min() for p in pa)
    a, b = (segment_object(made, Region.from_mask(index == k), gravity, HEIGHT) for k in (0, 1))
    assert truth - 0.02 < measure(Kind.NEAREST_POINTS, a, b).distance < truth + 0.07


def test_pixels_claimed_by_two_things_belong_to_the_one_that_has_most_of_them():
    made, index, _, (a, b) = both()
    rows, columns = np.nonzero(index == 1)
    patch = (index == 1) & (np.indices(index.shape)[0] < np.median(rows))
    # A mask over surfaces far apart is two readings: the larger surface alone, and all of it.
    alone = segment_object(made, Region.from_mask((index == 0) | patch), None)
    claimed = alone.other
    assert claimed is not None
    right = measure(Kind.NEAREST_POINTS, a, b).distance
    assert claimed.mask[patch].mean() > 0.7  # half of the other block, but for its outline
    # The first thing is made the larger one: it is the one that loses the patch.
    assert claimed.support > b.support
    assert measure(Kind.NEAREST_POINTS, claimed, b).distance == pytest.approx(right, abs=0.08)
    assert measure(Kind.NEAREST_POINTS, b, claimed).distance == pytest.approx(right, abs=0.08)
    assert measure(Kind.NEAREST_POINTS, alone, b).distance == pytest.approx(right, abs=0.08)


def test_missing_readings_between_two_things_make_the_gap_uncertain():
    _, _, _, (a, b) = both()
    plain = measure(Kind.NEAREST_POINTS, a, b)
    between = (plain.point_from + 0.4 * (plain.point_to - plain.point_from)).astype(np.float32)
    unread = measure(Kind.NEAREST_POINTS, replace(a, beyond=between[None]), b)
    assert unread.distance == plain.distance
    assert unread.sigma == pytest.approx(0.6 * 0.4 * plain.distance, rel=0.2)


def test_another_reading_counts_even_where_it_is_too_uncertain_alone():
    _, _, _, (a, b) = both()
    plain = measure(Kind.NEAREST_POINTS, a, b)
    away = np.array([0.0, 0.0, 1.5], np.float32)
    other = replace(b, points=b.points + away, surface=b.surface + away)
    sure = measure(Kind.NEAREST_POINTS, a, other)
    near = (sure.point_from + 0.1 * (sure.point_to - sure.point_from)).astype(np.float32)
    other = replace(other, beyond=near[None])
    alone = measure(Kind.NEAREST_POINTS, a, other)
    assert plain.valid and sure.valid and not alone.valid
    doubted = measure(Kind.NEAREST_POINTS, a, replace(b, other=other))
    assert not doubted.valid
    assert f"{plain.distance:.2f} or {sure.distance:.2f} m" in doubted.reason


def test_a_scale_error_of_the_sensor_counts_for_what_is_measured_only():
    """Half a percent of the way to an object, but of a gap only half a percent of the gap."""
    blocks = (Block(4.0, 0.45, (0.3, 0.3, 0.6)), Block(4.0, -0.45, (0.3, 0.3, 0.6)))
    _, _, _, (a, b) = both(DepthNoise(0.0002, 0.0), blocks=blocks)
    away = measure(Kind.CAMERA_TO_OBJECT, a)
    assert away.sigma > 0.005 * away.distance
    # A network's error is in its own sigma.
    network = replace(a, source=DepthSource.MONOCULAR_ALIGNED)
    assert measure(Kind.CAMERA_TO_OBJECT, network).sigma < away.sigma


def test_holes_that_are_more_than_what_was_found_make_a_gap_uncertain():
    _, _, _, (a, b) = both()
    plain = measure(Kind.NEAREST_POINTS, a, b).sigma
    few = measure(Kind.NEAREST_POINTS, replace(a, beyond_pixels=a.support // 3), b).sigma
    many = measure(Kind.NEAREST_POINTS, replace(a, beyond_pixels=2 * a.support), b).sigma
    assert few == plain, "holes here and there are as usual"
    assert many == pytest.approx(np.hypot(plain, 0.1), rel=0.01), "a tenth of a metre at most"
    small = replace(a, surface=a.surface / 20, beyond_pixels=2 * a.support)
    assert hole_doubt(small) == pytest.approx(0.3 * small.size)
    assert hole_doubt(small) < 0.1


def test_sigma_grows_with_noise_and_does_not_average_away():
    def nearest_sigma(noise):
        return measure(Kind.CAMERA_TO_OBJECT, both(noise)[3][0]).sigma

    quiet, loud = nearest_sigma(DepthNoise(0.001, 0.0)), nearest_sigma(DepthNoise(0.05, 0.0))
    assert loud > quiet
    # Thousands of pixels, yet the part that neighbours share stays.
    assert loud > 0.3 * 0.05


def test_monocular_depth_is_less_certain():
    made, index, gravity, _ = see([LEFT, RIGHT])
    network = pointmap_from_monocular(made.depth, made.valid, made.camera, 0.08)
    thing = segment_object(network, Region.from_box(*box_of(index, 0)), gravity, HEIGHT)
    estimate = measure(Kind.CAMERA_TO_OBJECT, thing)
    assert estimate.source is DepthSource.MONOCULAR
    assert estimate.sigma > 0.07 * estimate.distance


def test_too_uncertain_is_invalid_with_a_reason():
    made, index, gravity, _ = see([LEFT, RIGHT])
    network = pointmap_from_monocular(made.depth, made.valid, made.camera, 0.9)
    a, b = (segment_object(network, Region.from_mask(index == k), gravity, HEIGHT) for k in (0, 1))
    estimate = measure(Kind.NEAREST_POINTS, a, b)
    assert not estimate.valid and np.isnan(estimate.distance) and np.isnan(estimate.sigma)
    assert "uncertain" in estimate.reason


def test_cut_objects_say_so_and_are_less_certain():
    whole = Block(2.6, 0.0, (0.5, 1.0, 0.7))  # its width across the view
    beyond = Block(2.0, 1.2, (0.5, 1.0, 0.7))
    estimates = []
    for block in (whole, beyond):
        made, index, gravity, _ = see([block])
        region = Region.from_box(*box_of(index, 0), label="bench")
        thing = segment_object(made, region, gravity, HEIGHT)
        estimates.append(measure(Kind.WIDTH, thing, sizes={"bench": (1.0, 0.5, 0.7)}))
    assert estimates[0].reason == "" and "'bench' is cut by the image border" in estimates[1].reason
    assert estimates[1].sigma > estimates[0].sigma
    assert "'bench' is cut by the image border" in measure(Kind.CAMERA_TO_OBJECT, thing).reason


def test_without_gravity_the_axes_are_the_images_and_it_is_said():
    made, index, _, _ = see([LEFT, RIGHT], pitch=0.0)
    a, b = (segment_object(made, Region.from_mask(index == k), None) for k in (0, 1))
    estimate = measure(Kind.HORIZONTAL, a, b)
    assert estimate.valid and "gravity unknown" in estimate.reason
    assert measure(Kind.NEAREST_POINTS, a, b).reason == ""


def test_unknown_gravity_makes_uncertain_what_hangs_on_it():
    """The camera looks down by 12 degrees, and nobody knows."""
    near, far = Block(1.8, 0.0, (0.3, 0.3, 0.4)), Block(3.4, 0.7, (0.3, 0.3, 0.4))
    made, index, gravity, _ = see([near, far])
    known, unknown = (
        [segment_object(made, Region.from_mask(index == k), g) for k in (0, 1)]
        for g in (gravity, None)
    )
    for kind in (Kind.VERTICAL, Kind.HORIZONTAL):
        told, guessed = measure(kind, *known), measure(kind, *unknown)
        assert abs(guessed.distance - told.distance) < 2 * guessed.sigma or not guessed.valid
    assert not measure(Kind.VERTICAL, *unknown).valid
    assert measure(Kind.VERTICAL, *known).valid
    sizes = [measure(Kind.HEIGHT, thing).sigma for thing in (known[0], unknown[0])]
    assert sizes[1] > 1.5 * sizes[0]


def test_pairs_need_two_objects():
    _, _, _, (a, _) = both()
    with pytest.raises(BadRequestError, match="HORIZONTAL needs a second object"):
        measure(Kind.HORIZONTAL, a)
