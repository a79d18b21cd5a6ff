# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The object map of annotated frames: a rendered room with known places, and a real kitchen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from geometry_scene import CAMERA, Block, box_of, render
from map_scene import looking, walls

from spatialgeo_ros import cli
from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.evaluation.annotated_frames import AnnotatedSequence, read_sequence
from spatialgeo_ros.evaluation.map_sequence import map_tables, run_map
from spatialgeo_ros.geometry.pose import Pose

BOARD = (0.4, 0.1, 0.5)
BLOCKS = {
    "ahead": Block(2.2, 0.4, BOARD, yaw=np.pi / 2),
    "beside": Block(2.3, -0.6, BOARD, yaw=np.pi / 2),
    "behind": Block(-2.2, 0.2, BOARD, yaw=np.pi / 2),
}
#: The world of the folder lies on its side, and its origin is a metre above the floor.
LEVEL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
FLOOR = -1.0


def in_folder(point: np.ndarray) -> np.ndarray:
    """A point of the levelled world with the floor at 0 in the world of the folder."""
    return LEVEL.T @ (np.asarray(point) + [0.0, 0.0, FLOOR])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images, three to each side."""
    frames, poses = [], []
    for number in range(6):
        heading = (0.0 if number % 2 == 0 else np.pi) + 0.1 * (number // 2 - 1)
        pose = looking(0.05 * number, 0.0, heading)
        depth, index = render([*BLOCKS.values(), *walls()], pose, CAMERA, wall=100.0)
        cv2.imwrite(str(tmp_path / f"d{number}.png"), np.round(1000 * depth).astype(np.uint16))
        image = np.full((*depth.shape, 3), 120, np.uint8)
        image[index == 0] = (30, 30, 200)
        cv2.imwrite(str(tmp_path / f"c{number}.png"), image)
        objects = [
            {"id": name, "label": "board", "box": [int(v) for v in box_of(index, k)]}
            for k, name in enumerate(BLOCKS)
            if (index == k).any()
        ]
        frames.append(
            {"frame": number, "color": f"c{number}.png", "depth": f"d{number}.png",
             "objects": objects}
        )  # fmt: skip
        matrix = Pose(LEVEL.T @ pose.rotation, in_folder(pose.translation)).matrix
        poses.append({"frame": number, "T_world_camera": matrix.tolist()})
    camera = {"width": 320, "height": 240, "fx": CAMERA.fx, "fy": CAMERA.fy, "cx": CAMERA.cx,
              "cy": CAMERA.cy, "depth_unit_m": 0.001}  # fmt: skip
    # Of a board, what is seen is the side towards the middle of the room.
    seen = {name: block.centre - [np.sign(block.x) * 0.05, 0, 0] for name, block in BLOCKS.items()}
    pairs = [
        {"a": a, "b": b, "center_distance_m": float(np.linalg.norm(seen[a] - seen[b])),
         "center_uncertainty_m": 0.01, "needs_memory": "behind" in (a, b)}
        for a, b in (("ahead", "beside"), ("ahead", "behind"), ("beside", "behind"))
    ]  # fmt: skip
    reference = {
        "level": {"R_level_world": LEVEL.tolist(), "floor_z_along_up_m": FLOOR},
        "objects": {
            name: {"label": "board", "center": in_folder(at).tolist()} for name, at in seen.items()
        },
        "pairs": pairs,
    }
    contents = {
        "annotations.json": {"camera": camera, "frames": frames},
        "reference.json": reference,
        "poses.json": {"frames": poses},
    }
    for name, data in contents.items():
        (tmp_path / name).write_text(json.dumps(data))
    return tmp_path


def test_the_map_of_a_known_room_has_its_things_where_they_are(folder: Path) -> None:
    sequence = read_sequence(folder)
    run = run_map(sequence)
    kinds, pairs, (identities,), centres, single, mixed = (
        table.rows for table in map_tables(sequence, run)
    )
    assert kinds == ({"kind": "board", "annotated": 3, "with_place": 3, "map": 3, "gone": 0},)
    assert identities["identities"] == identities["with_one_id"] == identities["ids"] == 3
    assert identities["sightings"] == 9 and identities["with_the_usual_id_share"] == 1.0
    assert not mixed
    for row in centres:
        assert row["surface_m"] < 0.06 and row["box_m"] < 0.15 and row["sightings"] == 3
    assert [row["seen_together"] for row in single] == ["yes", "no", "no"]
    for row in pairs:
        assert row["n"] == row["in_map"] == (2 if row["pairs"] == "never seen together" else 3)
        assert row["within_8_cm_or_2_sigma_share"] == 1.0


def renamed(sequence: AnnotatedSequence) -> AnnotatedSequence:
    frames = tuple(
        replace(
            frame,
            objects=tuple(
                replace(thing, name=f"{frame.number}/{k}") for k, thing in enumerate(frame.objects)
            ),
        )
        for frame in sequence.frames
    )
    return replace(sequence, frames=frames)


def test_identities_are_withheld_from_the_map(folder: Path) -> None:
    sequence = read_sequence(folder)
    with_names, without = run_map(sequence), run_map(renamed(sequence))
    assert [u.identified for u in with_names.updates] == [u.identified for u in without.updates]


def test_an_id_that_changes_or_is_shared_is_listed(folder: Path) -> None:
    sequence = read_sequence(folder)
    run = run_map(sequence)
    given = {**run.given, "ahead": (*run.given["ahead"], *run.given["beside"][:1])}
    tables = map_tables(sequence, replace(run, given=given))
    (identities,) = tables[2].rows
    assert identities["with_one_id"] == 2 and identities["of_one_identity"] == 2
    assert {row["what"] for row in tables[5].rows} == {"ahead", run.final["beside"]}


def test_what_the_map_lacks_is_not_right(folder: Path) -> None:
    sequence = read_sequence(folder)
    run = run_map(sequence)
    tables = map_tables(sequence, replace(run, final={**run.final, "behind": ""}))
    apart = tables[1].rows[0]
    assert apart["in_map"] == 0 and apart["within_8_cm_or_2_sigma_share"] == 0.0
    assert np.isnan(apart["median_abs_error_m"])


def test_without_poses_there_is_no_map(folder: Path) -> None:
    (folder / "poses.json").unlink()
    with pytest.raises(BadRequestError, match="give poses.json"):
        run_map(read_sequence(folder))


def test_the_command_prints_and_writes_the_tables_of_the_map(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.json"
    arguments = ["evaluate", "sequence", str(folder), "--repetitions", "0", "--json", str(file)]
    assert cli.main(arguments) == 0
    assert "## Object map" in capsys.readouterr().out
    titles = [table["title"] for table in json.loads(file.read_text())["map"]]
    assert titles[:3] == ["map: kinds", "map: pairs", "map: identities"]
    (folder / "poses.json").unlink()
    assert cli.main(arguments) == 0
    assert "note: an object map needs poses" in capsys.readouterr().err
    assert json.loads(file.read_text())["map"] == []
    with pytest.raises(SystemExit):
        cli.main([*arguments, "--pose-sigma", "-1"])


def test_the_map_of_a_real_kitchen(real_sequence: Path) -> None:
    sequence = read_sequence(real_sequence, [real_sequence / "annotations_dev.json"])
    run = run_map(sequence)
    kinds, pairs, (identities,), centres, *_ = (row.rows for row in map_tables(sequence, run))
    for row in kinds:
        if row["kind"] == "chair":
            assert abs(row["map"] - row["annotated"]) <= 1
        elif row["kind"] != "television":  # black screens have no depth
            assert row["map"] == row["annotated"]
    for row in pairs:
        assert row["within_8_cm_or_2_sigma_share"] >= 0.85
    # One of two black screens shows less than half of its depth in every frame: it is no thing.
    assert identities["with_one_id"] == identities["identities"] == 24
    assert identities["of_one_identity"] == identities["ids"]
    small = [r["surface_m"] for r in centres if "chair" not in r["name"] and r["name"] != "table"]
    assert np.median(small) < 0.05 and max(small) < 0.10
