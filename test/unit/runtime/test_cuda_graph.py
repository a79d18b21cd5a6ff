# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Captured functions and streams where there is no GPU: the same code calls the function itself."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from spatialgeo_ros.models.backbones import Features
from spatialgeo_ros.runtime.cuda_graph import (
    CaptureError,
    WorkStream,
    capture,
    capturing,
    first_line,
    refusal,
    tensors_in,
)

CPU = torch.device("cpu")


def test_a_replay_reads_the_buffers_and_overwrites_the_last_outputs() -> None:
    def both(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return a + b, a * b

    captured = capture(both, [torch.zeros(3), torch.zeros(3)], WorkStream(CPU))
    outputs = captured(torch.full((3,), 2.0), torch.full((3,), 5.0))
    assert [one.tolist() for one in outputs] == [[7.0] * 3, [10.0] * 3]
    captured.inputs[0].fill_(1.0)
    again = captured.replay()
    assert [one.tolist() for one in again] == [[6.0] * 3, [5.0] * 3]
    assert all(a is b for a, b in zip(outputs, again, strict=True))
    assert not captured.is_graph
    assert captured.memory_bytes == 0


def test_an_input_that_comes_back_is_not_the_output() -> None:
    captured = capture(lambda x: [x], [torch.ones(2)], WorkStream(CPU))
    (output,) = captured.replay()
    captured.inputs[0].fill_(3.0)
    assert output.tolist() == [1.0, 1.0]


def test_a_wrong_number_of_values_is_refused() -> None:
    captured = capture(lambda x: [x], [torch.ones(2)], WorkStream(CPU))
    with pytest.raises(ValueError, match="zip"):
        captured(torch.ones(2), torch.ones(2))


def test_a_device_without_graphs_says_so() -> None:
    assert refusal(CPU) == "CUDA graphs need an NVIDIA GPU; this runs on cpu"


def test_a_stream_on_the_cpu_does_nothing() -> None:
    stream = WorkStream(CPU)
    with stream.running(), stream.running():
        value = torch.ones(1)
    stream.lend([value])
    assert stream.stream is None


def test_tensors_are_found_wherever_they_lie() -> None:
    a, b, c, d = (torch.full((1,), float(k)) for k in range(4))
    value = {"features": Features(maps=[a, b], cls=c), "names": ["x", 3], "more": (d, None)}
    assert [int(one) for one in tensors_in(value)] == [0, 1, 2, 3]


def test_the_first_of_a_chain_of_errors_is_told() -> None:
    try:
        try:
            raise RuntimeError("cannot copy to the host\nCUDA kernel errors might be ...")
        finally:
            raise CaptureError("the capture was invalidated")
    except CaptureError as error:
        assert first_line(error) == "cannot copy to the host"


class Generator:
    """PyTorch's generator of a GPU as far as a capture goes: it is claimed, and may stay so."""

    def __init__(self, state: dict[str, bool]) -> None:
        self.state = state

    def graphsafe_get_state(self) -> Generator:
        return Generator(self.state)

    def graphsafe_set_state(self, other: Generator) -> None:
        self.state = other.state

    def clone_state(self) -> Generator:
        return Generator(dict(self.state))


def test_a_capture_that_fails_has_claimed_a_copy_of_the_random_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    generator = Generator({"claimed": False})
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "default_generators", (generator,))
    with pytest.raises(RuntimeError, match="not captured"), capturing(torch.device("cuda", 0)):
        generator.state["claimed"] = True
        raise RuntimeError("not captured")
    assert generator.state == {"claimed": False}
