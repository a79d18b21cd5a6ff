# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Programs as JSON, for robots' own code and planners, and the schema of that form.

Every node is an object ``{"op": "tell_number", ...}`` with the snake-case name of its class in
:mod:`spatialgeo_ros.query.program` and its fields; fields with a default may be left out. What
comes from outside is bounded in depth, number of nodes and length of strings, so that reading and
running it takes bounded time. ``python -m spatialgeo_ros.query.program_json`` prints the schema.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import re
import types
import typing
from collections.abc import Sequence
from typing import Any

from spatialgeo_ros.errors import BadRequestError, quoted
from spatialgeo_ros.query import program as nodes

#: Nodes that may lie within each other.
MOST_DEPTH = 20
#: Nodes of a whole program, and entries of its lists.
MOST_NODES = 200
#: Characters of a string.
MOST_CHARACTERS = 200
#: Characters of a program's text.
MOST_TEXT = 100_000
#: Magnitude of a number.
MOST_NUMBER = 1e9

_UNIONS: dict[str, Any] = {
    "Program": nodes.Program,
    "Place": nodes.Place,
    "Things": nodes.Things,
    "Number": nodes.Number,
    "Condition": nodes.Condition,
}


class BadProgramError(BadRequestError):
    """JSON that is no program: the message names the place in it and what may stand there."""


def op_of(node_class: type) -> str:
    """Return the name of a node in JSON: "tell_number" for TellNumber."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", node_class.__name__).lower()


@functools.cache
def _classes() -> dict[str, type]:
    """Class of each node by its name in JSON."""
    own = (value for value in vars(nodes).values() if isinstance(value, type))
    return {op_of(one): one for one in own if dataclasses.is_dataclass(one)}


def _stored(node_class: type) -> list[dataclasses.Field[Any]]:
    """Return the fields of a node that mean something; words of the question are for messages."""
    return [one for one in dataclasses.fields(node_class) if one.compare]


@functools.cache
def _fields(node_class: type) -> dict[str, tuple[Any, bool]]:
    """Type of each field of a node, and whether it must be given."""
    hints = typing.get_type_hints(node_class)
    missing = dataclasses.MISSING
    return {
        one.name: (hints[one.name], one.default is missing and one.default_factory is missing)
        for one in _stored(node_class)
    }


def _choices(hint: Any) -> tuple[Any, ...]:
    """The alternatives of a type: itself, if it is no union."""
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return typing.get_args(hint)
    return (hint,)


# Writing ----------------------------------------------------------------------------------------


def to_json(node: Any) -> Any:
    """Return a program, or any part of one, as what ``json.dumps`` takes."""
    if dataclasses.is_dataclass(node) and not isinstance(node, type):
        fields = {one.name: to_json(getattr(node, one.name)) for one in _stored(type(node))}
        return {"op": op_of(type(node)), **fields}
    if isinstance(node, tuple):
        return [to_json(one) for one in node]
    return node


# Reading ----------------------------------------------------------------------------------------


def from_text(text: str) -> nodes.Program:
    """Read a program from JSON text.

    Raises:
        BadProgramError: it is too long, no JSON or no program.
    """
    if len(text) > MOST_TEXT:
        raise BadProgramError(f"The program has more than {MOST_TEXT} characters.")
    try:
        data = json.loads(text)
    except RecursionError:
        raise BadProgramError("The program is nested too deeply.") from None
    except ValueError as error:
        raise BadProgramError(f"The program is no JSON: {error}.") from None
    return from_json(data)


def from_json(data: object) -> nodes.Program:
    """Read a program from decoded JSON.

    Raises:
        BadProgramError: it is no program; the message names the path and what is allowed there.
    """
    program: nodes.Program = _Reader().read(data, nodes.Program, "program", 0)
    return program


class _Reader:
    """Reads one program and counts what it holds."""

    def __init__(self) -> None:
        self._count = 0

    def read(self, data: object, hint: Any, path: str, depth: int) -> Any:
        """Return the value of a field of a type, or raise BadProgramError."""
        self._count += 1
        if self._count > MOST_NODES:
            raise BadProgramError(f"The program has more than {MOST_NODES} nodes and entries.")
        choices = _choices(hint)
        if data is None and type(None) in choices:
            return None
        classes = [one for one in choices if dataclasses.is_dataclass(one)]
        if classes:
            return self._node(data, classes, path, depth + 1)
        (kind,) = (one for one in choices if one is not type(None))
        if typing.get_origin(kind) is tuple:
            if not isinstance(data, list):
                raise BadProgramError(f"{path} must be a list, not {_shown(data)}.")
            entry = typing.get_args(kind)[0]
            return tuple(self.read(one, entry, f"{path}[{i}]", depth) for i, one in enumerate(data))
        if typing.get_origin(kind) is typing.Literal:
            allowed = typing.get_args(kind)
            if not isinstance(data, str) or data not in allowed:
                raise BadProgramError(
                    f"{path} must be one of {_listed(allowed)}, not {_shown(data)}."
                )
            return data
        return _scalar(data, kind, path)

    def _node(self, data: object, classes: Sequence[Any], path: str, depth: int) -> Any:
        if depth > MOST_DEPTH:
            raise BadProgramError(f"{path} is nested deeper than {MOST_DEPTH} nodes.")
        allowed = [op_of(one) for one in classes]
        if not isinstance(data, dict):
            raise BadProgramError(
                f"{path} must be an object with an 'op' of {_listed(allowed)}, not {_shown(data)}."
            )
        op = data.get("op")
        if not isinstance(op, str) or op not in allowed:
            raise BadProgramError(f"{path}.op must be one of {_listed(allowed)}, not {_shown(op)}.")
        node_class = _classes()[op]
        fields = _fields(node_class)
        for name in data:
            if name != "op" and name not in fields:
                raise BadProgramError(
                    f"{path} ({op}) has no field {quoted(name, 40)}; it has {_listed(fields)}."
                )
        values = {}
        for name, (hint, needed) in fields.items():
            if name in data:
                values[name] = self.read(data[name], hint, f"{path}.{name}", depth)
            elif needed:
                raise BadProgramError(f"{path} ({op}) needs the field '{name}'.")
        return node_class(**values)


def _scalar(data: object, kind: Any, path: str) -> Any:
    if kind is bool and isinstance(data, bool):
        return data
    number = isinstance(data, int | float) and not isinstance(data, bool)
    if kind is str:
        if isinstance(data, str) and len(data) <= MOST_CHARACTERS:
            return data
        raise BadProgramError(
            f"{path} must be a string of at most {MOST_CHARACTERS} characters, not {_shown(data)}."
        )
    if kind is float and number:
        if abs(data) <= MOST_NUMBER:  # type: ignore[arg-type]  # NaN is not
            return float(data)  # type: ignore[arg-type]
    if kind is int and isinstance(data, int) and number and 0 <= data <= MOST_NUMBER:
        return data
    what = {bool: "true or false", float: "a number up to 1e9", int: "a whole number from 0"}[kind]
    raise BadProgramError(f"{path} must be {what}, not {_shown(data)}.")


def _shown(data: object) -> str:
    if isinstance(data, dict):
        return "an object"
    if isinstance(data, list):
        return "a list"
    if isinstance(data, int) and not isinstance(data, bool) and abs(data) > MOST_NUMBER:
        return "so large a number"  # a million digits take seconds to write
    return "nothing" if data is None else quoted(data, 40)


def _listed(names: Any) -> str:
    return ", ".join(repr(name) for name in names)


# Schema -----------------------------------------------------------------------------------------


def schema() -> dict[str, Any]:
    """Return the JSON schema of programs (draft 2020-12)."""
    unions = {
        name: {"anyOf": [_reference(op_of(one)) for one in _choices(union)]}
        for name, union in _UNIONS.items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Program of a spatial question",
        "description": (
            f"At most {MOST_NODES} nodes and entries, {MOST_DEPTH} nodes deep. What each quantity "
            "and relation means in numbers is in docs/questions.md."
        ),
        "$ref": "#/$defs/Program",
        "$defs": {**unions, **{op: _node_schema(one) for op, one in _classes().items()}},
    }


def _reference(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _node_schema(node_class: type) -> dict[str, Any]:
    summary, about = _described(node_class)
    properties: dict[str, Any] = {"op": {"const": op_of(node_class)}}
    required = ["op"]
    for name, (hint, needed) in _fields(node_class).items():
        properties[name] = _type_schema(hint)
        if name in about:
            properties[name] = {**properties[name], "description": about[name]}
        if needed:
            required.append(name)
    return {
        "description": summary,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _type_schema(hint: Any) -> dict[str, Any]:
    choices = _choices(hint)
    rest = tuple(one for one in choices if one is not type(None))
    if len(rest) < len(choices):
        return {"anyOf": [_some_schema(rest), {"type": "null"}]}
    return _some_schema(rest)


def _some_schema(choices: tuple[Any, ...]) -> dict[str, Any]:
    """The schema of one or several types, none of them null."""
    for name, union in _UNIONS.items():
        if set(_choices(union)) == set(choices):
            return _reference(name)
    (kind,) = choices
    if dataclasses.is_dataclass(kind):
        return _reference(op_of(typing.cast(type, kind)))
    if typing.get_origin(kind) is tuple:
        entries = _type_schema(typing.get_args(kind)[0])
        return {"type": "array", "items": entries, "maxItems": MOST_NODES}
    if typing.get_origin(kind) is typing.Literal:
        return {"enum": list(typing.get_args(kind))}
    scalars: dict[Any, dict[str, Any]] = {
        str: {"type": "string", "maxLength": MOST_CHARACTERS},
        float: {"type": "number", "minimum": -MOST_NUMBER, "maximum": MOST_NUMBER},
        int: {"type": "integer", "minimum": 0, "maximum": int(MOST_NUMBER)},
        bool: {"type": "boolean"},
    }
    return scalars[kind]


def _described(node_class: type) -> tuple[str, dict[str, str]]:
    """Return the docstring of a node and, by field, its "Attributes:"."""
    text = " ".join((node_class.__doc__ or "").split("Attributes:")[0].split())
    _, _, fields = (node_class.__doc__ or "").partition("Attributes:")
    about: dict[str, str] = {}
    names = "|".join(_fields(node_class)) or "(?!)"
    pieces = re.split(rf"^ {{8}}({names}): ", fields, flags=re.M)
    for name, words in zip(pieces[1::2], pieces[2::2], strict=True):
        about[name] = " ".join(words.split())
    return text, about


if __name__ == "__main__":
    print(json.dumps(schema(), indent=1))
