# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Planes that go on outside a region are its background; sides of the object are not."""

import numpy as np
import pytest
from geometry_scene import CAMERA, HEIGHT, Block, box_of, camera_pose, see

from spatialgeo_ros.geometry.background import Floor, background_planes, is_large, on_any
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.cells import make_cells
from spatialgeo_ros.geometry.contacts import creases
from spatialgeo_ros.geometry.pointmap import DepthNoise, pointmap_from_depth
from spatialgeo_ros.geometry.region_borders import grown

KINECT = DepthNoise(0.0012, 0.0019)
TOP = 0.6
TABLE = Block(1.5, 0.0, (0.8, 1.3, 0.04), bottom=TOP - 0.04)
CARTON = Block(1.5, -0.1, (0.15, 0.2, 0.15), bottom=TOP)
FORWARD = camera_pose().rotation.T @ [1.0, 0.0, 0.0]  # towards the wall, in the camera


def window_of(made, box, margin=20):
    """Cells of a window around a box, of a pixel each; cells within and surely outside the box."""
    x0, y0, x1, y1 = (int(v) for v in box)
    window = (max(0, x0 - margin), max(0, y0 - margin), x1 + 1 + margin, y1 + 1 + margin)
    cells = make_cells(made, window, 1_000_000)
    within, near = np.zeros((2, *cells.shape), bool)
    row, column = y0 - window[1], x0 - window[0]
    within[row : row + y1 - y0 + 1, column : column + x1 - x0 + 1] = True
    near[row - 2 : row + y1 - y0 + 3, column - 2 : column + x1 - x0 + 3] = True
    return cells, within, ~near


def part_of(cells, image):
    """The window's part of an image with a value for every pixel."""
    h, w = cells.shape
    return image[cells.y0 : cells.y0 + h, cells.x0 : cells.x0 + w]


def plane_like(planes, normal, offset):
    """The one plane with this normal and offset, or None."""
    fits = [p for p in planes if p.normal @ normal > 0.995 and abs(p.offset - offset) < 0.03]
    assert len(fits) <= 1
    return fits[0] if fits else None


@pytest.mark.parametrize("noise", [None, KINECT])
def test_table_and_wall_are_found_with_offset_and_normal(noise):
    made, index, gravity, _ = see([TABLE, CARTON], noise)
    cells, within, outside = window_of(made, box_of(index, 1))
    planes = background_planes(cells, cells.ok, within, outside)
    table = plane_like(planes, gravity, HEIGHT - TOP)
    wall = plane_like(planes, FORWARD, 5.0)
    assert table is not None and wall is not None
    assert table.offset == pytest.approx(HEIGHT - TOP, abs=0.006 if noise is None else 0.012)
    assert wall.offset == pytest.approx(5.0, abs=0.002 if noise is None else 0.02)
    owner = part_of(cells, index)
    for plane, name in ((table, 0), (wall, -1)):
        truth = owner == name
        if name == -1:
            truth &= cells.points @ FORWARD.astype(np.float32) > 4.8  # not the floor
        assert (plane.cells & truth).sum() > 0.85 * truth.sum()
        assert np.linalg.norm(plane.normal) == pytest.approx(1)
    on_carton = owner == 1
    assert sum((plane.cells & on_carton).sum() for plane in planes) < 0.12 * on_carton.sum()
    # The carton stands before both: as far as it rises from the table.
    assert np.nanmin(table.front[on_carton]) > -0.02
    assert np.nanmax(table.front[on_carton]) == pytest.approx(0.15, abs=0.02)


def test_planes_do_not_change_from_run_to_run():
    made, index, _, _ = see([TABLE, CARTON], KINECT)
    cells, within, outside = window_of(made, box_of(index, 1))
    first, second = (background_planes(cells, cells.ok, within, outside) for _ in range(2))
    assert len(first) == len(second) > 1
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one.cells, other.cells)
        np.testing.assert_array_equal(one.normal, other.normal)


@pytest.mark.parametrize("off", [-0.03, 0.0, 0.03])
def test_the_floor_is_taken_as_it_is_seen(off):
    made, index, gravity, _ = see([Block(2.5, 0.0, (0.4, 0.5, 0.6), yaw=0.3)], KINECT)
    cells, within, outside = window_of(made, box_of(index, 0))
    planes = background_planes(cells, cells.ok, within, outside, Floor(gravity, HEIGHT + off))
    assert planes[0].normal @ gravity > 0.999
    assert planes[0].offset == pytest.approx(HEIGHT, abs=0.01)


def test_a_floor_that_is_not_seen_is_no_plane():
    made, index, gravity, _ = see([TABLE, CARTON], KINECT)
    cells, within, outside = window_of(made, box_of(index, 1))
    planes = background_planes(cells, cells.ok, within, outside, Floor(gravity, HEIGHT + 0.3))
    assert plane_like(planes, gravity, HEIGHT + 0.3) is None
    assert plane_like(planes, gravity, HEIGHT - TOP) is not None


@pytest.mark.parametrize("side", [-1, 1])
def test_a_face_that_is_level_with_a_neighbour_is_no_background(side):
    """Two cartons side by side: their fronts are one plane, but only on one side it goes on."""
    beside = Block(1.5, -0.1 + side * 0.2, CARTON.size, bottom=TOP)
    made, index, gravity, _ = see([TABLE, CARTON, beside], KINECT)
    cells, within, outside = window_of(made, box_of(index, 1), margin=40)
    planes = background_planes(cells, cells.ok, within, outside)
    assert plane_like(planes, gravity, HEIGHT - TOP) is not None
    own = part_of(cells, index) == 1
    taken = np.logical_or.reduce([plane.cells for plane in planes])
    assert (taken & own).sum() < 0.12 * own.sum()


def test_the_wall_behind_a_window_wide_thing_is_its_background():
    """It goes on at every side, though most of it is hidden."""
    made, index, _, _ = see([Block(3.0, 0.0, (0.2, 1.2, 1.0), bottom=0.4)], KINECT)
    cells, within, outside = window_of(made, box_of(index, 0))
    assert plane_like(background_planes(cells, cells.ok, within, outside), FORWARD, 5.0) is not None


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_bend_of_a_camera_is_taken_off(sign):
    made, index, gravity, _ = see([TABLE, CARTON], KINECT)
    v, u = np.meshgrid(np.linspace(-1, 1, 240), np.linspace(-1, 1, 320), indexing="ij")
    bent = pointmap_from_depth(made.depth * (1 + sign * 0.01 * (u * u + v * v)), CAMERA, KINECT)
    cells, within, outside = window_of(bent, box_of(index, 1))
    planes = background_planes(cells, cells.ok, within, outside)
    table = plane_like(planes, gravity, HEIGHT - TOP)
    assert table is not None
    seen = part_of(cells, index) == 0
    assert np.median(np.abs(table.front[seen & cells.ok])) < 0.003
    assert table.tolerance < 0.02
    assert (table.cells & seen).sum() > 0.85 * seen.sum()


def test_where_nothing_is_seen_there_is_no_plane():
    made, index, _, _ = see([TABLE, CARTON], KINECT)
    cells, within, outside = window_of(made, box_of(index, 1))
    assert background_planes(cells, np.zeros(cells.shape, bool), within, outside) == []
    assert background_planes(cells, cells.ok & within, within, outside) == []


def test_points_on_the_floor_and_below_it():
    floor = Floor(np.array([0.0, 1.0, 0.0]), 1.0)
    points = np.array([[0, 1.0, 2], [0, 0.99, 2], [0, 1.3, 2], [0, 0.9, 2], [0, np.nan, np.nan]])
    expected = [True, True, True, False, False]
    assert floor.holds(points, np.full(5, 0.002)).tolist() == expected
    assert floor.below(points).tolist() == expected
    # Noise of z moves a point along its ray.
    assert floor.holds(points, np.full(5, 0.1))[3]


def test_strips_along_creases_of_the_background_are_no_parts_of_furniture():
    stool = Block(3.8, 0.0, (0.5, 0.6, 0.5))
    made, index, _, _ = see([stool], KINECT)
    cells, within, outside = window_of(made, box_of(index, 0))
    planes = background_planes(cells, cells.ok, within, outside)
    owner = part_of(cells, index)
    at_wall = cells.points @ FORWARD.astype(np.float32) > 4.95
    # Where floor and wall meet: what is left there when neither takes it.
    seam = np.zeros(cells.shape, bool)
    seam[:-1] = at_wall[:-1] & ~at_wall[1:] & (owner[:-1] == -1)
    label = np.full(cells.shape, -1, np.int32)
    label[owner == 0], label[seam] = 0, 1
    backdrop = (owner == -1) & ~seam
    assert seam.sum() > 20
    crease = creases(cells, label, planes, backdrop)
    assert not crease[owner == 0].any()
    assert crease[seam].all()


def test_regions_of_furniture_are_told_from_those_of_small_things():
    cupboard = Block(2.5, 0.0, (0.5, 1.0, 1.2))
    for block, large in ((CARTON, False), (cupboard, True)):
        made, index, _, _ = see([block])
        cells, within, _ = window_of(made, box_of(index, 0))
        assert is_large(cells, within) == large


def test_below_furniture_the_known_floor_is_as_good_as_beside_it():
    """Beside a table lies a rug, which goes on nowhere below it."""
    made, _, gravity, _ = see([])
    down = made.points @ gravity.astype(np.float32)
    floor = np.abs(down - HEIGHT) < 0.01
    x0, y0, x1, y1 = box = (90, 140, 230, 215)
    rug = floor.copy()
    rug[y0 : y1 + 1, x0 : x1 + 1] = False
    depth = np.where(rug, made.depth * (HEIGHT - 0.025) / HEIGHT, made.depth)
    cells, within, outside = window_of(
        pointmap_from_depth(depth, CAMERA, DepthNoise(0.0005, 0.0)), box
    )
    assert is_large(cells, within)
    planes = background_planes(cells, cells.ok, within, outside, Floor(gravity, HEIGHT))
    taken = np.zeros(cells.shape, bool)
    for plane in planes:
        taken |= plane.cells
    below = within & part_of(cells, floor)
    assert (taken & below).sum() > 0.95 * below.sum()


def test_a_low_foot_is_no_scatter_of_the_known_floor():
    """A lamp's foot of 2 cm covers most of what a box shows of the floor."""
    foot, upper = Block(2.4, 0.0, (1.0, 1.0, 0.02)), Block(2.4, 0.0, (0.1, 1.0, 0.7), bottom=0.5)
    noise = DepthNoise(0.0012, 0.0)
    made, index, gravity, _ = see([foot, upper], noise)
    x0, y0, x1, y1 = np.array([box_of(index, 0), box_of(index, 1)]).T
    cells, within, outside = window_of(made, (x0.min(), y0.min(), x1.max(), y1.max()))
    assert is_large(cells, within)
    plane = background_planes(cells, cells.ok, within, outside, Floor(gravity, HEIGHT))[0]
    assert plane.normal @ gravity > 0.999 and plane.tolerance < 0.015
    owner = part_of(cells, index)
    assert plane.cells[owner == 0].mean() < 0.1
    assert plane.cells[outside & (cells.points @ gravity > HEIGHT - 0.005)].mean() > 0.95


def test_a_plane_that_cuts_through_slats_is_no_background():
    """Slats that lean by as much as they are apart: half of each is near the plane between them."""
    camera = PinholeCamera(640, 480, 525.0, 525.0, 319.5, 239.5)
    slats = 0.04 * ((np.arange(640) % 24) / 24 - 0.5)
    depth = np.broadcast_to(1.0 + slats, (480, 640))
    depth = depth + np.random.default_rng(0).normal(size=depth.shape) * KINECT.sigma(depth)
    cells = make_cells(pointmap_from_depth(depth, camera, KINECT), (200, 120, 440, 360), 5000)
    within = np.zeros(cells.shape, bool)
    within[15:45, 15:45] = True
    planes = background_planes(cells, cells.ok, within, ~grown(within))
    assert on_any(planes, cells)[within].mean() < 0.3
