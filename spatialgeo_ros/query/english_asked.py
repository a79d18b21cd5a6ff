# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Properties that are asked for with a question word, in every shape that a sentence can have.

"How far away is the door?", "the door is how far away?", "the door: how far?", "I wonder how far
away the door is" and, after a question about it, "how far away?" ask the same. Each property is
said once here, with the question words, and all shapes are made from them.
"""

from __future__ import annotations

from collections.abc import Callable

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_numbers import between, size_of, told
from spatialgeo_ros.query.program import (
    AttributeName,
    DirectionForm,
    Place,
    Program,
    Quantity,
    QuantityName,
    TellAttribute,
    TellDirection,
    TellNumber,
    Things,
    Unit,
    Viewer,
)
from spatialgeo_ros.query.units import kind_of

rule = grammar.rule

IS = "(BE|STAND|would be|will be|do you think BE|may be|might be)"
_DOES = (
    "(does|do|did|will|would|can|could|should|must|might|may)"
    " [I [usually] (see|find|look [for]|have|get|locate|notice|measure|estimate|say)]"
)
BEEN = "[STAND|be|see|find|seen|found|to be|to be found|you think|do you think]"


def asked(
    words: str, build: Callable[..., Program | None], tail: str = "", of: str = "place"
) -> None:
    """Add every shape of a question for one property of one thing.

    Args:
        words: question words, with slots that ``build`` takes.
        build: the program, from ``x`` and those slots.
        tail: what may stand after all.
        of: what has the property: "thing", "place" or "sized".
    """
    thing = f"{{x:{of}}}"
    grammar.rule(
        "core",
        f"{words} {IS} {thing} {BEEN} {tail}",
        f"{words} {_DOES} {thing} {BEEN} {tail}",
        f"{thing} {IS} {words} {tail}",
    )(build)
    grammar.rule(
        "core",
        f"{words} {thing} [BE|STAND] {tail}",
        f"{thing} [,] {words} [BE (it|that|this)] {tail}",
        cost=0.4,
    )(build)
    grammar.rule("question", f"{{before_it}} AND_NOW {words} [BE|STAND] {tail} {{x:it_before}}")(
        lambda before_it, **slots: build(**slots)
    )


def told_in(number: object, unit: Unit, kind: str = "length") -> Program | None:
    """Ask for a number in a unit of one kind."""
    return None if unit and kind_of(unit) != kind else told(number, unit)  # type: ignore[arg-type]


# Numbers ----------------------------------------------------------------------------------------


def _distance(x: Place, unit: Unit = "") -> Program | None:
    return told_in(between(Viewer(), x), unit)


_FROM_HERE = "[EXACTLY] [AWAY] [FROM ME|from WHERE_I_AM|WHERE_I_AM|as measured FROM ME] [NOW]"
asked(
    "(how [much] far [away|off|out|distant] [FROM ME]|how (close|near|distant|remote) [to ME"
    "|from ME]"
    "|at (what|which|how much) (distance|range) [FROM ME|between ME and])",
    _distance,
    _FROM_HERE,
)
asked("how (many|much) {unit} (AWAY [FROM ME]|FROM ME)", _distance, "[NOW]")


@rule(
    "core",
    f"how (many|much) {{unit}} {IS} {{x:place}} (AWAY [FROM ME]|FROM ME) [NOW]",
    "(how many|how much) {unit} [BE it|BE there|BE left] (to|until|till|up to) {x:place}",
    "how many {unit} [BE it] from ME (to|until) {x:place}",
    "how many {unit} (BE|BE there|lie|lies) between (ME and {x:place}|{x:place} and ME)",
    "how far [BE it|it is] [from ME] (to|until) {x:place} [FROM ME]",
    f"how (far|near|close) {IS} ME [AWAY] (from|to) {{x:place}} [NOW]",
    f"how many {{unit}} {IS} ME [AWAY] (from|to) {{x:place}} [NOW]",
    "{x:place} [,] how many {unit}",
    "how many {unit} (do|does|have) I have (to|until|till) {x:place}",
    "how far (do|does) I have (to|until|till) {x:place}",
    "(till|until|to) {x:place} [,] it BE (how far|how many {unit})",
    "how long BE (the way|the distance|it) to {x:place}",
    "how much (distance|space|room) BE [there|left] (to|until|before) {x:place}",
    "how (close|near) to {x:place} BE ME",
    "what distance (separates|divides) ME from {x:place}",
    "how much (separates|divides) ME from {x:place}",
    "how (far|near|close) (do|does) ME STAND [AWAY] (from|to) {x:place} [NOW]",
)
def _how_far(x: Place, unit: Unit = "") -> Program | None:
    return _distance(x, unit)


def _size(x: Place, quantity: QuantityName, unit: Unit = "") -> Program | None:
    return told_in(size_of(quantity, x), unit, _KINDS.get(quantity, "length"))


_KINDS = {"area": "area", "volume": "volume"}
asked(
    "how [much] {quantity:size_adjective}",
    _size,
    "[in total|really|exactly|actually|in (all|the) [three] (dimensions|directions)"
    "|from (bottom to top|top to bottom|side to side|left to right|front to back|end to end)]",
    "sized",
)
asked("how many {unit} {quantity:size_adjective}", _size, "", "sized")


@rule(
    "core",
    "(what|which|how much) {quantity:size_noun} (does|do|has|have|BE) {x:sized} [have]",
    "how (big|large|long) BE {x:sized} in (terms of|) {quantity:size_noun}",
    "{x:sized} (has|have) (what|which) {quantity:size_noun}",
    "(what|which) {quantity:size_noun} {x:sized} (has|have)",
    "(what|how much) (does|do) {x:sized} measure in {quantity:size_noun}",
    "how many {unit} [in] {quantity:size_noun} (does|do|has|have|BE) {x:sized} [have]",
    "how many {unit} {_is:be} {x:sized} {quantity:size_adjective}",
    "(what|which) {quantity:size_noun} would I (give|estimate [for]|guess [for]) {x:sized}",
)
def _what_size(
    x: Place, quantity: QuantityName, unit: Unit = "", _is: object = None
) -> Program | None:
    return _size(x, quantity, unit)


@rule("be", "BE")
def _be() -> bool:
    return True


_OFF = "(above|from|off|over) the (floor|ground)"
_LOW = "(bottom|lower edge|underside|lower side|bottom edge|base|lower end)"
_HIGH = "(top|upper edge|upper side|top edge|tip|upper end)"


@rule("top_of", f"[the] {_HIGH} of {{thing}}", f"{{thing}} _s {_HIGH}")
@rule("bottom_of", f"[the] {_LOW} of {{thing}}", f"{{thing}} _s {_LOW}")
def _edge_of(thing: Things) -> Things:
    return thing


def _bottom(x: Things) -> Program:
    return TellNumber(Quantity("bottom", (x,)))


def _top(x: Things) -> Program:
    return TellNumber(Quantity("top", (x,)))


asked(f"(how high [up]|how far|at (what|which) height) {_OFF}", _bottom, "[hung|mounted]", "thing")
asked("(how high up|at (what|which) height)", _bottom, f"[hung|mounted|attached] [{_OFF}]", "thing")


@rule(
    "core",
    f"how (high|far) [up] {IS} [the] {{x:thing}} {BEEN} {_OFF}",
    f"how high (hangs|BE|does|do) {{x:thing}} (hang|hung|hanging|mounted|start|begin|fixed)"
    f" [{_OFF}]",
    f"(how (high|far) [up]|at (what|which) height) {IS} {{x:bottom_of}} [{_OFF}]",
    f"(how (high|far)|at (what|which) height) {_OFF} {IS} {{x:bottom_of}}",
    f"how high hangs {{x:thing}} [{_OFF}]",
    f"at (what|which) height (does|do) {{x:thing}} (hang|start|begin) [{_OFF}]",
    f"(at (what|which) height|how (high|far)) {_OFF} (does|do) {{x:thing}} (hang|start|begin|stand"
    "|sit)",
    f"how much BE {{x:thing}} {_OFF}",
    f"where (does|do) {{x:thing}} (start|begin) {_OFF}",
    f"(what|which) height {_OFF} (does|do) {{x:thing}} (hang|start|begin) [at]",
    cost=-0.1,
)
def _how_high_up(x: Things) -> Program:
    return _bottom(x)


@rule(
    "core",
    "(how far up|how high [up]|[up] to (what|which) height) (does|do) {x:thing}"
    " (go|reach|extend|rise) [up]",
    f"(how (high|far) [up]|at (what|which) height) {IS} {{x:top_of}} [{_OFF}]",
    f"(how (high|far)|at (what|which) height) {_OFF} {IS} {{x:top_of}}",
    "(what|which) height (does|do|has) {x:top_of} [have]",
    f"at (what|which) height (does|do) {{x:thing}} end [{_OFF}]",
    f"(at (what|which) height|how (high|far)) {_OFF} (does|do) {{x:thing}}"
    " (reach|go|extend|end) [up]",
    "how far BE it from the (floor|ground) [up] to {x:top_of}",
    f"where (does|do) {{x:thing}} end [at the top] [,] [how high {_OFF}]",
)
def _how_high_top(x: Things) -> Program:
    return _top(x)


# Directions -------------------------------------------------------------------------------------


def _pointing(words: str, form: DirectionForm, tail: str = "") -> None:
    asked(words, lambda x: TellDirection(x, form), tail, "thing")


_FROM_ME = "[EXACTLY] [FROM ME|SEEN_FROM_ME|of ME|from WHERE_I_AM] [NOW]"
_pointing(
    "([at|in|on|to] [the] (what|which|how many) CLOCK|where on the (clock|clock face|dial)"
    "|[at] (what|which) time on the clock|where [as] (on|in|by) [a|the] (clock|CLOCK)|where in"
    " terms of (the clock|clock directions"
    "|clock positions))",
    "clock",
    _FROM_ME + " [in terms of (the clock|clock directions|clock positions)]",
)
_pointing(
    "([at|in|under|by] (what|which) ANGLE|[at|by] how many DEGREES [to the left or right]"
    "|in DEGREES where|where in DEGREES)",
    "deg",
    "[in DEGREES] [(from|off|to) [my|your|the] heading|FROM ME|relative to [my|your|the]"
    " [current] (heading|ME|direction)] [NOW]",
)
_pointing(
    "(where [EXACTLY|about]|whereabouts|[in|to|from|at] (what|which) [relative] DIRECTION|which"
    " way)",
    "any",
    "[located|positioned] [NOW|HERE|IN_ROOM] [FROM ME|SEEN_FROM_ME]",
)


@rule("core", "(what|which) ANGLE (does|do|has) {x:thing} [have]")
def _which_bearing(x: Things) -> Program:
    return TellDirection(x, "deg")


@rule("core", f"(what|which) DIRECTION {IS} {{x:thing}} [located] in")
def _direction_in(x: Things) -> Program:
    return TellDirection(x)


@rule("core", "(what|which) DIRECTION (do|should|must) I (look|go) to (see|find|reach) {x:thing}")
def _direction_to(x: Things) -> Program:
    return TellDirection(x)


_pointing(
    "([on|to|at] (what|which) (side|hand) [of ME])", "side", "[of ME|SEEN_FROM_ME|FROM ME] [NOW]"
)

# Attributes -------------------------------------------------------------------------------------

_MADE = "(made|built|constructed)"


def _attribute(name: AttributeName, nouns: str, words: str, tail: str, verb: str = "have") -> None:
    def build(x: Things) -> Program:
        return TellAttribute(name, x)

    asked(words, build, tail, "thing")
    rule(
        "core",
        f"{words} (does|do|has|have) {{x:thing}} [{verb}]",
        f"[what BE|TELL] [the] {nouns} of {{x:thing}}",
        f"[what BE] {{x:thing}} _s {nouns}",
        f"{{x:thing}} {nouns}",
    )(build)


_attribute("colour", "COLOUR", "[in|of] (what|which) COLOUR", "[painted|in|have]")
_attribute(
    "material",
    "(material|substance)",
    f"([of|from|out of] (what|which) (material|stuff|substance)|{_MADE} [out] (of|from) what)",
    f"[{_MADE}] [out] [of|from]",
)


@rule(
    "core",
    f"(what|which) [material|stuff] BE {{x:thing}} {_MADE} [out] (of|from)",
    "(what|which) [material|stuff] (does|do) {x:thing} consist of",
    "of (what|which) [material|stuff] (does|do) {x:thing} consist",
    f"[out] (of|from) (what|which) [material|stuff] BE {{x:thing}} {_MADE}",
)
def _made_of(x: Things) -> Program:
    return TellAttribute("material", x)
