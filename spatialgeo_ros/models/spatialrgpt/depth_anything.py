# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth Anything (Yang et al. 2024, arXiv 2401.10891), whose pictures SpatialRGPT was trained with.

It gives relative inverse depth: near is large, and there is neither scale nor zero.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from transformers.models.depth_anything.configuration_depth_anything import DepthAnythingConfig
from transformers.models.depth_anything.modeling_depth_anything import (
    DepthAnythingForDepthEstimation,
)

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.meta_fill import fill, stored
from spatialgeo_ros.models.files.shards import Shards, read_json
from spatialgeo_ros.models.files.weights import require_shapes

_SHORTER_SIDE, _MULTIPLE = 518, 14
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class DepthAnything(nn.Module):
    """The network with its preprocessing.

    Args:
        network: of transformers.
    """

    def __init__(self, network: DepthAnythingForDepthEstimation) -> None:
        super().__init__()
        self.network = network

    @torch.inference_mode()
    def inverse_depth(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Relative inverse depth ``[h, w]`` of an image ``[H, W, 3]``, at the network's size."""
        weight = next(self.network.parameters())
        values = torch.from_numpy(depth_anything_pixels(image)).to(weight)
        predicted = self.network(pixel_values=values).predicted_depth[0]
        return predicted.float().cpu().numpy()


def depth_anything_pixels(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Preprocess an image ``[H, W, 3]`` to ``[1, 3, h, w]``.

    The shorter side becomes 518 pixels, each side the nearest multiple of 14 that is not below
    518; OpenCV's cubic filter; ImageNet's mean and deviation.
    """
    height, width = image.shape[:2]
    scale = _SHORTER_SIDE / min(height, width)
    sides = [
        max(_SHORTER_SIDE, round(side * scale / _MULTIPLE) * _MULTIPLE) for side in (width, height)
    ]
    unit = image.astype(np.float32) / 255.0
    sized = cv2.resize(unit, (sides[0], sides[1]), interpolation=cv2.INTER_CUBIC)
    normalised = (sized - np.array(_MEAN, np.float32)) / np.array(_DEVIATION, np.float32)
    return np.ascontiguousarray(normalised.transpose(2, 0, 1)[None])


def load_depth_anything(
    folder: Path, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> DepthAnything:
    """Load it from a folder in the layout of ``LiheYoung/depth-anything-large-hf``.

    Raises:
        ModelLoadError: names the file, key or tensor that is wrong.
    """
    content = read_json(folder / "config.json")
    try:
        config = DepthAnythingConfig(**{k: v for k, v in content.items() if k != "model_type"})
        with torch.device("meta"):
            network = DepthAnythingForDepthEstimation(config)
    except Exception as error:  # transformers raises errors of many kinds for bad values
        raise ModelLoadError(
            f"{folder / 'config.json'} describes no Depth Anything: {error}"
        ) from error
    names = {name: name for name in network.state_dict()}
    with Shards.from_folder(folder) as shards:
        needed = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        require_shapes(needed, {name: shards.shape(name) for name in shards}, folder)
        fill(network, stored(shards, names), dtype=dtype, device=device)
    return DepthAnything(network).requires_grad_(False).eval()
