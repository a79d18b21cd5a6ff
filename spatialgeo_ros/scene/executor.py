# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the program of a question on a snapshot of the map: a typed result with its uncertainty.

The meaning of every word in numbers is in docs/questions.md. Standard deviations are of first
order (:mod:`spatialgeo_ros.scene.estimate`), from the covariances of centres, the standard
deviations of sizes, walls, floor and ceiling, and the viewer's place; its heading and the yaw of
objects count as exact. What is not known is an error with cause and cure, never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence
from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.query.program import Program
from spatialgeo_ros.query.result import Result
from spatialgeo_ros.query.result_text import (
    age_words,
)
from spatialgeo_ros.scene.direction_answers import tell_direction, tell_turns, tell_which
from spatialgeo_ros.scene.evaluator import Evaluator, Measured
from spatialgeo_ros.scene.failures import QueryFailureError
from spatialgeo_ros.scene.value_answers import (
    tell_attribute,
    tell_number,
    tell_objects,
    tell_whether,
)


def execute(
    program: Program,
    snapshot: MapSnapshot,
    regions: Sequence[MapObject] = (),
    measured: Measured | None = None,
) -> Result:
    """Run a program on a map.

    Args:
        program: what is asked.
        snapshot: the map at one moment; it is not changed.
        regions: the objects in the regions of the request, by their index.
        measured: quantities of named objects that were measured on the points of an image, which
            is more exact than the map's boxes.

    Returns:
        The answer, or a result of type ERROR that says why there is none.
    """
    evaluator = Evaluator(snapshot, regions, measured)
    try:
        answer = _answer(program, evaluator)
    except QueryFailureError as failure:
        answer = failure.result
    remarks = (*answer.remarks, *_ages(evaluator, answer), *evaluator.remarks)
    return replace(answer, remarks=tuple(dict.fromkeys(remarks)))


def _ages(evaluator: Evaluator, result: Result) -> tuple[str, ...]:
    """What the answer says of things that are only remembered."""
    if result.error is not None:
        return ()
    facts = evaluator.facts
    old = [
        facts.by_id[one]
        for one in result.objects
        if one in facts.by_id and facts.by_id[one].state == Presence.REMEMBERED
    ]
    if len(old) > 3:
        oldest = max(facts.unseen_for(one) for one in old)
        return (f"{len(old)} of them are remembered, last seen up to {age_words(oldest)} ago",)
    return tuple(
        f"{one.id} is remembered, last seen {age_words(facts.unseen_for(one))} ago"
        + (f", still there with probability {one.probability:.2f}" if one.probability < 1 else "")
        for one in old
    )


def _answer(ask: Program, evaluator: Evaluator) -> Result:
    if isinstance(ask, nodes.TellNumber):
        return tell_number(evaluator, ask)
    if isinstance(ask, nodes.TellWhether):
        return tell_whether(evaluator, ask)
    if isinstance(ask, nodes.TellObjects):
        return tell_objects(evaluator, ask)
    if isinstance(ask, nodes.TellDirection):
        return tell_direction(evaluator, ask)
    if isinstance(ask, nodes.TellWhich):
        return tell_which(evaluator, ask)
    if isinstance(ask, nodes.TellAttribute):
        return tell_attribute(evaluator, ask)
    return tell_turns(evaluator, ask)
