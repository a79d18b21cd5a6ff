# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The command line of replay, as far as it needs no ROS."""

from __future__ import annotations

import pytest

from spatialgeo_ros.replay.options import parse


def test_options_of_roles_are_topics() -> None:
    options = parse(["bag", "--image-topic", "/a", "--odom-topic", "", "--topic", "tf=/t"])
    assert dict(entry.split("=", 1) for entry in options.topic) == {
        "tf": "/t",
        "image": "/a",
        "odometry": "",
    }


def test_the_unit_of_depth_is_positive(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["folder", "--depth-scale", "0.0002"]).depth_scale == 0.0002
    with pytest.raises(SystemExit):
        parse(["folder", "--depth-scale", "0"])
    assert "--depth-scale must be above 0" in capsys.readouterr().err
