# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From an observed frame to the object map: its boxes, lifted, completed and put in the world."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.completion import estimate_centre
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pointmap import DepthSource, PointMap
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.geometry.sizes import misfit
from spatialgeo_ros.grounding.found import DETECTOR
from spatialgeo_ros.grounding.locator import Locator
from spatialgeo_ros.memory.detected import Detected, MapFrame, MapUpdate, Unplaced
from spatialgeo_ros.memory.frame import Frame
from spatialgeo_ros.memory.objects import ObjectMap
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.memory.snapshot import MapSnapshot, viewer_at
from spatialgeo_ros.query.colours import COLOUR_WORDS, colour_mask
from spatialgeo_ros.query.materials import material_of
from spatialgeo_ros.query.nouns import canonical, goes_about, label_words
from spatialgeo_ros.query.phrases import parse_label
from spatialgeo_ros.scene.known_objects import around, kind_of, without_known
from spatialgeo_ros.scene.lifting import segment_all

_COLOUR_PIXELS = 300  # of a thing, that are looked at for its colour
_CLEAR_COLOUR = 0.15  # share of the pixels: less is a detail or a reflection
#: How fast a view may turn, rad/s, and metres by which a box of another image may then be off.
_TURN_RATE, _MOST_OFF = 0.5, 0.15
_LABELS_KEPT = 500
#: Share of a box at one side that its thing leaves free where it was not found whole: two standard
#: deviations of an edge of published detectors; and the most that is reckoned with.
_UNFILLED, _MOST_UNFILLED = 0.06, 0.5
#: Share of a detector's score that what the profile's own grounding names counts: it takes some
#: three images that agree until the map tells of such a thing. In rooms never trained on, four in
#: five that were named in a single image alone were something else.
_OWN_SCORE = 0.55
#: What the score of a detector of any words counts, whose scores are of another scale (0.3 is a
#: find): a weak find takes three images that agree. Found on rooms for tuning; where one image was
#: taken at its word, a third of the map's objects were none.
_DETECTOR_SCORE = (0.1, 0.7)


class Mapper:
    """Feeds one object map from the observations of all cameras.

    Args:
        locator: names what the boxes do not, where a profile can.
        objects: the map.
        pose_sigma: standard deviation of a camera's place in the world, metres.

    Attributes:
        objects: the map.
    """

    def __init__(self, locator: Locator, objects: ObjectMap, pose_sigma: float) -> None:
        self.objects = objects
        self._locator, self._pose_sigma = locator, pose_sigma
        self._named: dict[str, set[str]] = {}

    def update(
        self, observation: Observation, placed: Callable[[Pose], Pose] = lambda pose: pose
    ) -> MapUpdate:
        """Work an observation into the map.

        Without a pose or points in metres nothing is, and ``reason`` of the result says so.
        ``identified`` of the result goes with the detections of the frame.

        Args:
            observation: of one image.
            placed: takes its camera's pose to where the map is put together.
        """
        frame = observation.frame
        if reason := why_not(observation):
            return MapUpdate(frame.stamp_ns, frame.camera, used=False, reason=reason)
        pointmap = observation.pointmap
        assert frame.pose is not None and pointmap is not None
        pose = placed(frame.pose)
        looked = frame.detections_stamp_ns != 0 or bool(frame.detections)
        lifted: dict[int, Detected] = {}
        unplaced = []
        for number, thing in self._detected(observation, pointmap, pose):
            if isinstance(thing, Detected):
                lifted[number] = thing
            else:
                unplaced.append(thing)
        update = self.objects.update(
            MapFrame(
                frame.stamp_ns,
                frame.camera,
                frame.world_frame,
                pose,
                pointmap.camera,
                # What a network made up must not show that a place is empty.
                pointmap if pointmap.source is DepthSource.SENSOR else None,
                self._pose_sigma,
                tuple(lifted.values()),
                tuple(unplaced),
                frozenset(self._names(observation)) if looked else None,
            )
        )
        known = dict(zip(lifted, update.identified, strict=True))
        names = tuple(known.get(k, "") for k in range(len(frame.detections)))
        return replace(update, identified=names)

    def _names(self, observation: Observation) -> set[str]:
        """What the camera's detector has ever named: other things it may not know at all."""
        names = self._named.setdefault(observation.frame.camera, set())
        if len(names) < _LABELS_KEPT:
            names |= {region.label for region in observation.frame.detections}
        return names

    def _detected(
        self, observation: Observation, pointmap: PointMap, pose: Pose
    ) -> Iterator[tuple[int, Detected | Unplaced]]:
        for number, region, points in segment_all(
            observation, pointmap, self._regions(observation)
        ):
            if points is None:
                yield number, Unplaced(region.label, region.bounds(*pointmap.shape))
                continue
            known = self.objects.snapshot(around=around(points.points, pose))
            rest, _ = without_known(observation, region, points, pose, known)
            points = rest or points
            off = _shift(observation, region, points)
            if off <= _MOST_OFF:
                thing = detected_of(region, points, pose, observation.frame.image, off)
                if not misfit(thing.label, thing.size):
                    yield number, thing
                    continue
            yield number, Unplaced(region.label, region.bounds(*pointmap.shape))

    def _regions(self, observation: Observation) -> Iterator[Region]:
        """Boxes that are published; without them, what own networks find, all in one pass."""
        frame = observation.frame
        if frame.detections_stamp_ns or frame.detections:
            yield from frame.detections
            return
        for found in self._locator.everything(observation, known=True):
            score = _OWN_SCORE * found.score
            if found.how == DETECTOR:
                score = _DETECTOR_SCORE[0] + _DETECTOR_SCORE[1] * found.score
            yield replace(found.region, score=score)


def why_not(observation: Observation) -> str:
    """Say why an observation cannot go into the object map, "" where it can."""
    frame = observation.frame
    if frame.pose is None:
        cause = frame.problems.get("pose", "publish TF or odometry, and name it with pose_source")
        return f"no object map: camera '{frame.camera}' has no pose: {cause}"
    if observation.pointmap is None:
        cause = next((why for why in observation.degraded if "depth" in why), "no depth")
        return f"no object map: camera '{frame.camera}' has no points in metres: {cause}"
    return ""


def looked_at_by(
    camera: str, snapshot: MapSnapshot, frames: Iterable[Frame], pose_sigma: float
) -> MapSnapshot:
    """Return a snapshot as it is at the newest image, with one camera as its viewer.

    Args:
        camera: who looks; "" for the one that saw the newest image. One without a place in the
            map's world looks from nowhere.
        snapshot: of the map.
        frames: the newest of each camera.
        pose_sigma: standard deviation of a camera's place in the world, metres.
    """
    placed = [one for one in frames if one.pose and one.world_frame == snapshot.frame]
    if not placed or not snapshot.frame:
        return snapshot
    newest = max(placed, key=lambda one: one.stamp_ns)
    looking = [one for one in placed if one.camera == (camera or newest.camera)]
    pose = looking[0].pose if looking else None
    viewer = None if pose is None else viewer_at(pose, pose_sigma)
    return replace(snapshot, viewer=viewer, stamp_ns=max(snapshot.stamp_ns, newest.stamp_ns))


def detected_of(
    region: Region,
    points: ObjectPoints,
    pose: Pose,
    image: NDArray[np.uint8],
    off: float = 0.0,
) -> Detected:
    """Complete a segmented thing and put it in the world.

    Args:
        region: names it.
        points: its visible surface in the camera frame.
        pose: world_from_camera.
        image: [H, W, 3] uint8 RGB.
        off: standard deviation in metres by which its box may be off, one of another image.
    """
    whole = estimate_centre(points)
    rotation = pose.rotation
    axis = rotation @ whole.rotation[:, 0]
    kind, said = kind_of(region.label), parse_label(region.label).colour
    order = [0, 2, 1]  # Completed has width, height, depth
    size = np.array(whole.extents)[order]
    more = _unfilled(region, points) * size
    # What is more at one end moves the centre by half of it.
    centre_sigma = np.hypot(off, np.array([more[:2].max(), more[:2].max(), more[2]]) / 2)
    return Detected(
        label=region.label,
        score=region.score,
        points=np.asarray(pose.apply(points.surface.astype(np.float64))),
        centre=pose.apply(whole.centre),
        covariance=rotation @ whole.covariance @ rotation.T + np.diag(centre_sigma**2),
        size=size,
        size_sigma=np.maximum(np.array(whole.extent_sigma)[order], more),
        yaw=math.atan2(axis[1], axis[0]),
        kind=kind,
        cut=points.truncated,
        box=region.bounds(*image.shape[:2]),
        colours={said: 1.0} if said else _colours(image, points),
        material=material_of(label_words(region.label)),
        dynamic=goes_about(canonical(kind) or kind),
        flat=points.flat,
    )


def _unfilled(region: Region, points: ObjectPoints) -> NDArray[np.float64]:
    """Shares [3] by which width, depth and height may be more, by a box that reaches further.

    A detector's box is tight, but for some per cent: a thing that ends clearly before a side of it
    was not found whole.
    """
    if region.type is not RegionType.BOX:
        return np.zeros(3)
    x0, y0, x1, y1 = region.bounds(*points.mask.shape)
    left, top, right, bottom = points.box
    beside = max(left - x0, x1 - right, 0.0) / max(x1 - x0, 1.0)
    over = max(top - y0, y1 - bottom, 0.0) / max(y1 - y0, 1.0)
    share = np.minimum([beside, beside, over], _MOST_UNFILLED)
    return np.where(share > _UNFILLED, share / (1.0 - share), 0.0)


def _shift(observation: Observation, region: Region, points: ObjectPoints) -> float:
    """Standard deviation of what a box of another image is off by, metres."""
    stamp = observation.frame.stamp_ns
    if not region.stamp_ns or not stamp or region.stamp_ns == stamp:
        return 0.0
    apart = abs(stamp - region.stamp_ns) * 1e-9
    return float(points.points[:, 2].mean()) * _TURN_RATE * apart


def _colours(image: NDArray[np.uint8], points: ObjectPoints) -> dict[str, float]:
    """Share of a thing's pixels by colour."""
    if image.shape[:2] != points.mask.shape:
        return {}
    x0, y0, x1, y1 = points.box
    window = slice(y0, y1 + 1), slice(x0, x1 + 1)
    pixels = image[window][points.mask[window]]
    pixels = pixels[:: max(1, len(pixels) // _COLOUR_PIXELS)]
    if not len(pixels):
        return {}
    shares = {name: float(colour_mask(pixels, name).mean()) for name in COLOUR_WORDS}
    return {name: share for name, share in shares.items() if share >= _CLEAR_COLOUR}
