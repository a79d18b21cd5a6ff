# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Token-by-token generation with a causal language model: streaming, cancelling, prefix reuse.

The model is any Hugging Face causal language model whose key-value cache can be cropped (LLaMA,
Qwen2.5-VL with its three-dimensional positions, and their kin). Batch size is one: a robot asks one
question at a time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spatialgeo_ros.speech.incremental import IncrementalText
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        max_new_tokens: most tokens of an answer, the end token included.
        temperature: 0 takes the likeliest token, else the logits are divided by it.
        top_p: with a temperature, the share of probability the candidates must cover.
        seed: of the sampling; None draws from the global generator.
        repetition_penalty: divides positive and multiplies negative logits of tokens that stand in
            the prompt or the answer already (Keskar et al. 2019, section 4.1); 1 does nothing.
    """

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        """Reject values no model could be sampled with.

        Raises:
            ValueError: a value is out of its range.
        """
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be at least 1, not {self.max_new_tokens}")
        if not (self.temperature >= 0 and 0 < self.top_p <= 1):
            raise ValueError("temperature must be at least 0 and top_p in (0, 1]")
        if not self.repetition_penalty > 0:
            raise ValueError(f"repetition_penalty must be above 0, not {self.repetition_penalty}")


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


class PrefixCache:
    """Keys and values of one prompt prefix, kept for the next question that begins the same.

    Not thread-safe; one question at a time may use it.

    Attributes:
        prefills: how often a prefix had to be computed.
        hits: how often one was reused.
    """

    def __init__(self) -> None:
        self.prefills = 0
        self.hits = 0
        self._key: Hashable | None = None
        self._cache: Any = None
        self._length = 0

    def clear(self) -> None:
        """Forget the prefix and free its memory."""
        self._key, self._cache, self._length = None, None, 0

    def take(self, key: Hashable, length: int) -> Any:
        """Return the cache of the prefix ``key``, or None when another or none is held."""
        if self._cache is None or self._key != key or self._length != length:
            return None
        self.hits += 1
        return self._cache

    def put(self, key: Hashable, length: int, cache: Any) -> None:
        """Keep the cache of a prefix that was just computed."""
        self._key, self._cache, self._length = key, cache, length
        self.prefills += 1

    def restore(self) -> None:
        """Take what a question appended off the cache again."""
        if self._cache is not None:
            surplus = self._cache.get_seq_length() - self._length
            if surplus > 0:
                self._cache.crop(-surplus)


@torch.inference_mode()
def generate(
    model: Any,
    tokenizer: LanguageTokenizer,
    inputs_embeds: Tensor,
    sampling: Sampling | None = None,
    *,
    on_token: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    stop: str | None = None,
    prefix: PrefixCache | None = None,
    prefix_key: Hashable = None,
    prefix_length: int = 0,
    position_ids: Tensor | None = None,
    prompt_ids: Sequence[int] = (),
    end_ids: Collection[int] = (),
) -> Generation:
    """Generate an answer.

    Args:
        model: a Hugging Face causal language model in evaluation mode.
        tokenizer: of the model.
        inputs_embeds: [1, T, D] embedded prompt, visual tokens included, on the model's device.
        sampling: greedy with 128 tokens by default.
        on_token: called with each new piece of text as soon as it is certain.
        cancelled: asked before the prompt is computed and before every token.
        stop: text that ends the answer besides the end token; it is not part of the answer.
        prefix: where the cache of the first ``prefix_length`` positions is kept between calls.
        prefix_key: what these positions depend on, e.g. frame numbers and prompt template. Equal
            keys must mean equal embeddings.
        prefix_length: positions to cache, 0 to T - 1; 0 disables the cache.
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
    """
    sampling = sampling or Sampling()
    total = inputs_embeds.shape[1]
    if total == 0 or not 0 <= prefix_length < total:
        raise ValueError(f"prefix_length {prefix_length} must be below the prompt's {total} tokens")
    if position_ids is not None and position_ids.shape[-1] != total:
        raise ValueError(f"{position_ids.shape[-1]} position_ids for a prompt of {total} tokens")
    first = None if position_ids is None else position_ids.amax() + 1
    prompt = _Prompt(inputs_embeds, position_ids, first)
    is_cancelled = cancelled or (lambda: False)
    if is_cancelled():
        return Generation("", (), "cancelled", total)
    if prefix is None or prefix_length == 0:
        prefix, prefix_length = None, 0
    try:
        cache, reused = _prefill(model, prompt, prefix, prefix_key, prefix_length)
        run = _Run(model, tokenizer, sampling, on_token, is_cancelled, stop)
        run.seen.update(i for i in prompt_ids if i >= 0)
        run.ends.update(end_ids)
        stopped = run.decode(prompt, prefix_length, cache)
    except BaseException:
        # Whatever failed may have left the layers of the cache at different lengths.
        if prefix is not None:
            prefix.clear()
        raise
    if prefix is not None:
        prefix.restore()
    return Generation(run.text, tuple(run.ids), stopped, total, reused, run.number)


@dataclass(frozen=True)
class _Prompt:
    """The embedded prompt and its positions; the answer's begin at ``answer_position``."""

    embeds: Tensor
    position_ids: Tensor | None
    answer_position: Tensor | None

    def part(self, start: int, end: int | None = None) -> dict[str, Tensor]:
        """Arguments of the model for positions ``start`` to ``end`` of the prompt."""
        arguments = {"inputs_embeds": self.embeds[:, start:end]}
        if self.position_ids is not None:
            arguments["position_ids"] = self.position_ids[..., start:end]
        return arguments

    def answer_token(self, token: int, index: int) -> dict[str, Tensor]:
        """Arguments of the model for the answer's token number ``index``."""
        device = self.embeds.device
        arguments = {"input_ids": torch.tensor([[token]], device=device)}
        if self.position_ids is not None and self.answer_position is not None:
            place = self.answer_position + index
            arguments["position_ids"] = place.expand(*self.position_ids.shape[:-1], 1)
        return arguments


def _prefill(
    model: Any, prompt: _Prompt, prefix: PrefixCache | None, key: Hashable, length: int
) -> tuple[Any, int]:
    """Return a cache that holds the prefix, and how many positions of it were reused."""
    from transformers import DynamicCache

    if prefix is None:
        return DynamicCache(), 0
    cache = prefix.take(key, length)
    if cache is not None:
        return cache, length
    cache = DynamicCache()
    kept = cache_argument(model, cache)
    model(**prompt.part(0, length), **kept, use_cache=True, logits_to_keep=1)
    prefix.put(key, length, cache)
    return cache, 0


def cache_argument(model: Any, cache: Any) -> dict[str, Any]:
    """Argument by which a Hugging Face model takes its keys and values.

    ``cache`` since transformers 5.24, which warns of the ``past_key_values`` of earlier versions.
    """
    known = inspect.signature(model.forward).parameters
    return {"cache" if "cache" in known else "past_key_values": cache}


class _Run:
    """State of one answer while it is generated."""

    def __init__(
        self,
        model: Any,
        tokenizer: LanguageTokenizer,
        sampling: Sampling,
        on_token: Callable[[str], None] | None,
        cancelled: Callable[[], bool],
        stop: str | None,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.sampling = sampling
        self.on_token = on_token
        self.cancelled = cancelled
        self.pieces = IncrementalText(tokenizer, stop)
        self.ids: list[int] = []
        self.number: NumberEstimate | None = None
        self.numbers = dict(zip(*tokenizer.number_tokens(), strict=True))
        self.generator: torch.Generator | None = None
        self.seen: set[int] = set()
        self.ends = set() if tokenizer.eos_id is None else {tokenizer.eos_id}

    @property
    def text(self) -> str:
        return self.pieces.text.strip()

    def decode(self, prompt: _Prompt, start: int, cache: Any) -> str:
        """Generate from position ``start`` of the prompt until an end; returns why it ended."""
        if self.sampling.seed is not None:
            device = prompt.embeds.device
            self.generator = torch.Generator(device).manual_seed(self.sampling.seed)
        inputs = prompt.part(start)
        stopped = "length"
        kept = cache_argument(self.model, cache)
        for index in range(self.sampling.max_new_tokens):
            if self.cancelled():
                stopped = "cancelled"
                break
            output = self.model(**inputs, **kept, use_cache=True, logits_to_keep=1)
            logits = output.logits[0, -1].float()
            penalised = penalise(logits, self.seen, self.sampling.repetition_penalty)
            token = choose_token(penalised, self.sampling, self.generator)
            self.ids.append(token)
            self.seen.add(token)
            if token in self.ends:
                stopped = "eos"
                break
            if self.number is None and token in self.numbers:
                self.number = _number_estimate(logits, self.numbers, token)
            self._say(self.pieces.push(token))
            if self.pieces.stopped:
                stopped = "stop"
                break
            inputs = prompt.answer_token(token, index)
        if stopped != "stop":
            self._say(self.pieces.flush())
        return stopped

    def _say(self, piece: str) -> None:
        if piece and self.on_token is not None:
            self.on_token(piece)


def penalise(logits: Tensor, seen: Collection[int], penalty: float) -> Tensor:
    """Logits [V] with the repetition penalty on the tokens ``seen``; see :class:`Sampling`."""
    if penalty == 1 or not seen:
        return logits
    index = torch.tensor(sorted(seen), device=logits.device)
    old = logits[index]
    return logits.index_copy(0, index, torch.where(old < 0, old * penalty, old / penalty))


def choose_token(logits: Tensor, sampling: Sampling, generator: torch.Generator | None) -> int:
    """Choose the next token from logits [V]."""
    if sampling.temperature == 0:
        return int(logits.argmax())
    probabilities = (logits / sampling.temperature).softmax(-1)
    if sampling.top_p < 1:
        ordered, order = probabilities.sort(descending=True)
        # A token stays while those before it do not cover top_p yet; the first always stays.
        ordered[ordered.cumsum(-1) - ordered >= sampling.top_p] = 0
        probabilities = torch.zeros_like(probabilities).scatter(0, order, ordered)
    return int(torch.multinomial(probabilities, 1, generator=generator))


def _number_estimate(logits: Tensor, numbers: dict[int, float], token: int) -> NumberEstimate:
    ids: Sequence[int] = list(numbers)
    values = torch.tensor(list(numbers.values()), dtype=torch.float64)
    every = logits.double().softmax(-1).cpu()[ids]
    share = float(every.sum())
    probabilities = every / every.sum()
    mean = float((probabilities * values).sum())
    std = float((probabilities * (values - mean) ** 2).sum().clamp_min(0).sqrt())
    return NumberEstimate(numbers[token], mean, std, share)
