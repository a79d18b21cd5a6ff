# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The words of noun phrases that are no nouns: prepositions, superlatives, ordinals, fillers.

Read by :mod:`spatialgeo_ros.query.phrases`.
"""

from __future__ import annotations

import re

#: Prepositions, longest first where one begins another, and the relation they state.
RELATIONS: dict[str, str] = {
    "on top of": "on",
    "ontopof": "on",
    "atop": "on",
    "upon": "on",
    "onto": "on",
    "on": "on",
    "inside of": "inside",
    "inside": "inside",
    "within": "inside",
    "in front of": "front",
    "infrontof": "front",
    "ahead of": "front",
    "in back of": "behind",
    "behind": "behind",
    "to the left side of": "left",
    "on the left side of": "left",
    "on the left hand side of": "left",
    "to the left of": "left",
    "on the left of": "left",
    "at the left of": "left",
    "left of": "left",
    "leftof": "left",
    "to the right side of": "right",
    "on the right side of": "right",
    "on the right hand side of": "right",
    "to the right of": "right",
    "on the right of": "right",
    "at the right of": "right",
    "right of": "right",
    "rightof": "right",
    "in between": "between",
    "between": "between",
    "in": "inside",
    "underneath": "below",
    "beneath": "below",
    "under": "below",
    "below": "below",
    "above": "above",
    "over": "above",
    "right next to": "beside",
    "next to": "beside",
    "nextto": "beside",
    "beside": "beside",
    "besides": "beside",
    "close to": "beside",
    "closeto": "beside",
    "adjacent to": "beside",
    "near to": "beside",
    "near": "beside",
    "nearby": "beside",
    "alongside": "beside",
    "by": "beside",
    "at": "beside",
}

#: Words that begin something about the thing that no measurement decides.
UNSUPPORTED = frozenset(
    "with without of from for to against around through along across towards toward like than"
    " that which who whose where when as against facing wearing holding carrying looking made"
    " belonging called named labelled labeled having has before after beyond past off".split()
)
RELATIVE = re.compile(r"(?:that|which|who) (?:is|are|was|were|stands?|sits?|lies|hangs?)\b|thats")
POSTURES = frozenset(
    "standing sitting lying hanging placed located resting positioned situated put seated mounted"
    " lies stands sits stood right directly immediately just".split()
)

#: Words that say nothing about which thing is meant.
HARMLESS = frozenset(
    "the a an this that these those my our your its his her their some any please kindly only"
    " single very whole entire actual said visible particular given specific coloured colored"
    " one's".split()
)
#: What a label may say before its noun without making it another kind.
OF_LABELS = frozenset(
    "the a an wooden wood metal plastic leather steel ceramic small large big tall little old new"
    " empty open closed".split()
)
#: Places that hold whatever is in view.
IN_VIEW = re.compile(
    r"(?:in|within|inside) (?:the |this |that |your |my |our )?"
    r"(?:room|image|picture|photo|scene|view|frame|field of view|sight)|over there|right there"
    r"|there|here|in here|right now|now|you see|that you see|you can see|i see|currently"
)
SELF = re.compile(
    r"(?:to |from |of )?(?:me|you|us|myself|yourself|here|(?:the |this |your |my )?(?:robot|camera)"
    r"|the viewer|where (?:i|you) (?:am|are))"
)

LENGTH = re.compile(r"[\d.]+\b|(?:a|one|two|three|half a) (?:met|cent|f[oe]e?t|inch|yard)")

SUPERLATIVES: dict[str, tuple[str, bool]] = {
    "nearest": ("distance", False),
    "closest": ("distance", False),
    "farthest": ("distance", True),
    "furthest": ("distance", True),
    "remotest": ("distance", True),
    "leftmost": ("bearing", False),
    "rightmost": ("bearing", True),
    "tallest": ("height", True),
    "shortest": ("height", False),
    "highest": ("top", True),
    "lowest": ("top", False),
    "biggest": ("volume", True),
    "largest": ("volume", True),
    "smallest": ("volume", False),
    "littlest": ("volume", False),
    "tiniest": ("volume", False),
    "widest": ("width", True),
    "broadest": ("width", True),
    "narrowest": ("width", False),
    "thinnest": ("width", False),
    "slimmest": ("width", False),
    "longest": ("length", True),
    "deepest": ("depth", True),
}
COMPARING: dict[str, tuple[str, bool]] = {
    **dict.fromkeys(("big", "large", "huge", "bigger", "larger"), ("volume", True)),
    **dict.fromkeys(("small", "little", "tiny", "smaller"), ("volume", False)),
    **dict.fromkeys(("tall", "taller", "high"), ("height", True)),
    **dict.fromkeys(("short", "shorter"), ("height", False)),
    **dict.fromkeys(("wide", "broad", "wider"), ("width", True)),
    **dict.fromkeys(("narrow", "thin", "slim", "narrower"), ("width", False)),
    **dict.fromkeys(("long", "longer"), ("length", True)),
    **dict.fromkeys(("deep", "deeper"), ("depth", True)),
    **dict.fromkeys(("near", "nearer", "close", "closer"), ("distance", False)),
    **dict.fromkeys(("far", "distant", "farther", "further"), ("distance", True)),
    "left": ("side", False),
    "right": ("side", True),
    "middle": ("middle", False),
    "central": ("middle", False),
    "centre": ("middle", False),
    "center": ("middle", False),
}
ORDINALS = {
    word: number
    for number, words in enumerate(
        (
            "first 1st",
            "second 2nd",
            "third 3rd",
            "fourth 4th",
            "fifth 5th",
            "sixth 6th",
            "seventh 7th",
            "eighth 8th",
        ),
        1,
    )
    for word in words.split()
}
CARDINALS = {
    word: number
    for number, word in enumerate("two three four five six seven eight nine ten".split(), 2)
}
SIDE_HAND = r"(?: hand)?(?: side)?(?: of (?:me|you|the robot|the camera|(?:the )?(?:image|view)))?"
#: What may follow the noun to say which one is meant: pattern, quantity, greatest.
AFTER: tuple[tuple[re.Pattern[str], str, bool], ...] = (
    (re.compile(r"(?:to|on|at) (?:the|your|my) leftmost" + SIDE_HAND), "bearing", False),
    (re.compile(r"(?:to|on|at) (?:the|your|my) rightmost" + SIDE_HAND), "bearing", True),
    (re.compile(r"(?:to|on|at) (?:the|your|my|our) left" + SIDE_HAND), "side", False),
    (re.compile(r"(?:to|on|at) (?:the|your|my|our) right" + SIDE_HAND), "side", True),
    (re.compile(r"in the (?:middle|cent(?:re|er))"), "middle", False),
)
FROM_SIDE = re.compile(r"(?:from|counting from|counted from) (?:the |my |your )?(left|right)")
SUPERLATIVE_AFTER = re.compile(
    r"(?P<word>closest|nearest|closestto|nearestto|farthest|furthest)(?: away)?"
    r"(?: (?:to|from|of))?\b ?"
)
FAR_SIDE = re.compile(
    r"\b(?:far|very|outer) (left|right)\b|\b(left|right) most\b|\bmost (left|right)\b"
)
