# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How often phrases find their thing and absent ones find nothing, and the threshold between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from spatialgeo_ros.training.detector.loss import concept_table, corners, overlaps
from spatialgeo_ros.training.detector.network import TrainedDetector
from spatialgeo_ros.training.detector.phrases import (
    CONCEPTS,
    NAMES,
    PhraseBook,
)
from spatialgeo_ros.training.detector.store import ViewStore

#: A thing is asked for when it shows this share of the image, as ``spatialgeo evaluate`` does.
ASKED_SHARE = 0.01
#: A box is right from this overlap with the thing's visible pixels on (PASCAL VOC's criterion).
RIGHT_IOU = 0.5
#: Share of absent phrases that may be answered with a thing.
INVENTED = 0.015
_FOREIGN = 40


@dataclass(frozen=True)
class PhraseScores:
    """What a detector said about all phrases of some views.

    Attributes:
        present: [K] score of the best box of each thing's own name, for things of
            :data:`ASKED_SHARE`; iou: [K] of that box with the nearest thing of that name.
        absent: [A] best score of each name, in each view that shows nothing of it.
        near_miss: [A] bool, whether the view shows that kind in another colour.
        foreign: [F] best score of phrases that mean nothing.
        share: [K] of the image's pixels that the things show.
    """

    present: NDArray[np.float32]
    iou: NDArray[np.float32]
    share: NDArray[np.float32]
    absent: NDArray[np.float32]
    near_miss: NDArray[np.bool_]
    foreign: NDArray[np.float32]

    def threshold(self, invented: float = INVENTED) -> float:
        """The lowest threshold with which no more absent phrases are answered."""
        limits = [
            float(np.quantile(scores, 1 - invented)) for scores in (self.absent, self.foreign)
        ]
        return round(float(np.clip(max(limits), 0.02, 0.98)), 3)

    def summary(self, threshold: float | None = None) -> dict[str, float]:
        """Rates at a threshold, by default at :meth:`threshold`."""
        at = self.threshold() if threshold is None else threshold
        right = self.iou >= RIGHT_IOU
        answered = self.present >= at
        small = self.share < 3 * ASKED_SHARE
        values = {
            "threshold": at,
            "asked": float(len(self.present)),
            "found": float((right & answered).mean()),
            "found_small": float((right & answered)[small].mean()) if small.any() else 1.0,
            "best_is_right": float(right.mean()),
            "answered_wrong": float((~right & answered).mean()),
            "iou_median": float(np.median(self.iou[right])) if right.any() else 0.0,
            "absent_answered": float((self.absent >= at).mean()),
            "other_colour_answered": float((self.absent[self.near_miss] >= at).mean()),
            "foreign_answered": float((self.foreign >= at).mean()),
        }
        return {key: round(value, 4) for key, value in values.items()}


@torch.inference_mode()
def phrase_scores(
    model: TrainedDetector, store: ViewStore, book: PhraseBook, half: bool, size: int = 128
) -> PhraseScores:
    """Ask for every concept and some foreign phrases in every view of a store.

    Args:
        model: the detector.
        store: views.
        book: its phrases.
        half: run in bfloat16 where the device has it.
        size: views at once.
    """
    model.eval()
    device = store.device
    drawn = book.draw(_FOREIGN, np.random.default_rng(11))
    ids = np.concatenate([book.usual(), drawn[len(CONCEPTS) :]])
    phrases = model.phrases(torch.from_numpy(ids).to(device))
    table = concept_table(device)
    names = len(NAMES)
    kind_of = np.array([name.split()[-1] for name in NAMES])
    same_kind = torch.from_numpy(kind_of[:, None] == kind_of[None]).to(device)
    columns: dict[str, list[Any]] = {
        key: [] for key in ("present", "iou", "share", "absent", "near_miss", "foreign")
    }
    for batch in store.batches(size):
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            logits, boxes, _ = model(batch.pixels, phrases)
        best, patch = logits.sigmoid().max(1)  # [B, T]
        found = corners(boxes).clamp(0, 1).gather(1, patch[..., None].expand(-1, -1, 4))
        shown = (batch.share > 0) & (batch.name >= 0)
        seen = (table[batch.name.clamp_min(0)] * shown[..., None]).amax(1) > 0  # [B, C]
        absent = ~seen[:, :names]
        nearby = (seen[:, :names].float() @ same_kind.float()) > 0
        asked = shown & (batch.share >= ASKED_SHARE)
        own = batch.name.clamp_min(0)
        iou = overlaps(found.gather(1, own[..., None].expand(-1, -1, 4)), batch.box)[0]
        columns["present"].append(best.gather(1, own)[asked])
        columns["iou"].append(iou[asked])
        columns["share"].append(batch.share[asked])
        columns["absent"].append(best[:, :names][absent])
        columns["near_miss"].append(nearby[absent])
        columns["foreign"].append(best[:, len(CONCEPTS) :].flatten())
    return PhraseScores(**{key: torch.cat(v).cpu().numpy() for key, v in columns.items()})
