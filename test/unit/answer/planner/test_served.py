# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A served planner, against a real server that behaves, is slow, fails or lies."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from planner_server import DISTANCE, PlannerServer, says, sends, serving

from spatialgeo_ros.answer.planner.choice import make_planner
from spatialgeo_ros.answer.planner.prompt import reply_schema
from spatialgeo_ros.answer.planner.served import OpenAIPlanner
from spatialgeo_ros.errors import (
    BadRequestError,
    CancelledError,
    NotUnderstoodError,
    PlannerFailedError,
)
from spatialgeo_ros.query.english import Dialogue
from spatialgeo_ros.query.program import Program
from spatialgeo_ros.query.program_json import from_json
from spatialgeo_ros.runtime.endpoint import MOST_BYTES

QUESTION = "Mind telling me the chair's remoteness?"
PROGRAM = from_json(DISTANCE)
KEY = "sk-very-secret"


def plan(server: PlannerServer, timeout: float = 5.0, key: str = "", **how: Any) -> Program:
    return planner_of(server, timeout, key).plan(QUESTION, {"chair"}, Dialogue(), **how)


def planner_of(server: PlannerServer, timeout: float = 5.0, key: str = "") -> OpenAIPlanner:
    return OpenAIPlanner(server.address, "tiny", key, timeout)


def failure(*replies: Any, timeout: float = 5.0, key: str = "") -> str:
    with serving(*replies) as server, pytest.raises(PlannerFailedError) as caught:
        plan(server, timeout, key)
    return str(caught.value)


@pytest.mark.parametrize("reply", [
    DISTANCE,
    {"program": DISTANCE},
    "```json\n" + json.dumps(DISTANCE) + "\n```",
    "<think>{it} could be {\"op\": 1}</think>\nHere it is: " + json.dumps({"program": DISTANCE}),
])  # fmt: skip
def test_a_program_comes_back_however_it_is_wrapped(reply: Any) -> None:
    with serving(says(reply)) as server:
        assert plan(server) == PROGRAM
    assert server.paths == ["/v1/chat/completions"]


def test_what_is_sent() -> None:
    with serving(says(DISTANCE)) as server:
        planner_of(server, key=KEY).plan(QUESTION, {"chair", "sofa"}, Dialogue())
    (body,), (headers,) = server.bodies, server.headers
    assert (body["model"], body["temperature"]) == ("tiny", 0)
    assert 0 < body["max_tokens"] <= 2000
    assert body["response_format"]["json_schema"]["schema"] == reply_schema()
    assert [turn["role"] for turn in body["messages"]] == ["system", "user"]
    assert QUESTION in body["messages"][1]["content"]
    assert headers["Authorization"] == f"Bearer {KEY}"


def test_no_key_no_header() -> None:
    with serving(says(DISTANCE)) as server:
        plan(server)
    assert "Authorization" not in server.headers[0]


# Failures


def waits(server_of: Callable[[], PlannerServer]) -> Any:
    return lambda request: server_of().stop.wait(10)


def drips(request: Any) -> None:
    """A byte now and then: no single wait is long."""
    request.send_response(200)
    request.end_headers()
    for _ in range(400):
        request.wfile.write(b" ")
        time.sleep(0.02)


def drips_headers(request: Any) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for k in range(400):
        request.wfile.write(f"X-{k}: 0\r\n".encode())
        time.sleep(0.02)


@pytest.mark.parametrize("kind", ["silent", "drips", "drips_headers"])
def test_a_slow_server_costs_no_more_than_the_timeout(kind: str) -> None:
    reply = {"silent": waits(lambda: server), "drips": drips, "drips_headers": drips_headers}[kind]
    with serving(reply) as server:
        started = time.monotonic()
        with pytest.raises(PlannerFailedError, match="planner_timeout"):
            plan(server, timeout=0.3)
        assert 0.25 < time.monotonic() - started < 3.0


def test_the_timeout_is_for_both_rounds_together() -> None:
    def late(request: Any) -> None:
        time.sleep(0.3)
        says("no idea")(request)

    with serving(late) as server:
        started = time.monotonic()
        with pytest.raises(PlannerFailedError, match="planner_timeout"):
            plan(server, timeout=0.45)
        assert time.monotonic() - started < 3.0


def test_a_cancel_is_seen_while_the_server_thinks() -> None:
    cancel = threading.Event()
    with serving(waits(lambda: server)) as server:
        threading.Timer(0.2, cancel.set).start()
        started = time.monotonic()
        with pytest.raises(CancelledError):
            plan(server, timeout=10.0, cancelled=cancel.is_set)
        assert time.monotonic() - started < 3.0


def test_a_cancelled_question_is_not_sent() -> None:
    with serving(says(DISTANCE)) as server, pytest.raises(CancelledError):
        plan(server, cancelled=lambda: True)
    assert not server.bodies


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    planner = OpenAIPlanner(f"http://127.0.0.1:{port}/v1", "tiny")
    with pytest.raises(PlannerFailedError, match="refused the connection: is the server running"):
        planner.plan(QUESTION, (), Dialogue())


def test_a_server_that_hangs_up() -> None:
    assert "no HTTP answer" in failure(lambda request: request.connection.close())


@pytest.mark.parametrize("status", [301, 401, 404, 429, 500, 503])
def test_a_status_is_an_error_that_names_it(status: int) -> None:
    text = failure(sends("the model is\nlost", status, Location="http://127.0.0.1:9/"))
    assert f"HTTP status {status}: the model is\\nlost" in text


def test_a_key_that_a_server_repeats_is_in_no_text(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for reply in (sends(f"wrong key {KEY}", 401), sends(f"hello {KEY}")):
        text = failure(reply, key=KEY)
        assert KEY not in text and "***" in text
    assert KEY not in caplog.text


@pytest.mark.parametrize(("body", "named"), [
    ("<html>It works!</html>", "sent no JSON"),
    ("", "sent no JSON"),
    ("[" * 100_000, "sent no JSON"),
    ('{"choices": []}', "choices"),
    ('{"choices": {"0": 1}}', "choices"),
    ('{"error": "busy"}', "choices"),
    ("[1]", "choices"),
    ('{"choices": [{"message": {"content": null, "refusal": "I may not"}}]}', "I may not"),
    ('{"choices": [{"message": {"content": [1]}}]}', "empty"),
])  # fmt: skip
def test_what_is_no_chat_completion_is_an_error(body: str, named: str) -> None:
    assert named in failure(sends(body))


def test_a_huge_body_is_not_read_to_its_end() -> None:
    sent = []

    def floods(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(400):
            request.wfile.write(b" " * MOST_BYTES)
            sent.append(MOST_BYTES)

    assert f"more than {MOST_BYTES} bytes" in failure(floods)
    assert sum(sent) < 100 * MOST_BYTES


def test_a_reply_that_was_cut_off_is_an_error() -> None:
    assert "cut off" in failure(says(json.dumps(DISTANCE)[:40], ended="length"))


# Replies that are no program


WRONG = {"op": "tell_number", "number": {"op": "quantity", "name": "remoteness", "of": []}}


def test_a_wrong_program_is_repaired_once() -> None:
    with serving(says(WRONG), says(DISTANCE)) as server:
        assert plan(server) == PROGRAM
    first, second = (body["messages"] for body in server.bodies)
    assert second[: len(first)] == first
    assert json.loads(second[2]["content"]) == WRONG
    assert "program.number.name must be one of" in second[3]["content"]


@pytest.mark.parametrize(("content", "named"), [
    (WRONG, "program.number.name"),
    ({"op": "tell_all"}, "program.op"),
    ("the chair is 2 m away", "no JSON object"),
    ('{"op": "tell_number", ', "no JSON"),
    ('{"a":' * 5000, "nested too deeply"),
    (json.dumps(DISTANCE) * 2, "more than one"),
    ({"program": {"program": DISTANCE}}, "program"),
    ("{" + " " * 200_000, "100000 characters"),
])  # fmt: skip
def test_two_wrong_replies_are_an_error_that_says_where(content: Any, named: str) -> None:
    with serving(says(content)) as server, pytest.raises(PlannerFailedError) as caught:
        plan(server)
    assert named in str(caught.value) and "also when told" in str(caught.value)
    assert len(server.bodies) == 2


@pytest.mark.parametrize("wrapped", [False, True])
def test_no_program_is_an_answer(wrapped: bool) -> None:
    declined = {"op": "not_understood", "words": "remoteness"}
    reply = says({"program": declined} if wrapped else declined)
    with serving(reply) as server, pytest.raises(NotUnderstoodError, match="'remoteness'"):
        plan(server)
    assert len(server.bodies) == 1


def test_ids_and_regions_that_nobody_told_it_are_refused() -> None:
    def about(thing: Any) -> Any:
        return {"op": "tell_attribute", "attribute": "colour", "of": thing}

    those = about({"op": "those", "ids": ["chair_7"]})
    region = about({"op": "request_region", "index": 1})
    for program, named in ((those, "question before: chair_1"), (region, "has 1 regions")):
        with serving(says(program)) as server, pytest.raises(PlannerFailedError) as caught:
            before = Dialogue(PROGRAM, ("chair_1",))
            planner_of(server).plan(QUESTION, (), before, regions=1)
        assert named in str(caught.value)
    with serving(says(those)) as server:
        before = Dialogue(PROGRAM, ("chair_1", "chair_7"))
        assert planner_of(server).plan(QUESTION, (), before) == from_json(those)


def test_a_question_without_end_is_not_passed_on() -> None:
    with serving(says(DISTANCE)) as server, pytest.raises(NotUnderstoodError, match="1000"):
        planner_of(server).plan("where " * 500, (), Dialogue())
    assert not server.bodies


# What servers do not take


def refusing(*names: str) -> Any:
    """A server that answers 400 while the request holds one of these, as (name, value)."""

    def handle(request: Any) -> None:
        body = server.bodies[-1]
        kind = body.get("response_format", {}).get("type")
        for name in names:
            if name == kind:
                return sends('{"error": "response_format is not supported"}', 400)(request)
            if name in body:
                cure = ", use 'max_completion_tokens'" if name == "max_tokens" else ""
                return sends(f"Unsupported parameter: '{name}'{cure}", 400)(request)
        return says(DISTANCE)(request)

    server = PlannerServer([])
    return handle, server


@pytest.mark.parametrize(("names", "kept", "asked"), [
    (("json_schema",), "json_object", 2),
    (("json_schema", "json_object"), None, 3),
    (("max_tokens",), "json_schema", 2),
    (("max_tokens", "temperature"), "json_schema", 3),
    (("json_schema", "json_object", "max_tokens", "temperature"), None, 5),
])  # fmt: skip
def test_what_a_server_refuses_is_left_out_and_said(
    names: tuple[str, ...], kept: str | None, asked: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    handle, seen = refusing(*names)
    with serving(handle) as server:
        seen.bodies = server.bodies
        planner = planner_of(server)
        for _ in range(2):
            assert planner.plan(QUESTION, (), Dialogue()) == PROGRAM
    assert len(server.bodies) == asked + 1  # the second question knows
    last = server.bodies[-1]
    assert last.get("response_format", {}).get("type") == kept
    assert not set(names) & set(last)
    (said,) = [r.getMessage() for r in caplog.records if "since it refused" in r.getMessage()]
    assert (kept or "validation alone") in said and "HTTP status 400" in said


def test_a_400_for_another_reason_ends_and_changes_nothing() -> None:
    with serving(sends("context length exceeded", 400)) as server:
        planner = planner_of(server)
        with pytest.raises(PlannerFailedError, match="400: context length exceeded"):
            planner.plan(QUESTION, (), Dialogue())
        server.replies[:] = [says(DISTANCE)]
        assert planner.plan(QUESTION, (), Dialogue()) == PROGRAM
    assert server.bodies[-1]["response_format"]["type"] == "json_schema"


# Parameters


@pytest.mark.parametrize("which", [
    "gpt", "openai:", "openai:http://localhost:1/v1", "openai:#m", "openai:localhost:1#m",
    "openai:ftp://localhost/v1#m", "openai:http://me:pw@localhost/v1#m", "local:",
    "openai:http://me:pw@localhost/v1", "openai:ftp://me:pw@localhost/v1#m",
    "openai:http://me:pw@localhost:99999/v1#m",
    "openai:http://localhost:99999/v1#m", "openai:http://local host/v1#m", "ollama:x#m",
])  # fmt: skip
def test_what_is_no_planner_is_refused_with_the_form(which: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        make_planner(which)
    assert "pw" not in str(caught.value)


def test_the_key_is_that_of_the_named_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOT_KEY", KEY)
    with serving(says(DISTANCE)) as server:
        planner = make_planner(f"openai:{server.address}#org/model:7b", 5.0, "ROBOT_KEY")
        assert planner is not None
        assert planner.plan(QUESTION, (), Dialogue()) == PROGRAM
        assert planner.name == f"org/model:7b at {server.address}"
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert server.bodies[0]["model"] == "org/model:7b"


def test_a_key_that_is_missing_or_no_header_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBOT_KEY", raising=False)
    with pytest.raises(BadRequestError, match="'ROBOT_KEY' .* not set"):
        make_planner("openai:http://localhost:1/v1#m", 5.0, "ROBOT_KEY")
    monkeypatch.setenv("ROBOT_KEY", f"{KEY}\nX-Evil: 1")
    with pytest.raises(BadRequestError) as caught:
        make_planner("openai:http://localhost:1/v1#m", 5.0, "ROBOT_KEY")
    assert KEY not in str(caught.value)


def test_no_planner_is_none() -> None:
    assert make_planner("") is None
