# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What fits and what can be reached: gaps, free height, arms."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.program import (
    Comparator,
    Compare,
    Constant,
    Place,
    Program,
    Quantity,
    TellWhether,
    Things,
    Viewer,
    Wall,
)
from spatialgeo_ros.query.units import kind_of

rule = grammar.rule


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
      f"BE [the] GAP between {{pair}} (wide|big|large) enough (for|to let) {{amount:passer}} [to {_PASS}|{_PASS}] [through]", "BE it wide enough between {pair} for {amount:passer}", f"I BE {{amount:wide}} [,] [so] DO I {_PASS} {_BETWEEN} {{pair}}",
      f"(if|when) I BE {{amount:wide}} DO I {_PASS} {_BETWEEN} {{pair}}", "BE [the] GAP between {pair} at least {amount:wide}", f"DO {{amount:passer}} have (enough|sufficient) (GAP|place) [to {_PASS}] {_BETWEEN} {{pair}}",
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


@rule("core", "DO I [be able to] (reach|grasp|touch|grab|pick up) {place:thing} [from here|from WHERE_I_AM|WHERE_I_AM|from ME] (with|using|if|when|given|by) [a|an|the|my|your|I] [HAVE|BE] [a|an] [_s] {amount:arm}",
      "BE {place:thing} in reach (of|for|with|if) [a|an|the|my|I] [HAVE] [a|an] {amount:arm}", "BE {place:thing} (within|in) [the] reach (of|for|with|if) [a|an|the|my|I] [HAVE] [a|an] {amount:arm}",
      "DO [a|an|the|my] {amount:arm} (reach|get to|touch) {place:thing} [from here|from WHERE_I_AM]", "BE {place:thing} reachable (with|for|by) [a|an|the|my] {amount:arm}",
      f"(my|your|the) {_ARM} (is|reaches) {{amount}} [long] [,] [so] DO I (reach|touch|grasp|grab) {{place:thing}}", "(with|using) [a|an] {amount:arm} DO I (reach|touch|grasp|grab) {place:thing}", f"DO I (reach|touch|grasp|grab) {{place:thing}} [from here] if (my|your|the) {_ARM} (is|reaches|BE) {{amount}} [long]",
      "BE a {amount:arm} (long enough|enough) (to reach|for) {place:thing}")  # fmt: skip
def _reach(amount: Constant, place: Things) -> Program:
    return TellWhether(Compare(Quantity("distance", (Viewer(), place)), "<=", amount))


@rule("arm", f"{{amount}} [long] {_ARM}", f"{_ARM} (of|with|that is|which is|BE) [a] [length|reach] [of] {{amount}} [long|reach]", "reach of {amount}", f"{_ARM} (is|BE) {{amount}} [long]", f"{_ARM} length of {{amount}}")
def _arm(amount: Constant) -> Constant | None:
    return amount if kind_of(amount.unit) == "length" else None
