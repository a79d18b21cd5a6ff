# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Published language models behind the facade, from tiny checkpoints in the official layouts."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.spatial_mllm import write_spatial_mllm_3b

from spatialgeo_ros.errors import CancelledError
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.files.sources import Checkpoint
from spatialgeo_ros.models.profile_parts import QwenPart
from spatialgeo_ros.models.spatial_mllm import SpatialMllm, load_spatial_mllm
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.video_speaker import VideoSpeaker


def make_view(seed: int, width: int = 84, height: int = 56) -> View:
    image = np.random.default_rng(seed).integers(0, 255, (height, width, 3)).astype(np.uint8)
    return View(image, None, None)


def count_calls(monkeypatch: pytest.MonkeyPatch, owner: type, name: str) -> Counter[str]:
    calls: Counter[str] = Counter()
    original = getattr(owner, name)

    def counted(self: Any, *args: Any, **options: Any) -> Any:
        calls[name] += 1
        return original(self, *args, **options)

    monkeypatch.setattr(owner, name, counted)
    return calls


def ask(speaker: Any, view: View, question: str, earlier: tuple[View, ...] = (), **how: Any) -> str:
    with torch.inference_mode():
        return speaker.answer(view, Question(question, earlier=earlier, **how))


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> VideoSpeaker:
    folder = write_spatial_mllm_3b(tmp_path_factory.mktemp("spatial_mllm"))
    model = load_spatial_mllm(folder, device="cpu", dtype=torch.float32)
    part = QwenPart(Checkpoint(folder), True, 4, 6, 0.0, 1.0, "none")
    return VideoSpeaker(part, model)


def test_a_second_question_encodes_nothing_and_prefills_nothing(
    video: VideoSpeaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count_calls(monkeypatch, SpatialMllm, "encode_video")
    newest, earlier = make_view(1), (make_view(2), make_view(3))
    hits, prefills = video.decoder.hits, video.decoder.prefills
    first = ask(video, newest, "how wide is the room?", earlier)
    again = ask(video, newest, "how wide is the room?", earlier)
    other = ask(video, newest, "where is the door?", earlier)
    assert first == again
    assert isinstance(other, str)
    assert calls["encode_video"] == 1
    assert (video.decoder.prefills - prefills, video.decoder.hits - hits) == (1, 2)


def test_another_clip_is_encoded_anew(video: VideoSpeaker, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = count_calls(monkeypatch, SpatialMllm, "encode_video")
    newest = make_view(1)
    ask(video, newest, "how wide is the room?")
    ask(video, newest, "how wide is the room?", (make_view(2, 168, 112),))
    assert calls["encode_video"] == 2
    assert video.context_views == 3


def test_a_video_answer_can_be_cancelled_and_streams(video: VideoSpeaker) -> None:
    view = make_view(5)
    pieces: list[str] = []
    text = ask(video, view, "what is there?", on_token=pieces.append)
    assert "".join(pieces).strip() == text
    with pytest.raises(CancelledError):
        ask(video, view, "what is there?", cancelled=lambda: True)
