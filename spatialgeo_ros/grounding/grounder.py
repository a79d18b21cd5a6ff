# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A detector, perhaps with a segmenter, asked once per image and phrase.

What it says is kept with the image, so that a question, a standing measurement and the object map
share one pass. Its networks take seconds on a CPU: a node lets a thread of its own look, and
whoever needs what is not known yet gets a :class:`PendingError`.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialgeo_ros.errors import BadRequestError, CancelledError, SpatialGeoError
from spatialgeo_ros.geometry.regions import box_iou
from spatialgeo_ros.grounding.detector import Box, Detector, Instance, PhraseResult, Segmenter
from spatialgeo_ros.memory.observation import Observation

if TYPE_CHECKING:  # it imports PyTorch, which takes seconds
    from spatialgeo_ros.networks.tower_engines import BackendReport

_logger = logging.getLogger(__name__)

#: Where an image's results and the detector's features are kept among what is cached for it.
RESULTS, _FEATURES = "grounding", "grounding features"
#: Intersection over union above which two boxes are of one thing.
SAME_BOX = 0.6
#: Images of a camera that were looked through and are kept, to remember what was found in them; and
#: of those the last that keep their point map, to follow from them.
_MOST_RECENT, _MOST_WHOLE = 8, 3
#: Share of a box that has to lie in another for the other to hold it.
_HELD = 0.9


class PendingError(Exception):
    """What is asked for is not known yet: a thread of its own has to look first.

    Not an error of the package: nobody who tries one thing after another may go on without it.

    Attributes:
        observation: the image to be looked at.
        phrases: to be looked for.
    """

    def __init__(self, observation: Observation, phrases: Sequence[str]) -> None:
        super().__init__(f"not looked for yet: {', '.join(phrases)}")
        self.observation, self.phrases = observation, tuple(phrases)


@dataclass(frozen=True, eq=False)
class Looked:
    """What is known of one phrase in one image.

    Attributes:
        result: the detector's; without instances where it failed.
        failure: why it could not look, with the cure; "" where it did.
        note: what is missing of what it found, for example the masks.
    """

    result: PhraseResult
    failure: str = ""
    note: str = ""


class Grounder:
    """Finds phrases in images with one detector.

    :meth:`look` runs the networks; all calls of it come from one thread. Everything else may be
    called beside it.

    Args:
        detector: finds boxes.
        segmenter: turns boxes without a mask into masks; None to leave that to depth.
        running: which backends its networks run on, where it is not PyTorch.
        familiar_only: whether the detector knows only the kind of image that the profile's
            networks know, so that on others it is not asked.
        clock: gives seconds.

    Attributes:
        deferred: whether somebody else's thread looks: then what is not known is pending.
    """

    def __init__(
        self,
        detector: Detector,
        segmenter: Segmenter | None = None,
        *,
        running: BackendReport | None = None,
        familiar_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._detector, self._segmenter, self._clock = detector, segmenter, clock
        self._running = {} if running is None else dict(running.reasons)
        #: What runs worse than asked for.
        self.remarks: tuple[str, ...] = () if running is None else running.degraded
        self.familiar_only = familiar_only
        self.deferred = False
        self._cancelled: Callable[[], bool] | None = None
        self._passes, self._failures = 0, 0
        self._seconds, self._slowest = 0.0, 0.0
        self._failure = ""
        self._logged = ""
        self._recent: dict[str, tuple[Observation, ...]] = {}
        self._looking: dict[str, Observation] = {}

    @property
    def networks(self) -> tuple[Detector, Segmenter | None]:
        """The detector and the segmenter."""
        return self._detector, self._segmenter

    @property
    def kind(self) -> str:
        """Name of the detector's kind."""
        return self._detector.kind

    @property
    def failure(self) -> str:
        """Why the last pass failed, "" when it did not."""
        return self._failure

    @property
    def seconds(self) -> float:
        """What a pass has taken on average, 0 before the first."""
        return self._seconds / self._passes if self._passes else 0.0

    def known(self, observation: Observation) -> dict[str, Looked]:
        """Return what is known of an image, by phrase."""
        return dict(observation.visual.get(RESULTS, {}))

    def ask(self, observation: Observation, phrases: Iterable[str]) -> list[Looked]:
        """Return what an image says about phrases, in their order.

        Raises:
            PendingError: :attr:`deferred`, and not all of it is known.
            CancelledError: what :meth:`cancelled_by` was given became true.
        """
        wanted = tuple(phrases)
        missing = self.missing(observation, wanted)
        if missing and self.deferred:
            raise PendingError(observation, missing)
        self.look(observation, missing, self._cancelled)
        known = observation.visual.get(RESULTS, {})
        return [known[phrase] for phrase in wanted]

    @contextmanager
    def cancelled_by(self, cancelled: Callable[[], bool] | None) -> Iterator[None]:
        """Let what :meth:`ask` looks for meanwhile be given up."""
        before, self._cancelled = self._cancelled, cancelled
        try:
            yield
        finally:
            self._cancelled = before

    def missing(self, observation: Observation, phrases: Iterable[str]) -> tuple[str, ...]:
        """Return those of the phrases that an image was not looked through for."""
        known = observation.visual.get(RESULTS, {})
        return tuple(phrase for phrase in dict.fromkeys(phrases) if phrase not in known)

    def look(
        self,
        observation: Observation,
        phrases: Iterable[str],
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        """Look through an image for phrases that it was not looked through for, in one pass.

        What the networks raise is kept as the phrases' failure and logged; nothing of it ends the
        caller.

        Raises:
            CancelledError: ``cancelled`` became true.
        """
        wanted = self.missing(observation, phrases)
        if not wanted:
            return
        started = self._clock()
        self._failure = ""
        try:
            results = self._run(observation, wanted, cancelled)
            looked = self._segmented(observation, results, cancelled)
        except CancelledError:
            raise
        except BadRequestError as error:
            if len(wanted) > 1:  # one of them: the others are none the worse for it
                for phrase in wanted:
                    self.look(observation, [phrase], cancelled)
                return
            looked = [Looked(PhraseResult(wanted[0], ()), str(error))]
        except Exception as error:
            failure = self._failed(error)
            looked = [Looked(PhraseResult(phrase, ()), failure) for phrase in wanted]
        took = self._clock() - started
        self._passes += 1
        self._seconds += took
        self._slowest = max(self._slowest, took)
        # A new dictionary at once: other threads read the old one or the new one, never half.
        known = observation.visual.get(RESULTS, {})
        fresh = dict(zip(wanted, looked, strict=True))
        observation.visual[RESULTS] = {**known, **fresh}
        self._note(observation)

    def last_look(self, camera: str, phrases: Iterable[str]) -> Observation | None:
        """Return a camera's newest image that was looked through for phrases; None without one."""
        wanted = tuple(phrases)
        for observation in reversed(self._recent.get(camera, ())[-_MOST_WHOLE:]):
            if not self.missing(observation, wanted):
                return observation
        return None

    def looked_through(self) -> list[Observation]:
        """Return the last images of all cameras that were looked through; older without points."""
        return [one for images in self._recent.values() for one in images]

    def forget(self) -> None:
        """Forget which images were looked through (time jumped)."""
        self._recent = {}

    def warm_up(self) -> None:
        """Run the networks once, so that the first look is not slower than the rest.

        Nothing is sent to a server that looks for them. A network that does not run (no memory) is
        said as on any image, and tried again then.
        """
        image = np.full((480, 640, 3), 127, np.uint8)
        cache: dict[str, Any] = {}
        try:
            if not self._detector.looks_elsewhere:
                self._detector.ground(image, ["chair"], cache=cache)
            if self._segmenter is not None:
                self._segmenter.segment(image, [(100.0, 100.0, 300.0, 300.0)], cache=cache)
        except Exception as error:
            self._failed(error)

    def release(self, observation: Observation) -> None:
        """Free what is large of an image and can be made again; what was found stays."""
        observation.visual.pop(_FEATURES, None)

    def describe(self) -> dict[str, Any]:
        """Return facts for diagnostics."""
        facts = {"kind": self.kind, **self._detector.describe()}
        facts["segmenter"] = "none: masks by depth" if self._segmenter is None else (
            self._segmenter.kind
        )  # fmt: skip
        facts |= {f"{name} runs on": why for name, why in self._running.items()}
        facts["passes"] = self._passes
        if self._passes:
            facts["latency"] = f"mean {self.seconds:.2f} s, max {self._slowest:.2f} s"
        facts["failures"] = self._failures
        facts["last failure"] = self._failure or self._logged or "none"
        return facts

    def close(self) -> None:
        """Free the networks."""
        self._detector.close()
        if self._segmenter is not None:
            self._segmenter.close()

    # Internals

    def _note(self, observation: Observation) -> None:
        """Keep the last images of a camera that were looked through, in the order of their time."""
        others = self._recent.get(observation.frame.camera, ())
        images = [one for one in others if one.frame is not observation.frame]
        images = sorted([*images, observation], key=lambda one: one.frame.stamp_ns)
        older = [replace(one, pointmap=None) for one in images[-_MOST_RECENT:-_MOST_WHOLE]]
        kept = (*older, *images[-_MOST_WHOLE:])
        self._recent = {**self._recent, observation.frame.camera: kept}

    def _run(
        self,
        observation: Observation,
        phrases: Sequence[str],
        cancelled: Callable[[], bool] | None,
    ) -> list[PhraseResult]:
        image, features = observation.frame.image, self._features(observation)
        results = self._detector.ground(image, phrases, cache=features, cancelled=cancelled)
        if [result.phrase for result in results] != list(phrases):
            raise ValueError(f"{len(results)} results came for {len(phrases)} phrases")
        height, width = image.shape[:2]
        return [_checked(result, width, height) for result in results]

    def _features(self, observation: Observation) -> dict[str, Any]:
        """What the networks keep of an image: large, so of one image of each camera only."""
        camera = observation.frame.camera
        before = self._looking.get(camera)
        if before is not None and before.frame is not observation.frame:
            self.release(before)
        self._looking[camera] = observation
        features: dict[str, Any] = observation.visual.setdefault(_FEATURES, {})
        return features

    def _segmented(
        self,
        observation: Observation,
        results: Sequence[PhraseResult],
        cancelled: Callable[[], bool] | None,
    ) -> list[Looked]:
        """Give the boxes masks; where the segmenter fails they stay boxes, and it is said."""
        boxes = [one.box for result in results for one in result.instances if one.mask is None]
        distinct = list(dict.fromkeys(boxes))
        if self._segmenter is None or not distinct:
            return [Looked(result, note=result.degraded) for result in results]
        image, features = observation.frame.image, self._features(observation)
        try:
            masks = self._segmenter.segment(image, distinct, cache=features, cancelled=cancelled)
            made = dict(zip(distinct, masks, strict=True))
        except CancelledError:
            raise
        except Exception as error:
            note = f"{self._failed(error, self._segmenter.kind)}; masks by depth instead"
            return [
                Looked(result, note="; ".join(filter(None, (result.degraded, note))))
                for result in results
            ]
        return [
            Looked(
                replace(
                    result,
                    instances=tuple(
                        one if one.mask is not None else replace(one, mask=made[one.box])
                        for one in result.instances
                    ),
                ),
                note=result.degraded,
            )
            for result in results
        ]

    def _failed(self, error: Exception, kind: str = "") -> str:
        self._failures += 1
        said = str(error) or type(error).__name__
        known = isinstance(error, SpatialGeoError)
        cure = "" if known else "; see the log"
        if isinstance(error, MemoryError) or "out of memory" in said.lower():
            said = said.splitlines()[0]
            cure = ": free memory, or choose a smaller kind with grounding (docs/grounding.md)"
        failure = f"grounding '{kind or self.kind}' failed: {said}{cure}"
        if failure != self._logged:  # one that fails on every image must not flood the log
            _logger.error("%s", failure, exc_info=None if known else error)
        self._failure = self._logged = failure
        return failure


def _checked(result: PhraseResult, width: int, height: int) -> PhraseResult:
    """Keep a detector's instances as the rest relies on them.

    Boxes lie in the image, are never two of one thing, and none is of a whole group whose members
    are there too.

    Raises:
        ValueError: a box or a score is not finite: the network computed nonsense.
    """
    kept: list[Instance] = []
    for one in sorted(result.instances, key=lambda one: -one.score):
        if not all(map(math.isfinite, (*one.box, one.score))):
            raise ValueError(
                f"a box or score of '{result.phrase}' is not finite (NaN): the network overflows "
                "in this precision; run it in float32, or on another backend"
            )
        box = _inside(one.box, width, height)
        if box is not None and all(box_iou(box, other.box) <= SAME_BOX for other in kept):
            kept.append(replace(one, box=box))
    return replace(result, instances=tuple(one for one in kept if not _is_group(one, kept)))


def _inside(box: Box, width: int, height: int) -> Box | None:
    """Return a box's part in the image; None where less than a pixel of it is."""
    x0, y0 = max(0.0, box[0]), max(0.0, box[1])
    x1, y1 = min(width - 1.0, box[2]), min(height - 1.0, box[3])
    return None if x1 - x0 < 1.0 or y1 - y0 < 1.0 else (x0, y0, x1, y1)


def _is_group(one: Instance, others: Sequence[Instance]) -> bool:
    """Tell whether a box holds two or more others of the phrase that stand apart."""
    held = [
        other.box
        for other in others
        if other is not one and _shared(other.box, one.box) > _HELD * _area(other.box)
    ]
    return any(
        _shared(first, second) < (1.0 - _HELD) * min(_area(first), _area(second))
        for index, first in enumerate(held)
        for second in held[index + 1 :]
    )


def _shared(first: Box, second: Box) -> float:
    across = min(first[2], second[2]) - max(first[0], second[0])
    down = min(first[3], second[3]) - max(first[1], second[1])
    return max(0.0, across) * max(0.0, down)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
