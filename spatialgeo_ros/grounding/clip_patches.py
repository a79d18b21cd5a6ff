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
from spatialgeo_ros.query.nouns import Phrase, Vocabulary, colour_mask

Mask = npt.NDArray[np.bool_]
Heat = npt.NDArray[np.float32]

#: Longer side in pixels of the image that heat-maps are refined on.
_WORK_SIZE = 160
#: Share of the seed that must show the phrase's colour before the colour is trusted.
_MIN_COLOUR = 0.08
#: Height above the floor in metres below which a pixel is floor, not object.
_FLOOR_BAND = 0.03


@dataclass(frozen=True)
class DetectionMatch:
    """The detection a phrase means, and how many others would have fitted as well."""

    region: Region
    score: float
    others: int


@dataclass(frozen=True, eq=False)
class Blob:
    """A connected warm part of a heat-map: ``cells`` [h, w] bool, ``peak`` its hottest value."""

    cells: Mask
    peak: float


def match_detection(
    phrase: Phrase, detections: Sequence[Region], image: np.ndarray, vocabulary: Vocabulary
) -> DetectionMatch | None:
    """Pick the detection whose label, and colour where one is named, fits the phrase best.

    Detectors seldom name colours, so a colour in the phrase is looked up in the pixels of the box.

    Args:
        phrase: what to look for.
        detections: regions with labels and scores, in pixels of ``image``.
        image: [H, W, 3] uint8 RGB.
        vocabulary: the synonyms.
    """
    height, width = image.shape[:2]
    scored: list[tuple[float, Region]] = []
    for region in detections:
        score, look_at_colour = vocabulary.agreement(phrase, region.label)
        if score <= 0.0:
            continue
        if look_at_colour:
            try:
                pixels = region.rasterise(height, width)
            except BadRegionError:
                continue  # a detection outside the image cannot be the answer
            share = float(colour_mask(image[pixels], phrase.colour).mean())
            if share < _MIN_COLOUR:
                continue
            score *= min(1.0, 0.5 + share)
        scored.append((score * max(region.score, 1e-3), region))
    if not scored:
        return None
    scored.sort(key=lambda pair: -pair[0])
    best, region = scored[0]
    others = sum(1 for score, _ in scored[1:] if score > 0.5 * best)
    return DetectionMatch(region, best, others)


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
    """Turn one blob of a heat-map into the pixels of the object.

    GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004) on chroma and inverse depth instead of
    RGB: shading does not split an object, and a step in depth separates it from what is behind it.
    The blob and one ring of cells around it are undecided, everything else and the floor is
    background.

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
    values = np.asarray(heat, np.float32) * _ring(cells, 1)
    peak = float(values.max(initial=0.0))
    if peak <= 0.0:
        return None
    height, width = image.shape[:2]
    scale = min(1.0, _WORK_SIZE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    warm = cv2.resize(values / peak, size, interpolation=cv2.INTER_LINEAR)
    zone = cv2.resize(_ring(cells, 1), size, interpolation=cv2.INTER_NEAREST) > 0

    near = None
    if points is not None:
        near = cv2.resize(points, size, interpolation=cv2.INTER_NEAREST)
    labels = np.full(zone.shape, cv2.GC_PR_BGD, np.uint8)
    likely = warm > 0.45
    if colour:
        coloured = colour_mask(small.reshape(-1, 3), colour).reshape(zone.shape)
        if (coloured & likely).sum() >= _MIN_COLOUR * likely.sum():
            likely = coloured & (warm > 0.27)
    labels[likely] = cv2.GC_PR_FGD
    labels[~zone] = cv2.GC_BGD
    if near is not None and gravity is not None and camera_height is not None:
        with np.errstate(invalid="ignore"):
            above = camera_height - near @ np.asarray(gravity, np.float32)
            labels[above < _FLOOR_BAND] = cv2.GC_BGD
    if not _separable(labels):
        return None
    cv2.setRNGSeed(0)  # GrabCut's clustering draws random numbers: the same frame, the same region
    cv2.grabCut(
        _composite(small, near),
        labels,
        (0, 0, 0, 0),  # the rectangle is not used with GC_INIT_WITH_MASK
        np.zeros((1, 65)),
        np.zeros((1, 65)),
        2,
        cv2.GC_INIT_WITH_MASK,
    )
    chosen = _warmest_parts((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD), warm)
    if chosen is None:
        return None
    full = cv2.resize(chosen.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return full > 0


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
