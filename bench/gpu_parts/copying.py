# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""How fast the device's memory is: the limit of what reads all weights for every token."""

from __future__ import annotations

from typing import Any

import torch

from bench.gpu_parts.context import Context, outcome


def copy(context: Context) -> dict[str, Any]:
    """Bytes a second that a large copy reads and writes, and one from pinned host memory."""
    size = context.sizes(2 << 30, 1 << 20)
    source = torch.ones(size, dtype=torch.uint8, device=context.device)
    target = torch.empty_like(source)
    copied = 2 * size / context.seconds(lambda: target.copy_(source), most=0.5)
    host = torch.ones(size // 4, dtype=torch.uint8, pin_memory=context.device.type == "cuda")
    part = target[: size // 4]
    upload = len(host) / context.seconds(lambda: part.copy_(host, non_blocking=True), most=0.3)
    context.copied = copied
    rows = [["read and written by a copy", copied / 1e9], ["from pinned host memory", upload / 1e9]]
    return outcome(
        "Memory", {"copied": copied, "uploaded": upload}, (("what", "GB a second"), rows)
    )
