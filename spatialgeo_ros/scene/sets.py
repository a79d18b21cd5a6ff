# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which objects a noun phrase fits, and what to say where that is none or too many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from spatialgeo_ros.memory.snapshot import MapObject, Presence
from spatialgeo_ros.query import program as nodes
from spatialgeo_ros.query.colours import COLOUR_OF
from spatialgeo_ros.query.nouns import plural
from spatialgeo_ros.query.program_words import things_in_words
from spatialgeo_ros.query.result import QueryError
from spatialgeo_ros.query.result_text import age_words
from spatialgeo_ros.query.units import spoken
from spatialgeo_ros.scene.failures import QueryFailureError, empty
from spatialgeo_ros.scene.map_facts import MapFacts
from spatialgeo_ros.scene.quantities import measure_two

#: Candidates that the text of AMBIGUOUS lists; ``objects`` has all.
_MOST_LISTED = 10


@dataclass(frozen=True, eq=False)
class Found:
    """The objects of a set.

    Attributes:
        objects: in the set's order.
        node: of the program, for messages.
        doubts: (id, probability) of objects, taken or not, of which it is not clear whether they
            belong to it.
    """

    objects: tuple[MapObject, ...]
    node: nodes.Things
    doubts: tuple[tuple[str, float], ...] = ()


class NameResolver:
    """Finds the objects of noun phrases on one map."""

    def __init__(self, facts: MapFacts, remark: Callable[[str], None]) -> None:
        self._facts = facts
        self._remark = remark

    def named(self, node: nodes.Named) -> Found:
        """Return the objects that a noun phrase fits.

        Raises:
            QueryFailureError: UNKNOWN_ATTRIBUTE, for words that a map cannot check.
        """
        if node.unknown:
            words = " or ".join(f"'{word}'" for word in node.unknown)
            raise QueryFailureError(
                QueryError.UNKNOWN_ATTRIBUTE,
                f"I cannot tell what is {words}: I know kinds, colours, materials, sizes and "
                "places of things.",
            )
        of_kind = self._of_kind(node, self._facts.present)
        kept, unknown = [], Counter[str]()
        for one in of_kind:
            lacks = [name for name, wanted, has in _wanted(node, one) if wanted and not has]
            if all(not wanted or has == wanted for _, wanted, has in _wanted(node, one)):
                kept.append(one)
            elif lacks:
                unknown.update(lacks[:1])
        if node.kind:
            for attribute, count in unknown.items():
                nouns = node.kind if count == 1 else plural(node.kind)
                self._remark(f"of {count} {nouns} I do not know the {attribute}")
            if not of_kind:
                self._remark_gone(node)
        return Found(tuple(kept), node)

    def those(self, node: nodes.Those) -> Found:
        """Return the objects of these ids; gone ones are left out, with a remark."""
        found = [
            self._facts.by_id[one] for one in dict.fromkeys(node.ids) if one in self._facts.by_id
        ]
        for one in found:
            if one.state == Presence.GONE:
                self._remark(self._gone_words(one))
        return Found(tuple(one for one in found if one.state != Presence.GONE), node)

    def must_be(self, found: Found, count: int) -> None:
        """Check that a set holds exactly ``count`` objects.

        Raises:
            QueryFailureError: UNKNOWN_OBJECT for none, AMBIGUOUS for another number.
        """
        have = len(found.objects)
        if have == count:
            return
        if have:
            raise self._ambiguous(found, count)
        if not self._facts.present and _named_in(found.node) is None:
            raise empty(self.why(found))
        raise QueryFailureError(QueryError.UNKNOWN_OBJECT, self.why(found))

    def attribute(self, one: MapObject, attribute: nodes.AttributeName, needed: bool) -> str:
        """Return colour, material or kind as the map has it, "" when it is not known.

        Raises:
            QueryFailureError: UNKNOWN_ATTRIBUTE, when it is ``needed``.
        """
        if attribute == "kind":
            return self._facts.kind(one)
        value = one.colour if attribute == "colour" else one.material
        if not value and needed:
            raise QueryFailureError(
                QueryError.UNKNOWN_ATTRIBUTE,
                f"I do not know the {attribute} of {self._facts.name(one)}.",
                objects=(one.id,),
            )
        return value

    @staticmethod
    def canonical_value(attribute: nodes.AttributeName, value: str) -> str:
        """Return a colour by its canonical name; a material as it is."""
        return _colour(value) if attribute == "colour" else value

    def why(self, found: Found) -> str:
        """Say why a set is empty, and what there is."""
        return f"{self._nothing(found)} {self._what_there_is()}"

    # ------------------------------------------------------------------------------------------

    def _of_kind(self, node: nodes.Named, objects: tuple[MapObject, ...]) -> tuple[MapObject, ...]:
        if not node.kind:
            return objects
        return tuple(one for one in objects if self._facts.is_kind(one, node.kind))

    def _remark_gone(self, node: nodes.Named) -> None:
        for one in self._of_kind(node, self._facts.gone):
            self._remark(self._gone_words(one))

    def _gone_words(self, one: MapObject) -> str:
        age = age_words(self._facts.unseen_for(one))
        return f"{one.id} is gone: it was last seen {age} ago"

    def _nothing(self, found: Found) -> str:
        named = _named_in(found.node)
        if isinstance(found.node, nodes.Those | nodes.The) and named is None:
            return f"I do not know what '{things_in_words(found.node)}' is."
        if named is None:
            words = things_in_words(found.node)
            return f"There is no {words}." if words else "There is nothing."
        gone = self._of_kind(named, self._facts.gone)
        present = self._of_kind(named, self._facts.present)
        words = things_in_words(named)
        if not present and gone:
            return f"There is no {words} any more: {'; '.join(map(self._gone_words, gone))}."
        if not present:
            return f"I know no {words}."
        if not self.named(named).objects:
            return f"I know no {words}; {self._others(named, present)}."
        return f"There is no {things_in_words(found.node)}."

    def _others(self, named: nodes.Named, present: tuple[MapObject, ...]) -> str:
        """What colours and materials there are of the kind: "the 2 sofas are grey and blue"."""
        parts = []
        for attribute in ("colour", "material"):
            if not getattr(named, attribute):
                continue
            values = Counter(
                getattr(one, attribute) or f"of unknown {attribute}" for one in present
            )
            what = named.kind or "thing"
            nouns = f"the {what} is" if len(present) == 1 else f"the {plural(what)} are"
            parts.append(f"{nouns} {' or '.join(sorted(values))}")
        return " and ".join(parts)

    def _what_there_is(self) -> str:
        known = self._facts.kinds_known()
        return f"I know of {known}." if known else "I have not seen any object yet."

    def _ambiguous(self, found: Found, count: int) -> QueryFailureError:
        have = len(found.objects)
        listed = [(one.id, one) for one in found.objects]
        words = []
        if self._facts.snapshot.viewer is not None:
            viewer = self._facts.viewer_spot
            far = {
                one.id: measure_two("distance", viewer, self._facts.spot(one), self._facts)
                for one in found.objects
            }
            listed.sort(key=lambda item: far[item[0]].value)
            words = [f"{name} ({spoken(far[name].value, 'm')} away)" for name, _ in listed]
        else:
            words = [
                f"{name} (at {one.centre[0]:.2f}, {one.centre[1]:.2f})" for name, one in listed
            ]
        more = f" and {have - _MOST_LISTED} more" if have > _MOST_LISTED else ""
        what = things_in_words(found.node) or "thing"
        asked = "Which one do you mean?" if count == 1 else f"Which {count} do you mean?"
        if have < count:
            asked = f"These are not {count}."
        fits = "fits" if have == 1 else "fit"
        return QueryFailureError(
            QueryError.AMBIGUOUS,
            f"{have} {fits} '{what}': {', '.join(words[:_MOST_LISTED])}{more}. {asked}",
            objects=tuple(one.id for one in found.objects),
        )


def _wanted(node: nodes.Named, one: MapObject) -> tuple[tuple[str, str, str], ...]:
    """(attribute, wanted value, value that it has)."""
    return (
        ("colour", _colour(node.colour), _colour(one.colour)),
        ("material", node.material, one.material),
    )


def _colour(word: str) -> str:
    return COLOUR_OF.get(word, word)


def _named_in(node: nodes.Things) -> nodes.Named | None:
    """The noun phrase that a set chooses from."""
    if isinstance(node, nodes.Named):
        return node
    if isinstance(node, nodes.Filter | nodes.Rank | nodes.Except | nodes.The):
        return _named_in(node.of)
    return None
