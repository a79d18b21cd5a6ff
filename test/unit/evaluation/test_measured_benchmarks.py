# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Our geometry as a row of its own, on miniatures with depth whose right answers are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from box_world import Box, camera_pose, render
from checkpoints.profiles import write_profile
from scripted_detector import ScriptedDetector

from spatialgeo_ros.cli import main
from spatialgeo_ros.errors import BadRequestError, NoGeometryError
from spatialgeo_ros.evaluation.benchmarks import datasets
from spatialgeo_ros.evaluation.benchmarks.item import Item
from spatialgeo_ros.evaluation.benchmarks.measured import MeasuredAnswerer
from spatialgeo_ros.evaluation.benchmarks.measured_regions import Body, answer_of
from spatialgeo_ros.evaluation.benchmarks.report import BENCHMARKS, scored
from spatialgeo_ros.evaluation.benchmarks.runner import read_answers
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.grounding.grounder import Grounder
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.networks.loader import load_networks
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.query.relations import clock_hour

WIDTH, HEIGHT = 320, 240
DOCS = Path(__file__).parents[3] / "docs" / "benchmark_tables.md"
CAMERA = PinholeCamera(WIDTH, HEIGHT, 240.0, 240.0, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
RED, BLUE = (200, 40, 30), (40, 60, 200)
# Thin boards that face a level camera at the origin, which looks along x: what is seen of them is
# their whole side. y to the left, z up.
FIRST = Box((2.0, 0.5, 0.1), (2.02, 0.9, 0.6), RED)  # 0.4 m wide, 0.5 m high, on the left
SECOND = Box((3.0, -0.9, 0.4), (3.02, -0.1, 1.6), BLUE)  # 0.8 m wide, 1.2 m high, on the right


def write_camera(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = {"width": WIDTH, "height": HEIGHT, "fx": CAMERA.fx, "fy": CAMERA.fy,
             "cx": CAMERA.cx, "cy": CAMERA.cy}  # fmt: skip
    path.write_text(json.dumps(facts))


def write_png(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)


def run_lengths(mask: np.ndarray) -> list[int]:
    flat = mask.T.reshape(-1).astype(int)
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    return [0, *runs] if flat[0] else runs


def box_of(mask: np.ndarray) -> list[float]:
    rows, columns = np.nonzero(mask)
    return [float(v) for v in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]


@pytest.fixture(scope="module")
def rgpt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows of each category, with truths from the boards themselves."""
    folder = tmp_path_factory.mktemp("rgpt")
    image, depth = render(CAMERA, camera_pose(0.0, 0.0, 1.0), (FIRST, SECOND))
    write_png(folder / "images" / "scenes" / "a.png", image)
    (folder / "depth" / "scenes").mkdir(parents=True)
    np.save(folder / "depth" / "scenes" / "a.npy", depth)
    write_camera(folder / "cameras" / "scenes" / "a.json")
    masks = [(image == colour).all(axis=-1) for colour in (RED, BLUE)]
    # Middles to the right, down and ahead of the camera, by hand.
    first, second = (-0.7, 1.0 - 0.35, 2.0), (0.5, 1.0 - 1.0, 3.0)
    hour = clock_hour(second[0] - first[0], second[2] - first[2])
    rows = {
        "width_data": ("How wide is Region [0]?", "0.40 meters"),
        "height_data": ("How tall is Region [1]?", "1.20 meters"),
        "horizontal_distance_data": (
            "What is the horizontal distance from Region [0] to Region [1]?", "1.20 meters"),
        "vertical_distance_data": (
            "What is the vertical distance between Region [0] and Region [1]?", "0.65 meters"),
        "direction": (
            "If you are at Region [0], where will you find Region [1]?", f"At {hour} o'clock."),
        "tall_predicate": ("Is Region [1] taller than Region [0]?", "Yes."),
        "behind_predicate": ("Is Region [0] behind Region [1]?", "No."),
        "below_predicate": ("Is Region [0] below Region [1]?", "Yes."),
        "left_choice": ("Which is more to the left, Region [1] or Region [0]?", "Region [0]."),
        "thin_choice": ("Which is thinner, Region [0] or Region [1]?", "Region [0]."),
        "big_choice": ("Which is bigger, Region [0] or Region [1]?", "Region [1]."),
    }  # fmt: skip
    lines = [
        {"id": kind, "image_info": {"file_path": "scenes/a.png"}, "text_q": asked,
         "qa_info": {"category": kind, "class": ["board", "panel"]},
         "conversations": [{"value": ""}, {"value": truth}],
         "bbox": [box_of(mask) for mask in masks],
         "rle": [{"size": [HEIGHT, WIDTH], "counts": run_lengths(mask)} for mask in masks]}
        for kind, (asked, truth) in rows.items()
    ]  # fmt: skip
    (folder / "SpatialRGPT-Bench_v1.json").write_text(json.dumps(lines))
    return folder


def test_regions_are_measured_where_depth_lies_beside_the_images(
    rgpt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, constant = tmp_path / "out", tmp_path / "constant"
    arguments = ["evaluate", "spatialrgpt_bench", "--data", str(rgpt), "--out"]
    assert main([*arguments, str(constant), "--model", "constant"]) == 0
    capsys.readouterr()
    arguments += [str(out), "--beside", str(constant)]
    assert main([*arguments, "--model", "measured:none"]) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert table[2].startswith("| **measured (none)** |")
    assert table[3].startswith("| **constant** |")
    assert "\n".join(table) in DOCS.read_text(), f"{DOCS}: put in what the command prints now"
    summary = json.loads((out / "summary.json").read_text())
    said = {record.id: record.output for record in read_answers(out / "answers-1of1.jsonl")}
    scores = summary["scores"]
    assert (scores["comparisons"], scores["numbers"], scores["unread"]) == (100.0, 100.0, 0), said
    truths = {item.id: str(item.truth) for item in datasets.spatialrgpt_bench(rgpt)}
    for kind in ("width_data", "height_data", "horizontal_distance_data", "vertical_distance_data"):
        measured, true = (float(text.split()[0]) for text in (said[kind], truths[kind]))
        assert measured == pytest.approx(true, abs=0.03), kind
    assert said["left_choice"] == "Region [0]."


def test_each_category_has_the_benchmark_s_own_sense() -> None:
    """Of two parallel boards a metre wide, half a metre apart side by side, by hand."""
    across = np.linspace(0, 1, 101)
    first = np.stack([across, np.zeros(101), np.full(101, 2.0)], axis=1)
    bodies = [Body(first), Body(first + [1.5, 0.2, 0.0])]
    names = ["Region [0]", "Region [1]"]

    def metres(category: str) -> float:
        return float(answer_of(category, "", names, bodies).split()[0])

    assert metres("horizontal_distance_data") == pytest.approx(1.5)
    assert metres("vertical_distance_data") == pytest.approx(0.2)
    assert metres("width_data") == pytest.approx(1.0)
    # Of a point at x the nearest of the other is at its edge: sqrt((1.5 - x)^2 + 0.2^2), averaged.
    expected = float(np.hypot(1.5 - across, 0.2).mean())
    assert metres("distance_data") == pytest.approx(expected, abs=0.02)
    assert answer_of("direction", "", names, bodies) == "3 o'clock"
    with pytest.raises(BadRequestError, match="needs 2 regions, not 1"):
        answer_of("distance_data", "", names, bodies[:1])


def test_without_depth_it_is_refused_with_the_file_that_would_help(
    rgpt: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    (data / "images" / "scenes").mkdir(parents=True)
    for name in ("SpatialRGPT-Bench_v1.json", "images/scenes/a.png"):
        (data / name).write_bytes((rgpt / name).read_bytes())
    arguments = ["evaluate", "spatialrgpt_bench", "--data", str(data), "--out", str(out)]
    arguments += ["--model", "measured:none"]
    assert main(arguments) == 0
    records = read_answers(out / "answers-1of1.jsonl")
    assert all(f"{data}/depth/scenes/a.png or .npy" in record.error for record in records)
    assert "11 items failed and count as wrong" in capsys.readouterr().out
    # With depth it is measured, once it is known how the camera sees.
    (data / "depth" / "scenes").mkdir(parents=True)
    (data / "depth/scenes/a.npy").write_bytes((rgpt / "depth/scenes/a.npy").read_bytes())
    assert main(arguments) == 0
    records = read_answers(out / "answers-1of1.jsonl")
    assert all(f"{data}/cameras/scenes/a.yaml or .json" in record.error for record in records)
    (data / "cameras" / "scenes").mkdir(parents=True)
    (data / "cameras/scenes/a.json").write_bytes((rgpt / "cameras/scenes/a.json").read_bytes())
    assert main(arguments) == 0
    assert json.loads((out / "summary.json").read_text())["scores"]["numbers"] == 100.0


def test_the_camera_of_an_image_is_the_one_that_the_depth_command_finds(tmp_path: Path) -> None:
    profile = write_profile("moge2_s", tmp_path)
    image = np.random.default_rng(3).integers(0, 255, (70, 98, 3)).astype(np.uint8)
    write_png(tmp_path / "a.png", image)
    arguments = [str(tmp_path / "a.png"), "--profile", str(profile), "--out",
                 str(tmp_path / "out"), "--device", "cpu"]  # fmt: skip
    assert main(["depth", *arguments]) == 0
    found = json.loads((tmp_path / "out" / "intrinsics.json").read_text())
    networks: Any = load_networks(str(profile), "cpu")
    camera = networks.recovered_camera(View(image, None, None))
    for name in ("width", "height", "fx", "fy", "cx", "cy"):
        assert getattr(camera, name) == pytest.approx(found[name], rel=1e-3), name


def test_a_geometry_network_measures_images_without_depth(rgpt: Path, tmp_path: Path) -> None:
    """Its untrained numbers mean nothing; they come from it, and are answers."""
    data, out = tmp_path / "data", tmp_path / "out"
    (data / "images" / "scenes").mkdir(parents=True)
    for name in ("SpatialRGPT-Bench_v1.json", "images/scenes/a.png"):
        (data / name).write_bytes((rgpt / name).read_bytes())
    profile = write_profile("moge2_s", tmp_path / "profile")
    arguments = ["evaluate", "spatialrgpt_bench", "--data", str(data), "--out", str(out)]
    arguments += ["--model", f"measured:{profile}", "--device", "cpu", "--limit", "1"]
    assert main([*arguments, "--grounding", "none"]) == 0
    (record,) = read_answers(out / "answers-1of1.jsonl")
    assert record.output.endswith(" meters"), record.error
    assert record.facts["depth"] == record.facts["camera"] == "geometry network"


# VSI-Bench: a recording of a room with two boxes, from several places.

BOX = Box((2.6, 0.4, 0.0), (3.1, 1.0, 0.9), RED)
CRATE = Box((2.6, -1.4, 0.0), (3.0, -0.8, 0.5), BLUE)
MIDDLE = (2.8, -0.2)


def towards(x: float, y: float) -> Any:
    """Pose of a camera that looks at the middle of both."""
    return camera_pose(x, y, 1.2, np.arctan2(MIDDLE[1] - y, MIDDLE[0] - x), 0.25)


POSES = [towards(x, y) for x, y in
         ((0.0, 0.0), (0.2, 0.9), (0.2, -1.2), (0.9, 1.9), (0.9, -2.2), (1.8, 2.4), (1.8, -2.7))
        ]  # fmt: skip


def write_recording(folder: Path, depth: bool = True, poses: bool = True) -> None:
    for number, pose in enumerate(POSES):
        image, metres = render(CAMERA, pose, (BOX, CRATE))
        write_png(folder / "color" / f"{number:04d}.png", image)
        if depth:
            millimetres = np.nan_to_num(metres * 1000).astype(np.uint16)
            write_png(folder / "depth" / f"{number:04d}.png", millimetres)
    write_camera(folder / "intrinsics.json")
    if poses:
        lines = [" ".join(str(v) for v in pose.matrix[:3].reshape(-1)) for pose in POSES]
        (folder / "poses.txt").write_text("\n".join(lines) + "\n")


def write_video(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (64, 48))
    writer.write(np.zeros((48, 64, 3), np.uint8))
    writer.release()


def by_colour(image: np.ndarray, phrase: str) -> list[tuple[tuple[float, ...], float]]:
    colour = {"box": RED, "crate": BLUE}.get(phrase)
    mask = np.zeros(image.shape[:2], bool) if colour is None else (image == colour).all(axis=-1)
    return [(tuple(box_of(mask)), 0.9)] if mask.sum() > 50 else []


@pytest.fixture(scope="module")
def vsi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vsi")
    rows = [
        ("object_counting", "How many box(s) are in this room?", "1", None),
        ("object_abs_distance", "Measuring from the closest point of each object, what is the "
         "distance between the box and the crate (in meters)?", "1.2", None),
        ("object_size_estimation", "What is the length of the longest dimension (length, width, or "
         "height) of the box, measured in centimeters?", "90", None),
        ("object_rel_direction_hard", "If I am standing by the crate and facing the box, is "
            "the lamp to the left or the right of the box?", "A", ["A. left", "B. right"]),
    ]  # fmt: skip
    lines = [
        {"id": k, "dataset": "scannet", "scene_name": scene, "question_type": kind,
         "question": asked, "ground_truth": truth, "options": options}
        for scene in ("whole", "no_depth", "no_poses", "alone")
        for k, (kind, asked, truth, options) in enumerate(rows)
    ]  # fmt: skip
    for number, line in enumerate(lines):
        line["id"] = number
    (folder / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for scene in ("whole", "no_depth", "no_poses", "alone"):
        write_video(folder / "scannet" / f"{scene}.mp4")
    write_recording(folder / "scannet" / "whole")
    write_recording(folder / "scannet" / "no_depth", depth=False)
    write_recording(folder / "scannet" / "no_poses", poses=False)
    return folder


def test_recordings_become_maps_that_answer(vsi: Path) -> None:
    perception = Perception(
        None, grounder=Grounder(ScriptedDetector(by_colour)), map_nouns=("box", "crate"),
        way_drift=0.0,
    )  # fmt: skip
    answerer = MeasuredAnswerer(perception, vsi, "scripted")
    items = datasets.vsi_items(vsi)
    answers = {item.id: answerer.answer(item) for item in items[:3]}
    row = scored(BENCHMARKS["vsi_bench"], items[:3], answers).row
    said = {items[int(k)].kind: record.output for k, record in answers.items()}
    assert float(said["object_counting"]) == 1
    # From edge to edge of the boxes, 0.4 to -0.8 along y.
    assert float(said["object_abs_distance"]) == pytest.approx(1.2, abs=0.12)
    assert float(said["object_size_estimation"]) == pytest.approx(90, abs=9)
    assert row["micro"] > 80, said
    # What the map cannot tell is refused, not guessed.
    with pytest.raises(BadRequestError, match="the map has no answer"):
        answerer.answer(items[3])


def test_recordings_that_cannot_be_measured_are_refused_with_the_reason(vsi: Path) -> None:
    answerer = MeasuredAnswerer(Perception(None), vsi, "none")
    reasons = {"no_depth": "has no depth", "no_poses": "has no poses", "alone": "a video alone"}
    for item in datasets.vsi_items(vsi)[4:]:
        assert item.video is not None
        with pytest.raises(NoGeometryError, match=reasons[item.video.stem]):
            answerer.answer(item)


def test_questions_in_words_are_measured_or_refused(rgpt: Path) -> None:
    """SpatialScore: one image with a question; several images, and choices, are not measured."""
    perception = Perception(None, grounder=Grounder(ScriptedDetector(by_colour)))
    answerer = MeasuredAnswerer(perception, rgpt, "scripted")
    image = rgpt / "images" / "scenes" / "a.png"

    def item(question: str, kind: str = "open-ended", images: int = 1) -> Item:
        return Item("a", question, "", f"{kind}|Depth", images=(image,) * images)

    said = answerer.answer(item("How far away is the box?")).output
    # The nearest of the board from the camera, 1 m high: its upper right corner.
    assert float(said.split()[0]) == pytest.approx(np.linalg.norm([2.0, 0.5, 0.4]), abs=0.05)
    assert said.endswith(" m")
    with pytest.raises(BadRequestError, match="choice among texts"):
        answerer.answer(item("Which?", "multi-choice"))
    with pytest.raises(BadRequestError, match="2 images without poses"):
        answerer.answer(item("How far?", images=2))


def test_benchmarks_of_words_are_refused_as_a_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_video(tmp_path / "videos" / "scene1.mp4")
    rows = [{"question_id": "a", "scene_id": "scene1", "question": "What?", "answers": ["chair"]}]
    (tmp_path / "ScanQA_v1.0_val.json").write_text(json.dumps(rows))
    arguments = ["--data", str(tmp_path), "--out", str(tmp_path / "o"), "--model", "measured:none"]
    assert main(["evaluate", "scanqa", *arguments]) == 1
    assert "measured: goes with spatialrgpt_bench, spatialscore" in capsys.readouterr().err
