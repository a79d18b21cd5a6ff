# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How right measurements are on annotated real frames, object by object and pair by pair.

:func:`measure_frame` measures one frame under one condition and returns plain records; every table
(:mod:`spatialgeo_ros.evaluation.sequence_tables`) is computed from such records.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import BadImageError, SpatialGeoError
from spatialgeo_ros.evaluation.annotated_frames import (
    AnnotatedFrame,
    AnnotatedObject,
    AnnotatedSequence,
    ReferencePair,
)
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Box, Region
from spatialgeo_ros.geometry.visible_centre import visible_centre
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.perception import Perception, Sighting
from spatialgeo_ros.recordings.depth_file import Depth, read_depth_file
from spatialgeo_ros.recordings.image_codec import read_colour_file

#: What stands on the floor and fills the frame; its centre says nothing about finding it.
_NOT_COUNTED = "table"
#: Boxes of detectors are off by about this share of the box's size at each side, and by a pixel.
BOX_ERROR = 0.03
_LEAST_BOX_ERROR = 1.0  # pixels
_MILLIMETRES = 0.001


class Known(Enum):
    """What the measurement is told about the camera's place."""

    POSE = "pose and floor"
    GRAVITY = "gravity only"
    NOTHING = "no pose"


@dataclass(frozen=True)
class Condition:
    """Under what a frame is measured.

    Attributes:
        known: about the camera's place.
        box_error: standard deviation by which each side of a box is moved, as a share of the
            box's width or height; 0 for boxes as annotated.
        repetition: of the random shifts; the same shifts whatever is known.
    """

    known: Known
    box_error: float = 0.0
    repetition: int = 0


@dataclass(frozen=True)
class ObjectRecord:
    """One object found, or not, and how far from its reference centre.

    Attributes:
        condition: under which it was measured.
        frame, position: number and place of the frame.
        name, label: of the object.
        box: that was given, pixels.
        error_m: from the reference centre to the median of the found points, NaN when refused.
        along_m: of that, along the viewing ray; positive when found too far away.
        across_m: of that, at right angles to the ray.
        centre_error_m: from the reference centre to the centre of the visible surface, completed
            where it was not read; NaN when refused.
        centre_sigma_m: its standard deviation in the direction of that error.
        reference_sigma_m: of the reference centre.
        unread_share: of the surface, that was completed.
        refusal: why no point was found; "" when some were.
    """

    condition: Condition
    frame: int
    position: int
    name: str
    label: str
    box: Box
    error_m: float
    along_m: float
    across_m: float
    centre_error_m: float
    centre_sigma_m: float
    reference_sigma_m: float
    unread_share: float
    refusal: str


@dataclass(frozen=True)
class PairRecord:
    """One distance between two objects beside its reference.

    Attributes:
        condition: under which it was measured.
        frame, position: number and place of the frame.
        first, second: names of the objects.
        kind: NEAREST_POINTS or CENTRE_TO_CENTRE.
        reference_m, reference_sigma_m: the reference and its standard deviation.
        distance_m, sigma_m: what was measured, NaN when invalid.
        valid: whether the estimate can be used.
        reason: why not, or what a valid one assumes.
    """

    condition: Condition
    frame: int
    position: int
    first: str
    second: str
    kind: Kind
    reference_m: float
    reference_sigma_m: float
    distance_m: float
    sigma_m: float
    valid: bool
    reason: str

    @property
    def error_m(self) -> float:
        """Measured less reference; NaN when invalid."""
        return self.distance_m - self.reference_m


@dataclass(frozen=True)
class Records:
    """What was measured; :func:`measure_frame` makes those of one frame under one condition."""

    objects: tuple[ObjectRecord, ...] = ()
    pairs: tuple[PairRecord, ...] = ()

    def __add__(self, other: Records) -> Records:
        """Both one after the other."""
        return Records(self.objects + other.objects, self.pairs + other.pairs)


@dataclass(frozen=True, eq=False)
class Readings:
    """The images of a frame: [H, W, 3] uint8 RGB, and depth as ``Frame`` takes it."""

    image: NDArray[np.uint8]
    depth: Depth


def read_images(frame: AnnotatedFrame) -> Readings:
    """Read the images of a frame.

    Raises:
        BadImageError: an image cannot be read, or has another size than the camera says.
    """
    image = read_colour_file(frame.colour)
    height, width = image.shape[:2]
    if (width, height) != (frame.camera.width, frame.camera.height):
        raise BadImageError(
            f"{frame.colour} is {width}x{height}, but the annotations' camera is "
            f"{frame.camera.width}x{frame.camera.height}: correct the camera, or scale the images"
        )
    scale = None if frame.depth_unit == _MILLIMETRES else frame.depth_unit
    return Readings(image, read_depth_file(frame.depth, scale))


def conditions_of(sequence: AnnotatedSequence, repetitions: int = 3) -> tuple[Condition, ...]:
    """Conditions that a sequence can be measured under.

    Args:
        sequence: what it lacks cannot be known.
        repetitions: how often the boxes are moved at random; 0 for boxes as annotated only.
    """
    posed = sequence.upright is not None and any(f.pose is not None for f in sequence.frames)
    known = [Known.POSE] if posed and sequence.floor is not None else []
    known += [Known.GRAVITY] if posed else []
    known += [Known.NOTHING]
    return tuple(
        Condition(one, error, repetition)
        for error in (0.0, BOX_ERROR)
        for one in known
        for repetition in range(repetitions if error else 1)
    )


def counted_objects(sequence: AnnotatedSequence, frame: AnnotatedFrame) -> list[AnnotatedObject]:
    """Objects of a frame that are seen whole and have a reference centre; tables are not counted.

    Where the frame has no pose, nothing says where in the image a reference centre is.
    """
    return [
        thing
        for thing in frame.objects
        if thing.whole
        and thing.label != _NOT_COUNTED
        and thing.name in sequence.centres
        and frame.pose is not None
    ]


def counted_pairs(sequence: AnnotatedSequence, frame: AnnotatedFrame) -> list[ReferencePair]:
    """Pairs with a reference whose two objects are both seen whole in a frame."""
    whole = {thing.name for thing in frame.objects if thing.whole}
    return [pair for pair in sequence.pairs if {pair.first, pair.second} <= whole]


def given_box(frame: AnnotatedFrame, thing: AnnotatedObject, condition: Condition) -> Box:
    """Box that is given for an object, pixels: the annotated one, or with its sides moved."""
    if condition.box_error == 0:
        return thing.box
    number = frame.objects.index(thing)
    rng = np.random.default_rng([frame.number, number, condition.repetition])
    x0, y0, x1, y1 = thing.box
    size = np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0])
    sigma = np.maximum(_LEAST_BOX_ERROR, condition.box_error * size)
    u0, v0, u1, v1 = (float(v) for v in np.array(thing.box) + sigma * rng.standard_normal(4))
    # A side that passes the opposite one is still a side of the box.
    return min(u0, u1), min(v0, v1), max(u0, u1), max(v0, v1)


def observe(
    sequence: AnnotatedSequence,
    frame: AnnotatedFrame,
    readings: Readings,
    known: Known,
) -> tuple[Perception, Observation]:
    """Show a frame to a perception that has seen nothing before it.

    Raises:
        ValueError: the pose or gravity that is to be known is not.
    """
    pose = None
    if known is not Known.NOTHING:
        if sequence.upright is None or frame.pose is None:
            raise ValueError(f"frame {frame.number} has no pose or the sequence no gravity")
        place = np.zeros(3)  # no height that a camera can have: the floor is looked for
        if known is Known.POSE:
            if sequence.floor is None:
                raise ValueError("the sequence has no floor")
            place = sequence.upright @ frame.pose.translation - [0.0, 0.0, sequence.floor]
        pose = Pose(sequence.upright @ frame.pose.rotation, place)
    perception = Perception(None)
    return perception, perception.observe(
        Frame(
            camera="camera", stamp_ns=frame.position + 1, frame_id="camera_optical_frame",
            image=readings.image, model=frame.camera, depth=readings.depth, pose=pose,
            world_frame="" if pose is None else "world",
        )
    )  # fmt: skip


def measure_frame(
    sequence: AnnotatedSequence,
    frame: AnnotatedFrame,
    readings: Readings,
    condition: Condition,
) -> Records:
    """Measure every counted object and pair of one frame under one condition.

    Raises:
        ValueError: the pose or gravity that is to be known is not.
    """
    perception, seen = observe(sequence, frame, readings, condition.known)
    objects = counted_objects(sequence, frame)
    pairs = counted_pairs(sequence, frame)
    paired = {name for pair in pairs for name in (pair.first, pair.second)}
    found: dict[str, Sighting | SpatialGeoError] = {}
    for thing in frame.objects:
        if thing in objects or thing.name in paired:
            box = given_box(frame, thing, condition)
            try:
                found[thing.name] = perception.locate(seen, Region.from_box(*box, thing.label))
            except SpatialGeoError as error:
                found[thing.name] = error
    return Records(
        tuple(
            _object_record(sequence, frame, thing, condition, found[thing.name])
            for thing in objects
        ),
        tuple(
            record
            for pair in pairs
            for record in _pair_records(perception, seen, frame, pair, condition, found)
        ),
    )


def measure_sequence(
    sequence: AnnotatedSequence, conditions: tuple[Condition, ...]
) -> Iterator[tuple[AnnotatedFrame, Records]]:
    """Measure a sequence frame by frame, each under all conditions that it allows.

    Raises:
        BadImageError: an image cannot be read, or has another size than the camera says.
    """
    for frame in sequence.frames:
        readings = read_images(frame)
        records = Records()
        for condition in conditions:
            if condition.known is Known.NOTHING or frame.pose is not None:
                records += measure_frame(sequence, frame, readings, condition)
        yield frame, records


def find_again(
    sequence: AnnotatedSequence, record: ObjectRecord
) -> tuple[Readings, Sighting | None]:
    """Images of the frame of a record, and its object as it was found then; None if refused.

    Raises:
        BadImageError: an image cannot be read.
    """
    frame = sequence.frames[record.position]
    readings = read_images(frame)
    perception, seen = observe(sequence, frame, readings, record.condition.known)
    try:
        return readings, perception.locate(seen, Region.from_box(*record.box, record.label))
    except SpatialGeoError:
        return readings, None


def reference_in_camera(
    sequence: AnnotatedSequence, frame: AnnotatedFrame, name: str
) -> NDArray[np.float64]:
    """Reference centre [3] of an object in the optical frame of the camera, metres.

    Raises:
        ValueError: the frame has no pose.
    """
    if frame.pose is None:
        raise ValueError(f"frame {frame.number} has no pose")
    return frame.pose.inverse().apply(sequence.centres[name].centre)


def _object_record(
    sequence: AnnotatedSequence,
    frame: AnnotatedFrame,
    thing: AnnotatedObject,
    condition: Condition,
    found: Sighting | SpatialGeoError,
) -> ObjectRecord:
    error = along = across = centre_error = centre_sigma = unread = math.nan
    if isinstance(found, Sighting):
        truth = reference_in_camera(sequence, frame, thing.name)
        offset = np.median(found.points.points, axis=0).astype(np.float64) - truth
        ray = truth / np.linalg.norm(truth)
        error = float(np.linalg.norm(offset))
        along = float(offset @ ray)
        across = float(np.linalg.norm(offset - along * ray))
        centre = visible_centre(found.points)
        unread = centre.unread
        offset = centre.point - truth
        centre_error = float(np.linalg.norm(offset))
        direction = offset / max(centre_error, 1e-9)
        centre_sigma = float(np.sqrt(direction @ centre.covariance @ direction))
    return ObjectRecord(
        condition,
        frame.number,
        frame.position,
        thing.name,
        thing.label,
        given_box(frame, thing, condition),
        error,
        along,
        across,
        centre_error,
        centre_sigma,
        sequence.centres[thing.name].sigma,
        unread,
        "" if isinstance(found, Sighting) else str(found),
    )


def _pair_records(
    perception: Perception,
    seen: Observation,
    frame: AnnotatedFrame,
    pair: ReferencePair,
    condition: Condition,
    found: Mapping[str, Sighting | SpatialGeoError],
) -> Iterator[PairRecord]:
    first, second = found[pair.first], found[pair.second]
    for kind, reference, sigma in (
        (Kind.NEAREST_POINTS, pair.gap, pair.gap_sigma),
        (Kind.CENTRE_TO_CENTRE, pair.centres, pair.centres_sigma),
    ):
        if not math.isfinite(reference):
            continue
        measured = (math.nan, math.nan, False)
        if isinstance(first, Sighting) and isinstance(second, Sighting):
            try:
                (estimate,) = perception.measure(seen, [kind], first, second)
                reason = estimate.reason
                if estimate.valid:
                    measured = (float(estimate.distance), float(estimate.sigma), True)
            except SpatialGeoError as error:
                reason = str(error)
        else:
            refusals = [str(one) for one in (first, second) if isinstance(one, SpatialGeoError)]
            reason = "; ".join(refusals)
        yield PairRecord(
            condition, frame.number, frame.position, pair.first, pair.second, kind,
            reference, sigma, *measured, reason,
        )  # fmt: skip
