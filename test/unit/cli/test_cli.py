# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The spatialgeo command on image files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from spatialgeo_ros import cli
from spatialgeo_ros.drawing.overlay import REJECTED_COLOUR, SUPPORT_COLOUR


@pytest.fixture
def scene(tmp_path: Path) -> list[str]:
    """Two boxes 1.5 m and 2.5 m away before a wall at 4 m, seen by a camera of f = 300 px."""
    depth = np.full((240, 320), 4000, np.uint16)
    depth[80:160, 40:120] = 1500
    depth[80:160, 200:280] = 2500
    cv2.imwrite(str(tmp_path / "depth.png"), depth)
    cv2.imwrite(str(tmp_path / "colour.png"), np.full((240, 320, 3), 120, np.uint8))
    return [
        "--image", str(tmp_path / "colour.png"),
        "--depth", str(tmp_path / "depth.png"),
        "--camera-info", "300,300,159.5,119.5",
    ]  # fmt: skip


def test_measure_prints_lengths_between_two_boxes(
    scene: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    overlay = tmp_path / "overlay.png"
    status = cli.main(
        ["measure", *scene, "--from", "40,80,119,159", "--to", "200,80,279,159", "--json",
         "--kinds", "nearest_points", "--overlay", str(overlay)]
    )  # fmt: skip
    result = json.loads(capsys.readouterr().out)
    # From (-0.2, 1.5) to (0.34, 2.5), in metres across and ahead.
    assert status == 0
    assert result["distances"][0]["distance_m"] == pytest.approx(1.136, abs=0.05)
    assert result["distances"][0]["source"] == "sensor"
    for one in result["objects"]:
        assert len(one["visible_centre_m"]) == 3 and one["unread_share"] < 0.2
        assert 0 < one["visible_centre_std_dev_m"] < 0.2
    picture = cv2.imread(str(overlay))
    assert picture is not None and picture.shape[1] == 320


def test_the_picture_shows_the_support_and_what_was_thrown_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A board before a wall, and a post before the board: the wall is support, the post is not."""
    height, width = 480, 640
    depth = np.full((height, width), 2500, np.uint16)
    depth[150:331, 200:441] = 2000
    depth[60:420, 300:330] = 1200
    image = np.full((height, width, 3), 128, np.uint8)
    cv2.imwrite(str(tmp_path / "depth.png"), depth)
    cv2.imwrite(str(tmp_path / "colour.png"), image)
    overlay = tmp_path / "overlay.png"
    assert cli.main(
        ["measure", "--image", str(tmp_path / "colour.png"), "--depth", str(tmp_path / "depth.png"),
         "--camera-info", "500,500,319.5,239.5", "--from", "190,140,450,340",
         "--overlay", str(overlay)]
    ) == 0  # fmt: skip
    assert capsys.readouterr().out.startswith("camera_to_object (camera - A): 2.0")
    picture = cv2.imread(str(overlay))[:, :, ::-1].astype(int)
    # Hatching lets the image through between its lines: some pixels have their very colour.
    for colour, rows, columns in (
        (SUPPORT_COLOUR, slice(160, 320), slice(145, 185)),
        (REJECTED_COLOUR, slice(160, 320), slice(304, 326)),
    ):
        for other in (SUPPORT_COLOUR, REJECTED_COLOUR):
            near = np.abs(picture[rows, columns] - other).sum(axis=2) < 60
            assert (near.mean() > 0.05) == (other == colour)
    board = picture[160:320, 340:430]
    for colour in (SUPPORT_COLOUR, REJECTED_COLOUR):
        assert (np.abs(board - colour).sum(axis=2) < 60).mean() < 0.02


def test_measure_takes_points_and_calibration_files(
    scene: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    calibration = tmp_path / "camera.yaml"
    calibration.write_text("{fx: 300, fy: 300, cx: 159.5, cy: 119.5}\n")
    arguments = [*scene[:-1], str(calibration)]
    assert cli.main(["measure", *arguments, "--from", "80,120"]) == 0
    assert "camera_to_object (camera - A): 1.5" in capsys.readouterr().out


def test_ask_answers_with_labelled_regions(
    scene: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["ask", "How far is the box?", *scene, "--profile", "none"]
    assert cli.main([*arguments, "--region", "box=40,80,119,159"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("The box is 1.5")
    assert "note: no pose" in captured.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from", "1,2,3"], "neither a box"),
        (["--from", "the red chair"], "'the red chair' cannot be looked for"),
        (["--from", "900,900,950,950"], "covers no pixel"),
        (["--from", "80,120", "--profile", "nonsense"], "no model profile 'nonsense'"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    scene: list[str], arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["measure", *scene, *arguments]) == 1
    captured = capsys.readouterr()
    assert words in captured.err and captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1


def test_unreadable_files_are_named(scene: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["measure", "--image", "nowhere.png", "--from", "1,1"]) == 1
    assert "nowhere.png" in capsys.readouterr().err
    colour = scene[1]
    wrong = [*scene[:3], colour, *scene[4:]]
    assert cli.main(["measure", *wrong, "--from", "80,120"]) == 1
    assert "16-bit" in capsys.readouterr().err


def test_models_lists_and_describes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["models", "list"]) == 0
    assert "nano" in capsys.readouterr().out
    assert cli.main(["models", "info", "nano"]) == 0
    text = capsys.readouterr().out
    assert "geometry, semantic, domain, language" in text and "Apache-2.0" in text


def test_replay_without_ros_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rclpy", None)
    for name in [name for name in sys.modules if name.startswith("spatialgeo_ros.node")]:
        monkeypatch.delitem(sys.modules, name)
    assert cli.main(["replay", "folder"]) == 2
    assert "ROS 2" in capsys.readouterr().err
