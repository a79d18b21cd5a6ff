# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An object that was seen: which pixels of which image, its points, and how it was found."""

from __future__ import annotations

from dataclasses import dataclass

from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import ObjectPoints
from spatialgeo_ros.memory.frame import Frame


@dataclass(frozen=True, eq=False)
class LocatedObject:
    """An object that a phrase or region was resolved to.

    Attributes:
        region: where it is in the image of ``frame`` (box and mask for phrases).
        points: its visible surface, in the camera frame of ``frame``.
        how: "request", "detection" or "clip".
        score: in [0, 1]; 1 for regions of a request.
        frame: the frame it was found in; another one than asked about when it is remembered.
        note: what a caller should know (chosen among several, remembered from another frame).
        kind: canonical kind of the object, "" when unknown.
        doubt: why it may be another thing than the one asked for; no number about it is valid then.
    """

    region: Region
    points: ObjectPoints
    how: str
    score: float
    frame: Frame
    note: str = ""
    kind: str = ""
    doubt: str = ""

    @property
    def label(self) -> str:
        """Name of the object as the answer calls it."""
        return self.region.label
