# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the parity gate judges the networks of detectors and segmenters, and what it shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from spatialgeo_ros.grounding.graphs import DetectorGraph
from spatialgeo_ros.runtime.backend import TensorSpec
from spatialgeo_ros.runtime.detection_parity import Detections
from spatialgeo_ros.runtime.parity import KnownInputs, Metric, known_inputs

#: Phrases that every detector knows.
KNOWN_PHRASES = ("chair", "red door", "table")
#: Boxes in shares of the image: a whole one, small and long ones, at edges and inside.
KNOWN_BOXES = (
    (0.0, 0.0, 1.0, 1.0), (0.1, 0.2, 0.5, 0.9), (0.45, 0.4, 0.65, 0.6), (0.0, 0.5, 0.3, 1.0),
    (0.7, 0.1, 0.98, 0.35), (0.05, 0.45, 0.95, 0.55), (0.3, 0.0, 0.4, 1.0), (0.5, 0.5, 0.56, 0.58),
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class GateRule:
    """How one network is judged.

    Attributes:
        known: makes its inputs where pictures will not do; None for pictures.
        metric: compares what it finds; None to compare every value.
    """

    known: KnownInputs | None = None
    metric: Metric | None = None


def features_of_pictures(graph: DetectorGraph, count: int) -> list[dict[str, Tensor]]:
    """What an image tower, run by PyTorch, makes of the gate's pictures.

    Returns:
        Its outputs for each of ``count`` pictures, float32 on the CPU.
    """
    specs = [
        TensorSpec(name, tuple(tensor.shape), tensor.dtype)
        for name, tensor in graph.example_inputs().items()
    ]
    return [
        on_cpu(graph.run({name: one.to(graph.device) for name, one in picture.items()}))
        for picture in known_inputs(specs, count=count)
    ]


def on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy to the CPU; floats as float32."""
    return {
        name: one.cpu().float() if one.is_floating_point() else one.cpu()
        for name, one in tensors.items()
    }


def detections(scores: Tensor, boxes: Tensor, masks: Tensor | None = None) -> Detections:
    """What was found, for the metric.

    Args:
        scores: [P, Q].
        boxes: [Q, 4], the same for every phrase, centre, width and height.
        masks: [P, Q, h, w] logits.
    """
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    corners = torch.cat([centre - half, centre + half], dim=1)
    return Detections(scores, corners.expand(len(scores), -1, -1), masks)
