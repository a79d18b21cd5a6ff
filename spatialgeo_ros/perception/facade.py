# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The one facade: observe a frame, locate and measure objects, answer questions. No ROS in it.

The node, the command line and the evaluation all call :class:`Perception`. It is not thread-safe:
one worker thread calls it, so that no network ever runs twice at the same time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRequestError, CancelledError, TooLittleSupportError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import PAIR_KINDS, DistanceEstimate, Kind
from spatialgeo_ros.geometry.pointmap import DepthNoise, PointMap
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.geometry.segmentation import ObjectPoints, segment_object
from spatialgeo_ros.language.intent import parse_question
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.keyframes import Decision, Keyframe, KeyframeMemory
from spatialgeo_ros.memory.voxels import voxel_centres, voxel_keys
from spatialgeo_ros.perception.asking import ask_question
from spatialgeo_ros.perception.locating import Found, Locator
from spatialgeo_ros.perception.observing import FrameLifter, require_pointmap
from spatialgeo_ros.perception.remembering import (
    measure_located,
    remembered,
    require_distinct,
)
from spatialgeo_ros.perception.results import (
    Answer,
    LocatedObject,
    Mount,
    Networks,
    Observation,
    Question,
    SeenObject,
    View,
)

__all__ = ["Answer", "LocatedObject", "Mount", "Observation", "Perception"]

#: Every n-th pixel in both directions is enough to tell which voxels a frame covers.
_COVERAGE_STEP = 4
_ENCODE = ("on_demand", "always")


class Perception:
    """Frames in, metres and answers out. See the module's text on threads.

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
        self._lifter = FrameLifter(networks, dict(mounts or {}), depth_noise or DepthNoise())
        self._world_frame = ""
        self._newest: dict[str, Observation] = {}

    @classmethod
    def load(
        cls,
        profile: str,
        device: str = "auto",
        quantisation: str = "profile",
        threads: int = 0,
        engines: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Perception:
        """Load a model profile and return the facade on it.

        Args:
            profile: name in config/models or path of a YAML file; "none" for no networks.
            device: "auto", "cpu", "cuda" or "cuda:<n>".
            quantisation: of the language model: "none", "nf4", "int8", or "profile" for what the
                profile says.
            threads: of PyTorch on the CPU; 0 leaves its choice.
            engines: how the image towers run: fields of ``compiling.EngineOptions``; PyTorch by
                default.
            options: keyword arguments of the constructor.

        Raises:
            ModelLoadError: the profile or its weights cannot be loaded.
        """
        if profile == "none":
            return cls(None, **options)
        from spatialgeo_ros.perception.compiling import EngineOptions
        from spatialgeo_ros.perception.loading import load_networks

        how = EngineOptions(**(engines or {}))
        return cls(load_networks(profile, device, quantisation, threads, how), **options)

    def warm_up(self) -> None:
        """Run everything once, so that the first real request is not slower than the rest."""
        parse_question("how far is the chair?")  # compiles the patterns of the grammar
        if self.networks is None:
            return
        camera = PinholeCamera(640, 480, 525.0, 525.0, 319.5, 239.5)
        image = np.full((480, 640, 3), 127, np.uint8)
        view = View(image, camera, self.networks.nominal_mount)
        mask = np.zeros((480, 640), bool)
        mask[200:300, 200:300] = True
        self.networks.unfamiliar(view)
        if self.networks.has_geometry:
            self.networks.depth(view)
        if self.networks.has_grounding:
            names = self.networks.vocabulary.names() or ("chair",)
            self.networks.similarity(view, (*names, *self.networks.background_names))
        if self.networks.has_language and self.networks.canonical_only:
            question = "how far is the object <region> from the camera ?"
            self.networks.answer(view, Question(question, [mask], "camera_distance"))
        elif self.networks.has_language:
            said: list[str] = []
            with suppress(CancelledError):  # one token warms up what a whole answer needs
                free = Question(
                    "How far is the wall?", on_token=said.append, cancelled=lambda: bool(said)
                )
                self.networks.answer(view, free)

    def observe(self, frame: Frame) -> Observation:
        """Work out a frame's geometry and offer it to the keyframe memory.

        Missing inputs never raise here; ``degraded`` of the result names them.
        """
        timings: dict[str, float] = {}
        previous = self._newest.pop(frame.camera, None)
        if previous is not None and self.networks is not None:
            self.networks.settle(previous.view)
        started = time.perf_counter()
        observation = self._lifter.lift(frame)
        self._newest[frame.camera] = observation
        timings["geometry"] = time.perf_counter() - started
        if self._encode_always:
            started = time.perf_counter()
            self._lifter.encode(observation)
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
        try:
            wanted = [Kind(kind) for kind in kinds]
        except ValueError as error:
            raise BadRequestError(f"{error}; use a KIND_ constant of DistanceEstimate") from None
        if not wanted:
            wanted = [Kind.CAMERA_TO_OBJECT if b is None else Kind.NEAREST_POINTS]
        lacking = [kind.name for kind in wanted if kind in PAIR_KINDS and b is None]
        if lacking:
            raise BadRequestError(f"{', '.join(lacking)} needs a second object")
        first = a if isinstance(a, LocatedObject) else self.locate(observation, a)
        second = b if b is None or isinstance(b, LocatedObject) else self.locate(observation, b)
        if second is not None:
            require_distinct((first, second))
        return [measure_located(observation.frame, kind, first, second) for kind in wanted]

    def ask(
        self,
        question: str,
        observation: Observation,
        regions: Sequence[Region] = (),
        on_token: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        earlier: Sequence[Observation] | None = None,
    ) -> Answer:
        """Answer a question about a frame.

        Args:
            question: in plain English.
            observation: the newest frame of the camera that is asked.
            regions: objects the question names, where they are known already (by label or order).
            on_token: gets each piece of the language model's text as it comes.
            cancelled: asked between stages and tokens.
            earlier: what a language model for clips looks at before the newest frame, oldest first;
                None for the keyframes.

        Raises:
            CancelledError: ``cancelled`` became true.
            PhraseNotFoundError: an object of the question is not found; the message names it.
            SpatialGeoError: there is neither a measurement nor a language model's answer.
        """
        return ask_question(self, question, observation, regions, on_token, cancelled, earlier)

    def keyframes(self) -> tuple[Keyframe, ...]:
        """Return the kept frames, oldest first; their payload is the :class:`Observation`."""
        return self._memory.frames

    def coverage_points(self) -> npt.NDArray[np.float32]:
        """Return the centres [N, 3] of the covered voxels in the world frame, metres."""
        keys = self._memory.covered_keys()
        return np.asarray(voxel_centres(keys, self._memory.voxel_size), np.float32)

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
        self._lifter = FrameLifter(None, {}, DepthNoise())

    # For the parts of the facade (asking.py)

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
            aligned = self._lifter.aligned(seen_in)
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
        rebuilt = self._lifter.lift(observation.frame, observation.visual)
        return replace(rebuilt, keyframe=observation.keyframe)


def _segment(observation: Observation, pointmap: PointMap, region: Region) -> ObjectPoints:
    return segment_object(pointmap, region, observation.gravity, observation.camera_height)
