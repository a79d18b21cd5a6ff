# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Letterboxing: pixels, camera, regions and maps must all agree on where things are."""

from __future__ import annotations

import numpy as np
import pytest

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.models.letterbox import PAD_COLOUR, Letterbox, image_tensor

TARGET = (128, 96)


@pytest.mark.parametrize(
    ("source", "content", "offset"),
    [
        ((640, 480), (128, 96), (0, 0)),
        ((1920, 1080), (128, 72), (0, 12)),
        ((480, 640), (72, 96), (28, 0)),
        ((1, 1), (96, 96), (16, 0)),
        ((5000, 3), (128, 1), (0, 47)),
    ],
)
def test_fit(source: tuple[int, int], content: tuple[int, int], offset: tuple[int, int]) -> None:
    box = Letterbox.fit(source, TARGET)
    assert (box.content, box.offset) == (content, offset)
    image = np.full((source[1], source[0], 3), 200, dtype=np.uint8)
    out = box.image(image)
    inside = np.zeros(out.shape[:2], dtype=bool)
    inside[offset[1] : offset[1] + content[1], offset[0] : offset[0] + content[0]] = True
    assert (out[inside] == 200).all()
    assert (out[~inside] == PAD_COLOUR).all()


def test_camera_sees_the_same_point_at_the_same_place() -> None:
    camera = PinholeCamera(1920, 1080, 1400.0, 1390.0, 950.0, 545.0)
    box = Letterbox.fit((1920, 1080), TARGET)
    scaled = box.camera(camera)
    assert (scaled.width, scaled.height) == TARGET
    points = np.array([[0.3, -0.2, 2.0], [-0.8, 0.4, 3.0]])
    source = camera.project(points)
    scale = box.content[0] / 1920
    expected = (source + 0.5) * scale - 0.5 + np.array(box.offset)
    np.testing.assert_allclose(scaled.project(points), expected, atol=1e-9)


def test_patch_weights_of_a_patch_aligned_box() -> None:
    box = Letterbox.fit((640, 480), TARGET)
    mask = np.zeros((480, 640), dtype=bool)
    mask[80:160, 160:280] = True  # row 1, columns 2 and half of 3 of a 6 x 8 grid
    expected = np.zeros((6, 8), dtype=np.float32)
    expected[1, 2], expected[1, 3] = 1.0, 0.5
    np.testing.assert_allclose(box.patch_weights(mask, (6, 8)).reshape(6, 8), expected, atol=1e-6)


def test_a_single_pixel_still_has_weight() -> None:
    mask = np.zeros((480, 640), dtype=bool)
    mask[100, 333] = True
    weights = Letterbox.fit((640, 480), TARGET).patch_weights(mask, (6, 8))
    assert weights.argmax() == 1 * 8 + 4
    assert weights.sum() > 0


def test_resample_inverts_the_letterbox() -> None:
    box = Letterbox.fit((1920, 1080), TARGET)
    x = (np.arange(64) + 0.5) * 2
    ramp = np.broadcast_to(x, (48, 64)).astype(np.float32)
    out = box.resample(ramp, (192, 108), smooth=True)
    expected = (np.arange(192) + 0.5) / 192 * 128
    np.testing.assert_allclose(out[54, 3:-3], expected[3:-3], atol=1e-3)
    rows = np.repeat(np.arange(48, dtype=np.float32)[:, None], 64, axis=1)
    nearest = box.resample(rows, (192, 108))
    assert nearest.min() == 6 and nearest.max() == 41  # the bars' rows 0-5 and 42-47 are gone


def test_sizes_are_checked() -> None:
    box = Letterbox.fit((640, 480), TARGET)
    with pytest.raises(ValueError, match="320x240"):
        box.image(np.zeros((240, 320, 3), dtype=np.uint8))
    with pytest.raises(ValueError, match="320x240"):
        box.patch_weights(np.ones((240, 320), dtype=bool), (6, 8))
    with pytest.raises(ValueError, match="divide"):
        box.patch_weights(np.ones((480, 640), dtype=bool), (9, 12))
    with pytest.raises(ValueError, match="320x240"):
        box.camera(PinholeCamera(320, 240, 300.0, 300.0, 160.0, 120.0))


def test_image_tensor_range() -> None:
    out = image_tensor(np.array([[[0, 128, 255]]], dtype=np.uint8))
    assert out.shape == (1, 3, 1, 1)
    np.testing.assert_allclose(out.flatten(), [0, 128 / 255, 1], atol=1e-7)
