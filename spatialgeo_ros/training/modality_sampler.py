# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LLaVA's order of samples: batches of like length, with images or without, shuffled.

Permutations are drawn from PyTorch's global generator, or from the one given, in the published
order: the same seed gives the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import Sampler

Draw = Callable[[int], Sequence[int]]


def modality_length(sample: Mapping[str, Any]) -> int:
    """Words of a sample's turns; negative where it has no image."""
    words = sum(len(turn["value"].split()) for turn in sample["conversations"])
    return words if "image" in sample else -words


def _draw(count: int) -> list[int]:
    drawn: list[int] = torch.randperm(count).tolist()
    return drawn


def grouped_by_length(
    lengths: Sequence[int], batch_size: int, world_size: int, draw: Draw = _draw
) -> list[int]:
    """Order samples so that each global batch holds like lengths, spread evenly over the ranks.

    Args:
        lengths: of the samples.
        batch_size: of one rank.
        world_size: ranks, times the steps of accumulation.
        draw: a permutation of the first so many numbers.
    """
    order = draw(len(lengths))
    step = world_size * batch_size
    grouped: list[int] = []
    for start in range(0, len(order), step):
        batch = sorted(order[start : start + step], key=lambda k: lengths[k], reverse=True)
        for chunk in even_chunks(batch, lengths, world_size):
            grouped += chunk
    return grouped


def even_chunks(batch: Sequence[int], lengths: Sequence[int], count: int) -> list[list[int]]:
    """Deal samples out to chunks of equal number and like sums of lengths."""
    if len(batch) % count:
        return [list(batch[k::count]) for k in range(count)]
    most = len(batch) // count
    chunks: list[list[int]] = [[] for _ in range(count)]
    sums = [0.0] * count
    for sample in batch:
        shortest = sums.index(min(sums))
        chunks[shortest].append(sample)
        sums[shortest] += lengths[sample]
        if len(chunks[shortest]) == most:
            sums[shortest] = float("inf")
    return chunks


def grouped_by_modality(
    lengths: Sequence[int], batch_size: int, world_size: int, draw: Draw = _draw
) -> list[int]:
    """Order samples so that each global batch has images in all of its samples or in none.

    Args:
        lengths: from :func:`modality_length`.
        batch_size: of one rank.
        world_size: ranks, times the steps of accumulation.
        draw: see :func:`grouped_by_length`.

    Raises:
        ValueError: a sample has no words.
    """
    if not all(lengths):
        raise ValueError("a sample without words cannot be ordered by its length")
    sides = [
        [k for k, n in enumerate(lengths) if (n > 0) == positive] for positive in (True, False)
    ]
    if not sides[0] or not sides[1]:
        return grouped_by_length(lengths, batch_size, world_size, draw)
    step = world_size * batch_size
    batches: list[list[int]] = []
    rest: list[int] = []
    for side in sides:
        order = grouped_by_length([abs(lengths[k]) for k in side], batch_size, world_size, draw)
        own = [[side[k] for k in order[i : i + step]] for i in range(0, len(order), step)]
        rest += own.pop()
        batches += own
    shuffled = [batches[k] for k in draw(len(batches))]
    if rest:
        shuffled.append(sorted(rest))
    return [sample for batch in shuffled for sample in batch]


class ModalitySampler(Sampler[int]):
    """A new order in every epoch; see :func:`grouped_by_modality`.

    Args:
        lengths: from :func:`modality_length`.
        batch_size: of one rank.
        world_size: ranks, times the steps of accumulation.
        generator: permutations are drawn from it; None for PyTorch's global one.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        batch_size: int,
        world_size: int,
        generator: torch.Generator | None = None,
    ) -> None:
        self._lengths = list(lengths)
        self._batch_size, self._world_size = batch_size, world_size
        self._generator = generator

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        """Go through the samples in the order of one epoch."""

        def draw(count: int) -> list[int]:
            drawn: list[int] = torch.randperm(count, generator=self._generator).tolist()
            return drawn

        return iter(grouped_by_modality(self._lengths, self._batch_size, self._world_size, draw))
