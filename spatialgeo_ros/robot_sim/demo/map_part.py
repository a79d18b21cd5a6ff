# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's second part: the robot drives, things leave the view, and the map is asked."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spatialgeo_ros.msg import SpatialAnswer, SpatialObject
from spatialgeo_ros.node.conversions import stamp_to_ns
from spatialgeo_ros.query.program import It, Named, Over, Quantity, TellNumber
from spatialgeo_ros.query.program_json import to_json
from spatialgeo_ros.robot_sim.demo.judging import Mark, Verdict, code_name, judge, number
from spatialgeo_ros.robot_sim.demo.map_questions import (
    PLAN,
    Posed,
    Survey,
    gone_question,
    to_take_away,
)
from spatialgeo_ros.robot_sim.demo.report import Console, Report, Row
from spatialgeo_ros.robot_sim.demo.robot import Robot
from spatialgeo_ros.robot_sim.demo.true_world import TrueThing, TrueWorld, true_names
from spatialgeo_ros.sim.rig import base_pose
from spatialgeo_ros.srv import FindObjects, GetApproachPose, LoadObjects, RunQuery, SaveObjects

_WAIT_S = 45.0  # for a question that cannot be asked yet
_LOOK_AGAIN_S = 150.0  # until the robot has passed what was taken away
_STAND_OFF, _RADIUS = 0.4, 0.25  # m, of the robot that is to approach something
_CLEARANCE_OFF, _FACING_OFF = 0.05, math.radians(10)  # of approach poses: the map's errors


class MapPart:
    """Asks about the map and writes down how right the answers are.

    Args:
        robot: the client of the node.
        console: for what happens.
        report: for the answers.
        folder: for the saved map.
        lap: seconds that the robot takes around the room.
    """

    def __init__(
        self,
        robot: Robot,
        console: Console,
        report: Report,
        folder: Path,
        lap: float,
    ) -> None:
        self._robot = robot
        self._console, self._report = console, report
        self._file, self._saved = (folder / "objects.json").resolve(), 0
        self._survey, self._lap = Survey(), lap
        self._things: dict[str, TrueThing] = {}  # that are or were in the room
        self.taken: TrueThing | None = None

    def run(self) -> None:
        """Drive, ask, take something away, ask again, use the services."""
        self._look_around()
        for turn in PLAN:
            self._console.plain()
            posed = self._until(lambda turn=turn: turn(self._survey, self._world()), _WAIT_S)
            if not posed:
                what = (turn.__doc__ or turn.__name__.replace("_", " ")).splitlines()[0].strip()
                self._console.say(f"nothing in this room to ask about: {what}")
            for one in posed or ():
                self._ask(one)
        for step in (self._take_away, self._run_query, self._find, self._approach, self._save):
            self._console.plain()
            step()

    def load(self) -> None:
        """Take the saved map in place of the present one; ends the part, as all is remembered."""
        request = LoadObjects.Request(path=str(self._file))
        response = self._robot.call(LoadObjects, "load_objects", request)
        good = not response.error_code and response.objects == self._saved
        self._note("LoadObjects", self._file.name, f"{response.objects} objects",
                   f"{self._saved} objects", good, response)  # fmt: skip

    def names(self) -> dict[str, str]:
        """Return the true names of the map's objects by their ids."""
        message = self._robot.objects
        return {} if message is None else true_names(message.objects, list(self._things.values()))

    def _world(self) -> TrueWorld:
        """Return what is true now."""
        scene = self._robot.newest_truth()
        assert scene is not None
        world = TrueWorld(scene)
        self._survey.add(world)
        self._things.update({one.name: one for one in world.things})
        return world

    def _until(self, condition: Callable[[], Any], seconds: float) -> Any:
        """Return the first truthy value of a condition, None when there is none in time."""

        def looked() -> Any:
            self._world()
            return condition()

        try:
            return self._robot.wait(looked, seconds, "the map part")
        except TimeoutError:
            return None

    def _look_around(self) -> None:
        say, begin = self._console.say, time.monotonic()
        say("the robot drives, and a map of what it sees grows; its detector gives the names")
        everything = {one.name for one in self._world().things}

        def done() -> bool:
            # A lap: what is seen cut by the image's border is not yet known as a whole.
            around = time.monotonic() - begin > self._lap
            return around and everything <= self._survey.seen() and self._mapped()

        if not self._until(done, 2 * self._lap):
            for name in sorted(everything - self._survey.seen()):
                say(f"not clearly in view in two laps: {name}")
        have = len(self._robot.objects.objects) if self._robot.objects else 0
        say(f"after {time.monotonic() - begin:.0f} s the map has {have} objects; "
            f"the room has {len(everything)}")  # fmt: skip

    def _mapped(self) -> bool:
        names = set(self.names().values())
        return all(one.name in names for one in self._world().things)

    def _ask(self, posed: Posed) -> None:
        """Ask one question about the map and compare its typed fields with the truth."""
        world = self._world()
        out = [f"{name} {self._survey.unseen_for(name):.0f} s" for name in posed.about
               if name in world and not world.thing(name).in_view]  # fmt: skip
        note = f" (out of view: {', '.join(out)})" if out else ""
        number_ = len(self._report.rows) + 1
        session = f" [session {posed.session!r}]" if posed.session else ""
        self._console.say(f"{number_}. {posed.text}{session}{note}")
        begin = time.monotonic()
        answer = self._robot.ask(posed.text, 60.0, session=posed.session)
        self._judged("map", posed.text, answer, posed.truth, time.monotonic() - begin)

    def _judged(
        self, way: str, question: str, answer: SpatialAnswer, truth: Any, seconds: float
    ) -> None:
        scene = self._robot.truth_at(stamp_to_ns(answer.header.stamp))
        world = self._world() if scene is None else TrueWorld(scene)
        verdict = judge(answer, truth(world), self.names())
        self._console.plain(f"      answer   {answer.answer or answer.error_message}")
        self._print(verdict, seconds)
        self._report.time({"map question": seconds})
        self._report.add(
            Row(way, question, verdict.said, verdict.truth, verdict.deviation, verdict.mark,
                answer.language_answer or "-", seconds)
        )  # fmt: skip

    def _print(self, verdict: Verdict, seconds: float) -> None:
        off = f" | error {verdict.deviation}" if verdict.deviation else ""
        self._console.plain(
            f"      typed    {verdict.said} | truth {verdict.truth}{off} | "
            f"{verdict.mark.value} | {seconds:.2f} s"
        )

    def _take_away(self) -> None:
        """Take a thing away where the robot does not look, and wait until it notices."""
        thing = self._until(lambda: to_take_away(self._survey), _WAIT_S)
        if thing is None or not self._robot.take_away(thing.name):
            self._console.say("nothing could be taken away out of view")
            return
        self.taken = thing
        self._console.say(f"somebody takes the {thing.name} away while the robot looks elsewhere")
        begin = time.monotonic()
        gone = self._until(lambda: self._state_of(thing) == SpatialObject.STATE_GONE, _LOOK_AGAIN_S)
        seconds = time.monotonic() - begin
        if gone:
            self._console.say(f"after {seconds:.0f} s the robot has seen that it is gone")
        else:
            self._console.say(f"its place was not clearly in view for {seconds:.0f} s")
            return
        self._ask(gone_question(thing, self._world()))

    def _state_of(self, thing: TrueThing) -> int | None:
        """State of the map's object that is (or was) a true thing; the last one of its kind."""
        names, message = self.names(), self._robot.objects
        found = [one.state for one in message.objects if names.get(one.id) == thing.name]
        return found[0] if found else None

    def _run_query(self) -> None:
        """Run a program as a robot's own code would: no English."""
        kind = self._world().things[-1].kind
        heights = Over("mean", Quantity("height", (It(),)), Named(kind))
        program = json.dumps(to_json(TellNumber(heights, "cm")))
        self._console.say(f"RunQuery {program}")
        begin = time.monotonic()
        answer = self._robot.call(RunQuery, "run_query", RunQuery.Request(program=program)).answer

        def truth(world: TrueWorld) -> Any:
            tall = [one.box.size[2] for one in world.of_kind(kind)]
            return number(100 * math.fsum(tall) / len(tall), unit="cm")

        question = f"RunQuery: mean height of each {kind}"
        self._judged("program", question, answer, truth, time.monotonic() - begin)

    def _find(self) -> None:
        """Find things in the robot's own frame, at the stamp of the newest image."""
        kind = self._world().things[-1].kind
        request = FindObjects.Request(phrase=f"{kind}s", target_frame="base_link")
        self._console.say(f"FindObjects phrase '{request.phrase}', frame {request.target_frame}")
        response = self._robot.call(FindObjects, "find_objects", request)
        names, offs, found = self.names(), [0.0], []
        for one in response.objects:
            scene = self._robot.truth_at(stamp_to_ns(one.header.stamp))
            world = self._world() if scene is None else TrueWorld(scene)
            name, at = names.get(one.id, one.id), one.pose.pose.position
            found.append(name)
            if name in world:
                eye = world.camera.translation
                base = base_pose(float(eye[0]), float(eye[1]), world.heading).inverse()
                true = base.apply(world.thing(name).box.centre)
                offs.append(math.dist((at.x, at.y, at.z), true))
            self._console.plain(f"      {one.id} ({name}): x {at.x:.2f} y {at.y:.2f} z {at.z:.2f} m"
                                f" off by {offs[-1]:.2f} m, {_STATES[one.state]}")  # fmt: skip
        there = sorted(one.name for one in self._world().of_kind(kind))
        good = sorted(found) == there and max(offs) < 0.15
        self._note("FindObjects", request.phrase, f"{', '.join(sorted(found))}; at most "
                   f"{max(offs):.2f} m off", ", ".join(there), good, response)  # fmt: skip

    def _approach(self) -> None:
        """Ask where to stand before a thing, and check the place against the true room."""
        world = self._world()
        target = max(world.alone() or world.things, key=lambda one: one.box.size[0])
        request = GetApproachPose.Request(
            phrase=f"the {target.name}", stand_off=_STAND_OFF, robot_radius=_RADIUS
        )
        self._console.say(f"GetApproachPose {request.phrase}, {_STAND_OFF} m before it")
        response = self._robot.call(GetApproachPose, "get_approach_pose", request)
        if not response.poses:
            self._note("GetApproachPose", request.phrase, "none", "a free place", False, response)
            return
        pose = response.poses[0].pose
        x, y, yaw = pose.position.x, pose.position.y, 2 * math.atan2(
            pose.orientation.z, pose.orientation.w
        )  # fmt: skip
        cx, cy, _ = target.box.centre
        facing = abs(math.remainder(yaw - math.atan2(cy - y, cx - x), 2 * math.pi))
        free = world.free_way(x, y) - _RADIUS
        good = free > -_CLEARANCE_OFF and facing < _FACING_OFF
        said = f"{free:.2f} m free, facing it within {math.degrees(facing):.0f} deg"
        self._note("GetApproachPose", request.phrase, said, "free, facing it", good, response)

    def _save(self) -> None:
        """Write the map to disk."""
        request = SaveObjects.Request(path=str(self._file))
        response = self._robot.call(SaveObjects, "save_objects", request)
        self._saved = response.objects
        have = len(self._robot.objects.objects) if self._robot.objects else 0
        good = not response.error_code and self._file.is_file() and self._saved == have
        self._note("SaveObjects", self._file.name, f"{self._saved} objects", f"{have} objects",
                   good, response)  # fmt: skip

    def _note(
        self, service: str, what: str, said: str, truth: str, good: bool, response: Any
    ) -> None:
        """Print and keep what a service gave."""
        mark = Mark.RIGHT if good else Mark.WRONG
        if response.error_code:
            said, mark = code_name(response.error_code), Mark.REFUSED
            self._console.plain(f"      error    {response.error_message}")
        self._console.plain(f"      {service}: {said} | truth {truth} | {mark.value}")
        self._report.add(Row("call", f"{service} {what}", said, truth, "", mark, "-", 0.0))


_STATES = {
    SpatialObject.STATE_VISIBLE: "visible",
    SpatialObject.STATE_REMEMBERED: "remembered",
    SpatialObject.STATE_GONE: "gone",
}
