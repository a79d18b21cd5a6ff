# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line of ``spatialgeo replay``; no ROS in it, so ``--help`` works everywhere."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from spatialgeo_ros.recordings.bags import BAG_OPTIONS, BAG_ROLES


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        "replay",
        description="Publish recorded RGB-D (a folder of images, or a ROS 2 bag) as a live camera.",
    )
    add = parser.add_argument
    add("path", help="folder with color/ and depth/, or a bag (folder, .mcap, .db3)")
    add(
        "--rate",
        type=float,
        help="frames per second; default: as recorded (folders without "
        "times in their file names: 10)",
    )
    add("--speed", type=float, default=1.0, help="factor on the recorded time, without --rate")
    add("--loop", action="store_true", help="start again at the end")
    add(
        "--clock",
        type=float,
        nargs="?",
        const=50.0,
        metavar="HZ",
        help="publish /clock with the "
        "recorded time; then stamps are kept and other nodes need use_sim_time",
    )
    add(
        "--stamps",
        choices=("now", "recorded"),
        help="header stamps: shifted to the present "
        "(default) or as recorded (default with --clock)",
    )
    add("--wait-for-subscriber", action="store_true", help="begin when someone subscribes")
    add("--camera", default="camera", help="name of the camera: prefix of topics and frames")
    add("--reliable", action="store_true", help="publish images reliably, not best effort")
    add(
        "--topic",
        action="append",
        default=[],
        metavar="ROLE=TOPIC",
        help="bag topic that plays "
        f"a role ({', '.join(BAG_ROLES)}); found by type otherwise, ROLE= leaves it out",
    )
    for role, option in BAG_OPTIONS.items():
        add(option, dest=f"{role}_topic", metavar="TOPIC", help=f"as --topic {role}=TOPIC")
    folder = parser.add_argument_group("folders of images")
    add = folder.add_argument
    add("--calibration", help="YAML or JSON file of intrinsics; default: one in the folder")
    for name in ("fx", "fy", "cx", "cy"):
        add(f"--{name}", type=float, help="intrinsics in pixels")
    add("--width", type=int, default=640, help="image width the intrinsics are for, px")
    add("--height", type=int, default=480, help="image height the intrinsics are for, px")
    add(
        "--world-axes",
        choices=("optical", "rep103"),
        default="optical",
        help="axes of the "
        "trajectory's world: optical (x right, y down, z forward) or rep103 (z up)",
    )
    add(
        "--depth-scale",
        type=float,
        metavar="METRES",
        help="metres per unit of the depth images; default: 0.001, millimetres",
    )
    add(
        "--camera-height",
        type=float,
        help="lift the trajectory so that the first camera is this "
        "many metres above the floor (z = 0)",
    )
    add(
        "--mount",
        type=float,
        nargs=6,
        metavar="N",
        help="publish the poses of a base that carries the camera at x y z roll pitch yaw (m, "
        "rad), the node's parameter <camera>.mount; default: of the camera's optical frame itself",
    )
    return parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse and check the command line; exits with a message on a wrong one."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    for name in ("rate", "speed", "clock", "depth_scale"):
        value = getattr(options, name)
        if value is not None and not (math.isfinite(value) and value > 0):
            parser.error(f"--{name.replace('_', '-')} must be above 0")
    for role in BAG_OPTIONS:
        named = getattr(options, f"{role}_topic")
        options.topic += [] if named is None else [f"{role}={named}"]
    if any("=" not in entry for entry in options.topic):
        parser.error("--topic needs ROLE=TOPIC")
    if options.clock and options.rate is not None:
        parser.error("--clock follows the recorded time: use --speed, not --rate")
    if options.stamps is None:
        options.stamps = "recorded" if options.clock else "now"
    return options
