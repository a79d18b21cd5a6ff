# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a detector of any words looks for unasked: nouns of a file, and what was asked lately.

The vocabulary decides what the object map knows, more than the detector does: robonix measured "the
largest single gain from the vocabulary rather than from the backend" (syswonder/robonix#243).
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.query.nouns import label_words
from spatialgeo_ros.runtime.resources import find_resource

#: The file of the package: things of homes and offices.
DEFAULT_FILE = "config/vocabulary.txt"
#: Most phrases that people asked about and how long each is looked for after that, seconds.
_MOST_ASKED, _ASKED_FOR = 16, 600.0
#: Most nouns of a vocabulary: each costs a detector time on every image of the map.
MOST_NOUNS = 200


class MapVocabulary:
    """Nouns that the object map is fed with where nobody publishes boxes.

    Args:
        nouns: always looked for; none for only what was asked.
        clock: gives seconds.

    Raises:
        BadRequestError: more than :data:`MOST_NOUNS`.
    """

    def __init__(
        self, nouns: Iterable[str] = (), clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.nouns = tuple(dict.fromkeys(words for noun in nouns if (words := label_words(noun))))
        if len(self.nouns) > MOST_NOUNS:
            raise BadRequestError(
                f"the map's vocabulary has {len(self.nouns)} nouns, allowed are {MOST_NOUNS}: "
                "shorten vocabulary_file or map_phrases"
            )
        self._clock = clock
        self._asked: OrderedDict[str, float] = OrderedDict()

    @property
    def phrases(self) -> tuple[str, ...]:
        """What is looked for now."""
        now = self._clock()
        lately = (words for words, when in self._asked.items() if now - when <= _ASKED_FOR)
        return tuple(dict.fromkeys((*self.nouns, *lately)))

    def note_asked(self, phrases: Iterable[str]) -> None:
        """Look for phrases from now on for a while, because somebody asked about them."""
        for words in phrases:
            if words in self.nouns:
                continue
            self._asked[words] = self._clock()
            self._asked.move_to_end(words)
        while len(self._asked) > _MOST_ASKED:
            self._asked.popitem(last=False)


def read_vocabulary(path: str = "") -> tuple[str, ...]:
    """Read nouns from a file: one a line, what follows a ``#`` is not read.

    Args:
        path: of the file; "" for the one of the package.

    Raises:
        BadRequestError: it cannot be read.
    """
    file = Path(path).expanduser() if path else find_resource(DEFAULT_FILE)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadRequestError(f"vocabulary_file {file} cannot be read: {error}") from error
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return tuple(line for line in lines if line)
