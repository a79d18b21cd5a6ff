# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialGeo and LLaVA at work: batches, several images, one backbone pass, 4 and 8 bits, sizes."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints.llava import (
    HIDDEN,
    IMAGE_SIZE,
    merged_state,
    write_clip,
    write_llava_base,
    write_spatialgeo_merged,
    write_spatialgeo_stage2,
    write_tower,
)
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

from spatialgeo_ros.errors import BadRequestError, ModelLoadError
from spatialgeo_ros.models.backbones import Dinov2Backbone, build_backbone
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.files.weights import weight_bytes
from spatialgeo_ros.models.fusion import HierarchicalAdapter
from spatialgeo_ros.models.llava.llava_checkpoint import load_llava
from spatialgeo_ros.models.moge.moge1 import MoGe1
from spatialgeo_ros.models.quantise import packing, quantise
from spatialgeo_ros.models.spatialgeo import EncodedImages, SpatialGeoModel
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.prompts import template
from spatialgeo_ros.speech.sampling import Sampling
from spatialgeo_ros.speech.stream import generate
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer, load_tokenizer

PATCHES = 36


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sentencepiece")
    root = tmp_path_factory.mktemp("llava")
    write_llava_base(root / "base")
    write_spatialgeo_stage2(root / "stage2")
    write_clip(root / "clip")
    write_tower(root / "vit_model.pt")
    write_tower(root / "model.pt", heads=True)
    return root


def load(folder: Path, **options: Any) -> SpatialGeoModel:
    chosen = {
        "base": folder / "base",
        "adapter": folder / "stage2",
        "clip": folder / "clip",
        "tower": folder / "vit_model.pt",
    }
    return load_llava(**{**chosen, "dtype": torch.float32, **options})


@pytest.fixture(scope="module")
def model(folder: Path) -> SpatialGeoModel:
    """SpatialGeo below the heads of MoGe v1."""
    return load(folder, tower=folder / "model.pt")


@pytest.fixture(scope="module")
def plain(folder: Path) -> SpatialGeoModel:
    """LLaVA itself."""
    return load(folder, adapter=None, tower=None)


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> LanguageTokenizer:
    return load_tokenizer(folder / "base")


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.rand(3, 3, IMAGE_SIZE, IMAGE_SIZE, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def encoded(model: SpatialGeoModel, pixels: Tensor) -> EncodedImages:
    with torch.inference_mode():
        return model.encode_images(pixels)


@pytest.fixture(scope="module")
def visual(model: SpatialGeoModel, encoded: EncodedImages) -> Tensor:
    with torch.inference_mode():
        tokens, valid = model.visual_embeds(encoded.clip_features, encoded.moge_features)
    assert valid is None
    return tokens


class Calls:
    """Counts the forward passes of a module."""

    def __init__(self, module: nn.Module) -> None:
        self.count = 0
        self.handle = module.register_forward_hook(self._add)

    def _add(self, *_: object) -> None:
        self.count += 1


@pytest.fixture
def counted(model: SpatialGeoModel) -> Iterator[dict[str, Calls]]:
    assert isinstance(model.geometry, MoGe1) and model.vision_tower is not None
    calls = {
        "backbone": Calls(model.geometry.backbone),
        "patch embedding": Calls(model.geometry.backbone.model.embeddings.patch_embeddings),
        "heads": Calls(model.geometry.head),
        "clip": Calls(model.vision_tower),
    }
    yield calls
    for one in calls.values():
        one.handle.remove()


# One pass of the backbone


def test_one_backbone_pass_gives_tokens_and_point_map(
    model: SpatialGeoModel, pixels: Tensor, counted: dict[str, Calls]
) -> None:
    with torch.inference_mode():
        out = model.encode_images(pixels[:1])
    assert {name: calls.count for name, calls in counted.items()} == dict.fromkeys(counted, 1)
    assert out.geometry is not None
    assert out.geometry["points"].shape == (1, IMAGE_SIZE, IMAGE_SIZE, 3)
    assert out.geometry["mask"].shape == (1, IMAGE_SIZE, IMAGE_SIZE)
    assert len(out.moge_features) == 4 and out.moge_features[0].shape[:2] == (1, PATCHES)
    assert out.clip_features.shape[:2] == (1, PATCHES)


def test_point_map_can_be_left_out(
    model: SpatialGeoModel, pixels: Tensor, counted: dict[str, Calls]
) -> None:
    with torch.inference_mode():
        out = model.encode_images(pixels[:1], predict=False)
    assert out.geometry is None
    assert (counted["backbone"].count, counted["heads"].count) == (1, 0)


def test_shared_map_is_that_of_moge_for_the_same_pixels(
    model: SpatialGeoModel, pixels: Tensor, encoded: EncodedImages
) -> None:
    """Where the exactness ends is the normalisation: undone, MoGe itself gives the same map."""
    moge = model.geometry
    assert isinstance(moge, MoGe1) and model.vision_tower is not None
    disguised = model.vision_tower.normalise(pixels) * moge.image_std + moge.image_mean
    with torch.inference_mode():
        alone = moge(disguised, PATCHES, upsample=False)
        plain = moge(pixels, PATCHES, upsample=False)
    assert encoded.geometry is not None
    torch.testing.assert_close(encoded.geometry["points"], alone["points"], rtol=0, atol=1e-4)
    torch.testing.assert_close(encoded.geometry["mask"], alone["mask"], rtol=0, atol=1e-4)
    assert (encoded.geometry["points"] - plain["points"]).abs().max() > 1e-2
    metric = moge.to_metric(encoded.geometry)
    assert metric["depth"].shape == (3, IMAGE_SIZE, IMAGE_SIZE)


def test_heads_do_not_change_the_tokens(
    folder: Path, pixels: Tensor, encoded: EncodedImages
) -> None:
    with torch.inference_mode():
        bare = load(folder).encode_images(pixels)
    assert bare.geometry is None
    for ours, theirs in zip(encoded.moge_features, bare.moge_features, strict=True):
        assert torch.equal(ours, theirs)


# Prompts


def ids(tokenizer: LanguageTokenizer, question: str, images: int = 1) -> list[int]:
    return tokenizer.encode(template("vicuna_v1").build(question, images=images))


QUESTIONS = [
    ("How far is the red chair from the blue table?", [0]),
    ("Is it wide?", []),
    ("Which is taller, in the first or the second?", [1, 2]),
]


def single(model: SpatialGeoModel, prompt: list[int], images: list[Tensor]) -> Tensor:
    """Logits of a prompt by itself, without mask and padding."""
    prepared = model.prepare_inputs(torch.tensor([prompt]), images)
    return model.language_model(inputs_embeds=prepared.inputs_embeds).logits[0]


def streamed(
    model: SpatialGeoModel,
    tokenizer: LanguageTokenizer,
    prompt: list[int],
    images: Sequence[Tensor],
) -> tuple[int, ...]:
    """Ids of a short answer."""
    prepared = model.prepare_inputs(torch.tensor([prompt]), images)
    sampling = Sampling(max_new_tokens=4)
    decoder = Decoder(model.language_model)
    return generate(decoder, tokenizer, prepared.inputs_embeds, sampling).ids


def test_batch_equals_single_questions(
    model: SpatialGeoModel, tokenizer: LanguageTokenizer, visual: Tensor
) -> None:
    prompts = [ids(tokenizer, text, len(images)) for text, images in QUESTIONS]
    seen = [visual[index] for _, images in QUESTIONS for index in images]
    longest = max(map(len, prompts))
    padded = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    with torch.inference_mode():
        batch = model.prepare_inputs(padded, seen, attention_mask=mask, padding_side="left")
        assert batch.attention_mask is not None
        positions = (batch.attention_mask.cumsum(1) - 1).clamp(min=0)
        logits = model.language_model(
            inputs_embeds=batch.inputs_embeds,
            attention_mask=batch.attention_mask,
            position_ids=positions,
        ).logits
        for row, (prompt, (_, images)) in enumerate(zip(prompts, QUESTIONS, strict=True)):
            alone = single(model, prompt, [visual[i] for i in images])
            length = len(prompt) + len(images) * (2 * PATCHES - 1)
            assert alone.shape[0] == length == int(batch.attention_mask[row].sum())
            torch.testing.assert_close(logits[row, -length:], alone, rtol=0, atol=1e-4)


def test_images_are_read_in_order(
    model: SpatialGeoModel, tokenizer: LanguageTokenizer, visual: Tensor
) -> None:
    prompt = ids(tokenizer, "Which is closer?", 2)
    with torch.inference_mode():
        prepared = model.prepare_inputs(torch.tensor([prompt]), [visual[0], visual[1]])
    first = prompt.index(-200)
    second = prompt.index(-200, first + 1) + 2 * PATCHES - 1
    for start, expected in ((first, visual[0]), (second, visual[1])):
        assert torch.equal(prepared.inputs_embeds[0, start : start + 2 * PATCHES], expected)


def test_every_image_is_interleaved(
    model: SpatialGeoModel, encoded: EncodedImages, visual: Tensor
) -> None:
    assert visual.shape == (3, 2 * PATCHES, HIDDEN)
    with torch.inference_mode():
        clip = model.adapter.project_clip(encoded.clip_features)
        moge = model.adapter.project_moge(encoded.moge_features)
    assert torch.equal(visual[:, 0::2], clip) and torch.equal(visual[:, 1::2], moge)


def test_prompts_that_cannot_be_served(
    model: SpatialGeoModel, tokenizer: LanguageTokenizer, visual: Tensor
) -> None:
    with pytest.raises(BadRequestError, match="1 image placeholders but 0 images"):
        model.prepare_inputs(torch.tensor([ids(tokenizer, "How far?")]), [])
    with pytest.raises(BadRequestError, match="with its images, but this model takes 512"):
        model.prepare_inputs(torch.tensor([ids(tokenizer, "How far?", 6)]), [*visual, *visual])


# Plain LLaVA


def test_plain_llava_sees_clip_alone(
    plain: SpatialGeoModel, tokenizer: LanguageTokenizer, pixels: Tensor
) -> None:
    with torch.inference_mode():
        out = plain.encode_images(pixels)
        tokens, valid = plain.visual_embeds(out.clip_features, out.moge_features)
    assert out.moge_features == [] and out.geometry is None and valid is None
    assert tokens.shape == (3, PATCHES, HIDDEN)
    assert torch.equal(tokens, plain.adapter.mm_projector(out.clip_features))
    assert 0 < len(streamed(plain, tokenizer, ids(tokenizer, "Is it wide?"), [tokens[0]])) <= 4


def test_spatialgeo_needs_its_towers() -> None:
    language = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1,
                "intermediate_size": 16, "vocab_size": 8}  # fmt: skip
    model = SpatialGeoModel(language, {"clip_dim": 8, "moge_dim": 8, "hidden_size": 16})
    with pytest.raises(ModelLoadError, match="without its image towers"):
        model.encode_images(torch.rand(1, 3, 28, 28))


# 4 and 8 bits


@pytest.mark.parametrize(
    ("kind", "dtype"),
    # 8 bits are packed from the merged float16 itself, which bfloat16 weights no longer hold.
    [("nf4", torch.float32), ("nf4", torch.bfloat16), ("int8", torch.float32)],
)
def test_packing_while_loading_equals_packing_afterwards(
    folder: Path, kind: str, dtype: torch.dtype, visual: Tensor
) -> None:
    pytest.importorskip("bitsandbytes")
    packed = load(folder, quantisation=kind, dtype=dtype)
    whole = load(folder, dtype=dtype)
    assert (packing(packed.language_model), packing(whole.language_model)) == (kind, "none")
    quantise(whole.language_model, kind, compute=dtype)
    with torch.inference_mode():
        embeds = packed.prepare_inputs(
            torch.tensor([[1, -200, 7, 8, 9]]), [visual[0]]
        ).inputs_embeds
        logits = [m.language_model(inputs_embeds=embeds).logits for m in (packed, whole)]
    assert torch.equal(*logits)
    assert torch.isfinite(logits[0]).all()


@pytest.mark.parametrize(("kind", "limit"), [("nf4", 0.11), ("int8", 0.012)])
def test_packed_layers_stay_close_to_the_merged_weights(
    folder: Path, kind: str, limit: float
) -> None:
    """Relative error of a product; 0.5 of a level is 9 % rms for NF4's 16, 0.7 % for 8 bits."""
    pytest.importorskip("bitsandbytes")
    packed = load(folder, quantisation=kind)
    name = "model.layers.1.mlp.up_proj"
    weight = merged_state()[f"{name}.weight"].float()
    x = torch.randn(64, HIDDEN, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours, exact = packed.language_model.get_submodule(name)(x), x @ weight.T
    error = float((ours - exact).norm() / exact.norm())
    assert 1e-4 < error < limit


@pytest.mark.parametrize(("kind", "class_name"), [("nf4", "Linear4bit"), ("int8", "Linear8bitLt")])
def test_only_layers_inside_the_transformer_are_packed(
    folder: Path, kind: str, class_name: str
) -> None:
    pytest.importorskip("bitsandbytes")
    model = load(folder, quantisation=kind, tower=folder / "model.pt", dtype=torch.bfloat16)
    packed = {n for n, m in model.named_modules() if type(m).__name__ == class_name}
    assert len(packed) == 2 * 7
    assert all(name.startswith("language_model.model.layers.") for name in packed)
    floats = {p.dtype for p in model.parameters() if p.is_floating_point()}
    assert floats == {torch.bfloat16}
    whole = load(folder, tower=folder / "model.pt", dtype=torch.bfloat16)
    assert weight_bytes(model.language_model) < 0.8 * weight_bytes(whole.language_model)


def test_merged_checkpoint_loads_in_four_bits(
    folder: Path, tmp_path: Path, tokenizer: LanguageTokenizer
) -> None:
    """The published code packs first and then fails on the shape of the float weights."""
    pytest.importorskip("bitsandbytes")
    merged = write_spatialgeo_merged(tmp_path / "merged")
    model = load(folder, base=merged, adapter=None, tower=None, quantisation="nf4")
    assert streamed(model, tokenizer, [1, 5, 6], [])


def test_eight_bits_do_not_fill_the_log(
    folder: Path, caplog: pytest.LogCaptureFixture, tokenizer: LanguageTokenizer
) -> None:
    pytest.importorskip("bitsandbytes")
    model = load(folder, quantisation="int8")
    with caplog.at_level(logging.WARNING):
        streamed(model, tokenizer, [1, 5, 6], [])
    assert "MatMul8bitLt" not in caplog.text


# Sizes


def count(module: nn.Module) -> float:
    """Parameters in millions."""
    return sum(p.numel() for p in module.parameters()) / 1e6


def test_full_size_networks_have_the_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        adapter = HierarchicalAdapter(1024, 1024, 4096)
        language = LlamaForCausalLM(
            LlamaConfig(hidden_size=4096, intermediate_size=11008, vocab_size=32000)
        )
        clip = ClipVisionTower(
            {
                "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
                "num_attention_heads": 16, "image_size": 336, "patch_size": 14,
            }
        )  # fmt: skip
        tower = build_backbone("dinov2_vitl14")
        model = SpatialGeoModel(language, adapter, clip, tower)
    assert count(adapter.mm_projector) == pytest.approx(20.98, abs=0.005)
    for projector in adapter.moge_mm_projector_list:
        assert count(projector) == pytest.approx(20.98, abs=0.005)
    assert count(language) == pytest.approx(6738.4, abs=0.1)  # LLaMA-2 7B
    assert count(clip) == pytest.approx(303.5, abs=0.1)
    assert isinstance(tower, Dinov2Backbone)
    assert count(tower) == pytest.approx(304.4, abs=0.1)
    assert clip.image_size // clip.patch_size == 24  # 576 patches, 1,152 tokens
    total = weight_bytes(model.half()) / 1e9
    assert total == pytest.approx(14.9, abs=0.05)
