# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Published benchmarks from files to tables, on miniatures in the official layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from checkpoints.profiles import write_profile

from spatialgeo_ros.cli import main
from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.evaluation.benchmarks import datasets, java_metrics
from spatialgeo_ros.evaluation.benchmarks.answerers import ConstantAnswerer, drawn, in_words
from spatialgeo_ros.evaluation.benchmarks.item import Item, Record, RegionOfImage, decode_rle
from spatialgeo_ros.evaluation.benchmarks.published import SPATIALSCORE_SOURCES
from spatialgeo_ros.evaluation.benchmarks.report import BENCHMARKS, format_report, scored
from spatialgeo_ros.evaluation.benchmarks.runner import (
    answers_file,
    answers_of,
    read_answers,
    run,
    shard_of,
)
from spatialgeo_ros.evaluation.benchmarks.spatialrgpt_bench import GROUPS, LENGTHS
from spatialgeo_ros.evaluation.vsi_bench import CHOICE_TYPES, NUMBER_TYPES

WIDTH, HEIGHT = 64, 48
DOCS = Path(__file__).parents[3] / "docs" / "benchmark_tables.md"


def table_of(printed: str) -> str:
    """The table in what the command prints."""
    return "\n".join(line for line in printed.splitlines() if line.startswith("|"))


def write_image(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    assert cv2.imwrite(str(path), image)


def write_video(path: Path, frames: int = 20) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10.0, (WIDTH, HEIGHT))
    for k in range(frames):
        writer.write(np.full((HEIGHT, WIDTH, 3), 8 * k, np.uint8))
    writer.release()


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_spatialrgpt(folder: Path) -> None:
    write_image(folder / "images" / "a.png")
    kinds = {
        "width_data": ("How wide is Region [0]?", "It is 1.20 meters wide."),
        "direction": ("If you are at Region [0], where is Region [1]?", "At 3 o'clock."),
        "tall_predicate": ("Is Region [1] taller than Region [0]?", "Yes."),
        "left_choice": ("Which is more to the left, Region [0] or Region [1]?", "Region [1]."),
    }
    rows = [
        {
            "id": f"row_{k}",
            "image_info": {"file_path": "a.png", "height": HEIGHT, "width": WIDTH},
            "qa_info": {
                "type": "quantitative" if "_" not in kind or "data" in kind else "qualitative",
                "category": kind,
                "class": ["chair", "table"],
            },
            "text_q": asked,
            "conversations": [{"value": "<image>"}, {"value": truth}],
            "bbox": [[2, 4, 20, 30], [30, 8, 60, 40]],
            "rle": [{"size": [HEIGHT, WIDTH], "counts": [WIDTH * HEIGHT - 100, 100]}, None],
        }
        for k, (kind, (asked, truth)) in enumerate(kinds.items())
    ]
    (folder / "SpatialRGPT-Bench_v1.json").write_text(json.dumps(rows))


def write_spatialscore(folder: Path) -> None:
    write_image(folder / "a.png")
    rows = [
        {"index": k, "source": source, "question_type": kind, "category": "Counting",
         "question": "Which?", "answer": answer, "img_paths": ["./dataset/a.png"]}
        for k, (source, kind, answer) in enumerate([
            ("cvbench", "multi-choice", "A"), ("VSR-ZeroShot", "judgment", "Yes"),
            ("spatialbench", "open-ended", "3"), ("QSpatialBench-Plus", "open-ended", "2 meters"),
        ])
    ]  # fmt: skip
    (folder / "SpatialScore.json").write_text(json.dumps(rows))


def write_vsi(folder: Path) -> None:
    write_video(folder / "scannet" / "scene1.mp4")
    kinds = [
        "object_counting", "route_planning", "object_rel_direction_easy",
        "object_rel_direction_medium", "object_rel_direction_hard",
    ]  # fmt: skip
    rows = [
        {"id": k, "dataset": "scannet", "scene_name": "scene1", "question_type": kind,
         "question": "How?", "ground_truth": "2" if kind == "object_counting" else "A",
         "options": None if kind == "object_counting" else ["A. left", "B. right"]}
        for k, kind in enumerate(kinds)
    ]  # fmt: skip
    write_lines(folder / "test.jsonl", rows)


def write_scanqa(folder: Path) -> None:
    write_video(folder / "videos" / "scene1.mp4")
    rows = [
        {"question_id": f"val-scene1-{k}", "scene_id": "scene1", "question": "What is it?",
         "answers": ["brown chair", "chair"]}
        for k in range(3)
    ]  # fmt: skip
    (folder / "ScanQA_v1.0_val.json").write_text(json.dumps(rows))


def write_sqa3d(folder: Path) -> None:
    write_video(folder / "videos" / "scene1.mp4")
    questions = [
        {"question_id": k, "scene_id": "scene1", "situation": "I sit.", "question": "What is it?"}
        for k in range(2)
    ]
    annotations = [{"question_id": k, "answers": [{"answer": "chair"}]} for k in range(2)]
    start = "v1_balanced"
    (folder / f"{start}_questions_test_scannetv2.json").write_text(
        json.dumps({"questions": questions})
    )
    (folder / f"{start}_sqa_annotations_test_scannetv2.json").write_text(
        json.dumps({"annotations": annotations})
    )


WRITERS = {
    "spatialrgpt_bench": write_spatialrgpt,
    "spatialscore": write_spatialscore,
    "vsi_bench": write_vsi,
    "vsi_bench_official": write_vsi,
    "scanqa": write_scanqa,
    "sqa3d": write_sqa3d,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for name, write in WRITERS.items():
        folders[name] = tmp_path_factory.mktemp(name)
        write(folders[name])
    return folders


def test_every_benchmark_is_tried_here() -> None:
    # The official score of ScanQA needs Java; its numbers are compared with golden values.
    assert set(WRITERS) == set(BENCHMARKS) - {"scanqa_official"}


@pytest.mark.parametrize("name", WRITERS)
def test_the_best_constant_of_each_benchmark(
    data: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    arguments = ["evaluate", name, "--data", str(data[name]), "--out", str(tmp_path)]
    assert main([*arguments, "--model", "constant"]) == 0
    table = capsys.readouterr().out
    benchmark = BENCHMARKS[name]
    assert f"protocol: {benchmark.protocol}" in table
    for published in benchmark.published:
        assert published in table
    if not ("METEOR" in table and not java_metrics.missing()):  # a number here, none in the docs
        assert table_of(table) in DOCS.read_text(), f"{DOCS}: put in what the command prints now"
    summary = json.loads((tmp_path / "summary.json").read_text())
    best = {"micro", "overall", "EM-1", "numbers", "EM"} & set(summary["scores"])
    assert best
    # Of SpatialScore two sources share a kind of question, so one constant cannot serve both.
    wanted = 75.0 if name == "spatialscore" else 100.0
    assert all(summary["scores"][key] == pytest.approx(wanted) for key in best)
    assert main([*arguments, "--score-only"]) == 0
    assert json.loads((tmp_path / "summary.json").read_text()) == summary


@pytest.mark.parametrize(
    ("profile", "name"),
    [("llava_1_5_7b", "spatialscore"), ("spatialrgpt_8b", "spatialrgpt_bench"),
     ("spatial_mllm_3b", "vsi_bench"), ("llava_1_5_7b", "sqa3d")],
)  # fmt: skip
def test_a_profile_answers_in_shards(
    data: dict[str, Path], tmp_path: Path, profile: str, name: str
) -> None:
    path = write_profile(profile, tmp_path / "profile")
    out = tmp_path / "out"
    arguments = ["evaluate", name, "--data", str(data[name]), "--out", str(out)]
    arguments += ["--model", str(path), "--device", "cpu", "--shard"]
    assert main([*arguments, "1/2"]) == 0
    first = read_answers(answers_file(out, 0, 2))
    assert all(record.output and not record.error for record in first)
    assert main([*arguments, "2/2"]) == 0
    found = answers_of(out)
    assert set(found) == {item.id for item in BENCHMARKS[name].load(data[name])}
    facts = json.loads((out / "run.json").read_text())
    assert profile in facts["model"]
    assert facts["regions"] == ("masks" if profile == "spatialrgpt_8b" else "words")


def test_a_blind_model_sees_no_image(data: dict[str, Path], tmp_path: Path) -> None:
    path = write_profile("llava_1_5_7b", tmp_path / "profile")
    out = tmp_path / "out"
    arguments = ["--data", str(data["spatialscore"]), "--out", str(out), "--device", "cpu"]
    assert main(["evaluate", "spatialscore", *arguments, "--model", f"blind:{path}"]) == 0
    assert "blind" in json.loads((out / "run.json").read_text())["model"]


class Scripted:
    """Answers with the item's number, and fails where told."""

    name = "scripted"

    def __init__(self, fails: tuple[str, ...] = ()) -> None:
        self.fails, self.asked = fails, []

    def answer(self, item: Item) -> Record:
        self.asked.append(item.id)
        if item.id in self.fails:
            raise BadRequestError("too long")
        return Record(item.id, item.prompt, f"said {item.id}")

    def describe(self) -> dict[str, object]:
        return {"model": self.name}

    def close(self) -> None:
        return None


def items(count: int) -> list[Item]:
    return [Item(str(k), f"question {k}", "A", "route_planning") for k in range(count)]


def test_a_run_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    path = answers_file(tmp_path, 0, 1)
    first = Scripted(fails=("1",))
    assert run(items(3), first, path) == (3, 1)
    # Killed in the middle of a line: what stood there is asked again, and so is what failed.
    text = path.read_text()
    path.write_text(text[: text.rindex('"prompt"')])
    again = Scripted()
    assert run(items(4), again, path) == (3, 0)
    assert again.asked == ["1", "2", "3"]
    assert [record.output for record in answers_of(tmp_path).values()] == [
        f"said {k}" for k in ("0", "1", "2", "3")
    ]
    assert run(items(4), Scripted(), path) == (0, 0)


def test_items_without_an_answer_count_as_wrong(tmp_path: Path) -> None:
    path = answers_file(tmp_path, 0, 1)
    run(items(2), ConstantAnswerer(items(2)), path)
    found = scored(BENCHMARKS["vsi_bench"], items(4), answers_of(tmp_path))
    assert found.row["micro"] == pytest.approx(50.0)
    assert any("2 of 4 items have no answer" in note for note in found.notes)
    with pytest.raises(BadRequestError, match="has no answers"):
        answers_of(tmp_path / "nowhere")
    with pytest.raises(BadRequestError, match="none of the benchmark's items"):
        scored(BENCHMARKS["vsi_bench"], items(1), {"other": Record("other", "", "")})


def test_shards_are_all_items_once() -> None:
    shards = [shard_of(items(7), k, 3) for k in range(3)]
    assert sorted(item.id for shard in shards for item in shard) == [str(k) for k in range(7)]
    assert max(map(len, shards)) - min(map(len, shards)) == 1


@pytest.mark.parametrize(
    ("load", "files"),
    [
        (datasets.spatialrgpt_bench, datasets.SPATIALRGPT_FILES),
        (datasets.spatialscore_bench, datasets.SPATIALSCORE_FILES),
        (datasets.vsi_items, datasets.VSI_FILES),
        (datasets.scanqa_items, datasets.SCANQA_FILES),
        (datasets.sqa3d_items, datasets.SQA3D_FILES),
    ],
)
def test_missing_files_are_named_with_what_to_get(tmp_path: Path, load: Any, files: str) -> None:
    with pytest.raises(datasets.MissingDataError) as error:
        load(tmp_path)
    assert files in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "get " in files


def test_files_of_another_version_are_refused(data: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "test.jsonl").write_text('{"question": "a"}\n')
    with pytest.raises(BadRequestError, match="no 'question_type': it is of another version"):
        datasets.vsi_items(tmp_path)
    (tmp_path / "test.jsonl").write_text("{\n")
    with pytest.raises(BadRequestError, match="line 1: no JSON"):
        datasets.vsi_items(tmp_path)
    (tmp_path / "SpatialScore.json").write_text('{"a": 1}')
    with pytest.raises(BadRequestError, match="must hold a list"):
        datasets.spatialscore_bench(tmp_path)


def test_regions_in_the_order_of_mention(data: dict[str, Path]) -> None:
    found = {item.kind: item for item in datasets.spatialrgpt_bench(data["spatialrgpt_bench"])}
    asked = found["tall_predicate"]
    assert asked.prompt == "Is <region> taller than <region>?"
    assert [region.name for region in asked.regions] == ["table", "chair"]
    assert in_words(asked) == "Is the table taller than the chair?"
    text, picture = drawn(asked, np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert text == "Is Region [0] taller than Region [1]?"
    assert picture.any()
    twins = Item("a", "Is <region> by <region>?", "", "", regions=(asked.regions[0],) * 2)
    assert in_words(twins) == "Is the table number 1 by the table number 2?"


def test_masks_of_plain_and_of_coded_run_lengths() -> None:
    plain = decode_rle({"size": [2, 3], "counts": [1, 2, 3]})
    assert plain.tolist() == [[False, True, False], [True, False, False]]
    # Runs 6, 1, 40, 4, 49 of a mask of 10 x 10; from the third on as differences.
    coded = decode_rle({"size": [10, 10], "counts": "61X139"})
    assert coded.T.reshape(-1).nonzero()[0].tolist() == [6, 47, 48, 49, 50]
    with pytest.raises(BadRequestError, match="fill 3 of 2x3 pixels"):
        decode_rle({"size": [2, 3], "counts": [1, 2]})


def test_the_table_has_a_row_for_each_model_with_differences() -> None:
    ours = {"ours": {"EM-1": 50.0, "what": 10.0}, "another": {"EM-1": 20.0}}
    lines = format_report(BENCHMARKS["sqa3d"], ours).splitlines()
    assert lines[0] == "| model | EM-1 | what | EM-R1 |"
    assert "| **ours** | 50.00 | 10.00 |  |" in lines
    assert "| **another** | 20.00 |  |  |" in lines
    assert "| Qwen2.5-VL-3B | 43.40 (+6.60) |  | 45.90 |" in lines
    assert len(lines) == 2 + 2 + len(BENCHMARKS["sqa3d"].published)


def test_averages_of_the_papers_are_columns_of_ours(data: dict[str, Path], tmp_path: Path) -> None:
    """What both papers average is averaged here under the same name, so that it is compared."""
    kinds = ("easy", "medium", "hard")
    asked = [Item(k, "", "A", f"object_rel_direction_{k}") for k in kinds]
    answers = {k: Record(k, "", "A" if k == "easy" else "B") for k in kinds}
    row = scored(BENCHMARKS["vsi_bench"], asked, answers).row
    assert row["object_rel_direction"] == pytest.approx(100 / 3)
    rows = [Item(k, "", "1 meter" if k != "direction" else "At 3 o'clock", k) for k in
            ("width_data", "height_data", "direction")]  # fmt: skip
    said = {"width_data": "1.1 meters", "height_data": "3 meters", "direction": "3 o'clock"}
    row = scored(BENCHMARKS["spatialrgpt_bench"], rows,
                 {k: Record(k, "", text) for k, text in said.items()}).row  # fmt: skip
    assert row["lengths"] == pytest.approx(50.0)  # without the direction, as SpatialGeo's table
    assert row["numbers"] == pytest.approx(200 / 3)
    sources = SPATIALSCORE_SOURCES
    asked = [Item(k, "", "Yes", "judgment|x", group=k) for k in sources]
    answers = {k: Record(k, "", "Yes" if k == sources[0] else "No") for k in sources}
    row = scored(BENCHMARKS["spatialscore"], asked, answers).row
    assert row["mean of seven"] == pytest.approx(100 / 7)


def test_every_published_number_has_a_column_of_ours(data: dict[str, Path]) -> None:
    """A published column that no score of ours is called would never be compared."""
    for name, benchmark in BENCHMARKS.items():
        if name == "scanqa_official" or not benchmark.published:
            continue
        named = {key for row in benchmark.published.values() for key in row}
        if name == "vsi_bench":
            kinds = [*CHOICE_TYPES, *NUMBER_TYPES]
            items = [Item(k, "", "1", k) for k in kinds]
        elif name == "spatialscore":
            items = [Item(k, "", "Yes", "judgment|x", group=k) for k in SPATIALSCORE_SOURCES]
        elif name == "spatialrgpt_bench":
            kinds = [*LENGTHS, "direction", *(f"{start}_predicate" for start in GROUPS)]
            truths = {"direction": "At 3 o'clock"}
            items = [Item(k, "", truths.get(k, "1 meter"), k) for k in kinds]
        else:
            items = list(benchmark.load(data[name]))
        answers = {item.id: Record(item.id, "", _first(item.truth)) for item in items}
        assert named - {"METEOR"} <= set(scored(benchmark, items, answers).row), name


def _first(truth: Any) -> str:
    return str(truth[0]) if isinstance(truth, list) else str(truth)


def test_a_reply_with_a_line_separator_is_one_answer(tmp_path: Path) -> None:
    """U+2028 and U+0085 end a line for Python, not for JSON."""
    path = answers_file(tmp_path, 0, 1)

    class Says(Scripted):
        def answer(self, item: Item) -> Record:
            return Record(item.id, item.prompt, "two\u2028lines\u0085and more")

    run(items(2), Says(), path)
    assert [one.output for one in read_answers(path)] == ["two\u2028lines\u0085and more"] * 2


def test_wrong_shards_are_refused(data: dict[str, Path], tmp_path: Path) -> None:
    arguments = ["evaluate", "sqa3d", "--data", str(data["sqa3d"]), "--out", str(tmp_path)]
    for shard in ("0/2", "3/2", "a", "1"):
        assert main([*arguments, "--model", "constant", "--shard", shard]) != 0


def test_a_region_beyond_those_given_is_refused(tmp_path: Path) -> None:
    write_spatialrgpt(tmp_path)
    path = tmp_path / "SpatialRGPT-Bench_v1.json"
    rows = json.loads(path.read_text())
    rows[0]["text_q"] = "How wide is Region [4]?"
    path.write_text(json.dumps(rows))
    with pytest.raises(BadRequestError, match="names region 4 of 2"):
        datasets.spatialrgpt_bench(tmp_path)


def test_a_region_without_a_mask_is_its_box() -> None:
    region = RegionOfImage("chair", (2.7, 4.0, 10.2, 8.9))
    from spatialgeo_ros.evaluation.benchmarks.answerers import mask_of

    assert mask_of(region, 20, 30).sum() == 8 * 4
