# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What becomes less sure because an image shows its place and not the thing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spatialgeo_ros.memory import existence
from spatialgeo_ros.memory.association import (
    LEAST_RELATED,
    Related,
    label_agreement,
    surface_overlap,
)
from spatialgeo_ros.memory.changes import Changes, Matches
from spatialgeo_ros.memory.detected import EVERYTHING, MapFrame
from spatialgeo_ros.memory.existence import Look
from spatialgeo_ros.memory.map_object import TrackedObject
from spatialgeo_ros.memory.map_rows import MapRows

#: Share, both ways, from which a thing of another kind fills an object's place.
_FILLED = 0.5
_SAME_BOX = 0.3  # share of the smaller of two boxes in the image, from which they are of one thing
#: Things seen this often that are missing at once, at least, and share of those in view, that are
#: reported.
_WELL_KNOWN, _MANY, _MOST_OF = 3, 3, 0.7


def judge_unseen(
    rows: MapRows,
    related: Related,
    frame: MapFrame,
    matches: Matches,
    looks: dict[str, Look],
    changes: Changes,
) -> None:
    """Lower the odds of what is in view and was not detected, by what its place shows.

    Args:
        rows: the objects.
        related: how alike labels are.
        frame: the image.
        matches: its things.
        looks: at the objects in view, by id.
        changes: so far; what is gone or forgotten by this is added.
    """
    seen = set(changes.names)
    fixed = [k for k in matches.kept if not frame.detected[k].dynamic]
    places = np.array([frame.detected[k].centre for k in fixed]).reshape(-1, 3)
    looked_at = empty = 0
    for name, look in looks.items():
        tracked = rows.get(name)
        if tracked is None:
            continue
        if tracked.sightings >= _WELL_KNOWN and not tracked.dynamic:
            looked_at += name in seen or look.there or look.empty
            empty += name not in seen and look.empty
        if name in seen or _seen_unplaced(related, frame, tracked, look):
            continue
        if look.empty:
            existence.seen_empty(tracked)
        elif look.partly_in_view:
            away = np.linalg.norm(places - tracked.centre, axis=1)
            near = [fixed[k] for k in np.flatnonzero(away < tracked.radius)]
            if (other := _filling(related, frame, matches, tracked, near)) is not None:
                existence.filled_by_other(tracked)
                tracked.rival = changes.names[other]
            elif existence.could_be_detected(tracked, look) and _looked_for(
                related, frame, tracked
            ):
                direction = tracked.direction_from(frame.pose.translation)
                existence.missed(tracked, look, direction)
        if tracked.gone:
            # Nobody misses what was seen once, and what goes about is somewhere else.
            known = tracked.confirmed and tracked.sightings > 1 and not tracked.dynamic
            (changes.gone if known else changes.forgotten).append(name)
            rows.changed(tracked)
    if empty >= _MANY and empty > _MOST_OF * looked_at:
        changes.reason = (
            f"{empty} of {looked_at} objects in view are not in their places at once: they were "
            "taken away, or the pose is wrong"
        )


def _filling(
    related: Related,
    frame: MapFrame,
    matches: Matches,
    tracked: TrackedObject,
    near: Sequence[int],
) -> int | None:
    """Index of a thing of another kind, or clearly another colour, where the object should be."""
    for k in near:
        if label_agreement(related, frame.detected[k], tracked) >= LEAST_RELATED:
            continue
        if min(surface_overlap(matches.surfaces[k], tracked.cells, 0.0)) > _FILLED:
            return k
    return None


def _looked_for(related: Related, frame: MapFrame, tracked: TrackedObject) -> bool:
    if frame.looked_for is None:
        return False
    if frame.looked_for >= EVERYTHING:
        return True
    names = {tracked.label, tracked.kind}
    return any(
        related(wanted, name) >= LEAST_RELATED for wanted in frame.looked_for for name in names
    )


def _seen_unplaced(related: Related, frame: MapFrame, tracked: TrackedObject, look: Look) -> bool:
    """Tell whether a detected thing without a place may be this object."""
    x0, y0, x1, y1 = look.box
    for thing in frame.unplaced:
        u0, v0, u1, v1 = thing.box
        width, height = min(x1, u1) - max(x0, u0), min(y1, v1) - max(y0, v0)
        least = min((x1 - x0) * (y1 - y0), (u1 - u0) * (v1 - v0))
        if width > 0 and height > 0 and width * height > _SAME_BOX * least:
            if related(thing.label, tracked.label) >= LEAST_RELATED:
                return True
    return False
