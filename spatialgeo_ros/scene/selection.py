# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which of the things in view a phrase means: by measuring, or not at all.

Superlatives and ordinals choose among all candidates, relations filter them, and what cannot be
decided is an error that names the word. Two candidates and nothing to choose by are an error too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from spatialgeo_ros.errors import (
    AmbiguousError,
    BadRequestError,
    PhraseNotFoundError,
    SpatialGeoError,
)
from spatialgeo_ros.grounding.found import DETECTOR, OWN, Found
from spatialgeo_ros.grounding.locator import Locator
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.query.phrases import Choice, NounPhrase, Relation
from spatialgeo_ros.scene.candidates import LEAST_BEARING, Candidate, on_floor, quantity, stands
from spatialgeo_ros.scene.recall import same_surface
from spatialgeo_ros.scene.sighting import Sighting

#: More things of one kind in view than anybody can choose among by a phrase.
MOST_CANDIDATES = 64
#: Words that say nothing about the kind of thing.
_NO_KIND = frozenset("thing object item one something anything everything stuff region".split())
#: Parts of the room that are no things; only the floor can be stood on.
_ROOM = frozenset("wall ceiling corner room floor ground middle centre center side".split())
#: Relations that depend on where the camera was.
_OF_VIEW = frozenset(("left", "right", "front", "behind"))
#: What is less than this off straight ahead is on neither side for sure, radians.
_BESIDE_AHEAD = math.radians(5.0)
#: Least difference of gaps between what is seen of two things each, metres.
_CLEAR_GAP = 0.15
#: Share by which the "big" one has to be bigger than the next.
_CLEARLY = 0.15


def memorable(phrase: NounPhrase) -> bool:
    """Tell whether a phrase means the same thing seen from an earlier place of the camera."""
    relations = all(relation.name not in _OF_VIEW for relation in phrase.relations)
    anchors = (anchor for relation in phrase.relations for anchor in relation.anchors)
    return phrase.choice is None and relations and all(memorable(anchor) for anchor in anchors)


class Selection:
    """Resolves phrases in one observation.

    Args:
        locator: finds candidates.
        observation: where to look.
        lift: measures a candidate; raises what :meth:`Finder.sight` raises.
        candidates: everything that kind and colour of a phrase fit, given the phrases of other
            objects of the same question.
    """

    def __init__(
        self,
        locator: Locator,
        observation: Observation,
        lift: Callable[[Found], Sighting],
        candidates: Callable[[NounPhrase, Sequence[NounPhrase]], list[Found]],
    ) -> None:
        self._locator, self._observation = locator, observation
        self._lift, self._find = lift, candidates

    def one(
        self,
        text: str,
        rivals: Sequence[str] = (),
        given: Sequence[Found] | None = None,
    ) -> Found | None:
        """Return the one thing that a phrase means; None when nothing of its kind is in view.

        Args:
            text: the phrase.
            rivals: phrases for other objects of the same question, which are other objects.
            given: candidates to choose among, instead of what is in view.

        Raises:
            AmbiguousError: several fit, or two are too close to call; the message lists them.
            PhraseNotFoundError: things of the kind are in view, but none that fits.
            BadRequestError: the phrase says something that cannot be checked.
            NoCameraInfoError, NoGeometryError, TooLittleSupportError: choosing needs measuring.
        """
        vocabulary = self._locator.vocabulary
        others = [vocabulary.parse(rival) for rival in rivals]
        phrase = vocabulary.parse(text)
        found = self._candidates(phrase, others) if given is None else list(given)
        self._check(phrase, found)
        if not found:
            return None
        if phrase.count > 1:
            raise BadRequestError(
                f"'{text}' names {phrase.count} objects where one is asked for: name each, for "
                f"example 'the left {phrase.noun}' and 'the right {phrase.noun}'"
            )
        if len(found) == 1 and phrase.plain:
            return found[0]
        if phrase.plain:
            return self._only(text, phrase, found, others)
        fitting = self._related(text, phrase, self._measured(found))
        if phrase.other:
            fitting = self._other(text, phrase, fitting, others)
        if phrase.choice is not None:
            return self._chosen(text, phrase.choice, fitting)
        return self._single(text, phrase, fitting)

    def every(self, text: str) -> list[Found]:
        """Return everything in view that a phrase fits, surest first; may be empty.

        Raises:
            SpatialGeoError: as :meth:`one`, without AmbiguousError for several that fit.
        """
        phrase = self._locator.vocabulary.parse(text)
        found = self._candidates(phrase, ())
        self._check(phrase, found)
        if phrase.other:
            raise BadRequestError(f"'{text}': other than which? Name both")
        if phrase.choice is None and not phrase.relations:
            try:  # boxes of one thing are counted once
                return [one.found for one in self._measured(found)]
            except SpatialGeoError:
                return found  # that they are in view does not depend on measuring them
        fitting = [
            candidate
            for candidate, holds in self._relations(phrase, self._measured(found))
            if holds is not False
        ]
        if phrase.choice is not None and fitting:
            return [self._chosen(text, phrase.choice, fitting)]
        return [candidate.found for candidate in fitting]

    # Internals

    def _candidates(self, phrase: NounPhrase, rivals: Sequence[NounPhrase]) -> list[Found]:
        found = self._find(phrase, rivals)
        if len(found) > MOST_CANDIDATES:
            raise AmbiguousError(f"'{phrase.text}' fits {len(found)} things in view: say more")
        return found

    def _check(self, phrase: NounPhrase, found: Sequence[Found]) -> None:
        """Refuse words that nobody can check, unless a label says them too.

        A detector of any words boxes "things" and finds every chair "wobbly": the first is refused,
        the second said with what was found.
        """
        if found and all(one.how not in OWN for one in found):
            return
        if not phrase.kind or phrase.kind in _NO_KIND:
            raise BadRequestError(
                f"'{phrase.text}' says no kind of thing: name it ('the nearest chair'), or give a "
                "box, point or mask"
            )
        if phrase.unknown and not (found and all(one.how == DETECTOR for one in found)):
            said = "', '".join(phrase.unknown)
            raise BadRequestError(
                f"'{phrase.text}': '{said}' cannot be checked by measuring: leave it out, or say "
                "which one by its place or size, for example 'nearest', 'on the left', 'second "
                "from the right', 'tallest', 'on the table'"
            )

    def _measured(self, found: Sequence[Found]) -> list[Candidate]:
        """Measure candidates; those that turn out to be one surface are one."""
        measured: list[Candidate] = []
        for one in found:
            thing = self._lift(one)
            if not any(same_surface(thing, other.thing) for other in measured):
                if one.how in OWN:  # depth may have shown that it is none
                    one = replace(one, doubt=thing.doubt)
                measured.append(Candidate(one, thing))
        return measured

    def _only(
        self, text: str, phrase: NounPhrase, found: list[Found], rivals: Sequence[NounPhrase]
    ) -> Found:
        """Several candidates and nothing to choose by: perhaps the others are named too."""
        try:
            measured = self._measured(found)
        except SpatialGeoError as error:
            raise AmbiguousError(
                f"'{text}' fits {len(found)} things in view, which cannot all be measured "
                f"({error}): give a box, point or mask"
            ) from error
        left = self._without_rivals(phrase, measured, rivals)
        return self._single(text, phrase, left or measured)

    def _without_rivals(
        self, phrase: NounPhrase, measured: list[Candidate], rivals: Sequence[NounPhrase]
    ) -> list[Candidate]:
        """Leave out what other phrases of the same question certainly mean."""
        for rival in rivals:
            if len(measured) < 2 or rival.other or rival.text == phrase.text:
                continue
            try:
                taken = self.one(rival.text)
            except SpatialGeoError:
                continue  # that phrase's own error is raised when its turn comes
            if taken is not None and not taken.doubt:
                thing = self._lift(taken)
                measured = [one for one in measured if not same_surface(one.thing, thing)]
        return measured

    def _other(
        self,
        text: str,
        phrase: NounPhrase,
        fitting: list[Candidate],
        rivals: Sequence[NounPhrase],
    ) -> list[Candidate]:
        left = self._without_rivals(phrase, fitting, rivals)
        if len(left) == len(fitting):
            raise BadRequestError(
                f"'{text}': other than which? Name the other one in the same question, or say "
                f"'the nearest {phrase.noun}', 'the {phrase.noun} on the left'"
            )
        return left

    def _related(self, text: str, phrase: NounPhrase, measured: list[Candidate]) -> list[Candidate]:
        """Return the candidates that stand in every relation of the phrase."""
        judged = self._relations(phrase, measured)
        holding = [one for one, holds in judged if holds]
        unsure = [one for one, holds in judged if holds is None]
        if unsure and len(holding) < 2:
            raise _ambiguous(
                f"'{text}': whether {_listed(unsure)} fits is too close to call: give a box, "
                "point or mask",
                [*holding, *unsure],
            )
        if not holding:
            raise PhraseNotFoundError(
                f"'{text}' is not in view: there is {_listed(measured)}, but not there"
            )
        return [*holding, *unsure]

    def _relations(
        self, phrase: NounPhrase, measured: list[Candidate]
    ) -> list[tuple[Candidate, bool | None]]:
        verdicts: list[list[bool | None]] = [[] for _ in measured]
        for relation in phrase.relations:
            judge = self._judge(relation)
            for one, verdict in zip(measured, verdicts, strict=True):
                verdict.append(judge(one))
        return [
            (one, False if False in verdict else None if None in verdict else True)
            for one, verdict in zip(measured, verdicts, strict=True)
        ]

    def _judge(self, relation: Relation) -> Callable[[Candidate], bool | None]:
        """Find what a relation refers to; return the test of a candidate against it."""
        kinds = [anchor.kind for anchor in relation.anchors]
        if kinds == ["floor"] and relation.name == "on":
            return on_floor
        anchors = [
            self._anchor(f"{relation.words} the {anchor.text}", anchor)
            for anchor in relation.anchors
        ]

        def judge(one: Candidate) -> bool | None:
            if any(same_surface(one.thing, anchor.thing) for anchor in anchors):
                return False  # nothing stands beside itself
            return stands(relation.name, relation.words, one, anchors)

        return judge

    def _anchor(self, words: str, phrase: NounPhrase) -> Candidate:
        """Find what a relation or a superlative refers to."""
        found = self.one(phrase.text)
        if found is not None and found.doubt:
            raise PhraseNotFoundError(f"'{words}': {found.doubt}")
        if found is not None:
            return Candidate(found, self._lift(found))
        if phrase.kind in _ROOM:
            raise BadRequestError(
                f"'{words}' cannot be checked: walls, corners and rooms are no objects here; refer "
                "to a thing in view"
            )
        raise PhraseNotFoundError(
            f"'{words}': {self._locator.not_found(self._observation, phrase.text)}"
        )

    def _chosen(self, text: str, choice: Choice, fitting: list[Candidate]) -> Found:
        """Choose by a superlative, an ordinal or a comparing word."""
        if not choice.quantity:
            raise _ambiguous(
                f"'{text}': '{choice.words}' counts in no stated order: say 'second from the left' "
                f"or 'second nearest'; in view: {_listed(fitting)}",
                fitting,
            )
        if choice.quantity == "side" and (choice.words not in ("left", "right") or _few(fitting)):
            return self._on_side(text, choice, fitting)
        if choice.comparing and len(fitting) == 1:
            raise _ambiguous(
                f"'{text}': '{choice.words}' compares with others, and only {_listed(fitting)} is "
                f"in view: leave '{choice.words}' out if it is the one",
                fitting,
            )
        anchor = None if choice.anchor is None else self._anchor(choice.words, choice.anchor)
        if anchor is not None:
            fitting = [one for one in fitting if not same_surface(one.thing, anchor.thing)]
        values = [(*quantity(choice.quantity, one, anchor), one) for one in fitting]
        values.sort(key=lambda value: -value[0] if choice.greatest else value[0])
        index = choice.rank - 1
        if choice.quantity == "middle":
            index = len(values) // 2
        odd = choice.quantity != "middle" or (len(values) % 2 and len(values) > 2)
        if not 0 <= index < len(values) or not odd:
            raise _ambiguous(
                f"'{text}': '{choice.words}' does not single one out of {len(values)} in view"
                f"{': ' + _listed(fitting) if fitting else ''}",
                fitting,
            )
        value, sigma, picked = values[index]
        unsure = [one for *_, one in values if one.found.doubt and one.found.how in OWN]
        if unsure and 0 < index < len(values) - 1 and picked not in unsure:
            raise AmbiguousError(
                f"'{text}': what is counted is in doubt: {unsure[0].found.doubt}; give a box, "
                "point or mask"
            )
        for other, other_sigma, rival in values[max(0, index - 1) : index + 2]:
            least = max(2 * math.hypot(sigma, other_sigma), _least(choice, value, other))
            if rival is not picked and abs(value - other) < least:
                raise _ambiguous(
                    f"'{text}': too close to call between {_listed([picked, rival])}: give a box, "
                    "point or mask",
                    [picked, rival],
                )
        note = "" if len(values) < 2 else f"'{choice.words}' of {len(values)} in view"
        return _noted(picked.found, note)

    def _on_side(self, text: str, choice: Choice, fitting: list[Candidate]) -> Found:
        """Choose what is on the left or right half of the view."""
        side = 1 if choice.greatest else -1
        bearings = [side * one.bearing for one in fitting]
        there = [
            one
            for one, bearing in zip(fitting, bearings, strict=True)
            if bearing > max(LEAST_BEARING, 2 * one.bearing_sigma)
        ]
        surely = [
            one for one, bearing in zip(fitting, bearings, strict=True) if bearing > _BESIDE_AHEAD
        ]
        if not there:
            raise PhraseNotFoundError(f"'{text}' is not in view: there is {_listed(fitting)}")
        if len(surely) == 1 and len(there) == 1:
            return surely[0].found
        raise _ambiguous(
            f"'{text}': '{choice.words}' does not single one out: {_listed(there)}; say 'leftmost',"
            " 'rightmost' or 'nearest', or give a box, point or mask",
            there,
        )

    def _single(self, text: str, phrase: NounPhrase, fitting: list[Candidate]) -> Found:
        if len(fitting) == 1:
            return fitting[0].found
        clear = [one for one in fitting if not one.found.doubt]
        if len(clear) == 1 and all(one.found.how in OWN for one in fitting):
            others = (one.found.doubt for one in fitting if one.found.doubt)
            return _noted(clear[0].found, f"left out: {'; '.join(others)}")
        raise _ambiguous(
            f"'{text}' fits {len(fitting)} things in view: {_listed(fitting)}; say which: "
            f"'the nearest {phrase.noun}', 'the {phrase.noun} on the left', or give a box, point "
            "or mask",
            fitting,
        )


def _few(fitting: Sequence[Candidate]) -> bool:
    """Whether "the left one" is not simply the left one of two."""
    return len(fitting) != 2


def _least(choice: Choice, a: float, b: float) -> float:
    """Least difference that counts, in the quantity's unit."""
    if choice.quantity in ("bearing", "side", "middle"):
        return LEAST_BEARING
    if choice.anchor is not None:
        return _CLEAR_GAP
    share = _CLEARLY if choice.comparing else 0.0
    return share * max(abs(a), abs(b))


def _listed(candidates: Sequence[Candidate]) -> str:
    nearest_first = sorted(candidates, key=lambda one: (not one.away.valid, one.away.distance))
    words = [one.describe() for one in nearest_first[:8]]
    if len(candidates) > len(words):
        words.append(f"{len(candidates) - len(words)} more")
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _ambiguous(text: str, candidates: Sequence[Candidate]) -> AmbiguousError:
    """Return the error that lists candidates; those that may be another thing are only in words."""
    error = AmbiguousError(text)
    error.candidates = tuple(
        one.thing for one in candidates if not (one.found.doubt or one.thing.doubt)
    )
    return error


def _noted(found: Found, note: str) -> Found:
    return replace(found, note="; ".join(text for text in (found.note, note) if text))
