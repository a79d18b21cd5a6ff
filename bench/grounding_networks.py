# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detectors and segmenters with random weights: at their published size, and tiny ones for tests.

Sizes are those of the published ``config.json`` files, as far as they differ from the defaults of
transformers' configuration classes. Nothing is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import (
    BertConfig,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    MMGroundingDinoConfig,
    MMGroundingDinoForObjectDetection,
    Owlv2Config,
    Owlv2ForObjectDetection,
    OwlViTConfig,
    OwlViTForObjectDetection,
    Sam2Config,
    Sam2HieraDetConfig,
    Sam2Model,
    Sam2VisionConfig,
    Sam3Config,
    Sam3Model,
    SwinConfig,
)

STAGES = ["stage2", "stage3", "stage4"]
#: Swin-B at 384 pixels with windows of 12, of LLMDet base and MM-Grounding-DINO base.
SWIN_B: dict[str, Any] = {
    "embed_dim": 128, "depths": [2, 2, 18, 2], "num_heads": [4, 8, 16, 32], "window_size": 12,
    "image_size": 384, "out_features": STAGES,
}  # fmt: skip
TINY_SWIN: dict[str, Any] = {
    "embed_dim": 12, "depths": [1] * 4, "num_heads": [1, 1, 2, 2], "window_size": 4,
    "out_features": STAGES,
}  # fmt: skip
TINY_BERT: dict[str, Any] = {
    "vocab_size": 1200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 64, "max_position_embeddings": 64,
}  # fmt: skip
TINY_DINO: dict[str, Any] = {
    "d_model": 32, "num_queries": 10, "max_text_len": 64, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
}  # fmt: skip
TINY_OWL: dict[str, Any] = {
    "text_config": {
        "vocab_size": 200, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4,
    },
    "vision_config": {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "image_size": 64, "patch_size": 16,
    },
    "projection_dim": 32,
}  # fmt: skip
TINY_SAM2: dict[str, Any] = {
    "vision_config": {
        "backbone_config": {
            "model_type": "sam2_hiera_det_model", "hidden_size": 12,
            "embed_dim_per_stage": [12, 24, 48, 96], "blocks_per_stage": [1, 2, 2, 2],
            "num_attention_heads_per_stage": [1, 1, 2, 2],
            "global_attention_blocks": [4], "image_size": [128, 128],
            "window_size_per_stage": [4, 4, 4, 4],
        },
        "backbone_channel_list": [96, 48, 24, 12],
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        "fpn_hidden_size": 32,
    },
    "prompt_encoder_config": {"hidden_size": 32, "image_size": 128},
    "mask_decoder_config": {
        "hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 32,
    },
}  # fmt: skip
TINY_SAM3: dict[str, Any] = {
    "vision_config": {
        "backbone_config": {
            "model_type": "sam3_vit_model", "hidden_size": 32, "intermediate_size": 64,
            "num_hidden_layers": 4, "num_attention_heads": 2, "image_size": 112, "patch_size": 14,
            "window_size": 4, "pretrain_image_size": 56, "global_attn_indexes": [1, 3],
        },
        "fpn_hidden_size": 32,
    },
    "text_config": {
        "vocab_size": 200, "hidden_size": 32, "intermediate_size": 64, "projection_dim": 32,
        "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 32,
        "hidden_act": "gelu", "model_type": "clip_text_model",
    },
    "geometry_encoder_config": {
        "hidden_size": 32, "num_layers": 1, "num_attention_heads": 4, "intermediate_size": 64,
    },
    "detr_encoder_config": {
        "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    },
    "detr_decoder_config": {
        "hidden_size": 32, "num_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
        "num_queries": 10,
    },
    "mask_decoder_config": {"hidden_size": 32, "num_attention_heads": 4},
}  # fmt: skip


def mm_grounding_dino(swin: dict[str, Any] | None = None, tiny: bool = False) -> nn.Module:
    """MM-Grounding-DINO, which LLMDet is at inference; with Swin-T where nothing is said."""
    return MMGroundingDinoForObjectDetection(_dino_config(MMGroundingDinoConfig, swin, tiny))


def grounding_dino(swin: dict[str, Any] | None = None, tiny: bool = False) -> nn.Module:
    """Grounding DINO; with Swin-T where nothing is said."""
    return GroundingDinoForObjectDetection(_dino_config(GroundingDinoConfig, swin, tiny))


def _dino_config(kind: Any, swin: dict[str, Any] | None, tiny: bool) -> Any:
    if tiny:
        return kind(
            backbone_config=SwinConfig(**TINY_SWIN), text_config=BertConfig(**TINY_BERT),
            **TINY_DINO,
        )  # fmt: skip
    return kind() if swin is None else kind(backbone_config=SwinConfig(**swin))


def owlvit(tiny: bool = False) -> nn.Module:
    """OWL-ViT B/32 at 768 pixels."""
    return OwlViTForObjectDetection(OwlViTConfig(**TINY_OWL) if tiny else OwlViTConfig())


def owlv2(tiny: bool = False) -> nn.Module:
    """OWLv2 B/16 at 960 pixels."""
    sizes = TINY_OWL if tiny else {"vision_config": {"image_size": 960, "patch_size": 16}}
    return Owlv2ForObjectDetection(Owlv2Config(**sizes))


def sam2(blocks: list[int] | None = None, glob: list[int] | None = None, tiny: bool = False) -> Any:
    """SAM 2.1 with so many blocks in each stage, some of global attention; "tiny" by default."""
    if tiny:
        return Sam2Model(Sam2Config(**TINY_SAM2))
    backbone = Sam2HieraDetConfig(blocks_per_stage=blocks, global_attention_blocks=glob)
    return Sam2Model(Sam2Config(vision_config=Sam2VisionConfig(backbone_config=backbone)))


def sam3(tiny: bool = False) -> nn.Module:
    """SAM 3 for images."""
    return Sam3Model(Sam3Config(**TINY_SAM3) if tiny else Sam3Config())


def build(
    make: Callable[[], nn.Module], device: torch.device, dtype: torch.dtype = torch.float32
) -> nn.Module:
    """Make a network with random weights where it will run, ready to run."""
    torch.manual_seed(0)
    with torch.device(device):
        network = make()
    return network.requires_grad_(False).eval().to(device, dtype)
