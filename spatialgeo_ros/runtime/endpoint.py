# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""JSON over HTTP to one server: bounded in time and size, and the key stays out of every text."""

from __future__ import annotations

import http.client
import json
import logging
import socket
import ssl
import urllib.parse
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from spatialgeo_ros.errors import (
    BadRequestError,
    PlannerFailedError,
    SpatialGeoError,
    escaped,
    quoted,
)
from spatialgeo_ros.runtime.deadline import Deadline

log = logging.getLogger(__name__)

#: Bytes of a reply; a planner's program has at most 100,000 characters.
MOST_BYTES = 1_000_000
_CHUNK = 65536
_LOCAL = ("localhost", "127.0.0.1", "::1")
#: What a server answers that may take the same request a little later.
_PASSING = (408, 409, 425, 429)
_MOST_WAIT = 600.0  # seconds that a server may ask for


class HttpStatusError(Exception):
    """The server answered, but not with 2xx.

    Attributes:
        status: that it answered.
        body: text of the answer, without the key.
        retry_after: seconds after which the request may be taken; None where it never will be.
    """

    def __init__(self, status: int, body: str, wait: float = 0.0) -> None:
        super().__init__(f"HTTP status {status}: {escaped(body.strip(), 300) or 'no text'}")
        self.status, self.body = status, body
        passes = status >= 500 or status in _PASSING
        self.retry_after: float | None = wait if passes else None


class Endpoint:
    """One server. Redirects are not followed, and no proxy is used: a key goes where it was meant.

    Args:
        address: "http://host:port/v1" or https.
        key: sent as a bearer token; "" for none.
        failure: what is raised where there is no answer.
        setting: that says how long an answer may take, for the message.

    Raises:
        BadRequestError: address or key cannot be used.
    """

    def __init__(
        self,
        address: str,
        key: str = "",
        failure: type[SpatialGeoError] = PlannerFailedError,
        setting: str = "planner_timeout",
    ) -> None:
        self._failure, self._setting = failure, setting
        try:
            url = urllib.parse.urlsplit(address)
            port = url.port
        except ValueError as error:
            raise BadRequestError(f"that is no address of a server: {error}") from None
        if url.username is not None:
            raise BadRequestError("no user or password in an address: name the variable of a key")
        if url.scheme not in ("http", "https") or not url.hostname or url.query or url.fragment:
            raise BadRequestError(
                f"{quoted(address)} is no address of a server: give http://host:port/v1"
            )
        if not all(33 <= ord(letter) <= 126 for letter in address + key):
            raise BadRequestError("address and key are of printable ASCII without spaces")
        self.address = address.rstrip("/")
        self._secure = url.scheme == "https"
        self._host, self._port, self._path = url.hostname, port, url.path.rstrip("/")
        self._key = key
        if key and not self._secure and self._host not in _LOCAL:
            log.warning("the key for %s goes unencrypted: use https", self.address)

    def post(self, path: str, body: dict[str, Any], deadline: Deadline) -> Any:
        """Send JSON and return the JSON of the answer.

        Raises:
            HttpStatusError: the server refuses.
            SpatialGeoError: there is no answer, or none that can be read; or it is too late. Of the
                type that was asked for.
            CancelledError: the question was given up.
        """
        return self._decoded(self._exchange(path, body, deadline, lambda part: None, lambda: None))

    def stream(
        self,
        path: str,
        body: dict[str, Any],
        deadline: Deadline,
        on_event: Callable[[Any], None],
    ) -> Any:
        """Send JSON and hand on the JSON of each server-sent event, on the calling thread.

        Returns:
            None; or the JSON of the answer, from a server that answers at once instead.

        Raises:
            Exception: as :meth:`post`, and what ``on_event`` raises.
        """
        events: SimpleQueue[bytes] = SimpleQueue()
        lines = _Lines(events.put)

        def meanwhile() -> None:
            while not events.empty():
                self._event(events.get(), on_event)

        answer = self._exchange(path, body, deadline, lines.add, meanwhile)
        return None if lines.found and answer.is_good else self._decoded(answer)

    def _event(self, data: bytes, on_event: Callable[[Any], None]) -> None:
        if data == b"[DONE]":
            return
        try:
            event = json.loads(data)
        except (ValueError, RecursionError):
            shown = self._without_key(data[:200].decode(errors="replace"))
            raise self._failure(
                f"{self.address} sent an event without JSON: {quoted(shown)}"
            ) from None
        on_event(event)

    def _exchange(
        self,
        path: str,
        body: dict[str, Any],
        deadline: Deadline,
        on_part: Callable[[bytes], None],
        meanwhile: Callable[[], None],
    ) -> _Answer:
        """Post and read; ``on_part`` gets what comes, on the thread that reads."""
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=max(0.001, deadline.left))
        data = json.dumps(body).encode()

        def work() -> _Answer:
            try:
                connection.request("POST", self._path + path, data, self._headers())
                return _read(connection.getresponse(), deadline, on_part)
            finally:
                connection.close()

        def abandon() -> None:
            open_socket = connection.sock
            if open_socket is not None:
                with suppress(OSError):
                    open_socket.shutdown(socket.SHUT_RDWR)

        try:
            answer = deadline.run(work, abandon, meanwhile)
        except (OSError, http.client.HTTPException) as error:
            failure = self._failure(f"{self.address}: {self._reason(error)}")
            failure.retry_after = 0.0
            raise failure from None
        if len(answer.body) > MOST_BYTES:
            raise self._failure(f"{self.address} sent more than {MOST_BYTES} bytes")
        return answer

    def _decoded(self, answer: _Answer) -> Any:
        if not answer.is_good:
            words = self._without_key(answer.body.decode(errors="replace"))
            raise HttpStatusError(answer.status, words, answer.wait)
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            shown = self._without_key(answer.body[:200].decode(errors="replace"))
            raise self._failure(
                f"{self.address} sent no JSON: {quoted(shown)}: is it an OpenAI-compatible server?"
            ) from None

    def _headers(self) -> dict[str, str]:
        kept = {"Content-Type": "application/json", "Accept": "application/json"}
        return {**kept, "Authorization": f"Bearer {self._key}"} if self._key else kept

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text

    def _reason(self, error: Exception) -> str:
        if isinstance(error, ConnectionRefusedError):
            return "refused the connection: is the server running?"
        if isinstance(error, TimeoutError):
            return f"no answer in time: is it reachable? See {self._setting}"
        if isinstance(error, socket.gaierror):
            return "no such host"
        if isinstance(error, ssl.SSLError):
            return f"no secure connection: {escaped(error, 200)}"
        words = self._without_key(f"{type(error).__name__} {error}")
        return f"no HTTP answer: {escaped(words, 200)}"


class _Lines:
    """Finds the data of server-sent events in parts of an answer as they come."""

    def __init__(self, on_data: Callable[[bytes], None]) -> None:
        self.found = False
        self._on_data, self._rest = on_data, b""

    def add(self, part: bytes) -> None:
        *lines, self._rest = (self._rest + part).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                self.found = True
                self._on_data(line[5:].strip())


@dataclass(frozen=True)
class _Answer:
    """What came.

    Attributes:
        status: of HTTP.
        body: may be one byte longer than is allowed.
        wait: seconds that the server asks for before the next request, 0 where it does not.
    """

    status: int
    body: bytes
    wait: float = 0.0

    @property
    def is_good(self) -> bool:
        return 200 <= self.status < 300


def _read(
    response: http.client.HTTPResponse, deadline: Deadline, on_part: Callable[[bytes], None]
) -> _Answer:
    parts, size = [], 0
    while size <= MOST_BYTES:
        if deadline.over():
            raise TimeoutError
        part = response.read1(min(_CHUNK, MOST_BYTES + 1 - size))
        if not part:
            break
        parts.append(part)
        size += len(part)
        on_part(part)
    asked = response.headers.get("Retry-After", "")  # a date, which it may be, is not waited for
    wait = min(float(asked), _MOST_WAIT) if asked.isdigit() else 0.0
    return _Answer(response.status, b"".join(parts), wait)
