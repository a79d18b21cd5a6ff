# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny SAM 2 and SAM 3 checkpoints with random weights, in the official layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

SAM2_SIDE, SAM3_SIDE = 128, 112
#: What a phrase in the tests is spelled of.
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def write_sam2(folder: Path, **processor: Any) -> Any:
    """Write a checkpoint of some 340 thousand parameters and return its network."""
    from transformers import Sam2Config, Sam2HieraDetConfig, Sam2Model, Sam2VisionConfig

    torch.manual_seed(0)
    backbone = Sam2HieraDetConfig(
        hidden_size=12,
        num_attention_heads=1,
        image_size=[SAM2_SIDE, SAM2_SIDE],
        blocks_per_stage=[1, 2, 2, 2],
        embed_dim_per_stage=[12, 24, 48, 96],
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 4],
        global_attention_blocks=[4],  # none at a stage's first block: that divides by zero
        window_positional_embedding_background_size=[4, 4],
    )
    vision = Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=[96, 48, 24, 12],
        backbone_feature_sizes=[[32, 32], [16, 16], [8, 8]],
        fpn_hidden_size=32,
    )
    prompts = {"hidden_size": 32, "image_size": SAM2_SIDE, "patch_size": 16}
    decoder = {
        "hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 32,
    }  # fmt: skip
    config = Sam2Config(
        vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder
    )
    model = _spread(Sam2Model(config))
    model.save_pretrained(folder)
    image = {"size": {"height": SAM2_SIDE, "width": SAM2_SIDE}, "resample": 2, **processor}
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": image}))
    return model


def write_sam3(folder: Path, lite: bool = False) -> Any:
    """Write a checkpoint of some 310 thousand parameters and return its network."""
    from transformers import Sam3Config, Sam3LiteTextConfig, Sam3LiteTextModel, Sam3Model

    torch.manual_seed(0)
    backbone = {
        "model_type": "sam3_vit_model",
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 4,
        "num_attention_heads": 2,
        "image_size": SAM3_SIDE,
        "patch_size": 14,
        "window_size": 4,
        "global_attn_indexes": [1, 3],
        "pretrain_image_size": 56,
    }
    vision = {
        "model_type": "sam3_vision_model",
        "backbone_config": backbone,
        "fpn_hidden_size": 32,
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
    }
    text = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "projection_dim": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 32,
        "vocab_size": len(_vocabulary()),
    }
    part = {"hidden_size": 32, "num_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    parts = {
        "vision_config": vision,
        "geometry_encoder_config": part,
        "detr_encoder_config": part,
        "detr_decoder_config": {**part, "num_queries": 10},
        "mask_decoder_config": {"hidden_size": 32, "num_attention_heads": 2},
    }
    model: Any
    if lite:
        model = Sam3LiteTextModel(Sam3LiteTextConfig(text_config=text, **parts))
    else:
        text = {**text, "model_type": "clip_text_model", "eos_token_id": 1, "bos_token_id": 0}
        model = Sam3Model(Sam3Config(text_config=text, **parts))
    _spread(model).save_pretrained(folder)
    _write_tokenizer(folder)
    image = {"size": {"height": SAM3_SIDE, "width": SAM3_SIDE}, "resample": 2}
    image |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": image}))
    return model


def _spread(model: Any) -> Any:
    """Enlarge the weights: with those that training starts from all masks are alike."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3.0)
    return model.eval()


def _vocabulary() -> dict[str, int]:
    words = ["<|startoftext|>", "<|endoftext|>", *LETTERS, *(f"{c}</w>" for c in LETTERS)]
    return {word: number for number, word in enumerate(words)}


def _write_tokenizer(folder: Path) -> None:
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer(
        vocab=_vocabulary(), merges=[], model_max_length=32, pad_token="<|endoftext|>"
    )
    tokenizer.save_pretrained(folder)
