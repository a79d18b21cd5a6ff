# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recorded depth camera, replayed over ROS into the node: lengths agree with the depth image."""

import shutil

import cv2
import numpy as np
import pytest
from ros_support import wait_for

rclpy = pytest.importorskip("rclpy")
messages = pytest.importorskip("spatialgeo_ros.msg")

from spatialgeo_ros.srv import MeasureDistance  # noqa: E402

FX, CX, CY = 525.0, 319.5, 239.5
# Boxes (x_min, y_min, x_max, y_max) in the first frame, each on one surface only, so that the
# depth image itself says where the surface is.
BOXES = {
    "window frame": (84, 80, 110, 330),
    "curtain": (182, 80, 204, 330),
    "chair back": (400, 130, 470, 200),
    "chair seat": (435, 250, 550, 278),
}
PAIRS = [
    ("window frame", "curtain"),
    ("curtain", "chair back"),
    ("chair back", "chair seat"),
]


@pytest.fixture
def first_frame(real_rgbd, tmp_path):
    """A recording of the first frame alone: it can be shown as long as it takes."""
    folder = tmp_path / "recording"
    for kind, name in (("color", "00000.jpg"), ("depth", "00000.png")):
        (folder / kind).mkdir(parents=True)
        shutil.copy(real_rgbd / kind / name, folder / kind / name)
    pose = (real_rgbd / "odometry.log").read_text().splitlines()[:5]
    (folder / "odometry.log").write_text("\n".join(pose) + "\n")
    return folder


def surface(folder, box):
    """Points [N, 3] of the depth image inside a box, every pixel checked by its neighbours."""
    depth = cv2.imread(str(folder / "depth" / "00000.png"), cv2.IMREAD_UNCHANGED)
    x0, y0, x1, y1 = box
    rows, columns = np.mgrid[y0 : y1 + 1, x0 : x1 + 1]
    z = cv2.medianBlur(depth, 3)[y0 : y1 + 1, x0 : x1 + 1] / 1000.0
    points = np.stack([(columns - CX) / FX * z, (rows - CY) / FX * z, z], axis=-1)
    return points[z > 0]


def gap(a, b):
    return min(
        np.linalg.norm(block[:, None] - b[None, ::3], axis=2).min()
        for block in np.array_split(a[::3], 16)
    )


def region(name):
    x0, y0, x1, y1 = (float(v) for v in BOXES[name])
    return messages.Region(
        type=messages.Region.TYPE_BOX, label=name, x_min=x0, y_min=y0, x_max=x1, y_max=y1
    )


def test_measured_gaps_agree_with_the_depth_image(first_frame, ros, run_node):
    run_node(
        "replay",
        arguments=[
            str(first_frame), "--fx", str(FX), "--fy", str(FX), "--cx", str(CX), "--cy", str(CY),
            "--rate", "5", "--loop", "--camera-height", "0.415",
        ],
    )  # fmt: skip
    run_node("spatialgeo_node", parameters={"profile": "none"})
    estimate = messages.DistanceEstimate

    def measure(kind, first, second=None, timeout=60.0):
        request = MeasureDistance.Request(kinds=[kind], from_region=region(first))
        if second:
            request.to_region = region(second)
        return ros.call(MeasureDistance, "spatialgeo/measure_distance", request, timeout)

    def first_answer():
        # A server that has not yet seen this client's reader drops its reply (rmw_fastrtps waits
        # 0.1 s for it): on a busy machine the first one may be lost.
        try:
            response = measure(estimate.KIND_CAMERA_TO_OBJECT, "chair seat", timeout=20.0)
        except AssertionError:
            return None
        return response if response.error_code == 0 else None

    nearest = wait_for(first_answer, 90.0, "the node to measure").distances[0]
    seat = np.linalg.norm(surface(first_frame, BOXES["chair seat"]), axis=1).min()
    assert nearest.distance == pytest.approx(seat, abs=0.02)

    for first, second in PAIRS:
        response = measure(estimate.KIND_NEAREST_POINTS, first, second)
        assert response.error_code == 0, response.error_message
        result = response.distances[0]
        truth = gap(surface(first_frame, BOXES[first]), surface(first_frame, BOXES[second]))
        assert result.valid, result.reason
        assert result.source == estimate.SOURCE_SENSOR_DEPTH
        assert result.header.frame_id == "camera_optical_frame"
        assert result.distance == pytest.approx(truth, abs=0.02), (first, second)
        # The end points are where the distance was measured: on the two surfaces.
        ends = [np.array([p.x, p.y, p.z]) for p in (result.from_point, result.to_point)]
        assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(result.distance, abs=1e-3)
        for end, name in zip(ends, (first, second), strict=True):
            points = surface(first_frame, BOXES[name])
            assert np.linalg.norm(points - end, axis=1).min() < 0.03
