# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VGGT: geometry of a clip's frames from one feed-forward network, with its official weights."""

from spatialgeo_ros.models.vggt.config import VggtConfig, config_from_tensors
from spatialgeo_ros.models.vggt.frame_input import load_images
from spatialgeo_ros.models.vggt.vggt_checkpoint import load_vggt, vggt_from_state
from spatialgeo_ros.models.vggt.vggt_model import Vggt

__all__ = [
    "Vggt",
    "VggtConfig",
    "config_from_tensors",
    "load_images",
    "load_vggt",
    "vggt_from_state",
]
