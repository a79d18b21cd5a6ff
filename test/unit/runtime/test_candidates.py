# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the cache to a loaded engine: the refused is built again once, the changed is not run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime import candidates, select
from spatialgeo_ros.runtime.backend import BackendUnavailableError, OnnxModel, TensorSpec
from spatialgeo_ros.runtime.candidates import tensorrt_backend
from spatialgeo_ros.runtime.engine_cache import EngineCache
from spatialgeo_ros.runtime.engine_manifest import StaleEngineError
from spatialgeo_ros.runtime.gate import Encoder, EngineContext
from spatialgeo_ros.runtime.tensorrt_module import Device, TensorRT, UnsupportedChipError

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


def on_chip(machine: Machine, monkeypatch: pytest.MonkeyPatch, sm: str) -> None:
    """A GPU of a chip, and a TensorRT for RTX that has kernels for two others."""
    machine.device = Device(sm, "NVIDIA H200", "575")
    capabilities = SimpleNamespace(__members__={"SM86": 1, "SM89": 2, "NONE": 0})
    module = SimpleNamespace(ComputeCapability=capabilities)
    monkeypatch.setattr(candidates, "find_tensorrt", lambda kind: TensorRT(module, kind, "1.7"))


def test_a_chip_without_kernels_is_said_aloud(machine, context, monkeypatch, caplog) -> None:
    """TensorRT for RTX is installed, and has none for a Hopper card: only INFO said so."""
    on_chip(machine, monkeypatch, "sm_90")
    running = SimpleNamespace(name="onnxruntime-cuda")
    makers = {
        **select.MAKERS,
        "tensorrt": missing,
        "onnxruntime": lambda *_: (running, None),
    }
    with caplog.at_level("WARNING"):
        selection = select.select_backend(ENCODER, context, makers=makers)
    assert selection.kind == "onnxruntime"
    reason = (
        "it cannot run on this NVIDIA H200 (sm_90): tensorrt_rtx 1.7 does not build for 'sm_90'"
    )
    assert reason in str(selection) and "it builds for sm_86, sm_89" in str(selection)
    assert f"net: not tensorrt_rtx: {reason}" in caplog.text
    assert "not tensorrt:" not in caplog.text  # what is not installed is no news
    with pytest.raises(UnsupportedChipError):
        tensorrt_backend("tensorrt_rtx", ENCODER, context)


def missing(*_: object) -> None:
    raise BackendUnavailableError("tensorrt is not installed")


def test_an_unusable_cache_is_a_reason_to_go_on(machine, context, monkeypatch, caplog) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "locks/x.lock")

    monkeypatch.setattr(EngineCache, "_try_lock", refuse)
    makers = {**select.MAKERS, "onnxruntime": missing, "torch": lambda *_: (reference(), None)}
    selection = select.select_backend(ENCODER, context, "tensorrt", makers=makers)
    assert (selection.kind, selection.degraded) == ("torch", True)
    words = "engines cannot be used (locks/x.lock: Permission denied): set SPATIALGEO_ENGINES"
    assert words in str(selection)
    assert "tensorrt is NOT USED" in caplog.text and words in caplog.text
    with pytest.raises(ModelLoadError, match="net with tensorrt: the engine folder .*SPATIALGEO"):
        select.select_backend(ENCODER, context, "tensorrt", "fail", makers=makers)


def test_an_export_that_cannot_be_written_is_one_too(machine, context) -> None:
    def refuse(_: str) -> OnnxModel:
        raise OSError(28, "No space left on device", "onnx/.net")

    full = Encoder("net", refuse, reference)
    makers = {**select.MAKERS, "tensorrt_rtx": missing, "onnxruntime": missing}
    makers["torch"] = lambda *_: (reference(), None)
    selection = select.select_backend(full, context, makers=makers)
    assert (selection.kind, selection.degraded) == ("torch", True)
    assert "onnx/.net: No space left on device" in selection.rejected["tensorrt"]


def reference() -> SimpleNamespace:
    return SimpleNamespace(name="torch-cuda")
