# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera images as small JPEGs, and pixels of the camera as pixels of what is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import rerun as rr

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.node.image_conversions import compressed_to_rgb, image_to_rgb
from spatialgeo_ros.recordings.image_codec import check_size, read_header


@dataclass(frozen=True)
class PictureSettings:
    """How images are kept.

    Attributes:
        most_width: pixels; wider images are scaled down. 0 keeps them.
        quality: of JPEG, 1 to 100.
    """

    most_width: int = 640
    quality: int = 75


@dataclass(frozen=True)
class Picture:
    """An image as it is shown.

    Attributes:
        archetype: Rerun's image.
        size: width and height of the camera's image, pixels.
        shown: width and height of what is shown, pixels.
    """

    archetype: rr.EncodedImage
    size: tuple[int, int]
    shown: tuple[int, int]

    def pixels(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return the place [N, 2] in what is shown of pixels [N, 2] of the camera's image.

        ROS counts from the centre of the first pixel, Rerun from its corner.
        """
        scale = np.divide(self.shown, self.size)
        return (np.asarray(points, np.float64).reshape(-1, 2) + 0.5) * scale

    def lengths(self, sizes: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return widths and heights [N, 2] in what is shown of those in the camera's image."""
        return np.asarray(sizes, np.float64).reshape(-1, 2) * np.divide(self.shown, self.size)

    def pinhole(self, camera: PinholeCamera) -> rr.Pinhole:
        """Return the camera of what is shown; Rerun knows no lens distortion.

        Args:
            camera: of the whole image.
        """
        width, height = self.shown
        shown = camera.resized(width, height)
        matrix = np.array(
            [[shown.fx, 0.0, shown.cx + 0.5], [0.0, shown.fy, shown.cy + 0.5], [0.0, 0.0, 1.0]]
        )
        return rr.Pinhole(
            image_from_camera=matrix, width=width, height=height, image_plane_distance=0.4
        )


def picture(message: Any, settings: PictureSettings) -> Picture:
    """Make what is shown of a ``sensor_msgs/Image`` or ``CompressedImage``.

    A JPEG that is narrow enough is passed on as it is.

    Raises:
        BadImageError: it cannot be decoded; says why.
    """
    if hasattr(message, "format"):
        data = np.frombuffer(message.data, np.uint8)
        name = f"compressed image of format '{message.format}'"
        if not data.size:
            raise BadImageError(f"{name} is empty")
        header = read_header(data, name)
        if header.format == "JPEG" and header.width <= (settings.most_width or header.width):
            check_size(header.width, header.height, name)
            size = (header.width, header.height)
            return Picture(_jpeg(data.tobytes()), size, size)
        rgb = compressed_to_rgb(message)
    else:
        rgb = image_to_rgb(message)
    return encoded(rgb, settings)


def encoded(rgb: npt.NDArray[np.uint8], settings: PictureSettings) -> Picture:
    """Make what is shown of an image [H, W, 3] RGB."""
    height, width = rgb.shape[:2]
    shown = _shown_size(width, height, settings.most_width)
    if shown != (width, height):
        rgb = cv2.resize(rgb, shown, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    options = (cv2.IMWRITE_JPEG_QUALITY, settings.quality)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), options)
    if not done:
        raise BadImageError(f"an image of {width}x{height} pixels cannot be written as JPEG")
    return Picture(_jpeg(data.tobytes()), (width, height), shown)


def shown_mask(mask: npt.NDArray[np.bool_], picture: Picture) -> npt.NDArray[np.bool_]:
    """Return a mask [H, W] of the camera's image as one of what is shown."""
    if (mask.shape[1], mask.shape[0]) == picture.shown:
        return mask
    scaled = cv2.resize(mask.astype(np.uint8), picture.shown, interpolation=cv2.INTER_NEAREST)
    return scaled.astype(bool)


def _shown_size(width: int, height: int, most_width: int) -> tuple[int, int]:
    if not most_width or width <= most_width:
        return width, height
    return most_width, max(1, round(height * most_width / width))


def _jpeg(data: bytes) -> rr.EncodedImage:
    return rr.EncodedImage(contents=data, media_type="image/jpeg")
