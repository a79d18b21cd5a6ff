# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Transformers' layers of CLIP and DINOv2, imported without what only their training would need.

Importing any network of transformers imports its losses, and one of those SciPy's optimisers: 370
modules that a robot reads from its disk at every start and never runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from transformers import utils
from transformers.utils import import_utils

__all__ = [
    "CLIPTextConfig",
    "CLIPTextModel",
    "CLIPVisionConfig",
    "CLIPVisionModel",
    "Dinov2Config",
    "Dinov2Model",
]


@contextmanager
def _scipy_left_out() -> Iterator[None]:
    """Tell transformers, while it is imported for the first time, that there is no SciPy."""
    places: tuple[Any, ...] = (utils, import_utils)
    known = [place.is_scipy_available for place in places]
    try:
        for place in places:
            place.is_scipy_available = lambda: False
        yield
    finally:
        for place, original in zip(places, known, strict=True):
            place.is_scipy_available = original


with _scipy_left_out():
    from transformers.models.clip.configuration_clip import CLIPTextConfig, CLIPVisionConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPVisionModel
    from transformers.models.dinov2.configuration_dinov2 import Dinov2Config
    from transformers.models.dinov2.modeling_dinov2 import Dinov2Model
