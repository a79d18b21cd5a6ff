# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo doctor`` finds seeded faults over real DDS, names them, and its advice cures them.

All faults are on one graph: a robot with a camera for each fault of a camera, and a robot for each
fault of odometry, time, parameters or node. Two examinations see all of them: before and after
what the findings advise was done.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2: run through `make test`")
pytest.importorskip("spatialgeo_ros.msg", reason="needs the built interfaces: `make test`")

from ros_support import RosClient
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from system.camera_driver import HEIGHT, WIDTH, scene_depth, scene_rgb
from system.faulty_robot import Camera, Robot, World, a_room

from spatialgeo_ros.doctor import graph
from spatialgeo_ros.doctor.examination import examine
from spatialgeo_ros.doctor.options import Options
from spatialgeo_ros.doctor.report import Report, Reported
from spatialgeo_ros.findings.catalogue import CATALOGUE
from spatialgeo_ros.findings.finding import Level
from spatialgeo_ros.node.conversions import depth_to_image, rgb_to_image

MOUNT = [0.0, 0.0, 0.9, 0.0, 0.0, 0.0]


@dataclass(frozen=True)
class Fault:
    """A fault of one camera, and what the finding's advice means for it.

    Attributes:
        id: Of the finding.
        seed: What is wrong (see ``faulty_robot.Camera``).
        words: That finding or cure have to say.
        mend: What the publisher changes in ``seed``; None takes away all of it.
        forget: Topics that the publisher gives up.
        parameter: Name (without the camera's) and value of the parameter that the advice is
            about; "advised" takes the value out of the text; "settings" all that the finding has.
        values: Of the camera's parameters, from the start.
    """

    id: str
    seed: Mapping[str, Any]
    words: str
    mend: Mapping[str, Any] | None = None
    forget: tuple[str, ...] = ()
    parameter: tuple[str, Any] | str = ""
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def needs_depth(self) -> bool:
        return self.id.startswith("depth")


def _jpeg() -> bytes:
    return cv2.imencode(".jpg", scene_rgb())[1].tobytes()


def _packed_depth() -> bytes:
    return b"\0" * 12 + cv2.imencode(".png", scene_depth())[1].tobytes()


def _millimetres_as_metres() -> Image:
    return depth_to_image(a_room()[1].astype(np.float32), Header())


def _some_of_30_hz() -> Callable[[int, int], int]:
    """Stamps of a stream of 30 Hz of which two neighbours come, and then ten are missing."""
    period, last = 33_333_333, 0

    def stamp(now: int, number: int) -> int:
        nonlocal last
        last = last + period if number % 2 else now // period * period
        return last

    return stamp


def _of_encoding(encoding: str) -> Image:
    image = rgb_to_image(a_room()[0], Header())
    image.encoding = encoding
    return image


FAULTS = {
    "moved": Fault(
        "image-missing",
        {"image_topic": "color/image"},
        "set moved.image_topic",
        parameter=("image_topic", "moved/color/image"),
    ),
    "packed": Fault(
        "image-type", {"image": "absent", "packed": _jpeg()}, "compressed", parameter="settings"
    ),
    "paused": Fault("image-silent", {"image": None}, "driver's log"),
    "garbled": Fault("image-unusable", {"image": _of_encoding("nonsense")}, "rgb8"),
    "lossy": Fault("images-lost", {"stamp": _some_of_30_hz()}, "start the publisher with the same"),
    "unstamped": Fault("stamps-zero", {"stamp": lambda now, n: 0}, "must stamp its images"),
    "still": Fault("stamps-still", {"stamp": lambda now, n: 10**18}, "stamp each image anew"),
    "hopping": Fault(
        "stamps-backwards",
        {"stamp": lambda now, n: now - (n % 3 == 0) * 400_000_000},
        "must stamp in order",
    ),
    "behind": Fault(
        "stamps-clock", {"stamp": lambda now, n: now - 10**10}, "s behind this machine"
    ),
    "ahead": Fault("stamps-clock", {"stamp": lambda now, n: now + 10**9}, "synchronise the clocks"),
    "unframed": Fault("frame-id-empty", {"frame": ""}, "must fill it"),
    "doubled": Fault("publishers-several", {"second": True}, "stop one", forget=("second",)),
    "uncalibrated": Fault(
        "camera-info-missing",
        {"info": "elsewhere"},
        "set uncalibrated.camera_info_topic",
        parameter=("camera_info_topic", "uncalibrated/calibration"),
    ),
    "mistyped": Fault(
        "camera-info-type",
        {"info": "string"},
        "set mistyped.camera_info_topic",
        parameter=("camera_info_topic", "mistyped/calibration"),
    ),
    "latched": Fault(
        "camera-info-latched", {"info": "latched"}, "transient_local", parameter="settings"
    ),
    "mute": Fault("camera-info-silent", {"info": "silent"}, "with every image"),
    "foreign": Fault("calibration-refused", {"info": "double"}, "K looks like that of 320x240"),
    "scaled": Fault("calibration-doubtful", {"info": "double size"}, "scaled to the image's"),
    "depthpacked": Fault(
        "depth-type",
        {"depth": "absent", "depth_packed": _packed_depth()},
        "compressedDepth",
        parameter="settings",
    ),
    "depthless": Fault("depth-silent", {"depth": None}, "enable the depth stream"),
    "lagging": Fault("depth-stamps", {"depth_late": 60_000_000}, "synchronise the streams"),
    "beside": Fault(
        "depth-not-registered",
        {"depth_frame": "depth_optical"},
        "depth_registered",
        parameter=("depth_registered", True),
    ),
    "nameless": Fault(
        "depth-frame-missing", {"frame": "", "depth_frame": ""}, "without a frame_id"
    ),
    "shifted": Fault("depth-misaligned", {"shift": 14}, "publish registered depth"),
    "units": Fault(
        "depth-unit",
        {"depth": _millimetres_as_metres()},
        "are they millimetres",
        parameter=("depth_scale", "advised"),
    ),
    "painted": Fault("depth-unusable", {"depth": _of_encoding("rgb8")}, "16UC1"),
    "covered": Fault(
        "depth-empty",
        {"depth": depth_to_image(np.zeros((HEIGHT, WIDTH), np.uint16), Header())},
        "emitter",
    ),
    "strings": Fault(
        "detections-type",
        {"boxes": "string"},
        "set strings.detections_topic",
        mend={"boxes": "good"},
        forget=("detections",),
    ),
    "tardy": Fault("detections-late", {"boxes": "late"}, "faster", mend={"boxes": "good"}),
    "restamped": Fault(
        "detections-stamps", {"boxes": "restamped"}, "copy its image's header", {"boxes": "good"}
    ),
    "numbers": Fault(
        "detections-labels", {"boxes": "numbers"}, "detection_labels", {"boxes": "good"}
    ),
    "shares": Fault(
        "detections-boxes", {"boxes": "shares"}, "pixels of the", mend={"boxes": "good"}
    ),
    "strict": Fault(
        "qos-incompatible",
        {},
        "does not accept",
        parameter="settings",
        values={"qos_overrides./cams/strict/image_raw.subscription.reliability": "reliable"},
    ),
}


@dataclass(frozen=True)
class RobotFault:
    """A fault of a robot with one good camera; ``mend`` does what the advice says."""

    id: str
    seed: Mapping[str, Any]
    words: str
    mend: Callable[[World, Robot], object]
    values: Mapping[str, Any] = field(default_factory=dict)


def _odometry(how: str, forget: str = "") -> Callable[[World, Robot], None]:
    def mend(world: World, robot: Robot) -> None:
        robot.faults["odometry"] = how
        if forget:
            robot.unpublish(forget)

    return mend


def _parameter(**values: Any) -> Callable[[World, Robot], None]:
    return lambda world, robot: robot.restart(**values)


def _ignoring(world: World, robot: Robot) -> None:
    robot.faults.pop("invalid", None)
    robot.restart(camera__depth_max=9.0)


def _alone(world: World, robot: Robot) -> None:
    robot.twin.destroy_node()


def _awake(world: World, robot: Robot) -> None:
    robot.faults.pop("hangs")
    robot.restart()


ODOMETRY = {"pose_source": "odometry", "camera.mount": MOUNT}
ROBOTS = {
    "nowhere": RobotFault(
        "odometry-missing",
        {"odometry": "elsewhere"},
        "set `odometry_topic`",
        _parameter(odometry_topic="wheel/odom"),
        ODOMETRY,
    ),
    "typed": RobotFault(
        "odometry-type",
        {"odometry": "string"},
        "set odometry_topic",
        _parameter(odometry_topic="wheel/odom"),
        ODOMETRY,
    ),
    "zero": RobotFault(
        "odometry-refused", {"odometry": "zero"}, "has length 0", _odometry("good"), ODOMETRY
    ),
    "childless": RobotFault(
        "odometry-frames", {"odometry": "childless"}, "child_frame_id", _odometry("good"), ODOMETRY
    ),
    "twofold": RobotFault(
        "odometry-alternates",
        {"odometry": "alternates"},
        "give each publisher a topic of its own",
        _odometry("good"),
        ODOMETRY,
    ),
    "leaping": RobotFault(
        "odometry-jumps", {"odometry": "jumps"}, "continuous", _odometry("good"), ODOMETRY
    ),
    "past": RobotFault(
        "odometry-late", {"odometry": "late"}, "compare the clocks", _odometry("good"), ODOMETRY
    ),
    "unmounted": RobotFault(
        "mount-missing",
        {"odometry": "good"},
        "set 'camera.mount'",
        _parameter(camera__mount=MOUNT),
        {"pose_source": "odometry"},
    ),
    "timeless": RobotFault(
        "clock-missing",
        {},
        "set use_sim_time to false",
        _parameter(use_sim_time=False),
        {"pose_source": "none", "use_sim_time": True},
    ),
    "wrong": RobotFault(
        "parameter-invalid",
        {"invalid": True},
        "camera.depth_max",
        _ignoring,
        {"pose_source": "none", "camera.depth_max": "far"},
    ),
    "twins": RobotFault("namesakes", {}, "namespace", _alone, {"pose_source": "none"}),
    "asleep": RobotFault(
        "node-silent", {"hangs": True}, "start it again", _awake, {"pose_source": "none"}
    ),
    "secretive": RobotFault(
        "diagnostics-missing",
        {"no diagnostics": True},
        "start the node again",
        lambda world, robot: robot.faults.clear(),
        {"pose_source": "none"},
    ),
    "flat": RobotFault(
        "depth-needed",
        {},
        "moge2_s",
        _parameter(profile="moge2_s"),
        {"pose_source": "none", "profile": "none"},
    ),
    "shared": RobotFault("namesakes-other", {}, "namespace", _alone, {"pose_source": "none"}),
    "talking": RobotFault(
        "node-reports",
        {"says": "the door is open"},
        "the door is open",
        lambda world, robot: robot.faults.clear(),
        {"pose_source": "none"},
    ),
}


def _twin(world: World, robot: Robot, name: str) -> None:
    robot.twin = world.node(name, robot.name)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        # Delays are seeded: they are judged on a machine that is busy with other tests, too.
        patch.setattr(graph, "_OVERSLEPT", 1e9)
        yield from _world()


def _world() -> Iterator[World]:
    made = World(RosClient())
    values: dict[str, Any] = {"pose_source": "none"}
    for name, fault in FAULTS.items():
        values.update(fault.values)
        if not fault.needs_depth:
            values[f"{name}.depth_topic"] = ""
    seeds = {
        name: {**({} if fault.needs_depth else {"depth": "absent"}), **fault.seed}
        for name, fault in FAULTS.items()
    }
    made.robot("cams", seeds, values=values)
    for name, fault in ROBOTS.items():
        values = {"camera.depth_topic": "", **fault.values}
        made.robot(name, {"camera": {"depth": "absent"}}, values=values, **fault.seed)
    _twin(made, made.robots["twins"], "spatialgeo")
    _twin(made, made.robots["shared"], "driver_shared")
    made.start()
    try:
        yield made
    finally:
        made.stop()
        made.ros.close()


def found(report: Report, subject: str, id: str) -> Reported | None:
    """The finding of this name about a part or about the node that it belongs to."""
    return next(
        (one for one in report.found if one.finding.id == id and one.subject.startswith(subject)),
        None,
    )


def examined(world: World, done: Callable[[Report], bool]) -> Report:
    """Examine until it is as expected: a busy machine may need longer than one look."""
    for seconds in (3.0, 5.0, 8.0):
        report = examine(Options(seconds=seconds, machine=False), longest=60.0)
        if done(report):
            break
    return report


EXPECTED = [(f"/cams/spatialgeo camera {name}", fault) for name, fault in FAULTS.items()]
EXPECTED += [
    ("graph" if fault.id == "namesakes-other" else f"/{name}/spatialgeo", fault)
    for name, fault in ROBOTS.items()
]


@pytest.fixture(scope="module")
def before(world: World) -> Report:
    return examined(
        world, lambda report: all(found(report, subject, fault.id) for subject, fault in EXPECTED)
    )


def _mend_camera(robot: Robot, camera: Camera, fault: Fault, report: Report) -> dict[str, Any]:
    """Do what the finding advises; returns the parameters that the node shall have."""
    one = found(report, f"{robot.full_name} camera {camera.name}", fault.id)
    if one is None:
        return {}
    if fault.parameter == "settings":
        return dict(one.finding.settings)
    if fault.parameter:
        name, value = fault.parameter
        if value == "advised":
            value = float(re.search(rf"set {name} to ([0-9.e-]+)", one.finding)[1])
        return {f"{camera.name}.{name}": value}
    depth = {} if fault.needs_depth else {"depth": "absent"}
    camera.mend({**depth, **(fault.mend or {})}, fault.forget)
    return {}


@pytest.fixture(scope="module")
def after(world: World, before: Report) -> Report:
    robot = world.robots["cams"]

    def mend() -> None:
        values: dict[str, Any] = {}
        for name, fault in FAULTS.items():
            values.update(_mend_camera(robot, robot.cameras[name], fault, before))
        robot.values.update(values)
        robot.restart()
        for name, fault in ROBOTS.items():
            fault.mend(world, world.robots[name])

    world.change(mend)
    return examined(world, lambda report: not report.ids())


@pytest.mark.parametrize(("subject", "fault"), EXPECTED, ids=[s for s, _ in EXPECTED])
def test_the_fault_is_found_and_its_advice_cures_it(before, after, subject, fault):
    one = found(before, subject, fault.id)
    assert one is not None, [(o.subject, o.finding.id) for o in before.found]
    assert one.level > Level.OK
    assert fault.words in f"{one.finding} {one.cure}"
    left = [(o.finding.id, o.finding) for o in after.found if o.subject.startswith(subject)]
    assert not [id for id, _ in left if CATALOGUE[id].level > Level.OK], left


def test_enough_faults_are_seeded():
    assert len({fault.id for _, fault in EXPECTED}) >= 40
