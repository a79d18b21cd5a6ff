# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny LLaVA, SpatialGeo, CLIP and MoGe-tower checkpoints, with a tokenizer of their own.

84-pixel images give 36 patches of CLIP and as many of MoGe, so a SpatialGeo prompt has 72 visual
tokens.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModel

from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.query.families import all_texts

HIDDEN, INTERMEDIATE, LAYERS, HEADS, VOCABULARY = 48, 80, 2, 4, 450
CLIP_DIM, CLIP_LAYERS, IMAGE_SIZE, PATCH = 32, 3, 84, 14
MOGE_DIM, MOGE_DEPTH = 64, 5
RANK, ALPHA = 4, 8

LANGUAGE: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "intermediate_size": INTERMEDIATE,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS,
    "rms_norm_eps": 1e-5,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": 512,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
}
LLAVA_CONFIG: dict[str, Any] = {
    **LANGUAGE,
    "model_type": "llava",
    "rope_theta": 10000.0,
    "rope_scaling": None,
    "mm_vision_tower": "openai/clip-vit-large-patch14-336",
    "mm_hidden_size": CLIP_DIM,
    "mm_projector_type": "mlp2x_gelu",
    "mm_vision_select_layer": -2,
    "mm_vision_select_feature": "patch",
    "mm_use_im_start_end": False,
    "mm_use_im_patch_token": False,
    "image_aspect_ratio": "pad",
    "tokenizer_padding_side": "right",
    "tokenizer_model_max_length": 160,
}
VISION: dict[str, Any] = {
    "hidden_size": CLIP_DIM,
    "intermediate_size": 2 * CLIP_DIM,
    "num_hidden_layers": CLIP_LAYERS,
    "num_attention_heads": 4,
    "image_size": IMAGE_SIZE,
    "patch_size": PATCH,
    "hidden_act": "quick_gelu",
}
LORA_TARGETS = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
)  # fmt: skip


def random_state(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """Tensors sized so that activations neither die nor explode, in the shapes' order."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        noise = torch.randn(shape, generator=generator)
        if len(shape) > 1 and "token" not in name and "embed" not in name:
            state[name] = noise / noise[0].numel() ** 0.5
        elif "norm" in name and name.endswith("weight") or name.endswith(("gamma", "lambda1")):
            state[name] = 1 + 0.1 * noise
        else:
            state[name] = 0.1 * noise
    return state


def language_state(seed: int = 0) -> dict[str, Tensor]:
    """A LLaMA in LLaVA's names, float16 as published."""
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        start = f"model.layers.{layer}."
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            shapes[f"{start}self_attn.{name}.weight"] = (HIDDEN, HIDDEN)
        shapes[f"{start}mlp.gate_proj.weight"] = (INTERMEDIATE, HIDDEN)
        shapes[f"{start}mlp.up_proj.weight"] = (INTERMEDIATE, HIDDEN)
        shapes[f"{start}mlp.down_proj.weight"] = (HIDDEN, INTERMEDIATE)
        shapes[f"{start}input_layernorm.weight"] = (HIDDEN,)
        shapes[f"{start}post_attention_layernorm.weight"] = (HIDDEN,)
    shapes |= {"model.norm.weight": (HIDDEN,), "lm_head.weight": (VOCABULARY, HIDDEN)}
    state = random_state(shapes, seed)
    state["model.embed_tokens.weight"] *= 10
    # Different questions should have different answers, also in so small a model.
    state["lm_head.weight"] *= 6
    return {name: tensor.half() for name, tensor in state.items()}


def projector_state(prefix: str, width: int, seed: int) -> dict[str, Tensor]:
    """A two-layer projector under ``prefix``, float16."""
    shapes = {
        f"{prefix}0.weight": (HIDDEN, width),
        f"{prefix}0.bias": (HIDDEN,),
        f"{prefix}2.weight": (HIDDEN, HIDDEN),
        f"{prefix}2.bias": (HIDDEN,),
    }
    return {name: tensor.half() for name, tensor in random_state(shapes, seed).items()}


def moge_projector_state(seed: int, prefix: str = "model.") -> dict[str, Tensor]:
    """The four projectors of SpatialGeo."""
    state: dict[str, Tensor] = {}
    for index in range(4):
        name = f"{prefix}moge_mm_projector_list.{index}."
        state |= projector_state(name, MOGE_DIM, seed + index)
    return state


def moge_backbone_state(seed: int = 0) -> dict[str, Tensor]:
    """MoGe v1's backbone under DINOv2's names."""
    config = {"embed_dim": MOGE_DIM, "depth": MOGE_DEPTH, "num_heads": 1, "img_size": 70}
    with torch.device("meta"):
        shapes = Dinov2Backbone(config).official_shapes()
    return random_state(shapes, seed)


def clip_vision_state(seed: int = 0, prefix: str = "vision_model.") -> dict[str, Tensor]:
    """CLIP's image tower."""
    with torch.device("meta"):
        tower = CLIPVisionModel(CLIPVisionConfig(**VISION))
    shapes = {prefix + name: tuple(t.shape) for name, t in tower.state_dict().items()}
    return random_state(shapes, seed)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")


def write_sharded(folder: Path, state: Mapping[str, Tensor], *, safe: bool = False) -> None:
    """Write two shards and their index, as Hugging Face does."""
    stem, suffix = ("model", ".safetensors") if safe else ("pytorch_model", ".bin")
    names = list(state)
    half = len(names) // 2
    table = {}
    for number, part in enumerate((names[:half], names[half:]), start=1):
        file = f"{stem}-{number:05d}-of-00002{suffix}"
        table |= dict.fromkeys(part, file)
        tensors = {name: state[name].contiguous() for name in part}
        if safe:
            save_file(tensors, folder / file)
        else:
            torch.save(tensors, folder / file)
    write_json(folder / f"{stem}{suffix}.index.json", {"metadata": {}, "weight_map": table})


def write_tokenizer(folder: Path, *, legacy: bool = False) -> Path:
    """Train a byte-pair SentencePiece model with LLaMA's settings on this package's questions."""
    import sentencepiece

    folder.mkdir(parents=True, exist_ok=True)
    sentences = [*all_texts(), "USER: How far is it? ASSISTANT: 1.25 meters"]
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        model_type="bpe",
        vocab_size=VOCABULARY,
        hard_vocab_limit=False,
        byte_fallback=True,
        split_digits=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.model").write_bytes(written.getvalue())
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "LlamaTokenizer",
            "legacy": legacy,
            "model_max_length": LLAVA_CONFIG["tokenizer_model_max_length"],
            "bos_token": {"__type": "AddedToken", "content": "<s>"},
            "eos_token": {"__type": "AddedToken", "content": "</s>"},
            "unk_token": {"__type": "AddedToken", "content": "<unk>"},
            "pad_token": None,
        },
    )
    write_json(folder / "special_tokens_map.json", {"pad_token": "<unk>"})
    return folder


def write_llava_base(folder: Path, seed: int = 0, layout: str = "llava") -> Path:
    """Write LLaVA-1.5 with its tokenizer.

    Args:
        folder: Made if it is not there.
        seed: Of the weights.
        layout: "llava" (two .bin shards, LLaVA's names), "llava_single" (one safetensors file), or
            transformers' conversions "hf4" and "hf5".
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    state = {**language_state(seed), **projector_state("model.mm_projector.", CLIP_DIM, seed + 1)}
    if layout == "llava":
        # As old releases of transformers saved it.
        state["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(HIDDEN // HEADS // 2)
        write_json(folder / "config.json", LLAVA_CONFIG)
        write_sharded(folder, state)
    elif layout == "llava_single":
        write_json(folder / "config.json", LLAVA_CONFIG)
        save_file(state, folder / "model.safetensors")
    else:
        write_json(folder / "config.json", converted_config())
        write_sharded(folder, converted_state(state, layout, seed), safe=True)
    return folder


def converted_config() -> dict[str, Any]:
    """``config.json`` of transformers' family."""
    return {
        "model_type": "llava",
        "image_token_index": 32000,
        "projector_hidden_act": "gelu",
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
        "text_config": {**LANGUAGE, "model_type": "llama"},
        "vision_config": {**VISION, "model_type": "clip_vision_model"},
    }


def converted_state(state: Mapping[str, Tensor], layout: str, seed: int) -> dict[str, Tensor]:
    """LLaVA's names as transformers' before 4.52 ("hf4") and since ("hf5"), with its tower."""
    inner, outer = {
        "hf4": ("language_model.model.", "language_model.lm_head."),
        "hf5": ("model.language_model.", "lm_head."),
    }[layout]
    model = "" if layout == "hf4" else "model."
    out = {}
    for name, tensor in state.items():
        for old, new in (
            ("model.mm_projector.0.", f"{model}multi_modal_projector.linear_1."),
            ("model.mm_projector.2.", f"{model}multi_modal_projector.linear_2."),
            ("lm_head.", outer),
            ("model.", inner),
        ):
            if name.startswith(old):
                out[new + name.removeprefix(old)] = tensor
                break
    return out | clip_vision_state(seed + 2, f"{model}vision_tower.vision_model.")


def write_spatialgeo_stage1(folder: Path, seed: int = 0) -> Path:
    """Write the projectors of SpatialGeo's first stage."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", {**LLAVA_CONFIG, "model_type": "llava_llama"})
    torch.save(moge_projector_state(seed + 20), folder / "moge_mm_projector_list.bin")
    return folder


def lora_state(seed: int = 0) -> dict[str, Tensor]:
    """Low-rank updates of every linear layer inside the transformer, in PEFT's names."""
    sizes = {"mlp.gate_proj": (INTERMEDIATE, HIDDEN), "mlp.up_proj": (INTERMEDIATE, HIDDEN)}
    sizes["mlp.down_proj"] = (HIDDEN, INTERMEDIATE)
    shapes = {}
    for layer in range(LAYERS):
        for target in LORA_TARGETS:
            rows, columns = sizes.get(target, (HIDDEN, HIDDEN))
            start = f"base_model.model.model.layers.{layer}.{target}"
            shapes[f"{start}.lora_A.weight"] = (RANK, columns)
            shapes[f"{start}.lora_B.weight"] = (rows, RANK)
    # Small beside the weights, as what fine-tuning leaves.
    state = random_state(shapes, seed)
    return {name: 0.2 * t if ".lora_B." in name else t for name, t in state.items()}


def write_spatialgeo_stage2(folder: Path, seed: int = 0, *, safe: bool = True) -> Path:
    """Write the adapter of SpatialGeo's second stage: LoRA, and the projectors it trained."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", {**LLAVA_CONFIG, "model_type": "llava_llama"})
    write_json(
        folder / "adapter_config.json",
        {
            "peft_type": "LORA",
            "r": RANK,
            "lora_alpha": ALPHA,
            "lora_dropout": 0.05,
            "bias": "none",
            "fan_in_fan_out": False,
            "target_modules": [target.split(".")[1] for target in LORA_TARGETS],
            "modules_to_save": None,
            "base_model_name_or_path": "liuhaotian/llava-v1.5-7b",
        },
    )
    lora = lora_state(seed + 30)
    if safe:
        save_file(lora, folder / "adapter_model.safetensors")
    else:
        torch.save(lora, folder / "adapter_model.bin")
    trained = {
        **projector_state("model.mm_projector.", CLIP_DIM, seed + 40),
        **moge_projector_state(seed + 50),
    }
    prefixed = {f"base_model.model.{name}": tensor for name, tensor in trained.items()}
    torch.save(prefixed, folder / "non_lora_trainables.bin")
    return folder


def merged_state(seed: int = 0) -> dict[str, Tensor]:
    """What merging ``write_spatialgeo_stage2`` into ``write_llava_base`` saves."""
    state = language_state(seed)
    lora = lora_state(seed + 30)
    for name in list(state):
        start = f"base_model.model.{name.removesuffix('.weight')}"
        if f"{start}.lora_A.weight" in lora:
            a, b = lora[f"{start}.lora_A.weight"], lora[f"{start}.lora_B.weight"]
            state[name] = (state[name].float() + ALPHA / RANK * (b @ a)).half()
    return {
        **state,
        **projector_state("model.mm_projector.", CLIP_DIM, seed + 40),
        **moge_projector_state(seed + 50),
    }


def write_spatialgeo_merged(folder: Path, seed: int = 0, *, towers: bool = True) -> Path:
    """Write a merged SpatialGeo, by default with the copies of both towers that saving leaves."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tokenizer(folder)
    write_json(folder / "config.json", {**LLAVA_CONFIG, "model_type": "llava_llama"})
    state = merged_state(seed)
    if towers:
        clip = clip_vision_state(seed + 60)
        state |= {f"model.moge_tower.backbone.{k}": v for k, v in moge_backbone_state(seed).items()}
        state |= {f"model.moge_tower.clip_vision_tower.{k}": v for k, v in clip.items()}
        state |= {f"model.vision_tower.vision_tower.{k}": v.clone() for k, v in clip.items()}
    write_sharded(folder, state, safe=True)
    return folder


def write_clip(folder: Path, seed: int = 0, *, safe: bool = False, prefix: bool = True) -> Path:
    """Write CLIP with its text tower, or (without ``prefix``) the image tower as transformers 5."""
    folder.mkdir(parents=True, exist_ok=True)
    state = clip_vision_state(seed + 60, "vision_model." if prefix else "")
    if prefix:
        text = CLIPTextConfig(
            hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            vocab_size=10, max_position_embeddings=4, bos_token_id=1, eos_token_id=2,
        )  # fmt: skip
        with torch.device("meta"):
            shapes = {n: tuple(t.shape) for n, t in CLIPTextModel(text).state_dict().items()}
        state |= {f"text_model.{k}": v for k, v in random_state(shapes, seed).items()}
        state["vision_model.embeddings.position_ids"] = torch.arange(37)[None]
        state["logit_scale"] = torch.tensor(4.6)
        state["visual_projection.weight"] = torch.zeros(8, CLIP_DIM)
        state["text_projection.weight"] = torch.zeros(8, 16)
    config = {"model_type": "clip", "vision_config": VISION, "text_config": {}}
    write_json(
        folder / "config.json", config if prefix else {**VISION, "model_type": "clip_vision_model"}
    )
    if safe:
        save_file(state, folder / "model.safetensors")
    else:
        torch.save(state, folder / "pytorch_model.bin")
    return folder


MOGE_CONFIG: dict[str, Any] = {
    "encoder": "dinov2_tiny",
    "intermediate_layers": 4,
    "dim_proj": 32,
    "dim_upsample": [32, 32, 32],
    "dim_times_res_block_hidden": 1,
    "num_res_blocks": 1,
    "remap_output": "exp",
    "res_block_norm": "group_norm",
    "num_tokens_range": [16, 64],
}


def write_tower(path: Path, seed: int = 0, *, heads: bool = False) -> Path:
    """Write ``vit_model.pt`` (the flat backbone), or with ``heads`` MoGe v1's ``model.pt``.

    Both hold the same backbone for the same seed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    backbone = moge_backbone_state(seed)
    if not heads:
        torch.save(backbone, path)
        return path
    from spatialgeo_ros.models.moge.moge_checkpoint import build_moge

    sizes = {"embed_dim": MOGE_DIM, "depth": MOGE_DEPTH, "num_heads": 1, "img_size": 70}
    with torch.device("meta"):
        network = build_moge(MOGE_CONFIG, sizes)
    shapes = {n: tuple(t.shape) for n, t in network.state_dict().items() if n.startswith("head.")}
    state = random_state(shapes, seed + 70)
    state |= {f"backbone.{name}": tensor for name, tensor in backbone.items()}
    state["image_mean"] = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    state["image_std"] = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    torch.save({"model_config": MOGE_CONFIG, "model": state, "backbone": sizes}, path)
    return path
