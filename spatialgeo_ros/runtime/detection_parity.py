# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parity gate's metric for detectors and segmenters: both must find the same things.

Raw outputs cannot be compared value by value: a detector chooses its queries by rank, so that two
that agree may list the same boxes in another order. What is compared is what a user gets: the
surest box of each phrase, all sure ones, their scores, their masks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from spatialgeo_ros.runtime.comparison import OutputReport, ParityError, severity

#: Boxes and masks are the same above this intersection over union.
SAME_IOU = 0.9
#: Instances that are compared have at least this share of their phrase's highest score.
CONSIDERED = 0.5
#: Most of them for each phrase; of as many more a match is looked for among.
MOST, KEPT = 20, 50
#: Masks that are compared for each phrase, and rows and columns that they are reduced to.
MASKS, MASK_SIDE = 3, 48
#: Precision -> by how much a score may differ, and the least share of instances that agree.
SCORE_TOLERANCE: Mapping[str, float] = {"fp32": 0.002, "fp16": 0.02, "bf16": 0.06}
LEAST_SHARE: Mapping[str, float] = {"fp32": 0.99, "fp16": 0.9, "bf16": 0.85}


@dataclass(frozen=True, eq=False)
class Detections:
    """What a network found for P phrases among Q candidates.

    Attributes:
        scores: [P, Q] in [0, 1].
        boxes: [P, Q, 4] as x0, y0, x1, y1.
        masks: [P, Q, h, w] logits, above 0 inside; None where there are none.
    """

    scores: Tensor
    boxes: Tensor
    masks: Tensor | None = None


@dataclass(frozen=True)
class DetectionMetric:
    """Implements ``runtime.parity.Metric``.

    Attributes:
        read: Makes detections of a network's outputs.
    """

    read: Callable[[Mapping[str, Tensor]], Detections]

    def summary(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Scores, boxes and reduced masks of the surest candidates, surest first, on the CPU."""
        found = self.read({name: tensor.float().cpu() for name, tensor in outputs.items()})
        order = found.scores.nan_to_num(math.inf).argsort(dim=1, descending=True, stable=True)
        order = order[:, :KEPT]
        kept = {
            "scores": found.scores.gather(1, order),
            "boxes": found.boxes.gather(1, order[..., None].expand(-1, -1, 4)),
        }
        if found.masks is not None:
            first = order[:, :MASKS]
            size = found.masks.shape[2:]
            masks = found.masks.gather(1, first[..., None, None].expand(-1, -1, *size))
            # Whole before it is reduced: a NaN anywhere in a mask must not be averaged away.
            side = (min(MASK_SIDE, size[0]), min(MASK_SIDE, size[1]))
            inside = torch.where(masks.isnan(), masks, (masks > 0).to(masks.dtype))
            kept["masks"] = torch.nn.functional.adaptive_avg_pool2d(inside, side)
        return kept

    def compare(
        self,
        found: Mapping[str, Tensor],
        wanted: Mapping[str, Tensor],
        precision: str,
        number: int = 0,
    ) -> list[OutputReport]:
        """Compare two summaries.

        Raises:
            ParityError: One has other tensors or shapes: not the same network.
        """
        for name, tensor in wanted.items():
            if name not in found or found[name].shape != tensor.shape:
                seen = tuple(found[name].shape) if name in found else "missing"
                raise ParityError(f"'{name}' is {seen}, the reference's {tuple(tensor.shape)}")
            bad = int((~torch.isfinite(found[name]) | ~torch.isfinite(tensor)).sum())
            if bad:
                return [OutputReport(name, False, 0.0, math.inf, math.inf, (number,), bad)]
        tolerance = SCORE_TOLERANCE[precision]
        tops: list[float] = []
        boxes: list[OutputReport] = []
        for phrase in range(len(wanted["scores"])):
            mine = found["scores"][phrase].double(), found["boxes"][phrase].double()
            theirs = wanted["scores"][phrase].double(), wanted["boxes"][phrase].double()
            tops.append(_top_miss(mine, theirs, tolerance))
            misses = _misses(mine, theirs, tolerance) + _misses(theirs, mine, tolerance)
            # For each phrase apart: many boxes of one must not outvote the few of another.
            boxes.append(_report("boxes and scores", misses, LEAST_SHARE[precision], number))
        reports = [
            _report("top box of each phrase", tops, 1.0, number),
            max(boxes, key=severity),
        ]
        if "masks" in wanted:
            masks = _mask_misses(found, wanted)
            reports.append(_report("masks", masks, LEAST_SHARE[precision], number))
        return reports


def iou_matrix(boxes: Tensor, others: Tensor) -> Tensor:
    """Intersection over union of each of [N, 4] with each of [M, 4]; 0 for boxes without area."""
    corner = torch.maximum(boxes[:, None, :2], others[None, :, :2])
    opposite = torch.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = (opposite - corner).clamp_min(0).prod(-1)
    areas = [(b[:, 2:] - b[:, :2]).clamp_min(0).prod(-1) for b in (boxes, others)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return torch.where(union > 0, shared / union.clamp_min(1e-12), torch.zeros_like(union))


Ranked = tuple[Tensor, Tensor]  # scores [K], boxes [K, 4]


def _top_miss(mine: Ranked, theirs: Ranked, tolerance: float) -> float:
    """1 - IoU of the surest boxes; of the reference's boxes that tie with its surest the nearest.

    Two boxes whose scores differ by less than rounding have no order.
    """
    ties = theirs[0] >= theirs[0][0] - tolerance
    overlap = iou_matrix(mine[1][:1], theirs[1][ties])[0]
    return 1.0 - float(overlap.max())


def _misses(some: Ranked, others: Ranked, tolerance: float) -> list[float]:
    """For each sure box how far the best match among the others is from being the same.

    In units of 1 - IoU: a score that differs by the whole tolerance counts like a box that is just
    not the same. With all scores within the tolerance, the order is the same but for ties.
    """
    sure = some[0] >= max(CONSIDERED * float(some[0][0]), 1e-9)
    sure[MOST:] = False
    if not sure.any():
        return []
    apart = (some[0][sure][:, None] - others[0][None, :]).abs() / tolerance * (1 - SAME_IOU)
    distance = torch.maximum(1.0 - iou_matrix(some[1][sure], others[1]), apart)
    return [float(value) for value in distance.amin(1)]


def _mask_misses(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[float]:
    """1 - IoU of the masks of boxes that are the same in both."""
    misses: list[float] = []
    for phrase, masks in enumerate(wanted["masks"].double()):
        overlap = iou_matrix(
            wanted["boxes"][phrase, : len(masks)].double(),
            found["boxes"][phrase, : len(masks)].double(),
        )
        sure = wanted["scores"][phrase] >= CONSIDERED * wanted["scores"][phrase, 0]
        for index, mask in enumerate(masks):
            same = overlap[index] > SAME_IOU
            if not sure[index] or not same.any():
                continue
            others = found["masks"][phrase].double()[same]
            shared = torch.minimum(others, mask).sum((1, 2))
            union = torch.maximum(others, mask).sum((1, 2))
            # Two empty masks are the same.
            misses.append(1.0 - float(torch.where(union > 0, shared / union, 1.0).max()))
    return misses


def _report(name: str, misses: list[float], share: float, number: int) -> OutputReport:
    """Of values that must be below 1 - SAME_IOU for at least a share of them."""
    if not misses:
        return OutputReport(name, True, 1.0, 0.0, 0.0, (number,), 0)
    ratio = torch.tensor(misses, dtype=torch.float64) / (1 - SAME_IOU)
    rank = min(max(math.ceil(share * len(misses)), 1), len(misses))
    excess = float(ratio.kthvalue(rank).values)
    worst = int(ratio.argmax())
    within = float((ratio < 1).double().mean())
    return OutputReport(name, excess < 1, within, excess, misses[worst], (number, worst), 0)
