# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo sample`` end to end: a rendered video, an RGB-D recording, a tiny VGGT."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from checkpoints.vggt import write_vggt

from spatialgeo_ros import cli
from spatialgeo_ros.memory.sampling import sampling_indices
from spatialgeo_ros.sim.path import RobotPath
from spatialgeo_ros.sim.renderer import RendererUnavailableError, RoomRenderer
from spatialgeo_ros.sim.rig import camera_pose, default_camera
from spatialgeo_ros.sim.room import make_room

FRAMES, RATE, WIDTH, HEIGHT = 24, 10.0, 160, 120


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a video of a robot that stands for half the time, and its true poses."""
    folder = tmp_path_factory.mktemp("clip")
    room = make_room(3)
    path, camera = RobotPath(room), default_camera(WIDTH, HEIGHT)
    try:
        renderer = RoomRenderer(room, WIDTH, HEIGHT)
    except RendererUnavailableError as error:
        pytest.skip(str(error))
    fourcc = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(folder / "clip.avi"), fourcc, RATE, (WIDTH, HEIGHT))
    lines = []
    for k in range(FRAMES):
        state = path.at(path.period * max(0.0, k / FRAMES - 0.5) * 1.6)
        pose = camera_pose(state.x, state.y, state.yaw)
        writer.write(cv2.cvtColor(renderer.render(pose, camera).rgb, cv2.COLOR_RGB2BGR))
        lines.append(" ".join(str(v) for v in [k / RATE, *pose.translation, *pose.quaternion()]))
    writer.release()
    renderer.close()
    (folder / "poses.txt").write_text("\n".join(lines) + "\n")
    numbers = (camera.fx, camera.fy, camera.cx, camera.cy)
    (folder / "camera.txt").write_text(",".join(str(v) for v in numbers))
    return folder


def sample(out: Path, *arguments: str) -> dict[str, Any]:
    """Run the command and check what every run promises."""
    assert cli.main(["sample", *arguments, "--out", str(out)]) == 0
    report = json.loads((out / "selection.json").read_text())
    chosen = report["space_aware"]
    assert chosen["indices"] == sorted(chosen["order"])
    assert set(chosen["indices"]) <= set(report["candidates"])
    gains = chosen["gains"]
    assert gains == sorted(gains, reverse=True) and gains[-1] > 0
    assert sum(gains) / report["voxels"] == pytest.approx(chosen["coverage"])
    for name in ("contact_sheet.png", "coverage.png"):
        picture = cv2.imread(str(out / name))
        assert picture is not None and picture.std() > 5
    return report


def test_nano_depth_and_true_poses(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = sample(
        tmp_path / "out", str(clip / "clip.avi"), "--frames", "5", "--max-frames", "16",
        "--profile", "nano", "--poses", str(clip / "poses.txt"),
        "--camera-info", (clip / "camera.txt").read_text(),
    )  # fmt: skip
    assert report["clip_frames"] == FRAMES and len(report["candidates"]) == 16
    assert (
        report["uniform"]["indices"]
        == sampling_indices(FRAMES, 16)[sampling_indices(16, 5)].tolist()
    )
    assert report["space_aware"]["coverage"] > report["uniform"]["coverage"]
    # The robot stands until frame 12: one of those frames shows what all of them show.
    assert sum(index <= 12 for index in report["space_aware"]["indices"]) <= 2
    assert report["metric"] and 0.02 < report["voxel_size"] < 0.5
    printed = capsys.readouterr()
    assert "space-aware: 5 frames cover" in printed.out and "geometry" in printed.err


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_vggt_needs_nothing_but_frames(clip: Path, tmp_path: Path, dtype: str) -> None:
    checkpoint = write_vggt(tmp_path / "vggt")
    report = sample(
        tmp_path / "out", str(clip / "clip.avi"), "--frames", "3", "--max-frames", "4",
        "--vggt", str(checkpoint), "--dtype", dtype, "--save-frames",
    )  # fmt: skip
    saved = sorted((tmp_path / "out" / "frames").iterdir())
    assert [int(file.stem[6:]) for file in saved] == report["space_aware"]["indices"]
    assert cv2.imread(str(saved[0])).shape == (HEIGHT, WIDTH, 3)
    assert not report["metric"] and report["candidates"] == [0, 7, 15, 23]
    assert report["space_aware"]["coverage"] >= report["uniform"]["coverage"]
    assert report["confidence_threshold"] > 1


def test_recorded_depth_with_its_own_poses(real_rgbd: Path, tmp_path: Path) -> None:
    report = sample(
        tmp_path / "out", str(real_rgbd), "--frames", "2", "--profile", "none",
        "--camera-info", "525,525,319.5,239.5",
    )  # fmt: skip
    assert report["clip_frames"] == 5 and report["metric"]
    assert report["space_aware"]["coverage"] >= report["uniform"]["coverage"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--profile", "none"], "no calibration"),
        (["--profile", "none", "--camera-info", "100,100,80,60"], "no camera poses"),
        (
            ["--profile", "none", "--camera-info", "100,100,80,60", "--poses", "{late}"],
            "no frame has a pose: the trajectory covers 1000.000 s",
        ),
        (
            ["--profile", "none", "--camera-info", "100,100,80,60", "--poses", "{poses}"],
            "publish registered depth",
        ),
        (["--vggt", "{clip}"], "holds no weights"),
        (["--vggt", "{clip}", "--poses", "{poses}"], "--poses goes with --profile"),
        (["--profile", "nano", "--frames", "0"], "1 or more"),
    ],
)
def test_what_is_missing_is_said(
    clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    late = tmp_path / "late.txt"
    late.write_text("1000 0 0 1 0 0 0 1\n")
    known = {"late": late, "poses": clip / "poses.txt", "clip": clip}
    filled = [argument.format(**known) for argument in arguments]
    out = tmp_path / "out"
    assert cli.main(["sample", str(clip / "clip.avi"), *filled, "--out", str(out)]) == 1
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_frames_without_a_pose_show_nothing(clip: Path, tmp_path: Path) -> None:
    """The trajectory ends at frame 12, so no later frame is chosen."""
    lines = (clip / "poses.txt").read_text().splitlines()[:13]
    (tmp_path / "poses.txt").write_text("\n".join(lines))
    report = sample(
        tmp_path / "out", str(clip / "clip.avi"), "--frames", "4", "--max-frames", "12",
        "--profile", "nano", "--poses", str(tmp_path / "poses.txt"),
        "--camera-info", (clip / "camera.txt").read_text(),
    )  # fmt: skip
    assert max(report["space_aware"]["indices"]) <= 12


def test_exactly_one_source_of_geometry(clip: Path, tmp_path: Path) -> None:
    for arguments in ([], ["--vggt", "x", "--profile", "nano"]):
        with pytest.raises(SystemExit):
            cli.main(["sample", str(clip / "clip.avi"), *arguments, "--out", str(tmp_path)])


def test_voxels_in_pictures_are_where_they_are() -> None:
    """One covered cell in a corner: coloured there, grey where others see, ground elsewhere."""
    from spatialgeo_ros.drawing.contact_sheet import Choice, coverage_picture
    from spatialgeo_ros.memory.sampling import space_aware_sampling

    corners = [[0.0, 0, 0], [4, 4, 4]]
    points = np.array([[[corners[0]]], [[corners[1]]]], np.float32)
    result = space_aware_sampling(points, np.ones((2, 1, 1)), k=1, divisions=4)
    colour = (10, 200, 30)
    choice = Choice("first", (0,), ("frame 0",), colour)
    nowhere = np.full((2, 3), np.nan)
    picture = coverage_picture([choice], result, nowhere, metric=True)
    rows, columns = np.nonzero((picture == colour).all(axis=-1))
    grey_rows, grey_columns = np.nonzero((picture == (206, 210, 218)).all(axis=-1))
    # x to the right and y up: the covered voxel is lower left, the missed one upper right.
    assert columns.max() < grey_columns.min() and rows.min() > grey_rows.max()


def videos(folder: Path) -> Path:
    for name in ("a/one.avi", "a/two.avi", "b/three.avi"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), RATE, (56, 42))
        rng = np.random.default_rng(len(name))
        for _ in range(6):
            writer.write(rng.integers(0, 255, (42, 56, 3)).astype(np.uint8))
        writer.release()
    return folder


def test_a_folder_of_videos_is_sampled_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = videos(tmp_path / "videos"), tmp_path / "out"
    (folder / "b" / "broken.mp4").write_bytes(b"no video")
    checkpoint = write_vggt(tmp_path / "vggt")
    arguments = ["sample", str(folder), "--out", str(out), "--vggt", str(checkpoint)]
    arguments += ["--frames", "2", "--max-frames", "3", "--device", "cpu"]
    assert cli.main([*arguments, "--shard", "1/2"]) == 1  # a/one, and the broken one
    told = capsys.readouterr()
    assert "0 of 2 videos are sampled already" in told.out
    assert "1 videos sampled" in told.out and "1 failed" in told.out
    assert "broken.mp4" in told.err
    done = out / "a" / "one" / "selection.json"
    before = done.stat().st_mtime_ns
    (folder / "b" / "broken.mp4").unlink()
    assert cli.main(arguments) == 0
    assert "1 of 3 videos are sampled already" in capsys.readouterr().out
    assert done.stat().st_mtime_ns == before
    kept = {path.parent.relative_to(out) for path in out.rglob("selection.json")}
    assert kept == {Path("a/one"), Path("a/two"), Path("b/three")}
    report = json.loads((out / "b" / "three" / "selection.json").read_text())
    assert report["clip"] == str(folder / "b" / "three.avi") and report["frames"] == 2
    # With nothing left no network is loaded; with other settings all is done again.
    monkeypatch.setattr("spatialgeo_ros.models.vggt.load_vggt", None)
    assert cli.main(arguments) == 0
    assert "3 of 3 videos are sampled already" in capsys.readouterr().out
    monkeypatch.undo()
    arguments[arguments.index("--frames") + 1] = "1"
    assert cli.main(arguments) == 0
    assert "0 of 3 videos are sampled already" in capsys.readouterr().out
    assert len(json.loads(done.read_text())["space_aware"]["indices"]) == 1
    assert cli.main([*arguments, "--poses", "poses.txt"]) == 1
    assert "--poses is of one clip" in capsys.readouterr().err
