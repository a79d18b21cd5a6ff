# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What half precision costs each image network, against float32: the numbers that the docs state.

On a CPU, whose sums are as exact as a GPU's or more so. Weights are those of the papers' small
networks (and nano's trained ones): published networks are three to six times as deep.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from golden.test_vggt import HEADS, stated_config
from torch import Tensor

from spatialgeo_ros.models.construction import load_clip, load_geometry
from spatialgeo_ros.models.moge.base import MoGe
from spatialgeo_ros.models.moge.moge_checkpoint import load_moge
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.models.spatial_mllm.window_attention import see
from spatialgeo_ros.models.vggt import vggt_from_state

HALVES = (torch.float16, torch.bfloat16)
#: Largest error that is let pass: float16, bfloat16. Seen was half to two thirds of it; how halves
#: are summed differs between CPUs (with AVX512, with AVX2) by as much as twice.
POINTS = {"moge_v1_tiny": (2e-3, 1.6e-2), "moge_v2_tiny": (2e-3, 1.6e-2)}
DEPTH = {"moge_v1_tiny": (4e-3, 3.2e-2), "moge_v2_tiny": (1e-2, 4e-2)}


def relative(found: Tensor, expected: Tensor) -> float:
    """Length of the difference by the length of what is expected."""
    return float((found.float() - expected.float()).norm() / expected.float().norm())


def depth_errors(exact: MoGe, rough: MoGe, image: Tensor, tokens: int) -> tuple[float, float]:
    """99 % of points and 99 % of depths after focal and shift are within these, relative."""
    a, b = (one(image, tokens, upsample=False) for one in (exact, rough))
    points = (b["points"] - a["points"]).norm(dim=-1) / a["points"].norm(dim=-1)
    deep, rough_deep = (exact.to_metric(one, apply_mask=False) for one in (a, b))
    both = deep["mask"] & rough_deep["mask"]
    depth = (rough_deep["depth"] / deep["depth"] - 1).abs()[both]
    return float(points.flatten().quantile(0.99)), float(depth.quantile(0.99))


@torch.inference_mode()
@pytest.mark.parametrize("name", sorted(POINTS))
@pytest.mark.parametrize("which", [0, 1])
def test_moge(golden: Path, name: str, which: int) -> None:
    path = golden / f"{name}.pt"
    cases = torch.load(path, weights_only=True)["cases"]
    exact, rough = load_moge(path), load_moge(path, HALVES[which])
    errors = [depth_errors(exact, rough, one["image"], one["num_tokens"]) for one in cases]
    points, depth = np.max(errors, axis=0)
    print(f"{name} {HALVES[which]}: points {points:.1e}, depth {depth:.1e}")
    assert points < POINTS[name][which]
    assert depth < DEPTH[name][which]


@torch.inference_mode()
@pytest.mark.parametrize(("which", "limit"), [(0, 2e-3), (1, 2e-2)])
def test_vggt(golden: Path, which: int, limit: float) -> None:
    aggregated: dict[str, Any] = torch.load(golden / "vggt_aggregator_tiny.pt", weights_only=True)
    headed: dict[str, Any] = torch.load(golden / "vggt_heads_tiny.pt", weights_only=True)
    state = {f"aggregator.{name}": tensor for name, tensor in aggregated["aggregator"].items()}
    for head in HEADS:
        state.update({f"{head}.{name}": tensor for name, tensor in headed[head].items()})
    config = stated_config(headed["config"])
    exact = vggt_from_state(state, "golden", config=config)
    rough = vggt_from_state(state, "golden", HALVES[which], config=config)
    errors = []
    for case in aggregated["cases"]:
        (expected,), _ = exact.aggregate(case["images"], [-1])
        (found,), _ = rough.aggregate(case["images"].to(HALVES[which]), [-1])
        errors.append(relative(found, expected))
    print(f"VGGT {HALVES[which]}: tokens {max(errors):.1e}")
    assert max(errors) < limit


@torch.inference_mode()
@pytest.mark.parametrize(("which", "limit"), [(0, 5e-3), (1, 4e-2)])
def test_qwens_tower(which: int, limit: float) -> None:
    from bench.tower_rates import _qwen_towers

    exact, _ = _qwen_towers(torch.device("cpu"), torch.float32, tiny=True)
    _, rough = _qwen_towers(torch.device("cpu"), HALVES[which], tiny=True)
    grid = (2, 10, 14)
    pixels = torch.randn(280, 1176, generator=torch.Generator().manual_seed(0))
    expected = exact(pixels, grid_thw=torch.tensor([grid])).pooler_output
    error = relative(see(rough, pixels.to(HALVES[which]), grid), expected)
    print(f"Qwen's tower {HALVES[which]}: tokens {error:.1e}")
    assert error < limit


@torch.inference_mode()
@pytest.mark.parametrize(("which", "limits"), [(0, (2e-3, 2e-3)), (1, (1.5e-2, 2e-2))])
def test_nanos_trained_networks(which: int, limits: tuple[float, float]) -> None:
    profile = load_profile("nano")
    assert profile.geometry is not None and profile.semantic is not None
    dtype = HALVES[which]
    coarse = torch.rand(4, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(coarse, (96, 128), mode="bilinear")
    exact, rough = (load_geometry(profile.geometry) for _ in range(2))
    a, b = (one(image, 48, upsample=False) for one in (exact, rough.to(dtype)))
    points = (b["points"] - a["points"]).norm(dim=-1) / a["points"].norm(dim=-1)
    within = float(points.flatten().quantile(0.99))
    clip, rough_clip = (load_clip(profile.semantic) for _ in range(2))
    pixels = clip.normalise(image)
    features = relative(rough_clip.to(dtype)(pixels.to(dtype)), clip(pixels))
    print(f"nano {dtype}: points {within:.1e}, CLIP's features {features:.1e}")
    assert within < limits[0]
    assert features < limits[1]
