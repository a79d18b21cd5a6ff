# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of one or many files as one mapping from names to tensors, read when asked for.

A 7B checkpoint is 13.5 GB: whoever fills a model from this holds one tensor at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from spatialgeo_ros.errors import ModelLoadError
from spatialgeo_ros.models.files.weights import load_pytorch, named_tensors, require_file
from spatialgeo_ros.runtime import input_files

# What Hugging Face writes, in the order in which it is looked for.
MODEL_STEMS = (("model", ".safetensors"), ("pytorch_model", ".bin"))


class Shards(Mapping[str, Tensor]):
    """Tensors of several files under their names; a context manager, because files stay open.

    Tensors of safetensors files are read when asked for. PyTorch files are mapped into memory
    (``weights_only``: nothing pickled is ever run), so their pages are the system's to drop; copy
    a tensor before the files may change.
    """

    def __init__(self, files: Sequence[Path], expected: Mapping[str, Path] | None = None) -> None:
        """Open files.

        Args:
            files: ``.safetensors`` or PyTorch files holding a state dict.
            expected: The file of each tensor as an index states it; each must be there.

        Raises:
            ModelLoadError: A file is missing, damaged or of another format; two files hold a
                tensor of the same name; or a file lacks a tensor that the index promises.
        """
        self._stack = ExitStack()
        self._read: dict[str, Callable[[], Tensor]] = {}
        self._shape: dict[str, tuple[int, ...]] = {}
        self._source: dict[str, Path] = {}
        try:
            for path in files:
                self._open(path)
            for name, path in (expected or {}).items():
                if self._source.get(name) != path:
                    raise ModelLoadError(
                        f"{path} lacks tensor '{name}', which its index promises; get it again"
                    )
        except BaseException:
            self.close()
            raise

    @classmethod
    def from_folder(cls, folder: Path, stems: Sequence[tuple[str, str]] = MODEL_STEMS) -> Shards:
        """Open the weights in a Hugging Face folder, of one file or with an index of shards.

        Args:
            folder: Of the checkpoint.
            stems: Names and suffixes to look for; the first that is there is taken.

        Raises:
            ModelLoadError: The folder is missing or holds none of these files; the index is
                damaged or names a file that is missing; or as of the constructor.
        """
        if not folder.is_dir():
            raise ModelLoadError(f"checkpoint folder {folder} does not exist; download it first")
        for stem, suffix in stems:
            index = folder / f"{stem}{suffix}.index.json"
            if index.is_file():
                expected = _read_index(index)
                files = sorted(set(expected.values()))
                lost = [file.name for file in files if not file.is_file()]
                if lost:
                    raise ModelLoadError(
                        f"{folder} lacks {', '.join(lost)} of the {len(files)} files that "
                        f"{index.name} names; get the checkpoint again"
                    )
                return cls(files, expected)
            if (folder / f"{stem}{suffix}").is_file():
                return cls([folder / f"{stem}{suffix}"])
        wanted = ", ".join(f"{stem}{suffix}[.index.json]" for stem, suffix in stems)
        raise ModelLoadError(f"{folder} holds no weights; looked for {wanted}")

    def _open(self, path: Path) -> None:
        require_file(path)
        if path.suffix == ".safetensors":
            try:
                stream = self._stack.enter_context(safe_open(path, framework="pt", device="cpu"))
                for name in stream.keys():
                    shape = tuple(stream.get_slice(name).get_shape())
                    self._add(path, name, shape, partial(stream.get_tensor, name))
            except (SafetensorError, OSError, ValueError) as error:
                raise ModelLoadError(
                    f"{path} is damaged or no safetensors file: {error}"
                ) from error
            return
        for name, value in named_tensors(load_pytorch(path, mapped=True), path).items():
            self._add(path, name, tuple(value.shape), value.detach)

    def _add(
        self, path: Path, name: str, shape: tuple[int, ...], read: Callable[[], Tensor]
    ) -> None:
        if name in self._read:
            raise ModelLoadError(
                f"tensor '{name}' is in both {self._source[name]} and {path}; remove the file "
                "that does not belong to the checkpoint"
            )
        self._read[name], self._shape[name], self._source[name] = read, shape, path

    def __getitem__(self, name: str) -> Tensor:
        """Read one tensor, on the CPU.

        Raises:
            KeyError: There is no such tensor.
            ModelLoadError: It cannot be read.
        """
        read = self._read[name]
        try:
            return read()
        except (SafetensorError, OSError, RuntimeError) as error:
            raise ModelLoadError(f"{self._source[name]}: cannot read '{name}': {error}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor without reading it."""
        return self._shape[name]

    def source(self, name: str) -> Path:
        """File that a tensor is in, for messages."""
        return self._source[name]

    def close(self) -> None:
        """Close the files; tensors that were not copied must not be used any more."""
        self._read.clear()
        self._stack.close()

    def __enter__(self) -> Shards:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _read_index(path: Path) -> dict[str, Path]:
    content = input_files.read_json(path, ModelLoadError)
    try:
        table = content["weight_map"]
        return {name: path.parent / Path(file).name for name, file in table.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ModelLoadError(f"{path} is damaged or no index of shards: {error!r}") from error


def read_json(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Raises:
        ModelLoadError: It is missing, or not a JSON mapping.
    """
    if not path.exists():
        raise ModelLoadError(
            f"{path} does not exist; get the checkpoint again, with its .json files"
        )
    content = input_files.read_json(path, ModelLoadError)
    if not isinstance(content, dict):
        raise ModelLoadError(f"{path} holds a {type(content).__name__}, not a mapping")
    return content
