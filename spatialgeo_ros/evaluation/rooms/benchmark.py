# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs the benchmark: drives, maps, questions, answers, scores."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from itertools import product
from typing import Any

import numpy as np

from spatialgeo_ros.evaluation.rooms.answers import Answerer, answer_text, score
from spatialgeo_ros.evaluation.rooms.baselines import ConstantAnswers, LanguageAlone
from spatialgeo_ros.evaluation.rooms.drive import Drive
from spatialgeo_ros.evaluation.rooms.generator import make_tasks
from spatialgeo_ros.evaluation.rooms.map_quality import MapQuality, map_quality
from spatialgeo_ros.evaluation.rooms.task import Task
from spatialgeo_ros.evaluation.rooms.truth import truth_of
from spatialgeo_ros.evaluation.vsi_bench import Average, summarise
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.snapshot import MapSnapshot
from spatialgeo_ros.networks.interface import Networks
from spatialgeo_ros.sim.detector import DetectorModel

log = logging.getLogger(__name__)

#: Columns of answers that need no robot: a map that is all true, a constant, a language model.
TRUE_MAP, CONSTANT, LANGUAGE = "true map", "best constant", "language alone"


class Detections(Enum):
    """Where the boxes come from that the map is built from."""

    #: Exact boxes of everything that shows a thousandth of the image.
    PERFECT = "perfect"
    #: Some missed, moved, confused and on nothing: :class:`DetectorModel`.
    SIMULATED = "simulated"
    #: No detector: the profile's own grounding finds what it finds.
    NONE = "none"

    def detector(self) -> DetectorModel | None:
        """Return the detector whose boxes come with the images."""
        if self is Detections.NONE:
            return None
        return DetectorModel.perfect() if self is Detections.PERFECT else DetectorModel()


#: Feeds the frames of one drive to a robot that knows nothing yet; returns its map at the end.
MapBuilder = Callable[[Iterator[Frame]], MapSnapshot]


@dataclass(frozen=True)
class AnsweredTask:
    """One question with all answers.

    Attributes:
        task: the question.
        answers: by column, the number or letter; "" for none.
        said: by column, the whole answer in words, where there is one.
    """

    task: Task
    answers: dict[str, str]
    said: dict[str, str]

    def score(self, column: str) -> float:
        """Reward of a column's answer, 0 to 1."""
        return score(self.task, self.answers[column])


@dataclass
class RoomsReport:
    """Everything that a run found out.

    Attributes:
        tasks: of all rooms.
        maps: by kind of detections, the maps' quality per room.
        seconds: per room, what each step took.
    """

    tasks: list[AnsweredTask] = field(default_factory=list)
    maps: dict[str, list[MapQuality]] = field(default_factory=dict)
    seconds: list[dict[str, float]] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """Names of the columns of answers."""
        return list(self.tasks[0].answers) if self.tasks else []

    def summary(self) -> dict[str, Any]:
        """Return scores by column, quality of maps and mean seconds, as JSON has them."""
        steps = sorted({step for room in self.seconds for step in room})
        return {
            "rooms": len(self.seconds),
            "questions": len(self.tasks),
            "scores": {column: self._scores(column) for column in self.columns},
            "maps": {
                name: MapQuality.of_rooms(rooms).summary() for name, rooms in self.maps.items()
            },
            "seconds_per_room": {
                step: round(float(np.mean([room.get(step, 0.0) for room in self.seconds])), 3)
                for step in steps
            },
        }

    def to_json(self) -> dict[str, Any]:
        """Return the summary and every question with its answers."""
        return {
            "summary": self.summary(),
            "tasks": [
                {
                    "scene_name": one.task.scene_name,
                    "question_type": one.task.question_type,
                    "question": one.task.question,
                    "options": list(one.task.options),
                    "ground_truth": one.task.ground_truth,
                    "answers": {
                        column: {
                            "answer": text,
                            "score": round(one.score(column), 4),
                            "said": one.said.get(column, ""),
                        }
                        for column, text in one.answers.items()
                    },
                }
                for one in self.tasks
            ],
        }

    def _scores(self, column: str) -> dict[str, Any]:
        answered = [one.score(column) for one in self.tasks if one.answers[column]]
        summary = summarise((one.task.question_type, one.score(column)) for one in self.tasks)
        return {
            "overall": _average(summary.overall),
            "accuracy": _average(summary.accuracy),
            "mean_relative_accuracy": _average(summary.relative_accuracy),
            "by_type": {
                kind: {"score": mean, "questions": count}
                for kind, (mean, count) in sorted(summary.by_type.items())
            },
            "answered": float(np.mean([one.answers[column] != "" for one in self.tasks])),
            "score_of_answered": None if not answered else float(np.mean(answered)),
        }


def _average(average: Average) -> dict[str, float | None]:
    return {"over_types": average.macro, "over_questions": average.micro}


def evaluate_rooms(
    drives: Iterable[Drive],
    builders: Mapping[Detections, MapBuilder],
    answerers: Mapping[str, Callable[[MapSnapshot], Answerer]],
    networks: Networks | None = None,
) -> RoomsReport:
    """Let a robot see every room, ask it everything and score the answers.

    Args:
        drives: through different rooms.
        builders: by kind of detections, what makes a map of a drive.
        answerers: by name ("" for the usual one), what answers English on a map.
        networks: a language model for the column that has nothing else, or None to leave it out.
    """
    report = RoomsReport()
    for drive in drives:
        seconds: dict[str, float] = {}
        with _timed(seconds, "truth and questions"):
            truth = truth_of(drive)
            tasks = [AnsweredTask(task, {}, {}) for task in make_tasks(truth)]
        snapshots = {TRUE_MAP: truth.snapshot}
        for detections, build in builders.items():
            with _timed(seconds, f"map, {detections.value} detections"):
                snapshot = build(drive.frames(detections.detector()))
            snapshots[detections.value] = snapshot
            quality = map_quality(truth, snapshot)
            report.maps.setdefault(detections.value, []).append(quality)
        with _timed(seconds, "answers"):
            for (column, snapshot), (name, make) in product(snapshots.items(), answerers.items()):
                _ask(make(snapshot), tasks, f"{column}, {name}" if name else column)
        if networks is not None:
            with _timed(seconds, f"answers, {LANGUAGE}"):
                alone = LanguageAlone(networks, drive)
                for one in tasks:
                    one.answers[LANGUAGE], one.said[LANGUAGE] = alone.answer_text(one.task)
        report.tasks += tasks
        report.seconds.append(seconds)
        log.info("%s: %d questions, %s", truth.room.seed, len(tasks), seconds)
    _answer_constantly(report.tasks)
    return report


def _ask(answerer: Answerer, tasks: Iterable[AnsweredTask], column: str) -> None:
    for one in tasks:
        one.answers[column], one.said[column] = answer_text(answerer, one.task)


def _answer_constantly(tasks: list[AnsweredTask]) -> None:
    """Answer the questions about each room with constants chosen on all other rooms."""
    for scene in {one.task.scene_name for one in tasks}:
        elsewhere = (one.task for one in tasks if one.task.scene_name != scene)
        constant = ConstantAnswers(elsewhere)
        for one in tasks:
            if one.task.scene_name == scene:
                one.answers[CONSTANT] = constant.answer_text(one.task)


class _timed:
    """Adds the seconds of a block to a table."""

    def __init__(self, seconds: dict[str, float], step: str) -> None:
        self._seconds, self._step = seconds, step

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._step] = time.perf_counter() - self._started
