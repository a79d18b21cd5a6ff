# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a compiled engine depends on (its key), and the manifest that stands beside its file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.backend import OnnxModel
from spatialgeo_ros.runtime.files import read_trusted
from spatialgeo_ros.runtime.input_files import MOST_JSON_BYTES, parse_json

FORMAT = 1


class StaleEngineError(ModelLoadError):
    """There is no engine for a key, or the one there must not be used; says why."""


@dataclass(frozen=True)
class EngineKey:
    """Everything that an engine depends on; two engines are interchangeable iff these are equal.

    Attributes:
        onnx_sha256: Of the ONNX file with its weights.
        module: "tensorrt", "tensorrt_rtx" or "onnxruntime".
        version: Of the module.
        gpu: Name of the GPU; "" for an engine built ahead of time, or for a CPU.
        sm: Chip ("sm_86"), or "cpu".
        driver: Of the GPU; "" ahead of time.
        precision: "fp32", "fp16" or "bf16".
        shapes: Of every input, varying axes with their bounds.
        flags: Of the builder.
    """

    onnx_sha256: str
    module: str
    version: str
    gpu: str
    sm: str
    driver: str
    precision: str
    shapes: Mapping[str, str]
    flags: Mapping[str, str] = field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 of the parts, hexadecimal."""
        text = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def differences(self, other: EngineKey) -> list[str]:
        """Names of the parts that differ."""
        return [name for name, value in asdict(self).items() if value != asdict(other)[name]]


def shapes_of(model: OnnxModel) -> dict[str, str]:
    """An export's input shapes as they stand in a key."""
    bounds = {name: f"{a.least}..{a.usual}..{a.most}" for name, a in model.profile.items()}
    return {
        spec.name: "x".join(
            str(side) if isinstance(side, int) else f"{side}({bounds.get(side, 'any')})"
            for side in spec.shape
        )
        for spec in model.inputs
    }


@dataclass(frozen=True)
class Manifest:
    """What stands beside an engine.

    Attributes:
        name: Of the network, for people ("nano-geometry").
        key: What it was built from and for.
        sha256: Of the engine file; "" where the module keeps no file (ONNX Runtime).
        size: Of the engine file, bytes.
        built: Time of building, ISO 8601, UTC.
        build_seconds: Time that building took.
        checks: Machine -> outcome of the parity gate there (see ``runtime/parity.py``).
    """

    name: str
    key: EngineKey
    sha256: str
    size: int
    built: str
    build_seconds: float
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Serialise."""
        content = {"format": FORMAT, "digest": self.key.digest(), **asdict(self)}
        return (json.dumps(content, indent=2, sort_keys=True) + "\n").encode()

    @classmethod
    def from_json(cls, path: Path) -> Manifest:
        """Read a manifest.

        Raises:
            StaleEngineError: It is missing, not whole, of another version, or was changed.
            UntrustedFileError: Somebody else could have written it.
        """
        try:
            text = read_trusted(path)
            if len(text) > MOST_JSON_BYTES:
                raise StaleEngineError(f"{path} is too large to be a manifest")
            content = parse_json(text, path, StaleEngineError)
            if content.pop("format") != FORMAT:
                raise StaleEngineError(f"{path} is of another version of this package")
            digest, key = content.pop("digest"), EngineKey(**content.pop("key"))
            manifest = cls(key=key, **content)
        except FileNotFoundError as error:
            raise StaleEngineError(f"there is no manifest {path}") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StaleEngineError(f"the manifest {path} cannot be read: {error}") from error
        if digest != key.digest():
            raise StaleEngineError(f"the manifest {path} was changed after it was written")
        return manifest
