# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The catalogue of findings: complete, and its page current."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from spatialgeo_ros.findings.catalogue import CATALOGUE, SECTIONS
from spatialgeo_ros.findings.finding import Finding, named
from spatialgeo_ros.findings.pages import findings_markdown


def used_ids(package: Path) -> set[str]:
    """Every name that the code gives to a finding, or looks for."""
    found = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in ("Finding", "named", "_all_named") and node.args:
                    strings = [n for n in ast.walk(node.args[0]) if isinstance(n, ast.Constant)]
                    values = {one.value for one in strings if isinstance(one.value, str)}
                    found |= {value for value in values if value[:1].isalpha()}
    return found


def test_every_name_that_the_code_uses_is_in_the_catalogue(repository):
    used = used_ids(repository / "spatialgeo_ros")
    assert len(used) > 60
    assert used <= set(CATALOGUE)


def test_every_entry_of_the_catalogue_is_used(repository):
    """An entry that nothing finds is a page about nothing."""
    text = "\n".join(
        path.read_text()
        for path in (repository / "spatialgeo_ros").rglob("*.py")
        if not path.name.startswith("catalogue")
    )
    assert not [id for id in CATALOGUE if f'"{id}"' not in text]


def test_names_are_unique_and_sayable():
    entries = [entry for section in SECTIONS.values() for entry in section]
    assert len(entries) == len(CATALOGUE)
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", entry.id)
        assert all((entry.symptom, entry.cause, entry.found, entry.cure)), entry.id


def test_the_page_is_current_and_has_every_finding(repository):
    page = (repository / "docs" / "doctor_findings.md").read_text(encoding="utf-8")
    assert page == findings_markdown(), "run python -m spatialgeo_ros.findings.pages"
    for id in CATALOGUE:
        assert f"\n### {id}\n" in page


def test_parameters_that_the_cures_name_are_the_nodes(repository):
    """A cure that names a parameter nobody has cures nothing."""
    table = (repository / "docs" / "parameters.md").read_text(encoding="utf-8")
    for entry in CATALOGUE.values():
        for name in re.findall(r"`(?:set )?<camera>\.(\w+)`", entry.cure):
            assert f"`<camera>.{name}`" in table, (entry.id, name)


def test_a_finding_is_the_sentence_it_says():
    finding = Finding("depth-unit", "are they millimetres?", {"camera.depth_scale": 0.001})
    assert finding == "are they millimetres?"
    longer = finding.within("depth ignored: ", " (camera)")
    assert longer == "depth ignored: are they millimetres? (camera)"
    assert (longer.id, longer.settings) == ("depth-unit", {"camera.depth_scale": 0.001})
    assert named("depth-stamps", longer) is longer
    assert named("depth-stamps", "text").id == "depth-stamps"
