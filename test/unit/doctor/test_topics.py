# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras are chosen from what drivers publish."""

from __future__ import annotations

import pytest

from spatialgeo_ros.doctor.topics import discovered

IMAGE, PACKED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
INFO, ODOMETRY = "sensor_msgs/msg/CameraInfo", "nav_msgs/msg/Odometry"
BOXES = "vision_msgs/msg/Detection2DArray"

REALSENSE = {
    "/camera/camera/color/image_raw": IMAGE,
    "/camera/camera/color/image_raw/compressed": PACKED,
    "/camera/camera/color/camera_info": INFO,
    "/camera/camera/depth/image_rect_raw": IMAGE,
    "/camera/camera/depth/camera_info": INFO,
    "/camera/camera/aligned_depth_to_color/image_raw": IMAGE,
    "/camera/camera/infra1/image_rect_raw": IMAGE,
    "/odom": ODOMETRY,
    "/wheel/odometry": ODOMETRY,
}
OPENNI = {
    "/camera/rgb/image_rect_color": IMAGE,
    "/camera/rgb/image_raw": IMAGE,
    "/camera/rgb/camera_info": INFO,
    "/camera/depth_registered/image_raw": IMAGE,
    "/camera/depth/image_raw": IMAGE,
}


def found(topics):
    return discovered({name: [kind] for name, kind in topics.items()})


def test_a_realsense():
    values = found(REALSENSE)
    (camera,) = values["cameras"]
    assert values[f"{camera}.image_topic"] == "/camera/camera/color/image_raw"
    assert values[f"{camera}.image_transport"] == "raw"
    assert values[f"{camera}.camera_info_topic"] == "/camera/camera/color/camera_info"
    aligned = "/camera/camera/aligned_depth_to_color/image_raw"
    assert values[f"{camera}.depth_topic"] == aligned
    assert values["odometry_topic"] == "/odom"


def test_an_openni_camera():
    values = found(OPENNI)
    (camera,) = values["cameras"]
    assert values[f"{camera}.image_topic"] == "/camera/rgb/image_raw"
    assert values[f"{camera}.depth_topic"] == "/camera/depth_registered/image_raw"
    assert "odometry_topic" not in values


def test_the_simulated_camera_and_its_detector():
    values = found(
        {
            "/camera/image_raw": IMAGE,
            "/camera/camera_info": INFO,
            "/camera/depth/image_raw": IMAGE,
            "/camera/detections": BOXES,
        }
    )
    assert values == {
        "cameras": ["camera"],
        "camera.image_topic": "/camera/image_raw",
        "camera.image_transport": "raw",
        "camera.camera_info_topic": "/camera/camera_info",
        "camera.depth_topic": "/camera/depth/image_raw",
        "camera.detections_topic": "/camera/detections",
    }


def test_two_cameras_keep_their_own_topics():
    one = {"image_raw": IMAGE, "camera_info": INFO, "depth/image_raw": IMAGE}
    values = found({f"/robot/{side}/{k}": v for side in ("left", "right") for k, v in one.items()})
    assert values["cameras"] == ["robot_left", "robot_right"]
    for side in ("left", "right"):
        assert values[f"robot_{side}.depth_topic"] == f"/robot/{side}/depth/image_raw"
        assert values[f"robot_{side}.camera_info_topic"] == f"/robot/{side}/camera_info"


def test_compressed_images_alone():
    values = found({"/cam0/image_raw/compressed": PACKED, "/cam0/camera_info": INFO})
    assert values["cam0.image_topic"] == "/cam0/image_raw"
    assert values["cam0.image_transport"] == "compressed"


@pytest.mark.parametrize(
    "topics",
    [{}, {"/scan": "sensor_msgs/msg/LaserScan"}, {"/camera/depth/image_raw": IMAGE}],
    ids=["nothing", "no camera", "depth alone"],
)
def test_no_camera(topics):
    assert found(topics) == {}
