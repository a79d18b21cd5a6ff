# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What the node's messages look like: keeps what one message needs of another.

A distance is drawn into the newest picture of its camera; what was measured once is taken back
after a while, as the node's own markers are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import rerun as rr

from spatialgeo_ros.errors import SpatialGeoError
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.node.camera_pose import PoseSource
from spatialgeo_ros.node.clouds import cloud_arrays
from spatialgeo_ros.node.conversions import detections_to_regions, msg_to_region, stamp_to_ns
from spatialgeo_ros.node.markers import caption
from spatialgeo_ros.node.parameters import Config
from spatialgeo_ros.viewer.cameras import ShownCamera
from spatialgeo_ros.viewer.entries import LINES, OVERLAYS, Entry, below, cleared, image_path
from spatialgeo_ros.viewer.lengths import DistanceSeries, ends_of, line_entry, name_of
from spatialgeo_ros.viewer.pictures import PictureSettings, picture, shown_mask
from spatialgeo_ros.viewer.scene import (
    camera_entries,
    cloud_entries,
    image_entries,
    keyframes_entries,
    objects_entries,
)
from spatialgeo_ros.viewer.texts import DiagnosticsLog, answer_entries, latency_entries, remark

_MOST_REMARKS = 200  # different ones that are said
_BOX_COLOUR, _REGION_COLOUR = (80, 220, 120), (255, 190, 25)
_MASK_OPACITY = 0.45


class ViewBoard:
    """Turns messages into entries. Used by one thread.

    Args:
        node: full name of the node.
        config: its parameters.
        poses: where its cameras are.
        pictures: how images are kept.
        most_points: of a cloud that are shown.
        clock: monotonic seconds.

    Attributes:
        cameras: by name.
    """

    def __init__(
        self,
        node: str,
        config: Config,
        poses: PoseSource,
        pictures: PictureSettings,
        most_points: int = 20_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._poses, self._pictures, self._most_points = poses, pictures, most_points
        self._clock, self._lifetime = clock, config.marker_lifetime
        self._said: set[str] = set()
        self._remarks: list[Entry] = []
        self.cameras = {
            camera.name: ShownCamera(camera, poses, self.say, clock) for camera in config.cameras
        }
        self._series = DistanceSeries()
        self._diagnostics = DiagnosticsLog(node)
        self._ends: dict[str, float] = {}  # entity -> when it is taken back, monotonic s
        self._world = ""

    def say(self, text: str) -> bool:
        """Put a text into the viewer's log, once; return whether it was new."""
        if text in self._said or len(self._said) >= _MOST_REMARKS:
            return False
        self._said.add(text)
        self._remarks.append(remark(text))
        return True

    def pending(self) -> list[Entry]:
        """Return what is to be said, and what has been shown long enough."""
        now = self._clock()
        over = [path for path, end in self._ends.items() if end <= now]
        for path in over:
            del self._ends[path]
        entries, self._remarks = [*self._remarks, *map(cleared, over)], []
        return entries

    def calibrated(self) -> frozenset[str]:
        """Return the cameras whose projection is known."""
        return frozenset(one.name for one in self.cameras.values() if one.calibration is not None)

    def image(self, name: str, message: Any, info: Any) -> list[Entry]:
        """Return a camera's picture and place.

        Args:
            name: of the camera.
            message: its image, raw or compressed.
            info: its CameraInfo, or None.

        Raises:
            BadImageError: it cannot be decoded.
        """
        camera = self.cameras[name]
        shown = picture(message, self._pictures)
        camera.show(shown, message.header.frame_id, info)
        pose = camera.pose(stamp_to_ns(message.header.stamp))
        entries = [] if pose is None else camera_entries(name, pose)
        return [*entries, *image_entries(name, shown, camera.calibration)]

    def overlay(self, message: Any) -> list[Entry]:
        """Return what the node has drawn into an image."""
        camera = self._camera_of(message.header.frame_id)
        if camera is None:
            return []
        shown = picture(message, self._pictures)
        return [Entry(below(OVERLAYS, camera.name), (shown.archetype,))]

    def cloud(self, message: Any) -> list[Entry]:
        """Return a cloud in the world; nothing while its camera has no place there.

        Raises:
            BadImageError: it cannot be read.
        """
        camera = self._camera_of(message.header.frame_id)
        pose = None if camera is None else camera.pose(stamp_to_ns(message.header.stamp))
        if camera is None or pose is None:
            return []
        points, colours = cloud_arrays(message, self._most_points)
        return cloud_entries(camera.name, points, colours, pose)

    def detections(self, name: str, message: Any) -> list[Entry]:
        """Return a detector's boxes in the picture of their camera."""
        shown = self.cameras[name].picture
        path = f"{image_path(name)}/detections"
        regions = detections_to_regions(message)
        if shown is None or not regions:
            return [cleared(path)]
        corners = np.array([region.box for region in regions]).reshape(-1, 2, 2)
        boxes = rr.Boxes2D(
            mins=shown.pixels(corners[:, 0]),
            sizes=shown.lengths(corners[:, 1] - corners[:, 0]),
            labels=[f"{region.label} {region.score:.0%}" for region in regions],
            colors=_BOX_COLOUR,
            show_labels=True,
        )
        self._keep(path)
        return [Entry(path, (boxes,))]

    def objects(self, message: Any) -> list[Entry]:
        """Return the object map."""
        self._world = message.header.frame_id
        for reason in message.degraded:
            self.say(f"object map: {reason}")
        return objects_entries(message)

    def keyframes(self, message: Any) -> list[Entry]:
        """Return the kept images."""
        known = {
            one.name: one.calibration
            for one in self.cameras.values()
            if one.calibration is not None
        }
        return keyframes_entries(message, known)

    def distance(self, message: Any) -> list[Entry]:
        """Return a distance: its plots, and its line in the world and in the picture."""
        name = name_of(message)
        entries = self._series.entries(message)
        if name in self._series.unplotted:
            self.say(f"too many different distances for a plot: '{name}' is not plotted")
        paths = [below(LINES, name)]
        if message.camera in self.cameras:
            paths.append(below(f"{image_path(message.camera)}/lines", name))
        lines: list[Entry | None] = [None] * len(paths)
        if message.valid:
            lines = self._lines(message, paths)
        for path, line in zip(paths, lines, strict=True):
            if line is not None:
                self._keep(path)
                entries.append(line)
            elif self._ends.pop(path, None) is not None:
                entries.append(cleared(path))
        return entries

    def answer(self, message: Any) -> list[Entry]:
        """Return an answer's words, and the regions that it rests on."""
        entries = answer_entries(message)
        for name in {region.camera for region in message.regions} & set(self.cameras):
            regions = [region for region in message.regions if region.camera == name]
            entries += self._regions(self.cameras[name], regions)
        return entries

    def diagnostics(self, message: Any) -> list[Entry]:
        """Return what the node says of itself."""
        return self._diagnostics.entries(message)

    def latency(self, stage: str, message: Any) -> list[Entry]:
        """Return how long a stage took."""
        return latency_entries(stage, message.data)

    def _camera_of(self, frame_id: str) -> ShownCamera | None:
        """Return the camera with this optical frame, None until an image of it came."""
        found = (one for one in self.cameras.values() if one.frame_id and one.frame_id == frame_id)
        return next(found, None)

    def _keep(self, path: str) -> None:
        self._ends[path] = self._clock() + self._lifetime

    def _lines(self, message: Any, paths: Sequence[str]) -> list[Entry | None]:
        """Return the line in the world, and in the picture where its camera is known."""
        ends, stamp = ends_of(message), stamp_to_ns(message.header.stamp)
        camera = self.cameras.get(message.camera)
        pose = None if camera is None or not camera.frame_id else camera.pose(stamp)
        seen: npt.NDArray[np.float64] | None
        if camera is not None and message.header.frame_id == camera.frame_id:
            seen, placed = ends, None if pose is None else pose.apply(ends)
        else:
            frame = self._frame(message.header.frame_id, stamp)
            placed = None if frame is None else frame.apply(ends)
            seen = None
            if placed is not None and pose is not None:
                seen = pose.inverse().apply(placed)
        lines = [None if placed is None else line_entry(paths[0], message, placed)]
        if len(paths) > 1:
            pixels = None if camera is None or seen is None else camera.pixels(seen)
            lines.append(None if pixels is None else _drawn(paths[1], message, pixels))
        return lines

    def _frame(self, frame_id: str, stamp_ns: int) -> Pose | None:
        """Return the pose in the world of a frame that is none of a camera's."""
        if frame_id and frame_id == self._world:
            return Pose.identity()
        result = self._poses.frame(frame_id, stamp_ns)
        if result.pose is None:
            self.say(f"a distance in frame '{frame_id}' has no line: {result.reason}")
        return result.pose

    def _regions(self, camera: ShownCamera, regions: Sequence[Any]) -> list[Entry]:
        shown = camera.picture
        if shown is None:
            return []
        path = f"{image_path(camera.name)}/answer"
        corners = np.array([[(r.x_min, r.y_min), (r.x_max, r.y_max)] for r in regions])
        boxes = rr.Boxes2D(
            mins=shown.pixels(corners[:, 0]),
            sizes=shown.lengths(corners[:, 1] - corners[:, 0]),
            labels=[region.label for region in regions],
            colors=_REGION_COLOUR,
            show_labels=True,
        )
        entries = [Entry(path, (boxes,))]
        drawn = [self._region(one) for one in regions]
        outlines = [
            shown.pixels(np.vstack([one.polygon, one.polygon[:1]]))
            for one in drawn
            if one is not None and one.polygon is not None
        ]
        if outlines:
            outline = rr.LineStrips2D(outlines, colors=_REGION_COLOUR)
            entries.append(Entry(f"{path}/outlines", (outline,)))
        masks = [one.mask for one in drawn if one is not None and one.mask is not None]
        if masks:
            # 0 is "nothing" to Rerun, and stays clear.
            numbers = np.zeros((shown.shown[1], shown.shown[0]), np.uint8)
            for number, mask in enumerate(masks, start=1):
                numbers[shown_mask(mask, shown)] = number
            image = rr.SegmentationImage(numbers, opacity=_MASK_OPACITY)
            entries.append(Entry(f"{path}/masks", (image,)))
        self._keep(path)
        return [cleared(path), *entries]

    def _region(self, message: Any) -> Region | None:
        """Return the shape of a region; None for one that cannot be drawn, which is said."""
        try:
            return msg_to_region(message)
        except SpatialGeoError as error:
            self.say(f"a region of an answer is not drawn: {error}")
            return None


def _drawn(path: str, message: Any, pixels: npt.NDArray[np.float64]) -> Entry | None:
    """Return a line in a picture; a point where its other end is the camera itself."""
    known = np.isfinite(pixels).all(axis=1)
    if known.all():
        return line_entry(path, message, pixels)
    if not known.any():
        return None
    point = rr.Points2D(
        pixels[known], colors=_REGION_COLOUR, radii=4.0, labels=[caption(message)], show_labels=True
    )
    return Entry(path, (point,))
