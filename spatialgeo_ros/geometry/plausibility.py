# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Calibrations that cannot be, or are those of another image, before anything is measured by them.

A wrong calibration gives sure numbers that are wrong. What is looked at, and where the line is:

==========================  =======================  ============================================
what                        remarked                 refused
==========================  =======================  ============================================
sensor size                                          a side of 0 or beyond 32768 pixels
binning                                              beyond 32, or larger than the image
ROI                                                  reaches outside the sensor, has one side of 0,
                                                     an offset without a size, or is published
                                                     with images of the whole sensor
image size                  another, same aspect     another aspect ratio (by more than 1 %)
                            ratio: scaled
K                                                    not finite, not positive, not
                                                     [fx s cx; 0 fy cy; 0 0 1]
fx / fy                     outside 0.8 to 1.25      outside 1/3 to 3
field of view (diagonal)                             below 2 degrees, beyond 170 (pinhole); beyond
                                                     300 on the shorter side (equidistant)
principal point, off the    beyond 10 % of a side    beyond 20 % of a side; beyond 7.5 % on both
middle of the sensor                                 sides by the same share, which is where the K
                                                     of a scaled image has it
pixels without a ray        beyond 5 % (40 % for     beyond 50 % (80 % for equidistant, whose image
                            equidistant)             may be a disc), or the middle
==========================  =======================  ============================================

Real cameras have their principal point within 5 % of the middle, rectified stereo pairs within
15 %. A crop that CameraInfo.roi describes is judged on the whole sensor, so any crop is accepted.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from spatialgeo_ros.errors import NoCameraInfoError
from spatialgeo_ros.geometry.camera import (
    MOST_PIXELS,
    CameraInfoLike,
    PinholeCamera,
    read_camera_info,
)
from spatialgeo_ros.geometry.lens import EQUIDISTANT

_MOST_BINNING = 32
_ASPECT_TOLERANCE = 0.01
_RATIO_REMARKED, _RATIO_REFUSED = 1.25, 3.0
_NARROWEST, _WIDEST, _WIDEST_FISHEYE = (math.radians(v) for v in (2.0, 170.0, 300.0))
_OFF_REMARKED, _OFF_REFUSED = 0.10, 0.20  # of a side
_OFF_ALIKE = 0.075  # of both sides
_ALIKE = 0.05  # relative difference of the two scales of a K of another resolution
_BLIND = (0.05, 0.5)  # share of the image without rays: remarked, refused
_BLIND_FISHEYE = (0.4, 0.8)

Judgement = tuple[str | None, tuple[str, ...]]


def calibrated_camera(
    info: CameraInfoLike, image_width: int, image_height: int, rectified: bool = False
) -> tuple[PinholeCamera, tuple[str, ...]]:
    """Camera of an image of this size from its CameraInfo, and what had to be assumed.

    A driver or a resizing node that changes the image but not its CameraInfo is put right by
    scaling, as long as the aspect ratio is the same.

    Args:
        info: the message.
        image_width: width of the image that arrives, pixels.
        image_height: its height.
        rectified: the image is ``image_rect``.

    Raises:
        NoCameraInfoError: it cannot be read, or :func:`judge_calibration` refuses it.
    """
    refusal, remarks = judge_calibration(info, image_width, image_height, rectified)
    if refusal is not None:
        raise NoCameraInfoError(refusal)
    camera, _ = read_camera_info(info, rectified)
    if (camera.width, camera.height) != (image_width, image_height):
        camera = camera.resized(image_width, image_height)
    return camera, remarks


def judge_calibration(
    calibration: CameraInfoLike | PinholeCamera,
    image_width: int,
    image_height: int,
    rectified: bool = False,
) -> Judgement:
    """Judge a calibration by itself and against the size of the image it came with.

    Args:
        calibration: the message, or a camera from elsewhere (a file, the command line).
        image_width: width of the image that arrives, pixels.
        image_height: its height.
        rectified: of a message, whether P is used.

    Returns:
        Why it must not be used (what was wrong and the cure) or None; and, where it may be used,
        remarks, among them those of :func:`read_camera_info`.
    """
    if min(image_width, image_height) < 1:
        return f"the image is {image_width}x{image_height}: it has no pixels", ()
    if isinstance(calibration, PinholeCamera):
        whole = described = calibration
        remarks: tuple[str, ...] = ()
    else:
        refusal = _frame_refusal(calibration) or _matrix_refusal(calibration, rectified)
        if refusal is not None:
            return refusal, ()
        try:
            described, remarks = read_camera_info(calibration, rectified)
        except NoCameraInfoError as error:
            return str(error), ()
        whole = _whole_sensor(calibration, described)
        refusal = _uncropped_refusal(calibration, described, image_width, image_height)
        if refusal is not None:
            return refusal, ()
    for refusal, more in (
        _judge_focal_lengths(whole),
        _judge_principal_point(whole),
        _judge_size(described, image_width, image_height),
        _judge_rays(described),
    ):
        if refusal is not None:
            return refusal, ()
        remarks += more
    return None, remarks


def _frame_refusal(info: CameraInfoLike) -> str | None:
    """Sensor, binning and region of interest of a message."""
    width, height = int(info.width), int(info.height)
    if not (0 < width <= MOST_PIXELS and 0 < height <= MOST_PIXELS):
        return (
            f"the camera_info that arrives has width x height = {width}x{height}; the driver must "
            "fill in the size of the calibrated image"
        )
    binning = int(info.binning_x), int(info.binning_y)
    if max(binning) > _MOST_BINNING or binning[0] > width or binning[1] > height:
        return (
            f"the camera_info that arrives has a binning of {binning[0]}x{binning[1]}, which a "
            f"{width}x{height} sensor cannot have; correct binning_x and binning_y (0 for none)"
        )
    roi = info.roi
    x0, y0, across, down = (int(v) for v in (roi.x_offset, roi.y_offset, roi.width, roi.height))
    if (across == 0) != (down == 0) or (across == 0 and (x0 or y0)):
        return (
            f"the camera_info that arrives has a roi of {across}x{down} at ({x0}, {y0}); fill in "
            "all four numbers, or leave all 0 for the whole image"
        )
    if x0 + across > width or y0 + down > height:
        return (
            f"the camera_info that arrives has a roi of {across}x{down} at ({x0}, {y0}), outside "
            f"its {width}x{height} sensor; width and height are the sensor's, K belongs to the "
            "whole sensor"
        )
    if across and min(across // max(1, binning[0]), down // max(1, binning[1])) < 1:
        return (
            f"the camera_info that arrives has a roi of {across}x{down} and a binning of "
            f"{binning[0]}x{binning[1]}: no pixel is left; correct one of them"
        )
    return None


def _matrix_refusal(info: CameraInfoLike, rectified: bool) -> str | None:
    """Whether K (or P) is a camera matrix by rows at all."""
    name, values, below = ("p", info.p, 4) if rectified else ("k", info.k, 3)
    matrix = [float(v) for v in values]
    if matrix[0] == 0.0 and matrix[below + 1] == 0.0:
        return None  # not filled in: read_camera_info says so
    if not any((matrix[below], matrix[2 * below], matrix[2 * below + 1])):
        return None
    return (
        f"the camera_info that arrives has the {name} {[round(v, 2) for v in matrix]}, which is no "
        "[fx s cx; 0 fy cy; 0 0 1] written row by row; publish the matrix by rows"
    )


def _whole_sensor(info: CameraInfoLike, described: PinholeCamera) -> PinholeCamera:
    """The camera of the sensor without region of interest and binning."""
    bin_x, bin_y = max(1, int(info.binning_x)), max(1, int(info.binning_y))
    return PinholeCamera(
        int(info.width),
        int(info.height),
        described.fx * bin_x,
        described.fy * bin_y,
        described.cx * bin_x + int(info.roi.x_offset),
        described.cy * bin_y + int(info.roi.y_offset),
        described.distortion_model,
        described.distortion,
    )


def _uncropped_refusal(
    info: CameraInfoLike, described: PinholeCamera, image_width: int, image_height: int
) -> str | None:
    """A region of interest of the sensor's own aspect ratio beside images of the whole sensor."""
    size = int(info.width), int(info.height)
    part = int(info.roi.width), int(info.roi.height)
    if part in ((0, 0), size) or (image_width, image_height) != size:
        return None
    if (described.width, described.height) == (image_width, image_height):
        return None
    return (
        f"the camera_info that arrives has a roi of {part[0]}x{part[1]} but the image is "
        f"{image_width}x{image_height}, the whole sensor; publish a roi of 0 with whole images"
    )


def _judge_focal_lengths(camera: PinholeCamera) -> Judgement:
    fx, fy = camera.fx, camera.fy
    ratio = fx / fy
    if max(ratio, 1 / ratio) > _RATIO_REFUSED:
        return (
            f"the calibration has fx = {fx:.4g} and fy = {fy:.4g} px: no camera has pixels of such "
            "a shape; calibrate again",
            (),
        )
    across, down = camera.width / fx, camera.height / fy
    if camera.distortion_model == EQUIDISTANT:
        view, limit = min(across, down), _WIDEST_FISHEYE
    else:
        view, limit = 2 * math.atan(0.5 * math.hypot(across, down)), _WIDEST
    if not _NARROWEST <= view <= limit:
        return (
            f"the calibration has fx = {fx:.4g} and fy = {fy:.4g} px for {camera.width}x"
            f"{camera.height} pixels, a field of view of {math.degrees(view):.3g} degrees: no such "
            "camera is known; the focal length must be in pixels of this image size",
            (),
        )
    if max(ratio, 1 / ratio) > _RATIO_REMARKED:
        return None, (
            f"fx / fy of the calibration is {ratio:.2f}: the pixels are not square, or the image "
            "was stretched",
        )
    return None, ()


def _judge_principal_point(camera: PinholeCamera) -> Judgement:
    # Scale of an image that has its middle here: 1 for this one.
    scale_x = (2 * camera.cx + 1) / camera.width
    scale_y = (2 * camera.cy + 1) / camera.height
    off = max(abs(scale_x - 1), abs(scale_y - 1)) / 2
    alike = abs(scale_x - scale_y) < _ALIKE * max(scale_x, scale_y)
    alike &= min(abs(scale_x - 1), abs(scale_y - 1)) / 2 > _OFF_ALIKE
    where = (
        f"the principal point of the calibration, ({camera.cx:.4g}, {camera.cy:.4g}), is "
        f"{100 * off:.0f} % of a side off the middle of {camera.width}x{camera.height} pixels"
    )
    if off > _OFF_REFUSED or alike:
        guess = ""
        if alike:
            guess = f": K looks like that of {2 * camera.cx + 1:.0f}x{2 * camera.cy + 1:.0f} pixels"
        return (
            f"{where}{guess}; publish the calibration of this image size, and describe a crop by "
            "CameraInfo.roi with K of the whole sensor",
            (),
        )
    if off > _OFF_REMARKED:
        return None, (f"{where}: is K that of this image size?",)
    return None, ()


def _judge_size(camera: PinholeCamera, width: int, height: int) -> Judgement:
    if (camera.width, camera.height) == (width, height):
        return None, ()
    if abs(width * camera.height / (height * camera.width) - 1) > _ASPECT_TOLERANCE:
        return (
            f"the image is {width}x{height} but its camera_info is for {camera.width}x"
            f"{camera.height} with another aspect ratio, cropped or of another mode; publish the "
            "matching camera_info",
            (),
        )
    return None, (
        f"camera_info is for {camera.width}x{camera.height}: scaled to the image's "
        f"{width}x{height}",
    )


@lru_cache(maxsize=16)  # a CameraInfo comes with every image
def _judge_rays(camera: PinholeCamera) -> Judgement:
    """Whether the lens model can be inverted over the image, on a grid of 15 x 15 pixels."""
    if not camera.distortion:
        return None, ()
    columns = np.linspace(0, camera.width - 1, 15)
    rows = np.linspace(0, camera.height - 1, 15)
    pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
    blind = np.isnan(camera.unproject(pixels, np.ones(len(pixels)))[:, 0])
    share = float(blind.mean())
    most = _BLIND_FISHEYE if camera.distortion_model == EQUIDISTANT else _BLIND
    if share > most[1] or blind[len(blind) // 2]:
        return (
            f"the distortion {camera.distortion_model} {[round(v, 4) for v in camera.distortion]} "
            f"of the calibration has no ray for {100 * share:.0f} % of the image; check the order "
            "of the coefficients and the name of the model, or calibrate again",
            (),
        )
    if share > most[0]:
        return None, (
            f"{100 * share:.0f} % of the image lies outside the field in which its distortion "
            "model is valid: nothing is measured there",
        )
    return None, ()
