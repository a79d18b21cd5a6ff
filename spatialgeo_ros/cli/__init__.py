# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The ``spatialgeo`` command: one module per sub-command, each with ``add_parser`` and ``run``."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence

from spatialgeo_ros.cli import (
    ask,
    batch,
    depth,
    doctor,
    engines,
    evaluate,
    find,
    mcp,
    measure,
    models,
    sample,
)
from spatialgeo_ros.errors import SpatialGeoError

#: In the order of the help text. They import networks and simulators only when they run.
_COMMANDS = (
    ask, measure, find, depth, sample, models, engines, evaluate, mcp, batch, doctor,
)  # fmt: skip

#: Sub-commands that are whole programs elsewhere: module, and what it needs that may be missing.
_DELEGATES = {
    "replay": (
        "spatialgeo_ros.replay.player",
        "publish a recording (folder or bag) as a live camera",
        "it needs ROS 2: source your installation and the workspace first",
    ),
    "view": (
        "spatialgeo_ros.viewer.program",
        "show a running node in the Rerun viewer: window, web page, or file",
        "it needs ROS 2: source your installation and the workspace first",
    ),
    "train": (
        "spatialgeo_ros.training.command",
        "train the nano profile, SpatialGeo or Spatial-MLLM",
        "it needs the training extras: pip install mujoco torch transformers tqdm",
    ),
    "export": (
        "spatialgeo_ros.training.conversation_export",
        "write the simulator's questions as training data of LLaVA or Qwen",
        "it needs the simulator: pip install 'spatialgeo_ros[sim]'",
    ),
}

#: Modules that colcon makes: a package installed by pip has none.
_GENERATED = {"spatialgeo_ros.msg", "spatialgeo_ros.srv", "spatialgeo_ros.action"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status (0 done, 1 not possible and why, 2 wrong use)."""
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
    except BrokenPipeError:  # whoever reads has seen enough, as in "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a folder that cannot be written, a full disk
        named = f"{error.filename}: " if error.filename else ""
        print(f"spatialgeo: {named}{error.strerror or error}", file=sys.stderr)
        return 1
    except MemoryError:
        print("spatialgeo: there is not enough memory for this", file=sys.stderr)
        return 1


def _delegate(name: str, arguments: list[str]) -> int:
    module, _, cure = _DELEGATES[name]
    try:
        program = importlib.import_module(module)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith("spatialgeo_ros.") and missing not in _GENERATED:
            raise  # a fault of ours
        print(f"spatialgeo {name}: {missing} is not installed; {cure}", file=sys.stderr)
        return 2
    return int(program.main(arguments) or 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="spatialgeo", description="Metric answers about what a camera sees."
    )
    parser.add_argument("--verbose", action="store_true", help="say what is loaded")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_parser(commands)
    for name, (_, text, _) in _DELEGATES.items():
        commands.add_parser(name, help=f"{text}; see 'spatialgeo {name} --help'", add_help=False)
    return parser
