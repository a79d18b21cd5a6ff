# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's first part: questions about what is in view, found by the profile's own grounding."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.msg import ErrorCode, SpatialAnswer
from spatialgeo_ros.node.conversions import stamp_to_ns
from spatialgeo_ros.robot_sim.demo.demo_questions import PLAN, Examiner, Question, Template
from spatialgeo_ros.robot_sim.demo.judging import Mark
from spatialgeo_ros.robot_sim.demo.report import Console, Report, Row, shortened
from spatialgeo_ros.robot_sim.demo.robot import Robot
from spatialgeo_ros.robot_sim.demo.true_world import TrueWorld, true_names

_TRIES = 5
_LONGEST_WAIT = 150.0  # s, for the robot to drive to where two objects are in view
#: Errors that asking about another object may cure: the robot has to see it from elsewhere.
_WORTH_ANOTHER_TRY = (
    ErrorCode.PHRASE_NOT_FOUND,
    ErrorCode.STALE_FRAME,
    ErrorCode.TOO_LITTLE_SUPPORT,
    ErrorCode.AMBIGUOUS,
)


class ViewPart:
    """Asks the plan's questions, always the first that what is in view allows.

    Args:
        robot: the client of the node.
        examiner: chooses the objects and knows the truth.
        console: for what happens.
        report: for the answers.
    """

    def __init__(self, robot: Robot, examiner: Examiner, console: Console, report: Report) -> None:
        self._robot, self._examiner = robot, examiner
        self._console, self._report = console, report
        self.overlay: npt.NDArray[np.uint8] | None = None

    def run(self) -> None:
        """Ask all of them."""
        pending, tries = list(PLAN), Counter[Template]()
        while pending:
            number = len(PLAN) - len(pending) + 1
            self._console.plain()
            try:
                question = self._robot.wait(
                    lambda: self._next(pending), _LONGEST_WAIT, "enough objects in view"
                )
                assert question is not None
                answer, row = self._ask(number, question)
            except TimeoutError as error:
                self._console.say(f"{number}. no answer: {error}")
                break
            template = question.template
            tries[template] += 1
            scene = self._robot.newest_truth()
            if (
                answer.error_code in _WORTH_ANOTHER_TRY
                and tries[template] < _TRIES
                and scene is not None
            ):
                # It is asked again, about other objects.
                self._examiner.missed(question, answer.error_message, scene)
            else:
                pending.remove(template)
                self._report.add(row)

    def _next(self, pending: list[Template]) -> Question | None:
        scene = self._robot.newest_truth()
        if scene is None:
            return None
        asked = (self._examiner.question(template, scene) for template in pending)
        return next((question for question in asked if question is not None), None)

    def _ask(self, number: int, question: Question) -> tuple[SpatialAnswer, Row]:
        plain, way = self._console.plain, "action" if question.template.by_action else "service"
        self._examiner.asked(question)
        self._console.say(f"{number}. ({way}) {question.text}")
        begin = time.monotonic()
        if question.template.by_action:
            plain("      tokens   ", end="")
            answer = self._robot.ask_streaming(question.text, _token_printer(plain), 60.0)
            plain()
        else:
            answer = self._robot.ask(question.text, 60.0, in_view_only=True)
        seconds = time.monotonic() - begin
        if answer.error_code:
            plain(f"      error    {answer.error_code}: {answer.error_message}")
            return answer, Row(way, question.text, "", "", "", Mark.REFUSED, "", seconds)
        self._report.time({stage.name: stage.seconds for stage in answer.stages})
        self._report.time({"asked to answered": seconds})
        row = self._judged(way, question, answer, seconds)
        if question.template.objects == 2 and self.overlay is None:
            # The first pair measured is what the picture shows; later ones only if that has none.
            self.overlay = self._robot.overlay(stamp_to_ns(answer.header.stamp), 3.0)
        return answer, row

    def _judged(self, way: str, question: Question, answer: SpatialAnswer, seconds: float) -> Row:
        plain = self._console.plain
        plain(f"      answer   {answer.answer}")
        language = answer.language_answer or "-"
        if question.template.family == "camera_distance" and answer.language_answer:
            language += " to its centre"  # the measured one is to its nearest visible point
        pose = self._robot.camera_pose(stamp_to_ns(answer.header.stamp))
        if pose is None:
            plain("      the answer's image is not one that the camera published")
            return Row(way, question.text, "", "", "", None, language, seconds)
        verdict = self._examiner.verdict(question, answer, pose, self._names())
        plain(
            f"      measured {verdict.said} | truth {verdict.truth} | "
            f"error {verdict.deviation or '-'} | {verdict.mark.value} | "
            f"language model alone: {shortened(language)} | {seconds:.2f} s"
        )
        if answer.comparison:
            plain(f"      compared {answer.comparison}")
        return Row(
            way, question.text, verdict.said, verdict.truth, verdict.deviation, verdict.mark,
            language, seconds,
        )  # fmt: skip

    def _names(self) -> dict[str, str]:
        scene, message = self._robot.newest_truth(), self._robot.objects
        if scene is None or message is None:
            return {}
        return true_names(message.objects, TrueWorld(scene).things)


def _token_printer(plain: Callable[..., None]) -> Callable[[str], None]:
    return lambda token: plain(f"{token}|", end="")
