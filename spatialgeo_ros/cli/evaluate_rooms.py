# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo evaluate rooms`` and ``drives``: questions about simulated rooms.

``rooms`` asks VSI-Bench's kinds of question at the end of a drive, ``drives`` asks for lengths on
the way.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatialgeo_ros.evaluation.rooms.answers import Answerer
    from spatialgeo_ros.evaluation.rooms.drive import DriveSettings
    from spatialgeo_ros.memory.snapshot import MapSnapshot

_DETECTIONS = ("perfect", "simulated", "none")
_SENSORS = ("plain", "structured_light")


def add_rooms(kinds: Any) -> None:
    """Add the arguments of ``evaluate rooms``."""
    parser = kinds.add_parser(
        "rooms",
        help="VSI-Bench's kinds of question about simulated rooms that a robot has driven through",
        description="Drive through furnished rooms that were never used before, with a depth "
        "camera and drifting odometry, build the object map, ask the eight kinds of question of "
        "VSI-Bench in English and score the answers as it does, beside the best constant answer "
        "and the language model alone (it needs the simulator: pip install mujoco). "
        "docs/rooms.md says how the questions are made.",
    )
    parser.add_argument(
        "--detections", nargs="+", choices=_DETECTIONS, default=list(_DETECTIONS),
        help="boxes that the map is made from: exact ones, those of a detector with faults, or "
        "none, where the profile's own grounding has to find things (default: each in turn)",
    )  # fmt: skip
    parser.add_argument(
        "--profile", default="nano",
        help="model profile that grounds without detections and speaks alone; 'none' leaves both "
        "out (nano)",
    )  # fmt: skip
    _add_drive(parser, rooms=50)
    parser.set_defaults(run=_run)


def add_drives(kinds: Any) -> None:
    """Add the arguments of ``evaluate drives``."""
    parser = kinds.add_parser(
        "drives",
        help="distances and sizes that a driving robot is asked for, things in view and out of it",
        description="Drive through the same rooms as 'evaluate rooms' and ask in English, in every "
        "image of the second half of a drive, how far, wide and tall things are and how far from "
        "each other (it needs the simulator: pip install mujoco). docs/rooms.md says more.",
    )
    parser.add_argument(
        "--detections", choices=_DETECTIONS[:2], default="perfect",
        help="boxes that come with the images: exact ones, or those of a detector with faults "
        "(perfect)",
    )  # fmt: skip
    _add_drive(parser, rooms=6)
    parser.set_defaults(run=_run_drives)


def _add_drive(parser: argparse.ArgumentParser, rooms: int) -> None:
    parser.add_argument("--rooms", type=_positive, default=rooms, help=f"how many rooms ({rooms})")
    parser.add_argument(
        "--seed", type=_natural, default=0,
        help="which series of rooms (0); each has rooms of its own",
    )  # fmt: skip
    parser.add_argument("--frames", type=_positive, default=72, help="images of a drive (72)")
    parser.add_argument("--width", type=_positive, default=640, help="of the images, pixels (640)")
    parser.add_argument(
        "--drift", type=_share, default=0.02,
        help="largest error of odometry, as a share of the way, which the object map is told "
        "(0.02)",
    )  # fmt: skip
    parser.add_argument(
        "--sensor", choices=_SENSORS, default="plain",
        help="depth camera: noise and holes, or all faults of structured light (plain)",
    )  # fmt: skip
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write scores, questions and answers here"
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError(text)  # argparse says it
    return value


def _natural(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 <= value <= 0.5:
        raise ValueError(text)
    return value


def _run(options: argparse.Namespace) -> int:
    """Drive, map, ask, score and print."""
    from tqdm import tqdm

    from spatialgeo_ros.evaluation.rooms.benchmark import Detections, MapBuilder, evaluate_rooms
    from spatialgeo_ros.evaluation.rooms.drive import drives
    from spatialgeo_ros.evaluation.rooms.forms import FormAnswerer
    from spatialgeo_ros.evaluation.rooms.mapping import map_builder
    from spatialgeo_ros.evaluation.rooms.programs import ProgramAnswerer
    from spatialgeo_ros.evaluation.rooms.report import format_summary
    from spatialgeo_ros.perception import Perception
    from spatialgeo_ros.sim.renderer import RendererUnavailableError

    # Whoever sets up a robot knows how well its wheels count.
    known = {"way_drift": options.drift}
    measuring, whole = (
        Perception(None, **known),
        Perception.load(
            options.profile, grounding="none" if options.profile == "none" else "profile", **known
        ),
    )
    builders: dict[Detections, MapBuilder] = {}
    for name in options.detections:
        detections = Detections(name)
        if detections is not Detections.NONE:
            builders[detections] = map_builder(measuring)
        elif whole.networks is not None:
            builders[detections] = map_builder(whole)
    networks = whole.networks
    speaker = networks if networks is not None and networks.has_language else None
    answerers: dict[str, Callable[[MapSnapshot], Answerer]] = {
        "": ProgramAnswerer,
        "forms": FormAnswerer,
    }
    rooms = tqdm(drives(options.seed, options.rooms, _settings(options)), "rooms", options.rooms)
    try:
        report = evaluate_rooms(rooms, builders, answerers, speaker)
    except RendererUnavailableError as error:
        print(f"spatialgeo evaluate rooms: {error}", file=sys.stderr)
        return 2
    print(format_summary(report.summary()))
    if options.json:
        text = {"options": _options(options, "profile"), **report.to_json()}
        options.json.write_text(json.dumps(text, indent=1) + "\n")
    return 0


def _run_drives(options: argparse.Namespace) -> int:
    """Drive, ask on the way and print."""
    from tqdm import tqdm

    from spatialgeo_ros.evaluation.rooms.benchmark import Detections
    from spatialgeo_ros.evaluation.rooms.drive import drives
    from spatialgeo_ros.evaluation.rooms.drive_questions import (
        ask_on_drives,
        columns,
        format_columns,
        to_json,
    )
    from spatialgeo_ros.perception import Perception
    from spatialgeo_ros.sim.renderer import RendererUnavailableError

    perception = Perception(None, way_drift=options.drift)
    rooms = tqdm(drives(options.seed, options.rooms, _settings(options)), "rooms", options.rooms)
    try:
        told = list(ask_on_drives(rooms, Detections(options.detections).detector(), perception))
    except RendererUnavailableError as error:
        print(f"spatialgeo evaluate drives: {error}", file=sys.stderr)
        return 2
    print(format_columns(columns(told)))
    if options.json:
        text = {"options": _options(options), "questions": to_json(told)}
        options.json.write_text(json.dumps(text, indent=1) + "\n")
    return 0


def _settings(options: argparse.Namespace) -> DriveSettings:
    from spatialgeo_ros.evaluation.rooms.drive import DriveSettings
    from spatialgeo_ros.sim.depth_noise import DepthSensorModel
    from spatialgeo_ros.sim.odometry import OdometryModel

    plain = options.sensor == "plain"
    return DriveSettings(
        frames=options.frames,
        width=options.width,
        sensor=DepthSensorModel() if plain else DepthSensorModel.structured_light(),
        odometry=OdometryModel(options.drift),
    )


def _options(options: argparse.Namespace, *more: str) -> dict[str, Any]:
    names = ("rooms", "seed", "frames", "width", "drift", "sensor", "detections", *more)
    return {name: getattr(options, name) for name in names}
