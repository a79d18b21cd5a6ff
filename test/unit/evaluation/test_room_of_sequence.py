# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A real kitchen, filmed from one side: its floor is found, and no closed room is claimed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spatialgeo_ros.evaluation.annotated_frames import read_sequence
from spatialgeo_ros.evaluation.sequence import read_images
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.perception import Perception


@pytest.mark.parametrize("drift", [0.0, 0.01])
def test_a_real_kitchen_is_no_closed_room(real_sequence: Path, drift: float) -> None:
    sequence = read_sequence(real_sequence, [real_sequence / "annotations_dev.json"])
    perception = Perception(None, way_drift=drift)
    for frame in sequence.frames:
        if frame.pose is None:
            continue
        images = read_images(frame)
        up = sequence.upright
        place = up @ frame.pose.translation - [0.0, 0.0, sequence.floor]
        lifted = Frame(
            camera="camera", stamp_ns=(frame.position + 1) * 10**9, frame_id="camera",
            image=images.image, model=frame.camera, depth=images.depth,
            pose=Pose(up @ frame.pose.rotation, np.asarray(place)), world_frame="world",
        )  # fmt: skip
        perception.observe(lifted)
        layout = perception.scene.room_map.layout()
        assert layout.polygon is None
        assert layout.ceiling is None
        assert layout.why_unknown
        assert layout.floor == pytest.approx(0.0, abs=0.04)
