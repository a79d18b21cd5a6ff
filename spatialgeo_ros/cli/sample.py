# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo sample``: the frames of a clip that together show the most space.

Of a folder of videos, of each of them (:mod:`spatialgeo_ros.cli.sample_folder`).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from spatialgeo_ros.cli.clip_inputs import open_clip
from spatialgeo_ros.cli.inputs import add_bag_topics, add_depth_scale, bag_topics, read_camera
from spatialgeo_ros.cli.output import write_image
from spatialgeo_ros.cli.sample_folder import sample_folder, videos_below
from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.memory.sampling import SamplingResult, sampling_indices
from spatialgeo_ros.runtime.files import write_atomically

#: Works out the geometry of some frames of a clip.
Worker = Callable[[Any, list[int]], Any]

_SPACE_AWARE_COLOUR = (38, 132, 92)
_UNIFORM_COLOUR = (196, 116, 24)


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sample",
        help="of a video, the frames that show the most space",
        description="Space-aware frame sampling (Spatial-MLLM) beside uniform sampling: writes "
        "selection.json, contact_sheet.png and coverage.png. Geometry comes from VGGT, which needs "
        "nothing but the frames, or from depth and known camera poses. Of a folder of videos each "
        "is sampled, into a folder of its own below DIR; broken off, the same command goes on.",
    )
    parser.add_argument(
        "clip", type=Path, metavar="CLIP",
        help="video file, folder of images, recording with color/, ROS 2 bag, or folder of videos",
    )  # fmt: skip
    parser.add_argument("--frames", type=int, default=16, metavar="K", help="frames to choose")
    parser.add_argument(
        "--max-frames", type=int, default=128, metavar="N",
        help="evenly spread candidates that the geometry is worked out for",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="results go here")
    parser.add_argument(
        "--save-frames", action="store_true", help="also write the chosen frames to DIR/frames"
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--vggt", type=Path, metavar="PATH", help="VGGT checkpoint: the file or its folder"
    )
    source.add_argument(
        "--profile",
        help="profile with metric geometry (nano, moge2_l, ...); none: the clip's own depth",
    )
    parser.add_argument(
        "--poses", type=Path, metavar="FILE",
        help="camera trajectory 'time x y z qx qy qz qw' (TUM), seconds on the clip's clock; a "
        "video's begins at 0",
    )  # fmt: skip
    parser.add_argument(
        "--world-axes", choices=("rep103", "optical"),
        help="axes of the poses' world: z up, or x right, y down, z forward; by default z up for "
        "--poses, optical for the poses of a recording",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n>")
    parser.add_argument(
        "--dtype", choices=("auto", "bfloat16", "float32"), default="auto",
        help="of VGGT's aggregator; auto: bfloat16, as the authors run it, on a GPU alone",
    )  # fmt: skip
    parser.add_argument(
        "--camera-info", metavar="FILE|FX,FY,CX,CY",
        help="calibration for --profile, where the clip has none: ROS YAML, Open3D JSON, or pixels",
    )  # fmt: skip
    parser.add_argument(
        "--shard", default="1/1", metavar="I/N",
        help="of a folder of videos, every N-th from the I-th on: for several processes",
    )  # fmt: skip
    add_bag_topics(parser)
    add_depth_scale(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Sample a clip, or each video of a folder; returns the exit status.

    Raises:
        SpatialGeoError: clip, poses, profile or checkpoint cannot be used; says why.
    """
    if options.frames < 1 or options.max_frames < 1:
        raise BadRequestError("--frames and --max-frames must be 1 or more")
    videos = videos_below(options.clip)
    if videos and options.poses is not None:
        raise BadRequestError("--poses is of one clip, and this is a folder of videos")
    worker: list[Worker] = []  # loaded once, and only where something is left to do

    def sample(clip: Path, folder: Path) -> list[str]:
        if not worker:
            worker.append((_vggt if options.vggt is not None else _measured)(options))
        return _sample(options, clip, folder, worker[0])

    if videos:
        return sample_folder(videos, options.clip, options.out, options.shard, settings_of(options),
                             sample)  # fmt: skip
    print("\n".join(sample(options.clip, options.out)))
    return 0


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """What a selection depends on besides its clip."""
    geometry = options.profile if options.vggt is None else f"vggt {options.vggt}"
    return {"frames": options.frames, "max_frames": options.max_frames, "geometry": geometry}


def _sample(options: argparse.Namespace, path: Path, out: Path, worker: Worker) -> list[str]:
    """Sample one clip; returns what to print."""
    from spatialgeo_ros.scene.clip_geometry import choose_frames

    clip = open_clip(
        path,
        options.camera_info,
        options.world_axes or "optical",
        topics=bag_topics(options),
        depth_scale=options.depth_scale,
    )
    candidates = sampling_indices(len(clip), options.max_frames)
    geometry = worker(clip, candidates.tolist())
    sample = choose_frames(geometry, options.frames)
    out.mkdir(parents=True, exist_ok=True)
    report = _report(options, path, len(clip), geometry, sample)
    _draw(out, geometry, sample)
    if options.save_frames:
        _save_frames(out / "frames", clip, report["space_aware"]["indices"])
    # Last, and whole or not at all: where it is, the clip is done.
    text = json.dumps(report, indent=2) + "\n"
    write_atomically(out / "selection.json", text.encode())
    return [
        f"{name.replace('_', '-')}: {len(report[name]['indices'])} frames cover "
        f"{100 * report[name]['coverage']:.1f} % of {report['voxels']} voxels: "
        f"{', '.join(str(i) for i in report[name]['indices'])}"
        for name in ("space_aware", "uniform")
    ]


def _vggt(options: argparse.Namespace) -> Worker:
    """Load VGGT; returns what works out geometry with it."""
    from spatialgeo_ros.models.construction import choose_device
    from spatialgeo_ros.models.vggt import load_vggt
    from spatialgeo_ros.scene.clip_geometry import vggt_geometry

    if options.poses is not None:
        raise BadRequestError("--poses goes with --profile: VGGT finds the geometry by itself")
    device = choose_device(options.device)
    model = load_vggt(options.vggt, heads=("point",), device=device)
    lowered = options.dtype == "bfloat16" or (options.dtype == "auto" and device.type == "cuda")

    def work(clip: Any, candidates: list[int]) -> Any:
        frames = tqdm(clip.read(candidates), "decode", len(candidates), unit="frame", leave=False)
        return vggt_geometry(frames, model, lowered=lowered)

    return work


def _measured(options: argparse.Namespace) -> Worker:
    """Load a profile; returns what works out geometry from depth and poses."""
    from spatialgeo_ros.perception import Perception
    from spatialgeo_ros.recordings.trajectory import StampedTrajectory
    from spatialgeo_ros.scene.clip_geometry import metric_geometry

    trajectory = None
    if options.poses is not None:
        trajectory = StampedTrajectory.read_tum(options.poses, options.world_axes or "rep103")
    camera = partial(read_camera, options.camera_info) if options.camera_info else None
    perception = Perception.load(options.profile, device=options.device, grounding="none")

    def work(clip: Any, candidates: list[int]) -> Any:
        perception.reset()
        frames = tqdm(clip.read(candidates), "geometry", len(candidates), unit="frame", leave=False)
        return metric_geometry(frames, perception.scene, camera, trajectory)

    return work


def _save_frames(folder: Path, clip: Any, chosen: list[int]) -> None:
    """Write frames in full size, named by their numbers so that any sort keeps their order."""
    folder.mkdir(exist_ok=True)
    for frame in tqdm(clip.read(chosen), "save", len(chosen), unit="frame"):
        write_image(folder / f"frame_{frame.index:08d}.png", frame.image)


def _report(
    options: argparse.Namespace, clip: Path, length: int, geometry: Any, sample: Any
) -> dict[str, Any]:
    result: SamplingResult = sample.result

    def chosen(frames: tuple[int, ...]) -> dict[str, Any]:
        return {
            "indices": [geometry.indices[i] for i in frames],
            "seconds": [round(geometry.stamps_ns[i] / 1e9, 6) for i in frames],
            "coverage": result.coverage(frames),
        }

    return {
        "clip": str(clip),
        "clip_frames": length,
        **settings_of(options),
        "metric": geometry.metric,
        "candidates": list(geometry.indices),
        "voxel_size": result.voxel_size,
        "voxels": int(result.covered().size),
        "confidence_threshold": result.threshold,
        "space_aware": {
            **chosen(result.selection),
            "order": [geometry.indices[i] for i in result.order],
            "gains": list(result.gains),
        },
        "uniform": chosen(sample.uniform),
    }


def _draw(folder: Path, geometry: Any, sample: Any) -> None:
    from spatialgeo_ros.drawing.contact_sheet import Choice, contact_sheet, coverage_picture

    result: SamplingResult = sample.result
    gains = dict(zip(result.order, result.gains, strict=True))
    choices = []
    for name, frames, colour in (
        ("space-aware", result.selection, _SPACE_AWARE_COLOUR),
        ("uniform", sample.uniform, _UNIFORM_COLOUR),
    ):
        captions = [f"frame {geometry.indices[i]}" for i in frames]
        if name == "space-aware":
            captions = [
                f"{text}: +{gains[i]} voxels" for text, i in zip(captions, frames, strict=True)
            ]
        share = f"{100 * result.coverage(frames):.1f} %"
        heading = f"{name}: {len(frames)} frames, {share}"
        choices.append(Choice(heading, tuple(frames), tuple(captions), colour))
    scale = f"{result.voxel_size:.3g} m" if geometry.metric else "1/20 of the smallest extent"
    note = f"{len(geometry.indices)} candidates, voxel edge {scale}"
    pictures = {
        "contact_sheet.png": contact_sheet(choices, geometry.thumbnails, note),
        "coverage.png": coverage_picture(
            choices, result, geometry.positions, geometry.metric, note
        ),
    }
    for file, picture in pictures.items():
        write_image(folder / file, picture)
