# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Points of view other than the robot's, and routes: standing at one thing and facing another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.program import (
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

# Points of view ---------------------------------------------------------------------------------

_WHEN = (
    "[if|when|imagine|imagining|suppose|supposing|assume|assuming|say|let us say|picture|while"
    "|pretend|considering|given|once] [that]"
)
_AM = "[I] [BE|were|would be|could be] [now|currently]"
_AT = (
    "(at|by|next to|near|beside|on|in|in front of|behind|from|where|close to|under"
    "|at the (position|location|place|spot) of|in the place of|with my back to|over at|to|before"
    "|against)"
)
_LOOKING = "(FACE|with my face (to|towards)) [in the direction of|at|towards|toward|to]"
_AHEAD = "(at (12|twelve) CLOCK|in front of ME|[straight|right|directly] ahead|before ME|in front)"


@rule(
    "stance",
    f"{_WHEN} {_AM} [STAND] {_AT} {{at:thing}} [is] [,|;] [and|while] [then] {_AM} {_LOOKING}"
    " {facing:thing}",
    f"{_WHEN} {_AM} [STAND] {_AT} {{at:thing}} [,] with {{facing:thing}} {_AHEAD}",
    f"{_WHEN} {_AM} [STAND] {_AT} {{at:thing}} [,|and] {{facing:thing}} (is|being) {_AHEAD}",
    f"{_WHEN} {_AM} {_LOOKING} {{facing:thing}} [while] [STAND] {_AT} {{at:thing}}",
)
def _stance(at: Things, facing: Things) -> Standing:
    return Standing(at, facing)


@rule("stance", f"(if|when|once|while) I [BE] {_LOOKING} {{facing:thing}}", cost=0.5)
@rule("stance", f"(if|when|once) I (turn|turned) [to|towards] [{_LOOKING}] {{facing:thing}}")
@rule("stance", "(facing|looking at|looking towards) {facing:thing}", cost=0.5)
def _turned_to(facing: Things) -> Standing:
    """Stay where the robot is and face something else."""
    return Standing(Viewer(), facing)


@rule(
    "core",
    "{stance} [,|;] [and] [then] {asked:core}",
    "{asked:core} [,] {stance}",
)
def _from_stance(stance: Standing, asked: Program) -> Program | None:
    return seen_from(asked, stance)


def seen_from(program: Program, stance: Standing) -> Program | None:
    """Return a question about the robot's view as one about another point of view.

    None where it already has a point of view, or where a point of view changes nothing.
    """

    def change(node: Any) -> Any:
        if isinstance(node, TellDirection) and node.frame is None and node.origin is None:
            other = None if node.relative_to == stance.at else node.relative_to
            return replace(node, frame=stance, relative_to=other)
        if isinstance(node, Related) and node.relation in ("left", "right", "front", "behind"):
            if node.frame is not None:
                return node
            anchors = tuple(x for x in node.anchors if not isinstance(x, Viewer))
            return replace(node, frame=stance, anchors=anchors)
        if isinstance(node, Quantity) and Viewer() in node.of:
            places = tuple(stance.at if isinstance(x, Viewer) else x for x in node.of)
            return Quantity("gap" if node.name == "distance" else node.name, places)
        if isinstance(node, Quantity) and node.name == "bearing" and node.frame is None:
            return replace(node, frame=stance)
        return node

    if any(isinstance(node, Standing) for node in _frames(program)):
        return None
    changed = rebuilt(program, change)
    return changed if changed != program else None


def _frames(program: Program) -> list[Any]:
    return [node for node in nodes(program) if isinstance(node, Standing)]


@rule(
    "core",
    f"{_WHEN} {_AM} [STAND] {_AT} {{at:thing}} [,] [with|and|if|having] {{facing:thing}} [is|being]"
    " at (12|twelve) [CLOCK] [,|;] [and] [then] {asked:core}",
    cost=-0.2,
)
def _from_stance_by_clock(at: Things, facing: Things, asked: Program) -> Program | None:
    """Answer by the clock where the point of view is given by it."""
    if isinstance(asked, TellDirection) and asked.form == "any":
        asked = replace(asked, form="clock")
    return seen_from(asked, Standing(at, facing))


# Routes -----------------------------------------------------------------------------------------


@rule(
    "core",
    "[I] BE [a robot] (beginning|starting|standing) [at|by] {start:thing} [and] [FACE]"
    " {facing:thing} ; I want to (navigate|go|get|drive|walk) to {goal:thing} ;"
    " {intro:route_intro} {stops:route_step}* [;|,] [{reached:route_end}]",
)
def _route(
    start: Things, facing: Things, goal: Things, stops: list[Any], **_: Any
) -> Program | None:
    turns = tuple(stop for stop in stops if stop != ())
    return TellTurns(start, facing, turns) if turns and turns[-1] == goal else None


@rule(
    "core",
    "[which|what] [way|turns] (do|must|should) I [have to] (turn|take|make) (at each stop|on"
    " the way|along the way) [,|when|if] [I] [go|going|drive|driving|walk|walking] from"
    " {start:thing} [,] FACE {facing:thing} [,] (to|via|through) {stops:list}",
    "[which|what] turns (do|must|should|will) I (make|take|need) (from|starting at)"
    " {start:thing} [,] FACE {facing:thing} [,] (to|via|through) {stops:list}",
)
def _turns(start: Things, facing: Things, stops: tuple[Things, ...]) -> Program:
    return TellTurns(start, facing, stops)


@rule(
    "route_intro",
    "I will (perform|take|do) the following (actions|steps) [,] [note] [,] [for each] [,]"
    " [please fill in] [,] [choose] [either] [,] [turn back] [,] [turn left] [,] [or] [turn"
    " right] [,|;] [;]",
)
def _route_intro() -> bool:
    return True


@rule(
    "route_step",
    "[;|,] [{number:cardinal}] [;|,] (go|walk|drive|move) (forward|straight|straight ahead)"
    " [until] [I|you] [reach|are at] {thing} [;|,]",
)
def _route_stop(thing: Things, number: int = 0) -> Things:
    return thing


@rule("route_step", "[;|,] [{number:cardinal}] [;|,] please fill in [;|,]")
def _route_turn(number: int = 0) -> tuple[()]:
    return ()


@rule("route_end", "I have reached the final destination")
def _route_end() -> bool:
    return True
