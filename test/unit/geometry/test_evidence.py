# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A gap is as certain as what separation left open: sure pairs narrow, doubtful ones wide."""

from dataclasses import replace

import numpy as np
import pytest
from geometry_scene import HEIGHT, Block, box_of, see

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.cells import make_cells
from spatialgeo_ros.geometry.distance import Kind, measure
from spatialgeo_ros.geometry.evidence import Evidence, evidence_of
from spatialgeo_ros.geometry.nearest import nearest_ends, possible_gap
from spatialgeo_ros.geometry.pointmap import DepthNoise, pointmap_from_depth
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.readings import Separation
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object
from spatialgeo_ros.geometry.uncertainty import gap_evidence, object_evidence
from spatialgeo_ros.geometry.visible_centre import visible_centre

KINECT = DepthNoise(0.0012, 0.0019)
LEFT = Block(2.6, 0.7, (0.5, 0.5, 0.6))
RIGHT = Block(3.2, -0.6, (0.6, 0.5, 0.8))


def scene(regions=box_of, noise=KINECT):
    """Both blocks from the regions that ``regions(index, block)`` gives."""
    made, index, gravity, _ = see([LEFT, RIGHT], noise)
    things = []
    for block in (0, 1):
        region = regions(index, block)
        if not isinstance(region, Region):
            region = Region.from_box(*region)
        things.append(segment_object(made, region, gravity, HEIGHT))
    return things


def gap(a, b, a_from_b=None):
    return measure(Kind.NEAREST_POINTS, a, b, a_from_b=a_from_b)


def test_a_pair_that_nothing_speaks_against_is_as_certain_as_its_readings():
    """3 cm of doubt for each object, whatever was found, once made every gap 4 cm uncertain."""
    a, b = scene()
    for thing in (a, b):
        assert thing.evidence.unexplained < 0.02 and thing.evidence.short < 0.05
        assert thing.evidence.unread == 0.0
    assert 0.01 < gap(a, b).sigma < 0.035


def test_an_object_that_ends_before_the_sides_of_its_region_is_doubtful():
    sure = gap(*scene())

    def loose(index, block):
        x0, y0, x1, y1 = box_of(index, block)
        return (x0 - 0.5 * (x1 - x0), y0, x1, y1) if block == 0 else (x0, y0, x1, y1)

    a, b = scene(loose)
    assert a.evidence.short > 0.25 and b.evidence.short < 0.05
    doubtful = gap(a, b)
    assert doubtful.distance == pytest.approx(sure.distance, abs=0.03), "it was found all the same"
    assert doubtful.sigma > 2 * sure.sigma
    whole, short = (measure(Kind.CAMERA_TO_OBJECT, thing).sigma for thing in (scene()[0], a))
    assert short > 2 * whole
    whole, short = (measure(Kind.CENTRE_TO_CENTRE, thing, b).sigma for thing in (scene()[0], a))
    assert short > 1.05 * whole


@pytest.mark.parametrize("flat", [True, False])
def test_what_lies_flat_may_go_on_in_the_rest_of_its_region(flat):
    """Half of a curtain's box has its colour: the rest, on its plane, may be its own."""
    depth = np.full((120, 160), 2000, np.uint16)
    made = pointmap_from_depth(depth, PinholeCamera(160, 120, 130, 130, 79.5, 59.5), KINECT)
    cells = make_cells(made, (0, 0, 160, 120), 160 * 120)
    within, found = np.zeros((2, 120, 160), bool)
    within[20:100, 60:80] = True
    found[20:60, 60:80] = True
    evidence = evidence_of(cells, within, Separation(found, cells.ok & ~found, (), flat=flat))
    assert evidence.unexplained == 0.0, "it is the background's"
    if flat:
        assert evidence.short == 0.0
        assert evidence.possible[:, 1].min() > 0, "the lower half"
        assert np.ptp(evidence.possible[:, 1]) > 0.5
    else:
        assert evidence.short == pytest.approx(0.5)
        assert len(evidence.possible) == 0


def test_what_nothing_explains_in_a_region_makes_its_object_doubtful():
    """A thing hangs before the block and is no part of it."""
    lamp = Block(1.6, 0.45, (0.15, 0.15, 0.2), bottom=0.5)
    made, index, gravity, _ = see([LEFT, RIGHT, lamp], KINECT)
    a, b = (
        segment_object(made, Region.from_box(*box_of(index, k)), gravity, HEIGHT) for k in (0, 1)
    )
    assert not a.mask[index == 2].any()
    assert a.evidence.unexplained > 0.03
    explained = replace(a, evidence=replace(a.evidence, unexplained=0.0))
    assert gap(a, b).sigma > gap(explained, b).sigma


def between(a, b, share):
    """The gap, and evidence of ``a`` with points on the way from its end to that of ``b``."""
    plain = gap(a, b)
    way = plain.point_to - plain.point_from
    near = plain.point_from + share * way + np.array([[0.0, 0.004 * k, 0.0] for k in range(4)])
    return plain, replace(a.evidence, possible=near.astype(np.float32))


@pytest.mark.parametrize("swapped", [False, True])
def test_what_may_be_a_part_of_an_object_is_spanned(swapped):
    a, b = scene()
    plain, evidence = between(a, b, 0.2)
    doubtful = replace(a, evidence=evidence)
    found = gap(b, doubtful) if swapped else gap(doubtful, b)
    assert found.distance == pytest.approx(plain.distance, abs=1e-3), "the object stays what it was"
    less = 0.2 * plain.distance
    assert found.sigma > 0.5 * less > 2 * plain.sigma
    assert f"{plain.distance:.2f} or {plain.distance - less:.2f} m" in found.reason
    assert found.valid


def test_what_is_too_doubtful_is_invalid_and_both_numbers_are_named():
    a, b = scene()
    plain, evidence = between(a, b, 0.35)
    wide = replace(a, box=(0, 0, 319, 239))  # a large thing: what it is short of is much
    assert gap(wide, b).valid
    found = gap(replace(wide, evidence=replace(evidence, short=0.6)), b)
    assert not found.valid and np.isnan(found.distance) and np.isnan(found.sigma)
    assert f"{plain.distance:.2f} or {0.65 * plain.distance:.2f} m" in found.reason
    assert "too uncertain" in found.reason


def test_what_is_nearer_to_the_other_object_is_not_a_part_of_the_first():
    a, b = scene()
    plain, evidence = between(a, b, 0.8)
    assert gap(replace(a, evidence=evidence), b).sigma == pytest.approx(plain.sigma)


def test_pixels_of_the_other_object_are_not_a_part_of_the_first():
    a, b = scene()
    plain = gap(a, b)
    claimed = replace(a, evidence=replace(a.evidence, possible=b.surface[:200]))
    assert gap(claimed, b).sigma == pytest.approx(plain.sigma)


def test_the_nearest_two_points_are_strays():
    a, b = scene()
    plain, evidence = between(a, b, 0.2)
    few = replace(a, evidence=replace(evidence, possible=evidence.possible[:2]))
    assert gap(few, b).sigma == pytest.approx(plain.sigma)


def test_what_may_be_a_part_is_spanned_between_two_views():
    a, b = scene()
    plain, evidence = between(a, b, 0.2)
    there = Pose(np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]), [0.3, -0.1, 0.2])
    back = there.inverse()  # the second view's own axes
    start, end = plain.point_from, plain.point_to
    for first, second in ((replace(a, evidence=evidence), b), (a, replace(b, evidence=evidence))):
        moved = replace(
            second,
            surface=back.apply(second.surface).astype(np.float32),
            evidence=Evidence(possible=back.apply(second.evidence.possible).astype(np.float32)),
        )
        expected = possible_gap(first, second, start, end)
        assert possible_gap(first, moved, start, end, there) == pytest.approx(expected, abs=0.01)
    assert possible_gap(replace(a, evidence=evidence), b, start, end) == pytest.approx(
        0.2 * plain.distance, abs=0.01
    )


def test_pixels_that_a_mask_lost_may_be_the_objects():
    """Every second pixel of a bar: none has a neighbour at its own depth, and all are dropped."""
    made, index, gravity, _ = see([LEFT, RIGHT], KINECT)
    rows, columns = np.nonzero(index == 0)
    row, last = int(np.median(rows)), columns.max()
    bar = np.arange(last + 2, last + 32, 2)
    depth = made.depth.copy()
    depth[row, bar] = made.depth[row, last - 3]
    dotted = pointmap_from_depth(depth, made.camera, KINECT)
    mask = index == 0
    mask[row, bar] = True
    a = segment_object(dotted, Region.from_mask(mask), gravity, HEIGHT)
    b = segment_object(dotted, Region.from_mask(index == 1), gravity, HEIGHT)
    assert not a.mask[row, bar].any()
    sure = segment_object(dotted, Region.from_mask(index == 0), gravity, HEIGHT)
    assert gap(a, b).sigma > 1.5 * gap(sure, b).sigma
    # The outline of a coarse mask holds other things as a rule.
    coarse = segment_object(dotted, Region.from_mask(mask, cell=2.5), gravity, HEIGHT)
    assert not len(coarse.evidence.possible)


def test_a_mask_without_readings_is_doubtful():
    a, b = scene(lambda index, block: Region.from_mask(index == block))
    plain = gap(a, b).sigma
    usual = replace(a.evidence, unread=0.08)
    assert gap(replace(a, evidence=usual), b).sigma == pytest.approx(plain, rel=0.02)
    half = replace(a.evidence, unread=0.5)
    assert gap(replace(a, evidence=half), b).sigma > 1.5 * plain


def test_nearest_points_far_ahead_of_a_small_thing_are_doubtful():
    a, b = scene()
    found = nearest_ends(a, b)
    small = replace(a, surface=a.surface / 20)  # at the same pixels: a twentieth as large
    size = small.size
    usual, ahead = (
        gap_evidence(small, b, replace(found, ahead=share * size)).ahead for share in (0.3, 0.8)
    )
    assert usual == 0.0 and ahead == pytest.approx(0.5 * size)
    most = gap_evidence(small, b, replace(found, ahead=5.0)).ahead
    assert most == pytest.approx(0.08)
    assert gap_evidence(a, b, replace(found, ahead=5.0)).ahead == 0.0, "furniture has corners"


def test_a_small_thing_that_reaches_deeper_than_it_is_large_is_doubtful():
    made, index, gravity, _ = see([Block(1.2, 0.1, (0.12, 0.12, 0.2), bottom=0.4)], KINECT)
    thing = segment_object(made, Region.from_box(*box_of(index, 0)), gravity, HEIGHT)
    size = thing.size
    assert size < 0.25
    held = replace(thing.evidence, unexplained=0.3)
    far = thing.surface.copy()
    far[::3] *= 1 + (size + 0.1) / far[::3, 2:]
    deep = replace(thing, surface=far, evidence=held)
    assert object_evidence(replace(thing, evidence=held))[3] == 0.0
    assert object_evidence(deep)[3] == pytest.approx(0.1, abs=0.05)
    # Alone in its region, or flat on a table that is seen at a grazing angle, it may be so.
    assert object_evidence(replace(deep, evidence=thing.evidence))[3] < 0.02
    assert object_evidence(replace(deep, flat=True))[3] == 0.0


def test_the_tip_of_something_is_less_certain_than_a_side():
    """Of the same gap, once between two sides and once from the corner of a turned block."""
    side = [Block(2.6, 0.55, (0.5, 0.5, 0.6)), Block(2.6, -0.55, (0.5, 0.5, 0.6))]
    corner = [Block(2.6, 0.65, (0.5, 0.5, 0.6), yaw=np.pi / 4), side[1]]
    sigmas = []
    for blocks in (side, corner):
        made, index, gravity, _ = see(blocks, DepthNoise(0.0005, 0.0))
        a, b = (segment_object(made, Region.from_mask(index == k), gravity, HEIGHT) for k in (0, 1))
        edge = gap_evidence(a, b, nearest_ends(a, b)).edge
        sigmas.append((edge, gap(a, b).sigma))
    assert sigmas[1][0] > sigmas[0][0] + 0.005
    assert sigmas[1][1] > sigmas[0][1]


def test_a_centre_of_which_little_was_found_is_less_certain():
    thing, _ = scene()
    few, most = (visible_centre(replace(thing, fraction=share)).sigma for share in (0.2, 0.9))
    assert few > most
