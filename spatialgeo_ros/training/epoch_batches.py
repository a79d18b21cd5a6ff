# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which samples each process sees in each pass, from seed and epoch alone: so a run can go on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import Sampler

from spatialgeo_ros.training.modality_sampler import ModalitySampler


class EpochOrder:
    """The order of samples in every epoch.

    Args:
        count: samples.
        lengths: from ``modality_length``, for batches of like length; None for a plain shuffle.
        batch: of one process.
        passes: passes of all processes together that make one step of the optimiser.
        seed: of the permutations.
    """

    def __init__(
        self, count: int, lengths: Sequence[int] | None, batch: int, passes: int, seed: int
    ) -> None:
        self._count, self._lengths = count, lengths
        self._batch, self._passes, self._seed = batch, passes, seed

    @property
    def steps(self) -> int:
        """Steps of the optimiser in an epoch; the last may see samples of its beginning again."""
        return -(-self._count // (self._batch * self._passes))

    def epoch(self, number: int) -> list[int]:
        """Samples of an epoch, as many as its steps take."""
        generator = torch.Generator().manual_seed(self._seed + number)
        if self._lengths is None:
            order = torch.randperm(self._count, generator=generator).tolist()
        else:
            order = list(ModalitySampler(self._lengths, self._batch, self._passes, generator))
        wanted = self.steps * self._batch * self._passes
        return [order[k % len(order)] for k in range(wanted)]


class ProcessBatches(Sampler[list[int]]):
    """The batches of one process, from a step on.

    Of each group of ``passes`` batches, pass by pass each process takes one: a run of several
    processes and one with as many more accumulated passes see the same batches in each step.

    Args:
        order: of the samples.
        batch: of one process.
        accumulation: passes of a process in a step.
        processes: how many there are.
        rank: which one this is.
        first: step to begin with, from 0.
        last: step to end before.
    """

    def __init__(
        self,
        order: EpochOrder,
        batch: int,
        accumulation: int,
        processes: int,
        rank: int,
        first: int,
        last: int,
    ) -> None:
        self._order, self._batch, self._accumulation = order, batch, accumulation
        self._processes, self._rank = processes, rank
        self._first, self._last = first, last

    def __len__(self) -> int:
        """Return the number of passes that are left."""
        return max(0, self._last - self._first) * self._accumulation

    def __iter__(self) -> Iterator[list[int]]:
        """Go through the batches."""
        epoch, samples = -1, []
        for step in range(self._first, self._last):
            if step // self._order.steps != epoch:
                epoch = step // self._order.steps
                samples = self._order.epoch(epoch)
            within = step % self._order.steps
            for one in range(self._accumulation):
                number = (within * self._accumulation + one) * self._processes + self._rank
                yield samples[number * self._batch : (number + 1) * self._batch]
