# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When things were seen."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.program import (
    Program,
    Quantity,
    TellNumber,
    Things,
    Unit,
)
from spatialgeo_ros.query.units import kind_of

rule = grammar.rule


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
