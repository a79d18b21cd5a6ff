# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The robot's side of the benchmark: the real pipeline makes a map of what it is shown."""

from __future__ import annotations

from collections.abc import Iterator

from spatialgeo_ros.evaluation.rooms.benchmark import MapBuilder
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.snapshot import MapSnapshot
from spatialgeo_ros.perception import Perception


def map_builder(perception: Perception) -> MapBuilder:
    """Return what shows a drive's frames to a perception that forgets everything before.

    Args:
        perception: with networks, where frames have no detections.
    """

    def build(frames: Iterator[Frame]) -> MapSnapshot:
        perception.reset()
        for frame in frames:
            perception.scene.update_map(perception.observe(frame))
        return perception.scene.map_snapshot()

    return build
