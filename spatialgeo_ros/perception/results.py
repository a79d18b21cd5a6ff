# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the facade takes and gives: camera mounts, observations, located objects, answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import DistanceEstimate
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import ObjectPoints
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.keyframes import Decision
from spatialgeo_ros.perception.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Mount:
    """How a camera sits on the robot, for frames without a pose.

    Attributes:
        gravity: [3] unit direction of falling in the camera optical frame.
        height: of the camera above the floor, metres.
    """

    gravity: npt.NDArray[np.float64]
    height: float

    @classmethod
    def from_pitch(cls, height: float, pitch: float) -> Mount:
        """Mount of a camera without roll that looks down by ``pitch`` radians."""
        return cls(np.array([0.0, math.cos(pitch), math.sin(pitch)]), float(height))


@dataclass(frozen=True, eq=False)
class View:
    """One image as the networks get it.

    Attributes:
        image: [H, W, 3] uint8 RGB.
        camera: calibration at the size of the image, or None when unknown.
        mount: what is known of gravity and camera height, or None.
        cache: of this image alone: networks keep there what they would otherwise compute again
            (pixels on the device, tokens of the towers).
    """

    image: npt.NDArray[np.uint8]
    camera: PinholeCamera | None
    mount: Mount | None
    cache: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, eq=False)
class Question:
    """What a language model is asked.

    Attributes:
        text: ``<region>`` k in it is mask k.
        regions: masks [H, W] of the view's image.
        family: kind of the question, for the form of the answer.
        earlier: at most ``context_views`` views from before, oldest first.
        on_token: gets each piece of the answer as it comes.
        cancelled: asked between tokens.
    """

    text: str
    regions: Sequence[npt.NDArray[np.bool_]] = ()
    family: str = "open"
    earlier: Sequence[View] = ()
    on_token: Callable[[str], None] | None = None
    cancelled: Callable[[], bool] | None = None


@dataclass(frozen=True, eq=False)
class MonocularDepth:
    """Depth predicted from one image.

    Attributes:
        depth: [h, w] float32 along the optical axis, any resolution of the same view; metres, or
            metres up to one unknown factor where ``metric`` is False.
        valid: [h, w] bool.
        relative_sigma: one standard deviation divided by depth, scalar or [h, w].
        metric: whether the network knows the scale.
    """

    depth: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    relative_sigma: float | npt.NDArray[np.float32]
    metric: bool = True


class Networks(Protocol):
    """What the facade needs of the loaded networks. All calls come from one thread."""

    model_id: str
    backend: str
    vocabulary: Vocabulary
    #: What a patch may show besides the things of the vocabulary ("wall"): contrast for grounding.
    background_names: tuple[str, ...]
    nominal_mount: Mount | None
    has_geometry: bool
    has_grounding: bool
    has_language: bool
    #: Least probability of a patch at which an object counts as found.
    grounding_threshold: float
    #: Whether the language model only understands questions in the wording it was trained with.
    canonical_only: bool
    #: How many earlier views of the same camera the language model can look at besides the newest.
    context_views: int

    def depth(self, view: View) -> MonocularDepth:
        """Predict depth of a view whose camera is known."""

    def similarity(self, view: View, names: Sequence[str]) -> npt.NDArray[np.float32]:
        """Logits [len(names), h, w] of each name at each patch of the image."""

    def unfamiliar(self, view: View) -> str:
        """Say why the networks' answers about an image mean nothing, "" where they do.

        A network trained on one kind of image names things on any other as surely. Callers ask
        before they use depth, similarity or answers, and add the cure to the sentence.
        """

    def answer(self, view: View, question: Question) -> str:
        """Let the language model answer a question about a view.

        Raises:
            CancelledError: ``question.cancelled`` became true between two tokens.
        """

    def encode(self, view: View) -> None:
        """Run every tower now and keep the features in the view's cache."""

    def settle(self, view: View) -> None:
        """Free what is large and can be made again: the view is not the newest of its camera."""

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""

    def close(self) -> None:
        """Free memory."""


@dataclass(eq=False)
class Observation:
    """One frame with everything that was worked out about it. Treat it as read-only.

    Attributes:
        frame: the frame itself.
        pointmap: metric geometry at the image's resolution, or None (``degraded`` says why).
        gravity: [3] unit direction of falling in the camera frame, or None when unknown.
        camera_height: of the camera above the floor in metres, or None when unknown.
        visual: features cached for this frame; opaque, filled when they are first needed.
        timings: seconds per stage.
        degraded: what is missing or assumed, in words.
        keyframe: what the keyframe memory did with the frame, None when there was nothing to offer.
        mount: gravity and height as given to the geometry network (may be nominal).
        camera: calibration at the size of the image, or None when unknown.
    """

    frame: Frame
    pointmap: PointMap | None
    gravity: npt.NDArray[np.float64] | None
    camera_height: float | None
    visual: dict[str, Any] = field(default_factory=dict, repr=False)
    timings: dict[str, float] = field(default_factory=dict)
    degraded: tuple[str, ...] = ()
    keyframe: Decision | None = None
    mount: Mount | None = None
    camera: PinholeCamera | None = None

    @property
    def view(self) -> View:
        """The image as the networks get it."""
        return View(self.frame.image, self.camera, self.mount, self.visual)


@dataclass(frozen=True, eq=False)
class LocatedObject:
    """An object that a phrase or region was resolved to.

    Attributes:
        region: where it is in the image of ``frame`` (box and mask for phrases).
        points: its visible surface, in the camera frame of ``frame``.
        how: "request", "detection" or "clip".
        score: in [0, 1]; 1 for regions of a request.
        frame: the frame it was found in; another one than asked about when it is remembered.
        note: what a caller should know (other objects that fit, remembered from another frame).
        kind: canonical kind of the object, "" when unknown.
    """

    region: Region
    points: ObjectPoints
    how: str
    score: float
    frame: Frame
    note: str = ""
    kind: str = ""

    @property
    def label(self) -> str:
        """Name of the object as the answer calls it."""
        return self.region.label


@dataclass(frozen=True)
class SeenObject:
    """One entry of a scan: what the scene seems to hold.

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


@dataclass(frozen=True)
class FrameReference:
    """Which image was used: camera name, optical frame, stamp in nanoseconds."""

    camera: str
    frame_id: str
    stamp_ns: int


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer to one question.

    Attributes:
        text: what to tell the person; states the measured number where there is a valid one.
        language_text: the language model's own words, "" when it was not asked.
        language_value_m: the length in metres the language model said, NaN when none.
        distances: measured lengths, the one asked for first.
        regions: the objects located for the question, in order.
        agreement: "agree" or "disagree" between language and measurement; "unknown" when one of
            them is missing.
        frames: every image that was used; the newest frame of the camera first.
        timings: seconds per stage.
        degraded: what was missing or assumed.
        model_id: profile and weights.
        backend: how the networks ran.
        family: the kind of question that was understood ("distance", "left_right", "open", ...).
    """

    text: str
    language_text: str
    language_value_m: float
    distances: tuple[DistanceEstimate, ...]
    regions: tuple[Region, ...]
    agreement: str
    frames: tuple[FrameReference, ...]
    timings: dict[str, float]
    degraded: tuple[str, ...]
    model_id: str
    backend: str
    family: str = "open"


def frame_reference(frame: Frame) -> FrameReference:
    """Return the reference to a frame's image."""
    return FrameReference(frame.camera, frame.frame_id, frame.stamp_ns)
