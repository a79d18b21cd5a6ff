# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The question forms of the benchmarks and of the nano models are understood."""

from __future__ import annotations

import dataclasses

import pytest

from spatialgeo_ros.query.families import QUALITATIVE, QUANTITATIVE
from spatialgeo_ros.query.parser import parse
from spatialgeo_ros.query.program import (
    It,
    Named,
    Program,
    Quantity,
    Rank,
    RequestRegion,
    TellDirection,
    TellNumber,
    TellObjects,
    TellTurns,
    TellWhether,
    TellWhich,
    The,
    Union,
)
from spatialgeo_ros.query.program_edit import nodes

PAIRED = """
TellWhether left: Is {a} to the left of {b} from the viewer's perspective?
TellWhether left: Does {a} appear on the left side of {b}?
TellWhether left: Can you confirm if {a} is positioned to the left of {b}?
TellWhether right: Does {a} appear on the right side of {b}?
TellWhether above: Is {a} above {b}?
TellWhether higher: Does {a} have a higher position compared to {b}?
TellWhether above: Can you confirm if {a} is positioned above {b}?
TellWhether lower: Does {a} have a lower position compared to {b}?
TellWhether behind: Does {a} lie behind {b}?
TellWhether behind: Can you confirm if {a} is positioned behind {b}?
TellWhether distance: Is the position of {a} more distant than that of {b}?
TellWhether distance: Is the position of {a} less distant than that of {b}?
TellWhether front: Does {a} come in front of {b}?
TellWhether height: Is {a} taller than {b}?
TellWhether height: Does {a} have a greater height compared to {b}?
TellWhether height: Does {a} have a lesser height compared to {b}?
TellWhether height: Can you confirm if {a} is taller than {b}?
TellWhether width: Does {a} have a greater width compared to {b}?
TellWhether width: Is {a} thinner than {b}?
TellWhether volume: Does {a} have a larger size compared to {b}?
TellWhether volume: Is {a} bigger than {b}?
TellObjects bearing: Which is more to the left, {a} or {b}?
TellObjects bearing: Between {a} and {b}, which one appears on the left side?
TellObjects bearing: Who is positioned more to the right, {a} or {b}?
TellObjects top: Which is above, {a} or {b}?
TellObjects top: Between {a} and {b}, which one is positioned higher?
TellObjects bottom: Who is lower down, {a} or {b}?
TellObjects behind: Which is behind, {a} or {b}?
TellObjects front: Which of these two, {a} or {b}, is in front?
TellObjects height: Between {a} and {b}, which one has more height?
TellObjects height: Who is taller, {a} or {b}?
TellObjects height: Which of these two, {a} or {b}, stands taller?
TellObjects width: Between {a} and {b}, which one has less width?
TellObjects width: Which of these two, {a} or {b}, appears wider?
TellObjects volume: Between {a} and {b}, which one is smaller in size?
TellNumber distance: What is the distance between {a} and {b}?
TellNumber distance: How far apart are {a} and {b}?
TellNumber distance: How distant is {a} from {b}?
TellNumber distance: How close is {a} from {b}?
TellNumber distance: Could you measure the distance between {a} and {b}?
TellNumber distance: Can you tell me the distance of {a} from {b}?
TellNumber distance: Can you provide the distance measurement between {a} and {b}?
TellNumber distance: Can you give me an estimation of the distance between {a} and {b}?
TellNumber horizontal: What is the horizontal distance between {a} and {b}?
TellNumber horizontal: How far away is {a} from {b} horizontally?
TellNumber horizontal: Can you tell me the horizontal distance of {a} from {b}?
TellNumber vertical: What is the vertical distance between {a} and {b}?
TellNumber vertical: How distant is {a} from {b} vertically?
TellNumber vertical: Measure the vertical distance from {a} to {b}.
TellDirection RequestRegion: If you are at {a}, where will you find {b}?
TellDirection RequestRegion: In which clock direction is {b} from {a}?
""".strip().splitlines()
SINGLE = """
width: What is the width of {a}?
width: How wide is {a}?
width: Determine the width of {a}.
width: What is the measurement of the width of {a}?
width: What is the approximate width of {a}?
width: How big is {a} in terms of width?
height: How tall is {a}?
height: Could you tell me the height of {a}?
height: What is the vertical dimension of {a}?
height: Can you provide the height of {a}?
""".strip().splitlines()


@pytest.mark.parametrize("line", PAIRED)
@pytest.mark.parametrize("names", [("Region [0]", "Region [1]"), ("<region>", "<region>")])
def test_two_regions(line: str, names: tuple[str, str]) -> None:
    kind, _, template = line.partition(": ")
    program = parse(template.replace("{a}", names[0]).replace("{b}", names[1]))
    type_name, about = kind.split()
    assert type(program).__name__ == type_name
    assert about in repr(program)
    assert {n.index for n in nodes(program) if isinstance(n, RequestRegion)} == {0, 1}


@pytest.mark.parametrize("line", SINGLE)
def test_one_region(line: str) -> None:
    name, _, template = line.partition(": ")
    expected = TellNumber(Quantity(name, (The(RequestRegion(2)),)))  # type: ignore[arg-type]
    program = parse(template.replace("{a}", "Region [2]"))
    assert program in (expected, TellNumber(Quantity(name, (RequestRegion(2),))))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("How many chair(s) are in this room?", TellNumber),
        (
            "Measuring from the closest point of each object, what is the direct distance between"
            " the sofa and the tv (in meters)?",
            TellNumber,
        ),
        (
            "What is the length of the longest dimension (length, width, or height) of the sofa,"
            " measured in centimeters?",
            TellNumber,
        ),
        (
            "What is the size of this room (in square meters)? If multiple rooms are shown,"
            " estimate the size of the combined space.",
            TellNumber,
        ),
        (
            "Measuring from the closest point of each object, which of these objects (sofa, tv,"
            " table, stool) is the closest to the door?",
            TellObjects,
        ),
        (
            "If I am standing by the sofa and facing the tv, is the table to my front-left,"
            " front-right, back-left, or back-right? The directions refer to the quadrants of a"
            " Cartesian plane (if I am standing at the origin and facing along the positive"
            " y-axis).",
            TellDirection,
        ),
        (
            "If I am standing by the sofa and facing the tv, is the table to my left, right, or"
            " back? An object is to my back if I would have to turn at least 135 degrees in order"
            " to face it.",
            TellDirection,
        ),
        (
            "If I am standing by the sofa and facing the tv, is the table to the left or the right"
            " of the sofa?",
            TellDirection,
        ),
        (
            "What will be the first-time appearance order of the following categories in the"
            " video: sofa, tv, table, stool?",
            TellObjects,
        ),
        (
            "You are a robot beginning at the sofa facing the tv. You want to navigate to the"
            " door. You will perform the following actions (Note: for each [please fill in],"
            " choose either 'turn back,' 'turn left,' or 'turn right.'): 1. Go forward until the"
            " tv 2. [please fill in] 3. Go forward until the door. You have reached the final"
            " destination.",
            TellTurns,
        ),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "",
)
def test_video_benchmark(question: str, kind: type[Program]) -> None:
    assert isinstance(parse(question), kind)


def test_wordings_of_the_nano_models() -> None:
    kinds = (TellNumber, TellWhether, TellWhich, TellObjects, TellDirection)
    said = [
        text.format(a="the red chair", b="the table")
        for family in (*QUANTITATIVE.values(), *QUALITATIVE.values())
        for text in _texts(family)
    ]
    assert len(said) > 60
    for question in said:
        assert isinstance(parse(question), kinds), question


def _texts(family: object) -> list[str]:
    """Return every template of a family, however it keeps them."""
    found: list[str] = []
    queue: list[object] = [dataclasses.asdict(family)]  # type: ignore[call-overload]
    while queue:
        one = queue.pop()
        if isinstance(one, str):
            found += [one] if "{a}" in one and "?" in one else []
        elif isinstance(one, dict):
            queue.extend(one.values())
        elif isinstance(one, list | tuple):
            queue.extend(one)
    return found


def test_any_object_of_a_category_counts_where_the_benchmark_says_so() -> None:
    closest = parse(
        "Measuring from the closest point of each object, which of these objects (chair, lamp) is"
        " the closest to the door? If there are multiple instances of an object category, measure"
        " to the closest."
    )
    by = Quantity("gap", (It(), The(Named("door"))))
    either = Union((Named("chair"), Named("lamp")))
    assert closest == TellObjects(Rank(either, by, count=1), one=True)
    order = parse(
        "What will be the first-time appearance order of the following categories in the video:"
        " chair, lamp, door?"
    )
    seen = Quantity("order_seen", (It(),))
    first = tuple(Rank(Named(kind), seen, count=1) for kind in ("chair", "lamp", "door"))
    assert order == TellObjects(Rank(Union(first), seen))
