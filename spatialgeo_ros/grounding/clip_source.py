# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Looks for phrases with the patches of a profile's CLIP: warm blobs of heat-maps, made boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.grounding.clip_patches import (
    Blob,
    blobs,
    name_probabilities,
    refine_all,
)
from spatialgeo_ros.grounding.found import CLIP, Found, SeenObject
from spatialgeo_ros.grounding.verification import colour_doubt
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.networks.interface import Networks
from spatialgeo_ros.query.phrases import NounPhrase

#: What an open-vocabulary encoder compares a phrase with when the profile has no word list.
_GENERIC_CONTRAST = ("wall", "floor", "ceiling", "something else")
#: Peak, as a share of the hottest blob's, from which another blob may be the one meant. On 120
#: views of rooms never trained on, 14 of 350 names found of one object become ambiguous, and 4
#: fewer of them mean a wrong one.
_RIVAL_PEAK = 0.5
#: What is named without being asked for has to be surer than what is searched for: peak of its
#: blob, and the blob's mass in patches, with a colour and without. On 120 views of 30 rooms never
#: trained on, 96 % of names with a colour and 97 % of names without are then of things in view.
_NAMED_PEAK = 0.7
_NAMED_MASS = {True: 2.0, False: 0.8}
#: Least probability in a frame that is only searched because the newest one does not show it.
_SURE_THRESHOLD = 0.5


@dataclass(frozen=True, eq=False)
class _Warm:
    """One warm blob of a phrase's heat-map [h, w], and why it may be something else."""

    heat: npt.NDArray[np.float32]
    blob: Blob
    doubt: str


class ClipSource:
    """What the CLIP of a profile finds in single observations.

    Args:
        networks: whose CLIP is used, where they have one.
    """

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self.vocabulary = networks.vocabulary

    @property
    def is_there(self) -> bool:
        """Whether the networks can look for words (not any more, once they are closed)."""
        return self._networks.has_grounding

    def candidates(
        self,
        observation: Observation,
        phrase: NounPhrase,
        rivals: Sequence[NounPhrase] = (),
        sure: bool = False,
    ) -> list[Found]:
        """Find what looks like a phrase, warmest first; see :meth:`Locator.candidates`."""
        # One cut each: several things of a phrase are told apart by their own colours.
        return [
            found
            for warm in self._warm(observation, phrase, rivals, sure)
            for found in self._refined(observation, [(phrase, warm)])
        ]

    def sees(
        self, observation: Observation, phrase: NounPhrase, rivals: Sequence[NounPhrase] = ()
    ) -> bool:
        """Tell whether there are surely candidates; needs no point map."""
        return bool(self._warm(observation, phrase, rivals, True))

    def every(self, observation: Observation) -> list[Found]:
        """Find everything that is surely of a kind of the vocabulary, in one pass.

        The label of each region is its kind.
        """
        wanted = [
            (phrase, warm)
            for phrase in map(self.vocabulary.parse, self.vocabulary.kinds)
            for warm in self._warm(observation, phrase, (), True)
        ]
        return self._refined(observation, wanted)

    def scan(self, observation: Observation) -> list[SeenObject]:
        """List what is surely in view, each name at most once."""
        height, width = observation.frame.image.shape[:2]
        return [
            SeenObject(name, _cells_box(blob.cells, width, height), blob.peak, CLIP)
            for name, blob in self._surely_named(observation)
        ]

    def _warm(
        self,
        observation: Observation,
        phrase: NounPhrase,
        rivals: Sequence[NounPhrase],
        sure: bool,
    ) -> list[_Warm]:
        """Return the warm blobs of a phrase's heat-map that can be it, warmest first.

        Where one looks like the phrase more than like anything else, doubtful ones do not count;
        nor do those less than half as hot as the hottest.
        """
        networks = self._networks
        if not networks.has_grounding or not phrase.kind:
            return []
        heat = self._heat(observation, phrase)
        if heat is None:
            return []
        for rival in rivals:
            heat = self._without(observation, phrase, heat, rival)
        threshold = networks.grounding_threshold
        found = [
            _Warm(heat, blob, self._doubt(observation, phrase, heat, blob))
            for blob in blobs(heat, max(threshold, _SURE_THRESHOLD) if sure else threshold)
        ]
        clear = [warm for warm in found if not warm.doubt]
        if not clear:
            return [] if sure else found[:1]
        hottest = max(warm.blob.peak for warm in clear)
        return [warm for warm in clear if warm.blob.peak >= _RIVAL_PEAK * hottest]

    def _refined(
        self, observation: Observation, wanted: Sequence[tuple[NounPhrase, _Warm]]
    ) -> list[Found]:
        """Turn blobs of patches into the boxes of objects, all in one pass over the image."""
        if not wanted:
            return []
        frame = observation.frame
        masks = refine_all(
            [(warm.heat, warm.blob.cells, phrase.colour) for phrase, warm in wanted],
            frame.image,
            None if observation.pointmap is None else observation.pointmap.points,
            observation.gravity,
            observation.camera_height,
        )
        found = []
        for (phrase, warm), mask in zip(wanted, masks, strict=True):
            if mask is None:
                box = _cells_box(warm.blob.cells, frame.width, frame.height)
            else:
                # The box, not the mask: geometry then finds the object's points in it by itself,
                # which is more exact than a mask refined from patches (legs of chairs, poles).
                box = Region.from_mask(mask).bounds(*mask.shape)
            score = min(1.0, warm.blob.peak)
            region = Region.from_box(*box, phrase.text, score)
            doubt = warm.doubt or self._colour_doubt(frame.image, region, phrase)
            sure = not doubt and _clear(warm.heat, warm.blob, bool(phrase.colour))
            found.append(Found(region, CLIP, score, doubt=doubt, sure=sure))
        return found

    def _colour_doubt(
        self, image: npt.NDArray[np.uint8], region: Region, phrase: NounPhrase
    ) -> str:
        """Say so where the network knows the kind without its colour, and the pixels lack it."""
        if not self.vocabulary.kinds or phrase.name in self.vocabulary.matching(phrase):
            return ""
        pixels = region.rasterise(*image.shape[:2])
        return colour_doubt(image, pixels, phrase.text, phrase.colour, whole_box=True)

    def _without(
        self,
        observation: Observation,
        phrase: NounPhrase,
        heat: npt.NDArray[np.float32],
        rival: NounPhrase,
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

    def _heat(self, observation: Observation, phrase: NounPhrase) -> npt.NDArray[np.float32] | None:
        """Probability of the phrase at each patch [h, w]; None when it cannot be told."""
        networks = self._networks
        names = self.vocabulary.matching(phrase)
        if names:
            by_name = self._heat_by_name(observation)
            return np.sum([by_name[name] for name in names], axis=0, dtype=np.float32)
        if self.vocabulary.kinds:
            return None  # a small network cannot know what it was never shown
        contrast = networks.background_names or _GENERIC_CONTRAST
        said = f"{phrase.colour} {phrase.noun}".strip()
        logits = networks.similarity(observation.view, (said, *contrast))
        return name_probabilities(logits)[0]

    def _doubt(
        self,
        observation: Observation,
        phrase: NounPhrase,
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

    def _surely_named(self, observation: Observation) -> list[tuple[str, Blob]]:
        """Return what is surely in view: names with their colour, else the kind alone."""
        by_name = self._heat_by_name(observation)
        named: list[tuple[str, Blob]] = []
        for coloured in (True, False):
            heat: dict[str, npt.NDArray[np.float32]] = {}
            for name, one in by_name.items():
                key = name if coloured else self.vocabulary.parse(name).kind
                heat[key] = heat[key] + one if key in heat else one
            if not heat:
                break
            highest = np.max(list(heat.values()), axis=0)
            done = {self.vocabulary.parse(name).kind for name, _ in named}
            for name, one in heat.items():
                own = np.where(one >= highest, one, np.float32(0.0))
                found = blobs(own, _NAMED_PEAK) if name not in done else []
                has_colour = bool(self.vocabulary.parse(name).colour)
                if found and _clear(own, found[0], has_colour):
                    named.append((name, found[0]))
        return named

    def _heat_by_name(self, observation: Observation) -> dict[str, npt.NDArray[np.float32]]:
        """Probability maps of every name of the vocabulary; computed once per frame."""
        cache: dict[str, Any] = observation.visual
        networks = self._networks
        if not self.vocabulary.kinds:
            return {}
        if "heat" not in cache:
            names = self.vocabulary.names()
            logits = networks.similarity(observation.view, (*names, *networks.background_names))
            probability = name_probabilities(logits)
            cache["heat"] = dict(zip(names, probability[: len(names)], strict=True))
        heat: dict[str, npt.NDArray[np.float32]] = cache["heat"]
        return heat


def _clear(heat: npt.NDArray[np.float32], blob: Blob, coloured: bool) -> bool:
    """Tell whether a blob is hot and large enough to be named without being asked for."""
    return blob.peak >= _NAMED_PEAK and float(heat[blob.cells].sum()) >= _NAMED_MASS[coloured]


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
