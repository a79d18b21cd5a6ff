# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""From answers to the table of a benchmark, with the published rows beside ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.evaluation import vsi_bench
from spatialgeo_ros.evaluation.benchmarks import (
    datasets,
    java_metrics,
    published,
    scanqa,
    spatialrgpt_bench,
    spatialrgpt_judge,
    spatialscore,
    sqa3d,
    vsi_official,
)
from spatialgeo_ros.evaluation.benchmarks.item import Item, Record
from spatialgeo_ros.evaluation.benchmarks.llm_judge import LlmJudge
from spatialgeo_ros.evaluation.benchmarks.published import Row
from spatialgeo_ros.evaluation.benchmarks.served_model import total_spent
from spatialgeo_ros.speech.cleaned_answer import clean_answer

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
        judge: what judges where no language model does, for benchmarks that have a judge.
        load_served: reads the files in the wording for served models, where that is another one.
        most_tokens: of a served model's reply.
    """

    name: str
    protocol: str
    load: Callable[[Path], Sequence[Item]]
    score: Callable[[Pairs], Row]
    published: Mapping[str, Row]
    judge: str = ""
    load_served: Callable[[Path], Sequence[Item]] | None = None
    most_tokens: int = 1024


@dataclass(frozen=True)
class Scored:
    """The score of a run.

    Attributes:
        row: of the table.
        notes: what a reader has to know of it.
        judge: who judged, "" where nobody has to.
        differing: answers that the judge by rules judges otherwise than the language model.
    """

    row: Row
    notes: tuple[str, ...]
    judge: str = ""
    differing: tuple[dict[str, Any], ...] = ()


def _spatialrgpt(pairs: Pairs) -> Row:
    return spatialrgpt_row(spatialrgpt_judge.judge(*pair) for pair in pairs)


def spatialrgpt_row(judged: Iterable[spatialrgpt_bench.Judged]) -> Row:
    """Row of the table of judged answers."""
    found = spatialrgpt_bench.score(judged)
    row = dict(sorted(found.success.items()))
    row |= {f"{name}, abs rel": value for name, value in sorted(found.relative_error.items())}
    return row | {
        "direction, degrees": found.degrees,
        "comparisons": found.comparisons,
        "numbers": found.numbers,
        "lengths": found.lengths,
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
    seven = [row[name] for name in published.SPATIALSCORE_SOURCES if name in row]
    if len(seven) == len(published.SPATIALSCORE_SOURCES):
        row[published.SPATIALSCORE_MEAN] = sum(seven) / len(seven)
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
    directions = [row[name] for name in vsi_bench.DIRECTION_TYPES if name in row]
    if len(directions) == len(vsi_bench.DIRECTION_TYPES):
        row["object_rel_direction"] = sum(directions) / len(directions)
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


BENCHMARKS: dict[str, Benchmark] = {
    one.name: one
    for one in (
        Benchmark(
            "spatialrgpt_bench",
            "SpatialRGPT's scores",
            datasets.spatialrgpt_bench, _spatialrgpt, published.SPATIALRGPT,
            "ours, by rules, not the published GPT-4 Turbo", most_tokens=128,
        ),
        Benchmark(
            "spatialscore", "SpatialScore version 0", datasets.spatialscore_bench, _spatialscore,
            published.SPATIALSCORE,
        ),
        Benchmark(
            "vsi_bench", "Spatial-MLLM's evaluation, 16 frames", datasets.vsi_items, _vsi,
            published.VSI_BENCH,
        ),
        Benchmark(
            "vsi_bench_official", "VSI-Bench's own evaluation, in lmms-eval",
            lambda folder: datasets.vsi_items(folder, official=True), _vsi_officially, {},
            load_served=lambda folder: datasets.vsi_items(folder, official=True, served=True),
            most_tokens=16,
        ),
        Benchmark(
            "scanqa", "Spatial-MLLM's score: raw strings, no tokeniser", datasets.scanqa_items,
            _scanqa(scanqa.score_as_spatial_mllm), published.SCANQA, most_tokens=256,
        ),
        Benchmark(
            "scanqa_official", "ScanQA's own score, behind the Penn Treebank tokeniser",
            datasets.scanqa_items, _scanqa(scanqa.score_officially), {}, most_tokens=256,
        ),
        Benchmark(
            "sqa3d", "EM-1 of cleaned answers; EM-R1 as LEO", datasets.sqa3d_items, _sqa3d,
            published.SQA3D, most_tokens=256,
        ),
    )
}  # fmt: skip


def scored(
    benchmark: Benchmark,
    items: Sequence[Item],
    answers: Mapping[str, Record],
    judge: LlmJudge | None = None,
) -> Scored:
    """Score all answers; an item without one counts as answered with nothing.

    Args:
        benchmark: which.
        items: all of it.
        answers: by item.
        judge: a language model that judges SpatialRGPT-Bench; None for the judge by rules.

    Raises:
        BadRequestError: not one item is answered.
        NoLanguageModelError: the judge's server gives no answer.
    """
    pairs = [(item, answers.get(item.id) or Record(item.id, "", "")) for item in items]
    missing = sum(item.id not in answers for item in items)
    errors = sum(bool(record.error) for _, record in pairs)
    if missing == len(pairs):
        raise BadRequestError("none of the benchmark's items is answered")
    notes = [f"protocol: {benchmark.protocol}"]
    judged, differing = benchmark.judge, []
    if judge is not None:
        verdicts = judge.judge(pairs)
        row, judged, differing = spatialrgpt_row(verdicts.rows), judge.name, verdicts.differing
        notes += [verdicts.note()]
        notes += [f"judge: {verdicts.spent}"] if verdicts.spent else []
    else:
        row = benchmark.score(pairs)
    if judged:
        notes.insert(1, f"judge: {judged}")
    if missing:
        notes.append(f"{missing} of {len(pairs)} items have no answer yet: they count as wrong")
    if errors:
        notes.append(f"{errors} items failed and count as wrong: see 'error' in the answers")
    if "METEOR" in str(benchmark.published) and (why := java_metrics.missing()):
        notes.append(f"METEOR is left out: {why}")
    if spent := total_spent([record.facts for _, record in pairs if record.facts]):
        notes.append(f"answers: {spent}")
    return Scored(row, tuple(notes), judged, tuple(differing))


def format_report(benchmark: Benchmark, rows: Mapping[str, Row]) -> str:
    """Markdown table, a row for each model: ours, then the published ones.

    In brackets, how far the first of ours is from a published number.

    Args:
        benchmark: which.
        rows: ours by model, the one that is compared first.
    """
    every = {**rows, **benchmark.published}
    keys = list(dict.fromkeys(key for row in every.values() for key in row))
    first = next(iter(rows.values()))
    lines = [f"| model | {' | '.join(keys)} |", "|---" * (len(keys) + 1) + "|"]
    for name, row in rows.items():
        cells = [f"{row[key]:.2f}" if key in row else "" for key in keys]
        lines.append(f"| **{name}** | {' | '.join(cells)} |")
    for name, row in benchmark.published.items():
        cells = [_beside(row.get(key), first.get(key)) for key in keys]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _beside(published_value: float | None, ours: float | None) -> str:
    if published_value is None:
        return ""
    if ours is None:
        return f"{published_value:.2f}"
    return f"{published_value:.2f} ({ours - published_value:+.2f})"
