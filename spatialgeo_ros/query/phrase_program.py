# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a noun phrase alone to the program that finds what it names in the object map."""

from __future__ import annotations

from spatialgeo_ros.errors import BadRequestError, NotUnderstoodError, quoted
from spatialgeo_ros.query.materials import MATERIAL_OF
from spatialgeo_ros.query.phrases import NounPhrase, parse_phrase
from spatialgeo_ros.query.program import It, Named, Quantity, Rank, TellObjects, Viewer

_ANYTHING = ("thing", "object", "item")


def program_of_phrase(
    phrase: str, *, one: bool = False, nearest_first: bool = False
) -> TellObjects:
    """Return the program that finds the objects of a phrase like "chairs" or "the red mug".

    Args:
        phrase: a kind, with a colour and other adjectives; articles do not matter.
        one: whether exactly one object is meant; several are AMBIGUOUS.
        nearest_first: whether to sort by the distance from the viewer, which must be known.

    Raises:
        BadRequestError: there is no word in it.
        NotUnderstoodError: it says more than what and which colour; the message names the words.
    """
    if not phrase.strip():
        raise BadRequestError("the phrase is empty: name what to find, for example 'chairs'")
    parsed = parse_phrase(phrase)
    if extra := _said_besides(parsed):
        raise NotUnderstoodError(
            f"a phrase names a kind and its looks, and {quoted(extra)} is more: send a program, "
            "or ask a question"
        )
    if not parsed.noun and not parsed.colour:
        raise NotUnderstoodError(f"no thing is named in {quoted(phrase)}")
    kind = " ".join(word for word in parsed.noun.split() if word not in parsed.unknown)
    materials = [MATERIAL_OF[word] for word in parsed.unknown if word in MATERIAL_OF]
    named: Named | Rank = Named(
        "" if kind in _ANYTHING else kind,
        parsed.colour,
        materials[0] if materials else "",
        tuple(word for word in parsed.unknown if word not in MATERIAL_OF),
    )
    if nearest_first and not one:
        named = Rank(named, Quantity("distance", (Viewer(), It())))
    return TellObjects(named, one)


def _said_besides(parsed: NounPhrase) -> str:
    """Return the words that say which one, where, or how many."""
    said = [parsed.choice.words] if parsed.choice is not None else []
    for relation in parsed.relations:
        said.append(" and ".join([relation.words, *(one.text for one in relation.anchors)]))
    if parsed.other:
        said.append("other")
    if parsed.count:
        said.append(str(parsed.count))
    return ", ".join(said)
