# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whose length is told: the map's, or that of one image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.pointmap import DepthSource
from spatialgeo_ros.scene.map_lengths import map_knows_better
from spatialgeo_ros.scene.sighting import SightedEstimate


def length(kind: Kind, metres: float, sigma: float) -> SightedEstimate:
    origin = np.zeros(3)
    return SightedEstimate(
        kind, "table", "", metres, sigma, origin, origin, DepthSource.SENSOR, True
    )


@pytest.mark.parametrize(
    ("kind", "told", "seen", "cut", "better"),
    [
        (Kind.WIDTH, (1.2, 0.05), (1.1, 0.15), False, True),  # surer
        (Kind.WIDTH, (1.2, 0.15), (1.1, 0.05), False, False),
        (Kind.HEIGHT, (1.0, 0.15), (0.24, 0.03), False, True),  # a part of it is seen
        (Kind.HEIGHT, (0.24, 0.15), (1.0, 0.03), False, False),
        (Kind.CAMERA_TO_OBJECT, (1.5, 0.02), (2.0, 0.02), False, False),  # the image knows best
        (Kind.CENTRE_TO_CENTRE, (1.5, 0.02), (2.0, 0.10), False, False),
        (Kind.CAMERA_TO_OBJECT, (1.5, 0.10), (2.0, 0.02), True, True),  # nearer, out of view
        (Kind.CAMERA_TO_OBJECT, (2.1, 0.10), (2.0, 0.02), True, False),
        (Kind.CENTRE_TO_CENTRE, (1.5, 0.30), (2.0, 0.02), True, True),
        (Kind.HEIGHT, (1.0, 0.30), (0.6, 0.02), True, True),
        (Kind.NEAREST_POINTS, (0.4, 0.02), (0.6, 0.02), True, False),
    ],
)
def test_the_map_is_better_at_sizes_and_at_what_the_image_cuts(
    kind: Kind,
    told: tuple[float, float],
    seen: tuple[float, float],
    cut: bool,
    better: bool,
) -> None:
    assert map_knows_better(length(kind, *told), length(kind, *seen), cut) is better


@pytest.mark.parametrize("cut", [False, True])
def test_what_could_not_be_measured_is_the_maps_where_it_is_cut_or_a_size(cut: bool) -> None:
    for kind in (Kind.WIDTH, Kind.CAMERA_TO_OBJECT, Kind.NEAREST_POINTS):
        told = length(kind, 1.0, 0.1)
        invalid = replace(length(kind, 2.0, 0.1), valid=False)
        for seen in (None, invalid):
            assert map_knows_better(told, seen, cut) is (cut or kind is Kind.WIDTH)
