# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A depth image in the unit it came in, and the metres of those pixels that somebody reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import BadImageError

#: Rows or columns of an image: a range of them, or the index of each pixel.
Part = slice | NDArray[np.int64]

_ALL = slice(None)


@dataclass(frozen=True, eq=False)
class DepthReadings:
    """A depth image; metres are made of the pixels that are read, each time they are read.

    A camera sends far more pixels than anybody looks at, and converting them all costs more than
    everything that is done with the few. The array is neither copied nor changed; it must stay as
    it is while it is read.

    Without a scale the units are those of REP 118: millimetres in uint16 (16UC1), metres in
    floating point (32FC1). 0 and below are impossible depths and REP 117's NaN and +-inf are "no
    reading", "too near" and "too far"; so is the largest number of an integer type, which sensors
    send for a reading beyond it.

    Attributes:
        raw: [H, W] as it came.
        scale: metres per unit, for sensors with another unit (0.00025 for a RealSense L515, 0.0001
            for a D405, 0.0002 for the TUM data sets, 0.001 for floating-point millimetres); then
            any integer type of two bytes or more is taken.
        nearest: nearer readings are none, metres.
        farthest: the same for farther ones, metres.

    Raises:
        BadImageError: another dtype, or not two-dimensional.
    """

    raw: NDArray[Any]
    scale: float | None = None
    nearest: float = 0.0
    farthest: float = np.inf

    def __post_init__(self) -> None:
        if self.raw.ndim != 2:
            raise BadImageError(f"a depth image has 2 dimensions, got shape {self.raw.shape}")
        kind, size = self.raw.dtype.kind, self.raw.dtype.itemsize
        whole = (kind, size) == ("u", 2) or (self.scale is not None and kind in "ui" and size >= 2)
        if not whole and kind != "f":
            raise BadImageError(
                "depth must be uint16 millimetres (16UC1) or float metres (32FC1), got "
                f"{self.raw.dtype}; other integers need a depth_scale"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.raw.shape[0], self.raw.shape[1]

    @property
    def unit(self) -> float:
        """Metres per unit in which it is read."""
        if self.scale is not None:
            return self.scale
        return 1.0 if self.raw.dtype.kind == "f" else 0.001

    def within(self, nearest: float, farthest: float) -> DepthReadings:
        """Return the same image with a range in metres, both ends included."""
        return replace(self, nearest=nearest, farthest=farthest)

    def metres(self, rows: Part = _ALL, columns: Part = _ALL) -> NDArray[np.float32]:
        """Depth of a part of the image in metres, NaN where there is no reading; a new array.

        Args:
            rows: of the image; [N] indices for the pixels of as many ``columns``.
            columns: of the image.
        """
        raw = self.raw[rows, columns]
        metres = raw.astype(np.float32)  # a copy: what came stays as it was
        with np.errstate(invalid="ignore"):
            if raw.dtype.kind == "f":
                if self.scale is not None:
                    metres *= np.float32(self.scale)
                usable = (metres > 0) & (metres < np.inf)
            else:
                # Exact for whole millimetres.
                metres /= np.float32(1000 if self.scale is None else 1 / self.scale)
                usable = (raw > 0) & (raw != np.iinfo(raw.dtype).max)
            usable &= (metres >= self.nearest) & (metres <= self.farthest)
        np.copyto(metres, np.nan, where=~usable)
        return metres
