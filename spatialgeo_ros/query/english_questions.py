# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is asked: numbers, yes or no, which, how many, lists, order, attributes."""

from __future__ import annotations

from dataclasses import replace

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_numbers import between, size_of
from spatialgeo_ros.query.english_things import Phrase, Ranking, distance_to
from spatialgeo_ros.query.program import (
    Arithmetic,
    Ceiling,
    Comparator,
    Compare,
    Condition,
    Constant,
    Count,
    Everything,
    Exists,
    Except,
    Filter,
    Has,
    It,
    Not,
    Number,
    Place,
    Program,
    Quantity,
    QuantityName,
    Rank,
    Related,
    Room,
    TellAttribute,
    TellNumber,
    TellObjects,
    TellWhether,
    TellWhich,
    The,
    Things,
    Union,
    Unit,
    Viewer,
    Wall,
)
from spatialgeo_ros.query.program_edit import about
from spatialgeo_ros.query.units import kind_of

rule = grammar.rule


def tell(number: Number | None, unit: Unit = "") -> TellNumber | None:
    """Ask for a number; None where there is none."""
    return None if number is None else TellNumber(number, unit)


# Numbers ----------------------------------------------------------------------------------------


@rule("core", "WHAT [BE|would be|might be] {number}", "what {number} (is|are)", "(calculate|compute|estimate|measure|determine|find|provide"
      "|specify|get|TELL) [me|us] {number}", "what (do|would|can) you (say|think|estimate) [is] {number} [is]", "how much (is|are|BE) {number}",
      "how (big|large|wide|great|long|much) (is|are|BE) {number}", "how much {number} (is|are|BE) [there]",
      "I (need|want|would like|wish|have) [to know] {number}")  # fmt: skip
def _what_number(number: Number) -> Program | None:
    return tell(number)


@rule("core", "{number}", cost=0.8)
def _bare_number(number: Number) -> Program | None:
    return tell(number)


@rule("core", "what {quantity:size_noun} (does|do|has|have|is|are) {place:sized} [have]",
      "{place:sized} (has|have) what {quantity:size_noun}", "[what|which] {quantity:size_noun} (has|have) {place:sized}")  # fmt: skip
def _what_size(quantity: QuantityName, place: Place) -> Program | None:
    return tell(size_of(quantity, place))


@rule("core", "how {quantity:size_adjective} (BE|STAND|would be|do you think BE) {place:sized}", "how {quantity:size_adjective} {place:sized}",
      "how {quantity:size_adjective} BE {place:sized} (really|exactly|actually)")  # fmt: skip
def _how_big(quantity: QuantityName, place: Place) -> Program | None:
    return tell(size_of(quantity, place))


@rule("core", "measure {place:sized}", "(measure|give me|tell me|what BE) [the] (size and dimensions|measurements) of {place:sized}")
def _measure(place: Place) -> Program | None:
    number = Quantity("size", (place,)) if not isinstance(place, Viewer | Ceiling | Wall) else None
    return tell(number)


@rule("core", "how (big|large) BE {place:room} , [in] (length and width|width and length|length width and height|width length and height|both length and width)", "WHAT BE [the] (dimensions|length and width|width and length|measurements"
      "|length width and height|size and height) of {place:room}", "what dimensions does {place:room} have", "{place:room} dimensions",
      "[what BE] {place:room} _s (dimensions|measurements)")  # fmt: skip
def _room_size(place: Place) -> Program:
    return TellNumber(Quantity("size", (place,)))


@rule("core", "how many {unit} (does|do|has|have|BE) {place:sized} [have|take up|cover|occupy|need|contain|hold]",
      "how many {unit} (BE|BE there in|BE in) {place:sized}", "how many {unit} of (floor|space|area|floor space|room) (does|do) {place:sized} (have|take up|cover|occupy|need)")  # fmt: skip
def _how_many_square(unit: Unit, place: Place) -> Program | None:
    quantity: QuantityName | None = {"area": "area", "volume": "volume"}.get(kind_of(unit))  # type: ignore[assignment]
    return None if quantity is None else tell(size_of(quantity, place), unit)


@rule("core", "how many {unit} {quantity:size_adjective} BE {place:sized}", "how many {unit} BE {place:sized} {quantity:size_adjective}",
      "how many {unit} BE [the] {quantity:size_noun} of {place:sized}", "how many {unit} in {quantity:size_noun} BE {place:sized}")  # fmt: skip
def _how_many_tall(unit: Unit, quantity: QuantityName, place: Place) -> Program | None:
    return tell(size_of(quantity, place), unit)


@rule("core", "how much (floor space|floor|space|area|floor area|room|ground) (does|do) {place:sized} (take up|need|cover|occupy|use|take|have|fill)",
      "how much (floor space|floor area|floor|ground) BE (taken up|covered|occupied) by {place:sized}", "how much floor BE under {place:sized}",
      "how (big|large) [an area] (does|do) {place:sized} (cover|take up|occupy)")  # fmt: skip
def _floor_space(place: Place) -> Program | None:
    return tell(size_of("area", place))


@rule("core", "how much volume (does|do) {place:sized} (take up|have|occupy|fill|need)", "how (voluminous|bulky) BE {place:sized}")
def _volume(place: Place) -> Program | None:
    return tell(size_of("volume", place))


@rule("core", "how far (does|do) {place:thing} (go|reach|extend|stretch) (front to back|from front to back|backwards|back)")
def _front_to_back(place: Things) -> Program:
    return TellNumber(Quantity("depth", (place,)))


@rule("core", "how far (does|do) {place:thing} (go|reach|extend|stretch) [from] (side to side|left to right|sideways)")
def _side_to_side(place: Things) -> Program:
    return TellNumber(Quantity("width", (place,)))


@rule("core", "how far up (does|do) {place:thing} (go|reach|extend)", "how high (does|do) {place:thing} (go|reach|extend|rise)",
      "how high [up] (is|are) [the] (top|upper edge|tip) of {place:thing} [(above|from|off|over) the (floor|ground)]",
      "at (what|which) height (is|are) [the] (top|upper edge|upper side|top edge|tip) of {place:thing}",
      "how far (from|above|off) the (floor|ground) (is|are) [the] (top|upper edge|upper side|top edge|tip) of {place:thing}",
      "how far (is|are) [the] (top|upper edge|upper side|top edge|tip) of {place:thing} (from|above|off) the (floor|ground)")  # fmt: skip
def _how_high_top(place: Things) -> Program:
    return TellNumber(Quantity("top", (place,)))


_LOW = "(bottom|lower edge|underside|lower side|bottom edge|base|lower end)"
_OFF = "(above|from|off|over) the (floor|ground)"


@rule("core", f"how (high|far) [up] (BE|STAND|hangs|does) [the] [{_LOW} of] {{place:thing}} [hang|STAND|hung|mounted] {_OFF}",
      f"how (high|far) {_OFF} (BE|does|do) [the] [{_LOW} of] {{place:thing}} [hang|STAND|hung|mounted]",
      f"how high [up] (BE|does|do) [the] {_LOW} of {{place:thing}} [hang]", "how high [up] (does|do) {place:thing} (hang|start|begin)",
      "how high up BE {place:thing} [hung|mounted|hanging]", f"at (what|which) height {_OFF} (BE|does|do) {{place:thing}} [hang|mounted|STAND|start]",
      "at (what|which) height (BE|does|do) {place:thing} (hang|hanging|mounted|start|begin)", f"at (what|which) height BE [the] {_LOW} of {{place:thing}}",
      f"at (what|which) height (BE|does|do|STAND) {{place:thing}} [STAND] [{_OFF}]", "what BE under {place:thing} _s height")  # fmt: skip
def _how_high_bottom(place: Things) -> Program:
    return TellNumber(Quantity("bottom", (place,)))


@rule("core", f"how high [up] (BE|STAND) [your|the|my] {{me}} [{_OFF}]", f"how (high|far) [up] BE (your|the|my) (camera|eye|eyes|lens) [{_OFF}]",
      "at (what|which) height (BE|STAND) [your|the] {me} [mounted|STAND]", f"how far {_OFF} BE {{me}}", f"how far BE {{me}} {_OFF}")  # fmt: skip
def _camera_high(me: Place | None = None) -> Program:
    return TellNumber(Quantity("bottom", (Viewer(),)))


@rule("core", "how (high|tall) BE (the|this) (ceiling|room)", "how far up BE the ceiling")
def _ceiling_high() -> Program:
    return TellNumber(Quantity("height", (Room(),)))


@rule("core", "how far (below|under|beneath|from) the ceiling (BE|does|do) [the] [top of] {place:thing} [hang|end|STAND]",
      "how far BE [the] [top of] {place:thing} (below|under|beneath|from) the ceiling", "how much (space|room|GAP) BE [there|left] (above|over|on top of) {place:thing}",
      "how much GAP BE [there|left] between [the top of] {place:thing} and the ceiling")  # fmt: skip
def _below_ceiling(place: Things) -> Program:
    return TellNumber(Quantity("gap", (place, Ceiling())))


@rule("core", "how much GAP BE [there|left] (under|below|underneath|beneath) {place:thing}", "how (high|much) BE [the] (space|room|gap|clearance) (under|below|underneath|beneath) {place:thing}",
      "[what BE] [the] (clearance|space|headroom|free height|gap) (under|below|underneath|beneath) {place:thing}")  # fmt: skip
def _clearance(place: Things) -> Program:
    return TellNumber(Quantity("clearance", (place,)))


# Distances --------------------------------------------------------------------------------------

_DIST = "(BE|STAND|stands|lies|does|do|would be|BE it to|BE the way to|do you think BE)"


@rule("core", f"how far [away|off|out|distant] {_DIST} {{place}} [STAND|EXACTLY] [AWAY] [FROM ME|from WHERE_I_AM|WHERE_I_AM|from here] [NOW]",
      f"how far [away|off] FROM ME {_DIST} {{place}} [STAND]", "how (close|near) (BE|STAND|does|do) {place} [STAND] [to ME]",
      "how (close|near) BE ME to {place}", "how far [away] BE ME (from|to) {place}", "how far [BE it] [from ME] to {place}", "how far BE it (from ME to|to) {place} [from ME]",
      "how far to {place}", "how (close|near) to {place} BE ME", "how far [away] {place}", "how much (distance|space|room) BE [there|left] (to|until|before) {place}",
      "how much (distance|space) BE [there] between ME and {place}", "how much (distance|space) BE [there] between {place} and ME",
      "how (distant|remote) BE {place} [from ME]", "how far BE ME away from {place}", "how long BE (the way|it|the distance) to {place}", "how far BE it until {place}",
      "how far can you (see|measure) to {place}", "what BE [the] (range|distance) (to|of) {place}", "how far (did|do|would) you (say|estimate|think) [that] {place} BE [AWAY]",
      "how far from ME BE {place}", "how many {unit} [away] BE {place} [AWAY] [FROM ME]", "how many {unit} AWAY BE {place}", "how many {unit} (BE|BE there|BE it) [left] (to|until|till) {place}",
      "how many {unit} BE it [from ME] (to|until) {place}", "(how much|how many) {unit} [BE it] (until|till|to|up to) {place}", "how many {unit} (from|between) ME (to|and) {place}",
      "how many {unit} BE ME [AWAY] from {place}", "how many {unit} BE {place} FROM ME")  # fmt: skip
def _how_far(place: Place, unit: Unit = "", me: Place | None = None) -> Program | None:
    if unit and kind_of(unit) != "length":
        return None
    return tell(between(Viewer(), place), unit)


@rule("core", f"how far [away|apart] {_DIST} {{a:place}} [STAND|EXACTLY] [AWAY] (from|to|and|off) {{b:place}} [STAND|AWAY|BE] [from each other]",
      "how (close|near) (BE|STAND) {a:place} [STAND] (to|and) {b:place}", f"how far [away|apart] FROM {{b:place}} {_DIST} {{a:place}} [STAND]",
      f"how far [apart|away from each other|from each other|from one another] {_DIST} {{pair:place_pair}} [STAND] [apart|AWAY] [from each other|from one another|of each other]",
      "how far {a:place} (from|to) {b:place}", "how far [BE it] from {a:place} to {b:place}", "how much distance (BE|BE there|lies|separates) [between] {pair:place_pair}",
      "how much distance (separates|divides) {pair:place_pair}", "how (close|near) [together] BE {pair:place_pair} [together|to each other|to one another]",
      "how many {unit} (BE|does) {a:place} [STAND] [AWAY] (from|to) {b:place}", "how many {unit} [apart|AWAY] BE {pair:place_pair} [apart|AWAY] [from each other]", "how many {unit} (BE|BE there|lie|lies|BE it) between {pair:place_pair}",
      "how many {unit} (separate|separates) {pair:place_pair}", "how many {unit} [BE it] from {a:place} to {b:place}", "what separates {pair:place_pair} in {unit}",
      "(distance|how far) {pair:place_pair}", "how wide apart BE {pair:place_pair}")  # fmt: skip
def _how_far_apart(
    a: Place | None = None,
    b: Place | None = None,
    pair: tuple[Place, Place] | None = None,
    unit: Unit = "",
) -> Program | None:
    if unit and kind_of(unit) != "length":
        return None
    first, second = pair if pair is not None else (a, b)
    return None if first is None or second is None else tell(between(first, second), unit)


@rule("core", f"how far [apart] {_DIST} {{a:place}} (from|to|and) {{b:place}} [STAND] [apart|AWAY] HORIZONTALLY", f"how far [apart] {_DIST} {{pair:place_pair}} [STAND] [apart] HORIZONTALLY",
      f"HORIZONTALLY [how far] [apart] [how far] {_DIST} {{a:place}} (from|and) {{b:place}} [apart]", f"HORIZONTALLY how far [apart] {_DIST} {{pair:place_pair}} [apart]",
      f"how far [apart] HORIZONTALLY {_DIST} {{a:place}} (from|and) {{b:place}}", f"how far [apart] HORIZONTALLY {_DIST} {{pair:place_pair}} [apart]",
      "HORIZONTALLY what BE [the] DISTANCE (between|from) {a:place} (and|to) {b:place}", "what BE [the] DISTANCE (between|from) {a:place} (and|to) {b:place} HORIZONTALLY")  # fmt: skip
def _horizontally(a: Place | None = None, b: Place | None = None, pair: tuple[Place, Place] | None = None) -> Program | None:
    first, second = pair if pair is not None else (a, b)
    return None if first is None or second is None else tell(between(first, second, "horizontal"))


@rule("core", f"how far [apart] {_DIST} {{a:place}} (from|to|and) {{b:place}} [STAND] [apart|AWAY] VERTICALLY", f"how far [apart] {_DIST} {{pair:place_pair}} [STAND] [apart] VERTICALLY",
      f"VERTICALLY how far [apart] {_DIST} {{a:place}} (from|and) {{b:place}} [apart]", f"VERTICALLY how far [apart] {_DIST} {{pair:place_pair}} [apart]",
      f"how far [apart] VERTICALLY {_DIST} {{pair:place_pair}} [apart]", "what BE [the] DISTANCE (between|from) {a:place} (and|to) {b:place} VERTICALLY",
      "how (much|big) (BE|does) [the] (height|elevation) (difference|differ) (between|of) {pair:place_pair}")  # fmt: skip
def _vertically(a: Place | None = None, b: Place | None = None, pair: tuple[Place, Place] | None = None) -> Program | None:
    first, second = pair if pair is not None else (a, b)
    return None if first is None or second is None else tell(between(first, second, "vertical"))


@rule("core", f"how far HORIZONTALLY {_DIST} {{place}} [AWAY] [from ME]", f"how far {_DIST} {{place}} [AWAY] [from ME] HORIZONTALLY")
def _self_horizontally(place: Place) -> Program | None:
    return tell(between(Viewer(), place, "horizontal"))


@rule("core", "how (much|big|wide|large) [of a] [SHORTEST] GAP (BE|BE there|do I have|lies|remains|exists|would BE) [there|left] [free] between {pair:place_pair} [free|left]",
      "how (big|wide|large) BE the (GAP|SHORTEST DISTANCE) between {pair:place_pair}", "how wide BE it between {pair:place_pair}", "how much GAP between {pair:place_pair}",
      "how much GAP (do|does) {pair:place_pair} (leave|have) between them", "how far apart (BE|STAND) [the] (closest|nearest) (points|parts|sides|edges) of {pair:place_pair}",
      "[the] (closest|nearest) (points|parts|edges) of {pair:place_pair} , how far apart [BE they]", "what BE [the] SHORTEST [DISTANCE|way] (between|from) {pair:place_pair}",
      "how close do {pair:place_pair} (come|get) to each other", "how far BE {pair:place_pair} apart at (the|their) (closest|nearest) (point|points)",
      "how far apart BE {pair:place_pair} at (the|their) (closest|nearest) (point|points)", "I WANT_TO PLACE {ignored:things} (in|into|through) [the] GAP between {pair:place_pair} ; how much GAP (do I have|BE there|have I|BE left) [there|for it]")  # fmt: skip
def _gap(pair: tuple[Place, Place], ignored: Things | None = None) -> Program | None:
    return tell(between(*pair, "gap"))


_GO = "(drive|go|walk|travel|move|roll|ride|get|navigate|head|run|cover|come|advance)"


@rule("core", f"how (far|much|long) [further] (DO|have|has|need|needs|BE|must) {{me:actor}} [have|need] [to] {_GO} [straight|in order] [to] [{_GO}|reach|arrive] [to|at] {{place}}",
      f"how far (BE|would|will) [it|the way|the drive|the walk] (for|to) [{{me:actor}}] [to] {_GO} to {{place}}", f"how many {{unit}} (DO|have|has|need|must) {{me:actor}} [have|need] [to] {_GO} [straight] [to] [{_GO}|reach|arrive] [to|at] {{place}}",
      f"how far (BE|would BE) the (drive|way|path|walk|route|trip) [from ME] to {{place}}", f"if {{me:actor}} {_GO} [straight|directly] to {{place}} , how (far|long) (BE|would BE|will BE) (that|it|the way)",
      f"how far to {_GO} to {{place}}", f"how long BE the (drive|way|path|walk|route|trip) [from ME] to {{place}}", f"[what BE] [the] (driving|walking|travel|travelling|path) DISTANCE [from ME] to {{place}}",
      f"what DISTANCE (DO|must|have|need) {{me:actor}} [have|need] [to] {_GO} [to] [reach|get] [to] {{place}}")  # fmt: skip
def _drive(place: Place, me: object = None, unit: Unit = "") -> Program | None:
    if unit and kind_of(unit) != "length" or isinstance(place, Viewer):
        return None
    return tell(Quantity("drive", (Viewer(), place)), unit)


@rule("actor", "I", "ME")
def _actor() -> str:
    return "viewer"


# Comparisons ------------------------------------------------------------------------------------


@rule("compared", "{comparative}")
def _compared(comparative: Ranking) -> Ranking:
    return comparative


@rule("core", "(how much|by how much) [more] {compared} (BE|STAND) {a:thing} [STAND] THAN {b:thing} [BE]", "(how much|by how much) (BE|STAND) {a:thing} {compared} THAN {b:thing}",
      "(by how many|how many) {unit} (BE|STAND) {a:thing} {compared} THAN {b:thing}", "(by how many|how many) {unit} {compared} (BE|STAND) {a:thing} THAN {b:thing}",
      "how much {compared} THAN {b:thing} BE {a:thing}", "{a:thing} BE how much {compared} THAN {b:thing}", "(by how many|how many) {unit} {compared} THAN {b:thing} BE {a:thing}")  # fmt: skip
def _how_much_more(compared: Ranking, a: Things, b: Things, unit: Unit = "") -> Program | None:
    number = _difference(compared, a, b, None)
    return None if number is None or (unit and kind_of(unit) not in ("length", "area", "volume")) else tell(number, unit)


@rule("core", "(how much|by how much) {compared} to {c:place} BE {a:thing} THAN {b:thing} [BE]", "(how much|by how much) BE {a:thing} {compared} to {c:place} THAN {b:thing}",
      "(by how many|how many) {unit} BE {a:thing} {compared} to {c:place} THAN {b:thing}", "(how much|by how much) {compared} from {c:place} BE {a:thing} THAN {b:thing}")  # fmt: skip
def _how_much_closer(compared: Ranking, a: Things, b: Things, c: Place, unit: Unit = "") -> Program | None:
    return None if compared.quantity != "distance" else tell(_difference(compared, a, b, c), unit)


def _difference(compared: Ranking, a: Place, b: Place, anchor: Place | None) -> Number | None:
    """How much more of a quantity the first has; higher and lower go by the centres."""
    if compared.quantity in ("top", "bottom"):
        pair = (a, b) if compared.descending else (b, a)
        return Quantity("higher_by", pair)
    if compared.quantity == "bearing":
        return None
    number = replace(compared, anchor=anchor).number()
    first, second = (about(number, one) for one in (a, b))
    return Arithmetic("difference", (first, second) if compared.descending else (second, first))


@rule("core", "(how far|how much|by how many {unit}|how many {unit}) [higher] (above|over) {b:thing} BE {a:thing}", "how (far|much) BE {a:thing} [higher] (above|over) {b:thing}",
      "(by how many|how many) {unit} BE {a:thing} [higher] (above|over) {b:thing}")  # fmt: skip
def _how_far_above(a: Things, b: Things, unit: Unit = "") -> Program | None:
    return tell(Quantity("higher_by", (a, b)), unit)


@rule("core", "(how far|how much|how many {unit}) (below|under|beneath) {b:thing} BE {a:thing}", "how (far|much) BE {a:thing} (below|under|beneath) {b:thing}",
      "(by how many|how many) {unit} BE {a:thing} (below|under|beneath) {b:thing}")  # fmt: skip
def _how_far_below(a: Things, b: Things, unit: Unit = "") -> Program | None:
    return tell(Quantity("higher_by", (b, a)), unit)


@rule("core", "how many times [as|more|so] {plain:plain_size} [as] (BE|STAND) {a:thing} (as|than|compared to|to) {b:thing}", "how many times (as|so) {plain:plain_size} as {b:thing} (BE|STAND) {a:thing}",
      "how many times {compared} (BE|STAND) {a:thing} THAN {b:thing}", "how many times (BE|STAND) {a:thing} [as] {plain:plain_size} as {b:thing}", "how many times {compared} THAN {b:thing} BE {a:thing}",
      "how many times BE {a:thing} {compared} THAN {b:thing}", "{a:thing} BE how many times as {plain:plain_size} as {b:thing}", "by (what|which) factor BE {a:thing} {compared} THAN {b:thing}",
      "how much {plain:compared} BE {a:thing} THAN {b:thing} (as a|in) (factor|ratio)")  # fmt: skip
def _how_many_times(a: Things, b: Things, plain: Ranking | None = None, compared: Ranking | None = None) -> Program | None:
    said = plain or compared
    if said is None or said.quantity == "bearing":
        return None
    first, second = (about(said.number(), one) for one in (a, b))
    return TellNumber(Arithmetic("ratio", (first, second)))


@rule("core", "how many times does {b:thing} fit (into|in|inside) {a:thing} by {quantity:size_noun}", "what BE [the] {quantity:size_noun} ratio (of|between) {a:thing} (to|and) {b:thing}",
      "[what BE] [the] ratio (of|between) the {quantity:sizes_plural} of {a:thing} (to|and) {b:thing}", "[what BE] [the] ratio of how {quantity:size_adjective} {a:thing} is to how {quantity:size_adjective} {b:thing} is",
      "[what BE] [the] ratio between how {quantity:size_adjective} {a:thing} is and how {quantity:size_adjective} {b:thing} is")  # fmt: skip
def _size_ratio(a: Things, b: Things, quantity: QuantityName) -> Program:
    return TellNumber(Arithmetic("ratio", (Quantity(quantity, (a,)), Quantity(quantity, (b,)))))


@rule("core", "how many more {a:plural} than {b:plural} BE there [IN_ROOM]", "how many more {a:plural} BE there than {b:plural}", "how many more {a:plural} than {b:plural} (do|can|did|have) I (see|have|know|seen|know of)")
def _count_difference(a: Things, b: Things) -> Program:
    return TellNumber(Arithmetic("difference", (Count(a), Count(b))))


@rule("core", "how many fewer {a:plural} than {b:plural} BE there [IN_ROOM]", "how many fewer {a:plural} BE there than {b:plural}")
def _count_shortfall(a: Things, b: Things) -> Program:
    return TellNumber(Arithmetic("difference", (Count(b), Count(a))))


# Yes or no --------------------------------------------------------------------------------------


def whether(condition: Condition | None) -> TellWhether | None:
    """Ask whether a condition holds."""
    return None if condition is None else TellWhether(condition)


@rule("core", "BE [it true that] {subject:thing} [EXACTLY] {predicate:predicates}", "(do|does|did|can|could|would) [you see] {subject:thing} (STAND|be|have|look|seem|appear) [to be] {predicate:predicates}",
      "(do|does|did|would) {subject:thing} {predicate:verb_predicate}", "BE there {subject:the_thing} {predicate:relation}")  # fmt: skip
def _is_it(subject: Things, predicate: Condition) -> Program | None:
    return whether(about(predicate, subject))


@rule("core", "{subject:thing} (BE|STAND|seems|looks) [EXACTLY] {predicate:predicates}", cost=1.0)
def _statement(subject: Things, predicate: Condition) -> Program | None:
    return whether(about(predicate, subject))


@rule("core", "{subject:thing} {predicate:verb_predicate}", cost=1.0)
def _verb_statement(subject: Things, predicate: Condition) -> Program | None:
    return whether(about(predicate, subject))


@rule("core", "BE [the] (colour|color) of {subject:thing} {colour}", "(does|do) {subject:thing} have [the|a] (colour|color) {colour}", "(has|have) {subject:thing} [the|a] (colour|color) {colour}",
      "(does|do) {subject:thing} have [a] {colour} (colour|color)")  # fmt: skip
def _is_colour(subject: Things, colour: str) -> Program:
    return TellWhether(Has(subject, "colour", colour))


@rule("core", "(BE|does|do) {me} [STAND] {predicate:relation}", "{me} (BE|STAND) {predicate:relation}")
def _am_i(me: Place, predicate: Condition) -> Program | None:
    """"Are you within 2 m of the door": the same as whether the door is within 2 m."""
    if isinstance(predicate, Compare) and isinstance(predicate.left, Quantity):
        places = [one for one in predicate.left.of if not isinstance(one, It)]
        if predicate.left.name == "gap" and len(places) == 1:
            return whether(Compare(Quantity("distance", (Viewer(), places[0])), predicate.comparator, predicate.right))
        return None
    if isinstance(predicate, Related) and len(predicate.anchors) == 1:
        anchor = predicate.anchors[0]
        if predicate.relation == "beside":
            return whether(Related("beside", anchor, (Viewer(),)))
    return None


@rule("core", "(BE|do|does) {pair} (touch|touching|in contact) [each other|one another]", "(do|does) {pair} (touch|meet) [each other]", "BE {pair} (touching|in contact) [with] [each other]")
def _touch(pair: tuple[Things, Things]) -> Program:
    return TellWhether(Related("touching", pair[0], (pair[1],)))


@rule("core", "BE {pair} [EXACTLY] (next to|beside|near|close to|close) [to] [each other|one another|together]", "BE {pair} close together", "(do|does) {pair} stand (next to|close to|near|beside) each other")
def _next_to_each_other(pair: tuple[Things, Things]) -> Program:
    return TellWhether(Related("beside", pair[0], (pair[1],)))


@rule("core", "BE {pair} [EXACTLY] {comparator:more_than} {amount} (apart|AWAY from each other|from each other|away from one another)", "(do|does) {pair} stand {comparator:more_than} {amount} apart",
      "BE {pair} [EXACTLY] (within) {amount} [of each other|of one another]", "BE [the] [PLAIN] DISTANCE (between|from) {pair:place_pair} {comparator:more_than} {amount}",
      "BE there {comparator:more_than} {amount} [of] [GAP|distance] between {pair:place_pair}", "(do|does) {pair} have {comparator:more_than} {amount} between them",
      "BE [the] GAP between {pair:place_pair} {comparator:more_than} {amount} [wide]")  # fmt: skip
def _apart(pair: tuple[Things, Things], amount: Constant, comparator: Comparator = "<=") -> Program | None:
    number = between(*pair, "gap")
    return None if number is None else whether(Compare(number, comparator, amount))


@rule("core", "BE {pair} (closer|nearer) [together] than {amount} [to each other|together|apart|to one another]", "BE {pair} less than {amount} from each other")
def _closer_together(pair: tuple[Things, Things], amount: Constant) -> Program | None:
    number = between(*pair, "gap")
    return None if number is None else whether(Compare(number, "<", amount))


@rule("core", "BE {pair} (farther|further) [apart|away] than {amount} [apart|from each other]")
def _farther_apart(pair: tuple[Things, Things], amount: Constant) -> Program | None:
    number = between(*pair, "gap")
    return None if number is None else whether(Compare(number, ">", amount))


@rule("core", "BE [the] {quantity:size_noun} of {place:sized} {comparator:more_than} {amount}", "BE {place:room} {comparator:more_than} {amount} {quantity:extent_adjective}",
      "(does|do) {place:sized} have a {quantity:size_noun} of {comparator:more_than} {amount}", "BE [the] {quantity:size_noun} of {place:sized} {comparator:size_compared} than {amount}")  # fmt: skip
def _size_limit(quantity: QuantityName, place: Place, comparator: Comparator, amount: Constant) -> Program | None:
    number = size_of(quantity, place)
    return None if number is None else whether(Compare(number, comparator, amount))


@rule("size_compared", "(greater|bigger|larger|higher|longer)")
def _greater() -> Comparator:
    return ">"


@rule("size_compared", "(smaller|less|lower|shorter)")
def _smaller() -> Comparator:
    return "<"


@rule("core", "BE [the] DISTANCE (to|from ME to) {place} {comparator:more_than} {amount}", "BE [the] DISTANCE (to|from ME to) {place} {comparator:size_compared} than {amount}", "BE it {comparator:more_than} {amount} to {place}")
def _distance_limit(place: Place, comparator: Comparator, amount: Constant) -> Program | None:
    number = between(Viewer(), place)
    return None if number is None else whether(Compare(number, comparator, amount))


@rule("core", "BE [the] [PLAIN] DISTANCE (between|from) {pair:place_pair} {comparator:size_compared} than {amount}", "BE [the] GAP between {pair:place_pair} {comparator:size_compared} than {amount}",
      "BE [the] GAP between {pair:place_pair} (wider) than {amount}")  # fmt: skip
def _distance_compared(pair: tuple[Place, Place], amount: Constant, comparator: Comparator = ">") -> Program | None:
    number = between(*pair, "gap")
    return None if number is None else whether(Compare(number, comparator, amount))


@rule("core", "BE {a:number} [EXACTLY] {comparator:size_compared} than {b:number}", "BE {a:number} [EXACTLY] (greater|larger|bigger) than {b:number}", cost=0.5)
def _numbers_compared(a: Number, b: Number, comparator: Comparator = ">") -> Program:
    return TellWhether(Compare(a, comparator, b))


@rule("core", "BE {a:thing} [EXACTLY] {ranking:superlative} [OBJ|of all] [IN_ROOM]", "BE {a:thing} the {ranking:superlative} [OBJ] (to|from) {anchor:place}", "BE {a:thing} the {ranking:superlative} {of:thing_set}")
def _is_the_most(a: Things, ranking: Ranking, anchor: Place | None = None, of: Things | None = None) -> Program | None:
    """"Is the sofa the biggest object?": whether anything else ranks before it."""
    if ranking.count != 1 or ranking.skip:
        return None
    base: Things = Everything() if of is None else of
    if anchor is not None:
        if ranking.quantity != "distance":
            return None
        ranking = replace(ranking, anchor=anchor)
        base = Except(base, anchor)  # type: ignore[arg-type]
    return TellWhether(Exists(_both(ranking.of(base), a)))


def _both(first: Things, second: Things) -> Things:
    """The objects that are in both sets."""
    return Except(first, Except(first, second))


@rule("thing_set", "{phrase}")
def _thing_set(phrase: Phrase) -> Things:
    return phrase.things


# Fits and reach ---------------------------------------------------------------------------------

_PASS = "(pass|fit|get|go|drive|squeeze|come|move|walk|roll|slip|make it)"
_BETWEEN = "[through|in|into] [the (gap|space|opening|passage)] (between|through|in between)"


@rule("wide", "{amount} (wide|in width|broad|across)", "(a|the) width of {amount}", "(with|of) [a] width [of] {amount}", "with [a] {amount} width", "{amount} [of] width", "{amount}")
def _wide(amount: Constant) -> Constant | None:
    return amount if kind_of(amount.unit) == "length" else None


@rule("passer", "[a|an|the|my|our|some|something|any] {amount} [wide|broad] {noun}", "(a|an|the|my|our|something|anything|[a] robot|[the] robot) [noun_any] {amount} (wide|broad|across|in width)",
      "[a|an|the|my|our] {noun} (with|of|that is|which is|having) [a] [width of] {amount} [width|wide|in width|broad]", "[a|an|the|my] (robot|one|base|platform) (with|of|that is|which is|having) [a] [width of] {amount} [width|wide|in width|broad]",
      "[a|an|the|my] {amount} [wide|broad] (robot|rover|base|platform|machine|something)", "(something|anything|someone|anyone) {amount} (wide|broad)", "(something|anything|someone) (that|which) is {amount} wide")  # fmt: skip
def _passer(amount: Constant, noun: object = None) -> Constant | None:
    return amount if kind_of(amount.unit) == "length" else None


grammar.rule("noun_any", "{noun}")(lambda noun: noun)


@rule("core", f"DO {{amount:passer}} [EXACTLY] [safely|easily] {_PASS} {_BETWEEN} {{pair}}", f"DO I {_PASS} {_BETWEEN} {{pair}} (if|when|with|given that) I (BE|HAVE) [a width of] {{amount:wide}}",
      f"DO I {_PASS} {_BETWEEN} {{pair}} with [a] [robot width|width] [of] {{amount:wide}}", f"BE there [enough|sufficient] (GAP|place) [enough] for {{amount:passer}} [to {_PASS}] {_BETWEEN} {{pair}}", f"BE there (enough|sufficient) (GAP|place) {_BETWEEN} {{pair}} for {{amount:passer}} [to {_PASS} [through]]",
      f"BE [the] GAP between {{pair}} (wide|big|large) enough (for|to let) {{amount:passer}} [to {_PASS}|{_PASS}] [through]", f"BE it wide enough between {{pair}} for {{amount:passer}}", f"I BE {{amount:wide}} [,] [so] DO I {_PASS} {_BETWEEN} {{pair}}",
      f"(if|when) I BE {{amount:wide}} DO I {_PASS} {_BETWEEN} {{pair}}", f"BE [the] GAP between {{pair}} at least {{amount:wide}}", f"DO {{amount:passer}} have (enough|sufficient) (GAP|place) [to {_PASS}] {_BETWEEN} {{pair}}",
      f"DO {{amount:passer}} be able to {_PASS} {_BETWEEN} {{pair}}", f"DO {{pair}} (leave|have|allow) [enough] (GAP|room) for {{amount:passer}} [between them] [to {_PASS}]", f"BE it possible (for|to) [for] {{amount:passer}} [to {_PASS}] {_BETWEEN} {{pair}}",
      f"BE {{pair}} far enough apart for {{amount:passer}} [to {_PASS}] [through|between them]", f"DO {{amount:passer}} {_PASS} through {{pair}}")  # fmt: skip
def _pass(amount: Constant, pair: tuple[Things, Things]) -> Program:
    return TellWhether(Compare(Quantity("passage", pair), ">=", amount))


@rule("core", f"BE there [enough] GAP between {{pair}} to {_PASS} with [a] {{amount:passer}}", f"DO {{amount:passer}} {_PASS} between {{a:place}} and {{wall}}")
def _pass_wall(amount: Constant, pair: tuple[Place, Place] | None = None, a: Place | None = None, wall: Wall | None = None) -> Program | None:
    both = pair or (a, wall)
    return TellWhether(Compare(Quantity("passage", both), ">=", amount)) if both[0] else None  # type: ignore[arg-type]


_UNDER = "(under|underneath|beneath|below)"


@rule("tall", "[a|an|the|my|our] {amount} (tall|high) {noun}", "[a|an|the|my|our] {noun} (with|of|that is|which is|having) [a] [height of] {amount} [height|tall|high|in height]",
      "[a|an|the|my] (robot|one|base|platform) (with|of|that is|which is|having) [a] [height of] {amount} [height|tall|high|in height]", "[a|an|the|my] {amount} (tall|high) (robot|rover|base|platform|machine|something)",
      "(something|anything|someone) [that is|which is] [of|with] {amount} (tall|high|in height|height)", "[a|an|the|my] robot {amount} (tall|high)")  # fmt: skip
def _tall_thing(amount: Constant, noun: object = None) -> Constant | None:
    return amount if kind_of(amount.unit) == "length" else None


@rule("core", f"DO {{amount:tall}} [EXACTLY] [be able to] {_PASS} [STAND] {_UNDER} {{place:thing}}", f"DO I {_PASS} {_UNDER} {{place:thing}} (if|when|with|given that) I (BE|HAVE) [a height of] {{amount}} [tall|high|in height]",
      f"BE there [enough|sufficient] (GAP|place|height) {_UNDER} {{place:thing}} for {{amount:tall}} [to {_PASS}]", f"BE {{place:thing}} high enough (for|to let) {{amount:tall}} [to {_PASS}] [{_UNDER}] [it]",
      f"DO {{amount:tall}} have (enough|sufficient) (GAP|place) {_UNDER} {{place:thing}}", f"I BE {{amount}} (tall|high) [,] [so] DO I {_PASS} {_UNDER} {{place:thing}}", f"BE there (enough|sufficient) GAP for {{amount:tall}} [to {_PASS}] {_UNDER} {{place:thing}}",
      f"BE there {{more_than}} {{amount}} [of] GAP {_UNDER} {{place:thing}}", f"if I BE {{amount}} (tall|high) DO I {_PASS} {_UNDER} {{place:thing}}", f"DO I (push|put|park|store|slide) {{amount:tall}} {_UNDER} {{place:thing}}")  # fmt: skip
def _fit_under(amount: Constant, place: Things, more_than: Comparator = ">=") -> Program:
    return TellWhether(Compare(Quantity("clearance", (place,)), more_than, amount))


_ARM = "(arm|gripper arm|gripper|reach|manipulator|hand|robot arm|robotic arm)"


@rule("core", f"DO I [be able to] (reach|grasp|touch|grab|pick up) {{place:thing}} [from here|from WHERE_I_AM|WHERE_I_AM|from ME] (with|using|if|when|given|by) [a|an|the|my|your|I] [HAVE|BE] [a|an] [_s] {{amount:arm}}",
      f"BE {{place:thing}} in reach (of|for|with|if) [a|an|the|my|I] [HAVE] [a|an] {{amount:arm}}", f"BE {{place:thing}} (within|in) [the] reach (of|for|with|if) [a|an|the|my|I] [HAVE] [a|an] {{amount:arm}}",
      f"DO [a|an|the|my] {{amount:arm}} (reach|get to|touch) {{place:thing}} [from here|from WHERE_I_AM]", f"BE {{place:thing}} reachable (with|for|by) [a|an|the|my] {{amount:arm}}",
      f"(my|your|the) {_ARM} (is|reaches) {{amount}} [long] [,] [so] DO I (reach|touch|grasp|grab) {{place:thing}}", f"(with|using) [a|an] {{amount:arm}} DO I (reach|touch|grasp|grab) {{place:thing}}", f"DO I (reach|touch|grasp|grab) {{place:thing}} [from here] if (my|your|the) {_ARM} (is|reaches|BE) {{amount}} [long]",
      f"BE a {{amount:arm}} (long enough|enough) (to reach|for) {{place:thing}}")  # fmt: skip
def _reach(amount: Constant, place: Things) -> Program:
    return TellWhether(Compare(Quantity("distance", (Viewer(), place)), "<=", amount))


@rule("arm", f"{{amount}} [long] {_ARM}", f"{_ARM} (of|with|that is|which is|BE) [a] [length|reach] [of] {{amount}} [long|reach]", "reach of {amount}", f"{_ARM} (is|BE) {{amount}} [long]", f"{_ARM} length of {{amount}}")
def _arm(amount: Constant) -> Constant | None:
    return amount if kind_of(amount.unit) == "length" else None


# Is there ---------------------------------------------------------------------------------------

_THERE = "(BE there|DO I (find|know [of]|detect|remember|notice|have|recognise|recognize)|HAVE I [ever|already] (seen|spotted|found|noticed|detected|come across|known)|did I (see|find|notice|spot))"


@rule("core", f"{_THERE} {{phrase}} [STAND] [NOW]", "(does|do) {room} (have|contain|include|hold) {phrase}", "(has|have) {room} [got] {phrase}", "DO {phrase} exist [IN_ROOM]", "BE {phrase} (there|here|present|around|available|known|in the map|IN_ROOM|HERE)",
      "BE there such a thing as {phrase}", "do (you|we) happen to (see|have|know) {phrase}")  # fmt: skip
def _is_there(phrase: Phrase, room: Place | None = None) -> Program | None:
    if phrase.article == "the" and not phrase.noun.plural:
        return None
    return TellWhether(Exists(phrase.things))


@rule("core", "(do|does|can|could) (you|i|we|the camera|the robot) [currently|still] see {phrase} [NOW]")
def _do_you_see(phrase: Phrase) -> Program | None:
    if phrase.article == "the" and not phrase.noun.plural:
        return None
    return TellWhether(Exists(Filter(phrase.things, Related("in_view", It()))))


@rule("core", "any {phrase} [IN_ROOM|HERE]", "{phrase} in view", cost=0.5)
def _any(phrase: Phrase) -> Program | None:
    if phrase.article:
        return None
    return TellWhether(Exists(phrase.things))


@rule("the_thing", "{phrase}")
def _the_thing(phrase: Phrase) -> Things | None:
    return The(phrase.things) if phrase.article == "the" and not phrase.plural else None


@rule("core", "(do|does|did|can|could) (you|we|i|the camera|the robot) [currently|still|already] see {thing:the_thing} [NOW]", "BE {thing} [currently|still|now] (seen|visible|in view|in sight|within view|within sight) [to ME|for ME|by ME] [NOW]")
def _can_you_see(thing: Things) -> Program:
    return TellWhether(Related("in_view", thing))


@rule("core", "(BE|BE there) (anything|something|any object|any objects|any things|any thing|an object|objects|things) [EXACTLY|STAND|placed] {predicate:relation}", "(BE|BE there) (nothing|no objects|no things) [STAND] {negated:relation}",
      "(do|does|did|can) (I|you) see (anything|something|any objects) [STAND] {predicate:relation}", "(does|do) (anything|something) (STAND) {predicate:relation}")  # fmt: skip
def _anything(predicate: Condition | None = None, negated: Condition | None = None) -> Program | None:
    if predicate is not None:
        return TellWhether(Exists(Filter(Everything(), predicate)))
    return None if negated is None else TellWhether(Not(Exists(Filter(Everything(), negated))))


@rule("core", "BE {place:thing} (empty|free|clear)")
def _is_empty(place: Things) -> Program:
    return TellWhether(Not(Exists(Filter(Everything(), Related("on", It(), (place,))))))


@rule("core", "(does|do) {place:thing} (carry|hold|have) (anything|something) [on it|on top]", "(does|do) {place:thing} have {phrase} on (it|top)")
def _empty(place: Things, phrase: Phrase | None = None) -> Program:
    """Whether anything is on it; "empty" is the opposite, which the rule below says."""
    base = Everything() if phrase is None else phrase.things
    return TellWhether(Exists(Filter(base, Related("on", It(), (place,)))))


@rule("core", "BE any [of the] {phrase} {predicate:predicates}", "(do|does|did) any [of the] {phrase} (STAND) {predicate:predicates}")
def _is_any(phrase: Phrase, predicate: Condition) -> Program:
    return TellWhether(Exists(Filter(phrase.things, predicate)))


@rule("core", "BE (all|all [of] the|every|each) {phrase} {predicate:predicates}")
def _are_all(phrase: Phrase, predicate: Condition) -> Program:
    return TellWhether(Not(Exists(Filter(phrase.things, Not(predicate)))))


@rule("core", "BE there {comparator:more_than} {cardinal} {phrase}", "BE there {comparator:more_than} one {phrase}")
def _at_least(comparator: Comparator, phrase: Phrase, cardinal: int = 1) -> Program:
    return TellWhether(Compare(Count(phrase.things), comparator, Constant(float(cardinal))))


@rule("core", "BE there more {a:plural} than {b:plural} [IN_ROOM]", "BE there more {a:plural} BE than {b:plural}", "do I (see|know) more {a:plural} than {b:plural}", "BE {a:plural} more numerous than {b:plural}")
def _more_of(a: Things, b: Things) -> Program:
    return TellWhether(Compare(Count(a), ">", Count(b)))


@rule("core", "BE there (fewer|less) {a:plural} than {b:plural} [IN_ROOM]")
def _fewer_of(a: Things, b: Things) -> Program:
    return TellWhether(Compare(Count(a), "<", Count(b)))


@rule("core", "BE there as many {a:plural} as {b:plural} [IN_ROOM]", "BE the number of {a:plural} equal to the number of {b:plural}")
def _as_many(a: Things, b: Things) -> Program:
    return TellWhether(Compare(Count(a), "==", Count(b)))


# How many ---------------------------------------------------------------------------------------


@rule("core", "how many [of] [the|these|those] {counted} [BE there|do I (know|have|find|count|remember)|HAVE I (seen|mapped|found|counted|detected|known)|did I (see|map|find|count|spot)|can I (find|count)|exist] [of|about] [IN_ROOM|HERE|SO_FAR|NOW] [IN_ROOM|SO_FAR|NOW]",
      "count [all|up] [the|of the] {counted} [IN_ROOM|HERE] [please]", "[what BE] [the] [total] (number|count|quantity|amount) of {counted} [IN_ROOM|HERE|SO_FAR]", "how many {counted} there BE [here|IN_ROOM]", "(do|does|can|could) I count how many {counted} there BE [here|IN_ROOM]",
      "how many {counted} (does|do) {room} (have|contain|hold)", "how many {counted} BE (present|available|known|around|there in total)", "count how many {counted} [BE there|there BE] [HERE|IN_ROOM]", "how many {counted} in total", "{counted} count", "number of {counted}")  # fmt: skip
def _how_many(counted: Things, room: Place | None = None) -> Program:
    return TellNumber(Count(counted))


@rule("core", "how many (objects|things|items) (can|do|does) (you|i|we|the camera|the robot) [currently] see [NOW]", "how many [of the] {counted} (can|do|does) (you|i|we|the camera|the robot) [currently] see [NOW]")
def _how_many_in_view(counted: Things | None = None) -> Program:
    base = Everything() if counted is None else counted
    return TellNumber(Count(Filter(base, Related("in_view", It()))))


@rule("core", "how many [of] [the|these|those] {counted} (BE|STAND|there BE|BE there) [EXACTLY|STAND] {predicate:predicates}", "how many [of] [the] {counted} (do|does|can) I (see|find|have) {predicate:relation}",
      "how many {counted} (that|which) BE {predicate:predicates} BE there", "how many [of the] {counted} {predicate:verb_predicate}")  # fmt: skip
def _how_many_are(counted: Things, predicate: Condition) -> Program:
    return TellNumber(Count(Filter(counted, predicate)))


@rule("counted", "{phrase}")
def _counted(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.article in ("", "the", "all") else None


# Lists ------------------------------------------------------------------------------------------


@rule("core", "TELL [me] [all] [of] {listed} [IN_ROOM|HERE]", "WHAT {plural_kind} (BE there|do I (see|know|have)|HAVE I (seen|mapped|found)|exist|did I (see|find)|can I see) [of|about] [IN_ROOM|HERE|SO_FAR|NOW]", "where BE {listed:plural_only}", "{listed:listed_terse}",
      "(do|can|could) you (list|name|show) [me] {listed}", "WHAT BE {listed:the_things}")  # fmt: skip
def _list(listed: Things | None = None, plural_kind: Phrase | None = None) -> Program | None:
    if plural_kind is not None:
        listed = plural_kind.things
    return None if listed is None else TellObjects(listed)


@rule("the_things", "the {phrase}")
def _the_things(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.plural else None


@rule("listed", "{phrase}")
def _listed(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.plural or phrase.article == "all" else None


@rule("plural_only", "{phrase}")
def _plural_only(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.plural and phrase.article in ("", "the", "all") and not phrase.bare else None


@rule("listed_terse", "{phrase}", cost=1.5)
def _listed_terse(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.plural and (isinstance(phrase.things, Filter | Except) or phrase.ranked) else None


@rule("plural_kind", "{phrase}")
def _plural_kind(phrase: Phrase) -> Phrase | None:
    return phrase if phrase.plural else None


@rule("core", "WHAT [else] [BE|BE there|do I see|STAND|do I find|can I see|HAVE I] [STAND] [EXACTLY] {predicate:predicates}", "WHAT [of] [the|these|those] {phrase} [that] (BE|STAND|there BE|BE there|do I see|can I see) [EXACTLY] {predicate:predicates}",
      "WHAT {phrase} (do|can|does) I (see|find) {predicate:relation}", "(who|what) [BE] {predicate:verb_predicate}", "WHAT [of] [the] {phrase} {predicate:verb_predicate}", "who BE {predicate:relation}")  # fmt: skip
def _what_is(predicate: Condition, phrase: Phrase | None = None) -> Program | None:
    if phrase is None:
        return TellObjects(Filter(Everything(), predicate))
    if phrase.article not in ("", "the"):
        return None
    return TellObjects(Filter(phrase.things, predicate))


@rule("core", "WHAT BE [there] (IN_ROOM|HERE|around)", "WHAT (do|did|can|have) you (know|know of|know about|remember|mapped|map|seen [so far])", "list everything [KNOWN] [IN_ROOM]", "what all BE (IN_ROOM|HERE|there)",
      "(describe|list) {room}", "what have you (seen|mapped|found) [SO_FAR] [IN_ROOM]", "what BE in your map", "what does {room} contain", "what (objects|things) BE (there|IN_ROOM|HERE)")  # fmt: skip
def _what_is_here(room: Place | None = None) -> Program:
    return TellObjects(Everything())


@rule("core", "WHAT [objects|things] (can|do) (you|i|we) [currently] see [NOW]", "WHAT [objects|things] (BE|BE there) [currently|now] (in view|visible|in sight|in the view) [NOW]", "what BE (in front of your camera|in your view|in your field of view)")
def _what_do_you_see() -> Program:
    return TellObjects(Filter(Everything(), Related("in_view", It())))


@rule("core", "WHAT [objects|things] (can|do) (you|i|we) (no longer|not) [currently] see [NOW]", "WHAT [objects|things] BE (not|no longer) (visible|in view) [NOW]")
def _what_is_hidden() -> Program:
    return TellObjects(Filter(Everything(), Not(Related("in_view", It()))))


_BY: dict[QuantityName, str] = {
    "height": "height",
    "width": "width",
    "depth": "depth",
    "length": "length",
    "volume": "(size|volume)",
    "area": "(area|footprint)",
    "order_seen": "(time|appearance|first appearance|when [you|i|we] [first] (saw|seen|see) [them]|the time you first saw them|order of appearance|when they first appeared|when they appeared"
    "|when they were first seen|age)",
    "bearing": "(bearing|angle|direction)",
}


def _sort_key(quantity: QuantityName, words: str) -> None:
    @rule("sort_key", words)
    def key() -> Ranking:
        return Ranking(quantity, count=None)


for _quantity, _words in _BY.items():
    _sort_key(_quantity, _words)


@rule("sort_key", "[the|their] (distance|closeness|proximity|nearness) [from ME|to ME]", "how (far|close|near) [away] they (are|stand) [from ME|to ME]")
def _by_distance() -> Ranking:
    return Ranking("distance", count=None)


@rule("sort_key", "[the|their] (distance|closeness|proximity|gap) (to|from) {anchor:thing}")
def _by_distance_to(anchor: Things) -> Ranking:
    return Ranking("distance", count=None, anchor=anchor)


@rule("sort_key", "left to right", "from left to right")
def _left_to_right() -> Ranking:
    return Ranking("bearing", True, count=None)


@rule("sort_key", "right to left")
def _right_to_left() -> Ranking:
    return Ranking("bearing", False, count=None)


@rule("order", "[from] [the] {first:superlative} (to|first|to [the] {last:superlative})", "[starting|beginning] with [the] {first:superlative} [one] [first]", "[the] {first:superlative} [one|ones] first", "from [the] {first:superlative} to [the] {last:superlative}",
      "from {first:plain_size} to {last:plain_size}", "from near to far")  # fmt: skip
def _order_words(first: Ranking | None = None, last: Ranking | None = None) -> Ranking | None:
    if first is None:
        return Ranking("distance", count=None)
    if first.skip or first.count != 1:
        return None
    return replace(first, count=None)


@rule("order", "(sorted|ordered|ranked|arranged) by {key:sort_key} [{way:descending}]", "by {key:sort_key} [{way:descending}]", "in order of {key:sort_key}", "(in|from) {key:sort_key} order", "{key:sort_key}")
def _sorted_by(key: Ranking, way: bool = False) -> Ranking:
    return replace(key, descending=key.descending != way)


@rule("descending", "(descending|in descending order|decreasing|reversed|in reverse|from high to low|largest first|biggest first)")
def _down() -> bool:
    return True


@rule("descending", "(ascending|in ascending order|increasing|from low to high|smallest first)")
def _up() -> bool:
    return False


@rule("core", "(sort|order|rank|arrange|TELL) [all] [the] {things:sortable} [KNOWN] {order}", "{things:sortable} {order}", "(sort|order|rank|arrange) [all] [the] {things:sortable} (from|by|in) {order}", "WHAT {things:sortable} BE there {order}")
def _sort(things: Things, order: Ranking) -> Program:
    return TellObjects(order.of(things))


@rule("core", "(sort|order|rank|arrange) {things:sortable}", cost=1.0)
def _sort_by_distance(things: Things) -> Program:
    return TellObjects(Ranking("distance", count=None).of(things))


@rule("sortable", "{phrase}")
def _sortable(phrase: Phrase) -> Things | None:
    return phrase.things if phrase.plural else None


@rule("sortable", "[the] [following] [objects|things|of] {items:list}", "{items:list}")
def _sortable_list(items: tuple[Things, ...]) -> Things:
    return Union(items)


@rule("core", "in (what|which) order (did|do|have|were|BE) [you|i|we] [first] [see|seen] {items:list} [first] [appear|appeared|seen|show up|come up|come|come into view|appear first]", "(what|which) (BE|was|will be|would be) [the] [first time] [order of] (appearance|first appearance|first time appearance) [order] [of] [the following] [items|objects|things|categories] [IN_ROOM] [,|of|in|:] {items:list}",
      "what (will|would) be the first time appearance order of the following [categories] [in the video] {items:list}", "[the|what BE the] order of (appearance|first appearance) of {items:list}", "(sort|order|rank) {items:list} by (first appearance|appearance)", "in (what|which) order did {phrase} [first] appear",
      "(what|which) (came|appeared|comes) first second and third {items:list}", "in (what|which) order did (you|we|i) [first] (see|find|notice|map) {items:list}", "order in which (you|i|we) [first] saw {items:list}", "in (what|which) order did (you|we|i) [first] (see|find|notice|map) {phrase}")  # fmt: skip
def _appearance(items: tuple[Things, ...] | None = None, phrase: Phrase | None = None) -> Program | None:
    if phrase is not None:
        return None if not phrase.plural else TellObjects(Ranking("order_seen", count=None).of(phrase.things))
    return TellObjects(Ranking("order_seen", count=None).of(Union(items or ())))


# Which one --------------------------------------------------------------------------------------


def one(things: Things) -> Program:
    """Ask for exactly one object."""
    return TellObjects(things, one=True)


def several(ranking: Ranking, things: Things) -> Program:
    """Ask for the front of an order: one object, or as many as were said."""
    return TellObjects(ranking.of(things), one=ranking.count == 1)


def without_anchor(things: Things, anchor: Place | None) -> Things:
    """Leave out what distances are measured to: nothing is its own neighbour."""
    if anchor is None or isinstance(anchor, Viewer | Wall | Ceiling | Room) or isinstance(anchor, It):
        return things
    if isinstance(anchor, Rank | The) or hasattr(anchor, "of") or hasattr(anchor, "kind") or hasattr(anchor, "ids"):
        return Except(things, anchor)  # type: ignore[arg-type]
    return things


@rule("most", "[the|positioned|located|EXACTLY] {superlative} [AWAY] [OBJ|of all|one] [IN_ROOM|of them [all]]", "[the] {superlative:comparative} [OBJ]")
def _most(superlative: Ranking) -> Ranking:
    return superlative


@rule("most", "[STAND] [EXACTLY] [the] {superlative} [AWAY] [OBJ] (to|from|of|with respect to) {anchor:place} [IN_ROOM]", "[STAND] [the] {superlative:comparative} [OBJ] (to|from) {anchor:place}")
def _most_to(superlative: Ranking, anchor: Place) -> Ranking | None:
    return replace(superlative, anchor=anchor) if superlative.quantity == "distance" else None


@rule("most", "[the] {superlative} {anchor:thing}", cost=1.0)
def _nearest_the(superlative: Ranking, anchor: Things) -> Ranking | None:
    return replace(superlative, anchor=anchor) if superlative.quantity == "distance" else None


@rule("most", "[the] (highest|highest up|farthest up) (above the floor|above the ground|off the ground|up there|up)")
def _highest_up() -> Ranking:
    return Ranking("top", True)


@rule("most", "(on|at) [the] {superlative} [side|end]", "furthest (on|to) the {side:side_word}")
def _on_far_side(superlative: Ranking | None = None, side: str = "") -> Ranking | None:
    if superlative is None:
        return Ranking("bearing", side == "left")
    return superlative if superlative.quantity == "bearing" else None


@rule("core", "WHAT [object|thing|item|one] (BE|STAND|stands) {most}", "WHAT [one] [of] [all] [the|these|those] {phrase} [one] (BE|STAND|stands|comes) {most}", "WHAT BE {most} {phrase}", "of [all] [the|these] {phrase} WHAT [one] (BE|STAND) {most}", "who BE {most}",
      "WHAT {phrase} (BE|STAND) {most}", "WHAT of [the] {phrase} (BE|STAND) {most}", "WHAT object in {room} BE {most}")  # fmt: skip
def _which_most(most: Ranking, phrase: Phrase | None = None, room: Place | None = None) -> Program | None:
    if phrase is not None and phrase.article in ("a", "any"):
        return None
    base = Everything() if phrase is None else phrase.things
    return several(most, without_anchor(base, most.anchor))


@rule("core", "WHAT (BE|was) {thing:superlative_phrase}", "(find|identify|name|TELL) {thing:superlative_phrase}", "WHAT BE {thing:superlative_phrase} called", "{thing:superlative_phrase}")
def _the_nearest(thing: Phrase) -> Program | None:
    return TellObjects(thing.things, one=not thing.plural and thing.count < 2)


@rule("superlative_phrase", "{phrase}")
def _superlative_phrase(phrase: Phrase) -> Phrase | None:
    things = phrase.things
    if not phrase.ranked or not isinstance(things, Rank):
        return None
    base = things.of
    if things.by == distance_to(None):
        return phrase
    anchor = None
    if isinstance(things.by, Quantity) and things.by.name == "gap":
        anchor = things.by.of[1]
    return replace(phrase, things=replace(things, of=without_anchor(base, anchor)))


@rule("choices", "{items:list}", "[of|between|among|out of] [these objects|these|the following] [,] {items:list}")
def _choices(items: tuple[Things, ...]) -> tuple[Things, ...]:
    return items


@rule("core", "WHAT [one|object|thing|of (these|them|the following) [objects|things|two]|of the two] (BE|STAND|stands|comes|looks) {most} {items:choices}", "{items:choices} [,|;] WHAT [one|object|thing|of (these|them|the two) [objects]|of the two] (BE|STAND|stands) {most}",
      "(out of|of|among|between|amongst) {items:list} WHAT [one|object] (BE|STAND|stands) {most}", "WHAT of {items:list} (BE|STAND|stands) {most}", "WHAT of (these|the following) [objects|things] {items:list} (BE|STAND) {most}",
      "BE it {items:list} (that|which) (BE|STAND) {most}", "WHAT [one] BE {most} , {items:list}", "{items:list} which BE {most}", "(do|does|would) {items:list} (STAND) {most}")  # fmt: skip
def _which_of(most: Ranking, items: tuple[Things, ...]) -> Program:
    return several(most, Union(items))


@rule("core", "WHAT [one|object|thing] (came|appeared|comes|was seen|BE seen|was|did (you|we|i) (see|find|notice|map)|have you seen|appears) [the] first {items:choices}", "(did|do|does) {items:list} (appear|come|show up) first", "{items:choices} [,|;] WHAT [one] (did you see|came|appeared|was seen|have you seen) first",
      "WHAT [one|object|thing] did (you|we|i) (see|find|notice|map|spot|discover) first {items:choices}", "(did|do) (you|we|i) (see|find|notice) {items:list} first", "WHAT of {items:list} (came|appeared|did you see|was seen) first")  # fmt: skip
def _first_of(items: tuple[Things, ...]) -> Program:
    return several(Ranking("order_seen"), Union(items))


@rule("core", "WHAT [one|object|thing] (came|appeared|was seen|did (you|we|i) (see|find|notice)) last {items:choices}", "(did|do) {items:list} (appear|come) last")
def _last_of(items: tuple[Things, ...]) -> Program:
    return several(Ranking("order_seen", True), Union(items))


@rule("core", "WHAT [object|thing|item|{phrase}] (did (you|we|i) [see|find|notice|map|spot|discover]|was seen|came|appeared|have you seen) [the] (first|first of all|very first|at first) [see|seen|appear] [of all]", "WHAT (was|BE) the first {seen_noun} [that] [you] [saw|see|seen|found|mapped|noticed|ever saw|to appear|to be seen|you (saw|found|mapped|noticed|have seen)]",
      "WHAT [object|thing|{phrase}] did (you|we|i) first (see|notice|find|map|spot) [of all]", "what (did|do) you see first [of all]")  # fmt: skip
def _first_seen(phrase: Phrase | None = None, seen_noun: Phrase | None = None) -> Program:
    said = phrase or seen_noun
    return several(Ranking("order_seen"), Everything() if said is None else said.things)


@rule("seen_noun", "{phrase}")
def _seen_noun(phrase: Phrase) -> Phrase:
    return phrase


@rule("core", "WHAT [object|thing|item|{phrase}] (did (you|we|i) (see|find|notice|map|discover)|was seen|came|appeared) [the] (last|most recently|last of all)", "WHAT (was|BE) the (last|latest|newest) {seen_noun} [that] [you] [saw|see|seen|found|mapped|noticed|first saw|to appear|discovered]",
      "WHAT [object|thing|{phrase}] did (you|we|i) (first see|see first) last")  # fmt: skip
def _latest_seen(phrase: Phrase | None = None, seen_noun: Phrase | None = None) -> Program:
    said = phrase or seen_noun
    return several(Ranking("order_seen", True), Everything() if said is None else said.things)


@rule("core", "WHAT (BE|does) {thing} (STAND|resting|be) [STAND] (on|upon|on top of)", "WHAT BE {thing} on [top of]", "(on what|on which object|upon what) (does|do|BE) {thing} (STAND)", "WHAT (supports|carries|holds|BE supporting|BE carrying) {thing}", "WHAT (object|thing) BE (under|underneath|beneath|below) {thing}",
      "WHAT [BE|STAND|stands|lies] [directly|right|immediately] (underneath|beneath|under|below) {thing}", "WHAT does {thing} (sit|stand|lie|rest) on [top of]")  # fmt: skip
def _what_under(thing: Things) -> Program:
    return TellObjects(Filter(Everything(), Related("supports", It(), (thing,))))


# Attributes -------------------------------------------------------------------------------------


@rule("core", "(what|which) (colour|color) (BE|has|have|does|did) {thing} [have|in]", "(what|which) BE [the] (colour|color) of {thing}", "{thing} _s (colour|color)", "[the] (colour|color) of {thing}", "(what|which) (colour|color) {thing}", "TELL [me] [the] (colour|color) of {thing}",
      "{thing} (colour|color)", "in (what|which) (colour|color) BE {thing} [painted]", "what BE {thing} _s (colour|color)", "how BE {thing} (coloured|colored|painted)")  # fmt: skip
def _colour(thing: Things) -> Program:
    return TellAttribute("colour", thing)


@rule("core", "(what|which) (material|stuff|substance) (BE|has|have|does) {thing} [made] [of|from|out of|have]", "(what|which) BE {thing} (made|built|constructed) [out] (of|from)", "(what|which) BE [the] material of {thing}", "{thing} _s material", "[the] material of {thing}", "of (what|which) material BE {thing} [made]",
      "TELL [me] [the] material of {thing}", "{thing} material", "from (what|which) material BE {thing} made", "(what|which) material (does|do) {thing} have")  # fmt: skip
def _material(thing: Things) -> Program:
    return TellAttribute("material", thing)


@rule("core", "WHAT (kind|type|sort) of (object|thing|item) BE {thing}", "what BE {thing:on_thing}")
def _kind(thing: Things) -> Program:
    return TellAttribute("kind", thing)


@rule("on_thing", "(the|that|this) (thing|object|item) {relation}")
def _on_thing(relation: Condition) -> Things:
    return The(Filter(Everything(), relation))


# Time -------------------------------------------------------------------------------------------


@rule("core", "when (did|do|have|was|were) [you|we|i] [first] {a:seen_first}", "when was {thing} [first] (seen|discovered|noticed|found|mapped) [first] [for the first time]", "when did {thing} [first] (appear|show up|come into view) [first|for the first time]", "at (what|which) time (did|was) {thing} [first] (appear|seen|show up|discovered|found)",
      "at (what|which) time did (you|we|i) [first] (see|notice|find|discover|spot|map) {thing} [first|for the first time]", "when did (you|we|i) [first] (see|notice|find|discover|spot|map) {thing} [first|for the first time]", "(how many|after how many) {unit} (after|from|since) [the] (start|beginning) (did|was) [you|we|i] [first] [see|notice|find] {thing} [first] [seen|appear]",
      "after how many {unit} (did|was) [you|we|i] [first] [see|notice|find] {thing} [first] [seen|appear]", "how long (after|from|since) [the] (start|beginning) (did|was) [you|we|i] [first] [see|notice|find] {thing} [first] [seen|appear]", "since when (do|have) (you|we|i) (know|known|seen) [of|about] {thing}",
      "how long did it take [you|until you] [to] [until] (see|saw|find|found|notice) {thing}")  # fmt: skip
def _first_seen_at(thing: Things | None = None, a: Things | None = None, unit: Unit = "") -> Program | None:
    if thing is None or (unit and kind_of(unit) != "time"):
        return None
    return TellNumber(Quantity("first_seen", (thing,)), unit)


@rule("seen_first", "(see|notice|find) {thing} first")
def _seen_first(thing: Things) -> Things:
    return thing


@rule("core", "(how long|how much time) ago (did|was|were|have|BE) [you|we|i] [last|most recently] [see|seen|notice] {thing} [last|most recently] [seen|in view] [last|for the last time]", "how many {unit} ago (did|was|were|have) [you|we|i] [last] [see|seen|notice] {thing} [last] [seen|in view] [last|for the last time]",
      "when (did|was|have|were) [you|we|i] [last] [see|seen] {thing} [last] [seen|in view] [for the last time|last] [, how (long|many {unit}) ago [was that]]", "how long (have|has) [you|we|i] (not|n't) seen {thing}", "how long (BE|has) {thing} [been] (out of view|out of sight|unseen|hidden|gone|not visible)",
      "how long (BE it|has it been) since (you|we|i) last saw {thing}", "when did (you|we|i) last see {thing}", "when was the last time [that] (you|we|i) saw {thing}", "how old BE [the|your] (last|latest) (sighting|view) of {thing}",
      "when was {thing} last seen [, how (long|many {unit}) ago]", "when did (you|we|i) see {thing} last", "how many {unit} BE it since (you|we|i) [last] saw {thing} [last]")  # fmt: skip
def _last_seen_ago(thing: Things, unit: Unit = "") -> Program | None:
    if unit and kind_of(unit) != "time":
        return None
    return TellNumber(Quantity("unseen_for", (thing,)), unit)


@rule("core", "when (in time|after the start) (did|was) [you|we|i] [last] [see|seen] {thing} [last] [seen]")
def _last_seen_at(thing: Things) -> Program:
    return TellNumber(Quantity("last_seen", (thing,)))


# Front or behind --------------------------------------------------------------------------------


@rule("core", "BE {a:thing} [STAND] [in] (behind or in front of|in back or in front of|in front of or behind|in front or behind|before or behind|behind or before) {b:place}", "(does|do) {a:thing} (STAND) (behind or in front of|in front of or behind) {b:place}",
      "BE {a:thing} in front of {b:place} or behind [it]", "BE {a:thing} behind {b:place} or in front of it", "what BE it for {a:thing} , in front of or behind {b:place}")  # fmt: skip
def _front_or_behind(a: Things, b: Place) -> Program:
    return TellWhich(("front", "behind"), (Related("front", a, (b,)), Related("behind", a, (b,))))


@rule("core", "BE {a:thing} [STAND] (above or below|below or above|over or under|under or over) {b:thing}", "BE {a:thing} (higher or lower|lower or higher) than {b:thing}")
def _above_or_below(a: Things, b: Things) -> Program:
    return TellWhich(("above", "below"), (Related("higher", a, (b,)), Related("lower", a, (b,))))


_EITHER: dict[str, tuple[QuantityName, str, str]] = {
    "(bigger or smaller|smaller or bigger|larger or smaller|smaller or larger)": ("volume", "bigger", "smaller"),
    "(taller or shorter|shorter or taller)": ("height", "taller", "shorter"),
    "(wider or narrower|narrower or wider|wider or thinner|thinner or wider)": ("width", "wider", "narrower"),
}


def _either(words: str, quantity: QuantityName, greater: str, less: str) -> None:
    @rule("core", f"BE {{a:thing}} {words} [in size] THAN {{b:thing}}")
    def which(a: Things, b: Things) -> Program:
        mine, theirs = Quantity(quantity, (a,)), Quantity(quantity, (b,))
        return TellWhich((greater, less), (Compare(mine, ">", theirs), Compare(mine, "<", theirs)))


for _said, (_quantity, _more, _less) in _EITHER.items():
    _either(_said, _quantity, _more, _less)


@rule("core", "BE {a:thing} (closer or farther|nearer or farther|closer or further|farther or closer|further or closer|nearer or further) [away] [from ME|to ME] THAN {b:thing}")
def _closer_or_farther(a: Things, b: Things) -> Program:
    mine, theirs = (about(distance_to(None), x) for x in (a, b))
    return TellWhich(("closer", "farther"), (Compare(mine, "<", theirs), Compare(mine, ">", theirs)))


# In a unit --------------------------------------------------------------------------------------


@rule("question", "{core}")
def _question(core: Program) -> Program:
    return core


@rule("question", "{core} [measured|expressed|given|stated|answer|answered] [,] (in|using|as) [units of] {unit} [units] [please]", "(in|using) {unit} [,] {core}", "(in|using) {unit} {core}", "how many {unit} BE {number}")
def _in_unit(unit: Unit, core: Program | None = None, number: Number | None = None) -> Program | None:
    program = tell(number) if core is None else core
    return in_unit(program, unit)


def in_unit(program: Program | None, unit: Unit) -> Program | None:
    """Ask for a number in a unit; None where something else is asked for."""
    return replace(program, unit=unit) if isinstance(program, TellNumber) else None
