# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From the boxes that networks give to boxes of pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable

from spatialgeo_ros.grounding.detector import Box


def pixel_box(edges: Iterable[float], width: int, height: int) -> Box | None:
    """Turn a box between edges of an image into one between centres of its pixels.

    Networks count from the image's left edge, 0, to its right edge, ``width``; a region counts
    centres of pixels, from 0 to ``width - 1``.

    Args:
        edges: x0, y0, x1, y1; what is outside the image is cut off.
        width: of the image.
        height: of the image.

    Returns:
        The box, None where it is not finite or holds no pixel of the image.
    """
    x0, y0, x1, y1 = (float(v) - 0.5 for v in edges)
    if not all(map(math.isfinite, (x0, y0, x1, y1))):
        return None
    x0, y0 = max(x0, 0.0), max(y0, 0.0)
    x1, y1 = min(x1, width - 1.0), min(y1, height - 1.0)
    if math.ceil(x0) > math.floor(x1) or math.ceil(y0) > math.floor(y1):
        return None
    return x0, y0, x1, y1
