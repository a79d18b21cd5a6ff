# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's ``--view``: what is asked for, and what is said where the viewer is missing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from spatialgeo_ros.robot_sim.demo import __main__ as demo
from spatialgeo_ros.robot_sim.demo.processes import NodeProcess, Processes


def test_it_is_off_by_default_and_takes_a_file() -> None:
    assert demo.parse([]).view is None
    assert demo.parse(["--view"]).view is not None
    assert demo.parse(["--view", "a.rrd"]).view == Path("a.rrd")


def test_a_viewer_that_is_not_installed_is_named_before_anything_starts(
    monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None)
    assert demo.main(["--view"]) == 2
    assert "pip install 'spatialgeo_ros[view]'" in capsys.readouterr().out


@pytest.fixture
def module(tmp_path: Path, monkeypatch: Any) -> str:
    """A program that writes its arguments and ends."""
    (tmp_path / "said.py").write_text("import sys\nprint(sys.argv[1:])\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "said"


def test_a_viewer_that_is_closed_ends_nothing(module: str, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with Processes() as processes:
        view = processes.start_spare(module, log, ["--web"])
        view.stop()
        assert not view.is_running()
        processes.check()
    assert log.read_text().strip() == "['--web', '--ros-args']"


def test_arguments_stand_before_those_of_ros(module: str, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    process = NodeProcess(module, log, {"rate": 4.0, "depth": True}, arguments=["--save", "a"])
    process.stop()
    assert log.read_text().strip() == str(
        ["--save", "a", "--ros-args", "-p", "rate:=4.0", "-p", "depth:=true"]
    )
