# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What stands in for parts of transformers during an export is equal to them, and goes away."""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
import torch
from transformers.models.grounding_dino import modeling_grounding_dino
from transformers.models.mm_grounding_dino import modeling_mm_grounding_dino

from spatialgeo_ros.grounding import export_patches
from spatialgeo_ros.grounding.export_patches import (
    grounding_dino_patches,
    sam3_patches,
    text_blocks,
)

pytestmark = pytest.mark.transformers

BLOCKS = "generate_masks_with_special_tokens_and_transfer_map"
DINOS = [modeling_grounding_dino, modeling_mm_grounding_dino]
# The library's own way to it asks for torchvision.
Decoder = importlib.import_module("transformers.models.sam3.modeling_sam3").Sam3DetrDecoder
SPECIAL = torch.tensor([101, 102, 1012, 1029])


@pytest.mark.parametrize("module", DINOS)
def test_text_blocks_are_the_librarys(module: ModuleType) -> None:
    theirs = getattr(module, BLOCKS)
    generator = torch.Generator().manual_seed(0)
    words = torch.tensor([101, 102, 1012, 1029, 5, 7, 9, 11])
    for length in (*range(1, 12), 31, 64):
        for _ in range(20):
            drawn = torch.randint(0, len(words), (3, length), generator=generator)
            ids = words[drawn]
            for mine, wanted in zip(text_blocks(ids, SPECIAL), theirs(ids, SPECIAL), strict=True):
                assert mine.dtype == wanted.dtype
                torch.testing.assert_close(mine, wanted, rtol=0, atol=0)


def test_text_blocks_of_a_prompt() -> None:
    # [CLS] red chair . door . [SEP] and padding
    ids = torch.tensor([[101, 5, 7, 1012, 9, 1012, 102, 0]])
    together, places = text_blocks(ids, SPECIAL)
    assert together[0, 1].nonzero().flatten().tolist() == [1, 2, 3]
    assert together[0, 4].nonzero().flatten().tolist() == [4, 5]
    assert together[0, 7].nonzero().flatten().tolist() == [7]
    assert places.tolist() == [[0, 0, 1, 2, 0, 1, 0, 0]]


@pytest.mark.parametrize("fails", [False, True])
def test_patches_are_undone(fails: bool) -> None:
    owners = [(module, name) for module in DINOS for name in (BLOCKS, "torch_compilable_check")] + [
        (Decoder, "_get_rpb_matrix")
    ]
    before = [getattr(*owner) for owner in owners]
    try:
        with grounding_dino_patches(), sam3_patches((8, 8)):
            assert all(getattr(*o) is not b for o, b in zip(owners, before, strict=True))
            if fails:
                raise ZeroDivisionError
    except ZeroDivisionError:
        pass
    assert all(getattr(*o) is b for o, b in zip(owners, before, strict=True))


def test_what_a_later_transformers_has_not_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in DINOS:
        monkeypatch.delattr(module, "torch_compilable_check")
    monkeypatch.delattr(Decoder, "_get_rpb_matrix")
    monkeypatch.setattr(
        export_patches, "_GROUNDING_DINO", (*export_patches._GROUNDING_DINO, "transformers.none")
    )
    with grounding_dino_patches(), sam3_patches((8, 8)):
        assert not hasattr(modeling_grounding_dino, "torch_compilable_check")
        assert getattr(modeling_grounding_dino, BLOCKS) is text_blocks
    assert not hasattr(Decoder, "_get_rpb_matrix")
