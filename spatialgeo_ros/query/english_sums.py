# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers made of numbers: counts, sums, averages, ratios."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_numbers import add_size, between, size_of
from spatialgeo_ros.query.english_rankings import distance_to
from spatialgeo_ros.query.program import (
    Arithmetic,
    Constant,
    Count,
    It,
    Number,
    Over,
    Place,
    Quantity,
    QuantityName,
    Things,
    Viewer,
)

rule = grammar.rule

# Counts, sums -----------------------------------------------------------------------------------


@rule(
    "number",
    "[the] [total] number of {things}",
    "how many {things} there are",
    "[the] (count|quantity|amount) of {things}",
)
def _count(things: Things) -> Number:
    return Count(things)


@rule("fold", "(average|mean)")
def _mean() -> str:
    return "mean"


@rule("fold", "(total|combined|summed|overall|joint|added up)")
def _sum() -> str:
    return "sum"


@rule("fold", "(greatest|largest|maximum|maximal|biggest)")
def _greatest() -> str:
    return "greatest"


@rule("fold", "(least|smallest|minimum|minimal)")
def _least() -> str:
    return "least"


@rule(
    "number",
    "[the] {fold} {quantity:size_noun} of [all] {things}",
    "[the] sum of the {quantity:size_noun} of {things}",
    "[the] sum of the {quantity:sizes_plural} of {things}",
    "[the] {fold} {quantity:sizes_plural} of {things}",
)
def _over(quantity: QuantityName, things: Things, fold: str = "sum") -> Number:
    return Over(fold, Quantity(quantity, (It(),)), things)  # type: ignore[arg-type]


@rule("number", "[the] {fold:folded} [the] distances (to|from|of) {things:several}")
def _sum_of_distances(fold: str, things: Things) -> Number:
    return Over(fold, distance_to(None), things)  # type: ignore[arg-type]


@rule("folded", "sum of")
def _sum_of() -> str:
    return "sum"


@rule("folded", "(average|mean) of")
def _mean_of_these() -> str:
    return "mean"


@rule(
    "number",
    "[the] {fold} DISTANCE (to|of|from) {things}",
    "[the] {fold} DISTANCE of {things} (from|to) ME",
    "[the] {fold} DISTANCE from ME to {things}",
)
def _over_distance(fold: str, things: Things) -> Number:
    return Over(fold, distance_to(None), things)  # type: ignore[arg-type]


@rule("number", "[the] {fold} DISTANCE (between|of) {things} (and|to|from) {anchor:thing}")
def _over_distance_to(fold: str, things: Things, anchor: Things) -> Number:
    return Over(fold, Quantity("distance", (It(), anchor)), things)  # type: ignore[arg-type]


_PLURALS: dict[QuantityName, str] = {
    "height": "heights",
    "width": "widths",
    "depth": "depths",
    "length": "lengths",
    "volume": "volumes",
    "area": "(areas|footprints)",
}
for _quantity, _words in _PLURALS.items():
    add_size(_quantity, _words, "sizes_plural")


@rule(
    "number",
    "[the] ratio (of|between) {a:operand} (to|and) {b:operand}",
    "{a:operand} divided by {b:operand}",
)
def _ratio(a: Number, b: Number) -> Number:
    return Arithmetic("ratio", (a, b))


@rule("number", "[the] sum of {a:operand} and {b:operand}", "{a:operand} plus {b:operand}")
def _plus(a: Number, b: Number) -> Number:
    return Arithmetic("sum", (a, b))


@rule("number", "{a:operand} minus {b:operand}")
def _minus(a: Number, b: Number) -> Number:
    return Arithmetic("difference", (a, b))


@rule("number", "[the] (average|mean) of {a:operand} and {b:operand}")
def _mean_of(a: Number, b: Number) -> Number:
    return Arithmetic("mean", (a, b))


@rule(
    "operand",
    "[the] [PLAIN] {quantity:size_noun} of {place:sized}",
    "how {quantity:size_adjective} {place:sized} is",
    "{place:sized} _s {quantity:size_noun}",
)
def _operandadd_size(quantity: QuantityName, place: Place) -> Number | None:
    return size_of(quantity, place)


@rule(
    "operand",
    "[the] [PLAIN] DISTANCE (to|from ME to) {place}",
    "how far {place:thing} is [away]",
)
def _operand_distance(place: Place) -> Number | None:
    return between(Viewer(), place)


@rule("operand", "[the] [PLAIN] DISTANCE (between|from) {a:place} (and|to) {b:place}")
def _operand_pair(a: Place, b: Place) -> Number | None:
    return between(a, b)


@rule("operand", "[the] number of {things}")
def _operand_count(things: Things) -> Number:
    return Count(things)


@rule("operand", "{amount}")
def _operand_amount(amount: Constant) -> Number:
    return amount
