# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo ask`` on images and clips, with tiny checkpoints of the shipped profiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from checkpoints.profiles import write_profile

from spatialgeo_ros import cli
from spatialgeo_ros.cli import ask
from spatialgeo_ros.models.spatial_mllm import SpatialMllm
from spatialgeo_ros.perception import Perception

FRAMES, WIDTH, HEIGHT = 20, 120, 90
QUESTION = "How far away is the crate?"


@pytest.fixture(scope="module")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    names = ("spatialgeo_7b", "spatial_mllm_3b")
    return {name: str(write_profile(name, tmp_path_factory.mktemp(name))) for name in names}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames that tell their number by their grey."""
    folder = tmp_path_factory.mktemp("frames")
    for k in range(FRAMES):
        picture = np.full((HEIGHT, WIDTH, 3), 40 + 10 * k, np.uint8)
        cv2.imwrite(str(folder / f"frame_{k}.png"), picture)
    return folder


def scene(folder: Path) -> list[str]:
    depth = np.full((HEIGHT, WIDTH), 2000, np.uint16)
    depth[30:60, 40:80] = 1000
    cv2.imwrite(str(folder / "depth.png"), depth)
    cv2.imwrite(str(folder / "colour.png"), np.full((HEIGHT, WIDTH, 3), 120, np.uint8))
    return [
        "--image", str(folder / "colour.png"),
        "--depth", str(folder / "depth.png"),
        "--camera-info", "100,100,59.5,44.5",
        "--region", "crate=40,30,79,59",
    ]  # fmt: skip


def seen_by(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """Grey of the frames of every clip that the language model encodes from now on."""
    seen: list[list[int]] = []
    encode = SpatialMllm.encode_video

    def spy(self: SpatialMllm, frames: Any) -> Any:
        seen.append([int(np.asarray(frame)[0, 0, 0]) for frame in frames])
        return encode(self, frames)

    monkeypatch.setattr(SpatialMllm, "encode_video", spy)
    return seen


def test_words_are_printed_as_they_come_then_the_measured_answer(
    profiles: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["ask", QUESTION, *scene(tmp_path), "--profile", profiles["spatialgeo_7b"]]
    assert cli.main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["language_answer"]
    assert told
    assert cli.main([*arguments, "--stream"]) == 0
    lines = capsys.readouterr().out.split("The crate is 1.0")
    assert len(lines) == 2  # once, after the model's own words
    assert "".join(lines[0].split()).startswith("".join(told.split()))


def test_json_stays_json_while_words_are_streamed(
    profiles: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["ask", QUESTION, *scene(tmp_path), "--profile", profiles["spatialgeo_7b"]]
    assert cli.main([*arguments, "--json", "--stream"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["answer"].startswith("The crate is 1.0")
    assert report["language_answer"].split()[0] in captured.err


def test_clip_model_sees_evenly_spread_frames_where_no_pose_is_known(
    profiles: dict[str, str], clip: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    seen = seen_by(monkeypatch)
    arguments = ["ask", "What is in the room?", "--profile", profiles["spatial_mllm_3b"]]
    assert cli.main([*arguments, "--video", str(clip)]) == 0
    captured = capsys.readouterr()
    assert "20 of 20 frames observed" in captured.err and "sees 15 of them" in captured.err
    assert "said by the language model" in captured.out
    (greys,) = seen
    numbers = [(grey - 40) // 10 for grey in greys]
    assert numbers == np.linspace(0, 19, 16).round().tolist()  # as the published evaluation


def test_clip_model_sees_only_frames_of_the_rate_that_was_asked_for(
    profiles: dict[str, str], clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = seen_by(monkeypatch)
    arguments = ["ask", "What is in the room?", "--profile", profiles["spatial_mllm_3b"]]
    assert cli.main([*arguments, "--video", str(clip), "--every", "6"]) == 0
    assert [(grey - 40) // 10 for grey in seen[0]] == [1, 7, 13, 19]


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (["--every", "6"], [1, 7, 13, 19]),
        (["--every", "100"], [19]),
        (["--fps", "5"], [1, 7, 13, 19]),  # a folder of images counts as 30 frames a second
        (["--fps", "1000"], list(range(20))),
    ],
)
def test_rate_chooses_the_frames_and_keeps_the_last(
    clip: Path, rate: list[str], expected: list[int], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    observed: list[int] = []
    observe = Perception.observe

    def spy(self: Perception, frame: Any) -> Any:
        observed.append((int(frame.image[0, 0, 0]) - 40) // 10)
        return observe(self, frame)

    monkeypatch.setattr(Perception, "observe", spy)
    arguments = ["ask", QUESTION, "--video", str(clip), "--profile", "none"]
    assert cli.main([*arguments, *rate]) == 1  # nothing to answer with: neither depth nor words
    assert observed == expected
    assert f"{len(expected)} of 20 frames observed" in capsys.readouterr().err


def test_at_most_128_frames_by_default() -> None:
    chosen = ask._chosen(range(3000), ask_options())
    assert len(chosen) == 128 and chosen[0] == 0 and chosen[-1] == 2999


def ask_options(**changes: Any) -> Any:
    values = {"every": None, "fps": None, **changes}
    return type("Options", (), values)()


def test_recording_with_poses_fills_the_keyframe_memory(
    real_rgbd: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["ask", QUESTION, "--video", str(real_rgbd), "--profile", "none"]
    assert cli.main([*arguments, "--camera-info", "525,525,319.5,239.5",
                     "--region", "crate=300,220,340,260"]) == 0  # fmt: skip
    captured = capsys.readouterr()
    assert "5 of 5 frames observed" in captured.err
    assert "0 earlier ones remembered" not in captured.err
    assert captured.out.startswith("The crate is")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--video", "nowhere.mp4"], "nowhere.mp4 does not exist"),
        (["--bag", "nowhere.mcap"], "nowhere.mcap"),
        (["--video", "CLIP", "--every", "0"], "--every must be 1 or more"),
        (["--video", "CLIP", "--fps", "-1"], "--fps must be positive"),
        (["--video", "CLIP", "--depth", "depth.png"], "--depth goes with --image"),
    ],
)
def test_what_cannot_be_watched_is_said_in_one_line(
    clip: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(clip) if argument == "CLIP" else argument for argument in arguments]
    assert cli.main(["ask", QUESTION, "--profile", "none", *given]) == 1
    captured = capsys.readouterr()
    assert words in captured.err and len(captured.err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("flags", "expected"),
    [([], "profile"), (["--load-4bit"], "nf4"), (["--load-8bit"], "int8")],
)
def test_quantisation_is_passed_on(
    tmp_path: Path, flags: list[str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def load(profile: str, **options: Any) -> Perception:
        given.update(options, profile=profile)
        return Perception(None)

    monkeypatch.setattr(Perception, "load", load)
    assert cli.main(["ask", QUESTION, *scene(tmp_path), *flags]) == 0
    assert given["quantisation"] == expected and given["profile"] == "nano"


def test_sources_exclude_each_other(clip: Path) -> None:
    for arguments in ([], ["--image", "a.png", "--video", str(clip)], ["--load-4bit"]):
        with pytest.raises(SystemExit) as caught:
            cli.main(["ask", QUESTION, *arguments])
        assert caught.value.code == 2
    with pytest.raises(SystemExit):
        cli.main(["ask", QUESTION, "--image", "a.png", "--load-4bit", "--load-8bit"])
