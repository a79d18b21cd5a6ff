# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Space-aware sampling against runs of the reference sampler: every pick must be the same."""

from __future__ import annotations

import numpy as np
import pytest

from spatialgeo_ros.memory.sampling import (
    greedy_max_coverage,
    sampling_indices,
    space_aware_sampling,
)


def load(folder, name):
    torch = pytest.importorskip("torch", reason="the reference tensors are torch files")
    return torch.load(folder / name, weights_only=True)


def test_full_runs(golden):
    for case in load(golden, "sa_sampling.pt")["cases"]:
        result = space_aware_sampling(
            case["world_points"][0].numpy(), case["conf"][0].numpy(), k=case["K"]
        )
        assert result.threshold == case["threshold"]
        assert result.voxel_size == pytest.approx(case["voxel_size"], abs=1e-6)
        np.testing.assert_array_equal(result.bbox[0], case["bbox_min"].numpy())
        np.testing.assert_array_equal(result.bbox[1], case["bbox_max"].numpy())
        assert list(result.set_sizes) == case["voxel_counts"]
        assert list(result.order) == case["greedy_order"]
        assert list(result.selection) == case["selected"]


def test_set_cover_toys(golden):
    for case in load(golden, "sa_sampling.pt")["toy"]:
        assert greedy_max_coverage(case["sets"], case["K"]) == case["order"]


def test_index_rules(golden):
    for case in load(golden, "frame_indices.pt")["cases"]:
        candidates = sampling_indices(case["n"])
        assert candidates.tolist() == case["idx128"]
        uniform = candidates[sampling_indices(candidates.size, 16)]
        assert uniform.tolist() == case["uniform16"]
