# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Where entries go: a window, a web page, a file, or a viewer on another machine.

Rerun itself buffers without bound what a viewer does not take. So every round of entries is flushed
to a viewer before the next one: what comes meanwhile is replaced by what is newer, where it waits.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import rerun as rr

from spatialgeo_ros.errors import BadRequestError, FileAccessError
from spatialgeo_ros.viewer.entries import STAMP, WORLD, Entry

APPLICATION = "spatialgeo"
_PATIENCE = 10.0  # s that a viewer may take for what it is sent
_START = 30.0  # s until a viewer that was started listens
_FILE_FLUSH = 10.0  # s between two looks whether a file takes what it gets
_FILE_PIECE = 5.0  # s of an entity's data that are written together
_TAIL = 1500  # characters of a viewer's last words


class ViewerGoneError(Exception):
    """The viewer was closed, or takes nothing any more."""


class RecordingFailedError(FileAccessError):
    """A file takes nothing any more; Rerun may wait for it without end, also while Python ends."""


class Sink:
    """One recording, and the viewer it goes to. Used by one thread.

    Args:
        stream: already connected or saving.
        viewer: process that was started for it.
        live: whether a viewer, not a file, takes it.
    """

    def __init__(
        self, stream: rr.RecordingStream, viewer: Viewer | None = None, live: bool = True
    ) -> None:
        self._stream, self._viewer, self._live = stream, viewer, live
        self._flushed, self._failed = time.monotonic(), False
        stream.set_log_tick_enabled(False)
        stream.log(WORLD, rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)

    def log(self, stamp_ns: int, entries: Iterable[Entry]) -> None:
        """Log the entries of one moment.

        Args:
            stamp_ns: ROS stamp; 0 when there is none: then only the time of now is known.
            entries: what is new.
        """
        self._stream.reset_time()
        if stamp_ns:
            self._stream.set_time(STAMP, timestamp=np.datetime64(stamp_ns, "ns"))
        for entry in entries:
            self._stream.log(entry.path, *entry.parts, static=entry.static)

    def show(self, blueprint: Any, *, now: bool) -> None:
        """Show this layout; unless ``now``, only when the user resets what is shown."""
        self._stream.send_blueprint(blueprint, make_active=now)

    def flush(self) -> None:
        """Wait until the viewer has what was logged.

        A file has it within some seconds.

        Raises:
            ViewerGoneError: it was closed, or does not take it.
            RecordingFailedError: the file cannot be written any more: leave by ``os._exit``.
        """
        now = time.monotonic()
        if not self._live and now - self._flushed < _FILE_FLUSH:
            return
        self._flushed = now
        if self._viewer is not None:
            self._viewer.check()
        try:
            self._stream.flush(timeout_sec=_PATIENCE)
        except RuntimeError as error:
            if not self._live:
                self._failed = True
                raise RecordingFailedError(
                    f"the recording cannot be written any more; is the disk full? ({error})"
                ) from error
            raise ViewerGoneError(f"what is shown cannot be handed over: {error}") from error

    def close(self) -> None:
        """Finish the file, or leave the viewer; a viewer that was started here ends."""
        if self._failed:
            return
        try:
            self._stream.flush(timeout_sec=2.0)
        except RuntimeError:
            pass  # it has gone
        self._stream.disconnect()
        if self._viewer is not None:
            self._viewer.close()


class Viewer:
    """Rerun's own program, listening on a port.

    Args:
        arguments: of its command line.
        host: on which it listens.
        port: for recordings.

    Raises:
        BadRequestError: it is not installed, ended, or does not listen after a while; holds its
            last words.
    """

    def __init__(self, arguments: list[str], host: str, port: int) -> None:
        self._output = tempfile.TemporaryFile()
        command = [str(_program()), "--bind", host, "--port", str(port)]
        self._process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            # As rerun.spawn() does: no question about usage data in the middle of the output.
            env={**os.environ, "RERUN_APP_ONLY": "true"},
            start_new_session=True,  # Ctrl-C is for this program, which ends it in order
        )
        end = time.monotonic() + _START
        while not listens(_reachable(host), port):
            if self._process.poll() is not None or time.monotonic() > end:
                words = self._words()
                self.close()
                raise BadRequestError(f"the Rerun viewer did not start: {words}")
            time.sleep(0.05)

    def check(self) -> None:
        """Make sure that it runs.

        Raises:
            ViewerGoneError: it was closed.
        """
        if self._process.poll() is not None:
            raise ViewerGoneError("the viewer was closed")

    def close(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(5.0)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._output.close()

    def _words(self) -> str:
        self._output.seek(0)
        return self._output.read().decode(errors="replace").strip()[-_TAIL:] or "it said nothing"


def window(memory: str) -> Sink:
    """Open the native viewer on this machine's display.

    Args:
        memory: that the viewer may use ("2GB"); it drops the oldest data then.

    Raises:
        BadRequestError: there is no display, or it does not start.
    """
    if not has_display():
        raise BadRequestError(
            "there is no display: use --web (in a browser), --save FILE.rrd, or --connect URL"
        )
    port = free_port()
    viewer = Viewer(["--memory-limit", memory, "--hide-welcome-screen"], "127.0.0.1", port)
    stream = _stream()
    stream.connect_grpc(f"rerun+http://127.0.0.1:{port}/proxy")
    return Sink(stream, viewer)


def web_page(memory: str, host: str, port: int, web_port: int) -> tuple[Sink, str]:
    """Serve a web page that shows what is logged; returns its address too.

    Args:
        memory: for what late visitors get to see ("1GB"); the oldest goes first.
        host: address to listen on.
        port: for the data.
        web_port: for the page.

    Raises:
        BadRequestError: the host is none, a port is taken, or the server does not start.
    """
    local = _is_loopback(host)
    for number in (port, web_port):
        if listens(_reachable(host), number):
            raise BadRequestError(
                f"port {number} is taken: choose others with --port and --web-port"
            )
    arguments = ["--serve-web", "--web-viewer-port", str(web_port), "--server-memory-limit", memory]
    if not local:
        # A browser asks the data's server whether pages of another name may read it; this page may,
        # under each name of this machine.
        arguments += ["--cors-allow-origin", f"http://*:{web_port}"]
    viewer = Viewer(arguments, host, port)
    stream = _stream()
    stream.connect_grpc(f"rerun+http://{_reachable(host)}:{port}/proxy")
    data = urllib.parse.quote(f"rerun+http://{_named(host)}:{port}/proxy", safe="")
    return Sink(stream, viewer), f"http://{_named(host)}:{web_port}/?url={data}"


def file(path: Path) -> Sink:
    """Write a recording that the viewer opens later.

    Raises:
        FileAccessError: it cannot be written.
    """
    # Of each piece of an entity something is kept until the file's end: few and large ones.
    stream = _stream(rr.ChunkBatcherConfig(flush_tick=_FILE_PIECE))
    try:
        stream.save(path)
    except RuntimeError as error:
        raise FileAccessError(f"cannot write {path}: {error}") from error
    return Sink(stream, live=False)


def other_viewer(url: str) -> Sink:
    """Send to a viewer that runs already, here or elsewhere.

    Args:
        url: "rerun+http://HOST:PORT/proxy", or "HOST:PORT" for short.

    Raises:
        BadRequestError: nobody listens there.
    """
    whole = url if "://" in url else f"rerun+http://{url}/proxy"
    parts = urllib.parse.urlsplit(whole.removeprefix("rerun+"))
    try:
        host, port = parts.hostname, parts.port or 9876
    except ValueError:
        host, port = None, 0
    if not host:
        raise BadRequestError(f"{url} is no address of a viewer: give HOST:PORT")
    if not listens(host, port):
        raise BadRequestError(
            f"no Rerun viewer listens at {host}:{port}: start `rerun --port {port}` there first"
        )
    stream = _stream()
    try:
        stream.connect_grpc(whole)
    except RuntimeError as error:
        raise BadRequestError(f"{url} is no address of a viewer: {error}") from error
    return Sink(stream)


def has_display() -> bool:
    """Whether a window can be opened here."""
    return sys.platform != "linux" or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def listens(host: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        socket.create_connection((host, port), timeout=2.0).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Return a port of this machine that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    Raises:
        BadRequestError: it is no address, and no name of one.
    """
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    except OSError as error:
        raise BadRequestError(
            f"{host} is no IPv4 address to listen on: use 127.0.0.1, or 0.0.0.0 for all ({error})"
        ) from error


def _program() -> Path:
    """Return Rerun's program itself: its script would leave it behind when it is ended.

    Raises:
        BadRequestError: the package has none for this platform.
    """
    found = importlib.util.find_spec("rerun_cli")
    folder = Path((found.origin if found is not None else "") or "rerun_cli/").parent
    places = [folder / "rerun", folder / "Rerun.app/Contents/MacOS/Rerun", folder / "rerun.exe"]
    given = os.environ.get("RERUN_CLI_PATH")
    for place in [Path(given)] if given else places:
        if place.is_file():
            return place
    raise BadRequestError(
        f"{given or folder} holds no Rerun viewer: use --save FILE.rrd, or --connect URL"
    )


def _stream(batches: rr.ChunkBatcherConfig | None = None) -> rr.RecordingStream:
    return rr.RecordingStream(APPLICATION, batcher_config=batches)


def _reachable(host: str) -> str:
    """Return the address under which this machine reaches what listens on ``host``."""
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host


def _named(host: str) -> str:
    """Return how others name this machine."""
    return socket.gethostname() if host in ("0.0.0.0", "::") else host
