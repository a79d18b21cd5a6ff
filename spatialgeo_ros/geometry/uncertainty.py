# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Standard deviations of distances: what they are made up of, and where the numbers come from.

The parts, added as independent:

* Noise of depth along the viewing ray. The share that neighbouring pixels have in common
  (``PointMap.correlated``) stays, the rest shrinks with the number of pixels averaged.
* What a sensor's whole image has in common: an error of scale, and one that grows to the corners.
  Both ends have it, so a scale error changes a gap by a share of the gap, not of the depth.
* The outline: across the ray, pixels times depth over focal length. Of a mask that was made on a
  coarse grid, half a cell of it, and the spread of what is measured with other outlines
  (``ObjectPoints.outlines``).
* Doubt whether the surface found is the object's. Of nearest points, what separation left open
  says how much (:func:`gap_evidence`); a centre hangs less on where a surface ends: a share of the
  object's size, more where little of its region was found to be it or its outline is by colour
  alone (:func:`doubt`).
* What the object may be where there are no readings (``ObjectPoints.beyond``); where these are
  most of it, a share of its size.
* For centres and extents, what was not seen: :mod:`spatialgeo_ros.geometry.completion`.

Scale and bend are those of factory-calibrated structured light: 0.5 % each after Khoshelham and
Elberink, "Accuracy and Resolution of Kinect Depth Data for Indoor Mapping Applications", Sensors
12, 2012, who find 2 cm at 3 m. The other numbers were chosen on simulated frames (rooms of
furniture, things and clutter that nothing is reported of), so that 60 to 80 % of the errors are
within one standard deviation and 93 % within two; what other rooms and a real kitchen say of them
is in docs/measuring.md.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.nearest import End, Gap, possible_gap, unread_gap
from spatialgeo_ros.geometry.object_points import ObjectPoints
from spatialgeo_ros.geometry.pointmap import DepthSource
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.small_arrays import percentiles

Point = NDArray[np.float64]

_SCALE = 0.005  # of the distance between both ends
_BEND = 0.005  # of the depth at the corners of the image
_LEAST = 0.002  # metres
OUTLINE = 1.5  # pixels that outlines are off by
_SHARE = 0.01  # of a gap: what grows with it beside its scale
_DOUBT = ((0.15, 0.25), (0.65, 0.045))  # (share of the region found to be the object, of its size)
_FLAT_DOUBT = 0.05  # of the size of what lies flat
_MOST_DOUBT = 0.03  # metres
_CAMERA_DEPTH = 0.0045  # of the distance to the camera
#: Of :func:`object_evidence`, for the distance to the camera; fitted as ``_SHARES``.
_CAMERA_SHARES = np.array([2.0, 0.05, 0.05, 2.5])
_CENTRE_SHARES = np.array([0.5, 0.3, 0.0, 0.9])  # the same, for the distance of two centres
_LEAST_SHORT, _MOST_SHORT = 0.1, 0.6  # of a region's size: as usual; how short may say no more
_LEAST_UNREAD = 0.1  # of a mask: rims have no readings
_AHEAD, _MOST_AHEAD = 0.3, 0.08  # of the smaller thing's size, as usual; metres more
_MOST_DEEP, _HOLDS = 0.15, 0.2  # metres; share of a region that is surely another thing
_MOST_SHARED, _SHARED = 0.4, 0.1  # metres of size; of shared pixels, from which all of it counts
_LARGEST = 1.0  # metres of size: what is larger is not the more doubtful
_LONE_SHARE = 0.5  # of what the rest of the surfaces is farther apart than usual
_LARGE = 0.5  # metres, from which
_LARGE_LONE, _LARGE_LONE_SHARE = 0.1, 0.2  # it is at most so many metres, or so much of the gap
_TILT = 0.4  # radians: cameras look down by 0 to 40 degrees, root mean square 23
#: (pixels without a reading per pixel found, of the size): more holes than object, and what was
#: found beside them may be another thing. On tuning views of things on things (seeds from 821000,
#: 822000, 825000) 88 % of such gaps were within two standard deviations without it, 94 % with it.
_HOLES = ((0.5, 0.0), (1.0, 0.3))
_MOST_HOLES = 0.1  # metres
_UNREAD_SHARE = 0.6  # of what the distance would be less by where there are no readings


class GapEvidence(NamedTuple):
    """Lengths in metres that a distance of nearest points may be wrong by a share of.

    Each is zero where nothing speaks against the two surfaces.

    Attributes:
        depth: of both ends along the distance: sensors get it wrong by another bit for every
            object.
        possible: by how much the distance would be less if what is unexplained near an object were
            its own.
        short: what an object is short of that does not reach the sides of its region.
        unexplained: the share of an object's region that nothing explains, of its size.
        unread: the share of a given mask that has no readings, of the object's size.
        ahead: by how much the nearest points are ahead of the rest, more than things of their size
            usually show.
        edge: how far apart the surfaces are just behind their nearest points: where these are the
            tip of something, or the edge of a steep surface, a pixel more or less is much.
        deep: how much farther a small thing reaches along the view than across it, where its region
            holds more than it: what is behind or before it may have been taken for a part.
        shared: the smaller one's size, 0.4 m at most, where both were found to hold the same pixels
            of furniture, less where these are less than 0.1 m across: what one of them was wrong to
            hold, it may hold more of.
    """

    depth: float
    possible: float
    short: float
    unexplained: float
    unread: float
    ahead: float
    edge: float
    deep: float
    shared: float


#: One standard deviation as a share of each. Fitted together so that 95 % of the errors were within
#: two standard deviations and 74 % within one, each kind of scenes and regions alike, on tuning
#: views that nothing is reported of (furniture from 864000 and 874000, things from 830000, clutter
#: from 844000; 1,240 pairs each from exact boxes, boxes 3 % off, true and coarse masks). ``shared``
#: was set afterwards, on twenty such gaps of furniture, half of which were up to 0.4 m off.
_SHARES = GapEvidence(
    depth=0.003,
    possible=0.7,
    short=0.75,
    unexplained=0.06,
    unread=0.2,
    ahead=1.7,
    edge=0.3,
    deep=1.9,
    shared=0.4,
)


def camera_sigma(thing: ObjectPoints, end: End) -> float:
    """Standard deviation of the distance from the camera to a point of an object, metres."""
    distance = float(np.linalg.norm(end.point))
    ray = end.point / distance
    variance = (end.sigma * distance / end.point[2]) ** 2 + _LEAST**2
    variance += systematic_variance(thing, np.zeros(3), end.point, ray)
    variance += (_CAMERA_DEPTH * distance) ** 2
    variance += _shared_out(_CAMERA_SHARES, object_evidence(thing))
    if thing.flat:
        variance += (_FLAT_DOUBT * thing.size) ** 2
    return float(np.sqrt(variance))


def gap_sigma(
    a: ObjectPoints,
    b: ObjectPoints,
    gap: Gap,
    evidence: GapEvidence,
    a_from_b: Pose | None = None,
) -> float:
    """Standard deviation of the distance between the nearest points of two objects, metres.

    Args:
        a: an object.
        b: the other, in its own view.
        gap: their nearest points, in the view of ``a``.
        evidence: against them.
        a_from_b: of the view of ``b``, where that is another one.
    """
    start, end = gap.start, gap.end
    offset = end.point - start.point
    distance = float(np.linalg.norm(offset))
    along = offset / max(distance, 1e-6)
    variance = shared_variance(a, b, start.point, end.point, along, a_from_b)
    variance += _LEAST**2 + (_SHARE * distance) ** 2
    variance += (_UNREAD_SHARE * unread_gap(a, b, start.point, end.point, a_from_b)) ** 2
    lone = _LONE_SHARE * gap.lone
    if min(a.size, b.size) > _LARGE:  # corners of furniture are often far out
        lone = min(lone, max(_LARGE_LONE, _LARGE_LONE_SHARE * distance))
    variance += lone**2
    variance += evidence_variance(evidence)
    for one, thing, view in ((start, a, None), (end, b, a_from_b)):
        point, way = _in_view(view, one.point, along)
        length = float(np.linalg.norm(point))
        cosine = float(point @ way) / length
        across = max(OUTLINE, thing.outline) * point[2] / thing.camera.fx
        variance += (one.sigma * cosine * length / point[2]) ** 2
        variance += across**2 * (1 - cosine**2) + hole_doubt(thing) ** 2
    return float(np.sqrt(variance))


def gap_evidence(
    a: ObjectPoints, b: ObjectPoints, gap: Gap, a_from_b: Pose | None = None
) -> GapEvidence:
    """What speaks against the nearest points of two objects.

    Args:
        a: an object.
        b: the other, in its own view.
        gap: their nearest points, in the view of ``a``.
        a_from_b: of the view of ``b``, where that is another one.
    """
    start, end = gap.start.point, gap.end.point
    offset = end - start
    along = offset / max(float(np.linalg.norm(offset)), 1e-6)
    size = min(a.size, b.size)
    squared = np.zeros(5)  # of depth, short, unexplained, unread, deep
    for point, thing, view in ((start, a, None), (end, b, a_from_b)):
        place, way = _in_view(view, point, along)
        squared += np.append(place @ way, object_evidence(thing)) ** 2
    depth, short, unexplained, unread, deep = np.sqrt(squared).tolist()
    ahead = 0.0
    if size < _LARGE:  # corners of furniture are often far out
        ahead = min(max(gap.ahead - _AHEAD * size, 0.0), _MOST_AHEAD)
    possible = possible_gap(a, b, start, end, a_from_b)
    shared = 0.0
    if size > _LARGE:  # of small things as many gaps are right that share pixels as that do not
        shared = min(size, _MOST_SHARED) * min(gap.shared / _SHARED, 1.0)
    return GapEvidence(depth, possible, short, unexplained, unread, ahead, gap.edge, deep, shared)


def object_evidence(thing: ObjectPoints) -> NDArray[np.float64]:
    """What speaks against one object: short, unexplained, unread, deep, as :class:`GapEvidence`."""
    found, own = thing.evidence, min(thing.size, _LARGEST)
    # What was found may be a small part of what the region bounds.
    whole = min(max(thing.size, thing.in_metres(found.side)), _LARGEST)
    short = max(min(found.short, _MOST_SHORT) - _LEAST_SHORT, 0.0)
    unread = max(found.unread - _LEAST_UNREAD, 0.0)
    deep = 0.0
    if thing.size < _LARGE and found.unexplained > 0 and not thing.flat:
        low, high = percentiles(thing.surface[:, 2], (5, 95))
        deep = min(max(high - low - thing.size, 0.0), _MOST_DEEP) * min(
            found.unexplained / _HOLDS, 1.0
        )
    return np.array([whole * short, whole * found.unexplained, own * unread, deep])


def evidence_variance(evidence: GapEvidence) -> float:
    """Variance of a gap by what speaks against it, square metres."""
    return _shared_out(np.array(_SHARES), np.array(evidence))


def centre_variance(thing: ObjectPoints) -> float:
    """Variance of a centre, in any direction, by what speaks against an object, square metres."""
    return _shared_out(_CENTRE_SHARES, object_evidence(thing))


def _shared_out(shares: NDArray[np.float64], lengths: NDArray[np.float64]) -> float:
    return float(((shares * lengths) ** 2).sum())


def systematic_variance(thing: ObjectPoints, start: Point, end: Point, along: Point) -> float:
    """Variance along a direction by errors that a sensor's whole image has in common.

    Args:
        thing: an object of the image.
        start: [3] one end, metres, optical frame.
        end: [3] the other end.
        along: [3] unit vector.
    """
    if thing.source is not DepthSource.SENSOR:
        return 0.0
    scale = _SCALE * float((end - start) @ along)
    bent = [_corner(thing.camera, point) * point for point in (start, end)]
    bend = _BEND * float((bent[1] - bent[0]) @ along)
    return scale**2 + bend**2


def shared_variance(
    a: ObjectPoints,
    b: ObjectPoints,
    start: Point,
    end: Point,
    along: Point,
    a_from_b: Pose | None = None,
) -> float:
    """Variance along a direction by errors that all of an image has in common, of two objects.

    In one view they share them, and only the way between the ends is off; two views err each by
    itself, all the way from the camera.

    Args:
        a: an object.
        b: the other, in its own view.
        start: [3] on the first, metres, in the view of ``a``.
        end: [3] on the second, in the same view.
        along: [3] unit vector there.
        a_from_b: of the view of ``b``, where that is another one.
    """
    if a_from_b is None:
        return systematic_variance(a, start, end, along)
    other, way = _in_view(a_from_b, end, along)
    origin = np.zeros(3)
    return systematic_variance(a, origin, start, along) + systematic_variance(b, origin, other, way)


def _in_view(a_from_b: Pose | None, point: Point, along: Point) -> tuple[Point, Point]:
    """A point and a direction in another view; as they are where there is none."""
    if a_from_b is None:
        return point, along
    back = a_from_b.inverse()
    return back.apply(point), back.rotation @ along


def tilt_sigma(along: Point, others: NDArray[np.float64]) -> float:
    """Standard deviation of a length along an axis of the image by how the camera may be pitched.

    Where gravity is unknown the image's vertical stands for it. A camera that looks down by an
    angle mixes what is along the image's vertical with what is along the view: of each length that
    is not measured, the part that such a turn brings into the measured direction.

    Args:
        along: [3] unit vector of what is measured, optical frame.
        others: [K, 3] what is not, metres.
    """
    turned = np.cross([1.0, 0.0, 0.0], others)
    return _TILT * float(np.linalg.norm(turned @ along))


def _corner(camera: PinholeCamera, point: Point) -> float:
    """Squared distance of a point's pixel from the middle of the image, 1 at its corners."""
    if point[2] <= 0:
        return 0.0
    x, y = point[0] / point[2] * camera.fx, point[1] / point[2] * camera.fy
    return float((x * x + y * y) / (0.25 * (camera.width**2 + camera.height**2)))


def doubt(thing: ObjectPoints) -> float:
    """Standard deviation by what may wrongly be counted as the object, or not, metres."""
    share = float(np.interp(thing.fraction, *np.transpose(_DOUBT)))
    if thing.flat:
        share = max(share, _FLAT_DOUBT)
    return min(share * thing.size, _MOST_DOUBT)


def hole_doubt(thing: ObjectPoints) -> float:
    """Standard deviation of a gap by holes in depth that are more than what was found, metres.

    Of a dark, shiny or transparent thing little is read, and what is read within its region may be
    of something behind or beside it.
    """
    share = float(np.interp(thing.beyond_pixels / max(thing.support, 1), *np.transpose(_HOLES)))
    return min(share * thing.size, _MOST_HOLES)
