# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Works out the sets of a program on a map: filters, rankings, unions and "the" things.

Sets, sums, counts and "is there" never depend on the object that a filter around them looks at, so
each is worked out once per program: the cost grows with the number of nodes times the number of
objects, however the nodes are nested.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot
from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.scene.doubt import DOUBT, doubt_of_members, doubt_of_order
from spatialgeo_ros.scene.estimate import Estimate, Truth
from spatialgeo_ros.scene.failures import SamePlaceError, not_understood, unanswerable
from spatialgeo_ros.scene.map_facts import MapFacts
from spatialgeo_ros.scene.sets import Found, NameResolver

_T = TypeVar("_T")

#: Numbers and conditions that one program may work out: seconds at most.
MOST_STEPS = 50_000


class LeftOutError(Exception):
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


#: Of what is asked outside of filters, rankings and sums.
OUTSIDE = Looked()


class SetEvaluator(abc.ABC):
    """Works out the sets of one program on one snapshot; a subclass what they ask about ``It``.

    Attributes:
        facts: the map.
        remarks: what the answer must say besides, in the order it was found.
        used: the objects that were measured, in that order.
        names: finds the objects of noun phrases.
    """

    def __init__(self, snapshot: MapSnapshot, regions: Sequence[MapObject] = ()) -> None:
        self.facts = MapFacts(snapshot, regions)
        self.remarks: dict[str, None] = {}
        self.used: dict[str, None] = {}
        self._regions = tuple(regions)
        self.names = NameResolver(self.facts, self.remark)
        self._known: dict[int, tuple[object, object]] = {}
        self._steps = 0

    def remark(self, text: str) -> None:
        """Add a remark, once."""
        self.remarks.setdefault(text)

    def step(self) -> None:
        """Count numbers and conditions, so that no program from outside runs for long."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise unanswerable(
                f"The program measures more than {MOST_STEPS} times: ask for less at once."
            )

    def once(self, node: object, work: Callable[[], _T]) -> _T:
        """Work out a node that does not depend on ``It`` only once."""
        if id(node) not in self._known:
            self._known[id(node)] = (node, work())  # the node is kept, so that its id stays its own
        return self._known[id(node)][1]  # type: ignore[return-value]

    def remark_doubts(self, found: Found) -> None:
        """Say of which objects it is not clear whether they belong to a set.

        Of the first few of a ranking only those that were taken matter.
        """
        taken = {one.id for one in found.objects}
        part = isinstance(found.node, nodes.Rank) and found.node.count is not None
        words = doubt_of_members(d for d in found.doubts if not part or d[0] in taken)
        if words:
            self.remark(words)

    @abc.abstractmethod
    def number(self, node: nodes.Number, looked: Looked) -> Estimate:
        """Return a number about ``It``."""

    @abc.abstractmethod
    def condition(self, node: nodes.Condition, looked: Looked) -> Truth:
        """Return whether a condition about ``It`` holds."""

    def things(self, node: nodes.Things) -> Found:
        """Return the objects of a set.

        Raises:
            QueryFailureError: "the" thing is not one, or what a condition needs is not known.
        """
        return self.once(node, lambda: self._things(node))

    def _things(self, node: nodes.Things) -> Found:
        if isinstance(node, nodes.Everything):
            return Found(self.facts.present, node)
        if isinstance(node, nodes.Named):
            return self.names.named(node)
        if isinstance(node, nodes.Those):
            return self.names.those(node)
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
        self.names.must_be(found, node.count)
        return Found(found.objects, node, found.doubts)

    def _filtered(self, node: nodes.Filter) -> Found:
        found = self.things(node.of)
        kept, doubts = [], list(found.doubts)
        for one in found.objects:
            try:
                truth = self.condition(node.where, Looked(one, listed=True))
            except (LeftOutError, SamePlaceError):
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
            except (LeftOutError, SamePlaceError):
                continue
        # Equal numbers keep the order of the map, whichever way round.
        sign = -1.0 if node.descending else 1.0
        measured.sort(key=lambda item: sign * item[0].value)
        end = len(measured) if node.count is None else min(len(measured), node.skip + node.count)
        doubt = doubt_of_order(measured, node.skip, end, node.count is None, self.facts)
        if doubt:
            self.remark(doubt)
        return Found(tuple(one for _, one in measured[node.skip : end]), node, found.doubts)

    def one(self, node: nodes.Things) -> MapObject:
        """Return the one object of a set.

        Raises:
            QueryFailureError: there is none, or more than one.
        """
        found = self.things(node)
        self.names.must_be(found, 1)
        return found.objects[0]
