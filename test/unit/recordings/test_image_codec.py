# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed images: what their headers say, and what is refused before a decoder believes it."""

from __future__ import annotations

import array
import struct
import zlib
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.node.image_conversions import compressed_depth_to_array, compressed_to_rgb
from spatialgeo_ros.recordings import image_codec
from spatialgeo_ros.recordings.image_codec import (
    MOST_PIXELS,
    decode_colour,
    decode_depth,
    read_colour_file,
    read_depth_png,
    read_header,
)

PICTURE = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)


def encoded(suffix: str, *options: int, picture: np.ndarray = PICTURE) -> bytes:
    return cv2.imencode(suffix, picture, options)[1].tobytes()


def header_of(data: bytes) -> tuple[str, int, int]:
    header = read_header(np.frombuffer(data, np.uint8), "it")
    return header.format, header.width, header.height


def colour_of(data: bytes, **options) -> np.ndarray:
    return decode_colour(np.frombuffer(data, np.uint8), "it", **options)


def jpeg_of(width: int, height: int, data: bytes | None = None) -> bytes:
    """A small JPEG whose frame header claims another size."""
    data = bytearray(encoded(".jpg") if data is None else data)
    at = next(
        data.index(bytes((0xFF, code))) for code in (0xC0, 0xC2) if bytes((0xFF, code)) in data
    )
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, bits: int = 8, colour: int = 0) -> bytes:
    """A PNG that claims a size; its few pixels would take kilobytes at most."""
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000))
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def bmp_of(width: int, height: int) -> bytes:
    data = bytearray(encoded(".bmp"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


def webp_of(width: int, height: int) -> bytes:
    data = bytearray(encoded(".webp", cv2.IMWRITE_WEBP_QUALITY, 80))
    assert data[12:16] == b"VP8 "
    data[26:30] = struct.pack("<HH", width, height)
    return bytes(data)


@pytest.fixture
def no_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where OpenCV is given the data at all: it allocates what the header says."""

    def decode(*_: object) -> None:
        raise AssertionError("the decoder was asked")

    monkeypatch.setattr(image_codec.cv2, "imdecode", decode)


@pytest.mark.parametrize(
    ("suffix", "options", "name"),
    [
        (".jpg", (), "JPEG"),
        (".jpg", (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), "JPEG"),
        (".jpg", (cv2.IMWRITE_JPEG_RST_INTERVAL, 1), "JPEG"),
        (".png", (), "PNG"),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 60), "WebP"),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 101), "WebP"),
        (".bmp", (), "BMP"),
    ],
)
def test_headers_say_what_the_decoder_finds(suffix, options, name) -> None:
    for picture in (PICTURE, PICTURE[:7, :31], PICTURE[..., 0]):
        data = encoded(suffix, *options, picture=picture)
        assert header_of(data) == (name, picture.shape[1], picture.shape[0])
        assert colour_of(data, formats=image_codec.FILE_FORMATS).shape == (*picture.shape[:2], 3)


def test_colours_are_rgb() -> None:
    assert np.array_equal(colour_of(encoded(".png", picture=PICTURE[..., ::-1])), PICTURE)


def test_damaged_headers_never_disagree_with_the_decoder() -> None:
    """Whatever the decoder makes of damaged data has the size that was judged."""
    random = np.random.default_rng(5)
    seeds = [
        encoded(".jpg"), encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1), encoded(".png"),
        encoded(".webp", cv2.IMWRITE_WEBP_QUALITY, 60), encoded(".bmp"),
    ]  # fmt: skip
    decoded = 0
    for k in range(3000):
        data = bytearray(seeds[k % len(seeds)])
        for _ in range(random.integers(1, 4)):
            at = int(random.integers(0, min(len(data), 200)))
            new = bytes((int(random.choice([0, 0xFF, 0xC0, 0xDA, 0xD9, random.integers(256)])),))
            data[at : at + int(random.integers(0, 2))] = new
        array = np.frombuffer(bytes(data), np.uint8)
        try:
            header = read_header(array, "it")
            if header.width * header.height > 2_000_000:
                continue
            pixels = decode_colour(array, "it", formats=image_codec.FILE_FORMATS)
        except BadImageError:
            continue
        assert pixels.shape[:2] == (header.height, header.width)
        decoded += 1
    assert decoded > 300


@pytest.mark.parametrize(
    "data",
    [
        jpeg_of(30_000, 30_000),
        jpeg_of(30_000, 30_000, encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        png_of(30_000, 30_000),
        png_of(2**31 - 1, 2**31 - 1),
        bmp_of(30_000, -30_000),
        webp_of(16_383, 16_383),
    ],
    ids=["jpeg", "progressive", "png", "largest_png", "bmp", "webp"],
)
def test_claims_beyond_every_camera_are_refused_unseen(data, no_decoder, tmp_path: Path) -> None:
    """A kilobyte that claims 900 megapixels took 5 GB and 10 s."""
    with pytest.raises(BadImageError, match=r"claims \d+x\d+ pixels, more than the 32 mega"):
        colour_of(data, formats=image_codec.FILE_FORMATS)
    path = tmp_path / "bomb.png"
    path.write_bytes(data)
    with pytest.raises(BadImageError, match=r"bomb\.png claims"):
        read_colour_file(path)


def test_messages_are_held_to_the_size_of_their_camera_info(no_decoder) -> None:
    msg = SimpleNamespace(format="jpeg", data=array.array("B", jpeg_of(1281, 961)))
    with pytest.raises(BadImageError, match="claims 1281x961 pixels, its CameraInfo 640x480"):
        compressed_to_rgb(msg, expected=(640, 480))
    with pytest.raises(BadImageError, match="more than the 1 megapixels"):
        compressed_to_rgb(msg, most_pixels=1_000_000)
    depth = SimpleNamespace(format="16UC1; png", data=array.array("B", png_of(2000, 2000, 16)))
    with pytest.raises(BadImageError, match="claims 2000x2000 pixels, its CameraInfo 640x480"):
        compressed_depth_to_array(depth, expected=(640, 480))


def test_an_image_twice_the_size_of_its_camera_info_is_decoded() -> None:
    """Drivers and image_proc resize images without their CameraInfo."""
    assert colour_of(encoded(".jpg"), expected=(20, 15)).shape == (30, 40, 3)


def test_every_camera_fits() -> None:
    assert 6480 * 4860 <= MOST_PIXELS


@pytest.mark.parametrize("cut", [1, 2, 40, 400])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_cut_off_files_are_called_so(suffix: str, cut: int, tmp_path: Path) -> None:
    """OpenCV shows a cut-off JPEG file with its lower part grey, and its answer would be wrong."""
    path = tmp_path / "cut"
    path.write_bytes(encoded(suffix)[:-cut])
    with pytest.raises(BadImageError, match="is cut off"):
        read_colour_file(path)


def test_the_size_of_an_exif_preview_is_not_taken() -> None:
    preview = encoded(".jpg", picture=PICTURE[:8, :8])
    exif = b"Exif\0\0" + preview
    data = encoded(".jpg")
    data = data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    assert header_of(data) == ("JPEG", 40, 30)
    assert colour_of(data).shape == (30, 40, 3)


def test_fill_bytes_and_padding_are_allowed() -> None:
    data = encoded(".jpg")
    data = data[:2] + b"\xff\xff\xff" + data[2:] + bytes(1000)  # as some drivers pad their buffer
    assert colour_of(data).shape == (30, 40, 3)


def test_what_keeps_a_decoder_busy_is_refused(no_decoder) -> None:
    jpeg = encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    scan = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    with pytest.raises(BadImageError, match="more than 32 scans"):
        colour_of(jpeg[:-2] + 40 * scan + jpeg[-2:])
    with pytest.raises(BadImageError, match="no size comes before"):
        colour_of(jpeg[:2] + 2_000 * b"\xff\xe1\0\x02" + jpeg[2:])
    png = encoded(".png")
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(7_000_000)))
    with pytest.raises(BadImageError, match="compressed texts"):
        colour_of(png[:33] + 20 * text + png[33:])
    with pytest.raises(BadImageError, match="chunks"):
        colour_of(png[:33] + 100_001 * chunk(b"tEXt", b"") + png[33:])
    with pytest.raises(BadImageError, match="animation"):
        colour_of(png[:33] + chunk(b"acTL", struct.pack(">II", 9, 0)) + png[33:])
    cmyk = bytearray(encoded(".jpg"))
    cmyk[cmyk.index(b"\xff\xc0") + 9] = 4
    with pytest.raises(BadImageError, match="4 channels"):
        colour_of(bytes(cmyk))


def test_a_few_texts_are_kept_apart_from_the_pixels() -> None:
    png = encoded(".png", picture=PICTURE[..., ::-1])
    text = chunk(b"zTXt", b"k\0\0" + zlib.compress(b"hello"))
    assert np.array_equal(colour_of(png[:33] + 3 * text + png[33:]), PICTURE)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GIF89a" + bytes(99), "is GIF"),
        (b"II*\0" + bytes(99), "is TIFF"),
        (b"v/1\x01" + bytes(99), "is OpenEXR"),
        (b"\0\0\0\x20ftypavif" + bytes(99), "is AVIF"),
        (b"P6 9999999 9999999 255\n", "is PNM"),
        (b"", "is empty"),
        (b"hello", "no image"),
    ],
    ids=["gif", "tiff", "exr", "avif", "pnm", "empty", "text"],
)
def test_other_formats_are_named_and_not_tried(data, words, no_decoder) -> None:
    with pytest.raises(BadImageError, match=words):
        colour_of(data)


def test_messages_are_jpeg_or_png() -> None:
    with pytest.raises(BadImageError, match="is WebP: use JPEG or PNG"):
        colour_of(encoded(".webp"))


@pytest.mark.parametrize("colour", [2, 3, 4, 6])
def test_depth_of_another_form_is_refused_by_its_header(colour: int, no_decoder) -> None:
    """16-bit RGBA of an allowed size takes half a gigabyte to decode."""
    data = np.frombuffer(png_of(100, 100, 16 if colour != 3 else 8, colour), np.uint8)
    with pytest.raises(BadImageError, match="16-bit grey PNG"):
        decode_depth(data, "it")


def test_depth_keeps_its_numbers(tmp_path: Path) -> None:
    depth = np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000
    cv2.imwrite(str(tmp_path / "depth.png"), depth)
    assert np.array_equal(read_depth_png(tmp_path / "depth.png"), depth)
    cv2.imwrite(str(tmp_path / "grey.png"), PICTURE[..., 0])
    with pytest.raises(BadImageError, match="16-bit"):
        read_depth_png(tmp_path / "grey.png")


def test_quantised_depth_of_hostile_constants_has_no_warning(recwarn) -> None:
    png = encoded(".png", picture=np.array([[0, 1, 65535]], np.uint16))
    for a, b in ((float("nan"), 0.0), (3e38, 1.0), (1.0, 65535.0)):
        data = struct.pack("<iff", 0, a, b) + png
        msg = SimpleNamespace(format="32FC1; compressedDepth png", data=array.array("B", data))
        assert compressed_depth_to_array(msg).dtype == np.float32
    assert not recwarn.list
