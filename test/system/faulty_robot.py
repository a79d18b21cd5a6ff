# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Cameras and robots with one fault each, on real DDS, that can be cured while they publish."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from nav_msgs.msg import Odometry
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_profile_sensor_data
from ros_support import RosClient
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from spatialgeo_ros.srv import MeasureDistance
from std_msgs.msg import Header, String
from system.camera_driver import BOX, FOCAL, HEIGHT, WIDTH, scene_depth, scene_rgb
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from spatialgeo_ros.node import parameters
from spatialgeo_ros.node.conversions import depth_to_image, ns_to_stamp, rgb_to_image

RATE = 5.0  # Hz
LATCHED = QoSProfile(
    depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL, reliability=ReliabilityPolicy.RELIABLE
)


def a_room(shift: int = 0) -> tuple[Any, Any]:
    """An image of boxes before a wall, and its depth, moved to the right by pixels."""
    rgb, depth = scene_rgb(), scene_depth()
    for x0, y0, z, colour in ((8, 20, 1400, (20, 160, 60)), (120, 60, 1200, (40, 60, 220))):
        rgb[y0 : y0 + 40, x0 : x0 + 28] = colour
        depth[y0 : y0 + 40, x0 : x0 + 28] = z
    if shift:
        depth[:, shift:] = depth[:, :-shift].copy()
    return rgb, depth


class Camera:
    """Publishes image, calibration, depth and boxes; ``faults`` says what is wrong with them."""

    def __init__(self, node: Any, other: Any, name: str, faults: Mapping[str, Any]) -> None:
        self.name, self.faults = name, dict(faults)
        self._node, self._other = node, other
        self._publishers: dict[str, Any] = {}
        self._number = 0
        rgb, depth = a_room(self.faults.get("shift", 0))
        header = Header()
        self._rgb, self._depth = rgb_to_image(rgb, header), depth_to_image(depth, header)

    def _publish(self, kind: type, topic: str, message: Any, qos: Any = None) -> None:
        if topic not in self._publishers:
            self._publishers[topic] = self._node.create_publisher(
                kind, f"{self.name}/{topic}", qos or qos_profile_sensor_data
            )
        if message is not None:
            self._publishers[topic].publish(message)

    def _header(self, stamp: int, frame: str = "optical") -> Header:
        return Header(stamp=ns_to_stamp(stamp), frame_id=frame and f"{self.name}_{frame}")

    def publish(self) -> None:
        """Publish one frame."""
        faults, now = self.faults, time.time_ns()
        self._number += 1
        self._frame(faults["stamp"](now, self._number) if "stamp" in faults else now)

    def _frame(self, stamp: int) -> None:
        faults = self.faults
        header = self._header(stamp, faults.get("frame", "optical"))
        image = faults.get("image", self._rgb)
        if image is not None and not isinstance(image, str):
            image.header = header
        if image != "absent":
            topic = faults.get("image_topic", "image_raw")
            self._publish(type(self._rgb), topic, image)
        if "packed" in faults:
            packed = CompressedImage(header=header, format="jpeg", data=faults["packed"])
            self._publish(CompressedImage, "image_raw/compressed", packed)
        if "second" in faults and "second" not in self._publishers:
            self._publishers["second"] = self._other.create_publisher(
                Image, f"{self.name}/image_raw", qos_profile_sensor_data
            )
        self._info(header)
        depth = faults.get("depth", self._depth)
        if depth is not None and not isinstance(depth, str):
            depth.header = self._header(
                stamp + faults.get("depth_late", 0), faults.get("depth_frame", "optical")
            )
        if depth != "absent":
            self._publish(Image, "depth/image_raw", depth)
        if "depth_packed" in faults:
            packed = CompressedImage(
                header=header, format="16UC1; compressedDepth png", data=faults["depth_packed"]
            )
            self._publish(CompressedImage, "depth/image_raw/compressedDepth", packed)
        self._boxes(stamp)

    def _info(self, header: Header) -> None:
        faults = self.faults
        kind = faults.get("info", "good")
        scale = 2 if kind in ("double", "double size") else 1
        size = (WIDTH * scale, HEIGHT * scale) if kind == "double size" else (WIDTH, HEIGHT)
        middle = (WIDTH * scale - 1) / 2, (HEIGHT * scale - 1) / 2
        focal = FOCAL * scale
        k = [focal, 0.0, middle[0], 0.0, focal, middle[1], 0.0, 0.0, 1.0]
        info = CameraInfo(header=header, width=size[0], height=size[1], k=k)
        info.distortion_model, info.d = "plumb_bob", [0.0] * 5
        if kind == "latched":
            if "latched" not in self._publishers:
                self._publishers["latched"] = self._node.create_publisher(
                    CameraInfo, f"{self.name}/camera_info", LATCHED
                )
                self._publishers["latched"].publish(info)
            return
        if kind == "string":
            self._publish(String, "camera_info", String())
            self._publish(CameraInfo, "calibration", info)
            return
        topic = "calibration" if kind == "elsewhere" else "camera_info"
        self._publish(CameraInfo, topic, None if kind == "silent" else info)

    def _boxes(self, stamp: int) -> None:
        faults = self.faults
        if "boxes" not in faults:
            return
        if faults["boxes"] == "string":
            self._publish(String, "detections", String())
            return
        if faults["boxes"] == "late":
            stamp -= 2_500_000_000
        elif faults["boxes"] == "restamped":
            stamp += 50_000_000
        message = Detection2DArray(header=self._header(stamp))
        scale = 1 / WIDTH if faults["boxes"] == "shares" else 1.0
        detection = Detection2D(header=message.header)
        detection.bbox.center.position.x = scale * (BOX[0] + BOX[2]) / 2
        detection.bbox.center.position.y = scale * (BOX[1] + BOX[3]) / 2
        detection.bbox.size_x = scale * (BOX[2] - BOX[0])
        detection.bbox.size_y = scale * (BOX[3] - BOX[1])
        label = "56" if faults["boxes"] == "numbers" else "box"
        result = ObjectHypothesisWithPose()
        result.hypothesis.class_id, result.hypothesis.score = label, 0.9
        detection.results = [result]
        message.detections = [detection]
        self._publish(Detection2DArray, "detections", message)

    def mend(self, faults: Mapping[str, Any], forget: tuple[str, ...]) -> None:
        """Publish with other faults, or none."""
        self.faults = dict(faults)
        self._depth = depth_to_image(a_room(self.faults.get("shift", 0))[1], Header())
        for topic in forget:
            self.forget(topic)

    def forget(self, topic: str) -> None:
        """Stop to publish a topic; "second" is the other publisher of the images."""
        node = self._other if topic == "second" else self._node
        node.destroy_publisher(self._publishers.pop(topic))


class Robot:
    """Odometry, and what stands for a spatialgeo node: its parameters, service and diagnostics."""

    def __init__(
        self,
        world: World,
        name: str,
        cameras: Mapping[str, Mapping[str, Any]],
        faults: Mapping[str, Any],
        values: Mapping[str, Any],
    ) -> None:
        self.name, self.faults = name, dict(faults)
        self._world, self._number = world, 0
        self.driver = world.node(f"driver_{name}", name)
        other = world.node(f"other_{name}", name)
        self.cameras = {k: Camera(self.driver, other, k, what) for k, what in cameras.items()}
        self._others: dict[str, Any] = {}
        self.values = {"cameras": list(cameras), "profile": "moge2_s", **values}
        self.node: Any = None
        self.restart()

    @property
    def full_name(self) -> str:
        return f"/{self.name}/spatialgeo"

    def restart(self, **values: Any) -> None:
        """Start the node again with other parameters."""
        if self.node is not None:
            self._world.remove(self.node)
        self.values.update({key.replace("__", "."): value for key, value in values.items()})
        self.node = self._world.node(
            "spatialgeo",
            self.name,
            parameter_overrides=[Parameter(k, value=v) for k, v in self.values.items()],
            automatically_declare_parameters_from_overrides=True,
        )
        if "invalid" not in self.faults:
            parameters.declare(self.node)
        self.node.create_service(
            MeasureDistance, "~/measure_distance", lambda _, response: response
        )
        self._diagnostics = self.node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        for camera, topic in self.faults.get("reliable", ()):
            self.node.create_subscription(
                Image, f"{camera}/{topic}", lambda _: None, QoSProfile(depth=1)
            )
        if not self.faults.get("hangs"):
            self._world.add(self.node)

    def publish(self) -> None:
        """Publish what comes at once from all cameras, odometry and diagnostics."""
        self._number += 1
        for camera in self.cameras.values():
            camera.publish()
        if "no diagnostics" not in self.faults and self._number % 3 == 0:
            level = DiagnosticStatus.WARN if "says" in self.faults else DiagnosticStatus.OK
            text = self.faults.get("says", "ok")
            status = DiagnosticStatus(
                level=level, name=f"{self.full_name}: perception", message=text
            )
            self._diagnostics.publish(DiagnosticArray(status=[status]))
        self._odometry()

    def _other(self, kind: type, topic: str) -> Any:
        if topic not in self._others:
            self._others[topic] = self.driver.create_publisher(kind, topic, 10)
        return self._others[topic]

    def _odometry(self) -> None:
        fault = self.faults.get("odometry", "absent")
        if fault == "absent":
            return
        if fault == "string":
            self._other(String, "odom").publish(String())
            fault = "elsewhere"
        publisher = self._other(Odometry, "wheel/odom" if fault == "elsewhere" else "odom")
        if fault == "slow" and self._number % 6:
            return
        late = 3_000_000_000 if fault == "late" else 0
        for ahead in (-50_000_000, 20_000_000):
            message = Odometry()
            stamp = ns_to_stamp(time.time_ns() + ahead - late)
            message.header = Header(stamp=stamp, frame_id="odom")
            message.child_frame_id = "" if fault == "childless" else "base_link"
            message.pose.pose.orientation.w = 0.0 if fault == "zero" else 1.0
            if fault == "jumps" and self._number % 4 < 2:
                message.pose.pose.position.x = 2.0
            if fault == "alternates" and ahead > 0:
                message.header.frame_id = "map"
            publisher.publish(message)

    def unpublish(self, topic: str) -> None:
        """Stop to publish odometry under a name."""
        self.driver.destroy_publisher(self._others.pop(topic))


class World:
    """Many robots on one graph, published from one thread and answered by another."""

    def __init__(self, ros: RosClient) -> None:
        self.ros = ros
        self.robots: dict[str, Robot] = {}
        self._nodes: list[Any] = []
        self._executor = SingleThreadedExecutor(context=ros.context)
        self._lock, self._answering = threading.RLock(), threading.RLock()
        self._stop = threading.Event()
        self.error: BaseException | None = None
        self._threads = [
            threading.Thread(target=run, daemon=True) for run in (self._run, self._answer)
        ]

    def robot(self, name: str, cameras: Mapping[str, Any], **rest: Any) -> Robot:
        """Add a robot."""
        values = rest.pop("values", {})
        self.robots[name] = Robot(self, name, cameras, rest, values)
        return self.robots[name]

    def node(self, name: str, namespace: str, **options: Any) -> Any:
        """Return a new node on this graph, that leaves it when the world stops."""
        context = self.ros.context
        self._nodes.append(rclpy.create_node(name, namespace=namespace, context=context, **options))
        return self._nodes[-1]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=10.0)
        self._executor.shutdown()
        for node in self._nodes:  # the end of their context leaves them on the graph
            node.destroy_node()
        assert self.error is None, self.error

    def change(self, what: Callable[[], object]) -> None:
        """Do something between two rounds of messages."""
        with self._lock, self._answering:
            what()

    def add(self, node: Any) -> None:
        self._executor.add_node(node)

    def remove(self, node: Any) -> None:
        self._executor.remove_node(node)
        self._nodes.remove(node)
        node.destroy_node()

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                start = time.monotonic()
                with self._lock:
                    for robot in self.robots.values():
                        robot.publish()
                self._stop.wait(max(0.01, 1 / RATE - (time.monotonic() - start)))
        except BaseException as error:
            self.error = error

    def _answer(self) -> None:
        while not self._stop.is_set():
            with self._answering:
                self._executor.spin_once(timeout_sec=0.02)
            time.sleep(0.002)  # so that a change gets its turn
