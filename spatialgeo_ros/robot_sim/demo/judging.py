# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compares the typed fields of an answer with the truth; its text is never read.

An answer is *wrong* when it is valid and beyond the truth by more than it says itself: a number by
more than 10 % and three standard deviations, a yes or no with a probability of 95 % or more, and
whatever states no uncertainty (an object, a count). Then the demo fails.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass

from spatialgeo_ros.msg import ErrorCode, SpatialAnswer

SHARE, SIGMAS, CERTAIN = 0.10, 3.0, 0.95
#: Numbers are never held to more than this: 2 cm, 5 degrees.
_LEAST = {"m": 0.02, "cm": 2.0, "ft": 0.07, "deg": 5.0, "clock": 1.0}
_TYPES = {
    getattr(SpatialAnswer, name): name[5:].lower()
    for name in dir(SpatialAnswer)
    if name.startswith("TYPE_")
}
_CODES = {
    getattr(ErrorCode, name): name
    for name in dir(ErrorCode)
    if name.isupper() and isinstance(getattr(ErrorCode, name), int)
}


class Mark(enum.Enum):
    """How right an answer is."""

    RIGHT = "right"
    UNSURE = "within 3 sigma"  # and says so: a large deviation, or a yes that may be a no
    REFUSED = "no answer"  # an error where there is an answer
    WRONG = "WRONG"


@dataclass(frozen=True)
class Expected:
    """What is true.

    Attributes:
        type: ``SpatialAnswer.TYPE_*`` that the answer must have.
        values: the true numbers in ``unit``.
        unit: of ``values``.
        yes: the truth of a yes/no question.
        names: true names of the objects that are the answer; of an error, all its candidates.
        codes: error codes that are right; empty where there is an answer.
    """

    type: int
    values: tuple[float, ...] = ()
    unit: str = ""
    yes: bool = False
    names: frozenset[str] = frozenset()
    codes: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The truth in words."""
        if self.codes:
            kinds = " or ".join(code_name(code) for code in self.codes)
            return f"{kinds} of {_listed(self.names)}" if self.names else kinds
        if self.type == SpatialAnswer.TYPE_BOOLEAN:
            return "yes" if self.yes else "no"
        if self.values:
            return _numbers(self.values, (), self.unit)
        return _listed(self.names)


@dataclass(frozen=True)
class Verdict:
    """An answer against the truth, each as text."""

    said: str
    truth: str
    deviation: str
    mark: Mark


def number(*values: float, unit: str = "m") -> Expected:
    """A number or several, in ``unit``."""
    return Expected(SpatialAnswer.TYPE_NUMBER, values, unit)


def yes_or_no(yes: bool) -> Expected:
    """The truth of a yes/no question."""
    return Expected(SpatialAnswer.TYPE_BOOLEAN, yes=yes)


def error(*codes: int, names: frozenset[str] = frozenset()) -> Expected:
    """There is no answer; ``names`` are the candidates to be named."""
    return Expected(SpatialAnswer.TYPE_ERROR, names=names, codes=codes)


def code_name(code: int) -> str:
    """Return the name of an error code."""
    return _CODES.get(code, f"error {code}")


def judge(answer: SpatialAnswer, expected: Expected, names: Mapping[str, str]) -> Verdict:
    """Compare an answer with the truth.

    Args:
        answer: of the node.
        expected: what is true at the image of the answer.
        names: true name by id of the map.
    """
    said, truth = said_by(answer, names), expected.text
    if expected.codes:
        if not answer.error_code:
            return Verdict(said, truth, "", Mark.WRONG)  # an answer to what has none
        whole = answer.error_code in expected.codes and (
            _named(answer, names) == expected.names or not expected.names
        )
        return Verdict(said, truth, "", Mark.RIGHT if whole else Mark.REFUSED)
    if answer.error_code:
        return Verdict(said, truth, "", Mark.REFUSED)
    if answer.result_type != expected.type:
        return Verdict(said, truth, "another kind of answer", Mark.WRONG)
    if expected.type == SpatialAnswer.TYPE_BOOLEAN:
        right = answer.boolean_value == expected.yes
        unsure = Mark.UNSURE if answer.probability < CERTAIN else Mark.WRONG
        return Verdict(said, truth, "", Mark.RIGHT if right else unsure)
    if expected.values:
        return _judge_numbers(answer, expected, said)
    right = _named(answer, names) == expected.names
    return Verdict(said, truth, "", Mark.RIGHT if right else Mark.WRONG)


def said_by(answer: SpatialAnswer, names: Mapping[str, str]) -> str:
    """Return the typed result of an answer in few words."""
    if answer.error_code:
        code = code_name(answer.error_code)
        candidates = [names.get(one, one) for one in answer.object_ids]
        ambiguous = answer.error_code == ErrorCode.AMBIGUOUS and candidates
        return f"{code} of {_listed(candidates)}" if ambiguous else code
    if answer.result_type == SpatialAnswer.TYPE_BOOLEAN:
        known = math.isfinite(answer.probability)
        sure = f" ({answer.probability:.0%} sure)" if known else ""
        return ("yes" if answer.boolean_value else "no") + sure
    if answer.values:
        return _numbers(answer.values, answer.std_devs, answer.unit)
    if answer.object_ids:
        return _listed(names.get(one, one) for one in answer.object_ids)
    return answer.word or answer.direction or _TYPES.get(answer.result_type, "nothing")


def judge_number(said: float, sigma: float, true: float, unit: str = "m") -> Mark:
    """Judge one number and its standard deviation (NaN: none is stated), in ``unit``."""
    off = abs(turned(said - true, unit))
    # A direction has no tenth part: behind is not less exact than ahead.
    share = 0.0 if unit in ("deg", "clock") else SHARE * abs(true)
    if not math.isfinite(said):
        return Mark.REFUSED
    if off <= max(share, _LEAST.get(unit, 0.0)):
        return Mark.RIGHT
    return Mark.UNSURE if off <= SIGMAS * sigma else Mark.WRONG


def turned(difference: float, unit: str) -> float:
    """Return a difference of directions the short way around, any other as it is."""
    around = {"deg": 360.0, "clock": 12.0}.get(unit)
    return difference if around is None else math.remainder(difference, around)


def _judge_numbers(answer: SpatialAnswer, expected: Expected, said: str) -> Verdict:
    if answer.unit != expected.unit or len(answer.values) != len(expected.values):
        return Verdict(said, expected.text, "another unit", Mark.WRONG)
    if expected.type == SpatialAnswer.TYPE_COUNT:
        right = list(answer.values) == list(expected.values)
        return Verdict(said, expected.text, "", Mark.RIGHT if right else Mark.WRONG)
    marks, offs = [], []
    for value, sigma, true in zip(answer.values, answer.std_devs, expected.values, strict=True):
        marks.append(judge_number(value, sigma, true, answer.unit))
        offs.append(f"{turned(value - true, answer.unit):+.2f}")
    worst = max(marks, key=list(Mark).index)
    unit = f" {answer.unit}" if answer.unit else ""
    return Verdict(said, expected.text, f"{', '.join(offs)}{unit}", worst)


def _named(answer: SpatialAnswer, names: Mapping[str, str]) -> frozenset[str]:
    return frozenset(names.get(one, one) for one in answer.object_ids)


def _listed(names: object) -> str:
    return ", ".join(sorted(names)) or "nothing"  # type: ignore[call-overload]


def _numbers(values: object, sigmas: object, unit: str) -> str:
    several = list(values)  # type: ignore[call-overload]
    spread = [one for one in sigmas if math.isfinite(one) and one > 0]  # type: ignore[attr-defined]
    digits = 0 if unit in ("clock", "") and all(one == round(one) for one in several) else 2
    if unit == "deg":
        digits = 0
    shown = " x ".join(f"{one:.{digits}f}" for one in several)
    if spread:
        shown += " +- " + ", ".join(f"{one:.{max(digits, 1)}f}" for one in spread)
    return f"{shown} {unit}".rstrip()
