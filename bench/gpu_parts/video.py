# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spatial-MLLM 3B: its language model with everything before it."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from bench import full_size
from bench.gpu_parts.context import Context, outcome
from bench.gpu_parts.language import TEXT_TOKENS
from bench.gpu_parts.networks import Words, settle, weights_of_a_token
from spatialgeo_ros.models.quantise import quantise
from spatialgeo_ros.models.spatial_mllm import SpatialMllm
from spatialgeo_ros.models.spatial_mllm.chat import ChatIds
from spatialgeo_ros.models.spatial_mllm.connector import Connector
from spatialgeo_ros.models.vggt import Vggt
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.sampling import Sampling

FRAMES = 16
#: Tokens that stand for what is seen of a video, of an image.
VIDEO_TOKEN, IMAGE_TOKEN = 7, 8


def mllm_nf4(context: Context) -> dict[str, Any]:
    """Spatial-MLLM with its language model in NF4."""
    return _mllm(context, "nf4")


def mllm_bf16(context: Context) -> dict[str, Any]:
    """Spatial-MLLM in bfloat16."""
    return _mllm(context, "bf16")


def spatial_mllm(context: Context, dtype: torch.dtype, quantisation: str, chat: Any) -> SpatialMllm:
    """Spatial-MLLM with random weights; ``chat`` is what its tokens are made by."""
    qwen = _qwen(context, dtype, quantisation)
    with torch.device(context.device):
        vggt, width = Vggt(full_size.VGGT_1B, heads=()).to(dtype), qwen.lm_head.in_features
        connector = Connector(2 * full_size.VGGT_1B.embed_dim, width).to(dtype)
    return SpatialMllm(qwen, vggt, connector, chat).requires_grad_(False).eval()


def random_clip(context: Context) -> list[npt.NDArray[np.uint8]]:
    """Frames [H, W, 3] of the size that a camera's are resized to."""
    rows, columns = full_size.FRAME_GRID
    noise = np.random.default_rng(0)
    return [
        noise.integers(0, 256, (14 * rows, 14 * columns, 3), np.uint8)
        for _ in range(context.sizes(FRAMES, 2))
    ]


def _qwen(
    context: Context, dtype: torch.dtype, quantisation: str
) -> Qwen2_5_VLForConditionalGeneration:
    """Qwen2.5-VL 3B with random weights."""
    ids = {"vision_start_token_id": 5, "vision_end_token_id": 6, "video_token_id": VIDEO_TOKEN,
           "image_token_id": IMAGE_TOKEN}  # fmt: skip
    config = Qwen2_5_VLConfig(
        text_config=full_size.QWEN_3B_TEXT,
        vision_config=full_size.QWEN_3B_VISION,
        tie_word_embeddings=True,
        **ids,
    )
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(context.device):
            qwen = Qwen2_5_VLForConditionalGeneration(config)
    finally:
        torch.set_default_dtype(before)
    qwen.requires_grad_(False).eval()
    with torch.no_grad():
        settle(qwen)
    text_model, tower = qwen.model.language_model, qwen.model.visual
    # Frequencies are in float32 whatever the weights are, as after loading.
    text_model.rotary_emb = type(text_model.rotary_emb)(text_model.rotary_emb.config).to(
        context.device
    )
    tower.rotary_pos_emb = type(tower.rotary_pos_emb)(tower.config).to(context.device)
    if quantisation != "none":
        quantise(qwen.model.language_model, quantisation, context.device, dtype)
    return qwen


class Chat:
    """Qwen's prompt with a word for each token."""

    video_id = VIDEO_TOKEN

    def __init__(self, size: int) -> None:
        self.tokenizer = Words(size)

    def ids(self, question: str, *, video: bool = True) -> ChatIds:
        """Number the words."""
        before = self.tokenizer.encode("You are a helpful assistant .")
        after = self.tokenizer.encode(f"{question} assistant", add_bos=False)
        return ChatIds(tuple(before), tuple(after))


def _mllm(context: Context, kind: str) -> dict[str, Any]:
    dtype = torch.bfloat16 if context.device.type == "cuda" else torch.float32
    context.free()
    chat = Chat(full_size.QWEN_3B_TEXT["vocab_size"])
    model = spatial_mllm(context, dtype, "nf4" if kind == "nf4" else "none", chat)
    qwen = model.qwen
    context.free_caches()
    context.reset_peak()
    weights, _, _ = context.memory()
    clip = random_clip(context)
    model.encode_video(clip)
    context.synchronise()
    start = time.perf_counter()
    visual = model.encode_video(clip)
    context.synchronise()
    encoding = time.perf_counter() - start
    decoder = Decoder(qwen)
    words = " ".join(f"word{n}" for n in range(TEXT_TOKENS // 2))

    def answer(text: str, tokens: int) -> list[float]:
        times = [time.perf_counter()]
        model.answer(
            visual, text, Sampling(max_new_tokens=tokens), decoder=decoder, prefix_key="clip",
            on_token=lambda _: times.append(time.perf_counter()),
        )  # fmt: skip
        return times

    def rate(tokens: int) -> float:
        answer(words, 2)
        times = answer(f"{words} again", tokens)
        return (len(times) - 2) / (times[-1] - times[1])

    answer(words, 2)  # captures
    fast = rate(context.sizes(100, 4))
    _, peak, _ = context.memory()
    about = decoder.describe()
    decoder.forget()
    before = decoder.hits
    first, second = answer(words, 2), answer(f"{words} more", 2)
    hits = decoder.hits - before
    decoder.use("eager")
    slow = rate(context.sizes(24, 4))
    read = weights_of_a_token(qwen)
    limit = context.copied / read if context.copied else 0.0
    numbers = {
        "rate": fast, "eager": slow, "limit": limit, "peak": peak, "weights": weights,
        "encoding": encoding, "first": first[1] - first[0], "second": second[1] - second[0],
        "hits": hits,
    }  # fmt: skip
    rows = [
        [f"tokens a second, {about['decoding']}", fast],
        ["tokens a second, loop of one launch a kernel", slow],
        ["limit: weights of a token over what a copy moves", limit],
        ["first token of the first question, without the encoders, ms", 1e3 * numbers["first"]],
        ["first token of the second question, ms", 1e3 * numbers["second"]],
        [f"both encoders, {len(clip)} frames, ms", 1e3 * encoding],
        ["weights, GiB", weights],
        ["peak, GiB", peak],
    ]
    return outcome(f"Spatial-MLLM 3B in {kind}", numbers, (("what", "measured"), rows))
