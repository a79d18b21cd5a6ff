# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Yes or no: what is said of a thing or of two, and which of two opposites holds."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_numbers import between, size_of
from spatialgeo_ros.query.english_phrases import Phrase
from spatialgeo_ros.query.english_rankings import Ranking
from spatialgeo_ros.query.program import (
    Comparator,
    Compare,
    Condition,
    Constant,
    Count,
    Everything,
    Except,
    Exists,
    Has,
    It,
    Number,
    Place,
    Program,
    Quantity,
    QuantityName,
    Related,
    TellWhether,
    The,
    Things,
    Union,
    Viewer,
)
from spatialgeo_ros.query.program_edit import about
from spatialgeo_ros.query.units import kind_of

rule = grammar.rule

_DOES = "(do|does|did|can|could|would|will)"
_THERE = "[currently|still|also|really|actually]"


def whether(condition: Condition | None) -> TellWhether | None:
    """Ask whether a condition holds."""
    return None if condition is None else TellWhether(condition)


# One thing --------------------------------------------------------------------------------------


@rule(
    "core",
    "BE [it true|it correct|it right] [not] [that] {subject:thing} [EXACTLY]"
    " {predicate:predicates_and}",
    "BE it (true|correct|right|the case) that {subject:thing} (BE|STAND|appears|looks)"
    " [EXACTLY] {predicate:predicates_and}",
    f"{_DOES} [you see] {{subject:thing}} (STAND|be|have|look|seem|appear|come|lie) {_THERE}"
    " [to be] {predicate:predicates_and}",
    f"{_DOES} {{subject:thing}} {{predicate:verb_predicate}}",
    "BE there {subject:the_thing} {predicate:relation}",
    "(has|have) {subject:thing} {predicate:having}",
    f"{_DOES} I {_THERE} (have|see|find|get) {{subject:one_thing}} [EXACTLY]"
    " {predicate:relation}",
    "HAVE I (got) {subject:thing} {predicate:relation}",
    "(has|have|did) (somebody|someone|anybody|anyone|they|I)"
    " [PLACE|placed|left|parked|leave|hung] {subject:thing} {predicate:relation}",
    "BE {subject:thing} {predicate:relation} or not",
    "would you (call|describe) {subject:thing} [as] {predicate:predicates_and}",
)
def _is_it(subject: Things, predicate: Condition) -> Program | None:
    return whether(about(predicate, subject))


@rule("one_thing", "{phrase}")
def _one_thing(phrase: Phrase) -> Things | None:
    return None if phrase.article in ("a", "any", "all") or phrase.plural else The(phrase.things)


@rule(
    "core",
    "{subject:thing} (BE|STAND|seems|looks) [EXACTLY] {predicate:predicates_and}",
    cost=1.0,
)
@rule("core", "{subject:thing} {predicate:verb_predicate}", cost=1.0)
@rule("core", "{subject:thing} {predicate:relation}", cost=2.0)
def _statement(subject: Things, predicate: Condition) -> Program | None:
    return whether(about(predicate, subject))


@rule("core", "{relation} [,] BE there {subject:the_thing}", "{relation} [,] BE {subject:thing}")
def _fronted(subject: Things, relation: Condition) -> Program | None:
    return whether(about(relation, subject))


@rule(
    "core",
    "BE [the] COLOUR of {subject:thing} {colour}",
    "(does|do|has|have) {subject:thing} [have] [the|a] COLOUR {colour}",
)
def _is_colour(subject: Things, colour: str) -> Program:
    return TellWhether(Has(subject, "colour", colour))


@rule(
    "core",
    "(BE|does|do) {me} [STAND] {predicate:relation}",
    "{me} (BE|STAND) {predicate:relation}",
)
def _am_i(me: Place, predicate: Condition) -> Program | None:
    """Turn "are you within 2 m of the door" into whether the door is within 2 m."""
    if isinstance(predicate, Compare):
        number = _from_viewer(predicate.left)
        if number is None:
            return None
        right = predicate.right
        if not isinstance(right, Constant):
            other = _from_viewer(right)
            if other is None:
                return None
            right = other
        return whether(Compare(number, predicate.comparator, right))
    if isinstance(predicate, Related) and len(predicate.anchors) == 1:
        if predicate.relation == "beside":
            return whether(Related("beside", predicate.anchors[0], (Viewer(),)))
    return None


def _from_viewer(number: Number) -> Number | None:
    """Return how far the place is that a gap of It was measured to."""
    if not isinstance(number, Quantity) or number.name != "gap":
        return None
    places = [one for one in number.of if not isinstance(one, It)]
    return Quantity("distance", (Viewer(), places[0])) if len(places) == 1 else None


# Two things -------------------------------------------------------------------------------------

_EACH_OTHER = "(each other|one another)"
_APART = "(apart|AWAY from each other|from each other|AWAY from one another|separated)"


@rule(
    "core",
    f"(BE|do|does) {{pair}} (touch|touching|in contact|meet) [with] [{_EACH_OTHER}]",
)
def _touch(pair: tuple[Things, Things]) -> Program:
    return TellWhether(Related("touching", pair[0], (pair[1],)))


_BY = "(next to|beside|near|close to|alongside|adjacent to|by)"


@rule(
    "core",
    f"(BE|do|does) {{pair}} [STAND] [EXACTLY] {_BY} {_EACH_OTHER}",
    "(BE|do|does) {pair} [STAND] [EXACTLY] (close [together]|side by side|adjacent|neighbours"
    "|next to)",
)
def _next_to_each_other(pair: tuple[Things, Things]) -> Program:
    return TellWhether(Related("beside", pair[0], (pair[1],)))


@rule(
    "core",
    f"(BE|do|does) {{pair}} [STAND] [EXACTLY] {{comparator:limit}} {{amount}} {_APART}",
    f"BE {{pair}} [EXACTLY] within {{amount}} [of {_EACH_OTHER}]",
    "BE [the] [PLAIN] (DISTANCE|GAP) (between|from) {pair:place_pair} [EXACTLY] {comparator:limit}"
    " {amount} [wide]",
    "BE it {comparator:limit} {amount} (from|between) {pair:place_pair}",
    "BE there [EXACTLY] {comparator:limit} {amount} [of] [GAP|distance] between {pair:place_pair}",
    "(do|does) {pair} have {comparator:limit} {amount} between them",
    f"BE {{pair}} {{comparator:nearer_than}} {{amount}} [to {_EACH_OTHER}|together|{_APART}]",
)
def _apart(
    pair: tuple[Place, Place], amount: Constant, comparator: Comparator = "<="
) -> Program | None:
    number = between(*pair, "gap")
    return None if number is None else whether(Compare(number, comparator, amount))


@rule("limit", "{more_than}", "{more_than:size_compared} than")
def _limit(more_than: Comparator) -> Comparator:
    return more_than


@rule("nearer_than", "(closer|nearer) [together] than")
def _nearer_than() -> Comparator:
    return "<"


@rule("nearer_than", "(farther|further) [apart|away] than")
def _farther_than() -> Comparator:
    return ">"


@rule(
    "core",
    "BE [the] DISTANCE (to|from ME to|between ME and) {place} [EXACTLY] {comparator:limit}"
    " {amount}",
    "BE it {comparator:limit} {amount} to {place}",
)
def _distance_limit(place: Place, comparator: Comparator, amount: Constant) -> Program | None:
    number = between(Viewer(), place)
    return None if number is None else whether(Compare(number, comparator, amount))


# Numbers ----------------------------------------------------------------------------------------


@rule(
    "core",
    "BE [the] {quantity:size_noun} of {place:sized} [EXACTLY] {comparator:limit} {amount}",
    "BE {place:room} {comparator:more_than} {amount} {quantity:extent_adjective}",
    "BE {place:room} {ranking:comparative} than {amount}",
)
def _size_limit(
    place: Place,
    amount: Constant,
    quantity: QuantityName = "size",
    comparator: Comparator = ">",
    ranking: Ranking | None = None,
) -> Program | None:
    if ranking is not None:
        quantity = "area" if ranking.quantity == "volume" else ranking.quantity  # type: ignore[assignment]
        comparator = ">" if ranking.descending else "<"
    if kind_of(amount.unit) != ("area" if quantity == "area" else "length"):
        return None
    number = size_of(quantity, place)
    return None if number is None else whether(Compare(number, comparator, amount))


@rule("size_compared", "(greater|bigger|larger|higher|longer|wider|more)")
def _greater() -> Comparator:
    return ">"


@rule("size_compared", "(smaller|less|lower|shorter|narrower|lesser)")
def _smaller() -> Comparator:
    return "<"


@rule("core", "BE {a:number} [EXACTLY] {comparator:limit} {b:cardinal}")
def _count_compared(a: Number, comparator: Comparator, b: int) -> Program | None:
    return TellWhether(Compare(a, comparator, Constant(float(b)))) if isinstance(a, Count) else None


@rule("core", "BE {a:number} [EXACTLY] {comparator:size_compared} THAN {b:number}", cost=0.5)
def _numbers_compared(a: Number, b: Number, comparator: Comparator) -> Program:
    return TellWhether(Compare(a, comparator, b))


@rule(
    "core",
    "BE [the] {quantity:size_noun} of {a:sized} {comparator:size_compared} THAN that of {b:sized}",
)
def _size_compared(
    quantity: QuantityName, a: Place, b: Place, comparator: Comparator
) -> Program | None:
    mine, theirs = size_of(quantity, a), size_of(quantity, b)
    if mine is None or theirs is None:
        return None
    return TellWhether(Compare(mine, comparator, theirs))


@rule(
    "core",
    "BE [the] [PLAIN] DISTANCE (to|from ME to) {a:place} {comparator:size_compared} THAN"
    " (to|that to) {b:place}",
    "BE [the] [PLAIN] DISTANCE (from|between) {c:place} (to|and) {a:place}"
    " {comparator:size_compared} THAN [that] [from] [{same:place}] (to|and) {b:place}",
    "BE [the] position of {a:place} {comparator:nearer} [FROM ME] THAN that of {b:place}",
    "BE it {comparator:nearer} [from {c:place}] to {a:place} than to {b:place}",
    "DO I [have to] (go|walk|drive|travel) {comparator:nearer} to {a:place} than to {b:place}",
)
def _distances_compared(
    a: Place,
    b: Place,
    comparator: Comparator,
    c: Place | None = None,
    same: Place | None = None,
) -> Program | None:
    if same not in (None, c):
        return None
    start = Viewer() if c is None else c
    one, other = between(start, a), between(start, b)
    if one is None or other is None:
        return None
    return TellWhether(Compare(one, comparator, other))


@rule("nearer", "(closer|nearer|shorter|less distant)")
def _nearer() -> Comparator:
    return "<"


@rule("nearer", "(farther|further|longer|more distant)")
def _farther() -> Comparator:
    return ">"


@rule(
    "core",
    "(in comparison (to|with)|compared (to|with)|relative to) {b:thing} [,] BE {a:thing}"
    " {than:comparative}",
    "[BE] {a:thing} [BE] the {than:comparative} [OBJ] THAN {b:thing}",
)
def _compared(a: Things, b: Things, than: Ranking) -> Program | None:
    if than.quantity == "bearing":
        return None
    number = than.number()
    return TellWhether(Compare(about(number, a), ">" if than.descending else "<", about(number, b)))


# The one of all ---------------------------------------------------------------------------------


@rule(
    "core",
    "BE {a:thing} [EXACTLY] {ranking:superlative} [OBJ|of all] [IN_ROOM]",
    "BE {a:thing} the {ranking:superlative} [OBJ] (to|from) {anchor:place}",
    "BE {a:thing} the {ranking:superlative} {of:thing_set}",
    "BE {a:thing} the ({ranking:superlative}|{ranking:comparative}) [OBJ] of {of:listed_set}",
    cost=-0.1,
)
def _is_the_most(
    a: Things, ranking: Ranking, anchor: Place | None = None, of: Things | None = None
) -> Program | None:
    """Ask whether anything ranks before it: "is the sofa the biggest object?"."""
    if ranking.count != 1 or ranking.skip:
        return None
    base: Things = Everything() if of is None else of
    if anchor is not None:
        if ranking.quantity != "distance":
            return None
        ranking = Ranking("distance", ranking.descending, anchor=anchor)
        base = Except(base, anchor)  # type: ignore[arg-type]
    first = ranking.of(base)
    return TellWhether(Exists(Except(first, Except(first, a))))


@rule("listed_set", "{items:list}")
def _listed_set(items: tuple[Things, ...]) -> Things:
    return Union(items)


@rule("thing_set", "{phrase}")
def _thing_set(phrase: Phrase) -> Things:
    return phrase.things
