# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Noun phrases: the one place that reads them, as sets of objects or single objects.

A phrase has words before its noun (which one, how many, colour, material), the noun, and words
after it (relations, limits, "closest to the door", "second from the left"). Conditions hold first,
then the ranking picks: "the nearest chair next to the table" is the nearest of those beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from spatialgeo_ros.query.english import Dialogue, grammar
from spatialgeo_ros.query.english_modifiers import After, Before
from spatialgeo_ros.query.english_rankings import Ranking
from spatialgeo_ros.query.english_words import Noun
from spatialgeo_ros.query.program import (
    All,
    Compare,
    Everything,
    Except,
    Filter,
    Has,
    It,
    Named,
    Rank,
    Related,
    RequestRegion,
    The,
    Things,
    Those,
    Union,
)
from spatialgeo_ros.query.program_edit import nodes
from spatialgeo_ros.query.program_words import things_in_words
from spatialgeo_ros.query.rule_engine import Found, State

rule = grammar.rule


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

    @property
    def counted(self) -> Things:
        """The set; of "the seven chairs" it must hold so many."""
        whole = self.count < 2 or self.ranked
        return self.things if whole else The(self.things, self.count)


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
    after: list[After],
    before: list[Before] | None = None,
    article: str = "",
    cardinal: int = 0,
) -> Phrase | None:
    """Build the set of a noun phrase; None where the words do not go together."""
    before = before or []
    if cardinal > 1 and not noun.plural and not _mass(noun):
        return None
    around: list[Before | After] = [*before, *after]
    colours = [x.colour for x in around if x.colour]
    materials = [x.material for x in around if x.material]
    rankings = [x.ranking for x in around if x.ranking]
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
        things = Named(kind, "".join(colours), "".join(materials), unknown)
    else:
        things = Everything()
    conditions = tuple(x.where for x in around if x.where is not None)
    if conditions:
        things = Filter(things, conditions[0] if len(conditions) == 1 else All(conditions))
    for ranking in reversed(rankings):
        count = cardinal if cardinal > 1 and ranking.count == 1 else ranking.count
        things = replace(ranking, count=count).of(things)
    if noun.among and rankings and rankings[0].count == 1 and cardinal < 2:
        noun = replace(noun, plural=False)  # "the nearest of them"
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


@rule("phrase", "[the] {ranking:superlative} [of] [all] [the|these|those] {noun} {after}*")
def _nearest_of(ranking: Ranking, noun: Noun, after: list[After]) -> Phrase | None:
    plain = phrase(noun, after)
    if plain is None or not noun.plural:
        return None
    head = replace(noun, plural=ranking.count != 1)
    return replace(plain, things=ranking.of(plain.things), noun=head, bare=False, ranked=True)


@rule("things", "{phrase}")
def _things(phrase: Phrase) -> Things:
    return phrase.counted


@rule("plural", "{phrase}")
def _plural(phrase: Phrase) -> Things | None:
    """A set that is asked about as a set."""
    return phrase.counted if phrase.plural or _mass(phrase.noun) else None


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
    objects, mentioned = state.context.dialogue.objects, state.context.dialogue.mentioned
    word = state.tokens[at] if at < len(state.tokens) else ""
    if len(mentioned) == 1 and not objects and word in ("it", "that", "this"):
        return [(at + 1, mentioned[0], 0.5)]
    if not objects and state.context.regions and word in ("it", "this", "that"):
        return [(at + 1, RequestRegion(0), 1.0)]
    if not objects:
        return []
    if word in ("it", "that", "this", "he", "she", "him", "her"):
        return [(at + 1, Those(objects, word), 0.5)]
    return []


@rule("thing", "{pronoun}")
def _it(pronoun: Things) -> Things:
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


@rule("things", "{a:phrase} [,] (and|or|nor) [the] {b:phrase}", cost=0.1)
@rule("things", "{a:phrase} , {b:phrase} [,] (and|or|nor) [the] {c:phrase}", cost=0.1)
def _sets(a: Phrase, b: Phrase, c: Phrase | None = None) -> Things | None:
    """Take several sets together: "the chairs and the door"."""
    parts = (a, b) if c is None else (a, b, c)
    if not any(part.plural for part in parts) or any(part.bare for part in parts):
        return None
    return Union(tuple(part.things if part.plural else The(part.things) for part in parts))


@rule("things", "{items:list}")
def _listed(items: tuple[Things, ...]) -> Things:
    return Union(items)


def several_before(dialogue: Dialogue) -> Things | None:
    """Return the objects of the previous answer, or those that it was chosen from."""
    if len(dialogue.objects) > 1:
        return Those(dialogue.objects, "they")
    if len(dialogue.mentioned) > 1:
        return Union(dialogue.mentioned)
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
