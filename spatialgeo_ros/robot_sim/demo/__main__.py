# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m spatialgeo_ros.robot_sim.demo``: a simulated robot is asked where things are.

Camera and node are processes of their own and talk over real DDS. Exit status 0 when at least six
questions were answered through the service and two through the action.
"""

from __future__ import annotations

import argparse
import math
import os
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spatialgeo_ros.runtime.resources import find_resource

_LEAST_BY_SERVICE, _LEAST_BY_ACTION = 6, 2
_TRIES = 5
_LONGEST_WAIT = 150.0  # s, for the robot to drive to where two objects are in view
#: Errors that asking about another object may cure: not found, too little of it seen, stale frame.
_WORTH_ANOTHER_TRY = (4, 6, 10)


@dataclass(frozen=True)
class Row:
    """One line of the final table."""

    way: str
    question: str
    measured: str
    truth: str
    deviation: str
    language: str
    seconds: float
    answered: bool


class Console:
    """Prints what happens with the time since the start."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    def say(self, text: str = "", end: str = "\n") -> None:
        """Print a line with the seconds since the start."""
        print(f"[{time.monotonic() - self._begin:5.1f} s] {text}", end=end, flush=True)

    def plain(self, text: str = "", end: str = "\n") -> None:
        """Print as it is."""
        print(text, end=end, flush=True)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser("demo", description=__doc__)
    add = parser.add_argument
    add("--seed", type=int, default=900_503, help="room (default: one never trained on)")
    add("--output", type=Path, default=Path("demo_output"), help="folder for pictures and logs")
    add("--profile", default="nano", help="model profile")
    add("--rate", type=float, default=4.0, help="frames per second of the simulated camera")
    add(
        "--detections",
        action="store_true",
        help="let the camera publish true boxes, so that the "
        "nano CLIP need not find the objects (needs vision_msgs)",
    )
    add("--timeout", type=float, default=180.0, help="longest wait for the node to start, s")
    return parser.parse_args(arguments)


def prepare_environment() -> None:
    """Give DDS the large shared-memory segment and a domain of its own, before rclpy starts."""
    profile = str(find_resource("config/fastdds.xml"))
    os.environ.setdefault("FASTRTPS_DEFAULT_PROFILES_FILE", profile)  # Fast DDS 2
    os.environ.setdefault("FASTDDS_DEFAULT_PROFILES_FILE", profile)  # Fast DDS 3
    if "ROS_DOMAIN_ID" not in os.environ:
        os.environ["ROS_DOMAIN_ID"] = str(20 + os.getpid() % 80)
        os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"


class Demo:
    """One run of the demo."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        self._options, self._console = options, console
        self._rows: list[Row] = []
        self._stages: dict[str, list[float]] = defaultdict(list)
        self._overlay = None

    def run(self) -> int:
        """Start everything, ask, report; return the exit status."""
        from spatialgeo_ros.robot_sim.demo.demo_questions import Examiner
        from spatialgeo_ros.robot_sim.demo.processes import Processes
        from spatialgeo_ros.robot_sim.demo.robot import Robot
        from spatialgeo_ros.sim.rig import default_camera
        from spatialgeo_ros.sim.room import make_room
        from spatialgeo_ros.sim.truth import SceneTruth

        options, say = self._options, self._console.say
        options.output.mkdir(parents=True, exist_ok=True)
        room, camera = make_room(options.seed), default_camera()
        say(f"room {options.seed}: {', '.join(thing.name for thing in room.objects)}")
        truth = SceneTruth(room, camera)
        with Processes() as processes:
            robot = Robot(processes.check, camera.height)
            try:
                say(f"starting the robot's camera and the node (logs in {options.output}/)")
                processes.start(
                    "spatialgeo_ros.robot_sim.simulated_camera", options.output / "camera.log",
                    {"seed": options.seed, "rate": float(options.rate),
                     "detections": options.detections},
                )  # fmt: skip
                processes.start(
                    "spatialgeo_ros.node.spatialgeo_node", options.output / "node.log",
                    {"profile": options.profile, "process_rate": 2.0, "max_frame_age": 5.0},
                    find_resource("config/simulated_robot.yaml"),
                )  # fmt: skip
                examiner = Examiner(truth, camera.width, camera.height)
                self._wait_until_ready(robot)
                self._ask_all(robot, examiner)
                self._save_pictures(robot)
            finally:
                robot.close()
                truth.close()
        self._report()
        done = [row.way for row in self._rows if row.answered]
        enough = done.count("service") >= _LEAST_BY_SERVICE and (
            done.count("action") >= _LEAST_BY_ACTION
        )
        if not enough:
            say("the node did not answer enough questions")
        return 0 if enough else 1

    def _wait_until_ready(self, robot) -> None:
        say, options = self._console.say, self._options
        robot.wait(robot.newest_truth, options.timeout, "the simulated camera")
        say("the camera publishes; waiting for the node to load and warm up its networks")
        robot.wait_for_node(options.timeout)
        robot.wait(robot.first_cloud, options.timeout, "the node's first point cloud")
        say("the node sees")
        robot.wait(lambda: robot.diagnostics, 10.0, "diagnostics")
        for name, values in sorted(robot.diagnostics.items()):
            facts = [f"{key}: {value}" for key, value in values.items() if value]
            say(f"diagnostics {name}: {'; '.join(facts)[:160]}")

    def _ask_all(self, robot, examiner) -> None:
        """Ask the plan's questions, always the first that what is in view allows."""
        from spatialgeo_ros.robot_sim.demo.demo_questions import PLAN

        pending, tries = list(PLAN), Counter()
        while pending:
            number = len(PLAN) - len(pending) + 1
            self._console.plain()
            try:
                question = robot.wait(
                    lambda: self._next(robot, examiner, pending),
                    _LONGEST_WAIT,
                    "enough objects in view",
                )
                answer = self._ask(robot, examiner, number, question)
            except TimeoutError as error:
                self._console.say(f"{number}. no answer: {error}")
                break
            template = question.template
            tries[template] += 1
            if answer.error_code in _WORTH_ANOTHER_TRY and tries[template] < _TRIES:
                examiner.missed(question, answer.error_message, robot.newest_truth())
                self._rows.pop()  # it is asked again, about other objects
            else:
                pending.remove(template)

    @staticmethod
    def _next(robot, examiner, pending):
        scene = robot.newest_truth()
        if scene is None:
            return None
        asked = (examiner.question(template, scene) for template in pending)
        return next((question for question in asked if question is not None), None)

    def _ask(self, robot, examiner, number: int, question):
        from spatialgeo_ros.node.conversions import stamp_to_ns

        plain, way = self._console.plain, "action" if question.template.by_action else "service"
        examiner.asked(question)
        self._console.say(f"{number}. ({way}) {question.text}")
        begin = time.monotonic()
        if question.template.by_action:
            plain("      tokens   ", end="")
            answer = robot.ask_streaming(question.text, _token_printer(plain), 60.0)
            plain()
        else:
            answer = robot.ask(question.text, 60.0)
        seconds = time.monotonic() - begin
        if answer.error_code:
            plain(f"      error    {answer.error_code}: {answer.error_message}")
            self._rows.append(Row(way, question.text, "", "", "", "", seconds, False))
            return answer
        stamp = stamp_to_ns(answer.header.stamp)
        pose = robot.camera_pose(stamp)
        for stage in answer.stages:
            self._stages[stage.name].append(stage.seconds)
        self._stages["asked to answered"].append(seconds)
        verdict = None if pose is None else examiner.verdict(question, answer, pose)
        plain(f"      answer   {answer.answer}")
        language = answer.language_answer or "-"
        if question.template.family == "camera_distance" and answer.language_answer:
            language += " to its centre"  # the measured one is to its nearest visible point
        if verdict is not None:
            plain(
                f"      measured {verdict.measured} | truth {verdict.truth} | "
                f"error {verdict.deviation} | "
                f"language model alone: {_short(language)} | {seconds:.2f} s"
            )
            if answer.comparison:
                plain(f"      compared {answer.comparison}")
            self._rows.append(
                Row(way, question.text, verdict.measured, verdict.truth, verdict.deviation,
                    language, seconds, True)
            )  # fmt: skip
        else:
            plain("      the answer's image is not one that the camera published")
            self._rows.append(Row(way, question.text, "", "", "", language, seconds, False))
        if question.template.objects == 2:
            picture = robot.overlay(stamp, 3.0)
            # The first pair measured is what the picture shows; later ones only if that has none.
            if picture is not None and self._overlay is None:
                self._overlay = picture
        return answer

    def _save_pictures(self, robot) -> None:
        from spatialgeo_ros.robot_sim.demo.pictures import coverage_map, save

        self._console.plain()
        chart = coverage_map(robot, f"Room {self._options.seed}, seen by the simulated robot")
        for name, picture in (("overlay", self._overlay), ("map", chart)):
            path = self._options.output / f"{name}.png"
            if picture is None:
                self._console.say(f"no {name}: the node published nothing to draw")
            else:
                save(path, picture)
                self._console.say(f"{name}: {path.resolve()}")

    def _report(self) -> None:
        plain = self._console.plain
        plain()
        heads = ("via", "question", "measured", "truth", "error", "language model", "s")
        lines = [
            (row.way, row.question, row.measured, row.truth, row.deviation,
             _short(row.language), f"{row.seconds:.2f}")
            if row.answered else (row.way, row.question, "not answered", "", "", "", "")
            for row in self._rows
        ]  # fmt: skip
        widths = [max(len(line[k]) for line in (heads, *lines)) for k in range(len(heads))]
        for line in (heads, tuple("-" * width for width in widths), *lines):
            plain("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)))
        plain("\nmean seconds per stage: " + ", ".join(
            f"{name} {math.fsum(values) / len(values):.3f}"
            for name, values in self._stages.items()
        ))  # fmt: skip


def _short(text: str, most: int = 28) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."


def _token_printer(plain: Callable[..., None]) -> Callable[[str], None]:
    return lambda token: plain(f"{token}|", end="")


def _terminate(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return the exit status."""
    options, console = parse(arguments), Console()
    prepare_environment()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        from spatialgeo_ros.robot_sim.demo.processes import ProcessEndedError
        from spatialgeo_ros.robot_sim.demo.robot import NodeFailedError
        from spatialgeo_ros.sim.renderer import RendererUnavailableError
    except ImportError as error:
        console.say(f"{error}: run `make setup`, or source ROS 2 and the built workspace")
        return 1
    try:
        return Demo(options, console).run()
    except (
        NodeFailedError, ProcessEndedError, RendererUnavailableError, TimeoutError
    ) as error:  # fmt: skip
        console.say(str(error))
        return 1
    except KeyboardInterrupt:
        console.say("stopped")
        return 130


if __name__ == "__main__":
    sys.exit(main())
