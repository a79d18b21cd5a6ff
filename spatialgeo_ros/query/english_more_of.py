# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Counts against each other: more chairs than tables, and how many more."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.program import (
    Arithmetic,
    Compare,
    Count,
    Place,
    Program,
    TellNumber,
    TellWhether,
    Things,
)

rule = grammar.rule
_WHERE = "[IN_ROOM|HERE|SO_FAR|NOW] [IN_ROOM|SO_FAR|NOW]"


@rule(
    "core",
    f"(BE there|do I (know|have)) more {{a:plural}} [BE] than {{b:plural}} {_WHERE}",
    "(does|do) {room} (have|contain) more {a:plural} than {b:plural}",
    "BE {a:plural} more numerous than {b:plural}",
)
def _more_of(a: Things, b: Things, room: Place | None = None) -> Program:
    return TellWhether(Compare(Count(a), ">", Count(b)))


@rule(
    "core",
    f"(BE there|do I (know|have)) (fewer|less) {{a:plural}} than {{b:plural}} {_WHERE}",
    "(does|do) {room} (have|contain) (fewer|less) {a:plural} than {b:plural}",
)
def _fewer_of(a: Things, b: Things, room: Place | None = None) -> Program:
    return TellWhether(Compare(Count(a), "<", Count(b)))


@rule(
    "core",
    f"BE there as many {{a:plural}} as {{b:plural}} {_WHERE}",
    "BE the number of {a:plural} equal to the number of {b:plural}",
    "BE there (the same|an equal) number of {a:plural} and {b:plural}",
)
def _as_many(a: Things, b: Things) -> Program:
    return TellWhether(Compare(Count(a), "==", Count(b)))


@rule(
    "core",
    f"how many more {{a:plural}} (BE there|do I (know|see|have)) than {{b:plural}} {_WHERE}",
    f"how many more {{a:plural}} than {{b:plural}} [BE there|do I (know|have|see|find"
    f"|count)] {_WHERE}",
    f"[by] how many BE there more {{a:plural}} than {{b:plural}} {_WHERE}",
    "by how many (do|does) {a:plural} outnumber {b:plural} [IN_ROOM|HERE]",
)
def _count_difference(a: Things, b: Things) -> Program:
    return TellNumber(Arithmetic("difference", (Count(a), Count(b))))


@rule(
    "core",
    f"how many (fewer|less) {{a:plural}} (BE there|do I (know|see)) than {{b:plural}} {_WHERE}",
    f"how many (fewer|less) {{a:plural}} than {{b:plural}} [BE there] {_WHERE}",
)
def _count_shortfall(a: Things, b: Things) -> Program:
    return TellNumber(Arithmetic("difference", (Count(b), Count(a))))
