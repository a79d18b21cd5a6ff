# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the doctor found, as lines for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from spatialgeo_ros.errors import escaped
from spatialgeo_ros.findings.catalogue import CATALOGUE
from spatialgeo_ros.findings.finding import Finding, Level

#: Exit status of the command by the worst finding; 1 and 2 are those of every other failure.
EXIT_STATUS = {Level.OK: 0, Level.WARN: 3, Level.ERROR: 4}
PAGE = "docs/doctor_findings.md"
_LONGEST = 700  # characters of a sentence


@dataclass(frozen=True)
class Reported:
    """A finding about one part.

    Attributes:
        subject: What it is about: "machine", "graph", a node's name, or "camera NAME".
        finding: The sentence, with its name.
    """

    subject: str
    finding: Finding

    @property
    def level(self) -> Level:
        """How bad it is."""
        return CATALOGUE[self.finding.id].level

    @property
    def cure(self) -> str:
        """What to do: parameters where they are known, else what its page says."""
        if not self.finding.settings:
            return CATALOGUE[self.finding.id].cure
        values = " ".join(f"-p {k}:={_value(v)}" for k, v in self.finding.settings.items())
        return f"start the node with --ros-args {values} (or the same in its parameter file)"


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass
class Report:
    """All findings, each once, and what was looked at."""

    found: list[Reported] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, subject: str, *findings: Finding | None) -> None:
        """Add findings about one part; one of each name is kept, the first."""
        known = {(one.subject, one.finding.id) for one in self.found}
        for finding in findings:
            if finding is not None and (subject, finding.id) not in known:
                known.add((subject, finding.id))
                self.found.append(Reported(subject, finding))

    def merge(self, other: Report) -> None:
        """Add what another report has."""
        for one in other.found:
            self.add(one.subject, one.finding)
        self.facts.update(other.facts)

    def ids(self, subject: str | None = None, least: Level = Level.WARN) -> set[str]:
        """Names of the findings at least this bad, of one part or of all."""
        return {
            one.finding.id
            for one in self.found
            if one.level >= least and subject in (None, one.subject)
        }

    def only(self, ids: Collection[str]) -> None:
        """Forget all other findings."""
        self.found = [one for one in self.found if one.finding.id in ids]

    @property
    def worst(self) -> Level:
        """The worst level found."""
        return max((one.level for one in self.found), default=Level.OK)

    @property
    def exit_status(self) -> int:
        """Of the command."""
        return EXIT_STATUS[self.worst]

    def to_json(self) -> str:
        """Return the report for programs."""
        content = {
            "worst": self.worst.name.lower(),
            "seconds": round(self.seconds, 2),
            "findings": [
                {
                    "id": one.finding.id,
                    "level": one.level.name.lower(),
                    "subject": one.subject,
                    "what": escaped(one.finding, _LONGEST),
                    "cure": one.cure,
                    "settings": dict(one.finding.settings),
                    "page": f"{PAGE}#{one.finding.id}",
                }
                for one in self._sorted()
            ],
            "facts": self.facts,
        }
        return json.dumps(content, indent=2, default=str)

    def lines(self) -> Iterable[str]:
        """Yield the report for people, worst first."""
        for title, value in self.facts.items():
            yield f"{title}: {_fact(value)}"
        yield ""
        for one in self._sorted():
            yield f"{one.level.name:5}  {one.finding.id}  ({one.subject})"
            yield f"       {escaped(one.finding, _LONGEST)}"
            if one.level > Level.OK:
                yield f"       cure: {one.cure}"
                yield f"       more: spatialgeo doctor --explain {one.finding.id}"
        bad = [sum(one.level is level for one in self.found) for level in (Level.ERROR, Level.WARN)]
        said = "healthy" if not any(bad) else f"{bad[0]} errors, {bad[1]} warnings"
        yield f"{said} ({self.seconds:.1f} s)"

    def _sorted(self) -> list[Reported]:
        return sorted(self.found, key=lambda one: (-one.level, one.subject))


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return str(value)
