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
from spatialgeo_ros.grounding.clip_patches import (
    MIN_COLOUR,
    Blob,
    blobs,
    match_detections,
    name_probabilities,
    refine,
)
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.networks.interface import Networks
from spatialgeo_ros.query.colours import colour_mask
from spatialgeo_ros.query.phrases import NounPhrase
from spatialgeo_ros.query.vocabulary import Vocabulary

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


@dataclass(frozen=True)
class SeenObject:
    """One entry of a scan: what is surely in view.

    Attributes:
        label: its name.
        box: x0, y0, x1, y1 in pixels.
        score: in [0, 1].
        how: "detection" or "clip".
    """

    label: str
    box: tuple[float, float, float, float]
    score: float
    how: str


@dataclass(frozen=True, eq=False)
class Found:
    """Where a phrase was found.

    Attributes:
        region: its pixels.
        how: "request", "detection" or "clip".
        score: in [0, 1].
        note: what a caller should know.
        doubt: why it may be another thing than the phrase means; "" when nothing says so. What is
            doubted is never measured as if it were sure.
        sure: whether it is seen clearly enough to say, unasked, that it is there.
    """

    region: Region
    how: str
    score: float
    note: str = ""
    doubt: str = ""
    sure: bool = True


@dataclass(frozen=True, eq=False)
class _Warm:
    """One warm blob of a phrase's heat-map [h, w], and why it may be something else."""

    heat: npt.NDArray[np.float32]
    blob: Blob
    doubt: str


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
        """
        frame = observation.frame
        matches = match_detections(phrase, frame.detections, frame.image, self.vocabulary)
        if matches:
            return [Found(region, "detection", score) for region, score in matches]
        return [
            self._refined(observation, phrase, warm)
            for warm in self._warm(observation, phrase, rivals, sure)
        ]

    def sees(
        self, observation: Observation, phrase: NounPhrase, rivals: Sequence[NounPhrase] = ()
    ) -> bool:
        """Tell whether there are surely candidates; needs no point map."""
        frame = observation.frame
        if match_detections(phrase, frame.detections, frame.image, self.vocabulary):
            return True
        return bool(self._warm(observation, phrase, rivals, True))

    def can_look_for(self, observation: Observation, phrase: NounPhrase) -> bool:
        """Tell whether not finding a phrase means anything: somebody here knows such things."""
        if observation.frame.detections:
            return True
        if not self.can_ground or self.unfamiliar(observation):
            return False
        return not self.vocabulary.kinds or bool(self.vocabulary.matching(phrase))

    def scan(self, observation: Observation) -> list[SeenObject]:
        """List what is surely in view, surest first; each name at most once.

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
            for name, blob in self._surely_named(observation):
                if name not in seen:
                    box = _cells_box(blob.cells, width, height)
                    seen[name] = SeenObject(name, box, blob.peak, "clip")
        return sorted(seen.values(), key=lambda thing: -thing.score)

    def not_found(self, observation: Observation, text: str, why: str = "") -> PhraseNotFoundError:
        """Build the error for a phrase that is not in view; it says why, and what is in view."""
        phrase = self.vocabulary.parse(text)
        frame = observation.frame
        problem = frame.problems.get("detections", "")
        names = [thing.label for thing in self.scan(observation)[:8]]
        if unfamiliar := self.unfamiliar(observation):
            detected = f"is not among the detections ({', '.join(names)}) and " if names else ""
            cause = f"{unfamiliar}; {problem}" if problem else unfamiliar
            return PhraseNotFoundError(
                f"'{text}' {detected}cannot be looked for: {cause}; give a box, point or mask, "
                "publish detections, or choose another profile"
            )
        message = f"'{text}' is not in view"
        if why:
            message += f" ({why})"
        elif not self.can_ground and not frame.detections:
            cause = problem or "no detections arrive"
            return PhraseNotFoundError(
                f"'{text}' cannot be looked for: the profile has no grounding, and {cause}; give a "
                "box, point or mask, or publish detections"
            )
        if problem:
            message += f"; {problem}"
        if self.can_ground and phrase.colour and phrase.known and self.vocabulary.colours:
            if phrase.colour not in self.vocabulary.colours:
                message += f"; the profile knows the colours {', '.join(self.vocabulary.colours)}"
        if self.vocabulary.kinds and not phrase.known and self.can_ground:
            message += f"; the profile knows {', '.join(self.vocabulary.kinds)}"
        seen = f"in view: {', '.join(names)}" if names else "nothing known is in view"
        return PhraseNotFoundError(f"{message}; {seen}")

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
        if networks is None or not networks.has_grounding or not phrase.kind:
            return []
        if self.unfamiliar(observation):
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

    def _refined(self, observation: Observation, phrase: NounPhrase, warm: _Warm) -> Found:
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
        region = Region.from_box(*box, phrase.text, score)
        doubt = warm.doubt or self._colour_doubt(frame.image, region, phrase)
        sure = not doubt and _clear(warm.heat, warm.blob, bool(phrase.colour))
        return Found(region, "clip", score, doubt=doubt, sure=sure)

    def _colour_doubt(self, image: np.ndarray, region: Region, phrase: NounPhrase) -> str:
        """Say so where the network knows the kind without its colour, and the pixels lack it."""
        if not phrase.colour or phrase.name in self.vocabulary.matching(phrase):
            return ""
        pixels = image[region.rasterise(*image.shape[:2])]
        if not self.vocabulary.kinds or colour_mask(pixels, phrase.colour).mean() >= MIN_COLOUR:
            return ""
        return f"what was taken for '{phrase.text}' does not look {phrase.colour}"

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
        if networks is None:
            return None
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
        if networks is None or not self.vocabulary.kinds:
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
