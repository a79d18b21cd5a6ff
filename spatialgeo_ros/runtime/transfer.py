# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Arrays to the device and back through page-locked memory: no copy makes the GPU wait.

PyTorch keeps a pool of page-locked blocks and does not give one out again before the copies from
it are done, so nothing here holds a buffer of its own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def upload(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    """An array on a device, in the current stream; the array may change as soon as this returns.

    On a CPU the tensor is a copy too.
    """
    host = torch.empty(
        array.shape,
        dtype=torch.from_numpy(np.empty(0, array.dtype)).dtype,
        pin_memory=device.type == "cuda",
    )
    np.copyto(host.numpy(), array)
    return host.to(device, non_blocking=True)


def download(*tensors: Tensor) -> list[npt.NDArray[Any]]:
    """Tensors as arrays of their own, all with one wait for what the current stream has launched.

    bfloat16 comes as float32, which NumPy knows.
    """
    hosts = []
    for tensor in tensors:
        if tensor.dtype == torch.bfloat16:
            tensor = tensor.float()
        host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
        hosts.append(host.copy_(tensor, non_blocking=True))
    if waiting := {tensor.device for tensor in tensors if tensor.is_cuda}:
        for device in waiting:
            torch.cuda.current_stream(device).synchronize()
        # Page-locked memory is scarce: what is kept with a frame lies elsewhere.
        return [np.array(host.numpy()) for host in hosts]
    return [host.numpy() for host in hosts]
