# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Works out places, numbers and conditions of a program on a map, on top of its sets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeGuard

from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot
from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.query.units import convert
from spatialgeo_ros.scene import arithmetic
from spatialgeo_ros.scene.directions import PointOfView
from spatialgeo_ros.scene.estimate import Estimate, Truth, all_of, any_of, constant, fact
from spatialgeo_ros.scene.failures import empty, not_understood, unanswerable
from spatialgeo_ros.scene.map_facts import RoomPart, Spot
from spatialgeo_ros.scene.quantities import OF_TWO, Place, measure_one, measure_two
from spatialgeo_ros.scene.relations import relate
from spatialgeo_ros.scene.room_quantities import is_rectangle
from spatialgeo_ros.scene.set_evaluator import OUTSIDE, LeftOutError, Looked, SetEvaluator

_ROOM_PARTS: dict[type, str] = {
    nodes.Floor: "floor",
    nodes.Ceiling: "ceiling",
    nodes.Room: "room",
}


#: Numbers by what a program calls them.
Measured: TypeAlias = Mapping[nodes.QuantityName, tuple[Estimate, ...]]


class Evaluator(SetEvaluator):
    """Evaluates nodes of one program on one snapshot.

    Args:
        snapshot: the map.
        regions: the objects in the regions of the request, by their index.
        measured: numbers that were measured otherwise than on the map's boxes.
    """

    def __init__(
        self,
        snapshot: MapSnapshot,
        regions: Sequence[MapObject] = (),
        measured: Measured | None = None,
    ) -> None:
        super().__init__(snapshot, regions)
        self._measured = measured or {}

    # Places -------------------------------------------------------------------------------------

    def place(self, node: nodes.Place, looked: Looked = OUTSIDE) -> Place:
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

    def spot(self, node: nodes.Place, looked: Looked = OUTSIDE) -> Spot:
        """Return an object or the viewer.

        Raises:
            QueryFailureError: it is part of the room.
        """
        place = self.place(node, looked)
        if isinstance(place, RoomPart):
            raise not_understood(f"The {place.part} has no direction: name an object.")
        return place

    def places(
        self, of: Sequence[nodes.Place], count: int, looked: Looked = OUTSIDE
    ) -> tuple[Place, ...]:
        """Return ``count`` places; one set may stand for as many ("the two lamps").

        Raises:
            QueryFailureError: there are not so many.
        """
        if len(of) == 1 and count > 1 and may_be(of[0], count):
            found = self.things(of[0])
            self.names.must_be(found, count)
            for one in found.objects:
                self.used.setdefault(one.id)
            return tuple(self.facts.spot(one) for one in found.objects)
        if len(of) != count:
            raise not_understood(f"{count} places are needed and {len(of)} are given.")
        return tuple(self.place(one, looked) for one in of)

    def view(self, frame: nodes.Standing | None, looked: Looked = OUTSIDE) -> PointOfView | None:
        """Return a point of view, None for the viewer's."""
        if frame is None:
            return None
        at, facing = self.spot(frame.at, looked), self.spot(frame.facing, looked)
        return PointOfView(at, facing)

    # Numbers ------------------------------------------------------------------------------------

    def number(self, node: nodes.Number, looked: Looked = OUTSIDE) -> Estimate:
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

    def numbers(self, node: nodes.Number, looked: Looked = OUTSIDE) -> tuple[Estimate, ...]:
        """Return a number, or the three of a size."""
        self.step()
        if isinstance(node, nodes.Constant):
            base = arithmetic.base_unit(node.unit)
            return (constant(convert(node.value, node.unit, base), base),)
        if isinstance(node, nodes.Quantity):
            return self._quantity(node, looked)
        if isinstance(node, nodes.Count):
            return (self.once(node, lambda: self._count(node)),)
        if isinstance(node, nodes.Over):
            return (self.once(node, lambda: self._fold(node)),)
        parts = [self.number(part, looked) for part in node.of]
        return (arithmetic.combine(node.operation, parts),)

    def _quantity(self, node: nodes.Quantity, looked: Looked) -> tuple[Estimate, ...]:
        from_map = self._from_map(node, looked)
        return from_map if looked.it else self._measured.get(node.name, from_map)

    def _from_map(self, node: nodes.Quantity, looked: Looked) -> tuple[Estimate, ...]:
        if node.name in OF_TWO:
            of = node.of
            if len(of) == 1 and (isinstance(of[0], _PARTS) or len(self._of(of[0])) == 1):
                of = (nodes.Viewer(), *of)
            first, second = self.places(of, 2, looked)
            if isinstance(first, Spot) and isinstance(second, Spot) and first.id == second.id:
                if looked.it:
                    raise LeftOutError
                raise unanswerable(f"Both names mean {first.id}: that is one thing, not two.")
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
        if node.different != "object":
            return Estimate(float(len(self.different(node))), "")
        variance = sum(p * (1 - p) for _, p in found.doubts)
        return Estimate(float(len(found.objects)), "", own_sigma=math.sqrt(variance))

    def different(self, node: nodes.Count) -> tuple[str, ...]:
        """Return the different colours, materials or kinds of a set, those that are known.

        Raises:
            QueryFailureError: one that is named has an attribute that is not known.
        """
        assert node.different != "object"
        values: dict[str, None] = {}
        for one in self.things(node.of).objects:
            needed = isinstance(node.of, nodes.Union)
            value = self.names.attribute(one, node.different, needed=needed)
            if value:
                values.setdefault(self.names.canonical_value(node.different, value))
        return tuple(values)

    def _fold(self, node: nodes.Over) -> Estimate:
        found = self.things(node.of)
        numbers = []
        for one in found.objects:
            try:
                numbers.append(self.number(node.number, Looked(one)))
            except LeftOutError:
                continue
            self.used.setdefault(one.id)
        if not numbers and node.fold != "sum":
            raise empty(f"There is nothing to take the {node.fold} of: {self.names.why(found)}")
        return arithmetic.fold(node.fold, numbers)

    # Conditions ---------------------------------------------------------------------------------

    def condition(self, node: nodes.Condition, looked: Looked = OUTSIDE) -> Truth:
        """Return whether a condition holds.

        Raises:
            QueryFailureError: it makes no sense or the map does not know it.
        """
        self.step()
        if isinstance(node, nodes.Related):
            return self._related(node, looked)
        if isinstance(node, nodes.Compare):
            left, right = self.number(node.left, looked), self.number(node.right, looked)
            return arithmetic.compare(left, node.comparator, right, self.facts)
        if isinstance(node, nodes.Exists):
            return self.once(node, lambda: self._exists(node))
        if isinstance(node, nodes.Has):
            return self._has(node, looked)
        if isinstance(node, nodes.Not):
            return self.condition(node.condition, looked).opposite()
        truths = (self.condition(part, looked) for part in node.of)
        return all_of(truths) if isinstance(node, nodes.All) else any_of(truths)

    def _related(self, node: nodes.Related, looked: Looked) -> Truth:
        subject = self.place(node.subject, looked)
        wanted = 2 if node.relation == "between" else min(1, len(node.anchors))
        of = node.anchors
        if node.frame and of == (nodes.Viewer(),):  # "on my left", when I stand at the sofa
            of, wanted = (), 0
        anchors = self.places(of, wanted, looked) if wanted else ()
        view = self.view(node.frame, looked)
        if looked.it and isinstance(subject, Spot):
            # What stands at the sofa and faces the door is at no side of itself.
            origins = () if view is None or of else (view.origin,)
            if any(isinstance(a, Spot) and a.id == subject.id for a in (*anchors, *origins)):
                raise LeftOutError
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
        return self.names.attribute(one, attribute, needed=True)

    def _has(self, node: nodes.Has, looked: Looked) -> Truth:
        spot = self.spot(node.subject, looked)
        if spot.object is None:
            raise unanswerable("I do not know what I look like myself.")
        if node.attribute == "kind":
            return fact(self.facts.is_kind(spot.object, node.value))
        value = self.names.attribute(spot.object, node.attribute, needed=not looked.listed)
        if not value:  # what is not known can be neither taken nor refused
            raise LeftOutError
        canonical_value = self.names.canonical_value
        wanted = canonical_value(node.attribute, node.value)
        return fact(canonical_value(node.attribute, value) == wanted)


def may_be(node: nodes.Place, count: int) -> TypeGuard[nodes.Things]:
    """Tell whether a node can be a set of so many objects: no part of the room, no "the one"."""
    if isinstance(node, nodes.The):
        return node.count == count
    return not isinstance(node, _PARTS)


_PARTS = (
    nodes.It, nodes.Viewer, nodes.Floor, nodes.Ceiling, nodes.Room, nodes.Wall,
)  # fmt: skip
