# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a detector that takes a second costs a standing measurement of a phrase.

A real node over real DDS, with sensor depth and a detector that multiplies matrices on every core
for a second per image, as a network on a CPU does. Measured are rate and age of a 10 Hz watch on a
given box, without the detector, and of one on a phrase that the detector has to find.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from bench.common import report, table
from bench.lanes import CAMERA_RATE, REPOSITORY, WATCH_RATE, Client, publish, wait_until_measured
from spatialgeo_ros.node.compatibility import fast_dds_profile_variables

SECONDS_PER_IMAGE = 1.0
#: Where the camera of ``bench.lanes`` shows its box.
BOX = (240.0, 160.0, 399.0, 319.0)


class BusyDetector:
    """Finds the box after a second of work on all cores."""

    kind = "busy"
    looks_elsewhere = False

    def ground(
        self,
        image: Any,
        phrases: Sequence[str],
        *,
        cache: MutableMapping[str, Any] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Any]:
        """Work, then say where the box is."""
        import torch

        from spatialgeo_ros.grounding.detector import Instance, PhraseResult

        matrix = torch.ones(1024, 1024)
        end = time.monotonic() + SECONDS_PER_IMAGE
        while time.monotonic() < end:
            matrix = matrix @ matrix / 1024
        found = (Instance(BOX, 0.8),)
        return [PhraseResult(phrase, found if "box" in phrase else ()) for phrase in phrases]

    def describe(self) -> dict[str, Any]:
        """Run on the CPU."""
        return {"device": "cpu"}

    def close(self) -> None:
        """Free nothing."""


def serve() -> None:
    """Run the node with that detector, as an executable."""
    from spatialgeo_ros.grounding.grounder import Grounder
    from spatialgeo_ros.node.spatialgeo_node import main as node_main
    from spatialgeo_ros.perception import Perception

    node_main(
        ["--ros-args", "-p", "process_rate:=0.0", "-p", "pose_source:=none",
         "--log-level", "error"],
        perception_factory=lambda config, progress: Perception(
            None, grounder=Grounder(BusyDetector())
        ),
    )  # fmt: skip


def compare(seconds: float) -> list[tuple[float, float, float]]:
    """Return rate, median age and late age of a watch on a box, then of one on a phrase."""
    environment = dict(os.environ, ROS_DOMAIN_ID=str(20 + os.getpid() % 80))
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    for name in fast_dds_profile_variables():
        environment[name] = str(REPOSITORY / "config" / "fastdds.xml")
    os.environ.update(environment)
    role = (sys.executable, "-m", "bench.grounded_watch", "--role")
    processes = [subprocess.Popen([*role, name], env=environment) for name in ("serve", "publish")]
    try:
        from spatialgeo_ros.msg import Region

        client = Client()
        wait_until_measured(client)
        seen = []
        for region in (client.region, Region(label="the box")):
            client.call("watch_distance", watch_id="w", rate=WATCH_RATE, from_region=region)
            time.sleep(4.0)  # the detector has looked twice
            seen.append(client.watch(seconds))
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return seen


def main() -> None:
    """Compare and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--role", choices=("serve", "publish"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role:
        (serve if arguments.role == "serve" else publish)()
        return
    seconds = 4.0 if arguments.quick else 15.0
    given, phrase = compare(seconds)
    rows = [
        [name, f"{rate:.1f}", f"{age:.0f}", f"{late:.0f}"]
        for name, (rate, age, late) in (("a given box", given), ("a phrase", phrase))
    ]
    rows.append(["ratio", *(f"{b / a:.2f}" for a, b in zip(given, phrase, strict=True))])
    report(
        "A watch on a phrase",
        [
            f"Camera with depth at {CAMERA_RATE:g} Hz, a {WATCH_RATE:g} Hz watch, {seconds:g} s; a "
            f"detector that works {SECONDS_PER_IMAGE:g} s on all cores per image. Wanted: rate >= "
            "0.95."
        ],
        table(["watched", "rate, Hz", "age, ms", "age p95, ms"], rows),
    )


if __name__ == "__main__":
    main()
