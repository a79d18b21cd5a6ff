# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Scores of the published benchmarks against what the papers' own scripts gave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.evaluation.benchmarks import java_metrics, scanqa, sqa3d, vsi_official
from spatialgeo_ros.evaluation.benchmarks.ngram_metrics import bleu, cider, rouge_l


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_vsi_bench_officially(golden_eval: Path) -> None:
    data = read(golden_eval, "vsibench_official.json")
    for case in data["fuzzy"]:
        assert vsi_official.first_word(case["text"]) == case["first"]
    for case in data["mra"]:
        found = vsi_official.relative_accuracy(case["pred"], case["truth"])
        assert found == pytest.approx(case["mra"], abs=1e-9)
    for case in data["prompts"]:
        made = vsi_official.build_prompt(
            case["question"], case["question_type"], case["options"] or (),
            served=case["family"] == "gpt4v",
        )  # fmt: skip
        assert made == case["text"]
    scored = []
    for item in data["items"]:
        found = vsi_official.score(
            item["question_type"], str(item["ground_truth"]), item["model_output"]
        )
        wanted = item["accuracy"] if item["mra"] is None else item["mra"]
        assert found == pytest.approx(wanted, abs=1e-9)
        scored.append((item["question_type"], found))
    means = vsi_official.aggregate(scored)
    for name, value in data["aggregate"].items():
        if not name.startswith("tabulated"):
            key = name.removesuffix("_accuracy").removesuffix("_MRA:.5:.95:.05")
            assert means[key] == pytest.approx(value, abs=1e-9)
    with pytest.raises(BadRequestError, match="of 0 is not defined"):
        vsi_official.relative_accuracy(1.0, 0.0)


def test_sqa3d(golden_eval: Path) -> None:
    data = read(golden_eval, "sqa3d.json")
    for pair in data["pairs"]:
        assert sqa3d.clean(pair["pred"]) == pair["clean_pred"]
        assert sqa3d.clean(pair["truth"]) == pair["clean_truth"]
        found = sqa3d.matches(pair["pred"], [pair["truth"]])
        assert found == (bool(pair["em"]), bool(pair["em_refined"])), pair
    for case in data["question_types"]:
        assert sqa3d.question_type(case["question"]) == case["type"]
    for case in data["several_answers"]:
        found = sqa3d.matches(case["pred"], case["answers"])
        assert found == (bool(case["em"]), bool(case["em_refined"]))
    pairs = data["pairs"]
    total = sqa3d.score(
        [pair["pred"] for pair in pairs], [[pair["truth"]] for pair in pairs], ["what"] * len(pairs)
    )
    assert total.exact == pytest.approx(data["em"], abs=1e-9)
    assert total.refined == pytest.approx(data["em_refined"], abs=1e-9)


def test_ngram_metrics_of_raw_and_of_tokenised_texts(golden_eval: Path) -> None:
    data = read(golden_eval, "scanqa.json")
    raw = [item["pred"].strip().rstrip(".") for item in data["items"]]
    sets = [
        (raw, [item["answers"] for item in data["items"]], data["spatial_mllm"]["raw"]),
        (
            data["official"]["tokenised_pred"],
            data["official"]["tokenised_answers"],
            data["official"]["raw"],
        ),
    ]
    for predictions, references, wanted in sets:
        corpus, items = bleu(predictions, references)
        assert corpus == pytest.approx(wanted["bleu"], abs=1e-6)
        for mine, theirs in zip(items, wanted["bleu_per_item"], strict=True):
            assert mine == pytest.approx(theirs, abs=1e-6)
        found = rouge_l(predictions, references)
        assert found == pytest.approx(wanted["rouge_l_per_item"], abs=1e-6)
        found = cider(predictions, references)
        assert found == pytest.approx(wanted["cider_per_item"], abs=1e-6)
        assert sum(found) / len(found) == pytest.approx(wanted["cider"], abs=1e-6)


def test_scanqa_as_spatial_mllm_scores_it(golden_eval: Path) -> None:
    data = read(golden_eval, "scanqa.json")
    items = data["items"]
    found = scanqa.score_as_spatial_mllm(
        [item["pred"] for item in items], [item["answers"] for item in items]
    )
    printed = data["spatial_mllm"]["printed"]
    assert found.count == printed["count"]
    assert found.bleu == pytest.approx(printed["bleu"], abs=1e-4)
    assert found.rouge_l == pytest.approx(printed["rouge"], abs=1e-4)
    assert found.cider == pytest.approx(printed["cider"], abs=1e-4)
    assert found.exact / 100 == pytest.approx(printed["em"], abs=1e-9)
    if java_metrics.missing():
        assert found.meteor is None
    else:
        assert found.meteor == pytest.approx(printed["meteor"], abs=1e-2)


@pytest.mark.skipif(bool(java_metrics.missing()), reason=java_metrics.missing())
def test_scanqa_officially(golden_eval: Path) -> None:
    data = read(golden_eval, "scanqa.json")
    found = scanqa.score_officially(
        [item["pred"] for item in data["items"]], [item["answers"] for item in data["items"]]
    )
    wanted = data["official"]["scores"]
    assert found.count == len(data["official"]["sample_ids"])
    assert found.bleu == pytest.approx([wanted[f"Bleu_{n}"] for n in (1, 2, 3, 4)], abs=1e-4)
    assert found.rouge_l == pytest.approx(wanted["ROUGE_L"], abs=1e-4)
    assert found.cider == pytest.approx(wanted["CIDEr"], abs=1e-4)
    assert found.meteor == pytest.approx(wanted["METEOR"], abs=1e-2)
    assert found.exact == pytest.approx(data["official"]["em"]["Top1 (EM)"], abs=1e-9)
