# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Keys and values in slots of fixed memory: what is written where is said before each pass.

``transformers.StaticCache`` has such memory, but counts its length in a tensor of every layer, by
two launches a layer and token, cannot be cropped before 5.24, and imports PyTorch's compiler (two
seconds) when it is first filled. Here the caller says the slots once for all layers, so that going
back to an earlier length moves and launches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, StaticLayer


@dataclass
class Place:
    """Where the next pass writes, and what it reads.

    Attributes:
        start: first slot written.
        count: slots written.
        slots: [count] int64 on the device, read when the pass runs instead of ``start``: then the
            same pass can be captured once and replayed for other slots. Every slot is read; a mask
            must hide those that are not written yet. None where the pass reads to its own end.
    """

    start: int = 0
    count: int = 0
    slots: Tensor | None = None


class SlotLayer(StaticLayer):
    """Keys and values ``[1, heads, capacity, size]`` of one layer, at the cache's place."""

    keys: Any  # transformers' type allows None, which they are before the first pass only
    values: Any
    # transformers then makes no mask for a single token that sees all that is read.
    is_compileable = False

    def __init__(self, capacity: int, place: Place) -> None:
        super().__init__(max_cache_len=capacity)
        self.place = place

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Allocate for keys and values like these; zeros, so that a masked slot adds nothing."""
        self.keys = _empty_slots(key_states, self.max_cache_len)
        self.values = _empty_slots(value_states, self.max_cache_len)
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Write at the place and return what the pass attends to."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        place = self.place
        if place.slots is not None:
            self.keys.index_copy_(2, place.slots, key_states)
            self.values.index_copy_(2, place.slots, value_states)
            return self.keys, self.values
        end = place.start + place.count
        self.keys[:, :, place.start : end] = key_states
        self.values[:, :, place.start : end] = value_states
        if place.start == 0:
            return key_states, value_states
        return self.keys[:, :, :end], self.values[:, :, :end]

    def get_seq_length(self) -> int:
        """Tokens before those of the pass."""
        return self.place.start

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Length and offset of the keys that a pass of ``query_length`` tokens attends to."""
        if self.place.slots is not None:
            return self.max_cache_len, 0
        return self.place.start + query_length, 0

    def grow(self, capacity: int, kept: int) -> None:
        """Take more slots; the first ``kept`` stay as they are."""
        self.max_cache_len = capacity
        if not self.is_initialized:
            return
        for name in ("keys", "values"):
            old: Tensor = getattr(self, name)
            new = _empty_slots(old, capacity)
            new[:, :, :kept] = old[:, :, :kept]
            setattr(self, name, new)

    def drop(self) -> None:
        """Free the memory."""
        self.keys = self.values = None
        self.max_cache_len, self.is_initialized = 0, False


class SlotCache(Cache):
    """The layers' slots and their common place.

    Args:
        layers: how many the model has; all must attend to everything before them.
    """

    def __init__(self, layers: int) -> None:
        self.place = Place()
        self.capacity = 0
        self._slots = [SlotLayer(0, self.place) for _ in range(layers)]
        super().__init__(layers=list(self._slots))

    def grow(self, capacity: int, kept: int) -> None:
        """Take ``capacity`` slots, of which the first ``kept`` keep their keys and values.

        Layer by layer: only one layer has its old and its new memory at once. Where there is no
        memory for all, none is left: the next pass needs ``grow`` again.
        """
        try:
            for layer in self._slots:
                layer.grow(capacity, kept)
        except BaseException:
            capacity = 0
            for layer in self._slots:
                layer.drop()
            raise
        finally:
            self.capacity = capacity

    def put(self, start: int, count: int) -> None:
        """Let the next pass write ``count`` slots from ``start`` and read all up to them."""
        self.place.start, self.place.count, self.place.slots = start, count, None

    def put_at(self, slots: Tensor) -> None:
        """Let the next pass write at ``slots`` and read everything; see :class:`Place`."""
        self.place.start, self.place.count, self.place.slots = 0, len(slots), slots

    @property
    def bytes(self) -> int:
        """Memory of all slots."""
        filled = [layer for layer in self._slots if layer.is_initialized]
        return sum(layer.keys.nbytes + layer.values.nbytes for layer in filled)


def _empty_slots(like: Tensor, capacity: int) -> Tensor:
    return torch.zeros(
        (*like.shape[:2], capacity, like.shape[3]), dtype=like.dtype, device=like.device
    )
