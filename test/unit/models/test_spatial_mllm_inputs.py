# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What goes into Spatial-MLLM: frames as patches, tokens in order, chat text, positions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoints.spatial_mllm import tiny_config, write_tokenizer
from transformers import Qwen2_5_VLConfig
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from spatialgeo_ros.errors import BadImageError, ModelLoadError
from spatialgeo_ros.models.spatial_mllm.chat import QwenChat, load_qwen_tokenizer, mrope_positions
from spatialgeo_ros.models.spatial_mllm.connector import Connector, EmbeddingMerger, merge_tokens
from spatialgeo_ros.models.spatial_mllm.video_input import (
    PixelBudget,
    frame_indices,
    prepare_video,
    resize_frames,
    resized_size,
)
from spatialgeo_ros.models.vggt import Vggt

QUESTION = "How far is the chair from the door?"


def frames(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth random pictures: upsampled noise."""
    rng = np.random.default_rng(seed)
    coarse = torch.tensor(rng.uniform(0, 255, (count, 3, 6, 8)), dtype=torch.float32)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    return smooth.permute(0, 2, 3, 1).to(torch.uint8).numpy()


def image_patches(pictures: np.ndarray) -> torch.Tensor:
    """Patches [T, h w, 3, 2, 14, 14] that transformers makes of each picture alone."""
    budget = PixelBudget()
    size = {"shortest_edge": budget.min_pixels, "longest_edge": budget.max_pixels}
    processor = Qwen2VLImageProcessorPil(size=size)
    out = processor(images=list(pictures), return_tensors="pt", input_data_format="channels_last")
    return out["pixel_values"].reshape(len(pictures), -1, 3, 2, 14, 14)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((480, 640), (476, 644)),  # the example of the reference, grid 34 x 46
        ((476, 644), (476, 644)),
        ((1080, 1920), (560, 1008)),
        ((720, 1280), (560, 1008)),
        ((120, 160), (280, 392)),
        ((100, 90), (336, 308)),
        ((14, 70), (168, 728)),
        ((406, 518), (392, 504)),  # 14.5 and 18.5 times 28: halves go to the even one
    ],
)
def test_resize_rule(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert resized_size(*size) == expected


def test_resize_rule_equals_transformers() -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    rng = np.random.default_rng(1)
    budget = PixelBudget()
    for height, width in rng.integers(20, 2200, (300, 2)).tolist():
        limits = {"min_pixels": budget.min_pixels, "max_pixels": budget.max_pixels}
        assert resized_size(height, width) == smart_resize(height, width, 28, **limits)


def test_single_image_gives_the_patches_of_transformers_image_path() -> None:
    picture = frames(1, 480, 640)
    video = prepare_video(picture)
    resized = resize_frames(picture).permute(0, 2, 3, 1).numpy()
    assert video.grid_thw == (1, 34, 46)
    expected = image_patches(resized).reshape(34 * 46, -1)
    torch.testing.assert_close(video.pixel_values, expected, rtol=0, atol=2e-6)
    assert torch.equal(video.images[0], video.images[1])


def test_clip_interleaves_the_patches_of_its_frames() -> None:
    pictures = frames(4, 300, 500, seed=2)
    video = prepare_video(pictures)
    times, rows, columns = video.grid_thw
    assert (times, rows, columns) == (2, 22, 36)
    alone = image_patches(resize_frames(pictures).permute(0, 2, 3, 1).numpy())
    # A patch of the clip holds the first frame of the pair, then the second.
    pairs = alone.unflatten(0, (2, 2))
    expected = torch.stack([pairs[:, 0, :, :, 0], pairs[:, 1, :, :, 1]], dim=3)
    torch.testing.assert_close(
        video.pixel_values, expected.reshape(times * rows * columns, -1), rtol=0, atol=2e-6
    )


def test_odd_clips_repeat_their_last_frame() -> None:
    pictures = frames(3, 112, 140)
    odd, even = prepare_video(pictures), prepare_video(pictures[[0, 1, 2, 2]])
    assert odd.grid_thw == even.grid_thw
    assert torch.equal(odd.pixel_values, even.pixel_values)
    assert torch.equal(odd.images, even.images)


def test_both_encoders_see_the_same_pixels() -> None:
    video = prepare_video(frames(2, 480, 640, seed=3))
    assert video.images.shape == (2, 3, 476, 644)
    assert 0 <= video.images.min() and video.images.max() <= 1
    levels = video.images * 255
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)
    # The 29th patch is the first of the eighth block of 2 x 2: row 0, column 14.
    patch = video.pixel_values[28].reshape(3, 2, 14, 14)
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])[:, None, None, None]
    std = torch.tensor([0.26862954, 0.26130258, 0.27577711])[:, None, None, None]
    seen = (patch * std + mean).transpose(0, 1)
    torch.testing.assert_close(seen, video.images[:, :, :14, 196:210], rtol=0, atol=1e-5)


def test_resizing_is_bicubic_with_antialiasing() -> None:
    from PIL import Image

    smooth = frames(1, 1080, 1920)[0]
    noise = np.random.default_rng(4).integers(90, 160, (1080, 1920, 3), np.uint8)
    for picture in (smooth, noise):
        ours = resize_frames(picture[None])[0].permute(1, 2, 0).numpy()
        pil = np.asarray(Image.fromarray(picture).resize((1008, 560), Image.Resampling.BICUBIC))
        assert np.abs(ours.astype(int) - pil.astype(int)).max() <= 1


def test_overshoot_at_edges_is_clipped() -> None:
    """A bicubic kernel overshoots beside black and white; unclipped, uint8 would wrap around."""
    from PIL import Image

    board = np.zeros((480, 640, 3), np.uint8)
    board[::16] = board[:, ::16] = 255
    ours = resize_frames(board[None])[0].permute(1, 2, 0).numpy().astype(int)
    pil = np.asarray(Image.fromarray(board).resize((644, 476), Image.Resampling.BICUBIC))
    assert np.abs(ours - pil).max() <= 32  # PIL also clips between the two directions
    assert (ours == 0).any() and (ours == 255).any()


def test_frames_of_a_video_are_taken_evenly() -> None:
    assert frame_indices(31, 4) == [0, 10, 20, 30]
    assert frame_indices(11, 6) == [0, 2, 4, 6, 8, 10]
    assert frame_indices(8, 6) == [0, 1, 3, 4, 6, 7]  # 1.4, 2.8, 4.2, 5.6
    assert frame_indices(100, 5) == frame_indices(100, 4)  # 2.5 pairs are two
    assert frame_indices(100, 1) == [0, 99]
    assert frame_indices(3, 16) == [0, 1, 2]
    with pytest.raises(ValueError, match="positive"):
        frame_indices(0)


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (np.zeros((0, 28, 28, 3), np.uint8), "at least one frame"),
        (np.zeros((1, 28, 28, 4), np.uint8), r"uint8 \[H, W, 3\]"),
        (np.zeros((1, 28, 28, 3), np.float32), "frame 0 is float32"),
        ([np.zeros((28, 28, 3), np.uint8), np.zeros((28, 56, 3), np.uint8)], "frame 1 is 56x28"),
        (np.zeros((1, 3, 900, 3), np.uint8), "200 times"),
        (np.zeros((1, 0, 28, 3), np.uint8), "empty"),
    ],
)
def test_bad_frames_are_named(pictures: np.ndarray, message: str) -> None:
    with pytest.raises(BadImageError, match=message):
        prepare_video(pictures)


def test_a_budget_must_hold_a_frame() -> None:
    for limits in ((0, 1000), (2000, 1000), (1, 100)):
        with pytest.raises(ValueError, match="pixel budget"):
            PixelBudget(*limits)
    assert resized_size(480, 640, PixelBudget(28 * 28, 112 * 112)) == (84, 112)


@pytest.mark.parametrize("order", ["space_channel_time", "time_space_channel"])
def test_merge_order_by_index(order: str) -> None:
    """Every merged feature, found by counting instead of by permuting."""
    times, rows, columns, channels = 2, 4, 6, 3
    tokens = torch.arange(2 * times * rows * columns * channels, dtype=torch.float32)
    tokens = tokens.reshape(2 * times, rows * columns, channels)
    merged = merge_tokens(tokens, (times, rows, columns), order)
    assert merged.shape == (times * rows * columns // 4, 8 * channels)
    blocks = [
        (t, r, c) for t in range(times) for r in range(rows // 2) for c in range(columns // 2)
    ]
    for token, (t, row, column) in zip(merged, blocks, strict=True):
        for index, value in enumerate(token.tolist()):
            if order == "space_channel_time":
                rest, frame = divmod(index, 2)
                place, channel = divmod(rest, channels)
            else:
                frame, rest = divmod(index, 4 * channels)
                place, channel = divmod(rest, channels)
            patch = (2 * row + place // 2) * columns + 2 * column + place % 2
            assert value == tokens[2 * t + frame, patch, channel]


def test_merge_needs_a_full_grid() -> None:
    with pytest.raises(ValueError, match="needs 2 frames of 8 patch tokens, not 1 of 8"):
        merge_tokens(torch.zeros(1, 8, 3), (1, 2, 4), "space_channel_time")


def test_first_version_has_two_stages() -> None:
    """Worked out with plain formulas: x / rms(x), linear, exact GELU, linear, and once more."""
    torch.manual_seed(0)
    merger = EmbeddingMerger(3, 5)
    for parameter in merger.parameters():
        torch.nn.init.normal_(parameter)
    tokens, visual = torch.randn(2, 8, 3), torch.randn(2, 5)
    state = merger.state_dict()

    def stage(x: torch.Tensor, norm: str, mlp: str) -> torch.Tensor:
        x = x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * state[f"{norm}.weight"]
        x = x @ state[f"{mlp}.0.weight"].T + state[f"{mlp}.0.bias"]
        x = 0.5 * x * (1 + torch.erf(x / 2**0.5))
        return x @ state[f"{mlp}.2.weight"].T + state[f"{mlp}.2.bias"]

    x = merge_tokens(tokens, (1, 2, 4), "time_space_channel")
    x = stage(x, "token_merge_ln_q", "token_merge_mlp")
    expected = visual + stage(x, "vgg_to_language_ln_q", "vgg_to_language_mlp")
    with torch.no_grad():
        found = merger(visual, tokens, (1, 2, 4))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_published_sizes() -> None:
    with torch.device("meta"):
        parts = Connector(2048, 2048), EmbeddingMerger(2048, 2048), Vggt(heads=())
    counts = [sum(p.numel() for p in part.parameters()) for part in parts]
    assert [round(count / 1e6, 1) for count in counts] == [302.0, 310.4, 909.1]


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> QwenChat:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer(folder)
    return QwenChat(load_qwen_tokenizer(folder), folder)


def test_chat_is_qwens_byte_for_byte(chat: QwenChat) -> None:
    ids = chat.ids(QUESTION)
    prompt = [*ids.before, chat.video_id, chat.video_id, *ids.after]
    text = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n<|vision_start|><|video_pad|><|video_pad|><|vision_end|>"
        "How far is the chair from the door?<|im_end|>\n<|im_start|>assistant\n"
    )
    assert chat.tokenizer.tokenizer.decode(prompt) == text
    # In pieces or in one: the same tokens.
    assert prompt == chat.tokenizer.tokenizer(text).input_ids
    plain = chat.ids(QUESTION, video=False)
    whole = text.replace("<|vision_start|><|video_pad|><|video_pad|><|vision_end|>", "")
    assert [*plain.before, *plain.after] == chat.tokenizer.tokenizer(whole).input_ids


def test_a_question_cannot_write_special_tokens(chat: QwenChat) -> None:
    ids = chat.ids("a<|im_end|><|video_pad|><image>b")
    vocabulary = chat.tokenizer.tokenizer.get_vocab()
    assert ids.after.count(vocabulary["<|im_end|>"]) == 1
    assert chat.video_id not in ids.after
    assert min(ids.after) >= 0
    assert "a<|im_end|><|video_pad|><image>b" in chat.tokenizer.tokenizer.decode(ids.after)


def test_another_tokenizer_is_refused(tmp_path: Path) -> None:
    from spatialgeo_ros.speech.tokenizer import build_nano_tokenizer

    with pytest.raises(ModelLoadError, match=r"lacks <\|im_start\|>"):
        QwenChat(build_nano_tokenizer(["chair"]), tmp_path)
    with pytest.raises(ModelLoadError, match="tokenizer.json"):
        load_qwen_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelLoadError, match="cannot load the tokenizer in"):
        load_qwen_tokenizer(tmp_path)


class _Indexer:
    """transformers' own rule, which needs nothing of its model but the configuration."""

    get_rope_index = Qwen2_5_VLModel.get_rope_index
    get_vision_position_ids = Qwen2_5_VLModel.get_vision_position_ids

    def __init__(self) -> None:
        own = ("model_type", "architectures", "spatial_config", "connector_config")
        config = {key: value for key, value in tiny_config().items() if key not in own}
        self.config = Qwen2_5_VLConfig(**config)


@pytest.mark.parametrize(
    ("grid", "seconds"),
    [
        ((1, 20, 28), 1.0),
        ((8, 34, 46), 1.0),
        ((8, 34, 46), 0.5),
        ((3, 4, 16), 1.5),
        ((5, 8, 12), 0.3),
    ],
)
def test_positions_equal_transformers(grid: tuple[int, int, int], seconds: float) -> None:
    count = grid[0] * grid[1] * grid[2] // 4
    types = torch.tensor([[0] * 9 + [2] * count + [0] * 7])
    expected, delta = _Indexer().get_rope_index(
        torch.zeros_like(types),
        types,
        video_grid_thw=torch.tensor([grid]),
        second_per_grid_ts=torch.tensor([seconds]),
    )
    found = mrope_positions(9, grid, 7, seconds, tokens_per_second=2)
    assert torch.equal(found, expected)
    assert int(found.max()) + 1 - found.shape[-1] == int(delta)


def test_text_follows_the_whole_time_span() -> None:
    """Example in transformers 4.51: 2 x 2 tokens, 25 positions a second, 2 s between grids."""
    positions = mrope_positions(0, (3, 4, 4), 5, seconds_per_grid=2.0, tokens_per_second=25)[:, 0]
    assert positions[0].tolist() == [*[0] * 4, *[50] * 4, *[100] * 4, 101, 102, 103, 104, 105]
    assert positions[1].tolist() == [*[0, 0, 1, 1] * 3, 101, 102, 103, 104, 105]
    assert positions[2].tolist() == [*[0, 1, 0, 1] * 3, 101, 102, 103, 104, 105]


def test_positions_without_a_clip_count() -> None:
    assert mrope_positions(3, None, 2)[:, 0].tolist() == [[0, 1, 2, 3, 4]] * 3
