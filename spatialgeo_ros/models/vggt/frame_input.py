# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Frames as VGGT's authors prepare them: sides that are whole patches, values in [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

#: Width ("crop") or longest side ("pad") of the network's frames, and its patch side, in pixels.
TARGET_SIZE = 518
PATCH_SIZE = 14
_WHITE = 255
_PAD_VALUE = 1.0


def load_images(
    frames: Sequence[npt.NDArray[np.uint8]],
    mode: str = "crop",
    *,
    turn_portrait: bool = False,
    size: int = TARGET_SIZE,
) -> Tensor:
    """Frames of a clip as one tensor for the aggregator.

    Args:
        frames: Each ``[H, W, 3]`` RGB or ``[H, W, 4]`` RGBA (laid over white), of any sizes.
        mode: "crop" makes them ``size`` wide and cuts the height at ``size`` about the centre;
            "pad" makes the longer side ``size`` and pads to a square with white.
        turn_portrait: Turn frames that are higher than wide clockwise by 90 degrees first, as the
            authors' frame sampling does.
        size: Side in pixels, a multiple of 14.

    Returns:
        ``[S, 3, H, W]`` float32 in [0, 1]. Frames that come out of different sizes are padded
        about their centre with white to the largest.

    Raises:
        ValueError: No frames, unknown mode, or a frame of another shape.
    """
    if not frames:
        raise ValueError("there are no frames")
    return stack_frames(
        [prepare_frame(f, mode, turn_portrait=turn_portrait, size=size) for f in frames]
    )


def stack_frames(tensors: Sequence[Tensor]) -> Tensor:
    """Frames of :func:`prepare_frame` as one tensor ``[S, 3, H, W]``, padded to the largest."""
    height = max(t.shape[1] for t in tensors)
    width = max(t.shape[2] for t in tensors)
    return torch.stack([_pad_to(t, height, width) for t in tensors])


def prepare_frame(
    frame: npt.NDArray[np.uint8],
    mode: str = "crop",
    *,
    turn_portrait: bool = False,
    size: int = TARGET_SIZE,
) -> Tensor:
    """One frame as in :func:`load_images`, ``[3, H, W]``.

    Raises:
        ValueError: As there.
    """
    if mode not in ("crop", "pad"):
        raise ValueError(f"mode must be crop or pad, not {mode!r}")
    if size < PATCH_SIZE or size % PATCH_SIZE:
        raise ValueError(f"size must be a positive multiple of {PATCH_SIZE}, not {size}")
    if frame.ndim != 3 or frame.shape[2] not in (3, 4) or frame.dtype != np.uint8:
        raise ValueError(f"a frame must be [H, W, 3 or 4] uint8, not {frame.dtype} {frame.shape}")
    image = Image.fromarray(frame)
    if image.mode == "RGBA":
        ground = Image.new("RGBA", image.size, (_WHITE,) * 4)
        image = Image.alpha_composite(ground, image).convert("RGB")
    if turn_portrait and image.height > image.width:
        image = image.transpose(Image.Transpose.ROTATE_270)
    width, height = image.size
    if mode == "pad" and height > width:
        new_width, new_height = _whole_patches(width * (size / height)), size
    else:
        new_width, new_height = size, _whole_patches(height * (size / width))
    image = image.resize((new_width, new_height), Image.Resampling.BICUBIC)
    tensor = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    if mode == "pad":
        return _pad_to(tensor, size, size)
    if new_height > size:
        top = (new_height - size) // 2
        tensor = tensor[:, top : top + size]
    return tensor


def _whole_patches(length: float) -> int:
    return max(1, round(length / PATCH_SIZE)) * PATCH_SIZE


def _pad_to(tensor: Tensor, height: int, width: int) -> Tensor:
    rows, columns = height - tensor.shape[1], width - tensor.shape[2]
    if not rows and not columns:
        return tensor
    top, left = rows // 2, columns // 2
    return F.pad(tensor, (left, columns - left, top, rows - top), value=_PAD_VALUE)
