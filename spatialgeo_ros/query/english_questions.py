# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole questions, and the unit that a number is asked in."""

from __future__ import annotations

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_comparisons import in_unit
from spatialgeo_ros.query.english_numbers import told as tell
from spatialgeo_ros.query.program import (
    Number,
    Program,
    Unit,
)

rule = grammar.rule




@rule("question", "{core}")
def _question(core: Program) -> Program:
    return core


@rule("question", "{core} [measured|expressed|given|stated|answer|answered] [,] (in|using|as) [units of] {unit} [units] [please]", "(in|using) {unit} [,] {core}", "(in|using) {unit} {core}", "how many {unit} BE {number}")
def _in_unit(unit: Unit, core: Program | None = None, number: Number | None = None) -> Program | None:
    program = tell(number) if core is None else core
    return in_unit(program, unit)


