# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Depth of MoGe's maps in one pass: guessed on the device, decided on the host, here on a CPU."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.moge import BACKBONE, V2_NORMAL_CONFIG
from torch import Tensor

from spatialgeo_ros.models.moge import depth_recovery
from spatialgeo_ros.models.moge.affine_points import (
    depth_to_points,
    focal_from_fov_x,
    intrinsics_from_focal,
)
from spatialgeo_ros.models.moge.base import MoGe
from spatialgeo_ros.models.moge.depth_recovery import DepthRecovery
from spatialgeo_ros.models.moge.moge_checkpoint import build_moge
from spatialgeo_ros.runtime.cuda_graph import Captured, CaptureError, WorkStream

CPU = torch.device("cpu")
SIZE, FOV = (60, 80), 55.0


@pytest.fixture(scope="module")
def moge() -> MoGe:
    return build_moge(V2_NORMAL_CONFIG, BACKBONE).requires_grad_(False).eval()


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many tensors came with each wait for the device."""
    counts: list[int] = []
    original = depth_recovery.download

    def counted(*tensors: Tensor) -> Any:
        counts.append(len(tensors))
        return original(*tensors)

    monkeypatch.setattr(depth_recovery, "download", counted)
    yield counts


def maps(seed: int, noise: float = 0.0, usable: float = 0.9) -> dict[str, Tensor]:
    """What a network would give of a random smooth scene, moved along z."""
    generator = torch.Generator().manual_seed(seed)
    coarse = 1 + 4 * torch.rand(1, 1, 5, 6, generator=generator)
    depth = torch.nn.functional.interpolate(coarse, SIZE, mode="bilinear")[:, 0]
    points = depth_to_points(depth, intrinsics_from_focal(torch.tensor([1.3]), SIZE[1] / SIZE[0]))
    points[..., 2] -= 0.3
    points = points * (1 + noise * torch.randn(points.shape, generator=generator))
    mask = (torch.rand(1, *SIZE, generator=generator) < usable).float()
    return {"points": points, "mask": mask, "metric_scale": torch.tensor([1.7])}


def recovery(moge: MoGe, known: bool, free: bool = True) -> DepthRecovery:
    return DepthRecovery(
        moge, maps(0), free_shift=free, known_focal=known, stream=WorkStream(CPU)
    )  # fmt: skip


def solved(
    one: DepthRecovery, out: dict[str, Tensor], known: bool
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    focal = float(focal_from_fov_x(torch.tensor(FOV), SIZE[1] / SIZE[0])) if known else None
    return one.depth(out, focal)


def expected(
    moge: MoGe, out: dict[str, Tensor], known: bool, free: bool = True
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    result = moge.to_metric(out, fov_x=FOV if known else None, apply_mask=False, free_shift=free)
    return result["depth"][0].numpy(), result["mask"][0].numpy()


@pytest.mark.parametrize("known", [True, False])
def test_a_smooth_image_is_waited_for_once(moge: MoGe, downloads: list[int], known: bool) -> None:
    one = recovery(moge, known)
    for seed in range(8):
        out = maps(seed, noise=0.002 if seed % 2 else 0.02)
        depth, valid = solved(one, out, known)
        right, usable = expected(moge, out, known)
        np.testing.assert_allclose(depth, right, rtol=2e-5)
        np.testing.assert_array_equal(valid, usable)
    assert one.corrected == 0
    assert downloads == [5] * 8  # sums, whether there are enough, guess, depth, validity


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("wrong", [0.5, float("nan"), float("inf")])
def test_a_wrong_guess_is_corrected(
    moge: MoGe, monkeypatch: pytest.MonkeyPatch, downloads: list[int], known: bool, wrong: float
) -> None:
    """What was computed with it is never the answer."""
    plain = recovery(moge, known)
    monkeypatch.setattr(
        depth_recovery, "likely_shift", lambda foreseen: torch.full((1,), wrong).double()
    )
    one = recovery(moge, known)
    for seed in range(3):
        out = maps(seed, noise=0.02)
        depth, valid = solved(plain, out, known)
        downloads.clear()
        found = solved(one, out, known)
        assert np.array_equal(found[0], depth) and np.array_equal(found[1], valid)
        assert downloads == [5, 2]
    assert one.corrected == 3


@pytest.mark.parametrize("known", [True, False])
def test_noise_that_needs_damping_ends_where_the_search_ends(moge: MoGe, known: bool) -> None:
    one = recovery(moge, known)
    for seed in range(20):
        out = maps(seed, noise=0.4, usable=0.3)
        depth, valid = solved(one, out, known)
        right, usable = expected(moge, out, known)
        np.testing.assert_allclose(depth, right, rtol=2e-5, atol=1e-5)
        np.testing.assert_array_equal(valid, usable)
    if not known:
        assert one.corrected  # or this shows nothing


@pytest.mark.parametrize("known", [True, False])
def test_too_few_points_leave_the_shift_at_0(moge: MoGe, downloads: list[int], known: bool) -> None:
    one = recovery(moge, known)
    out = maps(1, usable=0.0)
    depth, valid = solved(one, out, known)
    assert np.array_equal(depth, (out["points"][0, ..., 2] * 1.7).numpy())
    assert not valid.any()


def test_a_known_shift_is_no_search(moge: MoGe, downloads: list[int]) -> None:
    one = recovery(moge, known=True, free=False)
    out = maps(2)
    found = solved(one, out, known=True)
    right = expected(moge, out, known=True, free=False)
    assert np.array_equal(found[0], right[0]) and np.array_equal(found[1], right[1])
    assert downloads == [2]


@pytest.mark.parametrize("which", ["shift", "depth", "enough"])
def test_a_graph_that_computes_something_else_is_refused(
    moge: MoGe, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """Memory that is somebody else's by now gives depth without an error."""
    place = ("sums", "enough", "shift", "depth", "valid").index(which)

    def wrong(function: Any, inputs: Sequence[Tensor], stream: WorkStream, **_: Any) -> Captured:
        outputs = [one.clone() for one in function(*inputs)]
        if len(outputs) == 5:
            outputs[place] = ~outputs[place] if which == "enough" else outputs[place] * 1.01
        return Captured(lambda: None, inputs, outputs, graph=object())  # type: ignore[arg-type]

    monkeypatch.setattr(depth_recovery, "capture", wrong)
    with pytest.raises(CaptureError, match=f"its CUDA graph gives another '{which}' than"):
        recovery(moge, known=True)
