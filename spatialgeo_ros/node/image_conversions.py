# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image messages to numpy arrays and back, without cv_bridge (whose wheels break with NumPy 2).

Input is duck-typed: anything with the fields of ``sensor_msgs/Image`` or ``CompressedImage`` will
do, so this file needs no ROS to be read or tested. Message classes are imported where one is made.
Arrays are views of the message's buffer wherever the encoding allows it.
"""

from __future__ import annotations

import array
import struct
import sys
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.node.compatibility import bytes_of, message_that_takes_over
from spatialgeo_ros.recordings.image_codec import MOST_PIXELS, decode_colour, decode_depth

RgbImage = npt.NDArray[np.uint8]
DepthImage = npt.NDArray[np.uint16] | npt.NDArray[np.float32]

# encoding -> (sample type, channels, cv2 code that gives RGB; None: it is RGB already).
# OpenCV names Bayer patterns by the second pixel row and column, ROS by the first: RGGB is BG.
_COLOUR: dict[str, tuple[type, int, int | None]] = {
    "rgb8": (np.uint8, 3, None),
    "bgr8": (np.uint8, 3, cv2.COLOR_BGR2RGB),
    "8UC3": (np.uint8, 3, cv2.COLOR_BGR2RGB),
    "rgba8": (np.uint8, 4, cv2.COLOR_RGBA2RGB),
    "bgra8": (np.uint8, 4, cv2.COLOR_BGRA2RGB),
    "8UC4": (np.uint8, 4, cv2.COLOR_BGRA2RGB),
    "mono8": (np.uint8, 1, cv2.COLOR_GRAY2RGB),
    "8UC1": (np.uint8, 1, cv2.COLOR_GRAY2RGB),
    "rgb16": (np.uint16, 3, None),
    "bgr16": (np.uint16, 3, cv2.COLOR_BGR2RGB),
    "rgba16": (np.uint16, 4, cv2.COLOR_RGBA2RGB),
    "bgra16": (np.uint16, 4, cv2.COLOR_BGRA2RGB),
    "mono16": (np.uint16, 1, cv2.COLOR_GRAY2RGB),
    "yuv422": (np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (np.uint8, 2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (np.uint8, 2, cv2.COLOR_YUV2RGB_YUY2),
    "bayer_rggb8": (np.uint8, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr8": (np.uint8, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg8": (np.uint8, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg8": (np.uint8, 1, cv2.COLOR_BayerGB2RGB),
    "bayer_rggb16": (np.uint16, 1, cv2.COLOR_BayerBG2RGB),
    "bayer_bggr16": (np.uint16, 1, cv2.COLOR_BayerRG2RGB),
    "bayer_gbrg16": (np.uint16, 1, cv2.COLOR_BayerGR2RGB),
    "bayer_grbg16": (np.uint16, 1, cv2.COLOR_BayerGB2RGB),
}
# Luma plane, then one interleaved chroma plane of half its height.
_SEMI_PLANAR = {"nv12": cv2.COLOR_YUV2RGB_NV12, "nv21": cv2.COLOR_YUV2RGB_NV21}
_DEPTH: dict[str, type] = {"16UC1": np.uint16, "mono16": np.uint16, "32FC1": np.float32}
_MASK = ("mono8", "8UC1")

_ZERO = array.array("B", [0])
_PNG_MAGIC = b"\x89PNG"
# compressed_depth_image_transport: int32 format, float32 quantisation A and B, then the PNG.
_DEPTH_HEADER = struct.Struct("<iff")


def image_to_rgb(msg: Any) -> RgbImage:
    """Decode a colour or grey ``sensor_msgs/Image`` to ``[H, W, 3]`` uint8 RGB.

    ``rgb8`` comes back as a view of the message; everything else is one conversion by OpenCV.
    16-bit samples are scaled by 1/257.

    Raises:
        BadImageError: Size, step, buffer length or encoding cannot be used.
    """
    encoding = msg.encoding
    if encoding in _SEMI_PLANAR:
        _require_even(msg, rows=True)
        planes = _samples(msg, np.uint8, 1, rows=msg.height * 3 // 2)
        return cv2.cvtColor(planes, _SEMI_PLANAR[encoding])  # type: ignore[return-value]
    if encoding not in _COLOUR:
        hint = (
            "it is depth: connect this topic to the camera's depth input"
            if encoding in _DEPTH
            else f"publish one of {', '.join([*_COLOUR, *_SEMI_PLANAR])}"
        )
        raise BadImageError(f"encoding '{encoding}' is not a colour image; {hint}")
    dtype, channels, code = _COLOUR[encoding]
    if channels == 2:
        _require_even(msg, rows=False)
    pixels = _samples(msg, dtype, channels)
    if encoding.startswith("bayer"):
        if min(pixels.shape) < 3:
            raise BadImageError(
                f"a {msg.width}x{msg.height} Bayer image is too small to interpolate colours; "
                "publish at least 3x3 pixels"
            )
        pixels = np.ascontiguousarray(pixels)
    if code is not None and pixels.size > channels:
        pixels = cv2.cvtColor(pixels, code)  # type: ignore[assignment]
    elif code is not None:  # a single pixel of several channels fails in OpenCV 4.5 (Humble)
        pixels = cv2.cvtColor(np.repeat(pixels, 2, axis=1), code)[:, :1]
    if dtype is np.uint16:
        return cv2.convertScaleAbs(pixels, alpha=1 / 257)  # type: ignore[return-value]
    return pixels


def depth_to_array(msg: Any) -> DepthImage:
    """Return the depth of a ``sensor_msgs/Image``: ``[H, W]`` uint16 mm or float32 m.

    The unit follows from the encoding alone (REP-118): 16UC1 (and mono16) holds millimetres with 0
    invalid, 32FC1 metres with NaN invalid. A view where the byte order is native.

    Raises:
        BadImageError: Size, step, buffer length or encoding cannot be used.
    """
    dtype = _DEPTH.get(msg.encoding)
    if dtype is None:
        raise BadImageError(
            f"encoding '{msg.encoding}' is not depth; publish 16UC1 (mm) or 32FC1 (m)"
        )
    return _samples(msg, dtype, 1)


def image_to_mask(msg: Any) -> npt.NDArray[np.bool_]:
    """Return the non-zero pixels ``[H, W]`` of a mono8 or 8UC1 image.

    Raises:
        BadImageError: Size, step, buffer length or encoding cannot be used.
    """
    if msg.encoding not in _MASK:
        raise BadImageError(f"mask encoding '{msg.encoding}' is not usable; send mono8 or 8UC1")
    return _samples(msg, np.uint8, 1) != 0


def compressed_to_rgb(
    msg: Any, expected: tuple[int, int] | None = None, most_pixels: int = MOST_PIXELS
) -> RgbImage:
    """Decode a JPEG or PNG ``sensor_msgs/CompressedImage`` to ``[H, W, 3]`` uint8 RGB.

    An EXIF orientation is ignored: the calibration is that of the pixels as they were captured.
    The size is read from the header first, so that no message can take more memory than an image
    of ``most_pixels``.

    Args:
        msg: the message.
        expected: width and height of the CameraInfo, where it is known: an image far beyond them
            is refused.
        most_pixels: largest image that is decoded.

    Raises:
        BadImageError: The data is empty, cut off, neither JPEG nor PNG, or too large.
    """
    if "compressedDepth" in msg.format:
        raise BadImageError(
            f"format '{msg.format}' is depth; connect this topic to the camera's depth input"
        )
    name = f"compressed image of format '{msg.format}'"
    return decode_colour(bytes_of(msg.data, name), name, expected=expected, most_pixels=most_pixels)


def compressed_depth_to_array(
    msg: Any, expected: tuple[int, int] | None = None, most_pixels: int = MOST_PIXELS
) -> DepthImage:
    """Decode compressed depth: ``[H, W]`` uint16 mm or float32 m.

    Reads the ``compressedDepth`` transport (12-byte header, then a PNG; 32FC1 is stored as
    quantised inverse depth) and plain 16-bit PNG files of the ``compressed`` transport.

    Args:
        msg: the message.
        expected: width and height of the CameraInfo, as for :func:`compressed_to_rgb`.
        most_pixels: largest image that is decoded.

    Raises:
        BadImageError: Not a PNG, of a wrong bit depth, cut off, or too large.
    """
    name = f"compressed depth of format '{msg.format}'"
    data = bytes_of(msg.data, name)
    head = data[: _DEPTH_HEADER.size].tobytes()
    body = data[_DEPTH_HEADER.size :]
    plain = head.startswith(_PNG_MAGIC)
    if not plain and not body[:4].tobytes().startswith(_PNG_MAGIC):
        raise BadImageError(
            f"depth of format '{msg.format}' holds no PNG; set the publisher's compressedDepth "
            "format to png (RVL is not supported)"
        )
    raw = decode_depth(data if plain else body, name, expected=expected, most_pixels=most_pixels)
    if plain or not msg.format.startswith("32FC1"):
        return raw
    _, quantum_a, quantum_b = _DEPTH_HEADER.unpack(head)
    depth = raw.astype(np.float32)
    depth -= np.float32(quantum_b)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        np.divide(np.float32(quantum_a), depth, out=depth)
    depth[raw == 0] = np.nan
    return depth


def rgb_to_image(rgb: npt.NDArray[np.uint8], header: Any = None, encoding: str = "rgb8") -> Any:
    """Make a ``sensor_msgs/Image`` of ``[H, W, 3]`` uint8 RGB, as rgb8 or bgr8.

    Raises:
        ValueError: ``rgb`` has another shape or type, or ``encoding`` is another.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"need [H, W, 3] uint8, not {rgb.shape} {rgb.dtype}")
    if encoding == "rgb8":
        return _image_message(message_bytes(rgb), rgb, encoding, header)
    if encoding != "bgr8":
        raise ValueError(f"encoding must be rgb8 or bgr8, not '{encoding}'")
    # OpenCV writes straight into the message: no second buffer, no copy.
    data = _ZERO * rgb.size
    if rgb.size:
        cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR, dst=np.frombuffer(data, np.uint8).reshape(rgb.shape))
    return _image_message(data, rgb, encoding, header)


def depth_to_image(depth: DepthImage, header: Any = None) -> Any:
    """Make a ``sensor_msgs/Image`` of ``[H, W]`` depth: uint16 mm as 16UC1, float32 m as 32FC1.

    Raises:
        ValueError: ``depth`` has another shape or type.
    """
    names = {np.dtype(np.uint16): "16UC1", np.dtype(np.float32): "32FC1"}
    if depth.ndim != 2 or depth.dtype not in names:
        raise ValueError(f"need [H, W] uint16 or float32, not {depth.shape} {depth.dtype}")
    return _image_message(message_bytes(depth), depth, names[depth.dtype], header)


def mask_to_image(mask: npt.NDArray[np.bool_], header: Any = None) -> Any:
    """Make a mono8 ``sensor_msgs/Image`` of a ``[H, W]`` mask: 255 inside, 0 outside.

    Raises:
        ValueError: ``mask`` is not two-dimensional.
    """
    if mask.ndim != 2:
        raise ValueError(f"need a mask [H, W], not {mask.shape}")
    pixels = mask.astype(np.uint8) * np.uint8(255)
    return _image_message(message_bytes(pixels), pixels, "mono8", header)


def message_bytes(values: npt.NDArray[Any]) -> array.array[int]:
    """Return the bytes of ``values`` as ``array.array('B')``.

    This is the one type that a ``uint8[]`` field takes over without looking at every element;
    assigning a numpy array costs half a second for a full-HD image.
    """
    data = array.array("B")
    if values.size:
        data.frombytes(np.ascontiguousarray(values).data.cast("B"))
    return data


def _image_message(
    data: array.array[int], pixels: npt.NDArray[Any], encoding: str, header: Any
) -> Any:
    """Make an Image that holds ``data``; size and step are those of ``pixels``."""
    from sensor_msgs.msg import Image

    msg = message_that_takes_over(Image)
    if header is not None:
        msg.header = header
    msg.height, msg.width = int(pixels.shape[0]), int(pixels.shape[1])
    msg.encoding = encoding
    msg.is_bigendian = int(sys.byteorder == "big")
    msg.step = pixels.dtype.itemsize * int(np.prod(pixels.shape[1:]))
    msg.data = data
    return msg


def _samples(msg: Any, dtype: type, channels: int, rows: int | None = None) -> npt.NDArray[Any]:
    """View the pixels as ``[rows, W]`` or ``[rows, W, channels]``, in native byte order.

    The step may be longer than a row (padding). Only the padding of the last row may be missing.
    """
    name = f"{msg.encoding} image of {msg.width}x{msg.height}"
    if msg.width < 1 or msg.height < 1:
        raise BadImageError(f"{name} has no pixels; check the camera driver's resolution")
    rows = msg.height if rows is None else rows
    sample = np.dtype(dtype)
    row_bytes = msg.width * channels * sample.itemsize
    if msg.step < row_bytes:
        raise BadImageError(
            f"{name} needs a step of at least {row_bytes} bytes but has {msg.step}; "
            "the driver must set step to the length of a row in bytes"
        )
    data = bytes_of(msg.data, name)
    needed = msg.step * (rows - 1) + row_bytes
    if data.size < needed:
        raise BadImageError(
            f"{name} with step {msg.step} needs {needed} bytes but holds {data.size}; "
            "the message was cut off or its width, height or step is wrong"
        )
    shape = (rows, msg.width) if channels == 1 else (rows, msg.width, channels)
    strides = (msg.step, channels * sample.itemsize, sample.itemsize)[: len(shape)]
    order = sample.newbyteorder(">" if msg.is_bigendian else "<")
    pixels: npt.NDArray[Any] = np.ndarray(shape, order, data.data, strides=strides)
    if sample.itemsize == 1:
        return pixels
    # cv2 and the depth code need native order and alignment; astype copies only if it must.
    native = pixels.astype(sample, copy=False)
    return native if native.flags.aligned else native.copy()


def _require_even(msg: Any, rows: bool) -> None:
    """Refuse sizes that a format with shared chroma cannot have."""
    if msg.width % 2 or (rows and msg.height % 2):
        raise BadImageError(
            f"{msg.encoding} shares colour between neighbouring pixels and needs an even "
            f"{'width and height' if rows else 'width'}, not {msg.width}x{msg.height}"
        )
