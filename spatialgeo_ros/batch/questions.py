# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a recording is asked, and when: a file of questions, and their times one after the other."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import BadRequestError, quoted
from spatialgeo_ros.geometry.distance import PAIR_KINDS, Kind
from spatialgeo_ros.query.program_json import from_text
from spatialgeo_ros.runtime.input_files import read_input_text

_MOST_BYTES, _MOST_QUESTIONS = 8_000_000, 10_000
_FIELDS = ("question", "program", "id", "camera", "stamp", "at", "every", "session")
#: Latest time after the last image at which that still answers, nanoseconds.
_AFTER_NS = 500_000_000
_MOST_SECONDS = 4_000_000_000  # of a stamp: more does not fit a ROS time


@dataclass(frozen=True)
class BatchQuestion:
    """One question of a file.

    Attributes:
        id: names it in the answers.
        text: in plain English; "" for a program.
        program: as JSON text; "" for a question in words.
        camera: that is asked; "" for all, and for a program the first.
        stamp_ns: of the image to ask about, absolute; None for other times.
        at_ns: the same since the first image; None for other times.
        every_ns: asked again and again, so far apart, and at the end; 0 for not.
        session: name of a dialogue, in which "it" is what the question before was about.
    """

    id: str
    text: str = ""
    program: str = ""
    camera: str = ""
    stamp_ns: int | None = None
    at_ns: int | None = None
    every_ns: int = 0
    session: str = ""


@dataclass(frozen=True)
class Pair:
    """Two things whose distance is followed, or one and the camera.

    Attributes:
        first, second: phrases; ``second`` is "" for one thing.
        kind: of length.
    """

    first: str
    second: str
    kind: Kind


def read_questions(path: Path, every_s: float = 0.0) -> tuple[BatchQuestion, ...]:
    """Read a file of questions: one a line, in words or as a JSON object.

    Empty lines and those that begin with ``#`` are not read.

    Args:
        path: of the file.
        every_s: seconds after which questions without a time of their own are asked again; 0 for
            at the end alone.

    Raises:
        BadRequestError: it cannot be read, or a line is neither; names the line.
    """
    if not (math.isfinite(every_s) and every_s >= 0):
        raise BadRequestError(f"questions are asked every so many seconds, not {every_s:g}")
    every_ns = round(every_s * 1e9)
    questions: list[BatchQuestion] = []
    lines = read_input_text(path, _MOST_BYTES, BadRequestError).splitlines()
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name = f"q{len(questions) + 1}"
        if text.startswith("{"):
            questions.append(_from_json(text, f"{path}, line {number}", name, every_ns))
        else:
            questions.append(BatchQuestion(name, text, every_ns=every_ns))
        if len(questions) > _MOST_QUESTIONS:
            raise BadRequestError(f"{path} has more than {_MOST_QUESTIONS} questions: split it")
    if not questions:
        raise BadRequestError(f"{path} has no question: write one a line")
    names = [one.id for one in questions]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise BadRequestError(f"{path}: {quoted(twice[0])} is the id of two questions: rename one")
    return tuple(questions)


def _from_json(text: str, where: str, name: str, every_ns: int) -> BatchQuestion:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequestError(f"{where} is no JSON: {error!s:.100}") from error
    if unknown := sorted(set(data) - set(_FIELDS)):
        raise BadRequestError(
            f"{where} has an unknown field {quoted(unknown[0])}: there are {', '.join(_FIELDS)}"
        )
    words, program = data.get("question", ""), data.get("program", "")
    if bool(words) == bool(program) or not isinstance(words, str):
        raise BadRequestError(f"{where} needs a text 'question' or a 'program', one of both")
    if program:
        program = program if isinstance(program, str) else json.dumps(program)
        try:
            from_text(program)
        except BadRequestError as error:
            raise BadRequestError(f"{where}: {error}") from error
    times = [one for one in ("stamp", "at", "every") if data.get(one) is not None]
    if len(times) > 1:
        raise BadRequestError(f"{where} has {' and '.join(times)}: give one of them")
    spans = {one: _nanoseconds(data[one], f"{where}, '{one}'") for one in times}
    texts = {one: data.get(one, "") for one in ("id", "camera", "session")}
    if wrong := [one for one, value in texts.items() if not isinstance(value, str | int)]:
        raise BadRequestError(f"{where}: '{wrong[0]}' is a text")
    if spans.get("every") == 0:
        raise BadRequestError(f"{where}: 'every' is above 0 seconds")
    return BatchQuestion(
        str(texts["id"]) or name,
        words,
        program,
        str(texts["camera"]),
        spans.get("stamp"),
        spans.get("at"),
        spans.get("every", 0 if spans else every_ns),
        str(texts["session"]),
    )


def _nanoseconds(value: Any, where: str) -> int:
    """Seconds to nanoseconds, from a text without the rounding of a float."""
    try:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError
        seconds = Decimal(str(value))
        if not 0 <= seconds <= _MOST_SECONDS:
            raise ValueError
    except (InvalidOperation, ValueError) as error:
        raise BadRequestError(f"{where} is no time in seconds: {quoted(value)}") from error
    return int(seconds * 1_000_000_000)


def read_pair(text: str) -> Pair:
    """Return the pair of ``FIRST[,SECOND][,KIND]``.

    Raises:
        BadRequestError: it is none.
    """
    parts = [part.strip() for part in text.split(",")]
    kind: Kind | None = None
    if len(parts) > 1 and parts[-1].upper() in Kind.__members__:
        kind = Kind[parts.pop().upper()]
    if not 1 <= len(parts) <= 2 or not all(parts):
        raise BadRequestError(f"{quoted(text)} is no pair: write FIRST,SECOND or FIRST,SECOND,KIND")
    first, second = (*parts, "")[:2]
    if kind is None:
        kind = Kind.NEAREST_POINTS if second else Kind.CAMERA_TO_OBJECT
    if (kind in PAIR_KINDS) != bool(second):
        things = "two things" if kind in PAIR_KINDS else "one thing"
        raise BadRequestError(f"{quoted(text)}: {kind.name.lower()} is of {things}")
    return Pair(first, second, kind)


@dataclass(eq=False)
class Schedule:
    """When each question is asked.

    Attributes:
        questions: of the file.
        first_ns: stamp of the first image; None before it.
        asked: times that each was asked so far.
    """

    questions: Sequence[BatchQuestion]
    first_ns: int | None = None
    asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.asked = self.asked or [0] * len(self.questions)
        self._soonest = self._next_of_all()

    def begin(self, stamp_ns: int) -> None:
        """Take the stamp of the first image."""
        self.first_ns = stamp_ns if self.first_ns is None else self.first_ns
        self._soonest = self._next_of_all()

    def due(self, before_ns: int) -> list[tuple[int, BatchQuestion]]:
        """Return what is to be asked before the image of a stamp comes, with its time, in order.

        What is returned counts as asked.
        """
        if self._soonest is None or self._soonest >= before_ns:
            return []  # as for most images: there may be thousands of questions
        found: list[tuple[int, int]] = []
        for number in range(len(self.questions)):
            while (when := self._next(number)) is not None and when < before_ns:
                found.append((when, number))
                self.asked[number] += 1
        self._soonest = self._next_of_all()
        return [(when, self.questions[number]) for when, number in sorted(found)]

    def rest(self, last_ns: int) -> list[tuple[int, BatchQuestion, str]]:
        """Return what is to be asked after the last image, with its time.

        Each comes with why it cannot be asked, which is "" where it can.
        """
        found: list[tuple[int, int, str]] = []
        for number, question in enumerate(self.questions):
            when = self._next(number)
            if when is None and (question.stamp_ns, question.at_ns) != (None, None):
                continue
            if when is None or question.every_ns:
                found.append((last_ns, number, ""))
            else:
                late = when > last_ns + _AFTER_NS
                why = f"the last image is of {last_ns * 1e-9:.3f} s" if late else ""
                found.append((when, number, why))
            self.asked[number] += 1
        return [(when, self.questions[number], why) for when, number, why in sorted(found)]

    def _next_of_all(self) -> int | None:
        times = (self._next(number) for number in range(len(self.questions)))
        return min((when for when in times if when is not None), default=None)

    def _next(self, number: int) -> int | None:
        """Time at which a question is asked next; None for at the end, or never again."""
        question, times = self.questions[number], self.asked[number]
        if question.every_ns and self.first_ns is not None:
            return self.first_ns + (times + 1) * question.every_ns
        if times or self.first_ns is None:
            return None
        if question.at_ns is not None:
            return self.first_ns + question.at_ns
        return question.stamp_ns
