# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Everything that a GPU is there for, measured in a few minutes, each number beside its baseline.

Parts that share networks run in one process after the other; what a part found is in the JSON file
at once. A second call does what is missing, so a run may be cut off at any time. A part that fails
is recorded with its error, and the rest goes on. ``--tiny`` runs the same code on small networks,
on the CPU too. The tables are printed as they go into ``docs/benchmarks.md``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common import machine_line, table
from bench.gpu_wanted import wanted

REPOSITORY = Path(__file__).resolve().parent.parent
DONE, FAILED, RUNNING = "done", "failed", "running"
#: The last of a run that starting and ending another process would take.
_LEAST_S = 5.0


@dataclass(frozen=True)
class Part:
    """One thing to measure.

    Attributes:
        name: For ``--only`` and the file.
        group: Parts of one group run in one process and share its networks.
        module: Below ``bench.gpu_parts``; has a function of the part's name.
        limit: Seconds after which its process is ended.
    """

    name: str
    group: str
    module: str
    limit: float = 60.0


#: The most important first.
PARTS = (
    Part("copy", "nf4", "copying"),
    # Before what leaves workspaces of other streams behind: it tells the memory.
    Part("nf4_questions", "nf4", "language"),
    Part("nf4_decoding", "nf4", "language"),
    Part("lanes", "nf4", "lanes"),
    Part("fp16_questions", "fp16", "language"),
    Part("fp16_reference", "fp16", "language"),
    Part("fp16_decoding", "fp16", "language"),
    Part("depth", "images", "images"),
    Part("encoders", "images", "images"),
    Part("vggt", "images", "images"),
    Part("qwen_tower", "images", "images"),
    Part("loading", "loading", "loading", limit=300.0),
    Part("rgpt_nf4", "regions", "regions"),
    Part("rgpt_bf16", "regions", "regions"),
    Part("mllm_nf4", "video", "video"),
    Part("mllm_bf16", "video", "video"),
    Part("stage2", "training", "training", limit=120.0),
    Part("stage1", "training", "training", limit=120.0),
    Part("task_lora", "training", "training", limit=120.0),
    Part("sft", "training", "training", limit=120.0),
)
GROUPS = tuple(dict.fromkeys(part.group for part in PARTS))


class Record:
    """What was measured so far, in a file that is whole after every part."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.content: dict[str, Any] = {"parts": {}}
        if path.is_file():
            self.content = json.loads(path.read_text())

    @property
    def parts(self) -> dict[str, Any]:
        """Part -> what is known of it: state, seconds, device, outcome or error."""
        found: dict[str, Any] = self.content["parts"]
        return found

    def note(self, name: str, **facts: Any) -> None:
        """Add facts about a part and write the file."""
        self.parts.setdefault(name, {}).update(facts)
        self.write()

    def write(self) -> None:
        """Replace the file by one with everything."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".gpu-", dir=self.path.parent)
        with os.fdopen(handle, "w") as stream:
            json.dump(self.content, stream, indent=1)
        os.replace(name, self.path)

    def missing(self, names: Sequence[str], again: bool) -> list[str]:
        """Those of ``names`` that are not measured; failed ones too where they go ``again``."""
        over = {DONE} if again else {DONE, FAILED}
        return [name for name in names if self.parts.get(name, {}).get("state") not in over]


def run_parts(names: Sequence[str], record: Record, options: argparse.Namespace) -> None:
    """Measure parts in this process, one after the other."""
    from bench.gpu_parts.context import Context

    context = Context.make(options, record.parts)
    by_name = {part.name: part for part in PARTS}
    end = context.end
    for name in names:
        # What a part has found is kept only where it ends by itself.
        context.end = min(end, time.monotonic() + _limit(by_name[name], options))
        record.note(name, state=RUNNING, started=time.time(), device=context.device_name)
        start = time.monotonic()
        try:
            module = importlib.import_module(f"bench.gpu_parts.{by_name[name].module}")
            outcome = getattr(module, name)(context)
        except Exception as error:  # whatever it is, the other parts are still worth having
            last = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{Path(last.filename).name}:{last.lineno}"
            reason = (str(error).splitlines() or [""])[0]
            traceback.print_exc()
            record.note(
                name, state=FAILED, seconds=round(time.monotonic() - start, 2),
                error=f"{type(error).__name__}: {reason:.300} ({where})",
            )  # fmt: skip
            context.free()
            continue
        record.note(
            name, state=DONE, seconds=round(time.monotonic() - start, 2), outcome=outcome, error=""
        )


def _limit(part: Part, options: argparse.Namespace) -> float:
    """Seconds that a part may take; full sizes on a CPU take as long as they take."""
    return math.inf if options.cpu else part.limit


def supervise(names: Sequence[str], options: argparse.Namespace) -> None:
    """Run what is missing, a process for each group, until all is tried or time is up."""
    end = time.monotonic() + options.seconds
    by_name = {part.name: part for part in PARTS}
    again = options.again
    tried: set[str] = set()
    while True:
        record = Record(options.json)
        missing = [name for name in record.missing(names, again) if name not in tried]
        if not missing or end - time.monotonic() < _LEAST_S:
            return
        group = by_name[missing[0]].group
        batch = [name for name in missing if by_name[name].group == group]
        for name in batch:  # what an earlier call left behind when it was ended
            record.parts.pop(name, None)
        record.write()
        code = _child(batch, options, end)
        record = Record(options.json)
        for name in batch:
            state = record.parts.get(name, {}).get("state")
            if state == RUNNING and code is not None:
                record.note(name, state=FAILED, error=f"its process ended ({code})")
            if state is not None:
                tried.add(name)
        if not any(name in tried for name in batch):  # it could not even begin
            for name in batch:
                record.note(name, state=FAILED, error=f"its process could not start ({code})")


def _child(batch: Sequence[str], options: argparse.Namespace, end: float) -> str | None:
    """Run parts in a process of its own; how it ended, None where time was up."""
    command = [sys.executable, "-m", "bench.gpu", "--child", "--json", str(options.json)]
    command += ["--only", ",".join(batch), "--layers", str(options.layers)]
    command += ["--folder", str(options.folder)] + ["--tiny"] * options.tiny
    command += ["--cpu"] * options.cpu
    command += ["--seconds", str(max(1.0, end - time.monotonic()))]
    limits = {part.name: _limit(part, options) for part in PARTS}
    process = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        while process.poll() is None:
            time.sleep(0.1)
            if time.monotonic() > end:
                return None
            for name, facts in Record(options.json).parts.items():
                late = time.time() - facts.get("started", 0.0) > limits.get(name, 60.0)
                if name in batch and facts.get("state") == RUNNING and late:
                    return f"it took longer than {limits[name]:.0f} s"
        return f"status {process.returncode}"
    finally:
        process.kill()
        process.wait()


def render(content: Mapping[str, Any]) -> str:
    """Tables of a file as Markdown."""
    lines = [f"Machine: {content.get('machine', 'unknown')}."]
    lines.append(wanted(content["parts"]))
    left = [part.name for part in PARTS if part.name not in content["parts"]]
    for part in PARTS:
        facts = content["parts"].get(part.name)
        if facts is None:
            continue
        if facts.get("state") != DONE:
            lines.append(f"### {part.name}\n\nNot measured: {facts.get('error', 'time was up')}.")
            continue
        outcome = facts["outcome"]
        device = f"{facts['device']}, {facts['seconds']:.0f} s."
        notes = " ".join([*outcome["notes"], f"Measured on {device}"])
        shown = [table(one["header"], one["rows"]) for one in outcome["tables"]]
        lines.append("\n\n".join([f"### {outcome['title']}", notes, *shown]))
    if left:
        lines.append(f"Not measured: {', '.join(left)}.")
    return "\n\n".join(lines) + "\n"


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench gpu", description=__doc__)
    names = [part.name for part in PARTS]
    parser.add_argument("--seconds", type=float, default=240.0, help="in all")
    parser.add_argument("--json", type=Path, default=Path("gpu.json"), help="what was measured")
    parser.add_argument("--only", default="", help=f"parts, comma between: {', '.join(names)}")
    parser.add_argument("--tiny", action="store_true", help="small networks, on the CPU too")
    parser.add_argument("--quick", action="store_true", help="the same as --tiny")
    parser.add_argument("--again", action="store_true", help="measure failed parts again")
    parser.add_argument("--layers", type=int, default=8, help="of 32, of the files to be loaded")
    parser.add_argument("--folder", type=Path, default=Path("/tmp"), help="for these files")
    parser.add_argument(
        "--cpu", action="store_true", help="full sizes without a GPU, which only loading is fit for"
    )
    parser.add_argument("--show", action="store_true", help="print the tables of the file, no more")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    options.tiny |= options.quick
    options.json = options.json.resolve()
    options.names = [name for name in options.only.split(",") if name] or names
    unknown = [name for name in options.names if name not in names]
    if unknown:
        parser.error(f"no part called {', '.join(unknown)}; there are {', '.join(names)}")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where a part failed."""
    options = parse(argv)
    if options.show:
        sys.stdout.write(render(Record(options.json).content))
        return 0
    record = Record(options.json)
    if options.child:
        run_parts(options.names, record, options)
        return 0
    if record.content.setdefault("tiny", options.tiny) != options.tiny:
        sys.stderr.write(f"{options.json} is of another size of networks: name another file\n")
        return 2
    record.content["machine"] = machine_line()
    record.write()
    supervise(options.names, options)
    record = Record(options.json)
    sys.stdout.write(render(record.content))
    failed = [name for name, facts in record.parts.items() if facts.get("state") == FAILED]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
