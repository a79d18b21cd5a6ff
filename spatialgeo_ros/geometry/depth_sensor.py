# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is known of a depth camera: how its readings scatter, their range and their unit."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

_MOST_COEFFICIENT = 0.5  # of any coefficient: 0.5 m at 1 m is no depth camera


@dataclass(frozen=True)
class DepthNoise:
    """Axial noise: ``sigma(z) = constant_m + linear * z + quadratic_per_m * z^2`` in metres.

    Triangulating sensors (stereo, structured light) have noise that grows with z^2: an error of
    ``s`` px of disparity is one of ``z^2 s / (f b)`` for focal length f (px) and baseline b. Of
    time-of-flight sensors the systematic part is constant to linear, and the random part grows as
    the returned light fades. The defaults are those of a PrimeSense or Kinect v1 after Nguyen,
    Izadi and Lovell, "Modeling Kinect Sensor Noise for Improved 3D Reconstruction and Tracking",
    3DIMPVT 2012, equation 1.

    ``correlated`` is the share of sigma that neighbouring pixels have in common (0 to 1): the
    calibration's error, the blobs that block matching makes, the systematic error of time of
    flight. It does not average away, however many pixels an object has.

    Raises:
        ValueError: a coefficient is negative, not finite or beyond 0.5, or all are zero; a share
            that is none.
    """

    constant_m: float = 0.0012
    quadratic_per_m: float = 0.0019
    linear: float = 0.0
    correlated: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.correlated <= 1:
            raise ValueError(
                f"depth noise with {self.correlated} in common between neighbours is not usable; "
                "it is a share between 0 and 1"
            )
        values = (self.constant_m, self.linear, self.quadratic_per_m)
        if not all(0 <= v <= _MOST_COEFFICIENT for v in values) or not any(values):
            raise ValueError(
                f"depth noise (constant, linear, quadratic) = {values} is not usable: each is "
                f"between 0 and {_MOST_COEFFICIENT} and they are not all 0; the standard deviation "
                "of a reading at z metres is constant + linear z + quadratic z^2 metres"
            )

    @classmethod
    def of_stereo(
        cls,
        focal_px: float,
        baseline_m: float,
        disparity_px: float,
        constant_m: float = 0.001,
        correlated: float = 0.9,
    ) -> DepthNoise:
        """Noise of a triangulating sensor.

        Most of it is in common between neighbours: makers state errors of 1 to 2 % of the distance
        from calibration alone, as much as the noise of a pixel, and matching windows spread what is
        left over many pixels.

        Args:
            focal_px: focal length of the depth image in pixels.
            baseline_m: between its cameras, or camera and projector.
            disparity_px: standard deviation of the matching, in pixels of that image.
            constant_m: what is left from close by.
            correlated: share in common between neighbours.
        """
        quadratic = disparity_px / (focal_px * baseline_m)
        return cls(constant_m, quadratic, correlated=correlated)

    def sigma(self, z: ArrayLike) -> NDArray[np.float32]:
        """Return the standard deviation of depth ``z`` in metres, same shape."""
        depth = np.asarray(z, np.float32)
        out = depth * np.float32(self.quadratic_per_m)
        if self.linear:
            out += np.float32(self.linear)
        out *= depth
        out += np.float32(self.constant_m)
        return out


# D4xx: the makers' white paper "Tuning depth cameras for best performance" has the formula of
# of_stereo and 0.08 px for it. Focal lengths of 848x480, the drivers' usual size: 424 px (D435,
# D455: 90 degrees across) and 665 px (D415: 65 degrees); baselines 50, 95 and 55 mm by data sheet.
_DISPARITY = 0.08
# Azure Kinect by its hardware specification: systematic error below 11 mm + 0.1 % of the distance,
# random error of at most 17 mm standard deviation, reached at 3.86 m, the end of its range. The
# bound of the systematic part counts as a uniform distribution (divided by the root of 3). Both
# numbers were found kept by Toelgyessy et al., "Evaluation of the Azure Kinect and Its Comparison
# to Kinect V1 and Kinect V2", Sensors 21(2):413, 2021. Orbbec's Femto has the same depth module.
_AZURE = DepthNoise(0.0064, 0.0011, 0.001, correlated=0.8)  # 7.4 of 8.5 mm at 1 m, less far away

#: Noise by the name of the sensor, for the parameter ``depth_noise``.
PRESETS: dict[str, DepthNoise] = {
    "kinect_v1": DepthNoise(),
    "realsense_d415": DepthNoise.of_stereo(665.0, 0.055, _DISPARITY),
    "realsense_d435": DepthNoise.of_stereo(424.0, 0.050, _DISPARITY),
    "realsense_d455": DepthNoise.of_stereo(424.0, 0.095, _DISPARITY),
    # Data sheet: 5 mm off with 2.5 mm standard deviation at 1 m, 14 mm with 15.5 mm at 9 m; a line
    # through the root of the sums of their squares.
    "realsense_l515": DepthNoise(0.0037, 0.0, 0.0019, correlated=0.9),
    "azure_kinect": _AZURE,
    "orbbec_femto": _AZURE,
    # The PrimeSense design (75 mm); 554 px is 640 pixels at its 60 degrees, 0.083 px what the
    # Kinect's 0.0019 is with its 580 px and 75 mm.
    "orbbec_astra": DepthNoise.of_stereo(554.0, 0.075, 0.083, correlated=0.3),
    # 75 mm and 882.5 px at 1280x800 by the maker's documentation, so 441 px at 640x400, the usual
    # size on the device; a fifth of a pixel for its matching in eighths.
    "oak_d": DepthNoise.of_stereo(441.0, 0.075, 0.2),
    # 120 mm; 527 px is 1280 pixels at 101 degrees (HD720). 0.13 px makes 0.6 % at 3 m and 3 % at
    # 15 m, within the maker's 1 % and 5 %.
    "zed_2": DepthNoise.of_stereo(527.0, 0.120, 0.13),
    # Where only the principle is known.
    "structured_light": DepthNoise(),
    "stereo": DepthNoise.of_stereo(424.0, 0.050, 0.1),
    "time_of_flight": _AZURE,
}
_ALIASES = {
    "kinect": "kinect_v1",
    "primesense": "kinect_v1",
    "xtion": "kinect_v1",
    "d415": "realsense_d415",
    "d435": "realsense_d435",
    "d435i": "realsense_d435",
    "realsense_d435i": "realsense_d435",
    "d455": "realsense_d455",
    "l515": "realsense_l515",
    "kinect_azure": "azure_kinect",
    "k4a": "azure_kinect",
    "femto": "orbbec_femto",
    "femto_bolt": "orbbec_femto",
    "femto_mega": "orbbec_femto",
    "orbbec_femto_bolt": "orbbec_femto",
    "orbbec_femto_mega": "orbbec_femto",
    "astra": "orbbec_astra",
    "oak": "oak_d",
    "oakd": "oak_d",
    "zed": "zed_2",
    "zed2": "zed_2",
    "zed_2i": "zed_2",
    "zed2i": "zed_2",
    "tof": "time_of_flight",
}


def parse_depth_noise(value: str | Sequence[float]) -> DepthNoise:
    """Noise from what a parameter or an option holds.

    Args:
        value: the name of a sensor (a key of :data:`PRESETS`, or what it is commonly called; case
            and separators do not matter), or the three numbers constant, linear and quadratic of
            :class:`DepthNoise` and, if wanted, the share in common between neighbours (else 0.3),
            as a sequence or in a text with commas or spaces.

    Raises:
        ValueError: a name that is not known, or numbers that cannot be; the text says what can.
    """
    if isinstance(value, str):
        name = "_".join(value.lower().replace("-", " ").replace("_", " ").split())
        name = _ALIASES.get(name, name)
        if name in PRESETS:
            return PRESETS[name]
        parts = value.replace(",", " ").split()
        try:
            numbers = [float(part) for part in parts]
        except ValueError:
            numbers = []
        if not numbers:
            near = difflib.get_close_matches(name[:40], [*PRESETS, *_ALIASES], 1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise ValueError(
                f"depth_noise {value[:40]!r} is no sensor that is known{hint}; use one of "
                f"{', '.join(PRESETS)}, or three numbers: constant, linear, quadratic"
            )
    else:
        numbers = [float(number) for number in value]
    if len(numbers) not in (3, 4):
        raise ValueError(
            "depth_noise takes three numbers (constant in m, linear, quadratic in 1/m), and the "
            f"share in common between neighbours as a fourth, got {len(numbers)}"
        )
    constant, linear, quadratic = numbers[:3]
    return DepthNoise(constant, quadratic, linear, *numbers[3:])


@dataclass(frozen=True)
class DepthSensor:
    """What has to be known of a depth camera to use its images.

    Attributes:
        noise: standard deviation of a reading by depth.
        nearest: readings nearer than this are no readings, metres (parameter ``depth_min``).
        farthest: the same for farther ones (parameter ``depth_max``).
        scale: metres per unit of the image (parameter ``depth_scale``); None for what REP 118
            says: millimetres in 16-bit images, metres in floating-point ones.

    Raises:
        ValueError: a range or scale that cannot be; the text names the parameter.
    """

    noise: DepthNoise = field(default_factory=DepthNoise)
    nearest: float = 0.1
    farthest: float = 20.0
    scale: float | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.farthest) and 0 <= self.nearest < self.farthest):
            raise ValueError(
                f"depth_min = {self.nearest} and depth_max = {self.farthest} are no range; they "
                "are metres with 0 <= depth_min < depth_max"
            )
        if self.scale is not None and not 1e-6 <= self.scale <= 100.0:
            raise ValueError(
                f"depth_scale = {self.scale} is not usable; it is metres per unit of the depth "
                "image (0.001 for millimetres)"
            )
