# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Engines on a real GPU, where there is one: nano passes the gate, on every stream, as a graph."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from spatialgeo_ros.models.encoders import make_encoder
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.networks.loader import load_towers
from spatialgeo_ros.runtime.backend import BackendUnavailableError
from spatialgeo_ros.runtime.candidates import tensorrt_backend
from spatialgeo_ros.runtime.engine_cache import EngineCache
from spatialgeo_ros.runtime.gate import EngineContext
from spatialgeo_ros.runtime.parity import known_inputs

if not torch.cuda.is_available():
    pytest.skip("there is no GPU", allow_module_level=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("engines")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tensorrt", "tensorrt_rtx"])
@pytest.mark.parametrize("name", ["geometry", "semantic"])
def test_nano_engines_compute_what_pytorch_computes(kind: str, name: str, folder: Path) -> None:
    device = torch.device("cuda", torch.cuda.current_device())
    profile = load_profile("nano")
    (tower,) = load_towers(profile, device)
    graph = tower.graphs((480, 640))[name]
    encoder = make_encoder(graph, f"nano-{name}", profile.engines, folder)
    context = EngineContext(EngineCache(folder), device)
    try:
        backend, report = tensorrt_backend(kind, encoder, context)
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    print(report, backend.describe())
    assert report.passed
    memory = backend.device_memory_bytes()
    assert memory is not None
    assert memory > 1e6
    feeds = {
        spec.name: tensor.to(device)
        for spec, tensor in zip(
            backend.inputs, known_inputs(backend.inputs, count=1)[0].values(), strict=True
        )
    }
    first = backend.run(feeds)  # torch's default stream
    side = torch.cuda.Stream(device)
    side.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(side):
        second = backend.run(feeds)
        later = backend.run({key: torch.zeros_like(value) for key, value in feeds.items()})
    torch.cuda.synchronize(device)
    for output in first:
        assert torch.allclose(first[output], second[output], rtol=1e-3, atol=1e-3)
        assert not torch.equal(first[output], later[output])
    backend.close()
    # The next start only checks itself.
    again, report = tensorrt_backend(kind, encoder, EngineContext(EngineCache(folder), device))
    assert report.reference == "its own earlier result"
    again.close()
