# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The results of asking for numbers, yes or no, objects and attributes."""

from __future__ import annotations

from spatialgeo_ros.memory.snapshot import MapObject
from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.query.nouns import label_words, without_counter
from spatialgeo_ros.query.program import Unit
from spatialgeo_ros.query.program_words import relation_in_words, things_in_words
from spatialgeo_ros.query.result import Result, ResultType
from spatialgeo_ros.query.result_text import (
    listed,
    quantity_sentence,
    sentence,
    size_sentence,
    value_text,
    yes_no,
)
from spatialgeo_ros.query.units import convert, fits
from spatialgeo_ros.scene.evaluator import Evaluator, may_be
from spatialgeo_ros.scene.failures import not_understood
from spatialgeo_ros.scene.map_facts import RoomPart, Spot
from spatialgeo_ros.scene.quantities import OF_TWO

_RESULTS: dict[nodes.Operation | nodes.Fold, str] = {
    "difference": "difference",
    "ratio": "ratio",
    "sum": "sum",
    "product": "product",
    "mean": "mean",
    "percent": "share",
    "least": "least",
    "greatest": "greatest",
}


def tell_number(evaluator: Evaluator, ask: nodes.TellNumber) -> Result:
    """Return a number in the unit asked for, or a count.

    Raises:
        QueryFailureError: it is not known, or not measured in such a unit.
    """
    if isinstance(ask.number, nodes.Count) and ask.unit == "":
        return _count(evaluator, ask.number)
    numbers = evaluator.numbers(ask.number)
    own = numbers[0].unit
    percent = isinstance(ask.number, nodes.Arithmetic) and ask.number.operation == "percent"
    unit: Unit = ask.unit or ("percent" if percent else own)
    if not fits(own, unit):
        raise not_understood(f"That is measured in {own or 'times'}, not in {unit}.")
    values = tuple(convert(number.value, own, unit) for number in numbers)
    sigmas = tuple(convert(evaluator.facts.sigma(number), own, unit) for number in numbers)
    text = _number_text(evaluator, ask.number, values, sigmas, unit)
    return Result(
        ResultType.NUMBER,
        text,
        values=values,
        std_devs=sigmas,
        unit=unit,
        objects=tuple(evaluator.used),
    )


def _number_text(
    evaluator: Evaluator,
    node: nodes.Number,
    values: tuple[float, ...],
    sigmas: tuple[float, ...],
    unit: Unit,
) -> str:
    shown = value_text(values, sigmas, unit)
    if isinstance(node, nodes.Arithmetic):
        return f"The {_RESULTS[node.operation]} is {shown}."
    if isinstance(node, nodes.Over):
        return f"The {_RESULTS[node.fold]} is {shown}."
    if not isinstance(node, nodes.Quantity):
        return f"{shown}."
    names = _names(evaluator, node)
    if len(values) > 1:
        return size_sentence(names[0], values, sigmas, unit)
    return quantity_sentence(node.name, names, values[0], shown)


def _names(evaluator: Evaluator, node: nodes.Quantity) -> tuple[str, ...]:
    """How the sentence calls what was measured; the viewer only where it is the one thing."""
    two = node.name in OF_TWO
    of = node.of
    if two and len(of) == 1 and may_be(of[0], 2):
        return tuple(evaluator.facts.name(one) for one in evaluator.things(of[0]).objects)
    names = []
    for one in of:
        place = evaluator.place(one)
        if isinstance(place, RoomPart):
            names.append(f"the {place.part}")
        elif place.object is not None:
            names.append(evaluator.facts.name(place.object))
        elif not two:
            names.append("my camera")
    return tuple(names) or ("my camera",)


def _count(evaluator: Evaluator, node: nodes.Count) -> Result:
    number = evaluator.number(node)
    if node.different != "object":
        words = evaluator.different(node)
        noun = node.different if len(words) == 1 else f"{node.different}s"
        text = f"There {'is' if len(words) == 1 else 'are'} {len(words)} {noun}"
        which = f": {listed(words)}" if words else ""
        return Result(
            ResultType.COUNT, f"{text}{which}.", values=(float(len(words)),), std_devs=(0.0,)
        )
    found = evaluator.things(node.of)
    ids = tuple(one.id for one in found.objects)
    sigma = evaluator.facts.sigma(number)
    evaluator.remark_doubts(found)
    are = "is" if len(ids) == 1 else "are"
    what = things_in_words(node.of, many=len(ids) != 1)
    which = f": {listed(ids)}" if ids else ""
    return Result(
        ResultType.COUNT,
        f"There {are} {len(ids)} {what}{which}.",
        values=(float(len(ids)),),
        std_devs=(sigma,),
        objects=ids,
    )


def tell_whether(evaluator: Evaluator, ask: nodes.TellWhether) -> Result:
    """Return yes or no, the probability that this is right, and what was compared.

    Raises:
        QueryFailureError: it cannot be decided.
    """
    truth = evaluator.condition(ask.condition)
    probability = truth.probability if truth.holds else 1 - truth.probability
    objects = tuple(evaluator.used)
    if isinstance(ask.condition, nodes.Exists):
        found = evaluator.things(ask.condition.of)
        objects = tuple(one.id for one in found.objects)
    text = f"{yes_no(truth.holds, probability)}."
    if isinstance(ask.condition, nodes.Exists) and objects:
        text = f"{text} I know {listed(objects)}."
    elif isinstance(ask.condition, nodes.Exists):
        text = f"{text} I know no {things_in_words(ask.condition.of)}."
    elif isinstance(ask.condition, nodes.Related):
        said = _relation_words(evaluator, ask.condition, truth.holds)
        text = f"{text.removesuffix('.')}, {said}."
    text += _measured_words(evaluator, ask.condition)
    return Result(
        ResultType.BOOLEAN,
        text,
        boolean=truth.holds,
        probability=probability,
        objects=objects,
    )


def _relation_words(evaluator: Evaluator, node: nodes.Related, holds: bool) -> str:
    """The relation or its contrary, as a sentence without capital and stop."""
    wanted = 2 if node.relation == "between" else len(node.anchors)
    anchors = evaluator.places(node.anchors, wanted) if wanted else ()
    subject = evaluator.place(node.subject)
    words = relation_in_words(node.relation, [_place_name(evaluator, one) for one in anchors])
    being = "am" if isinstance(subject, Spot) and subject.object is None else "is"
    name = "I" if being == "am" else _place_name(evaluator, subject)
    return f"{name} {being} {'' if holds else 'not '}{words}"


def _place_name(evaluator: Evaluator, place: Spot | RoomPart) -> str:
    if isinstance(place, RoomPart):
        return f"the {place.part}"
    return evaluator.facts.spot_name(place)


def _measured_words(evaluator: Evaluator, condition: nodes.Condition) -> str:
    """The number that was compared, as a sentence."""
    if isinstance(condition, nodes.Not):
        return _measured_words(evaluator, condition.condition)
    if not isinstance(condition, nodes.Compare):
        return ""
    words = ""
    for node in (condition.left, condition.right):
        if isinstance(node, nodes.Quantity):
            numbers = evaluator.numbers(node)
            values = tuple(number.value for number in numbers)
            sigmas = tuple(evaluator.facts.sigma(number) for number in numbers)
            words += f" {_number_text(evaluator, node, values, sigmas, numbers[0].unit)}"
    return words


def tell_objects(evaluator: Evaluator, ask: nodes.TellObjects) -> Result:
    """Return the objects of a set, none being an answer; or the one that is asked for.

    Raises:
        QueryFailureError: there is not the one that is asked for.
    """
    if ask.one:
        one = evaluator.one(ask.things)
        return Result(
            ResultType.OBJECT, f"{sentence(evaluator.facts.name(one))}{_id_words(evaluator, one)}.",
            objects=(one.id,),
        )  # fmt: skip
    found = evaluator.things(ask.things)
    evaluator.remark_doubts(found)
    ids = tuple(one.id for one in found.objects)
    words = [evaluator.facts.name(one) + _id_words(evaluator, one) for one in found.objects]
    text = (
        sentence(f"{listed(words)}.")
        if ids
        else (f"Nothing: I know no {things_in_words(ask.things)}.")
    )
    return Result(ResultType.OBJECTS, text, objects=ids)


def _id_words(evaluator: Evaluator, one: MapObject) -> str:
    name = evaluator.facts.name(one)
    return "" if name == one.id else f" ({one.id})"


def tell_attribute(evaluator: Evaluator, ask: nodes.TellAttribute) -> Result:
    """Return colour, material or kind of an object as a word.

    Raises:
        QueryFailureError: there is no such object, or it is not known of it.
    """
    spot = evaluator.spot(ask.of)
    if spot.object is None:
        raise not_understood("I can tell colour, material and kind of objects, not my own.")
    one = spot.object
    if ask.attribute == "kind":
        word = without_counter(label_words(one.label))
        text = f"It is a {word} ({one.id})."
    else:
        word = evaluator.attribute(one, ask.attribute)
        made = "made of " if ask.attribute == "material" else ""
        text = sentence(f"{evaluator.facts.name(one)} is {made}{word}.")
    return Result(ResultType.TEXT, text, word=word, objects=(one.id,))
