# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo ask``: a question about an image, or about the end of a video or a bag."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from spatialgeo_ros.cli.inputs import (
    CAMERA,
    add_camera,
    add_grounding,
    add_image_or_clip,
    add_model,
    add_output,
    add_planner,
    bag_topics,
    load_perception,
    read_frame,
    read_labelled_region,
    require_readings,
)
from spatialgeo_ros.cli.output import distance_dict, print_degraded, write_overlay
from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.memory.sampling import sampling_indices
from spatialgeo_ros.query.program_json import to_json
from spatialgeo_ros.recordings.rgbd_folder import read_camera

#: Most frames of a clip that are looked at where the user names no rate.
_MOST_FRAMES = 128


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "ask",
        help="answer a question about an image, a video or a bag",
        description="Objects are measured; what cannot be measured is the language model's answer "
        "and says so. Of a clip the last frame is asked about. Earlier frames serve for objects "
        "out of view, where camera poses are known, and for language models that watch clips.",
    )
    parser.add_argument("question")
    add_image_or_clip(parser)
    add_camera(parser)
    add_model(parser, default_profile="nano")
    add_planner(parser)
    add_grounding(parser)
    add_output(parser)
    parser.add_argument(
        "--region", action="append", default=[], metavar="[LABEL=]REGION",
        help="an object the question names: box x0,y0,x1,y1 or point u,v; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--world-axes", choices=("optical", "rep103"), default="optical",
        help="of a recording's poses: x right, y down, z forward; or z up",
    )  # fmt: skip
    parser.add_argument(
        "--stream", action="store_true", help="print the language model's words as they come"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Answer and print."""
    regions = tuple(read_labelled_region(text) for text in options.region)
    earlier: list[Any] | None = None
    if options.image is not None:
        frame = read_frame(options)
        perception = load_perception(options)
        observation = perception.observe(frame)
    else:
        perception, observation, earlier = _watch(options)
    require_readings(observation)
    answer = perception.ask(
        options.question, observation, regions,
        on_token=_word_printer(options.json) if options.stream else None, earlier=earlier,
    )  # fmt: skip
    if options.stream and answer.language_text:
        print(file=sys.stderr if options.json else sys.stdout)
    write_overlay(
        options.overlay,
        observation,
        regions=answer.regions,
        distances=answer.distances,
        question=options.question,
        answer=answer.text,
    )
    if options.json:
        print(json.dumps(_report(answer), indent=2))
        return 0
    print(answer.text)
    if answer.language_text and answer.language_text not in answer.text:
        how = answer.comparison or answer.agreement
        print(f"language model: {answer.language_text} ({how})")
    print_degraded(answer.degraded)
    return 0


def _watch(options: argparse.Namespace) -> tuple[Any, Any, list[Any] | None]:
    """Observe the frames of a clip in their order.

    Returns:
        The perception, the observation of the last frame, and what a language model for clips sees
        before it: None for the keyframes, or evenly spread frames where none were kept, for want of
        poses, without which coverage cannot choose.
    """
    from spatialgeo_ros.batch.clip_files import frame_of, open_bag, open_clip

    if options.depth is not None:
        raise BadRequestError("--depth goes with --image; clips bring their own depth")
    path: Path = options.video if options.video is not None else options.bag
    open_path = open_clip if options.bag is None else open_bag
    clip = open_path(
        path,
        options.camera_info,
        options.world_axes,
        topics=bag_topics(options),
        depth_scale=options.depth_scale,
    )
    indices = _chosen(clip, options)
    perception = load_perception(options)
    views = 0 if perception.networks is None else perception.networks.context_views
    spread = _spread(indices, len(clip), views, exact=options.every is None and options.fps is None)
    indices = sorted({*indices, *spread})
    kept: list[Any] = []
    observation = None
    shown = tqdm(clip.read(indices), "observe", len(indices), unit="frame", disable=options.json)
    for number, shot in enumerate(shown):
        camera = shot.camera
        if camera is None and options.camera_info:
            height, width = shot.image.shape[:2]
            camera = read_camera(options.camera_info, width, height)
        observation = perception.observe(frame_of(replace(shot, camera=camera), CAMERA, number))
        if shot.index in spread:
            kept.append(observation)
    if observation is None:
        raise BadRequestError(f"{path} has no frames")
    remembered = sum(
        frame.payload.frame is not observation.frame for frame in perception.keyframes()
    )
    used = f"{len(indices)} of {len(clip)} frames observed, {remembered} earlier ones remembered"
    if spread and not remembered:
        used += f"; the language model sees {len(kept)} of them, evenly spread, before the last"
    print(f"{path}: {used}", file=sys.stderr)
    return perception, observation, None if remembered or not views else kept


def _spread(indices: list[int], length: int, views: int, exact: bool) -> set[int]:
    """Frames that a language model for clips sees before the last, evenly spread.

    Args:
        indices: Of the frames that are observed.
        length: Of the clip.
        views: How many it can see before the last.
        exact: Take them from the whole clip, as the published evaluation does, instead of from
            ``indices``.
    """
    if not views:
        return set()
    from spatialgeo_ros.models.spatial_mllm.video_input import frame_indices

    if exact:
        return set(frame_indices(length, views + 1)) - {length - 1}
    return {indices[i] for i in frame_indices(len(indices), views + 1)} - {indices[-1]}


def _chosen(clip: Any, options: argparse.Namespace) -> list[int]:
    """Numbers of the frames to observe; the last frame of the clip is always one of them."""
    last = len(clip) - 1
    step = options.every
    if options.fps is not None:
        if not options.fps > 0:
            raise BadRequestError(f"--fps must be positive, not {options.fps:g}")
        ends = [frame.stamp_ns for frame in clip.read([0, last] if last else [0])]
        seconds = (ends[-1] - ends[0]) * 1e-9
        step = max(1, round(last / (seconds * options.fps))) if seconds > 0 else 1
    if step is None:
        return [int(index) for index in sampling_indices(len(clip), _MOST_FRAMES)]
    if step < 1:
        raise BadRequestError(f"--every must be 1 or more, not {step}")
    return list(range(last % step, len(clip), step))


def _word_printer(quietly: bool) -> Callable[[str], None]:
    """Return what prints words as they come; beside JSON they go to the error stream."""
    stream = sys.stderr if quietly else sys.stdout

    def write(piece: str) -> None:
        stream.write(piece)
        stream.flush()

    return write


def _report(answer: Any) -> dict[str, Any]:
    told = answer.language_value_m
    distances: Sequence[Any] = answer.distances
    return {
        "answer": answer.text,
        "language_answer": answer.language_text,
        "language_value_m": told if math.isfinite(told) else None,
        "agreement": answer.agreement,
        "comparison": answer.comparison,
        "distances": [distance_dict(estimate) for estimate in distances],
        "degraded": answer.degraded,
        "seconds": answer.timings,
        "model": answer.model_id,
        "program": None if answer.program is None else to_json(answer.program),
        "planned_by": answer.planned_by,
    }
