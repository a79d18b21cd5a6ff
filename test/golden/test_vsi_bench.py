# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""VSI-Bench's metric against the reference implementation's results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spatialgeo_ros.evaluation.vsi_bench import reward
from spatialgeo_ros.speech.cleaned_answer import clean_answer, mean_relative_accuracy, parse_number


@pytest.fixture(scope="module")
def data(golden: Path) -> dict[str, Any]:
    return json.loads((golden / "vsibench_metric.json").read_text())


def test_mean_relative_accuracy(data: dict[str, Any]) -> None:
    for case in data["mra"]:
        found = mean_relative_accuracy(case["pred"], case["gt"])
        assert found == pytest.approx(case["mra"], abs=1e-6), case


def test_cleaning(data: dict[str, Any]) -> None:
    for case in data["clean"]:
        assert clean_answer(case["raw"]) == case["clean"]
        assert parse_number(clean_answer(case["raw"])) == case["num"], case


def test_rewards(data: dict[str, Any]) -> None:
    for case in data["reward"]:
        found = reward(case["gt"], case["pred"], case["type"])
        assert found == pytest.approx(case["reward"], abs=1e-6), case
