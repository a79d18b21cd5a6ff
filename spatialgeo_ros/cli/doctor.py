# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo doctor``: what is wrong with the running graph and this machine, and the cure."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.findings.catalogue import CATALOGUE, SECTIONS
from spatialgeo_ros.findings.catalogue_machine import MACHINE
from spatialgeo_ros.findings.pages import page

_MOST_SECONDS = 8.0
#: Of the process, seconds, Python's imports included; what is left of 15 is for printing.
_LONGEST = 13.5
#: Options that stand for parameters of the node's one camera, or of the node.
_CAMERA_OPTIONS = (
    "image_topic",
    "image_transport",
    "camera_info_topic",
    "depth_topic",
    "depth_transport",
    "detections_topic",
)
_NODE_OPTIONS = ("odometry_topic", "profile", "device", "quantisation")


def add_parser(commands: Any) -> None:
    """Add the command's arguments."""
    parser = commands.add_parser(
        "doctor",
        help="say what is wrong with the running robot and this machine, and the cure",
        description="Looks at the running graph for a few seconds and at this machine. Topics are "
        "those of the running spatialgeo node, else of --params-file and options, else of what is "
        "published. Exit status: 0 healthy, 3 warnings, 4 errors (1 not possible, 2 wrong use). "
        "docs/doctor.md",
    )
    parser.add_argument("--node", default="", help="one spatialgeo node (default: all that run)")
    parser.add_argument(
        "--params-file", type=Path, help="judge this file, not what a node was started with"
    )
    parser.add_argument("--camera", default="camera", help="that the topic options are about")
    for name in (*_CAMERA_OPTIONS, *_NODE_OPTIONS):
        parser.add_argument(
            f"--{name.replace('_', '-')}", help=f"parameter {name}, as of the launch file"
        )
    parser.add_argument(
        "-p", "--param", action="append", default=[], metavar="NAME:=VALUE",
        help="any other parameter, over those of the node; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--seconds", type=float, default=4.0, help="how long to listen (default 4, at most 8)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--only", default="", metavar="ID,...", help="look for these findings alone (see --list)"
    )
    parser.add_argument("--list", action="store_true", help="print all findings and end")
    parser.add_argument("--explain", metavar="ID", help="print what is known of a finding and end")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Look, print, and return the exit status."""
    if options.list:
        for title, entries in SECTIONS.items():
            print(title)
            for entry in entries:
                print(f"  {entry.id:24} {entry.level.name.lower():6} {entry.symptom}")
        return 0
    if options.explain is not None:
        _require_known([options.explain])
        print("\n".join(page(CATALOGUE[options.explain])).rstrip())
        return 0
    only = [word.strip() for word in options.only.split(",") if word.strip()]
    _require_known(only)
    from spatialgeo_ros.doctor.examination import examine
    from spatialgeo_ros.doctor.options import Options

    if not 0.5 <= options.seconds <= _MOST_SECONDS:
        raise BadRequestError(f"--seconds takes 0.5 to {_MOST_SECONDS:g}, not {options.seconds:g}")
    machine = {entry.id for entry in MACHINE}
    report = examine(
        Options(
            node=options.node,
            params_file=options.params_file,
            settings=_settings(options),
            seconds=options.seconds,
            graph=not only or not machine.issuperset(only) or "vision-msgs-missing" in only,
            machine=not only or bool(machine.intersection(only)),
        ),
        longest=max(1.0, _LONGEST - _age()),
    )
    if only:
        report.only({*only, "check-unfinished", "check-failed"})
    print(report.to_json() if options.json else "\n".join(report.lines()))
    if report.ids() & {"check-unfinished", "check-failed"}:
        _leave(report.exit_status)  # what hangs must not keep the process
    return report.exit_status


def _age() -> float:
    """Seconds since this process started: on a slow machine imports take some of the time."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):  # no Linux
        return 0.0
    return age if age < _LONGEST else 0.0  # called by a program that has done other things


def _leave(status: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _require_known(ids: list[str]) -> None:
    for id in ids:
        if id not in CATALOGUE:
            raise BadRequestError(f"there is no finding '{id:.60}'; see spatialgeo doctor --list")


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    """Parameters of the node that the options name."""
    settings: dict[str, Any] = {}
    for name in _CAMERA_OPTIONS:
        value = getattr(options, name)
        if value is not None:
            settings[f"{options.camera}.{name}"] = "" if value == "none" else value
    if settings:
        settings["cameras"] = [options.camera]
    for name in _NODE_OPTIONS:
        if getattr(options, name) is not None:
            settings[name] = getattr(options, name)
    for text in options.param:
        name, mark, value = text.partition(":=")
        if not mark or not name:
            raise BadRequestError(f"-p takes NAME:=VALUE, not '{text:.80}'")
        try:
            settings[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise BadRequestError(f"-p {name}: {error}") from error
    return settings
