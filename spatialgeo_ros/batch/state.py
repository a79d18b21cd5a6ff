# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A run's whole state in one file, so that a killed run goes on exactly where it stood.

The state is what the pipeline has seen: object map, room, keyframes, dialogues. It is bit for bit
what was in memory, unlike a saved object map, which begins with every object out of view. What was
loaded (networks) is not in it, nor what networks keep of an image and can make again.

The file is written by ``pickle`` and read by an unpickler that makes nothing but numbers, arrays,
collections and objects of this package's classes; it runs no function that the file could choose.
It is read from its owner's file only.
"""

from __future__ import annotations

import collections
import copyreg
import enum
import functools
import hashlib
import io
import pickle
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spatialgeo_ros.grounding.grounder import RESULTS
from spatialgeo_ros.memory.observation import Observation
from spatialgeo_ros.runtime.files import UntrustedFileError, atomic_stream, read_trusted
from spatialgeo_ros.scene.known_objects import related_labels

_MAGIC = b"spatialgeo batch state\n"
_MOST_HEAD = 1000  # bytes of fingerprint and checksums
_PACKAGE = "spatialgeo_ros."


def _member(kind: Any, name: Any) -> enum.Enum:
    """Return a member of an enumeration of the package, and nothing else.

    Python 3.11.0 to 3.11.3 save a member as ``getattr(its class, its name)``.
    """
    ours = isinstance(kind, type) and issubclass(kind, enum.Enum)
    if not (ours and kind.__module__.startswith(_PACKAGE) and name in kind.__members__):
        raise pickle.UnpicklingError("getattr of what is no enumeration is no part of a state")
    member: enum.Enum = kind.__members__[name]
    return member


#: Functions that objects of the package hold on to, and what stands in for others.
_FUNCTIONS = {
    ("builtins", "getattr"): _member,
    (related_labels.__module__, related_labels.__name__): related_labels,
    ("time", "monotonic"): time.monotonic,
}
_CLASSES = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "complex"): complex,
    ("builtins", "bytearray"): bytearray,
    ("builtins", "slice"): slice,
    ("builtins", "range"): range,
    ("collections", "deque"): collections.deque,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "Counter"): collections.Counter,
}
#: How numpy makes its arrays and scalars, under the names of NumPy 1 and 2.
_ARRAYS = {
    "_reconstruct", "_frombuffer", "scalar", "dtype", "ndarray",
}  # fmt: skip
_ARRAY_MODULES = {
    "numpy", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric",
    "numpy._core.numeric",
}  # fmt: skip


@functools.cache
def code_digest() -> str:
    """Return a checksum of this package's code and of NumPy's version.

    A state is of the classes that wrote it: of others, numbers could be missing or mean something
    else.
    """
    digest = hashlib.sha256(np.__version__.encode())
    folder = Path(__file__).resolve().parent.parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


class StateError(Exception):
    """A state cannot be used; the message says why."""


class OtherWorkError(StateError):
    """A state is of other options, or of another recording."""


def save_state(path: Path, fingerprint: str, state: Any, loaded: Mapping[str, Any]) -> None:
    """Write a state, whole or not at all.

    Args:
        path: of the file; an older one is replaced.
        fingerprint: of the work that it is of.
        state: any objects of this package, collections, numbers and arrays.
        loaded: what is not written, by name: :func:`load_state` is given its like.

    Raises:
        OSError: the file cannot be written.
    """
    buffer = io.BytesIO()
    _Writer(buffer, loaded).dump(state)
    body = buffer.getbuffer()
    head = f"{fingerprint}\n{code_digest()}\n{hashlib.sha256(body).hexdigest()}\n"
    with atomic_stream(path) as stream:
        stream.write(_MAGIC)
        stream.write(head.encode())
        stream.write(body)


def load_state(path: Path, fingerprint: str, loaded: Mapping[str, Any]) -> Any:
    """Read a state.

    Args:
        path: of the file.
        fingerprint: of the work that is to go on.
        loaded: by name, what takes the place of what was not written.

    Returns:
        The state; None where there is no file.

    Raises:
        StateError: it is of other work, damaged, of another version of this package, or could have
            been written by somebody else.
    """
    try:
        content = memoryview(read_trusted(path))
    except FileNotFoundError:
        return None
    except UntrustedFileError as error:
        raise StateError(str(error)) from error
    if bytes(content[: len(_MAGIC)]) != _MAGIC:
        raise StateError("it is no saved state")
    head = bytes(content[len(_MAGIC) : len(_MAGIC) + _MOST_HEAD]).split(b"\n", 3)
    if len(head) != 4:
        raise StateError("it is cut off")
    of, code, digest = (part.decode("ascii", "replace") for part in head[:3])
    if of != fingerprint:
        raise OtherWorkError("it is of other options, or of another recording")
    if code != code_digest():
        raise StateError("it was written by another version of this program or of NumPy")
    body = content[len(_MAGIC) + sum(len(part) + 1 for part in head[:3]) :]
    if digest != hashlib.sha256(body).hexdigest():
        raise StateError("it is damaged")
    try:
        return _Reader(io.BytesIO(body), loaded).load()
    except Exception as error:  # of any type, by what its bytes are
        raise StateError(f"it cannot be read ({type(error).__name__}: {error!s:.100})") from error


class _Writer(pickle.Pickler):
    """Leaves out what was loaded, and what networks keep of images."""

    def __init__(self, stream: io.BytesIO, loaded: Mapping[str, Any]) -> None:
        super().__init__(stream, protocol=5)
        self._names = {id(part): name for name, part in loaded.items()}
        self._kept: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}

    def persistent_id(self, obj: Any) -> str | None:
        return self._names.get(id(obj))

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is not Observation:
            return NotImplemented
        fields = dict(vars(obj))
        # Observations of one image share what is kept of it, and have to go on sharing it.
        visual = fields["visual"]
        if id(visual) not in self._kept:
            found = {key: value for key, value in visual.items() if key == RESULTS}
            self._kept[id(visual)] = visual, found
        fields["visual"] = self._kept[id(visual)][1]
        fields["things"] = {}  # by identity of regions; can be made again
        return copyreg.__newobj__, (Observation,), fields  # type: ignore[attr-defined]


class _Reader(pickle.Unpickler):
    """Makes nothing but what a state is made of."""

    def __init__(self, stream: io.BytesIO, loaded: Mapping[str, Any]) -> None:
        super().__init__(stream)
        self._loaded = loaded

    def persistent_load(self, pid: Any) -> Any:
        return self._loaded[pid]

    def find_class(self, module: str, name: str) -> Any:
        known = _CLASSES.get((module, name)) or _FUNCTIONS.get((module, name))
        if known is not None:
            return known
        if module in _ARRAY_MODULES and name in _ARRAYS:
            return super().find_class(module, name)
        if module.startswith(_PACKAGE):
            found = super().find_class(module, name)
            if isinstance(found, type) and found.__module__.startswith(_PACKAGE):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a state")
