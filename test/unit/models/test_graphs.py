# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Exported encoders in ONNX Runtime compute what PyTorch computes, output by output.

Tolerances are absolute, in float32. Both sum in float32 but in another order: an output of size s
that went through n layers may differ by some n * s * 6e-8. The bounds are about four times what was
seen; a wrong position rule or a swapped layer gives 1e-2 and more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from spatialgeo_ros.models.backbones import Dinov2Backbone
from spatialgeo_ros.models.clip import Clip, ClipVisionTower
from spatialgeo_ros.models.construction import load_clip, load_geometry
from spatialgeo_ros.models.graphs import GeometryGraph, GeometryPlan, SemanticGraph, TowerGraph
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge2 import MoGe2
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.runtime.backend import AxisRange, OnnxModel
from spatialgeo_ros.runtime.export import export_onnx, source_sha256
from spatialgeo_ros.runtime.onnx_backend import OnnxRuntimeBackend
from spatialgeo_ros.runtime.torch_backend import TorchBackend

pytest.importorskip("onnxscript", reason="exporting needs onnx and onnxscript")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

BATCH = {"batch": AxisRange(1, 1, 4)}
TINY = {"embed_dim": 40, "depth": 4, "num_heads": 4, "patch_size": 14, "img_size": 70}
# Sides of the features, and of outputs of the nano networks, are below 5 and 25.
FEATURES, MASK = 3e-5, 1e-4


def moge2() -> MoGe2:
    """Every part that official checkpoints have, in small: replicate padding, normals, bilinear."""
    widths = (16, 12, 8)
    stack = {
        "dim_res_blocks": widths,
        "num_res_blocks": [0, 1, 0],
        "resamplers": ["conv_transpose", "bilinear"],
    }
    head = {**stack, "dim_in": widths}
    torch.manual_seed(3)
    return MoGe2(
        encoder={"backbone": TINY, "intermediate_layers": [0, 1, 2, 3], "dim_out": 16},
        neck={**stack, "dim_in": [18, 2, 2], "dim_out": None},
        points_head={**head, "dim_out": [None, None, 3]},
        mask_head={**head, "dim_out": [None, None, 1]},
        normal_head={**head, "dim_out": [None, None, 3]},
        scale_head={"dims": [40, 16, 1]},
        remap_output="exp",
    ).eval()


def moge1() -> MoGe1:
    torch.manual_seed(4)
    model = MoGe1(
        encoder=TINY, dim_proj=32, dim_upsample=(32, 32), num_res_blocks=1, last_conv_channels=8,
        remap_output="exp",
    )  # fmt: skip
    return model.eval()


def compare(
    model: OnnxModel, graph: torch.nn.Module, feeds: dict[str, Tensor], tolerance: dict[str, float]
) -> dict[str, Tensor]:
    """Outputs of ONNX Runtime, after comparing each with PyTorch's."""
    expected = TorchBackend(graph).run(feeds)
    backend = OnnxRuntimeBackend(model, threads=1)
    actual = backend.run(feeds)
    backend.close()
    assert list(actual) == list(expected)
    for name, tensor in actual.items():
        bound = tolerance.get(name.rstrip("0123"), tolerance[""])
        torch.testing.assert_close(
            tensor, expected[name], rtol=0, atol=bound, msg=lambda text, n=name: f"{n}: {text}"
        )
    return actual


@pytest.fixture(scope="module")
def nano_geometry() -> MoGe2:
    part = load_profile("nano").geometry
    assert part is not None
    model = load_geometry(part)
    assert isinstance(model, MoGe2)
    return model.eval()


@pytest.fixture(scope="module")
def nano_clip() -> Clip:
    part = load_profile("nano").semantic
    assert part is not None
    return load_clip(part).eval()


def test_nano_geometry(nano_geometry: MoGe2, tmp_path: Path) -> None:
    graph = GeometryGraph(nano_geometry, 48, (96, 128))
    model = export_onnx(graph, tmp_path / "geometry.onnx", dynamic=BATCH)
    generator = torch.Generator().manual_seed(0)
    image = torch.rand((2, 3, 96, 128), generator=generator)
    prior = torch.rand((2, 4, 96, 128), generator=generator)
    tolerance = {"": 3e-6, "layer_": FEATURES, "cls": 3e-6, "mask_logits": MASK}
    outputs = compare(model, graph, graph.plan.prepare(image, prior), tolerance)
    with torch.inference_mode():
        whole = nano_geometry(image, 48, prior, upsample=False)
        unknown = nano_geometry(image[:1], 48, upsample=False)
    finished = graph.plan.finish(outputs)
    for name in ("points", "mask", "metric_scale"):
        torch.testing.assert_close(finished[name], whole[name], rtol=0, atol=1e-5)
    for ours, theirs in zip(finished["features"].tokens(), whole["features"].tokens(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=FEATURES)
    # One image of the same file, from an unknown camera.
    single = compare(model, graph, graph.plan.prepare(image[:1]), tolerance)
    torch.testing.assert_close(
        graph.plan.finish(single)["points"], unknown["points"], rtol=0, atol=1e-5
    )


def test_nano_clip(nano_clip: Clip, tmp_path: Path) -> None:
    graph = SemanticGraph(nano_clip, (96, 128))
    model = export_onnx(graph, tmp_path / "clip.onnx", dynamic=BATCH)
    # The text tower is no part of it.
    assert model.path.stat().st_size < 9e6
    pixels = torch.randn((2, 3, 96, 128), generator=torch.Generator().manual_seed(1))
    outputs = compare(model, graph, {"pixel_values": pixels}, {"": FEATURES})
    with torch.inference_mode():
        torch.testing.assert_close(
            outputs["patch_features"], nano_clip(pixels), rtol=0, atol=FEATURES
        )


@pytest.mark.parametrize(
    ("tokens", "size"), [(20, (100, 260)), (31, (333, 151))], ids=["wide", "tall"]
)
def test_moge2_at_odd_shapes(tokens: int, size: tuple[int, int], tmp_path: Path) -> None:
    network = moge2()
    graph = GeometryGraph(network, tokens, size)
    rows, columns = graph.plan.grid
    assert rows * columns != tokens and rows != columns
    model = export_onnx(graph, tmp_path / "moge.onnx", batch=2)
    image = torch.rand((2, 3, *size), generator=torch.Generator().manual_seed(2))
    outputs = compare(model, graph, graph.plan.prepare(image), {"": 1e-5})
    finished = graph.plan.finish(outputs, size)
    with torch.inference_mode():
        whole = network(image, tokens)
    assert finished["points"].shape == (2, *size, 3)
    for name in ("points", "mask", "metric_scale"):
        torch.testing.assert_close(finished[name], whole[name], rtol=0, atol=2e-5)
    # A normal of nearly no length before scaling turns further.
    torch.testing.assert_close(finished["normal"], whole["normal"], rtol=0, atol=2e-4)


def test_moge1_for_a_camera_image_and_for_clips_pixels(tmp_path: Path) -> None:
    network = moge1()
    size = (90, 122)
    graph = TowerGraph.for_image(network, 30, size)
    model = export_onnx(graph, tmp_path / "moge1.onnx")
    image = torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(5))
    outputs = compare(model, graph, graph.plan.prepare(image), {"": 1e-5})
    with torch.inference_mode():
        whole = network(image, 30)
    finished = graph.plan.finish(outputs, size)
    for name in ("points", "mask"):
        torch.testing.assert_close(finished[name], whole[name], rtol=0, atol=2e-5)
    # SpatialGeo: pixels that CLIP sees, heads on the same features.
    shared = TowerGraph(network, (84, 84))
    pixels = torch.randn((1, 3, 84, 84), generator=torch.Generator().manual_seed(6))
    with torch.inference_mode():
        features = network.backbone(pixels)
        expected = network.predict_from_features(features, (84, 84), 1.0)
    ours = shared.plan.finish(TorchBackend(shared).run({"pixel_values": pixels}))
    torch.testing.assert_close(ours["points"], expected["points"], rtol=0, atol=1e-6)


def test_bare_backbone_gives_layers_only() -> None:
    backbone = Dinov2Backbone(TINY).eval()
    graph = TowerGraph(backbone, (70, 56))
    outputs = TorchBackend(graph).run(graph.example_inputs(2))
    assert list(outputs) == ["layer_0", "layer_1", "layer_2", "layer_3", "cls"]
    assert outputs["layer_3"].shape == (2, 20, 40)
    assert list(graph.plan.finish(outputs)) == ["features"]


@pytest.mark.parametrize(("precision", "relative"), [("fp16", 6e-3), ("bf16", 5e-2)])
def test_half_precision_is_strongly_typed(precision: str, relative: float, tmp_path: Path) -> None:
    """Weights, computation and outputs have the type; inputs stay float32."""
    import onnx

    network = moge2()
    graph = GeometryGraph(network, 20, (100, 130))
    model = export_onnx(graph, tmp_path / "half.onnx", precision=precision)
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    assert {spec.dtype for spec in model.outputs} == {dtype}
    assert {spec.dtype for spec in model.inputs} == {torch.float32}
    kinds = {"fp16": onnx.TensorProto.FLOAT16, "bf16": onnx.TensorProto.BFLOAT16}
    # Mean and deviation of the image, three numbers each, stay float32 as the image does; so do the
    # four scales of a Resize, by ONNX' rules.
    large = [t for t in onnx.load(model.path).graph.initializer if math.prod(t.dims) > 4]
    assert {t.data_type for t in large} <= {kinds[precision], onnx.TensorProto.INT64}
    assert next(network.parameters()).dtype == torch.float32  # the caller's is untouched
    if precision == "bf16":
        return  # ONNX Runtime has no bfloat16 convolutions on the CPU
    feeds = graph.plan.prepare(torch.rand((1, 3, 100, 130)))
    backend = OnnxRuntimeBackend(model, threads=1)
    exact = TorchBackend(graph).run(feeds)
    for name, tensor in backend.run(feeds).items():
        # Ten bits of mantissa through four blocks and a decoder.
        scale = float(exact[name].abs().max())
        assert float((tensor.float() - exact[name]).abs().max()) < relative * scale + 1e-3, name


def test_position_table_is_a_constant_of_pytorchs_rule() -> None:
    clip = ClipVisionTower(
        {
            "hidden_size": 40, "intermediate_size": 80, "num_hidden_layers": 3,
            "num_attention_heads": 4, "image_size": 84, "patch_size": 14,
        }
    ).eval()  # fmt: skip
    pixels = torch.randn(1, 3, 56, 112)
    graph = SemanticGraph(clip, (56, 112))
    with torch.inference_mode():
        assert torch.equal(graph(pixels)[0], clip(pixels))
        network = moge2()
        geometry = GeometryGraph(network, 20, (100, 130))
        feeds = geometry.plan.prepare(torch.rand(1, 3, 100, 130))
        direct = network.encoder.backbone(network.encoder.normalise(feeds["image"]))
        assert torch.equal(geometry(**feeds)[0], direct.tokens()[0])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda plan: plan.prepare(torch.rand(1, 3, 96, 96)), "aspect"),
        (lambda plan: plan.prepare(torch.rand(1, 3, 96, 128), torch.rand(1, 4, 96, 128)), "prior"),
    ],
)
def test_plan_refuses_what_the_graph_was_not_made_for(
    call: Callable[[GeometryPlan], Any], text: str
) -> None:
    plan = GeometryPlan(grid=(6, 8), patch_size=14, aspect=128 / 96, remap="exp")
    with pytest.raises(ValueError, match=text):
        call(plan)


@pytest.mark.parametrize("file", ["backbones.py", "affine_points.py", "conv_stack.py", "export.py"])
def test_an_edit_of_the_code_behind_a_graph_makes_its_exports_stale(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = GeometryGraph(moge2(), 20, (100, 130))
    before = source_sha256(graph, "fp32")
    assert source_sha256(graph, "fp32") == before
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + b"\n" * (path.name == file))
    assert source_sha256(graph, "fp32") != before
