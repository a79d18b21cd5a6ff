# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One row of the catalogue of findings."""

from __future__ import annotations

from dataclasses import dataclass

from spatialgeo_ros.findings.finding import Level


@dataclass(frozen=True)
class Entry:
    """What is known of a finding.

    Attributes:
        id: Its name, which never changes.
        level: How bad it is.
        symptom: What one sees of it.
        cause: Why it happens.
        found: How it is found.
        cure: The command or parameter that cures it, where the finding names no values.
    """

    id: str
    level: Level
    symptom: str
    cause: str
    found: str
    cure: str
