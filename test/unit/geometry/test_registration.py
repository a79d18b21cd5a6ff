# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of another camera lands on the pixels that see it, and is refused where it cannot."""

import time
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from geometry_scene import Block, render

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.depth_sensor import PRESETS
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.registration import register_depth
from spatialgeo_ros.geometry.registration_plan import (
    Registration,
    equal_aspect,
    judge_registration,
)

DEPTH = PinholeCamera(424, 240, 212.0, 212.0, 211.5, 119.5)
COLOUR = PinholeCamera(640, 360, 457.0, 457.0, 319.5, 179.5)
AZURE = (0.46, -2.54, 0.0005, -0.0001, 1.48, 0.34, -2.35, 1.41)
BENT = PinholeCamera(640, 360, 304.0, 304.0, 320.0, 183.0, "rational_polynomial", AZURE)
FISHEYE = PinholeCamera(
    424, 400, 143.0, 143.0, 209.0, 201.5, "equidistant", (-0.008, 0.045, -0.042, 0.008)
)
BLOCKS = [
    Block(1.5, 0.3, (0.4, 0.3, 0.8), 0.4),
    Block(2.5, -0.7, (0.6, 0.6, 1.2), 0.2),
    Block(1.0, -0.15, (0.05, 0.05, 0.9)),
]


def roll(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def tilt(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


#: Like a RealSense: the depth camera 59 mm beside the colour camera, half a degree turned.
BESIDE = Pose(roll(np.radians(0.5)), [-0.059, 0.003, 0.002])
RIGS = {
    "beside": (DEPTH, COLOUR, BESIDE),
    "wide apart": (DEPTH, COLOUR, Pose(roll(0.01), [-0.2, 0.05, 0.02])),
    "behind": (DEPTH, COLOUR, Pose(np.eye(3), [-0.05, 0.0, -0.15])),
    "another lens": (DEPTH, COLOUR, Pose()),
    "smaller colour": (DEPTH, COLOUR.resized(160, 90), BESIDE),
    "upright": (DEPTH, COLOUR, Pose(roll(np.pi / 2), [-0.03, 0.02, 0.0])),
    "askew": (DEPTH, COLOUR, Pose(roll(0.6), [-0.03, 0.02, 0.0])),
    "bent colour": (DEPTH, BENT, Pose(tilt(np.radians(6)), [-0.032, -0.002, 0.004])),
    "fisheye colour": (DEPTH, FISHEYE, BESIDE),
    "fisheye depth": (FISHEYE, COLOUR, BESIDE),
}


@dataclass
class Result:
    """Registered depth [H, W] beside the truth, and what the truth says of each pixel."""

    found: np.ndarray
    truth: np.ndarray
    index: np.ndarray  # of the block seen
    visible: np.ndarray  # bool: the depth camera sees the place, too
    edge: np.ndarray  # bool: within 2 px of a depth edge of the truth


def world_from_colour(height: float = 0.9, pitch: float = 0.2) -> Pose:
    forward = np.array([np.cos(pitch), 0, -np.sin(pitch)])
    right = np.array([0.0, -1.0, 0.0])
    rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
    return Pose(rotation, [0, 0, height])


def registered(depth_camera, colour_camera, colour_from_depth, blocks=BLOCKS, noise=None) -> Result:
    """Render a room in both cameras and register the one depth to the other."""
    pose = world_from_colour()
    seen, _ = render(blocks, pose @ colour_from_depth, depth_camera)
    truth, index = render(blocks, pose, colour_camera)
    depth = seen
    if noise is not None:
        rng = np.random.default_rng(0)
        depth = seen + rng.normal(size=seen.shape) * noise.sigma(seen)
    found = register_depth(depth.astype(np.float32), depth_camera, colour_camera, colour_from_depth)
    # A place is visible to both when the depth camera measures it where it is.
    places = (colour_camera.rays() * truth[..., None]).reshape(-1, 3).astype(np.float64)
    there = colour_from_depth.inverse().apply(places)
    at = depth_camera.project(there)
    inside = (at > -0.5).all(axis=1) & (
        at < (depth_camera.width - 0.5, depth_camera.height - 0.5)
    ).all(axis=1)
    column, row = np.rint(at[inside]).astype(int).T
    visible = np.zeros(len(at), bool)
    visible[inside] = np.abs(seen[row, column] - there[inside, 2]) < 0.03 * there[inside, 2]
    truth = np.where(np.isfinite(truth), truth, 0.0)  # a fisheye's corners have no rays
    step = cv2.dilate(truth, np.ones((3, 3))) - cv2.erode(truth, np.ones((3, 3)))
    edge = cv2.dilate((step > 0.06 * truth).astype(np.uint8), np.ones((5, 5))) > 0
    return Result(found, truth, index, visible.reshape(truth.shape), edge)


@pytest.mark.parametrize("name", RIGS)
def test_registered_depth_is_the_truth_of_the_colour_camera(name):
    result = registered(*RIGS[name])
    assert result.found.dtype == np.float32
    ok = np.isfinite(result.found)
    off = np.abs(result.found - result.truth)
    # No holes where both cameras see, up to single pixels at edges.
    assert ok[result.visible].mean() > 0.999
    assert ok[result.visible & ~result.edge].all()
    noise = PRESETS["kinect_v1"].sigma(result.truth)
    clear = ok & result.visible & ~result.edge
    assert clear.mean() > 0.1
    assert np.median(off[clear] / noise[clear]) < 0.1
    # Edges are at most 2 px off, and nothing shines through a nearer surface.
    assert (off[clear] > 0.06 * result.truth[clear]).mean() < 2e-4


def test_noise_is_passed_on_without_a_bias():
    noise = PRESETS["realsense_d435"]
    result = registered(*RIGS["beside"], noise=noise)
    clear = np.isfinite(result.found) & result.visible & ~result.edge
    off = ((result.found - result.truth) / noise.sigma(result.truth))[clear]
    assert abs(np.median(off)) < 0.1
    assert np.median(np.abs(off)) < 1.0


def test_the_background_does_not_leak_through_the_nearest_object():
    # Colour with twice the pixels per degree: every second pixel would be a gap.
    fine = COLOUR.resized(1280, 720)
    result = registered(DEPTH, fine, BESIDE)
    pole = cv2.erode((result.index == 2).astype(np.uint8), np.ones((9, 9))) > 0
    assert pole.sum() > 200
    assert (np.abs(result.found[pole] - result.truth[pole]) < 0.05).all()


def test_a_surface_that_the_depth_camera_sees_edge_on_has_no_gaps():
    # A panel at 16 degrees to the depth camera's rays: 12 % farther with every pixel, which the
    # colour camera sees spread over many.
    panel = [Block(0.6, -0.1, (0.6, 0.02, 1.4), np.radians(16))]
    for side in (-0.2, 0.2):
        result = registered(DEPTH, COLOUR, Pose(np.eye(3), [side, 0.0, 0.0]), panel)
        inner = cv2.erode((result.index == 0).astype(np.uint8), np.ones((25, 25))) > 0
        inner &= result.visible
        assert inner.sum() > 500
        through = result.found[inner] > 2 * result.truth[inner]
        assert not through.any()  # 60 % without the points between neighbours


def test_what_only_the_colour_camera_sees_stays_empty():
    result = registered(DEPTH, COLOUR, Pose(np.eye(3), [-0.2, 0.0, 0.0]))
    hidden = ~result.visible & ~result.edge
    assert hidden.sum() > 2000
    assert np.isnan(result.found[hidden]).mean() > 0.7


def test_no_reading_stays_none_and_nothing_is_invented_around_it():
    depth = np.full((240, 424), 2.0, np.float32)
    depth[80:160, 150:250] = np.nan
    found = register_depth(depth, DEPTH, DEPTH, Pose())
    assert np.isnan(found[82:158, 152:248]).all()
    np.testing.assert_allclose(found[:78], 2.0, rtol=1e-6)
    assert np.isnan(register_depth(np.full_like(depth, np.nan), DEPTH, COLOUR, BESIDE)).all()
    # Behind the colour camera, and outside its view.
    assert np.isnan(register_depth(depth, DEPTH, COLOUR, Pose(np.eye(3), [0, 0, -5.0]))).all()
    assert np.isnan(register_depth(depth, DEPTH, COLOUR, Pose(np.eye(3), [50.0, 0, 0]))).all()


def test_the_same_camera_changes_nothing():
    depth, _ = render(BLOCKS, world_from_colour(), DEPTH)
    found = register_depth(depth.astype(np.float32), DEPTH, DEPTH, Pose())
    np.testing.assert_allclose(found, depth, rtol=1e-5)


@pytest.mark.parametrize(
    ("model", "distortion"),
    [("equidistant", (0.3, -0.2, 0.0, 0.0)), ("plumb_bob", (-0.5, 0.0, 0.0, 0.0, 0.0))],
)
def test_what_lies_outside_the_colour_lens_is_not_folded_into_its_image(model, distortion):
    # Both lenses turn over within the image: at 70 and at 39 degrees from the axis.
    colour = PinholeCamera(640, 480, 200.0, 200.0, 319.5, 239.5, model, distortion)
    depth_camera = PinholeCamera(320, 240, 40.0, 40.0, 159.5, 119.5)  # 127 degrees across
    depth = np.full((240, 320), 2.0, np.float32)
    # A nearer ring outside the lens's field, which the formulas would put over the wall.
    rays = depth_camera.rays()
    radius = np.hypot(rays[..., 0], rays[..., 1])
    edge = np.nanmax(np.hypot(colour.rays()[..., 0], colour.rays()[..., 1]))
    depth[radius > 1.15 * edge] = 0.5
    found = register_depth(depth, depth_camera, colour, Pose())
    seen = np.isfinite(found) & np.isfinite(colour.rays()[..., 0])
    inner = np.hypot(colour.rays()[..., 0], colour.rays()[..., 1]) < 0.9 * edge
    assert seen[inner].mean() > 0.99
    np.testing.assert_allclose(found[seen & inner], 2.0, rtol=1e-3)


def test_depth_of_another_size_than_its_camera_is_refused():
    with pytest.raises(BadImageError, match="100x100.*424x240"):
        register_depth(np.ones((100, 100), np.float32), DEPTH, COLOUR, BESIDE)


def test_registration_keeps_up_with_a_camera():
    large = PinholeCamera(848, 480, 424.0, 424.0, 423.5, 239.5)
    colour = PinholeCamera(1280, 720, 915.0, 915.0, 639.5, 359.5)
    depth, _ = render(BLOCKS, world_from_colour() @ BESIDE, large)
    depth = depth.astype(np.float32)
    register_depth(depth, large, colour, BESIDE)  # what stays the same from frame to frame
    begin = time.process_time()
    for _ in range(3):
        register_depth(depth, large, colour, BESIDE)
    assert (time.process_time() - begin) / 3 < 0.12  # 0.035 s on an idle core


# What is done with which depth

WIDE = (848, 480)
HD = (1280, 720)
REALSENSE_DEPTH = PinholeCamera(*WIDE, 424.0, 424.0, 423.5, 239.5)
REALSENSE_COLOUR = PinholeCamera(*HD, 915.0, 915.0, 639.5, 359.5)
COLOUR_FRAME, DEPTH_FRAME = "camera_color_optical_frame", "camera_depth_optical_frame"


def judged(depth_size, depth_frame, depth_camera, transform=None, colour=REALSENSE_COLOUR, **more):
    size = HD if colour is None else (colour.width, colour.height)
    return judge_registration(
        depth_size, depth_frame, depth_camera, size, COLOUR_FRAME, colour, transform, **more
    )


@pytest.mark.parametrize(
    ("case", "action"),
    [
        # The same frame.
        ((HD, COLOUR_FRAME, None), "REGISTERED"),
        ((HD, "/" + COLOUR_FRAME, REALSENSE_COLOUR), "REGISTERED"),
        (((640, 360), COLOUR_FRAME, None), "RESIZE"),
        (((640, 360), COLOUR_FRAME, REALSENSE_COLOUR), "RESIZE"),  # its info at the full size
        ((WIDE, COLOUR_FRAME, None), "REFUSE"),  # 0.6 % off is another field of view
        (((640, 480), COLOUR_FRAME, None), "REFUSE"),
        ((WIDE, COLOUR_FRAME, REALSENSE_DEPTH), "REGISTER"),
        ((WIDE, COLOUR_FRAME, REALSENSE_COLOUR.resized(*WIDE)), "RESIZE"),  # stretched
        ((HD, COLOUR_FRAME, PinholeCamera(*HD, 640.0, 640.0, 639.5, 359.5)), "REGISTER"),
        # Another frame.
        ((WIDE, DEPTH_FRAME, REALSENSE_DEPTH, BESIDE), "REGISTER"),
        ((WIDE, DEPTH_FRAME, REALSENSE_DEPTH), "REFUSE"),
        ((WIDE, DEPTH_FRAME, None, BESIDE), "REFUSE"),
        ((HD, DEPTH_FRAME, None), "REFUSE"),
        ((HD, DEPTH_FRAME, REALSENSE_COLOUR), "REFUSE"),
        ((HD, DEPTH_FRAME, REALSENSE_COLOUR, Pose()), "REGISTERED"),  # two names of one place
        ((HD, DEPTH_FRAME, None, Pose(np.eye(3), [0.0005, 0, 0])), "REGISTERED"),
        ((HD, DEPTH_FRAME, REALSENSE_COLOUR, BESIDE), "REGISTER"),
        # The same name, and a transform that says otherwise.
        ((HD, COLOUR_FRAME, REALSENSE_COLOUR, BESIDE), "REGISTER"),
        # No name.
        ((HD, "", None), "REGISTERED"),
        ((HD, "", REALSENSE_COLOUR), "REGISTERED"),
        ((WIDE, "", None), "REFUSE"),
        ((WIDE, "", REALSENSE_DEPTH), "REFUSE"),
        ((WIDE, "", REALSENSE_DEPTH, BESIDE), "REGISTER"),
        # A camera_info of another size.
        ((WIDE, DEPTH_FRAME, REALSENSE_DEPTH.resized(424, 240), BESIDE), "REGISTER"),
        ((WIDE, DEPTH_FRAME, PinholeCamera(640, 480, 380, 380, 319.5, 239.5), BESIDE), "REFUSE"),
    ],
)
def test_which_depth_needs_what(case, action):
    plan = judged(*case)
    assert plan.action is Registration[action]
    depth = np.full(case[0][::-1], 2.0, np.float32)
    if action == "REFUSE":
        with pytest.raises(BadImageError) as caught:
            plan.apply(depth)
        text = str(caught.value)
        assert f"{case[0][0]}x{case[0][1]}" in text and "1280x720" in text
        assert "camera_info" in text and len(text) < 500
    else:
        assert plan.apply(depth).shape == (720, 1280)
    if action == "REGISTER":
        assert "registered to the image here" in plan.words
    if case == (HD, "", None):
        assert "without a frame_id" in plan.words


def test_the_refusal_of_unregistered_depth_names_the_cure():
    words = judged(WIDE, DEPTH_FRAME, REALSENSE_DEPTH).words
    for part in (DEPTH_FRAME, COLOUR_FRAME, "align_depth.enable:=true", "depth_extrinsics"):
        assert part in words
    assert len(judged(WIDE, "x" * 10000, None).words) < 500


def test_without_a_calibration_of_the_image_nothing_is_registered():
    assert judged(HD, COLOUR_FRAME, None, colour=None).action is Registration.REGISTERED
    plan = judged(WIDE, DEPTH_FRAME, REALSENSE_DEPTH, BESIDE, colour=None)
    assert plan.action is Registration.REFUSE and "camera_info of the image" in plan.words


def test_the_users_word_stands_above_names_and_calibration():
    plan = judged(HD, DEPTH_FRAME, REALSENSE_DEPTH.resized(*HD), BESIDE, trusted=True)
    assert plan.action is Registration.REGISTERED
    assert judged(WIDE, DEPTH_FRAME, None, trusted=True).action is Registration.REFUSE


def test_depth_beside_the_colour_camera_is_measured_where_it_is():
    """A box 3 m away whose depth comes from a camera 59 mm beside, with another lens."""
    box = [Block(3.25, -0.75, (0.5, 0.5, 1.2), bottom=0.3)]
    depth, _ = render(box, world_from_colour(pitch=0.0) @ BESIDE, REALSENSE_DEPTH, wall=5.0)
    truth, index = render(box, world_from_colour(pitch=0.0), REALSENSE_COLOUR, wall=5.0)
    plan = judged(WIDE, DEPTH_FRAME, REALSENSE_DEPTH, BESIDE)
    found = plan.apply(depth.astype(np.float32))
    inner = cv2.erode((index == 0).astype(np.uint8), np.ones((5, 5))) > 0
    assert np.nanmax(np.abs(found[inner] - truth[inner])) < 0.05
    # As if it were registered already, the box would mostly be the wall behind it.
    wrong = cv2.resize(depth, HD, interpolation=cv2.INTER_NEAREST)
    assert np.median(np.abs(wrong[inner] - truth[inner])) > 1.0


def test_only_the_exact_aspect_ratio_is_the_same_view():
    assert equal_aspect((640, 480), (320, 240)) and equal_aspect((1920, 1080), (1280, 720))
    assert not equal_aspect((848, 480), (1280, 720))
    assert not equal_aspect((212, 120), (1280, 720))
    assert not equal_aspect((0, 0), (0, 0))
