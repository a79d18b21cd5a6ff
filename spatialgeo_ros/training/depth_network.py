# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trains the nano geometry network: affine point map, mask and metric scale of MoGe-2.

MoGe leaves scale and shift of its point map free and aligns them inside the loss. Here every frame
is perfectly known, so the point map is trained towards one member of that family: the true points
over their geometric mean depth, with no shift; the scale head learns that mean depth in metres.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from spatialgeo_ros.models.moge.moge2 import NANO_CONFIG, MoGe2
from spatialgeo_ros.training.data import FrameStore, GeometryBatch, geometry_batch
from spatialgeo_ros.training.loop import Schedule, device_of, train

log = logging.getLogger(__name__)
NANO_TOKENS = 48


def geometry_loss(out: dict[str, Tensor], batch: GeometryBatch) -> tuple[Tensor, dict[str, float]]:
    """Sum of the point, gradient, scale and mask losses.

    Args:
        out: of ``MoGe2.forward(..., upsample=False)``.
        batch: the truth at the same size.
    """
    valid = batch.valid.float()
    z = batch.points[..., 2].clamp_min(0.05)
    count = valid.sum((1, 2)).clamp_min(1)
    log_z = z.log()
    scale = ((log_z * valid).sum((1, 2)) / count).exp()
    weight = valid * (1.0 + batch.on_object.float())
    weight = weight / weight.sum((1, 2), keepdim=True).clamp_min(1)
    target = batch.points / scale[:, None, None, None]
    # Relative error of a point: metres of error per metre of depth.
    error = (out["points"] - target).abs().sum(-1) / target[..., 2].clamp_min(0.02)
    points = (weight * error.clamp_max(4.0)).sum((1, 2)).mean()
    difference = out["points"][..., 2].clamp_min(1e-3).log() - (log_z - scale.log()[:, None, None])
    gradient = difference.new_zeros(())
    for axis in (1, 2):
        inner = valid.shape[axis] - 1
        both = valid.narrow(axis, 1, inner) * valid.narrow(axis, 0, inner)
        gradient = gradient + (difference.diff(dim=axis).abs() * both).mean()
    metric = (out["metric_scale"].log() - scale.log()).abs().mean()
    mask = F.binary_cross_entropy_with_logits(out["mask_logits"], valid)
    loss = points + 0.5 * gradient + metric + 0.1 * mask
    parts = {"points": points, "gradient": gradient, "scale": metric, "mask": mask}
    return loss, {name: float(value.detach()) for name, value in parts.items()}


@torch.inference_mode()
def depth_errors(model: MoGe2, store: FrameStore, frames: np.ndarray) -> dict[str, float]:
    """Metric depth errors over all pixels: abs-rel, delta < 1.25, abs-rel with scale aligned."""
    model.eval()
    rows = []
    for start in range(0, len(frames), 20):
        batch = geometry_batch(store, frames[start : start + 20], None).to(device_of(model))
        out = model(batch.image, NANO_TOKENS, batch.prior, upsample=False)
        depth = out["points"][..., 2] * out["metric_scale"][:, None, None]
        for predicted, points, valid in zip(depth, batch.points, batch.valid, strict=True):
            p, t = predicted[valid], points[..., 2][valid]
            aligned = p * (t / p).median()
            rows.append([
                float(((p - t).abs() / t).mean()),
                float((torch.maximum(p / t, t / p) < 1.25).float().mean()),
                float(((aligned - t).abs() / t).mean()),
            ])  # fmt: skip
    values = np.array(rows).mean(0)
    return {"abs_rel": values[0], "delta_1.25": values[1], "abs_rel_aligned": values[2]}


def train_geometry(
    store: FrameStore,
    held_out: FrameStore,
    folder: Path,
    schedule: Schedule,
    device: torch.device | str = "cpu",
) -> MoGe2:
    """Train, or go on from the checkpoint in ``folder``; returns the trained network."""
    torch.manual_seed(schedule.seed)
    model = MoGe2(**NANO_CONFIG)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    watched = np.linspace(0, len(held_out) - 1, min(100, len(held_out))).astype(int)

    def step(frames: np.ndarray, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        batch = geometry_batch(store, frames, rng).to(device_of(model))
        out = model(batch.image, NANO_TOKENS, batch.prior, upsample=False)
        return geometry_loss(out, batch)

    train(model, len(store), step, lambda: depth_errors(model, held_out, watched), folder, schedule)
    return model
