# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pages that are files of the repository, and links between the two.

GitHub shows the repository's files, the site the folder docs/; both show the same text. So links
are written as GitHub needs them, relative to the file they stand in, and are turned here.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path

#: File of the repository -> page that is made of it.
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.rst": "changelog.md",
}
#: Where a link into the repository leads to on the site; else it goes to the repository itself.
GENERATED = {
    "msg": "interfaces/messages.md",
    "srv": "interfaces/services.md",
    "action": "interfaces/actions.md",
    "spatialgeo_ros/cli": "commands.md",
}
_LINK = re.compile(r"(!?\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^()\s]+)\)")
_FENCE = re.compile(r"^(?:```|~~~).*?^(?:```|~~~)\s*$", re.MULTILINE | re.DOTALL)


def repository_page(root: Path, name: str) -> str:
    """Return a file of the repository as Markdown, its links as they stand in it."""
    text = (root / name).read_text(encoding="utf-8")
    return changelog_markdown(text) if name.endswith(".rst") else text


def changelog_markdown(text: str) -> str:
    """Turn the changelog from reStructuredText (titles, lists, ``code``) into Markdown."""
    lines = text.splitlines()
    out = ["# Changes", ""]
    for number, line in enumerate(lines):
        below = lines[number + 1] if number + 1 < len(lines) else ""
        if re.fullmatch(r"(\^{3,}|-{3,})", line) or re.fullmatch(r"\^{3,}", below):
            continue
        code = line.replace("``", "`")
        # a star or an underscore of the text is one, outside code
        pieces = re.split(r"(`[^`]*`)", code)
        pieces[::2] = [re.sub(r"(?<!^)([*_<])", r"\\\1", piece) for piece in pieces[::2]]
        code = "".join(pieces)
        out += [f"## {code}", ""] if re.fullmatch(r"-{3,}", below) else [code]
    return "\n".join(out) + "\n"


def turn_links(
    text: str, source: str, page: str, exists: Callable[[str], bool], repository_url: str
) -> str:
    """Turn the links of a text, written for GitHub, into those of a page of the site.

    Args:
        text: Markdown.
        source: file of the repository that the text stands in, for example ``docs/objects.md``.
        page: page of the site that shows it, for example ``objects.md``.
        exists: tells whether a path is a file or folder of the repository.
        repository_url: address of the repository's files at the branch that is shown; "": unknown,
            then links to source files become plain text.

    Raises:
        ValueError: A link leads nowhere; it is named.
    """

    def turn(match: re.Match[str]) -> str:
        words, target = match[1], match[2]
        if re.match(r"[a-z]+:|#", target):
            return match[0]
        path, _, anchor = target.partition("#")
        full = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        if not exists(full):
            raise ValueError(f"{source}: {target} leads nowhere")
        where = _page_of(full)
        if where is None:
            if not repository_url:
                return words[1:-1] if not words.startswith("!") else match[0]
            return f"{words}({repository_url}/{full}{'#' + anchor if anchor else ''})"
        if not anchor and posixpath.dirname(full) in GENERATED:
            anchor = posixpath.splitext(posixpath.basename(full))[0].lower()
        relative = posixpath.relpath(where, posixpath.dirname(page) or ".")
        return f"{words}({relative}{'#' + anchor if anchor else ''})"

    # links in blocks of code are code
    pieces, end = [], 0
    for block in _FENCE.finditer(text):
        pieces += [_LINK.sub(turn, text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*pieces, _LINK.sub(turn, text[end:])])


def _page_of(path: str) -> str | None:
    """Return the page of the site that shows a file or folder of the repository, if one does."""
    if path in PAGES:
        return PAGES[path]
    if path == "docs":
        return PAGES["README.md"]
    if path == "docs/models":
        return "models/README.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path in GENERATED:
        return GENERATED[path]
    folder = posixpath.dirname(path)
    return GENERATED[folder] if folder in ("msg", "srv", "action") else None
