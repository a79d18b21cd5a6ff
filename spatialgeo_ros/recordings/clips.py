# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Videos and folders of images as clips: frames by number, only those asked for are decoded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadImageError, BadRequestError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.recordings.image_codec import check_size, image_format, read_colour_file
from spatialgeo_ros.recordings.rgbd_folder import FolderRecording
from spatialgeo_ros.runtime.input_files import open_input

_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
#: Videos are read frame by frame: only what is no file at all is kept out.
_MOST_VIDEO_BYTES = 1 << 50


@dataclass(frozen=True, eq=False)
class ClipFrame:
    """One frame of a clip.

    Attributes:
        index: its number in the clip, from 0.
        stamp_ns: time in nanoseconds: of exposure, or since the first frame of a video.
        image: [H, W, 3] uint8, RGB.
        depth: [h, w] uint16 millimetres or float32 metres, or None.
        camera: intrinsics where the clip holds any.
        pose: world_from_camera (optical frame), or None.
        frame_id: TF frame of the image; "" where the clip names none.
        world_frame: that ``pose`` refers to; "" where the clip names none.
        detections: boxes of a detector that were recorded for this image.
        detections_stamp_ns: stamp of the detector's message; 0 when there is none for this image.
        depth_frame_id: TF frame of the depth image; "" for that of the image.
        depth_camera: calibration of the depth image, or None when it has none of its own.
        image_from_depth: pose of the depth camera in the image's frame, where known.
        problems: what is missing for this image and why, by "pose", "depth" and "detections".
    """

    index: int
    stamp_ns: int
    image: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.uint16] | npt.NDArray[np.float32] | None = None
    camera: PinholeCamera | None = None
    pose: Pose | None = None
    frame_id: str = ""
    world_frame: str = ""
    detections: tuple[Region, ...] = ()
    detections_stamp_ns: int = 0
    depth_frame_id: str = ""
    depth_camera: PinholeCamera | None = None
    image_from_depth: Pose | None = None
    problems: Mapping[str, str] = field(default_factory=dict)


class Clip(Protocol):
    """Frames in the order of time."""

    def __len__(self) -> int:
        """Return the number of frames."""

    def read(self, indices: Sequence[int]) -> Iterator[ClipFrame]:
        """Yield these frames, one in memory at a time.

        Args:
            indices: ascending, each at most once.

        Raises:
            BadImageError: a frame cannot be decoded.
        """


class VideoClip:
    """A video file, read through OpenCV.

    Attributes:
        rate: frames per second by the container; 0 where it says none.

    Raises:
        BadImageError: the file is missing, or a picture, or OpenCV cannot decode it.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with open_input(self.path, _MOST_VIDEO_BYTES, BadImageError) as stream:
            # OpenCV takes a picture for a clip of one frame, and its size for granted.
            if found := image_format(stream.read(12)):
                raise BadImageError(f"{self.path} is a picture ({found}), no video: use --image")
        capture = self._open()
        self.rate = float(capture.get(cv2.CAP_PROP_FPS))
        # What containers say about their length is an estimate; counting costs a decoding pass.
        self._length = 0
        while capture.grab():
            self._length += 1
        capture.release()
        if not self._length:
            raise BadImageError(f"{self.path} has no frame that can be decoded; {self._cure()}")

    def __len__(self) -> int:
        return self._length

    def read(self, indices: Sequence[int]) -> Iterator[ClipFrame]:
        """Yield these frames; see :class:`Clip`. Frames between are skipped: seeking is inexact."""
        wanted = set(indices)
        capture = self._open()
        try:
            for index in range(max(wanted, default=-1) + 1):
                if not capture.grab():
                    raise BadImageError(f"{self.path} breaks off at frame {index}; {self._cure()}")
                if index not in wanted:
                    continue
                stamp = self._stamp(capture, index)
                there, picture = capture.retrieve()
                if not there:
                    raise BadImageError(f"{self.path}: frame {index} is damaged; {self._cure()}")
                image = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)
                yield ClipFrame(index, stamp, image)
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self.path))
        if not capture.isOpened():
            raise BadImageError(f"{self.path} is no video that OpenCV can read; {self._cure()}")
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        width, height = (int(capture.get(side)) for side in sides)
        check_size(width, height, str(self.path))
        return capture

    def _stamp(self, capture: cv2.VideoCapture, index: int) -> int:
        """Time of the frame just grabbed: the container's, or by the rate where it has none."""
        milliseconds = capture.get(cv2.CAP_PROP_POS_MSEC)
        if milliseconds > 0 or index == 0:
            return round(milliseconds * 1e6)
        return round(index * 1e9 / self.rate) if self.rate > 0 else 0

    def _cure(self) -> str:
        return f"convert it: ffmpeg -i {self.path.name} -c:v libx264 -pix_fmt yuv420p out.mp4"


class FolderClip:
    """A folder of images in the natural order of their names (``frame_9`` before ``frame_10``).

    Attributes:
        rate: frames per second that are assumed.

    Raises:
        BadRequestError: there are no images.
    """

    def __init__(self, folder: str | Path, rate: float = 30.0) -> None:
        self.folder = Path(folder)
        try:
            files = [f for f in self.folder.iterdir() if f.suffix.lower() in _IMAGE_SUFFIXES]
        except OSError as error:
            raise BadRequestError(f"{self.folder} cannot be read: {error.strerror}") from error
        self._files = sorted(files, key=lambda file: _natural(file.name))
        if not self._files:
            raise BadRequestError(
                f"no images in {self.folder}: expected files {', '.join(_IMAGE_SUFFIXES)}, or a "
                "recording with a folder 'color'"
            )
        self.rate = rate

    def __len__(self) -> int:
        return len(self._files)

    def read(self, indices: Sequence[int]) -> Iterator[ClipFrame]:
        """Yield these frames; see :class:`Clip`."""
        for index in indices:
            image = read_colour_file(self._files[index])
            yield ClipFrame(index, round(index * 1e9 / self.rate), image)


class RecordingClip:
    """An RGB-D recording (:class:`FolderRecording`) as a clip."""

    def __init__(self, recording: FolderRecording) -> None:
        self._recording = recording

    def __len__(self) -> int:
        return len(self._recording)

    def read(self, indices: Sequence[int]) -> Iterator[ClipFrame]:
        """Yield these frames; see :class:`Clip`."""
        for index in indices:
            frame = self._recording[index]
            yield ClipFrame(
                index, frame.stamp_ns, frame.image, frame.depth, self._recording.camera, frame.pose
            )


def _natural(name: str) -> list[tuple[int, str]]:
    """Key that sorts numbers within names by their value."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
