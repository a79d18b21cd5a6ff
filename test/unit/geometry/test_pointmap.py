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
    PointMap,
    pointmap_from_depth,
    pointmap_from_monocular,
)

CAMERA = PinholeCamera(64, 48, 50.0, 50.0, 31.5, 23.5)
BARREL = PinholeCamera(64, 48, 50.0, 50.0, 31.5, 23.5, "plumb_bob", (-0.2, 0.05, 0.001, 0.002))
#: Its corners have no ray.
FISHEYE = PinholeCamera(64, 48, 18.0, 18.0, 31.5, 23.5, "equidistant", (0.02, 0.0, 0.0, 0.0))


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


# Read in parts


def readings(kind: type) -> np.ndarray:
    """Depth with holes, and with readings nearer and farther than the range."""
    rng = np.random.default_rng(7)
    millimetres = rng.integers(0, 9000, (48, 64))
    millimetres[rng.random((48, 64)) < 0.2] = 0
    raw = millimetres.astype(kind)
    return raw if kind is np.uint16 else np.where(raw > 0, raw / 1000, np.nan).astype(kind)


def eager(raw: np.ndarray, camera: PinholeCamera, noise: DepthNoise) -> dict[str, np.ndarray]:
    """The plain way: every array of the whole image at once."""
    z = raw.astype(np.float32) / np.float32(1000 if raw.dtype == np.uint16 else 1)
    with np.errstate(invalid="ignore"):
        valid = (z >= 0.5) & (z <= 6.0) & np.isfinite(camera.rays()[..., 0])
    z[~valid] = np.nan
    return {
        "depth": z,
        "valid": valid,
        "points": camera.rays() * z[..., None],
        "sigma": noise.sigma(z),
    }


@pytest.mark.parametrize("kind", [np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("camera", [CAMERA, BARREL, FISHEYE])
def test_every_way_to_read_a_map_gives_the_same_bits(camera, kind):
    raw, noise = readings(kind), DepthNoise(0.001, 0.002, 0.003)
    before = raw.copy()
    whole = eager(raw, camera, noise)
    assert 0 < whole["valid"].sum() < whole["valid"].size
    same = np.testing.assert_array_equal

    def made():
        return pointmap_from_depth(raw, camera, noise, 0.5, 6.0)

    for window in ((0, 0, 64, 48), (5, 3, 40, 31), (63, 47, 64, 48), (10, 10, 10, 20)):
        x0, y0, x1, y1 = window
        part = np.s_[y0:y1, x0:x1]
        same(made().points_in(window), whole["points"][part])
        same(made().sigma_in(window), whole["sigma"][part])
        same(made().depth_in(window), whole["depth"][part])
    for step, offset in ((1, 0), (4, 2), (7, 0), (50, 3)):
        part = np.s_[offset::step, offset::step]
        same(made().points_every(step, offset), whole["points"][part])
        same(made().sigma_every(step, offset), whole["sigma"][part])
    rows, columns = np.array([0, 47, 20, 20]), np.array([0, 63, 31, 32])
    same(made().depth_at(rows, columns), whole["depth"][rows, columns])
    same(made().sigma_at(rows, columns), whole["sigma"][rows, columns])
    for name, expected in whole.items():
        found = getattr(made(), name)
        same(found, expected)
        assert found.dtype == expected.dtype
    same(raw, before)


@pytest.mark.parametrize("camera", [CAMERA, BARREL, FISHEYE])
def test_a_map_that_keeps_a_window_says_the_same_of_it_and_of_the_rest(camera):
    made = pointmap_from_depth(readings(np.uint16), camera, DepthNoise(0.001, 0.002, 0.003))
    kept = made.keeping((10, 5, 40, 31))
    for window in (
        (10, 5, 40, 31),
        (12, 8, 30, 31),
        (10, 5, 11, 6),
        (0, 0, 64, 48),
        (9, 5, 40, 31),
    ):
        for name in ("depth_in", "sigma_in", "points_in"):
            found, expected = getattr(kept, name)(window), getattr(made, name)(window)
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype
    first = kept.depth_in((12, 8, 30, 31))
    assert np.shares_memory(first, kept.depth_in((10, 5, 40, 31)))


@pytest.mark.parametrize("camera", [CAMERA, BARREL, FISHEYE])
def test_single_pixels_of_a_window_are_those_of_the_map(camera):
    made = pointmap_from_depth(readings(np.uint16), camera, DepthNoise(0.001, 0.002, 0.003))
    window, part = (4, 5, 60, 41), np.s_[5:41, 4:60]
    mask = made.valid[part] & (np.random.default_rng(4).random((36, 56)) > 0.5)
    for one in (made, made.keeping(window), made.keeping((0, 0, 9, 9))):
        points, sigma = one.pixels_in(window, mask)
        np.testing.assert_array_equal(points, made.points[part][mask])
        np.testing.assert_array_equal(sigma, made.sigma[part][mask])


def test_a_map_of_a_network_is_read_in_parts_too():
    depth = np.linspace(1, 4, 48 * 64).reshape(48, 64)
    valid = np.random.default_rng(3).random((48, 64)) > 0.2
    made = pointmap_from_monocular(depth, valid, FISHEYE, 0.1)
    assert not made.valid[0, 0] and np.isnan(made.points[0, 0]).all()
    np.testing.assert_array_equal(np.isnan(made.sigma), ~made.valid)
    window, part = (4, 5, 60, 41), np.s_[5:41, 4:60]
    np.testing.assert_array_equal(made.points_in(window), made.points[part])
    np.testing.assert_array_equal(made.sigma_in(window), made.sigma[part])
    points = FISHEYE.rays() * made.depth[..., None]
    again = PointMap.of_points(points, made.valid, made.sigma, FISHEYE, made.source)
    np.testing.assert_array_equal(again.points, made.points)


def test_only_what_was_read_whole_is_kept():
    made = pointmap_from_depth(readings(np.uint16), CAMERA)
    fields = set(vars(made))
    made.points_in((3, 4, 30, 20)), made.sigma_every(4), made.depth_at(slice(3), slice(5))
    assert not made.blind
    assert set(vars(made)) == fields
    assert made.points is made.points and set(vars(made)) == fields | {"points", "depth"}


@pytest.mark.parametrize("camera", [CAMERA, FISHEYE])
def test_a_map_is_blind_without_a_single_point(camera):
    raw = np.zeros((48, 64), np.uint16)
    assert pointmap_from_depth(raw, camera).blind
    raw[17, 30] = 1000  # between the pixels that are looked at first
    assert not pointmap_from_depth(raw, camera).blind
    raw[17, 30] = 50
    assert pointmap_from_depth(raw, camera).blind
    raw[0, 0] = 1000  # a corner, where the fisheye lens has no ray
    assert pointmap_from_depth(raw, camera).blind is (camera is FISHEYE)


def test_shapes_that_do_not_fit_are_refused():
    depth, sigma = np.ones((48, 64), np.float32), np.ones((24, 32), np.float32)
    with pytest.raises(ValueError, match="sigma"):
        PointMap(DepthReadings(depth), CAMERA, DepthSource.SENSOR, sigma)
    with pytest.raises(ValueError, match="depth"):
        PointMap(DepthReadings(sigma), CAMERA, DepthSource.SENSOR, DepthNoise())
