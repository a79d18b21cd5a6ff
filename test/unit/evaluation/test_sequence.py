# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Measuring annotated frames: a folder with known truth, malformed folders, the command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from spatialgeo_ros import cli
from spatialgeo_ros.errors import BadImageError, BadRequestError, NoCameraInfoError
from spatialgeo_ros.evaluation.annotated_frames import AnnotatedSequence, read_sequence
from spatialgeo_ros.evaluation.sequence import (
    Condition,
    Known,
    PairRecord,
    Records,
    conditions_of,
    counted_objects,
    counted_pairs,
    given_box,
    measure_sequence,
    observe,
    read_images,
)
from spatialgeo_ros.evaluation.sequence_tables import (
    details_of,
    format_table,
    halves,
    records_json,
    summary_of,
    worst_objects,
)
from spatialgeo_ros.geometry.distance import Kind
from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.perception import Perception

# A camera 1.2 m above the floor, at the origin of a world that lies on its head (z down), looks
# horizontally along -y.
FOCAL, WIDTH, HEIGHT = 300.0, 320, 240
EYE = 1.2
#: Upright boards: left, right, bottom, top as the camera sees them (x right, height above the
#: floor), and how far ahead they stand; metres.
BOARDS = {"red": (-0.5, -0.2, 0.9, 1.3, 1.5), "blue": (0.1, 0.5, 0.9, 1.3, 1.5)}
WALL = 3.0


def pixels(x: float, height: float, ahead: float) -> tuple[float, float]:
    return (
        WIDTH / 2 + FOCAL * x / ahead,
        HEIGHT / 2 + FOCAL * (EYE - height) / ahead,
    )


def world(x: float, height: float, ahead: float) -> list[float]:
    return [x, -ahead, EYE - height]


@pytest.fixture
def contents() -> dict[str, Any]:
    """JSON files of the folder by name and the unit of its depth; tests change them at first."""
    objects = []
    for name, (x0, x1, low, high, ahead) in BOARDS.items():
        u0, v0 = pixels(x0, high, ahead)
        u1, v1 = pixels(x1, low, ahead)
        objects.append(
            {"id": name, "label": "board", "box": [u0, v0, u1, v1], "truncated": False,
             "occluded": False, "sliver": False}
        )  # fmt: skip
    hung = {"id": "cut", "label": "board", "box": [0, 0, 20, 20], "truncated": True,
            "occluded": False, "sliver": False}  # fmt: skip
    frames = [
        {"frame": number, "color": "color/1.png", "depth": "depth/1.png",
         "objects": [*objects, hung]}
        for number in (4, 9, 12)
    ]  # fmt: skip
    camera = {"width": WIDTH, "height": HEIGHT, "fx": FOCAL, "fy": FOCAL, "cx": WIDTH / 2,
              "cy": HEIGHT / 2, "depth_unit_m": 0.001}  # fmt: skip
    centres = {
        name: {"label": "board", "center": world((x0 + x1) / 2, (low + high) / 2, ahead)}
        for name, (x0, x1, low, high, ahead) in BOARDS.items()
    }
    matrix = np.eye(4)
    matrix[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]  # columns: the camera's axes
    reference = {
        "level": {"R_level_world": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
                  "floor_z_along_up_m": -EYE},
        "objects": {**centres, "cut": {"label": "board", "center": None}},
        "pairs": [{"a": "red", "b": "blue", "gap_m": 0.3, "gap_uncertainty_m": 0.01,
                   "center_distance_m": 0.65, "center_uncertainty_m": 0.01}],
    }  # fmt: skip
    poses = {"frames": [{"frame": n, "T_world_camera": matrix.tolist()} for n in (4, 9, 12)]}
    return {
        "annotations_a.json": {"camera": camera, "frames": frames},
        "reference.json": reference,
        "poses.json": poses,
        "unit": 0.001,
    }


@pytest.fixture
def write(tmp_path: Path, contents: dict[str, Any]) -> Callable[[], Path]:
    """Write the folder as ``contents`` says."""

    def written() -> Path:
        folder = tmp_path / "sequence"
        for name in ("color", "depth"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        rows = np.arange(HEIGHT)[:, None] - HEIGHT / 2
        with np.errstate(divide="ignore"):
            floor = np.where(rows > 0, EYE * FOCAL / rows, np.inf)
        depth = np.minimum(WALL, np.broadcast_to(floor, (HEIGHT, WIDTH))).copy()
        image = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
        for k, (x0, x1, low, high, ahead) in enumerate(BOARDS.values()):
            u0, v0 = np.ceil(pixels(x0, high, ahead)).astype(int)
            u1, v1 = np.floor(pixels(x1, low, ahead)).astype(int)
            depth[v0 : v1 + 1, u0 : u1 + 1] = ahead
            image[v0 : v1 + 1, u0 : u1 + 1] = (200, 40, 40 + 100 * k)
        cv2.imwrite(
            str(folder / "depth" / "1.png"), np.round(depth / contents["unit"]).astype(np.uint16)
        )
        cv2.imwrite(str(folder / "color" / "1.png"), image)
        for name, data in contents.items():
            if name.endswith(".json") and data is not None:
                (folder / name).write_text(json.dumps(data))
        return folder

    return written


def measured(sequence: AnnotatedSequence, repetitions: int = 0) -> Records:
    records = Records()
    for _, part in measure_sequence(sequence, conditions_of(sequence, repetitions)):
        records += part
    return records


def test_a_folder_with_known_truth_gives_the_right_tables(write: Callable[[], Path]) -> None:
    sequence = read_sequence(write())
    assert sequence.notes == ("no reference centre: cut (not counted as objects)",)
    records = measured(sequence)
    objects, pairs = summary_of(records)
    assert [row["known"] for row in objects.rows] == [one.value for one in Known]
    for row in objects.rows:
        assert row["n"] == 6 and row["refused"] == 0
        assert row["median_error_m"] == pytest.approx(0, abs=0.01)
        assert row["within_5_cm_share"] == 1 and row["over_15_cm_off_or_refused_share"] == 0
    assert [(row["known"], row["kind"]) for row in pairs.rows][:2] == [
        ("pose and floor", "centres"), ("pose and floor", "gap")
    ]  # fmt: skip
    for row in pairs.rows:
        assert row["n"] == 3 and row["valid_share"] == 1
        assert row["median_abs_error_m"] < 0.03
        assert row["within_5_cm_or_2_sigma_share"] == 1 and row["valid_and_badly_wrong"] == 0
    by_label, worst, refused, invalid = details_of(records)
    assert {row["label"] for row in by_label.rows} == {"board"}
    assert not (worst.rows or refused.rows or invalid.rows)
    assert format_table(worst).endswith("none")


def test_errors_are_split_along_and_across_the_ray(
    write: Callable[[], Path], contents: dict[str, Any]
) -> None:
    centre = contents["reference.json"]["objects"]["red"]["center"]
    centre[1] += 0.3  # the reference is nearer to the camera than what is found
    records = measured(read_sequence(write()))
    for one in records.objects:
        if one.name == "red":
            assert one.error_m == pytest.approx(0.3, abs=0.01)
            assert one.along_m == pytest.approx(0.3, abs=0.03) and one.across_m < 0.1
            assert one.along_m**2 + one.across_m**2 == pytest.approx(one.error_m**2)
    objects, _ = summary_of(records)
    assert all(row["over_15_cm_off_or_refused_share"] == 0.5 for row in objects.rows)
    assert {one.name for one in worst_objects(records, 3)} == {"red"}


def test_an_object_without_depth_is_refused_and_its_pairs_are_invalid(
    write: Callable[[], Path],
) -> None:
    folder = write()
    file = str(folder / "depth" / "1.png")
    depth = cv2.imread(file, cv2.IMREAD_UNCHANGED)
    depth[:, : WIDTH // 2] = 0
    cv2.imwrite(file, depth)
    records = measured(read_sequence(folder))
    objects, pairs = summary_of(records)
    for row in objects.rows:
        assert row["refused"] == 3 and row["within_5_cm_share"] == 0.5
        assert row["over_15_cm_off_or_refused_share"] == 0.5
    assert all(
        row["valid_share"] == 0 and row["within_5_cm_or_2_sigma_share"] == 0
        and row["valid_and_over_15_cm_off_share"] == 0
        for row in pairs.rows
    )  # fmt: skip
    _, worst, refused, invalid = details_of(records)
    assert {row["name"] for row in refused.rows} == {"red"} and not worst.rows
    assert len(invalid.rows) == 18 and all("measured pixels" in r["reason"] for r in invalid.rows)
    assert worst_objects(records, 1)[0].refusal
    assert records_json(records)["objects"][0]["error_m"] is None


def test_the_centre_is_completed_where_the_depth_image_ends_in_the_box(
    write: Callable[[], Path], contents: dict[str, Any]
) -> None:
    """The middle of the readings, and the middle of what is seen, are counted each by itself."""
    folder = write()
    whole = {one.name: one for one in measured(read_sequence(folder)).objects}
    box = contents["annotations_a.json"]["frames"][0]["objects"][0]["box"]
    for file in (folder / "depth").iterdir():
        depth = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        depth[:, : round((2 * box[0] + box[2]) / 3)] = 0
        cv2.imwrite(str(file), depth)
    records = measured(read_sequence(folder))
    for one in records.objects:
        if one.name == "red":
            assert one.unread_share == pytest.approx(1 / 3, abs=0.05)
            assert one.centre_error_m < 0.5 * one.error_m
            assert one.centre_sigma_m > 1.5 * whole["red"].centre_sigma_m
        else:
            assert one.unread_share == 0
            assert one.centre_error_m == pytest.approx(one.error_m, abs=0.01)
    objects, _ = summary_of(records)
    for row in objects.rows:
        assert row["centre_within_5_cm_share"] == 1
        assert row["centre_over_15_cm_off_or_refused_share"] == 0
        assert row["centre_within_2_sigma_and_reference_share"] == 1
        assert row["median_centre_error_m"] < 0.03


@pytest.mark.parametrize(
    ("field", "value"), [("truncated", True), ("sliver", True), ("label", "table")]
)
def test_what_does_not_count(
    write: Callable[[], Path], contents: dict[str, Any], field: str, value: Any
) -> None:
    contents["annotations_a.json"]["frames"][0]["objects"][0][field] = value
    sequence = read_sequence(write())
    frame = sequence.frames[0]
    assert [thing.name for thing in counted_objects(sequence, frame)] == ["blue"]
    assert len(counted_pairs(sequence, frame)) == (1 if field == "label" else 0)


def test_shares_of_pairs_count_as_defined() -> None:
    one = PairRecord(
        Condition(Known.POSE), 1, 0, "a", "b", Kind.NEAREST_POINTS, 1.0, 0.04, 1.03, 0.01, True, ""
    )
    records = Records(
        pairs=(
            one,  # 3 cm off, 3 sigma; with the reference's own, within one
            replace(one, distance_m=1.30, sigma_m=0.2),  # off, and says that it may be
            replace(one, distance_m=1.20, sigma_m=0.05),  # off by 4 sigma
            replace(one, distance_m=np.nan, sigma_m=np.nan, valid=False, reason="too uncertain"),
        )
    )
    (row,) = summary_of(records)[1].rows
    assert row["n"] == 4 and row["valid_share"] == 0.75
    assert row["within_5_cm_share"] == 0.25
    assert row["within_5_cm_or_2_sigma_share"] == 0.5
    assert row["valid_and_over_15_cm_off_share"] == 0.5
    assert row["within_1_sigma_share"] == 0 and row["within_2_sigma_share"] == 0.25
    assert row["within_1_sigma_and_reference_share"] == 0.25
    assert row["within_2_sigma_and_reference_share"] == 0.5
    assert row["valid_and_badly_wrong"] == 1
    _, worst, _, invalid = details_of(records)
    assert [entry["distance_m"] for entry in worst.rows] == [1.20]
    assert [entry["reason"] for entry in invalid.rows] == ["too uncertain"]


def test_boxes_are_moved_alike_whatever_is_known(write: Callable[[], Path]) -> None:
    sequence = read_sequence(write())
    frame = sequence.frames[0]
    red, blue, _ = frame.objects
    box = given_box(frame, red, Condition(Known.POSE, 0.03, 0))
    assert box == given_box(frame, red, Condition(Known.NOTHING, 0.03, 0)) != red.box
    assert box != given_box(frame, red, Condition(Known.POSE, 0.03, 1))
    moves = [
        np.subtract(given_box(frame, blue, Condition(Known.POSE, 0.03, k)), blue.box)
        for k in range(300)
    ]
    sizes = np.array([80, 80, 80, 80]) * 0.03  # both boards: 0.4 m at 1.5 m, 300 px focal length
    assert np.std(moves, axis=0) == pytest.approx(sizes, rel=0.15)
    small = replace(red, box=(10.0, 10.0, 14.0, 14.0))
    narrow = replace(frame, objects=(small,))
    moved = [given_box(narrow, small, Condition(Known.POSE, 0.03, k)) for k in range(300)]
    assert np.std(moved, axis=0) == pytest.approx(1.0, rel=0.2), "at least a pixel"


def test_only_what_is_known_is_told(write: Callable[[], Path]) -> None:
    sequence = read_sequence(write())
    frame = sequence.frames[0]
    told = {
        known: observe(sequence, frame, read_images(frame), known)[1].frame.pose for known in Known
    }
    whole, turned = told[Known.POSE], told[Known.GRAVITY]
    assert whole is not None and turned is not None and told[Known.NOTHING] is None
    assert whole.translation == pytest.approx([0, 0, EYE])
    assert turned.translation == pytest.approx([0, 0, 0]), "no camera is on the floor"
    for pose in (whole, turned):
        assert gravity_in_camera(pose) == pytest.approx([0, 1, 0])


def test_halves_divide_the_frames_by_position(write: Callable[[], Path]) -> None:
    records = measured(read_sequence(write()))
    even, odd = halves(records)
    assert {one.frame for one in even.objects} == {4, 12}
    assert {one.frame for one in odd.pairs} == {9}
    assert len(even.objects) + len(odd.objects) == len(records.objects)


def without_poses(contents: dict[str, Any]) -> None:
    contents["poses.json"] = None


def without_one_pose(contents: dict[str, Any]) -> None:
    contents["poses.json"]["frames"].pop()


def without_floor(contents: dict[str, Any]) -> None:
    contents["reference.json"]["level"]["floor_z_along_up_m"] = None


def without_level(contents: dict[str, Any]) -> None:
    del contents["reference.json"]["level"]


def without_box(contents: dict[str, Any]) -> None:
    for frame in contents["annotations_a.json"]["frames"]:
        frame["objects"][2] = {"id": "cut"}


def without_depth(contents: dict[str, Any]) -> None:
    contents["annotations_a.json"]["frames"][1]["depth"] = "depth/none.png"


def without_pairs(contents: dict[str, Any]) -> None:
    del contents["reference.json"]["pairs"]


def without_objects(contents: dict[str, Any]) -> None:
    del contents["reference.json"]["objects"]


def in_quarters_of_millimetres(contents: dict[str, Any]) -> None:
    contents["annotations_a.json"]["camera"]["depth_unit_m"] = contents["unit"] = 0.00025


def twice(contents: dict[str, Any]) -> None:
    contents["annotations_b.json"] = contents["annotations_a.json"]


@pytest.mark.parametrize(
    ("change", "words", "known", "objects", "pairs"),
    [
        (without_poses, "measured without poses only", [Known.NOTHING], 0, 6),
        (without_one_pose, "frame 12 has no pose", list(Known), 12, 14),
        (without_floor, "the floor is unknown", [Known.GRAVITY, Known.NOTHING], 12, 12),
        (without_level, "gravity and floor are unknown", [Known.NOTHING], 6, 6),
        (without_box, "frame 9: cut is left out, it has no box", list(Known), 18, 18),
        (without_depth, "frame 9 is left out: no depth file 'depth/none.png'", list(Known), 12, 12),
        (without_pairs, "no distance is compared", list(Known), 18, 0),
        (without_objects, "no object's place is compared", list(Known), 0, 18),
        (in_quarters_of_millimetres, "no reference centre: cut", list(Known), 18, 18),
        (twice, "frame 4 is annotated twice: annotations_b.json", list(Known), 18, 18),
    ],
)
def test_what_is_missing_is_said_and_the_rest_is_measured(
    write: Callable[[], Path],
    contents: dict[str, Any],
    change: Callable[[dict[str, Any]], None],
    words: str,
    known: list[Known],
    objects: int,
    pairs: int,
) -> None:
    change(contents)
    sequence = read_sequence(write())
    assert any(words in note for note in sequence.notes), sequence.notes
    assert [one.known for one in conditions_of(sequence, 0)] == known
    records = measured(sequence)
    assert (len(records.objects), len(records.pairs)) == (objects, pairs)
    assert all(one.error_m < 0.01 for one in records.objects)


def put(contents: dict[str, Any], *path: Any) -> dict[str, Any]:
    """Replace a value; the last of ``path`` is the new one."""
    *steps, last, value = path
    place = contents
    for step in steps:
        place = place[step]
    place[last] = value
    return contents


@pytest.mark.parametrize(
    ("path", "kind", "words"),
    [
        (("annotations_a.json", None), BadRequestError, "no annotations*.json"),
        (("reference.json", None), BadRequestError, "reference.json does not exist"),
        (("reference.json", []), BadRequestError, "must be a JSON object"),
        (("annotations_a.json", "frames", {}), BadRequestError, "'frames' must be a list"),
        (("annotations_a.json", "frames", []), BadRequestError, "the list 'frames' is empty"),
        (("annotations_a.json", "frames", 0, "frame", "one"), BadRequestError, "'one'"),
        (("annotations_a.json", "frames", 0, "objects", 0, {}), BadRequestError, "no 'id'"),
        (("annotations_a.json", "camera", None), NoCameraInfoError, "no 'camera'"),
        (("annotations_a.json", "camera", "fx", None), NoCameraInfoError, "no number for fx"),
        (("annotations_a.json", "camera", "depth_unit_m", 0), BadRequestError, "metres per unit"),
        (("reference.json", "objects", "red", "center", [1500, 2, 3]), BadRequestError, "metres"),
        (("reference.json", "pairs", [{"a": "red"}]), BadRequestError, "'a' and 'b'"),
        (("reference.json", "level", "R_level_world", [[2, 0], [0, 1]]), BadRequestError, "3x3"),
        (("poses.json", "frames", 1, "T_world_camera", "x"), BadRequestError, "of frame 9"),
    ],
)
def test_a_malformed_folder_is_refused_by_name(
    write: Callable[[], Path],
    contents: dict[str, Any],
    path: tuple[Any, ...],
    kind: type[Exception],
    words: str,
) -> None:
    put(contents, *path)
    with pytest.raises(kind) as caught:
        read_sequence(write())
    assert words in str(caught.value)


def test_images_of_another_size_than_the_camera_are_refused(
    write: Callable[[], Path], contents: dict[str, Any]
) -> None:
    contents["annotations_a.json"]["camera"]["width"] = 640
    sequence = read_sequence(write())
    with pytest.raises(BadImageError, match="is 320x240, but the annotations' camera is 640x240"):
        measured(sequence)


def test_the_command_prints_tables_and_writes_records_and_pictures(
    write: Callable[[], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, pictures = tmp_path / "out.json", tmp_path / "pictures"
    status = cli.main(
        ["evaluate", "sequence", str(write()), "--repetitions", "1", "--halves", "--json",
         str(file), "--worst", "2", "--pictures", str(pictures)]
    )  # fmt: skip
    captured = capsys.readouterr()
    assert status == 0
    assert "## odd frames" in captured.out and "| pose and floor | 3% off | 6 |" in captured.out
    assert "note: no reference centre: cut" in captured.err
    report = json.loads(file.read_text())
    assert report["frames"] == 3 and set(report["tables"]) == {"all", "even", "odd"}
    assert len(report["records"]["objects"]) == 3 * 2 * 3 * 2
    assert report["records"]["pairs"][0]["known"] == "pose and floor"
    drawn = sorted(pictures.glob("*.png"))
    assert len(drawn) == 2
    assert all(cv2.imread(str(path)).shape[1] >= 3 * 120 for path in drawn)


def test_the_command_refuses_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["evaluate", "sequence", str(tmp_path / "none")]) == 1
    assert cli.main(["evaluate", "sequence", str(tmp_path), "--pictures", "x"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2 and "is no folder" in lines[0] and "--worst N" in lines[1]


def test_both_evaluations_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["evaluate", "--help"])
    text = capsys.readouterr().out
    assert "--questions" in text and "sequence" in text


def test_the_simulator_is_named_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "mujoco", None)
    monkeypatch.setattr(Perception, "load", lambda *_, **__: Perception(None))
    assert cli.main(["evaluate"]) == 2
    assert "pip install mujoco" in capsys.readouterr().err


def test_neither_simulator_nor_torch_nor_ros_is_loaded(write: Callable[[], Path]) -> None:
    program = (
        "import sys; from spatialgeo_ros import cli; "
        f"status = cli.main(['evaluate', 'sequence', {str(write())!r}, '--repetitions', '0']); "
        "print(status, {'mujoco', 'torch', 'rclpy'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.splitlines()[-1] == "0 set()", run.stderr


def test_a_real_kitchen(real_sequence: Path) -> None:
    """Counts are those of the annotations; the bounds leave a margin for other machines."""
    sequence = read_sequence(real_sequence, [real_sequence / "annotations_dev.json"])
    objects, pairs = summary_of(measured(sequence))
    for row in objects.rows:
        assert row["n"] == 144
        assert row["within_5_cm_share"] >= 0.70
        assert row["over_15_cm_off_or_refused_share"] <= 0.04
    # The boxes say where the objects are: a pose moves an object or two at most.
    for name in ("within_5_cm_share", "over_15_cm_off_or_refused_share"):
        shares = [float(row[name]) for row in objects.rows]
        assert np.ptp(shares) <= 2 / 144
    for row in pairs.rows:
        assert row["n"] == 99 and row["valid_share"] > 0.9
        if row["kind"] == "gap":
            assert row["within_5_cm_or_2_sigma_share"] >= 0.88
            assert row["valid_and_badly_wrong"] <= 1
        else:
            assert row["within_5_cm_or_2_sigma_share"] > 0.5
