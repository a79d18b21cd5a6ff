# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny Spatial-MLLM checkpoints in the layouts that transformers 4.51 wrote, of both versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import pre_tokenizers
from torch import Tensor
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2Tokenizer

from checkpoints.vggt import random_vggt

SPECIAL_TOKENS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>",
    "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>",
)  # fmt: skip
_BYTES = 256
_MERGES = ("t h", "th e", "i n", "Ġ the", "Ġ i", "c h")
VOCABULARY = _BYTES + len(_MERGES) + len(SPECIAL_TOKENS)
HIDDEN = 64
VGGT_TOKEN = 64  # twice the tiny VGGT's width
_SHARDS = 3


def write_spatial_mllm_3b(folder: Path, seed: int = 0, version: str = "1.1") -> Path:
    """Write a folder as published, with random weights in bfloat16; returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = tiny_config(version)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    ids = write_tokenizer(folder)
    generation = {
        "do_sample": True,
        "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]],
        "repetition_penalty": 1.05,
        "temperature": 1e-06,
    }
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2))
    write_shards(folder, random_state(config, version, seed))
    return folder


def write_qwen_vl(folder: Path, seed: int = 0) -> Path:
    """Write a Qwen2.5-VL folder as published, with random weights in bfloat16; returns it."""
    write_spatial_mllm_3b(folder, seed)
    config = {**tiny_config(), "model_type": "qwen2_5_vl"}
    config["architectures"] = ["Qwen2_5_VLForConditionalGeneration"]
    for key in ("spatial_config", "connector_config"):
        config.pop(key)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    own = ("spatial_encoder.", "connector.")
    state = random_state(tiny_config(), seed=seed)
    write_shards(folder, {name: t for name, t in state.items() if not name.startswith(own)})
    return folder


def tiny_config(version: str = "1.1") -> dict[str, Any]:
    """``config.json``: flat, as transformers 4.51 wrote Qwen2.5-VL's."""
    token = {name: VOCABULARY - len(SPECIAL_TOKENS) + i for i, name in enumerate(SPECIAL_TOKENS)}
    config: dict[str, Any] = {
        "architectures": ["Qwen2_5_VL_VGGTForConditionalGeneration"],
        "model_type": "qwen2_5_vl",
        "attention_dropout": 0.0,
        "bos_token_id": token["<|endoftext|>"],
        "eos_token_id": token["<|im_end|>"],
        "image_token_id": token["<|image_pad|>"],
        "video_token_id": token["<|video_pad|>"],
        "vision_start_token_id": token["<|vision_start|>"],
        "vision_end_token_id": token["<|vision_end|>"],
        "vision_token_id": token["<|vision_pad|>"],
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": 96,
        "max_position_embeddings": 4096,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_scaling": {"mrope_section": [2, 3, 3], "rope_type": "default", "type": "default"},
        "rope_theta": 1000000.0,
        "sliding_window": 4096,
        "use_sliding_window": False,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "vocab_size": VOCABULARY,
        "vision_config": {
            "depth": 2,
            "fullatt_block_indexes": [1],
            "hidden_act": "silu",
            "hidden_size": 32,
            "in_chans": 3,
            "intermediate_size": 48,
            "model_type": "qwen2_5_vl",
            "num_heads": 2,
            "out_hidden_size": HIDDEN,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "temporal_patch_size": 2,
            "tokens_per_second": 2,
            "window_size": 112,
        },
    }
    if version == "1.1":
        config["architectures"] = ["SpatialMLLMForConditionalGeneration"]
        config["model_type"] = "spatial-mllm"
        config["spatial_config"] = {"img_size": 70, "patch_size": 14, "embed_dim": 32}
        config["connector_config"] = {
            "connector_type": "mlp_add",
            "spatial_embeds_layer_idx": -1,
        }
    return config


def pieces() -> list[str]:
    """The vocabulary in the order of its ids."""
    merged = [merge.replace(" ", "") for merge in _MERGES]
    return [*sorted(pre_tokenizers.ByteLevel.alphabet()), *merged, *SPECIAL_TOKENS]


def is_printable(piece: str) -> bool:
    """Whether a piece is ASCII text."""
    return all(letter.isascii() or letter == "Ġ" for letter in piece) and "|" not in piece


def write_tokenizer(folder: Path) -> dict[str, int]:
    """Write a byte-level tokenizer with Qwen's special tokens; returns the ids of those."""
    tokenizer = Qwen2Tokenizer(
        vocab={p: index for index, p in enumerate(pieces()) if p not in SPECIAL_TOKENS},
        merges=[tuple(merge.split(" ")) for merge in _MERGES],
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token=None,
    )
    tokenizer.add_tokens(list(SPECIAL_TOKENS), special_tokens=True)
    tokenizer.save_pretrained(str(folder))
    vocabulary = tokenizer.get_vocab()
    return {name: vocabulary[name] for name in SPECIAL_TOKENS}


def random_state(config: dict[str, Any], version: str = "1.1", seed: int = 0) -> dict[str, Tensor]:
    """All tensors of a checkpoint under the official names of its version."""
    own = ("model_type", "architectures", "spatial_config", "connector_config")
    with torch.device("meta"):
        qwen = Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(**{key: value for key, value in config.items() if key not in own})
        )
    shapes = {}
    for name, tensor in qwen.state_dict().items():
        if name != "lm_head.weight":  # tied to the embedding table
            official = name.removeprefix("model.") if name.startswith("model.visual.") else name
            shapes[official.replace("model.language_model.", "model.")] = tuple(tensor.shape)
    shapes |= connector_shapes(version)
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=generator)
        if len(shape) > 1:
            # Queries and keys large enough that attention picks some of the many visual tokens.
            gain = (
                4
                if name.startswith("model.layers") and ("q_proj" in name or "k_proj" in name)
                else 1
            )
            state[name] = gain * noise * noise[0].numel() ** -0.5
        else:
            state[name] = noise * 0.1 + float(name.endswith(("norm.weight", "layernorm.weight")))
    # The table is the output layer too. Small, or every token would be followed by itself;
    # smaller for what cannot be printed, or answers would hardly hold a character.
    table = state["model.embed_tokens.weight"]
    table *= torch.tensor([0.2 if is_printable(piece) else 0.05 for piece in pieces()])[:, None]
    vggt = "spatial_encoder.vggt_model." if version == "1.1" else "vggt."
    state |= {vggt + name: tensor for name, tensor in random_vggt(seed=seed).items()}
    return {name: tensor.to(torch.bfloat16) for name, tensor in state.items()}


def connector_shapes(version: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the connector's tensors."""
    merged = 8 * VGGT_TOKEN
    if version == "1.1":
        prefix, norms, layers = (
            "connector.",
            {"ln_q": merged},
            {"mlp.0": (merged, merged), "mlp.2": (HIDDEN, merged)},
        )
    else:
        prefix, norms, layers = (
            "vggt_embedding_merger.",
            {"token_merge_ln_q": merged, "vgg_to_language_ln_q": HIDDEN},
            {
                "token_merge_mlp.0": (merged, merged),
                "token_merge_mlp.2": (HIDDEN, merged),
                "vgg_to_language_mlp.0": (HIDDEN, HIDDEN),
                "vgg_to_language_mlp.2": (HIDDEN, HIDDEN),
            },
        )
    shapes: dict[str, tuple[int, ...]] = {f"{prefix}{n}.weight": (d,) for n, d in norms.items()}
    for name, shape in layers.items():
        shapes[f"{prefix}{name}.weight"] = shape
        shapes[f"{prefix}{name}.bias"] = shape[:1]
    return shapes


def write_shards(folder: Path, state: dict[str, Tensor]) -> None:
    """Write tensors to several files and their index."""
    names = list(state)
    table = {}
    for shard in range(_SHARDS):
        file = f"model-{shard + 1:05d}-of-{_SHARDS:05d}.safetensors"
        part = names[shard::_SHARDS]
        save_file({n: state[n].contiguous() for n in part}, folder / file, {"format": "pt"})
        table |= dict.fromkeys(part, file)
    size = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    index = {"metadata": {"total_size": size}, "weight_map": table}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
