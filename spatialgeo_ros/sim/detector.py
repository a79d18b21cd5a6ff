# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An object detector with known faults: boxes of what is visible, missed, moved and confused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.regions import Region


@dataclass(frozen=True)
class DetectorModel:
    """How far a detector's boxes are from those of the visible pixels.

    A thing that shows the share ``a`` of the image's pixels is found with probability
    ``(1 - miss) * a / (a + half_share)``. Images are independent of each other.

    Attributes:
        least_share: things that show less of the image are never found.
        miss: probability of missing a thing however large it is.
        half_share: share of the image at which half of the others are missed.
        jitter: standard deviation of each side of a box, as a share of the box's extent.
        least_jitter: the same, at least, in pixels.
        confusion: probability that the label is another kind's.
        false_alarms: boxes on nothing, per image on average.
    """

    least_share: float = 0.001
    miss: float = 0.1
    half_share: float = 0.002
    jitter: float = 0.03
    least_jitter: float = 1.0
    confusion: float = 0.02
    false_alarms: float = 0.05

    @classmethod
    def perfect(cls) -> DetectorModel:
        """Return a detector that finds every thing of the least share, with its exact box."""
        return cls(
            miss=0.0, half_share=0.0, jitter=0.0, least_jitter=0.0, confusion=0.0, false_alarms=0.0
        )

    def detect(
        self,
        segmentation: NDArray[np.int16],
        kinds: Sequence[str],
        rng: np.random.Generator,
        known: Sequence[str] = (),
    ) -> tuple[Region, ...]:
        """Return boxes with labels and scores.

        Args:
            segmentation: [H, W] index into ``kinds``, -1 for nothing.
            kinds: of each object, its label.
            rng: source of the faults.
            known: labels that a confused or false box may have; default those of ``kinds``.
        """
        labels = sorted(set(known or kinds))
        height, width = segmentation.shape
        counts = np.bincount(segmentation[segmentation >= 0].astype(np.intp), minlength=len(kinds))
        found = []
        for index in np.nonzero(counts >= max(1, self.least_share * segmentation.size))[0]:
            share = counts[index] / segmentation.size
            seen = rng.random() < (1 - self.miss) * share / (share + self.half_share)
            label, score = kinds[int(index)], float(rng.beta(8, 2))
            if labels and rng.random() < self.confusion:
                label, score = labels[int(rng.integers(len(labels)))], 0.7 * score
            box = self._moved(_bounds(segmentation == index), rng, width, height)
            if seen:
                found.append(Region.from_box(*box, label=label, score=score))
        for _ in range(int(rng.poisson(self.false_alarms)) if labels else 0):
            w, h = rng.uniform(0.05, 0.3, 2) * (width, height)
            x, y = rng.uniform(0, 1, 2) * (width - 1 - w, height - 1 - h)
            label = labels[int(rng.integers(len(labels)))]
            score = float(rng.uniform(0.3, 0.6))
            found.append(Region.from_box(x, y, x + w, y + h, label=label, score=score))
        return tuple(found)

    def _moved(
        self,
        box: tuple[float, float, float, float],
        rng: np.random.Generator,
        width: int,
        height: int,
    ) -> tuple[float, float, float, float]:
        """A box with its sides moved, within the image."""
        x0, y0, x1, y1 = box
        extent = np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
        sigma = np.maximum(self.least_jitter, self.jitter * extent)
        u0, v0, u1, v1 = np.array(box) + sigma * rng.standard_normal(4)
        us = np.clip([min(u0, u1), max(u0, u1)], 0, width - 1)
        vs = np.clip([min(v0, v1), max(v0, v1)], 0, height - 1)
        return float(us[0]), float(vs[0]), float(us[1]), float(vs[1])


def _bounds(mask: NDArray[np.bool_]) -> tuple[float, float, float, float]:
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return float(x), float(y), float(x + width - 1), float(y + height - 1)
