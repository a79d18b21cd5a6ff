# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Work that another thread does beside a test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def another_thread(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run ``work`` beside what is inside; it ends when its event is set, and must not fail."""
    ended = threading.Event()
    failures: list[Exception] = []

    def run() -> None:
        try:
            work(ended)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    assert not failures, failures
