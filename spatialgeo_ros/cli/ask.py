# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo ask``: a question about one image."""

from __future__ import annotations

import argparse
import json
import math
from typing import Any

from spatialgeo_ros.cli.inputs import (
    add_camera,
    add_image,
    add_model,
    add_output,
    load_perception,
    read_frame,
    read_labelled_region,
)
from spatialgeo_ros.cli.output import distance_dict, say_degraded, write_overlay


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("ask", help="answer a question about one image")
    parser.add_argument("question")
    add_image(parser)
    add_camera(parser)
    add_model(parser, default_profile="nano")
    add_output(parser)
    parser.add_argument(
        "--region", action="append", default=[], metavar="[LABEL=]REGION",
        help="an object the question names: box x0,y0,x1,y1 or point u,v; may be repeated",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer and print."""
    frame = read_frame(options)
    perception = load_perception(options)
    observation = perception.observe(frame)
    regions = tuple(read_labelled_region(text) for text in options.region)
    answer = perception.ask(options.question, observation, regions)
    write_overlay(
        options.overlay,
        observation,
        regions=answer.regions,
        distances=answer.distances,
        question=options.question,
        answer=answer.text,
    )
    if options.json:
        told = answer.language_value_m
        print(json.dumps({
            "answer": answer.text,
            "language_answer": answer.language_text,
            "language_value_m": told if math.isfinite(told) else None,
            "agreement": answer.agreement,
            "distances": [distance_dict(estimate) for estimate in answer.distances],
            "degraded": answer.degraded,
            "seconds": answer.timings,
            "model": answer.model_id,
        }, indent=2))  # fmt: skip
        return 0
    print(answer.text)
    if answer.language_text and answer.language_text not in answer.text:
        print(f"language model: {answer.language_text} ({answer.agreement})")
    say_degraded(answer.degraded)
    return 0
