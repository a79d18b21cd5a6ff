# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How often phrases find their thing in held-out rooms, and how often absent ones find something.

Every way of looking for phrases is asked the same about the same frames, and goes the whole way to
the pixels of what would be measured, as in the node.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import PhraseNotFoundError, SpatialGeoError
from spatialgeo_ros.evaluation.truth_frames import TruthFrame
from spatialgeo_ros.geometry.regions import Region, box_iou
from spatialgeo_ros.grounding.detector import Box
from spatialgeo_ros.grounding.head_phrases import head_phrase, of_question
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.scene.sighting import Sighting
from spatialgeo_ros.sim.furniture import KINDS
from spatialgeo_ros.training.contrastive import object_names

log = logging.getLogger(__name__)

#: A box is right from this overlap with the thing's visible pixels on, as in PASCAL VOC.
RIGHT_IOU = 0.5
#: What covers less of the image counts as small, too.
SMALL_SHARE = 0.03
#: Absent names asked for in each frame: of kinds in view in another colour, and of all others.
_OTHER_COLOUR, _OTHER = 2, 2
#: Nouns that no simulated room has; one is asked for in each frame.
FOREIGN = (
    "mug", "refrigerator", "cat", "laptop", "bicycle", "toaster", "fire extinguisher", "person",
    "umbrella", "black piano", "green bottle", "wheelchair", "red backpack", "television",
)  # fmt: skip


@dataclass
class SearchReport:
    """What one way of looking for phrases made of all frames.

    Attributes:
        found: per phrase of a visible thing, whether most of the pixels found are the thing's.
        missed: how many of those phrases found nothing.
        iou: of the box found with that of the thing's visible pixels, where the thing was found.
        share: of the image's pixels that the thing shows, per phrase.
        other_colour: per name of a kind in view in a colour that is not, whether it was answered.
        absent: the same of names of which nothing is in view, those of ``other_colour`` among them.
        foreign: the same of nouns that no room has.
        sure: of all three kinds of absent phrases, whether the answer was without a doubt: what is
            doubted is never valid.
        seconds: per frame, for all of its phrases together, measured things and all.
        network_seconds: per frame, in a detector's networks, for all phrases together.
        box_iou: per phrase of a visible thing, of a detector's surest box with the box of the
            thing's visible pixels; 0 where it has none.
        absent_boxes: per absent phrase of the rooms' names, whether a detector has a box for it.
    """

    found: list[bool] = field(default_factory=list)
    missed: int = 0
    iou: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    other_colour: list[bool] = field(default_factory=list)
    absent: list[bool] = field(default_factory=list)
    foreign: list[bool] = field(default_factory=list)
    sure: list[bool] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    network_seconds: list[float] = field(default_factory=list)
    box_iou: list[float] = field(default_factory=list)
    absent_boxes: list[bool] = field(default_factory=list)

    def summary(self, prefix: str = "") -> dict[str, float]:
        """Return the numbers that docs/benchmarks.md cites; NaN for what was never asked."""
        right, share = np.array(self.found), np.array(self.share)
        values = {
            "phrases": float(len(self.found)),
            "phrases_right": mean(self.found),
            "phrases_right_below_3_percent": mean(right[share < SMALL_SHARE])
            if len(right)
            else np.nan,
            "phrases_not_found": self.missed / max(1, len(self.found)),
            "box_iou_median": float(np.median(self.iou)) if self.iou else np.nan,
            "absent_phrases": float(len(self.absent)),
            "absent_answered": mean(self.absent),
            "other_colour_answered": mean(self.other_colour),
            "foreign_answered": mean(self.foreign),
            "absent_surely_answered": mean(self.sure),
            "milliseconds": _milliseconds(self.seconds),
        }
        if self.network_seconds:
            overlap = np.array(self.box_iou)
            right = overlap >= RIGHT_IOU
            values |= {
                "network_milliseconds": _milliseconds(self.network_seconds),
                "detector_right": mean(right),
                "detector_right_below_3_percent": mean(right[share < SMALL_SHARE]),
                "detector_iou_median": float(np.median(overlap[right])) if right.any() else np.nan,
                "detector_absent_answered": mean(self.absent_boxes),
            }
        return {prefix + key: value for key, value in values.items()}


def _milliseconds(seconds: Sequence[float]) -> float:
    return 1e3 * float(np.median(seconds)) if seconds else float("nan")


def mean(values: Sequence[bool] | NDArray) -> float:
    """Return the share that is true; NaN of nothing."""
    return float(np.mean(values)) if len(values) else float("nan")


@dataclass(frozen=True, eq=False)
class Answered:
    """What a search says about a phrase.

    Attributes:
        something: whether it says that there is such a thing.
        sighting: what would be measured of it; None where nothing can be.
        box: the surest one that a detector gave the phrase, corners in pixels; None for none.
    """

    something: bool
    sighting: Sighting | None = None
    box: Box | None = None


class PhraseSearch:
    """Looks for phrases as the node does, with what a facade looks for phrases with."""

    def __init__(self, perception: Perception) -> None:
        self._perception = perception
        #: Of each call, in the networks of a detector; nothing where there is none.
        self.network_seconds: list[float] = []

    def __call__(self, seen: Observation, phrases: Sequence[str]) -> list[Answered]:
        """Answer each phrase."""
        grounder = self._perception.grounder
        locator = self._perception.locator
        if grounder is not None and not locator.unfamiliar(seen):
            begun = time.perf_counter()
            # All at once, as a question about several things does.
            grounder.ask(seen, of_question(map(locator.vocabulary.parse, phrases)))
            self.network_seconds.append(time.perf_counter() - begun)
        return [self._located(seen, phrase) for phrase in phrases]

    def _located(self, seen: Observation, phrase: str) -> Answered:
        box = self._surest_box(seen, phrase)
        try:
            return Answered(True, self._perception.locate(seen, phrase, recall=False), box)
        except PhraseNotFoundError:
            return Answered(False, box=box)
        except SpatialGeoError as error:  # it is there, and nothing of it can be measured
            log.info("%s: %s", phrase, error)
            return Answered(True, box=box)

    def _surest_box(self, seen: Observation, phrase: str) -> Box | None:
        grounder = self._perception.grounder
        known = {} if grounder is None else grounder.known(seen)
        forms = head_phrase(self._perception.locator.vocabulary.parse(phrase)).forms
        found = [one for form in forms if form in known for one in known[form].result.instances]
        return max(found, key=lambda one: one.score).box if found else None


def absent_names(
    frame: TruthFrame, rng: np.random.Generator
) -> tuple[list[str], list[str], list[str]]:
    """Draw names of which nothing is in view: of kinds that are, of others, and foreign nouns."""
    shown = {frame.room.objects[k] for k in np.unique(frame.segmentation[frame.segmentation >= 0])}
    names = {thing.name for thing in shown}
    kinds = {thing.kind for thing in shown}
    absent = [name for name in object_names()[:-1] if name not in names]
    same = [name for name in absent if name.split()[-1] in kinds]
    other = [name for name in absent if name.split()[-1] in set(KINDS) - kinds]

    def drawn(names: Sequence[str], count: int) -> list[str]:
        return [str(n) for n in rng.choice(names, min(count, len(names)), replace=False)]

    return drawn(same, _OTHER_COLOUR), drawn(other, _OTHER), drawn(FOREIGN, 1)


def true_box(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 around the pixels of a mask; the last two are one beyond."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def box_overlap(region: Region, truth: tuple[int, int, int, int], height: int, width: int) -> float:
    """Intersection over union of a region's box with a true one."""
    x0, y0, x1, y1 = region.bounds(height, width)
    return box_iou((x0, y0, x1 + 1, y1 + 1), truth)


def search_frame(
    search: PhraseSearch,
    report: SearchReport,
    seen: Observation,
    frame: TruthFrame,
    things: Sequence[tuple[str, NDArray[np.bool_]]],
    rng: np.random.Generator,
) -> None:
    """Ask for everything in a frame and for some things that are not there.

    Args:
        search: asked.
        report: gets what came of it.
        seen: the frame as the scene works it out.
        frame: the truth.
        things: names with the masks of their visible pixels.
        rng: draws what is absent; the same draws for another search need the same state.
    """
    same, other, foreign = absent_names(frame, rng)
    asked = [*(name for name, _ in things), *same, *other, *foreign]
    begun = time.perf_counter()
    found = search(seen, [f"the {name}" for name in asked])
    report.seconds.append(time.perf_counter() - begun)
    answers = iter(found)
    for _, mask in things:
        answer = next(answers)
        report.share.append(float(mask.mean()))
        report.box_iou.append(0.0 if answer.box is None else box_iou(answer.box, true_box(mask)))
        report.missed += not answer.something
        if answer.sighting is None:
            report.found.append(False)
            continue
        points = answer.sighting.points.mask
        right = bool((points & mask).sum() >= 0.5 * points.sum())
        report.found.append(right)
        if right:
            overlap = box_overlap(answer.sighting.region, true_box(mask), *mask.shape)
            report.iou.append(overlap)
    for number, answer in enumerate(answers):
        if number < len(same) + len(other):
            report.absent.append(answer.something)
            report.absent_boxes.append(answer.box is not None)
        else:
            report.foreign.append(answer.something)
        if number < len(same):
            report.other_colour.append(answer.something)
        doubted = answer.sighting is not None and bool(answer.sighting.doubt)
        report.sure.append(answer.something and not doubted)
