# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the nano detector is trained for: one patch per thing answers, all others stay silent.

As DETR (Carion et al. 2020) and OWL-ViT (Minderer et al. 2022): a bipartite matching of predictions
and things, focal loss of the scores (Lin et al. 2017), L1 and generalised IoU of the boxes
(Rezatofighi et al. 2019). The matching is greedy, cheapest pair first: with a box that starts at
its own patch, and a penalty for patches outside the thing's box, pairs hardly compete, and it runs
on the GPU for the whole batch, where an exact one would take longer than the network.

Other patches that box a thing as well are not told to be silent about it: which of several good
boxes answers is left to the suppression of overlaps that runs anyway, and learning is faster.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from spatialgeo_ros.training.detector.phrases import CONCEPTS, NAMES, concept_numbers
from spatialgeo_ros.training.detector.store import ViewBatch, concept_maps

#: Smaller things are neither asked for nor rejected, shares of the image's pixels.
LEAST_SHARE = 0.0015
#: Predictions beside the matched one whose boxes learn from a thing, and how much.
_NEAR, _NEAR_WEIGHT = 4, 0.25
#: Predictions that overlap a thing so much (IoU) may answer for it too.
_ALSO_RIGHT = 0.7
#: Costs and weights are DETR's.
_SCORE, _L1, _GIOU, _OUTSIDE = 2.0, 5.0, 2.0, 20.0
_ALPHA, _GAMMA = 0.3, 2.0  # OWL-ViT's
_CELLS, _SHOWN = 0.5, 4.0


def corners(box: Tensor) -> Tensor:
    """Centre and size to x0, y0, x1, y1."""
    centre, half = box[..., :2], box[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


def overlaps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU of boxes [..., 4] by their corners; shapes broadcast."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    shared = (high - low).clamp_min(0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - shared
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    iou = shared / union.clamp_min(1e-9)
    return iou, iou - (hull - union) / hull.clamp_min(1e-9)


def concept_table(device: torch.device) -> Tensor:
    """Which concepts a thing of each name is, [N, C] of 0 and 1."""
    table = torch.zeros((len(NAMES), len(CONCEPTS)), device=device)
    for name in range(len(NAMES)):
        table[name, list(concept_numbers(name))] = 1.0
    return table


@torch.no_grad()
def matching_cost(
    logits: Tensor, boxes: Tensor, batch: ViewBatch, grid: int
) -> tuple[Tensor, Tensor]:
    """Cost of taking a patch's prediction for a thing, infinite where there is none, and IoU.

    Returns:
        Both [B, P, M].
    """
    wanted = (batch.share >= LEAST_SHARE) & (batch.name >= 0)
    name = batch.name.clamp_min(0)[:, None].expand(-1, logits.shape[1], -1)
    chance = logits.gather(2, name).sigmoid()
    hit = _ALPHA * (1 - chance) ** _GAMMA * -(chance + 1e-8).log()
    miss = (1 - _ALPHA) * chance**_GAMMA * -(1 - chance + 1e-8).log()
    mine, theirs = corners(boxes)[:, :, None], batch.box[:, None]
    size = theirs[..., 2:] - theirs[..., :2]
    target = torch.cat([(theirs[..., :2] + theirs[..., 2:]) / 2, size], -1)
    apart = (boxes[:, :, None] - target).abs().sum(-1)
    middle = (torch.arange(grid, device=logits.device) + 0.5) / grid
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    at = torch.stack([x, y], -1).view(1, -1, 1, 2)
    outside = torch.maximum(theirs[..., :2] - at, at - theirs[..., 2:]).amax(-1) - 0.5 / grid
    iou, giou = overlaps(mine, theirs)
    cost = _SCORE * (hit - miss) + _L1 * apart - _GIOU * giou + _OUTSIDE * outside.clamp_min(0)
    return torch.where(wanted[:, None], cost, torch.inf), iou * wanted[:, None]


@torch.no_grad()
def match(cost: Tensor) -> Tensor:
    """Greedy one-to-one matching.

    Args:
        cost: [B, P, M], infinite for what cannot be matched.

    Returns:
        [B, M] int64, the prediction of each thing; -1 where there is no thing.
    """
    cost = cost.clone()
    count, predictions, things = cost.shape
    found = torch.full((count, things), -1, dtype=torch.long, device=cost.device)
    rows = torch.arange(count, device=cost.device)
    for _ in range(things):
        value, flat = cost.flatten(1).min(1)
        prediction, thing = flat // things, flat % things
        usable = torch.isfinite(value)
        found[rows, thing] = torch.where(usable, prediction, found[rows, thing])
        cost[rows, prediction] = torch.inf
        cost[rows, :, thing] = torch.inf
    return found


def detection_loss(
    logits: Tensor, boxes: Tensor, cells: Tensor, batch: ViewBatch, table: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of a batch and its parts.

    Args:
        logits: [B, P, T]; the first ``len(CONCEPTS)`` phrases are those, all others mean nothing.
        boxes: [B, P, 4] centre and size.
        cells: [B, C, C, N + 1].
        batch: the truth.
        table: of :func:`concept_table`.
    """
    count, patches, phrases = logits.shape
    cost, iou = matching_cost(logits.detach(), boxes.detach(), batch, int(patches**0.5))
    matched = match(cost)
    there = matched >= 0
    total = there.sum().clamp_min(1)
    wanted = table[batch.name.clamp_min(0)] * there[..., None]
    target = torch.zeros((count, patches, phrases), device=logits.device)
    rows = torch.arange(count, device=logits.device)[:, None].expand_as(matched)
    target[..., : len(CONCEPTS)].index_put_((rows, matched.clamp_min(0)), wanted, accumulate=True)
    target.clamp_(max=1.0)
    # What shows too little of itself is not rejected either.
    doubtful = (batch.share > 0) & (batch.name >= 0) & ~there
    unclear = (table[batch.name.clamp_min(0)] * doubtful[..., None]).amax(1)
    also = ((iou >= _ALSO_RIGHT).float() @ wanted).clamp_max(1.0)
    spared = torch.maximum(unclear[:, None], also)
    weight = 1 - F.pad(spared, (0, phrases - len(CONCEPTS))) * (1 - target)
    chance = logits.sigmoid()
    right = target * chance + (1 - target) * (1 - chance)
    focus = target * _ALPHA + (1 - target) * (1 - _ALPHA)
    entropy = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
    score = (focus * (1 - right) ** _GAMMA * entropy * weight).sum() / total
    # Boxes: the matched prediction, and with less weight the next cheapest.
    near = cost.topk(_NEAR, dim=1, largest=False).indices  # [B, K, M]
    picked = torch.cat([matched.clamp_min(0)[:, None], near], 1)
    share = torch.full((1 + _NEAR,), _NEAR_WEIGHT, device=logits.device)
    share[0] = 1.0
    use = (there[:, None] * share[:, None]).expand_as(picked)
    index = picked.flatten(1)[..., None].expand(-1, -1, 4)
    mine = boxes.gather(1, index).view(*picked.shape, 4)
    theirs = batch.box[:, None].expand_as(mine)
    size = theirs[..., 2:] - theirs[..., :2]
    centred = torch.cat([(theirs[..., :2] + theirs[..., 2:]) / 2, size], -1)
    l1 = ((mine - centred).abs().sum(-1) * use).sum() / total
    giou = ((1 - overlaps(corners(mine), theirs)[1]) * use).sum() / total
    shown = concept_maps(batch, len(NAMES))
    importance = torch.ones(len(NAMES) + 1, device=logits.device)
    importance[:-1] = _SHOWN
    dense = F.cross_entropy(cells.flatten(0, 2), shown.flatten(), importance)
    loss = _SCORE * score + _L1 * l1 + _GIOU * giou + _CELLS * dense
    parts = {"score": score, "l1": l1, "giou": giou, "cells": dense}
    return loss, {key: value.detach() for key, value in parts.items()}
