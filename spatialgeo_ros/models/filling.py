# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Fill a network that was built on the meta device, one tensor at a time.

Networks of billions of parameters are built without memory and get each tensor from its file in the
dtype and on the device wanted, so that no second copy of the checkpoint is ever held.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.shards import Shards

_NAMED_IN_ERROR = 3


def fill(
    module: nn.Module,
    shards: Shards,
    official: Callable[[str], str],
    source: object,
    *,
    dtype: torch.dtype,
    device: torch.device | str = "cpu",
    skip: Collection[str] = (),
) -> set[str]:
    """Give every parameter and persistent buffer of a module its tensor.

    Args:
        module: Built on the meta device.
        shards: The checkpoint.
        official: From a tensor's name in the module to its name in the checkpoint.
        source: Named in errors.
        dtype: Of floating-point tensors.
        device: Where the tensors go.
        skip: Names in the module that are left as they are, because they are tied to others.

    Returns:
        The names used of the checkpoint.

    Raises:
        ModelLoadError: Names the tensors that are missing, of another shape, or not finite in
            ``dtype``.
    """
    wanted = {
        name: (official(name), tuple(tensor.shape))
        for name, tensor in module.state_dict().items()
        if name not in skip
    }
    missing = [theirs for theirs, _ in wanted.values() if theirs not in shards]
    if missing:
        raise ModelLoadError(
            f"{source} lacks tensor {list_names(missing)} of {type(module).__name__}: it is "
            "incomplete or of another version; get it again"
        )
    wrong = [
        f"'{theirs}' is {list(shards.shape(theirs))} but the configuration needs {list(shape)}"
        for theirs, shape in wanted.values()
        if shards.shape(theirs) != shape
    ]
    if wrong:
        raise ModelLoadError(
            f"{source}: tensor {'; '.join(wrong[:_NAMED_IN_ERROR])}{_more(wrong)}: tensors and "
            "configuration belong to different checkpoints"
        )
    for name, (theirs, _) in wanted.items():
        tensor = shards[theirs]
        # A copy in any case: the file may be mapped into memory and must be free to go.
        tensor = tensor.to(device, dtype if tensor.is_floating_point() else None, copy=True)
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ModelLoadError(
                f"{source}: tensor '{theirs}' has values that are not finite in {dtype}; "
                "bfloat16 has the wider range"
            )
        _assign(module, name, tensor)
    return {theirs for theirs, _ in wanted.values()}


def _assign(module: nn.Module, name: str, tensor: Tensor) -> None:
    parent, _, child = name.rpartition(".")
    owner = module.get_submodule(parent)
    if child in owner._parameters:
        owner._parameters[child] = nn.Parameter(tensor, requires_grad=False)
    else:
        owner._buffers[child] = tensor


def list_names(names: Iterable[str]) -> str:
    """The first names in quotes, and how many more there are."""
    names = list(names)
    return ", ".join(f"'{name}'" for name in names[:_NAMED_IN_ERROR]) + _more(names)


def _more(items: list[str]) -> str:
    extra = len(items) - _NAMED_IN_ERROR
    return f" and {extra} more" if extra > 0 else ""
