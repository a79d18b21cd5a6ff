# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Passes of a language model over memory of fixed size, so that each can be captured once.

A pass reads where it writes, what it may see and at which positions from buffers on the device,
and leaves the chosen token there for the next one. Nothing is asked back and every shape is fixed:
the same functions are captured as CUDA graphs or called directly.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spatialgeo_ros.runtime.cuda_graph import Captured, WorkStream, capture
from spatialgeo_ros.speech.sampling import penalise
from spatialgeo_ros.speech.slots import SlotCache

#: Tokens of a question, padded to one of these.
QUESTION_LENGTHS = (16, 32, 64)
#: Runs before a capture; libraries choose their kernels and allocate their workspaces.
_WARM_UPS = 2


def cache_argument(model: Any, cache: Any) -> dict[str, Any]:
    """Argument by which a Hugging Face model takes its keys and values.

    ``cache`` since transformers 5.24, which warns of the ``past_key_values`` of earlier versions.
    """
    known = inspect.signature(model.forward).parameters
    return {"cache" if "cache" in known else "past_key_values": cache}


class Choice:
    """The token that a pass ends with, and what it was chosen from; all of it on the device.

    Args:
        size: of the vocabulary.
        device: of the model.

    Attributes:
        token: [1, 1] int64, likeliest after the penalty; what the next pass reads.
        logits: [size] float32 as the model gave them.
        penalised: [size] float32 after the repetition penalty.
        seen: [size] bool, tokens of prompt and answer.
        penalty: scalar float32.
    """

    def __init__(self, size: int, device: torch.device) -> None:
        self.token = torch.zeros((1, 1), dtype=torch.long, device=device)
        self.logits = torch.zeros(size, device=device)
        self.penalised = torch.zeros(size, device=device)
        self.seen = torch.zeros(size, dtype=torch.bool, device=device)
        self.penalty = torch.ones((), device=device)

    def mark(self) -> None:
        """Count the token as seen."""
        self.seen.index_fill_(0, self.token.view(1), True)

    def conclude(self, logits: Tensor) -> None:
        """Take the likeliest token of a pass's logits [size]."""
        self.logits.copy_(logits)
        self.penalised.copy_(penalise(self.logits, self.seen, self.penalty))
        self.token.copy_(self.penalised.argmax())


@dataclass(frozen=True, eq=False)
class _Question:
    """Buffers of a question of ``n`` tokens, padded at its end.

    Attributes:
        embeds: [1, n, D].
        positions: [..., 1, n] int64.
        slots: [n] int64.
        last: [1] int64, index of the last token that is no padding.
        mask: [1, 1, n, capacity], 0 or minus infinity.
    """

    embeds: Tensor
    positions: Tensor
    slots: Tensor
    last: Tensor
    mask: Tensor


class FixedPasses:
    """One token, and questions of a few lengths, as passes over all slots of a cache.

    A cache that grows needs new ones.

    Args:
        model: a Hugging Face causal language model.
        cache: with its capacity.
        choice: what every pass ends with.
        like: [1, T, D] embeddings of a prompt, for width and dtype.
        rows: shape of positions before the tokens: (1,), or (3, 1) for M-RoPE.
        stream: where they are captured and replayed.
        captured: whether they are captured, or called directly.

    Raises:
        CaptureError: they cannot be captured, and why.
    """

    def __init__(
        self,
        model: Any,
        cache: SlotCache,
        choice: Choice,
        like: Tensor,
        rows: tuple[int, ...],
        stream: WorkStream,
        captured: bool,
    ) -> None:
        self.rows = rows
        self._model, self._cache, self._choice = model, cache, choice
        self._kept = cache_argument(model, cache)
        device, capacity = choice.token.device, cache.capacity
        integers: dict[str, Any] = {"dtype": torch.long, "device": device}
        self.slot = torch.full((1,), capacity - 1 - _WARM_UPS, **integers)
        self.position = torch.zeros((*rows, 1), **integers)
        self._columns = torch.arange(capacity, device=device)
        self._mask = torch.zeros((1, 1, 1, capacity), dtype=like.dtype, device=device)
        self._questions = {
            size: _Question(
                torch.zeros((1, size, like.shape[-1]), dtype=like.dtype, device=device),
                torch.zeros((*rows, size), **integers),
                torch.arange(capacity - size, capacity, **integers),
                torch.zeros(1, **integers),
                torch.zeros((1, 1, size, capacity), dtype=like.dtype, device=device),
            )
            for size in QUESTION_LENGTHS
        }
        self.graphs: list[Captured] = []
        self._token_pass: Callable[[], object] = self._run_token
        self._question_passes: dict[int, Callable[[], object]] = {
            size: self._runner(question) for size, question in self._questions.items()
        }
        if captured:
            # The longest first: the others fit into the scratch memory that it leaves behind.
            for size in sorted(QUESTION_LENGTHS, reverse=True):
                self._question_passes[size] = self._captured(self._question_passes[size], stream)
            self._token_pass = self._captured(self._run_token, stream)

    def _captured(self, run: Callable[[], object], stream: WorkStream) -> Callable[[], object]:
        """Capture a pass. It runs on the last slots meanwhile, which no prompt has reached."""

        def function() -> tuple[Tensor, ...]:
            run()
            return ()

        pool = self.graphs[0].pool() if self.graphs else None
        self.graphs.append(capture(function, (), stream, pool=pool, warm_ups=_WARM_UPS))
        return self.graphs[-1].replay

    @property
    def scratch_bytes(self) -> int:
        """Memory that the graphs hold beside their buffers."""
        return sum(graph.memory_bytes for graph in self.graphs)

    def begin(self, slot: int, position: Tensor | None) -> None:
        """Say where the answer's first token goes: its slot, and its position where it is another.

        Args:
            slot: behind the prompt.
            position: [..., 1], or None for ``slot``.
        """
        self.slot.fill_(slot)
        if position is None:
            self.position.fill_(slot)
        else:
            self.position.copy_(position)

    def token(self) -> None:
        """Compute the token of the choice at the next slot and position, and choose the next."""
        self._token_pass()

    @staticmethod
    def question_length(count: int) -> int | None:
        """Length that a question of ``count`` tokens is padded to, None where it is too long."""
        return next((size for size in QUESTION_LENGTHS if count <= size), None)

    def question(self, size: int, embeds: Tensor, positions: Tensor, start: int) -> None:
        """Compute a question behind ``start`` tokens and choose the answer's first.

        Args:
            size: from :meth:`question_length`.
            embeds: [1, n, D], n at most ``size``.
            positions: [..., 1, n].
            start: first slot.
        """
        held, count = self._questions[size], embeds.shape[1]
        held.embeds[:, :count].copy_(embeds)
        held.embeds[:, count:].zero_()
        held.positions[..., :count].copy_(positions)
        held.positions[..., count:].zero_()
        torch.arange(start, start + size, out=held.slots)
        held.last.fill_(count - 1)
        self._question_passes[size]()

    def _run_token(self) -> None:
        self._choice.mark()
        self._hide(self._mask, self.slot)
        self._cache.put_at(self.slot)
        self._conclude(
            input_ids=self._choice.token,
            position_ids=self.position,
            attention_mask=self._mask,
            logits_to_keep=1,
        )
        self.slot.add_(1)
        self.position.add_(1)

    def _runner(self, held: _Question) -> Callable[[], None]:
        def run() -> None:
            self._hide(held.mask, held.slots)
            self._cache.put_at(held.slots)
            self._conclude(
                inputs_embeds=held.embeds,
                position_ids=held.positions,
                attention_mask=held.mask,
                logits_to_keep=held.last,
            )

        return run

    def _conclude(self, **arguments: Any) -> None:
        output = self._model(**arguments, **self._kept, use_cache=True)
        self._choice.conclude(output.logits[0, -1])

    def _hide(self, mask: Tensor, slots: Tensor) -> None:
        """Let each token see the slots up to its own."""
        mask.zero_()
        mask.masked_fill_(self._columns > slots[:, None], float("-inf"))
