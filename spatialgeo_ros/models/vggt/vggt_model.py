# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VGGT: from frames of one place to cameras, depth maps and world points, in one pass.

Wang et al., "VGGT: Visual Geometry Grounded Transformer", CVPR 2025. The head for point tracking
is not built: nothing here tracks points.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from spatialgeo_ros.models.vggt.aggregator import Aggregator
from spatialgeo_ros.models.vggt.camera_head import CameraHead, extrinsics, intrinsics
from spatialgeo_ros.models.vggt.config import VggtConfig
from spatialgeo_ros.models.vggt.dpt import DptHead, activate_depth, activate_points

HEADS = ("camera", "point", "depth")
#: Frames that a DPT head takes at once.
_FRAMES_PER_CHUNK = 8


class Vggt(nn.Module):
    """Aggregator and any of the camera, point and depth heads."""

    def __init__(self, config: VggtConfig | None = None, heads: Collection[str] = HEADS) -> None:
        """Build with random weights.

        Args:
            config: Sizes; VGGT-1B's by default.
            heads: Those to build, of :data:`HEADS`.

        Raises:
            ValueError: Unknown head.
        """
        super().__init__()
        unknown = set(heads) - set(HEADS)
        if unknown:
            raise ValueError(f"unknown VGGT heads {sorted(unknown)}; known are {HEADS}")
        self.config = config if config is not None else VggtConfig()
        self.heads = tuple(head for head in HEADS if head in heads)
        self.aggregator = Aggregator(self.config)
        dim = 2 * self.config.embed_dim
        if "camera" in heads:
            self.camera_head = CameraHead(dim, self.config.camera_depth, self.config.camera_heads)
        if "point" in heads:
            self.point_head = self._dpt(dim, 4)
        if "depth" in heads:
            self.depth_head = self._dpt(dim, 2)

    def _dpt(self, dim: int, out_dim: int) -> DptHead:
        config = self.config
        return DptHead(dim, out_dim, config.dpt_features, config.dpt_channels, config.patch_size)

    def aggregate(
        self, images: Tensor, layers: Sequence[int] | None = None
    ) -> tuple[list[Tensor], int]:
        """Tokens of the aggregator's layers, and where the patches start among them.

        Args:
            images: ``[B, S, 3, H, W]``, RGB in [0, 1], sides multiples of the patch size.
            layers: Keep only these (negative counts from the end); all by default.

        Returns:
            A tensor ``[B, S, specials + patches, 2C]`` per layer, and ``specials``.
        """
        return self.aggregator(images, layers), self.config.specials

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Everything that the heads which were built can say about the frames.

        The heads run in float32, outside autocast. World and units are the network's: the world
        is the first frame's camera (x right, y down, z forward), its scale is not metric.

        Args:
            images: ``[B, S, 3, H, W]``, RGB in [0, 1], sides multiples of the patch size.

        Returns:
            Of the camera head ``pose_enc`` [B, S, 9], ``extrinsic`` [B, S, 3, 4]
            (camera-from-world) and ``intrinsic`` [B, S, 3, 3] (pixels); of the depth head
            ``depth`` [B, S, H, W, 1] and ``depth_conf`` [B, S, H, W]; of the point head
            ``world_points`` [B, S, H, W, 3] and ``world_points_conf`` [B, S, H, W].
            Confidences are at least 1.
        """
        layers = self.layers_read()
        tokens, start = self.aggregate(images, layers)
        size = (images.shape[3], images.shape[4])
        with torch.autocast(images.device.type, enabled=False):
            return self.decode(dict(zip(layers, tokens, strict=True)), size, start)

    def layers_read(self) -> list[int]:
        """Layers that the built heads need, ascending."""
        layers = set()
        if "camera" in self.heads:
            layers.add(self.config.depth - 1)
        if "point" in self.heads or "depth" in self.heads:
            layers.update(self.config.dpt_layers)
        return sorted(layers)

    def decode(
        self, tokens: dict[int, Tensor], image_size: tuple[int, int], patch_start: int
    ) -> dict[str, Tensor]:
        """Outputs of the heads as in :meth:`forward`, from layers that were aggregated before.

        Args:
            tokens: The layers of :meth:`layers_read`, each ``[B, S, T, 2C]``.
            image_size: (H, W) of the frames.
            patch_start: Special tokens before the patches.
        """
        out: dict[str, Tensor] = {}
        if "camera" in self.heads:
            out["pose_enc"] = self.camera_head(tokens[self.config.depth - 1].float())[-1]
            out["extrinsic"] = extrinsics(out["pose_enc"])
            out["intrinsic"] = intrinsics(out["pose_enc"], image_size)
        if "point" not in self.heads and "depth" not in self.heads:
            return out
        read = [tokens[layer] for layer in self.config.dpt_layers]
        frames = read[0].shape[:2]
        patches = [layer[:, :, patch_start:].flatten(0, 1).float() for layer in read]
        if "point" in self.heads:
            raw = self.point_head(patches, image_size, _FRAMES_PER_CHUNK)
            points, confidence = activate_points(raw)
            out["world_points"] = points.unflatten(0, frames)
            out["world_points_conf"] = confidence.unflatten(0, frames)
        if "depth" in self.heads:
            raw = self.depth_head(patches, image_size, _FRAMES_PER_CHUNK)
            depth, confidence = activate_depth(raw)
            out["depth"] = depth.unflatten(0, frames)
            out["depth_conf"] = confidence.unflatten(0, frames)
        return out
