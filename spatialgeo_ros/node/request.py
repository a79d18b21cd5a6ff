# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a service or goal hands to the worker, and how it hears back. No ROS in here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from spatialgeo_ros.errors import SpatialGeoError


@dataclass(eq=False)
class Request:
    """One unit of work on the newest observation of ``camera``.

    ``work(perception, observation)`` runs on the worker thread. Set ``cancel`` to give up: queued
    work is dropped, and running work sees :meth:`is_cancelled` at its next token.
    """

    camera: str
    work: Callable[[Any, Any], Any]
    deadline: float
    max_age: float
    cancel: threading.Event = field(default_factory=threading.Event)
    future: Future = field(default_factory=Future)
    on_start: Callable[[], None] = lambda: None

    def is_cancelled(self) -> bool:
        """Whether the client gave up, or nobody waits any longer."""
        return self.cancel.is_set() or time.monotonic() > self.deadline

    def fail(self, error: SpatialGeoError) -> None:
        """Give whoever waits an error, unless there is a result already."""
        if not self.future.done():
            self.future.set_exception(error)
