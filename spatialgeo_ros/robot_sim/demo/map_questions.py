# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo asks about the object map, when, and what the right answer is.

Each entry of :data:`PLAN` looks at the true room and returns its questions as soon as it can ask
them: things have left the view, and the truth decides the question clearly.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from spatialgeo_ros.msg import ErrorCode, SpatialAnswer
from spatialgeo_ros.robot_sim.demo.judging import Expected, error, number, yes_or_no
from spatialgeo_ros.robot_sim.demo.true_world import TrueThing, TrueWorld

_AWAY_NS = 2_000_000_000  # a thing has left the view when it was not in it for so long
_CLEARLY = 2000.0  # square pixels of its box, from which on a thing is clearly in view
_ROBOT_M = 0.6
_NEAREST_M = 1.5  # nearer, a box's corner and the nearest point that is seen differ too much
_CLEAR = 1.15  # the truth decides a ranking when the next one is so many times as far
_FEET = 1 / 0.3048
_ROUND = ("plant", "lamp")
_LIGHT = ("table", "chair", "lamp", "plant")  # what somebody may carry away


class Survey:
    """The true room as it is now, and when each thing was last in view.

    Args:
        enough: images that must show a thing clearly before it counts as seen.
    """

    def __init__(self, enough: int = 8) -> None:
        self._enough = enough
        self._last: dict[str, int] = {}
        self._seen: dict[str, int] = {}
        self.now: TrueWorld | None = None

    def add(self, world: TrueWorld) -> None:
        """Take the newest image's truth."""
        if self.now is not None and world.stamp_ns <= self.now.stamp_ns:
            return
        self.now = world
        for thing in world.things:
            if thing.in_view:
                self._last[thing.name] = world.stamp_ns
            if thing.whole and thing.shown >= _CLEARLY:
                self._seen[thing.name] = self._seen.get(thing.name, 0) + 1

    def seen(self) -> set[str]:
        """Return the names of what was clearly in view in enough images."""
        return {name for name, images in self._seen.items() if images >= self._enough}

    def unseen_for(self, name: str) -> float:
        """Return the seconds since a thing was in view."""
        assert self.now is not None
        return (self.now.stamp_ns - self._last.get(name, 0)) * 1e-9

    def left(self) -> list[TrueThing]:
        """Return what was seen and has left the view, the longest unseen first."""
        if self.now is None:
            return []
        seen = self.seen()
        away = [
            thing
            for thing in self.now.things
            if thing.name in seen and self.unseen_for(thing.name) * 1e9 >= _AWAY_NS
        ]
        return sorted(away, key=lambda thing: -self.unseen_for(thing.name))


#: Gives the right answer at the image that an answer is about.
Truth: TypeAlias = Callable[[TrueWorld], Expected]


@dataclass(frozen=True)
class Posed:
    """A question that can be asked now.

    Attributes:
        text: as it is asked.
        truth: gives the right answer at the image that the answer is about.
        about: names of the things it is about.
        session: dialogue that it belongs to.
    """

    text: str
    truth: Truth
    about: tuple[str, ...] = ()
    session: str = ""


Turn: TypeAlias = "Callable[[Survey, TrueWorld], list[Posed]]"


def spoken(thing: TrueThing, world: TrueWorld) -> str:
    """Return how a person would call a thing: with its colour where there are several."""
    return thing.kind if len(world.of_kind(thing.kind)) == 1 else thing.name


def _last_seen(survey: Survey, world: TrueWorld) -> list[Posed]:
    """Where something was last seen."""
    return [
        Posed(f"Where did you last see the {spoken(thing, world)}?", _bearing(thing.name),
              (thing.name,))
        for thing in survey.left()[:1]
    ]  # fmt: skip


def _apart(survey: Survey, world: TrueWorld) -> list[Posed]:
    """How far two things are from each other that are both out of view."""
    return [
        Posed(f"How far is the {spoken(a, world)} from the {spoken(b, world)}?",
              _always(number(world.distance(a.name, b.name))), (a.name, b.name))
        for a, b in itertools.islice(itertools.combinations(survey.left(), 2), 1)
    ]  # fmt: skip


def _space(survey: Survey, world: TrueWorld) -> list[Posed]:
    """Whether a robot fits between two things."""
    fitting = [
        Posed(f"Is there enough space for a 60 cm robot between the {spoken(a, world)} "
              f"and the {spoken(b, world)}?", _always(yes_or_no(gap >= _ROBOT_M)),
              (a.name, b.name))
        for a, b in itertools.combinations(survey.left(), 2)
        if 0.1 < (gap := world.passage(a.name, b.name)) < 2.5 and abs(gap - _ROBOT_M) > 0.15
    ]  # fmt: skip
    return fitting[:1]


def _feet(survey: Survey, world: TrueWorld) -> list[Posed]:
    """A distance in another unit."""
    kind = _many(world)
    away = sorted(world.away(one.name) for one in world.of_kind(kind))
    if len(away) < 2 or away[0] < _NEAREST_M or away[1] < _CLEAR * away[0]:
        return []

    def truth(at: TrueWorld) -> Expected:
        return number(min(at.away(one.name) for one in at.of_kind(kind)) * _FEET, unit="ft")

    return [Posed(f"How far is the nearest {kind}, in feet?", truth)]


def _count(survey: Survey, world: TrueWorld) -> list[Posed]:
    """How many there are."""
    kind = _many(world)
    count = Expected(SpatialAnswer.TYPE_COUNT, (float(len(world.of_kind(kind))),))
    return [Posed(f"How many {kind}s are there?", _always(count))]


def _tallest(survey: Survey, world: TrueWorld) -> list[Posed]:
    """A superlative over everything."""
    first, second = sorted(world.things, key=lambda one: -one.box.size[2])[:2]
    if first.box.size[2] < _CLEAR * second.box.size[2]:
        return []
    return [Posed("Which object is the tallest?", _always(_object(first.name)))]


def _closest(survey: Survey, world: TrueWorld) -> list[Posed]:
    """A superlative of a kind, beside something else."""
    kind, posed = _many(world), []
    for target in world.alone():
        gaps = sorted((world.gap(one.name, target.name), one.name) for one in world.of_kind(kind))
        if len(gaps) > 1 and gaps[0][0] > 0 and gaps[1][0] > _CLEAR * gaps[0][0] + 0.1:
            text = f"Which {kind} is the closest to the {target.kind}?"
            posed.append(Posed(text, _always(_object(gaps[0][1])), (target.name,)))
    return posed[:1]


def _ambiguous(survey: Survey, world: TrueWorld) -> list[Posed]:
    """One of several, without saying which; the dialogue goes on from there."""
    kind = _many(world)
    several = world.of_kind(kind)
    if len(several) < 2:
        return []
    which = error(ErrorCode.AMBIGUOUS, names=frozenset(one.name for one in several))
    chosen = several[0]
    return [
        Posed(f"How tall is the {kind}?", _always(which), session="which one"),
        Posed(f"The {chosen.colour} one", _always(number(chosen.box.size[2])), (chosen.name,),
              "which one"),
    ]  # fmt: skip


def _dialogue(survey: Survey, world: TrueWorld) -> list[Posed]:
    """A question about what is out of view, and two that only mean something after it."""
    # Round things have no width of their own to speak of.
    fitting = [one for one in survey.left() if one in world.alone() and one.kind not in _ROUND]
    if not fitting:
        return []
    thing = fitting[0]
    width, depth, height = thing.box.size
    across, about = max(width, depth), (thing.name,)
    return [
        Posed(f"How tall is the {thing.kind}?", _always(number(height)), about, "size"),
        Posed("And how wide is it?", _always(number(across)), about, "size"),
        Posed("In feet?", _always(number(across * _FEET, unit="ft")), about, "size"),
    ]


def _impossible(survey: Survey, world: TrueWorld) -> list[Posed]:
    """What nobody can measure, and what is not there."""
    refused = error(ErrorCode.NOT_UNDERSTOOD, ErrorCode.UNANSWERABLE)
    unknown = error(ErrorCode.PHRASE_NOT_FOUND)
    return [
        Posed(f"How heavy is the {spoken(world.things[0], world)}?", _always(refused)),
        Posed("How far is the piano?", _always(unknown)),
    ]


def _always(expected: Expected) -> Truth:
    return lambda _: expected


def _bearing(name: str) -> Truth:
    return lambda at: Expected(SpatialAnswer.TYPE_DIRECTION, (at.bearing(name),), "deg")


def _object(name: str) -> Expected:
    return Expected(SpatialAnswer.TYPE_OBJECT, names=frozenset({name}))


def _many(world: TrueWorld) -> str:
    """Return the kind of which there are most, the first one where several are."""
    return max((one.kind for one in world.things), key=lambda kind: len(world.of_kind(kind)))


def gone_question(thing: TrueThing, world: TrueWorld) -> Posed:
    """Ask whether what was taken away is there."""
    words = thing.name if world.of_kind(thing.kind) else thing.kind
    return Posed(f"Is there a {words}?", lambda at: yes_or_no(thing.name in at), (thing.name,))


def to_take_away(survey: Survey) -> TrueThing | None:
    """Choose what somebody takes away, as soon as it is out of view.

    It stands in the middle of the room, where the robot looks again soon, and is not of the kind
    that most questions are about, where there is such a thing.
    """
    world = survey.now
    if world is None:
        return None
    many, seen = _many(world), survey.seen()
    light = [one for one in world.things if one.kind in _LIGHT and one.name in seen]
    light.sort(key=lambda one: (one.kind == many, math.hypot(*one.box.centre[:2])))
    left = survey.left()
    return light[0] if light and light[0] in left else None


#: In the order in which they are asked; what cannot be asked yet waits.
PLAN: tuple[Turn, ...] = (
    _last_seen,
    _apart,
    _count,
    _feet,
    _space,
    _tallest,
    _closest,
    _ambiguous,
    _dialogue,
    _impossible,
)
