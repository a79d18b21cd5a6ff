# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The typed result of a question that was measured on points alone, without a map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from spatialgeo_ros.answer.sentences import Measured
from spatialgeo_ros.query.intent import COUNT, EXISTS, Intent
from spatialgeo_ros.query.program import Program, TellNumber
from spatialgeo_ros.query.result import Result, ResultType
from spatialgeo_ros.query.result_text import value_text
from spatialgeo_ros.query.units import convert, fits
from spatialgeo_ros.scene.sighting import SightedEstimate

#: Two standard deviations: a comparison that is closer is not called.
_CALLED = 0.977


def typed_result(
    program: Program | None,
    intent: Intent,
    measured: Measured,
    estimates: Sequence[SightedEstimate],
    count: int,
) -> Result:
    """Return what was measured as a typed result; its text is the measured sentence.

    Args:
        program: of the question: the unit it asks for.
        intent: its family.
        measured: the measured answer.
        estimates: the lengths behind it, the one asked for first.
        count: how many things were found.
    """
    text = measured.text
    if intent.family == COUNT:
        return Result(ResultType.COUNT, text, (float(count),), (math.nan,))
    if intent.family == EXISTS or intent.form == "yes_no":
        if not measured.choice:
            return Result(ResultType.NONE, text)
        yes = measured.choice == "yes"
        probability = math.nan if intent.family == EXISTS else _CALLED
        return Result(ResultType.BOOLEAN, text, boolean=yes, probability=probability)
    if intent.clock:
        if measured.value is None:
            return Result(ResultType.NONE, text)
        return Result(ResultType.DIRECTION, text, (measured.value,), (math.nan,), "clock")
    if intent.form in ("choice", "which"):
        if not measured.choice:
            return Result(ResultType.NONE, text)
        if intent.family == "left_right" and intent.form == "choice":
            return Result(ResultType.DIRECTION, text, direction=measured.choice)
        return Result(ResultType.TEXT, text, word=measured.choice)
    values: tuple[float, ...]
    if intent.form == "difference":
        values = () if measured.value is None else (measured.value,)
        sigmas = (measured.sigma,) * len(values)
    else:
        valid = [one for one in estimates if one.valid]
        valid = valid[:3] if intent.family == "size" else valid[:1]
        values = tuple(one.distance for one in valid)
        sigmas = tuple(one.sigma for one in valid)
    return _in_unit(Result(ResultType.NUMBER, text, values, sigmas, "m"), program)


def _in_unit(result: Result, program: Program | None) -> Result:
    """Convert to the unit that was asked for, and say the number in it."""
    if not isinstance(program, TellNumber) or program.unit in ("", "m"):
        return result
    if not fits("m", program.unit):
        return result
    values = tuple(convert(value, "m", program.unit) for value in result.values)
    sigmas = tuple(convert(sigma, "m", program.unit) for sigma in result.std_devs)
    shown = value_text(values, sigmas, program.unit)
    text = f"{shown}. {result.text}"
    return replace(result, values=values, std_devs=sigmas, unit=program.unit, text=text)
