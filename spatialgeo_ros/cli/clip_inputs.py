# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open what a command was given as a clip: a video, a folder of images, a recording or a bag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatialgeo_ros.cli.inputs import read_camera
from spatialgeo_ros.errors import BadRequestError, NoCameraInfoError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.node.conversions import camera_for_image, stamp_to_ns
from spatialgeo_ros.node.image_conversions import (
    compressed_depth_to_array,
    compressed_to_rgb,
    depth_to_array,
    image_to_rgb,
)
from spatialgeo_ros.recordings.bags import BAG_ROLES, BagMessage, BagRecording, is_bag
from spatialgeo_ros.recordings.clips import Clip, ClipFrame, FolderClip, RecordingClip, VideoClip
from spatialgeo_ros.recordings.depth_file import scaled_depth
from spatialgeo_ros.recordings.rgbd_folder import (
    CALIBRATION_FILES,
    COLOUR_FOLDERS,
    FolderRecording,
)

#: Roles whose topics are not looked for: a clip has none of them.
_UNUSED = dict.fromkeys(set(BAG_ROLES) - {"image", "camera_info", "depth"}, "")
#: A depth image belongs to a colour image when their times differ by no more, nanoseconds.
_PAIRED_NS = 50_000_000


def open_clip(
    path: Path,
    camera_info: str | None = None,
    world_axes: str = "optical",
    *,
    topics: Mapping[str, str] | None = None,
    depth_scale: float | None = None,
) -> Clip:
    """Open a clip; nothing but its length and calibration is read yet.

    Args:
        path: video file, folder of images, recording (a folder with ``color/``), or ROS 2 bag.
        camera_info: as on the command line; without it, what recordings and bags hold themselves.
        world_axes: of a recording's own poses, "optical" or "rep103".
        topics: of a bag, by role, where they are named.
        depth_scale: metres per unit of its depth images; None for those of the encoding.

    Raises:
        BadRequestError, BadImageError: it is none of these, or holds no images.
    """
    if not path.exists():
        raise BadRequestError(f"{path} does not exist")
    if is_bag(path):
        return open_bag(path, camera_info, topics=topics, depth_scale=depth_scale)
    if topics:
        raise BadRequestError(f"{path} is no bag, so it has no topics: leave their options out")
    colour = next((path / name for name in COLOUR_FOLDERS if (path / name).is_dir()), None)
    if colour is None and depth_scale is not None:
        raise BadRequestError(f"{path} has no depth images, so --depth-scale says nothing")
    if not path.is_dir():
        return VideoClip(path)
    if colour is None:
        return FolderClip(path)
    images = FolderClip(colour)
    camera = None
    if camera_info:
        height, width = next(images.read([0])).image.shape[:2]
        camera = read_camera(camera_info, width, height)
    try:
        return RecordingClip(
            FolderRecording(path, camera, world_axes=world_axes, depth_scale=depth_scale)
        )
    except NoCameraInfoError:
        if any((path / name).exists() for name in CALIBRATION_FILES):
            raise  # there is one, and it cannot be used
        return images  # whoever needs the calibration will say so


def open_bag(
    path: Path,
    camera_info: str | None = None,
    _: str = "",
    *,
    topics: Mapping[str, str] | None = None,
    depth_scale: float | None = None,
) -> BagClip:
    """Open a bag, whatever its name; arguments and errors as for :func:`open_clip`."""
    return BagClip(path, camera_info, topics, depth_scale)


class BagClip:
    """The colour images of a bag, with the depth images and the calibration recorded beside them.

    Args:
        path: of the bag.
        camera_info: as on the command line; without it, the bag's own.
        topics: by role, where they are named.
        depth_scale: metres per unit of the depth images; None for those of their encoding.

    Raises:
        BadRequestError: the bag cannot be read, has no colour images, or several topics of them.
    """

    def __init__(
        self,
        path: Path,
        camera_info: str | None = None,
        topics: Mapping[str, str] | None = None,
        depth_scale: float | None = None,
    ) -> None:
        self._path = path
        self._camera_info = camera_info
        self._topics = {**_UNUSED, **(topics or {})}
        self._depth_scale = depth_scale
        self._info: Any = None
        images: list[int] = []
        depths: list[int] = []
        with BagRecording(path, self._topics) as bag:
            for message in bag.messages():
                if message.role == "image":
                    images.append(message.stamp_ns)
                elif message.role == "depth":
                    depths.append(message.stamp_ns)
                elif message.role == "camera_info" and self._info is None:
                    self._info = bag.decode(message)
        if not images:
            raise BadRequestError(f"{path} has no colour images")
        self._length = len(images)
        self._depth_of = _pair(images, depths)

    def __len__(self) -> int:
        return self._length

    def read(self, indices: Sequence[int]) -> Iterator[ClipFrame]:
        """Yield these frames as soon as their depth image has come; see :class:`Clip`."""
        wanted = list(indices)
        colours: dict[int, tuple[int, np.ndarray]] = {}
        depths: dict[int, np.ndarray] = {}
        needed = {self._depth_of[index] for index in wanted if index in self._depth_of}
        counts = {"image": 0, "depth": 0}
        with BagRecording(self._path, self._topics) as bag:
            for message in bag.messages():
                if not wanted:
                    return
                if message.role not in counts:
                    continue
                number = counts[message.role]
                counts[message.role] += 1
                if message.role == "image" and number in wanted:
                    colours[number] = _colour(bag, message)
                elif message.role == "depth" and number in needed:
                    depths[number] = scaled_depth(_depth(bag, message), self._depth_scale)
                while wanted and wanted[0] in colours:
                    depth = self._depth_of.get(wanted[0])
                    if depth is not None and depth not in depths:
                        break
                    index = wanted.pop(0)
                    stamp, image = colours.pop(index)
                    yield ClipFrame(
                        index, stamp, image, None if depth is None else depths[depth],
                        self._camera(image),
                    )  # fmt: skip
                    depths = {d: image for d, image in depths.items() if d >= (depth or 0)}

    def _camera(self, image: np.ndarray) -> PinholeCamera | None:
        height, width = image.shape[:2]
        if self._camera_info:
            return read_camera(self._camera_info, width, height)
        return None if self._info is None else camera_for_image(self._info, width, height)


def _colour(bag: BagRecording, message: BagMessage) -> tuple[int, np.ndarray]:
    """Time of exposure and RGB pixels."""
    decoded = bag.decode(message)
    compressed = message.msgtype.endswith("CompressedImage")
    image = compressed_to_rgb(decoded) if compressed else image_to_rgb(decoded)
    return stamp_to_ns(decoded.header.stamp), image


def _depth(bag: BagRecording, message: BagMessage) -> np.ndarray:
    decoded = bag.decode(message)
    if message.msgtype.endswith("CompressedImage"):
        return compressed_depth_to_array(decoded)
    return depth_to_array(decoded)


def _pair(images: Sequence[int], depths: Sequence[int]) -> dict[int, int]:
    """Number of the depth image nearest in time to each colour image, where one is near."""
    if not depths:
        return {}
    times = np.asarray(depths, np.int64)
    pairs = {}
    for number, stamp in enumerate(images):
        nearest = int(np.abs(times - stamp).argmin())
        if abs(int(times[nearest]) - stamp) <= _PAIRED_NS:
            pairs[number] = nearest
    return pairs
