# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Images as the SAM networks take them: stretched to a square, normalised.

The library's image processors for these networks need torchvision, whose wheels break beside a CPU
build of PyTorch. This is the one operation of theirs that is used, by the PyTorch function that
torchvision itself calls.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from spatialgeo_ros.errors import ModelLoadError, quoted

#: Where a checkpoint says how images are prepared: version 5 of the library writes the first.
_FILES = ("processor_config.json", "preprocessor_config.json")
_BILINEAR = 2  # PIL's number, which the files hold


@dataclass(frozen=True)
class SquareInput:
    """How images become the network's input.

    Attributes:
        side: of the square, pixels.
        mean: of each colour, after scaling to [0, 1].
        std: to divide by.
    """

    side: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def of_checkpoint(cls, folder: Path, usual: SquareInput) -> SquareInput:
        """Read what a checkpoint says; ``usual`` fills what it leaves to the library.

        Raises:
            ModelLoadError: the file cannot be read, or asks for something else than a square by
                bilinear filtering.
        """
        path = next((folder / name for name in _FILES if (folder / name).is_file()), None)
        if path is None:
            return usual
        try:
            said = json.loads(path.read_text())
            if "size" not in said:  # version 5 nests what the image's part of a processor needs
                said = said.get("image_processor", said)
            side = _side(said.get("size", usual.side))
            mean = _colours(said.get("image_mean", usual.mean))
            std = _colours(said.get("image_std", usual.std))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            reason = f"{type(error).__name__} {error}"
            raise ModelLoadError(f"{path} cannot be read: {quoted(reason, 200)}") from None
        usual_steps = ("do_resize", "do_rescale", "do_normalize")
        off = [name for name in usual_steps if said.get(name) is False]
        if said.get("resample", _BILINEAR) != _BILINEAR or off or min(std) <= 0 or side <= 0:
            raise ModelLoadError(
                f"{path} asks for another preparation of images than resizing to a square by "
                "bilinear filtering and normalising; take the published file"
            )
        return cls(side, mean, std)

    def pixels(self, image: npt.NDArray[np.uint8]) -> Tensor:
        """Prepare an image.

        Args:
            image: [H, W, 3] uint8 RGB.

        Returns:
            [1, 3, side, side] float32. Filtered and rounded as uint8, antialiased when it shrinks:
            bit for bit what torchvision makes, within two grey levels of Pillow's bilinear filter.
        """
        planes = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
        size = (self.side, self.side)
        if planes.shape[-2:] != size:
            planes = functional.interpolate(planes, size, mode="bilinear", antialias=True)
        # As the library: scaling and normalising in one step.
        mean, std = (torch.tensor(v)[:, None, None] * 255.0 for v in (self.mean, self.std))
        return (planes.float() - mean) / std


def _side(size: Any) -> int:
    if isinstance(size, dict):
        height, width = int(size["height"]), int(size["width"])
        if height != width:
            raise ValueError(f"size {height}x{width} is no square")
        return height
    return int(size)


def _colours(values: Any) -> tuple[float, float, float]:
    red, green, blue = (float(v) for v in values)
    return red, green, blue
