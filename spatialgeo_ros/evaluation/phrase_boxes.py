# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A detector's boxes by themselves: each phrase asked alone, every name that could be asked.

Nothing else is in the question, so that no rival takes a box, and nothing looks at it a second
time: what the network knows, before the rest of the package makes an answer of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.evaluation.phrase_search import (
    FOREIGN,
    RIGHT_IOU,
    SMALL_SHARE,
    mean,
    true_box,
)
from spatialgeo_ros.evaluation.truth_frames import TruthFrame
from spatialgeo_ros.geometry.regions import box_iou
from spatialgeo_ros.grounding.detector import Detector
from spatialgeo_ros.training.contrastive import object_names


@dataclass
class AloneReport:
    """What a detector made of each phrase by itself.

    Attributes:
        iou: per visible thing, of the surest box of its name with its visible pixels' box; 0 where
            there is none.
        only: per visible thing, whether that is the name's only box.
        share: of the image's pixels that each thing shows.
        kinds: of each thing.
        absent: per name of which nothing is in view, whether it got a box.
        near_miss: of each of these, whether its kind is in view in another colour.
        foreign: per noun that no room has, whether it got a box.
    """

    iou: list[float] = field(default_factory=list)
    only: list[bool] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    absent: list[bool] = field(default_factory=list)
    near_miss: list[bool] = field(default_factory=list)
    foreign: list[bool] = field(default_factory=list)

    def summary(self, prefix: str = "alone_") -> dict[str, float]:
        """Return the numbers that docs/benchmarks.md cites; NaN for what was never asked."""
        iou, small = np.array(self.iou), np.array(self.share) < SMALL_SHARE
        right, absent = iou >= RIGHT_IOU, np.array(self.absent, bool)
        values = {
            "things": float(len(iou)),
            "right": mean(right),
            "right_below_3_percent": mean(right[small]),
            "right_and_only_box": mean(right & np.array(self.only, bool)),
            "iou_median": float(np.median(iou[right])) if right.any() else float("nan"),
            "absent_names": float(len(absent)),
            "absent_answered": mean(absent),
            "other_colour_answered": mean(absent[np.array(self.near_miss, bool)]),
            "foreign_nouns": float(len(self.foreign)),
            "foreign_answered": mean(np.array(self.foreign, bool)),
        }
        by_kind = defaultdict(list)
        for kind, hit in zip(self.kinds, right.tolist(), strict=True):
            by_kind[kind].append(hit)
        values |= {f"right_{kind}": mean(np.array(by_kind[kind])) for kind in sorted(by_kind)}
        return {prefix + key: value for key, value in values.items()}


def ask_alone(
    detector: Detector,
    report: AloneReport,
    frame: TruthFrame,
    things: Sequence[tuple[str, NDArray[np.bool_]]],
) -> None:
    """Ask a detector for every name and every foreign noun in a frame, one at a time.

    Args:
        detector: asked; it looks at the image once.
        report: gets what came of it.
        frame: the truth.
        things: names with the masks of their visible pixels.
    """
    cache: dict[str, object] = {}
    shown = {frame.room.objects[k] for k in np.unique(frame.segmentation[frame.segmentation >= 0])}
    names, kinds = {thing.name for thing in shown}, {thing.kind for thing in shown}
    for name, mask in things:
        (result,) = detector.ground(frame.rgb, [name], cache=cache)
        best = result.instances[0].box if result.instances else None
        report.iou.append(0.0 if best is None else box_iou(best, true_box(mask)))
        report.only.append(len(result.instances) == 1)
        report.share.append(float(mask.mean()))
        report.kinds.append(name.split()[-1])
    for name in object_names()[:-1]:
        if name not in names:
            (result,) = detector.ground(frame.rgb, [name], cache=cache)
            report.absent.append(not result.absent)
            report.near_miss.append(name.split()[-1] in kinds)
    for noun in FOREIGN:
        (result,) = detector.ground(frame.rgb, [noun], cache=cache)
        report.foreign.append(not result.absent)


def format_alone(report: AloneReport) -> str:
    """Lay a report out as Markdown."""
    s = report.summary("")
    row = (
        f"{s['things']:.0f}", f"{s['right']:.1%}", f"{s['right_below_3_percent']:.1%}",
        f"{s['right_and_only_box']:.1%}", f"{s['iou_median']:.2f}", f"{s['absent_names']:.0f}",
        f"{s['absent_answered']:.1%}", f"{s['other_colour_answered']:.1%}",
        f"{s['foreign_nouns']:.0f}", f"{s['foreign_answered']:.1%}",
    )  # fmt: skip
    kinds = ", ".join(f"{kind} {s['right_' + kind]:.0%}" for kind in sorted(set(report.kinds)))
    return "\n".join(
        (
            "| each phrase by itself: things | surest box on the thing (IoU 0.5) | of them below "
            "3 % of the image | and the only box | IoU, median | absent names | with a box | kind "
            "there in another colour | foreign nouns | with a box |",
            f"|{'---|' * len(row)}",
            f"| {' | '.join(row)} |",
            "",
            f"By kind: {kinds}.",
        )
    )
