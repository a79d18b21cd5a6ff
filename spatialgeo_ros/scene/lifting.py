# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From regions of an observation to the points of the objects in them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

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
    return replace(points, floor_sigma=observation.camera_height_sigma, excluded=excluded)


def segment_without(
    observation: Observation,
    pointmap: PointMap,
    region: Region,
    points: ObjectPoints,
    pixels: NDArray[np.bool_],
) -> ObjectPoints | None:
    """Separate the object of a region once more, without pixels that are something else's.

    Args:
        observation: of the image.
        pointmap: of it.
        region: in its pixels.
        points: what was found in it; what it was found without stays left out.
        pixels: [H, W] of something else.

    Returns:
        None where nothing else can be measured in the region.
    """
    if points.excluded is not None:
        pixels = pixels | points.excluded
    return segment_or_none(observation, pointmap, region, bool(points.outlines), pixels)


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
            points = segment(observation, pointmap, region, outlines=False)
        except BadRegionError:
            continue
        except TooLittleSupportError:
            points = None
        found[number] = region, points
        _keep(observation, region, points)
    regions = [region for region, _ in found.values()]
    lift = functools.partial(pixels_in, observation, pointmap)
    for number, (region, points) in found.items():
        if points is not None:
            if owners := claimants(pointmap, region, points, regions, lift):
                claimed = pixels_of([one for _, one in owners])
                points = segment_without(observation, pointmap, region, points, claimed)
        yield number, region, points


@dataclass(frozen=True, eq=False)
class RegionPixels:
    """The pixels of what was separated in a region, as little as they can be kept in.

    Attributes:
        shape: height and width of the image.
        corner: row and column of the first pixel of ``part``.
        part: [h, w] bool, the object's pixels.
        flat: whether it lies flat on what is behind it.
    """

    shape: tuple[int, int]
    corner: tuple[int, int]
    part: NDArray[np.bool_]
    flat: bool

    @property
    def mask(self) -> NDArray[np.bool_]:
        """The object's pixels, [H, W] bool."""
        (top, left), (height, width) = self.corner, self.part.shape
        pixels = np.zeros(self.shape, bool)
        pixels[top : top + height, left : left + width] = self.part
        return pixels


def pixels_in(observation: Observation, pointmap: PointMap, region: Region) -> RegionPixels | None:
    """Return the pixels of a region's object, separated once for an observation.

    Args:
        observation: of the image; keeps them.
        pointmap: of it.
        region: in its pixels, one that lives as long as the observation does.

    Returns:
        None where it cannot be measured.
    """
    kept = observation.things.get(id(region))
    if kept is None or kept[0] is not region:
        kept = _keep(
            observation, region, segment_or_none(observation, pointmap, region, outlines=False)
        )
    return kept[1]


def _keep(
    observation: Observation, region: Region, points: ObjectPoints | None
) -> tuple[Region, RegionPixels | None]:
    pixels = None
    if points is not None:
        left, top, right, bottom = points.box
        part = points.mask[top : bottom + 1, left : right + 1].copy()
        pixels = RegionPixels(points.mask.shape, (top, left), part, points.flat)
    observation.things[id(region)] = region, pixels
    return region, pixels


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
