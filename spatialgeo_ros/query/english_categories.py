# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Questions about categories, of which any object counts: VSI-Bench asks so.

"The closest to the door" of several categories is the closest of all their objects, and a category
appears when the first of its objects does (Yang et al., "Thinking in Space", CVPR 2025).
"""

from __future__ import annotations

from typing import Any

from spatialgeo_ros.query.english import grammar
from spatialgeo_ros.query.english_rankings import Ranking
from spatialgeo_ros.query.program import (
    It,
    Program,
    Quantity,
    Rank,
    TellObjects,
    The,
    Things,
    Union,
)
from spatialgeo_ros.query.program_edit import rebuilt

rule = grammar.rule
_CATEGORY = "(category|categories|kind|kinds|class|classes|type|types)"
_ORDER = (
    "[the|what BE the] [first [time]] [order of] (appearance|first appearance"
    "|first time appearance) [order]"
)


@rule(
    "core",
    "{asked:core} [;] if there BE (multiple|several|more than one) (instances|objects|things|items)"
    f" of (an|the|a|one|the same) [object] {_CATEGORY} [,] (measure to|take|use|count|consider)"
    " [to] the (closest|nearest) [one|instance|of them]",
)
def _any_of_each(asked: Program) -> Program | None:
    """Let every object of a category count where one of several is chosen by distance."""

    def change(node: Any) -> Any:
        if isinstance(node, Rank) and isinstance(node.of, Union):
            return Rank(_any_of(node.of), node.by, node.descending, node.skip, node.count)
        return node

    changed = rebuilt(asked, change)
    return changed if changed != asked else None


def _any_of(things: Union) -> Union:
    """Return all objects of single things: "chair, table" as the chairs and the tables."""
    return Union(tuple(one.of if isinstance(one, The) else one for one in things.of))


@rule(
    "core",
    f"[(what|which) (BE|was|will be|would be)] {_ORDER} of the following [object] {_CATEGORY}"
    " [in the video|IN_ROOM] [,] {items:list}",
    cost=-0.1,
)
def _order_of_categories(items: tuple[Things, ...]) -> Program:
    """Order categories by the first object of each."""
    seen = Quantity("order_seen", (It(),))
    first = [Rank(one.of, seen, count=1) if isinstance(one, The) else one for one in items]
    return TellObjects(Ranking("order_seen", count=None).of(Union(tuple(first))))
