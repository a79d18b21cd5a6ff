# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The chat format of Qwen2.5-VL as token ids, and the three-dimensional positions of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import Qwen2Tokenizer

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.spatial_mllm.connector import SPATIAL_MERGE
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer

SYSTEM = "You are a helpful assistant."
_TURN, _END = "<|im_start|>", "<|im_end|>"
_VISION_START, _VISION_END = "<|vision_start|>", "<|vision_end|>"
_VIDEO = "<|video_pad|>"
_SPECIAL = (_TURN, _END, _VISION_START, _VISION_END, _VIDEO)


@dataclass(frozen=True)
class ChatIds:
    """A prompt in the pieces that are embedded differently.

    Attributes:
        before: Token ids before the visual tokens, the start mark included.
        after: Token ids behind them, from the end mark to where the answer begins.
    """

    before: tuple[int, ...]
    after: tuple[int, ...]


def load_qwen_tokenizer(folder: Path) -> LanguageTokenizer:
    """Tokenizer of a Qwen2.5-VL checkpoint folder.

    Asked for by its class, because transformers does not know the ``model_type`` of these folders.

    Raises:
        ModelLoadError: The folder has no usable tokenizer files.
    """
    if not any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json")):
        raise ModelLoadError(  # transformers would make an empty tokenizer of nothing
            f"{folder} has neither tokenizer.json nor vocab.json; get the checkpoint again, with "
            "its tokenizer files"
        )
    try:
        return LanguageTokenizer(Qwen2Tokenizer.from_pretrained(str(folder), local_files_only=True))
    except Exception as error:  # of many kinds, and none names the file
        raise ModelLoadError(
            f"cannot load the tokenizer in {folder}: {error}; get its files again"
        ) from error


class QwenChat:
    """Writes prompts byte for byte as Qwen2.5-VL's chat template does.

    Args:
        tokenizer: Of the checkpoint.
        source: Named in errors.

    Attributes:
        tokenizer: The same.
        video_id: Token that stands for a visual token of a clip.

    Raises:
        ModelLoadError: The tokenizer lacks one of the chat's special tokens.
    """

    def __init__(self, tokenizer: LanguageTokenizer, source: Path) -> None:
        missing = [token for token in _SPECIAL if tokenizer.token_id(token) is None]
        if missing:
            raise ModelLoadError(
                f"the tokenizer in {source} lacks {', '.join(missing)}, so it is not that of a "
                "Qwen2.5-VL checkpoint; get its tokenizer files again"
            )
        self.tokenizer = tokenizer
        self.video_id = int(tokenizer.tokenizer.get_vocab()[_VIDEO])

    def ids(self, question: str, *, video: bool = True) -> ChatIds:
        """Token ids of a question; the visual tokens, if any, go between the two pieces.

        The question is text and nothing else: a special token written in it stays plain text, so
        that whoever asks cannot end the turn or fake a visual token.
        """
        start = f"{_TURN}system\n{SYSTEM}{_END}\n{_TURN}user\n"
        end = f"{_END}\n{_TURN}assistant\n"
        before = self._encode(start + (_VISION_START if video else ""))
        opening = self._encode(_VISION_END) if video else []
        text = self.tokenizer.tokenizer(question, split_special_tokens=True).input_ids
        return ChatIds(tuple(before), (*opening, *text, *self._encode(end)))

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.tokenizer(text).input_ids)


def mrope_positions(
    before: int,
    grid: tuple[int, int, int] | None,
    after: int,
    seconds_per_grid: float = 1.0,
    tokens_per_second: float = 2.0,
) -> Tensor:
    """Positions (time, row, column) of the tokens of a prompt with one clip.

    Text counts on in all three rows. A visual token stands at its own time, row and column from
    where the text stopped; the text behind the clip goes on after the largest of these (Qwen2.5-VL
    report, section 2.1.3). transformers 5.23 starts it after the largest row or column instead,
    which puts the text inside the time span of long clips of small frames; the checkpoints were
    trained with transformers 4.51, which has the rule used here.

    Args:
        before: Text tokens before the clip.
        grid: ``(t, h, w)`` in patches; None for a prompt without a clip.
        after: Text tokens behind it.
        seconds_per_grid: Time between two pairs of frames, seconds.
        tokens_per_second: Positions per second (``vision_config.tokens_per_second``).

    Returns:
        ``[3, 1, T]`` int64.
    """
    clips = [] if grid is None else [grid]
    return interleaved_positions([before, *clips, after], seconds_per_grid * tokens_per_second)


def interleaved_positions(
    parts: Sequence[int | tuple[int, int, int]], positions_per_grid: float = 2.0
) -> Tensor:
    """Positions of text, images and clips in turn; see :func:`mrope_positions`.

    Args:
        parts: in their order, the number of text tokens or ``(t, h, w)`` in patches of an image or
            clip.
        positions_per_grid: positions between two pairs of frames.

    Returns:
        ``[3, 1, T]`` int64.
    """
    found: list[Tensor] = []
    start = 0
    for part in parts:
        if isinstance(part, int):
            found.append(torch.arange(part).expand(3, -1) + start)
            start += part
            continue
        times, rows, columns = part[0], part[1] // SPATIAL_MERGE, part[2] // SPATIAL_MERGE
        time = (torch.arange(times) * positions_per_grid).long()
        clip = torch.stack(
            torch.meshgrid(time, torch.arange(rows), torch.arange(columns), indexing="ij")
        )
        found.append(clip.reshape(3, -1) + start)
        start = int(found[-1].max()) + 1
    return torch.cat(found, dim=1)[:, None]
