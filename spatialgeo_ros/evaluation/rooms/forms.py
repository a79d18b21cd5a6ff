# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Answers the published forms of the benchmark's questions straight from a map's boxes.

It understands these forms and nothing else, so it makes no mistake of language: on the true map it
answers everything right, which shows that questions, answers and scores belong together; on a
robot's map it shows how good the map is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from spatialgeo_ros.evaluation.rooms.truth import kind_of
from spatialgeo_ros.geometry.upright_box import box_separation, polygon_area
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence
from spatialgeo_ros.query.result import QueryError, Result, ResultType

_NAME = r"([a-z ]+?)"
#: Cosine of the angle beyond which something is at one's back: 135 degrees.
_BACK = -(0.5**0.5)


class MissingObjectError(LookupError):
    """The map has no object of a kind, or no room."""


class FormAnswerer:
    """Answers published forms on one map.

    Of several objects of a kind that a question takes to be one, the one seen most often is meant.

    Args:
        snapshot: the map; objects that are gone are left out.
    """

    def __init__(self, snapshot: MapSnapshot) -> None:
        self._snapshot = snapshot
        self._there = [one for one in snapshot.objects if one.state is not Presence.GONE]
        self._forms: list[tuple[re.Pattern[str], Callable[..., Result]]] = [
            (re.compile(pattern), method)
            for pattern, method in (
                (rf"How many {_NAME}\(s\) are in this room", self._count),
                (rf"distance between the {_NAME} and the {_NAME} \(in meters\)", self._distance),
                (rf"longest dimension \(.*\) of the {_NAME}, measured in cent", self._size),
                (r"What is the size of this room", self._room),
                (rf"of these objects \((.+?)\) is the closest to the {_NAME}\?", self._nearest),
                (
                    rf"standing by the {_NAME} and facing the {_NAME}, is the {_NAME} to (the|my) "
                    r"(left or|left,|front-left)",
                    self._direction,
                ),
                (r"appearance order of .* in the video: (.+)\?", self._appearance),
                (rf"beginning at the {_NAME} and facing the {_NAME}\. .* actions .*?: (.*)\. You",
                 self._route),
            )
        ]  # fmt: skip

    @property
    def snapshot(self) -> MapSnapshot:
        """The map."""
        return self._snapshot

    def answer(self, question: str) -> Result:
        """Return the typed answer to a question of a published form."""
        for pattern, method in self._forms:
            found = pattern.search(question)
            if found:
                try:
                    return method(*found.groups())
                except MissingObjectError as error:
                    return _refusal(QueryError.UNKNOWN_OBJECT, str(error))
        return _refusal(QueryError.NOT_UNDERSTOOD, "not one of the benchmark's forms")

    def _of_kind(self, kind: str) -> list[MapObject]:
        return [one for one in self._there if kind_of(one) == kind]

    def _all(self, kind: str) -> list[MapObject]:
        found = self._of_kind(kind)
        if not found:
            raise MissingObjectError(f"the map has no {kind}")
        return found

    def _one(self, kind: str) -> MapObject:
        return max(self._all(kind), key=lambda one: (one.sightings, one.probability))

    def _count(self, kind: str) -> Result:
        number = len(self._of_kind(kind))
        return Result(ResultType.COUNT, str(number), (float(number),))

    def _distance(self, first: str, second: str) -> Result:
        return _number(_gap(self._one(first), self._one(second)), "m")

    def _size(self, kind: str) -> Result:
        return _number(float(max(self._one(kind).size)), "m")

    def _room(self) -> Result:
        room = self._snapshot.room
        if room is None or room.polygon is None:
            raise MissingObjectError("the map has no walls")
        return _number(polygon_area([(float(x), float(y)) for x, y in room.polygon]), "m2")

    def _nearest(self, kinds: str, anchor: str) -> Result:
        place = self._one(anchor)
        known = [one for kind in kinds.split(", ") for one in self._of_kind(kind)]
        if not known:
            raise MissingObjectError(f"the map has none of {kinds}")
        nearest = min(known, key=lambda one: _gap(place, one))
        return Result(ResultType.OBJECT, nearest.label, objects=(nearest.id,))

    def _direction(self, by: str, facing: str, asked: str, of: str, form: str) -> Result:
        ahead, left = self._seen_from(by, facing, asked)
        side = "left" if left > 0 else "right"
        if form == "left," and ahead < _BACK:
            side = "back"
        elif form == "front-left":
            side = f"{'front' if ahead > 0 else 'back'}-{side}"
        return Result(ResultType.DIRECTION, side, direction=side)

    def _seen_from(self, by: str, facing: str, asked: str) -> tuple[float, float]:
        """Cosine and sine of the angle to an object for who stands by one and faces another."""
        here = self._one(by).centre[:2]
        ahead, there = (self._one(kind).centre[:2] - here for kind in (facing, asked))
        lengths = float(np.linalg.norm(ahead) * np.linalg.norm(there)) or 1.0
        left = ahead[0] * there[1] - ahead[1] * there[0]
        return float(ahead @ there) / lengths, float(left) / lengths

    def _appearance(self, kinds: str) -> Result:
        first = [
            min(self._all(kind), key=lambda one: one.first_seen_ns) for kind in kinds.split(", ")
        ]
        first.sort(key=lambda one: one.first_seen_ns)
        text = ", ".join(one.label for one in first)
        return Result(ResultType.OBJECTS, text, objects=tuple(one.id for one in first))

    def _route(self, start: str, facing: str, steps: str) -> Result:
        stops = [start, *re.findall(rf"Go forward until the {_NAME}(?= \d|$)", steps)]
        words = []
        for before, here, after in zip(stops, stops[1:], stops[2:], strict=False):
            # Who comes from the last stop has it at the back.
            ahead, left = self._seen_from(here, before, after)
            words.append("back" if -ahead < _BACK else "left" if -left > 0 else "right")
        return Result(ResultType.TEXT, ", ".join(words), word=", ".join(words))


def _gap(a: MapObject, b: MapObject) -> float:
    """Distance between the nearest points of two boxes, metres."""
    return max(0.0, box_separation(a.box, b.box).value)


def _number(value: float, unit: str) -> Result:
    return Result(ResultType.NUMBER, f"{value:.2f} {unit}", (value,), unit=unit)


def _refusal(error: QueryError, text: str) -> Result:
    return Result(ResultType.ERROR, text, error=error)
