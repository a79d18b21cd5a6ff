# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers put together and compared, with their units and uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

from spatialgeo_ros.query.program import Comparator, Fold, Operation, Unit
from spatialgeo_ros.query.units import fits, kind_of
from spatialgeo_ros.scene.directions import wrapped
from spatialgeo_ros.scene.estimate import Estimate, Truth, all_of, constant, total
from spatialgeo_ros.scene.failures import QueryFailureError, not_understood, unanswerable
from spatialgeo_ros.scene.map_facts import MapFacts
from spatialgeo_ros.scene.quantities import unit_of_product, unit_of_ratio

_BASE: dict[str, Unit] = {
    "length": "m", "area": "m2", "volume": "m3", "time": "s", "angle": "deg", "ratio": "",
}  # fmt: skip
#: "Exactly" means within this, by unit, or 2 %.
_EQUAL: dict[Unit, float] = {"m": 0.02, "m2": 0.02, "m3": 0.002, "s": 1.0, "deg": 5.0, "": 0.02}


def base_unit(unit: Unit) -> Unit:
    """Return the unit in which such values are worked out."""
    return _BASE[kind_of(unit)]


def combine(operation: Operation, numbers: Sequence[Estimate]) -> Estimate:
    """Put numbers together.

    Raises:
        QueryFailureError: their units or their number do not fit.
    """
    if operation in ("difference", "ratio", "percent"):
        if len(numbers) != 2:
            raise not_understood(f"A {operation} is of two numbers, not of {len(numbers)}.")
        first, second = numbers
        return (
            difference(first, second)
            if operation == "difference"
            else ratio(first, second, operation)
        )
    if not numbers:
        raise not_understood(f"A {operation} needs at least one number.")
    if operation == "product":
        return product(numbers)
    folds: dict[Operation, Fold] = {"mean": "mean", "greatest": "greatest"}
    return fold(folds.get(operation, "sum"), numbers)


def difference(first: Estimate, second: Estimate) -> Estimate:
    """Return the first less the second; of directions the turn between them, in (-180, 180]."""
    both = first.minus(_alike(second, first))
    if both.unit == "deg":
        return Estimate(wrapped(both.value), "deg", both.slopes, both.own_sigma)
    return both


def ratio(first: Estimate, second: Estimate, operation: Operation = "ratio") -> Estimate:
    """Return the first over the second; a "percent" is the same number."""
    unit = unit_of_ratio(first.unit, second.unit)
    if unit is None or (operation == "percent" and unit != ""):
        raise _mismatch(first, second)
    if second.value == 0:
        raise unanswerable("There is no ratio to zero.")
    return first.over(second, unit)


def product(numbers: Sequence[Estimate]) -> Estimate:
    """Return the product; of lengths an area or a volume."""
    result = numbers[0]
    for number in numbers[1:]:
        unit = unit_of_product((result.unit, number.unit))
        if unit is None:
            raise _mismatch(result, number)
        result = result.times(number, unit)
    return result


def fold(kind: Fold, numbers: Sequence[Estimate]) -> Estimate:
    """Return sum, mean, least or greatest of numbers of one unit; the sum of none is zero."""
    if kind == "least":
        return min(numbers, key=lambda number: number.value)
    if kind == "greatest":
        return max(numbers, key=lambda number: number.value)
    if not numbers:
        return constant(0.0)
    everything = total([_alike(number, numbers[0]) for number in numbers])
    return everything.scaled(1 / len(numbers)) if kind == "mean" else everything


def compare(left: Estimate, comparator: Comparator, right: Estimate, facts: MapFacts) -> Truth:
    """Return whether a number is less or greater than another; bare numbers take its unit."""
    if left.unit == "":
        apart = _alike(left, right).minus(right)
    else:
        apart = left.minus(_alike(right, left))
    if comparator == "==":
        counts = apart.unit == "" and float(left.value).is_integer()
        slack = 0.5 if counts else max(_EQUAL[apart.unit], 0.02 * abs(right.value))
        near = constant(slack, apart.unit)
        return all_of([facts.above_zero(near.minus(apart)), facts.above_zero(near.plus(apart))])
    sign = 1.0 if comparator in (">", ">=") else -1.0
    return facts.above_zero(apart.scaled(sign), strict=comparator in ("<", ">"))


def _alike(number: Estimate, other: Estimate) -> Estimate:
    """The number in the unit of another: a bare number is meant in that unit."""
    if number.unit == other.unit:
        return number
    if number.unit == "" and not number.slopes:
        return Estimate(number.value, other.unit, number.slopes, number.own_sigma)
    raise _mismatch(number, other)


def _mismatch(first: Estimate, second: Estimate) -> QueryFailureError:
    assert not fits(first.unit, second.unit) or first.unit != ""
    return not_understood(
        f"{kind_of(first.unit).capitalize()} and {kind_of(second.unit)} do not go together."
    )
