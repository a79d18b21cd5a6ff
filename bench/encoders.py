# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The image encoders on every backend that is here, against eager PyTorch in the same precision.

All get the same inputs and take turns, call by call, so that whatever else the machine does slows
all of them alike; the ratio is taken within each turn. Nano in float32 on the CPU; with a GPU the
published sizes in float16, with random weights. ``--published`` adds MoGe-2 S on the CPU.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from bench.common import Timing, digits, report, table
from bench.full_size import CLIP_L_336, MOGE
from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.clip import ClipVisionTower
from spatialgeo_ros.models.construction import load_clip, load_geometry
from spatialgeo_ros.models.encoders import make_encoder
from spatialgeo_ros.models.engine_settings import EngineSettings
from spatialgeo_ros.models.graphs import GeometryGraph, SemanticGraph, TowerGraph
from spatialgeo_ros.models.moge.moge2 import MoGe2
from spatialgeo_ros.models.moge.moge_checkpoint import build_moge
from spatialgeo_ros.models.profiles import load_profile
from spatialgeo_ros.runtime.backend import Backend
from spatialgeo_ros.runtime.engine_cache import EngineCache
from spatialgeo_ros.runtime.gate import EngineContext
from spatialgeo_ros.runtime.select import MAKERS

Graph = GeometryGraph | TowerGraph | SemanticGraph
#: What the project wants over eager PyTorch.
GOAL = 1.5
CAMERA = (480, 640)
EAGER = "torch"


@dataclass(frozen=True)
class Case:
    """A network to run.

    Attributes:
        name: For the table.
        device: Where.
        precision: Of all backends.
        build: Gives the graph, in evaluation mode, on the device.
    """

    name: str
    device: torch.device
    precision: str
    build: Callable[[], Graph]


@dataclass(frozen=True)
class Result:
    """Of one backend: wall time, CPU time of all threads, and times faster than eager."""

    wall: Timing
    cpu: Timing
    ratio: Timing


def nano_cases() -> Iterator[Case]:
    """Both nano encoders with their weights, as the node runs them."""
    profile, cpu = load_profile("nano"), torch.device("cpu")
    size = (profile.image.height, profile.image.width)

    def geometry() -> Graph:
        part = profile.geometry
        assert part is not None and part.num_tokens is not None
        network = load_geometry(part).eval()
        assert isinstance(network, MoGe2)
        return GeometryGraph(network, part.num_tokens, size)

    def semantic() -> Graph:
        assert profile.semantic is not None
        return SemanticGraph(load_clip(profile.semantic).eval(), size)

    yield Case("nano MoGe-2, 128x96", cpu, "fp32", geometry)
    yield Case("nano CLIP, 128x96", cpu, "fp32", semantic)


def published_cases(device: torch.device, precision: str, tokens: int, small: bool) -> list[Case]:
    """Networks of published size with random weights: MoGe-2 S alone, or all."""
    dtype = {"fp32": torch.float32, "fp16": torch.float16}[precision]

    def ready(network: nn.Module) -> nn.Module:
        return network.requires_grad_(False).eval().to(device, dtype)

    def moge(name: str) -> Callable[[], Graph]:
        def build() -> Graph:
            torch.manual_seed(0)
            network = ready(build_moge(MOGE[name]))
            assert isinstance(network, MoGe2)
            return GeometryGraph(network, tokens, CAMERA)

        return build

    def clip() -> Graph:
        torch.manual_seed(0)
        network = ready(ClipVisionTower({**CLIP_L_336, "hidden_act": "quick_gelu"}))
        assert isinstance(network, ClipVisionTower)
        return SemanticGraph(network, (336, 336))

    names = {"moge2_s": "S"} if small else {"moge2_s": "S", "moge2_b": "B", "moge2_l": "L"}
    cases = [
        Case(f"MoGe-2 {letter}, 640x480, {tokens} tokens", device, precision, moge(name))
        for name, letter in names.items()
    ]
    return cases if small else [*cases, Case("CLIP L/14-336", device, precision, clip)]


def backends(case: Case, graph: Graph, folder: Path) -> tuple[dict[str, Backend], dict[str, str]]:
    """What runs the case here, eager first, and why the others do not."""
    name = "".join(c if c.isalnum() else "-" for c in case.name.split(",")[0].lower())
    encoder = make_encoder(graph, name, EngineSettings(precision=case.precision), folder)
    context = EngineContext(EngineCache(folder), case.device, profile="(bench)")
    found: dict[str, Backend] = {}
    missing: dict[str, str] = {}
    for kind in (EAGER, *(kind for kind in MAKERS if kind != EAGER)):
        try:
            found[kind] = MAKERS[kind](encoder, context)[0]
        except ModelLoadError as error:
            missing[kind] = str(error)
    return found, missing


def take_turns(
    running: Mapping[str, Backend], feeds: Mapping[str, Tensor], seconds: float, least: int = 5
) -> dict[str, Result]:
    """Time every backend in turn, starting each round with another one."""
    device = next(iter(feeds.values())).device

    def call(backend: Backend) -> tuple[float, float]:
        start, start_cpu = time.perf_counter(), time.process_time()
        backend.run(feeds)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start, time.process_time() - start_cpu

    for backend in running.values():
        call(backend)
        call(backend)
    rounds: list[dict[str, tuple[float, float]]] = []
    names = list(running)
    end = time.perf_counter() + seconds
    while len(rounds) < least or time.perf_counter() < end:
        shift = len(rounds) % len(names)
        order = names[shift:] + names[:shift]
        rounds.append({name: call(running[name]) for name in order})
    return {
        name: Result(
            _timing([turn[name][0] for turn in rounds]),
            _timing([turn[name][1] for turn in rounds]),
            _timing([turn[EAGER][0] / turn[name][0] for turn in rounds]),
        )
        for name in names
    }


def _timing(values: list[float]) -> Timing:
    low, median, high = statistics.quantiles(values, n=4)
    return Timing(median, low, high, len(values))


def measure_case(case: Case, folder: Path, seconds: float) -> tuple[list[list[str]], list[str]]:
    """Rows of the table, and notes on what does not run."""
    graph = case.build()
    running, missing = backends(case, graph, folder)
    torch.manual_seed(1)
    results = take_turns(running, graph.example_inputs(), seconds)
    rows = []
    for kind, result in results.items():
        ratio = result.ratio
        faster = f"{digits(ratio.median)}x ({digits(ratio.low)}-{digits(ratio.high)})"
        goal = "" if kind == EAGER else "yes" if ratio.median >= GOAL else "**no**"
        cpu = str(result.cpu) if case.device.type == "cpu" else ""
        name = f"{running[kind].name}, {case.precision}"
        rows.append([case.name, name, str(result.wall), cpu, faster, goal])
    for backend in running.values():
        backend.close()
    return rows, [f"No {kind}: {reason}." for kind, reason in missing.items()]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repetitions, to see it run")
    parser.add_argument("--published", action="store_true", help="MoGe-2 S on the CPU as well")
    parser.add_argument("--threads", type=int, default=2, help="of the CPU")
    parser.add_argument("--tokens", type=int, default=1800, help="of MoGe-2 on a GPU")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cases = list(nano_cases())
    notes = []
    if options.published:
        cases += published_cases(torch.device("cpu"), "fp32", 300, small=True)
    if torch.cuda.is_available():
        cases += published_cases(torch.device("cuda", 0), "fp16", options.tokens, small=False)
        notes.append(f"GPU: {torch.cuda.get_device_name(0)}.")
    else:
        notes.append("The published sizes are measured on a GPU; PyTorch sees none here.")
    rows: list[list[str]] = []
    with tempfile.TemporaryDirectory(prefix="spatialgeo-bench-") as folder:
        for case in cases:
            seconds = 1.0 if options.quick else 20.0
            found, missing = measure_case(case, Path(folder), seconds)
            rows += found
            notes += [note for note in missing if note not in notes]
    report(
        "Image encoders on each backend",
        [
            f"CPU threads: {options.threads}. One image per call; medians and quartiles of "
            "backends that take turns; the ratio is that of calls in the same turn, wall time. "
            f"Wanted: {GOAL}x."
        ],
        table(("network", "backend", "time", "CPU time", "times faster", "wanted"), rows),
        "\n".join(f"- {note}" for note in notes),
    )


if __name__ == "__main__":
    main()
