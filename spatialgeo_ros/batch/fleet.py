# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Many recordings: each in a process of its own, so that the failure of one loses only that one."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from spatialgeo_ros.batch import worker
from spatialgeo_ros.batch.clip_files import is_annotated
from spatialgeo_ros.batch.guarded import Outcome, outcome_before
from spatialgeo_ros.batch.job import Job
from spatialgeo_ros.batch.outputs import csv_line
from spatialgeo_ros.batch.rows import kinds_text, texts_of
from spatialgeo_ros.batch.run import SUMMARY
from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.recordings.bags import is_bag
from spatialgeo_ros.recordings.rgbd_folder import COLOUR_FOLDERS
from spatialgeo_ros.runtime.files import write_atomically
from spatialgeo_ros.runtime.input_files import read_input_text

_LISTS = (".txt", ".list")
_VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v")
_IMAGES = (".jpg", ".jpeg", ".png")
_MOST_LIST_BYTES = 4_000_000
SUMMARY_COLUMNS = (
    "bag", "out", "status", "frames", "duration_s", "objects", "objects_gone", "answers",
    "answers_valid", "answers_by_kind", "answers_by_error", "distances", "distances_valid",
    "seconds", "problem", "notes", "degraded",
)  # fmt: skip


#: Told number of the job, frames done, frames of all.
FleetReport = Callable[[int, int, int], None]
#: Told number of the job and what came of it.
FleetEnd = Callable[[int, Outcome], None]


def find_recordings(paths: Sequence[Path]) -> list[Path]:
    """Return the recordings that paths mean: one each, all in a folder, or those of a list file.

    A list is a text file (.txt, .list) with a path a line, relative to its folder.

    Raises:
        BadRequestError: a path does not exist or holds none.
    """
    found: list[Path] = []
    for path in paths:
        if path.suffix.lower() in _LISTS and path.is_file():
            found += _listed(path)
        else:
            found += _in_folder(path)
    return list(dict.fromkeys(found))


def is_recording(path: Path) -> bool:
    """Tell whether a path is one recording, whole or not."""
    if not path.is_dir():
        return is_bag(path) or path.suffix.lower() in _VIDEOS
    if (path / SUMMARY).exists():
        return False  # our own results: a map is a picture, too
    if is_annotated(path) or any((path / name).is_dir() for name in COLOUR_FOLDERS):
        return True
    if (path / "metadata.yaml").exists():
        return True
    files = [one for one in path.iterdir() if one.is_file()]
    bags = [one for one in files if is_bag(one)]
    if bags:  # rosbag2 numbers the files of one bag; other names are bags of their own
        number = re.compile(re.escape(path.name) + r"_\d+\.")
        return all(number.match(one.name) for one in bags)
    return any(one.suffix.lower() in _IMAGES for one in files)


def _in_folder(path: Path) -> list[Path]:
    if not path.exists():
        raise BadRequestError(f"{path} does not exist")
    if not path.is_dir() or is_recording(path):
        return [path]
    inside = sorted(one for one in path.iterdir() if is_recording(one))
    if not inside:
        raise BadRequestError(
            f"{path} holds no recording: expected bags, videos, or folders of images in it"
        )
    return inside


def _listed(path: Path) -> list[Path]:
    found: list[Path] = []
    for line in read_input_text(path, _MOST_LIST_BYTES, BadRequestError).splitlines():
        text = line.partition("#")[0].strip()
        if text:
            one = Path(text).expanduser()
            found.append(one if one.is_absolute() else path.parent / one)
    if not found:
        raise BadRequestError(f"{path} lists no recording: write one path a line")
    return found


def output_folders(recordings: Iterable[Path], out: Path) -> list[Path]:
    """Return a folder for the results of each recording, named after it, no two alike."""
    taken: set[str] = set()
    folders = []
    for path in recordings:
        resolved = path.resolve()
        name = resolved.name if resolved.is_dir() else resolved.stem
        if name in taken:
            name = f"{resolved.parent.name}_{name}"
        base, number = name, 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name)
        folders.append(out / name)
    return folders


def run_local(
    jobs: Sequence[Job],
    workers: int,
    report: FleetReport = lambda number, done, total: None,
    end: FleetEnd = lambda number, outcome: None,
) -> list[Outcome]:
    """Work through recordings on this machine, each in a process of its own.

    Args:
        jobs: the recordings.
        workers: how many at a time.
        report: told how far each is.
        end: told what came of each.

    Returns:
        Outcomes in the order of the jobs. A process that dies makes its job fail, no other.
    """
    outcomes: dict[int, Outcome] = {}
    working: dict[int, subprocess.Popen[bytes]] = {}
    said: queue.Queue[tuple[int, dict[str, Any] | Outcome]] = queue.Queue()
    outcomes.update(settled_before(jobs, end))
    waiting = [(number, job) for number, job in enumerate(jobs) if number not in outcomes][::-1]
    try:
        while waiting or working:
            while waiting and len(working) < max(1, workers):
                number, job = waiting.pop()
                working[number] = _start(job)
                listener = threading.Thread(
                    target=_listen, args=(number, job, working[number], said), daemon=True
                )
                listener.start()
            number, words = said.get()
            if isinstance(words, Outcome):
                outcomes[number] = words
                del working[number]
                end(number, words)
            else:
                report(number, words["done"], words["total"])
    finally:
        for process in working.values():
            process.kill()
            process.wait()
    return [outcomes[number] for number in range(len(jobs))]


def settled_before(jobs: Sequence[Job], end: FleetEnd) -> dict[int, Outcome]:
    """Return, by the number of the job, what came of those that nothing is left to do for."""
    settled = {}
    for number, job in enumerate(jobs):
        outcome = outcome_before(job)
        if outcome is not None:
            settled[number] = outcome
            end(number, outcome)
    return settled


def _start(job: Job) -> subprocess.Popen[bytes]:
    """Start a worker; a session of its own keeps Ctrl-C for whoever started it."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(
        [sys.executable, "-m", worker.__name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        env=environment, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stream:  # it is heard to be dead
        stream.write(pickle.dumps(job))
    return process


def _listen(
    number: int,
    job: Job,
    process: subprocess.Popen[bytes],
    said: queue.Queue[tuple[int, dict[str, Any] | Outcome]],
) -> None:
    """Pass on what a worker says, and at its end what came of its job."""
    assert process.stdout is not None
    outcome: Outcome | None = None
    with process.stdout as stream:
        for line in stream:
            try:
                words = json.loads(line)
            except ValueError:  # it died in the middle of a line
                break
            if "done" in words:
                said.put((number, words))
            else:
                outcome = Outcome(job, words["summary"], words["problem"])
    status = process.wait()
    said.put((number, outcome or Outcome(job, None, death_of(status))))


def death_of(status: int) -> str:
    """Say how a worker ended that said nothing, by its exit status (negative: a signal)."""
    if status < 0:
        name = signal.Signals(-status).name
        memory = status == -signal.SIGKILL
        why = ": the system was perhaps out of memory; use fewer --jobs" if memory else ""
        return f"its process was killed by {name}{why}. Run the command again to go on"
    return f"its process ended with status {status}. Run the command again to go on"


def write_summary(out: Path, outcomes: Sequence[Outcome]) -> Path:
    """Write the one table of all recordings, ``summary.csv``; return its path.

    Raises:
        OSError: it cannot be written.
    """
    lines = [csv_line(SUMMARY_COLUMNS)]
    for outcome in outcomes:
        row = summary_row(outcome)
        lines.append(csv_line([row[name] for name in SUMMARY_COLUMNS]))
    path = out / "summary.csv"
    write_atomically(path, b"".join(lines))
    return path


def summary_row(outcome: Outcome) -> dict[str, Any]:
    """Return the row of a recording."""
    row: dict[str, Any] = dict.fromkeys(SUMMARY_COLUMNS)
    row.update(bag=str(outcome.job.path), out=str(outcome.job.out), problem=outcome.problem)
    if outcome.summary is None:
        row["status"] = "failed"
        return row
    found = outcome.summary
    row.update({name: found[name] for name in SUMMARY_COLUMNS if name in found and name != "bag"})
    row["answers_by_kind"] = kinds_text(found["answers_by_kind"])
    row["answers_by_error"] = kinds_text(found["answers_by_error"])
    row["notes"], row["degraded"] = texts_of(found["notes"]), texts_of(found["degraded"])
    return row


def table_text(outcomes: Sequence[Outcome]) -> str:
    """Return the table for people: a line a recording."""
    names = ("bag", "status", "frames", "duration_s", "objects", "answers", "seconds")
    rows: list[tuple[str, ...]] = [names]
    for outcome in outcomes:
        row = summary_row(outcome)
        row["bag"] = outcome.job.out.name
        if outcome.summary is not None:
            row["answers"] = f"{row['answers_valid']}/{row['answers']}"
        rows.append(tuple("" if row[name] is None else f"{row[name]}" for name in names))
    widths = [max(len(row[k]) for row in rows) for k in range(len(names))]
    lines = ["  ".join(cell.ljust(widths[k]) for k, cell in enumerate(row)).rstrip()
             for row in rows]  # fmt: skip
    lines += [f"{one.job.path}: {one.problem}" for one in outcomes if one.problem]
    return "\n".join(lines)


def with_folders(template: Job, recordings: Sequence[Path], out: Path) -> list[Job]:
    """Return the jobs of recordings that are alike but for path and folder."""
    folders = output_folders(recordings, out)
    return [
        replace(template, path=path, out=folder)
        for path, folder in zip(recordings, folders, strict=True)
    ]
