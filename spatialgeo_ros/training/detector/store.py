# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""All views in the memory of the device that trains, varied as cameras vary what they deliver."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from spatialgeo_ros.models.clip import CLIP_MEAN, CLIP_STD
from spatialgeo_ros.training.detector.views import CELLS, MOST_OBJECTS, NOTHING, SIDE

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ViewBatch:
    """Views as the loss takes them.

    Attributes:
        pixels: [B, 3, S, S] float32, normalised as CLIP's.
        box: [B, M, 4] x0, y0, x1, y1 as shares of the sides.
        name: [B, M] int64, index into ``NAMES`` or -1.
        share: [B, M] of the image's pixels; 0 where there is no object.
        cells: [B, C, C] int64, index of the object in each cell, or ``NOTHING``.
    """

    pixels: Tensor
    box: Tensor
    name: Tensor
    share: Tensor
    cells: Tensor


class ViewStore:
    """Views on one device; more can be added until it is full.

    Args:
        capacity: the most views.
        device: where.
    """

    def __init__(self, capacity: int, device: torch.device) -> None:
        self.device = device
        self._image = torch.empty((capacity, SIDE, SIDE, 3), dtype=torch.uint8, device=device)
        self._box = torch.empty((capacity, MOST_OBJECTS, 4), device=device)
        self._name = torch.empty((capacity, MOST_OBJECTS), dtype=torch.int16, device=device)
        self._share = torch.empty((capacity, MOST_OBJECTS), device=device)
        self._cells = torch.empty((capacity, CELLS, CELLS), dtype=torch.uint8, device=device)
        self._read: set[Path] = set()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether no view can be added."""
        return self._count == len(self._image)

    def read(self, folder: Path, part: str, most: int = 1_000_000) -> int:
        """Add shards of a part ("training" or "watched") that were not read yet.

        Args:
            folder: with the shards.
            part: which.
            most: shards at once.

        Returns:
            How many views were added.
        """
        before = self._count
        fresh = (p for p in sorted(folder.glob(f"{part}_*.npz")) if p not in self._read)
        for number, path in enumerate(p for p in fresh if not p.name.endswith(".part.npz")):
            if self.is_full or number == most:
                break
            images = np.load(path.with_suffix(".npy"))
            with np.load(path) as stored:
                columns = {key: stored[key] for key in ("box", "name", "share", "cells")}
            count = min(len(images), len(self._image) - self._count)
            for key, value in {"image": images, **columns}.items():
                kept = getattr(self, f"_{key}")[self._count : self._count + count]
                kept.copy_(torch.from_numpy(value[:count]))
            self._count += count
            self._read.add(path)
        return self._count - before

    def batch(self, indices: Tensor, generator: torch.Generator | None = None) -> ViewBatch:
        """Take views; with a generator they are mirrored and varied as in training."""
        image = self._image[indices].permute(0, 3, 1, 2).float() / 255.0
        box, cells = self._box[indices], self._cells[indices].long()
        name, share = self._name[indices].long(), self._share[indices]
        if generator is not None:
            mirrored = _uniform((len(indices),), 0, 1, generator) < 0.5
            image = torch.where(mirrored[:, None, None, None], image.flip(3), image)
            cells = torch.where(mirrored[:, None, None], cells.flip(2), cells)
            x0, y0, x1, y1 = box.unbind(-1)
            other = torch.stack([1 - x1, y0, 1 - x0, y1], -1)
            box = torch.where(mirrored[:, None, None], other, box)
            image = varied(image, generator)
        mean = torch.tensor(CLIP_MEAN, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(CLIP_STD, device=self.device).view(1, 3, 1, 1)
        return ViewBatch((image - mean) / std, box, name, share, cells)

    def batches(self, size: int) -> Iterator[ViewBatch]:
        """All views in order, as they are."""
        for start in range(0, len(self), size):
            yield self.batch(torch.arange(start, min(start + size, len(self)), device=self.device))


def capacity_of(folder: Path, part: str) -> int:
    """How many views the shards of a part hold that are there now."""
    total = 0
    for path in folder.glob(f"{part}_*.npz"):
        if not path.name.endswith(".part.npz"):
            total += len(np.load(path.with_suffix(".npy"), mmap_mode="r"))
    return total


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    drawn = torch.rand(shape, generator=generator, device=generator.device)
    return low + (high - low) * drawn


def varied(image: Tensor, generator: torch.Generator) -> Tensor:
    """Vary exposure, contrast, white balance, sharpness and noise; colours keep their names.

    The ranges are those of ``training/data.py`` for the other networks of nano, and noise of
    ``sensor_variation`` as an image shows it after it was averaged down.

    Args:
        image: [B, 3, S, S] in [0, 1].
        generator: on the image's device.
    """
    count = len(image)

    def each(low: float, high: float, channels: int = 1) -> Tensor:
        return _uniform((count, channels, 1, 1), low, high, generator)

    x = image.clamp_min(1e-4) ** each(-0.25, 0.25).exp()
    x = x * each(0.8, 1.2) + each(-0.04, 0.04)
    x = x * (1 + each(-0.06, 0.06, 3))
    soft = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, 1)
    # Between smeared and sharpened: lenses, and the filters that images are resized with.
    x = torch.lerp(x, soft, each(-0.5, 0.7))
    noise = torch.randn(x.shape, generator=generator, device=x.device)
    x = x + noise * each(0, 0.03) * (each(0, 1) < 0.6)
    return x.clamp(0.0, 1.0)


def concept_maps(batch: ViewBatch, nothing: int) -> Tensor:
    """Index of the name that each cell shows [B, C, C]; ``nothing`` where it shows none."""
    flat = batch.cells.flatten(1)
    padded = F.pad(batch.name, (0, 1), value=-1)  # the last column is read where nothing is
    name = padded.gather(1, torch.where(flat == NOTHING, MOST_OBJECTS, flat))
    return torch.where(name < 0, nothing, name).view_as(batch.cells)
