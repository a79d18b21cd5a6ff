# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Single effects of a structured-light depth camera, for :mod:`spatialgeo_ros.sim.depth_noise`.

Only sums, products and comparisons in a fixed order: the same seed gives the same image on every
make of CPU.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.sim.furniture import MATERIALS

Image = NDArray[np.float32]

#: Loss probability of each material seen straight on, and the cosine of incidence below which it
#: rises to certainty at grazing angles. Matte surfaces are read up to about 80 degrees; dark ones
#: return little light; glossy ones blind the camera straight on and send the pattern away at an
#: angle; glass and screens return next to none (Mallick et al. 2014, section III).
_LOSS: dict[str, tuple[float, float]] = {
    "matte": (0.0, 0.22),
    "dark": (0.15, 0.55),
    "glossy": (0.08, 0.60),
    "glass": (0.75, 0.90),
    "screen": (0.88, 0.95),
}
_BLOB = 3.0  # pixels over which holes hang together


def smooth_noise(
    shape: tuple[int, ...], length: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Normal noise [H, W] of variance 1 that neighbours within ``length`` pixels share.

    Two passes of a moving mean over ``length`` pixels to each side make a hat-shaped kernel.
    """
    side = 2 * max(1, round(length)) + 1
    pad = side - 1
    noise = rng.standard_normal((shape[0] + 2 * pad, shape[1] + 2 * pad), dtype=np.float32)
    field = noise.astype(np.float64)
    for axis in (0, 1):
        for _ in range(2):
            total = np.cumsum(field, axis=axis)
            first = np.take(total, [0], axis=axis) * 0
            total = np.concatenate([first, total], axis=axis)
            upper = np.take(total, range(side, total.shape[axis]), axis=axis)
            field = upper - np.take(total, range(total.shape[axis] - side), axis=axis)
    hat = np.convolve(np.ones(side), np.ones(side))
    return (field / float(hat @ hat)).astype(np.float32)[: shape[0], : shape[1]]


def chance_field(
    shape: tuple[int, ...], length: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Smooth values [H, W] that are uniform in [0, 1]: compared with a chance they make blobs.

    The normal distribution's function by its logistic approximation with a cubic exponent (Bowling
    et al., "A logistic approximation to the cumulative normal distribution", 2009), itself by a
    table, so that no transcendental function is taken per pixel.
    """
    grid = np.linspace(-4, 4, 161)
    chance = [1 / (1 + math.exp(-(1.5976 * x + 0.07056 * x**3))) for x in grid]
    return np.interp(smooth_noise(shape, length, rng), grid, chance).astype(np.float32)


def step_mask(depth: Image, step: float) -> NDArray[np.bool_]:
    """Pixels [H, W] on both sides of a depth step of more than ``step`` times the nearer depth."""
    edge = np.zeros(depth.shape, bool)
    for axis in (0, 1):
        jump = np.abs(np.diff(depth, axis=axis)) > step * np.minimum(
            np.delete(depth, -1, axis), np.delete(depth, 0, axis)
        )
        before = [slice(None)] * 2
        after = [slice(None)] * 2
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        edge[tuple(before)] |= jump
        edge[tuple(after)] |= jump
    return edge


def projector_shadow(depth: Image, camera: PinholeCamera, baseline: float) -> NDArray[np.bool_]:
    """Pixels [H, W] that a projector ``baseline`` metres to the right of the camera cannot light.

    A point in column u at depth z is in column u - f b / z of the projector. Of several points of a
    row in one column of the projector the one most to the right in the image is the nearest, and
    hides those to the left of it.
    """
    with np.errstate(divide="ignore"):
        disparity = camera.fx * baseline / np.where(depth > 0, depth, np.inf)
    column = np.arange(depth.shape[1]) - disparity
    column[depth <= 0] = np.inf  # nothing there to hide behind
    nearest = np.minimum.accumulate(column[:, ::-1], axis=1)[:, ::-1]
    return (nearest < column - 0.5) & (depth > 0)


def incidence(depth: Image, camera: PinholeCamera) -> NDArray[np.float32]:
    """Cosine [H, W] between the ray of each pixel and the surface's normal there.

    The normal is that of central differences; at a depth edge each axis takes the flatter side.
    """
    points = camera.rays().astype(np.float32) * depth[..., None]
    tangents = []
    for axis in (0, 1):
        ahead = np.diff(points, axis=axis, append=np.take(points, [-1], axis=axis))
        behind = np.diff(points, axis=axis, prepend=np.take(points, [0], axis=axis))
        last, first = [slice(None)] * 3, [slice(None)] * 3
        last[axis], first[axis] = slice(-1, None), slice(0, 1)
        ahead[tuple(last)] = behind[tuple(last)]
        behind[tuple(first)] = ahead[tuple(first)]
        flatter = np.abs(ahead[..., 2:]) <= np.abs(behind[..., 2:])
        tangents.append(np.where(flatter, ahead, behind))
    normal = np.cross(tangents[1], tangents[0])
    length = np.sqrt((normal**2).sum(-1) * (points**2).sum(-1))
    cosine = np.abs((normal * points).sum(-1)) / np.maximum(length, 1e-12)
    return np.where(length > 0, cosine, 1.0).astype(np.float32)


def lost_on_materials(
    depth: Image,
    material: NDArray[np.uint8],
    camera: PinholeCamera,
    factor: float,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Blobs [H, W] that are lost for what the surface is made of and how steeply it is seen.

    Args:
        depth: [H, W] metres, 0 where nothing was hit.
        material: [H, W] index into :data:`MATERIALS`.
        camera: intrinsics.
        factor: on the probabilities.
        rng: source of the noise.
    """
    straight, knee = (
        np.array([_LOSS[name][k] for name in MATERIALS], np.float32)[material] for k in (0, 1)
    )
    cosine = incidence(depth, camera)
    grazing = np.clip(1 - cosine / knee, 0.0, 1.0)
    # A glossy surface that mirrors the projector into the camera saturates it.
    mirror = np.where(material == MATERIALS.index("glossy"), np.clip((cosine - 0.97) * 20, 0, 1), 0)
    chance = straight + (1 - straight) * np.maximum(grazing, mirror)
    return chance_field(depth.shape, _BLOB, rng) < factor * chance


def wrong_on_glass(depth: Image, material: NDArray[np.uint8], rng: np.random.Generator) -> Image:
    """Depth [H, W] in which glass and screens read too far: through them, or what they mirror."""
    behind = np.abs(smooth_noise(depth.shape, _BLOB, rng)) * np.float32(0.08)
    clear = (material == MATERIALS.index("glass")) | (material == MATERIALS.index("screen"))
    return np.where(clear & (depth > 0), depth + behind, depth).astype(np.float32)


def _beside(image: NDArray[Any], axis: int, step: int) -> NDArray[Any]:
    """Return the image [H, W] moved by ``step`` pixels along ``axis``; its border is repeated."""
    last = image.shape[axis] - 1
    return np.take(image, np.clip(np.arange(last + 1) - step, 0, last), axis=axis)


def fuzzy_edges(
    depth: Image, shift: float, rng: np.random.Generator
) -> tuple[Image, NDArray[np.intp]]:
    """Outlines that are off by up to about ``shift`` pixels, jagged, and mostly outwards.

    Matching by windows gives pixels beside a near thing its disparity: the thing grows. Where it
    does, and how far, changes along the outline. After the random displacement of pixels in the
    sensor models of Barron and Malik ("Intrinsic Scene Properties from a Single RGB-D Image", CVPR
    2013) and Handa et al. ("A Benchmark for RGB-D Visual Odometry, 3D Reconstruction and SLAM",
    ICRA 2014), with a displacement that picks the nearest of a window instead of any pixel.

    Returns:
        Depth [H, W], metres, and for each pixel the index of the pixel that it was taken from.
    """
    height, width = depth.shape
    rows, columns = np.indices(depth.shape)
    # Every pixel reads a place beside it: outlines become jagged.
    offsets = [smooth_noise(depth.shape, 1.0, rng) * np.float32(0.4 * shift) for _ in (0, 1)]
    at_row = np.clip(rows + np.rint(offsets[0]).astype(np.intp), 0, height - 1)
    at_column = np.clip(columns + np.rint(offsets[1]).astype(np.intp), 0, width - 1)
    source = at_row * width + at_column
    flat = np.where(depth > 0, depth, np.inf).reshape(-1)
    growth = chance_field(depth.shape, 2.0, rng)
    for ring in range(int(np.ceil(shift))):
        # Half of the outline grows by half of the shift, a quarter by all of it.
        share = np.float32(min(1.0, shift - ring) * 0.6)
        grow = growth > 1 - share
        nearest = source
        for axis in (0, 1):
            for step in (-1, 1):
                beside = _beside(source, axis, step)
                nearest = np.where(flat[beside] < 0.97 * flat[nearest], beside, nearest)
        source = np.where(grow, nearest, source)
    return depth.reshape(-1)[source], source


def flying_pixels(depth: Image, step: float, share: float, rng: np.random.Generator) -> Image:
    """Depth [H, W] in which a share of the pixels beside an edge float between near and far."""
    low, high = depth.copy(), depth.copy()
    for axis in (0, 1):
        for direction in (-1, 1):
            beside = _beside(depth, axis, direction)
            there = beside > 0
            low = np.where(there, np.minimum(low, beside), low)
            high = np.maximum(high, beside)
    weight = rng.random(depth.shape, dtype=np.float32)
    chosen = rng.random(depth.shape, dtype=np.float32) < share
    edge = step_mask(depth, step) & chosen & (depth > 0)
    return np.where(edge, low + weight * (high - low), depth).astype(np.float32)
