# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which parameters learn at which rate, and which of them decay, as LLaVA's trainer sorts them."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

#: Part of the names of SpatialGeo's adapters, CLIP's and MoGe's alike.
PROJECTOR = "mm_projector"


def decaying_names(model: nn.Module) -> set[str]:
    """Names of the parameters that weight decay is for: no bias, and nothing of a LayerNorm.

    Norms of other classes decay, as published: Qwen's RMSNorm is none of PyTorch's.
    """
    norms = {
        f"{name}.{key}" if name else key
        for name, module in model.named_modules()
        if isinstance(module, nn.LayerNorm)
        for key, _ in module.named_parameters(recurse=False)
    }
    return {
        name for name, _ in model.named_parameters() if name not in norms and "bias" not in name
    }


def parameter_groups(
    model: nn.Module,
    rate: float,
    weight_decay: float,
    projector_rate: float | None = None,
    projector: str | tuple[str, ...] = PROJECTOR,
) -> list[dict[str, Any]]:
    """Sort the trainable parameters into groups for an optimiser.

    Args:
        model: trainable where ``requires_grad`` is set.
        rate: learning rate.
        weight_decay: of those that decay.
        projector_rate: of parameters with ``projector`` in their names; None for ``rate``.
        projector: see above; of several, one is enough.

    Returns:
        Groups with "params", "names", "lr" and "weight_decay": with and without decay, then the
        same of the projectors where they have a rate of their own.
    """
    decays = decaying_names(model)
    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
    parts = (projector,) if isinstance(projector, str) else projector
    own = {n for n, _ in trained if projector_rate is not None and any(p in n for p in parts)}
    groups = []
    for inside in (False, True) if projector_rate is not None else (False,):
        for decay in (True, False):
            chosen = [(n, p) for n, p in trained if (n in own) == inside and (n in decays) == decay]
            groups.append(
                {
                    "params": [p for _, p in chosen],
                    "names": [n for n, _ in chosen],
                    "lr": projector_rate if inside else rate,
                    "weight_decay": weight_decay if decay else 0.0,
                }
            )
    return groups


def schedule(
    optimizer: Optimizer, kind: str, total_steps: int, warmup_ratio: float = 0.03
) -> LambdaLR:
    """Rate over the steps: up along a line, then down along a cosine or a line to 0.

    Args:
        optimizer: whose rates are set.
        kind: "cosine" or "linear".
        total_steps: of the optimiser.
        warmup_ratio: share of the steps of the way up, rounded up.
    """
    # Imported here: transformers takes seconds, which commands without training need not wait for.
    from transformers.optimization import get_scheduler

    return get_scheduler(kind, optimizer, warmup_steps(total_steps, warmup_ratio), total_steps)


def warmup_steps(total_steps: int, ratio: float) -> int:
    """Steps of the way up."""
    return -int(-(total_steps * ratio) // 1)
