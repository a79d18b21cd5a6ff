# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Trains what tells views of simulated rooms from all other images, and sets its threshold.

Rooms of the training against made-up images of anything else (``outliers.py``); the threshold then
refuses five thousandths of the views of rooms that nothing was trained on. No photograph is used.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from spatialgeo_ros.models.domain import NANO_DOMAIN_CONFIG, DomainClassifier
from spatialgeo_ros.training.data import augment
from spatialgeo_ros.training.loop import Schedule, device_of, train
from spatialgeo_ros.training.outliers import disturbed, drawn_outliers, rendered_outliers
from spatialgeo_ros.training.render import HELD_OUT_SEEDS, TRAINED_SEEDS
from spatialgeo_ros.training.room_views import HEIGHTS, Pool, by_height, render_views

log = logging.getLogger(__name__)

Make = Callable[[range], list[NDArray[np.uint8]]]

#: Rooms that set the threshold; others than those that ``spatialgeo evaluate`` looks at.
THRESHOLD_SEEDS = HELD_OUT_SEEDS + 50_000
#: Share of their views that is refused.
REFUSED = 0.005
#: Steps with images of 4:3; the others have 16:9.
_TALL = 0.65
_CHUNK = 20


@dataclass(frozen=True)
class DomainPlan:
    """How many images to make.

    Attributes:
        rooms: rooms of the training, ``views`` views of each.
        held_out: rooms that set the threshold, ``views`` views of each.
        views: of each room.
        pictures: drawn outliers, each taken twice.
        scenes: of rendered clutter, four views of each, each taken twice.
        disturbed: views of rooms made unlike them.
    """

    rooms: int = 750
    held_out: int = 300
    views: int = 5
    pictures: int = 3000
    scenes: int = 600
    disturbed: int = 2000

    def scaled(self, factor: float) -> DomainPlan:
        """Return a plan of a share of the size, to try the command out."""
        names = ("rooms", "held_out", "pictures", "scenes", "disturbed")
        return replace(self, **{n: max(4, round(getattr(self, n) * factor)) for n in names})


def _part(make: Make, seeds: range) -> list[NDArray[np.uint8]]:
    cv2.setNumThreads(1)
    return make(seeds)


def _make_missing(folder: Path, jobs: Mapping[str, tuple[Make, range]], workers: int) -> None:
    """Make the images of every job that has no file yet, ``folder/<name>.npz`` each."""
    missing = {name: job for name, job in jobs.items() if not (folder / f"{name}.npz").exists()}
    if not missing:
        return
    folder.mkdir(parents=True, exist_ok=True)
    # Processes are renewed: some software GL drivers keep a little memory per scene.
    with get_context("spawn").Pool(workers, maxtasksperchild=16) as pool:
        for name, (make, seeds) in missing.items():
            parts = [seeds[k : k + _CHUNK] for k in range(0, len(seeds), _CHUNK)]
            made = tqdm(pool.imap(partial(_part, make), parts), name, len(parts), mininterval=5)
            images = by_height(image for part in made for image in part)
            unfinished = folder / f"{name}.part.npz"
            np.savez(unfinished, **{str(h): found for h, found in images.items()})  # type: ignore[arg-type]
            unfinished.replace(folder / f"{name}.npz")


def _read(path: Path) -> Pool:
    with np.load(path) as stored:
        return {height: stored[str(height)] for height in HEIGHTS}


def _joined(*pools: Pool) -> Pool:
    return {height: np.concatenate([pool[height] for pool in pools]) for height in HEIGHTS}


def _disturbed_pool(rooms: Pool, others: Pool, count: int) -> Pool:
    """Disturb ``count`` views of rooms, with outliers as what stands before some of them."""
    images = []
    for number in range(count):
        rng = np.random.default_rng([number, 6])
        height = HEIGHTS[0] if number % 3 and len(rooms[HEIGHTS[0]]) else HEIGHTS[1]
        if not len(rooms[height]):
            height = HEIGHTS[0]
        other = others[height] if len(others[height]) else others[HEIGHTS[0]]
        view = rooms[height][rng.integers(len(rooms[height]))]
        images.append(disturbed(view, other[rng.integers(len(other))], rng))
    return by_height(images)


def _tensor(images: list[NDArray[np.float32]], device: torch.device) -> Tensor:
    # Channels stay last: faster.
    return torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2)


@torch.inference_mode()
def strangeness(model: DomainClassifier, pool: Pool) -> NDArray[np.float32]:
    """Log-odds [N] that the images of a pool are foreign."""
    model.eval()
    found = []
    for images in pool.values():
        for start in range(0, len(images), 64):
            batch = [image.astype(np.float32) / 255.0 for image in images[start : start + 64]]
            found.append(model(_tensor(batch, device_of(model))).cpu().numpy())
    return np.concatenate(found)


def step_loss(
    model: DomainClassifier, rooms: Pool, outliers: Pool, count: int, rng: np.random.Generator
) -> Tensor:
    """Cross-entropy of ``count`` rooms and as many outliers of one shape, varied as in training."""
    usable = [h for h in HEIGHTS if len(rooms[h]) and len(outliers[h])]
    height = usable[0] if rng.random() < _TALL else usable[-1]
    images = []
    for pool in (rooms[height], outliers[height]):
        for index in rng.integers(0, len(pool), count):
            image = augment(pool[index], rng) if rng.random() < 0.7 else pool[index] / 255.0
            images.append(np.asarray(image[:, ::-1] if rng.random() < 0.5 else image, np.float32))
    device = device_of(model)
    foreign = torch.cat([torch.zeros(count), torch.ones(count)]).to(device)
    return F.binary_cross_entropy_with_logits(model(_tensor(images, device)), foreign)


def train_domain(
    folder: Path,
    schedule: Schedule,
    plan: DomainPlan,
    workers: int = 2,
    device: torch.device | str = "cpu",
) -> DomainClassifier:
    """Make the images, train, set the threshold; or go on from what ``folder`` holds.

    Args:
        folder: for images, checkpoint and log.
        schedule: how long and how fast; a batch is of rooms, with as many outliers beside.
        plan: how many images.
        workers: processes that make them.
        device: where it is trained.
    """
    views = partial(render_views, views=plan.views)
    jobs: dict[str, tuple[Make, range]] = {
        "rooms": (views, range(TRAINED_SEEDS.start, TRAINED_SEEDS.start + plan.rooms)),
        "held_out": (views, range(THRESHOLD_SEEDS, THRESHOLD_SEEDS + plan.held_out)),
        "drawn": (drawn_outliers, range(plan.pictures)),
        "rendered": (rendered_outliers, range(plan.scenes)),
    }
    _make_missing(folder, jobs, workers)
    rooms, held_out, drawn, rendered = (_read(folder / f"{name}.npz") for name in jobs)
    made = _joined(drawn, rendered)
    outliers = _joined(made, _disturbed_pool(rooms, made, plan.disturbed))
    torch.manual_seed(schedule.seed)
    model = DomainClassifier(**NANO_DOMAIN_CONFIG).to(device)
    for parameter in model.parameters():
        if parameter.dim() == 4:  # convolutions run faster on the CPU in this layout
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def step(indices: NDArray, rng: np.random.Generator) -> tuple[Tensor, dict[str, float]]:
        loss = step_loss(model, rooms, outliers, len(indices), rng)
        return loss, {"loss": float(loss.detach())}

    def scores() -> dict[str, float]:
        familiar, foreign = strangeness(model, held_out), strangeness(model, outliers)
        limit = float(np.quantile(familiar, 1 - REFUSED))
        return {"limit": limit, "outliers_refused": float((foreign > limit).mean())}

    count = sum(len(images) for images in rooms.values())
    train(model, count, step, scores, folder, schedule)
    familiar = strangeness(model, held_out)
    model.threshold.fill_(float(np.quantile(familiar, 1 - REFUSED)))
    log.info("threshold %.2f from %d views", float(model.threshold), len(familiar))
    return model
