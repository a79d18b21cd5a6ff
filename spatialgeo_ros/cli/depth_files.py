# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files that ``spatialgeo depth`` writes: PNG, OpenEXR and PLY, as bytes.

OpenCV's wheels come without OpenEXR, so the one kind of EXR needed here is written directly.
"""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
import numpy.typing as npt

Depth = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

_LARGEST_MM = 65535
_EXR_MAGIC, _EXR_VERSION, _EXR_ZIP, _EXR_FLOAT = 20000630, 2, 3, 2
_EXR_ZIP_ROWS = 16


def png(image: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> bytes:
    """PNG of an image as OpenCV takes it ([H, W], or [H, W, 3] BGR)."""
    _, encoded = cv2.imencode(".png", image)
    return encoded.tobytes()


def depth_png(depth: Depth, valid: Mask) -> tuple[bytes, int]:
    """16-bit PNG in millimetres, 0 where there is no depth.

    Returns:
        The file, and how many valid pixels are beyond the 65.535 m that it can hold (0 there too).
    """
    millimetres = np.where(valid, np.rint(depth * 1000.0), 0.0)
    too_far = millimetres > _LARGEST_MM
    return png(np.where(too_far, 0.0, millimetres).astype(np.uint16)), int(too_far.sum())


def mask_png(valid: Mask) -> bytes:
    """8-bit PNG, 255 where there is depth."""
    return png(np.where(valid, 255, 0).astype(np.uint8))


def normal_png(normal: npt.NDArray[np.float32], valid: Mask) -> bytes:
    """8-bit RGB PNG of unit normals [H, W, 3] of the optical frame; black where there is no depth.

    Red is x to the right, green y up, blue z towards the camera, each from -1 (0) to 1 (255): the
    usual colours, in which a wall that faces the camera is blue.
    """
    turned = normal * np.array([1.0, -1.0, -1.0], np.float32)
    colours = np.rint((turned.clip(-1, 1) + 1) * 127.5).astype(np.uint8)
    return png(np.where(valid[..., None], colours, 0)[..., ::-1].astype(np.uint8))


def depth_exr(depth: Depth, valid: Mask) -> bytes:
    """OpenEXR file with one float32 channel Y, NaN where there is no depth (zip compression).

    File format: openexr.com, "OpenEXR File Layout" (single part, scan lines, version 2).
    """
    rows, columns = depth.shape
    window = struct.pack("<4i", 0, 0, columns - 1, rows - 1)
    channel = b"Y\0" + struct.pack("<iB3xii", _EXR_FLOAT, 0, 1, 1) + b"\0"
    header = struct.pack("<ii", _EXR_MAGIC, _EXR_VERSION)
    for name, kind, value in (
        ("channels", "chlist", channel),
        ("compression", "compression", bytes([_EXR_ZIP])),
        ("dataWindow", "box2i", window),
        ("displayWindow", "box2i", window),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1.0)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0.0, 0.0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1.0)),
    ):
        header += f"{name}\0{kind}\0".encode() + struct.pack("<i", len(value)) + value
    header += b"\0"
    values = np.where(valid, depth, np.float32(np.nan)).astype("<f4")
    blocks = []
    for first in range(0, rows, _EXR_ZIP_ROWS):
        data = _exr_zip(values[first : first + _EXR_ZIP_ROWS].tobytes())
        blocks.append(struct.pack("<ii", first, len(data)) + data)
    offset = len(header) + 8 * len(blocks)
    offsets = np.cumsum([offset, *map(len, blocks)])[:-1].astype("<u8")
    return header + offsets.tobytes() + b"".join(blocks)


def _exr_zip(raw: bytes) -> bytes:
    """Compress a block: even bytes before odd ones, differences, deflate; raw where that is not."""
    plain = np.frombuffer(raw, np.uint8)
    parted = np.concatenate([plain[::2], plain[1::2]]).astype(np.int16)
    parted[1:] = (parted[1:] - parted[:-1] + 128) % 256
    packed = zlib.compress(parted.astype(np.uint8).tobytes())
    return packed if len(packed) < len(raw) else raw


def point_cloud_ply(
    points: npt.NDArray[np.float32], colours: npt.NDArray[np.uint8], keep: Mask
) -> bytes:
    """Binary PLY of coloured points.

    Args:
        points: [H, W, 3] in the optical frame (x right, y down, z forward).
        colours: [H, W, 3] RGB.
        keep: [H, W] points to write.
    """
    fields = [(axis, "<f4") for axis in "xyz"] + [(c, "u1") for c in ("red", "green", "blue")]
    vertices = np.empty(int(keep.sum()), dtype=fields)
    for index, axis in enumerate("xyz"):
        vertices[axis] = points[keep, index]
    for index, colour in enumerate(("red", "green", "blue")):
        vertices[colour] = colours[keep, index]
    properties = "".join(
        f"property {'float' if kind == '<f4' else 'uchar'} {name}\n" for name, kind in fields
    )
    header = (
        "ply\nformat binary_little_endian 1.0\n"
        "comment optical frame: x right, y down, z forward\n"
        f"element vertex {len(vertices)}\n{properties}end_header\n"
    )
    return header.encode("ascii") + vertices.tobytes()


def depth_edges(depth: Depth, valid: Mask, tolerance: float) -> Mask:
    """Pixels whose 3 x 3 neighbourhood spans more than ``tolerance`` of their depth.

    The points there lie in the air between two surfaces.
    """
    window = np.ones((3, 3), np.uint8)
    nearest = cv2.erode(np.where(valid, depth, np.float32(np.inf)), window)
    farthest = cv2.dilate(np.where(valid, depth, np.float32(-np.inf)), window)
    with np.errstate(invalid="ignore", over="ignore"):
        spans = np.asarray(farthest - nearest > tolerance * depth)
    return spans & valid
