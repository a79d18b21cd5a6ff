# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LLaMA's tokenizer against transformers' slow SentencePiece classes and the reference's rules."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from checkpoints.llava import VOCABULARY, write_json, write_tokenizer

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.speech.llama_tokenizer import LlamaTokenizer
from spatialgeo_ros.speech.prompts import template
from spatialgeo_ros.speech.tokenizer import IMAGE_ID, LanguageTokenizer, load_tokenizer

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
SPACE = "\u2581"
PIECES = [
    "Hello world", " USER: hi", "\nHow tall is the chair? ASSISTANT:", "  two  spaces ", " ", "\n",
    "A1</s>USER: Q2 ASSISTANT:", "</s>x", " </s> x", "x</s>", "<s>hey", "a </s> \n b<unk>c",
    "caf\u00e9 \U0001f600", f"{SPACE}x", "1.25 meters",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sentencepiece")
    return write_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def slow_tokenizer(folder: Path, legacy: bool) -> Callable[[str], list[int]]:
    """What is left of the slow tokenizers in transformers 5, with LLaMA's own step before it."""
    if not legacy:
        pytest.importorskip("google.protobuf")
    from transformers.tokenization_utils_sentencepiece import SentencePieceBackend

    backend = SentencePieceBackend(
        vocab_file=str(folder / "tokenizer.model"), legacy=legacy, **SPECIAL
    )

    def encode(text: str) -> list[int]:
        if legacy:
            return backend.convert_tokens_to_ids(backend.tokenize(text))
        tokens = backend.tokenize(SPACE + text.replace(SPACE, " "))
        if len(tokens) > 1 and tokens[0] == SPACE and tokens[1] in SPECIAL.values():
            tokens = tokens[1:]
        return backend.convert_tokens_to_ids(tokens)

    return encode


@pytest.mark.parametrize("legacy", [True, False])
def test_ids_equal_those_of_the_slow_tokenizer(folder: Path, legacy: bool) -> None:
    ours = LlamaTokenizer(folder / "tokenizer.model", SPECIAL, legacy=legacy)
    slow = slow_tokenizer(folder, legacy)
    for text in PIECES:
        assert ours(text).input_ids == [1, *slow(text)], text


def test_modes_differ_after_a_special_token(folder: Path) -> None:
    path = folder / "tokenizer.model"
    legacy, newer = (LlamaTokenizer(path, SPECIAL, legacy=mode) for mode in (True, False))
    text = "A1</s>USER: Q2"
    assert legacy(text).input_ids != newer(text).input_ids
    assert legacy("USER: Q2").input_ids == newer("USER: Q2").input_ids


def test_pieces_around_images_are_encoded_one_by_one(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    assert isinstance(tokenizer.tokenizer, LlamaTokenizer) and not tokenizer.tokenizer.legacy
    slow = slow_tokenizer(folder, legacy=False)
    prompt = template("llava_v1").build("How tall is the chair?", images=2)
    before, between, after = prompt.split("<image>")
    expected = [1, *slow(before), IMAGE_ID, *slow(between), IMAGE_ID, *slow(after)]
    assert tokenizer.encode(prompt) == expected
    assert tokenizer.encode("<image>") == [1, IMAGE_ID]
    history = template("llava_v1").build("Q2", [("Q1", "A1")])
    assert tokenizer.encode(history).count(tokenizer.eos_id or 0) == 1


def test_special_ids_and_size(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    # special_tokens_map.json of LLaVA says that <unk> pads.
    assert (tokenizer.bos_id, tokenizer.eos_id, tokenizer.pad_id) == (1, 2, 0)
    assert 270 < len(tokenizer) <= VOCABULARY
    assert tokenizer.token_id("<0x0A>") == 13 and tokenizer.token_id("nonsense") is None
    assert tokenizer.number_tokens() == ([], [])


def test_decoding_leaves_out_what_has_no_text(folder: Path) -> None:
    tokenizer = load_tokenizer(folder)
    text = "The chair is 1.25 meters tall, caf\u00e9 \U0001f600"
    ids = tokenizer.encode(text, add_eos=True)
    assert tokenizer.decode([*ids, IMAGE_ID, 31999]) == text
    with_names = tokenizer.tokenizer.decode(ids, skip_special_tokens=False)
    assert with_names == f"<s>{text}</s>"
    # The bytes of a character that is not complete yet: the stream holds the text back.
    assert tokenizer.decode(ids[:-2]).endswith("\ufffd")


def test_added_tokens_of_a_converted_checkpoint(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "converted"
    target.mkdir()
    (target / "tokenizer.model").write_bytes((folder / "tokenizer.model").read_bytes())
    config = json.loads((folder / "tokenizer_config.json").read_text())
    size = len(load_tokenizer(folder))
    config["added_tokens_decoder"] = {str(size + 1): {"content": "<pad>"}}
    write_json(target / "tokenizer_config.json", {**config, "pad_token": "<pad>"})
    write_json(target / "added_tokens.json", {"<extra>": size})
    tokenizer = load_tokenizer(target)
    assert (tokenizer.pad_id, len(tokenizer)) == (size + 1, size + 2)
    ids = tokenizer.encode("one<extra>two", add_bos=False)
    assert size in ids and tokenizer.decode(ids) == "onetwo"


def test_llama_as_tokenizer_json_keeps_the_rules_in_the_file(folder: Path, tmp_path: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, processors
    from transformers.tokenization_utils_sentencepiece import SentencePieceExtractor

    vocabulary, _, merges = SentencePieceExtractor(str(folder / "tokenizer.model")).extract(True)
    model = models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    fast = Tokenizer(model)
    # As in the tokenizer.json of LLaMA: a space before every piece, as legacy mode has it.
    fast.normalizer = normalizers.Sequence(
        [normalizers.Prepend(SPACE), normalizers.Replace(" ", SPACE)]
    )
    fast.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(),
         decoders.Strip(" ", 1, 0)]
    )  # fmt: skip
    fast.add_special_tokens([AddedToken(t, normalized=False) for t in SPECIAL.values()])
    fast.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 1)])
    fast.save(str(tmp_path / "tokenizer.json"))
    write_json(tmp_path / "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer", **SPECIAL})
    tokenizer = load_tokenizer(tmp_path)
    legacy = LanguageTokenizer(LlamaTokenizer(folder / "tokenizer.model", SPECIAL, legacy=True))
    for text in (*PIECES, template("llava_v1").build("Where is it?", images=2)):
        if SPACE not in text:
            assert tokenizer.encode(text) == legacy.encode(text), text
    assert (tokenizer.bos_id, tokenizer.eos_id) == (1, 2)
    assert tokenizer.decode(tokenizer.encode("is it 1.25 meters?")) == "is it 1.25 meters?"


def spoil_model(folder: Path) -> None:
    (folder / "tokenizer.model").write_bytes(b"not a model")


def spoil_config(folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text("{")


def spoil_token(folder: Path) -> None:
    write_json(folder / "tokenizer_config.json", {"eos_token": "<|end|>"})


def spoil_map(folder: Path) -> None:
    (folder / "added_tokens.json").write_text("[1]")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_model, "tokenizer.model is no SentencePiece model"),
        (spoil_config, "tokenizer_config.json is no JSON"),
        (spoil_token, r"tokenizer.model has no token '<\|end\|>'"),
        (spoil_map, "added_tokens.json holds a list"),
    ],
)
def test_damaged_tokenizers_name_the_file(
    tmp_path: Path, spoil: Callable[[Path], Any], message: str
) -> None:
    pytest.importorskip("sentencepiece")
    folder = write_tokenizer(tmp_path)
    spoil(folder)
    with pytest.raises(ModelLoadError, match=message):
        load_tokenizer(folder)
