# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Read recorded RGB-D from a folder of colour and depth images, with poses where there are any.

No rclpy in here: the replay node, the evaluation and the tests all read through this module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.errors import BadImageError, BadRequestError, NoCameraInfoError
from spatialgeo_ros.geometry.camera import PinholeCamera, lens_of
from spatialgeo_ros.geometry.pose import BODY_FROM_OPTICAL, Pose
from spatialgeo_ros.recordings.depth_file import Depth, scaled_depth
from spatialgeo_ros.recordings.image_codec import read_colour_file, read_depth_png
from spatialgeo_ros.runtime.input_files import read_input_text, read_json, read_yaml

#: Where a recording keeps its colour images.
COLOUR_FOLDERS = ("color", "colour", "rgb", "image")
_DEPTH_FOLDERS = ("depth",)
#: Where it may keep its calibration.
CALIBRATION_FILES = (
    "camera_info.yaml",
    "intrinsics.yaml",
    "camera.yaml",
    "intrinsics.json",
    "camera.json",
)
_IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
#: Trajectories: some 200,000 poses.
MOST_TRAJECTORY_BYTES = 20_000_000
#: Of a line of a trajectory: a 4x4 matrix.
_MOST_COLUMNS = 16


@dataclass(frozen=True, eq=False)
class RecordedFrame:
    """One recorded RGB-D frame.

    Attributes:
        stamp_ns: time of exposure, nanoseconds.
        image: [H, W, 3] uint8, RGB.
        depth: [H, W] uint16 millimetres or, with a scale, float32 metres (0 invalid), or None.
        pose: world_from_camera (optical frame; the world as in REP-103), or None.
    """

    stamp_ns: int
    image: npt.NDArray[np.uint8]
    depth: Depth | None
    pose: Pose | None


def read_calibration(path: str | Path, width: int = 0, height: int = 0) -> PinholeCamera:
    """Read intrinsics from a YAML or JSON file.

    Four layouts are understood: the one of ROS ``camera_calibration`` (``camera_matrix.data``,
    ``distortion_model``, ``distortion_coefficients.data``), a ``sensor_msgs/CameraInfo`` as
    ``ros2 topic echo`` prints it (of several messages the first; ROI and binning count), Open3D's
    ``intrinsic_matrix`` (nine numbers by columns), and plain ``fx``, ``fy``, ``cx``, ``cy``.

    Args:
        path: the file.
        width: image width in pixels where the file does not say.
        height: image height in pixels where the file does not say.

    Raises:
        NoCameraInfoError: the file is missing or in none of the layouts.
    """
    # JSON has a reader of its own: YAML does not take the tabs that it may be indented with.
    read = read_json if Path(path).suffix.lower() == ".json" else read_yaml
    data = read(path, NoCameraInfoError)
    if isinstance(data, dict) and ("k" in data or "K" in data):
        return _from_message(data, path)
    try:
        width = int(data.get("image_width", data.get("width", width)))
        height = int(data.get("image_height", data.get("height", height)))
        model = ""
        coefficients: tuple[float, ...] = ()
        if "camera_matrix" in data:
            k = [float(v) for v in data["camera_matrix"]["data"]]
            fx, fy, cx, cy = k[0], k[4], k[2], k[5]
            coefficients = data.get("distortion_coefficients", {}).get("data", ())
            name = str(data.get("distortion_model", "plumb_bob" if coefficients else ""))
            model, coefficients, _ = lens_of(name, coefficients)
        elif "intrinsic_matrix" in data:
            k = [float(v) for v in data["intrinsic_matrix"]]
            fx, fy, cx, cy = k[0], k[4], k[6], k[7]
        else:
            fx, fy, cx, cy = (float(data[name]) for name in ("fx", "fy", "cx", "cy"))
    except _NO_INTRINSICS as error:
        raise NoCameraInfoError(
            f"{path} holds no intrinsics ({error!r:.100}): expected camera_matrix, the k of a "
            "CameraInfo, intrinsic_matrix, or fx, fy, cx, cy"
        ) from error
    return PinholeCamera(width, height, fx, fy, cx, cy, model, coefficients)


def read_camera(text: str, width: int, height: int) -> PinholeCamera:
    """Return the camera of ``--camera-info`` for images of this size, in pixels.

    Raises:
        BadRequestError: it is numbers, but not four.
        NoCameraInfoError: the numbers or the file are no calibration.
    """
    numbers = numbers_of(text)
    if len(numbers) == 4:
        fx, fy, cx, cy = numbers
        return PinholeCamera(width, height, fx, fy, cx, cy)
    if len(numbers) > 1:
        raise BadRequestError(f"--camera-info {text}: expected FX,FY,CX,CY or a file")
    return read_calibration(text, width, height)


def numbers_of(text: str) -> list[float]:
    """Return comma-separated numbers, or nothing when the text is anything else."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        return []


# Of values that are of another type, missing, or too large for a float.
_NO_INTRINSICS = (AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError)


def _from_message(data: dict[str, Any], path: str | Path) -> PinholeCamera:
    """Camera of a CameraInfo that was printed: field names as in ROS 2, or as in ROS 1 (K, D)."""
    small = {str(key).lower(): value for key, value in data.items()}
    try:
        roi = dict(small.get("roi") or {})
        info = SimpleNamespace(
            width=int(small["width"]),
            height=int(small["height"]),
            distortion_model=str(small.get("distortion_model") or ""),
            d=[float(value) for value in small.get("d") or ()],
            k=[float(value) for value in small["k"]],
            p=[float(value) for value in small.get("p") or (0.0,) * 12],
            binning_x=int(small.get("binning_x") or 0),
            binning_y=int(small.get("binning_y") or 0),
            roi=SimpleNamespace(
                **{
                    name: int(roi.get(name) or 0)
                    for name in ("x_offset", "y_offset", "width", "height")
                }
            ),
        )
        return PinholeCamera.from_camera_info(info)
    except NoCameraInfoError as error:
        raise NoCameraInfoError(f"{path}: {error}") from error
    except _NO_INTRINSICS as error:
        raise NoCameraInfoError(
            f"{path} is no whole CameraInfo ({error!r:.100}): print one with "
            "`ros2 topic echo --once <camera>/camera_info > FILE`"
        ) from error


def read_trajectory(path: str | Path) -> list[npt.NDArray[np.float64]]:
    """Read camera poses (parent_from_camera, [4, 4]) from a text file.

    Understands Open3D's ``.log`` (a line of ids before each 4x4 matrix) and one matrix per line
    (12 or 16 numbers, row-major, as in KITTI).

    Raises:
        BadRequestError: the file is in neither layout.
    """
    rows: list[list[float]] = []
    for line in read_input_text(path, MOST_TRAJECTORY_BYTES, BadRequestError).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                rows.append([float(v) for v in line.split(maxsplit=_MOST_COLUMNS)])
            except ValueError as error:
                raise BadRequestError(
                    f"cannot read the trajectory {path}: {error!s:.100}"
                ) from error
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
        depth_scale: metres per unit of the depth images; None for millimetres.

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
        depth_scale: float | None = None,
    ) -> None:
        self.folder = Path(folder)
        self._depth_scale = depth_scale
        if world_axes not in ("optical", "rep103"):
            raise BadRequestError(f"world_axes must be optical or rep103, not {world_axes!r}")
        if not rate > 0:
            raise BadRequestError(f"the rate must be above 0 Hz, not {rate}")
        self._colour = _images(self.folder, COLOUR_FOLDERS)
        if not self._colour:
            raise BadRequestError(
                f"no images in {self.folder}: expected a folder {' or '.join(COLOUR_FOLDERS)} "
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
        image = read_colour_file(self._colour[index])
        if image.shape[:2] != (self.camera.height, self.camera.width):
            raise BadImageError(
                f"{self._colour[index]} is {image.shape[1]}x{image.shape[0]}, but the "
                f"calibration is for {self.camera.width}x{self.camera.height}"
            )
        depth = None
        if self._depth:
            depth = scaled_depth(read_depth_png(self._depth[index]), self._depth_scale)
        pose = self._poses[index] if self._poses else None
        return RecordedFrame(self.stamps_ns[index], image, depth, pose)

    def __iter__(self) -> Iterator[RecordedFrame]:
        return (self[index] for index in range(len(self)))

    def _find_calibration(self) -> PinholeCamera:
        for name in CALIBRATION_FILES:
            if (self.folder / name).exists():
                height, width = read_colour_file(self._colour[0]).shape[:2]
                return read_calibration(self.folder / name, width, height)
        raise NoCameraInfoError(
            f"{self.folder} has no calibration: give fx, fy, cx and cy, a calibration file, or "
            f"put one of {', '.join(CALIBRATION_FILES)} there"
        )

    def _read_poses(self, world_axes: str) -> list[Pose]:
        for name in ("odometry.log", "trajectory.log", "poses.txt"):
            if not (self.folder / name).exists():
                continue
            matrices = read_trajectory(self.folder / name)
            if len(matrices) != len(self._colour):
                raise BadRequestError(
                    f"{self.folder / name} has {len(matrices)} poses for {len(self._colour)} images"
                )
            # How most recorded trajectories define their world: x right, y down, z forward.
            turn = BODY_FROM_OPTICAL if world_axes == "optical" else Pose.identity()
            try:
                return [turn @ Pose.from_matrix(matrix) for matrix in matrices]
            except ValueError as error:
                raise BadRequestError(f"{self.folder / name}: {error!s:.200}") from error
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
