# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Text from a causal language model while it comes: streaming, cancelling, ends, numbers.

How its tokens are computed is the :class:`~spatialgeo_ros.speech.decoder.Decoder`'s part. Batch
size is one: a robot asks one question at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.embedded_prompt import Prompt
from spatialgeo_ros.speech.incremental import IncrementalText
from spatialgeo_ros.speech.sampling import Sampling
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer


@dataclass(frozen=True)
class NumberEstimate:
    """The first number token of an answer and the distribution it was taken from.

    Attributes:
        value: the number said, metres.
        mean: expectation over all number tokens, metres.
        std: standard deviation over all number tokens, metres.
        probability: how much of the next-token probability the number tokens had together.
    """

    value: float
    mean: float
    std: float
    probability: float


@dataclass(frozen=True)
class Generation:
    """An answer as generated.

    Attributes:
        text: the answer without special tokens, stripped.
        ids: its tokens, the end token included.
        stopped: "eos", "stop" (the stop text), "length" or "cancelled".
        prompt_tokens: length of the prompt.
        reused_tokens: how many of them came from a prefix cache.
        number: the first number token said, for a vocabulary with number tokens.
    """

    text: str
    ids: tuple[int, ...]
    stopped: str
    prompt_tokens: int
    reused_tokens: int = 0
    number: NumberEstimate | None = None


def generate(
    decoder: Decoder,
    tokenizer: LanguageTokenizer,
    inputs_embeds: Tensor,
    sampling: Sampling | None = None,
    *,
    on_token: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    stop: str | None = None,
    prefix_key: Hashable = None,
    prefix_length: int = 0,
    position_ids: Tensor | None = None,
    prompt_ids: Sequence[int] = (),
    end_ids: Collection[int] = (),
) -> Generation:
    """Generate an answer.

    Args:
        decoder: of a Hugging Face causal language model.
        tokenizer: of the model.
        inputs_embeds: [1, T, D] embedded prompt, visual tokens included, on the model's device.
        sampling: greedy with 128 tokens by default.
        on_token: called with each new piece of text as soon as it is certain.
        cancelled: asked before the prompt is computed and before every token.
        stop: text that ends the answer besides the end token; it is not part of the answer.
        prefix_key: what the first ``prefix_length`` positions depend on, e.g. frame numbers and
            prompt template. Equal keys must mean equal embeddings.
        prefix_length: positions whose keys and values are kept for the next question, 0 to T - 1;
            0 keeps none.
        position_ids: [1, T], or [3, 1, T] for M-RoPE (time, row, column); the answer continues in
            every row after the largest of them. By default 0 to T - 1.
        prompt_ids: token ids of the prompt, which the repetition penalty covers besides the answer;
            negative ones (image placeholders) are no tokens.
        end_ids: tokens that end the answer besides the tokenizer's end token.

    Returns:
        The answer so far when ``cancelled`` became true, with ``stopped == "cancelled"``.

    Raises:
        ValueError: the prompt is empty, ``prefix_length`` leaves nothing to compute, or
            ``position_ids`` are not of the prompt's length.
        BadRequestError: prompt and answer are longer than the model reads.
    """
    sampling = sampling or Sampling()
    prompt = Prompt(inputs_embeds, position_ids)
    is_cancelled = cancelled or (lambda: False)
    if is_cancelled():
        return Generation("", (), "cancelled", len(prompt))
    run = _Run(decoder, tokenizer, on_token, is_cancelled, stop, end_ids)
    try:
        reused = decoder.begin(
            prompt,
            sampling,
            prefix_key=prefix_key,
            prefix_length=prefix_length,
            seen={i for i in prompt_ids if i >= 0},
        )
        stopped = run.decode(sampling.max_new_tokens)
    except BaseException:
        # Whatever failed may have left the layers of a growing cache at different lengths.
        decoder.forget()
        raise
    finally:
        decoder.end()
    return Generation(run.text, tuple(run.ids), stopped, len(prompt), reused, run.number)


class _Run:
    """State of one answer while it is generated."""

    def __init__(
        self,
        decoder: Decoder,
        tokenizer: LanguageTokenizer,
        on_token: Callable[[str], None] | None,
        cancelled: Callable[[], bool],
        stop: str | None,
        end_ids: Collection[int],
    ) -> None:
        self.decoder = decoder
        self.on_token = on_token
        self.cancelled = cancelled
        self.pieces = IncrementalText(tokenizer, stop)
        self.ids: list[int] = []
        self.number: NumberEstimate | None = None
        self.numbers = tokenizer.numbers
        self.ends = {*end_ids, tokenizer.eos_id}

    @property
    def text(self) -> str:
        return self.pieces.text.strip()

    def decode(self, most: int) -> str:
        """Take tokens until an end; returns why it ended."""
        stopped = "length"
        for _ in range(most):
            if self.cancelled():
                stopped = "cancelled"
                break
            # The distribution behind a number is asked for before the next pass writes over it.
            awaited = bool(self.numbers) and self.number is None
            token = self.decoder.next(ahead=not awaited)
            self.ids.append(token)
            if token in self.ends:
                stopped = "eos"
                break
            if awaited and token in self.numbers:
                self.number = _number_estimate(self.decoder.logits(), self.numbers, token)
            self._say(self.pieces.push(token))
            if self.pieces.stopped:
                stopped = "stop"
                break
        if stopped != "stop":
            self._say(self.pieces.flush())
        return stopped

    def _say(self, piece: str) -> None:
        if piece and self.on_token is not None:
            self.on_token(piece)


def _number_estimate(logits: Tensor, numbers: Mapping[int, float], token: int) -> NumberEstimate:
    values = torch.tensor(list(numbers.values()), dtype=torch.float64)
    every = logits.double().softmax(-1).cpu()[list(numbers)]
    share = float(every.sum())
    probabilities = every / every.sum()
    mean = float((probabilities * values).sum())
    std = float((probabilities * (values - mean) ** 2).sum().clamp_min(0).sqrt())
    return NumberEstimate(numbers[token], mean, std, share)
