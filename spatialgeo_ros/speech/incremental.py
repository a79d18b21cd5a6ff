# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From tokens to text while they come: whole characters only, and no stop text."""

from __future__ import annotations

from spatialgeo_ros.speech.tokenizer import LanguageTokenizer

#: What a decoder puts for bytes that do not form a character yet.
_INCOMPLETE = "\ufffd"


class IncrementalText:
    """Turns tokens into pieces of text as they come; the pieces joined are the whole text.

    A piece is held back while its last bytes form no character yet, and while its end could be the
    beginning of the stop text.

    Args:
        tokenizer: decodes ids.
        stop: text that ends the answer, or None.
    """

    def __init__(self, tokenizer: LanguageTokenizer, stop: str | None = None) -> None:
        self.tokenizer = tokenizer
        self.stop = stop
        self.text = ""
        self.stopped = False
        self._ids: list[int] = []
        self._window = 0  # tokens before it cannot change what follows any more
        self._read = 0
        self._pending = ""

    def push(self, token: int) -> str:
        """Add one token and return the text that is certain now ("" when none is)."""
        self._ids.append(token)
        # Decoding two neighbouring pieces together puts the space between them that decoding the
        # second alone would lose.
        before = self.tokenizer.decode(self._ids[self._window : self._read])
        after = self.tokenizer.decode(self._ids[self._window :])
        if after.endswith(_INCOMPLETE) or not after.startswith(before) or after == before:
            return ""
        self._window, self._read = self._read, len(self._ids)
        return self._emit(after[len(before) :])

    def flush(self) -> str:
        """Return what was held back, at the end of the answer."""
        before = self.tokenizer.decode(self._ids[self._window : self._read])
        after = self.tokenizer.decode(self._ids[self._window :])
        self._read = len(self._ids)
        rest = after[len(before) :].rstrip(_INCOMPLETE) if after.startswith(before) else ""
        piece = self._emit(rest)
        if not self.stopped and self._pending:
            self.text += self._pending
            piece, self._pending = piece + self._pending, ""
        return piece

    def _emit(self, piece: str) -> str:
        if self.stopped:
            return ""
        if self.stop is None:
            self.text += piece
            return piece
        self._pending += piece
        end = self._pending.find(self.stop)
        if end >= 0:
            self.stopped = True
            certain, self._pending = self._pending[:end], ""
        else:
            held = _overlap(self._pending, self.stop)
            cut = len(self._pending) - held
            certain, self._pending = self._pending[:cut], self._pending[cut:]
        self.text += certain
        return certain


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of ``text`` that begins ``stop``."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if stop.startswith(text[-n:])), 0)
