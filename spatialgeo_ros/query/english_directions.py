# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Directions: bearings, clock hours, sides and turns, from the robot and from other things."""

from __future__ import annotations

from dataclasses import replace

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_asked import IS
from spatialgeo_ros.query.program import (
    Place,
    Program,
    TellDirection,
    Things,
    Viewer,
)

rule = grammar.rule

_POS = "[STAND|found|seen|lie|be]"

# Where ------------------------------------------------------------------------------------------


@rule(
    "core",
    "where did (they|somebody|you|we|he|she|i) (put|leave|place|see|last see|park)"
    " {place:thing} [last]",
    "(find|locate|look for|search [for]|point to|point me (to|towards|toward)|show me|point"
    " (at|towards|toward)|take me to|guide me to|lead me to|direct me to) {place:thing} [for me]",
    "I [BE] (looking for|searching for|searching|trying to find|seeking|look for)"
    " {place:thing} [, where BE it]",
    "where {place:thing} (is|are|stands|lies) [located|now]",
    "[what BE] [the] [relative] (location|position|direction|whereabouts) (of|to)"
    " {place:thing} [FROM ME]",
    "where (is|are) {place:thing} [located|positioned] (relative to|with respect to|from|as"
    " seen from) ME",
    "where can {place:thing} be found",
    "where I (can|could|may|might) (find|see|look for) {place:thing}",
    "where (has|have) {place:thing} been (put|left|placed|parked|seen) [last]",
    "(show|tell) me the way to {place:thing}",
    "(which|what) way BE it to {place:thing}",
    "(in|to) (what|which) direction (do|must|should|can) I [have] [to] (look|search|turn|point)"
    " (for|to (see|find)) {place:thing}",
    "where have you [last] seen {place:thing} [last]",
    "where (was|were) {place:thing} [last] [seen] [last]",
    "(do|can|could) you (find|locate) {place:thing}",
    "where to (find|look for|look to see) {place:thing}",
    "(which|what) way (do|must|should|can|shall) I [have] [to] (go|walk|drive|head|take|move)"
    " [to (get|go)] to {place:thing}",
    "where (do|must|should|can|shall) I [have] [to] (look|turn|search|go|head|point) (to"
    " (see|find|get to|reach)|for|if I (want|need) to (see|find|reach)) {place:thing}",
)
def _where(place: Things) -> Program:
    return TellDirection(place)


_AHEAD = (
    "([straight|right|directly] ahead|[directly|right] in front of ME|my heading|your heading"
    "|forward|where I (look|FACE)|front)"
)


@rule(
    "core",
    "[what BE] [the] CLOCK [DIRECTION|position] (of|to|for) {place:thing} [FROM ME]",
    "(what|which) CLOCK [BE] {place:thing} [at]",
    "TELL [me] the CLOCK [DIRECTION] of {place:thing}",
    "where [as] on the clock [face] (do|would|should|can|could) I (put|place|find|see|locate)"
    " {place:thing}",
    "use the clock [face] to say where {place:thing} is",
    "{place:thing} CLOCK",
)
def _clock_of(place: Things) -> Program | None:
    return TellDirection(place, "clock")


_ON_CLOCK = (
    "([as] on (a|the) clock [face]|(in terms of|in|using|with) [the] clock [face]"
    " [direction|directions|position|positions|terms])"
)


@rule("core", f"{_ON_CLOCK} [,] {{core}}", f"{{core}} [,|;] [answer] {_ON_CLOCK}")
def _said_by_clock(core: Program) -> Program | None:
    if not isinstance(core, TellDirection) or core.form not in ("any", "clock"):
        return None
    return replace(core, form="clock")


@rule(
    "core",
    f"(taking|take|with|using|given) (12|twelve) [CLOCK] (as|for|being) {_AHEAD} [,|;] {{core}}",
    "(if|when|with|where|as|given that) {me} [BE|am] [at the CENTER of a clock] FACE"
    " [to|towards] (12|twelve) [CLOCK] [,] {core}",
    "{me} BE [at] the CENTER of a clock [and] [FACE] [to|towards] (12|twelve) [CLOCK] [,|;] {core}",
    "(if|with|when|given that|let|say|assuming|suppose|supposing) (12|twelve) CLOCK"
    f" (BE|being) {_AHEAD} [,|;] {{core}}",
    f"(if|with|when|given that|let|say|assuming|suppose|supposing) {_AHEAD} (BE|being)"
    " (12|twelve) [CLOCK] [,|;] {core}",
    f"{{core}} [,] (if|with|when|where|given that) (12|twelve) [CLOCK] (BE|being) {_AHEAD}",
    f"(12|twelve) CLOCK (BE|being) {_AHEAD} [,|;] {{core}}",
)
def _twelve_ahead(core: Program, me: Place | None = None) -> Program | None:
    """Say again that 12 is ahead, which it is anyway."""
    if isinstance(core, TellDirection) and core.origin is not None:
        return core
    if not isinstance(core, TellDirection) or core.form not in ("any", "clock"):
        return None
    return replace(core, form="clock")


@rule(
    "core",
    "[what BE] [the] ANGLE (of|to|towards|between (my|your) heading and) {place:thing} [in DEGREES]"
    " [FROM ME] [relative to [my|your|the] [current] (heading|ME|direction|orientation)]",
    "{place:thing} _s ANGLE [in DEGREES]",
    "(what|which) ANGLE BE {place:thing} at",
    "ANGLE {place:thing}",
    "how many DEGREES (to|from) [ME BE] {place:thing}",
    "how many DEGREES BE {place:thing} (off|away from|from) (straight ahead|[my|your|the] (heading"
    "|axis|nose))",
    "how many DEGREES off [my|your|the] (heading|axis|nose|direction|CENTER) BE {place:thing}",
    "how far off (my|your) heading BE {place:thing}",
)
@rule("core", "[the] direction (of|to) {place:thing} in DEGREES")
def _angle_of(place: Things) -> Program:
    return TellDirection(place, "deg")


@rule("core", "{core} [,] in DEGREES", cost=0.1)
def _in_degrees(core: Program) -> Program | None:
    if not isinstance(core, TellDirection) or core.form not in ("any", "deg"):
        return None
    return replace(core, form="deg")


@rule(
    "core",
    "[let us say|say|if|assume|assuming|suppose|when|where|with] [that] (straight ahead|ahead"
    "|your heading|my heading|forward|front|the heading) [is|being|as|was] (0|zero) [DEGREES]"
    " [and] [(left|counterclockwise|the left) [is|being|counts as|counts] positive]"
    " [and] [right (is|being) negative] [,|;] {core}",
)
def _zero_ahead(core: Program) -> Program | None:
    if isinstance(core, TellDirection):
        return replace(core, form="deg") if core.form == "any" else core
    return None


# Turns ------------------------------------------------------------------------------------------

_MUST = (
    "(must|should|shall|do|does|would|will|can|could|have|has|need|may) {actor} [have|need] [to]"
)
_TO_SEE = (
    "[to|in order to|so as to|until|for|if I want to|so that I] [I]"
    " [FACE|BE FACE|point at|point to|point toward|point towards|see|look at|find|get to|go to"
    "|reach|head for|aim at|target|be aligned with] [at|to|towards|toward|for]"
)
_BY = "[by|through|at]"
_HOW_MUCH = f"({_BY} (what|which|how many) (ANGLE|DEGREES)|how (far|much)|through how much)"
_LEFT_OR_RIGHT = "[to] [the|my|your] (left|right) or [to] [the|my|your] (left|right)"


@rule(
    "core",
    f"{_HOW_MUCH} {_MUST} TURN {_BY} {_TO_SEE} {{place:thing}}",
    "[what BE] [the] (turn|turning|rotation|steering|turn angle|turning angle|rotation angle)"
    " [ANGLE] [required|needed] (to|toward|towards|for) [FACE] {place:thing}",
    f"how (many DEGREES|far|much) to TURN {_TO_SEE} {{place:thing}}",
    "how many DEGREES BE [the|a] (turn|rotation) (to|towards|toward) {place:thing}",
    "how (big|large|wide) BE [the|a] (turn|rotation|ANGLE) (to|towards|toward) {place:thing}",
    f"[I WANT_TO] {_TO_SEE} {{place:thing}} [,|;] {_HOW_MUCH} {_MUST} TURN",
    f"{_HOW_MUCH} {_MUST} TURN {_BY} (so that|until|till|to have) {{place:thing}} [BE] {_AHEAD}",
    "what (turn|rotation) (faces|points me at|brings me to FACE|makes me FACE) {place:thing}",
)
def _turn_angle(place: Things, actor: object = None) -> Program:
    return TellDirection(place, "deg")


@rule(
    "core",
    f"{_MUST} TURN {_LEFT_OR_RIGHT} {_TO_SEE} {{place:thing}}",
    f"(which way|[in] (what|which) direction|to which side) {_MUST} TURN {_TO_SEE} {{place:thing}}"
    f" [, {_LEFT_OR_RIGHT}]",
    f"which way to TURN {_TO_SEE} {{place:thing}}",
    f"TURN {_LEFT_OR_RIGHT} {_TO_SEE} {{place:thing}}",
    f"[BE it] [a] (left|right) [TURN] or [a] (left|right) TURN {_TO_SEE} {{place:thing}}",
    "BE it (to the left|to the right|left|right) or (to the left|to the right|left|right) to"
    " {place:thing}",
    f"{_MUST} (go|head|drive|move|steer|walk|look) {_LEFT_OR_RIGHT} {_TO_SEE} {{place:thing}}",
    f"[I WANT_TO] {_TO_SEE} {{place:thing}} [,|;] {_MUST} TURN {_LEFT_OR_RIGHT}",
    f"{_TO_SEE} {{place:thing}} [,] (which way|in which direction) {_MUST} TURN",
)
def _turn_side(place: Things, actor: object = None) -> Program:
    return TellDirection(place, "side")


# Sides ------------------------------------------------------------------------------------------

_SIDE_WORD = (
    "[more] [on|to|at|in] [his|her|their|my|your|the|our|its] (left|right) [side|hand side|hand]"
)
_LEFT_RIGHT = f"{_SIDE_WORD} or {_SIDE_WORD}"
_OF_ME = "[of ME|FROM ME|SEEN_FROM_ME]"
_ON_SIDE = "(which side|on (what|which) side|to (what|which) side|on which hand|where)"


@rule(
    "core",
    f"{IS} {{place:thing}} {_POS} [EXACTLY] {_LEFT_RIGHT} {_OF_ME}",
    f"(do|does|would) {{place:thing}} (STAND|be) {_LEFT_RIGHT} {_OF_ME}",
    f"{_ON_SIDE} {_OF_ME} {IS} {{place:thing}} {_POS} [on] {_OF_ME} , {_LEFT_RIGHT}",
    f"{_LEFT_RIGHT} {_OF_ME} [,] [{_ON_SIDE}] {IS} {{place:thing}}",
    f"{{place:thing}} [,] {_LEFT_RIGHT} {_OF_ME}",
    f"{{place:thing}} (BE|STAND) [EXACTLY] {_LEFT_RIGHT} {_OF_ME}",
    f"(which|what) side {{place:thing}} BE on [, {_LEFT_RIGHT}]",
    f"(which|what) side of ME {IS} {{place:thing}} on [, {_LEFT_RIGHT}]",
    f"{_LEFT_RIGHT} {_OF_ME} [,] {{place:thing}}",
    f"(do|does|would|will) I (see|find|have|get|pass) {{place:thing}} {_LEFT_RIGHT} {_OF_ME}",
    f"(has|have) I {{place:thing}} {_LEFT_RIGHT} {_OF_ME}",
    f"(which|what) (side|hand) {IS} {{place:thing}} on [, {_LEFT_RIGHT}]",
    f"{_ON_SIDE} [of ME] (do|does|will|would) I (see|find|have|get|pass) {{place:thing}}"
    f" [, {_LEFT_RIGHT}]",
    f"{IS} {{place:thing}} (left|right) or BE it (left|right) of ME",
)
def _side(place: Things) -> Program:
    return TellDirection(place, "side")


_BACK = "[on|to|at|in] [my|your|the] (left|right|back|rear|behind|behind me|behind you) [side]"


@rule("question", f"{{before_it}} AND_NOW {_LEFT_RIGHT} {_OF_ME} {{place:it_before}}")
def _its_side(before_it: Program, place: Things) -> Program:
    return TellDirection(place, "side")


@rule(
    "core",
    f"{IS} {{place:thing}} {_POS} {_BACK} [,] [or] {_BACK} [,] or {_BACK} [of ME]",
    f"(does|do|would) {{place:thing}} (STAND|be) {_BACK} [,] [or] {_BACK} [,] or {_BACK} [of ME]",
    f"(do|does|would|will) I (see|find|have) {{place:thing}} {_BACK} [,] [or] {_BACK} [,] or"
    f" {_BACK}",
    f"{{place:thing}} [,|BE] {_BACK} [,] [or] {_BACK} [,] or {_BACK}",
    cost=0.1,
)
def _side_or_back(place: Things) -> Program:
    return TellDirection(place, "side_or_back")


_CORNER = "[on|to|at|in] [my|your|the] (front|back|rear|behind|ahead) [to|on] [the|my] (left|right)"


@rule(
    "core",
    f"{IS} {{place:thing}} {_POS} {_CORNER} [,] [or] {_CORNER} [,] [or] {_CORNER} [,] or {_CORNER}"
    " [of ME]",
    f"(do|does|would) {{place:thing}} (STAND|be) {_CORNER} [,] [or] {_CORNER} [,] [or] {_CORNER}"
    f" [,] or {_CORNER} [of ME]",
    f"(do|does|would|will) I (see|find|have) {{place:thing}} {_CORNER} [,] [or] {_CORNER} [,] [or]"
    f" {_CORNER} [,] or {_CORNER}",
    "in (what|which) quadrant [around|of|from|relative to] [ME] BE {place:thing} [of ME|FROM ME]",
)
def _quadrant(place: Things) -> Program:
    return TellDirection(place, "quadrant")


@rule(
    "core",
    "(SEEN_FROM_ME|from WHERE_I_AM) [,] {core}",
    "{core} [,] (SEEN_FROM_ME|from WHERE_I_AM)",
    "(if|when) I [BE] STAND (WHERE_I_AM|here|at ME) [,] {core}",
)
def _from_here(core: Program) -> Program:
    return core


# Of and from another thing ----------------------------------------------------------------------


@rule(
    "core",
    f"{IS} {{place:thing}} {_POS} [EXACTLY] {_LEFT_RIGHT} (of|from) {{other:thing}}",
    f"(does|do) {{place:thing}} STAND {_LEFT_RIGHT} of {{other:thing}}",
    f"[on|to] (what|which) side of {{other:thing}} {IS} {{place:thing}} {_POS} [on]"
    f" [, {_LEFT_RIGHT}]",
    f"{_LEFT_RIGHT} of {{other:thing}} [,] [{_ON_SIDE}] {IS} {{place:thing}}",
    "BE {place:thing} [on|to|at] [the] (left|right) [side] of {other:thing} or [on|to|at] [the|its]"
    " (left|right) [side] [of it]",
    f"{{place:thing}} {_LEFT_RIGHT} of {{other:thing}}",
)
def _side_of(place: Things, other: Things) -> Program | None:
    return None if isinstance(other, Viewer) else TellDirection(place, "side", relative_to=other)


_FROM_IT = "[as] [seen|viewed|looking] (from|relative to|with respect to|of) {other:thing}"
_HOUR = "[at|in|on] (what|which|how many) (CLOCK [DIRECTION]|DIRECTION)"
_HEADING = (
    "(my|your|the) [current] (heading|direction of travel|forward direction|viewing direction"
    "|direction|robot _s heading|forward)"
)


@rule(
    "core",
    f"{_HOUR} {IS} {{place:thing}} {_POS} {_FROM_IT} [,] [(with|when|if|where) (12|twelve)"
    f" [CLOCK] (being|is) {_HEADING}]",
    f"{_HOUR} (does|do) {{place:thing}} STAND {_FROM_IT}",
    f"{_FROM_IT} [,] ({_HOUR}|where) {IS} {{place:thing}}",
    f"{{place:thing}} BE {_HOUR} {_FROM_IT}",
    f"{_HOUR} {{place:thing}} (is|are|lies) {_FROM_IT}",
    "if {other:thing} BE at the CENTER of a clock [and] [FACE (12|twelve) [CLOCK]] [,]"
    f" ({_HOUR}|where) {IS} {{place:thing}}",
    "(if|when) I [BE|were|would be] [STAND] (at|by|next to|beside) {other:thing} [,]"
    f" ({_HOUR}|where) ({IS}|(do|will|would|can) I (find|see)) {{place:thing}}",
    f"where {IS} {{place:thing}} {_POS} (relative to|with respect to|from|as seen from)"
    " {other:thing}",
    "[what BE] [the] (direction|clock direction|bearing|clock position) (from {other:thing} to"
    " {place:thing}|of {place:thing} from {other:thing})",
    f"{_HOUR} from {{other:thing}} ({IS}|(do|will|would|can) I (find|see|have)) {{place:thing}}",
    f"({_HOUR}|where) ({IS}|(do|will|would|can) I (find|see)) {{place:thing}} if I [BE]"
    " [STAND] at {other:thing}",
)
def _clock_from(place: Things, other: Things) -> Program | None:
    if isinstance(other, Viewer):
        return None
    return TellDirection(place, "clock", origin=other)
