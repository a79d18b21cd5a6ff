# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Puts networks of a profile on the best backend that computes what PyTorch computes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.profiles import Profile
from spatialgeo_ros.networks.towers import FrameTowers, Graph

if TYPE_CHECKING:
    from spatialgeo_ros.runtime.gate import Encoder

log = logging.getLogger(__name__)

#: Camera images for which networks of mode "native" are compiled: rows, columns.
DEFAULT_IMAGE_SIZE = (480, 640)


@dataclass(frozen=True)
class EngineOptions:
    """How the encoders run.

    Attributes:
        backend: "torch", "auto", "onnxruntime", "tensorrt" or "tensorrt_rtx".
        policy: where a backend fails: "next_backend" or "fail".
        build: make an export or engine that is not there; False: fail with the command to run.
        folder: of the engine cache, None for the usual one.
        image_size: rows and columns of camera images, for profiles of mode "native".
        progress: told what is being built and which share is done.
    """

    backend: str = "torch"
    policy: str = "next_backend"
    build: bool = True
    folder: Path | None = None
    image_size: tuple[int, int] = DEFAULT_IMAGE_SIZE
    progress: Callable[[str, float], bool | None] | None = None


@dataclass(frozen=True)
class BackendReport:
    """What runs each network, in words, and whether one runs worse than asked for.

    Attributes:
        names: network -> backend, such as "onnxruntime-cpu".
        reasons: network -> backend and why no better one runs.
        degraded: what is worse than asked for.
    """

    names: Mapping[str, str]
    reasons: Mapping[str, str]
    degraded: tuple[str, ...]


def tower_encoder(
    profile: Profile, name: str, graph: Graph, folder: Path, *, build: bool = True
) -> Encoder:
    """Make the encoder of a tower's network.

    The node and ``spatialgeo engines`` find each other's exports and engines by what is said here.

    Args:
        profile: that the tower is of; its engine settings count.
        name: of the network among ``FrameTowers.graphs``.
        graph: of that name.
        folder: of the engine cache.
        build: export where no current export is there; False: fail.
    """
    from spatialgeo_ros.models.encoders import make_encoder

    return make_encoder(graph, f"{profile.name}-{name}", profile.engines, folder, build=build)


def compile_towers(
    profile: Profile,
    towers: Sequence[FrameTowers],
    device: torch.device,
    options: EngineOptions,
    called: str,
) -> BackendReport:
    """Choose a backend for every network of the towers; PyTorch needs nothing.

    Args:
        profile: that the towers are of.
        towers: loaded.
        device: where they run.
        options: see ``EngineOptions``.
        called: what the user calls the profile, for the command in messages.

    Raises:
        ModelLoadError: by policy "fail", or where engines may not be built and are missing.
    """

    def encoder(owner: Any, name: str, graphs: Mapping[str, Any], folder: Path) -> Encoder:
        del owner
        return tower_encoder(profile, name, graphs[name], folder, build=options.build)

    return compile_networks(towers, encoder, device, options, called)


def compile_networks(
    owners: Sequence[Any],
    make_encoder: Callable[[Any, str, Mapping[str, Any], Path], Encoder],
    device: torch.device,
    options: EngineOptions,
    called: str,
    label: Callable[[Any, str], str] = lambda owner, name: name,
) -> BackendReport:
    """Choose a backend for every network; PyTorch needs nothing.

    Args:
        owners: have ``graphs(image_size)`` by name, and ``use(name, graph, backend)``.
        make_encoder: given the owner, a network's name, all graphs of the owner and the folder of
            the engine cache.
        device: where they run.
        options: see ``EngineOptions``.
        called: what the user calls the profile, for the command in messages.
        label: name of an owner's network in the report.

    Raises:
        ModelLoadError: by policy "fail", or where engines may not be built and are missing.
    """
    if options.backend == "torch":
        return BackendReport({}, {}, ())
    # Imported here: a profile that runs in PyTorch needs no engines.
    from spatialgeo_ros.runtime.engine_cache import EngineCache
    from spatialgeo_ros.runtime.gate import EngineContext
    from spatialgeo_ros.runtime.select import select_backend

    try:
        cache = EngineCache(options.folder)
    except ModelLoadError as error:  # its folder is not ours, or nobody's: no engine is trusted
        if options.policy == "fail":
            raise
        labels = [label(o, name) for o in owners for name in o.graphs(options.image_size)]
        return _without_engines(labels, f"torch (no engines: {error})")
    context = EngineContext(
        cache, device, build=options.build, progress=options.progress, profile=called
    )
    names, reasons, degraded = {}, {}, []
    for owner in owners:
        graphs = owner.graphs(options.image_size)
        for name, graph in graphs.items():
            encoder = make_encoder(owner, name, graphs, cache.folder)
            selection = select_backend(encoder, context, options.backend, options.policy)
            said = label(owner, name)
            names[said], reasons[said] = selection.backend.name, str(selection)
            if selection.kind != "torch":
                owner.use(name, graph, selection.backend)
            if selection.degraded:
                degraded.append(f"{said} network runs on {selection}")
    return BackendReport(names, reasons, tuple(degraded))


def _without_engines(names: Sequence[str], why: str) -> BackendReport:
    """Leave every network in PyTorch, and say so."""
    for name in names:
        log.warning("%s runs on %s", name, why)
    reasons = dict.fromkeys(names, why)
    return BackendReport({}, reasons, tuple(f"{name} network runs on {why}" for name in names))
