# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The cure for lost images is that of the middleware in use."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

import rclpy

from spatialgeo_ros.node.stream_findings import loss_cure

PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


@pytest.mark.parametrize(
    ("middleware", "profile", "words", "unwanted"),
    [
        ("rmw_fastrtps_cpp", "", "config/fastdds.xml", "Cyclone"),
        ("rmw_fastrtps_dynamic_cpp", "/etc/mine.xml", "start the publisher with", "set to share"),
        ("rmw_cyclonedds_cpp", "/etc/mine.xml", "net.core.rmem_max", "Fast DDS"),
        ("rmw_zenoh_cpp", "", "buffers of rmw_zenoh_cpp", "Fast DDS"),
    ],
)
def test_the_cure_names_the_middleware_in_use(monkeypatch, middleware, profile, words, unwanted):
    monkeypatch.setattr(rclpy, "get_rmw_implementation_identifier", lambda: middleware)
    for name in PROFILES:
        monkeypatch.setenv(name, profile)
    assert words in loss_cure()
    assert unwanted not in loss_cure()
