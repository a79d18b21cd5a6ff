# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""An exported network on disk: the ONNX file, its weights, and the description that vouches for it.

Beside ``<name>.onnx`` stands ``<name>.onnx.json`` with everything of :class:`OnnxModel`, so that
reading it needs no ONNX package. It is written last: without it, or with another hash in it, the
files are not used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.backend import AxisRange, OnnxModel, TensorSpec, files_sha256
from spatialgeo_ros.runtime.files import write_json_atomically
from spatialgeo_ros.runtime.input_files import read_json

FORMAT = 1


def description_path(path: Path) -> Path:
    """Where the description of an ONNX file stands."""
    return path.with_name(path.name + ".json")


def specs_to_json(specs: tuple[TensorSpec, ...]) -> list[dict[str, Any]]:
    """Name, shape and type of each tensor as plain JSON values."""
    return [
        {
            "name": spec.name,
            "shape": list(spec.shape),
            "dtype": str(spec.dtype).removeprefix("torch."),
        }
        for spec in specs
    ]


def write_description(model: OnnxModel) -> None:
    """Write the description beside a model's files, atomically."""
    content = {
        "format": FORMAT,
        "sha256": model.sha256,
        "precision": model.precision,
        "inputs": specs_to_json(model.inputs),
        "outputs": specs_to_json(model.outputs),
        "profile": {
            name: [axis.least, axis.usual, axis.most] for name, axis in model.profile.items()
        },
        "weights": [path.name for path in model.weights],
        "metadata": dict(model.metadata),
    }
    write_json_atomically(description_path(model.path), content)


def read_onnx_model(path: str | Path, *, verify: bool = True) -> OnnxModel:
    """Describe an exported network.

    Args:
        path: Of the ``.onnx`` file.
        verify: Hash the ONNX file and its weights and compare with the description; leave it out
            only where the caller hashes them itself.

    Raises:
        ModelLoadError: A file is missing, damaged, or not the one that was exported.
    """
    path = Path(path)
    description = description_path(path)
    cure = "export it again"
    if not description.exists():
        raise ModelLoadError(f"{description} is missing; {cure}")
    try:
        content = read_json(description, ModelLoadError)
        if content["format"] != FORMAT:
            raise ModelLoadError(f"{description} is of another version of this package; {cure}")
        weights = tuple(path.parent / Path(name).name for name in content["weights"])
        model = OnnxModel(
            path=path,
            sha256=content["sha256"],
            inputs=_specs(content["inputs"]),
            outputs=_specs(content["outputs"]),
            precision=content["precision"],
            profile={name: AxisRange(*sizes) for name, sizes in content["profile"].items()},
            weights=weights,
            metadata=content["metadata"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelLoadError(f"{description} cannot be read ({error}); {cure}") from error
    missing = [file for file in (path, *weights) if not file.is_file()]
    if missing:
        raise ModelLoadError(f"{missing[0]} is missing; {cure}")
    if verify and files_sha256([path, *weights]) != model.sha256:
        raise ModelLoadError(f"{path} is damaged or not the network that was exported; {cure}")
    return model


def _specs(items: list[dict[str, Any]]) -> tuple[TensorSpec, ...]:
    specs = []
    for item in items:
        dtype = getattr(torch, item["dtype"])
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"'{item['dtype']}' is no tensor type")
        specs.append(TensorSpec(item["name"], tuple(item["shape"]), dtype))
    return tuple(specs)
