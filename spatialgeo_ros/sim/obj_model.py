# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reads Wavefront OBJ models as triangles per material, and writes binary STL for MuJoCo."""

from __future__ import annotations

import struct
import zipfile
from collections import defaultdict
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

Triangles = npt.NDArray[np.float64]
_GREY = (0.6, 0.6, 0.6)
#: MuJoCo needs four vertices for a mesh; materials with fewer triangles are left out.
_FEWEST_TRIANGLES = 2


def read_obj(
    archive: zipfile.ZipFile, path: str
) -> list[tuple[Triangles, tuple[float, float, float]]]:
    """Read a model from an archive.

    Polygons become fans of triangles. Textures are not read: the diffuse colour stands for them.

    Args:
        archive: that holds the OBJ file and its MTL files.
        path: of the OBJ file.

    Returns:
        Per material the triangles [N, 3, 3] in the model's units and the diffuse colour.

    Raises:
        KeyError: the archive has no such file.
        ValueError: the file holds no triangles.
    """
    vertices: list[tuple[float, float, float]] = []
    faces: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
    colours: dict[str, tuple[float, float, float]] = {}
    material = ""
    for line in archive.read(path).decode("latin-1").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "v":
            x, y, z = (float(v) for v in rest.split()[:3])
            vertices.append((x, y, z))
        elif word == "f":
            corners = [_index(corner, len(vertices)) for corner in rest.split()]
            for k in range(1, len(corners) - 1):
                faces[material].append((corners[0], corners[k], corners[k + 1]))
        elif word == "usemtl":
            material = rest.strip()
        elif word == "mtllib":
            colours |= _read_colours(archive, str(PurePosixPath(path).parent / rest.strip()))
    points = np.array(vertices, np.float64).reshape(-1, 3)
    out = []
    for name, corners_of in faces.items():
        triangles = points[np.array(corners_of)]
        edges = triangles[:, 1:] - triangles[:, :1]
        solid = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1) > 1e-12
        if np.count_nonzero(solid) >= _FEWEST_TRIANGLES:
            out.append((triangles[solid], colours.get(name, _GREY)))
    if not out:
        raise ValueError(f"{path} holds no triangles")
    return out


def _index(corner: str, count: int) -> int:
    """Return the zero-based vertex of ``3``, ``3/1/2`` or, counted from the end, ``-1``."""
    number = int(corner.split("/")[0])
    return number - 1 if number > 0 else count + number


def _read_colours(archive: zipfile.ZipFile, path: str) -> dict[str, tuple[float, float, float]]:
    try:
        text = archive.read(path).decode("latin-1")
    except KeyError:  # some models name a library that is not there
        return {}
    colours: dict[str, tuple[float, float, float]] = {}
    name = ""
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "newmtl":
            name = rest.strip()
        elif word == "Kd":
            r, g, b = (min(1.0, max(0.0, float(v))) for v in rest.split()[:3])
            colours[name] = (r, g, b)
    return colours


def write_stl(path: Path, triangles: Triangles) -> None:
    """Write triangles [N, 3, 3] as binary STL (normals left zero: readers compute them)."""
    records = np.zeros(
        len(triangles), np.dtype([("normal", "<f4", 3), ("v", "<f4", (3, 3)), ("tag", "<u2")])
    )
    records["v"] = triangles
    path.write_bytes(bytes(80) + struct.pack("<I", len(triangles)) + records.tobytes())
