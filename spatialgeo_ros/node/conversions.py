# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""ROS messages to the plain types of the floors below, and back.

Input is duck-typed and message classes are imported where one is made, so everything here can be
tested without rclpy. Image conversions live in :mod:`spatialgeo_ros.node.image_conversions` and
are offered here too.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadRegionError, escaped
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.plausibility import calibrated_camera
from spatialgeo_ros.geometry.pointmap import DepthSource, PointMap
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.regions import Region, RegionType
from spatialgeo_ros.node.compatibility import box_centre, hypothesis, message_that_takes_over
from spatialgeo_ros.node.image_conversions import (
    compressed_depth_to_array,
    compressed_to_rgb,
    depth_to_array,
    depth_to_image,
    image_to_mask,
    image_to_rgb,
    mask_to_image,
    message_bytes,
    rgb_to_image,
)

__all__ = [
    "camera_for_image",
    "camera_to_info",
    "compressed_depth_to_array",
    "compressed_to_rgb",
    "corners_of",
    "depth_to_array",
    "depth_to_image",
    "detections_to_regions",
    "estimate_to_msg",
    "hypothesis_of",
    "image_to_mask",
    "image_to_rgb",
    "mask_to_image",
    "message_bytes",
    "msg_to_optional_region",
    "msg_to_pose",
    "msg_to_region",
    "ns_to_stamp",
    "pointmap_to_cloud",
    "pose_to_msg",
    "region_to_msg",
    "rgb_to_image",
    "stamp_to_ns",
]

_NS = 1_000_000_000
#: Bounds of ``msg/Region.msg``, as its comments state them.
MOST_LABEL, MOST_CORNERS, LEAST_CELLS = 200, 1000, 16
_LONGEST_REASON = 1000  # characters; it may quote labels and detections
# tf2 refuses quaternions farther from unit length; 32-bit sources stay well within.
_NORM_TOLERANCE = 1e-2

# Values of the SOURCE_ constants of msg/DistanceEstimate.msg.
_SOURCES: dict[Any, int] = {
    None: 0,
    DepthSource.SENSOR: 1,
    DepthSource.MONOCULAR: 2,
    DepthSource.MONOCULAR_ALIGNED: 3,
    "language": 4,
}


def stamp_to_ns(stamp: Any) -> int:
    """Return a ``builtin_interfaces/Time`` in nanoseconds."""
    return int(stamp.sec) * _NS + int(stamp.nanosec)


def ns_to_stamp(stamp_ns: int) -> Any:
    """Make a ``builtin_interfaces/Time`` of nanoseconds."""
    from builtin_interfaces.msg import Time

    seconds, nanoseconds = divmod(int(stamp_ns), _NS)
    return Time(sec=seconds, nanosec=nanoseconds)


def camera_for_image(info: Any, width: int, height: int, rectified: bool = False) -> PinholeCamera:
    """Return the calibration of an image of this size: :func:`calibrated_camera`, no remarks.

    Raises:
        NoCameraInfoError: Uncalibrated, of an unknown model, of another aspect ratio, or with
            numbers that cannot be.
    """
    return calibrated_camera(info, width, height, rectified)[0]


def camera_to_info(camera: PinholeCamera, header: Any = None) -> Any:
    """Make a ``sensor_msgs/CameraInfo`` of a calibration (R identity, P = [K | 0])."""
    from sensor_msgs.msg import CameraInfo

    info = CameraInfo()
    if header is not None:
        info.header = header
    info.width, info.height = camera.width, camera.height
    info.distortion_model = camera.distortion_model or "plumb_bob"
    info.d = list(camera.distortion) or [0.0] * 5
    info.k = camera.K.ravel().tolist()
    info.r = np.eye(3).ravel().tolist()
    info.p = np.hstack([camera.K, np.zeros((3, 1))]).ravel().tolist()
    return info


def pointmap_to_cloud(
    pointmap: PointMap, rgb: npt.NDArray[np.uint8] | None = None, header: Any = None
) -> Any:
    """Make an organised ``sensor_msgs/PointCloud2`` (x, y, z, rgb) of a point map.

    Rows and columns are those of the image; invalid points are NaN, so ``is_dense`` is false. The
    colour is packed as PCL and RViz expect it (0x00RRGGBB in the bits of a float).

    Raises:
        ValueError: ``rgb`` is not ``[H, W, 3]`` uint8 of the point map's size.
    """
    from sensor_msgs.msg import PointCloud2, PointField

    height, width = pointmap.shape
    if rgb is not None and (rgb.shape != (height, width, 3) or rgb.dtype != np.uint8):
        raise ValueError(f"need rgb [{height}, {width}, 3] uint8, not {rgb.shape} {rgb.dtype}")
    channels = 3 if rgb is None else 4
    packed = np.empty((height, width, channels), np.float32)
    packed[..., :3] = pointmap.points
    if rgb is not None:
        wide = rgb.astype(np.uint32)
        packed.view(np.uint32)[..., 3] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    cloud = message_that_takes_over(PointCloud2)
    if header is not None:
        cloud.header = header
    cloud.height, cloud.width = height, width
    cloud.fields = [
        PointField(name=name, offset=4 * i, datatype=PointField.FLOAT32, count=1)
        for i, name in enumerate(("x", "y", "z", "rgb")[:channels])
    ]
    cloud.is_bigendian = sys.byteorder == "big"
    cloud.point_step = 4 * channels
    cloud.row_step = cloud.point_step * width
    cloud.data = message_bytes(packed)
    cloud.is_dense = False
    return cloud


def msg_to_pose(msg: Any) -> Pose:
    """Return the pose of a ``geometry_msgs`` Pose or Transform (parent_from_child).

    Raises:
        ValueError: Not finite, or the quaternion is not of unit length (an unfilled message).
    """
    if hasattr(msg, "orientation"):
        q, t = msg.orientation, msg.position
    else:
        q, t = msg.rotation, msg.translation
    norm = math.sqrt(q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w)
    if not abs(norm - 1.0) <= _NORM_TOLERANCE:
        raise ValueError(
            f"quaternion ({q.x}, {q.y}, {q.z}, {q.w}) has length {norm:.4g}, not 1; "
            "the sender must fill and normalise it"
        )
    return Pose.from_quaternion((q.x, q.y, q.z, q.w), (t.x, t.y, t.z))


def pose_to_msg(pose: Pose) -> Any:
    """Make a ``geometry_msgs/Pose``."""
    from geometry_msgs.msg import Point, Quaternion
    from geometry_msgs.msg import Pose as PoseMsg

    x, y, z, w = (float(v) for v in pose.quaternion())
    return PoseMsg(
        position=_point(Point, pose.translation), orientation=Quaternion(x=x, y=y, z=z, w=w)
    )


def msg_to_region(msg: Any) -> Region:
    """Return the region of a ``spatialgeo_ros/Region``.

    Raises:
        BadRegionError: Unknown type, an empty phrase, or coordinates that cannot be used.
        BadImageError: The mask cannot be decoded.
    """
    check_region_bounds(msg)
    return replace(_unstamped_region(msg), stamp_ns=stamp_to_ns(msg.stamp))


def check_region_bounds(msg: Any) -> None:
    """Check the sizes of a region message before anything is made of it.

    Raises:
        BadRegionError: The name or the polygon is too long.
    """
    if len(msg.label) > MOST_LABEL:
        raise BadRegionError(
            f"the label of a region has {len(msg.label)} characters, allowed are {MOST_LABEL}"
        )
    corners = max(len(msg.polygon_x), len(msg.polygon_y))
    if corners > MOST_CORNERS:
        raise BadRegionError(
            f"polygon '{msg.label}' has {corners} vertices, allowed are {MOST_CORNERS}: simplify "
            "it, or send a mask"
        )


def _unstamped_region(msg: Any) -> Region:
    score = float(msg.score)
    if msg.type == RegionType.PHRASE:
        return Region.from_phrase(msg.label)
    if msg.type == RegionType.BOX:
        return Region.from_box(msg.x_min, msg.y_min, msg.x_max, msg.y_max, msg.label, score)
    if msg.type == RegionType.POLYGON:
        if len(msg.polygon_x) != len(msg.polygon_y):
            raise BadRegionError(
                f"polygon has {len(msg.polygon_x)} x but {len(msg.polygon_y)} y coordinates"
            )
        corners = np.stack([msg.polygon_x, msg.polygon_y], axis=-1)
        return Region.from_polygon(corners, msg.label, score)
    if msg.type == RegionType.POINT:
        return Region.from_point(msg.point_x, msg.point_y, msg.label, score)
    if msg.type == RegionType.MASK:
        mask = image_to_mask(msg.mask)
        _check_cell(msg, max(mask.shape))
        return Region.from_mask(mask, msg.label, score, max(1, msg.cell))
    raise BadRegionError(f"region type {msg.type} is unknown; use a TYPE_ constant of Region")


def _check_cell(msg: Any, side: int) -> None:
    """Check the grid of a mask: the work along an outline grows with the square of its cells.

    Raises:
        BadRegionError: It is coarser than any network's.
    """
    if msg.cell > max(1, side // LEAST_CELLS):
        raise BadRegionError(
            f"mask '{msg.label}' of {side} px has cells of {msg.cell} px, allowed are "
            f"{max(1, side // LEAST_CELLS)}: send a box where it is known no better"
        )


def msg_to_optional_region(msg: Any) -> Region | None:
    """Return None for a region left as it is (an empty phrase), else :func:`msg_to_region`.

    A region without a label is named after its place, so that what is measured on it has a name.

    Raises:
        BadRegionError: As :func:`msg_to_region`.
        BadImageError: As :func:`msg_to_region`.
    """
    if msg.type == RegionType.PHRASE and not msg.label.strip():
        return None
    region = msg_to_region(msg)
    return region if region.label.strip() else replace(region, label=_place(region))


def region_to_msg(region: Region, camera: str = "", size: tuple[int, int] | None = None) -> Any:
    """Make a ``spatialgeo_ros/Region``.

    Args:
        region: What to send.
        camera: Name of its camera.
        size: ``(height, width)`` of the image; fills the bounds of a polygon, point or mask too.

    Raises:
        BadRegionError: ``size`` is given and the region covers no pixel of such an image.
    """
    from spatialgeo_ros.msg import Region as RegionMsg

    msg = RegionMsg(
        type=int(region.type),
        label=region.label or _place(region),
        score=float(region.score),
        camera=camera,
        stamp=ns_to_stamp(region.stamp_ns),
    )
    box = region.box
    if box is None and size is not None and region.type is not RegionType.PHRASE:
        box = region.bounds(*size)
    if box is not None:
        msg.x_min, msg.y_min, msg.x_max, msg.y_max = (float(v) for v in box)
    if region.polygon is not None:
        msg.polygon_x, msg.polygon_y = (region.polygon[:, i].tolist() for i in (0, 1))
    if region.point is not None:
        msg.point_x, msg.point_y = region.point
    if region.mask is not None:
        msg.mask = mask_to_image(region.mask)
        msg.cell = math.ceil(region.cell) if region.cell > 1 else 0
    return msg


def estimate_to_msg(
    estimate: Any,
    header: Any = None,
    camera: str = "",
    watch_id: str = "",
    pose: Pose | None = None,
) -> Any:
    """Make a ``spatialgeo_ros/DistanceEstimate`` of a :class:`scene.sighting.SightedEstimate`.

    Args:
        estimate: What was measured; an invalid one keeps its reason and gets NaN numbers.
        header: Stamp of the source image, and frame of the points.
        camera: Name of the camera.
        watch_id: The standing measurement it belongs to.
        pose: Takes points of the optical frame into that of ``header``; None where it is that.
    """
    from geometry_msgs.msg import Point

    from spatialgeo_ros.msg import DistanceEstimate as EstimateMsg

    valid = bool(estimate.valid)
    ends = (estimate.point_from, estimate.point_to) if valid else (None, None)
    if pose is not None and valid:
        ends = pose.apply(ends[0]), pose.apply(ends[1])
    msg = EstimateMsg(
        camera=camera,
        kind=int(estimate.kind),
        from_object=estimate.from_label,
        to_object=estimate.to_label,
        distance=float(estimate.distance) if valid else math.nan,
        std_dev=float(estimate.sigma) if valid else math.nan,
        from_point=_point(Point, ends[0]),
        to_point=_point(Point, ends[1]),
        source=_SOURCES[estimate.source],
        valid=valid,
        reason=escaped(estimate.reason, _LONGEST_REASON),
        watch_id=watch_id,
        how_seen=int(estimate.how),
        seen_stamp=ns_to_stamp(estimate.seen_stamp_ns),
        age=float(estimate.age),
        degraded=list(estimate.degraded),
        doubt=escaped(estimate.doubt, _LONGEST_REASON),
    )
    if header is not None:
        msg.header = header
    return msg


def detections_to_regions(
    msg: Any, min_score: float = 0.0, word: Callable[[str], str] = lambda name: name
) -> tuple[Region, ...]:
    """Return the boxes of a ``vision_msgs/Detection2DArray``, best hypothesis of each.

    Boxes without :func:`corners_of` are left out: one bad box of a detector must not cost the
    others. So are those whose class has no word.

    Args:
        msg: The detector's message.
        min_score: Of a hypothesis.
        word: Makes a word of a class; "" where a class is known to have none.
    """
    regions = []
    drawn = stamp_to_ns(msg.header.stamp)
    for detection in msg.detections:
        name, score = hypothesis_of(detection)
        label = word(name)
        if score < min_score or (name and not label):
            continue
        corners = corners_of(detection)
        if corners is None:
            continue
        region = Region.from_box(*corners, label=label, score=score)
        regions.append(replace(region, stamp_ns=drawn))
    return tuple(regions)


def corners_of(detection: Any) -> tuple[float, float, float, float] | None:
    """Return left, upper, right and lower edge of a detection's box, px.

    None where they are not finite or enclose nothing.
    """
    u, v = box_centre(detection.bbox)
    half_w, half_h = detection.bbox.size_x / 2, detection.bbox.size_y / 2
    corners = (u - half_w, v - half_h, u + half_w, v + half_h)
    usable = all(map(math.isfinite, corners)) and half_w > 0 and half_h > 0
    return corners if usable else None


def hypothesis_of(detection: Any) -> tuple[str, float]:
    """Return class and score of the best hypothesis of a detection; Humble's layout too."""
    best = ("", 0.0)
    for result in detection.results:
        found = hypothesis(result)
        if not best[0] or found[1] > best[1]:
            best = found
    return best


def _place(region: Region) -> str:
    """Return the name of a region that has none, such as "region at (320, 240)" px.

    Not "box": that is the name of a kind of thing, with a usual size.
    """
    if region.type is RegionType.POINT and region.point is not None:
        u, v = region.point
    elif region.type is RegionType.POLYGON and region.polygon is not None:
        u, v = (region.polygon.min(axis=0) + region.polygon.max(axis=0)) / 2
    elif region.mask is not None:
        v, u = np.argwhere(region.mask).mean(axis=0)
    elif region.box is not None:
        u, v = (region.box[0] + region.box[2]) / 2, (region.box[1] + region.box[3]) / 2
    else:
        return ""
    return f"region at ({u:.0f}, {v:.0f})"


def _point(cls: Any, xyz: npt.ArrayLike | None) -> Any:
    x, y, z = (math.nan,) * 3 if xyz is None else (float(v) for v in np.asarray(xyz))
    return cls(x=x, y=y, z=z)
