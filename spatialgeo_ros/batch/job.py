# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is to be done with one recording: plain data, which goes to another process as it is."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spatialgeo_ros.batch.bag_clip import DEPTH_NS
from spatialgeo_ros.batch.bag_poses import PoseOptions
from spatialgeo_ros.batch.questions import BatchQuestion, Pair
from spatialgeo_ros.errors import BadRequestError

#: Name of the only camera of a recording, where none is given.
CAMERA = "camera"
#: Changes when outputs are computed or laid out in another way: older ones are not continued.
_LAYOUT = 1


@dataclass(frozen=True)
class SourceOptions:
    """How a recording is read.

    Attributes:
        cameras: by name, the topics of a bag by role; empty names are found by type.
        camera_info: calibration, as on the command line; None for the recording's own.
        depth_scale: metres per unit of depth images; None for that of their encoding.
        depth_slop_s: most by which stamps of an image and its depth image differ, of a bag.
        world_axes: of a folder's own poses, "optical" or "rep103".
        poses: where they come from.
        start_s: seconds after the first image; images before are left out.
        end_s: the same; images after are left out. None for the end.
        stride: every so many-th image is used.
    """

    cameras: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: {CAMERA: {}})
    camera_info: str | None = None
    depth_scale: float | None = None
    depth_slop_s: float = DEPTH_NS * 1e-9
    world_axes: str = "optical"
    poses: PoseOptions = field(default_factory=PoseOptions)
    start_s: float = 0.0
    end_s: float | None = None
    stride: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.depth_slop_s <= 1:
            raise BadRequestError(f"the depth slop is 0 to 1 s, not {self.depth_slop_s:g}")
        if self.stride < 1:
            raise BadRequestError(f"the stride is 1 or more, not {self.stride}")
        if self.start_s < 0 or (self.end_s is not None and not self.end_s > self.start_s):
            raise BadRequestError(
                f"{self.start_s:g} s to {self.end_s} s is no part of a recording: start at 0 or "
                "later, and end after it"
            )


@dataclass(frozen=True)
class PerceptionOptions:
    """What looks at the images.

    Attributes:
        load: arguments of ``Perception.load``, plain values.
        mount_height: of a camera without poses above the floor, metres; None where unknown.
        mount_pitch: radians that it looks down.
        look_rate: images a second of a camera that own networks look through, where the recording
            has no boxes; 0 for all.
    """

    load: Mapping[str, Any] = field(default_factory=lambda: {"profile": "none"})
    mount_height: float | None = None
    mount_pitch: float = 0.0
    look_rate: float = 2.0


@dataclass(frozen=True)
class Job:
    """One recording and what is wanted of it.

    Attributes:
        path: of the recording.
        out: folder of the results.
        source: how it is read.
        perception: what looks at it.
        questions: asked of it.
        pairs: whose distances are followed.
        remembered: whether distances may be of things that are out of view, as they were seen last.
        video: whether the overlay video is made.
        video_rate: images a second of a camera that it shows at most; 0 for all.
        save_every: images after which the state is saved, so that a killed run can go on from it.
        again: whether what is in the folder is replaced, finished or not.
    """

    path: Path
    out: Path
    source: SourceOptions = field(default_factory=SourceOptions)
    perception: PerceptionOptions = field(default_factory=PerceptionOptions)
    questions: tuple[BatchQuestion, ...] = ()
    pairs: tuple[Pair, ...] = ()
    remembered: bool = False
    video: bool = True
    video_rate: float = 10.0
    save_every: int = 100
    again: bool = False

    def fingerprint(self) -> str:
        """Return what results depend on, as a short text: equal ones are of the same work.

        Raises:
            BadRequestError: the recording cannot be looked at.
        """
        wanted = asdict(self)
        for name in ("out", "save_every", "again"):
            del wanted[name]
        wanted["path"] = str(self.path.resolve())
        try:
            files = list(_files_of(self.path, self.out))
            beside = (self.source.camera_info or "", self.source.poses.source)
            for one in map(Path, filter(None, beside)):
                files += list(_files_of(one, self.out)) if one.is_file() else []
        except OSError as error:
            why = "does not exist" if isinstance(error, FileNotFoundError) else error.strerror
            raise BadRequestError(f"{error.filename or self.path}: {why}") from error
        text = json.dumps([_LAYOUT, wanted, files], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def _files_of(path: Path, out: Path) -> Iterator[tuple[str, int, int]]:
    """Name, size and time of change of every file of a recording, without results in its folder."""
    if not path.is_dir():
        status = os.stat(path)
        yield path.name, status.st_size, status.st_mtime_ns
        return
    out = out.resolve()
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(one for one in folders if Path(folder, one).resolve() != out)
        for name in sorted(names):
            status = os.stat(os.path.join(folder, name))
            relative = os.path.relpath(os.path.join(folder, name), path)
            yield relative, status.st_size, status.st_mtime_ns
