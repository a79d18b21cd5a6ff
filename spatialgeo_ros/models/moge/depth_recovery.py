# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of MoGe's maps as CUDA graphs: sums over points, sums at one more shift, and the maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spatialgeo_ros.models.moge.affine_points import solver_grid, solver_samples
from spatialgeo_ros.models.moge.base import MoGe
from spatialgeo_ros.models.moge.focal import (
    Array,
    Foreseen,
    foresee,
    four,
    search_shift,
    torch_problem,
)
from spatialgeo_ros.runtime.cuda_graph import Captured, WorkStream, capture
from spatialgeo_ros.runtime.transfer import download

_MAPS = ("points", "mask", "metric_scale")


class DepthRecovery:
    """Depth and its validity from the maps of one size, as ``MoGe.to_metric`` computes them.

    The maps stay on the device. The search for the shift sees sums over the sampled points, most of
    which are computed ahead, so that the host usually waits twice per image: for these sums, and
    for the depth.

    Args:
        moge: Gives the rules; its weights are not used.
        out: What the network gave, as an example: ``points [1, h, w, 3]`` float32 and, where there
            are such heads, ``mask [1, h, w]`` and ``metric_scale [1]``.
        free_shift: Whether z has an unknown shift.
        known_focal: Whether the focal is given to the search.
        stream: Where it is captured, and run.

    Raises:
        CaptureError: It cannot be captured.
    """

    def __init__(
        self,
        moge: MoGe,
        out: Mapping[str, Any],
        *,
        free_shift: bool,
        known_focal: bool,
        stream: WorkStream,
    ) -> None:
        self._moge, self._known = moge, known_focal
        self._names = tuple(name for name in _MAPS if name in out)
        _, height, width = out["points"].shape[:3]
        device = out["points"].device
        self._grid = solver_grid(height, width, device)
        self._maps = [out[name].clone() for name in self._names]
        self._focal = torch.full((1,), 1.0 if known_focal else torch.nan, device=device)
        self._shift = torch.zeros(1, device=device)
        self._graphs: list[Captured] = []
        if free_shift:
            asked = torch.zeros(1, device=device, dtype=torch.float64)
            sums = capture(self._sums, [*self._maps, self._focal], stream, pool=stream.pool)
            # It reads what the first graph has left of the points, which is still there.
            more = capture(self._more_sums, [asked], stream, pool=stream.pool)
            self._graphs = [sums, more]
        maps = [*self._maps, self._shift]
        self._last = capture(self._depth, maps, stream, pool=stream.pool)

    @property
    def memory_bytes(self) -> int:
        """What the graphs hold on the GPU."""
        return sum(one.memory_bytes for one in (*self._graphs, self._last))

    @torch.inference_mode()
    def depth(
        self, out: Mapping[str, Any], focal: float | None = None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """Depth ``[h, w]`` in metres (or the network's own unit), and validity.

        Args:
            out: As the example.
            focal: Relative to the half diagonal; None where ``known_focal`` is False.
        """
        for buffer, name in zip(self._maps, self._names, strict=True):
            buffer.copy_(out[name], non_blocking=True)
        if self._graphs:
            if focal is not None:
                self._focal.fill_(focal)
            table, enough = download(*self._graphs[0].replay())
            (shift,) = search_shift(Foreseen(table, self._ask), enough)
            self._shift.fill_(float(np.float32(shift)))
        depth, valid = download(*self._last.replay())
        return depth[0], valid[0]

    def _ask(self, shift: Array) -> Array:
        """Sums at a shift that was not foreseen."""
        more = self._graphs[1]
        more.inputs[0].fill_(float(shift[0]))
        (found,) = download(*more.replay())
        return found

    def _sums(self, *values: Tensor) -> list[Tensor]:
        *maps, focal = values
        out = dict(zip(self._names, maps, strict=True))
        samples = solver_samples(out["points"], self._moge.usable(out), self._grid)
        self._problem = torch_problem(*samples, focal, all_known=self._known)
        return [foresee(self._problem), self._problem.enough]

    def _more_sums(self, shift: Tensor) -> list[Tensor]:
        return [torch.stack(four(self._problem.at(shift)))]

    def _depth(self, *values: Tensor) -> tuple[Tensor, Tensor]:
        *maps, shift = values
        out = dict(zip(self._names, maps, strict=True))
        depth, valid = self._moge.shifted_depth(out["points"], self._moge.usable(out), shift)
        if "metric_scale" in out:
            depth = depth * out["metric_scale"][:, None, None]
        return depth, valid
