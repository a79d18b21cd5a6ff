# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colours: the words for them, and which pixels a person would call so."""

from __future__ import annotations

import numpy as np

#: Colours a phrase may name, with the words that mean the same.
COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("crimson", "scarlet"),
    "orange": (),
    "yellow": ("golden",),
    "green": (),
    "blue": ("navy",),
    "purple": ("violet", "lilac"),
    "white": (),
    "black": (),
    "grey": ("gray", "silver"),
    "brown": ("beige",),
    "pink": (),
}

#: Canonical colour by word.
COLOUR_OF: dict[str, str] = {
    word: colour for colour, words in COLOUR_WORDS.items() for word in (colour, *words)
}

#: Hue intervals in degrees of the chromatic colours (HSV; red wraps around).
_HUES: dict[str, tuple[float, float]] = {
    "red": (-14, 14),
    "orange": (14, 42),
    "yellow": (42, 70),
    "green": (70, 170),
    "blue": (170, 258),
    "purple": (258, 310),
    "pink": (310, 346),
}


def colour_mask(pixels: np.ndarray, colour: str) -> np.ndarray:
    """Tell which RGB pixels a person would call ``colour``.

    Args:
        pixels: [N, 3] uint8 RGB.
        colour: a key of :data:`COLOUR_WORDS`; any other name matches nothing.

    Returns:
        [N] bool.
    """
    rgb = pixels.reshape(-1, 3).astype(np.float32) / 255.0
    high, low = rgb.max(axis=1), rgb.min(axis=1)
    chroma = high - low
    saturation = chroma / np.maximum(high, 1e-6)
    safe = np.maximum(chroma, 1e-6)
    red, green, blue = rgb.T
    hue = np.where(
        high == red,
        (green - blue) / safe,
        np.where(high == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = (hue * 60.0) % 360.0
    chromatic = (saturation > 0.3) & (high > 0.12)
    if colour in _HUES:
        first, last = _HUES[colour]
        return chromatic & ((hue - first) % 360.0 <= last - first)
    if colour == "brown":
        return chromatic & ((hue - 8) % 360.0 <= 37) & (high <= 0.6)
    if colour == "white":
        return (saturation < 0.2) & (high > 0.55)
    if colour == "grey":
        return (saturation < 0.2) & (high > 0.2) & (high <= 0.75)
    if colour == "black":
        return high < 0.25
    return np.zeros(len(rgb), bool)


def strongest_other(pixels: np.ndarray, colour: str) -> tuple[str, float]:
    """Return which hue, other than a colour, most pixels show, and the share of those that do.

    Shades that people also call the colour (orange and red ones of brown) are none of another.

    Args:
        pixels: [N, 3] uint8 RGB, at least one.
        colour: a key of :data:`COLOUR_WORDS`.
    """
    own = colour_mask(pixels, colour)
    shares = {
        name: float((colour_mask(pixels, name) & ~own).mean()) for name in _HUES if name != colour
    }
    most = max(shares, key=lambda name: shares[name])
    return most, shares[most]
