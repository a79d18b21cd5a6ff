# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The results of asking for directions, choices between sides, and turns of a route."""

from __future__ import annotations

import math

from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.query.result import Result, ResultType
from spatialgeo_ros.query.result_text import (
    direction_words,
    sentence,
)
from spatialgeo_ros.scene.directions import (
    BACK_DEG,
    PointOfView,
    bearing,
    clock_hour,
    direction_between,
    nearest_border,
    side,
    wrapped,
)
from spatialgeo_ros.scene.doubt import DOUBT
from spatialgeo_ros.scene.estimate import Estimate, probability_above_zero
from spatialgeo_ros.scene.evaluator import Evaluator
from spatialgeo_ros.scene.failures import not_understood


def tell_direction(evaluator: Evaluator, ask: nodes.TellDirection) -> Result:
    """Return degrees (left positive) or the clock hour, and the word of the form asked for.

    Raises:
        QueryFailureError: there is no such object, or nobody knows where the viewer is.
    """
    target = evaluator.spot(ask.of)
    if ask.origin is not None:
        view = PointOfView(evaluator.spot(ask.origin))
    else:
        view = evaluator.view(ask.frame) or PointOfView(evaluator.facts.viewer_spot)
    seen = bearing(target, view, evaluator.facts)
    if ask.relative_to is not None:
        anchor = bearing(evaluator.spot(ask.relative_to), view, evaluator.facts)
        seen = seen.minus(anchor)
    sigma = evaluator.facts.sigma(seen)
    _doubt(evaluator, seen, sigma, ask.form)
    word = side(seen.value, ask.form)
    values, unit = (seen.value,), "deg"
    if ask.form == "clock":
        values, unit = (float(clock_hour(seen.value)),), "clock"
        sigma /= 30.0
    return Result(
        ResultType.DIRECTION,
        _direction_text(evaluator, ask, seen.value, word),
        values=values,
        std_devs=(sigma,),
        unit=unit,
        direction=word,
        objects=tuple(evaluator.used),
    )


def _doubt(evaluator: Evaluator, seen: Estimate, sigma: float, form: nodes.DirectionForm) -> None:
    margin = nearest_border(seen.value, form)
    probability = probability_above_zero(margin, sigma)
    if math.isfinite(margin) and probability < DOUBT:
        evaluator.remark(
            f"the direction is within its uncertainty of {sigma:.0f}° from where the word "
            f"changes (probability {probability:.2f})"
        )


def _direction_text(
    evaluator: Evaluator, ask: nodes.TellDirection, degrees: float, word: str
) -> str:
    names = [evaluator.facts.name(evaluator.facts.by_id[one]) for one in evaluator.used]
    subject = sentence(names[0]) if names else "It"
    hour = clock_hour(degrees)
    if ask.relative_to is not None:
        return f"{subject} is to the {word} of {names[-1]}."
    if ask.form == "clock":
        return f"{subject} is at {hour} o'clock."
    if ask.form == "deg":
        return f"{subject} is at {degrees:.0f}° ({direction_words(degrees)})."
    if ask.form == "any":
        return f"{subject} is {word}: {direction_words(degrees)}, at {hour} o'clock."
    return f"{subject} is to the {word}, at {abs(degrees):.0f}°."


def tell_which(evaluator: Evaluator, ask: nodes.TellWhich) -> Result:
    """Return the name of the condition that holds, or of the one that is nearest to it.

    Raises:
        QueryFailureError: a condition cannot be decided.
    """
    if not ask.names or len(ask.names) != len(ask.conditions):
        raise not_understood("A choice needs a name for each of its conditions.")
    truths = [evaluator.condition(condition) for condition in ask.conditions]
    best = max(
        range(len(truths)),
        key=lambda i: (truths[i].holds, truths[i].probability if truths[i].holds else 0.0,
                       truths[i].lead),
    )  # fmt: skip
    if not truths[best].holds and truths[best].lead <= 0:
        return Result(ResultType.TEXT, "Neither.", word="neither", objects=tuple(evaluator.used))
    if not truths[best].holds:
        evaluator.remark(f"not strictly, but more {ask.names[best]} than otherwise")
    elif truths[best].probability < DOUBT:
        evaluator.remark(f"probability {truths[best].probability:.2f}")
    word = ask.names[best]
    names = [evaluator.facts.name(evaluator.facts.by_id[one]) for one in evaluator.used]
    said = {"front": "in front"}.get(word, word)
    text = sentence(f"{names[0]} is {said}.") if names else sentence(f"{said}.")
    return Result(ResultType.TEXT, text, word=word, objects=tuple(evaluator.used))


def tell_turns(evaluator: Evaluator, ask: nodes.TellTurns) -> Result:
    """Turns at the start and at each stop but the last; none towards what is already faced."""
    at, facing = evaluator.spot(ask.start), evaluator.spot(ask.facing)
    stops = [evaluator.spot(stop) for stop in ask.stops]
    heading = direction_between(at, facing)
    words: list[str] = []
    for stop in stops:
        if stop.id == facing.id and not words and at.id != stop.id:
            at = stop
            continue
        there = direction_between(at, stop)
        turn = there.minus(heading)
        degrees = wrapped(turn.value)
        _doubt(evaluator, Estimate(degrees, "deg"), evaluator.facts.sigma(turn), "side_or_back")
        words.append("back" if abs(degrees) > BACK_DEG else "left" if degrees > 0 else "right")
        at, heading = stop, there
    if not words:
        raise not_understood("The route has no turn: it ends where it already faces.")
    word = ", ".join(words)
    return Result(ResultType.TEXT, f"Turn {word}.", word=word, objects=tuple(evaluator.used))
