# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From what a vision language model writes about boxes to boxes, or to why there are none.

Models differ in what their numbers count, and none says so in a reply: the profile's ``format`` has
to. Pixels of the image that was sent, x0, y0, x1, y1 (Qwen2-VL, Qwen2.5-VL); thousandths of its
sides (Qwen3-VL); the same with y first (Gemini).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spatialgeo_ros.errors import BadRequestError, ModelLoadError, quoted
from spatialgeo_ros.grounding.detector_text import plain_phrase

#: Names that models give a box and what it is of.
_BOXES, _LABELS = ("bbox_2d", "box_2d", "bbox", "box"), ("label", "phrase", "name")
#: A number beyond the image by more, as a share of it, says that the format is another.
_BEYOND = 0.02


class ServedDetectorError(ModelLoadError):
    """A model that is asked for boxes gives none that can be used; the message says why."""


@dataclass(frozen=True)
class SaidBox:
    """One box of a reply.

    Attributes:
        phrase: position among the phrases that were asked about.
        edges: x0, y0, x1, y1 in shares of the image's sides, within [0, 1].
    """

    phrase: int
    edges: tuple[float, float, float, float]


def instructions(phrases: Sequence[str], form: str, size: tuple[int, int]) -> str:
    """Return the question about boxes.

    Args:
        phrases: plain.
        form: one of ``models.grounding_profile.FORMATS``.
        size: width and height of the image that is sent.
    """
    if form == "pixels_resized":
        numbers = f"[x0, y0, x1, y1] in pixels of the image, which is {size[0]}x{size[1]}"
    elif form == "relative_1000":
        numbers = "[x0, y0, x1, y1] as integers from 0 to 1000, relative to the image's size"
    else:
        numbers = "[y0, x0, y1, x1] as integers from 0 to 1000, relative to the image's size"
    names = "\n".join(f"- {phrase}" for phrase in phrases)
    key = "box_2d" if form == "relative_1000_yx" else "bbox_2d"
    return (
        f"Find every instance of each of these in the image:\n{names}\n"
        f'Answer with a JSON list only: [{{"label": "...", "{key}": [...]}}, ...], one entry for '
        f"each instance. The label is exactly one of the names above. The box is {numbers}. Leave "
        "out what is not in the image; where none of them is, answer []."
    )


def boxes_of(reply: str, phrases: Sequence[str], form: str, size: tuple[int, int]) -> list[SaidBox]:
    """Read a reply.

    Fences, thoughts and sentences around the list do not matter, nor does which corner comes first.
    A phrase without an entry is absent: that is what was asked for.

    Args:
        reply: of the model.
        phrases: plain, that were asked about.
        form: one of ``models.grounding_profile.FORMATS``.
        size: width and height of the image that was sent.

    Raises:
        ServedDetectorError: there is no list, or an entry cannot be read; names it.
    """
    entries = next(_lists(reply), None)
    if entries is None:
        raise ServedDetectorError(
            f"the reply holds no JSON list of boxes: {quoted(reply.strip(), 200)}; take a model "
            "that is trained to give boxes"
        )
    return [_box(entry, phrases, form, size) for entry in entries]


def _lists(reply: str) -> Iterator[list[Mapping[str, Any]]]:
    """Yield what in a reply is a list of entries; thoughts that are marked as such are skipped."""
    text = reply.rsplit("</think>", 1)[-1]
    decoder = json.JSONDecoder()
    at = 0
    while (at := _next_bracket(text, at)) >= 0:
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1
            continue
        found = _entries(value)
        if found is not None:
            yield found


def _next_bracket(text: str, start: int) -> int:
    places = [place for mark in "[{" if (place := text.find(mark, start)) >= 0]
    return min(places, default=-1)


def _entries(value: Any) -> list[Mapping[str, Any]] | None:
    """Return a list of entries; also one entry alone, or a list inside of an object."""
    if isinstance(value, dict):
        if any(key in value for key in _BOXES):
            return [value]
        inner = [one for one in value.values() if isinstance(one, list)]
        value = inner[0] if len(value) == 1 and inner else None
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return value
    return None


def _box(
    entry: Mapping[str, Any], phrases: Sequence[str], form: str, size: tuple[int, int]
) -> SaidBox:
    said = quoted(json.dumps(entry), 160)
    values = next((entry[key] for key in _BOXES if key in entry), None)
    if (
        not isinstance(values, list)
        or len(values) != 4
        or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
        or not all(map(math.isfinite, values))
    ):
        raise ServedDetectorError(f"the entry {said} of the reply has no box of four numbers")
    label = next((entry[key] for key in _LABELS if key in entry), None)
    if label is None and len(phrases) > 1:
        raise ServedDetectorError(f"the entry {said} of the reply does not say what its box is of")
    phrase = 0 if label is None else _asked(label, phrases, said)
    width, height = size if form == "pixels_resized" else (1000, 1000)
    x0, y0, x1, y1 = (float(v) for v in values)
    if form == "relative_1000_yx":
        x0, y0, x1, y1 = y0, x0, y1, x1
    shares = [x0 / width, y0 / height, x1 / width, y1 / height]
    if min(shares) < -_BEYOND or max(shares) > 1 + _BEYOND:
        raise ServedDetectorError(
            f"the box of {said} reaches beyond the image: are its numbers {form}? Set the "
            "profile's format to what the model gives"
        )
    left, top, right, bottom = (min(1.0, max(0.0, share)) for share in shares)
    left, right = min(left, right), max(left, right)
    top, bottom = min(top, bottom), max(top, bottom)
    if right <= left or bottom <= top:
        raise ServedDetectorError(f"the box of {said} in the reply has no area")
    return SaidBox(phrase, (left, top, right, bottom))


def _asked(label: Any, phrases: Sequence[str], said: str) -> int:
    """Return the position of the phrase that a label repeats."""
    try:
        return phrases.index(plain_phrase(label if isinstance(label, str) else ""))
    except (ValueError, BadRequestError):
        raise ServedDetectorError(
            f"the entry {said} of the reply is about something that was not asked for"
        ) from None
