# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Many wordings of one question have one program, and the programs are the right ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatialgeo_ros.query.parser import parse
from spatialgeo_ros.query.program import (
    Arithmetic,
    Compare,
    Constant,
    Count,
    Everything,
    Except,
    Exists,
    Filter,
    Has,
    It,
    Named,
    Not,
    Over,
    Place,
    Program,
    Quantity,
    Rank,
    Related,
    RelationName,
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
    Union,
    Viewer,
    Wall,
)

GROUPS = [
    group.splitlines()
    for group in (Path(__file__).parent / "wordings.txt").read_text().strip().split("\n\n")[1:]
]
CHAIR, TABLE, DOOR = The(Named("chair", "red")), The(Named("table")), The(Named("door"))
ME, IT = Viewer(), It()
NEAR = Quantity("distance", (ME, IT))


@pytest.mark.parametrize("wordings", GROUPS, ids=lambda group: group[0])
def test_wordings_of_a_question_have_one_program(wordings: list[str]) -> None:
    program = parse(wordings[0])
    for wording in wordings[1:]:
        assert parse(wording) == program, wording


def quantity(name: str, *of: Place) -> TellNumber:
    return TellNumber(Quantity(name, of))  # type: ignore[arg-type]


def related(relation: RelationName, *anchors: Place, of: Things = CHAIR) -> TellWhether:
    return TellWhether(Related(relation, of, anchors))


def nearest(things: Things, count: int = 1, skip: int = 0) -> Rank:
    return Rank(things, NEAR, skip=skip, count=count)


@pytest.mark.parametrize(
    ("question", "program"),
    [
        ("How far off is the red chair?", quantity("distance", ME, CHAIR)),
        ("How far away from the table is the red chair?", quantity("distance", CHAIR, TABLE)),
        (
            "How wide is the gap between the red chair and the table?",
            quantity("gap", CHAIR, TABLE),
        ),
        (
            "How far apart are the red chair and the table horizontally?",
            quantity("horizontal", CHAIR, TABLE),
        ),
        ("vertical offset, red chair, table", quantity("vertical", CHAIR, TABLE)),
        ("How far must I walk to reach the red chair?", quantity("drive", ME, CHAIR)),
        ("What height does the red chair have?", quantity("height", CHAIR)),
        ("How high above the ground is the red chair?", quantity("bottom", CHAIR)),
        ("How high does the red chair reach?", quantity("top", CHAIR)),
        ("At what height is the camera mounted?", quantity("bottom", ME)),
        ("How high is the ceiling?", quantity("height", Room())),
        ("How big is the room?", quantity("area", Room())),
        ("How far is the wall behind you?", quantity("distance", ME, Wall("behind"))),
        (
            "How much taller is the red chair than the table?",
            TellNumber(
                Arithmetic(
                    "difference", (Quantity("height", (CHAIR,)), Quantity("height", (TABLE,)))
                )
            ),
        ),
        (
            "What is the average height of the chairs?",
            TellNumber(Over("mean", Quantity("height", (IT,)), Named("chair"))),
        ),
        ("Is the red chair left of the table?", related("left", TABLE)),
        ("Is the red chair on my left?", related("left", ME)),
        ("Is the red chair higher than the table?", related("higher", TABLE)),
        ("Is the table lower than the red chair?", related("lower", CHAIR, of=TABLE)),
        ("Is the red chair against a wall?", related("at_wall")),
        ("Is the red chair visible?", related("in_view")),
        ("Is the red chair between the table and the door?", related("between", TABLE, DOOR)),
        ("Isn't the red chair on the table?", related("on", TABLE)),
        (
            "Is the red chair not on the table?",
            TellWhether(Not(Related("on", CHAIR, (TABLE,)))),
        ),
        (
            "Is the red chair at least twice as tall as the table?",
            TellWhether(
                Compare(
                    Quantity("height", (CHAIR,)),
                    ">=",
                    Arithmetic("product", (Constant(2.0), Quantity("height", (TABLE,)))),
                )
            ),
        ),
        (
            "Is the red chair in front of the table or behind it?",
            TellWhich(
                ("front", "behind"),
                (Related("front", CHAIR, (TABLE,)), Related("behind", CHAIR, (TABLE,))),
            ),
        ),
        ("Where exactly is the red chair?", TellDirection(CHAIR)),
        ("The red chair: at what o'clock?", TellDirection(CHAIR, "clock")),
        (
            "If I stand at the table facing the door, is the red chair on my left or right?",
            TellDirection(CHAIR, "side", Standing(TABLE, DOOR)),
        ),
        ("From the table, at what o'clock is the red chair?",
         TellDirection(CHAIR, "clock", origin=TABLE)),
        (
            "If I turn to the table, is the red chair on my left?",
            TellWhether(Related("left", CHAIR, (), Standing(ME, TABLE))),
        ),
        ("Which chair is nearest?", TellObjects(nearest(Named("chair")), one=True)),
        ("Name the two closest chairs.", TellObjects(nearest(Named("chair"), 2))),
        ("Which object is second closest?", TellObjects(nearest(Everything(), 1, 1), one=True)),
        (
            "What is nearest to the table?",
            TellObjects(
                Rank(Except(Everything(), TABLE), Quantity("gap", (IT, TABLE)), count=1), one=True
            ),
        ),
        (
            "Which of the red chair and the table is taller?",
            TellObjects(
                Rank(Union((CHAIR, TABLE)), Quantity("height", (IT,)), True, count=1), one=True
            ),
        ),
        (
            "List everything on the table except the chairs.",
            TellObjects(
                Except(Filter(Everything(), Related("on", IT, (TABLE,))), Named("chair"))
            ),
        ),
        (
            "Which chairs are red or blue?",
            parse("Which of the chairs are either red or blue?"),
        ),
        (
            "How many objects are within 2 m of me?",
            TellNumber(
                Count(Filter(Everything(), Compare(NEAR, "<=", Constant(2.0, "m"))))
            ),
        ),
        (
            "Are all chairs red?",
            TellWhether(Not(Exists(Filter(Named("chair"), Not(Has(IT, "colour", "red")))))),
        ),
        (
            "Are there more chairs than tables?",
            TellWhether(Compare(Count(Named("chair")), ">", Count(Named("table")))),
        ),
        ("What colour is the red chair?", TellAttribute("colour", CHAIR)),
        ("How long ago did you last see the red chair?", quantity("unseen_for", CHAIR)),
        (
            "In what order did the red chair, the table and the door appear?",
            TellObjects(Rank(Union((CHAIR, TABLE, DOOR)), Quantity("order_seen", (IT,)))),
        ),
        (
            "Can a 60 cm wide robot pass between the red chair and the table?",
            TellWhether(
                Compare(Quantity("passage", (CHAIR, TABLE)), ">=", Constant(60.0, "cm"))
            ),
        ),
        (
            "Would a 1 m tall box fit under the table?",
            TellWhether(Compare(Quantity("clearance", (TABLE,)), ">=", Constant(1.0, "m"))),
        ),
        (
            "My arm is 80 cm long. Can I reach the red chair?",
            TellWhether(Compare(Quantity("distance", (ME, CHAIR)), "<=", Constant(80.0, "cm"))),
        ),
        (
            "Which turns do I make from the red chair facing the table, to the door and the sofa?",
            TellTurns(CHAIR, TABLE, (DOOR, The(Named("sofa")))),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_the_program_is_the_right_one(question: str, program: Program) -> None:
    assert parse(question) == program


@pytest.mark.parametrize(
    ("question", "value", "unit"),
    [
        ("Is the chair within one and a half metres?", 1.5, "m"),
        ("Is the chair within half a meter?", 0.5, "m"),
        ("Is the chair within sixty centimetres?", 60.0, "cm"),
        ("Is the chair within a couple of metres?", 2.0, "m"),
        ("Is the chair closer than 5'3\"?", 5.25, "ft"),
        ("Is the chair closer than 5 feet 3 inches?", 5.25, "ft"),
        ("Is the chair closer than 1,5 m?", 1.5, "m"),
        ("Is the chair closer than 1 m 20 cm?", 1.2, "m"),
        ("Is the chair closer than 3 yards?", 3.0, "yd"),
        ("Is the chair within a quarter of a metre?", 0.25, "m"),
        ("Is the chair within two and a half feet?", 2.5, "ft"),
        ("Is the chair within a single metre?", 1.0, "m"),
    ],
)
def test_amounts(question: str, value: float, unit: str) -> None:
    program = parse(question)
    assert isinstance(program, TellWhether) and isinstance(program.condition, Compare)
    assert program.condition.right == Constant(value, unit)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "unit"),
    [
        ("How far is the chair in feet?", "ft"),
        ("In inches, how far is the chair from the door?", "in"),
        ("How many yards away is the chair?", "yd"),
        ("What is the height of the chair in feet and inches?", "ft in"),
        ("how far in cm is the chair", "cm"),
        ("How many square feet is the room?", "ft2"),
        ("What is the volume of the box in litres?", "l"),
        ("How many minutes ago did you last see the chair?", "min"),
        ("How much taller is the chair than the table in percent?", "percent"),
        ("How tall is the chair? Answer in millimetres.", "mm"),
    ],
)
def test_units(question: str, unit: str) -> None:
    program = parse(question)
    assert isinstance(program, TellNumber) and program.unit == unit
