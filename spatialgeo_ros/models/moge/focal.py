# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Focal length and z-shift of affine point maps, a whole batch at once.

On a CPU with NumPy until all maps are done; on other devices with PyTorch, a fixed number of trials
at a time, so that nothing is read back between two of them and a CUDA graph can hold them.

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
MOST_TRIALS = 7 * 6
#: Trials that are launched at once where a look at the outcome costs a wait for the device. Smooth
#: maps are done after 3 to 6; noisy ones with a known focal may take 20.
TRIALS_AT_ONCE = 6


@dataclass
class Sums:
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


@dataclass
class Search:
    """Where the search of every map stands, each ``[B]``.

    Attributes:
        shift: Best so far.
        radius: Of the region that the model is trusted in, in steps scaled by ``scale ** 0.5``.
        damping: Levenberg-Marquardt's parameter.
        scale: Squared norm of J, at its largest so far.
        now: Sums at ``shift``.
        done: Whether the search has ended; a further trial changes nothing.
    """

    shift: Any
    radius: Any
    damping: Any
    scale: Any
    now: Sums
    done: Any


@dataclass
class Problem:
    """A batch of maps, reduced to three numbers per point, on NumPy or on PyTorch.

    Attributes:
        xp: ``numpy`` or ``torch``.
        z: ``[B, N]``, infinite where a point does not count.
        weights: ``[2, B, N]``: ``xy uv`` and ``xy xy`` of every point, 0 where it does not count.
        uv_uv: ``[B]`` sum of ``uv uv``.
        known: ``[B]`` known focal, NaN where it is not.
        enough: ``[B]`` whether two points or more count.
        all_known: Whether no focal is NaN; saves half the work.
    """

    xp: ModuleType
    z: Any
    weights: Any
    uv_uv: Any
    known: Any
    enough: Any
    all_known: bool = False

    @classmethod
    def of(
        cls, xp: ModuleType, points: Any, uv: Any, valid: Any, known: Any, all_known: bool
    ) -> Problem:
        """``points`` are ``[3, B, N]`` and ``uv`` ``[2, N]``: whole planes are fast to read."""
        x, y, z = points
        u, v = uv
        where = xp.where
        # Points that do not count have xy = 0 at an infinite distance: every term of theirs is 0.
        weights = xp.stack([where(valid, x * u + y * v, 0.0), where(valid, x * x + y * y, 0.0)])
        return cls(
            xp=xp,
            z=where(valid, z, xp.inf),
            weights=weights,
            uv_uv=where(valid, u * u + v * v, 0.0).sum(-1),
            known=known,
            enough=valid.sum(-1) >= 2,
            all_known=all_known,
        )

    def at(self, shift: Any) -> Sums:
        """Cost and derivatives at shifts ``[B]``, from P = xy q, P' = -xy q^2, q = 1 / (z + s)."""
        p_uv, d_uv, p_p, p_d, d_d = self._sums(self.z + shift[:, None])
        if self.all_known:
            f = self.known
            return Sums(
                focal=f,
                cost=f * (f * p_p - 2 * p_uv) + self.uv_uv,
                jr=f * (f * p_d - d_uv),
                jj=f * f * d_d,
            )
        where, is_known = self.xp.where, self.xp.isfinite(self.known)
        f = where(is_known, self.known, p_uv / p_p)
        slope = where(is_known, 0.0, (d_uv * p_p - 2 * p_uv * p_d) / (p_p * p_p))
        return Sums(
            focal=f,
            cost=f * (f * p_p - 2 * p_uv) + self.uv_uv,
            jr=f * (f * p_d - d_uv) + slope * (f * p_p - p_uv),
            jj=f * f * d_d + slope * (2 * f * p_d + slope * p_p),
        )

    def _sums(self, distance: Any) -> tuple[Any, Any, Any, Any, Any]:
        """``P uv``, ``P' uv``, ``P P``, ``P P'`` and ``P' P'`` summed over points, each ``[B]``."""
        if self.xp is np:
            xy_uv, xy_xy = self.weights
            q = 1.0 / distance
            qq = q * q
            aq, aqq = xy_xy * q, xy_xy * qq
            return _dot(xy_uv, q), -_dot(xy_uv, qq), _dot(aq, q), -_dot(aq, qq), _dot(aqq, qq)
        # Elsewhere few kernels count, not few operations: all powers at once, all sums at once.
        exponents = -torch.arange(1, 5, device=distance.device, dtype=distance.dtype)
        powers = distance ** exponents[:, None, None]
        uv, xy = (self.weights[:, None] * powers).sum(-1)
        return uv[0], -uv[1], xy[1], -xy[2], xy[3]

    def start(self) -> Search:
        """Every map at shift 0, or where the known focal leaves it."""
        where = self.xp.where
        shift = self.known * 0.0
        shift = where(self.xp.isfinite(shift), shift, 0.0)
        now = self.at(shift)
        return Search(
            shift=shift,
            radius=shift + _FIRST_RADIUS,
            damping=shift,
            scale=where(now.jj > 0, now.jj, 1.0),
            now=now,
            done=~self.enough | self._flat(now),
        )

    @staticmethod
    def _flat(now: Sums) -> Any:
        """Whether the gradient has vanished."""
        return ~(now.jr * now.jr > _GTOL**2 * now.jj * now.cost)

    def trial(self, search: Search, *, first: bool = False) -> Search:
        """One step of MINPACK's Levenberg-Marquardt; ``first`` shortens the trust radius to it."""
        xp, now, radius, scale = self.xp, search.now, search.radius, search.scale
        where = xp.where
        # Damping that keeps the scaled step in the trust radius (in one dimension it is exact).
        root = scale**0.5
        newton = xp.abs(now.jr) / now.jj * root
        exact = (newton / radius - 1) * now.jj / scale
        upper = xp.abs(now.jr) / (root * radius)
        kept = xp.minimum(xp.maximum(search.damping, exact), upper)
        within = xp.abs(now.jr) * root >= 0.9 * radius * (now.jj + kept * scale)
        damping = where(newton <= 1.1 * radius, 0.0, where(within, kept, exact))
        step = now.jr / (now.jj + damping * scale)
        length = xp.abs(step) * root
        if first:
            radius = xp.minimum(radius, length)
        new_shift = search.shift - step
        new = self.at(new_shift)
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
        accepted = ~search.done & (ratio >= 1e-4)
        shift = where(accepted, new_shift, search.shift)
        now = Sums(**{k: where(accepted, getattr(new, k), v) for k, v in vars(now).items()})
        done = search.done | ((xp.abs(gain) <= _FTOL) & (predicted <= _FTOL) & (ratio <= 2))
        done = done | (radius <= _XTOL * root * xp.abs(shift))
        done = done | (accepted & self._flat(now))
        scale = where(accepted & ~done, xp.maximum(scale, now.jj), scale)
        return Search(shift, radius, damping, scale, now, done)

    def answer(self, search: Search) -> tuple[Any, Any]:
        """Focal and shift ``[B]``, float64."""
        where, shift = self.xp.where, search.shift
        # The shift that is reported has float32; the focal belongs to that shift.
        final = self.at(shift.astype(np.float32) if self.xp is np else shift.float())
        unsolved = where(self.xp.isfinite(self.known), self.known, 1.0)
        return where(self.enough, final.focal, unsolved), where(self.enough, shift, 0.0)


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
    if points.device.type != "cpu":
        solved, shift = _search(torch_problem(points, uv, valid, focal), TRIALS_AT_ONCE)
        return solved.float(), shift.float()
    # NumPy's calls cost a third of PyTorch's on arrays this small.
    planes, plane, used, known = (one.numpy() for one in _float64(points, uv, valid, focal))
    all_known = focal is not None and bool(np.isfinite(known).all())
    with np.errstate(all="ignore"):
        solved, shift = _search(Problem.of(np, planes, plane, used, known, all_known), 1)
    return torch.from_numpy(solved).float(), torch.from_numpy(shift).float()


def torch_problem(
    points: Tensor,
    uv: Tensor,
    valid: Tensor,
    focal: Tensor | None = None,
    all_known: bool = False,
) -> Problem:
    """The problem that :func:`solve_focal_shift` solves, in float64 on the points' device.

    ``all_known`` promises that no focal is NaN, which would have to be read from the device.
    """
    return Problem.of(torch, *_float64(points, uv, valid, focal), all_known)


def _float64(
    points: Tensor, uv: Tensor, valid: Tensor, focal: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Planes ``[3, B, N]`` and ``[2, N]``, which points count, and focals (NaN for unknown)."""
    if focal is None:
        focal = torch.full(points.shape[:1], torch.nan, device=points.device)
    planes = points.detach().permute(2, 0, 1).double().contiguous()
    return planes, uv.to(planes).T.contiguous(), valid, focal.to(planes)


def _search(problem: Problem, at_once: int) -> tuple[Any, Any]:
    """Try until every map is done, looking every ``at_once`` trials."""
    search = problem.start()
    for trial in range(MOST_TRIALS):
        search = problem.trial(search, first=trial == 0)
        if (trial + 1) % at_once == 0 and bool(search.done.all()):
            break
    return problem.answer(search)


def _dot(a: Any, b: Any) -> Any:
    """Dot products ``[B]`` of ``[B, N]``."""
    return np.matmul(a[:, None, :], b[:, :, None])[:, 0, 0]
