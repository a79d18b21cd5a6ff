# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What SAM 2 and SAM 3 share: an image is encoded once per frame, then decoded per question."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spatialgeo_ros.errors import CancelledError, ModelLoadError
from spatialgeo_ros.grounding.captured_graphs import CapturedGraphs
from spatialgeo_ros.grounding.graphs import DetectorGraph, called_by_place
from spatialgeo_ros.grounding.square_input import SquareInput
from spatialgeo_ros.runtime.backend import Backend


class SquareNetwork:
    """An image encoder and a decoder of its features, either on PyTorch or on another backend.

    Args:
        folder: of the checkpoint, in the library's layout.
        usual: input of the published checkpoints, for a folder that does not say.
        side: rows and columns that the network was built for.
        encoder: pixels [1, 3, side, side] to features.
        decoder: features and a question to its answer.
        device: where both are.
        dtype: of their weights.

    Raises:
        ModelLoadError: the files make images of another size than the network takes.

    Attributes:
        input: makes pixels of images.
        encode: pixels to features.
        decode: features and a question to its answer; both can be exchanged for a faster backend.
    """

    kind: str

    def __init__(
        self,
        folder: Path,
        usual: SquareInput,
        side: int,
        encoder: DetectorGraph,
        decoder: DetectorGraph,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.input = SquareInput.of_checkpoint(folder, usual)
        if self.input.side != side:
            raise ModelLoadError(
                f"{folder}: the network takes images of {side} pixels, its processor makes "
                f"{self.input.side}: the files do not belong together"
            )
        self._captured = CapturedGraphs(device, f"{self.kind} of {folder.name}")
        self.encode: Callable[[Tensor], tuple[Tensor, ...]] = self._captured.by_place(encoder)
        self.decode: Callable[..., tuple[Tensor, ...]] = self._captured.by_place(decoder)
        self._graphs: dict[str, DetectorGraph] = {"decoder": decoder, "encoder": encoder}
        self._backends: dict[str, Backend] = {}
        self._device, self._dtype, self._folder = device, dtype, folder

    def graphs(self, image_size: tuple[int, int]) -> dict[str, DetectorGraph]:
        """Both networks as graphs; their input does not depend on the camera."""
        del image_size
        return dict(self._graphs)

    def use(self, name: str, graph: DetectorGraph, backend: Backend) -> None:
        """Run a network of :meth:`graphs` on ``backend`` from now on."""
        self._backends[name] = backend
        if name == "encoder":
            self.encode = called_by_place(graph, backend)
        else:
            self._decode_by(called_by_place(graph, backend))
        graph.to("meta")  # PyTorch's copy of the weights is not run again

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""
        return {
            "kind": self.kind,
            "weights": str(self._folder),
            "backends": {name: backend.name for name, backend in self._backends.items()},
            "launch": self._captured.describe(),
            "device": str(self._device),
            "precision": str(self._dtype).removeprefix("torch."),
            "input": f"{self.input.side}x{self.input.side}",
        }

    def close(self) -> None:
        """Free memory; nothing can be asked afterwards."""
        for backend in self._backends.values():
            backend.close()
        self._backends.clear()
        self._captured.close()
        del self.encode, self.decode, self._graphs

    def _decode_by(self, decode: Callable[..., tuple[Tensor, ...]]) -> None:
        """Take another decoder, whose shapes are those of its example inputs."""
        self.decode = decode

    def _features(
        self,
        image: npt.NDArray[np.uint8],
        cache: MutableMapping[str, Any] | None,
        cancelled: Callable[[], bool] | None,
    ) -> tuple[Tensor, ...]:
        """Features of an image, from ``cache`` where it was encoded before."""
        key = f"{self.kind} features, {self._folder}"
        if cache is not None and key in cache:
            kept: tuple[Tensor, ...] = cache[key]
            return kept
        stop_where(cancelled)
        features = self.encode(self.input.pixels(image).to(self._device, self._dtype))
        if cache is not None:
            cache[key] = features
        return features


def stop_where(cancelled: Callable[[], bool] | None) -> None:
    """Raise ``CancelledError`` where the request was cancelled."""
    if cancelled is not None and cancelled():
        raise CancelledError("looking at the image was cancelled")
