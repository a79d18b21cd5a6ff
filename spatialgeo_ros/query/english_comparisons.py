# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How much more: differences, ratios and percentages of the same quantity of two things."""

from __future__ import annotations

from dataclasses import replace

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_asked import IS
from spatialgeo_ros.query.english_numbers import told
from spatialgeo_ros.query.english_rankings import Ranking
from spatialgeo_ros.query.program import (
    Arithmetic,
    Condition,
    Count,
    Filter,
    Fold,
    It,
    Named,
    Number,
    Over,
    Place,
    Program,
    Quantity,
    QuantityName,
    Rank,
    RequestRegion,
    TellNumber,
    The,
    Things,
    Those,
    Union,
    Unit,
)
from spatialgeo_ros.query.program_edit import about
from spatialgeo_ros.query.units import kind_of

rule = grammar.rule
_SETS = (Filter, Named, Rank, RequestRegion, The, Those)

_MORE = (
    "(how much|by how much|(by how many|how many) {unit}|by (what|which) (amount|margin|{unit}))"
)


@rule(
    "core",
    f"{_MORE} [more] {{compared:comparative}} {IS} {{a:thing}} [STAND] THAN {{b:thing}} [BE]",
    f"{_MORE} {IS} {{a:thing}} {{compared:comparative}} THAN {{b:thing}} [BE]",
    f"{_MORE} {{compared:comparative}} {{a:thing}} BE THAN {{b:thing}}",
    f"{_MORE} {{compared:comparative}} THAN {{b:thing}} {IS} {{a:thing}}",
    f"{{a:thing}} {IS} {_MORE} {{compared:comparative}} THAN {{b:thing}}",
    f"{{a:thing}} {IS} {{compared:comparative}} THAN {{b:thing}} [,|;] [but|and|so] {_MORE}",
    "(compared (to|with)|relative to|in comparison (to|with)) {b:thing} [,]"
    f" {_MORE} {{compared:comparative}} {IS} {{a:thing}}",
    f"{_MORE} {{compared:comparative}} to {{c:place}} {IS} {{a:thing}} THAN {{b:thing}} [BE]",
    f"{_MORE} {IS} {{a:thing}} {{compared:comparative}} (to|from) {{c:place}} THAN {{b:thing}}",
    f"{_MORE} {{compared:comparative}} from {{c:place}} {IS} {{a:thing}} THAN {{b:thing}}",
)
def _how_much_more(
    compared: Ranking, a: Things, b: Things, c: Place | None = None, unit: Unit = ""
) -> Program | None:
    if c is not None and compared.quantity != "distance":
        return None
    return in_unit(told(_difference(compared, a, b, c)), unit)


def _difference(compared: Ranking, a: Place, b: Place, anchor: Place | None) -> Number | None:
    """How much more of a quantity the first has; higher and lower go by the centres."""
    if compared.quantity in ("top", "bottom"):
        pair = (a, b) if compared.descending else (b, a)
        return Quantity("higher_by", pair)
    if compared.quantity == "bearing":
        return None
    number = replace(compared, anchor=anchor).number()
    first, second = (about(number, one) for one in (a, b))
    return Arithmetic("difference", (first, second) if compared.descending else (second, first))


@rule(
    "core",
    f"{_MORE} (does|do) {{a:thing}} (exceed|surpass|beat) {{b:thing}} in {{quantity:size_noun}}",
    f"{_MORE} more {{quantity:size_noun}} (has|does) {{a:thing}} [have] THAN {{b:thing}}",
)
def _how_much_exceeds(
    a: Things, b: Things, quantity: QuantityName, unit: Unit = ""
) -> Program | None:
    mine, theirs = Quantity(quantity, (a,)), Quantity(quantity, (b,))
    return in_unit(TellNumber(Arithmetic("difference", (mine, theirs))), unit)


@rule(
    "core",
    f"{_MORE} (does|do) [the] {{quantity:size_noun}} of {{a:thing}} (exceed|surpass)"
    " (that of {b:thing}|the {same:size_noun} of {b:thing})",
    f"{_MORE} {{more:size_compared}} BE [the] {{quantity:size_noun}} of {{a:thing}} THAN that of"
    " {b:thing}",
)
def _how_much_size_exceeds(
    a: Things,
    b: Things,
    quantity: QuantityName,
    same: QuantityName | None = None,
    more: str = ">",
    unit: Unit = "",
) -> Program | None:
    if same not in (None, quantity):
        return None
    pair = (a, b) if more == ">" else (b, a)
    return _how_much_exceeds(*pair, quantity, unit)  # type: ignore[no-any-return]


@rule(
    "core",
    f"{_MORE} {{compared:comparative}} BE it (to|from) {{a:place}} THAN (to|from) {{b:place}}",
    f"{_MORE} {{compared:comparative}} BE the (way|path|distance|drive) to {{a:place}} THAN"
    " [the one|that] to {b:place}",
)
def _how_much_further(compared: Ranking, a: Place, b: Place, unit: Unit = "") -> Program | None:
    if compared.quantity == "length":
        compared = Ranking("distance", True)
    if compared.quantity != "distance":
        return None
    return in_unit(told(_difference(compared, a, b, None)), unit)


@rule("core", f"{_MORE} (does|do) {{pair}} differ in {{quantity:size_noun}}")
def _how_much_differ(
    pair: tuple[Things, Things], quantity: QuantityName, unit: Unit = ""
) -> Program | None:
    return in_unit(TellNumber(apart_in(quantity, pair)), unit)


def apart_in(quantity: QuantityName, pair: tuple[Things, Things]) -> Number:
    """Return by how much two things differ, never negative."""
    number, both = Quantity(quantity, (It(),)), Union(pair)
    return Arithmetic("difference", (Over("greatest", number, both), Over("least", number, both)))


@rule(
    "number",
    "[the] difference (in|of) {quantity:size_noun} (between|of) {pair}",
    "[the] difference between the ({quantity:sizes_plural}|{quantity:size_noun}) of {pair}",
    "[the] {quantity:size_noun} difference (of|in) {pair}",
    "{quantity:size_noun} difference {pair}",
    cost=-0.1,
)
def _size_difference(quantity: QuantityName, pair: tuple[Things, Things]) -> Number | None:
    return None if quantity == "size" else apart_in(quantity, pair)


@rule("number", "[the] difference in (distance|the distances) [FROM ME] (between|of|to) {pair}")
def _distance_difference(pair: tuple[Things, Things]) -> Number:
    number, both = Ranking("distance").number(), Union(pair)
    return Arithmetic("difference", (Over("greatest", number, both), Over("least", number, both)))


@rule("number", "[the] (difference|difference in distance) between {a:number} and {b:number}")
def _number_difference(a: Number, b: Number) -> Number:
    if isinstance(a, Quantity) and isinstance(b, Quantity) and a.name == b.name:
        rest = [x for x, y in zip(a.of, b.of, strict=False) if x != y]
        other = [y for x, y in zip(a.of, b.of, strict=False) if x != y]
        if len(rest) == 1 and len(a.of) == len(b.of) and isinstance(rest[0], _SETS):
            it = replace(a, of=tuple(It() if x == rest[0] else x for x in a.of))
            both = Union((rest[0], other[0]))  # type: ignore[arg-type]
            return Arithmetic("difference", (Over("greatest", it, both), Over("least", it, both)))
    return Arithmetic("difference", (a, b))


@rule("core", f"{_MORE} {{more:size_compared}} {IS} {{a:number}} THAN {{b:number}}")
def _how_much_larger(a: Number, b: Number, more: str, unit: Unit = "") -> Program | None:
    pair = (a, b) if more == ">" else (b, a)
    return in_unit(TellNumber(Arithmetic("difference", pair)), unit)


_UP = "[higher] (above|over)"
_DOWN = "[lower] (below|under|beneath)"


@rule(
    "core",
    f"(how far|{_MORE}) {_UP} {{b:thing}} {IS} {{a:thing}}",
    f"(how far|{_MORE}) {IS} {{a:thing}} {_UP} {{b:thing}}",
)
def _how_far_above(a: Things, b: Things, unit: Unit = "") -> Program | None:
    return told(Quantity("higher_by", (a, b)), unit)


@rule(
    "core",
    f"(how far|{_MORE}) {_DOWN} {{b:thing}} {IS} {{a:thing}}",
    f"(how far|{_MORE}) {IS} {{a:thing}} {_DOWN} {{b:thing}}",
)
def _how_far_below(a: Things, b: Things, unit: Unit = "") -> Program | None:
    return told(Quantity("higher_by", (b, a)), unit)


# Ratios -----------------------------------------------------------------------------------------


@rule(
    "core",
    "how many times [as] {adjective:plain_size} as {b:thing} BE {a:thing}",
    "how many times BE {a:thing} as {adjective:plain_size} as {b:thing}",
    "{a:thing} BE how many times as {adjective:plain_size} as {b:thing}",
    "how many times as {adjective:plain_size} BE {a:thing} as {b:thing}",
    "(how many times|by (what|which) factor) {adjective:comparative} BE {a:thing} THAN {b:thing}",
    "(how many times|by (what|which) factor) BE {a:thing} {adjective:comparative} THAN {b:thing}",
    "(how many times|by (what|which) factor) {adjective:comparative} THAN {b:thing} BE {a:thing}",
    "{a:thing} BE (how many times|by (what|which) factor) {adjective:comparative} THAN {b:thing}",
)
def _how_many_times(adjective: Ranking, a: Things, b: Things) -> Program | None:
    if adjective.quantity in ("bearing",):
        return None
    quantity = "height" if adjective.quantity in ("top", "bottom") else adjective.quantity
    number = replace(adjective, quantity=quantity).number()
    return TellNumber(Arithmetic("ratio", (about(number, a), about(number, b))))


@rule(
    "core",
    "how many times the {quantity:size_noun} of {b:thing} BE {a:thing}",
    "how many times the {quantity:size_noun} of {b:thing} BE the {same:size_noun} of {a:thing}",
    "how many times (does|do) {a:thing} have the {quantity:size_noun} of {b:thing}",
    "[what BE] [the] ratio of the {quantity:sizes_plural} of {a:thing} (and|to) {b:thing}",
    "[what BE] [the] ratio (of|between) the {quantity:sizes_plural} of {a:thing} and {b:thing}",
    "[what BE] [the] {quantity:size_noun} ratio (of|between) {a:thing} (and|to) {b:thing}",
)
def _ratio_of_sizes(
    a: Things, b: Things, quantity: QuantityName, same: QuantityName | None = None
) -> Program | None:
    if same not in (None, quantity):
        return None
    return TellNumber(Arithmetic("ratio", (Quantity(quantity, (a,)), Quantity(quantity, (b,)))))


@rule(
    "core",
    "[BE] what (percentage|percent|fraction|share|proportion) of {b:number} BE {a:number}",
    "{a:number} BE what (percentage|percent|fraction|share|proportion) of {b:number}",
    "how many percent of {b:number} BE {a:number}",
)
def _percent_of(a: Number, b: Number) -> Program:
    return TellNumber(Arithmetic("percent", (a, b)), "percent")


@rule("share", "(percentage|percent)")
def _percent() -> Unit:
    return "percent"


@rule("share", "(share|fraction|proportion|part)")
def _fraction() -> Unit:
    return ""


@rule(
    "core",
    "what {share} of {whole:several} (BE|STAND) {part:predicates}",
    "[what BE] [the] {share} of {whole:several} that (BE|STAND) {part:predicates}",
    "how many {share} of {whole:several} (BE|STAND) {part:predicates}",
)
def _share_of(share: Unit, whole: Things, part: Condition) -> Program:
    number = Arithmetic("percent", (Count(Filter(whole, part)), Count(whole)))
    return TellNumber(number, share)


@rule("core", "[what BE] [the] ratio (of|between) {a:plural} (to|and) {b:plural}")
def _ratio_of_counts(a: Things, b: Things) -> Program:
    return TellNumber(Arithmetic("ratio", (Count(a), Count(b))))


# Together and on average ------------------------------------------------------------------------


@rule("together", "[taken|put|stacked] (together|in total|combined|altogether|in sum|overall)")
def _together() -> Fold:
    return "sum"


@rule("together", "(on average|on the average|in the mean)")
def _on_average() -> Fold:
    return "mean"


@rule(
    "core",
    "how {quantity:size_adjective} BE [all] {things:several} {fold:together}",
    "{fold:together} [,] how {quantity:size_adjective} BE [all] {things:several}",
    "how much {quantity:size_noun} (does|do|have) {things:several} [have|take up|cover|occupy|need]"
    " {fold:together}",
)
def _sizes_together(quantity: QuantityName, things: Things, fold: Fold) -> Program | None:
    if quantity == "size":
        return None
    return TellNumber(Over(fold, Quantity(quantity, (It(),)), things))


@rule(
    "core",
    "how far [AWAY] BE {things:several} {fold:together}",
    "{fold:together} [,] how far [AWAY] BE {things:several} [AWAY]",
)
def _distances_together(things: Things, fold: Fold) -> Program:
    return TellNumber(Over(fold, Ranking("distance").number(), things))


@rule("several", "{plural}", "{plural:those}")
def _several(plural: Things) -> Things:
    return plural


@rule("several", "[both] {items:list}")
def _several_listed(items: tuple[Things, ...]) -> Things:
    return Union(items)


@rule("core", "add [up|together] [the] {quantity:sizes_plural} of {things:several}")
def _add_up(quantity: QuantityName, things: Things) -> Program:
    return TellNumber(Over("sum", Quantity(quantity, (It(),)), things))


@rule("core", "add [up|together] {a:number} (and|to|plus) {b:number} [up|together]")
def _add(a: Number, b: Number) -> Program:
    return TellNumber(Arithmetic("sum", (a, b)))


# In a unit --------------------------------------------------------------------------------------


def in_unit(program: Program | None, unit: Unit) -> Program | None:
    """Ask for a number in a unit; None where something else is asked for."""
    if not unit or program is None:
        return program
    if not isinstance(program, TellNumber):
        return None
    number = program.number
    if unit == "percent" and isinstance(number, Arithmetic) and number.operation == "difference":
        return TellNumber(Arithmetic("percent", (number, number.of[1])), "percent")
    if kind_of(unit) == "ratio" and not isinstance(number, Arithmetic):
        return None
    return replace(program, unit=unit)
