# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Looks for phrases with the node's own detector: all instances, each with a second opinion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.regions import Region, box_iou
from spatialgeo_ros.grounding.detector import Instance, PhraseResult
from spatialgeo_ros.grounding.found import DETECTOR, Found, SeenObject
from spatialgeo_ros.grounding.grounder import SAME_BOX, Grounder, Looked
from spatialgeo_ros.grounding.head_phrases import head_phrase, of_question
from spatialgeo_ros.grounding.map_vocabulary import MapVocabulary
from spatialgeo_ros.grounding.verification import (
    clip_doubt,
    colour_doubt,
    colour_share,
    presence_doubt,
)
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.networks.interface import Networks
from spatialgeo_ros.query.nouns import canonical, plural, relatedness
from spatialgeo_ros.query.phrases import NounPhrase, parse_label
from spatialgeo_ros.query.vocabulary import Vocabulary

#: Share of the colour, of the most that an instance shows, below which one shows another's.
_RIVAL_COLOUR = 0.25
#: Share of its colour from which a thing that was found without it is one of that colour too.
_CLEAR_COLOUR = 0.3
#: Times the score at which the detector itself takes a box for another thing.
_SURER = 1.5


class DetectorSource:
    """What the node's detector finds in single observations.

    Args:
        grounder: the detector, asked once per image and phrase.
        networks: their CLIP gives a second opinion where there is one.
        vocabulary: takes phrases apart.
        map_vocabulary: what is looked for unasked.
    """

    def __init__(
        self,
        grounder: Grounder,
        networks: Networks | None,
        vocabulary: Vocabulary,
        map_vocabulary: MapVocabulary,
    ) -> None:
        self.grounder, self._networks = grounder, networks
        self._vocabulary, self._map_vocabulary = vocabulary, map_vocabulary
        self._lately: dict[str, tuple[int, tuple[str, ...]]] = {}

    @property
    def familiar_only(self) -> bool:
        """Whether the detector knows only images that the profile's networks know."""
        return self.grounder.familiar_only

    def candidates(
        self,
        observation: Observation,
        phrase: NounPhrase,
        rivals: Sequence[NounPhrase] = (),
        sure: bool = False,
    ) -> list[Found] | None:
        """Find all that kind and colour of a phrase fit, surest first.

        Where some look right, doubtful ones do not count.

        Args:
            observation: where to look.
            phrase: what to look for.
            rivals: phrases for other objects of the same question.
            sure: take nothing doubtful, and only what the image was looked through for already.

        Returns:
            None where the detector failed.

        Raises:
            PendingError: a thread of its own has to look first.
            CancelledError: ``cancelled`` became true.
        """
        head = head_phrase(phrase)
        if not head.forms or not self._knows(phrase):
            return []
        if not sure:
            if not self.familiar_only:
                self._map_vocabulary.note_asked(head.bare or head.forms)
            known_ones = [one for one in (phrase, *rivals) if self._knows(one)]
            self.grounder.ask(observation, of_question(known_ones))
        known = self.grounder.known(observation)
        if self.failure(observation, phrase):
            return None
        image = observation.frame.image
        found = _merged(known, head.forms)
        if phrase.colour and not phrase.unknown and not self._knows_colours:
            found += [
                (one, result)
                for one, result in _merged(known, head.bare)
                if all(box_iou(one.box, other.box) <= SAME_BOX for other, _ in found)
                and colour_share(image, _pixels(one, image), phrase.colour) >= _CLEAR_COLOUR
            ]
        for rival in rivals:
            found = _without(found, phrase, rival, known)
        found = _of_the_colour(found, image, phrase.colour)
        made = [self._found(observation, phrase, one, result, known) for one, result in found]
        clear = [one for one in made if not one.doubt]
        return clear if clear or sure else made

    @property
    def _knows_colours(self) -> bool:
        """Whether the detector was trained with every colour of its things.

        What it boxes as a chair and not as a red chair is no red chair then, and how much red there
        is in that box says nothing: it may be the wall's.
        """
        return self.familiar_only and bool(self._vocabulary.colours)

    def _knows(self, phrase: NounPhrase) -> bool:
        """Tell whether a detector of a small world was trained with a kind; one of any words is."""
        return not self.familiar_only or bool(self._vocabulary.matching(phrase))

    def saw(self, observation: Observation, phrase: NounPhrase) -> bool:
        """Tell whether an image that was looked through for a phrase shows it."""
        known = self.grounder.known(observation)
        return any(
            form in known and known[form].result.instances for form in head_phrase(phrase).forms
        )

    def failure(self, observation: Observation, phrase: NounPhrase) -> str:
        """Say why an image could not be looked through for a phrase, "" where it could."""
        known = self.grounder.known(observation)
        looked = [known[form] for form in head_phrase(phrase).forms if form in known]
        return looked[0].failure if looked and all(one.failure for one in looked) else ""

    def every(
        self, observation: Observation, kinds: Iterable[str] | None = None, *, known: bool = False
    ) -> list[Found]:
        """Find all instances of some nouns, in one pass; each thing once, under its surest name.

        The label of each region is the noun. Doubtful ones are left out.

        Args:
            observation: where to look.
            kinds: the nouns; None for what is looked for unasked.
            known: take what a thread of its own has found, and ask for no more.

        Raises:
            PendingError: a thread of its own has to look first.
        """
        nouns = self._map_vocabulary.phrases if kinds is None else tuple(sorted(kinds))
        if kinds is not None and not self.familiar_only:
            self._map_vocabulary.note_asked(nouns)
        if not (known and self.grounder.deferred):
            self.grounder.ask(observation, nouns)
        looked = self.grounder.known(observation)
        found = self._all_known(
            observation, {noun: looked[noun] for noun in nouns if noun in looked}
        )
        if kinds is None:
            names = tuple(dict.fromkeys(one.region.label for one in found))
            self._lately[observation.frame.camera] = observation.frame.stamp_ns, names
        return found

    def scan(
        self, observation: Observation, kinds: Iterable[str] | None = None
    ) -> list[SeenObject]:
        """List all instances of some nouns, in one pass; see :meth:`every`."""
        height, width = observation.frame.image.shape[:2]
        return [
            SeenObject(one.region.label, one.region.bounds(height, width), one.score, DETECTOR)
            for one in self.every(observation, kinds)
        ]

    def names(self, observation: Observation) -> list[str]:
        """Return what is known to be in an image, by name and number, without looking again."""
        known = self.grounder.known(observation)
        counted = Counter(one.region.label for one in self._all_known(observation, known))
        return [
            noun if number == 1 else f"{number} {plural(noun)}" for noun, number in counted.items()
        ]

    def seen_lately(self, observation: Observation) -> str:
        """Say what the camera's last image showed that was looked through unasked; "" for none."""
        frame = observation.frame
        stamp, names = self._lately.get(frame.camera, (0, ()))
        if not names or not stamp or stamp > frame.stamp_ns:
            return ""
        ago = (frame.stamp_ns - stamp) * 1e-9
        return f"in view {ago:.1f} s before: {', '.join(names[:8])}"

    # Internals

    def _all_known(self, observation: Observation, known: dict[str, Looked]) -> list[Found]:
        """Everything that was found under any name, each thing under its surest one."""
        every = [
            (one, looked.result) for looked in known.values() for one in looked.result.instances
        ]
        every.sort(key=lambda pair: -pair[0].score)
        kept: list[tuple[Instance, PhraseResult]] = []
        for one, result in every:
            if all(box_iou(one.box, other.box) <= SAME_BOX for other, _ in kept):
                kept.append((one, result))
        made = [
            self._found(observation, parse_label(result.phrase), one, result, {})
            for one, result in kept
        ]
        return [one for one in made if not one.doubt]

    def _found(
        self,
        observation: Observation,
        phrase: NounPhrase,
        one: Instance,
        result: PhraseResult,
        known: dict[str, Looked],
    ) -> Found:
        """Make a region of an instance, with the verdict about it."""
        frame = observation.frame
        score = min(1.0, max(0.0, one.score))
        doubt = (
            presence_doubt(result)
            or _surer(one, phrase, known)
            or colour_doubt(
                frame.image, _pixels(one, frame.image), phrase.text, phrase.colour,
                whole_box=one.mask is None,
            )
            or clip_doubt(self._networks, observation.view, phrase, one.box)
        )  # fmt: skip
        if one.mask is not None and one.mask.pixels.any():
            region = Region.from_mask(one.mask.pixels, phrase.text, score, one.mask.cell)
        else:
            region = Region.from_box(*one.box, phrase.text, score)
        notes = [known[form].note for form in (result.phrase,) if form in known]
        if phrase.unknown:
            said = "', '".join(phrase.unknown)
            notes.append(f"'{said}' is the detector's word for it, and was not checked")
        return Found(
            region, DETECTOR, score, "; ".join(note for note in notes if note), doubt,
            sure=not doubt, colour=phrase.colour,
        )  # fmt: skip


def _merged(known: dict[str, Looked], forms: Iterable[str]) -> list[tuple[Instance, PhraseResult]]:
    """Instances under any of several wordings, each thing once, surest first."""
    every = [
        (one, known[form].result)
        for form in forms
        if form in known
        for one in known[form].result.instances
    ]
    every.sort(key=lambda pair: -pair[0].score)
    kept: list[tuple[Instance, PhraseResult]] = []
    for one, result in every:
        if all(box_iou(one.box, other.box) <= SAME_BOX for other, _ in kept):
            kept.append((one, result))
    return kept


def _without(
    found: list[tuple[Instance, PhraseResult]],
    phrase: NounPhrase,
    rival: NounPhrase,
    known: dict[str, Looked],
) -> list[tuple[Instance, PhraseResult]]:
    """Leave out what another phrase of the question, of an unrelated kind, fits better."""
    if relatedness(phrase.kind, rival.kind) > 0.0:
        return found
    theirs = _merged(known, head_phrase(rival).forms)
    return [
        (one, result)
        for one, result in found
        if not any(
            other.score > one.score and box_iou(one.box, other.box) > SAME_BOX
            for other, _ in theirs
        )
    ]


def _of_the_colour(
    found: list[tuple[Instance, PhraseResult]], image: npt.NDArray[np.uint8], colour: str
) -> list[tuple[Instance, PhraseResult]]:
    """Leave out what shows far less of a colour than another does: it shows another's."""
    if not colour or len(found) < 2:
        return found
    shares = [colour_share(image, _pixels(one, image), colour) for one, _ in found]
    most = max(shares)
    return [
        pair for pair, share in zip(found, shares, strict=True) if share >= _RIVAL_COLOUR * most
    ]


def _surer(one: Instance, phrase: NounPhrase, known: dict[str, Looked]) -> str:
    """Say so where the detector takes the same box for an unrelated thing, and more surely."""
    for looked in known.values():
        other = parse_label(looked.result.phrase).kind
        if relatedness(canonical(other) or other, canonical(phrase.kind) or phrase.kind) > 0.0:
            continue
        for rival in looked.result.instances:
            if rival.score > _SURER * one.score and box_iou(one.box, rival.box) > SAME_BOX:
                return f"what was taken for '{phrase.text}' may be a {looked.result.phrase}"
    return ""


def _pixels(one: Instance, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """The pixels [H, W] of an instance: its mask, or its box."""
    height, width = image.shape[:2]
    if one.mask is not None and one.mask.pixels.any():
        return one.mask.pixels
    return Region.from_box(*one.box).rasterise(height, width)
