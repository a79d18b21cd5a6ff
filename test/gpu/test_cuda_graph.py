# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""CUDA graphs and streams on a real GPU, where there is one."""

from __future__ import annotations

import threading

import pytest
import torch
from other_thread import another_thread
from torch import Tensor, nn

from spatialgeo_ros.runtime.cuda_graph import CaptureError, WorkStream, capture

if not torch.cuda.is_available():
    pytest.skip("there is no GPU", allow_module_level=True)

DEVICE = torch.device("cuda", 0)


def small_network() -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 16, 3), nn.GELU(), nn.ConvTranspose2d(16, 8, 2, 2), nn.GroupNorm(2, 8)]
    return nn.Sequential(*layers).to(DEVICE, torch.float16).eval()


def test_a_graph_computes_what_the_eager_call_computes_to_the_bit() -> None:
    network, stream = small_network(), WorkStream(DEVICE, urgent=True)
    image = torch.zeros(1, 3, 64, 64, device=DEVICE, dtype=torch.float16)
    with torch.inference_mode():
        captured = capture(lambda x: [network(x)], [image], stream)
        assert captured.is_graph
        for seed in range(3):
            torch.manual_seed(seed)
            values = torch.rand_like(image)
            with stream.running():
                (output,) = captured(values)
                found = output.clone()
                expected = network(values)
            assert torch.equal(found, expected)


def test_reading_a_value_back_is_refused_with_the_reason_and_the_stream_is_left() -> None:
    stream = WorkStream(DEVICE)
    before = torch.cuda.current_stream(DEVICE)

    def reads_back(x: Tensor) -> list[Tensor]:
        return [x * float(x.sum().item())]

    with pytest.raises(CaptureError, match="cannot be captured"):
        capture(reads_back, [torch.ones(4, device=DEVICE)], stream)
    assert torch.cuda.current_stream(DEVICE) == before
    assert torch.ones(3, device=DEVICE).sum().item() == 3.0  # the device still works
    captured = capture(lambda x: [x + 1], [torch.ones(4, device=DEVICE)], stream)
    assert captured.replay()[0].tolist() == [2.0] * 4


def test_a_capture_that_fails_leaves_other_graphs_and_random_numbers_alone() -> None:
    """PyTorch 2.11 keeps the default generator for it, and refuses every other graph."""
    stream = WorkStream(DEVICE)
    doubled = capture(lambda x: [x * 2], [torch.ones(4, device=DEVICE)], stream)
    torch.manual_seed(5)
    expected = torch.rand(3, device=DEVICE)
    torch.manual_seed(5)
    with pytest.raises(CaptureError, match="cannot be captured"):
        capture(lambda x: [x * float(x.sum().item())], [torch.ones(4, device=DEVICE)], stream)
    assert doubled.replay()[0].tolist() == [2.0] * 4
    assert torch.equal(torch.rand(3, device=DEVICE), expected)


def test_another_lane_may_replay_while_a_graph_is_captured() -> None:
    network, stream, other = small_network(), WorkStream(DEVICE), WorkStream(DEVICE)
    doubled = capture(lambda x: [x * 2], [torch.ones(4, device=DEVICE)], other)
    rounds = [0]

    def work(ended: threading.Event) -> None:
        while not ended.is_set():
            with other.running():
                assert doubled.replay()[0].tolist() == [2.0] * 4
            rounds[0] += 1

    with another_thread(work):
        image = torch.rand(1, 3, 64, 64, device=DEVICE, dtype=torch.float16)
        for _ in range(20):
            capture(lambda x: [network(x)], [image], stream)
    assert rounds[0] > 20


def test_another_lane_may_launch_and_allocate_while_a_graph_is_captured() -> None:
    network, stream, other = small_network(), WorkStream(DEVICE), WorkStream(DEVICE)

    def work(ended: threading.Event) -> None:
        with torch.inference_mode(), other.running():
            while not ended.is_set():
                size = 256 + torch.randint(64, ()).item()
                a = torch.ones(size, size, device=DEVICE)
                assert (a @ a)[0, 0].item() == size

    with another_thread(work):
        image = torch.rand(1, 3, 64, 64, device=DEVICE, dtype=torch.float16)
        for _ in range(20):
            captured = capture(lambda x: [network(x)], [image], stream)
        with stream.running():
            found = captured.replay()[0].clone()
    with torch.inference_mode():
        assert torch.equal(found, network(image))


def test_what_one_lane_makes_another_reads_in_order() -> None:
    """Without the wait, or with memory that is reused too early, other numbers come out."""
    first, second = WorkStream(DEVICE), WorkStream(DEVICE)
    for number in range(20):
        with second.running():
            with first.running():
                big = torch.rand(3000, 3000, device=DEVICE)
                made = torch.full((1 << 20,), float(number), device=DEVICE) + (big @ big).sum() * 0
            first.lend(made)
            read = made * 2
            del made
        with first.running():
            torch.full((1 << 20,), -1.0, device=DEVICE)
        assert torch.equal(read.cpu(), torch.full((1 << 20,), 2.0 * number))
