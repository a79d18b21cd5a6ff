# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A real HTTP server that answers like an OpenAI-compatible one, or as badly as a test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handler = Callable[[BaseHTTPRequestHandler], None]

DISTANCE = {
    "op": "tell_number",
    "number": {
        "op": "quantity",
        "name": "distance",
        "of": [{"op": "viewer"}, {"op": "the", "of": {"op": "named", "kind": "chair"}}],
    },
}


def sends(body: bytes | str, status: int = 200, **headers: str) -> Handler:
    data = body.encode() if isinstance(body, str) else body

    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    return handle


def says(content: Any, ended: str = "stop", **message: Any) -> Handler:
    """A chat completion; what is no string is sent as JSON."""
    text = content if isinstance(content, str | None) else json.dumps(content)
    choice = {"message": {"role": "assistant", "content": text, **message}, "finish_reason": ended}
    return sends(json.dumps({"choices": [choice]}))


@dataclass
class PlannerServer:
    """What the server at ``address`` got.

    Attributes:
        replies: one for each request; the last one for all that follow.
        bodies, headers, paths: of the requests.
        stop: set when the test is over, for handlers that wait.
    """

    replies: list[Handler]
    address: str = ""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(*replies: Handler) -> Iterator[PlannerServer]:
    server = PlannerServer(list(replies))

    class Requests(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.bodies.append(json.loads(body))
            server.headers.append(dict(self.headers))
            server.paths.append(self.path)
            reply = server.replies[min(len(server.bodies), len(server.replies)) - 1]
            try:
                reply(self)
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client has left

        def log_message(self, *_: Any) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    http.daemon_threads = True
    server.address = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop.set()
        http.shutdown()
        http.server_close()
        thread.join()
