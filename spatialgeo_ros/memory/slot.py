# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A mailbox of one: the producer always overwrites, the consumer always gets the newest item.

Inference is slower than a camera. Queueing frames would make every answer describe the past; a slot
of one drops and counts the old ones instead, so age stays bounded by one inference.
"""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

T = TypeVar("T")


class NewestSlot(Generic[T]):
    """Thread-safe slot holding at most the newest item that nobody has taken yet."""

    def __init__(self) -> None:
        """Make an empty slot."""
        self._lock = threading.Lock()
        self._item: T | None = None
        self._full = False
        self._dropped = 0

    def put(self, item: T) -> bool:
        """Store ``item`` and return whether an older item was dropped for it."""
        with self._lock:
            dropped_old = self._full
            self._item, self._full = item, True
            self._dropped += dropped_old
            return dropped_old

    def take(self) -> T | None:
        """Remove and return the newest item, or None."""
        with self._lock:
            item, self._item, self._full = self._item, None, False
            return item

    def peek(self) -> T | None:
        """Return the newest item without removing it, or None."""
        with self._lock:
            return self._item

    def clear(self) -> None:
        """Forget the item without counting it as dropped (after a time jump)."""
        with self._lock:
            self._item, self._full = None, False

    @property
    def dropped(self) -> int:
        """Items overwritten before anyone took them."""
        with self._lock:
            return self._dropped
