# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Qwen2.5-VL and Spatial-MLLM: keyframes and the newest view as one clip, any wording."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from torch import nn

from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.profiles import QwenPart
from spatialgeo_ros.models.spatial_mllm import QwenVl, VisualTokens
from spatialgeo_ros.models.spatial_mllm.connector import TEMPORAL_MERGE
from spatialgeo_ros.models.spatial_mllm.video_input import FACTOR, resized_size
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.speaker import completed_text
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.sampling import Sampling

#: Rows and columns of the camera images that memory is taken for; for others it grows.
_USUAL_SIZE = (480, 640)
#: Tokens of a question with what the chat puts around it.
_QUESTION = 128


class VideoSpeaker:
    """A language model that looks at a clip: the kept frames that cover the space, then the newest.

    Args:
        part: of the profile.
        model: with its encoders and tokenizer.
    """

    canonical_only = False
    takes_regions = False

    def __init__(self, part: QwenPart, model: QwenVl) -> None:
        # The first question may have no keyframes yet; memory for the whole clip from then on.
        rows, columns = resized_size(*_USUAL_SIZE)
        visual = math.ceil(part.frames / TEMPORAL_MERGE) * rows * columns // FACTOR**2
        self.decoder = Decoder(model.qwen, least=visual + _QUESTION + part.max_new_tokens)
        self.context_views = part.frames - 1
        self._part, self._model = part, model
        self._serials = itertools.count()

    def modules(self) -> tuple[nn.Module, ...]:
        """Everything: no tower is shared with the measuring."""
        return (self._model,)

    def encode(self, view: View) -> None:
        """Encode the view alone, as a question without keyframes needs it."""
        self._clip(view, ())

    def answer(self, view: View, question: Question) -> str:
        """Generate an answer; see ``interface.Networks``."""
        visual, serial = self._clip(view, question.earlier)
        part = self._part
        result = self._model.answer(
            visual,
            question.text,
            Sampling(
                max_new_tokens=part.max_new_tokens,
                temperature=part.temperature,
                top_p=part.top_p,
                repetition_penalty=self._model.repetition_penalty,
            ),
            decoder=self.decoder,
            prefix_key=serial,
            on_token=question.on_token,
            cancelled=question.cancelled,
        )
        return completed_text(result)

    def _clip(self, view: View, earlier: Sequence[View]) -> tuple[VisualTokens, int]:
        """Tokens of the clip, kept with its newest view while the same frames come before it."""
        frames = [*(one.image for one in earlier), view.image]
        known = view.cache.get("clip")
        if known is not None and _same(known[0], frames):
            return known[1], known[2]
        height, width = view.image.shape[:2]
        # A camera may have changed its resolution between two keyframes; a clip has one size.
        sized = [
            frame if frame.shape == view.image.shape else cv2.resize(frame, (width, height))
            for frame in frames
        ]
        tokens = self._model.encode_video([np.asarray(frame, np.uint8) for frame in sized])
        view.cache["clip"] = (frames, tokens, next(self._serials))
        return self._clip(view, earlier)


def _same(a: Sequence[npt.NDArray[np.uint8]], b: Sequence[npt.NDArray[np.uint8]]) -> bool:
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))
