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
import random
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from spatialgeo_ros.errors import BadRequestError, ModelLoadError
from spatialgeo_ros.training.epoch_batches import EpochOrder, ProcessBatches
from spatialgeo_ros.training.parameter_groups import PROJECTOR, parameter_groups, schedule
from spatialgeo_ros.training.recipe import Optimisation

log = logging.getLogger(__name__)

JOURNAL = "log.jsonl"
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_TRAINED = "trained.safetensors"
_POSITION = "position.json"


class Trainee(nn.Module):
    """What is trained: its forward pass gives the loss of a batch.

    Attributes:
        projector: part of the names of the parameters that ``projector_rate`` is for.
    """

    projector: str | tuple[str, ...] = PROJECTOR

    def forward(self, batch: Any) -> Tensor:
        """Return the loss of a batch, a scalar."""
        raise NotImplementedError

    def go_to(self, samples: int) -> None:
        """Be as after so many samples of this process, where more than the weights depends on it.

        Most depend on nothing.
        """

    def write(self, folder: Path, state: Mapping[str, Tensor]) -> None:
        """Write the published layout.

        Args:
            folder: made if it is not there.
            state: what was trained, by its names in this module, whole and on the CPU.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class Work:
    """Data and settings of a training.

    Attributes:
        samples: what is learnt from.
        collate: of a list of samples, a batch; a batch has ``dropped``, a number of broken samples.
        optimisation: see there.
        output: folder for checkpoints, log and the result.
        lengths: of the samples, where batches of like length are wanted.
        prepare: makes of a batch, on its process, what the trainee's forward pass takes, and parts
            for the log; for what needs the trained model itself (rollouts).
        facts: written to the log's first line.
    """

    samples: Dataset[Any]
    collate: Callable[[list[Any]], Any]
    optimisation: Optimisation
    output: Path
    lengths: Sequence[int] | None = None
    prepare: Callable[[Any, int], tuple[Any, dict[str, float]]] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def make_accelerator(optimisation: Optimisation, device: str = "auto") -> Any:
    """Join the processes of a launch, or be the only one.

    Raises:
        ModelLoadError: accelerate is not installed.
    """
    try:
        from accelerate import Accelerator
        from accelerate.utils import GradientAccumulationPlugin
    except ModuleNotFoundError as error:
        raise ModelLoadError(
            f"{error.name} is not installed; this training needs it: "
            "pip install 'spatialgeo_ros[train]'"
        ) from error
    passes = GradientAccumulationPlugin(
        num_steps=optimisation.accumulation, sync_with_dataloader=False
    )
    precision = "bf16" if optimisation.precision == "bf16" else "no"
    accelerator = Accelerator(
        mixed_precision=precision, gradient_accumulation_plugin=passes, cpu=device == "cpu"
    )
    if plugin := accelerator.state.deepspeed_plugin:
        tell_deepspeed(plugin.deepspeed_config, optimisation)
    # The same on all processes, as published.
    random.seed(optimisation.seed)
    np.random.seed(optimisation.seed)
    torch.manual_seed(optimisation.seed)
    return accelerator


def tell_deepspeed(config: dict[str, Any], optimisation: Optimisation) -> None:
    """Put a recipe's numbers into DeepSpeed's configuration.

    It divides the loss by its own number of passes and clips gradients itself, before accelerate is
    asked to; and no prepared data loader tells it the batch.
    """
    config["train_micro_batch_size_per_gpu"] = optimisation.batch
    config["gradient_accumulation_steps"] = optimisation.accumulation
    config["gradient_clipping"] = optimisation.clip


class Training:
    """One run, from its last checkpoint where there is one.

    Args:
        accelerator: from :func:`make_accelerator`.
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
        work, how, accelerator = self.work, self.work.optimisation, self.accelerator
        work.output.mkdir(parents=True, exist_ok=True)
        journal = _Journal(work.output, self.first, accelerator.is_main_process)
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
        state = self._whole_state()
        if accelerator.is_main_process:
            self.trainee.write(work.output, state)
        accelerator.wait_for_everyone()
        journal.close()

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


class _Journal:
    """``log.jsonl``, a line each step, and TensorBoard's files where it is installed."""

    def __init__(self, folder: Path, first: int, writes: bool) -> None:
        self._path, self._writes = folder / JOURNAL, writes
        self._board: Any = None
        if not writes:
            return
        if self._path.is_file():
            # What came after the checkpoint is done again.
            lines = self._path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if first and json.loads(line).get("step", 0) <= first]
            self._path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:  # an extra that nobody needs
            return
        self._board = SummaryWriter(str(folder / "tensorboard"), purge_step=first + 1)

    def write(self, line: Mapping[str, Any]) -> None:
        """Append a line."""
        if not self._writes:
            return
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(dict(line)) + "\n")
        if self._board is not None and "step" in line:
            for name, value in line.items():
                if name != "step":
                    self._board.add_scalar(name, value, line["step"])

    def close(self) -> None:
        """Finish the files."""
        if self._board is not None:
            self._board.close()


def _checkpoints(folder: Path) -> list[Path]:
    """Checkpoints of a run, oldest first."""
    if not folder.is_dir():
        return []
    found = [(int(match[1]), one) for one in folder.iterdir()
             if (match := _CHECKPOINT.fullmatch(one.name))]  # fmt: skip
    return [one for _, one in sorted(found)]
