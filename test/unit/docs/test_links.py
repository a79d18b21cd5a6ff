# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Every link of the pages leads somewhere, on GitHub as it stands there."""

from __future__ import annotations

import re
from pathlib import Path

import docs_text
import pytest
from docs_text import PAGES, REPOSITORY, name_of


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    dead = []
    for target in docs_text.links(page):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or not file.is_relative_to(REPOSITORY):
            dead.append(target)
        elif anchor and (file.suffix != ".md" or anchor not in docs_text.anchors(file)):
            dead.append(target)
    assert not dead


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_are_there(page: Path) -> None:
    """Paths in code: of the checkout, or within the package as the pages shorten them."""
    text = re.sub(r"(?s)```.*?```", "", page.read_text(encoding="utf-8"))
    tops = {path.name for path in REPOSITORY.iterdir() if path.is_dir()}
    tops |= {path.name for path in (REPOSITORY / "spatialgeo_ros").iterdir() if path.is_dir()}
    missing = []
    for named in re.findall(
        r"`([\w./-]+/[\w.-]+\.(?:py|md|yaml|msg|srv|action|txt|xml|json|rviz))`", text
    ):
        if named.split("/")[0] not in tops:
            continue  # of a user, a checkpoint or another package
        if not any(
            (root / named).exists()
            for root in (REPOSITORY, REPOSITORY / "spatialgeo_ros", page.parent)
        ):
            missing.append(named)
    assert not missing


def test_every_page_is_reached_from_the_readme() -> None:
    """A page that no other names is found by nobody on GitHub."""
    reached, waiting = set(), [REPOSITORY / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        for target in docs_text.links(page):
            if not re.match(r"[a-z]+:|#", target):
                waiting.append((page.parent / target.partition("#")[0]).resolve())
    assert {name_of(page) for page in PAGES if page not in reached} <= {"engines/README.md"}


def test_the_readme_is_short_enough_for_two_minutes() -> None:
    words = len((REPOSITORY / "README.md").read_text().split())
    assert words < 1000
