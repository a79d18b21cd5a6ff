# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spatial-MLLM: Qwen2.5-VL and VGGT joined by a connector, with its official weights."""

from spatialgeo_ros.models.spatial_mllm.mllm_checkpoint import load_spatial_mllm
from spatialgeo_ros.models.spatial_mllm.mllm_model import PromptInputs, SpatialMllm, VisualTokens
from spatialgeo_ros.models.spatial_mllm.video_input import PixelBudget

__all__ = ["PixelBudget", "PromptInputs", "SpatialMllm", "VisualTokens", "load_spatial_mllm"]
