# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Recordings come out of ``replay`` as they went in, on the topics of a camera driver."""

import cv2
import numpy as np
import pytest
from ros_support import wait_for

pytest.importorskip("rclpy")
pytest.importorskip("spatialgeo_ros.msg")

from nav_msgs.msg import Odometry  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image  # noqa: E402

from spatialgeo_ros.node.conversions import msg_to_pose, stamp_to_ns  # noqa: E402
from spatialgeo_ros.node.image_conversions import image_to_rgb  # noqa: E402

FRAMES, WIDTH, HEIGHT = 4, 64, 48
INTRINSICS = ["--fx", "50", "--fy", "50", "--cx", "31.5", "--cy", "23.5",
              "--width", str(WIDTH), "--height", str(HEIGHT)]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """Four frames, each of its own colour and depth; the camera goes ahead by 0.1 m a frame."""
    root = tmp_path / "recording"
    (root / "color").mkdir(parents=True)
    (root / "depth").mkdir()
    log = ""
    for k in range(FRAMES):
        cv2.imwrite(str(root / "color" / f"{k}.png"), np.full((HEIGHT, WIDTH, 3), 40 * k, np.uint8))
        cv2.imwrite(str(root / "depth" / f"{k}.png"), np.full((HEIGHT, WIDTH), 900 + k, np.uint16))
        log += f"{k} {k} {k + 1}\n1 0 0 0\n0 1 0 0\n0 0 1 {0.1 * k}\n0 0 0 1\n"
    (root / "odometry.log").write_text(log)
    return root


def subscribe(ros):
    return (
        ros.collect(Image, "camera/image_raw", qos_profile_sensor_data),
        ros.collect(Image, "camera/depth/image_raw", qos_profile_sensor_data),
        ros.collect(CameraInfo, "camera/camera_info", qos_profile_sensor_data),
        ros.collect(Odometry, "odom"),
    )


def values(images):
    return [int(image_to_rgb(image)[0, 0, 0]) for image in images]


def exit_status(process):
    """Exit status of a process that ends by itself."""
    wait_for(lambda: not process.is_running(), 30.0, f"the end of {process.name}")
    return process.interrupt()


def test_a_folder_is_played_once(ros, run_node, folder):
    images, depths, infos, odometry = subscribe(ros)
    replay = run_node(
        "replay",
        arguments=[str(folder), *INTRINSICS, "--rate", "10", "--wait-for-subscriber",
                   "--camera-height", "0.7"],
    )  # fmt: skip
    replay.wait_for_output(f"{FRAMES} frames played")
    assert exit_status(replay) == 0
    wait_for(lambda: len(images) == len(depths) == FRAMES, 10.0, "all frames")
    assert values(images) == [0, 40, 80, 120]
    assert [int(np.frombuffer(d.data, np.uint16)[0]) for d in depths] == [900, 901, 902, 903]
    stamps = [stamp_to_ns(image.header.stamp) for image in images]
    assert stamps == [stamp_to_ns(depth.header.stamp) for depth in depths]
    assert stamps == [stamp_to_ns(message.header.stamp) for message in odometry]
    np.testing.assert_allclose(np.diff(stamps), 1e8)
    assert stamps[0] > 1e18  # shifted to the present
    assert list(infos[0].k) == [50, 0, 31.5, 0, 50, 23.5, 0, 0, 1]
    # Without --mount the poses are the camera's own; its world has z up now.
    assert odometry[0].child_frame_id == images[0].header.frame_id == "camera_optical_frame"
    last = msg_to_pose(odometry[-1].pose.pose).translation
    np.testing.assert_allclose(last, [0.3, 0.0, 0.7], atol=1e-9)


def test_a_folder_is_looped(ros, run_node, folder):
    images, *_ = subscribe(ros)
    run_node("replay", arguments=[str(folder), *INTRINSICS, "--rate", "20", "--loop"])
    wait_for(lambda: len(images) > 2 * FRAMES, 60.0, "a second lap")
    received = values(images)
    starts = [k for k, value in enumerate(received) if value == 0]
    assert len(starts) >= 2
    stamps = [stamp_to_ns(image.header.stamp) for image in images]
    assert stamps == sorted(stamps)


def test_one_image_is_looped_at_its_rate(ros, run_node, folder):
    for kind in ("color", "depth"):
        for k in range(1, FRAMES):
            (folder / kind / f"{k}.png").unlink()
    (folder / "odometry.log").unlink()
    images, *_ = subscribe(ros)
    run_node("replay", arguments=[str(folder), *INTRINSICS, "--rate", "20", "--loop"])
    wait_for(lambda: len(images) > 10, 60.0, "the image again and again")
    stamps = np.array([stamp_to_ns(image.header.stamp) for image in images])
    assert np.diff(stamps).min() > 0.4 * 1e9 / 20, "not as fast as it can be read"


def test_a_bag_keeps_its_rhythm_and_its_pixels(ros, run_node, tmp_path):
    rosbag2 = pytest.importorskip("rosbags.rosbag2")
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    types = store.types
    path = tmp_path / "bag"
    with rosbag2.Writer(path, version=9, storage_plugin=rosbag2.StoragePlugin.MCAP) as writer:
        image_type = "sensor_msgs/msg/Image"
        connection = writer.add_connection("/front/rgb", image_type, typestore=store)
        for k in range(FRAMES):
            time = types["builtin_interfaces/msg/Time"](sec=100 + k // 2, nanosec=k % 2 * 500000000)
            message = types[image_type](
                header=types["std_msgs/msg/Header"](stamp=time, frame_id="front"),
                height=1, width=2, encoding="rgb8", is_bigendian=0, step=6,
                data=np.full(6, k, np.uint8),
            )  # fmt: skip
            # Recorded 20 ms after exposure.
            recorded = 100_020_000_000 + k * 500_000_000
            writer.write(connection, recorded, store.serialize_cdr(message, image_type))
    images, *_ = subscribe(ros)
    clock = ros.collect(Clock, "/clock")
    replay = run_node("replay", arguments=[str(path), "--speed", "5", "--wait-for-subscriber"])
    replay.wait_for_output("/front/rgb -> /camera/image_raw")
    wait_for(lambda: len(images) == FRAMES, 60.0, "all frames")
    assert values(images) == list(range(FRAMES))
    assert {image.header.frame_id for image in images} == {"front"}
    stamps = [stamp_to_ns(image.header.stamp) for image in images]
    np.testing.assert_allclose(np.diff(stamps), 1e8)  # half a second, five times as fast
    assert not clock

    images.clear()
    run_node("replay", arguments=[str(path), "--speed", "5", "--wait-for-subscriber", "--clock"])
    wait_for(lambda: len(images) == FRAMES, 60.0, "all frames again")
    stamps = [stamp_to_ns(image.header.stamp) for image in images]
    assert stamps == [100_000_000_000 + k * 500_000_000 for k in range(FRAMES)]
    times = [stamp_to_ns(message.clock) for message in list(clock)]
    assert times == sorted(times)
    assert times[0] == 100_020_000_000
    assert 100_020_000_000 < times[-1] <= 101_520_000_000


def test_what_cannot_be_played_is_said(run_node, folder, tmp_path):
    for arguments, words in (
        ([str(folder)], "has no calibration"),
        ([str(tmp_path / "nothing")], "nothing does not exist"),
        ([str(folder), *INTRINSICS, "--mount", "1"], "expected 6 arguments"),
    ):
        replay = run_node("replay", arguments=arguments)
        replay.wait_for_output(words)
        assert exit_status(replay) == 2
