# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When things were seen, and in which order."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_asked import told_in
from spatialgeo_ros.query.english_phrases import Phrase
from spatialgeo_ros.query.english_rankings import Ranking
from spatialgeo_ros.query.program import (
    Arithmetic,
    Comparator,
    Compare,
    Program,
    Quantity,
    TellObjects,
    TellWhether,
    Things,
    Union,
    Unit,
)

rule = grammar.rule

_SEE = "(see|seen|notice|noticed|find|found|discover|discovered|spot|spotted|map|mapped|saw|sight)"
_APPEAR = "(appear|appeared|show up|shown up|come into view|turn up|become visible)"
_WHEN = (
    "(when|[at] (what|which) (time|second|moment|point in time)|how (many {unit}|long) (into it|in)"
    "|([after] how many {unit}|how long) [(after|from|since) [the] (start|beginning)])"
)
_DID = "(did|do|have|has|was|were|had) [you|we|i]"


@rule(
    "core",
    f"{_WHEN} {_DID} first {_SEE} {{thing}}",
    f"{_WHEN} {_DID} [first] {_SEE} {{thing}} (first|for the first time)",
    f"{_WHEN} {_DID} {{thing}} [first] [been] ({_SEE}|{_APPEAR}) [first|for the first time]",
    f"{_WHEN} {_DID} [first] {_SEE} {{thing}}",
    "[what BE] [the] (first [seen] time|time of first appearance|first appearance [time]) of"
    " {thing}",
    f"when was the first time [that] (you|we|i) {_SEE} {{thing}}",
    "since when (do|have) (you|we|i) (know|known|seen) [of|about] {thing}",
    "{thing} [,] first seen (when|at what time)",
    "{thing} [,] when first seen",
    f"how long did it take [you|until you] [to] [until] {_SEE} {{thing}}",
    cost=0.1,
)
def _first_seen_at(thing: Things, unit: Unit = "") -> Program | None:
    return told_in(Quantity("first_seen", (thing,)), unit, "time")


@rule(
    "core",
    f"how (long|many {{unit}}) ago {_DID} [first] {_SEE} {{thing}} (first|for the first time)",
    f"how (long|many {{unit}}) ago {_DID} {{thing}} first ({_SEE}|{_APPEAR})",
    f"how (long|many {{unit}}) ago {_DID} first {_SEE} {{thing}}",
    "[for] how (long|many {unit}) have you known [of|about] {thing}",
    cost=-0.1,
)
def _first_seen_ago(thing: Things, unit: Unit = "") -> Program | None:
    """Ask for now less when it was first seen; now is when it was last seen and how long since."""
    now = Arithmetic("sum", (Quantity("last_seen", (thing,)), Quantity("unseen_for", (thing,))))
    first = Quantity("first_seen", (thing,))
    return told_in(Arithmetic("difference", (now, first)), unit, "time")


_LAST = "(last|most recently|for the last time|the last time)"
_AGO = "(how (long|much time|many {unit}) ago)"


@rule(
    "core",
    f"{_AGO} {_DID} [{_LAST}] {_SEE} {{thing}} [{_LAST}] [in view]",
    f"{_AGO} {_DID} {{thing}} [{_LAST}] [been] (seen|in view|visible|noticed|there) [{_LAST}]",
    f"when {_DID} last {_SEE} {{thing}} [, {_AGO} [was that]]",
    f"when {_DID} {_SEE} {{thing}} {_LAST} [, {_AGO} [was that]]",
    f"when {_DID} {{thing}} last [seen|in view] [, {_AGO} [was that]]",
    f"when {_DID} {{thing}} seen {_LAST} [, {_AGO} [was that]]",
    f"[for] how (long|many {{unit}}) {_DID} not seen {{thing}}",
    "how long (BE|has) {thing} [been] (out of view|out of sight|unseen|hidden|gone|not visible)",
    "how (long|much time|many {unit}) (BE it|has it been|has passed|passed|went by) since"
    " (you|we|i) [last] saw {thing} [last]",
    "[what BE] [the] time since {thing} was last seen",
    "[what BE] [the] time since (you|we|i) last saw {thing}",
    "when was the last time [that] (you|we|i) saw {thing}",
    "how old BE [the|your] (last|latest) (sighting|view) of {thing}",
    "how (long|many {unit}) [BE it|has it been] since {thing} was [last] seen [last]",
    "how (long|many {unit}) since (you|we|i) [last] saw {thing} [last]",
    "{thing} [,] last seen (when|how long ago)",
)
def _last_seen_ago(thing: Things, unit: Unit = "") -> Program | None:
    return told_in(Quantity("unseen_for", (thing,)), unit, "time")


# Before and after -------------------------------------------------------------------------------


@rule("earlier", "(before|earlier than|sooner than)")
def _before() -> Comparator:
    return "<"


@rule("earlier", "(after|later than)")
def _after() -> Comparator:
    return ">"


@rule(
    "core",
    f"(did|do|have|had) I [already] {_SEE} {{a:thing}} {{earlier}} [I [first] {_SEE}] {{b:thing}}",
    f"{{a:thing}} [was|were|had|has|did] [first] ({_APPEAR}|{_SEE}|came|come) [up] {{earlier}}"
    " {b:thing} [did|was|came]",
    f"(did|do|has|have|was|were|BE) {{a:thing}} ({_APPEAR}|{_SEE}|there|come [up]) {{earlier}}"
    " {b:thing} [did|was|came]",
)
def _seen_before(a: Things, b: Things, earlier: Comparator) -> Program:
    mine, theirs = Quantity("first_seen", (a,)), Quantity("first_seen", (b,))
    return TellWhether(Compare(mine, earlier, theirs))


@rule(
    "core",
    f"(had|did|have) I (already|first) {_SEE} {{a:thing}} (when|before|by the time) I [first]"
    f" {_SEE} {{b:thing}} [for the first time]",
    f"(was|were) {{a:thing}} already (there|known|seen|mapped|found) (when|before) I [first] {_SEE}"
    " {b:thing}",
    f"(was|were) {{a:thing}} already (there|known|seen|mapped|found) when {{b:thing}} [first]"
    f" [was] ({_APPEAR}|{_SEE})",
)
def _already_seen(a: Things, b: Things) -> Program:
    return _seen_before(a, b, "<")


# Order of appearance ----------------------------------------------------------------------------

_IN_ORDER = "([in] (what|which) order|what BE the order in which)"
_ORDER_OF = (
    "[the|what BE the] [first [time]] [order of] (appearance|first appearance|first sight|first"
    " sighting"
    "|first time appearance) [order]"
)
_ITEMS = "[the] [following] [items|objects|things|categories] [in the video|IN_ROOM]"


@rule(
    "core",
    f"{_IN_ORDER} (did|do|have|were|was|BE) [you|i|we] [first] [see|seen|find|notice|map]"
    f" {{items:ordered}} [first] [{_APPEAR}|seen|come up|come] [first|for the first time] [in]",
    f"{_IN_ORDER} {{items:ordered}} [first] ({_APPEAR}|came|were seen)",
    f"{_ORDER_OF} of {_ITEMS} [,|of|in] {{items:ordered}}",
    f"{_ORDER_OF} [,] {{items:ordered}}",
    f"(what|which) (BE|was|will be|would be) {_ORDER_OF} of {_ITEMS} [,|of|in] {{items:ordered}}",
    "(put|sort|order|rank|arrange|list|give) {items:ordered} in the order (in which)"
    " (you|i|we|they) [first] (saw|seen|appeared) [them]",
    "(put|sort|order|rank|arrange|list|give) {items:ordered} in [the] order of [first] appearance",
    "(put|sort|order|rank|arrange|list|give) {items:ordered} in the order (you|i|we|they) [first]"
    " (saw|appeared) [them]",
    "order in which (you|i|we) [first] saw {items:ordered}",
    "(what|which) (came|appeared|comes) first second and third {items:ordered}",
)
def _appearance(items: Things) -> Program:
    return TellObjects(Ranking("order_seen", count=None).of(items))


@rule("ordered", "{items:list}")
def _ordered_list(items: tuple[Things, ...]) -> Things:
    return Union(items)


@rule("ordered", "{phrase}")
def _ordered_kind(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.plural else None
