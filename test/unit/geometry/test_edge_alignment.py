# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth that is not registered is told from depth that is, by edges alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from spatialgeo_ros.geometry.edge_alignment import edge_alignment


def boxes(seed: int, size: tuple[int, int] = (640, 480)) -> tuple[np.ndarray, np.ndarray]:
    """Boxes of any colour before a wall: an image with noise, and depth with holes."""
    generator = np.random.default_rng(seed)
    width, height = size
    colour = np.full((height, width, 3), 120, np.float32)
    depth = np.full((height, width), 3.0, np.float32)
    for _ in range(9):
        w, h = generator.integers(width // 12, width // 5, 2)
        x, y = generator.integers(0, width - w), generator.integers(0, height - h)
        colour[y : y + h, x : x + w] = generator.uniform(20, 235, 3)
        depth[y : y + h, x : x + w] = generator.uniform(0.8, 2.5)
    colour += generator.normal(0, 6, colour.shape)
    depth[generator.random(depth.shape) < 0.05] = np.nan
    return np.clip(colour, 0, 255).astype(np.uint8), depth


def moved(depth: np.ndarray, right: float = 0.0, down: float = 0.0, scale: float = 1.0):
    height, width = depth.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 0.0, scale)
    turn[:, 2] += right, down
    return cv2.warpAffine(
        depth, turn, (width, height), flags=cv2.INTER_NEAREST, borderValue=float("nan")
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [(640, 480), (160, 120), (1280, 720)])
def test_registered_depth_is_where_it_belongs(seed, size):
    alignment = edge_alignment([boxes(seed, size)])
    assert alignment is not None
    assert not alignment.is_elsewhere


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("right", "down", "scale"),
    [(40, 0, 1.0), (-30, 20, 1.0), (0, 0, 1.3), (0, 0, 0.75), (25, 0, 0.85)],
)
def test_other_depth_is_not(seed, right, down, scale):
    frames = [boxes(seed + k) for k in range(0, 12, 4)]
    alignment = edge_alignment([(image, moved(z, right, down, scale)) for image, z in frames])
    assert alignment is not None
    assert alignment.is_elsewhere
    if scale == 1.0:
        assert alignment.shift == pytest.approx((-right, -down), abs=8)


def test_nothing_is_said_where_there_is_nothing_to_see():
    image, depth = boxes(0)
    assert edge_alignment([]) is None
    assert edge_alignment([(image, np.full_like(depth, 2.0))]) is None, "a wall"
    assert edge_alignment([(image, np.full_like(depth, np.nan))]) is None
    grey = edge_alignment([(np.full_like(image, 90), moved(depth, 40))])
    assert grey is None or not grey.is_elsewhere, "an image without edges"


@pytest.mark.parametrize("seed", range(8))
def test_a_picture_full_of_edges_tells_nothing(seed):
    image, depth = boxes(seed)
    noise = np.random.default_rng(seed).integers(0, 255, image.shape, np.uint8)
    alignment = edge_alignment([(noise, depth)])
    assert alignment is None or not alignment.is_elsewhere


def real_frames(folder, number):
    colours, depths = (sorted((folder / part).iterdir()) for part in ("color", "depth"))
    for colour, depth in list(zip(colours, depths, strict=True))[:number]:
        metres = cv2.imread(str(depth), cv2.IMREAD_UNCHANGED).astype(np.float32) / 1000
        metres[metres == 0] = np.nan
        yield cv2.imread(str(colour)), metres


def test_real_frames_are_not_accused(real_rgbd, real_sequence):
    for folder, number in ((real_rgbd, 5), (real_sequence, 12)):
        for image, metres in real_frames(folder, number):
            alignment = edge_alignment([(image, metres)])
            assert alignment is None or not alignment.is_elsewhere


def test_real_depth_beside_its_image_is_found(real_sequence):
    frames = list(real_frames(real_sequence, 12))
    for k in range(0, 12, 4):
        alignment = edge_alignment([(i, moved(z, 30)) for i, z in frames[k : k + 4]])
        assert alignment is not None
        assert alignment.is_elsewhere
