# Copyright 2026 The spatialgeo_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The nano language model: regions as tokens, its own wording."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from spatialgeo_ros.memory.observation import View
from spatialgeo_ros.models.fusion import interleave
from spatialgeo_ros.models.profiles import LanguagePart
from spatialgeo_ros.models.region_features import region_statistics
from spatialgeo_ros.models.spatialgeo import SpatialGeoModel
from spatialgeo_ros.networks.interface import Question
from spatialgeo_ros.networks.speaker import answer_about_image
from spatialgeo_ros.networks.towers import FrameTowers
from spatialgeo_ros.speech.decoder import Decoder
from spatialgeo_ros.speech.prompts import template
from spatialgeo_ros.speech.sampling import Sampling
from spatialgeo_ros.speech.tokenizer import LanguageTokenizer


class NanoSpeaker:
    """The nano language model: one view, its own wording, one token for each region named.

    Args:
        part: of the profile.
        model: language model and adapter.
        tokenizer: of the language model.
        towers: CLIP and MoGe of the frame.
    """

    canonical_only = True
    takes_regions = True
    context_views = 0

    def __init__(
        self,
        part: LanguagePart,
        model: SpatialGeoModel,
        tokenizer: LanguageTokenizer,
        towers: FrameTowers,
    ) -> None:
        self.decoder = Decoder(model.language_model)
        self.tokenizer = tokenizer
        self._part, self._model = part, model
        self._towers = towers
        self._serials = itertools.count()

    def modules(self) -> tuple[nn.Module, ...]:
        """Language model and adapter."""
        return self._model.language_model, self._model.adapter

    def encode(self, view: View) -> None:
        """Run both towers of a view now."""
        self._towers.clip_features(view)
        self._towers.predictions(view)

    def answer(self, view: View, question: Question) -> str:
        """Generate an answer; see ``interface.Networks``."""
        model = self._model
        if "visual" not in view.cache:
            features = self._towers.clip_features(view)
            layers = self._towers.fused_layers(view)
            clip_embeds = model.adapter.project_clip(features)
            moge_embeds = model.adapter.project_moge(layers)
            visual = interleave(clip_embeds, moge_embeds)
            view.cache["visual"] = (clip_embeds, moge_embeds, visual, next(self._serials))
        clip_embeds, moge_embeds, visual, serial = view.cache["visual"]
        region_embeds: Sequence[Tensor] | Tensor = ()
        if question.regions:
            region_embeds = self._region_embeds(view, question.regions, clip_embeds, moge_embeds)
        return answer_about_image(
            model, self.tokenizer, template(self._part.prompt), question, visual,
            marked=True, region_embeds=region_embeds,
            sampling=Sampling(max_new_tokens=self._part.max_new_tokens),
            decoder=self.decoder, serial=serial,
        )  # fmt: skip

    def _region_embeds(
        self,
        view: View,
        regions: Sequence[npt.NDArray[np.bool_]],
        clip_embeds: Tensor,
        moge_embeds: Tensor,
    ) -> Tensor:
        """One embedding per region [R, D]: pooled tokens and the network's own geometry of it."""
        towers = self._towers
        box = towers.letterbox(view)
        z, valid = towers.points(view)
        rows, columns = z.shape
        rays = towers.seen_camera(view).resized(columns, rows).rays()
        points = rays * np.where(valid, z, np.nan)[..., None]
        gravity = None if view.mount is None else view.mount.gravity
        weights, statistics = [], []
        for region in regions:
            share = box.patch_weights(region, (rows, columns)).reshape(rows, columns)
            inside = share >= min(0.5, float(share.max()))
            weights.append(box.patch_weights(region, towers.image.grid))
            statistics.append(region_statistics(points, inside, gravity))
        embeds = self._model.adapter.region_embeddings(
            clip_embeds,
            moge_embeds,
            torch.from_numpy(np.stack(weights))[None].to(clip_embeds.device),
            torch.from_numpy(np.stack(statistics))[None].to(clip_embeds.device),
        )
        return embeds[0]
