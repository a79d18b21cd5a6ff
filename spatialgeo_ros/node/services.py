# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The services and the action: check the request, queue it for the lanes, wait, fill the response.

They exist in every lifecycle state, so that a client of a node that is not active gets the error
NOT_ACTIVE instead of silence; for the same reason goals are accepted and then aborted with an error
code, where a rejection could not say why.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.node import Node

from spatialgeo_ros.action import AskSpatial as AskSpatialAction
from spatialgeo_ros.errors import (
    BadRequestError,
    CancelledError,
    InternalError,
    NotActiveError,
    RequestTimeoutError,
    SpatialGeoError,
    UnknownCameraError,
)
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.node.conversions import msg_to_region
from spatialgeo_ros.node.lanes import Lanes
from spatialgeo_ros.node.messages import (
    MOST_REGIONS,
    REQUEST,
    check_duration,
    check_region_camera,
    failed_answer,
    measure,
    measurement_request,
    named_in_words,
    stamps_of,
)
from spatialgeo_ros.node.outputs import Outputs
from spatialgeo_ros.node.parameters import Config
from spatialgeo_ros.node.progress import Feedback, Progress
from spatialgeo_ros.node.question_parts import QuestionParts
from spatialgeo_ros.node.request import Request
from spatialgeo_ros.node.watches import Watch, WatchBoard
from spatialgeo_ros.srv import AskSpatial, MeasureDistance, WatchDistance

_CANCEL_POLL = 0.05  # s; running work looks itself, this is for work that waits in the queue
_MAX_QUESTION = 2000  # characters


class Host(Protocol):
    """What the services need of the node."""

    config: Config
    lanes: Lanes | None
    outputs: Outputs
    watches: WatchBoard
    loading: bool

    def is_active(self) -> bool:
        """Whether the lifecycle state is active."""

    def age_of(self, stamp_ns: int) -> float:
        """Return the seconds since a stamp by the node's clock; NaN for a zero stamp."""


class Services:
    """``~/ask``, ``~/ask_action``, ``~/measure_distance`` and ``~/watch_distance``."""

    def __init__(self, node: Node, host: Host) -> None:
        """Create the servers on ``node``; requests go to the lanes of ``host``."""
        self._host = host
        self._logger = node.get_logger()
        self._idle = threading.Condition()
        self._serving = 0
        # Waiting callbacks block a thread of the executor each. There are never more of them than
        # the two lanes admit, and spatialgeo_node.py gives the executor more threads than that.
        waiting = ReentrantCallbackGroup()
        node.create_service(AskSpatial, "~/ask", self._on_ask, callback_group=waiting)
        node.create_service(
            MeasureDistance, "~/measure_distance", self._on_measure, callback_group=waiting
        )
        node.create_service(
            WatchDistance,
            "~/watch_distance",
            self._on_watch,
            callback_group=MutuallyExclusiveCallbackGroup(),
        )
        self._action = ActionServer(
            node,
            AskSpatialAction,
            "~/ask_action",
            self._on_goal,
            callback_group=waiting,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
            result_timeout=host.config.result_timeout,
        )

    def close(self) -> None:
        """Destroy the action server; the node destroys the services."""
        self._action.destroy()

    def wait_until_idle(self, timeout: float) -> None:
        """Return when every waiting callback has ended, or after ``timeout`` seconds."""
        with self._idle:
            self._idle.wait_for(lambda: self._serving == 0, timeout)

    @contextlib.contextmanager
    def _busy(self) -> Iterator[None]:
        with self._idle:
            self._serving += 1
        try:
            yield
        finally:
            with self._idle:
                self._serving -= 1
                self._idle.notify_all()

    def _on_ask(self, request: Any, response: Any) -> Any:
        with self._busy():
            response.answer = self._ask(request)
        return response

    def _on_goal(self, goal: ServerGoalHandle) -> Any:
        with self._busy():
            return self._execute(goal)

    def _execute(self, goal: ServerGoalHandle) -> Any:
        progress = Progress(goal)
        progress.state(Feedback.STATE_QUEUED)
        result = AskSpatialAction.Result(answer=self._ask(goal.request, goal, progress))
        if result.answer.error_code == 0:
            goal.succeed()
        elif result.answer.error_code == CancelledError.code and goal.is_cancel_requested:
            goal.canceled()
        else:
            goal.abort()
        return result

    def _ask(
        self,
        request: Any,
        goal: ServerGoalHandle | None = None,
        progress: Progress | None = None,
    ) -> Any:
        looked_at: list[Any] = []  # the frame, once there is one: a failure names it too

        def cancelled() -> bool:
            return goal is not None and goal.is_cancel_requested

        def prepare() -> Request:
            question = request.question.strip()
            if not question or len(question) > _MAX_QUESTION:
                raise BadRequestError(f"the question must have 1 to {_MAX_QUESTION} characters")
            if len(request.regions) > MOST_REGIONS:
                raise BadRequestError(
                    f"{len(request.regions)} regions in one question, allowed are {MOST_REGIONS}"
                )
            camera = self._camera(request)
            for region in request.regions:
                check_region_camera(region, camera)
            regions = tuple(msg_to_region(region) for region in request.regions)

            def given_up() -> bool:
                return job.is_cancelled() or cancelled()

            def work(perception: Any, observation: Any) -> Any:
                looked_at.append(observation.frame)
                if progress is not None:
                    progress.state(Feedback.STATE_MEASURING)
                asked = perception.begin(
                    question,
                    observation,
                    regions,
                    given_up,
                    recall=not request.in_view_only,
                )
                part = QuestionParts(
                    self._host, request.question, perception, asked, observation, progress
                )
                return part.begin(given_up)

            job = self._request(camera, request.max_image_age, work, regions, by_name=True)
            if progress is not None:
                job.on_start = lambda: progress.state(Feedback.STATE_OBSERVING)
            return job

        def failed(error: SpatialGeoError) -> Any:
            return failed_answer(request.question, error, *looked_at[:1])

        try:
            return self._wait(prepare(), cancelled)
        except SpatialGeoError as error:
            return failed(error)
        except Exception as error:
            return failed(self._internal(error))

    def _on_measure(self, request: Any, response: Any) -> Any:
        def prepare() -> Request:
            camera = self._camera(request)
            wanted = measurement_request(request, camera, not request.in_view_only)

            def work(perception: Any, observation: Any) -> Any:
                measurement = measure(perception, observation, wanted, REQUEST)
                self._host.outputs.publish_measurements([measurement])
                return measurement.messages

            return self._request(
                camera,
                request.max_image_age,
                work,
                wanted.regions,
                by_name=named_in_words(wanted.regions),
            )

        try:
            with self._busy():
                response.distances = self._wait(prepare())
        except SpatialGeoError as error:
            _fill_error(response, error)
        except Exception as error:
            _fill_error(response, self._internal(error))
        return response

    def _on_watch(self, request: Any, response: Any) -> Any:
        response.watch_id = request.watch_id
        try:
            if request.command == WatchDistance.Request.STOP:
                self._host.watches.stop(request.watch_id)
                self._host.outputs.clear_markers(request.watch_id)
            elif request.command == WatchDistance.Request.START:
                response.watch_id = self._start_watch(request)
            else:
                raise BadRequestError(f"command {request.command} is neither START nor STOP")
        except SpatialGeoError as error:
            _fill_error(response, error)
        except Exception as error:
            _fill_error(response, self._internal(error))
        return response

    def _start_watch(self, request: Any) -> str:
        if not self._host.is_active():
            raise NotActiveError("the node is not active: activate it first")
        camera = self._camera(request)
        wanted = measurement_request(request, camera, request.allow_remembered)
        if stamps_of(wanted.regions):
            raise BadRequestError(
                "a standing measurement follows new images: leave the stamp of its regions zero"
            )
        watch_id = request.watch_id or self._host.watches.new_id()
        rate = check_duration(request.rate, "rate")
        self._host.watches.start(
            Watch(
                watch_id,
                camera,
                wanted.kinds,
                wanted.first,
                wanted.second,
                rate,
                wanted.recall,
            )
        )
        return watch_id

    def _camera(self, request: Any) -> str:
        names = [camera.name for camera in self._host.config.cameras]
        if request.camera and request.camera not in names:
            raise UnknownCameraError(f"no camera '{request.camera}'; there are: {', '.join(names)}")
        return request.camera or names[0]

    def _request(
        self,
        camera: str,
        max_age: float,
        work: Callable,
        regions: Iterable[Region],
        *,
        by_name: bool,
    ) -> Request:
        config = self._host.config
        return Request(
            camera,
            work,
            deadline=time.monotonic() + config.request_timeout,
            max_age=check_duration(max_age, "max_image_age") or config.max_frame_age,
            by_name=by_name,
            stamps=stamps_of(regions),
        )

    def _wait(self, job: Request, cancelled: Callable[[], bool] = lambda: False) -> Any:
        """Submit and wait, without ever waiting beyond the deadline.

        Where the measured part is known and the language model is too slow, that part is the
        answer.
        """
        lanes = self._host.lanes
        if lanes is None and self._host.loading:
            raise NotActiveError("the node is still loading its models: ask again later")
        if lanes is None:
            raise NotActiveError("the node is not active: configure and activate it first")
        lanes.submit(job)
        while True:
            remaining = job.deadline - time.monotonic()
            try:
                return job.future.result(max(0.0, min(remaining, _CANCEL_POLL)))
            except concurrent.futures.TimeoutError:
                if remaining <= 0:
                    lanes.cancel(job)
                    late = f"not answered within {self._host.config.request_timeout:g} s"
                    if job.spoken is not None and job.spoken.without is not None:
                        return job.spoken.without(f"language model: {late}")
                    raise RequestTimeoutError(
                        f"{late}: see request_timeout, or ask for less"
                    ) from None
                if cancelled():
                    lanes.cancel(job)

    def _internal(self, error: Exception) -> InternalError:
        self._logger.error(f"request failed: {error!r}", throttle_duration_sec=1.0)
        return InternalError(f"{type(error).__name__}: {error}; see the node's log")


def _fill_error(response: Any, error: SpatialGeoError) -> None:
    response.error_code = error.code
    response.error_message = str(error)
