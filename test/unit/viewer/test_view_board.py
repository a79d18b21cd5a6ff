# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Messages of a node as entries of the viewer: values, places, and what is taken back."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")
pytest.importorskip("rerun", reason="the extra 'view' is not installed (rerun-sdk)")

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Point, Point32, Pose, Quaternion, Vector3
from sensor_msgs.msg import CameraInfo
from spatialgeo_ros.msg import (
    DistanceEstimate,
    Keyframe,
    KeyframeArray,
    Region,
    SpatialAnswer,
    SpatialObject,
    SpatialObjectArray,
)
from std_msgs.msg import Float64, Header

from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL
from spatialgeo_ros.geometry.pose import Pose as PlainPose
from spatialgeo_ros.node.camera_pose import PoseResult
from spatialgeo_ros.node.conversions import mask_to_image, ns_to_stamp, rgb_to_image
from spatialgeo_ros.viewer.cameras import POSE_GRACE
from spatialgeo_ros.viewer.lengths import MOST_SERIES
from spatialgeo_ros.viewer.pictures import PictureSettings
from spatialgeo_ros.viewer.view_board import ViewBoard

WIDTH, HEIGHT, FOCAL = 160, 120, 100.0
STAMP = 5_000_000_000
#: The camera looks along the world's x axis, a metre above its origin.
PLACE = PlainPose(translation=[0.0, 0.0, 1.0]) @ BODY_FROM_OPTICAL


class Poses:
    """Places of cameras and frames under the test's control."""

    def __init__(self) -> None:
        self.place: PlainPose | None = PLACE
        self.frames: dict[str, PlainPose] = {}

    def lookup(self, *_: Any) -> PoseResult:
        return PoseResult(self.place, "odom", "no TF" if self.place is None else "")

    def frame(self, frame_id: str, _: int) -> PoseResult:
        return PoseResult(self.frames.get(frame_id), "odom", "no such frame")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def poses() -> Poses:
    return Poses()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def board(poses: Poses, clock: Clock) -> ViewBoard:
    """A board that has seen an image of its camera, at half its size."""
    camera = SimpleNamespace(name="front", rectified=False)
    config: Any = SimpleNamespace(cameras=(camera,), marker_lifetime=2.0)
    board = ViewBoard("/spatialgeo", config, poses, PictureSettings(WIDTH // 2), 1000, clock)  # type: ignore[arg-type]
    board.image("front", image(), info())
    return board


def header(frame_id: str = "front_optical") -> Header:
    return Header(stamp=ns_to_stamp(STAMP), frame_id=frame_id)


def image() -> Any:
    return rgb_to_image(np.full((HEIGHT, WIDTH, 3), 90, np.uint8), header())


def info(width: int = WIDTH) -> CameraInfo:
    k = [FOCAL, 0.0, (WIDTH - 1) / 2, 0.0, FOCAL, (HEIGHT - 1) / 2, 0.0, 0.0, 1.0]
    message = CameraInfo(header=header(), width=width, height=HEIGHT, k=k)
    message.distortion_model, message.d = "plumb_bob", [0.0] * 5
    return message


def estimate(distance: float = 2.0, std_dev: float = 0.05, **fields: Any) -> DistanceEstimate:
    """From the optical centre straight ahead."""
    values = {
        "header": header(), "camera": "front", "kind": DistanceEstimate.KIND_CAMERA_TO_OBJECT,
        "from_object": "camera", "to_object": "mug", "valid": True,
        "from_point": Point(x=0.0, y=0.0, z=0.0), "to_point": Point(x=0.0, y=0.0, z=distance),
    }  # fmt: skip
    return DistanceEstimate(distance=distance, std_dev=std_dev, **{**values, **fields})


def between(**fields: Any) -> DistanceEstimate:
    """Between two things a metre apart, two metres ahead."""
    ends = {"from_point": Point(x=-0.5, y=0.0, z=2.0), "to_point": Point(x=0.5, y=0.0, z=2.0)}
    kind = DistanceEstimate.KIND_NEAREST_POINTS
    return estimate(1.0, kind=kind, from_object="mug", **{**ends, **fields})


def values(entries: list[Any], path: str, component: str) -> list[Any]:
    """What an entity got, as plain lists."""
    found = [
        batch.as_arrow_array().to_pylist()
        for entry in entries
        if entry.path == path
        for part in entry.parts
        for batch in part.as_component_batches()
        if batch.component_descriptor().component == component
    ]
    assert found, f"{path} has no {component}: {[(e.path, e.parts) for e in entries]}"
    return found[-1]


def paths(entries: list[Any]) -> set[str]:
    return {entry.path for entry in entries}


def thing(state: int = SpatialObject.STATE_VISIBLE, **fields: Any) -> SpatialObject:
    message = SpatialObject(
        header=header("odom"), id="chair_3", label="chair", colour="red", state=state,
        size=Vector3(x=0.5, y=0.4, z=0.9), probability=0.9, age=12.0, sightings=7, **fields,
    )  # fmt: skip
    message.pose.pose = Pose(
        position=Point(x=1.0, y=2.0, z=0.45), orientation=Quaternion(z=1.0, w=0.0)
    )
    covariance = np.diag([0.01, 0.04, 0.09, 0, 0, 0])
    message.pose.covariance = covariance.ravel().tolist()
    return message


def test_an_image_comes_with_its_camera_and_place(board: ViewBoard) -> None:
    entries = board.image("front", image(), info())
    place = values(entries, "/world/cameras/front", "Transform3D:translation")
    assert place == [[0.0, 0.0, 1.0]]
    resolution = values(entries, "/world/cameras/front/image", "Pinhole:resolution")
    assert resolution == [[WIDTH / 2, HEIGHT / 2]]
    assert board.calibrated() == {"front"}
    assert board.pending() == []


def test_a_camera_without_a_usable_calibration_is_shown_and_named(board: ViewBoard) -> None:
    entries = board.image("front", image(), info(width=100))
    values(entries, "/world/cameras/front/image", "EncodedImage:blob")
    assert board.calibrated() == frozenset()
    (said,) = values(board.pending(), "/viewer", "TextLog:text")
    assert "camera front is shown without its projection" in said
    board.image("front", image(), info(width=100))
    assert board.pending() == [], "said once"


def test_a_camera_without_poses_stands_at_the_origin_after_a_while_and_says_so(
    board: ViewBoard, poses: Poses, clock: Clock
) -> None:
    fresh = ViewBoard(
        "/spatialgeo",
        SimpleNamespace(  # type: ignore[arg-type]
            cameras=(SimpleNamespace(name="front", rectified=False),), marker_lifetime=2.0
        ),
        poses, PictureSettings(), 1000, clock,
    )  # fmt: skip
    poses.place = None
    assert "/world/cameras/front" not in paths(fresh.image("front", image(), info()))
    clock.now += POSE_GRACE
    entries = fresh.image("front", image(), info())
    assert values(entries, "/world/cameras/front", "Transform3D:translation") == [[0, 0, 0]]
    (said,) = values(fresh.pending(), "/viewer", "TextLog:text")
    assert "no pose" in said and "no TF" in said
    # One that had a pose is not put anywhere else, however long it has none.
    clock.now += 100
    assert "/world/cameras/front" not in paths(board.image("front", image(), info()))


def test_a_distance_is_plotted_and_drawn_in_the_world_and_in_the_picture(board: ViewBoard) -> None:
    entries = board.distance(between(watch_id="gap"))
    name = "gap\\:\\ nearest\\ points"
    assert values(entries, f"/distances/{name}", "Scalars:scalars") == pytest.approx(
        [1.0, 0.95, 1.05]
    )
    assert values(entries, f"/std_devs/{name}", "Scalars:scalars") == [0.05]
    ((start, end),) = values(entries, f"/world/lines/{name}", "LineStrips3D:strips")
    # Two metres along x, a metre above the floor; the image's right is the world's -y.
    assert start == pytest.approx([2.0, 0.5, 1.0])
    assert end == pytest.approx([2.0, -0.5, 1.0])
    drawn = f"/world/cameras/front/image/lines/{name}"
    ((left, right),) = values(entries, drawn, "LineStrips2D:strips")
    assert (left, right) == (
        pytest.approx([(WIDTH / 2 - 25) / 2, HEIGHT / 4]),
        pytest.approx([(WIDTH / 2 + 25) / 2, HEIGHT / 4]),
    )
    assert values(entries, drawn, "LineStrips2D:labels") == ["1.00 ± 0.05 m"]
    assert len([one for one in entries if one.static]) == 2
    assert not [one for one in board.distance(between(watch_id="gap")) if one.static]


def test_a_distance_from_the_camera_is_a_point_in_the_picture(board: ViewBoard) -> None:
    entries = board.distance(estimate())
    path = next(one for one in paths(entries) if one.startswith("/world/cameras/front/image/lines"))
    assert values(entries, path, "Points2D:positions") == [[WIDTH / 4, HEIGHT / 4]]
    line = next(one for one in paths(entries) if one.startswith("/world/lines"))
    ((start, end),) = values(entries, line, "LineStrips3D:strips")
    assert (start, end) == (pytest.approx([0, 0, 1]), pytest.approx([2, 0, 1]))


@pytest.mark.parametrize("frame", ["odom", "base_link"])
def test_a_distance_in_another_frame_is_drawn_at_the_same_place(
    board: ViewBoard, poses: Poses, frame: str
) -> None:
    poses.frames = {"odom": PlainPose.identity(), "base_link": PlainPose(translation=[0.5, 0, 0])}
    own = poses.frames[frame].inverse().apply(np.array([[2.0, 0.5, 1.0], [2.0, -0.5, 1.0]]))
    ends = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in own]
    message = between(header=header(frame), from_point=ends[0], to_point=ends[1])
    entries = board.distance(message)
    line = next(one for one in paths(entries) if one.startswith("/world/lines"))
    ((start, end),) = values(entries, line, "LineStrips3D:strips")
    assert (start, end) == (pytest.approx([2, 0.5, 1]), pytest.approx([2, -0.5, 1]))
    drawn = next(one for one in paths(entries) if "image/lines" in one)
    ((left, _),) = values(entries, drawn, "LineStrips2D:strips")
    assert left == pytest.approx([(WIDTH / 2 - 25) / 2, HEIGHT / 4])


def test_a_distance_in_a_frame_that_nobody_knows_is_plotted_only(board: ViewBoard) -> None:
    entries = board.distance(between(header=header("gripper")))
    assert not [one for one in paths(entries) if "lines" in one]
    assert [one for one in paths(entries) if one.startswith("/distances")]
    (said,) = values(board.pending(), "/viewer", "TextLog:text")
    assert "'gripper' has no line: no such frame" in said


def test_what_is_not_valid_breaks_the_plot_and_takes_its_line_back(board: ViewBoard) -> None:
    drawn = {one for one in paths(board.distance(estimate(watch_id="w"))) if "lines" in one}
    assert len(drawn) == 2
    entries = board.distance(estimate(watch_id="w", valid=False, distance=math.nan))
    plot = next(one for one in paths(entries) if one.startswith("/distances"))
    assert all(map(math.isnan, values(entries, plot, "Scalars:scalars")))
    for path in drawn:
        assert values(entries, path, "Clear:is_recursive") == [True]
    again = board.distance(estimate(watch_id="w", valid=False))
    assert not [one for one in paths(again) if "lines" in one], "taken back once"


def test_an_estimate_that_is_not_valid_never_shows_its_number(board: ViewBoard) -> None:
    entries = board.distance(estimate(watch_id="w", valid=False, distance=1.23))
    plot = next(one for one in paths(entries) if one.startswith("/distances"))
    assert all(map(math.isnan, values(entries, plot, "Scalars:scalars")))


def test_a_watch_is_one_series_whatever_it_calls_its_objects(board: ViewBoard) -> None:
    lost = board.distance(estimate(watch_id="w", valid=False, to_object="table"))
    (plot,) = {one for one in paths(lost) if one.startswith("/distances")}
    assert values(lost, plot, "SeriesLines:names")[0] == "w: camera to object, camera to table"
    found = board.distance(estimate(watch_id="w", to_object="purple table"))
    assert {one for one in paths(found) if one.startswith("/distances")} == {plot}
    name = "w: camera to object, camera to purple table"
    assert values(found, plot, "SeriesLines:names")[0] == name
    again = board.distance(estimate(watch_id="w", valid=False, to_object="table"))
    assert not [one for one in again if one.static]
    colour = values(lost, plot, "SeriesLines:colors")
    assert values(found, plot, "SeriesLines:colors") == colour


def test_lines_are_taken_back_after_their_time(board: ViewBoard, clock: Clock) -> None:
    drawn = {one for one in paths(board.distance(estimate())) if "lines" in one}
    clock.now += 1.9
    assert board.pending() == []
    clock.now += 0.2
    entries = board.pending()
    assert paths(entries) == drawn
    assert all(values(entries, path, "Clear:is_recursive") == [True] for path in drawn)
    assert board.pending() == []


def test_there_are_not_more_plots_than_can_be_told_apart(board: ViewBoard) -> None:
    for number in range(MOST_SERIES + 10):
        board.distance(estimate(to_object=f"thing {number}"))
    board.pending()
    entries = board.distance(estimate(to_object="one more"))
    assert not [one for one in paths(entries) if one.startswith("/distances")]
    assert any("lines" in one for one in paths(entries)), "its line is drawn all the same"
    (said,) = values(board.pending(), "/viewer", "TextLog:text")
    assert "'request: camera to object, camera to one more' is not plotted" in said


def test_objects_are_visible_pale_or_crossed_out(board: ViewBoard) -> None:
    message = SpatialObjectArray(header=header("odom"))
    message.objects = [
        thing(),
        thing(SpatialObject.STATE_REMEMBERED),
        thing(SpatialObject.STATE_GONE),
    ]
    message.room.points = [
        Point32(x=x, y=y, z=0.0) for x, y in ((0.0, 0.0), (4.0, 0.0), (4.0, 3.0))
    ]
    entries = board.objects(message)
    seen = "/world/objects/visible"
    assert values(entries, seen, "Boxes3D:centers") == [pytest.approx([1.0, 2.0, 0.45])]
    assert values(entries, seen, "Boxes3D:half_sizes") == [pytest.approx([0.25, 0.2, 0.45])]
    assert values(entries, seen, "Boxes3D:quaternions") == [[0, 0, 1, 0]]
    assert values(entries, seen, "id") == ["chair_3"]
    deviations = [values(entries, seen, f"std_dev_{axis}")[0] for axis in "xyz"]
    assert deviations == pytest.approx([0.1, 0.2, 0.3])
    labels = {
        state: values(entries, f"/world/objects/{state}", "Boxes3D:labels")[0]
        for state in ("visible", "remembered", "gone")
    }
    assert labels == {
        "visible": "chair_3 red chair",
        "remembered": "chair_3 red chair, 12 s ago",
        "gone": "chair_3 red chair, gone",
    }
    alpha = [
        values(entries, f"/world/objects/{state}", "Boxes3D:colors")[0] & 255
        for state in ("visible", "remembered")
    ]
    assert alpha[0] > 1.5 * alpha[1], "remembered ones are paler"
    crosses = values(entries, "/world/objects/gone/crosses", "LineStrips3D:strips")
    assert len(crosses) == 2
    assert np.mean(crosses, axis=(0, 1)) == pytest.approx([1.0, 2.0, 0.45])
    (room,) = values(entries, "/world/room", "LineStrips3D:strips")
    assert len(room) == 4 and room[0] == room[-1]


def test_an_object_that_changes_its_state_leaves_no_box_behind(board: ViewBoard) -> None:
    board.objects(SpatialObjectArray(header=header("odom"), objects=[thing()]))
    gone = thing(SpatialObject.STATE_GONE)
    entries = board.objects(SpatialObjectArray(header=header("odom"), objects=[gone]))
    assert values(entries, "/world/objects/visible", "Clear:is_recursive") == [True]
    entries = board.objects(SpatialObjectArray(degraded=["no pose: no object map"]))
    for state in ("visible", "remembered", "gone"):
        assert values(entries, f"/world/objects/{state}", "Clear:is_recursive") == [True]
    (said,) = values(board.pending(), "/viewer", "TextLog:text")
    assert said == "object map: no pose: no object map"


def test_keyframes_are_frusta_where_the_lens_is_known(board: ViewBoard) -> None:
    pose = Pose(position=Point(x=1.0), orientation=Quaternion(w=1.0))
    kept = [
        Keyframe(header=header(), camera="front", has_pose=True, pose=pose, voxels=50, gain=20),
        Keyframe(header=header(), camera="front", has_pose=False),
        Keyframe(header=header(), camera="other", has_pose=True, pose=pose),
    ]
    entries = board.keyframes(KeyframeArray(header=header("odom"), keyframes=kept))
    strips = values(entries, "/world/keyframes", "LineStrips3D:strips")
    assert len(strips) == 3 + 3, "an outline and its edges; three axes"
    corner = np.array(strips[0][0]) - (1, 0, 0)
    assert corner[0] / corner[2] == pytest.approx(-(WIDTH - 1) / 2 / FOCAL)
    labels = values(entries, "/world/keyframes", "LineStrips3D:labels")
    assert labels[0] == "keyframe 1 (front): 20 of 50 voxels new"
    entries = board.keyframes(KeyframeArray(header=header("")))
    assert values(entries, "/world/keyframes", "Clear:is_recursive") == [True]


@pytest.mark.parametrize(
    ("fields", "level", "text"),
    [
        ({"answer": "1.24 m"}, "INFO", "How far? -> 1.24 m"),
        ({"answer": "1.24 m", "state": SpatialAnswer.STATE_MEASURED}, "DEBUG",
         "How far? -> measured: 1.24 m"),
        ({"error_code": 4, "error_message": "no mug in view"}, "ERROR",
         "How far? -> no mug in view"),
        ({"answer": "1 m", "degraded": ["no pose"]}, "INFO", "How far? -> 1 m [no pose]"),
        ({"answer": "1 m", "agreement": SpatialAnswer.AGREEMENT_DISAGREE, "comparison": "1 m, 3 m"},
         "WARN", "How far? -> 1 m [1 m, 3 m]"),
        ({"answer": "a\nb" + "c" * 5000}, "INFO", None),
    ],
)  # fmt: skip
def test_answers_are_lines_of_the_log(
    board: ViewBoard, fields: dict[str, Any], level: str, text: str | None
) -> None:
    message = SpatialAnswer(header=header(), question="How far?", **fields)
    entries = board.answer(message)
    (said,) = values(entries, "/answers", "TextLog:text")
    assert values(entries, "/answers", "TextLog:level") == [level]
    if text is None:
        assert "\n" not in said and len(said) < 1100
    else:
        assert said == text


def test_regions_of_an_answer_are_boxes_masks_and_outlines(board: ViewBoard) -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[:, : WIDTH // 2] = True
    box = {"x_min": -0.5, "y_min": -0.5, "x_max": 79.5, "y_max": 119.5, "camera": "front"}
    regions = [
        Region(type=Region.TYPE_MASK, label="mug", mask=mask_to_image(mask), **box),
        Region(type=Region.TYPE_POLYGON, label="table", polygon_x=[0.0, 10.0, 0.0],
               polygon_y=[0.0, 0.0, 10.0], **box),
        Region(type=Region.TYPE_BOX, label="other camera", **{**box, "camera": "side"}),
    ]  # fmt: skip
    entries = board.answer(SpatialAnswer(header=header(), question="q", regions=regions))
    path = "/world/cameras/front/image/answer"
    assert values(entries, path, "Boxes2D:labels") == ["mug", "table"]
    assert values(entries, path, "Boxes2D:centers")[0] == [WIDTH / 8, HEIGHT / 4]
    (outline,) = values(entries, f"{path}/outlines", "LineStrips2D:strips")
    assert len(outline) == 4 and outline[0] == outline[-1]
    (buffer,) = values(entries, f"{path}/masks", "SegmentationImage:buffer")
    shown = np.frombuffer(bytes(buffer), np.uint8).reshape(HEIGHT // 2, WIDTH // 2)
    assert shown[:, : WIDTH // 4].all() and not shown[:, WIDTH // 4 :].any()


@pytest.mark.parametrize(
    "broken",
    [
        {"type": Region.TYPE_POLYGON, "polygon_x": [1.0, 2.0, 3.0]},
        {"type": Region.TYPE_POLYGON, "polygon_x": [1.0], "polygon_y": [1.0]},
        {"type": Region.TYPE_MASK},
        {"type": 200},
    ],
)
def test_a_region_that_is_none_costs_only_itself(board: ViewBoard, broken: Any) -> None:
    good = Region(type=Region.TYPE_BOX, label="mug", x_max=10.0, y_max=10.0, camera="front")
    bad = Region(camera="front", **broken)
    message = SpatialAnswer(header=header(), question="q", answer="1 m", regions=[bad, good])
    entries = board.answer(message)
    assert values(entries, "/answers", "TextLog:text") == ["q -> 1 m"]
    assert values(entries, "/world/cameras/front/image/answer", "Boxes2D:labels")[1] == "mug"
    (said,) = values(board.pending(), "/viewer", "TextLog:text")
    assert "a region of an answer is not drawn" in said


def test_boxes_of_a_detector_follow_the_scale(board: ViewBoard) -> None:
    vision = pytest.importorskip("vision_msgs.msg", reason="needs vision_msgs")
    message = vision.Detection2DArray(header=header())
    detection = vision.Detection2D()
    detection.bbox.center.position.x, detection.bbox.center.position.y = 79.5, 59.5
    detection.bbox.size_x, detection.bbox.size_y = 40.0, 20.0
    result = vision.ObjectHypothesisWithPose()
    result.hypothesis.class_id, result.hypothesis.score = "mug", 0.87
    detection.results.append(result)
    message.detections.append(detection)
    path = "/world/cameras/front/image/detections"
    entries = board.detections("front", message)
    assert values(entries, path, "Boxes2D:centers") == [[WIDTH / 4, HEIGHT / 4]]
    assert values(entries, path, "Boxes2D:half_sizes") == [[10, 5]]
    assert values(entries, path, "Boxes2D:labels") == ["mug 87%"]
    message.detections.clear()
    assert values(board.detections("front", message), path, "Clear:is_recursive") == [True]


def status(level: bytes, message: str, name: str = "/spatialgeo: camera front") -> Any:
    pairs = [KeyValue(key="rate", value="10 | Hz")]
    return DiagnosticArray(
        status=[DiagnosticStatus(name=name, level=level, message=message, values=pairs)]
    )


def test_diagnostics_are_a_level_a_table_and_a_line_at_each_change(board: ViewBoard) -> None:
    path = "/diagnostics/camera\\ front"
    entries = board.diagnostics(status(DiagnosticStatus.OK, "ok"))
    assert values(entries, f"{path}/level", "StateChange:state") == ["ok"]
    assert values(entries, f"{path}/log", "TextLog:level") == ["INFO"]
    (table,) = values(entries, f"{path}/values", "TextDocument:text")
    assert "| rate | 10 \\| Hz |" in table
    assert f"{path}/log" not in paths(board.diagnostics(status(DiagnosticStatus.OK, "ok")))
    entries = board.diagnostics(status(DiagnosticStatus.ERROR, "no image"))
    assert values(entries, f"{path}/level", "StateChange:state") == ["error"]
    assert values(entries, f"{path}/log", "TextLog:text") == ["camera front: no image"]
    assert board.diagnostics(status(DiagnosticStatus.OK, "ok", "/other: motor")) == []


def test_latencies_are_plotted(board: ViewBoard) -> None:
    entries = board.latency("map", Float64(data=0.25))
    assert values(entries, "/latencies/map", "Scalars:scalars") == [0.25]
