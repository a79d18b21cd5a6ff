# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One recording to tables: what is in them against the truth, kills, refusals, degraded modes."""

from __future__ import annotations

import csv
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rosbags", reason="bags are read with rosbags: pip install rosbags")

from recorded_bag import (  # noqa: E402
    CENTRES,
    FIRST_NS,
    GAP,
    STEP_NS,
    Recorded,
    base_pose,
    stamp_of,
    write_bag,
)

from spatialgeo_ros import cli  # noqa: E402
from spatialgeo_ros.batch.bag_clip import BagClip  # noqa: E402
from spatialgeo_ros.batch.bag_poses import PoseOptions  # noqa: E402
from spatialgeo_ros.batch.run import STATE  # noqa: E402
from spatialgeo_ros.batch.state import StateError, load_state, save_state  # noqa: E402
from spatialgeo_ros.memory.map_file import read_map  # noqa: E402
from spatialgeo_ros.memory.snapshot import Presence  # noqa: E402

QUESTIONS = """
# in words, at the end
How far is the suitcase from the trash can?
{"id": "early", "question": "How far away is the suitcase?", "at": 1.0}
{"id": "stamp", "question": "How far away is the suitcase?", "stamp": "1700000000.523456789"}
{"id": "often", "question": "How many things are there?", "every": 1.5}
{"id": "taller", "question": "Is the trash can taller than the suitcase?"}
{"id": "program", "program": PROGRAM}
{"id": "unknown", "question": "How far away is the piano?"}
{"id": "late", "question": "How far away is the suitcase?", "at": 60}
{"id": "rear", "question": "How far away is the suitcase?", "camera": "rear"}
"""
PROGRAM = {
    "op": "tell_number",
    "number": {"op": "count", "of": {"op": "named", "kind": "suitcase"}},
}
PAIRS = ("--distances", "suitcase,trash can", "--distances", "suitcase")


def questions_file(folder: Path) -> Path:
    path = folder / "questions.txt"
    path.write_text(QUESTIONS.replace("PROGRAM", json.dumps(PROGRAM)))
    return path


def batch(bag: Path, out: Path, *options: str) -> list[str]:
    return ["batch", str(bag), "--out", str(out), "--grounding", "none", *options]


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as stream:
        return list(csv.DictReader(stream))


def answers_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "answers.jsonl").read_text().splitlines()]


def summary_of(out: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return data


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bag(tmp_path_factory.mktemp("bags") / "drive")


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return questions_file(tmp_path_factory.mktemp("asked"))


@pytest.fixture(scope="module")
def done(bag: Path, questions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the whole bag, of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("done")
    assert cli.main(batch(bag, out, "--questions", str(questions), *PAIRS)) == 0
    return out


def test_the_map_is_that_of_the_room(done: Path) -> None:
    rows = rows_of(done / "objects.csv")
    assert [row["label"] for row in rows] == ["suitcase", "trash can"]
    for row in rows:
        centre = np.array([float(row[f"{axis}_m"]) for axis in "xyz"])
        sigma = np.array([float(row[f"sigma_{axis}_m"]) for axis in "xyz"])
        assert (np.abs(centre - CENTRES[row["label"]]) <= 3 * sigma).all()
        assert (sigma < 0.15).all()
        assert float(row["cov_xx_m2"]) == pytest.approx(sigma[0] ** 2, rel=1e-6)
        assert row["frame_id"] == "odom" and row["state"] == "visible"
        assert int(row["sightings"]) == 20 and float(row["existence"]) > 0.95
        assert row["first_seen_s"] == "1700000000.123456789"
        assert row["last_seen_s"] == "1700000003.923456789"
    stored = read_map(done / "map.json")
    assert [one.id for one in stored.objects] == [row["id"] for row in rows]


def test_distances_over_time_are_the_true_ones(done: Path) -> None:
    rows = rows_of(done / "distances.csv")
    assert len(rows) == 2 * 20
    gaps = [row for row in rows if row["kind"] == "nearest_points"]
    assert [row["stamp_s"] for row in gaps[:2]] == ["1700000000.123456789", "1700000000.323456789"]
    assert float(gaps[-1]["elapsed_s"]) == pytest.approx(19 * STEP_NS * 1e-9)
    for row in gaps:
        assert row["valid"] == "true" and row["how_seen"] == "in_view"
        assert abs(float(row["distance_m"]) - GAP) <= 3 * float(row["std_dev_m"])
        assert float(row["std_dev_m"]) < 0.1
    near = [float(row["distance_m"]) for row in rows if row["kind"] == "camera_to_object"]
    assert near[0] > near[10] + 0.05  # the robot turns towards it and passes


def test_answers_are_typed_and_of_their_time(done: Path) -> None:
    answers = answers_of(done)
    by_id = {row["id"]: row for row in answers}
    # In the order of the times that they were asked for.
    asked = [float(row["asked_s"]) for row in answers if row["id"] != "late"]
    assert asked == sorted(asked)
    gap = by_id["q1"]
    assert gap["valid"] and gap["unit"] == "m" and gap["result_type"] == "number"
    truth = float(np.linalg.norm(CENTRES["suitcase"] - CENTRES["trash can"]))
    (told,) = [one for one in gap["lengths"] if one["kind"] == "centre_to_centre"]
    assert abs(told["metres"] - truth) <= 3 * told["std_dev_m"] < 0.5
    assert (gap["error_code"], gap["error_name"]) == (0, "OK")
    assert gap["stamp_s"] == f"{stamp_of(19) // 10**9}.{stamp_of(19) % 10**9:09d}"
    assert by_id["early"]["stamp_s"] == "1700000001.123456789"
    assert by_id["stamp"]["stamp_s"] == "1700000000.523456789"
    for name, k in (("early", 5), ("stamp", 2)):
        camera = base_pose(k).translation + [0.1, 0.0, 0.9]
        value, sigma = by_id[name]["values"][0], by_id[name]["std_devs"][0]
        low, high = np.array([1.8, 0.3, 0.0]), np.array([2.1, 0.8, 0.6])
        nearest = np.linalg.norm(np.clip(camera, low, high) - camera)
        assert value == pytest.approx(nearest, abs=3 * sigma + 0.03)
    often = [row for row in answers if row["id"] == "often"]
    # Of the newest image at 1.5 s and 3 s after the first, and at the end.
    numbers = [round((float(row["stamp_s"]) * 1e9 - FIRST_NS) / STEP_NS) for row in often]
    assert numbers == [7, 15, 19]
    assert all(row["values"] == [2.0] for row in often)
    assert by_id["taller"]["result_type"] == "boolean" and by_id["taller"]["boolean"] is False
    assert by_id["program"]["values"] == [1.0]
    assert not by_id["unknown"]["valid"] and by_id["unknown"]["error_name"] == "PHRASE_NOT_FOUND"
    assert by_id["late"]["error_name"] == "NO_FRAME" and "last image" in by_id["late"]["error"]
    assert by_id["rear"]["error_name"] == "UNKNOWN_CAMERA"


def test_pictures_can_be_read(done: Path) -> None:
    video = cv2.VideoCapture(str(done / "overlay.mp4"))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1])
    assert len(frames) == 20 and frames[0].shape == (240, 320, 3)
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(5.0)
    assert frames[0].std() > 10
    picture = cv2.imread(str(done / "map.png"))
    assert picture is not None and picture.shape == (900, 1200, 3)
    leftover = {path.name for path in done.iterdir()} - {".lock", "summary.csv", "summary.json"}
    assert leftover == set(summary_of(done)["outputs"])


def test_boxes_are_drawn_with_the_pixels_of_their_things(bag: Path) -> None:
    """Followed or not: the middle of a thing is tinted, the wall beside it is not."""
    from spatialgeo_ros.batch.job import SourceOptions
    from spatialgeo_ros.batch.pictures import overlay
    from spatialgeo_ros.batch.source import FrameSource
    from spatialgeo_ros.perception import Perception

    frame = next(iter(FrameSource(bag, SourceOptions()).frames({"camera": 8})))
    perception = Perception()
    observation = perception.observe(frame)
    update = perception.update_map(observation)
    followed = [perception.locate(observation, "suitcase")]
    for sightings in ([], followed):
        picture = overlay(observation, update, sightings, [])
        for region in frame.detections:
            assert region.box is not None
            u, v = (round((region.box[k] + region.box[k + 2]) / 2) for k in (0, 1))
            assert (picture[v, u] != frame.image[v, u]).any(), region.label
        assert (picture[5, 160] == frame.image[5, 160]).all()


def test_the_summary_counts(done: Path) -> None:
    summary = summary_of(done)
    assert (summary["frames"], summary["objects"], summary["objects_gone"]) == (20, 2, 0)
    assert summary["duration_s"] == pytest.approx(3.8)
    assert (summary["answers"], summary["answers_valid"]) == (11, 8)
    assert summary["answers_by_error"] == {
        "NO_FRAME": 1, "PHRASE_NOT_FOUND": 1, "UNKNOWN_CAMERA": 1,
    }  # fmt: skip
    assert (summary["distances"], summary["distances_valid"]) == (40, 40)
    assert "poses come from tf, in the frame 'odom'" in summary["notes"]
    (row,) = rows_of(done / "summary.csv")
    assert (row["status"], row["frames"], row["answers"]) == ("done", "20", "11")


RESULTS = (
    "objects.csv", "answers.jsonl", "distances.csv", "map.json", "map.npz", "map.png",
    "overlay.mp4",
)  # fmt: skip


def test_a_killed_run_goes_on_to_the_very_same_results(
    bag: Path, questions: Path, done: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = batch(bag, out, "--questions", str(questions), *PAIRS, "--save-every", "3")
    running = subprocess.Popen(
        [sys.executable, "-m", "spatialgeo_ros.cli", *command],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    state = out / STATE
    first: int | None = None
    # After the second state, and what the run wrote behind it, in the middle of the work.
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and running.poll() is None:
        if state.exists():
            changed = state.stat().st_mtime_ns
            first = first or changed
            if changed != first:
                break
        time.sleep(0.005)
    running.send_signal(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL, "it was done before it could be killed"
    assert state.exists() and not (out / "summary.json").exists()
    with open(out / "distances.csv", "a") as stream:
        stream.write("half a row that the killed run")
    assert cli.main(command) == 0
    summary = summary_of(out)
    (at,) = summary["resumed_at_frame"]
    assert 6 <= at < 20 and at % 3 == 0
    for name in RESULTS:
        assert (out / name).read_bytes() == (done / name).read_bytes(), name
    for name in ("frames", "answers_by_kind", "distances_valid", "degraded", "duration_s"):
        assert summary[name] == summary_of(done)[name]
    assert not state.exists()


def test_what_is_finished_is_not_done_again(
    bag: Path, questions: Path, done: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {name: (done / name).stat().st_mtime_ns for name in RESULTS}
    command = batch(bag, done, "--questions", str(questions), *PAIRS)
    assert cli.main(command) == 0
    assert {name: (done / name).stat().st_mtime_ns for name in RESULTS} == before
    assert rows_of(done / "summary.csv")[0]["status"] == "finished before"
    # Other options are other work: nothing is replaced unasked.
    assert cli.main([*command, "--stride", "2"]) == 1
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert said.startswith("spatialgeo: ") and "name another --out" in said and "--again" in said
    assert {name: (done / name).stat().st_mtime_ns for name in RESULTS} == before


def test_results_may_lie_within_the_recording(tmp_path: Path) -> None:
    """They are no part of it: it is finished, and not another one."""
    path = write_bag(tmp_path / "bag", Recorded(frames=2))
    command = batch(path, path / "results")
    assert cli.main(command) == 0
    assert cli.main(command) == 0
    assert rows_of(path / "results" / "summary.csv")[0]["status"] == "finished before"


def test_another_calibration_in_the_same_file_is_other_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_bag(tmp_path / "bag", Recorded(frames=2, info=False))
    file = tmp_path / "camera.yaml"
    file.write_text("{fx: 260, fy: 260, cx: 159.5, cy: 119.5, width: 320, height: 240}")
    command = batch(path, tmp_path / "out", "--no-video", "--camera-info", str(file))
    assert cli.main(command) == 0
    file.write_text("{fx: 130.0, fy: 130.0, cx: 159.5, cy: 119.5, width: 320, height: 240}")
    assert cli.main(command) == 1
    assert "--again" in capsys.readouterr().err


def test_again_begins_anew(bag: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert cli.main(batch(bag, out, "--no-video", "--stride", "5")) == 0
    assert cli.main(batch(bag, out, "--no-video", "--stride", "10", "--again")) == 0
    assert summary_of(out)["frames"] == 2


def test_a_damaged_state_is_said_and_the_bag_begun_anew(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = batch(bag, tmp_path, "--no-video", "--save-every", "4")
    stop_after(monkeypatch, 5)
    assert cli.main(command) == 130
    monkeypatch.undo()
    content = bytearray((tmp_path / STATE).read_bytes())
    content[-50] ^= 1
    (tmp_path / STATE).write_bytes(content)
    assert cli.main(command) == 0
    summary = summary_of(tmp_path)
    assert summary["resumed_at_frame"] == [] and summary["frames"] == 20
    assert any("begun anew" in note and "damaged" in note for note in summary["notes"])


class _Intruder:
    """Would write a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


class _ByName:
    """Is saved as Python 3.11.0 to 3.11.3 save a member of an enumeration."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name = owner, name

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (self.owner, self.name)


def test_members_of_enumerations_are_read_as_every_python_saves_them(tmp_path: Path) -> None:
    path = tmp_path / "state"
    for saved in (Presence.GONE, _ByName(Presence, "GONE")):
        save_state(path, "f" * 32, saved, {})
        assert load_state(path, "f" * 32, {}) is Presence.GONE
    for owner, name in ((Presence, "__class__"), (Path("x"), "unlink")):
        save_state(path, "f" * 32, _ByName(owner, name), {})
        with pytest.raises(StateError, match="no part of a state"):
            load_state(path, "f" * 32, {})


def test_a_state_runs_no_code_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "state"
    save_state(path, "f" * 32, {"numbers": np.arange(3), "set": {1, 2}}, {})
    assert load_state(path, "f" * 32, {})["set"] == {1, 2}
    save_state(path, "f" * 32, _Intruder(tmp_path / "made"), {})
    with pytest.raises(StateError, match="no part of a state"):
        load_state(path, "f" * 32, {})
    assert not (tmp_path / "made").exists()
    # Neither do functions of this package, nor classes of others.
    for forbidden in (save_state, subprocess.Popen, pickle.loads):
        save_state(path, "f" * 32, forbidden, {})
        with pytest.raises(StateError):
            load_state(path, "f" * 32, {})
    path.chmod(0o666)
    with pytest.raises(StateError, match="can be written by other users"):
        load_state(path, "f" * 32, {})


def test_what_is_loaded_is_not_in_the_state(tmp_path: Path) -> None:
    path, network = tmp_path / "state", object()
    save_state(path, "f", {"uses": network, "too": network}, {"network": network})
    other = object()
    read = load_state(path, "f", {"network": other})
    assert read["uses"] is other and read["too"] is other


@pytest.mark.parametrize(
    ("what", "options", "words"),
    [
        (Recorded(frames=2, info=False), (), "no camera_info beside /cam/image: record it"),
        (Recorded(frames=2, depth=False), (), "has no depth images"),
        (Recorded(frames=2), ("--poses", "odometry"), "no odometry: record it, or give --poses"),
        (Recorded(frames=2), ("--image-topic", "/other"), "no topic /other"),
        (Recorded(frames=2), ("--start", "20"), "no image from 20 s on"),
        (Recorded(frames=2), ("--topic", "picture=/cam/image"), "write [CAMERA:]ROLE=TOPIC"),
        (Recorded(frames=2), ("--distances", "a,b,c,d"), "is no pair"),
        (Recorded(frames=2), ("--look-rate", "-1"), "--look-rate"),
    ],
)
def test_what_cannot_be_done_is_one_line_with_the_cure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: Recorded, options: Any, words: str
) -> None:
    path = write_bag(tmp_path / "bag", what)
    assert cli.main(batch(path, tmp_path / "out", "--no-video", *options)) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("spatialgeo: ") and words in lines[0]
    assert not (tmp_path / "out" / "summary.json").exists()


def test_where_nothing_names_things_the_summary_says_so(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", Recorded(frames=3, boxes=False))
    assert cli.main(batch(path, tmp_path / "out", "--no-video", *PAIRS)) == 0
    summary = summary_of(tmp_path / "out")
    assert any("nothing looks for words" in note and "--grounding" in note
               for note in summary["notes"])  # fmt: skip
    assert summary["objects"] == 0 and summary["distances_valid"] == 0
    reasons = {row["error"] for row in rows_of(tmp_path / "out" / "distances.csv")}
    assert reasons == {"PHRASE_NOT_FOUND"}


def stop_after(monkeypatch: pytest.MonkeyPatch, frames: int) -> None:
    """Let a run end as by Ctrl-C before its next image."""
    from spatialgeo_ros.batch import run

    see = run._Run._see

    def limited(self: Any, frame: Any) -> None:
        if self._state.frames == frames:
            raise KeyboardInterrupt
        see(self, frame)

    monkeypatch.setattr(run._Run, "_see", limited)


def test_own_networks_go_on_exactly_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What they keep of an image is made again; what was found with them is in the state."""
    path = write_bag(tmp_path / "bag", Recorded(frames=6, boxes=False, depth=False))
    asked = tmp_path / "asked.txt"
    asked.write_text('{"question": "How many things are there?", "every": 0.5}\n')
    options = (
        "--profile", "nano", "--grounding", "profile", "--questions", str(asked), "--look-rate",
        "0", "--save-every", "2", *PAIRS,
    )  # fmt: skip
    assert cli.main(batch(path, tmp_path / "whole", *options)) == 0
    stop_after(monkeypatch, 5)
    assert cli.main(batch(path, tmp_path / "parts", *options)) == 130
    assert "goes on from here" in capsys.readouterr().err
    monkeypatch.undo()
    assert cli.main(batch(path, tmp_path / "parts", *options)) == 0
    summary = summary_of(tmp_path / "parts")
    assert summary["resumed_at_frame"] == [4]
    assert any("depth is predicted by the profile 'nano'" in note for note in summary["notes"])
    assert any("own networks look for things in every image" in n for n in summary["notes"])
    for name in summary["outputs"]:
        whole, parts = (tmp_path / one / name for one in ("whole", "parts"))
        assert whole.read_bytes() == parts.read_bytes(), name


def test_a_state_of_other_code_is_not_gone_on_from(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spatialgeo_ros.batch import state

    command = batch(bag, tmp_path, "--no-video", "--save-every", "4")
    stop_after(monkeypatch, 5)
    assert cli.main(command) == 130
    monkeypatch.undo()
    monkeypatch.setattr(state, "code_digest", lambda: "0" * 64)
    assert cli.main(command) == 0
    summary = summary_of(tmp_path)
    assert summary["resumed_at_frame"] == []
    assert any("begun anew" in note and "another version" in note for note in summary["notes"])


def test_without_poses_there_is_no_map_and_the_summary_says_so(
    tmp_path: Path, questions: Path
) -> None:
    path = write_bag(tmp_path / "bag", Recorded(frames=4, poses=""))
    out = tmp_path / "out"
    command = batch(path, out, "--questions", str(questions), *PAIRS)
    assert cli.main(command) == 0
    assert rows_of(out / "objects.csv") == []
    assert not (out / "map.png").exists() and not (out / "map.json").exists()
    summary = summary_of(out)
    assert any("no object map" in text and "--poses FILE" in text for text in summary["degraded"])
    by_id = {row["id"]: row for row in answers_of(out)}
    assert by_id["q1"]["valid"]  # both are in the picture
    assert by_id["program"]["error_name"] == "NO_MAP"
    assert summary["distances_valid"] == summary["distances"] == 8


def test_transforms_of_the_robot_alone_are_no_world(tmp_path: Path) -> None:
    """The camera on its base stands still in TF, and its map would be one of a robot that does.

    A robot whose odometry was recorded has both: /tf_static, and where the base is.
    """
    path = write_bag(tmp_path / "bag", Recorded(frames=10, poses="odometry", storage="SQLITE3"))
    out = tmp_path / "out"
    assert cli.main(batch(path, out, "--no-video")) == 0
    assert "poses come from odometry, in the frame 'odom'" in summary_of(out)["notes"]
    for row in rows_of(out / "objects.csv"):
        centre = np.array([float(row[f"{axis}_m"]) for axis in "xyz"])
        sigma = np.array([float(row[f"sigma_{axis}_m"]) for axis in "xyz"])
        assert (np.abs(centre - CENTRES[row["label"]]) <= 3 * sigma).all()
    clip = BagClip(path, topics={"odometry": ""}, poses=PoseOptions())
    (shot,) = clip.read([3])
    assert shot.pose is None and "may move with the robot" in shot.problems["pose"]
    named = BagClip(path, topics={"odometry": ""}, poses=PoseOptions(world_frame="base_link"))
    assert next(iter(named.read([3]))).pose is not None  # of a camera that stands still


def test_a_mount_takes_the_place_of_static_transforms(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", Recorded(frames=4, poses="odometry"))
    topics = {"tf_static": ""}
    (bare,) = BagClip(path, topics=topics, poses=PoseOptions()).read([2])
    assert bare.pose is None and "--mount" in bare.problems["pose"]
    mount = (0.1, 0.0, 0.9, 0.0, 0.3, 0.0)
    (there,) = BagClip(path, topics=topics, poses=PoseOptions(mount=mount)).read([2])
    (known,) = BagClip(path, poses=PoseOptions()).read([2])
    assert there.pose is not None and known.pose is not None
    assert np.allclose(there.pose.matrix, known.pose.matrix, atol=1e-9)


def test_a_trajectory_takes_the_place_of_transforms(tmp_path: Path) -> None:
    path = write_bag(tmp_path / "bag", Recorded(frames=4, poses=""))
    lines = []
    from recorded_bag import MOUNT

    for k in range(4):
        pose = base_pose(k) @ MOUNT
        stamp = f"{stamp_of(k) // 10**9}.{stamp_of(k) % 10**9:09d}"
        numbers = (*pose.translation, *pose.quaternion())
        lines.append(" ".join([stamp, *(f"{number:.9f}" for number in numbers)]))
    (tmp_path / "poses.txt").write_text("\n".join(lines))
    out = tmp_path / "out"
    assert cli.main(batch(path, out, "--no-video", "--poses", str(tmp_path / "poses.txt"))) == 0
    assert len(rows_of(out / "objects.csv")) == 2


def test_boxes_belong_to_the_image_of_their_stamp(tmp_path: Path) -> None:
    """They come 60 ms after it, and with every third one alone."""
    path = write_bag(tmp_path / "bag", Recorded(frames=7, every_box=3))
    shots = list(BagClip(path, poses=PoseOptions()).read(range(7)))
    assert [len(shot.detections) for shot in shots] == [2, 0, 0, 2, 0, 0, 2]
    assert [shot.detections_stamp_ns for shot in shots[:2]] == [FIRST_NS, 0]
    out = tmp_path / "out"
    assert cli.main(batch(path, out, "--no-video", *PAIRS)) == 0
    stamps = {row["stamp_s"] for row in rows_of(out / "distances.csv")}
    assert len(stamps) == 3
    assert {row["sightings"] for row in rows_of(out / "objects.csv")} == {"3"}


def test_boxes_without_a_stamp_are_of_no_image(tmp_path: Path) -> None:
    """When they were recorded says nothing: by then another image may be the newest."""
    path = write_bag(tmp_path / "bag", Recorded(frames=4, boxes_stamped=False))
    clip = BagClip(path, poses=PoseOptions())
    assert not any(shot.detections for shot in clip.read(range(4)))
    assert any("4 of 4 messages of boxes have the stamp of no image" in text for text in clip.notes)


@pytest.mark.parametrize(("late", "slop", "paired"), [(15, 0.02, 3), (40, 0.02, 0), (40, 0.05, 3)])
def test_depth_of_another_moment_is_not_taken(
    tmp_path: Path, late: int, slop: float, paired: int
) -> None:
    what = Recorded(frames=3, depth_late_ns=late * 1_000_000)
    path = write_bag(tmp_path / "bag", what)
    clip = BagClip(path, poses=PoseOptions(), depth_ns=round(slop * 1e9))
    assert sum(shot.depth is not None for shot in clip.read(range(3))) == paired
    assert any("no depth image within" in text for text in clip.notes) == (paired < 3)


def test_what_is_out_of_view_has_a_distance_only_where_that_is_asked_for(tmp_path: Path) -> None:
    """The camera turns away after three images; as the node's watches do."""
    path = write_bag(tmp_path / "bag", Recorded(frames=6, turned_from=3))
    pair = ("--no-video", "--distances", "suitcase,trash can")
    assert cli.main(batch(path, tmp_path / "now", *pair)) == 0
    rows = rows_of(tmp_path / "now" / "distances.csv")
    assert [row["valid"] for row in rows] == ["true"] * 3 + ["false"] * 3
    assert {row["distance_m"] for row in rows[3:]} == {""} and "not in view" in rows[3]["reason"]
    assert cli.main(batch(path, tmp_path / "then", *pair, "--remembered")) == 0
    rows = rows_of(tmp_path / "then" / "distances.csv")
    assert [row["how_seen"] for row in rows] == ["in_view"] * 3 + ["remembered"] * 3
    assert [row["valid"] for row in rows] == ["true"] * 6
    assert 0.6 <= float(rows[5]["age_s"]) <= 1.0  # since the last keyframe with both


def test_the_video_has_no_more_images_than_asked_for(bag: Path, tmp_path: Path) -> None:
    assert cli.main(batch(bag, tmp_path, "--video-rate", "2.5")) == 0
    video = cv2.VideoCapture(str(tmp_path / "overlay.mp4"))
    assert video.get(cv2.CAP_PROP_FRAME_COUNT) == 10


def test_part_of_a_recording(bag: Path, tmp_path: Path) -> None:
    command = batch(bag, tmp_path, "--no-video", "--start", "1", "--end", "3", "--stride", "2")
    assert cli.main([*command, *PAIRS]) == 0
    stamps = sorted({row["stamp_s"] for row in rows_of(tmp_path / "distances.csv")})
    assert stamps == [f"{stamp_of(k) // 10**9}.{stamp_of(k) % 10**9:09d}" for k in range(6, 16, 2)]


def test_two_cameras_make_one_map(tmp_path: Path) -> None:
    path = write_bag(
        tmp_path / "bag", Recorded(frames=4, camera="front"), Recorded(frames=4, camera="rear")
    )
    topics = []
    for camera in ("front", "rear"):
        for role, name in (("image", "image"), ("depth", "depth"), ("detections", "detections")):
            topics += ["--topic", f"{camera}:{role}=/{camera}/{name}"]
    asked = tmp_path / "asked.jsonl"
    asked.write_text('{"question": "How far away is the suitcase?", "camera": "rear"}\n')
    out = tmp_path / "out"
    assert cli.main(batch(path, out, *topics, *PAIRS, "--questions", str(asked))) == 0
    assert [row["cameras"] for row in rows_of(out / "objects.csv")] == ["front rear"] * 2
    assert {row["camera"] for row in rows_of(out / "distances.csv")} == {"front", "rear"}
    assert (out / "overlay_front.mp4").exists() and (out / "overlay_rear.mp4").exists()
    (answer,) = answers_of(out)
    assert answer["camera"] == "rear" and answer["valid"]
    # Which is meant has to be said.
    assert cli.main(batch(path, tmp_path / "other")) == 1


def test_a_question_without_a_camera_is_asked_of_all(tmp_path: Path) -> None:
    """The front camera turns away, and its images end early: the rear one answers."""
    seeing = Recorded(frames=16, camera="rear", poses="")
    away = Recorded(frames=4, camera="front", poses="", turned_from=0)
    path = write_bag(tmp_path / "bag", away, seeing)
    topics = []
    for camera in ("front", "rear"):
        for role in ("image", "depth", "detections"):
            topics += ["--topic", f"{camera}:{role}=/{camera}/{role}"]
    asked = tmp_path / "asked.jsonl"
    words = "How far away is the suitcase?"
    asked.write_text(
        f'{{"id": "all", "question": "{words}", "at": 0.3}}\n'
        f'{{"id": "front", "question": "{words}", "at": 0.3, "camera": "front"}}\n'
        f'{{"id": "nowhere", "question": "How far away is the piano?", "at": 0.3}}\n'
        f'{{"id": "end", "question": "How far away is the piano?"}}\n'
    )
    out = tmp_path / "out"
    command = batch(path, out, *topics, "--poses", "none", "--no-video", "--questions", str(asked))
    assert cli.main(command) == 0
    told = {row["id"]: (row["camera"], row["error_name"]) for row in answers_of(out)}
    assert told == {
        "all": ("rear", "OK"),
        "front": ("front", "PHRASE_NOT_FOUND"),
        "nowhere": ("front", "PHRASE_NOT_FOUND"),
        "end": ("rear", "PHRASE_NOT_FOUND"),
    }


def test_one_bad_image_does_not_end_the_run(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from spatialgeo_ros.batch import bag_clip
    from spatialgeo_ros.errors import BadImageError

    whole = bag_clip._colour

    def broken(recording: Any, message: Any) -> Any:
        stamp, image = whole(recording, message)
        if stamp == stamp_of(0):
            raise BadImageError("a JPEG that is cut off")
        return stamp, image

    monkeypatch.setattr(bag_clip, "_colour", broken)
    assert cli.main(batch(bag, tmp_path, "--no-video")) == 0
    summary = summary_of(tmp_path)
    assert summary["frames"] == 19
    assert any("1 images cannot be decoded" in note for note in summary["notes"])
