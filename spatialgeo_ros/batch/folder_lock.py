# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One run at a time in a folder of results."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from spatialgeo_ros.errors import BusyError

_LATE_S = 10.0  # that a killed run's processes have to end


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep others out of a folder; the file holds the number of the process.

    Raises:
        BusyError: another run is at work there.
    """
    with open(path, "a+") as stream:
        deadline = time.monotonic() + _LATE_S
        while True:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    stream.seek(0)
                    who = stream.read(20).strip() or "unknown"
                    raise BusyError(
                        f"another run (process {who}) is at work in {path.parent}: wait for it, "
                        "or name another --out"
                    ) from None
                time.sleep(0.1)
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n")
        stream.flush()
        yield
