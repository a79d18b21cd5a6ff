# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images in files: 16-bit PNG, or one NumPy array. Integers are millimetres, floats metres.

That is what REP-118 says of depth images in ROS; a scale takes the place of either unit.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.recordings.image_codec import MOST_PIXELS, check_size, read_depth_png
from spatialgeo_ros.runtime.input_files import open_input

Depth = npt.NDArray[np.uint16] | npt.NDArray[np.float32]

#: numpy's own bound on the header's text, a Python literal. It is not evaluated here: what one
#: array of numbers has is always written alike.
_MOST_HEADER_BYTES = 10_000
_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': ?'(?P<kind>[^']{1,40})', ?'fortran_order': ?(?P<columns>True|False), ?"
    rb"'shape': ?\((?P<shape>(?:\d{1,18}, ?){0,9}\d{0,18})\),? ?\}\s*"
)
_NUMBERS = re.compile(r"[<>=|]?(?:[iu][1248]|f[248])")
#: Largest array: of 8-byte numbers.
_MOST_BYTES = 8 * MOST_PIXELS + _MOST_HEADER_BYTES


def read_depth_file(path: str | Path, scale: float | None = None) -> Depth:
    """Read the depth image in a file.

    Args:
        path: of a 16-bit grey PNG, or of a ``.npy`` file with one array [H, W] ([H, W, 1] and
            [1, H, W] as well) of integers or floats.
        scale: metres per unit of the file; None for millimetres where they are integers, metres
            where they are floats.

    Returns:
        [H, W] uint16 millimetres or float32 metres; 0, negative and not finite: no reading.

    Raises:
        BadImageError: the file cannot be read or holds something else; says what.
    """
    path = Path(path)
    if path.suffix.lower() == ".npy":
        with open_input(path, _MOST_BYTES, BadImageError) as stream:
            return scaled_depth(_array(stream, path), scale)
    return scaled_depth(read_depth_png(path), scale)


def scaled_depth(depth: npt.NDArray[Any], scale: float | None = None) -> Depth:
    """Depth in one of the two forms that frames have.

    Args:
        depth: [H, W] integers or floats.
        scale: metres per unit; None as for :func:`read_depth_file`.

    Returns:
        As :func:`read_depth_file`: unsigned 16-bit integers without a scale stay as they are. The
        largest number of an integer type is no reading in another unit either.
    """
    if scale is None and depth.dtype == np.uint16:
        return np.asarray(depth, np.uint16)
    whole = depth.dtype.kind in "iu"
    factor = scale if scale is not None else (0.001 if whole else 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        metres = depth.astype(np.float32)
        metres *= np.float32(factor)
    if whole:  # the largest number is what sensors send for a reading beyond it
        metres[depth == np.iinfo(depth.dtype).max] = np.nan
    return metres


def _array(stream: IO[bytes], path: Path) -> npt.NDArray[Any]:
    """The array of a ``.npy`` file, whose header is judged before anything is allocated.

    Layout: numpy.lib.format, versions 1.0 and 2.0; 3.0 is for names of fields, which depth has not.
    """
    start = stream.read(12)
    if start.startswith(b"PK"):
        raise BadImageError(f"{path} is an archive of arrays (.npz): save one array with np.save")
    if len(start) < 10 or not start.startswith(_MAGIC) or start[6] not in (1, 2):
        raise BadImageError(f"{path} is empty or no .npy file: write one array with np.save")
    begin = 10 if start[6] == 1 else 12
    length = int.from_bytes(start[8:begin], "little")
    if length > _MOST_HEADER_BYTES:
        raise BadImageError(f"{path} has a header of {length} bytes, so it is no depth image")
    stream.seek(begin)
    header = _HEADER.fullmatch(stream.read(length))
    if header is None:
        raise BadImageError(
            f"{path} holds something else than one plain array (fields, objects), or is damaged"
        )
    kind = header["kind"].decode("ascii", "replace")
    if not _NUMBERS.fullmatch(kind):
        raise BadImageError(
            f"{path} holds numbers of type {kind!r}, no depth: save integers (millimetres) or "
            "floats (metres)"
        )
    shape = [int(side) for side in header["shape"].split(b",") if side.strip()]
    plane = shape
    if len(shape) == 3 and 1 in (shape[0], shape[2]):
        plane = shape[:2] if shape[2] == 1 else shape[1:]
    if len(plane) != 2:
        raise BadImageError(f"{path} has the shape {shape}: a depth image is [H, W]")
    check_size(plane[1], plane[0], str(path))
    dtype = np.dtype(kind)
    needed = math.prod(plane) * dtype.itemsize
    content = stream.read(needed)
    if len(content) < needed:
        raise BadImageError(
            f"{path} is cut off: {plane} of {kind} are {needed} bytes, {len(content)} are there"
        )
    order: Literal["F", "C"] = "F" if header["columns"] == b"True" else "C"
    return np.frombuffer(content, dtype).reshape(shape, order=order).reshape(plane)
