# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Places that distances are measured to, and lists and pairs of things."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_modifiers import After, Before
from spatialgeo_ros.query.english_phrases import Phrase, phrase
from spatialgeo_ros.query.english_words import Noun
from spatialgeo_ros.query.program import (
    Ceiling,
    Floor,
    It,
    Named,
    Place,
    Quantity,
    Rank,
    Room,
    The,
    Things,
    Those,
    Union,
    Viewer,
    Wall,
)

rule = grammar.rule

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


@rule("wall", "[the|a|any|some] wall", "[the] walls", "(one|any) of the walls")
def _wall() -> Wall:
    return Wall("any")


@rule(
    "wall",
    "[the] (nearest|closest|next) wall",
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


@rule("pair", "{pair:set_pair}")
def _set_pair(pair: tuple[Things, Things]) -> tuple[Things, Things]:
    return pair


@rule("set_pair", "{phrase}")
def _pair_of_kind(phrase: Phrase) -> tuple[Things, Things] | None:
    """The two of a set: "the two lamps", "both beds", "the stools"."""
    if not phrase.plural or phrase.count not in (0, 2) or phrase.bare:
        return None
    return both_of(phrase.things)


@rule("set_pair", "{pair:one_and_other}")
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
    "set_pair",
    "{phrase} (and|from|to|or) the other [one]",
    "{phrase} (and|from|to|or) the other {noun}",
)
def _pair_with_another(phrase: Phrase, noun: Noun | None = None) -> tuple[Things, Things] | None:
    """Return the two of "the chair and the other chair"; which is which is not asked."""
    named = phrase.things.of if isinstance(phrase.things, Rank) else phrase.things
    if phrase.plural or phrase.bare or (noun is not None and noun.kind != phrase.noun.kind):
        return None
    return both_of(named)


@rule("two_of_kind", "[the] {first:before} (and|or) [the] {second:before} {noun} {after}*")
def _red_and_blue(
    first: Before, second: Before, noun: Noun, after: list[After]
) -> tuple[Things, Things] | None:
    """Return both of "the red and the blue chair"."""
    one, other = phrase(noun, after, [first]), phrase(noun, after, [second])
    if one is None or other is None or first.unknown or second.unknown:
        return None
    return The(one.things), The(other.things)


@rule("set_pair", "{two:two_of_kind}")
@rule("list", "{two:two_of_kind}")
def _both_of_kind(two: tuple[Things, Things]) -> tuple[Things, Things]:
    return two


@rule("set_pair", "{those}")
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
