# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When a planner is asked, what it is told, and what becomes of what it says."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from box_world import Box, camera_pose, render
from planner_server import DISTANCE, says, sends, serving

from spatialgeo_ros import cli
from spatialgeo_ros.answer.planner.memo import RememberingPlanner
from spatialgeo_ros.errors import (
    CancelledError,
    NotUnderstoodError,
    PhraseNotFoundError,
    PlannerFailedError,
)
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.parser import parse
from spatialgeo_ros.query.program import Program
from spatialgeo_ros.query.program_json import from_json

CAMERA = PinholeCamera(320, 240, 260.0, 260.0, 159.5, 119.5)
CHAIR = Box((1.8, 0.3, 0.0), (2.2, 0.7, 0.8), (200, 40, 30))
PLAIN = "How far is the chair?"
ODD = "Mind telling me the chair's remoteness?"
PROGRAM = from_json(DISTANCE)


def frame(number: int = 0, **more: Any) -> Frame:
    pose = camera_pose(0.0, 0.0, 0.9, 0.0, 0.35)
    image, depth = render(CAMERA, pose, (CHAIR,))
    rows, columns = np.nonzero((image[..., 0] > 150) & (image[..., 1] < 100))
    box = columns.min() - 2, rows.min() - 2, columns.max() + 3, rows.max() + 3
    stamp = 1_000_000_000 + number * 200_000_000
    values = {
        "model": CAMERA, "depth": depth, "pose": pose, "world_frame": "odom",
        "detections": (Region.from_box(*map(float, box), "chair", 0.9),),
        "detections_stamp_ns": stamp, **more,
    }  # fmt: skip
    return Frame("front", stamp, "front_optical_frame", image, **values)


@dataclass
class FakePlanner:
    """Answers with what it is given and keeps what it was told."""

    answer: Program | Exception = PROGRAM
    name: str = "fake"
    told: list[tuple[str, set[str], Dialogue, int]] = field(default_factory=list)
    closed: bool = False

    def plan(
        self,
        question: str,
        nouns: Collection[str],
        dialogue: Dialogue,
        cancelled: Callable[[], bool] | None = None,
        regions: int = 0,
    ) -> Program:
        self.told.append((question, set(nouns), dialogue, regions))
        if cancelled is not None and cancelled():
            raise CancelledError("cancelled")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self) -> None:
        self.closed = True


def watching(planner: FakePlanner | None) -> tuple[Perception, Any]:
    perception = Perception(None, planner, lead_camera="front")
    for number in range(4):
        observation = perception.observe(frame(number))
        perception.update_map(observation)
    return perception, observation


def test_what_the_grammar_reads_is_not_planned() -> None:
    planner = FakePlanner()
    perception, observation = watching(planner)
    answer = perception.ask(PLAIN, observation)
    assert not planner.told and not answer.planned_by
    assert "planner" not in answer.timings
    assert not any("planned" in one for one in answer.degraded)


def test_what_it_declines_is_planned_measured_and_said() -> None:
    planner = FakePlanner()
    perception, observation = watching(planner)
    answer, plain = perception.ask(ODD, observation), perception.ask(PLAIN, observation)
    assert planner.told == [(ODD, {"chair"}, Dialogue(), 0)]
    assert answer.program == PROGRAM and answer.planned_by == "fake"
    assert "planned by fake" in answer.degraded
    assert answer.timings["planner"] >= 0
    assert answer.result == plain.result and answer.result is not None
    assert answer.result.values[0] == pytest.approx(2.0, abs=0.2)


def test_without_a_map_a_planned_program_is_measured_in_the_image() -> None:
    perception = Perception(None, FakePlanner())
    observation = perception.observe(frame(pose=None, world_frame=""))
    answer = perception.ask(ODD, observation)
    assert answer.result is not None and answer.result.values[0] == pytest.approx(2.0, abs=0.2)


def test_the_dialogue_goes_both_ways() -> None:
    planner = FakePlanner()
    perception, observation = watching(planner)
    perception.begin(ODD, observation, session="s")
    perception.begin("Does it topple when pushed?", observation, session="s")
    (*_, dialogue, _) = planner.told[1]
    (chair,) = perception.objects().objects
    assert dialogue == Dialogue(PROGRAM, (chair.id,))
    # And what was planned is what the grammar goes on from.
    wide = perception.begin("And how wide is it?", observation, session="s")
    assert len(planner.told) == 2
    assert wide.measured.result is not None and wide.measured.result.objects == (chair.id,)


def test_regions_of_the_request_are_told_and_used() -> None:
    planner = FakePlanner()
    perception, observation = watching(planner)
    region = Region.from_box(100.0, 80.0, 150.0, 200.0, "crate")
    perception.ask(ODD, observation, (region,))
    ((_, nouns, _, regions),) = planner.told
    assert (nouns, regions) == ({"chair", "crate"}, 1)


@pytest.mark.parametrize("error", [
    PlannerFailedError("http://robot/v1: refused the connection"),
    NotUnderstoodError("there is no program for 'remoteness'"),
])  # fmt: skip
def test_a_failure_is_an_error_with_both_reasons(error: Exception, caplog) -> None:
    perception, observation = watching(FakePlanner(error))
    with pytest.raises(type(error)) as caught:
        perception.ask(ODD, observation)
    text = str(caught.value)
    assert text.startswith("not understood from '") and f"planner fake: {error}" in text
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert ODD in record.getMessage() and text.partition("; the profile")[0] in record.getMessage()


def test_the_result_of_a_plan_is_judged_like_any_other() -> None:
    sofa = parse("how far is the sofa?")
    perception, observation = watching(FakePlanner(sofa))
    with pytest.raises(PhraseNotFoundError, match="sofa"):
        perception.ask(ODD, observation)


def test_a_cancel_reaches_the_planner() -> None:
    asked = iter((False, True))
    perception, observation = watching(FakePlanner())
    with pytest.raises(CancelledError):
        perception.ask(ODD, observation, cancelled=lambda: next(asked, True))


def test_other_languages_are_refused_before() -> None:
    planner = FakePlanner()
    perception, observation = watching(planner)
    with pytest.raises(Exception, match="in English, please"):
        perception.ask("Wie weit ist der Stuhl von mir entfernt?", observation)
    assert not planner.told


def test_the_planner_is_named_and_closed_with_the_facade() -> None:
    planner = FakePlanner()
    perception, _ = watching(planner)
    assert perception.describe()["planner"] == "fake"
    perception.close()
    assert planner.closed
    assert Perception(None).describe()["planner"] == "none"


# A question that is asked of several cameras


def test_a_question_is_planned_once_for_a_while() -> None:
    now = [0.0]
    planner = FakePlanner()
    kept = RememberingPlanner(planner, lambda: now[0])
    other = Dialogue(PROGRAM, ("chair_1",))
    for nouns, dialogue in (({"chair"}, Dialogue()), ({"sofa"}, Dialogue()), (set(), other)):
        assert kept.plan(ODD, nouns, dialogue) == PROGRAM
    assert [dialogue for _, _, dialogue, _ in planner.told] == [Dialogue(), other]
    now[0] = 61.0
    kept.plan(ODD, (), Dialogue())
    assert len(planner.told) == 3
    for k in range(100):
        kept.plan(f"question {k}", (), Dialogue())
    assert len(kept._kept) <= 32
    kept.close()
    assert planner.closed and not kept._kept


def test_a_failure_is_not_remembered() -> None:
    planner = FakePlanner(PlannerFailedError("busy"))
    kept = RememberingPlanner(planner)
    with pytest.raises(PlannerFailedError):
        kept.plan(ODD, (), Dialogue())
    planner.answer = PROGRAM
    assert kept.plan(ODD, (), Dialogue()) == PROGRAM


# The command line


def image_of(folder: Path) -> list[str]:
    image, depth = render(CAMERA, camera_pose(0.0, 0.0, 0.9, 0.0, 0.35), (CHAIR,))
    cv2.imwrite(str(folder / "colour.png"), image[..., ::-1])
    cv2.imwrite(str(folder / "depth.png"), np.round(np.nan_to_num(depth) * 1000).astype(np.uint16))
    return [
        "--image", str(folder / "colour.png"), "--depth", str(folder / "depth.png"),
        "--camera-info", "260,260,159.5,119.5", "--region", "chair=100,70,160,190",
        "--profile", "none",
    ]  # fmt: skip


def test_the_command_asks_the_planner(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("ROBOT_KEY", "sk-very-secret")
    with serving(says({"program": DISTANCE})) as server:
        command = ["ask", ODD, *image_of(tmp_path), "--planner", f"openai:{server.address}#tiny"]
        command += ["--planner-key-variable", "ROBOT_KEY"]
        assert cli.main([*command, "--json"]) == 0
        report = json.loads(capsys.readouterr().out)
        assert cli.main(command) == 0
    assert report["planned_by"] == f"tiny at {server.address}"
    assert from_json(report["program"]) is not None
    assert f"planned by tiny at {server.address}" in report["degraded"]
    assert report["distances"][0]["distance_m"] > 1
    captured = capsys.readouterr()
    assert "planned by tiny" in captured.out + captured.err
    assert "secret" not in json.dumps(report) + captured.out + captured.err
    assert server.headers[0]["Authorization"] == "Bearer sk-very-secret"


def test_the_command_says_why_there_is_no_answer(tmp_path: Path, capsys) -> None:
    with serving(sends("out of memory", 500)) as server:
        planner = f"openai:{server.address}#tiny"
        assert cli.main(["ask", ODD, *image_of(tmp_path), "--planner", planner]) == 1
    said = capsys.readouterr().err
    assert "not understood from" in said and "HTTP status 500: out of memory" in said
    assert cli.main(["ask", ODD, *image_of(tmp_path), "--planner", "gpt"]) == 1
    assert "openai:http://host:port/v1#model" in capsys.readouterr().err


def test_a_corpus_is_read_with_the_planner(tmp_path: Path, capsys) -> None:
    box = {
        "kind": "chair", "colour": "", "material": "", "centre": [3, 1, 0.5],
        "size": [0.5, 0.5, 1.0], "yaw": 0.0, "first_seen": 3, "last_seen": 90, "in_view": True,
    }  # fmt: skip
    scene = {
        "id": "study", "now": 100, "objects": [{"id": "chair_1", **box}],
        "room": {"polygon": [[0, 0], [5, 0], [5, 4], [0, 4]], "wall_height": 2.4},
        "robot": {"x": 1, "y": 1, "yaw": 0, "camera_height": 1.2},
    }  # fmt: skip
    (tmp_path / "study.json").write_text(json.dumps(scene))
    asked = [("a", PLAIN, []), ("b", ODD, []), ("c", "Hum a tune.", []), ("d", ODD, [PLAIN])]
    lines = [
        {"id": name, "scene": "study", "question": text, "turn": len(before), "previous": before}
        for name, text, before in asked
    ]
    questions, out = tmp_path / "questions.jsonl", tmp_path / "answers.jsonl"
    questions.write_text("\n".join(map(json.dumps, lines)))
    declined = {"op": "not_understood", "words": "hum"}
    with serving(says(DISTANCE), says(declined), says(DISTANCE)) as server:
        assert cli.main([
            "evaluate", "questions", "--scenes", str(tmp_path), "--questions", str(questions),
            "--out", str(out), "--planner", f"openai:{server.address}#tiny",
        ]) == 0  # fmt: skip
    a, b, c, d = map(json.loads, out.read_text().splitlines())
    assert a["value"] == b["value"] == d["value"] == pytest.approx(np.hypot(1.75, 0.2))
    assert c["error"] == "not_understood" and "there is no program for 'hum'" in c["text"]
    assert '["chair_1"]' in server.bodies[2]["messages"][1]["content"]  # after a question
    assert "2 programs for 3 questions" in capsys.readouterr().out
