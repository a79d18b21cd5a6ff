# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A saved object map: one JSON file to be read by people, and its arrays beside it as ``.npz``.

Nothing in it is executed when it is read. Both files are written beside the old ones first, and the
JSON, which names the arrays' checksum, last: a crash leaves the old map or a refusal, never a mix.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRequestError, FileAccessError, quoted
from spatialgeo_ros.memory.map_object import VIEWS, TrackedObject
from spatialgeo_ros.memory.place import Place
from spatialgeo_ros.memory.snapshot import BestView

_FORMAT, _VERSION = "spatialgeo_ros object map", 1
_MOST_JSON, _MOST_ARRAYS = 64_000_000, 512_000_000  # bytes
_PLACES = ("top", "covariance", "sides", "side_variance", "shared")
_ARRAYS = (*_PLACES, "views", "points", "hits", "starts", "cells")


@dataclass(frozen=True, eq=False)
class StoredMap:
    """What a file holds.

    Attributes:
        world_frame: frame of every place in it.
        start_ns, stamp_ns: when the map began, and its newest image.
        counters: highest number given by kind.
        objects: in the order they were added.
        way: metres gone.
    """

    world_frame: str
    start_ns: int
    stamp_ns: int
    counters: Mapping[str, int]
    objects: tuple[TrackedObject, ...]
    way: float


def write_map(path: Path, stored: StoredMap) -> None:
    """Write a map; files of the name are replaced.

    Raises:
        BadRequestError: the name does not end in .json.
        FileAccessError: a file cannot be written.
    """
    arrays_path = _arrays_path(path)
    buffer = io.BytesIO()
    arrays_of: dict[str, Any] = _arrays_of(stored.objects)
    np.savez_compressed(buffer, **arrays_of)
    arrays = buffer.getvalue()
    data = {
        "format": _FORMAT,
        "version": _VERSION,
        "world_frame": stored.world_frame,
        "start_ns": stored.start_ns,
        "stamp_ns": stored.stamp_ns,
        "way_m": stored.way,
        "counters": dict(stored.counters),
        "arrays": {"file": arrays_path.name, "sha256": hashlib.sha256(arrays).hexdigest()},
        "objects": [_entry_of(one) for one in stored.objects],
    }
    text = json.dumps(data, indent=1, allow_nan=False) + "\n"
    try:
        for target, content in ((arrays_path, arrays), (path, text.encode())):
            draft = target.with_name(target.name + ".part")
            draft.write_bytes(content)
            os.replace(draft, target)
    except OSError as error:
        raise FileAccessError(f"the object map cannot be written to {path}: {error}") from error


def read_map(path: Path) -> StoredMap:
    """Read a map.

    Raises:
        BadRequestError: the name does not end in .json.
        FileAccessError: a file is missing, too large, damaged, or of another layout.
    """
    arrays_path = _arrays_path(path)
    try:
        data = json.loads(_read(path, _MOST_JSON))
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise FileAccessError(f"{path} is no saved object map: name one that save wrote")
        if data.get("version") != _VERSION:
            raise FileAccessError(
                f"{path} has version {quoted(data.get('version'))} of the layout, and this program "
                f"reads {_VERSION}: make the map anew"
            )
        content = _read(arrays_path, _MOST_ARRAYS)
        if hashlib.sha256(content).hexdigest() != data["arrays"]["sha256"]:
            raise FileAccessError(
                f"{arrays_path} is not the file that was saved with {path}: copy both together"
            )
        with np.load(io.BytesIO(content), allow_pickle=False) as loaded:
            arrays = {name: loaded[name] for name in _ARRAYS}
        if len(data["objects"]) != len(arrays["starts"]) - 1:
            raise ValueError("objects are missing or too many")
        objects = tuple(
            _object_from(entry, row, arrays) for row, entry in enumerate(data["objects"])
        )
        counters = {str(kind): int(number) for kind, number in data["counters"].items()}
        return StoredMap(
            str(data["world_frame"]), int(data["start_ns"]), int(data["stamp_ns"]), counters,
            objects, float(data["way_m"]),
        )  # fmt: skip
    # RecursionError: JSON that nests without end.
    except (
        ValueError, TypeError, LookupError, AttributeError, RecursionError, zipfile.BadZipFile,
    ) as error:  # fmt: skip
        raise FileAccessError(f"{path} is damaged ({error}): save the map again") from error


def _arrays_path(path: Path) -> Path:
    if path.suffix != ".json":
        raise BadRequestError(f"a saved object map is a .json file, not {path}")
    return path.with_suffix(".npz")


def _read(path: Path, most: int) -> bytes:
    try:
        if not path.is_file():
            raise FileAccessError(f"there is no file {path}")
        if path.stat().st_size > most:
            raise FileAccessError(f"{path} is larger than {most // 1_000_000} MB: no saved map is")
        return path.read_bytes()
    except OSError as error:
        raise FileAccessError(f"{path} cannot be read: {error}") from error


def _arrays_of(objects: Iterable[TrackedObject]) -> dict[str, Any]:
    """Columns of all objects; surfaces one after the other, from ``starts`` on."""
    objects = tuple(objects)
    counts = [len(one.cells) for one in objects]
    none3 = np.zeros((0, 3), np.float32)
    return {
        "top": np.array([one.place.top for one in objects]).reshape(-1, 3),
        "covariance": np.array([one.place.covariance for one in objects]).reshape(-1, 3, 3),
        "shared": np.array([one.place.shared for one in objects]).reshape(-1, 3, 3),
        "sides": np.array([one.place.sides for one in objects]).reshape(-1, 2),
        "side_variance": np.array([one.place.side_variance for one in objects]).reshape(-1, 2),
        "views": np.array([one.views for one in objects], np.int64).reshape(-1, VIEWS),
        "points": np.concatenate([none3, *(one.cells.points for one in objects)]),
        "hits": np.concatenate([np.zeros(0, np.int16), *(one.cells.hits for one in objects)]),
        "starts": np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        "cells": np.array([one.cells.cell for one in objects]),
    }


def _entry_of(one: TrackedObject) -> dict[str, Any]:
    """Everything of an object but its arrays; the centre is there for people."""
    return {
        "id": one.id,
        "kind": one.kind,
        "order": one.order,
        "centre": [round(float(v), 4) for v in one.centre],
        "size": [round(float(v), 4) for v in one.place.size],
        "yaw": one.place.yaw,
        "bottoms": one.place.votes,
        "scatter": one.place.scatter,
        "side_shared": [float(v) for v in one.place.side_shared],
        "side_scatter": [float(v) for v in one.place.side_scatter],
        "first_ns": one.first_ns,
        "last_ns": one.last_ns,
        "labels": one.labels,
        "colours": one.colours,
        "materials": one.materials,
        "cameras": one.cameras,
        "sightings": one.sightings,
        "best": [one.best.camera_name, one.best.stamp_ns, list(one.best.box), one.best.quality],
        "odds": one.odds,
        "confirmed": one.confirmed,
        "gone": one.gone,
        "dynamic": one.dynamic,
        "way": one.way,
        "least_pixels": one.least_pixels if math.isfinite(one.least_pixels) else None,
        "apart": one.apart,
    }


def _two(values: Any) -> npt.NDArray[np.float64]:
    array = np.array(values, np.float64)
    if array.shape != (2,) or not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(f"{values} are no variances of two sides")
    return array


def _object_from(entry: Mapping[str, Any], row: int, arrays: Mapping[str, Any]) -> TrackedObject:
    camera, stamp, box, quality = entry["best"]
    x0, y0, x1, y1 = (float(v) for v in box)
    least = entry["least_pixels"]
    part = slice(int(arrays["starts"][row]), int(arrays["starts"][row + 1]))
    places: dict[str, Any] = {name: np.array(arrays[name][row], np.float64) for name in _PLACES}
    if not all(np.isfinite(array).all() for array in places.values()):
        raise ValueError(f"places of object {row} are not finite")
    votes = [(int(k), float(bottom), float(sigma)) for k, bottom, sigma in entry["bottoms"]]
    place = Place(**places, yaw=float(entry["yaw"]), votes=votes)
    place.scatter = float(entry["scatter"])
    if "side_shared" in entry:  # which older files lack
        place.side_shared = _two(entry["side_shared"])
        place.side_scatter = _two(entry["side_scatter"])
    place.count_votes()
    one = TrackedObject(
        id=str(entry["id"]),
        kind=str(entry["kind"]),
        order=int(entry["order"]),
        place=place,
        first_ns=int(entry["first_ns"]),
        last_ns=int(entry["last_ns"]),
        labels=_weights(entry["labels"]),
        colours=_weights(entry["colours"]),
        materials=_weights(entry["materials"]),
        cameras={str(name): int(count) for name, count in entry["cameras"].items()},
        sightings=int(entry["sightings"]),
        best=BestView(str(camera), int(stamp), (x0, y0, x1, y1), float(quality)),
        odds=float(entry["odds"]),
        confirmed=bool(entry["confirmed"]),
        gone=bool(entry["gone"]),
        dynamic=bool(entry["dynamic"]),
        views=np.array(arrays["views"][row], np.int64),
        way=float(entry["way"]),
        least_pixels=math.inf if least is None else float(least),
        apart={str(name): int(count) for name, count in entry["apart"].items()},
    )  # fmt: skip
    cell = float(arrays["cells"][row])
    if not 0 < cell < 100:
        raise ValueError(f"cells of object {row} have size {cell}")
    one.cells.load(
        np.asarray(arrays["points"][part], np.float32),
        np.asarray(arrays["hits"][part], np.int16),
        cell,
    )
    return one


def _weights(entry: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(weight) for name, weight in entry.items()}
