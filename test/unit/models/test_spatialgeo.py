# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Packing, region tokens and the assembled nano network."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.models.fusion import (
    IMAGE_ID,
    REGION_ID,
    HierarchicalAdapter,
    draw_keep_clip,
    fourier_features,
    prepare_inputs,
)
from spatialgeo_ros.models.packing import next_token_targets
from spatialgeo_ros.models.region_features import METRES_PER_UNIT, region_statistics
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel

LANGUAGE = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 40,
    "max_position_embeddings": 128,
}
ADAPTER = {
    "clip_dim": 12,
    "moge_dim": 10,
    "hidden_size": 32,
    "region_tokens": True,
    "unit_scale": True,
}
PATCHES = 6


@pytest.fixture(scope="module")
def model() -> SpatialGeoModel:
    torch.manual_seed(0)
    return SpatialGeoModel(LANGUAGE, ADAPTER).eval()


@pytest.fixture(scope="module")
def features() -> tuple[torch.Tensor, list[torch.Tensor]]:
    torch.manual_seed(1)
    return torch.randn(2, PATCHES, 12), [torch.randn(2, PATCHES, 10) for _ in range(4)]


def run_alone(
    model: SpatialGeoModel, visual: torch.Tensor, ids: list[int], regions: torch.Tensor
) -> torch.Tensor:
    """Logits over one question by the ordinary, unpacked path."""
    prepared = model.prepare_inputs(
        torch.tensor([[1, IMAGE_ID, *ids]]), [visual], region_embeds=regions
    )
    logits = model.language_model(inputs_embeds=prepared.inputs_embeds).logits[0]
    return logits[1 + len(visual) :]


@pytest.mark.parametrize("keep_clip", [None, [True, False]])
def test_packed_questions_equal_single_ones(
    model: SpatialGeoModel,
    features: tuple[torch.Tensor, list[torch.Tensor]],
    keep_clip: list[bool] | None,
) -> None:
    blocks = [[[5, REGION_ID, 6, 7], [8, 9]], [[10, 11, REGION_ID], [REGION_ID, 12, 13, 14]]]
    slots = {0: [1], 2: [0], 3: [2]}
    regions = torch.randn(2, 3, 32)
    ids = torch.zeros(2, 8, dtype=torch.long)
    block_ids = torch.full((2, 8), -1)
    region_slots = torch.zeros(2, 8, dtype=torch.long)
    for row, questions in enumerate(blocks):
        start = 0
        for number, question in enumerate(questions):
            stop = start + len(question)
            ids[row, start:stop] = torch.tensor(question)
            block_ids[row, start:stop] = number
            for offset, token in enumerate(question):
                if token == REGION_ID:
                    region_slots[row, start + offset] = slots[row * 2 + number][0]
            start = stop
    with torch.inference_mode():
        visual, valid = model.visual_embeds(*features, keep_clip)
        prefix, prefix_valid = model.prefix(visual, valid, before_ids=[1])
        text = model.text_embeds(ids, regions, region_slots)
        logits = model.forward_packed(prefix, text, block_ids, prefix_valid=prefix_valid)
        for row, questions in enumerate(blocks):
            tokens = visual[row] if valid is None else visual[row][valid[row]]
            start = 0
            for number, question in enumerate(questions):
                stop = start + len(question)
                chosen = regions[row][slots.get(row * 2 + number, [])]
                alone = run_alone(model, tokens, question, chosen)
                torch.testing.assert_close(logits[row, start:stop], alone, rtol=0, atol=2e-5)
                start = stop
        chosen_only = model.forward_packed(
            prefix, text, block_ids, prefix_valid=prefix_valid, select=block_ids >= 0
        )
    torch.testing.assert_close(chosen_only, logits[block_ids >= 0])


def test_dropped_clip_leaves_only_moge_tokens(
    model: SpatialGeoModel, features: tuple[torch.Tensor, list[torch.Tensor]]
) -> None:
    clip, moge = features
    visual, valid = model.visual_embeds(clip, moge, [True, False])
    assert valid is not None
    assert valid.sum(dim=1).tolist() == [2 * PATCHES, PATCHES]
    expected = model.adapter.project_moge([m[1:] for m in moge])[0]
    torch.testing.assert_close(visual[1][valid[1]], expected)
    torch.testing.assert_close(
        visual[0, 1::2], model.adapter.project_moge([m[:1] for m in moge])[0]
    )


def test_targets_stay_inside_their_block() -> None:
    labels = torch.tensor([[-100, 4, 5, -100, 6, -100]])
    blocks = torch.tensor([[0, 0, 0, 1, 1, -1]])
    assert next_token_targets(labels, blocks).tolist() == [[4, 5, -100, 6, -100, -100]]


def test_drop_rate_is_thirty_per_cent() -> None:
    kept = draw_keep_clip(4000, random.Random(0))
    assert sum(kept) / len(kept) == pytest.approx(0.7, abs=0.02)


def test_placeholders_without_their_embeddings_are_refused(model: SpatialGeoModel) -> None:
    table = model.language_model.get_input_embeddings()
    ids = torch.tensor([[1, IMAGE_ID, 4]])
    with pytest.raises(BadRequestError, match="1 image placeholders but 0"):
        prepare_inputs(table, ids, [])
    with pytest.raises(BadRequestError, match="1 region placeholders but 0"):
        prepare_inputs(table, torch.tensor([[1, REGION_ID]]), [])
    with pytest.raises(ValueError, match="region placeholders"):
        model.text_embeds(torch.tensor([[1, REGION_ID]]))


def test_region_embedding_is_pooled_plus_geometry(model: SpatialGeoModel) -> None:
    adapter = model.adapter
    clip, moge = torch.randn(1, PATCHES, 32), torch.randn(1, PATCHES, 32)
    weights = torch.zeros(1, 1, PATCHES)
    weights[0, 0, 2:4] = torch.tensor([0.2, 0.6])
    statistics = torch.randn(1, 1, 16)
    out = adapter.region_embeddings(clip, moge, weights, statistics)
    geometry = adapter._scale(adapter.region_encoder(fourier_features(statistics)))
    mean = 0.25 * (clip + moge)[0, 2] + 0.75 * (clip + moge)[0, 3]
    torch.testing.assert_close(out[0, 0], mean + geometry[0, 0])
    dropped = adapter.region_embeddings(clip, moge, weights, statistics, torch.tensor([False]))
    torch.testing.assert_close(
        dropped[0, 0], 0.25 * moge[0, 2] + 0.75 * moge[0, 3] + geometry[0, 0]
    )
    plain = HierarchicalAdapter(12, 10, 32)
    with pytest.raises(BadRequestError, match="region"):
        plain.region_embeddings(clip, moge, weights, statistics)


def test_region_statistics_of_a_known_box() -> None:
    points = np.full((20, 40, 3), np.nan, dtype=np.float32)
    mask = np.zeros((20, 40), dtype=bool)
    mask[5:15, 10:30] = True
    y, x = np.mgrid[0:10, 0:20]
    points[5:15, 10:30] = np.stack([x / 19 - 0.5, y / 9 - 0.5, np.full(x.shape, 3.0)], axis=-1)
    out = region_statistics(points, mask)
    np.testing.assert_allclose(out[0:3] * METRES_PER_UNIT, [0, 0, 3], atol=1e-6)
    np.testing.assert_allclose(out[3:6] * METRES_PER_UNIT, [0.9, 0.9, 0], atol=0.12)
    np.testing.assert_allclose(out[11:15], [0.25, 0.25, 0.75, 0.75])
    assert out[15] == pytest.approx(0.25)
    # A camera pitched 30 degrees down: the same points lie lower in the level frame.
    gravity = [0, np.cos(np.pi / 6), np.sin(np.pi / 6)]
    level = region_statistics(points, mask, gravity)
    np.testing.assert_allclose(
        level[0:3] * METRES_PER_UNIT, [0, 1.5, 3 * np.cos(np.pi / 6)], atol=1e-5
    )


def test_region_statistics_without_points_keep_the_box() -> None:
    points = np.full((4, 4, 3), np.nan, dtype=np.float32)
    out = region_statistics(points, np.eye(4, dtype=bool))
    assert not out[:11].any()
    assert out[15] == 0.25
    with pytest.raises(ValueError, match="empty"):
        region_statistics(points, np.zeros((4, 4), dtype=bool))
