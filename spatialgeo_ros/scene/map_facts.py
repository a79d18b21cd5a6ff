# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A snapshot prepared for measuring: boxes and covariances as floats, walls, names, ages."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spatialgeo_ros.geometry.upright_box import UprightBox, point_box, polygon_walls
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence, RoomLayout
from spatialgeo_ros.memory.snapshot import Viewer as ViewerPose
from spatialgeo_ros.query.nouns import (
    canonical,
    is_a,
    label_words,
    plural,
    singular,
    without_counter,
)
from spatialgeo_ros.query.phrases import parse_label
from spatialgeo_ros.query.program import WallSide
from spatialgeo_ros.scene.estimate import (
    Covariance,
    Estimate,
    Source,
    Truth,
    probability_above_zero,
    sigma_of,
)
from spatialgeo_ros.scene.failures import no_room, no_viewer

NS = 1e-9


@dataclass(frozen=True, eq=False)
class Spot:
    """Something with a place: an object or the viewer.

    Attributes:
        box: where it is; of the viewer a point, the camera's centre.
        object: None for the viewer.
    """

    box: UprightBox
    object: MapObject | None

    @property
    def id(self) -> str:
        """Name of the object in the map, "" for the viewer."""
        return self.object.id if self.object else ""

    @property
    def source(self) -> Source:
        """What its place is uncertain with."""
        return ("centre", self.object.id) if self.object else ("viewer",)


@dataclass(frozen=True)
class RoomPart:
    """Part of the room as a place: "floor", "ceiling", "room" or "wall" with its side."""

    part: str
    side: WallSide = "nearest"


class MapFacts:
    """What questions need of a snapshot, each worked out when it is first asked for.

    Args:
        snapshot: the map.
        others: objects of the request that the map may not hold (yet).
    """

    def __init__(self, snapshot: MapSnapshot, others: Sequence[MapObject] = ()) -> None:
        self.snapshot = snapshot
        self.present = tuple(o for o in snapshot.objects if o.state != Presence.GONE)
        self.gone = tuple(o for o in snapshot.objects if o.state == Presence.GONE)
        self.by_id = {one.id: one for one in (*others, *snapshot.objects)}
        self._spots: dict[str, Spot] = {}
        self._namesakes: dict[tuple[str, str], int] = {}

    # Places -------------------------------------------------------------------------------------

    def spot(self, one: MapObject) -> Spot:
        """Return where an object is."""
        found = self._spots.get(one.id)
        if found is None:
            found = Spot(one.box, one)
            self._spots[one.id] = found
        return found

    @property
    def viewer(self) -> ViewerPose:
        """Who looks.

        Raises:
            QueryFailureError: nobody knows where the camera is.
        """
        if self.snapshot.viewer is None:
            raise no_viewer()
        return self.snapshot.viewer

    @functools.cached_property
    def viewer_spot(self) -> Spot:
        """The camera's centre as a place."""
        return Spot(point_box(self.viewer.x, self.viewer.y, self.viewer.z), None)

    @property
    def room(self) -> RoomLayout:
        """Floor, walls and ceiling.

        Raises:
            QueryFailureError: they are not known.
        """
        if self.snapshot.room is None:
            raise no_room("floor")
        return self.snapshot.room

    @functools.cached_property
    def polygon(self) -> tuple[tuple[float, float], ...]:
        """Corners of the walls, metres."""
        room = self.snapshot.room
        if room is None or room.polygon is None:
            raise no_room("walls", "" if room is None else room.why_unknown)
        return tuple((float(x), float(y)) for x, y in room.polygon)

    @functools.cached_property
    def walls(self) -> tuple[UprightBox, ...]:
        """The walls in the order of the polygon's sides."""
        return polygon_walls(self.polygon)

    # Uncertainty --------------------------------------------------------------------------------

    @functools.cached_property
    def _covariances(self) -> _Covariances:
        return _Covariances(self.snapshot, self.by_id)

    def sigma(self, number: Estimate) -> float:
        """Return the standard deviation of a number, in its unit."""
        return sigma_of(number, self._covariances)

    def above_zero(self, margin: Estimate, strict: bool = False) -> Truth:
        """Return whether a number is above zero; at zero it counts unless ``strict``."""
        sigma = self.sigma(margin)
        holds = margin.value > 0 or (margin.value == 0 and not strict)
        if sigma == 0:  # counts of sure objects are exact
            return Truth(holds, float(holds), margin.value)
        probability = probability_above_zero(margin.value, sigma)
        return Truth(holds, probability, margin.value)

    # Kinds and names ----------------------------------------------------------------------------

    @functools.cached_property
    def _kinds(self) -> dict[str, str]:
        # Some detectors name the colour too ("blue shelf"), which is no part of the kind.
        return {
            name: kind_of_label(parse_label(one.label).noun or one.label)
            for name, one in self.by_id.items()
        }

    def kind(self, one: MapObject) -> str:
        """Return the canonical kind of an object, or its label's own words."""
        return self._kinds[one.id]

    def is_kind(self, one: MapObject, noun: str) -> bool:
        """Tell whether an object is what a noun names: the same kind or a narrower one."""
        kind, wanted = self.kind(one), kind_of_label(noun)
        return is_a(kind, wanted) or _singular(kind) == _singular(wanted)

    @functools.cached_property
    def _kind_counts(self) -> Counter[str]:
        return Counter(self.kind(one) for one in self.present)

    def _so_named(self, kind: str, colour: str) -> int:
        """How many objects a person could mean by a kind, or by a kind of a colour."""
        if (kind, colour) not in self._namesakes:
            self._namesakes[kind, colour] = sum(
                is_a(self.kind(one), kind) and colour in ("", one.colour) for one in self.present
            )
        return self._namesakes[kind, colour]

    def name(self, one: MapObject) -> str:
        """Return how an answer calls an object: "the chair", "the red chair" or its id."""
        kind = self.kind(one)
        words = without_counter(label_words(one.label))
        if self._so_named(kind, "") == 1:
            return f"the {words}"
        words = parse_label(one.label).noun or words  # which says the colour a second time
        if one.colour and self._so_named(kind, one.colour) == 1:
            return f"the {one.colour} {words}"
        return one.id

    def spot_name(self, spot: Spot) -> str:
        """Return how an answer calls a place."""
        return self.name(spot.object) if spot.object else "me"

    def kinds_known(self) -> str:
        """Return every kind of the map with its count: "3 chairs, 1 table"; cut after twenty."""
        return counted(self._kind_counts.items())

    # Time ---------------------------------------------------------------------------------------

    def unseen_for(self, one: MapObject) -> float:
        """Seconds since an object was last seen."""
        return (self.snapshot.stamp_ns - one.last_seen_ns) * NS


class _Covariances(dict[Source, Covariance]):
    """Covariance of each source of uncertainty, made when it is first needed."""

    def __init__(self, snapshot: MapSnapshot, objects: Mapping[str, MapObject]) -> None:
        super().__init__()
        self._snapshot = snapshot
        self._objects = objects

    def __missing__(self, source: Source) -> Covariance:
        found = self._of(source)
        self[source] = found
        return found

    def _of(self, source: Source) -> Covariance:
        room, viewer = self._snapshot.room, self._snapshot.viewer
        if source[0] == "centre":
            rows: list[list[float]] = self._objects[source[1]].covariance.tolist()
            return rows
        if source[0] == "size":
            w, d, h = self._objects[source[1]].size_sigma.tolist()
            return ((w * w, 0.0, 0.0), (0.0, d * d, 0.0), (0.0, 0.0, h * h))
        if source[0] == "viewer":
            v = viewer.position_sigma**2 if viewer else math.nan
            return ((v, 0.0, 0.0), (0.0, v, 0.0), (0.0, 0.0, v))
        sigmas = {} if room is None else {
            "floor": room.floor_sigma,
            "ceiling": room.ceiling_sigma,
            "wall": room.polygon_sigma,
        }  # fmt: skip
        return ((sigmas[source[0]] ** 2,),)


@functools.lru_cache(maxsize=4096)
def kind_of_label(label: str) -> str:
    """Return the canonical kind that a detector's label names, or its bare words."""
    words = without_counter(label_words(label))
    said = parse_label(label)
    # "purple table" is a table; "flumphs", which no table has, are what they are called.
    return canonical(words) or (canonical(said.noun) if said.colour else "") or words


@functools.lru_cache(maxsize=4096)
def _singular(kind: str) -> str:
    """A kind for comparing: what is not in the table of nouns may be said in the plural."""
    *front, last = kind.split() or [""]
    return " ".join((*front, singular(last)))


def counted(counts: Iterable[tuple[str, int]], most: int = 20) -> str:
    """Return "3 chairs, 1 table and 2 more kinds", most frequent first."""
    ordered = sorted(counts, key=lambda item: (-item[1], item[0]))
    words = [f"{n} {kind if n == 1 else plural(kind)}" for kind, n in ordered[:most]]
    more = len(ordered) - most
    return ", ".join(words) + (f" and {more} more kinds" if more > 0 else "")
