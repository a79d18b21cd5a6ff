# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What every way of running an encoder looks like: named tensors in, named tensors out.

PyTorch, ONNX Runtime and TensorRT implement :class:`Backend`; what is said here about names,
shapes and types is checked the same way for all of them, before anything runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from spatialgeo_ros.errors import InternalError, ModelLoadError

PRECISIONS: dict[str, torch.dtype] = {
    "fp32": torch.float32,
    "fp16": torch.float16,
    "bf16": torch.bfloat16,
}


class BackendUnavailableError(ModelLoadError):
    """A package, provider or device that a backend needs is not here; the message names it."""


class BackendInputError(InternalError):
    """Tensors given to a backend are not those of its model: name, shape, type or device."""


@dataclass(frozen=True)
class TensorSpec:
    """Name, shape and type of one input or output.

    Attributes:
        name: As in the exported file.
        shape: A number per fixed axis, a name ("batch") per axis that may vary.
        dtype: Of the elements.
    """

    name: str
    shape: tuple[int | str, ...]
    dtype: torch.dtype

    def __str__(self) -> str:
        """Return for example ``image [batch, 3, 96, 128] float32``."""
        sides = ", ".join(str(side) for side in self.shape)
        return f"{self.name} [{sides}] {str(self.dtype).removeprefix('torch.')}"


@dataclass(frozen=True)
class AxisRange:
    """Sizes that a varying axis may take: the least, the usual one and the most."""

    least: int
    usual: int
    most: int

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.usual <= self.most:
            raise ValueError(f"an axis needs 1 <= least <= usual <= most, not {self}")


# Name of a varying axis -> its sizes. An axis of this name has the same size in every tensor.
ShapeProfile = Mapping[str, AxisRange]


@dataclass(frozen=True)
class OnnxModel:
    """An exported network on disk.

    Attributes:
        path: Of the ``.onnx`` file.
        sha256: Of the ONNX file and its external weights together (:func:`files_sha256`).
        inputs: In the file's order.
        outputs: In the file's order.
        precision: "fp32", "fp16" or "bf16": the type of the weights and of the computation.
        profile: Sizes that the varying axes may take; empty for a static model.
        weights: External weight files beside the ONNX file.
        metadata: What the file says about itself (source, hash of the source weights, versions).
    """

    path: Path
    sha256: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    precision: str
    profile: ShapeProfile = field(default_factory=dict)
    weights: tuple[Path, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


class Exportable(Protocol):
    """What a module says about itself so that a backend can run or export it.

    Called with its inputs by name, it returns a tuple of its outputs (``models/graphs.py``). It may
    have a method ``exporting``: a context that holds while it is exported.
    """

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    def example_inputs(self, batch: int = 1) -> dict[str, Tensor]:
        """Inputs by name, of the shape and type that the module takes, on its device."""
        ...


class Backend(Protocol):
    """A network that is loaded and ready to run.

    Attributes:
        name: For logs and results, for example "torch-cpu", "onnxruntime-cpu", "tensorrt-fp16".
        inputs: What ``run`` must be given.
        outputs: What it gives.
    """

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def run(self, feeds: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run once.

        Args:
            feeds: Every input by name, of the stated shape and type, contiguous or not, on the
                backend's device.

        Returns:
            Every output by name, on the same device, in memory of its own (a later ``run`` does
            not change it).

        Raises:
            BackendInputError: A tensor is missing, unknown, or of another shape, type or device.
        """
        ...

    def warm_up(self) -> None:
        """Run on zeros at every profile's usual size, so that the first real call is no slower."""
        ...

    def device_memory_bytes(self) -> int | None:
        """Bytes of device memory that weights and workspace hold; None where nobody can tell."""
        ...

    def describe(self) -> dict[str, Any]:
        """Facts for logs and diagnostics: versions, providers, threads, precision, device."""
        ...

    def close(self) -> None:
        """Free everything; a later ``run`` raises."""
        ...


def check_feeds(
    inputs: Sequence[TensorSpec],
    feeds: Mapping[str, Tensor],
    profile: ShapeProfile | None = None,
    device: torch.device | None = None,
) -> dict[str, int]:
    """Check tensors against what a model takes.

    Args:
        inputs: Of the model.
        feeds: Given to ``run``.
        profile: Bounds of the varying axes; an axis that is not named is not bounded.
        device: Where the tensors must be; None leaves that open.

    Returns:
        Size of every varying axis by name.

    Raises:
        BackendInputError: Names the first tensor that is wrong and what was expected.
    """
    expected = {spec.name for spec in inputs}
    if missing := expected - feeds.keys():
        raise BackendInputError(f"input '{sorted(missing)[0]}' is missing")
    if unknown := feeds.keys() - expected:
        raise BackendInputError(
            f"there is no input '{sorted(unknown)[0]}'; the model takes {_listed(inputs)}"
        )
    axes: dict[str, int] = {}
    for spec in inputs:
        tensor = feeds[spec.name]
        if tensor.dtype != spec.dtype or tensor.dim() != len(spec.shape):
            raise BackendInputError(f"input is {_seen(spec.name, tensor)}, expected {spec}")
        if device is not None and tensor.device != device:
            raise BackendInputError(
                f"input '{spec.name}' is on {tensor.device}, the backend on {device}"
            )
        for side, wanted in zip(tensor.shape, spec.shape, strict=True):
            if isinstance(wanted, int):
                fits = side == wanted
            else:
                fits = axes.setdefault(wanted, side) == side
                bounds = (profile or {}).get(wanted)
                if bounds is not None and not bounds.least <= side <= bounds.most:
                    raise BackendInputError(
                        f"input is {_seen(spec.name, tensor)}, but axis '{wanted}' must be "
                        f"{bounds.least} to {bounds.most}: export the model for this size"
                    )
            if not fits:
                raise BackendInputError(
                    f"input is {_seen(spec.name, tensor)}, expected {spec}"
                    + (f" with {wanted} {axes[wanted]}" if isinstance(wanted, str) else "")
                )
    return axes


def usual_feeds(
    inputs: Sequence[TensorSpec],
    profile: ShapeProfile | None = None,
    device: torch.device | str = "cpu",
) -> dict[str, Tensor]:
    """Zeros for every input, varying axes at their usual size (1 where the profile is silent)."""
    sizes = {name: axis.usual for name, axis in (profile or {}).items()}
    return {
        spec.name: torch.zeros(
            [side if isinstance(side, int) else sizes.get(side, 1) for side in spec.shape],
            dtype=spec.dtype,
            device=device,
        )
        for spec in inputs
    }


def files_sha256(paths: Sequence[Path]) -> str:
    """Hexadecimal SHA-256 over the contents of several files, in the given order.

    Each file's own digest is hashed, so that bytes cannot move from one file to the next.
    """
    total = hashlib.sha256()
    for path in paths:
        digest = hashlib.sha256()
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        total.update(digest.digest())
    return total.hexdigest()


def _seen(name: str, tensor: Tensor) -> str:
    return str(TensorSpec(name, tuple(tensor.shape), tensor.dtype))


def _listed(inputs: Sequence[TensorSpec]) -> str:
    return ", ".join(str(spec) for spec in inputs)
