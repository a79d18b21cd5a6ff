# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image networks on a real GPU, where there is one: graph against eager, waits, bits, two lanes."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from bench.tower_rates import SceneMoGe, moge
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.graphs import GeometryGraph
from spatialgeo_ros.models.letterbox import image_values, spatialgeo_values
from spatialgeo_ros.models.moge import depth_recovery
from spatialgeo_ros.models.profiles import GeometryPart, ImageInput
from spatialgeo_ros.networks.towers import FrameTowers
from spatialgeo_ros.runtime.cuda_graph import WorkStream
from spatialgeo_ros.runtime.torch_backend import TorchBackend
from spatialgeo_ros.runtime.transfer import download, upload

if not torch.cuda.is_available():
    pytest.skip("there is no GPU", allow_module_level=True)

DEVICE = torch.device("cuda", 0)
SIZE = (480, 640)
TOKENS = 300


@pytest.fixture(scope="module")
def network() -> SceneMoGe:
    return moge(DEVICE, "moge2_s")


def towers(network: SceneMoGe, sized: bool) -> FrameTowers:
    part = GeometryPart("moge2", None, TOKENS, 0.2, True, None, False)
    image = ImageInput(0, 0, 14, (0, 0, 0), "native")
    dtype = next(network.parameters()).dtype
    return FrameTowers(image, DEVICE, dtype, part=part, geometry=network, sized=sized)


def view(seed: int = 0, size: tuple[int, int] = SIZE, known: bool = True) -> View:
    height, width = size
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    camera = PinholeCamera(width, height, 0.8 * width, 0.8 * width, width / 2, height / 2)
    return View(image, camera if known else None, None)


@contextmanager
def waits() -> Iterator[list[str]]:
    """Collect every operation that makes the thread wait for the GPU."""
    torch.cuda.set_sync_debug_mode("warn")
    found: list[str] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield found
        found += [str(one.message) for one in caught if "synchronizing" in str(one.message)]
    finally:
        torch.cuda.set_sync_debug_mode("default")


@torch.inference_mode()
def test_the_network_as_a_graph_equals_the_eager_call_to_the_bit(network: SceneMoGe) -> None:
    graph = GeometryGraph(network, TOKENS, SIZE)
    captured, eager = TorchBackend(graph, WorkStream(DEVICE, urgent=True)), TorchBackend(graph)
    assert captured.remark == ""
    assert captured.graph_bytes > 0
    for seed in range(3):
        torch.manual_seed(seed)
        feeds = graph.example_inputs()
        found, expected = captured.run(feeds), eager.run(feeds)
        for name in expected:
            assert torch.equal(found[name], expected[name]), name


@torch.inference_mode()
@pytest.mark.parametrize("known", [True, False])
def test_depth_is_that_of_the_eager_call(network: SceneMoGe, known: bool) -> None:
    captured, eager = towers(network, True), towers(network, False)
    for seed, size in ((1, SIZE), (2, SIZE), (3, (360, 640)), (4, SIZE)):
        found = captured.depth(view(seed, size, known))
        expected = eager.depth(view(seed, size, known))
        both = found.valid & expected.valid
        assert both.mean() > 0.9
        assert np.abs(found.depth / expected.depth - 1)[both].max() < 1e-3
    assert "eager" not in str(captured.describe())


@torch.inference_mode()
def test_a_depth_call_waits_for_its_result_alone(network: SceneMoGe) -> None:
    captured, eager = towers(network, True), towers(network, False)
    captured.warm_up(SIZE)
    before = captured.describe()
    with waits() as found:
        depth = captured.depth(view(5))
    assert depth.valid.any()
    assert len(found) <= 1, found
    assert captured.describe() == before  # no image was solved once more
    with waits() as found:
        eager.depth(view(5))
    assert len(found) > 1  # the mode does find them


@torch.inference_mode()
@pytest.mark.parametrize("known", [True, False])
def test_a_wrong_guess_of_the_shift_is_corrected(
    network: SceneMoGe, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    right = towers(network, True).depth(view(7, known=known))
    guess = depth_recovery.likely_shift
    monkeypatch.setattr(depth_recovery, "likely_shift", lambda table: guess(table) + 0.5)
    captured = towers(network, True)
    found = captured.depth(view(7, known=known))
    assert np.array_equal(found.depth, right.depth) and np.array_equal(found.valid, right.valid)
    assert captured.describe()["depth"].endswith("1 images solved once more")


@torch.inference_mode()
def test_an_image_that_shows_nothing_does_not_keep_graphs_from_being_used(
    network: SceneMoGe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No point counts: what the solver divides is no number, in the graph and in the eager call."""
    monkeypatch.setattr(network, "mask_threshold", 2.0)
    captured = towers(network, True)
    assert not captured.depth(view(8)).valid.any()
    assert captured.describe()["depth"].startswith("solved beside the maps")


@torch.inference_mode()
def test_pixels_have_the_same_bits_on_the_device() -> None:
    image = view(6).image
    values = upload(image, DEVICE)
    assert np.array_equal(download(values)[0], image)
    host = torch.from_numpy(image)
    assert torch.equal(image_values(values).cpu(), image_values(host))
    assert torch.equal(spatialgeo_values(values).cpu(), spatialgeo_values(host))


def test_frames_on_two_threads_keep_their_own_numbers(network: SceneMoGe) -> None:
    """As the two lanes do: both look through the same towers, each in a stream of its own."""
    captured = towers(network, True)
    captured.warm_up(SIZE)
    with torch.inference_mode():
        expected = [captured.depth(view(seed)).depth for seed in range(4)]
        layers = [captured.fused_layers(view(seed))[3].clone() for seed in range(4)]
    failures: list[str] = []

    def look(first: int) -> None:
        lane = WorkStream(DEVICE)
        with torch.inference_mode(), lane.running():
            for number in range(40):
                seed = (first + number) % 4
                seen = view(seed)
                last = captured.fused_layers(seen)[3]
                depth = captured.depth(seen).depth
                captured.release_intermediates(seen)
                if not torch.equal(last, layers[seed]) or not np.array_equal(depth, expected[seed]):
                    failures.append(f"frame {number} of thread {first}")

    threads = [threading.Thread(target=look, args=(first,)) for first in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
