# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cells are the mean of their pixels, and what is connected is what a slow flood fill finds."""

import numpy as np
import pytest
from geometry_scene import CAMERA, HEIGHT, Block, see

from spatialgeo_ros.geometry.cells import (
    STEPS,
    connected,
    extent,
    linked,
    make_cells,
    neighbours,
    on_both_sides,
    patches,
    separate_rest,
    spread_labels,
)
from spatialgeo_ros.geometry.pointmap import DepthNoise, pointmap_from_depth

KINECT = DepthNoise(0.0012, 0.0019)


def flood_fill(use, joined):
    """Label the cells of ``use``; ``joined`` holds pairs of cells that belong together."""
    beside = {}
    for a, b in joined:
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    label = np.full(use.shape, -1)
    number = 0
    for start in map(tuple, np.argwhere(use)):
        if label[start] >= 0:
            continue
        waiting = [start]
        label[start] = number
        while waiting:
            for cell in beside.get(waiting.pop(), []):
                if label[cell] < 0:
                    label[cell] = number
                    waiting.append(cell)
        number += 1
    return label


def same_partition(a, b):
    """Whether two labellings divide the same cells alike, whatever the names."""
    pairs = set(zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))
    return len(pairs) == len({one for one, _ in pairs}) == len({other for _, other in pairs})


def pairs_of(links):
    """Pairs of cells of links as those of ``linked``."""
    found = []
    for (dy, dx), link in zip(STEPS, links, strict=True):
        for y, x in np.argwhere(link).tolist():
            first = x + max(0, -dx)
            found.append(((y, first), (y + dy, first + dx)))
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.4, 0.6, 1.0])
def test_connected_is_a_flood_fill(seed, share):
    blocks = [Block(2.0, 0.3, (0.4, 0.5, 0.9), yaw=0.4), Block(1.5, -0.3, (0.3, 0.2, 0.5))]
    made, _, _, _ = see(blocks, KINECT, seed=seed)
    cells = make_cells(made, (60, 40, 260, 220), 2500)
    use = cells.ok & (np.random.default_rng(seed).random(cells.shape) < share)
    label = connected(cells, use)
    expected = flood_fill(use, pairs_of(linked(cells, use)))
    assert same_partition(label, expected)
    assert (label >= 0).sum() == use.sum()
    assert set(np.unique(label[use])) == set(range(label.max() + 1)), "no name is left out"


def test_nothing_in_use_has_no_name():
    made, _, _, _ = see([])
    cells = make_cells(made, (0, 0, 60, 60), 400)
    assert (connected(cells, np.zeros(cells.shape, bool)) == -1).all()


def test_a_slanted_plane_is_one_surface_and_a_jump_is_two():
    # The floor, seen at a grazing angle: from one cell to the next it is up to 10 cm farther.
    made, _, gravity, _ = see([])
    cells = make_cells(made, (0, 0, 320, 240), 5000)
    floor = cells.points @ gravity.astype(np.float32) > HEIGHT - 0.02
    assert np.abs(np.diff(cells.raw_z, axis=0))[floor[1:] & floor[:-1]].max() > 0.1
    assert connected(cells, floor).max() == 0
    depth = np.full((240, 320), 2.0)
    depth[:, 160:] = 2.3
    cells = make_cells(pointmap_from_depth(depth, CAMERA, KINECT), (0, 0, 320, 240), 5000)
    label = connected(cells, cells.ok)
    assert label.max() == 1
    assert len(np.unique(label[:, : cells.at(155, 0)[1]])) == 1


@pytest.mark.parametrize("most", [100_000, 3000, 500])
def test_cells_are_the_mean_of_their_pixels(most):
    rng = np.random.default_rng(0)
    depth = 2.0 + rng.normal(0, 0.004, (240, 320))
    window = (31, 17, 250, 203)
    made = pointmap_from_depth(depth, CAMERA, DepthNoise(0.004, 0.0))
    cells = make_cells(made, window, most)
    assert cells.ok.all() and cells.ok.size <= 1.1 * most
    h, w = cells.shape
    assert h * cells.step >= 203 - 17 > (h - 1) * cells.step
    assert w * cells.step >= 250 - 31 > (w - 1) * cells.step
    z = cells.points[..., 2]
    assert z.mean() == pytest.approx(2.0, abs=0.001)
    inner = z[1:-1, 1:-1]
    assert inner.std() < 0.6 * 0.004, "they are less noisy than pixels"
    # Points lie on the rays of their cells' middles.
    pixels = CAMERA.project(cells.points.reshape(-1, 3).astype(np.float64)).reshape(h, w, 2)
    middle = (cells.step - 1) / 2
    assert pixels[3, 5] == pytest.approx(
        [31 + 5 * cells.step + middle, 17 + 3 * cells.step + middle], abs=1e-2
    )
    assert cells.at(31 + 5 * cells.step, 17 + 3 * cells.step) == (3, 5)


def test_cells_without_depth_are_empty():
    depth = np.full((240, 320), 1.5)
    depth[100:140, 100:180] = np.nan
    cells = make_cells(pointmap_from_depth(depth, CAMERA), (80, 80, 200, 160), 600)
    assert cells.step == 4
    assert not cells.ok[5:15, 5:25].any()
    assert cells.ok.sum() == cells.ok.size - 10 * 20


def test_patches_are_eight_connected():
    use = np.zeros((6, 8), bool)
    use[0, 0] = use[1, 1] = use[2, 2] = True  # one, over corners
    use[5, 5:8] = True
    number, label = patches(use)
    assert number == 2
    assert (label > 0).sum() == use.sum() and (label[~use] == 0).all()
    assert label[0, 0] == label[2, 2] != label[5, 7]


@pytest.mark.parametrize("seed", range(3))
def test_patches_are_a_flood_fill(seed):
    use = np.random.default_rng(seed).random((20, 30)) < 0.4
    everywhere = [
        (
            dy,
            dx,
            use[: 20 - dy, max(0, -dx) : 30 - max(0, dx)] & use[dy:, max(0, dx) : 30 + min(0, dx)],
        )
        for dy, dx in STEPS
    ]
    number, label = patches(use)
    expected = flood_fill(use, pairs_of([link for *_, link in everywhere]))
    assert number == expected.max() + 1
    assert same_partition(label, expected)


def test_extent_is_first_and_last():
    use = np.zeros((6, 8), bool)
    use[2, 3] = use[4, 6] = True
    assert extent(use) == (2, 4, 3, 6)


@pytest.mark.parametrize("shape", [(1, 1), (3, 9), (9, 3), (8, 10)])
@pytest.mark.parametrize("reach", [1, 2, 3])
def test_cells_between_two_have_these_on_both_sides(shape, reach):
    rows, columns = np.indices(shape)
    for dy, dx in STEPS:
        before, middle, after = on_both_sides(reach * dy, reach * dx, shape)
        for values, way in ((rows, dy), (columns, dx)):
            np.testing.assert_array_equal(values[middle] - values[before], reach * way)
            np.testing.assert_array_equal(values[after] - values[middle], reach * way)
        height = max(0, shape[0] - 2 * reach * dy)
        width = max(0, shape[1] - 2 * reach * abs(dx))
        assert rows[middle].size == height * width


def test_labels_spread_to_the_neighbour_that_is_most_alike():
    """A gap of three cells between two surfaces, of which the last two resemble the second."""
    label = np.full((3, 9), -1, np.int32)
    label[:, :3], label[:, 6:] = 0, 1
    apart = []
    for dy, dx in STEPS:
        here, _ = neighbours(dy, dx, label.shape)
        columns = np.indices(label.shape)[1][here] + min(dx, 0)
        apart.append(np.where((columns == 3) & (dx != 0), 9.0, 1.0).astype(np.float32))
    every = [np.ones(each.shape, bool) for each in apart]
    links = list(zip(every, apart, strict=True))
    near = spread_labels(label, links, 1)
    np.testing.assert_array_equal(near[1], [0, 0, 0, 0, -1, 1, 1, 1, 1])
    np.testing.assert_array_equal(spread_labels(label, links, 5)[1], [0, 0, 0, 0, 1, 1, 1, 1, 1])
    none = [(np.zeros_like(link), each) for link, each in links]
    np.testing.assert_array_equal(spread_labels(label, none, 5), label)


def test_what_is_left_without_a_label_is_surfaces_of_their_own():
    depth = np.full((240, 320), 2.0)
    depth[:, 160:] = 1.0
    cells = make_cells(pointmap_from_depth(depth, CAMERA, KINECT), (150, 100, 170, 110), 10_000)
    label = np.full(cells.shape, -1, np.int32)
    label[:5] = 0
    use = cells.ok.copy()
    use[-1] = False
    found = separate_rest(cells, use, label)
    assert (found[:5] == 0).all() and (found[-1] == -1).all()
    left, right = found[5:-1, :9], found[5:-1, 11:]
    assert left.min() == left.max() and right.min() == right.max()
    assert {int(left[0, 0]), int(right[0, 0])} == {1, 2}
