# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every kind of detector and segmenter exported: ONNX Runtime finds the same, TensorRT builds it.

Tiny random checkpoints. An export takes seconds of CPU time, so that it is made once for all tests.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.grounding import write_grounding_profile
from checkpoints.sam import write_sam2, write_sam3
from torch import nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.grounding.detector import Instance, InstanceMask
from spatialgeo_ros.grounding.engines import compilable, compile_grounding, network_encoder
from spatialgeo_ros.grounding.factory import load_grounding
from spatialgeo_ros.grounding.graphs import DetectorGraph, in_groups, only_parts, with_parts
from spatialgeo_ros.grounding.sam2 import Sam2Segmenter
from spatialgeo_ros.grounding.sam3 import Sam3Detector
from spatialgeo_ros.models.engine_settings import EngineSettings
from spatialgeo_ros.models.grounding_profile import GroundingProfile, load_grounding_profile
from spatialgeo_ros.networks.tower_engines import EngineOptions
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.runtime.backend import Backend
from spatialgeo_ros.runtime.candidates import obtain_engine
from spatialgeo_ros.runtime.engine_cache import EngineCache
from spatialgeo_ros.runtime.gate import EngineContext
from spatialgeo_ros.runtime.select import select_backend
from spatialgeo_ros.runtime.tensorrt_module import Device, find_tensorrt
from spatialgeo_ros.runtime.torch_backend import TorchBackend

pytest.importorskip("onnxscript", reason="exporting needs onnx and onnxscript")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

CPU = torch.device("cpu")
SIZE = (96, 160)
PHRASES = ["red chair", "door", "lamp"]
BOXES = [(5.0, 5.0, 60.0, 50.0), (80.0, 20.0, 150.0, 90.0), (0.0, 0.0, 159.0, 95.0)] * 3
#: Kind -> its networks, as they are compiled.
NETWORKS = {
    "owlvit": ("image",),
    "owlv2": ("image",),
    "mm_grounding_dino": ("phrases", "image"),
    "sam2": ("decoder", "encoder"),
    "sam3": ("decoder", "encoder"),
}


@dataclass
class Kind:
    """A kind of network, loaded anew each time."""

    profile: GroundingProfile
    load: Callable[[], Any]

    def encoders(self, folder: Path, networks: Any) -> dict[str, Any]:
        graphs = networks.graphs(SIZE)
        return {n: network_encoder(self.profile, networks, n, graphs, folder) for n in graphs}


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    folder = tmp_path_factory.mktemp("checkpoints")
    made = {}
    for name in ("owlvit", "owlv2", "mm_grounding_dino"):
        path = write_grounding_profile(name, folder)

        def load(path: Path = path) -> Any:
            loaded = load_grounding(path, "cpu")
            assert loaded is not None
            return loaded.detector

        made[name] = Kind(load_grounding_profile(path), load)
    write_sam2(folder / "sam2")
    write_sam3(folder / "sam3")
    plain = made["owlvit"].profile
    made["sam2"] = Kind(
        replace(plain, name="tiny_sam2"),
        lambda: Sam2Segmenter(folder / "sam2", CPU, torch.float32),
    )
    made["sam3"] = Kind(
        replace(plain, name="tiny_sam3"),
        lambda: Sam3Detector(folder / "sam3", CPU, torch.float32, threshold=0.2),
    )
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Engine cache of all tests here."""
    return tmp_path_factory.mktemp("engines")


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def found(networks: Any) -> list[Instance | InstanceMask]:
    """What a detector or segmenter says about a picture."""
    if networks.kind == "sam2":
        return list(networks.segment(picture(), BOXES))
    return [one for result in networks.ground(picture(), PHRASES) for one in result.instances]


def assert_same(mine: list[Any], theirs: list[Any]) -> None:
    assert len(mine) == len(theirs) > 1
    for one, other in zip(mine, theirs, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-4)
        masks = (one, other) if isinstance(one, InstanceMask) else (one.mask, other.mask)
        if isinstance(one, Instance):
            assert one.box == pytest.approx(other.box, abs=0.05)
        if masks[0] is not None:
            assert (masks[0].pixels != masks[1].pixels).mean() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_onnx_runtime_finds_what_pytorch_finds(
    kind: str, kinds: dict[str, Kind], folder: Path
) -> None:
    networks = kinds[kind].load()
    options = EngineOptions("onnxruntime", "fail", folder=folder, image_size=SIZE)
    report = compile_grounding(kinds[kind].profile, [networks], CPU, options, kind)
    assert list(report.names.values()) == ["onnxruntime-cpu"] * len(NETWORKS[kind])
    assert list(report.names) == [f"{networks.kind} {name}" for name in NETWORKS[kind]]
    assert report.degraded == ()
    assert networks.describe()["backends"] == dict.fromkeys(NETWORKS[kind], "onnxruntime-cpu")
    # PyTorch's copies are gone: what is found is found by the backend.
    for graph in networks.graphs(SIZE).values():
        left = sum(p.numel() for p in graph.parameters() if p.device.type != "meta")
        assert left < 0.01 * sum(p.numel() for p in graph.parameters())
    assert_same(found(networks), found(kinds[kind].load()))
    networks.close()


@pytest.mark.slow
def test_a_later_start_compares_with_what_was_found_then(
    kinds: dict[str, Kind], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    context = EngineContext(EngineCache(tmp_path), CPU)
    references = []
    for _ in range(2):
        (encoder,) = kinds["owlvit"].encoders(tmp_path, kinds["owlvit"].load()).values()
        selection = select_backend(encoder, context, "onnxruntime", "fail")
        assert selection.check is not None
        references.append(selection.check.reference)
        selection.backend.close()
    assert references == ["torch-cpu", "its own earlier result"]
    # What is remembered of another result sends it through the whole gate again.
    (manifest,) = tmp_path.glob("tiny_owlvit*.json")
    content = json.loads(manifest.read_text())
    (check,) = content["checks"].values()
    assert set(check["fingerprint"]) == {"scores", "boxes"}
    check["fingerprint"]["boxes"][0] += 0.5
    manifest.write_text(json.dumps(content))
    selection = select_backend(encoder, context, "onnxruntime", "fail")
    assert selection.check is not None and selection.check.reference == "torch-cpu"
    assert "running the whole gate" in caplog.text
    selection.backend.close()


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_each_network_alone_can_be_compiled(
    kind: str, kinds: dict[str, Kind], folder: Path
) -> None:
    """The one that lets its weights go leaves those of the others."""
    wanted = found(kinds[kind].load())
    for name in NETWORKS[kind]:
        networks = kinds[kind].load()
        graph = networks.graphs(SIZE)[name]
        networks.use(name, graph, TorchBackend(copy.deepcopy(graph)))
        assert_same(found(networks), wanted)


def spoil(graph: DetectorGraph) -> None:
    """Damage a network as a wrong kernel would: a small error in one layer near its end."""
    generator = torch.Generator().manual_seed(0)
    matrices = [p for p in graph.parameters() if p.dim() > 1]
    with torch.no_grad():
        for matrix in matrices[-6:]:
            matrix += 0.3 * matrix.std() * torch.randn(matrix.shape, generator=generator)


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_graph_that_finds_something_else_is_refused_and_pytorch_runs(
    kind: str, kinds: dict[str, Kind], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    networks = kinds[kind].load()
    wanted = found(networks)
    options = EngineOptions("onnxruntime", folder=folder, image_size=SIZE)

    def maker(encoder: Any, context: Any) -> tuple[Backend, Any]:
        from spatialgeo_ros.runtime.engine_cache import EngineKey
        from spatialgeo_ros.runtime.gate import trusted

        graph = copy.deepcopy(networks.graphs(SIZE)[encoder.name.rsplit("-", 1)[1]])
        spoil(graph)
        key = EngineKey("0" * 64, "onnxruntime", "1", "", "cpu", "", "fp32", {})
        manifest, _, _ = context.cache.obtain(key, encoder.name, lambda: b"")
        return trusted(TorchBackend(graph), manifest, replace(encoder, model=lambda _: model),
                       context, "here")  # fmt: skip

    from spatialgeo_ros.runtime import select

    model: Any = type("Model", (), {"profile": {}})()
    makers = {**select.MAKERS, "onnxruntime": maker}
    with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(
            select, "select_backend",
            lambda encoder, context, wanted, policy: select_backend(
                encoder, context, wanted, policy, makers
            ),
        )  # fmt: skip
        report = compile_grounding(kinds[kind].profile, [networks], CPU, options, kind)
    assert len(report.degraded) == len(NETWORKS[kind])
    for said, reason in zip(report.degraded, report.reasons.values(), strict=True):
        assert "network runs on torch-cpu (not onnxruntime: " in said and "DIFFERS from" in said
        assert reason in said
    assert caplog.text.count("onnxruntime is NOT USED") == len(NETWORKS[kind])
    assert set(report.names.values()) == {"torch-cpu"}
    assert networks.describe()["backends"] == {}
    assert_same(found(networks), wanted)  # as if nothing had been tried


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "targets"),
    # Chips differ by their name only; the networks that build fast are built for all.
    [("owlvit", ("sm_86", "sm_89", "sm_120")), ("mm_grounding_dino", ("sm_89",)),
     ("sam2", ("sm_120",)), ("sam3", ("sm_86",))],
)  # fmt: skip
def test_tensorrt_for_rtx_builds_and_finds_it_the_second_time(
    kind: str, targets: tuple[str, ...], kinds: dict[str, Kind], folder: Path
) -> None:
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT for RTX is not installed")
    rtx = find_tensorrt("tensorrt_rtx")
    context = EngineContext(EngineCache(folder), CPU)
    # The exports of ONNX Runtime: float16 is built at full size (test_grounding_full_size).
    profile = replace(kinds[kind].profile, engines=EngineSettings("fp32"))
    encoders = Kind(profile, kinds[kind].load).encoders(folder, kinds[kind].load())
    assert tuple(encoders) == NETWORKS[kind]
    for encoder in encoders.values():
        for target in targets:
            model, key, manifest, engine, built = obtain_engine(
                rtx, encoder, Device(target), context
            )
            assert built and (key.sm, key.precision) == (target, "fp32")
            assert manifest.size == len(engine) > 100_000
            again = obtain_engine(rtx, encoder, Device(target), replace(context, build=False))
            assert again[-1] is False and again[3] == engine


def test_diagnostics_say_what_runs_each_network_and_what_is_worse(
    kinds: dict[str, Kind], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """From the parameters of a node to what its diagnostics show."""
    tmp_path.chmod(0o777)  # engines of a folder that others can write are not trusted
    profile = write_grounding_profile("owlvit", tmp_path_factory.mktemp("owl"))
    engines = {"backend": "onnxruntime", "folder": tmp_path, "image_size": SIZE}
    perception = Perception.load("none", device="cpu", engines=engines, grounding=str(profile))
    facts = perception.describe()
    why = facts["grounding"]["owl image runs on"]
    assert why.startswith("torch (no engines: ")
    assert f"owl image network runs on {why}" in facts["degraded"]
    perception.close()


def test_the_cache_folder_that_cannot_be_used_leaves_pytorch(
    kinds: dict[str, Kind], tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    networks = kinds["owlvit"].load()
    options = EngineOptions("auto", folder=tmp_path, image_size=SIZE)
    report = compile_grounding(kinds["owlvit"].profile, [networks], CPU, options, "owlvit")
    assert report.names == {}
    assert report.degraded[0].startswith("owl image network runs on torch (no engines: ")
    with pytest.raises(ModelLoadError):
        compile_grounding(
            kinds["owlvit"].profile, [networks], CPU, replace(options, policy="fail"), "owlvit"
        )


def test_pytorch_needs_no_engines(kinds: dict[str, Kind]) -> None:
    networks = kinds["sam2"].load()
    report = compile_grounding(kinds["sam2"].profile, [networks], CPU, EngineOptions(), "sam2")
    assert report == type(report)({}, {}, ())


def test_what_has_no_networks_here_is_passed_over(kinds: dict[str, Kind]) -> None:
    networks = kinds["owlvit"].load()
    assert compilable([object(), networks]) == [networks]


@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_boxes_are_decoded_in_groups(count: int) -> None:
    sizes = []

    def call(features: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, ...]:
        sizes.append(boxes.shape[1])
        return boxes[0, :, 0] + features, boxes[0, :, 1:]

    boxes = torch.arange(4.0 * count).reshape(1, count, 4)
    first, rest = in_groups(call, 4)(torch.tensor(0.5), boxes)
    assert first.tolist() == (boxes[0, :, 0] + 0.5).tolist()
    assert rest.tolist() == boxes[0, :, 1:].tolist()
    assert set(sizes) == {4}


class Whole(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(2, 3), nn.Linear(3, 4)
        self.own = nn.Parameter(torch.ones(1))
        self.table = nn.Buffer(torch.ones(2))


def test_a_module_with_other_parts_leaves_the_module_as_it_is() -> None:
    whole = Whole()
    other = nn.Linear(5, 5)
    twin = with_parts(whole, second=other)
    assert twin.first is whole.first and twin.second is other and whole.second is not other
    assert [name for name, _ in only_parts(whole, "second").named_children()] == ["second"]
    twin.to("meta")
    devices: Mapping[str, str] = {name: p.device.type for name, p in whole.named_parameters()}
    assert devices == {"own": "cpu", "first.weight": "meta", "first.bias": "meta",
                       "second.weight": "cpu", "second.bias": "cpu"}  # fmt: skip
    assert whole.table.device.type == "cpu"
