# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tensors come in order while the next ones are read; networks are filled and packed one by one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.moge import write_moge1
from checkpoints.spatial_mllm import write_spatial_mllm_3b
from torch import Tensor, nn

from spatialgeo_ros.models.files import meta_fill, store, upload, weights
from spatialgeo_ros.models.moge.moge_checkpoint import load_moge
from spatialgeo_ros.models.quantise import is_quantisable
from spatialgeo_ros.models.spatial_mllm import load_spatial_mllm


def test_tensors_come_in_order_and_a_few_are_read_ahead() -> None:
    begun: list[int] = []

    def read(number: int) -> Callable[[], Tensor]:
        def one() -> Tensor:
            begun.append(number)
            return torch.full((2,), float(number))

        return one

    arriving = upload.upload([read(n) for n in range(30)], "cpu")
    assert next(arriving)[0] == 0
    assert 1 < len(begun) < 30  # some are on their way, not all
    assert [int(t[0]) for t in arriving] == list(range(1, 30)) and begun == list(range(30))


def test_a_read_that_fails_fails_where_its_tensor_is_asked_for() -> None:
    def fails() -> Tensor:
        raise OSError("the disk is gone")

    arriving = upload.upload([lambda: torch.ones(1), fails, lambda: torch.ones(2)], "cpu")
    assert len(next(arriving)) == 1  # although the next one was tried ahead
    with pytest.raises(OSError, match="the disk is gone"):
        next(arriving)
    assert next(arriving, None) is None


class FakeEvent:
    def record(self, stream: object = None) -> None: ...
    def synchronize(self) -> None: ...


class FakeStream(FakeEvent):
    def __init__(self, device: object = None) -> None: ...
    def wait_event(self, event: object) -> None: ...


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The thread that copies to a GPU, copying to the CPU; test/gpu has the real one."""
    real_empty = torch.empty

    def empty(*size: Any, pin_memory: bool = False, **options: Any) -> Tensor:
        return real_empty(*size, **options)

    monkeypatch.setattr(torch, "empty", empty)
    monkeypatch.setattr(torch.cuda, "Stream", FakeStream)
    monkeypatch.setattr(torch.cuda, "Event", FakeEvent)
    monkeypatch.setattr(torch.cuda, "current_stream", FakeStream)
    monkeypatch.setattr(torch.cuda, "device", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(Tensor, "record_stream", lambda *_: None)
    monkeypatch.setattr(upload, "CHUNK_BYTES", 1000)
    return lambda reads: upload._from_thread(reads, torch.device("cpu"))


def uploaders() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == "upload"]


def test_the_copying_thread_hands_over_every_tensor_whole_and_in_order(
    on_cpu: Callable[..., Any],
) -> None:
    torch.manual_seed(0)
    tensors = [
        torch.randn(40, 70), torch.tensor(2.5), torch.zeros(0, 4), torch.arange(3),
        torch.randn(7, 9).bfloat16(), torch.randn(30, 20).t(), torch.ones(3, dtype=torch.bool),
        *(torch.full((100,), float(n)) for n in range(40)),
    ]  # fmt: skip
    found = list(on_cpu([lambda t=t: t for t in tensors]))
    assert len(found) == len(tensors) and not uploaders()
    for tensor, copy in zip(tensors, found, strict=True):
        assert copy.dtype == tensor.dtype and torch.equal(copy, tensor)
        assert copy.data_ptr() != tensor.data_ptr() or not tensor.numel()


def test_the_copying_thread_ends_early_and_passes_errors_on(on_cpu: Callable[..., Any]) -> None:
    def fails() -> Tensor:
        raise OSError("the disk is gone")

    with closing(on_cpu([lambda: torch.ones(10)] * 100)) as arriving:
        next(arriving)
    assert not uploaders()
    arriving = on_cpu([lambda: torch.ones(1), fails, lambda: torch.ones(1)])
    with pytest.raises(OSError, match="the disk is gone"):
        list(arriving)
    assert not uploaders()


def test_a_language_model_never_exists_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was filled as a whole, on the CPU, and packed afterwards: 6 GB of a 3B model."""
    pytest.importorskip("bitsandbytes")
    folder = write_spatial_mllm_3b(tmp_path, version="1.1")
    models: list[nn.Module] = []
    unpacked: list[int] = []
    real_fill, real_pack = meta_fill.fill, meta_fill.pack_linear

    def fill(module: nn.Module, *arguments: Any, **options: Any) -> None:
        models.append(module)
        real_fill(module, *arguments, **options)

    def pack(*arguments: Any) -> nn.Linear:
        layers = [
            layer
            for name, layer in models[-1].named_modules()
            if is_quantisable(name, layer) and type(layer) is nn.Linear
        ]
        unpacked.append(sum(layer.weight.device.type != "meta" for layer in layers))
        return real_pack(*arguments)

    monkeypatch.setattr("spatialgeo_ros.models.spatial_mllm.qwen_checkpoint.fill", fill)
    monkeypatch.setattr(meta_fill, "pack_linear", pack)
    load_spatial_mllm(folder, quantisation="nf4")
    assert len(unpacked) > 10 and set(unpacked) == {0}


def test_moge_is_copied_from_the_mapped_file_to_its_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_moge1(tmp_path)
    calls: list[bool] = []
    real = weights.load_pytorch

    def load_pytorch(file: Path, *, mapped: bool = False) -> Any:
        calls.append(mapped)
        return real(file, mapped=mapped)

    monkeypatch.setattr(weights, "load_pytorch", load_pytorch)
    model = load_moge(path, torch.float16)
    assert calls == [True]
    # Nothing of the network is a view of the file: it may change or go.
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    path.write_bytes(bytes(path.stat().st_size))
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())


def test_a_large_file_is_hashed_once_in_the_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "_RECORDED_BYTES", 1000)
    monkeypatch.setattr(store, "_begun", {})
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(b"a" * 2000)
    small.write_bytes(b"b")
    goes_on, hashed = threading.Event(), []
    real = weights.sha256_of

    def sha256_of(path: Path) -> str:
        hashed.append((path.name, threading.current_thread().name))
        assert goes_on.wait(30)
        return real(path)

    monkeypatch.setattr(store, "sha256_of", sha256_of)
    store.hash_ahead([large, small, tmp_path / "missing"])
    store.hash_ahead([large])
    goes_on.set()
    assert store.hash_of(large) == real(large)  # waits for the thread, does not read again
    assert hashed == [("large", "hash")]
    monkeypatch.setattr(store, "_begun", {})  # another process
    store.hash_ahead([large])
    assert store.hash_of(large) == real(large) and len(hashed) == 1
    large.write_bytes(b"c" * 2000)
    assert store.hash_of(large) == real(large) and len(hashed) == 2


def test_a_file_that_cannot_be_hashed_is_an_error_and_no_endless_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "_RECORDED_BYTES", 1000)
    monkeypatch.setattr(store, "_begun", {})
    large = tmp_path / "large"
    large.write_bytes(b"a" * 2000)

    def fails(path: Path) -> str:
        raise OSError("the disk is gone")

    monkeypatch.setattr(store, "sha256_of", fails)
    store.hash_ahead([large])
    with pytest.raises(OSError, match="the disk is gone"):
        store.hash_of(large)
