# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Focal length and shift of MoGe's point maps: our solver for batches against SciPy's per image.

Also shows how far a solver lands from the reference that runs to full convergence, which is what
the reference's early stop is worth.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np
import torch
from scipy.optimize import least_squares
from torch import Tensor
from torch.nn import functional as F

from bench.common import digits, measure, ratio, report, table
from spatialgeo_ros.models.moge.affine_points import (
    depth_to_points,
    intrinsics_from_focal,
    recover_focal_shift,
    solver_samples,
    view_plane_uv,
)

SIZE = (480, 640)
NOISES = (0.0, 0.02, 0.1, 0.3)
Solve = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


def scenes(count: int, noise: float, seed: int) -> tuple[Tensor, Tensor]:
    """Affine point maps ``[B, H, W, 3]`` of smooth random depth with noise, and masks.

    Args:
        count: Of maps.
        noise: Standard deviation of each coordinate, divided by its value.
        seed: Of everything random: focals from 0.6 to 2.2 half diagonals, shifts within half the
            nearest depth.
    """
    generator = torch.Generator().manual_seed(seed)
    coarse = 1 + 5 * torch.rand(count, 1, 6, 8, generator=generator)
    depth = F.interpolate(coarse, SIZE, mode="bilinear")[:, 0]
    focal = 0.6 + 1.6 * torch.rand(count, generator=generator)
    points = depth_to_points(depth, intrinsics_from_focal(focal, SIZE[1] / SIZE[0]))
    points[..., 2] -= (torch.rand(count, generator=generator) - 0.5)[:, None, None]
    points *= 1 + noise * torch.randn(points.shape, generator=generator)
    return points, torch.rand(points.shape[:3], generator=generator) < 0.9


def published(
    points: Tensor, mask: Tensor | None = None, focal: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """``recover_focal_shift`` as MoGe does it: SciPy's ``lm`` (MINPACK), stopped early, per map."""
    sampled, uv_all, keep = (t.cpu() for t in solver_samples(points, mask))
    known = [math.nan] * len(points) if focal is None else focal.tolist()
    results = [
        _published_one(one[used].numpy(), uv_all[used].numpy(), value)
        for one, used, value in zip(sampled, keep, known, strict=True)
    ]
    solved = torch.tensor(results, dtype=torch.float32, device=points.device)
    return solved[:, 0], solved[:, 1]


def _published_one(points: np.ndarray, uv: np.ndarray, known: float) -> tuple[float, float]:
    """Focal and shift of points [N, 3] at view-plane coordinates [N, 2]; NaN: focal unknown."""
    is_known = math.isfinite(known)
    if len(points) < 2:
        return (known if is_known else 1.0), 0.0
    xy, z = points[:, :2], points[:, 2]

    def best_focal(projected: np.ndarray) -> np.floating:
        return (projected * uv).sum() / np.square(projected).sum()

    # The solver's shift is float64, so its finite differences are not lost in float32 rounding.
    def residual(shift: np.ndarray) -> np.ndarray:
        projected = xy / (z + shift)[:, None]
        scale = known if is_known else best_focal(projected)
        return np.asarray(scale * projected - uv, dtype=np.float64).ravel()

    solution = least_squares(residual, x0=0, ftol=1e-3, method="lm")
    shift = np.float32(solution.x.squeeze())
    focal = known if is_known else float(best_focal(xy / (z + shift)[:, None]))
    return focal, float(shift)


def converged(points: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """SciPy's solver without the early stop, on all pixels of every tenth row and column."""
    results = []
    uv_map = view_plane_uv(*points.shape[1:3])[::10, ::10]
    for one, keep in zip(points[:, ::10, ::10], mask[:, ::10, ::10], strict=True):
        xyz, uv = one[keep].double().numpy(), uv_map[keep].double().numpy()

        def project(shift: np.ndarray, xyz: np.ndarray = xyz) -> np.ndarray:
            return xyz[:, :2] / (xyz[:, 2:] + shift)

        def focal(p: np.ndarray, uv: np.ndarray = uv) -> float:
            return float((p * uv).sum() / (p * p).sum())

        def residual(shift: np.ndarray, uv: np.ndarray = uv) -> np.ndarray:
            p = project(shift)
            return (focal(p) * p - uv).ravel()

        shift = least_squares(residual, x0=0, ftol=1e-12, xtol=1e-12, gtol=1e-12, method="lm").x
        results.append((focal(project(shift)), float(shift[0])))
    solved = torch.tensor(results, dtype=torch.float32)
    return solved[:, 0], solved[:, 1]


def deviation(solve: Solve, points: Tensor, mask: Tensor) -> tuple[str, str]:
    """Largest difference from SciPy with the reference's arguments: focal and shift.

    Both are relative: to the focal, and to the median depth after the shift.
    """
    focal, shift = published(points, mask)
    found_focal, found_shift = solve(points, mask)
    depth = (points[..., 2] + shift[:, None, None]).flatten(1).median(dim=1).values.abs()
    return (
        f"{((found_focal - focal) / focal).abs().max():.0e}",
        f"{((found_shift - shift) / depth).abs().max():.0e}",
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few maps, to see it run")
    quick = parser.parse_args().quick
    count, seconds = (4, 0.1) if quick else (64, 2.0)
    devices = ["cpu"] + ["cuda"] * torch.cuda.is_available()
    deviations = []
    for index, noise in enumerate(NOISES):
        points, mask = scenes(count, noise, index)
        deviations.append(
            (
                f"{noise:.0%}",
                *deviation(recover_focal_shift, points, mask),
                *deviation(converged, points, mask),
            )
        )
    speed = []
    for device in devices:
        for batch in (1, 4, 16):
            points, mask = (t.to(device) for t in scenes(batch, NOISES[1], seed=9))

            def solve(solver: Solve, maps: Tensor = points, valid: Tensor = mask) -> None:
                solver(maps, valid)[1].tolist()

            reference = measure(lambda solve=solve: solve(published), seconds)
            ours = measure(lambda solve=solve: solve(recover_focal_shift), seconds)
            speed.append((device, batch, reference, ours, ratio(reference, ours)))
    report(
        "Focal length and shift",
        [
            f"Random maps of {SIZE[1]} x {SIZE[0]} points, 10 % masked out. SciPy is called as "
            "MoGe calls it; every solver sees the same 64 x 64 points. PyTorch uses "
            f"{torch.get_num_threads()} threads."
        ],
        table(("device", "maps", "SciPy, one by one", "ours, together", "ratio"), speed),
        f"Largest deviation from SciPy over {digits(count)} maps by the noise of each coordinate "
        "(focal relative to the focal, shift to the median depth), and that of a solver that runs "
        "to convergence:",
        table(
            ("noise", "focal, ours", "shift, ours", "focal, converged", "shift, converged"),
            deviations,
        ),
    )


if __name__ == "__main__":
    main()
