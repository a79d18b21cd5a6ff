# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the border of an image cuts, or may cut, says less of a thing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from map_scene import CAMERA, Stage, looking, thing, towards

from spatialgeo_ros.memory.border import at_border
from spatialgeo_ros.memory.objects import ObjectMap

TABLE = (1.4, 0.8, 0.74)


def seen(box, **changes):
    (one,) = Stage([thing("table", 2.5, 0.0, TABLE)]).frame(looking(0, 0, 0.0)).detected
    return replace(one, box=box, **changes)


@pytest.mark.parametrize("box", [(40, 30, 120, 90), (12, 30, 120, 90), (40, 12, 120, 90)])
def test_what_is_wholly_inside_the_image_stays_as_sure(box) -> None:
    whole = seen(box)
    assert at_border(whole, CAMERA) is whole


@pytest.mark.parametrize("box", [(0, 30, 60, 90), (100, 30, 159, 90), (3, 30, 80, 90)])
def test_at_the_sides_centre_and_sides_are_guesses_and_the_height_is_not(box) -> None:
    """The last box ends four per cent of its width inside the image."""
    whole = seen(box)
    cut = at_border(whole, CAMERA)
    assert cut.cut
    # Both by the longer side: of a strip it is not known which of the two it is.
    assert (cut.size_sigma[:2] >= 0.6 * whole.size[:2].max()).all()
    assert cut.size_sigma[2] == whole.size_sigma[2]
    assert np.sqrt(np.linalg.eigvalsh(cut.covariance)).min() >= 0.3 * whole.size[:2].max()
    assert cut.centre is whole.centre and cut.size is whole.size


@pytest.mark.parametrize("box", [(40, 0, 80, 90), (40, 3, 80, 90), (40, 30, 80, 119)])
def test_at_top_and_bottom_the_height_is_a_guess_and_the_sides_are_not(box) -> None:
    whole = seen(box)
    cut = at_border(whole, CAMERA)
    np.testing.assert_array_equal(cut.size_sigma[:2], whole.size_sigma[:2])
    assert cut.size_sigma[2] == pytest.approx(0.3 * whole.size[2])
    np.testing.assert_array_equal(cut.covariance[:2, :2], whole.covariance[:2, :2])
    gained = cut.covariance[2, 2] - whole.covariance[2, 2]
    assert gained == pytest.approx((cut.size_sigma[2] ** 2 - whole.size_sigma[2] ** 2) / 4)


def test_the_end_of_a_flat_thing_is_that_of_its_box_alone() -> None:
    """Of a door in a wall depth does not show where it ends, and its box is a little off."""
    solid = seen((40, 7, 70, 97))
    assert at_border(solid, CAMERA) is solid
    cut = at_border(replace(solid, flat=True), CAMERA)
    assert cut.cut and cut.size_sigma[2] == pytest.approx(0.3 * solid.size[2])
    inside = seen((40, 10, 70, 100), flat=True)
    assert at_border(inside, CAMERA) is inside


def test_what_is_lower_than_such_things_may_be_as_high_beside_the_image() -> None:
    """A lamp of which only the foot is in the image."""
    foot = seen((0, 60, 20, 110), label="floor lamp", size=np.array([0.3, 0.3, 0.5]))
    cut = at_border(foot, CAMERA)
    assert cut.size_sigma[2] == pytest.approx(0.6 * (1.5 - 0.5))
    unknown = seen((0, 60, 20, 110), label="totem pole", size=np.array([0.3, 0.3, 0.5]))
    assert at_border(unknown, CAMERA).size_sigma[2] == unknown.size_sigma[2]


def test_a_strip_of_a_flat_thing_does_not_fix_which_way_it_stands() -> None:
    """A door whose first view takes width for depth is as wide as the good views say."""
    door = (0.9, 0.06, 2.0)
    stage, objects = Stage([thing("door", 2.5, 0.0, door)]), ObjectMap()
    first = stage.frame(looking(0, 0, 0.0))
    (strip,) = first.detected
    strip = replace(strip, yaw=strip.yaw + np.pi / 2, box=(0, 60, 12, 110))
    objects.update(replace(first, detected=(strip,)))
    for _ in range(3):
        objects.update(stage.frame(looking(0, 0, 0.0)))
    (known,) = objects.snapshot().objects
    assert sorted(known.size[:2]) == pytest.approx([0.06, 0.9], abs=0.1)


def test_what_the_completion_knows_to_be_unsure_does_not_become_surer() -> None:
    unsure = seen((0, 0, 60, 90), size_sigma=np.array([2.0, 1.5, 0.9]))
    np.testing.assert_array_equal(at_border(unsure, CAMERA).size_sigma, unsure.size_sigma)


def test_a_thing_without_a_box_is_left_as_it_is() -> None:
    boxless = seen((0.0, 0.0, 0.0, 0.0))
    assert at_border(boxless, CAMERA) is boxless


def test_strips_at_the_side_of_images_do_not_move_a_thing_that_was_seen_whole() -> None:
    """Each strip is completed to a table of the usual size, half a metre off."""
    stage = Stage([thing("table", 2.5, 0.0, TABLE)])
    objects = ObjectMap()
    for y in (-0.8, 0.0, 0.8):
        objects.update(stage.frame(towards(0.0, y, (2.5, 0.0))))
    for k in range(6):
        frame = stage.frame(looking(0.0, 0.0, 0.75 + 0.02 * k))
        (strip,) = frame.detected
        assert strip.cut
        strip = replace(strip, centre=strip.centre + [0.0, 0.5, 0.0], size=np.array(TABLE) * 0.8)
        objects.update(replace(frame, detected=(strip,)))
    (table,) = objects.snapshot().objects
    assert table.sightings == 9
    assert np.linalg.norm(table.centre - [2.5, 0.0, 0.37]) < 0.06
    np.testing.assert_allclose(table.size[:2], TABLE[:2], atol=0.06)


def test_what_is_only_ever_seen_cut_off_has_a_place_that_says_how_unsure_it_is() -> None:
    stage, objects = Stage([thing("table", 2.5, 0.0, TABLE)]), ObjectMap()
    for _ in range(5):
        objects.update(stage.frame(looking(0.0, 0.0, 0.8)))
    (table,) = objects.snapshot().objects
    assert np.sqrt(table.covariance[0, 0]) > 0.2 and (table.size_sigma[:2] > 0.2).all()
