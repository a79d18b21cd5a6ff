# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A graph is compared with the eager call; here with runners that stand for graphs."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from spatialgeo_ros.runtime.cuda_graph import Captured, CaptureError
from spatialgeo_ros.runtime.verified_capture import verify

INF, NAN = float("inf"), float("nan")


def claimed(eager: Tensor, replayed: Tensor, graph: bool = True) -> tuple[Captured, object]:
    def function(*_: Tensor) -> Sequence[Tensor]:
        return [eager]

    held = object() if graph else None
    return Captured(lambda: None, [], [replayed], graph=held), function  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("eager", "replayed"),
    [
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0])),
        (torch.tensor([1.0, -INF]), torch.tensor([1.00001, -INF])),
        (torch.tensor([1.0, NAN]), torch.tensor([1.0, NAN])),  # a grey image has no shift
        (torch.tensor([NAN, INF]).double(), torch.tensor([NAN, INF]).double()),
        (torch.tensor([True, False]), torch.tensor([True, False])),
    ],
)
def test_the_same_is_taken(eager: Tensor, replayed: Tensor) -> None:
    captured, function = claimed(eager, replayed)
    verify(captured, function, ("x",))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("eager", "replayed"),
    [
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1])),
        (torch.tensor([1.0, 2.0]), torch.tensor([1.0, NAN])),
        (torch.tensor([1.0, NAN]), torch.tensor([1.0, 2.0])),
        (torch.tensor([1.0, INF]), torch.tensor([1.0, -INF])),
        (torch.tensor([NAN, 2.0]), torch.tensor([NAN, 3.0])),
        (torch.tensor([1.0]).double(), torch.tensor([1.0001]).double()),
        (torch.tensor([True, False]), torch.tensor([True, True])),
        (torch.tensor([0.0]), torch.tensor([1e-30])),
    ],
)
def test_anything_else_is_refused(eager: Tensor, replayed: Tensor) -> None:
    captured, function = claimed(eager, replayed)
    with pytest.raises(CaptureError, match="its CUDA graph gives another 'x' than the eager call"):
        verify(captured, function, ("x",))  # type: ignore[arg-type]
    captured, function = claimed(eager, replayed, graph=False)
    verify(captured, function, ("x",))  # type: ignore[arg-type]
