# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A language model behind a real HTTP server: what is sent, what comes back, what fails."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from typing import Any

import cv2
import numpy as np
import pytest
from planner_server import PlannerServer, says, sends, serving

from spatialgeo_ros.errors import CancelledError, ModelLoadError, NoLanguageModelError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.profile_parts import ServedPart
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.served_speaker import ServedSpeaker
from spatialgeo_ros.perception import Perception

WIDTH, HEIGHT = 120, 90
CAMERA = PinholeCamera(WIDTH, HEIGHT, 100.0, 100.0, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)


def streams(*pieces: str, wait: threading.Event | None = None, ended: str = "stop") -> Any:
    """Server-sent events, one for each piece; then the end, or nothing until ``wait`` is set."""

    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.send_header("Connection", "close")
        request.end_headers()
        for piece in pieces:
            event = {"choices": [{"delta": {"content": piece}, "finish_reason": None}]}
            request.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            request.wfile.flush()
        if wait is not None:
            wait.wait(20)
        last = {"choices": [{"delta": {}, "finish_reason": ended}]}
        try:
            request.wfile.write(f"data: {json.dumps(last)}\n\ndata: [DONE]\n\n".encode())
        except OSError:
            pass  # whoever asked has gone

    return handle


def speaker(server: PlannerServer, **how: Any) -> ServedSpeaker:
    settings = {
        "address": server.address, "model": "seer", "key_variable": "", "timeout": 20.0,
        "frames": 2, "most_pixels": 2000, "max_new_tokens": 50, "temperature": 0.3, **how,
    }  # fmt: skip
    return ServedSpeaker(ServedPart(**settings), "test")


def view(grey: int = 90) -> View:
    return View(np.full((HEIGHT, WIDTH, 3), grey, np.uint8), CAMERA, None)


def test_images_and_words_are_sent_and_pieces_come_as_they_are_said() -> None:
    with serving(streams("It is ", "2 feet ", "away.")) as server:
        said: list[str] = []
        asked = Question("How far?", earlier=[view(10)], on_token=said.append)
        assert speaker(server).answer(view(200), asked) == "It is 2 feet away."
    assert said == ["It is ", "2 feet ", "away."]
    (body,) = server.bodies
    assert (body["model"], body["stream"], body["max_tokens"]) == ("seer", True, 50)
    assert body["temperature"] == 0.3
    (message,) = body["messages"]
    *images, words = message["content"]
    assert words == {"type": "text", "text": "How far?"}
    greys = []
    for part in images:
        head, _, data = part["image_url"]["url"].partition(",")
        assert head == "data:image/jpeg;base64"
        sent = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert sent.shape[0] * sent.shape[1] <= 2000
        assert sent.shape[1] / sent.shape[0] == pytest.approx(WIDTH / HEIGHT, rel=0.05)
        greys.append(round(float(sent.mean()) / 10) * 10)
    assert greys == [10, 200]  # oldest first


def test_a_server_that_does_not_stream_is_heard_too() -> None:
    with serving(says("Two metres.")) as server:
        said: list[str] = []
        answer = speaker(server).answer(view(), Question("How far?", on_token=said.append))
    assert answer == "Two metres."
    assert said == ["Two metres."]


def test_an_answer_that_was_cut_off_is_one() -> None:
    with serving(streams("It is", ended="length")) as server:
        assert speaker(server).answer(view(), Question("How far?")) == "It is"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (sends("busy", 503), "HTTP status 503"),
        (sends("<html>"), "sent no JSON"),
        (sends('{"choices": []}'), "choices"),
        (sends("data: {\n\n"), "event without JSON"),
        (sends('data: {"choices": [7]}\n\n'), "without choices"),
        (says(""), "empty"),
    ],
)
def test_what_is_no_answer_says_where_and_why(reply: Any, words: str) -> None:
    with serving(reply) as server:
        asked = speaker(server)
        with pytest.raises(NoLanguageModelError, match=words) as error:
            asked.answer(view(), Question("How far?"))
        assert f"seer at {server.address} gives no answer" in str(error.value)
        assert asked.decoder.describe()["questions failed"] == 1


def test_a_cancel_and_a_timeout_end_a_stream() -> None:
    hold = threading.Event()
    with serving(streams("It ", wait=hold)) as server:
        said: list[str] = []
        started = time.monotonic()
        with pytest.raises(CancelledError):
            speaker(server).answer(
                view(), Question("How far?", on_token=said.append, cancelled=lambda: bool(said))
            )
        with pytest.raises(
            NoLanguageModelError, match=r"no answer within 0\.5 s.*language.timeout"
        ):
            speaker(server, timeout=0.5).answer(view(), Question("How far?"))
        assert time.monotonic() - started < 15
        hold.set()


def test_a_key_goes_to_the_server_and_into_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "secret-key")
    with serving(sends("no: secret-key", 401)) as server:
        asked = speaker(server, key_variable="TEST_KEY")
        with pytest.raises(NoLanguageModelError) as error:
            asked.answer(view(), Question("How far?"))
        assert server.headers[0]["Authorization"] == "Bearer secret-key"
        assert "secret-key" not in str(error.value) + str(asked.decoder.describe())
        assert asked.decoder.describe()["key"] == "of the variable TEST_KEY"


def test_where_images_go_is_told_before_any_is_sent() -> None:
    with serving(says("x")) as server:
        asked = speaker(server)
        asked.encode(view())
        facts = asked.decoder.describe()
        assert facts["images"] == f"are sent to {server.address} with every question"
        assert facts["questions sent"] == 0
        assert not server.bodies


def test_an_address_that_is_none_is_refused() -> None:
    with serving(says("x")) as server, pytest.raises(ModelLoadError, match="no address"):
        speaker(server, address="localhost")


def frame() -> Frame:
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    metres = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    image[30:60, 40:80], metres[30:60, 40:80] = (200, 40, 30), 1.0
    return Frame("camera", 1_000_000_000, "camera_optical_frame", image, CAMERA, metres)


CRATE = Region.from_box(40, 30, 79, 59, "crate")


def test_nothing_is_sent_before_a_question_is_asked() -> None:
    """Neither when it is loaded nor when it is warmed up; and a server may be started later."""
    with serving(says("x")) as server:
        Perception.load(f"openai:seer@{server.address}", device="cpu").warm_up()
        assert not server.bodies
    Perception.load(f"openai:seer@{server.address}", device="cpu").warm_up()  # nobody is there


def test_the_profile_measures_here_and_speaks_there() -> None:
    with serving(streams("It is one metre away."), sends("gone", 500)) as server:
        perception = Perception.load(f"openai:seer@{server.address}", device="cpu")
        observation = perception.observe(frame())
        answer = perception.ask("How far away is the crate?", observation, [CRATE])
        assert answer.distances[0].distance == pytest.approx(1.0, abs=0.02)
        assert answer.language_text == "It is one metre away."
        assert answer.agreement == "agree"
        facts = perception.describe()
        assert facts["images"] == f"are sent to {server.address} with every question"
        # A server that fails loses its own words and nothing else.
        answer = perception.ask("How far away is the crate?", observation, [CRATE])
        assert answer.distances[0].valid
        assert not answer.language_text
        assert any("language model not heard: seer at" in why for why in answer.degraded)
        with pytest.raises(NoLanguageModelError, match="HTTP status 500"):
            perception.ask("What could this be for?", observation)
