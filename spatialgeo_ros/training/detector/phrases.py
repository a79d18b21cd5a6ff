# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the nano detector is asked for, and the tokenizer that it reads phrases with.

Words of the rooms are one token each; every other word is spelled in letters. So a small text tower
can tell "I was never shown that" from any word, not only from those that training rejected.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.query.noun_table import NOUN_TABLE
from spatialgeo_ros.query.nouns import canonical, is_a
from spatialgeo_ros.sim.furniture import COLOURS, KINDS
from spatialgeo_ros.training.contrastive import object_names

#: Tokens per phrase; twice as many as OWL-ViT's own checkpoints have, because words are spelled.
PHRASE_TOKENS = 32
#: OWL's class for padding is the word of id 0: queries that begin with it are masked.
PAD, BOS, EOS = "!", "<|startoftext|>", "<|endoftext|>"

#: Narrower words that fit every piece of a kind: its shelves hold books, its lamps stand.
_FITTING = {"shelf": ("bookshelf", "bookcase"), "lamp": ("floor lamp", "standing lamp")}
#: Colours that no piece of the rooms has.
_FOREIGN_COLOURS = ("black", "brown", "grey", "gray", "pink", "silver", "golden", "beige")
_FOREIGN_ADJECTIVES = ("small", "large", "old", "wooden", "metal", "broken")

#: Every name with its colour, then kinds without: what a thing in a room can be called.
NAMES: tuple[str, ...] = tuple(object_names()[:-1])
PLAIN: tuple[str, ...] = tuple(kind for kind in KINDS if kind not in NAMES)
CONCEPTS: tuple[str, ...] = (*NAMES, *PLAIN)


def concept_numbers(name: int) -> tuple[int, ...]:
    """Indices into :data:`CONCEPTS` of all that a thing of this name can be called."""
    kind = NAMES[name].split()[-1]
    return (name, len(NAMES) + PLAIN.index(kind)) if kind in PLAIN else (name,)


@cache
def table_words() -> tuple[str, ...]:
    """Every word of the noun table."""
    lines = (line for line in NOUN_TABLE.splitlines() if line.strip())
    words = (word.strip() for line in lines for word in re.split("[<:,]", line))
    return tuple(dict.fromkeys(word for word in words if word))


@cache
def kind_words(kind: str) -> tuple[str, ...]:
    """Words that mean the kind of furniture, its own first."""
    same = (word for word in table_words() if canonical(word) == kind)
    return tuple(dict.fromkeys((kind, *same, *_FITTING.get(kind, ()))))


@cache
def wordings(concept: str) -> tuple[str, ...]:
    """Phrases for a concept, the usual one first."""
    colour, _, kind = concept.rpartition(" ")
    return tuple(f"{colour} {word}".strip() for word in kind_words(kind))


@cache
def foreign_nouns() -> tuple[str, ...]:
    """Nouns of the table that are none of the rooms' kinds, nor narrower or wider ones."""
    found = []
    for word in table_words():
        kind = canonical(word) or word
        if not any(is_a(kind, own) or is_a(own, kind) for own in KINDS):
            found.append(word)
    return tuple(found)


def foreign_phrase(rng: np.random.Generator) -> str:
    """Draw a phrase that means nothing in any room."""
    draw = rng.random()
    if draw < 0.25:  # a known kind in a colour that it never has
        return f"{rng.choice(_FOREIGN_COLOURS)} {rng.choice([k for k in KINDS if k != 'plant'])}"
    if draw < 0.45:  # letters: whatever is not a word of the rooms is absent
        letters = rng.choice(list("abcdefghijklmnopqrstuvwxyz"), int(rng.integers(3, 10)))
        noun = "".join(letters)
    else:
        noun = str(rng.choice(foreign_nouns()))
    if rng.random() < 0.45:
        before = (*COLOURS, *_FOREIGN_COLOURS, *_FOREIGN_ADJECTIVES)
        return f"{rng.choice(before)} {noun}"
    return noun


def _known_words() -> tuple[str, ...]:
    """Words that get a token of their own."""
    phrases = [word for kind in KINDS for word in kind_words(kind)]
    return tuple(dict.fromkeys(w for text in (*phrases, *COLOURS) for w in text.split()))


def _byte_symbols() -> tuple[str, ...]:
    """GPT-2's printable stand-ins of all bytes, in the order of the bytes."""
    from tokenizers.pre_tokenizers import ByteLevel

    return tuple(sorted(ByteLevel.alphabet()))


def pair_merges(words: Sequence[str]) -> list[tuple[str, str]]:
    """Learn byte-pair merges until every word is one symbol (Sennrich et al. 2016)."""
    pieces = [[*word[:-1], f"{word[-1]}</w>"] for word in words]
    merges = []
    while any(len(piece) > 1 for piece in pieces):
        counts = Counter(pair for piece in pieces for pair in zip(piece, piece[1:], strict=False))
        best = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append(best)
        for number, piece in enumerate(pieces):
            merged: list[str] = []
            for symbol in piece:
                if merged and (merged[-1], symbol) == best:
                    merged[-1] += symbol
                else:
                    merged.append(symbol)
            pieces[number] = merged
    return merges


def build_tokenizer() -> Any:
    """Build a ``CLIPTokenizer`` with bytes, the rooms' words, and CLIP's special tokens.

    The end of a text has the highest id: CLIP's text tower finds it by that.
    """
    from transformers import CLIPTokenizer

    merges = pair_merges(_known_words())
    symbols = _byte_symbols()
    tokens = [PAD, *(s for s in symbols if s != PAD), *(f"{s}</w>" for s in symbols)]
    tokens += ["".join(pair) for pair in merges] + [BOS, EOS]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    pairs: Any = merges  # the library says strings, and takes pairs
    return CLIPTokenizer(
        vocab=vocabulary, merges=pairs, pad_token=PAD, model_max_length=PHRASE_TOKENS
    )


def encode(tokenizer: Any, phrases: Sequence[str]) -> NDArray[np.int64]:
    """Token ids [T, :data:`PHRASE_TOKENS`] of phrases, padded with 0."""
    rows = tokenizer(list(phrases), padding="max_length", truncation=True).input_ids
    return np.array(rows, np.int64).reshape(len(phrases), PHRASE_TOKENS)


class PhraseBook:
    """Token ids of all that is asked in training.

    Args:
        tokenizer: of :func:`build_tokenizer`.
        foreign: how many phrases that mean nothing are kept.
    """

    def __init__(self, tokenizer: Any, foreign: int = 6000) -> None:
        self._wordings = [encode(tokenizer, wordings(concept)) for concept in CONCEPTS]
        rng = np.random.default_rng(9)
        self._foreign = encode(tokenizer, [foreign_phrase(rng) for _ in range(foreign)])

    def draw(self, foreign: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Ids [C + foreign, L] of one wording of each concept, then of foreign phrases."""
        rows = []
        for ids in self._wordings:
            other = len(ids) > 1 and rng.random() < 0.3
            rows.append(ids[rng.integers(1, len(ids)) if other else 0])
        picked = self._foreign[rng.integers(0, len(self._foreign), foreign)]
        return np.concatenate([np.stack(rows), picked])

    def usual(self) -> NDArray[np.int64]:
        """Ids [C, L] of the usual wording of each concept."""
        return np.stack([ids[0] for ids in self._wordings])
