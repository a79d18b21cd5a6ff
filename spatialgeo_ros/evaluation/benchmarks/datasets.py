# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The benchmarks' files in their official layouts, read into items.

Nothing is downloaded here: what is missing is named, with what to get, its size and its licence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.evaluation import vsi_bench
from spatialgeo_ros.evaluation.benchmarks import scanqa, spatialscore, sqa3d, vsi_official
from spatialgeo_ros.evaluation.benchmarks.item import Item, RegionOfImage
from spatialgeo_ros.query.families import REGION_PLACEHOLDER
from spatialgeo_ros.runtime.input_files import read_input_text, read_json

_MOST_BYTES = 500_000_000
_REGION = re.compile(r"Region \[(\d+)\]|<mask>(?: <depth>)?")


class MissingDataError(BadRequestError):
    """A benchmark's files are not where they should be."""


def _need(path: Path, what: str) -> Path:
    if not path.exists():
        raise MissingDataError(f"{path} does not exist: {what}")
    return path


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    text = read_input_text(path, _MOST_BYTES, BadRequestError)
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            yield json.loads(line)
        except ValueError as error:
            raise BadRequestError(f"{path}, line {number}: no JSON: {error}") from error


def _rows(path: Path, key: str | None = None) -> list[dict[str, Any]]:
    content = read_json(path, BadRequestError)
    rows = content.get(key) if key is not None and isinstance(content, dict) else content
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadRequestError(f"{path} must hold a list of objects")
    return rows


def _field(row: dict[str, Any], key: str, path: Path) -> Any:
    if key not in row:
        raise BadRequestError(f"{path}: an entry has no '{key}': it is of another version")
    return row[key]


SPATIALRGPT_FILES = (
    "get SpatialRGPT-Bench_v1.json (5 MB) and images/ of https://huggingface.co/datasets/"
    "a8cheng/SpatialRGPT-Bench (its card states Apache-2.0; the images are of Omni3D's sources)"
)


def spatialrgpt_bench(folder: Path) -> list[Item]:
    """SpatialRGPT-Bench_v1.json and the images it names, below ``images/`` or the folder itself.

    Raises:
        MissingDataError: a file is missing.
        BadRequestError: the file is of another version.
    """
    path = _need(folder / "SpatialRGPT-Bench_v1.json", SPATIALRGPT_FILES)
    rows = [*_lines(path)] if path.read_bytes()[:1] == b"{" else _rows(path)
    items = []
    for row in rows:
        info, image = _field(row, "qa_info", path), _field(row, "image_info", path)
        name = str(_field(image, "file_path", path))
        found = next(
            (p for p in (folder / "images" / name, folder / name) if p.exists()), folder / name
        )
        boxes, masks = row.get("bbox") or [], row.get("rle") or []
        names = [str(one) for one in info.get("class") or []]
        regions = [
            RegionOfImage(
                names[k] if k < len(names) else "object",
                (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
                masks[k] if k < len(masks) and isinstance(masks[k], dict) else None,
            )
            for k, box in enumerate(boxes)
        ]
        asked = str(_field(row, "text_q", path))
        text, order = _placeholders(asked, len(regions), path)
        items.append(
            Item(
                id=str(_field(row, "id", path)),
                prompt=text,
                truth=str(_field(row, "conversations", path)[1]["value"]),
                kind=str(_field(info, "category", path)),
                group=str(info.get("type", "")),
                images=(_need(found, SPATIALRGPT_FILES),),
                regions=tuple(regions[k] for k in order),
                question=asked,
            )
        )
    return items


def _placeholders(text: str, count: int, path: Path) -> tuple[str, list[int]]:
    """Put placeholders for "Region [k]"; returns the regions in the order of mention."""
    order: list[int] = []

    def place(found: re.Match[str]) -> str:
        number = int(found[1]) if found[1] is not None else len(order)
        if number >= count:
            raise BadRequestError(f"{path}: '{text}' names region {number} of {count}")
        order.append(number)
        return REGION_PLACEHOLDER

    return _REGION.sub(place, text), order


SPATIALSCORE_FILES = (
    "get SpatialScore.json of version 0 and SpatialScore.zip (11 GB) of https://huggingface.co/"
    "datasets/haoningwu/SpatialScore, at a revision before May 2026 (licences of its 12 sources)"
)


def spatialscore_bench(folder: Path, name: str = "SpatialScore.json") -> list[Item]:
    """SpatialScore.json (or SpatialScore-Hard.json), and the images its paths name.

    Raises:
        MissingDataError: a file is missing.
        BadRequestError: the file is of another version.
    """
    path = _need(folder / name, SPATIALSCORE_FILES)
    items = []
    for number, row in enumerate(_rows(path)):
        images = [
            _need(folder / str(image).removeprefix("./dataset/"), SPATIALSCORE_FILES)
            for image in _field(row, "img_paths", path)
        ]
        source, kind = str(_field(row, "source", path)), str(_field(row, "question_type", path))
        items.append(
            Item(
                id=str(row.get("index", number)),
                prompt=str(_field(row, "question", path)),
                truth=str(_field(row, "answer", path)),
                kind=f"{kind}|{_field(row, 'category', path)}",
                group=source,
                images=tuple(images),
                instruction=spatialscore.build_prompt(source, kind),
            )
        )
    return items


VSI_FILES = (
    "get test.jsonl and unpack arkitscenes.zip, scannet.zip and scannetpp.zip (together 6 GB) of "
    "https://huggingface.co/datasets/nyu-visionx/VSI-Bench (Apache-2.0; the videos are under "
    "the licences of their sources)"
)


def vsi_items(folder: Path, *, official: bool = False, served: bool = False) -> list[Item]:
    """test.jsonl and the videos it names.

    Args:
        folder: of the data.
        official: prompts of lmms-eval instead of Spatial-MLLM's.
        served: of those, the wording for GPT and Gemini.

    Raises:
        MissingDataError: a file is missing.
        BadRequestError: the file is of another version.
    """
    path = _need(folder / "test.jsonl", VSI_FILES)
    items: list[Item] = []
    for row in _lines(path):
        kind = str(_field(row, "question_type", path))
        asked = str(_field(row, "question", path))
        options = [str(one) for one in row.get("options") or ()]
        text = (
            vsi_official.build_prompt(asked, kind, options, served=served)
            if official
            else vsi_bench.build_prompt(asked, kind, options)
        )
        name = f"{_field(row, 'scene_name', path)}.mp4"
        video = _need(folder / str(_field(row, "dataset", path)) / name, VSI_FILES)
        truth = str(_field(row, "ground_truth", path))
        items.append(
            Item(
                str(row.get("id", len(items))), text, truth, kind, video=video, question=asked,
                options=tuple(options),
            )
        )  # fmt: skip
    return items


def with_selection(item: Item, folder: Path, selections: Path) -> Item:
    """Let an item be shown the space-aware frames of its video.

    Args:
        item: of a benchmark of videos.
        folder: of the data, below which its video is.
        selections: what ``spatialgeo sample`` wrote of that folder's videos.

    Raises:
        MissingDataError: the video has no selection.
        BadRequestError: what is there is none.
    """
    assert item.video is not None
    path = selections / item.video.relative_to(folder).with_suffix("") / "selection.json"
    content = read_json(
        _need(path, f"run 'spatialgeo sample {folder} --out {selections}' first"), BadRequestError
    )
    try:
        chosen = tuple(int(number) for number in content["space_aware"]["indices"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadRequestError(f"{path} is no selection: {error!r}") from error
    return replace(item, selection=chosen)


SCANQA_FILES = (
    "get ScanQA_v1.0_val.json of https://github.com/ATR-DBI/ScanQA (its licence: CC BY-NC-SA 3.0), "
    "and make videos/<scene>.mp4 of the scenes of ScanNet (a form to sign at scan-net.org)"
)


def scanqa_items(folder: Path, name: str = "ScanQA_v1.0_val.json") -> list[Item]:
    """ScanQA_v1.0_val.json and videos/<scene>.mp4.

    Raises:
        MissingDataError: a file is missing.
        BadRequestError: the file is of another version.
    """
    path = _need(folder / name, SCANQA_FILES)
    return [
        Item(
            id=str(_field(row, "question_id", path)),
            prompt=scanqa.build_prompt(str(_field(row, "question", path))),
            truth=[str(one) for one in _field(row, "answers", path)],
            kind="scanqa",
            video=_need(folder / "videos" / f"{_field(row, 'scene_id', path)}.mp4", SCANQA_FILES),
            question=str(row["question"]),
        )
        for row in _rows(path)
    ]


SQA3D_FILES = (
    "get v1_balanced_questions_test_scannetv2.json and v1_balanced_sqa_annotations_test_"
    "scannetv2.json of https://zenodo.org/records/7792397 (CC BY 4.0), and make videos/<scene>.mp4 "
    "of the scenes of ScanNet (a form to sign at scan-net.org)"
)


def sqa3d_items(folder: Path, split: str = "test") -> list[Item]:
    """Questions and annotations of SQA3D, and videos/<scene>.mp4.

    Raises:
        MissingDataError: a file is missing.
        BadRequestError: the files are of another version, or do not belong together.
    """
    path = _need(folder / f"v1_balanced_questions_{split}_scannetv2.json", SQA3D_FILES)
    answered = _need(folder / f"v1_balanced_sqa_annotations_{split}_scannetv2.json", SQA3D_FILES)
    answers = {
        _field(row, "question_id", answered): [str(one["answer"]) for one in row["answers"]]
        for row in _rows(answered, "annotations")
    }
    items = []
    for row in _rows(path, "questions"):
        number = _field(row, "question_id", path)
        if number not in answers:
            raise BadRequestError(f"{answered} has no answer to question {number} of {path.name}")
        asked = str(_field(row, "question", path))
        items.append(
            Item(
                id=str(number),
                prompt=sqa3d.build_prompt(str(_field(row, "situation", path)), asked),
                truth=answers[number],
                kind=sqa3d.question_type(asked),
                video=_need(
                    folder / "videos" / f"{_field(row, 'scene_id', path)}.mp4", SQA3D_FILES
                ),
                question=asked,
            )
        )
    return items


Loader = Callable[[Path], Sequence[Item]]
