# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo find``: where things named in words are in one image."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spatialgeo_ros.cli.inputs import (
    add_camera,
    add_depth,
    add_grounding,
    add_model,
    add_output,
    load_perception,
    read_frame,
    require_readings,
)
from spatialgeo_ros.cli.output import write_overlay
from spatialgeo_ros.errors import PhraseNotFoundError
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.grounding.found import Found


@dataclass(frozen=True, eq=False)
class Answer:
    """What was found for one phrase.

    Attributes:
        phrase: as it was typed.
        found: the things, surest first.
        absent: why there is none, with what was seen instead; "" where there is one.
    """

    phrase: str
    found: Sequence[Found]
    absent: str = ""

    @property
    def clear(self) -> list[Found]:
        """Those that nothing speaks against."""
        return [one for one in self.found if not one.doubt]


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "find",
        help="find things named in words in one image",
        description="Finds every thing that a phrase fits, and says what speaks against it. With "
        "depth and calibration relations are measured and impossible sizes are doubted. The exit "
        "status is 1 where a phrase is absent or all that was found for it is doubtful.",
    )
    parser.add_argument("image", type=Path, help="colour image")
    parser.add_argument("phrases", nargs="+", metavar="PHRASE", help='for example "red chair"')
    add_depth(parser)
    add_camera(parser)
    add_model(parser, default_profile="none")
    add_grounding(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Find and print; 1 where a phrase has no clear find."""
    frame = read_frame(options)
    perception = load_perception(options)
    observation = perception.observe(frame)
    require_readings(observation)
    locator = perception.locator
    if perception.grounder is not None:  # one pass for all
        from spatialgeo_ros.grounding.head_phrases import of_question

        phrases = map(locator.vocabulary.parse, options.phrases)
        perception.grounder.ask(observation, of_question(phrases))
    answers = []
    for phrase in options.phrases:
        try:
            found = perception.scene.finder.selection(observation).every(phrase)
            why = "" if found else str(locator.not_found(observation, phrase))
        except PhraseNotFoundError as error:
            found, why = [], str(error)
        answers.append(Answer(phrase, found, why))
    write_overlay(
        options.overlay, observation, regions=[_drawn(one) for a in answers for one in a.found]
    )
    if options.json:
        grounder = perception.grounder
        report = {
            "image": str(options.image),
            "grounding": None if grounder is None else grounder.describe(),
            "phrases": [_as_dict(answer, frame.height, frame.width) for answer in answers],
        }
        print(json.dumps(report, indent=2))
    else:
        for answer in answers:
            _print(answer, frame.height, frame.width)
    return 0 if all(answer.clear for answer in answers) else 1


def _drawn(one: Found) -> Region:
    mark = " ?" if one.doubt else ""
    return replace(one.region, label=f"{one.region.label} {one.score:.2f}{mark}")


def _print(answer: Answer, height: int, width: int) -> None:
    if answer.absent:
        print(answer.absent)
    for one in answer.found:
        x0, y0, x1, y1 = (round(v) for v in one.region.bounds(height, width))
        shape = "mask" if one.region.mask is not None else "box"
        line = f"{answer.phrase}: {shape} {x0},{y0},{x1},{y1} score {one.score:.2f}"
        remarks = "; ".join(text for text in (one.doubt, one.note) if text)
        print(f"{line} {'doubtful: ' if one.doubt else ''}{remarks}".rstrip())


def _as_dict(answer: Answer, height: int, width: int) -> dict[str, Any]:
    return {
        "phrase": answer.phrase,
        "absent": answer.absent,
        "instances": [
            {
                "box": [round(v, 1) for v in one.region.bounds(height, width)],
                "score": round(one.score, 4),
                "found_by": one.how,
                "mask_pixels": None if one.region.mask is None else int(one.region.mask.sum()),
                "doubt": one.doubt,
                "note": one.note,
            }
            for one in answer.found
        ],
    }
