# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How far things are from each other: between centres, free space, along the floor, to drive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_asked import BEEN, IS, told_in
from spatialgeo_ros.query.english_numbers import between
from spatialgeo_ros.query.program import (
    Ceiling,
    Place,
    Program,
    Quantity,
    QuantityName,
    TellNumber,
    Things,
    Unit,
    Viewer,
)
from spatialgeo_ros.query.program_edit import rebuilt

rule = grammar.rule

_EACH = "[(from|to|of) (each other|one another)]"
_HOW_FAR_APART = (
    "(how far [apart|AWAY]|how (close|near|distant) [together]|how (many|much) {unit} [apart|AWAY]"
    f"|at (what|which) distance|by how much) {_EACH} [{{axis}}]"
)
_HOW_FAR = (
    "(how far [AWAY|apart]|how (close|near|distant)|how (many|much) {unit} [AWAY]"
    "|at (what|which) distance)"
)


@rule(
    "core",
    f"{_HOW_FAR_APART} {IS} {{pair:place_pair}} {BEEN} [apart|AWAY|separated|together] {_EACH}",
    f"{_HOW_FAR_APART} (do|does) {{pair:place_pair}} STAND [apart|AWAY|separated] {_EACH}",
    f"{{pair:place_pair}} {IS} {_HOW_FAR_APART}",
    "(what|[what|how much] distance|how much|how many {unit})"
    " (separates|separate|divides|divide) {pair:place_pair}",
    "((what|which|how much) distance|how many {unit}) (lies|lie|BE|BE there) between"
    " {pair:place_pair}",
    f"{_HOW_FAR} [BE [it]|it is|BE there] between {{pair:place_pair}}",
    "[what BE] [the] (way|stretch|path) from {a:place} to {b:place} [in {unit}]",
    "(if|when) I measure from {a:place} to {b:place} [,] what (do I get|BE the result|BE it)",
    f"{_HOW_FAR} [BE it|it is] from {{a:place}} (to|over to) {{b:place}}",
    f"{_HOW_FAR} [BE it] from {{pair:one_and_other}}",
    "how (much|big) [of a] {axis:axis_adjective} (distance|gap|space) (BE|BE there|lies)"
    " between {pair:place_pair}",
)
@rule(
    "core",
    f"{_HOW_FAR_APART} {{pair:place_pair}} [BE|STAND] [apart|AWAY] {_EACH}",
    f"{{pair:place_pair}} [,] {_HOW_FAR_APART}",
    cost=0.4,
)
@rule(
    "core",
    f"{_HOW_FAR} {IS} {{a:place}} {BEEN} [AWAY|apart] (from|to|off) {{b:place}} {BEEN}",
    f"{{a:place}} {IS} {_HOW_FAR} (from|to) {{b:place}}",
    f"{_HOW_FAR} (does|do|must|should|can|could|would|will) {{a:place}} (STAND|be) [AWAY|apart]"
    f" (from|to) {{b:place}}",
    f"{_HOW_FAR} (from|to|off) {{b:place}} {IS} {{a:place}}",
    f"{_HOW_FAR} (from|to) {{b:place}} (does|do|would|will) {{a:place}} (STAND|be)",
    f"{_HOW_FAR} {{a:place}} [BE|STAND] [AWAY] (from|to) {{b:place}}",
    f"from {{a:place}} to {{b:place}} [,] {_HOW_FAR} [BE it]",
    "(what|which|how much) DISTANCE (does|do|has) {a:place} [have] (from|to) {b:place}",
    "[from] {a:place} to {b:place} [,] what BE [the] DISTANCE",
    "(what|which) DISTANCE BE (it|there) from {a:place} to {b:place}",
    "between {pair:place_pair} [,] (what BE [the] DISTANCE|how (far|many {unit}) BE it)",
    "how many {unit} [BE there] from {a:place} to {b:place}",
    f"{_HOW_FAR} {IS} {{a:place}} (if|when) I (start|starts|begin|measure|come|go|starting)"
    " (at|from|by) {b:place}",
    "measure [the way|the distance] from {a:place} to {b:place}",
)
def _how_far_apart(
    a: Place | None = None,
    b: Place | None = None,
    pair: tuple[Place, Place] | None = None,
    unit: Unit = "",
    axis: QuantityName = "distance",
) -> Program | None:
    first, second = pair if pair is not None else (a, b)
    return None if first is None or second is None else told_in(between(first, second, axis), unit)


# Along the floor, upwards, between nearest points -----------------------------------------------


@rule("axis", "HORIZONTALLY")
def _horizontally() -> QuantityName:
    return "horizontal"


@rule("axis", "VERTICALLY")
def _vertically() -> QuantityName:
    return "vertical"


@rule("axis_adjective", "HORIZONTAL")
def _horizontal() -> QuantityName:
    return "horizontal"


@rule("axis_adjective", "VERTICAL")
def _vertical() -> QuantityName:
    return "vertical"


_POINTS = "(point|points|part|parts|edge|edges|side|sides)"


@rule(
    "axis",
    f"(at|from|between|measuring from|measured (from|at|between)) (the|their) SHORTEST {_POINTS}"
    " [of (each|both) [object|objects|thing|things]]",
    "[from|measured from] (edge to edge|side to side|surface to surface|face to face)",
)
def _between_points() -> QuantityName:
    return "gap"


@rule(
    "core",
    "(how much|by how much|how many {unit}) (do|does) {pair:place_pair} differ in (elevation"
    "|altitude|vertical position|their height above the floor)",
)
def _differ_in_elevation(pair: tuple[Place, Place], unit: Unit = "") -> Program | None:
    return told_in(between(*pair, "vertical"), unit)


@rule("core", "{core} [,] {axis}", "{axis} [,] {core}")
def _measured_along(core: Program, axis: QuantityName) -> Program | None:
    """Measure the distances of a question along an axis, or between nearest points."""

    def change(node: Any) -> Any:
        if not isinstance(node, Quantity) or node.name != "distance":
            return node
        return node if axis == "gap" and Viewer() in node.of else replace(node, name=axis)

    changed = rebuilt(core, change)
    if axis == "gap" and changed == core and '"gap"' in repr(core).replace("'", '"'):
        return core  # "which is closest": between nearest points anyway
    return changed if changed != core else None


@rule(
    "core",
    f"[the] SHORTEST {_POINTS} of {{pair:place_pair}} , how far apart [BE they]",
    f"how far apart (BE|STAND) [the] SHORTEST {_POINTS} of {{pair:place_pair}}",
    "how (much|big|wide|large) [of a|a] [SHORTEST] GAP (BE|BE there|BE available|do I"
    " have|lies|remains|exists|would BE) [there|left] [free] between {pair:place_pair}"
    " [free|left]",
    "how (big|wide|large|narrow|tight|small) BE [the] (GAP|SHORTEST DISTANCE) between"
    " {pair:place_pair}",
    "how (wide|tight|narrow) BE it between {pair:place_pair}",
    "how much GAP [BE there|do I have] (between|from) {pair:place_pair}",
    "BE there [a|any|some] GAP between {pair:place_pair}",
    "how (much|many {unit}) (is|are) (free|clear|empty) between {pair:place_pair}",
    "how much GAP (do|does) {pair:place_pair} (leave|have) between them",
    "what BE [the] SHORTEST [DISTANCE|way] (between|from) {pair:place_pair}",
    "how close do {pair:place_pair} (come|get) to each other",
    "I WANT_TO PLACE {ignored:things} (in|into|through) [the] GAP between {pair:place_pair} ;"
    " how much GAP (do I have|BE there|have I|BE left) [there|for it]",
)
def _gap(
    pair: tuple[Place, Place], ignored: Things | None = None, unit: Unit = ""
) -> Program | None:
    return told_in(between(*pair, "gap"), unit)


@rule(
    "core",
    "how far (below|under|beneath|from) the ceiling (BE|does|do) [the] [top of] {place:thing}"
    " [hang|end|STAND]",
    "how far (BE|does) [the] [top of] {place:thing} [hang|end|STAND]"
    " (below|under|beneath|from) the ceiling",
    "how much GAP BE [there|left] (above|over|on top of) {place:thing}"
    " [up to|until|to|below] [the ceiling]",
    "how much GAP BE [there|left] from [the top of] {place:thing} [up] to the ceiling",
    "how much GAP BE [there|left] between [the top of] {place:thing} and the ceiling",
)
def _below_ceiling(place: Things) -> Program:
    return TellNumber(Quantity("gap", (place, Ceiling())))


@rule(
    "core",
    "how much GAP BE [there|left] (behind|next to|beside) {a:thing} (to|until|up to|before)"
    " {b:wall}",
    "(what|which|how much) GAP (remains|BE left|stays|BE there|exists|do I have|have I) between"
    " {pair:place_pair}",
)
def _gap_left(
    a: Things | None = None, b: Place | None = None, pair: tuple[Place, Place] | None = None
) -> Program | None:
    first, second = pair if pair is not None else (a, b)
    return None if first is None or second is None else told_in(between(first, second, "gap"), "")


_BELOW = "(under|below|underneath|beneath)"


@rule(
    "core",
    f"how much GAP BE [there|left] {_BELOW} {{place:thing}}",
    f"how (high|much|big) BE [the] GAP {_BELOW} {{place:thing}}",
    f"[what BE] [the] (clearance|space|headroom|free height|gap) {_BELOW} {{place:thing}}",
)
def _clearance(place: Things) -> Program:
    return TellNumber(Quantity("clearance", (place,)))


# On the way -------------------------------------------------------------------------------------

_GO = (
    "(drive|go|walk|travel|move|roll|ride|get|navigate|head|run|cover|come|advance)"
    " [straight|directly]"
)
_TO = f"[in order] [to] [{_GO}|reach|arrive|get] [to|at]"
_MUST = "(DO|have|has|need|needs|BE|must) {actor} [have|need] [to]"
_WAY = "(drive|way|path|walk|route|trip)"


@rule(
    "core",
    f"how (far|much|long) [further] {_MUST} {_GO} {_TO} {{place}}",
    f"how many {{unit}} {_MUST} {_GO} {_TO} {{place}}",
    f"how (far|many {{unit}}) {_MUST} {_GO} (until|till|before) {{actor}} (reach|reaches|get to"
    "|gets to|arrive at|arrives at|BE at) {place}",
    f"how (far|many {{unit}}) (BE|would|will) [it|the {_WAY}] [for] [{{actor}}] to {_GO} to"
    " {place}",
    f"how (far|long) (BE|would BE) the {_WAY} [from ME] to {{place}}",
    f"if {{actor}} {_GO} to {{place}} , how (far|long|many {{unit}}) (BE|would BE|will BE)"
    f" (that|it|the {_WAY})",
    f"how (far|many {{unit}}) to {_GO} to {{place}}",
    "[what BE] [the] (driving|walking|travel|travelling|path) DISTANCE [from ME] to {place}",
    f"[what BE] [the] DISTANCE [{{actor}}] [have] to {_GO} to {{place}}",
    f"what DISTANCE {_MUST} {_GO} {_TO} {{place}}",
)
def _drive(place: Place, actor: object = None, unit: Unit = "") -> Program | None:
    if isinstance(place, Viewer):
        return None
    return told_in(Quantity("drive", (Viewer(), place)), unit)


@rule("actor", "I", "ME")
def _actor() -> str:
    return "viewer"
