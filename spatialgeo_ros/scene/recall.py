# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects that only an earlier keyframe saw, brought into the frame that is asked about."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from spatialgeo_ros.errors import BadRequestError, PhraseNotFoundError
from spatialgeo_ros.geometry.distance import PAIR_KINDS, DistanceEstimate, Kind, measure
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.segmentation import ObjectPoints
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.keyframes import Keyframe
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.voxels import voxel_keys
from spatialgeo_ros.scene.sighting import LocatedObject

_SAME_VOXEL = 0.1  # m, grid on which surfaces seen from two places are compared


def remembered(keyframes: Sequence[Keyframe], asked: Frame) -> Iterator[Observation]:
    """Yield the observations that share a world with ``asked``, newest first, without itself."""
    if asked.pose is None:
        return
    for keyframe in sorted(keyframes, key=lambda kept: -kept.stamp_ns):
        observation: Observation = keyframe.payload
        frame = observation.frame
        if frame is asked or frame.pose is None or frame.world_frame != asked.world_frame:
            continue
        yield observation


def relative_pose(here: Frame, there: Frame) -> Pose:
    """Return ``here_from_there`` of two frames' cameras.

    Raises:
        BadRequestError: they are different frames and one has no pose, or their worlds differ.
    """
    if here is there:
        return Pose.identity()
    if here.pose is None or there.pose is None or here.world_frame != there.world_frame:
        raise BadRequestError("objects of two frames need the poses of both in one world frame")
    return here.pose.inverse() @ there.pose


def express(points: ObjectPoints, here_from_there: Pose) -> ObjectPoints:
    """Express an object in another camera's frame; mask and box stay those it was seen with."""
    gravity, height = None, None
    if points.gravity is not None:
        gravity = here_from_there.rotation @ points.gravity
        if points.floor_height is not None:
            # The floor is the plane gravity . p = height; it stays while the camera moves.
            height = points.floor_height + float(gravity @ here_from_there.translation)
    return replace(
        points,
        points=np.asarray(here_from_there.apply(points.points), np.float32),
        surface=np.asarray(here_from_there.apply(points.surface), np.float32),
        gravity=gravity,
        floor_height=height,
    )


def require_distinct(things: Sequence[LocatedObject]) -> None:
    """Refuse two phrases that led to one object: the distance between them would be a clean zero.

    Only phrases can be mistaken; regions of the request are taken at their word.

    Raises:
        PhraseNotFoundError: names the phrase that was found with less certainty.
    """
    for index, a in enumerate(things):
        for b in things[index + 1 :]:
            if "request" in (a.how, b.how) or not same_surface(a, b):
                continue
            surer, other = (a, b) if a.score >= b.score else (b, a)
            raise PhraseNotFoundError(
                f"'{other.label}' is not in view: what looks like it is the '{surer.label}'; "
                "give a box, point or mask for one of them"
            )


def same_surface(a: LocatedObject, b: LocatedObject) -> bool:
    """Tell whether over half of the smaller object's pixels, or of its space, are the other's."""
    if a.frame is b.frame:
        shared = int((a.points.mask & b.points.mask).sum())
        return shared > 0.5 * min(a.points.mask.sum(), b.points.mask.sum())
    try:
        moved = relative_pose(a.frame, b.frame).apply(b.points.points)
    except BadRequestError:
        return False  # frames that cannot be compared
    mine, theirs = (set(voxel_keys(p, _SAME_VOXEL).tolist()) for p in (a.points.points, moved))
    return len(mine & theirs) > 0.5 * min(len(mine), len(theirs))


def measure_located(
    asked: Frame, kind: Kind, a: LocatedObject, b: LocatedObject | None
) -> DistanceEstimate:
    """Measure where the objects were seen, then express the end points in the frame asked about.

    The unseen half of an object is behind what its own camera saw, so extents and centres are
    worked out in the frame the object was seen in.

    Raises:
        BadRequestError: the objects are of different frames without poses in one world.
    """
    if kind is Kind.CAMERA_TO_OBJECT:
        estimate = measure(kind, express(a.points, relative_pose(asked, a.frame)))
    elif kind in PAIR_KINDS and b is not None:
        second = b.points
        if b.frame is not a.frame:
            second = express(second, relative_pose(a.frame, b.frame))
        estimate = measure(kind, a.points, second)
    else:
        estimate = measure(kind, a.points)
    if kind is not Kind.CAMERA_TO_OBJECT and a.frame is not asked:
        pose = relative_pose(asked, a.frame)
        estimate = replace(
            estimate,
            point_from=pose.apply(estimate.point_from),
            point_to=pose.apply(estimate.point_to),
        )
    used = (a,) if b is None or kind not in PAIR_KINDS else (a, b)
    doubts = [thing.doubt for thing in used if thing.doubt]
    if doubts:  # it may be another thing: there is no number for that
        estimate = replace(estimate, valid=False, distance=math.nan, sigma=math.nan)
    notes = [*doubts, estimate.reason, *(thing.note for thing in used)]
    return replace(estimate, reason="; ".join(note for note in notes if note))
