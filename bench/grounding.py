# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detectors and segmenters at their published size with random weights: latency and memory.

``python -m bench.grounding --seconds 200 --json FILE`` on a machine with a GPU; without one the
kinds meant for CPUs are measured, in float32, in PyTorch and in ONNX Runtime. Steps are in order of
importance; what the time does not allow is listed as not measured. Every step is written to the
JSON file when it is done, and one that is there is not measured again: run it again to go on. A
step that ends the process is noted, and the next process goes on behind it.
``--tiny`` runs every step with tiny networks on the CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.common import Timing, digits, measure, table

if TYPE_CHECKING:
    import torch

    from bench.grounding_parts import Parts

#: Least seconds that must be left before a step is begun on a GPU, on a CPU.
LEAST_S = {"cuda": 6.0, "cpu": 15.0}
#: Beyond its time, until the measuring process is ended.
GRACE_S = 30.0
TIMINGS = ("image", "text", "phrases", "first", "same_image", "same_phrases", "many")


@dataclass(frozen=True)
class Case:
    """A network with a size of input.

    Attributes:
        name: For the table.
        network: Of ``bench.grounding_parts.NETWORKS``.
        image_size: Rows and columns of the input, where the network leaves them open.
        cpu: Whether it is meant for CPUs: its place in their order, 0 for never.
    """

    name: str
    network: str
    image_size: tuple[int, int] = (0, 0)
    cpu: int = 0


#: Most important first.
CASES = (
    Case("LLMDet base", "llmdet_base", (800, 1066)),
    Case("LLMDet tiny", "llmdet_tiny", (480, 640), cpu=3),
    Case("SAM 2.1 small", "sam2_small"),
    Case("SAM 3", "sam3"),
    Case("OWL-ViT B/32", "owlvit_b32", cpu=1),
    Case("LLMDet tiny", "llmdet_tiny", (800, 1066), cpu=5),
    Case("LLMDet base", "llmdet_base", (480, 640)),
    Case("SAM 2.1 tiny", "sam2_tiny", cpu=2),
    Case("OWLv2 B/16", "owlv2_b16", cpu=4),
    Case("Grounding DINO tiny", "grounding_dino_tiny", (800, 1066)),
)


def steps(options: argparse.Namespace) -> list[tuple[Case, str]]:
    """Cases with what is measured of each, in order.

    On a GPU every case in float16, and as CUDA graphs while it is built; then in float32. On a CPU
    every case in PyTorch, then in ONNX Runtime.
    """
    cases = list(CASES)
    if options.device == "cpu" and not options.tiny:
        cases = sorted((case for case in CASES if case.cpu), key=lambda case: case.cpu)
    if options.only:
        wanted = options.only.split(",")
        cases = [case for case in cases if {case.network, step_key(case)} & set(wanted)]
    rounds = {"cuda": (("fp16", "graph"), ("fp32",)), "cpu": (("fp32",),)}[options.device]
    if options.tiny and options.device == "cpu":
        rounds = (("fp16", "fp32"),)
    if options.device == "cpu" and options.onnxruntime:
        rounds = (*rounds, ("onnxruntime",))
    return [(case, kind) for kinds in rounds for case in cases for kind in kinds]


def step_key(case: Case, kind: str = "") -> str:
    """Name of a step in the JSON file, of a case without a kind: "llmdet_base@800x1066 fp16"."""
    size = f"@{case.image_size[0]}x{case.image_size[1]}" if case.image_size[0] else ""
    return f"{case.network}{size} {kind}".strip()


class Record:
    """The JSON file: what has been measured, and what is being measured now."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: dict[str, Any] = {"machine": {}, "steps": {}, "failed": {}, "running": ""}
        if path.is_file():
            self.content.update(json.loads(path.read_text()))

    def done(self, key: str) -> bool:
        """Whether a step needs no measuring."""
        return key in self.content["steps"] or key in self.content["failed"]

    def write(self) -> None:
        """Write the file, all or nothing."""
        scratch = self.path.with_suffix(".tmp")
        scratch.write_text(json.dumps(self.content, indent=1))
        os.replace(scratch, self.path)

    def begin(self, key: str) -> None:
        """Note what is being measured, in case it ends the process."""
        self.content["running"] = key
        self.write()

    def finish(self, key: str, result: dict[str, Any] | None, failure: str = "") -> None:
        """Note the outcome."""
        if result is not None:
            self.content["steps"][key] = result
        if failure:
            self.content["failed"][key] = failure
        self.content["running"] = ""
        self.write()


def measure_steps(options: argparse.Namespace, record: Record) -> None:
    """Measure what is missing until the time is over (in the measuring process)."""
    import torch

    from bench.grounding_parts import make_parts

    device = torch.device(options.device)
    # Tiny networks on a busy machine wait longer for each other's threads than they compute.
    torch.set_num_threads(options.threads or (1 if options.tiny else os.cpu_count() or 1))
    record.content["machine"] = machine(device)
    built: tuple[Case, Parts] | None = None
    for case, kind in steps(options):
        key = step_key(case, kind)
        if record.done(key):
            continue
        if options.end - time.time() < LEAST_S[device.type]:
            return
        record.begin(key)
        try:
            if built is None or built[0] != case:
                built = None  # its memory is given back before the next one is made
                if device.type == "cuda":
                    torch.cuda.empty_cache()
                parts = make_parts(case.network, case.image_size, device, tiny=options.tiny)
                built = (case, parts)
            with torch.inference_mode():
                result = measure_step(built[1], kind, device, options)
            record.finish(key, result)
        except Exception as error:  # whatever a network or a driver raises: the next one is tried
            lines = str(error).strip().splitlines() or [""]
            record.finish(key, None, f"{type(error).__name__}: {lines[0][:300]}")
            built = None


def measure_step(
    parts: Parts, kind: str, device: torch.device, options: argparse.Namespace
) -> dict[str, Any]:
    """Timings of one step, seconds, and memory, bytes."""
    import torch

    def timed(call: Callable[[], object]) -> dict[str, float]:
        def run() -> None:
            call()
            if device.type == "cuda":
                torch.cuda.synchronize(device)

        if device.type == "cuda":
            return asdict(measure(run, options.slice, 5))
        return asdict(measure(run, options.slice, 3, time.process_time))

    if kind == "onnxruntime":
        return measure_onnxruntime(parts, timed)
    if kind == "graph":
        parts.to("fp16")
        return measure_captured(parts, timed, {"image": parts.image, "phrases": parts.phrases})
    parts.to(kind)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    result: dict[str, Any] = {"timings": {}, "weights_bytes": parts.weights_bytes()}
    result["finite"] = parts.finite()
    result["equal_to_model"] = parts.difference()
    for name in TIMINGS:
        call = getattr(parts, name)
        if call is not None:
            result["timings"][name] = timed(call)
    result["phrases_in_one_pass"] = parts.count
    result["many_in_one_pass"] = parts.many_count
    if device.type == "cuda":
        result["peak_bytes"] = torch.cuda.max_memory_allocated(device)
    return result


def measure_captured(
    parts: Parts,
    timed: Callable[[Callable[[], object]], dict[str, float]],
    calls: dict[str, Callable[[], object]],
) -> dict[str, Any]:
    """The parts as CUDA graphs, or why they cannot be recorded; float16."""
    result: dict[str, Any] = {"timings": {}, "not_recorded": {}}
    for name, call in calls.items():
        try:
            replay = capture(call, parts.recording())
        except Exception as error:  # of what cannot be recorded, and of the driver
            result["not_recorded"][name] = str(error).strip().splitlines()[0][:300]
            continue
        result["timings"][name] = timed(replay)
    return result


def capture(call: Callable[[], object], during: Any) -> Callable[[], object]:
    """Record what a call enqueues; what it reads and writes stays where it is."""
    import torch

    from spatialgeo_ros.runtime.host_constants import HostConstants

    with during, HostConstants():
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                call()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            kept = call()

    def replay() -> object:
        graph.replay()
        return kept

    return replay


def measure_onnxruntime(
    parts: Parts, timed: Callable[[Callable[[], object]], dict[str, float]]
) -> dict[str, Any]:
    """The exported graphs in ONNX Runtime on the CPU, float32."""
    from spatialgeo_ros.runtime.export import export_onnx
    from spatialgeo_ros.runtime.onnx_backend import OnnxRuntimeBackend

    parts.to("fp32")
    result: dict[str, Any] = {"timings": {}, "export_s": {}, "difference": {}}
    with tempfile.TemporaryDirectory(prefix="spatialgeo-bench-") as folder:
        for name, (graph, feeds) in parts.graphs().items():
            started = time.perf_counter()
            model = export_onnx(graph, Path(folder) / f"{name}.onnx")
            result["export_s"][name] = time.perf_counter() - started
            backend = OnnxRuntimeBackend(model)
            found = backend.run(feeds)
            wanted = dict(zip(graph.output_names, graph(**feeds), strict=True))
            result["difference"][name] = {
                key: float((found[key] - wanted[key]).nan_to_num(0.0).abs().max()) for key in wanted
            }
            result["timings"][name] = timed(lambda b=backend, f=feeds: b.run(f))  # type: ignore[misc]
            backend.close()
    return result


def machine(device: torch.device) -> dict[str, Any]:
    """What it was measured on."""
    import torch

    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next(ln.split(":", 1)[1].strip() for ln in lines if ln.startswith("model name"))
    except (OSError, StopIteration):
        pass
    facts: dict[str, Any] = {
        "cpu": name,
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "torch": torch.__version__,
        "transformers": version("transformers"),
        "python": platform.python_version(),
    }
    if device.type == "cuda":
        facts["gpu"] = torch.cuda.get_device_name(device)
        facts["cuda"] = torch.version.cuda
        facts["cudnn"] = torch.backends.cudnn.version()
    return facts


def print_report(record: Record, wanted: list[tuple[Case, str]]) -> None:
    """Tables as they go into ``docs/benchmarks.md``."""
    steps_done, facts = record.content["steps"], record.content["machine"]
    print("## Detectors and segmenters, random weights\n")
    print(f"Machine: {', '.join(f'{key} {value}' for key, value in facts.items())}.\n")
    if "gpu" not in facts:
        print("Seconds are those of the CPU, of all threads together.\n")
    header = (
        "network", "input", "type", "image", "text", "phrases or boxes", "first question",
        "same image, other phrases", "same phrases, other image", "phrases/s in one pass",
        "weights / peak, GB",
    )  # fmt: skip
    rows = []
    for case in CASES:
        for kind in ("fp16", "fp32"):
            found = steps_done.get(step_key(case, kind))
            if found is None:
                continue
            t = {name: Timing(**value) for name, value in found["timings"].items()}
            shown = [str(t[name]) if name in t else "" for name in TIMINGS[:-1]]
            rate = digits(found["many_in_one_pass"] / t["many"].median) if "many" in t else ""
            peak = found.get("peak_bytes")
            memory = f"{found['weights_bytes'] / 1e9:.2f}"
            memory += f" / {peak / 1e9:.2f}" if peak else ""
            note = "" if found["finite"] else " **not finite**"
            rows.append([case.name, _size(case), kind + note, *shown, rate, memory])
    if rows:
        print(table(header, rows) + "\n")
    captured = [
        [case.name, _size(case), part, Timing(**half["timings"][part]),
         Timing(**found["timings"][part]) if part in found["timings"]
         else f"not recorded: {found['not_recorded'].get(part, '')}"]
        for case in CASES
        if (found := steps_done.get(step_key(case, "graph")))
        and (half := steps_done.get(step_key(case, "fp16")))
        for part in ("image", "phrases")
    ]  # fmt: skip
    if captured:
        print(table(("network", "input", "part", "PyTorch, fp16", "as a CUDA graph"), captured))
        print()
    exported = [
        [case.name, _size(case), part, f"{found['export_s'][part]:.0f} s",
         Timing(**found["timings"][part]),
         digits(max(found["difference"][part].values(), default=0.0))]
        for case in CASES
        if (found := steps_done.get(step_key(case, "onnxruntime")))
        for part in found["timings"]
    ]  # fmt: skip
    if exported:
        columns = ("network", "input", "part", "export", "ONNX Runtime, fp32", "largest difference")
        print(table(columns, exported) + "\n")
    for key, reason in record.content["failed"].items():
        print(f"- failed: {key}: {reason}")
    missing = [step_key(*step) for step in wanted if not record.done(step_key(*step))]
    if missing:
        print(f"- not measured (no time left): {', '.join(missing)}")
    sys.stdout.flush()


def _size(case: Case) -> str:
    return f"{case.image_size[0]}x{case.image_size[1]}" if case.image_size[0] else "its own"


def run_processes(command: list[str], end: float, path: Path) -> Record:
    """Measure in a process of its own, and in the next where one has ended before its time.

    Args:
        command: Of the measuring process.
        end: When it should be over (``time.time()``).
        path: Of the record.
    """
    record = Record(path)
    while end - time.time() > 1.0:
        child = subprocess.Popen(command)
        try:
            code = child.wait(timeout=max(end - time.time(), 1.0) + GRACE_S)
            reason = f"the process ended with {code}"
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            code, reason = -1, "took longer than the time that was left"
        record = Record(path)
        if code == 0:
            break
        if not (running := record.content["running"]):
            record.finish("start", None, reason)  # nothing was begun: the next would end as well
            break
        record.finish(running, None, reason)
    return record


def parse(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.grounding", description=__doc__)
    parser.add_argument("--seconds", type=float, default=200.0, help="for all of it")
    parser.add_argument("--json", type=Path, help="results; those that are there are kept")
    parser.add_argument("--again", action="store_true", help="forget what the file holds")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="default: cuda if there is one")
    parser.add_argument("--tiny", action="store_true", help="tiny networks on the CPU")
    parser.add_argument("--quick", action="store_true", help="the same: to see it run")
    parser.add_argument("--threads", type=int, default=0, help="of the CPU; default: all")
    parser.add_argument("--only", default="", help="by comma: owlvit_b32,llmdet_base@800x1066")
    parser.add_argument("--no-onnxruntime", dest="onnxruntime", action="store_false")
    parser.add_argument("--until", type=float, default=0.0, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.tiny = options.tiny or options.quick
    options.end = options.until or time.time() + options.seconds
    if options.device is None:
        import torch  # takes seconds

        there = torch.cuda.is_available() and not options.tiny
        options.device = "cuda" if there else "cpu"
    # Seconds for one timing: about a hundred of them are made on a GPU, which also has to start.
    options.slice = 0.01 if options.tiny else 6.0
    if options.device == "cuda":
        options.slice = min(max(options.seconds / 400, 0.1), 0.6)
    return options


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 where a step has failed."""
    given = sys.argv[1:] if arguments is None else arguments
    options = parse(given)
    if options.until:
        measure_steps(options, Record(options.json))
        return 0
    with tempfile.TemporaryDirectory(prefix="spatialgeo-bench-") as folder:
        path = options.json or Path(folder) / "grounding.json"
        if options.again:
            path.unlink(missing_ok=True)
        command = [
            sys.executable, "-m", "bench.grounding", *(arg for arg in given if arg != "--again"),
            "--json", str(path), "--device", options.device, "--until", str(options.end),
        ]  # fmt: skip
        record = run_processes(command, options.end, path)
        print_report(record, steps(options))
    return 1 if record.content["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
