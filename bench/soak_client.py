# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The client of the soak: two standing measurements, requests at a rate, and what came of them."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import rclpy
from lifecycle_msgs.srv import ChangeState
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from spatialgeo_ros.msg import DistanceEstimate, ErrorCode, Region
from spatialgeo_ros.srv import AskSpatial, MeasureDistance, WatchDistance
from std_msgs.msg import Float64

from bench.soak_parts import CRATE_DISTANCE, crate_box
from spatialgeo_ros.node.receiver import Receiver

UNANSWERED = -1  # in place of an error code
_GIVEN_UP = 10.0  # s
_NEAR_ENOUGH = 0.05  # m, or three standard deviations


@dataclass(frozen=True)
class Reply:
    """What came of one request; ``sent`` in monotonic seconds."""

    name: str
    sent: float
    seconds: float
    code: int
    text: str


class Client:
    """Asks, and listens to what the node publishes; a thread of its own spins.

    Attributes:
        replies: to requests.
        watched: monotonic seconds of the valid results of each watch.
        waits: of frames for the lane, (monotonic seconds, seconds), from the middleware's receiving
            the last of image and depth.
        ages: of frames when the node was done with them, by their stamp, likewise.
        wrong: valid distances that are not those of the scene, in words.
    """

    def __init__(self, cameras: tuple[str, ...], width: int, watch_rate: float) -> None:
        """Join the graph; :meth:`start_watches` and :meth:`ask_for` do the rest."""
        self.cameras, self._watch_rate = cameras, watch_rate
        x0, y0, x1, y1 = crate_box(width, width * 9 // 16)
        self._box = Region(
            type=Region.TYPE_BOX, label="crate",
            x_min=x0 - 5.0, y_min=y0 - 5.0, x_max=x1 + 5.0, y_max=y1 + 5.0,
        )  # fmt: skip
        self.replies: list[Reply] = []
        self.watched: dict[str, list[float]] = {name: [] for name in cameras}
        self.waits: list[tuple[float, float]] = []
        self.ages: list[tuple[float, float]] = []
        self.wrong: list[str] = []
        self._numbers = itertools.count()
        self._pending: dict[int, tuple[str, float]] = {}
        rclpy.init()
        self._node = rclpy.create_node("soak_client")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._kinds = {
            "ask": AskSpatial,
            "measure_distance": MeasureDistance,
            "watch_distance": WatchDistance,
            "change_state": ChangeState,
            "set_parameters": SetParameters,
        }
        self._clients = {
            name: self._node.create_client(kind, f"spatialgeo/{name}")
            for name, kind in self._kinds.items()
        }
        self._receiver = Receiver(self._node)
        for kind, topic, take in (
            (DistanceEstimate, "distances", self._on_distance),
            (Float64, "latency/waiting", _into(self.waits)),
            (Float64, "latency/stamp_to_processed", _into(self.ages)),
        ):
            self._receiver.subscribe(kind, f"spatialgeo/{topic}", take, QoSProfile(depth=50))
        self._spinning = threading.Thread(target=self._executor.spin, daemon=True)
        self._spinning.start()

    def close(self) -> None:
        """Leave the graph."""
        self._receiver.close()
        self._executor.shutdown()
        self._spinning.join(5.0)
        self._node.destroy_node()
        rclpy.try_shutdown()

    def wait_until_measured(self, limit: float) -> None:
        """Return when every camera's crate is measured.

        Raises:
            SystemExit: It is not within ``limit`` seconds.
        """
        end = time.monotonic() + limit
        for name in self.cameras:
            while (reply := self.call("measure_distance", **self._measure(name))) is None or (
                reply.error_code != ErrorCode.OK or not reply.distances[0].valid
            ):
                if time.monotonic() > end:
                    told = "no response" if reply is None else reply.error_message
                    raise SystemExit(f"the node does not measure: {told}")
                time.sleep(0.2)

    def call(self, service: str, **fields: Any) -> Any | None:
        """Call a service and wait for its response, None when none comes."""
        replies: list[Any] = []
        done = threading.Event()
        self._call(service, fields, lambda response: (replies.append(response), done.set()))
        return replies[0] if done.wait(_GIVEN_UP) else None

    def change(self, *transitions: str) -> list[bool]:
        """Send the node through lifecycle transitions; tell which succeeded."""
        succeeded = []
        for label in transitions:
            request = ChangeState.Request()
            request.transition.label = label
            response = self.call("change_state", transition=request.transition)
            succeeded.append(response is not None and response.success)
        return succeeded

    def set(self, **values: Any) -> list[bool]:
        """Set parameters of the node; tell which were taken."""
        parameters = [Parameter(k, value=v).to_parameter_msg() for k, v in values.items()]
        response = self.call("set_parameters", parameters=parameters)
        return [] if response is None else [one.successful for one in response.results]

    def start_watches(self) -> None:
        """Begin a standing measurement of each camera's crate.

        Raises:
            SystemExit: The node refuses one.
        """
        for name in self.cameras:
            request = {"watch_id": name, "rate": self._watch_rate, **self._measure(name)}
            response = self.call("watch_distance", **request)
            if response is None or response.error_code:
                told = "no response" if response is None else response.error_message
                raise SystemExit(f"the node does not watch: {told}")

    def ask_for(self, seconds: float, rate: float, meanwhile: Callable[[], None]) -> None:
        """Send requests at a rate, whatever becomes of them; call ``meanwhile`` between them."""
        start = time.monotonic()
        turns = itertools.cycle(self._requests())
        for number in itertools.count():
            due = start + number / rate
            if due > start + seconds:
                break
            while (left := due - time.monotonic()) > 0:
                time.sleep(min(left, 0.05))
                meanwhile()
            name, service, fields = next(turns)
            self._ask(name, service, fields)
        time.sleep(1.0)  # the last ones

    def settle(self) -> None:
        """Note what was never answered; call it at the end."""
        now = time.monotonic()
        for name, sent in self._pending.values():
            self.replies.append(Reply(name, sent, now - sent, UNANSWERED, "no response"))

    def _ask(self, name: str, service: str, fields: dict[str, Any]) -> None:
        sent, key = time.monotonic(), next(self._numbers)
        self._pending[key] = (name, sent)

        def take(response: Any) -> None:
            del self._pending[key]
            answer = getattr(response, "answer", response)
            seconds = time.monotonic() - sent
            self.replies.append(Reply(name, sent, seconds, answer.error_code, answer.error_message))
            if not answer.error_code:
                for estimate in answer.distances:
                    self._judge(estimate)

        self._call(service, fields, take)

    def _call(self, service: str, fields: dict[str, Any], take: Callable[[Any], Any]) -> None:
        """Send a request in the thread that spins, which then passes the response on."""

        def send() -> None:
            future = self._clients[service].call_async(self._kinds[service].Request(**fields))
            future.add_done_callback(lambda done: take(done.result()))

        self._executor.create_task(send)

    def _measure(self, camera: str) -> dict[str, Any]:
        return {"camera": camera, "from_region": self._box}

    def _requests(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return name, service and fields of the requests that are sent in turn."""
        question = "How far away is the crate?"
        return [
            *(
                (f"measure {name}", "measure_distance", self._measure(name))
                for name in self.cameras
            ),
            *(
                (f"ask {name}", "ask", {
                    "question": question, "camera": name, "regions": [self._box],
                }) for name in self.cameras
            ),
            ("absent", "measure_distance", {
                "camera": self.cameras[0], "from_region": Region(label="the green piano"),
            }),
            ("unknown camera", "ask", {"question": question, "camera": "nosuch"}),
        ]  # fmt: skip

    def _on_distance(self, estimate: Any, _: int) -> None:
        if estimate.watch_id in self.watched and estimate.valid:
            self.watched[estimate.watch_id].append(time.monotonic())
            self._judge(estimate)

    def _judge(self, estimate: Any) -> None:
        """Note a valid distance to the crate that is none."""
        if not estimate.valid or estimate.kind != DistanceEstimate.KIND_CAMERA_TO_OBJECT:
            return
        off = abs(estimate.distance - CRATE_DISTANCE)
        spread = estimate.std_dev if math.isfinite(estimate.std_dev) else 0.0
        if not off <= max(_NEAR_ENOUGH, 3 * spread):
            self.wrong.append(f"{estimate.distance:.2f} +- {spread:.2f} m ({estimate.camera})")


def _into(values: list[tuple[float, float]]) -> Callable[[Any, int], None]:
    return lambda message, _: values.append((time.monotonic(), message.data))
