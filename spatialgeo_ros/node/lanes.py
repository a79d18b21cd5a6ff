# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's lanes as one: made, started, paused and stopped together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from spatialgeo_ros.grounding.grounder import Grounder
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.node.geometry_lane import GeometryLane
from spatialgeo_ros.node.grounding_lane import GroundingLane
from spatialgeo_ros.node.lane import LaneStatistics
from spatialgeo_ros.node.language_lane import LanguageLane
from spatialgeo_ros.node.look import Look
from spatialgeo_ros.node.request import Request
from spatialgeo_ros.node.schedule import FrameSource


class Lanes:
    """A geometry lane that never waits for long, a language lane, and one for a detector."""

    def __init__(
        self,
        perception: Any,
        cameras: Mapping[str, FrameSource],
        assemble: Callable[[str, Any], Frame],
        on_observation: Callable[[Any, Any, Callable[[], Any]], None],
        process_rate: Callable[[], float],
        queue_size: int,
        logger: logging.Logger | Any,
        publish: Callable[[Mapping[str, float]], None] = lambda latencies: None,
        grounder: Grounder | None = None,
        on_look: Callable[[Any, Look], None] = lambda perception, look: None,
    ) -> None:
        """Make the lanes; see :class:`GeometryLane` and :class:`LaneStatistics`.

        Args:
            perception: The facade.
            cameras: Frame sources by camera name.
            assemble: Decodes a raw frame.
            on_observation: Called with each observation.
            process_rate: Most frames per second and camera.
            queue_size: Requests that may wait while one is served.
            logger: Takes errors.
            publish: Takes latencies.
            grounder: The detector, which then runs on a lane of its own; None for none.
            on_look: Called with each look of the detector that is not a request's.
        """
        self.statistics = LaneStatistics(publish)
        self.language = LanguageLane("language", queue_size, self.statistics, logger)
        self.geometry = GeometryLane(
            perception,
            cameras,
            assemble,
            on_observation,
            process_rate,
            queue_size,
            self.language,
            self.statistics,
            logger,
            on_look,
        )
        self.grounding: GroundingLane | None = None
        if grounder is not None:
            self.grounding = GroundingLane(
                grounder, self.geometry.on_looked, self.statistics, logger
            )
            self.geometry.grounding = self.grounding

    def start(self) -> None:
        """Start the threads, paused."""
        if self.grounding is not None:
            self.grounding.start()
        self.language.start()
        self.geometry.start()

    def resume(self) -> None:
        """Begin to take requests and frames."""
        if self.grounding is not None:
            self.grounding.resume()
        self.language.resume()
        self.geometry.resume()

    def pause(self) -> None:
        """End every request with NOT_ACTIVE, and return when nothing runs."""
        self.geometry.pause()
        if self.grounding is not None:
            self.grounding.pause()
        self.language.pause()

    def stop(self) -> None:
        """End the threads."""
        self.geometry.stop()
        if self.grounding is not None:
            self.grounding.stop()
        self.language.stop()

    def submit(self, request: Request) -> None:
        """Queue a request; see :meth:`GeometryLane.submit`."""
        self.geometry.submit(request)

    def cancel(self, request: Request) -> None:
        """Give a request up, whichever lane it is in."""
        self.geometry.cancel(request)
        self.language.cancel(request)

    def notify(self) -> None:
        """Say that a camera may have a new frame."""
        self.geometry.notify()

    def reset(self) -> None:
        """Forget everything from before a time jump."""
        self.geometry.reset()

    @property
    def description(self) -> dict[str, Any]:
        """Facts about the perception, for diagnostics."""
        return self.geometry.description
