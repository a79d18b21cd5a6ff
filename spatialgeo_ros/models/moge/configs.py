# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``model_config`` of the published MoGe networks, for tests, benchmarks and exports without files.

A checkpoint is always built from the configuration that it carries itself. Those of the L networks
are the published training configurations; their parameter counts are the published ones. No
configuration of MoGe-2 S and B is published: everything but the backbone, the blocks it is read at
and the width of the decoder's first level is taken from L, and that width (512 and 192) is inferred
from the published sizes of 104M and 35M parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def _moge2(
    backbone: str, layers: Sequence[int], cls: int, width: int, normal: bool
) -> dict[str, Any]:
    widths = [width, 256, 128, 64, 32]
    common = {
        "dim_res_blocks": widths,
        "res_block_in_norm": "none",
        "res_block_hidden_norm": "none",
        "resamplers": ["conv_transpose", "conv_transpose", "conv_transpose", "bilinear"],
    }

    def head(channels: int) -> dict[str, Any]:
        return {
            **common,
            "dim_in": widths,
            "dim_out": [None, None, None, None, channels],
            "num_res_blocks": [0, 1, 1, 1, 0],
        }

    config: dict[str, Any] = {
        "encoder": {
            "backbone": backbone,
            "intermediate_layers": list(layers),
            "dim_out": width,
        },
        "neck": {
            **common,
            "dim_in": [width + 2, 2, 2, 2, 2],
            "dim_out": None,
            "num_res_blocks": [0, 2, 2, 2, 0],
        },
        "points_head": head(3),
        "mask_head": head(1),
        "scale_head": {"dims": [cls, cls, cls, 1]},
        "remap_output": "exp",
        "num_tokens_range": [1200, 3600],
    }
    if normal:
        config["normal_head"] = head(3)
    return config


V1_VITL: dict[str, Any] = {
    "encoder": "dinov2_vitl14",
    "intermediate_layers": 4,
    "dim_proj": 512,
    "dim_upsample": [256, 128, 64],
    "dim_times_res_block_hidden": 2,
    "num_res_blocks": 2,
    "remap_output": "exp",
    "res_block_norm": "group_norm",
    "num_tokens_range": [1200, 2500],
    "last_res_blocks": 0,
    "last_conv_channels": 32,
    "last_conv_size": 1,
    "mask_threshold": 0.5,
}
V2_VITL_NORMAL = _moge2("dinov2_vitl14", (5, 11, 17, 23), 1024, 1024, normal=True)
V2_VITL = _moge2("dinov2_vitl14", (5, 11, 17, 23), 1024, 1024, normal=False)
V2_VITB_NORMAL = _moge2("dinov2_vitb14", (2, 5, 8, 11), 768, 512, normal=True)
V2_VITS_NORMAL = _moge2("dinov2_vits14", (2, 5, 8, 11), 384, 192, normal=True)
