# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The geometry side of the facade: observes frames, finds and recalls objects, measures.

Not thread-safe: one thread owns a scene.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from spatialgeo_ros.errors import BadRequestError, TooLittleSupportError
from spatialgeo_ros.geometry.distance import DistanceEstimate, Kind, requested_kinds
from spatialgeo_ros.geometry.pointmap import DepthNoise, PointMap
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.geometry.segmentation import ObjectPoints, segment_object
from spatialgeo_ros.grounding.locator import Found, Locator, SeenObject
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.keyframes import Decision, Keyframe, KeyframeMemory
from spatialgeo_ros.memory.observation import Mount, Observation
from spatialgeo_ros.memory.voxels import voxel_keys
from spatialgeo_ros.networks.interface import Networks
from spatialgeo_ros.scene.observer import FrameObserver, require_pointmap
from spatialgeo_ros.scene.recall import (
    measure_located,
    remembered,
    require_distinct,
)
from spatialgeo_ros.scene.sighting import LocatedObject

#: Every n-th pixel in both directions is enough to tell which voxels a frame covers.
_COVERAGE_STEP = 4
_ENCODE = ("on_demand", "always")


class Scene:
    """Frames in, located objects and metres out.

    Args:
        networks: the loaded networks, or None for sensor depth and detections alone.
        keyframes: most frames kept for coverage and for objects out of view.
        voxel_size: edge of a coverage voxel, metres.
        encode: "on_demand" runs a tower only when a question, a phrase or missing depth needs it;
            "always" runs all of them on every frame.
        mounts: by camera name, how a camera without a pose sits on the robot.
        depth_noise: noise of the depth sensor.

    Raises:
        BadRequestError: ``encode`` is neither of the two.
    """

    def __init__(
        self,
        networks: Networks | None = None,
        *,
        keyframes: int = 16,
        voxel_size: float = 0.1,
        encode: str = "on_demand",
        mounts: Mapping[str, Mount] | None = None,
        depth_noise: DepthNoise | None = None,
    ) -> None:
        if encode not in _ENCODE:
            raise BadRequestError(f"encode must be one of {', '.join(_ENCODE)}, not '{encode}'")
        self.networks = networks
        self.locator = Locator(networks)
        self._memory = KeyframeMemory(keyframes, voxel_size)
        self._encode_always = encode == "always"
        self._observer = FrameObserver(networks, dict(mounts or {}), depth_noise or DepthNoise())
        self._world_frame = ""
        self._newest: dict[str, Observation] = {}

    def observe(self, frame: Frame) -> Observation:
        """Work out a frame's geometry and offer it to the keyframe memory.

        Missing inputs never raise here; ``degraded`` of the result names them.
        """
        timings: dict[str, float] = {}
        previous = self._newest.pop(frame.camera, None)
        if previous is not None and self.networks is not None:
            self.networks.release_intermediates(previous.view)
        started = time.perf_counter()
        observation = self._observer.lift(frame)
        self._newest[frame.camera] = observation
        timings["geometry"] = time.perf_counter() - started
        if self._encode_always:
            started = time.perf_counter()
            self._observer.encode(observation)
            timings["encode"] = time.perf_counter() - started
        started = time.perf_counter()
        observation.keyframe = self._remember(observation)
        timings["keyframes"] = time.perf_counter() - started
        observation.timings = timings
        return observation

    def locate(self, observation: Observation, what: Region | str) -> LocatedObject:
        """Find an object and its points.

        Explicit regions are taken as they are. Phrases are looked for among the detections, then
        with the CLIP tower, then in the keyframes, newest first.

        Raises:
            PhraseNotFoundError: a phrase that fits nothing; the message says what is in view.
            BadRegionError: the region covers no pixel.
            NoCameraInfoError, NoGeometryError: there is nothing to measure with.
            TooLittleSupportError: too few measured points on the object.
        """
        found, seen_in = self.find(observation, what)
        return self.measured_points(seen_in, found, observation)

    def scan(self, observation: Observation) -> list[SeenObject]:
        """List the objects that detections and the CLIP tower see, surest first."""
        return self.locator.scan(observation)

    def measure(
        self,
        observation: Observation,
        kinds: Sequence[Kind | int],
        a: LocatedObject | Region | str,
        b: LocatedObject | Region | str | None = None,
    ) -> list[DistanceEstimate]:
        """Measure in the camera frame of ``observation``.

        Args:
            observation: the frame that is asked about.
            kinds: what to measure; empty for the usual one (camera to object, or nearest points).
            a: the object; words and regions are located first.
            b: the other object, for kinds between two.

        Returns:
            One estimate for each of ``kinds``, same order.

        Raises:
            BadRequestError: an unknown kind, or a kind between two objects without ``b``.
            SpatialGeoError: as :meth:`locate`.
        """
        wanted = requested_kinds(kinds, b is not None)
        first = a if isinstance(a, LocatedObject) else self.locate(observation, a)
        second = b if b is None or isinstance(b, LocatedObject) else self.locate(observation, b)
        if second is not None:
            require_distinct((first, second))
        return [measure_located(observation.frame, kind, first, second) for kind in wanted]

    def keyframes(self) -> tuple[Keyframe, ...]:
        """Return the kept frames, oldest first; their payload is the :class:`Observation`."""
        return self._memory.frames

    def reset(self) -> None:
        """Forget every kept frame (time jump, another world frame)."""
        self._newest.clear()
        self._memory.reset()
        self._world_frame = ""

    def describe(self) -> dict[str, Any]:
        """Return facts for diagnostics."""
        memory = self._memory.describe()
        facts = {
            "model_id": "none" if self.networks is None else self.networks.model_id,
            "backend": "none" if self.networks is None else self.networks.backend,
            "encode": "always" if self._encode_always else "on_demand",
            "voxel_size": self._memory.voxel_size,
            **memory,
        }
        if self.networks is not None:
            facts.update(self.networks.describe())
        facts["degraded"] = (
            *facts.get("degraded", ()),
            *(f"camera '{name}' has no pose" for name in memory["cameras_without_pose"]),
        )
        return facts

    def close(self) -> None:
        """Free the networks and the kept frames; the object cannot be used afterwards."""
        self._newest.clear()
        self._memory.reset()
        if self.networks is not None:
            self.networks.close()
        self.networks = None
        self.locator = Locator(None)
        self._observer = FrameObserver(None, {}, DepthNoise())

    def find(
        self, observation: Observation, what: Region | str, rivals: Sequence[str] = ()
    ) -> tuple[Found, Observation]:
        """Resolve words or a region to pixels; also the observation that they are pixels of.

        Args:
            observation: the frame that is asked about.
            what: a region, or the words for an object.
            rivals: words for other objects of the same question, which must be other objects.

        Raises:
            PhraseNotFoundError: the phrase fits nothing in view or in the keyframes.
            BadRegionError: a region without pixels in the image.
        """
        if isinstance(what, Region) and what.type is not RegionType.PHRASE:
            what.bounds(observation.frame.height, observation.frame.width)
            return Found(what, "request", 1.0), observation
        text = what.label if isinstance(what, Region) else what
        if not text.strip():
            raise BadRequestError("an object needs a name, or a box, polygon, point or mask")
        found = self.locator.find(observation, text, rivals)
        if found is not None:
            return found, observation
        for earlier in remembered(self._memory.frames, observation.frame):
            if not self.locator.sees(earlier, text, rivals):
                continue  # before the cost of its point map
            seen = self._with_pointmap(earlier)
            found = self.locator.find(seen, text, rivals, sure=True)
            if found is not None:
                return found, seen
        raise self.locator.not_found(observation, text)

    def measured_points(
        self, seen_in: Observation, found: Found, asked: Observation
    ) -> LocatedObject:
        """Lift a found region to points; where the sensor is blind, with the geometry network.

        Raises:
            NoCameraInfoError, NoGeometryError, TooLittleSupportError: as :meth:`locate`.
        """
        notes = [found.note] if found.note else []
        if seen_in is not asked:
            age = (asked.frame.stamp_ns - seen_in.frame.stamp_ns) * 1e-9
            other = seen_in.frame.camera
            by = "" if other == asked.frame.camera else f" by camera '{other}'"
            notes.append(f"'{found.region.label}' is not in view now: seen {age:.1f} s earlier{by}")
        try:
            points = _segment(seen_in, require_pointmap(seen_in), found.region)
        except TooLittleSupportError:
            aligned = self._observer.aligned(seen_in)
            if aligned is None:
                raise
            points = _segment(seen_in, aligned, found.region)
            notes.append(
                f"sensor depth has holes on '{found.region.label}': filled by the geometry network"
            )
        kind = self.locator.vocabulary.parse(found.region.label).kind
        return LocatedObject(
            found.region, points, found.how, found.score, seen_in.frame, "; ".join(notes), kind
        )

    # Internals

    def _remember(self, observation: Observation) -> Decision | None:
        frame, pointmap = observation.frame, observation.pointmap
        if pointmap is None:
            return None
        if frame.pose is not None and frame.world_frame != self._world_frame:
            if self._world_frame:  # keys of two worlds must never meet
                self._memory.reset()
            self._world_frame = frame.world_frame
        keys = None
        if frame.pose is not None:
            grid = slice(_COVERAGE_STEP // 2, None, _COVERAGE_STEP)
            points = pointmap.points[grid, grid][pointmap.valid[grid, grid]]
            keys = voxel_keys(frame.pose.apply(points), self._memory.voxel_size)
        # The point map is cheap to make again and large to keep.
        kept = replace(observation, pointmap=None)
        decision = self._memory.offer(frame.stamp_ns, frame.camera, keys, kept)
        # Without the evicted frame, which would chain every frame ever kept.
        kept.keyframe = replace(decision, evicted=None)
        return decision

    def _with_pointmap(self, observation: Observation) -> Observation:
        if observation.pointmap is not None:
            return observation
        rebuilt = self._observer.lift(observation.frame, observation.visual)
        return replace(rebuilt, keyframe=observation.keyframe)


def _segment(observation: Observation, pointmap: PointMap, region: Region) -> ObjectPoints:
    return segment_object(pointmap, region, observation.gravity, observation.camera_height)
