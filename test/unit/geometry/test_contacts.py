# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Things that touch are told apart where they meet; faces of one thing stay together."""

import cv2
import numpy as np
import pytest
from geometry_scene import TABLE, TOP, Block, box_of, camera_pose, render
from scipy.spatial import cKDTree

from spatialgeo_ros.geometry import separation
from spatialgeo_ros.geometry.background import background_planes, on_any
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.cells import connected, make_cells
from spatialgeo_ros.geometry.contacts import (
    connected_by_shape,
    folds,
    without_folding,
    without_standing,
)
from spatialgeo_ros.geometry.distance import Kind, measure
from spatialgeo_ros.geometry.pointmap import DepthNoise, pointmap_from_depth
from spatialgeo_ros.geometry.pose import Pose, gravity_in_camera
from spatialgeo_ros.geometry.region_borders import grown
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object

KINECT = DepthNoise(0.0012, 0.0019)
CAMERA = PinholeCamera(640, 480, 525.0, 525.0, 319.5, 239.5)
LYING = Block(1.35, 0.0, (0.26, 0.3, 0.08), bottom=TOP)
UPRIGHT = Block(1.35, 0.0, (0.12, 0.12, 0.25), bottom=TOP + 0.08)
#: Another thing, and the one that is asked for.
SCENES = {
    "a carton before a wider one": (
        Block(1.25, 0.02, (0.08, 0.2, 0.2), bottom=TOP),
        Block(1.4, 0.0, (0.08, 0.34, 0.22), bottom=TOP),
    ),
    "a turned carton close before a wider one": (
        Block(1.2, 0.02, (0.06, 0.16, 0.14), yaw=0.3, bottom=TOP),
        Block(1.3, 0.0, (0.06, 0.28, 0.2), bottom=TOP),
    ),
    "a carton that stands on one that lies": (UPRIGHT, LYING),
    "a turned carton on another": (
        Block(1.32, 0.0, (0.12, 0.14, 0.3), yaw=0.6, bottom=TOP + 0.08),
        Block(1.35, 0.0, (0.2, 0.3, 0.08), yaw=0.2, bottom=TOP),
    ),
    "a carton across the middle of one": (
        Block(1.22, 0.0, (0.1, 0.08, 0.12), bottom=TOP),
        Block(1.36, 0.0, (0.08, 0.3, 0.12), bottom=TOP),
    ),
}


def looking_down() -> Pose:
    """A camera as on a robot's head before a table."""
    return Pose(camera_pose(np.radians(40)).rotation, [0.5, 0.0, 1.3])


def seen(blocks, pose=None, seed=0):
    """Point map and block index of a view of a table with things on it."""
    return drawn([TABLE, *blocks], pose or looking_down(), seed)


def drawn(blocks, pose, seed=0):
    """Point map and block index of a view of things."""
    depth, index = render(blocks, pose, CAMERA)
    noise = np.random.default_rng(seed).normal(size=depth.shape) * KINECT.sigma(depth)
    return pointmap_from_depth(depth + noise, CAMERA, KINECT), index


def cells_around(pointmap, box):
    """Cells of a window around a box, and those of them that are inside."""
    x0, y0, x1, y1 = box
    window = (x0 - 30, y0 - 30, x1 + 31, y1 + 31)
    cells = make_cells(pointmap, window, 5000)
    within = np.zeros(cells.shape, bool)
    first, last = cells.at(x0, y0), cells.at(x1, y1)
    within[first[0] : last[0] + 1, first[1] : last[1] + 1] = True
    return cells, within


def named(cells, index):
    """The block that each cell's middle is of."""
    rows, columns = (
        first + np.arange(size) * cells.step + cells.step // 2
        for first, size in ((cells.y0, cells.shape[0]), (cells.x0, cells.shape[1]))
    )
    return index[rows.clip(0, 479)][:, columns.clip(0, 639)]


def printed(index, seed=0):
    """A picture in which all things have blotches of many colours, as cartons have."""
    noise = np.random.default_rng(seed).normal(size=(*index.shape, 3))
    image = 120 + 70 * np.sign(cv2.GaussianBlur(noise, (0, 0), 4))
    image[index <= 0] = (170, 150, 130)
    return image.astype(np.uint8)


@pytest.mark.parametrize("image", [False, True], ids=["depth", "colours"])
@pytest.mark.parametrize("scene", SCENES)
def test_a_thing_before_another_or_on_it_is_none_of_it(scene, image):
    other, thing = SCENES[scene]
    pose = looking_down()
    made, index = seen([other, thing], pose)
    region = Region.from_box(*box_of(index, 2))
    inside = region.rasterise(*index.shape)
    assert (inside & (index == 1)).sum() > 0.1 * inside.sum()
    picture = printed(index) if image else None
    found = segment_object(made, region, gravity_in_camera(pose), 1.3, image=picture)
    own = index == 2
    assert (found.mask & (index == 1)).sum() < 0.03 * own.sum()
    assert (found.mask & own).sum() > 0.85 * own.sum()


def test_a_lying_thing_meets_the_one_on_it_in_a_valley():
    made, index = seen([UPRIGHT, LYING])
    cells, within = cells_around(made, box_of(index, 2))
    block = named(cells, index)
    things = cells.ok & (block > 0)
    found = cells.valleys
    beside = cv2.dilate((block == 1).astype(np.uint8), np.ones((5, 5))) > 0
    contact = beside & (block == 2)
    assert found[contact].mean() > 0.7
    # One thing's own edges are none, nor is the inside of a face.
    core = cv2.erode((block == 1).astype(np.uint8), np.ones((9, 9))) > 0
    assert core.sum() > 100
    assert found[core].mean() < 0.02
    whole, parts = connected(cells, things), connected_by_shape(cells, things)
    assert whole[things].min() == parts[things].min() == 0
    assert (whole[~things] == -1).all() and (parts[~things] == -1).all()
    both = things & within
    most = [np.bincount(parts[both & (block == name)]).argmax() for name in (1, 2)]
    assert most[0] != most[1]
    one = [np.bincount(whole[both & (block == name)]).argmax() for name in (1, 2)]
    assert one[0] == one[1]


def test_a_plane_has_no_valleys_however_steep():
    depth, _ = render(
        [Block(2.0, 0.0, (0.02, 3.0, 3.0), yaw=0.9, bottom=-1.0)], camera_pose(), CAMERA
    )
    cells = make_cells(pointmap_from_depth(depth, CAMERA, KINECT), (250, 150, 400, 300), 5000)
    assert cells.ok.all()
    assert not cells.valleys.any()


def test_windows_smaller_than_an_arm_have_no_valleys():
    flat = pointmap_from_depth(np.full((480, 640), 1.0), CAMERA, KINECT)
    for window in ((0, 0, 4, 4), (0, 0, 3, 40), (0, 0, 40, 3), (0, 0, 1, 1)):
        cells = make_cells(flat, window, 5000)
        assert not cells.valleys.any()
        assert (connected_by_shape(cells, cells.ok) == 0).all()


def test_the_top_of_a_thing_folds_away_from_its_front_and_a_foot_does_not():
    before, _ = SCENES["a carton before a wider one"]
    made, index = seen([before])
    cells, within = cells_around(made, box_of(index, 1))
    block = named(cells, index)
    # The lower half of the front is outside the region: a plane that goes on there.
    rows = np.nonzero((block == 1).any(axis=1))[0]
    within[rows[-1] - len(rows) // 3 :] = False
    planes = background_planes(cells, cells.ok, within, ~grown(within))
    front = [
        plane for plane in planes if (plane.cells & (block == 1)).sum() > 0.2 * (block == 1).sum()
    ]
    assert len(front) == 1
    standing = cells.ok & ~on_any(planes, cells)
    edge = folds(cells, standing, front)
    assert edge.sum() > 10
    assert (block[edge] == 1).mean() > 0.9
    label = without_folding(cells, standing, planes, grown(within))
    assert label is not None
    assert (label[standing & within & (block == 1)] == -1).mean() > 0.9
    # The table alone: what stands on it rises from it.
    table = [plane for plane in planes if (plane.cells & (block == 0)).sum() > 100]
    assert len(table) == 1
    whole = cells.ok & ~on_any(table, cells)
    assert without_folding(cells, whole, table, grown(within)) is None


def test_what_stands_within_a_box_is_another_reading():
    """A low thing on a large one, all of it in the box of the large one as seen from above."""
    low = Block(1.32, 0.0, (0.1, 0.12, 0.05), bottom=TOP + 0.08)
    pose = looking_down()
    made, index = seen([low, LYING], pose)
    x0, y0, x1, y1 = box_of(index, 2)
    assert (box_of(index, 1)[1] > y0) and (box_of(index, 1)[3] < y1)
    cells, within = cells_around(made, (x0, y0, x1, y1))
    block = named(cells, index)
    both = cells.ok & (block > 0)
    rest = without_standing(cells, both, within)
    assert rest is not None
    assert (rest & (block == 1)).sum() < 0.1 * (block == 1).sum()
    assert (rest & (block == 2)).sum() > 0.85 * (both & (block == 2)).sum()
    found = segment_object(made, Region.from_box(x0, y0, x1, y1), gravity_in_camera(pose), 1.3)
    assert (found.mask & (index == 1)).sum() > 0.9 * (index == 1).sum()
    assert found.other is not None
    assert (found.other.mask & (index == 1)).sum() < 0.1 * (index == 1).sum()


@pytest.mark.parametrize("width", [0.18, 0.22])
def test_a_cup_on_a_saucer_is_not_the_table_around_it(width):
    """A saucer is no thicker than the table is flat; nothing but the box tells of it."""
    cup = Block(2.2, 0.1, (0.07, 0.07, 0.08), bottom=TOP + 0.006)
    saucer = Block(2.2, 0.1, (width, width, 0.006), bottom=TOP)
    wide = Block(2.2, 0.0, (1.2, 1.6, 0.04), bottom=TOP - 0.04)
    pose = Pose(camera_pose(np.radians(30)).rotation, [0.0, 0.0, 1.6])
    made, index = drawn([wide, cup, saucer], pose)
    x0, y0, x1, y1 = box_of(index, 2)
    region = Region.from_box(x0, min(y0, box_of(index, 1)[1]), x1, y1)
    found = segment_object(made, region, gravity_in_camera(pose), 1.6)
    assert found.flat and found.other is not None
    assert (found.other.mask & (index == 1)).sum() > 0.9 * (index == 1).sum()
    assert (found.other.mask & (index != 1)).sum() < 0.3 * (index == 1).sum()


@pytest.mark.parametrize("knows", [True, False], ids=["gravity", "no gravity"])
@pytest.mark.parametrize("behind", [2.1, 2.25])
@pytest.mark.parametrize("width", [0.06, 0.08])
def test_the_label_of_a_clear_bottle_is_not_the_wall_behind_it(width, behind, knows):
    """The bottle is not read, only its label, which touches the one of the bottle beside it."""
    shelf = Block(1.9, 0.0, (0.5, 2.0, 0.04), bottom=TOP - 0.04)
    board = Block(behind, 0.0, (0.04, 2.0, 1.0), bottom=TOP)
    label = Block(1.9, 0.0, (0.05, width, 0.1), bottom=TOP + 0.05)
    beside = Block(1.9, -width / 2 - 0.03, (0.05, 0.06, 0.1), bottom=TOP + 0.05)
    other = Block(1.6, 0.3, (0.1, 0.1, 0.1), bottom=TOP)
    pose = Pose(camera_pose(np.radians(12)).rotation, [0.0, 0.0, 1.2])
    made, index = drawn([shelf, board, label, beside, other], pose)
    x0, y0, x1, y1 = box_of(index, 2)
    wide, high = x1 - x0, y1 - y0
    bottle = Region.from_box(x0 - 0.6 * wide, y0 - 0.8 * high, x1 + 1, y1 + 0.15 * high)
    known = (gravity_in_camera(pose), 1.2) if knows else (None, None)
    found = segment_object(made, bottle, *known)
    readings = [found.mask] + ([] if found.other is None else [found.other.mask])
    assert any((mask & (index == 2)).sum() > 0.9 * (index == 2).sum() for mask in readings)
    far = measure(
        Kind.NEAREST_POINTS, found, segment_object(made, Region.from_box(*box_of(index, 4)), *known)
    )
    points = [made.pixels_in((0, 0, 640, 480), index == block)[0] for block in (2, 4)]
    truth = float(cKDTree(points[0]).query(points[1])[0].min())
    assert not far.valid or abs(far.distance - truth) < max(0.03, 2 * far.sigma)


def test_scraps_do_not_take_the_place_of_a_thing(monkeypatch):
    """A surface that seems to fold away from a background fills the region; strips are left."""
    pose = looking_down()
    made, index = seen([Block(1.3, 0.0, (0.12, 0.2, 0.16), bottom=TOP)], pose)

    def strips(cells, standing, planes, around):
        label = connected(cells, standing)
        own = label == np.bincount(label[standing]).argmax()
        inside = cv2.erode(own.astype(np.uint8), np.ones((5, 5))) > 0
        return np.where(own & ~inside, 0, -1).astype(np.int32)

    monkeypatch.setattr(separation, "without_folding", strips)
    found = segment_object(made, Region.from_box(*box_of(index, 1)), gravity_in_camera(pose), 1.3)
    assert (found.mask & (index == 1)).sum() > 0.9 * (index == 1).sum()
    assert found.other is not None


@pytest.mark.parametrize("turn", [0.0, 0.5])
def test_one_thing_has_one_reading(turn):
    pose = looking_down()
    carton = Block(1.3, 0.0, (0.12, 0.2, 0.16), yaw=turn, bottom=TOP)
    made, index = seen([carton], pose)
    cells, within = cells_around(made, box_of(index, 1))
    own = cells.ok & (named(cells, index) == 1)
    assert without_standing(cells, own, within) is None
    found = segment_object(made, Region.from_box(*box_of(index, 1)), gravity_in_camera(pose), 1.3)
    assert found.other is None
