# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What mkdocs calls while it builds the site (``make docs``): generated pages, turned links."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import commands_page
import interface_pages
import repository_pages
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]


def _generated() -> dict[str, tuple[str, str]]:
    """Map each generated page to the file that its links are relative to, and its text."""
    pages = {
        page: (name, repository_pages.repository_page(ROOT, name))
        for name, page in repository_pages.PAGES.items()
    }
    for kind, (page, *_) in interface_pages.KINDS.items():
        pages[page] = ("", interface_pages.interface_page(ROOT, kind))
    pages[commands_page.PAGE] = ("", commands_page.commands_page())
    return pages


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are not files of docs/."""
    for page, (_, text) in _generated().items():
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Turn the links of one page."""
    shown = page.file.src_uri
    sources = {page: name for name, page in repository_pages.PAGES.items()}
    source = sources.get(shown, f"docs/{shown}")
    if shown.startswith("interfaces/") or shown == commands_page.PAGE:
        return markdown  # made with the site's own links
    try:
        return repository_pages.turn_links(
            markdown, source, shown, lambda path: (ROOT / path).exists(), config.extra["files_url"]
        )
    except ValueError as error:
        raise PluginError(str(error)) from error
