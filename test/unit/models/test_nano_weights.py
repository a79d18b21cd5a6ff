# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The committed nano weights do what the documentation says, on rooms they were not trained on.

A few frames keep this quick, so the bounds are looser than the figures of docs/benchmarks.md, which
``spatialgeo evaluate`` measures on 200.
"""

from __future__ import annotations

import pytest
import torch

from spatialgeo_ros.evaluation.nano import evaluate, format_report
from spatialgeo_ros.models.files.weights import sha256_of
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.training.render import HELD_OUT_SEEDS, TRAINED_SEEDS


def test_files_are_small_and_are_those_of_the_profile():
    profile = load_profile("nano")
    assert sum(file.path.stat().st_size for file in profile.files) < 40e6
    for file in profile.files:
        assert file.sha256 == sha256_of(file.path), file.path.name


def test_held_out_rooms_were_not_trained_on():
    assert max(TRAINED_SEEDS) < HELD_OUT_SEEDS


@pytest.fixture(scope="module")
def report():
    pytest.importorskip("mujoco", reason="MuJoCo is not installed")
    from spatialgeo_ros.sim.renderer import RendererUnavailableError

    perception = Perception.load("nano", device="cpu")
    try:
        with torch.random.fork_rng():
            result = evaluate(perception, frames=24, questions=6, seed=HELD_OUT_SEEDS + 500)
    except RendererUnavailableError as error:
        pytest.skip(str(error))
    finally:
        perception.close()
    print(format_report(result))
    return result.summary()


def test_depth_from_the_image_alone(report):
    assert report["abs_rel"] <= 0.15


def test_phrases_find_their_objects(report):
    assert report["phrases"] >= 40
    assert report["phrases_right"] >= 0.7


def test_the_language_model_beats_the_best_constant(report):
    assert report["metres"] >= max(0.55, report["metres_constant"] + 0.05)
    assert report["words"] >= max(0.65, report["words_constant"] + 0.05)
