# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What there is to know of decoding that happens on a server; other speakers have a decoder."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any


class RemoteDecoding:
    """Counts questions that are sent, and says where images go.

    Args:
        model: its name.
        address: of its server.
        key: which key is sent, in words.
    """

    def __init__(self, model: str, address: str, key: str) -> None:
        self._model, self._address, self._key = model, address, key
        self.questions = self.failures = 0

    def working(self) -> AbstractContextManager[None]:
        """Nothing to prepare."""
        return nullcontext()

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics, where images go among them."""
        return {
            "decoding": f"by {self._model} at {self._address}",
            "images": f"are sent to {self._address} with every question",
            "key": self._key,
            "questions sent": self.questions,
            "questions failed": self.failures,
        }

    def clear(self) -> None:
        """Nothing is kept."""
