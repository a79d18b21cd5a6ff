# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What all detectors that run here share: phrases, synonyms, cancelling, boxes, other backends."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from spatialgeo_ros.errors import CancelledError, InternalError
from spatialgeo_ros.grounding.captured_graphs import CapturedGraphs
from spatialgeo_ros.grounding.detections import ScoredBoxes, choose_instances
from spatialgeo_ros.grounding.detector import PhraseResult
from spatialgeo_ros.grounding.detector_text import alternatives, plain_phrase, rival_phrases
from spatialgeo_ros.grounding.gate_rules import GateRule
from spatialgeo_ros.grounding.graphs import DetectorGraph
from spatialgeo_ros.models.grounding_profile import DetectorPart
from spatialgeo_ros.runtime.backend import Backend

#: Named tensors in, named tensors out: a PyTorch module, ONNX Runtime or TensorRT.
Network = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
#: Asked between the stages; raises where the request was cancelled.
Check = Callable[[], None]

_serial = itertools.count()


class NetworkDetector(ABC):
    """Implements ``grounding.detector.Detector`` around networks that a subclass runs.

    Args:
        part: of the profile.
        name: of the profile, for messages.
        device: where the networks are.
        dtype: of their weights.
    """

    def __init__(
        self, part: DetectorPart, name: str, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.kind = part.kind
        self.looks_elsewhere = False
        #: Head noun -> others that are asked with it and count as the same thing.
        self.synonyms: dict[str, tuple[str, ...]] = dict(part.synonyms)
        self._part, self._name, self._device, self._dtype = part, name, device, dtype
        self._rival_margin: float = part.settings.get("rival_margin", 1.0)
        self._backends: dict[str, Backend] = {}
        self._captured = CapturedGraphs(device, f"the detector of {name}")
        # One image may be shown to several detectors, or to one that was loaded again.
        self._key = f"grounding.{part.kind}.{next(_serial)}"

    def ground(
        self,
        image: npt.NDArray[np.uint8],
        phrases: Sequence[str],
        *,
        cache: MutableMapping[str, Any] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[PhraseResult]:
        """Look for phrases; see ``Detector.ground``.

        Raises:
            BadRequestError: names a phrase that has no word, or too many for this detector.
            CancelledError: ``cancelled`` became true.
            InternalError: the network computes no finite number, or the GPU's memory is full.
        """

        def check() -> None:
            if cancelled is not None and cancelled():
                raise CancelledError("the search for phrases in the image was cancelled")

        if not phrases:
            return []
        plain = [plain_phrase(phrase) for phrase in phrases]
        asked = [alternatives(text, self.synonyms) for text in plain]
        texts = list(dict.fromkeys(itertools.chain.from_iterable(asked)))
        check()
        try:
            found = self._find(image, texts, {} if cache is None else cache, check)
        except torch.OutOfMemoryError as error:
            raise InternalError(
                f"{self._device} has not enough free memory to look for phrases with {self._name}: "
                "choose a smaller grounding profile, or a smaller image in it"
            ) from error
        check()
        columns = [[texts.index(text) for text in group] for group in asked]
        scores = np.stack([found.scores[:, group].max(axis=1) for group in columns], axis=1)
        return choose_instances(
            ScoredBoxes(scores, found.boxes),
            phrases,
            image.shape[:2],
            threshold=self._part.threshold,
            nms=self._part.nms,
            rivals=rival_phrases(plain),
            rival_margin=self._rival_margin,
        )

    @abstractmethod
    def graphs(self, image_size: tuple[int, int]) -> dict[str, DetectorGraph]:
        """The networks as graphs of one input shape, by name, for other backends than PyTorch.

        Args:
            image_size: rows and columns of camera images; matters where the input has their aspect.

        Returns:
            In the order in which they may be compiled: see ``engines.CompilableNetworks``.
        """

    @abstractmethod
    def gate_rule(self, name: str, graphs: Mapping[str, DetectorGraph]) -> GateRule:
        """How the parity gate judges a network of :meth:`graphs`."""

    def use(self, name: str, graph: DetectorGraph, backend: Backend) -> None:
        """Run a network of :meth:`graphs` on ``backend`` from now on.

        Images of another size are scaled into the graph's input, with padding beside them.
        """
        self._backends[name] = backend
        self._adopt(graph)
        graph.to("meta")  # PyTorch's copy of the weights is not run again

    def _network(self, name: str, make: Callable[[], DetectorGraph]) -> Network:
        """What runs a network of :meth:`graphs`: another backend, or what ``make`` gives."""
        if name in self._backends:
            return self._backends[name].run
        graph = make()
        return lambda feeds: self._captured.run(graph, feeds)

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""
        part = self._part
        return {
            "kind": self.kind,
            "profile": self._name,
            "weights": "" if part.checkpoint is None else part.checkpoint.name,
            "device": str(self._device),
            "precision": str(self._dtype).removeprefix("torch."),
            "backends": {name: backend.name for name, backend in self._backends.items()},
            "launch": self._captured.describe(),
            "threshold": part.threshold,
            "nms": part.nms,
            "rival margin": self._rival_margin,
        }

    def close(self) -> None:
        """Free memory; a later call to :meth:`ground` fails."""
        for backend in self._backends.values():
            backend.close()
        self._backends.clear()
        self._captured.close()

    @abstractmethod
    def _find(
        self,
        image: npt.NDArray[np.uint8],
        texts: Sequence[str],
        cache: MutableMapping[str, Any],
        check: Check,
    ) -> ScoredBoxes:
        """Score boxes for plain phrases, each of them once."""

    @abstractmethod
    def _adopt(self, graph: DetectorGraph) -> None:
        """Take the input shape of a graph that a backend runs."""


def as_numpy(tensor: Tensor) -> npt.NDArray[np.float32]:
    """Copy to the CPU as float32."""
    array: npt.NDArray[np.float32] = tensor.detach().float().cpu().numpy()
    return array
