# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Furnishes a room with the models of Debian's ``sweethome3d-furniture`` instead of primitives.

The models (CC0 and CC-BY 3.0) are read where the package put them and are never redistributed; an
attribution is written beside the cache. A model is scaled to the size of the piece it stands in
for and its largest materials take that piece's colour: ground truth and names stay as they are.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import zipfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.sim.furniture import COLOURS, Part, Rgb, Size
from spatialgeo_ros.sim.obj_model import read_obj, write_stl
from spatialgeo_ros.sim.room import Room, SceneObject

log = logging.getLogger(__name__)

#: Environment variable that names another folder of ``.sh3f`` catalogues.
FOLDER_VARIABLE = "SPATIALGEO_SWEETHOME3D"
_FOLDER = "/usr/share/sweethome3d/furniture"
_INDEX = "PluginFurnitureCatalog.properties"

#: Kind -> what the name of a model must and must not match.
_NAMES: dict[str, tuple[str, str]] = {
    "sofa": (r"\b(sofa|couch)\b", r"bed"),
    "table": (r"\btable\b", r"chair|football|tennis|pool|bedside|dressing|lamp|ironing"),
    "chair": (r"\b(chair|armchair|stool)\b", r"table|long|deck|toilet|wheel"),
    "shelf": (r"\b(bookcase|shelves|shelving|shelf)\b", r"upper|cabinet"),
    "cabinet": (r"\b(cabinet|cupboard|wardrobe|chest|sideboard|dresser)\b", r"upper|corner"),
    "plant": (r"\b(plant|ficus|palm)\b", r"hang"),
    "lamp": (r"\blamp\b", r"ceiling|pendant|wall|desk|street|chandelier|artwork"),
    "door": (r"\bdoor\b", r"double|garage|elevator|shower|cabinet|outdoor"),
}
#: A model may be stretched or squeezed by this factor along an axis at most.
_STRETCH = 1.45
_LARGEST_OBJ_BYTES = 3_000_000


class FurnitureUnavailableError(BadRequestError):
    """The models are not installed; the message names the package."""


@dataclass(frozen=True)
class Model:
    """One model of a catalogue.

    Attributes:
        catalogue: the ``.sh3f`` file.
        path: of the OBJ file inside it.
        kind: one of :data:`spatialgeo_ros.sim.furniture.KINDS`.
        name: as the catalogue calls it.
        creator, licence: for the attribution.
        size: true (width, depth, height), metres.
        rotation: [9] row-major turn that stands the model upright in the catalogue's axes.
    """

    catalogue: Path
    path: str
    kind: str
    name: str
    creator: str
    licence: str
    size: Size
    rotation: tuple[float, ...]

    def stretch(self, size: Size) -> float:
        """Return the largest factor between this model's size and ``size`` along an axis."""
        return max(max(a / b, b / a) for a, b in zip(self.size, size, strict=True))


def refurnish(room: Room, mixed: bool = False) -> Room:
    """Return the room with model bodies; layout, names, sizes and poses stay the same.

    Pieces for which no model fits without being badly distorted keep their primitives.

    Args:
        room: made of primitives.
        mixed: give models to about half of the pieces only.

    Raises:
        FurnitureUnavailableError: the models are not installed.
    """
    models = catalogue()
    rng = np.random.default_rng(room.seed)
    things, used = [], []
    for thing in room.objects:
        keep = mixed and rng.random() < 0.5
        order = rng.permutation(len(models))
        fitting = [
            models[int(k)]
            for k in order
            if models[int(k)].kind == thing.kind and models[int(k)].stretch(thing.size) <= _STRETCH
        ]
        body = None if keep else _first_body(fitting, thing)
        if body is None:
            things.append(thing)
            continue
        used.append(body[0])
        things.append(replace(thing, parts=body[1]))
    _attribute(used)
    return replace(room, objects=tuple(things))


@lru_cache(maxsize=1)
def catalogue() -> tuple[Model, ...]:
    """Return the usable models of all installed catalogues, in a fixed order.

    Raises:
        FurnitureUnavailableError: there are none.
    """
    folder = Path(os.environ.get(FOLDER_VARIABLE, _FOLDER))
    models = [model for file in sorted(folder.glob("*.sh3f")) for model in _read_catalogue(file)]
    if not models:
        raise FurnitureUnavailableError(
            f"no furniture models in {folder}: `apt-get install sweethome3d-furniture` (Debian, "
            f"Ubuntu), or name their folder in {FOLDER_VARIABLE}"
        )
    return tuple(models)


def _read_catalogue(file: Path) -> list[Model]:
    with zipfile.ZipFile(file) as archive:
        text = archive.read(_INDEX).decode("latin-1")  # Java properties
        sizes = {entry.filename: entry.file_size for entry in archive.infolist()}
    entries = dict(re.findall(r"^([\w#]+)=(.*?)\s*$", text, re.MULTILINE))
    models = []
    for key in entries:
        if not key.startswith("id#"):
            continue
        fields = {
            name.split("#")[0]: value for name, value in entries.items() if name.endswith(key[2:])
        }
        kind = _kind(fields["name"].lower())
        path = fields["model"].lstrip("/")
        if kind is None or not 0 < sizes.get(path, 0) < _LARGEST_OBJ_BYTES:
            continue
        width, depth, height = (float(fields[f]) / 100 for f in ("width", "depth", "height"))
        if min(width, depth, height) <= 0:
            continue
        turn = fields.get("modelRotation", "1 0 0 0 1 0 0 0 1")
        models.append(
            Model(
                file,
                path,
                kind,
                fields["name"],
                fields.get("creator", ""),
                fields.get("license") or entries.get("license", ""),
                (width, depth, height),
                tuple(float(v) for v in turn.split()),
            )
        )
    return models


def _kind(name: str) -> str | None:
    for kind, (wanted, unwanted) in _NAMES.items():
        if re.search(wanted, name) and not re.search(unwanted, name):
            return kind
    return None


def _first_body(models: list[Model], thing: SceneObject) -> tuple[Model, tuple[Part, ...]] | None:
    """Return the first model that can be read, and its parts for ``thing``."""
    for model in models:
        try:
            files = _cached_meshes(model)
        except (KeyError, ValueError, OSError) as error:
            log.warning("model %s of %s is skipped: %s", model.path, model.catalogue, error)
            continue
        half = (thing.size[0] / 2, thing.size[1] / 2, thing.size[2] / 2)
        coloured = _coloured(thing.kind, [area for _, _, area in files])
        parts = [
            Part("mesh", half, (0.0, 0.0, 0.0), COLOURS[thing.colour] if tint else rgb,
                 mesh=str(path))
            for (path, rgb, _), tint in zip(files, coloured, strict=True)
        ]  # fmt: skip
        return model, tuple(parts)
    return None


def _coloured(kind: str, areas: list[float]) -> list[bool]:
    """Say which materials take the piece's colour: the largest, and all that are nearly so.

    A plant has no colour in its name and keeps its leaves.
    """
    if kind == "plant":
        return [False] * len(areas)
    least = min(max(areas), 0.25 * sum(areas))
    return [area >= least for area in areas]


def cache_folder() -> Path:
    """Return where converted meshes are kept (``$XDG_CACHE_HOME/spatialgeo_ros/furniture``)."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "spatialgeo_ros" / "furniture"


def attribution_file() -> Path:
    """Return the file that names the makers and licences of the models used last."""
    return cache_folder() / "ATTRIBUTION.txt"


def _cached_meshes(model: Model) -> list[tuple[Path, Rgb, float]]:
    """Return one mesh file per material with its colour and area, converted when first used.

    Meshes fill the unit box: x and y in [-0.5, 0.5], z in [0, 1], in the axes of
    :mod:`spatialgeo_ros.sim.furniture`.
    """
    key = hashlib.sha256(f"{model.catalogue}:{model.path}".encode()).hexdigest()[:16]
    folder = cache_folder() / key
    index = folder / "index.json"
    if not index.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(model.catalogue) as archive:
            materials = read_obj(archive, model.path)
        # Catalogue axes are y up with the front at +z; ours are z up with the back at +y.
        turn = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]) @ np.reshape(model.rotation, (3, 3))
        turned = [(triangles @ turn.T, rgb) for triangles, rgb in materials]
        corners = np.concatenate([t.reshape(-1, 3) for t, _ in turned])
        low, extent = corners.min(axis=0), np.ptp(corners, axis=0)
        if (extent <= 1e-6).any():
            raise ValueError("the model is flat")
        entries = []
        for k, (triangles, rgb) in enumerate(turned):
            unit = (triangles - low) / extent - [0.5, 0.5, 0.0]
            edges = unit[:, 1:] - unit[:, :1]
            areas = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) / 2
            # The shade is what a lamp's colour means, not its foot or a tray half-way up.
            seen = unit[:, :, 2].mean(axis=1) > (0.6 if model.kind == "lamp" else -1.0)
            area = float(areas[seen].sum())
            name = f"{key}_{k}.stl"
            write_stl(folder / name, unit)
            entries.append({"file": name, "rgb": rgb, "area": area})
        temporary = index.with_suffix(f".{os.getpid()}")
        temporary.write_text(json.dumps(entries))
        temporary.replace(index)  # last and at once: an interrupted conversion is done again
    entries = json.loads(index.read_text())
    return [
        (folder / e["file"], (e["rgb"][0], e["rgb"][1], e["rgb"][2]), e["area"]) for e in entries
    ]


def _attribute(models: list[Model]) -> None:
    """Write who made the models and under which licence beside the cache."""
    lines = ["3D models of the Debian package sweethome3d-furniture that were used here.", ""]
    lines += sorted({f"{m.name} ({m.path}), by {m.creator or 'unknown'}: {m.licence}"
                     for m in models})  # fmt: skip
    path = attribution_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
