# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Camera images as detectors take them, and where a place of their input lies in the image.

Equal to the processors of the transformers library (its ``*ImageProcessorPil``, which need no
torchvision): resizing by Pillow gives the same bytes, OWLv2's own resampling the same numbers to
1e-5 of full scale. Their torchvision twins differ by a rounding step of a byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.grounding_profile import DetectorImage
from spatialgeo_ros.runtime.input_files import read_json

Pixels = npt.NDArray[np.float32]

#: Files in which a checkpoint says what its processor does, the newer layout first.
PROCESSOR_FILES = ("processor_config.json", "preprocessor_config.json")
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True)
class PixelRules:
    """How an image becomes a network's input.

    Attributes:
        fit: "aspect" (short and long side), "fixed" (scaled into rows x columns, padding on the
            right and below), "stretch" (to rows x columns, whatever the aspect) or "square"
            (padded on the right and below to a square, then scaled: OWLv2).
        short_side: In "aspect": wanted, pixels.
        long_side: In "aspect": most of the other side, pixels.
        rows: Of the input, pixels; unused in "aspect".
        columns: Of the input, pixels; unused in "aspect".
        resample: Pillow's number of the filter (2 bilinear, 3 bicubic); unused in "square".
        mean: Subtracted from RGB in [0, 1].
        std: RGB is divided by it after that.
    """

    fit: str
    short_side: int = 0
    long_side: int = 0
    rows: int = 0
    columns: int = 0
    resample: int = 2
    mean: tuple[float, ...] = _IMAGENET[0]
    std: tuple[float, ...] = _IMAGENET[1]

    def scaled_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns that an image is scaled to, without padding."""
        if self.fit == "aspect":
            return aspect_size(height, width, self.short_side, self.long_side)
        if self.fit == "fixed":
            scale = min(self.rows / height, self.columns / width)
            fitted = (round(height * scale), round(width * scale))
            return max(1, min(fitted[0], self.rows)), max(1, min(fitted[1], self.columns))
        return self.rows, self.columns

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of the input for an image."""
        return (
            self.scaled_size(height, width) if self.fit == "aspect" else (self.rows, self.columns)
        )

    def fixed_for(self, height: int, width: int) -> PixelRules:
        """The same rules with the one input size that images of this size have."""
        if self.fit != "aspect":
            return self
        rows, columns = self.scaled_size(height, width)
        return replace(self, fit="fixed", rows=rows, columns=columns)


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """A network's input and what it shows.

    Attributes:
        pixel_values: [1, 3, rows, columns] float32, normalised.
        pixel_mask: [1, rows, columns] int64, 0 in the padding.
        extent: Width and height in image pixels of what boxes relative to 1 span: the image
            itself, or with OWLv2 the square around it.
    """

    pixel_values: Tensor
    pixel_mask: Tensor
    extent: tuple[float, float]


def prepare(image: npt.NDArray[np.uint8], rules: PixelRules) -> PreparedImage:
    """Make a network's input.

    Args:
        image: [H, W, 3] uint8 RGB.
        rules: Of the network.
    """
    height, width = image.shape[:2]
    rows, columns = rules.input_size(height, width)
    mask = np.ones((rows, columns), np.int64)
    if rules.fit == "square":
        side = max(height, width)
        scaled = _padded_square(image, side, rows)
        extent = (float(side), float(side))
    else:
        size = rules.scaled_size(height, width)
        scaled = _rescaled(_resized(image, size, rules.resample))
        extent = (float(width), float(height))
    mean: Pixels = np.array(rules.mean, np.float32)
    std: Pixels = np.array(rules.std, np.float32)
    normalised: Pixels = (scaled - mean) / std
    if normalised.shape[:2] != (rows, columns):
        padded = np.zeros((rows, columns, 3), np.float32)
        padded[: normalised.shape[0], : normalised.shape[1]] = normalised
        mask[normalised.shape[0] :] = 0
        mask[:, normalised.shape[1] :] = 0
        normalised = padded
    values = torch.from_numpy(np.ascontiguousarray(normalised.transpose(2, 0, 1)))
    return PreparedImage(values[None], torch.from_numpy(mask)[None], extent)


def aspect_size(height: int, width: int, short_side: int, long_side: int) -> tuple[int, int]:
    """Rows and columns with the short side as wanted, where the long one then fits.

    Rounds as the processors of DETR and its kin do, so that sizes equal theirs.
    """
    least, most = min(height, width), max(height, width)
    exact = float(short_side)
    if most / least * short_side > long_side:
        exact = long_side * least / most
        short_side = round(exact)
    if least == short_side:
        return height, width
    longer = int(exact * most / least)
    return (short_side, longer) if height <= width else (longer, short_side)


def _resized(
    image: npt.NDArray[np.uint8], size: tuple[int, int], resample: int
) -> npt.NDArray[np.uint8]:
    from PIL import Image  # here: a machine that runs the networks alone need not have it

    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((size[1], size[0]), Image.Resampling(resample)))


def _rescaled(image: npt.NDArray[np.uint8]) -> Pixels:
    return image.astype(np.float32) * np.float32(1 / 255)


def _padded_square(image: npt.NDArray[np.uint8], side: int, wanted: int) -> Pixels:
    """OWLv2's input before normalising: the image in a black square, blurred and sampled.

    A Gaussian of (factor - 1) / 2 pixels, then linear interpolation between pixel centres; beyond
    the edges the picture is mirrored at the centres of its outermost pixels.
    """
    square = np.zeros((side, side, 3), np.float32)
    square[: image.shape[0], : image.shape[1]] = _rescaled(image)
    darkest, brightest = square.min(), square.max()
    for axis in (0, 1):
        square = _sampled(_blurred(square, (side / wanted - 1) / 2, axis), wanted, axis)
    return np.clip(square, darkest, brightest)


def _blurred(values: Pixels, sigma: float, axis: int) -> Pixels:
    """Convolve one axis with a Gaussian that is cut at four standard deviations."""
    radius = int(4 * sigma + 0.5)
    if sigma <= 0 or radius == 0:
        return values
    offsets = np.arange(-radius, radius + 1)
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)
    count = values.shape[axis]
    blurred = np.zeros_like(values)
    for offset, weight in zip(offsets, weights, strict=True):
        places = _mirrored(np.arange(count) + float(offset), count).astype(np.int64)
        blurred += weight * values.take(places, axis)
    return blurred


def _sampled(values: Pixels, wanted: int, axis: int) -> Pixels:
    """Interpolate one axis linearly at ``wanted`` evenly spaced places."""
    count = values.shape[axis]
    places = _mirrored((np.arange(wanted) + 0.5) * count / wanted - 0.5, count)
    first = np.minimum(np.floor(places).astype(np.int64), max(count - 2, 0))
    share = (places - first).astype(np.float32).reshape(-1, *[1] * (2 - axis))
    second = np.minimum(first + 1, count - 1)
    return values.take(first, axis) * (1 - share) + values.take(second, axis) * share


def _mirrored(places: npt.NDArray[Any], count: int) -> npt.NDArray[np.float64]:
    """Fold coordinates into [0, count - 1] at its ends, as often as it takes."""
    if count == 1:
        return np.zeros(len(places))
    period = 2.0 * (count - 1)
    folded = np.abs(places) % period
    return np.minimum(folded, period - folded)


def dino_rules(folder: Path, image: DetectorImage) -> PixelRules:
    """Rules of Grounding DINO and its kin; the profile's sizes come before the checkpoint's.

    Raises:
        ModelLoadError: The checkpoint's processor file is damaged.
    """
    said = _processor(folder)
    size = said.get("size")
    size = size if isinstance(size, dict) else {}
    rules = PixelRules(
        "aspect",
        short_side=_whole(size.get("shortest_edge"), 800),
        long_side=_whole(size.get("longest_edge"), 1333),
    )
    if image.rows:
        rules = replace(rules, fit="fixed", rows=image.rows, columns=image.columns)
    elif image.short_side:
        rules = replace(rules, short_side=image.short_side, long_side=image.long_side)
    return _with_colours(rules, said, *_IMAGENET)


def owl_rules(folder: Path, image: DetectorImage, own_side: int, padded: bool) -> PixelRules:
    """Rules of OWL-ViT (stretched) and OWLv2 (padded to a square).

    Args:
        folder: Of the checkpoint.
        image: Of the profile; its rows and columns must be equal.
        own_side: That the network was trained with, pixels.
        padded: Whether it is OWLv2.

    Raises:
        ModelLoadError: The profile's size is no square, or the processor file is damaged.
    """
    if image.short_side or image.rows != image.columns:
        raise ModelLoadError(
            "the image of an owl detector is a square: give as many rows as columns, or leave the "
            f"image out for the {own_side} x {own_side} pixels of the checkpoint"
        )
    side = image.rows or own_side
    rules = PixelRules("square" if padded else "stretch", rows=side, columns=side, resample=3)
    return _with_colours(rules, _processor(folder), *_CLIP)


def _processor(folder: Path) -> Mapping[str, Any]:
    """What a checkpoint says of its image processor; nothing where it has no such file."""
    for name in PROCESSOR_FILES:
        if (folder / name).is_file():
            content = read_json(folder / name, ModelLoadError)
            inner = content.get("image_processor", content) if isinstance(content, dict) else None
            if not isinstance(inner, dict):
                raise ModelLoadError(f"{folder / name} must be a mapping: download it again")
            return inner
    return {}


def _with_colours(
    rules: PixelRules,
    said: Mapping[str, Any],
    mean: tuple[float, ...],
    std: tuple[float, ...],
) -> PixelRules:
    from PIL import Image

    try:
        stated = (
            tuple(float(value) for value in said.get("image_mean") or mean),
            tuple(float(value) for value in said.get("image_std") or std),
        )
        resample = Image.Resampling(int(said.get("resample", rules.resample)))
    except (TypeError, ValueError) as error:
        raise ModelLoadError(
            f"the checkpoint's processor file is wrong ({error}): {json.dumps(dict(said))[:200]}"
        ) from error
    if len(stated[0]) != 3 or len(stated[1]) != 3 or not all(stated[1]):
        raise ModelLoadError("the checkpoint's image_mean and image_std must be three numbers each")
    return replace(rules, mean=stated[0], std=stated[1], resample=int(resample))


def _whole(value: Any, default: int) -> int:
    return value if isinstance(value, int) and value > 0 else default
