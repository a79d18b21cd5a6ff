# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.recordings.bags import BagRecording

rosbag2 = pytest.importorskip("rosbags.rosbag2")
from rosbags.typesys import Stores, get_typestore  # noqa: E402

STORE = get_typestore(Stores.ROS2_JAZZY)
TYPES = STORE.types


def header(k, frame="cam"):
    time = TYPES["builtin_interfaces/msg/Time"](sec=5, nanosec=k)
    return TYPES["std_msgs/msg/Header"](stamp=time, frame_id=frame)


def image(k, encoding="bgr8", size=6):
    data = np.full(size, k, np.uint8)
    return TYPES["sensor_msgs/msg/Image"](
        header=header(k), height=1, width=2, encoding=encoding, is_bigendian=0,
        step=size, data=data,
    )  # fmt: skip


def camera_info(k):
    roi = TYPES["sensor_msgs/msg/RegionOfInterest"](
        x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
    )
    return TYPES["sensor_msgs/msg/CameraInfo"](
        header=header(k), height=1, width=2, distortion_model="plumb_bob", d=np.zeros(5),
        k=np.eye(3).ravel(), r=np.eye(3).ravel(), p=np.zeros(12), binning_x=0, binning_y=0,
        roi=roi,
    )  # fmt: skip


def write_bag(path, storage, topics):
    kind = getattr(rosbag2.StoragePlugin, storage)
    with rosbag2.Writer(path, version=9, storage_plugin=kind) as writer:
        connections = {
            topic: writer.add_connection(topic, message.__msgtype__, typestore=STORE)
            for topic, message in topics.items()
        }
        for k in range(3):
            for topic, message in topics.items():
                data = STORE.serialize_cdr(message, message.__msgtype__)
                writer.write(connections[topic], 1000 + k, data)
    return path


TOPICS = {
    "/cam/depth_registered/image_rect": image(1, "16UC1", 4),
    "/cam/depth_registered/camera_info": camera_info(2),
    "/cam/rgb/image_color": image(3),
    "/cam/rgb/camera_info": camera_info(4),
    "/other/unrelated_info": camera_info(5),
}


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_roles_are_found_by_type_and_encoding(tmp_path, storage):
    with BagRecording(write_bag(tmp_path / "bag", storage, TOPICS)) as bag:
        assert bag.topics == {
            "image": "/cam/rgb/image_color",
            "camera_info": "/cam/rgb/camera_info",
            "depth": "/cam/depth_registered/image_rect",
            "depth_camera_info": "/cam/depth_registered/camera_info",
        }
        messages = list(bag.messages())
        assert len(messages) == 12  # the unrelated topic is left out
        assert [m.stamp_ns for m in messages] == sorted(m.stamp_ns for m in messages)
        colour = next(m for m in messages if m.role == "image")
        read = STORE.deserialize_cdr(colour.data, colour.msgtype)
        assert (read.encoding, read.data.tolist()) == ("bgr8", [3] * 6)


def test_a_single_file_is_a_bag(tmp_path):
    write_bag(tmp_path / "bag", "MCAP", TOPICS)
    (file,) = (tmp_path / "bag").glob("*.mcap")
    with BagRecording(file) as bag:
        assert bag.topics["image"] == "/cam/rgb/image_color"


def test_chosen_topics_win(tmp_path):
    topics = {"/a/image": image(1), "/b/image": image(2), "/b/camera_info": camera_info(3)}
    path = write_bag(tmp_path / "bag", "MCAP", topics)
    with BagRecording(path) as bag:
        assert bag.topics["image"] == "/a/image"
    with BagRecording(path, {"image": "/b/image"}) as bag:
        assert bag.topics == {"image": "/b/image", "camera_info": "/b/camera_info"}
    with BagRecording(path, {"image": "/b/image", "camera_info": ""}) as bag:
        assert bag.topics == {"image": "/b/image"}


def test_errors(tmp_path):
    with pytest.raises(BadRequestError, match="cannot read the bag"):
        BagRecording(tmp_path / "nothing")
    path = write_bag(tmp_path / "bag", "MCAP", {"/info": camera_info(1)})
    with pytest.raises(BadRequestError, match="no image topic.*/info"):
        BagRecording(path)
    with pytest.raises(BadRequestError, match="no topic /info of type"):
        BagRecording(path, {"image": "/info"})
    with pytest.raises(BadRequestError, match="no such roles"):
        BagRecording(path, {"colour": "/info"})


def test_a_calibration_shared_by_colour_and_depth_comes_for_both(tmp_path):
    topics = {
        "/cam/camera_info": camera_info(1),
        "/cam/depth": image(2, "16UC1", 4),
        "/cam/image": image(3),
    }
    with BagRecording(write_bag(tmp_path / "bag", "MCAP", topics)) as bag:
        roles = [message.role for message in bag.messages()]
    assert sorted(set(roles)) == ["camera_info", "depth", "depth_camera_info", "image"]
    assert len(roles) == 12
