# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""When a decision is within the uncertainty, and how to say so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from spatialgeo_ros.memory.snapshot import MapObject
from spatialgeo_ros.query.result_text import listed
from spatialgeo_ros.scene.estimate import Estimate
from spatialgeo_ros.scene.map_facts import MapFacts

#: Below this probability an order or a choice is said to be doubtful: one standard deviation.
DOUBT = 0.8413


def doubt_of_members(doubts: Iterable[tuple[str, float]]) -> str:
    """Say of which objects it is not clear whether they belong to a set; "" if of none."""
    words = [f"{name} with probability {probability:.2f}" for name, probability in doubts]
    if not words:
        return ""
    return f"who belongs to it is within the uncertainty: {listed(words)}"


def doubt_of_order(
    ranked: Sequence[tuple[Estimate, MapObject]],
    start: int,
    end: int,
    ordered: bool,
    facts: MapFacts,
) -> str:
    """Say where a ranking, or who is taken from it, could as well be otherwise; "" if nowhere.

    What two neighbours share (the viewer's place, the same anchor) does not add to the doubt.

    Args:
        ranked: numbers and objects in their order.
        start: of what is taken.
        end: of what is taken.
        ordered: whether the order within it matters too.
        facts: the map.
    """
    borders = {start, end, *(range(start + 1, end) if ordered or end - start > 1 else ())}
    worst = DOUBT
    words = ""
    for i in sorted(borders):
        if not 0 < i < len(ranked):
            continue
        (first, a), (second, b) = ranked[i - 1], ranked[i]
        # Not farther apart than both are uncertain, or what they share does not matter.
        if abs(second.value - first.value) > facts.sigma(first) + facts.sigma(second):
            continue
        probability = facts.above_zero(second.minus(first).absolute()).probability
        if probability < worst:
            worst = probability
            words = (
                f"the order is within the uncertainty: {facts.name(a)} before {facts.name(b)} "
                f"with probability {probability:.2f}"
            )
    return words
