# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Focal length and z-shift of affine point maps, a whole batch at once.

Minimises ``sum |f P - uv|^2`` with ``P = xy / (z + s)`` over the shift s, where f is the best
focal for that s in closed form (``f = sum(P uv) / sum |P|^2``), or a known one (MoGe, Wang et al.,
CVPR 2025). Focal lengths are relative to the half diagonal of the image.

Sums over points are taken where the points are (:class:`Problem`); the search is a few numbers per
map and runs on the host (:func:`search_shift`). A GPU computes ahead what the search will most
likely ask for (:func:`foresee`), so that the host waits for it once.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

# The published results come from this early stop: on noisy maps a converged solver ends several
# per cent away from them.
_FTOL = 1e-3
# MINPACK's other constants, as the published code calls it.
_XTOL = _GTOL = 1e-8
_FIRST_RADIUS = 100.0
_MOST_TRIALS = 40
#: Shifts that are computed ahead, eleven launches each. The search of 240 maps of the nano network,
#: a third of them with 5 % of noise, asked for four at the most.
_AHEAD = 5

Array = npt.NDArray[np.float64]


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


class Arithmetic(NamedTuple):
    """What the search needs beyond operators, for all maps at once or for the only one."""

    where: Callable[[Any, Any, Any], Any]
    minimum: Callable[[Any, Any], Any]
    maximum: Callable[[Any, Any], Any]
    root: Callable[[Any], Any]
    every: Callable[[Any], Any]


@dataclass
class Search:
    """Where the search of every map stands, each ``[B]``, or a number for the only map.

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
        is_known: ``[B]`` where it is.
        enough: ``[B]`` whether two points or more count.
        linear: ``[3, 8, B]`` and ``[3, B]``: cost, jr and jj from the eight moments, where every
            focal is known: a third of the kernels. None elsewhere, and on NumPy.
        exponents: ``[4, 1, 1]`` from -1 to -4; of PyTorch.
    """

    xp: ModuleType
    z: Any
    weights: Any
    uv_uv: Any
    known: Any
    is_known: Any
    enough: Any
    linear: tuple[Any, Any] | None
    exponents: Any

    @classmethod
    def of(
        cls,
        xp: ModuleType,
        points: Any,
        uv: Any,
        valid: Any,
        known: Any,
        all_known: bool = False,
    ) -> Problem:
        """``points`` are ``[3, B, N]`` and ``uv`` ``[2, N]``: whole planes are fast to read."""
        x, y, z = points
        u, v = uv
        where = xp.where
        # Points that do not count have xy = 0 at an infinite distance: every term of theirs is 0.
        weights = xp.stack([where(valid, x * u + y * v, 0.0), where(valid, x * x + y * y, 0.0)])
        uv_uv = where(valid, u * u + v * v, 0.0).sum(-1)
        exponents = _exponents(z.device) if xp is torch else None
        return cls(
            xp=xp,
            z=where(valid, z, xp.inf),
            weights=weights,
            uv_uv=uv_uv,
            known=known,
            is_known=xp.isfinite(known),
            enough=valid.sum(-1) >= 2,
            linear=_linear(known, uv_uv) if all_known and xp is torch else None,
            exponents=exponents,
        )

    def at(self, shift: Any) -> Sums:
        """Cost and derivatives at shifts ``[B]``, from P = xy q, P' = -xy q^2, q = 1 / (z + s)."""
        moments = self._moments(self.z + shift[:, None])
        if self.linear is not None:
            coefficients, constants = self.linear
            cost, jr, jj = (coefficients * moments).sum(1) + constants
            return Sums(self.known, cost, jr, jj)
        p_uv, d_uv = moments[0], -moments[1]
        p_p, p_d, d_d = moments[5], -moments[6], moments[7]
        where, is_known = self.xp.where, self.is_known
        f = where(is_known, self.known, p_uv / p_p)
        slope = where(is_known, 0.0, (d_uv * p_p - 2 * p_uv * p_d) / (p_p * p_p))
        return Sums(
            focal=f,
            cost=f * (f * p_p - 2 * p_uv) + self.uv_uv,
            jr=f * (f * p_d - d_uv) + slope * (f * p_p - p_uv),
            jj=f * f * d_d + slope * (2 * f * p_d + slope * p_p),
        )

    def focal(self, shift: Any) -> Any:
        """Focal ``[B]`` that belongs to shifts ``[B]`` as they are reported, in float32."""
        unsolved = self.xp.where(self.is_known, self.known, 1.0)
        return self.xp.where(self.enough, self.at(shift).focal, unsolved)

    def _moments(self, distance: Any) -> Any:
        """Sums ``[8, B]`` over points: ``xy uv`` times q to q^4, then ``xy xy`` times q to q^4.

        On NumPy one by one, and only those that are read.
        """
        if self.xp is np:
            xy_uv, xy_xy = self.weights
            q = 1.0 / distance
            qq = q * q
            aq, aqq = xy_xy * q, xy_xy * qq
            first = (_dot(xy_uv, q), _dot(xy_uv, qq), None, None)
            return (*first, None, _dot(aq, q), _dot(aq, qq), _dot(aqq, qq))
        # Elsewhere few kernels count, not few operations: all powers at once, all sums at once.
        powers = distance**self.exponents
        return (self.weights[:, None] * powers).sum(-1).flatten(0, 1)


@functools.cache
def _exponents(device: torch.device) -> Tensor:
    """``Problem.exponents``, made once."""
    with torch.inference_mode(False):
        return -torch.arange(1, 5, device=device, dtype=torch.float64)[:, None, None]


def _linear(f: Tensor, uv_uv: Tensor) -> tuple[Tensor, Tensor]:
    """``Problem.linear``: cost = ff PP - 2 f Puv + uvuv, jr = ff PP' - f P'uv, jj = ff P'P'."""
    none, ff = f * 0.0, f * f
    cost = torch.stack([-2 * f, none, none, none, none, ff, none, none])
    jr = torch.stack([none, f, none, none, none, none, -ff, none])
    jj = torch.stack([none, none, none, none, none, none, none, ff])
    return torch.stack([cost, jr, jj]), torch.stack([uv_uv, none, none])


def search_shift(at: Callable[[Array], Sums], enough: npt.NDArray[np.bool_]) -> Array:
    """Shift ``[B]`` of every map, float64.

    Follows MINPACK's Levenberg-Marquardt (Moré 1978) for one unknown, step by step and with the
    same early stop as the published code, but with the exact derivative and with a few sums per
    trial in place of the residual vector. So it ends where that code ends, on noisy maps too.

    Args:
        at: Sums at shifts ``[B]``.
        enough: ``[B]`` whether a map has two points or more; else its shift is 0.
    """
    if len(enough) == 1:

        def single(shift: float) -> Sums:
            return Sums(*(float(values[0]) for values in four(at(np.array([shift])))))

        # Calls on arrays of one number take six times as long as Python's numbers, and the robot
        # waits for them: nothing else is left of its frame.
        try:
            return np.array([_search(single, bool(enough[0]), 0.0, _OF_ONE)])
        except ZeroDivisionError:  # goes on in NumPy, as an infinity or what is no number
            pass
    with np.errstate(all="ignore"):
        return np.asarray(_search(at, enough, np.zeros(len(enough)), _OF_ALL))


def _search(at: Callable[[Any], Sums], enough: Any, shift: Any, use: Arithmetic) -> Any:
    """The search from ``shift`` on, of arrays or of numbers."""
    now = at(shift)
    search = Search(
        shift=shift,
        radius=shift + _FIRST_RADIUS,
        damping=shift,
        scale=use.where(now.jj > 0, now.jj, 1.0),
        now=now,
        done=_not(enough) | _flat(now),
    )
    for trial in range(_MOST_TRIALS):
        if use.every(search.done):
            break
        search = _trial(at, search, use, first=trial == 0)
    return use.where(enough, search.shift, 0.0)


def _minimum(a: float, b: float) -> float:
    """``numpy.minimum`` of numbers: not a number where one of them is none."""
    return a if a <= b or a != a else b


def _maximum(a: float, b: float) -> float:
    """``numpy.maximum`` of numbers: not a number where one of them is none."""
    return a if a >= b or a != a else b


_OF_ALL = Arithmetic(np.where, np.minimum, np.maximum, np.sqrt, np.all)
_OF_ONE = Arithmetic(lambda c, a, b: a if c else b, _minimum, _maximum, math.sqrt, bool)


def _not(condition: Any) -> Any:
    """Negation of Python's and NumPy's truth: ``~`` of Python's is a number."""
    return condition ^ True


def _flat(now: Sums) -> Any:
    """Whether the gradient has vanished."""
    return _not(now.jr * now.jr > _GTOL**2 * now.jj * now.cost)


def _trial(at: Callable[[Any], Sums], search: Search, use: Arithmetic, *, first: bool) -> Search:
    """One step; the ``first`` one shortens the trust radius to itself."""
    now, radius, scale, where = search.now, search.radius, search.scale, use.where
    # Damping that keeps the scaled step in the trust radius (in one dimension it is exact).
    root = use.root(scale)
    newton = abs(now.jr) / now.jj * root
    exact = (newton / radius - 1) * now.jj / scale
    upper = abs(now.jr) / (root * radius)
    kept = use.minimum(use.maximum(search.damping, exact), upper)
    within = abs(now.jr) * root >= 0.9 * radius * (now.jj + kept * scale)
    damping = where(newton <= 1.1 * radius, 0.0, where(within, kept, exact))
    step = now.jr / (now.jj + damping * scale)
    length = abs(step) * root
    if first:
        radius = use.minimum(radius, length)
    new_shift = search.shift - step
    new = at(new_shift)
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
    good = _not(poor) & ((damping == 0) | (ratio >= 0.75))
    radius = where(poor, shrink * use.minimum(radius, 10 * length), where(good, 2 * length, radius))
    damping = where(poor, damping / shrink, where(good, 0.5 * damping, damping))
    accepted = _not(search.done) & (ratio >= 1e-4)
    shift = where(accepted, new_shift, search.shift)
    now = Sums(**{k: where(accepted, getattr(new, k), v) for k, v in vars(now).items()})
    done = search.done | ((abs(gain) <= _FTOL) & (predicted <= _FTOL) & (ratio <= 2))
    done = done | (radius <= _XTOL * root * abs(shift))
    done = done | (accepted & _flat(now))
    scale = where(accepted & _not(done), use.maximum(scale, now.jj), scale)
    return Search(shift, radius, damping, scale, now, done)


def foresee(problem: Problem) -> Tensor:
    """Sums at the shifts that the search visits as long as it needs no damping, as it rarely does.

    Nothing is read back, so that a CUDA graph can hold it.

    Returns:
        ``[shifts, 5, B]`` float64 for :class:`Foreseen`: the shift, and the four of :class:`Sums`.
    """
    shift = torch.zeros_like(problem.uv_uv)
    sums = problem.at(shift)
    rows = [shift, *four(sums)]
    for _ in range(_AHEAD - 1):
        shift = shift - sums.jr / sums.jj  # exactly the search's step where there is no damping
        sums = problem.at(shift)
        rows += [shift, *four(sums)]
    return torch.stack(rows).unflatten(0, (_AHEAD, 5))


def likely_shift(foreseen: Tensor) -> Tensor:
    """Where the search will most likely end, on the device: behind the first step of little gain.

    Only a guess, for the depth that is computed before the host has searched. It was right for 239
    of 240 maps of the nano network, a third of them with 5 % of noise.

    Args:
        foreseen: ``[shifts, 5, B]`` of :func:`foresee`, two shifts at least.

    Returns:
        ``[B]`` float64.
    """
    shift, cost = foreseen[:, 0], foreseen[:, 2]
    ended = (1 - cost[1:] / cost[:-1]).abs() <= _FTOL
    # The first of them; where none is, the first of all, which the host will then correct.
    return shift.gather(0, ended.int().argmax(0, keepdim=True) + 1)[0]


def four(sums: Sums) -> tuple[Any, ...]:
    """Focal, cost, jr and jj, not copied."""
    return sums.focal, sums.cost, sums.jr, sums.jj


class Foreseen:
    """Looks sums up, and asks for those that were not foreseen.

    Args:
        table: What :func:`foresee` gave, on the host.
        ask: Gives the four of :class:`Sums` as ``[4, B]`` at shifts ``[B]``.
    """

    def __init__(self, table: Array, ask: Callable[[Array], Array]) -> None:
        self._table, self._ask = table, ask

    def __call__(self, shift: Array) -> Sums:
        """Sums at shifts ``[B]``."""
        if len(shift) == 1:
            (wanted,) = shift
            for row in self._table:
                if row[0, 0] == wanted:  # to the bit, as below
                    return Sums(*row[1:])
            return Sums(*self._ask(shift))
        matches = self._table[:, 0] == shift  # to the bit: both sides compute the same
        if not matches.any(axis=0).all():
            return Sums(*self._ask(shift))
        rows = matches.argmax(axis=0)
        return Sums(*self._table[rows, 1:, np.arange(len(shift))].T)


def solve_focal_shift(
    points: Tensor, uv: Tensor, valid: Tensor, focal: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Focal lengths and shifts of all maps of a batch at once.

    Args:
        points: ``[B, N, 3]`` affine points.
        uv: ``[N, 2]`` view-plane coordinates.
        valid: ``[B, N]`` bool of points to use.
        focal: ``[B]`` known focal lengths; NaN where an image's is unknown.

    Returns:
        Focal ``[B]`` and shift ``[B]``, float32, on the points' device. A map with fewer than two
        valid points has focal 1 (or the known one) and shift 0.
    """
    if points.device.type == "cpu":
        # NumPy's calls cost a third of PyTorch's on arrays this small.
        planes, plane, used, known = (one.numpy() for one in _float64(points, uv, valid, focal))
        with np.errstate(all="ignore"):
            host = Problem.of(np, planes, plane, used, known)
            shift = search_shift(host.at, host.enough)
            solved = host.focal(shift.astype(np.float32))
        return torch.from_numpy(solved).float(), torch.from_numpy(shift).float()
    problem = torch_problem(points, uv, valid, focal)

    def ask(shift: Array) -> Array:
        sums = problem.at(torch.from_numpy(shift).to(points.device))
        found: Array = torch.stack(four(sums)).cpu().numpy()
        return found

    found = search_shift(
        Foreseen(foresee(problem).cpu().numpy(), ask), problem.enough.cpu().numpy()
    )
    shifts = torch.from_numpy(found).float().to(points.device)
    return problem.focal(shifts).float(), shifts


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


def _dot(a: Any, b: Any) -> Any:
    """Dot products ``[B]`` of ``[B, N]``."""
    return np.matmul(a[:, None, :], b[:, :, None])[:, 0, 0]
