# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The frames of a recording, of all its cameras in the order of time, from any of them on."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from spatialgeo_ros.batch.bag_clip import BagClip
from spatialgeo_ros.batch.bag_poses import SOURCES
from spatialgeo_ros.batch.clip_files import AnnotatedClip, frame_of, is_annotated, open_clip
from spatialgeo_ros.batch.job import SourceOptions
from spatialgeo_ros.errors import BadRequestError, NoCameraInfoError
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.recordings.bags import is_bag
from spatialgeo_ros.recordings.clips import Clip, ClipFrame
from spatialgeo_ros.recordings.rgbd_folder import read_camera


class FrameSource:
    """Opens a recording and yields its frames.

    Args:
        path: of the recording.
        options: how it is read.

    Attributes:
        notes: what was chosen or is missing for all images, in words.
        boxed: cameras with recorded boxes.
        has_depth: whether an image has depth.

    Raises:
        BadRequestError: it cannot be read, or has not what the options name.
        NoCameraInfoError: there is no calibration.
    """

    def __init__(self, path: Path, options: SourceOptions) -> None:
        self._path, self._options = path, options
        if not path.exists():
            raise BadRequestError(f"{path} does not exist")
        self._trajectory = None if is_bag(path) else options.poses.trajectory()
        self._clips: dict[str, Clip] = {
            name: self._open(topics) for name, topics in options.cameras.items()
        }
        self._begin_ns, self.has_depth = self._look_at_first()
        self.boxed = frozenset(name for name, clip in self._clips.items() if _has_boxes(clip))
        self._indices = {name: self._chosen(clip) for name, clip in self._clips.items()}
        if not any(self._indices.values()):
            raise BadRequestError(
                f"{path} has no image from {options.start_s:g} s on: it is shorter than that"
            )

    @property
    def cameras(self) -> tuple[str, ...]:
        """Names of the cameras, the first one leads."""
        return tuple(self._clips)

    @property
    def total(self) -> int:
        """Frames at most."""
        return sum(len(indices) for indices in self._indices.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """What was chosen or is missing for all images, in words."""
        notes: list[str] = []
        for clip in self._clips.values():
            if isinstance(clip, BagClip):
                notes += clip.notes
                if clip.refused:
                    number, why = next(iter(clip.refused.items()))
                    notes.append(
                        f"{len(clip.refused)} images cannot be decoded and were left out; the "
                        f"first is image {number}: {why}"
                    )
        return tuple(dict.fromkeys(notes))

    def frames(self, done: Mapping[str, int]) -> Iterator[Frame]:
        """Yield frames in the order of their stamps; ``sequence`` is their number in the clip.

        Args:
            done: by camera, the number of the last frame that is not wanted any more.
        """
        streams = [self._stream(name, done.get(name, -1)) for name in self._clips]
        return heapq.merge(*streams, key=lambda frame: frame.stamp_ns)

    def _stream(self, name: str, done: int) -> Iterator[Frame]:
        clip = self._clips[name]
        for shot in clip.read([index for index in self._indices[name] if index > done]):
            elapsed = (shot.stamp_ns - self._begin_ns) * 1e-9
            if elapsed < self._options.start_s:
                continue
            if self._options.end_s is not None and elapsed > self._options.end_s:
                continue
            yield frame_of(self._completed(shot), name, shot.index)

    def _completed(self, shot: ClipFrame) -> ClipFrame:
        """Add the calibration and the poses that the options name."""
        camera, pose = shot.camera, shot.pose
        if camera is None and self._options.camera_info:
            height, width = shot.image.shape[:2]
            camera = read_camera(self._options.camera_info, width, height)
        problems = dict(shot.problems)
        if self._trajectory is not None:
            pose = self._trajectory.at(shot.stamp_ns)
            if pose is None:
                span = self._trajectory.span()
                stamp = f"{shot.stamp_ns * 1e-9:.3f} s"
                problems["pose"] = f"the trajectory ({span}) has no pose at {stamp}"
        elif self._options.poses.source == "none" and pose is not None:
            pose, problems["pose"] = None, "poses are switched off with --poses none"
        elif pose is None and "pose" not in problems:
            problems["pose"] = "the recording has none: give --poses FILE"
        return replace(shot, camera=camera, pose=pose, problems=problems)

    def _open(self, topics: Mapping[str, str]) -> Clip:
        options = self._options
        if is_bag(self._path):
            bag = BagClip(
                self._path, options.camera_info, topics, options.depth_scale, options.poses,
                round(options.depth_slop_s * 1e9),
            )  # fmt: skip
            if not bag.has_camera:
                raise NoCameraInfoError(
                    f"{self._path} has no camera_info beside {bag.image_topic}: record it, name it "
                    "with --camera-info-topic, or give --camera-info"
                )
            return bag
        if len(options.cameras) > 1 or topics:
            raise BadRequestError(f"{self._path} is no bag, so it has no topics: leave them out")
        if options.poses.source in SOURCES[1:3]:
            raise BadRequestError(
                f"{self._path} is no bag, so it has no {options.poses.source}: give --poses FILE"
            )
        if self._path.is_dir() and is_annotated(self._path):
            return AnnotatedClip(self._path)
        return open_clip(
            self._path, options.camera_info, options.world_axes, depth_scale=options.depth_scale
        )

    def _look_at_first(self) -> tuple[int, bool]:
        """Stamp of the first image, and whether there is depth."""
        stamps, depth = [], False
        for clip in self._clips.values():
            if isinstance(clip, BagClip):
                stamps.append(clip.stamps_ns[0])
                depth = depth or clip.has_depth
                continue
            first = next(iter(clip.read([0])))
            if first.camera is None and not self._options.camera_info:
                raise NoCameraInfoError(
                    f"{self._path} has no calibration: give --camera-info FILE or FX,FY,CX,CY"
                )
            stamps.append(first.stamp_ns)
            depth = depth or first.depth is not None
        return min(stamps), depth

    def _chosen(self, clip: Clip) -> list[int]:
        """Numbers of the frames that may be wanted."""
        indices = range(0, len(clip), self._options.stride)
        if not isinstance(clip, BagClip):
            return list(indices)
        elapsed = [(clip.stamps_ns[index] - self._begin_ns) * 1e-9 for index in indices]
        end_s = self._options.end_s
        return [
            index
            for index, seconds in zip(indices, elapsed, strict=True)
            if seconds >= self._options.start_s and (end_s is None or seconds <= end_s)
        ]


def _has_boxes(clip: Clip) -> bool:
    return isinstance(clip, AnnotatedClip) or (isinstance(clip, BagClip) and clip.has_boxes)
