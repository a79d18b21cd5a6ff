# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How engines are run, on a stand-in for TensorRT and CUDA that computes on the CPU.

The stand-in reads and writes the addresses it was given and notes every call in order, so that
what is bound, enqueued, recorded and freed can be checked without a GPU.
"""

from __future__ import annotations

import ctypes
import inspect
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.backend import AxisRange, BackendInputError, TensorSpec
from spatialgeo_ros.runtime.tensorrt_backend import TensorRTBackend
from spatialgeo_ros.runtime.tensorrt_module import TensorRT

CPU = torch.device("cpu")
INPUTS = (TensorSpec("image", (1, 2, 3), torch.float32),)
OUTPUTS = (
    TensorSpec("double", (1, 2, 3), torch.float32),
    TensorSpec("total", (1,), torch.float32),
)


class FakeModule(SimpleNamespace):
    """A module whose engines give twice the input, and its sum."""

    def __init__(self, calls: list, kind: str = "tensorrt", shape=(1, 2, 3), **options) -> None:
        class Severity(Enum):
            INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

        class ILogger:
            def __init__(self) -> None:
                pass

        ILogger.Severity = Severity
        module = self
        self.options = options

        class Runtime:
            def __init__(self, logger) -> None:
                self.logger = logger
                if kind == "tensorrt_rtx":
                    self.get_engine_validity = lambda blob: options.get("validity", ("VALID", 0))

            def deserialize_cuda_engine(self, blob):
                calls.append("deserialise")
                if options.get("broken"):
                    self.logger.log(Severity.ERROR, "magic tag does not match")
                    return None
                return Engine(calls, module, shape)

        super().__init__(
            __name__=kind,
            ILogger=ILogger,
            Runtime=Runtime,
            TensorIOMode=SimpleNamespace(INPUT="in", OUTPUT="out"),
            EngineStat=SimpleNamespace(TOTAL_WEIGHTS_SIZE="weights"),
            EngineValidity=SimpleNamespace(INVALID="INVALID", VALID="VALID"),
            EngineInvalidityDiagnostics=SimpleNamespace(
                __members__={"VERSION_MISMATCH": 1, "UNSUPPORTED_CC": 2}
            ),
            DynamicShapesKernelSpecializationStrategy=SimpleNamespace(EAGER="eager"),
        )


class Engine:
    num_io_tensors, num_layers, device_memory_size_v2 = 3, 7, 1000

    def __init__(self, calls: list, module: FakeModule, shape) -> None:
        self.calls, self.module, self.shape = calls, module, shape
        self.tensors = {"total": "out", "image": "in", "double": "out"}

    def get_tensor_name(self, index):
        return list(self.tensors)[index]

    def get_tensor_mode(self, name):
        return self.tensors[name]

    def get_tensor_shape(self, name):
        return (1,) if name == "total" else self.shape

    def get_tensor_dtype(self, name):
        return self.module.options.get("dtype", "DataType.FLOAT")

    def get_engine_stat(self, stat):
        return 500

    def create_runtime_config(self):
        calls, config = self.calls, SimpleNamespace()
        config.create_runtime_cache = lambda: SimpleNamespace(
            deserialize=lambda blob: calls.append(("kernels in", blob)),
            serialize=lambda: b"finished kernels",
        )
        config.set_runtime_cache = lambda cache: None
        self.config = config
        return config

    def create_execution_context(self, config=None):
        self.calls.append("context")
        return Context(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self.engine, self.calls = engine, engine.calls
        self.shape, self.addresses = engine.shape, {}

    def get_tensor_shape(self, name):
        return (1,) if name == "total" else self.shape

    def set_input_shape(self, name, shape):
        self.calls.append(("shape", name, shape))
        self.shape = shape
        return True

    def set_tensor_address(self, name, address):
        self.calls.append(("bind", name))
        self.addresses[name] = address
        return True

    def infer_shapes(self):
        return []

    def execute_async_v3(self, handle):
        if self.engine.module.options.get("fails"):
            return False
        self.calls.append(("enqueue", handle))
        if FakeCuda.recording is None:
            self.compute()
        else:
            if self.engine.module.options.get("cannot_record"):
                raise RuntimeError("operation not permitted when stream is capturing")
            FakeCuda.recording.work.append(self.compute)
        return True

    def compute(self) -> None:
        count = torch.Size(self.shape).numel()

        def at(name: str, number: int):
            return (ctypes.c_float * number).from_address(self.addresses[name])

        values = list(at("image", count))
        at("double", count)[:] = [2 * value for value in values]
        at("total", 1)[:] = [sum(values)]


class FakeStream:
    def __init__(self, handle: int, calls: list) -> None:
        self.cuda_stream, self.calls = handle, calls

    def wait_stream(self, other: FakeStream) -> None:
        self.calls.append(("wait", self.cuda_stream, other.cuda_stream))

    def synchronize(self) -> None:
        self.calls.append(("synchronise", self.cuda_stream))


class FakeCuda:
    recording = None

    def __init__(self, calls: list, current: int = 7) -> None:
        self.calls, self.current, self.made = calls, FakeStream(current, calls), 100

    def current_stream(self, device):
        return self.current

    def Stream(self, device):  # noqa: N802
        self.made += 1
        return FakeStream(self.made, self.calls)

    @contextmanager
    def stream(self, stream):
        before, self.current = self.current, stream
        yield
        self.current = before

    @contextmanager
    def device(self, device):
        self.calls.append(("device", device))
        yield

    def CUDAGraph(self):  # noqa: N802
        graph = SimpleNamespace(work=[])

        def replay() -> None:
            self.calls.append("replay")
            for work in graph.work:
                work()

        graph.replay = replay
        return graph

    @contextmanager
    def graph(self, graph, *, stream, capture_error_mode):
        assert capture_error_mode == "thread_local"
        FakeCuda.recording = graph
        try:
            yield
        finally:
            FakeCuda.recording = None


def make(calls: list, cuda: FakeCuda | None = None, kind: str = "tensorrt", **options):
    settings = {
        "inputs": INPUTS, "outputs": OUTPUTS, "precision": "fp16", "device": CPU,
        **{k: options.pop(k) for k in ("profile", "runtime_cache", "inputs", "outputs",
                                       "cuda_graph") if k in options},
    }  # fmt: skip
    trt = TensorRT(FakeModule(calls, kind, **options), kind, "10.3.0")
    return TensorRTBackend(trt, b"engine", cuda=cuda or FakeCuda(calls), **settings)


def image(seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 2, 3, generator=torch.Generator().manual_seed(seed))


def test_outputs_are_those_of_the_engine_in_the_exports_order() -> None:
    backend, given = make([]), image()
    results = backend.run({"image": given})
    assert [spec.name for spec in backend.outputs] == list(results) == ["double", "total"]
    assert torch.equal(results["double"], 2 * given)
    assert torch.allclose(results["total"], given.sum()[None])


def test_every_tensor_is_bound_before_the_run_is_enqueued_on_torchs_stream() -> None:
    calls: list = []
    backend = make(calls)
    calls.clear()
    backend.run({"image": image()})
    assert calls == [
        ("device", CPU), ("bind", "image"), ("bind", "double"), ("bind", "total"), ("enqueue", 7),
    ]  # fmt: skip


def test_the_default_stream_is_stood_in_for_and_ordered_on_both_sides() -> None:
    calls: list = []
    backend = make(calls, FakeCuda(calls, current=0))
    calls.clear()
    backend.run({"image": image()})
    assert [call for call in calls if call[0] in ("wait", "enqueue")] == [
        ("wait", 101, 0), ("enqueue", 101), ("wait", 0, 101),
    ]  # fmt: skip


def test_runs_on_two_streams_wait_for_each_other() -> None:
    calls: list = []
    cuda = FakeCuda(calls)
    backend = make(calls, cuda)
    backend.run({"image": image()})
    cuda.current = FakeStream(8, calls)
    calls.clear()
    backend.run({"image": image()})
    assert calls[1] == ("wait", 8, 7)  # before anything is bound


def test_the_context_is_made_once_and_results_are_not_overwritten() -> None:
    calls: list = []
    backend = make(calls)
    first = backend.run({"image": image(0)})
    kept = first["double"].clone()
    backend.run({"image": image(1)})
    assert torch.equal(first["double"], kept)
    assert calls.count("context") == 1
    # Engine and context are made on the backend's GPU, not on the current one.
    assert calls[:4] == [("device", CPU), "deserialise", ("device", CPU), "context"]


def test_an_input_that_is_not_contiguous_is_read_rightly() -> None:
    turned = torch.rand(3, 2).T[None]
    assert not turned.is_contiguous()
    assert torch.equal(make([]).run({"image": turned})["double"], 2 * turned)


@pytest.mark.parametrize(
    ("feeds", "says"),
    [
        ({}, "'image' is missing"),
        ({"image": torch.zeros(1, 2, 3), "more": torch.zeros(1)}, "no input 'more'"),
        ({"image": torch.zeros(1, 2, 3, dtype=torch.float16)}, "float16, expected image"),
        ({"image": torch.zeros(1, 2, 4)}, r"\[1, 2, 4\]"),
        ({"image": torch.zeros(1, 2, 3, device="meta")}, "is on meta, the backend on cpu"),
    ],
    ids=["missing", "unknown", "type", "shape", "device"],
)
def test_wrong_inputs_are_refused_before_anything_is_bound(feeds: dict, says: str) -> None:
    calls: list = []
    backend = make(calls)
    calls.clear()
    with pytest.raises(BackendInputError, match=says):
        backend.run(feeds)
    assert calls == [("device", CPU)]


def test_varying_axes_are_set_when_they_change() -> None:
    calls: list = []
    backend = make(
        calls,
        shape=(-1, 2, 3),
        inputs=(TensorSpec("image", ("batch", 2, 3), torch.float32),),
        outputs=(TensorSpec("double", ("batch", 2, 3), torch.float32), OUTPUTS[1]),
        profile={"batch": AxisRange(1, 2, 4)},
    )
    for size, set_again in ((2, True), (2, False), (3, True)):
        calls.clear()
        given = torch.rand(size, 2, 3)
        assert torch.equal(backend.run({"image": given})["double"], 2 * given)
        assert (("shape", "image", (size, 2, 3)) in calls) == set_again
    with pytest.raises(BackendInputError, match="1 to 4"):
        backend.run({"image": torch.rand(5, 2, 3)})
    backend.warm_up()
    assert backend.describe()["cuda_graph"] is False  # a graph has one shape


def test_a_warm_engine_is_replayed_as_a_graph_with_results_of_its_own() -> None:
    calls: list = []
    backend = make(calls)
    backend.warm_up()
    calls.clear()
    first = backend.run({"image": image(0)})
    second = backend.run({"image": image(1)})
    assert [call for call in calls if call != ("device", CPU)] == ["replay", "replay"]
    assert torch.equal(first["double"], 2 * image(0))
    assert torch.equal(second["double"], 2 * image(1))
    assert backend.describe()["cuda_graph"] is True


@pytest.mark.parametrize("options", [{"cannot_record": True}, {"cuda_graph": False}])
def test_without_a_graph_the_engine_still_runs(options: dict) -> None:
    backend = make([], **options)
    backend.warm_up()
    assert torch.equal(backend.run({"image": image()})["double"], 2 * image())
    assert backend.describe()["cuda_graph"] is False


def test_memory_is_weights_and_workspace() -> None:
    assert make([]).device_memory_bytes() == 1500


def test_close_waits_for_the_device_and_ends_the_backend() -> None:
    calls: list = []
    backend = make(calls)
    backend.warm_up()
    calls.clear()
    backend.close()
    assert ("synchronise", 7) in calls
    with pytest.raises(ModelLoadError, match="closed"):
        backend.run({"image": image()})
    backend.close()  # twice does no harm


def test_errors_carry_what_tensorrt_said() -> None:
    with pytest.raises(ModelLoadError, match="magic tag does not match"):
        make([], broken=True)
    with pytest.raises(ModelLoadError, match="enqueue failed"):
        make([], fails=True).run({"image": image()})


def test_an_engine_that_the_runtime_holds_for_invalid_is_not_deserialised() -> None:
    calls: list = []
    with pytest.raises(ModelLoadError, match="version mismatch, unsupported cc"):
        make(calls, kind="tensorrt_rtx", validity=("INVALID", 3))
    assert "deserialise" not in calls


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dtype": "DataType.HALF"}, "float16 is not the exported"),
        ({"shape": (1, 4, 4)}, "is not the exported"),
        ({"inputs": (TensorSpec("picture", (1, 2, 3), torch.float32),)}, "no such tensor"),
        ({"outputs": (*OUTPUTS, TensorSpec("more", (1,), torch.float32))}, "no tensor 'more'"),
    ],
    ids=["type", "shape", "name", "missing"],
)
def test_an_engine_of_another_export_is_refused(change: dict, says: str) -> None:
    with pytest.raises(ModelLoadError, match=says):
        make([], **change)


def test_finished_kernels_are_kept_for_the_next_start(tmp_path: Path) -> None:
    kernels, calls = tmp_path / "kernels.cache", []
    make(calls, kind="tensorrt_rtx", runtime_cache=kernels).warm_up()
    assert kernels.read_bytes() == b"finished kernels"
    make(calls, kind="tensorrt_rtx", runtime_cache=kernels)
    assert ("kernels in", b"finished kernels") in calls
    # Kernels are code: what others can write is not loaded.
    kernels.chmod(0o666)
    calls.clear()
    make(calls, kind="tensorrt_rtx", runtime_cache=kernels)
    assert not [call for call in calls if call[0] == "kernels in"]


def test_the_stand_ins_have_no_method_that_the_real_ones_lack() -> None:
    real = pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed")

    def methods(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    for stand_in, names in ((Engine, {"num_io_tensors"}), (Context, {"execute_async_v3"})):
        assert names <= methods(stand_in)
    engine = methods(Engine)
    assert engine - set(dir(real.ICudaEngine)) == set()
    assert methods(Context) - {"compute"} - set(dir(real.IExecutionContext)) == set()
    for name in ("deserialize_cuda_engine", "get_engine_validity"):
        assert hasattr(real.Runtime, name)
    for name in ("create_runtime_cache", "set_runtime_cache"):
        assert hasattr(real.IRuntimeConfig, name)
    assert hasattr(real.IExecutionContext, "is_stream_capturable")
    assert hasattr(real.DynamicShapesKernelSpecializationStrategy, "EAGER")
    # And torch's side, as it is called.
    inspect.signature(torch.cuda.graph.__init__).bind(
        None, None, stream=None, capture_error_mode="thread_local"
    )
    inspect.signature(torch.cuda.current_stream).bind(CPU)
    inspect.signature(torch.cuda.stream).bind(None)
    inspect.signature(torch.cuda.device.__init__).bind(None, CPU)
