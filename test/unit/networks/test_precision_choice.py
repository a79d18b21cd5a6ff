# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which precision each network gets, by card, and what is refused before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from checkpoints.profiles import write_profile
from torch import nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.precision import has_bfloat16, language_dtype, tower_dtype
from spatialgeo_ros.models.precision_choice import PRECISIONS, choose_precision
from spatialgeo_ros.networks import loader
from spatialgeo_ros.networks.loader import load_networks
from spatialgeo_ros.networks.towers import FrameTowers
from spatialgeo_ros.perception import Perception

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
VOLTA, TURING, AMPERE, ORIN, HOPPER = (7, 0), (7, 5), (8, 0), (8, 7), (9, 0)


def card(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)


@pytest.mark.parametrize("capability", [VOLTA, TURING, AMPERE, ORIN, HOPPER])
def test_half_is_chosen_for_network_and_card(
    monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int]
) -> None:
    card(monkeypatch, capability)
    new = capability >= AMPERE
    assert has_bfloat16(GPU) == new
    assert tower_dtype("half", GPU) == torch.float16
    assert language_dtype("half", GPU) == (torch.bfloat16 if new else torch.float16)


def test_what_is_stated_is_taken(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    card(monkeypatch, TURING)
    for name in PRECISIONS[:-1]:
        assert tower_dtype(name, GPU) == language_dtype(name, GPU) == getattr(torch, name)
    (record,) = caplog.records
    assert "only emulates bfloat16" in record.getMessage()


def test_a_cpu_gains_nothing_from_halves() -> None:
    assert all(tower_dtype(name, CPU) == torch.float32 for name in PRECISIONS)
    found = [language_dtype(name, CPU) for name in PRECISIONS]
    assert found == [torch.float32, torch.bfloat16, torch.bfloat16, torch.bfloat16]


def test_unknown_words_and_impossible_wishes_are_refused() -> None:
    assert choose_precision("profile", "p", "half") == "half"
    assert choose_precision("float32", "p", "half") == "float32"
    assert choose_precision("float32", "nano", "float32", only_float32=True) == "float32"
    with pytest.raises(ModelLoadError, match="precision must be one of profile, float32"):
        choose_precision("fp16", "p", "half")
    with pytest.raises(ModelLoadError, match="do not run in half: leave the precision at profile"):
        choose_precision("half", "nano", "float32", only_float32=True)
    with pytest.raises(ModelLoadError, match="profile 'none' has no networks"):
        Perception.load("none", precision="float16")
    with pytest.raises(ModelLoadError, match="'nano' share tensors in float32"):
        load_networks("nano", "cpu", precision="float16")


def test_engines_are_made_of_float32_weights_and_pytorch_then_runs_the_rest_in_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU: else an engine that was built ahead on another machine would not be found."""
    profile = write_profile("moge2_s", tmp_path)
    seen: list[torch.dtype] = []

    def dtypes(towers: tuple[FrameTowers, ...]) -> list[torch.dtype]:
        modules: list[nn.Module] = [module for one in towers for module in one.modules()]
        return [next(module.parameters()).dtype for module in modules]

    original = loader.compile_towers

    def compiled(profile: object, towers: tuple[FrameTowers, ...], *rest: object) -> object:
        seen.extend(dtypes(towers))
        return original(profile, towers, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loader, "compile_towers", compiled)
    monkeypatch.setattr(loader, "tower_dtype", lambda asked, device: tower_dtype(asked, GPU))
    networks = load_networks(str(profile), "cpu", precision="half")
    assert seen == [torch.float32]
    assert dtypes(networks._every) == [torch.float16]
    exact = load_networks(str(profile), "cpu", precision="float32")
    assert dtypes(exact._every) == [torch.float32]
