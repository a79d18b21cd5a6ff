# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversations to Qwen2.5-VL's token ids and labels, as Spatial-MLLM's training makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.models.fusion import IGNORE_LABEL
from spatialgeo_ros.models.spatial_mllm.chat import SYSTEM
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer

_TURN, _END = "<|im_start|>", "<|im_end|>"
_ROLES = {"human": "user", "gpt": "assistant"}
#: Tokens "<|im_start|>", "assistant" and the end of its line, which are not learnt.
_OPENING = 3
#: A position of what was padded.
_PAD_POSITION = 1

Turn = Mapping[str, str]


@dataclass(frozen=True)
class QwenSample:
    """A conversation as the language model reads it.

    Attributes:
        ids: of the tokens.
        labels: the same, -100 where nothing is learnt.
    """

    ids: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True)
class QwenBatch:
    """Samples side by side.

    Attributes:
        input_ids: ``[B, T]``.
        labels: ``[B, T]``.
        attention_mask: ``[B, T]`` bool.
        position_ids: ``[3, B, T]``.
    """

    input_ids: Tensor
    labels: Tensor
    attention_mask: Tensor
    position_ids: Tensor


def encode_qwen_conversation(
    conversation: Sequence[Turn],
    tokenizer: LanguageTokenizer,
    visual_tokens: Sequence[int],
    kind: str,
) -> QwenSample:
    """Encode a conversation; the assistant's words and the ends of its turns are learnt.

    Args:
        conversation: turns with "from" and "value", or "role" and "content"; a first one of the
            assistant is left out.
        tokenizer: Qwen's.
        visual_tokens: tokens of each image or clip, in the order of the marks.
        kind: "image" or "video": of the marks; one of the other kind stays text.

    Raises:
        BadRequestError: there are more marks than images or clips.
    """
    turns = [
        (turn.get("role") or _ROLES.get(turn["from"], turn["from"]),
         turn.get("content", turn.get("value", "")))
        for turn in conversation
    ]  # fmt: skip
    if turns[0][0] != "user":
        turns = turns[1:]
    ids: list[int] = []
    labels: list[int] = []
    counts = iter(visual_tokens)
    for role, text in [("system", SYSTEM), *turns]:
        if role == "user":
            text = _with_visual(text, kind, counts)
        one = list(tokenizer.tokenizer(f"{_TURN}{role}\n{text}{_END}\n").input_ids)
        ids += one
        learnt = one[_OPENING:] if role == "assistant" else []
        labels += [IGNORE_LABEL] * (len(one) - len(learnt)) + learnt
    return QwenSample(tuple(ids), tuple(labels))


def _with_visual(text: str, kind: str, counts: object) -> str:
    """Put the visual tokens where the marks of a kind are."""
    pieces = text.split(f"<{kind}>")
    said = pieces[0]
    for piece in pieces[1:]:
        count = next(counts, None)  # type: ignore[call-overload]
        if count is None:
            raise BadRequestError(f"the conversation has more marks <{kind}> than files")
        said += f"<|vision_start|>{f'<|{kind}_pad|>' * count}<|vision_end|>{piece}"
    return said


def collate_qwen(
    samples: Sequence[QwenSample], positions: Sequence[Tensor], pad_id: int, max_length: int
) -> QwenBatch:
    """Put samples side by side, padded on the right and cut to ``max_length``.

    Args:
        samples: the samples.
        positions: of each, ``[3, 1, T]``.
        pad_id: token of the padding.
        max_length: most tokens.
    """
    length = min(max_length, max(len(sample.ids) for sample in samples))
    size = (len(samples), length)
    ids, labels = torch.full(size, pad_id), torch.full(size, IGNORE_LABEL)
    places = torch.full((3, *size), _PAD_POSITION)
    for row, (sample, place) in enumerate(zip(samples, positions, strict=True)):
        kept = min(length, len(sample.ids))
        ids[row, :kept] = torch.tensor(sample.ids[:kept])
        labels[row, :kept] = torch.tensor(sample.labels[:kept])
        places[:, row, :kept] = place[:, 0, :kept]
    return QwenBatch(ids, labels, ids != pad_id, places)
