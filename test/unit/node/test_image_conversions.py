# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages to arrays: every encoding, padding, byte order, and messages that lie."""

from __future__ import annotations

import array
import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.node.image_conversions import (
    compressed_depth_to_array,
    compressed_to_rgb,
    depth_to_array,
    image_to_mask,
    image_to_rgb,
    message_bytes,
)

RED, GREEN, BLUE = (200, 30, 20), (20, 190, 40), (15, 25, 210)


def message(pixels, encoding, *, padding=0, big=False, data=None, **fields):
    """A duck-typed sensor_msgs/Image of the given samples, rows padded with 0xEE."""
    height, width = pixels.shape[:2]
    rows = pixels.astype(pixels.dtype.newbyteorder(">" if big else "<")).reshape(height, -1)
    rows = np.ascontiguousarray(rows).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=0xEE)
    values = {
        "height": height,
        "width": width,
        "encoding": encoding,
        "is_bigendian": int(big),
        "step": rows.shape[1],
        "data": array.array("B", rows.tobytes() if data is None else data),
    }
    return SimpleNamespace(**{**values, **fields})


@pytest.fixture
def rgb():
    """A 6x4 picture with a different colour in each pixel."""
    return np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)


@pytest.mark.parametrize("padding", [0, 1, 7])
@pytest.mark.parametrize(
    ("encoding", "channels"),
    [
        ("rgb8", "012"),
        ("bgr8", "210"),
        ("8UC3", "210"),
        ("rgba8", "0123"),
        ("bgra8", "2103"),
        ("8UC4", "2103"),
    ],
)
def test_eight_bit_colours(rgb, encoding, channels, padding):
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 77, np.uint8)])
    stored = rgba[..., [int(c) for c in channels]]
    assert np.array_equal(image_to_rgb(message(stored, encoding, padding=padding)), rgb)


@pytest.mark.parametrize("padding", [0, 3])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("encoding", "channels"), [("rgb16", "012"), ("bgr16", "210"), ("rgba16", "0123")]
)
def test_sixteen_bit_colours(rgb, encoding, channels, big, padding):
    rgba = np.dstack([rgb, np.full(rgb.shape[:2], 77, np.uint8)]).astype(np.uint16) * 257
    stored = rgba[..., [int(c) for c in channels]]
    got = image_to_rgb(message(stored, encoding, padding=padding, big=big))
    assert got.dtype == np.uint8
    assert np.array_equal(got, rgb)


@pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
def test_grey(rgb, encoding):
    grey = rgb[..., 0]
    got = image_to_rgb(message(grey, encoding, padding=5))
    assert np.array_equal(got, np.dstack([grey] * 3))


@pytest.mark.parametrize("big", [False, True])
def test_grey_sixteen_bit_uses_the_full_range(big):
    grey = np.array([[0, 257, 65535, 32896]], np.uint16)
    got = image_to_rgb(message(grey, "mono16", big=big))
    assert got[0, :, 1].tolist() == [0, 1, 255, 128]


def test_rgb8_is_a_view_and_copies_nothing(rgb):
    msg = message(rgb, "rgb8", padding=2)
    view = image_to_rgb(msg)
    msg.data[1] = 123
    assert view[0, 0, 1] == 123


@pytest.mark.parametrize(
    ("encoding", "luma_first"),
    [("yuv422", False), ("uyvy", False), ("yuv422_yuy2", True), ("yuyv", True)],
)
def test_yuv422(encoding, luma_first):
    """Uniform colours survive subsampling; the YUV values are those of BT.601."""
    for colour in (RED, GREEN, BLUE):
        y, u, v = bt601(colour)
        pixel = np.array([[[y, u], [y, v]] * 2] * 3, np.uint8)
        stored = pixel if luma_first else pixel[..., ::-1]
        got = image_to_rgb(message(stored, encoding, padding=4))
        assert got.shape == (3, 4, 3)
        assert np.abs(got.astype(int) - colour).max() <= 3


@pytest.mark.parametrize(("encoding", "order"), [("nv12", (0, 1)), ("nv21", (1, 0))])
def test_semi_planar(encoding, order):
    for colour in (RED, GREEN, BLUE):
        y, *chroma = bt601(colour)
        planes = np.full((6, 4), y, np.uint8)
        planes[4:, 0::2], planes[4:, 1::2] = chroma[order[0]], chroma[order[1]]
        got = image_to_rgb(message(planes, encoding, padding=2, height=4))
        assert got.shape == (4, 4, 3)
        assert np.abs(got.astype(int) - colour).max() <= 3


def bt601(rgb):
    """Studio-swing BT.601, written from the standard's luma weights."""
    r, g, b = (c / 255 for c in rgb)
    luma = 0.299 * r + 0.587 * g + 0.114 * b
    return (
        round(16 + 219 * luma),
        round(128 + 224 * (b - luma) / 1.772),
        round(128 + 224 * (r - luma) / 1.402),
    )


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_patterns_give_the_colour_that_was_mosaicked(pattern, depth):
    for colour in (RED, GREEN, BLUE):
        cell = np.array([colour["rgb".index(c)] for c in pattern]).reshape(2, 2)
        mosaic = np.tile(cell, (4, 5)).astype(np.uint8)
        if depth == 16:
            mosaic = mosaic.astype(np.uint16) * 257
        got = image_to_rgb(message(mosaic, f"bayer_{pattern}{depth}", padding=3))
        assert np.abs(got.astype(int) - colour).max() <= 1


def test_one_pixel_images():
    one = np.array([[[9, 8, 7]]], np.uint8)
    assert image_to_rgb(message(one, "bgr8"))[0, 0].tolist() == [7, 8, 9]
    assert image_to_rgb(message(one[..., 0], "mono8"))[0, 0].tolist() == [9, 9, 9]
    assert depth_to_array(message(np.array([[500]], np.uint16), "16UC1")).tolist() == [[500]]
    with pytest.raises(BadImageError, match="too small"):
        image_to_rgb(message(one[..., 0], "bayer_rggb8"))


@pytest.mark.parametrize(("height", "width"), [(1, 5), (5, 1), (2, 2)])
def test_thin_images(height, width):
    pixels = np.arange(height * width * 3, dtype=np.uint8).reshape(height, width, 3)
    assert np.array_equal(image_to_rgb(message(pixels[..., ::-1], "bgr8", padding=1)), pixels)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"width": 0}, "no pixels"),
        ({"height": 0}, "no pixels"),
        ({"step": 17}, "step of at least 18"),
        ({"step": 0}, "step of at least 18"),
        ({"data": array.array("B", bytes(71))}, "needs 72 bytes but holds 71"),
        ({"data": array.array("B")}, "holds 0"),
        ({"height": 5}, "needs 90 bytes but holds 72"),
        ({"encoding": "rgb9"}, "'rgb9' is not a colour image; publish one of"),
        ({"encoding": ""}, "'' is not a colour image"),
        ({"encoding": "16UC1"}, "depth input"),
        ({"encoding": "32FC1"}, "depth input"),
        ({"encoding": "yuv422", "width": 5}, "even width"),
        ({"encoding": "nv12", "height": 3}, "even width and height"),
    ],
)
def test_messages_that_cannot_be_right_are_named(rgb, fields, words):
    with pytest.raises(BadImageError, match=words):
        image_to_rgb(message(rgb, **{"encoding": "rgb8", **fields}))


def test_only_the_last_row_may_lack_its_padding(rgb):
    msg = message(rgb, "rgb8", padding=6)
    msg.data = msg.data[:-6]
    assert np.array_equal(image_to_rgb(msg), rgb)
    msg.data = msg.data[:-1]
    with pytest.raises(BadImageError, match="holds"):
        image_to_rgb(msg)


def test_a_longer_buffer_is_harmless(rgb):
    msg = message(rgb, "rgb8")
    msg.data.extend(bytes(100))
    assert np.array_equal(image_to_rgb(msg), rgb)


@pytest.mark.parametrize("kind", [bytes, list, np.array, bytearray, memoryview])
def test_any_byte_container_will_do(rgb, kind):
    msg = message(rgb, "rgb8")
    raw = msg.data.tobytes()
    msg.data = np.frombuffer(raw, np.uint8) if kind is np.array else kind(raw)
    assert np.array_equal(image_to_rgb(msg), rgb)


@pytest.mark.parametrize("padding", [0, 1, 6])
@pytest.mark.parametrize("big", [False, True])
def test_depth_keeps_unit_and_special_values(big, padding):
    mm = np.array([[0, 1, 65535], [500, 1500, 42]], np.uint16)
    got = depth_to_array(message(mm, "16UC1", big=big, padding=padding))
    assert got.dtype == np.uint16 and np.array_equal(got, mm)
    m = np.array([[np.nan, 1.5, np.inf], [0, -np.inf, 3.25]], np.float32)
    got = depth_to_array(message(m, "32FC1", big=big, padding=padding))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, m)


def test_native_depth_is_a_view():
    msg = message(np.array([[1, 2]], np.uint16), "16UC1")
    view = depth_to_array(msg)
    msg.data[0] = 9
    assert view[0, 0] == 9


@pytest.mark.parametrize("encoding", ["rgb8", "64FC1", "mono8"])
def test_depth_of_another_encoding_is_refused(encoding):
    with pytest.raises(BadImageError, match="not depth"):
        depth_to_array(message(np.zeros((2, 2), np.uint8), encoding))


def test_masks():
    mask = np.array([[0, 255], [1, 0]], np.uint8)
    assert image_to_mask(message(mask, "mono8", padding=3)).tolist() == [[0, 1], [1, 0]]
    with pytest.raises(BadImageError, match="mono8 or 8UC1"):
        image_to_mask(message(mask, "rgb8"))


def compressed(data, format="jpeg"):
    return SimpleNamespace(format=format, data=array.array("B", data))


def test_jpeg_and_png_come_out_as_rgb():
    picture = np.full((32, 48, 3), RED, np.uint8)
    bgr = picture[..., ::-1]
    png = cv2.imencode(".png", bgr)[1].tobytes()
    assert np.array_equal(compressed_to_rgb(compressed(png, "rgb8; png compressed bgr8")), picture)
    jpeg = cv2.imencode(".jpg", bgr)[1].tobytes()
    assert np.abs(compressed_to_rgb(compressed(jpeg)).astype(int) - RED).max() <= 4


def test_grey_jpeg_becomes_three_channels():
    jpeg = cv2.imencode(".jpg", np.full((8, 8), 90, np.uint8))[1].tobytes()
    assert compressed_to_rgb(compressed(jpeg)).shape == (8, 8, 3)


def test_exif_orientation_is_ignored():
    """Calibration describes the pixels as captured, so a rotation flag must not turn them."""
    jpeg = cv2.imencode(".jpg", np.zeros((16, 32, 3), np.uint8))[1].tobytes()
    tiff = b"II*\0" + struct.pack("<IHHHIII", 8, 1, 0x0112, 3, 1, 6, 0)
    exif = b"Exif\0\0" + tiff
    segment = b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif
    turned = jpeg[:2] + segment + jpeg[2:]
    # The flag works: OpenCV turns the image when it is not told otherwise.
    assert cv2.imdecode(np.frombuffer(turned, np.uint8), cv2.IMREAD_COLOR).shape == (32, 16, 3)
    assert compressed_to_rgb(compressed(turned)).shape == (16, 32, 3)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff\xe0", b"no image at all"])
def test_broken_compressed_images_are_named(data):
    with pytest.raises(BadImageError, match="jpeg"):
        compressed_to_rgb(compressed(data))


def test_compressed_depth_millimetres():
    mm = np.array([[0, 700], [65535, 3]], np.uint16)
    png = cv2.imencode(".png", mm)[1].tobytes()
    header = struct.pack("<iff", 0, 0, 0)
    for msg in (
        compressed(header + png, "16UC1; compressedDepth png"),
        compressed(header + png, "16UC1; compressedDepth"),
        compressed(png, "16UC1; png compressed"),
    ):
        got = compressed_depth_to_array(msg)
        assert got.dtype == np.uint16 and np.array_equal(got, mm)


def test_compressed_depth_metres_is_quantised_inverse_depth():
    """Encode as compressed_depth_image_transport does (quantisation 100, range 10 m)."""
    depth = np.array([[np.nan, 0.5], [1.0, 4.0]], np.float32)
    a = 100.0 * (100.0 + 1)
    b = 1.0 - a / 10.0
    raw = np.where(np.isfinite(depth), a / depth + b, 0).astype(np.uint16)
    png = cv2.imencode(".png", raw)[1].tobytes()
    got = compressed_depth_to_array(
        compressed(struct.pack("<iff", 0, a, b) + png, "32FC1; compressedDepth png")
    )
    assert got.dtype == np.float32
    assert np.isnan(got[0, 0])
    np.testing.assert_allclose(got[~np.isnan(depth)], depth[~np.isnan(depth)], rtol=2e-3)


def test_compressed_depth_that_is_no_depth_is_named():
    rvl = struct.pack("<iff", 0, 0, 0) + b"\x02\0\0\0\x02\0\0\0rvl"
    with pytest.raises(BadImageError, match="RVL"):
        compressed_depth_to_array(compressed(rvl, "16UC1; compressedDepth rvl"))
    colour = cv2.imencode(".png", np.zeros((2, 2, 3), np.uint8))[1].tobytes()
    with pytest.raises(BadImageError, match="16-bit grey"):
        compressed_depth_to_array(compressed(colour, "png"))
    with pytest.raises(BadImageError):
        compressed_depth_to_array(compressed(b"", "16UC1; compressedDepth png"))
    with pytest.raises(BadImageError, match="depth input"):
        compressed_to_rgb(compressed(colour, "16UC1; compressedDepth png"))


def test_message_bytes_of_views_and_of_nothing():
    values = np.arange(24, dtype=np.uint16).reshape(4, 6)
    assert message_bytes(values[:, ::2]).tobytes() == values[:, ::2].tobytes()
    assert message_bytes(np.empty((0, 4), np.float32)) == array.array("B")
