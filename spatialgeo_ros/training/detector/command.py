# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Render, train, score and write the nano detector, on a CPU or a GPU; every step goes on.

``spatialgeo train nano_detector`` does it all. Views can be rendered by one process while another
trains on those that are there already.
"""

from __future__ import annotations

import argparse
import copy
import json
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.construction import choose_device
from spatialgeo_ros.training.detector.loss import concept_table, detection_loss
from spatialgeo_ros.training.detector.network import (
    TrainedDetector,
    build_detector,
    save_checkpoint,
)
from spatialgeo_ros.training.detector.phrases import PhraseBook, build_tokenizer
from spatialgeo_ros.training.detector.scores import phrase_scores
from spatialgeo_ros.training.detector.store import ViewStore, capacity_of
from spatialgeo_ros.training.detector.views import ViewPlan, render_views
from spatialgeo_ros.training.loop import DEVICE_HELP, Schedule, parameter_groups

log = logging.getLogger(__name__)

_FOREIGN_PHRASES = 40
_EMA = 0.999
#: Ticks of a training by the clock: the schedule knows steps.
_TICKS = 10_000
#: Steps between two waits for the device, so that the clock is the device's.
_EVERY = 25
#: Seconds between two looks for views that another process renders.
_LOOK = 0.3


@dataclass(frozen=True)
class DetectorPlan:
    """How long and how fast to train.

    Attributes:
        steps: optimiser steps; 0 to go by ``seconds``.
        seconds: of training, those before an interruption counted; 0 to go by ``steps``.
        batch: views per step.
        rate: peak learning rate.
        weight_decay: of matrices.
        seed: of everything drawn.
        evaluate_every: steps, or seconds, between lines of the learning curve.
    """

    steps: int = 0
    seconds: float = 0.0
    batch: int = 192
    rate: float = 1e-3
    weight_decay: float = 0.05
    seed: int = 0
    evaluate_every: float = 20.0

    def progress(self, step: int, spent: float) -> float:
        """Share of the training that is done."""
        return step / self.steps if self.steps else spent / self.seconds

    def rate_at(self, progress: float) -> float:
        """Learning rate at a share of the training."""
        if self.steps:
            schedule, tick = Schedule(self.steps, self.batch, self.rate), progress * self.steps
        else:
            schedule, tick = Schedule(_TICKS, self.batch, self.rate), progress * _TICKS
        return schedule.rate_at(min(round(tick), schedule.steps))


class DetectorTraining:
    """A model, its average, its optimiser, and where the training stands.

    Args:
        folder: for ``log.jsonl`` and ``state/``, which it goes on from where it is there.
        plan: how long and how fast.
        device: where.
    """

    def __init__(self, folder: Path, plan: DetectorPlan, device: torch.device) -> None:
        self.folder, self.plan, self.device = folder, plan, device
        torch.manual_seed(plan.seed)
        self.tokenizer = build_tokenizer()
        self.book = PhraseBook(self.tokenizer)
        self.model = TrainedDetector(build_detector(self.tokenizer)).to(device)
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.optimiser = torch.optim.AdamW(
            parameter_groups(self.model, plan.weight_decay), betas=(0.9, 0.98),
            fused=device.type == "cuda",
        )  # fmt: skip
        self.step, self.spent = 0, 0.0
        self._table = concept_table(device)
        self._half = device.type == "cuda"
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "state").is_dir():
            self._resume()

    def _resume(self) -> None:
        state = self.folder / "state"
        told = json.loads((state / "state.json").read_text())
        self.step, self.spent = int(told["step"]), float(told["seconds"])
        for name, module in (("model", self.model), ("average", self.average)):
            module.load_state_dict(_load(state / f"{name}.pt", self.device))
        moments = {key: _load(state / f"{key}.pt", self.device) for key in ("first", "second")}
        kept = self.optimiser.state_dict()
        kept["state"] = {
            number: {
                "step": torch.tensor(float(self.step), device=self.device if self._half else "cpu"),
                "exp_avg": moments["first"][number],
                "exp_avg_sq": moments["second"][number],
            }
            for number in moments["first"]
        }
        self.optimiser.load_state_dict(kept)
        log.info("resuming at step %d, after %.0f s", self.step, self.spent)

    def save(self) -> None:
        """Write ``state/``, five files of which none is larger than the model in float32."""
        partial, done = self.folder / "state.part", self.folder / "state"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        torch.save(self.model.state_dict(), partial / "model.pt")
        torch.save(self.average.state_dict(), partial / "average.pt")
        state = self.optimiser.state_dict()["state"]
        for name, key in (("first", "exp_avg"), ("second", "exp_avg_sq")):
            moments = {number: kept[key] for number, kept in state.items()}
            torch.save(moments, partial / f"{name}.pt")
        told = {"step": self.step, "seconds": self.spent}
        (partial / "state.json").write_text(json.dumps(told) + "\n")
        shutil.rmtree(done, ignore_errors=True)
        os.replace(partial, done)

    def update(self, store: ViewStore, rate: float) -> dict[str, Tensor]:
        """Do one step; returns the parts of the loss, on the device."""
        # One generator per step: a resumed run draws what an unbroken one would have drawn.
        rng = np.random.default_rng([self.plan.seed, self.step])
        generator = torch.Generator(self.device).manual_seed(self.plan.seed * 10**9 + self.step)
        picked = torch.from_numpy(rng.integers(0, len(store), self.plan.batch)).to(self.device)
        ids = torch.from_numpy(self.book.draw(_FOREIGN_PHRASES, rng)).to(self.device)
        batch = store.batch(picked, generator)
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._half):
            logits, boxes, cells = self.model(batch.pixels, self.model.phrases(ids))
        loss, parts = detection_loss(logits, boxes, cells, batch, self._table)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        self.step += 1
        decay = min(_EMA, self.step / (self.step + 20))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.parameters()), list(self.model.parameters()), 1 - decay
            )
        return {**parts, "norm": norm.detach()}

    def scores(self, watched: ViewStore) -> dict[str, float]:
        """Rates of the averaged model on views that are never trained on."""
        return phrase_scores(self.average, watched, self.book, self._half).summary()

    def run(self, store: ViewStore, watched: ViewStore, output: Path | None = None) -> None:
        """Train to the end of the plan.

        Args:
            store: views to train on.
            watched: views for the learning curve.
            output: gets the averaged weights with every line of the curve, so that a run that is
                cut off leaves something.

        Raises:
            FloatingPointError: the loss is not finite.
        """
        plan, begun = self.plan, time.monotonic() - self.spent
        sums: dict[str, Tensor] = {}
        passed = 0
        next_line = (self.step if plan.steps else self.spent) + plan.evaluate_every
        while (progress := plan.progress(self.step, self.spent)) < 1:
            rate = plan.rate_at(progress)
            for key, value in self.update(store, rate).items():
                sums[key] = sums.get(key, torch.zeros((), device=self.device)) + value
            passed += 1
            if self._half and self.step % _EVERY == 0:
                torch.cuda.synchronize()
            self.spent = time.monotonic() - begun
            over = plan.progress(self.step, self.spent) >= 1
            if (self.step if plan.steps else self.spent) < next_line and not over:
                continue
            next_line += plan.evaluate_every
            means = {key: round(float(total) / passed, 4) for key, total in sums.items()}
            if not all(np.isfinite(value) for value in means.values()):
                raise FloatingPointError(f"the loss is {means} at step {self.step}")
            sums, passed = {}, 0
            line = {
                "step": self.step, "samples": self.step * plan.batch,
                "seconds": round(self.spent, 1), "views": len(store), "rate": round(rate, 7),
                **means, **self.scores(watched),
            }  # fmt: skip
            with (self.folder / "log.jsonl").open("a") as stream:
                stream.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
            if output is not None:
                save_checkpoint(self.average.detector, self.tokenizer, output)
            self.spent = time.monotonic() - begun
            if plan.steps:
                self.save()  # by the clock, only the end is kept: what a device lends is short
        self.save()


def _load(path: Path, device: torch.device) -> dict[Any, Tensor]:
    return torch.load(path, map_location=device, weights_only=True)


def _wait_for_views(folder: Path, least: int, patience: float) -> None:
    """Wait for views that another process renders.

    Raises:
        FileNotFoundError: there are none after ``patience`` seconds.
    """
    until = time.monotonic() + patience
    while (there := capacity_of(folder, "training")) < least or not capacity_of(folder, "watched"):
        if time.monotonic() > until:
            break
        time.sleep(1)
    if not there or not capacity_of(folder, "watched"):
        raise FileNotFoundError(
            f"{folder} has no views to train on, or none to watch: render them with "
            "`spatialgeo train nano_detector --only render --views ...`"
        )
    if there < least:
        log.warning("only %d of %d views are there after %.0f s", there, least, patience)


@contextmanager
def _intake(store: ViewStore, views: Path) -> Iterator[None]:
    """Let a thread add views to a store as they are rendered, until it is full."""
    done = threading.Event()

    def read() -> None:
        while not store.is_full and not done.is_set():
            if not store.read(views, "training", 1):
                done.wait(_LOOK)

    reader = threading.Thread(target=read, name="intake")
    reader.start()
    try:
        yield
    finally:
        done.set()
        reader.join()


def _train(options: argparse.Namespace) -> None:
    device: torch.device = options.device
    torch.set_float32_matmul_precision("high")  # of the heads, on a GPU
    _wait_for_views(options.views, options.least_views, options.patience)
    count = max(capacity_of(options.views, "training"), options.most_views)
    store = ViewStore(count, device)
    store.read(options.views, "training")
    watched = ViewStore(capacity_of(options.views, "watched"), device)
    watched.read(options.views, "watched")
    log.info("%d views to train on, %d to watch", len(store), len(watched))
    plan = DetectorPlan(
        options.steps, options.seconds, options.batch, options.rate, seed=options.seed,
        evaluate_every=options.evaluate_every,
    )  # fmt: skip
    training = DetectorTraining(options.folder, plan, device)
    output = options.output or options.folder / "weights"
    with _intake(store, options.views):
        training.run(store, watched, output)
    _finish(training, watched, output)


def _finish(training: DetectorTraining, watched: ViewStore, output: Path) -> None:
    """Score as it will be stored, in float16 on the way, and write the checkpoint."""
    stored = copy.deepcopy(training.average).half().float()
    found = phrase_scores(stored, watched, training.book, half=False)
    summary = {
        "step": training.step,
        "seconds": round(training.spent, 1),
        **{f"watched_{key}": value for key, value in found.summary().items()},
        "by_threshold": [found.summary(t) for t in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)],
    }
    digest = save_checkpoint(training.average.detector, training.tokenizer, output)
    size = sum(path.stat().st_size for path in output.iterdir())
    (training.folder / "scores.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary, indent=1))
    print(f"{digest}  {output / 'model.safetensors'} ({size / 1e6:.2f} MB with all files)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="spatialgeo train nano_detector", description=__doc__.split("\n")[0]
    )
    folder = Path("runs/nano_detector")
    parser.add_argument("--folder", type=Path, default=folder, help="log and state")
    parser.add_argument("--views", type=Path, default=folder / "views", help="rendered views")
    parser.add_argument("--output", type=Path, help="where the weights go; default: below --folder")
    parser.add_argument(
        "--only", choices=("render", "train"), help="this step alone; default: one after the other"
    )
    parser.add_argument("--count", type=int, default=100_000, help="views to render")
    parser.add_argument("--watched", type=int, default=2000, help="views for the learning curve")
    parser.add_argument("--rooms-per-shard", type=int, default=12, help="rooms in one file")
    parser.add_argument("--workers", type=int, default=2, help="rendering processes")
    parser.add_argument(
        "--render-seconds", type=float, default=float("inf"), help="begin no shard after them"
    )
    parser.add_argument("--steps", type=int, default=0, help="optimiser steps")
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="of training, all runs together (no --steps)"
    )
    parser.add_argument("--batch", type=int, default=192, help="views per step")
    parser.add_argument("--rate", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn")
    parser.add_argument(
        "--evaluate-every", type=float, default=20.0,
        help="steps, or with --seconds seconds, between lines of the learning curve",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help=DEVICE_HELP)
    parser.add_argument(
        "--least-views", type=int, default=1, help="wait for so many before training"
    )
    parser.add_argument(
        "--patience", type=float, default=0.0, help="seconds to wait, then train on what is there"
    )
    parser.add_argument(
        "--most-views", type=int, default=0,
        help="take in views that are rendered while it trains, up to so many in all",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=0, help="PyTorch threads; 0: its choice")
    options = parser.parse_args(argv)
    try:
        options.device = choose_device(options.device)
    except ModelLoadError as error:
        parser.exit(1, f"{parser.prog}: {error}\n")
    if options.only != "render" and bool(options.steps) == bool(options.seconds):
        parser.error("say how long to train: either --steps or --seconds")
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.only != "train":
        plan = ViewPlan(options.count, options.watched, options.rooms_per_shard)
        render_views(options.views, plan, options.workers, options.render_seconds)
    if options.only != "render":
        _train(options)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
