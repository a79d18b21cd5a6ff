# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Text of which we wrote some parts, with special tokens in them, and others wrote the rest.

A prompt holds ``<image>`` and ``</s>`` because the checkpoint was trained with them there. The same
letters in a question are text: whoever asks can neither end the turn nor add an image.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Span = tuple[int, int]


@dataclass(frozen=True)
class TextPart:
    """A part of a text.

    Attributes:
        text: of it.
        plain: whether somebody else wrote it, so that special tokens in it are letters.
    """

    text: str
    plain: bool = False


@dataclass(frozen=True)
class Piece:
    """A token that was found in a text, or what stands between two of them.

    Attributes:
        text: of it, never empty.
        begin: where it begins.
        is_token: whether it is a token.
    """

    text: str
    begin: int
    is_token: bool


def join(parts: Sequence[TextPart]) -> tuple[str, list[Span]]:
    """Return the whole text, and where its plain parts begin and end."""
    spans, length = [], 0
    for part in parts:
        if part.plain and part.text:
            spans.append((length, length + len(part.text)))
        length += len(part.text)
    return "".join(part.text for part in parts), spans


def cut(tokens: re.Pattern[str], text: str, plain: Sequence[Span] = ()) -> Iterator[Piece]:
    """Cut a text at the tokens in it, without those that are plain text, even in part.

    Args:
        tokens: matches each of them.
        text: to cut.
        plain: where it is plain text.
    """
    last = begin = 0
    while (found := tokens.search(text, begin)) is not None:
        if any(found.start() < end and start < found.end() for start, end in plain):
            begin = found.start() + 1
            continue
        if found.start() > last:
            yield Piece(text[last : found.start()], last, False)
        yield Piece(found.group(), found.start(), True)
        last = begin = found.end()
    if last < len(text):
        yield Piece(text[last:], last, False)


def within(plain: Sequence[Span], begin: int, end: int) -> list[Span]:
    """Spans of a text as they lie in its part from ``begin`` to ``end``."""
    moved = ((max(a, begin) - begin, min(b, end) - begin) for a, b in plain)
    return [(a, b) for a, b in moved if a < b]
