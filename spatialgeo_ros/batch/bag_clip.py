# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The images of one camera of a bag, each with what was recorded for it: depth, boxes, a pose."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spatialgeo_ros.batch.bag_poses import BagPoses, PoseOptions
from spatialgeo_ros.errors import BadImageError, BadRequestError, NoCameraInfoError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.node.conversions import (
    camera_for_image,
    compressed_depth_to_array,
    compressed_to_rgb,
    depth_to_array,
    detections_to_regions,
    image_to_rgb,
    stamp_to_ns,
)
from spatialgeo_ros.recordings.bags import BAG_ROLES, BagMessage, BagRecording
from spatialgeo_ros.recordings.clips import ClipFrame
from spatialgeo_ros.recordings.depth_file import Depth, scaled_depth
from spatialgeo_ros.recordings.rgbd_folder import read_camera

#: Roles whose topics are not looked for where only images are wanted.
_UNUSED = dict.fromkeys(set(BAG_ROLES) - {"image", "camera_info", "depth"}, "")
#: A depth image belongs to a colour image when their times differ by no more, nanoseconds: as the
#: node's depth_slop.
DEPTH_NS = 20_000_000
#: The same of boxes: as the node's detections_slop.
_BOXES_NS = 10_000_000


class BagClip:
    """The colour images of a bag, with the depth images and the calibration recorded beside them.

    Args:
        path: of the bag.
        camera_info: as on the command line; without it, the bag's own.
        topics: by role, where they are named.
        depth_scale: metres per unit of the depth images; None for those of their encoding.
        poses: where poses come from; None for images without poses and boxes.
        depth_ns: most by which the stamps of an image and its depth image differ.

    Attributes:
        stamps_ns: of the images, by their headers; where those are zero, of their recording.
        has_depth: whether an image has a depth image.
        has_boxes: whether a topic of boxes was recorded; images may still lack them.
        notes: what was chosen or is missing for all images, in words.
        refused: number of an image that could not be decoded and was left out -> why.

    Raises:
        BadRequestError: the bag cannot be read, has no colour images, or several topics of them.
    """

    def __init__(
        self,
        path: Path,
        camera_info: str | None = None,
        topics: Mapping[str, str] | None = None,
        depth_scale: float | None = None,
        poses: PoseOptions | None = None,
        depth_ns: int = DEPTH_NS,
    ) -> None:
        self._path, self._depth_ns = path, depth_ns
        self._camera_info = camera_info
        self._poses = None if poses is None else BagPoses(poses)
        unused = dict(_UNUSED)
        for role in () if self._poses is None else ("detections", "depth_camera_info"):
            del unused[role]
        for role in () if self._poses is None else self._poses.roles:
            del unused[role]
        self._topics = {**unused, **(topics or {})}
        self._depth_scale = depth_scale
        self._info: Any = None
        self._depth_info: Any = None
        self._frame_id = ""
        self._depth_frame_id = ""
        self.notes: tuple[str, ...] = ()
        self.refused: dict[int, str] = {}
        stamps = self._scan()
        if not stamps["image"]:
            raise BadRequestError(f"{path} has no colour images")
        # Headers say when; where one has none, all are compared by when they were recorded.
        by_header = all(header for role in ("image", "depth") for header, _ in stamps[role])
        images, depths = (
            [header if by_header else recorded for header, recorded in stamps[role]]
            for role in ("image", "depth")
        )
        self.stamps_ns = tuple(header or recorded for header, recorded in stamps["image"])
        self._depth_of = _nearest(images, depths, depth_ns)
        # Boxes are of the image whose stamp they carry, and of no other.
        boxes = [header for header, _ in stamps["detections"]]
        owners = _nearest(boxes, [header for header, _ in stamps["image"]], _BOXES_NS)
        self._boxes_of = {image: number for number, image in owners.items() if boxes[number]}
        if self._poses is not None:
            self._poses.choose(self._frame_id, self.stamps_ns)
            self.notes = self._findings(len(depths), len(boxes))

    def _scan(self) -> dict[str, list[tuple[int, int]]]:
        """Read the whole bag once without its pixels.

        Returns:
            By role, stamps of the headers and times of recording of images, depths and boxes.
        """
        stamps: dict[str, list[tuple[int, int]]] = {"image": [], "depth": [], "detections": []}
        with BagRecording(self._path, self._topics) as bag:
            self.has_boxes = "detections" in bag.topics
            self.image_topic = bag.topics.get("image", "")
            for message in bag.messages():
                role = message.role
                if role in stamps:
                    if role == "image" and not stamps[role]:
                        self._frame_id = _frame_id(bag, message)
                    elif role == "depth" and not stamps[role]:
                        self._depth_frame_id = _frame_id(bag, message)
                    stamps[role].append((message.header_stamp_ns(), message.stamp_ns))
                elif role == "camera_info":
                    self._info = self._info or bag.decode(message)
                elif role == "depth_camera_info":
                    self._depth_info = self._depth_info or bag.decode(message)
                elif self._poses is not None:
                    self._poses.add(role, bag.decode(message))
        return stamps

    def _findings(self, depths: int, boxes: int) -> tuple[str, ...]:
        """What was chosen or is missing for all images, in words."""
        assert self._poses is not None
        notes = [self._poses.note]
        without = len(self) - len(self._depth_of)
        if depths and without:
            notes.append(
                f"{without} of {len(self)} images have no depth image within "
                f"{self._depth_ns * 1e-9:g} s: let one clock stamp both, or raise --depth-slop"
            )
        lost = boxes - len(self._boxes_of)
        if lost:
            notes.append(
                f"{lost} of {boxes} messages of boxes have the stamp of no image and are not used: "
                "the detector must copy its image's header"
            )
        return tuple(note for note in notes if note)

    def __len__(self) -> int:
        return len(self.stamps_ns)

    @property
    def has_depth(self) -> bool:
        """Whether an image has a depth image."""
        return bool(self._depth_of)

    @property
    def has_camera(self) -> bool:
        """Whether there is a calibration."""
        return bool(self._camera_info) or self._info is not None

    def read(self, indices: Sequence[int]) -> Iterator[ClipFrame]:
        """Yield these frames as soon as their depth image and their boxes have come.

        See :class:`Clip`.
        """
        order = deque(indices)
        wanted = set(order)
        colours: dict[int, tuple[int, np.ndarray]] = {}
        depths: dict[int, Depth | str] = {}
        boxes: dict[int, tuple[Region, ...]] = {}
        needed = {
            "image": wanted,
            "depth": {self._depth_of[index] for index in wanted if index in self._depth_of},
            "detections": {self._boxes_of[index] for index in wanted if index in self._boxes_of},
        }
        counts = dict.fromkeys(needed, 0)
        with BagRecording(self._path, self._topics) as bag:
            for message in bag.messages():
                if not order:
                    return
                role = message.role
                if role not in counts:
                    continue
                number = counts[role]
                counts[role] += 1
                if number not in needed[role]:
                    continue
                if role == "image":
                    try:
                        colours[number] = _colour(bag, message)
                    except BadImageError as error:
                        if self._poses is None:
                            raise
                        order.remove(number)  # one bad image must not end all
                        self.refused[number] = str(error)
                elif role == "depth":
                    depths[number] = self._depth(bag, message)
                else:
                    boxes[number] = detections_to_regions(bag.decode(message))
                while order and order[0] in colours:
                    depth, box = (of.get(order[0]) for of in (self._depth_of, self._boxes_of))
                    if (depth is not None and depth not in depths) or (
                        box is not None and box not in boxes
                    ):
                        break
                    index = order.popleft()
                    stamp, image = colours.pop(index)
                    regions = () if box is None else boxes.pop(box)
                    yield self._frame(
                        index, stamp, image, None if depth is None else depths[depth],
                        regions, 0 if box is None else stamp,
                    )  # fmt: skip
                    depths = {d: image for d, image in depths.items() if d >= (depth or 0)}

    def _frame(
        self,
        index: int,
        stamp: int,
        image: np.ndarray,
        depth: Depth | str | None,
        regions: tuple[Region, ...],
        drawn_ns: int,
    ) -> ClipFrame:
        problems: dict[str, str] = {}
        if isinstance(depth, str):
            problems["depth"], depth = depth, None
        frame = ClipFrame(
            index, stamp, image, depth, self._camera(image), frame_id=self._frame_id,
            detections=regions,
            detections_stamp_ns=next((one.stamp_ns for one in regions), drawn_ns),
        )  # fmt: skip
        if self._poses is None:
            return frame
        pose, why = self._poses.at(stamp)
        if why:
            problems["pose"] = why
        if self.has_boxes and not drawn_ns:
            problems["detections"] = "no boxes were recorded for this image"
        return replace(
            frame,
            pose=pose,
            world_frame="" if pose is None else self._poses.world_frame,
            depth_frame_id=self._depth_frame_id,
            depth_camera=self._depth_camera(depth),
            image_from_depth=self._between(stamp),
            problems=problems,
        )

    def _between(self, stamp_ns: int) -> Pose | None:
        """Pose of the depth camera in the image's frame, where it is another one."""
        if self._poses is None or self._depth_frame_id in ("", self._frame_id):
            return None
        return self._poses.tree.lookup(self._frame_id, self._depth_frame_id, stamp_ns)[0]

    def _camera(self, image: np.ndarray) -> PinholeCamera | None:
        height, width = image.shape[:2]
        if self._camera_info:
            return read_camera(self._camera_info, width, height)
        return None if self._info is None else camera_for_image(self._info, width, height)

    def _depth_camera(self, depth: Depth | None) -> PinholeCamera | None:
        """Calibration of the depth image itself; None where none can be used."""
        if self._depth_info is None or depth is None:
            return None
        try:
            return camera_for_image(self._depth_info, depth.shape[1], depth.shape[0])
        except NoCameraInfoError:
            return None

    def _depth(self, bag: BagRecording, message: BagMessage) -> Depth | str:
        """Pixels of a depth image, or, where one bad image must not end all, why there are none."""
        decoded = bag.decode(message)
        packed = message.msgtype.endswith("CompressedImage")
        try:
            depth = compressed_depth_to_array(decoded) if packed else depth_to_array(decoded)
        except BadImageError as error:
            if self._poses is None:
                raise
            return f"the depth image cannot be decoded: {error}"
        return scaled_depth(depth, self._depth_scale)


def _frame_id(bag: BagRecording, message: BagMessage) -> str:
    return str(bag.decode(message).header.frame_id)


def _colour(bag: BagRecording, message: BagMessage) -> tuple[int, np.ndarray]:
    """Time of exposure and RGB pixels."""
    decoded = bag.decode(message)
    compressed = message.msgtype.endswith("CompressedImage")
    image = compressed_to_rgb(decoded) if compressed else image_to_rgb(decoded)
    return stamp_to_ns(decoded.header.stamp) or message.stamp_ns, image


def _nearest(of: Sequence[int], among: Sequence[int], most_ns: int) -> dict[int, int]:
    """Number of the nearest in time of others to each, where one is near enough."""
    if not among:
        return {}
    times = np.asarray(among, np.int64)
    order = np.argsort(times, kind="stable")
    times = times[order]
    pairs = {}
    for number, stamp in enumerate(of):
        after = int(np.searchsorted(times, stamp))
        near = [k for k in (after - 1, after) if 0 <= k < len(times)]
        best = min(near, key=lambda k: abs(int(times[k]) - stamp))
        if abs(int(times[best]) - stamp) <= most_ns:
            pairs[number] = int(order[best])
    return pairs
