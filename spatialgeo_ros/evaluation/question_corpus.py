# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Answers a corpus of questions about scenes whose boxes are known, in the form that is scored.

A folder of scenes holds one JSON file per scene: ``id``, ``now`` (s), ``room`` (``polygon`` [N, 2]
and ``wall_height``, metres), ``robot`` (``x``, ``y``, ``camera_height``, metres; ``yaw``, radians)
and ``objects`` (``id``, ``kind``, ``colour``, ``material``, ``centre`` [3] and ``size`` [3],
metres, ``yaw``, radians, ``first_seen`` and ``last_seen``, seconds, ``in_view``). World frame: x
forward, y left, z up, floor at z = 0.

A file of questions holds one JSON object per line: ``id``, ``scene``, ``question`` and, where
``turn`` is 1, the questions asked before in ``previous``. Each line is a dialogue of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatialgeo_ros.errors import BadRequestError, quoted
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence, RoomLayout, Viewer
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.parser import NotUnderstood, parse
from spatialgeo_ros.query.program import Program
from spatialgeo_ros.query.result import QueryError, Result, ResultType
from spatialgeo_ros.runtime.input_files import read_input_text, read_json
from spatialgeo_ros.scene.executor import execute

#: Uncertainty of boxes and walls that are known exactly, metres: more than the rounding of files.
EXACT_SIGMA = 1e-4
_MOST_BYTES = 20_000_000  # of a file of questions

#: Words of a direction in answers; other types have their value as it is.
_SIDE_WORDS = {"side", "side_or_back", "quadrant"}


@dataclass(frozen=True)
class Asked:
    """A question of a dialogue that was asked.

    Attributes:
        program: that was run for it, or None.
        result: that it had, or None.
    """

    program: Program | None = None
    result: Result | None = None


#: Reads a question on a map after another; raises :class:`NotUnderstood`.
Reader = Callable[[str, Asked, MapSnapshot], Program]


def read_english(question: str, before: Asked, snapshot: MapSnapshot) -> Program:
    """Read a question with the English grammar.

    Raises:
        NotUnderstood: the grammar has no reading for it.
    """
    objects = before.result.objects if before.result else ()
    labels = [one.label for one in snapshot.objects]
    return parse(question, Dialogue(before.program, objects), labels)


@dataclass(frozen=True)
class Question:
    """One line of a corpus.

    Attributes:
        id: its name.
        scene: name of the scene.
        turns: the questions of the dialogue; the last one is answered.
    """

    id: str
    scene: str
    turns: tuple[str, ...]


def read_scenes(folder: Path) -> dict[str, MapSnapshot]:
    """Read every scene of a folder as an object map, by its id.

    Raises:
        BadRequestError: there is no scene, or one is not in the layout.
    """
    scenes = {}
    for path in sorted(folder.glob("*.json")):
        try:
            data = read_json(path, BadRequestError)
            scenes[str(data["id"])] = snapshot_of(data)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise BadRequestError(
                f"{path.name} is no scene: {type(error).__name__} {error}"
            ) from None
    if not scenes:
        raise BadRequestError(f"{quoted(folder)} holds no scenes (*.json)")
    return scenes


def snapshot_of(scene: Mapping[str, Any]) -> MapSnapshot:
    """Return a decoded scene as an object map with the viewer in it.

    Raises:
        KeyError: something is missing; other errors of the layout accordingly.
    """
    robot, room, objects = scene["robot"], scene["room"], scene["objects"]
    return MapSnapshot(
        objects=tuple(_object_of(one) for one in objects),
        frame="world",
        stamp_ns=_nanoseconds(scene["now"]),
        room=RoomLayout(
            ceiling=float(room["wall_height"]),
            polygon=np.array(room["polygon"], float).reshape(-1, 2),
            polygon_sigma=EXACT_SIGMA,
        ),
        viewer=Viewer(
            float(robot["x"]),
            float(robot["y"]),
            float(robot["camera_height"]),
            float(robot["yaw"]),
            EXACT_SIGMA,
        ),
        in_view=frozenset(str(one["id"]) for one in objects if one["in_view"]),
    )


def _object_of(one: Mapping[str, Any]) -> MapObject:
    return MapObject(
        id=str(one["id"]),
        label=str(one["kind"]),
        centre=np.array(one["centre"], float).reshape(3),
        covariance=np.eye(3) * EXACT_SIGMA**2,
        size=np.array(one["size"], float).reshape(3),
        size_sigma=np.full(3, EXACT_SIGMA),
        yaw=float(one["yaw"]),
        first_seen_ns=_nanoseconds(one["first_seen"]),
        last_seen_ns=_nanoseconds(one["last_seen"]),
        state=Presence.VISIBLE if one["in_view"] else Presence.REMEMBERED,
        colour=str(one["colour"]),
        material=str(one["material"]),
    )


def _nanoseconds(seconds: float) -> int:
    return round(float(seconds) * 1e9)


def read_questions(path: Path) -> list[Question]:
    """Read a file of questions.

    Raises:
        BadRequestError: it is no file of a size that makes sense, or a line is not in the layout.
    """
    questions = []
    lines = read_input_text(path, _MOST_BYTES, BadRequestError).splitlines()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = json.loads(line)
            before = data.get("previous", ()) if data.get("turn", 0) else ()
            turns = (*map(str, before), str(data["question"]))
            questions.append(Question(str(data["id"]), str(data["scene"]), turns))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise BadRequestError(
                f"line {number} of {path.name} is no question: {type(error).__name__} {error}"
            ) from None
    return questions


def answers(
    scenes: Mapping[str, MapSnapshot], questions: list[Question], read: Reader = read_english
) -> Iterator[dict[str, Any]]:
    """Yield the answer to each question, as a line of the file of answers.

    Raises:
        BadRequestError: a question is about a scene that is not there.
    """
    for question in questions:
        if question.scene not in scenes:
            raise BadRequestError(f"question {question.id}: no scene {quoted(question.scene)}")
        snapshot = scenes[question.scene]
        asked = Asked()
        for turn in question.turns:
            asked = ask(turn, asked, snapshot, read)
        assert asked.result is not None
        yield answer_line(question.id, asked)


def ask(question: str, before: Asked, snapshot: MapSnapshot, read: Reader) -> Asked:
    """Read and run one question of a dialogue."""
    try:
        program = read(question, before, snapshot)
    except NotUnderstood as error:
        failure = Result(ResultType.ERROR, str(error), error=QueryError.NOT_UNDERSTOOD)
        return Asked(None, failure)
    return Asked(program, execute(program, snapshot))


def answer_line(name: str, asked: Asked) -> dict[str, Any]:
    """Return a result in the form in which answers are scored."""
    result = asked.result
    assert result is not None
    return {
        "id": name,
        "type": result.type.name.lower(),
        "value": _value(asked, result),
        "unit": result.unit,
        "objects": list(result.objects),
        "text": result.text,
        "error": result.error.value if result.error else "",
    }


def _value(asked: Asked, result: Result) -> Any:
    if result.type == ResultType.BOOLEAN:
        return result.boolean
    if result.type == ResultType.TEXT:
        return result.word
    form = getattr(asked.program, "form", "")
    if result.type == ResultType.DIRECTION and form in _SIDE_WORDS:
        return result.direction
    if len(result.values) > 1:
        return list(result.values)
    if result.type == ResultType.COUNT:
        return int(result.values[0])
    return result.values[0] if result.values else None
