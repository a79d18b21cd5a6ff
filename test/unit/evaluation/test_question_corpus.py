# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A corpus of questions: scenes as maps, dialogues, the form of answers, the command."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spatialgeo_ros.cli import main
from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.evaluation.question_corpus import (
    Asked,
    Question,
    answers,
    read_questions,
    read_scenes,
    snapshot_of,
)
from spatialgeo_ros.memory.snapshot import MapSnapshot, Presence
from spatialgeo_ros.query.parser import NotUnderstood
from spatialgeo_ros.query.program import (
    Count,
    Everything,
    Exists,
    It,
    Named,
    Program,
    Quantity,
    Rank,
    Room,
    TellAttribute,
    TellDirection,
    TellNumber,
    TellObjects,
    TellWhether,
    The,
    Those,
    Viewer,
)


def box(name: str, kind: str, centre: list[float], **more: Any) -> dict[str, Any]:
    return {
        "id": name, "kind": kind, "colour": "", "material": "wood", "centre": centre,
        "size": [0.5, 0.5, 1.0], "yaw": 0.0, "first_seen": 3, "last_seen": 90, "in_view": True,
        **more,
    }  # fmt: skip


SCENE: dict[str, Any] = {
    "id": "study",
    "now": 100,
    "room": {"polygon": [[0, 0], [5, 0], [5, 4], [0, 4]], "wall_height": 2.4},
    "robot": {"x": 1, "y": 1, "yaw": 0, "camera_height": 1.2, "camera_pitch": 0},
    "objects": [
        box("stool_1", "stool", [3, 1, 0.5], colour="green"),
        box("globe_1", "globe", [1, 3, 0.5], in_view=False),
    ],
}

PROGRAMS: dict[str, Program] = {
    "how far": TellNumber(Quantity("distance", (Viewer(), The(Named("stool"))))),
    "size": TellNumber(Quantity("size", (Room(),))),
    "count": TellNumber(Count(Everything())),
    "any": TellWhether(Exists(Named("globe"))),
    "sorted": TellObjects(Rank(Everything(), Quantity("distance", (Viewer(), It())))),
    "nearest": TellObjects(
        Rank(Everything(), Quantity("distance", (Viewer(), It())), count=1), True
    ),
    "where": TellDirection(The(Named("globe"))),
    "clock": TellDirection(The(Named("globe")), "clock"),
    "side": TellDirection(The(Named("globe")), "side"),
    "colour": TellAttribute("colour", The(Named("stool"))),
    "piano": TellNumber(Quantity("height", (The(Named("piano")),))),
}


def read(question: str, before: Asked, snapshot: MapSnapshot) -> Program:
    """Knows the questions above, and "it" for what the question before was about."""
    if question == "its height":
        assert before.result is not None
        return TellNumber(Quantity("height", (Those(before.result.objects, "it"),)))
    if question not in PROGRAMS:
        raise NotUnderstood(f"no such question: {question}")
    return PROGRAMS[question]


def answered(*turns: str) -> dict[str, Any]:
    scenes = {"study": snapshot_of(SCENE)}
    return next(answers(scenes, [Question("q", "study", turns)], read))


def test_a_scene_is_a_map() -> None:
    world = snapshot_of(SCENE)
    stool, globe = world.objects
    assert (stool.label, stool.colour, stool.material) == ("stool", "green", "wood")
    assert np.allclose(stool.centre, [3, 1, 0.5])
    assert (stool.first_seen_ns, stool.last_seen_ns) == (3 * 10**9, 90 * 10**9)
    assert (stool.state, globe.state) == (Presence.VISIBLE, Presence.REMEMBERED)
    assert world.in_view == {"stool_1"}
    assert (world.stamp_ns, world.start_ns) == (100 * 10**9, 0)
    assert world.viewer is not None
    assert world.viewer.z == 1.2
    assert world.room is not None
    assert world.room.ceiling == 2.4


def test_numbers() -> None:
    line = answered("how far")
    assert line["id"] == "q"
    assert line["type"] == "number"
    assert line["value"] == pytest.approx(math.hypot(1.75, 0.2))
    assert (line["unit"], line["objects"], line["error"]) == ("m", ["stool_1"], "")
    assert "1.76 m" in line["text"]
    assert answered("size")["value"] == pytest.approx([5, 4, 2.4])


@pytest.mark.parametrize(
    ("question", "kind", "value"),
    [
        ("count", "count", 2),
        ("any", "boolean", True),
        ("where", "direction", 90.0),
        ("clock", "direction", 9.0),
        ("side", "direction", "left"),
        ("colour", "text", "green"),
        ("piano", "error", None),
        ("nearest", "object", None),
    ],
)
def test_other_types(question: str, kind: str, value: Any) -> None:
    line = answered(question)
    assert line["type"] == kind
    assert line["value"] == (pytest.approx(value) if isinstance(value, float) else value)
    json.dumps(line)


def test_errors_and_objects() -> None:
    assert answered("piano")["error"] == "unknown_object"
    assert answered("sing")["error"] == "not_understood"
    assert "no such question: sing" in answered("sing")["text"]
    assert answered("sorted")["objects"] == ["stool_1", "globe_1"]
    assert answered("clock")["unit"] == "clock"


def test_a_dialogue_goes_on() -> None:
    assert answered("nearest", "its height")["objects"] == ["stool_1"]
    assert answered("sing", "how far")["type"] == "number"


def write(folder: Path, questions: list[dict[str, Any]]) -> tuple[Path, Path]:
    scenes = folder / "scenes"
    scenes.mkdir()
    (scenes / "study.json").write_text(json.dumps(SCENE))
    path = folder / "questions.jsonl"
    path.write_text("\n".join(map(json.dumps, questions)) + "\n\n")
    return scenes, path


def test_files(tmp_path: Path) -> None:
    scenes, path = write(
        tmp_path,
        [
            {"id": "a", "scene": "study", "question": "x", "turn": 0, "previous": ["y"]},
            {"id": "b", "scene": "study", "question": "x", "turn": 1, "previous": ["y"]},
        ],
    )
    assert list(read_scenes(scenes)) == ["study"]
    assert [question.turns for question in read_questions(path)] == [("x",), ("y", "x")]


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="holds no scenes"):
        read_scenes(tmp_path)
    (tmp_path / "half.json").write_text(json.dumps({"id": "half", "now": 3}))
    with pytest.raises(BadRequestError, match="half.json is no scene: KeyError 'robot'"):
        read_scenes(tmp_path)
    (tmp_path / "half.json").write_text("[]")
    with pytest.raises(BadRequestError, match="half.json is no scene"):
        read_scenes(tmp_path)
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": 1}\n')
    with pytest.raises(BadRequestError, match="line 1 of q.jsonl is no question"):
        read_questions(path)
    with pytest.raises(BadRequestError, match="no scene 'attic'"):
        list(answers({}, [Question("a", "attic", ("x",))], read))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scenes, path = write(
        tmp_path,
        [
            {"id": "a", "scene": "study", "question": "How far is the stool, in feet?", "turn": 0},
            {
                "id": "b", "scene": "study", "question": "How tall is it?", "turn": 1,
                "previous": ["How far is the globe?"],
            },
            {"id": "c", "scene": "study", "question": "Hum a tune.", "turn": 0},
        ],
    )  # fmt: skip
    out = tmp_path / "answers.jsonl"
    command = ["evaluate", "questions", "--scenes", scenes, "--questions", path, "--out", out]
    assert main([*map(str, command)]) == 0
    a, b, c = map(json.loads, out.read_text().splitlines())
    assert (a["value"], a["unit"]) == (pytest.approx(math.hypot(1.75, 0.2) / 0.3048), "ft")
    assert (b["value"], b["objects"]) == (pytest.approx(1.0), ["globe_1"])
    assert c["error"] == "not_understood"
    assert "3 answers: 2 number, 1 not_understood" in capsys.readouterr().out


def test_the_shared_corpus_is_understood(questions: Path, tmp_path: Path) -> None:
    """At least 92 % right and at most 2 % confidently wrong, by the corpus's own scorer."""
    corpus, out = questions / "dev.jsonl", tmp_path / "answers.jsonl"
    arguments = ["--scenes", str(questions / "scenes"), "--questions", str(corpus)]
    assert main(["evaluate", "questions", *arguments, "--out", str(out)]) == 0
    scorer = [sys.executable, str(questions / "score.py"), str(corpus), str(out)]
    limits = ["--min", "0.92", "--max-wrong", "0.02"]
    scored = subprocess.run([*scorer, *limits], capture_output=True, text=True, check=False)
    assert scored.returncode == 0, scored.stdout[-2000:] + scored.stderr[-2000:]
