# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects that only an earlier keyframe saw: where they are in the frame that is asked about.

A thing that was seen earlier is *remembered*: how long ago is part of its sighting, and it is not
recalled beyond a greatest age. Where a camera now sees through its place, it is *gone*.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import Enum

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRequestError, PhraseNotFoundError
from spatialgeo_ros.geometry.distance import PAIR_KINDS, Kind, measure
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.keyframes import Keyframe
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.voxels import voxel_keys
from spatialgeo_ros.scene.sighting import SightedEstimate, Sighting, sighted

_SAME_VOXEL = 0.1  # m, grid on which surfaces seen from two places are compared
#: Readings on an object's place that a look needs before it says anything.
_LEAST_READINGS = 20
#: Share of the place that must be seen through for the object to be gone.
_SEEN_THROUGH = 0.6
#: A reading is behind the object from this many metres, or standard deviations, on.
_BEHIND, _BEHIND_SIGMAS = 0.15, 4.0


class Look(Enum):
    """What a camera sees now at the place of a remembered object."""

    NOTHING = "out of view, hidden, or without a reading"
    THERE = "something is there"
    GONE = "the place is seen empty"


def remembered(
    keyframes: Sequence[Keyframe], asked: Frame, others: Iterable[Observation] = ()
) -> Iterator[Observation]:
    """Yield the observations that share a world with ``asked``, newest first, without itself.

    Args:
        keyframes: the kept frames.
        asked: the frame that is asked about.
        others: observations besides, which may be among the keyframes.
    """
    if asked.pose is None:
        return
    every = {id(one.frame): one for one in (*others, *(kept.payload for kept in keyframes))}
    for observation in sorted(every.values(), key=lambda one: -one.frame.stamp_ns):
        frame = observation.frame
        if frame is asked or frame.pose is None or frame.world_frame != asked.world_frame:
            continue
        yield observation


def look_again(
    points: ObjectPoints, seen_in: Frame, now: Iterable[Observation], position_sigma: float
) -> Look:
    """Look at the place of an object in what the cameras see now.

    Args:
        points: of the object, in the camera frame of ``seen_in``.
        seen_in: the frame it was seen in; has a pose.
        now: the newest observation of each camera.
        position_sigma: of the object's place by now, metres.
    """
    best = Look.NOTHING
    for observation in now:
        frame, pointmap = observation.frame, observation.pointmap
        if pointmap is None or frame is seen_in or frame.stamp_ns < seen_in.stamp_ns:
            continue
        try:
            surface = relative_pose(frame, seen_in).apply(points.points)
        except BadRequestError:
            continue  # another world, or no pose
        ahead = surface[surface[:, 2] > 0.05]
        if not len(ahead):
            continue
        pixels = np.rint(pointmap.camera.project(ahead)).astype(np.int64)
        height, width = pointmap.shape
        inside = (pixels >= 0).all(axis=1) & (pixels < (width, height)).all(axis=1)
        u, v = pixels[inside].T
        seen, noise = pointmap.depth_at(v, u), pointmap.sigma_at(v, u)
        read = np.isfinite(seen)
        if read.sum() < _LEAST_READINGS:
            continue
        expected, seen, noise = ahead[inside][read, 2], seen[read], noise[read]
        margin = np.maximum(_BEHIND, _BEHIND_SIGMAS * np.hypot(noise, position_sigma))
        behind, hidden = seen > expected + margin, seen < expected - margin
        open_to_view = len(seen) - int(hidden.sum())
        if open_to_view < max(_LEAST_READINGS, 0.3 * len(seen)):
            continue
        if behind.sum() > _SEEN_THROUGH * open_to_view:
            return Look.GONE
        best = Look.THERE
    return best


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


def require_distinct(things: Sequence[Sighting]) -> None:
    """Refuse two phrases that led to one object: the distance between them would be a clean zero.

    Only phrases can be mistaken; regions of the request are taken at their word.

    Raises:
        PhraseNotFoundError: names the phrase that was found with less certainty.
    """
    for index, a in enumerate(things):
        for b in things[index + 1 :]:
            if "request" in (a.found_by, b.found_by) or not same_surface(a, b):
                continue
            surer, other = (a, b) if a.score >= b.score else (b, a)
            raise PhraseNotFoundError(
                f"'{other.label}' is not in view: what looks like it is the '{surer.label}'; "
                "give a box, point or mask for one of them"
            )


def same_surface(a: Sighting, b: Sighting) -> bool:
    """Tell whether over half of the smaller object's pixels, or of its space, are the other's."""
    if a.frame is b.frame:
        shared = int((a.points.mask & b.points.mask).sum())
        return shared > 0.5 * min(a.points.mask.sum(), b.points.mask.sum())
    try:
        moved = relative_pose(a.frame, b.frame).apply(b.points.points)
    except BadRequestError:
        return False  # frames that cannot be compared
    mine, theirs = (_voxels(points) for points in (a.points.points, moved))
    return len(mine & theirs) > 0.5 * min(len(mine), len(theirs))


def _voxels(points: npt.NDArray[np.floating]) -> set[int]:
    return set(voxel_keys(points, _SAME_VOXEL).tolist())


def measure_sightings(
    asked: Observation, kind: Kind, a: Sighting, b: Sighting | None
) -> SightedEstimate:
    """Measure where the objects were seen, then express the end points in the frame asked about.

    The unseen half of an object is behind what its own camera saw, so extents and centres are
    worked out in the frame the object was seen in, each of two in its own.

    Raises:
        BadRequestError: the objects are of different frames without poses in one world.
    """
    if kind is Kind.CAMERA_TO_OBJECT:
        estimate = measure(kind, express(a.points, relative_pose(asked.frame, a.frame)))
    elif kind in PAIR_KINDS and b is not None:
        other_view = None if b.frame is a.frame else relative_pose(a.frame, b.frame)
        estimate = measure(kind, a.points, b.points, a_from_b=other_view)
    else:
        estimate = measure(kind, a.points)
    if kind is not Kind.CAMERA_TO_OBJECT and a.frame is not asked.frame:
        pose = relative_pose(asked.frame, a.frame)
        estimate = replace(
            estimate,
            point_from=pose.apply(estimate.point_from),
            point_to=pose.apply(estimate.point_to),
        )
    used = (a,) if b is None or kind not in PAIR_KINDS else (a, b)
    return sighted(estimate, used, asked.degraded)
