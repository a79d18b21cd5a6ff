# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations that cannot be are refused with the cure; those of real cameras are accepted."""

import re
import time
import tracemalloc
from types import SimpleNamespace

import pytest

from spatialgeo_ros.errors import NoCameraInfoError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.plausibility import calibrated_camera, judge_calibration

UINT32 = 2**32 - 1


def roi(x=0, y=0, width=0, height=0):
    return SimpleNamespace(x_offset=x, y_offset=y, width=width, height=height, do_rectify=False)


def info(width=640, height=480, fx=400.0, fy=None, cx=None, cy=None, d=(), model="", **more):
    fy = fx if fy is None else fy
    cx = (width - 1) / 2 if cx is None else cx
    cy = (height - 1) / 2 if cy is None else cy
    fields = {
        "width": width,
        "height": height,
        "distortion_model": model,
        "d": list(d),
        "k": [fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0],
        "p": [fx, 0.0, cx, 0.0, 0.0, fy, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
        "binning_x": 0,
        "binning_y": 0,
        "roi": roi(),
    }
    return SimpleNamespace(**{**fields, **more})


AZURE = (0.46, -2.54, 0.0005, -0.0001, 1.48, 0.34, -2.35, 1.41)

# Published or typical intrinsics of real cameras, with the size of their images.
REAL = {
    "RealSense D435i colour": (info(1280, 720, 915.0, 914.0, 643.9, 364.6), 1280, 720),
    "RealSense D435i colour 848": (info(848, 480, 607.3, 607.1, 426.1, 244.3), 848, 480),
    "RealSense D435 depth": (info(848, 480, 424.9, 424.9, 423.0, 240.8), 848, 480),
    "Kinect v1": (info(640, 480, 525.0, 525.0, 319.5, 239.5), 640, 480),
    "TUM freiburg2": (
        info(
            640, 480, 520.9, 521.0, 325.1, 249.7, (0.23, -0.78, -0.003, -0.0001, 0.92), "plumb_bob"
        ),
        640,
        480,
    ),
    "Azure Kinect colour": (
        info(1280, 720, 607.3, 607.2, 641.6, 366.2, AZURE, "rational_polynomial"),
        1280,
        720,
    ),
    "Azure Kinect depth": (
        info(640, 576, 504.1, 504.2, 319.5, 335.9, AZURE, "rational_polynomial"),
        640,
        576,
    ),
    "T265 fisheye": (
        info(848, 800, 286.2, 286.3, 417.8, 403.0, (-0.008, 0.045, -0.042, 0.008), "equidistant"),
        848,
        800,
    ),
    "fisheye of 220 degrees": (
        info(1280, 960, 250.0, 250.0, 640.0, 480.0, (0.05, -0.01, 0.0, 0.0), "fisheye"),
        1280,
        960,
    ),
    "telephoto of a pan-tilt head": (info(1920, 1080, 42000.0), 1920, 1080),
    "wide webcam": (
        info(1920, 1080, 700.0, d=(-0.2, 0.03, 0, 0, -0.002), model="plumb_bob"),
        1920,
        1080,
    ),
    "KITTI, cropped to its rectified part": (
        info(1242, 375, 721.5, 721.5, 609.6, 172.9),
        1242,
        375,
    ),
    "image half the size of its camera_info": (info(1280, 720, 915.0), 640, 360),
    "corner cut out by roi": (info(640, 480, roi=roi(440, 330, 200, 150)), 200, 150),
    "roi of the whole sensor": (info(640, 480, roi=roi(0, 0, 640, 480)), 640, 480),
    "binned": (info(1280, 960, 900.0, binning_x=2, binning_y=2), 640, 480),
    "binned, without binning the size": (info(640, 480, 450.0, binning_x=2, binning_y=2), 640, 480),
    "binned crop": (
        info(1280, 960, 900.0, binning_x=2, binning_y=2, roi=roi(100, 0, 1000, 800)),
        500,
        400,
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_cameras_are_accepted(name):
    message, width, height = REAL[name]
    refusal, _ = judge_calibration(message, width, height)
    assert refusal is None
    made, _ = calibrated_camera(message, width, height)
    assert (made.width, made.height) == (width, height)


def test_ordinary_cameras_need_no_remark():
    for name in ("Kinect v1", "RealSense D435 depth", "T265 fisheye", "corner cut out by roi"):
        message, width, height = REAL[name]
        assert judge_calibration(message, width, height) == (None, ())


@pytest.mark.parametrize(
    ("message", "size", "words"),
    [
        # K of another resolution than width and height, as an old Astra driver published it.
        (info(cx=159.5, cy=119.5, fx=200.0), (640, 480), r"\(159.5, 119.5\).*that of 320x240 pix"),
        (info(320, 240, 400.0, cx=319.5, cy=239.5), (320, 240), "that of 640x480"),
        (info(1920, 1080, 600.0, cx=639.5, cy=359.5), (1920, 1080), "that of 1280x720"),
        (info(1280, 720, 900.0, cx=959.5, cy=539.5), (1280, 720), "that of 1920x1080"),
        (info(1280, 960, 900.0, cx=511.5, cy=383.5), (1280, 960), "that of 1024x768"),
        (info(1280, 720, 400.0, cx=319.5, cy=239.5), (1280, 720), "principal point.*roi"),
        (info(640, 480, 900.0, cx=639.5, cy=359.5), (640, 480), "principal point"),
        (info(cx=0.0, cy=0.0), (640, 480), "principal point"),
        (info(cx=-4e8), (640, 480), "principal point"),
        # Focal lengths.
        (info(fx=3.6), (640, 480), "field of view of 179 degrees.*pixels"),
        (info(fx=1e9), (640, 480), "field of view"),
        (info(fx=4000.0, fy=400.0), (640, 480), "fx = 4000 and fy = 400"),
        (info(fx=float("nan")), (640, 480), "not usable"),
        (info(cx=float("inf")), (640, 480), "not usable"),
        (info(fx=-400.0), (640, 480), "not usable"),
        (info(fx=20.0, model="equidistant", d=[0.0] * 4), (640, 480), "field of view"),
        # By columns instead of rows.
        (info(k=[400.0, 0, 0, 0, 400, 0, 320, 240, 1]), (640, 480), "row by row"),
        # Sensor, region of interest, binning.
        (info(width=0, height=0, cx=1.0, cy=1.0), (640, 480), "0x0"),
        (info(width=UINT32, cx=320.0), (640, 480), "4294967295x480"),
        (info(roi=roi(0, 400_000_000, 640, 480)), (640, 480), "outside its 640x480 sensor"),
        (info(roi=roi(0, UINT32, 640, 480)), (640, 480), "outside"),
        (info(roi=roi(0, 0, UINT32, UINT32)), (640, 480), "outside"),
        (info(roi=roi(1, 0, 640, 480)), (640, 480), "outside"),
        (info(roi=roi(0, 0, 640, 0)), (640, 480), "all four"),
        (info(roi=roi(0, 400_000_000)), (640, 480), "all four"),
        (info(roi=roi(100, 40, 320, 240)), (640, 480), "whole sensor; publish a roi of 0"),
        (info(roi=roi(0, 0, 1, 1), binning_x=2, binning_y=2), (640, 480), "no pixel is left"),
        (info(binning_x=1_000_000), (640, 480), "binning of 1000000x0"),
        (info(16, 16, 10.0, binning_y=20), (16, 16), "binning"),
        # The image.
        (info(), (640, 360), "640x360 .* 640x480 with another aspect"),
        (info(), (0, 0), "no pixels"),
        # A lens that cannot be inverted: coefficients of a fisheye lens, or in another order.
        (info(model="plumb_bob", d=[-3.0, 0.0, 0, 0, 0]), (640, 480), "no ray for .* %"),
        (info(k=[0.0] * 9, p=[0.0] * 12), (640, 480), "uncalibrated"),
        (info(model="fancy"), (640, 480), "'fancy'"),
    ],
)
def test_calibrations_that_cannot_be_are_refused(message, size, words):
    tracemalloc.start()
    begin = time.process_time()
    with pytest.raises(NoCameraInfoError, match=words) as caught:
        calibrated_camera(message, *size)
    # A table as large as the numbers say took 7 GB and 18 s.
    assert time.process_time() - begin < 1.0
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()
    text = str(caught.value)
    assert len(text) < 400 and "missing" not in text


@pytest.mark.parametrize(
    ("message", "size", "words"),
    [
        (info(cx=400.0), (640, 480), "13 % of a side off the middle"),
        (info(848, 480, 615.0, cx=319.5), (848, 480), "principal point"),  # K of 640x480
        (info(fx=300.0, fy=400.0), (640, 480), "not square"),
        (info(), (320, 240), "scaled to the image's 320x240"),
        (
            info(fx=600.0, model="plumb_bob", d=[-0.5, 0, 0, 0, 0]),
            (640, 480),
            "% of the image lies",
        ),
        (info(k=[0.0] * 9), (640, 480), r"p is used"),
        (info(model="fisheye", d=[0.1, 0, 0, 0]), (640, 480), "equidistant"),
    ],
)
def test_what_may_be_is_remarked(message, size, words):
    refusal, remarks = judge_calibration(message, *size)
    assert refusal is None and len(remarks) == 1
    assert re.search(words, remarks[0])


def test_a_camera_from_a_file_is_judged_alike():
    half = PinholeCamera(640, 480, 200.0, 200.0, 159.5, 119.5)
    refusal, _ = judge_calibration(half, 640, 480)
    assert refusal is not None and "320x240" in refusal
    assert judge_calibration(PinholeCamera(640, 480, 400, 400, 319.5, 239.5), 640, 480) == (
        None,
        (),
    )


def test_rectified_images_are_judged_by_the_projection_matrix():
    message = info(cx=159.5, cy=119.5, p=[400.0, 0, 319.5, -20, 0, 400, 239.5, 0, 0, 0, 1, 0])
    assert judge_calibration(message, 640, 480)[0] is not None
    assert judge_calibration(message, 640, 480, rectified=True) == (None, ())
    made, _ = calibrated_camera(message, 640, 480, rectified=True)
    assert made.cx == 319.5
