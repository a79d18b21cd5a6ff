# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo view``: a running node in the Rerun viewer: a window, a web page, a file.

ROS and Rerun are imported once the command line is read, so that ``--help`` works everywhere.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialgeo_ros.errors import SpatialGeoError

if TYPE_CHECKING:
    from spatialgeo_ros.viewer.sink import Sink

_MISSING_RERUN = "rerun-sdk is not installed: pip install 'spatialgeo_ros[view]' (or rerun-sdk)"
_MISSING_ROS = "it needs ROS 2: source your installation and the workspace first"


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        "spatialgeo view",
        description="Show a running node in the Rerun viewer: images with boxes and measured "
        "lines, the cloud, the object map, distances over time, answers, diagnostics. A window by "
        "default. docs/view.md says what is where.",
    )
    add = parser.add_argument
    add("--node", default="/spatialgeo", help="full name of the node (/spatialgeo)")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--web", action="store_true", help="serve a web page instead of a window")
    where.add_argument("--save", type=Path, metavar="FILE.rrd", help="write a recording instead")
    where.add_argument(
        "--connect", metavar="HOST:PORT",
        help="send to a viewer that runs already ('rerun' on a desk), also as rerun+http://.../proxy",
    )  # fmt: skip
    add("--host", default="127.0.0.1", help="address of --web; by default this machine alone")
    add("--port", type=int, default=9876, help="of the data of --web (9876)")
    add("--web-port", type=int, default=9090, help="of the page of --web (9090)")
    add("--memory", default="1GB", metavar="SIZE", help="that window or server keeps at most (1GB)")
    add("--image-rate", type=_rate, default=10.0, metavar="HZ",
        help="images of each camera, at most (10); 0: all")  # fmt: skip
    add("--image-width", type=int, default=640, metavar="PX",
        help="wider images are scaled down (640); 0: none")  # fmt: skip
    add("--jpeg-quality", type=int, default=75, metavar="1-100", help="of images (75)")
    add("--cloud-rate", type=_rate, default=2.0, metavar="HZ",
        help="point clouds, at most (2); 0: none, and the node makes none for it")  # fmt: skip
    add("--cloud-points", type=int, default=20_000, metavar="N", help="of a cloud (20000)")
    add("--no-overlay", dest="overlay", action="store_false",
        help="leave out the node's own pictures, which it draws for listeners only")  # fmt: skip
    add("--seconds", type=_rate, default=0.0, metavar="S", help="end after so long; 0: on Ctrl-C")
    add("--wait", type=_rate, default=30.0, metavar="S", help="for the node to appear (30)")
    return parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse and check the command line; exits with a message on a wrong one."""
    parser = build_parser()
    options = parser.parse_args(arguments)
    if not 1 <= options.jpeg_quality <= 100:
        parser.error("--jpeg-quality must be 1 to 100")
    if options.image_width < 0:
        parser.error("--image-width must not be negative")
    if options.cloud_points < 1:
        parser.error("--cloud-points must be above 0 (no clouds: --cloud-rate 0)")
    for name in ("port", "web_port"):
        if not 1 <= getattr(options, name) <= 65535:
            parser.error(f"--{name.replace('_', '-')} must be 1 to 65535")
    return options


def main(args: Sequence[str] | None = None) -> int:
    """Show a node until Ctrl-C, or until the viewer is closed; return the exit status.

    Args:
        args: command line without the program's name, arguments of ROS included; None takes that
            of the process.
    """
    arguments = list(sys.argv[1:] if args is None else args)
    own = arguments[: arguments.index("--ros-args")] if "--ros-args" in arguments else arguments
    options = parse(own)
    for module, cure in (("rerun", _MISSING_RERUN), ("rclpy", _MISSING_ROS)):
        if importlib.util.find_spec(module) is None:
            print(f"spatialgeo view: {cure}", file=sys.stderr)
            return 2
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        return _show(options, arguments, stopping)
    except SpatialGeoError as error:
        if stopping.is_set():
            return 0  # it was told to end while it waited
        print(f"spatialgeo view: {error}", file=sys.stderr)
        return 1


def _show(options: argparse.Namespace, arguments: list[str], stopping: threading.Event) -> int:
    import rclpy
    from rclpy.signals import SignalHandlerOptions

    from spatialgeo_ros.viewer.session import Session
    from spatialgeo_ros.viewer.sink import RecordingFailedError, ViewerGoneError

    sink = _sink(options)
    context = rclpy.Context()
    try:
        rclpy.init(args=arguments, context=context, signal_handler_options=SignalHandlerOptions.NO)
        session = Session(context, options.node, _settings(options), sink, stopping)
        print(f"spatialgeo view: showing {options.node}", file=sys.stderr, flush=True)
        timer = threading.Timer(options.seconds, stopping.set)
        timer.daemon = True
        if options.seconds:
            timer.start()
        try:
            session.run()
        except ViewerGoneError as error:
            print(f"spatialgeo view: {error}", file=sys.stderr)
        except RecordingFailedError as error:
            print(f"spatialgeo view: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        finally:
            timer.cancel()
            print(f"spatialgeo view: {session.summary()}", file=sys.stderr, flush=True)
            session.close()
    finally:
        sink.close()
        context.try_shutdown()
    return 0


def _settings(options: argparse.Namespace) -> Any:
    from spatialgeo_ros.viewer.pictures import PictureSettings
    from spatialgeo_ros.viewer.session import Settings
    from spatialgeo_ros.viewer.topics import Rates

    return Settings(
        Rates(options.image_rate, options.cloud_rate, options.overlay),
        PictureSettings(options.image_width, options.jpeg_quality),
        options.cloud_points,
        options.wait,
    )


def _sink(options: argparse.Namespace) -> Sink:
    """Open what is shown in.

    Raises:
        SpatialGeoError: it cannot be opened; says why, and what else there is.
    """
    from spatialgeo_ros.viewer import sink

    if options.save is not None:
        return sink.file(options.save)
    if options.connect is not None:
        return sink.other_viewer(options.connect)
    if options.web:
        opened, address = sink.web_page(
            options.memory, options.host, options.port, options.web_port
        )
        print(f"spatialgeo view: open {address}", file=sys.stderr, flush=True)
        return opened
    return sink.window(options.memory)


def _rate(text: str) -> float:
    """Return a number that is finite and not negative."""
    value = float(text)
    if not (math.isfinite(value) and value >= 0):
        raise argparse.ArgumentTypeError(f"{text} must be finite and not negative")
    return value


if __name__ == "__main__":
    sys.exit(main())
