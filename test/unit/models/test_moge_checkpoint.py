# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MoGe checkpoints: configurations, both layouts, full sizes, and errors that name a tensor."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.moge import (
    BACKBONE,
    V1_CONFIG,
    V2_CONFIG,
    V2_NORMAL_CONFIG,
    random_moge,
    write_moge1,
    write_moge2,
    write_moge2_normal,
    write_moge2_safetensors,
)

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.backbones import build_backbone
from spatialgeo_ros.models.construction import load_geometry
from spatialgeo_ros.models.moge import configs as moge_configs
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge2 import MoGe2
from spatialgeo_ros.models.moge.moge_checkpoint import build_moge, load_moge
from spatialgeo_ros.models.profiles import GeometryPart, WeightFile

IMAGE = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(5))


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    content = torch.load(path, weights_only=True)
    change(content)
    torch.save(content, path)
    return path


@pytest.mark.parametrize(
    ("name", "millions", "kind"),
    [
        ("V1_VITL", 314.17, MoGe1),
        ("V2_VITL_NORMAL", 330.90, MoGe2),
        ("V2_VITL", 326.21, MoGe2),
        # Widths inferred from the published sizes, which are rounded to a million.
        ("V2_VITB_NORMAL", 104, MoGe2),
        ("V2_VITS_NORMAL", 35, MoGe2),
    ],
)
def test_full_size(name: str, millions: float, kind: type) -> None:
    with torch.device("meta"):
        model = build_moge(getattr(moge_configs, name))
    assert isinstance(model, kind)
    assert hasattr(model, "normal_head") == name.endswith("NORMAL")
    digits = 2 if isinstance(millions, float) else 0
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, digits) == millions


@pytest.mark.parametrize(
    ("name", "millions"),
    [
        ("dinov2_vits14", 22.06),
        ("dinov2_vitb14", 86.58),
        ("dinov2_vitl14", 304.37),
        ("dinov2_vitg14", 1136.48),
    ],
)
def test_published_backbones(name: str, millions: float) -> None:
    with torch.device("meta"):
        backbone = build_backbone(name)
    assert round(sum(p.numel() for p in backbone.parameters()) / 1e6, 2) == millions


@pytest.mark.parametrize(
    ("write", "kind", "normals", "metric"),
    [
        (write_moge1, MoGe1, False, False),
        (write_moge2, MoGe2, False, True),
        (write_moge2_normal, MoGe2, True, True),
        (write_moge2_safetensors, MoGe2, True, True),
    ],
)
def test_load_and_infer(
    tmp_path: Path, write: Callable[..., Path], kind: type, normals: bool, metric: bool
) -> None:
    model = load_moge(write(tmp_path))
    assert isinstance(model, kind) and not model.training
    assert model.has_metric_scale == metric
    assert not any(parameter.requires_grad for parameter in model.parameters())
    out = model.infer(IMAGE)
    assert out["points"].shape == (1, 48, 64, 3)
    assert ("normal" in out) == normals
    assert out["mask"].any() and torch.isfinite(out["depth"][out["mask"]]).all()
    assert out["intrinsics"][0, 0, 0].item() == pytest.approx(0.75, abs=0.3)
    outside = load_moge(write(tmp_path / "other", seed=1)).infer(IMAGE)
    assert not torch.equal(outside["depth"], out["depth"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("write", [write_moge1, write_moge2_normal])
def test_half_precision_stays_close(
    tmp_path: Path, write: Callable[..., Path], dtype: torch.dtype
) -> None:
    path = write(tmp_path)
    half = load_moge(path, dtype)
    assert {p.dtype for p in half.parameters()} == {dtype}
    expected, out = load_moge(path).infer(IMAGE), half.infer(IMAGE)
    assert out["depth"].dtype == torch.float32
    both = expected["mask"] & out["mask"]
    error = ((out["depth"] - expected["depth"]).abs() / expected["depth"])[both]
    assert error.median() < (0.004 if dtype == torch.float16 else 0.03)


def test_mixed_precision_stays_close(tmp_path: Path) -> None:
    model = load_moge(write_moge2(tmp_path))
    expected, mixed = model.infer(IMAGE)["depth"], model.infer(IMAGE, use_fp16=True)["depth"]
    assert not torch.equal(mixed, expected)
    assert ((mixed - expected).abs() / expected).median() < 0.004


def test_configuration_beside_a_safetensors_file(tmp_path: Path) -> None:
    inside = load_moge(write_moge2_safetensors(tmp_path / "a")).infer(IMAGE)
    path = write_moge2_safetensors(tmp_path / "b", header=False)
    torch.testing.assert_close(load_moge(path).infer(IMAGE)["depth"], inside["depth"])
    configuration = path.with_name("model_config.json")
    content = json.loads(configuration.read_text())
    configuration.rename(path.with_name("model.json"))
    torch.testing.assert_close(load_moge(path).infer(IMAGE)["depth"], inside["depth"])
    path.with_name("model.json").unlink()
    with pytest.raises(ModelLoadError, match="model_config.json"):
        load_moge(path)
    torch.testing.assert_close(
        load_moge(path, config=content).infer(IMAGE)["depth"], inside["depth"]
    )
    path.with_name("model.json").write_text("{")
    with pytest.raises(ModelLoadError, match="model.json is no JSON"):
        load_moge(path)


def test_unknown_configuration_keys_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    encoder = {**V2_CONFIG["encoder"], "drop_path": 0.1}
    with caplog.at_level(logging.WARNING):
        build_moge({**V1_CONFIG, "split_head": True}, BACKBONE)
        build_moge({**V2_CONFIG, "encoder": encoder}, BACKBONE)
    assert "'split_head'" in caplog.text and "'drop_path'" in caplog.text


def test_trained_area_of_older_files() -> None:
    config = {k: v for k, v in V1_CONFIG.items() if k != "num_tokens_range"}
    model = build_moge({**config, "trained_area_range": [250000, 500000]}, BACKBONE)
    assert model.num_tokens_range == (1275, 2551)
    assert build_moge(config, BACKBONE).num_tokens_range == (1200, 2500)


def test_norms_that_a_published_configuration_leaves_out() -> None:
    neck = {k: v for k, v in V2_CONFIG["neck"].items() if not k.startswith("res_block")}
    neck = {**neck, "dim_res_blocks": [32] * 5, "dim_in": [18, 2, 2, 2, 2]}
    heads = {"points_head": None, "mask_head": None}
    model = build_moge({**V2_CONFIG, **heads, "neck": neck}, BACKBONE)
    assert "neck.res_blocks.1.0.layers.0.weight" in model.state_dict()
    assert "neck.res_blocks.1.0.layers.3.weight" in model.state_dict()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "no configuration of MoGe.*nothing"),
        ({"neck": {}}, "no configuration of MoGe"),
        ({**V1_CONFIG, "encoder": "dinov3_vitl16"}, "unknown backbone 'dinov3_vitl16'"),
        ({**V1_CONFIG, "encoder": BACKBONE, "res_block_norm": "spectral"}, "'spectral'"),
        ({**V2_CONFIG, "scale_head": {}}, "cannot be built: 'dims'"),
        ({**V2_CONFIG, "neck": {**V2_CONFIG["neck"], "activation": "silu"}}, "'activation'"),
        ({**V2_CONFIG, "neck": {**V2_CONFIG["neck"], "resamplers": "cubic"}}, "'cubic'"),
    ],
)
def test_unusable_configurations(config: dict[str, Any], words: str) -> None:
    sizes = None if isinstance(config.get("encoder"), str) or not config else BACKBONE
    with pytest.raises(ModelLoadError, match=words):
        build_moge(config, sizes)


def test_extra_tensor(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """MoGe 1 refuses a tensor it does not know, MoGe-2 says that it ignores it."""

    def add(content: dict[str, Any]) -> None:
        content["model"]["confidence_head.weight"] = torch.zeros(1)

    with pytest.raises(ModelLoadError, match="confidence_head.weight"):
        load_moge(edit(write_moge1(tmp_path), add))
    path = write_moge2(tmp_path)
    expected = load_moge(path).infer(IMAGE)["depth"]
    with caplog.at_level(logging.WARNING):
        found = load_moge(edit(path, add)).infer(IMAGE)["depth"]
    assert "confidence_head.weight" in caplog.text
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("write", "name"),
    [
        (write_moge1, "backbone.patch_embed.proj.weight"),
        (write_moge1, "backbone.blocks.2.attn.qkv.weight"),
        (write_moge1, "head.upsample_blocks.1.0.0.weight"),
        (write_moge2, "encoder.backbone.blocks.0.ls1.gamma"),
        (write_moge2, "points_head.output_blocks.4.bias"),
    ],
)
def test_renamed_and_misshapen_tensors_are_named(
    tmp_path: Path, write: Callable[..., Path], name: str
) -> None:
    def rename(content: dict[str, Any]) -> None:
        content["model"][name + "_old"] = content["model"].pop(name)

    def reshape(content: dict[str, Any]) -> None:
        content["model"][name] = content["model"][name][..., None]

    with pytest.raises(ModelLoadError, match=f"model.pt lacks tensor '{name}'; it has .*_old'"):
        load_moge(edit(write(tmp_path), rename))
    with pytest.raises(ModelLoadError, match=f"model.pt: tensor '{name}' is .* needs "):
        load_moge(edit(write(tmp_path), reshape))


@pytest.mark.parametrize("write", [write_moge1, write_moge2_safetensors])
def test_truncated_file_is_named(tmp_path: Path, write: Callable[..., Path]) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelLoadError, match=path.name):
        load_moge(path)


def test_not_finite(tmp_path: Path) -> None:
    def spoil(content: dict[str, Any]) -> None:
        content["model"]["head.projects.1.bias"][3] = torch.nan

    with pytest.raises(ModelLoadError, match="head.projects.1.bias"):
        load_moge(edit(write_moge1(tmp_path), spoil))


def test_file_of_a_published_backbone_without_weights(tmp_path: Path) -> None:
    """A file without the sizes of its unpublished backbone says which backbones there are."""
    path = edit(write_moge2(tmp_path), lambda content: content.pop("backbone"))
    with pytest.raises(ModelLoadError, match="dinov2_tiny.*dinov2_vitl14"):
        load_moge(path)


def test_official_names_survive_the_split_of_query_key_value() -> None:
    """The rows of qkv are thirds: loading a file must put each where the network reads it."""
    state = random_moge(V2_NORMAL_CONFIG, seed=3)
    model = build_moge(V2_NORMAL_CONFIG, BACKBONE)
    model.load_state_dict(state)
    fused = state["encoder.backbone.blocks.1.attn.qkv.weight"]
    attention = model.get_submodule("encoder.backbone.model.encoder.layer.1.attention")
    width = BACKBONE["embed_dim"]
    for index, part in enumerate("qkv"):
        rows = fused[index * width : (index + 1) * width]
        assert torch.equal(attention.get_submodule(f"{part}_proj").weight, rows)


def part(kind: str, path: Path | None) -> GeometryPart:
    weights = None if path is None else WeightFile(path)
    return GeometryPart(kind, None, None, 0.1, True, weights, shared=path is None)


@pytest.mark.parametrize(("kind", "write"), [("moge1", write_moge1), ("moge2", write_moge2)])
def test_profiles_take_the_configuration_from_the_file(
    tmp_path: Path, kind: str, write: Callable[..., Path]
) -> None:
    path = write(tmp_path)
    found, expected = load_geometry(part(kind, path)).infer(IMAGE), load_moge(path).infer(IMAGE)
    torch.testing.assert_close(found["depth"], expected["depth"], rtol=1e-4, atol=1e-4)


def test_profiles_name_the_other_network(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="model.pt holds MoGe2, but the profile says moge1"):
        load_geometry(part("moge1", write_moge2(tmp_path)))
    with pytest.raises(ModelLoadError, match="shares the language model's tower"):
        load_geometry(part("moge1", None))
