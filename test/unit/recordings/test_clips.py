# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clips: videos, image folders, recordings and bags give the frames asked for, and no others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from spatialgeo_ros.batch.clip_files import open_clip
from spatialgeo_ros.errors import BadImageError, BadRequestError
from spatialgeo_ros.recordings.clips import Clip, FolderClip, RecordingClip, VideoClip

SIZE = (48, 32)


def shade(k: int) -> np.ndarray:
    """A frame whose grey level tells its number, through any codec."""
    return np.full((SIZE[1], SIZE[0], 3), 10 + 20 * k, np.uint8)


def number(image: np.ndarray) -> int:
    return round((float(image.mean()) - 10) / 20)


def write_video(path: Path, frames: int = 10, rate: float = 5.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), rate, SIZE)
    for k in range(frames):
        writer.write(shade(k))
    writer.release()
    return path


def read(clip: Clip, indices: list[int]) -> list[tuple[int, int]]:
    return [(frame.index, number(frame.image)) for frame in clip.read(indices)]


def test_a_video_gives_the_frames_asked_for(tmp_path: Path) -> None:
    clip = open_clip(write_video(tmp_path / "clip.avi"))
    assert isinstance(clip, VideoClip) and len(clip) == 10
    assert read(clip, [0, 3, 9]) == [(0, 0), (3, 3), (9, 9)]
    assert read(clip, []) == []
    assert [frame.stamp_ns for frame in clip.read([0, 1, 5])] == [0, 200_000_000, 1_000_000_000]


def test_a_video_is_rgb(tmp_path: Path) -> None:
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 5.0, SIZE)
    writer.write(np.full((SIZE[1], SIZE[0], 3), (0, 0, 250), np.uint8))  # red for OpenCV
    writer.release()
    red, green, blue = next(VideoClip(path).read([0])).image.reshape(-1, 3).mean(axis=0)
    assert red > 200 and green < 50 and blue < 50


def test_only_frames_asked_for_are_converted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = VideoClip(write_video(tmp_path / "clip.avi"))
    converted: list[int] = []
    convert = cv2.cvtColor
    monkeypatch.setattr(cv2, "cvtColor", lambda *a: converted.append(1) or convert(*a))
    list(clip.read([2, 7]))
    assert len(converted) == 2


@pytest.mark.parametrize("content", [b"", b"no video at all", None])
def test_what_is_no_video_is_refused_with_a_cure(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "clip.avi"
    if content is None:  # a recording that was cut off
        content = write_video(path).read_bytes()[:700]
    path.write_bytes(content)
    with pytest.raises(BadImageError, match="clip.avi.*ffmpeg"):
        open_clip(path)


def test_a_missing_video(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="does not exist"):
        open_clip(tmp_path / "clip.mp4")
    with pytest.raises(BadImageError, match="does not exist"):
        VideoClip(tmp_path / "clip.mp4")


def test_what_is_no_video_is_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(BadImageError, match="is a pipe"):
        open_clip(tmp_path / "pipe.mp4")
    cv2.imwrite(str(tmp_path / "picture.jpg"), np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(BadImageError, match="is a picture .JPEG., no video: use --image"):
        open_clip(tmp_path / "picture.jpg")


def test_a_video_larger_than_every_camera_is_not_decoded(tmp_path: Path, monkeypatch) -> None:
    path = write_video(tmp_path / "clip.avi")

    class Huge:
        def __init__(self, *_: object) -> None:
            pass

        def isOpened(self) -> bool:
            return True

        def get(self, _: int) -> float:
            return 30_000.0

        def grab(self) -> bool:
            raise AssertionError("a frame was decoded")

    monkeypatch.setattr(cv2, "VideoCapture", Huge)
    with pytest.raises(BadImageError, match="clip.avi claims 30000x30000 pixels"):
        open_clip(path)


def test_a_folder_is_in_natural_order(tmp_path: Path) -> None:
    for k in (10, 9, 1, 0):
        cv2.imwrite(str(tmp_path / f"frame_{k}.png"), shade(k))
    (tmp_path / "notes.txt").write_text("not a frame")
    clip = open_clip(tmp_path)
    assert isinstance(clip, FolderClip)
    assert read(clip, [0, 1, 2, 3]) == [(0, 0), (1, 1), (2, 9), (3, 10)]


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(BadRequestError, match="no images"):
        open_clip(tmp_path)


def test_a_damaged_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "frame_0.png").write_bytes(b"broken")
    with pytest.raises(BadImageError, match="frame_0.png"):
        list(open_clip(tmp_path).read([0]))


def write_recording(folder: Path, calibration: bool) -> None:
    (folder / "color").mkdir()
    (folder / "depth").mkdir()
    for k in range(3):
        cv2.imwrite(str(folder / "color" / f"{k}.png"), shade(k))
        cv2.imwrite(str(folder / "depth" / f"{k}.png"), np.full(SIZE[::-1], 1000 + k, np.uint16))
    if calibration:
        (folder / "camera.yaml").write_text("{fx: 40, fy: 40, cx: 23.5, cy: 15.5}\n")


def test_a_recording_brings_depth_and_calibration(tmp_path: Path) -> None:
    write_recording(tmp_path, calibration=True)
    clip = open_clip(tmp_path)
    assert isinstance(clip, RecordingClip)
    frame = list(clip.read([2]))[0]
    assert number(frame.image) == 2 and frame.depth is not None and int(frame.depth[0, 0]) == 1002
    assert frame.camera is not None and frame.camera.fx == 40


def test_a_recording_without_calibration_is_images_until_one_is_given(tmp_path: Path) -> None:
    write_recording(tmp_path, calibration=False)
    assert isinstance(open_clip(tmp_path), FolderClip)
    frame = next(open_clip(tmp_path, "30,30,23.5,15.5").read([0]))
    assert frame.camera is not None and frame.camera.fx == 30


class Bag:
    """Writes bags of tiny images with times."""

    def __init__(self) -> None:
        self.rosbag2 = pytest.importorskip("rosbags.rosbag2")
        from rosbags.typesys import Stores, get_typestore

        self.store = get_typestore(Stores.ROS2_JAZZY)

    def make(self, kind: str, **fields: Any) -> Any:
        return self.store.types[kind](**fields)

    def header(self, nanoseconds: int) -> Any:
        time = self.make("builtin_interfaces/msg/Time", sec=7, nanosec=nanoseconds)
        return self.make("std_msgs/msg/Header", stamp=time, frame_id="camera")

    def image(self, pixels: np.ndarray, encoding: str, nanoseconds: int) -> Any:
        data = np.frombuffer(pixels.tobytes(), np.uint8)
        return self.make(
            "sensor_msgs/msg/Image", header=self.header(nanoseconds), height=pixels.shape[0],
            width=pixels.shape[1], encoding=encoding, is_bigendian=0,
            step=data.size // pixels.shape[0], data=data,
        )  # fmt: skip

    def info(self) -> Any:
        roi = self.make(
            "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0,
            do_rectify=False,
        )  # fmt: skip
        k = np.array([40.0, 0, 23.5, 0, 40, 15.5, 0, 0, 1])
        return self.make(
            "sensor_msgs/msg/CameraInfo", header=self.header(0), height=SIZE[1], width=SIZE[0],
            distortion_model="plumb_bob", d=np.zeros(5), k=k, r=np.eye(3).ravel(),
            p=np.zeros(12), binning_x=0, binning_y=0, roi=roi,
        )  # fmt: skip

    def write(self, path: Path, messages: list[tuple[str, int, Any]]) -> Path:
        with self.rosbag2.Writer(path, version=9) as writer:
            connections = {}
            for topic, _, message in messages:
                if topic not in connections:
                    connections[topic] = writer.add_connection(
                        topic, message.__msgtype__, typestore=self.store
                    )
            for topic, stamp, message in messages:
                data = self.store.serialize_cdr(message, message.__msgtype__)
                writer.write(connections[topic], stamp, data)
        return path


def test_a_bag_pairs_colour_with_the_depth_nearest_in_time(tmp_path: Path) -> None:
    bag = Bag()
    step = 100_000_000
    messages = [("/camera/camera_info", 0, bag.info())]
    for k in range(4):
        messages.append(("/camera/image", k * step, bag.image(shade(k), "rgb8", k * step)))
        if k != 2:  # one depth image is missing, the others come 10 ms late
            depth = np.full(SIZE[::-1], 1000 + k, np.uint16)
            late = k * step + 10_000_000
            messages.append(("/camera/depth", late, bag.image(depth, "16UC1", late)))
    clip = open_clip(bag.write(tmp_path / "bag", messages))
    assert len(clip) == 4
    frames = list(clip.read([0, 2, 3]))
    assert [(frame.index, number(frame.image)) for frame in frames] == [(0, 0), (2, 2), (3, 3)]
    depths = [None if f.depth is None else int(f.depth[0, 0]) for f in frames]
    assert depths == [1000, None, 1003]
    assert [frame.stamp_ns for frame in frames] == [7_000_000_000, 7_200_000_000, 7_300_000_000]
    assert frames[0].camera is not None and frames[0].camera.fx == 40


def test_a_bag_of_depth_alone_is_no_clip(tmp_path: Path) -> None:
    bag = Bag()
    depth = bag.image(np.full(SIZE[::-1], 1000, np.uint16), "16UC1", 0)
    path = bag.write(tmp_path / "bag", [("/camera/depth", 0, depth)])
    with pytest.raises(BadRequestError, match="no colour images"):
        open_clip(path)
