# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images become small JPEGs, and pixels of the camera pixels of what is shown."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("rerun", reason="the extra 'view' is not installed (rerun-sdk)")

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.viewer.pictures import PictureSettings, encoded, picture, shown_mask

RED = np.zeros((240, 320, 3), np.uint8)
RED[..., 0] = 200


def raw(rgb: np.ndarray) -> SimpleNamespace:
    height, width = rgb.shape[:2]
    return SimpleNamespace(
        height=height, width=width, encoding="rgb8", step=3 * width, is_bigendian=0,
        data=rgb.tobytes(),
    )  # fmt: skip


def compressed(rgb: np.ndarray, suffix: str = ".jpg") -> SimpleNamespace:
    _, data = cv2.imencode(suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    return SimpleNamespace(format=f"rgb8; {suffix[1:]} compressed", data=data.tobytes())


def blob(shown) -> bytes:
    return bytes(shown.archetype.blob.as_arrow_array().to_pylist()[0])


def decoded(shown) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(blob(shown), np.uint8), cv2.IMREAD_COLOR)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def test_an_image_is_scaled_down_to_a_jpeg_of_its_colours():
    shown = picture(raw(RED), PictureSettings(most_width=160))
    assert (shown.size, shown.shown) == ((320, 240), (160, 120))
    image = decoded(shown)
    assert image.shape == (120, 160, 3)
    assert image.mean(axis=(0, 1)) == pytest.approx((200, 0, 0), abs=6)


@pytest.mark.parametrize("width", [0, 320, 1000])
def test_a_small_image_keeps_its_size(width):
    assert picture(raw(RED), PictureSettings(most_width=width)).shown == (320, 240)


def test_quality_costs_bytes():
    noise = np.random.default_rng(0).integers(0, 255, RED.shape, np.uint8)
    sizes = [len(blob(encoded(noise, PictureSettings(quality=q)))) for q in (10, 50, 95)]
    assert sizes == sorted(sizes)
    assert sizes[0] * 3 < sizes[2]


def test_a_jpeg_that_is_small_enough_is_passed_on():
    message = compressed(RED)
    assert blob(picture(message, PictureSettings())) == message.data
    scaled = picture(message, PictureSettings(most_width=100))
    assert scaled.shown == (100, 75)
    assert decoded(scaled).shape == (75, 100, 3)


def test_a_png_becomes_a_jpeg():
    shown = picture(compressed(RED, ".png"), PictureSettings())
    assert blob(shown).startswith(b"\xff\xd8")


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"GIF89a", b"\x00" * 64])
def test_what_is_no_image_is_refused(data):
    with pytest.raises(BadImageError):
        picture(SimpleNamespace(format="jpeg", data=data), PictureSettings())


def test_an_image_that_claims_to_be_huge_is_not_passed_on():
    data = bytearray(compressed(RED).data)
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = b"\x75\x30\x75\x30"  # 30000 x 30000
    with pytest.raises(BadImageError, match="30000x30000"):
        picture(SimpleNamespace(format="jpeg", data=bytes(data)), PictureSettings(most_width=0))


def test_pixels_follow_the_scale_from_corner_to_corner():
    shown = picture(raw(RED), PictureSettings(most_width=160))
    # Rerun's (0, 0) is the corner of the first pixel, the camera's is its centre.
    assert shown.pixels([(-0.5, -0.5), (319.5, 239.5)]).tolist() == [[0, 0], [160, 120]]
    assert shown.lengths([(32, 24)]).tolist() == [[16, 12]]


def test_the_pinhole_projects_as_the_camera_does():
    camera = PinholeCamera(320, 240, 300.0, 310.0, 150.0, 125.0)
    shown = picture(raw(RED), PictureSettings(most_width=160))
    pinhole = shown.pinhole(camera)
    matrix = np.array(pinhole.image_from_camera.as_arrow_array().to_pylist()[0]).reshape(3, 3).T
    point = np.array([0.3, -0.2, 2.0])
    projected = (matrix @ point)[:2] / point[2]
    assert projected == pytest.approx(shown.pixels(camera.project(point[None]))[0])
    assert pinhole.resolution.as_arrow_array().to_pylist() == [[160.0, 120.0]]


def test_a_mask_is_scaled_like_its_image():
    shown = picture(raw(RED), PictureSettings(most_width=160))
    mask = np.zeros((240, 320), bool)
    mask[:120] = True
    small = shown_mask(mask, shown)
    assert small.shape == (120, 160)
    assert small[:60].all() and not small[60:].any()
