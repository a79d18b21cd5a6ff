# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The geometry side of the facade: observes frames, finds and recalls objects, measures.

Not thread-safe: one thread owns a scene.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.geometry.depth_sensor import DepthSensor
from spatialgeo_ros.geometry.distance import Kind, requested_kinds
from spatialgeo_ros.geometry.pointmap import DepthNoise
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.grounding.found import SeenObject
from spatialgeo_ros.grounding.grounder import Grounder
from spatialgeo_ros.grounding.locator import Locator
from spatialgeo_ros.grounding.map_vocabulary import MapVocabulary
from spatialgeo_ros.memory.detected import MapUpdate
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.free_space import FreeSpace
from spatialgeo_ros.memory.keyframes import Decision, Keyframe, KeyframeMemory
from spatialgeo_ros.memory.objects import ObjectMap
from spatialgeo_ros.memory.observation import Mount, Observation
from spatialgeo_ros.memory.room import RoomMap
from spatialgeo_ros.memory.snapshot import MapSnapshot, viewer_at
from spatialgeo_ros.networks.interface import Networks
from spatialgeo_ros.scene.camera_inputs import InputSettings
from spatialgeo_ros.scene.coverage import covered_voxels
from spatialgeo_ros.scene.finder import Finder
from spatialgeo_ros.scene.kept import KeptObservations
from spatialgeo_ros.scene.known_objects import KnownObjects, related_labels
from spatialgeo_ros.scene.map_lengths import told_of_whole
from spatialgeo_ros.scene.mapping import Mapper, looked_at_by, why_not
from spatialgeo_ros.scene.observer import FrameObserver
from spatialgeo_ros.scene.recall import measure_sightings, require_distinct
from spatialgeo_ros.scene.sighting import SightedEstimate, Sighting

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
        inputs: by camera name, what the user says about its inputs (depth sensor, unit).
        depth_noise: noise of the depth sensor of cameras that ``inputs`` does not have.
        memory_max_age: seconds after which an object that left the view is not recalled any more.
        drift: of poses, metres of one standard deviation per second; widens what is remembered.
        pose_sigma: standard deviation of a camera's place in the world, metres.
        way_drift: of poses, metres of one standard deviation per metre of the way, in the object
            map; 0 where poses are corrected by localisation.
        most_objects: that the object map keeps.
        lead_camera: whose place and heading are "here" and "ahead" where nobody names a camera; ""
            for the one that saw the newest image.
        grounder: the node's own detector of any words, or None.
        map_nouns: that it looks for unasked, for the object map.
        without_grounding: why there is no detector, with the cure, where one was wanted.
        use_clip: whether patches of the networks' CLIP look for words, where they can.
        clock: seconds, after which words that somebody asked about are not looked for any more.

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
        inputs: Mapping[str, InputSettings] | None = None,
        depth_noise: DepthNoise | None = None,
        memory_max_age: float = 60.0,
        drift: float = 0.005,
        pose_sigma: float = 0.02,
        way_drift: float = 0.01,
        most_objects: int = 2000,
        lead_camera: str = "",
        grounder: Grounder | None = None,
        map_nouns: Sequence[str] = (),
        without_grounding: str = "",
        use_clip: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if encode not in _ENCODE:
            raise BadRequestError(f"encode must be one of {', '.join(_ENCODE)}, not '{encode}'")
        self.networks = networks
        self.without_grounding = without_grounding
        if grounder is not None and grounder.familiar_only and networks is not None:
            map_nouns = networks.vocabulary.kinds
        self.locator = Locator(
            networks, grounder, MapVocabulary(map_nouns, clock), without_grounding, use_clip
        )
        self._memory = KeyframeMemory(keyframes, voxel_size)
        self._encode_always = encode == "always"
        self._observer = FrameObserver(
            networks,
            dict(mounts or {}),
            dict(inputs or {}),
            InputSettings(DepthSensor(depth_noise or DepthNoise())),
        )
        self._world_frame = ""
        self._lead_camera, self._pose_sigma = lead_camera, pose_sigma
        #: The things seen so far, in the world; :meth:`update_map` feeds it.
        self.object_map = ObjectMap(
            related=related_labels, most_objects=most_objects, drift_share=way_drift
        )
        self._mapper = Mapper(self.locator, self.object_map, pose_sigma)
        #: The floor that depth has seen, where the camera's pose and height are known.
        self.free_space = FreeSpace()
        self._mapped: dict[str, int] = {}  # stamp of the last image of each camera in the map
        #: Floor, walls and ceiling, from every image with a pose and points in metres.
        self.room_map = RoomMap(way_drift)
        self._kept = KeptObservations(self._observer, self._memory)
        self._known = KnownObjects(self.object_map, self.room_map, pose_sigma)
        #: Resolves words and regions.
        self.finder = Finder(
            self.locator, self._observer, self._kept, self._memory, memory_max_age, drift,
            self._known,
        )  # fmt: skip

    def observe(self, frame: Frame) -> Observation:
        """Work out a frame's geometry and offer it to the keyframe memory.

        Missing inputs never raise here; ``degraded`` of the result names them.
        """
        timings: dict[str, float] = {}
        previous = self._kept.newest.pop(frame.camera, None)
        if previous is not None:
            self.locator.release(previous)
            if self.networks is not None:
                self.networks.release_intermediates(previous.view)
        started = time.perf_counter()
        observation = self._observer.lift(frame)
        self._kept.newest[frame.camera] = observation
        timings["geometry"] = time.perf_counter() - started
        if self._encode_always:
            started = time.perf_counter()
            self._observer.encode(observation)
            timings["encode"] = time.perf_counter() - started
        started = time.perf_counter()
        observation.keyframe = self._remember(observation)
        timings["keyframes"] = time.perf_counter() - started
        started = time.perf_counter()
        self._see_floor(observation)
        timings["free space"] = time.perf_counter() - started
        started = time.perf_counter()
        self._see_room(observation)
        timings["room"] = time.perf_counter() - started
        observation.timings = timings
        return observation

    @property
    def world_frame(self) -> str:
        """The frame that poses refer to, "" before the first one."""
        return self._world_frame

    def map_snapshot(self, camera: str = "") -> MapSnapshot:
        """Return the object map as it is now; its frame is "" while there is no map.

        Args:
            camera: who looks; "" for the lead camera. One that was not placed yet does not look.
        """
        snapshot = self.room_map.as_now(self.object_map.snapshot(self.room_map.layout()))
        frames = [one.frame for one in self._kept.newest.values()]
        who = camera or self._lead_camera
        return looked_at_by(who, snapshot, frames, self._pose_sigma)

    def update_map(self, observation: Observation) -> MapUpdate:
        """Work an observation's boxes into the object map; ``reason`` says why where it cannot.

        Call it once per image that has boxes, in the order of time, for all cameras of the robot.
        Where no detector publishes boxes, what the profile's own grounding names is taken: that
        runs its tower, so call it at a low rate.
        """
        self._mapped[observation.frame.camera] = observation.frame.stamp_ns
        return self._mapper.update(observation, self.room_map.placed)

    def map_with(self, observation: Observation) -> MapSnapshot | None:
        """Return the object map with what an observation shows in it, seen by its camera.

        Returns:
            None when there is no map: the camera has no pose, or nothing measures.
        """
        frame = observation.frame
        if frame.pose is None:
            return None
        newer = frame.stamp_ns > self._mapped.get(frame.camera, -1)
        # A detector that takes seconds feeds the map at its own pace; no question waits for it.
        later = self.locator.must_wait_for(observation)
        if later and why_not(observation):
            return None
        if (newer or not frame.stamp_ns) and not later and not self.update_map(observation).used:
            return None
        snapshot = self.map_snapshot(frame.camera)
        if snapshot.frame != frame.world_frame:
            return None
        return replace(snapshot, viewer=viewer_at(frame.pose, self._pose_sigma))

    def observe_aside(self, frame: Frame) -> Observation:
        """Work out a frame that is not the newest; see :meth:`KeptObservations.aside`."""
        return self._kept.aside(frame)

    def keep_asked(self, observation: Observation) -> None:
        """Keep an observation that was asked about; see :meth:`KeptObservations.keep`."""
        self._kept.keep(observation)

    def observation_at(self, camera: str, stamp_ns: int) -> Observation | None:
        """Return the observation of a camera's image of this stamp if it is still kept."""
        return self._kept.at(camera, stamp_ns)

    def locate(
        self,
        observation: Observation,
        what: Region | str,
        *,
        recall: bool = True,
        carried: bool = False,
    ) -> Sighting:
        """Find an object and its points.

        Explicit regions are taken as they are, in the image whose stamp they carry. Phrases are
        looked for among the detections, then with the detector or the CLIP tower, then in the
        keyframes, newest first.

        Args:
            observation: the frame that is asked about.
            what: a region, or the words for an object.
            recall: whether an object that is not in view may be one that an earlier keyframe saw.
            carried: whether a detector's find of a moment ago may be carried to this image.

        Raises:
            PhraseNotFoundError, AmbiguousError, BadRequestError: as :meth:`Finder.find`.
            PendingError: a detector on a thread of its own has to look first.
            BadRegionError: the region covers no pixel.
            StaleFrameError: the image that the region was drawn on is not kept any more.
            NoCameraInfoError, NoGeometryError: there is nothing to measure with.
            TooLittleSupportError: too few measured points on the object.
        """
        found, seen_in = self.finder.find(observation, what, recall=recall, carried=carried)
        return self.finder.sight(seen_in, found, observation)

    def scan(
        self, observation: Observation, kinds: Iterable[str] | None = None
    ) -> list[SeenObject]:
        """List what detections, the detector or the CLIP tower see; see :meth:`Locator.scan`."""
        return self.locator.scan(observation, kinds)

    def measure(
        self,
        observation: Observation,
        kinds: Sequence[Kind | int],
        a: Sighting | Region | str,
        b: Sighting | Region | str | None = None,
        *,
        recall: bool = True,
        use_map: bool = True,
    ) -> list[SightedEstimate]:
        """Measure in the camera frame of ``observation``.

        Of what the border of the image cuts the object map tells what it knows better: its size,
        the place of its centre, and how far it is where that is nearer than what is seen of it.

        Args:
            observation: the frame that is asked about.
            kinds: what to measure; empty for the usual one (camera to object, or nearest points).
            a: the object; words and regions are located first.
            b: the other object, for kinds between two.
            recall: as in :meth:`locate`.
            use_map: False for what the image alone shows.

        Returns:
            One estimate for each of ``kinds``, same order.

        Raises:
            BadRequestError: an unknown kind, or a kind between two objects without ``b``.
            SpatialGeoError: as :meth:`locate`.
        """
        wanted = requested_kinds(kinds, b is not None)
        first = a if isinstance(a, Sighting) else self.locate(observation, a, recall=recall)
        second: Sighting | None = None
        if b is not None:
            second = b if isinstance(b, Sighting) else self.locate(observation, b, recall=recall)
        if second is not None:
            require_distinct((first, second))
        # The same kind twice is measured once.
        known = {kind: measure_sightings(observation, kind, first, second) for kind in wanted}
        if use_map:
            things = (first,) if second is None else (first, second)
            known = dict(told_of_whole(known, things, self._known, observation.frame))
        return [known[kind] for kind in wanted]

    def keyframes(self) -> tuple[Keyframe, ...]:
        """Return the kept frames, oldest first; their payload is the :class:`Observation`."""
        return self._memory.frames

    def reset(self, reason: str = "reset") -> None:
        """Forget every kept frame and the object map (time jump, another world frame)."""
        if self.locator.grounder is not None:
            self.locator.grounder.forget()
        self.object_map.reset(reason)
        self._mapped.clear()
        self.free_space.reset()
        self.room_map.reset()
        self._kept.clear()
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
            "object_map": self.object_map.describe(),
            "room": self.room_map.describe(),
            **memory,
        }
        if self.networks is not None:
            facts.update(self.networks.describe())
        grounder = self.locator.grounder
        if grounder is not None:
            facts["grounding"] = grounder.describe()
        missing = (
            self.without_grounding,
            *(grounder.remarks if grounder else ()),
            grounder.failure if grounder else "",
        )
        facts["degraded"] = (
            *facts.get("degraded", ()),
            *(reason for reason in missing if reason),
            *(f"camera '{name}' has no pose" for name in memory["cameras_without_pose"]),
        )
        return facts

    def close(self) -> None:
        """Free the networks and the kept frames; the object cannot be used afterwards."""
        self._kept.clear()
        self._memory.reset()
        self.object_map.reset("closed")
        if self.networks is not None:
            self.networks.close()
        if self.locator.grounder is not None:
            self.locator.grounder.close()
        self.networks = None
        self.locator = Locator(None)
        self._mapper = Mapper(self.locator, self.object_map, 0.0)
        self._observer = FrameObserver(None, {}, {}, InputSettings())
        self._kept = KeptObservations(self._observer, self._memory)
        self.finder = Finder(
            self.locator, self._observer, self._kept, self._memory, 0.0, 0.0, self._known
        )

    # Internals

    def _remember(self, observation: Observation) -> Decision | None:
        frame, pointmap = observation.frame, observation.pointmap
        if pointmap is None:
            return None
        if frame.pose is not None and frame.world_frame != self._world_frame:
            if self._world_frame:  # keys of two worlds must never meet
                self._memory.reset()
                self.free_space.reset()
                self.room_map.reset()
            self._world_frame = frame.world_frame
        keys = None
        if frame.pose is not None:
            keys = covered_voxels(pointmap, frame.pose, self._memory.voxel_size)
        # The point map is cheap to make again and large to keep.
        kept = replace(observation, pointmap=None, things={})
        decision = self._memory.offer(frame.stamp_ns, frame.camera, keys, kept)
        # Without the evicted frame, which would chain every frame ever kept.
        kept.keyframe = replace(decision, evicted=None)
        return decision

    def _see_floor(self, observation: Observation) -> None:
        frame, height = observation.frame, observation.camera_height
        if frame.pose is not None and observation.pointmap is not None and height is not None:
            self.free_space.update(observation.pointmap, frame.pose, height)

    def _see_room(self, observation: Observation) -> None:
        """Depth of a sensor, or of a network in metres: what is too unsure of it, the map skips."""
        frame = observation.frame
        if frame.pose is not None and observation.pointmap is not None:
            self.room_map.update(
                observation.pointmap,
                frame.pose,
                observation.camera_height,
                observation.camera_height_sigma,
                frame.camera,
            )
