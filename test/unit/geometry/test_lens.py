# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The rays of a whole image: as exact as solving for every pixel, and cheap to make anew."""

import time

import numpy as np
import pytest

from spatialgeo_ros.geometry.calibration_cache import CalibrationCache, same_rays
from spatialgeo_ros.geometry.camera import PinholeCamera

PLUMB_BOB = (-0.28, 0.08, 0.001, -0.0007, -0.01)
AZURE = (0.46, -2.54, 0.0005, -0.0001, 1.48, 0.34, -2.35, 1.41)
PRISM = (*AZURE, 0.001, -0.0004, 0.0008, 0.0002)
# Name: model, coefficients, focal length as a share of the width.
LENSES = {
    "mild": ("plumb_bob", (0.05, -0.1, 0.0001, 0.0, 0.01), 0.5),
    "barrel": ("plumb_bob", PLUMB_BOB, 0.5),
    "pincushion": ("plumb_bob", (0.4, 0.3, 0.002, 0.002, 0.0), 0.5),
    "fold in the image": ("plumb_bob", (-0.5, 0.0, 0.0, 0.0), 0.47),
    "strong and tangential": ("plumb_bob", (-0.4, 0.12, 0.005, -0.004, -0.01), 0.35),
    "rational": ("rational_polynomial", AZURE, 0.48),
    "thin prism": ("rational_polynomial", PRISM, 0.48),
    "wide fisheye": ("equidistant", (-0.01, 0.02, -0.01, 0.002), 0.3),
    "beyond 180 degrees": ("equidistant", (0.0, 0.0, 0.0, 0.0), 0.26),
}
WITHOUT_RAYS = {"fold in the image", "wide fisheye", "beyond 180 degrees", "mild", "barrel"}


def camera(name: str, width: int, height: int) -> PinholeCamera:
    model, distortion, focal = LENSES[name]
    focal *= width
    centre = (width - 1) / 2 + 5.0, (height - 1) / 2 - 7.0
    return PinholeCamera(width, height, focal, 1.01 * focal, *centre, model, distortion)


def pixels_of(made: PinholeCamera) -> np.ndarray:
    columns, rows = np.arange(made.width), np.arange(made.height)
    return np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2).astype(np.float64)


@pytest.mark.parametrize("size", [(640, 480), (641, 363), (23, 40)], ids=str)
@pytest.mark.parametrize("name", LENSES)
def test_rays_meet_their_pixels_again(name, size):
    made = camera(name, *size)
    pixels = pixels_of(made)
    rays = made.rays().reshape(-1, 3)
    exact = made.unproject(pixels, np.ones(len(pixels)))
    # Rays exist for the same pixels as when each is solved for on its own.
    np.testing.assert_array_equal(np.isnan(rays[:, 0]), np.isnan(exact[:, 0]))
    assert np.isfinite(rays[:, 0]).mean() > 0.1
    if size == (640, 480):
        assert np.isnan(rays).any() == (name in WITHOUT_RAYS)
    again = made.project(rays)
    assert np.nanmax(np.abs(again - pixels)) < 0.01


def test_a_new_calibration_is_cheap():
    made = camera("barrel", 1280, 720)
    begin = time.process_time()
    made.rays()
    # 0.09 s on an idle core; solving for every pixel at once took 5 s.
    assert time.process_time() - begin < 0.4


def test_a_point_beyond_the_fold_is_not_folded_back_into_the_image():
    made = PinholeCamera(640, 480, 300.0, 300.0, 319.5, 239.5, "plumb_bob", (-0.5, 0, 0, 0))
    # The formula alone would put this point, 50 degrees off the axis, into the right half.
    x = 1.2
    assert 0 < x * (1 - 0.5 * x * x) * 300 + 319.5 < 640
    assert np.isnan(made.project([[x, 0.0, 1.0]])).all()
    assert np.isfinite(made.project([[0.8, 0.0, 1.0]])).all()
    fisheye = PinholeCamera(640, 480, 200, 200, 319.5, 239.5, "equidistant", (0.3, -0.2, 0, 0))
    # theta + 0.3 theta^3 - 0.2 theta^5 turns at 1.217 rad.
    assert np.isfinite(fisheye.project([[np.tan(1.2), 0.0, 1.0]])).all()
    assert np.isnan(fisheye.project([[np.tan(1.3), 0.0, 1.0]])).all()


def test_the_far_branch_of_a_polynomial_is_no_ray():
    # r (1 - 0.5 r^2 + 0.1 r^4) turns at r = 1 and turns back at 1.41: larger radii repeat.
    made = PinholeCamera(640, 480, 300.0, 300.0, 319.5, 239.5, "plumb_bob", (-0.5, 0.1, 0, 0))
    rays = made.rays()
    assert np.nanmax(np.hypot(rays[..., 0], rays[..., 1])) <= 1.02
    assert np.isnan(made.project([[2.0, 0.0, 1.0]])).all()


def changed(made: PinholeCamera, **changes) -> PinholeCamera:
    fields = {name: getattr(made, name) for name in made.__dataclass_fields__}
    return PinholeCamera(**{**fields, **changes})


@pytest.mark.parametrize("name", ["barrel", "rational", "wide fisheye"])
def test_calibrations_are_compared_by_their_pixels(name):
    made = camera(name, 640, 480)
    assert same_rays(made, made)
    assert same_rays(made, changed(made, cx=made.cx + 0.05))
    assert not same_rays(made, changed(made, cx=made.cx + 0.2))
    assert same_rays(made, changed(made, cx=made.cx + 0.2), tolerance_px=0.5)
    # A focal length acts most at the border: 0.1 % of it is 0.3 px there.
    assert not same_rays(made, changed(made, fx=made.fx * 1.001))
    bent = (made.distortion[0] + 2e-3, *made.distortion[1:])
    assert not same_rays(made, changed(made, distortion=bent))
    assert not same_rays(made, changed(made, width=641))
    assert not same_rays(made, changed(made, distortion_model="", distortion=()))


def test_small_changes_reuse_the_rays_and_a_drift_does_not():
    cache = CalibrationCache()
    first = camera("barrel", 160, 120)
    assert cache.representative(first) is first
    near = changed(first, fx=first.fx + 0.01)
    assert cache.representative(near) is first
    assert cache.representative(near).rays() is first.rays()
    # Steps of 0.04 px add up; after a few the calibration is a new one.
    used = [cache.representative(changed(first, cx=first.cx + 0.04 * k)) for k in range(1, 9)]
    assert used[0] is first and used[1] is first
    assert len({id(one) for one in used}) == 3  # at 0, 0.12 and 0.24 px
    for one, k in zip(used, range(1, 9), strict=True):
        assert abs(one.cx - (first.cx + 0.04 * k)) < 0.1
    # Focus that swings between two positions finds both again.
    far = changed(first, fx=first.fx + 3)
    assert [cache.representative(c) for c in (far, first, far, first)] == [far, first, far, first]


def test_the_cache_of_calibrations_is_bounded():
    cache = CalibrationCache(most=2)
    made = [changed(camera("barrel", 160, 120), fx=80.0 + k) for k in range(3)]
    for one in made:
        cache.representative(one)
    again = changed(made[0], cy=made[0].cy + 0.001)
    assert cache.representative(again) is again  # the first one has been forgotten
