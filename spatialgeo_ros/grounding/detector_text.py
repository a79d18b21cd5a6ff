# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Phrases as detectors take them: plain words, prompts of several phrases, spans of tokens."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRequestError, ModelLoadError, quoted
from spatialgeo_ros.query.nouns import canonical, singular

#: "cat" is found where "the cat" is not.
_ARTICLES = re.compile(r"^(?:(?:a|an|the)\s+)+(?=\S)")
#: Everything that would end a phrase inside a prompt, or says nothing to a detector.
_MARKS = re.compile(r"[.,;:?!\"“”„()\[\]{}<>|\\/]+")
#: Ids that Grounding DINO itself cuts its prompts at: [CLS], [SEP], "." and "?" of BERT.
_BERT_IDS = {"[CLS]": 101, "[SEP]": 102, ".": 1012}


@dataclass(frozen=True)
class Prompt:
    """Several phrases in one text.

    Attributes:
        texts: indices of the phrases.
        input_ids: tokens, the special ones too.
        spans: first token and one past the last of each phrase.
    """

    texts: tuple[int, ...]
    input_ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


def plain_phrase(phrase: str) -> str:
    """Return lower-case words without articles and punctuation ("The red chair." -> "red chair").

    Raises:
        BadRequestError: there is no word in it.
    """
    words = " ".join(_MARKS.sub(" ", phrase.replace("’", "'").lower()).split())
    words = _ARTICLES.sub("", words)
    if not any(letter.isalnum() for letter in words) or words in ("a", "an", "the"):
        raise BadRequestError(f"there is no word in the phrase {quoted(phrase)} to look for")
    return words


def alternatives(text: str, synonyms: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a plain phrase and the same with other words for its head noun ("red couch").

    Args:
        text: from :func:`plain_phrase`.
        synonyms: head noun, of one word or several, to others for it.
    """
    words = text.split()
    for first in range(len(words)):  # the longest noun that ends the phrase decides
        others = synonyms.get(" ".join(words[first:]))
        if others:
            said = [text, *(" ".join((*words[:first], other)) for other in others)]
            return list(dict.fromkeys(said))
    return [text]


def rival_phrases(texts: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Tell which plain phrases cannot mean the same thing: [N, N], symmetric.

    "red chair" and "door" are rivals, so are "red chair" and "blue chair"; "chair" and "red chair",
    "chair" and "chairs", "sofa" and "couch" are not: the one may well be the other.
    """
    heads, words = [], []
    for text in texts:
        said = [singular(word) for word in text.split()]
        heads.append(canonical(said[-1]) or said[-1])
        words.append(set(said[:-1]))
    count = len(texts)
    rivals = np.zeros((count, count), np.bool_)
    for i in range(count):
        for j in range(count):
            nested = words[i] <= words[j] or words[j] <= words[i]
            rivals[i, j] = i != j and not (heads[i] == heads[j] and nested)
    return rivals


class PromptWriter:
    """Writes prompts of Grounding DINO and its kin: "red chair. door." in BERT's tokens.

    The score of a phrase is read at its own tokens, so they are counted here and never decoded.

    Args:
        tokenizer: of the checkpoint (transformers).
        longest: most tokens of a prompt, the special ones too.

    Raises:
        ModelLoadError: the tokenizer is not BERT's, whose ids the network knows by number.
    """

    def __init__(self, tokenizer: Any, longest: int) -> None:
        for token, wanted in _BERT_IDS.items():
            found = tokenizer.convert_tokens_to_ids(token)
            if found != wanted:
                raise ModelLoadError(
                    f"the checkpoint's tokenizer is not BERT's: '{token}' is {found}, not "
                    f"{wanted}; download the checkpoint again"
                )
        self._tokenizer, self._longest = tokenizer, longest
        self.pad_id = int(tokenizer.pad_token_id or 0)

    def write(self, texts: Sequence[str]) -> list[Prompt]:
        """Put plain phrases into as few prompts as they fit in, in their order.

        Raises:
            BadRequestError: a phrase is too long for any prompt, or none of its words is known.
        """
        prompts: list[Prompt] = []
        chosen: list[int] = []
        tokens: list[list[int]] = []
        for index, text in enumerate(texts):
            own = self._tokens(text)
            if chosen and 2 + sum(len(one) + 1 for one in (*tokens, own)) > self._longest:
                prompts.append(_joined(chosen, tokens))
                chosen, tokens = [], []
            chosen.append(index)
            tokens.append(own)
        return [*prompts, _joined(chosen, tokens)] if chosen else prompts

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        if len(tokens) + 3 > self._longest:
            raise BadRequestError(
                f"the phrase {quoted(text)} has {len(tokens)} tokens; this detector takes at most "
                f"{self._longest - 3}: name the thing by its noun and its colour"
            )
        if not set(tokens) - {self._tokenizer.unk_token_id}:
            raise BadRequestError(f"this detector knows no word of the phrase {quoted(text)}")
        return tokens


def _joined(texts: Sequence[int], tokens: Sequence[Sequence[int]]) -> Prompt:
    ids, spans = [_BERT_IDS["[CLS]"]], []
    for own in tokens:
        spans.append((len(ids), len(ids) + len(own)))
        ids += [*own, _BERT_IDS["."]]
    return Prompt(tuple(texts), (*ids, _BERT_IDS["[SEP]"]), tuple(spans))


def span_scores(logits: npt.NDArray[np.float32], prompt: Prompt, texts: int) -> Any:
    """Score each query for each phrase: the mean probability over the phrase's own tokens.

    Args:
        logits: [queries, tokens]; -inf beyond the text.
        prompt: that they are of.
        texts: number of phrases in all; the others score 0.

    Returns:
        [queries, texts] float32.
    """
    with np.errstate(over="ignore"):  # of -inf
        probability = 1 / (1 + np.exp(-logits))
    scores = np.zeros((len(logits), texts), np.float32)
    for index, (start, stop) in zip(prompt.texts, prompt.spans, strict=True):
        scores[:, index] = probability[:, start:stop].mean(axis=1)
    return scores
