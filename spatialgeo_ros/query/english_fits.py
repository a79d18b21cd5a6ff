# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What fits and what can be reached: gaps between things, free height under them, arms."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_words import Noun
from spatialgeo_ros.query.program import (
    Comparator,
    Compare,
    Constant,
    Everything,
    Filter,
    It,
    Place,
    Program,
    Quantity,
    TellObjects,
    TellWhether,
    Things,
    Viewer,
)
from spatialgeo_ros.query.units import kind_of

rule = grammar.rule

_ROBOT = "(robot|one|base|platform|rover|machine|cart|trolley|vehicle|something)"
_A = "[a|an|the|my|our|some|any|this]"
_ANY = "(something|anything|someone|anyone|somebody|anybody)"
_OF = "(with|of|that is|which is|having|that has|measuring)"


def _length(amount: Constant, **_: object) -> Constant | None:
    return amount if kind_of(amount.unit) == "length" else None


def _carrier(name: str, adjectives: str, noun: str) -> None:
    """Add what is so wide or so tall: "a 60 cm wide cart", "something with a width of 1 m"."""
    grammar.rule(
        name,
        f"{_A} {{amount}} {adjectives} ({_ROBOT}|{{noun}})",
        f"{_A} ({_ROBOT}|{{noun}}) {_OF} [a|an] [{noun} of] {{amount}} [[of] {noun}|{adjectives}]",
        f"{_A} ({_ROBOT}|{{noun}}) of {{amount}} [of] {noun}",
        f"{_ANY} [that is|which is|who is|of|with] {{amount}} ({adjectives}|[of] {noun})",
    )(_length)
    grammar.rule(name, f"{_A} ({_ROBOT}|{{noun}}) {{amount}} {adjectives}")(_of_known)


def _of_known(amount: Constant, noun: Noun | None = None) -> Constant | None:
    """Take "a robot 60 cm wide", and no unknown word before the number for a name."""
    return None if noun is not None and not noun.known else _length(amount)


_carrier("wide_one", "(wide|broad|across)", "(width|in width|breadth)")
_carrier("tall_one", "(tall|high)", "(height|in height)")
grammar.rule("wide_one", f"{_A} {{amount}} ({_ROBOT}|{{noun}})", cost=0.3)(_length)
grammar.rule("width", "{amount} [wide|in width|broad|across]", "(a|the) width of {amount}")(_length)
grammar.rule("height", "{amount} [tall|high|in height]", "(a|the) height of {amount}")(_length)
grammar.rule(
    "is_wide",
    f"({_A} ({_ROBOT}|{{noun}})|I|it) (BE|measures|HAVE) {{amount:width}}",
)(_length)
_USE = "(HAVE|drive|push|use|carry|bring|own|got|BE (pushing|driving|carrying|using|bringing))"
grammar.rule("is_wide", f"I {_USE} {{amount:wide_one}}")(_length)
grammar.rule("is_tall", f"I {_USE} {{amount:tall_one}}")(_length)
grammar.rule(
    "is_tall",
    f"({_A} ({_ROBOT}|{{noun}})|I|it) (BE|measures|HAVE) {{amount:height}}",
)(_length)

# Between two things -----------------------------------------------------------------------------

_PASS = "(pass|fit|get|go|drive|squeeze|come|move|walk|roll|slip|make it) [through|by]"
_PASS_VERB = "(pass|fit|get|go|drive|squeeze|come|move|walk|roll|slip|make it)"
_BETWEEN = "[through|in|into] [the (gap|space|opening|passage)] (between|through|in between)"
_ENOUGH = "[enough|sufficient|some] (GAP|place) [enough]"
_WHO = "(it|I|that|this|the robot)"
_SAFELY = "[EXACTLY] [safely|easily] [be able to]"


@rule(
    "core",
    f"DO {{amount:wide_one}} {_SAFELY} {_PASS} [{_BETWEEN}] {{pair}}",
    f"DO I {_SAFELY} {_PASS} {_BETWEEN} {{pair}} (if|when|given that) I (BE|HAVE) {{amount:width}}",
    f"DO I {_SAFELY} {_PASS} {_BETWEEN} {{pair}} with {{amount:width}}",
    f"DO I {_SAFELY} {_PASS} {_BETWEEN} {{pair}} with {{amount:wide_one}}",
    f"{{amount:is_wide}} [,|;] [so] (DO|will) {_WHO} {_SAFELY} {_PASS} {_BETWEEN} {{pair}}",
    f"(if|when|given that) {{amount:is_wide}} [,] DO {_WHO} {_PASS} {_BETWEEN} {{pair}}",
    f"{{amount:wide_one}} , DO {_WHO} {_PASS} {_BETWEEN} {{pair}}",
    f"BE there {_ENOUGH} for {{amount:wide_one}} [to {_PASS}] {_BETWEEN} {{pair}}",
    f"BE there {_ENOUGH} {_BETWEEN} {{pair}} for {{amount:wide_one}} [to {_PASS}]",
    f"BE [the] GAP between {{pair}} (wide|big|large) enough (for|to let) {{amount:wide_one}}"
    f" [to {_PASS}|{_PASS}]",
    "BE it wide enough between {pair} for {amount:wide_one}",
    "BE [the] GAP between {pair} at least {amount:width}",
    f"DO {{amount:wide_one}} have {_ENOUGH} [to {_PASS}] {_BETWEEN} {{pair}}",
    f"DO {{pair}} (leave|have|allow) {_ENOUGH} for {{amount:wide_one}} [between them] [to {_PASS}]",
    f"BE it possible (for|to) [for] {{amount:wide_one}} [to {_PASS}] {_BETWEEN} {{pair}}",
    f"DO I PLACE {{amount:wide_one}} {_BETWEEN} {{pair}}",
    f"BE there {_ENOUGH} to ({_PASS}|PLACE) {{amount:wide_one}} {_BETWEEN} {{pair}}",
    f"BE it possible to ({_PASS}|PLACE) {{amount:wide_one}} {_BETWEEN} {{pair}}",
    f"BE {{pair}} far enough apart for {{amount:wide_one}} [to {_PASS}] [between them]",
    "BE there [at least] {amount} [of] GAP between {pair}",
    "(do|does|will|would) {pair} leave [at least] {amount} [of] [GAP] [between them]",
)
def _pass(amount: Constant, pair: tuple[Things, Things]) -> Program:
    return TellWhether(Compare(Quantity("passage", pair), ">=", amount))


@rule(
    "core",
    f"DO {{amount:wide_one}} {_SAFELY} {_PASS} {_BETWEEN} {{a:place}} and {{b:wall}}",
    f"DO {{amount:wide_one}} {_SAFELY} {_PASS} {_BETWEEN} {{b:wall}} and {{a:place}}",
)
def _pass_wall(amount: Constant, a: Place, b: Place) -> Program:
    return TellWhether(Compare(Quantity("passage", (a, b)), ">=", amount))


_THROUGH = "(through|in through|out through|out of)"


@rule(
    "core",
    f"DO {{amount:wide_one}} {_SAFELY} {_PASS_VERB} {_THROUGH} {{place:thing}}",
    f"DO I {_SAFELY} {_PASS_VERB} {_THROUGH} {{place:thing}} (if|when|given that) I (BE|HAVE)"
    " {amount:width}",
    f"{{amount:is_wide}} [,|;] [so] (DO|will) {_WHO} {_PASS_VERB} {_THROUGH} {{place:thing}}",
    f"(if|when|given that) {{amount:is_wide}} [,] DO {_WHO} {_PASS_VERB} {_THROUGH}"
    " {place:thing}",
    "BE {place:thing} (wide|broad) enough (for|to let) {amount:wide_one} [to"
    f" {_PASS_VERB}] [{_THROUGH}]",
    "BE {place:thing} wide enough for {amount:width}",
)
def _through(amount: Constant, place: Things) -> Program:
    """Go by the width of a door or window for what passes through it."""
    return TellWhether(Compare(Quantity("width", (place,)), ">=", amount))


# Under a thing ----------------------------------------------------------------------------------


@rule(
    "core",
    f"DO {{one:thing}} {_SAFELY} {_PASS} {_BETWEEN} {{pair}}",
    f"DO I {_SAFELY} PLACE {{one:thing}} {_BETWEEN} {{pair}}",
    f"BE [the] GAP between {{pair}} (wide|big|large) enough (for|to {_PASS}) {{one:thing}}",
    f"BE there {_ENOUGH} for {{one:thing}} [to {_PASS}] {_BETWEEN} {{pair}}",
    f"BE there {_ENOUGH} {_BETWEEN} {{pair}} for {{one:thing}}",
    f"BE there {_ENOUGH} to PLACE {{one:thing}} {_BETWEEN} {{pair}}",
    f"BE it possible to PLACE {{one:thing}} {_BETWEEN} {{pair}}",
    f"DO {{one:thing}} have {_ENOUGH} {_BETWEEN} {{pair}}",
)
def _passes(one: Things, pair: tuple[Things, Things]) -> Program:
    return TellWhether(Compare(Quantity("passage", pair), ">=", Quantity("width", (one,))))


_UNDER = "(under|underneath|beneath|below)"


@rule(
    "core",
    f"DO {{amount:tall_one}} {_SAFELY} [{_PASS}|stand] {_UNDER} {{place:thing}}",
    f"DO I {_SAFELY} {_PASS} {_UNDER} {{place:thing}} (if|when|given that) I (BE|HAVE)"
    " {amount:height}",
    f"DO I {_SAFELY} {_PASS} {_UNDER} {{place:thing}} with {{amount:height}}",
    f"{{amount:is_tall}} [,|;] [so] (DO|will) {_WHO} {_PASS} {_UNDER} {{place:thing}}",
    f"(if|when|given that) {{amount:is_tall}} [,] DO {_WHO} {_PASS} {_UNDER} {{place:thing}}",
    f"BE there {_ENOUGH} {_UNDER} {{place:thing}} for {{amount:tall_one}} [to {_PASS}]",
    f"BE there {_ENOUGH} for {{amount:tall_one}} [to {_PASS}] {_UNDER} {{place:thing}}",
    f"BE {{place:thing}} high enough (for|to let) {{amount:tall_one}} [to {_PASS}] [{_UNDER}] [it]",
    f"DO {{amount:tall_one}} have {_ENOUGH} {_UNDER} {{place:thing}}",
    f"BE there {{more_than}} {{amount}} [of] GAP {_UNDER} {{place:thing}}",
    f"DO I PLACE {{amount:tall_one}} {_UNDER} {{place:thing}}",
)
def _fit_under(amount: Constant, place: Things, more_than: Comparator = ">=") -> Program:
    return TellWhether(Compare(Quantity("clearance", (place,)), more_than, amount))


@rule(
    "core",
    f"DO {{one:thing}} {_SAFELY} {_PASS} {_UNDER} {{place:thing}}",
    f"DO I {_SAFELY} PLACE {{one:thing}} {_UNDER} {{place:thing}}",
    f"BE there {_ENOUGH} {_UNDER} {{place:thing}} for {{one:thing}}",
    f"BE there {_ENOUGH} for {{one:thing}} {_UNDER} {{place:thing}}",
    f"BE {{place:thing}} high enough (for|to {_PASS}) {{one:thing}} [{_UNDER}] [it]",
)
def _fits_under(one: Things, place: Things) -> Program:
    return TellWhether(Compare(Quantity("clearance", (place,)), ">=", Quantity("height", (one,))))


# With an arm ------------------------------------------------------------------------------------

_ARM = "(arm|gripper arm|gripper|reach|manipulator|hand|robot arm|robotic arm)"
_HERE = "[from here|from WHERE_I_AM|WHERE_I_AM|FROM ME]"
_REACH = "(reach|grasp|touch|grab|get [to]|pick up)"

grammar.rule(
    "arm",
    f"{{amount}} [long] {_ARM}",
    f"{_ARM} {_OF} [a] [length|reach] [of] {{amount}} [long|reach]",
    f"(reach|{_ARM} length) of {{amount}}",
    f"{_ARM} (BE|reaches|measures) {{amount}} [long]",
)(_length)


@rule(
    "core",
    f"DO (I|[a|the] robot) [be able to] {_REACH} {{place:thing}} {_HERE}"
    " (with|using|if|when|given|by) [a|an|the|my|your|I] [HAVE|BE] [a|an] {amount:arm}",
    "BE {place:thing} (in|within) [the] reach (of|for|with|if) [a|an|the|my|your|I] [HAVE]"
    " [a|an] {amount:arm}",
    f"DO (a|an|the|my|your) {{amount:arm}} {_REACH} {{place:thing}} {_HERE}",
    f"DO (a|the|my|your) robot with [a|an] {{amount:arm}} {_REACH} {{place:thing}} {_HERE}",
    "BE {place:thing} reachable (with|for|by|if) [a|an|the|my|your] {amount:arm}",
    f"[if|when] (my|your|the) {{amount:arm}} [,|;] [so] DO I {_REACH} {{place:thing}} {_HERE}",
    f"(with|using|given|having|assuming) [a|an|my] {{amount:arm}} [,] DO I {_REACH} {{place:thing}}"
    f" {_HERE}",
    "(with|using|given|having|assuming) [a|an|my] {amount:arm} [,] BE {place:thing} (reachable|(in"
    f"|within) reach) {_HERE}",
    "(BE|would) [a|an|my|the|your] {amount:arm} [be] (long enough|enough|sufficient) (to"
    f" {_REACH}|for) {{place:thing}}",
    f"DO [a|an|my|the|your] {_ARM} {_REACH} {{place:thing}} {_HERE} (if|when|given that) it"
    " (BE|HAVE|measures) {amount} [long]",
)
def _reach(amount: Constant, place: Things) -> Program:
    return TellWhether(Compare(Quantity("distance", (Viewer(), place)), "<=", amount))


@rule("core", f"WHAT [objects|things] DO I {_REACH} {_HERE} with [a|an|my|your] {{amount:arm}}")
def _what_in_reach(amount: Constant) -> Program:
    near = Compare(Quantity("distance", (Viewer(), It())), "<=", amount)
    return TellObjects(Filter(Everything(), near))
