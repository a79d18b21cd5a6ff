# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The lengths that the map told for a program, and whether they are better than measured ones."""

from __future__ import annotations

from collections.abc import Sequence

from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.snapshot import MapSnapshot
from spatialgeo_ros.query.program import Program, Quantity, TellNumber, Viewer
from spatialgeo_ros.query.result import Result, ResultType
from spatialgeo_ros.scene.map_lengths import (
    QUANTITIES,
    SIDES,
    lengths_in_map,
    map_knows_better,
    things_of,
)
from spatialgeo_ros.scene.sighting import SightedEstimate

#: Kinds of lengths of and between objects by what a program calls them.
_KINDS = {name: kind for kind, name in QUANTITIES.items() if kind is not Kind.CAMERA_TO_OBJECT}


def kinds_of_program(program: Program) -> tuple[Kind, ...]:
    """Return which lengths a program asks for, in the order of its values; none for other things.

    A size is three of them.
    """
    number = program.number if isinstance(program, TellNumber) else None
    if not isinstance(number, Quantity) or number.frame is not None:
        return ()
    if number.name == "distance" and any(isinstance(one, Viewer) for one in number.of):
        return (Kind.CAMERA_TO_OBJECT,)
    if number.name == "size":
        return tuple(SIDES)
    return (_KINDS[number.name],) if number.name in _KINDS else ()


def estimates_from_map(
    program: Program, result: Result, snapshot: MapSnapshot, frame: Frame
) -> tuple[SightedEstimate, ...]:
    """Return the lengths of a result as estimates in the camera frame of ``frame``.

    Args:
        program: what was asked.
        result: its answer.
        snapshot: the map it is about; its viewer is the camera of ``frame``.
        frame: the image that was asked about; its pose tells where the camera is in the map.

    Returns:
        None of them where the result is no length of or between objects, or the camera has no pose.
    """
    kinds = kinds_of_program(program)
    named = {one.id: one for one in snapshot.objects}
    things = [named[one] for one in result.objects if one in named]
    if result.type is not ResultType.NUMBER or not things or frame.pose is None:
        return ()
    if len(result.values) != len(kinds) or len(things) != things_of(kinds):
        return ()
    return lengths_in_map(kinds, things, snapshot, frame, "; ".join(result.remarks))


def all_better_in_map(
    told: Sequence[SightedEstimate], measured: Sequence[SightedEstimate], cut: bool
) -> bool:
    """Tell whether the map knows all lengths that were asked for better than the image.

    Args:
        told: as the map knows them; none where it does not.
        measured: lengths that were measured on the points of the image.
        cut: whether the border of the image cuts one of the things.
    """
    seen = {one.kind: one for one in reversed(measured) if one.valid}
    return bool(told) and all(map_knows_better(one, seen.get(one.kind), cut) for one in told)
