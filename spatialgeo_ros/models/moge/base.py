# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What MoGe 1 and MoGe-2 share: from an image to points, depth, intrinsics and mask."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from spatialgeo_ros.models.moge.affine_points import (
    depth_to_points,
    focal_from_fov_x,
    focal_without_shift,
    intrinsics_from_focal,
    recover_focal_shift,
)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class MoGe(nn.Module):
    """A network that predicts an affine point map (Wang et al., CVPR 2025; MoGe-2, 2025).

    Attributes:
        num_tokens_range: Patch counts of resolution levels 0 and 9.
        mask_threshold: Mask values above it count as valid.
        positive_depth_only: Whether points at or behind the camera are invalid too.
    """

    num_tokens_range: tuple[int, int]
    mask_threshold: float = 0.5
    positive_depth_only: ClassVar[bool] = True

    @property
    @abstractmethod
    def has_metric_scale(self) -> bool:
        """Whether depth is in metres; otherwise it has a scale of its own in every image."""

    @property
    @abstractmethod
    def patch_size(self) -> int:
        """Side of a patch of the backbone, pixels."""

    @abstractmethod
    def forward(
        self,
        image: Tensor,
        num_tokens: int,
        prior: Tensor | None = None,
        *,
        upsample: bool = True,
        antialias: bool = True,
        normals: bool = True,
    ) -> dict[str, Any]:
        """Raw predictions.

        Args:
            image: ``[B, 3, H, W]`` RGB in [0, 1].
            num_tokens: Patches wanted; the grid keeps the image's aspect.
            prior: ``[B, 4, H, W]`` camera prior (``floor_prior``) for a backbone that takes one.
            upsample: Bilinear to ``[H, W]``; otherwise at the decoder's own size.
            antialias: False reproduces the official ONNX exports.
            normals: False leaves their head out.

        Returns:
            ``points [B, h, w, 3]`` affine (z-shift and, without ``metric_scale``, scale unknown),
            ``mask [B, h, w]``, ``normal [B, h, w, 3]`` unit and ``metric_scale [B]`` (each where
            the head exists), and ``features`` (``Features``). Float32, except the features.
        """

    @torch.inference_mode()
    def infer(
        self,
        image: Tensor,
        num_tokens: int | None = None,
        *,
        resolution_level: int = 9,
        focal: Tensor | None = None,
        fov_x: float | Tensor | None = None,
        prior: Tensor | None = None,
        force_projection: bool = True,
        apply_mask: bool = True,
        free_shift: bool = True,
        use_fp16: bool = False,
    ) -> dict[str, Tensor]:
        """Points, depth, intrinsics, mask and normals of a batch of images.

        Args:
            image: ``[B, 3, H, W]`` RGB in [0, 1], or one image without the batch axis.
            num_tokens: Patches; by default from ``resolution_level``.
            resolution_level: 0 (coarse) to 9, within the checkpoint's token range.
            focal: ``[B]`` known focal lengths relative to the half diagonal (``focal_from_fx``);
                NaN where an image's is unknown.
            fov_x: Known horizontal field of view in degrees (used when ``focal`` is None).
            prior: Camera prior, as in ``forward``.
            force_projection: Points are the depth re-projected with the intrinsics.
            apply_mask: Points and depth outside the mask become +inf, normals 0.
            free_shift: Whether z has an unknown shift, as MoGe's own training leaves it (the nano
                profile's training does not).
            use_fp16: Run the network in automatic mixed precision, unless its weights are half
                already. (The published method does so by default, its command line does not.)

        Returns:
            ``points [B, H, W, 3]`` and ``depth [B, H, W]`` in the optical frame, in metres where
            the network knows the scale, ``mask`` bool, ``intrinsics [B, 3, 3]`` normalised by the
            image size, and ``normal`` where there is a head. Without a batch axis in, none out.

        Raises:
            ValueError: ``resolution_level`` outside 0 to 9.
        """
        if image.dim() == 3:
            batched = self.infer(
                image[None], num_tokens, resolution_level=resolution_level, focal=focal,
                fov_x=fov_x, prior=None if prior is None else prior[None],
                force_projection=force_projection, apply_mask=apply_mask, free_shift=free_shift,
                use_fp16=use_fp16,
            )  # fmt: skip
            return {k: v[0] for k, v in batched.items()}
        if num_tokens is None:
            num_tokens = self.tokens_at(resolution_level)
        weights = next(self.parameters())
        mixed = use_fp16 and weights.dtype == torch.float32
        with torch.autocast(weights.device.type, torch.float16, enabled=mixed):
            out = self.forward(image.to(weights.device), num_tokens, prior)
        return self.to_metric(
            out, focal=focal, fov_x=fov_x, force_projection=force_projection,
            apply_mask=apply_mask, free_shift=free_shift,
        )  # fmt: skip

    def tokens_at(self, resolution_level: int) -> int:
        """Patches of a resolution level.

        Raises:
            ValueError: ``resolution_level`` outside 0 to 9.
        """
        if not 0 <= resolution_level <= 9:
            raise ValueError(f"resolution_level must be 0 to 9, not {resolution_level}")
        low, high = self.num_tokens_range
        return int(low + resolution_level / 9 * (high - low))

    def to_metric(
        self,
        out: Mapping[str, Any],
        *,
        focal: Tensor | None = None,
        fov_x: float | Tensor | None = None,
        force_projection: bool = True,
        apply_mask: bool = True,
        free_shift: bool = True,
    ) -> dict[str, Tensor]:
        """Post-processing of ``forward``'s result in float32; arguments as for ``infer``."""
        points = out["points"].float()
        batch, height, width = points.shape[:3]
        aspect = width / height
        mask = self.usable(out)
        if focal is None and fov_x is not None:
            fov = torch.as_tensor(fov_x, dtype=torch.float32, device=points.device)
            focal = focal_from_fov_x(fov.expand(batch), aspect)
        if free_shift:
            focal, shift = recover_focal_shift(points, mask, focal)
        else:
            shift = points.new_zeros(batch)
            focal = focal_without_shift(points, mask) if focal is None else focal
        intrinsics = intrinsics_from_focal(focal.to(points), aspect)
        depth, mask = self.shifted_depth(points, mask, shift)
        if force_projection:
            points = depth_to_points(depth, intrinsics)
        else:
            points = torch.cat([points[..., :2], depth[..., None]], dim=-1)
        if "metric_scale" in out:
            scale = out["metric_scale"].float()
            points = points * scale[:, None, None, None]
            depth = depth * scale[:, None, None]
        result = {"points": points, "depth": depth, "intrinsics": intrinsics, "mask": mask}
        if "normal" in out:
            result["normal"] = out["normal"].float()
        if apply_mask:
            result["points"] = points.masked_fill(~mask[..., None], torch.inf)
            result["depth"] = depth.masked_fill(~mask, torch.inf)
            if "normal" in result:
                result["normal"] = result["normal"].masked_fill(~mask[..., None], 0.0)
        return result

    def usable(self, out: Mapping[str, Any]) -> Tensor | None:
        """Pixels ``[B, H, W]`` that the network's mask calls valid; None where it has none."""
        return out["mask"] > self.mask_threshold if "mask" in out else None

    def shifted_depth(
        self, points: Tensor, mask: Tensor | None, shift: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Depth ``[B, H, W]`` without its metric scale, and which of it is valid (bool).

        Args:
            points: ``[B, H, W, 3]`` affine points, float32.
            mask: Of :meth:`usable`.
            shift: ``[B]`` along z.
        """
        depth = points[..., 2] + shift[:, None, None]
        if mask is None:
            mask = torch.ones_like(depth, dtype=torch.bool)
        if self.positive_depth_only:
            mask = mask & (depth > 0)
        return depth, mask
