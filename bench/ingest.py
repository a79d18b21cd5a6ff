# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ingest of 1920x1080 images at 30 Hz over real DDS, with and without the Fast DDS profile.

A publisher process sends best-effort images as cameras do. They are received by a process with the
parts that the node is made of (the callback only fills the newest-frame slot, a worker thread
converts to RGB), and by the node itself, without networks, so that nothing but the way of an image
is measured. Counted are the images that DDS lost, the age of the newest frame when the worker is
done with it, and the receiver's CPU time. All run on this machine and share one clock.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import report, table
from spatialgeo_ros.node.compatibility import FAST_DDS_PROFILES, fast_dds_profile_variables

WIDTH, HEIGHT, RATE = 1920, 1080, 30.0
IMAGE_TOPIC, INFO_TOPIC = "camera/image_raw", "camera/camera_info"
REPOSITORY = Path(__file__).resolve().parent.parent
PROFILE = REPOSITORY / "config" / "fastdds.xml"
DISCOVERY_SECONDS = 60.0  # on a busy machine a node takes its time to start


def publish(seconds: float) -> None:
    """Send numbered images at RATE from the moment somebody listens."""
    import rclpy
    from rclpy.qos import qos_profile_sensor_data

    from spatialgeo_ros.geometry.camera import PinholeCamera
    from spatialgeo_ros.node.conversions import camera_to_info, ns_to_stamp, rgb_to_image

    rclpy.init()
    node = rclpy.create_node("bench_camera")
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    msg = rgb_to_image(picture, encoding="bgr8")
    publisher = node.create_publisher(type(msg), IMAGE_TOPIC, qos_profile_sensor_data)
    info = camera_to_info(PinholeCamera(WIDTH, HEIGHT, 1400.0, 1400.0, 959.5, 539.5), msg.header)
    calibration = node.create_publisher(type(info), INFO_TOPIC, qos_profile_sensor_data)
    end = time.monotonic() + DISCOVERY_SECONDS
    while publisher.get_subscription_count() == 0:
        if time.monotonic() > end:
            raise SystemExit("no subscriber appeared")
        rclpy.spin_once(node, timeout_sec=0.05)
    start = time.monotonic()
    for number in range(round(seconds * RATE)):
        time.sleep(max(0.0, start + number / RATE - time.monotonic()))
        msg.header.frame_id = str(number)
        msg.header.stamp = ns_to_stamp(time.time_ns())
        calibration.publish(info)  # shares the header
        publisher.publish(msg)
    sys.stdout.write(json.dumps({"rate": (number + 1) / (time.monotonic() - start)}))
    node.destroy_node()
    rclpy.shutdown()


def subscribe(seconds: float) -> None:
    """Receive for ``seconds`` from the first image on and print what was seen as JSON."""
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    from spatialgeo_ros.memory.slot import NewestSlot
    from spatialgeo_ros.node.allocator import keep_image_memory
    from spatialgeo_ros.node.conversions import image_to_rgb, stamp_to_ns

    keep_image_memory()
    rclpy.init()
    node = rclpy.create_node("bench_ingest")
    slot: NewestSlot[Any] = NewestSlot()
    arrived, done = threading.Event(), threading.Event()
    numbers: list[int] = []
    ages: list[float] = []

    def receive(msg: Any) -> None:
        numbers.append(int(msg.header.frame_id))
        slot.put(msg)
        arrived.set()

    def work() -> None:
        while arrived.wait() and not done.is_set():
            arrived.clear()
            if (msg := slot.take()) is None:
                continue
            image_to_rgb(msg)
            ages.append((time.time_ns() - stamp_to_ns(msg.header.stamp)) * 1e-6)

    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    node.create_subscription(Image, IMAGE_TOPIC, receive, qos)
    worker = threading.Thread(target=work)
    worker.start()
    end = time.monotonic() + DISCOVERY_SECONDS
    while not numbers and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.05)
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    while time.monotonic() < start + seconds:
        rclpy.spin_once(node, timeout_sec=0.05)
    after, wall = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - start
    done.set()
    arrived.set()
    worker.join()
    used = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    median, late = np.percentile(ages, (50, 95)) if ages else (np.nan, np.nan)
    result = {
        "received": len(numbers),
        "replaced": slot.dropped,
        "rate": len(numbers) / wall,
        "age": f"{median:.1f} / {late:.1f} ms (median / p95)" if ages else "-",
        "cpu": used / wall,
    }
    sys.stdout.write(json.dumps(result))
    node.destroy_node()
    rclpy.shutdown()


def watch_node(seconds: float, pid: int) -> None:
    """Read what the node says in /diagnostics, and its CPU time, as JSON."""
    import rclpy
    from diagnostic_msgs.msg import DiagnosticArray

    rclpy.init()
    node = rclpy.create_node("bench_watch")
    newest: dict[str, str] = {}
    arrival = [0.0]

    def receive(message: Any) -> None:
        for status in message.status:
            newest.update({v.key: v.value for v in status.values})
        arrival[0] = time.monotonic()

    def spin_until(done: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not done() and time.monotonic() < end:
            rclpy.spin_once(node, timeout_sec=0.05)

    node.create_subscription(DiagnosticArray, "/diagnostics", receive, 10)
    spin_until(lambda: int(newest.get("received", 0)) > 1, DISCOVERY_SECONDS)
    # Counts come once a second: the window begins and ends with one.
    before, cpu, start = dict(newest), cpu_seconds(pid), arrival[0]
    spin_until(lambda: arrival[0] - start >= seconds, seconds + 3)
    wall, used = max(arrival[0] - start, 1e-9), cpu_seconds(pid) - cpu

    def grown(key: str) -> int:
        return int(newest.get(key, 0)) - int(before.get(key, 0))

    age = newest.get("latency stamp to processed", "-")
    result = {
        "received": grown("received"),
        "replaced": grown("replaced by newer"),
        "rate": grown("received") / wall,
        "age": f"{age} of the last frames" if grown("received") else "-",
        "cpu": used / wall,
    }
    sys.stdout.write(json.dumps(result))
    node.destroy_node()
    rclpy.shutdown()


def cpu_seconds(pid: int) -> float:
    """Return the CPU time a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(receiver: str, profile: bool, seconds: float) -> dict[str, Any]:
    """Run publisher and receiver ("parts" or "node") once and return what was seen."""
    environment = {k: v for k, v in os.environ.items() if k not in FAST_DDS_PROFILES}
    if profile:
        environment |= dict.fromkeys(fast_dds_profile_variables(), str(PROFILE))
    environment["ROS_DOMAIN_ID"] = str(20 + os.getpid() % 80)
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    processes: list[subprocess.Popen[str]] = []

    def start(*command: str, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
        process = subprocess.Popen(command, env=environment, stdout=output, text=True)
        processes.append(process)
        return process

    role = (sys.executable, "-m", "bench.ingest", "--role")
    limit = seconds + 2 * DISCOVERY_SECONDS
    try:
        if receiver == "node":
            node = start(
                sys.executable, str(REPOSITORY / "scripts" / "spatialgeo_node"), "--ros-args",
                "-p", "profile:=none", "-p", "process_rate:=0.0", "--log-level", "error",
                output=subprocess.DEVNULL,
            )  # fmt: skip
            extra = ("--pid", str(node.pid))
            counter = start(*role, "watch_node", "--seconds", str(seconds), *extra)
        else:
            counter = start(*role, "subscribe", "--seconds", str(seconds))
        # The publisher goes on a little longer, so that the receiver's window is full.
        publisher = start(*role, "publish", "--seconds", str(seconds + 6))
        output = counter.communicate(timeout=limit)[0]
        sent = publisher.communicate(timeout=limit)[0]
        if counter.returncode or publisher.returncode:
            raise SystemExit("a process failed, see above")
    except subprocess.TimeoutExpired as error:
        raise SystemExit(f"no result from the {receiver} within {limit:g} s") from error
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait()
    return {"sent_rate": json.loads(sent)["rate"], **json.loads(output)}


def main() -> None:
    """Run with and without the profile and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--role", help=argparse.SUPPRESS)
    parser.add_argument("--pid", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of one run")
    parser.add_argument("--runs", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.role == "publish":
        publish(arguments.seconds)
    elif arguments.role == "subscribe":
        subscribe(arguments.seconds)
    elif arguments.role == "watch_node":
        watch_node(arguments.seconds, arguments.pid)
    else:
        seconds, runs = (3.0, 1) if arguments.quick else (arguments.seconds, arguments.runs)
        compare(seconds, runs)


def compare(seconds: float, runs: int) -> None:
    """Run every combination and print the table."""
    rows = []
    for receiver in ("parts", "node"):
        for name, profile in (("default Fast DDS", False), ("config/fastdds.xml", True)):
            for _ in range(runs):
                seen = run(receiver, profile, seconds)
                lost = max(0.0, 1 - seen["rate"] / seen["sent_rate"])
                rows.append(
                    [receiver, name, f"{seen['sent_rate']:.1f} Hz", f"{seen['rate']:.1f} Hz",
                     f"{lost:.0%}", seen["replaced"], seen["age"], f"{seen['cpu']:.0%}"]
                )  # fmt: skip
    report(
        "Node ingest",
        [
            f"{WIDTH}x{HEIGHT} bgr8 at {RATE:g} Hz, best effort, sender and receiver in processes "
            f"of their own, {seconds:g} s per run. Age: from the image's stamp until the worker "
            "thread is done with the frame. CPU: of one core, receiver only. Replaced: newer "
            "images took the place of waiting ones in the slot."
        ],
        table(
            ["receiver", "transport", "sent", "received", "lost by DDS", "replaced", "age", "CPU"],
            rows,
        ),
    )


if __name__ == "__main__":
    main()
