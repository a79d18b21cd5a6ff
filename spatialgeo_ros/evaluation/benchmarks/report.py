# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From answers to the table of a benchmark, with the published rows beside ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.evaluation import vsi_bench
from spatialgeo_ros.evaluation.benchmarks import (
    datasets,
    java_metrics,
    scanqa,
    spatialrgpt_bench,
    spatialrgpt_judge,
    spatialscore,
    sqa3d,
    vsi_official,
)
from spatialgeo_ros.evaluation.benchmarks.item import Item, Record
from spatialgeo_ros.speech.cleaned_answer import clean_answer

Row = dict[str, float]
Pairs = Sequence[tuple[Item, Record]]


@dataclass(frozen=True)
class Benchmark:
    """A benchmark with one protocol.

    Attributes:
        name: as the command calls it.
        protocol: whose rules the score follows, in words.
        load: reads its files.
        score: scores answered items; a row of the table.
        published: rows of the papers, by model.
    """

    name: str
    protocol: str
    load: Callable[[Path], Sequence[Item]]
    score: Callable[[Pairs], Row]
    published: Mapping[str, Row]


def _spatialrgpt(pairs: Pairs) -> Row:
    judged = []
    for item, record in pairs:
        category, truth = item.kind, str(item.truth)
        if category == spatialrgpt_bench.DIRECTION:
            read = spatialrgpt_judge.hour
        elif category in spatialrgpt_bench.LENGTHS:
            read = spatialrgpt_judge.metres
        else:
            mark = spatialrgpt_judge.mark(category, truth, record.output, item.question)
            judged.append(spatialrgpt_bench.Judged(category, mark=mark))
            continue
        judged.append(
            spatialrgpt_bench.Judged(category, read(truth), read(record.output))
        )  # fmt: skip
    found = spatialrgpt_bench.score(judged)
    row = dict(sorted(found.success.items()))
    row |= {f"{name}, abs rel": value for name, value in sorted(found.relative_error.items())}
    return row | {
        "direction, degrees": found.degrees,
        "comparisons": found.comparisons,
        "numbers": found.numbers,
        "unread": float(found.unread),
    }


def _spatialscore(pairs: Pairs) -> Row:
    scored = []
    for item, record in pairs:
        kind, _, category = item.kind.partition("|")
        one = spatialscore.score(item.group, kind, str(item.truth), record.output)
        scored.append((item.group, category, one))
    row = {"overall": spatialscore.summarise((g, s) for g, _, s in scored)["overall"].accuracy}
    groups, categories = ([(entry[side], entry[2]) for entry in scored] for side in (0, 1))
    for named in (groups, categories):
        parts = spatialscore.summarise((str(name), float(one)) for name, one in named)
        row |= {name: part.accuracy for name, part in sorted(parts.items()) if name != "overall"}
    return row


def _vsi(pairs: Pairs) -> Row:
    results = [
        (
            item.kind,
            vsi_bench.reward(clean_answer(str(item.truth)), clean_answer(record.output), item.kind),
        )
        for item, record in pairs
    ]
    found = vsi_bench.summarise(results)
    row = {name: 100 * mean for name, (mean, _) in sorted(found.by_type.items())}
    for name, value in (("micro", found.overall.micro), ("macro", found.overall.macro)):
        if value is not None:
            row[name] = 100 * value
    return row


def _vsi_officially(pairs: Pairs) -> Row:
    return vsi_official.aggregate(
        (item.kind, vsi_official.score(item.kind, str(item.truth), record.output))
        for item, record in pairs
    )


def _scanqa(score: Callable[..., scanqa.ScanqaScores]) -> Callable[[Pairs], Row]:
    def row(pairs: Pairs) -> Row:
        found = score(
            [record.output for _, record in pairs], [list(item.truth) for item, _ in pairs]
        )
        values = {f"BLEU-{n}": value for n, value in enumerate(found.bleu, 1)}
        if found.meteor is not None:
            values["METEOR"] = found.meteor
        return values | {
            "ROUGE-L": found.rouge_l, "CIDEr": found.cider, "EM": found.exact,
        }  # fmt: skip

    return row


def _sqa3d(pairs: Pairs) -> Row:
    found = sqa3d.score(
        [record.output for _, record in pairs],
        [list(item.truth) for item, _ in pairs],
        [item.question for item, _ in pairs],
    )
    row = {"EM-1": found.exact, "EM-R1": found.refined}
    return row | {name: exact for name, (exact, _, _) in sorted(found.by_type.items())}


def _columns(names: str, rows: Mapping[str, str]) -> dict[str, Row]:
    keys = names.split("|")
    return {
        model: {
            key: float(value) for key, value in zip(keys, text.split(), strict=True) if value != "-"
        }
        for model, text in rows.items()
    }


# SpatialRGPT, table 1 (arXiv 2406.01584), and SpatialGeo's README (arXiv 2511.17308): success, %.
_SPATIALRGPT_PUBLISHED = _columns(
    "below/above|left/right|big/small|tall/short|wide/thin|behind/front|comparisons|"
    "direct distance|horizontal distance|vertical distance|width|height|direction",
    {
        "GPT-4, blind": "64.16 42.85 42.85 61.60 61.60 49.09 57.83 21.6 11.5 33.0 52.3 48.1 34.6",
        "GPT-4V": "63.34 46.67 64.15 60.71 68.26 45.45 58.14 29.7 25.4 33.0 51.1 68.4 43.9",
        "SpatialRGPT-7B": "99.17 99.04 80.19 91.96 87.50 91.81 91.78 41.2 65.6 51.9 49.6 57.9 95.3",
        "SpatialRGPT-VILA-1.5-8B": (
            "99.17 100 84.90 89.28 91.34 90.90 92.69 45.9 68.0 56.6 48.9 61.7 95.3"
        ),
        "LLaVA-1.5-7B (SpatialGeo's run)": "- - - - - - - 13.51 17.21 16.98 15.04 10.53 -",
        "SpatialGeo (as published)": "- - - - - - - 48.65 59.02 56.60 41.35 58.65 -",
    },
)
# SpatialGeo's README: accuracy on seven sources, %.
_SPATIALSCORE_PUBLISHED = _columns(
    "QSpatialBench-Plus|QSpatialBench-ScanNet|spatialbench|VSR-ZeroShot|SpatialSense|RealWorldQA|VGBench",
    {
        "LLaVA-1.5-7B": "38.61 47.65 53.45 70.13 60.24 54.38 31.79",
        "SpatialGeo": "58.42 54.12 53.45 68.66 63.11 55.69 37.54",
    },
)
_VSI_NAMES = (
    "object_counting|object_abs_distance|object_size_estimation|room_size_estimation|"
    "object_rel_distance|object_rel_direction|route_planning|obj_appearance_order|micro"
)
# Spatial-MLLM (arXiv 2505.23747), 16 frames, micro average.
_VSI_PUBLISHED = _columns(
    _VSI_NAMES,
    {
        "GPT-4o": "46.2 5.3 43.8 38.2 37.0 41.3 31.5 28.5 34.0",
        "Gemini-1.5-Pro": "56.2 30.9 64.1 43.6 51.3 46.3 36.0 34.6 45.4",
        "Qwen2.5-VL-3B": "24.3 24.7 31.7 22.6 38.3 41.6 26.3 21.2 30.6",
        "Spatial-MLLM-4B": "65.3 34.8 63.1 45.1 41.3 46.2 33.5 46.3 48.4",
    },
)
_SCANQA_PUBLISHED = _columns(
    "BLEU-1|BLEU-4|METEOR|ROUGE-L|CIDEr",
    {
        "Qwen2.5-VL-3B": "26.4 7.5 12.2 33.2 62.7",
        "Video-3D-LLM": "47.1 16.2 19.8 49.0 102.1",
        "Spatial-MLLM-4B": "44.4 14.8 18.4 45.0 91.8",
    },
)
_SQA3D_PUBLISHED = _columns(
    "EM-1|EM-R1",
    {
        "Qwen2.5-VL-3B": "43.4 45.9",
        "Video-3D-LLM": "58.6 -",
        "Spatial-MLLM-4B": "55.9 58.7",
    },
)

BENCHMARKS: dict[str, Benchmark] = {
    one.name: one
    for one in (
        Benchmark(
            "spatialrgpt_bench",
            "SpatialRGPT's scores; the judge is ours and deterministic, not GPT-4 Turbo",
            datasets.spatialrgpt_bench, _spatialrgpt, _SPATIALRGPT_PUBLISHED,
        ),
        Benchmark(
            "spatialscore", "SpatialScore version 0", datasets.spatialscore_bench, _spatialscore,
            _SPATIALSCORE_PUBLISHED,
        ),
        Benchmark(
            "vsi_bench", "Spatial-MLLM's evaluation, 16 frames", datasets.vsi_items, _vsi,
            _VSI_PUBLISHED,
        ),
        Benchmark(
            "vsi_bench_official", "VSI-Bench's own evaluation, in lmms-eval",
            lambda folder: datasets.vsi_items(folder, official=True), _vsi_officially, {},
        ),
        Benchmark(
            "scanqa", "Spatial-MLLM's score: raw strings, no tokeniser", datasets.scanqa_items,
            _scanqa(scanqa.score_as_spatial_mllm), _SCANQA_PUBLISHED,
        ),
        Benchmark(
            "scanqa_official", "ScanQA's own score, behind the Penn Treebank tokeniser",
            datasets.scanqa_items, _scanqa(scanqa.score_officially), {},
        ),
        Benchmark(
            "sqa3d", "EM-1 of cleaned answers; EM-R1 as LEO", datasets.sqa3d_items, _sqa3d,
            _SQA3D_PUBLISHED,
        ),
    )
}  # fmt: skip


def scored(
    benchmark: Benchmark, items: Sequence[Item], answers: Mapping[str, Record]
) -> tuple[Row, list[str]]:
    """Score all answers; an item without one counts as answered with nothing.

    Returns:
        The row of the table, and what a reader has to know of it.

    Raises:
        BadRequestError: not one item is answered.
    """
    pairs = [(item, answers.get(item.id) or Record(item.id, "", "")) for item in items]
    missing = sum(item.id not in answers for item in items)
    errors = sum(bool(record.error) for _, record in pairs)
    if missing == len(pairs):
        raise BadRequestError("none of the benchmark's items is answered")
    notes = [f"protocol: {benchmark.protocol}"]
    if missing:
        notes.append(f"{missing} of {len(pairs)} items have no answer yet: they count as wrong")
    if errors:
        notes.append(f"{errors} items failed and count as wrong: see 'error' in the answers")
    if "METEOR" in str(benchmark.published) and (why := java_metrics.missing()):
        notes.append(f"METEOR is left out: {why}")
    return benchmark.score(pairs), notes


def format_report(benchmark: Benchmark, row: Row, model: str) -> str:
    """Markdown table: ours, the published rows, and the difference to each."""
    keys = list(dict.fromkeys([*row, *(key for r in benchmark.published.values() for key in r)]))
    header = ["score", model]
    for name in benchmark.published:
        header += [name, "difference"]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for key in keys:
        ours = row.get(key)
        cells = [key, "" if ours is None else f"{ours:.2f}"]
        for other in benchmark.published.values():
            theirs = other.get(key)
            cells.append("" if theirs is None else f"{theirs:.2f}")
            both = ours is not None and theirs is not None
            cells.append(f"{(ours or 0.0) - (theirs or 0.0):+.2f}" if both else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
