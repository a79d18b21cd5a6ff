# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo mcp``: tools for language-model agents, over the Model Context Protocol."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialgeo_ros.cli.inputs import (
    add_camera,
    add_depth,
    add_grounding,
    add_model,
    add_planner,
    load_perception,
    read_frame,
    require_readings,
)
from spatialgeo_ros.errors import BadRequestError

if TYPE_CHECKING:
    from spatialgeo_ros.mcp_server.robot import Robot

_MOST_FRAMES = 200  # of a clip that are observed


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "mcp",
        help="serve ask, find, measure, ... to language-model agents",
        description="A server of the Model Context Protocol, by default on standard input and "
        "output, on a running node over ROS; with --image or --recording on files, without ROS. "
        "docs/agents.md shows how agents are told of it.",
    )
    parser.add_argument("--node", default="/spatialgeo", help="the running node (/spatialgeo)")
    parser.add_argument("--image", type=Path, help="look at this image instead")
    parser.add_argument(
        "--recording", type=Path, metavar="PATH",
        help="look at this video, folder, recording or ROS 2 bag instead, to its end",
    )  # fmt: skip
    add_depth(parser)
    add_camera(parser)
    add_model(parser, default_profile="none")
    add_planner(parser)
    add_grounding(parser)
    parser.add_argument(
        "--http", type=int, metavar="PORT", help="serve HTTP at /mcp instead of standard output"
    )
    parser.add_argument(
        "--host", default="127.0.0.1",
        help="address of --http; this machine alone by default: nobody is asked for a password",
    )  # fmt: skip
    parser.add_argument(
        "--timeout", type=float, default=60.0, metavar="S", help="seconds for one call of a node"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until the agent hangs up, or Ctrl-C."""
    if importlib.util.find_spec("mcp") is None:
        raise BadRequestError("the package mcp is not installed: pip install 'mcp>=2'")
    from spatialgeo_ros.mcp_server.server import make_server

    # Standard output is the protocol's: everything else goes to the error stream.
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    robot = _robot(options)
    try:
        server = make_server(robot)
        if options.http is None:
            server.run("stdio")
        else:
            server.run("streamable-http", host=options.host, port=options.http)
    except KeyboardInterrupt:
        pass
    finally:
        robot.close()
    return 0


def _robot(options: argparse.Namespace) -> Robot:
    if options.image is not None and options.recording is not None:
        raise BadRequestError("give --image or --recording, not both")
    if options.image is None and options.recording is None:
        from spatialgeo_ros.mcp_server.ros_robot import RosRobot

        return RosRobot(options.node, options.timeout)
    from spatialgeo_ros.mcp_server.file_robot import FileRobot

    if options.image is not None:
        frame = read_frame(options)
        perception = load_perception(options)
        observation = perception.observe(frame)
        require_readings(observation)
        return FileRobot(perception, observation, f"the image {options.image.name}")
    return _watched(options)


def _watched(options: argparse.Namespace) -> Robot:
    from spatialgeo_ros.batch.clip_files import frame_of, open_clip
    from spatialgeo_ros.cli.inputs import CAMERA
    from spatialgeo_ros.mcp_server.file_robot import FileRobot

    clip = open_clip(options.recording, options.camera_info, depth_scale=options.depth_scale)
    step = max(1, len(clip) // _MOST_FRAMES)
    perception = load_perception(options)
    observation = None
    for number, shot in enumerate(clip.read(list(range((len(clip) - 1) % step, len(clip), step)))):
        observation = perception.observe(frame_of(shot, CAMERA, number))
        perception.update_map(observation)
    if observation is None:
        raise BadRequestError(f"{options.recording} has no frames")
    return FileRobot(perception, observation, f"the recording {options.recording.name}, to its end")
