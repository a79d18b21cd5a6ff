# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One question of a benchmark, and one answer to it, as they stand in files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRequestError

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RegionOfImage:
    """A thing that a question points at.

    Attributes:
        name: its class, for models that take words alone.
        box: x0, y0, x1, y1 in pixels.
        rle: its mask in COCO's run lengths, or None where there is only the box.
    """

    name: str
    box: tuple[float, float, float, float]
    rle: dict[str, Any] | None = None


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        id: names it in the file of answers.
        prompt: text of the user's turn; ``<region>`` k in it is region k.
        truth: what is right, as the data set writes it.
        kind: type or category, by which scores are averaged.
        group: second name to average by (the source), "" for none.
        images: files, in their order.
        video: file, or None.
        frames: how many frames of the video are shown, evenly spread.
        selection: numbers of the frames that are shown instead, none for those.
        regions: things that the question points at.
        instruction: said before the user's turn, "" for nothing.
        question: as the data set has it, for judges.
        options: with their letters ("A. chair"), none where there is nothing to choose from.
    """

    id: str
    prompt: str
    truth: Any
    kind: str
    group: str = ""
    images: tuple[Path, ...] = ()
    video: Path | None = None
    frames: int = 16
    selection: tuple[int, ...] = ()
    regions: tuple[RegionOfImage, ...] = ()
    instruction: str = ""
    question: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """One answer.

    Attributes:
        id: of the item.
        prompt: that was given.
        output: the model's words, as they came.
        error: why there are none, "" where there are.
        facts: of the model: tokens, seconds, cost, where it says them.
    """

    id: str
    prompt: str
    output: str
    error: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


def decode_rle(rle: dict[str, Any]) -> Mask:
    """Decode a mask in COCO's compressed or plain run lengths.

    Args:
        rle: "size" [H, W], and "counts": a list, or a text in COCO's code (five bits a letter,
            lowest first, each from the third on as the difference from the one two before).

    Returns:
        [H, W] bool.

    Raises:
        BadRequestError: the run lengths do not fill the mask.
    """
    height, width = (int(side) for side in rle["size"])
    counts = rle["counts"]
    runs = _counts(counts) if isinstance(counts, str | bytes) else [int(run) for run in counts]
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise BadRequestError(f"run lengths of a mask fill {sum(runs)} of {height}x{width} pixels")
    values = np.arange(len(runs)) % 2 == 1
    return np.repeat(values, runs).reshape(width, height).T


def _counts(text: str | bytes) -> list[int]:
    letters = text.encode() if isinstance(text, str) else text
    runs: list[int] = []
    value = shift = 0
    for letter in letters:
        bits = letter - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:  # negative
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    return runs
