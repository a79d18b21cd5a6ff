# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth images in files: which unit, and what is refused before anything is allocated."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.recordings.depth_file import read_depth_file, scaled_depth

METRES = np.array([[0.0, 0.5, 1.25], [2.0, np.nan, 4.0]], np.float32)
MILLIMETRES = np.nan_to_num(METRES * 1000).astype(np.uint16)


def saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def npy(header: bytes, version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes((version, 0)) + length + header


def assert_metres(depth: np.ndarray) -> None:
    """Up to "no reading", which is NaN or 0."""
    metres = depth.astype(np.float64) / (1000 if depth.dtype == np.uint16 else 1)
    np.testing.assert_allclose(np.nan_to_num(metres), np.nan_to_num(METRES), rtol=1e-6)


@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "f2"])
def test_floats_are_metres(tmp_path: Path, kind: str) -> None:
    assert_metres(read_depth_file(saved(tmp_path / "d.npy", METRES.astype(kind))))


@pytest.mark.parametrize("kind", ["<u2", ">u2", "<i2", "<i4", "<u4", "<i8"])
def test_integers_are_millimetres_as_in_a_png(tmp_path: Path, kind: str) -> None:
    """They were read as metres: "no reading", or a thousand times too far."""
    assert_metres(read_depth_file(saved(tmp_path / "d.npy", MILLIMETRES.astype(kind))))
    cv2.imwrite(str(tmp_path / "d.png"), MILLIMETRES)
    assert_metres(read_depth_file(tmp_path / "d.png"))


def test_unsigned_millimetres_stay_as_they_are(tmp_path: Path) -> None:
    depth = read_depth_file(saved(tmp_path / "d.npy", MILLIMETRES))
    assert depth.dtype == np.uint16 and np.array_equal(depth, MILLIMETRES)


@pytest.mark.parametrize(
    ("units", "scale"),
    [(MILLIMETRES * 4, 0.00025), (MILLIMETRES.astype(np.float32), 0.001), (METRES, 1.0)],
    ids=["quarters", "float_millimetres", "metres"],
)
def test_a_scale_takes_the_place_of_the_unit(tmp_path: Path, units, scale: float) -> None:
    assert_metres(read_depth_file(saved(tmp_path / "d.npy", units), scale))
    depth = scaled_depth(units, scale)
    assert depth.dtype == np.float32
    assert_metres(depth)


def test_the_largest_number_is_no_reading_in_any_unit() -> None:
    """65535 units of 0.25 mm would be a wall at 16.4 m."""
    for kind in (np.uint16, np.int16, np.int32):
        depth = np.array([[np.iinfo(kind).max, 4000]], kind)
        assert np.isnan(scaled_depth(depth, 0.00025)[0, 0])
        assert scaled_depth(depth, 0.00025)[0, 1] == 1.0


def test_the_scale_of_a_png(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "d.png"), MILLIMETRES * 5)
    assert_metres(read_depth_file(tmp_path / "d.png", 0.0002))


def test_an_axis_of_one_channel_is_dropped(tmp_path: Path) -> None:
    for array in (METRES[..., None], METRES[None], np.asfortranarray(METRES)):
        depth = read_depth_file(saved(tmp_path / "d.npy", array))
        assert depth.shape == METRES.shape
        assert_metres(depth)
    assert read_depth_file(saved(tmp_path / "d.npy", METRES[:1])).shape == (1, 3)


def archive() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, depth=METRES)
    return buffer.getvalue()


def content(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty or no .npy file"),
        (b"hello, this is text", "no .npy file"),
        (archive(), "an archive of arrays"),
        (content(METRES[..., None].repeat(3, -1)), r"has the shape \[2, 3, 3\]"),
        (content(METRES[0]), r"has the shape \[3\]"),
        (content(np.float32(1.0)), r"has the shape \[\]"),
        (content(METRES.astype(np.complex64)), "type '<c8', no depth"),
        (content(METRES > 0), "type .*b1', no depth"),
        (content(METRES.astype(object)), "type .*O', no depth"),
        (content(np.zeros((2, 2), [("x", "f4")])), "one plain array"),
        (content(METRES.astype("M8[s]")), "type .*M8.s.', no depth"),
        (content(METRES)[:-1], "is cut off: .* are 24 bytes, 23 are there"),
        (content(METRES)[:20], "one plain array"),
        (content(METRES[:0]), "has no pixels"),
        (
            npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (10**9, 9), }\n"),
            "one plain array",
        ),
        (
            npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 2), }\n"),
            "claims 2x1000000000000 pixels",
        ),
        (
            npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (5000, 5000), }\n"),
            "is cut off",
        ),
        (
            npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -2), }\n"),
            "one plain array",
        ),
        (npy(b"[" * 9_000), "one plain array"),
        (npy(b"(" * 9_000 + b")" * 900, 2), "one plain array"),
        (npy(b" " * 200_000, 2), "a header of 200000 bytes"),
        (npy(b"{}", 3), "no .npy file"),
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"1, " * 3_000), "plain"),
        (npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"1" * 9_000), "plain"),
    ],
    ids=range(24),
)
def test_other_arrays_are_one_sentence(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "d.npy"
    path.write_bytes(data)
    with pytest.raises(BadImageError, match=words) as caught:
        read_depth_file(path)
    assert "d.npy" in str(caught.value) and len(str(caught.value)) < 600


def test_damaged_headers_are_sentences(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    path = tmp_path / "d.npy"
    read = 0
    for k in range(400):
        data = bytearray(content(MILLIMETRES))
        data[k % len(data)] = random.integers(256)
        path.write_bytes(data)
        try:
            assert read_depth_file(path).size > 0
        except BadImageError:
            continue
        read += 1
    assert 20 < read < 100  # the bytes of the pixels, and little of the header
