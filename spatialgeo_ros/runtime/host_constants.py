# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Small tensors that a network makes of Python's numbers in every pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode


class HostConstants(TorchFunctionMode):
    """Makes a tensor of the same numbers once, within ``with``.

    Networks make small tensors of numbers (the sizes of feature maps) in every pass. The copy to
    the GPU waits for it, which must not be while a CUDA graph is recorded: what a pass before has
    made is used again. Whoever replays the graph keeps this, for the graph reads these tensors.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[str, Tensor] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Called for every function of torch."""
        given = kwargs or {}
        if func not in (torch.tensor, torch.as_tensor) or isinstance(args[0], Tensor):
            return func(*args, **given)
        key = repr((func.__name__, args, sorted(given.items(), key=str)))
        if key not in self._made:
            self._made[key] = func(*args, **given)
        return self._made[key]
