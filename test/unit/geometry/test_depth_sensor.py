# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Noise, range and unit of a depth camera: presets, parsing, and doubts about the unit."""

from pathlib import Path

import numpy as np
import pytest
from geometry_scene import CAMERA, Block, camera_pose, render

from spatialgeo_ros.geometry.depth_readings import DepthReadings
from spatialgeo_ros.geometry.depth_sensor import (
    PRESETS,
    DepthNoise,
    DepthSensor,
    parse_depth_noise,
)
from spatialgeo_ros.geometry.depth_unit import judge_depth_unit
from spatialgeo_ros.geometry.distance import Kind, measure
from spatialgeo_ros.geometry.pointmap import pointmap_from_depth
from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object


def sigma(name: str, z: float) -> float:
    return float(parse_depth_noise(name).sigma(z))


@pytest.mark.parametrize(
    ("name", "z", "low", "high"),
    [
        # z^2 * 0.08 px / (f b) by hand, plus 1 mm.
        ("realsense_d435", 2.0, 0.0160, 0.0163),
        ("realsense_d455", 4.0, 0.032, 0.034),
        ("realsense_d415", 2.0, 0.0096, 0.0099),
        # What the makers promise: 2 % at 2 m (D435) and at 4 m (D455), 1 % and 5 % (ZED 2).
        ("realsense_d435", 2.0, 0.004, 0.04),
        ("realsense_d455", 4.0, 0.008, 0.08),
        ("zed_2", 3.0, 0.003, 0.03),
        ("zed_2", 15.0, 0.15, 0.75),
        # Systematic and random part of their data sheets.
        ("realsense_l515", 1.0, 0.005, 0.006),
        ("realsense_l515", 9.0, 0.020, 0.0215),
        ("azure_kinect", 3.86, 0.017, 0.032),
        ("orbbec_femto", 1.0, 0.006, 0.012),
        ("kinect_v1", 3.0, 0.018, 0.019),
        ("orbbec_astra", 1.0, 0.001, 0.0032),
        ("oak_d", 4.0, 0.06, 0.12),
    ],
)
def test_presets_have_the_published_noise(name, z, low, high):
    assert low < sigma(name, z) < high


def test_the_default_is_the_kinects_and_a_stereo_camera_is_noisier():
    assert DepthNoise() == PRESETS["kinect_v1"] == PRESETS["structured_light"]
    # The spread of a D435-like camera was 1.9 times what the default states.
    assert 1.8 < sigma("realsense_d435", 3.0) / sigma("kinect_v1", 3.0) < 2.0


def test_noise_grows_with_depth_and_is_never_nothing():
    z = np.linspace(0.1, 10, 50)
    for noise in PRESETS.values():
        assert (np.diff(noise.sigma(z)) > 0).all() and (noise.sigma(z) > 5e-4).all()
        assert noise.sigma(z).dtype == np.float32


def test_sigma_of_a_measurement_covers_the_error_of_a_stereo_camera():
    """Errors of 0.0038 z^2 of which nine tenths are those of the whole surface."""
    rng = np.random.default_rng(1)
    truth = np.full((240, 320), 5.0, np.float32)
    truth[60:180, 110:210] = 3.0
    region = Region.from_box(110, 60, 209, 179, "box")
    noise = PRESETS["realsense_d435"]
    misses, stated = [], []
    for _ in range(40):
        own = rng.normal(size=truth.shape) * np.sqrt(1 - 0.9**2)
        depth = truth + 0.0038 * truth**2 * (0.9 * rng.normal() + own)
        made = pointmap_from_depth(depth, CAMERA, noise)
        found = measure(Kind.CAMERA_TO_OBJECT, segment_object(made, region))
        misses.append(found.distance - 3.0)
        stated.append(found.sigma)
    # 1.9 with the Kinect's noise, which was the only one.
    assert 0.5 < np.sqrt(np.mean(np.square(misses))) / np.mean(stated) < 1.2


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("Realsense D435i", "realsense_d435"),
        ("d455", "realsense_d455"),
        ("ZED-2i", "zed_2"),
        ("femto bolt", "orbbec_femto"),
        ("tof", "time_of_flight"),
        ("stereo", "stereo"),
    ],
)
def test_names_are_read_as_people_write_them(value, name):
    assert parse_depth_noise(value) == PRESETS[name]


def test_the_documented_presets_are_those_of_the_code():
    text = (Path(__file__).parents[3] / "docs" / "sensors.md").read_text()
    documented = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and cells[0].startswith("`") and cells[1][:1].isdigit():
            for name in cells[0].replace("`", "").split(", "):
                documented[name] = [float(cell) for cell in cells[1:5]]
    assert documented.keys() == PRESETS.keys()
    for name, (constant, linear, quadratic, share) in documented.items():
        noise = PRESETS[name]
        assert noise.constant_m == constant and noise.linear == linear, name
        assert noise.quadratic_per_m == pytest.approx(quadratic, abs=6e-5), name
        assert noise.correlated == share, name


def test_three_numbers_are_constant_linear_quadratic():
    noise = parse_depth_noise([0.001, 0.002, 0.003])
    assert (noise.constant_m, noise.linear, noise.quadratic_per_m) == (0.001, 0.002, 0.003)
    assert float(noise.sigma(2.0)) == pytest.approx(0.001 + 0.004 + 0.012)
    assert parse_depth_noise("0.001, 0.002 0.003") == noise
    assert noise.correlated == 0.3
    assert parse_depth_noise([0.001, 0.002, 0.003, 0.8]).correlated == 0.8


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("realsens_d435", "did you mean realsense_d435.*three numbers"),
        ("", "no sensor that is known"),
        ("x" * 1000, "no sensor"),
        ([0.001, 0.002], "three numbers .* got 2"),
        ([], "got 0"),
        ([0.001, 0.0, 0.002, 0.5, 0.5], "got 5"),
        ([0.001, 0.0, 0.002, 1.5], "share between 0 and 1"),
        ("0.001", "got 1"),
        ([0.0, 0.0, 0.0], "not all 0"),
        ([-0.001, 0.0, 0.002], "between 0"),
        ([1.2, 0.0, 1.9], "metres"),  # millimetres
        ([float("nan"), 0.0, 0.002], "not usable"),
        ("nan 0 0", "not usable"),
    ],
)
def test_noise_that_cannot_be_is_refused_with_what_can(value, words):
    with pytest.raises(ValueError, match=words) as caught:
        parse_depth_noise(value)
    assert len(str(caught.value)) < 500


def test_range_and_scale_are_checked():
    sensor = DepthSensor(PRESETS["realsense_d435"], 0.3, 5.0, 0.00025)
    assert sensor.farthest == 5.0
    for changes, words in (
        ({"nearest": 2.0, "farthest": 1.0}, "depth_min = 2.0 and depth_max = 1.0"),
        ({"nearest": -1.0}, "depth_min"),
        ({"farthest": float("inf")}, "depth_max"),
        ({"scale": 0.0}, "depth_scale = 0.0 .*0.001 for millimetres"),
        ({"scale": float("nan")}, "depth_scale"),
        ({"scale": 4000.0}, "depth_scale"),
    ):
        with pytest.raises(ValueError, match=words):
            DepthSensor(**changes)


# Units


def test_an_explicit_scale_stands_above_the_usual_units():
    raw = np.array([[0, 4000, 12000, 65535]], np.uint16)
    np.testing.assert_array_equal(
        DepthReadings(raw, 0.00025).metres(), np.array([[np.nan, 1, 3, np.nan]], np.float32)
    )
    np.testing.assert_array_equal(
        DepthReadings(raw).metres()[0, 1:3], np.array([4, 12], np.float32)
    )
    floating = np.array([[np.nan, 3000.0, -1.0]])
    np.testing.assert_allclose(
        DepthReadings(floating, 0.001).metres(), np.array([[np.nan, 3, np.nan]], np.float32)
    )
    wide = np.array([[-5, 0, 15000, 2**31 - 1]], np.int32)
    np.testing.assert_allclose(
        DepthReadings(wide, 0.0002).metres(), np.array([[np.nan, np.nan, 3, np.nan]], np.float32)
    )
    assert DepthReadings(raw).unit == 0.001 and DepthReadings(floating).unit == 1.0
    assert DepthReadings(raw, 0.0002).unit == 0.0002
    made = pointmap_from_depth(np.full((240, 320), 12000, np.uint16), CAMERA, scale=0.00025)
    assert made.depth[100, 100] == pytest.approx(3.0)


def test_readings_out_of_range_are_invalid():
    depth = np.full((240, 320), 2.0, np.float32)
    depth[:100], depth[200:] = 0.2, 6.0
    sensor = DepthSensor(PRESETS["realsense_d435"], 0.3, 5.0)
    made = pointmap_from_depth(depth, CAMERA, sensor.noise, sensor.nearest, sensor.farthest)
    assert not made.valid[:100].any() and made.valid[100:200].all() and not made.valid[200:].any()
    assert np.isnan(made.points[0, 0]).all() and np.isnan(made.sigma[0, 0])


def room(pitch: float = 0.2) -> tuple[np.ndarray, np.ndarray, float]:
    pose = camera_pose(pitch)
    depth, _ = render([Block(2.5, 0.4, (0.8, 0.4, 0.9))], pose)
    return depth.astype(np.float32), gravity_in_camera(pose), float(pose.translation[2])


@pytest.mark.parametrize("true_unit", [0.00025, 0.0002, 0.0001, 0.000125, 0.01])
def test_a_floor_that_fits_another_unit_refuses_this_one(true_unit):
    depth, gravity, height = room()
    raw = np.clip(depth / true_unit, 0, 65000).astype(np.uint16)
    wrong = DepthReadings(raw)
    refusal, _ = judge_depth_unit(wrong, wrong.unit, DepthSensor(), CAMERA, gravity, height)
    assert refusal is not None and f"set depth_scale to {true_unit:g}" in refusal
    # With the unit as it is nothing is said.
    right = DepthReadings(raw, true_unit)
    sensor = DepthSensor(scale=true_unit)
    assert judge_depth_unit(right, true_unit, sensor, CAMERA, gravity, height) == (None, ())


def test_a_scale_that_was_set_is_only_doubted():
    depth, gravity, height = room()
    raw = np.round(depth * 1000).astype(np.uint16)  # millimetres after all
    refusal, remarks = judge_depth_unit(
        DepthReadings(raw, 0.00025), 0.00025, DepthSensor(scale=0.00025), CAMERA, gravity, height
    )
    assert refusal is None and "depth_scale to 0.001, or to 0.00025 if" in remarks[0]


@pytest.mark.parametrize("known", [0.9, 1.6, 0.5, 2.4, 1.0])
def test_right_depth_is_left_alone_whatever_the_pose_says(known):
    for pitch in (0.0, 0.2, 0.6, 1.0):
        depth, gravity, _ = room(pitch)
        seen = DepthReadings(depth)
        assert judge_depth_unit(seen, 0.001, DepthSensor(), CAMERA, gravity, known) == (None, ())


def even(metres: float) -> DepthReadings:
    return DepthReadings(np.full((48, 64), metres, np.float32))


def test_readings_beyond_range_ask_for_millimetres():
    depth, _, _ = room()
    floating = depth * 1000
    refusal, _ = judge_depth_unit(DepthReadings(floating), 1.0, DepthSensor())
    assert "are they millimetres? set depth_scale to 0.001" in refusal
    # Tenths of a millimetre in a corridor: 16-bit readings of 30 m and more.
    refusal, _ = judge_depth_unit(even(35.0), 0.001, DepthSensor())
    assert "beyond depth_max = 20 m" in refusal and "0.0001 (median 3.5 m)" in refusal
    refusal, _ = judge_depth_unit(even(0.05), 0.001, DepthSensor())
    assert "nearer than depth_min = 0.1 m" in refusal and "0.01 (median 0.5 m)" in refusal


def test_a_median_that_no_robot_sees_is_remarked():
    sensor = DepthSensor(nearest=0.01, farthest=100.0)
    refusal, remarks = judge_depth_unit(even(30.0), 0.001, sensor)
    assert refusal is None and "median depth is 30 m" in remarks[0]
    refusal, remarks = judge_depth_unit(even(0.04), 0.001, sensor)
    assert refusal is None and "median depth is 0.04 m" in remarks[0]
    assert judge_depth_unit(even(np.nan), 0.001, sensor) == (None, ())
    assert judge_depth_unit(even(3.0), 0.001, sensor) == (None, ())
