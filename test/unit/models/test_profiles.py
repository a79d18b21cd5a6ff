# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Model profiles as files: what is shipped, and mistakes that name the file and the key."""

from __future__ import annotations

import contextlib
import copy
import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.sources import Checkpoint, HubFile
from spatialgeo_ros.models.profiles import (
    GeometryPart,
    LlavaPart,
    Profile,
    QwenPart,
    list_profiles,
    load_profile,
)
from spatialgeo_ros.speech.prompts import template

SHIPPED = Path(__file__).resolve().parents[3] / "config" / "models"
DOCS = SHIPPED.parents[1] / "docs" / "models"
NAMES = sorted(path.stem for path in SHIPPED.glob("*.yaml"))
COMMIT = re.compile(r"[0-9a-f]{40}")


@pytest.fixture(scope="module")
def profiles() -> dict[str, Profile]:
    return {name: load_profile(name) for name in NAMES}


def sources(profile: Profile) -> list[HubFile | Checkpoint]:
    files: list[HubFile | Checkpoint] = [file.hub for file in profile.files if file.hub]
    return files + list(profile.checkpoints)


def test_every_profile_is_listed_under_its_own_name(profiles: dict[str, Profile]) -> None:
    assert list_profiles() == NAMES
    assert [profile.name for profile in profiles.values()] == NAMES
    asked_for = {"nano", "moge2_s", "moge2_b", "moge2_l", "spatialgeo_7b", "llava_1_5_7b"}
    assert asked_for | {"spatial_mllm_3b"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_profile_says_what_a_user_needs_to_know(name: str, profiles: dict[str, Profile]) -> None:
    profile = profiles[name]
    assert profile.licence and profile.origin and "\n" not in profile.description
    assert profile.memory_precision in profile.memory
    assert bool(sources(profile)) == (profile.download > 0)
    language = profile.language
    if isinstance(language, LlavaPart):
        assert template(language.prompt).name == language.prompt
        assert "nf4" in profile.memory and profile.image.mode == "square"
    if profile.geometry is not None:
        assert 0 < profile.geometry.relative_sigma < 0.5


@pytest.mark.parametrize("name", NAMES)
def test_what_is_pinned_is_a_commit_and_the_file_says_what_is_not(
    name: str, profiles: dict[str, Profile]
) -> None:
    text = (SHIPPED / f"{name}.yaml").read_text()
    for source in sources(profiles[name]):
        if not COMMIT.fullmatch(source.revision):
            assert source.revision == "main" and "lock file" in text
    for file in profiles[name].files:
        assert len(file.sha256) == 64  # every single file of weights has a public hash


@pytest.mark.parametrize("name", NAMES)
def test_what_a_download_must_bring_has_the_tokenizer_and_configuration(
    name: str, profiles: dict[str, Profile]
) -> None:
    for checkpoint in profiles[name].checkpoints:
        names = {*checkpoint.patterns}
        assert names & {"config.json"}
        assert any("model" in pattern or pattern.endswith(".safetensors") for pattern in names)


@pytest.mark.parametrize("name", NAMES)
def test_profile_has_a_page_and_the_index_has_its_numbers(
    name: str, profiles: dict[str, Profile]
) -> None:
    rows = (DOCS / "README.md").read_text().splitlines()
    (row,) = [line for line in rows if line.startswith(f"| [`{name}`](")]
    page = re.search(r"\((\w+\.md)\)", row)
    assert page is not None and f"`{name}`" in (DOCS / page[1]).read_text()
    memory = profiles[name].memory[profiles[name].memory_precision]
    stated = re.search(r"([\d.]+)(?: / [\d.]+)? GiB", row)
    assert stated is not None and float(stated[1]) == pytest.approx(memory, rel=0.04)


def test_shared_heads_are_in_the_tower(profiles: dict[str, Profile]) -> None:
    profile = profiles["spatialgeo_7b"]
    assert isinstance(profile.geometry, GeometryPart) and isinstance(profile.language, LlavaPart)
    assert profile.geometry.shared and profile.geometry.weights is None
    assert profile.language.tower is not None
    tower, alone = profile.language.tower, profiles["moge_l"].files[0]
    assert (tower.sha256, tower.hub) == (alone.sha256, alone.hub)  # one download serves both
    assert profile.files == (tower,) and len(profile.checkpoints) == 3


def test_native_input_has_no_size(profiles: dict[str, Profile]) -> None:
    image = profiles["moge2_s"].image
    assert (image.mode, image.width, image.height, image.grid, image.patches) == (
        "native", 0, 0, (0, 0), 0
    )  # fmt: skip
    assert isinstance(profiles["spatial_mllm_3b"].language, QwenPart)


LLAVA: dict[str, Any] = yaml.safe_load((SHIPPED / "spatialgeo_7b.yaml").read_text())
MLLM: dict[str, Any] = yaml.safe_load((SHIPPED / "spatial_mllm_3b.yaml").read_text())


def changed(content: dict[str, Any], keys: str, value: Any) -> dict[str, Any]:
    """Copy with one key set, or deleted where the value is None."""
    copied = copy.deepcopy(content)
    *path, last = keys.split(".")
    section = copied
    for key in path:
        section = section.setdefault(key, {})
    section[last] = value
    if value is None:
        del section[last]
    return copied


@pytest.mark.parametrize(
    ("content", "key", "value", "message"),
    [
        (LLAVA, "image.mode", "wide", "'image.mode' must be one of letterbox, native, square"),
        (LLAVA, "image.height", 322, "square must be as high as it is wide"),
        (LLAVA, "image.patch", 15, "multiple of 15"),
        (LLAVA, "geometry.kind", "vggt", "'geometry.kind' must be one of moge1, moge2"),
        (LLAVA, "geometry.shared", "yes", "'geometry.shared' must be a bool"),
        (LLAVA, "geometry.weights", "x.pt", "'geometry.weights' is not a known setting"),
        (LLAVA, "geometry.num_tokens", 0, "'geometry.num_tokens' must be positive"),
        (LLAVA, "language.tower", None, "'language.tower_sha256' is not a known setting"),
        (LLAVA, "language.kind", "gpt", "'language.kind' must be one of nano, llava"),
        (LLAVA, "language.base", None, "'language.base' is missing"),
        (LLAVA, "language.base.repo", "llava", "'language.base.repo' must be owner/name"),
        (LLAVA, "language.base.revision", "../x", "'language.base.revision' must be a commit"),
        (LLAVA, "language.base.revision", None, "'language.base.revision' is missing"),
        (LLAVA, "language.base.files", [], "'language.base.files' must name at least one"),
        (LLAVA, "language.base.files", [1], "'language.base.files' must be a list of words"),
        (LLAVA, "language.base.path", "folder", "'language.base.*' is not a known setting"),
        (LLAVA, "language.clip.sha256.config.json", "abc", "64 hexadecimal digits"),
        (LLAVA, "language.tower.file", "../model.pt", "'language.tower.file' must be a path in"),
        (LLAVA, "language.tower.size", 3, "'language.tower.size' is not a known setting"),
        (LLAVA, "language.tower_sha256", "1234", "'language.tower_sha256' must be 64 hex"),
        (LLAVA, "language.temperature", 3.0, "'language.temperature' must be from 0 to 2"),
        (LLAVA, "language.quantisation", "int3", "'language.quantisation' must be one of none"),
        (MLLM, "language.top_p", 1.5, "'language.top_p' must be from 0 to 1"),
        (MLLM, "language.frames", 0, "'language.frames' must be positive"),
        (MLLM, "language.checkpoint", None, "'language.checkpoint' is missing"),
        (MLLM, "memory.int4", 3.0, "'memory.int4' is not a known setting"),
        (MLLM, "memory.nf4", -1.0, "'memory.nf4' must be positive"),
        (
            MLLM,
            "geometry",
            {"kind": "moge1", "shared": True, "relative_sigma": 0.1},
            "needs a lang",
        ),
    ],
)
def test_mistakes_name_file_and_key(
    tmp_path: Path, content: dict[str, Any], key: str, value: Any, message: str
) -> None:
    if "config.json" in key:  # a key with a dot in it
        content = copy.deepcopy(content)
        content["language"]["clip"]["sha256"]["config.json"] = value
    else:
        content = changed(content, key, value)
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ModelLoadError, match=message) as caught:
        load_profile(path)
    assert str(path) in str(caught.value)


def test_local_folders_and_files_stand_in_for_downloads(tmp_path: Path) -> None:
    content = copy.deepcopy(LLAVA)
    for key in ("base", "adapter", "clip"):
        folder = tmp_path / key
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        content["language"][key] = {"path": key, "files": ["config.json"]}
    (tmp_path / "moge.pt").write_bytes(b"weights")
    content["language"].update(tower="moge.pt", tower_sha256="")
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content))
    profile = load_profile(path)
    assert [checkpoint.folder() for checkpoint in profile.checkpoints] == [
        tmp_path / key for key in ("base", "adapter", "clip")
    ]
    assert profile.files[0].checked() == tmp_path / "moge.pt"
    before = profile.fingerprint()
    (tmp_path / "moge.pt").write_bytes(b"other weights")
    assert profile.fingerprint() != before
    before = profile.fingerprint()
    (tmp_path / "adapter" / "config.json").write_text("[]")
    assert profile.fingerprint() != before
    (tmp_path / "clip" / "config.json").unlink()
    with pytest.raises(ModelLoadError, match=r"clip lacks config\.json.*correct its path"):
        profile.checkpoints[2].folder()


ODD = (
    None, True, -1, 0, 1e308, float("inf"), float("nan"), "", "x" * 50, [], {}, {"a": 1}, [[]],
    "1e5", 10**30, b"\xff", {1: 2}, {None: 3}, "../../etc", "~nobody-of-that-name/x",
    datetime.date(2020, 1, 1),
)  # fmt: skip


@pytest.mark.parametrize("name", ["nano", "spatialgeo_7b", "spatial_mllm_3b"])
def test_any_value_in_any_place_is_read_or_named(tmp_path: Path, name: str) -> None:
    """One value of a shipped profile at a time is replaced by every other kind of value."""
    original = yaml.safe_load((SHIPPED / f"{name}.yaml").read_text())
    path = tmp_path / "odd.yaml"
    places = list(_places(original))
    for k, place in enumerate(places):
        for value in ODD[k % 7 :: 7]:
            content = copy.deepcopy(original)
            inner = content
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            path.write_text(yaml.safe_dump(content))
            with contextlib.suppress(ModelLoadError):
                load_profile(path)


def _places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield (*place, key)
            yield from _places(value[key], (*place, key))
