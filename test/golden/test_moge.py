# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""MoGe 1 and MoGe-2, forward and infer, against tensors of the papers' code.

Cases, sizes and variants of infer are read from the files, so files of other seeds do as well.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from spatialgeo_ros.models.moge.affine_points import recover_focal_shift
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.moge.moge2 import MoGe2, resize_input
from spatialgeo_ros.models.moge.moge_checkpoint import load_moge

# Absolute, float32; of the files' own description.
TOLERANCES = {
    "moge_v1_tiny": {"points": 2e-5, "depth": 2e-5, "mask": 5e-5, "intrinsics": 1e-4},
    "moge_v2_tiny": {
        "points": 2e-5, "depth": 2e-5, "mask": 2e-5, "intrinsics": 1e-4, "normal": 1e-4,
        "metric_scale": 2e-5,
    },
}  # fmt: skip
FEATURES = 2e-5
FOCAL = 1e-4


class Tiny:
    """One golden file with its network, loaded the way official checkpoints are."""

    def __init__(self, path: Path) -> None:
        content: dict[str, Any] = torch.load(path, weights_only=True)
        self.cases: list[dict[str, Any]] = content["cases"]
        self.model = load_moge(path)
        self.tolerance = TOLERANCES[path.stem]

    @torch.inference_mode()
    def forward(self, case: dict[str, Any], **options: Any) -> dict[str, Any]:
        return self.model(case["image"], case["num_tokens"], **options)

    def check(
        self, actual: dict[str, Any], expected: dict[str, Any], where: torch.Tensor | None = None
    ) -> None:
        """Every expected entry, within its tolerance; infinities must sit in the same places."""
        for key, value in expected.items():
            found = actual[key]
            if where is not None and found.shape[:3] == where.shape:
                found, value = found[where], value[where]
            close(found, value, self.tolerance[key])


def close(actual: torch.Tensor, expected: torch.Tensor, tolerance: float) -> None:
    torch.testing.assert_close(actual.float(), expected.float(), rtol=0, atol=tolerance)


@pytest.fixture(scope="module", params=list(TOLERANCES))
def tiny(request: pytest.FixtureRequest, golden: Path) -> Tiny:
    return Tiny(golden / f"{request.param}.pt")


def test_the_network_is_the_one_of_the_file(tiny: Tiny) -> None:
    second = "metric_scale" in tiny.cases[0]["forward"]
    assert isinstance(tiny.model, MoGe2 if second else MoGe1)
    assert tiny.model.has_metric_scale == second


def test_forward(tiny: Tiny) -> None:
    for case in tiny.cases:
        tiny.check(tiny.forward(case), case["forward"])


def test_forward_as_exported_to_onnx(tiny: Tiny) -> None:
    cases = [case for case in tiny.cases if "forward_onnx_mode" in case]
    if isinstance(tiny.model, MoGe1):
        assert not cases  # MoGe 1 was never exported
        return
    assert cases
    tiny.model.encoder.backbone.by_size = True
    try:
        for case in cases:
            tiny.check(tiny.forward(case, antialias=False), case["forward_onnx_mode"])
    finally:
        tiny.model.encoder.backbone.by_size = False


def test_backbone_input_and_features(tiny: Tiny) -> None:
    cases = [case for case in tiny.cases if "features" in case]
    assert cases
    for case in cases:
        image, model = case["image"], tiny.model
        if isinstance(model, MoGe1):
            size = model.working_size(case["num_tokens"], image.shape[-2:])
            seen = model.patches_input(image, size)
        else:
            rows, columns = model.base_grid(case["num_tokens"], image.shape[-1] / image.shape[-2])
            seen = model.encoder.normalise(resize_input(image, (14 * rows, 14 * columns)))
        close(seen, case["image_14"], FEATURES)
        features = tiny.forward(case)["features"]
        for tokens, expected in zip(features.tokens(), case["features"], strict=True):
            close(tokens[: len(expected)], expected, FEATURES)  # of some items of the batch
        close(features.cls, case["cls"][-1], FEATURES)


def test_infer(tiny: Tiny) -> None:
    """Every variant in the file; its name says the options (``infer_fov60_nomask``)."""
    variants = 0
    for case in tiny.cases:
        # Random weights leave some mask pixels within rounding of the threshold.
        decided = (case["forward"]["mask"] - tiny.model.mask_threshold).abs() > 1e-3
        for key in [key for key in case if key.startswith("infer")]:
            fov = re.search(r"fov(\d+)", key)
            out = tiny.model.infer(
                case["image"],
                case["num_tokens"],
                fov_x=float(fov[1]) if fov else None,
                force_projection="noproj" not in key,
                apply_mask="nomask" not in key,
            )
            tiny.check(out, case[key], decided)
            assert torch.equal(out["mask"][decided], case[key]["mask"][decided])
            variants += 1
    assert variants >= len(tiny.cases)


def test_focal_and_shift_of_noisy_maps(tiny: Tiny) -> None:
    """Random weights give maps as noisy as can be: only the reference's own early stop agrees."""
    for case in tiny.cases:
        out = case["forward"]
        mask = out["mask"] > tiny.model.mask_threshold
        focal, shift = recover_focal_shift(out["points"], mask)
        close(focal, case["focal"], FOCAL)
        close(shift, case["shift"], FOCAL)
