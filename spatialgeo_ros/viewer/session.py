# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Shows a node: takes what came, makes entries of it, and logs them with their stamps.

One thread does it, round after round. A round shows the newest image of each camera and all results
that wait, and ends when the viewer has them.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from spatialgeo_ros.errors import BusyError, RequestTimeoutError, SpatialGeoError
from spatialgeo_ros.node.conversions import stamp_to_ns
from spatialgeo_ros.node.parameters import equal
from spatialgeo_ros.viewer.entries import Entry
from spatialgeo_ros.viewer.layout import layout
from spatialgeo_ros.viewer.pictures import PictureSettings
from spatialgeo_ros.viewer.remote_node import RemoteNode
from spatialgeo_ros.viewer.sink import Sink
from spatialgeo_ros.viewer.texts import remark
from spatialgeo_ros.viewer.topics import Rates, Stream, Topics
from spatialgeo_ros.viewer.view_board import ViewBoard

_ROUND = 0.05  # s between two looks at what waits for its rate
_LOOK = 2.0  # s between two looks whether the node is still there
_ARRANGING = 20.0  # s in which cameras that appear change the layout
_ANSWER = 5.0  # s that a node that came back may take to tell its parameters
_MOST_EVENTS = 100  # of a stream in one round: images must not wait for a flood of results


@dataclass(frozen=True)
class Settings:
    """What is shown of a node.

    Attributes:
        rates: how much is looked at.
        pictures: how images are kept.
        most_points: of a cloud.
        wait: seconds for the node to appear at first.
    """

    rates: Rates = field(default_factory=Rates)
    pictures: PictureSettings = field(default_factory=PictureSettings)
    most_points: int = 20_000
    wait: float = 30.0


class Session:
    """Shows one node until it is told to stop; the node may end and come back.

    Args:
        context: of ROS.
        node: full name of the node.
        settings: what is shown.
        sink: where it goes; it stays the caller's.
        stopping: set by whoever wants it to end.

    Raises:
        SpatialGeoError: the node is not there, or does not tell its parameters.
    """

    def __init__(
        self, context: Any, node: str, settings: Settings, sink: Sink, stopping: threading.Event
    ) -> None:
        self._context, self._settings, self._sink = context, settings, sink
        self._stopping, self._wake = stopping, threading.Event()
        self._remote = RemoteNode(context, node, stopping)
        self._shown_layout: Any = None
        self._seen: set[str] = set()  # cameras of which an image came
        self._newest_ns = 0
        self._started = self._looked = time.monotonic()
        try:
            self._run, self._values = self._remote.parameters(settings.wait)
            self._connect()
        except BaseException:
            self._remote.close()
            raise

    def run(self) -> None:
        """Show until stopped.

        Raises:
            ViewerGoneError: nobody looks any more.
        """
        while not self._stopping.is_set():
            self._wake.wait(_ROUND)
            self._wake.clear()
            self.round()
            if time.monotonic() - self._looked > _LOOK:
                self._looked = time.monotonic()
                self._look_for_node()

    def round(self) -> None:
        """Show what waits.

        Raises:
            ViewerGoneError: nobody looks any more.
        """
        topics, board = self._topics, self._board
        # Images first: results are drawn into them.
        for name, stream in topics.images.items():
            self._show(stream, partial(self._image, name))
        for name, stream in topics.detections.items():
            self._show(stream, partial(board.detections, name))
        self._show(topics.objects, board.objects)
        self._show(topics.keyframes, board.keyframes)
        several: tuple[tuple[Stream, Callable[[Any], list[Entry]]], ...] = (
            (topics.overlays, board.overlay),
            (topics.clouds, board.cloud),
            (topics.distances, board.distance),
            (topics.answers, board.answer),
            (topics.diagnostics, board.diagnostics),
        )
        for one, make in several:
            for _ in range(_MOST_EVENTS):
                if not self._show(one, make):
                    break
        for stage, latency in topics.latencies.items():
            self._show(latency, partial(board.latency, stage))
        self._log(0, board.pending())
        wanted = (tuple(board.cameras), board.calibrated())
        if wanted != self._shown_layout:
            self._shown_layout = wanted
            # Later, the user may have arranged something.
            early = time.monotonic() - self._started < _ARRANGING
            self._sink.show(layout(*wanted, overlays=self._settings.rates.overlays), now=early)
        self._sink.flush()

    def summary(self) -> str:
        """Return how much of what came was shown."""
        streams = [one for one in self._topics.streams() if one.received]
        return "; ".join(one.summary() for one in streams) or "nothing came"

    def close(self) -> None:
        """Leave the graph."""
        self._topics.close()
        self._remote.close()

    def _connect(self) -> None:
        settings, name = self._settings, self._remote.name
        self._topics = Topics(self._context, name, self._values, settings.rates, self._wake)
        self._board = ViewBoard(
            name, self._topics.config, self._topics.poses, settings.pictures, settings.most_points
        )

    def _image(self, name: str, message: Any) -> list[Entry]:
        self._newest_ns = stamp_to_ns(message.header.stamp) or self._newest_ns
        entries = self._board.image(name, message, self._topics.infos[name])
        if name not in self._seen:
            self._seen.add(name)
            print(f"spatialgeo view: {name} is seen", file=sys.stderr, flush=True)
        return entries

    def _show(self, stream: Stream, make: Callable[[Any], list[Entry]]) -> bool:
        """Show one message of a stream, if there is one."""
        message = stream.take()
        if message is None:
            return False
        try:
            entries = make(message)
        except (SpatialGeoError, ValueError) as error:
            # What one message holds must not cost the others; it is said once.
            self._board.say(f"{stream.name}: {error}")
            return True
        except Exception:  # a defect of ours must not end the view of what else there is
            text = f"{stream.name}: internal error:\n{traceback.format_exc()}"
            if self._board.say(text):
                print(f"spatialgeo view: {text}", file=sys.stderr, flush=True)
            return True
        header = getattr(message, "header", None)
        self._log(0 if header is None else stamp_to_ns(header.stamp), entries)
        return True

    def _log(self, stamp_ns: int, entries: list[Entry]) -> None:
        """Log at a stamp; what has none belongs to the newest image."""
        if entries:
            self._sink.log(stamp_ns or self._newest_ns, entries)

    def _look_for_node(self) -> None:
        """Notice that the node has gone, or is back, perhaps with other parameters."""
        run = self._remote.run_id()
        if run == self._run:
            return
        name = self._remote.name
        if self._run:
            self._run = b""
            self._log(0, [remark(f"{name} has left; what it says is shown when it is back")])
        if not run:
            return
        try:
            self._run, values = self._remote.parameters(_ANSWER)
        except (BusyError, RequestTimeoutError):
            return  # it is still starting: the next look asks again
        self._log(0, [remark(f"{name} is back", "INFO")])
        if not _same(values, self._values):
            self._values = values
            self._topics.close()
            self._connect()


def _same(one: list[Any], other: list[Any]) -> bool:
    """Whether two lists of parameters have the same names and values."""
    a, b = ({value.name: value for value in values} for values in (one, other))
    return a.keys() == b.keys() and all(equal(a[name], b[name]) for name in a)
