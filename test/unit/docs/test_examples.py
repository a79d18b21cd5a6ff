# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The example of docs/without_ros.md is run as it stands there, and prints what stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import docs_text
import pytest
from docs_text import REPOSITORY

from spatialgeo_ros import cli

PAGE = REPOSITORY / "docs" / "without_ros.md"


def test_the_room_is_made_and_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("mujoco", reason="needs the simulator: pip install mujoco")
    monkeypatch.chdir(tmp_path)
    code, shown = (
        next(block.text for block in docs_text.blocks(PAGE) if block.language == language)
        for language in ("python", "text")
    )
    # a process of its own: what renders holds an OpenGL context
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n{code}"]
    made = subprocess.run(command, capture_output=True, text=True)
    if "RendererUnavailableError" in made.stderr:
        pytest.skip("no OpenGL here")
    assert made.returncode == 0, made.stderr
    measure = next(words for words in docs_text.command_lines(PAGE) if words[1] == "measure")
    assert cli.main(measure[1:]) == 0
    printed = capsys.readouterr().out
    assert re.sub(r"\d", "", printed.strip()) == re.sub(r"\d", "", shown.strip())
    python = [block.text for block in docs_text.blocks(PAGE) if block.language == "python"]
    exec(compile(python[1], str(PAGE), "exec"), {})
    said = re.search(r"It prints `([^`]*)`", PAGE.read_text())
    assert said is not None and capsys.readouterr().out.strip() == said[1]
    numbers = [[float(n) for n in re.findall(r"\d+\.\d+", text)] for text in (printed, shown)]
    assert numbers[0] == pytest.approx(
        numbers[1], abs=0.005
    )  # other drivers shade pixels otherwise


def test_python_of_the_pages_is_python_and_imports_what_is_there() -> None:
    for page in docs_text.PAGES:
        for block in docs_text.blocks(page):
            if block.language != "python":
                continue
            compile(block.text, str(page), "exec")
            for module, names in re.findall(
                r"^from (spatialgeo_ros[\w.]*) import ([\w, ]+)$", block.text, re.MULTILINE
            ):
                path = REPOSITORY / module.replace(".", "/")
                file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
                assert file.is_file(), f"{page.name}: {module}"
                for name in names.split(", "):
                    found = (path / f"{name}.py").exists() or (path / name).is_dir()
                    assert found or re.search(rf"\b{name}\b", file.read_text()), f"{module}.{name}"
