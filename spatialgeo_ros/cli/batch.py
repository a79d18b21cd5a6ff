# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo batch``: recordings to tables of objects, answers and distances."""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from spatialgeo_ros.cli.inputs import (
    add_camera,
    add_depth_scale,
    add_grounding,
    add_model,
    add_planner,
)
from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.recordings.bags import BAG_OPTIONS, BAG_ROLES

#: Roles that belong to one camera; the others are of the robot.
_CAMERA_ROLES = ("image", "camera_info", "depth", "depth_camera_info", "detections")


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "batch",
        help="of bags: tables of objects, answers and distances, video and map",
        description="Runs the pipeline over every frame of recordings, without ROS, and writes "
        "objects.csv, answers.jsonl, distances.csv, an overlay video and the map. A run that was "
        "killed goes on where it stood; finished recordings are not done again. docs/batch.md "
        "explains columns and units.",
    )
    add = parser.add_argument
    add("recordings", type=Path, nargs="+", metavar="BAG",
        help="bag, video, folder of images or annotated sequence; a folder of them; or a list, a "
        ".txt with one path a line")  # fmt: skip
    add("--out", type=Path, required=True, metavar="DIR",
        help="results go here; of several recordings into a folder each")  # fmt: skip
    add("--questions", type=Path, metavar="FILE",
        help="one question a line, in words or as JSON (question or program, id, camera, and "
        "stamp, at or every in seconds)")  # fmt: skip
    add("--ask-every", type=float, default=0.0, metavar="S",
        help="ask questions without a time of their own every S seconds and at the end; default: "
        "at the end")  # fmt: skip
    add("--distances", action="append", default=[], metavar="A,B[,KIND]",
        help="follow the distance of two things, or of A to the camera; may be "
        "repeated")  # fmt: skip
    _add_reading(parser)
    add_camera(parser)
    add_depth_scale(parser)
    add_model(parser, default_profile="none")
    add_grounding(parser)
    add_planner(parser)
    add("--look-rate", type=float, default=2.0, metavar="HZ",
        help="images a second that own networks look through, where no boxes were recorded; 0 for "
        "all (2)")  # fmt: skip
    add("--remembered", action="store_true",
        help="let distances be of things out of view, as they were seen last")  # fmt: skip
    add("--video-rate", type=float, default=10.0, metavar="HZ",
        help="images a second that the overlay video shows at most; 0 for all (10)")  # fmt: skip
    add("--no-video", action="store_true", help="write no overlay video")
    add("--save-every", type=int, default=100, metavar="N",
        help="save the state after N frames, for a run that goes on (100)")  # fmt: skip
    add("--again", action="store_true", help="begin anew and replace what is in DIR")
    workers = parser.add_argument_group("several recordings")
    workers.add_argument("--jobs", type=int, default=1, metavar="N",
                         help="so many at a time, each in a process of its own (1)")  # fmt: skip
    workers.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS",
        help="on a Ray cluster; without an address, on one of this machine with --jobs processes",
    )  # fmt: skip
    workers.add_argument("--ray-gpus", type=float, default=0.0, metavar="N",
                         help="GPUs that a recording takes of the cluster (0)")  # fmt: skip
    parser.set_defaults(run=run)


def _add_reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("reading")
    add = group.add_argument
    for role, option in BAG_OPTIONS.items():
        add(option, dest=f"{role}_topic", metavar="TOPIC",
            help=f"of a bag, the {role.replace('_', ' ')}, where there are several; '' for "
            "none")  # fmt: skip
    add("--topic", action="append", default=[], metavar="[CAMERA:]ROLE=TOPIC",
        help=f"the same for any role ({', '.join(BAG_ROLES)}); with a name, of one of several "
        "cameras, the first of which leads")  # fmt: skip
    add("--poses", default="auto", metavar="auto|tf|odometry|none|FILE",
        help="of the camera: the bag's TF, else its odometry (auto); or a trajectory 'time x y z "
        "qx qy qz qw' (TUM)")  # fmt: skip
    add("--world-frame", default="", metavar="FRAME",
        help="TF frame that poses refer to; default: odom, or the topmost")  # fmt: skip
    add("--mount", type=float, nargs=6, default=(), metavar="N",
        help="camera on the robot's base, x y z roll pitch yaw (m, rad), for odometry of a bag "
        "without /tf_static")  # fmt: skip
    add("--world-axes", choices=("rep103", "optical"),
        help="axes of the poses' world: z up, or x right, y down, z forward; by default z up for "
        "--poses FILE, optical for a folder's own")  # fmt: skip
    add("--depth-slop", type=float, default=0.02, metavar="S",
        help="most by which stamps of an image and its depth image differ, of a bag "
        "(0.02)")  # fmt: skip
    add("--start", type=float, default=0.0, metavar="S", help="seconds after the first image")
    add("--end", type=float, metavar="S", help="seconds after the first image")
    add("--stride", type=int, default=1, metavar="N", help="use every N-th image")


def run(options: argparse.Namespace) -> int:
    """Work through the recordings; returns 0 where all were done, 1 where one failed."""
    try:
        return _run(options)
    except KeyboardInterrupt:
        print("spatialgeo: stopped; the same command goes on from here", file=sys.stderr)
        return 130


def _run(options: argparse.Namespace) -> int:
    from spatialgeo_ros.batch.fleet import (
        find_recordings,
        is_recording,
        table_text,
        with_folders,
        write_summary,
    )
    from spatialgeo_ros.batch.guarded import Outcome
    from spatialgeo_ros.batch.run import run_job, summary_text

    if options.jobs < 1 or options.save_every < 1:
        raise BadRequestError("--jobs and --save-every are 1 or more")
    recordings = find_recordings(options.recordings)
    template = _template(options)
    options.out.mkdir(parents=True, exist_ok=True)
    alone = len(options.recordings) == 1 and is_recording(options.recordings[0])
    if alone and options.ray is None:
        job = replace(template, path=recordings[0])
        with FrameBar(job.path.name) as bar:
            summary = run_job(job, bar.show)
        write_summary(options.out, [Outcome(job, summary)])
        print(summary_text(summary))
        return 0
    jobs = with_folders(template, recordings, options.out)
    outcomes = _run_fleet(jobs, options)
    path = write_summary(options.out, outcomes)
    print(table_text(outcomes))
    print(f"summary: {path}", file=sys.stderr)
    return 1 if any(one.summary is None for one in outcomes) else 0


def _run_fleet(jobs: list[Any], options: argparse.Namespace) -> list[Any]:
    from spatialgeo_ros.batch.fleet import run_local

    with tqdm(total=len(jobs), desc="recordings", unit="bag", position=0) as bags:
        if options.ray is not None:
            from spatialgeo_ros.batch.ray_fleet import run_on_ray

            return run_on_ray(
                jobs, options.ray, options.jobs, options.ray_gpus,
                lambda number, outcome: _ended(bags, outcome),
            )  # fmt: skip
        frames: dict[int, tuple[int, int]] = {}

        def report(number: int, done: int, total: int) -> None:
            frames[number] = done, total
            seen, of = (sum(column) for column in zip(*frames.values(), strict=True))
            bags.set_postfix_str(f"{seen} of {of} frames")

        return run_local(jobs, options.jobs, report, lambda number, outcome: _ended(bags, outcome))


def _ended(bar: Any, outcome: Any) -> None:
    bar.update()
    if outcome.problem:
        bar.write(f"{outcome.job.path}: {outcome.problem}", file=sys.stderr)


class FrameBar:
    """Progress bar of one recording; nothing is shown before its first frame.

    Args:
        name: of the recording.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar: Any = None

    def __enter__(self) -> FrameBar:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, done: int, total: int) -> None:
        """Show how far it is."""
        if self._bar is None:
            self._bar = tqdm(desc=self._name, unit="frame", total=total, initial=done)
        self._bar.update(done - self._bar.n)


def _template(options: argparse.Namespace) -> Any:
    """Job of the options, without a recording."""
    from spatialgeo_ros.batch.bag_poses import SOURCES, PoseOptions
    from spatialgeo_ros.batch.job import Job, PerceptionOptions, SourceOptions
    from spatialgeo_ros.batch.questions import read_pair, read_questions

    for name in ("look_rate", "video_rate"):
        if not (math.isfinite(getattr(options, name)) and getattr(options, name) >= 0):
            raise BadRequestError(f"--{name.replace('_', '-')} is 0 or more images a second")
    poses = options.poses
    if poses not in SOURCES:
        poses = str(Path(poses).expanduser().resolve())
    source = SourceOptions(
        cameras=_cameras(options),
        camera_info=_absolute(options.camera_info),
        depth_scale=options.depth_scale,
        depth_slop_s=options.depth_slop,
        world_axes=options.world_axes or "optical",
        poses=PoseOptions(
            poses, options.world_frame, tuple(options.mount), options.world_axes or "rep103"
        ),
        start_s=options.start,
        end_s=options.end,
        stride=options.stride,
    )
    names = ("profile", "device", "quantisation", "precision", "grounding", "planner",
             "planner_timeout", "planner_key_variable")  # fmt: skip
    perception = PerceptionOptions(
        {name: getattr(options, name) for name in names},
        options.mount_height,
        math.radians(options.mount_pitch),
        options.look_rate,
    )
    asked = options.questions
    questions = () if asked is None else read_questions(asked, options.ask_every)
    return Job(
        Path(),
        options.out,
        source,
        perception,
        questions,
        tuple(read_pair(text) for text in options.distances),
        options.remembered,
        not options.no_video,
        options.video_rate,
        options.save_every,
        options.again,
    )


def _absolute(camera_info: str | None) -> str | None:
    """A calibration file as other processes find it; numbers as they are."""
    if camera_info is None or not Path(camera_info).is_file():
        return camera_info
    return str(Path(camera_info).absolute())


def _cameras(options: argparse.Namespace) -> dict[str, dict[str, str]]:
    """Topics by role, by camera."""
    from spatialgeo_ros.batch.job import CAMERA

    shared = {
        role: getattr(options, f"{role}_topic")
        for role in BAG_OPTIONS
        if getattr(options, f"{role}_topic") is not None
    }
    cameras: dict[str, dict[str, str]] = {}
    for text in options.topic:
        key, equals, topic = text.partition("=")
        name, colon, role = key.rpartition(":")
        if not equals or role not in BAG_ROLES or (colon and not name):
            raise BadRequestError(
                f"--topic {text}: write [CAMERA:]ROLE=TOPIC with a role of {', '.join(BAG_ROLES)}"
            )
        if colon and role in _CAMERA_ROLES:
            cameras.setdefault(name, {})[role] = topic
        else:
            shared[role] = topic
    if not cameras:
        return {CAMERA: shared}
    if wrong := sorted(set(shared) & set(_CAMERA_ROLES)):
        raise BadRequestError(
            f"there are several cameras: say whose {wrong[0]} is meant, NAME:ROLE"
        )
    return {name: {**shared, **topics} for name, topics in cameras.items()}
