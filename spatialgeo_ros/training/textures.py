# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Made-up surfaces and pictures with the statistics of real ones; no photograph is among them.

1/f noise and dead leaves have the spectrum, the edges and the occlusions of natural images, and
networks trained on such pictures alone transfer to photographs (Baradad et al. 2021, "Learning to
See by Looking at Noise"; the dead leaves model is that of Lee, Mumford & Huang 2001).
All pictures are [h, w, 3] float32 in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]
Maker = Callable[[np.random.Generator, int, int], Picture]


def random_colour(rng: np.random.Generator) -> Picture:
    """Draw an RGB colour [3]; greyish ones are likelier than pure ones."""
    value, saturation = rng.uniform(0.05, 1.0), rng.beta(0.7, 1.3)
    hue = rng.random(3)
    return np.asarray(value * (1 - saturation + saturation * hue / hue.max()), np.float32)


def fractal_noise(
    rng: np.random.Generator, height: int, width: int, power: float, coloured: bool = True
) -> Picture:
    """Draw anisotropic noise with spectrum 1/f^power: zero mean, unit deviation, not clipped.

    Returns:
        [height, width, 3], or [height, width, 1] where not ``coloured``.
    """
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    stretch, angle = math.exp(rng.normal(0, 0.7)), rng.uniform(0, math.pi)
    c, s = math.cos(angle), math.sin(angle)
    radius = np.hypot((c * fx + s * fy) * stretch, (c * fy - s * fx) / stretch)
    radius = np.maximum(radius, 1.0 / max(height, width))
    white = rng.standard_normal((3 if coloured else 1, height, width), dtype=np.float32)
    x = np.fft.irfft2(np.fft.rfft2(white) / radius**power, s=(height, width))
    x -= x.mean(axis=(1, 2), keepdims=True)
    x /= x.std(axis=(1, 2), keepdims=True) + 1e-6
    # Real surfaces vary in brightness more than in hue.
    hue = rng.random() ** 2
    return np.moveaxis(x[:1] * (1 - hue) + x * hue, 0, -1).astype(np.float32)


def _cloudy(rng: np.random.Generator, h: int, w: int) -> Picture:
    noise = fractal_noise(rng, h, w, rng.uniform(0.5, 2.2))
    return random_colour(rng) + np.float32(rng.uniform(0.03, 0.35)) * noise


def _striped(rng: np.random.Generator, h: int, w: int) -> Picture:
    """Stripes or planks that wind a little, as grain and folds do."""
    y, x = np.mgrid[:h, :w]
    angle, period = rng.uniform(0, math.pi), rng.uniform(4, w / 3)
    winding = rng.uniform(0, 6) * fractal_noise(rng, h, w, rng.uniform(0.5, 2.2), False)[..., 0]
    phase = (x * math.cos(angle) + y * math.sin(angle) + winding) / period
    share = (np.sin(2 * math.pi * phase) * rng.choice([1, 8])).clip(-1, 1)[..., None] * 0.5 + 0.5
    return random_colour(rng) * share + random_colour(rng) * (1 - share)


def _tiled(rng: np.random.Generator, h: int, w: int) -> Picture:
    """Tiles or bricks of slightly different tones, with joints."""
    y, x = np.mgrid[:h, :w]
    across = rng.uniform(8, w / 2)
    up = across * rng.uniform(0.3, 1.0)
    x = x + np.floor(y / up) % 2 * across * rng.choice([0.0, 0.5])
    joint = (x % across < 0.06 * across) | (y % up < 0.08 * up)
    number = (np.floor(x / across).astype(int) * 7 + np.floor(y / up).astype(int) * 13) % 31
    tones = random_colour(rng) + rng.uniform(0, 0.25) * rng.standard_normal((31, 1))
    return np.where(joint[..., None], random_colour(rng), tones[number])


def _printed(rng: np.random.Generator, h: int, w: int) -> Picture:
    """Lines of random characters in one of OpenCV's fonts."""
    sheet = np.full((h, w, 3), random_colour(rng) * 255, np.uint8)
    ink = tuple(float(v) for v in random_colour(rng) * 255)
    y = 8.0
    while y < h:
        size = rng.uniform(0.25, 1.2)
        line = "".join(chr(c) for c in rng.integers(33, 122, 40))
        place = (int(rng.integers(0, w // 3)), int(y))
        font, thick = int(rng.integers(0, 8)), int(rng.integers(1, 3))
        cv2.putText(sheet, line, place, font, size, ink, thick, cv2.LINE_AA)
        y += size * 26 + rng.uniform(0, 14)
    return np.asarray(sheet / np.float32(255), np.float32)


def _graded(rng: np.random.Generator, h: int, w: int) -> Picture:
    y, x = np.mgrid[:h, :w]
    angle = rng.uniform(0, 2 * math.pi)
    share = (x / w - 0.5) * math.cos(angle) + (y / h - 0.5) * math.sin(angle) + 0.5
    return random_colour(rng) * share[..., None] + random_colour(rng) * (1 - share[..., None])


def _veined(rng: np.random.Generator, h: int, w: int) -> Picture:
    noise = fractal_noise(rng, h, w, rng.uniform(0.5, 2.2), False)
    share = np.tanh(noise * rng.uniform(0.5, 6.0)) * 0.5 + 0.5
    return random_colour(rng) * share + random_colour(rng) * (1 - share)


def _grainy(rng: np.random.Generator, h: int, w: int) -> Picture:
    noise = rng.standard_normal((h, w, int(rng.choice([1, 3]))), dtype=np.float32)
    return random_colour(rng) + np.float32(rng.uniform(0, 0.15)) * noise


def _speckled(rng: np.random.Generator, h: int, w: int) -> Picture:
    return dead_leaves(rng, h, w, textured=False)


_SURFACES: tuple[Maker, ...] = (
    _cloudy, _striped, _tiled, _printed, _speckled, _graded, _veined, _grainy
)  # fmt: skip


def random_surface(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Draw one surface: wood, cloth, tiles, print, stone and the like, or nothing that exists."""
    x = _SURFACES[rng.integers(len(_SURFACES))](rng, height, width)
    return np.clip(np.broadcast_to(x, (height, width, 3)), 0, 1).astype(np.float32)


def random_polygon(rng: np.random.Generator, x: float, y: float, radius: float) -> NDArray:
    """Draw a polygon of 3 to 8 corners [N, 2] int32 on a circle."""
    angles = np.sort(rng.uniform(0, 2 * math.pi, int(rng.integers(3, 9))))
    corners = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
    return corners.astype(np.int32)


def _leaf(rng: np.random.Generator, h: int, w: int, radius: float, shape: int) -> NDArray:
    mask = np.zeros((h, w), np.uint8)
    x, y = rng.uniform(0, w), rng.uniform(0, h)
    if shape == 0:
        axes = (max(1, int(radius)), max(1, int(radius * rng.uniform(0.3, 1.0))))
        cv2.ellipse(mask, (int(x), int(y)), axes, rng.uniform(0, 180), 0, 360, 1, -1)
    elif shape == 1:
        size = (2 * radius, 2 * radius * rng.uniform(0.1, 1.0))
        turn = float(rng.choice([0.0, rng.uniform(0, 90)]))
        cv2.fillPoly(mask, [cv2.boxPoints(((x, y), size, turn)).astype(np.int32)], 1)
    else:
        cv2.fillPoly(mask, [random_polygon(rng, x, y, radius)], 1)
    return mask.astype(bool)


def dead_leaves(
    rng: np.random.Generator, height: int, width: int, textured: bool = True
) -> Picture:
    """Draw things that cover each other: sizes from a power law, shapes and colours of a few."""
    x = np.empty((height, width, 3), np.float32)
    x[:] = random_colour(rng)
    count = int(rng.integers(20, 260))
    least, most = rng.uniform(2, 12), rng.uniform(0.15, 0.6) * width
    power = 1 - rng.uniform(1.5, 3.2)
    radii = (least**power + rng.random(count) * (most**power - least**power)) ** (1 / power)
    if rng.random() < 0.6:
        radii = np.sort(radii)[::-1]  # the small ones in front, as things stand before walls
    shape = int(rng.integers(4))
    palette = [random_colour(rng) for _ in range(int(rng.integers(3, 30)))]
    surfaces = [random_surface(rng, height, width) for _ in range(3)] if textured else []
    for radius in radii:
        kind = shape if shape < 3 else int(rng.integers(3))
        mask = _leaf(rng, height, width, float(radius), kind)
        if surfaces and rng.random() < 0.4:
            tint = random_colour(rng) if rng.random() < 0.3 else np.ones(3, np.float32)
            x[mask] = surfaces[rng.integers(3)][mask] * tint
        else:
            x[mask] = palette[rng.integers(len(palette))] * np.float32(rng.uniform(0.6, 1.0))
    return np.clip(x, 0, 1)


def standing_planes(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Draw a ground, a background and slanted surfaces before them."""
    x = random_surface(rng, height, width)
    horizon = int(rng.uniform(0.2, 0.8) * height)
    x[horizon:] = random_surface(rng, height, width)[horizon:]
    for _ in range(int(rng.integers(2, 14))):
        cx, cy = rng.uniform(0, width), rng.uniform(0, height)
        a, b = rng.uniform(0.05, 0.4) * width, rng.uniform(0.05, 0.5) * height
        corners = np.array([[cx - a, cy - b], [cx + a, cy - b], [cx + a, cy + b], [cx - a, cy + b]])
        corners[:, 1] += rng.uniform(-0.3, 0.3, 4) * height
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
        inside = mask.astype(bool)
        if rng.random() < 0.7:
            x[inside] = random_surface(rng, height, width)[inside]
        else:
            x[inside] = random_colour(rng)
    return x


def no_scene(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Draw what a camera sees when there is nothing to see: one colour, noise, a few blocks."""
    kind = int(rng.integers(3))
    if kind == 0:
        return np.broadcast_to(random_colour(rng), (height, width, 3)).copy()
    if kind == 1:
        noise = rng.random((height, width, int(rng.choice([1, 3]))), dtype=np.float32)
        return np.broadcast_to(noise, (height, width, 3)).copy()
    rows, columns = (int(n) for n in rng.integers(2, 9, 2))
    how = int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC]))
    blocks = cv2.resize(rng.random((rows, columns, 3)), (width, height), interpolation=how)
    return np.clip(blocks, 0, 1).astype(np.float32)


def bare_noise(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Draw the whole picture as one 1/f noise."""
    noise = fractal_noise(rng, height, width, rng.uniform(0.5, 2.2))
    return np.clip(0.5 + 0.25 * noise, 0, 1)


#: Makers of pictures and how often each is drawn.
PICTURES: tuple[tuple[Maker, float], ...] = (
    (dead_leaves, 0.3),
    (standing_planes, 0.3),
    (random_surface, 0.2),
    (bare_noise, 0.12),
    (no_scene, 0.08),
)


def random_picture(rng: np.random.Generator, height: int, width: int) -> Picture:
    """Draw a picture of any of ``PICTURES``, half of them unevenly lit."""
    makers, shares = zip(*PICTURES, strict=True)
    x = makers[rng.choice(len(makers), p=shares)](rng, height, width)
    if rng.random() < 0.5:
        glow = fractal_noise(rng, height, width, rng.uniform(1.5, 2.5), False)
        x = x * np.exp(np.float32(rng.uniform(0, 0.5)) * glow)
    return np.clip(x, 0, 1).astype(np.float32)
