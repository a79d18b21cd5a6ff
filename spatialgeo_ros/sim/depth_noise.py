# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a structured-light depth camera does to a perfect depth image: noise, steps and holes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DepthSensorModel:
    """Axial noise after Nguyen, Izadi and Lovell (3DIMPVT 2012), eq. 4, and drop-outs.

    Attributes:
        noise: factor on the standard deviation 1.2 mm + 1.9 mm/m^2 (z - 0.4 m)^2; 0 = none.
        edge_holes: share of the pixels beside a depth edge that are lost.
        random_holes: share of all pixels that are lost.
        min_range, max_range: metres outside which nothing is returned.
        edge_step: relative depth step between neighbours that counts as an edge.
    """

    noise: float = 1.0
    edge_holes: float = 0.7
    random_holes: float = 0.003
    min_range: float = 0.35
    max_range: float = 8.0
    edge_step: float = 0.05

    def standard_deviation(self, depth: np.ndarray) -> np.ndarray:
        """Return the 1-sigma axial noise in metres for ``depth`` in metres."""
        return self.noise * (0.0012 + 0.0019 * (depth - 0.4) ** 2)

    def apply(self, depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Degrade a depth image.

        Args:
            depth: [H, W] metres, NaN where nothing was hit.
            rng: source of the noise.

        Returns:
            [H, W] uint16 millimetres, 0 where the sensor returns nothing (REP-118).
        """
        clean = np.where(np.isfinite(depth), depth, 0.0).astype(np.float32)
        lost = (clean < self.min_range) | (clean > self.max_range)
        lost |= rng.random(clean.shape, dtype=np.float32) < self.random_holes
        if self.edge_holes > 0:
            edge = np.zeros(clean.shape, bool)
            for axis in (0, 1):
                step = np.abs(np.diff(clean, axis=axis)) > self.edge_step * np.minimum(
                    np.delete(clean, -1, axis), np.delete(clean, 0, axis)
                )
                before = [slice(None)] * 2
                after = [slice(None)] * 2
                before[axis], after[axis] = slice(None, -1), slice(1, None)
                edge[tuple(before)] |= step
                edge[tuple(after)] |= step
            lost |= edge & (rng.random(clean.shape, dtype=np.float32) < self.edge_holes)
        noisy = clean
        if self.noise > 0:
            noise = rng.standard_normal(clean.shape, dtype=np.float32)
            noisy = clean + noise * self.standard_deviation(clean)
        millimetres = np.clip(np.rint(noisy * 1000.0), 0, 65535).astype(np.uint16)
        millimetres[lost] = 0
        return millimetres
