# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The GitHub workflow is valid, pinned, and calls what is there."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOW = REPOSITORY / ".github" / "workflows" / "ci.yml"
DISTRIBUTIONS = ["humble", "jazzy", "kilted", "lyrical", "rolling"]
#: Commands that the images bring, and of the shell.
GIVEN = {"apt-get", "bash", "colcon", "git", "rosdep", "source", "make", "export"}


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    loaded = yaml.safe_load(WORKFLOW.read_text())
    assert isinstance(loaded, dict)
    return loaded


def steps(workflow: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(name, step) for name, job in workflow["jobs"].items() for step in job["steps"]]


def scripts(workflow: dict[str, Any]) -> list[str]:
    return [step["run"] for _, step in steps(workflow) if "run" in step]


def commands(script: str) -> list[list[str]]:
    """Words of each command of a shell script, without variables that are set before it."""
    joined = re.sub(r"\\\n\s*", " ", script)
    lines = [shlex.split(line, comments=True) for line in joined.splitlines()]
    words = [[word for word in line] for line in lines if line]
    while any(re.match(r"^[A-Z_]+=", line[0]) for line in words):
        words = [line[1:] if re.match(r"^[A-Z_]+=", line[0]) else line for line in words]
    return words


def test_it_has_the_parts_that_github_asks_for(workflow):
    # YAML reads the key "on" as the truth value
    assert set(workflow) == {"name", True, "permissions", "concurrency", "jobs"}
    assert set(workflow[True]) == {"push", "pull_request", "schedule"}
    for name, job in workflow["jobs"].items():
        assert {"runs-on", "steps", "timeout-minutes"} <= set(job), name
        assert job["timeout-minutes"] <= 120
    for _, step in steps(workflow):
        assert len({"uses", "run"} & set(step)) == 1, step
        assert set(step) <= {"name", "uses", "run", "with", "working-directory", "env", "shell"}


def test_nothing_may_be_written_and_no_secret_is_read(workflow):
    assert workflow["permissions"] == {"contents": "read"}
    text = WORKFLOW.read_text()
    assert "secrets." not in text and "pull_request_target" not in text
    # What a stranger chooses (titles, branch names) must not reach a shell.
    assert not re.search(r"run:.*\$\{\{|^\s+[^#\n]*\$\{\{ *github\.(event|head_ref)", text, re.M)


def test_actions_are_pinned_to_commits(workflow):
    used = re.findall(r"uses: *(\S+)(.*)", WORKFLOW.read_text())
    assert used
    for action, comment in used:
        assert re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action), action
        assert re.fullmatch(r" # v\d+(\.\d+)*", comment), f"{action}: say which version it is"


def test_every_distribution_is_tried_in_its_own_image(workflow):
    job = workflow["jobs"]["distribution"]
    assert job["strategy"]["matrix"]["distribution"] == DISTRIBUTIONS
    assert job["strategy"]["fail-fast"] is False
    assert job["container"]["image"] == "ros:${{ matrix.distribution }}-ros-base"
    # Only what has not been released yet may fail.
    assert job["continue-on-error"] == "${{ matrix.distribution == 'rolling' }}"


def test_the_page_names_the_same_distributions():
    page = (REPOSITORY / "docs" / "distributions.md").read_text().lower()
    assert all(f"| {name}" in page for name in DISTRIBUTIONS[:-1])


def test_scripts_are_shell(workflow):
    for script in scripts(workflow):
        plain = re.sub(r"\$\{\{.*?\}\}", "value", script)
        checked = subprocess.run(["bash", "-n"], input=plain, capture_output=True, text=True)
        assert checked.returncode == 0, f"{checked.stderr}\n{script}"


def test_what_is_called_exists(workflow):
    makefile = (REPOSITORY / "Makefile").read_text()
    called = [line for script in scripts(workflow) for line in commands(script)]
    assert len(called) > 10
    for line in called:
        if line[0] in GIVEN:
            if line[0] == "make":
                assert re.search(rf"^{line[1]}:", makefile, re.M), line
            if line[0] == "bash":
                assert (REPOSITORY / line[1]).is_file(), line
        else:
            path = REPOSITORY / line[0]
            assert path.is_file() and path.stat().st_mode & 0o111, line
        if "pytest" in line:
            folders = [word for word in line if word.startswith("test/")]
            assert folders and all((REPOSITORY / folder).is_dir() for folder in folders)
        for flag, value in zip(line, line[1:], strict=False):
            if flag == "--packages-select":
                assert value == "spatialgeo_ros"


def test_a_container_of_root_lets_git_read_the_checkout(workflow):
    """Without it, git refuses a checkout of another user, and the tests that list files skip."""
    for name, job in workflow["jobs"].items():
        text = "\n".join(step.get("run", "") for step in job["steps"])
        assert "safe.directory" in text, name
