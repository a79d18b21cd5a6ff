# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Each fault of the depth sensor on its own, and the default sensor, which has none of them."""

from __future__ import annotations

import numpy as np
import pytest

from spatialgeo_ros.sim.depth_effects import incidence, smooth_noise
from spatialgeo_ros.sim.depth_noise import DepthSensorModel
from spatialgeo_ros.sim.furniture import MATERIALS
from spatialgeo_ros.sim.rig import default_camera

CAMERA = default_camera(320, 240, focal=1050.0)  # f 525 at this size
NEAR, FAR = 1.0, 2.5
PERFECT = {"noise": 0.0, "edge_holes": 0.0, "random_holes": 0.0}


def step_image():
    """A near rectangle in columns 120 to 199 and rows 60 to 179 before a far wall."""
    depth = np.full((240, 320), FAR, np.float32)
    depth[60:180, 120:200] = NEAR
    return depth


def metres(sensor, depth, seed=0, **given):
    """What a sensor reads, metres, 0 for nothing."""
    return sensor.apply(depth, np.random.default_rng(seed), CAMERA, **given) / 1000.0


def default_reading(depth, rng):
    """The default sensor as it was before it could have other faults, written out."""
    clean = np.where(np.isfinite(depth), depth, 0.0).astype(np.float32)
    lost = (clean < 0.35) | (clean > 8.0)
    lost |= rng.random(clean.shape, dtype=np.float32) < 0.003
    edge = np.zeros(clean.shape, bool)
    rows = np.abs(clean[1:] - clean[:-1]) > 0.05 * np.minimum(clean[1:], clean[:-1])
    edge[1:] |= rows
    edge[:-1] |= rows
    columns = np.abs(clean[:, 1:] - clean[:, :-1])
    columns = columns > 0.05 * np.minimum(clean[:, 1:], clean[:, :-1])
    edge[:, 1:] |= columns
    edge[:, :-1] |= columns
    lost |= edge & (rng.random(clean.shape, dtype=np.float32) < 0.7)
    noise = rng.standard_normal(clean.shape, dtype=np.float32)
    noisy = clean + noise * (1.0 * (0.0012 + 0.0019 * (clean - 0.4) ** 2))
    out = np.clip(np.rint(noisy * 1000.0), 0, 65535).astype(np.uint16)
    out[lost] = 0
    return out


def test_the_default_sensor_is_unchanged():
    rng = np.random.default_rng(3)
    depth = step_image() + rng.random((240, 320), dtype=np.float32)
    depth[:20] = np.nan
    depth[20:30] = 9.0
    expected = default_reading(depth, np.random.default_rng(4))
    material = np.full(depth.shape, MATERIALS.index("screen"), np.uint8)
    for given in ((), (CAMERA,), (CAMERA, material)):
        seen = DepthSensorModel().apply(depth, np.random.default_rng(4), *given)
        np.testing.assert_array_equal(seen, expected)


def test_faults_that_depend_on_the_camera_ask_for_it():
    with pytest.raises(ValueError, match="intrinsics"):
        DepthSensorModel.structured_light().apply(step_image(), np.random.default_rng(0))


def test_the_same_seed_gives_the_same_reading():
    sensor = DepthSensorModel.structured_light()
    np.testing.assert_array_equal(metres(sensor, step_image()), metres(sensor, step_image()))
    assert (metres(sensor, step_image()) != metres(sensor, step_image(), seed=1)).any()


def test_near_things_grow_by_a_pixel_or_two_with_jagged_outlines():
    seen = metres(DepthSensorModel(**PERFECT, edge_shift=1.5), step_image())
    assert set(np.unique(seen)) == {NEAR, FAR}
    rows = slice(70, 170)
    left = 120 - (seen[rows, :160] == FAR).sum(axis=1)  # growth in pixels, row by row
    right = 120 - (seen[rows, 160:] == FAR).sum(axis=1)
    for growth in (left, right):
        assert 0.2 < growth.mean() < 1.5
        assert growth.std() > 0.3
        assert -2 <= growth.min() and growth.max() <= 4
    np.testing.assert_array_equal(seen[100:140, 130:190], NEAR)


def test_the_shadow_is_at_the_left_and_as_wide_as_the_disparities_differ():
    sensor = DepthSensorModel(**PERFECT, baseline=0.075)
    seen = metres(sensor, step_image())
    width = CAMERA.fx * 0.075 * (1 / NEAR - 1 / FAR)
    lost = seen == 0
    assert not lost[:, 120:].any()
    assert not lost[:60].any() and not lost[180:].any()
    assert (np.abs(lost[60:180].sum(axis=1) - width) <= 1.5).all()
    assert lost[60:180, 115:120].all()
    half = metres(DepthSensorModel(**PERFECT, baseline=0.0375), step_image()) == 0
    assert half[100].sum() == pytest.approx(width / 2, abs=1.5)


def test_dark_shiny_and_clear_surfaces_are_lost_more_than_matte_ones():
    depth = np.full((240, 320), 2.0, np.float32)
    sensor = DepthSensorModel(**PERFECT, material_holes=1.0)
    lost = {}
    for index, name in enumerate(MATERIALS):
        material = np.full(depth.shape, index, np.uint8)
        lost[name] = float((metres(sensor, depth, material=material) == 0).mean())
    assert lost["matte"] < 0.001
    assert 0.05 < lost["dark"] < 0.3
    assert 0.05 < lost["glossy"] < 0.5
    assert 0.6 < lost["glass"] < lost["screen"]
    half = np.zeros(depth.shape, np.uint8)
    half[:, 160:] = MATERIALS.index("dark")
    seen = metres(sensor, depth, material=half)
    assert (seen[:, :160] > 0).all() and (seen[:, 160:] == 0).mean() > 0.05


def test_what_is_read_of_glass_is_too_far():
    depth = np.full((240, 320), 2.0, np.float32)
    material = np.full(depth.shape, MATERIALS.index("glass"), np.uint8)
    seen = metres(DepthSensorModel(**PERFECT, material_holes=1.0), depth, material=material)
    assert 0.02 < np.median(seen[seen > 0]) - 2.0 < 0.15


def test_steep_surfaces_are_lost():
    sensor = DepthSensorModel(**PERFECT, material_holes=1.0)
    middle = (slice(None), slice(140, 180))
    lost = []
    for degrees in (0.0, 45.0, 70.0, 80.0, 85.0):
        slope = np.tan(np.radians(degrees))
        # The plane through (0, 0, 3 m) whose normal is turned about the vertical.
        with np.errstate(divide="ignore"):
            depth = (3.0 / (1 + CAMERA.rays()[..., 0] * slope)).astype(np.float32)
        depth[(depth < 0.4) | (depth > 20)] = np.nan
        cosine = incidence(np.nan_to_num(depth), CAMERA)[120, 160]
        assert cosine == pytest.approx(np.cos(np.radians(degrees)), abs=0.01)
        inside = middle if degrees < 80 else (slice(None), slice(155, 165))
        lost.append((metres(sensor, depth)[inside] == 0).mean())
    assert max(lost[:3]) < 0.01
    assert 0.05 < lost[3] < lost[4]
    assert lost[4] > 0.4


def test_outlines_of_facing_surfaces_are_not_steep():
    facing = 1 / np.linalg.norm(CAMERA.rays(), axis=-1)
    np.testing.assert_allclose(incidence(step_image(), CAMERA), facing, atol=1e-3)


@pytest.mark.parametrize("shared", [0.0, 0.6])
def test_neighbours_share_the_correlated_part_of_the_noise(shared):
    depth = np.full((240, 320), 3.0, np.float32)
    only = {"edge_holes": 0.0, "random_holes": 0.0}
    sensor = DepthSensorModel(**only, correlation=shared, correlation_length=4.0)
    error = metres(sensor, depth) - 3.0
    assert error.std() == pytest.approx(float(sensor.standard_deviation(np.array(3.0))), rel=0.1)

    def together(step):
        return np.corrcoef(error[:, :-step].ravel(), error[:, step:].ravel())[0, 1]

    assert together(1) == pytest.approx(shared, abs=0.1)
    assert together(3) == pytest.approx(0.85 * shared, abs=0.15)
    assert together(40) == pytest.approx(0.0, abs=0.1)


def test_smooth_noise_has_unit_variance_everywhere():
    fields = np.stack([smooth_noise((40, 50), 3.0, np.random.default_rng(k)) for k in range(300)])
    assert fields.shape == (300, 40, 50)
    np.testing.assert_allclose(fields.std(axis=0).mean(), 1.0, atol=0.05)
    assert 0.75 < fields.std(axis=0)[0, 0] < 1.25


def test_disparities_are_eighths_of_a_pixel():
    depth = np.linspace(2.0, 4.0, 240 * 320, dtype=np.float32).reshape(240, 320)
    sensor = DepthSensorModel(**PERFECT, baseline=0.075, disparity_step=0.125)
    seen = metres(sensor, depth)
    eighths = CAMERA.fx * 0.075 / seen[seen > 0] * 8
    # Millimetres are the sensor's other rounding: half of one moves an eighth by 0.04.
    assert np.abs(eighths - np.rint(eighths)).max() < 0.05
    assert len(np.unique(seen)) <= 8 * CAMERA.fx * 0.075 * (1 / 2.0 - 1 / 4.0) + 2
    assert np.abs(seen - depth).max() < 0.5 * 4.0**2 / (CAMERA.fx * 0.075) / 8 * 1.1 + 0.001


def test_flying_pixels_float_between_near_and_far_at_edges_only():
    seen = metres(DepthSensorModel(**PERFECT, flying=0.3), step_image())
    floating = (seen > NEAR + 0.01) & (seen < FAR - 0.01)
    edge = np.zeros(seen.shape, bool)
    edge[59:181, 119:201] = True
    edge[61:179, 121:199] = False
    assert not floating[~edge].any()
    assert 0.15 < floating[edge].mean() < 0.4


def test_the_whole_image_is_off_by_half_a_per_cent():
    depth = np.full((240, 320), 4.0, np.float32)
    sensor = DepthSensorModel(**PERFECT, systematic=0.005)
    images = np.stack([metres(sensor, depth, seed) for seed in range(60)])
    middle, corner = (images[:, 120, 160] / 4 - 1), (images[:, 0, 0] / 4 - 1)
    assert middle.std() == pytest.approx(0.005, rel=0.35)
    assert (corner - middle).std() == pytest.approx(0.005, rel=0.35)
    # Within one image it is smooth: neighbours agree to the millimetre.
    assert np.abs(np.diff(images, axis=2)).max() <= 0.0011
