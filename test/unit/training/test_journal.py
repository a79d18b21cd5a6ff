# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What trainings write down: lines of JSON, and files that TensorBoard reads."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest

from spatialgeo_ros.training.journal import BOARD, JOURNAL, Journal


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    """What TensorBoard itself reads."""
    reader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs the extra 'train'"
    )
    events = reader.EventAccumulator(str(folder / BOARD))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def written(folder: Path, first: int, steps: range) -> None:
    journal = Journal(folder, first, True)
    if first == 0:
        journal.write({"training": "test", "samples": 3})
    for step in steps:
        journal.write({"step": step, "loss": step / 2, "rate": 0.25})
    journal.close()


def test_tensorboard_reads_back_what_was_written(tmp_path: Path) -> None:
    written(tmp_path, 0, range(1, 4))
    assert scalars(tmp_path, "loss") == [(1, 0.5), (2, 1.0), (3, 1.5)]
    assert scalars(tmp_path, "rate") == [(1, 0.25), (2, 0.25), (3, 0.25)]


def test_what_a_resumed_run_does_again_is_there_once(tmp_path: Path) -> None:
    written(tmp_path, 0, range(1, 6))
    path = tmp_path / JOURNAL
    path.write_text(path.read_text() + '{"step": 6, "lo')  # killed while it wrote
    written(tmp_path, 3, range(4, 8))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"training": "test", "samples": 3}
    assert [line["step"] for line in lines[1:]] == list(range(1, 8))
    assert [step for step, _ in scalars(tmp_path, "loss")] == list(range(1, 8))


def test_another_process_than_the_first_writes_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0, False)
    journal.write({"step": 1})
    journal.close()
    assert not list(tmp_path.iterdir())


def test_a_missing_tensorboard_is_said_once_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with caplog.at_level(logging.WARNING):
        written(tmp_path, 0, range(1, 9))
    (said,) = (record.getMessage() for record in caplog.records)
    assert "pip install tensorboard" in said
    assert str(tmp_path / JOURNAL) in said
    assert not (tmp_path / BOARD).exists()
    assert len((tmp_path / JOURNAL).read_text().splitlines()) == 9
