# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Of the surfaces in a region, those that are one object: parts are joined, scraps left out."""

import numpy as np
import pytest
from geometry_scene import CAMERA

from spatialgeo_ros.geometry.assembly import fill, most_score, select
from spatialgeo_ros.geometry.cells import connected, make_cells
from spatialgeo_ros.geometry.growth import View, _Group, _in_line
from spatialgeo_ros.geometry.pieces import Piece
from spatialgeo_ros.geometry.pointmap import pointmap_from_depth

WINDOW = (80, 40, 240, 200)
REGION = (slice(60, 180), slice(100, 220))  # rows, columns
WALL = 4.0
DOWN = np.array([0.0, 1.0, 0.0])


def seen(*sheets, region=REGION):
    """Cells of a window before a wall, which of them are in the region, and whose they are."""
    depth, owner = np.full((240, 320), WALL), np.full((240, 320), -1)
    for name, (rows, columns, z) in enumerate(sheets):
        depth[rows, columns], owner[rows, columns] = z, name
    made = pointmap_from_depth(depth, CAMERA)
    cells = make_cells(made, WINDOW, 160 * 160)
    assert cells.step == 1
    x0, y0, x1, y1 = WINDOW
    within = np.zeros((240, 320), bool)
    within[region] = True
    return cells, within[y0:y1, x0:x1], owner[y0:y1, x0:x1]


def chosen(*sheets, gravity=None, usual=None, region=REGION):
    """What is chosen of upright sheets (rows, columns, depth), the later ones in front.

    Where the region reaches the side of :data:`WINDOW`, the image ends.

    Returns:
        The choice, and for each sheet the share of its cells inside the region that are chosen.
    """
    cells, within, owner = seen(*sheets, region=region)
    choice = select(cells, connected(cells, cells.raw_z < WALL - 0.1), within, gravity, usual)
    if choice is None:
        return None, []
    own = [within & (owner == name) for name in range(len(sheets))]
    return choice, [float(choice.cells[part].mean()) if part.any() else 0.0 for part in own]


def test_fill_compares_bounding_boxes():
    within = np.zeros((40, 40), bool)
    within[10:30, 10:30] = True
    cross = np.zeros((40, 40), bool)
    cross[10:30, 20] = cross[20, 10:20] = True
    assert fill(cross, within) == pytest.approx(20 * 11 / 400)


def test_nothing_in_the_region_is_no_choice():
    assert chosen((slice(0, 50), slice(0, 320), 2.0))[0] is None


@pytest.mark.parametrize(
    "sheets",
    [
        [(*REGION, 2.0)],
        [(slice(60, 120), slice(100, 160), 2.0), (slice(150, 170), slice(180, 210), 1.5)],
        [(slice(62, 110), slice(102, 218), 2.0), (slice(115, 178), slice(80, 240), 1.4)],
    ],
)
def test_no_choice_scores_more_than_the_cells_allow(sheets):
    """However they are labelled: what cannot be better need not be tried."""
    cells, within, owner = seen(*sheets)
    most = most_score(owner >= 0, within)
    rng = np.random.default_rng(8)
    by_depth = connected(cells, owner >= 0)
    for label in (by_depth, owner.astype(np.int32), np.where(owner >= 0, rng.integers(3), -1)):
        choice = select(cells, label.astype(np.int32), within, None)
        assert choice is not None and choice.score <= most
        kept = select(cells, label.astype(np.int32), within, None, None, choice.score - 1e-6)
        np.testing.assert_array_equal(kept.cells, choice.cells)
        assert select(cells, label.astype(np.int32), within, None, None, most) is None
    assert most_score(owner > 5, within) == -np.inf


def test_a_surface_that_fills_the_region_is_chosen():
    choice, shares = chosen((*REGION, 2.0))
    assert shares == [1.0] and choice.other is None
    assert choice.score > 1


@pytest.mark.parametrize("width", [6, 15, 30, 50])
def test_parts_on_both_sides_of_a_post_are_joined(width):
    post = (slice(0, 240), slice(150, 150 + width), 1.2)
    _, shares = chosen((*REGION, 2.0), post)
    assert shares == [1.0, 0.0]


def test_parts_far_behind_each_other_are_not_joined():
    near, far = (slice(60, 180), slice(100, 190), 1.2), (slice(100, 140), slice(196, 212), 3.2)
    _, shares = chosen(near, far)
    assert shares == [1.0, 0.0]


def test_what_passes_through_the_region_is_not_chosen():
    """A rail from the left of the window to its right is larger than the thing, but not bounded."""
    thing = (slice(62, 110), slice(102, 218), 2.0)
    rail = (slice(115, 178), slice(80, 240), 1.4)
    choice, shares = chosen(thing, rail)
    assert shares == [1.0, 0.0] and choice.other is None


def test_a_scrap_along_the_border_is_left_out():
    """Something beside that shows at the region's edge, which the object reaches without it."""
    seat, back = (slice(100, 178), slice(102, 218), 2.0), (slice(62, 100), slice(102, 160), 2.0)
    beside = (slice(65, 95), slice(214, 220), 2.1)
    _, shares = chosen(seat, back, beside)
    assert shares == [1.0, 1.0, 0.0]


def test_a_part_without_which_the_region_is_not_filled_is_kept():
    seat = (slice(62, 110), slice(102, 218), 2.0)
    foot = (slice(165, 178), slice(110, 210), 2.1)
    _, shares = chosen(seat, foot)
    assert shares == [1.0, 1.0]


@pytest.mark.parametrize(("width", "doubtful"), [(56, True), (30, False)])
def test_the_larger_of_parts_that_do_not_meet_is_another_reading(width, doubtful):
    """The base of an office chair reaches over more than its back, and its pole is not seen."""
    base = (slice(160, 167), slice(108, 213), 2.4), (slice(115, 167), slice(108, 115), 2.4)
    back = (slice(66, 113), slice(132, 132 + width), 1.9)
    choice, shares = chosen(*base, back)
    assert shares == [1.0, 1.0, 0.0]
    assert (choice.other is not None) == doubtful
    if doubtful:
        assert np.count_nonzero(choice.other) == 47 * width


@pytest.mark.parametrize(("short", "joined"), [(0.04, False), (0.09, False), (0.16, True)])
@pytest.mark.parametrize("side", ["right", "left"])
def test_what_shows_beside_a_thing_in_a_region_that_is_too_large_is_left_out(side, short, joined):
    """Something behind, in the strip between the thing and a side that is drawn too far out.

    A strip that is wider than a side may be off is a part that the region is not filled without.
    """
    ends = 220 - round(short * 120)
    columns, strip = slice(100, ends), slice(214, 220)
    if side == "left":
        columns, strip = slice(319 - ends, 220), slice(100, 106)
    _, shares = chosen((slice(60, 180), columns, 2.0), (slice(80, 110), strip, 2.8))
    assert shares == [1.0, 1.0 if joined else 0.0]


def test_a_part_that_stands_below_belongs_by_gravity():
    """A stool's foot: 0.4 m below its seat, and well inside the region's sides."""
    seat = (slice(60, 90), slice(100, 220), 2.0)
    foot = (slice(140, 160), slice(130, 190), 2.0)
    _, shares = chosen(seat, foot, gravity=DOWN)
    assert shares == [1.0, 1.0]


@pytest.mark.parametrize("size", [40, 80])
def test_a_thing_wholly_before_another_gives_a_second_reading_or_is_left_out(size):
    middle = slice(140 - size // 2, 140 + size // 2), slice(160 - size // 2, 160 + size // 2)
    choice, shares = chosen((*REGION, 2.5), (*middle, 1.0))
    assert shares[0] == 1.0
    if shares[1] > 0:
        assert choice.other is not None
        x0, y0, _, _ = WINDOW
        assert not choice.other[middle[0].start - y0 : middle[0].stop - y0,
                                middle[1].start - x0 : middle[1].stop - x0].any()  # fmt: skip


def test_the_same_surfaces_give_the_same_choice():
    sheets = ((*REGION, 2.0), (slice(0, 240), slice(150, 165), 1.2))
    first, second = chosen(*sheets)[0], chosen(*sheets)[0]
    np.testing.assert_array_equal(first.cells, second.cells)
    assert first.score == second.score


CHAIR = (0.48, 0.5, 0.9)


@pytest.mark.parametrize(("usual", "share"), [(None, 1.0), (CHAIR, 0.0), ((2.0, 1.0, 1.0), 1.0)])
def test_nothing_joins_what_would_outgrow_its_kind(usual, share):
    """Something 0.9 m wide, hardly behind a back rest of 0.4 m."""
    rest = (slice(62, 150), slice(130, 182), 2.0)
    behind = (slice(155, 162), slice(102, 218), 2.1)
    own, other = chosen(rest, behind, gravity=DOWN, usual=usual)[1]
    assert own == 1.0 and other == share


def test_a_few_cells_far_behind_are_no_legs():
    """Below a seat and seen between its legs, but further back than a chair is deep."""
    seat, scrap = (slice(60, 120), slice(100, 220), 0.9), (slice(150, 151), slice(150, 153), 1.8)
    leg = (slice(150, 165), slice(150, 156), 1.25)
    assert chosen(seat, scrap, gravity=DOWN, usual=CHAIR)[1] == [1.0, 0.0]
    assert chosen(seat, leg, gravity=DOWN, usual=CHAIR)[1] == [1.0, 1.0]


def test_what_is_seen_beside_a_pole_is_at_the_height_of_some_of_it():
    """A level surface goes on at its height; a pole has every height."""
    pole, scrap = (slice(60, 180), slice(158, 164), 2.0), (slice(128, 130), slice(165, 168), 2.9)
    assert chosen(pole, scrap, gravity=DOWN)[1] == [1.0, 0.0]
    edge, row = (slice(130, 134), slice(100, 220), 2.0), (slice(128, 130), slice(104, 216), 2.45)
    assert chosen(edge, row, gravity=DOWN)[1] == [1.0, 1.0]


AT_IMAGE_END = (slice(60, 180), slice(80, 220))
SOFA, SHELF, TABLE = (1.9, 0.9, 0.85), (0.9, 0.35, 1.8), (1.25, 0.78, 0.74)


def test_what_the_image_cuts_is_no_scrap_along_the_border():
    """The back of a sofa that is seen at the left end of the image, above its arm."""
    arm, back = (slice(62, 178), slice(110, 218), 2.0), (slice(100, 178), slice(80, 110), 2.0)
    part = (slice(65, 95), slice(80, 87), 2.1)
    assert chosen(arm, back, part, region=AT_IMAGE_END)[1] == [1.0, 1.0, 1.0]
    beside = (slice(65, 95), slice(110, 117), 2.1)  # the same at a side that is no end of it
    seat, rest = (slice(100, 178), slice(110, 218), 2.0), (slice(62, 100), slice(122, 218), 2.0)
    inner = (slice(60, 180), slice(110, 220))
    assert chosen(seat, rest, beside, region=inner)[1] == [1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("usual", "region", "share"),
    [
        (SOFA, AT_IMAGE_END, 1.0),
        (None, AT_IMAGE_END, 0.0),
        (SHELF, AT_IMAGE_END, 0.0),  # less deep than that
        (SOFA, (slice(60, 180), slice(82, 220)), 0.0),
    ],
    ids=["cut by the image", "kind unknown", "too large", "not cut"],
)
def test_what_the_image_cuts_may_join_beyond_it(usual, region, share):
    """A sofa's arm, and behind it its back."""
    arm = (slice(62, 178), slice(130, 218), 1.0)
    front = (slice(100, 178), slice(83, 130), 1.0)
    back = (slice(75, 98), slice(83, 120), 1.5)
    if region is AT_IMAGE_END:
        front, back = (front[0], slice(80, 130), 1.0), (back[0], slice(80, 120), 1.5)
    shares = chosen(arm, front, back, gravity=DOWN, usual=usual, region=region)[1]
    assert shares == [1.0, 1.0, share]


@pytest.mark.parametrize(("usual", "share"), [(CHAIR, 1.0), (None, 0.0), ((0.3, 0.2, 0.9), 0.0)])
def test_a_nearer_leg_without_which_the_region_is_not_filled(usual, share):
    """Below a table top that hides the seat, a chair's front leg is nearer than its back rest."""
    rest, leg = (slice(62, 110), slice(102, 180), 1.2), (slice(150, 178), slice(208, 218), 0.95)
    assert chosen(rest, leg, gravity=DOWN, usual=usual)[1] == [1.0, share]


@pytest.mark.parametrize(
    ("columns", "z", "share"),
    [(slice(150, 158), 2.5, 1.0), (slice(148, 172), 2.5, 0.0), (slice(150, 158), 3.0, 0.0)],
    ids=["leg", "no leg", "too far"],
)
def test_a_leg_of_a_table_stands_apart_within_its_usual_size(columns, z, share):
    top = (slice(62, 80), slice(102, 218), 2.0)
    leg = (slice(100, 145), columns, z)
    assert chosen(top, leg, gravity=DOWN, usual=TABLE)[1] == [1.0, share]


def test_of_a_chair_a_leg_may_be_a_quarter():
    """The image cuts the chair: hardly more than its back rest is seen beside a leg."""
    rest, leg = (slice(62, 110), slice(150, 182), 0.9), (slice(130, 170), slice(160, 168), 1.25)
    assert chosen(rest, leg, gravity=DOWN, usual=CHAIR)[1] == [1.0, 1.0]


@pytest.mark.parametrize(
    ("x", "z", "expected"), [(0.68, 2.8, True), (0.02, 2.8, True), (1.0, 2.8, False)]
)
def test_legs_stand_along_a_side_of_a_top(x, z, expected):
    """What stands beside and behind a top makes its rectangle longer and wider."""
    rng = np.random.default_rng(0)
    top = rng.uniform([0.0, 0.0, 2.0], [0.7, 0.01, 2.4], (400, 3)).astype(np.float32)
    leg = (rng.uniform([-0.02, 0.05, -0.02], [0.02, 0.7, 0.02], (100, 3)) + [x, 0, z]).astype(
        np.float32
    )
    at = np.zeros((400, 2), np.int64)
    cells, _, _ = seen()
    view = View(cells, (0, 0, 0, 0), DOWN, None)
    assert _in_line(view, Piece(at[:100], leg, 0.0), _Group([Piece(at, top, 0.0)])) == expected
