# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of question patterns, in the language of :mod:`spatialgeo_ros.query.grammar`.

Patterns are tried in the order of :data:`RULES`, the more specific first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from spatialgeo_ros.query.grammar import MACROS, Rule, words_of


@dataclass(frozen=True)
class _Comparison:
    """Words of one predicate: after "is A ..." before "B", and after "which is ..."."""

    family: str
    predicate: str
    before_object: str
    alone: str
    has: str = ""  # "does A have ... compared to B"


_MORE = "(more|greater|a greater|a larger|larger|a bigger|bigger|a higher|the greater|the larger)"
_LESS = "(less|lesser|a lesser|a smaller|smaller|a lower|the lesser|the smaller|a shorter)"
_SIDE = "[side|hand side]"
_TO = "[to|on|at|towards] [the|its|your|my]"

COMPARISONS: tuple[_Comparison, ...] = (
    _Comparison(
        "left_right",
        "left",
        f"{_TO} left {_SIDE} (of|from|to)",
        f"([more|further|farther] {_TO} left {_SIDE}|more leftward|leftmost|more left)",
    ),
    _Comparison(
        "left_right",
        "right",
        f"{_TO} right {_SIDE} (of|from|to)",
        f"([more|further|farther] {_TO} right {_SIDE}|more rightward|rightmost|more right)",
    ),
    _Comparison(
        "above_below",
        "above",
        "(above|over|atop|on top of|higher [up] <than>)",
        "([more] above|higher [up]|on top|at a higher elevation)",
    ),
    _Comparison(
        "above_below",
        "below",
        "(below|under|beneath|underneath|lower [down] <than>)",
        "([more] below|lower [down]|underneath|beneath|under|at a lower elevation)",
    ),
    _Comparison(
        "front_behind",
        "behind",
        "(behind|at the back of|in back of|in the back of|beyond|(further|farther) back <than>)",
        "([more] behind|(further|farther) back|(at|in) the back)",
    ),
    _Comparison(
        "front_behind",
        "front",
        "(in front of|ahead of|in the front of|(further|farther|more) [to the] front <than>)",
        "([more] in front|(in|at) the front|ahead|(further|more) forward|more to the front)",
    ),
    _Comparison(
        "big_small",
        "bigger",
        "(bigger|larger|greater|more voluminous) [in size|in volume] <than>",
        "(bigger|larger|biggest|largest|greater) [in size]",
        f"{_MORE} (size|volume)",
    ),
    _Comparison(
        "big_small",
        "smaller",
        "(smaller|littler|less big|tinier) [in size|in volume] <than>",
        "(smaller|smallest|littler|tinier|less big) [in size]",
        f"{_LESS} (size|volume)",
    ),
    _Comparison(
        "tall_short",
        "taller",
        "taller [in height] <than>",
        "(taller|tallest) [in height]",
        f"{_MORE} height",
    ),
    _Comparison(
        "tall_short",
        "shorter",
        "(shorter [in height]|less tall|not as tall) (<than>|as)",
        "(shorter|shortest|less tall) [in height]",
        f"{_LESS} height",
    ),
    _Comparison(
        "wide_thin",
        "wider",
        "(wider|broader|longer) [in width] <than>",
        "(wider|broader|widest|longer)",
        f"{_MORE} (width|breadth)",
    ),
    _Comparison(
        "wide_thin",
        "thinner",
        "(thinner|narrower|slimmer|less wide|skinnier) [in width] <than>",
        "(thinner|narrower|slimmer|thinnest|narrowest|less wide|skinnier)",
        f"{_LESS} (width|breadth)",
    ),
)

_CLOSER = {
    "closer": "(closer|nearer|closest|nearest|less far [away]|less distant)",
    "further": "(further|farther|furthest|farthest|more distant|more far) [away|off]",
}


def _comparison_rules() -> Iterator[Rule]:
    pairs = {(c.family, c.predicate): c for c in COMPARISONS}
    for c in COMPARISONS:
        other = next(o for key, o in pairs.items() if key[0] == c.family and o is not c)
        # "in front or behind B": the first of the two words drops its preposition.
        yield Rule(
            f"<is> {{a}} [<posed>] {c.alone} or {other.before_object} {{b}}", c.family, "choice"
        )
        yield Rule(
            f"<is> {{a}} [<posed>] {c.before_object} or {other.before_object} {{b}}",
            c.family,
            "choice",
        )
        if c.family == "left_right":
            yield Rule(
                f"<is> {{a}} [<posed>] {_TO} {c.predicate} [{_SIDE}] or {_TO} {other.predicate} "
                f"[side] (of|from) {{b}}",
                c.family,
                "choice",
            )
    for c in COMPARISONS:
        asked = (c.family, "which", c.predicate)
        has = f"|(has|have|with) {c.has}" if c.has else ""
        alone = f"(([<be>|s] [<posed>] {c.alone}){has})"
        yield Rule(
            f"(which|who|what) [<one>] {alone} [,|-] [of|between] {{a}} (or|and) {{b}}", *asked
        )
        yield Rule(f"(which|who) [<one>] [,] [of] {{a}} (or|and) {{b}} [,] {alone}", *asked)
        yield Rule(f"[between|of] {{a}} (or|and) {{b}} [,] (which|who) [<one>] {alone}", *asked)
        yield Rule(f"(which|who) [<one>] {alone}", *asked)
    for c in COMPARISONS:
        yes_no = (c.family, "yes_no", c.predicate)
        yield Rule(f"<be> {{a}} [<posed>] {c.before_object} {{b}}", *yes_no)
        yield Rule(f"{{a}} <is> [<posed>] {c.before_object} {{b}}", *yes_no)
        if c.has:
            yield Rule(f"<be> {{a}} (have|has) {c.has} <than> {{b}}", *yes_no)
            yield Rule(f"{{a}} (has|have) {c.has} <than> {{b}}", *yes_no)


def _closer_rules() -> Iterator[Rule]:
    to = "(to|from|towards)"
    for predicate, words in _CLOSER.items():
        which = ("closer", "which", predicate)
        other = _CLOSER["further" if predicate == "closer" else "closer"]
        yield Rule(f"<is> {{a}} {words} or {other} [{to} <self>] <than> {{b}}", "closer", "choice")
        yield Rule(
            f"(which|who|what) [<one>] <is> {words} [{to} <self>] [,] {{a}} or {{b}}", *which
        )
        yield Rule(f"(which|who|what) [<one>] <is> {words} {to} {{c}} , {{a}} or {{b}}", *which)
        yield Rule(f"(which|who|what) [<one>] <is> {words} {to} {{c}} the {{a}} or {{b}}", *which)
        tail = f"(which|who) [<one>] <is> {words} [{to} {{c}}]"
        yield Rule(f"[between|of] {{a}} (or|and) {{b}} [,] {tail}", *which)
        yield Rule(
            f"(which|who) [<one>] [,] [of] {{a}} (or|and) {{b}} [,] <is> {words} [{to} {{c}}]",
            *which,
        )
        yes_no = ("closer", "yes_no", predicate)
        yield Rule(f"[<be>] {{a}} [is|are] {words} {to} {{c}} <than> [{to}] {{b}}", *yes_no)
        yield Rule(f"[<be>] {{a}} [is|are] {words} <than> {{b}} {to} {{c}}", *yes_no)
        yield Rule(f"[<be>] {{a}} [is|are] {words} <than> {{b}} [<is>]", *yes_no)
        yield Rule(
            f"[by] how much {words} <is> {{a}} [{to} <self>] <than> {{b}}",
            "closer",
            "difference",
            predicate,
        )
        yield Rule(f"(which|who) [<one>] <is> {words} [{to} <self>]", *which)


def _difference_rules() -> Iterator[Rule]:
    for c in COMPARISONS:
        if c.family not in ("tall_short", "wide_thin"):
            continue
        comparative = c.before_object.replace("<than>", "").replace("(|as)", "")
        asked = (c.family, "difference", c.predicate)
        yield Rule(f"[by] how (much|many <meters>) {comparative} <is> {{a}} <than> {{b}}", *asked)
        yield Rule(f"[by] how much <is> {{a}} {comparative} <than> {{b}}", *asked)


#: Patterns of questions for a value, one per line, by what they ask for. "gap" is the distance
#: between nearest points.
_VALUE_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        "camera_distance",
        """
        how (far|long) [away] is it (to|until) {a}
        """,
    ),
    (
        "direction",
        """
        (if|when|assuming|suppose|imagine) <standing> {b} [,] <whereto> {a} <located>
        <whereto> {a} <located> [,] (if|when) <standing> {b}
        [in|at] (which|what) (direction|way|side|<clock>) <find> {a} <located> <relative> {b}
        {a} <is> [located] [in|at] (what|which) (direction|<clock>) <relative> {b}
        <ask> <bearing> from {b} (to|towards) {a}
        <ask> <bearing> (of|to) {a} <relative> {b}
        where <find> {a} <located> <relative> {b}
        """,
    ),
    (
        "horizontal_distance",
        """
        <ask> <horizontal> <distance> [between|from|of] {a} <and> {b}
        <ask> <distance> <horizontally> [between|from|of] {a} <and> {b}
        <ask> <distance> (between|from|of) {a} <and> {b} <horizontally>
        how far [apart|away] <is> {a} <and> {b} <horizontally>
        how far [apart|away] <horizontally> <is> {a} <and> {b}
        <horizontally> [,] how far [apart|away] <is> {a} <and> {b}
        """,
    ),
    (
        "vertical_distance",
        """
        <ask> <vertical> <distance> [between|from|of] {a} <and> {b}
        <ask> <distance> (between|from|of) {a} <and> {b} <vertically>
        <ask> (height|elevation) difference (between|of|from) {a} <and> {b}
        <ask> difference in (height|elevation|altitude) (between|of) {a} <and> {b}
        how far [apart|away] <is> {a} <and> {b} <vertically>
        how far [apart|away] <vertically> <is> {a} <and> {b}
        <vertically> [,] how far [apart|away] <is> {a} <and> {b}
        [by] how (much|many <meters>) (higher|lower) [up|down] <is> {a} <than> {b}
        [by] how much <is> {a} (higher|lower) [up|down] <than> {b}
        how (far|high|much) (above|below|over|under) {b} <is> {a}
        how (far|high|much) <is> {a} (above|below|over|under) {b}
        """,
    ),
    (
        "gap",
        """
        [is there|<what>] [the|a|enough|how much] <gap> [<there>|left] between {a} <and> {b}
        how (much|big|wide|large) [of a|a] [<is>] [the] <gap> [<there>] between {a} <and> {b}
        <ask> <shortest> <distance> (between|from|of) {a} <and> {b}
        how (close|near) [together] <is> {a} <and> {b}
        <is> {a} (near|close|next|adjacent|nearby) [to] {b}
        """,
    ),
    (
        "distance",
        """
        <ask> <distance> [is there] [between|from|of] {a} <and> {b}
        <ask> <distance> [separating|that separates] {a} (from|and) {b}
        <ask> <distance> (between|of) {a}
        [<what>] {a} s [<approx>] <distance> (from|to) {b}
        {a} (to|and|-) {b} <distance>
        (what|which|how much) <distance> (is there|is|lies) between {a} and {b}
        what <distance> (separates|lies between) {a} (and|from) {b}
        how (far|distant|long) [apart|away|off] (<is>|am) {a} [apart|away|off] <and> {b} [away]
        how far [apart|away] <is> {a} and {b} [apart]
        how far [away] {a} <is> [away] (from|to) {b}
        how far [apart|away] {a} and {b} <is> [apart]
        {a} and {b} , how far [apart] <is> (they|these|those) [apart]
        {a} and {b} , how far apart
        how many <meters> [apart|away] <is> {a} [away] <and> {b} [apart|away]
        how many <meters> [is it|are there|is there|is|are] (between|from) {a} <and> {b}
        how (far|long) is it (between|from) {a} <and> {b}
        <is> {a} <within> (<number>|{c}) <meters> [away] [of|from|to|away from] {b}
        how far apart <is> {a} [from each other|from one another]
        how far <is> {a} (apart|from each other|from one another)
        """,
    ),
    (
        "camera_distance",
        """
        how far [is it|<must>] [go|drive|walk|travel|move] to [get to|reach] {a}
        <is> {a} <within> (<number>|{c}) <meters> [away]
        how (far|distant|close|near) [away|off] <is> {a} [away|off]
        how far [away|off] {a} <is> [away|off]
        how many <meters> [away] <is> {a} [away]
        <ask> <distance> (to|towards|until) {a}
        [<what>] {a} s <distance>
        (at|from) (what|which) <distance> <is> {a}
        """,
    ),
    (
        "camera_direction",
        """
        [in|at] (which|what) (direction|way|<clock>) <find> {a}
        {a} <is> [located] [in|at] (what|which) (direction|<clock>)
        <ask> <bearing> (of|to|towards) {a}
        (which way|where|in which direction|in what direction) <must> <face> {a}
        where <find> {a} <located>
        where {a} <is> <located>
        (find|locate) {a}
        """,
    ),
)


def _value_rules() -> Iterator[Rule]:
    for asked, patterns in _VALUE_PATTERNS:
        family = "distance" if asked == "gap" else asked
        for pattern in patterns.split("\n"):
            if pattern.strip():
                yield Rule(pattern.strip(), family, nearest=asked == "gap")


def _size_rules() -> Iterator[Rule]:
    words = {
        "width": ("(wide|broad|long)", "(width|breadth|length|horizontal extent|horizontal size)"),
        "height": ("(tall|high)", "(height|vertical extent|vertical size)"),
        "depth": ("deep", "(depth extent|depth)"),
        "size": ("(big|large|small)", "(size|dimensions|dimension|measurements|volume)"),
    }
    for family, (adjective, noun) in words.items():
        yield Rule(f"how {adjective} <is> {{a}}", family)
        yield Rule(f"how {adjective} (does|do) {{a}} (appear|look|measure|stand|get|seem)", family)
        yield Rule(f"how {adjective} {{a}} <is>", family)
        yield Rule(f"[<what>] [the] [<approx>] {noun} (of|for) {{a}}", family)
        yield Rule(
            f"(what|which|how much) [is the] {noun} (does|do|is|are|has) {{a}} [have|measure]",
            family,
        )
        yield Rule(f"<what> {{a}} [s] [<approx>] {noun}", family)
        yield Rule(f"how (many <meters>|much) {adjective} <is> {{a}}", family)
        yield Rule(f"{noun} {{a}}", family)
        yield Rule(f"{{a}} [s] {noun}", family)


_ANY = "(a|an|any|some|one)"
_SHOWN = "[<posed>] (there|here|in view|visible|present|around|in sight)"
_SCENE = "(room|scene|image|picture|view)"
_SEES = "(see|spot|detect|find|recognise|recognize|have|count)"


def _presence_rules() -> Iterator[Rule]:
    for pattern in (
        f"(is|are) there {_ANY} {{a}} [{_SHOWN}]",
        f"(is|are) {_ANY} {{a}} {_SHOWN}",
        f"(do|can|could|did) (you|we|i|u) [still|currently] {_SEES} {_ANY} {{a}}",
        f"(does|do) (this|the|your) {_SCENE} (have|contain|show) {_ANY} {{a}}",
        f"any {{a}} [{_SHOWN}]",
    ):
        yield Rule(pattern, "exists", "yes_no")
    for pattern in (
        f"how many {{a}} (is|are) {_SHOWN}",
        f"how many {{a}} (do|can|could|did) (you|we|i|u) [still|currently] {_SEES}",
        f"how many {{a}} does (this|the) {_SCENE} (have|contain|show)",
        f"count [all|how many] [the|of the] {{a}} [(is|are) {_SHOWN}]",
        "[<what>] [the] number of {a}",
    ):
        yield Rule(pattern, "count")


def _side_of_self_rules() -> Iterator[Rule]:
    my_side = "[to|on|at] [my|your|the|our] (left|right) [hand] [side] [of <self>]"
    yield Rule(f"<is> {{a}} [<posed>] {my_side} or {my_side}", "left_right", "choice")
    for side in ("left", "right"):
        yield Rule(
            f"<is> {{a}} [<posed>] [to|on|at] (my|your|the|our) {side} [hand] [side]",
            "left_right",
            "yes_no",
            side,
        )


RULES: tuple[Rule, ...] = (
    *_presence_rules(),
    *_side_of_self_rules(),
    *_closer_rules(),
    *_difference_rules(),
    *_comparison_rules(),
    *_value_rules(),
    *_size_rules(),
)


def keywords() -> frozenset[str]:
    """Return every literal word of the patterns, for the repair of typing errors."""
    texts = (*(rule.pattern for rule in RULES), *MACROS.values())
    return frozenset(word for text in texts for word in words_of(text) if len(word) > 2)
