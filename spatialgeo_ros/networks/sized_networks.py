# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A profile's image networks in PyTorch, one graph per image size, launched as a whole on a GPU."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from spatialgeo_ros.models.graphs import (
    CameraGraph,
    GeometryGraph,
    GeometryPlan,
    SemanticGraph,
    TowerGraph,
)
from spatialgeo_ros.models.moge.base import MoGe
from spatialgeo_ros.models.moge.depth_recovery import DepthRecovery
from spatialgeo_ros.runtime.backend import Backend
from spatialgeo_ros.runtime.cuda_graph import CaptureError, WorkStream
from spatialgeo_ros.runtime.torch_backend import TorchBackend

log = logging.getLogger(__name__)

Graph = GeometryGraph | TowerGraph | SemanticGraph
#: What PyTorch can capture beyond what other backends are given.
SizedGraph = Graph | CameraGraph
#: Image sizes that are kept at once; each holds the scratch memory of its graphs.
_MOST_SIZES = 4


@dataclass(frozen=True)
class Compiled:
    """A network for one size on a backend.

    Attributes:
        backend: Runs it.
        plan: What surrounds its graph; None where nothing does.
        reads_bytes: Whether it takes a camera image as it is, so that ``plan.prepare`` is inside.
    """

    backend: Backend
    plan: GeometryPlan | None
    reads_bytes: bool = False

    def run(self, feeds: Mapping[str, Tensor]) -> dict[str, Any]:
        """Features and maps, as the network itself gives them."""
        outputs = self.backend.run(feeds)
        return dict(outputs) if self.plan is None else self.plan.finish(outputs)


class SizedNetworks:
    """Captures each network at the first image of a size, and forgets the size used longest ago.

    Args:
        make: Gives the graph of a network's name for rows and columns of camera images.
        stream: Where all of it runs.
    """

    def __init__(
        self, make: Callable[[str, tuple[int, int]], SizedGraph], stream: WorkStream
    ) -> None:
        self._make, self._stream = make, stream
        self._networks: OrderedDict[tuple[str, tuple[int, int]], Compiled] = OrderedDict()
        self._recoveries: OrderedDict[tuple[int, int, bool], DepthRecovery] = OrderedDict()
        self._remark = ""

    def network(self, name: str, size: tuple[int, int]) -> Compiled:
        """A network for images of ``size`` (rows, columns)."""
        key = (name, size)
        if key not in self._networks:
            of_name = [known for known in self._networks if known[0] == name]
            if len(of_name) == _MOST_SIZES:
                self._networks.pop(of_name[0]).backend.close()
            graph = self._make(name, size)
            called = f"the {name} network at {size[1]}x{size[0]}"
            backend = TorchBackend(graph, self._stream, called)
            plan = None if isinstance(graph, SemanticGraph) else graph.plan
            self._networks[key] = Compiled(backend, plan, isinstance(graph, CameraGraph))
        self._networks.move_to_end(key)
        return self._networks[key]

    def depth(
        self, geometry: MoGe, out: Mapping[str, Any], *, free_shift: bool, focal: float | None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]] | None:
        """Depth and validity ``[h, w]`` of a network's maps; None where it cannot be captured.

        Args:
            geometry: Whose maps they are.
            out: Its result for one image.
            free_shift: Whether z has an unknown shift.
            focal: Known focal relative to the half diagonal, or None.
        """
        if self._remark:
            return None
        try:
            recovery = self._recovery(geometry, out, free_shift, focal is not None)
        except CaptureError as error:
            self._remark = f"focal length and shift are solved eagerly: {error}"
            log.warning("%s", self._remark)
            return None
        with self._stream.running():
            return recovery.depth(out, focal)

    def _recovery(
        self, geometry: MoGe, out: Mapping[str, Any], free_shift: bool, known_focal: bool
    ) -> DepthRecovery:
        rows, columns = out["points"].shape[1:3]
        key = (rows, columns, known_focal)
        if key not in self._recoveries:
            if len(self._recoveries) == _MOST_SIZES:
                self._recoveries.popitem(last=False)
            self._recoveries[key] = DepthRecovery(
                geometry, out, free_shift=free_shift, known_focal=known_focal, stream=self._stream
            )
        self._recoveries.move_to_end(key)
        return self._recoveries[key]

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics: how each network is launched, and what the graphs hold."""
        facts: dict[str, Any] = {}
        # Copies: another thread may be adding a size.
        for (name, (rows, columns)), one in list(self._networks.items()):
            facts[f"{name} at {columns}x{rows}"] = one.backend.describe()["launch"]
        if self._remark:
            facts["depth"] = self._remark
        elif self._recoveries:
            recoveries = list(self._recoveries.values())
            held = sum(one.memory_bytes for one in recoveries)
            facts["depth"] = f"solved beside the maps, {held / 1e6:.0f} MB"
            if corrected := sum(one.corrected for one in recoveries):
                facts["depth"] += f", {corrected} images solved once more"
        return facts

    def close(self) -> None:
        """Free graphs and networks."""
        for one in self._networks.values():
            one.backend.close()
        self._networks.clear()
        self._recoveries.clear()
