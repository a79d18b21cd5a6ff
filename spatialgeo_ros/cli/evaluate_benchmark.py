# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo evaluate spatialrgpt_bench|spatialscore|vsi_bench|scanqa|sqa3d``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialgeo_ros.errors import BadRequestError

if TYPE_CHECKING:
    from spatialgeo_ros.evaluation.benchmarks.item import Item
    from spatialgeo_ros.evaluation.benchmarks.runner import Answerer

#: Names of the benchmarks; their module is read when one is run.
NAMES = (
    "spatialrgpt_bench", "spatialscore", "vsi_bench", "vsi_bench_official", "scanqa",
    "scanqa_official", "sqa3d",
)  # fmt: skip


def add_benchmarks(kinds: Any) -> None:
    """Add one sub-command for each published benchmark."""
    for name in NAMES:
        parser = kinds.add_parser(
            name,
            help=f"a model's score on {name.replace('_', ' ')}, beside the published ones",
            description="Ask a model every question, one line of JSON an answer, and score them. "
            "May be broken off: the same command goes on. With --score-only the answers in --out "
            "are scored again. docs/evaluation.md says what to download.",
        )
        parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="its files")
        parser.add_argument(
            "--out", type=Path, required=True, metavar="DIR", help="answers and scores go here"
        )
        parser.add_argument(
            "--model", default="spatialgeo_7b",
            help="a profile, blind:PROFILE (grey images), or constant",
        )  # fmt: skip
        parser.add_argument(
            "--regions", choices=("words", "drawn"), default="words",
            help="how things pointed at are told to models that take no regions: by their class, "
            "or by numbered boxes in the image",
        )  # fmt: skip
        parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:<n>")
        parser.add_argument(
            "--quantisation", default="profile", help="of the language model: none, nf4, int8"
        )
        parser.add_argument(
            "--shard", default="1/1", metavar="I/N", help="ask every N-th question from the I-th on"
        )
        parser.add_argument("--limit", type=int, metavar="N", help="the first N questions alone")
        parser.add_argument("--score-only", action="store_true", help="ask nothing")
        parser.set_defaults(run=_run, benchmark=name)


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise BadRequestError(f"--shard must be I/N with I from 1 to N, not '{text}'")
    return int(index) - 1, int(count)


def _run(options: argparse.Namespace) -> int:
    """Ask, score and print."""
    from tqdm import tqdm

    from spatialgeo_ros.evaluation.benchmarks.report import BENCHMARKS, format_report, scored
    from spatialgeo_ros.evaluation.benchmarks.runner import answers_file, answers_of, run, shard_of

    index, count = _shard(options.shard)
    benchmark = BENCHMARKS[options.benchmark]
    items = list(benchmark.load(options.data))[: options.limit]
    if not options.score_only:
        answerer = _answerer(options, items)
        own = shard_of(items, index, count)
        path = answers_file(options.out, index, count)
        try:
            written, failed = run(tqdm(own, options.benchmark), answerer, path)
        finally:
            answerer.close()
        facts = {"benchmark": options.benchmark, "items": len(items), **answerer.describe()}
        (options.out / "run.json").write_text(json.dumps(facts, indent=1, default=str) + "\n")
        print(f"{written} answers written to {path}, {failed} of them errors")
    row, notes = scored(benchmark, items, answers_of(options.out))
    model = _model_name(options)
    print(format_report(benchmark, row, model))
    for note in notes:
        print(note)
    summary = {"benchmark": benchmark.name, "model": model, "scores": row, "notes": notes}
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    return 0


def _model_name(options: argparse.Namespace) -> str:
    """What was asked, as the run wrote it down; else as the option says."""
    path = options.out / "run.json"
    if path.exists():
        return str(json.loads(path.read_text()).get("model", options.model))
    return str(options.model)


def _answerer(options: argparse.Namespace, items: Sequence[Item]) -> Answerer:
    from spatialgeo_ros.evaluation.benchmarks.answerers import ConstantAnswerer, ProfileAnswerer

    if options.model == "constant":
        return ConstantAnswerer(items)
    from spatialgeo_ros.networks.loader import load_networks

    blind = options.model.startswith("blind:")
    networks = load_networks(
        options.model.removeprefix("blind:"), options.device, options.quantisation
    )
    return ProfileAnswerer(networks, options.regions, blind=blind)
