# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Writes docs/doctor_findings.md: ``python -m spatialgeo_ros.findings.pages``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spatialgeo_ros.findings.catalogue import SECTIONS
from spatialgeo_ros.findings.entry import Entry
from spatialgeo_ros.findings.finding import Level

_WORDS = {Level.OK: "note", Level.WARN: "warning", Level.ERROR: "error"}


def page(entry: Entry) -> Iterator[str]:
    """Yield the lines about one finding."""
    yield f"### {entry.id}"
    yield ""
    yield f"*{_WORDS[entry.level].capitalize()}.* {entry.symptom}"
    yield ""
    yield f"- **Cause:** {entry.cause}"
    yield f"- **Found by:** {entry.found}"
    yield f"- **Cure:** {entry.cure}"
    yield ""


def findings_markdown() -> str:
    """Return the whole page."""
    lines = [
        "# What the doctor finds",
        "",
        "Made by `python -m spatialgeo_ros.findings.pages` from the catalogue in "
        "`spatialgeo_ros/findings/`. [doctor.md](doctor.md) tells how to use `spatialgeo doctor`. "
        "Errors keep the node from working, warnings make its answers worse, notes are for "
        "information.",
        "",
    ]
    for title, entries in SECTIONS.items():
        lines += [f"## {title}", "", "| finding | | what one sees |", "|---|---|---|"]
        lines += [f"| [{e.id}](#{e.id}) | {_WORDS[e.level]} | {e.symptom} |" for e in entries]
        lines.append("")
        for entry in entries:
            lines += page(entry)
    return "\n".join(lines)


if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    (root / "docs" / "doctor_findings.md").write_text(findings_markdown())
