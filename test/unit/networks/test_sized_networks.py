# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Networks per image size, as GPUs run them, here without a GPU: equal to the plain networks."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.moge import BACKBONE, V1_CONFIG, V2_NORMAL_CONFIG, random_moge
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.observation import Mount, View
from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.clip import NANO_TEXT_CONFIG, NANO_VISION_CONFIG, Clip, ClipVisionTower
from spatialgeo_ros.models.graphs import CameraGraph, GeometryGraph, TowerGraph
from spatialgeo_ros.models.letterbox import image_tensor
from spatialgeo_ros.models.moge import depth_recovery, focal
from spatialgeo_ros.models.moge.depth_recovery import DepthRecovery
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge2 import NANO_CONFIG, MoGe2
from spatialgeo_ros.models.moge.moge_checkpoint import build_moge
from spatialgeo_ros.models.profiles import GeometryPart, ImageInput, load_profile
from spatialgeo_ros.networks import sized_networks
from spatialgeo_ros.networks.towers import FrameTowers
from spatialgeo_ros.runtime import verified_capture
from spatialgeo_ros.runtime.cuda_graph import Captured, CaptureError, WorkStream

CPU = torch.device("cpu")
NATIVE = ImageInput(0, 0, 14, (0, 0, 0), "native")


def small(config: dict[str, Any]) -> MoGe1 | MoGe2:
    """A network of the official layout whose maps have a focal length to be found."""
    network = build_moge(config, BACKBONE)
    network.load_state_dict(random_moge(config))
    return network.requires_grad_(False).eval()


def small_moge2() -> MoGe2:
    network = small(V2_NORMAL_CONFIG)
    assert isinstance(network, MoGe2)
    return network


def small_moge1() -> MoGe1:
    network = small(V1_CONFIG)
    assert isinstance(network, MoGe1)
    return network


def part(kind: str = "moge2", **changes: Any) -> GeometryPart:
    plain = GeometryPart(kind, None, 24, 0.1, True, None, False)  # type: ignore[arg-type]
    return replace(plain, **changes)


def view(height: int, width: int, seed: int = 0, camera: bool = True) -> View:
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    known = PinholeCamera(width, height, width, width, width / 2 - 0.5, height / 2 - 0.5)
    return View(image, known if camera else None, None)


def both(geometry: MoGe2 | MoGe1, **options: Any) -> tuple[FrameTowers, FrameTowers]:
    options.setdefault("part", part())
    image = options.pop("image", NATIVE)
    made = [
        FrameTowers(image, CPU, geometry=geometry, sized=sized, **options)
        for sized in (False, True)
    ]
    return made[0], made[1]


@torch.inference_mode()
@pytest.mark.parametrize("camera", [True, False])
@pytest.mark.parametrize("free_shift", [True, False])
def test_depth_is_that_of_the_plain_network(camera: bool, free_shift: bool) -> None:
    plain, sized = both(small_moge2(), part=part(recover_shift=free_shift))
    for height, width in ((60, 80), (90, 60), (60, 80)):
        for seed in (1, 2):
            expected = plain.depth(view(height, width, seed, camera))
            found = sized.depth(view(height, width, seed, camera))
            np.testing.assert_allclose(found.depth, expected.depth, rtol=2e-5)
            np.testing.assert_array_equal(found.valid, expected.valid)
    assert found.depth.dtype == np.float32
    assert found.valid.dtype == bool


@torch.inference_mode()
def test_moge_1_and_the_nano_networks_too() -> None:
    plain, sized = both(small_moge1(), part=part("moge1"))
    expected, found = plain.depth(view(60, 80)), sized.depth(view(60, 80))
    np.testing.assert_allclose(found.depth, expected.depth, rtol=2e-5)

    profile = load_profile("nano")
    nano = MoGe2(**NANO_CONFIG).eval()
    clip = Clip(NANO_VISION_CONFIG, {**NANO_TEXT_CONFIG, "vocab_size": 64}).eval()
    plain, sized = both(
        nano, part=profile.geometry, image=profile.image, clip=clip, camera_prior=True
    )
    seen = view(240, 320)
    mounted = [View(seen.image, seen.camera, Mount.from_pitch(0.9, 0.2)) for _ in range(2)]
    expected, found = plain.depth(mounted[0]), sized.depth(mounted[1])
    np.testing.assert_allclose(found.depth, expected.depth, rtol=1e-6)
    assert torch.equal(sized.clip_features(mounted[1]), plain.clip_features(mounted[0]))


@torch.inference_mode()
def test_the_towers_of_a_published_language_model() -> None:
    torch.manual_seed(0)
    square = ImageInput(56, 56, 14, (122, 116, 104), "square")
    tower = small_moge1()
    vision = ClipVisionTower(
        {
            "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
            "num_attention_heads": 2, "image_size": 56, "patch_size": 14,
        }
    ).eval()  # fmt: skip
    backbone = tower.backbone
    assert isinstance(backbone, Dinov2Backbone)
    shared = part("moge1", shared=True)
    plain, sized = both(tower, part=shared, image=square, clip=vision, backbone=backbone)
    a, b = view(90, 120), view(90, 120)
    for expected, found in zip(plain.fused_layers(a), sized.fused_layers(b), strict=True):
        assert torch.equal(found, expected)
    assert torch.equal(sized.clip_features(b), plain.clip_features(a))
    np.testing.assert_allclose(sized.depth(b).depth, plain.depth(a).depth, rtol=2e-5)


@torch.inference_mode()
@pytest.mark.parametrize("kind", ["moge1", "moge2"])
def test_a_network_from_the_camera_s_bytes_gives_the_bits_of_one_from_pixels(kind: str) -> None:
    graph: GeometryGraph | TowerGraph
    if kind == "moge1":
        graph = TowerGraph.for_image(small_moge1(), 24, (60, 80))
    else:
        graph = GeometryGraph(small_moge2(), 24, (60, 80), normals=False)
    whole = CameraGraph(graph, (60, 80))
    assert not whole.training and whole.output_names == graph.output_names
    images = np.stack([view(60, 80, seed).image for seed in (1, 2)])
    expected = graph(**graph.plan.prepare(torch.cat([image_tensor(one) for one in images])))
    for found, right in zip(whole(torch.from_numpy(images)), expected, strict=True):
        assert torch.equal(found, right)
    example = whole.example_inputs(3)["image"]
    assert example.shape == (3, 60, 80, 3) and example.dtype == torch.uint8


def test_a_camera_prior_is_no_part_of_the_image() -> None:
    nano = GeometryGraph(MoGe2(**NANO_CONFIG).eval(), 48, (96, 128))
    with pytest.raises(ValueError, match="camera prior"):
        CameraGraph(nano, (96, 128))


@torch.inference_mode()
def test_nothing_but_the_bytes_goes_before_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The GPU has nothing to do until the network is launched."""
    plain, sized = both(small_moge2())
    sized.depth(view(60, 80, 1))
    operations: list[str] = []
    before: list[int] = []
    original = Captured.replay

    def replay(self: Captured) -> tuple[Tensor, ...]:
        before.append(len(operations))
        return original(self)

    class Recording(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            if not func.is_view and "empty" not in func.name():
                operations.append(func.name())
            return func(*args, **(kwargs or {}))

    monkeypatch.setattr(Captured, "replay", replay)
    with Recording():
        found = sized.depth(view(60, 80, 2))
    assert operations[: before[0]] == ["aten::copy_"]  # into the network's buffer
    assert len(before) == 2  # the network, and what follows from its maps
    np.testing.assert_allclose(found.depth, plain.depth(view(60, 80, 2)).depth, rtol=2e-5)


@torch.inference_mode()
def test_a_frame_keeps_its_numbers_when_the_next_one_is_seen() -> None:
    _, towers = both(small_moge2())
    first, second = view(60, 80, 1), view(60, 80, 2)
    depth, layers = towers.depth(first), towers.fused_layers(first)
    before = depth.depth.copy(), [one.clone() for one in layers]
    assert not np.array_equal(towers.depth(second).depth, before[0])
    assert np.array_equal(depth.depth, before[0])
    assert all(torch.equal(a, b) for a, b in zip(layers, before[1], strict=True))


@torch.inference_mode()
def test_sizes_are_bounded_and_the_one_used_longest_ago_goes() -> None:
    _, towers = both(small_moge2())
    sizes = [(56, 56 + 28 * k) for k in range(sized_networks._MOST_SIZES + 1)]
    for size in sizes[:-1]:
        towers.depth(view(*size))
    towers.depth(view(*sizes[0], seed=3))
    towers.depth(view(*sizes[-1]))
    facts = towers.describe()
    known = [f"geometry at {w}x{h}" for h, w in sizes]
    assert known[0] in facts and known[-1] in facts and known[1] not in facts
    assert sum(name.startswith("geometry") for name in facts) == sized_networks._MOST_SIZES
    assert all("CUDA graphs need an NVIDIA GPU" in facts[n] for n in facts if n != "depth")
    towers.close()
    assert towers.describe() == {}


def refuse(*_: Any, **__: Any) -> Captured:
    raise CaptureError("it cannot be captured: operation not permitted when stream is capturing")


@torch.inference_mode()
def test_where_capture_is_impossible_it_runs_eagerly_and_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plain, sized = both(small_moge2())
    monkeypatch.setattr(verified_capture, "capture", refuse)
    monkeypatch.setattr(depth_recovery, "capture", refuse)
    with caplog.at_level(logging.WARNING):
        for seed in (1, 2):
            expected = plain.depth(view(60, 80, seed))
            found = sized.depth(view(60, 80, seed))
            np.testing.assert_allclose(found.depth, expected.depth, rtol=2e-5)
    why = "it cannot be captured: operation not permitted when stream is capturing"
    network = f"the geometry network at 80x60 runs eagerly: {why}"
    solver = f"focal length and shift are solved eagerly: {why}"
    assert sized.describe() == {"geometry at 80x60": network, "depth": solver}
    assert [record.getMessage() for record in caplog.records] == [network, solver]  # once each


@torch.inference_mode()
def test_a_graph_that_computes_something_else_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Replaying memory that is somebody else's by now gives depth without an error."""

    def wrong(function: Any, inputs: Sequence[Tensor], stream: WorkStream, **_: Any) -> Captured:
        outputs = [one.clone() * 1.3 for one in function(*inputs)]
        return Captured(lambda: None, inputs, outputs, graph=object())  # type: ignore[arg-type]

    network = small_moge2()
    plain, sized = both(network)
    monkeypatch.setattr(verified_capture, "capture", wrong)
    expected, found = plain.depth(view(60, 80)), sized.depth(view(60, 80))
    np.testing.assert_allclose(found.depth, expected.depth, rtol=2e-5)
    (why,) = [how for name, how in sized.describe().items() if name != "depth"]
    assert "runs eagerly: its CUDA graph gives another 'layer_0' than the eager call" in why


@torch.inference_mode()
def test_what_the_search_asks_for_beyond_what_was_foreseen(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, sized = both(small_moge2())
    monkeypatch.setattr(focal, "_AHEAD", 2)
    asked = []
    original = DepthRecovery._ask

    def counted(self: DepthRecovery, shift: np.ndarray) -> np.ndarray:
        asked.append(float(shift[0]))
        return original(self, shift)

    monkeypatch.setattr(DepthRecovery, "_ask", counted)
    for seed in (1, 2):
        expected = plain.depth(view(60, 80, seed))
        found = sized.depth(view(60, 80, seed))
        np.testing.assert_allclose(found.depth, expected.depth, rtol=2e-5)
    assert len(asked) >= 2
    monkeypatch.setattr(focal, "_AHEAD", 40)
    towers = both(small_moge2())[1]
    asked.clear()
    for seed in (1, 2):
        towers.depth(view(60, 80, seed))
    assert not asked  # smooth maps need no damping


def test_warm_up_makes_what_the_first_frame_needs() -> None:
    _, towers = both(small_moge2())
    towers.warm_up((60, 80))
    assert set(towers.describe()) == {"geometry at 80x60", "depth"}


@torch.inference_mode()
def test_a_call_that_fails_leaves_the_towers_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    _, towers = both(small_moge2())

    def fails(*_: object) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(FrameTowers, "_predict", fails)
        with pytest.raises(RuntimeError, match="out of memory"):
            towers.depth(view(60, 80))
    assert not towers.in_use
    assert towers.depth(view(60, 80)).valid.any()


@torch.inference_mode()
def test_normals_are_left_to_engines_and_to_who_asks() -> None:
    network = small_moge2()
    for towers in both(network):
        assert "normal" not in towers.predictions(view(60, 80))
        graph = towers.graphs((60, 80))["geometry"]
        assert "raw_normal" in graph.output_names  # exports stay what they were
    assert "normal" in network(torch.rand(1, 3, 60, 80), 24)
