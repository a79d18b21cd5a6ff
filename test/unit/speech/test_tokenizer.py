# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nano vocabulary, its numbers, and placeholders for images and regions."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.query.families import all_texts
from spatialgeo_ros.speech.numbers import format_number, grid_values, quantise
from spatialgeo_ros.speech.prompts import format_suffix, template
from spatialgeo_ros.speech.tokenizer import (
    IMAGE_ID,
    REGION_ID,
    LanguageTokenizer,
    build_nano_tokenizer,
    load_tokenizer,
    nano_vocabulary,
)

WORDS = ("red", "chair", "blue", "table")


@pytest.fixture(scope="module")
def tokenizer() -> LanguageTokenizer:
    return build_nano_tokenizer(WORDS)


def test_special_tokens_come_first_and_order_of_words_does_not_matter() -> None:
    vocabulary = nano_vocabulary(WORDS)
    assert vocabulary[:4] == ["<pad>", "<bos>", "<eos>", "<unk>"]
    assert vocabulary == nano_vocabulary(reversed(WORDS))
    assert len(vocabulary) == len(set(vocabulary)) < 300


def assert_known(tokenizer: LanguageTokenizer, text: str) -> None:
    unknown = tokenizer.token_id("<unk>")
    assert unknown is not None and unknown not in tokenizer.encode(text), text


def test_every_template_is_in_the_vocabulary(tokenizer: LanguageTokenizer) -> None:
    for text in all_texts():
        plain = text.replace("{a}", "").replace("{b}", "")
        assert_known(tokenizer, plain)


def test_placeholders_keep_their_places(tokenizer: LanguageTokenizer) -> None:
    ids = tokenizer.encode("<image>\nHow far is the Red CHAIR <region> from the table<region>?")
    assert ids[:2] == [tokenizer.bos_id, IMAGE_ID]
    assert [i for i in ids if i < 0] == [IMAGE_ID, REGION_ID, REGION_ID]
    assert ids.count(tokenizer.bos_id) == 1
    assert tokenizer.decode(ids) == "how far is the red chair from the table?"


def test_unknown_words_become_unk(tokenizer: LanguageTokenizer) -> None:
    unknown = tokenizer.token_id("<unk>")
    assert tokenizer.encode("the zebra", add_bos=False) == [tokenizer.token_id("the"), unknown]
    ids = tokenizer.encode("the zebra's Red chair", add_bos=False)
    assert [i == unknown for i in ids] == [False, True, False, False]


@pytest.mark.parametrize(
    "text", ["1.35 meters", "12.0 meters", "3 o'clock", "yes", "the red chair", "0.00 meters"]
)
def test_answers_come_back_as_they_were(tokenizer: LanguageTokenizer, text: str) -> None:
    ids = tokenizer.encode(text, add_bos=False, add_eos=True)
    assert ids[-1] == tokenizer.eos_id
    assert len(ids) == len(text.split()) + 1
    assert tokenizer.decode(ids) == text


def test_number_and_clock_tokens_do_not_overlap(tokenizer: LanguageTokenizer) -> None:
    ids, values = tokenizer.number_tokens()
    hours = [tokenizer.token_id(str(hour)) for hour in range(1, 13)]
    assert len(ids) == len(set(ids)) == len(values) == 141
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0.0, 12.0)
    assert not set(ids) & set(hours)
    assert None not in hours and len(set(hours)) == 12


def test_quantise_takes_the_nearest_token() -> None:
    grid = grid_values()
    for step in range(0, 12050, 7):
        value = step / 1000
        nearest = min(abs(candidate - value) for candidate in grid)
        assert math.isclose(abs(float(quantise(value)) - value), nearest, abs_tol=1e-9)
    assert {quantise(value) for value in grid} == {format_number(value) for value in grid}
    assert (quantise(1.349), quantise(2.06), quantise(4.24)) == ("1.35", "2.1", "4.2")


@pytest.mark.parametrize("value", [-0.01, 12.06, math.nan, math.inf])
def test_numbers_beyond_the_grid_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="number token"):
        quantise(value)


def test_a_saved_tokenizer_gives_the_same_ids(tokenizer, tmp_path: Path) -> None:
    tokenizer.save(tmp_path / "tokenizer.json")
    text = "<image>\nIs the red chair <region> taller? 1.35 3 o'clock"
    for path in (tmp_path, tmp_path / "tokenizer.json"):
        loaded = load_tokenizer(path)
        assert loaded.encode(text) == tokenizer.encode(text)
        assert (loaded.bos_id, loaded.eos_id, loaded.pad_id) == (1, 2, 0)


def test_the_shipped_tokenizer_knows_the_simulated_furniture() -> None:
    from spatialgeo_ros.sim.furniture import COLOURS, KINDS

    path = Path(__file__).parents[3] / "weights" / "nano" / "tokenizer.json"
    shipped = load_tokenizer(path)
    assert_known(shipped, " ".join((*KINDS, *COLOURS)))
    for text in all_texts():
        assert_known(shipped, text.replace("{a}", "").replace("{b}", ""))
    assert len(shipped.number_tokens()[0]) == 141


def test_a_missing_or_broken_tokenizer_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="nowhere"):
        load_tokenizer(tmp_path / "nowhere.json")
    broken = tmp_path / "broken.json"
    broken.write_text("{}", encoding="utf-8")
    with pytest.raises(ModelLoadError, match="broken.json"):
        load_tokenizer(broken)


def test_prompts_for_a_robot(tokenizer: LanguageTokenizer) -> None:
    prompt = template("nano").build("how tall is the red chair <region> ?")
    assert prompt == "<image>\nhow tall is the red chair <region> ? answer :"
    assert_known(tokenizer, prompt)
    assert template("llava_v1").build("Q", images=2).count("<image>\n") == 2
    assert format_suffix("open") == ""
    assert format_suffix("width").startswith("The answer should be presented in this format {# m")
