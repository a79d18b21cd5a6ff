# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What scene and answer need of a profile's networks. No torch in here: a test may implement it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from spatialgeo_ros.memory.observation import Mount, View
from spatialgeo_ros.query.vocabulary import Vocabulary


@dataclass(frozen=True, eq=False)
class Question:
    """What a language model is asked.

    Attributes:
        text: ``<region>`` k in it is mask k.
        regions: masks [H, W] of the view's image.
        family: kind of the question, for the form of the answer.
        earlier: at most ``context_views`` views from before, oldest first.
        on_token: gets each piece of the answer as it comes.
        cancelled: asked between tokens.
        names: what the regions are called, for an answer that speaks of them by number.
        depth: [H, W] metres along the optical axis, NaN where unknown, for a language model that
            is shown depth; None where there is none.
        note: told what about the answer is not as it should be.
    """

    text: str
    regions: Sequence[npt.NDArray[np.bool_]] = ()
    family: str = "open"
    earlier: Sequence[View] = ()
    on_token: Callable[[str], None] | None = None
    cancelled: Callable[[], bool] | None = None
    names: Sequence[str] = ()
    depth: npt.NDArray[np.float32] | None = None
    note: Callable[[str], None] = lambda text: None


@dataclass(frozen=True, eq=False)
class MonocularDepth:
    """Depth predicted from one image.

    Attributes:
        depth: [h, w] float32 along the optical axis, any resolution of the same view; metres, or
            metres up to one unknown factor where ``metric`` is False.
        valid: [h, w] bool.
        relative_sigma: one standard deviation divided by depth, scalar or [h, w].
        metric: whether the network knows the scale.
    """

    depth: npt.NDArray[np.float32]
    valid: npt.NDArray[np.bool_]
    relative_sigma: float | npt.NDArray[np.float32]
    metric: bool = True


class Networks(Protocol):
    """What the facade needs of the loaded networks. All calls come from one thread."""

    model_id: str
    backend: str
    vocabulary: Vocabulary
    #: What a patch may show besides the things of the vocabulary ("wall"): contrast for grounding.
    background_names: tuple[str, ...]
    nominal_mount: Mount | None
    has_geometry: bool
    has_grounding: bool
    has_language: bool
    #: Least probability of a patch at which an object counts as found.
    grounding_threshold: float
    #: Whether the language model only understands questions in the wording it was trained with.
    canonical_only: bool
    #: Whether the language model is shown the regions of the things that a question is about.
    takes_regions: bool
    #: Whether the language model is on a server: a question leaves the machine, and may cost money.
    speaks_elsewhere: bool
    #: How many earlier views of the same camera the language model can look at besides the newest.
    context_views: int

    def depth(self, view: View) -> MonocularDepth:
        """Predict depth of a view whose camera is known."""

    def similarity(self, view: View, names: Sequence[str]) -> npt.NDArray[np.float32]:
        """Logits [len(names), h, w] of each name at each patch of the image."""

    def unfamiliar(self, view: View) -> str:
        """Say why the networks' answers about an image mean nothing, "" where they do.

        A network trained on one kind of image names things on any other as surely. Callers ask
        before they use depth, similarity or answers, and add the cure to the sentence.
        """

    def answer(self, view: View, question: Question) -> str:
        """Let the language model answer a question about a view.

        Raises:
            CancelledError: ``question.cancelled`` became true between two tokens.
        """

    def encode(self, view: View) -> None:
        """Run every tower now and keep the features in the view's cache."""

    def release_intermediates(self, view: View) -> None:
        """Free what is large and can be made again: the view is not the newest of its camera."""

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""

    def close(self) -> None:
        """Free memory."""
