# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Renders what the nano detector learns from: views of rooms with boxes, and images of no room.

Shards are written one after the other by as many processes as wanted and can be read while others
are still rendered. The number of a shard decides what is in it: an interrupted run goes on, and
rooms of one part are never in the other. Rooms are seen from the mounts and with the lenses of
``training/room_views.py``; exposure and noise are left to the training, which varies them anew.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from spatialgeo_ros.sim.cluttered_room import make_cluttered_room
from spatialgeo_ros.sim.furniture import KINDS
from spatialgeo_ros.sim.renderer import RendererUnavailableError, RoomRenderer
from spatialgeo_ros.sim.rig import default_camera
from spatialgeo_ros.sim.room import Room, make_room
from spatialgeo_ros.training.clutter import ClutterRenderer
from spatialgeo_ros.training.detector.phrases import NAMES
from spatialgeo_ros.training.outliers import camera_effects
from spatialgeo_ros.training.room_views import draw_view
from spatialgeo_ros.training.textures import random_picture

log = logging.getLogger(__name__)

#: Side of the stored, square images: OWL-ViT squeezes every image into a square.
SIDE = 288
#: Cells along a side of the stored map of what is where.
CELLS = 36
#: Objects per view; a view with more loses the smallest.
MOST_OBJECTS = 16
#: Seeds of the rooms of training and of those that the learning curve and the threshold are of.
#: They lie between those of the other networks' training and those of all evaluations.
TRAINING_SEEDS, WATCHED_SEEDS = 100_000, 810_000
#: Name of an object that has none here; index of a cell that shows no object.
NAMELESS, NOTHING = -1, 255

_KINDS_OF_VIEW = {"usual": 0.55, "driving": 0.12, "mounted": 0.27, "wall": 0.03, "floor": 0.03}
_SIZES = ((512, 384),) * 4 + ((640, 480),) * 3 + ((320, 240), (848, 480))
_SHADOWS = 0.3
#: One shard of so many holds images of no room; one, rooms with many small things.
_FOREIGN_EVERY, _CLUTTERED_EVERY = 14, 18
_VIEWS = 12  # of each room


@dataclass(frozen=True)
class Shard:
    """One file of views.

    Attributes:
        number: of the shard in its part.
        watched: whether it belongs to the part that is never trained on.
        rooms: how many it shows.
    """

    number: int
    watched: bool = False
    rooms: int = 12

    @property
    def name(self) -> str:
        """Stem of its files."""
        return f"{'watched' if self.watched else 'training'}_{self.number:05d}"

    def seeds(self) -> range:
        """Seeds of its rooms."""
        first = (WATCHED_SEEDS if self.watched else TRAINING_SEEDS) + self.number * self.rooms
        return range(first, first + self.rooms)


@dataclass(frozen=True)
class ViewPlan:
    """How much to render.

    Attributes:
        views: about how many to train on.
        watched: about how many for the learning curve and the threshold.
        rooms_per_shard: rooms in one file; another number makes other files.
    """

    views: int
    watched: int
    rooms_per_shard: int = 12

    def shards(self) -> list[Shard]:
        """All files, the watched ones first."""
        size, rooms = self.rooms_per_shard * _VIEWS, self.rooms_per_shard
        return [
            *(Shard(k, True, rooms) for k in range(math.ceil(self.watched / size))),
            *(Shard(k, False, rooms) for k in range(math.ceil(self.views / size))),
        ]


Columns = dict[str, NDArray]
#: By width, height and whether shadows are cast.
Renderers = dict[tuple[int, int, bool], RoomRenderer]


def _room(seed: int, cluttered: bool) -> Room:
    if cluttered:
        return make_cluttered_room(seed, clutter=bool(seed % 2))
    # Sparser rooms as most users of make_room want them, fuller ones as the benchmark of rooms.
    return make_room(seed, 7, 13) if seed % 3 == 0 else make_room(seed)


def labels(room: Room, segmentation: NDArray[np.int16]) -> Columns:
    """Describe what a view shows.

    Args:
        room: what was rendered.
        segmentation: [H, W] index into its objects, -1 none.

    Returns:
        box [M, 4] float32 (x0, y0, x1, y1 of the visible pixels as shares of the sides), name [M]
        int16 (index into ``NAMES``, or ``NAMELESS``), share [M] float32 of the image's pixels that
        show it, 0 from the last object on, cells [C, C] uint8 (index of the object that most shows
        in the middle of each cell, or ``NOTHING``); largest objects first.
    """
    height, width = segmentation.shape
    counts = np.bincount(segmentation[segmentation >= 0].astype(np.intp))
    order = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k]]
    order = [k for k in order if room.objects[k].kind in KINDS]  # small things stay unnamed
    box = np.zeros((MOST_OBJECTS, 4), np.float32)
    name = np.full(MOST_OBJECTS, NAMELESS, np.int16)
    share = np.zeros(MOST_OBJECTS, np.float32)
    place = np.full(len(room.objects) + 1, NOTHING, np.uint8)  # the last one is that of -1
    for number, index in enumerate(order[:MOST_OBJECTS]):
        thing = room.objects[index]
        mask = segmentation == index
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box[number] = (
            columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height
        )  # fmt: skip
        name[number] = NAMES.index(thing.name) if thing.name in NAMES else NAMELESS
        share[number] = counts[index] / segmentation.size
        place[index] = number
    y = ((np.arange(CELLS) + 0.5) * height / CELLS).astype(int)
    x = ((np.arange(CELLS) + 0.5) * width / CELLS).astype(int)
    return {
        "box": box,
        "name": name,
        "share": share,
        "cells": place[segmentation[np.ix_(y, x)]],
    }


def squeezed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The square image that the network sees, averaged down."""
    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


@dataclass
class RenderedShard:
    """What became of a shard.

    Attributes:
        columns: image [N, SIDE, SIDE, 3] uint8, and those of :func:`labels` with N before them.
        failed: what went wrong in rooms that are left out.
    """

    columns: Columns
    failed: list[str]


def _room_views(
    shard: Shard, renderers: Renderers, failed: list[str]
) -> Iterator[tuple[NDArray[np.uint8], Columns]]:
    rng = np.random.default_rng([shard.number, int(shard.watched), 9])
    width, height = _SIZES[rng.integers(len(_SIZES))]
    key = (width, height, bool(rng.random() < _SHADOWS))
    cluttered = shard.number % _CLUTTERED_EVERY == 4
    for seed in shard.seeds():
        try:
            room = _room(seed, cluttered)
            if key in renderers:
                renderers[key].load(room)
            else:
                # Without samples: pixels are averaged down anyway.
                renderers[key] = RoomRenderer(room, width, height, 0, key[2])
            yield from _views_of(room, renderers[key])
        except RendererUnavailableError:
            raise
        except Exception as error:  # whatever it is, the others are worth having
            failed.append(f"room {seed}: {type(error).__name__}: {error}")


def _views_of(room: Room, renderer: RoomRenderer) -> Iterator[tuple[NDArray[np.uint8], Columns]]:
    rng = np.random.default_rng([room.seed, 7])
    kinds, odds = list(_KINDS_OF_VIEW), list(_KINDS_OF_VIEW.values())
    camera = default_camera(renderer.width, renderer.height)
    for kind in rng.choice(kinds, _VIEWS, p=odds):
        try:
            view = draw_view(str(kind), room, rng, camera)
        except ValueError:  # the furniture left no place for a robot
            continue
        if view is not None:
            rgb, index = renderer.render_objects(*view)
            yield squeezed(rgb), labels(room, index)


def _foreign_views(shard: Shard) -> Iterator[tuple[NDArray[np.uint8], Columns]]:
    """Images of no room: rendered clutter and drawn pictures."""
    nothing = np.full((SIDE * 3 // 4, SIDE), -1, np.int16)
    empty = labels(make_room(0), nothing)
    clutter = ClutterRenderer(384, 288, samples=0)
    for seed in shard.seeds():
        rng = np.random.default_rng([seed, 8])
        clutter.draw(rng)
        for number in range(_VIEWS):
            if number < _VIEWS // 2:
                picture = clutter.snapshot(rng).astype(np.float32) / 255.0
            else:
                picture = random_picture(rng, SIDE * 3 // 4, SIDE)
            yield squeezed(camera_effects(picture, rng)), empty
    clutter.close()


def render_shard(shard: Shard, renderers: Renderers) -> RenderedShard:
    """Render the views of a shard; a room that fails is left out.

    Args:
        shard: which.
        renderers: that are there; others are made and added. Who gave them closes them.

    Raises:
        RendererUnavailableError: no off-screen OpenGL.
    """
    cv2.setNumThreads(1)
    failed: list[str] = []
    foreign = shard.number % _FOREIGN_EVERY == 3
    views = _foreign_views(shard) if foreign else _room_views(shard, renderers, failed)
    columns: dict[str, list[NDArray]] = {}
    for image, seen in views:
        for key, value in {"image": image, **seen}.items():
            columns.setdefault(key, []).append(value)
    return RenderedShard({key: np.stack(values) for key, values in columns.items()}, failed)


#: Of this process: making one takes longer than many pictures.
_renderers: Renderers = {}


def _write(shard: Shard, folder: Path, until: float) -> tuple[bool, list[str]]:
    """Render and write a shard unless it is there; whether it is, and what failed."""
    done = folder / f"{shard.name}.npz"
    if done.exists():
        return True, []
    if time.time() > until:
        return False, []
    rendered = render_shard(shard, _renderers)
    columns = rendered.columns
    if not columns:
        return False, rendered.failed
    # Images by themselves: .npz files are checked byte by byte when they are read.
    images = folder / f"{shard.name}.part.npy"
    np.save(images, columns.pop("image"))
    os.replace(images, folder / f"{shard.name}.npy")
    partial_ = folder / f"{shard.name}.part.npz"
    np.savez(partial_, **columns)  # type: ignore[arg-type]
    os.replace(partial_, done)
    return True, rendered.failed


def render_views(folder: Path, plan: ViewPlan, workers: int, seconds: float = math.inf) -> int:
    """Render the shards of a plan that are not there yet.

    Args:
        folder: for the shards.
        plan: how much.
        workers: processes.
        seconds: no shard is begun after them.

    Returns:
        How many shards are there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shards = plan.shards()
    write = partial(_write, folder=folder, until=time.time() + seconds)
    # One process imports everything, and those that work are copies of it. They are renewed: some
    # software GL drivers keep a little memory per scene.
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    count, failed = 0, 0
    with context.Pool(workers, maxtasksperchild=50) as pool:
        made = pool.imap_unordered(write, shards)
        for there, problems in tqdm(made, "render", len(shards), mininterval=5):
            count += there
            failed += len(problems)
            for problem in problems:
                log.warning("left out: %s", problem)
    if failed:
        log.warning("%d rooms were left out", failed)
    log.info("%d of %d shards in %s", count, len(shards), folder)
    return count
