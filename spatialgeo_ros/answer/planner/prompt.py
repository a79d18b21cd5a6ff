# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a planner is told: the nodes of programs, what their words mean, examples, the question.

The list of nodes is written from the schema of programs, so it cannot fall behind it. The whole
prompt has some 3000 tokens, of which all but the question is the same every time.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Collection
from typing import Any, TypeAlias, get_args

from spatialgeo_ros.answer.planner.examples import EXAMPLES, PREVIOUS, QUANTITIES, RELATIONS, RULES
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.program import QuantityName, RelationName, Unit
from spatialgeo_ros.query.program_json import op_of, schema, to_json

#: What a planner answers where no program can ask the question.
NOT_UNDERSTOOD = "not_understood"
#: Of the nouns in the map, these many of at most so many characters are told.
MOST_NOUNS = 120
_MOST_NOUN = 40
#: Long lists of words that stand once, under a heading of their own.
_LISTS = {get_args(QuantityName): "QUANTITY", get_args(RelationName): "RELATION",
          get_args(Unit): "UNIT"}  # fmt: skip

Message: TypeAlias = dict[str, str]


def messages(
    question: str, nouns: Collection[str], dialogue: Dialogue, regions: int
) -> list[Message]:
    """Return the conversation that asks for the program of a question."""
    return [
        {"role": "system", "content": instructions()},
        {"role": "user", "content": _asked(question, nouns, dialogue, regions)},
    ]


def repair(reply: str, problem: str) -> list[Message]:
    """Return what goes on from a reply that was no program."""
    return [
        {"role": "assistant", "content": reply[:4000]},
        {
            "role": "user",
            "content": f"That cannot be run: {problem}\nReply with the corrected JSON alone.",
        },
    ]


@functools.cache
def instructions() -> str:
    """Return the part of the prompt that does not depend on the question."""
    parts = (
        RULES,
        "NODES (a field after '?' may be left out; capitals name groups of nodes)\n" + _nodes(),
        "UNIT\n" + "|".join(_text(unit) for unit in get_args(Unit)),
        "QUANTITY\n" + _listed(QUANTITIES),
        "RELATION of the subject to the anchors\n" + _listed(RELATIONS),
        "EXAMPLES\n" + "\n".join(_example(*one) for one in EXAMPLES),
    )
    return "\n\n".join(parts)


@functools.cache
def reply_schema() -> dict[str, Any]:
    """Return the JSON schema of a reply: a program, or that there is none.

    Without what servers that write by a grammar do not know or need: bounds and descriptions.
    """
    whole = schema()
    declined = {
        "type": "object",
        "properties": {"op": {"const": NOT_UNDERSTOOD}, "words": {"type": "string"}},
        "required": ["op", "words"],
        "additionalProperties": False,
    }
    program = {"anyOf": [{"$ref": "#/$defs/Program"}, {"$ref": f"#/$defs/{NOT_UNDERSTOOD}"}]}
    return {
        "type": "object",
        "properties": {"program": program},
        "required": ["program"],
        "additionalProperties": False,
        "$defs": {**_plain(whole["$defs"]), NOT_UNDERSTOOD: declined},
    }


def compact(node: Any) -> Any:
    """Return a program as JSON without the fields that have their default."""
    if isinstance(node, tuple):
        return [compact(one) for one in node]
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        return node
    fields = {one.name: one for one in dataclasses.fields(node)}
    kept = {
        name: compact(getattr(node, name))
        for name in to_json(node)
        if name != "op" and getattr(node, name) != _default(fields[name])
    }
    return {"op": op_of(type(node)), **kept}


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _asked(question: str, nouns: Collection[str], dialogue: Dialogue, regions: int) -> str:
    shown = sorted({noun[:_MOST_NOUN] for noun in nouns})[:MOST_NOUNS]
    lines = [f"Nouns in the map: {_text(shown)}"]
    if dialogue.program is not None:
        before = _text(compact(dialogue.program))
        lines.append(f"Program of the question before: {before}")
        lines.append(f"Ids of its objects: {_text(list(dialogue.objects))}")
    if regions:
        lines.append(f"Regions of the request: {regions} (index 0 to {regions - 1})")
    # As a JSON string: whatever it says, it is one line.
    return "\n".join([*lines, f"Question: {_text(question)}"])


def _example(question: str, program: str) -> str:
    before = f"(after {PREVIOUS}) " if "those" in program else ""
    return f'{before}{question}\n{{"program":{program}}}'


def _listed(meanings: dict[Any, str]) -> str:
    return "\n".join(f"{name}: {meaning}" for name, meaning in meanings.items())


def _nodes() -> str:
    lines = []
    for name, one in schema()["$defs"].items():
        if "anyOf" in one:
            lines.append(f"{name} = {_type(one)}")
            continue
        fields = [
            f"{'' if field in one['required'] else '?'}{field}: {_type(kind)}"
            for field, kind in one["properties"].items()
            if field != "op"
        ]
        summary = one["description"].partition(". ")[0].rstrip(".:").replace("`", "")
        lines.append(f"{name}({', '.join(fields)}) - {summary}")
    return "\n".join(lines)


def _type(kind: dict[str, Any]) -> str:
    """Say a type of the schema in a word or few."""
    if "$ref" in kind:
        return str(kind["$ref"]).rpartition("/")[2]
    if "anyOf" in kind:
        return "|".join(_type(one) for one in kind["anyOf"])
    if "enum" in kind:
        words = tuple(kind["enum"])
        return _LISTS.get(words) or "|".join(map(_text, words))
    if kind["type"] == "array":
        return f"[{_type(kind['items'])}]"
    return str(kind["type"])


def _plain(part: Any) -> Any:
    if isinstance(part, list):
        return [_plain(one) for one in part]
    if not isinstance(part, dict):
        return part
    kept = {}
    for name, one in part.items():
        if name == "properties":  # its names are fields, one of them may be called like a bound
            kept[name] = {field: _plain(kind) for field, kind in one.items()}
        elif name not in ("description", "minimum", "maximum", "maxLength", "maxItems"):
            kept[name] = _plain(one)
    return kept


def _text(data: Any) -> str:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
