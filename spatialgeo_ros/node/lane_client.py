# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What services and the action share: hand a request to the lanes, wait for it, report failures."""

from __future__ import annotations

import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from spatialgeo_ros.errors import (
    InternalError,
    NotActiveError,
    RequestTimeoutError,
    SpatialGeoError,
    UnknownCameraError,
)
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.node.lanes import Lanes
from spatialgeo_ros.node.messages import check_duration, stamps_of
from spatialgeo_ros.node.parameters import Config
from spatialgeo_ros.node.request import Request
from spatialgeo_ros.node.target_frames import TargetFrames

_CANCEL_POLL = 0.05  # s; running work looks itself, this is for work that waits in the queue


class Host(Protocol):
    """What requests need of the node."""

    config: Config
    lanes: Lanes | None
    target_frames: TargetFrames | None
    loading: bool


class LaneClient:
    """Hands requests to the lanes of the node and waits, never beyond a request's deadline."""

    def __init__(self, host: Host, logger: Any) -> None:
        """Serve ``host``; defects are logged to ``logger``."""
        self._host = host
        self._logger = logger
        self._idle = threading.Condition()
        self._serving = 0

    def wait_until_idle(self, timeout: float) -> None:
        """Return when every waiting callback has ended, or after ``timeout`` seconds."""
        with self._idle:
            self._idle.wait_for(lambda: self._serving == 0, timeout)

    @contextlib.contextmanager
    def busy(self) -> Iterator[None]:
        """Count a callback that may wait."""
        with self._idle:
            self._serving += 1
        try:
            yield
        finally:
            with self._idle:
                self._serving -= 1
                self._idle.notify_all()

    def camera(self, name: str) -> str:
        """Return the camera of a request, the first where it names none.

        Raises:
            UnknownCameraError: There is none of this name.
        """
        names = [camera.name for camera in self._host.config.cameras]
        if name and name not in names:
            raise UnknownCameraError(f"no camera '{name}'; there are: {', '.join(names)}")
        return name or names[0]

    def target_frames(self) -> TargetFrames:
        """Return what knows the frames that requests name; for work on the geometry lane.

        Raises:
            NotActiveError: The node is being cleaned up.
        """
        frames = self._host.target_frames
        if frames is None:
            raise NotActiveError("the node was deactivated")
        return frames

    def request(
        self,
        camera: str,
        max_age: float,
        work: Callable[[Any, Any], Any],
        regions: Iterable[Region] = (),
        *,
        by_name: bool = False,
        needs_image: bool = True,
    ) -> Request:
        """Make a request; see :class:`Request`.

        Args:
            camera: Whose image is asked about; "" for all of them.
            max_age: Seconds that the image may have been there for; 0 for the node's parameter.
            work: What to do on the geometry lane.
            regions: Of the request.
            by_name: Whether things are named in words.
            needs_image: Whether it fails while there is none.

        Raises:
            BadRequestError: ``max_age`` is no time.
        """
        config = self._host.config
        return Request(
            camera,
            work,
            deadline=time.monotonic() + config.request_timeout,
            max_age=check_duration(max_age, "max_image_age") or config.max_frame_age,
            by_name=by_name,
            stamps=stamps_of(regions),
            needs_image=needs_image,
        )

    def wait(self, job: Request, cancelled: Callable[[], bool] = lambda: False) -> Any:
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
        try:
            while True:
                remaining = job.deadline - time.monotonic()
                try:
                    return job.future.result(max(0.0, min(remaining, _CANCEL_POLL)))
                except concurrent.futures.TimeoutError:
                    if remaining <= 0:
                        return self._late(job, lanes)
                    if cancelled():
                        lanes.cancel(job)
        finally:
            del job  # an error's traceback would hold it, and it holds the error

    def _late(self, job: Request, lanes: Lanes) -> Any:
        """Give a request up; return what is known of it.

        Raises:
            RequestTimeoutError: Nothing is.
        """
        spoken = job.spoken  # a request that is given up has none
        lanes.cancel(job)
        late = f"not answered within {self._host.config.request_timeout:g} s"
        if spoken is not None and spoken.without is not None:
            return spoken.without(f"language model: {late}")
        raise RequestTimeoutError(f"{late}: see request_timeout, or ask for less") from None

    def internal(self, error: Exception) -> InternalError:
        """Log a defect and return it as the error of a response."""
        self._logger.error(f"request failed: {error!r}", throttle_duration_sec=1.0)
        return InternalError(f"{type(error).__name__}: {error}; see the node's log")


def fill_error(response: Any, error: SpatialGeoError) -> None:
    """Say in a response why it failed."""
    response.error_code = error.code
    response.error_message = str(error)
