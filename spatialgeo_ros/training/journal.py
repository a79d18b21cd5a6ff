# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a training writes down as it goes: ``log.jsonl``, and files for TensorBoard."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

JOURNAL = "log.jsonl"
BOARD = "tensorboard"


class Journal:
    """``log.jsonl``, a line each step, and TensorBoard's files where it is installed.

    Args:
        folder: of the training's output.
        first: step that the training goes on with; what was written of later ones is done again.
        writes: whether this process is the one that writes.
    """

    def __init__(self, folder: Path, first: int, writes: bool) -> None:
        self._path, self._writes = folder / JOURNAL, writes
        self._board: Any = None
        if not writes:
            return
        if self._path.is_file():
            lines = self._path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if first and _step(line) <= first]
            self._path.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        try:
            from torch.utils.tensorboard import SummaryWriter
        except (ImportError, TypeError) as error:  # TypeError: of a protobuf that does not fit
            log.warning(
                "no files for TensorBoard are written, %s has everything (%s): pip install "
                "tensorboard",
                self._path, error,
            )  # fmt: skip
            return
        self._board = SummaryWriter(str(folder / BOARD), purge_step=first + 1)

    def write(self, line: Mapping[str, Any]) -> None:
        """Append a line."""
        if not self._writes:
            return
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(dict(line)) + "\n")
        if self._board is not None and "step" in line:
            for name, value in line.items():
                if name != "step":
                    self._board.add_scalar(name, value, line["step"])

    def close(self) -> None:
        """Finish the files."""
        if self._board is not None:
            self._board.close()


def _step(line: str) -> float:
    """Step of a line, 0 for the first; later than all for one that was cut off."""
    try:
        return float(json.loads(line).get("step", 0))
    except ValueError:
        return math.inf
