# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Language models behind one interface, and how those of LLaVA's kind answer about an image."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from spatialgeo_ros.errors import CancelledError
from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.prompts import PromptTemplate
from spatialgeo_ros.speech.sampling import Sampling
from spatialgeo_ros.speech.stream import Generation, generate
from spatialgeo_ros.speech.tokenizer import IMAGE_ID, LanguageTokenizer


class Decoding(Protocol):
    """How a speaker's tokens come to be: here (``speech.decoder``) or on a server."""

    def working(self) -> AbstractContextManager[None]:
        """Prepare for the work of one question."""

    def describe(self) -> dict[str, Any]:
        """Facts for diagnostics."""

    def clear(self) -> None:
        """Free memory."""


class Speaker(Protocol):
    """A language model with the towers it was trained with."""

    @property
    def decoder(self) -> Decoding:
        """How its tokens come to be."""

    #: Whether it only understands questions in the wording it was trained with.
    canonical_only: bool
    #: Whether it is shown the regions of the things that a question is about.
    takes_regions: bool
    #: How many earlier views it can look at.
    context_views: int

    def answer(self, view: View, question: Question) -> str:
        """Generate an answer; see ``interface.Networks``."""

    def encode(self, view: View) -> None:
        """Run the towers of a view now."""

    def modules(self) -> tuple[nn.Module, ...]:
        """The networks that are not among the frame's towers."""


def completed_text(result: Generation) -> str:
    """Return the text of an answer.

    Raises:
        CancelledError: it was broken off.
    """
    if result.stopped == "cancelled":
        raise CancelledError("the question was cancelled while it was answered")
    return result.text


def answer_about_image(
    model: SpatialGeoModel,
    tokenizer: LanguageTokenizer,
    prompt: PromptTemplate,
    question: Question,
    visual: Tensor,
    *,
    suffix: str = "",
    marked: bool = False,
    region_embeds: Sequence[Tensor] | Tensor = (),
    sampling: Sampling,
    decoder: Decoder,
    serial: int,
) -> str:
    """Ask LLaVA's kind of language model about one image.

    Args:
        model: with language model and adapter.
        tokenizer: of the language model.
        prompt: its conversation format.
        question: what is asked.
        visual: [1, V, D] tokens of the image.
        suffix: of the system text, see ``PromptTemplate.parts``.
        marked: the question is our own wording, with placeholders in it.
        region_embeds: one per region placeholder in the question.
        sampling: how tokens are chosen.
        decoder: of the language model; keeps the keys and values of everything up to the end of
            the image.
        serial: names the image.
    """
    ids = tokenizer.encode(prompt.parts(question.text, suffix=suffix, marked=marked))
    before = ids.index(IMAGE_ID)
    # On the CPU, where looking for placeholders waits for no GPU.
    inputs = model.prepare_inputs(torch.tensor([ids]), [visual[0]], region_embeds=region_embeds)
    return completed_text(
        generate(
            decoder,
            tokenizer,
            inputs.inputs_embeds,
            sampling,
            on_token=question.on_token,
            cancelled=question.cancelled,
            stop=prompt.stop,
            prefix_key=(serial, tuple(ids[:before])),
            prefix_length=before + visual.shape[1],
        )
    )
