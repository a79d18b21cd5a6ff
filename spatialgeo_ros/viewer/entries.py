# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is logged, and where: entity paths and the things of one moment at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rerun as rr

WORLD = "/world"
CLOUDS = f"{WORLD}/points"
LINES = f"{WORLD}/lines"
OBJECTS = f"{WORLD}/objects"
KEYFRAMES = f"{WORLD}/keyframes"
ROOM = f"{WORLD}/room"
CAMERAS = f"{WORLD}/cameras"
OVERLAYS = "/overlays"
DISTANCES = "/distances"
STD_DEVS = "/std_devs"
LATENCIES = "/latencies"
ANSWERS = "/answers"
DIAGNOSTICS = "/diagnostics"
VIEWER = "/viewer"

#: Timeline of the stamps in the messages; the other one, of when they were shown, is Rerun's own.
STAMP, LOG_TIME = "stamp", "log_time"


@dataclass(frozen=True)
class Entry:
    """What is logged at one entity.

    Attributes:
        path: of the entity.
        parts: archetypes of Rerun.
        static: whether it holds for all times.
    """

    path: str
    parts: tuple[Any, ...]
    static: bool = False


def below(parent: str, name: str) -> str:
    """Return the path of a child whose name may be any text."""
    return f"{parent}/{rr.escape_entity_path_part(name)}"


def camera_path(name: str) -> str:
    """Return the entity that a camera's pose moves."""
    return below(CAMERAS, name)


def image_path(name: str) -> str:
    """Return the entity of a camera's image; what is drawn on it stands below."""
    return f"{camera_path(name)}/image"


def cleared(path: str) -> Entry:
    """Return the entry that takes back what an entity shows, and all below it."""
    return Entry(path, (rr.Clear(recursive=True),))
