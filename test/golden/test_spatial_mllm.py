# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spatial-MLLM's connector against the reference implementation's tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from spatialgeo_ros.models.spatial_mllm.connector import Connector, merge_tokens

TOLERANCE = {"rtol": 0.0, "atol": 1e-5}


@pytest.fixture(scope="module")
def data(golden: Path) -> dict[str, Any]:
    return torch.load(golden / "spatial_mllm_connector.pt", weights_only=True)


@pytest.fixture(scope="module")
def clips(data: dict[str, Any]) -> list[tuple[Tensor, tuple[int, int, int]]]:
    """Patch tokens of the layer that the connector reads, and Qwen's grid, of each clip."""
    layer = data["config"]["layer_idx"]
    return [
        (layers[layer][:, start:], tuple(grid))
        for layers, start, grid in zip(
            data["spatial_embeds"],
            data["patch_start_idx"],
            data["grid_thw"].tolist(),
            strict=True,
        )
    ]


def test_merge(data: dict[str, Any], clips: list[tuple[Tensor, tuple[int, int, int]]]) -> None:
    merged = torch.cat([merge_tokens(*clip, Connector.order) for clip in clips])
    assert torch.equal(merged, data["merged"])


@torch.inference_mode()
def test_connector(data: dict[str, Any], clips: list[tuple[Tensor, tuple[int, int, int]]]) -> None:
    connector = Connector(clips[0][0].shape[-1], data["config"]["language_dim"])
    connector.load_state_dict(data["state_dict"], strict=True)
    visual = data["video_embeds"].split([t * h * w // 4 for _, (t, h, w) in clips])
    found = [connector(v, *clip) for v, clip in zip(visual, clips, strict=True)]
    torch.testing.assert_close(torch.cat(found), data["out"], **TOLERANCE)
