# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of MoGe's maps with no look at a value on the way, so that CUDA graphs can hold it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from spatialgeo_ros.models.moge.affine_points import solver_grid, solver_samples
from spatialgeo_ros.models.moge.base import MoGe
from spatialgeo_ros.models.moge.focal import (
    MOST_TRIALS,
    TRIALS_AT_ONCE,
    Problem,
    Search,
    Sums,
    torch_problem,
)
from spatialgeo_ros.runtime.cuda_graph import Captured, WorkStream, capture

_MAPS = ("points", "mask", "metric_scale")


class DepthRecovery:
    """Depth and its validity from the maps of one size, as ``MoGe.to_metric`` computes them.

    The search for the shift is launched ``TRIALS_AT_ONCE`` trials at a time; whether it has ended
    comes to the host with the depth. Usually it has, so that there is one wait per image.

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
        self._moge, self._free_shift, self._known = moge, free_shift, known_focal
        self._names = tuple(name for name in _MAPS if name in out)
        _, height, width = out["points"].shape[:3]
        device = out["points"].device
        self._grid = solver_grid(height, width, device)
        maps = [out[name].clone() for name in self._names]
        self._focal = torch.full((1,), 1.0 if known_focal else torch.nan, device=device)
        self._first = capture(self._start, [*maps, self._focal], stream)
        self._more: Captured | None = None
        if free_shift:
            # It goes on in the buffers that the first part has filled.
            self._more = capture(self._go_on, maps, stream, pool=self._first.pool())

    @property
    def memory_bytes(self) -> int:
        """What the graphs hold on the GPU."""
        return self._first.memory_bytes + (0 if self._more is None else self._more.memory_bytes)

    @torch.inference_mode()
    def launch(self, out: Mapping[str, Any], focal: float | None = None) -> tuple[Tensor, ...]:
        """Depth ``[1, h, w]`` in metres (or the network's own unit), validity, whether it is final.

        The tensors are buffers: the next call overwrites them. Where the last one, ``[1]`` bool,
        is False, :meth:`go_on` searches on.

        Args:
            out: As the example.
            focal: Relative to the half diagonal; None where ``known_focal`` is False.
        """
        if focal is not None:
            self._focal.fill_(focal)
        return self._first(*(out[name] for name in self._names), self._focal)[:3]

    def go_on(self) -> tuple[Tensor, ...]:
        """More trials for the image that was launched last; as :meth:`launch`."""
        assert self._more is not None
        return self._more.replay()

    @property
    def rounds(self) -> int:
        """How often :meth:`go_on` may be called before the search is given up as it stands."""
        return -(-MOST_TRIALS // TRIALS_AT_ONCE) - 1 if self._free_shift else 0

    def _start(self, *values: Tensor) -> list[Tensor]:
        *maps, focal = values
        out = dict(zip(self._names, maps, strict=True))
        if not self._free_shift:
            shift = torch.zeros_like(focal)
            return [*self._depth(out, shift), torch.ones_like(focal, dtype=torch.bool)]
        samples = solver_samples(out["points"], self._moge.usable(out), self._grid)
        self._problem = torch_problem(*samples, focal, all_known=self._known)
        search = self._problem.start()
        for trial in range(TRIALS_AT_ONCE):
            search = self._problem.trial(search, first=trial == 0)
        self._search = search
        return self._result(self._problem, search, out)

    def _go_on(self, *maps: Tensor) -> list[Tensor]:
        problem, before = self._problem, self._search
        search = before
        for _ in range(TRIALS_AT_ONCE):
            search = problem.trial(search)
        for old, new in zip(_parts(before), _parts(search), strict=True):
            old.copy_(new)
        return self._result(problem, before, dict(zip(self._names, maps, strict=True)))

    def _result(self, problem: Problem, search: Search, out: Mapping[str, Tensor]) -> list[Tensor]:
        _, shift = problem.answer(search)
        return [*self._depth(out, shift.float()), search.done]

    def _depth(self, out: Mapping[str, Tensor], shift: Tensor) -> tuple[Tensor, Tensor]:
        depth, valid = self._moge.shifted_depth(out["points"], self._moge.usable(out), shift)
        if "metric_scale" in out:
            depth = depth * out["metric_scale"][:, None, None]
        return depth, valid


def _parts(search: Search) -> list[Tensor]:
    sums: Sums = search.now
    return [
        *(getattr(search, name) for name in ("shift", "radius", "damping", "scale", "done")),
        *(getattr(sums, name) for name in ("focal", "cost", "jr", "jj")),
    ]
