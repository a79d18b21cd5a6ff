# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The words that noun phrases are made of: nouns, colours, materials, numbers and units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from spatialgeo_ros.query.colours import COLOUR_OF
from spatialgeo_ros.query.english import Context, grammar
from spatialgeo_ros.query.materials import MATERIAL_OF
from spatialgeo_ros.query.nouns import canonical, kinds, names, plural, singular
from spatialgeo_ros.query.program import Constant, Named, Unit
from spatialgeo_ros.query.program_edit import nodes
from spatialgeo_ros.query.rule_engine import Found, State
from spatialgeo_ros.query.tokens import COMMA, STOP
from spatialgeo_ros.query.units import unit_of

#: Canonical material by word: more than labels of detectors are read for.
MATERIALS: dict[str, str] = {
    **MATERIAL_OF,
    **dict.fromkeys(("timber",), "wood"),
    **dict.fromkeys(("plastics",), "plastic"),
    **dict.fromkeys(("glassy",), "glass"),
    **dict.fromkeys(("china",), "ceramic"),
    **dict.fromkeys(("concrete",), "stone"),
    **{word: word for word in ("paper", "cardboard", "rubber")},
}
#: Colours that are kept apart from those of :mod:`.colours` when something is called so.
_MORE_COLOURS = {
    **dict.fromkeys(("silver", "silvery"), "silver"),
    **dict.fromkeys(("gray", "grayish", "greyish"), "grey"),
    "beige": "beige",
    "golden": "golden",
    "turquoise": "turquoise",
    "cyan": "cyan",
}
CARDINALS = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()
    )
} | {"thirteen": 13, "fourteen": 14, "fifteen": 15, "twenty": 20, "thirty": 30, "forty": 40,
     "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
     "hundred": 100}  # fmt: skip
ORDINALS = {
    word: number
    for number, words in enumerate(
        (
            "first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth 6th",
            "seventh 7th", "eighth 8th", "ninth 9th", "tenth 10th",
        ),
        1,
    )
    for word in words.split()
}  # fmt: skip

_GENERIC = {
    "thing": False, "things": True, "object": False, "objects": True, "item": False,
    "items": True, "something": False, "anything": False, "everything": True, "stuff": True,
}  # fmt: skip
_ONE = {"one": False, "ones": True}
#: Words that are never part of a name that the table does not have.
_NEVER = frozenset(
    """is are was were am be been being does do did can could would will shall should must may
    might the a an this that these those my your our his her its their any some all both each
    every no not and or but than then of from to in on at by with without for into onto through
    along across off between behind before after above below under over near next beside besides
    around about within what which who whose whom where when why how i you we me us it they them
    he she there here if as far near close closer closest nearest farthest furthest much many
    more most less least left right front back top bottom side oclock clock degrees degree angle
    direction bearing turn many times tall taller tallest high higher highest wide wider widest
    deep deeper deepest long longer longest big bigger biggest large larger largest small
    smaller smallest short shorter shortest low lower height width depth length size distance
    gap space room volume area far away apart please tell first second third last see seen saw
    visible view now right only just again robot camera sort list count ratio sum average total
    difference seconds second minutes minute metres meters yesterday tomorrow today meaning life
    whether too itself
    joke silence square root weather game music heavy yes ok okay hello hi hey thanks
    thank""".split()
)
#: Parts of the room and the robot itself, which are places and no things of the map.
_PLACES = frozenset("wall floor ceiling room robot camera ground".split())
_PLURAL_ENDINGS = ("ss", "us", "is")


@dataclass(frozen=True)
class Noun:
    """A noun as said.

    Attributes:
        kind: singular; "" for "thing".
        plural: whether the plural was said.
        one: whether it is "one", which stands for the kind of the question before.
        every: whether it is "everything".
        among: ids of the objects that "one" is one of, "" where it stands for a kind.
        known: whether the table or the map has it.
    """

    kind: str
    plural: bool = False
    one: bool = False
    known: bool = True
    every: bool = False
    among: tuple[str, ...] = ()


def _number_of(words: list[str], context: Context) -> Noun | None:
    """Return the noun that words name, if the table or the map knows it."""
    text = " ".join(words)
    one = " ".join((*words[:-1], singular(words[-1])))
    if one in _PLACES:
        return None
    if text in context.nouns or one in context.nouns:
        plural = text not in context.nouns
        return Noun(one if plural else text, plural)
    if not canonical(text):
        return None
    plural = one != text and canonical(one) == canonical(text)
    # "people", "luggage": many or one, as the rest says
    return Noun(one if plural else text, plural)


@grammar.terminal("noun")
def _noun(state: State, at: int) -> list[Found]:
    tokens, context = state.tokens, state.context
    if at >= len(tokens):
        return []
    found: list[Found] = []
    word = tokens[at]
    if word == "can" and tuple(tokens[at + 1 : at + 2]) in _SUBJECTS:
        return []  # "can you see"
    if word in _GENERIC:
        found.append((at + 1, Noun("", _GENERIC[word], every=word == "everything"), 0.0))
    if word in _ONE:
        found.append((at + 1, _one_here(tokens, at, context, _ONE[word]), 0.5))
    elif tuple(tokens[at : at + 2]) in _OF_THEM and context.dialogue.objects:
        found.append((at + 2, _one(context, True), 0.5))
    for count in range(min(4, len(tokens) - at), 0, -1):
        words = list(tokens[at : at + count])
        if COMMA in words or STOP in words:
            continue
        noun = _number_of(words, context)
        if noun is not None:
            known = any(reading[1].known and reading[1].kind for reading in found)
            made_of = count > 1 and words[0] in MATERIALS and noun.kind not in context.nouns
            found.append((at + count, noun, 0.3 if known else 0.2 if made_of else 0.0))
    if not any(reading[1].kind for reading in found):
        found.extend(_unknown(tokens, at, context))
    return found


_SUBJECTS = {(word,) for word in "you i we be not the a an it he she they one".split()}
_OF_THEM = {("of", "them"), ("of", "these"), ("of", "those")}


def _one_here(tokens: Sequence[str], at: int, context: Context, plural: bool) -> Noun:
    """Return what "one" stands for: what the question named before it, or the one before did."""
    for start in range(at - 1, -1, -1):
        if start == at - 1 and tokens[start] in COLOUR_OF:
            continue  # "the orange one"
        for end in range(start + 1, at + 1):
            noun = _number_of(list(tokens[start:end]), context)
            if noun is not None:
                longer = _number_of(list(tokens[max(0, start - 1) : end]), context)
                return Noun((longer or noun).kind, plural, one=True)
    return _one(context, plural)


def _one(context: Context, plural: bool) -> Noun:
    """Return what "one" stands for: an object of the answer before, or one of that kind."""
    if context.story:
        return _one_here(context.story, len(context.story), replace(context, story=()), plural)
    objects = context.dialogue.objects
    if len(objects) > 1:
        return Noun("", plural, one=True, among=objects)
    for node in nodes(context.dialogue.program):
        if isinstance(node, Named) and node.kind:
            return Noun(node.kind, plural, one=True)
    return Noun("", plural, one=True)


def _unknown(tokens: object, at: int, context: Context) -> list[Found]:
    """Return names that nobody knows: one to three words that mean nothing else."""
    words: list[str] = []
    readings: list[Found] = []
    for word in tokens[at : at + 3]:  # type: ignore[index]
        if not re.fullmatch(r"[a-z][a-z']+", word) or word in _NEVER or word in COLOUR_OF:
            break
        if word in _GENERIC or word in _ONE or word in grammar_only():
            break
        if singular(word) in _PLACES or unit_of(word) is not None:
            break
        words.append(word)
        last = singular(word)
        plural = last != word and not word.endswith(_PLURAL_ENDINGS)
        kind = " ".join((*words[:-1], last if plural else word))
        known_word = bool(canonical(word)) or word in context.nouns
        cost = 4.0 + 0.5 * len(words) + (3.0 if known_word and len(words) == 1 else 0.0)
        readings.append((at + len(words), Noun(kind, plural, known=False), cost))
    return readings


def grammar_only() -> frozenset[str]:
    """Return the words of the grammar that are no nouns, colours or materials."""
    if not _GRAMMAR_ONLY:
        words = {w for w in grammar.words if not canonical(w) and w not in MATERIALS}
        _GRAMMAR_ONLY.append(frozenset(words))
    return _GRAMMAR_ONLY[0]


_GRAMMAR_ONLY: list[frozenset[str]] = []


@grammar.terminal("colour")
def _colour(state: State, at: int) -> list[Found]:
    word = state.tokens[at] if at < len(state.tokens) else ""
    colour = _MORE_COLOURS.get(word) or COLOUR_OF.get(word)
    return [(at + 1, colour, 0.0)] if colour else []


@grammar.terminal("material")
def _material(state: State, at: int) -> list[Found]:
    word = state.tokens[at] if at < len(state.tokens) else ""
    return [(at + 1, MATERIALS[word], 0.05)] if word in MATERIALS else []


@grammar.terminal("unknown_adjective")
def _unknown_adjective(state: State, at: int) -> list[Found]:
    """Read a word before a known noun that says what nothing here can check ("wobbly")."""
    tokens = state.tokens
    if at + 1 >= len(tokens):
        return []
    word = tokens[at]
    plain = re.fullmatch(r"[a-z][a-z']+", word)
    if not plain or word in _NEVER or word in grammar_only() or word in COLOUR_OF:
        return []
    if word in MATERIALS or word in ORDINALS or word in CARDINALS or word in _MORE_COLOURS:
        return []
    return [(at + 1, word, 5.0 if canonical(word) else 3.0)]


@grammar.terminal("cardinal")
def _cardinal(state: State, at: int) -> list[Found]:
    word = state.tokens[at] if at < len(state.tokens) else ""
    if word in CARDINALS:
        return [(at + 1, CARDINALS[word], 0.0)]
    return [(at + 1, int(word), 0.0)] if re.fullmatch(r"\d{1,4}", word) else []


@grammar.terminal("ordinal")
def _ordinal(state: State, at: int) -> list[Found]:
    word = state.tokens[at] if at < len(state.tokens) else ""
    return [(at + 1, ORDINALS[word], 0.0)] if word in ORDINALS else []


@grammar.terminal("decimal")
def _decimal(state: State, at: int) -> list[Found]:
    word = state.tokens[at] if at < len(state.tokens) else ""
    if re.fullmatch(r"-?\d+(?:\.\d+)?", word):
        return [(at + 1, float(word), 0.0)]
    return [(at + 1, float(CARDINALS[word]), 0.0)] if word in CARDINALS else []


@grammar.terminal("unit")
def _unit(state: State, at: int) -> list[Found]:
    found: list[Found] = []
    for count in (3, 2, 1):
        words = state.tokens[at : at + count]
        if len(words) == count and COMMA not in words and STOP not in words:
            unit = unit_of(" ".join(words))
            if unit is not None:
                found.append((at + count, unit, 0.0))
    return found


@grammar.rule("amount", "{value:decimal} {unit}")
def _amount(value: float, unit: Unit) -> Constant:
    return Constant(value, unit)


@grammar.rule("amount", "{value:decimal} and a half {unit}", "{value:decimal} {unit} and a half")
def _and_a_half(value: float, unit: Unit) -> Constant:
    return Constant(value + 0.5, unit)


@grammar.rule("amount", "(a|an|one) {unit}", "[one|a] single {unit}")
def _one_unit(unit: Unit) -> Constant:
    return Constant(1.0, unit)


@grammar.rule("amount", "(a|one) {unit} and a half")
def _one_and_a_half(unit: Unit) -> Constant:
    return Constant(1.5, unit)


@grammar.rule("amount", "(half a|half an|a half|half|half of a) {unit}")
def _half_unit(unit: Unit) -> Constant:
    return Constant(0.5, unit)


@grammar.rule("amount", "(a|one) quarter [of] [a|an] {unit}")
def _quarter(unit: Unit) -> Constant:
    return Constant(0.25, unit)


@grammar.rule("amount", "three quarters of (a|an|one) {unit}", "three quarter {unit}")
def _three_quarters(unit: Unit) -> Constant:
    return Constant(0.75, unit)


@grammar.rule("amount", "[a|one] couple of {unit}")
def _couple(unit: Unit) -> Constant:
    return Constant(2.0, unit)


@grammar.rule("amount", "{feet:decimal} {unit} [and] {inches:decimal} {more:unit}")
def _feet_inches(feet: float, unit: Unit, inches: float, more: Unit) -> Constant | None:
    if unit == "ft" and more == "in":
        return Constant(feet + inches / 12, "ft")
    if unit == "m" and more == "cm":
        return Constant(feet + inches / 100, "m")
    return None


def vocabulary() -> frozenset[str]:
    """Return every word that a question may hold and that typing errors are mended towards."""
    words = set(grammar.words) | set(MATERIALS) | set(CARDINALS) | set(ORDINALS)
    words |= set(COLOUR_OF) | set(_MORE_COLOURS) | set(_GENERIC)
    words |= set(
        "metre metres meter meters centimetre centimetres centimeter centimeters millimetres"
        " millimeters foot feet inch inches yard yards seconds minutes degrees square cubic".split()
    )
    for noun in _nouns():
        words.update(noun.split())
    return frozenset(words)


def _nouns() -> set[str]:
    known = {*names(), *kinds()}
    return known | {plural(noun) for noun in known}
