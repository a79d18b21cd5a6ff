# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rates of the image networks and of a node's depth call, each beside its baseline in the same run.

Random weights of the published sizes; ``tiny`` takes small networks instead, so that everything in
here runs on a CPU in seconds. Those that are compared take turns, call by call.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.common import digits, report, table
from bench.full_size import CLIP_L_336, MOGE, QWEN_3B_VISION, VGGT_1B
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.backbones import Features
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.graphs import GeometryGraph, SemanticGraph
from spatialgeo_ros.models.moge.affine_points import view_plane_uv
from spatialgeo_ros.models.moge.moge2 import NANO_CONFIG, MoGe2
from spatialgeo_ros.models.moge.moge_checkpoint import build_moge
from spatialgeo_ros.models.profiles import GeometryPart, ImageInput
from spatialgeo_ros.models.vggt import Vggt, VggtConfig
from spatialgeo_ros.networks.towers import FrameTowers
from spatialgeo_ros.runtime.cuda_graph import WorkStream
from spatialgeo_ros.runtime.torch_backend import TorchBackend

SIZE = (480, 640)
#: Frames, rows and columns of patches of a clip.
CLIP = (16, 34, 46)
TINY_CLIP = (2, 4, 6)
NOISE = 0.02
TINY_VGGT = VggtConfig(
    embed_dim=64, depth=4, num_heads=4, img_size=56, patch_embed_depth=2, patch_embed_heads=4
)
TINY_VISION = {
    "depth": 4, "hidden_size": 64, "intermediate_size": 128, "num_heads": 4, "out_hidden_size": 64,
    "patch_size": 14, "window_size": 56, "fullatt_block_indexes": [3],
}  # fmt: skip
Call = Callable[[], object]
Graph = GeometryGraph | SemanticGraph


@dataclass(frozen=True)
class Rate:
    """Time of one way to do something.

    Attributes:
        name: Of what is done.
        what: The way, such as "graph", "eager" or "depth call".
        seconds: Median of one call.
        low: Lower quartile.
        high: Upper quartile.
        calls: That were timed.
        baseline: ``what`` of the row of the same name to compare with; "" for a baseline.
        note: What else is to be said, such as why nothing was captured.
    """

    name: str
    what: str
    seconds: float
    low: float
    high: float
    calls: int
    baseline: str = ""
    note: str = ""


class SceneMoGe(MoGe2):
    """MoGe-2 whose random weights are noise on a smooth scene, so that focal and shift exist."""

    def decode(
        self, fused: Tensor, features: Features, aspect: float, *, normals: bool = True
    ) -> dict[str, Tensor]:
        """As of MoGe-2."""
        raw = super().decode(fused, features, aspect, normals=normals)
        points = raw["raw_points"]
        rows, columns = points.shape[-2:]
        uv = view_plane_uv(rows, columns, aspect, dtype=points.dtype, device=points.device)
        u, v = uv.unbind(-1)
        scene = torch.stack([u / 1.2, v / 1.2, (2.5 + u + v).log()])  # points = (xy z, z), z = exp
        raw["raw_points"] = scene + NOISE * points.tanh()
        raw["mask_logits"] = raw["mask_logits"].tanh() + 2
        raw["log_scale"] = raw["log_scale"].tanh()
        return raw


def precision(device: torch.device) -> torch.dtype:
    """Half precision on a GPU; a CPU gains nothing from it."""
    return torch.float16 if device.type == "cuda" else torch.float32


def in_turn(
    name: str,
    device: torch.device,
    calls: Mapping[str, Call],
    seconds: float,
    baselines: Mapping[str, str],
    notes: Mapping[str, str] | None = None,
    least: int = 3,
) -> list[Rate]:
    """Time calls in turn, about ``seconds`` for each of them."""

    def timed(call: Call) -> float:
        _finish(device)
        start = time.perf_counter()
        call()
        _finish(device)
        return time.perf_counter() - start

    times: dict[str, list[float]] = {what: [] for what in calls}
    with torch.inference_mode():
        for call in calls.values():
            timed(call)
            timed(call)
        end = time.perf_counter() + seconds * len(calls)
        while len(next(iter(times.values()))) < least or time.perf_counter() < end:
            for what, call in calls.items():
                times[what].append(timed(call))
    rates = []
    for what, values in times.items():
        low, middle, high = statistics.quantiles(values, n=4)
        note = (notes or {}).get(what, "")
        rates.append(
            Rate(name, what, middle, low, high, len(values), baselines.get(what, ""), note)
        )
    return rates


def encoder_rates(
    device: torch.device, *, tiny: bool = False, big: bool = False, seconds: float = 2.0
) -> list[Rate]:
    """MoGe-2 and CLIP alone, captured as a graph beside their eager calls."""
    rates = []
    cases: list[tuple[str, Callable[[], Graph]]]
    if tiny:
        cases = [("MoGe-2 nano", lambda: GeometryGraph(moge(device, None), 48, (96, 128)))]
    else:
        cases = [
            (f"MoGe-2 S, {tokens} tokens", _geometry_case(device, "moge2_s", tokens))
            for tokens in (777, 3600)
        ]
        if big:
            cases += [
                (f"MoGe-2 {name[-1].upper()}, 1800 tokens", _geometry_case(device, name, 1800))
                for name in ("moge2_b", "moge2_l")
            ]
    cases.append(("CLIP tiny" if tiny else "CLIP L/14-336", lambda: _clip(device, tiny)))
    for name, build in cases:
        with _freed():
            torch.manual_seed(0)
            rates += _encoder_case(name, build(), device, seconds)
    return rates


def _encoder_case(name: str, graph: Graph, device: torch.device, seconds: float) -> list[Rate]:
    captured = TorchBackend(graph, WorkStream(device, urgent=True), name)
    eager, feeds = TorchBackend(graph), graph.example_inputs()
    return in_turn(
        f"{name}, {_short(graph)}",
        device,
        {"eager": lambda: eager.run(feeds), "graph": lambda: captured.run(feeds)},
        seconds,
        {"graph": "eager"},
        {"graph": captured.describe()["launch"]},
    )


def depth_rates(
    device: torch.device, *, tiny: bool = False, seconds: float = 2.0, tokens: int = 777
) -> list[Rate]:
    """A node's depth call, from the camera's bytes to metres, beside its network alone."""
    with _freed():
        size = (96, 128) if tiny else SIZE
        network = moge(device, None if tiny else "moge2_s")
        tokens = 48 if tiny else tokens
        graph = GeometryGraph(network, tokens, size, normals=False)
        backend = TorchBackend(graph, WorkStream(device, urgent=True), "the network alone")
        feeds = graph.example_inputs()
        part = GeometryPart("moge2", None, tokens, 0.2, True, None, False)
        native = ImageInput(0, 0, network.patch_size, (0, 0, 0), "native")
        captured, eager = (
            FrameTowers(native, device, precision(device), part=part, geometry=network, sized=sized)
            for sized in (True, False)
        )
        rows, columns = size
        image = np.random.default_rng(0).integers(0, 256, (rows, columns, 3)).astype(np.uint8)
        camera = PinholeCamera(columns, rows, 0.8 * columns, 0.8 * columns, columns / 2, rows / 2)
        captured.warm_up(size)
        found = captured.depth(View(image, camera, None)), eager.depth(View(image, camera, None))
        error = np.abs(found[0].depth / found[1].depth - 1)[found[1].valid & found[0].valid].max()
        launch = "; ".join(captured.describe().values())
        name = f"{'nano' if tiny else 'MoGe-2 S'} depth, {tokens} tokens, {_short(graph)}"
        return in_turn(
            name,
            device,
            {
                "network alone": lambda: backend.run(feeds),
                "depth call": lambda: captured.depth(View(image, camera, None)),
                "depth call, eager": lambda: eager.depth(View(image, camera, None)),
            },
            seconds,
            {"depth call": "network alone", "depth call, eager": "network alone"},
            {"depth call": f"{launch}; at most {error:.1e} from the eager one"},
        )


def vggt_rates(device: torch.device, *, tiny: bool = False, seconds: float = 2.0) -> list[Rate]:
    """VGGT's aggregator on a clip, as Spatial-MLLM runs it, in half precision beside float32."""
    frames, rows, columns = TINY_CLIP if tiny else CLIP
    half = torch.bfloat16
    with _freed():
        torch.manual_seed(0)
        with torch.device(device):  # a CPU takes half a minute for so many random numbers
            exact = Vggt(TINY_VGGT if tiny else VGGT_1B, heads=()).requires_grad_(False).eval()
        images = torch.rand(1, frames, 3, 14 * rows, 14 * columns, device=device)
        with torch.inference_mode():
            expected = exact.aggregate(images, [-1])[0][0].float()
        calls: dict[str, Call] = {}
        if device.type == "cuda":
            rough = copy.deepcopy(exact).to(half)
        else:
            rough = exact
            half = torch.float32
        with torch.inference_mode():
            found = rough.aggregate(images.to(half), [-1])[0][0].float()
        error = float((found - expected).norm() / expected.norm())
        calls["float32"] = lambda: exact.aggregate(images, [-1])
        calls["half"] = lambda: rough.aggregate(images.to(half), [-1])
        return in_turn(
            f"VGGT, {frames} frames of {14 * columns}x{14 * rows}", device, calls, seconds,
            {"half": "float32"}, {"half": f"{half}, tokens {error:.1e} of their length away"},
        )  # fmt: skip


def qwen_tower_rates(
    device: torch.device, *, tiny: bool = False, seconds: float = 2.0
) -> list[Rate]:
    """Qwen2.5-VL's tower on a clip, windows of one size in one call beside transformers' loop."""
    from spatialgeo_ros.models.spatial_mllm.window_attention import see

    frames, rows, columns = TINY_CLIP if tiny else CLIP
    grid = (frames // 2, rows, columns)
    half = torch.bfloat16 if device.type == "cuda" else torch.float32
    with _freed():
        tower, grouped = _qwen_towers(device, half, tiny)
        pixels = torch.randn(grid[0] * rows * columns, 1176, device=device, dtype=half)
        thw = torch.tensor([grid], device=device)
        with torch.inference_mode():
            expected = tower(pixels, grid_thw=thw).pooler_output.float()
            error = float((see(grouped, pixels, grid).float() - expected).norm() / expected.norm())
        return in_turn(
            f"Qwen2.5-VL's tower, {frames} frames of {14 * columns}x{14 * rows}, {half}",
            device,
            {
                "transformers": lambda: tower(pixels, grid_thw=thw),
                "grouped windows": lambda: see(grouped, pixels, grid),
            },
            seconds,
            {"grouped windows": "transformers"},
            {"grouped windows": f"tokens {error:.1e} of their length away"},
        )


def _qwen_towers(device: torch.device, dtype: torch.dtype, tiny: bool) -> tuple[Any, Any]:
    """Transformers' tower, and ours with the same weights."""
    # Imported here: transformers takes seconds for Qwen2.5-VL.
    from transformers.models.qwen2_5_vl.configuration_qwen2_5_vl import Qwen2_5_VLVisionConfig
    from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import (
        Qwen2_5_VisionTransformerPretrainedModel,
    )

    from spatialgeo_ros.models.spatial_mllm.window_attention import group_windows

    config = Qwen2_5_VLVisionConfig(**(TINY_VISION if tiny else QWEN_3B_VISION))
    torch.manual_seed(0)
    with torch.device(device):
        towers = [Qwen2_5_VisionTransformerPretrainedModel(config).eval() for _ in range(2)]
    tower, grouped = (one.requires_grad_(False).to(dtype) for one in towers)
    group_windows(grouped)
    grouped.load_state_dict(tower.state_dict(), assign=True)
    return tower, grouped


ALL: dict[str, Callable[..., list[Rate]]] = {
    "encoders": encoder_rates,
    "depth": depth_rates,
    "vggt": vggt_rates,
    "qwen tower": qwen_tower_rates,
}


def moge(device: torch.device, name: str | None) -> SceneMoGe:
    """MoGe-2 of a profile's size, or nano's, with random weights and a scene to see."""
    torch.manual_seed(0)
    with torch.device(device):
        network = build_moge(NANO_CONFIG if name is None else MOGE[name])
    network.__class__ = SceneMoGe
    assert isinstance(network, SceneMoGe)
    return network.requires_grad_(False).eval().to(device, precision(device))


def _geometry_case(device: torch.device, name: str, tokens: int) -> Callable[[], Graph]:
    return lambda: GeometryGraph(moge(device, name), tokens, SIZE)


def _clip(device: torch.device, tiny: bool) -> SemanticGraph:
    config: dict[str, Any] = {**CLIP_L_336, "hidden_act": "quick_gelu"}
    if tiny:
        config |= {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
        config |= {"num_attention_heads": 4, "image_size": 56}
    with torch.device(device):
        tower = ClipVisionTower(config).requires_grad_(False).eval().to(precision(device))
    side = tower.image_size
    return SemanticGraph(tower, (side, side))


def _short(module: torch.nn.Module) -> str:
    return str(next(module.parameters()).dtype).removeprefix("torch.")


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextlib.contextmanager
def _freed() -> Iterator[None]:
    """Give the GPU's memory back afterwards."""
    try:
        yield
    finally:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def rows(rates: list[Rate]) -> list[list[str]]:
    """Rows of a table: name, way, time, rate, times the baseline, note."""
    found = []
    for rate in rates:
        base = next((b for b in rates if (b.name, b.what) == (rate.name, rate.baseline)), None)
        against = "" if base is None else f"{digits(rate.seconds / base.seconds)} x {base.what}"
        time_ms = (
            f"{digits(rate.seconds * 1e3)} ms ({digits(rate.low * 1e3)}-{digits(rate.high * 1e3)})"
        )
        found.append(
            [rate.name, rate.what, time_ms, f"{digits(1 / rate.seconds)}/s", against, rate.note]
        )
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small networks, to see it run")
    parser.add_argument("--big", action="store_true", help="MoGe-2 B and L too")
    options = parser.parse_args()
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", 0) if on_gpu else torch.device("cpu")
    tiny = options.quick or not on_gpu
    rates: list[Rate] = []
    for name, measure in ALL.items():
        more = {"big": True} if options.big and name == "encoders" and not tiny else {}
        rates += measure(device, tiny=tiny, seconds=0.2 if tiny else 2.0, **more)
    notes = ["Random weights; calls take turns; medians and quartiles."]
    notes.append(f"GPU: {torch.cuda.get_device_name(0)}." if on_gpu else "No GPU: small networks.")
    header = ("network", "way", "one call", "rate", "beside", "note")
    report("Image networks and a node's depth call", notes, table(header, rows(rates)))


if __name__ == "__main__":
    main()
