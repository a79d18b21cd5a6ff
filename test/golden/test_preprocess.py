# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""SpatialGeo's image preprocessing against the reference's pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from spatialgeo_ros.models.preprocess import pad_to_square, spatialgeo_pixels


@pytest.mark.parametrize("index", [0, 1])
def test_official_preprocessing(golden: Path, index: int) -> None:
    data = torch.load(golden / "spatialgeo_preproc.pt", weights_only=True)
    image = data["images"][index].numpy()
    np.testing.assert_array_equal(pad_to_square(image), data["squared"][index].numpy())
    expected = data["pixel_values_fp16"][index].float()
    torch.testing.assert_close(spatialgeo_pixels(image), expected, rtol=0, atol=2e-3)
