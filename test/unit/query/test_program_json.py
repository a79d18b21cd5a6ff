# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Programs as JSON: every node there and back, errors that say where, bounds, the schema."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from spatialgeo_ros.query import program as p
from spatialgeo_ros.query import program_json as form

SCHEMA_PAGE = Path(__file__).resolve().parents[3] / "docs" / "query_schema.json"

CHAIRS = p.Named("chair", "red", "wood", ("wobbly",))
NEAREST = p.Rank(
    p.Except(p.Union((CHAIRS, p.Everything())), p.Those(("chair_1",), "it")),
    p.Quantity("distance", (p.Viewer(), p.It())),
    descending=True,
    skip=1,
    count=2,
)
NEXT = p.Filter(p.Named("table"), p.Related("beside", p.It(), (p.The(CHAIRS, 2),)))
STANDING = p.Standing(p.Named("sofa"), p.Viewer())
PROGRAMS: tuple[p.Program, ...] = (
    p.TellNumber(
        p.Arithmetic(
            "difference",
            (
                p.Over("mean", p.Quantity("height", (p.It(),)), NEXT),
                p.Quantity("bearing", (p.RequestRegion(0),), STANDING),
                p.Constant(2.5, "ft"),
                p.Count(NEAREST),
            ),
        ),
        "ft in",
    ),
    p.TellWhether(
        p.All(
            (
                p.Any((p.Not(p.Exists(p.Everything())), p.Has(NEXT, "colour", "red"))),
                p.Compare(p.Quantity("gap", (p.Floor(), p.Ceiling())), "<", p.Constant(1.0, "m")),
                p.Related("inside", p.Room(), (p.Wall("behind"),), STANDING),
            )
        )
    ),
    p.TellObjects(NEAREST, one=True),
    p.TellDirection(CHAIRS, "clock", STANDING, p.Viewer(), NEXT),
    p.TellWhich(("front",), (p.Exists(CHAIRS),)),
    p.TellAttribute("material", CHAIRS),
    p.TellTurns(p.Named("door"), p.Named("bed"), (p.Named("desk"),)),
)


def classes_in(node: Any) -> set[type]:
    if isinstance(node, tuple):
        return set().union(*map(classes_in, node))
    if not dataclasses.is_dataclass(node):
        return set()
    return {type(node)}.union(
        *(classes_in(getattr(node, one.name)) for one in dataclasses.fields(node))
    )


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: type(one).__name__)
def test_programs_come_back(program: p.Program) -> None:
    assert form.from_text(json.dumps(form.to_json(program))) == program


def test_the_programs_above_hold_every_node() -> None:
    every = {one for one in vars(p).values() if dataclasses.is_dataclass(one)}
    assert classes_in(PROGRAMS) == every


def test_defaults_may_be_left_out() -> None:
    short = {"op": "tell_objects", "things": {"op": "named", "kind": "chair"}}
    assert form.from_json(short) == p.TellObjects(p.Named("chair"))


def objects(**fields: Any) -> dict[str, Any]:
    return {"op": "tell_objects", "things": fields}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "program must be an object with an 'op' of 'tell_number', .* not a list"),
        ({"op": "named"}, "program.op must be one of 'tell_number', .* not 'named'"),
        ({}, "program.op must be one of .* not nothing"),
        ({"op": ["x"]}, "program.op must be one of .* not a list"),
        ({"op": "tell_objects"}, r"program \(tell_objects\) needs the field 'things'"),
        (objects(op="viewer"), "program.things.op must be one of 'everything', .* not 'viewer'"),
        (objects(op="named", kind=3), "program.things.kind must be a string of .* not '3'"),
        (objects(op="named", kind="x" * 201), "program.things.kind must be a string of at most"),
        (objects(op="named", noun="x"), r"things \(named\) has no field 'noun'; it has 'kind', "),
        (objects(op="named", unknown="x"), "program.things.unknown must be a list, not 'x'"),
        (objects(op="those", ids=[1]), r"program.things.ids\[0\] must be a string"),
        (objects(op="request_region", index=-1), "index must be a whole number from 0, not '-1'"),
        (objects(op="request_region", index=True), "index must be a whole number"),
        (objects(op="request_region", index=1.5), "index must be a whole number"),
        (
            {"op": "tell_objects", "things": {"op": "everything"}, "one": 1},
            "program.one must be true or false, not '1'",
        ),
        (
            {"op": "tell_number", "number": {"op": "constant", "value": float("nan")}},
            "program.number.value must be a number up to 1e9, not 'nan'",
        ),
        (
            {"op": "tell_number", "number": {"op": "constant", "value": 10**5000}},
            "value must be a number up to 1e9, not so large a number",
        ),
        (
            {"op": "tell_number", "number": {"op": "constant", "value": 1}, "unit": "furlong"},
            "program.unit must be one of '', 'm', .* not 'furlong'",
        ),
    ],
)
def test_errors_name_the_place_and_what_may_stand_there(data: object, message: str) -> None:
    with pytest.raises(form.BadProgramError, match=message):
        form.from_json(data)


def nested(depth: int) -> dict[str, Any]:
    things: dict[str, Any] = {"op": "everything"}
    for _ in range(depth):
        things = {"op": "the", "of": things}
    return {"op": "tell_objects", "things": things}


def test_depth_is_bounded() -> None:
    form.from_json(nested(18))
    with pytest.raises(form.BadProgramError, match="nested deeper than 20"):
        form.from_json(nested(19))


def test_size_is_bounded() -> None:
    with pytest.raises(form.BadProgramError, match="more than 200 nodes"):
        form.from_json(objects(op="union", of=[{"op": "everything"}] * 200))
    with pytest.raises(form.BadProgramError, match="more than 200 nodes"):
        form.from_json(objects(op="those", ids=["a"] * 200))


@pytest.mark.parametrize(
    "text", ["{", "[" * 90_000, '"' + "x" * 200_000 + '"', "1" * 90_000, '{"op": NaN}', ""]
)
def test_hostile_text_is_refused_at_once(text: str) -> None:
    begin = time.perf_counter()
    with pytest.raises(form.BadProgramError):
        form.from_text(text)
    assert time.perf_counter() - begin < 1


def test_the_published_schema_is_the_code_s() -> None:
    """After a change: python -m spatialgeo_ros.query.program_json > docs/query_schema.json."""
    assert json.loads(SCHEMA_PAGE.read_text()) == form.schema()


def accepts(schema: dict[str, Any], rule: dict[str, Any], data: Any) -> bool:
    """The part of JSON schema that ours uses."""
    if "$ref" in rule:
        return accepts(schema, schema["$defs"][rule["$ref"].split("/")[-1]], data)
    if "anyOf" in rule:
        return any(accepts(schema, one, data) for one in rule["anyOf"])
    if "const" in rule:
        return data == rule["const"]
    if "enum" in rule:
        return data in rule["enum"]
    if rule["type"] == "object":
        return (
            isinstance(data, dict)
            and set(rule["required"]) <= set(data) <= set(rule["properties"])
            and all(accepts(schema, rule["properties"][key], one) for key, one in data.items())
        )
    if rule["type"] == "array":
        return isinstance(data, list) and all(accepts(schema, rule["items"], x) for x in data)
    python = {"string": str, "number": float, "integer": int, "boolean": bool, "null": type(None)}
    return type(data) is python[rule["type"]]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda one: type(one).__name__)
def test_the_schema_accepts_programs(program: p.Program) -> None:
    schema = form.schema()
    assert accepts(schema, schema, form.to_json(program))
    assert not accepts(schema, schema, {**form.to_json(program), "more": 1})


def test_the_schema_explains_fields() -> None:
    rank = form.schema()["$defs"]["rank"]
    assert rank["properties"]["descending"]["description"] == "greatest first."
    assert rank["required"] == ["op", "of", "by"]
    assert form.schema()["$defs"]["related"]["properties"]["subject"] == {
        "$ref": "#/$defs/Place",
        "description": "what is said to be somewhere.",
    }


def test_the_examples_of_the_docs_are_programs(repository: Path) -> None:
    text = (repository / "docs" / "questions.md").read_text()
    examples = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert len(examples) >= 2
    for example in examples:
        assert form.from_text(example)
