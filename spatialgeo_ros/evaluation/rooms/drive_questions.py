# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Lengths that a robot is asked for while it drives: of what is in view, cut, or remembered.

Unlike the questions of :mod:`spatialgeo_ros.evaluation.rooms.benchmark`, which are about the map at
the end of a drive, these are asked of the newest image as well: what is answered is measured in the
image or told by the map, whichever the answer takes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import SpatialGeoError
from spatialgeo_ros.evaluation.rooms.drive import Drive, DriveImage
from spatialgeo_ros.evaluation.tables import Column
from spatialgeo_ros.geometry.upright_box import box_separation, point_box
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.scene.sighting import SightedEstimate
from spatialgeo_ros.sim.detector import DetectorModel
from spatialgeo_ros.sim.room import Room, SceneObject

#: What is right: a tenth of the length, or so many metres of the boxes' corners.
RELATIVE, METRES = 0.10, 0.05
#: A length is wrong where it is not right by so many standard deviations.
SIGMAS = 3.0
_LEAST_SHARE = 1e-3  # of the image, that a thing in view has
_BORDER_PX = 4  # of the image: what has pixels there may go on outside
_PAIRS = 3  # asked about in an image


class Shown(Enum):
    """How the image that is asked about shows the thing, or the one of two that it shows worse."""

    CUT = "cut by the border"
    INSIDE = "in view"
    OUT = "out of view"


@dataclass(frozen=True)
class Told:
    """One question with its answer.

    Attributes:
        room: seed of the room.
        stamp_ns: of the image.
        question: as it was asked, or the name of a thing that was measured.
        quantity: "distance", "width", "height" or "between centres"; "distance, measured" where
            nothing was asked in words.
        shown: how the image shows what was asked about.
        truth: metres. A distance from the camera is that of the surface that the image shows; of a
            thing that is cut or out of view, of its whole box.
        metres: as answered; NaN for a refusal.
        sigma: metres, one standard deviation of it; NaN for a refusal.
    """

    room: int
    stamp_ns: int
    question: str
    quantity: str
    shown: Shown
    truth: float
    metres: float
    sigma: float


def ask_on_drives(
    drives: Iterable[Drive], detector: DetectorModel | None, perception: Perception
) -> Iterator[Told]:
    """Drive, and ask in every image of the second half of each drive.

    Things are asked about that are the only ones of their kind in the room.

    Args:
        drives: through different rooms.
        detector: whose boxes come with the images; None for the perception's own grounding.
        perception: forgets everything before each drive.
    """
    for drive in drives:
        perception.reset()
        frames = zip(drive.frames(detector), drive.images, strict=True)
        for number, (frame, image) in enumerate(frames):
            observation = perception.observe(frame)
            perception.scene.update_map(observation)
            if 2 * number >= len(drive.images):
                yield from _ask(drive, number, image, observation, perception)


def columns(told: Iterable[Told]) -> dict[tuple[str, Shown], Column]:
    """Group lengths by quantity and by how they were shown, in the order of both."""
    table: dict[tuple[str, Shown], Column] = {}
    for one in sorted(told, key=lambda one: (one.quantity, list(Shown).index(one.shown))):
        table.setdefault((one.quantity, one.shown), Column()).add(one.truth, one.metres, one.sigma)
    return table


def format_columns(table: Mapping[tuple[str, Shown], Column]) -> str:
    """Lay them out as Markdown."""
    lines = [
        f"| asked | shown | n | right ({RELATIVE:.0%} or {METRES * 100:.0f} cm) "
        f"| wrong by {SIGMAS:.0f} sigma | refused | within 1 / 2 sigma |",
        "|---|---|---|---|---|---|---|",
    ]
    for (quantity, shown), column in table.items():
        one, two = column.within_sigmas(1), column.within_sigmas(2)
        lines.append(
            f"| {quantity} | {shown.value} | {len(column.truth)} "
            f"| {column.share_within(RELATIVE, METRES):.1%} "
            f"| {column.share_wrong(RELATIVE, METRES, SIGMAS):.1%} | {column.invalid():.1%} "
            f"| {one:.0%} / {two:.0%} |"
        )
    return "\n".join(lines)


def to_json(told: Sequence[Told]) -> list[dict[str, Any]]:
    """Return every question with its answer; what is not told is null."""
    rows = [{**asdict(one), "shown": one.shown.value} for one in told]
    return [
        {name: None if value != value else value for name, value in row.items()} for row in rows
    ]


def _ask(
    drive: Drive, number: int, image: DriveImage, observation: Observation, perception: Perception
) -> Iterator[Told]:
    room = drive.room
    kinds = [one.kind for one in room.objects]
    alone = [one for one in room.objects if kinds.count(one.kind) == 1]
    shown = {one.name: _shown(image, room, one) for one in alone}
    away = {
        one.name: _away(image, one)
        if shown[one.name] is not Shown.INSIDE
        else _away_of_seen(drive, image, one)
        for one in alone
    }
    for question, quantity, things, truth in _questions(alone, away, number):
        told = _told(partial(_answered, perception, question, observation))
        worst = min((shown[one.name] for one in things), key=list(Shown).index)
        yield Told(room.seed, image.stamp_ns, question, quantity, worst, truth, *told)
    for one in alone:
        if shown[one.name] is not Shown.OUT:
            told = _told(partial(perception.measure, observation, [], one.kind))
            yield Told(
                room.seed, image.stamp_ns, one.kind, "distance, measured", shown[one.name],
                away[one.name], *told,
            )  # fmt: skip


def _answered(
    perception: Perception, question: str, observation: Observation
) -> Sequence[SightedEstimate]:
    return perception.ask(question, observation).distances


def _told(tell: Callable[[], Iterable[SightedEstimate]]) -> tuple[float, float]:
    """Metres and sigma of the first length that is told, NaN where none is."""
    try:
        first = next(iter(tell()), None)
    except SpatialGeoError:
        first = None
    return (first.distance, first.sigma) if first is not None and first.valid else (math.nan,) * 2


def _questions(
    things: Sequence[SceneObject], away: Mapping[str, float], number: int
) -> Iterator[tuple[str, str, tuple[SceneObject, ...], float]]:
    """Question, quantity, things and truth in metres."""
    for one in things:
        yield f"How far is the {one.kind}?", "distance", (one,), away[one.name]
        yield f"How wide is the {one.kind}?", "width", (one,), max(one.size[:2])
        yield f"How tall is the {one.kind}?", "height", (one,), one.size[2]
    pairs = list(combinations(things, 2))
    for turn in range(min(_PAIRS, len(pairs))):
        a, b = pairs[(_PAIRS * number + turn) % len(pairs)]
        question = f"What is the distance between the {a.kind} and the {b.kind}?"
        yield question, "between centres", (a, b), math.dist(a.centre, b.centre)


def _shown(image: DriveImage, room: Room, thing: SceneObject) -> Shown:
    own: NDArray[np.bool_] = image.segmentation == room.objects.index(thing)
    if own.mean() < _LEAST_SHARE:
        return Shown.OUT
    inner = own[_BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX]
    return Shown.INSIDE if np.count_nonzero(inner) == np.count_nonzero(own) else Shown.CUT


def _away(image: DriveImage, thing: SceneObject) -> float:
    """From the camera to the nearest point of a thing's box, metres."""
    x, y, z = (float(value) for value in image.pose.translation)
    return box_separation(point_box(x, y, z), thing.box).value


def _away_of_seen(drive: Drive, image: DriveImage, thing: SceneObject) -> float:
    """From the camera to the nearest point of a thing's surface that the image shows, metres."""
    own = image.segmentation == drive.room.objects.index(thing)
    rows, columns = np.nonzero(own & np.isfinite(image.depth))
    pixels = np.stack([columns, rows], axis=1)
    points = drive.camera.unproject(pixels, image.depth[rows, columns])
    return float(np.linalg.norm(points, axis=1).min())
