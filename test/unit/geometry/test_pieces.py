# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Connected surfaces of a region, and the share of each that the region does not bound."""

import numpy as np
import pytest
from geometry_scene import CAMERA

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.cells import connected, make_cells
from spatialgeo_ros.geometry.pieces import LEAK, Piece, Reach, gap_between, pieces_in
from spatialgeo_ros.geometry.pointmap import pointmap_from_depth

SIDE = 60  # cells of the window along each side, a pixel each
REGION = slice(15, 45)


def pieces(*sheets):
    """Pieces of the region of a window before a wall at 4 m; sheets are (rows, columns, depth)."""
    depth = np.full((240, 320), 4.0)
    for rows, columns, z in sheets:
        depth[rows, columns] = z
    cells = make_cells(pointmap_from_depth(depth, CAMERA), (0, 0, SIDE, SIDE), 10_000)
    within = np.zeros(cells.shape, bool)
    within[REGION, REGION] = True
    wall = cells.raw_z > 3.9
    return pieces_in(cells, connected(cells, ~wall), within)


def test_a_surface_inside_has_no_leak():
    (piece,) = pieces((slice(20, 40), slice(18, 42), 2.0))
    assert len(piece.at) == len(piece.points) == 20 * 24
    assert piece.leak == 0
    assert piece.at.min(axis=0).tolist() == [20, 18] and piece.at.max(axis=0).tolist() == [39, 41]
    assert piece.points[:, 2] == pytest.approx(2.0, abs=1e-3)


def test_the_leak_is_what_lies_outside():
    (piece,) = pieces((slice(20, 40), slice(25, 51), 2.0))
    inside, outside = 20 * 20, 20 * 5  # the column beside the border counts as neither side
    assert len(piece.at) == inside
    assert piece.leak == pytest.approx(outside / inside)


def test_what_is_mostly_outside_is_left_out_unless_all_is():
    passing = (slice(38, 43), slice(0, SIDE), 1.5)
    inner = (slice(18, 30), slice(18, 40), 2.5)
    assert [len(piece.at) for piece in pieces(inner, passing)] == [12 * 22]
    assert pieces(passing) == []
    # A bar that ends at both sides soon after the region is not bounded by it either.
    bar = (slice(20, 40), slice(5, 55), 2.0)
    (found,) = pieces(bar, (slice(41, 44), slice(18, 40), 3.0))
    assert found.at[:, 0].min() == 41 and found.leak <= LEAK


def test_what_goes_on_to_the_end_of_the_window_is_not_bounded():
    """However little of it: a tape from the left border of the window to the region's middle."""
    tape = (slice(20, 40), slice(0, 43), 2.0)
    inner = (slice(41, 44), slice(18, 40), 3.0)
    found = pieces(tape, inner)
    assert all(piece.leak <= LEAK for piece in found)
    assert [piece.at[:, 0].min() for piece in found] == [41]


@pytest.mark.parametrize(("room", "bounded"), [(2, True), (4, True), (8, False)])
@pytest.mark.parametrize("turned", [False, True], ids=["upper end", "left end"])
def test_what_the_image_cuts_beside_a_side_does_not_pass_through(turned, room, bounded):
    """A region whose side is drawn a little before the image's end, over a thing that goes on.

    With the end of the window farther away than a side may be off, the same thing passes through.
    """
    depth = np.full((240, 240), 1.0)
    depth[:60, 20:40] = 0.5
    within = np.zeros((120, 120), bool)
    within[room : room + 100, 15:45] = True
    camera = PinholeCamera(240, 240, 262.5, 262.5, 119.5, 119.5)
    if turned:
        depth, within = depth.T, within.T
    cells = make_cells(pointmap_from_depth(depth, camera), (0, 0, 120, 120), 20_000)
    (found,) = pieces_in(cells, connected(cells, cells.raw_z < 0.9), within)
    assert len(found.at) == (60 - room) * 20
    assert found.leak == pytest.approx((room - 1) / (60 - room) if bounded else 1.0)


def test_pieces_are_sorted_by_what_is_inside():
    found = pieces(
        (slice(17, 22), slice(17, 22), 1.0),
        (slice(25, 43), slice(20, 43), 2.0),
        (slice(17, 24), slice(30, 40), 3.0),
    )
    sizes = [len(piece.at) for piece in found]
    assert sizes == [18 * 23, 7 * 10, 5 * 5]


def test_scraps_of_two_cells_do_not_count():
    assert pieces((slice(20, 21), slice(20, 22), 2.0)) == []


def test_a_continuation_outside_that_touches_is_a_leak_too():
    seat = (slice(18, 40), slice(18, 42), 2.0)
    # Below the region, cut off from the seat by a row of wall, but within centimetres of it.
    apart = (slice(48, 58), slice(18, 42), 2.0)
    (alone,) = pieces(seat)
    (spilled,) = pieces(seat, apart)
    assert alone.leak == 0
    assert spilled.leak == pytest.approx(10 * 24 / (22 * 24))
    far = (slice(48, 58), slice(18, 42), 2.6)
    assert pieces(seat, far)[0].leak == 0


@pytest.mark.parametrize("seed", range(5))
def test_the_gap_is_the_least_of_all_pairs(seed):
    rng = np.random.default_rng(seed)
    a = (rng.normal(size=(70, 3)) * 0.1 + [0, 0, 2]).astype(np.float32)
    b = (rng.normal(size=(50, 3)) * 0.1 + [0.4, 0, 2.2]).astype(np.float32)
    expected = np.linalg.norm(a[:, None].astype(float) - b[None], axis=2).min()
    assert gap_between(a, b) == pytest.approx(expected, abs=1e-4)
    assert gap_between(a, a) == pytest.approx(0, abs=1e-3)


def test_thinned_pieces_keep_their_place():
    at = np.argwhere(np.ones((40, 47), bool))
    points = np.concatenate([at * 0.01, np.full((len(at), 1), 2.0)], axis=1).astype(np.float32)
    piece = Piece(at, points, 0.25)
    thin = piece.thinned(100)
    assert 90 <= len(thin.at) <= 100 and thin.leak == 0.25
    np.testing.assert_allclose(thin.points[:, :2], thin.at * 0.01, atol=1e-6)
    assert np.abs(thin.at.mean(axis=0) - at.mean(axis=0)).max() < 2
    assert len(piece.part.at) <= 120


def test_nearest_leaves_single_points_out():
    z = np.full(100, 2.0)
    z[:5] = 0.5  # floating pixels
    points = np.stack([np.zeros(100), np.zeros(100), z], axis=1).astype(np.float32)
    assert Piece(np.zeros((100, 2), np.int64), points, 0).nearest == pytest.approx(2.0)


@pytest.mark.parametrize("apart", [0.0, 0.02, 0.3, 4.0])
def test_boxes_bound_the_gap_of_what_is_in_them(apart):
    rng = np.random.default_rng(6)
    for _ in range(20):
        a, b = (rng.random((n, 3)).astype(np.float32) * rng.random(3) for n in (40, 70))
        b = (b + apart * rng.standard_normal(3)).astype(np.float32)
        one, other, gap = Reach.of(a), Reach.of(b), gap_between(a, b)
        assert one.least_gap(other) <= gap <= one.most_gap(other)
        assert one.least_gap(other) == other.least_gap(one)
        assert one.most_gap(other) == other.most_gap(one)
    far = Reach.of(a + np.float32([3, 0, 0]))
    assert far.least_gap(one) > 1.5 and far.most_gap(one) < 5


@pytest.mark.parametrize(("ahead", "goes_on"), [(0.0, True), (0.06, False), (-0.3, False)])
def test_what_is_level_with_a_background_beyond_goes_on_there(ahead, goes_on):
    """A back rest that reaches into a door's box: outside its plane was taken for a background.

    A door that is before its wall by little, or stands in a niche, ends where its box does.
    """
    rest, door = (slice(30, 70), slice(20, 60)), (slice(75, 95), slice(30, 80))
    depth = np.full((240, 320), 4.0)
    depth[30:70, :20] = 2.0
    depth[rest] = 2.0 - ahead
    depth[door] = 3.0
    cells = make_cells(pointmap_from_depth(depth, CAMERA), (0, 0, 120, 120), 20_000)
    within = np.zeros(cells.shape, bool)
    within[20:100, 20:100] = True
    label = np.full(cells.shape, -1, np.int32)
    label[rest], label[door] = 0, 1
    found = pieces_in(cells, label, within)
    depths = [float(np.median(piece.points[:, 2])) for piece in found]
    assert depths[-1] == pytest.approx(3.0, abs=0.01)
    assert (len(found) == 1) == goes_on


def test_what_a_region_that_is_no_rectangle_leaves_out_is_no_piece_of_it():
    """A polygon, or a box without another thing's pixels: the rest is within its sides only."""
    rest, door = (slice(30, 70), slice(20, 60)), (slice(75, 95), slice(30, 80))
    depth = np.full((240, 320), 4.0)
    depth[30:70, :60] = 2.0
    depth[door] = 3.0
    cells = make_cells(pointmap_from_depth(depth, CAMERA), (0, 0, 120, 120), 20_000)
    within = np.zeros(cells.shape, bool)
    within[20:100, 20:100] = True
    within[rest] = False
    label = np.full(cells.shape, -1, np.int32)
    label[rest], label[door] = 0, 1
    (piece,) = pieces_in(cells, label, within)
    assert float(np.median(piece.points[:, 2])) == pytest.approx(3.0, abs=0.01)
