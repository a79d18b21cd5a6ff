# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversations about images as LLaVA keeps them on disk, to batches of ids, labels and pixels."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from spatialgeo_ros.errors import SpatialGeoError
from spatialgeo_ros.models.fusion import IGNORE_LABEL
from spatialgeo_ros.models.letterbox import spatialgeo_pixels, spatialgeo_values
from spatialgeo_ros.recordings.image_codec import read_colour_file
from spatialgeo_ros.speech.prompts import template
from spatialgeo_ros.speech.tokenizer import IMAGE_ID, LanguageTokenizer
from spatialgeo_ros.training.annotation_file import AnnotationFile
from spatialgeo_ros.training.llava_samples import (
    VERSIONS,
    Batch,
    BrokenConversationError,
    Sample,
    collate,
    encode_caption,
    encode_conversation,
    image_first,
    turns_of,
)
from spatialgeo_ros.training.modality_sampler import modality_length

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Example:
    """One conversation with its image.

    Attributes:
        sample: ids and labels; None where it is broken.
        pixels: ``[3, S, S]`` CLIP-normalised, or None for text alone.
    """

    sample: Sample | None
    pixels: Tensor | None = None


@dataclass(frozen=True)
class ImageBatch:
    """Conversations side by side.

    Attributes:
        text: ids, labels and mask of what is not broken.
        pixels: ``[N, 3, S, S]`` of those with an image, in order; N may be 0.
        slots: of each image, its place among all that were asked for, broken ones included.
        size: how many were asked for.
        dropped: how many were broken.
    """

    text: Batch
    pixels: Tensor
    slots: tuple[int, ...]
    size: int
    dropped: int


class ConversationData(Dataset[Example]):
    """LLaVA's JSON beside a folder of images; both are read as they are needed.

    A conversation that cannot be trained on (see ``llava_samples``), and one whose image cannot be
    read, is said once and given without a sample.

    Args:
        path: the annotations.
        images: folder that their "image" is relative to.
        tokenizer: LLaMA's.
        version: of ``llava_samples.VERSIONS``.
        aspect: "pad" or "square".
        side: of CLIP's input, pixels.
        max_length: tokens of a conversation without an image.
    """

    def __init__(
        self,
        path: Path,
        images: Path,
        tokenizer: LanguageTokenizer,
        *,
        version: str,
        aspect: str,
        side: int,
        max_length: int,
    ) -> None:
        self._entries = AnnotationFile(path, _length)
        self._images, self._tokenizer = images, tokenizer
        self._version, self._aspect, self._side = version, aspect, side
        self._max_length = max_length

    def __len__(self) -> int:
        """Return the number of conversations."""
        return len(self._entries)

    @property
    def lengths(self) -> list[int]:
        """Words of each, negative without an image, for batches of like length."""
        return [int(one) for one in self._entries.measures]

    def __getitem__(self, index: int) -> Example:
        """Read and encode one."""
        try:
            return self._example(self._entries[index])
        except SpatialGeoError as error:
            log.warning("%s, entry %d is left out: %s", self._entries.path, index, error)
            return Example(None)

    def _example(self, entry: Mapping[str, Any]) -> Example:
        turns = turns_of(entry)
        if not all({"from", "value"} <= set(turn) for turn in turns):
            raise BrokenConversationError("it has no turns with 'from' and 'value'")
        has_image = "image" in entry
        if self._version == "plain":
            sample = encode_caption(image_first(turns), self._tokenizer)
        else:
            sample = encode_conversation(
                image_first(turns) if has_image else turns,
                self._tokenizer,
                template(VERSIONS[self._version]),
                has_image=has_image,
                max_length=self._max_length,
            )
        marks = sample.ids.count(IMAGE_ID)
        if marks != has_image:
            raise BrokenConversationError(f"it has {marks} marks for {int(has_image)} images")
        if not has_image:
            return Example(sample)
        image = read_colour_file(self._images / str(entry["image"]))
        return Example(sample, image_pixels(image, self._aspect, self._side))


def _length(entry: Mapping[str, Any]) -> int:
    """Words as the sampler counts them; 1 where an entry has none, which is broken anyway."""
    try:
        return modality_length(entry) or 1
    except (KeyError, TypeError, AttributeError):
        return 1


def image_pixels(image: npt.NDArray[np.uint8], aspect: str, side: int) -> Tensor:
    """Image ``[H, W, 3]`` as both towers take it, ``[3, side, side]`` CLIP-normalised.

    Args:
        image: RGB.
        aspect: "pad" shows all of it on a square; "square" scales the shorter side and cuts the
            longer one, as CLIP's own processor does and the published first stage did.
        side: of the result.
    """
    if aspect == "pad":
        return spatialgeo_pixels(image, side)
    height, width = image.shape[:2]
    shorter, longer = min(height, width), max(height, width)
    length = int(side * longer / shorter)
    size = (side, length) if width <= height else (length, side)
    scaled = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    cut = scaled.crop((left, top, left + side, top + side))
    return spatialgeo_values(torch.tensor(np.asarray(cut)))


def collate_images(examples: Sequence[Example], max_length: int, side: int) -> ImageBatch:
    """Put examples side by side; broken ones are left out and counted.

    Args:
        examples: of one pass.
        max_length: tokens before the image's take the place of its mark.
        side: of the images.
    """
    kept = [(k, one) for k, one in enumerate(examples) if one.sample is not None]
    samples = [one.sample for _, one in kept if one.sample is not None]
    if not samples:  # every process has to take part in every pass: one with nothing to learn
        samples = [Sample((1,), (IGNORE_LABEL,))]
    shown = [(k, one.pixels) for k, one in kept if one.pixels is not None]
    return ImageBatch(
        text=collate(samples, max_length),
        pixels=torch.stack([p for _, p in shown]) if shown else torch.zeros(0, 3, side, side),
        slots=tuple(k for k, _ in shown),
        size=len(examples),
        dropped=len(examples) - len(kept),
    )
