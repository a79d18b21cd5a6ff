# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The camera model agrees with OpenCV, honours ROI and binning, and refuses what it cannot use."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from spatialgeo_ros.errors import NoCameraInfoError
from spatialgeo_ros.geometry.camera import PinholeCamera, lens_of, read_camera_info

PLUMB_BOB = (-0.28, 0.08, 0.001, -0.0007, -0.01)
RATIONAL = (0.5, -2.6, 0.0007, -0.0002, 1.5, 0.38, -2.4, 1.4)
PRISM = (*RATIONAL, 0.001, -0.0004, 0.0008, 0.0002)
EQUIDISTANT = (-0.01, 0.02, -0.01, 0.002)
MODELS = [
    ("plumb_bob", PLUMB_BOB[:4]),
    ("plumb_bob", PLUMB_BOB),
    ("rational_polynomial", RATIONAL),
    ("rational_polynomial", PRISM),
]


def camera(model="", distortion=()):
    return PinholeCamera(640, 480, 400.0, 402.0, 321.2, 238.1, model, tuple(distortion))


def info(**changes):
    roi = SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False)
    fields = {
        "width": 640,
        "height": 480,
        "distortion_model": "plumb_bob",
        "d": [0.0] * 5,
        "k": [500.0, 0, 320.0, 0, 510.0, 240.0, 0, 0, 1],
        "p": [450.0, 0, 315.0, 0, 0, 455.0, 235.0, 0, 0, 0, 1, 0],
        "binning_x": 0,
        "binning_y": 0,
        "roi": roi,
    }
    return SimpleNamespace(**{**fields, **changes})


def pixels(count=300):
    return np.random.default_rng(0).uniform((0, 0), (639, 479), (count, 2))


@pytest.mark.parametrize(("model", "distortion"), MODELS)
def test_undistortion_agrees_with_opencv(model, distortion):
    cam, uv = camera(model, distortion), pixels()
    ours = cam.unproject(uv, np.full(len(uv), 2.0))
    criteria = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 500, 1e-14)
    # OpenCV before 4.6 (Humble) has another name for the call that takes criteria.
    undistort = getattr(cv2, "undistortPointsIter", cv2.undistortPoints)
    theirs = undistort(
        uv[:, None], cam.K, np.array(distortion), R=np.eye(3), P=np.eye(3), criteria=criteria
    )[:, 0]
    np.testing.assert_allclose(ours[:, :2] / 2, theirs, atol=2e-6)
    assert (ours[:, 2] == 2).all()


@pytest.mark.parametrize(("model", "distortion"), MODELS)
def test_projection_agrees_with_opencv_and_inverts(model, distortion):
    cam, uv = camera(model, distortion), pixels()
    points = cam.unproject(uv, np.random.default_rng(1).uniform(0.5, 5, len(uv)))
    theirs = cv2.projectPoints(points, np.zeros(3), np.zeros(3), cam.K, np.array(distortion))[0]
    np.testing.assert_allclose(cam.project(points), theirs[:, 0], atol=1e-9)
    np.testing.assert_allclose(cam.project(points), uv, atol=1e-6)


def test_fisheye_agrees_with_opencv_and_inverts():
    cam, uv = camera("equidistant", EQUIDISTANT), pixels()
    points = cam.unproject(uv, np.ones(len(uv)))
    theirs = cv2.fisheye.undistortPoints(uv[:, None], cam.K, np.array(EQUIDISTANT))[:, 0]
    np.testing.assert_allclose(points[:, :2], theirs, atol=1e-7)
    np.testing.assert_allclose(cam.project(points), uv, atol=1e-6)


def test_no_ray_beyond_the_fold_of_the_distortion():
    # With k1 = -0.5 the distorted radius has its maximum 0.544 at 0.816: no ray goes farther out.
    cam = PinholeCamera(640, 480, 300.0, 300.0, 319.5, 239.5, "plumb_bob", (-0.5, 0, 0, 0))
    rays = cam.rays()
    assert np.isnan(rays[0, 0]).all()
    assert np.isfinite(rays[240, 320]).all()
    radius = np.hypot(rays[..., 0], rays[..., 1])
    assert np.nanmax(radius) < 0.82


def test_rays_go_through_integer_pixel_centres():
    cam = camera("plumb_bob", PLUMB_BOB)
    rays = cam.rays()
    assert rays.shape == (480, 640, 3) and rays.dtype == np.float32
    expected = cam.unproject([[17, 5], [600, 470]], [1, 1])
    np.testing.assert_allclose(rays[[5, 470], [17, 600]], expected, atol=1e-6)
    assert camera().rays()[0, 0, 0] == pytest.approx(-321.2 / 400)
    assert cam.rays() is rays  # cached
    with pytest.raises(ValueError):
        rays[0, 0, 0] = 1.0


def test_points_behind_the_camera_have_no_pixel():
    assert np.isnan(camera().project([[0.1, 0.1, -1.0], [0, 0, 0]])).all()


def test_roi_and_binning_as_image_geometry_does():
    roi = SimpleNamespace(x_offset=100, y_offset=40, width=400, height=300, do_rectify=False)
    cam = PinholeCamera.from_camera_info(info(roi=roi, binning_x=2, binning_y=4))
    assert (cam.width, cam.height) == (200, 75)
    assert (cam.fx, cam.fy, cam.cx, cam.cy) == (250.0, 127.5, 110.0, 50.0)
    # The same ray through the full and the reduced image.
    full = PinholeCamera.from_camera_info(info())
    point = [[0.2, -0.1, 1.5]]
    u, v = full.project(point)[0]
    np.testing.assert_allclose(cam.project(point)[0], [(u - 100) / 2, (v - 40) / 4])


def test_rectified_images_use_the_projection_matrix():
    cam = PinholeCamera.from_camera_info(info(d=list(PLUMB_BOB)), rectified=True)
    assert (cam.fx, cam.fy, cam.cx, cam.cy) == (450.0, 455.0, 315.0, 235.0)
    assert cam.distortion == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"k": [0.0] * 9, "p": [0.0] * 12}, "uncalibrated"),
        (
            {"k": [0.0] * 9, "d": list(PLUMB_BOB)},
            r"k\[0\] = 0 and a distortion.*'rectified' to true",
        ),
        ({"k": [0.0] * 9, "distortion_model": "fisheye", "d": [0.0] * 4}, "raw image"),
        ({"distortion_model": "", "d": [0.1, 0, 0, 0, 0]}, "distortion_model ''"),
        ({"distortion_model": "none", "d": [0.1, 0, 0, 0, 0]}, "distortion_model 'none'"),
        ({"distortion_model": "fancy", "d": [0.1, 0, 0, 0, 0]}, "'fancy'.*plumb_bob.*equidistant"),
        ({"distortion_model": "double_sphere", "d": [0.0] * 2}, "'double_sphere'.*not supported"),
        ({"distortion_model": "x\n" * 1000, "d": [0.1]}, r"'x\\n(x\\n)*\.\.\.'"),
        ({"d": [0.1, 0.2]}, "takes 4 or 5 coefficients, 2 arrived"),
        ({"d": [0.1] * 7}, "takes 4 or 5 coefficients, 7 arrived"),
        ({"distortion_model": "fisheye", "d": [0.1] * 5}, "'fisheye' takes 4 .*, 5 arrived"),
        ({"distortion_model": "equidistant", "d": []}, "takes 4 coefficients, 0 arrived"),
        ({"distortion_model": "rational_polynomial", "d": [0.1] * 5}, "8 or 12 .*, 5 arrived"),
        ({"d": [float("nan")] * 5}, "not usable"),
        ({"k": [float("nan"), 0, 320.0, 0, 510.0, 240.0, 0, 0, 1]}, "not usable"),
        ({"k": [500.0, 0, 320.0, 0, -510.0, 240.0, 0, 0, 1]}, "not usable"),
        ({"width": 0}, "size"),
        ({"distortion_model": "rational_polynomial", "d": [0.1] * 14}, "tilted"),
        ({"d": [0.1] * 14}, "tilted"),
    ],
)
def test_unusable_calibration_is_refused_with_the_cure(changes, words):
    with pytest.raises(NoCameraInfoError, match=words) as caught:
        PinholeCamera.from_camera_info(info(**changes))
    assert "missing" not in str(caught.value)  # it arrived
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("name", "coefficients", "model", "read"),
    [
        ("plumb_bob", PLUMB_BOB, "plumb_bob", PLUMB_BOB),
        ("Brown-Conrady", PLUMB_BOB, "plumb_bob", PLUMB_BOB),
        ("radtan", PLUMB_BOB[:4], "plumb_bob", PLUMB_BOB[:4]),
        ("plumb_bob", (*PLUMB_BOB, 0.0, 0.0, 0.0), "plumb_bob", PLUMB_BOB),
        ("plumb_bob", RATIONAL, "rational_polynomial", RATIONAL),
        ("plumb_bob", PRISM, "rational_polynomial", PRISM),
        ("plumb_bob", (*RATIONAL, *[0.0] * 6), "rational_polynomial", RATIONAL),
        ("rational_polynomial", (*PRISM, 0.0, 0.0), "rational_polynomial", PRISM),
        *(
            (name, EQUIDISTANT, "equidistant", EQUIDISTANT)
            for name in (
                "equidistant",
                "fisheye",
                "equidistant4",
                "Kannala-Brandt",
                "kannala_brandt4",
                "opencv fisheye",
            )
        ),
        ("fisheye", (*EQUIDISTANT, 0.0), "equidistant", EQUIDISTANT),
    ],
)
def test_names_of_drivers_and_calibration_tools_are_read(name, coefficients, model, read):
    made, remarks = read_camera_info(info(distortion_model=name, d=list(coefficients)))
    assert (made.distortion_model, made.distortion) == (model, read)
    assert bool(remarks) == (name != model)
    assert all(model in remark for remark in remarks)


def test_eight_coefficients_bend_as_opencv_bends_them():
    made = PinholeCamera.from_camera_info(info(d=list(RATIONAL)))
    points = np.random.default_rng(2).uniform((-0.5, -0.4, 1), (0.5, 0.4, 1.0001), (50, 3))
    theirs = cv2.projectPoints(points, np.zeros(3), np.zeros(3), made.K, np.array(RATIONAL))[0]
    np.testing.assert_allclose(made.project(points), theirs[:, 0], atol=1e-9)


def test_a_fisheye_lens_with_zero_coefficients_is_no_pinhole():
    made = PinholeCamera.from_camera_info(info(distortion_model="equidistant", d=[0.0] * 4))
    # At 45 degrees the image is f * pi / 4 from the centre, not f.
    np.testing.assert_allclose(
        made.project([[1.0, 0.0, 1.0]])[0], [320 + 500 * np.pi / 4, 240], atol=1e-9
    )


def test_what_a_driver_left_empty_is_taken_from_its_counterpart():
    made, remarks = read_camera_info(info(k=[0.0] * 9))
    assert (made.fx, made.fy, made.cx, made.cy) == (450.0, 455.0, 315.0, 235.0)
    assert len(remarks) == 1 and "k[0] = 0: p is used" in remarks[0]
    made, remarks = read_camera_info(info(p=[0.0] * 12), rectified=True)
    assert (made.fx, made.fy, made.cx, made.cy) == (500.0, 510.0, 320.0, 240.0)
    assert len(remarks) == 1 and "p[0] = 0: k is used" in remarks[0]
    # With a distortion K is not that of the rectified image.
    with pytest.raises(NoCameraInfoError, match="rectified image.*'rectified' to false"):
        read_camera_info(info(p=[0.0] * 12, d=list(PLUMB_BOB)), rectified=True)
    assert read_camera_info(info())[1] == ()


def test_a_rectified_image_does_not_need_a_known_lens():
    changes = {"distortion_model": "double_sphere", "d": [0.3, 0.6]}
    made, remarks = read_camera_info(info(**changes), rectified=True)
    assert made.fx == 450.0 and made.distortion == () and remarks == ()


def test_names_without_distortion():
    for name in ("", "none", "Pinhole"):
        assert lens_of(name, []) == ("", (), ())
        assert lens_of(name, [0.0] * 5) == ("", (), ())


def test_zero_coefficients_are_no_distortion():
    assert PinholeCamera.from_camera_info(info()).distortion_model == ""


def test_resized_keeps_every_ray():
    cam = camera("plumb_bob", PLUMB_BOB)
    small = cam.resized(160, 120)
    assert small.hfov == pytest.approx(cam.hfov) and small.vfov == pytest.approx(cam.vfov)
    # The middle of the image's area stays the middle of the area (pixel areas, as cv2.resize).
    point = cam.unproject([[319.5, 239.5]], [1.0])
    np.testing.assert_allclose(small.project(point)[0], [79.5, 59.5], atol=1e-9)


@pytest.mark.parametrize(("model", "distortion"), [("", ()), *MODELS])
def test_rays_of_a_grid_and_of_single_pixels_are_those_of_the_camera(model, distortion):
    cam = camera(model, distortion)
    rows, columns = np.array([3.0, 100.5, 479.0]), np.array([0.0, 17.25, 320.5, 639.0])
    grid = cam.rays_of_grid(rows, columns)
    assert grid.shape == (3, 4, 2) and grid.dtype == np.float32
    places = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    expected = cam.unproject(places, np.ones(12))[:, :2].reshape(3, 4, 2)
    np.testing.assert_allclose(grid, expected, atol=1e-6)
    rng = np.random.default_rng(2)
    depth = rng.uniform(1, 4, (480, 640)).astype(np.float32)
    v, u = rng.integers(0, 480, 50), rng.integers(0, 640, 50)
    whole = cam.lift(depth, slice(None), slice(None))
    np.testing.assert_array_equal(cam.lift_pixels(depth[v, u], v, u), whole[v, u])
