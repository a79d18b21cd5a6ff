# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Numbers: quantities of things and between things, counts, and what is computed from them."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.program import (
    Arithmetic,
    Ceiling,
    Floor,
    Number,
    Place,
    Quantity,
    QuantityName,
    Room,
    TellNumber,
    Things,
    Unit,
    Viewer,
    Wall,
)

rule = grammar.rule

# Names of quantities ----------------------------------------------------------------------------

_SIZES: dict[QuantityName, str] = {
    "height": "(height|tallness|vertical (extent|size|dimension))",
    "width": "(width|breadth|broadness|wideness|horizontal (extent|size|dimension))",
    "depth": "(depth|deepness|extent front to back|front to back extent)",
    "length": "(length|longest side|longer side|longest dimension|longest extent)",
    "volume": "(volume|cubic volume|cubic capacity)",
    "area": "(footprint [area]|floor area|base area|area|floor space|ground area|surface area"
    "|covered area|square footage)",
    "size": "(size|sizes|extent|extents|extension)",
}
_ADJECTIVES: dict[QuantityName, str] = {
    "height": "(tall|high)",
    "width": "(wide|broad)",
    "depth": "(deep)",
    "length": "(long)",
    "size": "(big|large|small)",
    "volume": "(voluminous|bulky)",
}


def add_size(quantity: QuantityName, words: str, name: str) -> None:
    """Add words for a size as a rule of ``name``."""

    @rule(name, words)
    def made() -> QuantityName:
        return quantity


for _quantity, _words in _SIZES.items():
    add_size(_quantity, _words, "size_noun")
for _quantity, _words in _ADJECTIVES.items():
    add_size(_quantity, _words, "size_adjective")


def between(a: Place, b: Place, name: QuantityName = "distance") -> Quantity | None:
    """Return a quantity between two places, with the meaning that the kinds of place give it."""
    for one, other in ((a, b), (b, a)):
        if isinstance(one, Floor):
            return None if isinstance(other, Floor) else Quantity("bottom", (other,))
        if isinstance(one, Ceiling):
            return Quantity("gap", (other, one))
    if isinstance(a, Wall) and isinstance(b, Wall):
        return None
    if name in ("distance", "gap") and isinstance(b, Viewer):
        return Quantity("distance", (b, a))
    if isinstance(a, Viewer) and name == "gap":
        return Quantity("distance", (a, b))
    if isinstance(a, Wall):
        a, b = b, a
    if isinstance(b, Wall) and not isinstance(a, Viewer):
        return Quantity("gap", (a, b))
    return Quantity(name, (a, b))


def told(number: Number | None, unit: Unit = "") -> TellNumber | None:
    """Ask for a number; None where there is none."""
    return None if number is None else TellNumber(number, unit)


# Sizes of one thing -----------------------------------------------------------------------------


def size_of(quantity: QuantityName, place: Place) -> Number | None:
    """Return a size of a place; a camera's and a ceiling's height are above the floor."""
    if isinstance(place, Viewer):
        return Quantity("bottom", (place,)) if quantity == "height" else None
    if isinstance(place, Ceiling):
        return Quantity("height", (Room(),)) if quantity == "height" else None
    if isinstance(place, Floor):
        return Quantity("area", (Room(),)) if quantity == "area" else None
    if isinstance(place, Wall):
        return Quantity("height", (Room(),)) if quantity == "height" else None
    if isinstance(place, Room) and quantity in ("depth", "volume", "size"):
        sizes: dict[QuantityName, Number] = {
            "depth": Quantity("width", (place,)),
            "volume": Arithmetic(
                "product", (Quantity("area", (place,)), Quantity("height", (place,)))
            ),
            "size": Quantity("area", (place,)),
        }
        return sizes[quantity]
    return Quantity(quantity, (place,))


@rule(
    "number",
    "[all] [the|its] (DIMENSIONS) of {place:sized}",
    "{place:sized} _s (DIMENSIONS)",
    "[the] (DIMENSIONS) {place:sized} has",
)
def _dimensions(place: Place) -> Number | None:
    return None if isinstance(place, Viewer | Ceiling | Wall) else Quantity("size", (place,))


@rule("number", "{place:sized} (DIMENSIONS)", cost=1.0)
def _terse_dimensions(place: Place) -> Number | None:
    return None if isinstance(place, Viewer | Ceiling | Wall) else Quantity("size", (place,))


@rule("sized", "{thing}", "{thing:room}", "{thing:me}", "[the] ceiling", "{thing:wall}")
def _sized(thing: Place | None = None) -> Place:
    return Ceiling() if thing is None else thing


@rule(
    "number",
    "[the] [length of the] (longest|largest|greatest) (dimension|extent) [,] [SIDE SIDE or"
    " SIDE] [,] of {place:thing}",
)
def _longest_dimension(place: Things) -> Number:
    sides: tuple[QuantityName, ...] = ("width", "depth", "height")
    return Arithmetic("greatest", tuple(Quantity(side, (place,)) for side in sides))


@rule("number", "[the] (measurement|measure|value) of {number:operand}")
def _measurement_of(number: Number) -> Number:
    return number


@rule(
    "number",
    "[the|a|its] [PLAIN] {quantity:size_noun} (of|taken up by|covered by|occupied by)"
    " {place:sized}",
    "{place:sized} _s [PLAIN] {quantity:size_noun}",
    "[the] {quantity:size_noun} that {place:sized} (has|have)",
    "[the] {quantity:size_noun} (measurement|value) of {place:sized}",
)
def _size_of(quantity: QuantityName, place: Place) -> Number | None:
    return size_of(quantity, place)


@rule(
    "number",
    "{place:sized} {quantity:size_noun}",
    "{quantity:size_noun} {place:sized}",
    cost=1.0,
)
def _terse_size(quantity: QuantityName, place: Place) -> Number | None:
    return size_of(quantity, place)


@rule(
    "number",
    "how {quantity:size_adjective} {place:sized} (BE|STAND)",
    "how {quantity:size_adjective} (is|are) {place:sized}",
)
def _how_tall(quantity: QuantityName, place: Place) -> Number | None:
    return size_of(quantity, place)


# Heights above the floor ------------------------------------------------------------------------

_TOP = (
    "(top|upper edge|upper side|upper end|top edge|top side|upper surface|top surface|highest point"
    "|tip|top end)"
)
_BOTTOM = (
    "(bottom|lower edge|lower side|underside|lower end|bottom edge|lowest point|bottom side|base"
    "|lower surface)"
)
_ABOVE_FLOOR = "(above|from|off|over|to) [the] (floor|ground)"


@rule(
    "number",
    f"[the] [height of] [the] {_TOP} of {{thing}} [height] [{_ABOVE_FLOOR}]",
    f"[the] height of {{thing}} _s {_TOP} [{_ABOVE_FLOOR}]",
    f"[the] {_TOP} height of {{thing}}",
    f"{{thing}} _s {_TOP} [height]",
    f"[the] (height|distance) [of] [the] {_TOP} of {{thing}} [{_ABOVE_FLOOR}]",
)
def _top(thing: Things) -> Number:
    return Quantity("top", (thing,))


@rule(
    "number",
    f"[the] [height of] [the] {_BOTTOM} of {{thing}} [height] [{_ABOVE_FLOOR}]",
    f"[the] {_BOTTOM} height of {{thing}}",
    f"[the] height of {{thing}} {_ABOVE_FLOOR}",
    f"{{thing}} _s (height|elevation) {_ABOVE_FLOOR}",
    "[the] elevation of {thing}",
    f"[the] (height|elevation|altitude) {_ABOVE_FLOOR} of {{thing}}",
    f"[the] height at which {{thing}} (hangs|is|stands|is mounted|sits) [{_ABOVE_FLOOR}]",
)
def _bottom(thing: Things) -> Number:
    return Quantity("bottom", (thing,))


@rule(
    "number",
    f"[the] [mounting] height of {{me}} {_ABOVE_FLOOR}",
    "[the|your|my] [mounting|installation|viewing] height of [the|your|my|this]"
    f" (camera|robot|lens|eye|eyes) [{_ABOVE_FLOOR}]",
    "[the|your|my] camera height",
    "(your|my) [camera] height",
    "[the] (camera|lens|eye|sensor) _s height [above the (floor|ground)]",
    "[the|your] eye level",
)
def _camera_height(me: Place | None = None) -> Number:
    return Quantity("bottom", (Viewer(),))


@rule(
    "number",
    "[the] (ceiling|room) height",
    "[the] height of [the|this|your|our] (ceiling|walls|wall|room)",
    "[the] height of the ceiling above the (floor|ground)",
)
def _ceiling_height() -> Number:
    return Quantity("height", (Room(),))


@rule(
    "number",
    f"[the] [distance|space|GAP] [between] [the] {_TOP} of {{thing}} (and|to|from) [the] ceiling",
    f"[the] (distance|space|GAP) from [the] {_TOP} of {{thing}} to the ceiling",
)
def _to_ceiling(thing: Things) -> Number:
    return Quantity("gap", (thing, Ceiling()))


# Between two ------------------------------------------------------------------------------------


@rule("place_pair", "{a:place} (and|to|from|with) {b:place}")
@rule("place_pair", "{a:thing} (,|-) {b:thing}", cost=0.2)
def _place_pair(a: Place, b: Place) -> tuple[Place, Place]:
    return (a, b)


@rule("place_pair", "{pair:set_pair}", cost=0.2)
def _thing_pair(pair: tuple[Place, Place]) -> tuple[Place, Place]:
    return pair


@rule(
    "terse_pair",
    "{a:place} [,] {b:place}",
    "{a:thing} , and {b:thing}",
    "{a:thing} or {b:thing}",
    cost=2.0,
)
def _terse_pair(a: Place, b: Place) -> tuple[Place, Place]:
    return (a, b)


def _measure(name: QuantityName, words: str) -> None:
    @rule(
        "number",
        f"[the|a|any] {words} [(that|which) (is|lies)|there is] (between|from|of)"
        " {pair:place_pair}",
        f"[the|a|any] {words} [that|which] (separating|dividing|separates|divides)"
        " {pair:place_pair}",
        f"{words} {{pair:terse_pair}}",
        f"{words} {{pair:place_pair}}",
    )
    def measured(pair: tuple[Place, Place]) -> Number | None:
        return between(*pair, name)

    @rule(
        "number",
        f"[the] {{a:thing}} , {{b:thing}} {words}",
        f"[the] {{a:thing}} {{b:thing}} {words}",
        f"{{a:thing}} (to|and) {{b:thing}} {words}",
        f"[the] {{a:wall}} (to|and) {{b:thing}} {words}",
        f"[the] {{a:thing}} (to|and) {{b:wall}} {words}",
        cost=1.0,
    )
    def terse(a: Place, b: Place) -> Number | None:
        return between(a, b, name)


_measure("distance", "[PLAIN] DISTANCE")
_measure("gap", "(SHORTEST [DISTANCE]|[SHORTEST] GAP|[amount of] GAP)")
_measure("gap", "DISTANCE between [the] SHORTEST (points|point|parts|edges|sides)")
_measure(
    "horizontal", "(HORIZONTAL (DISTANCE|GAP)|DISTANCE (along|on|over|across) the (floor|ground))"
)
_measure(
    "vertical",
    "(VERTICAL (DISTANCE|difference|gap)|height difference|difference in elevation|(offset"
    "|distance|gap|separation) in (height|elevation))",
)


@rule("number", "DISTANCE {place}", "{place} DISTANCE", cost=1.5)
@rule(
    "number",
    "[the] [PLAIN] DISTANCE (to|until|till|towards) {place}",
    "[the] [PLAIN] DISTANCE (from|of) {place}",
    "{place} _s distance [from ME]",
    "{place:thing} _s (DISTANCE|GAP) (from|to) {other:place}",
    "[the] [PLAIN] DISTANCE between ME and {place}",
    "[the] [PLAIN] DISTANCE I (BE|HAVE) (from|to) {place}",
    "[the] [PLAIN] DISTANCE (that|which) (separates|divides) ME from {place}",
    "[the] [PLAIN] DISTANCE (to|of) {place} from ME",
    "[the] [PLAIN] DISTANCE from ME to {place}",
    "[the] GAP between ME and {place}",
    "[the] GAP between {place} and ME",
)
def _self_distance(place: Place, other: Place | None = None) -> Number | None:
    return between(Viewer() if other is None else other, place)


@rule("number", "[the] SHORTEST DISTANCE (to|from ME to) {wall}")
def _nearest_wall_distance(wall: Wall) -> Number | None:
    return between(Viewer(), Wall("nearest")) if wall.side == "any" else None


@rule("number", "[from] {a:thing} to {b:thing}", cost=2.0)
def _terse_from_to(a: Things, b: Things) -> Number | None:
    return between(a, b)


@rule(
    "number",
    "[the] (HORIZONTAL DISTANCE) (to|of) {place}",
    "[the] DISTANCE (to|of) {place} HORIZONTALLY",
)
def _self_horizontal(place: Place) -> Number | None:
    return between(Viewer(), place, "horizontal")
