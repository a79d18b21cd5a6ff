# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read a folder of annotated RGB-D frames with reference places and distances.

The folder holds colour and depth images, ``annotations*.json`` (camera, frames, boxes by object),
``reference.json`` (centres, distances of pairs, which way is up) and ``poses.json``;
docs/measuring.md shows the layout. What is missing from it makes fewer things measurable, and is
named in :attr:`AnnotatedSequence.notes`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import BadRequestError, NoCameraInfoError, quoted
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Box
from spatialgeo_ros.runtime.input_files import read_json

#: Larger than any room; a place or distance beyond is in another unit than metres.
_FARTHEST = 1000.0


@dataclass(frozen=True)
class AnnotatedObject:
    """One object in one frame.

    Attributes:
        name: which object it is, the same in every frame and in the reference.
        label: what it is called.
        box: x0, y0, x1, y1 in pixels of the colour image, around the visible part.
        truncated: it touches the border of the image and goes on outside.
        occluded: something hides a part of it.
        sliver: so little is visible that nothing can be asked of it.
    """

    name: str
    label: str
    box: Box
    truncated: bool
    occluded: bool
    sliver: bool

    @property
    def whole(self) -> bool:
        """Whether the image shows enough of the object to compare it with the reference."""
        return not (self.truncated or self.sliver)


@dataclass(frozen=True, eq=False)
class AnnotatedFrame:
    """One frame with the boxes in it.

    Attributes:
        number: names the frame; unique within the sequence.
        position: 0-based place in the sequence.
        colour, depth: files of the images.
        camera: intrinsics of the colour image, to which the depth is registered.
        depth_unit: metres per unit of the depth file.
        pose: world_from_camera in the world of the reference, None where it is unknown.
        objects: in the order of the file, names unique.
    """

    number: int
    position: int
    colour: Path
    depth: Path
    camera: PinholeCamera
    depth_unit: float
    pose: Pose | None
    objects: tuple[AnnotatedObject, ...]


@dataclass(frozen=True, eq=False)
class ReferenceCentre:
    """Where an object is.

    Attributes:
        centre: [3] of its visible surface in the world, metres.
        sigma: one standard deviation of the centre, metres; 0 where the reference has none.
    """

    centre: NDArray[np.float64]
    sigma: float


@dataclass(frozen=True)
class ReferencePair:
    """How far two objects are apart; metres, NaN where the reference does not say.

    Attributes:
        first, second: names of the objects.
        gap, gap_sigma: least distance of the visible surfaces, one standard deviation.
        centres, centres_sigma: distance of the centres, one standard deviation.
        needs_memory: whether no image shows both.
    """

    first: str
    second: str
    gap: float
    gap_sigma: float
    centres: float
    centres_sigma: float
    needs_memory: bool = False


@dataclass(frozen=True, eq=False)
class AnnotatedSequence:
    """Everything that the folder holds.

    Attributes:
        folder: where it was read from.
        frames: as annotated, files in the order of their names.
        centres: by name, for the objects whose place is known.
        pairs: distances between two objects.
        upright: [3, 3] rotation from the world to one with z up, None where gravity is unknown.
        floor: height of the floor along that z, metres, None where it is unknown.
        notes: what is missing and what follows from it.
    """

    folder: Path
    frames: tuple[AnnotatedFrame, ...]
    centres: Mapping[str, ReferenceCentre]
    pairs: tuple[ReferencePair, ...]
    upright: NDArray[np.float64] | None
    floor: float | None
    notes: tuple[str, ...]


def read_sequence(folder: Path, annotations: Sequence[Path] = ()) -> AnnotatedSequence:
    """Read an annotated sequence.

    Args:
        folder: of the sequence.
        annotations: files with boxes; default: every ``annotations*.json`` of the folder.

    Raises:
        BadRequestError: a file is missing, is no JSON or has another layout, or no frame can be
            used; the message names file and field.
        NoCameraInfoError: an annotation file's ``camera`` is missing or cannot be used.
    """
    if not folder.is_dir():
        raise BadRequestError(f"{folder} is no folder: name one with annotations*.json")
    files = list(annotations) or sorted(folder.glob("annotations*.json"))
    if not files:
        raise BadRequestError(
            f"{folder} has no annotations*.json: write one, or name it with --annotations"
        )
    notes: list[str] = []
    reference_file = folder / "reference.json"
    reference = _mapping(read_json(reference_file, BadRequestError), str(reference_file))
    centres = _read_centres(reference, reference_file, notes)
    pairs = _read_pairs(reference, reference_file, notes)
    upright, floor = _read_level(reference, reference_file, notes)
    poses = _read_poses(folder / "poses.json", notes)
    frames: list[AnnotatedFrame] = []
    for file in files:
        frames += _read_frames(file, folder, poses, frames, notes)
    if not frames:
        reasons = "; ".join(notes) or "the list 'frames' is empty"
        raise BadRequestError(f"{folder} has no frame that can be used: {reasons}")
    annotated = {thing.name for frame in frames for thing in frame.objects}
    if unplaced := sorted(annotated - set(centres)):
        notes.append(f"no reference centre: {', '.join(unplaced)} (not counted as objects)")
    return AnnotatedSequence(
        folder, tuple(frames), centres, pairs, upright, floor, tuple(dict.fromkeys(notes))
    )


def _read_frames(
    file: Path,
    folder: Path,
    poses: Mapping[int, Pose],
    known: Sequence[AnnotatedFrame],
    notes: list[str],
) -> list[AnnotatedFrame]:
    """Frames of one annotation file that the files before it do not have."""
    data = _mapping(read_json(file, BadRequestError), str(file))
    camera, unit = _read_camera(data, file)
    frames: list[AnnotatedFrame] = []
    taken = {frame.number for frame in known}
    for entry in _entries(data, "frames", file):
        number = entry.get("frame")
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise BadRequestError(
                f"{file}: a frame's 'frame' is {quoted(number)}: give it a number from 0 on"
            )
        if number in taken:
            notes.append(f"frame {number} is annotated twice: {file.name} is not used for it")
            continue
        taken.add(number)
        images = [entry.get(kind) for kind in ("color", "depth")]
        for kind, image in zip(("color", "depth"), images, strict=True):
            if not isinstance(image, str) or not (folder / image).is_file():
                notes.append(f"frame {number} is left out: no {kind} file {quoted(image)}")
                break
        else:
            if poses and number not in poses:
                notes.append(f"frame {number} has no pose: it is measured without one only")
            frames.append(
                AnnotatedFrame(
                    number,
                    len(known) + len(frames),
                    folder / str(images[0]),
                    folder / str(images[1]),
                    camera,
                    unit,
                    poses.get(number),
                    tuple(_read_objects(entry, number, file, notes)),
                )
            )
    return frames


def _read_camera(data: Mapping[str, Any], file: Path) -> tuple[PinholeCamera, float]:
    camera = data.get("camera")
    if not isinstance(camera, dict):
        raise NoCameraInfoError(
            f"{file} has no 'camera': give width, height, fx, fy, cx, cy of the colour images"
        )
    names = ("width", "height", "fx", "fy", "cx", "cy")
    given = {name: _number(camera.get(name)) for name in names}
    numbers = [value for value in given.values() if value is not None]
    if len(numbers) < len(names):
        missing = ", ".join(name for name, value in given.items() if value is None)
        raise NoCameraInfoError(f"{file}: camera has no number for {missing}")
    width, height, fx, fy, cx, cy = numbers
    unit = _number(camera.get("depth_unit_m", 0.001))
    if unit is None or unit <= 0:
        raise BadRequestError(
            f"{file}: depth_unit_m is {quoted(camera.get('depth_unit_m'))}: give metres per unit "
            "of the depth files, 0.001 for millimetres"
        )
    return PinholeCamera(int(width), int(height), fx, fy, cx, cy), unit


def _read_objects(
    entry: Mapping[str, Any], number: int, file: Path, notes: list[str]
) -> Iterator[AnnotatedObject]:
    taken: set[str] = set()
    for thing in _entries(entry, "objects", file):
        name = thing.get("id")
        if not isinstance(name, str) or not name:
            raise BadRequestError(f"{file}: an object of frame {number} has no 'id'")
        box = _numbers(thing.get("box"), 4)
        if box is None or box[2] <= box[0] or box[3] <= box[1]:
            notes.append(f"frame {number}: {name} is left out, it has no box x0,y0,x1,y1")
            continue
        if name in taken:
            notes.append(f"frame {number}: {name} is there twice, its first box is used")
            continue
        taken.add(name)
        x0, y0, x1, y1 = box
        flags = [bool(thing.get(flag, False)) for flag in ("truncated", "occluded", "sliver")]
        yield AnnotatedObject(name, str(thing.get("label", name)), (x0, y0, x1, y1), *flags)


def _read_centres(
    reference: Mapping[str, Any], file: Path, notes: list[str]
) -> dict[str, ReferenceCentre]:
    objects = reference.get("objects")
    if objects is None:
        notes.append(f"{file.name} has no 'objects': no object's place is compared")
        return {}
    centres = {}
    for name, thing in _mapping(objects, f"{file}: objects").items():
        centre = _numbers(_mapping(thing, f"{file}: object {name}").get("center"), 3)
        if centre is None:
            continue
        if max(map(abs, centre)) > _FARTHEST:
            raise BadRequestError(f"{file}: center of {name} is {centre}: it must be in metres")
        sigma = _number(thing.get("center_uncertainty_m"))
        centres[name] = ReferenceCentre(np.array(centre), sigma or 0.0)
    return centres


def _read_pairs(
    reference: Mapping[str, Any], file: Path, notes: list[str]
) -> tuple[ReferencePair, ...]:
    if "pairs" not in reference:
        notes.append(f"{file.name} has no 'pairs': no distance is compared")
        return ()
    pairs = []
    for entry in _entries(reference, "pairs", file):
        names = entry.get("a"), entry.get("b")
        if not all(isinstance(name, str) for name in names):
            raise BadRequestError(f"{file}: a pair has no objects 'a' and 'b'")
        lengths = []
        for field in ("gap_m", "gap_uncertainty_m", "center_distance_m", "center_uncertainty_m"):
            value = _number(entry.get(field))
            unsaid = 0.0 if "uncertainty" in field else math.nan
            lengths.append(unsaid if value is None else value)
        apart = bool(entry.get("needs_memory", False))
        gap, gap_sigma, centres, centres_sigma = lengths
        pairs.append(
            ReferencePair(
                str(names[0]), str(names[1]), gap, gap_sigma, centres, centres_sigma, apart
            )
        )
    return tuple(pairs)


def _read_level(
    reference: Mapping[str, Any], file: Path, notes: list[str]
) -> tuple[NDArray[np.float64] | None, float | None]:
    level = reference.get("level")
    if level is None:
        notes.append(f"{file.name} has no 'level': gravity and floor are unknown")
        return None, None
    level = _mapping(level, f"{file}: level")
    where = f"{file}: level.R_level_world"
    upright = _pose(level.get("R_level_world"), 3, where).rotation
    floor = _number(level.get("floor_z_along_up_m"))
    if floor is None:
        notes.append(f"{file.name} has no level.floor_z_along_up_m: the floor is unknown")
    return upright, floor


def _read_poses(file: Path, notes: list[str]) -> dict[int, Pose]:
    if not file.is_file():
        notes.append(f"no {file.name}: measured without poses only")
        return {}
    data = _mapping(read_json(file, BadRequestError), str(file))
    poses: dict[int, Pose] = {}
    for entry in _entries(data, "frames", file):
        number, matrix = entry.get("frame"), entry.get("T_world_camera")
        if isinstance(number, int) and matrix is not None:
            poses[number] = _pose(matrix, 4, f"{file}: T_world_camera of frame {number}")
    return poses


def _pose(matrix: Any, size: int, where: str) -> Pose:
    """Pose of a [3, 3] rotation or a [4, 4] homogeneous matrix."""
    square = np.eye(4)
    try:
        square[:size, :size] = np.array(matrix, np.float64).reshape(size, size)
        return Pose.from_matrix(square)
    except (TypeError, ValueError) as error:
        raise BadRequestError(
            f"{where} is no rigid {size}x{size} matrix by rows ({error})"
        ) from error


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadRequestError(f"{where} must be a JSON object, not {type(value).__name__}")
    return value


def _entries(data: Mapping[str, Any], key: str, file: Path) -> list[dict[str, Any]]:
    entries = data.get(key)
    if not isinstance(entries, list):
        raise BadRequestError(f"{file}: '{key}' must be a list")
    return [_mapping(entry, f"{file}: an entry of '{key}'") for entry in entries]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if math.isfinite(value) else None


def _numbers(value: Any, count: int) -> list[float] | None:
    if not isinstance(value, list) or len(value) != count:
        return None
    numbers = [number for one in value if (number := _number(one)) is not None]
    return numbers if len(numbers) == count else None
