# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detectors and segmenters that say what a test tells them, and count what they are asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from spatialgeo_ros.errors import CancelledError
from spatialgeo_ros.grounding.detector import Box, Instance, InstanceMask, PhraseResult
from spatialgeo_ros.query.colours import COLOUR_WORDS, colour_mask

Script = Mapping[str, Sequence[tuple[Box, float]]]


class ScriptedDetector:
    """Answers phrases from a table.

    Args:
        script: boxes with their scores by phrase; other phrases are absent.
        presence: by phrase, where the network is to have such an output.
        seconds: that a pass takes; cancelling is looked at every hundredth of one.
    """

    kind = "scripted"

    def __init__(
        self,
        script: Script | Callable[[np.ndarray, str], Sequence[tuple[Box, float]]],
        presence: Mapping[str, float] | None = None,
        seconds: float = 0.0,
        device: str = "cpu",
    ) -> None:
        self.script, self.presence, self.seconds = script, dict(presence or {}), seconds
        self.device = device
        self.looks_elsewhere = False
        self.asked: list[tuple[str, ...]] = []
        self.error: Exception | None = None
        self.closed = False

    def ground(
        self,
        image: np.ndarray,
        phrases: Sequence[str],
        *,
        cache: MutableMapping[str, Any] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[PhraseResult]:
        self.asked.append(tuple(phrases))
        end = time.monotonic() + self.seconds
        while time.monotonic() < end:
            if cancelled is not None and cancelled():
                raise CancelledError("the search was cancelled")
            time.sleep(min(0.01, self.seconds))
        if cancelled is not None and cancelled():
            raise CancelledError("the search was cancelled")
        if self.error is not None:
            raise self.error
        return [self._result(image, phrase) for phrase in phrases]

    def _result(self, image: np.ndarray, phrase: str) -> PhraseResult:
        found = self.script(image, phrase) if callable(self.script) else self.script.get(phrase, ())
        instances = tuple(Instance(box, score) for box, score in found)
        return PhraseResult(phrase, instances, self.presence.get(phrase, float("nan")))

    def describe(self) -> dict[str, Any]:
        return {"device": self.device}

    def close(self) -> None:
        self.closed = True


class BoxSegmenter:
    """Takes the middle of each box for its mask."""

    kind = "box"

    def __init__(self) -> None:
        self.asked: list[tuple[Box, ...]] = []
        self.error: Exception | None = None

    def segment(
        self,
        image: np.ndarray,
        boxes: Sequence[Box],
        *,
        cache: MutableMapping[str, Any] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[InstanceMask]:
        self.asked.append(tuple(boxes))
        if self.error is not None:
            raise self.error
        masks = []
        for x0, y0, x1, y1 in boxes:
            pixels = np.zeros(image.shape[:2], bool)
            pixels[round(y0) + 2 : round(y1) - 1, round(x0) + 2 : round(x1) - 1] = True
            masks.append(InstanceMask(pixels, 2.0, 0.9))
        return masks

    def describe(self) -> dict[str, Any]:
        return {}

    def close(self) -> None:
        pass


def by_colour(image: np.ndarray, phrase: str) -> list[tuple[Box, float]]:
    """Box all pixels of the colour that a phrase names, as one thing."""
    words = [word for word in phrase.split() if word in COLOUR_WORDS]
    if not words:
        return []
    found = colour_mask(image.reshape(-1, 3), words[0]).reshape(image.shape[:2])
    if found.sum() < 20:
        return []
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    box = float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1])
    return [(box, 0.6)]
