# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialGeo's published files at full size with random tensors, to measure how they are loaded."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from bench import full_size
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.files.checkpoint_tensors import checkpoint_shapes
from spatialgeo_ros.models.fusion import HierarchicalAdapter
from spatialgeo_ros.models.moge.moge_checkpoint import build_moge

#: Of the published adapter.
RANK, ALPHA = 128, 256
LAYERS = 32
_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")

PROFILE = """\
name: bench_7b
description: SpatialGeo's layout with random tensors
licence: none
origin: python -m bench gpu
precision: {precision}
image:
  mode: square
  width: 336
  height: 336
  patch: 14
  pad_colour: [122, 116, 104]
geometry:
  kind: moge1
  shared: true
  relative_sigma: 0.20
language:
  kind: llava
  base:
    path: base
    files: [config.json, "*.bin", "*.json", tokenizer.model]
  adapter:
    path: adapter
    files: [adapter_config.json, "adapter_model.*", config.json, non_lora_trainables.bin]
  clip:
    path: clip
    files: [config.json, pytorch_model.bin]
  tower: tower.pt
  prompt: llava_v1
  max_new_tokens: 128
  temperature: 0.2
  quantisation: nf4
"""


def write_spatialgeo(folder: Path, layers: int, device: torch.device, precision: str) -> Path:
    """Write every file and a profile that names them.

    Args:
        folder: Is made.
        layers: Of the language model, of 32; the rest has its full size.
        device: Where random numbers are made.
        precision: Of the profile.

    Returns:
        The profile's path.
    """
    torch.manual_seed(0)
    language = {**full_size.LLAVA_7B, "max_position_embeddings": 4096}
    language["num_hidden_layers"] = min(layers, language["num_hidden_layers"])
    for name in ("base", "adapter", "clip"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    config = _llava_config(language)
    _write_base(folder / "base", language, config, device)
    _write_adapter(folder / "adapter", language, config, device)
    vision = dict(full_size.CLIP_L_336)
    with torch.device("meta"):
        tower = ClipVisionTower(vision)
        moge = build_moge(full_size.moge_configs.V1_VITL)
    _json(
        folder / "clip" / "config.json",
        {"model_type": "clip", "vision_config": vision, "text_config": {}},
    )
    torch.save(_random(_shapes(tower), device), folder / "clip" / "pytorch_model.bin")
    state = _random(checkpoint_shapes(moge), device)
    torch.save(
        {"model_config": dict(full_size.moge_configs.V1_VITL), "model": state}, folder / "tower.pt"
    )
    profile = folder / "bench_7b.yaml"
    profile.write_text(PROFILE.format(precision=precision))
    return profile


def _llava_config(language: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **language,
        "model_type": "llava_llama",
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "mm_hidden_size": full_size.CLIP_L_336["hidden_size"],
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        "image_aspect_ratio": "pad",
    }


def _write_base(
    folder: Path, language: Mapping[str, Any], config: Mapping[str, Any], device: torch.device
) -> None:
    """LLaVA: two .bin shards of its own names in float16, with index and tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    with torch.device("meta"):
        model = LlamaForCausalLM(LlamaConfig(**language))
    shapes = _shapes(model) | _projectors("model.", 0, language)
    names, table = list(shapes), {}
    for number, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), start=1):
        file = f"pytorch_model-{number:05d}-of-00002.bin"
        torch.save(_random({n: shapes[n] for n in part}, device, torch.float16), folder / file)
        table |= dict.fromkeys(part, file)
    _json(folder / "pytorch_model.bin.index.json", {"metadata": {}, "weight_map": table})
    _json(folder / "config.json", config)
    _write_tokenizer(folder)


def _write_adapter(
    folder: Path, language: Mapping[str, Any], config: Mapping[str, Any], device: torch.device
) -> None:
    """The second stage: LoRA updates of every linear layer, and the projectors."""
    wide, inner = language["hidden_size"], language["intermediate_size"]
    rank = min(RANK, wide // 4)
    sizes = {"gate_proj": (inner, wide), "up_proj": (inner, wide), "down_proj": (wide, inner)}
    shapes: dict[str, tuple[int, ...]] = {}
    for layer in range(language["num_hidden_layers"]):
        for target in _TARGETS:
            rows, columns = sizes.get(target, (wide, wide))
            block = "mlp" if target in sizes else "self_attn"
            start = f"base_model.model.model.layers.{layer}.{block}.{target}"
            shapes[f"{start}.lora_A.weight"] = (rank, columns)
            shapes[f"{start}.lora_B.weight"] = (rows, rank)
    save_file(_random(shapes, device, torch.float16), folder / "adapter_model.safetensors")
    _json(
        folder / "adapter_config.json",
        {"peft_type": "LORA", "r": rank, "lora_alpha": ALPHA, "bias": "none",
         "target_modules": list(_TARGETS)},
    )  # fmt: skip
    _json(folder / "config.json", config)
    trained = _random(_projectors("base_model.model.model.", 4, language), device, torch.float16)
    torch.save(trained, folder / "non_lora_trainables.bin")


def _projectors(
    prefix: str, layers: int, language: Mapping[str, Any]
) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        moge = build_moge(full_size.moge_configs.V1_VITL)
        clip = full_size.CLIP_L_336["hidden_size"]
        adapter = HierarchicalAdapter(
            clip, moge.backbone.dim, language["hidden_size"], layers=layers
        )
    return {f"{prefix}{name}": shape for name, shape in _shapes(adapter).items()}


def _shapes(module: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}


def _random(
    shapes: Mapping[str, tuple[int, ...]], device: torch.device, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    def one(name: str, shape: tuple[int, ...]) -> Tensor:
        if "norm" in name and name.endswith("weight"):
            return torch.ones(shape, dtype=dtype)
        values = torch.empty(shape, device=device, dtype=torch.float32).normal_(std=0.02)
        return values.to(dtype).cpu()

    return {name: one(name, shape) for name, shape in shapes.items()}


def _write_tokenizer(folder: Path) -> None:
    import sentencepiece

    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["USER: How far is the mug? ASSISTANT: 1.25 meters"] * 4),
        model_writer=written,
        model_type="bpe",
        vocab_size=300,
        hard_vocab_limit=False,
        byte_fallback=True,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(written.getvalue())
    _json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>",
         "unk_token": "<unk>"},
    )  # fmt: skip


def _json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
