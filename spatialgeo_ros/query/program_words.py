# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parts of a program said in English again, for messages: "red chair next to the bin"."""

from __future__ import annotations

from collections.abc import Sequence

from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.query.nouns import plural
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
_WITHOUT_ANCHOR: dict[nodes.RelationName, str] = {
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
_ORDINALS = ("", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
#: Words for the least and the greatest of a quantity.
_EXTREMES: dict[nodes.QuantityName, tuple[str, str]] = {
    "distance": ("nearest", "farthest"),
    "gap": ("closest", "farthest"),
    "bearing": ("rightmost", "leftmost"),
    "height": ("shortest", "tallest"),
    "top": ("lowest", "highest"),
    "bottom": ("lowest", "highest"),
    "volume": ("smallest", "biggest"),
    "size": ("smallest", "biggest"),
    "width": ("narrowest", "widest"),
    "length": ("shortest", "longest"),
    "depth": ("shallowest", "deepest"),
}
_COMPARATORS: dict[nodes.Comparator, str] = {
    "<": "less than", "<=": "at most", ">": "more than", ">=": "at least", "==": "exactly",
}  # fmt: skip


def things_in_words(node: nodes.Things, many: bool = False) -> str:
    """Return a noun phrase without article for a set: "red chair next to the bin".

    Args:
        node: the set.
        many: whether to say the plural: "red chairs next to the bin".
    """
    if isinstance(node, nodes.Named):
        noun = node.kind or "thing"
        noun = plural(noun) if many else noun
        words = (*node.unknown, node.colour, node.material, noun)
        return " ".join(word for word in words if word)
    if isinstance(node, nodes.Those):
        return node.words or " or ".join(node.ids) or "thing"
    if isinstance(node, nodes.RequestRegion):
        return f"object in region {node.index}"
    if isinstance(node, nodes.Filter):
        return f"{things_in_words(node.of, many)} {condition_in_words(node.where)}"
    if isinstance(node, nodes.Union):
        return " or ".join(dict.fromkeys(things_in_words(one, many) for one in node.of))
    if isinstance(node, nodes.Except):
        return f"{things_in_words(node.of, many)} other than the {things_in_words(node.without)}"
    if isinstance(node, nodes.The):
        return things_in_words(node.of, many)
    if isinstance(node, nodes.Rank):
        return _ranked_in_words(node, many)
    return "things" if many else "thing"


def _ranked_in_words(node: nodes.Rank, many: bool) -> str:
    """The front of an order: "second nearest chair", "chair closest to the door"."""
    things = things_in_words(node.of, many)
    by = node.by
    if node.count is None or not isinstance(by, nodes.Quantity) or by.frame is not None:
        return things
    nth = f"{_ORDINALS[node.skip]} " if 0 < node.skip < len(_ORDINALS) else ""
    if by.name == "bearing" and nth:
        return f"{nth}{things} from the {'left' if node.descending else 'right'}"
    least, greatest = _EXTREMES.get(by.name, ("", ""))
    word = greatest if node.descending else least
    if not word or node.skip >= len(_ORDINALS):
        return things
    others = [one for one in by.of if not isinstance(one, nodes.It | nodes.Viewer)]
    if others:
        joint = "from" if node.descending else "to"
        return f"{nth}{things} {word} {joint} {place_in_words(others[0])}"
    return f"{nth}{word} {things}"


def place_in_words(node: nodes.Place) -> str:
    """Return a noun phrase with article for a place."""
    if type(node) in _PARTS:
        return _PARTS[type(node)]
    # mypy does not narrow by the type of the table's keys
    words = things_in_words(node)  # type: ignore[arg-type]
    return words if words == "it" else f"the {words}"


def relation_in_words(relation: nodes.RelationName, anchors: Sequence[str]) -> str:
    """Return what is said of a subject: "next to the bin", "on the left".

    Args:
        relation: its name.
        anchors: what it refers to, with article.
    """
    if not anchors:
        return _WITHOUT_ANCHOR.get(relation, _RELATIONS[relation])
    if anchors == ["me"] and relation in ("left", "right"):
        return f"on my {relation}"
    return f"{_RELATIONS[relation]} {' and '.join(anchors)}"


def condition_in_words(node: nodes.Condition) -> str:
    """Return what follows a noun that a condition about ``It`` chooses: "next to the bin"."""
    if isinstance(node, nodes.Related):
        words = relation_in_words(node.relation, [place_in_words(one) for one in node.anchors])
        if isinstance(node.subject, nodes.It):
            return words
        return f"so that {place_in_words(node.subject)} is {words}"
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
