# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the doctor is asked to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Options:
    """What to look at.

    Attributes:
        node: Full name of the spatialgeo node; "" for all that run.
        params_file: Of a node that does not run.
        settings: Parameters of the node by name, over those of file and running node.
        seconds: How long to listen.
        graph: Whether the graph is looked at.
        machine: Whether the machine is.
    """

    node: str = ""
    params_file: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 4.0
    graph: bool = True
    machine: bool = True
