# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages to plain types and back: calibration, clouds, poses, regions, detections, stamps."""

from __future__ import annotations

import math
from types import SimpleNamespace as Message

import numpy as np
import pytest

from spatialgeo_ros.errors import BadImageError, BadRegionError, NoCameraInfoError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pointmap import DepthSource, PointMap
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.node import conversions as cv

CAMERA = PinholeCamera(
    640, 480, 525.0, 520.0, 319.5, 239.5, "plumb_bob", (0.1, -0.2, 0.001, 0.002, 0.05)
)


def info(**fields):
    """A duck-typed CameraInfo with a stereo baseline term in P."""
    values = {
        "width": 640,
        "height": 480,
        "distortion_model": "plumb_bob",
        "d": [0.0] * 5,
        "k": [525.0, 0, 319.5, 0, 520.0, 239.5, 0, 0, 1],
        "p": [500.0, 0, 310.0, -50.0, 0, 505.0, 230.0, 2.0, 0, 0, 1, 0],
        "r": [1.0, 0, 0, 0, 1, 0, 0, 0, 1],
        "binning_x": 0,
        "binning_y": 0,
        "roi": Message(x_offset=0, y_offset=0, width=0, height=0, do_rectify=False),
    }
    return Message(**{**values, **fields})


def xyz(x=0.0, y=0.0, z=0.0):
    return Message(x=x, y=y, z=z)


def quaternion(x=0.0, y=0.0, z=0.0, w=1.0):
    return Message(x=x, y=y, z=z, w=w)


def test_stamps_to_nanoseconds():
    assert cv.stamp_to_ns(Message(sec=0, nanosec=0)) == 0
    # 2**53 ns is 104 days: through a float the last digits would be lost.
    assert cv.stamp_to_ns(Message(sec=1_700_000_000, nanosec=123_456_789)) == (
        1_700_000_000_123_456_789
    )
    assert cv.stamp_to_ns(Message(sec=-1, nanosec=5)) == -999_999_995


def test_calibration_of_the_same_size_is_taken_as_it_is():
    camera = cv.camera_for_image(info(), 640, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (525.0, 520.0, 319.5, 239.5)


def test_calibration_of_another_resolution_is_scaled():
    camera = cv.camera_for_image(info(), 320, 240)
    assert (camera.width, camera.height) == (320, 240)
    assert (camera.fx, camera.fy) == (262.5, 260.0)
    # The centre of the image stays its centre.
    assert (camera.cx, camera.cy) == (159.5, 119.5)


def test_calibration_of_another_aspect_is_refused():
    with pytest.raises(NoCameraInfoError, match="640x360.*640x480"):
        cv.camera_for_image(info(), 640, 360)


def test_uncalibrated_camera_is_refused():
    with pytest.raises(NoCameraInfoError, match="uncalibrated"):
        cv.camera_for_image(info(k=[0.0] * 9, p=[0.0] * 12), 640, 480)


@pytest.mark.parametrize("names", [("position", "orientation"), ("translation", "rotation")])
def test_pose_and_transform(names):
    half = math.sqrt(0.5)
    msg = Message(**{names[0]: xyz(1.0, 2.0, 3.0), names[1]: quaternion(z=half, w=half)})
    pose = cv.msg_to_pose(msg)
    np.testing.assert_allclose(pose.apply([1.0, 0, 0]), [1, 3, 3], atol=1e-12)


@pytest.mark.parametrize(
    "bad", [quaternion(w=0.0), quaternion(w=1.1), quaternion(w=math.nan), quaternion(x=1.0)]
)
def test_quaternions_that_are_not_of_unit_length_are_refused(bad):
    with pytest.raises(ValueError, match="length"):
        cv.msg_to_pose(Message(position=xyz(), orientation=bad))


def test_rounded_quaternion_is_normalised():
    pose = cv.msg_to_pose(Message(position=xyz(), orientation=quaternion(w=1.004)))
    np.testing.assert_allclose(pose.rotation, np.eye(3))


def region(**fields):
    values = {
        "type": 0,
        "label": "",
        "score": 0.0,
        "x_min": 0.0,
        "y_min": 0.0,
        "x_max": 0.0,
        "y_max": 0.0,
        "polygon_x": [],
        "polygon_y": [],
        "point_x": 0.0,
        "point_y": 0.0,
        "mask": None,
        "cell": 0,
        "stamp": Message(sec=3, nanosec=4),
    }
    return Message(**{**values, **fields})


STAMPED = Message(stamp=Message(sec=3, nanosec=4))


def test_regions_of_every_type():
    phrase = cv.msg_to_region(region(label=" red chair "))
    assert (phrase.type, phrase.label) == (RegionType.PHRASE, "red chair")
    box = cv.msg_to_region(region(type=1, x_min=1.0, y_min=2.0, x_max=3.5, y_max=4.0, score=0.5))
    assert box.box == (1.0, 2.0, 3.5, 4.0) and box.score == 0.5
    assert box.stamp_ns == 3_000_000_004
    polygon = cv.msg_to_region(region(type=2, polygon_x=[0, 4, 4], polygon_y=[0, 0, 4]))
    assert polygon.polygon.tolist() == [[0, 0], [4, 0], [4, 4]]
    assert cv.msg_to_region(region(type=3, point_x=5.0, point_y=6.0)).point == (5.0, 6.0)
    image = Message(height=1, width=2, encoding="mono8", is_bigendian=0, step=2, data=b"\0\xff")
    mask = cv.msg_to_region(region(type=4, mask=image))
    assert mask.mask.tolist() == [[False, True]] and mask.cell == 1.0


def coarse_mask(cell, side=64):
    image = Message(
        height=48, width=side, encoding="mono8", is_bigendian=0, step=side, data=b"\1" * (48 * side)
    )
    return region(type=4, label="mug", mask=image, cell=cell)


@pytest.mark.parametrize(("cell", "kept"), [(0, 1.0), (1, 1.0), (4, 4.0)])
def test_the_grid_of_a_mask_comes_along(cell, kept):
    assert cv.msg_to_region(coarse_mask(cell)).cell == kept


@pytest.mark.parametrize("cell", [5, 4_000_000_000])
def test_a_grid_without_cells_is_refused(cell):
    with pytest.raises(BadRegionError, match=f"'mug' of 64 px has cells of {cell} px, .* are 4"):
        cv.msg_to_region(coarse_mask(cell))


def test_the_grid_of_a_found_mask_is_told():
    pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")
    made = Region.from_mask(np.ones((64, 64), bool), "mug", cell=3.5)
    assert serialised(cv.region_to_msg(made)).cell == 4
    assert cv.region_to_msg(Region.from_mask(np.ones((4, 4), bool), "mug")).cell == 0


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"type": 0}, BadRegionError),
        ({"type": 9}, BadRegionError),
        ({"type": 1, "x_min": 5.0, "x_max": 1.0}, BadRegionError),
        ({"type": 1, "x_max": math.nan}, BadRegionError),
        ({"type": 2, "polygon_x": [0.0, 1.0, 2.0], "polygon_y": [0.0]}, BadRegionError),
        ({"type": 2}, BadRegionError),
        ({"type": 3, "point_x": math.inf}, BadRegionError),
        (
            {"type": 4, "mask": Message(height=0, width=0, encoding="", step=0, data=b"")},
            BadImageError,
        ),
    ],
)
def test_regions_that_cannot_be_used_are_refused(fields, error):
    with pytest.raises(error):
        cv.msg_to_region(region(**fields))


def test_a_region_left_as_it_is_means_none():
    assert cv.msg_to_optional_region(region(label="  ")) is None
    assert cv.msg_to_optional_region(region(label="sofa")).label == "sofa"
    assert cv.msg_to_optional_region(region(type=3)).point == (0.0, 0.0)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"type": 1, "x_min": 300.0, "y_min": 100.0, "x_max": 340.0, "y_max": 140.4}, "320, 120"),
        ({"type": 2, "polygon_x": [0.0, 8.0, 0.0], "polygon_y": [0.0, 0.0, 4.0]}, "4, 2"),
        ({"type": 3, "point_x": 7.0, "point_y": 9.0, "label": " "}, "7, 9"),
    ],
    ids=["box", "polygon", "point"],
)
def test_a_region_without_a_label_is_named_after_its_place(fields, name):
    from spatialgeo_ros.geometry.sizes import TYPICAL_SIZES, usual_size
    from spatialgeo_ros.query.vocabulary import Vocabulary

    named = cv.msg_to_optional_region(region(**fields))
    assert named.label == f"region at ({name})"
    # The name says nothing about the kind of thing: no usual size completes it.
    assert usual_size(named.label, TYPICAL_SIZES) is None
    assert not Vocabulary().parse(named.label).known
    # In a question, regions without a label go to its objects in their order: they stay without.
    assert not cv.msg_to_region(region(**fields)).label.strip()
    assert cv.msg_to_optional_region(region(**{**fields, "label": "mug"})).label == "mug"


def detection(centre, size=(10.0, 20.0), results=()):
    box = Message(center=centre, size_x=size[0], size_y=size[1])
    return Message(bbox=box, results=list(results))


def new_layout(x, y):
    return Message(position=Message(x=x, y=y), theta=0.0)


def hypothesis(name, score):
    return Message(hypothesis=Message(class_id=name, score=score))


@pytest.mark.parametrize(
    "centre", [new_layout(50.0, 40.0), Message(x=50.0, y=40.0, theta=0.0)], ids=["jazzy", "humble"]
)
def test_detections_of_both_layouts(centre):
    array = Message(
        header=STAMPED,
        detections=[detection(centre, results=[hypothesis("cup", 0.3), hypothesis("chair", 0.9)])],
    )
    (found,) = cv.detections_to_regions(array)
    assert found.box == (45.0, 30.0, 55.0, 50.0)
    assert found.stamp_ns == 3_000_000_004
    assert (found.label, found.score) == ("chair", 0.9)


def test_detections_of_the_oldest_layout():
    array = Message(
        header=STAMPED,
        detections=[detection(new_layout(5.0, 5.0), results=[Message(id="lamp", score=0.4)])],
    )
    assert cv.detections_to_regions(array)[0].label == "lamp"


def test_bad_and_weak_detections_are_left_out():
    good = detection(new_layout(50.0, 40.0), results=[hypothesis("chair", 0.9)])
    array = Message(
        header=STAMPED,
        detections=[
            detection(new_layout(math.nan, 4.0), results=[hypothesis("a", 0.9)]),
            detection(new_layout(5.0, 4.0), size=(0.0, 3.0), results=[hypothesis("b", 0.9)]),
            detection(new_layout(5.0, 4.0), results=[hypothesis("c", 0.2)]),
            detection(new_layout(5.0, 4.0)),
            good,
        ],
    )
    assert [r.label for r in cv.detections_to_regions(array, min_score=0.5)] == ["chair"]
    assert [r.label for r in cv.detections_to_regions(array)] == ["c", "", "chair"]


def test_detections_of_real_messages():
    vision = pytest.importorskip("vision_msgs.msg", reason="vision_msgs is not installed")
    box = vision.BoundingBox2D(size_x=10.0, size_y=20.0)
    centre = getattr(box.center, "position", box.center)
    centre.x, centre.y = 50.0, 40.0
    guess = vision.ObjectHypothesisWithPose()
    guess.hypothesis.class_id, guess.hypothesis.score = "chair", 0.9
    array = vision.Detection2DArray(detections=[vision.Detection2D(bbox=box, results=[guess])])
    (found,) = cv.detections_to_regions(array)
    assert (found.box, found.label, found.score) == ((45.0, 30.0, 55.0, 50.0), "chair", 0.9)


# From here on with real messages: what is made must be a message that ROS accepts.


@pytest.fixture
def header():
    std = pytest.importorskip("std_msgs.msg", reason="needs ROS 2: run through `make test`")
    out = std.Header(frame_id="camera_optical")
    out.stamp.sec, out.stamp.nanosec = 12, 34
    return out


def serialised(msg):
    """Send through the serialiser and back, as DDS would."""
    from rclpy.serialization import deserialize_message, serialize_message

    return deserialize_message(serialize_message(msg), type(msg))


def test_stamp_round_trip():
    pytest.importorskip("builtin_interfaces.msg", reason="needs ROS 2: run through `make test`")
    for value in (0, 1, 999_999_999, 1_700_000_000_123_456_789, -1):
        assert cv.stamp_to_ns(cv.ns_to_stamp(value)) == value


@pytest.mark.parametrize("encoding", ["rgb8", "bgr8"])
@pytest.mark.parametrize("contiguous", [True, False])
def test_image_round_trip(header, encoding, contiguous):
    wide = np.random.default_rng(0).integers(0, 256, (6, 20, 3), np.uint8)
    rgb = wide[:, :10].copy() if contiguous else wide[:, ::2]
    msg = serialised(cv.rgb_to_image(rgb, header, encoding))
    assert (msg.encoding, msg.step, msg.header) == (encoding, 30, header)
    assert np.array_equal(cv.image_to_rgb(msg), rgb)


@pytest.mark.parametrize(
    "depth",
    [
        np.array([[0, 1200], [65535, 7]], np.uint16),
        np.array([[np.nan, 1.25], [np.inf, 0.0]], np.float32),
    ],
    ids=["16UC1", "32FC1"],
)
def test_depth_round_trip(header, depth):
    got = cv.depth_to_array(serialised(cv.depth_to_image(depth, header)))
    assert got.dtype == depth.dtype
    np.testing.assert_array_equal(got, depth)


@pytest.mark.parametrize(
    ("make", "pixels"),
    [
        (cv.rgb_to_image, np.zeros((2, 2), np.uint8)),
        (cv.rgb_to_image, np.zeros((2, 2, 3))),
        (cv.depth_to_image, np.zeros((2, 2))),
        (cv.mask_to_image, np.zeros(4, bool)),
    ],
)
def test_arrays_that_are_no_such_image_are_refused(make, pixels):
    with pytest.raises(ValueError, match="need"):
        make(pixels)


def test_camera_info_round_trip(header):
    for camera in (CAMERA, PinholeCamera(64, 48, 50.0, 51.0, 31.5, 23.5)):
        msg = serialised(cv.camera_to_info(camera, header))
        assert cv.camera_for_image(msg, camera.width, camera.height) == camera
        assert cv.camera_for_image(msg, 32, 24) == camera.resized(32, 24)
        assert msg.p[0] == msg.k[0] and msg.header == header


def pointmap(height=3, width=4):
    rng = np.random.default_rng(1)
    points = rng.uniform(0.5, 4, (height, width, 3)).astype(np.float32)
    valid = rng.random((height, width)) > 0.3
    return PointMap.of_points(
        points,
        valid,
        np.full((height, width), 0.01, np.float32),
        PinholeCamera(width, height, 5.0, 5.0, 1.5, 1.0),
        DepthSource.SENSOR,
    )


def test_cloud_is_organised_and_holds_points_and_colours(header):
    source = pointmap()
    rgb = np.random.default_rng(2).integers(0, 256, (3, 4, 3), np.uint8)
    cloud = serialised(cv.pointmap_to_cloud(source, rgb, header))
    assert (cloud.height, cloud.width, cloud.point_step, cloud.row_step) == (3, 4, 16, 64)
    assert [(f.name, f.offset) for f in cloud.fields] == [("x", 0), ("y", 4), ("z", 8), ("rgb", 12)]
    assert not cloud.is_dense and cloud.header == header
    layout = np.dtype({"names": ["x", "y", "z", "rgb"], "formats": ["<f4"] * 3 + ["<u4"]})
    values = np.frombuffer(cloud.data, layout).reshape(3, 4)
    for i, name in enumerate("xyz"):
        expected = np.where(source.valid, source.points[..., i], np.nan)
        np.testing.assert_array_equal(values[name], expected)
    packed = [[int(c[0]) << 16 | int(c[1]) << 8 | int(c[2]) for c in row] for row in rgb]
    assert values["rgb"].tolist() == packed


def test_cloud_without_colours_and_of_another_size(header):
    cloud = cv.pointmap_to_cloud(pointmap(), header=header)
    assert cloud.point_step == 12 and len(cloud.data) == 3 * 4 * 12
    with pytest.raises(ValueError, match="rgb"):
        cv.pointmap_to_cloud(pointmap(), np.zeros((4, 3, 3), np.uint8))


def test_pose_round_trip(header):
    pose = Pose.from_quaternion(np.array([0.1, -0.7, 0.3, 0.5]), (1.0, -2.0, 0.25))
    back = cv.msg_to_pose(serialised(cv.pose_to_msg(pose)))
    np.testing.assert_allclose(back.matrix, pose.matrix, atol=1e-12)


@pytest.mark.parametrize(
    "source",
    [
        Region.from_phrase("green sofa"),
        Region.from_box(1, 2, 5, 6, "chair", 0.5),
        Region.from_polygon([[1, 1], [6, 1], [6, 5]], "table", 0.25),
        Region.from_point(3, 4, "lamp"),
        Region.from_mask(np.eye(8, dtype=bool), "plant"),
    ],
    ids=lambda r: r.type.name,
)
def test_region_round_trip(header, source):
    pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")
    msg = serialised(cv.region_to_msg(source, "front", size=(8, 8)))
    back = cv.msg_to_region(msg)
    assert (back.type, back.label, back.score) == (source.type, source.label, source.score)
    assert msg.camera == "front"
    if source.type is not RegionType.PHRASE:
        assert np.array_equal(back.rasterise(8, 8), source.rasterise(8, 8))
        assert (msg.x_min, msg.y_min, msg.x_max, msg.y_max) == source.bounds(8, 8)


def test_region_type_values_equal_the_message(header):
    interfaces = pytest.importorskip(
        "spatialgeo_ros.msg", reason="needs the built interfaces: `make test`"
    )
    for kind in RegionType:
        assert getattr(interfaces.Region, f"TYPE_{kind.name}") == kind


def estimate(**fields):
    values = {
        "kind": 1,
        "from_label": "chair",
        "to_label": "table",
        "distance": 1.25,
        "sigma": 0.04,
        "point_from": np.array([0.1, 0.2, 1.0]),
        "point_to": np.array([1.1, 0.2, 1.5]),
        "source": DepthSource.SENSOR,
        "valid": True,
        "reason": "",
        "how": 1,
        "seen_stamp_ns": 3_000_000_004,
        "age": 0.5,
        "degraded": ("no pose",),
        "doubt": "",
    }
    return Message(**{**values, **fields})


def test_estimate_to_message(header):
    interfaces = pytest.importorskip(
        "spatialgeo_ros.msg", reason="needs the built interfaces: `make test`"
    )
    msg = serialised(cv.estimate_to_msg(estimate(), header, "front", "w1"))
    assert (msg.distance, msg.std_dev, msg.valid) == (1.25, 0.04, True)
    assert (msg.from_point.x, msg.to_point.z) == (0.1, 1.5)
    assert (msg.from_object, msg.to_object, msg.camera, msg.watch_id) == (
        "chair",
        "table",
        "front",
        "w1",
    )
    assert msg.header == header
    kind = interfaces.DistanceEstimate
    for source, value in (
        (DepthSource.SENSOR, kind.SOURCE_SENSOR_DEPTH),
        (DepthSource.MONOCULAR, kind.SOURCE_MONOCULAR_DEPTH),
        (DepthSource.MONOCULAR_ALIGNED, kind.SOURCE_MONOCULAR_ALIGNED),
        ("language", kind.SOURCE_LANGUAGE_MODEL),
    ):
        assert cv.estimate_to_msg(estimate(source=source)).source == value


def test_an_invalid_estimate_cannot_be_mistaken_for_a_number(header):
    pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")
    doubt = "what was taken for 'mug' may be a lamp"
    invalid = estimate(valid=False, reason="too few points", doubt=doubt)
    msg = serialised(cv.estimate_to_msg(invalid, header, pose=Pose.identity()))
    assert math.isnan(msg.distance) and math.isnan(msg.std_dev)
    assert math.isnan(msg.from_point.x) and math.isnan(msg.to_point.z)
    assert not msg.valid and msg.reason == "too few points" and msg.doubt == doubt


def test_points_are_given_in_the_frame_that_was_asked_for(header):
    pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")
    pose = Pose(np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]]), np.array([0.2, 0.0, 0.9]))
    msg = serialised(cv.estimate_to_msg(estimate(), header, pose=pose))
    from_point, to_point = ([p.x, p.y, p.z] for p in (msg.from_point, msg.to_point))
    assert from_point == pytest.approx([1.2, -0.1, 0.7])
    assert to_point == pytest.approx([1.7, -1.1, 0.7])
    assert msg.distance == 1.25, "a length is the same in every frame"
