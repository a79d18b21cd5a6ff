# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the object a phrase means in one observation: detections first, then the CLIP tower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRegionError, PhraseNotFoundError
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.perception.grounding import (
    Blob,
    blobs,
    match_detection,
    name_probabilities,
    refine,
)
from spatialgeo_ros.perception.results import Networks, Observation, SeenObject
from spatialgeo_ros.perception.vocabulary import Phrase, Vocabulary

#: What an open-vocabulary encoder compares a phrase with when the profile has no word list.
_GENERIC_CONTRAST = ("wall", "floor", "ceiling", "something else")
#: A scan names things nobody asked for, so it has to be surer than a search for a phrase.
_SCAN_THRESHOLD = 0.2
#: Least probability in a frame that is only searched because the newest one does not show it.
_SURE_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class Found:
    """Where a phrase was found: region, "detection" or "clip", score, and a remark."""

    region: Region
    how: str
    score: float
    note: str = ""


@dataclass(frozen=True, eq=False)
class _Warm:
    """A phrase's heat-map [h, w], its warmest blob, and a remark."""

    heat: npt.NDArray[np.float32]
    blob: Blob
    note: str


class Locator:
    """Looks for phrases in single observations.

    Args:
        networks: their grounding is used where they have one; None for detections only.
    """

    def __init__(self, networks: Networks | None) -> None:
        self._networks = networks
        self.vocabulary = networks.vocabulary if networks is not None else Vocabulary()

    @property
    def can_ground(self) -> bool:
        """Whether phrases can be found without a detector."""
        return self._networks is not None and self._networks.has_grounding

    def unfamiliar(self, observation: Observation) -> str:
        """Say why the CLIP tower cannot be trusted with an image, "" where it can or is not there.

        Detections are not its work: they are used in any case.
        """
        if self._networks is None or not self.can_ground:
            return ""
        return self._networks.unfamiliar(observation.view)

    def find(
        self, observation: Observation, text: str, rivals: Sequence[str] = (), sure: bool = False
    ) -> Found | None:
        """Find the object a phrase means; None when it is not in view.

        Args:
            observation: where to look.
            text: the phrase.
            rivals: phrases for other objects of the same question: where one of them fits better,
                this one is not looked for.
            sure: take nothing doubtful. Many frames are searched for something that is not in
                view now, and every one of them is a chance to be wrong.
        """
        frame = observation.frame
        phrase = self.vocabulary.parse(text)
        match = match_detection(phrase, frame.detections, frame.image, self.vocabulary)
        if match is not None:
            note = _others(text, match.others)
            return Found(match.region, "detection", min(1.0, match.score), note)
        warm = self._warm(observation, phrase, rivals, sure)
        return None if warm is None else self._refined(observation, phrase, warm)

    def sees(self, observation: Observation, text: str, rivals: Sequence[str] = ()) -> bool:
        """Tell whether :meth:`find` with ``sure`` would find something; needs no point map."""
        frame = observation.frame
        phrase = self.vocabulary.parse(text)
        if match_detection(phrase, frame.detections, frame.image, self.vocabulary) is not None:
            return True
        return self._warm(observation, phrase, rivals, True) is not None

    def scan(self, observation: Observation) -> list[SeenObject]:
        """List what the scene seems to hold, surest first; each name at most once.

        On an :meth:`unfamiliar` image only detections are listed.
        """
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
                seen[region.label] = SeenObject(region.label, box, region.score, "detection")
        if self.can_ground and not self.unfamiliar(observation):
            for name, blob in self._best_named(observation):
                if name not in seen:
                    box = _cells_box(blob.cells, width, height)
                    seen[name] = SeenObject(name, box, blob.peak, "clip")
        return sorted(seen.values(), key=lambda thing: -thing.score)

    def not_found(self, observation: Observation, text: str) -> PhraseNotFoundError:
        """Build the error for a phrase that is not in view; it says what is."""
        phrase = self.vocabulary.parse(text)
        names = [thing.label for thing in self.scan(observation)[:8]]
        if unfamiliar := self.unfamiliar(observation):
            detected = f"is not among the detections ({', '.join(names)}) and " if names else ""
            return PhraseNotFoundError(
                f"'{text}' {detected}cannot be looked for: {unfamiliar}; give a box, point or "
                "mask, publish detections, or choose another profile"
            )
        message = f"'{text}' is not in view"
        if not self.can_ground and not observation.frame.detections:
            return PhraseNotFoundError(
                f"'{text}' cannot be looked for: the profile has no grounding and no detections "
                "arrive; give a box, point or mask, or publish detections"
            )
        if self.vocabulary.kinds and not phrase.known and self.can_ground:
            message += f"; the profile knows {', '.join(self.vocabulary.kinds)}"
        seen = f"in view: {', '.join(names)}" if names else "nothing known is in view"
        return PhraseNotFoundError(f"{message}; {seen}")

    def _warm(
        self, observation: Observation, phrase: Phrase, rivals: Sequence[str], sure: bool
    ) -> _Warm | None:
        """Find the warmest blob of a phrase's heat-map; None when nothing is warm enough."""
        networks = self._networks
        if networks is None or not networks.has_grounding or not phrase.text:
            return None
        if self.unfamiliar(observation):
            return None
        heat = self._heat(observation, phrase)
        if heat is None:
            return None
        for rival in rivals:
            heat = self._without(observation, phrase, heat, self.vocabulary.parse(rival))
        threshold = networks.grounding_threshold
        found = blobs(heat, max(threshold, _SURE_THRESHOLD) if sure else threshold)
        if not found:
            return None
        doubt = self._doubt(observation, phrase, heat, found[0])
        if sure and doubt:
            return None
        similar = sum(blob.peak > 0.5 * found[0].peak for blob in found[1:])
        notes = (_others(phrase.text, similar), doubt)
        return _Warm(heat, found[0], "; ".join(text for text in notes if text))

    def _refined(self, observation: Observation, phrase: Phrase, warm: _Warm) -> Found:
        """Turn a blob of patches into the box of an object."""
        frame = observation.frame
        mask = refine(
            warm.heat,
            warm.blob.cells,
            frame.image,
            None if observation.pointmap is None else observation.pointmap.points,
            observation.gravity,
            observation.camera_height,
            phrase.colour,
        )
        if mask is None:
            box = _cells_box(warm.blob.cells, frame.width, frame.height)
        else:
            # The box, not the mask: geometry then finds the object's points in it by itself, which
            # is more exact than a mask refined from patches (legs of chairs, poles of lamps).
            box = Region.from_mask(mask).bounds(*mask.shape)
        score = min(1.0, warm.blob.peak)
        return Found(Region.from_box(*box, phrase.text, score), "clip", score, warm.note)

    def _without(
        self,
        observation: Observation,
        phrase: Phrase,
        heat: npt.NDArray[np.float32],
        rival: Phrase,
    ) -> npt.NDArray[np.float32]:
        """Take the patches out where a rival fits better; a more general rival takes none."""
        mine, theirs = set(self.vocabulary.matching(phrase)), set(self.vocabulary.matching(rival))
        if not theirs or theirs >= mine:
            return heat
        other = self._heat(observation, rival)
        if other is None:
            return heat
        # "the chair" beside "the red chair" is another chair: its own heat holds the rival's.
        share = 0.5 if theirs < mine else 1.0
        return np.where(other > share * heat, np.float32(0.0), heat)

    def _heat(self, observation: Observation, phrase: Phrase) -> npt.NDArray[np.float32] | None:
        """Probability of the phrase at each patch [h, w]; None when it cannot be told."""
        networks = self._networks
        if networks is None:
            return None
        names = self.vocabulary.matching(phrase)
        if names:
            by_name = self._heat_by_name(observation)
            return np.sum([by_name[name] for name in names], axis=0, dtype=np.float32)
        if self.vocabulary.kinds:
            return None  # a small network cannot know what it was never shown
        contrast = networks.background_names or _GENERIC_CONTRAST
        logits = networks.similarity(observation.view, (phrase.text, *contrast))
        return name_probabilities(logits)[0]

    def _doubt(
        self,
        observation: Observation,
        phrase: Phrase,
        heat: npt.NDArray[np.float32],
        blob: Blob,
    ) -> str:
        """Say so when the object found looks more like something else than like the phrase."""
        peak = np.unravel_index(np.argmax(np.where(blob.cells, heat, 0.0)), heat.shape)
        meant = self.vocabulary.matching(phrase)
        others = {
            name: float(one[peak])
            for name, one in self._heat_by_name(observation).items()
            if name not in meant
        }
        likely = max(others, key=lambda name: others[name], default="")
        if not likely or others[likely] <= heat[peak]:
            return ""
        return f"what was taken for '{phrase.text}' may be a {likely}"

    def _best_named(self, observation: Observation) -> list[tuple[str, Blob]]:
        """The largest blob of each name over the patches where no other name is likelier."""
        by_name = self._heat_by_name(observation)
        if not by_name or self._networks is None:
            return []
        highest = np.max(list(by_name.values()), axis=0)
        named = []
        for name, heat in by_name.items():
            own = np.where(heat >= highest, heat, np.float32(0.0))
            found = blobs(own, max(_SCAN_THRESHOLD, self._networks.grounding_threshold))
            if found:
                named.append((name, found[0]))
        return named

    def _heat_by_name(self, observation: Observation) -> dict[str, npt.NDArray[np.float32]]:
        """Probability maps of every name of the vocabulary; computed once per frame."""
        cache: dict[str, Any] = observation.visual
        networks = self._networks
        if networks is None or not self.vocabulary.kinds:
            return {}
        if "heat" not in cache:
            names = self.vocabulary.names()
            logits = networks.similarity(observation.view, (*names, *networks.background_names))
            probability = name_probabilities(logits)
            cache["heat"] = dict(zip(names, probability[: len(names)], strict=True))
        heat: dict[str, npt.NDArray[np.float32]] = cache["heat"]
        return heat


def _others(text: str, count: int) -> str:
    if count == 0:
        return ""
    fit = "one other object fits" if count == 1 else f"{count} other objects fit"
    return f"{fit} '{text}' too: the surest was taken"


def _cells_box(
    cells: npt.NDArray[np.bool_], width: int, height: int
) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    h, w = cells.shape
    return (
        columns[0] * width / w,
        rows[0] * height / h,
        (columns[-1] + 1) * width / w - 1,
        (rows[-1] + 1) * height / h - 1,
    )
