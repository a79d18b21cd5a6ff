# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A language model that speaks and depth that is measured, each alone and both at once."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from typing import Any

import torch

from bench import tower_rates
from bench.gpu_parts.context import Context, outcome
from bench.gpu_parts.language import QUESTIONS, assembled
from bench.gpu_parts.networks import view
from spatialgeo_ros.errors import CancelledError
from spatialgeo_ros.models.profiles import GeometryPart, ImageInput
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.towers import FrameTowers


def lanes(context: Context) -> dict[str, Any]:
    """Tokens and depth calls a second: SpatialGeo 7B in NF4 beside MoGe-2 S."""
    built = assembled(context, "nf4")
    geometry = _measuring(context)
    seeds = itertools.count()
    seen = view(0)

    def speak(ended: Callable[[], bool], count: list[float]) -> None:
        question = Question(
            QUESTIONS[0], on_token=lambda _: count.append(time.perf_counter()), cancelled=ended
        )
        while not ended():
            try:
                built.networks.answer(seen, question)
            except CancelledError:
                return

    def measure(ended: Callable[[], bool], count: list[float]) -> None:
        with torch.inference_mode():
            while not ended():
                geometry.depth(view(next(seeds) % 4))
                count.append(time.perf_counter())

    seconds = context.sizes(3, 1)
    alone = [_rates([speak], seconds)[0], _rates([measure], seconds)[0]]
    both = _rates([speak, measure], seconds)
    names = ("tokens a second", "depth calls a second")
    rows = [
        [name, a, b, b / a if a else 0.0] for name, a, b in zip(names, alone, both, strict=True)
    ]
    numbers = dict(zip(("tokens", "depths"), alone, strict=True))
    numbers |= dict(zip(("tokens together", "depths together"), both, strict=True))
    return outcome(
        "Both lanes at once: SpatialGeo 7B in NF4 speaks, MoGe-2 S measures",
        numbers,
        (("what", "alone", "together", "ratio"), rows),
    )


def _measuring(context: Context) -> FrameTowers:
    """MoGe-2 S as the node runs it."""
    network = tower_rates.moge(context.device, None if context.tiny else "moge2_s")
    part = GeometryPart("moge2", None, context.sizes(777, 48), 0.2, True, None, False)
    native = ImageInput(0, 0, network.patch_size, (0, 0, 0), "native")
    towers = FrameTowers(
        native, context.device, tower_rates.precision(context.device), part=part, geometry=network
    )
    towers.warm_up(view(0).image.shape[:2])
    return towers


Lane = Callable[[Callable[[], bool], list[float]], None]


def _rates(work: list[Lane], seconds: float) -> list[float]:
    """Things a second that each lane does while all run, after each has done two."""
    ended = threading.Event()
    counts: list[list[float]] = [[] for _ in work]
    failures: list[BaseException] = []

    def run(lane: Lane, count: list[float]) -> None:
        try:
            lane(ended.is_set, count)
        except BaseException as error:
            failures.append(error)

    threads = [
        threading.Thread(target=run, args=(lane, count))
        for lane, count in zip(work, counts, strict=True)
    ]
    for thread in threads:
        thread.start()
    try:
        while not failures and any(len(count) < 2 for count in counts):
            time.sleep(0.01)
        start = time.perf_counter()
        time.sleep(0 if failures else seconds)
        end = time.perf_counter()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    return [sum(start < at <= end for at in count) / (end - start) for count in counts]
