# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spatial-MLLM: Qwen2.5-VL whose visual tokens carry VGGT's geometry (arXiv 2505.23747)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import Qwen2_5_VLForConditionalGeneration

from spatialgeo_ros.models.spatial_mllm.chat import QwenChat
from spatialgeo_ros.models.spatial_mllm.connector import (
    TEMPORAL_MERGE,
    Connector,
    EmbeddingMerger,
)
from spatialgeo_ros.models.spatial_mllm.qwen_vl import QwenVl, VisualTokens
from spatialgeo_ros.models.spatial_mllm.video_input import PixelBudget, prepare_video
from spatialgeo_ros.models.spatial_mllm.window_attention import see
from spatialgeo_ros.models.vggt import Vggt


class SpatialMllm(QwenVl):
    """Qwen2.5-VL, VGGT and the connector between them.

    Args:
        qwen: With its weights.
        vggt: Its aggregator at least.
        connector: Of v1.1 or v1.0.
        chat: Writes prompts for the checkpoint's tokenizer.
        layer: Of VGGT's aggregator, negative counts from the end.
        end_ids: Tokens that end an answer besides the tokenizer's end token.
        repetition_penalty: That the checkpoint's ``generation_config.json`` asks for.
    """

    def __init__(
        self,
        qwen: Qwen2_5_VLForConditionalGeneration,
        vggt: Vggt,
        connector: Connector | EmbeddingMerger,
        chat: QwenChat,
        *,
        layer: int = -1,
        end_ids: Sequence[int] = (),
        repetition_penalty: float = 1.0,
    ) -> None:
        super().__init__(qwen, chat, end_ids=end_ids, repetition_penalty=repetition_penalty)
        self.vggt = vggt
        self.connector = connector
        self.layer = layer

    @property
    def version(self) -> str:
        """Family of the checkpoint, "1.0" or "1.1"."""
        return "1.0" if isinstance(self.connector, EmbeddingMerger) else "1.1"

    @torch.inference_mode()
    def encode_video(
        self,
        frames: Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8],
        *,
        second_per_grid: float = 1.0,
        budget: PixelBudget | None = None,
    ) -> VisualTokens:
        """Run both encoders and the connector on a clip.

        An odd number of frames is made even by repeating the last. A single image thus is a clip
        of two equal frames; v1.0 lets VGGT see it once and repeats its tokens, as its authors do,
        while v1.1 (whose published code fails on images) lets VGGT see both frames.

        Args:
            frames: T RGB frames ``[H, W, 3]`` uint8 of one size, in temporal order.
            second_per_grid: Time between two pairs of frames that the language model is told. The
                published evaluation always says 1.0, whatever the true rate.
            budget: Pixels per frame; Qwen's by default.

        Raises:
            BadImageError: There is no frame, frames differ in size, or are no uint8 RGB images.
        """
        visual = self.qwen.model.visual
        video = prepare_video(frames, budget, visual.device)
        pixels = video.pixel_values.to(visual.dtype)
        semantic = see(visual, pixels, video.grid_thw)
        images = video.images
        once = self.version == "1.0" and len(frames) == 1
        tokens = self.geometry_tokens(images[:1] if once else images)
        if once:
            tokens = tokens.expand(TEMPORAL_MERGE, -1, -1)
        return VisualTokens(
            self.connector(semantic, tokens, video.grid_thw), video.grid_thw, second_per_grid
        )

    def geometry_tokens(self, images: Tensor) -> Tensor:
        """VGGT's patch tokens ``[T, h w, C]`` of images ``[T, 3, H, W]`` in [0, 1]."""
        like = next(self.connector.parameters())
        # VGGT sees the frames in its own precision, the model's: its rotary angles depend on it.
        seen = images[None].to(like.device, next(self.vggt.parameters()).dtype)
        layers, start = self.vggt.aggregate(seen, layers=[self.layer])
        return layers[0][0, :, start:].to(like)
