# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the cache to a loaded engine: the refused is built again once, the changed is not run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime import candidates
from spatialgeo_ros.runtime.backend import BackendUnavailableError, OnnxModel, TensorSpec
from spatialgeo_ros.runtime.candidates import tensorrt_backend
from spatialgeo_ros.runtime.engine_cache import EngineCache
from spatialgeo_ros.runtime.engine_manifest import StaleEngineError
from spatialgeo_ros.runtime.gate import Encoder, EngineContext
from spatialgeo_ros.runtime.tensorrt_module import Device, TensorRT

MODEL = OnnxModel(
    Path("net.onnx"), "00" * 32, (TensorSpec("image", (1, 3, 8, 8), torch.float32),), (), "fp16"
)
ENCODER = Encoder("net", lambda precision: MODEL, lambda: pytest.fail("the reference is not asked"))


class Machine:
    """A GPU with a driver, a TensorRT that builds numbered engines, a runtime that refuses some."""

    def __init__(self) -> None:
        self.device = Device("sm_87", "Orin", "540.4.0")
        self.version = "10.3.0"
        self.built = 0
        self.refused: set[bytes] = set()
        self.loaded: list[bytes] = []

    def build(self, trt, model, target, options, **_) -> bytes:
        assert target == self.device
        self.built += 1
        return f"engine {self.built}".encode()

    def load(self, trt, engine: bytes, **_):
        if engine in self.refused:
            raise ModelLoadError("the runtime refuses the engine: version mismatch")
        self.loaded.append(engine)
        return SimpleNamespace(name="tensorrt-fp16")


@pytest.fixture
def machine(monkeypatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(candidates, "this_device", lambda device: made.device)
    monkeypatch.setattr(
        candidates, "find_tensorrt", lambda kind: TensorRT(SimpleNamespace(), kind, made.version)
    )
    monkeypatch.setattr(candidates, "machine_name", lambda device: "here")
    monkeypatch.setattr(candidates, "build_engine", made.build)
    monkeypatch.setattr(candidates, "TensorRTBackend", made.load)
    monkeypatch.setattr(candidates, "trusted", lambda backend, *_: (backend, None))
    return made


@pytest.fixture
def context(tmp_path: Path) -> EngineContext:
    return EngineContext(EngineCache(tmp_path / "engines"), torch.device("cuda"))


def start(context: EngineContext) -> None:
    tensorrt_backend("tensorrt", ENCODER, context)


def test_an_engine_is_built_at_the_first_start_and_loaded_at_the_next(machine, context) -> None:
    start(context)
    start(context)
    assert machine.built == 1
    assert machine.loaded == [b"engine 1", b"engine 1"]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("device", Device("sm_87", "Orin", "580")), ("version", "10.16.1")],
    ids=["driver", "version"],
)
def test_an_update_of_driver_or_tensorrt_builds_anew(machine, context, attribute, value) -> None:
    start(context)
    setattr(machine, attribute, value)
    start(context)
    assert machine.loaded == [b"engine 1", b"engine 2"]


def test_a_damaged_engine_is_never_given_to_the_runtime(machine, context) -> None:
    start(context)
    (path,) = context.cache.folder.glob("*.engine")
    path.write_bytes(b"engine X")
    start(context)
    assert machine.loaded == [b"engine 1", b"engine 2"]


def test_what_the_runtime_refuses_is_built_again_once(machine, context, caplog) -> None:
    start(context)
    machine.refused = {b"engine 1"}
    start(context)
    assert machine.loaded == [b"engine 1", b"engine 2"]
    assert "version mismatch; building it again" in caplog.text
    # What is refused right after building would be refused for ever: no second attempt.
    machine.refused = {b"engine 2", b"engine 3"}
    with pytest.raises(ModelLoadError, match="version mismatch"):
        start(context)
    assert machine.built == 3


def test_without_leave_to_build_the_command_is_named(machine, context) -> None:
    here = EngineContext(context.cache, context.device, build=False, profile="nano")
    with pytest.raises(
        StaleEngineError, match="spatialgeo engines build --profile nano --backend tensorrt"
    ):
        start(here)
    start(context)
    start(here)
    machine.refused = {b"engine 1"}
    with pytest.raises(StaleEngineError, match="refused the engine; build it with"):
        start(here)
    assert machine.built == 1


def test_without_a_gpu_nothing_is_built(machine, context, tmp_path: Path) -> None:
    with pytest.raises(BackendUnavailableError, match="this runs on cpu"):
        start(EngineContext(context.cache, torch.device("cpu")))
    machine.device = None
    with pytest.raises(BackendUnavailableError, match="needs an NVIDIA GPU"):
        start(context)
    assert machine.built == 0
