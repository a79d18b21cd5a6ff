# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of MoGe's maps as CUDA graphs: focal and shift, and the maps that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    Problem,
    foresee,
    four,
    likely_shift,
    search_shift,
    torch_problem,
)
from spatialgeo_ros.runtime.cuda_graph import Captured, Function, WorkStream, capture
from spatialgeo_ros.runtime.transfer import download
from spatialgeo_ros.runtime.verified_capture import verify

_MAPS = ("points", "mask", "metric_scale")


class DepthRecovery:
    """Depth and its validity from the maps of one size, as ``MoGe.to_metric`` computes them.

    The maps stay on the device. One graph computes the sums that the search for the shift will ask
    for, guesses where it ends, and computes depth with that; all of it comes to the host together.
    There the search decides, on the sums: only where it ends elsewhere, or asks for a sum that was
    not foreseen, the host waits again.

    Args:
        moge: Gives the rules; its weights are not used.
        out: What the network gave, as an example: ``points [1, h, w, 3]`` float32 and, where there
            are such heads, ``mask [1, h, w]`` and ``metric_scale [1]``.
        free_shift: Whether z has an unknown shift.
        known_focal: Whether the focal is given to the search.
        stream: Where it is captured, and run.

    Attributes:
        corrected: Images whose search ended elsewhere than guessed.

    Raises:
        CaptureError: It cannot be captured, or a graph computes something else than was captured.
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
        self._guessed: Captured | None = None
        self._more: Captured | None = None
        self.corrected = 0
        given = [*self._maps, self._focal]
        if free_shift:
            names = ("sums", "enough", "shift", "depth", "valid")
            self._guessed = _captured(self._guess, given, stream, names)
            asked = torch.zeros(1, device=device, dtype=torch.float64)
            self._more = _captured(self._more_sums, [*given, asked], stream, ("sums",))
        maps = [*self._maps, self._shift]
        self._last = _captured(self._depth, maps, stream, ("depth", "valid"))

    @property
    def memory_bytes(self) -> int:
        """What the graphs hold on the GPU."""
        graphs = (self._guessed, self._more, self._last)
        return sum(one.memory_bytes for one in graphs if one is not None)

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
        if self._guessed is None:
            depth, valid = download(*self._last.replay())
            return depth[0], valid[0]
        if focal is not None:
            self._focal.fill_(focal)
        table, enough, guess, depth, valid = download(*self._guessed.replay())
        shift = search_shift(Foreseen(table, self._ask), enough).astype(np.float32)
        if shift != guess:
            self.corrected += 1
            self._shift.fill_(float(shift[0]))
            depth, valid = download(*self._last.replay())
        return depth[0], valid[0]

    def _ask(self, shift: Array) -> Array:
        """Sums at a shift that was not foreseen."""
        assert self._more is not None
        self._more.inputs[-1].fill_(float(shift[0]))
        (found,) = download(*self._more.replay())
        return found

    def _guess(self, *values: Tensor) -> list[Tensor]:
        *maps, _ = values
        problem = self._problem(values)
        foreseen = foresee(problem)
        shift = likely_shift(foreseen).float()
        return [foreseen, problem.enough, shift, *self._depth(*maps, shift)]

    def _more_sums(self, *values: Tensor) -> list[Tensor]:
        *given, shift = values
        return [torch.stack(four(self._problem(given).at(shift)))]

    def _problem(self, given: Sequence[Tensor]) -> Problem:
        *maps, focal = given
        out = dict(zip(self._names, maps, strict=True))
        samples = solver_samples(out["points"], self._moge.usable(out), self._grid)
        return torch_problem(*samples, focal, all_known=self._known)

    def _depth(self, *values: Tensor) -> tuple[Tensor, Tensor]:
        *maps, shift = values
        out = dict(zip(self._names, maps, strict=True))
        depth, valid = self._moge.shifted_depth(out["points"], self._moge.usable(out), shift)
        if "metric_scale" in out:
            depth = depth * out["metric_scale"][:, None, None]
        return depth, valid


def _captured(
    function: Function, inputs: Sequence[Tensor], stream: WorkStream, names: Sequence[str]
) -> Captured:
    """Capture in the lane's scratch memory, on these very buffers, and compare."""
    with stream.running():
        captured = capture(function, inputs, stream, pool=stream.pool)
        verify(captured, function, names)
    return captured
