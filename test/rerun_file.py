# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A recording of the Rerun viewer, read back by Rerun's own reader."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from rerun.chunk import RrdReader

STAMP = "stamp"


class RerunFile:
    """What was logged, by entity.

    Args:
        path: of the .rrd file.

    Attributes:
        blueprints: stored layouts.
    """

    def __init__(self, path: Path) -> None:
        reader = RrdReader(path)
        self.blueprints = len(reader.blueprints())
        (self.store,) = reader.recordings()
        self._rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for chunk in reader.stream(store=self.store).to_chunks():
            batch = chunk.to_record_batch()
            names = [name for name in batch.schema.names if name != "rerun.controls.RowId"]
            columns = {name: _plain(batch.column(name)) for name in names}
            for k in range(batch.num_rows):
                self._rows[chunk.entity_path].append({name: columns[name][k] for name in names})

    def entities(self, below: str = "") -> set[str]:
        """Paths that begin so."""
        return {path for path in self._rows if path.startswith(below)}

    def rows(self, path: str, column: str = "") -> list[dict[str, Any]]:
        """Rows of an entity in order of their stamps, those that have a column; static ones first.

        Stamps and log times are nanoseconds.
        """
        rows = [one for one in self._rows.get(path, []) if not column or one.get(column)]
        return sorted(rows, key=lambda one: one.get(STAMP) or 0)

    def values(self, path: str, column: str) -> list[tuple[int, Any]]:
        """Stamps (0: static) and values of a column."""
        return [(one.get(STAMP) or 0, one[column]) for one in self.rows(path, column)]


def _plain(column: Any) -> list[Any]:
    if str(column.type).startswith("timestamp"):
        return column.cast("int64").to_pylist()
    return column.to_pylist()
