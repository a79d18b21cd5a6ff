# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""LLaVA and SpatialGeo as published: one image, any wording, no tokens for regions."""

from __future__ import annotations

import itertools

from torch import nn

from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.profiles import LlavaPart
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.speaker import answer_about_image
from spatialgeo_ros.networks.towers import FrameTowers
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.prompts import format_suffix, template
from spatialgeo_ros.speech.sampling import Sampling
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer


class LlavaSpeaker:
    """A language model in LLaVA's prompt format; SpatialGeo where it has MoGe projectors.

    Args:
        part: of the profile.
        model: language model and adapter.
        tokenizer: of the language model.
        towers: CLIP and geometry tower of the frame, both on CLIP's padded square.
    """

    canonical_only = False
    takes_regions = False
    context_views = 0

    def __init__(
        self,
        part: LlavaPart,
        model: SpatialGeoModel,
        tokenizer: LanguageTokenizer,
        towers: FrameTowers,
    ) -> None:
        self.decoder = Decoder(model.language_model)
        self._part, self._model, self._tokenizer = part, model, tokenizer
        self._towers = towers
        self._serials = itertools.count()
        self._fused = len(model.adapter.moge_mm_projector_list) > 0

    def modules(self) -> tuple[nn.Module, ...]:
        """Language model and adapter."""
        return self._model.language_model, self._model.adapter

    def encode(self, view: View) -> None:
        """Run the towers that the language model reads."""
        self._towers.clip_features(view)
        if self._fused:
            self._towers.fused_layers(view)

    def answer(self, view: View, question: Question) -> str:
        """Generate an answer; see ``interface.Networks``."""
        model, part = self._model, self._part
        if "visual" not in view.cache:
            layers = self._towers.fused_layers(view) if self._fused else []
            visual, _ = model.visual_embeds(self._towers.clip_features(view), layers)
            view.cache["visual"] = (visual, next(self._serials))
        visual, serial = view.cache["visual"]
        return answer_about_image(
            model, self._tokenizer, template(part.prompt), question, visual,
            suffix=format_suffix(question.family) if part.answer_format else "",
            sampling=Sampling(max_new_tokens=part.max_new_tokens, temperature=part.temperature),
            decoder=self.decoder, serial=serial,
        )  # fmt: skip
