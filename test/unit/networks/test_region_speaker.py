# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The language model that is shown regions: tokens, depth pictures, what is computed once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.spatialrgpt import write_spatialrgpt

from spatialgeo_ros.errors import BadRegionError, BadRequestError, CancelledError
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.files.sources import Checkpoint
from spatialgeo_ros.models.profile_parts import SpatialRgptPart
from spatialgeo_ros.models.spatialrgpt.rgpt_checkpoint import end_ids, load_spatialrgpt
from spatialgeo_ros.models.spatialrgpt.rgpt_model import SpatialRgpt
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.region_speaker import RegionSpeaker, name_regions
from spatialgeo_ros.speech.tokenizer import load_tokenizer

HEIGHT, WIDTH = 60, 80


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> RegionSpeaker:
    folder = write_spatialrgpt(tmp_path_factory.mktemp("spatialrgpt"))
    part = SpatialRgptPart(Checkpoint(folder), None, 8, 0.0, "none")
    model = load_spatialrgpt(folder, dtype=torch.float32)
    return RegionSpeaker(part, model, load_tokenizer(folder / "llm"), end_ids(folder))


def make_view(seed: int = 0) -> View:
    image = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    return View(image, None, None)


def box(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y0:y1, x0:x1] = True
    return mask


DEPTH = np.linspace(1, 3, HEIGHT * WIDTH, dtype=np.float32).reshape(HEIGHT, WIDTH)
A, B = box(5, 5, 30, 40), box(40, 20, 75, 55)
BETWEEN = "What is the distance between <region> and <region>?"


def ask(speaker: RegionSpeaker, view: View, text: str, *masks: np.ndarray, **how: Any) -> str:
    with torch.inference_mode():
        return speaker.answer(view, Question(text, masks, **how))


def test_each_region_is_read_at_its_own_place(
    speaker: RegionSpeaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts: list[torch.Tensor] = []
    original = SpatialRgpt.prompt_embeds

    def recorded(self: SpatialRgpt, *args: Any) -> torch.Tensor:
        prompts.append(original(self, *args))
        return prompts[-1]

    monkeypatch.setattr(SpatialRgpt, "prompt_embeds", recorded)
    view = make_view()
    said = ask(speaker, view, BETWEEN, A, B, depth=DEPTH)
    assert ask(speaker, view, BETWEEN, A, B, depth=DEPTH) == said
    ask(speaker, view, BETWEEN, B, A, depth=DEPTH)
    first, again, swapped = (prompt[0] for prompt in prompts)
    assert torch.equal(first, again)
    differing = (first != swapped).any(dim=1).nonzero().flatten().tolist()
    assert len(differing) == 4  # a mask and a depth of each
    a_mask, a_depth, b_mask, b_depth = differing
    assert torch.allclose(first[[a_mask, a_depth]], swapped[[b_mask, b_depth]], atol=1e-6)


def test_a_second_question_runs_no_encoder(
    speaker: RegionSpeaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()
    original = SpatialRgpt.tower_features

    def counted(self: SpatialRgpt, pixels: np.ndarray) -> torch.Tensor:
        calls["tower"] += 1
        return original(self, pixels)

    monkeypatch.setattr(SpatialRgpt, "tower_features", counted)
    view = make_view(3)
    hits = speaker.decoder.hits
    ask(speaker, view, BETWEEN, A, B, depth=DEPTH)
    assert calls["tower"] == 2  # the picture and its depth
    ask(speaker, view, "How wide is <region>?", B, depth=DEPTH)
    ask(speaker, view, "What is in the room?")
    assert calls["tower"] == 2
    assert speaker.decoder.hits == hits + 2  # regions stand behind the image in the prompt
    ask(speaker, make_view(4), "What is in the room?")
    assert calls["tower"] == 3  # no region, so no depth picture


def test_what_the_depth_picture_is_made_of_is_said(speaker: RegionSpeaker) -> None:
    notes: list[str] = []
    with_depth = ask(speaker, make_view(5), BETWEEN, A, B, depth=DEPTH, note=notes.append)
    assert notes == [
        "the language model's picture of depth is made of the depth that the scene is measured "
        "with, not Depth Anything's as in its training"
    ]
    notes.clear()
    without = ask(speaker, make_view(5), BETWEEN, A, B, note=notes.append)
    assert notes == ["the language model saw no picture of depth: there is none of this image"]
    assert without != with_depth


@pytest.mark.parametrize("depth", [np.full((HEIGHT, WIDTH), np.nan, np.float32), DEPTH * 0])
def test_depth_without_a_value_is_no_depth(speaker: RegionSpeaker, depth: np.ndarray) -> None:
    notes: list[str] = []
    ask(speaker, make_view(6), BETWEEN, A, B, depth=depth, note=notes.append)
    assert len(notes) == 1
    assert "no picture of depth" in notes[0]


def test_regions_that_cannot_be_read(speaker: RegionSpeaker) -> None:
    view = make_view(7)
    with pytest.raises(BadRequestError, match="names 2 regions, but 1"):
        ask(speaker, view, BETWEEN, A, depth=DEPTH)
    with pytest.raises(BadRegionError, match="region 1: the region covers no pixel"):
        ask(speaker, view, BETWEEN, A, box(0, 0, 0, 0), depth=DEPTH)


def test_thin_overlapping_and_whole_regions_are_answered(speaker: RegionSpeaker) -> None:
    view, notes = make_view(8), []
    ask(speaker, view, BETWEEN, A, box(20, 10, 60, 50), depth=DEPTH, note=notes.append)
    ask(speaker, view, BETWEEN, A, box(0, 0, WIDTH, HEIGHT), depth=DEPTH, note=notes.append)
    assert not any("thinner" in note for note in notes)
    ask(speaker, view, BETWEEN, A, box(11, 0, 12, HEIGHT), depth=DEPTH, note=notes.append)
    assert any(note.startswith("region 1 is thinner") for note in notes)


def test_surplus_regions_are_not_read(speaker: RegionSpeaker) -> None:
    view = make_view(9)
    said = ask(speaker, view, "How wide is <region>?", A, depth=DEPTH)
    assert ask(speaker, view, "How wide is <region>?", A, B, depth=DEPTH) == said


def test_an_answer_streams_and_is_cancelled(speaker: RegionSpeaker) -> None:
    pieces: list[str] = []
    said = ask(speaker, make_view(10), BETWEEN, A, B, depth=DEPTH, on_token=pieces.append)
    assert "".join(pieces).strip() == said
    with pytest.raises(CancelledError):
        ask(speaker, make_view(10), BETWEEN, A, B, depth=DEPTH, cancelled=lambda: True)
    assert ask(speaker, make_view(10), BETWEEN, A, B, depth=DEPTH) == said


def test_answers_speak_of_things_instead_of_numbers() -> None:
    said = "Region [0] is 2 feet from Region [1], unlike Region [7]."
    assert name_regions(said, ["mug", "sofa"]) == (
        "the mug is 2 feet from the sofa, unlike Region [7]."
    )
    assert name_regions("Region 1 is wide.", ["mug", ""]) == "Region 1 is wide."
