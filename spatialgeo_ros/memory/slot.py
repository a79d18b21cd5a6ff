# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A mailbox of one: the producer always overwrites, the consumer always gets the newest item.

Inference is slower than a camera. Queueing frames would make every answer describe the past; a slot
of one drops and counts the old ones instead, so age stays bounded by one inference.
"""

from __future__ import annotations

import threading
import time
from typing import Generic, TypeVar

T = TypeVar("T")


class NewestSlot(Generic[T]):
    """Thread-safe slot holding at most the newest item that nobody has taken yet."""

    def __init__(self) -> None:
        """Make an empty, open slot."""
        self._condition = threading.Condition()
        self._item: T | None = None
        self._full = False
        self._closed = False
        self._received = 0
        self._dropped = 0

    def put(self, item: T) -> bool:
        """Store ``item`` and return whether an older item was dropped for it.

        Never blocks beyond the lock. After :meth:`close` the item is discarded and not counted.
        """
        with self._condition:
            if self._closed:
                return False
            dropped_old = self._full
            self._item, self._full = item, True
            self._received += 1
            self._dropped += dropped_old
            self._condition.notify()
            return dropped_old

    def take(self, timeout: float | None = None) -> T | None:
        """Remove and return the newest item, waiting up to ``timeout`` seconds for one.

        None as ``timeout`` waits until an item comes or the slot is closed, 0 does not wait.
        Returns None on timeout and when the slot is closed.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._condition:
            while not self._full and not self._closed:
                remaining = None if deadline is None else deadline - time.monotonic()
                if remaining is not None and remaining <= 0:
                    return None
                self._condition.wait(remaining)
            item, self._item, self._full = self._item, None, False
            return item

    def peek(self) -> T | None:
        """Return the waiting item without removing it, or None."""
        with self._condition:
            return self._item

    def clear(self) -> None:
        """Forget the waiting item without counting it as dropped (after a time jump)."""
        with self._condition:
            self._item, self._full = None, False

    def close(self) -> None:
        """Discard the waiting item, wake every waiting :meth:`take` and accept nothing more."""
        with self._condition:
            self._closed = True
            self._item, self._full = None, False
            self._condition.notify_all()

    @property
    def dropped(self) -> int:
        """Items overwritten before anyone took them."""
        with self._condition:
            return self._dropped

    @property
    def received(self) -> int:
        """Items put while the slot was open."""
        with self._condition:
            return self._received

    @property
    def closed(self) -> bool:
        """Whether :meth:`close` was called."""
        with self._condition:
            return self._closed
