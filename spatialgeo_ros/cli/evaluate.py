# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo evaluate``: what a profile can do in simulated rooms, and what measuring can do.

``evaluate nano`` (or no further word) renders held-out rooms and asks a profile about them;
``evaluate sequence`` measures annotated real frames and needs neither simulator nor networks;
``evaluate rooms`` asks about whole rooms, ``evaluate drives`` on the way through them
(:mod:`spatialgeo_ros.cli.evaluate_rooms`).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.cli.evaluate_benchmark import add_benchmarks
from spatialgeo_ros.cli.evaluate_rooms import add_drives, add_rooms
from spatialgeo_ros.cli.inputs import add_planner
from spatialgeo_ros.cli.output import write_image
from spatialgeo_ros.errors import BadRequestError

if TYPE_CHECKING:
    from spatialgeo_ros.evaluation.annotated_frames import AnnotatedSequence
    from spatialgeo_ros.evaluation.sequence import ObjectRecord
    from spatialgeo_ros.evaluation.sequence_tables import Table


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "evaluate",
        help="what a profile can do on held-out simulated rooms; 'sequence': how right "
        "measurements are on annotated real frames",
        description="Without a further word: what a profile can do, measured end to end on "
        "held-out simulated rooms (it needs the simulator: pip install mujoco).",
    )
    _add_profile(parser)
    kinds = parser.add_subparsers(metavar="KIND")
    _add_profile(kinds.add_parser("nano", help="the same as no further word"))
    _add_sequence(kinds)
    _add_questions(kinds)
    add_rooms(kinds)
    add_drives(kinds)
    add_benchmarks(kinds)


def _add_profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--profile", default="nano", help="model profile")
    parser.add_argument("--frames", type=int, default=200, help="held-out views")
    parser.add_argument(
        "--seed", type=int, help="of the first room; none of the training are from 900000 on"
    )
    parser.add_argument("--questions", type=int, default=6, help="questions per view")
    parser.add_argument(
        "--grounding", default="profile", metavar="NAME", help="what looks for phrases"
    )
    parser.add_argument(
        "--beside", nargs="+", default=[], metavar="NAME",
        help="others that are asked for the same phrases, such as clip_patches",
    )  # fmt: skip
    parser.add_argument(
        "--alone", action="store_true",
        help="also ask the detector for every name by itself, those that are not in view too",
    )  # fmt: skip
    parser.add_argument("--load-4bit", action="store_true", help="NF4 language model")
    parser.add_argument("--json", type=Path, help="also write the summary here")
    parser.set_defaults(run=_run_nano)


def _add_questions(kinds: Any) -> None:
    parser = kinds.add_parser(
        "questions",
        help="answer a corpus of questions about scenes whose boxes are known",
        description="Read every scene of a folder as an object map, answer each line of a file of "
        "questions by reading it into a program and running that, and write the answers, one JSON "
        "object a line; docs/questions.md shows the layouts.",
    )
    parser.add_argument(
        "--scenes", type=Path, required=True, metavar="DIR", help="folder of scenes (*.json)"
    )
    parser.add_argument(
        "--questions", type=Path, required=True, metavar="FILE", help="questions (JSON lines)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="write the answers here"
    )
    add_planner(parser)
    parser.set_defaults(run=_run_questions)


def _add_sequence(kinds: Any) -> None:
    parser = kinds.add_parser(
        "sequence",
        help="how right measured places and distances are on annotated RGB-D frames",
        description="Measure every annotated object and pair of a folder of RGB-D frames from its "
        "box, with and without poses, with boxes as given and 3 % off; then feed the frames to an "
        "object map; compare both with the folder's reference. docs/measuring.md shows the layout "
        "of the folder and the tables, docs/objects.md those of the map.",
    )
    parser.add_argument("folder", type=Path, help="with annotations*.json and reference.json")
    parser.add_argument(
        "--annotations", type=Path, nargs="+", default=[], metavar="FILE",
        help="boxes to use; default: every annotations*.json of the folder",
    )  # fmt: skip
    parser.add_argument(
        "--repetitions", type=_count, default=3, metavar="N",
        help="how often the boxes are moved at random (3); 0 for boxes as given only",
    )  # fmt: skip
    parser.add_argument(
        "--halves", action="store_true", help="also frames at even and odd positions by themselves"
    )
    parser.add_argument(
        "--worst", type=_count, default=0, metavar="N", help="also list the N worst objects"
    )
    parser.add_argument(
        "--pictures", type=Path, metavar="DIR", help="write a picture of each of the worst here"
    )
    parser.add_argument(
        "--pose-sigma", type=_length, default=0.02, metavar="METRES",
        help="standard deviation of the folder's poses, for the object map (0.02)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write records and tables here")
    parser.set_defaults(run=_run_sequence)


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise ValueError(text)  # argparse says it
    return value


def _length(text: str) -> float:
    value = float(text)
    if not 0 <= value < 10:
        raise ValueError(text)  # argparse says it
    return value


def _run_nano(options: argparse.Namespace) -> int:
    """Render, ask, score and print."""
    from spatialgeo_ros.evaluation.nano import evaluate, format_report
    from spatialgeo_ros.grounding.choice import choose_grounding, load_grounding
    from spatialgeo_ros.perception import Perception
    from spatialgeo_ros.sim.renderer import RendererUnavailableError
    from spatialgeo_ros.training.render import HELD_OUT_SEEDS

    perception = Perception.load(
        options.profile, quantisation="nf4" if options.load_4bit else "profile",
        grounding=options.grounding,
    )  # fmt: skip
    beside = {}
    for name in options.beside:
        choice = choose_grounding(name, options.profile)
        grounder = load_grounding(choice).grounder
        beside[name] = Perception(perception.networks, grounder=grounder, use_clip=choice.use_clip)
    try:
        first = HELD_OUT_SEEDS if options.seed is None else options.seed
        report = evaluate(
            perception, options.frames, options.questions, first, beside, options.alone
        )
    except RendererUnavailableError as error:
        print(f"spatialgeo evaluate: {error}", file=sys.stderr)
        return 2
    print(format_report(report))
    if options.json:
        options.json.write_text(json.dumps(report.summary(), indent=1) + "\n")
    return 0


def _run_sequence(options: argparse.Namespace) -> int:
    """Measure, print the tables and write the JSON."""
    from spatialgeo_ros.evaluation import sequence_tables as tables
    from spatialgeo_ros.evaluation.annotated_frames import read_sequence
    from spatialgeo_ros.evaluation.sequence import Records, conditions_of, measure_sequence

    if options.pictures and not options.worst:
        raise BadRequestError("--pictures goes with --worst N: how many objects to draw")
    sequence = read_sequence(options.folder, options.annotations)
    for note in sequence.notes:
        print(f"note: {note}", file=sys.stderr)
    records = Records()
    for frame, measured in measure_sequence(sequence, conditions_of(sequence, options.repetitions)):
        records += measured
        print(f"frame {frame.number} measured", file=sys.stderr)
    parts = {"all": records}
    if options.halves:
        parts["even"], parts["odd"] = tables.halves(records)
    for name, part in parts.items():
        print(f"## {name} frames\n")
        # Case by case only what the annotated boxes gave: of moved boxes there are too many.
        shown = (*tables.summary_of(part), *tables.details_of(tables.with_given_boxes(part)))
        print("\n\n".join(tables.format_table(table) for table in shown), end="\n\n")
    mapped = _map_tables(sequence, options.pose_sigma)
    if mapped:
        print("## Object map\n")
        print("\n\n".join(tables.format_table(table) for table in mapped), end="\n\n")
    worst = tables.worst_objects(records, options.worst)
    if options.worst:
        print(tables.format_table(tables.worst_table(worst)))
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
        for rank, record in enumerate(worst, 1):
            write_image(
                options.pictures / f"{rank:03d}_frame_{record.frame}_{_in_a_name(record.name)}.png",
                _picture(sequence, record),
            )
    if options.json:
        report = {
            "frames": len(sequence.frames),
            "notes": list(sequence.notes),
            "tables": {
                name: tables.tables_json((*tables.summary_of(part), *tables.details_of(part)))
                for name, part in parts.items()
            },
            "map": tables.tables_json(mapped),
            "records": tables.records_json(records),
        }
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def _run_questions(options: argparse.Namespace) -> int:
    """Answer and write; how right the answers are is told by whoever has the expected ones."""
    from collections import Counter

    from spatialgeo_ros.cli.planned_questions import PlannedReader
    from spatialgeo_ros.evaluation.question_corpus import answers, read_questions, read_scenes

    scenes, questions = read_scenes(options.scenes), read_questions(options.questions)
    reader = PlannedReader(options.planner, options.planner_timeout, options.planner_key_variable)
    lines = list(answers(scenes, questions, reader.read))
    reader.close()
    options.out.write_text("".join(json.dumps(line) + "\n" for line in lines))
    types = Counter(line["error"] or line["type"] for line in lines)
    print(f"{len(lines)} answers: " + ", ".join(f"{n} {kind}" for kind, n in types.most_common()))
    if reader.summary:
        print(reader.summary)
    return 0


def _map_tables(sequence: AnnotatedSequence, pose_sigma: float) -> tuple[Table, ...]:
    """What an object map makes of the whole sequence; none where it cannot be made."""
    from spatialgeo_ros.evaluation.map_sequence import map_tables, run_map

    try:
        run = run_map(sequence, pose_sigma)
    except BadRequestError as error:
        print(f"note: {error}", file=sys.stderr)
        return ()
    return map_tables(sequence, run)


def _picture(sequence: AnnotatedSequence, record: ObjectRecord) -> NDArray[np.uint8]:
    """What was taken for an object, and where its reference centre is."""
    from spatialgeo_ros.drawing import draw_cutout
    from spatialgeo_ros.evaluation.sequence import find_again, reference_in_camera

    readings, found = find_again(sequence, record)
    frame = sequence.frames[record.position]
    u, v = frame.camera.project(reference_in_camera(sequence, frame, record.name))[0]
    error = f"{record.error_m:.2f} m off"
    parts = f"{record.along_m:+.2f} m along the ray, {record.across_m:.2f} m across"
    return draw_cutout(
        readings.image,
        record.box,
        f"{record.label}, frame {record.frame}: {'refused' if record.refusal else error}",
        record.refusal or parts,
        mask=None if found is None else found.points.mask,
        support=None if found is None else found.points.support_mask,
        rejected=None if found is None else found.points.rejected,
        reference=(float(u), float(v)) if np.isfinite((u, v)).all() else None,
    )


def _in_a_name(text: str) -> str:
    return re.sub(r"\W+", "_", text)[:60]
