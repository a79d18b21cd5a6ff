# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The loop of the published trainings, on one process or many (accelerate): steps, log, resume.

``accelerate launch`` or ``torchrun`` say how many processes there are and how they share the work:
copies (DDP), FSDP2 or DeepSpeed. The loop is the same.
"""

from __future__ import annotations

import json
import logging
import math
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.training.epoch_batches import EpochOrder, ProcessBatches
from spatialgeo_ros.training.journal import Journal
from spatialgeo_ros.training.parameter_groups import parameter_groups, schedule
from spatialgeo_ros.training.trainee import Trainee, Work

log = logging.getLogger(__name__)

_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_TRAINED = "trained.safetensors"
_POSITION = "position.json"


class Training:
    """One run, from its last checkpoint where there is one.

    Args:
        accelerator: from ``processes.make_accelerator``.
        trainee: trained in place; parameters with ``requires_grad`` learn.
        work: data and settings.

    Attributes:
        steps: of the whole run.
        first: step that it goes on with, from 0.
    """

    def __init__(self, accelerator: Any, trainee: Trainee, work: Work) -> None:
        self.accelerator, self.trainee, self.work = accelerator, trainee, work
        how = work.optimisation
        passes = how.accumulation * accelerator.num_processes
        count = len(work.samples)  # type: ignore[arg-type]
        self._order = EpochOrder(count, work.lengths, how.batch, passes, how.seed)
        self.steps = how.steps or math.ceil(how.epochs * self._order.steps)
        every = how.save_every
        self._every = max(1, math.ceil(self.steps * every) if every < 1 else int(every))
        groups = parameter_groups(
            trainee, how.rate, how.weight_decay, how.projector_rate, trainee.projector
        )
        groups = [group for group in groups if group["params"]]
        if not groups:
            raise BadRequestError("nothing would learn: the recipe's 'trained' names no part")
        for group in groups:
            del group["names"]  # engines that copy groups know no such key
        optimizer = torch.optim.AdamW(groups, lr=how.rate, betas=how.betas, eps=how.epsilon)
        self._schedule = schedule(optimizer, how.schedule, self.steps, how.warmup_ratio)
        self.model, self._optimizer = accelerator.prepare(trainee, optimizer)
        accelerator.register_for_checkpointing(self._schedule)
        if not self._is_sharded:
            accelerator.register_save_state_pre_hook(self._save_trained)
            accelerator.register_load_state_pre_hook(self._load_trained)
        self.first = self._resume()

    @property
    def _is_sharded(self) -> bool:
        """Whether an engine keeps pieces of the weights in its own files."""
        return str(self.accelerator.distributed_type).split(".")[-1] in ("FSDP", "DEEPSPEED")

    def run(self) -> None:
        """Take all steps that are left, then write the result.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        work, accelerator = self.work, self.accelerator
        work.output.mkdir(parents=True, exist_ok=True)
        # Closed also where a step fails: TensorBoard's files then have all steps before it.
        with closing(Journal(work.output, self.first, accelerator.is_main_process)) as journal:
            self._take_steps(journal)
            state = self._whole_state()
            if accelerator.is_main_process:
                self.trainee.write(work.output, state)
            accelerator.wait_for_everyone()

    def _take_steps(self, journal: Journal) -> None:
        """Take all steps that are left; raises as :meth:`run` does."""
        work, how, accelerator = self.work, self.work.optimisation, self.accelerator
        if self.first == 0:
            journal.write({**self._facts(), **work.facts})
        self.trainee.go_to(self.first * how.accumulation * how.batch)
        batches = self._batches()
        bar = tqdm(
            range(self.first, self.steps), work.output.name, self.steps, initial=self.first,
            mininterval=5, disable=not accelerator.is_main_process,
        )  # fmt: skip
        trained = [p for p in self.model.parameters() if p.requires_grad]
        begun = time.monotonic()
        for step in bar:
            self.model.train()
            line = self._step(batches, step, trained)
            rate = self._optimizer.param_groups[0]["lr"]
            self._schedule.step()
            if not math.isfinite(line["loss"]):
                raise FloatingPointError(f"the loss is {line['loss']} at step {step + 1}")
            done = step + 1
            journal.write(
                {
                    "step": done,
                    "epoch": round(done / self._order.steps, 4),
                    "seconds": round(time.monotonic() - begun, 2),
                    "rate": rate,
                    **line,
                }
            )
            bar.set_postfix(loss=round(line["loss"], 4), refresh=False)
            if done % self._every == 0 or done == self.steps:
                self._save(done)

    def _step(self, batches: Iterator[Any], step: int, trained: list[Tensor]) -> dict[str, float]:
        """One step of the optimiser; returns the means over passes and processes."""
        work, how, accelerator = self.work, self.work.optimisation, self.accelerator
        sums: dict[str, float] = {}
        norm: Any = 0.0
        for one in range(how.accumulation):
            batch = next(batches)
            parts = {"dropped": float(batch.dropped)}
            if work.prepare is not None:
                batch, more = work.prepare(batch, step * how.accumulation + one)
                parts |= more
            self.model.train()
            with accelerator.accumulate(self.model):
                with accelerator.autocast():
                    loss = self.model(batch)
                accelerator.backward(loss)
                if accelerator.sync_gradients:
                    norm = accelerator.clip_grad_norm_(trained, how.clip)
                self._optimizer.step()
                self._optimizer.zero_grad()
            parts["loss"] = float(loss.detach())
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
        names = sorted(sums)
        values = torch.tensor([sums[name] for name in names], dtype=torch.float64)
        values = accelerator.reduce(values.float().to(accelerator.device), "mean").cpu().double()
        means = {
            name: float(value) / how.accumulation for name, value in zip(names, values, strict=True)
        }
        # Broken samples are counted, all else is a mean.
        means["dropped"] *= how.accumulation * accelerator.num_processes
        return {**means, "norm": float(norm)}

    def _batches(self) -> Iterator[Any]:
        how, accelerator = self.work.optimisation, self.accelerator
        sampler = ProcessBatches(
            self._order, how.batch, how.accumulation, accelerator.num_processes,
            accelerator.process_index, self.first, self.steps,
        )  # fmt: skip
        # A generator of its own: a loader would draw a seed from the global one, a resumed run
        # one more often than an unbroken one.
        loader: DataLoader[Any] = DataLoader(
            self.work.samples, batch_sampler=sampler, num_workers=how.workers,
            collate_fn=self.work.collate, generator=torch.Generator(),
        )  # fmt: skip
        return iter(loader)

    def _facts(self) -> dict[str, Any]:
        how, accelerator = self.work.optimisation, self.accelerator
        count = sum(p.numel() for p in self.trainee.parameters() if p.requires_grad)
        return {
            "steps": self.steps,
            "samples": len(self.work.samples),  # type: ignore[arg-type]
            "batch": how.batch * how.accumulation * accelerator.num_processes,
            "processes": accelerator.num_processes,
            "engine": str(accelerator.distributed_type).split(".")[-1],
            "trained_parameters": count,
        }

    # Checkpoints to resume from

    def _save(self, done: int) -> None:
        output, accelerator = self.work.output, self.accelerator
        partial = output / f"partial-{done}"
        if accelerator.is_main_process and partial.exists():
            shutil.rmtree(partial)
        accelerator.wait_for_everyone()
        accelerator.save_state(str(partial))
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            position = {"step": done, "processes": accelerator.num_processes, **self._shape()}
            (partial / _POSITION).write_text(json.dumps(position), encoding="utf-8")
            whole = output / f"checkpoint-{done}"
            if whole.exists():
                shutil.rmtree(whole)
            partial.rename(whole)
            for old in _checkpoints(output)[: -self.work.optimisation.keep]:
                shutil.rmtree(old)
        accelerator.wait_for_everyone()

    def _shape(self) -> dict[str, int]:
        """What the order of samples and the schedule depend on."""
        how = self.work.optimisation
        return {
            "samples": len(self.work.samples),  # type: ignore[arg-type]
            "batch": how.batch,
            "accumulation": how.accumulation,
            "seed": how.seed,
            "steps": self.steps,
        }

    def _resume(self) -> int:
        found = _checkpoints(self.work.output)
        if not found:
            return 0
        last = found[-1]
        try:
            position = json.loads((last / _POSITION).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadRequestError(
                f"{last} cannot be resumed from ({error}); delete it to go on from the one before"
            ) from error
        wanted = {"processes": self.accelerator.num_processes, **self._shape()}
        for name, value in wanted.items():
            if position.get(name) != value:
                raise BadRequestError(
                    f"{last} is of a run with {name} {position.get(name)}, this one has {value}: "
                    "use the same settings, or another output folder"
                )
        self.accelerator.load_state(str(last))
        log.info("going on from %s", last)
        return int(position["step"])

    def _save_trained(self, models: list[Any], weights: list[Any], folder: str) -> None:
        """Keep what learns alone: the frozen networks are in their own files."""
        weights.clear()
        if self.accelerator.is_main_process:
            save_file(self._whole_state(), Path(folder) / _TRAINED)

    def _load_trained(self, models: list[Any], folder: str) -> None:
        models.clear()
        state = load_file(Path(folder) / _TRAINED)
        with torch.no_grad():
            for name, parameter in self.trainee.named_parameters():
                if parameter.requires_grad:
                    parameter.copy_(state[name])

    def _whole_state(self) -> dict[str, Tensor]:
        """What learns, gathered from all processes, on the CPU."""
        names = {name for name, p in self.trainee.named_parameters() if p.requires_grad}
        if self._is_sharded:
            state = self.accelerator.get_state_dict(self.model)
            return {name: state[name].cpu() for name in names if name in state}
        return {
            name: p.detach().cpu().clone()
            for name, p in self.trainee.named_parameters()
            if name in names
        }


def _checkpoints(folder: Path) -> list[Path]:
    """Checkpoints of a run, oldest first."""
    if not folder.is_dir():
        return []
    found = [(int(match[1]), one) for one in folder.iterdir()
             if (match := _CHECKPOINT.fullmatch(one.name))]  # fmt: skip
    return [one for _, one in sorted(found)]
