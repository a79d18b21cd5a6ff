# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Weight files: read safely, verify, load with errors that name file and tensor, and save.

No pickle is ever executed: ``.safetensors``, or PyTorch files through ``weights_only=True``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.archive import MOST_MORE_BYTES, check_zip
from spatialgeo_ros.models.files.digest import sha256_of
from spatialgeo_ros.runtime.input_files import parse_json

_PYTORCH_SUFFIXES = (".pt", ".pth", ".bin")
_NAMED_IN_ERROR = 3


def require_file(path: Path) -> None:
    """Check that a file is there and could hold weights.

    Raises:
        ModelLoadError: It is missing, empty, or a git-lfs pointer.
    """
    if not path.is_file():
        raise ModelLoadError(f"weight file {path} does not exist; download or train it first")
    if path.stat().st_size == 0:
        raise ModelLoadError(f"weight file {path} is empty; get it again")
    with path.open("rb") as stream:
        if stream.read(40).startswith(b"version https://git-lfs"):
            raise ModelLoadError(f"{path} is a git-lfs pointer, not the weights; run git lfs pull")


def read_weights(
    path: str | Path, *, mapped: bool = False
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors of a weight file on the CPU, and what else it says about itself.

    Args:
        path: ``.safetensors``, or ``.pt``, ``.pth``, ``.bin`` holding a state dict, or a dict with
            the state dict under ``model`` (MoGe) or ``state_dict``.
        mapped: Map the tensors into memory instead of reading them; they must then be copied
            before the file may change. (Those of safetensors always are.)

    Returns:
        State dict, and metadata: of safetensors the header's (``config`` is decoded from JSON), of
        PyTorch files the other entries of the outer dict, such as ``model_config``.

    Raises:
        ModelLoadError: Missing, damaged, of another format, or with anything but tensors in it.
    """
    path = Path(path)
    require_file(path)
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix not in _PYTORCH_SUFFIXES:
        raise ModelLoadError(
            f"{path}: unknown kind of weight file; use .safetensors, {', '.join(_PYTORCH_SUFFIXES)}"
        )
    content = load_pytorch(path, mapped=mapped)
    metadata: dict[str, Any] = {}
    if isinstance(content, dict):
        for key in ("model", "state_dict"):
            if isinstance(content.get(key), dict):
                metadata = {k: v for k, v in content.items() if k != key}
                content = content[key]
                break
    return named_tensors(content, path), metadata


def load_pytorch(path: Path, *, mapped: bool = False) -> Any:
    """Content of a PyTorch file that is plain data.

    Args:
        path: Of the file.
        mapped: Map the tensors into memory instead of reading them; they must then be copied
            before the file may change. Files of PyTorch before 1.6 cannot be mapped and are read.

    Raises:
        ModelLoadError: Damaged, or it holds code.
    """
    with path.open("rb") as stream:
        archive = stream.read(4) == b"PK\x03\x04"
    if archive:
        check_zip(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and archive)
    # A damaged pickle can end in any error that Python has: its bytes are instructions.
    except Exception as error:
        reason = (str(error).splitlines() or [repr(error)])[0]
        raise ModelLoadError(
            f"{path} cannot be read as plain tensors (damaged, or it holds code, which is never "
            f"run): {reason:.300}"
        ) from error


def named_tensors(content: Any, source: str | Path) -> dict[str, Tensor]:
    """``content`` where it is a dict of tensors.

    Raises:
        ModelLoadError: It is something else, or a tensor is larger than what is stored of it, as
            one whose values repeat can be made.
    """
    if not isinstance(content, dict):
        raise ModelLoadError(f"{source} holds a {type(content).__name__}, not named tensors")
    for name, value in content.items():
        if not isinstance(value, Tensor):
            raise ModelLoadError(f"{source}: entry '{name}' is a {type(value).__name__}, no tensor")
        if value.layout != torch.strided or value.device.type != "cpu":
            raise ModelLoadError(f"{source}: tensor '{name}' is sparse or has no values")
        claimed = value.numel() * value.element_size()
        stored = value.untyped_storage().nbytes()
        if claimed > stored + MOST_MORE_BYTES:
            raise ModelLoadError(
                f"{source}: tensor '{name}' has {claimed / 1e6:.0f} MB of which {stored / 1e6:.0f} "
                "MB are stored: it is no weight file of a network"
            )
    return content


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt", device="cpu") as stream:
            metadata: dict[str, Any] = dict(stream.metadata() or {})
            state = {name: stream.get_tensor(name) for name in stream.keys()}
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelLoadError(f"{path} is damaged or no safetensors file: {error}") from error
    if "config" in metadata:
        source = f"the configuration in {path}"
        metadata["config"] = parse_json(metadata["config"], source, ModelLoadError)
    return state, metadata


def tensor_shape(path: str | Path, name: str) -> tuple[int, ...]:
    """Shape of one tensor, read from a safetensors header alone.

    Raises:
        ModelLoadError: The file cannot be read or has no such tensor.
    """
    path = Path(path)
    require_file(path)
    try:
        with safe_open(path, framework="pt", device="cpu") as stream:
            if name in stream.keys():
                return tuple(stream.get_slice(name).get_shape())
    except (SafetensorError, OSError, ValueError) as error:
        raise ModelLoadError(f"{path} is damaged or no safetensors file: {error}") from error
    raise ModelLoadError(f"{path} has no tensor '{name}'; it belongs to another model")


def require_shapes(
    needed: Mapping[str, tuple[int, ...]],
    found: Mapping[str, tuple[int, ...]],
    source: str | Path,
    *,
    strict: bool = True,
) -> list[str]:
    """Check names and shapes of a checkpoint's tensors, before any of them is read.

    Args:
        needed: Of the network, under the checkpoint's names.
        found: Of the checkpoint.
        source: Named in errors.
        strict: Also refuse tensors that the network does not have.

    Returns:
        Names that the network does not have.

    Raises:
        ModelLoadError: Names the first tensors that are missing, of another shape, or unknown.
    """
    missing = [name for name in needed if name not in found]
    unknown = [name for name in found if name not in needed]
    if missing:
        hint = f"; it has {_names(unknown)} instead" if unknown else ""
        raise ModelLoadError(
            f"{source} lacks {_names(missing)}{hint}: it is incomplete or of another version; get "
            "it again"
        )
    wrong = [name for name, shape in needed.items() if tuple(found[name]) != tuple(shape)]
    if wrong:
        listed = "; ".join(
            f"'{name}' is {list(found[name])} but the configuration needs {list(needed[name])}"
            for name in wrong[:_NAMED_IN_ERROR]
        )
        raise ModelLoadError(
            f"{source}: tensor {listed}{_more(wrong)}: tensors and configuration belong to "
            "different checkpoints"
        )
    if unknown and strict:
        raise ModelLoadError(f"{source} has {_names(unknown)}, which the network does not have")
    return unknown


def require_finite(tensor: Tensor, name: str, source: str | Path) -> None:
    """Check a floating-point tensor for values that no computation survives.

    Raises:
        ModelLoadError: Names it.
    """
    if not torch.isfinite(tensor).all():
        hint = "; bfloat16 has a wider range" if tensor.dtype == torch.float16 else ""
        raise ModelLoadError(f"{source}: tensor '{name}' has values that are not finite{hint}")


def load_into(
    module: nn.Module, state: Mapping[str, Tensor], source: str | Path, *, strict: bool = True
) -> None:
    """Copy tensors into a module.

    Args:
        module: Built for these tensors; it keeps its own dtypes.
        state: As from ``read_weights``.
        source: Named in errors.
        strict: Also refuse tensors that the module does not have. Missing ones always fail.

    Raises:
        ModelLoadError: Names the first tensors that are missing, unexpected, of another shape, or
            not finite in the module's dtypes.
    """
    try:
        result = module.load_state_dict(dict(state), strict=False)
    except RuntimeError as error:
        found = re.findall(
            r"size mismatch for (\S+): copying a param with shape (.+?) from checkpoint, "
            r"the shape in current model is (.+?)\.(?:\n|$)",
            str(error),
        )
        if not found:
            raise ModelLoadError(f"{source}: {error}") from error
        listed = "; ".join(
            f"'{name}' is {_shape(there)} but the model needs {_shape(here)}"
            for name, there, here in found[:_NAMED_IN_ERROR]
        )
        raise ModelLoadError(
            f"{source}: tensor {listed}{_more(found)}; the profile is for another checkpoint"
        ) from error
    # BatchNorm's step counter is bookkeeping of training, absent from some exports.
    missing = [k for k in result.missing_keys if not k.endswith("num_batches_tracked")]
    if missing:
        raise ModelLoadError(f"{source} lacks {_names(missing)} of {type(module).__name__}")
    if strict and result.unexpected_keys:
        raise ModelLoadError(
            f"{source} has {_names(result.unexpected_keys)}, unknown to {type(module).__name__}"
        )
    # Where the module is: a GPU looks through gigabytes in no time.
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            require_finite(tensor, name, source)


def _shape(text: str) -> str:
    return text.removeprefix("torch.Size(").rstrip(")")


def _more(items: list[Any]) -> str:
    extra = len(items) - _NAMED_IN_ERROR
    return f" and {extra} more" if extra > 0 else ""


def _names(names: list[str]) -> str:
    quoted = ", ".join(f"'{n}'" for n in names[:_NAMED_IN_ERROR])
    return f"tensor{'s' if len(names) > 1 else ''} {quoted}{_more(names)}"


def save_weights(
    module: nn.Module,
    path: str | Path,
    *,
    config: Mapping[str, Any] | None = None,
    half: bool = True,
    **metadata: str,
) -> str:
    """Write a module's tensors as safetensors, atomically.

    Args:
        module: Its whole state dict is saved.
        path: Of the file.
        config: What the module was built from; goes into the header as JSON.
        half: Matrices and kernels as float16. Vectors (norms, biases, batch statistics) stay
            float32: they are small, and a variance can be too small for float16.
        metadata: More entries for the header (licence, training step, ...).

    Returns:
        The file's SHA-256, for the profile.

    Raises:
        ModelLoadError: A tensor is not finite, or not any more in float16.
    """
    path = Path(path)
    state: dict[str, Tensor] = {}
    for name, tensor in module.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        kept = tensor.detach().cpu().contiguous().clone()
        if half and kept.is_floating_point() and kept.dim() > 1:
            kept = kept.half()
        if kept.is_floating_point() and not torch.isfinite(kept).all():
            raise ModelLoadError(f"{path}: tensor '{name}' cannot be saved: it is not finite")
        state[name] = kept
    header = {"format": "pt", **metadata}
    if config is not None:
        header["config"] = json.dumps(config)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    save_file(state, partial, metadata=header)
    partial.chmod(0o644)  # safetensors writes for the owner alone; an installed file is for all
    os.replace(partial, path)
    return sha256_of(path)


def weight_bytes(module: nn.Module) -> int:
    """Bytes of a module's parameters and buffers, quantisation constants included."""
    tensors = [*module.parameters(), *module.buffers()]
    for tensor in list(tensors):
        quantised = getattr(tensor, "quant_state", None)
        while quantised is not None:
            tensors += [quantised.absmax, quantised.code]
            quantised = quantised.state2 if quantised.nested else None
    for layer in module.modules():
        # bitsandbytes moves the scales of 8-bit rows from the weight to the state on first use.
        for holder in (getattr(layer, "state", None), getattr(layer, "weight", None)):
            scales = getattr(holder, "SCB", None)
            if isinstance(scales, Tensor):
                tensors.append(scales)
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
