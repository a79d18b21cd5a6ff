# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From what a person types to plain words: contractions, politeness, typing errors, phrases."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterator

from spatialgeo_ros.query.nouns import canonical
from spatialgeo_ros.query.question_rules import keywords

#: Words that never belong to an object phrase: a slot that holds one is a wrong match.
NEVER_IN_PHRASE = frozenset(
    "is are was were am than or and which who how what where why between from does do far if when"
    " much many ? apart away relative respect".split()
)

_CONTRACTIONS = {
    r"\bo ?'? ?clock\b": "oclock",
    r"\b(what|where|how|who|which|it|that|there)'?s\b": r"\1 is",
    r"\bthat s\b": "that is",
    r"\bi'?m\b": "i am",
    r"\b(you|they|we)'re\b": r"\1 are",
    r"\b(is|are|was|were|does|do|can|could|would)n'?t\b": r"\1",
    r"\b(is|are|was) not\b": r"\1",
    r"'s(?= (?:the|my|your|this|that|a|an|it|region)\b)": " is",
    r"'s\b": " s",
    r"s'(?=\s)": "s s",
}


def normalise(question: str) -> str:
    """Return lower-case words, each followed by one space; commas and sentence ends are words."""
    text = question.lower().replace("’", "'").replace("`", "'").replace("<image>", " ")
    count = 0
    while (found := re.search(r"<(?:region|mask)>|\[mask\]", text)) is not None:
        text = f"{text[: found.start()]} region {count} {text[found.end() :]}"
        count += 1
    number = r"(?:\[\s*(\d+)\s*\]|#\s*(\d+)|(\d+))"
    text = re.sub(rf"\b(?:region|box|object)\s*{number}", r"region \1\2\3", text)
    for index, ordinal in enumerate(("first", "second", "third", "fourth")):
        text = re.sub(rf"\b(?:the )?{ordinal} (?:region|box)\b", f"region {index}", text)
    for pattern, replacement in _CONTRACTIONS.items():
        text = re.sub(pattern, replacement, text)
    text = re.sub(r"(?<!\d)[.](?!\d)|[.](?=\s|$)|[?!\n]+", " ? ", text)
    text = re.sub(r"\s-+\s|[:;,()/]|--+", " , ", text)
    text = re.sub(r"[^\w\s,?.-]", " ", text)
    text = re.sub(r"(?: ,)*( ,| \?)(?: ,| \?)*", r"\1", " " + " ".join(text.split()))
    return text.strip(" ,") + " "


_OPENERS = tuple(
    re.compile(rf"^(?:{words}) (?:, )?")
    for words in (
        "hey|hi|hello|ok|okay|well|so|and|but|also|then|now|excuse me|robot|please|sorry|thanks"
        "|say|alright|right|hm|hmm",
        "(?:can|could|would|will|do|did|may|might) (?:you|we|i|u)(?: please| kindly| also| just)?"
        "(?= (?:tell|give|measure|estimate|calculate|compute|find|determine|show|say|let|confirm"
        "|check|provide|know|see|describe|ask|get|verify|work|specify|state|share|have) )",
        "(?:tell|give|show|inform) (?:me|us)(?: about)?(?: if| whether)?",
        "(?:let (?:me|us) know|confirm|check|verify|determine|say|know|see|tell|work out|find out)"
        "(?: if| whether| that)?",
        "(?:measure|estimate|calculate|compute|provide|ask|get|have|specify|state|share)"
        "(?: me| us)?(?: if| whether)?",
        "(?:an|a|your|some|the) (?:estimate|estimation|idea|guess|measurement|value) (?:of|for)",
        "i (?:want|need|would like|d like|wonder|am wondering|wish)(?: to| know)*(?: if| whether)?",
        "(?:do you know|any idea|i ask|question)(?: if| whether)?",
        "(?:approximately|roughly|about|exactly|currently|in meters|in metres)",
        "(?:in|from|given) (?:this|the|that) (?:image|picture|photo|scene|view|frame|room)",
        "from (?:the|your|my|this|a) (?:\\w+ s )?(?:perspective|viewpoint|point of view|view"
        "|position)",
        "(?:considering|given) (?:their|its|the) (?:relative )?(?:position|positions|size|sizes)",
    )
)
_CLOSERS = tuple(
    re.compile(rf"(?<= )(?:, )?(?:{words}) $")
    for words in (
        "for (?:me|us|you|the robot|a robot)(?: to (?:pass|fit|go|drive|move)(?: through)?)?",
        "please|pls|now|right now|currently|at the moment|exactly|precisely|approximately|roughly"
        "|robot|thanks|thank you|correct|right|true|in total|again|then|do you think|actually",
        "in (?:the|this|that|your) (?:image|picture|photo|scene|view|frame|room|space|world)",
        "in (?:view|sight)",
        "(?:in|using|expressed in|measured in) (?:si )?(?:meters|metres|feet|foot|inches|cm"
        "|centimeters|centimetres|m|mm|millimeters|metric|meter)(?: units)?",
        "(?:from|in) (?:the|your|my|this|a|our) (?:\\w+ s |current )?(?:perspective|viewpoint"
        "|point of view|view|field of view)",
    )
)


def sentences(words: str) -> Iterator[str]:
    """Yield the whole question and then, last first, its sentences, without polite padding."""
    parts = [part.strip(" ,") + " " for part in words.split("?") if part.strip(" ,")]
    for sentence in dict.fromkeys((", ".join(parts), *reversed(parts))):
        bare = _without_padding(sentence)
        yield bare
        if bare != sentence:  # what looked like padding may belong to the question
            yield sentence


def _without_padding(sentence: str) -> str:
    """Take polite openings and closings off until nothing changes."""
    previous = ""
    while sentence != previous:
        previous = sentence
        for pattern in (*_OPENERS, *_CLOSERS):
            shorter = pattern.sub("", sentence).strip(" ,") + " "
            if shorter.strip():
                sentence = shorter
    return sentence


@functools.cache
def _keyword_list() -> tuple[str, ...]:
    return tuple(sorted(keywords()))


#: Errors in words too short for comparing letters.
_SHORT_TYPOS: dict[str, str] = {
    **dict.fromkeys(("hwo", "hw"), "how"),
    **dict.fromkeys(("wich", "whch"), "which"),
    **dict.fromkeys(("waht", "wat"), "what"),
    **dict.fromkeys(("teh", "tha"), "the"),
    **dict.fromkeys(("fro", "form", "frm"), "from"),
    "si": "is",
    "ar": "are",
    "u": "you",
}


def repair(words: str) -> str:
    """Replace words that are nearly a word of the grammar; nouns are left to whoever knows them."""
    known = set(_keyword_list())
    repaired = []
    for word in words.split():
        if word in _SHORT_TYPOS:
            word = _SHORT_TYPOS[word]
        elif word.isalpha() and len(word) >= 4 and word not in known and not canonical(word):
            close = difflib.get_close_matches(word, _keyword_list(), n=1, cutoff=0.8)
            if close and close[0][0] == word[0]:
                word = close[0]
        repaired.append(word)
    return " ".join(repaired) + " "


#: Prepositions of several words inside noun phrases, as one word each: a question that no pattern
#: fits as it stands is tried once more with these, so that "to" and "from" cannot cut a phrase.
JOINED: dict[str, str] = {
    words.replace(" ", ""): words
    for words in (
        "to the left side of",
        "to the right side of",
        "on the left side of",
        "on the right side of",
        "to the left of",
        "to the right of",
        "on the left of",
        "on the right of",
        "from the left",
        "from the right",
        "in front of",
        "on top of",
        "next to",
        "close to",
        "nearest to",
        "closest to",
        "farthest from",
        "furthest from",
        "farthest away from",
        "furthest away from",
        "that is",
        "which is",
        "who is",
    )
}


def joined(words: str) -> str:
    """Write the prepositions of :data:`JOINED` as single words."""
    for single, several in JOINED.items():
        words = re.sub(rf"(?<=\S )\b{several}\b", single, words)
    return words


def separated(phrase: str) -> str:
    """Undo :func:`joined`."""
    return " ".join(JOINED.get(word, word) for word in phrase.split())


_PHRASE_END = NEVER_IN_PHRASE | frozenset(
    ", in on at to of with by for near next behind above below under over can could will would"
    " should has have that i you we me it there here left right closer the a an my".split()
)


def noun_phrases(words: str) -> list[str]:
    """Return what follows an article, up to three words, in order of appearance."""
    phrases: list[str] = []
    current: list[str] | None = None
    for word in (*words.split(), "?"):
        if current is not None and (word in _PHRASE_END or len(current) == 3):
            if current:
                phrases.append(" ".join(current))
            current = None
        if word in ("the", "a", "an", "my", "your", "any", "another"):
            current = []
        elif current is not None:
            current.append(word)
    phrases.extend(f"region {number}" for number in re.findall(r"\bregion (\d+)\b", words))
    return list(dict.fromkeys(phrases))
