# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The node's two lanes as one: made, started, paused and stopped together."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.node.geometry_lane import GeometryLane
from spatialgeo_ros.node.lane import LaneStatistics
from spatialgeo_ros.node.language_lane import LanguageLane
from spatialgeo_ros.node.request import Request
from spatialgeo_ros.node.schedule import FrameSource


class Lanes:
    """A geometry lane that never waits for a language model, and a language lane."""

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
    ) -> None:
        """Make both lanes; see :class:`GeometryLane` and :class:`LaneStatistics`."""
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
        )

    def start(self) -> None:
        """Start both threads, paused."""
        self.language.start()
        self.geometry.start()

    def resume(self) -> None:
        """Begin to take requests and frames."""
        self.language.resume()
        self.geometry.resume()

    def pause(self) -> None:
        """End every request with NOT_ACTIVE, and return when nothing runs."""
        self.geometry.pause()
        self.language.pause()

    def stop(self) -> None:
        """End both threads."""
        self.geometry.stop()
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
