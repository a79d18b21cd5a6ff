# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ``spatialgeo`` command: measure and ask on image files, replay, train, evaluate, models."""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spatialgeo_ros.errors import BadImageError, BadRequestError, SpatialGeoError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.distance import DistanceEstimate, Kind
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.perception.results import LocatedObject, Mount
from spatialgeo_ros.sim.recordings import read_calibration

#: Sub-commands that are whole programs elsewhere: module, and what it needs that may be missing.
_DELEGATES = {
    "replay": (
        "spatialgeo_ros.node.replay",
        "publish a recording (folder or bag) as a live camera",
        "it needs ROS 2: source your installation and the workspace first",
    ),
    "train": (
        "spatialgeo_ros.training.nano",
        "train the nano profile from nothing",
        "it needs the training extras: pip install mujoco torch transformers tqdm",
    ),
    "evaluate": (
        "spatialgeo_ros.evaluation.nano",
        "what a profile can do, on held-out simulated rooms",
        "it needs the simulator: pip install mujoco",
    ),
}
_PAIR = ("CENTRE_TO_CENTRE", "NEAREST_POINTS")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status (0 done, 1 not measurable, 2 wrong use)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in _DELEGATES:
        return _delegate(arguments[0], arguments[1:])
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING)
    try:
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except SpatialGeoError as error:
        print(f"spatialgeo: {error}", file=sys.stderr)
        return 1


def _delegate(name: str, arguments: list[str]) -> int:
    module, _, cure = _DELEGATES[name]
    try:
        program = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.startswith("spatialgeo_ros."):
            raise  # generated messages are part of a built workspace, everything else of the code
        print(f"spatialgeo {name}: {error.name} is not installed; {cure}", file=sys.stderr)
        return 2
    return int(program.main(arguments) or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spatialgeo", description="Metric answers about what a camera sees."
    )
    parser.add_argument("--verbose", action="store_true", help="say what is loaded")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    measure = commands.add_parser("measure", help="distances between objects in one image")
    _add_inputs(measure, default_profile="none")
    measure.add_argument(
        "--from", dest="first", required=True, metavar="OBJECT",
        help="a phrase, a box x0,y0,x1,y1 or a point u,v in pixels",
    )  # fmt: skip
    measure.add_argument("--to", dest="second", metavar="OBJECT", help="the other object")
    measure.add_argument(
        "--kinds", nargs="+", default=[], metavar="KIND", type=str.upper,
        choices=[kind.name for kind in Kind],
        help=f"what to measure: {', '.join(kind.name.lower() for kind in Kind)}",
    )  # fmt: skip
    measure.set_defaults(run=_measure)

    ask = commands.add_parser("ask", help="answer a question about one image")
    ask.add_argument("question")
    _add_inputs(ask, default_profile="nano")
    ask.add_argument(
        "--region", action="append", default=[], metavar="[LABEL=]REGION",
        help="an object the question names: box x0,y0,x1,y1 or point u,v; may be repeated",
    )  # fmt: skip
    ask.set_defaults(run=_ask)

    models = commands.add_parser("models", help="the model profiles that are installed")
    models.add_argument("action", choices=("list", "info"))
    models.add_argument("profile", nargs="?", default="nano", help="name or YAML file (info)")
    models.set_defaults(run=_models)

    for name, (_, text, _) in _DELEGATES.items():
        commands.add_parser(name, help=f"{text}; see 'spatialgeo {name} --help'", add_help=False)
    return parser


def _add_inputs(parser: argparse.ArgumentParser, default_profile: str) -> None:
    parser.add_argument("--image", type=Path, required=True, help="colour image")
    parser.add_argument(
        "--depth", type=Path,
        help="depth registered to it: 16-bit PNG in millimetres, or .npy of float metres",
    )  # fmt: skip
    parser.add_argument(
        "--camera-info", metavar="FILE|FX,FY,CX,CY",
        help="calibration file (ROS YAML, Open3D JSON) or the four numbers in pixels",
    )  # fmt: skip
    parser.add_argument("--mount-height", type=float, help="camera height above the floor, metres")
    parser.add_argument("--mount-pitch", type=float, default=0.0, help="degrees it looks down")
    parser.add_argument("--profile", default=default_profile, help="model profile, or none")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n>")
    parser.add_argument("--4bit", dest="load_4bit", action="store_true", help="NF4 language model")
    parser.add_argument("--overlay", type=Path, help="write the annotated picture here (PNG)")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def _load(options: argparse.Namespace) -> tuple[Any, Any]:
    """Return the perception and the observation of the command's image."""
    from spatialgeo_ros.perception import Perception

    image = cv2.imread(str(options.image), cv2.IMREAD_COLOR)
    if image is None:
        raise BadImageError(f"{options.image} is missing or no image that can be read")
    height, width = image.shape[:2]
    camera = _camera(options.camera_info, width, height) if options.camera_info else None
    depth = _depth(options.depth) if options.depth else None
    mounts = {}
    if options.mount_height is not None:
        pitch = math.radians(options.mount_pitch)
        mounts["image"] = Mount.from_pitch(options.mount_height, pitch)
    frame = Frame(
        "image", 0, "camera_optical_frame", cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.uint8),
        camera, depth,
    )  # fmt: skip
    perception = Perception.load(
        options.profile, device=options.device, load_4bit=options.load_4bit, mounts=mounts
    )
    return perception, perception.observe(frame)


def _camera(text: str, width: int, height: int) -> PinholeCamera:
    numbers = _numbers(text)
    if len(numbers) == 4:
        fx, fy, cx, cy = numbers
        return PinholeCamera(width, height, fx, fy, cx, cy)
    return read_calibration(text, width, height)


def _depth(path: Path) -> np.ndarray:
    if path.suffix == ".npy":
        try:
            return np.load(path, allow_pickle=False).astype(np.float32)
        except (OSError, ValueError) as error:
            raise BadImageError(f"{path} cannot be read: {error}") from error
    depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if depth is None or depth.ndim != 2 or depth.dtype != np.uint16:
        raise BadImageError(f"{path} must be a 16-bit single-channel PNG in millimetres, or .npy")
    return np.asarray(depth, np.uint16)


def _numbers(text: str) -> list[float]:
    """Return comma-separated numbers, or nothing when the text is anything else."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


def _region(text: str, label: str = "") -> Region:
    numbers = _numbers(text)
    if len(numbers) == 4:
        x0, y0, x1, y1 = numbers
        return Region.from_box(x0, y0, x1, y1, label)
    if len(numbers) == 2:
        return Region.from_point(numbers[0], numbers[1], label)
    if numbers:
        raise BadRequestError(f"'{text}' is neither a box x0,y0,x1,y1 nor a point u,v")
    return Region.from_phrase(text)


def _labelled_region(text: str) -> Region:
    label, separator, numbers = text.rpartition("=")
    region = _region(numbers, label if separator else "")
    if not _numbers(numbers):
        raise BadRequestError(f"--region {text}: expected [LABEL=]x0,y0,x1,y1 or [LABEL=]u,v")
    return region


def _measure(options: argparse.Namespace) -> int:
    perception, observation = _load(options)
    a = perception.locate(observation, _region(options.first, "A"))
    b = None if options.second is None else perception.locate(
        observation, _region(options.second, "B")
    )  # fmt: skip
    names = options.kinds or (_PAIR if b is not None else ("CAMERA_TO_OBJECT",))
    estimates = perception.measure(observation, [Kind[name] for name in names], a, b)
    located = [a] if b is None else [a, b]
    _write_overlay(options.overlay, observation, located, estimates, "", "")
    if options.json:
        distances = [_as_dict(estimate) for estimate in estimates]
        print(json.dumps({"distances": distances, "degraded": observation.degraded}, indent=2))
    else:
        for estimate in estimates:
            print(_line(estimate))
        _say_degraded(observation.degraded)
    return 0 if any(estimate.valid for estimate in estimates) else 1


def _ask(options: argparse.Namespace) -> int:
    perception, observation = _load(options)
    regions = tuple(_labelled_region(text) for text in options.region)
    answer = perception.ask(options.question, observation, regions)
    if options.overlay is not None:
        from spatialgeo_ros.drawing import draw_overlay

        picture = draw_overlay(
            observation.frame.image, camera=observation.frame.model, regions=answer.regions,
            distances=answer.distances, question=options.question, answer=answer.text,
        )  # fmt: skip
        _write_image(options.overlay, picture)
    if options.json:
        told = answer.language_value_m
        print(json.dumps({
            "answer": answer.text,
            "language_answer": answer.language_text,
            "language_value_m": told if math.isfinite(told) else None,
            "agreement": answer.agreement,
            "distances": [_as_dict(estimate) for estimate in answer.distances],
            "degraded": answer.degraded,
            "seconds": answer.timings,
            "model": answer.model_id,
        }, indent=2))  # fmt: skip
        return 0
    print(answer.text)
    if answer.language_text and answer.language_text not in answer.text:
        print(f"language model: {answer.language_text} ({answer.agreement})")
    _say_degraded(answer.degraded)
    return 0


def _say_degraded(reasons: Sequence[str]) -> None:
    for reason in reasons:
        print(f"note: {reason}", file=sys.stderr)


def _write_overlay(
    path: Path | None,
    observation: Any,
    located: Sequence[LocatedObject],
    estimates: Sequence[DistanceEstimate],
    question: str,
    answer: str,
) -> None:
    if path is None:
        return
    from spatialgeo_ros.drawing import draw_overlay

    picture = draw_overlay(
        observation.frame.image,
        camera=observation.frame.model,
        regions=[thing.region for thing in located],
        masks=[thing.points.mask for thing in located],
        distances=estimates,
        question=question,
        answer=answer,
    )
    _write_image(path, picture)


def _write_image(path: Path, picture: np.ndarray) -> None:
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise BadImageError(f"the overlay cannot be written to {path}")


def _line(estimate: DistanceEstimate) -> str:
    names = estimate.from_label + (f" - {estimate.to_label}" if estimate.to_label else "")
    kind = estimate.kind.name.lower()
    if not estimate.valid:
        return f"{kind} ({names}): not measured: {estimate.reason}"
    note = f"  [{estimate.reason}]" if estimate.reason else ""
    return f"{kind} ({names}): {estimate.distance:.3f} m +- {estimate.sigma:.3f} m{note}"


def _as_dict(estimate: DistanceEstimate) -> dict[str, Any]:
    source = estimate.source if isinstance(estimate.source, str) else estimate.source.value
    return {
        "kind": estimate.kind.name.lower(),
        "from": estimate.from_label,
        "to": estimate.to_label,
        "distance_m": estimate.distance if math.isfinite(estimate.distance) else None,
        "std_dev_m": estimate.sigma if math.isfinite(estimate.sigma) else None,
        "valid": estimate.valid,
        "reason": estimate.reason,
        "source": source,
    }


def _models(options: argparse.Namespace) -> int:
    from spatialgeo_ros.models.profiles import list_profiles, load_profile

    if options.action == "list":
        for name in list_profiles():
            print(f"{name:16} {load_profile(name).description}")
        return 0
    profile = load_profile(options.profile)
    print(f"{profile.name}: {profile.description}")
    print(f"licence: {profile.licence}\norigin: {profile.origin}")
    size = profile.image
    print(f"input: {size.width}x{size.height}, {size.patches} patches, {profile.precision}")
    parts = {"geometry": profile.geometry, "semantic": profile.semantic,
             "language": profile.language}  # fmt: skip
    print("parts: " + ", ".join(name for name, part in parts.items() if part is not None))
    for file in profile.files:
        there = f"{file.path.stat().st_size / 1e6:.1f} MB" if file.path.is_file() else "MISSING"
        print(f"  {file.path}  {there}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
