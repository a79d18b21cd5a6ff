# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Point clouds of ROS as arrays."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.node.clouds import cloud_arrays

FLOAT32 = 7


def cloud(height: int = 20, width: int = 30, rgb: bool = True, pad: int = 0) -> SimpleNamespace:
    """A cloud whose x is the column, y the row, z their sum, and whose colours are (1, 2, 3)."""
    names = [*"xyz", *(["rgb"] if rgb else [])]
    fields = [
        SimpleNamespace(name=name, offset=4 * i, datatype=FLOAT32, count=1)
        for i, name in enumerate(names)
    ]
    values = np.zeros((height, width, len(names)), np.float32)
    values[..., 0], values[..., 1] = np.arange(width), np.arange(height)[:, None]
    values[..., 2] = values[..., 0] + values[..., 1]
    if rgb:
        values.view(np.uint32)[..., 3] = 0x010203
    step = 4 * len(names)
    rows = values.reshape(height, width * len(names)).view(np.uint8)
    rows = np.hstack([rows, np.zeros((height, pad), np.uint8)])
    return SimpleNamespace(
        height=height, width=width, fields=fields, point_step=step, row_step=step * width + pad,
        is_bigendian=False, data=rows.tobytes(),
    )  # fmt: skip


@pytest.mark.parametrize("pad", [0, 16])
def test_all_points_come_with_their_colours(pad):
    points, colours = cloud_arrays(cloud(pad=pad), 1_000)
    assert points.shape == (600, 3)
    assert (points[:, 2] == points[:, 0] + points[:, 1]).all()
    assert set(points[:, 0]) == set(range(30))
    assert (colours == (1, 2, 3)).all()


def test_without_colours_there_are_none():
    assert cloud_arrays(cloud(rgb=False), 1_000)[1] is None


@pytest.mark.parametrize("most", [1, 7, 50, 599])
def test_it_is_thinned_out_in_both_directions(most):
    points, _ = cloud_arrays(cloud(), most)
    assert 1 <= len(points) <= most + 60
    if most == 50:
        assert np.ptp(points[:, 0]) > 20 and np.ptp(points[:, 1]) > 10


def test_an_unorganised_cloud_is_thinned_out_along_its_row():
    points, _ = cloud_arrays(cloud(1, 600), 100)
    assert len(points) == 100


def test_points_that_are_not_finite_are_left_out():
    message = cloud()
    data = np.frombuffer(message.data, np.float32).copy().reshape(-1, 4)
    data[:5, 0], data[5:9, 2] = np.nan, np.inf
    message.data = data.tobytes()
    points, colours = cloud_arrays(message, 1_000)
    assert len(points) == len(colours) == 591
    assert np.isfinite(points).all()


def test_an_empty_cloud_has_no_points():
    message = cloud(0, 30)
    assert cloud_arrays(message, 10)[0].shape == (0, 3)


def changed(**values) -> SimpleNamespace:
    message = cloud()
    vars(message).update(values)
    return message


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (changed(fields=cloud().fields[1:]), "no field x"),
        (changed(data=b"short"), "too few"),
        (changed(row_step=10), "too few"),
        (changed(is_bigendian=True), "big-endian"),
        (changed(point_step=8), "do not fit"),
        (changed(point_step=0), "do not fit"),
        (
            changed(fields=[SimpleNamespace(name=n, offset=0, datatype=8, count=1) for n in "xyz"]),
            "FLOAT32",
        ),
    ],
)
def test_what_cannot_be_read_is_refused(message, words):
    with pytest.raises(BadImageError, match=words):
        cloud_arrays(message, 100)
