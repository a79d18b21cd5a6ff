# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo find``, and grounding chosen for the other commands."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from scripted_detector import BoxSegmenter, ScriptedDetector

from spatialgeo_ros import cli
from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.grounding import choice, factory
from spatialgeo_ros.grounding.choice import choose_grounding
from spatialgeo_ros.models.grounding_profile import load_grounding_profile
from spatialgeo_ros.networks.tower_engines import BackendReport

LEFT, RIGHT = (40.0, 80.0, 119.0, 159.0), (200.0, 80.0, 279.0, 159.0)


@pytest.fixture
def image(tmp_path: Path) -> str:
    """A red and a blue box before a wall."""
    picture = np.full((240, 320, 3), 120, np.uint8)
    picture[80:160, 40:120] = (30, 40, 200)  # BGR
    picture[80:160, 200:280] = (200, 60, 30)
    depth = np.full((240, 320), 4000, np.uint16)
    depth[80:160, 40:120], depth[80:160, 200:280] = 1500, 2500
    cv2.imwrite(str(tmp_path / "depth.png"), depth)
    cv2.imwrite(str(tmp_path / "colour.png"), picture)
    return str(tmp_path / "colour.png")


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands for every detector that is loaded; what was asked for comes first."""
    asked: list[Any] = []
    script = {
        "chair": [(LEFT, 0.7), (RIGHT, 0.6)],
        "red chair": [(LEFT, 0.8)],
        "green chair": [(RIGHT, 0.5)],
    }

    def load(name: str, device: str, engines: Any) -> Any:
        asked.append((name, device))
        asked.append(ScriptedDetector(script))
        segmenter = BoxSegmenter() if name == "llmdet_base" else None
        backends = BackendReport({}, {}, ())
        return SimpleNamespace(detector=asked[-1], segmenter=segmenter, backends=backends)

    monkeypatch.setattr(factory, "load_grounding", load)
    return asked


def test_find_prints_what_is_there_and_fails_where_something_is_not(image, loaded, capsys):
    status = cli.main(["find", image, "the red chair", "door", "--grounding", "owl"])
    lines = capsys.readouterr().out.splitlines()
    assert status == 1
    assert lines[0] == "the red chair: box 40,80,119,159 score 0.80"
    assert lines[1] == "'door' is not in view; in view: red chair, chair"
    assert loaded[0] == ("owl", "auto") and len(loaded[1].asked) == 1
    assert cli.main(["find", image, "chair", "--grounding", "owl"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_find_says_what_speaks_against_a_find(image, loaded, capsys):
    status = cli.main(["find", image, "green chair", "--grounding", "owl", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert status == 1
    (answer,) = report["phrases"]
    assert answer["absent"] == "" and report["grounding"]["kind"] == "scripted"
    (found,) = answer["instances"]
    assert found["doubt"] == "what was taken for 'green chair' does not look green"
    assert found["found_by"] == "detector" and found["mask_pixels"] is None


def test_the_picture_of_find_shows_masks_and_scores(image, loaded, capsys, tmp_path):
    plain, masked = tmp_path / "plain.png", tmp_path / "masked.png"
    common = ["find", image, "red chair"]
    assert cli.main([*common, "--grounding", "owl", "--overlay", str(plain)]) == 0
    assert cli.main([*common, "--grounding", "llmdet_base", "--overlay", str(masked)]) == 0
    capsys.readouterr()
    source, box, mask = (cv2.imread(str(path)).astype(int) for path in (image, plain, masked))
    inside = np.s_[90:150, 50:110]
    assert np.abs(box[inside] - source[inside]).mean() < 1.0, "a box leaves its inside as it is"
    assert np.abs(mask[inside] - source[inside]).mean() > 5.0, "a mask is tinted"
    assert np.abs(box - source)[55:79].max() > 50, "its name and score stand above it"


def test_relations_are_found_with_depth(image, loaded, capsys):
    depth = str(Path(image).with_name("depth.png"))
    geometry = ["--depth", depth, "--camera-info", "300,300,159.5,119.5"]
    status = cli.main(["find", image, "nearest chair", "--grounding", "owl", *geometry])
    assert status == 0 and "40,80,119,159" in capsys.readouterr().out
    assert cli.main(["find", image, "nearest chair", "--grounding", "owl"]) == 1
    assert "camera_info" in capsys.readouterr().err


def test_measure_and_ask_use_the_detector(image, loaded, capsys):
    depth = str(Path(image).with_name("depth.png"))
    common = ["--image", image, "--depth", depth, "--camera-info", "300,300,159.5,119.5"]
    status = cli.main(["measure", *common, "--from", "red chair", "--grounding", "owl", "--json"])
    (distance,) = json.loads(capsys.readouterr().out)["distances"]
    assert status == 0 and distance["distance_m"] == pytest.approx(1.5, abs=0.05)
    question = "How far is the red chair?"
    assert cli.main(["ask", question, *common, "--profile", "none", "--grounding", "owl"]) == 0
    assert "The red chair is 1.5" in capsys.readouterr().out


def test_without_weights_the_command_that_fetches_them_is_said(image, capsys, monkeypatch):
    monkeypatch.setattr(choice, "_present", lambda name: False)
    depth = str(Path(image).with_name("depth.png"))
    common = ["--image", image, "--depth", depth, "--camera-info", "300,300,159.5,119.5"]
    assert cli.main(["measure", *common, "--from", "red chair"]) == 1
    assert "`spatialgeo models download" in capsys.readouterr().err


# What is chosen


@pytest.mark.parametrize(
    ("asked", "profile", "device", "here", "wanted"),
    [
        ("profile", "none", "cpu", ("owlvit_base", "llmdet_base"), "owlvit_base"),
        ("profile", "none", "cuda", ("owlvit_base", "llmdet_base"), "llmdet_base"),
        ("profile", "none", "cuda", ("llmdet_base_sam2", "llmdet_base"), "llmdet_base_sam2"),
        ("profile", "none", "cuda:1", ("owlvit_base",), "owlvit_base"),
        ("profile", "moge2_s", "cpu", ("owlvit_base",), "owlvit_base"),
        ("profile", "none", "cpu", (), ""),
        ("none", "none", "cpu", ("owlvit_base",), ""),
        ("clip_patches", "nano", "cpu", ("owlvit_base",), ""),
        ("owl", "nano", "cpu", (), "owl"),
    ],
)
def test_what_looks_for_words_is_chosen_by_name_profile_and_machine(
    asked, profile, device, here, wanted, monkeypatch
):
    monkeypatch.setattr(choice, "_present", lambda name: name in here)
    made = choose_grounding(asked, profile, device)
    assert made.name == wanted and not made.familiar_only
    nothing = asked == "profile" and not here
    assert ("models download owlvit_base" in made.missing) == nothing
    assert made.use_clip == (asked != "none")


@pytest.mark.parametrize("names", [choice.ON_CPU, choice.ON_GPU])
def test_what_is_chosen_by_itself_is_there_and_free(names):
    for name in names:
        profile = load_grounding_profile(name)
        assert not profile.licence_must_be_accepted and not profile.world


def test_the_demos_profile_never_takes_a_detector_of_any_words_by_itself(monkeypatch):
    monkeypatch.setattr(choice, "_present", lambda name: True)
    made = choose_grounding("profile", "nano", "cpu")
    assert made.name not in (*choice.ON_CPU, *choice.ON_GPU) and not made.missing
    assert made.familiar_only, "it would name things on any image"
    with pytest.raises(ModelLoadError, match="use it with the profile nano"):
        choose_grounding(made.name, "none", "cpu")


def test_a_detector_of_a_small_world_runs_with_that_worlds_profile_alone(tmp_path):
    profile = tmp_path / "rooms.yaml"
    profile.write_text("name: rooms\nworld: nano\ndetector: {kind: owl}\n")
    assert choose_grounding(str(profile), "nano").familiar_only
    with pytest.raises(ModelLoadError, match="world of the profile 'nano' alone"):
        choose_grounding(str(profile), "none")


def test_a_detector_of_a_small_world_runs_with_a_users_own_copy_of_its_profile(tmp_path) -> None:
    """The copy is of that world too, unless it cannot tell its images from others."""
    from spatialgeo_ros.models.profile_source import read_profile

    shipped, _ = read_profile("nano")
    text = shipped.read_text()
    own = tmp_path / "mine.yaml"
    own.write_text(text)
    made = choose_grounding("nano_owl", str(own), "cpu")
    assert made.familiar_only
    start, end = text.index("domain:"), text.index("engines:")
    own.write_text(text[:start] + text[end:])
    with pytest.raises(ModelLoadError, match="use it with the profile nano"):
        choose_grounding("nano_owl", str(own), "cpu")
