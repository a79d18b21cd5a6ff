# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A served language model judges SpatialRGPT-Bench; what it said once is not asked again."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import BadRequestError, NoLanguageModelError
from spatialgeo_ros.evaluation.benchmarks import spatialrgpt_judge
from spatialgeo_ros.evaluation.benchmarks.item import Item, Record
from spatialgeo_ros.evaluation.benchmarks.json_lines import read_lines
from spatialgeo_ros.evaluation.benchmarks.served_model import ServedModel, Service, total_spent
from spatialgeo_ros.evaluation.benchmarks.spatialrgpt_bench import (
    DIRECTION,
    LENGTHS,
    Judged,
    group_of,
    is_right,
)
from spatialgeo_ros.evaluation.benchmarks.spatialrgpt_judge_prompts import (
    HOUR_FIELDS,
    HOUR_SCHEMA,
    LENGTH_FIELDS,
    LENGTH_SCHEMA,
    MARK_FIELD,
    MARK_SCHEMA,
    judge_messages,
)

_MOST_TOKENS = 200
_LENGTH, _HOUR, _MARK = "length", "hour", "mark"
_SCHEMAS = {_LENGTH: LENGTH_SCHEMA, _HOUR: HOUR_SCHEMA, _MARK: MARK_SCHEMA}
Pair = tuple[Item, Record]


@dataclass
class Verdicts:
    """All rows as a language model judged them, beside the judge that reads by rules.

    Attributes:
        rows: what the language model read.
        by_group: rows on which the two differ, by group of the table.
        differing: the rows themselves: id, category, reply and both verdicts.
        asked: rows that the server was asked about now; the others were known.
        spent: tokens and cost of all, in words; "" where the server does not say.
    """

    rows: list[Judged] = field(default_factory=list)
    by_group: Counter[str] = field(default_factory=Counter)
    differing: list[dict[str, Any]] = field(default_factory=list)
    asked: int = 0
    spent: str = ""

    def note(self) -> str:
        """Say on how many rows the two judges differ."""
        groups = ", ".join(f"{name} {count}" for name, count in sorted(self.by_group.items()))
        count = len(self.differing)
        return (
            f"the judge that reads by rules gives another verdict on {count} of {len(self.rows)} "
            f"rows{f' ({groups})' if groups else ''}"
        )


class LlmJudge:
    """Judges rows; replies are kept in a file by the hash of what was asked.

    Args:
        service: of the judging model.
        kept: file of the replies, one JSON object a line; made if it is not there.

    Raises:
        BadRequestError: address or key cannot be used, or the file is none of replies.
    """

    def __init__(self, service: Service, kept: Path) -> None:
        self._models = {
            kind: ServedModel(service, _MOST_TOKENS, "judge", (kind, schema))
            for kind, schema in _SCHEMAS.items()
        }
        self._path = kept
        self._kept: dict[str, dict[str, Any]] = {}
        for number, line in read_lines(kept):
            if not isinstance(line, dict) or not {"prompt_sha256", "reply"} <= set(line):
                raise BadRequestError(f"{kept}, line {number} is no reply of a judge")
            self._kept[line["prompt_sha256"]] = line

    @property
    def name(self) -> str:
        """The model, and where it is."""
        return self._models[_MARK].name

    def judge(self, pairs: Iterable[Pair]) -> Verdicts:
        """Judge rows, and compare with the judge that reads by rules.

        Raises:
            NoLanguageModelError: the server gives no answer; what was judged is kept.
        """
        found, facts = Verdicts(), []
        for item, record in pairs:
            known = len(self._kept)
            row, fact = self._row(item, record)
            found.asked += len(self._kept) > known
            facts.append(fact)
            found.rows.append(row)
            ruled = spatialrgpt_judge.judge(item, record)
            if is_right(row) != is_right(ruled):
                found.by_group[group_of(item.kind)] += 1
                found.differing.append(
                    {
                        "id": item.id, "category": item.kind, "truth": str(item.truth),
                        "reply": record.output, "language_model": is_right(row),
                        "rules": is_right(ruled),
                    }
                )  # fmt: skip
        found.spent = total_spent([one for one in facts if one])
        return found

    def _row(self, item: Item, record: Record) -> tuple[Judged, Mapping[str, Any]]:
        category = item.kind
        kind = _LENGTH if category in LENGTHS else _HOUR if category == DIRECTION else _MARK
        if not record.output.strip():  # nothing was said: nothing to pay a judge for
            return Judged(category), {}
        asked = judge_messages(category, item.question, str(item.truth), record.output)
        line = self._reply(self._models[kind], asked)
        values = _object(line["reply"])
        if kind == _MARK:
            mark = _number(values.get(MARK_FIELD))
            row = Judged(category, mark=int(mark) if mark in (0.0, 1.0) else None)
        else:
            fields = LENGTH_FIELDS if kind == _LENGTH else HOUR_FIELDS
            truth, said = (_number(values.get(name)) for name in fields)
            row = Judged(category, truth, said)
        return row, line.get("facts", {})

    def _reply(self, model: ServedModel, asked: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        key = model.prompt_hash(asked)
        if key in self._kept:
            return self._kept[key]
        try:
            said = model.ask(asked)
        except NoLanguageModelError as error:
            raise NoLanguageModelError(
                f"{error}; {len(self._kept)} judgements are kept in {self._path}: the same command "
                "goes on"
            ) from error
        line = {"prompt_sha256": key, "reply": said.text, "facts": said.facts}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._kept[key] = line
        return line


def _object(reply: str) -> dict[str, Any]:
    """The JSON object of a reply, which may stand in a fence; empty where there is none."""
    try:
        found = json.loads(reply[reply.find("{") : reply.rfind("}") + 1])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: Any) -> float | None:
    """A finite number of a reply, or of its text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
