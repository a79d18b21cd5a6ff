# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo evaluate rooms`` from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from spatialgeo_ros import cli
from spatialgeo_ros.evaluation.rooms.drive import FIRST_SEED, SERIES


def test_rooms_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two small drives with exact boxes: table, JSON, and a map that is right."""
    out = tmp_path / "rooms.json"
    status = cli.main(
        ["evaluate", "rooms", "--rooms", "2", "--seed", "79", "--frames", "40", "--width", "320",
         "--drift", "0", "--detections", "perfect", "--profile", "none", "--json", str(out)]
    )  # fmt: skip
    said = capsys.readouterr()
    if status == 2 and "render" in said.err:
        pytest.skip(said.err)
    assert status == 0
    assert "overall, over types" in said.out
    report = json.loads(out.read_text())
    assert report["options"]["seed"] == 79
    names = {task["scene_name"] for task in report["tasks"]}
    seeds = [int(name.removeprefix("room_")) for name in names]
    first = FIRST_SEED + 79 * SERIES
    assert len(seeds) == 2 and all(first <= seed < first + SERIES for seed in seeds)
    scores = report["summary"]["scores"]
    assert scores["true map, forms"]["overall"]["over_questions"] == 1.0
    found = report["summary"]["maps"]["perfect"]
    assert found["recall"] >= 0.8 and found["median_centre_error_m"] <= 0.08
    for task in report["tasks"]:
        assert set(task["answers"]) == set(scores)


def test_drives_end_to_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A small drive: a table, and in JSON each question with its answer, none badly wrong."""
    out = tmp_path / "drives.json"
    status = cli.main(
        ["evaluate", "drives", "--rooms", "1", "--seed", "79", "--frames", "40", "--width", "320",
         "--drift", "0", "--json", str(out)]
    )  # fmt: skip
    said = capsys.readouterr()
    if status == 2 and "render" in said.err:
        pytest.skip(said.err)
    assert status == 0
    assert "| distance | cut by the border |" in said.out
    report = json.loads(out.read_text())
    assert report["options"] == {
        "rooms": 1, "seed": 79, "frames": 40, "width": 320, "drift": 0.0, "sensor": "plain",
        "detections": "perfect",
    }  # fmt: skip
    asked = report["questions"]
    assert {one["shown"] for one in asked} == {"cut by the border", "in view", "out of view"}
    told = [one for one in asked if one["metres"] is not None]
    off = [abs(one["metres"] - one["truth"]) for one in told]
    right = [e <= max(0.05, 0.1 * one["truth"]) for e, one in zip(off, told, strict=True)]
    wrong = [
        e > 3 * one["sigma"] and not fine for e, one, fine in zip(off, told, right, strict=True)
    ]
    assert len(told) > 0.9 * len(asked) > 50
    assert sum(right) > 0.8 * len(told) and sum(wrong) <= 0.02 * len(told)


@pytest.mark.parametrize(
    "arguments",
    [["--rooms", "0"], ["--seed", "-1"], ["--drift", "0.9"], ["--detections", "some"]],
)
def test_arguments_that_make_no_sense(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main(["evaluate", "rooms", *arguments])
    assert arguments[0] in capsys.readouterr().err
