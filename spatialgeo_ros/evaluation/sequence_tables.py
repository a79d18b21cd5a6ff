# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tables of what was measured on annotated frames, for people (Markdown) and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialgeo_ros.evaluation.sequence import ObjectRecord, PairRecord, Records
from spatialgeo_ros.geometry.distance import Kind

#: An error that counts as right, metres: what poses and annotations of a good sequence allow.
CLOSE = 0.05
#: An error of another object or of the background, metres.
FAR = 0.15
_WORST_SIGMAS = 3
#: What the tables call the measured kinds.
PAIR_NAMES = {Kind.NEAREST_POINTS: "gap", Kind.CENTRE_TO_CENTRE: "centres"}

Cell = str | int | float


@dataclass(frozen=True)
class Table:
    """A table. The names of its columns carry units; shares are 0 to 1, NaN where nothing counts.

    Attributes:
        title: what it shows.
        rows: each with the same columns.
    """

    title: str
    rows: tuple[dict[str, Cell], ...]


def summary_of(records: Records) -> tuple[Table, ...]:
    """Tables of one row per condition: objects, and pairs by kind."""
    return (
        Table("objects", tuple(_object_rows(records.objects, by_label=False))),
        Table("pairs", tuple(_pair_rows(records.pairs))),
    )


def details_of(records: Records) -> tuple[Table, ...]:
    """Tables of labels, and of single cases that went wrong."""
    return (
        Table("objects by label", tuple(_object_rows(records.objects, by_label=True))),
        Table("pairs valid and badly wrong", tuple(_worst_rows(records.pairs))),
        Table("refused objects", tuple(_refusal_rows(records.objects))),
        Table("invalid pairs", tuple(_invalid_rows(records.pairs))),
    )


def with_given_boxes(records: Records) -> Records:
    """Records of the boxes as annotated."""
    return Records(
        tuple(one for one in records.objects if one.condition.box_error == 0),
        tuple(one for one in records.pairs if one.condition.box_error == 0),
    )


def halves(records: Records) -> tuple[Records, Records]:
    """Records of the frames at even and at odd positions of the sequence."""

    def half(parity: int) -> Records:
        return Records(
            tuple(one for one in records.objects if one.position % 2 == parity),
            tuple(one for one in records.pairs if one.position % 2 == parity),
        )

    return half(0), half(1)


def worst_objects(records: Records, count: int) -> list[ObjectRecord]:
    """The refused objects and those with the largest errors, worst first.

    Each object of a frame is there once: of the conditions, the first one counts.
    """
    first = records.objects[0].condition if records.objects else None
    compared = [one for one in records.objects if one.condition == first]
    compared.sort(key=lambda one: math.inf if one.refusal else one.error_m, reverse=True)
    return compared[:count]


def worst_table(records: Iterable[ObjectRecord]) -> Table:
    """Errors of single objects, one row each."""
    return Table(
        "worst objects",
        tuple(
            {
                **_case(one),
                "name": one.name,
                "error_m": one.error_m,
                "along_ray_m": one.along_m,
                "across_ray_m": one.across_m,
                "centre_error_m": one.centre_error_m,
                "unread_share": one.unread_share,
                "refusal": one.refusal,
            }
            for one in records
        ),
    )


def is_badly_wrong(pair: PairRecord) -> bool:
    """Whether a distance is off by more than its own standard deviation can excuse, yet valid."""
    return pair.valid and abs(pair.error_m) > max(FAR, _WORST_SIGMAS * pair.sigma_m)


def format_table(table: Table) -> str:
    """Lay a table out as Markdown under its title; shares as per cent, lengths with 3 decimals."""
    if not table.rows:
        return f"### {table.title}\n\nnone"
    names = list(table.rows[0])
    lines = [
        f"### {table.title}",
        "",
        f"| {' | '.join(name.replace('_', ' ') for name in names)} |",
        f"|{'---|' * len(names)}",
    ]
    lines += [f"| {' | '.join(_cell(name, row[name]) for name in names)} |" for row in table.rows]
    return "\n".join(lines)


def tables_json(tables: Iterable[Table]) -> list[dict[str, Any]]:
    """Tables as JSON values; NaN becomes null."""
    return [{"title": table.title, "rows": [_plain(row) for row in table.rows]} for table in tables]


def records_json(records: Records) -> dict[str, list[dict[str, Any]]]:
    """Records as JSON values, their condition in three columns; NaN becomes null."""
    pairs = [{**asdict(one), "kind": PAIR_NAMES[one.kind]} for one in records.pairs]
    objects = [asdict(one) for one in records.objects]
    for entry in (*objects, *pairs):
        condition = entry.pop("condition")
        entry["known"] = condition["known"].value
        entry["box_error_share"] = condition["box_error"]
        entry["repetition"] = condition["repetition"]
        if "box" in entry:
            entry["box_px"] = [round(side, 2) for side in entry.pop("box")]
    return {"objects": [_plain(one) for one in objects], "pairs": [_plain(one) for one in pairs]}


def _setting(record: ObjectRecord | PairRecord) -> tuple[str, str]:
    """What is known and how right the boxes are, as columns."""
    error = record.condition.box_error
    return record.condition.known.value, f"{error:.0%} off" if error else "as given"


def _grouped(records: Sequence[Any], *attributes: str) -> list[tuple[dict[str, Cell], list[Any]]]:
    """Records by condition and by attributes, in the order in which conditions first appear."""
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for record in records:
        key = (*_setting(record), *(getattr(record, name) for name in attributes))
        groups.setdefault(key, []).append(record)
    settings = list(dict.fromkeys(key[:2] for key in groups))
    ordered = sorted(groups, key=lambda key: (settings.index(key[:2]), key[2:]))
    return [
        (dict(zip(("known", "boxes", *attributes), key, strict=True)), groups[key])
        for key in ordered
    ]


def _object_rows(records: Sequence[ObjectRecord], by_label: bool) -> Iterable[dict[str, Cell]]:
    for group, ones in _grouped(records, *(("label",) if by_label else ())):
        error = np.array([one.error_m for one in ones])
        along = np.array([one.along_m for one in ones])
        across = np.array([one.across_m for one in ones])
        centre = np.array([one.centre_error_m for one in ones])
        both = np.hypot(
            [one.centre_sigma_m for one in ones], [one.reference_sigma_m for one in ones]
        )
        yield {
            **group,
            "n": len(ones),
            "refused": sum(bool(one.refusal) for one in ones),
            "median_error_m": _median(error),
            "within_5_cm_share": _share(error <= CLOSE),
            "over_15_cm_off_or_refused_share": _share(~(error <= FAR)),
            "median_along_ray_m": _median(along),
            "median_abs_along_ray_m": _median(np.abs(along)),
            "median_across_ray_m": _median(across),
            "median_centre_error_m": _median(centre),
            "centre_within_5_cm_share": _share(centre <= CLOSE),
            "centre_over_15_cm_off_or_refused_share": _share(~(centre <= FAR)),
            "centre_within_1_sigma_and_reference_share": _share(centre <= both),
            "centre_within_2_sigma_and_reference_share": _share(centre <= 2 * both),
        }


def _pair_rows(records: Sequence[PairRecord]) -> Iterable[dict[str, Cell]]:
    for group, ones in _grouped(records, "kind"):
        error = np.array([one.error_m for one in ones])
        sigma = np.array([one.sigma_m for one in ones])
        both = np.hypot(sigma, [one.reference_sigma_m for one in ones])
        off = np.abs(error)  # NaN of an invalid one is within nothing
        yield {
            **group,
            "kind": PAIR_NAMES[ones[0].kind],
            "n": len(ones),
            "valid_share": _share(np.array([one.valid for one in ones])),
            "within_5_cm_or_2_sigma_share": _share(off <= np.maximum(CLOSE, 2 * sigma)),
            "within_5_cm_share": _share(off <= CLOSE),
            "valid_and_over_15_cm_off_share": _share(off > FAR),
            "within_1_sigma_share": _share(off <= sigma),
            "within_2_sigma_share": _share(off <= 2 * sigma),
            "within_1_sigma_and_reference_share": _share(off <= both),
            "within_2_sigma_and_reference_share": _share(off <= 2 * both),
            "valid_and_badly_wrong": sum(is_badly_wrong(one) for one in ones),
            "median_error_m": _median(error),
            "median_abs_error_m": _median(off),
            "median_sigma_m": _median(sigma),
        }


def _worst_rows(records: Sequence[PairRecord]) -> Iterable[dict[str, Cell]]:
    for one in _by_condition(records):
        if is_badly_wrong(one):
            yield {
                **_case(one),
                "first": one.first,
                "second": one.second,
                "kind": PAIR_NAMES[one.kind],
                "distance_m": one.distance_m,
                "sigma_m": one.sigma_m,
                "reference_m": one.reference_m,
                "error_m": one.error_m,
            }


def _refusal_rows(records: Sequence[ObjectRecord]) -> Iterable[dict[str, Cell]]:
    for one in _by_condition(records):
        if one.refusal:
            yield {**_case(one), "name": one.name, "reason": one.refusal}


def _invalid_rows(records: Sequence[PairRecord]) -> Iterable[dict[str, Cell]]:
    for one in _by_condition(records):
        if not one.valid:
            yield {
                **_case(one),
                "first": one.first,
                "second": one.second,
                "kind": PAIR_NAMES[one.kind],
                "reason": one.reason,
            }


def _by_condition(records: Sequence[Any]) -> Iterable[Any]:
    return (one for _, group in _grouped(records) for one in group)


def _case(one: ObjectRecord | PairRecord) -> dict[str, Cell]:
    """Condition and frame of a single record, as columns."""
    known, boxes = _setting(one)
    repetition = one.condition.repetition
    return {"known": known, "boxes": boxes, "repetition": repetition, "frame": one.frame}


def _share(flags: NDArray[np.bool_]) -> float:
    return float(np.mean(flags))


def _median(values: NDArray[np.float64]) -> float:
    """Median of what was measured."""
    measured = values[np.isfinite(values)]
    return float(np.median(measured)) if len(measured) else math.nan


def _cell(name: str, value: Cell) -> str:
    if isinstance(value, float):
        if not math.isfinite(value):
            return "-"
        return f"{value:.1%}" if name.endswith("_share") else f"{value:.3f}"
    return str(value).replace("|", "/")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose floats are finite, rounded to what can mean something (0.1 mm), or null."""
    return {
        name: (round(value, 4) if math.isfinite(value) else None)
        if isinstance(value, float)
        else value
        for name, value in row.items()
    }
