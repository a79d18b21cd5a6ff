# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From words to pixels: which detection, or which part of a similarity map, a phrase means.

The patch grid of an image encoder is coarse (12 x 9 for the nano profile). A heat-map on that grid
says where the object is; colour and depth at a finer resolution say which pixels belong to it.
Pure NumPy and OpenCV: the networks that make the heat-maps live elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRegionError
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.query.colours import colour_mask
from spatialgeo_ros.query.phrases import NounPhrase
from spatialgeo_ros.query.vocabulary import Vocabulary

Mask = npt.NDArray[np.bool_]
Heat = npt.NDArray[np.float32]

#: Longer side in pixels of the image that heat-maps are refined on.
_WORK_SIZE = 160
#: Share of the seed that must show the phrase's colour before the colour is trusted.
MIN_COLOUR = 0.08
#: Share of the colour, of the most that a fitting box shows, below which a box shows another's.
_RIVAL_COLOUR = 0.25
#: Intersection over union above which two boxes are of one object.
_SAME_BOX = 0.6
#: Height above the floor in metres below which a pixel is floor, not object.
_FLOOR_BAND = 0.03


@dataclass(frozen=True, eq=False)
class Blob:
    """A connected warm part of a heat-map: ``cells`` [h, w] bool, ``peak`` its hottest value."""

    cells: Mask
    peak: float


def match_detections(
    phrase: NounPhrase, detections: Sequence[Region], image: np.ndarray, vocabulary: Vocabulary
) -> list[tuple[Region, float]]:
    """Return every detection whose label, and colour where one is named, fits the phrase.

    Detectors seldom name colours, so a colour in the phrase is looked up in the pixels of the box.
    Boxes that are nearly the same are one object.

    Args:
        phrase: what to look for.
        detections: regions with labels and scores, in pixels of ``image``.
        image: [H, W, 3] uint8 RGB.
        vocabulary: what fits what.

    Returns:
        Regions and how well each fits, in (0, 1], best first.
    """
    height, width = image.shape[:2]
    fitting: list[tuple[float, float, Region]] = []  # fit, share of the colour, region
    for region in detections:
        score, look_at_colour = vocabulary.agreement(phrase, region.label)
        if score <= 0.0:
            continue
        share = 1.0
        if look_at_colour:
            try:
                pixels = region.rasterise(height, width)
            except BadRegionError:
                continue  # a detection outside the image cannot be the answer
            share = float(colour_mask(image[pixels], phrase.colour).mean())
            if share < MIN_COLOUR:
                continue
            score *= min(1.0, 0.5 + share)
        fitting.append((score * max(region.score, 1e-3), share, region))
    most = max((share for _, share, _ in fitting), default=0.0)
    fitting.sort(key=lambda one: -one[0])
    kept: list[tuple[Region, float]] = []
    for score, share, region in fitting:
        if share < _RIVAL_COLOUR * most:
            continue  # what is red in its box may well be the red one beside it
        if not any(same_box(region, other, height, width) for other, _ in kept):
            kept.append((region, min(1.0, score)))
    return kept


def same_box(a: Region, b: Region, height: int, width: int) -> bool:
    """Tell whether two regions of one image overlap so much that they are of one object."""
    try:
        first, second = a.bounds(height, width), b.bounds(height, width)
    except BadRegionError:
        return False
    sides = [
        min(first[axis + 2], second[axis + 2]) - max(first[axis], second[axis]) + 1
        for axis in (0, 1)
    ]
    if min(sides) <= 0:
        return False
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (first, second)]
    shared = sides[0] * sides[1]
    return shared > _SAME_BOX * (sum(areas) - shared)


def name_probabilities(logits: npt.ArrayLike) -> Heat:
    """Softmax over names of patch-text logits [n, h, w]; each patch's names sum to one."""
    values = np.asarray(logits, np.float32)
    shifted = np.exp(values - values.max(axis=0, keepdims=True))
    return shifted / shifted.sum(axis=0, keepdims=True)


def blobs(heat: npt.ArrayLike, threshold: float) -> list[Blob]:
    """Connected parts (8-neighbourhood) of a heat-map above ``threshold``, largest mass first.

    Cells below half of the blob's own peak are not part of it.
    """
    values = np.asarray(heat, np.float32)
    if values.size == 0 or not np.isfinite(values).all():
        return []
    count, labels = cv2.connectedComponents((values >= threshold).astype(np.uint8), connectivity=8)
    found = []
    for index in range(1, count):
        cells = labels == index
        peak = float(values[cells].max())
        found.append(Blob(cells & (values >= 0.5 * peak), peak))
    return sorted(found, key=lambda blob: -float(values[blob.cells].sum()))


def refine(
    heat: npt.ArrayLike,
    cells: Mask,
    image: np.ndarray,
    points: np.ndarray | None = None,
    gravity: npt.ArrayLike | None = None,
    camera_height: float | None = None,
    colour: str = "",
) -> Mask | None:
    """Turn one blob of a heat-map into the pixels of the object; see :func:`refine_all`.

    Args:
        heat: [h, w] in [0, 1], covering the whole image.
        cells: [h, w] bool, the blob.
        image: [H, W, 3] uint8 RGB.
        points: [H, W, 3] metric points in the camera frame (NaN invalid), or None.
        gravity: [3] direction of falling in the camera frame, or None.
        camera_height: of the camera above the floor in metres, or None.
        colour: canonical colour the phrase names, or "".

    Returns:
        [H, W] bool, or None when nothing stands out.
    """
    part = np.asarray(heat, np.float32), cells, colour
    return refine_all([part], image, points, gravity, camera_height)[0]


def refine_all(
    parts: Sequence[tuple[Heat, Mask, str]],
    image: np.ndarray,
    points: np.ndarray | None = None,
    gravity: npt.ArrayLike | None = None,
    camera_height: float | None = None,
) -> list[Mask | None]:
    """Turn blobs of heat-maps into the pixels of their objects, all in one cut.

    GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004) on chroma and inverse depth instead of
    RGB: shading does not split an object, and a step in depth separates it from what is behind it.
    The blobs and one ring of cells around them are undecided, everything else and the floor is
    background. What two blobs claim is the warmer one's.

    Args:
        parts: heat-map [h, w] in [0, 1], blob [h, w] and colour ("" for none) of each.
        image: [H, W, 3] uint8 RGB.
        points: [H, W, 3] metric points in the camera frame (NaN invalid), or None.
        gravity: [3] direction of falling in the camera frame, or None.
        camera_height: of the camera above the floor in metres, or None.

    Returns:
        [H, W] bool of each, or None where nothing stands out.
    """
    height, width = image.shape[:2]
    scale = min(1.0, _WORK_SIZE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    near = None if points is None else cv2.resize(points, size, interpolation=cv2.INTER_NEAREST)
    labels = np.full(small.shape[:2], cv2.GC_BGD, np.uint8)
    warmths, zones = [], []
    for heat, cells, colour in parts:
        values = heat * _ring(cells, 1)
        warm = cv2.resize(
            values / max(float(values.max(initial=0.0)), 1e-9), size, interpolation=cv2.INTER_LINEAR
        )
        zone = cv2.resize(_ring(cells, 1), size, interpolation=cv2.INTER_NEAREST) > 0
        likely = warm > 0.45
        if colour:
            coloured = colour_mask(small.reshape(-1, 3), colour).reshape(zone.shape)
            if (coloured & likely).sum() >= MIN_COLOUR * likely.sum():
                likely = coloured & (warm > 0.27)
        labels[zone & (labels == cv2.GC_BGD)] = cv2.GC_PR_BGD
        labels[likely & zone] = cv2.GC_PR_FGD
        warmths.append(warm)
        zones.append(zone)
    if near is not None and gravity is not None and camera_height is not None:
        with np.errstate(invalid="ignore"):
            above = camera_height - near @ np.asarray(gravity, np.float32)
            labels[above < _FLOOR_BAND] = cv2.GC_BGD
    if not _separable(labels):
        return [None] * len(parts)
    cv2.setRNGSeed(0)  # GrabCut's clustering draws random numbers: the same frame, the same region
    cv2.grabCut(
        _composite(small, near),
        labels,
        (0, 0, 0, 0),  # the rectangle is not used with GC_INIT_WITH_MASK
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        # Of several things at once a second round tells no more: on 40 views of rooms never trained
        # on their boxes overlap the true ones by 0.54 after one and by 0.53 after two (median).
        2 if len(parts) == 1 else 1,
        cv2.GC_INIT_WITH_MASK,
    )
    front = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    warmest = np.max(warmths, axis=0)
    masks: list[Mask | None] = []
    for warm, zone in zip(warmths, zones, strict=True):
        chosen = _warmest_parts(front & zone & (warm >= warmest), warm)
        if chosen is not None:
            full = cv2.resize(
                chosen.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST
            )
            chosen = full > 0
        masks.append(chosen)
    return masks


def _ring(cells: Mask, cells_wide: int) -> npt.NDArray[np.uint8]:
    side = 2 * cells_wide + 1
    grown = cv2.dilate(cells.astype(np.uint8), np.ones((side, side), np.uint8))
    return np.asarray(grown, np.uint8)


def _separable(labels: np.ndarray) -> bool:
    """GrabCut fits five colours to each side, so both need at least a few pixels."""
    front = int(((labels == cv2.GC_PR_FGD) | (labels == cv2.GC_FGD)).sum())
    return front >= 10 and labels.size - front >= 10


def _composite(small: np.ndarray, points: np.ndarray | None) -> np.ndarray:
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    third = lab[..., 0] // 2  # without depth: lightness, at half weight because of shading
    if points is not None:
        depth = points[..., 2]
        inverse = np.where(np.isfinite(depth) & (depth > 0.2), 1.0 / np.maximum(depth, 0.2), 0.0)
        top = float(np.percentile(inverse, 98))
        if top > 0:
            third = np.clip(inverse / top * 255.0, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.dstack([lab[..., 1], lab[..., 2], third]))


def _warmest_parts(mask: Mask, warm: np.ndarray) -> Mask | None:
    """Keep the connected parts that hold a fair share of the heat; drop specks elsewhere."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    if count < 2:
        return None
    mass = np.bincount(labels.ravel(), weights=warm.ravel().astype(np.float64), minlength=count)
    mass[0] = 0.0
    if mass.max() <= 0:
        return None
    return (mass >= 0.15 * mass.max())[labels]
