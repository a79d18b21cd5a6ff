# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measured distances: as plots over time with their standard deviation, and as lines."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import rerun as rr

from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.node.markers import caption
from spatialgeo_ros.node.messages import REQUEST
from spatialgeo_ros.viewer.entries import DISTANCES, STD_DEVS, Entry, below

#: Different distances that are plotted: each is a series of its own, and a plot of more is none.
MOST_SERIES = 64
_PALETTE = (
    (31, 119, 180), (255, 127, 14), (44, 160, 44), (214, 39, 40), (148, 103, 189),
    (140, 86, 75), (227, 119, 194), (127, 127, 127), (188, 189, 34), (23, 190, 207),
)  # fmt: skip
_LINE_COLOUR = (255, 190, 25)
_LINE_RADIUS = 0.006  # m
_LINE_PIXELS = 1.5


def name_of(estimate: Any) -> str:
    """Return the name of the series that a ``spatialgeo_ros/DistanceEstimate`` belongs to.

    A watch is one series of each kind: what it calls its objects may change with what it finds.
    """
    kind = Kind(estimate.kind).name.lower().replace("_", " ")
    if estimate.watch_id:
        return f"{estimate.watch_id}: {kind}"
    return f"{REQUEST}: {kind}, {_objects(estimate)}"


def _objects(estimate: Any) -> str:
    to = f" to {estimate.to_object}" if estimate.to_object else ""
    return f"{estimate.from_object}{to}"


class DistanceSeries:
    """Gives each distance that is measured a plot, and explains it once.

    The entity below ``/distances`` has three values: the distance, and one standard deviation less
    and more; all are NaN while the estimate is not valid, which breaks the line. The entity below
    ``/std_devs`` has the standard deviation. Metres.
    """

    def __init__(self) -> None:
        self._titles: dict[str, str] = {}
        self.unplotted: set[str] = set()

    def entries(self, estimate: Any) -> list[Entry]:
        """Return the values of an estimate; none when there are too many series already."""
        name = name_of(estimate)
        if name in self.unplotted:
            return []
        if name not in self._titles and len(self._titles) >= MOST_SERIES:
            if len(self.unplotted) < MOST_SERIES:
                self.unplotted.add(name)
            return []
        styles = []
        title = f"{name}, {_objects(estimate)}" if estimate.watch_id else name
        # A watch that finds nothing knows less about its objects than it did.
        if title != self._titles.get(name) and (estimate.valid or name not in self._titles):
            self._titles[name] = title
            styles = self._styles(name, bool(estimate.watch_id))
        value, sigma = estimate.distance, estimate.std_dev
        if not estimate.valid:
            value = sigma = math.nan
        return [
            *styles,
            Entry(below(DISTANCES, name), (rr.Scalars([value, value - sigma, value + sigma]),)),
            Entry(below(STD_DEVS, name), (rr.Scalars([sigma]),)),
        ]

    def _styles(self, name: str, standing: bool) -> list[Entry]:
        """Return how a series is drawn: a line where it goes on, points for single questions."""
        title = self._titles[name]
        colour = _PALETTE[list(self._titles).index(name) % len(_PALETTE)]
        pale = (*colour, 110)
        names = [title, "- 1 std dev", "+ 1 std dev"]
        colours = [colour, pale, pale]
        if standing:
            style: Any = rr.SeriesLines(colors=colours, names=names, widths=[2.0, 1.0, 1.0])
            single: Any = rr.SeriesLines(colors=[colour], names=[title])
        else:
            style = rr.SeriesPoints(
                colors=colours, names=names, markers=["circle", "down", "up"],
                marker_sizes=[5.0, 3.0, 3.0],
            )  # fmt: skip
            single = rr.SeriesPoints(colors=[colour], names=[title])
        return [
            Entry(below(DISTANCES, name), (style,), static=True),
            Entry(below(STD_DEVS, name), (single,), static=True),
        ]


def line_entry(path: str, estimate: Any, ends: npt.NDArray[np.float64]) -> Entry:
    """Return a measured line with its length.

    Args:
        path: of the entity.
        estimate: a valid one.
        ends: the two ends, [2, 3] metres in the world, or [2, 2] pixels.
    """
    looks: Any = {"colors": _LINE_COLOUR, "labels": [caption(estimate)], "show_labels": True}
    if ends.shape[1] == 3:
        return Entry(path, (rr.LineStrips3D([ends], radii=_LINE_RADIUS, **looks),))
    return Entry(path, (rr.LineStrips2D([ends], radii=_LINE_PIXELS, **looks),))


def ends_of(estimate: Any) -> npt.NDArray[np.float64]:
    """Return the two points [2, 3] of an estimate, metres, in the frame of its header."""
    return np.array(
        [(point.x, point.y, point.z) for point in (estimate.from_point, estimate.to_point)]
    )
