# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo models``: list, download, verify and describe model and grounding profiles."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import BadRequestError, ModelLoadError
from spatialgeo_ros.models.profile_source import (
    is_grounding,
    list_grounding_profiles,
    read_profile,
)


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("models", help="list, download and verify the profiles")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="every profile: installed or not, size, licence").set_defaults(
        run=_list
    )
    for name, text, run in (
        ("download", "bring a profile's files onto this machine (can be interrupted)", _download),
        ("verify", "read every file of a profile and compare its hash; 1 if one is bad", _verify),
        ("info", "parts, files, memory and licence of a profile", _info),
    ):
        action = actions.add_parser(name, help=text)
        default = {"nargs": "?", "default": "nano"} if name == "info" else {}
        action.add_argument(
            "profile", help="name or YAML file, of a model or of grounding", **default
        )
        if name == "download":
            action.add_argument(
                "--update", action="store_true",
                help="take the newest version where the profile names a branch, not a commit",
            )  # fmt: skip
            action.add_argument(
                "--accept-licence", action="store_true",
                help="you have read the licence and accept it, for profiles that ask for it",
            )  # fmt: skip
        action.set_defaults(run=run)
    pack = actions.add_parser(
        "pack",
        help="keep a language model's weights in NF4, so that it loads in seconds",
        description="Writes what loading in NF4 makes of the checkpoint beside the engines. Loads "
        "use it while the files are the same, and make it again when they are not.",
    )
    pack.add_argument("profile", help="name or YAML file of a model")
    pack.add_argument("--device", default="auto", help="that it will run on (default: auto)")
    pack.add_argument("--precision", default="profile", help="default: what the profile says")
    pack.add_argument(
        "--folder", type=Path,
        help="of engines (default: SPATIALGEO_ENGINES, engines/ of a checkout, user cache)",
    )  # fmt: skip
    pack.add_argument("--delete", action="store_true", help="delete what was packed, no more")
    pack.set_defaults(run=_pack)


def _list(_: argparse.Namespace) -> int:
    from spatialgeo_ros.models.grounding_profile import load_grounding_profile
    from spatialgeo_ros.models.profiles import list_profiles, load_profile

    _print_table("PROFILE", [(name, load_profile(name)) for name in list_profiles()])
    names = list_grounding_profiles()
    _print_table("GROUNDING", [(name, load_grounding_profile(name)) for name in names])
    return 0


def _print_table(title: str, profiles: list[tuple[str, Any]]) -> None:
    width = max(len(name) for name, _ in profiles)
    print(f"{title:{width}} {'INSTALLED':>12} {'DOWNLOAD':>9} {'MEMORY':>10}  DESCRIPTION")
    for name, profile in profiles:
        memory = profile.memory.get(_precision(profile))
        columns = [
            f"{name:{width}}",
            f"{_installed(profile):>12}",
            f"{f'{profile.download:g} GB' if profile.download else '-':>9}",
            f"{'-' if memory is None else f'{memory:g} GiB':>10}",
        ]
        print(" ".join(columns), f" {profile.description}")
        accept = _must_be_accepted(profile)
        print(f"{'':{width + 36}}licence: {profile.licence}{' (to be accepted)' * accept}")


def _load(name: str) -> Any:
    """Read a model profile or a grounding profile, whichever has this name."""
    if is_grounding(name):
        from spatialgeo_ros.models.grounding_profile import load_grounding_profile

        return load_grounding_profile(name)
    try:
        read_profile(name)  # before what follows imports PyTorch, which takes seconds
    except ModelLoadError as error:
        known = ", ".join(list_grounding_profiles())
        raise ModelLoadError(f"{error}; for grounding there are {known}") from error
    from spatialgeo_ros.models.profiles import load_profile

    return load_profile(name)


def _precision(profile: Any) -> str:
    """The precision that a profile runs in, on a GPU where that matters."""
    detector = getattr(profile, "detector", None)
    chosen: str = profile.memory_precision if detector is None else detector.precision
    return chosen


def _must_be_accepted(profile: Any) -> bool:
    return bool(getattr(profile, "licence_must_be_accepted", False))


def _installed(profile: Any) -> str:
    """Bytes on this machine, or how much of the profile is there."""
    if not profile.files and not profile.checkpoints:
        return "no files"
    lacking = sum(not file.path.is_file() for file in profile.files)
    lacking += sum(bool(checkpoint.missing()) for checkpoint in profile.checkpoints)
    if lacking:
        return "missing" if lacking == len(profile.files) + len(profile.checkpoints) else "partly"
    paths = [file.path for file in profile.files]
    paths += [path for checkpoint in profile.checkpoints for path, _ in checkpoint.files()]
    return f"{sum(path.stat().st_size for path in paths) / 1e6:,.0f} MB"


def _download(options: argparse.Namespace) -> int:
    profile = _load(options.profile)
    from spatialgeo_ros.models.files.download import download

    print(f"licence of {profile.name}: {profile.licence}")
    if _must_be_accepted(profile) and not options.accept_licence:
        raise BadRequestError(
            f"the licence of {profile.name} must be accepted first: read it at {profile.origin}, "
            f"then run: spatialgeo models download {options.profile} --accept-licence"
        )
    try:
        download(profile, update=options.update, say=lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        print("\nspatialgeo: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    print(f"{profile.name} is complete")
    if own := getattr(profile, "grounding", ""):
        print(f"its grounding is a profile of its own: spatialgeo models download {own}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    profile = _load(options.profile)
    from spatialgeo_ros.models.files.download import verify

    bad = 0
    for finding in verify(profile):
        detail = f" ({finding.detail})" if finding.detail else ""
        print(f"{finding.state:10} {finding.name}{detail}", flush=True)
        bad += not finding.good
    if bad:
        print(
            f"spatialgeo: {bad} file(s) cannot be used; run: spatialgeo models download "
            f"{options.profile}",
            file=sys.stderr,
        )
    return 1 if bad else 0


def _pack(options: argparse.Namespace) -> int:
    read_profile(options.profile)  # before what follows imports PyTorch, which takes seconds
    from spatialgeo_ros.models.packed_weights import PackedWeights
    from spatialgeo_ros.models.profiles import load_profile

    profile = load_profile(options.profile)
    packed = PackedWeights(profile.name, profile.language_files, options.folder)
    if options.delete:
        for path in packed.files():
            path.unlink()
            print(f"deleted {path}")
        return 0
    if not profile.language_files():
        raise BadRequestError(
            f"profile '{profile.name}' has no language model of a published checkpoint on this "
            f"machine: there is nothing to pack (spatialgeo models download {options.profile})"
        )
    from spatialgeo_ros.networks.loader import load_networks
    from spatialgeo_ros.networks.tower_engines import EngineOptions

    before = {path: path.stat().st_mtime_ns for path in packed.files()}
    engines = EngineOptions(folder=options.folder)
    load_networks(
        options.profile, options.device, "nf4", engines=engines, precision=options.precision,
        pack=True,
    ).close()  # fmt: skip
    for path in packed.files():
        if before.get(path) != path.stat().st_mtime_ns:
            print(f"{path}  {path.stat().st_size / 1e9:.2f} GB")
    return 0


def _info(options: argparse.Namespace) -> int:
    profile = _load(options.profile)
    print(f"{profile.name}: {profile.description}")
    print(f"licence: {profile.licence}\norigin: {profile.origin}")
    if hasattr(profile, "detector"):
        _print_detector(profile)
    else:
        _print_networks(profile)
    for key, needed in profile.memory.items():
        print(f"memory: {needed:g} GiB in {key}")
    for file in profile.files:
        origin = "" if file.hub is None else f"  <- {file.hub.repo} at {file.hub.revision}"
        there = f"{file.path.stat().st_size / 1e6:.1f} MB" if file.path.is_file() else "MISSING"
        print(f"  {file.path}  {there}{origin}")
    for checkpoint in profile.checkpoints:
        at = f" at {checkpoint.revision}" if checkpoint.hub_repo else ""
        print(f"  {checkpoint.name}{at}")
        for path, _ in checkpoint.files():
            print(f"    {path}  {path.stat().st_size / 1e6:.1f} MB")
        for pattern in checkpoint.missing():
            print(f"    {pattern}  MISSING")
    return 0


def _print_networks(profile: Any) -> None:
    size = profile.image
    view = {
        "native": "of any size",
        "square": f"padded to a square, {size.width}x{size.height}, {size.patches} patches",
        "letterbox": f"{size.width}x{size.height} with bars, {size.patches} patches",
    }
    print(f"input: {view[size.mode]}; {profile.precision}")
    parts = {"geometry": profile.geometry, "semantic": profile.semantic,
             "domain": profile.domain, "language": profile.language}  # fmt: skip
    print("parts: " + ", ".join(name for name, part in parts.items() if part is not None))
    if profile.grounding:
        print(f"grounding: {profile.grounding}")


def _print_detector(profile: Any) -> None:
    detector, segmenter = profile.detector, profile.segmenter
    image = detector.image
    size = "as the checkpoint says"
    if image.rows:
        size = f"{image.columns}x{image.rows}, padded"
    elif image.short_side:
        size = f"{image.short_side} on the short side, at most {image.long_side} on the long one"
    print(f"detector: {detector.kind}; on a GPU {detector.precision}, on a CPU float32")
    print(f"input: {size}")
    print(f"threshold: {detector.threshold:g}; overlap of two boxes of a thing: {detector.nms:g}")
    print(f"segmenter: {'none' if segmenter is None else segmenter.kind}")
