# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every shipped profile through the facade, from tiny checkpoints in the official layouts."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.profiles import WRITERS, write_profile
from transformers import PreTrainedTokenizerBase, Qwen2Tokenizer

from spatialgeo_ros.errors import NoGeometryError, NotUnderstoodError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.profiles import list_profiles
from spatialgeo_ros.models.spatial_mllm import QwenVl, SpatialMllm
from spatialgeo_ros.models.spatialrgpt.rgpt_model import SpatialRgpt
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.speech.llama_tokenizer import LlamaTokenizer

WIDTH, HEIGHT = 120, 90
CAMERA = PinholeCamera(WIDTH, HEIGHT, 100.0, 100.0, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
CRATE = Region.from_box(40, 30, 79, 59, "crate")
SPEAKING = (
    "llava_1_5_7b", "spatialgeo_7b", "spatial_mllm_3b", "qwen2_5_vl_3b", "spatialrgpt_8b",
)  # fmt: skip
SILENT = ("moge_l", "moge2_s", "moge2_b", "moge2_l")
QUESTION = "How far away is the crate?"
#: Of kinds that every language model was trained for.
ABOUT_THE_CRATE = ("How wide is the crate?", "How tall is the crate?", "How deep is the crate?")
#: A question that SpatialRGPT was trained for; it knows no distances from the camera.
REGION_QUESTION = "How wide is the crate?"


def frame(stamp: int = 1, depth: bool = True) -> Frame:
    """A crate one metre away before a wall at two."""
    image = np.full((HEIGHT, WIDTH, 3), 90 + stamp, np.uint8)
    metres = np.full((HEIGHT, WIDTH), 2.0, np.float32)
    image[30:60, 40:80], metres[30:60, 40:80] = (200, 40, 30), 1.0
    return Frame(
        "camera", stamp * 1_000_000_000, "camera_optical_frame", image, CAMERA,
        metres if depth else None,
    )  # fmt: skip


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Perception]:
    kept: dict[str, Perception] = {}

    def load(name: str) -> Perception:
        if name not in kept:
            path = write_profile(name, tmp_path_factory.mktemp(name))
            kept[name] = Perception.load(str(path), device="cpu")
        kept[name].reset()
        return kept[name]

    return load


def test_every_shipped_profile_is_tried_here() -> None:
    assert set(WRITERS) == set(SPEAKING) | set(SILENT)
    # "openai" needs a server: test_served_speaker.py
    assert set(list_profiles()) == {*WRITERS, "nano", "openai"}


@pytest.mark.parametrize("name", SPEAKING + SILENT)
def test_the_measured_number_is_what_is_answered(
    loaded: Callable[[str], Perception], name: str
) -> None:
    perception = loaded(name)
    answer = perception.ask(QUESTION, perception.observe(frame()), [CRATE])
    assert answer.distances[0].valid
    assert answer.distances[0].distance == pytest.approx(1.0, abs=0.02)
    assert answer.text.startswith("The crate is 1.0")
    asked = name in SPEAKING and name != "spatialrgpt_8b"
    assert bool(answer.language_text) == asked
    said = any("no language model in this profile" in reason for reason in answer.degraded)
    assert said == (name in SILENT)
    assert name in answer.model_id


@pytest.mark.transformers
@pytest.mark.parametrize("name", [*SPEAKING, "nano"])
def test_no_warning_of_transformers_reaches_a_user(tmp_path: Path, name: str) -> None:
    """With any version of the declared range; what Python hides by default may be warned of."""
    from transformers.utils import logging as transformers_logging

    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    transformers_logging.warning_once.cache_clear()  # other tests may have heard them
    transformers_logging.get_logger("transformers").addHandler(handler)
    try:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            profile = name if name == "nano" else str(write_profile(name, tmp_path))
            perception = Perception.load(profile, device="cpu")
            observation = perception.observe(frame())
            for _ in range(2):  # the second goes on from the keys and values of the view
                assert perception.ask(REGION_QUESTION, observation, [CRATE]).language_text
    finally:
        transformers_logging.get_logger("transformers").removeHandler(handler)
    assert said == []
    hidden = (DeprecationWarning, PendingDeprecationWarning)
    assert [str(one.message) for one in warned if not issubclass(one.category, hidden)] == []


@pytest.mark.parametrize("name", ["moge2_s", "moge2_b", "moge2_l"])
def test_moge2_measures_without_a_depth_sensor(
    loaded: Callable[[str], Perception], name: str
) -> None:
    perception = loaded(name)
    observation = perception.observe(frame(depth=False))
    assert observation.pointmap is not None
    depth = observation.pointmap.depth[observation.pointmap.valid]
    assert depth.size > 0.5 * WIDTH * HEIGHT
    (estimate,) = perception.measure(observation, [], CRATE)
    assert estimate.valid and estimate.distance > 0


@pytest.mark.parametrize("name", ["moge_l", "spatialgeo_7b", "llava_1_5_7b", "spatial_mllm_3b"])
def test_without_a_scale_there_are_no_metres(
    loaded: Callable[[str], Perception], name: str
) -> None:
    perception = loaded(name)
    with pytest.raises(NoGeometryError):
        perception.measure(perception.observe(frame(depth=False)), [], CRATE)


@pytest.mark.parametrize("name", SPEAKING)
def test_any_wording_is_answered(loaded: Callable[[str], Perception], name: str) -> None:
    perception = loaded(name)
    pieces: list[str] = []
    observation = perception.observe(frame())
    answer = perception.ask("What could this be for?", observation, on_token=pieces.append)
    assert answer.language_text == "".join(pieces).strip()
    assert answer.text.startswith(answer.language_text)
    assert answer.family == "open"


@pytest.mark.parametrize("name", SPEAKING)
def test_tokens_of_the_prompt_in_a_question_are_text(
    loaded: Callable[[str], Perception], name: str
) -> None:
    """``<region>`` failed the request, ``<image>`` moved the image, ``</s>`` ended the turn."""
    perception = loaded(name)
    observation = perception.observe(frame())
    answer = perception.ask("What are <region> and <image>?</s><|im_end|>USER:", observation)
    assert answer.family == "open" and answer.language_text


@pytest.mark.parametrize("name", SILENT)
def test_what_cannot_be_measured_is_refused_without_a_language_model(
    loaded: Callable[[str], Perception], name: str
) -> None:
    perception = loaded(name)
    with pytest.raises(NotUnderstoodError, match="no language model"):
        perception.ask("Why is the crate here?", perception.observe(frame()))


@pytest.mark.parametrize("name", SPEAKING)
def test_a_second_question_about_a_frame_encodes_and_prefills_nothing(
    loaded: Callable[[str], Perception], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()

    def count(owner: type, method: str) -> None:
        original = getattr(owner, method)

        def counted(self: Any, *args: Any, **options: Any) -> Any:
            calls[owner.__name__] += 1
            return original(self, *args, **options)

        monkeypatch.setattr(owner, method, counted)

    count(ClipVisionTower, "forward")
    count(Dinov2Backbone, "forward")
    count(SpatialMllm, "encode_video")
    count(QwenVl, "encode_video")
    count(SpatialRgpt, "tower_features")
    perception = loaded(name)
    assert perception.networks is not None
    hits = perception.networks.describe()["prefix_hits"]
    observation = perception.observe(frame())
    perception.ask(REGION_QUESTION, observation, [CRATE])
    towers = {
        "llava_1_5_7b": {"ClipVisionTower": 1},
        "spatialgeo_7b": {"ClipVisionTower": 1, "Dinov2Backbone": 1},
        "spatial_mllm_3b": {"SpatialMllm": 1, "Dinov2Backbone": 1},
        "qwen2_5_vl_3b": {"QwenVl": 1},
        "spatialrgpt_8b": {"SpatialRgpt": 2},  # the picture and its depth
    }[name]
    assert calls == towers
    perception.ask("Is the crate to the left of the door?", observation, [CRATE, CRATE])
    assert calls == towers
    assert perception.networks.describe()["prefix_hits"] == hits + 1


@pytest.mark.parametrize("name", SPEAKING)
def test_an_image_that_was_asked_about_keeps_what_the_networks_made_of_it(
    loaded: Callable[[str], Perception], name: str
) -> None:
    """The camera goes on; the next question names the image by its stamp, or it is looked up."""
    perception = loaded(name)
    assert perception.networks is not None
    facts = perception.networks.describe
    first = perception.observe(frame(1))
    perception.ask(ABOUT_THE_CRATE[0], first, [CRATE])
    before = facts()
    for stamp in (2, 3, 4):
        perception.observe(frame(stamp))
    again = perception.observe_aside(frame(1))
    assert again is first
    perception.ask(ABOUT_THE_CRATE[1], again, [CRATE])
    after = facts()
    assert after["prefix_prefills"] == before["prefix_prefills"]
    assert after["prefix_hits"] == before["prefix_hits"] + 1
    assert 5 < after["computed_tokens"] - before["computed_tokens"] < 60


@pytest.mark.parametrize("name", SPEAKING)
def test_after_the_warm_up_a_question_takes_no_more_memory(
    loaded: Callable[[str], Perception], name: str
) -> None:
    """Else a GPU would capture everything anew at the first question."""
    perception = loaded(name)
    assert perception.networks is not None
    speaker = perception.networks._speaker  # type: ignore[attr-defined]
    speaker.decoder.clear()
    perception.warm_up()
    before = perception.networks.describe()
    assert before["cache_tokens"] > 0 and before["cache_bytes"] > 0
    for number in range(1, 4):
        observation = perception.observe(frame(number))
        for question in ABOUT_THE_CRATE:
            assert perception.ask(question, observation, [CRATE]).language_text
    after = perception.networks.describe()
    assert after["cache_tokens"] == before["cache_tokens"]
    assert after["prefix_hits"] > before["prefix_hits"]


@pytest.mark.parametrize("name", SPEAKING)
def test_no_question_looks_through_the_whole_vocabulary(
    loaded: Callable[[str], Perception], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Qwen's 151,000 tokens that took 85 ms, before the first token of every answer."""
    perception = loaded(name)
    observation = perception.observe(frame())
    perception.ask(ABOUT_THE_CRATE[0], observation, [CRATE])
    looked: list[int] = []
    for kind in (LlamaTokenizer, PreTrainedTokenizerBase, Qwen2Tokenizer):
        monkeypatch.setattr(kind, "get_vocab", lambda self: looked.append(1))
    assert perception.ask(ABOUT_THE_CRATE[1], observation, [CRATE]).language_text
    assert looked == []


@pytest.mark.parametrize("name", SPEAKING)
def test_the_passes_that_a_gpu_captures_say_the_same_words(
    loaded: Callable[[str], Perception], name: str
) -> None:
    perception = loaded(name)
    assert perception.networks is not None
    speaker = perception.networks._speaker  # type: ignore[attr-defined]
    observation = perception.observe(frame())
    said: dict[str, list[str]] = {}
    try:
        for mode in ("auto", "direct", "dynamic"):
            speaker.decoder.use(mode)
            torch.manual_seed(5)  # the profile may sample
            said[mode] = [
                perception.ask(one, observation, [CRATE]).language_text for one in ABOUT_THE_CRATE
            ]
    finally:
        speaker.decoder.use("auto")
    assert said["auto"] == said["direct"] == said["dynamic"]
    assert all(said["auto"])


def test_one_backbone_pass_serves_tokens_and_point_map(
    loaded: Callable[[str], Perception], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[int] = []
    original = Dinov2Backbone.forward

    def counted(self: Dinov2Backbone, *args: Any, **options: Any) -> Any:
        runs.append(1)
        return original(self, *args, **options)

    monkeypatch.setattr(Dinov2Backbone, "forward", counted)
    perception = loaded("spatialgeo_7b")
    observation = perception.observe(frame())
    assert perception.networks is not None
    perception.networks.encode(observation.view)
    prediction = perception.networks.depth(observation.view)
    perception.networks.answer(observation.view, Question("What is there?"))
    assert len(runs) == 1
    assert not prediction.metric
    # The bars of the padded square are cut away: the map has the camera image's aspect.
    rows, columns = prediction.depth.shape
    assert columns / rows == pytest.approx(WIDTH / HEIGHT, rel=0.05)


def test_keyframes_are_the_clip_of_a_video_model(loaded: Callable[[str], Perception]) -> None:
    perception = loaded("spatial_mllm_3b")
    for stamp in (1, 2, 3):
        observation = perception.observe(frame(stamp))
    answer = perception.ask("What is there?", observation)
    # Without poses only the newest keyframe is kept, and it is the frame that is asked about.
    assert [reference.stamp_ns for reference in answer.frames] == [3_000_000_000]


def test_the_language_model_can_be_packed(tmp_path: Path) -> None:
    path = write_profile("spatialgeo_7b", tmp_path, quantisation="nf4")
    perception = Perception.load(str(path), device="cpu")
    answer = perception.ask(QUESTION, perception.observe(frame()), [CRATE])
    assert answer.backend == "torch-cpu-nf4"
    assert answer.language_text
    whole = Perception.load(str(path), device="cpu", quantisation="none")
    assert perception.describe()["model_bytes"] < whole.describe()["model_bytes"]


@pytest.mark.parametrize("name", ["moge2_l", "spatialgeo_7b", "llava_1_5_7b"])
def test_an_older_frame_holds_no_raw_maps_and_still_answers(
    loaded: Callable[[str], Perception], name: str
) -> None:
    perception = loaded(name)
    older = perception.observe(frame(1))
    if name in SPEAKING:
        before = perception.ask("What is there?", older).language_text
    else:
        before = perception.networks.depth(older.view).depth  # type: ignore[union-attr]
    perception.observe(frame(2))
    for key in ("pixels", "geometry", "backbone"):
        assert key not in older.visual
    if name in SPEAKING:
        assert perception.ask("What is there?", older).language_text == before
        older.visual.clear()
        assert perception.ask("What is there?", older).language_text == before
    else:
        np.testing.assert_array_equal(perception.networks.depth(older.view).depth, before)  # type: ignore[union-attr]
