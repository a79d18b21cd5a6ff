# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MoGe-2, its post-processing and DINOv2's position rule against tensors of the papers' code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from spatialgeo_ros.models.backbones import interpolate_position_embedding
from spatialgeo_ros.models.moge import MoGe2
from spatialgeo_ros.models.moge_geometry import (
    depth_to_points,
    intrinsics_from_focal,
    recover_focal_shift,
    view_plane_uv,
)


def close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    """Absolute comparison in fp32; infinities must sit in the same places."""
    torch.testing.assert_close(
        actual.float(), expected.float(), rtol=0, atol=tolerance, equal_nan=True
    )


@pytest.fixture(scope="module")
def tiny(golden: Path) -> dict[str, Any]:
    """The tiny official model: configuration, tensors and cases."""
    return torch.load(golden / "moge_v2_tiny.pt", weights_only=True)


@pytest.fixture(scope="module")
def model(tiny: dict[str, Any]) -> MoGe2:
    """Built from the checkpoint's own configuration, loaded strictly under official names."""
    config = dict(tiny["model_config"])
    config["encoder"] = {**config["encoder"], "backbone": tiny["backbone"]}
    model = MoGe2(**config).eval()
    model.load_state_dict(tiny["model"], strict=True)
    return model


@pytest.mark.parametrize("index", [0, 1, 2])
def test_forward(tiny: dict[str, Any], model: MoGe2, index: int) -> None:
    case = tiny["cases"][index]
    with torch.inference_mode():
        out = model(case["image"], case["num_tokens"])
    expected = case["forward"]
    close(out["points"], expected["points"], 2e-5)
    close(out["normal"], expected["normal"], 1e-4)
    close(out["mask"], expected["mask"], 2e-5)
    close(out["metric_scale"], expected["metric_scale"], 2e-5)


def test_features_are_normed_layers(tiny: dict[str, Any], model: MoGe2) -> None:
    case = tiny["cases"][0]
    with torch.inference_mode():
        features = model(case["image"], case["num_tokens"])["features"]
    for tokens, expected in zip(features.tokens(), case["features"], strict=True):
        close(tokens[:1], expected, 2e-5)
    close(features.cls, case["cls"][-1], 2e-5)


def test_onnx_mode(tiny: dict[str, Any], model: MoGe2) -> None:
    case = tiny["cases"][0]
    model.encoder.backbone.by_size = True
    try:
        with torch.inference_mode():
            out = model(case["image"], case["num_tokens"], antialias=False)
    finally:
        model.encoder.backbone.by_size = False
    for key, expected in case["forward_onnx_mode"].items():
        close(out[key], expected, 1e-4 if key == "normal" else 2e-5)


@pytest.mark.parametrize(
    ("index", "key", "options"),
    [
        (0, "infer", {}),
        (1, "infer", {}),
        (2, "infer", {}),
        (2, "infer_noproj_nomask", {"force_projection": False, "apply_mask": False}),
        (2, "infer_fov60_nomask", {"fov_x": 60.0, "apply_mask": False}),
    ],
)
def test_infer(
    tiny: dict[str, Any], model: MoGe2, index: int, key: str, options: dict[str, Any]
) -> None:
    case = tiny["cases"][index]
    out = model.infer(case["image"], case["num_tokens"], **options)
    expected = case[key]
    close(out["intrinsics"], expected["intrinsics"], 1e-4)
    # Random weights leave some mask pixels within rounding of the threshold.
    decided = (case["forward"]["mask"] - 0.5).abs() > 1e-3
    assert torch.equal(out["mask"][decided], expected["mask"][decided])
    close(out["points"][decided], expected["points"][decided], 2e-5)
    close(out["depth"][decided], expected["depth"][decided], 2e-5)
    close(out["normal"][decided], expected["normal"][decided], 1e-4)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_focal_shift(golden: Path, index: int) -> None:
    case = torch.load(golden / "moge_post.pt", weights_only=True)["cases"][index]
    points, mask = case["points"].float(), case["mask"]
    batch, height, width = points.shape[:3]
    focal, shift = recover_focal_shift(points, mask)
    close(focal, case["focal"], 1e-4)
    close(shift, case["shift"], 1e-4)
    focal_all, shift_all = recover_focal_shift(points)
    close(focal_all, case["focal_nomask"], 1e-4)
    close(shift_all, case["shift_nomask"], 1e-4)
    known = torch.full((batch,), float(case["known_focal"]))
    close(recover_focal_shift(points, mask, known)[1], case["shift_known_focal"], 1e-4)
    matrix = intrinsics_from_focal(focal, width / height)
    close(matrix, case["K"], 1e-4)
    close(matrix[:, 0, 0], case["fx"], 1e-4)
    close(matrix[:, 1, 1], case["fy"], 1e-4)
    depth = points[..., 2] + shift[:, None, None]
    close(depth_to_points(depth, matrix)[:, :2], case["reprojected_first_row"], 1e-4)
    half = case["uv"].dtype == torch.float16
    close(view_plane_uv(height, width), case["uv"], 5e-4 if half else 1e-6)


@pytest.mark.parametrize("grid", ["24x24", "37x37", "20x30", "51x40", "37x20", "12x60"])
def test_position_embedding(golden: Path, grid: str) -> None:
    data = torch.load(golden / "dinov2_posembed.pt", weights_only=True)
    rows, columns = (int(n) for n in grid.split("x"))
    expected = data["out"][grid]
    plain, register = data["pos_embed_plain"], data["pos_embed_reg"]
    size = (rows, columns)
    close(interpolate_position_embedding(plain, size), expected["offset01_noaa"], 1e-6)
    close(
        interpolate_position_embedding(register, size, offset=0.0, antialias=True),
        expected["reg_offset0_aa"],
        1e-6,
    )
    if "onnx_mode" in expected:
        close(
            interpolate_position_embedding(plain, size, by_size=True), expected["onnx_mode"], 1e-6
        )
