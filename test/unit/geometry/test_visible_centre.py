# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where the middle of what is seen of an object is, when its depth image shows a part of it."""

from dataclasses import replace

import numpy as np
import pytest
from geometry_scene import CAMERA

from spatialgeo_ros.geometry.pointmap import pointmap_from_depth
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object
from spatialgeo_ros.geometry.visible_centre import visible_centre

ROWS, COLUMNS = slice(70, 150), slice(200, 300)
BOX = Region.from_box(200, 70, 299, 149)


def board(slope=0.0, blind=None, slats=False):
    """A board before a wall at 4 m, its depth growing to the right by ``slope`` a pixel."""
    rng = np.random.default_rng(2)
    depth = np.full((240, 320), 4.0)
    inverse = 1 / 2.0 - slope * (np.arange(100) - 49.5)
    true = np.broadcast_to(1 / inverse, (80, 100))
    depth[ROWS, COLUMNS] = true
    if slats:
        depth[80:140:20, COLUMNS] = depth[81:141:20, COLUMNS] = 4.0
    depth += rng.normal(0, 0.002, depth.shape)
    if blind is not None:
        depth[blind] = np.nan
    v, u = np.mgrid[ROWS, COLUMNS]
    pixels = np.stack([u.ravel(), v.ravel()], axis=1)
    centre = CAMERA.unproject(pixels, true.ravel()).mean(axis=0)
    return pointmap_from_depth(depth, CAMERA), centre


@pytest.mark.parametrize("slope", [-4e-4, 0.0, 4e-4])
@pytest.mark.parametrize(
    "blind",
    [np.s_[:, 270:], np.s_[:100], np.s_[:, :225], (slice(120, None), slice(None))],
    ids=["right", "top", "left", "bottom"],
)
def test_what_the_depth_image_does_not_reach_is_completed_from_the_box(slope, blind):
    made, truth = board(slope, blind)
    found = segment_object(made, BOX)
    of_readings = np.linalg.norm(np.median(found.points, axis=0) - truth)
    centre = visible_centre(found)
    error = np.linalg.norm(centre.point - truth)
    assert of_readings > 0.08 and error < 0.03
    assert 0.2 < centre.unread < 0.45
    along = (centre.point - truth) / error
    assert error < 2 * np.sqrt(along @ centre.covariance @ along)
    # More is missing than is known: sigma says so.
    whole = visible_centre(segment_object(board(slope)[0], BOX))
    assert centre.sigma > 1.5 * whole.sigma


@pytest.mark.parametrize("slats", [False, True])
def test_of_what_is_read_whole_it_is_the_middle(slats):
    made, truth = board(slats=slats)
    centre = visible_centre(segment_object(made, BOX))
    assert np.linalg.norm(centre.point - truth) < 0.02
    assert centre.unread == 0 and centre.sigma < 0.05


def test_what_is_seen_through_a_thing_does_not_move_it():
    made, truth = board()
    thing = segment_object(made, BOX)
    surface = thing.surface.copy()
    surface[::8] *= 2.0  # on the same rays, the wall
    seen_through = replace(thing, surface=surface)
    assert np.linalg.norm(surface.mean(axis=0) - truth) > 0.2
    assert np.linalg.norm(visible_centre(seen_through).point - truth) < 0.02
