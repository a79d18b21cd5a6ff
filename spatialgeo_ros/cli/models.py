# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo models``: list, download, verify and describe the model profiles."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from spatialgeo_ros.models.profile_source import read_profile


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("models", help="list, download and verify the model profiles")
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
        action.add_argument("profile", help="name or YAML file", **default)
        if name == "download":
            action.add_argument(
                "--update", action="store_true",
                help="take the newest version where the profile names a branch, not a commit",
            )  # fmt: skip
        action.set_defaults(run=run)


def _list(_: argparse.Namespace) -> int:
    from spatialgeo_ros.models.profiles import list_profiles, load_profile

    print(f"{'PROFILE':16} {'INSTALLED':>12} {'DOWNLOAD':>9} {'MEMORY':>10}  DESCRIPTION")
    for name in list_profiles():
        profile = load_profile(name)
        memory = profile.memory.get(profile.memory_precision)
        columns = [
            f"{name:16}",
            f"{_installed(profile):>12}",
            f"{f'{profile.download:g} GB' if profile.download else '-':>9}",
            f"{'-' if memory is None else f'{memory:g} GiB':>10}",
        ]
        print(" ".join(columns), f" {profile.description}")
        print(f"{'':52}licence: {profile.licence}")
    return 0


def _installed(profile: Any) -> str:
    """Bytes on this machine, or how much of the profile is there."""
    lacking = sum(not file.path.is_file() for file in profile.files)
    lacking += sum(bool(checkpoint.missing()) for checkpoint in profile.checkpoints)
    if lacking:
        return "missing" if lacking == len(profile.files) + len(profile.checkpoints) else "partly"
    paths = [file.path for file in profile.files]
    paths += [path for checkpoint in profile.checkpoints for path, _ in checkpoint.files()]
    return f"{sum(path.stat().st_size for path in paths) / 1e6:,.0f} MB"


def _download(options: argparse.Namespace) -> int:
    read_profile(options.profile)  # before what follows imports PyTorch, which takes seconds
    from spatialgeo_ros.models.files.download import download
    from spatialgeo_ros.models.profiles import load_profile

    profile = load_profile(options.profile)
    print(f"licence of {profile.name}: {profile.licence}")
    try:
        download(profile, update=options.update, say=lambda line: print(line, flush=True))
    except KeyboardInterrupt:
        print("\nspatialgeo: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    print(f"{profile.name} is complete")
    return 0


def _verify(options: argparse.Namespace) -> int:
    read_profile(options.profile)  # as above
    from spatialgeo_ros.models.files.download import verify
    from spatialgeo_ros.models.profiles import load_profile

    bad = 0
    for finding in verify(load_profile(options.profile)):
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


def _info(options: argparse.Namespace) -> int:
    read_profile(options.profile)  # as above
    from spatialgeo_ros.models.profiles import load_profile

    profile = load_profile(options.profile)
    print(f"{profile.name}: {profile.description}")
    print(f"licence: {profile.licence}\norigin: {profile.origin}")
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
