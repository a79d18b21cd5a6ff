# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things on things: whatever an object stands on, hangs on or touches, its box finds the object."""

from dataclasses import fields

import cv2
import numpy as np
import pytest
from geometry_scene import (
    CAMERA,
    CARTON,
    HEIGHT,
    MUG,
    TABLE,
    TOP,
    WALL,
    Block,
    box_of,
    camera_pose,
    render,
    see,
)

from spatialgeo_ros.errors import TooLittleSupportError
from spatialgeo_ros.geometry import separation
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import Kind, measure
from spatialgeo_ros.geometry.pointmap import DepthNoise, PointMap, pointmap_from_depth
from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object

KINECT = DepthNoise(0.0012, 0.0019)
KNOWN = ["gravity and floor", "gravity", "nothing"]
COLOURS = [(40, 60, 200), (210, 60, 50), (230, 200, 60), (60, 160, 80), (150, 70, 160)]
BACKGROUND = (150, 140, 125)


def overlap(found, truth):
    return (found & truth).sum() / (found | truth).sum()


def told(knows, gravity):
    """Arguments of segment_object: gravity and floor height, as far as they are known."""
    return {
        "gravity and floor": (gravity, HEIGHT),
        "gravity": (gravity, None),
        "nothing": (None, None),
    }[knows]


def painted(index, seed=0):
    """A picture in which every block has its own colour, with a little noise."""
    palette = np.array([*COLOURS, BACKGROUND], np.float64)  # index -1 is the last
    noise = np.random.default_rng(seed).normal(0, 3, (*index.shape, 3))
    return np.clip(palette[index] + noise, 0, 255).astype(np.uint8)


def with_depth(depth, noise=KINECT) -> PointMap:
    return pointmap_from_depth(depth, CAMERA, noise)


def grown_box(box, left=0, top=0, right=0, bottom=0):
    return (box[0] - left, box[1] - top, box[2] + right, box[3] + bottom)


@pytest.mark.parametrize("noise", [None, KINECT])
@pytest.mark.parametrize("knows", KNOWN)
@pytest.mark.parametrize(
    "mug",
    [MUG, Block(1.84, 0.1, MUG.size, bottom=TOP), Block(1.18, -0.5, MUG.size, bottom=TOP)],
    ids=["middle", "far edge", "near corner"],
)
def test_a_small_thing_on_a_table(mug, knows, noise):
    made, index, gravity, _ = see([TABLE, mug], noise)
    found = segment_object(made, Region.from_box(*box_of(index, 1)), *told(knows, gravity))
    assert overlap(found.mask, index == 1) > 0.8
    assert not found.flat
    # Nothing of the wall or of the table is among its points: they lie where the mug is.
    assert np.abs(found.points[:, 2] - np.median(found.points[:, 2])).max() < 0.12


@pytest.mark.parametrize("pixels", [-3, 3])
@pytest.mark.parametrize("side", ["left", "top", "right", "bottom"])
@pytest.mark.parametrize("knows", KNOWN)
def test_a_box_that_is_not_tight_measures_the_same(knows, side, pixels):
    blocks = [TABLE, Block(1.4, 0.15, (0.12, 0.14, 0.16), yaw=0.3, bottom=TOP), CARTON]
    made, index, gravity, _ = see(blocks, KINECT)
    known = told(knows, gravity)
    other = segment_object(made, Region.from_box(*box_of(index, 2)), *known)
    exact, moved = (
        segment_object(made, Region.from_box(*grown_box(box_of(index, 1), **{side: by})), *known)
        for by in (0, pixels)
    )
    assert np.linalg.norm(np.median(moved.points, 0) - np.median(exact.points, 0)) < 0.01
    first, second = (measure(Kind.NEAREST_POINTS, one, other) for one in (exact, moved))
    assert second.valid
    assert abs(first.distance - second.distance) < 0.01 + second.sigma


CABINET = Block(2.2, 0.1, (0.5, 0.9, 0.8), yaw=0.3)


@pytest.mark.parametrize("share", [0.045, 0.06])
@pytest.mark.parametrize("side", ["left", "top", "right", "bottom"])
@pytest.mark.parametrize("knows", KNOWN)
@pytest.mark.parametrize(
    "blocks", [(CABINET,), (TABLE, CARTON)], ids=["on the floor", "on a table"]
)
def test_a_box_that_cuts_a_thing_finds_all_of_it(blocks, knows, side, share):
    made, index, gravity, _ = see(list(blocks), KINECT)
    thing = len(blocks) - 1
    x0, y0, x1, y1 = box = box_of(index, thing)
    less = share * (x1 - x0 if side in ("left", "right") else y1 - y0)
    region = Region.from_box(*grown_box(box, **{side: -less}))
    known = told(knows, gravity)
    exact = segment_object(made, Region.from_box(*box), *known)
    found = segment_object(made, region, *known)
    own = (index == thing) & np.isfinite(made.depth)
    assert (found.mask & own).sum() > 0.985 * (exact.mask & own).sum()
    assert (found.mask & ~own).sum() < (exact.mask & ~own).sum() + 0.02 * own.sum()
    assert 0 < found.fraction <= 1


@pytest.mark.parametrize("share", [0.02, 0.03])
@pytest.mark.parametrize("height", [0.72, 0.75, 0.78])
def test_a_box_that_cuts_the_far_end_of_a_top_keeps_it_and_its_legs(height, share):
    """Seen at a grazing angle the last rows of a top are far apart: slivers along the box's border.

    What stands behind the table and shows at the same place is still left out.
    """
    legs = [
        Block(2.2 + x, y, (0.06, 0.06, height - 0.04)) for x in (-0.75, 0.75) for y in (-0.4, 0.4)
    ]
    top = Block(2.2, 0.0, (1.6, 0.9, 0.04), bottom=height - 0.04)
    beyond = Block(3.8, 0.0, (0.2, 0.5, height + 0.1))
    made, index, gravity, _ = see([top, *legs, beyond], KINECT)
    table = (index >= 0) & (index < 5)
    rows, columns = np.nonzero(table)
    cut = share * (rows.max() - rows.min() + 1)
    region = Region.from_box(columns.min(), rows.min() + cut, columns.max(), rows.max())
    found = segment_object(made, region, gravity, HEIGHT)
    for leg in (3, 4):
        seen = index == leg
        assert (found.mask & seen).sum() > 0.8 * seen.sum(), f"leg {leg} is lost"
    assert (found.mask & (index == 5)).sum() < 0.02 * (index == 5).sum()
    assert (found.mask & ~table).sum() < 0.03 * found.support


def test_what_is_known_to_be_something_else_stays_out_beyond_a_box_that_is_too_small():
    made, index, gravity, _ = see([CABINET], KINECT)
    x0, y0, x1, y1 = box_of(index, 0)
    other = np.zeros(index.shape, bool)
    other[:, : x0 + 8] = True
    region = Region.from_box(x0 + 10, y0, x1, y1)
    whole = segment_object(made, region, gravity, HEIGHT)
    found = segment_object(made, region, gravity, HEIGHT, excluded=other)
    assert (whole.mask & other).any() and not (found.mask & other).any()


@pytest.mark.parametrize("knows", KNOWN)
@pytest.mark.parametrize(
    "thing",
    [Block(2.1, 0.3, (0.2, 0.4, 0.3), bottom=0.7), Block(2.05, -0.4, (0.3, 0.5, 0.5))],
    ids=["hangs on it", "stands at it"],
)
def test_a_thing_at_a_wall(thing, knows):
    made, index, gravity, _ = see([WALL, thing], KINECT)
    found = segment_object(made, Region.from_box(*box_of(index, 1)), *told(knows, gravity))
    assert overlap(found.mask, index == 1) > 0.8
    assert not found.flat
    assert (found.support_mask & (index == 0)).sum() > 50


@pytest.mark.parametrize("knows", KNOWN)
def test_a_thin_thing_is_flat_and_its_colour_tells_where_it_ends(knows):
    leaflet = Block(1.4, 0.0, (0.2, 0.3, 0.01), yaw=0.6, bottom=TOP)
    made, index, gravity, _ = see([TABLE, leaflet], KINECT)
    x0, y0, x1, y1 = box_of(index, 1)
    region = Region.from_box(x0, y0, x1, y1)
    known = told(knows, gravity)
    seen = segment_object(made, region, *known, image=painted(index))
    blind = segment_object(made, region, *known)
    plain = np.full((*index.shape, 3), 127, np.uint8)
    even = segment_object(made, region, *known, image=plain)
    assert seen.flat and blind.flat and even.flat
    assert overlap(seen.mask, index == 1) > 0.8
    for whole in (blind, even):  # nothing tells: all of the box
        assert whole.fraction > 0.9
        assert overlap(whole.mask, index == 1) < overlap(seen.mask, index == 1)


@pytest.mark.parametrize("knows", KNOWN)
def test_touching_things_are_told_apart_by_colour(knows):
    pair = [Block(1.4, y, (0.12, 0.1, 0.12), bottom=TOP) for y in (0.05, -0.05)]
    made, index, gravity, _ = see([TABLE, *pair], KINECT)
    picture = painted(index)
    for name in (1, 2):
        region = Region.from_box(*box_of(index, name))
        found = segment_object(made, region, *told(knows, gravity), image=picture)
        assert overlap(found.mask, index == name) > 0.8


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_where_colour_says_quite_else_than_depth_there_are_two_readings(monkeypatch, share):
    made, index, gravity, _ = see([TABLE, MUG], KINECT)
    box = Region.from_box(*box_of(index, 1))
    by_depth = segment_object(made, box, gravity, HEIGHT)
    assert by_depth.other is None

    def upper_part(cells, thing, *_):
        rows = np.nonzero(thing)[0]
        return thing & (np.indices(thing.shape)[0] < np.percentile(rows, 100 * share))

    monkeypatch.setattr(separation, "bounded_paint", lambda *_: None)
    monkeypatch.setattr(separation, "bounded_by_colour", upper_part)
    found = segment_object(made, box, gravity, HEIGHT, image=painted(index))
    assert found.support < (share + 0.1) * by_depth.support
    if share > 0.5:
        assert found.other is None
    else:
        assert overlap(found.other.mask, by_depth.mask) > 0.9  # colour moves its outline, too


def test_furniture_is_not_cut_by_its_colours(monkeypatch):
    def refuse(*_):
        raise AssertionError("asked for the colours of something large")

    monkeypatch.setattr(separation, "bounded_by_colour", refuse)
    made, index, gravity, _ = see([Block(2.6, 0.0, (0.5, 1.2, 0.9))], KINECT)
    box = Region.from_box(*box_of(index, 0))
    found = segment_object(made, box, gravity, HEIGHT, image=painted(index))
    assert overlap(found.mask, index == 0) > 0.8


@pytest.mark.parametrize("knows", KNOWN)
def test_what_stands_before_a_thing_is_not_the_only_reading(knows):
    before = Block(1.6, 0.1, (0.15, 0.3, 0.5))
    made, index, gravity, _ = see([Block(2.6, 0.0, (0.5, 1.2, 0.9)), before], KINECT)
    found = segment_object(made, Region.from_box(*box_of(index, 0)), *told(knows, gravity))
    readings = [found.mask] if found.other is None else [found.mask, found.other.mask]
    assert max(overlap(mask, index == 0) for mask in readings) > 0.8


@pytest.mark.parametrize("loose", [0, 4, 7, 10, 15])
@pytest.mark.parametrize("width", [20, 30, 60])
def test_a_post_does_not_cut_a_thing_in_two(width, loose):
    """Both parts are one object, seen on both sides of what hides its middle."""
    camera = PinholeCamera(640, 480, 500.0, 500.0, 319.5, 239.5)
    depth, post, board = np.full((480, 640), 2.5), *np.zeros((2, 480, 640), bool)
    post[60:420, 300 : 300 + width] = True
    board[150:331, 200:441] = True
    board &= ~post
    depth[board], depth[post] = 2.0, 1.2
    depth += np.random.default_rng(0).normal(size=depth.shape) * KINECT.sigma(depth)
    made = pointmap_from_depth(depth, camera, KINECT)
    box = grown_box((200, 150, 440, 330), loose, loose, loose, loose)
    found = segment_object(made, Region.from_box(*box))
    assert overlap(found.mask, board) > 0.9
    assert not found.mask[post].any()
    middle = slice(300 + 7, 300 + width - 7)  # a cell at its sides may be the wall's
    assert not found.support_mask[150:331, middle].any() and found.rejected[150:331, middle].all()


@pytest.mark.parametrize("kind", ["box", "mask"])
@pytest.mark.parametrize("knows", KNOWN)
def test_thin_legs_are_kept(knows, kind):
    seat = Block(2.0, 0.0, (0.4, 0.4, 0.04), yaw=0.3, bottom=0.44)
    c, s = np.cos(0.3), np.sin(0.3)
    corners = [(0.18 * a, 0.18 * b) for a in (-1, 1) for b in (-1, 1)]
    legs = [
        Block(2.0 + c * x - s * y, s * x + c * y, (0.03, 0.03, 0.44), yaw=0.3) for x, y in corners
    ]
    back = Block(2.0 + c * 0.19, s * 0.19, (0.03, 0.4, 0.4), yaw=0.3, bottom=0.48)
    made, index, gravity, _ = see([seat, back, *legs], KINECT)
    chair = index >= 0
    rows, columns = np.nonzero(chair)
    region = Region.from_box(columns.min(), rows.min(), columns.max(), rows.max(), label="chair")
    if kind == "mask":
        region = Region.from_mask(chair, label="chair")
    found = segment_object(made, region, *told(knows, gravity))
    # Far legs are seen below the seat and touch nothing: gravity tells that they stand under it.
    alone = (2, 3) if kind == "box" and knows == "nothing" else (2, 3, 4, 5)
    for leg in alone:
        seen = index == leg
        assert (found.mask & seen).sum() > 0.5 * seen.sum(), f"leg {leg - 1} is lost"
    assert (found.mask & ~chair).sum() < 0.05 * found.support


@pytest.mark.parametrize("knows", KNOWN)
def test_a_thing_almost_without_depth_is_refused(knows):
    made, index, gravity, _ = see([TABLE, CARTON], KINECT)
    depth = made.depth.copy()
    x0, y0, x1, y1 = box_of(index, 1)
    holes = np.zeros(index.shape, bool)
    holes[y0 : y1 + 1, x0 : x1 + 1] = True
    holes[y1 - 2 : y1 + 1, x0 : x0 + 12] = False
    depth[holes] = np.nan
    region = Region.from_box(x0, y0, x1, y1, label="carton")
    with pytest.raises(TooLittleSupportError, match=r"\d+% of 'carton' has depth"):
        segment_object(with_depth(depth), region, *told(knows, gravity))


@pytest.mark.parametrize("side", ["left", "top"])
def test_a_side_without_depth_is_beyond(side):
    made, index, gravity, _ = see([TABLE, CARTON], KINECT)
    x0, y0, x1, y1 = box_of(index, 1)
    region = Region.from_box(x0, y0, x1, y1)
    whole = segment_object(made, region, gravity, HEIGHT)
    assert len(whole.beyond) == 0
    depth = made.depth.copy()
    blind = np.zeros(index.shape, bool)
    if side == "left":
        blind[y0 : y1 + 1, x0 : x0 + (x1 - x0) // 3] = True
    else:
        blind[y0 : y0 + (y1 - y0) // 3, x0 : x1 + 1] = True
    depth[blind] = np.nan
    found = segment_object(with_depth(depth), region, gravity, HEIGHT)
    assert not (found.mask & blind).any()
    pixels = CAMERA.project(found.beyond.astype(np.float64))
    columns, rows = np.rint(pixels).astype(int).T
    assert blind[rows, columns].mean() > 0.9
    # They cover what is missing, at the depth of the object.
    covered = box_of(blind.astype(int), 1)
    assert np.ptp(columns) > 0.7 * (covered[2] - covered[0])
    assert np.ptp(rows) > 0.7 * (covered[3] - covered[1])
    low, high = np.percentile(whole.points[:, 2], (2, 98))
    assert found.beyond[:, 2].min() > low - 0.03 and found.beyond[:, 2].max() < high + 0.03


@pytest.mark.parametrize("floor", [HEIGHT, None])
def test_base_is_the_level_surface_below(floor):
    box = Block(2.4, 0.9, (0.3, 0.3, 0.4))
    made, index, gravity, _ = see([TABLE, MUG, box], KINECT)
    on_table, on_floor = (Region.from_box(*box_of(index, name)) for name in (1, 2))
    found = segment_object(made, on_table, gravity, floor)
    assert found.base == pytest.approx(HEIGHT - TOP, abs=0.01)
    found = segment_object(made, on_floor, gravity, floor)
    assert found.base == pytest.approx(HEIGHT, abs=0.015)
    assert segment_object(made, on_table).base is None


@pytest.mark.parametrize("knows", KNOWN)
def test_every_pixel_of_the_box_is_accounted_for(knows):
    post = Block(1.0, -0.22, (0.02, 0.02, 1.2))
    made, index, gravity, _ = see([TABLE, CARTON, post], KINECT)
    x0, y0, x1, y1 = box_of(index, 1)
    found = segment_object(made, Region.from_box(x0, y0, x1, y1), *told(knows, gravity))
    inside = np.zeros(index.shape, bool)
    inside[y0 : y1 + 1, x0 : x1 + 1] = True
    parts = (found.mask, found.support_mask, found.rejected)
    assert sum(part.astype(int) for part in parts).max() == 1, "they are disjoint"
    assert (np.logical_or.reduce(parts) | ~np.isfinite(made.depth))[inside].all()
    assert not found.rejected[~inside].any()
    # The table around the carton is its support; the post before it is neither it nor its support.
    around = np.zeros(index.shape, bool)
    around[y0 - 4 : y1 + 5, x0 - 4 : x1 + 5] = True
    table = around & (index == 0)
    assert (found.support_mask & table).sum() > 0.8 * table.sum()
    occluder = inside & (index == 2)
    assert (found.rejected & occluder).sum() > 0.8 * occluder.sum()
    assert not (found.mask & occluder).any()


@pytest.mark.parametrize("knows", KNOWN)
def test_the_wall_seen_inside_a_box_is_not_the_object(knows):
    made, index, gravity, _ = see([Block(1.5, 0.0, (0.3, 0.4, 0.9), yaw=0.5)], KINECT)
    x0, y0, x1, y1 = grown_box(box_of(index, 0), 8, 8, 8, 0)
    found = segment_object(made, Region.from_box(x0, y0, x1, y1), *told(knows, gravity))
    assert overlap(found.mask, index == 0) > 0.8
    beside = np.zeros(index.shape, bool)
    beside[y0 : y1 + 1, x0 : x1 + 1] = True
    beside &= index == -1
    assert ((found.support_mask | found.rejected) & beside).sum() > 0.9 * beside.sum()


@pytest.mark.parametrize("knows", KNOWN)
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_bent_depth_image_changes_little(knows, sign):
    made, index, gravity, _ = see([TABLE, MUG], KINECT)
    v, u = np.meshgrid(np.linspace(-1, 1, 240), np.linspace(-1, 1, 320), indexing="ij")
    bent = with_depth(made.depth * (1 + sign * 0.01 * (u * u + v * v - u * v)))
    region = Region.from_box(*box_of(index, 1))
    found = segment_object(bent, region, *told(knows, gravity))
    assert overlap(found.mask, index == 1) > 0.8
    straight = segment_object(made, region, *told(knows, gravity))
    # At the mug the bend itself moves the points by some millimetres.
    assert np.linalg.norm(np.median(found.points, 0) - np.median(straight.points, 0)) < 0.015


@pytest.mark.parametrize("knows", KNOWN)
def test_the_same_input_gives_the_same_object(knows):
    pair = [Block(1.4, y, (0.12, 0.1, 0.12), bottom=TOP) for y in (0.05, -0.05)]
    leaflet = Block(1.35, 0.4, (0.2, 0.2, 0.01), yaw=0.6, bottom=TOP)
    made, index, gravity, _ = see([TABLE, *pair, leaflet], KINECT)
    for name in (1, 3):
        first, second = (
            segment_object(
                made,
                Region.from_box(*box_of(index, name)),
                *told(knows, gravity),
                image=painted(index),
            )
            for _ in range(2)
        )
        for field in fields(first):
            one, other = getattr(first, field.name), getattr(second, field.name)
            if isinstance(one, np.ndarray):
                np.testing.assert_array_equal(one, other)
            elif isinstance(one, (bool, int, float, str, tuple)):
                assert one == other


@pytest.mark.parametrize("shift", [(0, 3), (0, -3), (-3, 0)])
def test_strips_of_another_depth_are_dropped_from_a_mask(shift):
    """The mask is drawn in the colour image; depth is a few pixels beside it."""
    made, index, gravity, _ = see([Block(2.0, 0.0, (0.4, 0.6, 0.8), yaw=0.3)], KINECT)
    seen = index == 0
    mask = np.roll(seen, shift, axis=(0, 1))
    found = segment_object(made, Region.from_mask(mask), gravity, HEIGHT)
    strip = mask & ~seen & (made.depth > 3.5)  # of the wall
    assert strip.sum() > 50, "there is a strip"
    assert (found.mask & strip).sum() <= 0.02 * strip.sum()
    assert (found.mask & seen & mask).sum() > 0.95 * (seen & mask).sum()


def leaning(lean, seed=0, end=240):
    """A sheet before a wall: its left side stands out by ``lean`` metres, its right by nothing.

    Neighbouring readings err together, as those of real sensors do.
    """
    u = np.arange(320.0)
    depth = np.full((240, 320), 2.5)
    depth[70:170, 80:end] -= lean * (1 - np.clip((u - 80) / 160, 0, 1))[80:end]
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, depth.shape), (0, 0), 4)
    return with_depth(depth + noise * 0.012 / noise.std())


def width_of(found):
    x0, _, x1, _ = found.box
    return x1 - x0 + 1


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("lean", [0.08, 0.1, 0.12])
def test_the_side_of_a_sheet_that_leans_on_the_wall_is_its_own(lean, seed):
    """Depth alone tells nothing of it, but the box and the sheet's own plane do."""
    found = segment_object(leaning(lean, seed), Region.from_box(80, 70, 239, 169))
    assert not found.flat
    assert width_of(found) > 0.93 * 160
    assert found.mask[70:170, 80:240].mean() > 0.85
    assert not found.mask[:, 245:].any() and not found.mask[:, :75].any()


def test_what_ends_before_a_side_of_its_box_is_not_made_longer():
    """The sheet's right part is not there: the wall behind it is not in its plane."""
    made = leaning(0.4, end=180)
    found = segment_object(made, Region.from_box(80, 70, 239, 169))
    assert width_of(found) < 0.75 * 160
    assert not found.mask[:, 190:].any()


def test_what_stands_before_a_thing_is_not_added_by_its_colour(monkeypatch):
    """A bar across a carton, of nearly its colour."""
    bar = Block(0.9, -0.1, (0.04, 0.8, 0.03), bottom=TOP + 0.14)
    made, index, gravity, _ = see([TABLE, CARTON, bar], KINECT)
    region = Region.from_box(*box_of(index, 1))
    by_depth = segment_object(made, region, gravity, HEIGHT)
    assert (by_depth.mask & (index == 2)).sum() == 0

    def all_within(cells, thing, within, *_):
        return thing | (within & cells.ok)

    monkeypatch.setattr(separation, "bounded_by_colour", all_within)
    found = segment_object(made, region, gravity, HEIGHT)
    inside = region.rasterise(*index.shape)
    assert found.other is None, "both are mostly the same"
    assert (inside & (index == 2)).sum() > 50
    assert (found.mask & (index == 2)).sum() == 0


@pytest.mark.parametrize("seed", range(1, 4))
def test_a_far_door_is_whole(seed):
    """At 5 m a door rises from its wall by no more than the wall seems to scatter."""
    pose = camera_pose(0.1)
    depth, index = render([Block(4.96, 0.3, (0.08, 0.9, 2.0))], pose)
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(size=depth.shape), (0, 0), 3)
    made = with_depth(depth + noise / noise.std() * KINECT.sigma(depth))
    region = Region.from_box(*box_of(index, 0))
    found = segment_object(made, region, gravity_in_camera(pose), HEIGHT, image=painted(index))
    assert overlap(found.mask, index == 0) > 0.92


@pytest.mark.parametrize("cut", [0.1, 0.2])
@pytest.mark.parametrize("height", [0.6, 0.95])
@pytest.mark.parametrize("knows", KNOWN)
def test_furniture_that_its_box_cuts_is_not_what_shows_beside_it(height, knows, cut):
    """The cabinet goes on above its box; two posts far behind end inside."""
    cabinet = Block(2.0, 0.0, (0.3, 0.5, 1.1))
    posts = [Block(3.0, y, (0.08, 0.08, height)) for y in (-0.5, 0.5)]
    made, index, gravity, _ = see([cabinet, *posts], KINECT)
    _, y0, _, y1 = box_of(index, 0)
    columns = np.nonzero(index >= 0)[1]
    region = Region.from_box(columns.min(), y0 + cut * (y1 - y0), columns.max(), y1, "cabinet")
    found = segment_object(made, region, *told(knows, gravity))
    behind = index >= 1
    assert (found.mask & (index == 0)).sum() > (0.95 - cut) * (index == 0).sum()
    assert not (found.mask & behind).any()
    assert found.other is not None
    assert (found.other.mask & behind).sum() > 0.9 * behind.sum()
    assert not (found.other.mask & (index == 0)).any()


@pytest.mark.parametrize("knows", KNOWN)
def test_a_chair_that_its_box_cuts_is_not_the_floor_around_it(knows):
    """The floor fills most of a box that is too wide and too low; a chair lies flat on nothing."""
    made, index, gravity, _ = see([Block(1.6, 0.0, (0.4, 0.6, 0.9))], KINECT)
    x0, y0, x1, y1 = box_of(index, 0)
    wide, high = x1 - x0, y1 - y0
    box = (x0 - 0.5 * wide, y0 + 0.35 * high, x1 + 0.5 * wide, y1 + 0.1 * high)
    chair = segment_object(made, Region.from_box(*box, "chair"), *told(knows, gravity))
    assert not chair.flat and not (chair.mask & (index < 0)).any()
    assert (chair.mask & (index == 0)).sum() > 0.6 * (index == 0).sum()
    assert chair.other is not None and chair.other.flat
    door = segment_object(made, Region.from_box(*box, "door"), *told(knows, gravity))
    assert door.flat


@pytest.mark.parametrize("seed", [0, 1])
def test_a_lamp_whose_pole_is_not_read_is_not_the_wall_behind_it(seed):
    """The image cuts its shade, and its foot is a twentieth of its box: gravity is not known."""
    pose = Pose(camera_pose().rotation, [0.0, 0.0, 1.0])
    blocks = [Block(2.2, 0.0, (0.25, 0.25, 0.03)), Block(2.2, 0.0, (0.02, 0.02, 1.2)),
              Block(2.2, 0.0, (0.3, 0.3, 0.25), bottom=1.2)]  # fmt: skip
    depth, index = render(blocks, pose)
    x0, y0, x1, y1 = box_of(np.where(index >= 0, 0, -1), 0)
    depth = depth + np.random.default_rng(seed).normal(size=depth.shape) * KINECT.sigma(depth)
    depth[index == 1] = np.nan
    for loose in (0, 1, 3, 6):
        box = (max(0, x0 - loose), max(0, y0 - loose), x1 + loose, y1 + loose)
        try:
            lamp = segment_object(with_depth(depth), Region.from_box(*box, label="lamp"))
        except TooLittleSupportError:
            continue
        estimate = measure(Kind.CAMERA_TO_OBJECT, lamp)
        assert not estimate.valid or estimate.distance - 2 * estimate.sigma < 2.6
