# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the ROS-free part logs reaches the node's logger: one line for one record."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from spatialgeo_ros.node.log_bridge import LogBridge


class Logger:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def error(self, text: str) -> None:
        self.lines.append(("error", text))

    def warning(self, text: str) -> None:
        self.lines.append(("warning", text))

    def info(self, text: str) -> None:
        self.lines.append(("info", text))


@pytest.fixture
def logger() -> Iterator[Logger]:
    logger = Logger()
    bridge = LogBridge(logger)
    yield logger
    bridge.close()


def test_input_in_a_record_starts_no_line_and_does_not_flood(logger):
    log = logging.getLogger("spatialgeo_ros.perception")
    log.warning("label %s", "a\n[ERROR] forged\x1b[2J")
    log.info("label %s", "x" * 10**6)
    (level, text), (_, long) = logger.lines
    assert (level, text) == ("warning", r"label a\n[ERROR] forged\x1b[2J")
    assert len(long) < 2100


def test_a_traceback_keeps_its_lines(logger):
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("spatialgeo_ros.perception").exception("it failed")
    ((level, text),) = logger.lines
    assert level == "error"
    assert text.startswith("it failed\nTraceback")
    assert text.endswith("ValueError: broken")
