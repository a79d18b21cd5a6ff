# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Asks a model every question of a benchmark, one line of JSON an answer; may be broken off.

Answers and scores are apart: what was answered is scored from the files, as often as wanted.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from spatialgeo_ros.errors import BadRequestError, CancelledError, SpatialGeoError
from spatialgeo_ros.evaluation.benchmarks.item import Item, Record
from spatialgeo_ros.evaluation.benchmarks.json_lines import read_lines

log = logging.getLogger(__name__)


class Answerer(Protocol):
    """A model that is asked."""

    #: What the table calls it.
    name: str

    def answer(self, item: Item) -> Record:
        """Answer one question.

        Raises:
            SpatialGeoError: this question cannot be answered; the others may be.
        """

    def describe(self) -> dict[str, object]:
        """Facts for the file of the run: weights, sampling, how regions are shown."""

    def close(self) -> None:
        """Free memory."""


def shard_of(items: Sequence[Item], index: int, count: int) -> list[Item]:
    """Every ``count``-th item from ``index`` on: what one of several processes asks."""
    return list(items[index::count])


def answers_file(folder: Path, index: int, count: int) -> Path:
    """File of one process's answers."""
    return folder / f"answers-{index + 1}of{count}.jsonl"


def run(items: Iterable[Item], answerer: Answerer, path: Path) -> tuple[int, int]:
    """Ask what the file does not answer yet.

    Args:
        items: of this process.
        answerer: who is asked.
        path: file of answers, appended to.

    Returns:
        Answers written now, and those of them that are errors. Errors are asked again the next
        time.
    """
    done = {record.id for record in read_answers(path) if not record.error}
    path.parent.mkdir(parents=True, exist_ok=True)
    written = failed = 0
    with path.open("a", encoding="utf-8") as stream:
        for item in items:
            if item.id in done:
                continue
            started = time.perf_counter()
            try:
                record = answerer.answer(item)
            except CancelledError:
                raise
            except SpatialGeoError as error:
                record = Record(item.id, item.prompt, "", str(error))
                failed += 1
                log.warning("item %s: %s", item.id, error)
            content = asdict(record)
            content["facts"] = {"seconds": round(time.perf_counter() - started, 3), **record.facts}
            stream.write(json.dumps(content, ensure_ascii=False) + "\n")
            stream.flush()
            written += 1
    return written, failed


def read_answers(path: Path) -> list[Record]:
    """Read a file of answers; of several for one item the last counts.

    A last line that was cut off is left out, and mended by the next run.

    Raises:
        BadRequestError: another line is no answer.
    """
    found: dict[str, Record] = {}
    for number, line in read_lines(path):
        try:
            record = Record(**line)
        except TypeError as error:
            raise BadRequestError(f"{path}, line {number} is no answer: {error}") from error
        found[record.id] = record
    return list(found.values())


def answers_of(folder: Path) -> dict[str, Record]:
    """All answers of a folder, by item; errors only where nothing better is there.

    Raises:
        BadRequestError: there are none.
    """
    files = sorted(folder.glob("answers-*of*.jsonl"))
    found: dict[str, Record] = {}
    for path in files:
        for record in read_answers(path):
            if record.id not in found or not record.error:
                found[record.id] = record
    if not found:
        raise BadRequestError(f"{folder} has no answers (answers-1of1.jsonl, ...): run it first")
    return found
