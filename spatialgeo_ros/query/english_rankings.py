# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which one of several: "nearest", "second tallest", "three biggest", "taller"."""

from __future__ import annotations

from dataclasses import dataclass, replace

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.program import (
    It,
    Number,
    Place,
    Quantity,
    Rank,
    Things,
    Viewer,
)

rule = grammar.rule


@dataclass(frozen=True)
class Ranking:
    """By what objects are ordered, and which one of the order is meant.

    Attributes:
        quantity: "distance" is from the viewer, or from the anchor once one is said.
        descending: greatest first.
        skip: how many to leave out.
        count: how many to take; None for all.
        anchor: what distances are measured to, or None.
        by: number about It where it is no plain quantity.
        comparative: whether "taller" was said, not "tallest".
    """

    quantity: str
    descending: bool = False
    skip: int = 0
    count: int | None = 1
    anchor: Place | None = None
    by: Number | None = None
    comparative: bool = False

    def number(self) -> Number:
        """Return what is ordered by."""
        if self.by is not None:
            return self.by
        if self.quantity == "distance":
            return distance_to(self.anchor)
        return Quantity(self.quantity, (It(),))  # type: ignore[arg-type]

    def of(self, things: Things) -> Rank:
        """Return the ranked set."""
        return Rank(things, self.number(), self.descending, self.skip, self.count)


def distance_to(anchor: Place | None) -> Quantity:
    """Return how near It is: to the viewer its distance, to other things the gap."""
    if anchor is None or isinstance(anchor, Viewer):
        return Quantity("distance", (Viewer(), It()))
    return Quantity("gap", (It(), anchor))


# Which one --------------------------------------------------------------------------------------

_SUPERLATIVES: dict[str, tuple[str, bool]] = {
    "(nearest|closest|nearest by|nearest located|closest located)": (
        "distance",
        False,
    ),
    "(farthest|furthest|remotest|outermost|farthest away|furthest away)": ("distance", True),
    "(leftmost|left most|far left|most left|furthest left|farthest left|outermost left"
    "|outer left|very left|furthest to the left|farthest to the left|most to the left"
    "|more to the left|further left|farther left|farther to the left|further to the left|more"
    " left|further on the left|more on"
    " the left)": (
        "bearing",
        True,
    ),
    "(rightmost|right most|far right|most right|furthest right|farthest right|outermost right"
    "|outer right|very right|furthest to the right|farthest to the right|most to the right"
    "|more to the right|further right|farther right|farther to the right|further to the right"
    "|more right|further on the right|more"
    " on the right)": (
        "bearing",
        False,
    ),
    "(tallest)": ("height", True),
    "(shortest)": ("height", False),
    "(highest|uppermost|topmost|highest up)": ("top", True),
    "(lowest|lowermost|bottommost|lowest down)": ("bottom", False),
    "(biggest|largest|bulkiest|most voluminous|hugest)": ("volume", True),
    "(smallest|littlest|tiniest)": ("volume", False),
    "(widest|broadest)": ("width", True),
    "(narrowest|thinnest|slimmest)": ("width", False),
    "(longest)": ("length", True),
    "(deepest)": ("depth", True),
    "(shallowest)": ("depth", False),
}
_COMPARATIVES: dict[str, tuple[str, bool]] = {
    "(nearer|closer)": ("distance", False),
    "(farther|further) [away]": ("distance", True),
    "(taller)": ("height", True),
    "(shorter)": ("height", False),
    "(higher) [up]": ("top", True),
    "(lower) [down]": ("bottom", False),
    "(bigger|larger|greater) [in size|in volume]": ("volume", True),
    "(smaller) [in size|in volume]": ("volume", False),
    "(wider|broader)": ("width", True),
    "(narrower|thinner|slimmer)": ("width", False),
    "(longer)": ("length", True),
    "(deeper)": ("depth", True),
    "(shallower)": ("depth", False),
}
#: Adjectives that pick the extreme one where several are there.
_PLAIN_SIZES: dict[str, tuple[str, bool]] = {
    "(big|large|huge)": ("volume", True),
    "(small|little|tiny)": ("volume", False),
    "(tall|high)": ("height", True),
    "(short|low)": ("height", False),
    "(wide|broad)": ("width", True),
    "(narrow|thin|slim)": ("width", False),
    "(long)": ("length", True),
    "(far|distant|remote)": ("distance", True),
    "(near|close)": ("distance", False),
}


def _ranking(name: str, pattern: str, quantity: str, descending: bool, cost: float = 0.0) -> None:
    @rule(name, pattern, cost=cost)
    def made() -> Ranking:
        return Ranking(quantity, descending, comparative=name == "comparative")


for _pattern, (_quantity, _descending) in _SUPERLATIVES.items():
    _ranking("superlative", _pattern, _quantity, _descending)
for _pattern, (_quantity, _descending) in _COMPARATIVES.items():
    _ranking("comparative", _pattern, _quantity, _descending)
for _pattern, (_quantity, _descending) in _PLAIN_SIZES.items():
    _ranking("plain_size", _pattern, _quantity, _descending, 0.8)


@rule("superlative", "most {ranking:plain_size}")
def _most_tall(ranking: Ranking) -> Ranking:
    return ranking


@rule("superlative", "least {ranking:plain_size}")
def _least_tall(ranking: Ranking) -> Ranking:
    return replace(ranking, descending=not ranking.descending)


@rule("comparative", "(bigger|greater|larger|higher|longer) in {quantity:size_noun}")
def _greater_in(quantity: str) -> Ranking | None:
    return None if quantity == "size" else Ranking(quantity, True, comparative=True)


@rule("comparative", "(smaller|less|lower|shorter) in {quantity:size_noun}")
def _less_in(quantity: str) -> Ranking | None:
    return None if quantity == "size" else Ranking(quantity, comparative=True)


@rule("comparative", "more {ranking:plain_size} [AWAY]")
def _more_tall(ranking: Ranking) -> Ranking:
    return replace(ranking, comparative=True)


@rule("comparative", "less {ranking:plain_size} [AWAY]")
def _less_tall(ranking: Ranking) -> Ranking:
    return replace(ranking, descending=not ranking.descending, comparative=True)


@rule("superlative", "{place:ordinal} {superlative}")
def _nth(place: int, superlative: Ranking) -> Ranking | None:
    return replace(superlative, skip=place - 1) if superlative.skip == 0 else None


@rule("superlative", "{cardinal} {superlative}", "{superlative} {cardinal}")
def _k_most(cardinal: int, superlative: Ranking) -> Ranking | None:
    if superlative.count != 1 or superlative.skip or cardinal < 1:
        return None
    return replace(superlative, count=cardinal)


@rule("superlative", "(first|earliest) seen", "(oldest)", "seen (first|earliest)")
def _first_seen() -> Ranking:
    return Ranking("order_seen")


@rule("superlative", "(last|latest|newest|most recently) (seen|discovered|found|mapped)")
def _latest_seen() -> Ranking:
    return Ranking("order_seen", descending=True)
