# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The minimum cut against all cuts of small random graphs."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from spatialgeo_ros.memory.minimum_cut import minimum_cut


def cost_of(inside: tuple[bool, ...], edges: list[tuple[int, int, float]]) -> float:
    return sum(cost for a, b, cost in edges if inside[a] != inside[b])


@pytest.mark.parametrize("seed", range(20))
def test_no_cut_is_cheaper(seed: int):
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(3, 9))
    edges = [
        (a, b, float(rng.integers(0, 10)))
        for a, b in itertools.combinations(range(nodes), 2)
        if rng.random() < 0.7
    ]
    inside = minimum_cut(nodes, edges, 0, 1)
    assert inside[0]
    assert not inside[1]
    cuts = ((True, False, *rest) for rest in itertools.product((True, False), repeat=nodes - 2))
    assert cost_of(tuple(inside), edges) == pytest.approx(min(cost_of(c, edges) for c in cuts))


def test_what_hangs_on_neither_side_is_outside():
    assert minimum_cut(4, [(0, 2, 1.0)], 0, 1) == [True, False, True, False]
