# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read recorded RGB-D: a folder of colour and depth images, or a ROS 2 bag (MCAP or db3).

No rclpy in here: the replay node, the evaluation and the tests all read through this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadImageError, BadRequestError, NoCameraInfoError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import Pose

if TYPE_CHECKING:
    from rosbags.interfaces import Connection

_COLOUR_FOLDERS = ("color", "colour", "rgb", "image")
_DEPTH_FOLDERS = ("depth",)
_CALIBRATION_FILES = (
    "camera_info.yaml",
    "intrinsics.yaml",
    "camera.yaml",
    "intrinsics.json",
    "camera.json",
)
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")

#: REP-103 world axes (x forward, y left, z up) from axes that look like an optical frame
#: (x right, y down, z forward): how most recorded trajectories define their world.
WORLD_FROM_OPTICAL_WORLD = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])


@dataclass(frozen=True, eq=False)
class RecordedFrame:
    """One recorded RGB-D frame.

    Attributes:
        stamp_ns: time of exposure, nanoseconds.
        colour: [H, W, 3] uint8, BGR.
        depth: [H, W] uint16 millimetres (0 invalid), or None.
        pose: world_from_camera (optical frame; the world as in REP-103), or None.
    """

    stamp_ns: int
    colour: npt.NDArray[np.uint8]
    depth: npt.NDArray[np.uint16] | None
    pose: Pose | None


def read_calibration(path: str | Path, width: int = 0, height: int = 0) -> PinholeCamera:
    """Read intrinsics from a YAML or JSON file.

    Three layouts are understood: the one of ROS ``camera_calibration`` (``camera_matrix.data``,
    ``distortion_model``, ``distortion_coefficients.data``), Open3D's ``intrinsic_matrix`` (nine
    numbers by columns), and plain ``fx``, ``fy``, ``cx``, ``cy``.

    Args:
        path: the file.
        width: image width in pixels where the file does not say.
        height: image height in pixels where the file does not say.

    Raises:
        NoCameraInfoError: the file is missing or in none of the layouts.
    """
    import yaml  # with ROS always there; by pip only replaying needs it

    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise NoCameraInfoError(f"cannot read the calibration {path}: {error}") from error
    try:
        width = int(data.get("image_width", data.get("width", width)))
        height = int(data.get("image_height", data.get("height", height)))
        model, coefficients = "", ()
        if "camera_matrix" in data:
            k = [float(v) for v in data["camera_matrix"]["data"]]
            fx, fy, cx, cy = k[0], k[4], k[2], k[5]
            coefficients = tuple(
                float(v) for v in data.get("distortion_coefficients", {}).get("data", ())
            )
            model = str(data.get("distortion_model", "plumb_bob")) if coefficients else ""
        elif "intrinsic_matrix" in data:
            k = [float(v) for v in data["intrinsic_matrix"]]
            fx, fy, cx, cy = k[0], k[4], k[6], k[7]
        else:
            fx, fy, cx, cy = (float(data[name]) for name in ("fx", "fy", "cx", "cy"))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise NoCameraInfoError(
            f"{path} holds no intrinsics ({error!r}): expected camera_matrix, intrinsic_matrix "
            "or fx, fy, cx, cy"
        ) from error
    return PinholeCamera(width, height, fx, fy, cx, cy, model, coefficients)


def read_trajectory(path: str | Path) -> list[npt.NDArray[np.float64]]:
    """Read camera poses (parent_from_camera, [4, 4]) from a text file.

    Understands Open3D's ``.log`` (a line of ids before each 4x4 matrix) and one matrix per line
    (12 or 16 numbers, row-major, as in KITTI).

    Raises:
        BadRequestError: the file is in neither layout.
    """
    rows: list[list[float]] = []
    try:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.lstrip().startswith("#"):
                rows.append([float(v) for v in line.split()])
    except (OSError, ValueError) as error:
        raise BadRequestError(f"cannot read the trajectory {path}: {error}") from error
    if rows and all(len(row) in (12, 16) for row in rows):
        return [_homogeneous(row) for row in rows]
    lengths = [len(row) for row in rows]
    if rows and len(rows) % 5 == 0 and lengths == [3, 4, 4, 4, 4] * (len(rows) // 5):
        return [_homogeneous(sum(rows[i + 1 : i + 5], [])) for i in range(0, len(rows), 5)]
    raise BadRequestError(
        f"{path} is no trajectory: expected an Open3D .log or 12 or 16 numbers per line"
    )


def _homogeneous(values: Sequence[float]) -> npt.NDArray[np.float64]:
    matrix = np.eye(4)
    matrix[: len(values) // 4] = np.asarray(values, dtype=np.float64).reshape(-1, 4)
    return matrix


class FolderRecording:
    """A folder with ``color/*.jpg`` and ``depth/*.png`` (16-bit millimetres), matched by order.

    Poses come from ``odometry.log``, ``poses.txt`` or ``trajectory.log`` where one exists. File
    names that are times in seconds (``1305031102.175304.png``, as in TUM RGB-D) give the stamps;
    otherwise frame k is at k / rate.

    Args:
        folder: where the recording is.
        camera: intrinsics; None reads ``camera_info.yaml``, ``intrinsics.json`` or the like.
        rate: frames per second where the file names are no times, hertz.
        world_axes: ``optical`` when the trajectory's world has x right, y down, z forward (most
            recordings: the first camera is the origin), ``rep103`` when its z points up.

    Raises:
        BadRequestError: there are no images, or the numbers of files do not match.
        NoCameraInfoError: no intrinsics were given and the folder has none.
    """

    def __init__(
        self,
        folder: str | Path,
        camera: PinholeCamera | None = None,
        rate: float = 30.0,
        world_axes: str = "optical",
    ) -> None:
        self.folder = Path(folder)
        if world_axes not in ("optical", "rep103"):
            raise BadRequestError(f"world_axes must be optical or rep103, not {world_axes!r}")
        if not rate > 0:
            raise BadRequestError(f"the rate must be above 0 Hz, not {rate}")
        self._colour = _images(self.folder, _COLOUR_FOLDERS)
        if not self._colour:
            raise BadRequestError(
                f"no images in {self.folder}: expected a folder {' or '.join(_COLOUR_FOLDERS)} "
                "of .jpg or .png files"
            )
        self._depth = _images(self.folder, _DEPTH_FOLDERS)
        if self._depth and len(self._depth) != len(self._colour):
            raise BadRequestError(
                f"{self.folder} has {len(self._colour)} colour but {len(self._depth)} depth images"
            )
        self._poses = self._read_poses(world_axes)
        self.stamps_ns = _stamps(self._colour, rate)
        self.camera = camera if camera is not None else self._find_calibration()

    def __len__(self) -> int:
        return len(self._colour)

    @property
    def has_depth(self) -> bool:
        """Whether every frame has a depth image."""
        return bool(self._depth)

    @property
    def has_poses(self) -> bool:
        """Whether every frame has a pose."""
        return bool(self._poses)

    def __getitem__(self, index: int) -> RecordedFrame:
        """Read frame ``index``.

        Raises:
            IndexError: there is no such frame.
            BadImageError: a file is not an image, or not of the size of the calibration.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        colour = _read_image(self._colour[index], cv2.IMREAD_COLOR)
        if colour.shape[:2] != (self.camera.height, self.camera.width):
            raise BadImageError(
                f"{self._colour[index]} is {colour.shape[1]}x{colour.shape[0]}, but the "
                f"calibration is for {self.camera.width}x{self.camera.height}"
            )
        depth = None
        if self._depth:
            depth = _read_image(self._depth[index], cv2.IMREAD_UNCHANGED)
            if depth.dtype != np.uint16 or depth.ndim != 2:
                raise BadImageError(
                    f"{self._depth[index]} must hold one channel of 16-bit millimetres, "
                    f"not {depth.dtype} {depth.shape}"
                )
        pose = self._poses[index] if self._poses else None
        return RecordedFrame(self.stamps_ns[index], colour, depth, pose)

    def __iter__(self) -> Iterator[RecordedFrame]:
        return (self[index] for index in range(len(self)))

    def _find_calibration(self) -> PinholeCamera:
        first = _read_image(self._colour[0], cv2.IMREAD_COLOR)
        for name in _CALIBRATION_FILES:
            if (self.folder / name).is_file():
                return read_calibration(self.folder / name, first.shape[1], first.shape[0])
        raise NoCameraInfoError(
            f"{self.folder} has no calibration: give fx, fy, cx and cy, a calibration file, or "
            f"put one of {', '.join(_CALIBRATION_FILES)} there"
        )

    def _read_poses(self, world_axes: str) -> list[Pose]:
        for name in ("odometry.log", "trajectory.log", "poses.txt"):
            if not (self.folder / name).is_file():
                continue
            matrices = read_trajectory(self.folder / name)
            if len(matrices) != len(self._colour):
                raise BadRequestError(
                    f"{self.folder / name} has {len(matrices)} poses for {len(self._colour)} images"
                )
            if world_axes == "optical":
                turn = np.eye(4)
                turn[:3, :3] = WORLD_FROM_OPTICAL_WORLD
                matrices = [turn @ matrix for matrix in matrices]
            return [Pose.from_matrix(matrix) for matrix in matrices]
        return []


def _images(folder: Path, names: Sequence[str]) -> list[Path]:
    for name in names:
        if (folder / name).is_dir():
            found = [p for p in (folder / name).iterdir() if p.suffix.lower() in _IMAGE_SUFFIXES]
            return sorted(found)
    return []


def _stamps(files: Sequence[Path], rate: float) -> list[int]:
    """Times in the file names (at least milliseconds after the dot) or k / rate, nanoseconds."""
    matches = [re.fullmatch(r"(\d+)\.(\d{3,9})", file.stem) for file in files]
    if all(matches):
        return [int(m[1]) * 10**9 + int(m[2].ljust(9, "0")) for m in matches if m]
    return [round(k * 1e9 / rate) for k in range(len(files))]


def _read_image(path: Path, flags: int) -> npt.NDArray[Any]:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise BadImageError(f"{path} cannot be read as an image")
    return np.asarray(image)


#: Roles a bag's topics can play, and the message types that can play them.
BAG_ROLES: Mapping[str, tuple[str, ...]] = {
    "image": ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"),
    "camera_info": ("sensor_msgs/msg/CameraInfo",),
    "depth": ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"),
    "depth_camera_info": ("sensor_msgs/msg/CameraInfo",),
    "odometry": ("nav_msgs/msg/Odometry",),
    "detections": ("vision_msgs/msg/Detection2DArray",),
    "tf": ("tf2_msgs/msg/TFMessage",),
    "tf_static": ("tf2_msgs/msg/TFMessage",),
}
_DEPTH_ENCODINGS = ("16UC1", "32FC1", "mono16")


@dataclass(frozen=True)
class BagMessage:
    """One message of a bag: its role, topic and type, its time of recording and its CDR bytes."""

    role: str
    topic: str
    msgtype: str
    stamp_ns: int
    data: bytes


class BagRecording:
    """A ROS 2 bag (a folder with ``metadata.yaml``, or one ``.mcap`` or ``.db3`` file).

    Topics are found by message type unless ``topics`` names them: the first colour image, the
    first depth image (by topic name or encoding), the calibrations beside them, odometry, TF.

    Args:
        path: the bag.
        topics: role (a key of :data:`BAG_ROLES`) -> topic; an empty string leaves a role out.

    Raises:
        BadRequestError: the bag cannot be read, has no image topic, or lacks a topic asked for.
    """

    def __init__(self, path: str | Path, topics: Mapping[str, str] | None = None) -> None:
        try:
            from rosbags.highlevel import AnyReader, AnyReaderError
            from rosbags.typesys import Stores, get_typestore
        except ImportError as error:
            raise BadRequestError(
                "reading bags needs the Python package rosbags (pip install rosbags)"
            ) from error
        wanted = dict(topics or {})
        if unknown := set(wanted) - set(BAG_ROLES):
            raise BadRequestError(f"no such roles: {sorted(unknown)}; known: {list(BAG_ROLES)}")
        try:
            store = get_typestore(Stores.ROS2_JAZZY)
            self._reader = AnyReader([Path(path)], default_typestore=store)
            self._reader.open()
        except (AnyReaderError, OSError) as error:
            raise BadRequestError(f"cannot read the bag {path}: {error}") from error
        self._roles: dict[str, Connection] = {}
        try:
            self._assign(wanted)
        except BaseException:
            self._reader.close()
            raise
        if not self._roles.keys() & {"image", "depth"}:
            names = sorted(f"{c.topic} [{c.msgtype}]" for c in self._reader.connections)
            self._reader.close()
            raise BadRequestError(f"no image topic in {path}; it has {', '.join(names)}")

    def __enter__(self) -> BagRecording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the bag's files."""
        self._reader.close()

    @property
    def topics(self) -> dict[str, str]:
        """The topic that plays each role."""
        return {role: connection.topic for role, connection in self._roles.items()}

    @property
    def types(self) -> dict[str, str]:
        """The message type of each role."""
        return {role: connection.msgtype for role, connection in self._roles.items()}

    def messages(self) -> Iterator[BagMessage]:
        """Yield the messages of all roles in the order they were recorded."""
        roles = {connection.id: role for role, connection in self._roles.items()}
        chosen = list(self._roles.values())
        for connection, stamp, data in self._reader.messages(connections=chosen):
            role = roles[connection.id]
            yield BagMessage(role, connection.topic, connection.msgtype, stamp, bytes(data))

    def _assign(self, wanted: Mapping[str, str]) -> None:
        by_topic = {connection.topic: connection for connection in self._reader.connections}
        for role, topic in wanted.items():
            if not topic:
                continue
            if topic not in by_topic or by_topic[topic].msgtype not in BAG_ROLES[role]:
                raise BadRequestError(
                    f"the bag has no topic {topic} of type {' or '.join(BAG_ROLES[role])}"
                )
            self._roles[role] = by_topic[topic]
        for topic in sorted(by_topic):
            role = self._guess(by_topic[topic])
            if role and role not in wanted:
                self._roles.setdefault(role, by_topic[topic])
        for role, image in (("camera_info", "image"), ("depth_camera_info", "depth")):
            if role in wanted or image not in self._roles:
                continue
            for name in _calibration_names(self._roles[image].topic):
                if name in by_topic and by_topic[name].msgtype in BAG_ROLES[role]:
                    self._roles[role] = by_topic[name]
                    break

    def _guess(self, connection: Connection) -> str | None:
        if connection.msgtype in BAG_ROLES["image"]:
            return "depth" if self._is_depth(connection) else "image"
        if connection.msgtype in BAG_ROLES["tf"]:
            return "tf_static" if connection.topic.endswith("tf_static") else "tf"
        for role in ("odometry", "detections"):
            if connection.msgtype in BAG_ROLES[role]:
                return role
        return None

    def _is_depth(self, connection: Connection) -> bool:
        if connection.msgtype.endswith("/Image"):
            for _, _, data in self._reader.messages(connections=[connection]):
                message: Any = self._reader.deserialize(data, connection.msgtype)
                return message.encoding in _DEPTH_ENCODINGS
        return "depth" in connection.topic.lower()


def _calibration_names(topic: str) -> list[str]:
    """Where the CameraInfo of an image topic can be: beside it, or beside its raw topic."""
    parts = topic.rstrip("/").split("/")
    return ["/".join([*parts[:end], "camera_info"]) for end in range(len(parts) - 1, 0, -1)]
