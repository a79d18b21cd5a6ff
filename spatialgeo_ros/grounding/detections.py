# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a network's scores and boxes to the instances of each phrase; numpy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import InternalError
from spatialgeo_ros.grounding.detector import Instance, InstanceMask, PhraseResult

Floats = npt.NDArray[np.float32]

#: Most instances of one phrase: what is measured of a frame is bounded.
MOST_INSTANCES = 64
#: A box of which less lies in the image is of the padding, or of nothing.
_LEAST_INSIDE = 0.5
#: Least width and height of what lies in the image, pixels.
_LEAST_SIDE = 1.0
#: Intersection over union from which boxes of two looks at an image are of one thing.
_AGREEING = 0.6


@dataclass(frozen=True, eq=False)
class ScoredBoxes:
    """What a network says about one image.

    Attributes:
        scores: [boxes, texts] in [0, 1]; NaN where the network computed none.
        boxes: [boxes, 4] x0, y0, x1, y1 in pixels of the image, as they come.
    """

    scores: Floats
    boxes: Floats


def corners(boxes: Floats, extent: tuple[float, float]) -> Floats:
    """Turn boxes [N, 4] of centre, width and height relative to 1 into corners in pixels.

    Args:
        boxes: cx, cy, w, h.
        extent: width and height in pixels of what 1 stands for.
    """
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    scale = np.array((*extent, *extent), np.float32)
    return np.concatenate([centre - half, centre + half], axis=1) * scale


def mirrored(boxes: Floats, width: float) -> Floats:
    """Boxes [N, 4] of a mirrored image as they lie in the image; corners in pixels."""
    x0, y0, x1, y1 = boxes.T
    return np.stack([width - x1, y0, width - x0, y1], axis=1)


def in_agreement(first: ScoredBoxes, second: ScoredBoxes) -> ScoredBoxes:
    """Put two looks at one image together: both's boxes, each as sure as both looks are of it.

    A score becomes the mean of the box's own and of the best that the other look gives the same
    text in a box on the same thing, 0 where it has no such box. What one look alone invents falls
    to half; what is not a number stays none.

    Args:
        first: of one look.
        second: of the other; boxes in the same pixels, scores of the same texts.
    """
    alike = _pairwise_overlaps(first.boxes, second.boxes) > _AGREEING
    return ScoredBoxes(
        np.concatenate(
            [_seconded(first.scores, second.scores, alike),
             _seconded(second.scores, first.scores, alike.T)]
        ),
        np.concatenate([first.boxes, second.boxes]),
    )  # fmt: skip


def _seconded(scores: Floats, others: Floats, alike: npt.NDArray[np.bool_]) -> Floats:
    """Mean of scores [N, T] and of the best of the boxes [M, T] that are on the same thing."""
    rows, columns = np.nonzero(alike)  # by row
    best = np.zeros_like(scores)
    if len(rows):
        starts = np.flatnonzero(np.diff(rows, prepend=-1))
        # fmax: a box without a number says nothing about one that has some.
        best[rows[starts]] = np.fmax(np.fmax.reduceat(others[columns], starts, axis=0), 0.0)
    seconded: Floats = (scores + best) / np.float32(2.0)
    return seconded


def _pairwise_overlaps(first: Floats, second: Floats) -> Floats:
    """Intersection over union of boxes [N, 4] with others [M, 4]: [N, M]; corners."""
    with np.errstate(invalid="ignore"):
        sides = (
            np.minimum(first[:, None, side + 2], second[None, :, side + 2])
            - np.maximum(first[:, None, side], second[None, :, side])
            for side in (0, 1)
        )
        across, down = (np.clip(side, 0.0, None) for side in sides)
        shared = across * down
        mine, theirs = ((b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1]) for b in (first, second))
        share: Floats = shared / np.maximum(mine[:, None] + theirs[None] - shared, np.float32(1e-9))
    return share


def choose_instances(
    found: ScoredBoxes,
    phrases: Sequence[str],
    size: tuple[int, int],
    *,
    threshold: float,
    nms: float,
    rivals: npt.NDArray[np.bool_] | None = None,
    rival_margin: float = 1.0,
    masks: Callable[[int], InstanceMask | None] | None = None,
) -> list[PhraseResult]:
    """Give each box to the phrase that it fits best, and keep one box per thing.

    A box above the threshold is an instance of every phrase that no rival beats. Boxes that are
    not finite, in the padding or outside the image are dropped, the others clipped to the image.

    Args:
        found: of the network; one column of scores per phrase.
        phrases: as asked.
        size: height and width of the image, pixels.
        threshold: a score must be above it.
        nms: of two boxes of one phrase that overlap by more (IoU), the surer one is kept.
        rivals: [phrases, phrases], true where both cannot mean the same thing; all others by
            default.
        rival_margin: times its own score up to which a rival's does not take a box from a phrase.
        masks: of a box by its row, where the network segments; asked for what is kept only.

    Returns:
        One result per phrase, instances surest first.

    Raises:
        InternalError: no score at all is a number: "absent" would be a guess.
    """
    scores = found.scores.astype(np.float32)
    finite = np.isfinite(scores).all(axis=1) & np.isfinite(found.boxes).all(axis=1)
    if len(scores) and not finite.any():
        raise InternalError(
            "no score or box that the detector computed is a finite number, so nothing can be said "
            "about the phrases; set precision: float32 in the grounding profile, or check its "
            "weights with spatialgeo models verify"
        )
    lost = int((~finite).sum())
    degraded = f"{lost} of {len(scores)} boxes were dropped: not finite numbers" if lost else ""
    boxes, inside = _clipped(found.boxes, size)
    usable = finite & inside
    if rivals is None:
        rivals = ~np.eye(len(phrases), dtype=np.bool_)
    results = []
    for index, phrase in enumerate(phrases):
        own = scores[:, index]
        with np.errstate(invalid="ignore"):
            mine = usable & (own > threshold)
            if rivals[index].any():
                mine &= rival_margin * own >= scores[:, rivals[index]].max(axis=1)
        kept = _without_overlaps(boxes, own, np.flatnonzero(mine), nms)
        remark = degraded
        if len(kept) > MOST_INSTANCES:
            more = (
                f"there are more instances of '{phrase}' than the {MOST_INSTANCES} that were kept"
            )
            remark = f"{degraded}; {more}" if degraded else more
        instances = tuple(
            Instance(
                _box(boxes[k]),
                float(np.clip(own[k], 0.0, 1.0)),
                None if masks is None else masks(k),
            )
            for k in kept[:MOST_INSTANCES]
        )
        results.append(PhraseResult(phrase, instances, degraded=remark))
    return results


def merged(phrase: str, results: Sequence[PhraseResult], nms: float) -> PhraseResult:
    """What was found for several words for one thing, as one result; one box per thing."""
    found = sorted((one for result in results for one in result.instances), key=lambda i: -i.score)
    boxes = np.array([one.box for one in found], np.float32).reshape(-1, 4)
    scores = np.array([one.score for one in found], np.float32)
    kept = _without_overlaps(boxes, scores, np.arange(len(found)), nms)[:MOST_INSTANCES]
    remarks = dict.fromkeys(result.degraded for result in results if result.degraded)
    presence = max(result.presence for result in results)
    return PhraseResult(phrase, tuple(found[k] for k in kept), presence, "; ".join(remarks))


def overlaps(box: Floats, boxes: Floats) -> Floats:
    """Intersection over union of one box [4] with others [N, 4]; corners."""
    return _pairwise_overlaps(box[None], boxes)[0]


def _clipped(boxes: Floats, size: tuple[int, int]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Boxes cut to the image, and which of them are in it."""
    height, width = size
    most = np.array((width, height, width, height), np.float32)
    with np.errstate(invalid="ignore"):
        cut = np.clip(boxes, np.float32(0.0), most)
        sides = cut[:, 2:] - cut[:, :2]
        whole = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        inside = (sides >= _LEAST_SIDE).all(axis=1) & (sides.prod(axis=1) >= _LEAST_INSIDE * whole)
    return cut, inside


def _without_overlaps(
    boxes: Floats, scores: Floats, chosen: npt.NDArray[np.intp], nms: float
) -> list[int]:
    """Indices of the boxes that no surer one overlaps too much, surest first.

    It stops at one more than are wanted: a network that is sure of everything costs no more.
    """
    order = chosen[np.argsort(-scores[chosen], kind="stable")]
    kept: list[int] = []
    while len(order) and len(kept) <= MOST_INSTANCES:
        first, rest = order[0], order[1:]
        kept.append(int(first))
        order = rest[overlaps(boxes[first], boxes[rest]) <= nms]
    return kept


def _box(corners_: Floats) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = (float(value) for value in corners_)
    return x0, y0, x1, y1
