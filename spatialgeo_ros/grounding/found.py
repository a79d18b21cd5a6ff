# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What looking for words gives: where a phrase was found, and what is in view."""

from __future__ import annotations

from dataclasses import dataclass

from spatialgeo_ros.geometry.regions import Region

#: How something was found: by a request's region, by published boxes, by the detector of the node,
#: by patches of CLIP.
REQUEST, DETECTION, DETECTOR, CLIP = "request", "detection", "detector", "clip"
#: Those that the node's own networks found: they invent things, so what they name is verified.
OWN = (DETECTOR, CLIP)


@dataclass(frozen=True)
class SeenObject:
    """One entry of a scan: what is surely in view.

    Attributes:
        label: its name.
        box: x0, y0, x1, y1 in pixels.
        score: in [0, 1].
        how: one of the words above.
    """

    label: str
    box: tuple[float, float, float, float]
    score: float
    how: str


@dataclass(frozen=True, eq=False)
class Found:
    """Where a phrase was found.

    Attributes:
        region: its pixels.
        how: one of the words above.
        score: in [0, 1].
        note: what a caller should know.
        doubt: why it may be another thing than the phrase means; "" when nothing says so. What is
            doubted is never measured as if it were sure.
        sure: whether it is seen clearly enough to say, unasked, that it is there.
        colour: that the phrase names and its pixels have to show; "" for none.
        carried_sigma: metres of one standard deviation that the region may be off because it was
            carried here from the image of its stamp, by pose and depth; NaN where it was not.
    """

    region: Region
    how: str
    score: float
    note: str = ""
    doubt: str = ""
    sure: bool = True
    colour: str = ""
    carried_sigma: float = float("nan")
