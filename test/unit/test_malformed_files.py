# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""No file that is read kills the process, holds it up, takes its memory or runs code."""

from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any

import pytest
from launched import REPOSITORY, run_python

LONGEST, MOST_MEGABYTES, LONGEST_SENTENCE = 5.0, 300, 2500
LEAST = 80  # files


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    pytest.importorskip("rosbags", reason="reading bags needs rosbags")
    folder = tmp_path_factory.mktemp("outer") / "inner"
    script = REPOSITORY / "test" / "malformed_files.py"
    lines = run_python(str(script), str(folder)).splitlines()
    outside = [path.name for path in Path(folder.parent).iterdir()]
    assert outside == ["inner"] and not (folder / "executed").exists()
    return [json.loads(line) for line in lines]


def test_each_is_read_or_refused_in_one_line(tried):
    wrong = [
        one
        for one in tried
        if not (one["outcome"] == "read" or one["outcome"].startswith("refused: "))
        or "\n" in one["outcome"]
        or len(one["outcome"]) > LONGEST_SENTENCE
    ]
    assert not wrong
    assert len(tried) >= LEAST


def test_none_takes_long_or_much(tried):
    assert not [one for one in tried if one["seconds"] > LONGEST]
    assert not [one for one in tried if one["megabytes"] > MOST_MEGABYTES]


def test_what_is_no_file_at_all_is_never_read(tried):
    kinds = ("empty", "a pipe", "a folder", "an endless device", "a dangling link")
    outcomes = collections.Counter(
        one["outcome"] == "read" for one in tried if one["file"] in kinds
    )
    # An empty file of questions holds none.
    assert outcomes[True] <= 1 < outcomes[False]
