# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A tiny SpatialRGPT checkpoint in the published layout of four folders, with a tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, SiglipVisionConfig, SiglipVisionModel

from checkpoints.llava import random_state, write_json
from spatialgeo_ros.models.spatialrgpt.region_extractor import ImageProjector, RegionExtractor

WIDTH, HIDDEN, SIDE = 16, 32, 84
SPECIAL = (
    "<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
    "<|eot_id|>", "[PAD]", "<mask>", "<depth>",
)  # fmt: skip


def write_spatialrgpt(folder: Path, *, seed: int = 0) -> Path:
    """Write the checkpoint; returns its folder."""
    for part in ("llm", "vision_tower", "mm_projector", "region_extractor"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    ids = _write_tokenizer(folder / "llm")
    llm = {
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": HIDDEN,
        "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
        "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
        "vocab_size": len(ids), "max_position_embeddings": 8192, "hidden_act": "silu",
        "tie_word_embeddings": False, "tokenizer_model_max_length": 4096,
        "bos_token_id": ids["<|begin_of_text|>"], "eos_token_id": ids["<|eot_id|>"],
    }  # fmt: skip
    tower = {
        "model_type": "siglip_vision_model", "hidden_size": WIDTH, "intermediate_size": 24,
        "num_hidden_layers": 3, "num_attention_heads": 2, "num_channels": 3, "image_size": SIDE,
        "patch_size": 14, "hidden_act": "gelu_pytorch_tanh", "layer_norm_eps": 1e-6,
        "llm_mask_token_id": ids["<mask>"], "llm_depth_token_id": ids["<depth>"],
    }  # fmt: skip
    parts: dict[str, tuple[dict[str, Any], torch.nn.Module, str]] = {
        "llm": (llm, LlamaForCausalLM(LlamaConfig(**llm)), ""),
        "vision_tower": (tower, SiglipVisionModel(SiglipVisionConfig(**tower)), "vision_model."),
        "mm_projector": (
            {"model_type": "v2l_projector", "mm_projector_type": "mlp_downsample"},
            ImageProjector(WIDTH, HIDDEN),
            "",
        ),
        "region_extractor": (
            {"model_type": "region_extractor", "region_extractor_type": "regiongpt"},
            RegionExtractor(WIDTH, HIDDEN),
            "",
        ),
    }
    for number, (part, (config, module, prefix)) in enumerate(parts.items()):
        write_json(folder / part / "config.json", config)
        shapes = {prefix + name: tuple(t.shape) for name, t in module.state_dict().items()}
        state = random_state(shapes, seed + number)
        if part == "region_extractor":  # ... and so should different regions
            for name in ("rgb_projector.weight", "depth_projector.weight"):
                state[name] *= 20
        if part == "llm":  # different questions should have different answers
            state["model.embed_tokens.weight"] *= 10
            state["lm_head.weight"] *= 6
        save_file(state, folder / part / "model.safetensors")
    ends = [ids["<|end_of_text|>"], ids["<|eot_id|>"]]
    generation = {"bos_token_id": ids["<|begin_of_text|>"], "eos_token_id": ends}
    write_json(folder / "llm" / "generation_config.json", {**generation, "do_sample": True})
    root = {
        "model_type": "llava_llama", "architectures": ["LlavaLlamaModel"], "enable_region": True,
        "enable_depth": True, "hidden_size": HIDDEN, "mm_hidden_size": WIDTH,
        "image_aspect_ratio": "resize", "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "cls_patch", "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
    }  # fmt: skip
    write_json(folder / "config.json", root)
    return folder


def _write_tokenizer(folder: Path) -> dict[str, int]:
    """Bytes and the special tokens of LLaMA 3; returns the vocabulary."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({letter: k for k, letter in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(list(SPECIAL))
    begin = SPECIAL[0]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, backend.token_to_id(begin))]
    )
    backend.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": begin, "eos_token": "<|eot_id|>",
        "pad_token": "[PAD]", "model_max_length": 4096,
    }  # fmt: skip
    write_json(folder / "tokenizer_config.json", settings)
    return dict(backend.get_vocab())
