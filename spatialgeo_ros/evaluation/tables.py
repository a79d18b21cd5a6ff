# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Comparisons of measured with true distances, counted and laid out as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

#: Beside a relative error, what still counts as right for small things, metres.
CLOSE = 0.02


@dataclass
class Column:
    """Truth, estimate and standard deviation of one row of the table; NaN where invalid."""

    truth: list[float] = field(default_factory=list)
    estimate: list[float] = field(default_factory=list)
    sigma: list[float] = field(default_factory=list)

    def add(self, truth: float, estimate: float, sigma: float = np.nan) -> None:
        """Append one comparison."""
        self.truth.append(truth)
        self.estimate.append(estimate)
        self.sigma.append(sigma)

    def share_within(self, relative: float, metres: float = 0.0) -> float:
        """Share of the estimates within ``relative`` of the truth, or within ``metres`` of it.

        Invalid estimates count as wrong.
        """
        truth, estimate = np.array(self.truth), np.array(self.estimate)
        return float(np.mean(np.abs(estimate - truth) <= np.maximum(relative * truth, metres)))

    def share_wrong(self, relative: float, metres: float, sigmas: float) -> float:
        """Share that is valid, not :meth:`share_within`, and off by over so many sigmas."""
        truth, estimate, sigma = (np.array(v) for v in (self.truth, self.estimate, self.sigma))
        off = np.abs(estimate - truth)  # NaN, which is over nothing, where invalid
        return float(np.mean((off > np.maximum(relative * truth, metres)) & (off > sigmas * sigma)))

    def invalid(self) -> float:
        """Share that has no valid estimate."""
        return float(np.mean(~np.isfinite(self.estimate)))

    def best_constant(self, relative: float, metres: float = 0.0) -> float:
        """Share that the best single constant answer gets right; see :meth:`share_within`."""
        truth = np.array(self.truth)
        answers = np.linspace(truth.min(), truth.max(), 400)[:, None]
        right = np.abs(answers - truth) <= np.maximum(relative * truth, metres)
        return float(right.mean(axis=1).max())

    def median_error(self) -> float:
        """Median relative error of the valid estimates; NaN without one."""
        truth, estimate = np.array(self.truth), np.array(self.estimate)
        valid = np.isfinite(estimate)
        if not valid.any():
            return float("nan")
        return float(np.median((np.abs(estimate - truth) / np.maximum(truth, 1e-3))[valid]))

    def within_sigmas(self, sigmas: float) -> float:
        """Share of the valid estimates whose error is within ``sigmas`` standard deviations."""
        truth, estimate, sigma = (np.array(v) for v in (self.truth, self.estimate, self.sigma))
        use = np.isfinite(estimate) & np.isfinite(sigma)
        if not use.any():
            return float("nan")
        return float(np.mean(np.abs(estimate - truth)[use] <= sigmas * sigma[use]))


@dataclass(frozen=True)
class CentreError:
    """How far the centre of a visible surface is off.

    Attributes:
        kind: of the object.
        support: kind of what it stands on, "floor", or "" for furniture.
        metres: between the median of the estimated points and that of the true visible ones; NaN
            when the object was not found.
    """

    kind: str
    support: str
    metres: float


def format_table(table: Mapping[str, Column]) -> str:
    """Lay distances out as Markdown."""
    lines = [
        f"| measured | n | invalid | within 10 % | within 10 % or {CLOSE * 100:.0f} cm "
        "| within 25 % | median error | best constant 10 / 25 % | within 1 / 2 sigma |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, column in table.items():
        one, two = column.within_sigmas(1), column.within_sigmas(2)
        lines.append(
            f"| {name} | {len(column.truth)} | {column.invalid():.1%} "
            f"| {column.share_within(0.10):.1%} | {column.share_within(0.10, CLOSE):.1%} "
            f"| {column.share_within(0.25):.1%} | {column.median_error():.1%} "
            f"| {column.best_constant(0.10):.0%} / {column.best_constant(0.25):.0%} "
            f"| {'-' if np.isnan(one) else f'{one:.0%} / {two:.0%}'} |"
        )
    return "\n".join(lines)


def format_centres(groups: Mapping[str, Sequence[CentreError]]) -> str:
    """Lay errors of centres out as Markdown, a line for each group that is not empty."""
    lines = [
        "| objects | n | not found | within 2 cm | within 5 cm | over 15 cm off or not found |",
        "|---|---|---|---|---|---|",
    ]
    for name, group in groups.items():
        if not group:
            continue
        errors: NDArray[np.float64] = np.array([one.metres for one in group])
        lines.append(
            f"| {name} | {len(errors)} | {np.isnan(errors).mean():.1%} "
            f"| {(errors <= 0.02).mean():.1%} | {(errors <= 0.05).mean():.1%} "
            f"| {1 - (errors <= 0.15).mean():.1%} |"
        )
    return "\n".join(lines)


def by_kind(errors: Sequence[CentreError]) -> dict[str, list[CentreError]]:
    """Group errors by the kind of the object, in alphabetical order."""
    return {
        kind: [one for one in errors if one.kind == kind]
        for kind in sorted({one.kind for one in errors})
    }


def by_support(errors: Sequence[CentreError]) -> dict[str, list[CentreError]]:
    """Group errors by what the objects stand on, in alphabetical order; furniture is "-"."""
    return {
        f"on {support}" if support else "-": [one for one in errors if one.support == support]
        for support in sorted({one.support for one in errors})
    }
