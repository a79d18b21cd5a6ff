# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
import os

import numpy as np
import pytest

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.recordings.bags import BagRecording, is_bag

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


def write_bag(path, storage, topics, silent=()):
    kind = getattr(rosbag2.StoragePlugin, storage)
    with rosbag2.Writer(path, version=9, storage_plugin=kind) as writer:
        connections = {
            topic: writer.add_connection(topic, message.__msgtype__, typestore=STORE)
            for topic, message in topics.items()
        }
        for k in range(3):
            for topic, message in topics.items():
                if topic in silent:
                    continue
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
    with BagRecording(path, {"image": "/b/image"}) as bag:
        assert bag.topics == {"image": "/b/image", "camera_info": "/b/camera_info"}
    with BagRecording(path, {"image": "/b/image", "camera_info": ""}) as bag:
        assert bag.topics == {"image": "/b/image"}


def test_errors(tmp_path):
    with pytest.raises(BadRequestError, match="nothing does not exist"):
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


def test_nothing_is_guessed_where_two_topics_could_be_meant(tmp_path):
    """The first by name won, without a word: the infrared camera, or the other robot's."""
    topics = {"/a/image": image(1), "/b/image": image(2), "/d": image(3, "16UC1", 4)}
    path = write_bag(tmp_path / "bag", "MCAP", topics)
    with pytest.raises(BadRequestError, match="the image: /a/image, /b/image; .* --image-topic"):
        BagRecording(path)
    more = {"/a/image": image(1), "/d": image(3, "16UC1", 4), "/e": image(3, "32FC1", 8)}
    path = write_bag(tmp_path / "depths", "MCAP", more)
    with pytest.raises(BadRequestError, match="the depth: /d, /e; .* --depth-topic"):
        BagRecording(path)
    with BagRecording(path, {"depth": "/e"}) as bag:
        assert bag.topics == {"image": "/a/image", "depth": "/e"}
    with BagRecording(path, {"depth": ""}) as bag:
        assert bag.topics == {"image": "/a/image"}


def test_two_odometries_are_asked_for_only_where_one_is_read(tmp_path):
    topics = {"/a/image": image(1), "/odom": odometry(), "/odometry/filtered": odometry()}
    path = write_bag(tmp_path / "bag", "MCAP", topics)
    with pytest.raises(BadRequestError, match="/odom, /odometry/filtered; .* --odom-topic"):
        BagRecording(path)
    with BagRecording(path, {"odometry": ""}) as bag:
        assert bag.topics == {"image": "/a/image"}


def odometry():
    fields = {name: TYPES[f"geometry_msgs/msg/{kind}"] for name, kind in (
        ("point", "Point"), ("quaternion", "Quaternion"), ("pose", "Pose"),
        ("poses", "PoseWithCovariance"), ("vector", "Vector3"), ("twist", "Twist"),
        ("twists", "TwistWithCovariance"),
    )}  # fmt: skip
    pose = fields["pose"](
        position=fields["point"](x=0.0, y=0.0, z=0.0),
        orientation=fields["quaternion"](x=0.0, y=0.0, z=0.0, w=1.0),
    )
    still = fields["vector"](x=0.0, y=0.0, z=0.0)
    return TYPES["nav_msgs/msg/Odometry"](
        header=header(1),
        child_frame_id="base",
        pose=fields["poses"](pose=pose, covariance=np.zeros(36)),
        twist=fields["twists"](
            twist=fields["twist"](linear=still, angular=still), covariance=np.zeros(36)
        ),
    )


def test_one_stream_raw_and_compressed_is_no_choice(tmp_path):
    jpeg = TYPES["sensor_msgs/msg/CompressedImage"](
        header=header(1), format="jpeg", data=np.zeros(3, np.uint8)
    )
    topics = {
        "/cam/image/compressed": jpeg,
        "/cam/image": image(1),
        "/cam/depth": image(2, "16UC1", 4),
        "/cam/depth/compressed": jpeg,
        "/cam/depth/compressedDepth": jpeg,
    }
    with BagRecording(write_bag(tmp_path / "bag", "MCAP", topics)) as bag:
        assert bag.topics == {"image": "/cam/image", "depth": "/cam/depth"}
    del topics["/cam/image"], topics["/cam/depth"]
    with BagRecording(write_bag(tmp_path / "packed", "MCAP", topics)) as bag:
        assert bag.topics["image"] == "/cam/image/compressed"
        assert bag.topics["depth"] == "/cam/depth/compressedDepth"


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_a_topic_without_messages_is_no_choice(tmp_path, storage):
    jpeg = TYPES["sensor_msgs/msg/CompressedImage"](
        header=header(1), format="jpeg", data=np.zeros(3, np.uint8)
    )
    topics = {"/a/image": image(1), "/b/image": image(2), "/b/image/compressed": jpeg}
    path = write_bag(tmp_path / "bag", storage, topics, silent=("/a/image", "/b/image"))
    with BagRecording(path) as bag:
        assert bag.topics == {"image": "/b/image/compressed"}


def test_what_is_no_whole_bag_names_its_cure(tmp_path):
    path = write_bag(tmp_path / "bag", "MCAP", TOPICS)
    (path / "metadata.yaml").unlink()
    assert is_bag(path)
    with pytest.raises(BadRequestError, match=r"no metadata.yaml.*ros2 bag reindex.*bag\.mcap"):
        BagRecording(path)
    (tmp_path / "old.bag").write_bytes(b"#ROSBAG V2.0\n")
    assert is_bag(tmp_path / "old.bag")
    with pytest.raises(BadRequestError, match="a bag of ROS 1: convert it with `rosbags-convert"):
        BagRecording(tmp_path / "old.bag")
    (tmp_path / "folder").mkdir()
    assert not is_bag(tmp_path / "folder")
    with pytest.raises(BadRequestError, match="folder is no bag"):
        BagRecording(tmp_path / "folder")
    (tmp_path / "text.txt").write_text("x")
    with pytest.raises(BadRequestError, match="text.txt is no bag"):
        BagRecording(tmp_path / "text.txt")
    os.mkfifo(tmp_path / "pipe.mcap")
    with pytest.raises(BadRequestError, match="pipe.mcap is a pipe"):
        BagRecording(tmp_path / "pipe.mcap")


@pytest.mark.parametrize("storage", ["MCAP", "SQLITE3"])
def test_damaged_bags_are_sentences(tmp_path, storage):
    path = write_bag(tmp_path / "bag", storage, TOPICS)
    (file,) = (p for p in path.iterdir() if p.suffix in (".mcap", ".db3"))
    whole, random = file.read_bytes(), np.random.default_rng(0)
    for round_ in range(24):
        data = bytearray(whole[: len(whole) * (round_ % 6 + 1) // 6])
        for at in random.integers(0, len(data), 40):
            data[at] = random.integers(256)
        file.write_bytes(data)
        try:
            with BagRecording(path) as bag:
                for message in bag.messages():
                    bag.decode(message)
        except BadRequestError as error:
            assert "\n" not in str(error)
    file.write_bytes(whole)
    (path / "metadata.yaml").write_text("[" * 20_000)
    with pytest.raises(BadRequestError, match="cannot read the bag"):
        BagRecording(path)
