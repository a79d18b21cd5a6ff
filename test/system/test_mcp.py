# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tools for agents on a running node, over real DDS: a session, a node that is not there."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")
pytest.importorskip("mcp.server.mcpserver", reason="the extra 'agents' is not installed")

from mcp import Client
from ros_support import wait_for
from system.camera_driver import HEIGHT, WIDTH
from system.conftest import start_robot, stop_robot
from system.room_driver import PARAMETERS, RoomDriver

from spatialgeo_ros.errors import BusyError, WrongFrameError
from spatialgeo_ros.mcp_server.ros_robot import RosRobot
from spatialgeo_ros.mcp_server.server import make_server
from spatialgeo_ros.query.program import Count, Named, TellNumber
from spatialgeo_ros.query.program_json import to_json

COUNT = json.dumps(to_json(TellNumber(Count(Named("chair")))))


@pytest.fixture(scope="module")
def agent(tmp_path_factory: Any) -> Iterator[RosRobot]:
    running = start_robot(tmp_path_factory.mktemp("robot"), **PARAMETERS)
    with RoomDriver(running.ros, running.namespace) as driver:
        wait_for(driver.matched, what="the node's subscriptions")
        driver.run(10.0)
        robot = RosRobot(running.name("").rstrip("/"), timeout=60.0)
        wait_for(lambda: len(robot.list_objects(False).objects) == 3, 60.0, "the map's objects")
        yield robot
        robot.close()
    stop_robot(running)


def call(robot: RosRobot, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    async def session() -> list[Any]:
        async with Client(make_server(robot), read_timeout_seconds=120) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return asyncio.run(session())


def test_a_session_on_a_running_node(agent: RosRobot) -> None:
    listed, asked, again, queried, found, measured, poses, picture = call(
        agent,
        ("list_objects", {}),
        ("ask", {"question": "How far is the chair from the table?", "session": "a"}),
        ("ask", {"question": "In feet?", "session": "a"}),
        ("run_query", {"program": COUNT}),
        ("find", {"phrase": "the red chair"}),
        ("measure", {"first": "chair"}),
        ("approach_pose", {"target": "chair", "robot_radius_m": 0.2}),
        ("look", {"phrases": ["chair"]}),
    )
    things = {one["label"]: one for one in listed.structured_content["objects"]}
    assert set(things) == {"chair", "table", "plant"}
    assert listed.structured_content["frame_id"] == "odom"
    assert things["chair"]["position_m"][:2] == pytest.approx([2.0, 0.5], abs=0.12)
    reply = asked.structured_content
    assert reply["error"] == "" and reply["unit"] == "m"
    assert reply["values"][0] == pytest.approx(2.07, abs=0.2)
    assert reply["image_stamp_s"] > 0
    assert again.structured_content["unit"] == "ft"
    assert queried.structured_content["values"] == [1.0]
    assert [one["id"] for one in found.structured_content["objects"]] == [things["chair"]["id"]]
    (length,) = measured.structured_content["result"]
    assert length["valid"] and length["kind"] == "camera_to_object"
    assert length["how_seen"] == "in_view"
    assert poses.is_error or poses.structured_content["object_id"] == things["chair"]["id"]
    (content,) = picture.content
    data = np.frombuffer(base64.b64decode(content.data), np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape == (HEIGHT, WIDTH, 3)


def test_places_come_in_the_frame_that_is_asked_for(agent: RosRobot) -> None:
    frame = {"target_frame": "base_link"}
    asked, measured, found, listed, queried, unknown = call(
        agent,
        ("ask", {"question": "How far is the chair?", **frame}),
        ("measure", {"first": "chair", **frame}),
        ("find", {"phrase": "chair", **frame}),
        ("list_objects", frame),
        ("run_query", {"program": COUNT, **frame}),
        ("measure", {"first": "chair", "target_frame": "gripper"}),
    )
    (length,) = measured.structured_content["result"]
    assert length["frame_id"] == "base_link"
    assert length["to_point_m"][0] == pytest.approx(1.8, abs=0.15)
    assert length["from_point_m"] == pytest.approx([0, 0, 0.9], abs=0.05)
    reply = asked.structured_content
    assert reply["lengths"][0]["frame_id"] == reply["objects_frame_id"] == "base_link"
    assert reply["objects"][0]["position_m"][:2] == pytest.approx([2.0, 0.5], abs=0.15)
    assert (
        found.structured_content["frame_id"]
        == listed.structured_content["frame_id"]
        == ("base_link")
    )
    assert queried.structured_content["frame_id"] == "base_link"
    with pytest.raises(WrongFrameError, match="'front_optical_frame' does not stand upright"):
        agent.approach("chair", 0.5, 0.2, "front_optical_frame")
    assert unknown.is_error
    assert "'gripper'" in unknown.content[0].text


def test_what_is_not_there_is_said(agent: RosRobot) -> None:
    absent, unknown = call(
        agent, ("measure", {"first": "unicorn"}), ("find", {"phrase": "the unicorn"})
    )
    assert absent.is_error
    assert "unicorn" in absent.content[0].text
    assert unknown.structured_content["error"] or not unknown.structured_content["objects"]


def test_a_node_that_is_not_there_is_named_with_the_cure() -> None:
    robot = RosRobot("/nobody", timeout=1.0)
    try:
        with pytest.raises(BusyError, match="/nobody is not running.*ros2 launch"):
            robot.ask("How far is the chair?", "")
        (asked,) = call(robot, ("ask", {"question": "How far is the chair?"}))
        assert asked.is_error
        assert "ros2 launch" in asked.content[0].text
    finally:
        robot.close()
