# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The simulated camera as other nodes see it: consistent stamps, geometry and ground truth."""

import os
import signal
import time

import numpy as np
import pytest
from ros_support import wait_for

pytest.importorskip("rclpy")
pytest.importorskip("mujoco")
pytest.importorskip("spatialgeo_ros.msg")

from nav_msgs.msg import Odometry  # noqa: E402
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.qos import qos_profile_sensor_data  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image  # noqa: E402
from spatialgeo_ros.msg import SceneGroundTruth  # noqa: E402

from spatialgeo_ros.geometry.camera import PinholeCamera  # noqa: E402
from spatialgeo_ros.geometry.pose import Pose  # noqa: E402
from spatialgeo_ros.node.conversions import msg_to_pose, stamp_to_ns  # noqa: E402
from spatialgeo_ros.node.image_conversions import compressed_to_rgb, image_to_rgb  # noqa: E402
from spatialgeo_ros.node.lifecycle_publishers import LATCHED  # noqa: E402
from spatialgeo_ros.node.pose_source import mount_pose  # noqa: E402

EXACT = {
    "width": 160, "height": 120, "rate": 4.0, "seed": 900001,
    "depth_noise": 0.0, "depth_holes": 0.0, "colour_noise": 0.0,
}  # fmt: skip
MOUNT = (0.0, 0.0, 0.9, 0.0, np.radians(12.0), 0.0)


def exit_status(process):
    """Exit status of a process that ends by itself."""
    wait_for(lambda: not process.is_running(), 30.0, f"the end of {process.name}")
    return process.interrupt()


def by_stamp(messages):
    return {stamp_to_ns(message.header.stamp): message for message in list(messages)}


def common_stamps(*topics):
    return sorted(set.intersection(*(set(by_stamp(topic)) for topic in topics)))


def corners(thing):
    pose = msg_to_pose(thing.pose)
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    return pose.apply(signs * [thing.size.x / 2, thing.size.y / 2, thing.size.z / 2])


def test_image_depth_pose_and_truth_fit_together(ros, run_node):
    images = ros.collect(Image, "camera/image_raw", qos_profile_sensor_data)
    depths = ros.collect(Image, "camera/depth/image_raw", qos_profile_sensor_data)
    infos = ros.collect(CameraInfo, "camera/camera_info", qos_profile_sensor_data)
    odometry = ros.collect(Odometry, "odom")
    truth = ros.collect(SceneGroundTruth, "simulated_camera/ground_truth", LATCHED)
    run_node("simulated_camera", parameters=EXACT)

    def seen():
        stamps = common_stamps(images, depths, infos, odometry, truth)
        return [s for s in stamps if any(o.views for o in by_stamp(truth)[s].objects)]

    stamps = wait_for(lambda: seen()[1:], 90.0, "frames with objects in view")
    stamp = stamps[-1]
    image, depth = by_stamp(images)[stamp], by_stamp(depths)[stamp]
    assert (image.encoding, image.width, image.height) == ("bgr8", 160, 120)
    assert (depth.encoding, depth.step) == ("16UC1", 320)
    assert image.header.frame_id == depth.header.frame_id == "camera_optical_frame"
    assert np.unique(image_to_rgb(image).reshape(-1, 3), axis=0).shape[0] > 5

    scene = by_stamp(truth)[stamp]
    base = by_stamp(odometry)[stamp]
    assert (base.header.frame_id, base.child_frame_id) == ("odom", "base_link")
    world_from_camera = msg_to_pose(scene.camera_poses[0])
    from_odometry = msg_to_pose(base.pose.pose) @ mount_pose(MOUNT)
    np.testing.assert_allclose(from_odometry.matrix, world_from_camera.matrix, atol=1e-6)

    camera = PinholeCamera.from_camera_info(by_stamp(infos)[stamp])
    metres = np.frombuffer(depth.data, np.uint16).reshape(120, 160) / 1000.0
    checked = 0
    for thing in scene.objects:
        in_camera = world_from_camera.inverse().apply(corners(thing))
        if (in_camera[:, 2] < 0.1).any():
            continue
        pixels = camera.project(in_camera)
        for view in thing.views:
            assert view.label == thing.label
            assert pixels[:, 0].min() - 1.5 <= view.x_min <= view.x_max <= pixels[:, 0].max() + 1.5
            assert pixels[:, 1].min() - 1.5 <= view.y_min <= view.y_max <= pixels[:, 1].max() + 1.5
            box = metres[int(view.y_min) : int(view.y_max) + 1,
                         int(view.x_min) : int(view.x_max) + 1]  # fmt: skip
            inside = (box > in_camera[:, 2].min() - 0.01) & (box < in_camera[:, 2].max() + 0.01)
            assert inside.any(), thing.label
            checked += 1
    assert checked


def test_the_robot_moves_and_stands_still(ros, run_node):
    moving, still = (ros.collect(Odometry, f"/{name}/odom") for name in ("moving", "still"))
    run_node("simulated_camera", parameters={**EXACT, "speed": 1.0}, namespace="moving")
    run_node("simulated_camera", parameters={**EXACT, "speed": 0.0}, namespace="still")
    wait_for(lambda: len(moving) > 5 and len(still) > 5, 90.0, "odometry of both robots")

    def travelled(messages):
        places = [msg_to_pose(m.pose.pose).translation for m in list(messages)]
        return np.linalg.norm(places[-1] - places[0])

    assert travelled(moving) > 0.05
    assert travelled(still) == 0.0


def test_several_cameras_look_in_all_directions(ros, run_node):
    truth = ros.collect(SceneGroundTruth, "simulated_camera/ground_truth", LATCHED)
    jpegs = ros.collect(CompressedImage, "camera_2/image_raw/compressed", qos_profile_sensor_data)
    run_node("simulated_camera", parameters={**EXACT, "cameras": 2, "compressed": True})
    wait_for(lambda: truth and jpegs, 90.0, "two cameras")
    scene = truth[-1]
    assert scene.cameras == ["camera", "camera_2"]
    ahead, back = (msg_to_pose(pose) for pose in scene.camera_poses)
    turn = Pose(ahead.rotation @ back.rotation.T)
    assert np.trace(turn.rotation) == pytest.approx(-1.0, abs=1e-6)  # half a turn
    assert jpegs[-1].header.frame_id == "camera_2_optical_frame"
    assert compressed_to_rgb(jpegs[-1]).shape == (120, 160, 3)


def test_a_missing_renderer_names_the_packages(run_node):
    camera = run_node("simulated_camera", environment={"MUJOCO_GL": "disable"})
    camera.wait_for_output("libegl1")
    assert exit_status(camera) == 1


def test_a_wrong_parameter_is_named(run_node):
    camera = run_node("simulated_camera", parameters={"speed": -1.0})
    camera.wait_for_output("parameter 'speed'")
    assert exit_status(camera) == 2


def test_what_is_taken_away_is_seen_no_more(ros, run_node):
    truth = ros.collect(SceneGroundTruth, "simulated_camera/ground_truth", LATCHED)
    process = run_node("simulated_camera", parameters=EXACT)
    wait_for(lambda: truth and truth[-1].objects, 90.0, "the ground truth")
    names = [thing.label for thing in truth[-1].objects]
    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=names[0])
    request = SetParameters.Request(parameters=[Parameter(name="taken_away", value=value)])
    result = ros.call(SetParameters, "simulated_camera/set_parameters", request).results[0]
    assert result.successful, result.reason
    wait_for(
        lambda: [thing.label for thing in truth[-1].objects] == names[1:], 30.0, "a thing less"
    )
    value.string_value = "grand piano"
    refused = ros.call(SetParameters, "simulated_camera/set_parameters", request).results[0]
    assert not refused.successful
    assert names[0] in refused.reason
    value.string_value = ""
    assert ros.call(SetParameters, "simulated_camera/set_parameters", request).results[0].successful
    wait_for(lambda: len(truth[-1].objects) == len(names), 30.0, "everything back")
    assert process.is_running()


def test_detections_are_what_a_detector_sees(ros, run_node):
    vision = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed")
    truth = ros.collect(SceneGroundTruth, "simulated_camera/ground_truth", LATCHED)
    arrays = ros.collect(vision.Detection2DArray, "camera/detections")
    run_node("simulated_camera", parameters={**EXACT, "detections": True, "detected_kinds": True})
    wait_for(lambda: any(one.detections for one in arrays), 90.0, "detections")
    array = next(one for one in reversed(arrays) if one.detections)
    scene = wait_for(
        lambda: by_stamp(truth).get(stamp_to_ns(array.header.stamp)), 10.0, "its ground truth"
    )
    kinds = {thing.kind for thing in scene.objects if thing.views}
    for one in array.detections:
        assert one.results[0].hypothesis.class_id in kinds
        assert 0.5 < one.results[0].hypothesis.score < 1.0, "never quite sure"
    hidden = [v for thing in scene.objects for v in thing.views if v.score < 0.5]
    shown = [v for thing in scene.objects for v in thing.views]
    assert len(array.detections) <= len(shown) - len(hidden)


def test_more_than_one_interrupt_is_one_end(run_node):
    """Launch and the terminal both send one, and people press Ctrl-C twice."""
    camera = run_node("simulated_camera", parameters=EXACT)
    camera.wait_for_output("room 900001")
    for _ in range(3):
        os.kill(camera.pid, signal.SIGINT)
        time.sleep(0.03)
    assert exit_status(camera) == 0, camera.output
    assert "Traceback" not in camera.output, camera.output


@pytest.mark.parametrize("seconds", [0.2, 0.5, 0.9])
def test_an_interrupt_while_it_starts_leaves_no_traceback(run_node, seconds):
    camera = run_node("simulated_camera", parameters=EXACT)
    time.sleep(seconds)  # somewhere among its imports
    os.kill(camera.pid, signal.SIGINT)
    assert exit_status(camera) in (0, -signal.SIGINT), camera.output
    assert "Traceback" not in camera.output, camera.output
