# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Many recordings: each in a process of its own, so that the failure of one loses only that one."""

from __future__ import annotations

import contextlib
import multiprocessing
import re
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from spatialgeo_ros.batch.clip_files import is_annotated
from spatialgeo_ros.batch.job import Job
from spatialgeo_ros.batch.outputs import csv_line
from spatialgeo_ros.batch.rows import kinds_text, texts_of
from spatialgeo_ros.batch.run import run_job
from spatialgeo_ros.errors import BadRequestError, SpatialGeoError, escaped
from spatialgeo_ros.recordings.bags import is_bag
from spatialgeo_ros.recordings.rgbd_folder import COLOUR_FOLDERS
from spatialgeo_ros.runtime.files import write_atomically
from spatialgeo_ros.runtime.input_files import read_input_text

_LISTS = (".txt", ".list")
_VIDEOS = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v")
_IMAGES = (".jpg", ".jpeg", ".png")
_MOST_LIST_BYTES = 4_000_000
#: Least time between two reports of a worker, seconds.
_REPORT_S = 0.2
ERROR_FILE = "error.txt"
SUMMARY_COLUMNS = (
    "bag", "out", "status", "frames", "duration_s", "objects", "objects_gone", "answers",
    "answers_valid", "answers_by_kind", "answers_by_error", "distances", "distances_valid",
    "seconds", "problem", "notes", "degraded",
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What came of one recording.

    Attributes:
        job: what was to be done.
        summary: of the run; None where it failed.
        problem: why it failed, in a line; "" where it did not.
    """

    job: Job
    summary: dict[str, Any] | None
    problem: str = ""


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


def run_guarded(job: Job, report: Callable[[int, int], None]) -> Outcome:
    """Work through one recording; whatever it raises becomes a line of its outcome.

    A defect of ours is written with its traceback to ``error.txt`` among the results.
    """
    try:
        return Outcome(job, run_job(job, report))
    except SpatialGeoError as error:
        return Outcome(job, None, str(error))
    except OSError as error:
        named = f"{error.filename}: " if error.filename else ""
        return Outcome(job, None, f"{named}{error.strerror or error}")
    except MemoryError:
        return Outcome(job, None, "there is not enough memory for this")
    except Exception as error:
        with contextlib.suppress(OSError):
            (job.out / ERROR_FILE).write_text(traceback.format_exc())
        words = escaped(f"{type(error).__name__}: {error}", 300)
        return Outcome(job, None, f"internal error ({words}); see {job.out / ERROR_FILE}")


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
    context = multiprocessing.get_context("spawn")
    outcomes: dict[int, Outcome] = {}
    working: dict[Connection, tuple[int, BaseProcess]] = {}
    waiting = list(enumerate(jobs))[::-1]
    try:
        while waiting or working:
            while waiting and len(working) < max(1, workers):
                number, job = waiting.pop()
                ours, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(job, theirs), daemon=True)
                process.start()
                theirs.close()
                working[ours] = number, process
            for ready in wait(list(working)):
                assert isinstance(ready, Connection)
                number, worker = working[ready]
                try:
                    said = ready.recv()
                except (EOFError, OSError):  # it ended without a word
                    worker.join()
                    said = Outcome(jobs[number], None, death_of(worker.exitcode))
                if isinstance(said, Outcome):
                    outcomes[number] = said
                    del working[ready]
                    ready.close()
                    worker.join()
                    end(number, said)
                else:
                    report(number, *said)
    finally:
        for connection, (_, worker) in working.items():
            worker.terminate()
            worker.join()
            connection.close()
    return [outcomes[number] for number in range(len(jobs))]


def death_of(exitcode: int | None) -> str:
    """Say how a worker ended that said nothing."""
    if exitcode is not None and exitcode < 0:
        name = signal.Signals(-exitcode).name
        why = ": the system was perhaps out of memory; use fewer --jobs" if exitcode == -9 else ""
        return f"its process was killed by {name}{why}. Run the command again to go on"
    return f"its process ended with status {exitcode}. Run the command again to go on"


def _work(job: Job, connection: Connection) -> None:
    """What a worker does; it ends when nobody listens any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started it ends it
    told = -_REPORT_S

    def report(done: int, total: int) -> None:
        nonlocal told
        now = time.monotonic()
        if now - told >= _REPORT_S or done >= total:
            told = now
            connection.send((done, total))

    try:
        outcome = run_guarded(job, report)
        connection.send(outcome)
    except BrokenPipeError:
        pass
    finally:
        connection.close()


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
