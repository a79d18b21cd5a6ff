# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which object of the map is what an image shows: by what it is called and where it is."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.upright_box import UprightBox
from spatialgeo_ros.memory.association import LEAST_RELATED
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.objects import ObjectMap
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.room import RoomMap
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence, viewer_at
from spatialgeo_ros.query.nouns import label_words, relatedness
from spatialgeo_ros.query.phrases import parse_label
from spatialgeo_ros.scene.lifting import segment_without
from spatialgeo_ros.scene.overlaps import with_fringe

#: Share of the points of a thing that are in the box of the object that it is, grown by so many
#: metres and standard deviations of its place, and by no more than so many metres.
_INSIDE, _MARGIN, _SIGMAS, _MOST_MARGIN = 0.7, 0.05, 2.0, 0.25
#: Share of them in the box of another one that it then is, and images that must have shown that
#: one: a single one may have called it by a wrong name.
_OTHERS, _LEAST_SIGHTINGS = 0.8, 3
#: Metres from the other one's lower side upwards that are of what it stands on, and above its upper
#: side that are its own.
_SUPPORT, _TOP = 0.05, 0.03
_REST = 0.4  # share of what is left without the other one, in the box of the thing's own object
_MIXED = 0.05  # share of them in each of both boxes where they are of both
#: Share of a side of another object that they reach over, and metres of a side that counts.
_REACH, _LEAST_SIDE = 0.4, 0.15
_POINTS = 500  # that are looked at
_NEAR = 1.0  # metres from them within which an object may be theirs
_AROUND = 0.25  # of the size of a region, on each side, where another object goes on


@functools.lru_cache(maxsize=4096)
def related_labels(a: str, b: str) -> float:
    """How likely two labels of detectors are of one thing, 0 to 1."""
    return relatedness(kind_of(a), kind_of(b))


def kind_of(label: str) -> str:
    """Return the kind that a detector's label names, or its bare words."""
    return parse_label(label).kind or label_words(label)


class KnownObjects:
    """The object map, for what is seen in single images.

    Args:
        objects: the map.
        room: where its images were placed.
        pose_sigma: standard deviation of a camera's place in the world, metres.
    """

    def __init__(self, objects: ObjectMap, room: RoomMap, pose_sigma: float) -> None:
        self._objects, self._room, self._pose_sigma = objects, room, pose_sigma

    def around(self, frame: Frame, points: NDArray[np.floating]) -> MapSnapshot | None:
        """Return the map's objects around what an image shows.

        Args:
            frame: the image.
            points: [N, 3] in its camera frame, metres.

        Returns:
            None where the camera is not in the map's world, or there are no points.
        """
        if frame.pose is None or not len(points):
            return None
        reach = around(points, self._room.placed(frame.pose))
        snapshot = self._room.as_now(self._objects.snapshot(around=reach))
        return snapshot if snapshot.frame == frame.world_frame else None

    def seen_from(self, frame: Frame, objects: Sequence[MapObject]) -> MapSnapshot | None:
        """Return objects of the map with the camera of an image as their viewer.

        None where the camera has no pose.
        """
        if frame.pose is None:
            return None
        viewer = viewer_at(frame.pose, self._pose_sigma)
        return MapSnapshot(tuple(objects), frame.world_frame, frame.stamp_ns, viewer=viewer)


def around(points: NDArray[np.floating], pose: Pose) -> tuple[NDArray[np.float64], float]:
    """Return a place [3] in the world and how far objects may be from it that have points in them.

    Args:
        points: [N, 3] in a camera's frame, metres, one at least.
        pose: world_from_camera.
    """
    few = _few(points, pose)
    low, high = few.min(axis=0), few.max(axis=0)
    return (low + high) / 2, float(np.linalg.norm(high - low)) / 2 + _NEAR


def object_at(
    name: str,
    points: NDArray[np.floating],
    pose: Pose,
    snapshot: MapSnapshot,
    least: float = _INSIDE,
) -> MapObject | None:
    """Return the object of the map that a thing is; None where it is none of them.

    It is called alike, and most of what is seen of the thing lies in the object's box.

    Args:
        name: kind or label of the thing.
        points: [N, 3] on it, camera frame, metres.
        pose: world_from_camera, in the world of the map.
        snapshot: the map.
        least: share of the points that has to lie there.
    """
    if not len(points):
        return None
    few = _few(points, pose)
    best, most = None, least
    for one in snapshot.objects:
        if one.state is Presence.GONE or related_labels(name, one.label) < LEAST_RELATED:
            continue
        share = _share_inside(one, few)
        if share >= most:
            best, most = one, share
    return best


def without_known(
    observation: Observation,
    region: Region,
    points: ObjectPoints,
    pose: Pose,
    snapshot: MapSnapshot,
) -> tuple[ObjectPoints | None, MapObject | None]:
    """Leave out of a detected thing what the map knows to be another object.

    A detector that misses the chair before a table leaves the table's box to depth, which takes the
    chair for it; and what a detector calls by a wrong name has its own one in the map.

    Args:
        observation: of the image.
        region: of the thing, with its name.
        points: what was found in it.
        pose: world_from_camera, in the world of the map.
        snapshot: the map.

    Returns:
        The points of the thing and the object that was left out of them, None for none. No points
        where all of them may be that object's.
    """
    pointmap = observation.pointmap
    elsewhere = snapshot.frame != observation.frame.world_frame
    if pointmap is None or elsewhere or not len(points.points):
        return points, None
    other, mixed = _other_object(region.label, points.points, pose, snapshot)
    if other is None:
        return points, None
    level = 0.0 if mixed else _unsure(other)
    claimed = with_fringe(_pixels_of_object(other, region, pointmap, pose, level))
    rest = segment_without(observation, pointmap, region, points, claimed)
    # What is left may be anything, unless it is where such a thing is known.
    if rest is not None and object_at(region.label, rest.points, pose, snapshot, _REST):
        return rest, other
    return (points, None) if mixed else (None, other)


def _other_object(
    name: str, points: NDArray[np.floating], pose: Pose, snapshot: MapSnapshot
) -> tuple[MapObject | None, bool]:
    """Return the object of another name that is most of a thing, None for none.

    It has nearly all of the thing's points, which reach over much of it (what stands on it or leans
    on it does not); or, and then true is returned as well, it has some that one of the thing's own
    name does not have, and together they have nearly all.
    """
    few = _few(points, pose)
    own = np.zeros(len(few), bool)
    others = []
    for one in snapshot.objects:
        if one.state is Presence.GONE:
            continue
        there = _from_centre(one.box, few)
        if related_labels(name, one.label) >= LEAST_RELATED:
            inside = _within(one, there, _unsure(one))
            own = inside if inside.sum() > own.sum() else own
        elif one.sightings >= _LEAST_SIGHTINGS:
            others.append((one, there))
    if own.mean() < _INSIDE:
        for one, there in others:
            inside = _above_support(one, there, _unsure(one))
            if inside.mean() >= _OTHERS and _reach_over(one, there[inside]):
                return one, False
    best, most = None, _MIXED
    for one, there in others if own.mean() >= _MIXED else ():
        inside = _above_support(one, there, 0.0)
        share = float((inside & ~own).mean())
        if share >= most and (inside | own).mean() >= _OTHERS:
            best, most = one, share
    return best, best is not None


def _reach_over(one: MapObject, own: NDArray[np.float64]) -> bool:
    """Tell whether points [N, 3], from an object's centre, reach over much of two of its sides."""
    low, high = np.percentile(own, 2, axis=0), np.percentile(own, 98, axis=0)
    sides = one.size >= _LEAST_SIDE
    over = ((high - low) >= _REACH * one.size)[sides]
    return int(over.sum()) >= min(2, int(sides.sum()))


def _pixels_of_object(
    one: MapObject, region: Region, pointmap: PointMap, pose: Pose, level: float
) -> NDArray[np.bool_]:
    """Return the pixels [H, W] in and around a region whose readings lie in an object's box.

    Args:
        one: object of the map.
        region: in the image.
        pointmap: of the image.
        pose: world_from_camera, in the world of the map.
        level: metres by which the box is grown sideways.
    """
    height, width = pointmap.shape
    x0, y0, x1, y1 = region.bounds(height, width)
    dx, dy = _AROUND * (x1 - x0), _AROUND * (y1 - y0)
    left, top = max(0, round(x0 - dx)), max(0, round(y0 - dy))
    right, bottom = min(width, round(x1 + dx) + 1), min(height, round(y1 + dy) + 1)
    points = pointmap.points_in((left, top, right, bottom)).astype(np.float64)
    pixels = np.zeros((height, width), bool)
    with np.errstate(invalid="ignore"):
        own = _from_centre(one.box, np.asarray(pose.apply(points.reshape(-1, 3))))
        inside = _above_support(one, own, level)
    pixels[top:bottom, left:right] = inside.reshape(points.shape[:2])
    return pixels


def _few(points: NDArray[np.floating], pose: Pose) -> NDArray[np.float64]:
    """At most some hundred of the points, in the world."""
    return np.asarray(pose.apply(points[:: max(1, math.ceil(len(points) / _POINTS))]))


def _share_inside(one: MapObject, points: NDArray[np.float64]) -> float:
    """Share of points [N, 3] in the box of an object that is called alike."""
    return float(_within(one, _from_centre(one.box, points), _unsure(one)).mean())


def _from_centre(box: UprightBox, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points [N, 3] from a box's centre in its own axes, metres."""
    (cos, sin), _ = box.axes
    turn = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return np.asarray((points - box.centre) @ turn)


def _unsure(one: MapObject) -> float:
    """Metres by which an object's box is grown for what is unsure of its place."""
    sigma = math.sqrt(float(np.linalg.eigvalsh(one.covariance)[-1]))
    return min(_MARGIN + _SIGMAS * sigma, _MOST_MARGIN)


def _within(one: MapObject, own: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
    """Which points [N, 3], from an object's centre in its axes, are in its box, grown, metres."""
    return np.asarray((np.abs(own) <= one.size / 2 + margin).all(axis=1))


def _above_support(one: MapObject, own: NDArray[np.float64], level: float) -> NDArray[np.bool_]:
    """Which points [N, 3] are in an object's box but not of what it stands on, metres.

    Args:
        one: the object.
        own: points from its centre, in its own axes.
        level: by which its box is grown sideways.
    """
    half = one.size / 2
    beside = (np.abs(own[:, :2]) <= half[:2] + level).all(axis=1)
    return np.asarray(beside & (own[:, 2] > _SUPPORT - half[2]) & (own[:, 2] <= half[2] + _TOP))
