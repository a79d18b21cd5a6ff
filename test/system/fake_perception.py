# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The facade's interface without networks: real geometry from sensor depth, words by the clock.

What it does is chosen by the profile ("broken" cannot be loaded, "endless" loads for minutes,
"sluggish" for seconds) and by the question ("slow ..." speaks for a minute, "sluggish ..." a token
per second, "stuck ..." cannot be cancelled for minutes, "crash ..." raises).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spatialgeo_ros.answer.result import Answer
from spatialgeo_ros.errors import (
    CancelledError,
    ModelLoadError,
    NoCameraInfoError,
    NoGeometryError,
    PhraseNotFoundError,
)
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.distance import measure as measure_objects
from spatialgeo_ros.geometry.pointmap import DepthNoise, depth_to_metres, pointmap_from_depth
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.geometry.segmentation import segment_object
from spatialgeo_ros.memory.frame import Frame, frame_reference
from spatialgeo_ros.memory.keyframes import KeyframeMemory
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.voxels import voxel_keys
from spatialgeo_ros.scene.sighting import LocatedObject

TOKEN_SECONDS, SLUGGISH_TOKEN_SECONDS = 0.02, 1.0
_NOISE = DepthNoise(0.001, 0.002)
_VOXEL = 0.1


class FakePerception:
    """Implements what the node calls of ``spatialgeo_ros.perception.Perception``."""

    def __init__(self, profile: str, capacity: int) -> None:
        self._profile = profile
        self._memory = KeyframeMemory(capacity, _VOXEL)
        self._closed = False
        self._resets = 0

    @classmethod
    def from_config(cls, config: Any, progress: Callable[[str, float], bool]) -> FakePerception:
        progress("fake engine", 0.5)
        if config.profile == "broken":
            raise ModelLoadError("profile 'broken' has no weights")
        if config.profile in ("endless", "sluggish"):  # native code that reads a checkpoint
            time.sleep(300.0 if config.profile == "endless" else 3.0)
        return cls(config.profile, config.keyframes)

    def warm_up(self) -> None:
        pass

    def observe(self, frame: Frame) -> Observation:
        started = time.monotonic()
        if frame.image[0, 0].tolist() == [255, 0, 255]:
            raise RuntimeError("this image breaks the network")
        pointmap, degraded = None, []
        if frame.model is not None and frame.depth is not None:
            pointmap = pointmap_from_depth(depth_to_metres(frame.depth), frame.model, _NOISE)
        if frame.model is None:
            degraded.append("no camera_info")
        keys = None
        if pointmap is not None and frame.pose is not None:
            keys = voxel_keys(frame.pose.apply(pointmap.points[pointmap.valid]), _VOXEL)
        observation = Observation(frame, pointmap, None, None, degraded=tuple(degraded))
        observation.keyframe = self._memory.offer(frame.stamp_ns, frame.camera, keys, observation)
        observation.timings = {"geometry": time.monotonic() - started}
        return observation

    def locate(self, observation: Observation, region: Region) -> LocatedObject:
        if region.type is RegionType.PHRASE:
            if region.label != "the box":
                raise PhraseNotFoundError(f"'{region.label}' is not in view")
            h, w = observation.frame.image.shape[:2]
            region = Region.from_box(w * 0.3, h * 0.3, w * 0.7, h * 0.7, label=region.label)
        if observation.frame.model is None:
            raise NoCameraInfoError(f"no camera_info from camera '{observation.frame.camera}'")
        if observation.pointmap is None:
            raise NoGeometryError("there is no depth")
        points = segment_object(observation.pointmap, region)
        return LocatedObject(region, points, "request", 1.0, observation.frame)

    def measure(
        self,
        observation: Observation,
        kinds: Sequence[Kind],
        a: LocatedObject,
        b: LocatedObject | None = None,
    ) -> list[Any]:
        return [measure_objects(kind, a.points, b and b.points) for kind in kinds]

    def ask(
        self,
        question: str,
        observation: Observation,
        regions: Sequence[Region] = (),
        on_token: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Answer:
        if question.startswith("crash"):
            raise RuntimeError("the language model crashed")
        if question.startswith("stuck"):
            time.sleep(300.0)
        located = [self.locate(observation, region) for region in regions]
        distances = []
        if located:
            distances = self.measure(observation, [Kind.CAMERA_TO_OBJECT], located[0])
        sluggish = question.startswith("sluggish")
        spoken = ""
        for index in range(3000 if question.startswith(("slow", "sluggish")) else 5):
            if cancelled is not None and cancelled():
                raise CancelledError(f"cancelled after {index} tokens")
            time.sleep(
                SLUGGISH_TOKEN_SECONDS if sluggish else TOKEN_SECONDS
            )  # stands for the network's work on a token
            spoken += f"word{index} "
            if on_token is not None:
                on_token(f"word{index} ")
        return Answer(
            text=f"{distances[0].distance:.2f} m" if distances else spoken.strip(),
            language_text=spoken,
            language_value_m=math.nan,
            distances=tuple(distances),
            regions=tuple(one.region for one in located),
            agreement="unknown",
            frames=(frame_reference(observation.frame),),
            timings={"language": 0.1},
            degraded=observation.degraded,
            model_id="fake",
            backend="none",
        )

    def keyframes(self) -> tuple[Any, ...]:
        return self._memory.frames

    def coverage_points(self) -> np.ndarray:
        return np.zeros((0, 3))

    def reset(self) -> None:
        self._resets += 1
        self._memory.reset()

    def describe(self) -> dict[str, Any]:
        return {
            "model_id": "fake",
            "backend": "none",
            "profile": self._profile,
            "resets": self._resets,
            "voxel_size": _VOXEL,
            **self._memory.describe(),
        }

    def close(self) -> None:
        assert not self._closed, "closed twice"
        self._closed = True
