# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stands in the documentation's pages: links, anchors, and the commands of code blocks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "engines" / "README.md",
    REPOSITORY / "weights" / "nano" / "README.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]
SHELLS = {"bash", "console", "sh", "dockerfile", ""}

_FENCE = re.compile(r"^( *)(```|~~~)(\w*)[^\n]*\n(.*?)^ *\2\s*$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^()\s]+)\)")
_WORD_OF_A_LINE = re.compile(r"[^\w\- ]")


def name_of(page: Path) -> str:
    """Return a page's path within the repository."""
    return str(page.relative_to(REPOSITORY))


@dataclass(frozen=True)
class Block:
    """A block of code: its language and its text."""

    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return the blocks of code of a page."""
    text = page.read_text(encoding="utf-8")
    return [Block(match[3], _dedent(match[4], match[1])) for match in _FENCE.finditer(text)]


def _dedent(text: str, indent: str) -> str:
    return "\n".join(line.removeprefix(indent) for line in text.splitlines())


def prose(page: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Return the targets of a page's links."""
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", prose(page)))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub and the site both make them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.*?) *#*$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        found.add(_WORD_OF_A_LINE.sub("", plain.lower()).strip().replace(" ", "-"))
    return found


def command_lines(page: Path) -> Iterator[list[str]]:
    """Yield the commands of a page's blocks of shell, each as its words."""
    for block in blocks(page):
        if block.language not in SHELLS:
            continue
        text = re.sub(r"\\\n\s*", " ", block.text)
        for line in text.splitlines():
            if block.language == "console":
                if not line.startswith("$ "):
                    continue  # what is printed
                line = line[2:]
            yield from _commands(
                re.sub(r"^RUN ", "", line) if block.language == "dockerfile" else line
            )


def _commands(line: str) -> Iterator[list[str]]:
    if line.count("'") % 2 or line.count('"') % 2:
        return  # goes on over several lines: the YAML of a request, see requests()
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if set(word) <= set("&|;"):
            yield words
            words = []
        else:
            words.append(word)
    if words:
        yield words


def requests(page: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the requests of a page: kind (``srv`` or ``action``), type, and YAML of its fields."""
    pattern = re.compile(
        r"ros2 (?:service call|action send_goal)(?: --feedback)? \S+\s+(?:\\\n\s*)?"
        r"spatialgeo_ros/(srv|action)/(\w+)\s+(?:\\\n\s*)?\"((?:[^\"\\]|\\.|\\\n)*)\""
    )
    for block in blocks(page):
        for kind, name, fields in pattern.findall(block.text):
            yield kind, name, re.sub(r'\\(["\\$`])', r"\1", fields)
