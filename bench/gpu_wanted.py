# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the project wants on an H100 or H200, beside what ``bench.gpu`` has measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bench.checkpoint_files import LAYERS
from bench.common import digits, table

Numbers = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Aim:
    """A number that is wanted.

    Attributes:
        what: In words.
        wanted: The bound.
        value: Takes it from the numbers of all parts; KeyError where one was not measured.
        least: Whether it is a lower bound.
        unit: For the table.
    """

    what: str
    wanted: float
    value: Callable[[Numbers], float]
    least: bool = False
    unit: str = ""


def _call(numbers: Numbers, way: str) -> float:
    (found,) = [v for k, v in numbers["depth"].items() if k.endswith(f": {way}")]
    return found


def _load(name: str, key: str) -> Callable[[Numbers], float]:
    """Of a load of every layer: fewer say nothing about the aim."""
    return lambda n: n["loading"][f"{name}: {key}" if n["loading"]["layers"] == LAYERS else "all"]


def _second(part: str, prefix: str) -> Callable[[Numbers], float]:
    """Of the time to the first token, by :func:`bench.gpu_parts.language.asked_twice`."""
    return lambda n: n[part][f"{prefix}second"] / n[part][f"{prefix}first"]


_SECOND = "first token of a second question over that of the first"
_AT_ONCE = "the same, asked the moment an answer is broken off"
_TIMES = "times the loop of one launch a kernel"
_FIRST = "from the page cache, files hashed for the first time"
_KNOWN = "from the page cache, hashes known"
_PACKED = "packed, from the page cache"
AIMS = (
    Aim("tokens a second, NF4", 120, lambda n: n["nf4_decoding"]["graph"], True),
    Aim(f"{_TIMES}, NF4", 8, lambda n: n["nf4_decoding"]["times"], True),
    Aim("tokens a second, fp16", 120, lambda n: n["fp16_decoding"]["graph"], True),
    Aim(f"{_TIMES}, fp16", 8, lambda n: n["fp16_decoding"]["times"], True),
    Aim(f"{_SECOND}, NF4", 0.20, _second("nf4_questions", "idle ")),
    Aim("the same, fp16", 0.20, _second("fp16_questions", "idle ")),
    Aim(f"{_AT_ONCE}, NF4", 0.20, _second("nf4_questions", "")),
    Aim(f"{_AT_ONCE}, fp16", 0.20, _second("fp16_questions", "")),
    Aim(
        "most memory of NF4 while it answers", 5.9, lambda n: n["nf4_questions"]["peak"], False,
        "GiB",
    ),
    Aim(
        "that over the fp16 reference without reuse", 0.40,
        lambda n: n["nf4_questions"]["peak"] / n["fp16_reference"]["peak"],
    ),
    Aim(
        "a node's depth calls a second, MoGe-2 S, 777 patches", 90,
        lambda n: 1 / _call(n, "depth call"), True,
    ),
    Aim(
        "a depth call over its network alone", 1.25,
        lambda n: _call(n, "depth call") / _call(n, "network alone"),
    ),
    Aim("loading NF4, files hashed for the first time", 15, _load(_FIRST, "seconds"), unit="s"),
    Aim("loading NF4", 15, _load(_KNOWN, "seconds"), unit="s"),
    Aim("loading packed NF4", 6, _load(_PACKED, "seconds"), unit="s"),
    Aim("anonymous memory while loading NF4", 2, _load(_FIRST, "anonymous"), unit="GiB"),
    Aim("the same, packed", 2, _load(_PACKED, "anonymous"), unit="GiB"),
)  # fmt: skip


def wanted(parts: Mapping[str, Any]) -> str:
    """Table of the aims, with what the parts of a benchmark's file have found."""
    numbers = {
        name: facts["outcome"]["numbers"] for name, facts in parts.items() if "outcome" in facts
    }
    rows = []
    for aim in AIMS:
        bound = f"{'>=' if aim.least else '<='} {digits(aim.wanted)} {aim.unit}".strip()
        try:
            value = aim.value(numbers)
        except (KeyError, ValueError, ZeroDivisionError):
            rows.append([aim.what, bound, "not measured", ""])
            continue
        met = value >= aim.wanted if aim.least else value <= aim.wanted
        shown = f"{digits(value)} {aim.unit}".strip()
        rows.append([aim.what, bound, shown, "yes" if met else "**no**"])
    return table(("what", "wanted", "measured", "met"), rows)
