# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spatial-MLLM's connectors: VGGT's patch tokens join Qwen2.5-VL's merged visual tokens.

Qwen merges 2 frames x 2 rows x 2 columns of patches into one token. The connector merges VGGT's
tokens of the same eight patches and adds what it makes of them. The two published families differ
in the order of the merged features and in the number of MLPs.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLRMSNorm

MergeOrder = Literal["space_channel_time", "time_space_channel"]

TEMPORAL_MERGE = 2
SPATIAL_MERGE = 2
PATCHES_PER_TOKEN = TEMPORAL_MERGE * SPATIAL_MERGE**2
_RMS_EPS = 1e-6


def merge_tokens(tokens: Tensor, grid: tuple[int, int, int], order: MergeOrder) -> Tensor:
    """Gather the eight patch tokens that stand behind each of Qwen's visual tokens.

    Args:
        tokens: ``[2 t, h w, C]`` patch tokens of a clip's frames, row-major, no special tokens.
        grid: Qwen's ``(t, h, w)`` of the clip: pairs of frames, rows and columns of patches.
        order: Of the features of a merged token, slowest first: sub-row, sub-column, channel,
            frame of the pair (v1.1), or frame of the pair, sub-row, sub-column, channel (v1.0).

    Returns:
        ``[t h/2 w/2, 8 C]`` in the order of Qwen's tokens: time, row, column.

    Raises:
        ValueError: The tokens do not fill the grid.
    """
    times, rows, columns = grid
    frames, patches, channels = tokens.shape
    if (frames, patches) != (TEMPORAL_MERGE * times, rows * columns):
        raise ValueError(
            f"a grid of {times} x {rows} x {columns} needs {TEMPORAL_MERGE * times} frames of "
            f"{rows * columns} patch tokens, not {frames} of {patches}"
        )
    split = tokens.reshape(
        times,
        TEMPORAL_MERGE,
        rows // SPATIAL_MERGE,
        SPATIAL_MERGE,
        columns // SPATIAL_MERGE,
        SPATIAL_MERGE,
        channels,
    )
    # Named by position: 1 frame of the pair, 3 sub-row, 5 sub-column, 6 channel.
    features = (3, 5, 6, 1) if order == "space_channel_time" else (1, 3, 5, 6)
    return split.permute(0, 2, 4, *features).reshape(-1, PATCHES_PER_TOKEN * channels)


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.GELU(), nn.Linear(hidden, outputs))


class _Fusion(nn.Module):
    """Adds VGGT's tokens, merged and projected, to Qwen's; subclasses project."""

    order: MergeOrder

    def forward(self, visual: Tensor, tokens: Tensor, grid: tuple[int, int, int]) -> Tensor:
        """Add geometry to visual tokens.

        Args:
            visual: ``[N, D]`` Qwen's visual tokens of one clip.
            tokens: ``[2 t, h w, C]`` VGGT's patch tokens of the same frames.
            grid: Qwen's ``(t, h, w)``, with ``N = t h/2 w/2``.

        Returns:
            ``[N, D]``.

        Raises:
            ValueError: The tokens do not fill the grid.
        """
        return visual + self.project(merge_tokens(tokens, grid, self.order))

    def project(self, merged: Tensor) -> Tensor:
        """Merged tokens ``[N, 8 C]`` to ``[N, D]``."""
        raise NotImplementedError


class Connector(_Fusion):
    """Connector of v1.1 (``connector_type`` "mlp_add"): RMSNorm, then one MLP.

    Args:
        token_dim: Channels of a VGGT token, 2048 in the published model.
        hidden_size: Channels of a language model token.
    """

    order: MergeOrder = "space_channel_time"

    def __init__(self, token_dim: int, hidden_size: int) -> None:
        super().__init__()
        merged = PATCHES_PER_TOKEN * token_dim
        self.ln_q = Qwen2_5_VLRMSNorm(merged, eps=_RMS_EPS)
        self.mlp = _mlp(merged, merged, hidden_size)

    def project(self, merged: Tensor) -> Tensor:
        """Merged tokens ``[N, 8 C]`` to ``[N, D]``."""
        return self.mlp(self.ln_q(merged))


class EmbeddingMerger(_Fusion):
    """Connector of v1.0 (``vggt_embedding_merger``): two norms, each with an MLP.

    Args:
        token_dim: Channels of a VGGT token, 2048 in the published model.
        hidden_size: Channels of a language model token.
    """

    order: MergeOrder = "time_space_channel"

    def __init__(self, token_dim: int, hidden_size: int) -> None:
        super().__init__()
        merged = PATCHES_PER_TOKEN * token_dim
        self.token_merge_ln_q = Qwen2_5_VLRMSNorm(merged, eps=_RMS_EPS)
        self.token_merge_mlp = _mlp(merged, merged, hidden_size)
        self.vgg_to_language_ln_q = Qwen2_5_VLRMSNorm(hidden_size, eps=_RMS_EPS)
        self.vgg_to_language_mlp = _mlp(hidden_size, hidden_size, hidden_size)

    def project(self, merged: Tensor) -> Tensor:
        """Merged tokens ``[N, 8 C]`` to ``[N, D]``."""
        first = self.token_merge_mlp(self.token_merge_ln_q(merged))
        return self.vgg_to_language_mlp(self.vgg_to_language_ln_q(first))
