# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a service or goal hands to the lanes, and how it hears back. No ROS in here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any

from spatialgeo_ros.errors import CancelledError, SpatialGeoError
from spatialgeo_ros.node.look import Look


@dataclass(frozen=True, eq=False)
class Spoken:
    """What is left of a request when its measured part is known: the language model's part.

    Attributes:
        speak: runs on the language lane and returns the result.
        without: returns the result without the language model, given the reason; None where
            nothing was measured.
    """

    speak: Callable[[], Any]
    without: Callable[[str], Any] | None


@dataclass(eq=False)
class Request:
    """One unit of work on an observation of ``camera``, or on those of all cameras.

    ``work(perception, observation)`` runs on the geometry lane and returns the result, or a
    :class:`Spoken` that the language lane goes on with. Where ``camera`` is "", it gets a tuple of
    the newest usable observations of all cameras, in the configured order. Set ``cancel`` to give
    up: queued work is dropped, and running work sees :meth:`is_cancelled` at its next look.

    Attributes:
        camera: whose image is asked about; "" for all.
        work: see above.
        deadline: monotonic seconds after which nobody waits any longer.
        max_age: seconds that the image may have been there for.
        by_name: whether objects are named in words, so that boxes of a detector are of use.
        stamps: of the images that regions of the request were drawn on, nanoseconds.
        needs_image: whether a request to all cameras fails while none of them has an image.
        created: monotonic seconds.
        spoken: the language model's part, once the measured one is known, until the request ends.
        look: the detector's that it waits for; None for none.
        seen: the observations that it is about, once it has waited: the same as before.
    """

    camera: str
    work: Callable[[Any, Any], Any]
    deadline: float
    max_age: float
    by_name: bool = False
    stamps: tuple[int, ...] = ()
    needs_image: bool = True
    created: float = field(default_factory=time.monotonic)
    cancel: threading.Event = field(default_factory=threading.Event)
    future: Future = field(default_factory=Future)
    on_start: Callable[[], None] = lambda: None
    spoken: Spoken | None = None
    look: Look | None = None
    seen: Any = None

    @property
    def waits(self) -> bool:
        """Whether a detector is still looking for what it names."""
        return self.look is not None and not self.look.done and not self.is_cancelled()

    def is_cancelled(self) -> bool:
        """Whether the client gave up, or nobody waits any longer."""
        return self.cancel.is_set() or self.is_late()

    def is_late(self) -> bool:
        """Whether the deadline has passed."""
        return time.monotonic() > self.deadline

    def succeed(self, result: Any) -> None:
        """Give whoever waits the result, unless there is one already."""
        try:
            self.future.set_result(result)
        except InvalidStateError:
            pass  # both lanes, or a lane and a deadline, may end a request: the first one counts
        self._let_go()

    def fail(self, error: SpatialGeoError) -> None:
        """Give whoever waits an error, unless there is a result already."""
        # The frames of its traceback hold images, and this request.
        error.__traceback__ = error.__context__ = error.__cause__ = None
        try:
            self.future.set_exception(error)
        except InvalidStateError:
            pass
        self._let_go()

    def _let_go(self) -> None:
        """Forget everything that holds images.

        What works on a request refers to it again: such circles keep tens of megabytes each until
        Python happens to look for circles.
        """
        self.work, self.on_start = _over, _nothing
        self.spoken = self.look = self.seen = None


def _over(perception: Any, observation: Any) -> Any:
    raise CancelledError("ended already")


def _nothing() -> None:
    pass
