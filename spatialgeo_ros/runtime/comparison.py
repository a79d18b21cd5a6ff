# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Compares the outputs of two backends against stated tolerances, output by output."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError


class ParityError(ModelLoadError):
    """A backend computes something else than the reference; the message lists the outputs."""


@dataclass(frozen=True)
class Tolerance:
    """How far an output may be from the reference.

    A value is within when ``error <= absolute + relative * size``. Per element, error and size are
    absolute values; per vector they are Euclidean norms along the last axis (of a point in metres,
    of a token's features), which does not punish the small component of a large vector.

    Attributes:
        relative: Share of the reference's size.
        absolute: In the output's unit.
        share: Least share of values that are within; the rest may be edges of objects.
        per: "element" or "vector".
    """

    relative: float = 0.0
    absolute: float = 0.0
    share: float = 1.0
    per: str = "element"

    def __post_init__(self) -> None:
        numbers = (self.relative, self.absolute)
        if not all(math.isfinite(n) and n >= 0 for n in numbers) or not any(numbers):
            raise ModelLoadError("a tolerance needs 'relative' or 'absolute' above 0")
        if not 0 < self.share <= 1:
            raise ModelLoadError(f"a tolerance's 'share' must be above 0 and at most 1: {self}")
        if self.per not in ("element", "vector"):
            raise ModelLoadError(f"a tolerance is per 'element' or 'vector', not '{self.per}'")


Tolerances = Mapping[str, Tolerance]


def _scaled(factor: float, share: float) -> Tolerances:
    """Tolerances that grow with the rounding of a type; `factor` is 1 for float16."""
    return {
        "layer_*": Tolerance(relative=0.03 * factor, share=share, per="vector"),
        "cls": Tolerance(relative=0.03 * factor, share=share, per="vector"),
        "patch_features": Tolerance(relative=0.03 * factor, share=share, per="vector"),
        "points": Tolerance(relative=0.02 * factor, share=share, per="vector"),
        "normal": Tolerance(absolute=0.05 * factor, share=share, per="vector"),
        "mask": Tolerance(absolute=0.05 * factor, share=share),
        "metric_scale": Tolerance(relative=0.01 * factor),
        "*": Tolerance(relative=0.03 * factor, absolute=0.03 * factor, share=share),
    }


#: Precision -> pattern of an output's name -> tolerance; a profile may state its own.
DEFAULT_TOLERANCES: Mapping[str, Tolerances] = {
    "fp32": _scaled(0.05, 0.999),
    "fp16": _scaled(1.0, 0.99),
    "bf16": _scaled(4.0, 0.99),
}


def tolerance_for(name: str, precision: str, stated: Tolerances | None = None) -> Tolerance:
    """Tolerance of an output: what the profile states, else the default of the precision."""
    for table in (stated or {}, DEFAULT_TOLERANCES[precision]):
        for pattern, tolerance in table.items():
            if fnmatch.fnmatchcase(name, pattern):
                return tolerance
    raise ModelLoadError(f"no tolerance for output '{name}' at {precision}")


@dataclass(frozen=True)
class OutputReport:
    """How one output compares.

    Attributes:
        name: Of the output.
        passed: Within the tolerance and finite.
        within: Share of values within.
        excess: Error divided by the allowed error, at the share that must be within: above 1 fails.
        largest: Largest absolute error.
        place: Index of the largest error, the input's number first.
        not_finite: Values of the candidate or of the reference that are NaN or infinite.
    """

    name: str
    passed: bool
    within: float
    excess: float
    largest: float
    place: tuple[int, ...]
    not_finite: int

    def __str__(self) -> str:
        """One line for logs."""
        if self.not_finite:
            return f"{self.name}: {self.not_finite} values are NaN or infinite"
        return (
            f"{self.name}: {self.within:.2%} within, error {self.excess:.2g} of what is allowed, "
            f"largest {self.largest:.3g} at {list(self.place)}"
        )


def compare(
    candidate: Mapping[str, Tensor],
    reference: Mapping[str, Tensor],
    precision: str,
    stated: Tolerances | None = None,
    number: int = 0,
) -> list[OutputReport]:
    """Compare outputs by name, in float64 on the CPU.

    Raises:
        ParityError: An output is missing or of another shape: not the same network.
    """
    reports: list[OutputReport] = []
    for name, wanted in reference.items():
        if name not in candidate or candidate[name].shape != wanted.shape:
            seen = tuple(candidate[name].shape) if name in candidate else "missing"
            raise ParityError(f"output '{name}' is {seen}, the reference's {tuple(wanted.shape)}")
        tolerance = tolerance_for(name, precision, stated)
        reports.append(_compare(name, candidate[name], wanted, tolerance, number))
    return reports


def _compare(
    name: str, found: Tensor, wanted: Tensor, tolerance: Tolerance, number: int
) -> OutputReport:
    a, b = found.detach().double().cpu(), wanted.detach().double().cpu()
    bad = int((~torch.isfinite(a) | ~torch.isfinite(b)).sum())
    if bad:
        at = torch.nonzero(~torch.isfinite(a) | ~torch.isfinite(b))[0]
        return OutputReport(name, False, 0.0, math.inf, math.inf, (number, *at.tolist()), bad)
    if tolerance.per == "vector" and b.dim() > 0:
        error, size = (a - b).norm(dim=-1), b.norm(dim=-1)
    else:
        error, size = (a - b).abs(), b.abs()
    if not error.numel():
        return OutputReport(name, True, 1.0, 0.0, 0.0, (number,), 0)
    # A vector of zeros is met exactly or not at all, unless 'absolute' says more.
    allowed = (tolerance.absolute + tolerance.relative * size).clamp_min(1e-12)
    ratio = (error / allowed).flatten()
    within = float((ratio <= 1).double().mean())
    worst = int(ratio.argmax())
    place = [int(i) for i in torch.unravel_index(torch.tensor(worst), error.shape)]
    # The smallest ratio that `share` of the values do not exceed.
    rank = min(max(math.ceil(tolerance.share * ratio.numel()), 1), ratio.numel())
    excess = float(ratio.kthvalue(rank).values)
    largest = float(error.flatten()[worst])
    return OutputReport(name, excess <= 1, within, excess, largest, (number, *place), 0)


def severity(report: OutputReport) -> tuple[bool, float]:
    """Sorting key: failures last, then by how much of the allowed error was used."""
    return not report.passed, report.excess
