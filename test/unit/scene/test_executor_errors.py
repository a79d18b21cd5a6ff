# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a map cannot answer: which error, and what its text says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from question_room import MAP, OBJECTS, ROOM, thing, with_objects

from spatialgeo_ros.memory.snapshot import MapSnapshot
from spatialgeo_ros.query.program import (
    Arithmetic,
    Ceiling,
    Compare,
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
    Over,
    Program,
    Quantity,
    Rank,
    Related,
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
    Those,
    Viewer,
    Wall,
)
from spatialgeo_ros.query.result import QueryError, Result, ResultType
from spatialgeo_ros.scene.executor import execute

ME, IT, ALL = Viewer(), It(), Everything()
TABLE, RED = The(Named("table")), The(Named("chair", "red"))


def of(name: Any, *places: Any) -> Quantity:
    return Quantity(name, places)


def number(name: Any, *places: Any) -> TellNumber:
    return TellNumber(of(name, *places))


def fails(program: Program, error: QueryError, world: MapSnapshot = MAP) -> Result:
    result = execute(program, world)
    assert result.type == ResultType.ERROR
    assert result.error == error, result.text
    assert result.values == ()
    return result


# Objects -----------------------------------------------------------------------------------------


def test_unknown_object_names_it_and_what_is_known() -> None:
    text = fails(number("distance", ME, The(Named("kettle"))), QueryError.UNKNOWN_OBJECT).text
    assert text.startswith("I know no kettle. I know of 1 chair, 1 dining table, 1 floor lamp, ")


def test_a_place_is_the_one_object_of_a_set() -> None:
    assert execute(number("height", Named("mug")), MAP).objects == ("mug_1",)
    fails(number("height", Named("chair")), QueryError.AMBIGUOUS)
    fails(number("height", Named("kettle")), QueryError.UNKNOWN_OBJECT)


def test_kinds_that_are_in_no_table_have_plurals_too() -> None:
    world = with_objects(thing("flumph_1", "flumph", (3, 1, 1), (1, 1, 1)))
    assert execute(TellNumber(Count(Named("flumphs"))), world).values == (1.0,)
    assert execute(TellNumber(Count(Named("blue flumph"))), world).values == (0.0,)


def test_it_that_nobody_knows() -> None:
    text = fails(number("height", Those(("nobody",), "it")), QueryError.UNKNOWN_OBJECT).text
    assert text.startswith("I do not know what 'it' is.")


def test_another_colour_is_said() -> None:
    text = fails(number("distance", ME, The(Named("sofa", "red"))), QueryError.UNKNOWN_OBJECT).text
    assert "I know no red sofa; the sofa is grey." in text
    text = fails(
        number("distance", ME, The(Named("chair", "pink"))), QueryError.UNKNOWN_OBJECT
    ).text
    assert "I know no pink chair; the chairs are blue or red." in text
    iron = The(Named("chair", material="iron"))
    assert (
        "the chairs are plastic or wood"
        in fails(number("width", iron), QueryError.UNKNOWN_OBJECT).text
    )


def test_an_unknown_colour_is_said() -> None:
    hanging = The(Named("lamp", "yellow"))
    text = fails(number("distance", ME, hanging), QueryError.UNKNOWN_OBJECT).text
    assert "the lamps are black or of unknown colour" in text
    assert (
        "of 1 lamp I do not know the colour"
        in execute(TellNumber(Count(Named("lamp", "yellow"))), MAP).remarks
    )


def test_no_such_thing_where_it_was_asked_for() -> None:
    on_table = The(Filter(Named("chair"), Related("on", IT, (TABLE,))))
    text = fails(number("distance", ME, on_table), QueryError.UNKNOWN_OBJECT).text
    assert text.startswith("There is no chair on the table.")


def test_ambiguous_lists_the_candidates_with_their_distances() -> None:
    result = fails(number("height", The(Named("chair"))), QueryError.AMBIGUOUS)
    assert set(result.objects) == {"chair_1", "chair_2"}
    assert "chair_2 (2.09 m away), chair_1 (2.91 m away)" in result.text
    assert "2 fit 'chair'" in result.text
    blind = fails(number("height", The(Named("chair"))), QueryError.AMBIGUOUS, without_viewer())
    assert "chair_1 (at 4.00, 2.00)" in blind.text


def test_many_candidates_are_all_named_in_the_fields() -> None:
    world = with_objects(
        *(thing(f"chair_{i}", "chair", (i, 0, 0.5), (0.4, 0.4, 1)) for i in range(30))
    )
    result = fails(TellObjects(Named("chair"), one=True), QueryError.AMBIGUOUS, world)
    assert len(result.objects) == 30
    assert "and 20 more" in result.text


def test_the_two_of_one_or_three() -> None:
    fails(number("distance", The(Named("chair"), 3)), QueryError.AMBIGUOUS)
    result = fails(number("distance", The(Named("mug"), 2)), QueryError.AMBIGUOUS)
    assert result.objects == ("mug_1",)


def test_counts_and_existence_are_never_unknown() -> None:
    count = execute(TellNumber(Count(Named("kettle"))), MAP)
    assert (count.error, count.values, count.objects) == (None, (0.0,), ())
    assert execute(TellWhether(Exists(Named("kettle"))), MAP).boolean is False
    assert execute(TellObjects(Named("kettle")), MAP).objects == ()


def test_adjectives_that_nobody_can_check() -> None:
    result = fails(
        number("distance", ME, The(Named("chair", unknown=("wobbly",)))),
        QueryError.UNKNOWN_ATTRIBUTE,
    )
    assert "'wobbly'" in result.text
    fails(TellNumber(Count(Named("chair", unknown=("cheap",)))), QueryError.UNKNOWN_ATTRIBUTE)


def test_attributes_that_are_not_known() -> None:
    hanging = The(Except(Named("lamp"), Named("floor lamp")))
    text = fails(TellAttribute("colour", hanging), QueryError.UNKNOWN_ATTRIBUTE).text
    assert text == "I do not know the colour of lamp_2."
    fails(TellAttribute("material", hanging), QueryError.UNKNOWN_ATTRIBUTE)
    fails(TellWhether(Has(hanging, "colour", "red")), QueryError.UNKNOWN_ATTRIBUTE)
    # In a list it is neither red nor not red.
    red = Filter(Named("lamp"), Has(IT, "colour", "black"))
    assert execute(TellObjects(red), MAP).objects == ("lamp_1",)


# Time --------------------------------------------------------------------------------------------


def test_remembered_things_say_how_old_they_are() -> None:
    result = execute(number("distance", ME, The(Named("floor lamp"))), MAP)
    assert result.remarks == ("lamp_1 is remembered, last seen 40 s ago",)
    assert execute(number("distance", ME, TABLE), MAP).remarks == ()
    old = replace(MAP, objects=tuple(replace(one, state=1, last_seen_ns=0) for one in OBJECTS))
    assert execute(TellObjects(ALL), old).remarks == (
        "8 of them are remembered, last seen up to 1 min 0 s ago",
    )


def test_what_may_be_gone_is_said() -> None:
    lamp = replace(OBJECTS[5], probability=0.7)
    result = execute(number("distance", ME, The(Named("floor lamp"))), with_objects(lamp))
    assert result.remarks[0].endswith("last seen 40 s ago, still there with probability 0.70")


def test_what_is_gone_is_said_to_be_gone() -> None:
    text = fails(number("distance", ME, The(Named("plant"))), QueryError.UNKNOWN_OBJECT).text
    assert "no plant any more: plant_1 is gone: it was last seen 30 s ago" in text
    count = execute(TellNumber(Count(Named("plant"))), MAP)
    assert count.values == (0.0,)
    assert count.remarks == ("plant_1 is gone: it was last seen 30 s ago",)
    exists = execute(TellWhether(Exists(Named("plant"))), MAP)
    assert not exists.boolean
    assert exists.remarks == count.remarks
    it = fails(number("height", Those(("plant_1",), "it")), QueryError.UNKNOWN_OBJECT)
    assert it.remarks == count.remarks
    assert "plant_1" not in execute(TellObjects(ALL), MAP).objects


# What the map does not know ----------------------------------------------------------------------


def without_viewer() -> MapSnapshot:
    return replace(MAP, viewer=None)


@pytest.mark.parametrize(
    "program",
    [
        number("distance", ME, TABLE),
        number("bearing", TABLE),
        TellDirection(TABLE),
        TellObjects(Rank(ALL, of("distance", ME, IT), count=1), one=True),
        TellWhether(Related("left", TABLE, (RED,))),
        TellWhether(Related("behind", TABLE, (ME,))),
        TellWhether(Related("higher", TABLE, (ME,))),
        number("distance", ME, Wall()),
        number("bottom", ME),
    ],
)
def test_without_a_viewer(program: Program) -> None:
    text = fails(program, QueryError.UNANSWERABLE, without_viewer()).text
    assert "no pose" in text
    assert "TF or odometry" in text


def test_what_needs_no_viewer_is_answered_without() -> None:
    assert execute(number("gap", TABLE, RED), without_viewer()).error is None
    behind = Related("left", RED, (), Standing(TABLE, The(Named("sofa"))))
    assert execute(TellWhether(behind), without_viewer()).error is None


@pytest.mark.parametrize(
    ("program", "room", "cause"),
    [
        (number("area", Room()), None, "walls"),
        (number("distance", ME, Wall()), None, "walls"),
        (TellWhether(Related("at_wall", TABLE)), None, "walls"),
        (number("bottom", TABLE), None, "floor"),
        (number("height", Ceiling()), None, "floor"),
        (number("area", Room()), replace(ROOM, polygon=None), "walls"),
        (number("height", Ceiling()), replace(ROOM, ceiling=None), "ceiling"),
        (number("volume", Room()), replace(ROOM, ceiling=None), "ceiling"),
        (number("distance", TABLE, Ceiling()), replace(ROOM, ceiling=None), "ceiling"),
    ],
)
def test_without_a_room(program: Program, room: Any, cause: str) -> None:
    text = fails(program, QueryError.UNANSWERABLE, replace(MAP, room=room)).text
    assert text.startswith("I cannot tell: ")
    assert cause in text


def test_a_room_without_ceiling_still_has_a_floor_plan() -> None:
    world = replace(MAP, room=replace(ROOM, ceiling=None))
    assert execute(number("size", Room()), world).values == pytest.approx((6, 4))


def test_a_room_that_is_no_rectangle_says_so() -> None:
    corner = replace(ROOM, polygon=[[0, 0], [6, 0], [6, 2], [3, 2], [3, 4], [0, 4]])
    result = execute(number("length", Room()), replace(MAP, room=corner))
    assert result.values == pytest.approx((6,))
    assert "not a rectangle" in result.remarks[0]


def test_outside_the_walls() -> None:
    assert MAP.viewer is not None
    away = replace(MAP, viewer=replace(MAP.viewer, x=9.0))
    text = fails(number("distance", ME, Wall("front")), QueryError.UNANSWERABLE, away).text
    assert "outside" in text


def test_an_empty_map() -> None:
    nothing = with_objects()
    nearest = Rank(ALL, of("distance", ME, IT), count=1)
    text = fails(TellObjects(nearest, one=True), QueryError.EMPTY, nothing).text
    assert "not seen any object" in text
    mean = TellNumber(Over("mean", of("height", IT), Named("chair")))
    fails(mean, QueryError.EMPTY, nothing)
    assert execute(TellObjects(ALL), nothing).objects == ()


# Programs without sense --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "program",
    [
        number("height", IT),
        number("distance", TABLE, RED, ME),
        number("height", TABLE, RED),
        number("width", Wall()),
        number("volume", Floor()),
        number("distance", Wall(), Wall("behind")),
        number("drive", TABLE, Ceiling()),
        TellNumber(of("width", TABLE), "s"),
        TellNumber(Arithmetic("sum", (of("width", TABLE), of("volume", TABLE)))),
        TellNumber(Arithmetic("sum", ())),
        TellNumber(Arithmetic("difference", (of("width", TABLE),))),
        TellNumber(Arithmetic("ratio", (of("first_seen", TABLE), of("width", TABLE)))),
        TellNumber(Arithmetic("product", (of("volume", TABLE), of("width", TABLE)))),
        TellWhether(Compare(of("width", TABLE), "<", Constant(3, "s"))),
        TellWhether(Related("between", TABLE, (RED,))),
        TellWhether(Related("beside", TABLE)),
        TellWhether(Related("behind", TABLE, (Floor(),))),
        TellWhether(Related("left", Wall(), (TABLE,))),
        TellDirection(Ceiling()),
        TellWhich(("front",), ()),
        TellWhich((), ()),
        TellTurns(TABLE, RED, (RED,)),
        TellTurns(TABLE, RED),
        TellObjects(Rank(ALL, of("height", IT), skip=-1)),
    ],
)
def test_programs_without_sense(program: Program) -> None:
    assert len(fails(program, QueryError.NOT_UNDERSTOOD).text) > 10


def test_work_is_bounded() -> None:
    everywhere = with_objects(
        *(thing(f"box_{i}", "box", (i % 40, i // 40, 0.5), (0.4, 0.4, 0.4)) for i in range(1500))
    )
    many: Any = Compare(of("height", IT), ">", Constant(0.1, "m"))
    filters: Any = ALL
    for _ in range(15):
        filters = Filter(filters, many)
    text = fails(TellObjects(filters), QueryError.UNANSWERABLE, everywhere).text
    assert "more than 50000 times" in text


@pytest.mark.parametrize(
    "program",
    [
        number("width", ME),
        TellDirection(TABLE, frame=Standing(TABLE, RED)),
        TellDirection(RED, frame=Standing(TABLE, TABLE)),
        TellNumber(Arithmetic("ratio", (Count(ALL), Count(Named("kettle"))))),
        TellWhether(Related("between", RED, (TABLE, TABLE))),
        TellWhether(Has(ME, "colour", "red")),
    ],
)
def test_numbers_that_are_not_defined(program: Program) -> None:
    fails(program, QueryError.UNANSWERABLE)
