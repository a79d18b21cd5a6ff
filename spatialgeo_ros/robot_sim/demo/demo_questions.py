# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo asks, about which objects in view, and how right an answer is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.msg import Region, SceneGroundTruth, SpatialAnswer
from spatialgeo_ros.node.conversions import msg_to_pose, stamp_to_ns
from spatialgeo_ros.query.families import QUALITATIVE
from spatialgeo_ros.query.relations import compare, direction
from spatialgeo_ros.robot_sim.demo.judging import (
    Expected,
    Mark,
    Verdict,
    judge,
    judge_number,
    yes_or_no,
)
from spatialgeo_ros.sim.truth import SceneTruth

#: Objects are asked about when their box holds this share of the image and lies off its border.
_LEAST_SHARE = 0.015
_BORDER_PX = 4.0
_FARTHEST_M = 5.0
#: An object that was not found is left alone for so long: the robot has to see it from elsewhere.
_MISSED_NS = 4_000_000_000


@dataclass(frozen=True)
class Template:
    """One question of the demo: by service or action, its family and its wording."""

    by_action: bool
    family: str
    text: str

    @property
    def objects(self) -> int:
        """How many objects it names."""
        return 2 if "{b}" in self.text else 1


PLAN: tuple[Template, ...] = (
    Template(False, "camera_distance", "How far away is the {a}?"),
    Template(False, "distance", "What is the distance between the {a} and the {b}?"),
    Template(False, "width", "How wide is the {a}?"),
    Template(False, "height", "How tall is the {a}?"),
    Template(False, "horizontal", "What is the horizontal distance between the {a} and the {b}?"),
    Template(False, "camera_direction", "In which direction is the {a}?"),
    Template(False, "closer", "Which is closer, the {a} or the {b}?"),
    Template(True, "distance", "How far is the {a} from the {b}?"),
    Template(True, "left_right", "Is the {a} to the left of the {b}?"),
)


@dataclass(frozen=True)
class Question:
    """A template with its objects."""

    template: Template
    objects: tuple[str, ...]

    @property
    def text(self) -> str:
        """The question in words."""
        return self.template.text.format(**dict(zip("ab", self.objects, strict=False)))


class Examiner:
    """Chooses objects to ask about and compares answers with the truth.

    Args:
        truth: of the simulated room.
        width, height: of the camera's images, pixels.
    """

    def __init__(self, truth: SceneTruth, width: int, height: int) -> None:
        self._truth = truth
        self._width, self._height = width, height
        self._asked: Counter[str] = Counter()
        self._missed_until: dict[str, int] = {}  # stamp of the scene, ns

    def in_view(self, scene: SceneGroundTruth) -> list[str]:
        """Names of the objects that the first camera sees whole, large and near enough."""
        eye = scene.camera_poses[0].position
        names = []
        for thing in scene.objects:
            place = thing.pose.position
            if math.dist((eye.x, eye.y), (place.x, place.y)) > _FARTHEST_M:
                continue
            if any(self._is_whole(v) for v in thing.views if v.camera == scene.cameras[0]):
                names.append(thing.label)
        return names

    def question(self, template: Template, scene: SceneGroundTruth) -> Question | None:
        """Fill a template with objects in view; None: too few.

        Those asked about least come first, and of them those whose colour is theirs alone. What the
        node did not find a moment ago is left out.
        """
        now = stamp_to_ns(scene.header.stamp)
        colours = Counter(thing.colour for thing in scene.objects if thing.views)
        shared = {thing.label: colours[thing.colour] for thing in scene.objects}
        names = [name for name in self.in_view(scene) if now >= self._missed_until.get(name, 0)]
        names.sort(key=lambda name: (self._asked[name], shared[name]))
        pose = msg_to_pose(scene.camera_poses[0])
        for a in names:
            for b in names if template.objects == 2 else [""]:
                objects = (a, b) if b else (a,)
                if a != b and self._is_clear(template, pose, objects):
                    return Question(template, objects)
        return None

    def asked(self, question: Question) -> None:
        """Note that a question was asked, so that other objects have their turn."""
        self._asked.update(question.objects)

    def missed(self, question: Question, error: str, scene: SceneGroundTruth) -> None:
        """Note which of a question's objects the node did not find, and when."""
        for name in question.objects:
            if f"'{name}'" in error:
                self._missed_until[name] = stamp_to_ns(scene.header.stamp) + _MISSED_NS

    def verdict(
        self, question: Question, answer: SpatialAnswer, pose: Pose, names: Mapping[str, str]
    ) -> Verdict:
        """Compare the typed fields of an answer with the truth.

        Args:
            question: what was asked.
            answer: what the node said.
            pose: true world_from_camera of the image that the answer is about.
            names: true name by id of the map.
        """
        family, objects = question.template.family, question.objects
        if family == "camera_direction":
            return judge(answer, self._direction(answer, pose, objects[0]), names)
        if family in QUALITATIVE:
            return self._comparison(question, answer, pose, names)
        valid = [estimate for estimate in answer.distances if estimate.valid]
        if not valid:
            return Verdict("nothing", "", "", Mark.REFUSED)
        first = valid[0]
        said = length(first.distance, first.std_dev)
        try:
            true = self._truth.distance(Kind(first.kind), pose, *objects)
        except KeyError as error:  # driven out of view between choosing and answering
            return Verdict(said, str(error.args[0]), "", Mark.UNSURE)
        off = first.distance - true
        mark = judge_number(first.distance, first.std_dev, true)
        return Verdict(said, f"{true:.2f} m", f"{off:+.2f} m ({abs(off) / true:.0%})", mark)

    def _is_whole(self, view: Region) -> bool:
        inside = (
            view.x_min > _BORDER_PX
            and view.y_min > _BORDER_PX
            and view.x_max < self._width - 1 - _BORDER_PX
            and view.y_max < self._height - 1 - _BORDER_PX
        )
        area = (view.x_max - view.x_min) * (view.y_max - view.y_min)
        return inside and area > _LEAST_SHARE * self._width * self._height

    def _is_clear(self, template: Template, pose: Pose, objects: tuple[str, ...]) -> bool:
        """Tell whether the truth decides the question."""
        if template.family not in QUALITATIVE:
            return True
        facts = [self._truth.facts(pose, name) for name in objects]
        return compare(template.family, *facts) is not None

    def _direction(self, answer: SpatialAnswer, pose: Pose, name: str) -> Expected:
        """The true direction in the unit of the answer: degrees, left positive, or the hour."""
        facts = self._truth.facts(pose, name)
        hour = direction(facts, None)
        if answer.unit == "clock" and hour is not None:
            return Expected(SpatialAnswer.TYPE_DIRECTION, (hour,), "clock")
        right, _, ahead = facts.centre
        bearing = math.degrees(math.atan2(-right, ahead))
        return Expected(SpatialAnswer.TYPE_DIRECTION, (bearing,), "deg")

    def _comparison(
        self, question: Question, answer: SpatialAnswer, pose: Pose, names: Mapping[str, str]
    ) -> Verdict:
        """Which is closer (an object, or its name where there is no map); left of it, yes or no."""
        a, b = question.objects
        facts = [self._truth.facts(pose, name) for name in (a, b)]
        holds = compare(question.template.family, *facts)
        if question.template.family != "closer":
            return judge(answer, yes_or_no(holds == "left"), names)
        true = frozenset({a if holds == "closer" else b})
        if answer.result_type == SpatialAnswer.TYPE_TEXT:
            mark = Mark.RIGHT if answer.word in true else Mark.WRONG
            return Verdict(answer.word, ", ".join(true), "", mark)
        return judge(answer, Expected(SpatialAnswer.TYPE_OBJECT, names=true), names)


def length(metres: float, sigma: float) -> str:
    """Return a length with its standard deviation."""
    return f"{metres:.2f} m +- {sigma:.2f} m"
