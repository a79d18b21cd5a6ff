# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tokens on their way from the device to the host."""

from __future__ import annotations

import torch

from spatialgeo_ros.speech.fixed_passes import Choice
from spatialgeo_ros.speech.sampling import Sampling, draw


class TokenReading:
    """How far an answer is: tokens that were started, and that the host has taken.

    On a GPU a token travels to pinned memory behind the pass that chose it; two places, because at
    most one token is started before the one before it is taken.
    """

    def __init__(
        self, sampling: Sampling, device: torch.device, length: int, prefix_length: int
    ) -> None:
        self.sampling, self.length, self.prefix_length = sampling, length, prefix_length
        self.started = self.taken = 0
        self._generator = None
        if sampling.temperature > 0:
            self._generator = sampling.generator(device)
        on_gpu = device.type == "cuda"
        self._host = torch.zeros(2, dtype=torch.long, pin_memory=on_gpu)
        # They let the thread sleep: the other lane needs the CPU.
        self._arrived = [torch.cuda.Event(blocking=True) for _ in range(2)] if on_gpu else []

    def publish(self, choice: Choice) -> None:
        """Draw the token where a temperature asks for it, and send it to the host."""
        if self._generator is not None:
            choice.token.copy_(draw(choice.penalised, self.sampling, self._generator))
        place = self.started % 2
        self._host[place : place + 1].copy_(choice.token.view(1), non_blocking=True)
        if self._arrived:
            self._arrived[place].record()
        self.started += 1

    def take(self) -> int:
        """Wait for the oldest token that was not taken, and return it."""
        place = self.taken % 2
        if self._arrived:
            self._arrived[place].synchronize()
        self.taken += 1
        return int(self._host[place])
