# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An image in a message to a served model: as JPEG in a data URL."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

_QUALITY = 90  # of the JPEG


def image_part(image: npt.NDArray[np.uint8], size: tuple[int, int]) -> dict[str, Any]:
    """Part of a message with an image.

    Args:
        image: [H, W, 3] RGB.
        size: width and height that it is sent in.
    """
    if (image.shape[1], image.shape[0]) != size:
        smaller = size[0] * size[1] < image.shape[0] * image.shape[1]
        how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
        image = np.asarray(cv2.resize(image, size, interpolation=how), np.uint8)
    bgr = np.ascontiguousarray(image[..., ::-1])
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done, "OpenCV always has a JPEG encoder"
    url = "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
    return {"type": "image_url", "image_url": {"url": url}}


def size_within(image: npt.NDArray[np.uint8], most_pixels: int) -> tuple[int, int]:
    """Width and height of an image that is made smaller where it has more pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, (most_pixels / (width * height)) ** 0.5)
    return max(1, int(width * scale)), max(1, int(height * scale))


def text_part(text: str) -> dict[str, Any]:
    """Part of a message with words."""
    return {"type": "text", "text": text}
