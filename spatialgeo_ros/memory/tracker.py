# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Works one image into the objects: which thing is which, what is new, moved, gone or the same."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from spatialgeo_ros.memory import existence
from spatialgeo_ros.memory.association import (
    LEAST_RELATED,
    Related,
    assign,
    gate,
    label_agreement,
    of_other_colour,
    pair_cost,
    surface_overlap,
    without_doubles,
)
from spatialgeo_ros.memory.changes import Changes, Matches
from spatialgeo_ros.memory.detected import Detected, MapFrame
from spatialgeo_ros.memory.existence import Look
from spatialgeo_ros.memory.map_object import TrackedObject
from spatialgeo_ros.memory.map_rows import MapRows
from spatialgeo_ros.memory.outline import Claim, claim
from spatialgeo_ros.memory.place import top_of
from spatialgeo_ros.memory.surface_cells import SurfaceCells
from spatialgeo_ros.memory.unseen import judge_unseen

#: Share of overlap, of the smaller and of the larger surface, from which two objects are one.
_ONE = (0.6, 0.3)
_KNOWN = 3  # sightings from which an object's place is taken for sure
_OTHER_THINGS = 2  # images that show two things beside each other
_SAME_SPACE = 0.35  # share of the smaller box inside the other: no two things of a kind fill one
_SHOWN_NS = 2_000_000_000  # from its last detection, an object that depth confirms is in view


class Tracker:
    """The objects and the rules by which images change them.

    Attributes:
        rows: the objects.
        counters: highest number given by kind.
        way: metres gone so far.

    Args:
        related, most_objects, drift_share, most_drift: as of the object map.
        dynamic_ns: after which what goes about by itself is forgotten.
    """

    def __init__(
        self,
        related: Related,
        most_objects: int,
        drift_share: float,
        most_drift: float,
        dynamic_ns: int,
    ) -> None:
        self._related, self._most_objects = related, most_objects
        self._drift_share, self._most_drift = drift_share, most_drift
        self._dynamic_ns = dynamic_ns
        self.rows = MapRows()
        self.counters: dict[str, int] = {}
        self.way = 0.0
        self._order = 0

    def clear(self) -> None:
        """Forget the objects; the numbers of ids go on."""
        self.rows.clear()
        self.way = 0.0

    def adopt(self, tracked: TrackedObject) -> None:
        """Take over a stored object."""
        self._order = max(self._order, tracked.order + 1)
        self.rows.add(tracked)

    def drift(self, way: float) -> float:
        """Standard deviation in metres of what was last seen after ``way`` metres."""
        return min(self._drift_share * max(self.way - way, 0.0), self._most_drift)

    def look(self, frame: MapFrame) -> dict[str, Look]:
        """Look at the places in view; by id."""
        rows = [row for row in self.rows.may_show(frame).tolist() if len(self.rows[row].cells)]
        objects = [self.rows[row] for row in rows]
        sigmas = [math.hypot(frame.pose_sigma, self.drift(one.way)) for one in objects]
        looks = existence.look_at(frame, [one.cells.points for one in objects], sigmas)
        return {one.id: look for one, look in zip(objects, looks, strict=True)}

    def match(self, frame: MapFrame) -> Matches:
        """Find the objects that the things of a frame are, one to one."""
        things = frame.detected
        surfaces = []
        for thing in things:
            cells = SurfaceCells()
            cells.add(thing.points)
            surfaces.append(cells)
        kept = without_doubles(things, surfaces, self._related)
        ways = np.minimum(
            self._drift_share * np.maximum(self.way - self.rows.ways, 0), self._most_drift
        )
        near = gate(
            [things[k] for k in kept],
            self.rows.centres,
            self.rows.radii,
            3 * np.hypot(ways, frame.pose_sigma),
        )
        columns, inverse = np.unique(near[:, 1], return_inverse=True)
        costs = np.full((len(kept), len(columns)), np.inf)
        for (place, row), column in zip(near, inverse, strict=True):
            thing, tracked = things[kept[place]], self.rows[row]
            agreement = label_agreement(self._related, thing, tracked)
            if agreement >= LEAST_RELATED and thing.dynamic == tracked.dynamic:
                costs[place, column] = pair_cost(
                    thing, surfaces[kept[place]], tracked, frame, float(ways[row]), agreement
                )
        pairs = {kept[place]: self.rows[int(columns[column])] for place, column in assign(costs)}
        still = [(k, one) for k, one in pairs.items() if not one.dynamic]
        offsets = np.array([top_of(things[k]) - one.place.top for k, one in still]).reshape(-1, 3)
        drift = max((self.drift(one.way) for _, one in still), default=0.0)
        return Matches(surfaces, kept, pairs, offsets, drift)

    def work_in(self, frame: MapFrame, matches: Matches, looks: dict[str, Look]) -> Changes:
        """Change the objects by what a frame shows."""
        changes = Changes([""] * len(frame.detected))
        self._take(frame, matches, looks, changes)
        judge_unseen(self.rows, self._related, frame, matches, looks, changes)
        self._merge(frame, changes)
        self._tidy(frame, changes)
        for name, look in looks.items():
            tracked = self.rows.get(name)
            if tracked is not None and look.there and look.partly_in_view and not tracked.gone:
                if frame.stamp_ns - tracked.last_ns <= _SHOWN_NS:
                    changes.shown.add(name)
        changes.shown |= {name for name in changes.names if name}
        return changes

    def _take(
        self, frame: MapFrame, matches: Matches, looks: dict[str, Look], changes: Changes
    ) -> None:
        """Fuse what was seen again, add what is new."""
        for k in matches.kept:
            thing, tracked = frame.detected[k], matches.pairs.get(k)
            if tracked is None:
                free = self._unmatched(thing, matches, looks, changes)
                claimed, known = claim(thing, frame, free)
                if claimed is Claim.KNOWN and known is not None:
                    existence.detected(known, thing.score)
                    known.notice(thing, frame)
                    tracked = known
                    changes.seen.append(tracked.id)
                else:
                    tracked = self._new(thing, frame)
                    if claimed is Claim.DOUBTFUL or self._held(tracked):
                        existence.doubt(tracked)
                    changes.added.append(tracked.id)
            else:
                back = existence.detected(tracked, thing.score)
                if back:
                    changes.returned.append(tracked.id)
                # Where it was before it left is not where it stands now.
                drift = self.drift(tracked.way)
                look = looks.get(tracked.id)
                cells = None if look is None or not look.readings else look.through_cells
                if tracked.see(thing, frame, self.way, drift, cells, back):
                    changes.moved.append(tracked.id)
                changes.seen.append(tracked.id)
                self.rows.changed(tracked)
            changes.names[k] = tracked.id

    def _unmatched(
        self, thing: Detected, matches: Matches, looks: dict[str, Look], changes: Changes
    ) -> Iterator[tuple[TrackedObject, Look]]:
        """Objects in view that a thing may be by its name, and that no thing is by its place."""
        taken = {one.id for one in matches.pairs.values()}.union(changes.names)
        for name, look in looks.items():
            tracked = self.rows.get(name)
            if tracked is None or name in taken or tracked.dynamic or not tracked.confirmed:
                continue
            if label_agreement(self._related, thing, tracked) >= LEAST_RELATED:
                yield tracked, look

    def _held(self, tracked: TrackedObject) -> bool:
        """Tell whether a thing of another kind is known to fill much of an object's place.

        What goes about by itself sits on sofas and stands in doors.
        """
        return not tracked.dynamic and any(
            other.sightings >= _KNOWN
            and other.odds > existence.UNSURE
            and not other.dynamic
            and self._related(tracked.label, other.label) < LEAST_RELATED
            and tracked.place.overlap(other.place) > _SAME_SPACE
            for other in self.rows.near(tracked, 1.0)
        )

    def _new(self, thing: Detected, frame: MapFrame) -> TrackedObject:
        kind = (thing.kind or thing.label).strip().replace(" ", "_") or "object"
        number = self.counters.get(kind, 0) + 1
        self.counters[kind] = number
        tracked = TrackedObject.of(f"{kind}_{number}", self._order, thing, frame, self.way)
        self._order += 1
        existence.begin(tracked, thing.score)
        self.rows.add(tracked)
        return tracked

    def _merge(self, frame: MapFrame, changes: Changes) -> None:
        """Make one object of two that turn out to be one."""
        here = [one for name in changes.names if name and (one := self.rows.get(name))]
        for index, one in enumerate(here):
            for other in here[:index]:
                reach = one.radius + other.radius
                if np.linalg.norm(one.centre - other.centre) < reach:
                    one.keep_apart(other.id)
                    other.keep_apart(one.id)
        for one in here:
            if one.dynamic or self.rows.get(one.id) is None:
                continue
            for other in self.rows.near(one, 1.0):
                if other.dynamic or not self._are_one(one, other):
                    continue
                older, younger = (one, other) if one.order < other.order else (other, one)
                older.absorb(younger)
                self.rows.changed(older)
                self.rows.remove({younger.id})
                changes.merged.append((younger.id, older.id))
                changes.names = [older.id if n == younger.id else n for n in changes.names]
                if older is not one:
                    break
            one.rival = ""

    def _are_one(self, one: TrackedObject, other: TrackedObject) -> bool:
        """Tell whether two objects are one: an object split in two, or called two things in turn.

        What was seen beside each other in several images is two things; in one image, a second box
        may be around the same thing. A thing of another kind, in
        the place of one that is then seen again itself, is that one under another name.
        """
        if max(one.apart.get(other.id, 0), other.apart.get(one.id, 0)) >= _OTHER_THINGS:
            return False
        if one.rival != other.id:
            if of_other_colour(one.colours, other.colours):
                return False
            if self._related(one.label, other.label) < LEAST_RELATED:
                return False
            if one.place.overlap(other.place) > _SAME_SPACE:
                return True
        shares = sorted(surface_overlap(one.cells, other.cells, 0.0), reverse=True)
        return shares[0] >= _ONE[0] and shares[1] >= _ONE[1]

    def _tidy(self, frame: MapFrame, changes: Changes) -> None:
        """Take out what was never confirmed, what walked off, and what there is no room for."""
        walked = np.flatnonzero(self.rows.dynamic).tolist()
        changes.forgotten += [
            self.rows[row].id
            for row in walked
            if frame.stamp_ns - self.rows[row].last_ns > self._dynamic_ns
        ]
        self.rows.remove(set(changes.forgotten))
        excess = len(self.rows) - self._most_objects
        if excess > 0:
            order = sorted(self.rows, key=lambda one: (not one.gone, one.odds, one.last_ns))
            # Some more than that, so that sorting is not for every new thing.
            out = [one.id for one in order[: excess + self._most_objects // 50]]
            self.rows.remove(set(out))
            changes.forgotten += out
