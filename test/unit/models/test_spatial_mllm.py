# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Spatial-MLLM end to end on tiny official folders: fusion, generation, reuse, single images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.spatial_mllm import write_spatial_mllm_3b
from torch import Tensor, nn

from spatialgeo_ros.models.quantise import packing
from spatialgeo_ros.models.spatial_mllm import PixelBudget, SpatialMllm, load_spatial_mllm
from spatialgeo_ros.models.spatial_mllm.video_input import prepare_video
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.sampling import Sampling

pytestmark = pytest.mark.transformers
VERSIONS = ("1.1", "1.0")
SMALL = PixelBudget(28 * 28, 84 * 112)
FIRST, SECOND = "How far is the chair from the door?", "Is the lamp higher than the table?"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("spatial_mllm")
    return {v: write_spatial_mllm_3b(root / v, seed=int(v[-1]), version=v) for v in VERSIONS}


@pytest.fixture(scope="module")
def models(folders: dict[str, Path]) -> dict[str, SpatialMllm]:
    return {v: load_spatial_mllm(f, dtype=torch.float32) for v, f in folders.items()}


def frames(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 6, 8, 3), np.uint8).repeat(14, 1).repeat(14, 2)


@contextmanager
def recorded(module: nn.Module, what: Callable[[tuple, dict], Any]) -> Iterator[list[Any]]:
    """What a module is called with while the context lasts."""
    calls: list[Any] = []
    handle = module.register_forward_pre_hook(
        lambda _module, args, kwargs: calls.append(what(args, kwargs)), with_kwargs=True
    )
    try:
        yield calls
    finally:
        handle.remove()


def merged_by_loops(tokens: Tensor, grid: tuple[int, int, int], version: str) -> Tensor:
    """Merge [T, h w, C] token by token, as the papers' order says."""
    times, rows, columns = grid
    out = []
    for t in range(times):
        for row in range(0, rows, 2):
            for column in range(0, columns, 2):
                eight = torch.stack(
                    [
                        torch.stack(
                            [
                                tokens[2 * t + f, (row + y) * columns + column + x]
                                for y in (0, 1)
                                for x in (0, 1)
                            ]
                        )
                        for f in (0, 1)
                    ]
                )  # frame, place, channel
                ordered = eight.permute(1, 2, 0) if version == "1.1" else eight
                out.append(ordered.flatten())
    return torch.stack(out)


@pytest.mark.parametrize("version", VERSIONS)
@torch.inference_mode()
def test_visual_tokens_are_qwens_plus_geometry(
    models: dict[str, SpatialMllm], version: str
) -> None:
    model = models[version]
    assert model.version == version
    clip = frames(4)
    visual = model.encode_video(clip, budget=SMALL)
    video = prepare_video(clip, SMALL)
    assert visual.grid_thw == video.grid_thw == (2, 6, 8)
    assert visual.second_per_grid == 1.0
    grid = torch.tensor([video.grid_thw])
    semantic = model.qwen.get_video_features(video.pixel_values, grid).pooler_output[0]
    tokens, start = model.vggt.aggregate(video.images[None])
    merged = merged_by_loops(tokens[-1][0, :, start:], video.grid_thw, version)
    expected = semantic + model.connector.project(merged)
    torch.testing.assert_close(visual.embeds, expected, rtol=0, atol=1e-5)
    assert (visual.embeds - semantic).abs().mean() > 0.05  # the geometry matters


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("penalty", [1.0, 1.3])
@torch.inference_mode()
def test_answers_equal_transformers_generate(
    models: dict[str, SpatialMllm], version: str, penalty: float
) -> None:
    """The whole pipeline of transformers, with the geometry added behind its vision tower."""
    model = models[version]
    clip, video = frames(4, seed=1), prepare_video(frames(4, seed=1), SMALL)
    visual = model.encode_video(clip, second_per_grid=0.5, budget=SMALL)
    tokens, start = model.vggt.aggregate(video.images[None])
    merged = merged_by_loops(tokens[-1][0, :, start:], video.grid_thw, version)
    geometry = model.connector.project(merged)

    def add_geometry(_module: nn.Module, _args: Any, output: Any) -> Any:
        output.pooler_output = output.pooler_output + geometry
        return output

    answers = []
    for question in (FIRST, SECOND):
        found = model.answer(
            visual, question, Sampling(max_new_tokens=12, repetition_penalty=penalty)
        )
        ids = torch.tensor([model.prompt_inputs(visual, question).ids])
        handle = model.qwen.model.visual.register_forward_hook(add_geometry)
        try:
            expected = model.qwen.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                mm_token_type_ids=(ids == model.chat.video_id).int() * 2,
                pixel_values_videos=video.pixel_values,
                video_grid_thw=torch.tensor([video.grid_thw]),
                second_per_grid_ts=torch.tensor([0.5]),
                do_sample=False,
                max_new_tokens=12,
                repetition_penalty=penalty,
                eos_token_id=[model.tokenizer.eos_id, *model.end_ids],
                pad_token_id=0,
            )
        finally:
            handle.remove()
        assert list(found.ids) == expected[0, ids.shape[1] :].tolist()
        answers.append(found.ids)
    assert answers[0] != answers[1]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_second_question_encodes_and_prefills_nothing_again(
    models: dict[str, SpatialMllm], version: str
) -> None:
    model = models[version]
    visual = model.encode_video(frames(4, seed=2), budget=SMALL)
    sampling, decoder = Sampling(max_new_tokens=8), Decoder(model.qwen)
    alone = [model.answer(visual, q, sampling) for q in (FIRST, SECOND)]
    tower, aggregator = model.qwen.model.visual, model.vggt.aggregator
    length = len(visual.embeds)
    with (
        recorded(tower, lambda *_: 1) as encodings,
        recorded(aggregator, lambda *_: 1) as aggregations,
        recorded(
            model.qwen.model.language_model, lambda _, kwargs: kwargs["inputs_embeds"].shape[1]
        ) as lengths,
    ):
        answers, seen = [], []
        for question in (FIRST, SECOND):
            lengths.clear()
            answers.append(model.answer(visual, question, sampling, decoder=decoder, prefix_key=7))
            seen.append(list(lengths))
    assert [a.ids for a in answers] == [a.ids for a in alone]
    inputs = [model.prompt_inputs(visual, q) for q in (FIRST, SECOND)]
    start = inputs[0].prefix_length
    assert start == inputs[1].prefix_length > length
    assert seen[0][:2] == [start, len(inputs[0].ids) - start]
    assert seen[1][0] == len(inputs[1].ids) - start
    assert set(seen[1][1:]) <= {1}
    assert (encodings, aggregations) == ([], [])
    assert [a.reused_tokens for a in answers] == [0, start]
    assert (decoder.prefills, decoder.hits) == (1, 1)


def test_answers_stream_and_can_be_cancelled(models: dict[str, SpatialMllm]) -> None:
    model = models["1.1"]
    visual = model.encode_video(frames(2, seed=3), budget=SMALL)
    pieces: list[str] = []
    full = model.answer(visual, FIRST, Sampling(max_new_tokens=10), on_token=pieces.append)
    assert len(pieces) > 3 and "".join(pieces).strip() == full.text
    heard: list[str] = []
    cut = model.answer(
        visual, FIRST, Sampling(max_new_tokens=10),
        on_token=heard.append, cancelled=lambda: len(heard) >= 2,
    )  # fmt: skip
    assert cut.stopped == "cancelled"
    assert cut.ids == full.ids[: len(cut.ids)] and len(cut.ids) < len(full.ids)


def test_the_checkpoints_own_settings_are_the_default(models: dict[str, SpatialMllm]) -> None:
    model = models["1.1"]
    visual = model.encode_video(frames(2, seed=4), budget=SMALL)
    vocabulary = model.tokenizer.tokenizer.get_vocab()
    assert model.end_ids == (vocabulary["<|im_end|>"], vocabulary["<|endoftext|>"])
    assert model.repetition_penalty == 1.05
    ids = model.answer(visual, SECOND).ids
    assert ids == model.answer(visual, SECOND, Sampling(repetition_penalty=1.05)).ids
    # A token of generation_config.json ends the answer, though the tokenizer ends with another.
    first = next(i for i, token in enumerate(ids) if token not in ids[:i] and i > 0)
    model.end_ids = (ids[first],)
    try:
        ended = model.answer(visual, SECOND)
    finally:
        model.end_ids = (vocabulary["<|im_end|>"], vocabulary["<|endoftext|>"])
    assert (ended.ids, ended.stopped) == (ids[: first + 1], "eos")


def test_prompt_inputs_describe_themselves(models: dict[str, SpatialMllm]) -> None:
    model = models["1.0"]
    visual = model.encode_video(frames(6, seed=5), second_per_grid=2.0, budget=SMALL)
    inputs = model.prompt_inputs(visual, FIRST)
    total = len(inputs.ids)
    assert inputs.inputs_embeds.shape == (1, total, 64)
    assert inputs.position_ids.shape == (3, 1, total)
    assert inputs.rope_delta == int(inputs.position_ids.max()) + 1 - total < 0
    places = torch.tensor(inputs.ids) == model.chat.video_id
    assert torch.equal(inputs.inputs_embeds[0, places], visual.embeds)
    # Three grids two seconds apart, two positions a second.
    assert sorted(set((inputs.position_ids[0, 0, places]).tolist())) == [
        int(places.nonzero()[0]) + step for step in (0, 4, 8)
    ]
    other = model.prompt_inputs(visual, SECOND)
    shared = inputs.prefix_length
    assert inputs.ids[:shared] == other.ids[:shared]
    assert inputs.ids[shared - 1] == model.tokenizer.token_id("<|vision_end|>")


def test_a_question_about_nothing(models: dict[str, SpatialMllm]) -> None:
    model = models["1.1"]
    inputs = model.prompt_inputs(None, FIRST)
    assert model.chat.video_id not in inputs.ids and inputs.rope_delta == 0
    found = model.answer(None, FIRST, Sampling(max_new_tokens=6))
    ids = torch.tensor([inputs.ids])
    expected = model.qwen.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=6,
        repetition_penalty=1.0, eos_token_id=list(model.end_ids), pad_token_id=0,
    )  # fmt: skip
    assert list(found.ids) == expected[0, ids.shape[1] :].tolist()


@torch.inference_mode()
def test_single_image_of_the_second_version(models: dict[str, SpatialMllm]) -> None:
    """Two equal frames for both encoders; Qwen's image path would give the same tokens."""
    model, image = models["1.1"], frames(1, seed=6)
    with recorded(model.vggt.aggregator, lambda args, _: args[0].shape) as seen:
        visual = model.encode_video(image, budget=SMALL)
    assert seen[0][:2] == (1, 2)
    twice = model.encode_video(np.concatenate([image, image]), budget=SMALL)
    assert torch.equal(visual.embeds, twice.embeds)
    video = prepare_video(image, SMALL)
    grid = torch.tensor([video.grid_thw])
    semantic = model.qwen.get_image_features(video.pixel_values, grid).pooler_output[0]
    tokens, start = model.vggt.aggregate(video.images[None])
    merged = merged_by_loops(tokens[-1][0, :, start:], video.grid_thw, "1.1")
    expected = semantic + model.connector.project(merged)
    torch.testing.assert_close(visual.embeds, expected, rtol=0, atol=1e-5)
    assert model.answer(visual, FIRST, Sampling(max_new_tokens=4)).ids


@torch.inference_mode()
def test_single_image_of_the_first_version(models: dict[str, SpatialMllm]) -> None:
    """VGGT sees the image once and its tokens stand for both frames."""
    model, image = models["1.0"], frames(1, seed=7)
    with recorded(model.vggt.aggregator, lambda args, _: args[0].shape) as seen:
        visual = model.encode_video(image, budget=SMALL)
    assert seen[0][:2] == (1, 1)
    video = prepare_video(image, SMALL)
    grid = torch.tensor([video.grid_thw])
    semantic = model.qwen.get_image_features(video.pixel_values, grid).pooler_output[0]
    tokens, start = model.vggt.aggregate(video.images[None, :1])
    repeated = tokens[-1][0, :, start:].repeat_interleave(2, dim=0)
    expected = semantic + model.connector.project(merged_by_loops(repeated, video.grid_thw, "1.0"))
    torch.testing.assert_close(visual.embeds, expected, rtol=0, atol=1e-5)
    twice = model.encode_video(np.concatenate([image, image]), budget=SMALL)
    assert not torch.allclose(visual.embeds, twice.embeds, atol=1e-3)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.05), (torch.float16, 0.006)])
def test_half_precision_sees_the_same(
    folders: dict[str, Path],
    models: dict[str, SpatialMllm],
    version: str,
    dtype: torch.dtype,
    tolerance: float,
) -> None:
    model = load_spatial_mllm(folders[version], dtype=dtype)
    clip = frames(2, seed=8)
    half = model.encode_video(clip, budget=SMALL).embeds
    full = models[version].encode_video(clip, budget=SMALL).embeds
    assert half.dtype == dtype
    assert (half.float() - full).norm() / full.norm() < tolerance
    assert all(p.dtype == dtype for p in model.parameters())
    answer = model.answer(model.encode_video(clip, budget=SMALL), FIRST, Sampling(max_new_tokens=4))
    assert len(answer.ids) > 0


@pytest.mark.parametrize(("quantisation", "loss"), [("nf4", 0.13), ("int8", 0.02)])
def test_quantised_language_model(
    folders: dict[str, Path], models: dict[str, SpatialMllm], quantisation: str, loss: float
) -> None:
    model = load_spatial_mllm(folders["1.1"], dtype=torch.float32, quantisation=quantisation)
    assert packing(model.qwen.model.language_model) == quantisation
    for part in (model.vggt, model.connector, model.qwen.model.visual, model.qwen.lm_head):
        assert packing(part) == "none"
    assert model.qwen.lm_head.weight is model.qwen.get_input_embeddings().weight
    clip = frames(2, seed=9)
    visual = model.encode_video(clip, budget=SMALL)
    assert torch.equal(visual.embeds, models["1.1"].encode_video(clip, budget=SMALL).embeds)
    for name, layer in models["1.1"].qwen.model.language_model.named_modules():
        if isinstance(layer, nn.Linear):
            x = torch.randn(5, layer.in_features, generator=torch.Generator().manual_seed(1))
            packed = model.qwen.model.language_model.get_submodule(name)
            ours, full = packed(x), layer(x)
            assert 0 < (ours - full).norm() / full.norm() < loss, name
    assert len(model.answer(visual, FIRST, Sampling(max_new_tokens=4)).ids) > 0
