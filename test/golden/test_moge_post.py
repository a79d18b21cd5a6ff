# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MoGe's post-processing and DINOv2's position rule against tensors of the papers' code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from spatialgeo_ros.models.backbones import interpolate_position_embedding
from spatialgeo_ros.models.moge.affine_points import (
    depth_to_points,
    intrinsics_from_focal,
    recover_focal_shift,
    view_plane_uv,
)

FOCAL = 1e-4
POSITION = 1e-6


def close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(actual.float(), expected.float(), rtol=0, atol=tolerance)


@pytest.fixture(scope="module")
def cases(golden: Path) -> list[dict[str, Any]]:
    return torch.load(golden / "moge_post.pt", weights_only=True)["cases"]


def test_focal_and_shift(cases: list[dict[str, Any]]) -> None:
    assert cases
    for case in cases:
        points, mask = case["points"].float(), case["mask"]
        focal, shift = recover_focal_shift(points, mask)
        close(focal, case["focal"], FOCAL)
        close(shift, case["shift"], FOCAL)
        focal, shift = recover_focal_shift(points)
        close(focal, case["focal_nomask"], FOCAL)
        close(shift, case["shift_nomask"], FOCAL)
        known = torch.full(points.shape[:1], float(case["known_focal"]))
        focal, shift = recover_focal_shift(points, mask, known)
        close(shift, case["shift_known_focal"], FOCAL)
        assert torch.equal(focal, known)


def test_intrinsics_and_projection(cases: list[dict[str, Any]]) -> None:
    for case in cases:
        points = case["points"].float()
        height, width = points.shape[1:3]
        matrix = intrinsics_from_focal(case["focal"], width / height)
        close(matrix, case["K"], FOCAL)
        close(matrix[:, 0, 0], case["fx"], FOCAL)
        close(matrix[:, 1, 1], case["fy"], FOCAL)
        depth = points[..., 2] + case["shift"][:, None, None]
        expected = case["reprojected_first_row"]
        close(depth_to_points(depth, matrix)[:, : expected.shape[1]], expected, FOCAL)
        half = case["uv"].dtype == torch.float16
        close(view_plane_uv(height, width), case["uv"], 5e-4 if half else 1e-6)


def test_position_embedding(golden: Path) -> None:
    """With and without register tokens, and as in ONNX exports."""
    data = torch.load(golden / "dinov2_posembed.pt", weights_only=True)
    plain, register = data["pos_embed_plain"], data["pos_embed_reg"]
    assert data["out"]
    for grid, expected in data["out"].items():
        rows, columns = (int(n) for n in grid.split("x"))
        size = (rows, columns)
        close(interpolate_position_embedding(plain, size), expected["offset01_noaa"], POSITION)
        antialiased = interpolate_position_embedding(register, size, offset=0.0, antialias=True)
        close(antialiased, expected["reg_offset0_aa"], POSITION)
        if "onnx_mode" in expected:
            by_size = interpolate_position_embedding(plain, size, by_size=True)
            close(by_size, expected["onnx_mode"], POSITION)
