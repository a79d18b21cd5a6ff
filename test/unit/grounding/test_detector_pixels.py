# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Pixels of detectors: equal to the library's processors, for images of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from checkpoints.grounding import bert_tokenizer, dino_pixels, owl_pixels

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.grounding.pixels import (
    PixelRules,
    aspect_size,
    dino_rules,
    owl_rules,
    prepare,
)
from spatialgeo_ros.models.grounding_profile import DetectorImage

#: Rows and columns: wide, high, odd, a line, larger and smaller than any input, square.
SIZES = [(67, 101), (101, 67), (480, 640), (333, 1000), (7, 5), (1, 9), (64, 64), (96, 131)]


def picture(height: int, width: int) -> np.ndarray:
    """Noise on a slope: edges everywhere, and values at both ends of the range."""
    noise = np.random.default_rng(height * width).integers(0, 256, (height, width, 3))
    slope = np.linspace(0, 255, width)[None, :, None]
    return np.clip(0.5 * noise + 0.7 * slope, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("size", SIZES)
def test_pixels_of_grounding_dino_are_the_library_s(size: tuple[int, int], tmp_path: Path) -> None:
    image = picture(*size)
    wanted = dino_pixels()(images=image, return_tensors="pt", input_data_format="channels_last")
    dino_pixels().save_pretrained(tmp_path)
    got = prepare(image, dino_rules(tmp_path, DetectorImage()))
    assert got.pixel_values.shape == wanted["pixel_values"].shape
    torch.testing.assert_close(got.pixel_values, wanted["pixel_values"], rtol=0, atol=2e-6)
    assert torch.equal(got.pixel_mask, wanted["pixel_mask"])


@pytest.mark.parametrize("kind", ["owlvit", "owlv2"])
@pytest.mark.parametrize("size", SIZES)
def test_pixels_of_owl_are_the_library_s(kind: str, size: tuple[int, int], tmp_path: Path) -> None:
    image = picture(*size)
    wanted = owl_pixels(kind, 64)(
        images=image, return_tensors="pt", input_data_format="channels_last"
    )
    got = prepare(image, owl_rules(tmp_path, DetectorImage(), 64, kind == "owlv2"))
    # OWL-ViT: the same bytes. OWLv2: the library filters in double precision.
    tolerance = 2e-6 if kind == "owlvit" else 2e-5
    torch.testing.assert_close(
        got.pixel_values, wanted["pixel_values"].float(), rtol=0, atol=tolerance
    )
    if kind == "owlv2":
        assert got.extent == (max(size), max(size))
    else:
        assert got.extent == (size[1], size[0])


@pytest.mark.parametrize("size", [(67, 101), (101, 67), (480, 640), (30, 300)])
def test_a_fixed_input_is_the_library_s_padded(size: tuple[int, int]) -> None:
    image = picture(*size)
    rules = PixelRules("fixed", rows=96, columns=128)
    rows, columns = rules.scaled_size(*size)
    assert rows == 96 or columns == 128
    wanted = dino_pixels()(
        images=image, return_tensors="pt", input_data_format="channels_last",
        size={"height": rows, "width": columns}, pad_size={"height": 96, "width": 128},
    )  # fmt: skip
    got = prepare(image, rules)
    torch.testing.assert_close(got.pixel_values, wanted["pixel_values"], rtol=0, atol=2e-6)
    assert torch.equal(got.pixel_mask, wanted["pixel_mask"])
    assert got.pixel_mask.shape == (1, 96, 128)


def test_sizes_round_as_the_library_s_do() -> None:
    from transformers.image_transforms import get_size_with_aspect_ratio

    generator = np.random.default_rng(1)
    for height, width in generator.integers(1, 3000, (500, 2)).tolist():
        for short, long in ((800, 1333), (480, 640), (96, 160)):
            wanted = get_size_with_aspect_ratio((height, width), short, long)
            assert aspect_size(height, width, short, long) == wanted, (height, width)


def test_the_input_of_one_camera_is_fixed_for_its_images() -> None:
    rules = PixelRules("aspect", short_side=800, long_side=1333)
    fixed = rules.fixed_for(480, 640)
    assert (fixed.fit, fixed.rows, fixed.columns) == ("fixed", 800, 1066)
    assert fixed.scaled_size(480, 640) == (800, 1066)  # no padding for these images
    assert fixed.input_size(640, 480) == (800, 1066)


def test_the_profile_s_size_comes_before_the_checkpoint_s(tmp_path: Path) -> None:
    dino_pixels().save_pretrained(tmp_path)
    assert dino_rules(tmp_path, DetectorImage()).short_side == 96
    rules = dino_rules(tmp_path, DetectorImage(short_side=480, long_side=640))
    assert rules.input_size(480, 640) == (480, 640)
    assert dino_rules(tmp_path, DetectorImage(rows=32, columns=64)).fit == "fixed"


def test_a_checkpoint_says_its_colours(tmp_path: Path) -> None:
    file = tmp_path / "preprocessor_config.json"  # the older layout
    file.write_text('{"image_mean": [0.5, 0.5, 0.5], "image_std": [1, 1, 1], "resample": 0}')
    rules = dino_rules(tmp_path, DetectorImage())
    assert (rules.mean, rules.std, rules.resample) == ((0.5,) * 3, (1.0,) * 3, 0)
    assert rules.short_side == 800


@pytest.mark.parametrize(
    "content",
    ['{"image_mean": [1, 2]}', '{"image_std": [0, 1, 1]}', '{"image_mean": 3}', "[]",
     '{"resample": 77}', "{"],
)  # fmt: skip
def test_a_damaged_processor_file_is_an_error_that_says_so(content: str, tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(content)
    with pytest.raises(ModelLoadError):
        dino_rules(tmp_path, DetectorImage())


@pytest.mark.parametrize(
    "image", [DetectorImage(rows=32, columns=64), DetectorImage(short_side=8, long_side=9)]
)
def test_an_owl_s_input_must_be_a_square(image: DetectorImage, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="square"):
        owl_rules(tmp_path, image, 64, False)


def test_nothing_here_needs_torchvision() -> None:
    processor: Any = dino_pixels()
    assert processor.backend == "pil"
    assert bert_tokenizer().convert_tokens_to_ids(["[CLS]", "[SEP]", ".", "?"]) == [
        101, 102, 1012, 1029,
    ]  # fmt: skip
