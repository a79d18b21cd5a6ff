# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the nano profile can do, measured end to end on rooms it was never trained on.

``spatialgeo evaluate nano`` renders held-out frames and prints depth from the image alone, how
often phrases find their object (and absent ones something), and the language model's own answers
about given boxes, each beside the best constant answer. ``evaluation.measurement`` is the same for
the measured distances.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from spatialgeo_ros.errors import BadRequestError, TooLittleSupportError
from spatialgeo_ros.evaluation.phrase_boxes import AloneReport, ask_alone, format_alone
from spatialgeo_ros.evaluation.phrase_search import (
    PhraseSearch,
    SearchReport,
    search_frame,
)
from spatialgeo_ros.evaluation.truth_frames import TruthFrame, render_frames
from spatialgeo_ros.geometry.pose import gravity_in_camera, level_frame
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.training.answer_scores import by_family, score_answers
from spatialgeo_ros.training.questions import QA, VisibleObject, make_questions
from spatialgeo_ros.training.render import HELD_OUT_SEEDS

log = logging.getLogger(__name__)

#: How the report calls the search of the facade itself.
OWN = "own"
#: Objects that show fewer of the image's pixels are not asked about.
LEAST_SHARE = 0.01


@dataclass
class NanoReport:
    """Scores over all frames.

    Attributes:
        depth: per frame (abs-rel, share of pixels within a factor of 1.25), from the image alone.
        searches: what ways of looking for phrases made of them: the facade's own, then others.
        answers: questions with the language model's answer.
        alone: what the facade's detector made of each phrase by itself; None where none was asked.
    """

    depth: list[tuple[float, float]] = field(default_factory=list)
    searches: dict[str, SearchReport] = field(default_factory=dict)
    answers: list[tuple[QA, str]] = field(default_factory=list)
    alone: AloneReport | None = None

    def summary(self) -> dict[str, float]:
        """Return the numbers that docs/benchmarks.md cites."""
        depth = np.array(self.depth)
        return {
            "frames": float(len(depth)),
            "abs_rel": float(depth[:, 0].mean()),
            "delta_1.25": float(depth[:, 1].mean()),
            **self.searches[OWN].summary(),
            **{
                key: value
                for name, search in self.searches.items()
                if name != OWN
                for key, value in search.summary(f"{name}_").items()
            },
            **({} if self.alone is None else self.alone.summary()),
            "questions": float(len(self.answers)),
            **score_answers(self.answers),
        }


def truth_objects(frame: TruthFrame) -> Iterator[tuple[VisibleObject, NDArray[np.bool_]]]:
    """Yield what can be asked about a frame, with each object's true mask.

    An object counts when it covers a hundredth of the image and its centre is in view, as in
    training.
    """
    rotation = level_frame(gravity_in_camera(frame.pose))
    inverse = frame.pose.inverse()
    number = 0
    for index, thing in enumerate(frame.room.objects):
        mask = frame.segmentation == index
        if mask.mean() < LEAST_SHARE:
            continue
        local = inverse.apply(np.array(thing.centre))
        u, v = frame.camera.project(local[None])[0]
        if not (0 <= u < frame.camera.width and 0 <= v < frame.camera.height):
            continue
        x, y, z = (float(value) for value in rotation @ local)
        yield (
            VisibleObject(thing.name, thing.kind, thing.colour, (x, y, z), thing.size, number),
            mask,
        )
        number += 1


def depth_scores(
    perception: Perception, frame: TruthFrame, seen: Observation
) -> tuple[float, float]:
    """Compare depth predicted from the image alone with the truth, at full resolution."""
    if perception.networks is None:
        raise ValueError("the profile 'none' has no network to score")
    predicted = perception.networks.depth(seen.view)
    size = (frame.camera.width, frame.camera.height)
    depth = cv2.resize(predicted.depth, size, interpolation=cv2.INTER_LINEAR)
    valid = np.isfinite(frame.depth)
    ratio = depth[valid] / frame.depth[valid]
    return float(np.abs(ratio - 1).mean()), float((np.maximum(ratio, 1 / ratio) < 1.25).mean())


def ask_about(
    perception: Perception,
    frame: TruthFrame,
    seen: Observation,
    things: Sequence[tuple[VisibleObject, NDArray[np.bool_]]],
    questions: int,
    rng: np.random.Generator,
) -> Iterator[tuple[QA, str]]:
    """Ask the language model about given boxes; the object in each is segmented as in the node."""
    if perception.networks is None or seen.pointmap is None:
        return
    masks: dict[int, NDArray[np.bool_]] = {}
    usable: list[VisibleObject] = []
    for thing, mask in things:
        rows, columns = np.nonzero(mask)
        box = Region.from_box(columns.min(), rows.min(), columns.max(), rows.max())
        try:
            found = segment_object(
                seen.pointmap, box, seen.gravity, seen.camera_height, image=seen.frame.image
            )
        except TooLittleSupportError as error:
            log.info("%s: %s", thing.name, error)
            continue
        masks[thing.region] = found.mask
        usable.append(thing)
    for question in make_questions(usable, rng, questions):
        regions = [masks[k] for k in question.regions]
        text = perception.networks.answer(
            seen.view, Question(question.question, regions, question.family)
        )
        yield question, text


def evaluate(
    perception: Perception,
    frames: int = 200,
    questions: int = 6,
    seed: int = HELD_OUT_SEEDS,
    beside: Mapping[str, Perception] | None = None,
    alone: bool = False,
) -> NanoReport:
    """Run all measurements.

    Args:
        perception: a loaded facade.
        frames: held-out views.
        questions: asked about each view.
        seed: of the first room.
        beside: other facades, which are asked for the same phrases, by name.
        alone: also ask the facade's detector for every name by itself.

    Raises:
        BadRequestError: ``alone``, and the facade has no detector.
    """
    grounder = perception.grounder
    if alone and grounder is None:
        raise BadRequestError(
            "there is no detector to ask for each phrase by itself: choose one with --grounding"
        )
    facades = {OWN: perception, **(beside or {})}
    searches = {name: PhraseSearch(facade) for name, facade in facades.items()}
    report = NanoReport(searches={name: SearchReport() for name in facades})
    report.alone = AloneReport() if alone else None
    for number, frame in enumerate(tqdm(render_frames(seed, frames), "evaluate", frames)):
        rng = np.random.default_rng([seed, number, 2])
        taken = Frame(
            camera="camera", stamp_ns=number + 1, frame_id="camera_optical",
            image=frame.rgb, model=frame.camera, depth=frame.measured, pose=frame.pose,
            world_frame="world", sequence=number,
        )  # fmt: skip
        seen = perception.observe(taken)
        report.depth.append(depth_scores(perception, frame, seen))
        things = list(truth_objects(frame))
        named = [(thing.name, mask) for thing, mask in things]
        for name, search in searches.items():
            view = seen if name == OWN else facades[name].observe(taken)
            draws = np.random.default_rng([seed, number, 3])
            search_frame(search, report.searches[name], view, frame, named, draws)
        if report.alone is not None and grounder is not None:
            ask_alone(grounder.networks[0], report.alone, frame, named)
        report.answers.extend(ask_about(perception, frame, seen, things, questions, rng))
        for facade in facades.values():
            facade.reset()  # every frame is a room of its own
    for name, search in searches.items():
        report.searches[name].network_seconds = search.network_seconds
    return report


def format_report(report: NanoReport) -> str:
    """Lay the report out as Markdown."""
    s = report.summary()
    lines = [
        "| measured | n | nano | best constant |",
        "|---|---|---|---|",
        f"| depth abs-rel, image alone | {s['frames']:.0f} | {s['abs_rel']:.3f} | |",
        f"| depth within a factor of 1.25 | {s['frames']:.0f} | {s['delta_1.25']:.1%} | |",
        f"| language: metres within 25 % | | {s['metres']:.1%} | {s['metres_constant']:.1%} |",
        f"| language: clock within one hour | | {s['hours']:.1%} | {s['hours_constant']:.1%} |",
        f"| language: words right | | {s['words']:.1%} | {s['words_constant']:.1%} |",
        "",
        "| looked for by | n | found | of them below 3 % of the image | box IoU, median | absent "
        "answered | n | kind there in another colour | foreign nouns | all three, undoubted | "
        "ms per frame |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
        *(_search_row(name, search.summary()) for name, search in report.searches.items()),
        "",
        "| detector's surest box | n | on the thing (IoU 0.5) | of them below 3 % of the image | "
        "IoU, median | absent names with a box | ms per frame |",
        "|---|---|---|---|---|---|---|",
        *(
            _detector_row(name, search.summary())
            for name, search in report.searches.items()
            if search.network_seconds
        ),
        "",
        *([] if report.alone is None else [format_alone(report.alone), ""]),
        "| family | n | right | best constant |",
        "|---|---|---|---|",
    ]
    for family, (count, right, constant) in by_family(report.answers).items():
        lines.append(f"| {family} | {count} | {right:.1%} | {constant:.1%} |")
    return "\n".join(lines)


def _search_row(name: str, s: dict[str, float]) -> str:
    cells = (
        name, f"{s['phrases']:.0f}", f"{s['phrases_right']:.1%}",
        f"{s['phrases_right_below_3_percent']:.1%}", f"{s['box_iou_median']:.2f}",
        f"{s['absent_answered']:.1%}", f"{s['absent_phrases']:.0f}",
        f"{s['other_colour_answered']:.1%}", f"{s['foreign_answered']:.1%}",
        f"{s['absent_surely_answered']:.1%}",
        f"{s['milliseconds']:.0f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _detector_row(name: str, s: dict[str, float]) -> str:
    cells = (
        name, f"{s['phrases']:.0f}", f"{s['detector_right']:.1%}",
        f"{s['detector_right_below_3_percent']:.1%}", f"{s['detector_iou_median']:.2f}",
        f"{s['detector_absent_answered']:.1%}", f"{s['network_milliseconds']:.0f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"
