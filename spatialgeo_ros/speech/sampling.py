# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How the next token is chosen from logits, on the device and without asking it for a value."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        max_new_tokens: most tokens of an answer, the end token included.
        temperature: 0 takes the likeliest token, else the logits are divided by it.
        top_p: with a temperature, the share of probability the candidates must cover.
        seed: of the sampling; None takes one from the global generator.
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

    def generator(self, device: torch.device) -> torch.Generator:
        """Make the generator of one answer, seeded from the global one without a ``seed``.

        Of its own, because a capture anywhere in the process claims a GPU's default generator.
        """
        seed = self.seed
        if seed is None:
            seed = int(torch.randint(2**62, ()))
        return torch.Generator(device).manual_seed(seed)


def penalise(logits: Tensor, seen: Tensor, penalty: Tensor) -> Tensor:
    """Apply the repetition penalty; see :class:`Sampling`.

    Args:
        logits: [V] float32.
        seen: [V] bool, the tokens that it is applied to.
        penalty: scalar float32 on the same device; 1 returns the logits to the bit.
    """
    changed = torch.where(logits < 0, logits * penalty, logits / penalty)
    return torch.where(seen, changed, logits)


def draw(logits: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    """Draw the next token from logits [V] at a temperature above 0; a scalar tensor of int64.

    ``torch.multinomial`` draws a single sample in the same way (the largest quotient of
    probabilities and exponential noise), but first asks the device whether all is finite, and so
    waits for it.
    """
    probabilities = (logits / sampling.temperature).softmax(-1)
    if sampling.top_p < 1:
        ordered, order = probabilities.sort(descending=True)
        # A token stays while those before it do not cover top_p yet; the first always stays.
        before = ordered.cumsum(-1) - ordered
        ordered = ordered.masked_fill(before >= sampling.top_p, 0)
        probabilities = torch.zeros_like(probabilities).scatter(0, order, ordered)
    noise = torch.empty_like(probabilities).exponential_(1, generator=generator)
    return (probabilities / noise).argmax()
