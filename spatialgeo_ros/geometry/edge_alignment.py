# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether depth lies on the image it came with: where depth jumps, most images have an edge.

Frames and calibrations can say that depth is registered when it is not. The pictures cannot: the
jumps of depth of one camera meet the edges of another's image only somewhere else.

Depth edges are laid over the strength of the image's edges at every shift (a correlation by FFT)
and in several sizes about the middle, since another lens shows the same in another size. Where it
lies, the mean strength under the depth edges is compared with that at the best other place.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

_COLUMNS = 192  # of the thinned image in which edges are compared
_STEP = 0.06  # relative jump of depth between neighbours that is an edge
_SCALES = (0.72, 0.78, 0.84, 0.9, 0.95, 1.0, 1.05, 1.11, 1.18, 1.26, 1.35)
_REACH = 0.12  # of the width: largest shift that is looked at
_HERE = 2  # pixels of the thinned image by which registered depth may be off
_LEAST_EDGES = 150  # pixels of depth edges, over all images
# Standard deviations over the mean of all places that make one the right one; chance reaches 4.6.
_PEAK = 5.0


@dataclass(frozen=True)
class Alignment:
    """Where depth edges fit the image's edges best.

    Attributes:
        here: how well they fit where they lie, standard deviations above the mean of all places.
        best: the same at the best place.
        shift: (right, down) pixels of the image by which depth would have to move.
        scale: by which it would have to grow about the middle.
    """

    here: float
    best: float
    shift: tuple[float, float]
    scale: float

    @property
    def is_elsewhere(self) -> bool:
        """Whether depth clearly fits the image at another place and not where it lies."""
        return self.best > _PEAK and self.here < 0.6 * self.best


def edge_alignment(
    images: Iterable[tuple[NDArray[np.uint8], NDArray[np.float32]]],
) -> Alignment | None:
    """Compare the edges of images with those of their depth.

    Args:
        images: pairs of one camera: [H, W, 3] colours, and [H, W] metres at the same pixels with
            NaN where there is no reading.

    Returns:
        None when depth has too few edges to tell.
    """
    total: NDArray[np.float64] | None = None
    edges = 0
    factor = 1.0
    for colour, depth in images:
        strength, outline, factor = _edges(colour, depth)
        edges += int(outline.sum())
        scores = np.stack([_correlated(strength, _scaled(outline, scale)) for scale in _SCALES])
        if total is not None and scores.shape != total.shape:
            continue  # a camera that changed its size
        total = scores if total is None else total + scores
    if total is None or edges < _LEAST_EDGES:
        return None
    spread = float(total.std())
    if spread <= 0:
        return None
    fits = (total - total.mean()) / spread
    reach = total.shape[1] // 2
    near = fits[
        [k for k, scale in enumerate(_SCALES) if abs(scale - 1) < 0.01],
        reach - _HERE : reach + _HERE + 1,
        reach - _HERE : reach + _HERE + 1,
    ]
    k, row, column = np.unravel_index(int(np.argmax(fits)), fits.shape)
    shift = ((int(column) - reach) * factor, (int(row) - reach) * factor)
    return Alignment(float(near.max()), float(fits.max()), shift, _SCALES[int(k)])


def _edges(
    colour: NDArray[np.uint8], depth: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Strength of the image's edges, 1 where depth jumps, and pixels of the image per pixel."""
    height, width = depth.shape
    factor = max(1.0, width / _COLUMNS)
    size = round(width / factor), round(height / factor)
    small = cv2.resize(colour, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    z = cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)
    across = np.abs(cv2.Sobel(small, cv2.CV_32F, 1, 0)).max(axis=2)
    down = np.abs(cv2.Sobel(small, cv2.CV_32F, 0, 1)).max(axis=2)
    strength = np.hypot(across, down)
    # Rank, not contrast: one window must not outweigh the outlines of a whole room.
    strength = np.minimum(strength, np.float32(np.percentile(strength, 90)) + np.float32(1e-3))
    outline = np.zeros(z.shape, np.float32)
    for a, b in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        with np.errstate(invalid="ignore"):
            jump = np.abs(z[a] - z[b]) > _STEP * np.fmin(z[a], z[b])
        outline[a][jump] = 1
        outline[b][jump] = 1
    return strength - strength.mean(), outline, factor


def _scaled(outline: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    if scale == 1.0:
        return outline
    height, width = outline.shape
    turn = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 0.0, scale)
    moved = cv2.warpAffine(outline, turn, (width, height), flags=cv2.INTER_LINEAR)
    return np.asarray(moved, np.float32)


def _correlated(strength: NDArray[np.float32], outline: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean strength under the outline at each shift: [2 R + 1, 2 R + 1], rows down first."""
    height, width = strength.shape
    reach = max(_HERE + 1, round(_REACH * width))
    shape = height + reach, width + reach
    spectrum = np.fft.rfft2(strength, shape) * np.conj(np.fft.rfft2(outline, shape))
    found = np.fft.irfft2(spectrum, shape)
    found = np.roll(found, (reach, reach), axis=(0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    return np.asarray(found / max(1.0, float(outline.sum())))
