# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VGGT's aggregator, heads and RoPE against tensors of the papers' code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.vggt import Vggt, VggtConfig, config_from_tensors, vggt_from_state
from spatialgeo_ros.models.vggt.camera_head import extrinsics, intrinsics
from spatialgeo_ros.models.vggt.rope import apply_rope, rope_tables

TOLERANCE = 5e-5
HEADS = ("camera_head", "point_head", "depth_head")


def close(actual: Tensor, expected: Tensor, atol: float = TOLERANCE, rtol: float = 0) -> None:
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol)


@pytest.fixture(scope="module")
def aggregated(golden: Path) -> dict[str, Any]:
    return torch.load(golden / "vggt_aggregator_tiny.pt", weights_only=True)


@pytest.fixture(scope="module")
def headed(golden: Path) -> dict[str, Any]:
    return torch.load(golden / "vggt_heads_tiny.pt", weights_only=True)


@pytest.fixture(scope="module")
def state(aggregated: dict[str, Any], headed: dict[str, Any]) -> dict[str, Tensor]:
    """A checkpoint under official names made of the two files."""
    state = {f"aggregator.{name}": tensor for name, tensor in aggregated["aggregator"].items()}
    for head in HEADS:
        state.update({f"{head}.{name}": tensor for name, tensor in headed[head].items()})
    return state


def stated_config(config: dict[str, Any]) -> VggtConfig:
    """The sizes that the files state, for networks whose tensors cannot tell them."""
    aggregator, patches, dpt = config["aggregator"], config["patch_embed"], config["dpt"]
    return VggtConfig(
        embed_dim=aggregator["embed_dim"],
        depth=aggregator["depth"],
        num_heads=aggregator["num_heads"],
        mlp_ratio=aggregator["mlp_ratio"],
        patch_size=aggregator["patch_size"],
        img_size=aggregator["img_size"],
        num_register_tokens=aggregator["num_register_tokens"],
        rope_base=float(aggregator["rope_freq"]),
        patch_embed_depth=patches["depth"],
        patch_embed_heads=patches["num_heads"],
        camera_depth=config["camera_head"]["trunk_depth"],
        camera_heads=config["camera_head"]["num_heads"],
        dpt_features=dpt["features"],
        dpt_channels=tuple(dpt["out_channels"]),
        dpt_layers=tuple(dpt["intermediate_layer_idx"]),
    )


@pytest.fixture(scope="module")
def model(headed: dict[str, Any], state: dict[str, Tensor]) -> Vggt:
    """Loaded as a checkpoint is: every tensor must be there and none may be left."""
    return vggt_from_state(state, "golden", config=stated_config(headed["config"]))


def test_sizes_are_read_off_the_tensors(headed: dict[str, Any], state: dict[str, Tensor]) -> None:
    """All but the few that leave no trace in the tensors."""
    stated = stated_config(headed["config"])
    untold = {
        name: getattr(stated, name)
        for name in ("rope_base", "patch_embed_heads", "camera_heads", "dpt_layers")
    }
    assert replace(config_from_tensors(state), **untold) == stated


def test_aggregator(aggregated: dict[str, Any], model: Vggt) -> None:
    for case in aggregated["cases"]:
        count = len(case["tokens"])
        with torch.inference_mode():
            patches = model.aggregator.patch_tokens(case["images"])
            tokens, start = model.aggregate(case["images"], range(-count, 0))
        close(patches, case["patch_tokens"])
        assert start == case["patch_start_idx"]
        for actual, expected in zip(tokens, case["tokens"], strict=True):
            close(actual, expected)


def test_camera_head(headed: dict[str, Any], model: Vggt) -> None:
    size = tuple(headed["images_case0"].shape[-2:])
    with torch.inference_mode():
        poses = model.camera_head(headed["tokens_case0"][-1])
        batch = model.camera_head(headed["tokens_case1_last"])
    expected = headed["out"]
    for actual, reference in zip(poses, expected["pose_enc_list"], strict=True):
        close(actual, reference)
    for actual, reference in zip(batch, headed["pose_case1"], strict=True):
        close(actual, reference)
    close(extrinsics(poses[-1]), expected["extrinsic"])
    close(intrinsics(poses[-1], size), expected["intrinsic"], 0, 1e-4)


@pytest.mark.parametrize("key", ["world_points", "world_points_conf", "depth", "depth_conf"])
@pytest.mark.parametrize("from_images", [False, True])
def test_dense_heads(headed: dict[str, Any], model: Vggt, key: str, from_images: bool) -> None:
    images = headed["images_case0"]
    with torch.inference_mode():
        if from_images:
            out = model(images)
        else:
            tokens = dict(enumerate(headed["tokens_case0"]))
            out = model.decode(tokens, tuple(images.shape[-2:]), model.config.specials)
    close(out[key], headed["out"][key])


@pytest.mark.parametrize(
    ("positions", "expected", "dtype", "tolerance"),
    [
        ("pos", "out", torch.float32, 1e-6),
        ("pos_big", "out_big", torch.float32, 1e-6),
        ("pos_big", "out_big_bf16", torch.bfloat16, None),
    ],
)
def test_rope(
    golden: Path, positions: str, expected: str, dtype: torch.dtype, tolerance: float | None
) -> None:
    data = torch.load(golden / "vggt_rope.pt", weights_only=True)
    tokens, base = data["tokens"].to(dtype), float(data["freq"])
    cos, sin = rope_tables(data[positions], tokens.shape[-1], dtype, base)
    turned = apply_rope(tokens, cos[:, None], sin[:, None]).float()
    if tolerance is None:  # one unit in the last place of bfloat16
        close(turned, data[expected], 1e-6, 2**-7)
    else:
        close(turned, data[expected], tolerance)


def test_register_positions(golden: Path) -> None:
    """The backbone with registers resizes its table by size and antialiased, for ONNX as well."""
    data = torch.load(golden / "dinov2_posembed.pt", weights_only=True)
    table = data["pos_embed_reg"]
    side = round((table.shape[1] - 1) ** 0.5)
    config = {"embed_dim": table.shape[2], "depth": 1, "num_heads": 1, "num_register_tokens": 4}
    backbone = Dinov2Backbone({**config, "img_size": side * 14}, layers=1)
    backbone.model.embeddings.position_embeddings.data = table
    for grid, expected in data["out"].items():
        rows, columns = (int(n) for n in grid.split("x"))
        for by_size in (False, True):
            backbone.by_size = by_size
            close(backbone.position_embedding((rows, columns)), expected["reg_offset0_aa"], 1e-6)
