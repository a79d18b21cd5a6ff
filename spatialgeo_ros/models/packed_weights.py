# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Language models in NF4 kept on disk as they are in memory, so that loading is reading.

``spatialgeo models pack`` makes the file of a profile. A load that finds one uses it where it was
made from the same files by the same rounding, and else says why not, loads from the checkpoint and
makes it anew. Without that command nothing is ever written.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.meta_fill import assign
from spatialgeo_ros.models.files.packed_file import Entry, PackedFile, StalePackError, write
from spatialgeo_ros.models.files.store import hash_of
from spatialgeo_ros.models.files.upload import upload
from spatialgeo_ros.models.quantise import (
    NF4_PARTS,
    bitsandbytes_version,
    is_quantisable,
    nf4_parts,
    restore_nf4,
)
from spatialgeo_ros.runtime.engine_cache import EngineCacheError, cache_errors, default_folder
from spatialgeo_ros.runtime.files import UntrustedFileError, check_owner

log = logging.getLogger(__name__)

#: Counts up whenever packing, or what is packed, changes: merging, rounding, names.
RULES = 1
_SHARED = ("code", "nested_code")

ModelT = TypeVar("ModelT", bound=nn.Module)


@dataclass(frozen=True)
class PackedWeights:
    """Where the packed language model of a profile is, or would be.

    Attributes:
        name: Of the profile.
        sources: Gives the files that the language model is made from, in a fixed order.
        folder: Of engines and packed weights; None for the usual one.
        make: Write the file whether there is one or not.
    """

    name: str
    sources: Callable[[], Sequence[Path]]
    folder: Path | None = None
    make: bool = False

    @property
    def root(self) -> Path:
        """The folder.

        Raises:
            EngineCacheError: None is named, and there is no usual one.
        """
        return self.folder or default_folder()

    def path(self, dtype: torch.dtype, device: torch.device) -> Path:
        """Where the weights of one dtype and kind of device are."""
        word = str(dtype).removeprefix("torch.")
        return self.root / "packed" / f"{self._stem}-{word}-{device.type}.safetensors"

    @property
    def _stem(self) -> str:
        return re.sub(r"[^A-Za-z0-9_-]", "_", self.name) + "-nf4"

    def files(self) -> list[Path]:
        """The packed weights of the profile that are there, of any dtype and device."""
        kinds = [
            f"{self._stem}-{word}-*.safetensors" for word in ("float16", "bfloat16", "float32")
        ]
        return sorted(path for kind in kinds for path in (self.root / "packed").glob(kind))

    def key(self, dtype: torch.dtype, device: torch.device) -> dict[str, Any]:
        """Everything that the packed weights depend on."""
        return {
            "rules": RULES,
            "quantisation": "nf4",
            "compute": str(dtype).removeprefix("torch."),
            "device": device.type,  # CPU and GPU may round a tie in another direction
            "bitsandbytes": bitsandbytes_version(),
            "sources": [hash_of(path) for path in self.sources()],
        }

    def load(
        self, build: Callable[[], ModelT], dtype: torch.dtype, device: torch.device
    ) -> tuple[ModelT | None, bool]:
        """Load the model from its file, where there is a good one.

        Args:
            build: Makes the model on the meta device.
            dtype: Of the products and of what is not packed.
            device: Where the model goes.

        Returns:
            The model or None, and whether the file is to be written.
        """
        if self.make:
            return None, True
        try:
            with cache_errors(self.root):
                path = self.path(dtype, device)
                if not path.exists():
                    return None, False
                for folder in (self.root, path.parent):
                    check_owner(folder.stat(), folder)
                with PackedFile(path, self.key(dtype, device)) as file:
                    model = _filled(build(), file, dtype, device)
                    file.verify()
        except EngineCacheError as error:
            log.warning("no packed weights are looked for: %s", error)
            return None, False
        except (StalePackError, UntrustedFileError) as error:
            log.warning("packed weights are not used and made again: %s", error)
            return None, True
        log.info("loaded packed weights from %s", path)
        return model, False

    def write(self, model: nn.Module, dtype: torch.dtype, device: torch.device) -> None:
        """Write the file of a loaded model.

        What the disk refuses is an error where the file was asked for, else a warning.

        Raises:
            EngineCacheError: Names the folder and the cure.
        """
        path = self.path(dtype, device)
        try:
            with cache_errors(self.root):
                path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                for folder in (self.root, path.parent):
                    check_owner(folder.stat(), folder)
                size = write(path, self.key(dtype, device), list(_entries(model)))
        except ModelLoadError as error:
            if self.make:
                raise
            log.warning("packed weights are not written: %s", error)
            return
        log.info("wrote packed weights to %s (%.2f GB)", path, size / 1e9)


def load_or_pack(
    packed: PackedWeights | None,
    build: Callable[[], ModelT],
    fill: Callable[[], ModelT],
    dtype: torch.dtype,
    device: torch.device,
    quantisation: str,
) -> ModelT:
    """A language model from its packed file, or from its checkpoint, as ``PackedWeights`` says.

    Args:
        packed: Where the file is, or None not to look.
        build: Makes the model on the meta device.
        fill: Gives the model filled from its checkpoint.
        dtype: Of the products and of what is not packed.
        device: Where the model goes.
        quantisation: Of the language model; only NF4 is kept.

    Raises:
        ModelLoadError: What ``fill`` raises; or the file was asked for and cannot be written.
    """
    if packed is None or quantisation != "nf4":
        return fill()
    model, wanted = packed.load(build, dtype, device)
    if model is None:
        model = fill()
    if wanted:
        packed.write(model, dtype, device)
    return model


def _entries(model: nn.Module) -> Iterator[Entry]:
    """Every tensor of a model in the order of loading; the tables of NF4 once, at the front."""
    tables_written = False
    for prefix, layer in model.named_modules():
        parts = nf4_parts(layer)
        if parts is None:
            for key, tensor in _kept(layer).items():
                yield _entry(f"{prefix}.{key}" if prefix else key, tensor)
            continue
        if not tables_written:
            yield from (_entry(name, parts[name]) for name in _SHARED)
            tables_written = True
        yield from (_entry(f"{prefix}.{n}", parts[n]) for n in NF4_PARTS if n not in _SHARED)
        if layer.bias is not None:
            yield _entry(f"{prefix}.bias", layer.bias)


def _entry(name: str, tensor: Tensor) -> Entry:
    return Entry(name, tuple(tensor.shape), tensor.dtype, lambda: tensor)


def _kept(layer: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers of a layer itself."""
    left = layer._non_persistent_buffers_set
    found = {**layer._parameters, **{k: v for k, v in layer._buffers.items() if k not in left}}
    return {key: tensor for key, tensor in found.items() if tensor is not None}


def _filled(model: ModelT, file: PackedFile, dtype: torch.dtype, device: torch.device) -> ModelT:
    """Give a model that was built on the meta device the tensors of a file.

    Raises:
        StalePackError: A tensor is missing, or has another type or shape.
    """
    plan: list[tuple[str, list[str]]] = []
    for prefix, layer in model.named_modules():
        keys = list(_kept(layer))
        if isinstance(layer, nn.Linear) and is_quantisable(prefix, layer):
            parts = [name for name in NF4_PARTS if name not in _SHARED]
            keys = [*parts, *(["bias"] if layer.bias is not None else [])]
        plan.append((prefix, keys))
    names = [*_SHARED, *(f"{p}.{k}" if p else k for p, keys in plan for k in keys)]
    if missing := [name for name in names if name not in file.names]:
        raise StalePackError(f"{file.path} is damaged: it lacks '{missing[0]}'")
    reads = ((lambda name=name: file.read(name)) for name in names)
    with closing(upload(reads, device)) as arriving:
        tables = {name: next(arriving).clone() for name in _SHARED}
        for prefix, keys in plan:
            layer = model.get_submodule(prefix)
            # A copy on a CPU, where the tensor is a view of the file.
            found = {key: _owned(next(arriving), device) for key in keys}
            if isinstance(layer, nn.Linear) and is_quantisable(prefix, layer):
                shape = (layer.out_features, layer.in_features)
                bias = found.pop("bias", None)
                model.set_submodule(prefix, restore_nf4({**found, **tables}, shape, bias, dtype))
                continue
            for key, tensor in found.items():
                like: Tensor = getattr(layer, key)
                if tensor.shape != like.shape:
                    raise StalePackError(
                        f"{file.path} is damaged: '{prefix}.{key}' has another shape"
                    )
                assign(layer, key, tensor)
    return model


def _owned(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.clone() if device.type == "cpu" else tensor
