# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
r"""Image messages to numpy and back: ours against the Python code of cv_bridge.

The baseline is PyPI's ``cv-bridge`` 1.13.0.post0 (ROS 1's Python code). It reads the channel count
wrongly with OpenCV 5, so both sides are run with OpenCV 4, from a folder of their own::

    pip install --no-deps --target /tmp/cv_bridge cv-bridge==1.13.0.post0 \
        opencv-python-headless==4.11.0.86
    PYTHONPATH=/tmp/cv_bridge:$PYTHONPATH python -m bench.image_conversion
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import Any

import cv2
import numpy as np

from bench.common import measure, ratio, report, table
from spatialgeo_ros.node.conversions import image_to_rgb, rgb_to_image

SIZES = ((640, 480), (1920, 1080))


class LegacyArray(np.ndarray):
    """An array with the ``tostring`` that NumPy 2 removed and cv_bridge 1.13 still calls."""

    def tostring(self) -> bytes:
        """Return the bytes, as ``tostring`` did."""
        return self.tobytes()


def load_cv_bridge() -> Any:
    """Return a CvBridge, or None with a word on stderr about how to get it."""
    how = "no baseline; the top of bench/image_conversion.py says how to get it"
    try:
        from cv_bridge import CvBridge
    except ImportError as error:
        sys.stderr.write(f"{error}: {how}\n")
        return None
    if int(cv2.__version__.split(".")[0]) > 4:
        sys.stderr.write(f"cv_bridge does not work with OpenCV {cv2.__version__}: {how}\n")
        return None
    return CvBridge()


def compare(bridge: Any, size: tuple[int, int], seconds: float) -> list[list[Any]]:
    """Rows of the table for one image size; checks that both give the same pixels."""
    width, height = size
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    msg = rgb_to_image(rgb, encoding="bgr8")

    def bridge_there() -> Any:
        return bridge.imgmsg_to_cv2(msg, "rgb8")

    def bridge_back() -> Any:
        bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
        return bridge.cv2_to_imgmsg(bgr.view(LegacyArray), "bgr8")

    def bridge_round() -> Any:
        bgr = cv2.cvtColor(bridge.imgmsg_to_cv2(msg, "rgb8"), cv2.COLOR_RGB2BGR)
        return bridge.cv2_to_imgmsg(bgr.view(LegacyArray), "bgr8")

    def ours_round() -> Any:
        return rgb_to_image(image_to_rgb(msg), encoding="bgr8")

    cases = [
        ("bgr8 message to RGB array", bridge_there, lambda: image_to_rgb(msg)),
        ("RGB array to bgr8 message", bridge_back, lambda: rgb_to_image(rgb, encoding="bgr8")),
        ("there and back", bridge_round, ours_round),
    ]
    if bridge is not None:
        same = np.array_equal(bridge_there(), image_to_rgb(msg))
        if not same or bytes(bridge_round().data) != bytes(ours_round().data):
            raise SystemExit("cv_bridge and ours give different pixels")
    rows = []
    for name, baseline, ours in cases:
        mine = measure(ours, seconds)
        theirs = measure(baseline, seconds) if bridge is not None else None
        rows.append(
            [f"{width}x{height}", name, theirs or "-", mine, ratio(theirs, mine) if theirs else "-"]
        )
    flat = rgb_to_image(rgb)
    rows.append(
        [f"{width}x{height}", "rgb8 message to RGB array (a view)", "-",
         measure(lambda: image_to_rgb(flat), seconds), "-"]
    )  # fmt: skip
    return rows


def main() -> None:
    """Compare at both sizes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    seconds = 0.0 if parser.parse_args().quick else 1.0
    bridge = load_cv_bridge()
    rows = [row for size in SIZES for row in compare(bridge, size, seconds)]
    checks = os.environ.get("ROS_PYTHON_CHECK_FIELDS") == "1"
    report(
        f"Image conversion, field checks of rclpy {'on' if checks else 'off'}",
        [
            "Real `sensor_msgs/Image` messages; both sides give identical bytes. Baseline: "
            "`cv-bridge` 1.13.0.post0 with `tostring` put back (it fails with NumPy 2 as it is). "
            "Median and quartiles.",
        ],
        table(["size", "conversion", "cv_bridge", "ours", "faster"], rows),
    )
    if not checks:
        # Humble always checks every element of a field; later distributions when told to.
        environment = {**os.environ, "ROS_PYTHON_CHECK_FIELDS": "1"}
        command = [sys.executable, "-m", "bench.image_conversion", *sys.argv[1:]]
        subprocess.run(command, env=environment, check=True)


if __name__ == "__main__":
    main()
