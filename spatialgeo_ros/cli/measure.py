# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo measure``: distances between objects in one image."""

from __future__ import annotations

import argparse
import json
from typing import Any

from spatialgeo_ros.cli.inputs import (
    add_camera,
    add_grounding,
    add_image,
    add_model,
    add_output,
    load_perception,
    read_frame,
    read_region,
    require_readings,
)
from spatialgeo_ros.cli.output import (
    distance_dict,
    distance_line,
    object_dict,
    print_degraded,
    write_overlay,
)
from spatialgeo_ros.geometry.distance import Kind

_PAIR = ("CENTRE_TO_CENTRE", "NEAREST_POINTS")


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("measure", help="distances between objects in one image")
    add_image(parser)
    add_camera(parser)
    add_model(parser, default_profile="none")
    add_grounding(parser)
    add_output(parser)
    parser.add_argument(
        "--from", dest="first", required=True, metavar="OBJECT",
        help="a phrase, a box x0,y0,x1,y1 or a point u,v in pixels",
    )  # fmt: skip
    parser.add_argument("--to", dest="second", metavar="OBJECT", help="the other object")
    parser.add_argument(
        "--kinds", nargs="+", default=[], metavar="KIND", type=str.upper,
        choices=[kind.name for kind in Kind],
        help=f"what to measure: {', '.join(kind.name.lower() for kind in Kind)}",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Measure and print; 1 where nothing could be measured."""
    frame = read_frame(options)
    perception = load_perception(options)
    observation = perception.observe(frame)
    require_readings(observation)
    located = [perception.locate(observation, read_region(options.first, "A"))]
    if options.second is not None:
        located.append(perception.locate(observation, read_region(options.second, "B")))
    names = options.kinds or (_PAIR if len(located) == 2 else ("CAMERA_TO_OBJECT",))
    estimates = perception.measure(observation, [Kind[name] for name in names], *located)
    write_overlay(
        options.overlay,
        observation,
        regions=[thing.region for thing in located],
        masks=[thing.points.mask for thing in located],
        supports=[thing.points.support_mask for thing in located],
        rejected=[thing.points.rejected for thing in located],
        distances=estimates,
    )
    if options.json:
        report = {
            "objects": [object_dict(thing.region.label, thing.points) for thing in located],
            "distances": [distance_dict(estimate) for estimate in estimates],
            "degraded": observation.degraded,
        }
        print(json.dumps(report, indent=2))
    else:
        for estimate in estimates:
            print(distance_line(estimate))
        print_degraded(observation.degraded)
    return 0 if any(estimate.valid for estimate in estimates) else 1
