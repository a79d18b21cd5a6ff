# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo depth`` with tiny checkpoints, and the files that it writes."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from checkpoints.moge import write_moge1, write_moge2, write_moge2_normal, write_moge2_safetensors

from spatialgeo_ros import cli
from spatialgeo_ros.cli.depth_files import (
    depth_edges,
    depth_exr,
    depth_png,
    mask_png,
    normal_png,
    point_cloud_ply,
)
from spatialgeo_ros.sim.renderer import RendererUnavailableError, RoomRenderer
from spatialgeo_ros.sim.rig import camera_pose, default_camera
from spatialgeo_ros.sim.room import make_room

WIDTH, HEIGHT = 64, 48


@pytest.fixture
def image(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    path = tmp_path / "room.png"
    cv2.imwrite(str(path), cv2.blur(pixels, (5, 5)))
    return path


def read_exr(content: bytes) -> np.ndarray:
    """Decode the float channel of a zip-compressed scan-line file, from its layout."""
    assert content[:8] == bytes.fromhex("762f3101 02000000")
    header, at = {}, 8
    while content[at]:
        name, kind, rest = content[at:].split(b"\0", 2)
        size = struct.unpack_from("<i", rest)[0]
        header[name.decode()] = rest[4 : 4 + size]
        at += len(name) + len(kind) + 2 + 4 + size
    left, top, right, bottom = struct.unpack("<4i", header["dataWindow"])
    assert header["channels"][:6] == b"Y\0" + struct.pack("<i", 2)
    assert header["compression"] == b"\x03"
    rows, columns = bottom - top + 1, right - left + 1
    image = np.full((rows, columns), -1, np.float32)
    offsets = struct.unpack_from(f"<{-(-rows // 16)}Q", content, at + 1)
    for offset in offsets:
        row, size = struct.unpack_from("<ii", content, offset)
        count = min(16, rows - row)
        data = content[offset + 8 : offset + 8 + size]
        if size < 4 * columns * count:
            deltas = np.frombuffer(zlib.decompress(data), np.uint8).astype(np.int64)
            deltas[1:] -= 128
            parted = np.cumsum(deltas).astype(np.uint8)
            whole = np.empty_like(parted)
            half = (len(parted) + 1) // 2
            whole[::2], whole[1::2] = parted[:half], parted[half:]
            data = whole.tobytes()
        image[row : row + count] = np.frombuffer(data, "<f4").reshape(count, columns)
    return image


def read_ply(content: bytes) -> np.ndarray:
    header, _, body = content.partition(b"end_header\n")
    assert header.startswith(b"ply\nformat binary_little_endian 1.0\n")
    count = int(header.split(b"element vertex ")[1].split()[0])
    kinds = {b"float": "<f4", b"uchar": "u1"}
    fields = [line.split()[1:] for line in header.splitlines() if line.startswith(b"property")]
    vertices = np.frombuffer(body, [(name.decode(), kinds[kind]) for kind, name in fields])
    assert len(vertices) == count
    return vertices


def test_second_version_writes_everything(
    tmp_path: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = write_moge2_normal(tmp_path), tmp_path / "out"
    arguments = ["--profile", str(model), "--out", str(out), "--edges", "0"]
    assert cli.main(["depth", str(image), *arguments]) == 0
    printed = capsys.readouterr().out
    names = {"depth.png", "depth.exr", "mask.png", "normal.png", "points.ply", "intrinsics.json"}
    assert {path.name for path in out.iterdir()} == names
    assert all(str(out / name) in printed for name in names)
    depth = read_exr((out / "depth.exr").read_bytes())
    mask = cv2.imread(str(out / "mask.png"), cv2.IMREAD_UNCHANGED)
    millimetres = cv2.imread(str(out / "depth.png"), cv2.IMREAD_UNCHANGED)
    assert depth.shape == mask.shape == millimetres.shape == (HEIGHT, WIDTH)
    assert np.array_equal(np.isfinite(depth), mask == 255)
    assert np.abs(millimetres / 1000.0 - depth)[mask == 255].max() <= 0.0005 + 1e-6
    facts = json.loads((out / "intrinsics.json").read_text())
    assert facts["source"] == "recovered" and facts["metric"] is True
    assert f"focal length {facts['fx']:.1f}" in printed
    assert f"field of view {facts['fov_x_deg']:.1f}" in printed
    vertices = read_ply((out / "points.ply").read_bytes())
    assert len(vertices) == (mask == 255).sum()
    rows, columns = np.nonzero(mask)
    np.testing.assert_allclose(vertices["z"], depth[rows, columns], rtol=1e-6)
    u = vertices["x"] / vertices["z"] * facts["fx"] + facts["cx"]
    v = vertices["y"] / vertices["z"] * facts["fy"] + facts["cy"]
    np.testing.assert_allclose(u, columns, atol=1e-3)
    np.testing.assert_allclose(v, rows, atol=1e-3)
    blue, green, red = cv2.split(cv2.imread(str(image)))
    for name, channel in (("red", red), ("green", green), ("blue", blue)):
        assert np.array_equal(vertices[name], channel[rows, columns])


def test_first_version_has_no_metres(
    tmp_path: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = write_moge1(tmp_path), tmp_path / "out"
    assert cli.main(["depth", str(image), "--profile", str(model), "--out", str(out)]) == 0
    names = {"depth.exr", "mask.png", "points.ply", "intrinsics.json"}
    assert {path.name for path in out.iterdir()} == names
    assert json.loads((out / "intrinsics.json").read_text())["metric"] is False
    captured = capsys.readouterr()
    assert "no metres" in captured.err
    assert " m," not in captured.out


@pytest.mark.parametrize("write", [write_moge2, write_moge2_safetensors])
def test_a_known_camera_is_used(
    tmp_path: Path,
    image: Path,
    write: Callable[[Path], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its principal point may be anywhere, which the network does not know of."""
    monkeypatch.chdir(tmp_path)
    model = write(tmp_path)
    arguments = ["--profile", str(model), "--camera-info", "55,57,20,30", "--edges", "0"]
    assert cli.main(["depth", str(image), *arguments]) == 0
    out = tmp_path / "room_depth"
    facts = json.loads((out / "intrinsics.json").read_text())
    assert [facts[key] for key in ("fx", "fy", "cx", "cy")] == [55, 57, 20, 30]
    assert facts["source"] == "calibration"
    vertices = read_ply((out / "points.ply").read_bytes())
    rows, columns = np.nonzero(cv2.imread(str(out / "mask.png"), cv2.IMREAD_UNCHANGED))
    np.testing.assert_allclose(vertices["x"] / vertices["z"] * 55 + 20, columns, atol=1e-3)
    np.testing.assert_allclose(vertices["y"] / vertices["z"] * 57 + 30, rows, atol=1e-3)


def test_field_of_view_and_detail(tmp_path: Path, image: Path) -> None:
    model = write_moge2(tmp_path)
    results = {}
    for name, arguments in {
        "usual": [],
        "level": ["--resolution-level", "9"],
        "coarse": ["--resolution-level", "0"],
        "tokens": ["--num-tokens", "12"],
        "fov": ["--fov-x", "70"],
        "half": ["--fp16"],
    }.items():
        out = tmp_path / name
        command = ["depth", str(image), "--profile", str(model), "--out", str(out)]
        assert cli.main([*command, *arguments]) == 0
        results[name] = (
            read_exr((out / "depth.exr").read_bytes()),
            json.loads((out / "intrinsics.json").read_text()),
        )
    assert results["fov"][1]["fov_x_deg"] == pytest.approx(70)
    usual = results["usual"][0]
    assert np.array_equal(usual, results["level"][0], equal_nan=True)
    # 12 patches are the least that the checkpoint was trained with.
    assert np.array_equal(results["coarse"][0], results["tokens"][0], equal_nan=True)
    assert not np.array_equal(usual, results["coarse"][0], equal_nan=True)
    assert not np.array_equal(usual, results["half"][0], equal_nan=True)
    assert np.nanmedian(np.abs(results["half"][0] / usual - 1)) < 0.01


def test_shipped_profile_takes_the_camera_mount(tmp_path: Path) -> None:
    camera = default_camera(WIDTH * 5, HEIGHT * 5)
    try:
        renderer = RoomRenderer(make_room(7), camera.width, camera.height)
    except RendererUnavailableError as error:
        pytest.skip(str(error))
    image = tmp_path / "room.png"
    seen = renderer.picture(camera_pose(-1.5, -1.0, 0.6), camera)
    renderer.close()
    cv2.imwrite(str(image), cv2.cvtColor(seen, cv2.COLOR_RGB2BGR))
    depths = []
    for index, arguments in enumerate(
        ([], ["--camera-info", "262,262,159.5,119.5", "--mount-height", "0.6"],
         ["--camera-info", "262,262,159.5,119.5", "--mount-height", "1.2"])
    ):  # fmt: skip
        out = tmp_path / str(index)
        assert cli.main(["depth", str(image), "--out", str(out), *arguments]) == 0
        depths.append(read_exr((out / "depth.exr").read_bytes()))
    assert not np.array_equal(depths[0], depths[1], equal_nan=True)
    assert not np.array_equal(depths[1], depths[2], equal_nan=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--profile", "nonsense"], "no model profile 'nonsense'"),
        (["--profile", "nowhere/model.pt"], "nowhere/model.pt does not exist"),
        (["--fov-x", "60", "--camera-info", "55,55,32,24"], "use one"),
        (["--fov-x", "180"], "--fov-x"),
        (["--resolution-level", "10"], "0 to 9"),
        (["--num-tokens", "0"], "must be positive"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    image: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["depth", str(image), *arguments]) == 1
    captured = capsys.readouterr()
    assert words in captured.err and captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1


def test_unreadable_image_and_unwritable_folder_are_named(
    tmp_path: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["depth", "nowhere.png"]) == 1
    assert "nowhere.png" in capsys.readouterr().err
    model = write_moge2(tmp_path)
    taken = tmp_path / "taken"
    taken.write_text("a file")
    assert cli.main(["depth", str(image), "--profile", str(model), "--out", str(taken)]) == 1
    assert f"cannot write to {taken}" in capsys.readouterr().err
    assert taken.read_text() == "a file"


def test_image_without_geometry(
    tmp_path: Path, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A network that masks everything, and one whose points are mirrored."""
    path = write_moge2(tmp_path)
    content = torch.load(path, weights_only=True)
    content["model"]["mask_head.output_blocks.4.bias"] -= 100
    torch.save(content, path)
    assert cli.main(["depth", str(image), "--profile", str(path)]) == 1
    assert "nothing with a depth in" in capsys.readouterr().err
    path = write_moge2(tmp_path)
    content = torch.load(path, weights_only=True)
    content["model"]["points_head.output_blocks.4.weight"][:2] *= -1
    torch.save(content, path)
    assert cli.main(["depth", str(image), "--profile", str(path)]) == 1
    assert "--camera-info or --fov-x" in capsys.readouterr().err


@pytest.mark.parametrize("size", [(48, 64), (17, 5), (1, 1), (33, 3)])
@pytest.mark.parametrize("noisy", [True, False])
def test_exr_keeps_every_bit(size: tuple[int, int], noisy: bool) -> None:
    """Noise does not compress, so its blocks are stored as they are."""
    rng = np.random.default_rng(1)
    depth = rng.integers(0, 2**31, size).astype(np.uint32).view(np.float32)
    if not noisy:
        depth = np.linspace(0.5, 9, depth.size, dtype=np.float32).reshape(size)
    depth = np.nan_to_num(depth, nan=1.0, posinf=2.0)
    valid = rng.random(size) < 0.8
    found = read_exr(depth_exr(depth, valid))
    np.testing.assert_array_equal(found, np.where(valid, depth, np.nan))


def decode(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)


def test_png_of_depth_and_mask() -> None:
    depth = np.array([[0.0004, 1.2346, 65.535, 65.536, 3.0]], np.float32)
    valid = np.array([[True, True, True, True, False]])
    content, too_far = depth_png(depth, valid)
    assert decode(content).dtype == np.uint16
    assert decode(content).tolist() == [[0, 1235, 65535, 0, 0]] and too_far == 1
    assert decode(mask_png(valid)).tolist() == [[255, 255, 255, 255, 0]]
    assert depth_png(np.full((1, 2), np.inf, np.float32), np.array([[True, False]]))[1] == 1


def test_png_of_normals() -> None:
    """A wall that faces the camera has z = -1 in the optical frame; the floor's normal is -y."""
    normal = np.array([[[0, 0, -1], [0, -1, 0], [1, 0, 0], [0, 0, -1]]], np.float32)
    content = normal_png(normal, np.array([[True, True, True, False]]))
    rgb = decode(content)[..., ::-1]
    expected = [[128, 128, 255], [128, 255, 128], [255, 128, 128], [0, 0, 0]]
    np.testing.assert_allclose(rgb[0], expected, atol=1)


def test_points_at_depth_edges() -> None:
    depth = np.full((5, 8), 2.0, np.float32)
    depth[:, 4:] = 3.0
    valid = np.ones_like(depth, bool)
    edges = depth_edges(depth, valid, 0.04)
    assert edges[:, 3:5].all() and not edges[:, :3].any() and not edges[:, 5:].any()
    assert not depth_edges(depth, valid, 0.6).any()
    # Beside a hole there is no edge.
    valid[:, 4:] = False
    depth[:, 4:] = np.nan
    assert not depth_edges(depth, valid, 0.04).any()


def test_ply_of_chosen_points() -> None:
    points = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    colours = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) + 100
    keep = np.array([[True, False], [False, True]])
    vertices = read_ply(point_cloud_ply(points, colours, keep))
    assert vertices.tolist() == [(0, 1, 2, 100, 101, 102), (9, 10, 11, 109, 110, 111)]
