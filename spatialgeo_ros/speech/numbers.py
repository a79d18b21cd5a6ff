# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The grid of numbers the nano language model can say: one token each.

A distance is one token so that training can use soft labels over neighbouring values, and so that a
spread can be read off the next-token distribution. Hours of the clock are written as integers and
distances with decimals ("3 o'clock", "3.0 meters"), so that no token has two meanings.
"""

from __future__ import annotations

import bisect
import functools
import math

FINE_STEP_M = 0.05
FINE_LIMIT_M = 2.0
COARSE_STEP_M = 0.1
LIMIT_M = 12.0

#: Hours of the clock as written in an answer.
CLOCK_TEXTS: tuple[str, ...] = tuple(str(hour) for hour in range(1, 13))


def format_number(value: float) -> str:
    """Write a grid value: two decimals up to 2 m, one above."""
    return f"{value:.2f}" if value <= FINE_LIMIT_M + 1e-9 else f"{value:.1f}"


@functools.cache
def grid_values() -> tuple[float, ...]:
    """Return the representable distances in metres, ascending from 0.0 to 12.0."""
    fine = round(FINE_LIMIT_M / FINE_STEP_M)
    first = round(FINE_LIMIT_M / COARSE_STEP_M) + 1
    last = round(LIMIT_M / COARSE_STEP_M)
    return tuple(
        [round(i * FINE_STEP_M, 2) for i in range(fine + 1)]
        + [round(i * COARSE_STEP_M, 1) for i in range(first, last + 1)]
    )


def quantise(value: float) -> str:
    """Return the text of the grid value nearest to ``value`` metres.

    Raises:
        ValueError: ``value`` is not finite, negative, or above 12.05 m (beyond the grid).
    """
    if not math.isfinite(value) or value < 0 or value > LIMIT_M + COARSE_STEP_M / 2:
        raise ValueError(f"{value} m cannot be written as a number token (0 to {LIMIT_M} m)")
    grid = grid_values()
    above = bisect.bisect_left(grid, value)
    nearest = min(grid[max(above - 1, 0) : above + 1], key=lambda candidate: abs(candidate - value))
    return format_number(nearest)
