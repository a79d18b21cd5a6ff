# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a structured-light depth camera does to a perfect depth image: noise, steps and holes.

The default model has noise that is independent from pixel to pixel and drop-outs. The preset
:meth:`DepthSensorModel.structured_light` adds what real sensors of that kind do beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.sim.depth_effects import (
    flying_pixels,
    fuzzy_edges,
    lost_on_materials,
    projector_shadow,
    smooth_noise,
    step_mask,
    wrong_on_glass,
)


@dataclass(frozen=True)
class DepthSensorModel:
    """Axial noise after Nguyen, Izadi and Lovell (3DIMPVT 2012), eq. 4, and drop-outs.

    What the attributes from ``baseline`` on do is off by default.

    Attributes:
        noise: factor on the standard deviation 1.2 mm + 1.9 mm/m^2 (z - 0.4 m)^2; 0 = none.
        edge_holes: share of the pixels beside a depth edge that are lost.
        random_holes: share of all pixels that are lost.
        min_range, max_range: metres outside which nothing is returned.
        edge_step: relative depth step between neighbours that counts as an edge.
        baseline: from the infrared camera to its projector at the right, metres. What the projector
            cannot light has no reading: a strip at the left of what is near. 0 = no shadow.
        disparity_step: pixels; disparities are multiples of it. 0 = no quantisation.
        edge_shift: pixels by which the outlines of near things are off, mostly outwards; a share of
            them jagged.
        flying: share of the pixels beside a depth edge that float between near and far.
        correlation: share of the variance of the noise that neighbours have in common.
        correlation_length: pixels over which they have it.
        material_holes: factor on the probabilities of losing dark, glossy and transparent surfaces,
            and all surfaces at grazing angles.
        systematic: standard deviation of a scale error of the whole image, and of another at its
            corners that grows with the square of the distance from the middle.
    """

    noise: float = 1.0
    edge_holes: float = 0.7
    random_holes: float = 0.003
    min_range: float = 0.35
    max_range: float = 8.0
    edge_step: float = 0.05
    baseline: float = 0.0
    disparity_step: float = 0.0
    edge_shift: float = 0.0
    flying: float = 0.0
    correlation: float = 0.0
    correlation_length: float = 0.0
    material_holes: float = 0.0
    systematic: float = 0.0

    @classmethod
    def structured_light(cls) -> DepthSensorModel:
        """Return the model of a Kinect v1 or PrimeSense sensor: 7.5 cm, eighths of a pixel.

        Baseline and disparity step: Khoshelham and Elberink, "Accuracy and Resolution of Kinect
        Depth Data for Indoor Mapping Applications", Sensors 12, 2012 (section 2), who also find
        errors of scale and offset that grow with depth when only factory-calibrated. Outlines
        that are off by a pixel or two, and what is lost on dark, shiny and steep surfaces: Mallick,
        Das and Majumdar, "Characterizations of Noise in Kinect Depth Images: A Review", IEEE
        Sensors Journal 14(6), 2014. Noise that neighbours share comes from the windows of the
        matching, about 9 pixels wide (Konolige and Mihelich, "Technical description of Kinect
        calibration", ROS wiki, 2011).
        """
        return cls(
            edge_holes=0.25,
            baseline=0.075,
            disparity_step=0.125,
            edge_shift=1.5,
            flying=0.25,
            correlation=0.6,
            correlation_length=4.0,
            material_holes=1.0,
            systematic=0.005,
        )

    def standard_deviation(self, depth: np.ndarray) -> np.ndarray:
        """Return the 1-sigma axial noise in metres for ``depth`` in metres."""
        return self.noise * (0.0012 + 0.0019 * (depth - 0.4) ** 2)

    def apply(
        self,
        depth: np.ndarray,
        rng: np.random.Generator,
        camera: PinholeCamera | None = None,
        material: np.ndarray | None = None,
    ) -> np.ndarray:
        """Degrade a depth image.

        Args:
            depth: [H, W] metres, NaN where nothing was hit.
            rng: source of the noise.
            camera: intrinsics, for what depends on angles or on the baseline.
            material: [H, W] index into :data:`spatialgeo_ros.sim.furniture.MATERIALS`; default all
                matte.

        Returns:
            [H, W] uint16 millimetres, 0 where the sensor returns nothing (REP-118).

        Raises:
            ValueError: ``camera`` is missing and the model needs it.
        """
        true = np.where(np.isfinite(depth), depth, 0.0).astype(np.float32)
        needs = self.baseline > 0 or self.disparity_step > 0 or self.material_holes > 0
        if needs and camera is None:
            raise ValueError("shadow, quantisation and materials need the camera's intrinsics")
        clean, also_lost = self._surfaces(true, rng, camera, material)
        lost = (clean < self.min_range) | (clean > self.max_range) | also_lost
        lost |= rng.random(clean.shape, dtype=np.float32) < self.random_holes
        if self.edge_holes > 0:
            edge = step_mask(clean, self.edge_step)
            lost |= edge & (rng.random(clean.shape, dtype=np.float32) < self.edge_holes)
        noisy = clean
        if self.noise > 0:
            noise = rng.standard_normal(clean.shape, dtype=np.float32)
            if self.correlation > 0:
                shared = smooth_noise(clean.shape, self.correlation_length, rng)
                noise = (1 - self.correlation) ** 0.5 * noise + self.correlation**0.5 * shared
            noisy = clean + noise * self.standard_deviation(clean)
        if self.systematic > 0:
            noisy = noisy * self._scale(clean.shape, rng)
        if self.disparity_step > 0 and camera is not None:
            noisy = self._quantised(noisy, camera.fx)
        millimetres = np.clip(np.rint(noisy * 1000.0), 0, 65535).astype(np.uint16)
        millimetres[lost] = 0
        return millimetres

    def _surfaces(
        self,
        true: np.ndarray,
        rng: np.random.Generator,
        camera: PinholeCamera | None,
        material: np.ndarray | None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Depth [H, W] with wrong outlines, metres, and what is lost for geometry's sake, bool."""
        lost = np.zeros(true.shape, bool)
        if camera is not None and self.baseline > 0:
            lost |= projector_shadow(true, camera, self.baseline)
        if camera is not None and self.material_holes > 0:
            kinds = np.zeros(true.shape, np.uint8) if material is None else material
            lost |= lost_on_materials(true, kinds, camera, self.material_holes, rng)
            true = wrong_on_glass(true, kinds, rng)
        seen = true
        if self.edge_shift > 0:
            seen, source = fuzzy_edges(true, self.edge_shift, rng)
            lost = lost.reshape(-1)[source]  # a fattened outline is read where the thing is
        if self.flying > 0:
            seen = flying_pixels(seen, self.edge_step, self.flying, rng)
        return seen, lost

    def _scale(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Factor [H, W] of the whole-image error."""
        even, bend = (float(v) for v in rng.standard_normal(2) * self.systematic)
        rows, columns = np.indices(shape, np.float32)
        middle = (np.array(shape) - 1) / 2
        square = (rows - middle[0]) ** 2 + (columns - middle[1]) ** 2
        return 1 + even + bend * square / (middle @ middle)

    def _quantised(self, depth: np.ndarray, focal: float) -> np.ndarray:
        """Depth whose disparity is a multiple of the step; with no baseline, one of 7.5 cm."""
        reach = focal * (self.baseline or 0.075)
        disparity = reach / np.maximum(depth, 1e-3)
        steps = np.maximum(np.rint(disparity / self.disparity_step), 1)
        return reach / (steps * self.disparity_step)
