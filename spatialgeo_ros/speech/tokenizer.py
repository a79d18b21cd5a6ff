# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Text to token ids and back, with placeholders for images and regions.

One class serves both sizes of language model: the word-level tokenizer of the nano model, which
:func:`build_nano_tokenizer` makes from the question templates, and the tokenizer of a published
checkpoint. Placeholders follow LLaVA: the text is split at them, the pieces are tokenised
one by one, and a negative id is put between.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.query.families import REGION_PLACEHOLDER, all_texts
from spatialgeo_ros.runtime.input_files import read_input_text, read_json
from spatialgeo_ros.speech.llama_tokenizer import (
    MODEL_FILE,
    LlamaTokenizer,
    load_llama_tokenizer,
)
from spatialgeo_ros.speech.marked_text import Span, TextPart, cut, join, within
from spatialgeo_ros.speech.numbers import CLOCK_TEXTS, format_number, grid_values

IMAGE_PLACEHOLDER = "<image>"
IMAGE_ID = -200
REGION_ID = -201

_PLACEHOLDERS = {IMAGE_PLACEHOLDER: IMAGE_ID, REGION_PLACEHOLDER: REGION_ID}
_SPLIT = re.compile("|".join(map(re.escape, _PLACEHOLDERS)))

#: Of a tokenizer.json: the largest published ones have 33 MB.
_MOST_BYTES = 100_000_000
_SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token")
PAD, BOS, EOS, UNKNOWN = "<pad>", "<bos>", "<eos>", "<unk>"
#: Words, numbers with their decimals, and single punctuation marks; the rest is white space.
_WORD_PATTERN = r"\d+(?:\.\d+)?|[^\W\d_]+(?:'[^\W\d_]+)?|[^\w\s]"
#: Words of the nano prompt that no template holds.
_PROMPT_WORDS = ("answer", ":")


class LanguageTokenizer:
    """Encode and decode text for a causal language model.

    Args:
        tokenizer: a Hugging Face tokenizer (``PreTrainedTokenizerBase``), or any callable with
            ``(text).input_ids`` and the attributes ``bos_token_id`` and ``eos_token_id``.
    """

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer

    @property
    def bos_id(self) -> int | None:
        """Id of the token every prompt starts with, or None."""
        return self.tokenizer.bos_token_id

    @property
    def eos_id(self) -> int | None:
        """Id of the token that ends an answer, or None."""
        return self.tokenizer.eos_token_id

    @property
    def pad_id(self) -> int:
        """Id used to fill a batch: the padding token, else the end token, else 0."""
        for name in ("pad_token_id", "eos_token_id"):
            value = getattr(self.tokenizer, name, None)
            if value is not None:
                return int(value)
        return 0

    def __len__(self) -> int:
        """Return the number of tokens, added ones included."""
        return len(self.tokenizer)

    def encode(
        self, text: str | Sequence[TextPart], *, add_bos: bool = True, add_eos: bool = False
    ) -> list[int]:
        """Tokenise ``text``; ``<image>`` becomes -200 and ``<region>`` -201.

        Each piece between placeholders is tokenised on its own, as LLaVA does, and only one
        beginning-of-sequence token is kept, at the front. In plain parts placeholders and special
        tokens are text like any other.
        """
        bos, eos = self.bos_id, self.eos_id
        ids: list[int] = [bos] if add_bos and bos is not None else []
        whole, plain = (text, []) if isinstance(text, str) else join(text)
        for piece in cut(_SPLIT, whole, plain):
            if piece.is_token:
                ids.append(_PLACEHOLDERS[piece.text])
                continue
            inside = within(plain, piece.begin, piece.begin + len(piece.text))
            for part in self._encoded(piece.text, inside):
                ids.extend(part[1:] if part and part[0] == bos else part)
        if add_eos and eos is not None:
            ids.append(eos)
        return ids

    def _encoded(self, text: str, plain: Sequence[Span]) -> Iterator[list[int]]:
        """Ids of a text between placeholders, in one or several runs."""
        if isinstance(self.tokenizer, LlamaTokenizer):
            yield list(self.tokenizer(text, plain).input_ids)
            return
        special = self._special_tokens()
        if special is None or not any(special.search(text[a:b]) for a, b in plain):
            yield list(self.tokenizer(text).input_ids)
            return
        # The library takes a text as marked or as plain, so its own tokens are set by hand.
        for piece in cut(special, text, plain):
            if piece.is_token:
                yield [int(self.tokenizer.get_vocab()[piece.text])]
            else:
                yield list(self.tokenizer(piece.text, split_special_tokens=True).input_ids)

    def _special_tokens(self) -> re.Pattern[str] | None:
        """Match the special tokens of a Hugging Face tokenizer, None where it has none."""
        tokens = getattr(self.tokenizer, "all_special_tokens", [])
        if not tokens:
            return None
        return re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))))

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ``ids`` without special tokens and placeholders."""
        kept = [int(i) for i in ids if int(i) >= 0]
        return self.tokenizer.decode(
            kept, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def token_id(self, token: str) -> int | None:
        """Return the id of one token, or None when the vocabulary lacks it."""
        index = self.tokenizer.get_vocab().get(token)
        return None if index is None else int(index)

    def number_tokens(self) -> tuple[list[int], list[float]]:
        """Return ids and values (metres, ascending) of the number tokens; empty without them."""
        return self._known([(format_number(v), v) for v in grid_values()])

    @functools.cached_property
    def numbers(self) -> Mapping[int, float]:
        """Value of each number token by its id; empty for a vocabulary without them.

        Worked out once: the whole vocabulary of a published model takes longer than a token.
        """
        return dict(zip(*self.number_tokens(), strict=True))

    def _known(self, pairs: Sequence[tuple[str, float]]) -> tuple[list[int], list[float]]:
        vocabulary = self.tokenizer.get_vocab()
        if any(text not in vocabulary for text, _ in pairs):
            return [], []
        return [int(vocabulary[text]) for text, _ in pairs], [value for _, value in pairs]

    def save(self, path: str | Path) -> None:
        """Write a nano tokenizer to one ``tokenizer.json``."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.tokenizer.backend_tokenizer.save(str(path), pretty=True)


def nano_vocabulary(words: Iterable[str]) -> list[str]:
    """Return the tokens of the nano vocabulary in the order of their ids.

    Special tokens first, then words and punctuation sorted, clock hours, numbers ascending.

    Args:
        words: names the questions are about, e.g. kinds and colours of furniture.
    """
    found = {w for text in (*all_texts(), *_PROMPT_WORDS, *words) for w in _words_of(text)}
    ordered = sorted(word for word in found if not word[0].isdigit())
    numbers = [format_number(value) for value in grid_values()]
    return [PAD, BOS, EOS, UNKNOWN, *ordered, *CLOCK_TEXTS, *numbers]


def _words_of(template: str) -> list[str]:
    return re.findall(_WORD_PATTERN, re.sub(r"\{\w+\}", " ", template).lower())


def build_nano_tokenizer(words: Iterable[str]) -> LanguageTokenizer:
    """Build the word-level tokenizer of the nano model; equal words give equal ids.

    Args:
        words: names the questions are about, e.g. kinds and colours of furniture.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

    vocabulary = {token: index for index, token in enumerate(nano_vocabulary(words))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    backend.normalizer = normalizers.Lowercase()
    backend.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD_PATTERN), "removed", invert=True)
    # Joins words with spaces and removes the space before a full stop or comma.
    backend.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    backend.add_special_tokens([PAD, BOS, EOS, UNKNOWN])
    return LanguageTokenizer(_wrap(backend))


def _wrap(backend: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        unk_token=UNKNOWN,
        padding_side="right",
    )


def load_tokenizer(path: str | Path) -> LanguageTokenizer:
    """Load a nano ``tokenizer.json``, or the tokenizer in the folder of a published checkpoint.

    Of a LLaMA's folder ``tokenizer.model`` is taken, as its authors did, else ``tokenizer.json``
    with the rules that are written in it.

    Raises:
        ModelLoadError: nothing usable is at ``path``.
    """
    path = Path(path)
    try:
        if path.is_dir():
            if (path / MODEL_FILE).is_file():
                return LanguageTokenizer(load_llama_tokenizer(path))
            if (path / "tokenizer_config.json").is_file():
                return LanguageTokenizer(_from_folder(path))
            path = path / "tokenizer.json"
        from tokenizers import Tokenizer

        # Read as text first: the library reports a missing file without its name.
        text = read_input_text(path, _MOST_BYTES, ModelLoadError)
        return LanguageTokenizer(_wrap(Tokenizer.from_str(text)))
    except ModelLoadError:
        raise
    except Exception as error:
        raise ModelLoadError(f"cannot load the tokenizer at {path}: {error}") from error


def _from_folder(folder: Path) -> Any:
    """Tokenizer of a folder without ``tokenizer.model``."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    settings = read_json(folder / "tokenizer_config.json", ModelLoadError)
    if not str(settings.get("tokenizer_class")).startswith("LlamaTokenizer"):
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    # transformers 5 would replace the rules for spaces that stand in the file by its own.
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        **{name: settings[name] for name in _SPECIAL if settings.get(name) is not None},
    )
