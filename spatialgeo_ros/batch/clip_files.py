# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Open what a command was given as a clip: a video, a folder of images, a recording or a bag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from spatialgeo_ros.batch.bag_clip import BagClip
from spatialgeo_ros.batch.bag_poses import PoseOptions
from spatialgeo_ros.errors import BadRequestError, NoCameraInfoError
from spatialgeo_ros.evaluation.annotated_frames import read_sequence
from spatialgeo_ros.evaluation.map_sequence import labelled_frame
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.recordings.bags import is_bag
from spatialgeo_ros.recordings.clips import Clip, ClipFrame, FolderClip, RecordingClip, VideoClip
from spatialgeo_ros.recordings.rgbd_folder import (
    CALIBRATION_FILES,
    COLOUR_FOLDERS,
    FolderRecording,
    read_camera,
)

#: Frame of images whose clip names none.
OPTICAL_FRAME = "camera_optical_frame"


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
    poses: PoseOptions | None = None,
) -> BagClip:
    """Open a bag, whatever its name; arguments and errors as for :func:`open_clip`."""
    return BagClip(path, camera_info, topics, depth_scale, poses)


class AnnotatedClip:
    """A sequence with annotated boxes, poses and reference, as ``spatialgeo evaluate`` reads it.

    Args:
        folder: of the sequence; see :mod:`spatialgeo_ros.evaluation.annotated_frames`.

    Raises:
        BadRequestError: a file is missing or of another layout, or gravity is unknown.
    """

    def __init__(self, folder: Path) -> None:
        self._sequence = read_sequence(folder)
        self._frames = [frame for frame in self._sequence.frames if frame.pose is not None]
        if self._sequence.upright is None or not self._frames:
            raise BadRequestError(
                f"{folder} says neither where its camera was nor which way is up: give poses.json, "
                "and 'level' in reference.json"
            )

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, indices: Sequence[int]) -> Iterator[ClipFrame]:
        """Yield these frames; see :class:`Clip`."""
        for index in indices:
            frame = labelled_frame(self._sequence, self._frames[index])
            yield ClipFrame(
                index, frame.stamp_ns, frame.image, frame.depth, frame.model, frame.pose,
                frame.frame_id, frame.world_frame, frame.detections, frame.detections_stamp_ns,
            )  # fmt: skip


def is_annotated(path: Path) -> bool:
    """Tell whether a folder holds an annotated sequence."""
    return (path / "reference.json").exists() and any(path.glob("annotations*.json"))


def frame_of(shot: ClipFrame, camera: str, sequence: int) -> Frame:
    """Return a clip's frame as the facade takes it.

    Args:
        shot: of the clip.
        camera: name of its camera.
        sequence: number of the frame among those that are observed.
    """
    world = shot.world_frame or "world"
    return Frame(
        camera=camera,
        stamp_ns=shot.stamp_ns,
        frame_id=shot.frame_id or OPTICAL_FRAME,
        image=shot.image,
        model=shot.camera,
        depth=shot.depth,
        pose=shot.pose,
        world_frame="" if shot.pose is None else world,
        detections=shot.detections,
        detections_stamp_ns=shot.detections_stamp_ns,
        sequence=sequence,
        depth_frame_id=shot.depth_frame_id,
        depth_model=shot.depth_camera,
        colour_from_depth=shot.image_from_depth,
        problems=shot.problems,
    )
