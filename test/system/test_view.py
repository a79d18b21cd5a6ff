# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo view --save`` beside a node over real DDS: the file is read back and compared."""

from __future__ import annotations

import json
import math
import os
import signal
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")
pytest.importorskip("rerun", reason="the extra 'view' is not installed (rerun-sdk)")

import cv2
import numpy as np
from rclpy.qos import DurabilityPolicy, QoSProfile
from rerun_file import RerunFile
from ros_support import NodeProcess, wait_for
from spatialgeo_ros.msg import (
    DistanceEstimate,
    ErrorCode,
    KeyframeArray,
    Region,
    SpatialAnswer,
    SpatialObject,
    SpatialObjectArray,
)
from spatialgeo_ros.srv import AskSpatial, MeasureDistance, RunQuery, WatchDistance
from system.camera_driver import FOCAL, HEIGHT, WIDTH
from system.conftest import Robot, start_robot, stop_robot
from system.room_driver import LATCHED, MOUNTS, PARAMETERS, ROOM, RoomDriver

from spatialgeo_ros.node.conversions import stamp_to_ns
from spatialgeo_ros.query.program import Everything, TellObjects
from spatialgeo_ros.query.program_json import to_json
from spatialgeo_ros.viewer.entries import DISTANCES, LINES, STD_DEVS, below
from spatialgeo_ros.viewer.lengths import name_of
from spatialgeo_ros.viewer.sink import free_port

SCRIPT = Path(__file__).parents[2] / "scripts" / "spatialgeo"
QUESTION = "How far is the chair from the table?"

EACH = QoSProfile(depth=1000, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@dataclass
class Seen:
    """What the node published while it was viewed, and what the viewer wrote."""

    file: RerunFile
    output: str
    status: int | None
    stamps: list[int]
    distances: list[Any] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)
    maps: list[Any] = field(default_factory=list)
    keyframes: list[Any] = field(default_factory=list)


def start_view(folder: Path, robot: Robot, *arguments: str, name: str = "view") -> NodeProcess:
    node = robot.name("").rstrip("/")
    return NodeProcess(SCRIPT, folder / name, arguments=["view", "--node", node, *arguments])


@pytest.fixture(scope="module")
def seen(tmp_path_factory: Any) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("view")
    robot = start_robot(folder, **{**PARAMETERS, "marker_lifetime": 1.0})
    path = folder / "seen.rrd"
    try:
        with RoomDriver(robot.ros, robot.namespace) as driver:
            wait_for(driver.matched, what="the node's subscriptions")
            driver.run(10.0)
            view = start_view(folder, robot, "--save", str(path), "--cloud-points", "1500")
            try:
                yield look(robot, driver, view, path)
            finally:
                view.stop(0.0)
    finally:
        stop_robot(robot)


def look(robot: Robot, driver: RoomDriver, view: NodeProcess, path: Path) -> Seen:
    ros = robot.ros
    view.wait_for_output("showing")
    for topic in ("points", "overlay", "distances", "answers", "objects"):
        name = robot.name(topic)
        wait_for(lambda name=name: ros.node.count_subscribers(name) > 0, what=f"a view of {name}")
    distances = ros.collect(DistanceEstimate, robot.name("distances"), 50)
    answers = ros.collect(SpatialAnswer, robot.name("answers"), 50)
    maps = ros.collect(SpatialObjectArray, robot.name("objects"), EACH)
    keyframes = ros.collect(KeyframeArray, robot.name("keyframes"), LATCHED)
    wait_for(lambda: maps and len(maps[-1].objects) == 3, 60.0, "the map's objects")
    for name in MOUNTS:
        view.wait_for_output(f"{name} is seen")  # regions are drawn into a camera's picture
    publish_garbage(robot)
    asked = robot.call(AskSpatial, "ask", AskSpatial.Request(question=QUESTION)).answer
    assert not asked.error_code, asked.error_message
    several = RunQuery.Request(program=json.dumps(to_json(TellObjects(Everything(), one=True))))
    assert robot.call(RunQuery, "run_query", several).answer.error_code == ErrorCode.AMBIGUOUS
    point = Region(type=Region.TYPE_POINT, label="plant", camera="rear")
    point.point_x, point.point_y = WIDTH / 2, HEIGHT / 2
    request = MeasureDistance.Request(from_region=point, camera="rear")
    measured = robot.call(MeasureDistance, "measure_distance", request)
    assert not measured.error_code, measured.error_message
    request = WatchDistance.Request(operation=WatchDistance.Request.START, watch_id="w", rate=5.0)
    request.from_region, request.camera = Region(label="chair"), "front"
    started = robot.call(WatchDistance, "watch_distance", request)
    assert not started.error_code, started.error_message
    wait_for(lambda: sum(one.watch_id == "w" and one.valid for one in distances) >= 5)
    driver.stand(0.0, 0.0, math.pi / 2)  # the chair leaves the view
    wait_for(lambda: distances[-1].watch_id == "w" and not distances[-1].valid)
    driver.stand(0.0, 0.0, 0.0, ROOM[1:])
    wait_for(lambda: states(maps[-1]).get("chair") == 2, 60.0, "the chair to be gone")
    last = len(maps)
    wait_for(lambda: len(maps) > last + 2)  # what was published reaches the viewer too
    status = view.interrupt()
    return Seen(RerunFile(path), view.output, status, list(driver.stamps), distances, answers, maps,
                keyframes)  # fmt: skip


def publish_garbage(robot: Robot) -> None:
    """Publish what no node would, on the topics that the viewer listens to."""
    region = Region(type=Region.TYPE_POLYGON, camera="front", polygon_x=[1.0, 2.0, 3.0])
    gone = SpatialObject(state=SpatialObject.STATE_GONE)
    gone.pose.pose.orientation.w = 0.0
    for kind, topic, qos, message in (
        (SpatialAnswer, "answers", 10, SpatialAnswer(regions=[region])),
        (DistanceEstimate, "distances", 10, DistanceEstimate(kind=99)),
        (SpatialObjectArray, "objects", LATCHED, SpatialObjectArray(objects=[gone])),
    ):
        name = robot.name(topic)
        publisher = robot.ros.node.create_publisher(kind, name, qos)
        # This test collects them too.
        wait_for(lambda p=publisher: p.get_subscription_count() > 1, what=f"{name}'s view")
        publisher.publish(message)


def states(message: Any) -> dict[str, int]:
    return {one.label: one.state for one in message.objects}


def test_it_says_what_it_showed_and_ends_in_order(seen: Seen) -> None:
    assert seen.status == 0, seen.output
    assert "images of front:" in seen.output
    assert "Traceback" not in seen.output
    assert seen.file.blueprints > 0
    assert seen.file.store.application_id == "spatialgeo"


def test_images_are_pictures_at_their_own_stamps(seen: Seen) -> None:
    for name in MOUNTS:
        path = f"/world/cameras/{name}/image"
        shown = seen.file.rows(path, "EncodedImage:blob")
        assert len(shown) > 10
        assert {one["stamp"] for one in shown} <= set(seen.stamps)
        blob = np.asarray(shown[-1]["EncodedImage:blob"][0], np.uint8)
        image = cv2.imdecode(blob, cv2.IMREAD_COLOR)
        assert image.shape == (HEIGHT, WIDTH, 3)
        _, matrix = seen.file.values(path, "Pinhole:image_from_camera")[-1]
        focal, centre = matrix[0][0], matrix[0][6]
        # Rerun counts from the corner of the first pixel, and stores columns.
        assert (focal, centre) == pytest.approx((FOCAL, (WIDTH - 1) / 2 + 0.5))
    count = int(seen.output.split("images of front: ")[1].split(" of ")[0])
    assert len(seen.file.rows("/world/cameras/front/image", "EncodedImage:blob")) == count


def test_cameras_stand_where_odometry_and_mount_put_them(seen: Seen) -> None:
    places = seen.file.values("/world/cameras/front", "Transform3D:translation")
    assert places
    assert {stamp for stamp, _ in places} <= set(seen.stamps)
    for _, ((x, y, z),) in places:
        assert (x, y, z) == pytest.approx((0.0, 0.0, 0.9), abs=1e-5)


def test_the_cloud_lies_in_the_world(seen: Seen) -> None:
    _, points = seen.file.values("/world/points/front", "Points3D:positions")[0]
    points = np.array(points)
    assert 300 < len(points) <= 1500
    assert points[:, 2].min() == pytest.approx(0.0, abs=0.06), "the floor"
    near = np.linalg.norm(points[:, :2] - (2.0, 0.5), axis=1) < 0.4
    assert points[near][:, 2].max() == pytest.approx(0.8, abs=0.1), "the chair's top"


def objects_row(message: Any) -> tuple[Any, ...]:
    there = [one for one in message.objects if one.state == SpatialObject.STATE_VISIBLE]
    return (
        [one.id for one in there],
        [[getattr(one.pose.pose.position, axis) for axis in "xyz"] for one in there],
        [math.sqrt(one.pose.covariance[0]) for one in there],
        [one.probability for one in there],
    )


def same(row: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    return row[0] == wanted[0] and all(
        np.allclose(a, b, atol=1e-6) for a, b in zip(row[1:], wanted[1:], strict=True)
    )


def test_objects_have_their_ids_and_places(seen: Seen) -> None:
    published: dict[int, list[Any]] = {}
    for one in seen.maps:
        published.setdefault(stamp_to_ns(one.header.stamp), []).append(objects_row(one))
    rows = seen.file.rows("/world/objects/visible", "Boxes3D:centers")
    compared = [one for one in rows if one["stamp"] in published]
    assert compared
    equal = 0
    for row in compared:
        row_values = (row["id"], row["Boxes3D:centers"], row["std_dev_x"], row["probability"])
        # One image may have been followed by several maps.
        equal += any(same(row_values, wanted) for wanted in published[row["stamp"]])
        for label, name in zip(row["Boxes3D:labels"], row["id"], strict=True):
            assert label.startswith(f"{name} ")
    # The node keeps one map only: on a busy machine each of its two listeners may miss another one.
    assert equal > 0.8 * len(compared)
    remembered = seen.file.rows("/world/objects/remembered", "Boxes3D:labels")
    assert any("chair" in label and "ago" in label for one in remembered
               for label in one["Boxes3D:labels"])  # fmt: skip
    gone = seen.file.rows("/world/objects/gone", "Boxes3D:labels")[-1]["Boxes3D:labels"]
    assert [label.endswith("gone") for label in gone] == [True]
    assert len(seen.file.rows("/world/objects/gone/crosses", "LineStrips3D:strips")) > 0


def test_distances_are_plotted_with_their_standard_deviation(seen: Seen) -> None:
    path = below(DISTANCES, "w: camera to object")
    published = [one for one in seen.distances if one.watch_id == "w"]
    wanted = {stamp_to_ns(one.header.stamp): one for one in published}
    rows = {stamp: value for stamp, value in seen.file.values(path, "Scalars:scalars")
            if stamp in wanted}  # fmt: skip
    assert len(rows) >= 5
    valid = broken = 0
    for stamp, (value, low, high) in rows.items():
        one = wanted[stamp]
        if not one.valid:
            assert math.isnan(value)
            broken += 1
            continue
        assert value == one.distance
        assert (low, high) == pytest.approx((value - one.std_dev, value + one.std_dev))
        valid += 1
    assert valid >= 5 and broken >= 1
    deviations = dict(seen.file.values(path.replace(DISTANCES, STD_DEVS), "Scalars:scalars"))
    assert all(deviations[stamp][0] == wanted[stamp].std_dev for stamp in rows
               if wanted[stamp].valid)  # fmt: skip
    assert seen.file.rows(path, "SeriesLines:names")[0]["SeriesLines:names"] == [
        "w: camera to object, camera to chair", "- 1 std dev", "+ 1 std dev"
    ]  # fmt: skip


def test_a_measured_line_ends_where_the_points_are(seen: Seen) -> None:
    (asked,) = [one for one in seen.answers if one.question == QUESTION and one.state == 0]
    length = asked.distances[0]
    path = below(LINES, name_of(length))
    rows = dict(seen.file.values(path, "LineStrips3D:strips"))
    (strip,) = rows[stamp_to_ns(asked.header.stamp)]
    assert math.dist(*strip) == pytest.approx(
        math.dist([length.from_point.x, length.from_point.y, length.from_point.z],
                  [length.to_point.x, length.to_point.y, length.to_point.z]), abs=1e-5
    )  # fmt: skip
    chair, table = np.array(strip)
    assert chair == pytest.approx([2.0, 0.5, 0.4], abs=0.5)
    assert table == pytest.approx([3.4, -1.0, 0.4], abs=0.6)
    labels = seen.file.rows(path, "LineStrips3D:labels")[0]["LineStrips3D:labels"]
    assert labels == [f"{length.distance:.2f} ± {length.std_dev:.2f} m"]
    drawn = path.replace(LINES, "/world/cameras/front/image/lines")
    (pixels,) = dict(seen.file.values(drawn, "LineStrips2D:strips"))[
        stamp_to_ns(asked.header.stamp)
    ]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in pixels)
    assert seen.file.rows(path, "Clear:is_recursive"), "taken back after marker_lifetime"


def test_answers_and_failures_are_told(seen: Seen) -> None:
    lines = {
        text[0]: level[0]
        for text, level in (
            (one["TextLog:text"], one["TextLog:level"])
            for one in seen.file.rows("/answers", "TextLog:text")
        )
    }
    final = [
        text for text in lines if text.startswith(f"{QUESTION} -> ") and "measured:" not in text
    ]
    asked = next(one for one in seen.answers if one.question == QUESTION)
    assert final and f"{asked.distances[0].distance:.2f}" in final[0]
    (failed,) = [text for text in lines if all(name in text for name in ("chair_", "plant_"))]
    assert lines[failed] == "ERROR"
    assert all(stamp for stamp, _ in seen.file.values("/answers", "TextLog:text"))


def test_diagnostics_are_levels_and_tables(seen: Seen) -> None:
    path = "/diagnostics/camera\\ front"
    states = [value[0] for _, value in seen.file.values(f"{path}/level", "StateChange:state")]
    assert "ok" in states
    (table,) = seen.file.rows(f"{path}/values", "TextDocument:text")[-1]["TextDocument:text"]
    assert "| calibration | received |" in table


def test_keyframes_are_frusta(seen: Seen) -> None:
    rows = seen.file.rows("/world/keyframes", "LineStrips3D:strips")
    assert rows
    strips = rows[-1]["LineStrips3D:strips"]
    kept = seen.keyframes[-1].keyframes
    assert len(strips) == 3 * len(kept), "an outline and four edges of each"
    apex = np.array(strips[1][1])
    place = kept[0].pose.position
    assert apex == pytest.approx([place.x, place.y, place.z], abs=1e-5)


def test_what_cannot_be_shown_is_said_and_costs_nothing_else(seen: Seen) -> None:
    said = {text[0] for _, text in seen.file.values("/viewer", "TextLog:text")}
    for stream, words in (
        ("a region of an answer is not drawn: ", "3 x but 0 y"),
        ("distances: ", "99"),
        ("objects: ", "quaternion"),
    ):
        assert any(text.startswith(stream) and words in text for text in said), (stream, said)


def test_what_the_node_draws_is_there(seen: Seen) -> None:
    assert seen.file.rows("/overlays/front", "EncodedImage:blob")


def test_a_web_page_shows_a_node_until_its_viewer_ends(tmp_path: Path) -> None:
    port, web_port = free_port(), free_port()
    robot = start_robot(tmp_path, **PARAMETERS)
    home = tmp_path / "home"  # where Rerun keeps its settings
    home.mkdir()
    view = NodeProcess(
        SCRIPT,
        tmp_path / "view",
        arguments=["view", "--node", robot.name("").rstrip("/"), "--web", "--port", str(port),
                   "--web-port", str(web_port)],
        environment={"HOME": str(home)},
    )  # fmt: skip
    try:
        view.wait_for_output(f"open http://127.0.0.1:{web_port}/?url=")
        view.wait_for_output("showing")
        with urllib.request.urlopen(f"http://127.0.0.1:{web_port}/", timeout=30) as page:
            assert page.status == 200
        (child,) = Path(f"/proc/{view.pid}/task/{view.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        view.wait_for_output("the viewer was closed")
        wait_for(lambda: not view.is_running(), what="the end")
        assert view.interrupt() == 0
    finally:
        view.stop(0.0)
        stop_robot(robot)


def test_a_node_that_ends_and_comes_back_is_shown_again(tmp_path: Path) -> None:
    first = start_robot(tmp_path, **PARAMETERS)
    path = tmp_path / "seen.rrd"
    view = start_view(tmp_path, first, "--save", str(path), "--cloud-rate", "0", "--no-overlay")
    try:
        view.wait_for_output("showing")
        first.process.interrupt()
        wait_for(lambda: not first.process.is_running(), what="the end of the first node")
        subscribers = first.ros.node.count_subscribers
        second = start_robot(tmp_path / "second", namespace=first.namespace,
                             **{**PARAMETERS, "cameras": ["rear"]})  # fmt: skip
        try:
            # Nobody but the viewer listens to this camera beside the node.
            front, rear = (f"/{first.namespace}/{name}/image_raw" for name in MOUNTS)
            wait_for(lambda: subscribers(rear) == 2 and subscribers(front) == 0, 60.0,
                     lambda: f"the viewer's new subscriptions: {view.output}")  # fmt: skip
        finally:
            stop_robot(second)
        assert view.interrupt() == 0
    finally:
        view.stop(0.0)
        stop_robot(first)
    said = [text[0] for _, text in RerunFile(path).values("/viewer", "TextLog:text")]
    assert [text.split(" ", 1)[1][:8] for text in said][:2] == ["has left", "is back"]


def test_a_node_that_is_not_there_is_named_with_the_cure(tmp_path: Path) -> None:
    view = NodeProcess(
        SCRIPT, tmp_path / "view",
        arguments=["view", "--node", "/nobody", "--wait", "1", "--save", str(tmp_path / "a.rrd")],
    )  # fmt: skip
    wait_for(lambda: not view.is_running(), 60.0, "the end")
    assert view.interrupt() == 1
    assert "/nobody is not running: start it with" in view.output
    assert "Traceback" not in view.output
