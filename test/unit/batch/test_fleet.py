# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Many recordings: which ones are meant, the same results however they run, failures that stay."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rosbags", reason="bags are read with rosbags: pip install rosbags")

from recorded_bag import Recorded, write_bag  # noqa: E402

from spatialgeo_ros import cli  # noqa: E402
from spatialgeo_ros.batch.fleet import (  # noqa: E402
    death_of,
    find_recordings,
    is_recording,
    output_folders,
    run_local,
    with_folders,
)
from spatialgeo_ros.batch.guarded import Outcome  # noqa: E402
from spatialgeo_ros.batch.job import Job, PerceptionOptions  # noqa: E402
from spatialgeo_ros.batch.questions import read_pair  # noqa: E402
from spatialgeo_ros.errors import BadRequestError  # noqa: E402

RESULTS = ("objects.csv", "answers.jsonl", "distances.csv", "map.json", "map.npz", "overlay.mp4")
#: Of a run of its own each time.
RUN_FIELDS = ("seconds", "fingerprint", "bag")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of recordings: two good ones, one that is none, one without a calibration."""
    folder = tmp_path_factory.mktemp("fleet")
    write_bag(folder / "kitchen", Recorded(frames=8))
    write_bag(folder / "office", Recorded(frames=6, storage="SQLITE3", poses="odometry"))
    write_bag(folder / "uncalibrated", Recorded(frames=2, info=False))
    (folder / "garbage").mkdir()
    (folder / "garbage" / "metadata.yaml").write_text("rosbag2_bagfile_information: {}")
    (folder / "garbage" / "garbage_0.mcap").write_bytes(os.urandom(3000))
    (folder / "notes.md").write_text("no recording")
    return folder


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("asked") / "questions.txt"
    path.write_text("How far is the suitcase from the trash can?\nHow many things are there?\n")
    return path


def run(folder: Path, asked: Path, out: Path, *options: str) -> int:
    return cli.main(
        ["batch", str(folder), "--questions", str(asked), "--grounding", "none", "--distances",
         "suitcase,trash can", "--out", str(out), *options]
    )  # fmt: skip


@pytest.fixture(scope="module")
def one_by_one(folder: Path, asked: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("one")
    assert run(folder, asked, out) == 1
    return out


def table_of(out: Path) -> dict[str, dict[str, str]]:
    with open(out / "summary.csv", newline="") as stream:
        return {Path(row["bag"]).name: row for row in csv.DictReader(stream)}


def assert_same(out: Path, other: Path) -> None:
    for name in ("kitchen", "office"):
        for result in RESULTS:
            assert (out / name / result).read_bytes() == (other / name / result).read_bytes()
        ours, theirs = (
            json.loads((one / name / "summary.json").read_text()) for one in (out, other)
        )
        assert {k: v for k, v in ours.items() if k not in RUN_FIELDS} == {
            k: v for k, v in theirs.items() if k not in RUN_FIELDS
        }
    for name, row in table_of(out).items():
        other_row = table_of(other)[name]
        for column in ("status", "frames", "objects", "answers_by_kind", "problem"):
            assert row[column] == other_row[column], (name, column)


def test_one_bad_recording_loses_only_itself(one_by_one: Path) -> None:
    table = table_of(one_by_one)
    assert list(table) == ["garbage", "kitchen", "office", "uncalibrated"]
    assert [row["status"] for row in table.values()] == ["failed", "done", "done", "failed"]
    assert "cannot read the bag" in table["garbage"]["problem"]
    assert "no camera_info" in table["uncalibrated"]["problem"]
    assert table["kitchen"]["answers_by_kind"] == "count 1, number 1"
    assert (table["kitchen"]["frames"], table["office"]["objects"]) == ("8", "2")
    assert not (one_by_one / "garbage" / "error.txt").exists()  # it is no defect of ours


def test_two_at_a_time_give_the_same(
    folder: Path, asked: Path, one_by_one: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run(folder, asked, tmp_path, "--jobs", "2") == 1
    assert_same(tmp_path, one_by_one)
    printed = capsys.readouterr().out
    assert "kitchen" in printed and "done" in printed and "no camera_info" in printed
    # What is finished starts no process again.
    before = (tmp_path / "kitchen" / "summary.json").stat().st_mtime_ns
    shutil.copytree(tmp_path, tmp_path / "copy")
    assert run(folder, asked, tmp_path, "--jobs", "2") == 1
    assert (tmp_path / "kitchen" / "summary.json").stat().st_mtime_ns == before
    assert table_of(tmp_path)["kitchen"]["status"] == "finished before"


def kill_worker(out: Path) -> None:
    """Kill the process that works on a recording as soon as it has done a part."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        table = out / "distances.csv"
        if table.exists() and (out / ".resume.state").exists():
            os.kill(int((out / ".lock").read_text()), signal.SIGKILL)
            return
        time.sleep(0.01)


def jobs_of(folder: Path, out: Path) -> list[Job]:
    paths = [folder / "kitchen", folder / "office"]
    template = Job(
        Path(), Path(), perception=PerceptionOptions({"profile": "none", "grounding": "none"}),
        pairs=(read_pair("suitcase,trash can"),), save_every=2,
    )  # fmt: skip
    return with_folders(template, paths, out)


def check_after_kill(outcomes: list[Outcome], jobs: list[Job]) -> None:
    dead, alive = outcomes
    assert dead.summary is None and "again to go on" in dead.problem
    assert alive.summary is not None and alive.summary["frames"] == 6
    assert (jobs[0].out / ".resume.state").exists()
    resumed, before = run_local(jobs, 1)
    assert resumed.summary is not None and resumed.summary["frames"] == 8
    assert resumed.summary["resumed_at_frame"][0] >= 2
    assert before.summary is not None and before.summary["status"] == "finished before"


def test_a_killed_worker_loses_only_its_recording(folder: Path, tmp_path: Path) -> None:
    jobs = jobs_of(folder, tmp_path)
    killer = threading.Thread(target=kill_worker, args=(jobs[0].out,))
    killer.start()
    told: list[int] = []
    outcomes = run_local(jobs, 2, lambda number, done, total: told.append(number))
    killer.join()
    assert "SIGKILL" in outcomes[0].problem and "out of memory" in outcomes[0].problem
    assert set(told) == {0, 1}
    check_after_kill(outcomes, jobs)


@pytest.fixture
def ray_here() -> Any:
    return pytest.importorskip("ray", reason="Ray is not installed: pip install '.[fleet]'")


def test_a_ray_cluster_gives_the_same(
    ray_here: Any, folder: Path, asked: Path, one_by_one: Path, tmp_path: Path
) -> None:
    assert run(folder, asked, tmp_path, "--ray", "--jobs", "2") == 1
    assert_same(tmp_path, one_by_one)


def test_a_killed_ray_task_loses_only_its_recording(
    ray_here: Any, folder: Path, tmp_path: Path
) -> None:
    from spatialgeo_ros.batch.ray_fleet import run_on_ray

    jobs = jobs_of(folder, tmp_path)
    killer = threading.Thread(target=kill_worker, args=(jobs[0].out,))
    killer.start()
    outcomes = run_on_ray(jobs, "", 2, 0.0)
    killer.join()
    check_after_kill(outcomes, jobs)


def test_without_ray_the_cure_is_named(
    folder: Path, asked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    import sys

    monkeypatch.setitem(sys.modules, "ray", None)
    assert run(folder, asked, tmp_path, "--ray") == 1
    assert "pip install 'spatialgeo_ros[fleet]'" in capsys.readouterr().err


def test_how_a_worker_ended_is_said() -> None:
    assert "SIGSEGV" in death_of(-signal.SIGSEGV) and "memory" not in death_of(-signal.SIGSEGV)
    assert "status 3" in death_of(3)


def test_a_defect_of_ours_leaves_its_traceback(folder: Path, tmp_path: Path) -> None:
    from dataclasses import replace

    (job, _) = jobs_of(folder, tmp_path)
    broken = replace(job, perception=PerceptionOptions({"profile": "none", "wrong": 1}))
    (outcome,) = run_local([broken], 1)
    assert "internal error (TypeError" in outcome.problem
    assert "Traceback" in (job.out / "error.txt").read_text()


# Which recordings are meant


def test_folders_and_lists_of_recordings(folder: Path, tmp_path: Path) -> None:
    names = ["garbage", "kitchen", "office", "uncalibrated"]
    assert [path.name for path in find_recordings([folder])] == names
    assert find_recordings([folder / "kitchen"]) == [folder / "kitchen"]
    (tmp_path / "bags.txt").write_text(f"# of today\n{folder / 'office'}\n\nhere  # moved\n")
    listed = find_recordings([tmp_path / "bags.txt", folder / "office"])
    assert listed == [folder / "office", tmp_path / "here"]
    (tmp_path / "empty.txt").write_text("# nothing\n")
    for path, words in (
        (tmp_path / "empty.txt", "lists no recording"),
        (tmp_path / "missing", "does not exist"),
    ):
        with pytest.raises(BadRequestError, match=words):
            find_recordings([path])
    (tmp_path / "hollow").mkdir()
    with pytest.raises(BadRequestError, match="holds no recording"):
        find_recordings([tmp_path / "hollow"])


def test_a_folder_of_bag_files_is_no_bag(tmp_path: Path) -> None:
    """Files of one bag have its name and a number; others are bags of their own."""
    many, broken = tmp_path / "many", tmp_path / "drive"
    for path in (many / "monday.mcap", many / "tuesday.mcap", broken / "drive_0.mcap"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert not is_recording(many) and is_recording(broken)
    assert [path.name for path in find_recordings([many])] == ["monday.mcap", "tuesday.mcap"]


def test_results_are_no_recording(folder: Path, tmp_path: Path, one_by_one: Path) -> None:
    """Their map is a picture, and their video one."""
    shutil.copytree(one_by_one / "kitchen", tmp_path / "results")
    (tmp_path / "drive.mcap").touch()
    assert find_recordings([tmp_path]) == [tmp_path / "drive.mcap"]


def test_every_recording_has_a_folder_of_its_own(tmp_path: Path) -> None:
    paths = []
    for name in ("a/drive", "b/drive", "a/x.mcap", "a/x.mp4"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch() if path.suffix else path.mkdir()
        paths.append(path)
    folders = output_folders(paths, tmp_path / "out")
    assert [one.name for one in folders] == ["drive", "b_drive", "x", "a_x"]
    assert len(set(folders)) == 4
