# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Works out the parts of a program on a map: sets, places, numbers and conditions.

Sets, sums, counts and "is there" never depend on the object that a filter around them looks at, so
each is worked out once per program: the cost grows with the number of nodes times the number of
objects, however the nodes are nested.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot
from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.query.units import convert
from spatialgeo_ros.scene import arithmetic
from spatialgeo_ros.scene.directions import PointOfView
from spatialgeo_ros.scene.estimate import Estimate, Truth, all_of, any_of, constant, fact
from spatialgeo_ros.scene.failures import empty, not_understood, unanswerable
from spatialgeo_ros.scene.map_facts import MapFacts, RoomPart, Spot
from spatialgeo_ros.scene.quantities import OF_TWO, Place, is_rectangle, measure_one, measure_two
from spatialgeo_ros.scene.relations import relate
from spatialgeo_ros.scene.sets import Found, NameResolver

_T = TypeVar("_T")

_ROOM_PARTS: dict[type, str] = {
    nodes.Floor: "floor",
    nodes.Ceiling: "ceiling",
    nodes.Room: "room",
}
#: Below this probability an order or a choice is said to be doubtful: one standard deviation.
DOUBT = 0.8413


class _LeftOutError(Exception):
    """An object takes no part: a filter about another object reached that one itself."""


@dataclass(frozen=True, eq=False)
class Looked:
    """What ``It`` is, and whether a condition about it chooses among objects.

    Attributes:
        it: the object, or None outside of filters, rankings and sums.
        listed: whether a filter looks.
    """

    it: MapObject | None = None
    listed: bool = False


_OUTSIDE = Looked()


class Evaluator:
    """Evaluates nodes of one program on one snapshot.

    Attributes:
        facts: the map.
        remarks: what the answer must say besides, in the order it was found.
        used: the objects that were measured, in that order.
    """

    def __init__(self, snapshot: MapSnapshot, regions: Sequence[MapObject] = ()) -> None:
        self.facts = MapFacts(snapshot)
        self.remarks: dict[str, None] = {}
        self.used: dict[str, None] = {}
        self._regions = tuple(regions)
        self._names = NameResolver(self.facts, self.remark)
        self._known: dict[int, object] = {}

    def remark(self, text: str) -> None:
        """Add a remark, once."""
        self.remarks.setdefault(text)

    def _once(self, node: object, work: Callable[[], _T]) -> _T:
        """Work out a node that does not depend on ``It`` only once."""
        if id(node) not in self._known:
            self._known[id(node)] = work()
        return self._known[id(node)]  # type: ignore[return-value]

    # Sets ---------------------------------------------------------------------------------------

    def things(self, node: nodes.Things) -> Found:
        """Return the objects of a set.

        Raises:
            QueryFailureError: "the" thing is not one, or what a condition needs is not known.
        """
        return self._once(node, lambda: self._things(node))

    def _things(self, node: nodes.Things) -> Found:
        if isinstance(node, nodes.Everything):
            return Found(self.facts.present, node)
        if isinstance(node, nodes.Named):
            return self._names.named(node)
        if isinstance(node, nodes.Those):
            return self._names.those(node)
        if isinstance(node, nodes.RequestRegion):
            if node.index >= len(self._regions):
                raise unanswerable(
                    f"Region {node.index} of the request is not known: it has "
                    f"{len(self._regions)} regions with an object."
                )
            return Found((self._regions[node.index],), node)
        if isinstance(node, nodes.Filter):
            return self._filtered(node)
        if isinstance(node, nodes.Rank):
            return self._ranked(node)
        if isinstance(node, nodes.Union):
            parts = [self.things(part) for part in node.of]
            objects = {one.id: one for part in parts for one in part.objects}
            likely = [p for part in parts for p in part.doubts]
            return Found(tuple(objects.values()), node, tuple(likely))
        if isinstance(node, nodes.Except):
            found, without = self.things(node.of), self.things(node.without)
            out = {one.id for one in without.objects}
            kept = tuple(one for one in found.objects if one.id not in out)
            return Found(kept, node, (*found.doubts, *without.doubts))
        found = self.things(node.of)
        self._names.must_be(found, node.count)
        return Found(found.objects, node, found.doubts)

    def _filtered(self, node: nodes.Filter) -> Found:
        found = self.things(node.of)
        kept, doubts = [], list(found.doubts)
        for one in found.objects:
            try:
                truth = self.condition(node.where, Looked(one, listed=True))
            except _LeftOutError:
                continue
            if truth.holds:
                kept.append(one)
            if 1 - DOUBT < truth.probability < DOUBT:
                doubts.append((one.id, truth.probability))
        return Found(tuple(kept), node, tuple(doubts))

    def _ranked(self, node: nodes.Rank) -> Found:
        if node.skip < 0 or (node.count is not None and node.count < 0):
            raise not_understood("A ranking cannot leave out or take a negative number of things.")
        found = self.things(node.of)
        measured: list[tuple[Estimate, MapObject]] = []
        for one in found.objects:
            try:
                measured.append((self.number(node.by, Looked(one)), one))
            except _LeftOutError:
                continue
        # Equal numbers keep the order of the map, whichever way round.
        sign = -1.0 if node.descending else 1.0
        measured.sort(key=lambda item: sign * item[0].value)
        end = len(measured) if node.count is None else min(len(measured), node.skip + node.count)
        self._doubt_order(measured, node.skip, end, node.count is None)
        return Found(tuple(one for _, one in measured[node.skip : end]), node, found.doubts)

    def _doubt_order(
        self, ranked: Sequence[tuple[Estimate, MapObject]], start: int, end: int, ordered: bool
    ) -> None:
        """Say where the order, or who is taken, could as well be otherwise."""
        pairs = range(start + 1, end) if ordered or end - start > 1 else range(0)
        borders = {*pairs, start, end}
        worst: tuple[float, str] | None = None
        for i in sorted(borders):
            if not 0 < i < len(ranked):
                continue
            (first, a), (second, b) = ranked[i - 1], ranked[i]
            truth = self.facts.above_zero(second.minus(first).absolute())
            if truth.probability < DOUBT and (worst is None or truth.probability < worst[0]):
                names = f"{self.facts.name(a)} before {self.facts.name(b)}"
                worst = truth.probability, names
        if worst:
            self.remark(
                f"the order is within the uncertainty: {worst[1]} with probability {worst[0]:.2f}"
            )

    def one(self, node: nodes.Things) -> MapObject:
        """Return the one object of a set.

        Raises:
            QueryFailureError: there is none, or more than one.
        """
        found = self.things(node)
        self._names.must_be(found, 1)
        return found.objects[0]

    # Places -------------------------------------------------------------------------------------

    def place(self, node: nodes.Place, looked: Looked = _OUTSIDE) -> Place:
        """Return what a place is: an object, the viewer or part of the room."""
        if isinstance(node, nodes.It):
            if looked.it is None:
                raise not_understood("'It' is only known inside a filter, a ranking or a sum.")
            return self.facts.spot(looked.it)
        if isinstance(node, nodes.Viewer):
            return self.facts.viewer_spot
        if isinstance(node, nodes.Wall):
            return RoomPart("wall", node.side)
        if isinstance(node, nodes.Floor | nodes.Ceiling | nodes.Room):
            return RoomPart(_ROOM_PARTS[type(node)])
        one = self.one(node)
        if looked.it is None:
            self.used.setdefault(one.id)
        return self.facts.spot(one)

    def spot(self, node: nodes.Place, looked: Looked = _OUTSIDE) -> Spot:
        """Return an object or the viewer.

        Raises:
            QueryFailureError: it is part of the room.
        """
        place = self.place(node, looked)
        if isinstance(place, RoomPart):
            raise not_understood(f"The {place.part} has no direction: name an object.")
        return place

    def places(
        self, of: Sequence[nodes.Place], count: int, looked: Looked = _OUTSIDE
    ) -> tuple[Place, ...]:
        """Return ``count`` places; one set may stand for as many ("the two lamps").

        Raises:
            QueryFailureError: there are not so many.
        """
        if len(of) == 1 and count > 1 and not isinstance(of[0], _PARTS):
            found = self.things(of[0])
            self._names.must_be(found, count)
            for one in found.objects:
                self.used.setdefault(one.id)
            return tuple(self.facts.spot(one) for one in found.objects)
        if len(of) != count:
            raise not_understood(f"{count} places are needed and {len(of)} are given.")
        return tuple(self.place(one, looked) for one in of)

    def view(self, frame: nodes.Standing | None, looked: Looked = _OUTSIDE) -> PointOfView | None:
        """Return a point of view, None for the viewer's."""
        if frame is None:
            return None
        at, facing = self.spot(frame.at, looked), self.spot(frame.facing, looked)
        return PointOfView(at, facing)

    # Numbers ------------------------------------------------------------------------------------

    def number(self, node: nodes.Number, looked: Looked = _OUTSIDE) -> Estimate:
        """Return a number.

        Raises:
            QueryFailureError: it makes no sense or the map does not know it.
        """
        numbers = self.numbers(node, looked)
        if len(numbers) == 1:
            return numbers[0]
        # Big and small compare volumes.
        volume = numbers[0]
        for side in numbers[1:]:
            volume = arithmetic.product((volume, side))
        return volume

    def numbers(self, node: nodes.Number, looked: Looked = _OUTSIDE) -> tuple[Estimate, ...]:
        """Return a number, or the three of a size."""
        if isinstance(node, nodes.Constant):
            base = arithmetic.base_unit(node.unit)
            return (constant(convert(node.value, node.unit, base), base),)
        if isinstance(node, nodes.Quantity):
            return self._quantity(node, looked)
        if isinstance(node, nodes.Count):
            return (self._once(node, lambda: self._count(node)),)
        if isinstance(node, nodes.Over):
            return (self._once(node, lambda: self._fold(node)),)
        parts = [self.number(part, looked) for part in node.of]
        return (arithmetic.combine(node.operation, parts),)

    def _quantity(self, node: nodes.Quantity, looked: Looked) -> tuple[Estimate, ...]:
        if node.name in OF_TWO:
            of = node.of
            if len(of) == 1 and (isinstance(of[0], _PARTS) or len(self._of(of[0])) == 1):
                of = (nodes.Viewer(), *of)
            first, second = self.places(of, 2, looked)
            if looked.it and isinstance(first, Spot) and isinstance(second, Spot):
                if first.id == second.id:
                    raise _LeftOutError
            return (measure_two(node.name, first, second, self.facts),)
        (place,) = self.places(node.of, 1, looked)
        if isinstance(place, RoomPart) and node.name in ("width", "length", "depth", "size"):
            if place.part == "room" and not is_rectangle(self.facts):
                self.remark("the room is not a rectangle: these are its largest extents")
        return measure_one(node.name, place, self.facts, self.view(node.frame, looked))

    def _of(self, node: nodes.Place) -> tuple[MapObject, ...]:
        assert not isinstance(node, _PARTS)
        return self.things(node).objects

    def _count(self, node: nodes.Count) -> Estimate:
        """The count; its variance is the sum of p (1 - p) over the doubtful ones."""
        found = self.things(node.of)
        variance = sum(p * (1 - p) for _, p in found.doubts)
        return Estimate(float(len(found.objects)), "", own_sigma=math.sqrt(variance))

    def _fold(self, node: nodes.Over) -> Estimate:
        found = self.things(node.of)
        numbers = []
        for one in found.objects:
            try:
                numbers.append(self.number(node.number, Looked(one)))
            except _LeftOutError:
                continue
            self.used.setdefault(one.id)
        if not numbers and node.fold != "sum":
            raise empty(f"There is nothing to take the {node.fold} of: {self._names.why(found)}")
        return arithmetic.fold(node.fold, numbers)

    # Conditions ---------------------------------------------------------------------------------

    def condition(self, node: nodes.Condition, looked: Looked = _OUTSIDE) -> Truth:
        """Return whether a condition holds.

        Raises:
            QueryFailureError: it makes no sense or the map does not know it.
        """
        if isinstance(node, nodes.Related):
            return self._related(node, looked)
        if isinstance(node, nodes.Compare):
            left, right = self.number(node.left, looked), self.number(node.right, looked)
            return arithmetic.compare(left, node.comparator, right, self.facts)
        if isinstance(node, nodes.Exists):
            return self._once(node, lambda: self._exists(node))
        if isinstance(node, nodes.Has):
            return self._has(node, looked)
        if isinstance(node, nodes.Not):
            return self.condition(node.condition, looked).opposite()
        truths = [self.condition(part, looked) for part in node.of]
        return all_of(truths) if isinstance(node, nodes.All) else any_of(truths)

    def _related(self, node: nodes.Related, looked: Looked) -> Truth:
        subject = self.place(node.subject, looked)
        wanted = 2 if node.relation == "between" else min(1, len(node.anchors))
        anchors = self.places(node.anchors, wanted, looked) if wanted else ()
        view = self.view(node.frame, looked)
        if looked.it and isinstance(subject, Spot):
            # What stands at the sofa and faces the door is at no side of itself.
            origins = () if view is None or node.anchors else (view.origin,)
            if any(isinstance(a, Spot) and a.id == subject.id for a in (*anchors, *origins)):
                raise _LeftOutError
        return relate(node.relation, subject, anchors, self.facts, view, looked.listed)

    def _exists(self, node: nodes.Exists) -> Truth:
        found = self.things(node.of)
        inside = {one.id for one in found.objects}
        doubts = dict(found.doubts)
        sure = any(one not in doubts for one in inside)
        likely = max((p for _, p in found.doubts), default=0.0)
        return Truth(bool(inside), 1.0 if sure else likely)

    def attribute(self, one: MapObject, attribute: nodes.AttributeName) -> str:
        """Return colour, material or kind of an object.

        Raises:
            QueryFailureError: it is not known.
        """
        return self._names.attribute(one, attribute, needed=True)

    def _has(self, node: nodes.Has, looked: Looked) -> Truth:
        spot = self.spot(node.subject, looked)
        if spot.object is None:
            raise unanswerable("I do not know what I look like myself.")
        if node.attribute == "kind":
            return fact(self.facts.is_kind(spot.object, node.value))
        value = self._names.attribute(spot.object, node.attribute, needed=not looked.listed)
        if not value:  # what is not known can be neither taken nor refused
            raise _LeftOutError
        canonical_value = self._names.canonical_value
        wanted = canonical_value(node.attribute, node.value)
        return fact(canonical_value(node.attribute, value) == wanted)


_PARTS = (
    nodes.It, nodes.Viewer, nodes.Floor, nodes.Ceiling, nodes.Room, nodes.Wall,
)  # fmt: skip
