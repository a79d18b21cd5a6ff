# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Puts the networks of a grounding profile on the best backend that finds what PyTorch finds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import torch

from spatialgeo_ros.grounding.gate_rules import GateRule
from spatialgeo_ros.grounding.graphs import DetectorGraph
from spatialgeo_ros.models.encoders import exported_model
from spatialgeo_ros.models.grounding_profile import GroundingProfile
from spatialgeo_ros.networks.tower_engines import BackendReport, EngineOptions, compile_networks
from spatialgeo_ros.runtime.backend import Backend
from spatialgeo_ros.runtime.gate import Encoder
from spatialgeo_ros.runtime.tensorrt_build import BuildOptions
from spatialgeo_ros.runtime.torch_backend import TorchBackend


class CompilableNetworks(Protocol):
    """A detector or segmenter whose networks other backends than PyTorch can run."""

    #: Name of the kind, as profiles write it.
    kind: str

    def graphs(self, image_size: tuple[int, int]) -> Mapping[str, DetectorGraph]:
        """The networks for camera images of one size (rows, columns).

        In the order in which they are compiled: what the gate of one needs of others is computed by
        PyTorch, so that those come after it.
        """

    def gate_rule(self, name: str, graphs: Mapping[str, DetectorGraph]) -> GateRule:
        """How a network of :meth:`graphs` is judged."""

    def use(self, name: str, graph: DetectorGraph, backend: Backend) -> None:
        """Run a network on ``backend`` from now on, and let PyTorch's copy go."""


def compilable(parts: Sequence[object]) -> list[CompilableNetworks]:
    """Those of a profile's detector and segmenter that have networks to compile."""
    return [part for part in parts if hasattr(part, "gate_rule")]  # type: ignore[misc]


def network_encoder(
    profile: GroundingProfile,
    networks: CompilableNetworks,
    name: str,
    graphs: Mapping[str, DetectorGraph],
    folder: Path,
    *,
    build: bool = True,
) -> Encoder:
    """Make the encoder of a network.

    Whoever loads a grounding profile and ``spatialgeo engines`` find each other's exports and
    engines by what is said here.

    Args:
        profile: that the network is of; its engine settings count.
        networks: detector or segmenter.
        name: of the network among ``graphs``.
        graphs: of ``networks``, all of them for the same image size.
        folder: of the engine cache.
        build: export where no current export is there; False: fail.
    """
    graph, settings = graphs[name], profile.engines
    full = f"{profile.name}-{networks.kind}-{name}"
    rule = networks.gate_rule(name, graphs)

    @cache
    def reference() -> TorchBackend:
        return TorchBackend(graph)

    return Encoder(
        name=full,
        model=exported_model(graph, f"{full}-{graph.shape_name()}", settings, folder, build=build),
        reference=reference,
        reference_device=graph.device,
        precision=settings.precision,
        tolerances=settings.tolerances,
        known=rule.known,
        metric=rule.metric,
        options=BuildOptions(workspace_mb=settings.workspace_mb),
    )


def compile_grounding(
    profile: GroundingProfile,
    parts: Sequence[object],
    device: torch.device,
    options: EngineOptions,
    called: str,
) -> BackendReport:
    """Choose a backend for every network of a detector and its segmenter.

    Args:
        profile: that they are of.
        parts: detector and segmenter, loaded; what has no networks here is passed over.
        device: where they run.
        options: see ``EngineOptions``.
        called: what the user calls the profile, for the command in messages.

    Raises:
        ModelLoadError: by policy "fail", or where engines may not be built and are missing.
    """

    def encoder(owner: Any, name: str, graphs: Mapping[str, Any], folder: Path) -> Encoder:
        return network_encoder(profile, owner, name, graphs, folder, build=options.build)

    return compile_networks(compilable(parts), encoder, device, options, called, _label)


def _label(owner: Any, name: str) -> str:
    """Name of a network in reports: a detector's and a segmenter's may be called the same."""
    return f"{owner.kind} {name}"
