# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plainer words for a question that the grammar does not know as it stands.

Each rewrite keeps the meaning: "how much metres" is "how many metres", "how far might it be" is
"how far is it". They are tried only where there is no reading of the words as they were typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from spatialgeo_ros.query.english_talk import is_talk
from spatialgeo_ros.query.tokens import COMMA, STOP
from spatialgeo_ros.query.units import kind_of, unit_of

_UNIT = (
    r"(?:(?:square |cubic )?(?:metres|meters|feet|inches|yards|centimetres|centimeters|millimetres"
    r"|millimeters|litres|liters|seconds|minutes|degrees|cm|mm|ft|m)(?: and (?:inches|in))?)"
)
_TERSE_ASKS = r"(?:how \w+$|how \w+ is it$|what colou?r$|where$|which one$)"
_NUMBER = r"(?! (?:\d|one\b|two\b|three\b|four\b|five\b|six\b))"
#: What says nothing: (pattern, replacement), each on the words with single spaces between.
_REWRITES: tuple[tuple[str, str], ...] = (
    (
        r"^(?:my|our|the|a|one of my|one of our|some) (?:(?!is\b|are\b|was\b)\w+ ){1,4}?"
        r"(?:(?:wants?|wanted|would like|needs?) to (?:know|hear|find out|learn)|asks?|asked"
        r"|claims?|claimed|says?|said|thinks?"
        r"|believes?|insists?|keeps? (?:telling|saying|asking|wondering)|tells?|told|wonders?"
        r"|is (?:asking|wondering|saying|claiming|sure))(?: me| us)?"
        r"(?: that)? (?=\w+ \w+ \w+)",
        "",
    ),
    (rf" [{COMMA}{STOP}] (?:can|could|will|would|do) you (?:help|tell|know|say|answer|check)"
     r"(?: me| us| him| her| them| it| that)*$", ""),
    (
        rf"^is it (?:far|near|close|a long way) ((?:to|from) .+?) [{COMMA}{STOP}] (?:and )?how far"
        r"(?: is it| is that| away)?(?: exactly)?$",
        r"how far is it \1",
    ),
    (
        r"^is there (?:a lot of|lots of|much|some|any|enough|a) (space|room|free space|clearance"
        r"|gap)"
        rf" between (.+?) [{COMMA}{STOP}] (?:and )?how (?:much|wide|big)(?: is it| exactly)?$",
        r"how much \1 is there between \2",
    ),
    (r"\b(how (?:much|many) [a-z ]+?) there (is|are)\b(?! [,;])", r"\1 \2 there"),
    (
        rf" [{COMMA}{STOP}] what (?:shall|should|can|do|must) i (?:tell|answer|say|reply)"
        r"(?: to)?(?: him| her| them)?$",
        "",
    ),
    (
        rf"^is (.+?) (?:far|close|near|a long way)(?: away| off)? [{COMMA}{STOP}] (?:and )?how far"
        r"(?: is it| is that| away)?(?: exactly)?$",
        r"how far is \1",
    ),
    (r"\b(i|we|you) (?:stack|pile|slide|shove) (?=the |a |an |my )", r"\1 put "),
    (r" (?:itself|themselves)(?= |$)", ""),
    (r"\b(what|which) (?:kind|type|sort) of (?=material)", r"\1 "),
    (r"^got the ", "what is the "),
    (r"\bhow much is it (?=until |till |to |from )", "how far is it "),
    (r"\b(?:the )?length of the (?:straight |direct |shortest )?(?:line|path|way|route) ",
     "the distance "),
    (rf"\bhow much (?={_UNIT} )", "how many "),
    (rf"\b(?:what|which) number of (?={_UNIT} )", "how many "),
    (rf" {COMMA}? ?(?:as the crow flies|in a straight line|straight line|in a beeline)$", ""),
    (
        r" for (?:my|our|the|this|a) (?:report|plan|plans|records|notes|file|files|protocol|boss"
        r"|customer|inventory|paperwork|drawing|sketch)$",
        "",
    ),
    (
        rf"^.* [{COMMA}{STOP}] (?:no|sorry|no sorry|i mean|i meant|or rather|no wait|wait|wait no"
        rf"|correction)(?: {COMMA})? (?=(?:how|what|which|where|who|is|are|do|does|can) )",
        "",
    ),
    (
        r"\bhow (?:long|far) (?:must|should|would|does|do|is|has|need|will) (?:a|the|my)"
        r" (?:cable|rope|wire|string|hose|line|cord|chain|measuring tape)(?: have to)?"
        r"(?: be| reach| run| go)? ((?:from|between) .+? (?:to|and) .+?)"
        r"(?: (?:have to|need to|has to|must))?(?: be)?$",
        r"how far is it \1",
    ),
    (r"\bthe (?:whole |resulting )?(?:stack|pile|tower|whole thing)\b(?! of)", "it"),
    (rf" {STOP} (?={_TERSE_ASKS})", f" {COMMA} "),
    (
        r" (?:do you think|would you say|would you guess|do you reckon|do you believe|do you guess"
        r"|in your opinion|in your view|in your estimation|if you can|if you know|if possible"
        r"|if you do not mind|if you like|as far as you (?:can tell|know)|to your knowledge"
        r"|according to (?:you|your map|the map)|by chance|by any chance|out of curiosity"
        r"|in fact|in reality|for (?:me|us|him|her|them)|i suppose|i guess|i believe|all in all"
        r"|at all|to be (?:exact|precise|honest)|more or less|or so)(?= |$)",
        "",
    ),
    (
        rf"(?:^| )(?:possibly|perhaps|maybe|please|kindly|probably|actually|really|simply|exactly"
        rf"|precisely|indeed|even|ever|rather|truly|properly|safely|easily|comfortably"
        rf"|theoretically|currently|presently|approximately|roughly){_NUMBER}(?= |$)",
        "",
    ),
    (
        r" (?:might|may|could|would|will|should|shall|must) (?:have to )?(?:be|come out as"
        r"|turn out)(?= |$)",
        " is",
    ),
    (r" (?:seems|seem|appears|appear|happens|happen|looks|look) to be(?= )", " is"),
    (r" (?:does|do|did|would|might|could|can) (.+?) (?:seem|appear|happen|look) to be(?= )",
     r" is \1"),
    (
        r"(?:^|(?<=[,;] ))(?:express|write|write down|output|state|announce|deliver|supply|read out"
        r"|figure out|work out|find out|determine|calculate|compute|check|look up|quote|name"
        r"|let me (?:know|hear|have)|say me|say) (?=the |how |what )",
        "tell me ",
    ),
    (
        r"\b(?:would|will|might|could|may) ((?:the|my|your|that) (?:(?!would|will|is|are)\w+"
        r" ){1,9}?)be"
        r"(?= |$)",
        r"is \1",
    ),
    (r"^is there (?:anything|something) (.+?) [,;]? ?and if (?:so|yes) ,? ?what$", r"what is \1"),
    (r"\b(?:what|which) is (?:the )?(?:measure|value|amount|figure) of the ", "what is the "),
    (r"\b(?:a|an|the) (?:pair|couple) of (?=\w+s\b)", "the two "),
    (r"\b(?:the )?(?:pieces|piece|items|item|bits) of (?=furniture|luggage)", ""),
)  # fmt: skip
#: Every word of the rewrites: right as it is.
REWRITTEN = frozenset(
    word for pattern, _ in _REWRITES for word in re.findall(r"[a-z]{4,}", pattern)
)
_OF = re.compile(
    rf"\bhow many ({_UNIT}) of (?=(?:free |clear |empty |open |vertical |horizontal )?"
    r"(?:distance|gap|clearance|space|room|headroom|separation|height|width|depth|length|difference"
    r"|floor|air)\b)"
)

#: "Tell me whether the chair is red".
_EMBEDDED = re.compile(
    r"^(.*?)\b(?:whether|(?<=me )if|(?<=us )if|(?<=know )if|(?<=wonder )if|(?<=wondering )if"
    r"|(?<=check )if|(?<=see )if|(?<=sure )if|(?<=say )if|(?<=asks )if|(?<=asked )if)"
    r" ((?:the|there|any|my|your|both|all|these)\b.*?|i|you|we) (is|are|was|were) (.+)$"
)


def plainer(tokens: list[str]) -> Iterator[list[str]]:
    """Yield the question in plainer words, after each step that changes something.

    Args:
        tokens: its words.
    """
    text = " ".join(tokens)
    for pattern, replacement in _REWRITES:
        changed = re.sub(pattern, replacement, text).strip()
        if changed != text:
            text = changed
            yield text.split()
    match = _EMBEDDED.search(text)
    if match and is_talk(match[1].split()):
        text = f"{match[3]} {match[2]} {match[4]}"
        yield text.split()
    match = _OF.search(text)
    if match and unit_of(match[1]) and kind_of(unit_of(match[1]) or "") == "length":
        rest = f"{text[: match.start()]}how much {text[match.end() :]}"
        yield f"{rest} {COMMA} in {match[1]}".split()


# Stories ----------------------------------------------------------------------------------------

#: What makes a sentence before the question more than a story: it changes what is asked.
_CHANGES = frozenset(
    """if when while suppose supposing imagine imagining assume assuming pretend picture say let
    standing stand sitting sit facing face looking look turned turn moved move swapped removed
    remove without not never no unless except only left right behind front above below under over
    near next beside closer nearest farthest inside is are was were does do can could positive zero
    yesterday earlier formerly previously last first before after at or""".split()
)
_ASKS = frozenset(
    "how what which where who is are does do did can could will would at in on tell give".split()
)

_OPENINGS = frozenset("hi hello hey so ok okay well please and but now also then robot".split())
_SUBJECTS = frozenset(
    """i we my our the a an some someone somebody this that there they he she people you let can
    could one""".split()
)
#: What the map says nothing about.
_ELSEWHERE = frozenset(
    """other another room ceiling floor wall only counting excluding two three four five six seven
    eight nine ten twice half double""".split()
)


def stories(tokens: list[str]) -> Iterator[tuple[list[str], list[str]]]:
    """Yield each sentence that may be a story, with the question after it.

    "I lost the blue box, where is it": what the story names is what "it" means.

    Args:
        tokens: the words of the question.
    """
    for at in range(2, len(tokens) - 1):
        word = tokens[at]
        start = at + 1
        if word not in (COMMA, STOP, "and", "so", "but") or tokens[start] in (COMMA, STOP):
            continue
        if tokens[start] in ("and", "so", "but", "now") and start + 1 < len(tokens):
            start += 1
        if tokens[start] not in _ASKS or (word == "and" and tokens[start] not in ("how", "where")):
            continue
        begins = [i + 1 for i in range(at) if tokens[i] in (COMMA, STOP) and is_talk(tokens[:i])]
        story = tokens[max(begins, default=0) : at]
        if is_story(story):
            yield story, tokens[start:]


def is_story(tokens: list[str]) -> bool:
    """Tell whether a sentence says nothing of where things are or how they are looked at."""
    start = next((word for word in tokens if word not in _OPENINGS), "")
    if start not in _SUBJECTS or len(tokens) < 3 or not _ELSEWHERE.isdisjoint(tokens):
        return False
    words = " ".join(tokens)
    words = re.sub(
        r"\bcan not (?=find|see)|\b(?:am|are|is) (?=looking for|searching|planning|thinking|going"
        r"|moving|curious|interested|interesting)|\blooking for\b|\bcan you help\b",
        "",
        words,
    )
    said = words.split()
    return not any(word in _CHANGES or any(letter.isdigit() for letter in word) for word in said)
