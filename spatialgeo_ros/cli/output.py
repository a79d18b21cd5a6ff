# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the commands print and draw: distances as lines or JSON, the annotated picture."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.geometry.distance import DistanceEstimate
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.visible_centre import visible_centre
from spatialgeo_ros.scene.sighting import SightedEstimate


def print_degraded(reasons: Sequence[str]) -> None:
    """Print what was missing, to the error stream."""
    for reason in reasons:
        print(f"note: {reason}", file=sys.stderr)


def write_overlay(path: Path | None, observation: Any, **parts: Any) -> None:
    """Draw regions, masks, distances and text over a frame, and write the picture.

    Args:
        path: of the picture, or None for none.
        observation: whose frame is drawn on.
        parts: more arguments of ``drawing.draw_overlay``.

    Raises:
        BadImageError: it cannot be written.
    """
    if path is None:
        return
    from spatialgeo_ros.drawing import draw_overlay

    frame = observation.frame
    write_image(path, draw_overlay(frame.image, camera=frame.model, **parts))


def write_image(path: Path, picture: np.ndarray) -> None:
    """Write an RGB image [H, W, 3] uint8.

    Raises:
        BadImageError: it cannot be written.
    """
    try:
        written = cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    except cv2.error as error:
        raise BadImageError(f"no picture can be written to {path}: {error.err}") from error
    if not written:
        raise BadImageError(f"no picture can be written to {path}")


def distance_line(estimate: DistanceEstimate) -> str:
    """One distance for people."""
    names = estimate.from_label + (f" - {estimate.to_label}" if estimate.to_label else "")
    kind = estimate.kind.name.lower()
    if not estimate.valid:
        return f"{kind} ({names}): not measured: {estimate.reason}"
    note = f"  [{estimate.reason}]" if estimate.reason else ""
    return f"{kind} ({names}): {estimate.distance:.3f} m +- {estimate.sigma:.3f} m{note}"


def object_dict(label: str, points: ObjectPoints) -> dict[str, Any]:
    """One object for JSON: where the middle of what is seen of it is, camera optical frame."""
    centre = visible_centre(points)
    return {
        "label": label,
        "visible_centre_m": [float(v) for v in centre.point],
        "visible_centre_std_dev_m": centre.sigma,
        "unread_share": centre.unread,
    }


def distance_dict(estimate: SightedEstimate) -> dict[str, Any]:
    """One distance for JSON; what is not finite is null."""
    source = estimate.source if isinstance(estimate.source, str) else estimate.source.value
    return {
        "kind": estimate.kind.name.lower(),
        "from": estimate.from_label,
        "to": estimate.to_label,
        "distance_m": estimate.distance if math.isfinite(estimate.distance) else None,
        "std_dev_m": estimate.sigma if math.isfinite(estimate.sigma) else None,
        "valid": estimate.valid,
        "reason": estimate.reason,
        "doubt": estimate.doubt,
        "source": source,
    }
