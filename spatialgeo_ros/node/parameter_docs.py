# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/parameters.md: ``python -m spatialgeo_ros.node.parameter_docs``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from spatialgeo_ros.node.parameter_table import (
    CAMERA_GROUPS,
    NODE_GROUPS,
    Change,
    ParameterGroup,
    Spec,
)

_CAMERA = "<camera>."
_WHEN = {Change.LIVE: "live", Change.CONFIGURE: "configure", Change.STARTUP: "startup"}


def _value(value: object) -> str:
    """Return a value as a parameter file has it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isnan(value):
        return ".nan"
    return str(value) or '""'


def _row(spec: Spec, prefix: str) -> str:
    allowed = ", ".join(spec.choices)
    if spec.low is not None and spec.high is not None:
        allowed = f"{spec.low:g} to {spec.high:g}"
    default = _value(spec.default).replace("{camera}", "<camera>")
    description = spec.description.replace("<", "&lt;")  # Markdown would take it for HTML
    return (
        f"| `{prefix}{spec.name}` | `{default}` | {spec.unit} | {allowed} | "
        f"{_WHEN[spec.change]} | {description} |"
    )


def _table(specs: Sequence[Spec], prefix: str) -> list[str]:
    header = [
        "| name | default | unit | allowed | changes | meaning |",
        "|---|---|---|---|---|---|",
    ]
    return header + [_row(spec, prefix) for spec in specs]


def _sections(groups: Sequence[ParameterGroup], prefix: str = "") -> list[str]:
    lines = []
    for group in groups:
        lines += [f"### {group.title}", "", *_table(group.specs, prefix), ""]
    return lines


def _index(groups: Sequence[ParameterGroup], prefix: str = "") -> list[str]:
    """Return a line a group: a link to its section, whose anchor is made of its title."""
    lines = []
    for group in groups:
        anchor = group.title.lower().replace(" ", "-")
        names = ", ".join(f"`{prefix}{spec.name}`" for spec in group.specs)
        lines.append(f"- [{group.title}](#{anchor}): {names}")
    return lines


def parameters_markdown() -> str:
    """Return the whole page."""
    lines = [
        "# Parameters of the node `spatialgeo`",
        "",
        "Made by `python -m spatialgeo_ros.node.parameter_docs`; the table in "
        "`spatialgeo_ros/node/parameter_table.py` is the source. *live*: effective at once. "
        "*configure*: can change while the node is unconfigured. *startup*: only when it starts.",
        "",
        *_index(NODE_GROUPS),
        *_index(CAMERA_GROUPS, _CAMERA),
        "",
        "## Node",
        "",
        *_sections(NODE_GROUPS),
        "## Each camera",
        "",
        "`<camera>` stands for each name in `cameras`.",
        "",
        *_sections(CAMERA_GROUPS, _CAMERA),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    path = Path(__file__).parents[2] / "docs" / "parameters.md"
    path.write_text(parameters_markdown(), encoding="utf-8")
