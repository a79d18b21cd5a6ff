# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The evaluation of measured distances counts right, and a few held-out rooms stay good."""

import numpy as np
import pytest

from spatialgeo_ros.evaluation.measurement import Column, evaluate
from spatialgeo_ros.sim.renderer import RendererUnavailableError
from spatialgeo_ros.sim.surface import nearest_distance


def test_shares_count_invalid_estimates_as_wrong():
    column = Column()
    for estimate, sigma in ((1.05, 0.1), (1.2, 0.1), (1.5, 0.1), (np.nan, np.nan)):
        column.add(1.0, estimate, sigma)
    assert column.share_within(0.10) == 0.25
    assert column.share_within(0.25) == 0.5
    assert column.within_sigmas(1) == pytest.approx(1 / 3)
    assert column.within_sigmas(2) == pytest.approx(2 / 3)
    assert column.median_error() == pytest.approx(0.2)


def test_best_constant_is_the_best_single_answer():
    column = Column()
    for truth in (1.0, 1.05, 1.1, 3.0):
        column.add(truth, truth)
    assert column.best_constant(0.10) == pytest.approx(0.75)


def test_nearest_distance_agrees_with_all_pairs():
    rng = np.random.default_rng(0)
    for _ in range(20):
        a = rng.normal(size=(400, 3)) * rng.uniform(0.1, 1.0, 3)
        b = rng.normal(size=(300, 3)) * rng.uniform(0.1, 1.0, 3) + rng.normal(size=3) * 2
        expected = np.linalg.norm(a[:, None] - b[None], axis=2).min()
        assert nearest_distance(a, b) == pytest.approx(expected, abs=0.004)


def test_held_out_rooms():
    try:
        table, _ = evaluate(frames=8)
    except RendererUnavailableError as error:
        pytest.skip(str(error))
    assert len(table["camera to object"].truth) >= 10
    assert table["camera to object"].share_within(0.10) > 0.9
    assert table["nearest points (visible, exact)"].share_within(0.25) > 0.8
    assert table["centre to centre"].share_within(0.25) > 0.85
    assert table["camera to object"].within_sigmas(2) > 0.8
