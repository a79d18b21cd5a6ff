# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo's side of ROS: asks by service and action, and collects what the node publishes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.action import ActionClient
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, qos_profile_sensor_data
from sensor_msgs.msg import Image, PointCloud2

from spatialgeo_ros.action import AskSpatial as AskAction
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.msg import (
    KeyframeArray,
    SceneGroundTruth,
    SpatialAnswer,
    SpatialObjectArray,
)
from spatialgeo_ros.node.action_calls import get_result, send_goal
from spatialgeo_ros.node.clouds import cloud_arrays
from spatialgeo_ros.node.conversions import msg_to_pose, stamp_to_ns
from spatialgeo_ros.node.image_conversions import image_to_rgb
from spatialgeo_ros.node.lifecycle_publishers import LATCHED
from spatialgeo_ros.srv import AskSpatial

T = TypeVar("T")
#: Ground truth and point clouds are kept for this many frames: a minute or two.
_KEPT_FRAMES = 600
#: Of a cloud, one point in so many is kept for the map, or fewer.
_CLOUD_STEP = 5
_CALL_S = 30.0


class NodeFailedError(RuntimeError):
    """The node says that it cannot work."""


class Robot:
    """A client of the node in its own context, spinning in a background thread."""

    def __init__(self, check: Callable[[], None], image_height: int) -> None:
        """Connect.

        Args:
            check: called while waiting; raises when there is no point in waiting any longer.
            image_height: of the camera, pixels.
        """
        self._image_height = image_height
        self._check = check
        self._lock = threading.Lock()
        self.truth: OrderedDict[int, SceneGroundTruth] = OrderedDict()
        self.clouds: OrderedDict[int, npt.NDArray[np.float32]] = OrderedDict()
        self.path: list[tuple[float, float]] = []
        self.keyframes: KeyframeArray | None = None
        self.diagnostics: dict[str, dict[str, str]] = {}
        self.problems: dict[str, str] = {}
        self.objects: SpatialObjectArray | None = None
        self._clients: dict[str, Any] = {}
        self._overlays: OrderedDict[int, npt.NDArray[np.uint8]] = OrderedDict()
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        node = rclpy.create_node("spatialgeo_demo", context=self._context)
        self._node = node
        sensor = qos_profile_sensor_data
        truth = "simulated_camera/ground_truth"
        node.create_subscription(SceneGroundTruth, truth, self._on_truth, LATCHED)
        node.create_subscription(KeyframeArray, "spatialgeo/keyframes", self._on_keyframes, LATCHED)
        node.create_subscription(
            SpatialObjectArray, "spatialgeo/objects", self._on_objects, LATCHED
        )
        node.create_subscription(PointCloud2, "spatialgeo/points", self._on_cloud, sensor)
        node.create_subscription(Image, "spatialgeo/overlay", self._on_overlay, sensor)
        node.create_subscription(
            DiagnosticArray, "/diagnostics", self._on_diagnostics, QoSProfile(depth=10)
        )
        self._service = node.create_client(AskSpatial, "spatialgeo/ask")
        self._action = ActionClient(node, AskAction, "spatialgeo/ask_action")
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(node)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._spin, name="ros", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave the graph."""
        self._stopping.set()
        self._thread.join(timeout=10.0)
        self._executor.shutdown()
        self._node.destroy_node()
        self._context.try_shutdown()

    def wait(self, condition: Callable[[], T], timeout: float, what: str) -> T:
        """Return the first truthy value of ``condition()``.

        Raises:
            TimeoutError: there was none within ``timeout`` seconds.
        """
        end = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            self._check()
            if time.monotonic() > end:
                raise TimeoutError(f"waited {timeout:g} s in vain for {what}")
            self._stopping.wait(0.02)

    def wait_for_node(self, timeout: float) -> None:
        """Wait until the node offers its service.

        Raises:
            TimeoutError: it does not within ``timeout`` seconds.
        """
        self.wait(self._service.service_is_ready, timeout, "the service spatialgeo/ask")

    def first_cloud(self) -> bool:
        """Tell whether the node has published a point cloud.

        Raises:
            NodeFailedError: it could not be configured, and never will.
        """
        for message in tuple(self.problems.values()):
            if "configure failed" in message:
                raise NodeFailedError(message)
        return bool(self.clouds)

    def newest_truth(self) -> SceneGroundTruth | None:
        """Return the ground truth of the newest frame."""
        with self._lock:
            return next(reversed(self.truth.values())) if self.truth else None

    def truth_at(self, stamp_ns: int) -> SceneGroundTruth | None:
        """Return the ground truth at a frame's stamp, None when it is not kept."""
        with self._lock:
            return self.truth.get(stamp_ns)

    def camera_pose(self, stamp_ns: int) -> Pose | None:
        """Return the true world_from_camera at a frame's stamp, None when it is not kept."""
        message = self.truth_at(stamp_ns)
        return None if message is None else msg_to_pose(message.camera_poses[0])

    def forget_node(self) -> None:
        """Forget what a node published that has ended; another one takes its place."""
        with self._lock:
            self.clouds.clear()
        self.keyframes = self.objects = None
        self.diagnostics.clear()
        self.problems.clear()

    def take_away(self, name: str) -> bool:
        """Take an object out of the simulated room; return whether the simulator did."""
        value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=name)
        request = SetParameters.Request(parameters=[Parameter(name="taken_away", value=value)])
        response = self.call(SetParameters, "set_parameters", request, "simulated_camera")
        return all(result.successful for result in response.results)

    def call(self, kind: type, name: str, request: Any, node: str = "spatialgeo") -> Any:
        """Call a service of a node; return its response.

        Raises:
            TimeoutError: no response within 30 seconds.
        """
        path = f"{node}/{name}"
        if path not in self._clients:
            self._clients[path] = self._node.create_client(kind, path)
        client = self._clients[path]
        self.wait(client.service_is_ready, _CALL_S, f"the service {path}")
        future = client.call_async(request)
        self.wait(future.done, _CALL_S, f"the response of {path}")
        return future.result()

    def overlay(self, stamp_ns: int, timeout: float) -> npt.NDArray[np.uint8] | None:
        """Return the annotated image [H, W, 3] RGB of a frame, None when none comes in time."""
        try:
            self.wait(lambda: stamp_ns in self._overlays, timeout, "the overlay")
        except TimeoutError:
            return None
        return self._overlays[stamp_ns]

    def ask(
        self, question: str, timeout: float, session: str = "", in_view_only: bool = False
    ) -> SpatialAnswer:
        """Ask by the service, of all cameras.

        Args:
            question: in plain English.
            timeout: seconds.
            session: dialogue that it belongs to.
            in_view_only: whether what is out of view is refused.

        Raises:
            TimeoutError: no response within ``timeout`` seconds.
        """
        request = AskSpatial.Request(question=question, session=session, in_view_only=in_view_only)
        future = self._service.call_async(request)
        self.wait(future.done, timeout, f"the answer to {question!r}")
        return future.result().answer

    def ask_streaming(
        self, question: str, on_token: Callable[[str], None], timeout: float
    ) -> SpatialAnswer:
        """Ask what is in view by the action; ``on_token`` gets the text as it comes.

        Raises:
            TimeoutError: no result within ``timeout`` seconds, or the goal was rejected.
        """

        def feedback(message: Any) -> None:
            if message.feedback.token:
                on_token(message.feedback.token)

        self.wait(self._action.server_is_ready, timeout, "the action spatialgeo/ask_action")
        request = AskAction.Goal(question=question, in_view_only=True)
        goal = send_goal(self._executor, self._action, request, feedback)
        self.wait(goal.done, timeout, "the goal to be accepted")
        if not goal.result().accepted:
            raise TimeoutError("the node rejected the goal")
        result = get_result(self._executor, goal.result())
        self.wait(result.done, timeout, f"the answer to {question!r}")
        return result.result().result.answer

    def _spin(self) -> None:
        while not self._stopping.is_set():
            self._executor.spin_once(timeout_sec=0.05)

    def _on_truth(self, message: SceneGroundTruth) -> None:
        place = message.camera_poses[0].position
        with self._lock:
            _keep(self.truth, stamp_to_ns(message.header.stamp), message)
            self.path.append((place.x, place.y))

    def _on_keyframes(self, message: KeyframeArray) -> None:
        self.keyframes = message

    def _on_objects(self, message: SpatialObjectArray) -> None:
        self.objects = message

    def _on_cloud(self, message: PointCloud2) -> None:
        xyz, _ = cloud_arrays(message, max(1, message.width * message.height // _CLOUD_STEP))
        with self._lock:
            _keep(self.clouds, stamp_to_ns(message.header.stamp), xyz)

    def _on_overlay(self, message: Image) -> None:
        # Frames without an answer are published as they are; an answer adds a strip of text.
        if message.height > self._image_height:
            self._overlays[stamp_to_ns(message.header.stamp)] = image_to_rgb(message)

    def _on_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.diagnostics[status.name] = {pair.key: pair.value for pair in status.values}
            failed = status.level == DiagnosticStatus.ERROR
            self.problems[status.name] = status.message if failed else ""


def _keep(kept: OrderedDict[int, T], stamp_ns: int, value: T) -> None:
    kept[stamp_ns] = value
    while len(kept) > _KEPT_FRAMES:
        kept.popitem(last=False)
