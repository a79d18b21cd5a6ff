# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The server of the Model Context Protocol: seven tools over one robot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

import anyio.to_thread
from mcp.server.mcpserver import Image, MCPServer
from mcp.server.mcpserver.exceptions import ToolError

from spatialgeo_ros.errors import SpatialGeoError
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.mcp_server.results import (
    ApproachChoices,
    Length,
    SpatialReply,
    ThingList,
)
from spatialgeo_ros.mcp_server.robot import Robot

_INSTRUCTIONS = (
    "You see through a robot that measures in metres. Every number has one standard deviation and "
    "says when its objects were seen. Never use a length that is not valid: its reason says what "
    "is wrong and what to do. 'remembered' things are not in view now. An ambiguous question lists "
    "its candidates: ask again with one of them. target_frame gives places in a TF frame, such as "
    "'base_link', at the image's stamp; empty: points of lengths in the camera's frame, objects "
    "and poses in the world's. These tools only look; nothing moves the robot."
)
# What an agent reads of each tool.
_ASK = (
    'Answer a question about space in plain English, for example "How far is the mug from the edge '
    'of the table?", "How many chairs are there?", "Is there room for a 60 cm robot between the '
    'sofa and the shelf?". Questions of one session may go on from one another ("and how wide is '
    'it?").'
)
_RUN_QUERY = (
    "Run a program on the object map: JSON by the schema in docs/query_schema.json. Exact where a "
    "question in words would be long."
)
_LIST = "List every object the robot knows, in view or remembered, with place, size and age."
_FIND = 'Find the objects of the map that a phrase means ("the red mug", "chairs").'
_MEASURE = (
    "Measure in the newest image, in metres. Things are named in words. Without a second thing: "
    "how far the first is. kind is one of "
    f"{', '.join(kind.name.lower() for kind in Kind)}, or empty for the usual one."
)
_APPROACH = (
    "Say where the robot's base can stand to reach or look at an object (its id or a phrase), on "
    "floor that was seen free. Give a pose to the navigation yourself."
)
_LOOK = "See the newest image, with the things that the phrases mean drawn on it."

T = TypeVar("T")


def make_server(robot: Robot, name: str = "spatialgeo") -> MCPServer[Any]:
    """Build the server.

    Args:
        robot: who sees; its calls are made one at a time, off the event loop.
        name: of the server.
    """
    server: MCPServer[Any] = MCPServer(name, instructions=f"{_INSTRUCTIONS} {robot.describe()}")
    turn = threading.Lock()

    async def run(work: Callable[[], T]) -> T:
        """Do one call on a thread; an error is the tool's answer, with cause and cure."""

        def guarded() -> T:
            with turn:
                return work()

        try:
            return await anyio.to_thread.run_sync(guarded)
        except SpatialGeoError as error:
            raise ToolError(f"{type(error).__name__}: {error}") from error

    @server.tool(description=_ASK)
    async def ask(question: str, session: str = "", target_frame: str = "") -> SpatialReply:
        return await run(lambda: robot.ask(question, session, target_frame))

    @server.tool(description=_RUN_QUERY)
    async def run_query(program: str, session: str = "", target_frame: str = "") -> SpatialReply:
        return await run(lambda: robot.run_query(program, session, target_frame))

    @server.tool(description=_LIST)
    async def list_objects(include_gone: bool = False, target_frame: str = "") -> ThingList:
        return await run(lambda: robot.list_objects(include_gone, target_frame))

    @server.tool(description=_FIND)
    async def find(phrase: str, target_frame: str = "") -> ThingList:
        return await run(lambda: robot.find(phrase, target_frame))

    @server.tool(description=_MEASURE)
    async def measure(
        first: str, second: str = "", kind: str = "", target_frame: str = ""
    ) -> list[Length]:
        return await run(lambda: robot.measure(first, second, kind, target_frame))

    @server.tool(description=_APPROACH)
    async def approach_pose(
        target: str,
        stand_off_m: float = 0.5,
        robot_radius_m: float = 0.3,
        target_frame: str = "",
    ) -> ApproachChoices:
        return await run(lambda: robot.approach(target, stand_off_m, robot_radius_m, target_frame))

    @server.tool(description=_LOOK)
    async def look(phrases: list[str] | None = None) -> Image:
        picture = await run(lambda: robot.look(phrases or []))
        return Image(data=picture, format="png")

    return server
