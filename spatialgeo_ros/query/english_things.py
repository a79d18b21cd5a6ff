# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Noun phrases: the one place that reads them. Sets of objects, single objects, and places.

A phrase has words before its noun (which one, how many, colour, material), the noun, and words
after it (relations, limits, "closest to the door", "second from the left"). Conditions hold first,
then the ranking picks: "the nearest chair next to the table" is the nearest of those beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from spatialgeo_ros.query.english import Dialogue, grammar
from spatialgeo_ros.query.english_words import Noun
from spatialgeo_ros.query.program import (
    All,
    Ceiling,
    Compare,
    Condition,
    Everything,
    Except,
    Filter,
    Floor,
    Has,
    It,
    Named,
    Not,
    Number,
    Place,
    Quantity,
    Rank,
    Related,
    RequestRegion,
    Room,
    The,
    Things,
    Those,
    Union,
    Viewer,
    Wall,
)
from spatialgeo_ros.query.program_edit import nodes
from spatialgeo_ros.query.program_words import things_in_words
from spatialgeo_ros.query.rule_engine import Found, State

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


@dataclass(frozen=True)
class Phrase:
    """A noun phrase as a set, with what its words say about number.

    Attributes:
        things: the set.
        noun: its head.
        count: the number said ("the two lamps"), 0 for none.
        article: "the", "a", "any", "all", "both", "" ...
        bare: whether nothing but articles and a generic noun stand there ("objects").
    """

    things: Things
    noun: Noun
    count: int = 0
    article: str = ""
    bare: bool = False
    ranked: bool = False
    comparative: bool = False

    @property
    def plural(self) -> bool:
        """Whether several are meant."""
        return self.noun.plural or self.count > 1 or self.article in ("both", "all")


# Which one --------------------------------------------------------------------------------------

_SUPERLATIVES: dict[str, tuple[str, bool]] = {
    "(nearest|closest|nearest by|nearest located|closest located)": (
        "distance",
        False,
    ),
    "(farthest|furthest|remotest|outermost|farthest away|furthest away)": ("distance", True),
    "(leftmost|left most|far left|most left|furthest left|farthest left|outermost left"
    "|outer left|very left|furthest to the left|farthest to the left|most to the left"
    "|more to the left|further left|further to the left|more left|further on the left|more on the left)": (
        "bearing",
        True,
    ),
    "(rightmost|right most|far right|most right|furthest right|farthest right|outermost right"
    "|outer right|very right|furthest to the right|farthest to the right|most to the right"
    "|more to the right|further right|further to the right|more right|further on the right|more on the right)": (
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


# What stands before the noun ---------------------------------------------------------------------


@dataclass(frozen=True)
class _Before:
    colour: str = ""
    material: str = ""
    unknown: str = ""
    ranking: Ranking | None = None
    ordinal: int = 0
    where: Condition | None = None


@rule("before", "(visible)")
def _before_visible() -> _Before:
    return _Before(where=Related("in_view", It()))


@rule("before", "(hidden|invisible|unseen)")
def _before_hidden() -> _Before:
    return _Before(where=Not(Related("in_view", It())))


@rule("before", "{colour} [coloured|colored]")
def _before_colour(colour: str) -> _Before:
    return _Before(colour=colour)


@rule("before", "{material}")
def _before_material(material: str) -> _Before:
    return _Before(material=material)


@rule("before", "{unknown_adjective}")
def _before_unknown(unknown_adjective: str) -> _Before:
    return _Before(unknown=unknown_adjective)


@rule("before", "{superlative}", "{superlative:comparative}", "{superlative:plain_size}")
def _before_ranking(superlative: Ranking) -> _Before:
    return _Before(ranking=superlative)


@rule("before", "{ordinal}", cost=0.3)
def _before_ordinal(ordinal: int) -> _Before:
    return _Before(ordinal=ordinal)


# What stands after it ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _After:
    where: Condition | None = None
    ranking: Ranking | None = None
    anchor: Place | None = None
    colour: str = ""
    material: str = ""
    from_side: str = ""


@rule("after", "{predicate:relation}", cost=0.1)
@rule(
    "after",
    "(that|which|who) (BE|STAND|appears|looks) [currently|EXACTLY] {predicate}",
    "(that|which|who) {predicate:verb_predicate}",
)
def _after_where(predicate: Condition) -> _After:
    return _After(where=predicate)


@rule(
    "after",
    "[that|which|who] [BE|STAND] [the] {ranking:superlative} [OBJ] [(to|from|of) {anchor:place}]",
    "[that|which|who] [BE|STAND] [the] {ranking:comparative} [OBJ] [(to|from) {anchor:place}]",
)
def _after_ranking(ranking: Ranking, anchor: Place | None = None) -> _After | None:
    if anchor is not None and ranking.quantity != "distance":
        return None
    return _After(ranking=replace(ranking, anchor=anchor))


@rule("after", "(to|from) {anchor:place}", cost=0.6)
def _after_anchor(anchor: Place) -> _After:
    return _After(anchor=anchor)


@rule("after", "[that|which] {carried:thing} (BE|STAND) [STAND|placed] (on|on top of)")
def _after_carrier(carried: Things) -> _After:
    return _After(where=Related("supports", It(), (carried,)))


@rule(
    "after",
    "[that|which|who] [BE|STAND] (on|at|to) [the|your|my] {ranking:superlative} [side|end]",
)
def _after_far_side(ranking: Ranking) -> _After | None:
    return _After(ranking=ranking) if ranking.quantity == "bearing" else None


@rule(
    "after",
    "[that|which|who] [BE|STAND] [the] {ordinal} [one] [counted|counting] from [the|my|your]"
    " {side:side_word}",
    "[that|which|who] [BE|STAND] [the] {ordinal} [one] on [the|my|your] {side:side_word}",
)
def _after_nth(ordinal: int, side: str) -> _After:
    return _After(ranking=Ranking("bearing", side == "left", ordinal - 1))


@rule("after", "[counted|counting] from [the|my|your] {side:side_word}")
def _after_from_side(side: str) -> _After:
    return _After(from_side=side)


@rule("side_word", "left [side|end|hand side]")
def _left() -> str:
    return "left"


@rule("side_word", "right [side|end|hand side]")
def _right() -> str:
    return "right"


@rule(
    "after",
    "(in|of) (colour|color) {colour}",
    "in {colour}",
    "of {colour} (colour|color)",
    "with [the|a] (colour|color) {colour}",
    "(coloured|colored|painted) {colour}",
)
def _after_colour(colour: str) -> _After:
    return _After(colour=colour)


@rule("after", "[that|which] [BE] (made|built) [out] (of|from) {material}", "(of|in) {material}")
def _after_material(material: str) -> _After:
    return _After(material=material)


@rule(
    "after",
    "IN_ROOM",
    "HERE",
    "[that|which] KNOWN",
    "[that|which] KNOWN IN_ROOM",
    "SO_FAR",
    "(that|which) (exist|exists|there are)",
    "(there is|there are) [IN_ROOM]",
    "of all",
)
def _after_nothing() -> _After:
    return _After()


# The phrase -------------------------------------------------------------------------------------


@rule("article", "(the|this|that|these|those|my|your|our|his|her|its)")
def _the() -> str:
    return "the"


@rule("article", "(a|an|another)")
def _a() -> str:
    return "a"


@rule("article", "(any|some|a single|at least one)")
def _any() -> str:
    return "any"


@rule(
    "article",
    "(all|every|each|each of the|all [of] the|every one of the|all [of] (these|those|my|your))",
)
def _all() -> str:
    return "all"


@rule("article", "(both [of] [the])")
def _both() -> str:
    return "both"


@rule(
    "phrase",
    "[{article}] [{cardinal}] {before}* {noun} {after}*",
    "[{article}] (single|only) {noun} {after}*",
)
def phrase(
    noun: Noun,
    after: list[_After],
    before: list[_Before] | None = None,
    article: str = "",
    cardinal: int = 0,
) -> Phrase | None:
    """Build the set of a noun phrase; None where the words do not go together."""
    before = before or []
    if cardinal > 1 and not noun.plural and not _mass(noun):
        return None
    colours = [x.colour for x in (*before, *after) if x.colour]
    materials = [x.material for x in (*before, *after) if x.material]
    rankings = [x.ranking for x in (*before, *after) if x.ranking]
    ordinals = [x.ordinal for x in before if x.ordinal]
    sides = [x.from_side for x in after if x.from_side]
    anchors = [x.anchor for x in after if x.anchor is not None]
    unknown = tuple(x.unknown for x in before if x.unknown)
    if any(len(said) > 1 for said in (colours, materials, ordinals, sides, anchors)):
        return None
    if len(rankings) > 2 or len(unknown) > 2:
        return None
    if anchors:
        if not rankings or rankings[-1].quantity != "distance" or rankings[-1].anchor:
            return None
        rankings[-1] = replace(rankings[-1], anchor=anchors[0])
    if sides and rankings:
        # "the second nearest from the left" says two things at once
        return None
    if sides:
        place = (ordinals or [1])[0]
        rankings = [Ranking("bearing", sides[0] == "left", place - 1)]
    elif ordinals:
        if len(rankings) != 1 or rankings[0].skip:
            return None
        rankings = [replace(rankings[0], skip=ordinals[0] - 1)]
    kind = noun.kind
    if noun.among and unknown:
        return None
    if noun.among:
        things: Things = _of_those(noun, colours, materials)
    elif kind or colours or materials or unknown:
        things = Named(kind, *(colours or [""]), *(materials or [""]), unknown)
    else:
        things = Everything()
    conditions = tuple(x.where for x in (*before, *after) if x.where is not None)
    if conditions:
        things = Filter(things, conditions[0] if len(conditions) == 1 else All(conditions))
    for ranking in reversed(rankings):
        count = cardinal if cardinal > 1 and ranking.count == 1 else ranking.count
        things = replace(ranking, count=count).of(things)
    bare = isinstance(things, Everything) and not cardinal
    compared = any(ranking.comparative for ranking in rankings)
    return Phrase(things, noun, cardinal, article, bare, bool(rankings), compared)


def _of_those(noun: Noun, colours: list[str], materials: list[str]) -> Things:
    """Return those of the objects of the answer before that a colour or material fits."""
    things: Things = Those(noun.among, "one")
    for colour in colours:
        things = Filter(things, Has(It(), "colour", colour))
    for material in materials:
        things = Filter(things, Has(It(), "material", material))
    return things


@rule("phrase", "{left:phrase_part} EXCEPT {right:things}")
def _except(left: Phrase, right: Things) -> Phrase | None:
    if not left.plural and not left.ranked and left.noun.kind:
        return None
    if isinstance(left.things, Rank):
        rest = replace(left.things, of=Except(left.things.of, right))
        return replace(left, things=rest, bare=False)
    return replace(left, things=Except(left.things, right), bare=False)


@rule("phrase_part", "[{article}] [{cardinal}] {before}* {noun} {after}*")
def _phrase_part(**slots: Any) -> Phrase | None:
    return phrase(**slots)


@rule("phrase", "{ranking:superlative} [of] [all] [the|these|those] {noun} {after}*")
def _nearest_of(ranking: Ranking, noun: Noun, after: list[_After]) -> Phrase | None:
    plain = phrase(noun, after)
    if plain is None or not noun.plural:
        return None
    return replace(plain, things=ranking.of(plain.things), bare=False, ranked=True)


@rule("things", "{phrase}")
def _things(phrase: Phrase) -> Things:
    return phrase.things


@rule("plural", "{phrase}")
def _plural(phrase: Phrase) -> Things | None:
    """A set that is asked about as a set."""
    return phrase.things if phrase.plural or _mass(phrase.noun) else None


def _mass(noun: Noun) -> bool:
    return noun.kind in (
        "luggage",
        "furniture",
        "people",
        "clothes",
        "scissors",
        "glasses",
        "person",
    )


@rule("thing", "{phrase}")
def _thing(phrase: Phrase) -> Things | None:
    """One object; several are AMBIGUOUS, which the answer says."""
    if phrase.bare or phrase.article in ("all", "both") or phrase.plural:
        return None
    return The(phrase.things)


@rule("thing", "{phrase}", cost=0.6)
def _things_as_one(phrase: Phrase) -> Things | None:
    """Take "the chairs" for one only where no set can stand, and let the answer say so."""
    if phrase.bare or phrase.article in ("all", "both") or not phrase.plural:
        return None
    return The(phrase.things)


@rule("thing", "[the] {ordinal} region")
def _nth_region(ordinal: int) -> Things:
    return RequestRegion(ordinal - 1)


@rule(
    "thing",
    "[the] region {cardinal}",
    "[the] (object|thing) (in|at|of|marked|marked by) [the] region {cardinal}",
)
def _region(cardinal: int) -> Things:
    return RequestRegion(cardinal)


@rule("thing", "{phrase} [in|at|of|marked|marked by] [the] region {cardinal}")
def _named_region(phrase: Phrase, cardinal: int) -> Things:
    return RequestRegion(cardinal, things_in_words(phrase.things))


@grammar.terminal("pronoun")
def _pronoun(state: State, at: int) -> list[Found]:
    """Read "it", "that", "the two": the objects of the previous answer, where there are any."""
    objects = state.context.dialogue.objects
    word = state.tokens[at] if at < len(state.tokens) else ""
    if not objects and state.context.regions and word in ("it", "this", "that"):
        return [(at + 1, RequestRegion(0), 1.0)]
    if not objects:
        return []
    if word in ("it", "that", "this", "he", "she", "him", "her"):
        return [(at + 1, Those(objects, word), 1.0)]
    return []


@rule("thing", "{pronoun}")
def _it(pronoun: Those | RequestRegion) -> Things:
    return The(pronoun) if isinstance(pronoun, Those) else pronoun


@grammar.terminal("those")
def _those(state: State, at: int) -> list[Found]:
    """Read "they", "them", "the two": several objects of the previous answer."""
    things = several_before(state.context.dialogue)
    if things is None and state.context.regions > 1:
        things = Union((RequestRegion(0), RequestRegion(1)))
    if things is None:
        return []
    tokens = list(state.tokens[at : at + 3])
    for words in (["the", "two"], ["both", "of", "them"], ["the", "two", "of"], ["they"], ["them"],
                  ["these"], ["those"], ["both"], ["these", "two"], ["those", "two"],
                  ["each", "other"], ["the", "pair"]):  # fmt: skip
        if tokens[: len(words)] == words:
            return [(at + len(words), things, 0.5)]
    return []


@rule("things", "{items:list}")
def _listed(items: tuple[Things, ...]) -> Things:
    return Union(items)


def several_before(dialogue: Dialogue) -> Things | None:
    """Return the objects of the previous answer, or those that it was chosen from."""
    if len(dialogue.objects) > 1:
        return Those(dialogue.objects, "they")
    for node in nodes(dialogue.program):
        if isinstance(node, Union) and len(node.of) > 1:
            return node
        if isinstance(node, Related) and len(node.anchors) == 1:
            sides = tuple(x for x in (node.subject, *node.anchors) if isinstance(x, The))
            return Union(sides) if len(sides) == 2 else None
        if isinstance(node, Compare):
            named = tuple(x for x in nodes(node) if isinstance(x, The))
            return Union(named) if len(named) == 2 else None
    return None


@rule("things", "{those}")
def _them(those: Things) -> Things:
    return those


# Places -----------------------------------------------------------------------------------------


@rule("me", "ME", "WHERE_I_AM")
def _me() -> Place:
    return Viewer()


@rule("place", "{me}")
def _place_me(me: Place) -> Place:
    return me


@rule("place", "{thing}", "[the] CENTER of {thing}", "{thing} _s CENTER")
def _place_thing(thing: Things) -> Place:
    return thing


@rule("place", "[the] (floor|ground)")
def _floor() -> Place:
    return Floor()


@rule("place", "[the] ceiling [of (the|this) room]")
def _ceiling() -> Place:
    return Ceiling()


@rule("room", "[the|this|that|your|our|my] [whole|entire] (room|place|space|area|hall)")
def _room() -> Place:
    return Room()


@rule("wall", "[the|a|any|some] wall", "[the] walls")
def _wall() -> Wall:
    return Wall("any")


@rule(
    "wall",
    "[the] (nearest|closest) wall",
    "[the] wall [that|which] [is] (nearest|closest) [to ME]",
    "[the] wall next to ME",
)
def _nearest_wall() -> Wall:
    return Wall("nearest")


@rule(
    "wall",
    "[the] wall [that is] (in front of|ahead of|before) ME",
    "[the] wall [straight] ahead",
    "[the] wall ME [BE] FACE",
    "[the] wall opposite [ME]",
    "[the] wall I BE FACE",
)
def _wall_ahead() -> Wall:
    return Wall("front")


@rule("wall", "[the] wall [that is] (behind|at the back of|in back of) ME", "[the] back wall")
def _wall_behind() -> Wall:
    return Wall("behind")


@rule(
    "wall",
    "[the] wall [that is] (on|to) [my|your|the] left [of ME|side|hand side]",
    "[the] left wall",
)
def _wall_left() -> Wall:
    return Wall("left")


@rule(
    "wall",
    "[the] wall [that is] (on|to) [my|your|the] right [of ME|side|hand side]",
    "[the] right wall",
)
def _wall_right() -> Wall:
    return Wall("right")


@rule("place", "{wall}")
def _place_wall(wall: Wall) -> Place:
    return wall


# Lists of single things -------------------------------------------------------------------------


@rule("list", "{a:thing} {rest:list_rest}")
def _list(a: Things, rest: tuple[Things, ...]) -> tuple[Things, ...]:
    return (a, *rest)


@rule("list_rest", "[,] (and|or|and also) {b:thing}")
def _list_end(b: Things) -> tuple[Things, ...]:
    return (b,)


@rule("list_rest", ", {b:thing} {rest:list_rest}")
def _list_more(b: Things, rest: tuple[Things, ...]) -> tuple[Things, ...]:
    return (b, *rest)


@rule("list_rest", ", {b:thing}", cost=1.0)
def _list_open_end(b: Things) -> tuple[Things, ...]:
    return (b,)


@rule("pair", "{a:thing} (and|or|to|from|,|with|-) {b:thing}", "{a:thing} (and|or) {b:thing}")
def _pair(a: Things, b: Things) -> tuple[Things, Things]:
    return (a, b)


@rule("pair", "{phrase}")
def _pair_of_kind(phrase: Phrase) -> tuple[Things, Things] | None:
    """The two of a set: "the two lamps", "both beds", "the stools"."""
    if not phrase.plural or phrase.count not in (0, 2) or phrase.bare:
        return None
    return both_of(phrase.things)


@rule("pair", "{pair:one_and_other}")
def _pair_of_others(pair: tuple[Things, Things]) -> tuple[Things, Things]:
    return pair


@rule(
    "one_and_other",
    "one [of the] {noun} (and|from|to) the (other|second) [one|{again:noun}]",
)
def _one_and_the_other(noun: Noun, again: Noun | None = None) -> tuple[Things, Things] | None:
    if again is not None and again.kind != noun.kind:
        return None
    return both_of(Named(noun.kind)) if noun.kind else None


@rule(
    "pair",
    "{phrase} (and|from|to|or) the other [one]",
    "{phrase} (and|from|to|or) the other {noun}",
)
def _pair_with_another(phrase: Phrase, noun: Noun | None = None) -> tuple[Things, Things] | None:
    """ "The chair and the other chair": the two that there are; which is which is not asked."""
    named = phrase.things.of if isinstance(phrase.things, Rank) else phrase.things
    if phrase.plural or phrase.bare or (noun is not None and noun.kind != phrase.noun.kind):
        return None
    return both_of(named)


@rule(
    "pair",
    "[the] {first:before} and [the] {second:before} {noun} {after}*",
)
def _red_and_blue(
    first: _Before, second: _Before, noun: Noun, after: list[_After]
) -> tuple[Things, Things] | None:
    """Return both of "the red and the blue chair"."""
    one, other = phrase(noun, after, [first]), phrase(noun, after, [second])
    if one is None or other is None or first.unknown or second.unknown:
        return None
    return The(one.things), The(other.things)


@rule("pair", "{those}")
def _pair_those(those: Things) -> tuple[Things, Things] | None:
    if isinstance(those, Union):
        return (those.of[0], those.of[1]) if len(those.of) == 2 else None
    if not isinstance(those, Those) or len(those.ids) != 2:
        return None
    return Those(those.ids[:1], those.words), Those(those.ids[1:], those.words)


def both_of(things: Things) -> tuple[Things, Things]:
    """Return the first and the second of a set that must hold exactly two."""
    two = The(things, 2)
    by = Quantity("order_seen", (It(),))
    return Rank(two, by, count=1), Rank(two, by, skip=1, count=1)
