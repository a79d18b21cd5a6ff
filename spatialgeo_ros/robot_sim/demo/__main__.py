# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``python -m spatialgeo_ros.robot_sim.demo``: a simulated robot is asked where things are.

Camera and node are processes of their own and talk over real DDS. First the profile's own grounding
finds what is in view; then, with a node that a detector feeds, the object map is asked about what
has left the view. Exit status 0 when enough questions were answered and none confidently wrong
(:mod:`spatialgeo_ros.robot_sim.demo.judging` says what that means).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialgeo_ros.node.compatibility import fast_dds_profile_variables, keep_on_this_machine
from spatialgeo_ros.runtime.resources import find_resource

if TYPE_CHECKING:  # what needs ROS is imported once it is known to be there
    from spatialgeo_ros.robot_sim.demo.processes import NodeProcess, Processes
    from spatialgeo_ros.robot_sim.demo.report import Console
    from spatialgeo_ros.robot_sim.demo.robot import Robot

_LEAST_ANSWERED = {"service": 6, "action": 2, "map": 8}
_POLL = 0.1  # s
_SHOWN = Path()  # --view without a file
_SPEED = 0.4  # m/s: a lap through the room in about a minute


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
        help="give the true boxes to the first part too, so that the "
        "nano CLIP need not find the objects (needs vision_msgs)",
    )
    add("--part", choices=("view", "map", "both"), default="both", help="what to show")
    add(
        "--view", nargs="?", type=Path, const=_SHOWN, metavar="FILE.rrd",
        help="show what the node sees in the Rerun viewer: a window, or a web page where there is "
        "no display; with a file, save it for later",
    )  # fmt: skip
    add("--timeout", type=float, default=180.0, help="longest wait for the node to start, s")
    return parser.parse_args(arguments)


def prepare_environment() -> None:
    """Give DDS the large shared-memory segment and a domain of its own, before rclpy starts."""
    profile = str(find_resource("config/fastdds.xml"))
    for variable in fast_dds_profile_variables():
        os.environ.setdefault(variable, profile)
    if "ROS_DOMAIN_ID" not in os.environ:
        os.environ["ROS_DOMAIN_ID"] = str(20 + os.getpid() % 80)
        keep_on_this_machine()


class Demo:
    """One run of the demo."""

    def __init__(self, options: argparse.Namespace, console: Console) -> None:
        from spatialgeo_ros.robot_sim.demo.report import Report

        self._options, self._console, self._report = options, console, Report()
        self._view: NodeProcess | None = None
        # Without vision_msgs nobody can publish boxes: then the profile's own grounding feeds the
        # map, and it knows what it has recognised.
        self._boxes = importlib.util.find_spec("vision_msgs") is not None

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
                    {"seed": options.seed, "rate": float(options.rate), "speed": _SPEED,
                     "detections": self._boxes or options.detections,
                     "detected_kinds": not options.detections},
                )  # fmt: skip
                if options.view is not None:
                    self._show(processes)
                examiner = Examiner(truth, camera.width, camera.height)
                if options.part != "map":
                    self._view_part(processes, robot, examiner)
                if options.part != "view":
                    self._map_part(processes, robot)
                status = self._conclude()
                self._keep_view()
            finally:
                robot.close()
                truth.close()
        return status

    def _show(self, processes: Processes) -> None:
        """Start the viewer, which waits for the node."""
        from spatialgeo_ros.viewer.sink import has_display

        options, where = self._options, ()
        if options.view != _SHOWN:
            where = ("--save", str(options.view.resolve()))
        elif not has_display():
            where = ("--web",)
        log = options.output / "view.log"
        self._view = processes.start_spare(
            "spatialgeo_ros.viewer.program", log, (*where, "--wait", str(options.timeout))
        )
        if where[:1] == ("--web",):
            address = self._view_address(log)
            self._console.say(address or f"no web page; {log} says why")

    def _view_address(self, log: Path) -> str:
        """Wait for the viewer to say where its page is; "" when it ends without."""
        while self._view is not None and self._view.is_running():
            for line in log.read_text(errors="replace").splitlines():
                if "http://" in line:
                    return line
            time.sleep(_POLL)
        return ""

    def _keep_view(self) -> None:
        """Let somebody at a terminal look for as long as he likes."""
        if self._view is None or not self._view.is_running() or not sys.stdin.isatty():
            return
        if self._options.view == _SHOWN:
            self._console.plain("the viewer stays until its window is closed, or Ctrl-C")
            while self._view.is_running():
                time.sleep(_POLL)

    def _start_node(self, processes: Processes, log: str, boxes: bool) -> NodeProcess:
        parameters: dict[str, Any] = {
            "profile": self._options.profile, "process_rate": 2.0, "max_frame_age": 5.0,
        }  # fmt: skip
        if not boxes:
            parameters["camera.detections_topic"] = '""'
        return processes.start(
            "spatialgeo_ros.node.spatialgeo_node", self._options.output / log, parameters,
            find_resource("config/simulated_robot.yaml"),
        )  # fmt: skip

    def _view_part(self, processes: Processes, robot: Robot, examiner: Any) -> None:
        from spatialgeo_ros.robot_sim.demo.pictures import coverage_map
        from spatialgeo_ros.robot_sim.demo.view_part import ViewPart

        node = self._start_node(processes, "node.log", self._options.detections)
        self._wait_until_ready(robot)
        part = ViewPart(robot, examiner, self._console, self._report)
        part.run()
        title = f"Room {self._options.seed}, seen by the simulated robot"
        self._save("overlay", part.overlay)
        self._save("map", coverage_map(robot, title))
        processes.end(node)
        robot.forget_node()

    def _map_part(self, processes: Processes, robot: Robot) -> None:
        from spatialgeo_ros.robot_sim.demo.map_part import MapPart
        from spatialgeo_ros.robot_sim.demo.pictures import object_map
        from spatialgeo_ros.sim.path import RobotPath
        from spatialgeo_ros.sim.room import make_room

        say = self._console.say
        self._console.plain()
        if self._boxes:
            say("a second node, whose map is fed by a detector: the simulator's true boxes")
        else:
            say("no vision_msgs: the map is fed by the profile's own grounding")
        self._start_node(processes, "node_map.log", self._boxes)
        self._wait_until_ready(robot)
        lap = RobotPath(make_room(self._options.seed), _SPEED).period
        part = MapPart(robot, self._console, self._report, self._options.output, lap)
        part.run()
        title = f"Room {self._options.seed}: the object map beside the truth"
        self._save("objects", object_map(robot, title, part.taken))
        part.load()

    def _wait_until_ready(self, robot: Robot) -> None:
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

    def _save(self, name: str, picture: Any) -> None:
        from spatialgeo_ros.robot_sim.demo.pictures import save

        self._console.plain()
        path = self._options.output / f"{name}.png"
        if picture is None:
            self._console.say(f"no {name}: the node published nothing to draw")
        else:
            save(path, picture)
            self._console.say(f"{name}: {path.resolve()}")

    def _conclude(self) -> int:
        """Print the table and the summary; return the exit status."""
        report, plain = self._report, self._console.plain
        plain()
        plain(report.table())
        plain()
        plain(report.summary())
        part = self._options.part
        ways = {"view": ("service", "action"), "map": ("map",)}.get(part, tuple(_LEAST_ANSWERED))
        enough = all(report.answered(way) >= _LEAST_ANSWERED[way] for way in ways)
        if not enough:
            plain("the node did not answer enough questions")
        return 0 if enough and not report.confidently_wrong() else 1


def _terminate(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return the exit status."""
    options = parse(arguments)
    if options.view is not None and importlib.util.find_spec("rerun") is None:
        print("--view needs the Rerun viewer: pip install 'spatialgeo_ros[view]' (or rerun-sdk)")
        return 2
    prepare_environment()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        from spatialgeo_ros.robot_sim.demo.processes import ProcessEndedError
        from spatialgeo_ros.robot_sim.demo.report import Console
        from spatialgeo_ros.robot_sim.demo.robot import NodeFailedError
        from spatialgeo_ros.sim.renderer import RendererUnavailableError
    except ImportError as error:
        print(f"{error}: run `make setup`, or source ROS 2 and the built workspace")
        return 1
    console = Console()
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
