# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tells images of the kind that a profile's networks were trained on from all others.

A network answers whatever it is shown, and as surely as ever (Hendrycks & Gimpel 2017). The small
classifier here is trained with outlier exposure (Hendrycks, Mazeika & Dietterich 2019): images of
the training domain against made-up images of everything else. It reads pixels, not the towers'
features: it is the same for every backend, and features of networks that know fifty names have
lost most of what tells a photograph from a rendered room.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spatialgeo_ros.models.backbones import conv_bn_relu

#: Spread of every colour, of 1, below which an image shows nothing. Noise of 3 grey levels in a
#: 640x480 image leaves 0.67 at the input size; 3 of 1250 noiseless views of rooms have less.
_EVEN = 0.7 / 255
NANO_DOMAIN_CONFIG: dict[str, Any] = {"widths": [16, 32, 64, 96], "hidden": 64}


class DomainClassifier(nn.Module):
    """Log-odds that an image is foreign: vote of its cells plus a look at their statistics.

    Fully convolutional, so the image may have any size. The votes' mean and the means and standard
    deviations of the features take no notice of where in the image something is.

    Attributes:
        threshold: [] float32; images with more than this are foreign. Stored with the weights,
            because it was set with them.
    """

    threshold: Tensor

    def __init__(self, widths: Sequence[int], hidden: int) -> None:
        """Build with random weights; ``widths`` of the stride-2 stages, ``hidden`` of the head."""
        super().__init__()
        pairs = zip((3, *widths[:-1]), widths, strict=True)
        stages = [conv_bn_relu(a, b, 2) for a, b in pairs]
        self.body = nn.Sequential(*stages, conv_bn_relu(widths[-1], widths[-1], 1))
        self.vote = nn.Conv2d(widths[-1], 1, 1)
        self.head = nn.Sequential(
            nn.Linear(2 * widths[-1], hidden), nn.ReLU(), nn.Linear(hidden, 1)
        )
        self.register_buffer("threshold", torch.zeros(()))

    @torch.inference_mode()
    def remark(self, image: Tensor, profile: str) -> str:
        """Say that an image is foreign or one even colour, "" where it is neither.

        Args:
            image: ``[1, 3, h, w]``, see :meth:`forward`.
            profile: Name of the profile whose training the image does not look like.
        """
        image = image.float()
        spread = image.std(dim=(2, 3), unbiased=False).max()
        # One wait for a GPU, not one per question.
        even, familiar = torch.stack([spread < _EVEN, self(image)[0] <= self.threshold]).tolist()
        if even:  # a lens cap, a dead camera
            return f"this image is one even colour: profile '{profile}' sees nothing in it"
        if familiar:
            return ""
        return f"this image does not look like the rooms that profile '{profile}' was trained in"

    def forward(self, image: Tensor) -> Tensor:
        """Log-odds ``[B]`` of RGB images ``[B, 3, h, w]`` in [0, 1], without bars around them."""
        features = self.body((image - 0.45) / 0.25)
        votes = self.vote(features).mean(dim=(1, 2, 3))
        mean = features.mean(dim=(2, 3))
        spread = (features.var(dim=(2, 3), unbiased=False) + 1e-4).sqrt()
        return votes + self.head(torch.cat([mean, spread], dim=1))[:, 0]
