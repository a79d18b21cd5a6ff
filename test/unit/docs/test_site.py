# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The site builds strictly and without network, and its generated pages hold everything."""

from __future__ import annotations

import argparse
import html
import importlib
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docs_text import REPOSITORY

sys.path.insert(0, str(REPOSITORY / "tools" / "site"))
interface_pages = importlib.import_module("interface_pages")
commands_page = importlib.import_module("commands_page")
repository_pages = importlib.import_module("repository_pages")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The built site; whatever asks for the network while it is built fails."""
    pytest.importorskip("mkdocs", reason="needs mkdocs-material: run through `make test`")
    build = importlib.import_module("mkdocs.commands.build").build
    load_config = importlib.import_module("mkdocs.config").load_config
    folder = tmp_path_factory.mktemp("site")

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked for")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        for name in ("SITE_URL", "REPOSITORY_URL", "FILES_URL"):
            patch.delenv(name, raising=False)
        config = load_config(str(REPOSITORY / "mkdocs.yml"), site_dir=str(folder), strict=True)
        build(config)
    yield folder


def test_every_page_is_built_and_in_the_navigation(site: Path) -> None:
    start = (site / "index.html").read_text()
    for page in sorted((REPOSITORY / "docs").rglob("*.md")):
        name = str(page.relative_to(REPOSITORY / "docs")).replace("README.md", "index.md")
        shown = name.removesuffix(".md") + ".html"
        assert (site / shown).is_file(), name
        assert f'href="{shown}"' in start, f"{name} is not in the navigation of mkdocs.yml"


def test_the_start_page_is_the_readme(site: Path) -> None:
    start = (site / "index.html").read_text()
    readme = (REPOSITORY / "README.md").read_text()
    for title in re.findall(r"^## (.*)$", readme, re.MULTILINE):
        assert f">{title}<a class" in start
    assert 'src="images/demo_overlay.png"' in start and "docs/" not in re.findall(
        r'href="([^"]*)"', start
    )
    assert not re.search(r'(?:href|src)="docs/', start)


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text()
        loaded = re.findall(r'<(?:script|img|iframe|source)[^>]*\bsrc="([^"]*)"', text)
        loaded += re.findall(
            r'<link[^>]*rel="(?:stylesheet|preconnect|icon)"[^>]*href="([^"]*)"', text
        )
        loaded += re.findall(
            r'<link[^>]*href="([^"]*)"[^>]*rel="(?:stylesheet|preconnect|icon)"', text
        )
        assert not [one for one in loaded if re.match(r"https?:|//", one)], page.name


def test_no_page_shows_the_marks_of_markdown(site: Path) -> None:
    """A list or table without an empty line before it is text here, and none on GitHub."""
    for page in site.rglob("*.html"):
        text = re.sub(r"(?s)<(script|pre|style|svg|code).*?</\1>", "", page.read_text())
        for paragraph in re.findall(r"(?s)<(?:p|li|td)>(.*?)</(?:p|li|td)>", text):
            assert not re.search(r"\n\s*(?:[-*+] |1\. |\||#)", paragraph), (page.name, paragraph)
        assert "```" not in text and "](" not in text, page.name


def test_no_markdown_is_left_in_the_tables_of_generated_pages(site: Path) -> None:
    """A table that is not understood shows its bars."""
    for name in (
        "commands",
        "interfaces/messages",
        "interfaces/services",
        "interfaces/actions",
        "parameters",
    ):
        text = re.sub(
            r"<(?:code|pre|script).*?</(?:code|pre|script)>",
            "",
            (site / f"{name}.html").read_text(),
            flags=re.DOTALL,
        )
        assert "|---|" not in text and "<p>|" not in text, name


def test_angle_brackets_and_bars_of_texts_are_shown(site: Path) -> None:
    assert "cuda:&lt;n&gt;" in (site / "parameters.html").read_text()
    commands = (site / "commands.html").read_text()
    assert "cuda:&lt;n&gt;" in commands
    assert "FILE|FX,FY,CX,CY</code>" in html.unescape(commands)


@pytest.mark.parametrize("kind", ["msg", "srv", "action"])
def test_every_interface_and_field_is_on_its_page(kind: str, site: Path) -> None:
    page, *_ = interface_pages.KINDS[kind]
    text = (site / page.replace(".md", ".html")).read_text()
    for path in sorted((REPOSITORY / kind).iterdir()):
        assert f'<h2 id="{path.stem.lower()}">' in text
        own = text.split(f'<h2 id="{path.stem.lower()}">')[1].split("<h2")[0]
        lines = [line.partition("#")[0].split() for line in path.read_text().splitlines()]
        names = [words[1].partition("=")[0] for words in lines if len(words) > 1]
        assert names or kind == "srv"
        for name in names:
            assert f"<code>{name}</code>" in own, f"{path.stem}.{name}"


def interfaces() -> list[Any]:
    paths = [
        path for kind in interface_pages.KINDS for path in sorted((REPOSITORY / kind).iterdir())
    ]
    return [interface_pages.read_interface(path) for path in paths]


def test_every_number_with_a_fraction_states_its_unit() -> None:
    """In a form that the page reads: "m, ...", "..., px", "s; ...", "0..1"."""
    for one in interfaces():
        for field in one.fields():
            if field.type.startswith(("float", "geometry_msgs")):
                assert field.unit or "probability" in field.name or "in unit" in field.comment, (
                    f"{one.name}.{field.name}: {field.comment}"
                )


def test_units_are_read_from_comments() -> None:
    entry = interface_pages.Entry
    assert entry("float64", "age", "", "s, from seen_stamp to header.stamp").unit == "s"
    assert entry("float32", "x_min", "", "left edge, px").unit == "px"
    assert entry("string", "label", "", "the object's name, m for metres").unit == ""


def test_a_line_that_is_no_interface_is_named(tmp_path: Path) -> None:
    file = tmp_path / "Broken.msg"
    file.write_text("# about\n\nfloat64 x # m\nfloat64\n")
    with pytest.raises(ValueError, match="Broken.msg, line 4"):
        interface_pages.read_interface(file)


def test_a_field_over_two_lines_and_a_default_are_read(tmp_path: Path) -> None:
    file = tmp_path / "Two.srv"
    file.write_text("# about\n\nfloat64 gap 0.5 # m, how\n         # far\n---\nuint8 A=1 # one\n")
    read = interface_pages.read_interface(file)
    (gap,) = read.fields()
    assert (gap.value, gap.comment, gap.unit) == ("0.5", "m, how far", "m")
    assert [e.name for g in read.parts[1] for e in g.entries] == ["A"]


def test_every_command_and_option_is_on_the_page(site: Path) -> None:
    text = html.unescape((site / "commands.html").read_text())
    found = list(commands_page.parsers())
    assert {
        "ask",
        "measure",
        "models download",
        "evaluate rooms",
        "train spatialgeo stage1",
        "replay",
    } <= {name for name, _, _ in found}
    for name, parser, _ in found:
        own = text.split(f'id="spatialgeo-{name.replace(" ", "-").replace("_", "-")}">')[1].split(
            "<h2"
        )[0]
        for action in parser._actions:
            if action.option_strings and action.help != argparse.SUPPRESS and action.dest != "help":
                assert action.option_strings[-1] in own, f"{name} {action.option_strings}"


def test_links_are_turned_for_the_site_and_dead_ones_are_named() -> None:
    def turn(text: str, source: str, page: str, url: str = "") -> str:
        return repository_pages.turn_links(
            text, source, page, lambda path: (REPOSITORY / path).exists(), url
        )

    assert turn("[a](docs/objects.md#drift)", "README.md", "index.md") == "[a](objects.md#drift)"
    assert turn("[a](docs/models/README.md)", "README.md", "index.md") == "[a](models/README.md)"
    assert (
        turn("![p](docs/images/demo_map.png)", "README.md", "index.md")
        == "![p](images/demo_map.png)"
    )
    assert (
        turn("[a](../../README.md)", "docs/models/moge.md", "models/moge.md") == "[a](../index.md)"
    )
    assert (
        turn("[a](../msg/Region.msg)", "docs/topics.md", "topics.md")
        == "[a](interfaces/messages.md#region)"
    )
    assert turn("[a](../srv)", "docs/topics.md", "topics.md") == "[a](interfaces/services.md)"
    assert turn("[`x.py`](../setup.py)", "docs/topics.md", "topics.md") == "`x.py`"
    assert (
        turn("[x](../setup.py)", "docs/a.md", "a.md", "https://h/b") == "[x](https://h/b/setup.py)"
    )
    assert turn("```\n[a](nowhere.md)\n```", "docs/a.md", "a.md") == "```\n[a](nowhere.md)\n```"
    with pytest.raises(ValueError, match="nowhere.md leads nowhere"):
        turn("[a](nowhere.md)", "docs/a.md", "a.md")


def test_the_changelog_reads_as_markdown() -> None:
    text = "^^^\nChangelog\n^^^\n\n0.1.0 (soon)\n-----\n* ``a*b`` and c*d\n  goes on\n"
    assert repository_pages.changelog_markdown(text) == (
        "# Changes\n\n\n## 0.1.0 (soon)\n\n* `a*b` and c\\*d\n  goes on\n"
    )
