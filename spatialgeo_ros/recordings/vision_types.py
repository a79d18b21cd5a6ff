# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Definitions of the ``vision_msgs`` that bags are read for, where a bag does not hold them.

Bags of Humble in SQLite have no definitions, and ``vision_msgs`` is no part of ROS's core. As of
vision_msgs 4.0; ``Pose2D`` of the layout before (x, y, theta) has the same bytes.
"""

from __future__ import annotations

from typing import Any

#: Message type -> its definition.
DEFINITIONS = {
    "vision_msgs/msg/Point2D": "float64 x\nfloat64 y\n",
    "vision_msgs/msg/Pose2D": "vision_msgs/Point2D position\nfloat64 theta\n",
    "vision_msgs/msg/BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y\n",
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score\n",
    "vision_msgs/msg/ObjectHypothesisWithPose": (
        "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n"
    ),
    "vision_msgs/msg/Detection2D": (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox2D bbox\nstring id\n"
    ),
    "vision_msgs/msg/Detection2DArray": (
        "std_msgs/Header header\nvision_msgs/Detection2D[] detections\n"
    ),
}


def register_vision_types(store: Any) -> None:
    """Teach a ``rosbags`` type store those of the messages that it does not know."""
    from rosbags.typesys import get_types_from_msg

    types: dict[str, Any] = {}
    for name, text in DEFINITIONS.items():
        if name not in store.fielddefs:
            types.update(get_types_from_msg(text, name))
    if types:
        store.register(types)
