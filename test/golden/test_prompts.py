# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Prompts and placeholder tokenisation against strings and ids of the reference code."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.speech.prompts import format_suffix, template
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer

NAMES = ("llava_v1", "vicuna_v1", "llava_v0", "plain")
QUESTION = "How tall is the chair?"


class ToyTokenizer:
    """BOS = 1, then one id per character."""

    bos_token_id = 1
    eos_token_id = 2

    def __call__(self, text: str) -> SimpleNamespace:
        """Tokenise like a Hugging Face tokenizer does."""
        return SimpleNamespace(input_ids=[1, *map(ord, text)])


@pytest.fixture(scope="session")
def reference(golden: Path) -> dict[str, Any]:
    """The stored strings and ids."""
    text = (golden / "spatialgeo_prompts.json").read_text(encoding="utf-8")
    return json.loads(text)


def test_every_stored_prompt_is_tested(reference: dict[str, Any]) -> None:
    assert set(reference) == {"prompts", "toy_token_ids"}
    for name, prompts in reference["prompts"].items():
        assert name in NAMES
        assert set(prompts) <= {"single", "multi", "single_direction"}
    assert set(reference["toy_token_ids"]) <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_single_turn(reference: dict[str, Any], name: str) -> None:
    assert template(name).build(QUESTION) == reference["prompts"][name]["single"]


@pytest.mark.parametrize("name", NAMES)
def test_history(reference: dict[str, Any], name: str) -> None:
    expected = reference["prompts"][name]["multi"]
    if expected is None:
        with pytest.raises(BadRequestError, match="without a history"):
            template(name).build("Q2", [("Q1", "A1")])
    else:
        assert template(name).build("Q2", [("Q1", "A1")]) == expected


@pytest.mark.parametrize("family", ["direction", "camera_direction"])
def test_direction_suffix(reference: dict[str, Any], family: str) -> None:
    prompt = template("llava_v1").build("Where is B?", suffix=format_suffix(family))
    assert prompt == reference["prompts"]["llava_v1"]["single_direction"]


@pytest.mark.parametrize("name", NAMES)
def test_token_ids(reference: dict[str, Any], name: str) -> None:
    tokenizer = LanguageTokenizer(ToyTokenizer())
    assert tokenizer.encode(template(name).build(QUESTION)) == reference["toy_token_ids"][name]
