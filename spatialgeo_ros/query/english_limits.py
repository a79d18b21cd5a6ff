# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is said of a thing in numbers: limits and comparisons, as conditions about It."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_rankings import Ranking, distance_to
from spatialgeo_ros.query.program import (
    All,
    Arithmetic,
    Comparator,
    Compare,
    Condition,
    Constant,
    Has,
    It,
    Not,
    Number,
    Place,
    Quantity,
    QuantityName,
    Related,
    Things,
)
from spatialgeo_ros.query.program_edit import about
from spatialgeo_ros.query.units import kind_of

rule = grammar.rule

# Limits -----------------------------------------------------------------------------------------


def _comparators(name: str, comparator: Comparator, words: str) -> None:
    @rule(name, words)
    def compared() -> Comparator:
        return comparator


_comparators(
    "more_than",
    ">",
    "(more than|over|above|exceeding|greater than|larger than|in excess of|bigger than|upwards of)",
)
_comparators("more_than", ">=", "(at least|no less than|not less than|minimum|no fewer than)")
_comparators(
    "more_than", "<", "(less than|under|below|fewer than|smaller than|not even|lower than)"
)
_comparators("more_than", "<=", "(at most|no more than|not more than|up to|maximum|within)")


def limited(number: Number, comparator: Comparator, amount: Constant) -> Condition | None:
    """Return the condition that a number keeps a limit; None for a limit of another kind."""
    if kind_of(amount.unit) not in ("length",):
        return None
    return Compare(number, comparator, amount)


@rule(
    "relation",
    "[STAND] [EXACTLY] (within|inside|in) [a|the] [distance of|radius of|range of|reach of]"
    " {amount} [AWAY|distance|range|reach|radius] [(of|from|to|around) {anchor:place}]",
    "[STAND] [EXACTLY] (no|not) (further|farther|more) than {amount} [AWAY] [(of|from|to)"
    " {anchor:place}]",
    "[STAND] within {amount} [distance] [(of|from|to) {anchor:place}]",
)
def _within(amount: Constant, anchor: Place | None = None) -> Condition | None:
    return limited(distance_to(anchor), "<=", amount)


@rule(
    "relation",
    "[STAND] [EXACTLY] (closer|nearer|less far|less distant) [to ME] than {amount} [AWAY]"
    " [(to|from|of) {anchor:place}]",
    "[STAND] [EXACTLY] (closer|nearer) (to) {anchor:place} than {amount}",
    "[STAND] (closer|nearer) [AWAY] than {amount} [AWAY] (to|from|of) {anchor:place}",
)
def _closer_than(amount: Constant, anchor: Place | None = None) -> Condition | None:
    return limited(distance_to(anchor), "<", amount)


@rule(
    "relation",
    "[STAND] [EXACTLY] (farther|further|more distant|more far) [AWAY] [from ME] than {amount}"
    " [AWAY] [(to|from|of) {anchor:place}]",
    "[STAND] [EXACTLY] (farther|further) [AWAY] (from|than) {anchor:place} than {amount}",
    "(beyond|outside) {amount} [(of|from) {anchor:place}]",
)
def _farther_than(amount: Constant, anchor: Place | None = None) -> Condition | None:
    return limited(distance_to(anchor), ">", amount)


@rule(
    "relation",
    "[STAND] [EXACTLY] {more_than} {amount} AWAY [(to|from|of) {anchor:place}]",
    "[STAND] [EXACTLY] [at] [a distance of] {more_than} {amount} [AWAY] (to|from|of)"
    " {anchor:place}",
    "at a distance [of] {more_than} {amount} [(to|from|of) {anchor:place}]",
    "{more_than} {amount} distant [(to|from|of) {anchor:place}]",
)
def _some_away(
    more_than: Comparator, amount: Constant, anchor: Place | None = None
) -> Condition | None:
    return limited(distance_to(anchor), more_than, amount)


@rule(
    "relation",
    "[STAND] [EXACTLY] between {low:decimal} and {high:amount} AWAY [from {anchor:place}]",
    "[STAND] [EXACTLY] (between {low:decimal} and|from {low:decimal} to|{low:decimal} to)"
    " {high:amount} (of|from) {anchor:place}",
    "[STAND] [EXACTLY] within {low:decimal} to {high:amount} (of|from) {anchor:place}",
    "[STAND] [EXACTLY] between {low:amount} and {high:amount} AWAY [from {anchor:place}]",
)
def _between_amounts(
    low: Constant | float, high: Constant, anchor: Place | None = None
) -> Condition | None:
    first = Constant(low, high.unit) if isinstance(low, float) else low
    above = limited(distance_to(anchor), ">=", first)
    below = limited(distance_to(anchor), "<=", high)
    return None if above is None or below is None else All((above, below))


@rule("extent_adjective", "(tall|high|in height)")
def _tall() -> str:
    return "height"


@rule("extent_adjective", "(wide|broad|in width|across)")
def _wide() -> str:
    return "width"


@rule("extent_adjective", "(deep|in depth)")
def _deep() -> str:
    return "depth"


@rule("extent_adjective", "(long|in length)")
def _long() -> str:
    return "length"


_COMPARED_EXTENTS: dict[str, tuple[QuantityName, Comparator]] = {
    "(taller|higher)": ("height", ">"),
    "(shorter|lower|less tall|less high)": ("height", "<"),
    "(wider|broader)": ("width", ">"),
    "(narrower|thinner|slimmer|less wide)": ("width", "<"),
    "(longer)": ("length", ">"),
    "(deeper)": ("depth", ">"),
    "(shallower|less deep)": ("depth", "<"),
}
_COMPARED_SIZES: dict[str, tuple[QuantityName, Comparator]] = {
    **{
        words: kind
        for words, kind in _COMPARED_EXTENTS.items()
        if "higher" not in words and "lower" not in words
    },
    "(taller)": ("height", ">"),
    "(shorter|less tall)": ("height", "<"),
    "(bigger|larger|more voluminous|greater)": ("volume", ">"),
    "(smaller|less big)": ("volume", "<"),
}


def _extent_limit(words: str, quantity: QuantityName, comparator: Comparator) -> None:
    @rule("relation", f"[EXACTLY] {words} [in size] THAN {{amount}} [in size]")
    def compared(amount: Constant) -> Condition | None:
        return limited(Quantity(quantity, (It(),)), comparator, amount)


def _extent_comparison(words: str, quantity: QuantityName, comparator: Comparator) -> None:
    @rule("relation", f"[EXACTLY] {words} [in size|in volume] THAN {{other:thing}} [BE]")
    def compared(other: Things) -> Condition:
        return Compare(Quantity(quantity, (It(),)), comparator, Quantity(quantity, (other,)))


for _said, (_quantity, _comparator) in _COMPARED_EXTENTS.items():
    _extent_limit(_said, _quantity, _comparator)
for _said, (_quantity, _comparator) in _COMPARED_SIZES.items():
    _extent_comparison(_said, _quantity, _comparator)


@rule(
    "relation",
    "[EXACTLY] {more_than} {amount} {quantity:extent_adjective}",
)
def _extent_over(
    more_than: Comparator, amount: Constant, quantity: QuantityName
) -> Condition | None:
    return limited(Quantity(quantity, (It(),)), more_than, amount)


@rule("having", "[a|the] {more:size_compared} {quantity:size_noun} THAN {other:thing} [does|has]")
@rule("verb_predicate", "{more:exceeding} {other:thing} in {quantity:size_noun}")
def _has_more(more: Comparator, quantity: QuantityName, other: Things) -> Condition:
    name: QuantityName = "volume" if quantity == "size" else quantity
    return Compare(Quantity(name, (It(),)), more, Quantity(name, (other,)))


@rule("verb_predicate", "(has|have) a (higher|greater) (position|place) THAN {other:thing}")
def _has_higher_place(other: Things) -> Condition:
    return Related("higher", It(), (other,))


@rule("verb_predicate", "(has|have) a (lower|smaller) (position|place) THAN {other:thing}")
def _has_lower_place(other: Things) -> Condition:
    return Related("lower", It(), (other,))


@rule(
    "verb_predicate",
    "(exceed|exceeds) {amount} in {quantity:size_noun}",
    "(measure|measures|have|has) {more_than} {amount} in {quantity:size_noun}",
)
def _exceeds(
    amount: Constant, quantity: QuantityName, more_than: Comparator = ">"
) -> Condition | None:
    return limited(Quantity(quantity, (It(),)), more_than, amount)


@rule("exceeding", "(exceed|exceeds|surpass|surpasses|beat|beats)")
def _exceeding() -> Comparator:
    return ">"


@rule(
    "having",
    "[a|the] {quantity:size_noun} [of] {more_than} {amount}",
    "{more_than} {amount} of {quantity:size_noun}",
)
def _has_extent(
    amount: Constant, quantity: QuantityName, more_than: Comparator
) -> Condition | None:
    return limited(Quantity(quantity, (It(),)), more_than, amount)


@rule("having", "[the|a] COLOUR {colour}", "[a] {colour} COLOUR")
def _has_colour(colour: str) -> Condition:
    return Has(It(), "colour", colour)


@rule("having", "(another|a different|some other) COLOUR (than|from) {colour}")
def _has_other_colour(colour: str) -> Condition:
    return Not(Has(It(), "colour", colour))


@rule("verb_predicate", "(has|have) {having}")
@rule("relation", "(of|with|having) {having}", cost=0.1)
def _having(having: Condition) -> Condition:
    return having


@rule("verb_predicate", "(consist|consists) of {material}")
def _consists_of(material: str) -> Condition:
    return Has(It(), "material", material)


@rule(
    "relation",
    "{amount} {quantity:extent_adjective} or (more|taller|higher|wider|longer|deeper)",
)
def _or_more(amount: Constant, quantity: QuantityName) -> Condition | None:
    return limited(Quantity(quantity, (It(),)), ">=", amount)


@rule(
    "relation",
    "[STAND] [EXACTLY] (closer|nearer) [to {anchor:place}] THAN {other:place} [BE]",
    "(closer|nearer) [to ME] THAN {other:place} [BE]",
)
def _closer(other: Place, anchor: Place | None = None) -> Condition:
    return _nearer(other, anchor, "<")


@rule(
    "relation",
    "[STAND] [EXACTLY] (less far|less distant|less) [AWAY] [from {anchor:place}] THAN"
    " {other:place} [BE]",
)
def _less_far(other: Place, anchor: Place | None = None) -> Condition:
    return _nearer(other, anchor, "<")


@rule(
    "relation",
    "[STAND] [EXACTLY] (farther|further|more distant) [AWAY] [from {anchor:place}] THAN"
    " {other:place} [BE]",
)
def _farther(other: Place, anchor: Place | None = None) -> Condition:
    return _nearer(other, anchor, ">")


@rule(
    "relation",
    "[STAND] [EXACTLY] (closer|nearer) to {anchor:place} than [it BE] to {other:place}",
)
def _closer_to_this(other: Place, anchor: Place) -> Condition:
    return Compare(distance_to(anchor), "<", distance_to(other))


def _nearer(other: Place, anchor: Place | None, comparator: Comparator) -> Condition:
    mine = distance_to(anchor)
    theirs = Quantity(mine.name, tuple(other if isinstance(x, It) else x for x in mine.of))
    return Compare(mine, comparator, theirs)


@rule(
    "relation",
    "[EXACTLY] {more_than} {amount} {ranking:comparative} [FROM ME] THAN {other:thing} [BE]",
)
def _by_more_than(
    more_than: Comparator, amount: Constant, ranking: Ranking, other: Things
) -> Condition | None:
    """Return whether It exceeds another thing by so much: "at least 1 m taller than"."""
    if kind_of(amount.unit) != "length" or ranking.quantity in ("bearing", "volume"):
        return None
    if ranking.quantity in ("top", "bottom"):
        pair = (It(), other) if ranking.descending else (other, It())
        return Compare(Quantity("higher_by", pair), more_than, amount)
    mine = ranking.number()
    theirs = about(mine, other)
    both = (mine, theirs) if ranking.descending else (theirs, mine)
    return Compare(Arithmetic("difference", both), more_than, amount)
