# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Names for the class numbers of a detector: lists and files of labels, and what to say without.

A number is never a word: "3" is no thing that anybody asks for, and "2" is in many questions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import BadRequestError, quoted
from spatialgeo_ros.runtime.input_files import (
    MOST_YAML_BYTES,
    parse_yaml,
    read_input_text,
)

#: Most names of a list, and the longest one in characters.
MOST_NAMES, LONGEST_NAME = 10_000, 200
_NUMBER = re.compile(r"\s*([+-]?\d+)(?:\.0*)?\s*")
#: Where training frameworks keep the names in their own files: Ultralytics, Hugging Face.
_KEYS = ("names", "id2label")
_SHOWN = 5  # numbers in a message


def class_number(class_id: str) -> int | None:
    """Return the number that a detector gives for a name; None where it is a word."""
    match = _NUMBER.fullmatch(class_id)
    return int(match[1]) if match else None


def names_of_list(names: Sequence[str]) -> dict[int, str]:
    """Return names by number, counted from 0; an empty one names nothing.

    Raises:
        BadRequestError: There are too many, or one is too long.
    """
    return _checked({number: name for number, name in enumerate(names)})


def names_of_text(text: str, source: str) -> dict[int, str]:
    """Return names by number: YAML or JSON (a list, or a table of numbers), or one a line.

    Args:
        text: Of a file or a parameter.
        source: Named in errors.

    Raises:
        BadRequestError: There is no name in it; the message says what was found.
    """
    listed = re.search(r"^\s*(\[|\{|- |[^\s:]+\s*:)", text, flags=re.MULTILINE)
    if listed is None:
        return _found(names_of_list(text.splitlines()), source)
    content: Any = parse_yaml(text, source, BadRequestError)
    for key in _KEYS:
        if isinstance(content, Mapping) and key in content:
            content = content[key]
    if isinstance(content, Mapping):
        numbers = {key: class_number(str(key)) for key in content}
        wrong = next((key for key, number in numbers.items() if number is None), None)
        if wrong is not None:
            raise BadRequestError(
                f"{source}: {quoted(wrong)} is no class number: write a list of names, or a table "
                "such as 'names: {0: cup, 1: chair}'"
            )
        table = {numbers[key]: name for key, name in content.items()}
        return _found(_checked(table), source)
    if isinstance(content, list):
        return _found(names_of_list([_text(one, source) for one in content]), source)
    raise BadRequestError(f"{source} holds no list of names, but {type(content).__name__}")


def read_class_names(path: str | Path) -> dict[int, str]:
    """Return the names of a file; see :func:`names_of_text`.

    Raises:
        BadRequestError: It cannot be read, or has no names.
    """
    whole = Path(path).expanduser()
    return names_of_text(read_input_text(whole, MOST_YAML_BYTES, BadRequestError), str(whole))


def shown(numbers: Iterable[int]) -> str:
    """Return some of a detector's numbers for a sentence."""
    each = sorted(set(numbers))
    more = ", ..." if len(each) > _SHOWN else ""
    return ", ".join(map(str, each[:_SHOWN])) + more


def _text(value: Any, source: str) -> str:
    if isinstance(value, (Mapping, list)):
        raise BadRequestError(f"{source}: a name is {type(value).__name__}, not a word")
    return "" if value is None else str(value)


def _checked(names: Mapping[Any, Any]) -> dict[int, str]:
    if len(names) > MOST_NAMES:
        raise BadRequestError(f"{len(names)} names of classes, allowed are {MOST_NAMES}")
    words = {number: _text(name, "names").strip() for number, name in names.items()}
    for number, name in words.items():
        if len(name) > LONGEST_NAME:
            raise BadRequestError(
                f"the name of class {number} has {len(name)} characters, allowed are {LONGEST_NAME}"
            )
    return {number: name for number, name in words.items() if name}


def _found(names: dict[int, str], source: str) -> dict[int, str]:
    if not names:
        raise BadRequestError(f"{source} holds no names of classes")
    return names
