# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Benchmarks answered and judged by models behind a real HTTP server."""

from __future__ import annotations

import base64
import json
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from planner_server import Handler, serving

from spatialgeo_ros.cli import main
from spatialgeo_ros.errors import BadRequestError, NoLanguageModelError
from spatialgeo_ros.evaluation.benchmarks.served_model import (
    ServedModel,
    Service,
    parse_service,
    total_spent,
)

WIDTH, HEIGHT = 64, 48
QUESTION = [{"role": "user", "content": "How far?"}]


def replies(text: str, status: int = 200, usage: Any = None, **headers: str) -> Handler:
    """A chat completion with its tokens, or a refusal with headers."""

    def handle(request: BaseHTTPRequestHandler) -> None:
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        body = {"choices": [choice], "model": "seer-2026", "usage": usage or {}}
        data = json.dumps(body if status == 200 else {"error": text}).encode()
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    return handle


def served(address: str, pauses: list[float], **how: Any) -> ServedModel:
    return ServedModel(
        Service("seer", address, key_variable="", **how), 16, "test", sleep=pauses.append
    )


def test_a_busy_server_is_asked_again_and_what_it_took_is_on_record() -> None:
    usage = {"prompt_tokens": 2000, "completion_tokens": 10}
    busy, soon = replies("busy", 503), replies("slow down", 429, Retry_After="7")
    pauses: list[float] = []
    with serving(busy, soon, busy, replies("2 m", usage=usage)) as server:
        said = served(server.address, pauses, prices=(3.0, 15.0)).ask(QUESTION)
    assert said.text == "2 m"
    assert pauses == [1.0, 7.0, 4.0]  # twice as long each time, or as long as the server asks
    facts = dict(said.facts)
    assert len(facts.pop("prompt_sha256")) == 64
    assert facts.pop("date").startswith("20")
    assert facts == {
        "model": "seer-2026", "tries": 4, "tokens_in": 2000, "tokens_out": 10,
        "cost": pytest.approx(2000 * 3e-6 + 10 * 15e-6),
    }  # fmt: skip
    assert total_spent([said.facts, said.facts]).startswith("4000 tokens read, 20 said, cost 0.01")
    assert (server.bodies[-1]["temperature"], server.bodies[-1]["seed"]) == (0.0, 0)


def test_what_a_server_refuses_is_not_asked_again() -> None:
    pauses: list[float] = []
    with serving(replies("no such model", 404)) as server:
        with pytest.raises(NoLanguageModelError, match="asked 1 times.*HTTP status 404"):
            served(server.address, pauses).ask(QUESTION)
        assert len(server.bodies) == 1
    # Nobody is there: that may pass, so it is tried as often as is allowed.
    with pytest.raises(NoLanguageModelError, match="asked 3 times.*is the server running"):
        served(server.address, pauses, tries=3).ask(QUESTION)
    assert pauses == [1.0, 2.0]


def test_a_server_without_seeds_is_understood() -> None:
    with serving(replies("unknown parameter: seed", 400), replies("yes")) as server:
        assert served(server.address, []).ask(QUESTION).text == "yes"
        assert "seed" not in server.bodies[1]


def test_the_hash_is_of_all_that_a_reply_depends_on() -> None:
    def digest(model: str, tokens: int, text: str) -> str:
        service = Service(model, "http://localhost:1/v1", key_variable="")
        asked = [{"role": "user", "content": text}]
        return ServedModel(service, tokens, "test").prompt_hash(asked)

    hashes = {digest("a", 1, "x"), digest("b", 1, "x"), digest("a", 2, "x"), digest("a", 1, "y")}
    assert len(hashes) == 4
    assert digest("a", 1, "x") in hashes
    with pytest.raises(BadRequestError, match="openai:MODEL@"):
        parse_service("openai:gpt")


# Whole runs by the command.


def write_video(path: Path, frames: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (WIDTH, HEIGHT))
    for k in range(frames):
        writer.write(np.full((HEIGHT, WIDTH, 3), 10 * k, np.uint8))
    writer.release()


def grey_of(part: dict[str, Any]) -> float:
    data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    return float(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).mean())


@pytest.fixture
def vsi(tmp_path: Path) -> Path:
    folder = tmp_path / "vsi"
    write_video(folder / "scannet" / "scene1.mp4", 20)
    kinds = ["object_counting", *(f"object_rel_direction_{k}" for k in ("easy", "medium", "hard"))]
    rows = [
        {"id": k, "dataset": "scannet", "scene_name": "scene1", "question_type": kind,
         "question": "How many?", "ground_truth": "2" if k == 0 else "A",
         "options": None if k == 0 else ["A. left", "B. right"]}
        for k, kind in enumerate(kinds)
    ]  # fmt: skip
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_served_model_sees_all_frames_in_order(
    vsi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", "vsi_bench", "--data", str(vsi), "--frames", "6", "--price", "1,1"]
    out = tmp_path / "out"
    usage = {"prompt_tokens": 100, "completion_tokens": 1}
    with serving(replies("2", usage=usage), replies("A", usage=usage)) as server:
        model = f"openai:seer@{server.address}"
        arguments += ["--key-variable", ""]
        assert main([*arguments, "--out", str(out), "--model", model]) == 0
        *images, words = server.bodies[0]["messages"][0]["content"]
        assert server.bodies[0]["max_tokens"] == 1024
        blind = ["--out", str(tmp_path / "blind"), "--model", f"blind:{model}", "--limit", "1"]
        assert main([*arguments, *blind]) == 0
        hidden = server.bodies[-1]["messages"][0]["content"][:-1]
    shown = [grey_of(part) for part in images]
    assert len(shown) == 6
    assert shown == sorted(shown)
    assert shown[0] < 5 < 180 < shown[-1]
    assert words["text"].startswith("How many?")
    assert {round(grey_of(part)) for part in hidden} == {128}
    lines = [json.loads(line) for line in (out / "answers-1of1.jsonl").read_text().splitlines()]
    assert [line["output"] for line in lines] == ["2", "A", "A", "A"]
    assert all(line["facts"]["tokens_in"] == 100 for line in lines)
    assert len({line["facts"]["prompt_sha256"] for line in lines}) == 2  # three ask the same
    told = capsys.readouterr().out
    assert "answers: 400 tokens read, 4 said, cost 0.0004" in told
    assert json.loads((out / "run.json").read_text())["address"] == server.address


def test_served_models_are_asked_in_the_official_wording_for_them(
    vsi: Path, tmp_path: Path
) -> None:
    with serving(replies("2")) as server:
        model = f"openai:seer@{server.address}"
        arguments = ["--data", str(vsi), "--out", str(tmp_path / "out"), "--model", model]
        assert main(["evaluate", "vsi_bench_official", *arguments, "--key-variable", ""]) == 0
        text = server.bodies[0]["messages"][0]["content"][-1]["text"]
    assert "Do not response anything other than a single number!" in text
    assert server.bodies[0]["max_tokens"] == 16


ROWS = {
    "width_data": ("How wide is Region [0]?", "It is 1.20 meters wide."),
    "direction": ("If you are at Region [0], where is Region [1]?", "At 3 o'clock."),
    "tall_predicate": ("Is Region [1] taller than Region [0]?", "Yes."),
    "left_choice": ("Which is more to the left, Region [0] or Region [1]?", "Region [1]."),
}
SAID = {
    "width_data": "About 1.3, I would say.",  # no unit: the rules read nothing
    "direction": "Two hours past noon.",  # in words that the rules do not read
    "tall_predicate": "Yes, it is.",
    "left_choice": "Region [0].",
}


@pytest.fixture
def rgpt(tmp_path: Path) -> tuple[Path, Path]:
    """The data set, and answers that SpatialRGPT's own program wrote."""
    folder = tmp_path / "rgpt"
    (folder / "images").mkdir(parents=True)
    cv2.imwrite(str(folder / "images" / "a.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    rows = [
        {"id": f"row_{kind}", "image_info": {"file_path": "a.png"}, "text_q": asked,
         "qa_info": {"category": kind, "class": ["chair", "table"]},
         "conversations": [{"value": ""}, {"value": truth}],
         "bbox": [[2, 4, 20, 30], [30, 8, 60, 40]], "rle": []}
        for kind, (asked, truth) in ROWS.items()
    ]  # fmt: skip
    (folder / "SpatialRGPT-Bench_v1.json").write_text(json.dumps(rows))
    answers = tmp_path / "elsewhere.jsonl"
    lines = [
        {"question_id": f"row_{kind}", "image": "a.png", "question": ROWS[kind][0], "pred": said,
         "gt": ROWS[kind][1], "model_id": "SpatialRGPT", "qa_info": {}}
        for kind, said in SAID.items()
    ]  # fmt: skip
    answers.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder, answers


def judging(request: BaseHTTPRequestHandler, body: dict[str, Any]) -> str:
    told = body["messages"][1]["content"]
    if "1.3" in told:
        return '```json\n{"answer_in_meters": 1.2, "response_in_meters": "1.3"}\n```'
    if "noon" in told:
        return '{"answer_direction": 3, "response_direction": 2}'
    return json.dumps({"your_mark": 1 if "Yes, it is." in told else 0})


def test_a_language_model_judges_and_what_it_said_is_kept(
    rgpt: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, answers = rgpt
    out = tmp_path / "out"
    arguments = ["evaluate", "spatialrgpt_bench", "--data", str(data), "--out", str(out)]
    arguments += ["--model", f"file:{answers}", "--key-variable", ""]
    assert main(arguments) == 0
    by_rules = capsys.readouterr().out
    assert "judge: ours, by rules, not the published GPT-4 Turbo" in by_rules
    assert "| **SpatialRGPT** |" in by_rules
    scores = json.loads((out / "summary.json").read_text())["scores"]
    assert (scores["numbers"], scores["comparisons"], scores["unread"]) == (0.0, 50.0, 2.0)

    down = [False]

    def handle(request: BaseHTTPRequestHandler) -> None:
        body = server.bodies[-1]
        if down[0] and len(server.bodies) > 2:
            return replies("key revoked", 401)(request)
        usage = {"prompt_tokens": 300, "completion_tokens": 20, "cost": 0.25}
        return replies(judging(request, body), usage=usage)(request)

    with serving(handle) as server:
        judge = ["--judge", f"openai:gpt@{server.address}", "--score-only"]
        down[0] = True
        assert main([*arguments, *judge]) == 1
        told = capsys.readouterr().err
        assert "HTTP status 401" in told
        assert "2 judgements are kept in" in told
        down[0] = False
        assert main([*arguments, *judge]) == 0
        assert len(server.bodies) == 3 + 2  # the two that are kept are not asked again
        table = capsys.readouterr().out
        summary = json.loads((out / "summary.json").read_text())
        assert main([*arguments, *judge]) == 0
        assert len(server.bodies) == 5
        assert json.loads((out / "summary.json").read_text()) == summary
        formats = [body["response_format"]["json_schema"]["name"] for body in server.bodies]
        assert formats == ["length", "hour", "mark", "mark", "mark"]
    assert f"judge: gpt at {server.address}" in table
    assert summary["judge"] == f"gpt at {server.address}"
    assert (
        "the judge that reads by rules gives another verdict on 2 of 4 rows (direction 1, width 1)"
        in table
    )
    assert "judge: 1200 tokens read, 80 said, cost 1.0000" in table
    scores = summary["scores"]
    assert (scores["numbers"], scores["comparisons"], scores["unread"]) == (100.0, 50.0, 0.0)
    assert scores["width, abs rel"] == pytest.approx(0.083)
    lines = [json.loads(line) for line in (out / "differing.jsonl").read_text().splitlines()]
    assert [line["category"] for line in lines] == ["width_data", "direction"]
    assert [(line["language_model"], line["rules"]) for line in lines] == [(True, False)] * 2


@pytest.mark.parametrize("reply", ["no JSON", "[1]", '{"your_mark": 0.5}', '{"your_mark": true}'])
def test_a_judge_that_says_nothing_of_use_leaves_rows_unread(
    rgpt: tuple[Path, Path], tmp_path: Path, reply: str
) -> None:
    data, answers = rgpt
    out = tmp_path / "out"
    arguments = ["evaluate", "spatialrgpt_bench", "--data", str(data), "--out", str(out)]
    arguments += ["--model", f"file:{answers}", "--key-variable", ""]
    with serving(replies(reply)) as server:
        assert main([*arguments, "--judge", f"openai:gpt@{server.address}"]) == 0
    scores = json.loads((out / "summary.json").read_text())["scores"]
    assert (scores["numbers"], scores["comparisons"], scores["unread"]) == (0.0, 0.0, 4.0)


def test_answers_of_two_models_do_not_mix_and_stand_side_by_side(
    rgpt: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, answers = rgpt
    arguments = ["evaluate", "spatialrgpt_bench", "--data", str(data)]
    first, second = tmp_path / "a", tmp_path / "b"
    assert main([*arguments, "--out", str(first), "--model", "constant"]) == 0
    assert main([*arguments, "--out", str(first), "--model", f"file:{answers}"]) == 1
    assert "has answers of model constant, this run has SpatialRGPT" in capsys.readouterr().err
    given = ["--out", str(second), "--model", f"file:{answers}", "--beside", str(first)]
    assert main([*arguments, *given]) == 0
    table = capsys.readouterr().out
    assert table.index("| **SpatialRGPT** |") < table.index("| **constant** |")


def test_files_of_answers_that_are_none_are_refused(
    rgpt: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, answers = rgpt
    arguments = ["evaluate", "spatialrgpt_bench", "--data", str(data), "--out", str(tmp_path / "o")]
    for path, words in ((tmp_path / "no.jsonl", "no file of answers"), (answers, "no answer")):
        if path == answers:
            path.write_text('{"question_id": "row_0"}\n')
        assert main([*arguments, "--model", f"file:{path}"]) == 1
        assert words in capsys.readouterr().err


def test_space_aware_frames_of_a_folder_are_shown(
    vsi: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = tmp_path / "chosen"
    arguments = ["evaluate", "vsi_bench", "--data", str(vsi), "--sampled", str(chosen)]
    arguments += ["--out", str(tmp_path / "out"), "--key-variable", ""]
    with serving(replies("2")) as server:
        arguments += ["--model", f"openai:seer@{server.address}", "--limit", "1"]
        assert main(arguments) == 1
        assert f"run 'spatialgeo sample {vsi} --out {chosen}' first" in capsys.readouterr().err
        place = chosen / "scannet" / "scene1"
        place.mkdir(parents=True)
        (place / "selection.json").write_text('{"space_aware": {"indices": [3, 17]}}')
        assert main(arguments) == 0
        *images, _ = server.bodies[0]["messages"][0]["content"]
    assert [grey_of(part) for part in images] == pytest.approx([30, 170], abs=6)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["sampled"] == str(chosen)
