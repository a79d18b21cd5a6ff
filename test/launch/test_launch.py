# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch test within `make test`; `colcon test` runs ``spatialgeo.test.py`` by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("launch_testing", reason="ROS 2's launch_testing is not installed")
pytest.importorskip("launch_ros", reason="ROS 2's launch_ros is not installed")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from launched import run_python


def test_the_node_is_launched_measures_and_ends():
    script = Path(__file__).with_name("spatialgeo.test.py")
    run_python("-m", "launch_testing.launch_test", str(script))
