# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversations in LLaVA's JSON to token ids and labels, as SpatialGeo's training makes them.

Ids and labels equal the published code's. Conversations of which it would silently train nothing
(a reply that is empty or holds the end token, a question that holds the separator, an unknown
token) are refused here with the reason, to be dropped and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.models.fusion import IGNORE_LABEL
from spatialgeo_ros.speech.prompts import PromptTemplate
from spatialgeo_ros.speech.tokenizer import IMAGE_PLACEHOLDER, LanguageTokenizer

#: Templates by LLaVA's name of the version. Benchmarks are asked in "llava_v1", which the published
#: training is not in; both are here, because a model should be asked as it was trained.
VERSIONS = {"v1": "vicuna_v1", "llava_v1": "llava_v1", "plain": "plain"}
_HUMAN, _MODEL = "human", "gpt"
_END, _SEPARATOR = "</s>", " ASSISTANT: "
_PAD = 0  # also LLaMA's unknown token
#: Pieces that the instruction's own encoding has more than its part of the round: the
#: beginning-of-sequence token, and the space at its end.
_SURPLUS = 2

Turn = Mapping[str, str]


class BrokenConversationError(BadRequestError):
    """A conversation that cannot be trained on; the message says why."""


@dataclass(frozen=True)
class Sample:
    """A conversation as the language model reads it.

    Attributes:
        ids: with -200 for the image.
        labels: the same, -100 where nothing is learnt.
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class Batch:
    """Samples side by side.

    Attributes:
        input_ids: ``[B, T]``, padded on the right with 0.
        labels: ``[B, T]``, padded with -100.
        attention_mask: ``[B, T]`` bool: what is not 0, so that unknown tokens are masked.
    """

    input_ids: Tensor
    labels: Tensor
    attention_mask: Tensor


def turns_of(entry: Mapping[str, Any]) -> list[dict[str, str]]:
    """Turns of an annotation.

    Raises:
        BrokenConversationError: it has none, or one of them is no mapping of texts.
    """
    turns = entry.get("conversations")
    if not isinstance(turns, list) or not turns:
        raise BrokenConversationError("it has no 'conversations'")
    for number, turn in enumerate(turns):
        if not isinstance(turn, dict) or not all(isinstance(one, str) for one in turn.values()):
            raise BrokenConversationError(f"turn {number} is no mapping of texts")
    return turns


def image_first(conversation: Sequence[Turn]) -> list[dict[str, str]]:
    """Pull the image's mark to the front of each turn that has one; several become one."""
    turns = []
    for turn in conversation:
        text = turn["value"]
        if IMAGE_PLACEHOLDER in text:
            rest = text.replace(IMAGE_PLACEHOLDER, "").strip()
            text = f"{IMAGE_PLACEHOLDER}\n{rest}".strip()
        turns.append({"from": turn["from"], "value": text})
    return turns


def encode_conversation(
    conversation: Sequence[Turn],
    tokenizer: LanguageTokenizer,
    prompt: PromptTemplate,
    *,
    has_image: bool,
    max_length: int = 2048,
) -> Sample:
    """Encode a conversation for the second stage; replies and their end tokens are learnt.

    Args:
        conversation: turns "human" and "gpt"; a first one of "gpt" is left out.
        tokenizer: LLaMA's, with the beginning-of-sequence token.
        prompt: of one of :data:`VERSIONS` but "plain".
        has_image: whether the image's mark stands for an image. With one, nothing is cut here.
        max_length: tokens of a conversation without an image.

    Raises:
        BrokenConversationError: roles do not take turns, or nothing would be learnt.
    """
    turns = list(conversation[1:] if conversation[0]["from"] != _HUMAN else conversation)
    text = _text(turns, prompt)
    ids = _encode(tokenizer, text, has_image)
    if not has_image:
        ids = ids[:max_length]
    labels = list(ids)
    total = sum(one != _PAD for one in ids)
    # Where the end token stands before a round, LLaMA's first piece of it is one less.
    shorter = not getattr(tokenizer.tokenizer, "legacy", True)
    place = 1
    labels[:place] = [IGNORE_LABEL] * place
    for number, spoken in enumerate(text.split(_END)):
        parts = spoken.split(_SEPARATOR)
        if not spoken or len(parts) != 2:
            break
        length = len(_encode(tokenizer, spoken, has_image))
        asked = len(_encode(tokenizer, parts[0] + _SEPARATOR, has_image)) - _SURPLUS
        if number and shorter:
            length, asked = length - 1, asked - 1
        labels[place : place + asked] = [IGNORE_LABEL] * len(labels[place : place + asked])
        place += length
    labels[place:] = [IGNORE_LABEL] * len(labels[place:])
    if place < max_length and place != total:
        raise BrokenConversationError(
            f"the published rules learn nothing from it: {place} of {total} tokens are accounted "
            "for (an empty reply, an end token, a separator or an unknown token in its text)"
        )
    return Sample(tuple(ids), tuple(labels))


def encode_caption(conversation: Sequence[Turn], tokenizer: LanguageTokenizer) -> Sample:
    """Encode an image with its caption for the first stage; the question is left out.

    Raises:
        BrokenConversationError: it is no pair of which the first is about an image.
    """
    if len(conversation) != 2 or IMAGE_PLACEHOLDER not in conversation[0]["value"]:
        raise BrokenConversationError("a caption needs two turns, the first with an image")
    ids = tokenizer.encode(f"{IMAGE_PLACEHOLDER}{conversation[1]['value']}\n")
    start = len(tokenizer.encode(IMAGE_PLACEHOLDER))
    return Sample(tuple(ids), (*[IGNORE_LABEL] * start, *ids[start:]))


def collate(samples: Sequence[Sample], max_length: int) -> Batch:
    """Put samples side by side, cut to ``max_length``."""
    length = min(max_length, max(len(sample.ids) for sample in samples))
    ids = torch.full((len(samples), length), _PAD)
    labels = torch.full((len(samples), length), IGNORE_LABEL)
    for row, sample in enumerate(samples):
        kept = min(length, len(sample.ids))
        ids[row, :kept] = torch.tensor(sample.ids[:kept])
        labels[row, :kept] = torch.tensor(sample.labels[:kept])
    return Batch(ids, labels, ids != _PAD)


def _text(turns: Sequence[Turn], prompt: PromptTemplate) -> str:
    """The conversation in the template's words.

    Raises:
        BrokenConversationError: roles do not take turns.
    """
    for number, turn in enumerate(turns):
        expected = (_HUMAN, _MODEL)[number % 2]
        if turn["from"] != expected:
            raise BrokenConversationError(f"turn {number} is from '{turn['from']}', not {expected}")
    said = [f"{prompt.system} "]
    for number, turn in enumerate(turns):
        role, end = ("USER", " ") if number % 2 == 0 else ("ASSISTANT", _END)
        said.append(f"{role}: {turn['value']}{end}" if turn["value"] else f"{role}:")
    return "".join(said)


def _encode(tokenizer: LanguageTokenizer, text: str, has_image: bool) -> list[int]:
    if has_image:
        return tokenizer.encode(text)
    return list(tokenizer.tokenizer(text).input_ids)
