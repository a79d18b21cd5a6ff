# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tests can run in several processes: equal, short ids; a ROS domain for each."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

import pytest


def test_ids_are_short_printable_and_name_no_address(request: pytest.FixtureRequest) -> None:
    """``pytest -n`` refuses to start when two processes collect different ids."""
    for item in request.session.items:
        assert len(item.nodeid) < 300, item.nodeid[:300]
        assert item.nodeid.isprintable() and " at 0x" not in item.nodeid, item.nodeid


def test_bytes_and_long_texts_become_no_id(request: pytest.FixtureRequest) -> None:
    def named(value: object) -> str | None:
        make = request.config.hook.pytest_make_parametrize_id
        return make(config=request.config, val=value, argname="data")

    assert named(os.urandom(4)) == "data"
    assert named("why " * 1000) == "data"
    assert named("red chair") is None  # itself
    assert named(0.5) is None


def test_this_process_has_its_ros_domain_to_itself() -> None:
    name = f"spatialgeo_test_domain_{os.environ['ROS_DOMAIN_ID']}.lock"
    with (Path(tempfile.gettempdir()) / name).open() as lock, pytest.raises(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
