# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Conversations about clips and images as Qwen's trainings keep them, to batches."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset

from spatialgeo_ros.errors import BadRequestError, SpatialGeoError
from spatialgeo_ros.models.fusion import IGNORE_LABEL
from spatialgeo_ros.models.spatial_mllm.chat import QwenChat, interleaved_positions
from spatialgeo_ros.models.spatial_mllm.connector import SPATIAL_MERGE
from spatialgeo_ros.models.spatial_mllm.video_input import PixelBudget, VideoInput, prepare_video
from spatialgeo_ros.recordings.clips import FolderClip, VideoClip
from spatialgeo_ros.recordings.image_codec import read_colour_file
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer
from spatialgeo_ros.training.annotation_file import AnnotationFile
from spatialgeo_ros.training.dataset_registry import ordered_items, parse_uses
from spatialgeo_ros.training.llava_samples import BrokenConversationError, turns_of
from spatialgeo_ros.training.qwen_samples import (
    QwenBatch,
    QwenSample,
    collate_qwen,
    encode_qwen_conversation,
)
from spatialgeo_ros.training.recipe import Frames
from spatialgeo_ros.training.video_frames import training_frames

log = logging.getLogger(__name__)

IMAGE, VIDEO = "image", "video"
Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ClipExample:
    """One conversation with what it is about.

    Attributes:
        sample: ids and labels; None where it is broken.
        positions: ``[3, 1, T]``.
        seen: clips, or images as clips of two equal frames, in the order of their marks.
        kind: "image" or "video".
    """

    sample: QwenSample | None
    positions: Tensor | None = None
    seen: tuple[VideoInput, ...] = ()
    kind: str = VIDEO


@dataclass(frozen=True, eq=False)
class ClipBatch:
    """Conversations side by side.

    Attributes:
        text: ids, labels, mask and positions of what is not broken.
        seen: of each, its clips or images.
        kinds: of each, "image" or "video".
        dropped: how many were broken.
    """

    text: QwenBatch
    seen: tuple[tuple[VideoInput, ...], ...]
    kinds: tuple[str, ...]
    dropped: int


class ClipData(Dataset[ClipExample]):
    """Annotation files beside a folder of clips and images; all is read as it is needed.

    Args:
        uses: paths of the files, "a.jsonl,b.json%50" with shares (see ``dataset_registry``).
        files: folder that "video" and "image" are relative to.
        chat: of the model.
        frames: of a clip.
        tokens_per_second: of the model's positions.
    """

    def __init__(
        self, uses: str, files: Path, chat: QwenChat, frames: Frames, tokens_per_second: float
    ) -> None:
        names = dict.fromkeys(name for name, _ in parse_uses(uses))
        self._annotations = {name: AnnotationFile(Path(name)) for name in names}
        places = {
            name: [(name, k) for k in range(len(one))] for name, one in self._annotations.items()
        }
        self._order = ordered_items(uses, places)
        self._files, self.chat, self._frames = files, chat, frames
        self._tokens_per_second = tokens_per_second

    def __len__(self) -> int:
        """Return the number of conversations."""
        return len(self._order)

    def entry(self, index: int) -> dict[str, Any]:
        """Read one annotation."""
        name, number = self._order[index]
        found: dict[str, Any] = self._annotations[name][number]
        return found

    def texts(self, name: str) -> Iterator[Any]:
        """Yield one field of every annotation that is used, None where it lacks it."""
        for index in range(len(self)):
            yield self.entry(index).get(name)

    def __getitem__(self, index: int) -> ClipExample:
        """Read and encode one; without a sample where that is not possible, which is said."""
        try:
            entry = self.entry(index)
            kind, seen, seconds = self.look(entry)
            sample = encode_qwen_conversation(
                turns_of(entry), self.chat.tokenizer,
                [visual_count(one) for one in seen], kind,
            )  # fmt: skip
            if all(label == IGNORE_LABEL for label in sample.labels):
                raise BrokenConversationError("it has no reply to learn from")
            positions = self.positions(sample.ids, seen, kind, seconds)
            return ClipExample(sample, positions, seen, kind)
        except (SpatialGeoError, KeyError, IndexError) as error:
            log.warning("%s, entry %d is left out: %s", *self._order[index], error)
            return ClipExample(None)

    def look(self, entry: Mapping[str, Any]) -> tuple[str, tuple[VideoInput, ...], float]:
        """Read what a conversation is about.

        Returns:
            "image" or "video", the clips, and the seconds between two pairs of frames.

        Raises:
            SpatialGeoError: a file cannot be read.
        """
        kind = IMAGE if IMAGE in entry else VIDEO
        named = entry.get(kind) or ()
        names = [named] if isinstance(named, str) else list(named)
        how, seconds, seen = self._frames, 1.0, []
        budget = PixelBudget(how.min_pixels, how.max_pixels)
        for name in names:
            path = self._files / str(name)
            if kind == IMAGE:
                seen.append(prepare_video([read_colour_file(path)], budget))
                continue
            pictures, seconds = read_frames(path, how)
            seen.append(prepare_video(pictures, budget))
        return kind, tuple(seen), seconds

    def positions(
        self, ids: Sequence[int], seen: Sequence[VideoInput], kind: str, seconds: float
    ) -> Tensor:
        """Positions ``[3, 1, T]`` of a conversation's tokens.

        Raises:
            BrokenConversationError: there are files without a mark, or marks without a file.
        """
        visual = visual_id(self.chat.tokenizer, kind)
        runs = [(is_visual, len(list(run))) for is_visual, run in groupby(ids, visual.__eq__)]
        if [count for is_visual, count in runs if is_visual] != [visual_count(one) for one in seen]:
            raise BrokenConversationError(f"its marks <{kind}> do not fit to its {len(seen)} files")
        grids = iter(one.grid_thw for one in seen)
        parts = [next(grids) if is_visual else count for is_visual, count in runs]
        return interleaved_positions(parts, seconds * self._tokens_per_second)


def visual_id(tokenizer: LanguageTokenizer, kind: str) -> int:
    """Token that stands for a visual token of an image or clip.

    Raises:
        BadRequestError: the vocabulary has none.
    """
    found = tokenizer.token_id(f"<|{kind}_pad|>")
    if found is None:
        raise BadRequestError(f"the tokenizer has no <|{kind}_pad|>: it is not Qwen2.5-VL's")
    return found


def visual_count(seen: VideoInput) -> int:
    """Visual tokens of a clip."""
    times, rows, columns = seen.grid_thw
    return times * rows * columns // SPATIAL_MERGE**2


def read_frames(path: Path, how: Frames) -> tuple[list[Picture], float]:
    """Frames of a video, or of a folder of images, and the seconds between two pairs of them.

    Raises:
        BadImageError: it cannot be decoded.
        BadRequestError: it has no frames.
    """
    clip = FolderClip(path) if path.is_dir() else VideoClip(path)
    chosen = training_frames(
        len(clip), clip.rate or 30.0, least=how.least, most=how.most, interval=how.interval,
        nominal_rate=how.nominal_rate,
    )  # fmt: skip
    return [frame.image for frame in clip.read(chosen.indices)], chosen.seconds_per_grid


def collate_clips(examples: Sequence[ClipExample], pad_id: int, max_length: int) -> ClipBatch:
    """Put examples side by side; broken ones are left out and counted."""
    kept = [one for one in examples if one.sample is not None]
    dropped = len(examples) - len(kept)
    if not kept:  # every process has to take part in every pass: one with nothing to learn
        empty = QwenSample((pad_id,), (IGNORE_LABEL,))
        text = collate_qwen([empty], [torch.zeros(3, 1, 1, dtype=torch.long)], pad_id, 1)
        # Attention over nothing is no number.
        text = replace(text, attention_mask=torch.ones_like(text.attention_mask))
        return ClipBatch(text, ((),), (VIDEO,), dropped)
    samples = [one.sample for one in kept if one.sample is not None]
    positions = [one.positions for one in kept if one.positions is not None]
    text = collate_qwen(samples, positions, pad_id, max_length)
    return ClipBatch(text, tuple(one.seen for one in kept), tuple(one.kind for one in kept),
                     dropped)  # fmt: skip
