# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Answers in words from measurements: states lengths with their spread, settles comparisons.

No network is involved. The meaning of every word ("left", "closer", "bigger") is the one of
:mod:`spatialgeo_ros.query.relations`, which the language model was trained with as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.distance import DistanceEstimate, Kind
from spatialgeo_ros.query.families import QUALITATIVE
from spatialgeo_ros.query.intent import Intent
from spatialgeo_ros.query.relations import (
    QUANTITIES,
    ObjectFacts,
    compare,
    direction,
)


@dataclass(frozen=True, eq=False)
class Subject:
    """One object of a question, in the level frame of the camera that was asked.

    Attributes:
        name: what to call it ("red chair").
        facts: centre and size, metres.
        covariance: [3, 3] of the centre, square metres.
        size_sigma: standard deviations of (width, depth, height), metres.
    """

    name: str
    facts: ObjectFacts
    covariance: npt.NDArray[np.float64]
    size_sigma: tuple[float, float, float]


@dataclass(frozen=True)
class Measured:
    """An answer from measurements alone.

    Attributes:
        text: one sentence or two.
        value: what the language model's number should be: metres, or hours of the clock; None for
            comparisons and undefined directions.
        sigma: standard deviation of ``value`` in metres, NaN when unknown.
        choice: the deciding word of a comparison ("yes", "left", "red chair"); "" when it is too
            close to call or there is nothing to decide.
        length: which length ``value`` is ("to its centre"); "" for other values.
    """

    text: str
    value: float | None = None
    sigma: float = math.nan
    choice: str = ""
    length: str = ""


#: "A is <words> B" for each predicate.
_RELATION = {
    "left": "to the left of",
    "right": "to the right of",
    "above": "higher than",
    "below": "lower than",
    "front": "in front of",
    "behind": "behind",
    "bigger": "bigger than",
    "smaller": "smaller than",
    "taller": "taller than",
    "shorter": "shorter than",
    "wider": "wider than",
    "thinner": "thinner than",
    "closer": "closer than",
    "further": "further away than",
}
_COMPARED = {
    "left_right": "direction",
    "above_below": "height above the floor",
    "front_behind": "depth",
    "big_small": "volume",
    "tall_short": "height",
    "wide_thin": "width",
    "closer": "distance",
}
_TO_THIRD = {"closer": "closer to", "further": "further from"}
_SIDE_OF_ME = {
    "left": "on the left",
    "right": "on the right",
    "front": "in front",
    "behind": "behind",
    "above": "above the camera",
    "below": "below the camera",
}
#: Within this angle of straight ahead an object is on neither side, radians.
_AHEAD = math.radians(5.0)


def the(name: str) -> str:
    """Return the name with its article; numbered regions have none."""
    return name if name.startswith("region ") else f"the {name}"


def length(value: float, sigma: float) -> str:
    """Return a length with its standard deviation, centimetres below one metre of spread."""
    return f"{value:.2f} m ± {max(sigma, 0.01):.2f} m"


def measured_answer(
    intent: Intent, subjects: Sequence[Subject], estimates: Sequence[DistanceEstimate]
) -> Measured | None:
    """Answer a question from what was measured; None when nothing valid was.

    Args:
        intent: the question, not an open one.
        subjects: the objects in the order of ``intent.objects``.
        estimates: the measured lengths in the order of ``intent.kinds``; for a comparison those of
            the first object, then those of the second.
    """
    if intent.clock:
        return _direction_answer(intent, subjects)
    if intent.comparative:
        if intent.reference is not None:
            return _closer_to_third(intent, subjects, estimates)
        if len(subjects) == 1:
            return _side_of_me(intent, subjects[0])
        return _comparison_answer(intent, subjects[0], subjects[1])
    if intent.family == "size":
        return _size_answer(subjects[0], estimates)
    return _length_answer(intent, subjects, estimates)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _length_answer(
    intent: Intent, subjects: Sequence[Subject], estimates: Sequence[DistanceEstimate]
) -> Measured | None:
    if not estimates or not estimates[0].valid:
        return None
    first = estimates[0]
    size = length(first.distance, first.sigma)
    names = [the(subject.name) for subject in subjects]
    value, sigma, which = first.distance, first.sigma, "centre to centre"
    if first.kind is Kind.WIDTH:
        text, which = f"{names[0]} is {size} wide.", "wide"
    elif first.kind is Kind.HEIGHT:
        text, which = f"{names[0]} is {size} tall.", "tall"
    elif first.kind is Kind.DEPTH_EXTENT:
        text, which = f"{names[0]} is {size} deep.", "deep"
    elif first.kind is Kind.CAMERA_TO_OBJECT:
        # The nearest point is what a robot would touch; the network learnt the centre's distance.
        value, sigma = _centre_distance(subjects[0])
        which = "to its centre"
        text = (
            f"{names[0]} is {size} away, to its nearest visible point "
            f"({length(value, sigma)} to its centre)."
        )
    elif first.kind is Kind.NEAREST_POINTS:
        value, sigma = _centre_distance(subjects[0], subjects[1])
        text = (
            f"the gap between {names[0]} and {names[1]} is {size} "
            f"({length(value, sigma)} centre to centre)."
        )
    elif first.kind is Kind.HORIZONTAL:
        text = f"{names[0]} and {names[1]} are {size} apart along the floor, centre to centre."
        which = "along the floor, centre to centre"
    elif first.kind is Kind.VERTICAL:
        text = f"the centres of {names[0]} and {names[1]} differ by {size} in height."
        which = "in height, centre to centre"
    else:
        text = f"{names[0]} is {size} from {names[1]}, centre to centre"
        gaps = [e for e in estimates[1:] if e.kind is Kind.NEAREST_POINTS and e.valid]
        if gaps:
            text += f"; the gap between them is {length(gaps[0].distance, gaps[0].sigma)}"
        text += "."
    return Measured(_sentence(text), value, sigma, length=which)


def _centre_distance(a: Subject, b: Subject | None = None) -> tuple[float, float]:
    """Distance of two centres, or of one from the camera, and its standard deviation, metres."""
    offset = np.asarray(a.facts.centre) - (0.0 if b is None else np.asarray(b.facts.centre))
    distance = float(np.linalg.norm(offset))
    covariance = a.covariance if b is None else a.covariance + b.covariance
    ray = offset / max(distance, 1e-6)
    return distance, math.sqrt(max(float(ray @ covariance @ ray), 0.0))


def _size_answer(subject: Subject, estimates: Sequence[DistanceEstimate]) -> Measured | None:
    words = {Kind.WIDTH: "wide", Kind.DEPTH_EXTENT: "deep", Kind.HEIGHT: "tall"}
    parts = [
        f"{length(estimate.distance, estimate.sigma)} {words[estimate.kind]}"
        for estimate in estimates
        if estimate.valid and estimate.kind in words
    ]
    if not parts:
        return None
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    return Measured(_sentence(f"{the(subject.name)} is {listed}."))


def _direction_answer(intent: Intent, subjects: Sequence[Subject]) -> Measured | None:
    origin = subjects[1] if intent.family == "direction" and len(subjects) > 1 else None
    hour = direction(subjects[0].facts, origin.facts if origin else None)
    name = the(subjects[0].name)
    if hour is None:
        other = the(origin.name) if origin else "the camera"
        return Measured(_sentence(f"{name} is too close to {other} to give a direction."))
    if origin is None:
        return Measured(_sentence(f"{name} is at {hour} o'clock."), float(hour))
    return Measured(
        _sentence(
            f"{name} is at {hour} o'clock from {the(origin.name)}; 12 o'clock is where the camera "
            "looks."
        ),
        float(hour),
    )


def _difference_sigma(family: str, a: Subject, b: Subject) -> float:
    """Standard deviation of the difference of a family's quantity, both objects independent."""
    return math.hypot(*(_quantity_sigma(family, subject) for subject in (a, b)))


def _quantity_sigma(family: str, subject: Subject) -> float:
    centre = np.asarray(subject.facts.centre)
    if family in ("above_below", "front_behind"):
        axis = 1 if family == "above_below" else 2
        return math.sqrt(max(float(subject.covariance[axis, axis]), 0.0))
    if family == "closer":
        ray = centre / max(float(np.linalg.norm(centre)), 1e-6)
        return math.sqrt(max(float(ray @ subject.covariance @ ray), 0.0))
    if family == "left_right":
        reach = max(math.hypot(centre[0], centre[2]), 1e-6)
        across = np.array([centre[2], 0.0, -centre[0]]) / reach
        return math.sqrt(max(float(across @ subject.covariance @ across), 0.0)) / reach
    sizes = subject.facts.size
    if sizes is None:
        return 0.0
    if family == "big_small":
        relative = [s / max(v, 1e-6) for v, s in zip(sizes, subject.size_sigma, strict=True)]
        return math.prod(sizes) * math.hypot(*relative)
    return subject.size_sigma[0 if family == "wide_thin" else 2]


def _spoken(family: str, value: float) -> str:
    unit = QUANTITIES[family].unit
    if unit == "rad":
        side = "right" if value > 0 else "left"
        return f"{abs(math.degrees(value)):.0f}° {side}"
    if family == "above_below":  # counted from the camera: its height may be unknown
        return f"{abs(value):.2f} m {'above' if value > 0 else 'below'} the camera"
    return f"{value:.2f} {'m³' if unit == 'm3' else 'm'}"


def _comparison_answer(intent: Intent, a: Subject, b: Subject) -> Measured | None:
    family = intent.family
    quantity = QUANTITIES[family]
    values = quantity.of(a.facts), quantity.of(b.facts)
    if values[0] is None or values[1] is None:
        return None
    sigma = _difference_sigma(family, a, b)
    if intent.form == "difference":
        difference = abs(values[0] - values[1])
        more = the(a.name if values[0] >= values[1] else b.name)
        less = the(b.name if values[0] >= values[1] else a.name)
        words = f"{_RELATION[QUALITATIVE[family].greater]} {less}"
        text = _sentence(f"{more} is {length(difference, sigma)} {words}.")
        return Measured(text, difference, sigma, length="of difference")
    holds = compare(family, a.facts, b.facts, sigma)
    spoken = _spoken(family, values[0]), _spoken(family, values[1])
    basis = ", to the centres" if family in ("closer", "front_behind") else ""
    numbers = f"({spoken[0]} against {spoken[1]}{basis})"
    if holds is None:
        return Measured(
            _sentence(
                f"too close to call: {the(a.name)} and {the(b.name)} have nearly the same "
                f"{_COMPARED[family]} {numbers}."
            )
        )
    relation = f"{the(a.name)} is {_RELATION[holds]} {the(b.name)} {numbers}."
    if intent.form == "yes_no":
        choice = "yes" if holds == intent.predicate else "no"
        return Measured(f"{choice.capitalize()}: {relation}", choice=choice)
    if intent.form == "which":
        first = holds == intent.predicate
        winner, other = (a, b) if first else (b, a)
        numbers = f"({spoken[0 if first else 1]} against {spoken[1 if first else 0]}{basis})"
        text = f"{the(winner.name)} is {_RELATION[intent.predicate]} {the(other.name)} {numbers}."
        return Measured(_sentence(text), choice=winner.name)
    return Measured(_sentence(relation), choice=holds)


def _side_of_me(intent: Intent, a: Subject) -> Measured | None:
    """Where one object is with respect to the camera: left, right, in front, above."""
    words = QUALITATIVE[intent.family]
    x, y, z = a.facts.centre
    if intent.family == "left_right":
        azimuth = math.atan2(x, z)
        side = "" if abs(azimuth) < _AHEAD else words.greater if azimuth > 0 else words.less
        number = f"{abs(math.degrees(azimuth)):.0f}° from straight ahead"
    elif intent.family == "front_behind":
        side = words.less if z > 0 else words.greater
        number = f"{abs(z):.2f} m ahead" if z > 0 else f"{abs(z):.2f} m back"
    elif intent.family == "above_below":
        side = words.greater if y < 0 else words.less
        number = f"by {abs(y):.2f} m"
    else:
        return None  # the robot has no size of its own here
    if not side:
        return Measured(_sentence(f"{the(a.name)} is straight ahead, on neither side."))
    statement = f"{the(a.name)} is {_SIDE_OF_ME[side]}, {number}."
    if intent.form == "yes_no":
        choice = "yes" if side == intent.predicate else "no"
        return Measured(f"{choice.capitalize()}: {statement}", choice=choice)
    return Measured(_sentence(statement), choice=side)


def _closer_to_third(
    intent: Intent, subjects: Sequence[Subject], estimates: Sequence[DistanceEstimate]
) -> Measured | None:
    """Which of two objects is closer to a third one."""
    if len(subjects) != 3 or len(estimates) < 2 or not all(e.valid for e in estimates[:2]):
        return None
    a, b, reference = subjects
    first, second = estimates[:2]
    margin = max(
        QUANTITIES["closer"].margin(first.distance, second.distance),
        2 * math.hypot(first.sigma, second.sigma),
    )
    numbers = f"({first.distance:.2f} m against {second.distance:.2f} m)"
    if abs(first.distance - second.distance) < margin:
        return Measured(
            f"Too close to call: {the(a.name)} and {the(b.name)} are about equally far from "
            f"{the(reference.name)} {numbers}."
        )
    holds = "closer" if first.distance < second.distance else "further"
    relation = (
        f"{the(a.name)} is {_TO_THIRD[holds]} {the(reference.name)} than {the(b.name)} {numbers}."
    )
    if intent.form == "yes_no":
        choice = "yes" if holds == intent.predicate else "no"
        return Measured(f"{choice.capitalize()}: {relation}", choice=choice)
    if intent.form == "which":
        first_wins = holds == intent.predicate
        winner, other = (a, b) if first_wins else (b, a)
        lengths = (first, second) if first_wins else (second, first)
        text = (
            f"{the(winner.name)} is {_TO_THIRD[intent.predicate]} {the(reference.name)} than "
            f"{the(other.name)} ({lengths[0].distance:.2f} m against {lengths[1].distance:.2f} m)."
        )
        return Measured(_sentence(text), choice=winner.name)
    return Measured(_sentence(relation), choice=holds)
