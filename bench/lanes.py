# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a speaking language model costs everything else: watch and measurements beside it.

A real node over real DDS, with sensor depth and a language model of random weights that speaks for
ten seconds through the package's own token loop. Measured are rate and age of a 10 Hz watch, and
the latency of ``measure_distance``, while it speaks and, in the same run, while it does not. Two
models: one whose time is spent in matrix products, one that is bound by Python as a model on a GPU
is while its kernels are launched.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.common import report, table
from spatialgeo_ros.node.compatibility import fast_dds_profile_variables

REPOSITORY = Path(__file__).resolve().parent.parent
WIDTH, HEIGHT, FOCAL, CAMERA_RATE, WATCH_RATE = 640, 480, 525.0, 30.0, 10.0
#: hidden size, layers, words.
MODELS = {"matrix products": (1024, 8, 32000), "bound by Python": (64, 32, 512)}


class RandomSpeaker:
    """Networks that only speak: a LLaMA of random weights, until it is cancelled."""

    model_id, backend = "random", "torch-cpu"
    background_names: tuple[str, ...] = ()
    nominal_mount = None
    has_geometry = has_grounding = canonical_only = takes_regions = False
    has_language = True
    grounding_threshold, context_views = 1.0, 0

    def __init__(self, kind: str) -> None:
        """Make the model of :data:`MODELS`."""
        import torch
        from transformers import LlamaConfig, LlamaForCausalLM

        from spatialgeo_ros.query.vocabulary import Vocabulary
        from spatialgeo_ros.speech.decoder import Decoder

        torch.set_num_threads(1)
        hidden, layers, words = MODELS[kind]
        config = LlamaConfig(
            hidden_size=hidden, intermediate_size=3 * hidden, num_hidden_layers=layers,
            num_attention_heads=8, vocab_size=words, max_position_embeddings=8192,
        )  # fmt: skip
        self._model = LlamaForCausalLM(config).eval()
        self._decoder = Decoder(self._model)
        self.vocabulary = Vocabulary()

    def answer(self, view: Any, question: Any) -> str:
        """Speak until nobody listens."""
        import torch

        from spatialgeo_ros.speech.sampling import Sampling
        from spatialgeo_ros.speech.stream import generate

        class Letters:
            """Every token is a letter, and none ends the text."""

            eos_id = None

            numbers: Mapping[int, float] = {}

            def decode(self, ids: Sequence[int]) -> str:
                return "".join(chr(97 + number % 26) for number in ids)

        with torch.inference_mode():
            prompt = self._model.get_input_embeddings()(torch.ones(1, 32, dtype=torch.long))
            result = generate(
                self._decoder, Letters(), prompt, Sampling(max_new_tokens=8000),
                on_token=question.on_token, cancelled=question.cancelled,
            )  # fmt: skip
        return result.text

    def unfamiliar(self, view: Any) -> str:
        """Know every image."""
        return ""

    def release_intermediates(self, view: Any) -> None:
        """Keep nothing."""

    def encode(self, view: Any) -> None:
        """See nothing."""

    def describe(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def close(self) -> None:
        """Free nothing."""


def serve(kind: str) -> None:
    """Run the node with that model, as an executable."""
    from spatialgeo_ros.node.spatialgeo_node import main as node_main
    from spatialgeo_ros.perception import Perception

    class Quiet(Perception):
        def warm_up(self) -> None:
            """Need nothing."""

    node_main(
        ["--ros-args", "-p", "process_rate:=0.0", "-p", "pose_source:=none",
         "--log-level", "error"],
        perception_factory=lambda config, progress: Quiet(RandomSpeaker(kind)),
    )  # fmt: skip


def publish() -> None:
    """Send a box in front of a wall, colour, depth and calibration, until ended."""
    import rclpy
    from rclpy.qos import qos_profile_sensor_data

    from spatialgeo_ros.geometry.camera import PinholeCamera
    from spatialgeo_ros.node.conversions import (
        camera_to_info,
        depth_to_image,
        ns_to_stamp,
        rgb_to_image,
    )

    rclpy.init()
    node = rclpy.create_node("bench_camera")
    depth = np.full((HEIGHT, WIDTH), 3000, np.uint16)
    depth[160:320, 240:400] = 1500
    picture = rgb_to_image(np.full((HEIGHT, WIDTH, 3), 90, np.uint8))
    distances = depth_to_image(depth)
    camera = PinholeCamera(WIDTH, HEIGHT, FOCAL, FOCAL, (WIDTH - 1) / 2, (HEIGHT - 1) / 2)
    info = camera_to_info(camera)
    topics = {"image_raw": picture, "depth/image_raw": distances, "camera_info": info}
    publishers = {
        topic: node.create_publisher(type(message), f"camera/{topic}", qos_profile_sensor_data)
        for topic, message in topics.items()
    }
    for number in itertools.count():
        if number == 0:
            start = time.monotonic()
        time.sleep(max(0.0, start + number / CAMERA_RATE - time.monotonic()))
        stamp = ns_to_stamp(time.time_ns())
        for topic, message in topics.items():
            message.header.stamp, message.header.frame_id = stamp, "camera_optical_frame"
            publishers[topic].publish(message)


class Client:
    """A watch, measurements, and questions; spins in a thread of its own."""

    def __init__(self) -> None:
        """Make the clients and begin to spin."""
        import rclpy
        from rclpy.executors import SingleThreadedExecutor
        from spatialgeo_ros.msg import DistanceEstimate, Region
        from spatialgeo_ros.srv import AskSpatial, MeasureDistance, WatchDistance

        rclpy.init()
        self._node = rclpy.create_node("bench_client")
        self._kinds = {
            "ask": AskSpatial, "measure_distance": MeasureDistance, "watch_distance": WatchDistance,
        }  # fmt: skip
        self._clients = {
            name: self._node.create_client(kind, f"spatialgeo/{name}")
            for name, kind in self._kinds.items()
        }
        self.region = Region(type=1, x_min=230.0, y_min=150.0, x_max=410.0, y_max=330.0)
        self.arrivals: list[tuple[float, float]] = []
        self._node.create_subscription(
            DistanceEstimate, "spatialgeo/distances", self._on_distance, 50
        )
        executor = SingleThreadedExecutor()
        executor.add_node(self._node)
        threading.Thread(target=executor.spin, daemon=True).start()
        self._executor = executor

    def _on_distance(self, message: Any) -> None:
        if message.watch_id:
            stamp = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
            self.arrivals.append((time.monotonic(), time.time() - stamp))

    def call(self, name: str, timeout: float = 120.0, **fields: Any) -> Any:
        """Call a service in the spinning thread and wait."""
        done, result = threading.Event(), []

        def send() -> None:
            future = self._clients[name].call_async(self._kinds[name].Request(**fields))
            future.add_done_callback(lambda one: (result.append(one.result()), done.set()))

        if not self._clients[name].wait_for_service(timeout):
            raise SystemExit("the node did not start")
        self._executor.create_task(send)
        if not done.wait(timeout):
            raise SystemExit(f"no response of {name}")
        return result[0]

    def watch(self, seconds: float) -> tuple[float, float, float]:
        """Return rate (Hz) and age (median and 95th percentile, ms) of the watch's results."""
        start = time.monotonic()
        time.sleep(seconds)
        seen = [age for at, age in self.arrivals if start < at <= start + seconds]
        median, late = np.percentile(seen, (50, 95)) * 1e3 if seen else (np.nan, np.nan)
        return len(seen) / seconds, float(median), float(late)

    def latency(self, seconds: float) -> list[float]:
        """Measure again and again, ten times a second at most; return the latencies in ms."""
        taken, end = [], time.monotonic() + seconds
        while (start := time.monotonic()) < end:
            response = self.call("measure_distance", from_region=self.region)
            if response.error_code:
                raise SystemExit(response.error_message)
            taken.append((time.monotonic() - start) * 1e3)
            time.sleep(max(0.0, 0.1 - (time.monotonic() - start)))
        return taken


def both(client: Client, seconds: float) -> dict[str, float]:
    """Run the watch alone, then measurements beside it."""
    rate, age, late = client.watch(seconds)
    taken = client.latency(seconds)
    return {
        "rate": rate,
        "age": age,
        "age p95": late,
        "latency": statistics.median(taken),
        "latency p95": float(np.percentile(taken, 95)),
    }


def compare(kind: str, seconds: float) -> list[dict[str, float]]:
    """Return what is measured without and with the language model speaking."""
    environment = dict(os.environ, OMP_NUM_THREADS="1", ROS_DOMAIN_ID=str(20 + os.getpid() % 80))
    environment["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    for name in fast_dds_profile_variables():
        environment[name] = str(REPOSITORY / "config" / "fastdds.xml")
    os.environ.update(environment)
    role = (sys.executable, "-m", "bench.lanes", "--role")
    processes = [
        subprocess.Popen([*role, "serve", "--model", kind], env=environment),
        subprocess.Popen([*role, "publish"], env=environment),
    ]
    try:
        client = Client()
        wait_until_measured(client)
        started = client.call(
            "watch_distance", watch_id="w", rate=WATCH_RATE, from_region=client.region
        )
        if started.error_code:
            raise SystemExit(started.error_message)
        quiet = both(client, seconds)
        speech = threading.Thread(
            target=lambda: client.call("ask", question="tell me a story"), daemon=True
        )
        speech.start()
        time.sleep(1.0)  # the prompt is taken in, tokens come
        speaking = both(client, seconds)
        if not speech.is_alive():
            raise SystemExit("the language model stopped speaking before the end")
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return [quiet, speaking]


def wait_until_measured(client: Client) -> None:
    """Return once the node measures."""
    end = time.monotonic() + 120
    while client.call("measure_distance", from_region=client.region).error_code:
        if time.monotonic() > end:
            raise SystemExit("the node does not measure")
        time.sleep(0.2)


def run_alone(kind: str, seconds: float) -> None:
    """Print the comparison of one model: each gets a process, as rclpy is started once."""
    quiet, speaking = compare(kind, seconds)
    columns: list[tuple[str, str, Callable[[float], str]]] = [
        ("watch, Hz", "rate", lambda v: f"{v:.1f}"),
        ("age, ms", "age", lambda v: f"{v:.0f}"),
        ("age p95, ms", "age p95", lambda v: f"{v:.0f}"),
        ("measure_distance, ms", "latency", lambda v: f"{v:.0f}"),
        ("p95, ms", "latency p95", lambda v: f"{v:.0f}"),
    ]
    rows = [
        [name, *(show(values[key]) for _, key, show in columns)]
        for name, values in (("silent", quiet), ("speaking", speaking))
    ]
    rows.append(["ratio", *(f"{speaking[key] / quiet[key]:.2f}" for _, key, _ in columns)])
    report(
        f"Two lanes, {kind}",
        [
            f"{WIDTH}x{HEIGHT} with depth at {CAMERA_RATE:g} Hz, a {WATCH_RATE:g} Hz watch, then "
            f"measure_distance ten times a second beside it, {seconds:g} s each; node, camera and "
            "client in processes of their own. Wanted: rate >= 0.95, latency <= 1.5."
        ],
        table(["language model", *(title for title, _, _ in columns)], rows),
    )


def main() -> None:
    """Compare for each model and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--role", help=argparse.SUPPRESS)
    parser.add_argument("--model", choices=MODELS, help="one of them alone")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    arguments = parser.parse_args()
    seconds = 2.0 if arguments.quick else arguments.seconds
    if arguments.role == "serve":
        serve(arguments.model)
    elif arguments.role == "publish":
        publish()
    elif arguments.model:
        run_alone(arguments.model, seconds)
    else:
        for kind in MODELS:
            command = [sys.executable, "-m", "bench.lanes", "--model", kind]
            subprocess.run([*command, "--seconds", str(seconds)], check=True)


if __name__ == "__main__":
    main()
