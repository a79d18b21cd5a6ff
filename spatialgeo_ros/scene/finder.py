# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Finds the objects that words and regions mean, in the image asked about or an earlier one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

from spatialgeo_ros.errors import (
    BadRequestError,
    StaleFrameError,
    TooLittleSupportError,
)
from spatialgeo_ros.geometry.completion import estimate_centre
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.geometry.sizes import misfit
from spatialgeo_ros.grounding.found import DETECTION, OWN, REQUEST, Found
from spatialgeo_ros.grounding.grounder import PendingError
from spatialgeo_ros.grounding.head_phrases import of_question
from spatialgeo_ros.grounding.locator import Locator
from spatialgeo_ros.grounding.verification import colour_doubt, other_things_pixels
from spatialgeo_ros.memory.keyframes import KeyframeMemory
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.query.phrases import NounPhrase
from spatialgeo_ros.scene.carrier import Carrier
from spatialgeo_ros.scene.kept import KeptObservations
from spatialgeo_ros.scene.known_objects import KnownObjects, without_known
from spatialgeo_ros.scene.lifting import pixels_in, segment, segment_without
from spatialgeo_ros.scene.observer import FrameObserver, require_pointmap
from spatialgeo_ros.scene.overlaps import claimants, pixels_of
from spatialgeo_ros.scene.recall import Look, look_again, remembered
from spatialgeo_ros.scene.selection import Selection, memorable
from spatialgeo_ros.scene.sighting import Sighting, sighting_of


class Finder:
    """Resolves words and regions to pixels, and lifts pixels to points.

    Args:
        locator: looks for phrases in single images.
        observer: fills the holes of depth.
        kept: the observations at hand.
        memory: keyframes, for what is out of view.
        memory_max_age: seconds after which an object that left the view is not recalled any more.
        drift: of poses, metres of one standard deviation per second.
        known: the object map.
    """

    def __init__(
        self,
        locator: Locator,
        observer: FrameObserver,
        kept: KeptObservations,
        memory: KeyframeMemory,
        memory_max_age: float,
        drift: float,
        known: KnownObjects,
    ) -> None:
        self._locator, self._observer = locator, observer
        self._kept, self._memory = kept, memory
        self._memory_max_age, self._drift = memory_max_age, drift
        self._carrier = Carrier(drift)
        self._known = known

    def find(
        self,
        observation: Observation,
        what: Region | str,
        rivals: Sequence[str] = (),
        *,
        recall: bool = True,
        carried: bool = False,
    ) -> tuple[Found, Observation]:
        """Resolve words or a region to pixels; also the observation that they are pixels of.

        Args:
            observation: the frame that is asked about.
            what: a region, or the words for an object.
            rivals: words for other objects of the same question, which must be other objects.
            recall: whether an object that is not in view may be one that a keyframe saw.
            carried: whether what a detector found in an image shortly before may be carried here,
                instead of waiting for it to look at this one.

        Raises:
            PhraseNotFoundError: the phrase fits nothing in view or in the keyframes.
            AmbiguousError: it fits several things; the message lists them with their distances.
            BadRequestError: it says something that cannot be checked; the message names the word.
            BadRegionError: a region without pixels in the image.
            StaleFrameError: the image that the region was drawn on is not kept any more.
            PendingError: a detector on a thread of its own has to look first.
        """
        if isinstance(what, Region) and what.type is not RegionType.PHRASE:
            return self._given(observation, what)
        text = what.label if isinstance(what, Region) else what
        if not text.strip():
            raise BadRequestError("an object needs a name, or a box, polygon, point or mask")
        selection = self.selection(observation, carried=carried)
        found = selection.one(text, rivals)
        if found is not None:
            return found, observation
        return self._recalled(observation, text, rivals, recall)

    def selection(
        self,
        observation: Observation,
        sure: bool = False,
        *,
        carried: bool = False,
    ) -> Selection:
        """Return what resolves phrases among the things in one observation; see :meth:`find`."""

        def lift(found: Found) -> Sighting:
            return self.sight(observation, found, observation)

        def candidates(phrase: NounPhrase, rivals: Sequence[NounPhrase]) -> list[Found]:
            try:
                return self._locator.candidates(observation, phrase, rivals, sure)
            except PendingError:
                found = self._carried(observation, phrase, rivals) if carried else None
                if found is None:
                    raise
                return found

        return Selection(self._locator, observation, lift, candidates)

    def _carried(
        self, observation: Observation, phrase: NounPhrase, rivals: Sequence[NounPhrase]
    ) -> list[Found] | None:
        """Return what a detector found a moment ago, carried here; None where it did not look.

        Raises:
            NoCameraInfoError, NoGeometryError: the image has no points.
        """
        grounder = self._locator.grounder
        if grounder is None:
            return None
        wanted = of_question((phrase, *rivals))
        require_pointmap(observation)  # without which nothing is followed, and this says why
        earlier = grounder.last_look(observation.frame.camera, wanted)
        if earlier is None or earlier is observation:
            return None
        found = self._locator.candidates(earlier, phrase, rivals)
        return self._carrier.carry(earlier, found, observation, self.points_of)

    def points_of(self, seen_in: Observation, region: Region) -> tuple[ObjectPoints, str]:
        """Lift a region to points, with a note; where the sensor is blind, with the network.

        Raises:
            NoCameraInfoError, NoGeometryError, TooLittleSupportError: it cannot be measured.
        """
        try:
            return segment(seen_in, require_pointmap(seen_in), region), ""
        except TooLittleSupportError:
            aligned = self._observer.aligned(seen_in)
            if aligned is None:
                raise
            return segment(seen_in, aligned, region), (
                f"sensor depth has holes on '{region.label}': filled by the geometry network"
            )

    def sight(self, seen_in: Observation, found: Found, asked: Observation) -> Sighting:
        """Lift a found region to points; what networks and detectors found is verified on them.

        Raises:
            NoCameraInfoError, NoGeometryError, TooLittleSupportError: it cannot be measured.
        """
        region = found.region
        kind = self._locator.vocabulary.parse(region.label).kind
        points, note = self.points_of(seen_in, region)
        notes, doubt = [found.note, seen_in.floor_dispute, note], found.doubt
        if found.how != REQUEST and region.type is RegionType.BOX:
            points, note = self._without_others(seen_in, region, points)
            notes.append(note)
        if found.how in OWN and found.colour and region.type is RegionType.BOX:
            points, note = self._by_colour(seen_in, found, points)
            notes.append(note)
        if found.how in (*OWN, DETECTION):
            points, note, known = self._without_known(seen_in, region, points)
            notes.append(note)
            doubt = doubt or known
        if found.how in OWN:
            doubt = doubt or _colour_of_points(seen_in, found, points)
        if found.how in (*OWN, DETECTION):
            doubt = doubt or _size_of_points(found, points, kind)
        note = "; ".join(note for note in notes if note)
        found = replace(found, note=note, doubt=doubt)
        return sighting_of(asked.frame, seen_in.frame, found, points, self._drift, kind)

    def _without_others(
        self, seen_in: Observation, region: Region, points: ObjectPoints
    ) -> tuple[ObjectPoints, str]:
        """Leave out what another detection of the image claims, with a note.

        Raises:
            TooLittleSupportError: nothing else is measured in the box.
        """
        pointmap = require_pointmap(seen_in)
        lift = functools.partial(pixels_in, seen_in, pointmap)
        owners = claimants(pointmap, region, points, seen_in.frame.detections, lift)
        if not owners:
            return points, ""
        names = " and ".join(dict.fromkeys(f"'{owner.label}'" for owner, _ in owners))
        claimed = pixels_of([one for _, one in owners])
        mine = segment_without(seen_in, pointmap, region, points, claimed)
        if mine is None:
            raise TooLittleSupportError(
                f"'{region.label}' cannot be measured: what is seen in its box is of {names}; move "
                "the camera, or give a mask"
            )
        return mine, _left_out(names, region)

    def _without_known(
        self, seen_in: Observation, region: Region, points: ObjectPoints
    ) -> tuple[ObjectPoints, str, str]:
        """Leave out what the map knows to be another thing, with a note or a doubt."""
        frame = seen_in.frame
        snapshot = self._known.around(frame, points.points)
        if frame.pose is None or snapshot is None:
            return points, "", ""
        rest, other = without_known(seen_in, region, points, frame.pose, snapshot)
        if other is None:
            return points, "", ""
        if rest is None:
            what = f"the {other.label} that the map knows there ({other.id})"
            return points, "", f"what was taken for '{region.label}' is {what}"
        return rest, _left_out(f"'{other.label}'", region), ""

    def _by_colour(
        self, seen_in: Observation, found: Found, points: ObjectPoints
    ) -> tuple[ObjectPoints, str]:
        """Separate a box once more where depth left mostly another colour of it, with a note.

        Without the other colour's pixels, which are then something else's; where that leaves
        nothing of the colour that was asked for, what depth left stays, and is doubted.
        """
        image, region = seen_in.frame.image, found.region
        if image.shape[:2] != points.mask.shape:
            return points, ""
        others = other_things_pixels(image, points.mask, found.colour)
        if others is None:
            return points, ""
        other, shown = others
        again = segment_without(seen_in, require_pointmap(seen_in), region, points, shown)
        if again is None:
            return points, ""
        if colour_doubt(image, again.mask, region.label, found.colour, whole_box=False):
            return points, ""
        if other_things_pixels(image, again.mask, found.colour) is not None:
            return points, ""
        return again, f"what looks {other} in the box of '{region.label}' is left out of it"

    def _given(self, observation: Observation, region: Region) -> tuple[Found, Observation]:
        """Take a region of the request in the image that it was drawn on."""
        seen_in, frame = observation, observation.frame
        if region.stamp_ns and region.stamp_ns != frame.stamp_ns:
            kept = self._kept.at(frame.camera, region.stamp_ns)
            if kept is None:
                age = (frame.stamp_ns - region.stamp_ns) * 1e-9
                raise StaleFrameError(
                    f"the image that region '{region.label}' was drawn on, {age:.2f} s before the "
                    "newest, is not kept any more: draw it on a newer one, or raise frame_history"
                )
            seen_in = kept
        region.bounds(seen_in.frame.height, seen_in.frame.width)
        return Found(region, REQUEST, 1.0), seen_in

    def _recalled(
        self, observation: Observation, text: str, rivals: Sequence[str], recall: bool
    ) -> tuple[Found, Observation]:
        """Find an object that is out of view in the keyframes, newest first.

        Raises:
            PhraseNotFoundError: no keyframe shows it, or none that is new enough, or it is gone.
        """
        missing = self._locator.not_found
        phrase, *others = (self._locator.vocabulary.parse(words) for words in (text, *rivals))
        if not memorable(phrase):
            raise missing(observation, text)
        grounder = self._locator.grounder
        looked = () if grounder is None else grounder.looked_through()
        for earlier in remembered(self._memory.frames, observation.frame, looked):
            if not self._locator.sees(earlier, phrase, others):
                continue  # before the cost of its point map
            age = (observation.frame.stamp_ns - earlier.frame.stamp_ns) * 1e-9
            if not recall:
                raise missing(observation, text, f"seen {age:.1f} s earlier, and not recalled")
            if age > self._memory_max_age:
                raise missing(
                    observation,
                    text,
                    f"last seen {age:.0f} s earlier, and things are forgotten after "
                    f"{self._memory_max_age:g} s (memory_max_age)",
                )
            seen = self._kept.with_pointmap(earlier)
            found = self.selection(seen, sure=True).one(text, rivals)
            if found is None:
                continue
            try:
                points = segment(seen, require_pointmap(seen), found.region)
            except TooLittleSupportError:
                continue
            look = look_again(
                points, seen.frame, self._kept.now(observation), self._drift * abs(age)
            )
            if look is Look.GONE:
                # An even older place of it would be no better known.
                raise missing(
                    observation, text, f"gone: its place, seen {age:.1f} s earlier, is empty now"
                )
            return found, seen
        raise missing(observation, text)


def _left_out(names: str, region: Region) -> str:
    return f"what of {names} is in the box of '{region.label}' is left out"


def _colour_of_points(seen_in: Observation, found: Found, points: ObjectPoints) -> str:
    """Doubt what own networks found by the colour of the pixels that depth left of it."""
    image = seen_in.frame.image
    if image.shape[:2] != points.mask.shape or not points.mask.any():
        return ""
    return colour_doubt(image, points.mask, found.region.label, found.colour, whole_box=False)


def _size_of_points(found: Found, points: ObjectPoints, kind: str) -> str:
    """Doubt what was found by a size that no thing of its kind has."""
    label = found.region.label
    width, height, depth = estimate_centre(points, kind_prior=kind or None).extents
    reason = misfit(label, (width, depth, height), surely=True)
    return f"what was taken for '{label}' is none: {reason}" if reason else ""
