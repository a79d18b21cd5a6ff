# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Made-up images of everything that is no simulated room, as a camera would deliver them.

Three sources: drawn pictures (``textures.py``), rendered clutter (``clutter.py``), and views of
rooms disturbed beyond what any simulated camera does. Not one photograph is among them: what the
classifier says of real images is a prediction, not a memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.training.clutter import ClutterRenderer
from spatialgeo_ros.training.data import INPUT_WIDTH
from spatialgeo_ros.training.room_views import HEIGHTS, jpeg
from spatialgeo_ros.training.textures import (
    Picture,
    fractal_noise,
    random_picture,
    random_polygon,
    random_surface,
)

#: Share of the outliers with 4:3; the others have 16:9.
_TALL = 0.65


def camera_effects(image: Picture, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Vary what cameras and their software do: zoom, blur, exposure, colour, noise, JPEG.

    Args:
        image: [H, W, 3] float32 in [0, 1].
        rng: source of the variation.
    """
    height, width = image.shape[:2]
    x = image
    if rng.random() < 0.35:
        share = rng.uniform(0.4, 1.0)
        h, w = int(height * share), int(width * share)
        top, left = int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1))
        x = np.asarray(cv2.resize(x[top : top + h, left : left + w], (width, height)), np.float32)
    if rng.random() < 0.35:
        x = np.asarray(cv2.GaussianBlur(x, (0, 0), math.exp(rng.uniform(-0.7, 2.2))), np.float32)
    if rng.random() < 0.5:  # real things are paler than drawn ones
        grey = x.mean(axis=-1, keepdims=True)
        x = grey + (x - grey) * np.float32(0.0 if rng.random() < 0.2 else rng.uniform(0.1, 0.9))
    if rng.random() < 0.6:
        x = np.maximum(x, 0) ** np.float32(math.exp(rng.uniform(-0.6, 0.6)))
    for share, low, high in ((0.5, 0.6, 1.5), (0.1, 0.05, 0.5), (0.1, 1.5, 3.0)):
        if rng.random() < share:
            x = x * np.float32(rng.uniform(low, high))
    if rng.random() < 0.5:
        x = x * (1 + rng.uniform(-0.15, 0.15, 3).astype(np.float32))
    if rng.random() < 0.6:
        x = x + rng.standard_normal(x.shape, dtype=np.float32) * np.float32(rng.uniform(0, 0.06))
    out = (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)
    return jpeg(out, int(rng.integers(40, 96))) if rng.random() < 0.4 else out


def _delivered(image: Picture, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Turn a 4:3 picture into the networks' input: through a camera of 4:3 or 16:9."""
    taken = camera_effects(image, rng)
    height = HEIGHTS[0] if rng.random() < _TALL else HEIGHTS[1]
    rows = taken.shape[1] * height // INPUT_WIDTH
    top = (taken.shape[0] - rows) // 2
    size = (INPUT_WIDTH, height)
    return np.asarray(
        cv2.resize(taken[top : top + rows], size, interpolation=cv2.INTER_AREA), np.uint8
    )


def drawn_outliers(seeds: Iterable[int], renditions: int = 2) -> list[NDArray[np.uint8]]:
    """Draw one picture for each seed, taken ``renditions`` times."""
    found = []
    for seed in seeds:
        rng = np.random.default_rng([seed, 4])
        picture = random_picture(rng, 192, 256)
        found += [_delivered(picture, rng) for _ in range(renditions)]
    return found


def rendered_outliers(
    seeds: Iterable[int], views: int = 4, renditions: int = 2
) -> list[NDArray[np.uint8]]:
    """Render ``views`` of one scene of clutter for each seed, each taken ``renditions`` times."""
    renderer = ClutterRenderer(384, 288, samples=0)
    found = []
    for seed in seeds:
        rng = np.random.default_rng([seed, 5])
        renderer.draw(rng)
        for _ in range(views):
            seen = renderer.snapshot(rng).astype(np.float32) / 255.0
            found += [_delivered(seen, rng) for _ in range(renditions)]
    renderer.close()
    return found


def _polygons(rng: np.random.Generator, height: int, width: int, least: float) -> Picture:
    """Weights [H, W, 1] of random polygons that cover at least a share of the image."""
    weights = np.zeros((height, width), np.float32)
    while (weights > 0).mean() < least:
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        corners = random_polygon(rng, x, y, rng.uniform(0.15, 0.5) * width)
        cv2.fillPoly(weights, [corners], float(rng.uniform(0.3, 1.0)))
    return weights[..., None]


def disturbed(
    view: NDArray[np.uint8], other: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Turn a view of a room into one that no simulated camera gives.

    Other colours, no colours, blur, textured surfaces, other things in front of most of it, uneven
    light, hardly any or far too much light, few tones.

    Args:
        view: content [h, w, 3].
        other: an outlier, any size.
        rng: source of the draws.
    """
    height, width = view.shape[:2]
    x = view.astype(np.float32) / 255.0
    kind = int(rng.integers(9))
    if kind == 0:
        x = 1 - x if rng.random() < 0.5 else x[..., [(1, 0, 2), (2, 1, 0)][rng.integers(2)]]
    elif kind == 1:
        x = np.repeat(x.mean(axis=-1, keepdims=True), 3, axis=2)
    elif kind == 2:
        x = np.asarray(cv2.GaussianBlur(x, (0, 0), rng.uniform(1.8, 8.0)), np.float32)
    elif kind in (3, 4):
        if rng.random() < 0.5:
            surface = random_surface(rng, height, width)
            surface = surface / (surface.mean() + 0.1)
        else:
            surface = 1 + rng.uniform(0.1, 0.5) * fractal_noise(
                rng, height, width, rng.uniform(0.5, 2.2)
            )
        weights = _polygons(rng, height, width, 0.3)
        x = x * (1 - weights + weights * surface)
    elif kind == 5:
        weights = _polygons(rng, height, width, rng.uniform(0.4, 0.7))
        x = np.where(weights > 0, cv2.resize(other, (width, height)) / np.float32(255), x)
    elif kind == 6:
        glow = fractal_noise(rng, height, width, rng.uniform(1.5, 2.5), False)
        x = x * np.exp(rng.uniform(0.3, 0.7) * glow) * (1 + rng.uniform(-0.4, 0.4, 3))
    elif kind == 7:
        x = x * (rng.uniform(0.08, 0.4) if rng.random() < 0.7 else rng.uniform(2.0, 4.0))
    else:
        x = np.abs(x - rng.uniform(0.3, 0.7)) * 1.6 if rng.random() < 0.5 else np.round(x * 4) / 4
    return (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)
