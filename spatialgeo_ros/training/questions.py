# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Questions and answers about one frame, made from ground truth.

The families are those of SpatialRGPT-Bench (see :mod:`spatialgeo_ros.query.families`); what
their words mean is defined once in :mod:`spatialgeo_ros.query.relations`. Distances are between
object centres: straight-line (distance), in the ground plane (horizontal), along gravity
(vertical); width, depth and height are the object's size. A comparison too close to call is never
asked about.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spatialgeo_ros.query.families import (
    FAMILIES,
    QUALITATIVE,
    QUANTITATIVE,
    REGION_PLACEHOLDER,
    UNNAMED,
)
from spatialgeo_ros.query.relations import ObjectFacts, compare, direction, ground_distance
from spatialgeo_ros.speech.numbers import LIMIT_M, quantise

#: How often an object is called by its full name, by its kind, or just "object".
_NAME_SHARES = (0.75, 0.15, 0.10)
#: Shares of the forms of a qualitative question: yes/no, choice of a word, which object.
_FORM_SHARES = (0.4, 0.3, 0.3)
#: Tries per wanted question before giving up on a frame with too little to ask about.
_TRIES = 12


@dataclass(frozen=True)
class VisibleObject:
    """Ground truth of one object in view.

    Attributes:
        name: unique in the frame, "red chair".
        kind: "chair".
        colour: "red".
        centre: [3] of its bounding box in the camera's level frame (x right, y down along
            gravity, z heading; origin at the camera), metres.
        size: (width, depth, height) in metres, height along gravity.
        region: index of its region in the frame's list of regions.
    """

    name: str
    kind: str
    colour: str
    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    region: int

    @property
    def facts(self) -> ObjectFacts:
        """The part that relations are computed from."""
        return ObjectFacts(self.centre, self.size)


@dataclass(frozen=True)
class QA:
    """One question with its true answer.

    Attributes:
        family: see :data:`spatialgeo_ros.query.families.FAMILIES`.
        form: "value", "yes_no", "choice" or "which".
        question: text with a ``<region>`` placeholder after each object phrase.
        answer: text; the first word decides, e.g. "1.35 meters", "3 o'clock", "yes", "left",
            "the red chair".
        regions: region index of each ``<region>`` in the question, in order.
        value: exact metres or clock hours, or None for a qualitative question.
        choice: the deciding words of a qualitative answer ("yes", "left", "red chair"), or None.
    """

    family: str
    form: str
    question: str
    answer: str
    regions: tuple[int, ...]
    value: float | None = None
    choice: str | None = None


def _distance(a: ObjectFacts, b: ObjectFacts) -> float:
    return math.dist(a.centre, b.centre)


_PAIR_VALUES: dict[str, Callable[[ObjectFacts, ObjectFacts], float | None]] = {
    "distance": _distance,
    "horizontal_distance": lambda a, b: ground_distance(a.centre, b.centre),
    "vertical_distance": lambda a, b: abs(a.centre[1] - b.centre[1]),
    "direction": direction,
}
_SINGLE_VALUES: dict[str, Callable[[VisibleObject], float | None]] = {
    "width": lambda a: a.size[0],
    "depth": lambda a: a.size[1],
    "height": lambda a: a.size[2],
    "camera_distance": lambda a: math.hypot(*a.centre),
    "camera_direction": lambda a: direction(a.facts, None),
}


def true_value(family: str, objects: Sequence[VisibleObject]) -> float | None:
    """Return the exact answer of a quantitative family in metres or hours; None if undefined."""
    if family in _SINGLE_VALUES:
        return _SINGLE_VALUES[family](objects[0])
    return _PAIR_VALUES[family](objects[0].facts, objects[1].facts)


class QuestionMaker:
    """Draws questions about frames; the same generator state gives the same questions.

    Args:
        rng: source of every random choice.
        families: which to ask, each equally often.
    """

    def __init__(self, rng: np.random.Generator, families: Sequence[str] = FAMILIES) -> None:
        self.rng = rng
        self.families = tuple(families)

    def make(self, objects: Sequence[VisibleObject], count: int) -> list[QA]:
        """Return up to ``count`` questions; fewer when the frame offers too little to ask about."""
        found: list[QA] = []
        for _ in range(count * _TRIES):
            if len(found) == count or not objects:
                break
            family = self.families[int(self.rng.integers(len(self.families)))]
            question = self.ask(family, objects)
            if question is not None:
                found.append(question)
        return found

    def ask(self, family: str, objects: Sequence[VisibleObject]) -> QA | None:
        """Return one question of ``family`` about randomly picked objects.

        None when there are too few objects or the picked ones have no clear answer.
        """
        needed = QUANTITATIVE[family].objects if family in QUANTITATIVE else 2
        if len(objects) < needed:
            return None
        picks = self.rng.choice(len(objects), size=needed, replace=False)
        picked = [objects[int(i)] for i in picks]
        if family in QUANTITATIVE:
            return self._quantitative(family, picked)
        return self._qualitative(family, picked)

    def _quantitative(self, family: str, picked: list[VisibleObject]) -> QA | None:
        value = true_value(family, picked)
        if value is None:
            return None
        unit = QUANTITATIVE[family].unit
        if unit == "meters" and value > LIMIT_M:
            return None
        number = quantise(value) if unit == "meters" else str(int(value))
        template = self._pick(QUANTITATIVE[family].questions)
        question, regions = self._fill(template, picked, self._phrases(picked))
        return QA(family, "value", question, f"{number} {unit}", regions, value=float(value))

    def _qualitative(self, family: str, picked: list[VisibleObject]) -> QA | None:
        truth = compare(family, picked[0].facts, picked[1].facts)
        if truth is None:
            return None
        words = QUALITATIVE[family]
        form = ("yes_no", "choice", "which")[int(self.rng.choice(3, p=_FORM_SHARES))]
        # The predicate asked about is drawn without looking at the truth, and the order of the
        # two objects is random, so that every answer is equally frequent.
        predicate = self._pick((words.greater, words.less))
        phrases = self._phrases(picked, distinct=form == "which")
        if form == "yes_no":
            template = self._pick(words.yes_no[predicate])
            answer = choice = "yes" if predicate == truth else "no"
        elif form == "choice":
            template = self._pick(words.choice)
            answer = choice = truth
        else:
            template = self._pick(words.which[predicate])
            choice = phrases[0 if predicate == truth else 1]
            answer = f"the {choice}"
        question, regions = self._fill(template, picked, phrases)
        return QA(family, form, question, answer, regions, choice=choice)

    def _phrases(self, picked: Sequence[VisibleObject], distinct: bool = False) -> list[str]:
        """Name each object; with ``distinct`` the names must tell the objects apart."""
        phrases = []
        for item in picked:
            style = int(self.rng.choice(3, p=_NAME_SHARES))
            phrases.append((item.name, item.kind, UNNAMED)[style])
        ambiguous = UNNAMED in phrases or len({item.kind for item in picked}) < len(picked)
        if distinct and ambiguous:
            return [item.name for item in picked]
        return phrases

    def _fill(
        self, template: str, picked: Sequence[VisibleObject], phrases: Sequence[str]
    ) -> tuple[str, tuple[int, ...]]:
        """Put the phrases into the template; regions in the order of their placeholders."""
        slots = {
            key: f"the {phrase} {REGION_PLACEHOLDER}"
            for key, phrase in zip("ab", phrases, strict=False)
        }
        order = sorted(range(len(picked)), key=lambda i: template.index("{" + "ab"[i] + "}"))
        return template.format(**slots), tuple(picked[i].region for i in order)

    def _pick(self, options: Sequence[str]) -> str:
        return options[int(self.rng.integers(len(options)))]


def make_questions(
    objects: Sequence[VisibleObject],
    rng: np.random.Generator,
    count: int,
    families: Sequence[str] = FAMILIES,
) -> list[QA]:
    """Return up to ``count`` questions about one frame. See :class:`QuestionMaker`."""
    return QuestionMaker(rng, families).make(objects, count)
