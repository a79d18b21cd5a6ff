# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From camera frames to the two inputs of Spatial-MLLM: Qwen2.5-VL's patches and VGGT's images.

Both come from the same resized frames, so that a VGGT token and a Qwen patch show the same pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.models.clip import CLIP_MEAN, CLIP_STD
from spatialgeo_ros.models.letterbox import per_channel
from spatialgeo_ros.models.spatial_mllm.connector import SPATIAL_MERGE, TEMPORAL_MERGE
from spatialgeo_ros.runtime.transfer import upload

PATCH = 14
#: A frame's sides are multiples of this, so that 2 x 2 patches can be merged everywhere.
FACTOR = PATCH * SPATIAL_MERGE
_MAX_ASPECT = 200


@dataclass(frozen=True)
class PixelBudget:
    """How many pixels a resized frame may have; the defaults are those of Qwen's video reader."""

    min_pixels: int = 128 * FACTOR**2
    max_pixels: int = 768 * FACTOR**2

    def __post_init__(self) -> None:
        """Reject a budget no frame fits in.

        Raises:
            ValueError: The numbers are not positive, or the least exceeds the most.
        """
        if not FACTOR**2 <= self.max_pixels or not 0 < self.min_pixels <= self.max_pixels:
            raise ValueError(
                f"a pixel budget needs 0 < min_pixels <= max_pixels and at least {FACTOR**2} "
                f"pixels, not {self.min_pixels} and {self.max_pixels}"
            )


@dataclass(frozen=True, eq=False)
class VideoInput:
    """A clip as both encoders take it.

    Attributes:
        pixel_values: ``[t h w, 1176]`` CLIP-normalised patches in Qwen's order (t, then blocks of
            2 x 2 patches row by row, then the patches of a block), each (colour, frame, y, x).
        grid_thw: Pairs of frames, rows and columns of patches.
        images: ``[2 t, 3, 14 h, 14 w]`` RGB in [0, 1] for VGGT.
    """

    pixel_values: Tensor
    grid_thw: tuple[int, int, int]
    images: Tensor


def frame_indices(frame_count: int, frames: int = 16) -> list[int]:
    """Which frames of a video Qwen's reader takes: evenly, first and last included.

    ``linspace(0, n - 1, N)`` rounded half to even; ``frames`` is rounded to an even number first. A
    video shorter than that is taken whole.

    Args:
        frame_count: Of the video.
        frames: How many are wanted.

    Raises:
        ValueError: ``frame_count`` or ``frames`` is not positive.
    """
    if frame_count < 1 or frames < 1:
        raise ValueError(f"need positive counts, not {frames} of {frame_count} frames")
    wanted = max(TEMPORAL_MERGE, round(frames / TEMPORAL_MERGE) * TEMPORAL_MERGE)
    if frame_count <= wanted:
        return list(range(frame_count))
    return torch.linspace(0, frame_count - 1, wanted).round().long().tolist()


def resized_size(height: int, width: int, budget: PixelBudget | None = None) -> tuple[int, int]:
    """Height and width that Qwen2.5-VL gives a frame: multiples of 28 within the pixel budget.

    The aspect ratio is kept as well as multiples of 28 allow. Python's rounding (half to even) is
    part of the rule.

    Raises:
        BadImageError: The frame is empty, or more than 200 times as long as wide.
    """
    budget = budget or PixelBudget()
    if min(height, width) < 1 or max(height, width) > _MAX_ASPECT * min(height, width):
        raise BadImageError(
            f"a frame of {width}x{height} pixels cannot be used: it must not be empty nor more "
            f"than {_MAX_ASPECT} times as long as wide"
        )
    rows, columns = round(height / FACTOR) * FACTOR, round(width / FACTOR) * FACTOR
    if rows * columns > budget.max_pixels:
        shrink = math.sqrt(height * width / budget.max_pixels)
        rows = max(FACTOR, math.floor(height / shrink / FACTOR) * FACTOR)
        columns = max(FACTOR, math.floor(width / shrink / FACTOR) * FACTOR)
    elif rows * columns < budget.min_pixels:
        grow = math.sqrt(budget.min_pixels / (height * width))
        rows = math.ceil(height * grow / FACTOR) * FACTOR
        columns = math.ceil(width * grow / FACTOR) * FACTOR
    return rows, columns


def resize_frames(
    frames: Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8],
    budget: PixelBudget | None = None,
) -> Tensor:
    """Resize frames bicubically with antialiasing, rounded to whole grey levels.

    Args:
        frames: T RGB frames ``[H, W, 3]`` of one size.
        budget: Pixels per frame.

    Returns:
        ``[T, 3, h, w]`` uint8.

    Raises:
        BadImageError: There is no frame, frames differ in size, or are no uint8 RGB images.
    """
    if len(frames) == 0:
        raise BadImageError("a question about a video needs at least one frame")
    for number, frame in enumerate(frames):
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise BadImageError(
                f"frame {number} is {frame.dtype} {list(frame.shape)}, not uint8 [H, W, 3] RGB"
            )
        if frame.shape != frames[0].shape:
            raise BadImageError(
                f"frame {number} is {frame.shape[1]}x{frame.shape[0]}, the first one "
                f"{frames[0].shape[1]}x{frames[0].shape[0]}: frames of a clip have one size"
            )
    height, width = frames[0].shape[:2]
    size = resized_size(height, width, budget)
    return torch.stack([_resize(torch.tensor(frame).permute(2, 0, 1), size) for frame in frames])


def _resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(image.shape[1:]) == size:
        return image
    resized = F.interpolate(image[None].float(), size, mode="bicubic", antialias=True)[0]
    return resized.clamp(0, 255).round().to(torch.uint8)


def prepare_video(
    frames: Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8],
    budget: PixelBudget | None = None,
    device: torch.device | str = "cpu",
) -> VideoInput:
    """Turn frames into the input of both encoders.

    Frames are resized on the CPU, where filters round alike everywhere; bytes go to the device, and
    all else happens there with the same bits.

    An odd number of frames is made even by repeating the last, so a single image becomes two equal
    frames: what Qwen's image path does with an image too (its two-frame patches hold it twice).

    Args:
        frames: T RGB frames ``[H, W, 3]`` uint8 of one size, in temporal order.
        budget: Pixels per frame; Qwen's by default.
        device: Of the result.

    Raises:
        BadImageError: There is no frame, frames differ in size, or are no uint8 RGB images.
    """
    resized = upload(resize_frames(frames, budget).numpy(), torch.device(device))
    if surplus := len(resized) % TEMPORAL_MERGE:
        last = resized[-1:].expand(TEMPORAL_MERGE - surplus, -1, -1, -1)
        resized = torch.cat([resized, last])
    count, _, height, width = resized.shape
    grid = (count // TEMPORAL_MERGE, height // PATCH, width // PATCH)
    # Scale and offset of the normalisation in grey levels at once, as transformers applies them.
    mean, std = (per_channel(one, resized.device) * 255 for one in (CLIP_MEAN, CLIP_STD))
    values = resized.float()
    white = torch.full((), 255.0, device=resized.device)
    return VideoInput(patches((values - mean) / std, grid), grid, values / white)


def patches(pixels: Tensor, grid: tuple[int, int, int]) -> Tensor:
    """Cut frames ``[2 t, 3, 14 h, 14 w]`` into Qwen's patches ``[t h w, 1176]``."""
    times, rows, columns = grid
    split = pixels.reshape(
        times,
        TEMPORAL_MERGE,
        pixels.shape[1],
        rows // SPATIAL_MERGE,
        SPATIAL_MERGE,
        PATCH,
        columns // SPATIAL_MERGE,
        SPATIAL_MERGE,
        PATCH,
    )
    ordered = split.permute(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return ordered.reshape(times * rows * columns, -1)
