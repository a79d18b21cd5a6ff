# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Grounding profiles: what is shipped, mistakes that name file and key, and their download."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from checkpoints.grounding import write_owl
from fake_hub import FakeHub, fake_hub
from huggingface_hub import constants

from spatialgeo_ros import cli
from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.grounding.factory import DETECTORS, SEGMENTERS, load_grounding
from spatialgeo_ros.models.grounding_profile import (
    DETECTOR_KINDS,
    SEGMENTER_KINDS,
    load_grounding_profile,
    weights_present,
)
from spatialgeo_ros.models.profile_source import (
    DEFAULT_OF_KIND,
    NOTHING_TO_LOAD,
    is_grounding,
    list_grounding_profiles,
    list_profiles,
)
from spatialgeo_ros.models.profiles import load_profile

REPOSITORY = Path(__file__).resolve().parents[3]
SHIPPED = REPOSITORY / "config" / "grounding"
NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
PAGE = (REPOSITORY / "docs" / "grounding.md").read_text()
OWL: dict[str, Any] = {
    "name": "mine",
    "description": "for tests",
    "licence": "Apache-2.0",
    "origin": "here",
    "detector": {
        "kind": "owl",
        "checkpoint": {
            "repo": "someone/owl",
            "revision": "main",
            "files": ["config.json", "model.safetensors", "tokenizer_config.json"],
            "optional": ["processor_config.json", "tokenizer.json"],
        },
        "threshold": 0.01,
    },
}


def write(folder: Path, **changes: Any) -> Path:
    path = folder / "mine.yaml"
    detector = {**OWL["detector"], **changes.pop("detector", {})}
    path.write_text(yaml.safe_dump({**OWL, "detector": detector, **changes}))
    return path


def test_every_profile_is_listed_under_its_own_name() -> None:
    assert list_grounding_profiles() == NAMES
    assert [load_grounding_profile(name).name for name in NAMES] == NAMES
    assert {"llmdet_tiny", "llmdet_base", "llmdet_large", "grounding_dino_tiny"} <= set(NAMES)
    assert {"owlvit_base", "owlv2_base", "owlv2_large"} <= set(NAMES)


def test_a_name_means_one_thing() -> None:
    names = [*list_profiles(), *NAMES, *DEFAULT_OF_KIND, *NOTHING_TO_LOAD]
    # A kind may be called as its one profile is.
    doubled = {n for n in names if names.count(n) > 1}
    assert all(DEFAULT_OF_KIND.get(name) == name for name in doubled)


def test_every_kind_has_a_default_a_reader_and_a_loader() -> None:
    assert set(DETECTOR_KINDS) == set(DETECTORS)
    assert set(SEGMENTER_KINDS) == set(SEGMENTERS)
    for kind, name in DEFAULT_OF_KIND.items():
        assert load_grounding_profile(kind).name == name
        assert load_grounding_profile(name).detector.kind == kind
    assert {load_grounding_profile(name).detector.kind for name in NAMES} <= set(DEFAULT_OF_KIND)


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_says_what_a_user_needs_to_know(name: str) -> None:
    profile = load_grounding_profile(name)
    text = (SHIPPED / f"{name}.yaml").read_text()
    assert profile.licence and profile.origin and "\n" not in profile.description
    assert f"`{name}`" in PAGE and profile.licence in PAGE
    assert (profile.download > 0) == any(c.hub_repo for c in profile.checkpoints)
    if profile.checkpoints:
        assert profile.detector.precision in profile.memory
    for checkpoint in profile.checkpoints:
        if checkpoint.hub_repo and not re.fullmatch(r"[0-9a-f]{40}", checkpoint.revision):
            assert checkpoint.revision == "main"
            assert "no commit could be pinned" in " ".join(text.replace("#", " ").split())
    if (own := profile.detector.checkpoint) is not None:
        assert {"config.json", "tokenizer_config.json"} <= set(own.patterns)
    # Where a threshold comes from stands beside it.
    assert "threshold:" not in text or re.search(r"threshold: [\d.]+ # \w+", text)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"detector": {"kind": "yolo"}}, "'detector.kind' must be one of"),
        ({"detector": {"checkpoint": None}}, "'detector.checkpoint' is missing"),
        ({"detector": {"threshold": 1.5}}, "'detector.threshold' must be from 0 to 1"),
        ({"detector": {"nms": -0.1}}, "'detector.nms' must be from 0 to 1"),
        ({"detector": {"precision": "int8"}}, "'detector.precision' must be one of"),
        ({"detector": {"image": {"rows": 5}}}, "rows and columns"),
        ({"detector": {"image": {"rows": 5, "columns": 5, "short_side": 3}}}, "rows and columns"),
        ({"detector": {"image": {"short_side": 9, "long_side": 8}}}, "at most its long_side"),
        ({"detector": {"image": {"rows": 0, "columns": 5}}}, "must be positive"),
        ({"detector": {"template": "a photo"}}, "'detector.template' must have one"),
        ({"detector": {"template": "{} {}"}}, "'detector.template' must have one"),
        ({"detector": {"template": "{} {0}"}}, "'detector.template' must have one"),
        ({"detector": {"mirror": "yes"}}, "'detector.mirror' must be a bool"),
        ({"detector": {"rival_margin": 0.9}}, "'detector.rival_margin' must be from 1 to 100"),
        ({"detector": {"synonyms": {"sofa": "couch"}}}, "'detector.synonyms.sofa' must be a list"),
        ({"detector": {"text_tokens": 5}}, "'detector.text_tokens' is not a known setting"),
        ({"detector": {"kind": "grounding_dino", "precision": "bfloat16"}}, "float32 or float16"),
        ({"detector": {"kind": "grounding_dino", "text_tokens": 0}}, "must be positive"),
        ({"detector": 3}, "'detector' must be a mapping"),
        ({"segmenter": {"kind": "scissors"}}, "'segmenter.kind' must be one of"),
        ({"segmenter": "depth"}, "'segmenter' must be a mapping"),
        ({"licence_must_be_accepted": "yes"}, "'licence_must_be_accepted' must be a bool"),
        ({"memory": {"nf4": 1.0}}, "'memory.nf4' is not a known setting"),
        ({"licence": None}, "'licence' is missing"),
        ({"threshold": 0.3}, "'threshold' is not a known setting"),
    ],
)
def test_mistakes_name_file_and_key(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    if not isinstance(changes.get("detector", {}), dict):
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({**OWL, **changes}))
    else:
        path = write(tmp_path, **changes)
    with pytest.raises(ModelLoadError) as raised:
        load_grounding_profile(path)
    assert str(path) in str(raised.value) and words in str(raised.value)


def test_a_profile_without_a_detector_is_none(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({k: v for k, v in OWL.items() if k != "detector"}))
    assert not is_grounding(path)
    with pytest.raises(ModelLoadError, match="'detector' is missing"):
        load_grounding_profile(path)


def test_unknown_names_are_told_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelLoadError, match=r"no grounding profile 'nano'.*llmdet_base.*kinds"):
        load_grounding_profile("nano")
    assert cli.main(["models", "info", "nosuch"]) == 1
    message = capsys.readouterr().err
    assert "nano" in message and "owlvit_base" in message


@pytest.mark.parametrize("name", ["owl", "llmdet_base", "clip_patches", "none", "mine.yaml"])
def test_a_model_profile_may_name_its_grounding(name: str, tmp_path: Path) -> None:
    content = yaml.safe_load((REPOSITORY / "config" / "models" / "moge2_s.yaml").read_text())
    path = tmp_path / "model.yaml"
    write(tmp_path)
    path.write_text(yaml.safe_dump({**content, "grounding": name}))
    wanted = str(tmp_path / name) if name == "mine.yaml" else name
    assert load_profile(path).grounding == wanted
    assert not is_grounding(path)


def test_a_model_profile_cannot_name_what_is_not_there(tmp_path: Path) -> None:
    content = yaml.safe_load((REPOSITORY / "config" / "models" / "moge2_s.yaml").read_text())
    path = tmp_path / "model.yaml"
    path.write_text(yaml.safe_dump({**content, "grounding": "llmdet"}))
    with pytest.raises(ModelLoadError, match=r"model\.yaml: 'grounding' must be one of .*owlv2"):
        load_profile(path)


def test_nano_s_own_grounding_is_another_thing() -> None:
    """``semantic.grounding`` is CLIP's vocabulary; the section of this name is a profile's."""
    profile = load_profile("nano")
    assert profile.semantic is not None and profile.semantic.grounding is not None
    assert profile.grounding in ("", *NAMES, *DEFAULT_OF_KIND, *NOTHING_TO_LOAD)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    monkeypatch.setenv("SPATIALGEO_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    weights = write_owl(tmp_path / "written")
    with fake_hub() as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        files = {path.name: path.read_bytes() for path in weights.iterdir()}
        running.add("someone/owl", {**files, "README.md": b"not wanted"})
        yield running


def test_from_download_to_boxes(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path)
    assert not weights_present(path)
    with pytest.raises(ModelLoadError, match=f"run: spatialgeo models download {path}"):
        load_grounding(path, "cpu")
    assert hub.requests == []  # loading never reaches for the network
    assert cli.main(["models", "download", str(path)]) == 0
    assert "licence of mine: Apache-2.0" in capsys.readouterr().out
    assert weights_present(path)
    assert cli.main(["models", "verify", str(path)]) == 0
    assert "ok" in capsys.readouterr().out
    assert cli.main(["models", "info", str(path)]) == 0
    assert "detector: owl" in capsys.readouterr().out
    grounding = load_grounding(path, "cpu")
    assert grounding is not None
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    (door,) = grounding.detector.ground(image, ["door"])
    assert not door.absent
    # Altered afterwards: the lock of the download has the hash.
    weights = tmp_path / "models" / "someone--owl" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"!")
    with pytest.raises(ModelLoadError, match=r"model\.safetensors is not the file"):
        load_grounding(path, "cpu")
    assert cli.main(["models", "verify", str(path)]) == 1


def test_a_licence_that_must_be_accepted_is_shown_and_asked_for(
    hub: FakeHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, licence="SAM License", licence_must_be_accepted=True)
    assert cli.main(["models", "download", str(path)]) == 1
    said = capsys.readouterr()
    assert "licence of mine: SAM License" in said.out
    assert f"models download {path} --accept-licence" in said.err and "here" in said.err
    assert hub.requests == [] and not weights_present(path)
    assert cli.main(["models", "download", str(path), "--accept-licence"]) == 0
    assert weights_present(path)


def test_the_list_has_both_sorts(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    heads = [line.split()[0] for line in lines if line]
    assert heads.index("PROFILE") < heads.index("nano") < heads.index("GROUNDING")
    assert heads.index("GROUNDING") < heads.index("owlvit_base")
    assert sum(line.strip().startswith("licence:") for line in lines) == len(
        [*list_profiles(), *NAMES]
    )
