# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What cameras send, good and bad, over real DDS. Each test has a camera of the node to itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

import cv2
from diagnostic_msgs.msg import DiagnosticArray
from ros_support import wait_for
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from spatialgeo_ros.msg import ErrorCode, KeyframeArray, Region
from spatialgeo_ros.srv import AskSpatial, MeasureDistance
from system.camera_driver import (
    BOX_DISTANCE,
    HEIGHT,
    WALL_DISTANCE,
    WIDTH,
    CameraDriver,
    scene_depth,
    scene_rgb,
)

from spatialgeo_ros.node.conversions import (
    depth_to_array,
    depth_to_image,
    message_bytes,
    rgb_to_image,
)

CAMERAS = [f"cam{n}" for n in range(12)]
JPEG_CAMERA, PNG_DEPTH_CAMERA = "jpeg", "png_depth"
PARAMETERS = {
    "cameras": [*CAMERAS, JPEG_CAMERA, PNG_DEPTH_CAMERA],
    f"{PNG_DEPTH_CAMERA}.depth_transport": "compressedDepth",
    f"{JPEG_CAMERA}.image_transport": "compressed",
    "process_rate": 0.0,
    "depth_wait": 0.1,
    "pose_source": "odometry",
    **{f"{name}.mount": [0.0, 0.0, 0.9, 0.0, 0.0, 0.0] for name in CAMERAS},
}
CENTRE = Region(type=Region.TYPE_POINT, point_x=WIDTH / 2, point_y=HEIGHT / 2, label="box")
_unused = iter(CAMERAS)


@pytest.fixture
def camera(robot: Any) -> Iterator[CameraDriver]:
    """A camera that no other test has used."""
    with CameraDriver(robot.ros, robot.namespace, next(_unused)) as driver:
        wait_for(driver.matched, what="the node's subscriptions")
        yield driver


@pytest.fixture(scope="module")
def diagnostics(robot: Any) -> list[Any]:
    return robot.ros.collect(DiagnosticArray, "/diagnostics")


def measure(robot: Any, camera: CameraDriver, region: Region = CENTRE, age: float = 0.0) -> Any:
    request = MeasureDistance.Request(from_region=region, camera=camera.name, max_image_age=age)
    return robot.call(MeasureDistance, "measure_distance", request)


def measured(
    robot: Any, camera: CameraDriver, code: int = ErrorCode.OK, words: str = "", **what: Any
) -> Any:
    """Publish frames until the node answers about this camera with ``code`` and ``words``."""

    def attempt() -> Any:
        camera.publish(**what)
        response = measure(robot, camera)
        attempt.last = f"{response.error_code} {response.error_message}"
        fits = response.error_code == code and words in response.error_message
        return response if fits else None

    return wait_for(attempt, what=lambda: f"error {code} {words!r}, last: {attempt.last}")


def status_of(robot: Any, diagnostics: list[Any], camera: CameraDriver) -> dict[str, str]:
    """Return the newest diagnostic values of a camera."""
    name = f"/{robot.namespace}/spatialgeo: camera {camera.name}"
    for message in reversed(diagnostics):
        for status in message.status:
            if status.name == name:
                values = {pair.key: pair.value for pair in status.values}
                return {**values, "message": status.message, "level": status.level}
    return {}


def diagnosed(robot: Any, diagnostics: list[Any], camera: CameraDriver, key: str, part: str) -> str:
    """Wait until a diagnostic value of the camera contains ``part``."""
    return wait_for(
        lambda: part in (value := status_of(robot, diagnostics, camera).get(key, "")) and value,
        what=lambda: f"{part!r} in {key!r} of {status_of(robot, diagnostics, camera)}",
    )


@pytest.mark.parametrize("encoding", ["bgr8", "rgba8", "mono8", "yuv422_yuy2"])
def test_colour_encodings(robot, encoding):
    with CameraDriver(robot.ros, robot.namespace, CAMERAS[-1]) as camera:
        wait_for(camera.matched)
        channels = {"bgr8": 3, "rgba8": 4, "mono8": 1, "yuv422_yuy2": 2}[encoding]
        image = Image(width=WIDTH, height=HEIGHT, encoding=encoding, step=WIDTH * channels)
        image.data = message_bytes(np.full(WIDTH * HEIGHT * channels, 90, np.uint8))
        response = measured(robot, camera, image=image)
        assert response.distances[0].distance == pytest.approx(BOX_DISTANCE, abs=0.02)


def test_compressed_images(robot):
    with CameraDriver(robot.ros, robot.namespace, JPEG_CAMERA, compressed=True) as camera:
        wait_for(camera.matched)
        data = cv2.imencode(".jpg", scene_rgb()[..., ::-1])[1]
        image = CompressedImage(format="jpeg", data=message_bytes(data))
        response = measured(robot, camera, image=image)
        assert response.distances[0].distance == pytest.approx(BOX_DISTANCE, abs=0.02)


def test_compressed_depth(robot):
    name = PNG_DEPTH_CAMERA
    with CameraDriver(robot.ros, robot.namespace, name, compressed_depth=True) as camera:
        wait_for(camera.matched)
        png = cv2.imencode(".png", scene_depth())[1].tobytes()
        depth = CompressedImage(format="16UC1; compressedDepth png")
        depth.data = message_bytes(np.frombuffer(bytes(12) + png, np.uint8))
        response = measured(robot, camera, depth=depth)
        assert response.distances[0].distance == pytest.approx(BOX_DISTANCE, abs=0.02)


def test_unusable_images_are_errors_with_the_reason(robot, camera, diagnostics):
    whole = scene_rgb()
    unknown = rgb_to_image(whole)
    unknown.encoding = "rgb12_strange"
    too_short = rgb_to_image(whole)
    too_short.height *= 4  # larger than its buffer
    no_step = rgb_to_image(whole)
    no_step.step = 1
    for image, words in (
        (unknown, "rgb12_strange"),
        (too_short, f"holds {WIDTH * HEIGHT * 3}"),
        (no_step, "step"),
        (Image(encoding="rgb8"), "no pixels"),
        (depth_to_image(scene_depth()), "16UC1"),
    ):
        measured(robot, camera, ErrorCode.BAD_IMAGE, words, image=image, depth=False)
    diagnosed(robot, diagnostics, camera, "decode errors: last", "16UC1")
    assert measured(robot, camera).distances[0].valid


def test_one_pixel_image(robot, camera):
    tiny = rgb_to_image(np.zeros((1, 1, 3), np.uint8))
    depth = depth_to_image(np.full((1, 1), 1000, np.uint16))
    info = camera.camera_info(camera.header())
    info.width = info.height = 1
    info.k = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    wait_for(
        lambda: (
            camera.publish(image=tiny, depth=depth, info=info)
            and measure(robot, camera).error_code
            in (ErrorCode.BAD_REGION, ErrorCode.TOO_LITTLE_SUPPORT)
        ),
        what="an error about the region or its support",
    )
    assert measured(robot, camera).distances[0].valid


def test_missing_camera_info(robot, camera, diagnostics):
    measured(robot, camera, ErrorCode.NO_CAMERA_INFO, camera.name, info=False)
    diagnosed(robot, diagnostics, camera, "calibration", "missing")
    uncalibrated = CameraInfo(width=WIDTH, height=HEIGHT)
    measured(robot, camera, ErrorCode.NO_CAMERA_INFO, info=uncalibrated)
    diagnosed(robot, diagnostics, camera, "without camera info: last", "uncalibrated")
    assert measured(robot, camera).distances[0].valid
    # Kept from now on: drivers may send it once.
    assert measured(robot, camera, info=False).distances[0].valid


def test_a_changed_calibration_is_noticed(robot, camera):
    measured(robot, camera)
    wide = camera.camera_info(camera.header())
    wide.k[0] = wide.k[4] = 65.0
    wait_for(
        lambda: (
            camera.publish(info=wide)
            and measure(robot, camera).error_code == ErrorCode.OK
            and f"calibration of camera '{camera.name}' changed" in robot.process.output
        ),
        what="the log line",
    )


def test_depth_without_a_reading(robot, camera):
    for empty in (
        np.zeros((HEIGHT, WIDTH), np.uint16),
        np.full((HEIGHT, WIDTH), np.nan, np.float32),
        np.full((HEIGHT, WIDTH), np.inf, np.float32),
    ):
        measured(robot, camera, ErrorCode.NO_GEOMETRY, "no reading", depth=depth_to_image(empty))
    assert measured(robot, camera).distances[0].valid


def test_float_depth_with_holes(robot, camera):
    metres = scene_depth().astype(np.float32) / 1000
    metres[::3, ::2] = np.nan
    response = measured(robot, camera, depth=depth_to_image(metres))
    assert response.distances[0].distance == pytest.approx(BOX_DISTANCE, abs=0.02)


def test_depth_that_fails_lets_images_through(robot, camera, diagnostics):
    measured(robot, camera)
    measured(robot, camera, ErrorCode.NO_GEOMETRY, "depth", depth=False)
    colour = rgb_to_image(scene_rgb())
    measured(robot, camera, ErrorCode.NO_GEOMETRY, depth=colour)
    diagnosed(robot, diagnostics, camera, "depth errors: last", "rgb8")
    unmatched = int(status_of(robot, diagnostics, camera)["images without depth partner"])
    assert unmatched > 0


def test_stamps_going_backwards(robot, camera, diagnostics):
    now = time.time_ns()
    measured(robot, camera)
    # A little: late messages, dropped. Much: a bag that starts again, accepted from there on.
    resets = robot.process.output.count("went back by")
    camera.publish(stamp_ns=now - 100_000_000)
    diagnosed(robot, diagnostics, camera, "out of order", "1")
    assert robot.process.output.count("went back by") == resets
    hour_ago = now - 3600 * 1_000_000_000
    stamps = iter(range(hour_ago, hour_ago + 10**12, 50_000_000))

    def looped() -> bool:
        camera.publish(stamp_ns=next(stamps))
        response = measure(robot, camera)
        return bool(response.distances) and response.distances[0].header.stamp.sec < now / 1e9 - 60

    wait_for(looped, what="a measurement with a stamp from after the jump")
    assert "went back by" in robot.process.output
    diagnosed(robot, diagnostics, camera, "time jumps", "1")


def test_zero_stamps_are_served_and_counted(robot, camera, diagnostics):
    response = measured(robot, camera, stamp_ns=0, odometry=True)
    assert response.distances[0].header.stamp.sec == 0
    request = AskSpatial.Request(question="what?", camera=camera.name)
    answer = robot.call(AskSpatial, "ask", request).answer
    assert answer.error_code == ErrorCode.OK
    assert answer.image_age != answer.image_age  # NaN: an age cannot be known
    assert int(diagnosed(robot, diagnostics, camera, "zero stamps", "")) > 0
    diagnosed(robot, diagnostics, camera, "without pose: last", "zero stamp")


def test_outputs_carry_the_source_header(robot, camera):
    names = {"depth/image": Image, "points": PointCloud2, "overlay": Image}
    received = {
        name: robot.ros.collect(kind, robot.name(name), qos=qos_sensor())
        for name, kind in names.items()
    }
    keyframes = robot.ros.collect(KeyframeArray, robot.name("keyframes"), qos=qos_latched())
    published = set()

    def all_arrived() -> bool:
        stamp = camera.publish(odometry=True).stamp
        published.add((stamp.sec, stamp.nanosec))
        return all(any(of(camera, m) for m in messages) for messages in received.values()) and any(
            frame.camera == camera.name and frame.has_pose
            for array in keyframes
            for frame in array.keyframes
        )

    wait_for(all_arrived, what=lambda: str({n: len(m) for n, m in received.items()}))
    for messages in received.values():
        message = next(m for m in messages if of(camera, m))
        assert (message.header.stamp.sec, message.header.stamp.nanosec) in published
    depth = depth_to_array(next(m for m in received["depth/image"] if of(camera, m)))
    assert depth.dtype == np.float32
    assert depth[HEIGHT // 2, WIDTH // 2] == pytest.approx(BOX_DISTANCE, abs=0.01)
    assert depth[5, 5] == pytest.approx(WALL_DISTANCE, abs=0.01)
    cloud = next(m for m in received["points"] if of(camera, m))
    assert (cloud.width, cloud.height) == (WIDTH, HEIGHT)
    kept = next(
        frame
        for array in keyframes
        for frame in array.keyframes
        if frame.camera == camera.name and frame.has_pose
    )
    # The base is at the origin; the camera 0.9 m above it looks along the base's x axis.
    assert kept.pose.position.z == pytest.approx(0.9)
    assert keyframes[-1].header.frame_id == "odom"


def of(camera: CameraDriver, message: Any) -> bool:
    return message.header.frame_id == f"{camera.name}_optical_frame"


def qos_sensor() -> Any:
    from rclpy.qos import qos_profile_sensor_data

    return qos_profile_sensor_data


def qos_latched() -> Any:
    from rclpy.qos import DurabilityPolicy, QoSProfile

    return QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
