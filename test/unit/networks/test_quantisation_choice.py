# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A quantisation that is asked for is there, or the answer is no: never silently something else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from checkpoints.profiles import write_profile

from spatialgeo_ros import cli
from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.memory.observation import Mount, View
from spatialgeo_ros.models.quantisation_choice import choose_quantisation
from spatialgeo_ros.models.quantise import packing
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.loader import load_networks
from spatialgeo_ros.perception import Perception


@pytest.mark.parametrize("quantisation", ["int8", "nf4"])
def test_nano_is_packed_as_asked(quantisation: str) -> None:
    """``int8`` was ignored without a word."""
    pytest.importorskip("bitsandbytes")
    plain, packed = load_networks("nano", "cpu"), load_networks("nano", "cpu", quantisation)
    assert plain.backend == "torch-cpu"
    assert packed.backend == f"torch-cpu-{quantisation}"
    assert packing(packed._speaker.modules()[0]) == quantisation  # type: ignore[union-attr]
    assert packed.describe()["model_bytes"] < 0.9 * plain.describe()["model_bytes"]


def test_nano_answers_in_8_bits() -> None:
    pytest.importorskip("bitsandbytes")
    camera = PinholeCamera(128, 96, 105.0, 105.0, 63.5, 47.5)
    image = np.random.default_rng(0).integers(0, 255, (96, 128, 3)).astype(np.uint8)
    mask = np.zeros((96, 128), bool)
    mask[30:60, 40:80] = True
    question = Question(
        "how far is the object <region> from the camera ?", [mask], "camera_distance"
    )
    answers = [
        load_networks("nano", "cpu", quantisation).answer(
            View(image, camera, Mount.from_pitch(0.9, 0.2)), question
        )
        for quantisation in ("none", "int8")
    ]
    assert all("meters" in answer for answer in answers)


@pytest.mark.parametrize("word", ["rubbish", "", "INT8", "fp8", "4bit"])
def test_any_other_word_is_refused_with_the_choices(word: str) -> None:
    for load in (
        lambda: Perception.load("none", quantisation=word),
        lambda: load_networks("nano", "cpu", word),
    ):
        with pytest.raises(ModelLoadError, match="must be one of profile, none, nf4, int8, not"):
            load()


@pytest.mark.parametrize("quantisation", ["nf4", "int8"])
def test_a_profile_without_a_language_model_has_nothing_to_quantise(
    tmp_path: Path, quantisation: str
) -> None:
    path = write_profile("moge2_s", tmp_path)
    words = f"no language model that could be loaded as {quantisation}: leave"
    with pytest.raises(ModelLoadError, match=words):
        load_networks(str(path), "cpu", quantisation)
    with pytest.raises(ModelLoadError, match="profile 'none' has no language model"):
        Perception.load("none", quantisation=quantisation)
    assert not load_networks(str(path), "cpu", "none").has_language
    assert Perception.load("none", quantisation="profile").networks is None


def test_the_command_says_it_in_one_line(tmp_path: Path, capsys) -> None:
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((8, 8, 3), np.uint8))
    arguments = ["measure", "--image", str(tmp_path / "image.png"), "--from", "1,1,4,4"]
    assert cli.main([*arguments, "--load-8bit"]) == 1
    said = capsys.readouterr().err.strip()
    assert said.startswith("spatialgeo: profile 'none' has no language model")
    assert len(said.splitlines()) == 1


def test_choices() -> None:
    assert choose_quantisation("profile", "p", "nf4") == "nf4"
    assert choose_quantisation("none", "p", "nf4") == "none"
    assert choose_quantisation("int8", "p", "none") == "int8"
    assert choose_quantisation("none", "p", None) == choose_quantisation("profile", "p", None)
    assert choose_quantisation("none", "p", None) == "none"


def test_choosing_imports_no_network_library() -> None:
    code = (
        "import sys; import spatialgeo_ros.models.quantisation_choice; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
