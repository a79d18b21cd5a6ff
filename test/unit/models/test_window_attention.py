# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Qwen2.5-VL's tower with windows of one size in one call, against transformers' own loop."""

from __future__ import annotations

import copy

import pytest
import torch
from torch.nn import functional as F
from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
    Qwen2_5_VisionTransformerPretrainedModel,
)

from spatialgeo_ros.models.spatial_mllm.window_attention import (
    WindowAttention,
    group,
    group_windows,
    see,
)

CPU = torch.device("cpu")
CONFIG = {
    "depth": 4, "hidden_size": 32, "intermediate_size": 48, "num_heads": 4, "out_hidden_size": 24,
    "patch_size": 14, "window_size": 56, "fullatt_block_indexes": [1, 3],
}  # fmt: skip


@pytest.fixture(scope="module")
def towers() -> tuple[Qwen2_5_VisionTransformerPretrainedModel, ...]:
    """Transformers' tower, and one of the same weights with grouped windows."""
    torch.manual_seed(0)
    plain = Qwen2_5_VisionTransformerPretrainedModel(Qwen2_5_VLVisionConfig(**CONFIG)).eval()
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    grouped = copy.deepcopy(plain)
    group_windows(grouped)
    assert grouped.state_dict().keys() == plain.state_dict().keys()
    grouped.load_state_dict(plain.state_dict(), assign=True)
    return plain, grouped


# Whole windows only; narrow and low ones at the edges; a frame below a window; one row of them.
@pytest.mark.parametrize("grid", [(1, 8, 8), (3, 10, 14), (2, 6, 4), (1, 2, 2), (4, 2, 18)])
def test_the_tower_computes_the_same(
    towers: tuple[Qwen2_5_VisionTransformerPretrainedModel, ...], grid: tuple[int, int, int]
) -> None:
    plain, grouped = towers
    t, h, w = grid
    pixels = torch.randn(t * h * w, 1176, generator=torch.Generator().manual_seed(h))
    with torch.inference_mode():
        expected = plain(pixels, grid_thw=torch.tensor([grid])).pooler_output
        torch.testing.assert_close(see(grouped, pixels, grid), expected, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(  # bounds on the device, and no plan
            grouped(pixels, grid_thw=torch.tensor([grid])).pooler_output,
            expected, rtol=1e-5, atol=1e-5,
        )  # fmt: skip


def test_a_clip_costs_one_call_per_window_size_and_layer(
    towers: tuple[Qwen2_5_VisionTransformerPretrainedModel, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 36 windows in three sizes, 36 calls become 3; of three whole frames, 3 become 1."""
    calls = []
    original = F.scaled_dot_product_attention

    def counted(*args: torch.Tensor, **kwargs: object) -> torch.Tensor:
        calls.append(tuple(args[0].shape[:1]) + tuple(args[0].shape[2:3]))
        return original(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", counted)
    with torch.inference_mode():
        see(towers[1], torch.randn(3 * 10 * 14, 1176), (3, 10, 14))
    # A frame has 5 x 7 merged tokens of four patches; windows are 2 x 2 of them. Six are whole,
    # five at the edges are half, the corner is a quarter.
    windows = [(3 * 6, 16), (3 * 5, 8), (3 * 1, 4)]
    assert calls == [*windows, (3, 140), *windows, (3, 140)]


def test_segments_are_grouped_by_length_and_come_back_in_order() -> None:
    grouping = group((2, 1, 2, 3, 1), CPU)
    assert grouping.groups == ((2, 2), (2, 1), (1, 3))
    assert grouping.order is not None and grouping.inverse is not None
    assert grouping.order.tolist() == [0, 1, 3, 4, 2, 8, 5, 6, 7]
    assert grouping.order[grouping.inverse].tolist() == list(range(9))
    assert group((4, 4), CPU).order is None


def test_positions_are_needed(
    towers: tuple[Qwen2_5_VisionTransformerPretrainedModel, ...],
) -> None:
    attention = towers[1].blocks[0].attn
    assert isinstance(attention, WindowAttention)
    with pytest.raises(ValueError, match="position embeddings"):
        attention(torch.zeros(4, 32), torch.tensor([0, 4]))
