# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialGeo's image preprocessing against the reference's pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from spatialgeo_ros.models.clip import CLIP_MEAN, CLIP_STD
from spatialgeo_ros.models.letterbox import pad_to_square, spatialgeo_pixels


def test_official_preprocessing(golden: Path) -> None:
    data = torch.load(golden / "spatialgeo_preproc.pt", weights_only=True)
    assert (list(CLIP_MEAN), list(CLIP_STD)) == (data["mean"], data["std"])
    triples = zip(data["images"], data["squared"], data["pixel_values_fp16"], strict=True)
    for image, squared, pixels in triples:
        np.testing.assert_array_equal(pad_to_square(image.numpy()), squared.numpy())
        ours = spatialgeo_pixels(image.numpy(), pixels.shape[-1])
        torch.testing.assert_close(ours, pixels.float(), rtol=0, atol=2e-3)
