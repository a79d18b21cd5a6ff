# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A vision language model is asked for boxes, behind a real server that behaves or does not."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from planner_server import PlannerServer, says, sends, serving

from spatialgeo_ros.errors import (
    BadRequestError,
    CancelledError,
    ModelLoadError,
    RequestTimeoutError,
)
from spatialgeo_ros.grounding.box_models import SentImage
from spatialgeo_ros.grounding.detector import PhraseResult
from spatialgeo_ros.grounding.factory import load_grounding
from spatialgeo_ros.grounding.grounder import Grounder
from spatialgeo_ros.grounding.vlm_boxes import MOST_PHRASES, VlmBoxDetector
from spatialgeo_ros.grounding.vlm_reply import ServedDetectorError, boxes_of
from spatialgeo_ros.models.grounding_profile import load_grounding_profile

IMAGE = np.full((480, 640, 3), (200, 30, 60), np.uint8)
IMAGE[:240] = (10, 60, 200)
SIZE = (640, 480)
CHAIR = {"label": "red chair", "bbox_2d": [100, 250, 500, 750]}


def write(folder: Path, **detector: Any) -> Path:
    content = {
        "name": "mine", "description": "for tests", "licence": "none", "origin": "here",
        "detector": {
            "kind": "vlm_boxes", "address": "http://localhost:1/v1", "model": "tiny",
            "format": "relative_1000", **detector,
        },
    }  # fmt: skip
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in content.items() if v is not None}))
    return path


def detector_of(folder: Path, address: str, **settings: Any) -> VlmBoxDetector:
    loaded = load_grounding(write(folder, address=address, **settings), device="cpu")
    assert loaded is not None and isinstance(loaded.detector, VlmBoxDetector)
    return loaded.detector


def ground(
    server: PlannerServer, folder: Path, *phrases: str, image: np.ndarray = IMAGE, **settings: Any
) -> list[PhraseResult]:
    return detector_of(folder, server.address, **settings).ground(image, phrases)


@pytest.mark.parametrize("reply", [
    [CHAIR],
    "```json\n" + json.dumps([CHAIR], indent=2) + "\n```",
    "<think>[1, 2] or {\"box\": 3}?</think>Here they are: " + json.dumps([CHAIR]) + " Done [1].",
    {"objects": [CHAIR]},
    CHAIR,
    [{"name": "The red chair.", "box": [100, 250, 500, 750]}],
    [{"label": "Red Chair", "bbox": [500.0, 750.0, 100.0, 250.0]}],
], ids=["list", "fenced", "thinking", "object", "one", "other keys", "swapped"])  # fmt: skip
def test_boxes_come_back_however_they_are_wrapped(reply: Any, tmp_path: Path) -> None:
    with serving(says(reply)) as server:
        chair, door = ground(server, tmp_path, "red chair", "door", score=0.4)
    (instance,) = chair.instances
    assert instance.box == pytest.approx((64.0, 120.0, 320.0, 360.0))
    assert instance.score == pytest.approx(0.4)
    assert instance.mask is None
    assert "states no scores: 0.4 is the profile's" in chair.degraded
    assert door.absent and door.degraded == ""


@pytest.mark.parametrize(
    ("form", "multiple", "numbers"),
    [
        ("relative_1000", 32, [100, 250, 500, 750]),
        ("relative_1000_yx", 32, [250, 100, 750, 500]),
        # Sent as 644x476: sides that are multiples of 28.
        ("pixels_resized", 28, [64.4, 119, 322, 357]),
    ],
)
def test_the_profile_says_what_the_numbers_count(form, multiple, numbers, tmp_path) -> None:
    entry = {"label": "mug", "box_2d": numbers}
    with serving(says([entry])) as server:
        (result,) = ground(server, tmp_path, "mug", format=form, multiple=multiple)
    assert result.instances[0].box == pytest.approx((64.0, 120.0, 320.0, 360.0), abs=0.01)
    prompt = server.bodies[0]["messages"][0]["content"][1]["text"]
    assert ("pixels" in prompt, "y0, x0" in prompt, "644x476" in prompt) == (
        form == "pixels_resized", form.endswith("yx"), form == "pixels_resized",
    )  # fmt: skip


def test_what_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-secret")
    with serving(says([])) as server:
        detector = detector_of(tmp_path, server.address, key_variable="MY_KEY", multiple=28)
        assert server.bodies == []  # loading sends nothing
        assert all(one.absent for one in detector.ground(IMAGE, ["mug", "the red chair"]))
        told = detector.describe()
    (body,), (headers,) = server.bodies, server.headers
    assert headers["Authorization"] == "Bearer sk-secret"
    assert "response_format" not in body and body["temperature"] == 0
    picture, text = body["messages"][0]["content"]
    assert "- mug\n- red chair\n" in text["text"]
    kind, _, data = picture["image_url"]["url"].partition(",")
    assert kind == "data:image/jpeg;base64"
    sent = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
    assert sent.shape == (476, 644, 3)
    np.testing.assert_allclose(sent[10, 10, ::-1], (10, 60, 200), atol=6)  # RGB stays RGB
    assert told["images"] == f"are sent to {server.address}"
    assert "sk-secret" not in str(told)


def test_a_phrase_is_asked_about_once_for_an_image(tmp_path: Path) -> None:
    with serving(says([CHAIR]), says([]), says([CHAIR])) as server:
        detector, cache = detector_of(tmp_path, server.address), {}
        first = detector.ground(IMAGE, ["red chair", "the red chair"], cache=cache)
        again = detector.ground(IMAGE, ["door", "red chair"], cache=cache)
        detector.ground(IMAGE, ["red chair"])
    assert [len(one.instances) for one in (*first, *again)] == [1, 1, 0, 1]
    asked = [body["messages"][0]["content"][1]["text"].count("\n- ") for body in server.bodies]
    assert asked == [1, 1, 1]


def test_many_phrases_are_several_questions(tmp_path: Path) -> None:
    names = [f"thing {k}" for k in range(MOST_PHRASES + 3)]
    with serving(says([{"label": names[0], "bbox": [1, 2, 300, 400]}]), says([])) as server:
        results = ground(server, tmp_path, *names)
    assert [not one.absent for one in results] == [True] + [False] * (len(names) - 1)
    assert len(server.bodies) == 2


def test_a_model_that_repeats_itself_gives_one_instance(tmp_path: Path) -> None:
    other = {"label": "mug", "bbox": [600, 600, 700, 700]}
    with serving(says([{"label": "mug", "bbox": [100, 100, 200, 200]}] * 30 + [other])) as server:
        (result,) = ground(server, tmp_path, "mug")
    assert len(result.instances) == 2


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        ("There is no chair in this image.", "no JSON list of boxes: 'There is no chair"),
        ("[1, 2, 3, 4]", "no JSON list"),
        ('[{"label": "red chair", "bbox_2d": [1, 2', "no JSON list"),
        ([{"label": "red chair"}], "no box of four numbers"),
        ([{"label": "red chair", "bbox": [1, 2, 3]}], "no box of four numbers"),
        ([{"label": "red chair", "bbox": [1, 2, "3", 4]}], "no box of four numbers"),
        ([{"label": "red chair", "bbox": [1, 2, None, 4]}], "no box of four numbers"),
        ('[{"label": "red chair", "bbox": [1, 2, NaN, 4]}]', "no box of four numbers"),
        ([{"bbox": [1, 2, 30, 40]}], "does not say what its box is of"),
        ([{"label": "sofa", "bbox": [1, 2, 30, 40]}], "was not asked for"),
        ([{"label": 3, "bbox": [1, 2, 30, 40]}], "was not asked for"),
        ([CHAIR, {"label": "door", "bbox": [1, 2, 1900, 40]}], "reaches beyond the image"),
        ([{"label": "door", "bbox": [-90, 2, 30, 40]}], "numbers relative_1000"),
        ([{"label": "door", "bbox": [5, 5, 5, 90]}], "no area"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_it(reply, words, tmp_path) -> None:
    with serving(says(reply)) as server, pytest.raises(ServedDetectorError) as caught:
        ground(server, tmp_path, "red chair", "door")
    assert words in str(caught.value) and server.address in str(caught.value)
    assert isinstance(caught.value, ModelLoadError)  # what a caller of a detector expects


def test_a_little_beyond_the_image_is_cut_off() -> None:
    (box,) = boxes_of('[{"bbox": [-9, 0, 1010, 500]}]', ["mug"], "relative_1000", SIZE)
    assert box.edges == (0.0, 0.0, 1.0, 0.5)
    assert box.phrase == 0  # one phrase was asked about: no label is needed


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (sends("no", 500), "HTTP status 500"),
        (sends("{}"), "OpenAI-compatible"),
        (says(None), "empty"),
        (says([CHAIR], ended="length"), "cut off"),
        (sends("image input is not supported", 400), "not supported"),
    ],
)
def test_a_server_that_fails_is_named(reply, words, tmp_path) -> None:
    with serving(reply) as server, pytest.raises(ServedDetectorError, match=words) as caught:
        ground(server, tmp_path, "mug")
    assert server.address in str(caught.value)


def test_no_server_is_said(tmp_path: Path) -> None:
    with pytest.raises(ServedDetectorError, match="is the server running"):
        detector_of(tmp_path, "http://127.0.0.1:9/v1").ground(IMAGE, ["mug"])


def waiting(server: list[PlannerServer]) -> Any:
    def handle(request: Any) -> None:
        server[0].stop.wait(10)

    return handle


def test_a_slow_model_is_given_up_in_time(tmp_path: Path) -> None:
    running: list[PlannerServer] = []
    with serving(waiting(running)) as server:
        running.append(server)
        started = time.monotonic()
        with pytest.raises(RequestTimeoutError, match=r"detector\.timeout"):
            ground(server, tmp_path, "mug", timeout=0.3)
        assert time.monotonic() - started < 3


def test_a_question_can_be_cancelled_while_the_model_works(tmp_path: Path) -> None:
    running: list[PlannerServer] = []
    with serving(waiting(running)) as server:
        running.append(server)
        detector = detector_of(tmp_path, server.address)
        with pytest.raises(CancelledError):
            detector.ground(IMAGE, ["mug"], cancelled=lambda: bool(server.bodies))


def test_a_phrase_without_a_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="no word"):
        detector_of(tmp_path, "http://localhost:1/v1").ground(IMAGE, ["..."])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"format": "xywh"}, "'detector.format' must be one of pixels_resized"),
        ({"format": None}, "'detector.format' is missing"),
        ({"address": None}, "'detector.address' is missing"),
        ({"model": None}, "'detector.model' is missing"),
        ({"timeout": 0.0}, "'detector.timeout' must be positive"),
        ({"score": 1.5}, "'detector.score' must be from 0 to 1"),
        ({"threshold": 0.3}, "'detector.threshold' means nothing for this kind"),
        ({"checkpoint": {"path": "x", "files": ["y"]}}, "'detector.address' means nothing"),
        ({"image": {"rows": 5, "columns": 5}}, "'detector.image' means nothing"),
    ],
)
def test_mistakes_in_a_profile_name_the_key(settings, words, tmp_path) -> None:
    with pytest.raises(ModelLoadError, match=words):
        load_grounding_profile(write(tmp_path, **settings))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"address": "localhost:8000"}, "no address of a server"),
        ({"key_variable": "NOT_SET_ANYWHERE"}, "'NOT_SET_ANYWHERE'.*is not set"),
    ],
)
def test_what_cannot_be_reached_is_an_error_of_loading(settings, words, tmp_path) -> None:
    with pytest.raises(ModelLoadError, match=words):
        load_grounding(write(tmp_path, **settings), device="cpu")


@pytest.mark.parametrize(
    ("image", "multiple", "most", "sent"),
    [
        ((640, 480), 28, 1_000_000, (644, 476)),
        ((1920, 1080), 28, 1_003_520, (1316, 756)),
        ((31, 17), 28, 1_000_000, (28, 28)),
        ((4000, 40), 32, 20_000, (608, 32)),
    ],
)
def test_images_are_sent_in_sizes_that_the_server_keeps(image, multiple, most, sent) -> None:
    size = SentImage(multiple, most).size(*image)
    assert size[0] % multiple == size[1] % multiple == 0
    assert size[0] * size[1] <= most
    assert size == sent


def test_nothing_is_sent_before_something_is_asked_for(tmp_path: Path) -> None:
    """Neither when it is loaded nor when it is warmed up; and a server may be started later."""
    with serving(says("[]")) as server:
        looks = Grounder(detector_of(tmp_path, server.address))
        looks.warm_up()
        assert not server.bodies
    looks.warm_up()  # nobody is there
    assert looks.failure == ""
