# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Qwen2.5-VL, and Spatial-MLLM: Qwen2.5-VL and VGGT joined by a connector; official weights."""

from spatialgeo_ros.models.spatial_mllm.mllm_checkpoint import load_spatial_mllm
from spatialgeo_ros.models.spatial_mllm.mllm_model import SpatialMllm
from spatialgeo_ros.models.spatial_mllm.qwen_checkpoint import load_qwen_vl
from spatialgeo_ros.models.spatial_mllm.qwen_vl import PromptInputs, QwenVl, VisualTokens
from spatialgeo_ros.models.spatial_mllm.video_input import PixelBudget

__all__ = [
    "PixelBudget",
    "PromptInputs",
    "QwenVl",
    "SpatialMllm",
    "VisualTokens",
    "load_qwen_vl",
    "load_spatial_mllm",
]
