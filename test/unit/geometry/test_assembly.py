# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Of the surfaces in a region, those that are one object: parts are joined, scraps left out."""

import numpy as np
import pytest
from geometry_scene import CAMERA

from spatialgeo_ros.geometry.assembly import fill, most_score, select
from spatialgeo_ros.geometry.cells import connected, make_cells
from spatialgeo_ros.geometry.pointmap import pointmap_from_depth

WINDOW = (80, 40, 240, 200)
REGION = (slice(60, 180), slice(100, 220))  # rows, columns
WALL = 4.0
DOWN = np.array([0.0, 1.0, 0.0])


def seen(*sheets):
    """Cells of a window before a wall, which of them are in the region, and whose they are."""
    depth, owner = np.full((240, 320), WALL), np.full((240, 320), -1)
    for name, (rows, columns, z) in enumerate(sheets):
        depth[rows, columns], owner[rows, columns] = z, name
    made = pointmap_from_depth(depth, CAMERA)
    cells = make_cells(made, WINDOW, 160 * 160)
    assert cells.step == 1
    x0, y0, x1, y1 = WINDOW
    within = np.zeros((240, 320), bool)
    within[REGION] = True
    return cells, within[y0:y1, x0:x1], owner[y0:y1, x0:x1]


def chosen(*sheets, gravity=None, usual=None):
    """What is chosen of upright sheets (rows, columns, depth), the later ones in front.

    Returns:
        The choice, and for each sheet the share of its cells inside the region that are chosen.
    """
    cells, within, owner = seen(*sheets)
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
