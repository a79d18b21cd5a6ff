# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Token-by-token generation with a causal language model: streaming, cancelling, prefix reuse.

The model is any Hugging Face causal language model whose key-value cache can be cropped (LLaMA and
its kin). Batch size is one: a robot asks one question at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spatialgeo_ros.language.tokenizer import LanguageTokenizer

#: What a decoder puts for bytes that do not form a character yet.
_INCOMPLETE = "\ufffd"


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        max_new_tokens: most tokens of an answer, the end token included.
        temperature: 0 takes the likeliest token, else the logits are divided by it.
        top_p: with a temperature, the share of probability the candidates must cover.
        seed: of the sampling; None draws from the global generator.
    """

    max_new_tokens: int = 128
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        """Reject values no model could be sampled with.

        Raises:
            ValueError: a value is out of its range.
        """
        if self.max_new_tokens < 1:
            raise ValueError(f"max_new_tokens must be at least 1, not {self.max_new_tokens}")
        if not (self.temperature >= 0 and 0 < self.top_p <= 1):
            raise ValueError("temperature must be at least 0 and top_p in (0, 1]")


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


class IncrementalText:
    """Turns tokens into pieces of text as they come; the pieces joined are the whole text.

    A piece is held back while its last bytes form no character yet, and while its end could be the
    beginning of the stop text.

    Args:
        tokenizer: decodes ids.
        stop: text that ends the answer, or None.
    """

    def __init__(self, tokenizer: LanguageTokenizer, stop: str | None = None) -> None:
        self.tokenizer = tokenizer
        self.stop = stop
        self.text = ""
        self.stopped = False
        self._ids: list[int] = []
        self._window = 0  # tokens before it cannot change what follows any more
        self._read = 0
        self._pending = ""

    def push(self, token: int) -> str:
        """Add one token and return the text that is certain now ("" when none is)."""
        self._ids.append(token)
        # Decoding two neighbouring pieces together puts the space between them that decoding the
        # second alone would lose.
        before = self.tokenizer.decode(self._ids[self._window : self._read])
        after = self.tokenizer.decode(self._ids[self._window :])
        if after.endswith(_INCOMPLETE) or not after.startswith(before) or after == before:
            return ""
        self._window, self._read = self._read, len(self._ids)
        return self._emit(after[len(before) :])

    def flush(self) -> str:
        """Return what was held back, at the end of the answer."""
        before = self.tokenizer.decode(self._ids[self._window : self._read])
        after = self.tokenizer.decode(self._ids[self._window :])
        self._read = len(self._ids)
        rest = after[len(before) :].rstrip(_INCOMPLETE) if after.startswith(before) else ""
        piece = self._emit(rest)
        if not self.stopped and self._pending:
            self.text += self._pending
            piece, self._pending = piece + self._pending, ""
        return piece

    def _emit(self, piece: str) -> str:
        if self.stopped:
            return ""
        if self.stop is None:
            self.text += piece
            return piece
        self._pending += piece
        end = self._pending.find(self.stop)
        if end >= 0:
            self.stopped = True
            certain, self._pending = self._pending[:end], ""
        else:
            held = _overlap(self._pending, self.stop)
            cut = len(self._pending) - held
            certain, self._pending = self._pending[:cut], self._pending[cut:]
        self.text += certain
        return certain


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of ``text`` that begins ``stop``."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)


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

    Returns:
        The answer so far when ``cancelled`` became true, with ``stopped == "cancelled"``.

    Raises:
        ValueError: the prompt is empty or ``prefix_length`` leaves nothing to compute.
    """
    sampling = sampling or Sampling()
    total = inputs_embeds.shape[1]
    if total == 0 or not 0 <= prefix_length < total:
        raise ValueError(f"prefix_length {prefix_length} must be below the prompt's {total} tokens")
    is_cancelled = cancelled or (lambda: False)
    if is_cancelled():
        return Generation("", (), "cancelled", total)
    if prefix is None or prefix_length == 0:
        prefix, prefix_length = None, 0
    try:
        cache, reused = _prefill(model, inputs_embeds, prefix, prefix_key, prefix_length)
        run = _Run(model, tokenizer, sampling, on_token, is_cancelled, stop)
        stopped = run.decode(inputs_embeds[:, prefix_length:], cache)
    except BaseException:
        # Whatever failed may have left the layers of the cache at different lengths.
        if prefix is not None:
            prefix.clear()
        raise
    if prefix is not None:
        prefix.restore()
    return Generation(run.text, tuple(run.ids), stopped, total, reused, run.number)


def _prefill(
    model: Any, embeds: Tensor, prefix: PrefixCache | None, key: Hashable, length: int
) -> tuple[Any, int]:
    """Return a cache that holds the prefix, and how many positions of it were reused."""
    from transformers import DynamicCache

    if prefix is None:
        return DynamicCache(), 0
    cache = prefix.take(key, length)
    if cache is not None:
        return cache, length
    cache = DynamicCache()
    model(inputs_embeds=embeds[:, :length], past_key_values=cache, use_cache=True, logits_to_keep=1)
    prefix.put(key, length, cache)
    return cache, 0


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

    @property
    def text(self) -> str:
        return self.pieces.text.strip()

    def decode(self, embeds: Tensor, cache: Any) -> str:
        """Generate until an end; returns why it ended."""
        if self.sampling.seed is not None:
            self.generator = torch.Generator(embeds.device).manual_seed(self.sampling.seed)
        inputs: dict[str, Tensor] = {"inputs_embeds": embeds}
        stopped = "length"
        for _ in range(self.sampling.max_new_tokens):
            if self.cancelled():
                stopped = "cancelled"
                break
            output = self.model(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
            logits = output.logits[0, -1].float()
            token = choose_token(logits, self.sampling, self.generator)
            self.ids.append(token)
            if token == self.tokenizer.eos_id:
                stopped = "eos"
                break
            if self.number is None and token in self.numbers:
                self.number = _number_estimate(logits, self.numbers, token)
            self._say(self.pieces.push(token))
            if self.pieces.stopped:
                stopped = "stop"
                break
            inputs = {"input_ids": torch.tensor([[token]], device=embeds.device)}
        if stopped != "stop":
            self._say(self.pieces.flush())
        return stopped

    def _say(self, piece: str) -> None:
        if piece and self.on_token is not None:
            self.on_token(piece)


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
