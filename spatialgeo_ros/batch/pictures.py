# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The pictures of a run: each image with what was found and measured in it, and the map."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

import spatialgeo_ros.drawing.canvas as canvas
from spatialgeo_ros.batch.outputs import read_spool, seconds_text
from spatialgeo_ros.drawing import draw_overlay
from spatialgeo_ros.drawing.map import MapKeyframe, draw_map
from spatialgeo_ros.drawing.map_boxes import BoxState, MapBox, box_label
from spatialgeo_ros.errors import BadRegionError, FileAccessError, TooLittleSupportError
from spatialgeo_ros.geometry.distance import DistanceEstimate
from spatialgeo_ros.geometry.regions import Region
from spatialgeo_ros.memory.detected import MapUpdate
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.snapshot import Presence
from spatialgeo_ros.perception import Perception
from spatialgeo_ros.scene.lifting import segment
from spatialgeo_ros.scene.sighting import Sighting

Image = npt.NDArray[np.uint8]
#: Of the pictures that the video is made of.
_JPEG_QUALITY = 92
#: Frames per second that a video can have.
_RATES = (0.2, 120.0)
#: Points of a keyframe that the map shows.
_MAP_POINTS = 20_000
_STATES = {
    Presence.VISIBLE: BoxState.VISIBLE,
    Presence.REMEMBERED: BoxState.REMEMBERED,
    Presence.GONE: BoxState.GONE,
}


def overlay(
    observation: Observation,
    update: MapUpdate | None,
    sightings: Iterable[Sighting],
    distances: Sequence[DistanceEstimate],
) -> Image:
    """Draw what was found in an image and measured on it, of the image's own size.

    Args:
        observation: of the image.
        update: what the object map made of its boxes; None where it was not given the image.
        sightings: the things that distances were measured on; only those in this image are drawn.
        distances: as measured.
    """
    frame = observation.frame
    seen = [one for one in sightings if one.frame is frame]
    regions = [one.region for one in seen]
    masks: list[npt.NDArray[np.bool_] | None] = [one.points.mask for one in seen]
    boxes = {region.box for region in regions}
    names = () if update is None else update.identified
    for number, region in enumerate(frame.detections):
        if region.box not in boxes:
            name = names[number] if number < len(names) else ""
            regions.append(replace(region, label=name or region.label))
            masks.append(_mask(observation, region))
    picture = draw_overlay(
        frame.image, camera=frame.model, regions=regions, masks=masks, distances=distances
    )
    size = 13 * max(0.7, frame.height / 480)
    stamp = f"{seconds_text(frame.stamp_ns)[:-6]} s"
    canvas.draw_halo_text(picture, stamp, (size, frame.height - 2 * size), size, canvas.INK)
    return picture


def _mask(observation: Observation, region: Region) -> npt.NDArray[np.bool_] | None:
    """Pixels of a box's object, as the map takes them; None where too few are measured."""
    if observation.pointmap is None:
        return None
    try:
        return segment(observation, observation.pointmap, region, outlines=False).mask
    except (BadRegionError, TooLittleSupportError):
        return None


def jpeg_of(picture: Image) -> bytes:
    """Return an RGB image [H, W, 3] as JPEG."""
    flags = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), flags)
    assert done, "OpenCV always has a JPEG encoder"
    return data.tobytes()


def write_video(spool: Path, path: Path, rate: float) -> int:
    """Make a video (MPEG-4 in MP4) of the pictures of a spool; return how many it has.

    Pictures of another size than the first are scaled to it.

    Args:
        spool: as :class:`~spatialgeo_ros.batch.outputs.PictureSpool` writes it.
        path: of the video.
        rate: frames per second.

    Raises:
        FileAccessError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}")
    writer: cv2.VideoWriter | None = None
    size, count = (0, 0), 0
    rate = min(max(rate, _RATES[0]), _RATES[1])
    try:
        for data in read_spool(spool):
            picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
            if picture is None:
                raise FileAccessError(f"{spool} is damaged: run again with --again")
            if writer is None:
                size = picture.shape[1], picture.shape[0]
                code = cv2.VideoWriter.fourcc(*"mp4v")
                # OpenCV chooses the container by the name's end.
                writer = cv2.VideoWriter(str(draft), cv2.CAP_FFMPEG, code, rate, size)
                if not writer.isOpened():
                    raise FileAccessError(
                        f"OpenCV cannot write the video {path}: install opencv-python-headless "
                        "from PyPI, which brings FFmpeg, or leave it out with --no-video"
                    )
            if (picture.shape[1], picture.shape[0]) != size:
                picture = cv2.resize(picture, size)
            writer.write(picture)
            count += 1
    finally:
        if writer is not None:
            writer.release()
    if count:
        os.replace(draft, path)
    return count


def map_picture(
    perception: Perception, path: Sequence[tuple[float, float]], title: str
) -> Image | None:
    """Draw the object map from above, with the keyframes and the way; None without a map.

    Args:
        perception: at the end of the run.
        path: [M] places of the camera, metres, world frame.
        title: above the map.
    """
    snapshot = perception.scene.map_snapshot()
    keyframes = [_map_keyframe(perception, one) for one in perception.keyframes() if one.placed]
    shown = [one for one in keyframes if one is not None]
    if not snapshot.frame or not (shown or snapshot.objects):
        return None
    boxes = [
        MapBox(
            box_label(one.label, one.colour, _STATES[one.state]), one.centre,
            (float(one.size[0]), float(one.size[1])), one.yaw, _STATES[one.state],
        )
        for one in snapshot.objects
    ]  # fmt: skip
    count = Counter(box.state.value for box in boxes)
    newest = max(perception.keyframes(), key=lambda one: one.stamp_ns, default=None)
    return draw_map(
        shown,
        path=np.array(path) if len(path) > 1 else None,
        robot=None if newest is None else newest.payload.frame.pose,
        boxes=boxes,
        title=title,
        subtitle=", ".join(f"{number} {state}" for state, number in sorted(count.items()))
        or "no objects",
    )


def _map_keyframe(perception: Perception, keyframe: Any) -> MapKeyframe | None:
    frame = keyframe.payload.frame
    observation = perception.observation_at(frame.camera, frame.stamp_ns)
    if observation is None or observation.pointmap is None or frame.pose is None:
        return None
    height, width = observation.pointmap.shape
    step = max(1, round((height * width / _MAP_POINTS) ** 0.5))
    points = observation.pointmap.points_every(step, step // 2).reshape(-1, 3)
    points = points[np.isfinite(points).all(axis=1)]
    label = f"keyframe at {seconds_text(frame.stamp_ns)[:-7]} s"
    return MapKeyframe(frame.pose.apply(points), frame.pose, label)
