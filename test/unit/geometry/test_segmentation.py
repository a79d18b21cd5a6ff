# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An object is separated from floor, wall, occluders and neighbours in its box."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from geometry_scene import CAMERA, HEIGHT, Block, box_of, render, see

from spatialgeo_ros.errors import BadRegionError, TooLittleSupportError
from spatialgeo_ros.geometry import separation
from spatialgeo_ros.geometry.assembly import Choice
from spatialgeo_ros.geometry.background import find_floor
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pointmap import DepthNoise, pointmap_from_depth
from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object
from spatialgeo_ros.geometry.uncertainty import object_evidence

KINECT = DepthNoise(0.0012, 0.0019)
CABINET = Block(3.0, 0.0, (1.0, 0.45, 0.9), yaw=0.4)


def overlap(found, truth):
    return (found & truth).sum() / (found | truth).sum()


@pytest.mark.parametrize("noise", [None, KINECT])
@pytest.mark.parametrize("knows", ["gravity and floor", "gravity", "nothing"])
def test_box_without_floor_and_wall(noise, knows):
    made, index, gravity, _ = see([CABINET], noise)
    found = segment_object(
        made,
        Region.from_box(*box_of(index, 0)),
        gravity if knows != "nothing" else None,
        HEIGHT if knows == "gravity and floor" else None,
    )
    assert overlap(found.mask, index == 0) > 0.9
    assert not (found.mask & (index != 0)).sum() > 0.02 * found.support
    assert found.support == found.mask.sum() == len(found.points) == len(found.sigma)
    x0, y0, x1, y1 = box_of(index, 0)
    within = int(found.mask[y0 : y1 + 1, x0 : x1 + 1].sum())
    assert found.fraction == pytest.approx(within / region_size(index))
    assert not found.truncated and found.cut == (False,) * 4


def region_size(index):
    x0, y0, x1, y1 = box_of(index, 0)
    return (x1 - x0 + 1) * (y1 - y0 + 1)


def test_occluder_inside_the_box_is_left_out():
    post = Block(2.0, 0.1, (0.12, 0.12, 1.4))
    made, index, gravity, _ = see([CABINET, post], KINECT)
    found = segment_object(made, Region.from_box(*box_of(index, 0)), gravity, HEIGHT)
    assert (found.mask & (index == 1)).sum() == 0
    # Both parts beside the post, not only the larger one.
    assert (found.mask & (index == 0)).sum() > 0.85 * (index == 0).sum()


def test_occluder_is_found_by_its_own_box():
    post = Block(2.0, 0.1, (0.12, 0.12, 1.4))
    made, index, gravity, _ = see([CABINET, post], KINECT)
    found = segment_object(made, Region.from_box(*box_of(index, 1)), gravity, HEIGHT)
    assert overlap(found.mask, index == 1) > 0.85


def test_neighbour_that_reaches_into_the_box_is_left_out():
    other = Block(3.6, -0.5, (1.6, 0.5, 1.5))
    made, index, gravity, _ = see([CABINET, other], KINECT)
    found = segment_object(made, Region.from_box(*box_of(index, 0)), gravity, HEIGHT)
    assert overlap(found.mask, index == 0) > 0.85
    assert (found.mask & (index == 1)).sum() < 0.03 * found.support


def test_far_legs_belong_to_the_table():
    top = Block(2.6, 0.0, (1.2, 0.8, 0.05), bottom=0.7)
    legs = [Block(2.6 + x, y, (0.06, 0.06, 0.7)) for x in (-0.55, 0.55) for y in (-0.35, 0.35)]
    made, index, gravity, _ = see([top, *legs], KINECT)
    table = index >= 0
    rows, columns = np.nonzero(table)
    box = (columns.min(), rows.min(), columns.max(), rows.max())
    found = segment_object(made, Region.from_box(*box), gravity, HEIGHT)
    for leg in range(1, 5):
        seen = index == leg
        assert (found.mask & seen).sum() > 0.5 * seen.sum(), f"leg {leg} is lost"
    assert (found.mask & ~table).sum() < 0.03 * found.support


def test_flat_thing_on_the_wall():
    door = Block(4.98, 0.3, (0.04, 0.9, 2.0))
    made, index, gravity, _ = see([door], KINECT, pitch=0.0)
    found = segment_object(made, Region.from_box(*box_of(index, 0)), gravity, HEIGHT)
    assert (found.mask & (index == 0)).sum() > 0.6 * (index == 0).sum()


def test_point_grows_to_its_object_only():
    other = Block(3.2, 1.3, (0.5, 0.5, 1.2))
    made, index, gravity, _ = see([CABINET, other], KINECT)
    x0, y0, x1, y1 = box_of(index, 0)
    point = Region.from_point((x0 + x1) / 2, (y0 + y1) / 2)
    found = segment_object(made, point, gravity, HEIGHT)
    assert overlap(found.mask, index == 0) > 0.85
    assert found.fraction == 1.0


def test_mask_is_trusted_but_for_floating_pixels():
    made, index, gravity, _ = see([CABINET], KINECT)
    seen = index == 0
    # A sensor mixes object and background at the outline: pixels that float in between.
    edge = seen & ~cv2.erode(seen.astype(np.uint8), np.ones((3, 3))).astype(bool)
    depth = made.depth.copy()
    floating = edge & (np.random.default_rng(0).random(edge.shape) < 0.25)
    depth[floating] += np.random.default_rng(1).uniform(0.3, 1.2, edge.shape)[floating]
    mixed = pointmap_from_depth(depth, CAMERA, KINECT)
    found = segment_object(mixed, Region.from_mask(seen), gravity, HEIGHT)
    assert (found.mask & floating).sum() < 0.1 * floating.sum()
    assert (found.mask & seen & ~edge).sum() > 0.99 * (seen & ~edge).sum()


def test_polygon_works_like_a_box():
    made, index, gravity, _ = see([CABINET], KINECT)
    x0, y0, x1, y1 = box_of(index, 0)
    ring = Region.from_polygon(
        [[x0 - 1, y0 - 1], [x1 + 1, y0 - 1], [x1 + 1, y1 + 1], [x0 - 1, y1 + 1]]
    )
    assert overlap(segment_object(made, ring, gravity, HEIGHT).mask, index == 0) > 0.9


def test_sides_out_of_sight_are_flagged():
    made, index, gravity, _ = see([Block(2.0, 1.3, (0.5, 1.2, 0.8))])
    found = segment_object(made, Region.from_box(*box_of(index, 0)), gravity, HEIGHT)
    assert found.truncated and found.cut[0] and not found.cut[2]
    behind = [CABINET, Block(2.0, -0.45, (0.3, 0.4, 1.5))]
    made, index, gravity, _ = see(behind)
    found = segment_object(made, Region.from_box(*box_of(index, 0)), gravity, HEIGHT)
    assert found.cut[2] and not found.cut[0] and not found.truncated


def test_denoised_surface_lies_on_the_object():
    made, index, gravity, pose = see([CABINET], KINECT)
    found = segment_object(made, Region.from_box(*box_of(index, 0)), gravity, HEIGHT)
    world = pose.apply(found.surface.astype(np.float64)) - CABINET.centre
    c, s = np.cos(CABINET.yaw), np.sin(CABINET.yaw)
    local = np.abs(world @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]]).T)
    off = np.abs((local - np.array(CABINET.size) / 2).max(axis=1))
    raw_sigma = float(np.median(found.sigma))
    assert np.sqrt(np.mean(off**2)) < 0.5 * raw_sigma
    assert 0 < np.median(found.surface_sigma) < raw_sigma


def test_floor_is_found_at_any_tilt():
    for pitch, roll in ((0.0, 0.0), (0.2, 0.05), (0.6, -0.1), (1.0, 0.0)):
        made, _, gravity, pose = see([CABINET], KINECT, pitch=pitch)
        c, s = np.cos(roll), np.sin(roll)
        turned = Pose(pose.rotation @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]), [0, 0, HEIGHT])
        depth, _ = render([CABINET], turned)
        depth += np.random.default_rng(0).normal(size=depth.shape) * KINECT.sigma(depth)
        made = pointmap_from_depth(depth, CAMERA, KINECT)
        assert find_floor(made, gravity_in_camera(turned)) == pytest.approx(HEIGHT, abs=0.02)


def test_no_floor_where_none_is_in_view():
    made, _, gravity, _ = see([Block(1.2, 0.0, (0.2, 4.0, 3.0))], pitch=0.0)
    assert find_floor(made, gravity) is None


def test_too_little_support_names_the_object():
    made, index, gravity, _ = see([CABINET])
    x0, y0, x1, y1 = box_of(index, 0)
    holes = made.depth.copy()
    holes[y0 - 40 : y1 + 40, x0 - 40 : x1 + 40] = np.nan
    empty = pointmap_from_depth(holes, CAMERA)
    for region in (
        Region.from_box(x0, y0, x1, y1, label="cabinet"),
        Region.from_point((x0 + x1) / 2, (y0 + y1) / 2, label="cabinet"),
    ):
        with pytest.raises(TooLittleSupportError, match="cabinet"):
            segment_object(empty, region, gravity, HEIGHT)


def test_phrases_are_not_measured():
    made, _, gravity, _ = see([CABINET])
    with pytest.raises(BadRegionError, match="located"):
        segment_object(made, Region.from_phrase("the cabinet"), gravity)


def test_the_same_input_gives_the_same_output():
    made, index, gravity, _ = see([CABINET], KINECT)
    region = Region.from_box(*box_of(index, 0))
    first, second = (segment_object(made, region, gravity) for _ in range(2))
    np.testing.assert_array_equal(first.mask, second.mask)


def thing_cut_by_its_box(standing_out=40):
    """A bulging thing that goes on below its box; far behind it a strip peeps out over it."""
    rng = np.random.default_rng(0)
    depth = 2.5 + rng.normal(0, 0.004, (240, 320))
    top, bottom, left, right = 80, 160, 120, 180
    rows = np.linspace(-1, 1, bottom + standing_out - top)[:, None]
    depth[top + 4 : bottom + standing_out, left:right] = (
        0.8 + 0.05 * rows[4:] ** 2 + 0.06 * np.linspace(-1, 1, right - left) ** 2
    )
    depth[top : top + 4, 140:160] = 2.2
    camera = PinholeCamera(320, 240, 300, 300, 159.5, 119.5)
    made = pointmap_from_depth(depth.astype(np.float32), camera, DepthNoise(0.0012, 0.0019))
    return made, Region.from_box(left, top, right - 1, bottom, "robot")


def test_a_sliver_behind_a_thing_that_its_box_cuts_is_refused(monkeypatch):
    """It was measured, 1.5 m behind the thing and valid: RealSense frames, a figure on a box."""
    monkeypatch.setattr(separation, "background_planes", lambda *_: [])
    made, region = thing_cut_by_its_box()
    with pytest.raises(TooLittleSupportError, match=r"'robot' reaches over \d% of it only.*mask"):
        segment_object(made, region)
    made, region = thing_cut_by_its_box(standing_out=8)
    assert np.median(segment_object(made, region).points[:, 2]) < 0.9, "bounded: it is the thing"


def test_colour_does_not_put_a_sliver_in_the_place_of_a_thing(monkeypatch):
    """What depth found goes on outside a little; what colour left of it was next to nothing."""
    monkeypatch.setattr(separation, "background_planes", lambda *_: [])
    made, region = thing_cut_by_its_box(standing_out=28)
    asked = []

    def in_turn(cells, label, within, *_):
        asked.append(within)
        thing = within & (cells.points[..., 2] < 1.0)
        sliver = within & (abs(cells.points[..., 2] - 2.2) < 0.1)
        return Choice(thing, -0.13) if len(asked) == 1 else Choice(sliver, 0.01)

    monkeypatch.setattr(separation, "select", in_turn)
    image = np.full((240, 320, 3), 120, np.uint8)
    found = segment_object(made, region, image=image)
    assert len(asked) == 2 and np.median(found.points[:, 2]) < 0.9


def test_a_small_part_of_a_region_is_as_doubtful_as_the_region_is_large():
    """A tip, found alone, is small, but what is missing of its thing is not."""
    made, region = thing_cut_by_its_box(standing_out=0)
    whole = segment_object(made, region)
    x0, y0, x1, y1 = whole.box
    tip = replace(
        whole, box=(x0, y0, x1, y0 + 8), evidence=replace(whole.evidence, short=0.8, side=80.0)
    )
    short, _, _, _ = object_evidence(tip)
    assert short == pytest.approx(0.5 * tip.in_metres(80.0))
    assert tip.in_metres(80.0) == pytest.approx(80 * np.median(tip.surface[:, 2]) / 300, rel=1e-3)
    assert whole.evidence.side == pytest.approx(y1 - y0, abs=6)
