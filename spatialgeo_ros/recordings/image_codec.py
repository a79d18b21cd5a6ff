# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compressed images to arrays. Their header is read first, because a decoder believes it.

A JPEG of 1 kB may claim 30000 x 30000 pixels: OpenCV then takes 5 GB and ten seconds before it
finds that the data is missing. So size and form are looked at here, without allocating anything,
and OpenCV sees only what it can decode within 300 MB. Formats whose headers are not read here are
refused, not tried.

Sources of the layouts: JPEG: ITU-T T.81, annex B; PNG: ISO/IEC 15948, section 5; WebP: RFC 9649;
BMP: the headers BITMAPCOREHEADER and BITMAPINFOHEADER of the Windows API.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.runtime.input_files import read_input

#: Largest image that is decoded: the largest cameras in use on robots have 31.5 megapixels
#: (6480 x 4860), and a decoder's 9 bytes per pixel stay below 300 MB.
MOST_PIXELS = 32_000_000
#: What ``sensor_msgs/CompressedImage`` is promised to be.
MESSAGE_FORMATS = ("JPEG", "PNG")
#: What image files may be.
FILE_FORMATS = ("JPEG", "PNG", "WebP", "BMP")
#: An image may have so many times the pixels of its CameraInfo (drivers and image_proc resize one
#: without the other); beyond, one of the two is damaged or of another camera.
_MOST_TIMES_EXPECTED = 4
#: Largest image file: a BMP of MOST_PIXELS with four channels.
_MOST_FILE_BYTES = 4 * MOST_PIXELS + 1_000_000

# Format -> how its files begin, and another piece of them and where it stands.
_SIGNATURES = (
    ("JPEG", b"\xff\xd8", 0, b""),
    ("PNG", b"\x89PNG\r\n\x1a\n", 0, b""),
    ("WebP", b"RIFF", 8, b"WEBP"),
    ("BMP", b"BM", 0, b""),
)
_OTHERS = (  # for the sentence only
    (b"GIF8", "GIF"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"), (b"P1", "PNM"), (b"P2", "PNM"), (b"P3", "PNM"),
    (b"P4", "PNM"), (b"P5", "PNM"), (b"P6", "PNM"), (b"P7", "PAM"),
    (b"\0\0\0\x0cjP", "JPEG 2000"), (b"\xff\x4f\xff\x51", "JPEG 2000"),
)  # fmt: skip
# A marker is 0xFF and a byte that is neither a stuffed 0x00 nor 0xFF itself, which only fills.
_MARKER = re.compile(rb"\xff[\x01-\xfe]")
_FRAME_MARKERS = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PLAIN_MARKERS = frozenset({0x01, *range(0xD0, 0xD8)})  # TEM, RST0 to RST7: nothing follows
#: Before its size, a JPEG has at most the 255 parts of a colour profile and a few tables.
_MOST_SEGMENTS = 1_000
#: Progressive files have some 10 scans, and each costs a pass over all pixels.
_MOST_SCANS = 32
#: PNG data comes in chunks of 8 kB and more.
_MOST_CHUNKS = 100_000
#: Compressed texts and colour profiles, each of which libpng inflates to up to 8 MB.
_MOST_PACKED_TEXTS = 8


@dataclass(frozen=True)
class ImageHeader:
    """What an image says about itself.

    Attributes:
        format: one of :data:`FILE_FORMATS`.
        width: pixels.
        height: pixels.
        channels: as stored; 1 for a palette.
        bits: of a channel.
    """

    format: str
    width: int
    height: int
    channels: int
    bits: int


def read_header(data: npt.NDArray[np.uint8], name: str) -> ImageHeader:
    """Read an image's header, and look through a PNG's or JPEG's parts, without decoding it.

    Args:
        data: [n] the file's bytes.
        name: begins the error's sentence: what the image is, or its path.

    Raises:
        BadImageError: the data is of no format that is read here, cut off, an animation, or made
            to keep a decoder busy; says which.
    """
    view = data.data
    head = bytes(view[:32])
    found = image_format(head)
    if found:
        read = {"JPEG": _jpeg, "PNG": _png, "WebP": _webp, "BMP": _bmp}[found]
        try:
            return read(view, name)
        except (struct.error, IndexError) as error:
            raise BadImageError(f"{name} is cut off: {len(data)} bytes do not hold it") from error
    if head[4:8] == b"ftyp":
        known = "AVIF or HEIF"
    else:
        known = next((kind for magic, kind in _OTHERS if head.startswith(magic)), "")
    what = f"is {known}, which is not read" if known else "is no image that is read"
    raise BadImageError(f"{name} ({len(data)} bytes) {what}: use JPEG or PNG")


def image_format(head: bytes) -> str:
    """One of :data:`FILE_FORMATS` that a file's first 12 bytes begin, or ""."""
    for name, magic, at, more in _SIGNATURES:
        if head.startswith(magic) and head[at : at + len(more)] == more:
            return name
    return ""


def decode_colour(
    data: npt.NDArray[np.uint8],
    name: str,
    *,
    expected: tuple[int, int] | None = None,
    most_pixels: int = MOST_PIXELS,
    formats: tuple[str, ...] = MESSAGE_FORMATS,
    turned: bool = False,
) -> npt.NDArray[np.uint8]:
    """Decode a colour or grey image whose header allows it.

    Args:
        data: [n] the file's bytes.
        name: begins the error's sentence: what the image is, or its path.
        expected: width and height of the camera's calibration, where it is known.
        most_pixels: largest image that is decoded.
        formats: that are allowed.
        turned: turn the image as its EXIF orientation says.

    Returns:
        [H, W, 3] RGB.

    Raises:
        BadImageError: the header is refused (see :func:`read_header` and :func:`check_size`), or
            the data cannot be decoded.
    """
    header = _allowed(data, name, formats)
    check_size(header.width, header.height, name, expected=expected, most_pixels=most_pixels)
    bgr = _decode(data, cv2.IMREAD_COLOR | (0 if turned else cv2.IMREAD_IGNORE_ORIENTATION), name)
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB, dst=bgr), np.uint8)


def decode_depth(
    data: npt.NDArray[np.uint8],
    name: str,
    *,
    expected: tuple[int, int] | None = None,
    most_pixels: int = MOST_PIXELS,
) -> npt.NDArray[np.uint16]:
    """Decode a 16-bit grey PNG; arguments as for :func:`decode_colour`.

    Returns:
        [H, W] the numbers as they stand in the file.

    Raises:
        BadImageError: as :func:`decode_colour`, or the image is another kind of PNG.
    """
    header = _allowed(data, name, ("PNG",))
    if (header.channels, header.bits) != (1, 16):
        raise BadImageError(
            f"{name} must be a 16-bit grey PNG, not one of {header.channels} channels with "
            f"{header.bits} bits"
        )
    check_size(header.width, header.height, name, expected=expected, most_pixels=most_pixels)
    return np.asarray(_decode(data, cv2.IMREAD_UNCHANGED, name), np.uint16)


def _allowed(data: npt.NDArray[np.uint8], name: str, formats: tuple[str, ...]) -> ImageHeader:
    if data.size == 0:
        raise BadImageError(f"{name} is empty")
    header = read_header(data, name)
    if header.format not in formats:
        raise BadImageError(f"{name} is {header.format}: use {' or '.join(formats)}")
    return header


def _decode(data: npt.NDArray[np.uint8], flags: int, name: str) -> npt.NDArray[Any]:
    try:
        pixels = cv2.imdecode(data, flags)
    except cv2.error as error:
        raise BadImageError(f"{name} cannot be decoded: {error.err}") from error
    if pixels is None:
        raise BadImageError(f"{name} ({data.size} bytes) cannot be decoded: it is damaged")
    return pixels


def check_size(
    width: int,
    height: int,
    name: str,
    *,
    expected: tuple[int, int] | None = None,
    most_pixels: int = MOST_PIXELS,
) -> None:
    """Refuse a size that no camera has, or not this one; see :func:`decode_image`.

    Raises:
        BadImageError: names the sizes and the cure.
    """
    if width < 1 or height < 1:
        raise BadImageError(f"{name} has no pixels: its header says {width}x{height}")
    pixels = width * height
    if expected is not None and pixels > _MOST_TIMES_EXPECTED * expected[0] * expected[1]:
        raise BadImageError(
            f"{name} claims {width}x{height} pixels, its CameraInfo {expected[0]}x{expected[1]}: "
            "the image is damaged, or publish the CameraInfo of this camera and mode"
        )
    if pixels > most_pixels:
        raise BadImageError(
            f"{name} claims {width}x{height} pixels, more than the {most_pixels / 1e6:g} "
            "megapixels that are decoded: it is damaged, or scale it down"
        )


def read_colour_file(path: str | Path) -> npt.NDArray[np.uint8]:
    """Decode an image file, turned as its EXIF orientation says.

    Args:
        path: of a JPEG, PNG, WebP or BMP file.

    Returns:
        [H, W, 3] RGB.

    Raises:
        BadImageError: it is missing, no regular file, of another format, too large, cut off or
            damaged.
    """
    return decode_colour(_bytes(path), str(path), formats=FILE_FORMATS, turned=True)


def read_depth_png(path: str | Path) -> npt.NDArray[np.uint16]:
    """Decode a file of 16-bit grey pixels; see :func:`decode_depth`.

    Raises:
        BadImageError: as :func:`read_colour_file`, or it is another kind of PNG.
    """
    return decode_depth(_bytes(path), str(path))


def _bytes(path: str | Path) -> npt.NDArray[np.uint8]:
    return np.frombuffer(read_input(path, _MOST_FILE_BYTES, BadImageError), np.uint8)


def _jpeg(view: memoryview, name: str) -> ImageHeader:
    """Walk the segments to the frame header, as libjpeg does (T.81, B.2.2)."""
    header = None
    at = 2
    for _ in range(_MOST_SEGMENTS):
        found = _MARKER.search(view, at)
        if found is None:
            raise IndexError
        code, at = view[found.start() + 1], found.end()
        if code in _PLAIN_MARKERS:
            continue
        if code in (0xD9, 0xDA):  # end of image, or pixels: no size has come before
            break
        (length,) = struct.unpack_from(">H", view, at)
        if code in _FRAME_MARKERS:
            bits, height, width, channels = struct.unpack_from(">BHHB", view, at + 2)
            header = ImageHeader("JPEG", width, height, channels, bits)
            break
        at += max(length, 2)
    if header is None:
        raise BadImageError(f"{name} is no JPEG that can be read: no size comes before its pixels")
    if header.channels not in (1, 3):
        raise BadImageError(f"{name} has {header.channels} channels (CMYK?): save it as RGB")
    content = bytes(view[at:])  # behind the preview that EXIF may hold
    if content.count(b"\xff\xda") > _MOST_SCANS:
        raise BadImageError(
            f"{name} has more than {_MOST_SCANS} scans, each a pass over all pixels: save it again"
        )
    if content.rfind(b"\xff\xd9") < content.rfind(b"\xff\xda"):
        raise BadImageError(f"{name} is cut off: {len(view)} bytes do not hold its end")
    return header


def _png(view: memoryview, name: str) -> ImageHeader:
    """Walk the chunks (ISO/IEC 15948, 5.3) to the end."""
    length, kind = struct.unpack_from(">I4s", view, 8)
    if kind != b"IHDR" or length != 13:
        raise BadImageError(f"{name} is no PNG that can be read: it does not begin with its size")
    width, height, bits, colour = struct.unpack_from(">IIBB", view, 16)
    at, packed = 8, 0
    for _ in range(_MOST_CHUNKS):
        length, kind = struct.unpack_from(">I4s", view, at)
        at += 12 + length
        if at > len(view):
            raise IndexError
        if kind == b"IEND":
            channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}.get(colour, 0)
            return ImageHeader("PNG", width, height, channels, bits)
        if kind == b"acTL":
            raise BadImageError(f"{name} is an animation: use a single picture")
        packed += kind in (b"zTXt", b"iTXt", b"iCCP")
        if packed > _MOST_PACKED_TEXTS:
            raise BadImageError(
                f"{name} has more than {_MOST_PACKED_TEXTS} compressed texts: save it without them"
            )
    raise BadImageError(f"{name} has more than {_MOST_CHUNKS} chunks: save it again")


def _webp(view: memoryview, name: str) -> ImageHeader:
    """Read the first chunk (RFC 9649, 2.4 to 2.7)."""
    (size,) = struct.unpack_from("<I", view, 4)
    if size + 8 > len(view):
        raise IndexError
    kind = bytes(view[12:16])
    if kind == b"VP8X":
        flags, width, height = view[20], _int24(view, 24) + 1, _int24(view, 27) + 1
        if flags & 2:
            raise BadImageError(f"{name} is an animation: use a single picture")
        return ImageHeader("WebP", width, height, 4 if flags & 16 else 3, 8)
    if kind == b"VP8L":
        (packed,) = struct.unpack_from("<I", view, 21)
        return ImageHeader("WebP", (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1, 4, 8)
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", view, 26)
        return ImageHeader("WebP", width & 0x3FFF, height & 0x3FFF, 3, 8)
    raise BadImageError(f"{name} is no WebP that can be read: it begins with {kind!r}")


def _int24(view: memoryview, at: int) -> int:
    return view[at] | view[at + 1] << 8 | view[at + 2] << 16


def _bmp(view: memoryview, _: str) -> ImageHeader:
    (size,) = struct.unpack_from("<I", view, 14)
    if size == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", view, 18)
    else:
        width, height, _, bits = struct.unpack_from("<iiHH", view, 18)
    return ImageHeader("BMP", abs(width), abs(height), max(1, bits // 8), min(bits, 8))
