# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What has to be different in transformers' detectors while they are exported, and why.

Everything is undone when the context ends. A later transformers that does not need a patch is fine:
each computes the same as what it stands for, and a name that is gone is passed over.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

_MODELS = "transformers.models"
_GROUNDING_DINO = (
    f"{_MODELS}.mm_grounding_dino.modeling_mm_grounding_dino",
    f"{_MODELS}.grounding_dino.modeling_grounding_dino",
)
_SAM3 = f"{_MODELS}.sam3.modeling_sam3"


def text_blocks(input_ids: Tensor, special_tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Which tokens of a prompt see each other, and their places in their phrase.

    Equal to ``generate_masks_with_special_tokens_and_transfer_map`` of transformers (the tests
    compare them), which uses ``cummax``, ``cummin`` and ``isin``: ONNX has none of these. The next
    special token at or after a place, and the previous one before it, are found by comparing every
    place with every other instead.

    Args:
        input_ids: ``[B, T]`` int64.
        special_tokens: ``[S]`` int64, tokens that part phrases.

    Returns:
        ``[B, T, T]`` bool and ``[B, T]`` int64.
    """
    length = input_ids.shape[1]
    # In float32, exact far beyond any length: reductions over int64 are not everywhere.
    place = torch.arange(length, device=input_ids.device, dtype=torch.float32)
    special = (input_ids[:, :, None] == special_tokens).float().amax(-1) > 0  # [B, T]
    here, there = place[:, None], place[None, :]
    following = special[:, None, :] & (there >= here)  # [B, T, T]
    following_place = torch.where(following, there, torch.full_like(there, float(length)))
    next_special = following_place.amin(-1)
    preceding = special[:, None, :] & (there < here)
    previous_special = torch.where(preceding, there, torch.full_like(there, -1.0)).amax(-1)
    inside = (next_special != 0) & (next_special != length - 1) & (next_special != length)
    together = (next_special[:, :, None] == next_special[:, None, :]) & inside[:, None, :]
    itself = (here == there)[None]
    places = torch.where(inside, place - previous_special - 1, torch.zeros_like(next_special))
    return together | itself, places.clamp_min(0).to(torch.int64)


@contextmanager
def grounding_dino_patches() -> Iterator[None]:
    """For Grounding DINO and MM-Grounding-DINO.

    ``torch_compilable_check`` of shapes known beforehand becomes ``aten._is_all_true`` in the
    graph, which ONNX does not have.
    """
    with ExitStack() as stack:
        for module in _modules(*_GROUNDING_DINO):
            _replace(stack, module, "torch_compilable_check", _no_check)
            _replace(
                stack, module, "generate_masks_with_special_tokens_and_transfer_map", text_blocks
            )
        yield


@contextmanager
def sam3_patches(grid: tuple[int, int]) -> Iterator[None]:
    """For SAM 3, whose decoder takes the size of the feature map out of a tensor.

    A size that depends on values cannot be exported (``arange`` of it is a guard on data); the
    rows and columns of one exported graph are known.

    Args:
        grid: Rows and columns of the coarsest feature map.
    """
    with ExitStack() as stack:
        for module in _modules(_SAM3):
            decoder = getattr(module, "Sam3DetrDecoder", None)
            original = getattr(decoder, "_get_rpb_matrix", None)
            if original is not None:
                _replace(stack, decoder, "_get_rpb_matrix", _of_grid(original, grid))
        yield


def _of_grid(original: Callable[..., Tensor], grid: tuple[int, int]) -> Callable[..., Tensor]:
    def rpb_matrix(self: Any, reference_boxes: Tensor, spatial_shape: Any) -> Tensor:
        del spatial_shape
        return original(self, reference_boxes, grid)

    return rpb_matrix


def _no_check(*_: Any, **__: Any) -> None:
    """Check nothing: the shapes of an exported graph are fixed."""


def _modules(*names: str) -> Iterator[ModuleType]:
    for name in names:
        try:
            yield importlib.import_module(name)
        except ImportError:  # a transformers without this network has nothing to patch
            continue


def _replace(stack: ExitStack, owner: Any, name: str, value: object) -> None:
    if hasattr(owner, name):
        stack.callback(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, value)
