# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tokenizer of LLaMA checkpoints from ``tokenizer.model``, id for id as LLaVA was trained.

LLaVA tokenises with transformers' slow LLaMA tokenizer, which transformers 5 no longer has; its
rules for spaces at the edges of a piece differ from those of the fast one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.input_files import read_json
from spatialgeo_ros.speech.marked_text import Span, cut

MODEL_FILE = "tokenizer.model"
#: What SentencePiece writes for a space.
_SPACE = "\u2581"
#: A character that no vocabulary holds and that therefore merges with nothing after it.
_GUARD = "\ue000"


@dataclass(frozen=True)
class Encoding:
    """Result of a call, as Hugging Face tokenizers give it."""

    input_ids: list[int]


class LlamaTokenizer:
    """SentencePiece with LLaMA's special tokens; what :class:`LanguageTokenizer` wraps.

    Special tokens in the text (``</s>`` between turns) become their ids, and the pieces between
    them are encoded one by one. In ``legacy`` mode each of them begins with an added space; else
    only the first does ("legacy" is the setting of ``tokenizer_config.json``; where that is
    silent, transformers 4 took it as true).

    Args:
        path: of ``tokenizer.model``.
        special: names of the tokens ``bos_token``, ``eos_token``, ``unk_token``, ``pad_token``.
        added: tokens beyond the model's vocabulary and their ids.
        legacy: see above.

    Raises:
        ModelLoadError: sentencepiece is missing, the file is damaged, or a special token unknown.
    """

    def __init__(
        self,
        path: Path,
        special: Mapping[str, str],
        added: Mapping[str, int] | None = None,
        *,
        legacy: bool = True,
    ) -> None:
        try:
            from sentencepiece import SentencePieceProcessor
        except ImportError as error:
            raise ModelLoadError(
                f"{path} needs sentencepiece: pip install sentencepiece"
            ) from error
        self._model = SentencePieceProcessor()
        try:
            self._model.load(str(path))
        except (OSError, RuntimeError) as error:
            raise ModelLoadError(f"{path} is no SentencePiece model: {error}") from error
        self.legacy = legacy
        self._added = dict(added or {})
        self._special = {name: self._known(path, token) for name, token in special.items()}
        self.bos_token_id = self._special.get("bos_token")
        self.eos_token_id = self._special.get("eos_token")
        self.unk_token_id = self._special.get("unk_token")
        self.pad_token_id = self._special.get("pad_token")
        marked = {*special.values(), *self._added}
        # Longest first: of two tokens that begin at the same place the longer one is meant.
        ordered = sorted(marked, key=len, reverse=True)
        self._split = re.compile("|".join(map(re.escape, ordered)))
        self._marked = {token: self._known(path, token) for token in marked}
        self._names = {index: token for token, index in self._marked.items()}
        self._guards = len(self._model.encode(_GUARD))

    def _known(self, path: Path, token: str) -> int:
        if token in self._added:
            return self._added[token]
        index: int = self._model.piece_to_id(token)
        if self._model.id_to_piece(index) != token:
            raise ModelLoadError(f"{path} has no token {token!r}, which its configuration names")
        return index

    def __len__(self) -> int:
        """Return the number of tokens, added ones included."""
        return max(self._model.get_piece_size(), *(i + 1 for i in self._added.values()), 0)

    def get_vocab(self) -> dict[str, int]:
        """Return every token and its id."""
        pieces = {self._model.id_to_piece(i): i for i in range(self._model.get_piece_size())}
        return {**pieces, **self._added}

    def __call__(self, text: str, plain: Sequence[Span] = ()) -> Encoding:
        """Encode a text behind a beginning-of-sequence token.

        Args:
            text: to encode.
            plain: where special tokens in it are letters like all others.
        """
        start = [] if self.bos_token_id is None else [self.bos_token_id]
        return Encoding(start + list(self._encode(text, plain)))

    def _encode(self, text: str, plain: Sequence[Span]) -> Iterator[int]:
        if not self.legacy and text:
            text = _SPACE + text.replace(_SPACE, " ")
            plain = [(begin + 1, end + 1) for begin, end in plain]
        pieces = list(cut(self._split, text, plain))
        if not self.legacy and len(pieces) > 1 and pieces[0].text == _SPACE:
            del pieces[0]  # the added space stays away from a special token
        for piece in pieces:
            if piece.is_token:
                yield self._marked[piece.text]
            elif self.legacy:
                yield from self._model.encode(piece.text)
            else:
                # Encoding adds a space at the front; it goes away together with the guard.
                yield from self._model.encode(_GUARD + piece.text)[self._guards :]

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True, **_: Any) -> str:
        """Return the text of ``ids``; special tokens are left out or written by their names.

        Ids beyond the vocabulary (embedding tables are padded) have no text.
        """
        if skip_special_tokens:
            size = self._model.get_piece_size()
            plain = [index for index in ids if index not in self._names and index < size]
            return str(self._model.decode(plain))
        text, run = "", list[int]()
        for index in ids:
            if index in self._names:
                text, run = text + self._model.decode(run) + self._names[index], []
            else:
                run.append(index)
        return text + str(self._model.decode(run))


def load_llama_tokenizer(folder: Path) -> LlamaTokenizer:
    """Load ``tokenizer.model`` with the settings that lie beside it.

    Raises:
        ModelLoadError: see :class:`LlamaTokenizer`; or a configuration file is damaged.
    """
    config = _read(folder / "tokenizer_config.json")
    names = {**config, **_read(folder / "special_tokens_map.json")}
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    for key in (*special, "pad_token"):
        value = names.get(key)
        content = value.get("content") if isinstance(value, dict) else value
        if isinstance(content, str):
            special[key] = content
    added = {token: int(i) for token, i in _read(folder / "added_tokens.json").items()}
    for index, entry in config.get("added_tokens_decoder", {}).items():
        added.setdefault(entry["content"], int(index))
    legacy = config.get("legacy")
    return LlamaTokenizer(
        folder / MODEL_FILE, special, added, legacy=True if legacy is None else bool(legacy)
    )


def _read(path: Path) -> dict[str, Any]:
    """Content of a JSON file; nothing where there is none, because each of them is optional."""
    if not path.exists():
        return {}
    content = read_json(path, ModelLoadError)
    if not isinstance(content, dict):
        raise ModelLoadError(f"{path} holds a {type(content).__name__}, not a mapping")
    return content
