# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of a program said in English again, for messages: "red chair next to the bin"."""

from __future__ import annotations

from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.query.units import spoken

_RELATIONS: dict[nodes.RelationName, str] = {
    "on": "on",
    "supports": "under",
    "above": "above",
    "below": "below",
    "higher": "higher than",
    "lower": "lower than",
    "inside": "in",
    "beside": "next to",
    "touching": "touching",
    "left": "left of",
    "right": "right of",
    "front": "in front of",
    "behind": "behind",
    "between": "between",
    "at_wall": "against a wall",
    "in_view": "in view",
}
_WITHOUT_ANCHOR = {
    "left": "on the left",
    "right": "on the right",
    "front": "in front",
    "behind": "behind",
}
_PARTS: dict[type, str] = {
    nodes.It: "it",
    nodes.Viewer: "me",
    nodes.Floor: "the floor",
    nodes.Ceiling: "the ceiling",
    nodes.Room: "the room",
    nodes.Wall: "the wall",
}
_COMPARATORS: dict[nodes.Comparator, str] = {
    "<": "less than", "<=": "at most", ">": "more than", ">=": "at least", "==": "exactly",
}  # fmt: skip


def things_in_words(node: nodes.Things) -> str:
    """Return a noun phrase without article for a set: "red chair next to the bin"."""
    if isinstance(node, nodes.Named):
        words = (*node.unknown, node.colour, node.material, node.kind or "thing")
        return " ".join(word for word in words if word)
    if isinstance(node, nodes.Those):
        return node.words or " or ".join(node.ids) or "thing"
    if isinstance(node, nodes.RequestRegion):
        return f"object in region {node.index}"
    if isinstance(node, nodes.Filter):
        return f"{things_in_words(node.of)} {condition_in_words(node.where)}"
    if isinstance(node, nodes.Union):
        return " or ".join(dict.fromkeys(map(things_in_words, node.of)))
    if isinstance(node, nodes.Except):
        return f"{things_in_words(node.of)} other than the {things_in_words(node.without)}"
    if isinstance(node, nodes.The | nodes.Rank):
        return things_in_words(node.of)
    return "thing"


def place_in_words(node: nodes.Place) -> str:
    """Return a noun phrase with article for a place."""
    if type(node) in _PARTS:
        return _PARTS[type(node)]
    # mypy does not narrow by the type of the table's keys
    words = things_in_words(node)  # type: ignore[arg-type]
    return words if words == "it" else f"the {words}"


def condition_in_words(node: nodes.Condition) -> str:
    """Return what follows a noun that a condition about ``It`` chooses: "next to the bin"."""
    if isinstance(node, nodes.Related):
        relation = _RELATIONS[node.relation]
        anchors = " and ".join(map(place_in_words, node.anchors))
        if isinstance(node.subject, nodes.It):
            if not anchors:
                return _WITHOUT_ANCHOR.get(node.relation, relation)
            return f"{relation} {anchors}"
        return f"so that {place_in_words(node.subject)} is {relation} {anchors}".strip()
    if isinstance(node, nodes.Has):
        return f"that is {node.value}"
    if isinstance(node, nodes.Not):
        inner = condition_in_words(node.condition)
        return f"that is not {inner.removeprefix('that is ')}"
    if isinstance(node, nodes.All | nodes.Any):
        joint = " and " if isinstance(node, nodes.All) else " or "
        return joint.join(map(condition_in_words, node.of))
    if isinstance(node, nodes.Compare) and isinstance(node.right, nodes.Constant):
        if isinstance(node.left, nodes.Quantity):
            bound = spoken(node.right.value, node.right.unit)
            name = node.left.name.replace("_", " ")
            return f"with a {name} of {_COMPARATORS[node.comparator]} {bound}"
    return "that fits"
