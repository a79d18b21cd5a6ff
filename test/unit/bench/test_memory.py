# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The memory benchmark counts what is really allocated, and full sizes are the published ones."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from bench import full_size, memory
from bench.live_bytes import working_bytes
from spatialgeo_ros.models.files.weights import weight_bytes
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.models.quantise import is_quantisable, pack_linear
from spatialgeo_ros.models.vggt import VggtConfig

GIB = 2**30
CPU = torch.device("cpu")


@pytest.mark.parametrize("shape", [(64, 64), (96, 200), (48, 24), (1024, 640)])
@pytest.mark.parametrize("quantisation", ["nf4", "int8"])
def test_rule_for_packed_bytes_is_that_of_a_packed_layer(
    shape: tuple[int, int], quantisation: str
) -> None:
    pytest.importorskip("bitsandbytes")
    layer = pack_linear(torch.randn(shape), None, quantisation, torch.float32, CPU)
    rule = memory.nf4_bytes(shape[0] * shape[1])
    if quantisation == "int8":
        rule = memory.int8_bytes(*shape)
    assert weight_bytes(layer) == rule


def counts(name: str, quantisation: str = "none") -> dict[str, tuple[int, int]]:
    profile = load_profile(name)
    dtype = getattr(torch, profile.memory_precision)
    return memory.count(full_size.full_size(profile), dtype, quantisation)


def test_full_sizes_are_the_published_ones() -> None:
    millions = {
        name: {part: round(number / 1e6, 2) for part, (number, _) in counts(name).items()}
        for name in ("moge_l", "moge2_l", "spatialgeo_7b", "llava_1_5_7b", "spatial_mllm_3b")
    }
    assert millions["moge_l"]["geometry"] == 314.17
    assert millions["moge2_l"]["geometry"] == 330.90
    geo, llava = millions["spatialgeo_7b"], millions["llava_1_5_7b"]
    assert geo["MoGe tower with heads"] == 314.17
    assert llava["projectors"] == 20.98 and geo["projectors"] == 5 * 20.98
    language = [v for part, v in geo.items() if part.startswith("language model")]
    assert sum(language) == pytest.approx(6738.42, abs=0.01)  # LLaMA-7B
    mllm = millions["spatial_mllm_3b"]
    assert mllm["connector"] == pytest.approx(302.0, abs=0.05)
    assert mllm["VGGT"] == pytest.approx(909.1, abs=0.05)
    qwen = [v for part, v in mllm.items() if "language" in part or part == "image tower"]
    assert sum(qwen) == pytest.approx(3754.62, abs=0.02)  # Qwen2.5-VL-3B


def test_spatialgeo_in_nf4_leaves_room_below_the_goal() -> None:
    total = sum(size for _, size in counts("spatialgeo_7b", "nf4").values())
    assert 5.0 * GIB < total < memory.GOAL_GIB * GIB - 0.2 * GIB
    keys = counts("spatialgeo_7b")["keys and values of 1,152 + 128 tokens"][1]
    assert keys == 2 * 32 * 4096 * 2 * (1152 + 128)


@pytest.mark.parametrize(
    "name",
    ["nano", "moge2_s", "moge2_l", "moge_l", "spatialgeo_7b", "qwen2_5_vl_3b", "spatialrgpt_8b"],
)
def test_profiles_state_what_is_counted(name: str) -> None:
    profile = load_profile(name)
    for key, stated in profile.memory.items():
        quantised = key in ("nf4", "int8")
        dtype = getattr(torch, profile.memory_precision if quantised else key)
        found = memory.count(
            full_size.full_size(profile), dtype, key if quantised else "none"
        )  # fmt: skip
        total = sum(size for _, size in found.values()) / GIB
        assert stated == pytest.approx(total, rel=0.02, abs=0.005)


SMALL = {
    "LLAVA_7B": {
        "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 50,
    },
    "CLIP_L_336": {**full_size.CLIP_L_336, "hidden_size": 32, "intermediate_size": 64,
                   "num_hidden_layers": 2, "num_attention_heads": 2},
    "QWEN_3B_TEXT": {
        **full_size.QWEN_3B_TEXT, "hidden_size": 64, "intermediate_size": 128,
        "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 50, "max_window_layers": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2, 3, 3]},
    },
    "QWEN_3B_VISION": {
        **full_size.QWEN_3B_VISION, "depth": 2, "hidden_size": 32, "intermediate_size": 48,
        "num_heads": 2, "out_hidden_size": 64, "fullatt_block_indexes": [1],
    },
    "VGGT_1B": VggtConfig(embed_dim=32, depth=2, num_heads=2, patch_embed_depth=2,
                          patch_embed_heads=2, dpt_layers=(0, 1, 1, 1)),
    "FRAME_GRID": (6, 8),
    "LLAMA_3_8B": {**full_size.LLAMA_3_8B, "hidden_size": 64, "intermediate_size": 96,
                   "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
                   "vocab_size": 100},
    "SIGLIP_SO400M": {**full_size.SIGLIP_SO400M, "hidden_size": 32, "intermediate_size": 48,
                      "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 84},
}  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every published size made small, so that the networks can be filled and run here."""
    for key, value in SMALL.items():
        monkeypatch.setattr(full_size, key, value)
    moge = {**full_size.moge_configs.V1_VITL, "encoder": "dinov2_vits14", "dim_proj": 32,
            "dim_upsample": [64, 32]}  # fmt: skip
    monkeypatch.setattr(full_size.moge_configs, "V1_VITL", moge)


@pytest.mark.parametrize(
    "name",
    ["spatialgeo_7b", "llava_1_5_7b", "spatial_mllm_3b", "qwen2_5_vl_3b", "spatialrgpt_8b", "nano"],
)
@pytest.mark.parametrize("quantisation", ["none", "nf4"])
def test_filled_networks_have_the_counted_bytes_and_run(
    small: None, name: str, quantisation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if quantisation != "none":
        pytest.importorskip("bitsandbytes")
    profile = load_profile(name)
    counted = memory.count(full_size.full_size(profile), torch.float32, quantisation)
    weights = sum(size for part, (_, size) in counted.items() if "keys and" not in part)
    networks = full_size.full_size(profile)
    calls: list[Any] = []
    for call in ("reset_peak_memory_stats", "synchronize"):
        monkeypatch.setattr(torch.cuda, call, calls.append)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _: len(calls))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: len(calls))
    steps = memory.measured(networks, CPU, torch.float32, quantisation)
    assert list(steps)[0] == "weights" and "prefill" in steps
    assert sum(map(weight_bytes, networks.modules.values())) == weights
    assert networks.language is not None
    packed = [m for n, m in networks.language.named_modules() if is_quantisable(n, m)]
    assert packed and all(("4bit" in type(m).__name__) == (quantisation == "nf4") for m in packed)


def test_prefill_leaves_the_counted_keys_and_values(small: None) -> None:
    networks = full_size.full_size(load_profile("spatialgeo_7b"))
    with torch.inference_mode():
        full_size.fill(networks, CPU, torch.float32, "none")
        for _, step in networks.steps(CPU, torch.float32):
            result: Any = step()
    cache = result["cache" if "cache" in result else "past_key_values"]  # before transformers 5.24
    size = sum(t.numel() for layer in cache.layers for t in (layer.keys, layer.values))
    assert size == networks.cache_values * (networks.visual_tokens + full_size.TEXT_TOKENS)


def test_working_memory_is_what_is_alive_at_one_time(small: None) -> None:
    # One matrix product of known size: input, output and its square at the same time.
    class Square(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x @ x.T) * 2

    square = Square()
    networks = full_size.FullSize(
        {"square": square}, None,
        lambda device, dtype: (lambda x: [("square", lambda: square(x))])(
            torch.rand(100, 50, device=device, dtype=dtype)
        ),
    )  # fmt: skip
    found = working_bytes(networks, torch.float32, "none")
    assert found == {"square": 4 * (100 * 50 + 2 * 100 * 100)}


def test_prefill_holds_keys_values_and_one_unpacked_layer(small: None) -> None:
    profile = load_profile("spatialgeo_7b")
    plain = working_bytes(full_size.full_size(profile), torch.bfloat16, "none")
    packed = working_bytes(full_size.full_size(profile), torch.bfloat16, "nf4")
    networks = full_size.full_size(profile)
    tokens = networks.visual_tokens + full_size.TEXT_TOKENS
    cache = 2 * networks.cache_values * tokens
    assert cache < plain["prefill"] < 8 * cache
    assert packed["prefill"] - plain["prefill"] == 2 * 64 * 128
    assert packed["image towers"] == plain["image towers"] > 0


def test_table_compares_with_the_unquantised_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert memory.main(["--profile", "spatialgeo_7b"]) == 0
    text = capsys.readouterr().out
    assert "| total | 7,448.40 | 14.499 | 5.548 |" in text
    assert "| of the first column |  | 1 | 0.383 |" in text
    peak = re.search(r"([\d.]+) GiB at the peak, counted", text)
    assert peak is not None and 5.6 < float(peak[1]) < memory.GOAL_GIB
