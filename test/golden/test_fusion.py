# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialGeo's towers, adapter, interleaving and input preparation against the papers' code."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.fusion import draw_keep_clip
from spatialgeo_ros.models.spatialgeo import EncodedImages, SpatialGeoModel


@pytest.fixture(scope="module")
def data(golden: Path) -> dict[str, Any]:
    return torch.load(golden / "spatialgeo_fusion.pt", weights_only=True)


@pytest.fixture(scope="module")
def model(data: dict[str, Any]) -> SpatialGeoModel:
    """The tiny network with every tensor loaded strictly under its official name."""
    vision = ClipVisionTower(data["clip_config"])
    vision.vision_model.load_state_dict(data["clip_state_dict_tf5"], strict=True)
    backbone = Dinov2Backbone(data["backbone"])
    backbone.load_state_dict(data["moge_backbone_state_dict"], strict=True)
    hidden = data["config"]["hidden_size"]
    language = {
        "hidden_size": hidden,
        "intermediate_size": 48,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "vocab_size": data["embed_tokens"].shape[0],
    }
    adapter = {
        "clip_dim": data["config"]["mm_hidden_size"],
        "moge_dim": data["backbone"]["embed_dim"],
        "hidden_size": hidden,
        "layers": len(data["moge_layer_features"]),
    }
    model = SpatialGeoModel(language, adapter, vision, backbone).eval()
    model.adapter.load_state_dict(
        {k.removeprefix("model."): v for k, v in data["adapters"].items()}, strict=True
    )
    model.language_model.get_input_embeddings().weight = nn.Parameter(data["embed_tokens"])
    return model


@pytest.fixture(scope="module")
def encoded(data: dict[str, Any], model: SpatialGeoModel) -> EncodedImages:
    with torch.inference_mode():
        return model.encode_images(data["images"], normalised=True)


def test_tower_features(data: dict[str, Any], encoded: EncodedImages) -> None:
    close = torch.testing.assert_close
    close(encoded.clip_features, data["clip_patch_features"], rtol=0, atol=1e-5)
    for layer, expected in zip(encoded.moge_features, data["moge_layer_features"], strict=True):
        close(layer, expected, rtol=0, atol=1e-5)


def test_projected_features(
    data: dict[str, Any], model: SpatialGeoModel, encoded: EncodedImages
) -> None:
    with torch.inference_mode():
        clip = model.adapter.project_clip(encoded.clip_features)
        moge = model.adapter.project_moge(encoded.moge_features)
    torch.testing.assert_close(clip, data["clip_embeds"], rtol=0, atol=2e-5)
    torch.testing.assert_close(moge, data["moge_embeds"], rtol=0, atol=2e-5)


@pytest.mark.parametrize("variant", ["right", "left", "trunc"])
def test_prepare_inputs(
    data: dict[str, Any], model: SpatialGeoModel, encoded: EncodedImages, variant: str
) -> None:
    (key,) = (name for name in data if name.startswith(f"batch_{variant}"))
    options: dict[str, Any] = {"padding_side": "left"} if variant == "left" else {}
    if variant == "trunc":
        options["max_length"] = int(key.removeprefix("batch_trunc"))
    with torch.inference_mode():
        visual, _ = model.visual_embeds(encoded.clip_features, encoded.moge_features)
        out = model.prepare_inputs(
            data["input_ids"],
            list(visual),
            attention_mask=data["attention_mask"],
            labels=data["labels"],
            **options,
        )
    expected = data[key]
    torch.testing.assert_close(out.inputs_embeds, expected["inputs_embeds"], rtol=0, atol=2e-5)
    assert out.labels is not None and torch.equal(out.labels, expected["labels"])
    assert out.attention_mask is not None
    assert torch.equal(out.attention_mask, expected["attention_mask"])
    assert out.position_ids is None and expected["position_ids"] is None


def test_prepare_single_without_mask(
    data: dict[str, Any], model: SpatialGeoModel, encoded: EncodedImages
) -> None:
    with torch.inference_mode():
        visual, _ = model.visual_embeds(encoded.clip_features, encoded.moge_features)
        out = model.prepare_inputs(data["input_ids"][:1], [visual[0]])
    expected = data["single_no_mask"]
    torch.testing.assert_close(out.inputs_embeds, expected["inputs_embeds"], rtol=0, atol=2e-5)
    assert (out.attention_mask, out.position_ids, out.labels) == (None, None, None)


def test_every_stored_result_is_tested(data: dict[str, Any]) -> None:
    inputs = {
        "config", "clip_config", "backbone", "clip_state_dict_tf5", "moge_backbone_state_dict",
        "adapters", "embed_tokens", "images", "input_ids", "attention_mask", "labels",
    }  # fmt: skip
    results = {key for key in data if key not in inputs and not key.startswith("batch_")}
    assert results == {
        "clip_patch_features", "moge_layer_features", "clip_embeds", "moge_embeds",
        "single_no_mask",
    }  # fmt: skip


def test_drop_draws(golden: Path) -> None:
    data = torch.load(golden / "spatialgeo_drop_draws.pt", weights_only=True)
    kept = draw_keep_clip(len(data["keep_clip"]), random.Random(int(data["seed"])))
    assert kept == [bool(k) for k in data["keep_clip"]]
