# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sizes of one thing and of the room, and numbers as such."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_numbers import size_of
from spatialgeo_ros.query.english_numbers import told as tell
from spatialgeo_ros.query.program import (
    Ceiling,
    Number,
    Place,
    Program,
    Quantity,
    QuantityName,
    Room,
    TellNumber,
    Things,
    Unit,
    Viewer,
    Wall,
)
from spatialgeo_ros.query.units import kind_of

rule = grammar.rule


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
