# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""One recording worked through: frames observed in order, tables written, killed runs continued."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from spatialgeo_ros.batch.folder_lock import locked
from spatialgeo_ros.batch.job import Job
from spatialgeo_ros.batch.outputs import (
    GrowingFile,
    GrowingTable,
    PictureSpool,
    csv_line,
    json_line,
)
from spatialgeo_ros.batch.pictures import jpeg_of, map_picture, overlay, write_video
from spatialgeo_ros.batch.questions import BatchQuestion, Schedule
from spatialgeo_ros.batch.rows import (
    DISTANCE_COLUMNS,
    OBJECT_COLUMNS,
    answer_row,
    ask,
    distance_row,
    measure_pair,
    object_rows,
)
from spatialgeo_ros.batch.run_state import CameraView, RunState
from spatialgeo_ros.batch.source import FrameSource
from spatialgeo_ros.batch.state import OtherWorkError, StateError, load_state, save_state
from spatialgeo_ros.errors import (
    BadRequestError,
    NoFrameError,
    NoGeometryError,
    SpatialGeoError,
    UnknownCameraError,
    escaped,
)
from spatialgeo_ros.mcp_server.file_robot import png
from spatialgeo_ros.mcp_server.results import SpatialReply
from spatialgeo_ros.memory.detected import MapUpdate
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.observation import Mount, Observation
from spatialgeo_ros.memory.snapshot import Presence
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.runtime.files import write_atomically, write_json_atomically
from spatialgeo_ros.runtime.input_files import read_json
from spatialgeo_ros.scene.sighting import SightedEstimate, Sighting

_LOGGER = logging.getLogger(__name__)

#: Told how many frames are done, and of how many.
Report = Callable[[int, int], None]

SUMMARY = "summary.json"
STATE = ".resume.state"
_LOCK = ".lock"
#: Share of the time between two images after which the next one is due.
_EARLY = 0.9
#: Metres between two places of the way on the map, and most of them.
_WAY_STEP, _MOST_WAY = 0.05, 20_000
#: How much older than the newest image of all a camera's may be, nanoseconds: the node's
#: ``max_frame_age``.
_STALE_NS = 2_000_000_000
_MOST_REMARKS = 40  # of what was missing, in different words


def run_job(job: Job, report: Report = lambda done, total: None) -> dict[str, Any]:
    """Work through one recording and return the summary that is also written.

    A finished one is not done again; one that was killed goes on.

    Args:
        job: the recording and what is wanted of it.
        report: told how far it is.

    Raises:
        SpatialGeoError: recording, options or profile cannot be used; says why and the cure.
        OSError: the results cannot be written.
    """
    job.out.mkdir(parents=True, exist_ok=True)
    with locked(job.out / _LOCK):
        finished = finished_before(job)
        if finished is not None:
            return finished
        if job.again:
            for name in (SUMMARY, STATE):
                (job.out / name).unlink(missing_ok=True)
        return _Run(job, job.fingerprint(), report).work()


def finished_before(job: Job) -> dict[str, Any] | None:
    """Return the summary of a job that an earlier run has finished; None where there is work.

    Raises:
        BadRequestError: its folder holds the results of other work.
    """
    path = job.out / SUMMARY
    if job.again or not path.exists():
        return None
    data = read_json(path, BadRequestError)
    if not isinstance(data, dict):
        raise BadRequestError(f"{path} is no summary of a run: delete it, or name another --out")
    if data.get("fingerprint") != job.fingerprint():
        raise _other_results(job.out)
    return {**data, "status": "finished before"}


def _other_results(out: Path) -> BadRequestError:
    return BadRequestError(
        f"{out} holds results of other options, or of another recording: name another --out, or "
        "replace them with --again"
    )


def _is_due(stamp_ns: int, last_ns: int | None, rate: float) -> bool:
    """Tell whether an image's turn has come, where at most ``rate`` a second are taken; 0: all.

    Images that come a little early are taken: the clock of a camera is not that even.
    """
    if last_ns is None or rate <= 0 or stamp_ns < last_ns:
        return True
    return (stamp_ns - last_ns) * rate >= _EARLY * 1e9


class _Run:
    """The work on one recording, from where it stands to its end."""

    def __init__(self, job: Job, fingerprint: str, report: Report) -> None:
        self._job, self._fingerprint, self._report = job, fingerprint, report
        self._started = time.monotonic()
        self._notes: list[str] = []
        self._source = FrameSource(job.path, job.source)
        self._state = RunState()
        self._perception = self._load()
        try:
            self._say_what_is_missing()
            self._take_up()
        except BaseException:
            self._perception.close()
            raise
        self._schedule = Schedule(job.questions, self._state.first_ns, self._state.asked)
        self._state.asked = self._schedule.asked
        self._files = self._open_files()

    def _load(self) -> Perception:
        options = self._job.perception
        mounts = {}
        if options.mount_height is not None:
            mount = Mount.from_pitch(options.mount_height, options.mount_pitch)
            mounts = dict.fromkeys(self._source.cameras, mount)
        return Perception.load(
            **options.load,
            mounts=mounts,
            lead_camera=self._source.cameras[0],
            clock=self._state.clock,
        )

    def _say_what_is_missing(self) -> None:
        """Note what own networks stand in for; refuse what nothing does.

        Raises:
            NoGeometryError: nothing can be measured.
        """
        networks = self._perception.networks
        profile = self._job.perception.load["profile"]
        if not self._source.has_depth:
            self._notes.append(
                f"no depth images were recorded: depth is predicted by the profile '{profile}'"
            )
        bare = sorted(set(self._source.cameras) - self._source.boxed)
        if bare and self._perception.locator.can_ground:
            rate = self._job.perception.look_rate
            how = f"in {rate:g} images a second" if rate else "in every image"
            self._notes.append(
                f"no boxes were recorded of {', '.join(bare)}: own networks look for things {how}"
            )
        elif bare:
            self._notes.append(
                f"no boxes were recorded of {', '.join(bare)}, and nothing looks for words: things "
                "are not named, and the object map gets none of them; name the topic with "
                "--detections-topic, or choose a detector with --grounding"
            )
        if not self._source.has_depth and not (networks is not None and networks.has_geometry):
            raise NoGeometryError(
                f"{self._job.path} has no depth images, and the profile '{profile}' has no "
                "geometry network, so that nothing can be measured: record depth, name it with "
                "--depth-topic, or choose a profile that predicts it, for example --profile moge2_s"
            )

    def _take_up(self) -> None:
        """Go on with a saved state, where there is one of the same work."""
        path = self._job.out / STATE
        try:
            saved = load_state(path, self._fingerprint, self._perception.loaded)
        except OtherWorkError as error:
            raise _other_results(self._job.out) from error
        except StateError as error:
            self._notes.append(f"begun anew: {path.name} cannot be used: {error}")
            _LOGGER.warning("%s: %s", self._job.path, self._notes[-1])
            saved = None
        if saved is None:
            path.unlink(missing_ok=True)
            return
        self._perception, self._state = saved
        self._state.resumed.append(self._state.frames)

    def _open_files(self) -> dict[str, GrowingFile]:
        out, offsets = self._job.out, self._state.offsets
        files: dict[str, GrowingFile] = {
            "answers.jsonl": GrowingFile(out / "answers.jsonl", offsets.get("answers.jsonl", 0)),
            "distances.csv": GrowingTable(
                out / "distances.csv", DISTANCE_COLUMNS, offsets.get("distances.csv", 0)
            ),
        }
        for camera in self._source.cameras if self._job.video else ():
            name = self._spool_name(camera)
            files[name] = PictureSpool(out / name, offsets.get(name, 0))
        return files

    def _spool_name(self, camera: str) -> str:
        return f".{self._video_name(camera)}.spool"

    def _video_name(self, camera: str) -> str:
        if len(self._source.cameras) == 1:
            return "overlay.mp4"
        return f"overlay_{re.sub(r'[^A-Za-z0-9_-]', '_', camera)}.mp4"

    def work(self) -> dict[str, Any]:
        """Do what is left; see :func:`run_job`."""
        state, total = self._state, self._source.total
        try:
            self._report(state.frames, total)
            for frame in self._source.frames(state.done):
                self._see(frame)
                if state.frames % self._job.save_every == 0:
                    self._save()
                self._report(state.frames, total)
            return self._finish()
        finally:
            for file in self._files.values():
                file.close()
            self._perception.close()

    # One frame

    def _see(self, frame: Frame) -> None:
        state = self._state
        if state.first_ns is None:
            state.first_ns = frame.stamp_ns
            self._schedule.begin(frame.stamp_ns)
        for when, question in self._schedule.due(frame.stamp_ns):
            self._ask(question, when)
        state.clock.seconds = frame.stamp_ns * 1e-9
        observation = self._perception.observe(frame)
        view = state.views.setdefault(frame.camera, CameraView(observation))
        view.latest = observation
        update: MapUpdate | None = None
        sightings: list[Sighting] = []
        estimates: list[SightedEstimate] = []
        if self._looks(frame, view):
            update = self._perception.update_map(observation)
            if update.cleared:
                self._remark(f"object map cleared: {update.cleared}")
            elif not update.used:
                self._remark(update.reason)
            sightings, estimates = self._measure(observation)
        for text in (*observation.degraded, *frame.problems.values()):
            self._remark(text)
        if self._job.video and _is_due(frame.stamp_ns, view.drawn_ns, self._job.video_rate):
            view.drawn_ns = frame.stamp_ns
            picture = overlay(observation, update, sightings, estimates)
            self._file(self._spool_name(frame.camera), PictureSpool).add(jpeg_of(picture))
            state.pictures[frame.camera] += 1
        if frame.camera == self._source.cameras[0] and frame.pose is not None:
            self._go(float(frame.pose.translation[0]), float(frame.pose.translation[1]))
        state.done[frame.camera] = frame.sequence
        state.last_ns = max(state.last_ns, frame.stamp_ns)
        state.frames += 1

    def _looks(self, frame: Frame, view: CameraView) -> bool:
        """Tell whether things are looked for in an image: it has boxes, or it is due."""
        if frame.camera in self._source.boxed:
            if frame.detections_stamp_ns or frame.detections:
                view.boxed = view.latest
                return True
            return False
        if not _is_due(frame.stamp_ns, view.looked_ns, self._job.perception.look_rate):
            return False
        view.looked_ns = frame.stamp_ns
        return True

    def _measure(self, observation: Observation) -> tuple[list[Sighting], list[SightedEstimate]]:
        state = self._state
        found: dict[str, Sighting] = {}
        estimates = []
        for pair in self._job.pairs:
            measured, sightings = measure_pair(
                self._perception, pair, observation, self._job.remembered
            )
            names = (pair.first, pair.second)
            found.update(zip(names, sightings, strict=False))
            valid = isinstance(measured, SightedEstimate) and measured.valid
            if isinstance(measured, SightedEstimate) and valid:
                estimates.append(measured)
            row = distance_row(pair, measured, observation, state.first_ns or 0)
            self._file("distances.csv", GrowingTable).add(row)
            state.distances += 1
            state.distances_valid += valid
        return list(found.values()), estimates

    def _go(self, x: float, y: float) -> None:
        way = self._state.way
        if not way or abs(x - way[-1][0]) + abs(y - way[-1][1]) > _WAY_STEP:
            way.append((x, y))
        if len(way) > _MOST_WAY:
            del way[1::2]

    def _remark(self, text: str) -> None:
        """Count what was missing; texts that differ in numbers alone are one."""
        key = re.sub(r"\d+(\.\d+)?", "#", text)
        seen = self._state.degraded
        if key in seen or len(seen) < _MOST_REMARKS:
            number, first = seen.get(key, (0, text))
            seen[key] = number + 1, first

    # Questions

    def _ask(self, question: BatchQuestion, asked_ns: int, why_not: str = "") -> None:
        camera = question.camera or self._source.cameras[0]
        seen = self._asked_images(question)
        error: SpatialGeoError | None
        if camera not in self._source.cameras:
            names = ", ".join(self._source.cameras)
            error = UnknownCameraError(f"there is no camera '{camera}': there are {names}")
        elif why_not or not seen:
            why = why_not or "no image has come from it yet"
            error = NoFrameError(f"camera '{camera}' has no image of that time: {why}")
        else:
            reply, error, seen_ns, asked = ask(self._perception, question, seen)
            name, stamp = asked.frame.camera, asked.frame.stamp_ns
            row = answer_row(question, asked_ns, reply, error, name, stamp, seen_ns)
            self._answered(row, error)
            return
        reply = SpatialReply("", result_type="error", error=str(error))
        self._answered(answer_row(question, asked_ns, reply, error, camera, None, 0), error)

    def _asked_images(self, question: BatchQuestion) -> list[Observation]:
        """Return what a question is asked about: of all cameras, as by the node, if it names none.

        A camera whose images ended before those of the others is then left out.
        """
        views = self._state.views
        if question.camera:
            return [views[question.camera].asked()] if question.camera in views else []
        seen = [views[name] for name in self._source.cameras if name in views]
        if question.program:
            seen = seen[:1]
        newest = max((one.latest.frame.stamp_ns for one in seen), default=0)
        fresh = [one for one in seen if newest - one.latest.frame.stamp_ns <= _STALE_NS]
        return [one.asked() for one in fresh]

    def _answered(self, row: dict[str, Any], error: SpatialGeoError | None) -> None:
        state = self._state
        self._file("answers.jsonl", GrowingFile).write(json_line(row))
        state.answers += 1
        state.valid += bool(row["valid"])
        state.kinds[str(row["result_type"])] += 1
        if error is not None:
            state.errors[str(row["error_name"])] += 1

    def _file(self, name: str, kind: type[Any]) -> Any:
        file = self._files[name]
        assert isinstance(file, kind)
        return file

    # The end, and before it

    def _save(self) -> None:
        """Have the files on the disk, then the state that says how much of them counts."""
        state = self._state
        before, state.seconds = state.seconds, state.seconds + self._taken()
        state.offsets = {name: file.sync() for name, file in self._files.items()}
        saved = (self._perception, state)
        path = self._job.out / STATE
        save_state(path, self._fingerprint, saved, self._perception.loaded)
        state.seconds = before

    def _taken(self) -> float:
        return time.monotonic() - self._started

    def _finish(self) -> dict[str, Any]:
        state, out = self._state, self._job.out
        if state.first_ns is None:
            raise BadRequestError(f"{self._job.path} has no image in the part that is wanted")
        for when, question, why in self._schedule.rest(state.last_ns):
            self._ask(question, when, why)
        for file in self._files.values():
            file.sync()
        snapshot = self._perception.scene.map_snapshot()
        lines = [csv_line(OBJECT_COLUMNS)]
        for row in object_rows(snapshot):
            lines.append(csv_line([row[name] for name in OBJECT_COLUMNS]))
        write_atomically(out / "objects.csv", b"".join(lines))
        outputs = ["objects.csv", "answers.jsonl", "distances.csv"]
        if snapshot.frame:
            self._perception.save_objects(out / "map.json")
            outputs += ["map.json", "map.npz"]
        picture = map_picture(self._perception, state.way, self._job.path.name)
        if picture is not None:
            write_atomically(out / "map.png", png(picture))
            outputs.append("map.png")
        outputs += self._write_videos()
        gone = sum(one.state is Presence.GONE for one in snapshot.objects)
        summary = {
            "bag": str(self._job.path),
            "status": "done",
            "frames": state.frames,
            "duration_s": round((state.last_ns - state.first_ns) * 1e-9, 6),
            "cameras": list(self._source.cameras),
            "frame_id": snapshot.frame,
            "objects": len(snapshot.objects) - gone,
            "objects_gone": gone,
            "answers": state.answers,
            "answers_valid": state.valid,
            "answers_by_kind": dict(sorted(state.kinds.items())),
            "answers_by_error": dict(sorted(state.errors.items())),
            "distances": state.distances,
            "distances_valid": state.distances_valid,
            "notes": [*self._notes, *self._source.notes],
            "degraded": self._degraded(),
            "outputs": outputs,
            "resumed_at_frame": state.resumed,
            "seconds": round(state.seconds + self._taken(), 3),
            "fingerprint": self._fingerprint,
        }
        write_json_atomically(out / SUMMARY, summary)
        for name in self._files:
            if name.endswith(".spool"):
                (out / name).unlink(missing_ok=True)
        (out / STATE).unlink(missing_ok=True)
        return summary

    def _degraded(self) -> list[str]:
        """What was missing, the most frequent first, and in how many of the frames."""
        seen = dict(self._state.degraded)
        if self._perception.missing_grounding:
            seen["grounding"] = self._state.frames, self._perception.missing_grounding
        rows = sorted(seen.values(), key=lambda row: (-row[0], row[1]))
        return [f"{number} times: {escaped(text, 400)}" for number, text in rows]

    def _write_videos(self) -> list[str]:
        state, names = self._state, []
        seconds = (state.last_ns - (state.first_ns or 0)) * 1e-9
        for camera, count in sorted(state.pictures.items()):
            rate = (count - 1) / seconds if seconds > 0 and count > 1 else 1.0
            name = self._video_name(camera)
            try:
                write_video(self._job.out / self._spool_name(camera), self._job.out / name, rate)
                names.append(name)
            except SpatialGeoError as error:
                self._notes.append(f"no video: {error}")
        return names


def summary_text(summary: dict[str, Any]) -> str:
    """Return a summary for people, with what was degraded."""
    lines = [
        f"{summary['bag']}: {summary['frames']} frames of {summary['duration_s']:g} s, "
        f"{summary['objects']} objects, {summary['answers_valid']} of {summary['answers']} answers "
        f"valid, {summary['distances_valid']} of {summary['distances']} distances valid, "
        f"{summary['seconds']:g} s of work"
    ]
    if summary["answers_by_error"]:
        lines.append(f"  without an answer: {json.dumps(summary['answers_by_error'])}")
    lines += [f"  note: {text}" for text in (*summary["notes"], *summary["degraded"])]
    return "\n".join(lines)
