# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Qwen2.5-VL: a clip or one image, and questions about it in any wording.

A clip is encoded once; what comes out is cached by the caller and shared by all questions about it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from transformers import Qwen2_5_VLForConditionalGeneration

from spatialgeo_ros.models.spatial_mllm.chat import QwenChat, mrope_positions
from spatialgeo_ros.models.spatial_mllm.video_input import PixelBudget, prepare_video
from spatialgeo_ros.models.spatial_mllm.window_attention import see
from spatialgeo_ros.runtime.transfer import upload
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.sampling import Sampling
from spatialgeo_ros.speech.stream import Generation, generate
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer


@dataclass(frozen=True, eq=False)
class VisualTokens:
    """A clip as the language model sees it; may be kept as long as its frames matter.

    Attributes:
        embeds: ``[N, D]`` fused visual tokens in Qwen's order (time, row, column).
        grid_thw: Pairs of frames, rows and columns of patches; ``N = t h/2 w/2``.
        second_per_grid: Time between two pairs of frames, seconds.
    """

    embeds: Tensor
    grid_thw: tuple[int, int, int]
    second_per_grid: float


@dataclass(frozen=True, eq=False)
class PromptInputs:
    """A question ready for :func:`spatialgeo_ros.speech.stream.generate`.

    Attributes:
        inputs_embeds: ``[1, T, D]``.
        position_ids: ``[3, 1, T]`` M-RoPE positions.
        rope_delta: What is added to a token's index to give the position of an answer's token.
        prefix_length: Tokens before the question, visual ones included: equal for every question
            about the same clip.
        ids: The T token ids; visual tokens are the checkpoint's ``<|video_pad|>``.
    """

    inputs_embeds: Tensor
    position_ids: Tensor
    rope_delta: int
    prefix_length: int
    ids: tuple[int, ...]


class QwenVl(nn.Module):
    """Qwen2.5-VL with its chat.

    Args:
        qwen: With its weights.
        chat: Writes prompts for the checkpoint's tokenizer.
        end_ids: Tokens that end an answer besides the tokenizer's end token.
        repetition_penalty: That the checkpoint's ``generation_config.json`` asks for.
    """

    def __init__(
        self,
        qwen: Qwen2_5_VLForConditionalGeneration,
        chat: QwenChat,
        *,
        end_ids: Sequence[int] = (),
        repetition_penalty: float = 1.0,
    ) -> None:
        super().__init__()
        self.qwen = qwen
        self.chat = chat
        self.end_ids = tuple(end_ids)
        self.repetition_penalty = repetition_penalty

    @property
    def tokenizer(self) -> LanguageTokenizer:
        """Of the checkpoint."""
        return self.chat.tokenizer

    @property
    def embed_tokens(self) -> nn.Module:
        """Embedding table of the language model."""
        return self.qwen.get_input_embeddings()

    @torch.inference_mode()
    def encode_video(
        self,
        frames: Sequence[npt.NDArray[np.uint8]] | npt.NDArray[np.uint8],
        *,
        second_per_grid: float = 1.0,
        budget: PixelBudget | None = None,
    ) -> VisualTokens:
        """Run the image tower on a clip.

        An odd number of frames is made even by repeating the last, so that one image is what Qwen's
        image path makes of it: its patches hold every frame twice.

        Args:
            frames: T RGB frames ``[H, W, 3]`` uint8 of one size, in temporal order.
            second_per_grid: Time between two pairs of frames, seconds.
            budget: Pixels per frame; those of Qwen's video reader by default.

        Raises:
            BadImageError: There is no frame, frames differ in size, or are no uint8 RGB images.
        """
        visual = self.qwen.model.visual
        video = prepare_video(frames, budget, visual.device)
        tokens = see(visual, video.pixel_values.to(visual.dtype), video.grid_thw)
        return VisualTokens(tokens, video.grid_thw, second_per_grid)

    @torch.inference_mode()
    def prompt_inputs(self, visual: VisualTokens | None, question: str) -> PromptInputs:
        """Embed a question about a clip, or about nothing (``visual`` None)."""
        chat = self.chat.ids(question, video=visual is not None)
        count = 0 if visual is None else len(visual.embeds)
        device = self.qwen.lm_head.weight.device
        before, after = (
            self.embed_tokens(upload(np.array(ids), device)) for ids in (chat.before, chat.after)
        )
        parts = [before, after]
        if visual is not None:
            parts.insert(1, visual.embeds.to(before))
        positions = mrope_positions(
            len(chat.before),
            None if visual is None else visual.grid_thw,
            len(chat.after),
            1.0 if visual is None else visual.second_per_grid,
            self.qwen.model.visual.config.tokens_per_second,
        )
        ids = (*chat.before, *[self.chat.video_id] * count, *chat.after)
        return PromptInputs(
            torch.cat(parts)[None],
            upload(positions.numpy(), device),
            int(positions.max()) + 1 - len(ids),
            # The end mark of the clip is the same for every question too.
            len(chat.before) + count + (visual is not None),
            ids,
        )

    def answer(
        self,
        visual: VisualTokens | None,
        question: str,
        sampling: Sampling | None = None,
        *,
        decoder: Decoder | None = None,
        prefix_key: Hashable = None,
        on_token: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Generation:
        """Answer a question about a clip.

        Args:
            visual: From :meth:`encode_video`, or None for a question about no image.
            question: In plain words.
            sampling: Greedy, with the checkpoint's repetition penalty, by default.
            decoder: Of ``qwen``; keeps the keys and values of the clip for the next question.
                By default one for this answer alone.
            prefix_key: Names the clip: equal keys must mean the same ``visual``.
            on_token: Called with each new piece of text.
            cancelled: Asked before every token.
        """
        inputs = self.prompt_inputs(visual, question)
        return generate(
            decoder or Decoder(self.qwen, "dynamic"),
            self.tokenizer,
            inputs.inputs_embeds,
            sampling or Sampling(repetition_penalty=self.repetition_penalty),
            on_token=on_token,
            cancelled=cancelled,
            prefix_key=prefix_key,
            prefix_length=inputs.prefix_length,
            position_ids=inputs.position_ids,
            prompt_ids=inputs.ids,
            end_ids=self.end_ids,
        )
