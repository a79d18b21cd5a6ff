# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The families of spatial questions and the wording the nano language model is trained in.

The families are those of SpatialRGPT-Bench, plus the depth extent of one object, the distance from
the camera, and which of two objects is closer. In a template ``{a}`` and ``{b}`` stand for an
object phrase such as ``the red chair <region>``. All text is lower case with words and punctuation
separated, because that is what the word-level tokenizer of the nano model makes of any text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: Phrase used for an object whose name is unknown to the nano vocabulary.
UNNAMED = "object"
#: Stands in a prompt where the token of a region goes.
REGION_PLACEHOLDER = "<region>"


@dataclass(frozen=True)
class QuantitativeFamily:
    """A family whose answer is a number.

    Attributes:
        name: of the family.
        objects: how many objects a question names, 1 or 2.
        unit: "meters" or "o'clock".
        questions: wordings; the first one is the canonical one.
    """

    name: str
    objects: int
    unit: str
    questions: tuple[str, ...]


@dataclass(frozen=True)
class QualitativeFamily:
    """A family that compares two objects by one quantity.

    ``greater`` is the predicate that holds for ``a`` when its quantity exceeds that of ``b``, and
    ``less`` the opposite one. See :mod:`spatialgeo_ros.query.relations` for the quantities.

    Attributes:
        name: of the family.
        greater: predicate word used as the answer of a choice question ("right").
        less: the opposite word ("left").
        yes_no: per predicate, questions answered by yes or no; the first is the canonical one.
        choice: questions answered by one of the two predicate words; the first is canonical.
        which: per predicate, questions answered by the name of one object; the first is canonical.
    """

    name: str
    greater: str
    less: str
    yes_no: dict[str, tuple[str, ...]]
    choice: tuple[str, ...]
    which: dict[str, tuple[str, ...]]


QUANTITATIVE: dict[str, QuantitativeFamily] = {
    family.name: family
    for family in (
        QuantitativeFamily(
            "width",
            1,
            "meters",
            (
                "how wide is {a} ?",
                "what is the width of {a} ?",
                "tell me the width of {a} .",
                "what is the approximate width of {a} ?",
            ),
        ),
        QuantitativeFamily(
            "height",
            1,
            "meters",
            (
                "how tall is {a} ?",
                "what is the height of {a} ?",
                "tell me the height of {a} .",
                "how high is {a} ?",
            ),
        ),
        QuantitativeFamily(
            "depth",
            1,
            "meters",
            ("how deep is {a} ?", "what is the depth of {a} ?"),
        ),
        QuantitativeFamily(
            "distance",
            2,
            "meters",
            (
                "how far is {a} from {b} ?",
                "what is the distance between {a} and {b} ?",
                "how far apart are {a} and {b} ?",
                "what is the distance from {a} to {b} ?",
            ),
        ),
        QuantitativeFamily(
            "horizontal_distance",
            2,
            "meters",
            (
                "what is the horizontal distance between {a} and {b} ?",
                "how far apart are {a} and {b} horizontally ?",
                "what is the distance along the floor between {a} and {b} ?",
            ),
        ),
        QuantitativeFamily(
            "vertical_distance",
            2,
            "meters",
            (
                "what is the vertical distance between {a} and {b} ?",
                "how far apart are {a} and {b} vertically ?",
                "what is the height difference between {a} and {b} ?",
            ),
        ),
        QuantitativeFamily(
            "camera_distance",
            1,
            "meters",
            (
                "how far is {a} from the camera ?",
                "how far away is {a} ?",
                "what is the distance to {a} ?",
                "how far is {a} from me ?",
                "how far is {a} from you ?",
            ),
        ),
        QuantitativeFamily(
            "direction",
            2,
            "o'clock",
            (
                "in which direction is {a} from {b} ?",
                "if you are at {b} , where is {a} ?",
                "at what o'clock is {a} as seen from {b} ?",
            ),
        ),
        QuantitativeFamily(
            "camera_direction",
            1,
            "o'clock",
            (
                "in which direction is {a} ?",
                "at what o'clock is {a} ?",
                "in which direction is {a} from the camera ?",
            ),
        ),
    )
}

QUALITATIVE: dict[str, QualitativeFamily] = {
    family.name: family
    for family in (
        QualitativeFamily(
            "left_right",
            "right",
            "left",
            {
                "right": (
                    "is {a} to the right of {b} ?",
                    "is {a} on the right side of {b} ?",
                ),
                "left": (
                    "is {a} to the left of {b} ?",
                    "is {a} on the left side of {b} ?",
                ),
            },
            (
                "is {a} to the left or to the right of {b} ?",
                "is {a} left or right of {b} ?",
            ),
            {
                "right": ("which is more to the right , {a} or {b} ?",),
                "left": ("which is more to the left , {a} or {b} ?",),
            },
        ),
        QualitativeFamily(
            "above_below",
            "above",
            "below",
            {
                "above": ("is {a} above {b} ?", "is {a} higher than {b} ?"),
                "below": ("is {a} below {b} ?", "is {a} lower than {b} ?"),
            },
            ("is {a} above or below {b} ?",),
            {
                "above": ("which is higher , {a} or {b} ?",),
                "below": ("which is lower , {a} or {b} ?",),
            },
        ),
        QualitativeFamily(
            "front_behind",
            "behind",
            "front",
            {
                "behind": ("is {a} behind {b} ?", "is {a} at the back of {b} ?"),
                "front": ("is {a} in front of {b} ?",),
            },
            (
                "is {a} in front of or behind {b} ?",
                "is {a} behind or in front of {b} ?",
            ),
            {
                "behind": ("which is further back , {a} or {b} ?",),
                "front": ("which is more in front , {a} or {b} ?",),
            },
        ),
        QualitativeFamily(
            "big_small",
            "bigger",
            "smaller",
            {
                "bigger": ("is {a} bigger than {b} ?", "is {a} larger than {b} ?"),
                "smaller": ("is {a} smaller than {b} ?",),
            },
            ("is {a} bigger or smaller than {b} ?",),
            {
                "bigger": ("which is bigger , {a} or {b} ?", "which is larger , {a} or {b} ?"),
                "smaller": ("which is smaller , {a} or {b} ?",),
            },
        ),
        QualitativeFamily(
            "tall_short",
            "taller",
            "shorter",
            {
                "taller": ("is {a} taller than {b} ?",),
                "shorter": ("is {a} shorter than {b} ?",),
            },
            ("is {a} taller or shorter than {b} ?",),
            {
                "taller": ("which is taller , {a} or {b} ?",),
                "shorter": ("which is shorter , {a} or {b} ?",),
            },
        ),
        QualitativeFamily(
            "wide_thin",
            "wider",
            "thinner",
            {
                "wider": ("is {a} wider than {b} ?",),
                "thinner": ("is {a} thinner than {b} ?", "is {a} narrower than {b} ?"),
            },
            ("is {a} wider or thinner than {b} ?",),
            {
                "wider": ("which is wider , {a} or {b} ?",),
                "thinner": ("which is thinner , {a} or {b} ?",),
            },
        ),
        QualitativeFamily(
            "closer",
            "further",
            "closer",
            {
                "further": ("is {a} further away than {b} ?",),
                "closer": ("is {a} closer than {b} ?", "is {a} nearer than {b} ?"),
            },
            ("is {a} closer or further away than {b} ?",),
            {
                "further": ("which is further away , {a} or {b} ?",),
                "closer": (
                    "which is closer , {a} or {b} ?",
                    "which is closer to the camera , {a} or {b} ?",
                    "which is closer to me , {a} or {b} ?",
                ),
            },
        ),
    )
}

FAMILIES: tuple[str, ...] = (*QUANTITATIVE, *QUALITATIVE)


def all_texts() -> Iterator[str]:
    """Yield every template and every word of an answer, in a fixed order."""
    for quantitative in QUANTITATIVE.values():
        yield from quantitative.questions
        yield quantitative.unit
    for qualitative in QUALITATIVE.values():
        yield from (qualitative.greater, qualitative.less)
        for questions in (*qualitative.yes_no.values(), qualitative.choice):
            yield from questions
        for questions in qualitative.which.values():
            yield from questions
    yield from ("yes", "no", "the", UNNAMED)
