# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tools for agents on files, by the SDK's own client: in process, over stdio, over HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("mcp.server.mcpserver", reason="the extra 'agents' is not installed")

from geometry_scene import render
from map_scene import CAMERA, SECOND, looking, thing, walls
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.mcp_server.file_robot import FileRobot, kinds_of
from spatialgeo_ros.mcp_server.server import make_server
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.program import Count, Named, TellNumber
from spatialgeo_ros.query.program_json import to_json

COUNT = json.dumps(to_json(TellNumber(Count(Named("chair")))))
TOOLS = {"ask", "run_query", "list_objects", "find", "measure", "approach_pose", "look"}
REPOSITORY = Path(__file__).resolve().parents[3]
THINGS = (thing("chair", 2.0, 0.5), thing("table", 2.2, -0.8, (0.8, 0.8, 0.7)))


def seen_frame(number: int) -> Frame:
    """A chair and a table, boxed by a perfect detector."""
    pose = looking(-0.1 * number, 0.0, 0.0)
    depth, owner = render([*(one.block for one in THINGS), *walls()], pose, CAMERA)
    image = np.full((*depth.shape, 3), 120, np.uint8)
    boxes = []
    for k, one in enumerate(THINGS):
        rows, columns = np.nonzero(owner == k)
        image[owner == k] = (200, 40, 30) if k == 0 else (30, 60, 200)
        boxes.append(
            Region.from_box(columns.min(), rows.min(), columns.max(), rows.max(), one.label, 0.9)
        )
    stamp = (10 + number) * SECOND
    return Frame(
        "camera", stamp, "camera_optical_frame", image, CAMERA, depth.astype(np.float32), pose,
        "map", detections=tuple(boxes), detections_stamp_ns=stamp, sequence=number,
    )  # fmt: skip


@pytest.fixture(scope="module")
def robot() -> Iterator[FileRobot]:
    perception = Perception(None)
    for number in range(6):
        observation = perception.observe(seen_frame(number))
        perception.update_map(observation)
    yield FileRobot(perception, observation, "six frames of a room")
    perception.close()


def call(server: Any, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    async def session() -> list[Any]:
        async with Client(server, read_timeout_seconds=120) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert names == TOOLS
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return asyncio.run(session())


def test_a_session_of_an_agent(robot: FileRobot) -> None:
    listed, asked, again, queried, found, measured, poses, picture = call(
        make_server(robot),
        ("list_objects", {}),
        ("ask", {"question": "How far is the chair from the table?", "session": "a"}),
        ("ask", {"question": "In feet?", "session": "a"}),
        ("run_query", {"program": COUNT}),
        ("find", {"phrase": "the red chair"}),
        ("measure", {"first": "chair", "second": "table", "kind": "nearest_points"}),
        ("approach_pose", {"target": "chair"}),
        ("look", {"phrases": ["chair"]}),
    )
    things = listed.structured_content["objects"]
    assert {one["label"] for one in things} == {"chair", "table"}
    assert listed.structured_content["frame_id"] == "map"
    (chair,) = [one for one in things if one["label"] == "chair"]
    assert chair["position_m"][:2] == pytest.approx([2.0, 0.5], abs=0.1)
    assert chair["state"] == "visible"
    reply = asked.structured_content
    assert reply["result_type"] == "number" and reply["unit"] == "m" and not reply["error"]
    assert reply["values"][0] == pytest.approx(1.33, abs=0.15)
    assert reply["std_devs"][0] > 0
    in_feet = again.structured_content
    assert in_feet["unit"] == "ft"
    assert in_feet["values"][0] == pytest.approx(reply["values"][0] / 0.3048, rel=0.01)
    assert queried.structured_content["values"] == [1.0]
    assert [one["id"] for one in found.structured_content["objects"]] == [chair["id"]]
    (length,) = measured.structured_content["result"]
    assert length["valid"] and length["kind"] == "nearest_points"
    assert poses.is_error or poses.structured_content["object_id"] == chair["id"]
    (content,) = picture.content
    data = np.frombuffer(base64.b64decode(content.data), np.uint8)
    assert cv2.imdecode(data, cv2.IMREAD_COLOR).shape[:2] == (CAMERA.height, CAMERA.width)


def test_what_is_ambiguous_comes_with_the_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "THINGS", (THINGS[0], thing("chair", 2.2, -0.8)))
    perception = Perception(None)
    robot = FileRobot(perception, perception.observe(seen_frame(0)), "two chairs")
    reply = robot.ask("How far is the chair?", "")
    assert reply.error.startswith("2 fit 'chair'")
    assert [one.id for one in reply.objects] == reply.object_ids == ["chair_1", "chair_2"]
    assert reply.objects_frame_id == "map"


def test_a_file_knows_the_cameras_frame_and_the_maps(robot: FileRobot) -> None:
    measured, asked, listed, moved, elsewhere, base = call(
        make_server(robot),
        ("measure", {"first": "chair", "target_frame": "camera_optical_frame"}),
        ("ask", {"question": "How far is the chair?"}),
        ("list_objects", {"target_frame": "map"}),
        ("find", {"phrase": "chair", "target_frame": "base_link"}),
        ("measure", {"first": "chair", "target_frame": "map"}),
        ("approach_pose", {"target": "chair", "target_frame": "base_link"}),
    )
    (length,) = measured.structured_content["result"]
    assert length["frame_id"] == "camera_optical_frame"
    assert length["from_point_m"] == [0, 0, 0]
    assert math.hypot(*length["to_point_m"]) == pytest.approx(length["metres"], abs=0.01)
    reply = asked.structured_content
    assert [one["label"] for one in reply["objects"]] == ["chair"]
    assert reply["objects_frame_id"] == listed.structured_content["frame_id"] == "map"
    for result, known in ((moved, "'map'"), (elsewhere, "'camera_optical_frame'"), (base, "'map'")):
        assert result.is_error
        assert f"a file has no TF; leave target_frame empty for {known}" in result.content[0].text


def test_what_cannot_be_done_is_an_answer_with_the_cure(robot: FileRobot) -> None:
    absent, kind, program, unclear = call(
        make_server(robot),
        ("measure", {"first": "unicorn"}),
        ("measure", {"first": "chair", "kind": "girth"}),
        ("run_query", {"program": "{"}),
        ("ask", {"question": "Sing me a song of the sea"}),
    )
    assert not unclear.is_error  # an agent goes on from it as from any answer
    assert unclear.structured_content["result_type"] == "error"
    assert unclear.structured_content["error"]
    for result, words in ((absent, "unicorn"), (kind, "there are camera_to_object"), (program, "")):
        assert result.is_error
        assert words in result.content[0].text
    with pytest.raises(BadRequestError, match="no kind of length"):
        kinds_of("girth", 1)


def write_scene(folder: Path) -> list[str]:
    """An image with depth and calibration; returns the command's arguments for it."""
    frame = seen_frame(0)
    assert frame.depth is not None
    cv2.imwrite(str(folder / "image.png"), frame.image[..., ::-1])
    cv2.imwrite(str(folder / "depth.png"), (frame.depth * 1000).astype(np.uint16))
    k = CAMERA
    matrix = f"[{k.fx}, 0, {k.cx}, 0, {k.fy}, {k.cy}, 0, 0, 1]"
    (folder / "info.yaml").write_text(
        f"image_width: {k.width}\nimage_height: {k.height}\ncamera_name: c\n"
        "distortion_model: plumb_bob\ndistortion_coefficients: {rows: 1, cols: 5, "
        "data: [0, 0, 0, 0, 0]}\n"
        f"camera_matrix: {{rows: 3, cols: 3, data: {matrix}}}\n"
    )
    return [
        "-m", "spatialgeo_ros.cli", "mcp", "--image", str(folder / "image.png"),
        "--depth", str(folder / "depth.png"), "--camera-info", str(folder / "info.yaml"),
    ]  # fmt: skip


def test_over_standard_input_and_output(tmp_path: Path) -> None:
    server = StdioServerParameters(
        command=sys.executable,
        args=write_scene(tmp_path),
        env=dict(os.environ),
        cwd=str(REPOSITORY),
    )
    asked, picture = call(server, ("measure", {"first": "chair"}), ("look", {"phrases": []}))
    assert asked.is_error  # nobody looks for words in this profile, and it says so
    assert "chair" in asked.content[0].text
    assert picture.content[0].mime_type == "image/png"


@contextmanager
def serving(arguments: list[str]) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, *arguments, "--http", str(port)],
        cwd=REPOSITORY, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        _wait_until(lambda: _answers(port) or process.poll() is not None)
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _wait_until(true: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_over_http_on_this_machine_alone(tmp_path: Path) -> None:
    with serving(write_scene(tmp_path)) as address:
        (picture,) = call(address, ("look", {}))
    assert picture.content[0].mime_type == "image/png"


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from spatialgeo_ros.cli import main

    arguments = ["mcp", "--image", str(tmp_path / "a.png"), "--recording", str(tmp_path)]
    assert main(arguments) == 1
    assert "not both" in capsys.readouterr().err
    assert main(["mcp", "--image", str(tmp_path / "a.png")]) == 1
    assert "a.png" in capsys.readouterr().err
