# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of a decoding step runs, tiny, so that it does not end of a typo on a GPU."""

from __future__ import annotations

import pytest
import torch

from bench import decode_step


def test_every_part_runs(capsys: pytest.CaptureFixture[str]) -> None:
    model = decode_step.build(True, "none", torch.device("cpu"))
    decode_step.step(model, "none", decode_step.MODES, tiny=True)
    said = capsys.readouterr().out
    for mode in ("direct", "eager", "dynamic"):
        assert f"| {mode} | " in said
    for name in decode_step.variants(model):
        assert f"| {name} | " in said
    equal = [line for line in said.splitlines() if "8 of 8" in line]
    assert len(equal) >= 3  # cuDNN alone is not for a CPU
    assert "Kernels of a token" in said and "Kernels of a question" in said
