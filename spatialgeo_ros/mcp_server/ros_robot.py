# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A running node as a robot for the tools, over its services and its overlay topic."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

import rclpy
from geometry_msgs.msg import Point
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from spatialgeo_ros.errors import (
    BusyError,
    RequestTimeoutError,
    SpatialGeoError,
    WrongFrameError,
    quoted,
)
from spatialgeo_ros.mcp_server.file_robot import kinds_of, png
from spatialgeo_ros.mcp_server.results import (
    ApproachChoice,
    ApproachChoices,
    Length,
    SpatialReply,
    Thing,
    ThingList,
    known,
    place,
)
from spatialgeo_ros.msg import DistanceEstimate, Region, SpatialAnswer, SpatialObject
from spatialgeo_ros.node.image_conversions import image_to_rgb
from spatialgeo_ros.query.program import Everything, TellObjects
from spatialgeo_ros.query.program_json import to_json
from spatialgeo_ros.srv import (
    AskSpatial,
    FindObjects,
    GetApproachPose,
    MeasureDistance,
    RunQuery,
)

_EVERYTHING = json.dumps(to_json(TellObjects(Everything())))
_STATES = {
    SpatialObject.STATE_VISIBLE: "visible",
    SpatialObject.STATE_REMEMBERED: "remembered",
    SpatialObject.STATE_GONE: "gone",
}
_LEVEL = 1e-3  # sine of half a tilt up to which a frame is upright
_POLL = 0.02  # s between two looks at what has come


class RosRobot:
    """A client of one node.

    Args:
        node: its full name ("/spatialgeo").
        timeout: seconds that one call may take.
    """

    def __init__(self, node: str = "/spatialgeo", timeout: float = 60.0) -> None:
        self._name, self._timeout = "/" + node.strip("/"), timeout
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self._node = rclpy.create_node("spatialgeo_mcp", context=self._context)
        kinds = {
            "ask": AskSpatial, "measure_distance": MeasureDistance, "find_objects": FindObjects,
            "run_query": RunQuery, "get_approach_pose": GetApproachPose,
        }  # fmt: skip
        self._clients = {
            name: self._node.create_client(kind, f"{self._name}/{name}")
            for name, kind in kinds.items()
        }
        self._pictures: deque[Image] = deque(maxlen=1)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, name="spatialgeo_mcp", daemon=True)
        self._thread.start()

    def describe(self) -> str:
        """Who it is, in a sentence."""
        return f"You see through the running node {self._name}."

    def ask(self, question: str, session: str, target_frame: str = "") -> SpatialReply:
        """Answer a question; see :class:`.robot.Robot`."""
        response = self._call(
            "ask", AskSpatial.Request(question=question, session=session, target_frame=target_frame)
        )
        return _reply(response.answer)

    def run_query(self, program: str, session: str, target_frame: str = "") -> SpatialReply:
        """Run a program; see :class:`.robot.Robot`."""
        response = self._call(
            "run_query",
            RunQuery.Request(program=program, session=session, target_frame=target_frame),
        )
        return _reply(response.answer)

    def list_objects(self, include_gone: bool, target_frame: str = "") -> ThingList:
        """List the objects; see :class:`.robot.Robot`."""
        return self._find(
            FindObjects.Request(
                program=_EVERYTHING, include_gone=include_gone, target_frame=target_frame
            )
        )

    def find(self, phrase: str, target_frame: str = "") -> ThingList:
        """Find what a phrase means; see :class:`.robot.Robot`."""
        return self._find(FindObjects.Request(phrase=phrase, target_frame=target_frame))

    def measure(self, first: str, second: str, kind: str, target_frame: str = "") -> list[Length]:
        """Measure; see :class:`.robot.Robot`."""
        request = MeasureDistance.Request(
            from_region=Region(label=first), target_frame=target_frame
        )
        if second:
            request.to_region = Region(label=second)
        request.kinds = [int(one) for one in kinds_of(kind, 2 if second else 1)]
        response = self._call("measure_distance", request)
        _raise(response)
        return [_length(one) for one in response.distances]

    def approach(
        self, target: str, stand_off_m: float, robot_radius_m: float, target_frame: str = ""
    ) -> ApproachChoices:
        """Say where the base can stand; see :class:`.robot.Robot`."""
        known_ids = {one.id for one in self.list_objects(False).objects}
        request = GetApproachPose.Request(
            stand_off=stand_off_m, robot_radius=robot_radius_m, target_frame=target_frame
        )
        if target in known_ids:
            request.object_id = target
        else:
            request.phrase = target
        response = self._call("get_approach_pose", request)
        _raise(response)
        turns = [pose.pose.orientation for pose in response.poses]
        if any(math.hypot(turn.x, turn.y) > _LEVEL for turn in turns):
            raise WrongFrameError(
                f"{quoted(target_frame)} does not stand upright, so that a pose on the floor has "
                "no x, y and yaw in it: choose a frame whose z axis points up"
            )
        choices = [
            ApproachChoice(
                pose.pose.position.x,
                pose.pose.position.y,
                2 * math.atan2(pose.pose.orientation.z, pose.pose.orientation.w),
                clearance,
            )
            for pose, clearance in zip(response.poses, response.clearances, strict=True)
        ]
        frame = response.poses[0].header.frame_id if response.poses else ""
        return ApproachChoices(response.object.id, frame, choices)

    def look(self, phrases: list[str]) -> bytes:
        """Return the overlay that the node draws for these phrases; see :class:`.robot.Robot`."""
        self._pictures.clear()
        # The node draws only while somebody listens.
        overlay = self._node.create_subscription(
            Image, f"{self._name}/overlay", self._on_picture, qos_profile_sensor_data
        )
        try:
            end = time.monotonic() + self._timeout
            while self._node.count_publishers(f"{self._name}/overlay") == 0:
                self._wait(end, "its overlay topic")
            for phrase in phrases:
                self.measure(phrase, "", "")
            while not self._pictures:
                self._wait(end, "a picture on its overlay topic")
        finally:
            self._node.destroy_subscription(overlay)
        return png(image_to_rgb(self._pictures[-1]))

    def close(self) -> None:
        """Let the node's client go."""
        self._executor.shutdown()
        self._thread.join(5.0)
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass  # Ctrl-C ends this thread too

    def _on_picture(self, picture: Image) -> None:
        self._pictures.append(picture)

    def _wait(self, end: float, what: str) -> None:
        if time.monotonic() > end:
            raise RequestTimeoutError(
                f"{self._name} gives no answer: waited {self._timeout:g} s for {what}; is the node "
                "active and does its camera publish? See /diagnostics"
            )
        time.sleep(_POLL)

    def _call(self, name: str, request: Any) -> Any:
        """Call a service.

        Raises:
            BusyError: the node is not there.
            RequestTimeoutError: it gives no answer in time.
        """
        client = self._clients[name]
        if not client.wait_for_service(timeout_sec=min(5.0, self._timeout)):
            raise BusyError(
                f"{self._name} is not running (nobody serves {self._name}/{name}): start it with "
                "`ros2 launch spatialgeo_ros spatialgeo.launch.py`, in the same ROS_DOMAIN_ID"
            )
        future = client.call_async(request)
        end = time.monotonic() + self._timeout
        try:
            while not future.done():
                self._wait(end, f"{name}")
        except RequestTimeoutError:
            client.remove_pending_request(future)
            raise
        return future.result()

    def _find(self, request: FindObjects.Request) -> ThingList:
        response = self._call("find_objects", request)
        if response.error_code:
            return ThingList(error=response.error_message)
        frame = response.objects[0].header.frame_id if response.objects else ""
        return ThingList([_thing(one) for one in response.objects], frame)


def _raise(response: Any) -> None:
    """Raise what a response says went wrong."""
    if response.error_code:
        kinds = {kind.code: kind for kind in SpatialGeoError.__subclasses__()}
        raise kinds.get(response.error_code, SpatialGeoError)(response.error_message)


def _constants(message: type, prefix: str) -> dict[int, str]:
    """Names of a message's constants by value, in lower case."""
    return {
        getattr(message, name): name.removeprefix(prefix).lower()
        for name in dir(message)
        if name.startswith(prefix)
    }


def _reply(answer: SpatialAnswer) -> SpatialReply:
    kind = _constants(SpatialAnswer, "TYPE_").get(answer.result_type, "none")
    yes_no = kind == "boolean"
    stamp = answer.header.stamp
    return SpatialReply(
        answer.answer,
        result_type=kind,
        values=_known(answer.values),
        std_devs=_known(answer.std_devs),
        unit=answer.unit,
        boolean=answer.boolean_value if yes_no else None,
        probability=known(answer.probability) if yes_no else None,
        direction=answer.direction,
        word=answer.word,
        object_ids=list(answer.object_ids),
        objects=[_thing(one) for one in answer.objects],
        objects_frame_id=answer.objects[0].header.frame_id if answer.objects else "",
        error=answer.error_message,
        how_seen=_constants(DistanceEstimate, "HOW_").get(answer.how_seen, "unknown"),
        age_s=known(answer.age),
        image_stamp_s=stamp.sec + stamp.nanosec * 1e-9,
        frame_id=answer.header.frame_id,
        lengths=[_length(one) for one in answer.distances],
        doubt=answer.doubt,
        told=answer.language_answer,
        agreement=_constants(SpatialAnswer, "AGREEMENT_").get(answer.agreement, "unknown"),
        degraded=list(answer.degraded),
        program=json.loads(answer.program) if answer.program else None,
    )


def _length(one: DistanceEstimate) -> Length:
    return Length(
        _constants(DistanceEstimate, "KIND_")[one.kind], one.from_object, one.to_object,
        known(one.distance), known(one.std_dev), one.valid, one.reason,
        _constants(DistanceEstimate, "HOW_").get(one.how_seen, "unknown"), known(one.age),
        _place(one.from_point), _place(one.to_point), one.header.frame_id, one.doubt,
    )  # fmt: skip


def _thing(one: SpatialObject) -> Thing:
    place, size = one.pose.pose.position, one.size
    return Thing(
        id=one.id,
        label=one.label,
        colour=one.colour,
        position_m=[place.x, place.y, place.z],
        position_std_dev_m=[math.sqrt(one.pose.covariance[k]) for k in (0, 7, 14)],
        size_m=[size.x, size.y, size.z],
        yaw_rad=known(one.yaw),
        state=_STATES[one.state],
        probability=one.probability,
        age_s=one.age,
        sightings=one.sightings,
    )


def _place(point: Point) -> list[float] | None:
    return place((point.x, point.y, point.z))


def _known(values: Sequence[float]) -> list[float | None]:
    return [known(value) for value in values]
