# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whether depth belongs to the pixels of an image, and what to do where it does not."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.errors import BadImageError
from spatialgeo_ros.geometry.calibration_cache import same_rays
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose
from spatialgeo_ros.geometry.registration import register_depth

Size = tuple[int, int]

_SAME_PLACE = 0.002  # metres between two optical frames that count as one
_SAME_DIRECTION = np.radians(0.15)
_RAYS_TOLERANCE = 0.004  # of the image's width by which rays of registered depth may be off
_MOST_ECHOED = 60  # characters of a frame_id that a message repeats

_CURE = (
    "publish registered depth (RealSense: align_depth.enable:=true), or give the depth's own "
    "calibration by depth_camera_info_topic and its place by TF or depth_extrinsics"
)


class Registration(Enum):
    """What has to happen to a depth image before it can be used with an image."""

    REGISTERED = "registered"
    RESIZE = "resize"
    REGISTER = "register"
    REFUSE = "refuse"


@dataclass(frozen=True, eq=False)
class RegistrationPlan:
    """What :func:`judge_registration` found.

    Attributes:
        action: what to do.
        words: for REFUSE what is wrong and the cure, else what is assumed or done; "" for nothing.
        depth_camera: for REGISTER, the intrinsics of the depth image at its size.
        colour_camera: for REGISTER, those of the image.
        colour_from_depth: for REGISTER, the pose of the depth camera in the image's optical frame.
        size: width and height of the image.
    """

    action: Registration
    words: str
    size: Size
    depth_camera: PinholeCamera | None = None
    colour_camera: PinholeCamera | None = None
    colour_from_depth: Pose | None = None

    def apply(self, depth: NDArray[np.float32]) -> NDArray[np.float32]:
        """Depth in metres [h, w] at the pixels of the image [H, W]; NaN where there is none.

        Without registration a depth image of another size is resized without interpolation: a mean
        of near and far depth would be a surface that does not exist.

        Raises:
            BadImageError: the plan is to refuse.
        """
        if self.action is Registration.REGISTERED:
            return depth
        if self.action is Registration.RESIZE:
            resized = cv2.resize(depth, self.size, interpolation=cv2.INTER_NEAREST)
            return np.asarray(resized, np.float32)
        cameras = self.depth_camera, self.colour_camera
        if cameras[0] is None or cameras[1] is None or self.colour_from_depth is None:
            raise BadImageError(self.words)
        return register_depth(depth, cameras[0], cameras[1], self.colour_from_depth)


def equal_aspect(a: Size, b: Size) -> bool:
    """Tell whether one image can be a resize of the other: width / height are exactly equal.

    Not nearly: 848x480 and 1280x720 differ by 0.6 %, and are modes with other fields of view.
    """
    return min(*a, *b) > 0 and a[0] * b[1] == a[1] * b[0]


def judge_registration(
    depth_size: Size,
    depth_frame: str,
    depth_camera: PinholeCamera | None,
    colour_size: Size,
    colour_frame: str,
    colour_camera: PinholeCamera | None,
    colour_from_depth: Pose | None = None,
    trusted: bool = False,
) -> RegistrationPlan:
    """Decide what a depth image needs before it can be used with an image.

    ==============  =======================  =========  ======================================
    optical frames  the depth's calibration  transform  action
    ==============  =======================  =========  ======================================
    the same        as the image's           -          REGISTERED, RESIZE
    the same        another                  -          REGISTER (nothing moves but the lens)
    the same        unknown                  -          REGISTERED, RESIZE; REFUSE for another
                                                        aspect ratio
    different       known                    known      REGISTER
    different       known                    unknown    REFUSE
    different       unknown                  any        REFUSE
    not said        as the image's           unknown    REGISTERED, RESIZE
    not said        another                  unknown    REFUSE
    not said        unknown                  unknown    as the same, with a remark
    ==============  =======================  =========  ======================================

    Frames are the same when the transform between them is known and moves nothing, or not known
    and their names are equal; "not said" when it is not known and a name is empty. A calibration
    is "as the image's" when its rays differ by less than 0.4 % of the width from those of the
    image's camera at the size of the depth image. REGISTERED is for equal sizes and RESIZE for
    others. Without a calibration of the image itself there is nothing to compare with or register
    to: what would need it is refused.

    Args:
        depth_size: width and height of the depth image.
        depth_frame: its ``frame_id``.
        depth_camera: from the depth's own CameraInfo, at any size of the same aspect ratio.
        colour_size: width and height of the image.
        colour_frame: its ``frame_id``.
        colour_camera: intrinsics of the image.
        colour_from_depth: pose of the depth camera in the image's optical frame, where known.
        trusted: the user says that the depth is registered: frames and calibration of the depth
            are not looked at.
    """

    def plan(action: Registration, words: str = "") -> RegistrationPlan:
        return RegistrationPlan(action, words, colour_size)

    what = (
        f"depth is {depth_size[0]}x{depth_size[1]} in frame {_echo(depth_frame)}, the image "
        f"{colour_size[0]}x{colour_size[1]} in frame {_echo(colour_frame)}"
    )
    if trusted:
        depth_camera = colour_from_depth = None
    names = depth_frame.strip().lstrip("/"), colour_frame.strip().lstrip("/")
    unsaid = not trusted and colour_from_depth is None and not all(names)
    if colour_from_depth is None:
        together = trusted or names[0] == names[1]
    else:
        together = _nothing(colour_from_depth)
    if depth_camera is not None:
        own = depth_camera.width, depth_camera.height
        if own != depth_size:
            if not equal_aspect(own, depth_size):
                return plan(
                    Registration.REFUSE,
                    f"{what}, and the depth's camera_info is for {own[0]}x{own[1]} with another "
                    "aspect ratio: publish the camera_info of this depth",
                )
            depth_camera = depth_camera.resized(*depth_size)
    alike = Registration.REGISTERED if depth_size == colour_size else Registration.RESIZE
    if depth_camera is None:
        if not together and not unsaid:
            return plan(Registration.REFUSE, f"{what}: it is not registered to the image; {_CURE}")
        if not equal_aspect(depth_size, colour_size):
            return plan(
                Registration.REFUSE,
                f"{what}: another aspect ratio is another field of view; {_CURE}",
            )
        missing = f"{what}: without a frame_id it is taken as registered to the image"
        return plan(alike, missing if unsaid else "")
    if colour_camera is None:
        return plan(
            Registration.REFUSE,
            f"{what}: whether it is registered cannot be told without the camera_info of the image",
        )
    if together or unsaid:
        scaled = colour_camera.resized(*depth_size)
        if same_rays(depth_camera, scaled, max(1.0, _RAYS_TOLERANCE * depth_size[0])):
            return plan(alike)
    if colour_from_depth is None and not (together and not unsaid):
        return plan(
            Registration.REFUSE,
            f"{what}, with another calibration, and the transform between the two is not known: "
            f"it is not registered to the image; {_CURE}",
        )
    return RegistrationPlan(
        Registration.REGISTER,
        f"{what}: it is registered to the image here",
        colour_size,
        depth_camera,
        colour_camera,
        Pose.identity() if colour_from_depth is None else colour_from_depth,
    )


def _nothing(transform: Pose | None) -> bool:
    """Whether a transform is known and moves nothing by more than a pixel's worth."""
    if transform is None:
        return False
    cosine = (float(np.trace(transform.rotation)) - 1) / 2
    turned = float(np.arccos(np.clip(cosine, -1, 1)))
    return turned < _SAME_DIRECTION and float(np.linalg.norm(transform.translation)) < _SAME_PLACE


def _echo(name: str) -> str:
    return repr(name if len(name) <= _MOST_ECHOED else name[:_MOST_ECHOED] + "...")
