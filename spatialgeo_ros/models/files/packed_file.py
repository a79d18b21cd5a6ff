# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A file of packed weights: found whole, of the key asked for and unchanged, or not used at all.

It is a safetensors file, written tensor by tensor. Its header carries a manifest: what the weights
were made from (the key), and the SHA-256 of every tensor with its type and shape.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.runtime.files import atomic_stream, check_trusted
from spatialgeo_ros.runtime.input_files import parse_json

FORMAT = 1
_MANIFEST = "manifest"
_DTYPES = {
    torch.uint8: "U8", torch.int8: "I8", torch.int64: "I64", torch.bool: "BOOL",
    torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32",
}  # fmt: skip
#: Hashing is as slow as reading; several tensors at once keep up with a fast disk.
_HASHERS = 4


class StalePackError(ModelLoadError):
    """There is no such file, or it must not be used; says why."""


@dataclass(frozen=True)
class Entry:
    """A tensor to be written.

    Attributes:
        name: In the file.
        shape: Of the tensor.
        dtype: Of the tensor.
        read: Gives it, on any device.
    """

    name: str
    shape: tuple[int, ...]
    dtype: torch.dtype
    read: Callable[[], Tensor]

    @property
    def size(self) -> int:
        """Bytes."""
        return self.dtype.itemsize * torch.Size(self.shape).numel()


def tensor_sha256(tensor: Tensor) -> str:
    """SHA-256 of a tensor on the CPU: of its type, shape and bytes."""
    digest = hashlib.sha256(f"{_DTYPES[tensor.dtype]}{list(tensor.shape)}".encode())
    digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def write(path: Path, key: Mapping[str, Any], entries: Sequence[Entry]) -> int:
    """Write a file, one tensor after the other; it is there with everything or not at all.

    Args:
        path: Of the file; its folder is there.
        key: What the tensors depend on, as JSON has it.
        entries: The tensors.

    Returns:
        Its size, bytes.

    Raises:
        OSError: It cannot be written.
    """
    digests = {entry.name: "0" * 64 for entry in entries}
    header = _header(key, entries, digests)
    with atomic_stream(path) as stream:
        stream.write(header)
        for entry in entries:
            tensor = entry.read().detach().to("cpu").contiguous()
            digests[entry.name] = tensor_sha256(tensor)
            stream.write(tensor.reshape(-1).view(torch.uint8).numpy().data)
        size = stream.tell()
        # The hashes are known only now; the header keeps its length.
        stream.seek(0)
        stream.write(_header(key, entries, digests))
    return size


def _header(key: Mapping[str, Any], entries: Sequence[Entry], digests: Mapping[str, str]) -> bytes:
    """The beginning of a safetensors file: length of the JSON, the JSON."""
    manifest = {"format": FORMAT, "key": key, "sha256": digests}
    content: dict[str, Any] = {"__metadata__": {_MANIFEST: json.dumps(manifest, sort_keys=True)}}
    offset = 0
    for entry in entries:
        content[entry.name] = {
            "dtype": _DTYPES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [offset, offset + entry.size],
        }
        offset += entry.size
    text = json.dumps(content).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text


class PackedFile:
    """An open file; its tensors are mapped into memory and hashed while they are used.

    Nothing that was read may be trusted before :meth:`verify` has returned.
    """

    def __init__(self, path: Path, key: Mapping[str, Any]) -> None:
        """Open a file.

        Raises:
            StalePackError: There is none, it is damaged, or made from something else.
            UntrustedFileError: Somebody else could have written it.
        """
        self.path = path
        self._stack = contextlib.ExitStack()
        try:
            check_trusted(path)
            self._file = self._stack.enter_context(safe_open(path, "pt", device="cpu"))
            text = (self._file.metadata() or {})[_MANIFEST]
            manifest = parse_json(text, f"the manifest in {path}", StalePackError)
            if manifest["format"] != FORMAT:
                raise StalePackError(f"{path} is of another version of this package")
            self._sha256 = dict(manifest["sha256"])
            found = dict(manifest["key"])
            self.names = frozenset(self._file.keys())
        except FileNotFoundError as error:
            raise StalePackError(f"there is no {path}") from error
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            self.close()
            raise StalePackError(f"{path} is damaged: {error}") from error
        except BaseException:
            self.close()
            raise
        differing = sorted(
            name for name in {*key, *found} if found.get(name, ...) != key.get(name, ...)
        )
        if differing or self.names != frozenset(self._sha256):
            self.close()
            why = f"made from something else ({', '.join(differing)})" if differing else "damaged"
            raise StalePackError(f"{path} is {why}")
        self._pool = self._stack.enter_context(ThreadPoolExecutor(_HASHERS, "hash"))
        self._checks: dict[str, Future[str]] = {}
        self._lock = threading.Lock()

    def read(self, name: str) -> Tensor:
        """A tensor as a view of the file; its hash is computed meanwhile.

        Raises:
            StalePackError: It is not in the file.
        """
        if name not in self.names:
            raise StalePackError(f"{self.path} is damaged: it lacks '{name}'")
        tensor: Tensor = self._file.get_tensor(name)
        with self._lock:
            if name not in self._checks:
                self._checks[name] = self._pool.submit(tensor_sha256, tensor)
        return tensor

    def verify(self) -> None:
        """Wait for the hashes of everything that was read.

        Raises:
            StalePackError: A tensor is not the one that was written.
        """
        for name, check in self._checks.items():
            if check.result() != self._sha256[name]:
                raise StalePackError(f"{self.path} was changed: '{name}' has another SHA-256")

    def close(self) -> None:
        """Close the file; tensors that were not copied must not be used any more."""
        self._stack.close()

    def __enter__(self) -> PackedFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
