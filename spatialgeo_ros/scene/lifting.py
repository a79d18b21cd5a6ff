# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From regions of an observation to the points of the objects in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import BadRegionError, TooLittleSupportError
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pointmap import PointMap
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.geometry.segmentation import segment_object
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.scene.overlaps import claimants, pixels_of


def segment(
    observation: Observation,
    pointmap: PointMap,
    region: Region,
    outlines: bool = True,
    excluded: NDArray[np.bool_] | None = None,
) -> ObjectPoints:
    """Separate the object of a region from everything else in it.

    Args:
        observation: of the image.
        pointmap: of it.
        region: in its pixels.
        outlines: of a coarse mask, for measuring lengths; see :func:`segment_object`.
        excluded: [H, W] bool, pixels that are known to be something else; None for none.

    Raises:
        BadRegionError: the region covers no pixel.
        TooLittleSupportError: too few measured points on the object.
    """
    image = observation.frame.image
    points = segment_object(
        pointmap,
        region,
        observation.gravity,
        observation.camera_height,
        image=image if image.shape[:2] == pointmap.shape else None,
        outlines=outlines,
        excluded=excluded,
    )
    return replace(points, floor_sigma=observation.camera_height_sigma)


def segment_all(
    observation: Observation, pointmap: PointMap, regions: Iterable[Region]
) -> Iterator[tuple[int, Region, ObjectPoints | None]]:
    """Separate the objects of all labelled regions of an image, each without what others claim.

    Yields:
        The region's number, the region and its object, which is None where it cannot be measured.
    """
    found: dict[int, tuple[Region, ObjectPoints | None]] = {}
    for number, region in enumerate(regions):
        if not region.label:
            continue
        try:
            found[number] = region, segment(observation, pointmap, region, outlines=False)
        except BadRegionError:
            continue
        except TooLittleSupportError:
            found[number] = region, None
    regions = [region for region, _ in found.values()]
    objects = {id(region): points for region, points in found.values()}

    def lift(other: Region) -> ObjectPoints | None:
        return objects[id(other)]

    for number, (region, points) in found.items():
        if points is not None:
            if owners := claimants(pointmap, region, points, regions, lift):
                claimed = pixels_of([one for _, one in owners])
                points = segment_or_none(observation, pointmap, region, False, claimed)
        yield number, region, points


def segment_or_none(
    observation: Observation,
    pointmap: PointMap,
    region: Region,
    outlines: bool,
    excluded: NDArray[np.bool_] | None = None,
) -> ObjectPoints | None:
    """As :func:`segment`; None where the region's object cannot be measured."""
    try:
        return segment(observation, pointmap, region, outlines, excluded)
    except (BadRegionError, TooLittleSupportError):
        return None
