# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Files as users have them: every kind ends in a measurement or in one line and status 1."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from spatialgeo_ros import cli

BOX = "40,80,119,159"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A box at 1.5 m before a wall at 4 m, as image.png; depth in every form that there is."""
    monkeypatch.chdir(tmp_path)
    depth = np.full((240, 320), 4.0, np.float32)
    depth[80:160, 40:120] = 1.5
    cv2.imwrite("image.png", np.full((240, 320, 3), 120, np.uint8))
    cv2.imwrite("mm.png", (depth * 1000).astype(np.uint16))
    cv2.imwrite("quarters.png", (depth * 4000).astype(np.uint16))
    np.save("metres.npy", depth)
    np.save("channel.npy", depth[..., None])
    np.save("mm.npy", (depth * 1000).astype(np.int32))
    np.save("float_mm.npy", depth * 1000)
    np.save("whole_metres.npy", np.round(depth).astype(np.uint8))
    return tmp_path


def measure(*options: str, depth: str = "mm.png", image: str = "image.png") -> list[str]:
    info = [] if "--camera-info" in options else ["--camera-info", "300,300,159.5,119.5"]
    return ["measure", "--image", image, "--depth", depth, *info, "--from", BOX, *options]


@pytest.mark.parametrize(
    ("depth", "scale"),
    [
        ("mm.png", ()),
        ("metres.npy", ()),
        ("channel.npy", ()),
        ("mm.npy", ()),
        ("quarters.png", ("--depth-scale", "0.00025")),
        ("float_mm.npy", ("--depth-scale", "1e-3")),
    ],
)
def test_depth_in_every_unit_measures_the_same(folder, capsys, depth, scale) -> None:
    assert cli.main(measure(*scale, depth=depth)) == 0
    assert "1.51" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("depth", "words"),
    [
        ("float_mm.npy", "(median 4000 m, read in units of 1 m): are they millimetres?"),
        ("whole_metres.npy", "(median 0.004 m, read in units of 1 m): set --depth-scale"),
    ],
)
def test_readings_that_no_camera_has_ask_for_the_unit(folder, capsys, depth, words) -> None:
    assert cli.main(measure(depth=depth)) == 1
    said = capsys.readouterr().err
    assert words in said and "--depth-scale" in said
    question = measure(depth=depth)[1:-2]
    assert cli.main(["ask", "How far is it?", *question, "--profile", "none"]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "millimetres"])
def test_a_scale_is_a_positive_number(folder, capsys, value) -> None:
    with pytest.raises(SystemExit):
        cli.main(measure(f"--depth-scale={value}"))
    assert "--depth-scale" in capsys.readouterr().err


def test_a_scale_without_depth_is_refused(folder, capsys) -> None:
    arguments = ["measure", "--image", "image.png", "--from", BOX, "--depth-scale", "0.001"]
    assert cli.main(arguments) == 1
    assert "--depth-scale goes with --depth" in capsys.readouterr().err
    (folder / "pictures").mkdir()
    cv2.imwrite("pictures/0.png", np.zeros((8, 8, 3), np.uint8))
    question = ["ask", "Where is it?", "--video", "pictures", "--depth-scale", "0.001"]
    assert cli.main([*question, "--profile", "none"]) == 1
    assert "has no depth images" in capsys.readouterr().err


def camera_info(messages: int) -> str:
    k = "[300.0, 0.0, 159.5, 0.0, 300.0, 119.5, 0.0, 0.0, 1.0]"
    one = (
        "header:\n  stamp:\n    sec: 1\n    nanosec: 0\n  frame_id: camera\n"
        "height: 240\nwidth: 320\ndistortion_model: plumb_bob\nd: [0.0, 0.0, 0.0, 0.0, 0.0]\n"
        f"k: {k}\n"
        "binning_x: 0\nbinning_y: 0\nroi:\n  x_offset: 0\n  y_offset: 0\n  height: 0\n  width: 0\n"
        "  do_rectify: false\n---\n"
    )
    return one * messages


@pytest.mark.parametrize("messages", [1, 200])
def test_camera_info_as_ros_prints_it(folder, capsys, messages) -> None:
    (folder / "info.yaml").write_text(camera_info(messages))
    assert cli.main(measure("--camera-info", "info.yaml")) == 0
    assert "1.51" in capsys.readouterr().out


def png_bomb() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(1_000_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def jpeg() -> bytes:
    return cv2.imencode(".jpg", np.full((240, 320, 3), 90, np.uint8))[1].tobytes()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (png_bomb(), "claims 20000x20000 pixels"),
        (jpeg()[:-60], "is cut off"),
        (jpeg()[:100], "is cut off"),
        (b"", "is empty"),
        (b"GIF89a\1\0\1\0", "is GIF"),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), "does not begin with its size"),
    ],
    ids=["bomb", "cut", "head", "empty", "gif", "zeros"],
)
def test_images_that_are_none_are_one_line(folder, capfd, content, words) -> None:
    (folder / "bad.jpg").write_bytes(content)
    assert cli.main(measure(image="bad.jpg")) == 1
    said = capfd.readouterr().err.strip()
    assert said.startswith("spatialgeo: bad.jpg") and words in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("option", ["image", "depth", "info", "profile", "video", "bag", "poses"])
def test_pipes_and_devices_hang_no_command(folder, capsys, option) -> None:
    os.mkfifo("pipe.npy")
    os.mkfifo("pipe.yaml")
    Path("zero.yaml").symlink_to("/dev/zero")
    for name in ("pipe.npy", "pipe.yaml", "zero.yaml"):
        arguments = {
            "image": measure(image=name),
            "depth": measure(depth=name),
            "info": measure("--camera-info", name),
            "profile": measure("--profile", name),
            "video": ["ask", "Where is it?", "--video", name, "--profile", "none"],
            "bag": ["ask", "Where is it?", "--bag", name, "--profile", "none"],
            "poses": ["sample", "pictures", "--profile", "none", "--out", "o", "--poses", name],
        }[option]
        Path("pictures").mkdir(exist_ok=True)
        cv2.imwrite("pictures/0.png", np.zeros((8, 8, 3), np.uint8))
        if option == "profile" and not name.endswith("yaml"):
            continue
        assert cli.main(arguments) == 1
        said = capsys.readouterr().err.strip()
        assert said.startswith("spatialgeo: ") and name in said
        assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere", "nowhere does not exist"),
        ("old.bag", "a bag of ROS 1"),
        ("unfinished", "no metadata.yaml"),
        ("image.png", "is no bag"),
        (".", "is no bag"),
    ],
)
def test_what_is_given_as_a_bag_and_is_none(folder, capsys, path, words) -> None:
    pytest.importorskip("rosbags")
    Path("old.bag").write_bytes(b"#ROSBAG V2.0\n")
    Path("unfinished").mkdir()
    Path("unfinished/unfinished_0.mcap").write_bytes(b"\x89MCAP0\r\n")
    assert cli.main(["ask", "Where is it?", "--bag", path, "--profile", "none"]) == 1
    said = capsys.readouterr().err.strip()
    assert words in said and len(said.splitlines()) == 1


def test_topics_are_those_of_a_bag(folder, capsys) -> None:
    Path("pictures").mkdir()
    cv2.imwrite("pictures/0.png", np.zeros((8, 8, 3), np.uint8))
    arguments = ["ask", "Where is it?", "--video", "pictures", "--image-topic", "/camera"]
    assert cli.main([*arguments, "--profile", "none"]) == 1
    assert "pictures is no bag, so it has no topics" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [", "is no YAML"),
        ("[" * 9000, "more than 64 levels"),
        ("3", "must be a mapping"),
        ("? \n: 1\nx: 2\n", "'name' is missing"),
    ],
    ids=["broken", "nested", "number", "keys"],
)
def test_profiles_that_are_none_are_one_line(folder, capsys, text, words) -> None:
    (folder / "profile.yaml").write_text(text)
    assert cli.main(measure("--profile", "profile.yaml")) == 1
    said = capsys.readouterr().err.strip()
    assert words in said and len(said.splitlines()) == 1


def test_numbers_that_no_network_has_are_refused(folder, capsys) -> None:
    from spatialgeo_ros.models.profile_source import PROFILE_FOLDER
    from spatialgeo_ros.runtime.resources import find_resource

    nano = (find_resource(PROFILE_FOLDER) / "nano.yaml").read_text()
    for old, new, words in (
        ("width: 128", "width: 1600000", "'image.width' must be at most 4096"),
        ("num_tokens: 48", f"num_tokens: {10**40}", "'geometry.num_tokens' must be at most"),
        ("config: nano", "config: {encoder: {dim: 1.0e+99}}", "no network has"),
        ("config: nano", "config: {encoder: 3}", "geometry"),
    ):
        assert old in nano
        (folder / "profile.yaml").write_text(nano.replace(old, new, 1))
        assert cli.main(measure("--profile", "profile.yaml")) == 1
        said = capsys.readouterr().err.strip()
        assert words in said and len(said.splitlines()) == 1


def test_an_unknown_profile_is_found_before_pytorch_is_imported(folder) -> None:
    """It took 45 s on a busy machine to say so."""
    code = (
        "import sys; from spatialgeo_ros import cli; status = cli.main(sys.argv[1:]); "
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules; sys.exit(status)"
    )
    for arguments in (
        measure("--profile", "nosuch"),
        ["depth", "image.png", "--profile", "nosuch"],
        ["models", "info", "nosuch"],
        ["engines", "build", "--profile", "nosuch"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 1, done.stderr
        (line,) = done.stderr.strip().splitlines()
        assert line.startswith("spatialgeo: there is no model profile 'nosuch'")
        assert "nano" in line and "moge2_l" in line


def test_a_folder_that_cannot_be_written_is_one_line(folder, capsys) -> None:
    Path("file").write_text("x")
    Path("pictures").mkdir()
    for k in range(2):
        cv2.imwrite(f"pictures/{k}.png", np.zeros((8, 8, 3), np.uint8))
    assert cli.main(["engines", "list", "--folder", "file/below"]) == 0
    assert cli.main([*measure(), "--overlay", "file/below.png"]) == 1
    said = capsys.readouterr().err.strip()
    assert "file/below.png" in said and len(said.splitlines()) == 1
