# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether objects stand in a relation: each relation as bounds on measured numbers.

Sides of an object are two things in English. "Is A left of B?" compares both as one sees them, so
it goes by bearings. "What is left of B?" asks for what lies at that side *of B*: within 45 degrees
of that side, seen from B with its back to be where the ray from the viewer leaves it. Behind and in
front mean these sectors in both, and in a statement also that one is deeper along the heading.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from spatialgeo_ros.geometry.upright_box import point_in_polygon
from spatialgeo_ros.query.program import RelationName
from spatialgeo_ros.scene.directions import (
    SECTOR_DEG,
    PointOfView,
    bearing,
    direction_between,
    wrapped,
)
from spatialgeo_ros.scene.estimate import Estimate, Truth, all_of, constant, fact
from spatialgeo_ros.scene.failures import QueryFailureError, not_understood, unanswerable
from spatialgeo_ros.scene.map_facts import MapFacts, RoomPart, Spot
from spatialgeo_ros.scene.quantities import Place, measure_two
from spatialgeo_ros.scene.room_quantities import wall_separation
from spatialgeo_ros.scene.spot_numbers import face_slopes, higher_by, separation

#: Bottom and top of what stands on each other differ by less, metres.
ON_M = 0.05
#: What is next to each other has no larger gap, metres.
BESIDE_M = 0.5
#: What touches has a smaller gap, metres.
TOUCHING_M = 0.02
#: What stands at a wall is not farther from it, metres.
AT_WALL_M = 0.2
#: What is between two is at most this share of their distance beside the line between them.
BETWEEN_SHARE = 0.3

#: Middle of each side of an object, degrees from where the ray from the viewer leaves it.
_SIDES: dict[RelationName, float] = {"behind": 0.0, "left": 90.0, "front": 180.0, "right": -90.0}


def relate(
    relation: RelationName,
    subject: Place,
    anchors: Sequence[Place],
    facts: MapFacts,
    view: PointOfView | None = None,
    listed: bool = False,
) -> Truth:
    """Return whether a relation holds.

    Args:
        relation: its name.
        subject: what is said to be somewhere.
        anchors: one place, two for "between"; none for "at_wall", "in_view" and for sides of
            whoever stands at the point of view.
        facts: the map.
        view: point of view of sides; None for the viewer's.
        listed: whether it chooses among objects ("what is left of B") instead of being stated.

    Raises:
        QueryFailureError: the relation makes no sense there, or the map does not know it.
    """
    if isinstance(subject, RoomPart):
        raise not_understood(f"The {subject.part} cannot be {relation.replace('_', ' ')} anything.")
    if relation in _SIDES:
        return _at_side(relation, subject, anchors, facts, view, listed)
    if relation == "in_view":
        return fact(subject.id in facts.snapshot.in_view)
    if relation == "at_wall":
        near = constant(AT_WALL_M).minus(wall_separation(subject, facts))
        return facts.above_zero(near)
    if relation == "between":
        first, second = _spots(relation, anchors, 2)
        return _between(subject, first, second, facts)
    if len(anchors) == 1 and isinstance(anchors[0], RoomPart):
        return _in_room(relation, subject, anchors[0], facts)
    (anchor,) = _spots(relation, anchors, 1)
    return _RELATIONS[relation](subject, anchor, facts)


def _spots(relation: str, anchors: Sequence[Place], count: int) -> tuple[Spot, ...]:
    spots = tuple(anchor for anchor in anchors if isinstance(anchor, Spot))
    if len(spots) != len(anchors) or len(spots) != count:
        raise not_understood(
            f"'{relation.replace('_', ' ')}' needs {count} object{'s' if count > 1 else ''} "
            "to refer to."
        )
    return spots


# Up and down ------------------------------------------------------------------------------------


def _on(subject: Spot, anchor: Spot, facts: MapFacts) -> Truth:
    bottom = Estimate(subject.box.bottom, "m", face_slopes(subject, -1.0))
    step = bottom.minus(Estimate(anchor.box.top, "m", face_slopes(anchor, 1.0)))
    x, y, _ = subject.box.centre
    inside = Estimate(anchor.box.depth_of(x, y), "m", _level_slopes(subject, anchor))
    bounds = (constant(ON_M).minus(step), constant(ON_M).plus(step), inside)
    return all_of(facts.above_zero(bound) for bound in bounds)


def _level_slopes(subject: Spot, anchor: Spot) -> dict[tuple[str, ...], tuple[float, ...]]:
    """Slopes of how deep the subject's centre lies inside the anchor's footprint."""
    x, y, _ = subject.box.centre
    offsets = anchor.box.own(x, y)
    room = [size / 2 - abs(offset) for size, offset in zip(anchor.box.size, offsets, strict=False)]
    axis = 0 if room[0] <= room[1] else 1
    away = math.copysign(1.0, offsets[axis])
    ex, ey = (part * away for part in anchor.box.axes[axis])
    slopes: dict[tuple[str, ...], tuple[float, ...]] = {
        subject.source: (-ex, -ey, 0.0),
        anchor.source: (ex, ey, 0.0),
    }
    if anchor.object:
        slopes["size", anchor.id] = (0.5, 0.0, 0.0) if axis == 0 else (0.0, 0.5, 0.0)
    return slopes


def _above(subject: Spot, anchor: Spot, facts: MapFacts) -> Truth:
    higher = facts.above_zero(higher_by(subject, anchor), strict=True)
    overlap = facts.above_zero(separation(subject, anchor, footprints=True).scaled(-1.0), True)
    both = all_of((higher, overlap))
    # Above or below, where it is neither: by height.
    return Truth(both.holds, both.probability, higher.lead)


def _inside(subject: Spot, anchor: Spot, facts: MapFacts) -> Truth:
    x, y, _ = subject.box.centre
    deep = Estimate(anchor.box.depth_of(x, y), "m", _level_slopes(subject, anchor))
    tops = Estimate(anchor.box.top - subject.box.top, "m", face_slopes(anchor, 1.0)).minus(
        Estimate(0.0, "m", face_slopes(subject, 1.0))
    )
    bottoms = Estimate(
        subject.box.bottom - anchor.box.bottom, "m", face_slopes(subject, -1.0)
    ).minus(Estimate(0.0, "m", face_slopes(anchor, -1.0)))
    slack = constant(ON_M)
    bounds = (deep, slack.plus(tops), slack.plus(bottoms))
    return all_of(facts.above_zero(bound) for bound in bounds)


def _higher(subject: Spot, anchor: Spot, facts: MapFacts) -> Truth:
    return facts.above_zero(higher_by(subject, anchor), strict=True)


# Near and far -----------------------------------------------------------------------------------


def _beside(subject: Spot, anchor: Spot, facts: MapFacts) -> Truth:
    def parts() -> Iterator[Truth]:
        yield facts.above_zero(constant(BESIDE_M).minus(separation(subject, anchor)))
        yield _on(subject, anchor, facts).opposite()
        yield _on(anchor, subject, facts).opposite()

    return all_of(parts())


def _touching(subject: Spot, anchor: Spot, facts: MapFacts) -> Truth:
    return facts.above_zero(constant(TOUCHING_M).minus(separation(subject, anchor)), strict=True)


def _between(subject: Spot, first: Spot, second: Spot, facts: MapFacts) -> Truth:
    """With a, b the centres and p the subject's: 0 < t < 1 and |offset| <= 0.3, seen from above.

    t = (p - a).(b - a) / L^2 and offset = cross(b - a, p - a) / L^2, with L the distance of a and
    b. Slopes are taken by p, and by a and b at the same L.
    """
    (ax, ay, _), (bx, by, _), (px, py, _) = (one.box.centre for one in (first, second, subject))
    ex, ey, wx, wy = bx - ax, by - ay, px - ax, py - ay
    square = ex * ex + ey * ey
    if square < ON_M**2:
        raise unanswerable("Nothing can be between two things at the same place.")
    t, offset = (wx * ex + wy * ey) / square, (ex * wy - ey * wx) / square
    along, across = (ex / square, ey / square), (-ey / square, ex / square)

    def share(value: float, by_p: tuple[float, float]) -> Estimate:
        number = Estimate(value, "", {subject.source: (*by_p, 0.0)})
        for spot, weight in ((first, 1 - t), (second, t)):
            moved = {spot.source: (by_p[0] * weight, by_p[1] * weight, 0.0)}
            number = number.minus(Estimate(0.0, "", moved))
        return number

    place, beside = share(t, along), share(offset, across)
    one, most = constant(1.0, ""), constant(BETWEEN_SHARE, "")
    bounds = (place, one.minus(place), most.minus(beside), most.plus(beside))
    return all_of(facts.above_zero(bound, strict=True) for bound in bounds)


# Sides ------------------------------------------------------------------------------------------


def _at_side(
    relation: RelationName,
    subject: Spot,
    anchors: Sequence[Place],
    facts: MapFacts,
    view: PointOfView | None,
    listed: bool,
) -> Truth:
    view = view or PointOfView(facts.viewer_spot)
    anchor = _spots(relation, anchors, 1)[0] if anchors else view.origin
    if _same(anchor, view.origin):
        return _at_side_of_oneself(relation, bearing(subject, view, facts), facts)
    if listed:
        return _in_sector(relation, subject, anchor, view, facts)
    if relation in ("left", "right"):
        lead = bearing(subject, view, facts).minus(bearing(anchor, view, facts))
        return facts.above_zero(lead if relation == "left" else lead.scaled(-1.0), strict=True)
    sector = _in_sector(relation, subject, anchor, view, facts)
    deeper = _depth(subject, view, facts).minus(_depth(anchor, view, facts))
    deep = facts.above_zero(deeper if relation == "behind" else deeper.scaled(-1.0), strict=True)
    both = all_of((sector, deep))
    return Truth(both.holds, both.probability, deep.lead)


def _same(first: Spot, second: Spot) -> bool:
    return first is second or (first.object is second.object)


def _at_side_of_oneself(relation: RelationName, seen: Estimate, facts: MapFacts) -> Truth:
    if relation in ("left", "right"):
        return facts.above_zero(seen if relation == "left" else seen.scaled(-1.0), strict=True)
    ahead = constant(90.0, "deg").minus(seen.absolute())
    return facts.above_zero(ahead if relation == "front" else ahead.scaled(-1.0), strict=True)


def _in_sector(
    relation: RelationName, subject: Spot, anchor: Spot, view: PointOfView, facts: MapFacts
) -> Truth:
    """Whether the subject lies within 45 degrees of a side of the anchor."""
    away = direction_between(view.origin, anchor)
    try:
        there = direction_between(anchor, subject)
    except QueryFailureError:  # right above or below it: at no side
        return Truth(False, 0.0, -180.0)
    off = there.minus(away)
    off = Estimate(wrapped(off.value - _SIDES[relation]), "deg", off.slopes)
    return facts.above_zero(constant(SECTOR_DEG, "deg").minus(off.absolute()))


def _depth(spot: Spot, view: PointOfView, facts: MapFacts) -> Estimate:
    """How far a centre lies along the heading of a point of view, metres."""
    heading = (
        facts.viewer.yaw
        if view.facing is None
        else math.radians(direction_between(view.origin, view.facing).value)
    )
    x, y = math.cos(heading), math.sin(heading)
    px, py, _ = spot.box.centre
    return Estimate(px * x + py * y, "m", {spot.source: (x, y, 0.0)})


# Parts of the room ------------------------------------------------------------------------------


def _in_room(relation: RelationName, subject: Spot, part: RoomPart, facts: MapFacts) -> Truth:
    if relation == "inside" and part.part == "room":
        x, y, _ = subject.box.centre
        return fact(point_in_polygon(x, y, facts.polygon))
    if part.part == "wall":
        near = {"touching": TOUCHING_M, "beside": BESIDE_M, "on": AT_WALL_M}.get(relation)
        if near is not None:
            gap = measure_two("gap", subject, part, facts)
            return facts.above_zero(constant(near).minus(gap))
    if part.part in ("floor", "ceiling"):
        gap = measure_two("gap", subject, part, facts)
        if relation in ("on", "touching", "beside"):
            near = {"on": ON_M, "touching": TOUCHING_M, "beside": BESIDE_M}[relation]
            return facts.above_zero(constant(near).minus(gap))
        over_floor = relation in ("above", "higher") and part.part == "floor"
        if over_floor or (relation in ("below", "lower") and part.part == "ceiling"):
            return facts.above_zero(gap.minus(constant(ON_M)))
        if relation in ("above", "below", "higher", "lower"):
            return facts.above_zero(gap.scaled(-1.0), strict=True)
    raise not_understood(f"'{relation.replace('_', ' ')}' is not said of the {part.part}.")


_RELATIONS: dict[RelationName, Callable[[Spot, Spot, MapFacts], Truth]] = {
    "on": _on,
    "supports": lambda subject, anchor, facts: _on(anchor, subject, facts),
    "above": _above,
    "below": lambda subject, anchor, facts: _above(anchor, subject, facts),
    "higher": _higher,
    "lower": lambda subject, anchor, facts: _higher(anchor, subject, facts),
    "inside": _inside,
    "beside": _beside,
    "touching": _touching,
}
