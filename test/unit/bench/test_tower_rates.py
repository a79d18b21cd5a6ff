# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rates of the image networks run small on a CPU, so that nothing is wrong when a GPU is there."""

from __future__ import annotations

import pytest
import torch

from bench.tower_rates import ALL, Rate, rows


@pytest.mark.parametrize("name", sorted(ALL))
def test_every_rate_stands_beside_its_baseline(name: str) -> None:
    rates = ALL[name](torch.device("cpu"), tiny=True, seconds=0.0)
    assert all(rate.seconds > 0 and rate.low <= rate.seconds <= rate.high for rate in rates)
    known = {(rate.name, rate.what) for rate in rates}
    for rate in rates:
        assert rate.baseline == "" or (rate.name, rate.baseline) in known
    assert any(rate.baseline for rate in rates)
    assert len(rows(rates)) == len(rates)


def test_a_row_says_how_many_times_its_baseline_it_takes() -> None:
    rates = [
        Rate("network", "eager", 0.010, 0.009, 0.011, 3),
        Rate("network", "graph", 0.005, 0.004, 0.006, 3, "eager", "captured"),
    ]
    assert rows(rates)[1] == [
        "network", "graph", "5 ms (4-6)", "200/s", "0.5 x eager", "captured",
    ]  # fmt: skip
