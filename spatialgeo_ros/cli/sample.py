# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo sample``: the frames of a clip that together show the most space."""

from __future__ import annotations

import argparse
import json
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from spatialgeo_ros.batch.clip_files import open_clip
from spatialgeo_ros.cli.inputs import add_bag_topics, add_depth_scale, bag_topics
from spatialgeo_ros.cli.output import write_image
from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.memory.sampling import SamplingResult, sampling_indices
from spatialgeo_ros.recordings.rgbd_folder import read_camera

_SPACE_AWARE_COLOUR = (38, 132, 92)
_UNIFORM_COLOUR = (196, 116, 24)


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "sample",
        help="of a video, the frames that show the most space",
        description="Space-aware frame sampling (Spatial-MLLM) beside uniform sampling: writes "
        "selection.json, contact_sheet.png and coverage.png. Geometry comes from VGGT, which needs "
        "nothing but the frames, or from depth and known camera poses.",
    )
    parser.add_argument(
        "clip", type=Path, metavar="CLIP",
        help="video file, folder of images, recording with color/, or ROS 2 bag",
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
    add_bag_topics(parser)
    add_depth_scale(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Sample a clip; returns 0.

    Raises:
        SpatialGeoError: clip, poses, profile or checkpoint cannot be used; says why.
    """
    from spatialgeo_ros.scene.clip_geometry import choose_frames

    if options.frames < 1 or options.max_frames < 1:
        raise BadRequestError("--frames and --max-frames must be 1 or more")
    clip = open_clip(
        options.clip,
        options.camera_info,
        options.world_axes or "optical",
        topics=bag_topics(options),
        depth_scale=options.depth_scale,
    )
    candidates = sampling_indices(len(clip), options.max_frames)
    work = _with_vggt if options.vggt is not None else _with_depth
    geometry = work(options, clip, candidates.tolist())
    sample = choose_frames(geometry, options.frames)
    options.out.mkdir(parents=True, exist_ok=True)
    report = _report(options, len(clip), geometry, sample)
    (options.out / "selection.json").write_text(json.dumps(report, indent=2) + "\n")
    _draw(options.out, geometry, sample)
    if options.save_frames:
        _save_frames(options.out / "frames", clip, report["space_aware"]["indices"])
    for name in ("space_aware", "uniform"):
        chosen = report[name]
        print(
            f"{name.replace('_', '-')}: {len(chosen['indices'])} frames cover "
            f"{100 * chosen['coverage']:.1f} % of {report['voxels']} voxels: "
            f"{', '.join(str(i) for i in chosen['indices'])}"
        )
    return 0


def _with_vggt(options: argparse.Namespace, clip: Any, candidates: list[int]) -> Any:
    from spatialgeo_ros.models.construction import choose_device
    from spatialgeo_ros.models.vggt import load_vggt
    from spatialgeo_ros.scene.clip_geometry import vggt_geometry

    if options.poses is not None:
        raise BadRequestError("--poses goes with --profile: VGGT finds the geometry by itself")
    device = choose_device(options.device)
    model = load_vggt(options.vggt, heads=("point",), device=device)
    lowered = options.dtype == "bfloat16" or (options.dtype == "auto" and device.type == "cuda")
    frames = tqdm(clip.read(candidates), "decode", len(candidates), unit="frame")
    return vggt_geometry(frames, model, lowered=lowered)


def _with_depth(options: argparse.Namespace, clip: Any, candidates: list[int]) -> Any:
    from spatialgeo_ros.perception import Perception
    from spatialgeo_ros.recordings.trajectory import StampedTrajectory
    from spatialgeo_ros.scene.clip_geometry import metric_geometry

    trajectory = None
    if options.poses is not None:
        trajectory = StampedTrajectory.read_tum(options.poses, options.world_axes or "rep103")
    camera = partial(read_camera, options.camera_info) if options.camera_info else None
    perception = Perception.load(options.profile, device=options.device, grounding="none")
    frames = tqdm(clip.read(candidates), "geometry", len(candidates), unit="frame")
    return metric_geometry(frames, perception.scene, camera, trajectory)


def _save_frames(folder: Path, clip: Any, chosen: list[int]) -> None:
    """Write frames in full size, named by their numbers so that any sort keeps their order."""
    folder.mkdir(exist_ok=True)
    for frame in tqdm(clip.read(chosen), "save", len(chosen), unit="frame"):
        write_image(folder / f"frame_{frame.index:08d}.png", frame.image)


def _report(options: argparse.Namespace, length: int, geometry: Any, sample: Any) -> dict[str, Any]:
    result: SamplingResult = sample.result

    def chosen(frames: tuple[int, ...]) -> dict[str, Any]:
        return {
            "indices": [geometry.indices[i] for i in frames],
            "seconds": [round(geometry.stamps_ns[i] / 1e9, 6) for i in frames],
            "coverage": result.coverage(frames),
        }

    return {
        "clip": str(options.clip),
        "clip_frames": length,
        "geometry": f"vggt {options.vggt}" if options.vggt is not None else options.profile,
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
