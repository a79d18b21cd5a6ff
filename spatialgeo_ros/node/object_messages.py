# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Objects of the map, the room, and typed results as messages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from geometry_msgs.msg import Point32, Polygon, PoseStamped, PoseWithCovariance, Vector3
from std_msgs.msg import Header

from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.snapshot import MapObject, MapSnapshot, Presence, RoomLayout
from spatialgeo_ros.msg import (
    DistanceEstimate,
    SpatialAnswer,
    SpatialObject,
    SpatialObjectArray,
    StageLatency,
)
from spatialgeo_ros.node.conversions import ns_to_stamp, pose_to_msg
from spatialgeo_ros.node.messages import fill_result
from spatialgeo_ros.node.target_frames import Target
from spatialgeo_ros.query.result import Result, error_of
from spatialgeo_ros.scene.approach import ApproachPose

# A frame whose z axis points up within this keeps a yaw; sine of the tilt.
_LEVEL = 1e-3
_HOW = {
    Presence.VISIBLE: DistanceEstimate.HOW_IN_VIEW,
    Presence.REMEMBERED: DistanceEstimate.HOW_REMEMBERED,
    Presence.GONE: DistanceEstimate.HOW_REMEMBERED,
}


def snapshot_header(snapshot: MapSnapshot, target: Target | None = None) -> Header:
    """Return the header of what the map says: the newest image's stamp, never now.

    Args:
        snapshot: The map.
        target: Frame of the result; None for the world frame.
    """
    frame = snapshot.frame if target is None else target.frame_id
    return Header(stamp=ns_to_stamp(snapshot.stamp_ns), frame_id=frame)


def object_message(
    thing: MapObject, snapshot: MapSnapshot, target: Target | None = None
) -> SpatialObject:
    """Return one object as a message.

    Args:
        thing: Of the map.
        snapshot: The map.
        target: Frame of the result; None for the world frame.
    """
    pose, covariance = placed(thing, target)
    up = np.array([0.0, 0.0, 1.0]) if target is None else target.pose.rotation[:, 2]
    x_axis = pose.rotation[:, 0]
    level = math.hypot(up[0], up[1]) < _LEVEL and up[2] > 0
    shares = sorted(thing.labels.items(), key=lambda entry: (-entry[1], entry[0]))
    return SpatialObject(
        header=snapshot_header(snapshot, target),
        id=thing.id,
        label=thing.label,
        labels=[name for name, _ in shares],
        label_shares=[float(share) for _, share in shares],
        colour=thing.colour,
        material=thing.material,
        pose=PoseWithCovariance(pose=pose_to_msg(pose), covariance=covariance),
        size=_vector(thing.size),
        size_std_dev=_vector(thing.size_sigma),
        yaw=math.atan2(x_axis[1], x_axis[0]) if level else math.nan,
        state=int(thing.state),
        probability=float(thing.probability),
        first_seen=ns_to_stamp(thing.first_seen_ns),
        last_seen=ns_to_stamp(thing.last_seen_ns),
        age=age_of(thing, snapshot),
        sightings=int(thing.sightings),
        cameras=list(thing.cameras),
        best_camera=thing.best.camera_name,
        best_stamp=ns_to_stamp(thing.best.stamp_ns),
    )


def placed(thing: MapObject, target: Target | None) -> tuple[Pose, list[float]]:
    """Return an object's pose in a frame, and the 6 x 6 covariance of a message, row by row."""
    cos, sin = math.cos(thing.yaw), math.sin(thing.yaw)
    pose = Pose(np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]]), thing.centre)
    spread = np.asarray(thing.covariance, np.float64)
    if target is not None:
        pose = target.pose @ pose
        spread = target.pose.rotation @ spread @ target.pose.rotation.T
    covariance = np.zeros((6, 6))
    covariance[:3, :3] = spread
    return pose, covariance.ravel().tolist()


def age_of(thing: MapObject, snapshot: MapSnapshot) -> float:
    """Return the seconds since an object was seen, by the stamps of images; not negative."""
    return max(0.0, (snapshot.stamp_ns - thing.last_seen_ns) * 1e-9)


def objects_message(snapshot: MapSnapshot, degraded: Iterable[str] = ()) -> SpatialObjectArray:
    """Return the whole map as a message."""
    message = empty_objects_message(degraded)
    message.header = snapshot_header(snapshot)
    message.objects = [object_message(one, snapshot) for one in snapshot.objects]
    if snapshot.room is not None:
        _fill_room(message, snapshot.room)
    return message


def empty_objects_message(degraded: Iterable[str] = ()) -> SpatialObjectArray:
    """Return the message of a map that is not there; nothing is known of the room either."""
    return SpatialObjectArray(
        floor_height=math.nan,
        floor_std_dev=math.nan,
        ceiling_height=math.nan,
        ceiling_std_dev=math.nan,
        area=math.nan,
        area_std_dev=math.nan,
        degraded=list(degraded),
    )


def _fill_room(message: SpatialObjectArray, room: RoomLayout) -> None:
    message.floor_height, message.floor_std_dev = float(room.floor), float(room.floor_sigma)
    if room.ceiling is not None:
        message.ceiling_height = float(room.ceiling)
        message.ceiling_std_dev = float(room.ceiling_sigma)
    if room.polygon is None:
        return
    corners = np.asarray(room.polygon, np.float64)
    message.room = Polygon(
        points=[Point32(x=float(x), y=float(y), z=float(room.floor)) for x, y in corners]
    )
    following = np.roll(corners, -1, axis=0)
    cross = corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]
    message.area = abs(float(cross.sum())) / 2
    # A wall that is off by d changes the area by its length times d.
    walls = np.hypot(*(following - corners).T)
    message.area_std_dev = float(room.polygon_sigma * np.sqrt(np.square(walls).sum()))


def result_objects(
    result: Result, snapshot: MapSnapshot, target: Target | None = None
) -> list[SpatialObject]:
    """Return the objects that a result names, candidates of an ambiguous one included."""
    named = {one.id: one for one in snapshot.objects}
    things = (named[name] for name in result.objects if name in named)
    return [object_message(one, snapshot, target) for one in things]


def result_message(
    result: Result,
    snapshot: MapSnapshot,
    program: str,
    facts: dict[str, Any],
    seconds: float,
    image_age: float,
    target: Target | None = None,
) -> SpatialAnswer:
    """Return the result of a program that was run on the map as an answer.

    Args:
        result: What the executor returned.
        snapshot: What it was run on.
        program: JSON of what was run.
        facts: ``perception.describe()``: who answered.
        seconds: That it took.
        image_age: Age of the newest image in seconds; NaN when unknown.
        target: Frame of the objects; None for the world frame.
    """
    error = error_of(result)
    named = {one.id: one for one in snapshot.objects}
    seen = [named[name] for name in result.objects if name in named]
    oldest = max(seen, key=lambda one: age_of(one, snapshot), default=None)
    message = SpatialAnswer(
        header=snapshot_header(snapshot, target),
        objects=result_objects(result, snapshot, target),
        answer="" if error else result.text,
        error_code=error.code if error else 0,
        error_message=str(error) if error else "",
        state=SpatialAnswer.STATE_FINAL,
        language_value=math.nan,
        model_id=str(facts.get("model_id", "")),
        backend=str(facts.get("backend", "")),
        degraded=list(result.remarks),
        how_seen=max((_HOW[one.state] for one in seen), default=DistanceEstimate.HOW_UNKNOWN),
        age=math.nan if oldest is None else age_of(oldest, snapshot),
        image_age=image_age,
    )
    message.stages = [StageLatency(name="program", seconds=seconds)]
    if oldest is not None:
        message.seen_stamp = ns_to_stamp(oldest.last_seen_ns)
    fill_result(message, result, program)
    return message


def pose_messages(
    poses: Sequence[ApproachPose],
    snapshot: MapSnapshot,
    target: Target | None = None,
) -> list[PoseStamped]:
    """Return poses of the robot's base on the floor as messages; frames as in object_message."""
    header = snapshot_header(snapshot, target)
    floor = 0.0 if snapshot.room is None else snapshot.room.floor
    messages = []
    for one in poses:
        cos, sin = math.cos(one.yaw), math.sin(one.yaw)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1.0]])
        pose = Pose(turn, np.array([one.x, one.y, floor]))
        if target is not None:
            pose = target.pose @ pose
        messages.append(PoseStamped(header=header, pose=pose_to_msg(pose)))
    return messages


def _vector(values: Sequence[float]) -> Vector3:
    x, y, z = (float(value) for value in values)
    return Vector3(x=x, y=y, z=z)
