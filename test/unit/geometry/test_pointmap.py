# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth units, validity, noise and the lifting of sensor and network depth to points."""

import numpy as np
import pytest

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.depth_readings import DepthReadings
from spatialgeo_ros.geometry.pointmap import (
    DepthNoise,
    DepthSource,
    pointmap_from_depth,
    pointmap_from_monocular,
)

CAMERA = PinholeCamera(64, 48, 50.0, 50.0, 31.5, 23.5)


def test_millimetres_and_metres_and_what_is_no_reading():
    np.testing.assert_array_equal(
        DepthReadings(np.array([[0, 1500]], np.uint16)).metres(),
        np.array([[np.nan, 1.5]], np.float32),
    )
    raw = np.array([[np.nan, np.inf, -np.inf, 0.0, -1.0, 2.5]], np.float64)
    out = DepthReadings(raw).metres()
    assert out.dtype == np.float32
    np.testing.assert_array_equal(np.isfinite(out), [[False] * 5 + [True]])
    assert raw[0, 3] == 0.0  # the input is left alone


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1), np.uint16), np.zeros((4, 4), np.int32)]
)
def test_other_depth_is_refused(bad):
    with pytest.raises(BadImageError):
        DepthReadings(bad)


def test_points_sigma_and_validity():
    depth = np.full((48, 64), 2000, np.uint16)
    depth[0, 0], depth[0, 1], depth[0, 2] = 0, 50, 30000
    made = pointmap_from_depth(depth, CAMERA, DepthNoise(0.001, 0.002))
    assert made.source is DepthSource.SENSOR
    assert not made.valid[0, :3].any() and made.valid.sum() == 48 * 64 - 3
    assert np.isnan(made.points[0, 0]).all() and np.isnan(made.sigma[0, 0])
    np.testing.assert_allclose(made.points[10, 20], [2 * -11.5 / 50, 2 * -13.5 / 50, 2], rtol=1e-6)
    assert made.sigma[10, 20] == pytest.approx(0.009)
    np.testing.assert_array_equal(made.depth, made.points[..., 2])


def test_depth_of_lower_resolution_uses_the_resized_camera():
    made = pointmap_from_depth(np.full((24, 32), 1.0, np.float32), CAMERA)
    assert (made.camera.width, made.camera.fx, made.camera.cx) == (32, 25.0, 15.5)


def test_depth_of_another_shape_is_refused():
    with pytest.raises(BadImageError, match="register"):
        pointmap_from_depth(np.ones((48, 60), np.float32), CAMERA)


def test_monocular_planes_stay_planes_at_full_resolution():
    small = CAMERA.resized(16, 12)
    inverse = 0.5 + 0.1 * small.rays()[..., 0] + 0.2 * small.rays()[..., 1]
    made = pointmap_from_monocular(1 / inverse, np.ones((12, 16), bool), CAMERA, 0.1)
    assert made.points.shape == (48, 64, 3) and made.source is DepthSource.MONOCULAR
    middle = made.points[4:-4, 4:-4].reshape(-1, 3)
    plane = middle @ [0.1, 0.2, 0.5]  # n . p = 1 on the plane
    np.testing.assert_allclose(plane, 1, atol=2e-3)
    np.testing.assert_allclose(made.sigma, 0.1 * made.depth, rtol=1e-5)


def test_monocular_edges_have_no_points_in_between():
    depth = np.ones((12, 16))
    depth[:, 8:] = 3.0
    made = pointmap_from_monocular(depth, np.ones((12, 16), bool), CAMERA, 0.1)
    assert set(np.unique(np.round(made.depth, 5))) == {1.0, 3.0}


def test_monocular_invalid_pixels_do_not_bleed():
    valid = np.ones((12, 16), bool)
    valid[3, 4] = False
    depth = np.where(valid, 2.0, 1e6)
    made = pointmap_from_monocular(depth, valid, CAMERA, 0.1)
    assert 0 < (~made.valid).sum() <= 16
    np.testing.assert_allclose(made.depth[made.valid], 2.0, rtol=1e-6)
