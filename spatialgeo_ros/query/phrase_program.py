# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From a noun phrase alone to the program that finds what it names in the object map."""

from __future__ import annotations

from collections.abc import Iterable

from spatialgeo_ros.errors import BadRequestError, NotUnderstoodError
from spatialgeo_ros.query.parser import NotUnderstood, parse_phrase_alone
from spatialgeo_ros.query.program import It, Quantity, Rank, TellObjects, Viewer


def program_of_phrase(
    phrase: str,
    *,
    one: bool = False,
    nearest_first: bool = False,
    labels: Iterable[str] = (),
) -> TellObjects:
    """Return the program that finds the objects of a phrase.

    Args:
        phrase: as in a question: "chairs", "the red mug", "the chair nearest to the door".
        one: whether exactly one object is meant; several are AMBIGUOUS.
        nearest_first: whether to sort by the distance from the viewer, which must be known; a
            phrase that says an order of its own keeps it.
        labels: what the objects of the map are called.

    Raises:
        BadRequestError: there is no word in it.
        NotUnderstoodError: it is no noun phrase; the message names the words.
    """
    if not phrase.strip():
        raise BadRequestError("the phrase is empty: name what to find, for example 'chairs'")
    try:
        read = parse_phrase_alone(phrase, labels)
    except NotUnderstood as error:
        raise NotUnderstoodError(str(error)) from None
    things = read.things
    if nearest_first and not one and not read.ranked:
        things = Rank(things, Quantity("distance", (Viewer(), It())))
    return TellObjects(things, one)
