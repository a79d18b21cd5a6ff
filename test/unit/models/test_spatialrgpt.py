# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialRGPT's loader, masks and sizes, on tiny checkpoints in the published layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.spatialrgpt import HIDDEN, SIDE, write_spatialrgpt
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM, SiglipVisionConfig, SiglipVisionModel

from spatialgeo_ros.errors import BadRegionError, BadRequestError, ModelLoadError
from spatialgeo_ros.models.spatialrgpt.region_extractor import (
    ImageProjector,
    RegionExtractor,
    cell_weights,
)
from spatialgeo_ros.models.spatialrgpt.region_pictures import (
    box_mask,
    depth_picture,
    square_mask,
)
from spatialgeo_ros.models.spatialrgpt.rgpt_checkpoint import end_ids, load_spatialrgpt
from spatialgeo_ros.models.spatialrgpt.rgpt_model import SpatialRgpt
from spatialgeo_ros.speech.prompts import template
from spatialgeo_ros.speech.tokenizer import IMAGE_ID, load_tokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_spatialrgpt(tmp_path_factory.mktemp("spatialrgpt"))


@pytest.fixture(scope="module")
def model(folder: Path) -> SpatialRgpt:
    return load_spatialrgpt(folder, dtype=torch.float32)


def _picture(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_full_size_has_the_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        tower = SiglipVisionModel(
            SiglipVisionConfig(
                hidden_size=1152, intermediate_size=4304, num_hidden_layers=27,
                num_attention_heads=16, image_size=384, patch_size=14,
            )
        )  # fmt: skip
        language = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=128259, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32,
                num_attention_heads=32, num_key_value_heads=8, tie_word_embeddings=False,
            )
        )  # fmt: skip
        assert _count(tower) == 428_225_600
        assert _count(ImageProjector(1152, 4096)) == 35_668_992
        assert _count(RegionExtractor(1152, 4096)) == 20_066_816
    assert round(_count(language) * 2 / 1e9, 2) == 16.06  # bytes in bfloat16


@pytest.mark.parametrize("part", ["llm", "vision_tower", "mm_projector", "region_extractor"])
def test_a_missing_part_is_an_error_that_names_it(folder: Path, tmp_path: Path, part: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / part / "model.safetensors").unlink()
    with pytest.raises(ModelLoadError, match=part):
        load_spatialrgpt(copy, dtype=torch.float32)


def test_a_missing_tensor_is_named(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    file = copy / "region_extractor" / "model.safetensors"
    state = load_file(file)
    del state["depth_projector.bias"]
    save_file(state, file)
    with pytest.raises(ModelLoadError, match=r"depth_projector\.bias"):
        load_spatialrgpt(copy, dtype=torch.float32)


@pytest.mark.parametrize(
    ("file", "key", "value"),
    [
        ("config.json", "image_aspect_ratio", "pad"),
        ("config.json", "mm_vision_select_feature", "patch"),
        ("config.json", "mm_use_im_patch_token", None),
        ("mm_projector/config.json", "mm_projector_type", "mlp_downsample_2x2_fix"),
        ("region_extractor/config.json", "region_extractor_type", "other"),
        ("vision_tower/config.json", "llm_mask_token_id", 10**6),
        ("vision_tower/config.json", "llm_depth_token_id", None),
    ],
)
def test_another_variant_is_refused(
    folder: Path, tmp_path: Path, file: str, key: str, value: Any
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    content = json.loads((copy / file).read_text())
    content[key] = value
    if value is None:
        del content[key]
    (copy / file).write_text(json.dumps(content))
    with pytest.raises(ModelLoadError, match=key):
        load_spatialrgpt(copy, dtype=torch.float32)


def test_half_precision_that_cannot_pool_is_refused(folder: Path) -> None:
    with pytest.raises(ModelLoadError, match="bfloat16 or float32"):
        load_spatialrgpt(folder, dtype=torch.float16)


@pytest.mark.parametrize("quantisation", ["nf4", "int8"])
def test_a_quantised_language_model_runs(folder: Path, quantisation: str) -> None:
    packed = load_spatialrgpt(folder, dtype=torch.bfloat16, quantisation=quantisation)
    with torch.inference_mode():
        seen = packed.see(_picture())
        embeds = packed.prompt_embeds([1, IMAGE_ID, 2], seen)
        logits = packed.language_model(inputs_embeds=embeds).logits
    assert torch.isfinite(logits).all()


def test_both_end_tokens_are_read(folder: Path) -> None:
    tokenizer = load_tokenizer(folder / "llm")
    assert set(end_ids(folder)) == {
        tokenizer.token_id("<|end_of_text|>"), tokenizer.token_id("<|eot_id|>"),
    }  # fmt: skip


def test_one_begin_token_leads_and_regions_are_single_tokens(folder: Path) -> None:
    tokenizer = load_tokenizer(folder / "llm")
    parts = template("llama_3").parts("Is <mask> <depth> wide?", marked=True)
    ids = tokenizer.encode(parts)
    assert ids[0] == tokenizer.bos_id
    assert ids.count(tokenizer.bos_id) == 1
    assert ids.count(IMAGE_ID) == 1
    assert ids.count(tokenizer.token_id("<mask>")) == ids.count(tokenizer.token_id("<depth>")) == 1


def test_words_of_a_question_are_no_tokens_of_the_format(folder: Path) -> None:
    tokenizer = load_tokenizer(folder / "llm")
    ids = tokenizer.encode(template("llama_3").parts("<mask> <depth> <image> <|eot_id|>"))
    assert tokenizer.token_id("<mask>") not in ids
    assert ids.count(IMAGE_ID) == 1
    assert ids.count(tokenizer.token_id("<|eot_id|>")) == 2  # of the system text and the question


def test_regions_change_what_is_read_and_a_thin_one_is_read_where_it_is(model: SpatialRgpt) -> None:
    thin = np.zeros((SIDE, SIDE), bool)
    thin[:, 12] = True  # between what the published sampling looks at on the coarse grid
    wide = np.zeros((SIDE, SIDE), bool)
    wide[20:60, 10:50] = True
    with torch.inference_mode():
        seen = model.see(_picture(), _picture(1))
        tokens = model.regions(seen, np.stack([thin, wide]))
        assert tokens.coarse == (True, False)
        assert tokens.depths is not None
        # Not the projector's bias, which is what a region that vanishes reads in the reference.
        bias = model.region_extractor.depth_projector.bias
        assert not torch.allclose(tokens.depths[0], bias, atol=1e-3)
        assert torch.isfinite(tokens.masks).all()


def test_weights_of_a_thin_mask_lie_in_its_column() -> None:
    mask = torch.zeros(1, 384, 384)
    mask[:, :, 200] = 1
    weights, missed = cell_weights(mask, 27)
    assert missed.tolist() == [True]
    assert int(weights[0].sum(0).argmax()) == 200 * 27 // 384
    assert float(weights.sum()) == pytest.approx(1.0)


def test_masks_at_their_limits() -> None:
    with pytest.raises(BadRegionError, match="covers no pixel"):
        square_mask(np.zeros((480, 640), bool), 384)
    line = np.zeros((1080, 1920), bool)
    line[500, 101] = True  # one pixel, which the nearest of each cell is not
    small, grown = square_mask(line, 384)
    assert grown
    assert small.sum() == 1
    whole, grown = square_mask(np.ones((480, 640), bool), 384)
    assert whole.all()
    assert not grown
    assert not box_mask((700, 10, 900, 40), 480, 640).any()  # outside the image
    assert box_mask((-9, -3, 200, 12), 60, 80).sum() == 80 * 12


def test_a_depth_picture_of_holes_and_of_one_depth() -> None:
    depth = np.full((6, 8), 2.0, np.float32)
    assert (depth_picture(depth, 12, 16) == 0).all()
    depth[:, :4] = 4.0
    depth[2, 3] = np.nan
    picture = depth_picture(depth, 6, 8)
    assert picture[2, 3, 0] == picture[2, 2, 0] == 255
    assert picture[0, 7, 0] == 0
    with pytest.raises(ValueError, match="no finite depth"):
        depth_picture(np.full((4, 4), np.nan), 4, 4)


def test_prompts_that_cannot_be_filled_are_refused(model: SpatialRgpt) -> None:
    with torch.inference_mode():
        seen = model.see(_picture())
        with pytest.raises(BadRequestError, match="names 1 regions by <mask> but 0"):
            model.prompt_embeds([1, IMAGE_ID, model.mask_id], seen)
        with pytest.raises(BadRequestError, match="2 images"):
            model.prompt_embeds([1, IMAGE_ID, IMAGE_ID], seen)
        with pytest.raises(BadRequestError, match="ask a shorter question"):
            model.prompt_embeds([1, IMAGE_ID, *[2] * 4096], seen)
        embeds = model.prompt_embeds([1, IMAGE_ID, 2], seen)
    assert embeds.shape == (1, 2 + seen.tokens.shape[1], HIDDEN)
