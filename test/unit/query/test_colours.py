# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Colours read off pixels."""

from __future__ import annotations

import numpy as np
import pytest

from spatialgeo_ros.query.colours import colour_mask, strongest_other


@pytest.mark.parametrize(
    ("rgb", "colour"),
    [
        ((204, 31, 31), "red"),
        ((237, 128, 20), "orange"),
        ((230, 204, 31), "yellow"),
        ((33, 140, 51), "green"),
        ((31, 71, 191), "blue"),
        ((128, 46, 158), "purple"),
        ((235, 235, 230), "white"),
        ((20, 20, 22), "black"),
        ((110, 110, 112), "grey"),
        ((115, 77, 46), "brown"),
        ((230, 90, 160), "pink"),
    ],
)
def test_colours_are_named_as_a_person_would(rgb: tuple[int, int, int], colour: str) -> None:
    lit = np.array([rgb], np.float32) * np.array([[1.0], [0.85]])  # as lit, and in light shade
    assert colour_mask(lit.astype(np.uint8), colour).all()
    chromatic = {"red", "yellow", "green", "blue", "purple"} - {colour}
    assert not any(colour_mask(lit.astype(np.uint8), other).any() for other in chromatic)


def pixels(**shares: int) -> np.ndarray:
    rgb = {"red": (204, 31, 31), "green": (33, 140, 51), "white": (235, 235, 230),
           "brown": (115, 77, 46), "orange": (237, 128, 20)}  # fmt: skip
    return np.concatenate([np.tile(np.uint8(rgb[name]), (n, 1)) for name, n in shares.items()])


@pytest.mark.parametrize(
    ("shown", "colour", "other", "share"),
    [
        ({"white": 3, "green": 6, "red": 1}, "white", "green", 0.6),
        ({"green": 8, "red": 2}, "green", "red", 0.2),
        ({"brown": 9, "green": 1}, "brown", "green", 0.1),  # though its hue is orange's
        ({"orange": 6, "brown": 4}, "red", "orange", 1.0),
        ({"white": 5}, "red", "orange", 0.0),  # no hue at all
    ],
)
def test_the_strongest_other_hue(
    shown: dict[str, int], colour: str, other: str, share: float
) -> None:
    name, found = strongest_other(pixels(**shown), colour)
    assert found == pytest.approx(share) and (name == other or not share)
