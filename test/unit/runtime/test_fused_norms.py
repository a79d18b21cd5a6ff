# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Norms of language models as PyTorch's: the same numbers, the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from language_models import WORDS, tiny_llama, tiny_qwen
from torch import nn

from spatialgeo_ros.runtime.fused_norms import fuse_norms


@pytest.mark.parametrize("make", [tiny_llama, tiny_qwen])
def test_fused_norms_compute_the_same_with_the_same_weights(make: Any) -> None:
    model = make()
    norms = {n: m for n, m in model.named_modules() if type(m).__name__.endswith("RMSNorm")}
    with torch.no_grad():
        for norm in norms.values():
            norm.weight.uniform_(0.5, 1.5)
    words = torch.arange(20)[None] * 7 % WORDS
    keys, before = list(model.state_dict()), model(input_ids=words).logits
    assert fuse_norms(model) == len(norms) > 4
    assert all(isinstance(model.get_submodule(name), nn.RMSNorm) for name in norms)
    assert all(model.get_submodule(name).weight is norm.weight for name, norm in norms.items())
    assert list(model.state_dict()) == keys and fuse_norms(model) == 0
    after = model(input_ids=words).logits
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)
