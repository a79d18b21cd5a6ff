# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""``spatialgeo evaluate spatialrgpt_bench|spatialscore|vsi_bench|scanqa|sqa3d``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialgeo_ros.cli.inputs import read_shard
from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.runtime.input_files import read_json

if TYPE_CHECKING:
    from spatialgeo_ros.evaluation.benchmarks.item import Item
    from spatialgeo_ros.evaluation.benchmarks.llm_judge import LlmJudge
    from spatialgeo_ros.evaluation.benchmarks.report import Benchmark, Scored
    from spatialgeo_ros.evaluation.benchmarks.runner import Answerer
    from spatialgeo_ros.evaluation.benchmarks.served_model import Service

#: Names of the benchmarks; their module is read when one is run.
NAMES = (
    "spatialrgpt_bench", "spatialscore", "vsi_bench", "vsi_bench_official", "scanqa",
    "scanqa_official", "sqa3d",
)  # fmt: skip
#: The one whose published judge is a language model.
_JUDGED = "spatialrgpt_bench"
_OF_VIDEOS = NAMES[2:]
#: Those with something to measure.
_MEASURABLE = NAMES[:4]
_SERVED, _BLIND, _FILE, _MEASURED = "openai:", "blind:", "file:", "measured:"


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
            help="a profile, openai:MODEL@ADDRESS (a server), blind: before either (grey images), "
            "constant, file:PATH (answers made elsewhere), or measured:PROFILE (our geometry, "
            "where depth or the profile's geometry network gives it)",
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
        parser.add_argument(
            "--beside", type=Path, nargs="+", default=[], metavar="DIR",
            help="--out of other models' runs: rows of their own in the table",
        )  # fmt: skip
        if name in _OF_VIDEOS:
            parser.add_argument(
                "--frames", type=int, metavar="K", help="of a video (the protocol: 16)"
            )
            parser.add_argument(
                "--sampled", type=Path, metavar="DIR",
                help="space-aware frames in place of even ones: --out of 'spatialgeo sample' on "
                "the folder of videos below --data",
            )  # fmt: skip
        if name in _MEASURABLE:
            _add_measuring(parser)
        _add_servers(parser, name == _JUDGED)
        parser.set_defaults(run=_run, benchmark=name, judge="", judge_price=None)


def _add_measuring(parser: argparse.ArgumentParser) -> None:
    """Add how recordings and images are measured."""
    group = parser.add_argument_group("measuring (measured:PROFILE)")
    group.add_argument(
        "--grounding", default="profile", metavar="NAME", help="what looks for words"
    )
    group.add_argument(
        "--world-axes", choices=("rep103", "optical"), default="rep103",
        help="of the recordings' poses: z up (rep103), or x right, y down, z forward",
    )  # fmt: skip
    group.add_argument(
        "--most-frames", type=int, default=64, metavar="N",
        help="of a recording that a map is made of, evenly spread (64)",
    )  # fmt: skip


def _add_servers(parser: argparse.ArgumentParser, judged: bool) -> None:
    """Add how servers are asked."""
    group = parser.add_argument_group("servers (openai:MODEL@ADDRESS)")
    group.add_argument(
        "--key-variable", default="OPENAI_API_KEY", metavar="NAME",
        help="environment variable with the key of their API (OPENAI_API_KEY)",
    )  # fmt: skip
    group.add_argument(
        "--timeout", type=float, default=120.0, metavar="S", help="seconds for one reply (120)"
    )
    group.add_argument(
        "--most-tokens", type=int, metavar="N",
        help="of a reply; default: the benchmark's. Models that think before they speak need more",
    )  # fmt: skip
    price = "per million tokens, read and said, for the record of what it cost"
    group.add_argument("--price", type=_prices, metavar="IN,OUT", help=price)
    if judged:
        group.add_argument(
            "--judge", metavar="openai:MODEL@ADDRESS",
            help="a language model that judges the answers, as the published table's; default: "
            "ours, by rules. What it said is kept in --out",
        )  # fmt: skip
        group.add_argument("--judge-price", type=_prices, metavar="IN,OUT", help=price)


def _prices(text: str) -> tuple[float, float]:
    read, said = (float(part) for part in text.split(","))
    return read, said


def _run(options: argparse.Namespace) -> int:
    """Ask, score and print."""
    from spatialgeo_ros.evaluation.benchmarks.report import BENCHMARKS, scored
    from spatialgeo_ros.evaluation.benchmarks.runner import answers_of

    benchmark = BENCHMARKS[options.benchmark]
    items = _items(benchmark, options)
    judge = _judge(options)
    if not options.score_only:
        _ask(benchmark, items, options)
    found = scored(benchmark, items, answers_of(options.out), judge)
    _report(benchmark, found, options)
    return 0


def _items(benchmark: Benchmark, options: argparse.Namespace) -> list[Item]:
    """The benchmark's questions, in the wording for served models where one is asked."""
    from spatialgeo_ros.evaluation.benchmarks.datasets import with_selection

    served = options.model.removeprefix(_BLIND).startswith(_SERVED)
    load = benchmark.load_served if served and benchmark.load_served else benchmark.load
    items = list(load(options.data))[: options.limit]
    frames, sampled = (getattr(options, name, None) for name in ("frames", "sampled"))
    if frames is not None:
        items = [replace(item, frames=frames) for item in items]
    if sampled is not None:
        items = [with_selection(item, options.data, sampled) for item in items]
    return items


def _ask(benchmark: Benchmark, items: Sequence[Item], options: argparse.Namespace) -> None:
    """Ask what is not answered yet."""
    from tqdm import tqdm

    from spatialgeo_ros.evaluation.benchmarks.runner import answers_file, run, shard_of

    index, count = read_shard(options.shard)
    answerer = _answerer(benchmark, items, options)
    path = answers_file(options.out, index, count)
    try:
        facts = {"benchmark": benchmark.name, "items": len(items), **answerer.describe()}
        for name in ("frames", "sampled"):
            if (value := getattr(options, name, None)) is not None:
                facts[name] = str(value)
        _write_facts(options.out, facts)
        written, failed = run(tqdm(shard_of(items, index, count), benchmark.name), answerer, path)
    finally:
        answerer.close()
    print(f"{written} answers written to {path}, {failed} of them errors")


def _write_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Write down who is asked; answers of two models in one folder would be scored as one's."""
    known = _facts(folder)
    for name in ("benchmark", "model", "regions", "frames", "sampled"):
        if known and known.get(name) != facts.get(name):
            raise BadRequestError(
                f"{folder} has answers of {name} {known[name]}, this run has {facts.get(name)}: "
                "take another --out"
            )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "run.json").write_text(json.dumps(facts, indent=1, default=str) + "\n")


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / "run.json"
    return dict(read_json(path, BadRequestError)) if path.exists() else {}


def _report(benchmark: Benchmark, found: Scored, options: argparse.Namespace) -> None:
    """Print the table and write the summary."""
    from spatialgeo_ros.evaluation.benchmarks.report import format_report

    model = str(_facts(options.out).get("model", options.model))
    rows = {model: found.row}
    for folder in options.beside:
        other = read_json(folder / "summary.json", BadRequestError)
        if other.get("benchmark") != benchmark.name:
            raise BadRequestError(f"{folder} is no run of {benchmark.name}")
        if other.get("judge", "") != found.judge:
            raise BadRequestError(
                f"{folder} was judged by {other.get('judge')}, this run by {found.judge}: score "
                "both with one judge"
            )
        rows[_free_name(str(other["model"]), folder, rows)] = dict(other["scores"])
    print(format_report(benchmark, rows))
    for note in found.notes:
        print(note)
    summary = {
        "benchmark": benchmark.name, "model": model, "judge": found.judge, "scores": found.row,
        "notes": found.notes,
    }  # fmt: skip
    (options.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    if options.judge:
        lines = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in found.differing)
        (options.out / "differing.jsonl").write_text(lines, encoding="utf-8")


def _free_name(name: str, folder: Path, rows: dict[str, Any]) -> str:
    return f"{name} ({folder})" if name in rows else name


def _service(name: str, options: argparse.Namespace, price: Any) -> Service:
    from spatialgeo_ros.evaluation.benchmarks.served_model import parse_service

    return parse_service(
        name, key_variable=options.key_variable, timeout=options.timeout, prices=price
    )


def _judge(options: argparse.Namespace) -> LlmJudge | None:
    if not options.judge:
        return None
    from spatialgeo_ros.evaluation.benchmarks.llm_judge import LlmJudge

    service = _service(options.judge, options, options.judge_price)
    return LlmJudge(service, options.out / "judgements.jsonl")


def _answerer(benchmark: Benchmark, items: Sequence[Item], options: argparse.Namespace) -> Answerer:
    from spatialgeo_ros.evaluation.benchmarks.answerers import ConstantAnswerer, ProfileAnswerer
    from spatialgeo_ros.evaluation.benchmarks.served_answerer import FileAnswerer, ServedAnswerer

    if options.model == "constant":
        return ConstantAnswerer(items)
    if options.model.startswith(_FILE):
        return FileAnswerer(Path(options.model.removeprefix(_FILE)))
    if options.model.startswith(_MEASURED):
        return _measured(options)
    blind, name = options.model.startswith(_BLIND), options.model.removeprefix(_BLIND)
    if name.startswith(_SERVED):
        service = _service(name, options, options.price)
        most = options.most_tokens or benchmark.most_tokens
        return ServedAnswerer(service, most, options.regions, blind=blind)
    from spatialgeo_ros.networks.loader import load_networks

    networks = load_networks(name, options.device, options.quantisation)
    return ProfileAnswerer(networks, options.regions, blind=blind)


def _measured(options: argparse.Namespace) -> Answerer:
    """Our geometry.

    Raises:
        BadRequestError: the benchmark asks for nothing that is measured.
    """
    if options.benchmark not in _MEASURABLE:
        raise BadRequestError(
            f"answers to {options.benchmark} are words: measured: goes with "
            f"{', '.join(_MEASURABLE)}"
        )
    from spatialgeo_ros.evaluation.benchmarks.measured import MeasuredAnswerer
    from spatialgeo_ros.perception import Perception

    profile = options.model.removeprefix(_MEASURED)
    perception = Perception.load(
        profile, options.device, grounding=options.grounding, way_drift=0.0
    )
    return MeasuredAnswerer(
        perception, options.data, profile, options.world_axes, options.most_frames
    )
