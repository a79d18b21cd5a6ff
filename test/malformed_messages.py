# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages and requests that no good sender would send: fixed ones, and strategies for more."""

from __future__ import annotations

import itertools
import math
import string
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from geometry_msgs.msg import Pose, PoseWithCovariance, Quaternion
from hypothesis import strategies as st
from nav_msgs.msg import Odometry
from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, RegionOfInterest
from spatialgeo_ros.msg import Region
from spatialgeo_ros.srv import (
    AskSpatial,
    FindObjects,
    GetApproachPose,
    LoadObjects,
    MeasureDistance,
    RunQuery,
    SaveObjects,
    WatchDistance,
)
from std_msgs.msg import Header
from system.camera_driver import FOCAL, HEIGHT, WIDTH

from spatialgeo_ros.node.conversions import message_bytes

NAN, INF = math.nan, math.inf
MOST = 2**32 - 1
PIXELS = message_bytes(np.full(WIDTH * HEIGHT * 3, 90, np.uint8))
FEW = message_bytes(np.zeros(7, np.uint8))
#: Numbers of a field of single precision.
NUMBERS = [0.0, -0.0, 1.0, -1.0, 0.5, 1e9, -1e9, 3e38, -3e38, 1e-38, NAN, INF, -INF]
SIZES = [0, 1, 2, 7, WIDTH, HEIGHT, 4 * WIDTH, 65536, 2**31, MOST]
#: Texts for every field that takes one: empty, long, of control characters, of other systems.
TEXTS = [
    "", " ", "\x01\x1b[2J\n\r", "a" * 100_000, "é" * 3000, "\u202e\u0000x", "'; DROP TABLE x;--",
    "../../../../etc/passwd", "$(reboot)", "%s%n%d", "{" * 5000, "<image></s><region>",
    "\U0001f600",
    "how far", "?", "the the the the", "0x" + "f" * 300, "1e999", "left of " * 400,
]  # fmt: skip

numbers = st.sampled_from(NUMBERS) | st.floats(width=32)
wide_numbers = numbers | st.floats()
sizes = st.sampled_from(SIZES) | st.integers(0, MOST)
texts = st.sampled_from(TEXTS) | st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=200
)
names = st.text(string.ascii_lowercase + " ,-_?'", max_size=60)


def jpeg(width: int, height: int) -> bytes:
    """A small JPEG whose header claims another size."""
    data = bytearray(cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes())
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return bytes(data)


def image(**fields: Any) -> Image:
    good = {"encoding": "bgr8", "width": WIDTH, "height": HEIGHT, "step": 3 * WIDTH, "data": PIXELS}
    return Image(**{**good, **fields})


def fixed_images() -> Iterator[Image]:
    yield Image()
    encodings = (
        "",
        "rgb8 ",
        "16UC1",
        "32FC1",
        "bayer_rggb8",
        "nv12",
        "yuv422",
        "64FC4",
        "\x00",
        "x" * 9999,
    )
    for encoding in (*encodings, "8UC3", "rgba16"):
        yield image(encoding=encoding)
    for width, height, step in itertools.product(
        (0, 1, MOST), (1, HEIGHT, MOST), (0, 3 * WIDTH, MOST)
    ):
        yield image(width=width, height=height, step=step)
    for data in (FEW, message_bytes(np.zeros(0, np.uint8)), PIXELS[:-1]):
        yield image(data=data)
    yield image(is_bigendian=255)


def fixed_compressed() -> Iterator[CompressedImage]:
    whole = cv2.imencode(".jpg", np.zeros((HEIGHT, WIDTH, 3), np.uint8))[1].tobytes()
    for data in (
        b"", b"\xff\xd8", whole[: len(whole) // 2], whole[::-1], jpeg(30_000, 30_000),
        jpeg(65_535, 65_535), jpeg(0, 0), b"GIF89a" + whole, b"\x89PNG\r\n\x1a\n", b"<svg/>" * 99,
    ):  # fmt: skip
        for kind in ("jpeg", "", "16UC1; compressedDepth png"):
            yield CompressedImage(format=kind, data=message_bytes(np.frombuffer(data, np.uint8)))


def fixed_depths() -> Iterator[Image]:
    yield Image()
    rng = np.random.default_rng(0)
    floats = rng.choice(np.array([NAN, INF, -INF, -1.0, 1e30, 0.0], np.float32), WIDTH * HEIGHT)
    for data in (
        floats,
        np.full(WIDTH * HEIGHT, NAN, np.float32),
        np.zeros(WIDTH * HEIGHT, np.float32),
    ):
        yield image(encoding="32FC1", step=4 * WIDTH, data=message_bytes(data))
    for data in (
        np.zeros(WIDTH * HEIGHT, np.uint16),
        rng.integers(0, 65536, WIDTH * HEIGHT).astype(np.uint16),
    ):
        yield image(encoding="16UC1", step=2 * WIDTH, data=message_bytes(data))
    for encoding, width, height, step in (
        ("16UC1", MOST, MOST, MOST), ("16UC1", WIDTH, HEIGHT, 1), ("16UC1", 1, 1, 2),
        ("32FC1", 3, 5, 12), ("bgr8", WIDTH, HEIGHT, 3 * WIDTH), ("mono8", WIDTH, HEIGHT, WIDTH),
        ("", WIDTH, HEIGHT, WIDTH),
        ("16UC1", 2 * WIDTH, HEIGHT // 2, 2 * WIDTH), ("32FC1", WIDTH, HEIGHT, 4 * WIDTH + 1),
    ):  # fmt: skip
        yield image(encoding=encoding, width=width, height=height, step=step)


def info(**fields: Any) -> CameraInfo:
    k = [FOCAL, 0.0, (WIDTH - 1) / 2, 0.0, FOCAL, (HEIGHT - 1) / 2, 0.0, 0.0, 1.0]
    return CameraInfo(**{"width": WIDTH, "height": HEIGHT, "k": k, **fields})


def fixed_infos() -> Iterator[CameraInfo]:
    yield CameraInfo()
    for value in (NAN, INF, -1.0, 1e300, 1e-300, 0.0):
        yield info(k=[value] * 9)
        yield info(distortion_model="plumb_bob", d=[value] * 5)
        yield info(p=[value] * 12, k=[0.0] * 9)
    for model in ("fisheye", "equidistant", "rational_polynomial", "", "x" * 5000, "none"):
        yield info(distortion_model=model, d=[0.1] * 3)
        yield info(distortion_model=model, d=[1e6] * 100)
    for side in (0, 1, MOST):
        yield info(width=side, height=side)
        yield info(binning_x=side, binning_y=side)
        yield info(roi=RegionOfInterest(x_offset=side, y_offset=side, width=1, height=side))
    yield info(roi=RegionOfInterest(y_offset=400_000_000))
    yield info(d=[0.0] * 100_000)


def odometry(world: str = "odom", child: str = "base_link", **pose: Any) -> Odometry:
    return Odometry(
        header=Header(frame_id=world), child_frame_id=child,
        pose=PoseWithCovariance(pose=Pose(**pose)),
    )  # fmt: skip


def fixed_odometries() -> Iterator[Odometry]:
    for value in (0.0, NAN, INF, 1e300, 1e-200):
        yield odometry(orientation=Quaternion(x=value, y=value, z=value, w=value))
        far = odometry()
        far.pose.pose.position.x = far.pose.pose.position.z = value
        yield far
    for text in ("", "x" * 50_000, "\x1b[31m", "base_link"):
        yield odometry(world=text)
        yield odometry(child=text)


def region(**fields: Any) -> Region:
    return Region(**fields)


def fixed_regions() -> Iterator[Region]:
    for kind in (0, 1, 2, 3, 4, 5, 255):
        yield region(type=kind)
    for a, b in ((NAN, NAN), (INF, -INF), (-1e30, 1e30), (50.0, 50.0), (1e6, 2e6), (9.0, 2.0)):
        yield region(type=Region.TYPE_BOX, x_min=a, y_min=a, x_max=b, y_max=b)
        yield region(type=Region.TYPE_POINT, point_x=a, point_y=b)
        yield region(type=Region.TYPE_POLYGON, polygon_x=[a, b, a], polygon_y=[b, a, b])
    yield region(type=Region.TYPE_POLYGON, polygon_x=[1.0] * 100_000, polygon_y=[2.0] * 100_000)
    yield region(type=Region.TYPE_POLYGON, polygon_x=[1.0] * 9, polygon_y=[2.0])
    yield region(type=Region.TYPE_MASK, mask=image(encoding="mono8"))
    yield region(
        type=Region.TYPE_MASK, mask=image(encoding="mono8", width=MOST, height=MOST, step=1)
    )
    yield region(type=Region.TYPE_BOX, camera="nosuch")
    for text in TEXTS:
        yield region(label=text)


PROGRAMS = [
    "", "null", "[]", "{}", "{" * 2000, "[" * 100_000, '{"answer": 1}', '{"op": "count"}', "NaN",
    '{"op": "measure", "kind": "distance"}',
    '{"op": "count", "set": {"kind": "' + "x" * 19_000 + '"}}',
    '{"op": "count", "set": ' * 300 + "{}" + "}" * 300, "\x00", '"' + "\\u0000" * 3000 + '"',
    "1e999",
]  # fmt: skip


def fixed_requests() -> Iterator[tuple[str, Any]]:
    """Name of the service and request."""
    for one in fixed_regions():
        yield "measure_distance", MeasureDistance.Request(from_region=one)
    for kinds in ([255], [0] * 17, [0] * 100_000, [1], [2, 3]):
        yield (
            "measure_distance",
            MeasureDistance.Request(kinds=kinds, from_region=region(label="box")),
        )
    for age in (NAN, INF, -1.0, 1e-300):
        yield (
            "measure_distance",
            MeasureDistance.Request(max_image_age=age, from_region=region(label="box")),
        )
    for text in TEXTS:
        yield "ask", AskSpatial.Request(question=text)
        yield "ask", AskSpatial.Request(question="how far is the box?", camera=text, session=text)
        yield "find_objects", FindObjects.Request(phrase=text)
        yield "run_query", RunQuery.Request(program=text, session=text)
        yield "get_approach_pose", GetApproachPose.Request(phrase=text, target_frame=text)
        yield "load_objects", LoadObjects.Request(path=text)
    yield "ask", AskSpatial.Request(question="how far?", regions=[region()] * 1000)
    for text in PROGRAMS:
        yield "run_query", RunQuery.Request(program=text)
        yield "find_objects", FindObjects.Request(program=text)
    for value in (NAN, INF, -1.0, 1e300):
        yield "get_approach_pose", GetApproachPose.Request(phrase="box", stand_off=value)
        yield (
            "get_approach_pose",
            GetApproachPose.Request(phrase="box", robot_radius=value, robot_height=value),
        )
        yield (
            "watch_distance",
            WatchDistance.Request(rate=value, watch_id="w", from_region=region(label="box")),
        )
    for text in ("", "\x01", "a" * 1000):
        yield "watch_distance", WatchDistance.Request(command=1, watch_id=text)
    yield "watch_distance", WatchDistance.Request(command=200)
    for path in ("/proc/self/mem", "/dev/zero", "/nosuch/x.json", "x" * 5000, "/", ".."):
        yield "save_objects", SaveObjects.Request(path=path)
        yield "load_objects", LoadObjects.Request(path=path)


def fixed_parameters() -> Iterator[Any]:
    values: dict[str, list[Any]] = {
        "process_rate": [-1.0, NAN, INF, 1e300, 5, "fast", [1.0]],
        "max_frame_age": [0.0, -5.0, NAN],
        "marker_lifetime": [-1.0, NAN, "x" * 10_000],
        "request_timeout": [0.0, NAN, 1e9],
        "cameras": [[], [""], ["a" * 5000], ["camera"] * 300, "camera", [1, 2]],
        "profile": ["", "../../etc/passwd", "x" * 10_000, 7],
        "camera.mount": [[NAN] * 6, [0.0] * 5, [1e300] * 6, "here"],
        "camera.depth_noise": ["", "nosuch", "1,2,3,4,5,6", "nan"],
        "nosuch": [1],
        "": [1],
    }
    for name, of in values.items():
        for value in of:
            yield Parameter(name, value=value).to_parameter_msg()


@st.composite
def some_image(draw: Callable[..., Any]) -> Image:
    data = draw(st.sampled_from([PIXELS, FEW]))
    encoding = draw(
        st.sampled_from(["bgr8", "rgb8", "mono8", "16UC1", "32FC1", "nv12", "bayer_bggr16"]) | texts
    )
    return image(
        encoding=encoding, width=draw(sizes), height=draw(sizes), step=draw(sizes), data=data
    )


@st.composite
def some_info(draw: Callable[..., Any]) -> CameraInfo:
    side = st.sampled_from([WIDTH, HEIGHT]) | sizes
    return CameraInfo(
        width=draw(side), height=draw(side),
        k=draw(st.lists(wide_numbers, min_size=9, max_size=9)),
        p=draw(st.lists(wide_numbers, min_size=12, max_size=12)),
        d=draw(st.lists(wide_numbers, max_size=14)),
        distortion_model=draw(
            st.sampled_from(["plumb_bob", "equidistant", "rational_polynomial"]) | texts
        ),
        binning_x=draw(sizes),
        roi=RegionOfInterest(x_offset=draw(sizes), height=draw(sizes)),
    )  # fmt: skip


@st.composite
def some_odometry(draw: Callable[..., Any]) -> Odometry:
    x, y, z, w = (draw(wide_numbers) for _ in range(4))
    return odometry(draw(texts), draw(texts), orientation=Quaternion(x=x, y=y, z=z, w=w))


@st.composite
def some_region(draw: Callable[..., Any]) -> Region:
    xs = draw(st.lists(numbers, max_size=8))
    return Region(
        type=draw(st.sampled_from([0, 1, 2, 3, 4]) | st.integers(0, 255)),
        label=draw(texts | names),
        x_min=draw(numbers), y_min=draw(numbers), x_max=draw(numbers), y_max=draw(numbers),
        polygon_x=xs, polygon_y=draw(st.lists(numbers, max_size=8) | st.just(xs)),
        point_x=draw(numbers), point_y=draw(numbers),
    )  # fmt: skip


@st.composite
def some_request(draw: Callable[..., Any]) -> tuple[str, Any]:
    """Name of the service and request."""
    text = draw(texts | names)
    service = draw(st.sampled_from([
        "ask", "measure_distance", "watch_distance", "find_objects", "run_query",
        "get_approach_pose",
    ]))  # fmt: skip
    if service == "ask":
        regions = draw(st.lists(some_region(), max_size=3))
        return service, AskSpatial.Request(question=f"How far is {text}?", regions=regions)
    if service == "measure_distance":
        kinds = draw(st.lists(st.integers(0, 255), max_size=20))
        first, second = draw(some_region()), draw(some_region())
        return service, MeasureDistance.Request(kinds=kinds, from_region=first, to_region=second)
    if service == "watch_distance":
        first = draw(some_region())
        return service, WatchDistance.Request(
            watch_id="w",
            rate=draw(wide_numbers),
            from_region=first,
            command=draw(st.sampled_from([0, 1, 9])),
        )
    if service == "find_objects":
        return service, FindObjects.Request(phrase=text, target_frame=draw(texts))
    if service == "run_query":
        return service, RunQuery.Request(program=draw(json_texts))
    return service, GetApproachPose.Request(phrase=text, stand_off=draw(wide_numbers))


json_texts = st.recursive(
    st.sampled_from(['"chair"', "1", "null", '"count"', "true", "-1e9"]),
    lambda inner: st.lists(
        st.tuples(
            st.sampled_from(["op", "set", "kind", "of", "anchor", "answer", "relation"]), inner
        ),
        max_size=3,
    ).map(lambda pairs: "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}"),
    max_leaves=8,
)
