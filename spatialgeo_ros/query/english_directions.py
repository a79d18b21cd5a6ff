# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Directions: bearings, clock hours, sides, turns, and points of view other than the robot's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.program import (
    DirectionForm,
    Place,
    Program,
    Quantity,
    Related,
    Standing,
    TellDirection,
    TellTurns,
    Things,
    Viewer,
)
from spatialgeo_ros.query.program_edit import nodes, rebuilt

rule = grammar.rule

_LIES = "(BE|STAND|lies|does|do|can I see|do I see|would be|appears|can be found|is located|should I look for|can I find|do I find|will I find|would I find|could I find)"
_POS = "[STAND|found|seen|lie|be]"

# From the robot ---------------------------------------------------------------------------------


@rule("core", f"where [EXACTLY] {_LIES} {{place:thing}} {_POS} [NOW|HERE|IN_ROOM]", "where did (they|somebody|you|we|he|she) (put|leave|place|see|last see) {place:thing} [last]", "(find|locate|look for|search|point to|show me|point at|take me to|guide me to|lead me to) {place:thing}",
      f"[in|to] (what|which) [relative] DIRECTION {_LIES} {{place:thing}} {_POS} [FROM ME|SEEN_FROM_ME|located]", "which way (is|to|are) {place:thing}", "where {place:thing} (is|are|stands|lies) [located|now]", "where [BE] {place:thing}", "[the] (location|position|direction|whereabouts) (of|to) {place:thing}",
      "(what|which) BE [the] (direction|location|position|whereabouts) (of|to) {place:thing} [FROM ME]", f"on (what|which) side {_LIES} {{place:thing}} {_POS}", "where (is|are) {place:thing} [located|positioned] (relative to|with respect to|from|as seen from) ME", "where can {place:thing} be found",
      "where have you [last] seen {place:thing} [last]", "where did you last see {place:thing}", "where (was|were) {place:thing} [last] [seen] [last]", "(do|can|could) you (find|locate) {place:thing}", "where to find {place:thing}")  # fmt: skip
def _where(place: Things) -> Program:
    return TellDirection(place)


@rule("clock", "[the] (what|which|how many) CLOCK", "[the] CLOCK", "(what|which) (CLOCK|hour)", "how many CLOCK", "where on the (clock|clock face|dial)")
def _clock() -> DirectionForm:
    return "clock"


@rule("core", f"[at|in|on|to] [the] (what|which|how many) CLOCK {_LIES} {{place:thing}} {_POS} [FROM ME|SEEN_FROM_ME]", f"{{place:thing}} {_LIES} [at|in] (what|which|how many) CLOCK", f"in (what|which) CLOCK [DIRECTION] {_LIES} {{place:thing}} {_POS} [FROM ME]",
      "(what|which) [BE] [the] CLOCK [DIRECTION|position] (of|to|for) {place:thing} [FROM ME]", "CLOCK [DIRECTION|position] (of|to) {place:thing}", f"where on the (clock|clock face|dial) {_LIES} {{place:thing}}", "(what|which) CLOCK [BE] {place:thing} [at]", "{place:thing} at (what|which) CLOCK",
      f"(if|when|with) {{me}} [BE|am] FACE [to|towards] (12|twelve) CLOCK , where {_LIES} {{place:thing}}", f"(if|with|when) (12|twelve) CLOCK (BE|being) [straight|right|directly] (ahead|in front of ME|my heading|your heading|forward|where I look) , where {_LIES} {{place:thing}}", "(say|give|TELL) [me] the CLOCK [DIRECTION] of {place:thing}",
      f"as on a clock [face] , where {_LIES} {{place:thing}}", "use the clock [face] to say where {place:thing} is", "at (what|which|how many) CLOCK", "{place:thing} CLOCK")  # fmt: skip
def _clock_of(place: Things | None = None, me: Place | None = None) -> Program | None:
    return None if place is None else TellDirection(place, "clock")


@rule("core", f"[at|in|under] (what|which) ANGLE {_LIES} {{place:thing}} {_POS} [FROM ME|SEEN_FROM_ME|relative to (my|your) heading]", f"[at|by] how many DEGREES {_LIES} {{place:thing}} {_POS} [FROM ME]", "(what|which) BE [the] ANGLE (of|to|towards) {place:thing} [in DEGREES] [from ME] [relative to [my|your|the] [current] (heading|ME|direction|orientation)]",
      "ANGLE (to|of|towards) {place:thing} [in DEGREES] [from ME] [relative to (my|your) heading]", "{place:thing} _s ANGLE [in DEGREES]", f"at how many DEGREES do I see {{place:thing}}", "how many DEGREES to {place:thing}",
      "how many DEGREES (to|from) ME BE {place:thing}", "in DEGREES where BE {place:thing}", "where BE {place:thing} in DEGREES", "how many DEGREES off (my|your|the) (heading|axis|nose|direction) BE {place:thing}", "how far off (my|your) heading BE {place:thing}")  # fmt: skip
def _angle_of(place: Things) -> Program:
    return TellDirection(place, "deg")


@rule("core", "[let us say|say|if|assume|assuming|suppose|when|where|with] [that] (straight ahead|ahead|your heading|my heading|forward|front|the heading) (is|being|as|was) (0|zero) [DEGREES] [and] [(left|counterclockwise|the left) (is|being|counts as|counts) positive] [and] [right (is|being) negative] [,|;] {core}")
def _zero_ahead(core: Program) -> Program | None:
    if isinstance(core, TellDirection):
        return replace(core, form="deg") if core.form == "any" else core
    return None


@rule("core", f"(by|through) (what|which|how many) [ANGLE|DEGREES] (must|should|do|does|would|will|can|have|has|need) {{me:actor}} [have|need] [to] TURN [by] [to|in order to|so as to|until] [I] [FACE|point at|see|be facing|look at|aim at|point to|point toward|point towards|be aligned with|target|aim] [at|to|towards|toward] {{place:thing}}",
      "how (far|much) (must|should|do|does|would|will|have|has|need) {me:actor} [have|need] [to] TURN [to|in order to|so as to|until] [I] [FACE|point at|see|be facing|look at|aim at|point to|point toward|point towards|BE FACE] [at|to|towards|toward] {place:thing}", "how many DEGREES (must|should|do|does|would|will|have|has|need) {me:actor} [have|need] [to] TURN [to|in order to|until] [I] [FACE|point at|see|be facing|look at|aim at|point to] [at|to|towards|toward] {place:thing}",
      "[what BE] [the] (turn|turning|rotation|steering|turn angle|turning angle|rotation angle) [ANGLE] (to|toward|towards) [FACE] {place:thing}", "how many DEGREES to TURN [to] [FACE] [to|towards] {place:thing}", "what rotation (faces|points me at|brings me to face) {place:thing}", "what ANGLE (do|must|should) {me:actor} TURN to [FACE] {place:thing}",
      "(do|to|in order to) [FACE|look at] {place:thing} [,] (by|how) [what|how many|which] [DEGREES|ANGLE|far|much] (must|should|do) {me:actor} [have to] TURN")  # fmt: skip
def _turn_angle(place: Things, me: object = None) -> Program:
    return TellDirection(place, "deg")


@rule("core", "(should|must|do|does|shall|can|would|need|will) {me:actor} [have to|need to] TURN [to] [the|my|your] (left or right|right or left|left or to the right|right or to the left) [to|in order to|for|if I want to|so that I] [FACE|see|look at|find|get to|go to|reach|point at|head for|be FACE] [at|to|towards] {place:thing}", "which way (should|must|do|does|shall|would|have) {me:actor} [have to|need to|to] TURN [to|for|in order to] [FACE|see|look at|find|get to|go to|reach|point at|be FACE] [at|to|towards] {place:thing}",
      "in (what|which) direction (should|must|do|does|shall|would) {me:actor} [have to|need to] TURN [to|for|in order to] [FACE|see|look at|find|get to|go to|reach|point at] [at|to|towards] {place:thing}", "TURN left or right (to|for) [FACE] {place:thing}", "to [FACE|see|look at|find|reach|get to] {place:thing} [,] (should|must|do) {me:actor} [have to|need to] TURN left or right")  # fmt: skip
def _turn_side(place: Things, me: object = None) -> Program:
    return TellDirection(place, "side")


_LEFT_RIGHT = "(left or right|right or left|left or my right|left or your right|right or my left|right or your left|left or on my right|left or on your right|left or on the right|left or to my right|left or to your right|left or to the right|right or on my left|right or on your left|right or on the left|right or to my left|right or to the left|left side or right side|left side or on my right side|left hand side or right hand side|left side or on the right side|left side or my right side|left side or your right side|left or the right|right or the left)"


@rule("core", f"BE {{place:thing}} {_POS} [EXACTLY] [on|to|at] [my|your|the|our] {_LEFT_RIGHT} [side] [of ME|FROM ME|SEEN_FROM_ME]", f"on (what|which) side [of ME] {_LIES} {{place:thing}} {_POS} [of ME] , [on] [my|your|the] {_LEFT_RIGHT}", f"[on] [my|your|the] {_LEFT_RIGHT} [of ME] , (where|which side|on which side) {_LIES} {{place:thing}}",
      f"(do|does) {{place:thing}} (STAND) [on|to|at] [my|your|the] {_LEFT_RIGHT} [of ME|side]", f"on (what|which) side (of ME|of you) {_LIES} {{place:thing}}", f"(where|which side) {_LIES} {{place:thing}} , [on] [my|your|the] {_LEFT_RIGHT}", f"{{place:thing}} , [on] [my|your|the] {_LEFT_RIGHT}", f"on which hand {_LIES} {{place:thing}}", f"do I (see|find) {{place:thing}} on [my|your|the] {_LEFT_RIGHT}")  # fmt: skip
def _side(place: Things) -> Program:
    return TellDirection(place, "side")


_LRB = "[on|to|at] [my|your|the] (left|right|back|behind) [,] [on|to|at] [my|your|the|or] (left|right|back|behind|to) [,] [or] [on|to|at|in] [my|your|the] (back|behind|left|right|behind me|the back|rear|behind you)"


@rule("core", f"BE {{place:thing}} {_POS} {_LRB} [of ME]", f"(does|do) {{place:thing}} STAND {_LRB}")
def _side_or_back(place: Things) -> Program:
    return TellDirection(place, "side_or_back")


_QUADRANT = "(front left|front right|back left|back right|behind left|behind right)"


@rule("core", f"BE {{place:thing}} {_POS} [on|to|at|in] [my|your|the] {_QUADRANT} [,] [or] [my|the|to] {_QUADRANT} [,] [or] [my|the|to] {_QUADRANT} [,] [or] [my|the|to] {_QUADRANT}", "in (what|which) quadrant BE {place:thing}")
def _quadrant(place: Things) -> Program:
    return TellDirection(place, "quadrant")


@rule("core", "(SEEN_FROM_ME|from WHERE_I_AM) [,] {core}", "{core} [,] (SEEN_FROM_ME|from WHERE_I_AM)")
def _from_here(core: Program) -> Program:
    return core


# From and against another thing -----------------------------------------------------------------


@rule("core", f"BE {{place:thing}} {_POS} [EXACTLY] [on|to|at] [the] (left or right|right or left|left or to the right|right or to the left|left or on the right|left side or on the right side|left or the right|left or right side|left side or right side|left hand or right hand side) [side] of {{other:thing}}", f"on (what|which) side of {{other:thing}} {_LIES} {{place:thing}} {_POS} [, [on] [the] (left or right|right or left)]",
      f"(does|do) {{place:thing}} STAND [on|to|at] [the] (left or right|right or left|left or to the right) of {{other:thing}}", f"left or right of {{other:thing}} [,] where {_LIES} {{place:thing}}", f"BE {{place:thing}} [on|to|at] [the] left of {{other:thing}} or [on|to|at] [the|its] right [of it]", f"BE {{place:thing}} [on|to|at] [the] right of {{other:thing}} or [on|to|at] [the|its] left [of it]")  # fmt: skip
def _side_of(place: Things, other: Things) -> Program:
    return TellDirection(place, "side", relative_to=other)


@rule("core", f"[at|in|on] (what|which|how many) CLOCK [DIRECTION] {_LIES} {{place:thing}} {_POS} [as] (seen|viewed|looking|) (from|relative to|with respect to|of) {{other:thing}} [,] [(with|when|if|where) (12|twelve) [CLOCK] (being|is) (my|your|the) (heading|direction of travel|forward direction|viewing direction|current heading|robot _s heading)]", f"[at|in|on] (what|which|how many) CLOCK [DIRECTION] {_LIES} {{place:thing}} {_POS} (from|relative to|with respect to|of) {{other:thing}} [,] [(where|if|when|with) (12|twelve) CLOCK (is|being) [my|your] (heading|direction|forward|ahead)]",
      f"[in|to] (what|which) DIRECTION {_LIES} {{place:thing}} {_POS} (from|relative to|of|as seen from|seen from|with respect to) {{other:thing}}", f"[as] (seen|viewed|looking) from {{other:thing}} [,] [at|in] (what|which) [CLOCK|DIRECTION] [DIRECTION] {_LIES} {{place:thing}}", f"if (you are|i am) at {{other:thing}} [,] [at|in] (where|which direction|what CLOCK|which CLOCK) {_LIES} {{place:thing}}",
      f"where {_LIES} {{place:thing}} {_POS} (relative to|with respect to|from|as seen from) {{other:thing}}", "(what|which) BE the (direction|clock direction|bearing|clock position) (from {other:thing} to {place:thing}|of {place:thing} from {other:thing})")  # fmt: skip
def _clock_from(place: Things, other: Things) -> Program | None:
    if isinstance(other, Viewer):
        return None
    return TellDirection(place, "clock", origin=other)


# Points of view ---------------------------------------------------------------------------------

_WHEN = "[if|when|imagine|imagining|suppose|supposing|assume|assuming|say|let us say|picture|while|pretend|considering|given|once] [that]"
_AM = "[I] [BE|were|would be|could be] [now|currently]"
_AT = "(at|by|next to|near|beside|on|in|in front of|behind|from|where|close to|under|at the position of|at the location of|in the place of|with my back to|over at|to|before|against) [where]"


@rule("stance", f"{_WHEN} {_AM} [STAND|standing|stood|sitting] {_AT} {{at:thing}} [is] [and|,] [then] [{_AM}] [I] [and|while|am|are|is] [turn to|turned to|turning to] [FACE|facing|with my face to] [in the direction of|at|towards|toward|to] {{facing:thing}}",
      f"{_WHEN} {_AM} [STAND|standing|stood|sitting] {_AT} {{at:thing}} [,] with {{facing:thing}} (at (12|twelve) CLOCK|in front of ME|ahead|straight ahead|before ME|in front)", f"from {{at:thing}} [,] (FACE|facing|looking at|looking toward|looking to) [to|towards] {{facing:thing}}", f"{_WHEN} {_AM} FACE {{facing:thing}} (from|while [standing] at|while at|at|standing at) {{at:thing}}",
      f"{_WHEN} {_AM} [STAND] {_AT} {{at:thing}} , {{facing:thing}} (is|being) (at (12|twelve) CLOCK|in front of ME|ahead|straight ahead)", f"{_WHEN} {_AM} (STAND|standing|sitting) (at|by) {{at:thing}} [,|and] I (FACE|see) {{facing:thing}} [in front of ME|ahead]")  # fmt: skip
def _stance(at: Things, facing: Things) -> Standing:
    return Standing(at, facing)


@rule("core", "{stance} [,|;|:] [then] {asked:core}", "{asked:core} [,] {stance}", "{stance} [,|;|:] [and] [then] {asked:stance_question}")
def _from_stance(stance: Standing, asked: Program) -> Program | None:
    return seen_from(asked, stance)


@rule("stance_question", f"[where|which way|in which direction] {_LIES} {{place:thing}} [to be found]", f"{{place:thing}} {_LIES} where")
def _stance_where(place: Things) -> Program:
    return TellDirection(place)


def seen_from(program: Program, stance: Standing) -> Program | None:
    """Return a question about the robot's view as one about another point of view.

    None where it already has a point of view, or where a point of view changes nothing.
    """

    def change(node: Any) -> Any:
        if isinstance(node, TellDirection) and node.frame is None and node.origin is None:
            return replace(node, frame=stance)
        if isinstance(node, Related) and node.relation in ("left", "right", "front", "behind"):
            if node.frame is not None:
                return node
            anchors = tuple(x for x in node.anchors if not isinstance(x, Viewer))
            return replace(node, frame=stance, anchors=anchors)
        if isinstance(node, Quantity) and Viewer() in node.of:
            other = tuple(stance.at if isinstance(x, Viewer) else x for x in node.of)
            return Quantity("gap" if node.name == "distance" else node.name, other)
        if isinstance(node, Quantity) and node.name == "bearing" and node.frame is None:
            return replace(node, frame=stance)
        return node

    if any(isinstance(node, Standing) for node in _frames(program)):
        return None
    changed = rebuilt(program, change)
    return changed if changed != program else None


def _frames(program: Program) -> list[Any]:
    return [node for node in nodes(program) if isinstance(node, Standing)]


# Routes -----------------------------------------------------------------------------------------


@rule("core", "[I] BE [a robot] (beginning|starting|standing) [at|by] {start:thing} [and] [FACE] {facing:thing} ;"
      " I want to (navigate|go|get|drive|walk) to {goal:thing} ; {intro:route_intro} {stops:route_step}* [;|,] [{reached:route_end}]")  # fmt: skip
def _route(start: Things, facing: Things, goal: Things, stops: list[Any], **_: Any) -> Program | None:
    turns = tuple(stop for stop in stops if stop != ())
    return TellTurns(start, facing, turns) if turns else None


@rule("core", "[which|what] [way|turns] (do|must|should) I [have to] (turn|take|make) (at each stop|on the way|along the way) [,|when|if] [I] [go|going|drive|driving|walk|walking] from {start:thing} [,] FACE {facing:thing} [,] (to|via|through) {stops:list}",
      "[which|what] turns (do|must|should|will) I (make|take|need) (from|starting at) {start:thing} [,] FACE {facing:thing} [,] (to|via|through) {stops:list}")  # fmt: skip
def _turns(start: Things, facing: Things, stops: tuple[Things, ...]) -> Program:
    return TellTurns(start, facing, stops)


@rule("route_intro", "I will (perform|take|do) the following (actions|steps) [,] [note] [,] [for each] [,] [please fill in] [,] [choose] [either] [,] [turn back] [,] [turn left] [,] [or] [turn right] [,|;] [;]")
def _route_intro() -> bool:
    return True


@rule("route_step", "[;|,] [{number:cardinal}] [;|,] (go|walk|drive|move) (forward|straight|straight ahead) [until] [I|you] [reach|are at] {thing} [;|,]")
def _route_stop(thing: Things, number: int = 0) -> Things:
    return thing


@rule("route_step", "[;|,] [{number:cardinal}] [;|,] please fill in [;|,]")
def _route_turn(number: int = 0) -> tuple[()]:
    return ()


@rule("route_end", "I have reached the final destination")
def _route_end() -> bool:
    return True
