# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The services and the action: check the request, queue it for the lanes, wait, fill the response.

They exist in every lifecycle state, so that a client of a node that is not active gets the error
NOT_ACTIVE instead of silence; for the same reason goals are accepted and then aborted with an error
code, where a rejection could not say why.
"""

from __future__ import annotations

from typing import Any, Protocol

from rclpy.action import ActionServer, CancelResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.node import Node

from spatialgeo_ros.action import AskSpatial as AskSpatialAction
from spatialgeo_ros.answer.all_cameras import begin_on_any
from spatialgeo_ros.errors import (
    BadRequestError,
    CancelledError,
    NotActiveError,
    SpatialGeoError,
)
from spatialgeo_ros.node.conversions import msg_to_region
from spatialgeo_ros.node.lane_client import Host as LaneHost
from spatialgeo_ros.node.lane_client import LaneClient, fill_error
from spatialgeo_ros.node.messages import (
    MOST_REGIONS,
    REQUEST,
    check_duration,
    check_region_camera,
    check_session,
    failed_answer,
    measure,
    measurement_request,
    named_in_words,
    stamps_of,
)
from spatialgeo_ros.node.outputs import Outputs
from spatialgeo_ros.node.progress import Feedback, Progress
from spatialgeo_ros.node.question_parts import Places, QuestionParts
from spatialgeo_ros.node.request import Request
from spatialgeo_ros.node.watches import Watch, WatchBoard
from spatialgeo_ros.srv import AskSpatial, MeasureDistance, WatchDistance

_MAX_QUESTION = 2000  # characters


class Host(LaneHost, Protocol):
    """What the services need of the node."""

    outputs: Outputs
    watches: WatchBoard

    def is_active(self) -> bool:
        """Whether the lifecycle state is active."""

    def age_of(self, stamp_ns: int) -> float:
        """Return the seconds since a stamp by the node's clock; NaN for a zero stamp."""


class Services:
    """``~/ask``, ``~/ask_action``, ``~/measure_distance`` and ``~/watch_distance``."""

    def __init__(self, node: Node, host: Host, client: LaneClient) -> None:
        """Create the servers on ``node`` of ``host``; ``client`` hands requests to its lanes."""
        self._host = host
        self._client = client
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

    def _on_ask(self, request: Any, response: Any) -> Any:
        with self._client.busy():
            response.answer = self._ask(request)
        return response

    def _on_goal(self, goal: ServerGoalHandle) -> Any:
        with self._client.busy():
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
        candidates = Places()  # what an ambiguous phrase may mean

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
            check_session(request.session)
            camera = self._asked_camera(request)
            for region in request.regions:
                check_region_camera(region, camera)
            regions = tuple(msg_to_region(region) for region in request.regions)

            def given_up() -> bool:
                return job.is_cancelled() or cancelled()

            def work(perception: Any, seen: Any) -> Any:
                observations = seen if isinstance(seen, tuple) else (seen,)
                looked_at.append(observations[0].frame)
                if progress is not None:
                    progress.state(Feedback.STATE_MEASURING)
                frames = self._client.target_frames()
                nonlocal candidates
                try:
                    asked, observation = begin_on_any(
                        perception,
                        question,
                        observations,
                        regions,
                        given_up,
                        recall=not request.in_view_only,
                        session=request.session,
                    )
                except SpatialGeoError as error:
                    if error.observation is not None:
                        looked_at[:] = [error.observation.frame]
                    if error.snapshot is not None:
                        candidates = Places.of(
                            frames, request.target_frame, error, error.observation
                        )
                    raise
                looked_at[:] = [observation.frame]
                places = Places.of(frames, request.target_frame, asked.measured, observation)
                part = QuestionParts(
                    self._host, request.question, perception, asked, observation, places, progress
                )
                return part.begin(given_up)

            job = self._client.request(camera, request.max_image_age, work, regions, by_name=True)
            if progress is not None:
                job.on_start = lambda: progress.state(Feedback.STATE_OBSERVING)
            return job

        def failed(error: SpatialGeoError) -> Any:
            return failed_answer(
                request.question,
                error,
                *looked_at[:1],
                target=candidates.target,
                objects=candidates.objects,
            )

        try:
            return self._client.wait(prepare(), cancelled)
        except SpatialGeoError as error:
            return failed(error)
        except Exception as error:
            return failed(self._client.internal(error))

    def _asked_camera(self, request: Any) -> str:
        """Return the camera that a question is about: named, that of its regions, or "" for all."""
        if request.camera or not request.regions:
            return self._client.camera(request.camera) if request.camera else ""
        named = [region.camera for region in request.regions if region.camera]
        return self._client.camera(named[0] if named else "")

    def _on_measure(self, request: Any, response: Any) -> Any:
        def prepare() -> Request:
            camera = self._client.camera(request.camera)
            wanted = measurement_request(request, camera, not request.in_view_only)

            def work(perception: Any, observation: Any) -> Any:
                frames = self._client.target_frames()
                target = frames.from_camera(request.target_frame, observation.frame)
                measurement = measure(perception, observation, wanted, REQUEST, target=target)
                self._host.outputs.publish_measurements([measurement])
                return measurement.messages

            return self._client.request(
                camera,
                request.max_image_age,
                work,
                wanted.regions,
                by_name=named_in_words(wanted.regions),
            )

        try:
            with self._client.busy():
                response.distances = self._client.wait(prepare())
        except SpatialGeoError as error:
            fill_error(response, error)
        except Exception as error:
            fill_error(response, self._client.internal(error))
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
            fill_error(response, error)
        except Exception as error:
            fill_error(response, self._client.internal(error))
        return response

    def _start_watch(self, request: Any) -> str:
        if not self._host.is_active():
            raise NotActiveError("the node is not active: activate it first")
        camera = self._client.camera(request.camera)
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
                request.target_frame,
            )
        )
        return watch_id
