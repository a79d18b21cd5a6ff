# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the program of a question on a snapshot of the map: a typed result with its uncertainty.

The meaning of every word in numbers is in docs/questions.md. Standard deviations are of first
order (:mod:`spatialgeo_ros.scene.estimate`), from the covariances of centres, the standard
deviations of sizes, walls, floor and ceiling, and the viewer's place; its heading and the yaw of
objects count as exact. What is not known is an error with cause and cure, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence
from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.query.nouns import label_words, without_counter
from spatialgeo_ros.query.program import Program, Unit
from spatialgeo_ros.query.program_words import things_in_words
from spatialgeo_ros.query.result import Result, ResultType
from spatialgeo_ros.query.result_text import (
    age_words,
    direction_words,
    listed,
    quantity_sentence,
    sentence,
    size_sentence,
    value_text,
    yes_no,
)
from spatialgeo_ros.query.units import convert, fits
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
from spatialgeo_ros.scene.estimate import Estimate, probability_above_zero
from spatialgeo_ros.scene.evaluator import DOUBT, Evaluator
from spatialgeo_ros.scene.failures import QueryFailureError, not_understood
from spatialgeo_ros.scene.map_facts import RoomPart
from spatialgeo_ros.scene.quantities import OF_TWO


def execute(program: Program, snapshot: MapSnapshot, regions: Sequence[MapObject] = ()) -> Result:
    """Run a program on a map.

    Args:
        program: what is asked.
        snapshot: the map at one moment; it is not changed.
        regions: the objects in the regions of the request, by their index.

    Returns:
        The answer, or a result of type ERROR that says why there is none.
    """
    evaluator = Evaluator(snapshot, regions)
    try:
        answer = _Answer(evaluator).of(program)
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
        f"{one.id} is remembered, last seen {age_words(facts.unseen_for(one))} ago" for one in old
    )


class _Answer:
    """The result of each thing that can be asked."""

    def __init__(self, evaluator: Evaluator) -> None:
        self._evaluator = evaluator
        self._facts = evaluator.facts

    def of(self, ask: Program) -> Result:
        """Return the answer.

        Raises:
            QueryFailureError: there is none.
        """
        if isinstance(ask, nodes.TellNumber):
            return self._number(ask)
        if isinstance(ask, nodes.TellWhether):
            return self._whether(ask)
        if isinstance(ask, nodes.TellObjects):
            return self._objects(ask)
        if isinstance(ask, nodes.TellDirection):
            return self._direction(ask)
        if isinstance(ask, nodes.TellWhich):
            return self._which(ask)
        if isinstance(ask, nodes.TellAttribute):
            return self._attribute(ask)
        return self._turns(ask)

    def _used(self) -> tuple[str, ...]:
        return tuple(self._evaluator.used)

    # Numbers ------------------------------------------------------------------------------------

    def _number(self, ask: nodes.TellNumber) -> Result:
        if isinstance(ask.number, nodes.Count) and ask.unit == "":
            return self._count(ask.number)
        numbers = self._evaluator.numbers(ask.number)
        own = numbers[0].unit
        unit: Unit = ask.unit or own
        if not fits(own, unit):
            raise not_understood(f"That is measured in {own or 'times'}, not in {unit}.")
        values = tuple(convert(number.value, own, unit) for number in numbers)
        sigmas = tuple(convert(self._facts.sigma(number), own, unit) for number in numbers)
        text = self._number_text(ask.number, values, sigmas, unit)
        return Result(
            ResultType.NUMBER, text, values=values, std_devs=sigmas, unit=unit, objects=self._used()
        )

    def _number_text(
        self,
        node: nodes.Number,
        values: tuple[float, ...],
        sigmas: tuple[float, ...],
        unit: Unit,
    ) -> str:
        shown = value_text(values, sigmas, unit)
        if not isinstance(node, nodes.Quantity):
            return f"{shown}."
        names = self._names(node)
        if len(values) > 1:
            return size_sentence(names[0], values, sigmas, unit)
        return quantity_sentence(node.name, names, values[0], shown)

    def _names(self, node: nodes.Quantity) -> tuple[str, ...]:
        """How the sentence calls what was measured; the viewer only where it is the one thing."""
        two = node.name in OF_TWO
        of = node.of
        if two and len(of) == 1:
            used = self._used()
            return tuple(self._facts.name(self._facts.by_id[one]) for one in used)
        names = []
        for one in of:
            place = self._evaluator.place(one)
            if isinstance(place, RoomPart):
                names.append(f"the {place.part}")
            elif place.object is not None:
                names.append(self._facts.name(place.object))
            elif not two:
                names.append("my camera")
        return tuple(names) or ("my camera",)

    def _count(self, node: nodes.Count) -> Result:
        number = self._evaluator.number(node)
        found = self._evaluator.things(node.of)
        ids = tuple(one.id for one in found.objects)
        sigma = self._facts.sigma(number)
        fitting = f" that fit '{things_in_words(node.of)}'"
        are = "is 1 object" if len(ids) == 1 else f"are {len(ids)} objects"
        fitting = fitting.replace("that fit", "that fits") if len(ids) == 1 else fitting
        which = f": {listed(ids)}" if ids else ""
        return Result(
            ResultType.COUNT,
            f"There {are}{fitting}{which}.",
            values=(float(len(ids)),),
            std_devs=(sigma,),
            objects=ids,
        )

    # Yes and no ---------------------------------------------------------------------------------

    def _whether(self, ask: nodes.TellWhether) -> Result:
        truth = self._evaluator.condition(ask.condition)
        probability = truth.probability if truth.holds else 1 - truth.probability
        objects = self._used()
        if isinstance(ask.condition, nodes.Exists):
            found = self._evaluator.things(ask.condition.of)
            objects = tuple(one.id for one in found.objects)
        text = yes_no(truth.holds, probability)
        text += self._measured_words(ask.condition)
        if isinstance(ask.condition, nodes.Exists) and objects:
            text += f" I know {listed(objects)}."
        return Result(
            ResultType.BOOLEAN,
            text,
            boolean=truth.holds,
            probability=probability,
            objects=objects,
        )

    def _measured_words(self, condition: nodes.Condition) -> str:
        """The number that was compared, as a sentence."""
        if isinstance(condition, nodes.Not):
            return self._measured_words(condition.condition)
        if not isinstance(condition, nodes.Compare):
            return ""
        words = ""
        for node in (condition.left, condition.right):
            if isinstance(node, nodes.Quantity):
                numbers = self._evaluator.numbers(node)
                values = tuple(number.value for number in numbers)
                sigmas = tuple(self._facts.sigma(number) for number in numbers)
                words += f" {self._number_text(node, values, sigmas, numbers[0].unit)}"
        return words

    # Objects ------------------------------------------------------------------------------------

    def _objects(self, ask: nodes.TellObjects) -> Result:
        if ask.one:
            one = self._evaluator.one(ask.things)
            return Result(
                ResultType.OBJECT, f"{sentence(self._facts.name(one))}{self._id_words(one)}.",
                objects=(one.id,),
            )  # fmt: skip
        found = self._evaluator.things(ask.things)
        ids = tuple(one.id for one in found.objects)
        words = [self._facts.name(one) + self._id_words(one) for one in found.objects]
        text = (
            sentence(f"{listed(words)}.")
            if ids
            else (f"Nothing: there is no {things_in_words(ask.things)}.")
        )
        return Result(ResultType.OBJECTS, text, objects=ids)

    def _id_words(self, one: MapObject) -> str:
        name = self._facts.name(one)
        return "" if name == one.id else f" ({one.id})"

    def _attribute(self, ask: nodes.TellAttribute) -> Result:
        spot = self._evaluator.spot(ask.of)
        if spot.object is None:
            raise not_understood("I can tell colour, material and kind of objects, not my own.")
        one = spot.object
        if ask.attribute == "kind":
            word = without_counter(label_words(one.label))
            text = f"It is a {word} ({one.id})."
        else:
            word = self._evaluator.attribute(one, ask.attribute)
            made = "made of " if ask.attribute == "material" else ""
            text = sentence(f"{self._facts.name(one)} is {made}{word}.")
        return Result(ResultType.TEXT, text, word=word, objects=(one.id,))

    # Directions ---------------------------------------------------------------------------------

    def _direction(self, ask: nodes.TellDirection) -> Result:
        target = self._evaluator.spot(ask.of)
        if ask.origin is not None:
            view = PointOfView(self._evaluator.spot(ask.origin))
        else:
            view = self._evaluator.view(ask.frame) or PointOfView(self._facts.viewer_spot)
        seen = bearing(target, view, self._facts)
        if ask.relative_to is not None:
            anchor = bearing(self._evaluator.spot(ask.relative_to), view, self._facts)
            seen = seen.minus(anchor)
        sigma = self._facts.sigma(seen)
        self._doubt(seen, sigma, ask.form)
        word = side(seen.value, ask.form)
        values, unit = (seen.value,), "deg"
        if ask.form == "clock":
            values, unit = (float(clock_hour(seen.value)),), "clock"
            sigma /= 30.0
        return Result(
            ResultType.DIRECTION,
            self._direction_text(ask, seen.value, word),
            values=values,
            std_devs=(sigma,),
            unit=unit,
            direction=word,
            objects=self._used(),
        )

    def _doubt(self, seen: Estimate, sigma: float, form: nodes.DirectionForm) -> None:
        margin = nearest_border(seen.value, form)
        probability = probability_above_zero(margin, sigma)
        if math.isfinite(margin) and probability < DOUBT:
            self._evaluator.remark(
                f"the direction is within its uncertainty of {sigma:.0f}° from where the word "
                f"changes (probability {probability:.2f})"
            )

    def _direction_text(self, ask: nodes.TellDirection, degrees: float, word: str) -> str:
        names = [self._facts.name(self._facts.by_id[one]) for one in self._used()]
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
        return f"{subject} is {word} ({direction_words(degrees)})."

    def _which(self, ask: nodes.TellWhich) -> Result:
        if not ask.names or len(ask.names) != len(ask.conditions):
            raise not_understood("A choice needs a name for each of its conditions.")
        truths = [self._evaluator.condition(condition) for condition in ask.conditions]
        best = max(
            range(len(truths)),
            key=lambda i: (truths[i].holds, truths[i].probability if truths[i].holds else 0.0,
                           truths[i].lead),
        )  # fmt: skip
        if not truths[best].holds and truths[best].lead <= 0:
            return Result(ResultType.TEXT, "Neither.", word="neither", objects=self._used())
        if not truths[best].holds:
            self._evaluator.remark(f"not strictly, but more {ask.names[best]} than otherwise")
        elif truths[best].probability < DOUBT:
            self._evaluator.remark(f"probability {truths[best].probability:.2f}")
        word = ask.names[best]
        names = [self._facts.name(self._facts.by_id[one]) for one in self._used()]
        text = sentence(f"{names[0]} is {word}.") if names else sentence(f"{word}.")
        return Result(ResultType.TEXT, text, word=word, objects=self._used())

    def _turns(self, ask: nodes.TellTurns) -> Result:
        """Turns at the start and at each stop but the last; none towards what is already faced."""
        at, facing = self._evaluator.spot(ask.start), self._evaluator.spot(ask.facing)
        stops = [self._evaluator.spot(stop) for stop in ask.stops]
        heading = direction_between(at, facing)
        words: list[str] = []
        for stop in stops:
            if stop.id == facing.id and not words and at.id != stop.id:
                at = stop
                continue
            there = direction_between(at, stop)
            turn = there.minus(heading)
            degrees = wrapped(turn.value)
            self._doubt(Estimate(degrees, "deg"), self._facts.sigma(turn), "side_or_back")
            words.append("back" if abs(degrees) > BACK_DEG else "left" if degrees > 0 else "right")
            at, heading = stop, there
        if not words:
            raise not_understood("The route has no turn: it ends where it already faces.")
        word = ", ".join(words)
        return Result(ResultType.TEXT, f"Turn {word}.", word=word, objects=self._used())
