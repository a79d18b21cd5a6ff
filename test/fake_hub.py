# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A Hugging Face Hub on this machine: the requests that a download makes, and faults on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse

#: Larger files are "LFS": the listing states their sha256 instead of git's own hash.
LFS_BYTES = 64


@dataclass
class FakeHub:
    """What the Hub holds and what it was asked.

    Attributes:
        url: For ``HF_ENDPOINT``.
        repositories: By ``owner/name``: commit, and content by file name.
        requests: Path and Range header of every request for a file.
        cut_after: By file name: bytes after which the connection breaks, once.
        spoilt: Names of files that arrive with another last byte.
        gated: Repositories that want a licence accepted first.
    """

    url: str = ""
    repositories: dict[str, tuple[str, dict[str, bytes]]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    cut_after: dict[str, int] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)

    def add(self, repo: str, files: dict[str, bytes], commit: str = "c" * 40) -> None:
        self.repositories[repo] = (commit, files)

    def listing(self, repo: str, revision: str) -> dict[str, object] | None:
        if repo not in self.repositories:
            return None
        commit, files = self.repositories[repo]
        if revision not in ("main", commit):
            return None
        siblings = []
        for name, content in files.items():
            git = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
            entry: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": git}
            if len(content) > LFS_BYTES:
                sha256 = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"sha256": sha256, "size": len(content), "pointerSize": 100}
            siblings.append(entry)
        return {"id": repo, "sha": commit, "siblings": siblings, "private": False, "tags": []}


class _Handler(BaseHTTPRequestHandler):
    hub: FakeHub

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = unquote(urlparse(self.path).path).strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            revision = parts[5] if len(parts) > 5 else "main"
            listing = self.hub.listing("/".join(parts[2:4]), revision)
            if "/".join(parts[2:4]) in self.hub.gated:
                self.answer(403, b"{}", {"X-Error-Code": "GatedRepo"})
            elif listing is None:
                self.refuse("RepoNotFound")
            else:
                self.answer(200, json.dumps(listing).encode(), {})
            return
        repo, commit, name = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        self.hub.requests.append((f"{repo}/{name}", self.headers.get("Range", "")))
        known, files = self.hub.repositories.get(repo, ("", {}))
        if commit != known or name not in files:
            self.refuse("EntryNotFound")
            return
        content = files[name]
        if name in self.hub.spoilt:
            content = content[:-1] + bytes([content[-1] ^ 1])
        start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        headers = {"X-Repo-Commit": commit}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = self.hub.cut_after.pop(name, None)
        self.answer(206 if start else 200, content[start:], headers, cut)

    def refuse(self, code: str) -> None:
        self.answer(404, b"{}", {"X-Error-Code": code})

    def answer(
        self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None
    ) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.wfile.flush()
            self.connection.close()


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """Run a Hub on a free port."""
    hub = FakeHub()
    handler = type("Handler", (_Handler,), {"hub": hub})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
