# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A profile that is not there is one sentence at once: nothing heavy is imported for it."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")

from launched import run_python

SCRIPT = """
import sys
from dataclasses import replace
from spatialgeo_ros.errors import SpatialGeoError
from spatialgeo_ros.node.parameter_table import NODE_TABLE, camera_specs
from spatialgeo_ros.node.parameters import CameraConfig, Config
from spatialgeo_ros.node.perception_factory import load_perception

values = {spec.name: spec.default for spec in NODE_TABLE}
camera = {spec.name.split(".")[1]: spec.default for spec in camera_specs("camera")}
camera["depth_extrinsics"] = None
values["cameras"] = (CameraConfig(name="camera", **camera),)
config = replace(Config(**values), **{%r: "nosuch"})
try:
    load_perception(config, lambda stage, share: True)
except SpatialGeoError as error:
    print(error)
print(sorted({"torch", "transformers"} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ("profile", "there is no model profile 'nosuch'; installed are"),
        ("grounding", "'nosuch'"),
    ],
)
def test_a_profile_that_is_not_there_is_said_before_anything_heavy_is_imported(parameter, words):
    said, imported = run_python("-c", SCRIPT % parameter).splitlines()
    assert words in said
    assert "nano" in said, "what there is"
    assert imported == "[]"
