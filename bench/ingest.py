# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Ingest of 1920x1080 images at 30 Hz over real DDS, with and without the Fast DDS profile.

A publisher process sends best-effort images as cameras do. A subscriber process takes them as the
node does: the callback only fills the newest-frame slot, a worker thread converts to RGB. Counted
are the images that DDS lost, the age of the newest frame when its pixels are ready, and the
subscriber's CPU time. Both run on this machine, so they share one clock.
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
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import report, table

WIDTH, HEIGHT, RATE = 1920, 1080, 30.0
TOPIC = "bench/image"
PROFILE = Path(__file__).resolve().parent.parent / "config" / "fastdds.xml"
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
DISCOVERY_SECONDS = 30.0


def publish(seconds: float) -> None:
    """Send numbered images at RATE from the moment somebody listens."""
    import rclpy
    from rclpy.qos import qos_profile_sensor_data

    from spatialgeo_ros.node.conversions import ns_to_stamp, rgb_to_image

    rclpy.init()
    node = rclpy.create_node("bench_camera")
    picture = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    msg = rgb_to_image(picture, encoding="bgr8")
    publisher = node.create_publisher(type(msg), TOPIC, qos_profile_sensor_data)
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
        publisher.publish(msg)
    sys.stdout.write(json.dumps({"seconds": time.monotonic() - start}))
    node.destroy_node()
    rclpy.shutdown()


def subscribe(seconds: float) -> None:
    """Receive for ``seconds`` from the first image on and print what was seen as JSON."""
    import rclpy
    from rclpy.qos import QoSProfile, ReliabilityPolicy
    from sensor_msgs.msg import Image

    from spatialgeo_ros.memory.slot import NewestSlot
    from spatialgeo_ros.node.conversions import image_to_rgb, stamp_to_ns

    rclpy.init()
    node = rclpy.create_node("bench_ingest")
    slot: NewestSlot[Any] = NewestSlot()
    numbers: list[int] = []
    ages: list[float] = []

    def receive(msg: Any) -> None:
        numbers.append(int(msg.header.frame_id))
        slot.put(msg)

    def work() -> None:
        while (msg := slot.take()) is not None:
            image_to_rgb(msg)
            ages.append((time.time_ns() - stamp_to_ns(msg.header.stamp)) * 1e-6)

    qos = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    node.create_subscription(Image, TOPIC, receive, qos)
    worker = threading.Thread(target=work)
    worker.start()
    end = time.monotonic() + DISCOVERY_SECONDS
    while not numbers and time.monotonic() < end:
        rclpy.spin_once(node, timeout_sec=0.05)
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    while time.monotonic() < start + seconds:
        rclpy.spin_once(node, timeout_sec=0.05)
    after, wall = resource.getrusage(resource.RUSAGE_SELF), time.monotonic() - start
    slot.close()
    worker.join()
    sent = numbers[-1] - numbers[0] + 1 if numbers else 0
    used = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    result = {
        "sent": sent,
        "received": len(numbers),
        "skipped_in_slot": slot.dropped,
        "rate": len(numbers) / wall,
        "age_ms": np.percentile(ages, (50, 95)).tolist() if ages else [float("nan")] * 2,
        "cpu": used / wall,
    }
    sys.stdout.write(json.dumps(result))
    node.destroy_node()
    rclpy.shutdown()


def run(profile: bool, seconds: float) -> dict[str, Any]:
    """Run both processes once and return what the subscriber saw."""
    environment = {k: v for k, v in os.environ.items() if k not in PROFILE_VARIABLES}
    if profile:
        environment |= dict.fromkeys(PROFILE_VARIABLES, str(PROFILE))
    environment["ROS_DOMAIN_ID"] = str(20 + os.getpid() % 80)
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    command = [sys.executable, "-m", "bench.ingest", "--role"]
    subscriber = subprocess.Popen(
        [*command, "subscribe", "--seconds", str(seconds)],
        env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    # The publisher goes on a little longer, so that the subscriber's window is full.
    publisher = subprocess.Popen(
        [*command, "publish", "--seconds", str(seconds + 2)],
        env=environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    limit = seconds + 2 * DISCOVERY_SECONDS
    try:
        output = subscriber.communicate(timeout=limit)[0]
        publisher.communicate(timeout=limit)
    finally:
        for process in (subscriber, publisher):
            if process.poll() is None:
                process.kill()
    if subscriber.returncode or publisher.returncode:
        raise SystemExit("the subscriber or the publisher failed, see above")
    return json.loads(output)


def main() -> None:
    """Run with and without the profile and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--role", choices=["publish", "subscribe"], help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=10.0, help="length of one run")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    if arguments.role:
        {"publish": publish, "subscribe": subscribe}[arguments.role](arguments.seconds)
        return
    seconds, runs = (3.0, 1) if arguments.quick else (arguments.seconds, arguments.runs)
    rows = []
    for name, profile in (("default Fast DDS", False), ("config/fastdds.xml", True)):
        for _ in range(runs):
            seen = run(profile, seconds)
            lost = 1 - seen["received"] / max(1, seen["sent"])
            median, late = seen["age_ms"]
            age = f"{median:.1f} / {late:.1f} ms" if seen["received"] else "-"
            rows.append(
                [name, f"{seen['rate']:.1f} Hz", f"{lost:.1%}", seen["skipped_in_slot"],
                 age, f"{seen['cpu']:.0%}"]
            )  # fmt: skip
    report(
        "Node ingest",
        [
            f"{WIDTH}x{HEIGHT} bgr8 at {RATE:g} Hz, best effort, publisher and subscriber in "
            f"processes of their own, {seconds:g} s per run. Age: from the image's stamp to RGB "
            "pixels in the worker thread. CPU: of one core, subscriber only."
        ],
        table(
            ["transport", "received", "lost by DDS", "skipped in the slot", "age median / p95",
             "CPU"],
            rows,
        ),
    )  # fmt: skip


if __name__ == "__main__":
    main()
