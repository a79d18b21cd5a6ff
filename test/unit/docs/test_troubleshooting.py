# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The troubleshooting page has every error code, and every text that says what is wrong."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import docs_text
import pytest
from docs_text import REPOSITORY

PAGE = REPOSITORY / "docs" / "troubleshooting.md"
#: Has a section for each finding by its name; its texts need no second entry.
FINDINGS = REPOSITORY / "docs" / "doctor_findings.md"
PACKAGE = REPOSITORY / "spatialgeo_ros"
#: Where the texts of /diagnostics come from: what judges graph, streams and inputs.
SOURCES = [
    *(PACKAGE / "node" / f"{name}.py" for name in (
        "cameras", "camera_pose", "diagnostics", "frame_decoder", "frame_history", "graph_checks",
        "image_conversions", "object_outputs", "odometry_pose", "pose_source",
    )),
    *sorted((PACKAGE / "node").glob("*_findings.py")),
    *(PACKAGE / "geometry" / f"{name}.py" for name in (
        "depth_unit", "plausibility", "registration_plan",
    )),
    PACKAGE / "scene" / "camera_inputs.py",
]  # fmt: skip
#: Functions whose errors tell a programmer about an argument.
NOT_SAID = {"rgb_to_image", "depth_to_image", "mask_to_image"}


def texts(path: Path) -> Iterator[str]:
    """Yield the longest literal run of words of every text of a module, docstrings apart."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    passed: set[int] = set()  # docstrings, keys of values, pieces of longer texts
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            passed.add(id(node.value))
        elif isinstance(node, ast.Dict):
            passed |= {id(key) for key in node.keys}
        elif isinstance(node, ast.FunctionDef) and (node.name in NOT_SAID or finding_ids(node)):
            passed |= {id(inner) for inner in ast.walk(node)}
        elif isinstance(node, ast.JoinedStr):
            passed |= {id(piece) for piece in node.values}
    for node in ast.walk(tree):
        if id(node) in passed:
            continue
        pieces: list[str] = []
        if isinstance(node, ast.JoinedStr):
            pieces = [p.value for p in node.values if isinstance(p, ast.Constant)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            pieces = [node.value]
        longest = max(pieces, key=len, default="")
        if len(longest.split()) >= 4:
            yield longest


def finding_ids(tree: ast.AST) -> set[str]:
    """Return the names under which a function reports what it finds."""
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") in ("Finding", "named")
        and isinstance(node.args[0], ast.Constant)
    }


def plain(text: str) -> str:
    """Return text as it is compared: words and signs, without quotes and Markdown."""
    return re.sub(r"\s+", " ", re.sub(r"[`'\"…|]", " ", text)).strip(" :;,.")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_text_of_the_node_has_an_entry(path: Path) -> None:
    page = plain(PAGE.read_text(encoding="utf-8"))
    missing = [text for text in texts(path) if plain(text) not in page]
    assert not missing, "say in docs/troubleshooting.md what each of these means, and what to do"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_finding_has_a_section(path: Path) -> None:
    ids = finding_ids(ast.parse(path.read_text(encoding="utf-8")))
    sections = docs_text.anchors(FINDINGS) if ids else set()
    assert not ids - sections


def test_texts_are_found() -> None:
    said = [text for path in SOURCES for text in texts(path)]
    assert len(said) > 40
    assert any("images are lost before they arrive" in text for text in said)


def test_every_error_code_has_an_entry_and_no_other() -> None:
    codes = re.findall(
        r"^uint16 (\w+)=", (REPOSITORY / "msg" / "ErrorCode.msg").read_text(), re.MULTILINE
    )
    entries = re.findall(r"^### ([A-Z_]+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert entries == [code for code in codes if code != "OK"]


@pytest.mark.parametrize("page", docs_text.PAGES, ids=docs_text.name_of)
def test_tables_of_errors_name_codes(page: Path) -> None:
    """What a client gets is a constant of ErrorCode, whatever the error is called inside."""
    codes = (REPOSITORY / "msg" / "ErrorCode.msg").read_text()
    for table in re.findall(r"(?m)^\| error \|.*\n\|[-| ]+\n((?:\|.*\n?)+)", page.read_text()):
        for code in re.findall(r"(?m)^\| `([A-Z_]+)` \|", table):
            assert re.search(rf"\b{code}=", codes), code


def test_every_entry_of_an_error_says_something() -> None:
    text = docs_text.prose(PAGE)
    for entry in re.findall(r"^### [A-Z_]+\n\n(.*?)(?=^##)", text, re.MULTILINE | re.DOTALL):
        assert len(entry.split()) >= 5 or "](" in entry
