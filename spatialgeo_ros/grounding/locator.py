# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the objects a phrase means in one observation: what is asked, in which order.

Boxes that somebody publishes come first, then the node's own detector of any words, then the
patches of a profile's CLIP. Keyframes and the object map are the scene's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from spatialgeo_ros.errors import BadRegionError, PhraseNotFoundError
from spatialgeo_ros.grounding.clip_patches import match_detections
from spatialgeo_ros.grounding.clip_source import ClipSource
from spatialgeo_ros.grounding.detector_source import DetectorSource
from spatialgeo_ros.grounding.found import DETECTION, Found, SeenObject
from spatialgeo_ros.grounding.grounder import Grounder
from spatialgeo_ros.grounding.head_phrases import head_phrase
from spatialgeo_ros.grounding.map_vocabulary import MapVocabulary
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.networks.interface import Networks
from spatialgeo_ros.query.nouns import canonical
from spatialgeo_ros.query.phrases import NounPhrase
from spatialgeo_ros.query.vocabulary import Vocabulary


class Locator:
    """Looks for phrases in single observations.

    Args:
        networks: their CLIP is used where they have one; None for none.
        grounder: the node's own detector; None for none.
        map_vocabulary: what a detector of any words looks for unasked.
        without: why there is no detector, with the cure, where one was wanted.
        use_clip: whether the patches of CLIP look, too.
    """

    def __init__(
        self,
        networks: Networks | None,
        grounder: Grounder | None = None,
        map_vocabulary: MapVocabulary | None = None,
        without: str = "",
        use_clip: bool = True,
    ) -> None:
        self._networks, self.grounder = networks, grounder
        #: Why there is no detector, with the cure, where one was wanted; "" else.
        self.without = without
        self.vocabulary = networks.vocabulary if networks is not None else Vocabulary()
        self.map_vocabulary = map_vocabulary or MapVocabulary()
        self._clip = ClipSource(networks) if networks is not None and use_clip else None
        self._detector = None
        if grounder is not None:
            self._detector = DetectorSource(
                grounder, networks, self.vocabulary, self.map_vocabulary
            )

    @property
    def can_ground(self) -> bool:
        """Whether phrases can be found without published boxes."""
        return self._detector is not None or self._has_clip

    @property
    def knows_any_words(self) -> bool:
        """Whether a detector of any words looks."""
        return self._detector is not None and not self._detector.familiar_only

    @property
    def _has_clip(self) -> bool:
        return self._clip is not None and self._clip.is_there

    def unfamiliar(self, observation: Observation) -> str:
        """Say why nothing here can be trusted with an image, "" where something can.

        Published boxes are used in any case.
        """
        if self._detector is not None and not self._detector.familiar_only:
            return ""
        if self._networks is None or not self.can_ground:
            return ""
        return self._networks.unfamiliar(observation.view)

    def candidates(
        self,
        observation: Observation,
        phrase: NounPhrase,
        rivals: Sequence[NounPhrase] = (),
        sure: bool = False,
    ) -> list[Found]:
        """Find everything in view that the kind and the colour of a phrase fit, surest first.

        Nothing else of the phrase is looked at: see :mod:`spatialgeo_ros.scene.selection`.

        Args:
            observation: where to look.
            phrase: what to look for.
            rivals: phrases for other objects of the same question: where one of them fits better,
                this one is not looked for.
            sure: take nothing doubtful. Many frames are searched for something that is not in
                view now, and every one of them is a chance to be wrong.

        Raises:
            PendingError: a detector on a thread of its own has to look first.
        """
        frame = observation.frame
        matches = match_detections(phrase, frame.detections, frame.image, self.vocabulary)
        if matches:
            return [Found(region, DETECTION, score) for region, score in matches]
        if self.unfamiliar(observation):
            return []
        if self._detector is not None:
            found = self._detector.candidates(observation, phrase, rivals, sure)
            if found is not None:
                return found
        if self._clip is None or self._clip_unfamiliar(observation):
            return []
        found = self._clip.candidates(observation, phrase, rivals, sure)
        failure = self.failure(observation, phrase)
        return [replace(one, note=failure) for one in found] if failure else found

    def is_published(self, observation: Observation, text: str) -> bool:
        """Tell whether published boxes fit a phrase, so that nothing else is asked."""
        frame, phrase = observation.frame, self.vocabulary.parse(text)
        return bool(match_detections(phrase, frame.detections, frame.image, self.vocabulary))

    def sees(
        self, observation: Observation, phrase: NounPhrase, rivals: Sequence[NounPhrase] = ()
    ) -> bool:
        """Tell whether an earlier image surely shows candidates; needs no point map.

        A detector is not asked about it again: what it was asked then counts.
        """
        frame = observation.frame
        if match_detections(phrase, frame.detections, frame.image, self.vocabulary):
            return True
        if self.unfamiliar(observation):
            return False
        if self._detector is not None:
            return self._detector.saw(observation, phrase)
        return self._clip is not None and self._clip.sees(observation, phrase, rivals)

    def can_look_for(self, observation: Observation, phrase: NounPhrase) -> bool:
        """Tell whether not finding a phrase means anything: somebody here knows such things."""
        if observation.frame.detections:
            return True
        if not self.can_ground or self.unfamiliar(observation):
            return False
        if self.failure(observation, phrase):
            return False
        if self.knows_any_words:
            return True
        return not self.vocabulary.kinds or bool(self.vocabulary.matching(phrase))

    def failure(self, observation: Observation, phrase: NounPhrase) -> str:
        """Say why the detector could not look for a phrase in an image, "" where it could."""
        return "" if self._detector is None else self._detector.failure(observation, phrase)

    def scan(
        self, observation: Observation, kinds: Iterable[str] | None = None
    ) -> list[SeenObject]:
        """List what is surely in view, surest first.

        On an :meth:`unfamiliar` image only detections are listed.

        Args:
            observation: where to look.
            kinds: nouns that a detector of any words is asked for; None for what it looks for
                unasked. Detections and CLIP list what they know.

        Raises:
            PendingError: a detector on a thread of its own has to look first.
        """
        seen = self._detected(observation)
        if not self.unfamiliar(observation):
            taken = {canonical(thing.label) or thing.label for thing in seen}
            seen += [
                thing
                for thing in self._own(observation, kinds)
                if (canonical(thing.label) or thing.label) not in taken
            ]
        return sorted(seen, key=lambda thing: -thing.score)

    def everything(
        self, observation: Observation, kinds: Iterable[str] | None = None, *, known: bool = False
    ) -> list[Found]:
        """Find all that own networks surely see in an image, in one pass.

        The label of each region is its kind.

        Args:
            observation: where to look.
            kinds: nouns that a detector of any words is asked for; None for all that the map is to
                know. CLIP finds what it knows.
            known: take what a detector on a thread of its own has found, and ask for no more.

        Raises:
            PendingError: a detector on a thread of its own has to look first.
        """
        if self.unfamiliar(observation):
            return []
        if self._detector is not None:
            return self._detector.every(observation, kinds, known=known)
        if self._clip is None or not self._clip.is_there:
            return []
        return self._clip.every(observation)

    def must_wait_for(self, observation: Observation) -> tuple[str, ...]:
        """Return what a detector on a thread of its own still has to look for on an image.

        Empty where the object map can have the image now: by published boxes, by what is known, or
        because whoever asks looks itself.
        """
        frame = observation.frame
        detector = self._detector
        if detector is None or not detector.grounder.deferred:
            return ()
        if frame.detections_stamp_ns or frame.detections or self.unfamiliar(observation):
            return ()
        return detector.grounder.missing(observation, self.map_vocabulary.phrases)

    def note_asked(self, text: str) -> None:
        """Let the object map look for what somebody asked about, from now on for a while."""
        head = head_phrase(self.vocabulary.parse(text))
        self.map_vocabulary.note_asked(head.bare or head.forms)

    def release(self, observation: Observation) -> None:
        """Free what a detector keeps of an image and can make again."""
        if self.grounder is not None:
            self.grounder.release(observation)

    def not_found(self, observation: Observation, text: str, why: str = "") -> PhraseNotFoundError:
        """Build the error for a phrase that is not in view; it says why, and what is in view."""
        phrase = self.vocabulary.parse(text)
        frame = observation.frame
        problem = frame.problems.get("detections", "")
        if unfamiliar := self.unfamiliar(observation):
            names = [thing.label for thing in self._detected(observation)[:8]]
            detected = f"is not among the detections ({', '.join(names)}) and " if names else ""
            cause = f"{unfamiliar}; {problem}" if problem else unfamiliar
            return PhraseNotFoundError(
                f"'{text}' {detected}cannot be looked for: {cause}; give a box, point or mask, "
                "publish detections, or choose another profile"
            )
        failure = self.failure(observation, phrase)
        message = f"'{text}' is not in view"
        if why:
            message += f" ({why})"
        elif failure:
            message = f"'{text}' cannot be looked for: {failure}"
        elif not self.can_ground and not frame.detections:
            cause = problem or "no detections arrive"
            wanting = self.without or "the profile has no grounding"
            return PhraseNotFoundError(
                f"'{text}' cannot be looked for: {wanting}, and {cause}; give a "
                "box, point or mask, or publish detections"
            )
        if problem:
            message += f"; {problem}"
        if self.can_ground and not self.knows_any_words:
            message += self._vocabulary_note(phrase)
        names = self._names(observation)
        seen = f"in view: {', '.join(names)}" if names else "nothing known is in view"
        if self._detector is not None and not names:
            seen = self._detector.seen_lately(observation) or "nothing else was looked for"
        return PhraseNotFoundError(f"{message}; {seen}")

    # Internals

    def _clip_unfamiliar(self, observation: Observation) -> bool:
        return self._networks is None or bool(self._networks.unfamiliar(observation.view))

    def _vocabulary_note(self, phrase: NounPhrase) -> str:
        """Say what a CLIP of few words knows, where a phrase has others."""
        note = ""
        if phrase.colour and phrase.known and self.vocabulary.colours:
            if phrase.colour not in self.vocabulary.colours:
                note += f"; the profile knows the colours {', '.join(self.vocabulary.colours)}"
        if self.vocabulary.kinds and not phrase.known:
            note += f"; the profile knows {', '.join(self.vocabulary.kinds)}"
        return note

    def _names(self, observation: Observation) -> list[str]:
        """What is known to be in view, without asking a detector for more."""
        if self._detector is None:
            return [thing.label for thing in self.scan(observation)[:8]]
        names = [thing.label for thing in self._detected(observation)]
        names += self._detector.names(observation)
        return list(dict.fromkeys(names))[:8]

    def _detected(self, observation: Observation) -> list[SeenObject]:
        """What published boxes name; each name at most once."""
        height, width = observation.frame.image.shape[:2]
        seen: dict[str, SeenObject] = {}
        for region in observation.frame.detections:
            if not region.label:
                continue
            try:
                box = region.bounds(height, width)
            except BadRegionError:
                continue
            best = seen.get(region.label)
            if best is None or region.score > best.score:
                seen[region.label] = SeenObject(region.label, box, region.score, DETECTION)
        return sorted(seen.values(), key=lambda thing: -thing.score)

    def _own(self, observation: Observation, kinds: Iterable[str] | None) -> list[SeenObject]:
        """What the detector, else CLIP, sees."""
        if self._detector is not None:
            return self._detector.scan(observation, kinds)
        if self._clip is None or not self._clip.is_there:
            return []
        return self._clip.scan(observation)
