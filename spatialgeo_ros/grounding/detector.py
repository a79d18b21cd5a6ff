# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a detector of named things and a segmenter are: one interface for every kind of network.

``ground(image, phrases)`` gives for each phrase the instances in the image, or says that it is
absent. A detector gives boxes, some kinds masks too; a segmenter turns boxes into masks.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Box = tuple[float, float, float, float]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class InstanceMask:
    """The pixels of one instance.

    Attributes:
        pixels: [H, W] bool, of the image's size.
        cell: side in image pixels of one cell of the grid that the network made the mask on. The
            true edge is not known better than that.
        score: the network's own estimate of the mask's quality in [0, 1]; NaN where it has none.
    """

    pixels: Mask
    cell: float
    score: float = float("nan")


@dataclass(frozen=True, eq=False)
class Instance:
    """One thing that a phrase was found to mean.

    Attributes:
        box: x0, y0, x1, y1 in pixels of the image, inside it.
        score: in [0, 1].
        mask: its pixels, where the detector itself segments; else None.
    """

    box: Box
    score: float
    mask: InstanceMask | None = None


@dataclass(frozen=True, eq=False)
class PhraseResult:
    """What a detector says about one phrase.

    Attributes:
        phrase: as asked.
        instances: surest first; none when the phrase is absent.
        presence: the network's own probability that there is such a thing at all; NaN where it has
            no such output.
        degraded: why this may be less than the network would find; "" when nothing is amiss.
    """

    phrase: str
    instances: tuple[Instance, ...]
    presence: float = float("nan")
    degraded: str = ""

    @property
    def absent(self) -> bool:
        """Whether nothing was found."""
        return not self.instances


class Detector(Protocol):
    """Finds phrases in an image. All calls come from one thread."""

    #: Name of the kind, as profiles write it ("owl").
    kind: str
    #: Whether the detector is on a server: an image leaves the machine, and may cost money.
    looks_elsewhere: bool

    def ground(
        self,
        image: npt.NDArray[np.uint8],
        phrases: Sequence[str],
        *,
        cache: MutableMapping[str, Any] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[PhraseResult]:
        """Look for phrases in one image, as few passes as the network needs.

        Args:
            image: [H, W, 3] uint8 RGB.
            phrases: head nouns with their colour and without article ("red chair").
            cache: of the image: features are kept here and found again by a second call about it.
            cancelled: asked between the stages.

        Returns:
            One result per phrase, in their order.

        Raises:
            CancelledError: ``cancelled`` became true.
        """

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics: weights, backend, precision, thresholds."""

    def close(self) -> None:
        """Free memory."""


class Segmenter(Protocol):
    """Turns boxes into masks. All calls come from one thread."""

    #: Name of the kind, as profiles write it ("sam2").
    kind: str

    def segment(
        self,
        image: npt.NDArray[np.uint8],
        boxes: Sequence[Box],
        *,
        cache: MutableMapping[str, Any] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[InstanceMask]:
        """Segment the thing that each box holds; see :meth:`Detector.ground` for the arguments.

        Raises:
            CancelledError: ``cancelled`` became true.
        """

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""

    def close(self) -> None:
        """Free memory."""
