# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a camera image to network input and back: letterboxing, its camera, regions as patches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.models.clip import CLIP_MEAN, CLIP_STD

# int(255 * CLIP mean), the colour LLaVA pads with.
PAD_COLOUR = (122, 116, 104)


@dataclass(frozen=True)
class Letterbox:
    """Where a source image lies in the network's input: scaled, centred, bars around it.

    Attributes:
        source: Width and height of the camera image.
        target: Width and height of the input.
        content: Width and height of the scaled image inside the input.
        offset: x and y of the content's upper left corner in the input.
    """

    source: tuple[int, int]
    target: tuple[int, int]
    content: tuple[int, int]
    offset: tuple[int, int]

    @classmethod
    def fit(cls, source: tuple[int, int], target: tuple[int, int]) -> Letterbox:
        """Largest placement of ``source`` (width, height) in ``target`` that keeps its aspect."""
        scale = min(target[0] / source[0], target[1] / source[1])
        width = min(target[0], max(1, round(source[0] * scale)))
        height = min(target[1], max(1, round(source[1] * scale)))
        offset = ((target[0] - width) // 2, (target[1] - height) // 2)
        return cls(source, target, (width, height), offset)

    def _resize(self, image: npt.NDArray, width: int, height: int) -> npt.NDArray:
        shrinking = width <= image.shape[1] and height <= image.shape[0]
        interpolation = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        return cv2.resize(image, (width, height), interpolation=interpolation)

    def image(
        self, image: npt.NDArray[np.uint8], colour: tuple[int, int, int] = PAD_COLOUR
    ) -> npt.NDArray[np.uint8]:
        """Camera image ``[H, W, 3]`` to input ``[h, w, 3]`` uint8, averaging areas when it shrinks.

        Raises:
            ValueError: The image is not of the source's size.
        """
        out = np.empty((self.target[1], self.target[0], 3), dtype=np.uint8)
        out[:] = colour
        (x, y), (w, h) = self.offset, self.content
        out[y : y + h, x : x + w] = self.scaled(image)
        return out

    def scaled(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The same without bars around it, of the size ``content``.

        Raises:
            ValueError: The image is not of the source's size.
        """
        if (image.shape[1], image.shape[0]) != self.source:
            raise ValueError(
                f"image is {image.shape[1]}x{image.shape[0]}, not {self.source[0]}x{self.source[1]}"
            )
        return self._resize(image, *self.content)

    def camera(self, camera: PinholeCamera) -> PinholeCamera:
        """Calibration of the input, from that of the camera image (the bars have rays too).

        Raises:
            ValueError: The camera's size is not the source's.
        """
        if (camera.width, camera.height) != self.source:
            raise ValueError(
                f"camera is {camera.width}x{camera.height}, the image "
                f"{self.source[0]}x{self.source[1]}"
            )
        scaled = camera.resized(*self.content)
        return replace(
            scaled,
            width=self.target[0],
            height=self.target[1],
            cx=scaled.cx + self.offset[0],
            cy=scaled.cy + self.offset[1],
        )

    def patch_weights(
        self, mask: npt.NDArray[np.bool_], grid: tuple[int, int]
    ) -> npt.NDArray[np.float32]:
        """Share of each patch that a region covers.

        Args:
            mask: ``[H, W]`` bool at the camera image's size.
            grid: Rows and columns of patches; the input's sides must be multiples of them.

        Returns:
            ``[rows * columns]`` float32 in [0, 1], row-major. Positive somewhere for every region
            that is not empty.

        Raises:
            ValueError: The mask has another size than the source, or the grid does not divide the
                input.
        """
        if (mask.shape[1], mask.shape[0]) != self.source:
            raise ValueError(
                f"mask is {mask.shape[1]}x{mask.shape[0]}, the image "
                f"{self.source[0]}x{self.source[1]}"
            )
        rows, columns = grid
        if self.target[0] % columns or self.target[1] % rows:
            raise ValueError(f"a grid of {grid} does not divide an input of {self.target}")
        covered = np.zeros((self.target[1], self.target[0]), dtype=np.float32)
        (x, y), (w, h) = self.offset, self.content
        covered[y : y + h, x : x + w] = self._resize(mask.astype(np.float32), w, h)
        patches = covered.reshape(rows, self.target[1] // rows, columns, self.target[0] // columns)
        return patches.mean(axis=(1, 3)).reshape(-1)

    def resample(
        self, values: npt.NDArray[np.floating], size: tuple[int, int], *, smooth: bool = False
    ) -> npt.NDArray[np.float32]:
        """A map over the input (depth, patch scores) as a map over the camera image.

        Args:
            values: ``[h, w]`` at any resolution of the input.
            size: Width and height wanted, of the camera image's view.
            smooth: Bilinear; the nearest value otherwise (depth must not be mixed across edges).

        Returns:
            ``[height, width]``.
        """
        height, width = values.shape
        # Centre of each wanted pixel as a share of the view, then of the input, then in map pixels.
        x = (np.arange(size[0]) + 0.5) / size[0] * self.content[0] + self.offset[0]
        y = (np.arange(size[1]) + 0.5) / size[1] * self.content[1] + self.offset[1]
        u, v = np.meshgrid(x / self.target[0] * width - 0.5, y / self.target[1] * height - 0.5)
        interpolation = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
        sampled = cv2.remap(
            values.astype(np.float32),
            u.astype(np.float32),
            v.astype(np.float32),
            interpolation,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(sampled, dtype=np.float32)


def image_tensor(image: npt.NDArray[np.uint8]) -> Tensor:
    """``[H, W, 3]`` uint8 to ``[1, 3, H, W]`` float32 in [0, 1]."""
    array = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)
    return torch.from_numpy(array)[None] / 255.0


def pad_to_square(
    image: npt.NDArray[np.uint8], colour: tuple[int, int, int] = PAD_COLOUR
) -> npt.NDArray[np.uint8]:
    """Pad ``[H, W, 3]`` to its longer side, centred with a floored offset, as LLaVA does."""
    height, width = image.shape[:2]
    side = max(height, width)
    out = np.empty((side, side, 3), dtype=np.uint8)
    out[:] = colour
    top, left = (side - height) // 2, (side - width) // 2
    out[top : top + height, left : left + width] = image
    return out


def image_values(image: Tensor) -> Tensor:
    """``[..., H, W, 3]`` uint8 to ``[..., 3, H, W]`` float32 in [0, 1] on its device.

    The numbers of ``image_tensor``, to the bit.
    """
    values = image.movedim(-1, -3).to(torch.float32, memory_format=torch.contiguous_format)
    # By a tensor: CUDA multiplies by the reciprocal of a number, which rounds twice.
    return values / torch.full((), 255.0, device=image.device)


def spatialgeo_square(image: npt.NDArray[np.uint8], size: int = 336) -> npt.NDArray[np.uint8]:
    """Official SpatialGeo preprocessing before the normalisation: padded to a square, resized.

    Pillow's bicubic filter, on purpose: other libraries' differ by one or two grey levels.

    Args:
        image: ``[H, W, 3]`` uint8 RGB.
        size: Side of the result.

    Returns:
        ``[size, size, 3]`` uint8.
    """
    square = Image.fromarray(pad_to_square(image))
    return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))


def spatialgeo_values(square: Tensor) -> Tensor:
    """``spatialgeo_square``'s image on its device to ``[3, size, size]`` float32, as CLIP wants it.

    The one tensor that both towers take.
    """
    values = image_values(square)
    mean, std = (per_channel(constant, square.device) for constant in (CLIP_MEAN, CLIP_STD))
    return (values - mean) / std


def spatialgeo_pixels(image: npt.NDArray[np.uint8], size: int = 336) -> Tensor:
    """Official SpatialGeo preprocessing of one image ``[H, W, 3]`` uint8: ``[3, size, size]``."""
    return spatialgeo_values(torch.tensor(spatialgeo_square(image, size)))


@cache
def per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Constants ``[3, 1, 1]`` float32, made once: a constant from the host makes the GPU wait."""
    with torch.inference_mode(False):
        return torch.tensor(values, device=device).view(3, 1, 1)
