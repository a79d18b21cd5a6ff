# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers as such, and sizes of things and of the room that are asked in their own words."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_asked import IS
from spatialgeo_ros.query.english_comparisons import in_unit
from spatialgeo_ros.query.english_numbers import size_of, told
from spatialgeo_ros.query.program import (
    Ceiling,
    Number,
    Place,
    Program,
    Quantity,
    QuantityName,
    Room,
    TellNumber,
    Things,
    Unit,
    Viewer,
    Wall,
)
from spatialgeo_ros.query.units import kind_of

rule = grammar.rule

# Whole questions --------------------------------------------------------------------------------


@rule("question", "{core}")
def _question(core: Program) -> Program:
    return core


@rule(
    "question",
    "{core:question} ; the directions refer to the quadrants of a cartesian plane [,] [if I BE"
    " standing at the origin and facing along the positive y axis]",
    "{core:question} ; an object is to my back if I would have to turn at least 135 DEGREES"
    " in order to face it",
    "{core:question} [;] if multiple rooms are shown [,] estimate the size of the combined space",
)
def _with_note(core: Program) -> Program:
    """Take a benchmark's note, which says what is meant anyway."""
    return core


_GIVEN = (
    "[say it|say|tell it|put it|measured|expressed|given|stated"
    "|answer|answered|give the answer|reply|tell me|converted]"
)


@rule(
    "question",
    f"{{core}} [,|;] {_GIVEN} [,] [it] (in|using|as) [units of] {{unit}} [units]",
    "{core} , {unit}",
    "(in|using) {unit} [,] {core}",
    "how many {unit} BE {number}",
    "{number} BE how many {unit}",
)
def _in_unit(
    unit: Unit, core: Program | None = None, number: Number | None = None
) -> Program | None:
    return in_unit(told(number) if core is None else core, unit)


@rule(
    "core",
    f"WHAT [{IS}] [BE there] {{number}}",
    "what {number} (is|are) [there]",
    "(calculate|compute|estimate|measure|determine|find|provide|specify|get|add [up]|TELL)"
    " [me|us] {number}",
    "what (do|would|can) you (say|think|estimate) [is] {number} [is]",
    "how (much|big|large|wide|great|long) (is|are|BE) {number}",
    "how much {number} (is|are|BE) [there]",
    "I (need|want|would like|wish|have) [to know] {number}",
    "{number} [,] (BE (what|how much)|(what|how much) BE (it|that))",
)
@rule("core", "{number}", cost=0.8)
def _what_number(number: Number) -> Program | None:
    return told(number)


# Sizes ------------------------------------------------------------------------------------------

_THREE = "(SIDE SIDE and SIDE|SIDE and SIDE|SIDE SIDE SIDE|ADJECTIVE ADJECTIVE and ADJECTIVE)"
_SIDES = f"([both] {_THREE})"


@rule(
    "core",
    "(measure|size up) {place:sized}",
    "(measure|give me|tell me|what BE) [the] (size and dimensions|measurements) of {place:sized}",
    f"how {_THREE} BE {{place:sized}}",
    f"how (big|large) BE {{place:sized}} [,] in {_SIDES}",
    f"[the] size of {{place:sized}} [please] , [in] {_SIDES}",
    "(DIMENSIONS) {place:sized}",
)
def _measure(place: Place) -> Program | None:
    whole = not isinstance(place, Viewer | Ceiling | Wall)
    return told(Quantity("size", (place,)) if whole else None)


@rule(
    "core",
    f"how (big|large) BE {{place:room}} [,] [in] {_SIDES}",
    f"WHAT BE [the] (dimensions|{_SIDES}|measurements|size and height) of {{place:room}}",
    "(what|which) dimensions (does|do|has) {place:sized} [have]",
    "{place:room} (dimensions|measurements)",
    "[what BE] {place:room} _s (dimensions|measurements)",
)
def _room_size(place: Place) -> Program:
    return TellNumber(Quantity("size", (place,)))


_TAKE_UP = "(take up|need|cover|occupy|use|take|have|fill|offer|provide|contain|hold)"
_FLOOR = "(floor space|floor|floor area|ground|area|space|room)"


@rule(
    "core",
    f"how many {{unit}} [of {_FLOOR}|of air] BE [there] [in] {{place:room}}",
    f"how many {{unit}} of {_FLOOR} BE there",
    f"how many {{unit}} [of {_FLOOR}] (does|do|has|have|BE) {{place:sized}} [{_TAKE_UP}]",
    f"how much (space|room) (does|do) {{place:sized}} {_TAKE_UP} in {{unit}}",
    cost=-0.1,
)
def _how_many_square(unit: Unit, place: Place | None = None) -> Program | None:
    place = Room() if place is None else place
    kinds: dict[str, QuantityName] = {"area": "area", "volume": "volume"}
    quantity = kinds.get(kind_of(unit))
    return None if quantity is None else told(size_of(quantity, place), unit)


@rule(
    "core",
    f"(how much|what) {_FLOOR} [of the floor] (does|do) {{place:sized}} {_TAKE_UP} [on the floor]",
    "(how much|what) [area of] [the] (floor space|floor area|floor|ground) BE (taken"
    " up|covered|occupied) by {place:sized}",
    "how much floor BE under {place:sized}",
    f"how (big|large) [an area] (does|do) {{place:sized}} {_TAKE_UP}",
    "how (spacious|roomy) BE {place:room}",
    "how (big|large) BE the (floor|ground) [area]",
)
def _floor_space(place: Place | None = None) -> Program | None:
    place = Room() if place is None else place
    return told(size_of("area", place))


@rule("number", "[the] (floor area|floor space)", cost=0.5)
def _floor_area() -> Number:
    return Quantity("area", (Room(),))


@rule("core", f"how much volume (does|do) {{place:sized}} {_TAKE_UP}")
def _volume(place: Place) -> Program | None:
    return told(size_of("volume", place))


_GO = "(go|reach|extend|stretch)"


@rule(
    "core",
    f"how far (does|do) {{place:thing}} {_GO} (front to back|from front to back|backwards|back)",
)
def _front_to_back(place: Things) -> Program:
    return TellNumber(Quantity("depth", (place,)))


@rule(
    "core",
    f"how far (does|do) {{place:thing}} {_GO} [from] (side to side|left to right|sideways)",
)
def _side_to_side(place: Things) -> Program:
    return TellNumber(Quantity("width", (place,)))


@rule("core", "how (wide|broad) (does|do) {place:thing} measure")
def _measures_wide(place: Things) -> Program:
    return TellNumber(Quantity("width", (place,)))


@rule(
    "core",
    "[from] (bottom to top|top to bottom|side to side|left to right|front to back|floor to top"
    "|end to end) [,] how {quantity:size_adjective} BE {place:thing}",
)
def _from_end_to_end(quantity: QuantityName, place: Things) -> Program | None:
    return None if quantity == "size" else TellNumber(Quantity(quantity, (place,)))


@rule(
    "core",
    "how (tall|high) (does|do) {place:thing} measure",
    "(how much|what) (does|do) {place:thing} measure [from] (bottom to top|top to bottom)",
    "how (far|much) BE it from the (bottom|foot) to the top of {place:thing}",
)
def _bottom_to_top(place: Things) -> Program:
    return TellNumber(Quantity("height", (place,)))


# The camera and the ceiling ---------------------------------------------------------------------

_OFF = "(above|from|off|over) [the] (floor|ground)"
_EYES = "([your|the|my] (camera|eye|eyes|lens|sensor)|{me})"


@rule(
    "core",
    f"(how (high|far) [up]|at (what|which) height) {IS} {_EYES} [STAND] [{_OFF}]",
    f"(how (high|far)|at (what|which) height) {_OFF} {IS} {_EYES}",
    f"(how high [up]|at (what|which) height) (do|does) {{me}} STAND [{_OFF}]",
    "(how high [up]|at (what|which) height) (do|does) {me} (carry|have|hold|look at|see)"
    " ([your|the|my] (camera|eye|eyes|lens|sensor)|[from]|{room}|the world)",
    cost=-0.1,
)
def _camera_high(me: Place | None = None, room: Place | None = None) -> Program:
    return TellNumber(Quantity("bottom", (Viewer(),)))


@rule(
    "core",
    "how (high|tall) BE (the|this) (ceiling|room)",
    "how far [up] BE the ceiling",
    "how (high|far up) does (the room|the ceiling|it) (go|reach|extend)",
    "[from] [the] floor to [the] ceiling [,] (how (high|far) BE (it|that)|how much [BE (it|that)])",
    "how (high|far|many {unit}) BE the ceiling [above|off|from] [the] [floor|ground]",
    "[what BE] [the] height of the ceiling above the (floor|ground)",
)
def _ceiling_high(unit: Unit = "") -> Program | None:
    return in_unit(TellNumber(Quantity("height", (Room(),))), unit)
