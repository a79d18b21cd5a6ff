# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Two 1920x1080 cameras with depth and a robot's odometry into the node, over real DDS.

Each camera is a process that sends image (bgr8), registered depth (16UC1) and camera_info; another
one sends odometry of a robot that drives on, so that keyframes are kept and replaced. The node runs
without networks and takes every frame. ``~/depth/camera_info``, a small message for each observed
frame, shows when it was done with which. With ``--before CHECKOUT`` the node of another checkout is
measured too, in turn. Everything runs on this machine, so what the cameras cost is said as well.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import report, table
from bench.ingest import DISCOVERY_SECONDS, PROFILE, REPOSITORY, cpu_seconds
from spatialgeo_ros.node.compatibility import fast_dds_profile_variables

WIDTH, HEIGHT, FOCAL = 1920, 1080, 1400.0
CAMERAS = ("front", "back")
MOUNT_HEIGHT, PITCH = 0.9, 0.2  # metres, radians down
ODOMETRY_RATE, SPEED, TURN = 50.0, 0.5, 0.4  # Hz, m/s, rad/s


def room_depth(width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """Depth [H, W] in millimetres of a floor and a wall 4 m ahead, with noise and holes."""
    v = ((np.arange(height) - (height - 1) / 2) / (FOCAL * width / WIDTH))[:, None]
    down = math.sin(PITCH) + v * math.cos(PITCH)  # per metre of depth
    ahead = math.cos(PITCH) - v * math.sin(PITCH)
    floor = np.where(down > 1e-3, MOUNT_HEIGHT / np.maximum(down, 1e-3), np.inf)
    depth = np.broadcast_to(np.minimum(floor, 4.0 / ahead), (height, width))
    rng = np.random.default_rng(0)
    noisy = depth + rng.normal(size=depth.shape) * (0.0012 + 0.0019 * depth**2)
    millimetres = np.rint(1000 * noisy).astype(np.uint16)
    millimetres[rng.random(depth.shape) < 0.02] = 0
    return millimetres


def send_camera(
    name: str,
    rate: float,
    seconds: float,
    depth_image: np.ndarray,
    clock: Callable[[], int] = time.time_ns,
) -> None:
    """Send frames from the moment the node listens; print the rate and the CPU time as JSON.

    Args:
        name: Of the camera, which its topics begin with.
        rate: Frames per second.
        seconds: How long.
        depth_image: [H, W] in millimetres, of every frame; the picture is of its size.
        clock: Gives the stamps, nanoseconds.
    """
    import rclpy
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import CameraInfo, Image

    from spatialgeo_ros.geometry.camera import PinholeCamera
    from spatialgeo_ros.node.conversions import (
        camera_to_info,
        depth_to_image,
        ns_to_stamp,
        rgb_to_image,
    )

    height, width = depth_image.shape
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    image, depth = rgb_to_image(picture, encoding="bgr8"), depth_to_image(depth_image)
    image.header.frame_id = f"{name}_optical_frame"
    focal = FOCAL * width / WIDTH
    camera = PinholeCamera(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)
    depth.header = image.header
    info = camera_to_info(camera, image.header)
    rclpy.init()
    node = rclpy.create_node(f"bench_{name}")
    senders = [
        (node.create_publisher(kind, f"{name}/{topic}", qos_profile_sensor_data), message)
        for kind, topic, message in (
            (CameraInfo, "camera_info", info),
            (Image, "depth/image_raw", depth),
            (Image, "image_raw", image),
        )
    ]
    end = time.monotonic() + DISCOVERY_SECONDS
    while not all(sender.get_subscription_count() for sender, _ in senders):
        if time.monotonic() > end:
            raise SystemExit("no node appeared")
        rclpy.spin_once(node, timeout_sec=0.05)
    used, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    for number in range(round(seconds * rate)):
        time.sleep(max(0.0, start + number / rate - time.monotonic()))
        image.header.stamp = ns_to_stamp(clock())  # one header for all three
        for sender, message in senders:
            sender.publish(message)
    now, wall = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - start
    cpu = (now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime) / wall
    sys.stdout.write(json.dumps({"rate": (number + 1) / wall, "cpu": cpu}))
    node.destroy_node()
    rclpy.shutdown()


def send_odometry(seconds: float, clock: Callable[[], int] = time.time_ns) -> None:
    """Send the poses of a robot that drives on a spiral, so that it always sees something new.

    ``clock`` gives the stamps, nanoseconds.
    """
    import rclpy
    from nav_msgs.msg import Odometry
    from rclpy.qos import qos_profile_sensor_data
    from rclpy.signals import SignalHandlerOptions

    from spatialgeo_ros.node.conversions import ns_to_stamp

    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)  # ended by a signal, quietly
    node = rclpy.create_node("bench_base")
    sender = node.create_publisher(Odometry, "odom", qos_profile_sensor_data)
    message = Odometry(child_frame_id="base_link")
    message.header.frame_id = "odom"
    start = time.monotonic()
    while (t := time.monotonic() - start) < seconds:
        yaw = TURN * t
        message.pose.pose.position.x = SPEED * t * math.cos(0.1 * t)
        message.pose.pose.position.y = SPEED * t * math.sin(0.1 * t)
        message.pose.pose.orientation.z = math.sin(yaw / 2)
        message.pose.pose.orientation.w = math.cos(yaw / 2)
        message.header.stamp = ns_to_stamp(clock())
        sender.publish(message)
        time.sleep(1 / ODOMETRY_RATE)
    node.destroy_node()
    rclpy.shutdown()


def watch(seconds: float, pid: int) -> None:
    """Count what the node does for ``seconds`` once frames come out of it; print it as JSON."""
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray
    from rclpy.qos import qos_profile_sensor_data
    from sensor_msgs.msg import CameraInfo

    from spatialgeo_ros.node.conversions import stamp_to_ns

    rclpy.init()
    node = rclpy.create_node("bench_watch")
    counts: dict[str, dict[str, str]] = {}
    ages: list[float] = []
    arrival = [0.0]

    def heard(message: Any) -> None:
        for status in message.status:
            counts[status.name] = {v.key: v.value for v in status.values}
        arrival[0] = time.monotonic()

    def observed(message: Any) -> None:
        ages.append((time.time_ns() - stamp_to_ns(message.header.stamp)) * 1e-6)

    def total(key: str) -> int:
        return sum(int(values.get(key, 0)) for values in counts.values())

    def spin_until(done: Callable[[], bool], limit: float) -> None:
        end = time.monotonic() + limit
        while not done() and time.monotonic() < end:
            rclpy.spin_once(node, timeout_sec=0.05)

    node.create_subscription(DiagnosticArray, "/diagnostics", heard, 10)
    node.create_subscription(
        CameraInfo, "spatialgeo/depth/camera_info", observed, qos_profile_sensor_data
    )
    spin_until(lambda: len(ages) > 5 and bool(total("received")), DISCOVERY_SECONDS)
    # Counts come once a second: the window begins and ends with one.
    told = arrival[0]
    spin_until(lambda: arrival[0] > told, 3)
    keys = ("received", "processed", "replaced by newer", "kept")
    before, cpu, start = {key: total(key) for key in keys}, cpu_seconds(pid), arrival[0]
    ages.clear()
    spin_until(lambda: arrival[0] - start >= seconds, seconds + 3)
    wall, used = max(arrival[0] - start, 1e-9), cpu_seconds(pid) - cpu
    median, late = np.percentile(ages, (50, 95)) if ages else (math.nan, math.nan)
    result = {key: (total(key) - before[key]) / wall for key in keys}
    result |= {"median": median, "p95": late, "cpu": used / wall}
    sys.stdout.write(json.dumps(result))
    node.destroy_node()
    rclpy.shutdown()


def run(checkout: Path, rate: float, seconds: float) -> dict[str, Any]:
    """Run node, cameras and robot once and return what was counted."""
    environment = {**os.environ, **dict.fromkeys(fast_dds_profile_variables(), str(PROFILE))}
    environment["ROS_DOMAIN_ID"] = str(20 + os.getpid() % 80)
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    processes: list[subprocess.Popen[str]] = []

    def start(root: Path, *command: str, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
        path = os.pathsep.join([str(root), os.environ.get("PYTHONPATH", "")])
        process = subprocess.Popen(
            [sys.executable, *command],
            env={**environment, "PYTHONPATH": path}, cwd=root, stdout=output, text=True,
        )  # fmt: skip
        processes.append(process)
        return process

    def role(*arguments: str) -> subprocess.Popen[str]:
        return start(REPOSITORY, "-m", "bench.ingest_depth", "--role", *arguments)

    mount = f"[0.1, 0.0, {MOUNT_HEIGHT}, 0.0, {PITCH}, 0.0]"
    parameters = {
        "profile": "none", "process_rate": "0.0", "pose_source": "odometry",
        "cameras": f"[{', '.join(CAMERAS)}]", **{f"{name}.mount": mount for name in CAMERAS},
    }  # fmt: skip
    settings = [part for item in parameters.items() for part in ("-p", ":=".join(item))]
    limit = seconds + 2 * DISCOVERY_SECONDS
    length = str(seconds + 8)  # longer than the watch, which waits for the first frames
    try:
        node = start(
            checkout, str(checkout / "scripts" / "spatialgeo_node"), "--ros-args", *settings,
            "--log-level", "error", output=subprocess.DEVNULL,
        )  # fmt: skip
        watcher = role("watch", "--seconds", str(seconds), "--pid", str(node.pid))
        role("send_odometry", "--seconds", str(limit))
        cameras = [
            role("send_camera", "--camera", name, "--rate", str(rate), "--seconds", length)
            for name in CAMERAS
        ]
        seen = json.loads(watcher.communicate(timeout=limit)[0])
        sent = [json.loads(camera.communicate(timeout=limit)[0]) for camera in cameras]
    except (subprocess.TimeoutExpired, json.JSONDecodeError) as error:
        raise SystemExit(f"no result within {limit:g} s, see above") from error
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait()
    return {**seen, "sent": sum(s["rate"] for s in sent), "cameras": sum(s["cpu"] for s in sent)}


def compare(checkouts: Sequence[tuple[str, Path]], rates: Sequence[float], seconds: float) -> None:
    """Run every checkout at every rate and print the table."""
    rows = []
    for rate in rates:
        for name, checkout in checkouts:
            seen = run(checkout, rate, seconds)
            rows.append(
                [f"2 x {rate:g} Hz", name, f"{seen['sent']:.1f}", f"{seen['received']:.1f}",
                 f"{seen['processed']:.1f}", f"{seen['replaced by newer']:.1f}",
                 f"{seen['median']:.0f} / {seen['p95']:.0f} ms", f"{seen['kept']:.1f}",
                 f"{seen['cpu']:.0%}", f"{seen['cameras']:.0%}"]
            )  # fmt: skip
    report(
        "Node ingest with depth",
        [
            f"{len(CAMERAS)} cameras of {WIDTH}x{HEIGHT}, each bgr8 and registered 16UC1, odometry "
            f"at {ODOMETRY_RATE:g} Hz, `config/fastdds.xml`, {seconds:g} s per run; per second and "
            "of both cameras together. Age: from the stamp until the node has observed the frame, "
            "median and p95. CPU: of one core; that of both cameras in the last column."
        ],
        table(
            ["cameras", "node", "sent", "received", "observed", "replaced", "age", "keyframes",
             "CPU", "CPU of the cameras"],
            rows,
        ),
    )  # fmt: skip


def main() -> None:
    """Play a role, or run all of them and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="measure its node too")
    parser.add_argument("--rates", type=float, nargs="+", default=[30.0, 15.0], metavar="HZ")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of one run")
    parser.add_argument("--role", help=argparse.SUPPRESS)
    parser.add_argument("--camera", help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--pid", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.role == "send_camera":
        send_camera(arguments.camera, arguments.rate, arguments.seconds, room_depth())
    elif arguments.role == "send_odometry":
        send_odometry(arguments.seconds)
    elif arguments.role == "watch":
        watch(arguments.seconds, arguments.pid)
    else:
        checkouts = [("this", REPOSITORY)]
        if arguments.before is not None:
            checkouts.insert(0, ("before", arguments.before.resolve()))
        seconds, rates = (3.0, [10.0]) if arguments.quick else (arguments.seconds, arguments.rates)
        compare(checkouts, rates, seconds)


if __name__ == "__main__":
    main()
