# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Phrases as detectors take them: plain words, prompts whose spans are right, rivals, synonyms."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from checkpoints.grounding import bert_tokenizer, dino_pixels

from spatialgeo_ros.errors import BadRequestError, ModelLoadError
from spatialgeo_ros.grounding.detector_text import (
    PromptWriter,
    alternatives,
    plain_phrase,
    rival_phrases,
    span_scores,
)


@pytest.fixture(scope="module")
def writer() -> PromptWriter:
    return PromptWriter(bert_tokenizer(), 24)


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("the red chair", "red chair"),
        ("A Door", "door"),
        ("an  old   lamp ", "old lamp"),
        ("The the chair.", "chair"),
        ("red, green chair", "red green chair"),
        ("mug?", "mug"),
        ("no. 5 box", "no 5 box"),
        ("chairs", "chairs"),
        ("robot’s arm", "robot's arm"),
        ("e-stop", "e-stop"),
        ("thermos", "thermos"),  # begins like an article
        ("antique table", "antique table"),
        ("Tür", "tür"),
    ],
)
def test_phrases_lose_articles_and_marks(said: str, plain: str) -> None:
    assert plain_phrase(said) == plain


@pytest.mark.parametrize("said", ["", "  ", "...", "the", "The a", "?", "🙂"])
def test_a_phrase_without_a_word_is_an_error(said: str) -> None:
    with pytest.raises(BadRequestError, match="no word"):
        plain_phrase(said)


def test_prompts_are_the_library_s(writer: PromptWriter) -> None:
    from transformers import GroundingDinoProcessor

    texts = ["red chair", "door", "plantpot", "chairs", "white lamp"]
    processor = GroundingDinoProcessor(dino_pixels(), bert_tokenizer())
    wanted = processor(text=[texts], images=np.zeros((9, 9, 3), np.uint8), return_tensors="np")
    (prompt,) = writer.write(texts)
    assert list(prompt.input_ids) == wanted["input_ids"][0].tolist()


def test_spans_hold_the_words_of_their_phrase(writer: PromptWriter) -> None:
    tokenizer = bert_tokenizer()
    texts = ["red chair", "chairs", "plantpot", "door"]
    (prompt,) = writer.write(texts)
    for index, (start, stop) in zip(prompt.texts, prompt.spans, strict=True):
        assert tokenizer.decode(prompt.input_ids[start:stop]) == texts[index]
    # Between them nothing but the dots and the special tokens.
    inside = {k for start, stop in prompt.spans for k in range(start, stop)}
    rest = [t for k, t in enumerate(prompt.input_ids) if k not in inside]
    assert rest == [101, *[1012] * len(texts), 102]


def test_too_many_phrases_go_into_several_prompts(writer: PromptWriter) -> None:
    texts = ["red chair", "green chair", "blue chair", "white chair"] * 4
    prompts = writer.write(texts)
    assert len(prompts) > 1
    assert [k for prompt in prompts for k in prompt.texts] == list(range(len(texts)))
    assert all(len(prompt.input_ids) <= 24 for prompt in prompts)
    # As few as they fit in: one phrase more would have been too many.
    assert all(len(prompt.input_ids) + 3 > 24 for prompt in prompts[:-1])


def test_a_phrase_that_is_too_long_is_named(writer: PromptWriter) -> None:
    fits = " ".join(["red"] * 20 + ["chair"])
    assert len(writer.write([fits])[0].input_ids) == 24
    with pytest.raises(BadRequestError, match=r"'red red .* 22 tokens.* at most 21"):
        writer.write(["door", f"red {fits}"])


def test_a_phrase_of_unknown_words_only_is_named(writer: PromptWriter) -> None:
    with pytest.raises(BadRequestError, match="'zyzzyva'"):
        writer.write(["door", "zyzzyva"])
    assert writer.write(["zyzzyva chair"])  # the noun is known


def test_no_phrases_no_prompts(writer: PromptWriter) -> None:
    assert writer.write([]) == []


def test_another_tokenizer_is_refused() -> None:
    wrong = SimpleNamespace(convert_tokens_to_ids=lambda token: 5, pad_token_id=0)
    with pytest.raises(ModelLoadError, match=r"not BERT's: '\[CLS\]' is 5, not 101"):
        PromptWriter(wrong, 24)


def test_the_score_is_the_mean_over_the_phrase_s_own_tokens(writer: PromptWriter) -> None:
    (prompt,) = writer.write(["red chair", "door"])  # [CLS] red chair . door . [SEP]
    logits = np.full((3, 24), -np.inf, np.float32)
    logits[:, : len(prompt.input_ids)] = -9.0
    logits[0, 1:3] = (2.0, 1.0)
    logits[1, 4] = 3.0
    logits[2, [0, 3, 6]] = 9.0  # special tokens and dots are nobody's
    scores = span_scores(logits, prompt, 3)
    red = (1 / (1 + np.exp(-2)) + 1 / (1 + np.exp(-1))) / 2
    assert scores[0].tolist() == pytest.approx([red, 0, 0], abs=2e-4)
    assert scores[1].tolist() == pytest.approx([0, 1 / (1 + np.exp(-3)), 0], abs=2e-4)
    assert scores[2].tolist() == pytest.approx([0, 0, 0], abs=2e-4)


def test_one_strong_word_does_not_make_the_phrase(writer: PromptWriter) -> None:
    """ "door" in "door lamp" is not the lamp: the best token alone would say 0.99."""
    (prompt,) = writer.write(["door lamp"])
    logits = np.full((1, len(prompt.input_ids)), -9.0, np.float32)
    logits[0, 1] = 5.0
    assert span_scores(logits, prompt, 1)[0, 0] == pytest.approx(0.497, abs=1e-3)


def test_nan_stays_nan(writer: PromptWriter) -> None:
    (prompt,) = writer.write(["red chair", "door"])
    logits = np.zeros((1, len(prompt.input_ids)), np.float32)
    logits[0, 1] = np.nan
    scores = span_scores(logits, prompt, 2)
    assert np.isnan(scores[0, 0]) and scores[0, 1] == 0.5


@pytest.mark.parametrize(
    ("one", "other", "rivals"),
    [
        ("red chair", "door", True),
        ("red chair", "blue chair", True),
        ("chair", "red chair", False),
        ("chair", "chairs", False),
        ("sofa", "couch", False),
        ("table", "table lamp", True),
        ("lamp", "table lamp", False),
        ("shelf", "shelves", False),
    ],
)
def test_rivals(one: str, other: str, rivals: bool) -> None:
    assert rival_phrases([one, other]).tolist() == [[False, rivals], [rivals, False]]


def test_synonyms_replace_the_noun_at_the_end() -> None:
    known = {"sofa": ("couch", "settee"), "trash can": ("bin",), "can": ("tin",)}
    assert alternatives("red sofa", known) == ["red sofa", "red couch", "red settee"]
    assert alternatives("trash can", known) == ["trash can", "bin"]
    assert alternatives("sofa table", known) == ["sofa table"]
    assert alternatives("door", {}) == ["door"]
