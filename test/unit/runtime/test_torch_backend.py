# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""PyTorch as a backend that captures its network, here with a runner that calls it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from spatialgeo_ros.runtime import torch_backend
from spatialgeo_ros.runtime.backend import BackendInputError
from spatialgeo_ros.runtime.cuda_graph import WorkStream
from spatialgeo_ros.runtime.torch_backend import TorchBackend
from spatialgeo_ros.runtime.transfer import download, upload

CPU = torch.device("cpu")


class Sums(nn.Module):
    """Two inputs, two outputs, and a count of how often it is called."""

    input_names, output_names = ("a", "b"), ("sum", "scaled")

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(2.0), requires_grad=False)
        self.calls = 0

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        return {name: torch.rand(batch, 3) for name in self.input_names}

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1
        return a + b, self.gain * a


def captured() -> tuple[TorchBackend, TorchBackend, Sums]:
    module = Sums().eval()
    return TorchBackend(module, WorkStream(CPU), "sums"), TorchBackend(module), module


@pytest.mark.parametrize("batch", [1, 2, 3, 4])
def test_every_batch_size_gives_the_network_s_numbers(batch: int) -> None:
    """Beyond the sizes that are captured too."""
    assert torch_backend._MOST_BATCHES < 4
    ours, plain, module = captured()
    for size in range(1, batch + 1):
        feeds = module.example_inputs(size)
        found, expected = ours.run(feeds), plain.run(feeds)
        assert list(found) == ["sum", "scaled"]
        assert all(torch.equal(found[name], expected[name]) for name in found)
    assert len(ours._captured) == min(batch, torch_backend._MOST_BATCHES)


def test_outputs_have_memory_of_their_own_and_inputs_may_be_strided() -> None:
    ours, plain, module = captured()
    first = module.example_inputs(2)
    kept = ours.run(first)
    before = {name: tensor.clone() for name, tensor in kept.items()}
    strided = {name: torch.rand(3, 2).T for name in module.input_names}
    again = ours.run(strided)
    assert all(torch.equal(kept[name], before[name]) for name in kept)
    assert torch.equal(again["sum"], plain.run(strided)["sum"])


def test_it_says_how_it_is_launched_and_ends() -> None:
    ours, plain, module = captured()
    assert ours.describe()["launch"] == "CUDA graphs need an NVIDIA GPU; this runs on cpu"
    assert "launch" not in plain.describe()
    assert ours.device_memory_bytes() is None
    assert ours.graph_bytes == 0
    with pytest.raises(BackendInputError, match="expected a"):
        ours.run({**module.example_inputs(), "a": torch.rand(1, 4)})
    ours.close()
    with pytest.raises(BackendInputError, match="closed"):
        ours.run(module.example_inputs())


def test_arrays_travel_as_copies() -> None:
    array = torch.arange(6, dtype=torch.uint8).numpy().reshape(2, 3)[:, ::-1]
    tensor = upload(array, CPU)
    expected = array.copy()
    array[:] = 9
    assert torch.equal(tensor, torch.from_numpy(expected))
    whole, half = download(tensor, torch.ones(2, dtype=torch.bfloat16))
    assert whole.dtype == "uint8" and half.dtype == "float32"
    tensor.zero_()
    assert whole.sum() == expected.sum()
