# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Image networks and the node's depth call around them, graphs beside eager calls."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench import tower_rates
from bench.gpu_parts.context import Context, outcome

HEADER = ("network", "way", "one call", "rate", "beside", "note")


def depth(context: Context) -> dict[str, Any]:
    """A node's depth call with MoGe-2 S."""
    return _rates(context, "A node's depth call with MoGe-2 S", tower_rates.depth_rates)


def encoders(context: Context) -> dict[str, Any]:
    """MoGe-2 S, B and L, and CLIP."""
    return _rates(
        context, "Image networks", tower_rates.encoder_rates, big=not context.tiny
    )  # fmt: skip


def vggt(context: Context) -> dict[str, Any]:
    """VGGT on a clip."""
    return _rates(context, "VGGT", tower_rates.vggt_rates)


def qwen_tower(context: Context) -> dict[str, Any]:
    """Qwen's image tower on a clip."""
    return _rates(context, "Qwen2.5-VL's image tower", tower_rates.qwen_tower_rates)


def _rates(
    context: Context,
    title: str,
    measure: Callable[..., list[tower_rates.Rate]],
    **options: Any,
) -> dict[str, Any]:
    context.free()
    seconds = 0.02 if context.tiny else 0.6
    rates = measure(context.device, tiny=context.tiny, seconds=seconds, **options)
    numbers = {f"{rate.name}: {rate.what}": rate.seconds for rate in rates}
    return outcome(title, numbers, (HEADER, tower_rates.rows(rates)))
