# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo models``: the model profiles that are installed."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser("models", help="the model profiles that are installed")
    parser.add_argument("action", choices=("list", "info"))
    parser.add_argument("profile", nargs="?", default="nano", help="name or YAML file (info)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """List profiles, or describe one."""
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
