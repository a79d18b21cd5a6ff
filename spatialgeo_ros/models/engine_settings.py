# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The section ``engines`` of a model profile: precision, and how exact an engine must be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.profile_file import Section
from spatialgeo_ros.runtime.backend import PRECISIONS
from spatialgeo_ros.runtime.comparison import Tolerance
from spatialgeo_ros.runtime.weight_quantisation import WEIGHT_TYPES


@dataclass(frozen=True)
class EngineSettings:
    """How a profile's encoders run when they are compiled.

    Attributes:
        precision: Of engines on a GPU ("fp32", "fp16", "bf16"); a CPU computes in fp32.
        weights: Of the matrices in these engines: "native" (of the precision), "int8", or "fp8" for
            GPUs since SM89.
        workspace_mb: Most scratch memory of a layer, MB, for GPUs with little; None leaves it to
            TensorRT.
        tolerances: Precision -> pattern of an output's name -> tolerance. Outputs that are not
            named have the defaults of ``runtime/comparison.py``.
    """

    precision: str = "fp16"
    weights: str = "native"
    tolerances: Mapping[str, Mapping[str, Tolerance]] = field(default_factory=dict)
    workspace_mb: int | None = None


def read_engine_settings(section: Section | None) -> EngineSettings:
    """Read the section.

    For example ``{precision: fp16, weights: int8, tolerances: {fp16: {points: {relative: 0.02,
    share: 0.999, per: vector}}}}``; all of it may be left out.

    Raises:
        ModelLoadError: Names the key that is wrong.
    """
    if section is None:
        return EngineSettings()
    precision = section.get("precision", str, "fp16")
    if precision not in PRECISIONS:
        raise ModelLoadError(
            f"{section.path}: 'engines.precision' must be one of {', '.join(PRECISIONS)}"
        )
    weights = section.get("weights", str, "native")
    if weights not in WEIGHT_TYPES:
        raise ModelLoadError(
            f"{section.path}: 'engines.weights' must be one of {', '.join(WEIGHT_TYPES)}"
        )
    workspace = section.positive("workspace_mb", int) if section.has("workspace_mb") else None
    tolerances: dict[str, dict[str, Tolerance]] = {}
    if (stated := section.section("tolerances")) is not None:
        for name in PRECISIONS:
            if (outputs := stated.section(name)) is not None:
                tolerances[name] = {
                    str(output): _tolerance(outputs, str(output)) for output in outputs.content
                }
                outputs.finish()
        stated.finish()
    section.finish()
    return EngineSettings(precision, weights, tolerances, workspace)


def _tolerance(outputs: Section, name: str) -> Tolerance:
    section = outputs.section(name)
    label = f"{outputs.path}: '{outputs.name}.{name}'"
    if section is None:
        raise ModelLoadError(f"{label} must say 'relative' or 'absolute'")
    try:
        tolerance = Tolerance(
            relative=section.get("relative", float, 0.0),
            absolute=section.get("absolute", float, 0.0),
            share=section.get("share", float, 1.0),
            per=section.get("per", str, "element"),
        )
    except ModelLoadError as error:
        raise ModelLoadError(f"{label}: {error}") from error
    section.finish()
    return tolerance
