# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One finding: a sentence that says what is wrong and names the cure, under a stable name."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """How bad a finding is; the numbers are those of ``diagnostic_msgs/DiagnosticStatus``."""

    OK = 0
    WARN = 1
    ERROR = 2


class Finding(str):
    """A sentence with the name of what it is about.

    It is a text wherever texts go (log, diagnostics, ``degraded``, errors), so that everybody says
    the same words; who wants to know which finding it is asks for ``id``.

    Attributes:
        id: A key of ``catalogue.CATALOGUE``, such as "depth-unit".
        settings: Parameters of the node that cure it, with their values; empty where a parameter
            does not, or where its value is not known.
    """

    id: str
    settings: Mapping[str, Any]

    def __new__(cls, id: str, text: str, settings: Mapping[str, Any] | None = None) -> Finding:
        """Give a text its name."""
        finding = super().__new__(cls, text)
        finding.id = id
        finding.settings = dict(settings or {})
        return finding

    def within(self, before: str = "", after: str = "") -> Finding:
        """Return the same finding in a longer sentence."""
        return Finding(self.id, f"{before}{self}{after}", self.settings)


def named(id: str, text: str) -> Finding:
    """Return a text as a finding; one that has a name already keeps it."""
    return text if isinstance(text, Finding) else Finding(id, text)
