# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The parity gate: a backend's outputs against the reference's, before it is trusted.

Engines have given wrong depth without any error (TensorRT 10.3 of JetPack 6 on DINOv2 networks).
So every engine computes a known input set once on the machine it runs on, and a small part of it
again at every start.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from spatialgeo_ros.runtime.backend import Backend, ShapeProfile, TensorSpec
from spatialgeo_ros.runtime.comparison import (
    OutputReport,
    ParityError,
    Tolerances,
    compare,
    severity,
)


class Metric(Protocol):
    """Compares networks whose outputs cannot be compared value by value."""

    def summary(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What is compared, on the CPU; small enough to be remembered whole."""
        ...

    def compare(
        self,
        found: Mapping[str, Tensor],
        wanted: Mapping[str, Tensor],
        precision: str,
        number: int = 0,
    ) -> list[OutputReport]:
        """Compare the candidate's summary with the reference's."""
        ...


#: Makes so many inputs that all machines know.
KnownInputs = Callable[[int], Sequence[Mapping[str, Tensor]]]
#: Inputs of the gate.
INPUTS = 3

#: Of an output, or of what is computed from the outputs (points, mask, metric scale).
Derive = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]


@dataclass(frozen=True)
class ParityReport:
    """Outcome of the gate.

    Attributes:
        candidate: Name of the backend that was tried.
        reference: Name of the backend that it was compared with.
        precision: Whose tolerances were used.
        outputs: Worst first.
        seconds: Time that the candidate took for the input set.
    """

    candidate: str
    reference: str
    precision: str
    outputs: tuple[OutputReport, ...]
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether every output is within its tolerance."""
        return all(output.passed for output in self.outputs)

    def __str__(self) -> str:
        """Verdict and the worst outputs, worst first."""
        verdict = "agrees with" if self.passed else "DIFFERS from"
        worst = self.outputs if not self.passed else self.outputs[:1]
        lines = "; ".join(str(output) for output in worst)
        return f"{self.candidate} {verdict} {self.reference} ({self.precision}): {lines}"

    def to_dict(self) -> dict[str, Any]:
        """For the manifest."""
        outputs = [{k: list(v) if k == "place" else v for k, v in asdict(o).items()}
                   for o in self.outputs]  # fmt: skip
        return {
            "passed": self.passed, "candidate": self.candidate, "reference": self.reference,
            "precision": self.precision, "seconds": round(self.seconds, 4), "outputs": outputs,
        }  # fmt: skip


def known_inputs(
    specs: Sequence[TensorSpec], profile: ShapeProfile | None = None, count: int = INPUTS
) -> list[dict[str, Tensor]]:
    """The gate's input set: smooth pictures with edges, the same on every machine.

    A picture is a sum of plane waves whose frequencies follow from its number, cut by a step at
    one of them. "image" lies in [0, 1], "pixel_values" is of zero mean and unit deviation as after
    CLIP's normalisation, "prior" lies in [-1, 1]; any other input is like "pixel_values".

    Returns:
        ``count`` mappings of CPU tensors, varying axes at their usual size.
    """
    sizes = {name: axis.usual for name, axis in (profile or {}).items()}
    feeds: list[dict[str, Tensor]] = []
    for number in range(count):
        made: dict[str, Tensor] = {}
        for spec in specs:
            shape = [side if isinstance(side, int) else sizes.get(side, 1) for side in spec.shape]
            made[spec.name] = _picture(spec.name, shape, number).to(spec.dtype)
        feeds.append(made)
    return feeds


def first_known(
    specs: Sequence[TensorSpec], profile: ShapeProfile | None, known: KnownInputs | None
) -> Mapping[str, Tensor]:
    """The input of the self-check."""
    return (known(1) if known is not None else known_inputs(specs, profile, count=1))[0]


def _picture(name: str, shape: Sequence[int], number: int) -> Tensor:
    if not shape:
        return torch.tensor(0.5, dtype=torch.float64)
    rows = torch.linspace(0, 1, shape[-2] if len(shape) > 1 else 1, dtype=torch.float64)[:, None]
    columns = torch.linspace(0, 1, shape[-1], dtype=torch.float64)[None, :]
    planes: list[Tensor] = []
    for plane in range(max(math.prod(shape[:-2]), 1)):
        waves = torch.zeros(rows.shape[0], columns.shape[1], dtype=torch.float64)
        for order in range(1, 6):
            turn = 2.399963 * (order + 3 * number) + 0.7 * plane  # golden angle: no two alike
            across, down = math.cos(turn) * 1.7**order, math.sin(turn) * 1.7**order
            waves += torch.sin(2 * math.pi * (across * columns + down * rows) + turn) / order
        edge = (
            math.cos(number + 1.0) * (columns - 0.4) + math.sin(number + 1.0) * (rows - 0.5)
        ) > 0
        planes.append(torch.where(edge, waves, 0.4 * waves - 0.8))
    picture = torch.stack(planes).reshape(shape)
    picture = (picture - picture.mean()) / picture.std().clamp_min(1e-6)
    if name == "image":
        return (0.5 + 0.22 * picture).clamp(0, 1)
    return (picture / 3).clamp(-1, 1) if name == "prior" else picture


def run_gate(
    candidate: Backend,
    reference: Backend,
    precision: str,
    *,
    stated: Tolerances | None = None,
    profile: ShapeProfile | None = None,
    derive: Derive | None = None,
    inputs: Sequence[Mapping[str, Tensor]] = (),
    known: KnownInputs | None = None,
    metric: Metric | None = None,
    devices: tuple[torch.device | str, torch.device | str] = ("cpu", "cpu"),
) -> ParityReport:
    """Run both backends on the input set.

    Args:
        candidate: To be trusted or not.
        reference: PyTorch, or another backend that has passed.
        precision: Of the candidate.
        stated: Tolerances of the profile.
        profile: Sizes of varying axes.
        derive: Computes what people rely on (points, mask, scale) from the outputs; compared too.
        inputs: Further inputs beside the known ones, on the CPU.
        known: Makes the known inputs where pictures will not do (tokens, features); by default
            ``known_inputs``.
        metric: Compares the outputs; by default every value is compared.
        devices: Of candidate and reference.

    Returns:
        The worst case of every output over all inputs.

    Raises:
        ParityError: The outputs' names or shapes differ.
    """
    worst: dict[str, OutputReport] = {}
    seconds = 0.0
    usual = known(INPUTS) if known is not None else known_inputs(candidate.inputs, profile)
    for number, feeds in enumerate([*usual, *inputs]):
        started = time.monotonic()
        found = outputs_of(candidate, feeds, derive, devices[0], metric)
        seconds += time.monotonic() - started
        wanted = outputs_of(reference, feeds, derive, devices[1], metric)
        for report in _compare(found, wanted, precision, stated, metric, number):
            before = worst.get(report.name)
            if before is None or severity(report) > severity(before):
                worst[report.name] = report
    ordered = tuple(sorted(worst.values(), key=severity, reverse=True))
    return ParityReport(candidate.name, reference.name, precision, ordered, seconds)


def _compare(
    found: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    precision: str,
    stated: Tolerances | None,
    metric: Metric | None,
    number: int = 0,
) -> list[OutputReport]:
    if metric is not None:
        return metric.compare(found, wanted, precision, number)
    return compare(found, wanted, precision, stated, number)


def outputs_of(
    backend: Backend,
    feeds: Mapping[str, Tensor],
    derive: Derive | None,
    device: torch.device | str,
    metric: Metric | None = None,
) -> dict[str, Tensor]:
    """Run a backend on CPU tensors in the types that it takes.

    Returns:
        Outputs and what is derived from them, or a metric's summary; on the CPU.
    """
    types = {spec.name: spec.dtype for spec in backend.inputs}
    given = {name: tensor.to(device, types[name]) for name, tensor in feeds.items()}
    outputs = {name: tensor.cpu() for name, tensor in backend.run(given).items()}
    if metric is not None:
        return metric.summary(outputs)
    return {**outputs, **(derive(outputs) if derive is not None else {})}


@dataclass(frozen=True)
class Fingerprint:
    """What a backend that passed the gate computes for the first known input.

    Attributes:
        values: Output's name -> its sampled values (whole vectors along the last axis); of a
            metric's summary all of them.
    """

    values: Mapping[str, list[float]] = field(default_factory=dict)

    @classmethod
    def take(cls, outputs: Mapping[str, Tensor], metric: Metric | None = None) -> Fingerprint:
        """Sample outputs, or keep a metric's summary."""
        kept = outputs if metric is not None else _samples(outputs)
        return cls({name: tensor.flatten().tolist() for name, tensor in kept.items()})

    def check(
        self,
        outputs: Mapping[str, Tensor],
        precision: str,
        stated: Tolerances | None = None,
        metric: Metric | None = None,
    ) -> list[OutputReport]:
        """Compare a later run with the sample; all outputs, worst first.

        Raises:
            ParityError: The outputs are not those that were sampled.
        """
        found = dict(outputs) if metric is not None else _samples(outputs)
        if found.keys() != self.values.keys():
            raise ParityError("the self-check was stored for other outputs: build the engine again")
        wanted: dict[str, Tensor] = {}
        for name, sample in found.items():
            if len(self.values[name]) != sample.numel():
                raise ParityError(f"the self-check was stored for another shape of '{name}'")
            stored = torch.tensor(self.values[name], dtype=torch.float64)
            wanted[name] = stored.reshape(sample.shape)
        reports = _compare(found, wanted, precision, stated, metric)
        return sorted(reports, key=severity, reverse=True)


_SAMPLED_VALUES = 512


def _samples(outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: _sample(tensor) for name, tensor in outputs.items()}


def _sample(tensor: Tensor) -> Tensor:
    """Some whole vectors along the last axis, evenly spread, about 512 values."""
    vectors = tensor.detach().double().cpu().reshape(-1, tensor.shape[-1] if tensor.dim() else 1)
    wanted = max(_SAMPLED_VALUES // max(vectors.shape[1], 1), 2)
    step = max(vectors.shape[0] // wanted, 1)
    return vectors[::step][:wanted]


def self_check(
    backend: Backend,
    fingerprint: Fingerprint,
    precision: str,
    *,
    stated: Tolerances | None = None,
    profile: ShapeProfile | None = None,
    derive: Derive | None = None,
    known: KnownInputs | None = None,
    metric: Metric | None = None,
    device: torch.device | str = "cpu",
) -> ParityReport:
    """Run the first known input and compare with what passed the gate; takes one run."""
    started = time.monotonic()
    feeds = first_known(backend.inputs, profile, known)
    outputs = outputs_of(backend, feeds, derive, device, metric)
    reports = tuple(fingerprint.check(outputs, precision, stated, metric))
    elapsed = time.monotonic() - started
    return ParityReport(backend.name, "its own earlier result", precision, reports, elapsed)
