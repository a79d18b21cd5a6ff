# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Monocular depth is brought to the sensor's metres in spite of outliers, and fused with it."""

import numpy as np
import pytest
from geometry_scene import CAMERA, Block, see

from spatialgeo_ros.errors import TooLittleSupportError
from spatialgeo_ros.geometry.pointmap import (
    DepthNoise,
    DepthSource,
    pointmap_from_depth,
    pointmap_from_monocular,
)
from spatialgeo_ros.geometry.scale import align_depth

KINECT = DepthNoise(0.0012, 0.0019)


def depths(scale=0.8, shift=0.15):
    made, *_ = see([Block(2.5, 0.3, (0.6, 0.6, 1.0))], KINECT)
    return made, (made.depth - shift) / scale


def test_scale_and_shift_are_recovered():
    sensor, mono = depths()
    found = align_depth(mono, sensor.depth, sensor.sigma)
    assert found.scale == pytest.approx(0.8, abs=1e-3)
    assert found.shift == pytest.approx(0.15, abs=3e-3)
    assert found.inlier_ratio == pytest.approx(1) and found.rms < 1e-3 and found.count > 1000


def test_a_third_of_outliers_does_not_matter():
    sensor, mono = depths()
    rng = np.random.default_rng(0)
    wrong = rng.random(mono.shape) < 0.33
    mono = np.where(wrong, mono * rng.uniform(1.5, 3.0, mono.shape), mono)
    mono *= 1 + 0.02 * rng.normal(size=mono.shape)
    found = align_depth(mono, sensor.depth, sensor.sigma)
    aligned = found.scale * mono[~wrong] + found.shift
    assert np.nanmedian(np.abs(aligned / sensor.depth[~wrong] - 1)) < 0.03
    assert 0.55 < found.inlier_ratio < 0.8


def test_one_depth_cannot_tell_a_shift():
    flat = np.full((60, 80), 2.0)
    found = align_depth(flat, np.full((60, 80), 2.5), np.full((60, 80), 0.01))
    assert (found.scale, found.shift) == (pytest.approx(1.25), 0.0)


def test_fusion_takes_the_sensor_where_it_has_a_reading():
    sensor, mono = depths()
    holes = sensor.depth.copy()
    holes[100:140, 100:200] = np.nan
    sensor = pointmap_from_depth(holes, CAMERA, KINECT)
    network = pointmap_from_monocular(mono, np.isfinite(mono), CAMERA, 0.05)
    found = align_depth(network.depth, sensor.depth, sensor.sigma)
    fused = found.apply(network, sensor)
    assert fused.source is DepthSource.MONOCULAR_ALIGNED
    np.testing.assert_array_equal(fused.depth[sensor.valid], sensor.depth[sensor.valid])
    hole = fused.valid & ~sensor.valid
    assert hole[100:140, 100:200].all()
    truth = depths()[0].depth
    assert np.abs(fused.depth - truth)[hole].max() < 0.01
    assert (fused.sigma[hole] > sensor.sigma[sensor.valid].mean()).mean() > 0.9
    # Still on their rays.
    np.testing.assert_allclose(
        fused.points[..., :2] / fused.points[..., 2:], CAMERA.rays()[..., :2], atol=1e-5
    )
    assert not found.apply(network).valid[~network.valid].any()


def test_too_few_common_pixels():
    empty = np.full((60, 80), np.nan)
    with pytest.raises(TooLittleSupportError, match="0 pixels"):
        align_depth(np.ones((60, 80)), empty, empty)
