# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The geometry around MoGe's network: view-plane UV, output remaps, focal and shift, camera prior.

Formulas of MoGe (Wang et al., CVPR 2025) and MoGe-2 (2025). Point maps are in the optical frame
(x right, y down, z forward).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import level_frame
from spatialgeo_ros.models.moge.focal import solve_focal_shift

# Side of the nearest-sampled map on which focal and shift are solved (MoGe's own choice).
SOLVER_SIZE = 64


def view_plane_uv(
    rows: int,
    columns: int,
    aspect: float | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Pixel centres on a view plane whose half diagonal is 1, as ``[rows, columns, 2]`` (u, v).

    Args:
        rows: Rows of the grid.
        columns: Columns of the grid.
        aspect: Width over height of the image; the grid's own by default.
        dtype: Of the result.
        device: Of the result.
    """
    if aspect is None:
        aspect = columns / rows
    span_x = aspect / math.sqrt(1 + aspect**2)
    span_y = 1 / math.sqrt(1 + aspect**2)
    u = torch.linspace(
        -span_x * (columns - 1) / columns, span_x * (columns - 1) / columns, columns,
        dtype=dtype, device=device,
    )  # fmt: skip
    v = torch.linspace(
        -span_y * (rows - 1) / rows, span_y * (rows - 1) / rows, rows, dtype=dtype, device=device
    )
    v, u = torch.meshgrid(v, u, indexing="ij")
    return torch.stack([u, v], dim=-1)


def remap_points(points: Tensor, mode: str) -> Tensor:
    """Raw network output ``[..., 3]`` to an affine point map, by the checkpoint's remap.

    Raises:
        ValueError: Unknown ``mode`` (known: linear, exp, sinh, sinh_exp).
    """
    if mode == "linear":
        return points
    if mode == "exp":
        xy, z = points.split([2, 1], dim=-1)
        z = z.exp()
        return torch.cat([xy * z, z], dim=-1)
    if mode == "sinh":
        return points.sinh()
    if mode == "sinh_exp":
        xy, z = points.split([2, 1], dim=-1)
        return torch.cat([xy.sinh(), z.exp()], dim=-1)
    raise ValueError(f"unknown output remap '{mode}'")


def finish_maps(
    raw: Mapping[str, Tensor], remap: str, size: tuple[int, int] | None = None
) -> dict[str, Tensor]:
    """Activate what MoGe's heads gave, in float32.

    Stays outside exported graphs: the maps are enlarged before the remap, to whatever size the
    caller's image has, and ``exp`` of a far point or a large scale overflows float16 (above 11.09).

    Args:
        raw: ``raw_points [B, 3, h, w]``, ``raw_normal [B, 3, h, w]``, ``log_scale [B]`` and
            ``mask_logits [B, h, w]`` (MoGe 1: ``raw_mask``, a mask as it is); each may be missing.
        remap: See ``remap_points``.
        size: Rows and columns wanted, bilinear; None keeps the maps' own.

    Returns:
        ``points [B, H, W, 3]`` affine, ``normal [B, H, W, 3]`` unit, ``mask [B, H, W]``
        (in [0, 1] where it comes from ``mask_logits``, which are beside it), ``metric_scale [B]``.
    """

    def enlarged(maps: Tensor) -> Tensor:
        maps = maps.float()
        return maps if size is None else F.interpolate(maps, size, mode="bilinear")

    result: dict[str, Tensor] = {}
    if "raw_points" in raw:
        result["points"] = remap_points(enlarged(raw["raw_points"]).permute(0, 2, 3, 1), remap)
    if "raw_normal" in raw:
        result["normal"] = F.normalize(enlarged(raw["raw_normal"]).permute(0, 2, 3, 1), dim=-1)
    if "mask_logits" in raw:
        result["mask_logits"] = enlarged(raw["mask_logits"][:, None])[:, 0]
        result["mask"] = result["mask_logits"].sigmoid()
    if "raw_mask" in raw:
        result["mask"] = enlarged(raw["raw_mask"][:, None])[:, 0]
    if "log_scale" in raw:
        result["metric_scale"] = raw["log_scale"].float().exp()
    return result


def solver_grid(
    height: int, width: int, device: torch.device | str | None = None
) -> tuple[Tensor, Tensor]:
    """The 64 x 64 nearest-sampled grid of a map that focal and shift are solved on.

    Returns:
        Indices ``[4096]`` into the flattened map, and view-plane coordinates ``[4096, 2]``.
    """
    rows, columns = _nearest(height, device), _nearest(width, device)
    uv = torch.stack(
        torch.meshgrid(
            view_plane_uv(height, 1, width / height, device=device)[rows, 0, 1],
            view_plane_uv(1, width, width / height, device=device)[0, columns, 0],
            indexing="ij",
        )[::-1],
        dim=-1,
    ).reshape(-1, 2)
    return (rows[:, None] * width + columns).flatten(), uv


def solver_samples(
    points: Tensor, mask: Tensor | None = None, grid: tuple[Tensor, Tensor] | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """What focal and shift are solved on: a 64 x 64 nearest-sampled grid of each map.

    Args:
        points: ``[B, H, W, 3]`` affine points.
        mask: ``[B, H, W]`` bool of pixels to use, all by default; points that are not finite
            never count.
        grid: Of :func:`solver_grid` for this size, where it is kept.

    Returns:
        Points ``[B, 4096, 3]``, view-plane coordinates ``[4096, 2]`` and which points to use
        ``[B, 4096]`` bool.
    """
    index, uv = grid or solver_grid(points.shape[1], points.shape[2], points.device)
    sampled = points.detach().flatten(1, 2).index_select(1, index).float()
    keep = torch.isfinite(sampled).all(dim=-1)  # half precision can overflow far away
    if mask is not None:
        keep &= mask.flatten(1).index_select(1, index)
    return sampled, uv, keep


def recover_focal_shift(
    points: Tensor, mask: Tensor | None = None, focal: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Focal length and shift of affine point maps, on the points' device.

    Args:
        points: ``[B, H, W, 3]`` affine points.
        mask: ``[B, H, W]`` bool of pixels to use, all by default.
        focal: ``[B]`` known focal lengths relative to the half diagonal (``focal_from_fx``); NaN
            where an image's is unknown.

    Returns:
        Focal ``[B]`` relative to the half diagonal, and shift ``[B]``, float32. The published
        code's solver ends within 1e-6 of them on clean maps and within 1e-4 on maps of half noise
        (relative; ``python -m bench focal_shift`` measures it).
    """
    return solve_focal_shift(*solver_samples(points, mask), focal)


def focal_without_shift(points: Tensor, mask: Tensor | None = None) -> Tensor:
    """Best focal ``[B]`` of point maps ``[B, H, W, 3]`` whose z is right as it is.

    The closed form that ``recover_focal_shift`` uses at every shift, over all pixels.
    """
    height, width = points.shape[1:3]
    uv = view_plane_uv(height, width, dtype=points.dtype, device=points.device)
    projected = points[..., :2] / points[..., 2:]
    if mask is not None:
        projected = torch.where(mask[..., None], projected, 0.0)
    return (projected * uv).sum(dim=(1, 2, 3)) / projected.square().sum(dim=(1, 2, 3))


def _nearest(size: int, device: torch.device | str | None) -> Tensor:
    """Indices that nearest-neighbour resizing to the solver's grid picks along one side."""
    index = torch.arange(size, dtype=torch.float32, device=device)
    return F.interpolate(index[None, None], size=SOLVER_SIZE)[0, 0].long()


def intrinsics_from_focal(focal: Tensor, aspect: float) -> Tensor:
    """Normalised pinhole matrices ``[B, 3, 3]`` (image width and height are 1, centre 0.5, 0.5)."""
    fx = focal / 2 * math.sqrt(1 + aspect**2) / aspect
    fy = focal / 2 * math.sqrt(1 + aspect**2)
    matrix = torch.zeros((*focal.shape, 3, 3), dtype=focal.dtype, device=focal.device)
    matrix[..., 0, 0] = fx
    matrix[..., 1, 1] = fy
    matrix[..., 0, 2] = 0.5
    matrix[..., 1, 2] = 0.5
    matrix[..., 2, 2] = 1
    return matrix


def focal_from_fov_x(fov_x: Tensor, aspect: float) -> Tensor:
    """Focal relative to the half diagonal from the horizontal field of view in degrees."""
    return aspect / math.sqrt(1 + aspect**2) / torch.tan(torch.deg2rad(fov_x / 2))


def focal_from_fx(fx: Tensor, width: float, height: float) -> Tensor:
    """Focal relative to the half diagonal from a calibration's fx, all in pixels."""
    return 2 * fx / math.hypot(width, height)


def depth_to_points(depth: Tensor, intrinsics: Tensor) -> Tensor:
    """Depth ``[B, H, W]`` and normalised intrinsics ``[B, 3, 3]`` to points ``[B, H, W, 3]``."""
    height, width = depth.shape[-2:]
    u = (torch.arange(width, dtype=depth.dtype, device=depth.device) + 0.5) / width
    v = (torch.arange(height, dtype=depth.dtype, device=depth.device) + 0.5) / height
    fx, fy = intrinsics[:, 0, 0, None, None], intrinsics[:, 1, 1, None, None]
    cx, cy = intrinsics[:, 0, 2, None, None], intrinsics[:, 1, 2, None, None]
    x = (u[None, None, :] - cx) / fx * depth
    y = (v[None, :, None] - cy) / fy * depth
    return torch.stack([x, y, depth], dim=-1)


def floor_prior(
    camera: PinholeCamera, gravity: npt.ArrayLike, height: float
) -> npt.NDArray[np.float32]:
    """What a known camera mount says about each pixel: its direction, and the floor behind it.

    Args:
        camera: Calibration of the image that the network sees.
        gravity: Direction of falling ``[3]`` in the optical frame.
        height: Of the camera above the floor, metres.

    Returns:
        ``[4, H, W]``: the unit ray in the level frame (x right, y down, z forward), and 1 / z of
        the floor plane (z along the optical axis, in 1/m; 0 where the ray does not meet the floor).
        All four are 0 where the distortion cannot be inverted.

    Raises:
        ValueError: The height is not positive.
    """
    if not height > 0:
        raise ValueError(f"the camera must be above the floor, not at {height} m")
    level = np.nan_to_num(camera.rays().astype(np.float64) @ level_frame(gravity).T)
    floor = np.maximum(level[..., 1] / height, 0.0)
    unit = level / np.maximum(np.linalg.norm(level, axis=-1, keepdims=True), 1e-9)
    prior = np.concatenate([unit, floor[..., None]], axis=-1).transpose(2, 0, 1)
    return np.ascontiguousarray(prior, dtype=np.float32)
