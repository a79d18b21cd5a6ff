# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which thoughts of a larger model Spatial-MLLM's cold start learns from (arXiv 2505.23747).

Of several completions of a problem the best counts. Of each type of question those stay that are
worth at least the median of their type, and anything at all. The paper states this for rewards of
form and answer together; which type it means is taken as ``original_question_type``.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from spatialgeo_ros.errors import BadRequestError
from spatialgeo_ros.training.annotation_file import AnnotationFile
from spatialgeo_ros.training.problem_data import problem_text
from spatialgeo_ros.training.rewards import group_rewards


def choose_thoughts(items: Iterable[Mapping[str, Any]], instruction: str) -> list[dict[str, Any]]:
    """Choose completions; returns conversations for the supervised training.

    Args:
        items: problems as in ``problem_data``, each with "completions".
        instruction: how to think, as policy optimisation will ask.

    Raises:
        BadRequestError: an item is incomplete, or its type is unknown.
    """
    best: dict[str, list[tuple[float, dict[str, Any]]]] = defaultdict(list)
    for number, item in enumerate(items):
        said = item.get("completions")
        if not said:
            raise BadRequestError(f"problem {number} has no 'completions' to choose from")
        if missing := {"problem", "problem_type", "solution"} - set(item):
            raise BadRequestError(f"problem {number} lacks {', '.join(sorted(missing))}")
        rewards = [one.total for one in group_rewards(item["problem_type"], item["solution"], said)]
        worth = max(rewards)
        turns = [
            {"from": "human", "value": f"<video>{problem_text(item, instruction)}"},
            {"from": "gpt", "value": said[rewards.index(worth)]},
        ]
        kind = str(item.get("original_question_type", item["problem_type"]))
        place = item.get("path") or item.get("video")
        best[kind].append((worth, {"video": place, "conversations": turns}))
    kept = []
    for found in best.values():
        least = median(worth for worth, _ in found)
        kept += [line for worth, line in found if worth >= least and worth > 0]
    return kept


def write_thoughts(data: Path, output: Path, instruction: str) -> tuple[int, int]:
    """Choose from a file; returns how many problems there were and how many stay.

    Raises:
        BadRequestError: see :func:`choose_thoughts`; or nothing stays.
    """
    items = AnnotationFile(data)
    kept = choose_thoughts((items[k] for k in range(len(items))), instruction)
    if not kept:
        raise BadRequestError(f"no completion in {data} is worth anything: no problem is answered")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")
    return len(items), len(kept)
