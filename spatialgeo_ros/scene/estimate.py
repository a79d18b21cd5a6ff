# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers with a first-order uncertainty, and conditions with the probability that follows.

Every number keeps its slopes: its derivative by each *source* of uncertainty (a centre, a size, a
wall, the viewer's place). Sums and ratios of numbers add slopes before any variance is taken, so
what two numbers share is not counted as independent: of "how much farther is A than B" the
viewer's own uncertainty nearly cancels where both lie the same way. With slopes g_k and covariance
S_k of source k,

    var(f) = sum over k of g_k^T S_k g_k

as sources are independent of each other (BIPM, JCGM 100:2008, section 5.1).

A condition is a set of bounds "this number is above zero". A bound holds with probability
Phi(value / sigma). Several bounds on the same boxes are far from independent, so the most doubtful
one stands for all of them, and the likeliest for alternatives: then what is said to hold has always
at least one half.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from spatialgeo_ros.query.program import Unit

#: Name of what is uncertain: ("centre", id), ("size", id), ("viewer",), ("wall", "3"), ...
Source: TypeAlias = tuple[str, ...]
Slopes: TypeAlias = Mapping[Source, tuple[float, ...]]

_NO_SLOPES: Slopes = {}


@dataclass(frozen=True)
class Estimate:
    """A number that was worked out from the map.

    Attributes:
        value: in ``unit``.
        unit: "m", "m2", "m3", "s", "deg" or "" for counts and ratios.
        slopes: derivative of ``value`` by every component of each source.
        own_sigma: standard deviation from what has no source (counts), in ``unit``.
    """

    value: float
    unit: Unit = "m"
    slopes: Slopes = field(default_factory=dict)
    own_sigma: float = 0.0

    def scaled(self, factor: float, unit: Unit | None = None) -> Estimate:
        """Return it times a known number."""
        return Estimate(
            self.value * factor,
            self.unit if unit is None else unit,
            _sum_of_slopes(((factor, self.slopes),)),
            abs(factor) * self.own_sigma,
        )

    def plus(self, other: Estimate, factor: float = 1.0) -> Estimate:
        """Return ``self + factor * other``, in the unit of ``self``."""
        return Estimate(
            self.value + factor * other.value,
            self.unit,
            _sum_of_slopes(((1.0, self.slopes), (factor, other.slopes))),
            math.hypot(self.own_sigma, factor * other.own_sigma),
        )

    def minus(self, other: Estimate) -> Estimate:
        """Return the difference."""
        return self.plus(other, -1.0)

    def times(self, other: Estimate, unit: Unit) -> Estimate:
        """Return the product: d(fg) = g df + f dg."""
        return Estimate(
            self.value * other.value,
            unit,
            _sum_of_slopes(((other.value, self.slopes), (self.value, other.slopes))),
            math.hypot(other.value * self.own_sigma, self.value * other.own_sigma),
        )

    def over(self, other: Estimate, unit: Unit) -> Estimate:
        """Return the ratio: d(f/g) = df / g - f dg / g^2.

        Raises:
            ZeroDivisionError: ``other`` is zero.
        """
        ratio = self.value / other.value
        return Estimate(
            ratio,
            unit,
            _sum_of_slopes(((1 / other.value, self.slopes), (-ratio / other.value, other.slopes))),
            math.hypot(self.own_sigma, ratio * other.own_sigma) / abs(other.value),
        )

    def at_least_zero(self) -> Estimate:
        """Return zero instead of a negative value, as surely known: an overlap is no gap."""
        return self if self.value >= 0 else Estimate(0.0, self.unit, self.slopes, self.own_sigma)

    def absolute(self) -> Estimate:
        """Return the magnitude."""
        return self if self.value >= 0 else self.scaled(-1.0)


def total(numbers: Sequence[Estimate]) -> Estimate:
    """Return the sum of one or more numbers of one unit."""
    return Estimate(
        sum(number.value for number in numbers),
        numbers[0].unit,
        _sum_of_slopes((1.0, number.slopes) for number in numbers),
        math.hypot(*(number.own_sigma for number in numbers)),
    )


def constant(value: float, unit: Unit = "m") -> Estimate:
    """Return a number that is exactly known."""
    return Estimate(value, unit, _NO_SLOPES)


def _sum_of_slopes(parts: Iterable[tuple[float, Slopes]]) -> Slopes:
    total: dict[Source, tuple[float, ...]] = {}
    for factor, slopes in parts:
        for source, slope in slopes.items():
            before = total.get(source)
            total[source] = (
                tuple(factor * s for s in slope)
                if before is None
                else tuple(b + factor * s for b, s in zip(before, slope, strict=True))
            )
    return total


Covariance: TypeAlias = Sequence[Sequence[float]]


def sigma_of(estimate: Estimate, covariances: Mapping[Source, Covariance]) -> float:
    """Return the standard deviation of a number, in its unit.

    Args:
        estimate: the number.
        covariances: covariance of each source: 3 x 3, or 1 x 1 for walls, floor and ceiling.
    """
    variance = estimate.own_sigma**2
    for source, slope in estimate.slopes.items():
        rows = covariances[source]
        if len(slope) == 1:
            variance += rows[0][0] * slope[0] * slope[0]
        else:  # written out, as rankings ask for hundreds
            (xx, xy, xz), (_, yy, yz), (_, _, zz) = rows
            x, y, z = slope
            variance += xx * x * x + yy * y * y + zz * z * z
            variance += 2 * (xy * x * y + xz * x * z + yz * y * z)
    return math.sqrt(max(variance, 0.0))


def probability_above_zero(value: float, sigma: float) -> float:
    """Return Phi(value / sigma): that a number measured as ``value`` is above zero."""
    if sigma <= 0:
        return 1.0 if value > 0 else 0.0 if value < 0 else 0.5
    return 0.5 * math.erfc(-value / sigma / math.sqrt(2))


@dataclass(frozen=True)
class Truth:
    """Whether a condition holds.

    Attributes:
        holds: by the best estimate.
        probability: that it holds; at least one half where it does.
        lead: how clearly, in the condition's own measure (metres, degrees), for choosing between
            conditions of which none holds strictly: "in front of or behind".
    """

    holds: bool
    probability: float
    lead: float = 0.0

    def opposite(self) -> Truth:
        """Return the truth of the negation."""
        return Truth(not self.holds, 1 - self.probability, -self.lead)


def fact(holds: bool) -> Truth:
    """Return the truth of what is not measured: a colour, a name."""
    return Truth(holds, float(holds), 1.0 if holds else -1.0)


def all_of(truths: Iterable[Truth]) -> Truth:
    """Return whether all hold; the most doubtful decides. True for none.

    They are taken one by one: after one that surely does not hold no other is asked for.
    """
    worst = fact(True)
    for i, truth in enumerate(truths):
        if not i or (truth.holds, truth.probability) < (worst.holds, worst.probability):
            worst = truth
        if not worst.holds and worst.probability < _SURE:
            break
    return worst


def any_of(truths: Iterable[Truth]) -> Truth:
    """Return whether any holds; the likeliest decides. False for none.

    They are taken one by one: after one that surely holds no other is asked for.
    """
    return all_of(truth.opposite() for truth in truths).opposite()


_SURE = 1e-9
