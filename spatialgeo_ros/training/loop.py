# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The training loop that all networks share: AdamW, one-cycle rate, checkpoints, a written log."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

log = logging.getLogger(__name__)

#: Of the option of every training from nothing.
DEVICE_HELP = "where it is trained: auto (a GPU where there is one), cpu, cuda or cuda:<n>"
StepFunction = Callable[[np.ndarray, np.random.Generator], tuple[Tensor, dict[str, float]]]


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        steps: optimiser steps.
        batch: samples per step.
        rate: peak learning rate; warm-up over 3 % of the steps, then cosine to 1 % of it.
        weight_decay: of the weight matrices (not of norms and biases).
        seed: of the data order and the augmentation.
        evaluate_every: steps between evaluations, which also write a checkpoint.
    """

    steps: int
    batch: int
    rate: float
    weight_decay: float = 0.02
    seed: int = 0
    evaluate_every: int = 500

    def rate_at(self, step: int) -> float:
        """Return the learning rate of one step."""
        warm = max(1, round(0.03 * self.steps))
        if step < warm:
            return self.rate * (step + 1) / warm
        progress = (step - warm) / max(1, self.steps - warm)
        return self.rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Split the trainable parameters: matrices are decayed, vectors and tables are not."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]


def device_of(model: nn.Module) -> torch.device:
    """Where a network is, and its batches have to be."""
    return next(model.parameters()).device


def train(
    model: nn.Module,
    samples: int,
    step_function: StepFunction,
    evaluate: Callable[[], dict[str, float]],
    folder: Path,
    schedule: Schedule,
) -> None:
    """Run the schedule, resuming from ``folder/checkpoint.pt`` where there is one.

    Each evaluation appends a line to ``folder/log.jsonl``: step, samples seen, seconds, rate, the
    mean of every part of the loss since the last line, and what ``evaluate`` returns.

    Args:
        model: trained in place, where it is; parameters with ``requires_grad`` false stay as they
            are.
        samples: size of the data set; each step gets ``schedule.batch`` indices below it.
        step_function: (indices, rng) -> (loss, its parts).
        evaluate: the model's scores on held-out data.
        folder: where checkpoint and log go.
        schedule: how long and how fast.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint, journal = folder / "checkpoint.pt", folder / "log.jsonl"
    optimiser = torch.optim.AdamW(parameter_groups(model, schedule.weight_decay), betas=(0.9, 0.98))
    first, spent = 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device_of(model), weights_only=True)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        first, spent = int(state["step"]), float(state["seconds"])
        log.info("resuming %s at step %d", folder.name, first)
    begun = time.monotonic() - spent
    sums: dict[str, float] = {}
    steps = range(first, schedule.steps)
    bar = tqdm(steps, folder.name, schedule.steps, initial=first, mininterval=5)
    for step in bar:
        # One generator per step: a resumed run draws what an unbroken one would have drawn.
        rng = np.random.default_rng([schedule.seed, step])
        model.train()
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate_at(step)
        optimiser.zero_grad(set_to_none=True)
        loss, parts = step_function(rng.integers(0, samples, schedule.batch), rng)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"{folder.name}: the loss is {loss.item()} at step {step}")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        for name, value in parts.items():
            sums[name] = sums.get(name, 0.0) + value
        done = step + 1
        if done % schedule.evaluate_every == 0 or done == schedule.steps:
            passed = done - max(first, done - schedule.evaluate_every)
            means = {name: round(total / max(1, passed), 4) for name, total in sums.items()}
            sums = {}
            scores = {name: round(float(v), 4) for name, v in evaluate().items()}
            line = {
                "step": done,
                "samples": done * schedule.batch,
                "seconds": round(time.monotonic() - begun),
                "rate": round(schedule.rate_at(step), 7),
                **means,
                **scores,
            }
            with journal.open("a") as stream:
                stream.write(json.dumps(line) + "\n")
            bar.set_postfix(scores)
            partial = checkpoint.with_suffix(".part")
            state = {
                "model": model.state_dict(),
                "optimiser": optimiser.state_dict(),
                "step": done,
                "seconds": time.monotonic() - begun,
            }
            torch.save(state, partial)
            os.replace(partial, checkpoint)
