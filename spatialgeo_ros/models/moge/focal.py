# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Focal length and z-shift of affine point maps, a whole batch at once.

Minimises ``sum |f P - uv|^2`` with ``P = xy / (z + s)`` over the shift s, where f is the best
focal for that s in closed form (``f = sum(P uv) / sum |P|^2``), or a known one (MoGe, Wang et al.,
CVPR 2025). Focal lengths are relative to the half diagonal of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

# The published results come from this early stop: on noisy maps a converged solver ends several
# per cent away from them.
_FTOL = 1e-3
# MINPACK's other constants, as the published code calls it.
_XTOL = _GTOL = 1e-8
_FIRST_RADIUS = 100.0
_MOST_TRIALS = 40


@dataclass
class _Sums:
    """What one shift needs of all points, each ``[B]``.

    Attributes:
        focal: Best (or known) focal.
        cost: Sum of squared residuals r.
        jr: ``J r``, where J is the derivative of r by the shift.
        jj: ``J J``.
    """

    focal: Any
    cost: Any
    jr: Any
    jj: Any


class _Problem:
    """A batch of maps, reduced to three numbers per point, on NumPy or on PyTorch."""

    def __init__(self, xp: ModuleType, points: Any, uv: Any, valid: Any, known: Any) -> None:
        """``points`` are ``[3, B, N]`` and ``uv`` ``[2, N]``: whole planes are fast to read."""
        x, y, z = points
        u, v = uv
        where = xp.where
        self.xp = xp
        self.known, self.is_known = known, xp.isfinite(known)
        # Points that do not count have xy = 0 at an infinite distance: every term of theirs is 0.
        self.z = where(valid, z, xp.inf)
        self.xy_xy = where(valid, x * x + y * y, 0.0)
        self.xy_uv = where(valid, x * u + y * v, 0.0)
        self.uv_uv = where(valid, u * u + v * v, 0.0).sum(-1)

    def at(self, shift: Any) -> _Sums:
        """Cost and derivatives at shifts ``[B]``, from P = xy q, P' = -xy q^2, q = 1 / (z + s)."""
        q = 1.0 / (self.z + shift[:, None])
        qq = q * q
        aq, aqq = self.xy_xy * q, self.xy_xy * qq
        p_uv, d_uv = self._dot(self.xy_uv, q), -self._dot(self.xy_uv, qq)
        p_p, p_d, d_d = self._dot(aq, q), -self._dot(aq, qq), self._dot(aqq, qq)
        where = self.xp.where
        focal = where(self.is_known, self.known, p_uv / p_p)
        slope = where(self.is_known, 0.0, (d_uv * p_p - 2 * p_uv * p_d) / (p_p * p_p))
        return _Sums(
            focal=focal,
            cost=focal * focal * p_p - 2 * focal * p_uv + self.uv_uv,
            jr=focal * (focal * p_d - d_uv) + slope * (focal * p_p - p_uv),
            jj=focal * focal * d_d + 2 * focal * slope * p_d + slope * slope * p_p,
        )

    def _dot(self, a: Any, b: Any) -> Any:
        return self.xp.matmul(a[:, None, :], b[:, :, None])[:, 0, 0]


def solve_focal_shift(
    points: Tensor, uv: Tensor, valid: Tensor, focal: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """All maps of a batch at once, on the points' device.

    Follows MINPACK's Levenberg-Marquardt (Moré 1978) for one unknown, step by step and with the
    same early stop as the published code, but with the exact derivative and with five sums per
    trial in place of the residual vector. So it ends where that code ends, on noisy maps too.

    Args:
        points: ``[B, N, 3]`` affine points.
        uv: ``[N, 2]`` view-plane coordinates.
        valid: ``[B, N]`` bool of points to use.
        focal: ``[B]`` known focal lengths; NaN where an image's is unknown.

    Returns:
        Focal ``[B]`` and shift ``[B]``, float32. A map with fewer than two valid points has focal
        1 (or the known one) and shift 0.
    """
    if focal is None:
        focal = torch.full(points.shape[:1], torch.nan, device=points.device)
    planes = points.detach().permute(2, 0, 1).double().contiguous()
    uv = uv.to(planes).T.contiguous()
    known = focal.to(planes)
    if points.device.type != "cpu":
        solved, shift = _minimise(torch, planes, uv, valid, known)
        return solved.float(), shift.float()
    # NumPy's calls cost a third of PyTorch's on arrays this small.
    with np.errstate(all="ignore"):
        solved, shift = _minimise(np, planes.numpy(), uv.numpy(), valid.numpy(), known.numpy())
    return torch.from_numpy(solved).float(), torch.from_numpy(shift).float()


def _minimise(xp: ModuleType, points: Any, uv: Any, valid: Any, known: Any) -> tuple[Any, Any]:
    """Levenberg-Marquardt over a batch of one-dimensional problems; float64 in and out."""
    where = xp.where
    problem = _Problem(xp, points, uv, valid, known)
    enough = valid.sum(-1) >= 2
    shift = known * 0.0
    shift = where(xp.isfinite(shift), shift, 0.0)
    now = problem.at(shift)
    scale = where(now.jj > 0, now.jj, 1.0)  # squared norm of J, at its largest so far
    radius = shift + _FIRST_RADIUS
    damping = shift
    done = ~enough | ~(now.jr * now.jr > _GTOL**2 * now.jj * now.cost)
    for trial in range(_MOST_TRIALS):
        # Damping that keeps the scaled step in the trust radius (in one dimension it is exact).
        newton = xp.abs(now.jr) / now.jj * scale**0.5
        exact = (newton / radius - 1) * now.jj / scale
        upper = xp.abs(now.jr) / (scale**0.5 * radius)
        kept = xp.minimum(xp.maximum(damping, exact), upper)
        within = xp.abs(now.jr) * scale**0.5 >= 0.9 * radius * (now.jj + kept * scale)
        damping = where(newton <= 1.1 * radius, 0.0, where(within, kept, exact))
        step = now.jr / (now.jj + damping * scale)
        length = xp.abs(step) * scale**0.5
        if trial == 0:
            radius = xp.minimum(radius, length)
        new_shift = shift - step
        new = problem.at(new_shift)
        # Gain and predicted gain, relative to the cost.
        gain = where(new.cost * 0.01 < now.cost, 1 - new.cost / now.cost, -1.0)
        linear = now.jj * step * step / now.cost
        damped = damping * length * length / now.cost
        predicted = linear + 2 * damped
        ratio = where(predicted > 0, gain / predicted, 0.0)
        slope = -(linear + damped)
        shrink = where(gain >= 0, 0.5, 0.5 * slope / (slope + 0.5 * gain))
        shrink = where((new.cost * 0.01 >= now.cost) | (shrink < 0.1), 0.1, shrink)
        poor = ratio <= 0.25
        good = ~poor & ((damping == 0) | (ratio >= 0.75))
        radius = where(
            poor, shrink * xp.minimum(radius, 10 * length), where(good, 2 * length, radius)
        )
        damping = where(poor, damping / shrink, where(good, 0.5 * damping, damping))
        accepted = ~done & (ratio >= 1e-4)
        shift = where(accepted, new_shift, shift)
        now = _Sums(**{k: where(accepted, getattr(new, k), v) for k, v in vars(now).items()})
        done = done | ((xp.abs(gain) <= _FTOL) & (predicted <= _FTOL) & (ratio <= 2))
        done = done | (radius <= _XTOL * scale**0.5 * xp.abs(shift))
        done = done | (accepted & ~(now.jr * now.jr > _GTOL**2 * now.jj * now.cost))
        if bool(done.all()):
            break
        scale = where(accepted, xp.maximum(scale, now.jj), scale)
    # The shift that is reported has float32; the focal belongs to that shift.
    final = problem.at(shift.astype(np.float32) if xp is np else shift.float())
    return (
        where(enough, final.focal, where(xp.isfinite(known), known, 1.0)),
        where(enough, shift, 0.0),
    )
