# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures for people: the annotated image, one object of it, the top-down map of what was seen."""

from spatialgeo_ros.drawing.cutout import draw_cutout
from spatialgeo_ros.drawing.map import MapKeyframe, MapLine, MapObject, draw_map
from spatialgeo_ros.drawing.overlay import distance_text, draw_overlay

__all__ = [
    "MapKeyframe",
    "MapLine",
    "MapObject",
    "distance_text",
    "draw_cutout",
    "draw_map",
    "draw_overlay",
]
