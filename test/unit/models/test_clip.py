# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The CLIP towers against transformers' own CLIPModel, and the nano variants' shapes."""

from __future__ import annotations

import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from spatialgeo_ros.models.clip import (
    NANO_TEXT_CONFIG,
    NANO_VISION_CONFIG,
    Clip,
    ClipVisionTower,
)

VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "image_size": 56,
    "patch_size": 14,
}
TEXT = {
    "hidden_size": 24,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 50,
    "max_position_embeddings": 12,
    "eos_token_id": 49,
    "bos_token_id": 48,
}


@pytest.fixture(scope="module")
def pair() -> tuple[Clip, CLIPModel]:
    """Our towers and transformers' with the same random weights."""
    torch.manual_seed(0)
    reference = CLIPModel(
        CLIPConfig(vision_config=VISION, text_config=TEXT, projection_dim=16)
    ).eval()
    ours = Clip(VISION, TEXT, projection_dim=16).eval()
    ours.load_state_dict(reference.state_dict(), strict=True)
    return ours, reference


def test_patch_features_are_penultimate_without_class_token(
    pair: tuple[Clip, CLIPModel],
) -> None:
    ours, reference = pair
    pixels = torch.randn(2, 3, 56, 56)
    with torch.inference_mode():
        hidden = reference.vision_model(pixels, output_hidden_states=True).hidden_states
        torch.testing.assert_close(ours(pixels), hidden[-2][:, 1:], rtol=0, atol=1e-6)


def test_other_grids_interpolate_like_transformers(pair: tuple[Clip, CLIPModel]) -> None:
    ours, reference = pair
    pixels = torch.randn(1, 3, 42, 84)
    with torch.inference_mode():
        expected = reference.vision_model(pixels, interpolate_pos_encoding=True).last_hidden_state
        torch.testing.assert_close(ours.encode(pixels)[1], expected, rtol=0, atol=1e-6)


def test_logits_equal_clip_model(pair: tuple[Clip, CLIPModel]) -> None:
    ours, reference = pair
    pixels = torch.randn(2, 3, 56, 56)
    ids = torch.tensor([[48, 3, 4, 49, 0], [48, 7, 49, 0, 0], [48, 1, 2, 3, 49]])
    mask = torch.tensor([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    with torch.inference_mode():
        expected = reference(
            input_ids=ids, attention_mask=mask, pixel_values=pixels
        ).logits_per_image
        image = ours.image_embedding(ours.encode(pixels)[1])
        logits = ours.contrastive_logits(image, ours.text_embedding(ids, mask))
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def nano() -> Clip:
    torch.manual_seed(0)
    return Clip(NANO_VISION_CONFIG, {**NANO_TEXT_CONFIG, "vocab_size": 60}).eval()


def test_nano_features_have_unit_scale(nano: Clip) -> None:
    with torch.inference_mode():
        features = nano(nano.normalise(torch.rand(2, 3, 96, 128)))
    assert features.shape == (2, 48, 192)
    torch.testing.assert_close(
        features.var(dim=-1, correction=0), torch.ones(2, 48), rtol=0, atol=1e-2
    )


def test_region_embedding_is_the_pooled_patches(nano: Clip) -> None:
    features = torch.randn(1, 48, 192)
    weights = torch.zeros(1, 2, 48)
    weights[0, 0, 5] = 0.5
    weights[0, 1, :2] = 1
    with torch.inference_mode():
        patches = nano.patch_embedding(features)
        regions = nano.region_embedding(features, weights)
    torch.testing.assert_close(regions[0, 0], patches[0, 5])


def test_nano_grid_is_fixed(nano: Clip) -> None:
    with pytest.raises(ValueError, match="fixed grid"):
        nano(torch.zeros(1, 3, 128, 96))


def test_stem_must_match_the_patch() -> None:
    with pytest.raises(ValueError, match="stride-2"):
        ClipVisionTower({**NANO_VISION_CONFIG, "conv_stem": [24, 48, 96]})
