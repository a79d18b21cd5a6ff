# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
import cv2
import numpy as np
import pytest

from spatialgeo_ros.errors import BadImageError, BadRequestError, NoCameraInfoError
from spatialgeo_ros.geometry.camera import PinholeCamera
from spatialgeo_ros.geometry.pose import gravity_in_camera
from spatialgeo_ros.recordings.rgbd_folder import FolderRecording, read_calibration, read_trajectory

CAMERA = PinholeCamera(8, 6, 10.0, 11.0, 3.5, 2.5)
IDENTITY_LOG = "{k} {k} {n}\n1 0 0 0\n0 1 0 0\n0 0 1 {z}\n0 0 0 1\n"


def write_frames(folder, names=("0", "1", "2"), depth=True):
    (folder / "color").mkdir()
    (folder / "depth").mkdir()
    for value, name in enumerate(names):
        colour = np.zeros((6, 8, 3), np.uint8)
        colour[..., 2] = 100 + value  # red in OpenCV's order
        cv2.imwrite(str(folder / "color" / f"{name}.png"), colour)
        if depth:
            millimetres = np.full((6, 8), 1000 + value, np.uint16)
            cv2.imwrite(str(folder / "depth" / f"{name}.png"), millimetres)


def test_frames_come_in_order_as_rgb_and_millimetres(tmp_path):
    write_frames(tmp_path)
    frames = list(FolderRecording(tmp_path, CAMERA, rate=20.0))
    assert [frame.stamp_ns for frame in frames] == [0, 50_000_000, 100_000_000]
    assert [frame.image[0, 0].tolist() for frame in frames] == [[100 + k, 0, 0] for k in range(3)]
    assert [int(frame.depth[0, 0]) for frame in frames] == [1000, 1001, 1002]
    assert frames[0].depth.dtype == np.uint16
    assert frames[0].pose is None


def test_times_in_file_names_are_the_stamps(tmp_path):
    write_frames(tmp_path, ("1305031102.175304", "1305031102.211214"))
    assert FolderRecording(tmp_path, CAMERA).stamps_ns == [
        1305031102_175304000,
        1305031102_211214000,
    ]


def test_a_recording_without_depth_has_none(tmp_path):
    write_frames(tmp_path, depth=False)
    recording = FolderRecording(tmp_path, CAMERA)
    assert not recording.has_depth
    assert recording[0].depth is None


def test_optical_worlds_become_z_up(tmp_path):
    write_frames(tmp_path)
    log = "".join(IDENTITY_LOG.format(k=k, n=k + 1, z=2 * k) for k in range(3))
    (tmp_path / "odometry.log").write_text(log)
    pose = FolderRecording(tmp_path, CAMERA)[1].pose
    # The first camera was level, and two metres ahead in its z are two metres in world x.
    np.testing.assert_allclose(gravity_in_camera(pose), [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(pose.translation, [2, 0, 0], atol=1e-12)
    as_recorded = FolderRecording(tmp_path, CAMERA, world_axes="rep103")[1].pose
    np.testing.assert_allclose(as_recorded.translation, [0, 0, 2])


def test_too_few_poses_are_an_error(tmp_path):
    write_frames(tmp_path)
    (tmp_path / "odometry.log").write_text(IDENTITY_LOG.format(k=0, n=1, z=0))
    with pytest.raises(BadRequestError, match="1 poses for 3 images"):
        FolderRecording(tmp_path, CAMERA)


def test_one_matrix_per_line_is_a_trajectory(tmp_path):
    path = tmp_path / "poses.txt"
    path.write_text("# comment\n1 0 0 4 0 1 0 5 0 0 1 6\n")
    (matrix,) = read_trajectory(path)
    np.testing.assert_array_equal(matrix[:3, 3], [4, 5, 6])
    np.testing.assert_array_equal(matrix[3], [0, 0, 0, 1])


@pytest.mark.parametrize("text", ["1 2 3\n", "one two\n", "", "0 0 1\n1 0 0\n"])
def test_other_trajectories_are_errors(tmp_path, text):
    path = tmp_path / "odometry.log"
    path.write_text(text)
    with pytest.raises(BadRequestError):
        read_trajectory(path)


def test_errors_name_the_cure(tmp_path):
    with pytest.raises(BadRequestError, match="color or colour"):
        FolderRecording(tmp_path, CAMERA)
    write_frames(tmp_path)
    with pytest.raises(NoCameraInfoError, match=r"camera_info\.yaml"):
        FolderRecording(tmp_path)
    with pytest.raises(BadImageError, match="calibration is for 640x480"):
        FolderRecording(tmp_path, PinholeCamera(640, 480, 525.0, 525.0, 319.5, 239.5))[0]
    (tmp_path / "depth" / "2.png").unlink()
    with pytest.raises(BadRequestError, match="3 colour but 2 depth"):
        FolderRecording(tmp_path, CAMERA)


def test_eight_bit_depth_is_an_error(tmp_path):
    write_frames(tmp_path)
    cv2.imwrite(str(tmp_path / "depth" / "0.png"), np.zeros((6, 8), np.uint8))
    with pytest.raises(BadImageError, match="16-bit"):
        FolderRecording(tmp_path, CAMERA)[0]


CALIBRATION_YAML = """
image_width: 8
image_height: 6
camera_matrix: {rows: 3, cols: 3, data: [10.0, 0, 3.5, 0, 11.0, 2.5, 0, 0, 1]}
distortion_model: plumb_bob
distortion_coefficients: {rows: 1, cols: 5, data: [0.1, -0.2, 0.001, 0.002, 0.0]}
"""


def test_calibration_layouts(tmp_path):
    ros = tmp_path / "camera_info.yaml"
    ros.write_text(CALIBRATION_YAML)
    camera = read_calibration(ros)
    assert (camera.width, camera.height, camera.fx, camera.fy) == (8, 6, 10.0, 11.0)
    assert (camera.cx, camera.cy) == (3.5, 2.5)
    assert camera.distortion_model == "plumb_bob"
    assert camera.distortion == (0.1, -0.2, 0.001, 0.002, 0.0)
    open3d = tmp_path / "camera.json"
    open3d.write_text(
        '{"width": 8, "height": 6, "intrinsic_matrix": [10.0, 0, 0, 0, 11.0, 0, 3.5, 2.5, 1]}'
    )
    assert read_calibration(open3d) == CAMERA
    plain = tmp_path / "plain.yaml"
    plain.write_text("{fx: 10, fy: 11, cx: 3.5, cy: 2.5}")
    assert read_calibration(plain, 8, 6) == CAMERA
    with pytest.raises(NoCameraInfoError, match="expected camera_matrix"):
        plain.write_text("focal: 3")
        read_calibration(plain, 8, 6)


def test_a_calibration_in_the_folder_is_found(tmp_path):
    write_frames(tmp_path)
    (tmp_path / "camera_info.yaml").write_text(CALIBRATION_YAML)
    assert FolderRecording(tmp_path).camera.distortion_model == "plumb_bob"


def test_real_recording_reads(real_rgbd):
    camera = PinholeCamera(640, 480, 525.0, 525.0, 319.5, 239.5)
    recording = FolderRecording(real_rgbd, camera)
    assert len(recording) == 5
    assert recording.has_depth
    assert recording.has_poses
    depth = recording[0].depth
    assert 500 < np.median(depth[depth > 0]) < 3000
    moved = recording[4].pose.translation - recording[0].pose.translation
    assert np.linalg.norm(moved) == pytest.approx(0.095, abs=0.005)


def test_calibration_file_with_a_lens_by_another_name(tmp_path):
    text = (
        "camera_matrix: {data: [100, 0, 50, 0, 100, 40, 0, 0, 1]}\n"
        "image_width: 101\nimage_height: 81\ndistortion_model: fisheye\n"
        "distortion_coefficients: {data: [0.1, 0.0, 0.0, 0.0]}\n"
    )
    path = tmp_path / "fisheye.yaml"
    path.write_text(text)
    assert read_calibration(path).distortion_model == "equidistant"


ECHOED = """
header:
  stamp:
    sec: 5
    nanosec: 7
  frame_id: camera_color_optical_frame
height: 6
width: 8
distortion_model: plumb_bob
d:
- 0.1
- -0.2
- 0.001
- 0.002
- 0.0
k: [10.0, 0.0, 3.5, 0.0, 11.0, 2.5, 0.0, 0.0, 1.0]
r: [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
p: [10.0, 0.0, 3.5, 0.0, 0.0, 11.0, 2.5, 0.0, 0.0, 0.0, 1.0, 0.0]
binning_x: 0
binning_y: 0
roi:
  x_offset: 0
  y_offset: 0
  height: 0
  width: 0
  do_rectify: false
---
"""


@pytest.mark.parametrize("messages", [1, 40])
def test_a_printed_camera_info_is_read(tmp_path, messages):
    """As `ros2 topic echo <camera>/camera_info > FILE` writes it, once or until stopped."""
    path = tmp_path / "info.yaml"
    path.write_text(ECHOED * messages)
    camera = read_calibration(path)
    assert camera == PinholeCamera(
        8, 6, 10.0, 11.0, 3.5, 2.5, "plumb_bob", (0.1, -0.2, 0.001, 0.002, 0.0)
    )


def test_region_and_binning_of_a_printed_camera_info_count(tmp_path):
    text = ECHOED.replace("height: 6\nwidth: 8", "height: 12\nwidth: 16")
    for old, new in (("10.0, 0.0, 3.5", "20.0, 0.0, 7.5"), ("11.0, 2.5", "22.0, 5.5")):
        text = text.replace(old, new)
    text = text.replace("binning_x: 0\nbinning_y: 0", "binning_x: 2\nbinning_y: 2")
    path = tmp_path / "info.yaml"
    path.write_text(text)
    camera = read_calibration(path)
    assert (camera.width, camera.height, camera.fx, camera.cx) == (8, 6, 10.0, 3.75)
    region = "x_offset: 2\n  y_offset: 0\n  height: 12\n  width: 12"
    path.write_text(text.replace("x_offset: 0\n  y_offset: 0\n  height: 0\n  width: 0", region))
    camera = read_calibration(path)
    assert (camera.width, camera.height, camera.cx) == (6, 6, 2.75)


def test_a_printed_camera_info_of_ros_1_is_read(tmp_path):
    path = tmp_path / "info.yaml"
    path.write_text(ECHOED.replace("\nk:", "\nK:").replace("\nd:", "\nD:"))
    assert read_calibration(path).distortion[1] == -0.2


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (": [10.0", ": [0.0", "uncalibrated"),  # in k and p
        ("height: 6\n", "", "no whole CameraInfo"),
        ("k: [10.0, 0.0, 3.5, 0.0, 11.0, 2.5, 0.0, 0.0, 1.0]", "k: [1, 2]", "no whole"),
        ("plumb_bob", "fisheye_of_mine", "not supported"),
        ("roi:\n  x_offset: 0", "roi: 3\nrest:\n  x_offset: 0", "no whole"),
        ("height: 6", "height: .inf", "no whole"),
        ("width: 8", "width: [8]", "no whole"),
    ],
    ids=range(7),
)
def test_a_camera_info_that_cannot_be_used_says_why(tmp_path, old, new, words):
    path = tmp_path / "info.yaml"
    assert old in ECHOED
    path.write_text(ECHOED.replace(old, new))
    with pytest.raises(NoCameraInfoError, match=words) as caught:
        read_calibration(path)
    assert "info.yaml" in str(caught.value)


def test_json_may_be_indented_with_tabs(tmp_path):
    """YAML may not, and JSON was read as YAML."""
    path = tmp_path / "camera.json"
    path.write_text('{\n\t"fx": 10, "fy": 11,\n\t"cx": 3.5, "cy": 2.5\n}')
    assert read_calibration(path, 8, 6) == CAMERA


@pytest.mark.parametrize("text", ["", "[1, 2]", "3", "{fx: [], fy: 1, cx: 1, cy: 1}", "k: {}"])
def test_other_yaml_is_no_calibration(tmp_path, text):
    path = tmp_path / "camera.yaml"
    path.write_text(text)
    with pytest.raises(NoCameraInfoError, match="camera.yaml"):
        read_calibration(path, 8, 6)


def test_a_scale_gives_metres(tmp_path):
    write_frames(tmp_path)
    frame = FolderRecording(tmp_path, CAMERA, depth_scale=0.00025)[0]
    assert frame.depth.dtype == np.float32
    assert frame.depth[0, 0] == pytest.approx(0.25)


def test_trajectories_that_are_none_are_one_sentence(tmp_path):
    path = tmp_path / "poses.txt"
    path.write_text("1 " * 2_000_000)  # one line, which would become millions of numbers
    with pytest.raises(BadRequestError, match="poses.txt"):
        read_trajectory(path)
    path.write_bytes(b"\xff\xfe1 2")
    with pytest.raises(BadRequestError, match="no UTF-8"):
        read_trajectory(path)
    write_frames(tmp_path)
    path.write_text("\n".join(["2 0 0 0 0 1 0 0 0 0 1 0"] * 3))
    with pytest.raises(BadRequestError, match="poses.txt: rotation"):
        FolderRecording(tmp_path, CAMERA)
