# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The report of a run as Markdown tables."""

from __future__ import annotations

from typing import Any

_NAMES = {
    "object_counting": "object count",
    "object_abs_distance": "absolute distance",
    "object_size_estimation": "object size",
    "room_size_estimation": "room size",
    "object_rel_distance": "relative distance",
    "object_rel_direction_easy": "relative direction, easy",
    "object_rel_direction_medium": "relative direction, medium",
    "object_rel_direction_hard": "relative direction, hard",
    "obj_appearance_order": "appearance order",
    "route_planning": "route plan",
}


def format_summary(summary: dict[str, Any]) -> str:
    """Lay out what ``RoomsReport.summary`` returns: scores, maps, times."""
    scores: dict[str, Any] = summary["scores"]
    lines = [
        f"{summary['rooms']} rooms, {summary['questions']} questions. Counts, distances and sizes: "
        "mean relative accuracy; the rest: accuracy.",
        "",
        _row("task", "n", *scores),
        _row(*["---"] * (len(scores) + 2)),
    ]
    for kind, name in _NAMES.items():
        cells = [column["by_type"].get(kind) for column in scores.values()]
        known = [cell for cell in cells if cell is not None]
        if known:
            count = str(known[0]["questions"])
            lines.append(_row(name, count, *(_share(cell["score"]) for cell in known)))
    everything = str(summary["questions"])
    for name, average in (
        ("accuracy over types", ("accuracy", "over_types")),
        ("mean relative accuracy over types", ("mean_relative_accuracy", "over_types")),
        ("**overall, over types**", ("overall", "over_types")),
        ("**overall, over questions**", ("overall", "over_questions")),
    ):
        cells = [column[average[0]][average[1]] for column in scores.values()]
        lines.append(_row(name, everything, *map(_share, cells)))
    for name, key in (
        ("answered", "answered"),
        ("score of what was answered", "score_of_answered"),
    ):
        lines.append(_row(name, everything, *(_share(one[key]) for one in scores.values())))
    if summary["maps"]:
        lines += ["", *_maps(summary["maps"])]
    lines += ["", "Seconds per room: " + ", ".join(
        f"{step} {seconds:.2f}" for step, seconds in summary["seconds_per_room"].items()
    )]  # fmt: skip
    return "\n".join(lines)


def _maps(maps: dict[str, Any]) -> list[str]:
    lines = [
        _row(
            "map, detections", "true objects", "in the map", "precision", "recall",
            "median centre error", "after a rigid fit",
        ),
        _row(*["---"] * 7),
    ]  # fmt: skip
    for name, one in maps.items():
        errors = (one["median_centre_error_m"], one["median_centre_error_aligned_m"])
        lines.append(
            _row(
                name,
                str(one["true_objects"]),
                str(one["map_objects"]),
                _share(one["precision"]),
                _share(one["recall"]),
                *map(_centimetres, errors),
            )  # fmt: skip
        )
    return lines


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _centimetres(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} cm"
