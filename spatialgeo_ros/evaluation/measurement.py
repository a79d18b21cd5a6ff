# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How right measured distances are: simulated rooms, sensor depth with noise, given regions.

``python -m spatialgeo_ros.evaluation.measurement`` renders rooms, measures every object and pair
under several conditions (where the regions come from, what is known of gravity and the floor), and
prints tables as those of docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import TooLittleSupportError
from spatialgeo_ros.evaluation.tables import CentreError, Column, format_centres, format_table
from spatialgeo_ros.evaluation.truth_frames import (
    REPORTED_SEEDS,
    TUNING_SEEDS,
    Scenes,
    TruthFrame,
    render_frames,
    stored_frames,
)
from spatialgeo_ros.geometry.distance import PAIR_KINDS, Kind, measure
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pointmap import DepthNoise, PointMap, pointmap_from_depth
from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object
from spatialgeo_ros.geometry.sizes import Size
from spatialgeo_ros.sim.depth_noise import DepthSensorModel
from spatialgeo_ros.sim.room import SceneObject
from spatialgeo_ros.sim.surface import nearest_distance, object_surface

log = logging.getLogger(__name__)

#: Of the small things of one view at most so many are measured, and so many of their pairs.
MOST_THINGS, MOST_PAIRS = 8, 8
_BOX_ERROR = 0.03  # of the box's side: standard deviation of a shifted side
_LEAST_BOX_ERROR = 1.0  # pixels
_GRID = 256  # cells along each side of the image, of a segmenter's masks
_CELLS_OFF = 0.6  # standard deviation of its outlines, cells: most are within one
_SMOOTH = 8  # a side of the image has so many independent errors


class RegionSource(Enum):
    """Where the region of an object comes from."""

    #: The box of its visible pixels.
    BOX = "exact boxes"
    #: That box with every side shifted by a normal error of 3 % of the box's size, at least 1 px.
    SHIFTED_BOX = "boxes 3 % off"
    #: Its visible pixels.
    MASK = "masks"
    #: Those as a segmenter gives them: from a coarse grid, with errors of its outline.
    COARSE_MASK = "masks of a 256-cell grid"


@dataclass(frozen=True)
class Condition:
    """What the measuring is told.

    Attributes:
        regions: where the regions come from.
        gravity: the direction of gravity is known.
        floor_height: the camera's height above the floor is known too; only with gravity.
    """

    regions: RegionSource
    gravity: bool = True
    floor_height: bool = True

    def __str__(self) -> str:
        """Return for example ``exact boxes, gravity unknown``."""
        known = "gravity and floor height known" if self.floor_height else "gravity known"
        return f"{self.regions.value}, {known if self.gravity else 'gravity unknown'}"


#: The conditions of docs/benchmarks.md, in the order of its tables.
CONDITIONS = (
    Condition(RegionSource.BOX),
    Condition(RegionSource.SHIFTED_BOX),
    Condition(RegionSource.MASK),
    Condition(RegionSource.COARSE_MASK),
    Condition(RegionSource.BOX, floor_height=False),
    Condition(RegionSource.SHIFTED_BOX, floor_height=False),
    Condition(RegionSource.BOX, gravity=False),
    Condition(RegionSource.SHIFTED_BOX, gravity=False),
)


@dataclass
class Results:
    """What was measured under one condition.

    Attributes:
        columns: comparisons by name of the distance, in the order of the table.
        centres: errors of the centres of visible surfaces.
        seconds: that separating each object took.
    """

    columns: dict[str, Column] = field(default_factory=dict)
    centres: list[CentreError] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, row: str, truth: float, estimate: float, sigma: float = np.nan) -> None:
        """Append one comparison to a row, metres."""
        self.columns.setdefault(row, Column()).add(truth, estimate, sigma)


@dataclass(frozen=True)
class _Question:
    """One true distance: the row it goes to, what is measured between which targets, metres.

    Attributes:
        row: of the table.
        kind: what to measure; None where ``answer`` stands for an estimate.
        first, second: positions among the targets; second is None for kinds of one object.
        truth: metres.
        usual_sizes: whether the usual sizes of furniture may help.
        answer: metres, for the row that asks what perfect depth would give.
    """

    row: str
    kind: Kind | None
    first: int
    second: int | None
    truth: float
    usual_sizes: bool = True
    answer: float = np.nan


@dataclass(frozen=True)
class _Target:
    """An object to measure: its index, what is known of it and its visible points [N, 3]."""

    index: int
    thing: SceneObject
    seen: NDArray[np.bool_]
    visible: NDArray[np.float64]


def _targets(frame: TruthFrame) -> list[_Target]:
    indices = frame.targets()
    if frame.scenes is not Scenes.FURNITURE and len(indices) > MOST_THINGS:
        rng = np.random.default_rng([frame.room.seed, frame.view, 3])
        indices = sorted(int(k) for k in rng.choice(indices, MOST_THINGS, replace=False))
    rays = frame.camera.rays()
    found = []
    for index in indices:
        seen = frame.segmentation == index
        visible = (rays[seen] * frame.depth[seen][:, None]).astype(np.float64)
        visible = visible[np.isfinite(visible[:, 2])]
        found.append(_Target(index, frame.room.objects[index], seen, visible))
    return found


def _pairs(frame: TruthFrame, count: int) -> list[tuple[int, int]]:
    pairs = list(combinations(range(count), 2))
    if frame.scenes is Scenes.FURNITURE or len(pairs) <= MOST_PAIRS:
        return pairs
    rng = np.random.default_rng([frame.room.seed, frame.view, 4])
    return [pairs[k] for k in sorted(rng.choice(len(pairs), MOST_PAIRS, replace=False))]


def _questions(frame: TruthFrame, targets: list[_Target]) -> list[_Question]:
    """All true distances of a frame.

    The truth of "same estimator" is what the estimator says of the true masks in the depth image
    without noise, that of "exact" the least distance of all visible pixels.
    """
    asked = []
    for i, target in enumerate(targets):
        nearest = float(np.linalg.norm(target.visible, axis=1).min())
        width, depth = max(target.thing.size[:2]), min(target.thing.size[:2])
        asked += [
            _Question("camera to object", Kind.CAMERA_TO_OBJECT, i, None, nearest),
            _Question("width", Kind.WIDTH, i, None, width),
            _Question("depth extent", Kind.DEPTH_EXTENT, i, None, depth),
            _Question("height", Kind.HEIGHT, i, None, target.thing.size[2]),
        ]
    furniture = frame.scenes is Scenes.FURNITURE
    ideal = _ideal(frame, targets) if furniture else []
    for i, k in _pairs(frame, len(targets)):
        a, b = targets[i], targets[k]
        offset = np.array(a.thing.centre) - np.array(b.thing.centre)
        centres, ground = float(np.linalg.norm(offset)), float(np.hypot(*offset[:2]))
        exact = nearest_distance(a.visible, b.visible)
        row = "nearest points (visible, exact)"
        asked.append(_Question(row, Kind.NEAREST_POINTS, i, k, exact))
        asked.append(_Question("centre to centre", Kind.CENTRE_TO_CENTRE, i, k, centres))
        asked.append(_Question("horizontal", Kind.HORIZONTAL, i, k, ground))
        if not furniture:
            continue
        same = measure(Kind.NEAREST_POINTS, ideal[i], ideal[k]).distance
        row = "nearest points (visible, same estimator)"
        asked.append(_Question(row, Kind.NEAREST_POINTS, i, k, same))
        whole = nearest_distance(object_surface(a.thing), object_surface(b.thing))
        row = "nearest points (whole objects)"
        asked.append(_Question(row, Kind.NEAREST_POINTS, i, k, whole))
        row = "centre to centre, sizes unknown"
        asked.append(_Question(row, Kind.CENTRE_TO_CENTRE, i, k, centres, usual_sizes=False))
        middles = np.linalg.norm(a.visible.mean(axis=0) - b.visible.mean(axis=0))
        row = "centre to centre, true visible surface"
        asked.append(_Question(row, None, i, k, centres, answer=float(middles)))
    return asked


def _ideal(frame: TruthFrame, targets: list[_Target]) -> list[ObjectPoints]:
    perfect = pointmap_from_depth(frame.depth, frame.camera, DepthNoise(1e-3, 0.0))
    gravity, height = gravity_in_camera(frame.pose), float(frame.pose.translation[2])
    return [
        segment_object(perfect, Region.from_mask(target.seen), gravity, height)
        for target in targets
    ]


def region_of(frame: TruthFrame, index: int, source: RegionSource) -> Region:
    """Region of a visible object, with the same label from every source.

    Args:
        frame: the view.
        index: of the object; it has at least one pixel.
        source: where the region comes from; the errors of a shifted box or a coarse mask are those
            of the room's seed, the view and the object.
    """
    thing = frame.room.objects[index]
    label = thing.kind if thing.support else thing.name
    seen = frame.segmentation == index
    if source is RegionSource.MASK:
        return Region.from_mask(seen, label)
    if source is RegionSource.COARSE_MASK:
        mask = coarse_mask(seen, np.random.default_rng([frame.room.seed, frame.view, 6, index]))
        if mask.any():  # else the thing is less than half a cell wide: no segmenter sees it
            return Region.from_mask(mask, label, cell=max(seen.shape) / _GRID)
        source = RegionSource.BOX
    rows, columns = np.nonzero(seen)
    low = np.array([columns.min(), rows.min()], np.float64)
    high = np.array([columns.max(), rows.max()], np.float64)
    if source is RegionSource.SHIFTED_BOX:
        rng = np.random.default_rng([frame.room.seed, frame.view, 5, index])
        spread = np.maximum(_BOX_ERROR * (high - low + 1), _LEAST_BOX_ERROR)
        low, high = low + rng.normal(size=2) * spread, high + rng.normal(size=2) * spread
        border = np.array(seen.shape[::-1]) - 1.0
        low = np.clip(low, 0.0, border)
        high = np.clip(np.maximum(high, low), 0.0, border)
    return Region.from_box(low[0], low[1], high[0], high[1], label=label)


def coarse_mask(seen: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Pixels [H, W] of an object as a segmenter would give them.

    The true share of each cell of a square grid, moved by a smooth random field; its logits,
    enlarged to the image and cut at zero.
    """
    height, width = seen.shape
    side = (_GRID, _GRID)
    share = cv2.resize(seen.astype(np.float32), side, interpolation=cv2.INTER_AREA)
    place = np.meshgrid(np.arange(_GRID, dtype=np.float32), np.arange(_GRID, dtype=np.float32))
    for axis in place:
        field_ = rng.normal(size=(_SMOOTH, _SMOOTH)).astype(np.float32)
        off = cv2.resize(field_, side, interpolation=cv2.INTER_CUBIC)
        axis += np.float32(_CELLS_OFF / off.std()) * off
    share = np.clip(cv2.remap(share, *place, cv2.INTER_LINEAR), 0.0, 1.0)
    logits = np.log((share + 0.02) / (1.02 - share))
    return np.asarray(cv2.resize(logits, (width, height), interpolation=cv2.INTER_LINEAR) > 0)


def compare(
    frame: TruthFrame,
    results: Mapping[Condition, Results],
    sizes: Mapping[str, Size] | None = None,
) -> None:
    """Measure every object and pair of a frame under each condition, and append to its results.

    Args:
        frame: the view.
        results: by condition.
        sizes: usual sizes by kind; default: those of ``geometry.sizes``.
    """
    targets = _targets(frame)
    questions = _questions(frame, targets)
    pointmap = pointmap_from_depth(frame.measured, frame.camera, DepthNoise())
    for condition, out in results.items():
        found: list[ObjectPoints | None] = []
        for target in targets:
            region = region_of(frame, target.index, condition.regions)
            start = time.perf_counter()
            found.append(_segmented(pointmap, region, frame, condition))
            out.seconds.append(time.perf_counter() - start)
            out.centres.append(_centre_error(frame, target, found[-1]))
        _answer(questions, found, out, sizes)


def _answer(
    questions: list[_Question],
    found: list[ObjectPoints | None],
    out: Results,
    sizes: Mapping[str, Size] | None,
) -> None:
    """Measure what was asked between the objects found; what was not found is NaN."""
    known: dict[tuple[Kind, int, int | None, bool], tuple[float, float]] = {}
    for asked in questions:
        if asked.kind is None:
            out.add(asked.row, asked.truth, asked.answer)
            continue
        key = (asked.kind, asked.first, asked.second, asked.usual_sizes)
        if key not in known:
            a = found[asked.first]
            b = None if asked.second is None else found[asked.second]
            if a is None or (b is None and asked.kind in PAIR_KINDS):
                known[key] = (np.nan, np.nan)
            else:
                estimate = measure(asked.kind, a, b, sizes=sizes if asked.usual_sizes else {})
                known[key] = (estimate.distance, estimate.sigma)
        out.add(asked.row, asked.truth, *known[key])


def _segmented(
    pointmap: PointMap, region: Region, frame: TruthFrame, condition: Condition
) -> ObjectPoints | None:
    gravity = gravity_in_camera(frame.pose) if condition.gravity else None
    known = condition.gravity and condition.floor_height
    height = float(frame.pose.translation[2]) if known else None
    try:
        return segment_object(pointmap, region, gravity, height, image=frame.rgb)
    except TooLittleSupportError as error:
        log.debug("%s", error)
        return None


def _centre_error(frame: TruthFrame, target: _Target, found: ObjectPoints | None) -> CentreError:
    """Distance between the medians of the estimated points and of the true visible points."""
    support = target.thing.support
    if support and support != "floor":
        support = frame.room.find(support).kind
    if found is None:
        return CentreError(target.thing.kind, support, np.nan)
    offset = np.median(found.points, axis=0) - np.median(target.visible, axis=0)
    return CentreError(target.thing.kind, support, float(np.linalg.norm(offset)))


def evaluate(
    frames: Iterable[TruthFrame],
    conditions: Sequence[Condition] = CONDITIONS,
    sizes: Mapping[str, Size] | None = None,
) -> dict[Condition, Results]:
    """Measure every object and pair of all frames under each condition.

    Args:
        frames: for example of :func:`render_frames`.
        conditions: what the measuring is told.
        sizes: usual sizes by kind; default: those of ``geometry.sizes``.
    """
    results = {condition: Results() for condition in conditions}
    for frame in frames:
        compare(frame, results, sizes)
    return results


def format_results(results: Mapping[Condition, Results]) -> str:
    """Lay out the tables of all conditions as Markdown."""
    parts = []
    for condition, out in results.items():
        heading = str(condition)
        parts.append(f"{heading[0].upper()}{heading[1:]}:\n\n{format_table(out.columns)}")
    centres = {str(condition): out.centres for condition, out in results.items()}
    parts.append(f"Centre of the visible surface:\n\n{format_centres(centres)}")
    return "\n\n".join(parts)


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=200, help="views to render")
    parser.add_argument("--scenes", choices=[s.name.lower() for s in Scenes], default="furniture")
    parser.add_argument("--structured-light", action="store_true", help="sensor with all faults")
    parser.add_argument("--tuning", action="store_true", help="rooms that may be tuned on")
    parser.add_argument("--seed", type=int, help="seed of the first room")
    parser.add_argument("--kept", type=Path, help="folder that keeps frames for the next run")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    scenes = Scenes[arguments.scenes.upper()]
    seed = arguments.seed
    if seed is None:
        seed = (TUNING_SEEDS if arguments.tuning else REPORTED_SEEDS)[scenes]
    sensor = DepthSensorModel.structured_light() if arguments.structured_light else None
    frames = render_frames(seed, arguments.frames, scenes=scenes, sensor=sensor)
    if arguments.kept is not None:
        light = "structured_light" if sensor else "usual"
        folder = arguments.kept / f"{scenes.name.lower()}_{light}_{seed}"
        frames = stored_frames(folder, arguments.frames, frames)
    results = evaluate(frames)
    seconds = np.mean(next(iter(results.values())).seconds)
    log.info("%s\n\nsegmentation: %.1f ms per object", format_results(results), 1e3 * seconds)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
