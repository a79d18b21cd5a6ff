# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the demo prints: what happens as it happens, then the table of answers and the summary."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from spatialgeo_ros.robot_sim.demo.judging import Mark

_HEADS = ("via", "question", "said", "truth", "error", "", "language model", "s")


@dataclass(frozen=True)
class Row:
    """One line of the final table; ``mark`` is None where nothing came back in time."""

    way: str
    question: str
    said: str
    truth: str
    deviation: str
    mark: Mark | None
    language: str
    seconds: float

    @property
    def answered(self) -> bool:
        """Whether the answer is as it should be, or at least is one."""
        return self.mark not in (None, Mark.REFUSED)


class Console:
    """Prints what happens with the time since the start."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    def say(self, text: str = "", end: str = "\n") -> None:
        """Print a line with the seconds since the start."""
        print(f"[{time.monotonic() - self._begin:5.1f} s] {text}", end=end, flush=True)

    def plain(self, text: str = "", end: str = "\n") -> None:
        """Print as it is."""
        print(text, end=end, flush=True)


@dataclass
class Report:
    """Answers and times of the whole demo."""

    rows: list[Row] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, row: Row) -> None:
        """Keep a line."""
        self.rows.append(row)

    def time(self, stages: Mapping[str, float]) -> None:
        """Keep the seconds of an answer's stages."""
        for name, seconds in stages.items():
            self.stages[name].append(seconds)

    def table(self) -> str:
        """Return all answers beside the truth, and the mean time of each stage."""
        lines = [_HEADS]
        for row in self.rows:
            mark = "not answered" if row.mark is None else row.mark.value
            lines.append(
                (row.way, row.question, shortened(row.said, 40), shortened(row.truth, 40),
                 row.deviation, mark, shortened(row.language), f"{row.seconds:.2f}")
            )  # fmt: skip
        widths = [max(len(line[k]) for line in lines) for k in range(len(_HEADS))]
        lines.insert(1, tuple("-" * width for width in widths))  # type: ignore[arg-type]
        shown = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        ]
        means = [
            f"{name} {math.fsum(values) / len(values):.3f}" for name, values in self.stages.items()
        ]
        return "\n".join([*shown, "", f"mean seconds per stage: {', '.join(means)}"])

    def summary(self) -> str:
        """Return how many answers are how right; the wrong ones by name."""
        count = Counter(row.mark for row in self.rows)
        text = (
            f"{count[Mark.RIGHT]} of {len(self.rows)} answers right, {count[Mark.UNSURE]} within "
            f"three standard deviations, {count[Mark.REFUSED] + count[None]} not answered, "
            f"{count[Mark.WRONG]} confidently wrong"
        )
        wrong = [f"  WRONG: {row.question} said {row.said}, true is {row.truth}"
                 for row in self.rows if row.mark is Mark.WRONG]  # fmt: skip
        return "\n".join([text, *wrong])

    def confidently_wrong(self) -> bool:
        """Whether an answer was wrong by more than it said itself."""
        return any(row.mark is Mark.WRONG for row in self.rows)

    def answered(self, way: str) -> int:
        """Return how many were answered by a way of asking."""
        return sum(row.answered for row in self.rows if row.way == way)


def shortened(text: str, most: int = 28) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= most else text[: most - 3] + "..."
