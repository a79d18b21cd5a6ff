# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every kind of question as a program, on a room whose answers are worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
from question_room import MAP

from spatialgeo_ros.query.program import (
    All,
    Arithmetic,
    Ceiling,
    Compare,
    Condition,
    Constant,
    Count,
    Everything,
    Except,
    Exists,
    Filter,
    Floor,
    Has,
    It,
    Named,
    Not,
    Number,
    Over,
    Place,
    Program,
    Quantity,
    Rank,
    Related,
    RequestRegion,
    Room,
    Standing,
    TellAttribute,
    TellDirection,
    TellNumber,
    TellObjects,
    TellTurns,
    TellWhether,
    TellWhich,
    The,
    Things,
    Those,
    Union,
    Viewer,
    Wall,
)
from spatialgeo_ros.query.program import (
    Any as AnyOf,
)
from spatialgeo_ros.query.result import QueryError, Result, ResultType
from spatialgeo_ros.query.units import spoken
from spatialgeo_ros.scene.executor import execute

ME, IT, ALL = Viewer(), It(), Everything()
TABLE, MUG, SOFA = (The(Named(noun)) for noun in ("table", "mug", "sofa"))
RED, BLUE = The(Named("chair", "red")), The(Named("chair", "blue"))
FLOOR_LAMP = The(Named("floor lamp"))
HANGING = The(Except(Named("lamp"), Named("floor lamp")))
CHAIRS = Named("chair")
FAR = Quantity("distance", (ME, IT))


def of(name: Any, *places: Place, frame: Standing | None = None) -> Quantity:
    return Quantity(name, places, frame)


def ask(program: Program) -> Result:
    result = execute(program, MAP)
    assert result.error is None, result.text
    return result


NUMBERS: list[tuple[str, Number, Any, str]] = [
    # Distances
    ("self", of("distance", ME, TABLE), math.hypot(2.4, 0.2), "m"),
    ("self, the other way", of("distance", TABLE, ME), math.hypot(2.4, 0.2), "m"),
    ("self, one place", of("distance", TABLE), math.hypot(2.4, 0.2), "m"),
    ("pair", of("distance", TABLE, SOFA), math.hypot(0.5, 2.5), "m"),
    ("two of a kind", of("distance", The(CHAIRS, 2)), math.hypot(2, 1.2, 0.05), "m"),
    ("gap", of("gap", TABLE, SOFA), 1.7, "m"),
    ("gap of what touches", of("gap", TABLE, MUG), 0.0, "m"),
    ("passage", of("passage", RED, SOFA), 0.9, "m"),
    ("horizontal", of("horizontal", TABLE, BLUE), math.hypot(2, 2.2), "m"),
    ("vertical", of("vertical", TABLE, HANGING), 1.8, "m"),
    ("higher by", of("higher_by", TABLE, HANGING), -1.8, "m"),
    ("higher than the camera", of("higher_by", HANGING, ME), 1.2, "m"),
    ("drive", of("drive", ME, TABLE), 2.4, "m"),
    # Walls, floor, ceiling
    ("nearest wall", of("distance", ME, Wall()), 1.0, "m"),
    ("the wall", of("distance", ME, Wall("any")), 5.0, "m"),
    ("wall ahead", of("distance", ME, Wall("front")), 5.0, "m"),
    ("wall behind", of("distance", ME, Wall("behind")), 1.0, "m"),
    ("wall on the left", of("distance", ME, Wall("left")), 3.0, "m"),
    ("wall on the right", of("distance", ME, Wall("right")), 1.0, "m"),
    ("thing to the wall", of("distance", SOFA, Wall("any")), 0.1, "m"),
    ("thing to the wall behind me", of("gap", RED, Wall("behind")), 3.8, "m"),
    ("ceiling", of("height", Ceiling()), 2.5, "m"),
    ("below the ceiling", of("distance", HANGING, Ceiling()), 0.1, "m"),
    ("above the floor", of("distance", HANGING, Floor()), 2.0, "m"),
    ("floor to ceiling", of("distance", Floor(), Ceiling()), 2.5, "m"),
    ("camera", of("bottom", ME), 1.0, "m"),
    ("camera to the ceiling", of("distance", ME, Ceiling()), 1.5, "m"),
    # Sizes
    ("width", of("width", TABLE), 1.2, "m"),
    ("depth", of("depth", TABLE), 0.8, "m"),
    ("height", of("height", RED), 0.9, "m"),
    ("length", of("length", SOFA), 2.0, "m"),
    ("size", of("size", TABLE), (1.2, 0.8, 0.8), "m"),
    ("volume", of("volume", TABLE), 0.768, "m3"),
    ("floor space", of("area", TABLE), 0.96, "m2"),
    ("bottom", of("bottom", MUG), 0.8, "m"),
    ("top", of("top", MUG), 0.9, "m"),
    ("free height of a table", of("clearance", TABLE), 0.75, "m"),
    ("free height of what hangs", of("clearance", HANGING), 2.0, "m"),
    ("free height of what stands", of("clearance", SOFA), 0.0, "m"),
    # The room
    ("room's floor", of("area", Room()), 24.0, "m2"),
    ("room's volume", of("volume", Room()), 60.0, "m3"),
    ("room's size", of("size", Room()), (6.0, 4.0, 2.5), "m"),
    ("room's length", of("length", Room()), 6.0, "m"),
    ("room's width", of("width", Room()), 4.0, "m"),
    ("room's height", of("height", Room()), 2.5, "m"),
    # Time
    ("first seen", of("first_seen", SOFA), 5.0, "s"),
    ("last seen", of("last_seen", SOFA), 58.0, "s"),
    ("how long ago", of("unseen_for", FLOOR_LAMP), 40.0, "s"),
    # Directions as numbers
    ("bearing", of("bearing", RED), math.degrees(math.atan2(1, 3)), "deg"),
    (
        "angle between two",
        Arithmetic("difference", (of("bearing", FLOOR_LAMP), of("bearing", BLUE))),
        -135 - math.degrees(math.atan2(2.2, 1)) + 360,
        "deg",
    ),
    # Put together
    ("difference", Arithmetic("difference", (of("height", BLUE), of("height", RED))), 0.1, "m"),
    ("ratio", Arithmetic("ratio", (of("width", SOFA), of("width", TABLE))), 5 / 3, ""),
    ("sum", Arithmetic("sum", (of("width", SOFA), of("width", TABLE))), 3.2, "m"),
    ("mean", Arithmetic("mean", (of("width", SOFA), of("width", TABLE))), 1.6, "m"),
    ("product", Arithmetic("product", (of("width", SOFA), of("depth", TABLE))), 1.6, "m2"),
    ("percent", Arithmetic("percent", (Count(CHAIRS), Count(ALL))), 200 / 7, "percent"),
    ("mean height", Over("mean", of("height", IT), CHAIRS), 0.95, "m"),
    ("whole floor space", Over("sum", of("area", IT), CHAIRS), 0.41, "m2"),
    ("greatest height", Over("greatest", of("height", IT), ALL), 1.6, "m"),
    ("least gap", Over("least", of("gap", IT, TABLE), ALL), 0.0, "m"),
    ("of the nearest", of("height", The(Rank(CHAIRS, FAR, count=1))), 1.0, "m"),
    ("of what is on it", of("height", Filter(ALL, Related("on", IT, (TABLE,)))), 0.1, "m"),
]


@pytest.mark.parametrize(("number", "value", "unit"), [n[1:] for n in NUMBERS],
                         ids=[n[0] for n in NUMBERS])  # fmt: skip
def test_numbers(number: Number, value: Any, unit: str) -> None:
    result = ask(TellNumber(number))
    wanted = value if isinstance(value, tuple) else (value,)
    assert result.type == ResultType.NUMBER
    assert result.values == pytest.approx(wanted, abs=1e-9)
    assert result.unit == unit
    assert len(result.std_devs) == len(wanted)
    assert all(sigma >= 0 for sigma in result.std_devs)
    assert spoken(abs(result.values[0]), result.unit) in result.text


@pytest.mark.parametrize(
    ("unit", "value", "words"),
    [
        ("ft in", 1.2 / 0.3048, "3 ft 11.2 in"),
        ("in", 1.2 / 0.0254, "47.2 in"),
        ("cm", 120.0, "120.0 cm"),
        ("mm", 1200.0, "1200 mm"),
    ],
)
def test_units(unit: Any, value: float, words: str) -> None:
    result = ask(TellNumber(of("width", TABLE), unit))
    assert result.values == pytest.approx((value,))
    assert result.std_devs == pytest.approx((value / 120,))
    assert result.unit == unit
    assert words in result.text


def related(name: Any, subject: Place, *anchors: Place, frame: Standing | None = None) -> Related:
    return Related(name, subject, anchors, frame)


AT_TABLE = Standing(TABLE, SOFA)
YES_NO: list[tuple[str, Condition, bool]] = [
    ("on", related("on", MUG, TABLE), True),
    ("not on", related("on", RED, TABLE), False),
    ("carries", related("supports", TABLE, MUG), True),
    ("above", related("above", MUG, TABLE), True),
    ("not above, beside", related("above", HANGING, TABLE), False),
    ("below", related("below", TABLE, MUG), True),
    ("higher", related("higher", HANGING, RED), True),
    ("higher than the camera", related("higher", SOFA, ME), False),
    ("lower", related("lower", SOFA, HANGING), True),
    ("inside", related("inside", MUG, TABLE), False),
    ("in the room", related("inside", SOFA, Room()), True),
    ("next to", related("beside", RED, TABLE), True),
    ("not next to what it stands on", related("beside", MUG, TABLE), False),
    ("next to me", related("beside", TABLE, ME), False),
    ("touching", related("touching", MUG, TABLE), True),
    ("not touching", related("touching", RED, TABLE), False),
    ("on the floor", related("on", SOFA, Floor()), True),
    ("hangs above the floor", related("above", HANGING, Floor()), True),
    ("left of", related("left", RED, TABLE), True),
    ("right of", related("right", RED, BLUE), True),
    ("left of me", related("left", RED, ME), True),
    ("right of me", related("right", FLOOR_LAMP, ME), True),
    ("ahead of me", related("front", RED, ME), True),
    ("behind me", related("behind", FLOOR_LAMP, ME), True),
    ("behind", related("behind", TABLE, HANGING), True),
    ("in front", related("front", HANGING, TABLE), True),
    ("deeper but beside", related("behind", SOFA, RED), False),
    ("left of who stands there", related("left", BLUE, frame=AT_TABLE), True),
    ("on my left where I stand", related("left", BLUE, ME, frame=AT_TABLE), True),
    ("behind who stands there", related("behind", FLOOR_LAMP, frame=AT_TABLE), True),
    ("left of another from there", related("left", BLUE, RED, frame=AT_TABLE), True),
    ("between", related("between", RED, TABLE, SOFA), True),
    ("not between", related("between", BLUE, TABLE, SOFA), False),
    ("between the two chairs", related("between", TABLE, The(CHAIRS, 2)), False),
    ("at a wall", related("at_wall", SOFA), True),
    ("not at a wall", related("at_wall", RED), False),
    ("in view", related("in_view", RED), True),
    ("not in view", related("in_view", SOFA), False),
    ("within", Compare(of("distance", ME, RED), "<", Constant(10, "ft")), True),
    ("at least", Compare(of("gap", RED, TABLE), ">=", Constant(50, "cm")), False),
    ("bare number", Compare(of("height", RED), ">", Constant(0.5)), True),
    ("closer", Compare(of("distance", ME, RED), "<", of("distance", ME, SOFA)), True),
    ("bigger", Compare(of("size", SOFA), ">", of("size", TABLE)), True),
    ("fits through", Compare(of("passage", RED, SOFA), ">=", Constant(60, "cm")), True),
    ("fits under", Compare(of("clearance", TABLE), ">=", Constant(0.8, "m")), False),
    ("as many colours", Compare(Count(CHAIRS, "colour"), "==", Constant(2.0)), True),
    ("same material", Compare(Count(Union((RED, TABLE)), "material"), "==", Constant(1.0)), True),
    ("just as many", Compare(Count(CHAIRS), "==", Count(Named("lamp"))), True),
    ("exactly so wide", Compare(of("width", TABLE), "==", Constant(47.2, "in")), True),
    ("exists", Exists(Named("chair", "red")), True),
    ("exists, the wider kind", Exists(Named("table")), True),
    ("exists not", Exists(Named("bicycle")), False),
    ("exists on it", Exists(Filter(ALL, related("on", IT, SOFA))), False),
    ("has the colour", Has(RED, "colour", "crimson"), True),
    ("has not the material", Has(RED, "material", "metal"), False),
    ("is of the kind", Has(BLUE, "kind", "chair"), True),
    ("not", Not(related("in_view", RED)), False),
    ("and", All((related("in_view", RED), related("in_view", SOFA))), False),
    ("or", AnyOf((related("in_view", RED), related("in_view", SOFA))), True),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "holds"), [c[1:] for c in YES_NO],
                         ids=[c[0] for c in YES_NO])  # fmt: skip
def test_yes_and_no(condition: Condition, holds: bool) -> None:
    result = ask(TellWhether(condition))
    assert result.type == ResultType.BOOLEAN
    assert result.boolean is holds
    assert 0.5 <= result.probability <= 1
    assert result.text.startswith("Yes" if holds else "No")


@pytest.mark.parametrize(("comparator", "holds"), [(">", False), (">=", True), ("<=", True),
                                                  ("<", False), ("==", True)])  # fmt: skip
def test_counts_of_sure_things_are_exact(comparator: Any, holds: bool) -> None:
    result = ask(TellWhether(Compare(Count(Named("sofa")), comparator, Constant(1.0))))
    assert (result.boolean, result.probability) == (holds, 1.0)


@pytest.mark.parametrize(
    ("different", "of", "words"),
    [
        ("kind", ALL, "There are 7 kinds: "),
        ("colour", CHAIRS, "There are 2 colours: red and blue."),
        ("colour", Named("lamp"), "There is 1 colour: black."),
        ("material", Named("mug"), "There is 1 material: ceramic."),
        ("colour", Named("bicycle"), "There are 0 colours."),
    ],
)
def test_kinds_and_colours_are_counted_once(different: Any, of: Things, words: str) -> None:
    result = ask(TellNumber(Count(of, different)))
    assert result.type == ResultType.COUNT
    assert f"{result.values[0]:.0f}" in words
    assert result.text.startswith(words)


def test_a_named_thing_without_a_colour_has_no_colour_to_compare() -> None:
    program = TellWhether(Compare(Count(Union((RED, HANGING)), "colour"), "==", Constant(1.0)))
    assert execute(program, MAP).error is QueryError.UNKNOWN_ATTRIBUTE


def test_what_is_at_the_same_place_takes_no_part_in_sides() -> None:
    """The mug stands at the table's centre: it has no direction from there."""
    left = Filter(ALL, Related("left", IT, (), Standing(TABLE, RED)))
    assert "mug_1" not in ask(TellObjects(left)).objects
    assert ask(TellObjects(left)).objects


def where(name: Any, *anchors: Place, frame: Standing | None = None) -> Filter:
    return Filter(ALL, related(name, IT, *anchors, frame=frame))


NEAREST_FIRST = ["lamp_1", "lamp_2", "chair_2", "table_1", "chair_1", "mug_1", "sofa_1"]
LISTS: list[tuple[str, Things, list[str]]] = [
    ("all", ALL, ["table_1", "mug_1", "chair_1", "chair_2", "sofa_1", "lamp_1", "lamp_2"]),
    ("kind", CHAIRS, ["chair_1", "chair_2"]),
    ("narrower kind", Named("office chair"), ["chair_2"]),
    ("synonym", Named("settee"), ["sofa_1"]),
    ("colour", Named(colour="red"), ["mug_1", "chair_1"]),
    ("material", Named("chair", material="plastic"), ["chair_2"]),
    ("on", where("on", TABLE), ["mug_1"]),
    ("under", where("supports", MUG), ["table_1"]),
    ("next to, not itself", where("beside", TABLE), ["chair_1"]),
    ("left of", where("left", TABLE), ["chair_1", "chair_2", "sofa_1"]),
    ("on my right", where("right", ME), ["lamp_1"]),
    ("behind me", where("behind", ME), ["lamp_1"]),
    ("on the right from there", where("right", frame=Standing(SOFA, RED)),
     ["chair_2", "lamp_1", "lamp_2"]),
    ("between", where("between", TABLE, SOFA), ["chair_1"]),
    ("in view", where("in_view"), ["table_1", "mug_1", "chair_1", "lamp_2"]),
    ("within", Filter(ALL, Compare(FAR, "<", Constant(2.2, "m"))),
     ["chair_2", "lamp_1", "lamp_2"]),
    ("near it, not itself", Filter(ALL, Compare(of("gap", IT, TABLE), "<", Constant(0.5, "m"))),
     ["mug_1", "chair_1"]),
    ("taller", Filter(ALL, Compare(of("height", IT), ">", Constant(95, "cm"))),
     ["chair_2", "lamp_1"]),
    ("not of the kind", Except(ALL, Union((CHAIRS, Named("lamp")))),
     ["table_1", "mug_1", "sofa_1"]),
    ("not in view", Filter(ALL, Not(related("in_view", IT))), ["chair_2", "sofa_1", "lamp_1"]),
    ("sorted", Rank(ALL, FAR), NEAREST_FIRST),
    ("two nearest", Rank(ALL, FAR, count=2), NEAREST_FIRST[:2]),
    ("second nearest", Rank(ALL, FAR, skip=1, count=1), NEAREST_FIRST[1:2]),
    ("farthest", Rank(ALL, FAR, descending=True, count=1), ["sofa_1"]),
    ("nearest to it, not itself", Rank(ALL, of("gap", IT, RED), count=1), ["table_1"]),
    ("biggest", Rank(ALL, of("size", IT), descending=True, count=1), ["sofa_1"]),
    ("highest", Rank(ALL, of("top", IT), descending=True, count=1), ["lamp_2"]),
    ("leftmost chair", Rank(CHAIRS, of("bearing", IT), descending=True, count=1), ["chair_2"]),
    ("order of appearance", Rank(Union((SOFA, MUG, TABLE)), of("order_seen", IT)),
     ["table_1", "mug_1", "sofa_1"]),
    ("of these", Those(("mug_1", "sofa_1"), "they"), ["mug_1", "sofa_1"]),
    ("nothing", where("on", SOFA), []),
]  # fmt: skip


@pytest.mark.parametrize(("things", "ids"), [t[1:] for t in LISTS], ids=[t[0] for t in LISTS])
def test_lists(things: Things, ids: list[str]) -> None:
    result = ask(TellObjects(things))
    assert result.type == ResultType.OBJECTS
    assert list(result.objects) == ids
    count = ask(TellNumber(Count(things)))
    assert count.type == ResultType.COUNT
    assert count.values == (len(ids),)
    assert count.objects == result.objects
    assert str(len(ids)) in count.text


def test_one_object() -> None:
    result = ask(TellObjects(Rank(CHAIRS, FAR, count=1), one=True))
    assert result.type == ResultType.OBJECT
    assert result.objects == ("chair_2",)
    assert result.text == "The office chair (chair_2)."


def bearing(east: float, north: float) -> float:
    return math.degrees(math.atan2(north, east))


DIRECTIONS: list[tuple[str, TellDirection, float, str, str]] = [
    ("any", TellDirection(BLUE), bearing(1, 2.2), "deg", "front-left"),
    ("degrees", TellDirection(FLOOR_LAMP, "deg"), -135.0, "deg", "back-right"),
    ("clock", TellDirection(BLUE, "clock"), 10.0, "clock", "front-left"),
    ("side", TellDirection(BLUE, "side"), bearing(1, 2.2), "deg", "left"),
    ("from there", TellDirection(BLUE, "side", AT_TABLE),
     bearing(-2, 2.2) - bearing(0.5, 2.5), "deg", "left"),
    ("back", TellDirection(TABLE, "side_or_back", Standing(RED, SOFA)),
     -90 - bearing(0.5, 1.5), "deg", "back"),
    ("quadrant", TellDirection(TABLE, "quadrant", Standing(RED, SOFA)),
     -90 - bearing(0.5, 1.5), "deg", "back-right"),
    ("facing from here", TellDirection(RED, "deg", Standing(ME, BLUE)),
     bearing(3, 1) - bearing(1, 2.2), "deg", "front-right"),
    ("clock from another", TellDirection(RED, "clock", origin=TABLE), 9.0, "clock", "left"),
    ("side of another", TellDirection(RED, "side", relative_to=BLUE),
     bearing(3, 1) - bearing(1, 2.2), "deg", "right"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "value", "unit", "word"), [d[1:] for d in DIRECTIONS],
                         ids=[d[0] for d in DIRECTIONS])  # fmt: skip
def test_directions(program: TellDirection, value: float, unit: str, word: str) -> None:
    result = ask(program)
    assert result.type == ResultType.DIRECTION
    assert result.values == pytest.approx((value,))
    assert (result.unit, result.direction) == (unit, word)
    assert result.std_devs[0] > 0


def front_or_behind(subject: Things, anchor: Things) -> TellWhich:
    relations: tuple[Any, Any] = ("front", "behind")
    return TellWhich(relations, tuple(related(r, subject, anchor) for r in relations))


@pytest.mark.parametrize(
    ("program", "word"),
    [
        (front_or_behind(TABLE, HANGING), "behind"),
        (front_or_behind(RED, TABLE), "neither"),  # exactly beside it
        (front_or_behind(SOFA, RED), "behind"),  # deeper, though not in the sector
        (
            TellWhich(
                ("above", "below"), tuple(related(r, RED, HANGING) for r in ("above", "below"))
            ),
            "below",
        ),
    ],
)
def test_which(program: TellWhich, word: str) -> None:
    assert ask(program).word == word


@pytest.mark.parametrize(
    ("attribute", "thing", "word"),
    [("colour", SOFA, "grey"), ("material", MUG, "ceramic"), ("kind", BLUE, "office chair")],
)
def test_attributes(attribute: Any, thing: Things, word: str) -> None:
    result = ask(TellAttribute(attribute, thing))
    assert result.type == ResultType.TEXT
    assert result.word == word
    assert word in result.text


@pytest.mark.parametrize(
    ("route", "word"),
    [
        # At the floor lamp looking along the diagonal, the blue chair is to the left; from there
        # the table is to the right; the mug's table is left again from the sofa.
        (TellTurns(FLOOR_LAMP, TABLE, (BLUE, TABLE)), "left, right"),
        # Walking to what is already faced takes no turn.
        (TellTurns(FLOOR_LAMP, TABLE, (TABLE, SOFA)), "left"),
        (TellTurns(BLUE, TABLE, (TABLE, BLUE)), "back"),
    ],
)
def test_turns(route: TellTurns, word: str) -> None:
    assert ask(route).word == word


def test_regions_of_the_request() -> None:
    program = TellNumber(of("height", RequestRegion(0)))
    assert execute(program, MAP, [MAP.objects[4]]).objects == ("sofa_1",)
    missing = execute(program, MAP)
    assert missing.error == QueryError.UNANSWERABLE
    assert "Region 0" in missing.text
